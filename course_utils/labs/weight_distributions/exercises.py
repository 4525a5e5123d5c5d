"""Exercises of notebook 01: the spread of weights, and the exponents they use."""

from __future__ import annotations

import math

import numpy as np

from course_utils.views.checks import Mistake, example_kernel, exercise


def share_within(weights, k):
    """The share of the weights within k standard deviations of their mean."""
    return float(np.mean(np.abs(weights - np.mean(weights)) <= k * np.std(weights)))


def _without_border(w, k):
    """The share of what is nearer than k sigma: < in place of <=, beside another mistake."""
    return np.mean(np.abs(w - np.mean(w)) < k * np.std(w))


exercise(
    "01.share",
    share_within,
    cases=[
        (np.array([-1.5, 0.0, 0.5, 5.0]), 1.1),
        (example_kernel(1), 1.0),
        (example_kernel(2, mean=-0.08), 2.0),
        (example_kernel(3, mean=0.1), 0.5),
        (np.array([-20.0, -19.0, -18.0, -17.0, -6.0]), 0.77),
        (np.array([[-6.0, 1.0, 1.0, 1.0, 2.0], [3.0, -2.0, 0.0, 0.0, 1.0]]), 1.5),
        (np.array([8.0, 12.0, *[10.0] * 6]), 2.0),  # two of them exactly at the border
    ],
    mistakes=[
        Mistake(
            "sigma_is_1",
            (
                lambda w, k: np.mean(np.abs(w) <= k),
                lambda w, k: np.mean(np.abs(w - w.mean()) <= k),
                lambda w, k: np.mean(np.abs(w - w.mean()) < k),
            ),
            "You compare the weights with k itself. k counts standard deviations: the distance to "
            "compare with is k times the sigma of these weights.",
        ),
        Mistake(
            "no_abs",
            (
                lambda w, k: np.mean(w - w.mean() <= k * w.std()),
                lambda w, k: np.mean(w - w.mean() < k * w.std()),
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
            "sample_std",
            lambda w, k: np.mean(np.abs(w - w.mean()) <= k * np.std(w, ddof=1)),
            "You divide by n - 1 (ddof=1), which estimates the spread of what a sample was drawn "
            "from. These are all the weights of the layer: divide by n.",
        ),
        Mistake(
            "median",
            (
                lambda w, k: np.mean(np.abs(w - np.median(w)) <= k * w.std()),
                lambda w, k: np.mean(np.abs(w - np.median(w)) < k * w.std()),
            ),
            "You measure the distance from the median. Sigma is the spread about the mean.",
        ),
        Mistake(
            "mean_distance",
            (
                lambda w, k: np.mean(
                    np.abs(w - w.mean()) <= k * np.mean(np.abs(w - w.mean()))
                ),
                lambda w, k: np.mean(np.abs(w - w.mean()) <= k * np.abs(w).mean()),
            ),
            "You compare with the mean of absolute values. The standard deviation squares the "
            "distances, averages them, and takes the root.",
        ),
        Mistake(
            "spread_of_abs",
            lambda w, k: np.mean(np.abs(w - w.mean()) <= k * np.std(np.abs(w))),
            "Sigma is taken of the absolute values, which are spread less. Take it of the weights "
            "as they are.",
        ),
        Mistake(
            "k_forgotten",
            lambda w, k: np.mean(np.abs(w - w.mean()) <= w.std()),
            "You do not use k: your share is that within one sigma, whatever k is.",
        ),
        Mistake(
            "k_divides",
            (
                lambda w, k: np.mean(np.abs(w - w.mean()) <= w.std() / k),
                lambda w, k: np.mean(k * np.abs(w - w.mean()) <= w.std()),
            ),
            "k stands on the wrong side: with a larger k fewer of your weights lie within. The "
            "distance may be k times sigma.",
        ),
        Mistake(
            "k_added",
            lambda w, k: np.mean(np.abs(w - w.mean()) <= k + w.std()),
            "You add k to sigma. k counts sigmas: multiply.",
        ),
        Mistake(
            "upper_half",
            lambda w, k: np.mean((w >= w.mean()) & (w <= w.mean() + k * w.std())),
            "You count only the weights above the mean. Within means on both sides of it.",
        ),
        Mistake(
            "mask",
            (
                lambda w, k: np.abs(w - w.mean()) <= k * w.std(),
                lambda w, k: np.abs(w - w.mean()) < k * w.std(),
            ),
            "You return a True or False for each weight. The share is one number: how many of "
            "them are True, of all.",
        ),
        Mistake(
            "first_axis",
            lambda w, k: np.sum(np.abs(w - w.mean()) <= k * w.std()) / len(w),
            "You divide by len(...), which is the length of the first axis alone. A layer's "
            "weights have several axes: size counts them all.",
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
            (lambda w, k: 100 * share_within(w, k), lambda w, k: 100 * _without_border(w, k)),
            "That is a percentage. A share lies between 0 and 1.",
        ),
        Mistake(
            "count",
            (
                lambda w, k: share_within(w, k) * w.size,
                lambda w, k: _without_border(w, k) * w.size,
            ),
            "That is how many weights lie within. A share is that count divided by the number of "
            "weights.",
        ),
        Mistake(
            "outside",
            (lambda w, k: 1 - share_within(w, k), lambda w, k: 1 - _without_border(w, k)),
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
                lambda w, k: np.mean(np.abs(w - w.mean(axis=0)) <= k * w.std(axis=0)),
                lambda w, k: np.mean(np.abs(w - w.mean(axis=-1, keepdims=True))
                                     <= k * w.std(axis=-1, keepdims=True)),
                lambda w, k: np.mean(np.abs(w - w.mean()) <= k * w.std(), axis=0),
                lambda w, k: np.mean(np.abs(w - w.mean()) <= k * w.std(), axis=-1),
            ),
            "You take the mean, sigma or share along one axis, so that each row or channel has its "
            "own. The layer has one: without an axis NumPy takes them over all weights.",
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
        (np.array([1.0, -1.5, 5.0, -5.5, 9.0, 0.7, -0.06, 0.13], dtype=np.float32),),
        (np.append(example_kernel(12)[0, 0], np.zeros((1, 4), np.float32), 0),),
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
            (
                lambda w: len(np.unique(_exponents(w[w > 0]))),
                lambda w: len(np.unique(np.floor(np.log2(w)))),
                lambda w: len(np.unique(np.floor(np.log2(w[w != 0])))),
                lambda w: len(np.unique(np.frexp(w[w > 0])[1])),
            ),
            "You looked only at the positive weights (the logarithm of a negative number is NaN). "
            "The exponent belongs to the absolute value.",
        ),
        Mistake(
            "zero_counted",
            (
                lambda w: len(np.unique(np.frexp(w[w != 0])[1])) + int(np.any(w == 0)),
                lambda w: len(np.unique(np.frexp(w)[1])),
            ),
            "You counted zero's exponent too. Zero has no leading 1; float32 keeps a bit pattern "
            "of its own for it.",
        ),
        Mistake(
            "truncated",
            (
                lambda w: len(np.unique(np.log2(np.abs(w[w != 0])).astype(int))),
                lambda w: len(np.unique(np.trunc(np.log2(np.abs(w[w != 0]))))),
            ),
            "You cut the logarithm's fraction off, towards zero. The exponent is the whole number "
            "below it: 0.7 is 1.4 x 2^-1, although its logarithm is cut to 0.",
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
            (
                lambda w: len(np.unique(np.floor(np.log10(np.abs(w[w != 0]))))),
                lambda w: len(np.unique(np.floor(np.log(np.abs(w[w != 0]))))),
            ),
            "You counted powers of ten, or of e. A float's exponent is a power of two.",
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
            (
                lambda w: len(np.unique(w)),
                lambda w: len(np.unique(w[w != 0])),
                lambda w: len(np.unique(np.abs(w[w != 0]))),
                lambda w: w.size,
                lambda w: np.count_nonzero(w),
                lambda w: len(np.frexp(w[w != 0])[1]),
            ),
            "That is how many weights there are (or how many different values), not how many "
            "different exponents: many values share one exponent.",
        ),
        Mistake(
            "first_axis",
            (lambda w: len(w), lambda w: len(np.frexp(w)[1])),
            "len(...) of an array is the length of its first axis: it counts neither the weights "
            "nor their exponents. Find the different exponents first, then count those.",
        ),
        Mistake(
            "pair",
            lambda w: len(np.frexp(w)),
            "You counted the two parts of the pair that np.frexp returns, fractions and exponents. "
            "Take the exponents out of it first.",
        ),
        Mistake(
            "fractions",
            (
                lambda w: len(np.unique(np.frexp(w[w != 0])[0])),
                lambda w: len(np.unique(np.frexp(w)[0])),
                lambda w: len(np.unique(np.frexp(w[w != 0]))),
                lambda w: len(np.unique(np.frexp(w))),
            ),
            "You counted different fractions. np.frexp returns the fraction first and the exponent "
            "second; only the exponents are asked for.",
        ),
        Mistake(
            "exponents_themselves",
            (
                lambda w: np.unique(np.frexp(w[w != 0])[1]),
                lambda w: np.frexp(w[w != 0])[1],
                lambda w: np.unique(np.frexp(w)[1]),
            ),
            "You return the exponents themselves. The question is how many different ones there "
            "are: one number.",
        ),
        Mistake(
            "repetitions",
            lambda w: np.unique(np.frexp(w[w != 0])[1], return_counts=True)[1],
            "You return how often each exponent occurs. The question is how many different ones "
            "there are: one number.",
        ),
        Mistake(
            "largest",
            (
                lambda w: np.frexp(w[w != 0])[1].max(),
                lambda w: np.max(_exponents(w)),
                lambda w: np.frexp(np.abs(w).max())[1],
            ),
            "That is the largest exponent. The question is how many different ones there are.",
        ),
        Mistake(
            "sign_of_exponent",
            lambda w: len(np.unique(np.abs(np.frexp(w[w != 0])[1]))),
            "You took the absolute value of the exponents, so that 2^-3 and 2^3 count as one. The "
            "absolute value belongs to the weights, and np.frexp does not need it.",
        ),
        Mistake(
            "exponent_zero_left_out",
            (
                lambda w: len({e for e in np.frexp(w)[1].ravel().tolist() if e != 0}),
                lambda w: len({e for e in _exponents(w).ravel().tolist() if e != 0}),
            ),
            "You left out the exponent 0. It is an exponent like any other, that of numbers near "
            "1: what has none is the weight 0.",
        ),
        Mistake(
            "always_one_less",
            lambda w: exponents_used(w) - 1,
            "You always take one off for the weight 0. A layer without such a weight has none to "
            "take off: leave weights of 0 out before you count.",
        ),
    ],
)
