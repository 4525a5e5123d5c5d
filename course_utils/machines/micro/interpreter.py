"""Run a model in the TFLM interpreter, the one that runs on microcontrollers.

TFLM checks with assertions: a model that it does not expect ends the whole process, and so may an
arena that is too small. It is therefore given a process of its own, and its death becomes an
exception here.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import importlib.util
import multiprocessing
import os
import signal
import threading

import numpy as np

from course_utils import env
from course_utils.engines import tflite_file

ARENA = 4 << 20  # bytes for the interpreter's tensors; no board has more, and this PC has plenty
TIMEOUT = 600  # seconds


class Refused(RuntimeError):
    """TFLM does not run this model: it said no, or its process died."""


def missing() -> str:
    """Why TFLM cannot run here, in one sentence; "" where it can."""
    if importlib.util.find_spec("tflite_micro"):
        return ""
    return (
        "The TFLM interpreter is not installed: tflite-micro has wheels for Linux on x86-64 only "
        "(there, `python lab.py` installs it)."
    )


def run(tflite: bytes | tflite_file.Graph, x: np.ndarray, arena_size: int = ARENA) -> np.ndarray:
    """Return the outputs of the TFLM interpreter, which is given the inputs one by one.

    tflite:     a `.tflite` file with one input and one output and a batch of one.
    x:          inputs, batch first, in the dtype of the model's input (see
                `quantization.quantize`).
    arena_size: bytes that the interpreter has for its tensors; see `smallest_arena`.
    Returns an array of the outputs, batch first, in the dtype of the model's output.
    Raises ImportError where tflite-micro is not installed, ValueError for a damaged file, for no
    input and for no arena, and Refused (a RuntimeError) for a model that TFLM does not run, even if
    its process died.
    """
    x = np.asarray(x)
    if x.ndim == 0 or len(x) == 0:
        raise ValueError(f"x needs at least one input, batch first; it has the shape {x.shape}.")
    if arena_size < 1:
        raise ValueError(f"arena_size is {arena_size} bytes; an interpreter needs at least one.")
    try:
        return in_tflm(_run, checked(tflite).file, x, arena_size)
    except Refused as refused:
        if arena_size >= ARENA:
            raise
        where = f"this model in an arena of {arena_size:,} bytes"
        raise Refused(str(refused).replace("this model", where, 1)) from None


def checked(tflite):
    """The Graph of a `.tflite` file, which is read in Python before C++ sees its bytes.

    Raises ImportError where tflite-micro is not installed, ValueError for a damaged file.
    """
    if reason := missing():
        raise ImportError(reason)
    return tflite_file.read(tflite)


def in_tflm(function, *arguments):
    """function(*arguments) in the TFLM process; `function` is at the top of a module.

    Raises ImportError and Refused as `run` does.
    """
    if reason := missing():
        raise ImportError(reason)
    # A process that has run a model before is kept: to start one takes a second.
    try:
        return _process().submit(function, *arguments).result(timeout=TIMEOUT)
    except concurrent.futures.process.BrokenProcessPool:
        close()
        raise Refused("The TFLM process died on this model.") from None
    except concurrent.futures.TimeoutError:
        close()
        raise Refused(f"TFLM was not done after {TIMEOUT} s; its process was stopped.") from None
    except KeyboardInterrupt:
        close()
        raise
    except Exception as error:
        raise Refused(f"TFLM does not run this model: {error}") from None


_kept: list[concurrent.futures.ProcessPoolExecutor] = []


def _process():
    if not _kept:
        context = multiprocessing.get_context("spawn")  # fork would copy a kernel's threads' locks
        _kept.append(concurrent.futures.ProcessPoolExecutor(1, context, initializer=_settle))
    return _kept[0]


def close() -> None:
    """End the TFLM process, whatever it is doing; the next `run` starts another."""
    while _kept:
        pool = _kept.pop()
        for process in (pool._processes or {}).values():
            process.terminate()
        pool.shutdown(wait=False, cancel_futures=True)


def _settle():
    """In the other process, first: end when this one ends, and not at Ctrl+C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # `run` hears of it and decides

    def follow():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


atexit.register(close)  # before the interpreter takes its own modules apart


def _run(tflite, x, arena_size):
    """In the other process."""
    from tflite_micro.python.tflite_micro import runtime

    # TFLM says why on stderr, which a notebook would show; the exception itself says little.
    with env.captured_stderr() as said:
        try:
            interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=arena_size)
            outputs = []
            for one in x:
                interpreter.set_input(one[None], 0)
                interpreter.invoke()
                outputs.append(np.array(interpreter.get_output(0))[0])
            return np.stack(outputs)
        except Exception as error:
            reason = str(error)
    raise RuntimeError((said.text.strip().splitlines() or [reason])[0])
