"""Softmax in fixed point.

Numbers are int32 with a fixed point: "Q5.26" has 5 bits before the point and 26 behind it.
The product of Qa and Qb by rounding_doubling_high_multiply is Q(a+b). The method and its
constants are gemmlowp's, on which TFLM's kernel rests.
"""

from __future__ import annotations

import math

import numpy as np

from course_utils.engines.integer_engine.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_power_of_two,
    rounding_doubling_high_multiply,
)

_EXP_OF_MINUS = {-2: 1672461947, -1: 1302514674, 0: 790015084, 1: 290630308, 2: 39332535,
                 3: 720401, 4: 242}  # k -> exp(-2^k) in Q0.31  # fmt: skip


def softmax_table(real_step):
    """Return exp(-real_step * d) for the differences d = 0 .. 255 of two codes, in Q0.31 (int64).

    real_step: float above 2^-26, the input's scale times beta. Differences so large that the
    product leaves Q5.26, which is below exp(-16), count as zero.
    """
    real = min(real_step * 2**26, 2.0**31 - 1)
    multiplier, shift = quantize_multiplier(real)
    largest = math.floor(31 * 2**26 / 2**shift)
    difference = np.arange(256)
    scaled = multiply_by_quantized_multiplier(-difference, multiplier, shift)  # Q5.26
    return np.where(difference <= largest, _exp_of_negative(scaled), 0)


def _exp_of_negative(x):
    """exp(x) for x <= 0: Q5.26 in, Q0.31 out.

    x = r - n/4 with r in [-1/4, 0): a polynomial for exp(r), and for each bit of n a constant.
    """
    quarter = 1 << 24
    r = (x & (quarter - 1)) - quarter
    result = _exp_near_zero(r << 5)
    for exponent, factor in _EXP_OF_MINUS.items():
        is_set = (r - x) & (1 << (26 + exponent))
        result = np.where(is_set, rounding_doubling_high_multiply(result, factor), result)
    return np.where(x == 0, 2**31 - 1, result)


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


def divide_by_sum(exponentials, total):
    """Return the int8 codes of exponentials (Q0.31) / total (Q12.19)."""
    zeros = 31 - np.floor(np.log2(total)).astype(np.int64)  # leading zero bits of the uint32
    fraction = (total << zeros) - 2**31  # total = (1 + fraction) * a power of two; Q0.31
    reciprocal = _one_over_one_plus(fraction)
    shift = (12 - zeros) + 31 - 8
    quotient = rounding_divide_by_power_of_two(
        rounding_doubling_high_multiply(reciprocal, exponentials), shift
    )
    return np.clip(quotient - 128, -128, 127).astype(np.int8)


def _one_over_one_plus(x):
    """1 / (1 + x) for x in [0, 1) by three steps of Newton-Raphson; Q0.31."""
    times = rounding_doubling_high_multiply
    half = (x + (2**31 - 1) + 1) >> 1  # (1 + x) / 2 in Q0.31
    y = 1515870810 + times(half, -1010580540)  # 48/17 - 32/17 * half in Q2.29: a first guess
    for _ in range(3):
        error = (1 << 29) - times(half, y)
        y = y + _wrap_saturating(times(y, error) << 2)
    return _wrap_saturating(y << 1)


def _wrap_saturating(x):
    return np.clip(x, -(2**31), 2**31 - 1)
