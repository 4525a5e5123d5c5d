"""Notebook 05's exercises as students answer them: right ones pass, wrong ones are named."""

import math

import numpy as np
import pytest

from course_utils.numbers import floats
from course_utils.views.checks.exercises import verdict


def check(id, answer, **context):
    result = verdict(id, answer, **context)
    return result.state, result.mistake


# ------------------------------------------------------------------ 05.value


def value_from_the_bits(sign, exponent, fraction):
    code = (sign << 15) | (exponent << 10) | fraction
    return np.array([code], np.uint16).view(np.float16)[0]


def value_step_by_step(sign, exponent, fraction):
    significand = fraction * 2**-10
    if exponent > 0:
        significand += 1
    power = max(exponent, 1) - 15
    number = significand * 2**power
    return -number if sign else number


def value_bit_by_bit(s, e, f):
    total = 1.0 if e else 0.0
    for i in range(10):
        if f >> (9 - i) & 1:
            total += 2.0 ** -(i + 1)
    return math.ldexp(total, (e or 1) - 15) * (1 - 2 * s)


@pytest.mark.parametrize(
    "answer",
    [
        value_from_the_bits,
        value_step_by_step,
        value_bit_by_bit,
        lambda s, e, f: floats.compose(s, e, f, "float16").value,
        lambda s, e, f: np.where(
            e == 0, 2.0**-24 * f, np.float64(2) ** (e - 25) * (1024 + f)
        ) * np.where(s, -1, 1),
    ],
)  # fmt: skip
def test_value_passes_however_it_is_written(answer):
    assert check("05.value", answer) == ("passed", None)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda s, e, f: (-1) ** s * 2.0 ** (e - 15) * (1 + f * 2**-10), "no_subnormals"),
        (lambda s, e, f: -(1**s) * 2.0 ** ((e or 1) - 15) * ((e > 0) + f / 1024),
         "always_negative"),
        (lambda s, e, f: (-1) ** s * (2.0 ** (e - 127) * (1 + f / 2**23) if e
                                      else 2.0**-126 * f / 2**23), "bias_127"),
        (lambda s, e, f: (-1) ** s * 2.0 ** ((e or 1) - 15) * ((1 if e else 0) + f / 2**23),
         "fraction_of_float32"),
        (lambda s, e, f: (-1) ** s * 2.0 ** ((e or 1) - 15) * (1 + f / 1024),
         "subnormal_hidden_one"),
        (lambda s, e, f: (-1) ** s * 2.0 ** (e - 15) * (bool(e) + f / 1024),
         "subnormal_exponent"),
        (lambda s, e, f: (-1) ** s * 2.0 ** ((e or 1) - 14) * (bool(e) + f / 1024), "bias_14"),
        (lambda s, e, f: (-1) ** s * 2.0 ** (e - 15) * (1 + f / 1024) if e else 0, "flushed"),
        (lambda s, e, f: (-1 if s == 0 else 1) * 2.0 ** ((e or 1) - 15) * (bool(e) + f / 1024),
         "sign_is_a_factor"),
        (lambda s, e, f: (-1) ** s * (2 ^ (e - 15)) * (1 + f / 1024), "power_is_xor"),
        (lambda s, e, f: (-1) ** s * 2.0 ** (e - 15) * (f / 1024) if e
         else (-1) ** s * 2.0**-14 * f / 1024, "hidden_one"),
        (lambda s, e, f: 2.0 ** ((e or 1) - 15) * (bool(e) + f / 1024), "no_sign"),
    ],
)  # fmt: skip
def test_value_names_the_misconception(answer, mistake):
    assert check("05.value", answer) == ("not yet", mistake)


# ------------------------------------------------------------------ 05.gap


def gap_by_halving(x):
    power = 1.0
    while power > x:
        power /= 2
    while power * 2 <= x:
        power *= 2
    return power / 2**23


def gap_from_the_code(x):
    code = np.float32(x).view(np.uint32)
    return float((code + np.uint32(1)).view(np.float32)) - float(np.float32(x))


@pytest.mark.parametrize(
    "answer",
    [
        gap_by_halving,
        gap_from_the_code,
        lambda x: np.spacing(np.float32(x)),
        lambda x: 2.0 ** (math.frexp(x)[1] - 24),
        lambda x: 2.0 ** (math.floor(math.log(x, 2)) - 23),
        lambda x: np.nextafter(np.float32(x), np.float32(np.inf)) - np.float32(x),
    ],
)
def test_gap_passes_however_it_is_written(answer):
    assert check("05.gap", answer) == ("passed", None)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda x: 2.0 ** (math.frexp(x)[1] - 23), "twice"),
        (lambda x: 2.0 ** (int(math.log2(x)) - 23), "rounded_exponent"),
        (lambda x: 2.0 ** (round(math.log2(x)) - 23), "rounded_exponent"),
        (lambda x: 2.0 ** (math.log2(x) - 23), "proportional"),
        (lambda x: np.finfo(np.float32).eps * x, "proportional"),
        (lambda x: float(np.finfo(np.float32).eps), "constant"),
        (lambda x: np.nextafter(x, np.inf) - x, "float64"),
        (lambda x: math.ulp(x), "float64"),
        (lambda x: 2.0 ** (math.floor(math.log(x)) - 23), "other_logarithm"),
        (lambda x: 2.0 ** (math.floor(math.log2(x)) - 24), "half"),
        (lambda x: float(np.float32(x) - np.nextafter(np.float32(x), np.float32(0))), "below"),
        (lambda x: 2.0 ** (math.floor(math.log2(x)) - 127 - 23), "bias_used"),
        (lambda x: 2.0 ** math.floor(math.log2(x)), "power_only"),
        (lambda x: 2.0 ** (math.floor(math.log2(x)) - 10), "float16"),
    ],
)
def test_gap_names_the_misconception(answer, mistake):
    assert check("05.gap", answer) == ("not yet", mistake)


# ------------------------------------------------------------------ 05.largest


def largest_summed(exponent_bits, fraction_bits):
    bias = int("0" + "1" * (exponent_bits - 1), 2)
    top = 2**exponent_bits - 2
    significand = 1 + sum(2.0**-i for i in range(1, fraction_bits + 1))
    return significand * 2.0 ** (top - bias)


@pytest.mark.parametrize(
    "answer",
    [
        largest_summed,
        lambda e, f: floats.Format("", e, f).largest,
        lambda e, f: math.ldexp(2 ** (f + 1) - 1, 2 ** (e - 1) - 1 - f),
        lambda e, f: 2.0**2 ** (e - 1) - 2.0 ** (2 ** (e - 1) - 1 - f),
        lambda e, f: (1 + (2**f - 1) / 2**f) * 2.0 ** (2**e - 2 - (2 ** (e - 1) - 1)),
    ],
)
def test_largest_passes_however_it_is_written(answer):
    assert check("05.largest", answer) == ("passed", None)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda e, f: (2 - 2.0**-f) * 2.0 ** (2**e - 1 - (2 ** (e - 1) - 1)), "all_ones"),
        (lambda e, f: (2 - 2.0**-f) * 2.0 ** (2**e - 2 - 2 ** (e - 1)), "bias_one_off"),
        (lambda e, f: (2 - 2.0**-f) * 2.0 ** (2**e - 2 - 127), "fixed_bias"),
        (lambda e, f: (2 - 2.0**-f) * 2.0 ** (2**e - 2), "no_bias"),
        (lambda e, f: 2.0 ** (2 ** (e - 1) - 1), "no_fraction"),
        (lambda e, f: (1 - 2.0**-f) * 2.0 ** (2 ** (e - 1) - 1), "hidden_one"),
        (lambda e, f: (2 - 2.0**-e) * 2.0 ** (2 ** (f - 1) - 1), "swapped"),
        (lambda e, f: (2**f - 1) * 2.0 ** (2 ** (e - 1) - 1), "fraction_is_integer"),
        (lambda e, f: (2 - 2.0 ** -(f - 1)) * 2.0 ** (2 ** (e - 1) - 1), "not_the_last"),
        (lambda e, f: (2 - 2.0**-f) * 2.0 ** ((2 ^ e - 1) - 1), "power_is_xor"),
        (lambda e, f: (2 - 2.0**-f) * 2.0**15, "of_float16"),
    ],
)
def test_largest_names_the_misconception(answer, mistake):
    assert check("05.largest", answer) == ("not yet", mistake)


# ------------------------------------------------------------------ 05.round


def round_by_parts(bits):
    upper, lower = bits >> 16, bits & 0xFFFF
    up = (lower > 0x8000) | ((lower == 0x8000) & (upper % 2 == 1))
    return upper + up


def round_in_a_loop(bits):
    codes = []
    for code in bits:
        upper, lower = divmod(int(code), 65536)
        if lower > 32768 or (lower == 32768 and upper % 2):
            upper += 1
        codes.append(upper)
    return np.array(codes)


def round_ties_to_odd(bits):
    upper, lower = bits >> 16, bits & 0xFFFF
    return upper + ((lower > 0x8000) | ((lower == 0x8000) & (upper % 2 == 0)))


def round_with_floats(bits):
    return np.array([int(floats.decompose(float(x), "bfloat16").bits.replace(" ", ""), 2)
                     for x in bits.view(np.float32)])  # fmt: skip


@pytest.mark.parametrize(
    "answer",
    [
        round_by_parts,
        round_in_a_loop,
        round_with_floats,
        lambda bits: np.round(bits / 65536).astype(np.uint16),
        lambda bits: (bits + 32767 + (bits // 65536) % 2) // 65536,
    ],
)
def test_round_passes_however_it_is_written(answer):
    assert check("05.round", answer) == ("passed", None)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda bits: bits // 65536, "truncated"),
        (lambda bits: bits.view(np.uint16)[1::2], "truncated"),
        (lambda bits: np.floor(bits / 65536 + 0.5), "half_up"),
        (lambda bits: (bits >> 16) + ((bits >> 15) & 1), "half_up"),
        (lambda bits: (bits >> 16) + ((bits & 0xFFFF) > 0x8000), "half_down"),
        (lambda bits: np.ceil(bits / 65536), "always_up"),
        (lambda bits: (bits >> 16) + 1, "one_number_up"),
        (lambda bits: bits & 0xFFFF0000, "cut_not_shifted"),
        (lambda bits: bits.astype(np.uint16), "lower_half"),
        (lambda bits: bits + 0x7FFF + ((bits >> 16) & 1), "not_shifted"),
        (lambda bits: (bits & 0xFFFF0000).view(np.float32), "numbers_not_codes"),
        (lambda bits: (bits + 0x7FFF) >> 16 + ((bits >> 16) & 1), "precedence"),
        (round_ties_to_odd, "ties_to_odd"),
    ],
)
def test_round_names_the_misconception(answer, mistake):
    assert check("05.round", answer) == ("not yet", mistake)


# ------------------------------------------------------------------ 05.products


@pytest.mark.parametrize("answer", [9, 9.0, np.int64(9), np.float32(9)])
def test_nine_products(answer):
    assert check("05.products", answer, significand_bits=24, word_bits=8) == ("passed", None)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [(16, "whole_number"), (3, "one_row"), (6, "sum"), (576, "bits"), (1, "once"), (48, "result"),
     (72, "bits"), (529, "bits"), (4, "without_hidden_one"), (8, "of_the_word")],
)  # fmt: skip
def test_products_names_the_misconception(answer, mistake):
    given = check("05.products", answer, significand_bits=24, word_bits=8)
    assert given == ("not yet", mistake)
