"""Exercises of notebook 01: the spread of weights, and the exponents they use."""

from __future__ import annotations

import math

import numpy as np

from course_utils.views.checks import Mistake, example_kernel, exercise


def share_within(weights, k):
    """The share of the weights within k standard deviations of their mean."""
    return float(np.mean(np.abs(weights - np.mean(weights)) <= k * np.std(weights)))


exercise(
    "01.share",
    share_within,
    cases=[
        (np.array([-1.5, 0.0, 0.5, 5.0]), 1.0),
        (example_kernel(1), 1.0),
        (example_kernel(2, mean=-0.08), 2.0),
        (example_kernel(3, mean=0.1), 0.5),
    ],
    mistakes=[
        Mistake(
            "sigma_is_1",
            (
                lambda w, k: np.mean(np.abs(w) <= k),
                lambda w, k: np.mean(np.abs(w - w.mean()) <= k),
            ),
            "You compare the weights with k itself. k counts standard deviations: the distance to "
            "compare with is k times the sigma of these weights.",
        ),
        Mistake(
            "no_abs",
            (
                lambda w, k: np.mean(w - w.mean() <= k * w.std()),
                lambda w, k: np.mean(w <= k * w.std()),
                lambda w, k: np.mean(w <= w.mean() + k * w.std()),
            ),
            "You cut only the upper side: every weight far below the mean is still counted. "
            "Within means on both sides, so compare the distance from the mean, its absolute "
            "value.",
        ),
        Mistake(
            "mean_not_subtracted",
            lambda w, k: np.mean(np.abs(w) <= k * w.std()),
            "You measure the distance from zero. Sigma is the spread about the mean, and this "
            "layer's mean is not exactly zero: subtract it first.",
        ),
        Mistake(
            "mean_of_abs",
            (
                lambda w, k: np.mean(np.abs(np.abs(w) - np.abs(w).mean()) <= k * w.std()),
                lambda w, k: np.mean(np.abs(np.abs(w) - w.mean()) <= k * w.std()),
                lambda w, k: np.mean(np.abs(w) - w.mean() <= k * w.std()),
            ),
            "The absolute value comes too early: take the distance from the mean first, and then "
            "its absolute value.",
        ),
        Mistake(
            "percent",
            lambda w, k: 100 * share_within(w, k),
            "That is a percentage. A share lies between 0 and 1.",
        ),
        Mistake(
            "count",
            lambda w, k: share_within(w, k) * w.size,
            "That is how many weights lie within. A share is that count divided by the number of "
            "weights.",
        ),
        Mistake(
            "outside",
            lambda w, k: 1 - share_within(w, k),
            "That is the share outside: the comparison points the wrong way.",
        ),
        Mistake(
            "variance",
            lambda w, k: np.mean(np.abs(w - w.mean()) <= k * w.var()),
            "You compare with k times the variance. The standard deviation is its square root, and "
            "has the weights' own unit.",
        ),
        Mistake(
            "per_channel",
            (
                lambda w, k: np.mean(np.abs(w - w.mean(axis=-1)) <= k * w.std(axis=-1), axis=-1),
                lambda w, k: np.mean(np.abs(w - w.mean(axis=0)) <= k * w.std(axis=0), axis=0),
                lambda w, k: np.mean(np.abs(w - w.mean()) <= k * w.std(), axis=0),
                lambda w, k: np.mean(np.abs(w - w.mean()) <= k * w.std(), axis=-1),
            ),
            "You get one share for each channel. Without an axis NumPy averages over the whole "
            "layer.",
        ),
    ],
)


def exponents_used(weights):
    """How many different exponents e (2^e <= |w| < 2^(e+1)) the nonzero weights have."""
    weights = np.asarray(weights, dtype=np.float32)
    return len(np.unique(np.frexp(weights[weights != 0])[1]))


def _exponents(weights):
    return np.floor(np.log2(np.abs(weights[weights != 0]).astype(np.float64)))


exercise(
    "01.bits",
    exponents_used,
    cases=[
        (np.array([-3.9, -0.3, 0.0, 0.25, 1.0, 1.9], dtype=np.float32),),
        (np.array([0.3, 0.35, -1e-6, 70.0, -65.0, 0.0], dtype=np.float32),),
        (example_kernel(10),),
        (example_kernel(11, spread=3.0),),
    ],
    mistakes=[
        Mistake(
            "all_patterns",
            (lambda w: 256, lambda w: 255, lambda w: 254),
            "That is how many exponents the 8 bits of a float32 can tell apart. The question is "
            "how many of them these weights use.",
        ),
        Mistake(
            "span",
            (lambda w: np.ptp(_exponents(w)) + 1, lambda w: np.ptp(_exponents(w))),
            "That is the distance from the smallest exponent to the largest, and some in between "
            "are never used. Count the different ones.",
        ),
        Mistake(
            "signs_counted",
            lambda w: len(np.unique(_exponents(w[w > 0]))) + len(np.unique(_exponents(w[w < 0]))),
            "You counted positive and negative weights separately. The sign has a bit of its own; "
            "w and -w have the same exponent.",
        ),
        Mistake(
            "positive_only",
            lambda w: len(np.unique(_exponents(w[w > 0]))),
            "You looked only at the positive weights (the logarithm of a negative number is NaN). "
            "The exponent belongs to the absolute value.",
        ),
        Mistake(
            "zero_counted",
            lambda w: len(np.unique(np.frexp(w[w != 0])[1])) + int(np.any(w == 0)),
            "You counted zero's exponent too. Zero has no leading 1; float32 keeps a bit pattern "
            "of its own for it.",
        ),
        Mistake(
            "rounded",
            (
                lambda w: len(np.unique(np.round(np.log2(np.abs(w[w != 0]))))),
                lambda w: len(np.unique(np.ceil(np.log2(np.abs(w[w != 0]))))),
            ),
            "You rounded the logarithm. The exponent is its floor: 1.9 is 1.9 x 2^0, although its "
            "logarithm is nearer to 1.",
        ),
        Mistake(
            "decades",
            lambda w: len(np.unique(np.floor(np.log10(np.abs(w[w != 0]))))),
            "You counted powers of ten. A float's exponent is a power of two.",
        ),
        Mistake(
            "bits",
            (
                lambda w: math.ceil(math.log2(exponents_used(w))),
                lambda w: math.log2(exponents_used(w)),
            ),
            "That is how many bits would do for these exponents. The question asks how many "
            "different exponents there are.",
        ),
        Mistake(
            "values",
            (lambda w: len(np.unique(w)), lambda w: w.size),
            "That is how many weights there are (or how many different values), not how many "
            "different exponents: many values share one exponent.",
        ),
    ],
)
