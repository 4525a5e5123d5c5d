"""Run a model in the TFLM interpreter, the one that runs on microcontrollers.

TFLM checks with assertions: a model that it does not expect ends the whole process, and so may an
arena that is too small. It is therefore given a process of its own (`process`), and its death
becomes an exception here.
"""

from __future__ import annotations

import numpy as np

from course_utils.engines import tflite_file
from course_utils.machines import batches, process
from course_utils.machines.process import Refused, close, in_tflm, missing

__all__ = ["ARENA", "Refused", "checked", "close", "in_tflm", "missing", "run"]

ARENA = 4 << 20  # bytes for the interpreter's tensors; no board has more, and this PC has plenty


def run(tflite: bytes | tflite_file.Graph, x, arena_size: int = ARENA):
    """Return the outputs of the TFLM interpreter, which is given the inputs one by one.

    One interpreter takes them all: to a network that keeps a state (a variable, an LSTM) they are
    steps in time, and the next call of `run` begins at the network's first state again.

    tflite:     a `.tflite` file.
    x:          n inputs in the dtype of the model's input (see `evaluation.to_input`): an array
                (n, *shape without its first axis of one), or a tuple of arrays, one for each
                input; see `batches` for other first axes.
    arena_size: bytes that the interpreter has for its tensors; see `smallest_arena`.
    Returns the outputs of all n, in the dtype of the model's output: an array, batch first, or a
    tuple of arrays if the model has several outputs.
    Raises ImportError where tflite-micro is not installed, ValueError for a damaged file, for
    inputs that are too few or of another shape and for no arena, TypeError for another dtype, and
    Refused (a RuntimeError) for a model that TFLM does not run, even if its process died.
    """
    graph = checked(tflite)
    inputs = batches.whole(x, graph)
    if arena_size < 1:
        raise ValueError(f"arena_size is {arena_size} bytes; an interpreter needs at least one.")
    try:
        outputs = in_tflm(run_whole, graph.file, inputs, len(graph.outputs), arena_size)
    except Refused as refused:
        why = process.suspect(graph) if isinstance(refused, process.Died) else ""
        where = f" in an arena of {arena_size:,} bytes" * (arena_size < ARENA)
        message = str(refused).replace("this model", f"this model{where}", 1)
        raise Refused(f"{message} {why}".strip()) from None
    return batches.outputs(outputs)


def checked(tflite):
    """The Graph of a `.tflite` file, which is read in Python before C++ sees its bytes.

    Raises ImportError where tflite-micro is not installed, ValueError for a damaged file.
    """
    if reason := missing():
        raise ImportError(reason)
    return tflite_file.read(tflite)


def run_whole(tflite, inputs, outputs, arena_size):
    """In the other process: arrays (n, *the output's shape), one for each output."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=arena_size)
    answers = [[] for _ in range(outputs)]
    for feed in zip(*inputs, strict=True):
        # Each input each time: TFLM may use an input's place for what is computed later.
        for i, array in enumerate(feed):
            interpreter.set_input(array, i)
        interpreter.invoke()
        for i, answer in enumerate(answers):
            answer.append(np.array(interpreter.get_output(i)))
    return [np.stack(answer) for answer in answers]
