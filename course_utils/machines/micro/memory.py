"""The RAM that a model takes in TFLM: measured by part, found by trying, or without TFLM estimated.

TFLM plans all its memory in one array, the arena. Its head holds the activations, which share
their bytes over the network's life; its tail holds what stays: a record for each tensor and each
operator, and what the kernels prepared once. The weights stay in flash.
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from course_utils import env
from course_utils.engines import limits, tflite_file
from course_utils.machines.micro.interpreter import ARENA, Refused, checked, in_tflm, run_whole

ALIGNMENT = 16  # bytes: TFLM aligns the arena and each activation in it
MOST_ACTIVATIONS = 2**10  # that are placed: each is compared with all before it


class Arena(NamedTuple):
    """Bytes of the arena that TFLM used, here on a 64-bit machine, with its reference kernels.

    total = head + tail, and tail = the recorded parts + variables + rest.
    """

    total: int
    head: int  # activations and the kernels' scratch memory
    tail: int  # what stays as long as the interpreter
    eval_tensors: int  # for each tensor: where its values are, its shape, its type
    tensors: int  # the same with quantization, for the model's inputs and outputs
    quantization: int  # the scales and zero points of those
    buffers: int  # what kernels prepare: multipliers and shifts for each channel, zero points
    nodes: int  # for each operator: its tensors, its kernel, its options
    rest: int  # the allocator and the planner themselves
    variables: int = 0  # tensors that keep their values from one input to the next: a state

    @property
    def on_32_bits(self) -> int:
        """About how many bytes the arena takes on a 32-bit microcontroller: an estimate.

        Activations, prepared numbers and a network's state are as large there. The other records
        consist of pointers and sizes for the most part, which take 4 bytes instead of 8: they are
        counted half. A device's own kernels (CMSIS-NN) may ask for scratch memory on top.
        """
        halved = self.eval_tensors + self.tensors + self.quantization + self.nodes + self.rest
        return self.head + self.buffers + self.variables + -(-halved // 2)


_RECORDED = {
    "total": r"Arena allocation total (\d+) bytes",
    "head": r"Arena allocation head (\d+) bytes",
    "tail": r"Arena allocation tail (\d+) bytes",
    "eval_tensors": r"'TfLiteEvalTensor data' used (\d+) bytes",
    "tensors": r"'Persistent TfLiteTensor data' used (\d+) bytes",
    "quantization": r"'Persistent TfLiteTensor quantization data' used (\d+) bytes",
    "buffers": r"'Persistent buffer data' used (\d+) bytes",
    "nodes": r"'NodeAndRegistration struct' used (\d+) bytes",
    "variables": r"'TfLiteTensor variable buffer data' used (\d+) bytes",
}


def arena(tflite: bytes | tflite_file.Graph) -> Arena:
    """Measure the arena's bytes by part, with TFLM's recording allocator.

    Raises ImportError, ValueError and Refused as `run` does.
    """
    graph = checked(tflite)
    return parse_allocations(in_tflm(_allocations, graph.file, _some_inputs(graph, 1)))


def parse_allocations(text: str) -> Arena:
    """What TFLM's `print_allocations` wrote, as an Arena. It leaves out parts that are empty.

    Raises ValueError if a line that is always there is missing.
    """
    matches = {part: re.search(pattern, text) for part, pattern in _RECORDED.items()}
    for part in ("total", "head", "tail", "eval_tensors", "nodes"):
        if matches[part] is None:
            raise ValueError(f"TFLM reported no {part!r}; its print_allocations() has changed.")
    found = {part: int(match[1]) if match else 0 for part, match in matches.items()}
    return Arena(**found, rest=found["tail"] - sum(list(found.values())[3:]))


def _allocations(tflite, inputs):
    """In the TFLM process: what the recording allocator says once the model has run."""
    from tflite_micro.python.tflite_micro import runtime

    interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=ARENA)
    for i, array in enumerate(inputs):
        interpreter.set_input(array[0], i)
    interpreter.invoke()
    with env.captured_stderr() as said:
        interpreter.print_allocations()
    return said.text


def smallest_arena(tflite: bytes | tflite_file.Graph) -> int:
    """Find, by trying, the smallest arena in which TFLM runs the model: bytes, a multiple of 16.

    A run counts if its outputs are those of a run with plenty of room. The smallest arena is never
    below what `arena` records, and may be above it: while TFLM prepares a kernel it needs room for
    the tensors' records, which it then gives back.
    Raises ImportError, ValueError and Refused as `run` does.
    """
    graph = checked(tflite)
    inputs = _some_inputs(graph)
    expected = in_tflm(run_whole, graph.file, inputs, len(graph.outputs), ARENA)

    def runs(units):
        try:
            found = in_tflm(run_whole, graph.file, inputs, len(graph.outputs), units * ALIGNMENT)
        except Refused:  # or it died, which it may where it did not ask how much was left
            return False
        return all(
            np.array_equal(ours, theirs, equal_nan=True)
            for ours, theirs in zip(found, expected, strict=True)
        )

    high = -(-arena(graph).total // ALIGNMENT)
    low, step = high - 1, 1
    while not runs(high):
        if high * ALIGNMENT >= ARENA:
            raise Refused(f"TFLM does not run this model in {high * ALIGNMENT:,} bytes either.")
        low, high, step = high, high + step, 2 * step
    step = 1
    while low > 0 and runs(low):
        high, low, step = low, max(0, low - step), 2 * step
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if runs(middle) else (middle, high)
    return high * ALIGNMENT


def _some_inputs(graph, n=4):
    """Arrays (n, *shape), one for each input: codes, numbers, zero for an index into a table."""
    wanted = sum(graph.tensors[index].size for index in graph.inputs)
    limits.require("What the model takes as its inputs", 2 * 8 * n * wanted)  # drawn, and converted
    rng, found = np.random.default_rng(0), []
    for tensor in (graph.tensors[index] for index in graph.inputs):
        values = rng.integers(-99, 99, (n, *tensor.shape))
        is_index = tensor.dtype.kind in "iu" and tensor.qparams is None
        found.append((0 * values if is_index else values).astype(tensor.dtype))
    return tuple(found)


# --- activations --------------------------------------------------------------------------------


class Activation(NamedTuple):
    """A tensor that is computed: how large it is, and from which operator to which it is needed."""

    name: str  # "input", or the operator that writes it: "CONV_2D 0"
    bytes: int
    first: int  # index of the operator that writes it; 0 for the input
    last: int  # of the last one that reads it; of the last operator for the output


def activations(tflite: bytes | tflite_file.Graph) -> tuple[Activation, ...]:
    """A model's activations in the order in which they arise, and how long each must be kept.

    Constants, such as weights, are read where the file is, in flash, and need no RAM.
    Raises TypeError and ValueError as `tflite_file.read` does.
    """
    return tuple(lives(tflite_file.read(tflite)).values())


def lives(graph: tflite_file.Graph) -> dict[int, Activation]:
    """The same, {index of a tensor: its Activation}."""
    first, last, name = {}, {}, {}
    for index in graph.inputs:
        first[index], last[index], name[index] = 0, 0, "input"
    for op in graph.operators:
        for index in () if op.name == "VAR_HANDLE" else op.outputs:  # its kernel keeps a handle
            first.setdefault(index, op.index)
            name.setdefault(index, f"{op.name} {op.index}")
            last[index] = op.index
        for index in op.inputs:
            if index in first:
                last[index] = op.index
    last.update((index, len(graph.operators) - 1) for index in graph.outputs if index in first)
    return {
        i: Activation(name[i], graph.tensors[i].bytes, first[i], last[i])
        for i in sorted(first, key=lambda i: (first[i], name[i] != "input"))
    }


def alive(parts: Sequence[Activation]) -> list[int]:
    """Bytes that must be in RAM at once while each operator runs: a list, one number an operator.

    Each activation takes a multiple of 16 bytes, as in TFLM.

    >>> alive([Activation("input", 100, 0, 0), Activation("a", 10, 0, 1), Activation("b", 8, 1, 1)])
    [128, 32]
    """
    changes = [0] * (max((part.last for part in parts), default=-1) + 2)
    for part in parts:
        if part.first <= part.last:
            changes[part.first] += up(part.bytes)
            changes[part.last + 1] -= up(part.bytes)
    return list(itertools.accumulate(changes))[:-1]


class Place(NamedTuple):
    """An activation and the byte of the arena where it begins."""

    activation: Activation
    offset: int

    @property
    def end(self) -> int:
        return self.offset + self.activation.bytes


def places(parts: Sequence[Activation], alignment: int = ALIGNMENT) -> list[Place]:
    """Place activations one by one, the largest first, each as low as it fits: as TFLM does.

    Of two of one size the later of `parts` comes first (greedy_memory_planner.cc, TFLM 8f6596d).

    parts:     with the operators between which each is needed (`micro.activations`).
    alignment: of each offset, in bytes.
    Returns a Place for each, in their order. No two that live at the same time share a byte.
    Raises ValueError for more than MOST_ACTIVATIONS.

    >>> found = places([Activation("input", 8, 0, 0), Activation("a", 16, 0, 1),
    ...                 Activation("b", 8, 1, 1)])
    >>> [place.offset for place in found]
    [16, 0, 16]
    """
    if len(parts) > MOST_ACTIVATIONS:
        raise ValueError(
            f"The network has {len(parts):,} activations, and {MOST_ACTIVATIONS:,} are placed at "
            "most: it is damaged, or made for a larger machine."
        )
    placed: dict[int, Place] = {}
    for number in sorted(range(len(parts)), key=lambda n: (-parts[n].bytes, -n)):
        part, offset = parts[number], 0
        for other in sorted(placed.values(), key=lambda place: place.offset):
            at_once = other.activation.first <= part.last and part.first <= other.activation.last
            if at_once and offset < other.end and other.offset < offset + part.bytes:
                offset = up(other.end, alignment)
        placed[number] = Place(part, offset)
    return [placed[number] for number in range(len(parts))]


# --- without TFLM ---------------------------------------------------------------------------------


def estimated_arena(tflite: bytes | tflite_file.Graph) -> int:
    """Bytes of the arena, roughly: what must be there at once, a state, and TFLM's records.

    Never below the smallest arena of the tests' networks, and at most a fifth and a kilobyte above.
    Raises TypeError and ValueError as `tflite_file.read` does.
    """
    graph = tflite_file.read(tflite)
    kept = 900 + 24 * len(graph.tensors)
    kept += sum(up(tensor.bytes) for tensor in graph.tensors if tensor.is_variable)
    # Where the activations will be, TFLM keeps what it plans of them and of each tensor, and before
    # that, while a kernel is prepared, the records of its tensors, a convolution's twice.
    planned = 32 * len(graph.tensors) + 40 * len(activations(graph))
    prepared = [0]
    for operator in graph.operators:
        scratch, tables = _asked_for(graph, operator)
        kept += 192 + 8 * _channels(graph, operator) + tables
        planned += 88 * len(scratch)
        twice = "CONV" in operator.name
        prepared.append(64 * (1 + len(operator.inputs) + len(operator.outputs) + 7 * twice))
    return kept + max(planned_head(graph), planned, *prepared)


def planned_head(tflite: bytes | tflite_file.Graph) -> int:
    """Bytes of the arena's head: activations, and reference kernels' scratch, as TFLM places them.

    Equal to what TFLM reports (`arena`), to the byte, for all networks of the tests.
    Raises TypeError and ValueError as `tflite_file.read` does, ValueError as `places` does.
    """
    graph = tflite_file.read(tflite)
    parts = [part._replace(bytes=up(part.bytes)) for _, part in sorted(lives(graph).items())]
    for operator in graph.operators:
        at, (scratch, _) = operator.index, _asked_for(graph, operator)
        parts += [Activation("scratch", up(size), at, at) for size in scratch]
    return max((place.end for place in places(parts)), default=0)


def _channels(graph, operator) -> int:
    """For how many channels a kernel keeps a multiplier and a shift: a float32 convolution, too."""
    inputs = [graph.tensors[i] for i in operator.inputs if i >= 0]
    channels = [tensor.scale.size for tensor in inputs]
    if "CONV" in operator.name:
        channels += [graph.tensors[i].shape[-1] for i in operator.outputs if graph.tensors[i].shape]
    return int(max(channels, default=0))


def _asked_for(graph, operator) -> tuple[list[int], int]:
    """What TFLM's reference kernel of an operator asks for beyond a multiplier a channel, in bytes.

    Returns ([each scratch buffer while it runs], what it keeps with the interpreter). Found from
    what `arena` and `smallest_arena` measured of random networks, TFLM 8f6596d; the tests compare
    them again.
    """
    inputs = {at: graph.tensors[i] for at, i in enumerate(operator.inputs) if i >= 0}
    result = graph.tensors[operator.outputs[0]] if operator.outputs else None
    match operator.name:
        case "TRANSPOSE_CONV" if result:  # a sum for each output
            each = {"int8": 4, "int16": 8}.get(result.type)
            return [each * result.size] if each else [], 0
        case "MEAN" | "SUM" | "REDUCE_MAX" | "REDUCE_MIN" if result:  # a sum for each output, axes
            return [4 * result.size, ALIGNMENT, ALIGNMENT], 0
        case "SVDF" if result and 2 in inputs:  # a product for each filter, a sum for each output
            return [4 * math.prod(inputs[2].shape[:1]), 4 * result.size], 0
        case "UNIDIRECTIONAL_SEQUENCE_LSTM" if 19 in inputs:  # four gates; their numbers
            return 4 * [inputs[19].bytes], 536
        case "BATCH_MATMUL":  # what it multiplies, turned
            turned = operator.options["adj_x"], not operator.options["adj_y"]
            return [], 64 + sum(up(inputs[i].bytes) for i in inputs if i < 2 and turned[i])
        case "SOFTMAX" if 0 in inputs and inputs[0].type == "int16":  # two tables
            return [], 2 * 2 * 513
        case "READ_VARIABLE" if result:  # the variable itself
            return [], up(result.bytes)
    return [], 0


def up(value: int, unit: int = ALIGNMENT) -> int:
    """A number of bytes, rounded up to a multiple.

    >>> up(17)
    32
    """
    return -(-value // unit) * unit
