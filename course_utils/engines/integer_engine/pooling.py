"""Pools, sums and extremes: one value of many."""

from __future__ import annotations

import math

import numpy as np

from course_utils.engines.integer_engine.arithmetic import quantize_multiplier, requantize
from course_utils.engines.integer_engine.checked import INT8, INT8_AND_16, Prepared
from course_utils.engines.integer_engine.windows import Window
from course_utils.engines.limits import CALL, VALUE


def _pool(checked):
    checked.count(1)
    x = checked.input(rank=4, types=INT8_AND_16)
    y = checked.output(rank=4, types=(x.type,))
    kernel = checked.options["filter_h"], checked.options["filter_w"]
    checked.require(x.zero_point[0] == y.zero_point[0], "changes the zero point")
    checked.require(abs(float(x.scale[0]) - float(y.scale[0])) <= 1e-6, "changes the scale")
    window = Window(checked, x, y, kernel, x.shape[3])
    values = math.prod(window.padded) * x.shape[3]
    along = kernel[0] * window.padded[1] + kernel[1] * window.out[1]  # values of one output row
    checked.take(
        at_once=16 * values,  # the border filled in int32, and combined along the columns
        work=VALUE * values + 8 * along * window.out[0] * x.shape[3] + CALL * sum(kernel),
    )
    return x, y, window, checked.activation(y)


def max_pool_2d(checked):
    x, y, window, (qmin, qmax) = _pool(checked)
    lowest, highest = x.qparams.qmin, x.qparams.qmax

    def run(q):
        largest = window.reduce(window.pad(q, lowest, x.type), np.maximum)
        if (qmin, qmax) != (lowest, highest):
            np.clip(largest, qmin, qmax, out=largest)
        return largest

    return Prepared(run, (x.index,), x.size)


def average_pool_2d(checked):
    x, y, window, (qmin, qmax) = _pool(checked)
    # Padding does not count: at the border fewer values are averaged.
    ones = np.ones((1, *x.shape[1:3], 1), np.int8)
    count = window.reduce(window.pad(ones, 0, np.int32), np.add)

    def run(q):
        total = window.reduce(window.pad(q, 0, np.int32), np.add)
        # The nearest code, halves away from zero: codes are averaged, zero points included.
        nearest = np.sign(total) * ((np.abs(total) + count // 2) // count)
        return np.clip(nearest, qmin, qmax).astype(x.type)

    return Prepared(run, (x.index,), max(x.size, y.size))


def mean(checked):
    x, y, axes = _reduced(checked, INT8_AND_16)
    count = math.prod(x.shape[axis] for axis in axes)
    checked.require(count > 0, "averages over nothing")
    # The division by the count goes into the multiplier, with as many bits as it leaves free.
    multiplier, shift = quantize_multiplier(float(x.scale[0]) / float(y.scale[0]))
    free = min(count.bit_length() - 1, 32, 31 + shift)
    return _summed(x, y, axes, (multiplier << free) // count, shift - free)


def sum_(checked):
    x, y, axes = _reduced(checked, INT8_AND_16)
    return _summed(x, y, axes, *quantize_multiplier(float(x.scale[0]) / float(y.scale[0])))


def _summed(x, y, axes, multiplier, shift):
    offset = x.qparams.zero_point * math.prod(x.shape[axis] for axis in axes)
    zero_point, qmin, qmax = y.qparams.zero_point, y.qparams.qmin, y.qparams.qmax

    def run(q):
        total = q.sum(axis=axes, dtype=np.int32).astype(np.int64) - offset
        codes = requantize(total, multiplier, shift, zero_point, qmin, qmax, y.type)
        return codes.reshape(len(q), *y.shape[1:])

    return Prepared(run, (x.index,), x.size)


def reduce_max(checked):
    return _of_codes(checked, np.max)


def reduce_min(checked):
    return _of_codes(checked, np.min)


def _of_codes(checked, choose):
    """The largest or smallest code (reduce_common.cc, which requires equal scales)."""
    x, y, axes = _reduced(checked)
    checked.require(x.qparams == y.qparams, "changes the scale or the zero point")
    checked.require(x.size > 0, "chooses from nothing")

    def run(q):
        return choose(q, axis=axes).reshape(len(q), *y.shape[1:])

    return Prepared(run, (x.index,), x.size)


def _reduced(checked, types=INT8):
    """Return input, output and the axes along which many values become one."""
    checked.count(2)
    x = checked.input(types=types)
    y = checked.output(types=(x.type,))
    axes = _axes(checked, x)
    kept = [1 if i in axes else size for i, size in enumerate(x.shape)]
    if not checked.options["keep_dims"]:
        kept = [size for i, size in enumerate(x.shape) if i not in axes]
    checked.shape_is(y, kept)
    return x, y, axes


def _axes(checked, x):
    axes = checked.constant(1, "int32", "axes").data.reshape(-1).tolist()
    rank = len(x.shape)
    checked.require(all(-rank <= axis < rank for axis in axes), f"has no axes {axes}")
    axes = tuple(sorted({axis % rank for axis in axes}))
    checked.require(0 not in axes, "works along the batch")
    return axes


def arg_max(checked):
    return _place(checked, np.argmax)


def arg_min(checked):
    return _place(checked, np.argmin)


def _place(checked, choose):
    """Where along an axis the largest or smallest code is, the first of several (arg_min_max.h)."""
    checked.count(2)
    x = checked.input()
    axes = _axes(checked, x)
    checked.require(len(axes) == 1 and x.size > 0, f"chooses along the axes {axes} of {x.shape}")
    y = checked.batched(checked.graph.tensors[checked.op.outputs[0]])
    checked.require(y.type == "int32", f"writes {y.type}, not int32")
    checked.shape_is(y, [size for i, size in enumerate(x.shape) if i not in axes])
    return Prepared(lambda q: choose(q, axis=axes[0]).astype(np.int32), (x.index,), x.size)
