"""The arithmetic of integer networks, a slide each: multiplier, rounding, requantize."""

from __future__ import annotations

import math

import numpy as np

from course_utils.numbers.quantization import round_half_away


def quantize_multiplier(real):
    """Return (multiplier, shift) with real ~ multiplier * 2^(shift - 31), multiplier in int32.

    real: float >= 0. The multiplier is 0 or in [2^30, 2^31): 31 bits of precision for any size.

    >>> quantize_multiplier(0.75), quantize_multiplier(0.0001)
    ((1610612736, 0), (1759218604, -13))
    """
    fraction, shift = math.frexp(real)  # real = fraction * 2^shift, fraction in [0.5, 1)
    multiplier = math.floor(fraction * 2**31 + 0.5)
    if multiplier == 2**31:
        multiplier, shift = 2**30, shift + 1
    if shift < -31:  # below 2^-32: every product rounds to zero
        return 0, 0
    return multiplier, shift


def rounding_doubling_high_multiply(a, b):
    """Return a * b / 2^31 to the nearest integer, halves up: the upper word of 2 a b.

    a, b: int64 arrays of int32 values, not both -2^31. ARM calls the instruction VQRDMULH.
    """
    return (a * b + 2**30) >> 31


def rounding_divide_by_power_of_two(x, exponent):
    """Return x / 2^exponent to the nearest integer, halves away from zero; exponent >= 0.

    >>> rounding_divide_by_power_of_two(np.array([-6, -5, 5, 6]), 2)
    array([-2, -1,  1,  2])
    """
    half = (1 << np.asarray(exponent, np.int64)) >> 1
    return (x + half + np.where(half, x >> 63, 0)) >> exponent


def multiply_by_quantized_multiplier(x, multiplier, shift):
    """Return x * multiplier * 2^(shift - 31), rounded twice, as TFLM's kernels round it.

    x: int64 array of int32 values. multiplier, shift: from `quantize_multiplier`, or arrays of
    them, one a channel (the last axis).

    >>> multiply_by_quantized_multiplier(np.array([1000, -1000]), *quantize_multiplier(0.75))
    array([ 750, -750])
    """
    shift = np.asarray(shift, np.int64)
    shifted = wrap_int32(wrap_int32(np.asarray(x, np.int64)) << np.maximum(shift, 0))
    product = rounding_doubling_high_multiply(shifted, np.asarray(multiplier, np.int64))
    return rounding_divide_by_power_of_two(product, np.maximum(-shift, 0))


def requantize(accumulator, multiplier, shift, zero_point, qmin=-128, qmax=127):
    """Return int8 codes of int32 sums: scale, move to the output's zero point, saturate.

    >>> requantize(np.array([-900, 50, 900]), *quantize_multiplier(0.1), zero_point=3)
    array([-87,   8,  93], dtype=int8)
    """
    codes = multiply_by_quantized_multiplier(accumulator, multiplier, shift) + zero_point
    return np.clip(wrap_int32(codes), qmin, qmax).astype(np.int8)


def activation_range(activation, qparams):
    """Return (qmin, qmax) of a fused activation: ReLU is nothing but a higher lowest code.

    activation: "NONE", "RELU", "RELU6" or "RELU_N1_TO_1".  qparams: of the output, per tensor.
    """
    low, high = {"NONE": (None, None), "RELU": (0, None), "RELU6": (0, 6), "RELU_N1_TO_1": (-1, 1)}[
        activation
    ]
    qmin, qmax = qparams.qmin, qparams.qmax
    if low is not None:
        qmin = max(qmin, code_of(low, qparams))
    if high is not None:
        qmax = min(qmax, code_of(high, qparams))
    return qmin, qmax


def code_of(real, qparams):
    with np.errstate(over="ignore"):  # a damaged file's scale; infinity is clipped
        steps = round_half_away(np.float32(real) / np.float32(qparams.scale))
    return qparams.zero_point + int(np.clip(steps, -(2.0**31), 2.0**31))


def wrap_int32(x):
    """Let int64 values overflow as an int32 register does."""
    return ((x + 2**31) & (2**32 - 1)) - 2**31
