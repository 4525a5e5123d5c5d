"""The layers with weights: convolutions and dense layers, as products of matrices."""

from __future__ import annotations

import math

import numpy as np

from course_utils.engines.integer_engine.arithmetic import (
    quantize_multipliers,
    reduced_to_15_bits,
    requantize,
    requantize_int64,
)
from course_utils.engines.integer_engine.checked import INT8_AND_16, Prepared
from course_utils.engines.integer_engine.windows import Window
from course_utils.engines.limits import CALL


class Requantize:
    """`requantize` for one layer, bias included, several times as fast and still exact.

    With v = (sum + bias) * multiplier * 2^-31 and right shift e >= 1, the two roundings are
    floor(v + 1/2), then half away from zero after division by 2^e. Together (floor(floor(a) / n)
    = floor(a / n) for whole n) they are

        floor(v / 2^e + 1/2 + 2^-(e+1))     where sum + bias is not negative
        floor(v / 2^e + 1/2 - 2^-(e+1))     where it is negative

    (for -1/2 <= v < 0, where the second line seems wrong, both give 0), and floor(v + 1/2) for
    e = 0. All that does not depend on the sum is added up ahead, so that a value takes one
    multiplication and one addition in float64. That is exact where it matters: all terms are
    multiples of 2^-(31+e), and for an output that does not saturate, a code from 0 to 255, they
    are below 257 plus what is added. If this is at most 2^(22-e), 53 bits hold it. An output that
    saturates may be rounded on the way, but rounding is monotonic, so it still saturates.
    Channels for which this is not so, or whose sums could overflow an int32, take `requantize`.
    """

    BLOCK = 2**16  # values at a time: their copies stay in the cache

    def __init__(self, bias, real_multipliers, largest, zero_point, qmin, qmax, repeat):
        self.multiplier, self.shift = quantize_multipliers(real_multipliers)
        self.bias, self.zero_point, self.qmin, self.qmax = bias, zero_point, qmin, qmax
        right = np.maximum(-self.shift, 0)
        fits_int32 = largest < np.ldexp(2.0**31, -np.maximum(self.shift, 0))
        factor = np.ldexp(self.multiplier.astype(np.float64), self.shift - 31)
        from_bias = bias * factor
        self.offset = 0.5 + (zero_point + 128)  # codes counted from 0, so that floor is a cast
        is_exact = np.abs(from_bias + self.offset) + 257 <= np.ldexp(1.0, 22 - right)
        self.textbook = np.flatnonzero(~(fits_int32 & is_exact))
        factor[self.textbook] = from_bias[self.textbook] = 0  # overwritten by `requantize`
        second = np.where(right > 0, np.ldexp(0.5, -right), 0)
        self.has_negative = qmin < zero_point  # else ReLU: negative sums all end at qmin
        if not self.has_negative:
            from_bias = from_bias + second + self.offset
        # NumPy is quick on long rows: take `repeat` positions of all channels as one row.
        self.factor, self.constant, self.second = (
            np.tile(np.broadcast_to(values, bias.shape), repeat)
            for values in (factor, from_bias, second)
        )

    def __call__(self, sums):
        """sums: array (n, channels) of whole numbers, before the bias -> int8 (n, channels)."""
        rows = sums.reshape(-1, self.factor.size)
        out = np.empty(rows.shape, np.uint8)
        step = min(max(1, self.BLOCK // max(1, self.factor.size)), len(rows))
        real, codes = (np.empty((step, self.factor.size), kind) for kind in (np.float64, np.int32))
        for start in range(0, len(rows), step):
            part = rows[start : start + step]
            y, code = real[: len(part)], codes[: len(part)]
            np.copyto(y, part)
            y *= self.factor
            y += self.constant
            if self.has_negative:
                y += np.copysign(self.second, y)
                y += self.offset
            np.copyto(code, y, casting="unsafe")  # fits: what overflows is left to `requantize`
            np.clip(code, self.qmin + 128, self.qmax + 128, out=code)
            out[start : start + step] = code
        out ^= 128
        out = out.view(np.int8).reshape(sums.shape)
        if (c := self.textbook).size:
            accumulator = sums[:, c].astype(np.int64) + self.bias[c]
            out[:, c] = requantize(
                accumulator, self.multiplier[c], self.shift[c],
                self.zero_point, self.qmin, self.qmax,
            )  # fmt: skip
        return out


class RequantizeInt64:
    """`requantize_int64` for one layer, bias included, in float64 where that is exact.

    A sum times the 15 bits of a multiplier is exact below 2^53, and one half more, which makes
    floor round to the nearest, too. Where a sum could be larger all takes `requantize_int64`.
    """

    BLOCK = 2**16  # values at a time: their copies stay in the cache

    def __init__(self, bias, real_multipliers, largest, qmin, qmax):
        self.multiplier, self.shift = quantize_multipliers(real_multipliers)
        self.bias, self.qmin, self.qmax = bias, qmin, qmax
        reduced = reduced_to_15_bits(self.multiplier).astype(np.float64)
        self.factor = np.ldexp(reduced, self.shift - 15)
        self.is_exact = (largest * reduced).max() < 2**52 and (largest * self.factor).max() < 2**30

    def __call__(self, sums):
        """sums: array (n, channels) of whole numbers, before the bias -> int16 (n, channels)."""
        out = np.empty(sums.shape, np.int16)
        step = max(1, self.BLOCK // sums.shape[1])
        for start in range(0, len(sums), step):
            part = sums[start : start + step]
            if self.is_exact:
                real = part + self.bias.astype(np.float64)
                real *= self.factor
                real += 0.5
                codes = np.floor(real, out=real)
                out[start : start + step] = np.clip(codes, self.qmin, self.qmax, out=codes)
            else:
                accumulator = part.astype(np.int64) + self.bias
                out[start : start + step] = requantize_int64(
                    accumulator, self.multiplier, self.shift, self.qmin, self.qmax
                )
        return out


class RequantizeInt16:
    """`requantize` to int16 for one layer, bias included: sums in int32 of int16 activations."""

    def __init__(self, bias, real_multipliers, qmin, qmax):
        self.multiplier, self.shift = quantize_multipliers(real_multipliers)
        self.bias, self.limits = bias, (qmin, qmax)

    def __call__(self, sums):
        accumulator = sums.astype(np.int64) + self.bias
        return requantize(accumulator, self.multiplier, self.shift, 0, *self.limits, dtype=np.int16)


def _convolve(checked, weights, x, y, real_multipliers, sums_of):
    """The common part of the layers with weights: weights (K, units), int64."""
    sum_type = _sum_type(checked, x)
    bias = checked.bias(weights.shape[1], type_name=sum_type)
    lowest = int(np.iinfo(x.type).min)
    magnitude = np.abs(weights).sum(axis=0)
    # No partial sum of q1 q2 exceeds this.
    exact = np.float32 if (magnitude * -lowest).max() < 2**24 else np.float64
    qmin, qmax = checked.activation(y)
    shape = y.shape[1:]
    if x.type == "int8":
        checked.take(kept=24 * y.size // max(1, math.prod(shape[:-2])))  # Requantize's three rows
        total_bias = bias - x.qparams.zero_point * weights.sum(axis=0)
        largest = magnitude * 255 + np.abs(bias)
        repeat = shape[-2] if len(shape) > 1 else 1
        finish = Requantize(
            total_bias, real_multipliers, largest, y.qparams.zero_point, qmin, qmax, repeat
        )
    else:
        checked.require(
            x.zero_point[0] == y.zero_point[0] == 0,
            "works on int16 with a zero point that is not 0",
        )
        if sum_type == "int32":
            finish = RequantizeInt16(bias, real_multipliers, qmin, qmax)
        else:
            largest = magnitude * -lowest + np.abs(bias.astype(np.float64))
            checked.require(largest.max() < 2**47, "has sums that 47 bits don't hold")
            checked.require(
                max(real_multipliers) < 128, "has an output scale far below its inputs' scales"
            )
            finish = RequantizeInt64(bias, real_multipliers, largest, qmin, qmax)
    sums = sums_of(exact)

    def run(q):
        return finish(sums(q)).reshape(len(q), *shape)

    return run


def _sum_type(checked, x):
    """The integers that a layer adds up in: for int16 activations that is up to its biases."""
    if x.type == "int8":
        return "int32"
    bias = checked.tensor(2)
    stored = checked.options.get("quantized_bias_type") if bias is None else bias.type
    return "int32" if stored == "int32" else "int64"


def real_multipliers_of(x, weights, y, units):
    """S1 S2 / S3 for each output channel, in float64 as the kernels compute it."""
    scales = np.broadcast_to(weights.scale, units).astype(np.float64)
    return float(x.scale[0]) * scales / float(y.scale[0])


def _ends(checked, rank=None):
    x = checked.input(rank=rank, types=INT8_AND_16)
    return x, checked.output(rank=rank, types=(x.type,))


def conv_2d(checked):
    checked.count(2, 3)
    x, y = _ends(checked, rank=4)
    filters = checked.weights(rank=4, channel_axis=0)
    units, kh, kw, channels = filters.shape
    checked.require(
        channels == x.shape[3],
        f"has filters for {channels} channels and an input of {x.shape[3]} (grouped?)",
    )
    window = Window(checked, x, y, (kh, kw), units)
    patches = math.prod(window.out) * kh * kw * channels
    checked.take(
        at_once=8 * math.prod(window.padded) * channels + 16 * patches,
        work=patches * units + 8 * patches + CALL * kh * kw,
    )
    weights = filters.data.reshape(units, -1).T.astype(np.int64)
    zero_point = x.qparams.zero_point
    is_pointwise = (kh, kw) == (1, 1) and window.stride == (1, 1)

    def sums_of(dtype):
        factors = weights.astype(dtype)

        def sums(q):
            if is_pointwise:
                return q.reshape(-1, channels).astype(dtype) @ factors
            patches = window.patches(window.pad(q, zero_point, dtype))
            return patches.reshape(-1, kh * kw * channels) @ factors

        return sums

    run = _convolve(checked, weights, x, y, real_multipliers_of(x, filters, y, units), sums_of)
    return Prepared(run, (x.index,), max(patches, y.size))


def depthwise_conv_2d(checked):
    checked.count(2, 3)
    x, y = _ends(checked, rank=4)
    # TFLM reads biases as int64 here, whatever they are.
    checked.require(
        x.type == "int8" or _sum_type(checked, x) == "int64",
        "has int16 activations and int32 biases, which TFLM would read as int64",
    )
    filters = checked.weights(rank=4, channel_axis=3)
    one, kh, kw, units = filters.shape
    multiplier = units // max(1, x.shape[3])
    checked.require(
        one == 1 and units == multiplier * x.shape[3],
        f"has filters {filters.shape} for {x.shape[3]} channels",
    )
    window = Window(checked, x, y, (kh, kw), units)
    checked.take(
        kept=4 * filters.size * window.out[1],  # `factors`
        at_once=12 * math.prod(window.padded) * units,
        work=4 * kh * kw * y.size + CALL * kh * kw,
    )
    weights = filters.data.reshape(-1, units).astype(np.int64)
    zero_point, (oh, ow) = x.qparams.zero_point, window.out

    # The taps one after another: BLAS has no product for a kernel of one channel. A product of
    # int8 fits an int16, and so does the sum of as many as `_groups` finds; of int16, an int32.
    part_type, most = (np.int16, 255) if x.type == "int8" else (np.int32, 2**16 - 1)
    first, last = _groups(weights, most)
    factors = np.tile(weights.astype(part_type), ow)  # for a whole row of outputs at once

    def sums_of(dtype):
        def sums(q):
            if multiplier > 1:
                q = q.repeat(multiplier, axis=3)
            total = np.zeros((len(q), oh, ow * units), dtype)
            part, product = np.empty(total.shape, part_type), np.empty(total.shape, part_type)
            rows = window.tap_rows(window.pad(q, zero_point, part_type))
            for tap, factor, is_first, is_last in zip(rows, factors, first, last, strict=True):
                if is_first:
                    np.multiply(tap, factor, out=part)
                else:
                    part += np.multiply(tap, factor, out=product)
                if is_last:
                    total += part
            return total.reshape(-1, units)

        return sums

    run = _convolve(checked, weights, x, y, real_multipliers_of(x, filters, y, units), sums_of)
    return Prepared(run, (x.index,), max(x.size * multiplier, 2 * y.size))


def _groups(weights, most):
    """Say at which taps a partial sum begins and ends: two lists of bool.

    weights: (taps, units). With sum |w| <= 255 in every channel, |sum q w| <= 255 * 128 < 2^15
    for int8 codes q; with 2^16 - 1, below 2^31 for int16.

    >>> _groups(np.array([[100], [100], [100], [-128]]), 255)
    ([True, False, True, False], [False, True, False, True])
    """
    first, total = [], np.inf
    for size in np.abs(weights):
        total = total + size
        first.append(bool(total.max() > most))
        if first[-1]:
            total = size
    return first, [*first[1:], True]


def fully_connected(checked):
    checked.count(2, 3)
    x, y = _ends(checked)
    filters = checked.weights(rank=2, channel_axis=0)
    checked.require(checked.options["weights_format"] == 0, "has shuffled weights")
    units, depth = filters.shape
    checked.require(
        x.size % depth == 0 and y.size == x.size // depth * units > 0 and y.shape[-1] == units,
        f"has weights {filters.shape} for the input {x.shape} and the output {y.shape}",
    )
    checked.take(at_once=8 * x.size, work=y.size * depth)
    weights = filters.data.T.astype(np.int64)
    real = real_multipliers_of(x, filters, y, units)

    def sums_of(dtype):
        factors = weights.astype(dtype)
        return lambda q: q.reshape(-1, depth).astype(dtype) @ factors

    run = _convolve(checked, weights, x, y, real, sums_of)
    return Prepared(run, (x.index,), max(x.size, y.size))
