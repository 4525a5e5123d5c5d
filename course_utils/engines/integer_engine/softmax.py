"""Operators that divide all values of a row by one number: softmax and its logarithm, length 1."""

from __future__ import annotations

import math

import numpy as np

from course_utils.engines.integer_engine import fixed_point
from course_utils.engines.integer_engine.activations import take_table
from course_utils.engines.integer_engine.arithmetic import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    rounding_divide_by_power_of_two,
    rounding_doubling_high_multiply,
    saturate,
)
from course_utils.engines.integer_engine.checked import INT8_AND_16, Prepared


def softmax_table(real_step):
    """Return exp(-real_step * d) for the differences d = 0 .. 255 of two codes, in Q0.31 (int64).

    real_step: float above 2^-26, the input's scale times beta. Differences so large that the
    product leaves Q5.26, which is below exp(-16), count as zero.
    """
    scaled, largest, _ = _scaled_differences(real_step)
    return np.where(np.arange(256) <= largest, fixed_point.exp_of_negative(scaled, 5), 0)


def _scaled_differences(real_step):
    """Return -real_step * d for d = 0 .. 255 in Q5.26, the largest d that fits, and the step's
    multiplier and shift."""
    multiplier, shift = quantize_multiplier(min(real_step * 2**26, 2.0**31 - 1))
    scaled = multiply_by_quantized_multiplier(-np.arange(256), multiplier, shift)
    return scaled, math.floor(31 * 2**26 / 2**shift), (multiplier, shift)


def divide_by_sum(exponentials, total, type_name="int8"):
    """Return exponentials (Q0.31) / total (Q12.19) in int8 or int16, from the lowest code on."""
    limits = np.iinfo(type_name)
    zeros = fixed_point.leading_zeros(total)
    fraction = (total << zeros) - 2**31  # total = (1 + fraction) * a power of two; Q0.31
    reciprocal = fixed_point.one_over_one_plus(fraction)
    shift = (12 - zeros) + 31 - limits.bits
    quotient = rounding_divide_by_power_of_two(
        rounding_doubling_high_multiply(reciprocal, exponentials), shift
    )
    return saturate(quotient + limits.min, type_name)


def softmax(checked):
    if checked.tensor(0) is not None and checked.tensor(0).type == "int16":
        return _softmax_16(checked)
    wide = checked.output(types=INT8_AND_16).type == "int16"  # more bits to be sure with
    ends = (2**-16, -(2**15)) if wide else (1 / 256, -128)
    x, y, step = _checked(checked, ends, ("int8", "int16" if wide else "int8"))
    exponentials = softmax_table(step)
    parts = rounding_divide_by_power_of_two(exponentials, 12)  # room to add 4095 of them

    def run(q):
        below = q.max(axis=-1, keepdims=True).astype(np.int16) - q  # 0 for the largest
        total = parts[below].sum(axis=-1, keepdims=True)
        return divide_by_sum(exponentials[below], total, y.type)

    return Prepared(run, (x.index,), 8 * x.size)


def _softmax_16(checked):
    """The same for int16, with tables of exp and of 1 / (1 + x) (SoftmaxInt16 in softmax.h)."""
    x, y, step = _checked(checked, (2**-15, 0), ("int16", "int16"))
    take_table(checked, x, tables=2)
    # Differences of codes become steps of 10 / 65535, so that the table ends at exp(-10).
    pair = quantize_multiplier(step / (10 / 65535))
    scaled = multiply_by_quantized_multiplier(-np.arange(2**16), *pair)
    table = fixed_point.table_16(fixed_point.exp_32, 10, 2**15 - 1)
    exponentials = fixed_point.interpolate_16(table, scaled + 2**15 - 1)
    reciprocals = fixed_point.table_16(
        lambda value: np.float32(1) / (np.float32(1) + value), 1, -(2**15)
    )

    def run(q):
        below = q.max(axis=-1, keepdims=True).astype(np.int32) - q
        parts = exponentials[below]
        total = parts.sum(axis=-1, keepdims=True)  # Q16.15
        zeros = fixed_point.leading_zeros(total)
        unit = ((total << (zeros - 1)) + 2**13) >> 14  # 1 + a fraction; Q0.16
        reciprocal = fixed_point.interpolate_16(reciprocals, unit - 2**16 - 2**15)
        right = 31 - zeros
        quotient = (parts * reciprocal + (np.int64(1) << (right - 1))) >> right
        return np.clip(quotient, 0, 2**15 - 1).astype(np.int16)

    return Prepared(run, (x.index,), 8 * x.size)


def log_softmax(checked):
    """x - log(sum exp(x)), with x counted from the row's largest: LiteRT's log_softmax.h."""
    x, y, step = _checked(checked, (16 / 256, 127))
    scaled, largest, (multiplier, shift) = _scaled_differences(step)
    parts = rounding_divide_by_power_of_two(softmax_table(step), 12)
    backwards = quantize_multiplier(2 ** (31 - shift) / multiplier)

    def run(q):
        below = q.max(axis=-1, keepdims=True).astype(np.int16) - q
        log_sum = fixed_point.log(parts[below].sum(axis=-1, keepdims=True))
        # The smallest difference that the sum's logarithm leaves within an int32.
        limit = np.maximum(
            -largest - 1, multiply_by_quantized_multiplier(log_sum - 2**31, *backwards)
        )
        codes = rounding_divide_by_power_of_two(scaled[below] - log_sum, 22) + 127
        return saturate(np.where(-below > limit, codes, -128), "int8")

    return Prepared(run, (x.index,), 8 * x.size)


def _checked(checked, qparams, types=("int8", "int8")):
    """Return input, output and the real step between two codes, for softmax and its logarithm."""
    checked.count(1)
    x, y = checked.input(types=types[:1]), checked.output(types=types[1:])
    checked.shape_is(y, x.shape)
    checked.require(len(x.shape) >= 2, "works along the batch")
    checked.writes(y, *qparams)
    checked.require(1 <= x.shape[-1] < 4096, f"adds up {x.shape[-1]} values, 1 to 4095 can be")
    beta = checked.options.get("beta", 1.0)
    checked.require(math.isfinite(beta) and beta > 0, f"has the beta {beta}, not above 0")
    step = beta * float(x.scale[0])
    checked.require(
        step > 2**-26, f"has an input scale so small ({step:.1e}) that TFLM stops on it"
    )
    return x, y, step


def l2_normalization(checked):
    """x / sqrt(sum x^2) along the last axis: LiteRT's integer_ops/l2normalization.h."""
    checked.count(1)
    x, y = checked.input(), checked.output()
    checked.shape_is(y, x.shape)
    checked.require(2 <= len(x.shape) <= 4, f"takes 2 to 4 axes, not {x.shape}")
    checked.require(checked.options["activation"] == "NONE", "has a fused activation")
    checked.writes(y, 1 / 128, 0)
    checked.require(x.shape[-1] <= 2**15, f"adds up {x.shape[-1]} squares, at most 32768 can be")
    zero_point = x.qparams.zero_point

    def run(q):
        centred = q.astype(np.int64) - zero_point
        squares = (centred * centred).sum(axis=-1, keepdims=True)
        multiplier, shift = fixed_point.inverse_sqrt(squares)
        return saturate(multiply_by_quantized_multiplier(centred, multiplier, shift + 7), "int8")

    return Prepared(run, (x.index,), 8 * x.size)
