"""Functions of real numbers in fixed point: exponential, reciprocal, logistic, tanh, logarithm,
inverse root; and the tables of int16 logistic and tanh.

Numbers are int32 with a fixed point: "Q5.26" has 5 bits before the point and 26 behind it. The
product of Qa and Qb by rounding_doubling_high_multiply is Q(a+b). The methods and their constants
are those of gemmlowp and LiteRT's common.h, on which TFLM's kernels rest. Arrays are int64.
"""

from __future__ import annotations

import math

import numpy as np

from course_utils.engines.integer_engine.arithmetic import (
    rounding_divide_by_power_of_two,
    rounding_doubling_high_multiply,
)
from course_utils.numbers.quantization import round_half_away

_EXP_OF_MINUS = {-2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535,
                 3: 720401, 4: 242}  # k -> exp(-2^k) in Q0.31  # fmt: skip
ONE = 2**31 - 1  # in Q0.31, as near as it gets


def exp_of_negative(x, integer_bits):
    """exp(x) for x <= 0: Q(integer_bits) in, with 4 or 5 integer bits, Q0.31 out.

    x = r - n/4 with r in [-1/4, 0): a polynomial for exp(r), and for each bit of n a constant.
    """
    point = 31 - integer_bits
    quarter = 1 << (point - 2)
    r = (x & (quarter - 1)) - quarter
    result = _exp_near_zero(r << integer_bits)
    for exponent, factor in _EXP_OF_MINUS.items():
        if exponent < integer_bits:
            is_set = (r - x) & (1 << (point + exponent))
            result = np.where(is_set, rounding_doubling_high_multiply(result, factor), result)
    return np.where(x == 0, ONE, result)


def exp_32(x):
    """exp(x) in float32, rounded from float64: NumPy's own float32 may be one step off."""
    return np.exp(np.float64(x)).astype(np.float32)


def _exp_near_zero(r):
    """exp(r) for r in [-1/4, 0) by its Taylor series of order 4 around -1/8; Q0.31."""
    times, halve = rounding_doubling_high_multiply, rounding_divide_by_power_of_two
    centre = 1895147668  # exp(-1/8)
    third = 715827883  # 1/3
    x = r + (1 << 28)
    x2 = times(x, x)
    x3 = times(x2, x)
    x4 = times(x2, x2)
    tail = halve(times(halve(x4, 2) + x3, third) + x2, 1)  # x^2/2 + x^3/6 + x^4/24
    return centre + times(np.int64(centre), x + tail)


def one_over_one_plus(x):
    """1 / (1 + x) for x in [0, 1); Q0.31."""
    return saturate_int32(_two_over_one_plus(x) << 1)


def one_minus_over_one_plus(x):
    """(1 - x) / (1 + x) = 2 / (1 + x) - 1 for x in [0, 1]; Q0.31."""
    return saturate_int32((_two_over_one_plus(x) - (1 << 29)) << 2)


def _two_over_one_plus(x):
    """2 / (1 + x) by three steps of Newton-Raphson; Q0.31 in, Q2.29 out."""
    times = rounding_doubling_high_multiply
    half = (x + ONE + 1) >> 1  # (1 + x) / 2 in Q0.31
    y = 1515870810 + times(half, -1010580540)  # 48/17 - 32/17 * half in Q2.29: a first guess
    for _ in range(3):
        error = (1 << 29) - times(half, y)
        y = y + saturate_int32(times(y, error) << 2)
    return y


def logistic(x):
    """1 / (1 + exp(-x)); Q4.27 in, Q0.31 out."""
    positive = one_over_one_plus(exp_of_negative(-np.abs(x), 4))
    return np.where(x > 0, positive, np.where(x < 0, ONE - positive, 1 << 30))


def tanh(x):
    """tanh(x) = (1 - e) / (1 + e) with e = exp(-2x) for x > 0; Q4.27 in, Q0.31 out."""
    # The bits of x in Q4.27 are those of 2x in Q5.26.
    positive = one_minus_over_one_plus(exp_of_negative(-np.abs(x), 5))
    return np.sign(x) * positive


def log(x):
    """log(x) for x >= 1; Q12.19 in, Q5.26 out.

    x = 2^k r with r near 2^(-1/4), found from two candidates: log(x) = (k + 1/4) log(2) + log of
    what is left, as a fraction of two polynomials.
    """
    times, divide = rounding_doubling_high_multiply, rounding_divide_by_power_of_two
    log_2, sqrt_half, fourth_root_half = 1488522236, 1518500250, 1805811301  # Q0.31
    alpha_n, alpha_d, alpha_i, alpha_f = 117049297, 127690142, 1057819769, 638450708
    quarter = 1 << 23  # in Q6.25

    zeros = leading_zeros(x)
    r_a = saturate_int32(times(saturate_int32(x << (zeros - 1)), sqrt_half) << 1)
    power_a = saturate_int32(((12 - zeros) << 25) + quarter)
    zeros_b = leading_zeros(times(x, sqrt_half)) - 1
    r_b = saturate_int32(x << zeros_b)
    power_b = saturate_int32(((12 - zeros_b) << 25) - quarter)
    r, power = np.minimum(r_a, r_b), np.maximum(power_a, power_b)

    p = (r + fourth_root_half + 1) >> 1
    q = 2 * (r - fourth_root_half)
    square = times(q, q)
    numerator = times(q, r) + times(times(q, square), alpha_n)
    denominator = times(p, alpha_i + q + times(square, alpha_d)) + times(q, alpha_f)
    fraction = times(divide(numerator, 6), one_over_one_plus(denominator))
    return saturate_int32((times(power, log_2) + fraction) << 1)


def inverse_sqrt(x):
    """Return (multiplier, shift) with 1 / sqrt(x) ~ multiplier * 2^(shift - 31).

    x: array of int32 values >= 0; 0 counts as 1. Five steps of Newton-Raphson from 1, in Q3.28.
    """
    times = rounding_doubling_high_multiply
    value, right = np.maximum(x, 2), np.full(np.shape(x), 11, np.int64)
    while (large := value >= 1 << 29).any():
        value, right = np.where(large, value // 4, value), right + large
    pairs = (leading_zeros(value) - 1) // 2 - 1
    value, right = value << (2 * pairs), right - pairs
    half = rounding_divide_by_power_of_two(value >> 1, 1)
    y = np.full(np.shape(x), 1 << 28, np.int64)
    for _ in range(5):
        cube = saturate_int32(times(times(y, y), y) << 6)
        y = saturate_int32((times((1 << 28) + (1 << 27), y) - times(half, cube)) << 3)
    y = times(y, 1518500250) << np.maximum(-right, 0)  # times sqrt(1/2)
    right = np.maximum(right, 0)
    return np.where(x <= 1, ONE, y), np.where(x <= 1, 0, -right)


# 65,536 / (1 + exp(-i / 24)) for i = 0 .. 255, as in LiteRT's sigmoid_table_uint16, which has the
# nearest integer, but where it has the next.
_SIGMOID = np.rint(65536 / (1 + np.exp(-np.arange(256) / 24))).astype(np.int64)
_SIGMOID[[4, 8, 12, 14, 15, 16, 17, 19, 20, 21, 22, 25, 27, 28, 29, 30, 31, 33, 34, 35, 37, 39, 40,
          41, 43, 44, 45, 46, 49, 50, 54, 62, 63, 64, 66, 82, 86, 93, 100, 103, 112, 116, 135,
          255]] += 1  # fmt: skip


def logistic_16(x):
    """1 / (1 + exp(-x)), interpolated in a table: x in steps of 1 / (3 * 2^12) to Q0.15."""
    whole, part = np.abs(x) >> 9, np.abs(x) & 511
    result = _interpolate(whole, part, 9)
    result = np.where(x >= 0, result + 512, (1 << 25) - result + 511)
    return result >> 10


def tanh_16(x):
    """tanh(x) = 2 logistic(2x) - 1, interpolated in the same table: steps and result as above."""
    whole, part = np.abs(x) >> 8, np.abs(x) & 255
    result = _interpolate(whole, part, 8)
    result = np.where(x >= 0, result - (1 << 23) + 128, -result + (1 << 23) + 127)
    return result >> 8


def _interpolate(whole, part, bits):
    """The table between two entries, times 2^bits; its last value from 255 on."""
    low = np.minimum(whole, 254)
    between = (_SIGMOID[low] << bits) + part * (_SIGMOID[low + 1] - _SIGMOID[low])
    largest = 0x7FFF << 10 if bits == 9 else 0xFFFF << 8
    return np.where(whole >= 255, largest, between)


def table_16(function, span, zero_point):
    """Return 513 values of a function in Q0.15 (int64), for `interpolate_16`.

    They belong to int16 codes, 128 apart, that stand for numbers of the range `span` in 65,535
    steps, `zero_point` for 0. Each is moved by half the error that a straight line to the next one
    makes in the middle. All is computed in float32, as LiteRT's LUTPopulateInt16 does.
    """
    codes = np.float32([-(2**15), 2**15 - 1])
    first, last = np.float32(span) / np.float32(2**16 - 1) * (codes - np.float32(zero_point))
    lowest, highest = np.float32(2) / np.float32(2**16 - 1) * codes
    to_code = np.float32(2**16) / (highest - lowest)
    step = (last - first) / np.float32(512)
    places = first + np.arange(513, dtype=np.float32) * step
    values = function(places) * to_code
    middles = round_half_away(function(places[:-1] + step / np.float32(2)) * to_code)
    here = round_half_away(values[:-1])
    line = round_half_away((values[1:] + here) / np.float32(2))
    here -= round_half_away((line - middles) / np.float32(2))
    end = round_half_away(function(last) * to_code)
    return np.clip([*here, end], -(2**15), 2**15 - 1).astype(np.int64)


def interpolate_16(table, x):
    """Look codes up in a table of `table_16`, on the straight line between two of its values."""
    x = np.clip(x, -(2**15), 2**15 - 1)
    at, part = 256 + (x >> 7), x & 127
    return table[at] + (((table[at + 1] - table[at]) * part + 64) >> 7)


def leading_zeros(x):
    """Zero bits in front of x as an unsigned int32; x > 0."""
    return 31 - np.floor(np.log2(x)).astype(np.int64)


def log2_rounded(scale):
    """Return (n, whether scale is 2^n), to a thousandth of n, as the kernels test it."""
    power = math.log2(scale)
    return round(power), abs(power - round(power)) < 1e-3


def saturate_int32(x):
    return np.clip(x, -(2**31), 2**31 - 1)
