"""What a `.tflite` model is worth: how often it is right, how large it is, how long it takes.

Each number comes with what makes it one: an accuracy with its interval, a difference paired image
by image, a size by part, a latency as median and quartiles of interleaved runs. Models run in
LiteRT, one of two ways:

    "xnnpack"    what LiteRT does unless told otherwise: kernels written for this processor
    "reference"  the plain loops that define each operator: slow, and what TFLM's kernels follow
                 (each int8 operator within one code; after a softmax up to 12, see notebook 07)
"""

from __future__ import annotations

import contextlib
import gzip
import os
import platform
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np

from course_utils import env
from course_utils.engines import tflite_file
from course_utils.engines.integer_engine import IntegerModel
from course_utils.machines import micro
from course_utils.numbers import intervals
from course_utils.numbers.quantization import quantize

KERNELS = ("xnnpack", "reference")
BATCH = 250  # inputs in one call where a model takes them together
WITH_KERNEL = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")

Progress = Callable[[int, int], None]


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


def accuracy(tflite, x, y, kernels="xnnpack", progress: Progress | None = None) -> Accuracy:
    """How often the model's largest output is the label.

    tflite: the file's bytes.  x: float array (n, *input shape), scaled as in training.  y: integer
    labels (n,).  An integer model's inputs are rounded to its codes, never truncated.
    progress(done, n) is called after each batch.
    Raises ValueError for shapes or lengths that do not fit, an empty x, unknown kernels, and a
    file that LiteRT does not run.
    """
    y = np.asarray(y)
    if y.ndim != 1 or len(y) != len(x) or len(y) == 0:
        raise ValueError(
            f"x and y must hold the same inputs, at least one: x has {len(x)}, y the shape "
            f"{y.shape}."
        )
    right = run(tflite, x, kernels, progress).argmax(axis=1) == y
    return count(right)


def count(right) -> Accuracy:
    """The Accuracy of answers that are already known to be right (True) or wrong."""
    right = np.asarray(right, dtype=bool)
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


def run(tflite, x, kernels="xnnpack", progress: Progress | None = None):
    """The model's outputs for inputs x: (n, classes) in the type that the file gives.

    x: as for `accuracy`; integer arrays in the model's own type go in as they are.
    """
    graph = tflite_file.read(tflite, allow_sparse=True)
    workers = os.cpu_count() or 1
    free = SimpleQueue()  # one interpreter a thread: they let go of Python's lock while they run
    for _ in range(workers):
        free.put(interpreter(graph, kernels))
    codes = to_input(x, graph)

    def answer(first):
        machine = free.get()
        try:
            return _run_batch(machine, codes[first : first + BATCH])
        finally:
            free.put(machine)

    outputs, done = [], 0
    with ThreadPoolExecutor(workers) as pool:
        for output in pool.map(answer, range(0, len(codes), BATCH)):
            outputs.append(output)
            done += len(output)
            if progress is not None:
                progress(done, len(codes))
    return np.concatenate(outputs)


def interpreter(tflite, kernels="xnnpack", threads=1):
    """A LiteRT interpreter for the bytes, ready to run a batch of one.

    Raises ValueError for bytes that are not a model, and for one that LiteRT refuses.
    """
    if kernels not in KERNELS:
        raise ValueError(f"There are the kernels {' and '.join(KERNELS)}, not {kernels!r}.")
    # A damaged file is named before C++ sees it.
    graph = tflite_file.read(tflite, allow_sparse=True)
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = {"xnnpack": OpResolverType.AUTO, "reference": OpResolverType.BUILTIN_REF}[kernels]
    with env.captured_stderr():
        try:
            machine = Interpreter(
                model_content=graph.file,
                num_threads=threads,
                experimental_op_resolver_type=kind,
            )
            machine.allocate_tensors()
        except (RuntimeError, ValueError) as error:
            raise ValueError(f"LiteRT does not run this model: {error}") from None
    return machine


def to_input(x, tflite):
    """x as the model takes it: rounded to its codes where it takes integers, never truncated."""
    graph = tflite_file.read(tflite, allow_sparse=True)
    x, tensor = np.asarray(x), graph.tensors[graph.inputs[0]]
    if x.shape[1:] != tensor.shape[1:] or x.ndim != len(tensor.shape) or len(x) == 0:
        shape = ", ".join(map(str, tensor.shape[1:]))
        raise ValueError(f"x has the shape {x.shape}; the model takes (n, {shape}), n >= 1.")
    if x.dtype == tensor.type:
        return x
    if x.dtype.kind != "f":
        raise TypeError(f"The model takes {tensor.type}, or real numbers to round, not {x.dtype}.")
    if tensor.type == "float32":
        return x.astype(np.float32)
    if tensor.qparams is None:
        raise ValueError(f"The model's {tensor.type} input has no scale: pass its own type.")
    return quantize(x, tensor.qparams)


def _run_batch(machine, x):
    detail = machine.get_input_details()[0]
    if tuple(detail["shape"]) != x.shape:
        machine.resize_tensor_input(detail["index"], x.shape)
        machine.allocate_tensors()
    machine.set_tensor(detail["index"], x)
    machine.invoke()
    return machine.get_tensor(machine.get_output_details()[0]["index"])


# --- size -----------------------------------------------------------------------------------


class Part(NamedTuple):
    """One stored tensor: whose it is, what it is, how many bytes its values take."""

    layer: str
    kind: str  # "kernel", "bias" or "other" (shapes, axes)
    type: str
    shape: tuple[int, ...]
    bytes: int


class Size(NamedTuple):
    """Bytes of a model. file = kernels + biases + the other parts + everything else."""

    file: int
    gzip: int  # what an update over the air would send
    kernels: int
    biases: int
    rest: int  # operators, names, scales, metadata
    parts: tuple[Part, ...]


def size(tflite) -> Size:
    """Where the bytes of a `.tflite` file are, tensor by tensor.

    Raises ValueError for a file that is damaged.
    """
    graph = tflite_file.read(tflite)
    stored = {t.index: t for t in graph.tensors if t.data is not None}
    # float16 files store half floats and have an operator that widens them before use.
    widened = {op.outputs[0]: op.inputs[0] for op in graph.operators if op.name == "DEQUANTIZE"}
    role = {}
    for op in graph.operators:
        if op.name in WITH_KERNEL:
            kernel, *bias = (widened.get(i, i) for i in op.inputs[1:3])
            layer = _layer_name(graph.tensors[kernel].name)
            role[kernel] = layer, "kernel"
            role.update((index, (layer, "bias")) for index in bias)
    parts = tuple(
        Part(*role.get(i, (t.name.split("/")[0], "other")), t.type, t.shape, t.data.nbytes)
        for i, t in stored.items()
    )
    order = [layer for layer, kind in role.values() if kind == "kernel"]
    parts = tuple(sorted(parts, key=lambda part: (
        order.index(part.layer) if part.layer in order else len(order), part.kind != "kernel"
    )))  # fmt: skip
    kernels, biases = (
        sum(part.bytes for part in parts if part.kind == kind) for kind in ("kernel", "bias")
    )
    return Size(
        len(graph.file),
        len(gzip.compress(graph.file, compresslevel=9, mtime=0)),
        kernels,
        biases,
        len(graph.file) - kernels - biases,
        parts,
    )


def _layer_name(kernel):
    """'net/depthwise1_bn/FusedBatchNormV3;net/depthwise1/depthwise' -> 'depthwise1'"""
    path = kernel.split(";")[-1].split("/")
    return path[-2] if len(path) > 1 else path[0]


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
    """
    try:
        graph = tflite_file.read(tflite, allow_sparse=True)
    except ValueError:
        graph = tflite  # each of them refuses it in its own words
    return {
        "LiteRT reference": _try(lambda: run(graph, x, "reference")),
        "LiteRT XNNPACK": _try(lambda: run(graph, x, "xnnpack")),
        "TFLM": _try(lambda: micro.run(graph, to_input(x, graph))),
        "integer engine": _try(lambda: IntegerModel(graph).run(to_input(x, graph))),
        "integer only": _try(lambda: _only_integers(graph)),
    }


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

    seconds: time in all, shared evenly among the models.
    progress(done, rounds) is called after each round.
    Raises ValueError for no models, unknown kernels, threads < 1 and a model LiteRT refuses.
    """
    if not models:
        raise ValueError("There is no model to time: pass a dictionary name -> bytes.")
    if threads < 1 or not seconds > 0:
        raise ValueError(f"threads ({threads}) is at least 1, seconds ({seconds}) above 0.")
    with _pinned(threads):
        machines = {name: interpreter(tflite, kernels, threads) for name, tflite in models.items()}
        rng, per_block = np.random.default_rng(0), {}
        for name, machine in machines.items():
            detail = machine.get_input_details()[0]
            x = rng.random(detail["shape"])
            if np.dtype(detail["dtype"]).kind == "i":
                limits = np.iinfo(detail["dtype"])
                x = limits.min + x * (limits.max - limits.min)
            machine.set_tensor(detail["index"], x.astype(detail["dtype"]))
            machine.invoke()  # the first one prepares
            once = min(_block(machine, 1)[0] for _ in range(3))
            per_block[name] = max(1, min(50, round(5e-3 / once)))
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
    return {name: _latency(np.array(values) * 1e6) for name, values in times.items()}


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
