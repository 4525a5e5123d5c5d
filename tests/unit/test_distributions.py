import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils.numbers import distributions


@given(st.lists(st.floats(-10, 10, width=32), min_size=2, max_size=60).filter(
    lambda values: max(values) - min(values) > 1e-3))
def test_shares_agree_with_counting_one_by_one(values):
    weights = np.array(values, np.float64)
    told = distributions.describe(weights)
    mean = math.fsum(values) / len(values)
    for k, share in zip((1, 2, 3), told.within, strict=True):
        far = [abs(v - mean) - k * told.std for v in values]
        if min(abs(f) for f in far) > 1e-9:  # not on the border itself
            assert share == sum(f <= 0 for f in far) / len(values)
    assert told.within[0] <= told.within[1] <= told.within[2]
    assert told.within[1] >= 1 - 1 / 4  # Chebyshev's inequality
    assert told.histogram.sum() == told.exponents.sum() == told.count == len(values)
    assert told.quantiles[0] == told.low == min(values)
    assert told.quantiles[-1] == told.high == max(values)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False, allow_subnormal=False))
def test_exponents_are_those_of_frexp(value):
    exponent = int(distributions.float32_exponents([value])[0])
    if value == 0:
        assert exponent == 0
    else:
        assert exponent == math.frexp(value)[1] - 1 + 127


def test_a_normal_sample_has_the_normal_share():
    weights = np.random.default_rng(0).standard_normal(100_000)
    share = distributions.describe(weights).within[0]
    assert share == pytest.approx(distributions.NORMAL_WITHIN_1_SIGMA, abs=0.005)
    assert math.erf(1 / math.sqrt(2)) == distributions.NORMAL_WITHIN_1_SIGMA


def test_bad_input_is_named():
    with pytest.raises(ValueError, match="spread is zero"):
        distributions.describe(np.ones(5))
    with pytest.raises(ValueError, match="empty"):
        distributions.describe(np.array([]))
    with pytest.raises(ValueError, match="NaN"):
        distributions.describe(np.array([np.nan, 1.0]))


@pytest.mark.parametrize("count", [100, 1_000, 30_000])
def test_the_middle_half_of_normal_values_is_about_as_expected(count):
    rng = np.random.default_rng(1)
    found = [
        distributions.middle_half(distributions.describe(rng.normal(0.3, 2.0, count)))
        for _ in range(200)
    ]
    assert np.median(found) == pytest.approx(distributions.normal_middle_half(count), rel=0.03)


def test_the_middle_half_is_the_same_in_any_unit():
    weights = np.random.default_rng(2).laplace(size=5_000)
    one, other = (distributions.describe(w) for w in (weights, 40 * weights - 3))
    assert distributions.middle_half(one) == pytest.approx(distributions.middle_half(other))
    assert distributions.middle_half(one) < distributions.normal_middle_half(5_000)
