"""How a layer's weights are distributed: spread, shares, histogram, and float32 exponents.

The lecture ("Weight Ranges") shows that most weights of AlexNet "are concentrated in a small
range". Here the statement becomes numbers for any layer: how much of it lies within one standard
deviation, what part of the range from the smallest to the largest half of it fills, how far the
largest weight lies beyond, and how few of float32's exponents are used.
"""

from __future__ import annotations

from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from course_utils.numbers.pruning import require_weights

SIGMA_EDGES = np.linspace(-8, 8, 65)  # histogram edges, a quarter of sigma apart
QUANTILES = np.array([0, 0.001, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999, 1])
NORMAL_WITHIN_1_SIGMA = 0.6826894921370859  # erf(1 / sqrt(2)): the share of a normal distribution


class Distribution(NamedTuple):
    """What `describe` tells of one layer. Shares are from 0 to 1; the rest in the weights' unit."""

    count: int
    mean: float
    std: float  # population standard deviation: the lecture's sigma_l
    low: float
    high: float
    quantiles: np.ndarray  # (11,) at QUANTILES
    within: tuple[float, float, float]  # share with |w - mean| <= 1, 2, 3 sigma
    histogram: np.ndarray  # (64,) weights per bin of (w - mean) / sigma; the ends hold the rest
    exponents: np.ndarray  # (256,) weights per biased float32 exponent


def describe(weights) -> Distribution:
    """Return the distribution of one layer's weights.

    weights: real array of any shape. Raises TypeError or ValueError like `pruning.prune`, and
    ValueError if all weights are equal: without spread there is no sigma to measure by.

    >>> describe(np.array([-2.0, -1.0, 0.0, 1.0, 2.0])).within[0]
    0.6
    """
    flat = require_weights(weights).ravel().astype(np.float64)
    mean, std = float(flat.mean()), float(flat.std())
    if std == 0:
        raise ValueError("All weights are equal: their spread is zero, so there is no sigma.")
    z = (flat - mean) / std
    return Distribution(
        count=flat.size,
        mean=mean,
        std=std,
        low=float(flat.min()),
        high=float(flat.max()),
        quantiles=np.quantile(flat, QUANTILES),
        within=tuple(share_within(flat, k) for k in (1, 2, 3)),
        histogram=np.histogram(z.clip(SIGMA_EDGES[0], SIGMA_EDGES[-1]), SIGMA_EDGES)[0],
        exponents=np.bincount(float32_exponents(flat), minlength=256),
    )


def middle_half(distribution):
    """Return the part of the range, smallest to largest weight, that the middle half fills.

    Spread evenly, half of the weights fill half of the range. The nearer to 0, the farther out lie
    the few that stretch it.

    >>> middle_half(describe(np.linspace(-3, 3, 5)))
    0.5
    """
    low, high = (distribution.quantiles[list(QUANTILES).index(q)] for q in (0.25, 0.75))
    return float((high - low) / (distribution.high - distribution.low))


def normal_middle_half(count):
    """Return about what `middle_half` is for `count` values of a normal distribution.

    The more values, the farther out lies the farthest, so that it depends on how many there are.

    >>> round(normal_middle_half(1_000), 2), round(normal_middle_half(1_000_000), 2)
    (0.21, 0.14)
    """
    normal = NormalDist()
    # Blom (1958): where the largest of `count` values is expected.
    farthest = normal.inv_cdf((count - 0.375) / (count + 0.25))
    return normal.inv_cdf(0.75) / farthest


def share_within(weights, k):
    """Return the share of the weights no farther from their mean than k standard deviations.

    >>> share_within(np.array([-3.0, -1.0, 1.0, 3.0]), 1)
    0.5
    """
    weights = np.asarray(weights, dtype=np.float64)
    return float(np.mean(np.abs(weights - weights.mean()) <= k * weights.std()))


def float32_exponents(weights):
    """Return the biased 8-bit exponent of each weight as float32 (IEEE 754-2019, section 3.4).

    >>> float32_exponents(np.array([1.0, 0.5, 0.75, 2.0]))
    array([127, 126, 126, 128])
    """
    bits = np.ascontiguousarray(weights, dtype=np.float32).view(np.uint32)
    return (bits >> 23 & 0xFF).astype(np.intp)  # np.bincount takes no int64 on a 32-bit Python
