"""Floats against NumPy and ml_dtypes: every code, every tie, every overflow."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from course_utils import floats

ORACLES = {
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
}
SMALL = [fmt for fmt in floats.FORMATS if fmt != "float32"]


def codes(fmt):
    """Every code of a small format, and the oracle's value of each as float64."""
    form = floats.FORMATS[fmt]
    bits = np.arange(2**form.bits).astype(f"uint{form.bits}")
    with np.errstate(invalid="ignore"):  # NaN
        return bits, bits.view(ORACLES[fmt]).astype(np.float64)


def same(ours, theirs):
    """Equal, NaN where NaN, and zeros of the same sign."""
    np.testing.assert_array_equal(ours, theirs)
    number = ~np.isnan(theirs)
    np.testing.assert_array_equal(np.signbit(ours)[number], np.signbit(theirs)[number])


def oracle(x, fmt):
    with np.errstate(over="ignore"):
        return np.asarray(x).astype(ORACLES[fmt]).astype(np.float64)


@pytest.mark.parametrize("fmt", SMALL)
def test_every_code_means_what_the_oracle_says(fmt):
    bits, theirs = codes(fmt)
    same(floats.compose(bits, fmt), theirs)


@pytest.mark.parametrize("fmt", SMALL)
def test_every_code_comes_back(fmt):
    bits, theirs = codes(fmt)
    number = ~np.isnan(theirs)
    back = floats.to_bits(theirs, fmt)
    assert back.dtype == bits.dtype
    np.testing.assert_array_equal(back[number], bits[number])
    assert np.isnan(floats.compose(back[~number], fmt)).all()


@pytest.mark.parametrize("fmt", SMALL)
def test_every_number_every_tie_and_both_sides_of_it_round_as_the_oracle(fmt):
    numbers = floats.values(fmt)
    ties = (numbers[1:] + numbers[:-1]) / 2
    beyond = 2 * numbers[-1] - numbers[-2]  # where the next number would be
    ties = np.concatenate([ties, [(numbers[-1] + beyond) / 2, beyond, 1e30, 3.4e38, -1e-45, -0.0]])
    with np.errstate(over="ignore"):
        ties = np.concatenate([ties, -ties]).astype(np.float32)  # which holds every tie exactly
    infinity = np.float32(np.inf)
    for x in (ties, np.nextafter(ties, infinity), np.nextafter(ties, -infinity)):
        same(floats.round_to(x, fmt).astype(np.float64), oracle(x, fmt))


@pytest.mark.parametrize("fmt", SMALL)
@given(x=st.floats(width=32))
def test_any_float32_rounds_as_the_oracle(fmt, x):
    same(np.float64(floats.round_to(np.float32(x), fmt)), oracle(np.float32(x), fmt))


@given(x=st.floats())
@example(1 + 2**-24)  # ties: down to even, up to even
@example(1 + 3 * 2**-24)
@example(-(2**-150))  # half of the smallest subnormal, to even: -0.0
@example(3 * 2**-150)
@example((2 - 2**-24) * 2.0**127)  # half way to where infinity begins
@example(np.nextafter((2 - 2**-24) * 2.0**127, 0))
@example(2.0**-126 - 2.0**-151)  # between the largest subnormal and the smallest normal
@example(5e-324)
def test_any_number_rounds_to_float32_as_numpy(x):
    same(floats.round_to(x, "float32"), oracle(x, "float32"))


@given(a=st.floats(width=32, allow_nan=False, allow_infinity=False, max_value=2.0**127))
def test_ties_of_float32_go_to_the_even_code(a):
    a = np.float32(a)
    b = np.nextafter(a, np.float32(np.inf))
    tie = (np.float64(a) + np.float64(b)) / 2
    rounded = floats.round_to(tie, "float32")
    assert floats.to_bits(rounded, "float32") & 1 == 0
    same(rounded, oracle(tie, "float32"))


@given(bits=st.integers(0, 2**32 - 1))
def test_codes_of_float32(bits):
    theirs = np.uint32(bits).view(np.float32).astype(np.float64)
    same(floats.compose(bits, "float32"), theirs)
    if not math.isnan(theirs):
        assert floats.to_bits(theirs, "float32") == bits


@pytest.mark.parametrize("fmt", floats.FORMATS)
@given(x=st.floats(width=32))
def test_the_formula_on_the_parts_gives_the_value(fmt, x):
    form, parts = floats.FORMATS[fmt], floats.decompose(np.float32(x), fmt)
    if not math.isfinite(parts.value):
        return
    if parts.exponent:
        size = 2.0 ** (parts.exponent - form.bias) * (1 + parts.fraction / 2**form.fraction_bits)
    else:
        size = 2.0 ** (1 - form.bias) * (parts.fraction / 2**form.fraction_bits)
    assert (-1) ** parts.sign * size == parts.value == floats.round_to(np.float32(x), fmt)


@pytest.mark.parametrize("fmt", floats.FORMATS)
def test_a_format_knows_its_limits(fmt):
    form, info = floats.FORMATS[fmt], ml_dtypes.finfo(ORACLES[fmt])
    assert form.bits == info.bits
    assert form.largest == float(info.max)
    assert form.smallest_normal == float(info.smallest_normal)
    assert form.smallest_subnormal == float(info.smallest_subnormal)


@pytest.mark.parametrize("fmt", SMALL)
def test_the_gap_is_the_distance_to_the_next_number(fmt):
    numbers = floats.values(fmt)
    numbers = numbers[numbers >= 0]
    np.testing.assert_array_equal(floats.gap(numbers[:-1], fmt), np.diff(numbers))
    np.testing.assert_array_equal(floats.gap(-numbers[:-1], fmt), np.diff(numbers))


def test_the_gap_of_float32_is_numpys_spacing():
    x = np.float32([1, 1000, 0.1, 1e-40, 3e38, -7])
    np.testing.assert_array_equal(floats.gap(x, "float32"), np.abs(np.spacing(x)))
    assert np.isnan(floats.gap([np.inf, np.nan], "float32")).all()


def test_shapes_and_types():
    x = np.ones((2, 3), np.float32)
    assert floats.round_to(x, "float16").shape == (2, 3)
    assert floats.round_to(x, "float16").dtype == np.float32
    assert floats.round_to([1, 2], "float16").dtype == np.float64
    assert floats.to_bits(x, "float8_e5m2").dtype == np.uint8
    assert floats.round_to(np.zeros(0), "bfloat16").size == 0


def test_an_input_stays_as_it_is():
    x = np.float32([0.1, np.nan, 1e9])
    before = x.copy()
    floats.round_to(x, "float16")
    floats.to_bits(x, "float16")
    np.testing.assert_array_equal(x, before)


def test_refusals():
    with pytest.raises(ValueError, match="there are float32, float16"):
        floats.round_to(1.0, "half")
    with pytest.raises(TypeError, match="one number"):
        floats.decompose([1.0, 2.0], "float16")
    with pytest.raises(TypeError, match="complex"):
        floats.round_to(1j, "float16")
    with pytest.raises(TypeError, match="integers"):
        floats.compose(1.0, "float16")
    with pytest.raises(ValueError, match="0 to 65535"):
        floats.compose(65536, "float16")
    with pytest.raises(ValueError, match="0 to 255"):
        floats.compose([-1], "float8_e5m2")
    with pytest.raises(ValueError, match="too many"):
        floats.values("float32")
