"""Products that are no plain layer: of two activations, and a convolution run backwards."""

from __future__ import annotations

import numpy as np

from course_utils.engines.integer_engine.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    quantize_multipliers,
    requantize,
    saturate,
)
from course_utils.engines.integer_engine.checked import Prepared
from course_utils.engines.integer_engine.layers import real_multipliers_of
from course_utils.engines.limits import CALL, VALUE


def batch_matmul(checked):
    """Matrix times matrix, one of which may be constant (batch_matmul.cc)."""
    checked.count(2)
    a, b, y = checked.int8(checked.tensor(0)), checked.int8(checked.tensor(1)), checked.output()
    checked.require(a.data is None or b.data is None, "computes on constants only")
    ranks = len(a.shape), len(b.shape)
    checked.require(min(ranks) >= 2 and max(ranks) <= 5, f"multiplies {a.shape} by {b.shape}")
    for tensor in (a, b):
        checked.require(
            tensor.data is not None or len(tensor.shape) == len(y.shape) >= 3,
            f"has the activation {tensor.shape}, whose first axis is not the batch of {y.shape}",
        )
    turned = checked.options["adj_x"], checked.options["adj_y"]

    def matrix(q, tensor, turn):
        q = q.astype(np.float64) - tensor.qparams.zero_point  # exact: sums stay below 2^53
        return q.swapaxes(-1, -2) if turn else q

    shapes = [
        (*t.shape[:-2], *t.shape[:-3:-1]) if turn else t.shape
        for t, turn in zip((a, b), turned, strict=True)
    ]
    try:
        batch = np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
    except ValueError:
        checked.refuse(f"multiplies {a.shape} by {b.shape}, which do not fit")
    depth = shapes[0][-1]
    checked.require(depth == shapes[1][-2], f"multiplies {a.shape} by {b.shape}")
    checked.shape_is(y, (*batch, shapes[0][-2], shapes[1][-1]))
    checked.require(depth <= 2**15, f"adds up {depth} products, at most 32768 can be")
    checked.take(work=2 * y.size * depth)
    pair = quantize_multiplier(float(a.scale[0]) * float(b.scale[0]) / float(y.scale[0]))

    def run(qa, qb):
        total = (matrix(qa, a, turned[0]) @ matrix(qb, b, turned[1])).astype(np.int64)
        return saturate(
            multiply_by_quantized_multiplier(total, *pair) + y.qparams.zero_point, "int8"
        )

    return Prepared(run, (a.index, b.index), 8 * max(a.size, b.size, y.size))


def transpose_conv(checked):
    """Each input value adds its filter to the output, a stride apart (transpose_conv.h).

    Inputs: the output's shape, filters (units, kernel height, width, channels), the image, biases.
    """
    checked.count(3, 4)
    x, y = checked.input(2, rank=4), checked.output(rank=4)
    filters = checked.weights(rank=4, channel_axis=0)
    units, kh, kw, channels = filters.shape
    checked.require(channels == x.shape[3], f"has filters {filters.shape} for {x.shape}")
    _, height, width, _ = y.shape
    checked.shape_is(y, (1, height, width, units))
    stride = checked.options["stride_h"], checked.options["stride_w"]
    checked.require(min(stride) >= 1, f"has the strides {stride}")
    checked.require(x.size > 0 and y.size > 0, "has an empty input or output")
    biases = checked.bias(units, position=3)
    top, left = (
        _padding(checked, size, k, s)
        for size, k, s in zip((height, width), (kh, kw), stride, strict=True)
    )
    # The input's reach, which the output may cut or exceed.
    reach = [(size - 1) * s + k for size, s, k in zip(x.shape[1:3], stride, (kh, kw), strict=True)]
    rows, columns = max(reach[0], top + height), max(reach[1], left + width)
    whole, parts = rows * columns * units, x.size // channels * units
    checked.take(
        at_once=16 * whole + 16 * parts,
        work=VALUE * whole + kh * kw * (parts * channels + 16 * parts + CALL),
    )
    weights = filters.data.astype(np.float64)
    multiplier, shift = quantize_multipliers(real_multipliers_of(x, filters, y, units))
    qmin, qmax = checked.activation(y)

    def run(q):
        centred = q.astype(np.float64) - x.qparams.zero_point
        whole = np.zeros((len(q), rows, columns, units))
        for i in range(kh):
            for j in range(kw):
                down = slice(i, i + stride[0] * (x.shape[1] - 1) + 1, stride[0])
                across = slice(j, j + stride[1] * (x.shape[2] - 1) + 1, stride[1])
                whole[:, down, across] += centred @ weights[:, i, j].T
        total = whole[:, top : top + height, left : left + width].astype(np.int64) + biases
        return requantize(total, multiplier, shift, y.qparams.zero_point, qmin, qmax)

    return Prepared(run, (x.index,), 8 * max(rows * columns * units, x.size))


def _padding(checked, size, kernel, stride):
    """Return how many rows the kernel's first place lies before the output."""
    if checked.options["padding"] == "VALID":
        return 0
    return max((-(-size // stride) - 1) * stride + kernel - size, 0) // 2
