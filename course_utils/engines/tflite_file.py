"""Read a `.tflite` file: its tensors, its operators, and nothing that it does not hold.

A `.tflite` file is a FlatBuffer: tables of optional fields, each found through a small table of
offsets (https://flatbuffers.dev/internals; the field numbers are those of LiteRT's schema.fbs).
Model files come from anywhere, and FlatBuffers for Python has no verifier. So every offset, size
and index is checked here before it is followed: a truncated, altered or malicious file gives one
ValueError, never a crash, a hang or a huge allocation. Weights are views into the file's bytes.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from course_utils.numbers.quantization import QParams

LARGEST_RANK = 8
LARGEST_TENSOR = 2**24  # values; the largest board has 2**23 bytes of RAM
LARGEST_LIST = 2**16  # tensors, operators, inputs of one operator

# TensorType of schema.fbs.
TYPES = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    7: "int16",
    9: "int8",
    17: "int4",
}
DTYPES = {name: np.dtype(name).newbyteorder("<") for name in TYPES.values() if name != "int4"}

# BuiltinOperator of schema.fbs, as far as the integer engine knows it.
OPERATORS = {
    0: "ADD",
    1: "AVERAGE_POOL_2D",
    2: "CONCATENATION",
    3: "CONV_2D",
    4: "DEPTHWISE_CONV_2D",
    6: "DEQUANTIZE",
    9: "FULLY_CONNECTED",
    17: "MAX_POOL_2D",
    18: "MUL",
    19: "RELU",
    21: "RELU6",
    22: "RESHAPE",
    25: "SOFTMAX",
    34: "PAD",
    40: "MEAN",
    70: "EXPAND_DIMS",
    114: "QUANTIZE",
}

PADDINGS = {0: "SAME", 1: "VALID"}
ACTIVATIONS = {0: "NONE", 1: "RELU", 2: "RELU_N1_TO_1", 3: "RELU6"}
_ACTIVATION = ("b", 0, ACTIVATIONS)
_PADDING = ("b", 0, PADDINGS)
_POOL = (
    5,
    {
        "padding": (0, *_PADDING),
        "stride_w": (1, "i", 0),
        "stride_h": (2, "i", 0),
        "filter_w": (3, "i", 0),
        "filter_h": (4, "i", 0),
        "activation": (5, *_ACTIVATION),
    },
)
# For each operator: the number of its options table in the schema's union, and of each option
# its field number, format, default and, for an enumeration, the names.
OPTIONS = {
    "ADD": (11, {"activation": (0, *_ACTIVATION)}),
    "AVERAGE_POOL_2D": _POOL,
    "CONCATENATION": (10, {"axis": (0, "i", 0), "activation": (1, *_ACTIVATION)}),
    "CONV_2D": (
        1,
        {
            "padding": (0, *_PADDING),
            "stride_w": (1, "i", 0),
            "stride_h": (2, "i", 0),
            "activation": (3, *_ACTIVATION),
            "dilation_w": (4, "i", 1),
            "dilation_h": (5, "i", 1),
        },
    ),
    "DEPTHWISE_CONV_2D": (
        2,
        {
            "padding": (0, *_PADDING),
            "stride_w": (1, "i", 0),
            "stride_h": (2, "i", 0),
            "depth_multiplier": (3, "i", 0),
            "activation": (4, *_ACTIVATION),
            "dilation_w": (5, "i", 1),
            "dilation_h": (6, "i", 1),
        },
    ),
    "FULLY_CONNECTED": (
        8,
        {"activation": (0, *_ACTIVATION), "weights_format": (1, "b", 0)},
    ),
    "MAX_POOL_2D": _POOL,
    "MEAN": (27, {"keep_dims": (0, "?", False)}),
    "MUL": (21, {"activation": (0, *_ACTIVATION)}),
    "SOFTMAX": (9, {"beta": (0, "f", 0.0)}),
}


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

    @property
    def qparams(self):
        """The tensor's QParams, None where it is not quantized to int8, int16 or int32."""
        if not self.scale.size or self.type not in ("int8", "int16", "int32"):
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
    """The main graph of a model file, its operators in the order in which they run."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    file: bytes = field(repr=False)  # what it was read from


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
    if not isinstance(tflite, (bytes, bytearray, memoryview)):
        raise TypeError(f"Expected the bytes of a .tflite file, not {type(tflite).__name__}.")
    data = bytes(tflite)
    if len(data) < 8 or data[4:8] != b"TFL3":
        raise ValueError("This is not a .tflite file: it lacks the mark TFL3 at its start.")
    try:
        return _read_graph(data)
    except (struct.error, IndexError, OverflowError, UnicodeDecodeError) as error:
        raise ValueError(f"{_BROKEN} ({error})") from None


_BROKEN = "This .tflite file is damaged or truncated: convert the model again."


def _read_graph(data):
    model = _Table(data, _unpack("I", data, 0))
    if model.scalar(0, "I", 0) != 3:
        raise ValueError("Only version 3 of the .tflite schema is known: convert the model anew.")
    graphs = model.tables(2)
    if len(graphs) != 1:
        raise ValueError(
            f"The file holds {len(graphs)} graphs, and one is expected: models with branches or "
            "loops are not supported."
        )
    graph = graphs[0]
    buffers = model.tables(4)
    tensors = tuple(_read_tensor(i, table, buffers) for i, table in enumerate(graph.tables(0)))
    codes = model.tables(1)
    operators = tuple(
        _read_operator(i, operator, codes, len(tensors))
        for i, operator in enumerate(graph.tables(3))
    )
    inputs, outputs = graph.integers(1), graph.integers(2)
    _check_indices("The model", inputs + outputs, len(tensors), lowest=0)
    return Graph(tensors, operators, inputs, outputs, data)


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
        scale = quantization.array(2, "<f4").astype(np.float32)
        zero_point = quantization.array(3, "<i8").astype(np.int64)
        axis = quantization.scalar(6, "i", 0)
        if zero_point.size == 0:
            zero_point = np.zeros(scale.size, np.int64)
        _check_quantization(f"Tensor {index} ({name})", shape, scale, zero_point, axis, type_name)
    return Tensor(
        index, name, shape, type_name, scale, zero_point, axis,
        _stored_values(index, name, table, shape, type_name, buffers), table.table(6) is not None,
    )  # fmt: skip


def _check_quantization(who, shape, scale, zero_point, axis, type_name):
    if scale.size != zero_point.size or scale.size not in (
        0, 1, shape[axis] if 0 <= axis < len(shape) else 1
    ):  # fmt: skip
        raise ValueError(
            f"{who} has {scale.size} scales and {zero_point.size} zero points, which do not fit "
            f"its shape {shape}. {_BROKEN}"
        )
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise ValueError(f"{who} has a scale that is not a finite number above zero. {_BROKEN}")
    if type_name in ("int8", "int16", "int32") and scale.size:
        limits = np.iinfo(type_name)
        if (zero_point < limits.min).any() or (zero_point > limits.max).any():
            raise ValueError(f"{who} has a zero point that is no {type_name}. {_BROKEN}")


def _stored_values(index, name, table, shape, type_name, buffers):
    number = table.scalar(2, "I", 0)
    if number >= len(buffers):
        raise ValueError(f"Tensor {index} ({name}) names buffer {number}; there is none. {_BROKEN}")
    buffer = buffers[number]
    if buffer.scalar(1, "Q", 0) or buffer.scalar(2, "Q", 0):
        raise ValueError("Weights stored outside the FlatBuffer are not supported: convert anew.")
    stored = buffer.array(0, np.uint8)
    if stored.size == 0:
        return None
    dtype = DTYPES.get(type_name)
    if dtype is None or table.table(6) is not None:
        return None
    if stored.size != math.prod(shape) * dtype.itemsize:
        raise ValueError(
            f"Tensor {index} ({name}) stores {stored.size} bytes, which is not what the shape "
            f"{shape} in {type_name} takes. {_BROKEN}"
        )
    return stored.view(dtype).reshape(shape)


def _read_operator(index, table, codes, tensor_count):
    number = table.scalar(0, "I", 0)
    if number >= len(codes):
        raise ValueError(f"Operator {index} has no operator code {number}. {_BROKEN}")
    # Old files hold the code in a byte (field 0), newer ones in an int (field 3).
    code = max(codes[number].scalar(0, "b", 0), codes[number].scalar(3, "i", 0))
    name = OPERATORS.get(code) or _name_of(code, codes[number])
    inputs, outputs = table.integers(1), table.integers(2)
    _check_indices(f"Operator {index} ({name})", inputs, tensor_count, lowest=-1)
    _check_indices(f"Operator {index} ({name})", outputs, tensor_count, lowest=0)
    options = {}
    if name in OPTIONS:
        union, fields = OPTIONS[name]
        found, values = table.scalar(3, "B", 0), table.table(4)
        if found != union or values is None:
            raise ValueError(f"Operator {index} ({name}) lacks its options. {_BROKEN}")
        options = {key: _option(index, name, key, values, *rest) for key, rest in fields.items()}
    return Operator(index, name, inputs, outputs, options, codes[number].scalar(2, "i", 1))


def _option(index, name, key, table, field, form, default, names=None):
    value = table.scalar(field, form, default)
    if names is None:
        return value
    if value not in names:
        raise ValueError(
            f"Operator {index} ({name}) has the {key} {value}, which is not supported; there are "
            f"{', '.join(names.values())}."
        )
    return names[value]


def _name_of(code, table):
    if code == 32:
        return f"custom operator {table.text(1)!r}"
    try:
        from ai_edge_litert.schema_py_generated import BuiltinOperator
    except ImportError:
        return f"operator code {code}"
    names = {number: name for name, number in vars(BuiltinOperator).items() if name.isupper()}
    return names.get(code, f"operator code {code}")


def _check_indices(who, indices, count, lowest):
    for index in indices:
        if not lowest <= index < count:
            raise ValueError(f"{who} names tensor {index}; there are {count}. {_BROKEN}")


def _unpack(form, data, position):
    if position < 0:
        raise IndexError("an offset points before the file")
    return struct.unpack_from("<" + form, data, position)[0]


class _Table:
    """A FlatBuffer table: fields found by number; an absent field has its default."""

    def __init__(self, data, position):
        self.data, self.position = data, position
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
        return None if position is None else _Table(self.data, position)

    def array(self, field, dtype):
        """Return a vector of numbers as a read-only view into the file."""
        dtype, position = np.dtype(dtype), self._follow(field)
        if position is None:
            return np.zeros(0, dtype)
        count = _unpack("I", self.data, position)
        if position + 4 + count * dtype.itemsize > len(self.data):
            raise IndexError("a list is longer than the file")
        return np.frombuffer(self.data, dtype, count, position + 4)

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
        return [_Table(self.data, place) for place in places]

    def text(self, field):
        return self.array(field, np.uint8)[:200].tobytes().decode("utf-8", "replace")
