"""Exercises of notebook 07: a bias in integers, a sum rescaled, a whole dense layer."""

from __future__ import annotations

import numpy as np

from course_utils.engines import integer_engine as engine
from course_utils.views.checks import Mistake, exercise


def bias_code(bias, x_scale, weight_scale, y_scale):
    """The int32 code of a real bias: it is added to sums of products, so its scale is S1 S2."""
    return np.round(bias / (x_scale * weight_scale)).astype(np.int64)


_BIASES = np.array([-1.3, -0.031, 0.0, 0.0077, 0.25, 2.0])

exercise(
    "07.bias",
    bias_code,
    cases=[
        (np.array([-0.5, 0.0, 0.3]), 0.02, 0.004, 0.05),
        (_BIASES, 0.0039, 0.0053, 0.0036),
        (_BIASES, 0.009, 0.0037, 0.043),
        (np.array([0.9, -0.0401, 3.1, -0.7]), 0.0157, np.array([0.002, 0.0051, 0.009, 0.0033]),
         0.0881),
    ],
    rtol=1e-9,
    mistakes=[
        Mistake(
            "output_scale",
            lambda b, s1, s2, s3: np.round(b / s3),
            "You divide by S3, the output's scale. The bias is added to the sum before the sum is "
            "rescaled to S3, so it must be counted in the sum's unit.",
        ),
        Mistake(
            "rescaled",
            lambda b, s1, s2, s3: np.round(b / (s1 * s2 / s3)),
            "You divide by M = S1 S2 / S3. M takes a sum to output codes; the bias is added before "
            "that happens.",
        ),
        Mistake(
            "input_scale_only",
            lambda b, s1, s2, s3: np.round(b / s1),
            "You divide by the input's scale alone. One product of an input code and a weight code "
            "stands for S1 times S2.",
        ),
        Mistake(
            "weight_scale_only",
            lambda b, s1, s2, s3: np.round(b / s2),
            "You divide by the weights' scale alone. The bias is not multiplied by an input, but "
            "it is added to products, each of which stands for S1 times S2.",
        ),
        Mistake(
            "int8",
            (
                lambda b, s1, s2, s3: np.clip(np.round(b / (s1 * s2)), -128, 127),
                lambda b, s1, s2, s3: np.clip(np.round(b / (s1 * s2)), -127, 127),
                lambda b, s1, s2, s3: np.round(b / (s1 * s2)).astype(np.int64).astype(np.int8),
            ),
            "You keep the bias in int8. S1 S2 is a tiny unit, so biases are large codes: they are "
            "stored in int32, like the sums that they are added to.",
        ),
        Mistake(
            "int16",
            (
                lambda b, s1, s2, s3: np.clip(np.round(b / (s1 * s2)), -(2**15), 2**15 - 1),
                lambda b, s1, s2, s3: np.round(b / (s1 * s2)).astype(np.int64).astype(np.int16),
            ),
            "You keep the bias in 16 bits, too few for the largest of them. It is added to an "
            "int32 sum, and is an int32 itself.",
        ),
        Mistake(
            "precedence",
            (
                lambda b, s1, s2, s3: np.round(b / s1 * s2),
                lambda b, s1, s2, s3: np.round(b / s2 * s1),
            ),
            "Python divides and multiplies from left to right: a / b * c is a c / b. Put the "
            "product below the division into parentheses.",
        ),
        Mistake(
            "all_three",
            (
                lambda b, s1, s2, s3: np.round(b / (s1 * s2 * s3)),
                lambda b, s1, s2, s3: np.round(b / (s1 * s2) * s3),
                lambda b, s1, s2, s3: np.round(b / s1 / s2 / s3),
            ),
            "The output's scale takes part in yours. It comes in only when the sum is rescaled, "
            "after the bias was added.",
        ),
        Mistake(
            "input_and_output",
            (
                lambda b, s1, s2, s3: np.round(b / (s1 * s3)),
                lambda b, s1, s2, s3: np.round(b / (s2 * s3)),
            ),
            "One of your two scales is the output's. The bias is added to products of an input's "
            "code and a weight's code.",
        ),
        Mistake(
            "scales_added",
            lambda b, s1, s2, s3: np.round(b / (s1 + s2)),
            "You add the two scales. The sum is one of products, so its unit is a product too.",
        ),
        Mistake(
            "own_scale",
            (
                lambda b, s1, s2, s3: np.round(b / (np.abs(b).max() / 127)),
                lambda b, s1, s2, s3: np.round(b * 127 / np.abs(b).max()),
            ),
            "You gave the bias a scale of its own, from its largest value, as weights get one. "
            "Numbers can only be added that are counted in one unit: here the sum's.",
        ),
        Mistake(
            "rounds_first",
            (
                lambda b, s1, s2, s3: np.round(b) / (s1 * s2),
                lambda b, s1, s2, s3: np.round(np.round(b) / (s1 * s2)),
            ),
            "You round the real bias, which is mostly below 1. Divide first; the code is what has "
            "to be a whole number.",
        ),
        Mistake(
            "truncated",
            (
                lambda b, s1, s2, s3: (b / (s1 * s2)).astype(np.int64),
                lambda b, s1, s2, s3: np.floor(b / (s1 * s2)),
                lambda b, s1, s2, s3: b // (s1 * s2),
                lambda b, s1, s2, s3: np.ceil(b / (s1 * s2)),
            ),
            "You go to the whole number below, above or nearer to zero. The nearest code is "
            "wanted: round.",
        ),
        Mistake(
            "not_rounded",
            lambda b, s1, s2, s3: b / (s1 * s2),
            "The scale is right, but a code is a whole number: round it.",
        ),
        Mistake(
            "multiplied",
            (
                lambda b, s1, s2, s3: np.round(b * (s1 * s2)),
                lambda b, s1, s2, s3: b * (s1 * s2),
            ),
            "You multiply by the scale. That leads from codes to real numbers; here it goes the "
            "other way.",
        ),
    ],
)


def requantize(accumulator, multiplier, shift, zero_point):
    """int8 codes of int32 sums, as TFLM computes them."""
    return engine.requantize(accumulator, multiplier, shift, zero_point)


def _high(a, multiplier, half=2**30):
    return (np.asarray(a, np.int64) * multiplier + half) >> 31


def _scaled(a, multiplier, shift):
    return engine.rounding_divide_by_power_of_two(_high(a, multiplier), -shift)


def _saturated(codes):
    return np.clip(codes, -128, 127)


def _in_float(a, multiplier, shift, zero):
    return _saturated(np.round(np.asarray(a, np.float64) * multiplier * 2.0 ** (shift - 31)) + zero)


_ANY = np.array([-40_000, -9_999, -1_500, -401, -3, 0, 3, 402, 1_499, 9_998, 40_000], np.int32)
_SMALL = np.arange(-24, 25, dtype=np.int32)

exercise(
    "07.requantize",
    requantize,
    cases=[
        (np.array([-900, -45, 0, 50, 2000], np.int32), *engine.quantize_multiplier(0.1), 3),
        (_ANY, *engine.quantize_multiplier(0.0045), -128),
        (_ANY, *engine.quantize_multiplier(0.0123), 20),
        (_SMALL, *engine.quantize_multiplier(0.0813), -5),
        (_SMALL, 2**30, 0, 7),
        (_SMALL * 5, 2**30, -2, -1),
        (np.array([100, -100, 7, -7], np.int32), *engine.quantize_multiplier(2.0**-9), 40),
        (np.arange(-400, 400, 7, dtype=np.int32), *engine.quantize_multiplier(0.31), 11),
        (np.array([300, -20, 77], np.int32), *engine.quantize_multiplier(0.2), 5),
    ],
    mistakes=[
        Mistake(
            "int32_product",
            tuple(
                (
                    lambda a, m, e, z, half=half: _saturated(
                        engine.rounding_divide_by_power_of_two(
                            (((np.asarray(a, np.int32) * np.int32(m)) + np.int32(half)) >> 31)
                            .astype(np.int64),
                            -e,
                        )
                        + z
                    )
                )
                for half in (0, 2**30)
            ),
            "The product of the sum and the multiplier overflowed. The sum arrives as int32 and "
            "the multiplier has 31 bits, so their product needs 64: convert the sum to int64 "
            "first. (NumPy wraps around without a word.)",
        ),
        Mistake(
            "zero_point_forgotten",
            lambda a, m, e, z: _saturated(_scaled(a, m, e)),
            "The zero point is missing. A real zero must become the code Z, not the code 0.",
        ),
        Mistake(
            "zero_point_before_scaling",
            lambda a, m, e, z: _saturated(_scaled(np.asarray(a, np.int64) + z, m, e)),
            "You add the zero point to the sum, before it is rescaled, where it is scaled down "
            "with it. The zero point is an output code: it belongs to the result.",
        ),
        Mistake(
            "zero_point_from_sum",
            lambda a, m, e, z: _saturated(_scaled(np.asarray(a, np.int64) - z, m, e)),
            "You subtract the zero point from the sum. It is the output's: it is added to the "
            "result, after rescaling.",
        ),
        Mistake(
            "zero_point_subtracted",
            lambda a, m, e, z: _saturated(_scaled(a, m, e) - z),
            "You subtract the zero point. r = S (q - Z) solved for q gives r / S + Z.",
        ),
        Mistake(
            "truncated",
            (
                lambda a, m, e, z: _saturated(((np.asarray(a, np.int64) * m) >> (31 - e)) + z),
                lambda a, m, e, z: _saturated((_high(a, m) >> -e) + z),
                lambda a, m, e, z: _saturated((_high(a, m, 0) >> -e) + z),
                lambda a, m, e, z: _saturated(
                    np.floor(np.asarray(a, np.float64) * m * 2.0 ** (e - 31)) + z
                ),
            ),
            "You truncate: a shift to the right (or // or floor) drops the bits that it pushes "
            "out, which rounds towards minus infinity. Both divisions go to the nearest. "
            "(Truncating makes about half of all codes that do not saturate one too small.)",
        ),
        Mistake(
            "toward_zero",
            (
                lambda a, m, e, z: _saturated(
                    np.trunc(np.asarray(a, np.float64) * m * 2.0 ** (e - 31)) + z
                ),
                lambda a, m, e, z: _saturated(np.trunc(_high(a, m) * 2.0**e) + z),
                lambda a, m, e, z: _saturated(
                    np.trunc(np.trunc(np.asarray(a, np.float64) * m / 2**31) * 2.0**e) + z
                ),
            ),
            "You cut the fraction off: int(), astype and trunc go towards zero, so that positive "
            "codes get too small and negative ones too large. Both divisions go to the nearest.",
        ),
        Mistake(
            "second_rounding_forgotten",
            lambda a, m, e, z: _saturated(
                engine.rounding_divide_by_power_of_two(_high(a, m, 0), -e) + z
            ),
            "The first of the two roundings is missing: a shift alone goes down, so half of what "
            "you divide by has to be added before the 31 bits are dropped.",
        ),
        Mistake(
            "wraps",
            lambda a, m, e, z: (_scaled(a, m, e) + z).astype(np.int8),
            "Your codes wrap around: 130 stored in an int8 comes out as -126, so that the largest "
            "activations turn into the smallest. Saturate: clip to -128 and 127 before you "
            "convert.",
        ),
        Mistake(
            "not_saturated",
            lambda a, m, e, z: _scaled(a, m, e) + z,
            "Some of your codes are beyond int8. Whatever is larger than 127 becomes 127, whatever "
            "is smaller than -128 becomes -128.",
        ),
        Mistake(
            "clipped_before_zero_point",
            lambda a, m, e, z: _saturated(_scaled(a, m, e)) + z,
            "You clip first and add the zero point then, which can leave int8 again. Clip last.",
        ),
        Mistake(
            "unsigned",
            lambda a, m, e, z: np.clip(_scaled(a, m, e) + z, 0, 255),
            "You clip to 0 and 255, the codes of uint8. int8 reaches from -128 to 127.",
        ),
        Mistake(
            "shift_inverted",
            (
                lambda a, m, e, z: _saturated((_high(a, m) << -e) + z),
                lambda a, m, e, z: _saturated(_high(a, m) * 2.0**-e + z),
                lambda a, m, e, z: _saturated(
                    np.round(np.asarray(a, np.float64) * m * 2.0 ** (-e - 31)) + z
                ),
            ),
            "The shift goes the wrong way. A negative shift stands for 2 to a negative power: "
            "divide by 2^-shift.",
        ),
        Mistake(
            "shift_negative",
            (
                lambda a, m, e, z: _saturated(
                    engine.rounding_divide_by_power_of_two(_high(a, m), e) + z
                ),
                lambda a, m, e, z: _saturated((_high(a, m) >> e) + z),
                lambda a, m, e, z: _saturated((_high(a, m) << e) + z),
            ),
            "You shift by a negative number of bits, which gives nonsense without a word: shift is "
            "0 or negative, and the number of bits to drop is its opposite.",
        ),
        Mistake(
            "shift_is_divisor",
            (
                lambda a, m, e, z: _saturated(
                    np.round(_high(a, m) / np.where(e, -e, 1)) + z
                ),
                lambda a, m, e, z: _saturated(_high(a, m) // np.where(e, -e, 1) + z),
                lambda a, m, e, z: _saturated(_high(a, m) + e + z),
                lambda a, m, e, z: _saturated(_high(a, m) - e + z),
            ),
            "You divide by the shift, or add it. It is an exponent: what you divide by is a power "
            "of two.",
        ),
        Mistake(
            "shift_first",
            lambda a, m, e, z: _saturated(
                _high(engine.rounding_divide_by_power_of_two(np.asarray(a, np.int64), -e), m) + z
            ),
            "You divide by the power of two before you multiply, which throws away the bits that "
            "the multiplier works on. Multiply first.",
        ),
        Mistake(
            "bits_off_by_one",
            tuple(
                (
                    lambda a, m, e, z, bits=bits, half=half: _saturated(
                        engine.rounding_divide_by_power_of_two(
                            (np.asarray(a, np.int64) * m + half) >> bits, -e
                        )
                        + z
                    )
                )
                for bits, half in ((30, 2**29), (32, 2**31), (30, 2**30), (32, 2**30), (31, 2**31))
            ),
            "A factor of two is missing or too many: the multiplier counts in units of 2^-31, so "
            "31 bits are dropped, and half of 2^31 rounds them.",
        ),
        Mistake(
            "narrow",
            lambda a, m, e, z: np.clip(_scaled(a, m, e) + z, -127, 127),
            "You clip at -127. That narrow range is for weights; an output uses -128 too.",
        ),
        Mistake(
            "positive_codes_only",
            (
                lambda a, m, e, z: np.clip(_scaled(a, m, e) + z, 0, 127),
                lambda a, m, e, z: np.clip(_scaled(a, m, e) + z, z, 127),
            ),
            "You cut off codes that int8 can hold, as a ReLU would. This function only saturates: "
            "all codes from -128 to 127 may come out.",
        ),
        Mistake(
            "shift_forgotten",
            lambda a, m, e, z: _saturated(_high(a, m) + z),
            "The shift is not used: the multiplier alone stands for a number from 1/2 to 1.",
        ),
        Mistake(
            "multiplier_as_real",
            (
                lambda a, m, e, z: _saturated(np.asarray(a, np.int64) * m + z),
                lambda a, m, e, z: _saturated(np.asarray(a, np.float64) * m * 2.0**e + z),
                lambda a, m, e, z: _saturated(
                    engine.rounding_divide_by_power_of_two(np.asarray(a, np.int64) * m, -e) + z
                ),
            ),
            "You use the multiplier as if it were M. It counts in units of 2^-31: the product must "
            "be divided by 2^31.",
        ),
        Mistake(
            "float",
            (
                _in_float,
                lambda a, m, e, z: _saturated(
                    np.floor(np.asarray(a, np.float64) * m * 2.0 ** (e - 31) + 0.5) + z
                ),
                lambda a, m, e, z: _saturated(
                    np.round(np.asarray(a, np.float32) * np.float32(m * 2.0 ** (e - 31))) + z
                ),
            ),
            "You compute with real numbers, or round once: nearly always the same code, but not "
            "always. (XNNPACK does it too, and differs from TFLM for it.) On a microcontroller "
            "there are only integers, and TFLM rounds twice: after the 31 bits, then after the "
            "shift.",
        ),
        Mistake(
            "halves_even",
            (
                lambda a, m, e, z: _saturated(np.round(_high(a, m) * 2.0**e) + z),
                lambda a, m, e, z: _saturated(
                    np.round(np.round(np.asarray(a, np.float64) * m / 2**31) * 2.0**e) + z
                ),
                lambda a, m, e, z: _saturated(
                    engine.rounding_divide_by_power_of_two(
                        np.round(np.asarray(a, np.float64) * m / 2**31).astype(np.int64), -e
                    )
                    + z
                ),
            ),
            "Nearly: NumPy rounds halves to the even neighbour, so that 2.5 becomes 2. In the "
            "first step halves go up, in the second away from zero.",
        ),
        Mistake(
            "halves_away_first",
            (
                lambda a, m, e, z: _saturated(
                    engine.rounding_divide_by_power_of_two(
                        engine.rounding_divide_by_power_of_two(np.asarray(a, np.int64) * m, 31), -e
                    )
                    + z
                ),
            ),
            "Nearly: in the first step, halves of negative numbers go the wrong way. There -2.5 "
            "becomes -2, which is up; only the second step rounds halves away from zero.",
        ),
        Mistake(
            "halves_up",
            lambda a, m, e, z: _saturated(
                ((_high(a, m) + ((1 << -e) >> 1)) >> -e) + z
            ),
            "Nearly: in the second step, halves of negative numbers go the wrong way. -2.5 becomes "
            "-3, away from zero; adding a half and shifting makes it -2.",
        ),
    ],
)  # fmt: skip


def fully_connected(x, weights, bias, x_zero, multiplier, shift, y_zero):
    """int8 codes of a dense layer with a fused ReLU: x (n, inputs), weights (units, inputs)."""
    total = (x.astype(np.int64) - x_zero) @ weights.T.astype(np.int64) + bias
    return engine.requantize(total, multiplier, shift, y_zero, qmin=max(-128, y_zero))


def _sum(x, weights, bias, x_zero, dtype=np.int64):
    return (x.astype(dtype) - dtype(x_zero)) @ weights.T.astype(dtype) + bias


def _finish(total, multiplier, shift, y_zero, low=None):
    low = max(-128, y_zero) if low is None else low
    return engine.requantize(total, multiplier, shift, y_zero, qmin=low)


def _layer(seed, n, units, inputs, x_zero, y_zero, reals):
    """A layer with codes in all of int8 and sums that fill, and overfill, the output's codes."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-128, 128, (n, inputs)).astype(np.int8)
    weights = rng.integers(-127, 128, (units, inputs)).astype(np.int8)
    bias = rng.integers(-9_000, 9_000, units).astype(np.int32)
    pairs = engine.quantize_multipliers(reals[:units])
    return x, weights, bias, x_zero, *pairs, y_zero


def _small_layer(seed, n, units, inputs, x_zero, y_zero, reals):
    """A layer of small codes and large multipliers: sums often lie halfway between two codes."""
    rng = np.random.default_rng(seed)
    x = rng.integers(-12, 12, (n, inputs)).astype(np.int8)
    weights = rng.integers(-6, 7, (units, inputs)).astype(np.int8)
    bias = rng.integers(-40, 40, units).astype(np.int32)
    pairs = engine.quantize_multipliers(reals)
    return x, weights, bias, x_zero, *pairs, y_zero


exercise(
    "07.fully_connected",
    fully_connected,
    cases=[
        (
            np.array([[10, -128, 127]], np.int8),
            np.array([[50, -20, 100], [-60, 10, 4]], np.int8),
            np.array([300, -700], np.int32),
            -128,
            *engine.quantize_multipliers((0.004, 0.006)),
            -10,
        ),
        _layer(1, 4, 5, 24, -128, -128, [0.0009, 0.0021, 0.0013, 0.003, 0.0016]),
        _layer(2, 3, 6, 40, 15, -20, [0.0019, 0.0031, 0.0007, 0.002, 0.0012, 0.0042]),
        _layer(3, 2, 4, 60, -7, 33, [0.0019, 0.0031, 0.0007, 0.002]),
        _layer(4, 3, 5, 5, 3, -40, [0.004, 0.002, 0.003, 0.0035, 0.0025]),
        _small_layer(5, 40, 3, 4, -6, -100, [0.083, 0.31, 0.12]),
    ],
    mistakes=[
        Mistake(
            "x_zero_forgotten",
            lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, 0), m, e, zy),
            "The input's zero point is missing. A code q stands for S (q - Z): an input of zero "
            "has the code Z, and must add nothing to the sum. Yours adds Z times the weight.",
        ),
        Mistake(
            "x_zero_added",
            lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, -zx), m, e, zy),
            "You add the input's zero point instead of subtracting it.",
        ),
        Mistake(
            "x_zero_once",
            lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, 0) - zx, m, e, zy),
            "You subtract the zero point once from the sum. It belongs to every input, so it is "
            "multiplied by every weight: Z1 times the sum of the weights.",
        ),
        Mistake(
            "sum_of_inputs",
            lambda x, w, b, zx, m, e, zy: _finish(
                _sum(x, w, b, 0) - zx * x.astype(np.int64).sum(axis=1, keepdims=True), m, e, zy
            ),
            "You subtract Z1 times the sum of the inputs, which is what comes of subtracting Z1 "
            "from the weights. The term with the input's zero point "
            "holds the sum of the weights; the sum of the inputs goes with the weights' zero "
            "point, which is 0.",
        ),
        Mistake(
            "not_transposed",
            lambda x, w, b, zx, m, e, zy: _finish(
                (x.astype(np.int64) - zx) @ w.astype(np.int64) + b, m, e, zy
            ),
            "You multiply with the weights as they are stored, (units, inputs). Each row of x is "
            "combined with each unit's row of weights, so the inner size has to be that of the "
            "inputs: transpose the weights.",
        ),
        Mistake(
            "zero_point_on_weights",
            lambda x, w, b, zx, m, e, zy: _finish(
                (x.astype(np.int64) - zx) @ (w.astype(np.int64) - zx).T + b, m, e, zy
            ),
            "You subtract the input's zero point from the weights too. Theirs is 0: only the "
            "input's codes have to be moved.",
        ),
        Mistake(
            "int8_accumulator",
            (
                lambda x, w, b, zx, m, e, zy: _finish(x @ w.T - zx * w.sum(axis=1) + b, m, e, zy),
                lambda x, w, b, zx, m, e, zy: _finish((x - zx) @ w.T + b, m, e, zy),
                lambda x, w, b, zx, m, e, zy: _finish(
                    (x - np.asarray(zx, np.int8)) @ w.T + b, m, e, zy
                ),
                lambda x, w, b, zx, m, e, zy: _finish(
                    (x.astype(np.int64) - zx).astype(np.int8) @ w.T + b, m, e, zy
                ),
                lambda x, w, b, zx, m, e, zy: _finish(x @ w.T + b, m, e, zy),
            ),
            "Your sum is kept in int8 and wraps around: one product of two int8 codes needs 16 "
            "bits already. Convert both arrays to int32 (or int64) before you multiply.",
        ),
        Mistake(
            "int16_accumulator",
            lambda x, w, b, zx, m, e, zy: _finish(
                (x.astype(np.int16) - np.int16(zx)) @ w.T.astype(np.int16) + b, m, e, zy
            ),
            "Your sum is kept in 16 bits, which hold one product but not the sum of many. The "
            "accumulator has 32.",
        ),
        Mistake(
            "int8_difference",
            lambda x, w, b, zx, m, e, zy: _finish(
                (x - np.asarray(zx).astype(np.int8)).astype(np.int64) @ w.T.astype(np.int64) + b,
                m, e, zy,
            ),
            "q1 - Z1 was computed in int8 and wraps around: 127 - (-128) is 255, which needs nine "
            "bits. Convert to a wider type before you subtract.",
        ),
        Mistake(
            "bias_after_scaling",
            (
                lambda x, w, b, zx, m, e, zy: np.clip(
                    _finish(_sum(x, w, 0, zx), m, e, zy, -128).astype(np.int64) + b,
                    max(-128, zy), 127,
                ),
                lambda x, w, b, zx, m, e, zy: np.clip(
                    engine.multiply_by_quantized_multiplier(_sum(x, w, 0, zx), m, e) + zy + b,
                    max(-128, zy), 127,
                ),
                lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, 0, zx), m, e, zy) + b,
            ),
            "You add the bias to the output's codes. It is stored in the scale S1 S2, that of the "
            "sum: add it before rescaling.",
        ),
        Mistake(
            "bias_subtracted",
            lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, -b, zx), m, e, zy),
            "You subtract the bias. It is added to the sum.",
        ),
        Mistake(
            "bias_for_every_input",
            lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b * x.shape[1], zx), m, e, zy),
            "You add the bias once for every input. It belongs to the sum, and is added once.",
        ),
        Mistake(
            "relu_before_bias",
            lambda x, w, b, zx, m, e, zy: _finish(np.maximum(_sum(x, w, 0, zx), 0) + b, m, e, zy,
                                                  -128),
            "Your ReLU comes before the bias. A layer adds the bias first.",
        ),
        Mistake(
            "bias_forgotten",
            lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, 0, zx), m, e, zy),
            "The bias is missing.",
        ),
        Mistake(
            "y_zero_forgotten",
            (
                lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, zx), m, e, 0),
                lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, zx), m, e, 0, max(-128, zy)),
            ),
            "The output's zero point is missing, or it only limits the codes: a sum of zero must "
            "become the code Z3.",
        ),
        Mistake(
            "y_zero_subtracted",
            (
                lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, zx), m, e, -zy),
                lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, zx), m, e, -zy,
                                                      max(-128, zy)),
            ),
            "You subtract the output's zero point. A sum of zero must become the code Z3: add it.",
        ),
        Mistake(
            "zero_points_swapped",
            (
                lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, zy), m, e, zx),
                lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, zx), m, e, zx),
                lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, zy), m, e, zy),
            ),
            "You took one zero point for the other: x_zero belongs to the codes that come in, "
            "y_zero to those that go out.",
        ),
        Mistake(
            "relu_at_code_0",
            (
                lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, zx), m, e, zy, 0),
                lambda x, w, b, zx, m, e, zy: np.maximum(
                    _finish(_sum(x, w, b, zx), m, e, zy, -128), 0
                ),
            ),
            "Your ReLU cuts at the code 0. It must cut at the real number zero, whose code is the "
            "output's zero point.",
        ),
        Mistake(
            "relu_forgotten",
            lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, zx), m, e, zy, -128),
            "The ReLU is missing: codes below the output's zero point stand for negative numbers.",
        ),
        Mistake(
            "one_multiplier",
            lambda x, w, b, zx, m, e, zy: _finish(_sum(x, w, b, zx), m[0], e[0], zy),
            "You use the first multiplier and shift for all outputs. The weights have a scale per "
            "channel, so every output has its own pair.",
        ),
        Mistake(
            "rounded_once",
            (
                lambda x, w, b, zx, m, e, zy: np.clip(
                    np.round(_sum(x, w, b, zx) * (m * 2.0 ** (e - 31))) + zy, max(-128, zy), 127
                ),
                lambda x, w, b, zx, m, e, zy: np.clip(
                    ((_sum(x, w, b, zx) * m + (1 << (30 - e))) >> (31 - e)) + zy,
                    max(-128, zy), 127,
                ),
            ),
            "You round once, or compute with real numbers: nearly always the same code. TFLM "
            "rounds twice: use the requantization from before.",
        ),
        Mistake(
            "wraps",
            (
                lambda x, w, b, zx, m, e, zy: np.maximum(
                    (engine.multiply_by_quantized_multiplier(_sum(x, w, b, zx), m, e) + zy)
                    .astype(np.int8),
                    max(-128, zy),
                ),
                lambda x, w, b, zx, m, e, zy: (
                    engine.multiply_by_quantized_multiplier(_sum(x, w, b, zx), m, e) + zy
                ).astype(np.int8),
            ),
            "Your codes wrap around where they should saturate: the largest activations turn into "
            "the smallest.",
        ),
        Mistake(
            "not_saturated",
            (
                lambda x, w, b, zx, m, e, zy: np.maximum(
                    engine.multiply_by_quantized_multiplier(_sum(x, w, b, zx), m, e) + zy, zy
                ),
                lambda x, w, b, zx, m, e, zy: (
                    engine.multiply_by_quantized_multiplier(_sum(x, w, b, zx), m, e) + zy
                ),
            ),
            "Some of your codes are beyond int8: they have to end at 127.",
        ),
        Mistake(
            "truncated",
            lambda x, w, b, zx, m, e, zy: np.clip(
                ((_sum(x, w, b, zx) * m) >> (31 - e)) + zy, max(-128, zy), 127
            ),
            "You truncate where the rescaled sum should be rounded: use the requantization from "
            "before.",
        ),
        Mistake(
            "not_rescaled",
            (
                lambda x, w, b, zx, m, e, zy: _sum(x, w, b, zx),
                lambda x, w, b, zx, m, e, zy: np.maximum(_sum(x, w, b, zx), 0),
            ),
            "You return the sums. They still have to be rescaled to the output's codes.",
        ),
        Mistake(
            "bias_too_late",
            lambda x, w, b, zx, m, e, zy: np.clip(
                _finish(_sum(x, w, 0 * b, zx), m, e, zy).astype(np.int64) + b, -128, 127
            ),
            "You add the bias to the code, after the rescaling. Its unit is that of the sum, S1 "
            "S2, and it belongs to the sum before that.",
        ),
        Mistake(
            "sum_of_all_weights",
            lambda x, w, b, zx, m, e, zy: _finish(
                x.astype(np.int64) @ w.T.astype(np.int64) - zx * w.astype(np.int64).sum() + b,
                m,
                e,
                zy,
            ),
            "You take off the zero point times the sum of all weights. Each output has only its "
            "own row of weights to be corrected for.",
        ),
    ],
)  # fmt: skip
