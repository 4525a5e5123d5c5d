"""What a `.tflite` model is worth: how often it is right, how large it is, how long it takes.

Each number comes with what makes it one: an accuracy with its interval, a difference paired image
by image, a size by part, a latency as median and quartiles of interleaved runs. Models run in
LiteRT (`litert`), with its kernels "xnnpack" or "reference".
"""

from __future__ import annotations

import contextlib
import os
import platform
import time
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from course_utils.engines import tflite_file
from course_utils.engines.integer_engine import IntegerModel
from course_utils.machines import batches, litert, micro
from course_utils.machines.file_size import Size, size
from course_utils.machines.litert import KERNELS, Progress, interpreter, run, to_input
from course_utils.numbers import intervals
from course_utils.numbers.quantization import dequantize

__all__ = [
    "KERNELS", "Accuracy", "Comparison", "Latency", "Size", "Verdict", "accuracy", "compare",
    "count", "interpreter", "latency", "processor", "run", "runtimes", "size", "to_input",
]  # fmt: skip

RUNTIMES = ("LiteRT reference", "LiteRT XNNPACK", "TFLM", "integer engine", "integer only")
SAME_VALUES = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CAST")


# --- accuracy -------------------------------------------------------------------------------


class Accuracy(NamedTuple):
    """Right answers on n inputs. `right` (bool, shape (n,)) lets two models be paired."""

    value: float
    interval: tuple[float, float]  # 95 %, Wilson
    correct: int
    n: int
    right: np.ndarray

    def __str__(self):
        low, high = self.interval
        return f"{self.value:.2%} ({low:.2%} to {high:.2%}, n = {self.n:,})"


class Comparison(NamedTuple):
    """Two models on the same inputs. `loss` > 0: the second one is right less often."""

    newly_wrong: int
    newly_right: int
    n: int
    loss: float  # share of the inputs
    interval: tuple[float, float]  # 95 %, of the loss
    p_value: float  # exact McNemar

    def __str__(self):
        low, high = self.interval
        return (
            f"lost {100 * self.loss:.2f} points ({100 * low:.2f} to {100 * high:.2f}): "
            f"{self.newly_wrong} newly wrong, {self.newly_right} newly right, "
            + (f"p = {self.p_value:.2g}" if self.p_value >= 1e-12 else "p < 1e-12")
        )


def accuracy(tflite, x, y, kernels="xnnpack", progress: Progress | None = None, output=None,
             threshold=None) -> Accuracy:  # fmt: skip
    """How often the model's answer is the label.

    The answer is the largest of a row of outputs (the first of equal ones), or the class that an
    ARG_MAX wrote. A single number is class 1 above `threshold`, which is 0.5 behind a LOGISTIC.

    tflite: the file's bytes.  x: inputs, scaled as in training, see `litert.run`.  y: integer
    labels (n,).  An integer model's inputs are rounded to its codes, never truncated.
    progress(done, n) is called after each batch.
    output: which one, its index in the file, where a model has several outputs.
    threshold: for a single output: the real number above which it means class 1.
    Raises ValueError for shapes or lengths that do not fit, an empty x, labels that are no class,
    unknown kernels, a file that LiteRT does not run, and outputs that are no answer to "which
    class?": several, one without a threshold, one for each pixel, NaN.
    """
    graph = tflite_file.read(tflite, allow_sparse=True)
    given = batches.arrays(x, graph, or_rows=True)
    n, at_once = len(given[0]), batches.rows(graph) if batches.in_rows(given, graph) else 1
    tensor = graph.tensors[graph.outputs[_chosen(graph, output)]]
    labels = _labels(y, n)
    classes = _classes(graph, tensor, tensor.size // at_once, threshold)
    if classes and not (labels.min() >= 0 and labels.max() < classes):
        raise ValueError(
            f"y holds the labels {labels.min()} to {labels.max()}, and the model has {classes} "
            f"classes, 0 to {classes - 1}."
        )
    outputs = run(graph, x, kernels, progress)
    outputs = outputs[_chosen(graph, output)] if isinstance(outputs, tuple) else outputs
    if outputs.dtype.kind == "f" and np.isnan(outputs).any():
        raise ValueError("The model answers NaN: its training diverged, or x holds NaN.")
    return count(_answers(graph, tensor, outputs.reshape(n, -1), threshold) == labels)


def _chosen(graph, output):
    """The index of the output that answers."""
    many = len(graph.outputs)
    if many == 0:
        raise ValueError("The model has no output: there is no answer to count.")
    if many == 1 and output is None:
        return 0
    if not isinstance(output, (int, np.integer)) or not 0 <= output < many:
        raise ValueError(
            f"The model has {many} output{'s' * (many > 1)} "
            f"({batches.describe(graph, graph.outputs)}): say which one is the class by its index, "
            "output=0, say."
        )
    return output


def _labels(y, n):
    y = np.asarray(y)
    if y.shape != (n,):
        remedy = " y.argmax(axis=1) makes labels of one-hot rows, y[:, 0] of a column."
        raise ValueError(
            f"x and y must hold the same inputs, at least one: x has {n}, y the shape "
            f"{y.shape}.{remedy * (y.ndim == 2)}"
        )
    if y.dtype.kind not in "iubf" or not np.array_equal(y, np.floor(y)):
        raise ValueError("y holds labels: integers, 0 for the first class.")
    return y.astype(np.int64)


def _classes(graph, tensor, values, threshold):
    """How many classes an output of so many values tells apart; 0: as many as it likes."""
    last = _computed_by(graph, tensor.index)
    if values < 1 or values not in (1, tensor.shape[-1] if tensor.shape else 1):
        raise ValueError(
            f"The model answers {tensor.shape} to one input, which is no row of classes: take what "
            "you need of evaluation.run, and evaluation.count what is right."
        )
    if threshold is not None and (values > 1 or last == "ARG_MAX"):
        raise ValueError("A threshold is for a model of a single output: leave it out.")
    if values == 1 and threshold is None and last not in ("LOGISTIC", "ARG_MAX"):
        raise ValueError(
            f"The model's single output comes from {last}, not from a sigmoid (LOGISTIC): say "
            "above which number it means class 1, threshold=0 for a logit. A regression has no "
            "accuracy."
        )
    return 0 if last == "ARG_MAX" and values == 1 else max(values, 2)


def _answers(graph, tensor, values, threshold):
    """The classes that outputs (n, values) stand for: integers (n,)."""
    if values.shape[1] > 1:
        return values.argmax(axis=1)
    if threshold is None and _computed_by(graph, tensor.index) == "ARG_MAX":
        return values[:, 0]
    if values.dtype.kind != "f":
        if tensor.qparams is None:
            raise ValueError(f"The model's {tensor.type} output has no scale: it is no number.")
        values = dequantize(values, tensor.qparams)
    return (values[:, 0] > (0.5 if threshold is None else threshold)).astype(np.int64)


def _computed_by(graph, index):
    """The operator behind a tensor, past those that only write its values in another form."""
    writes = {index: op for op in graph.operators for index in op.outputs}
    for _ in graph.operators:  # a damaged file may go in circles
        if index in writes and writes[index].name in SAME_VALUES and writes[index].inputs:
            index = writes[index].inputs[0]
    return writes[index].name if index in writes else "no operator"


def count(right) -> Accuracy:
    """The Accuracy of answers that are already known to be right (True) or wrong.

    Raises ValueError unless they are a list of at least one True or False (1 or 0).
    """
    right = np.asarray(right)
    if right.ndim != 1 or len(right) == 0 or not np.isin(right, (0, 1)).all():
        raise ValueError("count takes a list of True and False, one for each input.")
    right = right.astype(bool)
    correct, n = int(right.sum()), len(right)
    return Accuracy(correct / n, intervals.wilson(correct, n), correct, n, right)


def compare(before: Accuracy, after: Accuracy) -> Comparison:
    """Pair two models input by input: what did `after` lose, and could that be chance?

    Raises ValueError if they answered another number of inputs.

    >>> before = count([True] * 96 + [False] * 4)
    >>> after = count([True] * 90 + [False] * 8 + [True] * 2)
    >>> print(compare(before, after))
    lost 4.00 points (-1.79 to 9.64): 6 newly wrong, 2 newly right, p = 0.29
    """
    if before.n != after.n:
        raise ValueError(f"Only answers to the same inputs pair: {before.n} and {after.n} differ.")
    wrong = int((before.right & ~after.right).sum())
    right = int((after.right & ~before.right).sum())
    return Comparison(
        wrong,
        right,
        before.n,
        (wrong - right) / before.n,
        intervals.paired_difference(wrong, right, before.n),
        intervals.mcnemar_exact(wrong, right),
    )


# --- where it runs --------------------------------------------------------------------------


class Verdict(NamedTuple):
    """Whether a model runs somewhere, found out by trying, and what was said if it does not."""

    runs: bool
    said: str


def runtimes(tflite, x) -> dict[str, Verdict]:
    """Try a model in each runtime: {"LiteRT reference", "LiteRT XNNPACK", "TFLM", ...: Verdict}.

    x: a few inputs as in training. "integer engine" is the suite's own, `integer_engine`;
    "integer only" looks at the file: does any tensor hold floats, which an accelerator for
    integers (an Edge TPU, say) does not take?
    Raises ValueError and TypeError for an x that the model does not take.
    """
    try:
        graph = tflite_file.read(tflite, allow_sparse=True)
    except ValueError as error:
        return dict.fromkeys(RUNTIMES, Verdict(False, str(error)))
    codes = to_input(x, graph)
    given = batches.arrays(codes, graph, or_rows=True)
    if batches.in_rows(given, graph):
        codes = batches.groups(given, graph)
    tries = (
        lambda: run(graph, x, "reference"),
        lambda: run(graph, x, "xnnpack"),
        lambda: micro.run(graph, codes),
        lambda: IntegerModel(graph).run(codes),
        lambda: _only_integers(graph),
    )
    return dict(zip(RUNTIMES, map(_try, tries), strict=True))


def _try(function):
    try:
        function()
    except (ValueError, RuntimeError, TypeError, ImportError) as error:
        return Verdict(False, str(error))
    return Verdict(True, "")


def _only_integers(tflite):
    graph = tflite_file.read(tflite)
    floats = [t for t in graph.tensors if t.type.startswith("float")]
    if floats:
        raise ValueError(f"{len(floats)} of its {len(graph.tensors)} tensors hold floats.")


# --- latency --------------------------------------------------------------------------------


class Latency(NamedTuple):
    """Microseconds for one input (a batch of one), over `runs` runs."""

    median: float
    quartiles: tuple[float, float]
    runs: int

    def __str__(self):
        low, high = self.quartiles
        return f"{self.median:,.0f} µs ({low:,.0f} to {high:,.0f})"


def latency(models: Mapping[str, bytes], kernels="xnnpack", threads=1, seconds=2.0,
            progress: Progress | None = None) -> dict[str, Latency]:  # fmt: skip
    """How long one input takes, for several models side by side: {name: Latency}.

    The models take turns, in blocks of a few milliseconds, so that whatever else the machine does
    meanwhile falls on all of them alike; the first blocks warm caches up and are not counted. The
    number of threads is fixed, and on Linux so are the processors that they run on.

    Where one of them is no file of ours (`litert.is_ours`), all are timed in another process.

    seconds: time in all, shared evenly among the models.
    progress(done, rounds) is called after each round, or at the end where another process times.
    Raises ValueError for no models, unknown kernels, threads < 1 and a model LiteRT refuses.
    """
    if not models:
        raise ValueError("There is no model to time: pass a dictionary name -> bytes.")
    if threads < 1 or not seconds > 0:
        raise ValueError(f"threads ({threads}) is at least 1, seconds ({seconds}) above 0.")
    graphs = {name: tflite_file.read(one, allow_sparse=True) for name, one in models.items()}
    if litert.CAN_GUARD and not all(map(litert.is_ours, graphs.values())):
        files = {name: graph.file for name, graph in graphs.items()}
        times = litert.guarded(_times, files, kernels, threads, seconds)
        if progress is not None:
            progress(1, 1)
    else:
        times = _times(graphs, kernels, threads, seconds, progress)
    return {name: _latency(np.array(values) * 1e6) for name, values in times.items()}


def _times(models, kernels, threads, seconds, progress=None):
    """{name: seconds of each run}, the models in turns."""
    with _pinned(threads):
        machines = {name: interpreter(tflite, kernels, threads) for name, tflite in models.items()}
        rng, per_block = np.random.default_rng(0), {}
        for name, machine in machines.items():
            try:
                for detail in machine.get_input_details():
                    machine.set_tensor(detail["index"], _some(detail, rng))
                machine.invoke()  # the first one prepares
            except RuntimeError as error:
                raise ValueError(f"LiteRT does not run {name!r}: {error}") from None
            once = min(_block(machine, 1)[0] for _ in range(3))
            once = max(once, 1e-4)  # 50 runs at most; a coarse clock may say that one took none
            per_block[name] = max(1, round(5e-3 / once))
        times = {name: [] for name in models}
        rounds = max(4, round(seconds / (5e-3 * len(models))))
        started, done = time.perf_counter(), 0
        while done < 4 or (done < rounds and time.perf_counter() - started < seconds):
            for name, machine in machines.items():
                block = _block(machine, per_block[name])
                if done:  # the first round warms up
                    times[name] += block
            done += 1
            if progress is not None:
                progress(done, rounds)
        if progress is not None and done < rounds:  # the time is over
            progress(rounds, rounds)
    return times


def _some(detail, rng):
    """Values for an input: any code, or numbers from 0 to 1; zero for an index into a table."""
    dtype = np.dtype(detail["dtype"])
    x = rng.random(detail["shape"])
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        quantized = len(detail["quantization_parameters"]["scales"])
        x = limits.min + x * (limits.max - limits.min) if quantized else 0 * x
    return x.astype(dtype)


def _latency(microseconds):
    low, median, high = np.quantile(microseconds, [0.25, 0.5, 0.75])
    return Latency(float(median), (float(low), float(high)), len(microseconds))


def _block(machine, runs):
    clock, times = time.perf_counter, []
    for _ in range(runs):
        start = clock()
        machine.invoke()
        times.append(clock() - start)
    return times


@contextlib.contextmanager
def _pinned(threads):
    """Keep this thread, and those it starts, on as many processors as there are threads."""
    if not hasattr(os, "sched_setaffinity"):  # macOS, Windows
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(before)[-threads:]))
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def processor() -> dict[str, str | int]:
    """What a latency was measured on, to be written beside it."""
    name = platform.processor() or platform.machine()
    with contextlib.suppress(OSError):  # Linux says more than platform does
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            lines = [line for line in file if line.startswith("model name")]
        name = lines[0].split(":", 1)[1].strip() if lines else name
    return {"processor": name, "processors": os.cpu_count() or 1, "system": platform.system()}
