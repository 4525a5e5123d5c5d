"""Where the bytes of a `.tflite` file are: the stored values, buffer by buffer, and all else.

A file keeps each list of stored values in a buffer, which tensors and metadata name by its number;
several may name the same one. Here it is counted once, whatever its type, whether it lies within
the FlatBuffer or behind it, dense or without its zeros, named or not. What is left are the tables
that describe the network: operators, names, scales, and the bytes that align them.
(Fields by number: LiteRT's schema.fbs.)
"""

from __future__ import annotations

import gzip
from typing import NamedTuple

from course_utils.engines import tflite_file
from course_utils.engines.tflite_schema import TYPES

# Which inputs of an operator hold its weights, and which its bias.
WEIGHTS = {
    "CONV_2D": ((1,), (2,)),
    "DEPTHWISE_CONV_2D": ((1,), (2,)),
    "CONV_3D": ((1,), (2,)),
    "FULLY_CONNECTED": ((1,), (2,)),
    "TRANSPOSE_CONV": ((1,), (3,)),
    "BATCH_MATMUL": ((0, 1), ()),
    "GATHER": ((0,), ()),  # an embedding
    "EMBEDDING_LOOKUP": ((1,), ()),
    "SVDF": ((1, 2), (3,)),
    "RNN": ((1, 2), (3,)),
    "UNIDIRECTIONAL_SEQUENCE_RNN": ((1, 2), (3,)),
    "LSTM": (tuple(range(1, 12)) + (16,), (12, 13, 14, 15, 17)),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": (tuple(range(1, 12)) + (16,), (12, 13, 14, 15, 17)),
}
# What stands between stored weights and the operator: it widens, unpacks or turns them.
BETWEEN = ("DEQUANTIZE", "QUANTIZE", "DENSIFY", "RESHAPE", "TRANSPOSE", "CAST", "EXPAND_DIMS")


class Part(NamedTuple):
    """One list of stored values: whose it is, what it is, how many bytes it takes."""

    layer: str
    kind: str  # "kernel", "bias" or "other" (shapes, axes, tables, what no operator reads)
    type: str
    shape: tuple[int, ...]
    bytes: int


class Size(NamedTuple):
    """Bytes of a model. file = kernels + biases + rest, and rest = the other parts + tables."""

    file: int
    gzip: int  # what an update over the air would send
    kernels: int
    biases: int
    rest: int  # operators, names, scales, metadata
    parts: tuple[Part, ...]

    @property
    def tables(self) -> int:
        """Bytes that are no stored values: what describes the network, and aligns its parts."""
        return self.file - sum(part.bytes for part in self.parts)


def size(tflite) -> Size:
    """Where the bytes of a `.tflite` file are, buffer by buffer.

    tflite: the file's bytes, or its Graph.
    Raises ValueError for a file that is damaged.
    """
    data = tflite.file if isinstance(tflite, tflite_file.Graph) else tflite
    try:
        parts = _parts(tflite_file.root(data))
    except tflite_file.DAMAGE as error:
        raise ValueError(f"{tflite_file.BROKEN} ({error})") from None
    of_kind = {kind: sum(p.bytes for p in parts if p.kind == kind) for kind in ("kernel", "bias")}
    return Size(
        len(data),
        len(gzip.compress(bytes(data), compresslevel=9, mtime=0)),
        of_kind["kernel"],
        of_kind["bias"],
        len(data) - of_kind["kernel"] - of_kind["bias"],
        parts,
    )


def _parts(model):
    """The stored buffers: kernels with their biases in the order of the operators, then others."""
    sizes = {number: _bytes(buffer, model) for number, buffer in enumerate(model.tables(4))}
    if sum(sizes.values()) > len(model.data):
        raise IndexError("its buffers hold more bytes than the file")
    stored = {number for number, count in sizes.items() if count}
    roles, tensors = {}, {}
    for graph in model.tables(2):
        for tensor in graph.tables(0):
            tensors.setdefault(tensor.scalar(2, "I", 0), tensor)
        for number, role in _roles(model, graph, stored).items():
            roles.setdefault(number, role)
    named = {table.scalar(1, "I", 0): table.text(0) for table in model.tables(6)}
    return tuple(
        _part(number, sizes[number], roles.get(number), tensors.get(number), named.get(number))
        for number in (*roles, *sorted(stored - set(roles)))
    )


def _part(number, count, role, tensor, metadata):
    if tensor is None:
        return Part(metadata or f"buffer {number}", "other", "bytes", (count,), count)
    code = tensor.scalar(1, "b", 0)
    layer, kind = role or (tensor.text(3).split("/")[0], "other")
    return Part(layer, kind, TYPES.get(code, f"type {code}"), tensor.integers(0), count)


def _bytes(buffer, model):
    behind, count = buffer.scalar(1, "Q", 0), buffer.scalar(2, "Q", 0)
    if behind > 1:  # a place in the file behind the FlatBuffer
        if behind + count > len(model.data):
            raise IndexError("a buffer reaches beyond the file")
        return count
    return buffer.stored(0).size


def _roles(model, graph, stored):
    """{buffer: (layer, "kernel" or "bias")} of one graph, each kernel followed by its biases."""
    tensors, operators = graph.tables(0), _operators(model, graph)
    source = {}  # of what is only widened, unpacked or turned: where it comes from at last
    for name, read, out in operators:
        if name in BETWEEN and out and read:
            source[out[0]] = source.get(read[0], read[0])

    def weights(read, slots):
        """[(buffer, layer)] of the slots that hold stored values, perhaps by way of others."""
        found = []
        for index in (read[slot] for slot in slots if slot < len(read) and read[slot] >= 0):
            index = source.get(index, index)
            number = tensors[index].scalar(2, "I", 0)
            if number in stored:
                found.append((number, _layer_name(tensors[index].text(3))))
        return found

    roles = {}
    for name, read, _ in operators:
        kernels, biases = (weights(read, slots) for slots in WEIGHTS.get(name, ((), ())))
        for number, layer in kernels:
            roles.setdefault(number, (layer, "kernel"))
        for number, layer in biases:
            roles.setdefault(number, (kernels[0][1] if kernels else layer, "bias"))
    return roles


def _operators(model, graph):
    """[(name, indices that it reads, indices that it writes)]"""
    names = [tflite_file.operator_name(code) for code in model.tables(1)]
    return [
        (names[op.scalar(0, "I", 0)], op.integers(1), op.integers(2)) for op in graph.tables(3)
    ]


def _layer_name(kernel):
    """'net/depthwise1_bn/FusedBatchNormV3;net/depthwise1/depthwise' -> 'depthwise1'"""
    path = kernel.split(";")[-1].split("/")
    return path[-2] if len(path) > 1 else path[0]
