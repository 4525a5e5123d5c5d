"""Exercises of notebook 02: thresholds, masks, and one s for each layer."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from course_utils.numbers import pruning
from course_utils.views.checks import (
    NOT_ATTEMPTED,
    PASSED,
    Mistake,
    example_kernel,
    exercise,
    judge,
    ledger,
    not_yet,
)

exercise(
    "02.threshold",
    pruning.magnitude_threshold,
    cases=[
        (np.array([-3.0, 0.0, 1.0, 4.0]), 0.5),
        (example_kernel(4), 0.25),
        (example_kernel(5), 1.0),
        (example_kernel(6, mean=-0.05), 2.0),
        (example_kernel(7), 0.0),
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
            "standard_error",
            lambda w, s: s * np.std(w) / np.sqrt(np.size(w)),
            "You divide by the root of the number of weights, which is how well a mean would be "
            "known. Sigma is the spread of the weights themselves, however many there are.",
        ),
        Mistake(
            "median_abs",
            lambda w, s: s * np.median(np.abs(w)),
            "You multiply s by the median of |w|. The slide's sigma is the standard deviation: the "
            "root of the mean squared distance from the mean.",
        ),
        Mistake(
            "added",
            lambda w, s: s + np.std(w),
            "You add s to sigma. s counts standard deviations: it multiplies.",
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
        (example_kernel(8), 0.125),
        (example_kernel(9), 0.25),
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
            "negative_only",
            (lambda w, threshold: w < -threshold, lambda w, threshold: w <= -threshold),
            "You keep only large negative weights, so that every positive one is pruned. The slide "
            "compares the magnitude, |w|.",
        ),
        Mistake(
            "both_at_once",
            lambda w, threshold: (w > threshold) & (w < -threshold),
            "Your mask keeps nothing: no weight lies above the threshold and below minus the "
            "threshold at once. One of the two is enough to be kept.",
        ),
        Mistake(
            "inverted",
            (
                lambda w, threshold: np.abs(w) <= threshold,
                lambda w, threshold: np.abs(w) < threshold,
                lambda w, threshold: (w > -threshold) & (w <= threshold),
            ),
            "Your mask is inverted: True marks the weights that are pruned. Here True means kept, "
            "so that weights * mask is the pruned layer.",
        ),
        Mistake(
            "inverted_no_abs",
            (lambda w, threshold: w <= threshold, lambda w, threshold: w < threshold),
            "Your mask is True where w itself lies below the threshold: the comparison points the "
            "wrong way (True means kept), and it is the magnitude |w| that is compared. The same "
            "comes of a function whose parameters stand in the other order: the weights come "
            "first.",
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


def bitmap_break_even(value_bits):
    return 1 / value_bits


exercise(
    "02.break_even",
    bitmap_break_even,
    cases=[(8,), (32,)],
    function=False,
    mistakes=[
        Mistake(
            "kept",
            lambda bits: 1 - 1 / bits,
            "That is the share of the weights that may be kept. Its sparsity, the share removed, "
            "is one minus that.",
        ),
        Mistake(
            "index_of_the_kept",
            (lambda bits: 1 / (bits + 1), lambda bits: 1 - 1 / (bits + 1)),
            "You let only the kept weights pay for their bit. A bitmap has one for every weight, "
            "also for those that are zero: that is how it says where they are.",
        ),
        Mistake(
            "bits_and_bytes",
            (lambda bits: 8 / bits, lambda bits: 1 / (8 * bits), lambda bits: 1 - 8 / bits),
            "Bits and bytes are mixed up: of the bitmap each weight takes one bit, of the array "
            "as many as a value has.",
        ),
        Mistake(
            "gaps",
            (lambda bits: 8 / (bits + 8), lambda bits: bits / (bits + 8)),
            "That is where 8-bit gaps begin to pay, or what they may keep: they cost eight bits "
            "for each kept weight. A bitmap costs one bit for every weight.",
        ),
        Mistake(
            "percent",
            (lambda bits: 100 / bits, lambda bits: 100 * (1 - 1 / bits)),
            "A sparsity is a share between 0 and 1 here, not a percentage.",
        ),
        Mistake(
            "how_many_times",
            lambda bits: bits,
            "That is how many times larger a value is than its bit in the map. Ask which share of "
            "the weights must be left out, so that the bits saved pay for the whole map.",
        ),
        Mistake(
            "map_forgotten",
            lambda bits: 0,
            "At any sparsity, you say. But the map itself takes bits, and at sparsity 0 nothing "
            "has been saved to pay for it.",
        ),
        Mistake(
            "half",
            lambda bits: 0.5,
            "A half would be right if a bit in the map were as costly as half a value. Compare the "
            "two costs, for every weight of the layer.",
        ),
    ],
)


@judge("02.budget")
def budget(answer, evaluate, target, within=0.01):
    """One s for each layer: reach the target sparsity at the least loss of accuracy.

    answer:    dict layer name -> s.
    evaluate:  a function of such a dict; what it returns has `sparsity` (of all weights together),
               `accuracy` and `best_accuracy` (the best one known that reaches the target), all as
               shares and on the VALIDATION set. It may have `layer_sparsity` (dict layer -> share),
               which tells an average of the layers' sparsities from the network's; `best`, the
               choice behind `best_accuracy`; and `better`, a choice near this one that reaches the
               target: its `s` (such a dict), `sparsity` and `accuracy`.
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
    settings = [float(s) for s in answer.values()]
    all_the_target = all(math.isclose(s, target) for s in settings)
    try:
        pruned = evaluate(dict(answer))
    except (LookupError, TypeError, ValueError) as error:
        if all_the_target:
            return _s_is_sparsity(target)
        says = str(error.args[0] if error.args else error).rstrip(".")
        return not_yet(f"This choice can't be evaluated: {says}.", "not_evaluated")

    advice = _advice(answer, pruned, target)
    if pruned.sparsity < target:
        if all_the_target:
            return _s_is_sparsity(target)
        layers = getattr(pruned, "layer_sparsity", None)
        if layers and np.mean(list(layers.values())) >= target:
            return not_yet(
                f"The average of the layers' sparsities reaches {_percent(target)}, but the "
                f"network has only {_percent(pruned.sparsity)}: layers differ in size, and the "
                f"target counts weights. Look at which layer holds most of them.{advice}",
                "mean_of_layers",
            )
        return not_yet(
            f"{_percent(pruned.sparsity)} of the weights are pruned; the target is "
            f"{_percent(target)}.{advice}",
            "below_target",
        )
    reached = (
        f"{_percent(pruned.sparsity)} of the weights are pruned, and the validation accuracy is "
        f"{_percent(pruned.accuracy)}; the best known choice has {_percent(pruned.best_accuracy)}"
    )
    # A margin must not be missed by the rounding of a subtraction.
    if pruned.accuracy >= pruned.best_accuracy - within - 1e-9:
        best = getattr(pruned, "best", None)
        choice = ", ".join(f"{layer} {s:g}" for layer, s in (best or {}).items())
        return replace(PASSED, says=f"{reached}{f' ({choice})' if choice else ''}.")
    if len(settings) > 1 and len(set(settings)) == 1:
        return not_yet(
            f"{reached}. One s for all layers treats them alike, and they are not: some bear far "
            f"more pruning than others.{advice}",
            "one_s",
        )
    if pruned.sparsity > target + 0.02:
        return not_yet(
            f"{reached}. You prune more than the {_percent(target)} that were asked, and pay for "
            f"it.{advice}",
            "beyond_target",
        )
    return not_yet(f"{reached}.{advice}", "costly_layer")


def _percent(share):
    return f"{100 * share:.1f} %"


def _s_is_sparsity(target):
    return not_yet(
        f"{target:g} is the share of the weights to remove, but s is not a share: it counts "
        "standard deviations (lambda = s * sigma), and each layer's histogram says which share "
        "lies below.",
        "s_is_sparsity",
    )


def _advice(answer, pruned, target):
    """What to move: it is known to help, since what comes of it was measured."""
    better = getattr(pruned, "better", None)
    if better is None:
        return ""
    if not ledger.LEDGER.predictions.get("02.sensitive"):
        return " Commit to prediction 02.sensitive: from then on this reply says what to move."
    moves = [
        f"{'raise' if better.s[layer] > s else 'lower'} s of {layer}"
        for layer, s in answer.items()
        if not math.isclose(better.s[layer], s)
    ]
    how = f"{' and '.join(moves)}, and leave the others as they are"
    what = (
        f"accuracies up to {_percent(better.accuracy)} lie that way, at {_percent(target)} or more"
    )
    return f" Next, {how}: {what}."
