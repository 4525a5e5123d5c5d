"""Run models in the TFLM interpreter, in a process of its own: TFLM may abort on odd models."""

import concurrent.futures
import multiprocessing
import os

import numpy as np

ARENA = 4 << 20


class Refused(Exception):
    """TFLM does not run this model: it said no, or its process died."""


def _run(tflite, x):
    from tflite_micro.python.tflite_micro import runtime

    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=ARENA)
    outputs = []
    for one in x:
        interpreter.set_input(one[None], 0)
        interpreter.invoke()
        outputs.append(np.array(interpreter.get_output(0))[0])
    return np.stack(outputs)


class Tflm:
    """`Tflm().run(tflite, x)`: the outputs for a batch of inputs, one by one."""

    def __init__(self):
        self.pool = None

    def run(self, tflite, x):
        if self.pool is None:
            context = multiprocessing.get_context("spawn")
            self.pool = concurrent.futures.ProcessPoolExecutor(1, mp_context=context)
        try:
            return self.pool.submit(_run, tflite, x).result(timeout=600)
        except concurrent.futures.process.BrokenProcessPool:
            self.pool = None
            raise Refused("the TFLM process died") from None
        except (RuntimeError, ValueError) as error:
            raise Refused(str(error)) from None

    def close(self):
        if self.pool is not None:
            self.pool.shutdown()
