"""Read a `.tflite` file: its tensors, its operators, and nothing that it does not hold.

A `.tflite` file is a FlatBuffer: tables of optional fields, each found through a small table of
offsets (https://flatbuffers.dev/internals; the field numbers are those of LiteRT's schema.fbs).
Model files come from anywhere, and FlatBuffers for Python has no verifier. So every offset, size
and index is checked here before it is followed: a truncated, altered or malicious file gives one
ValueError, never a crash, a hang or a huge allocation. Weights are views into the file's bytes, and
the lists that are followed hold no more bytes than the file: where tables share a list, it counts
each time. What running a network takes is another matter, see `limits`.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from course_utils.engines.tflite_schema import DTYPES, OPERATORS, OPTIONS, TYPES
from course_utils.numbers.quantization import QParams

INTEGERS = ("int8", "uint8", "int16", "int32")  # types of quantized tensors
LARGEST_RANK = 8
MOST_GRAPHS = 64
LARGEST_TENSOR = 2**24  # values; the largest board has 2**23 bytes of RAM
LARGEST_LIST = 2**16  # tensors, operators, inputs and outputs of all operators
LONGEST_TEXT = 200  # bytes of a name; what is longer is cut off
SHARED = 2**20  # bytes of lists that are followed beyond those of the file: for tables that share


@dataclass(frozen=True, eq=False)
class Tensor:
    """One tensor: `data` holds the stored values of a constant, None for an activation."""

    index: int
    name: str
    shape: tuple[int, ...]
    type: str  # "int8", "int32", "float32", ...
    scale: np.ndarray  # float32, empty where the tensor is not quantized
    zero_point: np.ndarray  # int64
    channel_axis: int
    data: np.ndarray | None
    sparse: bool = False  # stored without its zeros; `data` is None then
    is_variable: bool = False  # keeps its values from one input to the next

    @property
    def size(self):
        return math.prod(self.shape)

    @property
    def dtype(self):
        """The NumPy type of its values; raises ValueError where NumPy has none."""
        if self.type not in DTYPES:
            raise ValueError(f"Tensor {self.index} ({self.name}): {self.type} is not supported.")
        return DTYPES[self.type]

    @property
    def bytes(self):
        """Bytes that its values take, of a batch of one."""
        return self.size * self.dtype.itemsize

    @functools.cached_property
    def fault(self):
        """What is wrong with its scales and zero points, in words; "" where nothing is.

        It matters to those who use them: files have tensors whose scales nobody uses (biases,
        whose scale is that of the products; results of operators that only look at codes), and
        what is written there is no damage.
        """
        channels = self.shape[self.channel_axis] if 0 <= self.channel_axis < len(self.shape) else 1
        if self.scale.size not in (0, 1, channels):
            return f"has {self.scale.size} scales, which do not fit its shape {self.shape}"
        if not (np.isfinite(self.scale).all() and (self.scale > 0).all()):
            return "has a scale that is not a finite number above zero"
        if self.type in INTEGERS and self.scale.size:
            limits = np.iinfo(self.type)
            if (self.zero_point < limits.min).any() or (self.zero_point > limits.max).any():
                return f"has a zero point that is no {self.type}"
        return ""

    @functools.cached_property
    def qparams(self):
        """The tensor's QParams, None where it is not quantized to integers.

        Raises ValueError where the file holds none that can be.
        """
        if self.fault:
            raise ValueError(f"Tensor {self.index} ({self.name}) {self.fault}. {BROKEN}")
        if not self.scale.size or self.type not in INTEGERS:
            return None
        limits = np.iinfo(self.type)
        qmin, qmax = int(limits.min), int(limits.max)
        if self.scale.size == 1:
            return QParams(float(self.scale[0]), int(self.zero_point[0]), qmin, qmax)
        return QParams(self.scale, self.zero_point, qmin, qmax, self.channel_axis)


@dataclass(frozen=True, eq=False)
class Operator:
    """One operator: the indices of the tensors it reads (-1: left out) and writes."""

    index: int
    name: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Mapping[str, Any]
    version: int

    def __str__(self):
        return f"Operator {self.index} ({self.name})"


@dataclass(frozen=True, eq=False)
class Graph:
    """The main graph of a model file, its operators in the order in which they run.

    `others`: the file's further graphs, which operators of the main one call by number: graph 1
    is others[0]. The files of stateful networks have one that gives the state its first values.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    file: bytes = field(repr=False)  # what it was read from
    others: tuple[Graph, ...] = ()


def read(tflite, allow_sparse=False):
    """Return the Graph of a `.tflite` file.

    tflite:       the file's bytes; or its Graph, which is returned as it is: a file is read once,
                  and travels as what this returns.
    allow_sparse: read on where weights are stored in the sparse format; their `data` is None.
    Raises TypeError if they are not bytes, ValueError where they are not a sound model file.
    Operators that the integer engine does not know are read too, without their options.
    """
    graph = tflite if isinstance(tflite, Graph) else _read(tflite)
    for tensor in graph.tensors if not allow_sparse else ():
        if tensor.sparse:
            raise ValueError(
                f"Tensor {tensor.index} ({tensor.name}) is stored in the sparse format, which is "
                "not supported: convert without EXPERIMENTAL_SPARSITY."
            )
    return graph


def _read(tflite):
    try:
        return _read_graph(root(tflite))
    except DAMAGE as error:
        raise ValueError(f"{BROKEN} ({error})") from None


# What reading a damaged file may raise.
DAMAGE = (struct.error, IndexError, OverflowError)


# Custom operators that stand for the part of a network compiled for an accelerator, and whose.
_COMPILED = {
    "ethos-u": "Arm Ethos-U (Vela)",
    "edgetpu-custom-op": "Google Coral Edge TPU",
    "XC_": "XMOS xcore",
    "NeutronGraph": "NXP eIQ Neutron",
}


def compiled_for(graph):
    """Name the accelerator that a model was compiled for; "" where it is an ordinary model."""
    for op in (op for each in (graph, *graph.others) for op in each.operators):
        for start, accelerator in _COMPILED.items():
            if op.name.startswith(f"custom operator '{start}"):
                return accelerator
    return ""


BROKEN = "This .tflite file is damaged or truncated: convert the model again."


def _read_graph(model):
    if model.scalar(0, "I", 0) != 3:
        raise ValueError("Only version 3 of the .tflite schema is known: convert the model anew.")
    graphs = model.tables(2)
    if not graphs:
        raise ValueError(f"The file holds no graph. {BROKEN}")
    buffers, codes = model.tables(4), model.tables(1)
    # Counted before any is read: graphs may share their lists, and then a small file holds many.
    lists = (graph.stored(field, "<u4") for graph in graphs[:MOST_GRAPHS] for field in (0, 3))
    entries = sum(each.size for each in lists)
    if len(graphs) > MOST_GRAPHS or entries > LARGEST_LIST:
        raise IndexError(f"{len(graphs)} graphs hold {entries} tensors and operators")
    main, *others = (_read_subgraph(table, buffers, codes) for table in graphs)
    return replace(main, others=tuple(others))


def _read_subgraph(graph, buffers, codes):
    tensors = tuple(_read_tensor(i, table, buffers) for i, table in enumerate(graph.tables(0)))
    operators, ends = [], 0
    for i, table in enumerate(graph.tables(3)):
        operators.append(_read_operator(i, table, codes, len(tensors)))
        ends += len(operators[-1].inputs) + len(operators[-1].outputs)
        if ends > LARGEST_LIST:
            raise IndexError("the operators have more inputs and outputs than are supported")
    inputs, outputs = graph.integers(1), graph.integers(2)
    _check_indices("The model", inputs + outputs, len(tensors), lowest=0)
    return Graph(tensors, tuple(operators), inputs, outputs, graph.data)


def _read_tensor(index, table, buffers):
    shape = table.integers(0, most=LARGEST_RANK)
    name = table.text(3) or f"tensor {index}"
    if any(size < 0 for size in shape) or math.prod(shape) > LARGEST_TENSOR:
        raise ValueError(
            f"Tensor {index} ({name}) has the shape {shape}, which is damaged or beyond the "
            f"{LARGEST_TENSOR:,} values of the largest tensor that is supported."
        )
    code = table.scalar(1, "b", 0)
    type_name = TYPES.get(code, f"type {code}")
    scale, zero_point, axis = np.zeros(0, np.float32), np.zeros(0, np.int64), 0
    quantization = table.table(4)
    if quantization is not None:
        scale = quantization.array(2, "<f4").astype(np.float32, copy=False)
        zero_point = quantization.array(3, "<i8").astype(np.int64, copy=False)
        axis = quantization.scalar(6, "i", 0)
        if zero_point.size != scale.size:  # the first is for all, as in TFLM
            first = zero_point[0] if zero_point.size else np.int64(0)
            zero_point = np.broadcast_to(first, scale.shape)
    return Tensor(
        index, name, shape, type_name, scale, zero_point, axis,
        _stored_values(index, name, table, shape, type_name, buffers), table.table(6) is not None,
        table.scalar(5, "?", False),
    )  # fmt: skip


def _stored_values(index, name, table, shape, type_name, buffers):
    number = table.scalar(2, "I", 0)
    if number >= len(buffers):
        raise ValueError(f"Tensor {index} ({name}) names buffer {number}; there is none. {BROKEN}")
    buffer = buffers[number]
    if buffer.scalar(1, "Q", 0) or buffer.scalar(2, "Q", 0):
        raise ValueError("Weights stored outside the FlatBuffer are not supported: convert anew.")
    stored = buffer.stored(0)
    if stored.size == 0:
        return None
    dtype = DTYPES.get(type_name)
    if dtype is None or table.table(6) is not None:
        return None
    if stored.size != math.prod(shape) * dtype.itemsize:
        raise ValueError(
            f"Tensor {index} ({name}) stores {stored.size} bytes, which is not what the shape "
            f"{shape} in {type_name} takes. {BROKEN}"
        )
    return stored.view(dtype).reshape(shape)


def _read_operator(index, table, codes, tensor_count):
    number = table.scalar(0, "I", 0)
    if number >= len(codes):
        raise ValueError(f"Operator {index} has no operator code {number}. {BROKEN}")
    name = operator_name(codes[number])
    inputs, outputs = table.integers(1), table.integers(2)
    _check_indices(f"Operator {index} ({name})", inputs, tensor_count, lowest=-1)
    _check_indices(f"Operator {index} ({name})", outputs, tensor_count, lowest=0)
    options = {}
    if name in OPTIONS:
        union, fields = OPTIONS[name]
        found, values = table.scalar(3, "B", 0), table.table(4)
        if found != union or values is None:
            raise ValueError(f"Operator {index} ({name}) lacks its options. {BROKEN}")
        options = {key: _option(index, name, key, values, *rest) for key, rest in fields.items()}
    return Operator(index, name, inputs, outputs, options, codes[number].scalar(2, "i", 1))


def _option(index, name, key, table, field, form, default, names=None):
    if form == "text":
        value = table.text(field)
        if len(value) >= LONGEST_TEXT:
            raise IndexError(f"the {key} of operator {index} is too long")
        return value
    value = table.scalar(field, form, default)
    if names is None:
        return value
    if value not in names:
        raise ValueError(
            f"Operator {index} ({name}) has the {key} {value}, which is not supported; there are "
            f"{', '.join(names.values())}."
        )
    return names[value]


def operator_name(table):
    """The name of an operator that a file lists: the schema's, or of a custom one its own."""
    # Old files hold the code in a byte (field 0), newer ones in an int (field 3).
    code = max(table.scalar(0, "b", 0), table.scalar(3, "i", 0))
    if code in OPERATORS:
        return OPERATORS[code]
    if code == 32:
        return f"custom operator {table.text(1)!r}"
    try:
        from ai_edge_litert.schema_py_generated import BuiltinOperator
    except ImportError:
        return f"operator code {code}"
    return _names(BuiltinOperator).get(code, f"operator code {code}")


@functools.cache
def _names(operators):
    return {number: name for name, number in vars(operators).items() if name.isupper()}


def _check_indices(who, indices, count, lowest):
    for index in indices:
        if not lowest <= index < count:
            raise ValueError(f"{who} names tensor {index}; there are {count}. {BROKEN}")


def _unpack(form, data, position):
    if position < 0:
        raise IndexError("an offset points before the file")
    return struct.unpack_from("<" + form, data, position)[0]


class _Table:
    """A FlatBuffer table: fields found by number; an absent field has its default.

    followed: bytes of the lists that were followed in this file, [count], one for all its tables.
    """

    def __init__(self, data, position, followed):
        self.data, self.position, self.followed = data, position, followed
        self.vtable = position - _unpack("i", data, position)
        self.fields = (_unpack("H", data, self.vtable) - 4) // 2

    def _find(self, field):
        if field >= self.fields:
            return None
        offset = _unpack("H", self.data, self.vtable + 4 + 2 * field)
        return self.position + offset if offset else None

    def _follow(self, field):
        position = self._find(field)
        return None if position is None else position + _unpack("I", self.data, position)

    def scalar(self, field, form, default):
        position = self._find(field)
        return default if position is None else _unpack(form, self.data, position)

    def table(self, field):
        position = self._follow(field)
        return None if position is None else _Table(self.data, position, self.followed)

    def stored(self, field, dtype=np.uint8):
        """Return a vector of numbers as a read-only view into the file."""
        dtype, position = np.dtype(dtype), self._follow(field)
        if position is None:
            return np.zeros(0, dtype)
        count = _unpack("I", self.data, position)
        if position + 4 + count * dtype.itemsize > len(self.data):
            raise IndexError("a list is longer than the file")
        return np.frombuffer(self.data, dtype, count, position + 4)

    def array(self, field, dtype):
        """The same of a vector that something is made of, for every entry or every reader."""
        values = self.stored(field, dtype)
        self.followed[0] += values.nbytes
        if self.followed[0] > len(self.data) + SHARED:
            raise IndexError(f"its tables share lists: {self.followed[0]:,} bytes were followed")
        return values

    def integers(self, field, most=LARGEST_LIST):
        values = self.array(field, "<i4")
        if values.size > most:
            raise IndexError(f"a list has {values.size} entries, {most} at most")
        return tuple(values.tolist())

    def tables(self, field):
        position = self._follow(field)
        offsets = self.array(field, "<u4")
        if offsets.size > LARGEST_LIST:
            raise IndexError(f"a list has {offsets.size} entries, {LARGEST_LIST} at most")
        places = (position + 4 + 4 * i + int(offset) for i, offset in enumerate(offsets))
        return [_Table(self.data, place, self.followed) for place in places]

    def text(self, field):
        return self.stored(field)[:LONGEST_TEXT].tobytes().decode("utf-8", "replace")


def root(tflite):
    """The root table of a model file's bytes, for what no Graph holds; `_Table` reads its fields.

    Raises TypeError if they are not bytes, ValueError where they do not begin as a model file. What
    reads on must expect DAMAGE.
    """
    if not isinstance(tflite, (bytes, bytearray, memoryview)):
        raise TypeError(f"Expected the bytes of a .tflite file, not {type(tflite).__name__}.")
    data = bytes(tflite)
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise ValueError("This is not a .tflite file: it lacks the mark TFL3 at its start.")
    try:
        return _Table(data, _unpack("I", data, 0), [0])
    except DAMAGE as error:
        raise ValueError(f"{BROKEN} ({error})") from None
