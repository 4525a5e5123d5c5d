"""The byte-wise product equals NumPy's, and its counts are the ones that the notebook tells."""

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from course_utils.numbers import soft_float

normal = st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False)
SMALLEST = float(np.finfo(np.float32).tiny)


@given(a=normal, b=normal)
@example(a=1 + 2**-12, b=1 + 2**-12)  # a tie
@example(a=1 + 2**-23, b=1.5)
@example(a=2 - 2**-23, b=1 + 2**-23)  # rounding carries into the exponent
@example(a=-(2.0**-126), b=1.0)
@example(a=2.0**127, b=-1.9375)
def test_the_product_is_numpys(a, b):
    with np.errstate(all="ignore"):
        theirs = np.float32(a) * np.float32(b)
    # A product that rounds up to the smallest normal number was not one before: refused, rightly.
    assume(a and b and abs(np.float64(a) * b) >= SMALLEST and np.isfinite(theirs))
    product = soft_float.multiply(a, b)
    assert product.value == theirs
    assert product.counts["multiply"] == 9
    assert product.operations > 50


def test_all_significands_of_a_few_bits():
    a = 1 + np.arange(64) / 64
    for x in a:
        for y in a * (1 + 2**-20):
            y = float(np.float32(y))
            assert soft_float.multiply(x, y).value == np.float32(x) * np.float32(y)


@pytest.mark.parametrize("pair", [(0.0, 1.0), (1e-40, 1.0), (np.inf, 1.0), (1.0, np.nan),
                                  (1e30, 1e30), (1e-30, 1e-30), (3e38, 1.5)])  # fmt: skip
def test_what_is_not_normal_is_refused(pair):
    with pytest.raises(ValueError, match="usual case only"):
        soft_float.multiply(*pair)


@given(w=st.integers(-128, 127), x=st.integers(-128, 127), total=st.integers(-(2**30), 2**30))
def test_the_integer_step(w, x, total):
    step = soft_float.multiply_accumulate_int8(w, x, total)
    assert step.value == total + w * x
    assert step.operations == 6
