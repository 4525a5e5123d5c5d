"""A second process, in which TFLM and LiteRT run models that may end it.

They check with assertions in C++: one that fails ends the process, and were it the notebook's,
everything in that would be lost. The second process is started as `python -c`, not by
multiprocessing: that would import the user's script once more, and a script whose calls are not
under `if __name__ == "__main__":` would run again there, in place of the model.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import threading

from course_utils import env

TIMEOUT = 600  # seconds
EIGHT_BITS = ("int8", "uint8")


class Refused(RuntimeError):
    """A runtime does not run this model: it said no, took too long, or its process died."""


class Died(Refused):
    """The model ended the process."""


def missing() -> str:
    """Why TFLM cannot run here, in one sentence; "" where it can."""
    if importlib.util.find_spec("tflite_micro"):
        return ""
    if env.IN_BROWSER:
        return "A browser tab has no TFLM interpreter."
    return (
        "The TFLM interpreter is not installed: tflite-micro has wheels for Linux on x86-64 only "
        "(there, `python lab.py` installs it)."
    )


def in_tflm(function, *arguments):
    """What function(*arguments) returns, run in the other process; see `call`.

    The time is limited to TIMEOUT: no network of a microcontroller takes that long.
    Raises ImportError where tflite-micro is not installed, and what `call` raises.
    """
    if reason := missing():
        raise ImportError(reason, name="tflite_micro")
    return call("TFLM", TIMEOUT, function, *arguments)


def call(runtime, timeout, function, *arguments):
    """What function(*arguments) returns, run in the other process.

    runtime:  "TFLM" or "LiteRT", for the messages.
    timeout:  seconds, or None.
    function: one from the top of a module, by whose name the other process finds it.
    Raises Refused (a RuntimeError) with what the runtime said if the function fails or takes
    longer, Died (a Refused) if it ends the process, RuntimeError if the process does not start.
    """
    with _turn:
        worker = _worker()
        try:
            worker.said.seek(0)
            worker.said.truncate()
            worker.pipe.send((function, arguments))
            if not worker.pipe.poll(timeout):
                close()
                raise Refused(f"{runtime} was not done after {timeout} s; its process was stopped.")
            fine, answer = worker.pipe.recv()
        except (EOFError, ConnectionError):
            how, said = _signal(worker.process.wait()), worker.heard()
            close()
            last = f": {said[-1]}" if said else "."
            raise Died(f"The {runtime} process died on this model{how}{last}") from None
        except KeyboardInterrupt:
            close()
            raise
        if fine:
            return answer
        raise Refused(f"{runtime} does not run this model: {(worker.heard() or [answer])[0]}")


def close() -> None:
    """End the other process, whatever it is doing; the next `call` starts another."""
    while _kept:
        worker = _kept.pop()
        if worker.owner == os.getpid():
            worker.process.kill()
            worker.process.wait()
        worker.pipe.close()
        worker.said.close()
        os.close(worker.alive)


# --- on this side -------------------------------------------------------------------------------


class _Worker:
    """The other process, and the two ways to it."""

    def __init__(self):
        self.owner = os.getpid()
        # They say why on stderr. In a file it outlives the process, and no notebook shows it.
        self.said = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # closed in `close`
        self.pipe, theirs = multiprocessing.Pipe()
        follow, self.alive = os.pipe()  # `alive` closes when this process ends, however it ends
        path = [*(entry or os.getcwd() for entry in sys.path), str(env.ROOT)]
        code = (
            f"import sys; sys.path[:] = {path!r}; from course_utils.machines import process; "
            f"process.serve({theirs.fileno()}, {follow})"
        )
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.DEVNULL, stdout=self.said, stderr=self.said,
            pass_fds=(theirs.fileno(), follow),
            start_new_session=True,  # Ctrl+C reaches `call` alone, which decides
        )  # fmt: skip
        theirs.close()
        os.close(follow)

    def heard(self):
        """The lines that the other process wrote since the last call began."""
        self.said.seek(0)
        lines = self.said.read().decode("utf-8", "replace").splitlines()
        return [line.strip() for line in lines if line.strip()]


def suspect(graph) -> str:
    """A sentence on what, in this model, is known to end the process; "" if nothing is.

    The 8-bit softmax that LiteRT's reference kernels and TFLM share (reference/softmax.h) shifts
    by 23 bits and one more for each doubling of the sum of exp(x - max x), and checks that these
    are 31 at most: the sum must stay below 512, which inputs that are nearly equal exceed.
    """
    for op in graph.operators:
        written = [graph.tensors[index] for index in op.outputs if op.name == "SOFTMAX"]
        values = max((y.shape[-1] for y in written if y.type in EIGHT_BITS and y.shape), default=0)
        if values >= 512:
            return (
                f"{op} has {values:,} values, and this kernel ends the program where their "
                "exponentials, each against the largest, add up to 512: leave the softmax out and "
                "take the largest logit."
            )
    return ""


_kept: list[_Worker] = []
_turn = threading.RLock()  # one call at a time


def _worker():
    """The process that ran a model before, or a new one: to start it takes a second."""
    if _kept and _kept[0].owner != os.getpid():
        close()  # this process is a fork: the answers there are the other one's
    if not _kept:
        worker = _Worker()
        _kept.append(worker)
        try:
            worker.pipe.recv()  # serve's word that it is there
        except (EOFError, ConnectionError):
            said = worker.heard() or ["it said nothing."]
            close()
            raise RuntimeError(f"The process for models does not start: {said[-1]}") from None
        except KeyboardInterrupt:
            close()
            raise
    return _kept[0]


def _signal(code):
    """ " (SIGABRT)" for the return code -6."""
    try:
        return f" ({signal.Signals(-code).name})"
    except ValueError:
        return ""


atexit.register(close)  # before the interpreter takes its own modules apart


# --- on the other side --------------------------------------------------------------------------


serving = False  # is this the other process?


def serve(pipe, follow):
    """In the other process: answer calls until the one that asks is gone."""
    global serving
    serving = True

    def end_with_it():
        os.read(follow, 1)  # returns when the last holder of the other end is gone
        os._exit(1)

    threading.Thread(target=end_with_it, daemon=True).start()
    with contextlib.suppress(ModuleNotFoundError):  # now: what it says is not a model's
        import tflite_micro.python.tflite_micro.runtime  # noqa: F401

    connection = multiprocessing.connection.Connection(pipe)
    connection.send("ready")
    while True:
        try:
            asked = connection.recv_bytes()
        except EOFError:
            return
        try:
            function, arguments = pickle.loads(asked)
            answer = True, function(*arguments)
        except Exception as error:
            answer = False, str(error) or type(error).__name__
        connection.send(answer)
