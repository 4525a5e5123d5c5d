"""Models of one operator, in each number type, to try which kernels TFLM has (notebook 11).

Each operator that TFLM knows is given a model of its own (`trial`), which is started and invoked.
What came out is recorded (data/results/tflm_kernels.json).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from course_utils import env
from course_utils.machines.micro.kernels import BY_OUTPUT, TYPES
from course_utils.machines.operators import packed

QUANTIZED = ("int8", "uint8", "int16", "int4")  # in trials, these have a scale


class Value(NamedTuple):
    """A tensor of a trial: its type, where "t" and "u" stand for the tried ones, and its shape."""

    type: str
    shape: tuple[int, ...]
    values: Any = None  # of a constant
    variable: bool = False  # a state
    scale: float | None = None
    zero_point: int = 0


class Form(NamedTuple):
    """An operator's inputs (None: left out), outputs and options."""

    inputs: tuple[Value | None, ...]
    outputs: tuple[Value, ...]
    options: Mapping[str, Any] = {}


_IMAGE = (1, 4, 4, 2)
_X = Value("t", _IMAGE)
_ONES = Value("t", _IMAGE, 1)
_BOOL = Value("bool", _IMAGE)


def _ints(*values, shape=None):
    return Value("int32", shape or (len(values),), values)


def _weights(*shape):
    return Value("u", shape, 1)


def _forms() -> Iterator[tuple[str, Form]]:
    """Each operator with one type, "t", or two, "t" and "u"."""
    unary = """ABS CEIL COS ELU EXP FLOOR HARD_SWISH L2_NORMALIZATION LEAKY_RELU LOG LOGICAL_NOT
        LOGISTIC LOG_SOFTMAX NEG RELU RELU6 ROUND SIN SQRT SQUARE TANH ZEROS_LIKE"""
    for name in unary.split():
        yield name, Form((_X,), (_X,))
    yield "RSQRT", Form((_ONES,), (_X,))  # no root of what is there
    binary = """ADD ADD_N LOGICAL_AND LOGICAL_OR MAXIMUM MINIMUM MUL SQUARED_DIFFERENCE SUB"""
    for name in binary.split():
        yield name, Form((_X, _X), (_X,))
    for name in ["DIV", "FLOOR_DIV", "FLOOR_MOD"]:
        yield name, Form((_X, _ONES), (_X,))
    ones = Value("t", (2,), 1)
    yield "BROADCAST_ARGS", Form((ones, ones), (Value("t", (2,)),))
    for name in ["EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL", "NOT_EQUAL"]:
        yield name, Form((_X, _X), (_BOOL,))
    for name in ["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ALL"]:
        yield name, Form((_X, _ints(1, 2)), (Value("t", (1, 2)),))
    window = {"strideW": 1, "strideH": 1}
    for name in ["AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"]:
        yield name, Form((_X,), (_X,), {**window, "filterWidth": 2, "filterHeight": 2})
    # With weights: two types.
    dilated = {**window, "dilationWFactor": 1, "dilationHFactor": 1}
    bias = Value("bias", (3,), 0)
    out = (Value("t", (1, 4, 4, 3)),)
    yield "CONV_2D", Form((_X, _weights(3, 1, 1, 2), bias), out, dilated)
    yield (
        "DEPTHWISE_CONV_2D",
        Form(
            (_X, _weights(1, 1, 1, 2), Value("bias", (2,), 0)),
            (_X,),
            {**dilated, "depthMultiplier": 1},
        ),
    )
    yield "TRANSPOSE_CONV", Form((_ints(1, 4, 4, 3), _weights(3, 1, 1, 2), _X, bias), out, window)
    row = Value("t", (1, 4))
    yield "FULLY_CONNECTED", Form((row, _weights(3, 4), bias), (Value("t", (1, 3)),))
    state = Value("int16|t", (1, 6), variable=True)
    yield "SVDF", Form(
        (row, _weights(2, 4), Value("int16|t", (2, 3), 1), Value("bias", (2,), 0), state),
        (Value("t", (1, 2)),), {"rank": 1},
    )  # fmt: skip
    lstm = [Value("t", (1, 2, 4)), *[_weights(4, 4)] * 8, *[None] * 3]
    lstm += [Value("bias", (4,), 0)] * 4 + [None] * 2
    lstm += [Value("t", (1, 4), variable=True)]
    lstm += [Value("int16|t", (1, 4), variable=True, scale=2**-11), *[None] * 4]
    yield (
        "UNIDIRECTIONAL_SEQUENCE_LSTM",
        Form(
            tuple(lstm), (Value("t", (1, 2, 4)),), {"fusedActivationFunction": 4, "cellClip": 10.0}
        ),
    )
    yield "BATCH_MATMUL", Form((row, Value("u", (4, 3))), (Value("t", (1, 3)),))
    # By two types: that of the values, and that of the places.
    yield "GATHER", Form((_X, Value("u", (1,), 0)), (_X,))
    yield "GATHER_ND", Form((_X, Value("u", (1, 1), 0)), (_X,))
    # From one type to another.
    for name in ["CAST", "QUANTIZE", "DEQUANTIZE", "SOFTMAX"]:
        yield name, Form((_X,), (Value("u", _IMAGE),))
    for name in ["ARG_MAX", "ARG_MIN"]:
        yield name, Form((_X, _ints(3, shape=())), (Value("u", (1, 4, 4)),))
    yield "SHAPE", Form((_X,), (Value("u", (4,)),))
    # Of shapes: values go where they went.
    long, two, four = Value("t", (1, 32)), Value("t", (1, 4, 4, 1)), Value("t", (1, 8, 8, 2))
    yield "RESHAPE", Form((_X, _ints(1, 32)), (long,), {"newShape": (1, 32)})
    yield "EXPAND_DIMS", Form((_X, _ints(0, shape=())), (Value("t", (1, *_IMAGE)),))
    yield "SQUEEZE", Form((_X,), (Value("t", (4, 4, 2)),), {"squeezeDims": (0,)})
    yield "TRANSPOSE", Form((_X, _ints(0, 2, 1, 3)), (_X,))
    yield "REVERSE_V2", Form((_X, _ints(1)), (_X,))
    padded, pads = Value("t", (1, 4, 4, 4)), _ints(0, 0, 0, 0, 0, 0, 1, 1, shape=(4, 2))
    yield "PAD", Form((_X, pads), (padded,))
    yield "PADV2", Form((_X, pads, Value("t", (1,), 0)), (padded,))
    yield "MIRROR_PAD", Form((_X, pads), (padded,))
    yield "SLICE", Form((_X, _ints(0, 0, 0, 0), _ints(1, 4, 4, 1)), (two,))
    yield (
        "STRIDED_SLICE",
        Form((_X, _ints(0, 0, 0, 0), _ints(1, 4, 4, 1), _ints(1, 1, 1, 1)), (two,)),
    )
    yield "CONCATENATION", Form((_X, _X), (padded,), {"axis": 3})
    yield "PACK", Form((_X, _X), (Value("t", (2, *_IMAGE)),), {"valuesCount": 2})
    yield "UNPACK", Form((_X,), (Value("t", (1, 4, 4)),) * 2, {"num": 2, "axis": 3})
    yield "SPLIT", Form((_ints(3, shape=()), _X), (two, two), {"numSplits": 2})
    yield "SPLIT_V", Form((_X, _ints(1, 1), _ints(3, shape=())), (two, two), {"numSplits": 2})
    yield "SPACE_TO_DEPTH", Form((_X,), (Value("t", (1, 2, 2, 8)),), {"blockSize": 2})
    yield "DEPTH_TO_SPACE", Form((Value("t", (1, 2, 2, 8)),), (_X,), {"blockSize": 2})
    none = _ints(0, 0, 0, 0, shape=(2, 2))
    parts = Value("t", (4, 2, 2, 2))
    yield "SPACE_TO_BATCH_ND", Form((_X, _ints(2, 2), none), (parts,))
    yield "BATCH_TO_SPACE_ND", Form((parts, _ints(2, 2), none), (_X,))
    yield "BROADCAST_TO", Form((two, _ints(*_IMAGE)), (_X,))
    yield "FILL", Form((_ints(*_IMAGE), Value("t", (), 1)), (_X,))
    yield "SELECT_V2", Form((_BOOL, _X, _X), (_X,))
    for name in ["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"]:
        yield name, Form((_X, _ints(8, 8)), (four,))
    yield "CUMSUM", Form((_X, _ints(3, shape=())), (_X,))
    yield "PRELU", Form((_X, Value("t", (1, 1, 2), 1)), (_X,))
    yield "EMBEDDING_LOOKUP", Form((_ints(0), Value("t", (3, 4), 1)), (row,))
    yield "DYNAMIC_UPDATE_SLICE", Form((_X, two, _ints(0, 0, 0, 0)), (_X,))


def kinds(name: str) -> tuple[str, ...]:
    """The keys in which an operator is tried; none for one that branches or keeps a state."""
    if name not in _known():
        return ()
    form = _known()[name]
    if all(part is None or part.type != "u" for part in (*form.inputs, *form.outputs)):
        return TYPES
    between = " -> " if name in BY_OUTPUT else " "
    return tuple(f"{first}{between}{second}" for first in TYPES for second in TYPES)


@functools.cache
def _known():
    return dict(_forms())


def trial(name: str, kind: str) -> bytes:
    """A `.tflite` file of one operator, in the types of one of its `kinds`."""
    first, _, second = kind.replace(" ->", "").partition(" ")
    form = _known()[name]
    return one_operator(name, *(
        tuple(part and _typed(name, part, first, second or first, side) for part in parts)
        for side, parts in enumerate(form[:2])
    ), form.options)  # fmt: skip


def _typed(name, part, first, second, output):
    """The value with the tried types in it, and a scale."""
    narrow = first in QUANTIZED
    named = {
        "t": first, "u": second,
        # A bias takes the sums: 32 bits, or 64 where activations take 16. States of 8-bit
        # activations take 16.
        "bias": "int64" if first == "int16" else "int32" if narrow else first,
        "int16|t": "int16" if narrow else first,
    }  # fmt: skip
    kind = named.get(part.type, part.type)
    if output and (name, first, kind) in _OF_OUTPUT:
        scale, zero_point = _OF_OUTPUT[name, first, kind]
        return part._replace(type=kind, scale=scale, zero_point=zero_point)
    scale = part.scale or 2.0**-4
    if part.type == "bias":
        scale = scale * scale
    quantized = kind in QUANTIZED or part.type == "bias" or (name, kind) == ("QUANTIZE", "int32")
    zero_point = 128 if kind == "uint8" else 0
    return part._replace(type=kind, scale=scale if quantized else None, zero_point=zero_point)


# Some outputs have a scale and a zero point of their own (LiteRT 8-bit quantization specification;
# for 16 bits, TFLM's softmax_common.cc): by the input's type and the output's.
_OF_OUTPUT = {
    ("SOFTMAX", "int8", "int8"): (1 / 256, -128), ("SOFTMAX", "uint8", "uint8"): (1 / 256, 0),
    ("SOFTMAX", "int8", "int16"): (1 / 65536, -32768),
    ("SOFTMAX", "int16", "int16"): (1 / 32768, 0),
    ("LOGISTIC", "int8", "int8"): (1 / 256, -128), ("LOGISTIC", "uint8", "uint8"): (1 / 256, 0),
    ("LOGISTIC", "int16", "int16"): (1 / 32768, 0),
    ("TANH", "int8", "int8"): (1 / 128, 0), ("TANH", "uint8", "uint8"): (1 / 128, 128),
    ("TANH", "int16", "int16"): (1 / 32768, 0),
    ("L2_NORMALIZATION", "int8", "int8"): (1 / 128, 0),
    ("L2_NORMALIZATION", "uint8", "uint8"): (1 / 128, 128),
    ("LOG_SOFTMAX", "int8", "int8"): (16 / 256, 127),
    ("LOG_SOFTMAX", "uint8", "uint8"): (16 / 256, 255),
}  # fmt: skip


def custom(name: str) -> bytes:
    """A `.tflite` file of one custom operator, which it has just the name of."""
    return one_operator("CUSTOM", (Value("int8", (1, 4)),), (Value("int8", (1, 4)),), name=name)


def softmax(logits: int) -> bytes:
    """A `.tflite` file of one int8 softmax."""
    x = Value("int8", (1, logits), scale=0.1)
    y = x._replace(scale=1 / 256, zero_point=-128)
    return one_operator("SOFTMAX", (x,), (y,))


def one_operator(operator_name, inputs, outputs, options=(), name=None) -> bytes:
    """A `.tflite` file of one operator.

    inputs, outputs: Values, None for an input left out. name: that of a custom operator.
    """
    from ai_edge_litert import schema_py_generated as schema

    model, graph, operator = schema.ModelT(), schema.SubGraphT(), schema.OperatorT()
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT()]
    graph.tensors, graph.operators, places = [], [operator], []
    for value in (*inputs, *outputs):
        places.append(-1 if value is None else len(graph.tensors))
        if value is not None:
            graph.tensors.append(_tensor(schema, model, value, len(places)))
    ins, outs = places[: len(inputs)], places[len(inputs) :]
    given = [
        place for place, value in zip(ins, inputs, strict=True)
        if value is not None and value.values is None and not value.variable
    ]  # fmt: skip
    operator.inputs, operator.outputs = np.array(ins, np.int32), np.array(outs, np.int32)
    graph.inputs, graph.outputs = np.array(given, np.int32), operator.outputs
    code = schema.OperatorCodeT()
    code.builtinCode = getattr(schema.BuiltinOperator, operator_name)
    code.customCode = name
    code.deprecatedBuiltinCode = min(code.builtinCode, 127)
    model.operatorCodes = [code]
    _set_options(schema, operator, operator_name, dict(options))
    return packed(model)


def _tensor(schema, model, value, number):
    tensor = schema.TensorT()
    tensor.name, tensor.shape = f"tensor {number}", np.array(value.shape, np.int32)
    tensor.type = getattr(schema.TensorType, value.type.upper())
    tensor.isVariable = value.variable
    if value.scale is not None:
        quantized = tensor.quantization = schema.QuantizationParametersT()
        quantized.scale = np.array([value.scale], np.float32)
        quantized.zeroPoint = np.array([value.zero_point], np.int64)
    if value.values is not None:
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(_stored(value), np.uint8)
        model.buffers.append(buffer)
        tensor.buffer = len(model.buffers) - 1
    return tensor


def _stored(value):
    """A constant's bytes."""
    if value.type == "int4":  # two in a byte
        return bytes([0x11]) * -(-math.prod(value.shape) // 2)
    filled = np.broadcast_to(np.array(value.values).reshape(-1), (math.prod(value.shape),))
    return filled.astype(value.type).tobytes()


_OPTIONS = {
    "AVERAGE_POOL_2D": "Pool2D", "MAX_POOL_2D": "Pool2D", "L2_POOL_2D": "Pool2D",
    "MEAN": "Reducer", "SUM": "Reducer", "REDUCE_MAX": "Reducer", "REDUCE_MIN": "Reducer",
    "REDUCE_ALL": "Reducer", "MAXIMUM": "MaximumMinimum", "MINIMUM": "MaximumMinimum",
    "L2_NORMALIZATION": "L2Norm",
}  # fmt: skip


def _set_options(schema, operator, name, options):
    wanted = _OPTIONS.get(name, name.replace("_", "")).lower() + "options"
    kind = next((k for k in vars(schema.BuiltinOptions) if k.lower() == wanted), None)
    if kind is None:  # it has none
        return
    operator.builtinOptionsType = getattr(schema.BuiltinOptions, kind)
    operator.builtinOptions = getattr(schema, f"{kind}T")()
    defaults = {"beta": 1.0, "alpha": 0.1} | options
    for field, value in defaults.items():
        if hasattr(operator.builtinOptions, field):
            setattr(operator.builtinOptions, field, value)


# --- in TFLM --------------------------------------------------------------------------------------


def runs(tflite: bytes) -> str:
    """In the TFLM process: start a model and invoke it. -> "", or what TFLM said.

    Its inputs are whatever the memory held.
    """
    from tflite_micro.python.tflite_micro import runtime

    with env.captured_stderr() as said:
        try:
            runtime.Interpreter.from_bytes(tflite, arena_size=1 << 16).invoke()
        except Exception as error:
            reason = str(error)
        else:
            return ""
    return (said.text.strip().splitlines() or [reason])[0]
