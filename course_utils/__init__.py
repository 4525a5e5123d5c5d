"""Helpers of the model-optimization lab, on floors that are folders; imports only go down.

    numbers, engines    the lecture's formulas and whole networks, in NumPy
    machines            data, and what trains, converts, measures and records
    views               how things look, move, ask and answer
    labs                one folder a notebook
    workshop            for authors

Importing this package imports no other library.
"""

import os

# ipywidgets reads this when it is imported. A kernel that echoes every move of a slider back to
# the browser keeps both busy: without it an Explorer answers a fifth sooner.
os.environ.setdefault("JUPYTER_WIDGETS_ECHO", "0")
