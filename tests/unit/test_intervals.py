"""Intervals against exact binomials, brute force and, where it is installed, SciPy."""

import math
import random
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from course_utils.numbers.intervals import mcnemar_exact, paired_difference, wilson


def counts(most=300):
    return st.integers(1, most).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts())
def test_wilson_ends_solve_the_equation_that_defines_them(count):
    correct, n = count
    p, z = correct / n, 1.959963984540054
    for q in wilson(correct, n):
        assert (p - q) ** 2 == pytest.approx(z * z * q * (1 - q) / n, rel=1e-6, abs=1e-12)


@given(counts())
def test_wilson_holds_the_share_and_stays_between_0_and_1(count):
    correct, n = count
    low, high = wilson(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    assert low < high


@given(counts())
def test_wilson_treats_right_and_wrong_alike(count):
    correct, n = count
    low, high = wilson(correct, n)
    wrong_low, wrong_high = wilson(n - correct, n)
    assert (low, high) == (pytest.approx(1 - wrong_high), pytest.approx(1 - wrong_low))


def test_wilson_narrows_with_images_and_widens_with_confidence():
    def width(*args):
        low, high = wilson(*args)
        return high - low

    assert width(90, 100) > width(900, 1000) > width(9000, 10_000)
    assert width(90, 100, 0.99) > width(90, 100, 0.95) > width(90, 100, 0.5)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.98])
def test_wilson_covers_the_truth_about_as_often_as_it_says(share):
    """Exact coverage for 200 images: the binomial probability of every count it would cover."""
    n = 200
    covered = 0.0
    for correct in range(n + 1):
        low, high = wilson(correct, n)
        if low <= share <= high:
            covered += math.comb(n, correct) * share**correct * (1 - share) ** (n - correct)
    assert 0.92 < covered < 0.98


def test_all_right_is_not_certainty():
    low, high = wilson(100, 100)
    assert high == 1.0
    assert low == pytest.approx(100 / (100 + 1.959963984540054**2))


@pytest.mark.parametrize(
    ("correct", "n", "confidence"),
    [
        (0, 0, 0.95),
        (5, 4, 0.95),
        (-1, 4, 0.95),
        (3, 4, 95),
        (3, 4, 1),
        (3, 4, 0),
        (math.nan, 4, 0.9),
    ],
)
def test_wilson_refuses_what_is_no_count(correct, n, confidence):
    with pytest.raises(ValueError, match="must"):
        wilson(correct, n, confidence)


@given(st.integers(0, 60), st.integers(0, 60))
def test_mcnemar_is_the_two_sided_binomial_counted_with_fractions(worse, better):
    m = worse + better
    chance = [Fraction(math.comb(m, i), 2**m) for i in range(m + 1)]
    # Two-sided: everything at most as likely as what was seen.
    exact = sum(c for c in chance if c <= chance[worse])
    assert mcnemar_exact(worse, better) == pytest.approx(float(min(exact, Fraction(1))), rel=1e-12)


def test_mcnemar_edges():
    assert mcnemar_exact(0, 0) == 1.0
    assert mcnemar_exact(5, 5) == 1.0
    assert mcnemar_exact(0, 6) == pytest.approx(2 / 64)
    assert mcnemar_exact(10, 30) == mcnemar_exact(30, 10)
    assert 0 <= mcnemar_exact(4000, 6000) < 1e-80


@pytest.mark.parametrize("count", [-1, 2.5])
def test_mcnemar_refuses_what_is_no_count(count):
    with pytest.raises(ValueError, match="whole numbers"):
        mcnemar_exact(count, 3)


def test_both_equal_scipy():
    for correct, n in [(0, 7), (7, 7), (98, 100), (9012, 10_000)]:
        interval = stats.binomtest(correct, n).proportion_ci(0.95, method="wilson")
        assert wilson(correct, n) == pytest.approx((interval.low, interval.high), abs=1e-12)
    for worse, better in [(0, 6), (30, 10), (210, 150)]:
        expected = stats.binomtest(worse, worse + better).pvalue
        assert mcnemar_exact(worse, better) == pytest.approx(expected, rel=1e-9)


def test_paired_difference_holds_the_difference_and_narrows_with_n():
    low, high = paired_difference(0, 0, 100)
    assert low < 0 < high
    for b, c, n in [(3, 1, 50), (120, 40, 10_000), (0, 10_000, 10_000), (50, 0, 50)]:
        low, high = paired_difference(b, c, n)
        assert low <= (b - c) / n <= high
    narrow, wide = paired_difference(12, 4, 1000), paired_difference(3, 1, 250)
    assert narrow[1] - narrow[0] < wide[1] - wide[0]


def test_paired_difference_covers_the_truth_about_as_often_as_it_says():
    rng = random.Random(0)
    covered = 0
    for _ in range(400):
        kinds = rng.choices("wrs", weights=[0.06, 0.03, 0.91], k=500)
        low, high = paired_difference(kinds.count("w"), kinds.count("r"), 500)
        covered += low <= 0.03 <= high
    assert covered >= 0.92 * 400


@pytest.mark.parametrize("counts", [(-1, 0, 10), (6, 5, 10), (0, 0, 0)])
def test_paired_difference_names_impossible_counts(counts):
    with pytest.raises(ValueError, match="newly wrong"):
        paired_difference(*counts)
