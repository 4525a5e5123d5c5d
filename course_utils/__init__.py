"""Helpers of the model-optimization lab.

Three floors, and imports only go down: numbers (NumPy only), machines (data, training,
conversion), views (figures, widgets, checks). Importing this package imports nothing else.
"""

import os

# OpenBLAS, NumPy's matrix multiplication, spins while its threads wait for each other. On a busy
# machine, such as a shared JupyterHub, a product of 2 ms then takes 30 ms; one thread is as quick
# as two for the small matrices here. It counts only if NumPy is not imported yet.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
