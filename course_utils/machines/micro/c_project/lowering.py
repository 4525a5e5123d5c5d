"""A graph as a list of C layers: sizes and constants, all that does not depend on the input."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from course_utils.engines import tflite_file
from course_utils.engines.integer_engine import IntegerModel
from course_utils.engines.integer_engine.arithmetic import (
    activation_range,
    quantize_multiplier,
    quantize_multipliers,
)
from course_utils.engines.integer_engine.layers import real_multipliers_of
from course_utils.engines.integer_engine.softmax import softmax_table

LARGEST_SHIFT = 30  # what an int32 is shifted left at most
MOST_PARTS = 511  # of a softmax: their sum has 9 bits before the point
FLOAT_MAX = float(np.finfo(np.float32).max)
FLOAT_LIMITS = {
    "NONE": (-FLOAT_MAX, FLOAT_MAX), "RELU": (0.0, FLOAT_MAX), "RELU6": (0.0, 6.0),
    "RELU_N1_TO_1": (-1.0, 1.0),
}  # fmt: skip


class Layer(NamedTuple):
    """One call of a kernel: `function(&layer, x, y)`."""

    function: str
    struct: str
    fields: dict  # name -> int or float
    arrays: dict  # name -> array of int8, int32 or float32
    reads: int  # indices of the tensors that it reads and writes
    writes: int


def lower(graph: tflite_file.Graph) -> tuple[Layer, ...]:
    """The layers of a network in int8, or in float32, in the order in which they run.

    A RESHAPE is no layer: its output is its input under another name (`aliases`).
    Raises ValueError, in one sentence, for an operator or a form of one that the kernels have not.
    """
    kind = number_type(graph)
    if kind == "int8":
        IntegerModel(graph)  # refuses in a sentence what is unsound
    if unknown := {op.name: op for op in graph.operators if op.name not in _LOWER}:
        raise ValueError(
            f"export_c does not write {', '.join(map(str, unknown.values()))}; it writes "
            f"{', '.join(_LOWER)}: build the network from these, or take export_project."
        )
    found = []
    for op in graph.operators:
        if not op.inputs or not op.outputs:
            raise ValueError(f"{op} lacks its input or its output: convert the model again.")
        tensors = [graph.tensors[i] if i >= 0 else None for i in op.inputs]
        x, rest, y = tensors[0], tensors[1:], graph.tensors[op.outputs[0]]
        if x is None or x.data is not None or {x.type, y.type} != {kind}:
            raise ValueError(f"{op} does not compute {kind} from {kind}: export_c takes no others.")
        if not (x.shape and y.shape and all(t.size for t in (*tensors, y) if t is not None)):
            raise ValueError(f"{op} has an input or an output without values, or without axes.")
        _check_form(op, x, rest)
        made = _LOWER[op.name](op, x, rest, y)
        if made is not None:
            found.append(Layer(*made, op.inputs[0], op.outputs[0]))
    return tuple(found)


def number_type(graph: tflite_file.Graph) -> str:
    """The numbers that a network takes and gives, "int8" or "float32"; ValueError for others."""
    ends = [graph.tensors[i] for i in (*graph.inputs, *graph.outputs)]
    types = sorted({tensor.type for tensor in ends})
    if len(ends) != 2 or types not in (["int8"], ["float32"]):
        raise ValueError(
            f"export_c takes a network with one input and one output, both int8 or both float32; "
            f"this has {len(graph.inputs)} and {len(graph.outputs)}, in {' and '.join(types)}."
        )
    if any(tensor.data is not None for tensor in ends):
        raise ValueError("The network's input or output is a constant: there is nothing to run.")
    return types[0]


def aliases(graph: tflite_file.Graph) -> dict[int, int]:
    """{tensor that a RESHAPE writes: the tensor in whose place it lies}."""
    found = {}
    for op in graph.operators:
        if op.name == "RESHAPE":
            found[op.outputs[0]] = found.get(op.inputs[0], op.inputs[0])
    return found


def _check_form(op, x, rest):
    """Raise ValueError for an input that is missing, or of another number of axes.

    A network in int8 was looked at by the engine before; in float32 nothing else does.
    """
    x_axes, weight_axes = AXES[op.name]
    if x_axes not in (None, len(x.shape)):
        raise ValueError(f"{op} has an input of {len(x.shape)} axes where it takes {x_axes}.")
    if weight_axes and (not rest or rest[0] is None or rest[0].data is None):
        raise ValueError(f"{op} lacks a second input that is constant.")
    if weight_axes and len(rest[0].shape) not in weight_axes:
        raise ValueError(f"{op} has a second input of {len(rest[0].shape)} axes.")
    if any(op.options.get(f"{name}_{along}", 1) < 1
           for name in ("stride", "dilation", "filter") for along in "hw"):  # fmt: skip
        raise ValueError(f"{op} has a stride, a dilation or a window below 1.")


# Axes of an operator's first input, None for any, and of its second, () where none is needed.
AXES = {
    "CONV_2D": (4, (4,)), "DEPTHWISE_CONV_2D": (4, (4,)), "FULLY_CONNECTED": (None, (2,)),
    "MAX_POOL_2D": (4, ()), "MEAN": (None, (0, 1)), "RESHAPE": (None, ()), "SOFTMAX": (None, ()),
}  # fmt: skip


def _check_size(op, y, size):
    if y.size != size:
        raise ValueError(f"{op} writes {y.size:,} numbers where {size:,} follow from its input.")


def _check_shift(op, largest):
    if largest > LARGEST_SHIFT:
        raise ValueError(f"{op} has an output scale so far below its inputs' that nothing is left.")


def _check_sums(op, filters, biases):
    channel = -1 if op.name == "DEPTHWISE_CONV_2D" else 0
    weights = np.moveaxis(filters.data.astype(np.int64), channel, 0).reshape(biases.size, -1)
    largest = (255 * np.abs(weights).sum(axis=1) + np.abs(biases.astype(np.int64))).max()
    if largest > np.iinfo(np.int32).max:
        raise ValueError(f"{op} can reach a sum of {largest:,}, which no int32 holds.")


def _weighted(op, x, rest, y, units):
    """Fields and arrays of a layer with weights: how its sums become codes, or clipped floats."""
    filters, bias = rest[0], rest[1] if len(rest) > 1 else None
    sum_type = "int32" if y.type == "int8" else "float32"
    for tensor, kind in ((filters, y.type), (bias, sum_type)):
        if tensor is not None and (tensor.data is None or tensor.type != kind):
            raise ValueError(f"{op} has weights or biases that are not constants in {kind}.")
    if bias is not None and bias.size != units:
        raise ValueError(f"{op} has {bias.size} biases for {units} channels.")
    biases = np.zeros(units, sum_type) if bias is None else bias.data.reshape(units)
    arrays = {"weights": filters.data.reshape(-1), "biases": biases}
    if y.type == "float32":
        return _limits(op, y), arrays
    _check_sums(op, filters, biases)
    multipliers, shifts = quantize_multipliers(real_multipliers_of(x, filters, y, units))
    _check_shift(op, shifts.max())
    zero_points = {"x_zero_point": x.qparams.zero_point, "y_zero_point": y.qparams.zero_point}
    arrays |= {"multipliers": np.int32(multipliers), "shifts": np.int8(shifts)}
    return zero_points | _limits(op, y), arrays


def _limits(op, y):
    """The lowest and the highest output: a fused ReLU."""
    activation = op.options["activation"]
    if y.type == "float32":
        low, high = FLOAT_LIMITS[activation]
    else:
        low, high = activation_range(activation, y.qparams)
    return {"low": low, "high": high}


def _fully_connected(op, x, rest, y):
    units, depth = rest[0].shape
    if x.size % depth:
        raise ValueError(f"{op} has weights for {depth} inputs, and an input of {x.size}.")
    _check_size(op, y, x.size // depth * units)
    fields, arrays = _weighted(op, x, rest, y, units)
    sizes = {"depth": depth, "units": units, "rows": x.size // depth}
    return "fully_connected", "Dense", sizes | fields, arrays


def _conv_2d(op, x, rest, y):
    units, *kernel, channels = rest[0].shape
    if channels != x.shape[3]:
        raise ValueError(f"{op} has filters for {channels} channels and an input of {x.shape[3]}.")
    fields, arrays = _weighted(op, x, rest, y, units)
    return "conv_2d", "Conv", _window(op, x, y, kernel, units) | fields, arrays


def _depthwise_conv_2d(op, x, rest, y):
    _, *kernel, units = rest[0].shape
    if units % x.shape[3]:
        raise ValueError(f"{op} has {units} filters for {x.shape[3]} channels.")
    fields, arrays = _weighted(op, x, rest, y, units)
    return "depthwise_conv_2d", "Conv", _window(op, x, y, kernel, units) | fields, arrays


def _max_pool_2d(op, x, rest, y):
    kernel = op.options["filter_h"], op.options["filter_w"]
    return "max_pool_2d", "Conv", _window(op, x, y, kernel, x.shape[3]) | _limits(op, y), {}


def _window(op, x, y, kernel, units):
    """How a kernel moves over the image."""
    get, before, out = op.options.get, [], []
    strides, dilations = ((get(f"{n}_h", 1), get(f"{n}_w", 1)) for n in ("stride", "dilation"))
    for size, k, stride, d in zip(x.shape[1:3], kernel, strides, dilations, strict=True):
        reach, same = (k - 1) * d + 1, get("padding") == "SAME"
        out.append(-(-size // stride) if same else (size - reach) // stride + 1)
        before.append(max((out[-1] - 1) * stride + reach - size, 0) // 2 if same else 0)
    if y.shape != (1, *out, units):
        raise ValueError(f"{op} writes {y.shape} where {(1, *out, units)} follows from its input.")
    return {
        "height": x.shape[1], "width": x.shape[2], "channels": x.shape[3],
        "out_height": y.shape[1], "out_width": y.shape[2], "out_channels": y.shape[3],
        "kernel_height": kernel[0], "kernel_width": kernel[1],
        "stride_h": strides[0], "stride_w": strides[1],
        "dilation_h": dilations[0], "dilation_w": dilations[1],
        "top": before[0], "left": before[1],
    }  # fmt: skip


def _mean(op, x, rest, y):
    given = rest[0].data.reshape(-1)
    if given.size and not -len(x.shape) <= given.min() <= given.max() < len(x.shape):
        raise ValueError(f"{op} averages along an axis that its input has not.")
    axes = sorted({int(axis) % len(x.shape) for axis in given})
    if not axes or axes != list(range(axes[0], axes[-1] + 1)):
        raise ValueError(f"{op} averages along the axes {axes}: export_c takes neighbouring ones.")
    outer, count, inner = (
        math.prod(x.shape[part])
        for part in (slice(axes[0]), slice(axes[0], axes[-1] + 1), slice(axes[-1] + 1, None))
    )
    _check_size(op, y, outer * inner)
    sizes = {"outer": outer, "count": count, "inner": inner}
    if y.type == "float32":
        return "mean", "Mean", sizes, {}
    multiplier, shift = quantize_multiplier(float(x.scale[0]) / float(y.scale[0]))
    free = min(count.bit_length() - 1, 32, 31 + shift)  # the division goes into the multiplier
    _check_shift(op, shift - free)
    fields = {
        "x_zero_point": x.qparams.zero_point, "y_zero_point": y.qparams.zero_point,
        "multiplier": (multiplier << free) // count, "shift": shift - free,
    }  # fmt: skip
    return "mean", "Mean", sizes | fields, {}


def _reshape(op, x, rest, y):
    _check_size(op, y, x.size)
    if x.type == "int8" and x.qparams != y.qparams:
        raise ValueError(f"{op} changes the scale or the zero point.")


def _softmax(op, x, rest, y):
    depth, beta = x.shape[-1], op.options["beta"]
    if depth > MOST_PARTS:
        raise ValueError(
            f"{op} has {depth:,} values, {MOST_PARTS} at most can be: leave the softmax out and "
            "take the largest logit."
        )
    _check_size(op, y, x.size)
    sizes = {"rows": x.size // depth, "depth": depth}
    if y.type == "float32":
        return "softmax", "Softmax", sizes | {"beta": beta}, {}
    table = softmax_table(beta * float(x.scale[0]))
    return "softmax", "Softmax", sizes, {"exponentials": np.int32(table)}


_LOWER = {
    "CONV_2D": _conv_2d,
    "DEPTHWISE_CONV_2D": _depthwise_conv_2d,
    "FULLY_CONNECTED": _fully_connected,
    "MAX_POOL_2D": _max_pool_2d,
    "MEAN": _mean,
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
}
OPERATORS = frozenset(_LOWER)
