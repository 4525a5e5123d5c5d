"""Operators that compute each value from one value of each of two inputs."""

from __future__ import annotations

import numpy as np

from course_utils.engines.integer_engine.activations import centred_codes, take_table
from course_utils.engines.integer_engine.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    requantize,
    saturate,
)
from course_utils.engines.integer_engine.checked import INT8_AND_16, Prepared


def _two_inputs(checked, types=("int8",)):
    """Return both inputs and the output, of one type; what to read; and how to align the values,
    of which one input's may be constant."""
    checked.count(2)
    a, b = (checked.int8(checked.tensor(i), types=types) for i in range(2))
    y = checked.output(types=types)
    checked.require(a.type == b.type == y.type, f"joins {a.type} and {b.type} into {y.type}")
    return a, b, y, *_broadcast(checked, a, b, y)


def _broadcast(checked, a, b, y):
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


def _on_one_scale(checked, a, b, bits):
    """Return the scale that both inputs are brought to, with `bits` bits below the point, and a
    function from their codes to their values on it, which are looked up in tables."""
    take_table(checked, a, tables=2)
    common = 2 * max(float(a.scale[0]), float(b.scale[0]))
    tables = [
        multiply_by_quantized_multiplier(
            centred_codes(t) << bits, *quantize_multiplier(float(t.scale[0]) / common)
        )
        for t in (a, b)
    ]
    unsigned = f"u{a.dtype.itemsize}"
    return common, lambda *q: [t[c.view(unsigned)] for t, c in zip(tables, q, strict=True)]


def add(checked):
    return _scaled_sum(checked, 1)


def sub(checked):
    return _scaled_sum(checked, -1)


def _scaled_sum(checked, sign):
    """a + sign * b: both are brought to one scale with 20 (int16: 15) bits below the point."""
    a, b, y, reads, align = _two_inputs(checked, INT8_AND_16)
    bits = 20 if y.type == "int8" else 15
    common, values = _on_one_scale(checked, a, b, bits)
    ratio = common / (2**bits * float(y.scale[0]))
    checked.require(ratio < 1, "has an output scale far below its inputs' scales")
    multiplier, shift = quantize_multiplier(ratio)
    qmin, qmax = checked.activation(y)

    def run(*q):
        va, vb = values(*align(*q))
        total = va + sign * vb
        return requantize(total, multiplier, shift, y.qparams.zero_point, qmin, qmax, y.type)

    return Prepared(run, reads, 8 * y.size)


def mul(checked):
    a, b, y, reads, align = _two_inputs(checked, INT8_AND_16)
    real = float(a.scale[0]) * float(b.scale[0]) / float(y.scale[0])
    multiplier, shift = quantize_multiplier(real)
    qmin, qmax = checked.activation(y)

    def run(*q):
        qa, qb = align(*q)
        product = (qa.astype(np.int64) - a.qparams.zero_point) * (
            qb.astype(np.int64) - b.qparams.zero_point
        )
        return requantize(product, multiplier, shift, y.qparams.zero_point, qmin, qmax, y.type)

    return Prepared(run, reads, 8 * y.size)


def squared_difference(checked):
    """(a - b)^2 with 7 (int16: 0) bits below the point (squared_difference.cc)."""
    a, b, y, reads, align = _two_inputs(checked, INT8_AND_16)
    bits = 7 if y.type == "int8" else 0
    common, values = _on_one_scale(checked, a, b, bits)
    pair = quantize_multiplier(common * common / (4**bits * float(y.scale[0])))

    def run(*q):
        va, vb = values(*align(*q))
        difference = va - vb
        codes = multiply_by_quantized_multiplier(difference * difference, *pair)
        return saturate(codes + y.qparams.zero_point, y.type)

    return Prepared(run, reads, 8 * y.size)


def maximum(checked):
    return _of_codes(checked, np.maximum)


def minimum(checked):
    return _of_codes(checked, np.minimum)


def _of_codes(checked, choose):
    """The larger or smaller code (maximum_minimum.cc), which relies on equal scales."""
    a, b, y, reads, align = _two_inputs(checked, INT8_AND_16)
    for tensor in (a, b):
        checked.require(tensor.qparams == y.qparams, "compares codes of different scales")
    return Prepared(lambda *q: choose(*align(*q)), reads, y.size)


def prelu(checked):
    """x where x >= 0, else alpha x; alpha is one number or one for each channel (prelu.h)."""
    checked.count(2)
    x, y = checked.input(types=INT8_AND_16), checked.output(types=INT8_AND_16)
    checked.require(x.type == y.type, f"turns {x.type} into {y.type}")
    alpha = checked.int8(checked.tensor(1))
    reads, align = _broadcast(checked, x, alpha, y)
    ratio = float(x.scale[0]) / float(y.scale[0])
    identity = quantize_multiplier(ratio)
    slope = quantize_multiplier(float(x.scale[0]) * float(alpha.scale[0]) / float(y.scale[0]))

    def run(*q):
        value, factor = (
            each.astype(np.int64) - t.qparams.zero_point
            for each, t in zip(align(*q), (x, alpha), strict=True)
        )
        above = multiply_by_quantized_multiplier(value, *identity)
        below = multiply_by_quantized_multiplier(value * factor, *slope)
        return saturate(np.where(value >= 0, above, below) + y.qparams.zero_point, y.type)

    return Prepared(run, reads, 8 * y.size)
