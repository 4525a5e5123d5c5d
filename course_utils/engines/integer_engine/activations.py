"""Operators that map each code to a code, or to a number, whatever stands beside it: tables.

An int8 tensor has 256 codes, so that the kernel's arithmetic is done once for each of them, when
the model is loaded; an int16 tensor has 65,536.
"""

from __future__ import annotations

import numpy as np

from course_utils.engines.integer_engine import fixed_point
from course_utils.engines.integer_engine.arithmetic import (
    activation_range,
    code_of,
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    requantize,
    rounding_divide_by_power_of_two,
    saturate,
)
from course_utils.engines.integer_engine.checked import INT8_AND_16, Prepared
from course_utils.engines.limits import VALUE
from course_utils.numbers.quantization import round_half_away


def every_code(x):
    """Return all codes of a tensor's type (int64) by their bits: 0 .. 127, -128 .. -1."""
    size = x.dtype.itemsize
    return np.arange(256**size).astype(f"u{size}").view(x.type).astype(np.int64)


def centred_codes(x):
    """Return all codes less the zero point."""
    return every_code(x) - int(x.zero_point[0])


def take_table(checked, x, tables=1):
    """Count what tables of every code of x take, in int64."""
    codes = 256**x.dtype.itemsize
    checked.take(kept=8 * codes * tables, at_once=64 * codes, work=2 * VALUE * codes * tables)


def lookup(x, table):
    table = np.ascontiguousarray(table)
    bits = f"u{x.dtype.itemsize}"
    return Prepared(lambda q: table[q.view(bits)], (x.index,), x.size)


def _one_input(checked, types=("int8",)):
    """Return input and output, of one type and shape."""
    checked.count(1)
    x, y = checked.input(types=types), checked.output(types=types)
    take_table(checked, x)
    checked.shape_is(y, x.shape)
    checked.require(x.type == y.type, f"turns {x.type} into {y.type}")
    return x, y


def relu(checked):
    x, y = _one_input(checked, INT8_AND_16)
    qmin, _ = activation_range("RELU", y.qparams)
    pair = quantize_multiplier(float(x.scale[0]) / float(y.scale[0]))
    qmax = y.qparams.qmax
    codes = requantize(centred_codes(x), *pair, y.qparams.zero_point, qmin, qmax, y.type)
    return lookup(x, codes)


def relu6(checked):
    x, _ = _one_input(checked, INT8_AND_16)
    # The kernel copies codes and never rescales: it relies on equal scales.
    qmin, qmax = x.qparams.zero_point, min(x.qparams.qmax, code_of(6, x.qparams))
    return lookup(x, np.clip(every_code(x), qmin, qmax).astype(x.type))


def leaky_relu(checked):
    """x where x >= 0, else alpha x, each rescaled by its own multiplier (leaky_relu_common.cc)."""
    x, y = _one_input(checked, INT8_AND_16)
    alpha = checked.options["alpha"]
    checked.require(np.isfinite(alpha), f"has the alpha {alpha}")
    identity = quantize_multiplier(float(x.scale[0]) / float(y.scale[0]))
    slope = quantize_multiplier(abs(float(x.scale[0]) * alpha / float(y.scale[0])))
    codes = centred_codes(x)
    below = multiply_by_quantized_multiplier(codes, *slope) * (-1 if alpha < 0 else 1)
    above = multiply_by_quantized_multiplier(codes, *identity)
    return lookup(x, saturate(np.where(codes >= 0, above, below) + int(y.zero_point[0]), y.type))


def absolute(checked):
    """|x| (elementwise.cc)."""
    x, y = _one_input(checked, INT8_AND_16)
    values = np.abs(centred_codes(x))
    if x.scale[0] != y.scale[0]:
        pair = quantize_multiplier(float(x.scale[0]) / float(y.scale[0]))
        values = multiply_by_quantized_multiplier(values, *pair)
    return lookup(x, saturate(values + int(y.zero_point[0]), y.type))


def logistic(checked):
    """1 / (1 + exp(-x)) (integer_ops/logistic.h)."""
    x, y = _one_input(checked, INT8_AND_16)
    if x.type == "int16":
        checked.writes(y, 2**-15, 0)
        return lookup(x, fixed_point.logistic_16(_table_steps(checked, x, (0,))).astype(np.int16))
    checked.writes(y, 1 / 256, -128)
    real, far_out = _in_q4(checked, x)
    values = rounding_divide_by_power_of_two(fixed_point.logistic(real), 23) - 128
    return lookup(x, far_out(values))


def tanh(checked):
    """tanh(x) (integer_ops/tanh.h)."""
    x, y = _one_input(checked, INT8_AND_16)
    if x.type == "int16":
        checked.writes(y, 2**-15, 0)
        return lookup(x, fixed_point.tanh_16(_table_steps(checked, x, (0, 1))).astype(np.int16))
    checked.writes(y, 1 / 128, 0)
    real, far_out = _in_q4(checked, x)
    return lookup(x, far_out(rounding_divide_by_power_of_two(fixed_point.tanh(real), 24)))


def _in_q4(checked, x):
    """Return the real values of all codes in Q4.27, and the function that saturates those of the
    result that lie beyond +-15, where the real values are of no account."""
    multiplier, shift = quantize_multiplier(float(x.scale[0]) * 2**27)
    checked.require(
        0 <= shift <= 62, f"has the scale {x.scale[0]:.1e}, too far from 1 for its kernel"
    )
    codes, radius = centred_codes(x), 15 * 2**27 // 2**shift  # the largest distance that fits

    def far_out(values):
        values = np.where(codes >= radius, 127, values)
        return saturate(np.where(codes <= -radius, -128, values), "int8")

    near = np.where(np.abs(codes) < radius, codes, 0)
    return multiply_by_quantized_multiplier(near, multiplier, shift), far_out


def _table_steps(checked, x, shifts):
    """Return the real values of all int16 codes in steps of 1 / (3 * 2^12), as the tables take.

    shifts: where the scale is 2^(shift - 12) for one of these, the steps are exact.
    """
    checked.require(not x.zero_point[0], "has an int16 input whose zero point is not 0")
    codes = every_code(x)
    power, is_power = fixed_point.log2_rounded(float(x.scale[0]))
    if is_power and power + 12 in shifts:
        return codes * (3 << (power + 12))
    multiplier, shift = float(x.scale[0]) * 4096 * 3, 0
    while multiplier <= 32767 / 2 and shift <= 30:
        multiplier, shift = 2 * multiplier, shift + 1
    checked.require(
        multiplier <= 32767, f"has the scale {x.scale[0]:.1e}, too large for its kernel"
    )
    return (codes * int(multiplier) + ((1 << shift) >> 1)) >> shift


def hard_swish(checked):
    """x * min(max(x + 3, 0), 6) / 6 in int16 (hard_swish.h)."""
    x, y = _one_input(checked)
    fine = float(x.scale[0]) / 128
    to_output, right = _int16_multiplier(fine / float(y.scale[0]))
    to_unit, left = _int16_multiplier(fine / (3 / 32768))
    checked.require(
        -15 <= right <= 0 and -15 <= left <= 31,
        f"has scales, {x.scale[0]:.1e} and {y.scale[0]:.1e}, too far apart for its kernel",
    )
    value = centred_codes(x) << 7
    on_output = _high_16(value, to_output)
    # (x + 3) / 6 in Q0.15: the real 3 becomes 2^15 and saturates there.
    unit = saturate(value << (left - 1), "int16").astype(np.int64) if left > 0 else value
    unit = _high_16(unit, to_unit)
    unit = saturate(unit << 1, "int16").astype(np.int64) if left > 0 else unit
    unit = rounding_divide_by_power_of_two(unit, max(-left, 0))
    unit = (unit + 2**15) >> 1
    product = unit * on_output
    product = np.sign(product) * (np.abs(product) >> 15)  # towards zero
    codes = rounding_divide_by_power_of_two(product, -right) + y.qparams.zero_point
    return lookup(x, saturate(codes.astype(np.int16).astype(np.int64), "int8"))  # an int16 wraps


def _int16_multiplier(real):
    multiplier, shift = quantize_multiplier(real)
    return min((multiplier + 2**15) >> 16, 2**15 - 1), shift


def _high_16(a, b):
    """a * b / 2^15 to the nearest integer: the upper word of 2 a b, for int16."""
    return (a * b + 2**14) >> 15


def elu(checked):
    """x where x >= 0, else exp(x) - 1: a table that the kernel too makes in float32 (elu.cc)."""
    x, y = _one_input(checked)
    with np.errstate(over="ignore", invalid="ignore"):  # of scales near the ends of float32
        real = x.scale[0] * centred_codes(x).astype(np.float32)
        exponential = fixed_point.exp_32(np.minimum(real, 0))
        transformed = np.where(real < 0, exponential - np.float32(1), real)
        steps = np.nan_to_num(round_half_away(transformed * (np.float32(1) / y.scale[0])))
    return lookup(x, np.clip(steps + np.float32(y.zero_point[0]), -128, 127).astype(np.int8))


def quantize(checked):
    """From real numbers to codes, or from codes of one scale to those of another (quantize.cc)."""
    checked.count(1)
    x = checked.tensor(0)
    checked.require(x is not None and x.data is None, "lacks its input")
    pairs = {
        "float32": ("int8", "int16"),
        "uint8": ("int8",),
        "int8": ("int8", "uint8", "int16", "int32"),
        "int16": ("int8", "int16", "int32"),
        "int32": ("int8", "int16"),
    }
    y = checked.output(types=pairs.get(x.type, ("int8",)))
    checked.shape_is(y, x.shape)
    zero_point = int(y.zero_point[0])
    if x.type == "float32":
        checked.batched(x)
        scale, limits = y.scale[0], np.iinfo(y.type)

        def run(real):
            steps = np.clip(round_half_away(real / scale), -(2**18), 2**18)
            return np.clip(steps + zero_point, limits.min, limits.max).astype(y.type)

        return Prepared(run, (x.index,), x.size)
    x = checked.input(types=tuple(pairs))
    pair = quantize_multiplier(float(x.scale[0]) / float(y.scale[0]))

    def requantized(centred):
        codes = multiply_by_quantized_multiplier(centred, *pair) + zero_point
        return saturate(codes, y.type)

    if x.type == "int32":  # too many codes for a table
        offset = int(x.zero_point[0])
        return Prepared(lambda q: requantized(q.astype(np.int64) - offset), (x.index,), x.size)
    take_table(checked, x)
    return lookup(x, requantized(centred_codes(x)))


def dequantize(checked):
    """From codes to real numbers (dequantize.cc)."""
    checked.count(1)
    x = checked.input(types=("int8", "uint8", "int16"))
    y = checked.graph.tensors[checked.op.outputs[0]]
    checked.require(y.type == "float32", f"writes {y.type}, not float32")
    checked.shape_is(checked.batched(y), x.shape)
    take_table(checked, x)
    with np.errstate(over="ignore"):
        return lookup(x, (float(x.scale[0]) * centred_codes(x)).astype(np.float32))
