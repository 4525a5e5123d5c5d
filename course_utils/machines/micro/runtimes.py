"""The runtimes that a board may have: TFLM's revisions and the libraries that are made from it.

They are not one: the converter gives a dense layer one scale per output channel, which TFLM reads
since 27 September 2024 only. A library from before takes the first scale for all channels, without
a word. What each does was read in its sources (data/runtimes.json, data/prepare/runtimes.py).
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from course_utils.engines import tflite_file
from course_utils.machines import data, litert
from course_utils.machines.operators import packed, unpacked
from course_utils.numbers.quantization import round_half_away

DENSE = "FULLY_CONNECTED"
ONE_SCALE = (
    "Convert again with one scale per dense layer, convert(..., dense_per_channel=False), or make "
    "it of the file, micro.one_scale(tflite)."
)


class Runtime(NamedTuple):
    """A runtime at one revision."""

    name: str
    version: str  # the library's own, or the day of the revision
    revision: str
    date: str
    kernels: str  # "reference", "CMSIS-NN", "ESP-NN"
    # What it does with a dense layer's scale per channel: {"int8" or "int16": "each", "first",
    # "refused" (it does not start), "unset" (it reads a multiplier that nothing has set)}
    dense_per_channel: Mapping[str, str]
    operators: frozenset[str]
    custom_operators: frozenset[str]
    source: str
    note: str

    def __str__(self):
        return f"{self.name} {self.version}"


def runtimes() -> tuple[Runtime, ...]:
    """All that are known, the newest revision of each first.

    Raises FileNotFoundError and ValueError as `data.read_json` does.
    """
    rows = data.read_json("runtimes.json")["runtimes"]
    sets = ("operators", "custom_operators")
    return tuple(Runtime(**{**row, **{key: frozenset(row[key]) for key in sets}}) for row in rows)


def runtime(name: str | Runtime) -> Runtime:
    """The runtime of that name: the newest ("TFLM"), or of a version or revision ("TFLM 90b983c").

    Raises ValueError for one that isn't known.
    """
    known = runtimes()
    for one in known:
        if name in (one, one.name, str(one), f"{one.name} {one.revision}"):
            return one
    raise ValueError(f"There is no runtime {name!r}; there are {', '.join(map(str, known))}.")


def many_scales(op: tflite_file.Operator, tensors) -> bool:
    """Whether an operator is a dense layer with a scale per output channel."""
    return op.name == DENSE and len(op.inputs) > 1 and tensors[op.inputs[1]].scale.size > 1


def dense_problem(op: tflite_file.Operator, tensors, on: Runtime) -> tuple[str, bool]:
    """What a runtime does to a dense layer with a scale per channel: (a sentence, "" if nothing;
    are the answers wrong, rather than that it does not start?)

    Scales that are all equal are as good as one where only the first is read.
    """
    if not many_scales(op, tensors):
        return "", False
    scales, kind = tensors[op.inputs[1]].scale, tensors[op.inputs[0]].type
    does, has = on.dense_per_channel.get(kind, "each"), f"{op.name} has {scales.size} scales"
    if does == "first" and np.unique(scales).size > 1:
        return f"{has}, and only the first is read: wrong answers.", True
    if does == "refused":
        return f"{has}, with which it does not start in {kind}.", False
    if does == "unset":
        return f"{has}, and in {kind} none of them is read: wrong answers.", True
    return "", False


def as_read(tflite: bytes | tflite_file.Graph, name: str | Runtime) -> tflite_file.Graph:
    """The network as a runtime reads it: with a dense layer's first scale for all its channels.

    `IntegerModel(as_read(tflite, "Chirale_TensorFlowLite")).run(codes)` is what that library
    answers: its kernels compute as the reference kernels do, with the one scale.
    tflite: a `.tflite` file's bytes or its Graph, which is returned as it is where nothing differs.
    Raises ValueError for a damaged file, a runtime that isn't known, and a network that the runtime
    does not start or computes with memory that nothing has set.
    """
    graph, on = tflite_file.read(tflite), runtime(name)
    tensors = list(graph.tensors)
    for op in graph.operators:
        does = on.dense_per_channel.get(tensors[op.inputs[0]].type) if op.inputs else None
        if not many_scales(op, tensors) or does in ("each", None):
            continue
        if does != "first":
            raise ValueError(f"{on}: {dense_problem(op, tensors, on)[0]} {ONE_SCALE}")
        for index in op.inputs[1:]:
            if index >= 0 and tensors[index].scale.size > 1:
                tensors[index] = dataclasses.replace(
                    tensors[index],
                    scale=tensors[index].scale[:1],
                    zero_point=tensors[index].zero_point[:1],
                )
    return dataclasses.replace(graph, tensors=tuple(tensors))


def one_scale(tflite: bytes | tflite_file.Graph) -> bytes:
    """The same `.tflite` file with one scale for each dense layer, which every runtime reads.

    A layer's scale is the largest of its channels', as the converter would choose it; weights and
    biases are rounded to it anew. Weights are thus rounded twice, from float32 to a channel's scale
    and then to the layer's: `convert(..., dense_per_channel=False)`, which has the float32 weights,
    rounds once. Either changes the outputs a little, so look at the accuracy.
    Raises TypeError and ValueError as `tflite_file.read` does, and ValueError where such a layer's
    weights are computed, have zero points other than 0, or are another operator's, too.
    """
    graph = tflite_file.read(tflite)
    model, _ = unpacked(graph.file)
    for each, subgraph in zip((graph, *graph.others), model.subgraphs, strict=True):
        uses = collections.Counter(index for op in each.operators for index in op.inputs)
        for op in each.operators:
            if many_scales(op, each.tensors):
                _to_one_scale(op, each, uses, model, subgraph)
    used = {tensor.buffer for subgraph in model.subgraphs for tensor in subgraph.tensors or ()}
    used |= {metadata.buffer for metadata in model.metadata or ()}
    for number, buffer in enumerate(model.buffers):
        if number not in used:
            buffer.data = None  # the codes from before
    found = packed(model)
    if litert.is_ours(graph):
        litert.vouch(found)
    return found


def _to_one_scale(op, graph, uses, model, subgraph):
    """Give one layer's weights and bias one scale each, in the unpacked model."""
    constants = [graph.tensors[i] for i in op.inputs[1:3] if i >= 0]
    for tensor in constants:
        if tensor.fault or not tensor.scale.size or tensor.dtype.kind != "i":
            what = tensor.fault or f"is {tensor.type} without a scale"
            raise ValueError(f"{op} uses {tensor.name}, which {what}: convert the model again.")
        along = tensor.channel_axis if tensor.scale.size > 1 else 0
        if tensor.data is None or tensor.zero_point.any() or uses[tensor.index] > 1 or along:
            raise ValueError(
                f"{op} has weights of a kind that cannot be given one scale here: convert the "
                "model again, convert(..., dense_per_channel=False)."
            )
    for tensor in constants:
        scale = tensor.scale.max()
        limit = np.iinfo(tensor.type).max  # no code is larger than its channel's, and so none here
        # In float64, where a bias of 32 bits is exact.
        ratio = (tensor.scale / scale).astype(np.float64)
        stored = tensor.data * ratio.reshape(-1, *[1] * (tensor.data.ndim - 1))
        codes = np.clip(round_half_away(stored), -limit, limit).astype(tensor.dtype)
        new = subgraph.tensors[tensor.index]
        new.quantization.scale = np.array([scale], np.float32)
        new.quantization.zeroPoint = np.zeros(1, np.int64)
        new.quantization.quantizedDimension = 0
        buffer = type(model.buffers[0])()  # its own: equal constants may share one
        buffer.data = np.frombuffer(codes.tobytes(), np.uint8)
        new.buffer = len(model.buffers)
        model.buffers.append(buffer)
