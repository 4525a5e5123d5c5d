"""What a project must know of its network: its ends, the self-test's outputs, the arena."""

from __future__ import annotations

import importlib.metadata
import re
from typing import NamedTuple

import numpy as np

from course_utils.engines import integer_engine, tflite_file
from course_utils.machines import data
from course_utils.machines.micro import interpreter, memory
from course_utils.numbers import quantization

# tflite type -> C++ type, TFLM's name of it, the field of TfLiteTensor's data
C_TYPES = {
    "int8": ("int8_t", "kTfLiteInt8", "int8"),
    "int16": ("int16_t", "kTfLiteInt16", "i16"),
    "float32": ("float", "kTfLiteFloat32", "f"),
}
MARGIN = 0.10  # of the measured arena
GOLDEN = 4  # inputs in the self-test
# Bytes on 32 bits in which TFLM plans one scratch buffer: its request (12), its lifetime (24) and
# its place among the others (40); micro_allocator.h, micro_allocation_info.h and
# greedy_memory_planner.h at revision 90b983c.
PLANNED = 76
# The revision that tflite-micro is built from, where it is not installed.
REVISION = ("8f6596d", "2026-10-23")


class Golden(NamedTuple):
    """The self-test's inputs and outputs, and where they come from."""

    inputs: np.ndarray  # float32 (n, size)
    codes: np.ndarray  # the same in the network's type
    outputs: np.ndarray
    inputs_are: str
    outputs_by: str
    dataset: str  # "" where the inputs are the user's own


def golden_of(graph, ends, samples) -> Golden:
    shape = ends.input.shape[1:]
    dataset = ""
    if samples is None:
        dataset = _dataset(shape)
        known = data.load(dataset)
        first = [int(np.argmax(known.y_validation == label)) for label in range(GOLDEN)]
        real = known.x_validation[first]
        named = ", ".join(known.class_names[label] for label in range(GOLDEN))
        inputs_are = f"the first validation inputs of {dataset} that show {named}"
    else:
        real = _samples(samples, shape)
        inputs_are = "the samples given at export"
    codes = (
        real if ends.input.type == "float32" else quantization.quantize(real, ends.input.qparams)
    )
    if interpreter.missing() and ends.input.type == ends.output.type == "int8":
        outputs = integer_engine.IntegerModel(graph).run(codes)
        outputs_by = "the course's integer engine, which equals TFLM's reference kernels"
    else:
        outputs = interpreter.run(graph, codes)
        outputs_by = f"TFLM at revision {revision()[0]}, with its reference kernels"
    if not np.isfinite(outputs).all():
        raise ValueError(
            "The network answers NaN or infinity: its training diverged, or the file is damaged."
        )
    count = len(real)
    return Golden(
        real.reshape(count, -1), codes.reshape(count, -1), outputs.reshape(count, -1),
        inputs_are, outputs_by, dataset,
    )  # fmt: skip


def _dataset(shape: tuple[int, ...]) -> str:
    known = {(28, 28, 1): "fashion_mnist", (1, 100, 6): "watch"}
    if shape not in known:
        raise ValueError(
            f"There are no example inputs of the shape {shape}: pass samples, a few real inputs "
            "for the self-test."
        )
    return known[shape]


def _samples(samples, shape) -> np.ndarray:
    given = np.asarray(samples)
    if given.dtype.kind not in "fiub":
        raise TypeError(f"samples are real numbers, not {given.dtype}.")
    if given.ndim != len(shape) + 1 or given.shape[1:] != shape or len(given) == 0:
        raise ValueError(
            f"samples has the shape {given.shape}; the network takes (n, "
            f"{', '.join(map(str, shape))}): at least one input."
        )
    real = given.astype(np.float32)
    if not np.isfinite(real).all():
        raise ValueError("samples holds NaN or infinity: nothing to compare a board with.")
    return real


class ProjectArena(NamedTuple):
    size: int
    needed: int  # of it the smallest in which TFLM runs the network, or what takes its place
    to_start: int  # bytes that TFLM takes at most beyond those in use, while it starts
    words: str  # one line
    comment: list[str]
    start_comment: list[str]


def arena_of(graph) -> ProjectArena:
    scratch = _scratch(graph)
    if interpreter.missing():
        needed = memory.estimated_arena(graph)
        how = "estimated from the tensors' sizes, because TFLM was not installed: not measured"
        found = [f"{needed:,} bytes, {how}"]
        on_32_bits = "Whether a 32-bit microcontroller needs less was not measured either."
        to_start = 0
    else:
        used, needed = memory.arena(graph), memory.smallest_arena(graph)
        beyond = needed - memory.up(used.total)
        records = PLANNED * len(graph.operators)
        to_start = memory.up(beyond + records)
        how = "measured, with room for optimized kernels and a margin"
        found = [
            f"{needed:,} bytes: the smallest arena in which TFLM {revision()[0]} ran this network,",
            "found by trying, on a 64-bit computer with TFLM's reference kernels",
        ]
        on_32_bits = (
            "A 32-bit microcontroller needs less, as its pointers are half as long: about "
            f"{used.on_32_bits:,} bytes."
        )
    margin = round(MARGIN * needed)
    size = memory.up(needed + scratch + margin)
    comment = [
        *found,
        f"+ {scratch:,} bytes for the scratch memory of optimized kernels (CMSIS-NN): an estimate",
        f"+ {margin:,} bytes of margin: {MARGIN:.0%} of the smallest",
        "",
        on_32_bits,
        "ArenaUsed() tells what it is on your board.",
    ]
    if interpreter.missing():
        start_comment = ["Not measured, because TFLM was not installed: kArenaSize stays as it is."]
        return ProjectArena(size, needed, size, how, comment, start_comment)
    start_comment = [
        f"{beyond:,} bytes were needed on the 64-bit computer; on 32 bits the records are shorter.",
        f"+ {PLANNED} bytes for each operator, to plan the scratch memory of an optimized kernel",
    ]
    return ProjectArena(size, needed, to_start, how, comment, start_comment)


def _scratch(graph) -> int:
    """Bytes that CMSIS-NN's convolutions ask for on a Cortex-M4, the most of any one: an estimate.

    They unfold two input patches into 16-bit numbers: 2 * 2 bytes for each value of a patch.
    """
    largest = 0
    for operator in graph.operators:
        if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D") and len(operator.inputs) > 1:
            kernel = graph.tensors[operator.inputs[1]]
            if len(kernel.shape) != 4 or not kernel.size:  # a damaged file, which TFLM refuses
                continue
            patch = kernel.size // (kernel.shape[0] if operator.name == "CONV_2D" else 1)
            if kernel.type == "int8":
                largest = max(largest, 4 * memory.up(patch, 4))
    return largest


def revision() -> tuple[str, str]:
    """(git revision, date) of the TFLM that tflite-micro is built from."""
    try:
        about = importlib.metadata.metadata("tflite-micro")
    except importlib.metadata.PackageNotFoundError:
        return REVISION
    commit = re.search(r"commit\s*\[([0-9a-f]{7,40})\]", str(about.get_payload()))
    day = re.search(r"dev(\d{4})(\d\d)(\d\d)", about["Version"])
    if not (commit and day):
        return REVISION
    return commit[1], "-".join(day.groups())


class Ends(NamedTuple):
    """The network's input and output tensors."""

    input: tflite_file.Tensor
    output: tflite_file.Tensor


def ends_of(graph: tflite_file.Graph) -> Ends:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(
            f"The network has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; the "
            "project is for one of each."
        )
    ends = Ends(graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]])
    for role, tensor in zip(("input", "output"), ends, strict=True):
        if tensor.type not in C_TYPES:
            raise ValueError(
                f"The network's {role} is {tensor.type}; the project knows {', '.join(C_TYPES)}."
            )
        if tensor.type != "float32" and (tensor.qparams is None or tensor.scale.size != 1):
            raise ValueError(f"The network's {role} is {tensor.type} without one scale for it.")
        if not tensor.shape or tensor.shape[0] != 1 or tensor.size < 1:
            raise ValueError(
                f"The network's {role} has the shape {tensor.shape}; a batch of one is expected."
            )
    if (ends.input.type == "float32") != (ends.output.type == "float32"):
        raise ValueError(
            f"The network takes {ends.input.type} and gives {ends.output.type}: convert it with "
            "integers at both ends or with float32 at both."
        )
    return ends
