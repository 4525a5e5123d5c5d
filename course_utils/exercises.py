"""The exercises of the notebooks, and the misconceptions that their answers can show.

`exercise(id, right=..., cases=..., mistakes=...)` declares one; `checks.Exercise` explains the
fields. A mistake reads: its name, what somebody who makes it computes, what to tell them. To add
one, write the wrong computation; it must differ from the right one, and from every other mistake,
on at least one of the cases (a test holds every declaration to that).

What a mistake tells names the error and what the right idea is, but is not the solution's code.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from course_utils import pruning
from course_utils.checks import NOT_ATTEMPTED, PASSED, Mistake, exercise, judge, not_yet


def _kernel(seed, shape=(3, 3, 2, 4), mean=0.05, spread=0.2):
    """Weights like a small convolution's: Keras order (height, width, channels in, filters).

    The filters' spreads differ, and the mean is not zero: otherwise some mistakes would not show.
    """
    rng = np.random.default_rng(seed)
    filters = np.linspace(0.5, 1.5, shape[-1])
    return (rng.normal(mean, spread, shape) * filters).astype(np.float32)


# ------------------------------------------------------------------ 00 start here


def payload_seconds(model_bytes, kbit_per_s):
    return model_bytes * 8 / (kbit_per_s * 1000)


exercise(
    "00.payload",
    payload_seconds,
    function=False,
    rtol=5e-3,  # seconds copied by hand; 1000 against 1024 is 2.4 %
    cases=[(1000, 1)],
    mistakes=[
        Mistake(
            "bytes_for_bits",
            lambda size, rate: size / (rate * 1000),
            "Eight times too short: the model's size is in bytes, the link's speed in bits per "
            "second. A byte has 8 bits.",
        ),
        Mistake(
            "divides_by_8",
            lambda size, rate: size / 8 / (rate * 1000),
            "64 times too short: you divided by 8 where bytes become bits by multiplying by 8.",
        ),
        Mistake(
            "kilo_is_1024",
            lambda size, rate: size * 8 / (rate * 1024),
            "2.4 % too short: 1024 stands where 1000 belongs. Link speeds use the decimal kilo, "
            "and the model's size is given in single bytes; 1024 is the kibi (Ki) of memory sizes.",
        ),
        Mistake(
            "bytes_and_1024",
            lambda size, rate: size / (rate * 1024),
            "Two things at once: the size is in bytes but the speed in bits, and a link's kilo is "
            "1000, not 1024.",
        ),
        Mistake(
            "kilo_forgotten",
            lambda size, rate: size * 8 / rate,
            "A thousand times too long: the speed is in kilobits per second, 1000 bits each. "
            "(Or your answer is in milliseconds; it should be in seconds.)",
        ),
        Mistake(
            "minutes",
            lambda size, rate: size * 8 / (rate * 1000) / 60,
            "That is the time in minutes; the question asks for seconds.",
        ),
        Mistake(
            "upside_down",
            lambda size, rate: rate * 1000 / (size * 8),
            "You divided the speed by the size. That is how many models go over the link in one "
            "second; the time is its inverse.",
        ),
    ],
)


def conv_macs(output_shape, input_shape, kernel_size):
    """Shapes are (height, width, channels), as Keras prints them; kernel_size (height, width)."""
    return math.prod(output_shape) * math.prod(kernel_size) * input_shape[2]


exercise(
    "00.macs",
    conv_macs,
    function=False,
    rtol=1e-9,
    cases=[((2, 2, 1), (4, 4, 1), (3, 3))],
    mistakes=[
        Mistake(
            "no_input_channels",
            lambda out, into, k: math.prod(out) * math.prod(k),
            "You left out the input channels: a filter reaches through all of them, so each output "
            "value costs kernel height x kernel width x input channels.",
        ),
        Mistake(
            "input_size",
            lambda out, into, k: into[0] * into[1] * out[2] * math.prod(k) * into[2],
            "You counted one filter position for each pixel of the input. The filter is computed "
            "once for each pixel of the output, which here is smaller.",
        ),
        Mistake(
            "twice",
            lambda out, into, k: 2 * conv_macs(out, into, k),
            "Exactly twice too many: you counted the multiplication and the addition separately "
            "(that is the count of operations, or FLOPs). One multiply-accumulate is both.",
        ),
        Mistake(
            "parameters",
            (
                lambda out, into, k: math.prod(k) * into[2] * out[2],
                lambda out, into, k: math.prod(k) * into[2] * out[2] + out[2],
            ),
            "That is the number of parameters. A convolution uses each of its weights again at "
            "every position of the output.",
        ),
        Mistake(
            "one_filter",
            lambda out, into, k: out[0] * out[1] * math.prod(k) * into[2],
            "That is the cost of one filter. The layer has one for each output channel.",
        ),
        Mistake(
            "kernel_side",
            lambda out, into, k: math.prod(out) * k[0] * into[2],
            "The kernel covers an area: its height times its width, not one side.",
        ),
        Mistake(
            "with_bias",
            lambda out, into, k: conv_macs(out, into, k) + math.prod(out),
            "You counted the bias as one more multiply-accumulate for each output value. It is "
            "only added, and usually the accumulator just starts from it.",
        ),
    ],
)


# ------------------------------------------------------------------ 01 weight distributions


def share_within(weights, k):
    """The share of the weights within k standard deviations of their mean."""
    return float(np.mean(np.abs(weights - np.mean(weights)) <= k * np.std(weights)))


exercise(
    "01.share",
    share_within,
    cases=[
        (np.array([-1.5, 0.0, 0.5, 5.0]), 1.0),
        (_kernel(1), 1.0),
        (_kernel(2, mean=-0.08), 2.0),
        (_kernel(3, mean=0.1), 0.5),
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
        (_kernel(10),),
        (_kernel(11, spread=3.0),),
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


# ------------------------------------------------------------------ 02 magnitude pruning

exercise(
    "02.threshold",
    pruning.magnitude_threshold,
    cases=[
        (np.array([-3.0, 0.0, 1.0, 4.0]), 0.5),
        (_kernel(4), 0.25),
        (_kernel(5), 1.0),
        (_kernel(6, mean=-0.05), 2.0),
        (_kernel(7), 0.0),
    ],
    mistakes=[
        Mistake(
            "variance",
            lambda w, s: s * np.var(w),
            "You multiply s by the variance. Sigma on the slide is the standard deviation, the "
            "variance's square root: only that has the weights' own unit, so that |w| can be "
            "compared with it.",
        ),
        Mistake(
            "mean_abs",
            lambda w, s: s * np.mean(np.abs(w)),
            "You multiply s by the mean of |w|. The slide's sigma is the standard deviation: the "
            "root of the mean squared distance from the mean.",
        ),
        Mistake(
            "max_abs",
            lambda w, s: s * np.max(np.abs(w)),
            "You multiply s by the largest |w|. One outlier would then set the threshold of the "
            "whole layer; the slide uses the standard deviation, to which all weights contribute.",
        ),
        Mistake(
            "range",
            (lambda w, s: s * np.ptp(w), lambda w, s: s * np.max(w)),
            "You multiply s by the extremes of the weights. The slide uses their standard "
            "deviation, to which all weights contribute.",
        ),
        Mistake(
            "mean",
            (lambda w, s: s * np.mean(w), lambda w, s: s * np.abs(np.mean(w))),
            "You multiply s by the mean. Positive and negative weights cancel in it, so that it is "
            "near zero however wide the layer is; the slide uses the standard deviation.",
        ),
        Mistake(
            "root_mean_square",
            lambda w, s: s * np.sqrt(np.mean(np.square(w, dtype=np.float64))),
            "You multiply s by the root of the mean of w squared, measured from zero. The standard "
            "deviation is measured from the mean, which is not exactly zero here.",
        ),
        Mistake(
            "std_of_abs",
            lambda w, s: s * np.std(np.abs(w)),
            "You took the absolute value before the standard deviation, which folds the negative "
            "half over the positive one. Sigma is the spread of the weights themselves; |w| comes "
            "in only when they are compared with the threshold.",
        ),
        Mistake(
            "mean_plus",
            (lambda w, s: np.mean(w) + s * np.std(w), lambda w, s: np.mean(w) - s * np.std(w)),
            "You added the mean. The threshold is a magnitude, counted from zero: just s times "
            "sigma.",
        ),
        Mistake(
            "per_channel",
            tuple(
                (lambda w, s, axis=axis: s * np.std(w, axis=axis))
                for axis in (-1, 0, (0, 1, 2), (0, 1))
            ),
            "You get one threshold for each channel (an array). The slide's sigma_l is one number "
            "for the layer: without an axis NumPy takes all weights together.",
        ),
        Mistake(
            "sample_std",
            lambda w, s: s * np.std(w, ddof=1),
            "You divide by n - 1 (ddof=1), as for a sample drawn from something larger. These are "
            "all the weights that the layer has: divide by n, as NumPy does if not told otherwise. "
            "(In a large layer the difference is small; in this check's small ones it shows.)",
        ),
        Mistake(
            "s_forgotten",
            lambda w, s: np.std(w),
            "You return sigma itself: s is not used, so the slider would do nothing.",
        ),
        Mistake(
            "sigma_forgotten",
            lambda w, s: s,
            "You return s itself. It counts standard deviations; to compare it with a weight it "
            "must be multiplied by the layer's.",
        ),
        Mistake(
            "s_is_sparsity",
            (
                lambda w, s: np.quantile(np.abs(w), s),
                lambda w, s: np.percentile(np.abs(w), 100 * s),
            ),
            "You return the threshold that removes the share s of the weights. s is not a sparsity "
            "but a number of standard deviations (and may exceed 1).",
        ),
        Mistake(
            "divided",
            lambda w, s: np.std(w) / s,
            "You divide by s. A larger s should remove more weights.",
        ),
        Mistake(
            "rounded",
            tuple(
                (lambda w, s, places=places: np.round(s * np.std(w), places))
                for places in (0, 1, 2, 3, 4)
            ),
            "You rounded the threshold. Weights of real layers are small, and many lie between the "
            "rounded threshold and the true one: round when you print, never when you compute.",
        ),
    ],
)

exercise(
    "02.mask",
    pruning.magnitude_mask,
    cases=[
        (np.array([-2.0, -1.0, 0.0, 1.0, 2.0]), 1.0),
        (np.array([0.0, 0.5]), 0.0),
        (_kernel(8), 0.125),
        (_kernel(9), 0.25),
    ],
    mistakes=[
        Mistake(
            "no_abs",
            lambda w, threshold: w > threshold,
            "You keep only large positive weights, so that every negative one is pruned. The slide "
            "compares the magnitude, |w|.",
        ),
        Mistake(
            "greater_equal",
            lambda w, threshold: np.abs(w) >= threshold,
            "A weight exactly at the threshold is kept in yours. On the slide it is pruned: w is "
            "kept if |w| > lambda and becomes 0 if |w| <= lambda.",
        ),
        Mistake(
            "inverted",
            (
                lambda w, threshold: np.abs(w) <= threshold,
                lambda w, threshold: np.abs(w) < threshold,
            ),
            "Your mask is inverted: True marks the weights that are pruned. Here True means kept, "
            "so that weights * mask is the pruned layer.",
        ),
        Mistake(
            "inverted_no_abs",
            (lambda w, threshold: w <= threshold, lambda w, threshold: w < threshold),
            "Two things at once: the comparison points the wrong way (True means kept), and it is "
            "the magnitude |w| that is compared.",
        ),
        Mistake(
            "pruned_weights",
            (
                lambda w, threshold: np.where(np.abs(w) > threshold, w, 0),
                lambda w, threshold: w[np.abs(w) > threshold],
            ),
            "You return the weights that are left. A mask says only which ones are kept: True or "
            "False for each, in the shape of the layer.",
        ),
        Mistake(
            "numbers",
            lambda w, threshold: (np.abs(w) > threshold).astype(float),
            "The right pattern, but as numbers 1 and 0. A mask is an array of True and False "
            "(dtype bool): only then does weights[mask] pick weights, and ~mask invert it.",
        ),
        Mistake(
            "indices",
            (
                lambda w, threshold: np.nonzero(np.abs(w) > threshold),
                lambda w, threshold: np.flatnonzero(np.abs(w) > threshold),
                lambda w, threshold: np.argwhere(np.abs(w) > threshold),
            ),
            "You return the places of the kept weights. A mask has the shape of the layer, with "
            "True or False at every place.",
        ),
        Mistake(
            "count",
            (
                lambda w, threshold: np.count_nonzero(np.abs(w) > threshold),
                lambda w, threshold: np.mean(np.abs(w) > threshold),
                lambda w, threshold: np.mean(np.abs(w) <= threshold),
            ),
            "You return one number, how many weights are kept or pruned. A mask says it for every "
            "weight.",
        ),
        Mistake(
            "one_answer",
            (
                lambda w, threshold: bool(np.any(np.abs(w) > threshold)),
                lambda w, threshold: bool(np.all(np.abs(w) > threshold)),
            ),
            "You return one True or False for the whole layer. A mask has one for every weight.",
        ),
        Mistake(
            "flat",
            lambda w, threshold: (np.abs(w) > threshold).ravel(),
            "The right pattern, but flattened. Keep the shape of the layer, so that "
            "weights * mask works.",
        ),
        Mistake(
            "scaled_again",
            lambda w, threshold: np.abs(w) > threshold * np.std(w),
            "You multiply by sigma here. The threshold given to this function is lambda, in which "
            "sigma is contained already.",
        ),
        Mistake(
            "squared",
            lambda w, threshold: np.square(w) > threshold,
            "You compare w squared with the threshold. The square drops the sign but changes the "
            "size too; the slide compares |w|.",
        ),
    ],
)


@judge("02.budget")
def budget(answer, evaluate, target, within=0.01):
    """One s for each layer: reach the target sparsity at the least loss of accuracy.

    answer:    dict layer name -> s.
    evaluate:  a function of such a dict; what it returns has `sparsity` (of all weights together),
               `accuracy` and `best_accuracy` (the best one known that reaches the target), all as
               shares and on the VALIDATION set. Where it also has `layer_sparsity` (dict layer ->
               share), an average of the layers' sparsities can be told from the network's.
    target:    the sparsity to reach, a share.
    within:    how far below the best accuracy still passes, a share (0.01 is one point).
    """
    if not isinstance(answer, dict) or not answer:
        return not_yet(
            "The answer is a dictionary with one s for each layer, such as "
            '{"first_layer": 0.5, "second_layer": 1.0}.',
            "not_a_dict",
        )
    if any(s is None or s is ... for s in answer.values()):
        return NOT_ATTEMPTED
    for layer, s in answer.items():
        is_number = isinstance(s, int | float | np.number) and not isinstance(s, bool)
        if not is_number or not 0 <= s < math.inf:
            return not_yet(
                f"S of layer {layer!r} must be a number that is not negative: it says how many "
                "standard deviations to cut away.",
                "s_not_a_number",
            )
    try:
        pruned = evaluate(dict(answer))
    except (LookupError, TypeError, ValueError) as error:
        says = str(error.args[0] if error.args else error).rstrip(".")
        return not_yet(f"This choice can't be evaluated: {says}.", "not_evaluated")

    def percent(share):
        return f"{100 * share:.1f} %"

    settings = [float(s) for s in answer.values()]

    if pruned.sparsity < target:
        if all(math.isclose(s, target) for s in settings):
            return not_yet(
                f"{target:g} is the sparsity to reach, but s is not a sparsity: it counts standard "
                f"deviations (lambda = s * sigma). With this s {percent(pruned.sparsity)} of the "
                "weights go.",
                "s_is_sparsity",
            )
        layers = getattr(pruned, "layer_sparsity", None)
        if layers and np.mean(list(layers.values())) >= target:
            return not_yet(
                f"The average of the layers' sparsities reaches {percent(target)}, but the network "
                f"has only {percent(pruned.sparsity)}: layers differ in size, and the target "
                "counts weights. Look at which layer holds most of them.",
                "mean_of_layers",
            )
        return not_yet(
            f"{percent(pruned.sparsity)} of the weights are pruned; the target is "
            f"{percent(target)}. Raise s where the accuracy suffers least: the sensitivity curves "
            "show which layers those are.",
            "below_target",
        )
    reached = (
        f"{percent(pruned.sparsity)} of the weights are pruned, and the validation accuracy is "
        f"{percent(pruned.accuracy)}; the best known choice has {percent(pruned.best_accuracy)}."
    )
    # A margin must not be missed by the rounding of a subtraction.
    if pruned.accuracy >= pruned.best_accuracy - within - 1e-9:
        return replace(PASSED, says=reached)
    if pruned.sparsity > target + 0.02:
        return not_yet(
            f"{reached} You prune more than the {percent(target)} that were asked, and pay for it.",
            "beyond_target",
        )
    if len(settings) > 1 and len(set(settings)) == 1:
        return not_yet(
            f"{reached} One s for all layers treats them alike, and they are not: some bear far "
            "more pruning than others. Lower s in the most sensitive layer, raise it in the "
            "largest.",
            "one_s",
        )
    layer, gain = _most_costly_layer(answer, evaluate, pruned.accuracy)
    if gain > within:
        return not_yet(
            f"{reached} Most of the loss comes from layer {layer!r}: left dense, it alone would "
            f"win back {100 * gain:.1f} percentage points. Prune it less, and a larger, less "
            "sensitive layer more.",
            "sensitive_layer",
        )
    return not_yet(
        f"{reached} No single layer is to blame. Move some pruning from the smaller layers to the "
        "largest.",
        "several_layers",
    )


def _most_costly_layer(answer, evaluate, accuracy):
    """The layer that, left dense, wins back the most accuracy, and how much."""
    gains = {layer: evaluate({**answer, layer: 0.0}).accuracy - accuracy for layer in answer}
    layer = max(gains, key=gains.get)
    return layer, gains[layer]
