"""floats.py against NumPy's float16 and ml_dtypes: every 8- and 16-bit code, and many float32."""

import math

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.numbers import floats

REFERENCES = {
    "float32": np.float32,
    "float16": np.float16,
    "bfloat16": ml_dtypes.bfloat16,
    "float8_e4m3": ml_dtypes.float8_e4m3fn,
    "float8_e5m2": ml_dtypes.float8_e5m2,
}
SMALL = [name for name in REFERENCES if name != "float32"]
any_format = st.sampled_from(list(REFERENCES))
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)


def codes_of(fmt):
    """Return (codes, the reference's value of each) for all codes of a format."""
    bits = floats.FORMATS[fmt].bits
    codes = np.arange(2**bits, dtype=f"uint{bits}")
    with np.errstate(invalid="ignore"):  # the NaN codes
        return codes, codes.view(REFERENCES[fmt]).astype(np.float64)


def reference_round(x, fmt):
    """What the reference rounds x to. ml_dtypes rounds a float64 twice, so it gets float32."""
    x = np.asarray(x, np.float64)
    if fmt not in ("float32", "float16"):
        assert np.array_equal(x.astype(np.float32), x, equal_nan=True)
        x = x.astype(np.float32)
    with np.errstate(over="ignore"):
        return x.astype(REFERENCES[fmt]).astype(np.float32)


@pytest.mark.parametrize("fmt", SMALL)
def test_every_code_means_what_the_reference_says(fmt):
    codes, values = codes_of(fmt)
    for code, value in zip(codes.tolist(), values.tolist(), strict=True):
        number = floats.from_bits(code, fmt)
        if math.isnan(value):
            assert number.kind == "nan"
            continue
        assert number.value == value
        assert math.copysign(1, number.value) == math.copysign(1, value)
        again = floats.decompose(value, fmt)
        assert again == number
        assert int(number.bits.replace(" ", ""), 2) == code


@pytest.mark.parametrize("fmt", SMALL)
def test_rounding_at_around_and_between_all_numbers(fmt):
    _, values = codes_of(fmt)
    values = np.unique(values[np.isfinite(values)])
    halves = (values[1:] + values[:-1]) / 2
    largest, gap = values[-1], values[-1] - values[-2]
    edge = largest + gap / 2
    x = np.concatenate([values, halves, [edge, -edge, 2 * largest, np.inf, -np.inf, np.nan]])
    with np.errstate(over="ignore"):
        x = x.astype(np.float32)
    x = np.concatenate([x, np.nextafter(x, np.float32(np.inf)), np.nextafter(x, -x)])
    np.testing.assert_array_equal(floats.round_to(x, fmt), reference_round(x, fmt))
    assert np.signbit(floats.round_to(np.array([-0.0, -1e-300]), fmt)).all()


@given(
    fmt=st.sampled_from(["float32", "float16"]),
    x=st.lists(st.floats(width=64), min_size=1, max_size=50),
)
def test_rounding_of_any_float64(fmt, x):
    np.testing.assert_array_equal(floats.round_to(x, fmt), reference_round(x, fmt))


def test_a_float64_is_rounded_once():
    # By way of float32 this would become the tie 1 + 2^-8, and then 1.
    assert floats.round_to(1 + 2.0**-8 + 2.0**-40, "bfloat16") == 1 + 2.0**-7


@given(fmt=any_format, code=st.integers(0, 2**32 - 1))
def test_any_float32_and_ties_between_its_neighbours(fmt, code):
    value = float(np.array([code], np.uint32).view(np.float32)[0])
    expected = reference_round(value, fmt)
    np.testing.assert_array_equal(floats.round_to(value, fmt), expected)
    number = floats.from_bits(code)
    assert number.value == value or math.isnan(value)
    if not math.isfinite(expected) or abs(expected) == floats.FORMATS[fmt].largest:
        return
    below, above = floats.neighbours(value, fmt)
    assert below < expected < above
    tie = (float(expected) + above) / 2
    even = floats.decompose(floats.round_to(tie, fmt), fmt)
    assert even.fraction % 2 == 0 or even.kind == "infinity"
    np.testing.assert_array_equal(floats.round_to(tie, fmt), reference_round(tie, fmt))


@given(value=finite)
def test_float32_gap_is_numpys_spacing(value):
    if abs(value) < floats.FORMATS["float32"].largest:
        assert floats.gap(value) == float(np.spacing(np.abs(np.float32(value))))


@given(fmt=st.sampled_from(SMALL), ends=st.tuples(finite, finite))
def test_counting_is_listing(fmt, ends):
    low, high = min(ends), max(ends)
    listed = floats.all_values(fmt)
    assert floats.count_between(low, high, fmt) == np.sum((listed >= low) & (listed <= high))


def test_known_numbers():
    assert floats.FORMATS["float16"].largest == 65504
    assert floats.FORMATS["float8_e4m3"].largest == 448
    assert floats.FORMATS["float8_e5m2"].largest == 57344
    assert floats.FORMATS["float32"].largest == np.finfo(np.float32).max
    assert floats.FORMATS["float32"].smallest == 2.0**-149
    assert floats.FORMATS["bfloat16"].smallest_normal == np.finfo(np.float32).tiny
    for fmt in SMALL:
        _, values = codes_of(fmt)
        listed = floats.all_values(fmt)
        np.testing.assert_array_equal(listed, np.unique(values[np.isfinite(values)]))
    # Half of all positive float32 numbers are below 1.
    assert floats.count_between(0, 1) / floats.count_between(0, math.inf) == pytest.approx(
        0.5, abs=0.01
    )


def test_float8_e4m3_overflows_to_nan_and_the_others_to_infinity():
    assert floats.decompose(1e9, "float8_e4m3").kind == "nan"
    assert floats.decompose(-1e9, "float8_e4m3").bits == "1 1111 111"
    for fmt in ("float16", "float8_e5m2"):
        assert floats.decompose(1e9, fmt).kind == "infinity"
    assert floats.decompose(1e39, "bfloat16").value == math.inf
    assert floats.decompose(math.nan).kind == "nan"
    assert floats.neighbours(448.0, "float8_e4m3")[0] == 416.0
    assert math.isnan(floats.neighbours(448.0, "float8_e4m3")[1])


def test_shapes_and_scalars_stay_as_they_are():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert floats.round_to(x, "bfloat16").shape == (2, 3)
    assert floats.round_to(0.5, "float16") == 0.5
    assert floats.round_to(x, "float16").dtype == np.float32


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: floats.round_to(1, "float12"), ValueError, "no format 'float12'"),
        (lambda: floats.compose(2, 0, 0), ValueError, "sign 2 does not fit in 1 bits"),
        (lambda: floats.compose(0, 256, 0), ValueError, "exponent 256"),
        (lambda: floats.compose(0, 0, 1.5), TypeError, "not an integer"),
        (lambda: floats.from_bits("0101"), ValueError, "float32 has 32 bits"),
        (lambda: floats.from_bits("2" * 8, "float8_e5m2"), ValueError, "each 0 or 1"),
        (lambda: floats.from_bits(256, "float8_e4m3"), ValueError, "no code of 8 bits"),
        (lambda: floats.gap(math.inf), ValueError, "not finite"),
        (lambda: floats.gap(1e6, "float16"), ValueError, "not finite"),
        (lambda: floats.count_between(2, 1), ValueError, "low end"),
        (lambda: floats.count_between(math.nan, 1), ValueError, "low end"),
        (lambda: floats.all_values("float32"), ValueError, "too many to list"),
    ],
)
def test_bad_input_is_named(call, error, message):
    with pytest.raises(error, match=message):
        call()
