"""The other operators, and the list of all that the engine knows."""

from __future__ import annotations

import math

import numpy as np

from course_utils.engines.integer_engine.arithmetic import (
    activation_range,
    code_of,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    requantize,
    rounding_divide_by_power_of_two,
)
from course_utils.engines.integer_engine.checked import Prepared
from course_utils.engines.integer_engine.layers import conv_2d, depthwise_conv_2d, fully_connected
from course_utils.engines.integer_engine.softmax import divide_by_sum, softmax_table
from course_utils.engines.integer_engine.windows import Window
from course_utils.numbers.quantization import dequantize, round_half_away


def _pool(checked):
    checked.count(1)
    x, y = checked.input(rank=4), checked.output(rank=4)
    kernel = checked.options["filter_h"], checked.options["filter_w"]
    checked.require(x.zero_point[0] == y.zero_point[0], "changes the zero point")
    checked.require(abs(float(x.scale[0]) - float(y.scale[0])) <= 1e-6, "changes the scale")
    return x, y, Window(checked, x, y, kernel, x.shape[3]), checked.activation(y)


def _max_pool_2d(checked):
    x, y, window, (qmin, qmax) = _pool(checked)

    def run(q):
        largest = window.reduce(window.pad(q, -128, np.int8), np.maximum)
        if (qmin, qmax) != (-128, 127):
            np.clip(largest, qmin, qmax, out=largest)
        return largest

    return Prepared(run, (x.index,), x.size)


def _average_pool_2d(checked):
    x, y, window, (qmin, qmax) = _pool(checked)
    # Padding does not count: at the border fewer values are averaged.
    ones = np.ones((1, *x.shape[1:3], 1), np.int8)
    count = window.reduce(window.pad(ones, 0, np.int32), np.add)

    def run(q):
        total = window.reduce(window.pad(q, 0, np.int32), np.add)
        # The nearest code, halves away from zero: codes are averaged, zero points included.
        nearest = np.sign(total) * ((np.abs(total) + count // 2) // count)
        return np.clip(nearest, qmin, qmax).astype(np.int8)

    return Prepared(run, (x.index,), max(x.size, y.size))


def _mean(checked):
    checked.count(2)
    x, y = checked.input(), checked.output()
    axes = checked.constant(1, "int32", "axes").data.reshape(-1).tolist()
    rank = len(x.shape)
    checked.require(all(-rank <= axis < rank for axis in axes), f"has no axes {axes}")
    axes = tuple(sorted({axis % rank for axis in axes}))
    checked.require(0 not in axes, "averages over the batch")
    kept = [1 if i in axes else size for i, size in enumerate(x.shape)]
    if not checked.options["keep_dims"]:
        kept = [size for i, size in enumerate(x.shape) if i not in axes]
    checked.shape_is(y, kept)
    count = math.prod(x.shape[axis] for axis in axes)
    checked.require(count > 0, "averages over nothing")
    # The division by the count goes into the multiplier, with as many bits as it leaves free.
    multiplier, shift = quantize_multiplier(float(x.scale[0]) / float(y.scale[0]))
    free = min(count.bit_length() - 1, 32, 31 + shift)
    multiplier, shift = (multiplier << free) // count, shift - free
    offset = x.qparams.zero_point * count

    def run(q):
        total = q.sum(axis=axes, dtype=np.int32).astype(np.int64) - offset
        codes = requantize(total, multiplier, shift, y.qparams.zero_point)
        return codes.reshape(len(q), *y.shape[1:])

    return Prepared(run, (x.index,), x.size)


def _add(checked):
    checked.count(2)
    a, b, y = checked.int8(checked.tensor(0)), checked.int8(checked.tensor(1)), checked.output()
    reads, align = _broadcast(checked, a, b, y)
    # Both inputs are brought to one scale with 20 bits below the point, then added.
    common = 2 * max(float(a.scale[0]), float(b.scale[0]))
    table_a, table_b = (
        multiply_by_quantized_multiplier(
            (_ALL_CODES - t.qparams.zero_point) << 20,
            *quantize_multiplier(float(t.scale[0]) / common),
        )
        for t in (a, b)
    )
    real = common / (2**20 * float(y.scale[0]))
    checked.require(real < 1, "has an output scale far below its inputs' scales")
    multiplier, shift = quantize_multiplier(real)
    qmin, qmax = checked.activation(y)

    def run(*q):
        qa, qb = align(*q)
        total = table_a[qa.view(np.uint8)] + table_b[qb.view(np.uint8)]
        return requantize(total, multiplier, shift, y.qparams.zero_point, qmin, qmax)

    return Prepared(run, reads, 8 * y.size)


def _mul(checked):
    checked.count(2)
    a, b, y = checked.int8(checked.tensor(0)), checked.int8(checked.tensor(1)), checked.output()
    reads, align = _broadcast(checked, a, b, y)
    real = float(a.scale[0]) * float(b.scale[0]) / float(y.scale[0])
    multiplier, shift = quantize_multiplier(real)
    qmin, qmax = checked.activation(y)

    def run(*q):
        qa, qb = align(*q)
        product = (qa.astype(np.int64) - a.qparams.zero_point) * (
            qb.astype(np.int64) - b.qparams.zero_point
        )
        return requantize(product, multiplier, shift, y.qparams.zero_point, qmin, qmax)

    return Prepared(run, reads, 8 * y.size)


_ALL_CODES = np.arange(256).astype(np.uint8).view(np.int8).astype(np.int64)  # 0..127, -128..-1


def _broadcast(checked, a, b, y):
    """Return what to read, and how to align two operands, of which one may be constant."""
    checked.require(a.data is None or b.data is None, "computes on constants only")
    try:
        shape = np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        checked.refuse(f"has inputs of shapes {a.shape} and {b.shape}, which do not fit")
    checked.shape_is(y, shape)
    rank = len(shape)

    def aligned(q, tensor):
        missing = rank - len(tensor.shape)
        if tensor.data is not None:
            return q
        return q.reshape(len(q), *[1] * missing, *tensor.shape[1:])

    return (a.index, b.index), lambda qa, qb: (aligned(qa, a), aligned(qb, b))


def _lookup(x, table):
    """An operator that maps each code to a code is a table of 256 entries."""
    table = np.ascontiguousarray(table)
    return Prepared(lambda q: table[q.view(np.uint8)], (x.index,), x.size)


def _relu(checked):
    checked.count(1)
    x, y = checked.input(), checked.output()
    checked.shape_is(y, x.shape)
    qmin, _ = activation_range("RELU", y.qparams)
    pair = quantize_multiplier(float(x.scale[0]) / float(y.scale[0]))
    codes = _ALL_CODES - x.qparams.zero_point
    return _lookup(x, requantize(codes, *pair, y.qparams.zero_point, qmin))


def _relu6(checked):
    checked.count(1)
    x, y = checked.input(), checked.output()
    checked.shape_is(y, x.shape)
    # The kernel copies codes and never rescales: it relies on equal scales.
    qmin, qmax = x.qparams.zero_point, min(127, code_of(6, x.qparams))
    return _lookup(x, np.clip(_ALL_CODES, qmin, qmax).astype(np.int8))


def _quantize(checked):
    checked.count(1)
    x, y = checked.tensor(0), checked.output()
    checked.require(x is not None and x.data is None, "lacks its input")
    checked.shape_is(y, x.shape)
    if x.type == "float32":
        checked.batched(x)
        scale, zero_point = np.float32(y.qparams.scale), y.qparams.zero_point

        def run(real):
            steps = np.clip(round_half_away(real / scale), -1000, 1000)
            return np.clip(steps + zero_point, -128, 127).astype(np.int8)

        return Prepared(run, (x.index,), x.size)
    x = checked.input()
    pair = quantize_multiplier(float(x.scale[0]) / float(y.scale[0]))
    return _lookup(x, requantize(_ALL_CODES - x.qparams.zero_point, *pair, y.qparams.zero_point))


def _dequantize(checked):
    checked.count(1)
    x = checked.input()
    y = checked.graph.tensors[checked.op.outputs[0]]
    checked.require(y.type == "float32", f"writes {y.type}, not float32")
    checked.shape_is(checked.batched(y), x.shape)
    return _lookup(x, dequantize(_ALL_CODES, x.qparams))


def _softmax(checked):
    checked.count(1)
    x, y = checked.input(), checked.output()
    checked.shape_is(y, x.shape)
    checked.require(len(x.shape) >= 2, "works along the batch")
    checked.require(
        (float(y.scale[0]), y.qparams.zero_point) == (1 / 256, -128),
        "must write codes of scale 1/256 and zero point -128",
    )
    checked.require(1 <= x.shape[-1] < 4096, f"adds up {x.shape[-1]} values, 1 to 4095 can be")
    beta = checked.options["beta"]
    checked.require(math.isfinite(beta) and beta > 0, f"has the beta {beta}, not above 0")
    step = beta * float(x.scale[0])
    checked.require(
        step > 2**-26, f"has an input scale so small ({step:.1e}) that TFLM stops on it"
    )
    exponentials = softmax_table(step)
    parts = rounding_divide_by_power_of_two(exponentials, 12)  # room to add 4095 of them

    def run(q):
        below = q.max(axis=-1, keepdims=True).astype(np.int16) - q  # 0 for the largest
        return divide_by_sum(exponentials[below], parts[below].sum(axis=-1, keepdims=True))

    return Prepared(run, (x.index,), 8 * x.size)


def _concatenation(checked):
    tensors = [checked.input(i) for i in range(len(checked.op.inputs))]
    y = checked.output()
    checked.require(tensors, "has no input")
    checked.require(checked.options["activation"] == "NONE", "has a fused activation")
    rank = len(y.shape)
    axis = checked.options["axis"] + rank * (checked.options["axis"] < 0)
    checked.require(1 <= axis < rank, f"joins along axis {checked.options['axis']}")
    for tensor in tensors:
        checked.require(
            len(tensor.shape) == rank
            and all(
                a == b or i == axis
                for i, (a, b) in enumerate(zip(tensor.shape, y.shape, strict=True))
            ),
            f"can't join {tensor.shape} into {y.shape}",
        )
        # The kernel copies codes: it relies on equal scales, which the converter sees to.
        checked.require(
            tensor.qparams == y.qparams, "joins tensors of different scales or zero points"
        )
    checked.require(
        sum(t.shape[axis] for t in tensors) == y.shape[axis], "does not fill its output"
    )
    reads = tuple(t.index for t in tensors)
    return Prepared(lambda *q: np.concatenate(q, axis=axis), reads, y.size)


def _pad(checked):
    checked.count(2)
    x, y = checked.input(), checked.output()
    table = checked.tensor(1)
    kind = table.type if table is not None and table.type == "int64" else "int32"
    widths = checked.constant(1, kind, "paddings").data.reshape(-1, 2).tolist()
    checked.require(len(widths) == len(x.shape), f"has {len(widths)} paddings for {x.shape}")
    checked.require(min(map(min, widths)) >= 0 and not any(widths[0]), f"has paddings {widths}")
    checked.shape_is(
        y, [size + before + after for size, (before, after) in zip(x.shape, widths, strict=True)]
    )
    fill = y.qparams.zero_point
    return Prepared(lambda q: np.pad(q, widths, constant_values=fill), (x.index,), y.size)


def _reshape(checked):
    checked.require(len(checked.op.inputs) >= 1, "lacks its input")
    x, y = checked.input(), checked.output()
    checked.require(x.size == y.size, f"can't make {y.shape} of {x.shape}")
    shape = y.shape[1:]
    return Prepared(lambda q: q.reshape(len(q), *shape), (x.index,), 1)


PREPARE = {
    "ADD": _add,
    "AVERAGE_POOL_2D": _average_pool_2d,
    "CONCATENATION": _concatenation,
    "CONV_2D": conv_2d,
    "DEPTHWISE_CONV_2D": depthwise_conv_2d,
    "DEQUANTIZE": _dequantize,
    "EXPAND_DIMS": _reshape,
    "FULLY_CONNECTED": fully_connected,
    "MAX_POOL_2D": _max_pool_2d,
    "MEAN": _mean,
    "MUL": _mul,
    "PAD": _pad,
    "QUANTIZE": _quantize,
    "RELU": _relu,
    "RELU6": _relu6,
    "RESHAPE": _reshape,
    "SOFTMAX": _softmax,
}
