"""Run a model in LiteRT, as TensorFlow Lite is called today, on this computer.

LiteRT has two sets of kernels:

    "xnnpack"    what LiteRT does unless told otherwise: kernels written for this processor
    "reference"  the plain loops that define each operator: slow, and what TFLM's kernels follow
                 (each int8 operator within one code; after a softmax up to 12, see notebook 07)

Each input is answered as if it were the only one: a network's state, if it keeps one, is set back
before each. Many inputs in one call are quicker, but a file is made for a fixed number of them, and
some hold that number in a shape or a constant: LiteRT then fails, or mixes the inputs up. So the
first and the last input of each batch are run alone, too, and where they are not answered alike,
all are run one by one.

LiteRT trusts its files, and some damaged ones end the process that runs them. So a file runs here
only where its bytes are known to be sound: those that ship, by checksum, and those that this
process converted. All others run in a process of their own (`process`), on Linux and macOS.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import numpy as np

from course_utils import env
from course_utils.engines import limits, tflite_file
from course_utils.machines import batches, data, process
from course_utils.numbers.quantization import quantize

KERNELS = ("xnnpack", "reference")
BATCH = 250  # inputs in one call where a model takes them together
EACH = 32  # inputs that a thread runs one by one before it reports
GUARDED = 2000  # inputs that the other process runs before it reports
# `process` hands pipes down as POSIX does; a browser has no processes, and no LiteRT either.
CAN_GUARD = os.name == "posix" and sys.platform != "emscripten"
# A resource's value lives as long as its interpreter, and nothing sets it back.
KEPT_FOR_GOOD = {"VAR_HANDLE", "ASSIGN_VARIABLE", "CALL_ONCE", "HASHTABLE"}

Progress = Callable[[int, int], None]


def run(tflite, x, kernels="xnnpack", progress: Progress | None = None):
    """The model's outputs for n inputs, each answered as if it were the only one.

    tflite:  the file's bytes, or its Graph.
    x:       n inputs, batch first, a tuple of such arrays where the model has several inputs (see
             `batches`): real numbers, which are rounded to the codes of an integer input, or the
             input's own type.  A file made for a batch of N takes any n of its rows.
    kernels: "xnnpack" or "reference".
    progress(done, n) is called after each batch; of a file that is not ours after GUARDED inputs.
    Returns an array (n, *output shape) in the type that the file gives, or a tuple of them.
    Raises ValueError for another shape, no input, no output, unknown kernels, a file that is
    damaged or that LiteRT does not run or dies on, TypeError for integers of another type.
    """
    graph = tflite_file.read(tflite, allow_sparse=True)
    if not graph.outputs:
        raise ValueError("The model has no output: there is nothing that a run could return.")
    given = batches.arrays(to_input(x, graph), graph, or_rows=True)
    why = process.suspect(graph) if kernels == "reference" else ""
    if is_ours(graph) and not why:
        return _run(graph, given, kernels, progress)
    if not CAN_GUARD:
        if why:
            raise ValueError(f"This model may end the program that runs it: {why}")
        return _run(graph, given, kernels, progress)
    n, parts = len(given[0]), []
    size = n if progress is None or batches.in_rows(given, graph) else GUARDED
    for start in range(0, n, size):
        part = tuple(array[start : start + size] for array in given)
        parts.append(guarded(_run, graph, part, kernels, why=why))
        if progress is not None:
            progress(min(start + size, n), n)
    if len(parts) == 1:
        return parts[0]
    if isinstance(parts[0], tuple):
        return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return np.concatenate(parts)


# --- whose files run here ------------------------------------------------------------------------

_vouched: set[str] = set()


def vouch(tflite):
    """Remember that these bytes were made here, by what makes sound files."""
    _vouched.add(_checksum(tflite))


def is_ours(tflite):
    """Whether a model file's bytes (or its Graph) are known to be sound: shipped, or made here.

    In the process that is there for the others all are: it may die.
    """
    if process.serving:
        return True
    checksum = _checksum(tflite.file if isinstance(tflite, tflite_file.Graph) else tflite)
    return checksum in _vouched or checksum in _shipped()


def _checksum(tflite):
    return hashlib.sha256(tflite).hexdigest()


def _shipped():
    try:
        files = data.manifest()["files"].items()
    except (OSError, ValueError):
        return set()
    return {entry["sha256"] for path, entry in files if path.endswith(".tflite")}


def guarded(function, *arguments, why=""):
    """What function(*arguments) returns, run with LiteRT in the other process.

    function: one from the top of a module.  why: a sentence on what may end the process.
    Raises ValueError where LiteRT dies, and the function's own ValueError.
    """
    try:
        answer = process.call("LiteRT", None, _answer_or_error, function, arguments)
    except process.Died as died:
        said = str(died).removeprefix("The LiteRT process ").rstrip(".")
        on = "It ran in a process of its own, and the notebook goes on."
        raise ValueError(f"LiteRT itself {said}. {on} {why}".strip()) from None
    except process.Refused as refused:
        raise ValueError(str(refused)) from None
    if isinstance(answer, ValueError):
        raise answer
    return answer


def _answer_or_error(function, arguments):
    """In the other process: what the function returns, or its ValueError, which says all."""
    try:
        return function(*arguments)
    except ValueError as error:
        return error


# --- running -------------------------------------------------------------------------------------


def _run(graph, given, kernels, progress=None):
    n, size = len(given[0]), batches.rows(graph)
    progress = _onwards(progress)
    if batches.in_rows(given, graph):
        return _rows(graph, given, kernels, progress)
    inputs = tuple(
        array.reshape(n, *graph.tensors[index].shape)
        for array, index in zip(given, graph.inputs, strict=True)
    )
    try:
        outputs = _together(graph, inputs, kernels, progress) if size == 1 < n else None
    except _NotAlike:
        outputs = None
    return batches.outputs(outputs or _each(graph, inputs, kernels, progress))


def _onwards(progress):
    """progress, called only with more inputs than before: a second attempt starts again at none."""
    most = 0

    def report(done, n):
        nonlocal most
        if done > most:
            most = done
            progress(done, n)

    return progress and report


def interpreter(tflite, kernels="xnnpack", threads=1):
    """A LiteRT interpreter for the bytes, ready to run a batch of one, in this process.

    A file that is not ours is first opened and run once in the other process, on zeros. That says
    little about other inputs: `run` and `evaluation.latency` never open such a file here.
    Raises ValueError for bytes that are not a model, and for one that LiteRT refuses or dies on.
    """
    if kernels not in KERNELS:
        raise ValueError(f"There are the kernels {' and '.join(KERNELS)}, not {kernels!r}.")
    # A damaged file is named before C++ sees it.
    graph = tflite_file.read(tflite, allow_sparse=True)
    if CAN_GUARD and not is_ours(graph):
        guarded(_try_once, graph.file, kernels)
    limits.require("The model's activations, all together,", _activations(graph))
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


def _try_once(tflite, kernels):
    """In the other process: whether it lives through one run."""
    machine = interpreter(tflite, kernels)
    try:
        machine.invoke()
    except RuntimeError as error:
        raise ValueError(f"LiteRT does not run this model: {error}") from None


def _activations(graph):
    """Bytes of all that a network computes for one input, types that NumPy has not as 8 each."""
    return sum(
        tensor.size * (tensor.dtype.itemsize if tensor.type in tflite_file.DTYPES else 8)
        for each in (graph, *graph.others)
        for tensor in each.tensors
        if tensor.data is None
    )


def to_input(x, tflite):
    """x as the model takes it: rounded to its codes where it takes integers, never truncated.

    x and what is returned: an array, or a tuple of arrays for a model of several inputs.
    """
    graph = tflite_file.read(tflite, allow_sparse=True)
    given = batches.arrays(x, graph, or_rows=True)
    found = tuple(
        _to_type(array, graph.tensors[index])
        for array, index in zip(given, graph.inputs, strict=True)
    )
    return found[0] if len(found) == 1 else found


def _to_type(x, tensor):
    if x.dtype == tensor.type:
        return x
    if x.dtype.kind != "f":
        raise TypeError(f"The model takes {tensor.type}, or real numbers to round, not {x.dtype}.")
    if tensor.type == "float32":
        return x.astype(np.float32)
    if tensor.qparams is None:
        raise ValueError(f"The model's {tensor.type} input has no scale: pass its own type.")
    return quantize(x, tensor.qparams)


# --- together ------------------------------------------------------------------------------------


class _NotAlike(Exception):
    """Inputs that are run together are not answered as each alone is."""


def _together(graph, inputs, kernels, progress):
    """Outputs (n, *shape) of inputs (n, *shape), BATCH of them in a call; raises _NotAlike."""
    if _keeps_for_good(graph):
        raise _NotAlike
    flat = [array.reshape(len(array), *array.shape[2:]) for array in inputs]

    def answer(pair, part):
        batch, alone = pair
        try:
            found = _invoke(batch, [array[part] for array in flat])
        except (RuntimeError, ValueError):  # what LiteRT raises for shapes that do not fit
            raise _NotAlike from None
        for k in {0, len(flat[0][part]) - 1}:
            single = _invoke(alone, [array[part][k : k + 1] for array in flat])
            for together, one in zip(found, single, strict=True):
                if together.shape[:1] != (len(flat[0][part]),) or one.shape[:1] != (1,):
                    raise _NotAlike
                _check_alike(together[k : k + 1], one)
        return [array[:, None] for array in found]

    size = min(BATCH, max(1, limits.MEMORY // max(1, _activations(graph))))
    return _spread(len(flat[0]), size, answer, progress, lambda: (
        interpreter(graph, kernels), interpreter(graph, kernels)
    ))  # fmt: skip


def _check_alike(together, alone):
    """Integers are equal; floats are summed up in another order, and so are nearly equal."""
    if together.shape != alone.shape:
        raise _NotAlike
    if alone.dtype.kind != "f":
        alike = np.array_equal(together, alone)
    else:
        largest = np.abs(alone[np.isfinite(alone)]).max(initial=0)
        alike = np.allclose(together, alone, rtol=0, atol=1e-5 * largest, equal_nan=True)
    if not alike:
        raise _NotAlike


# --- one by one ----------------------------------------------------------------------------------


def _each(graph, inputs, kernels, progress):
    """Outputs (n, *shape) of inputs (n, *shape), one call for each."""
    fresh = _keeps_for_good(graph)

    def answer(machine, part):
        found = []
        for one in zip(*(array[part] for array in inputs), strict=True):
            try:
                found.append(_invoke(interpreter(graph, kernels) if fresh else machine, one))
            except RuntimeError as error:
                raise ValueError(f"LiteRT does not run this model: {error}") from None
        try:
            return [np.stack(parts) for parts in zip(*found, strict=True)]
        except ValueError:
            raise ValueError(
                "An output of the model changes its shape from input to input: run them one by one."
            ) from None

    make = (lambda: None) if fresh else (lambda: interpreter(graph, kernels))
    return _spread(len(inputs[0]), EACH, answer, progress, make, 1 if fresh else None)


def _rows(graph, given, kernels, progress):
    """Outputs (n, ...) of rows (n, ...), for a file that takes a fixed number of them at once."""
    size = batches.rows(graph)
    groups = batches.groups(given, graph)
    outputs = _each(graph, groups, kernels, progress)
    # A row must be answered alike beside others and beside itself.
    alone = [np.broadcast_to(array[:1, :1], array[:1].shape).copy() for array in groups]
    try:
        for beside, itself in zip(outputs, _each(graph, alone, kernels, None), strict=True):
            for row in itself[0]:
                _check_alike(beside[0, 0], row)
    except _NotAlike:
        raise ValueError(
            f"What the model answers to one of its {size} rows depends on the others: pass whole "
            f"inputs, n of them stacked along a new first axis, (n, {size}, ...)."
        ) from None
    n = len(given[0])
    found = tuple(array.reshape(-1, *array.shape[2:])[:n] for array in outputs)
    return found[0] if len(found) == 1 else found


# --- both ----------------------------------------------------------------------------------------


def _keeps_for_good(graph):
    graphs = (graph, *graph.others)
    return any(op.name in KEPT_FOR_GOOD for each in graphs for op in each.operators)


def _spread(n, size, answer, progress, make, workers=None):
    """answer(machine, slice) for all n, in parts of `size`: lists of arrays, joined.

    LiteRT lets go of Python's lock while it runs: one machine a thread.
    """
    free, workers = SimpleQueue(), workers or min(os.cpu_count() or 1, -(-n // size))
    for _ in range(workers):
        free.put(make())

    def with_machine(start):
        machine = free.get()
        try:
            return answer(machine, slice(start, min(start + size, n)))
        finally:
            free.put(machine)

    parts, done = [], 0
    with ThreadPoolExecutor(workers) as pool:
        for part in pool.map(with_machine, range(0, n, size)):
            parts.append(part)
            done += len(part[0])
            if progress is not None:
                progress(done, n)
    return tuple(np.concatenate(arrays) for arrays in zip(*parts, strict=True))


def _invoke(machine, arrays):
    """The outputs of one call, copied: a list of arrays."""
    details = machine.get_input_details()
    if any(tuple(d["shape"]) != array.shape for d, array in zip(details, arrays, strict=True)):
        for detail, array in zip(details, arrays, strict=True):
            machine.resize_tensor_input(detail["index"], array.shape)
        machine.allocate_tensors()
    machine.reset_all_variables()  # a state that an earlier call left
    for detail, array in zip(details, arrays, strict=True):
        machine.set_tensor(detail["index"], array)
    machine.invoke()
    return [machine.get_tensor(detail["index"]) for detail in machine.get_output_details()]
