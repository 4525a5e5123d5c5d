"""Helpers of the model-optimization lab.

Three floors, and imports only go down: numbers (NumPy only), machines (data, training,
conversion), views (figures, widgets, checks). Importing this package imports no other library.
"""

import os

# ipywidgets reads this when it is imported. A kernel that echoes every move of a slider back to
# the browser keeps both busy: without it an Explorer answers a fifth sooner.
os.environ.setdefault("JUPYTER_WIDGETS_ECHO", "0")
