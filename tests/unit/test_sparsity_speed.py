"""The arithmetic between what is measured and what is told."""

import pytest

from course_utils.labs.structured_pruning import sparsity_speed as speed

N = len(speed.SPARSITIES)


def medians(values):
    return [[v - 1, v, v + 1] for v in values]


def test_break_even_lies_where_the_lines_cross():
    dense = medians([20.0] * N)
    linear = medians([100 * (1 - s) for s in speed.SPARSITIES])  # 19 = 95 % of 20 at s = 0.81
    assert speed.break_even(dense, linear) == pytest.approx(0.81, abs=0.001)


def test_noise_is_no_gain():
    dense = medians([20.0] * N)
    assert speed.break_even(dense, medians([19.5] * N)) is None
    assert speed.break_even(dense, medians([19.5] * (N - 1) + [5.0])) > speed.SPARSITIES[-2]
    assert speed.break_even(dense, medians([10.0] * N)) == 0.0


def test_multiplications_time_every_sparsity():
    found = speed.multiplications(30, 40, seconds=0.01)
    assert {way: len(times) for way, times in found.items()} == {"dense": N, "scipy": N}
    assert all(0 < low <= median <= high for times in found.values() for low, median, high in times)
