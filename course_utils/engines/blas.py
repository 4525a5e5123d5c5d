"""Keep NumPy's matrix multiplication to the calling thread for a while.

OpenBLAS, which NumPy's wheels bring along, spins while its threads wait for each other. On a busy
machine, such as a shared JupyterHub, a product of 1 ms then takes 30 ms. Whoever splits work into
threads of their own, or multiplies small matrices, is better off with one thread there.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
from pathlib import Path

import numpy as np


@contextlib.contextmanager
def one_thread():
    """Let OpenBLAS use one thread within the block, and as many as before after it.

    Does nothing where NumPy multiplies with another library (Apple's Accelerate, conda's MKL).

    >>> with one_thread():
    ...     float(np.ones((2, 3)) @ np.ones(3) @ np.ones(2))
    6.0
    """
    functions = _openblas()
    if functions is None:
        yield
        return
    get, put = functions
    before = get()
    put(1)
    try:
        yield
    finally:
        put(before)


@functools.cache
def _openblas():
    """Return the functions that get and set the number of threads, or None."""
    folders = (Path(np.__file__).parent.parent / "numpy.libs", Path(np.__file__).parent / ".dylibs")
    for path in (path for folder in folders for path in sorted(folder.glob("*openblas*"))):
        try:
            library = ctypes.CDLL(str(path))  # already loaded: this only names it
        except OSError:
            continue
        for name in ("scipy_openblas_{}_num_threads64_", "scipy_openblas_{}_num_threads"):
            get, put = (getattr(library, name.format(verb), None) for verb in ("get", "set"))
            if get and put:
                return get, put
    return None
