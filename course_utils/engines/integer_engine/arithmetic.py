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


def quantize_multipliers(reals):
    """Return (multipliers, shifts) of several factors, one a channel: two int64 arrays."""
    return np.array([quantize_multiplier(real) for real in reals], np.int64).reshape(-1, 2).T


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


def multiply_int64_by_quantized_multiplier(x, multiplier, shift):
    """Return x * multiplier * 2^(shift - 31), rounded once, as TFLM's kernels for int16 round it.

    Their sums are int64, so the multiplier keeps only 15 bits: the product then fits 64.
    x: int64 array, |x| < 2^47. multiplier, shift: as above, shift below 8.

    >>> multiply_int64_by_quantized_multiplier(np.array([1000, -1000]), *quantize_multiplier(0.75))
    array([ 750, -750])
    """
    total = 15 - np.asarray(shift, np.int64)
    product = np.asarray(x, np.int64) * reduced_to_15_bits(multiplier)
    return wrap_int32((product + (np.int64(1) << (total - 1))) >> total)


def reduced_to_15_bits(multiplier):
    return np.minimum((np.asarray(multiplier, np.int64) + 2**15) >> 16, 2**15 - 1)


def requantize(accumulator, multiplier, shift, zero_point, qmin=-128, qmax=127, dtype=np.int8):
    """Return int8 codes of int32 sums: scale, move to the output's zero point, saturate.

    >>> requantize(np.array([-900, 50, 900]), *quantize_multiplier(0.1), zero_point=3)
    array([-87,   8,  93], dtype=int8)
    """
    codes = multiply_by_quantized_multiplier(accumulator, multiplier, shift) + zero_point
    return np.clip(wrap_int32(codes), qmin, qmax).astype(dtype)


def requantize_int64(accumulator, multiplier, shift, qmin=-(2**15), qmax=2**15 - 1):
    """Return int16 codes of int64 sums; int16 activations have the zero point 0.

    >>> requantize_int64(np.array([-900, 50, 900_000]), *quantize_multiplier(0.1))
    array([  -90,     5, 32767], dtype=int16)
    """
    codes = multiply_int64_by_quantized_multiplier(accumulator, multiplier, shift)
    return np.clip(codes, qmin, qmax).astype(np.int16)


def saturate(values, type_name):
    """Return int32 values as codes of a type; those beyond its ends are put at its ends.

    >>> saturate(np.array([-900, 50, 900]), "int8")
    array([-128,   50,  127], dtype=int8)
    """
    limits = np.iinfo(type_name)
    return np.clip(wrap_int32(values), limits.min, limits.max).astype(type_name)


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
    return ((np.asarray(x, np.int64) + 2**31) & (2**32 - 1)) - 2**31
