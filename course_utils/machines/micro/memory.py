"""The RAM that a model takes in TFLM: measured by part, and the smallest arena found by trying.

TFLM plans all its memory in one array, the arena. Its head holds the activations, which share
their bytes over the network's life; its tail holds what stays: a record for each tensor and each
operator, and what the kernels prepared once. The weights stay in flash.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from course_utils import env
from course_utils.engines import tflite_file
from course_utils.machines.micro.interpreter import ARENA, Refused, checked, in_tflm, run

ALIGNMENT = 16  # bytes: TFLM aligns the arena and each activation in it


class Arena(NamedTuple):
    """Bytes of the arena that TFLM used, here on a 64-bit machine, with its reference kernels.

    total = head + tail, and tail = the five recorded parts + rest.
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

    @property
    def on_32_bits(self) -> int:
        """About how many bytes the arena takes on a 32-bit microcontroller: an estimate.

        Activations and prepared numbers are as large there. The other records consist of
        pointers and sizes for the most part, which take 4 bytes instead of 8: they are counted
        half. A device's own kernels (CMSIS-NN) may ask for scratch memory on top.
        """
        halved = self.eval_tensors + self.tensors + self.quantization + self.nodes + self.rest
        return self.head + self.buffers + -(-halved // 2)


_RECORDED = {
    "total": r"Arena allocation total (\d+) bytes",
    "head": r"Arena allocation head (\d+) bytes",
    "tail": r"Arena allocation tail (\d+) bytes",
    "eval_tensors": r"'TfLiteEvalTensor data' used (\d+) bytes",
    "tensors": r"'Persistent TfLiteTensor data' used (\d+) bytes",
    "quantization": r"'Persistent TfLiteTensor quantization data' used (\d+) bytes",
    "buffers": r"'Persistent buffer data' used (\d+) bytes",
    "nodes": r"'NodeAndRegistration struct' used (\d+) bytes",
}


def arena(tflite: bytes | tflite_file.Graph) -> Arena:
    """Measure the arena's bytes by part, with TFLM's recording allocator.

    Raises ImportError, ValueError and Refused as `run` does.
    """
    return parse_allocations(in_tflm(_allocations, checked(tflite).file))


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


def _allocations(tflite):
    """In the TFLM process: what the recording allocator says once the model has run."""
    from tflite_micro.python.tflite_micro import runtime

    with env.captured_stderr() as said:
        try:
            interpreter = runtime.Interpreter.from_bytes(tflite, arena_size=ARENA)
            detail = interpreter.get_input_details(0)
            interpreter.set_input(np.zeros(detail["shape"], detail["dtype"]), 0)
            interpreter.invoke()
        except Exception as error:
            reason = str(error)
        else:
            reason = ""
            interpreter.print_allocations()
    if reason:
        raise RuntimeError((said.text.strip().splitlines() or [reason])[0])
    return said.text


def smallest_arena(tflite: bytes | tflite_file.Graph) -> int:
    """Find, by trying, the smallest arena in which TFLM runs the model: bytes, a multiple of 16.

    A run counts if its outputs are those of a run with plenty of room. The smallest arena is never
    below what `arena` records, and may be above it: while TFLM prepares a kernel it needs room for
    the tensors' records, which it then gives back.
    Raises ImportError, ValueError and Refused as `run` does.
    """
    graph = checked(tflite)
    if len(graph.inputs) != 1:
        raise ValueError(f"The model has {len(graph.inputs)} inputs; one is expected.")
    tensor = graph.tensors[graph.inputs[0]]
    x = np.random.default_rng(0).integers(-99, 99, (4, *tensor.shape[1:])).astype(tensor.dtype)
    expected = run(graph, x)

    def runs(units):
        try:
            return np.array_equal(run(graph, x, units * ALIGNMENT), expected, equal_nan=True)
        except Refused:  # or it died, which it may where it did not ask how much was left
            return False

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
    graph = tflite_file.read(tflite)
    first, last, name = {}, {}, {}
    for index in graph.inputs:
        first[index], last[index], name[index] = 0, 0, "input"
    for op in graph.operators:
        for index in op.outputs:
            first.setdefault(index, op.index)
            name.setdefault(index, f"{op.name} {op.index}")
            last[index] = op.index
        for index in op.inputs:
            if index in first:
                last[index] = op.index
    last.update((index, len(graph.operators) - 1) for index in graph.outputs if index in first)
    return tuple(
        Activation(name[i], graph.tensors[i].bytes, first[i], last[i]) for i in sorted(
            first, key=lambda i: (first[i], name[i] != "input")
        )
    )  # fmt: skip


def alive(parts: Sequence[Activation]) -> list[int]:
    """Bytes that must be in RAM at once while each operator runs: a list, one number an operator.

    Each activation takes a multiple of 16 bytes, as in TFLM.

    >>> alive([Activation("input", 100, 0, 0), Activation("a", 10, 0, 1), Activation("b", 8, 1, 1)])
    [128, 32]
    """
    last = max((part.last for part in parts), default=-1)
    return [
        sum(-(-p.bytes // ALIGNMENT) * ALIGNMENT for p in parts if p.first <= at <= p.last)
        for at in range(last + 1)
    ]
