"""Exercises of notebook 03: channels, their removal, 2 by 4, indices, a schedule, a choice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from course_utils.numbers import pruning
from course_utils.views.checks import PASSED, Mistake, exercise, judge, not_yet


def _kernel(seed, shape):
    return np.random.default_rng(seed).normal(0, 0.1, shape)


def channel_norms(kernel):
    return pruning.channel_norms(kernel, axis=-1)


exercise(
    "03.channels",
    channel_norms,
    cases=[
        (np.array([[[[3.0, -1.0], [4.0, 0.0], [0.0, 2.0]]]]),),  # 1 x 1, 3 inputs, 2 outputs
        (_kernel(30, (3, 3, 4, 6)),),
        (_kernel(31, (3, 3, 5, 5)),),
        (_kernel(32, (1, 5, 6, 3)),),
    ],
    mistakes=[
        Mistake(
            "input_axis",
            lambda k: np.sqrt(np.sum(k**2, axis=(0, 1, 3))),
            "You summed over the outputs and kept the inputs: these are the norms of the channels "
            "that this layer READS. A filter of this layer is kernel[..., c]; the outputs are the "
            "last axis, and the sum runs over all the others.",
        ),
        Mistake(
            "last_axis_summed",
            (
                lambda k: np.linalg.norm(k, axis=-1),
                lambda k: np.sqrt(np.sum(k**2, axis=-1)),
            ),
            "axis names the axes that a sum removes. You removed the output channels, which are "
            "the ones to keep, and have a norm for every position and input instead.",
        ),
        Mistake(
            "position_only",
            lambda k: np.sqrt(np.sum(k**2, axis=(0, 1))),
            "You summed over the positions of the kernel only. A filter reaches through all input "
            "channels, too: one number for each output is wanted.",
        ),
        Mistake(
            "l1",
            lambda k: np.sum(np.abs(k), axis=(0, 1, 2)),
            "That is the L1 norm, the sum of magnitudes: a good criterion, and the right axis. "
            "Here the square root of the sum of squares is asked for.",
        ),
        Mistake(
            "no_root",
            lambda k: np.sum(k**2, axis=(0, 1, 2)),
            "The square root is missing. The order of the channels is the same without it, but a "
            "norm has the weights' own unit.",
        ),
        Mistake(
            "signed",
            (
                lambda k: np.abs(np.sum(k, axis=(0, 1, 2))),
                lambda k: np.sum(k, axis=(0, 1, 2)),
            ),
            "You add the weights with their signs. Positive and negative ones cancel, so that a "
            "filter that finds edges, half plus and half minus, would look worthless.",
        ),
        Mistake(
            "mean",
            (
                lambda k: np.sqrt(np.mean(k**2, axis=(0, 1, 2))),
                lambda k: np.std(k, axis=(0, 1, 2)),
            ),
            "You took a mean where the formula has a sum. Within a layer the order is the same, "
            "but a norm grows with the number of weights.",
        ),
        Mistake(
            "first_axis",
            lambda k: np.sqrt(np.sum(k**2, axis=(1, 2, 3))),
            "You kept the first axis, so that these are norms of the kernel's rows, its heights. "
            "The output channels are the last axis.",
        ),
        Mistake(
            "largest",
            lambda k: np.max(np.abs(k), axis=(0, 1, 2)),
            "You took the largest magnitude of each filter. That ranks channels, too, but by a "
            "single weight; the formula adds up all of their squares.",
        ),
        Mistake(
            "axes_kept",
            lambda k: np.sqrt(np.sum(k**2, axis=(0, 1, 2), keepdims=True)),
            "The right numbers, in an array that still has the kernel's axes. One number for each "
            "output channel is wanted: an array with one axis.",
        ),
        Mistake(
            "one_number",
            (lambda k: np.sqrt(np.sum(k**2)), lambda k: np.linalg.norm(k.ravel())),
            "You get one number for the whole layer. Channels can be ranked only if each has its "
            "own.",
        ),
    ],
)


def remove_channels(kernel, bias, next_kernel, keep):
    return kernel[..., keep], bias[keep], next_kernel[:, :, keep, :]


def _chain(seed, keep):
    """A convolution of 3 channels to 4, its bias, the next one of 4 to 4, and which ones stay."""
    rng = np.random.default_rng(seed)
    shapes = (3, 3, 3, 4), (4,), (3, 3, 4, 4)
    return (*(rng.normal(size=shape) for shape in shapes), np.array(keep))


exercise(
    "03.remove",
    remove_channels,
    cases=[
        _chain(33, [True, False, True, False]),
        _chain(34, [False, True, True, True]),
        _chain(35, [False, False, True, True]),
    ],
    mistakes=[
        Mistake(
            "next_forgotten",
            lambda k, b, following, keep: (k[..., keep], b[keep], following),
            "The next kernel still reads the channels that are gone. Each of its filters has a "
            "slice of weights for every input channel: those of removed channels go, too. (Left "
            "in, the network cannot even be built: the shapes no longer fit.)",
        ),
        Mistake(
            "next_outputs",
            lambda k, b, following, keep: (k[..., keep], b[keep], following[..., keep]),
            "You removed output channels of the next kernel. What is gone are its INPUTS: axis 2 "
            "of (height, width, in, out).",
        ),
        Mistake(
            "own_inputs",
            lambda k, b, following, keep: (
                k[:, :, keep[: k.shape[2]], :], b[keep], following[:, :, keep, :]
            ),
            "You removed input channels of the first kernel. The channels that it MAKES are its "
            "last axis; what it reads is not touched.",
        ),
        Mistake(
            "bias_forgotten",
            lambda k, b, following, keep: (k[..., keep], b, following[:, :, keep, :]),
            "The bias still has an entry for every channel. A channel that is gone takes its bias "
            "along.",
        ),
        Mistake(
            "masked",
            tuple(
                (lambda k, b, following, keep, own=own, next=next: (
                    k * keep, b * keep if own else b,
                    following * (keep[:, np.newaxis] if next == 2 else keep) if next else following,
                ))
                for own in (True, False) for next in (2, 3, None)
            ),
            "You set the channels to zero: a mask. The arrays keep their shapes, so that no byte "
            "and no multiplication is saved. Take the kept slices only.",
        ),
        Mistake(
            "masked_and_inverted",
            lambda k, b, following, keep: (
                k * ~keep, b * ~keep, following * ~keep[:, np.newaxis]
            ),
            "Two things at once: you set channels to zero where they should be gone, shapes and "
            "all, and you chose those that stay. True in `keep` means that a channel stays.",
        ),
        Mistake(
            "two_arrays",
            lambda k, b, following, keep: (k[..., keep], b[keep]),
            "Two arrays come back. Three are asked for: the kernel, its bias, and the next kernel, "
            "in this order.",
        ),
        Mistake(
            "order",
            (
                lambda k, b, following, keep: (k[..., keep], following[:, :, keep, :], b[keep]),
                lambda k, b, following, keep: (b[keep], k[..., keep], following[:, :, keep, :]),
                lambda k, b, following, keep: (following[:, :, keep, :], k[..., keep], b[keep]),
            ),
            "The right arrays in another order. The kernel comes first, then its bias, then the "
            "next kernel.",
        ),
        Mistake(
            "inverted",
            (
                lambda k, b, following, keep: (k[..., ~keep], b[~keep], following[:, :, ~keep, :]),
                lambda k, b, following, keep: (k[..., ~keep], b[~keep], following),
            ),
            "You kept the channels that should go. True in `keep` means that a channel stays.",
        ),
        Mistake(
            "next_both_axes",
            (
                lambda k, b, following, keep: (
                    k[..., keep],
                    b[keep],
                    following[:, :, keep][..., keep]
                    if following.shape[-1] == len(keep)
                    else following[:, :, keep, :][..., : np.count_nonzero(keep)],
                ),
                lambda k, b, following, keep: (k[..., keep], b[keep], following[:, :, keep, keep]),
            ),
            "You took channels out of the next kernel's inputs and out of its outputs. Its own "
            "outputs stay: only what it reads has become fewer.",
        ),
    ],
)  # fmt: skip


def share_left(fraction_before, fraction_here):
    return (1 - fraction_before) * (1 - fraction_here)


exercise(
    "03.share_left",
    share_left,
    cases=[(0.5, 0.5), (0.0, 0.25), (0.25, 0.0), (0.3, 0.6), (0.75, 0.5), (0.12345, 0.65432)],
    rtol=1e-9,
    mistakes=[
        Mistake(
            "outputs_only",
            lambda before, here: 1 - here,
            "You count the outputs that go. The layer also has fewer inputs, since channels of "
            "the layer before it went as well: weights are inputs times outputs.",
        ),
        Mistake(
            "inputs_only",
            lambda before, here: 1 - before,
            "You count the inputs that go. The layer's own outputs go, too.",
        ),
        Mistake(
            "added",
            (
                lambda before, here: 1 - before - here,
                lambda before, here: max(0.0, 1 - before - here),
            ),
            "You subtracted both fractions, and so counted the weights between a removed input "
            "and a removed output twice. What stays is the product of what stays.",
        ),
        Mistake(
            "product_of_fractions",
            lambda before, here: 1 - before * here,
            "You removed only the weights that lie between a removed input AND a removed output. "
            "A weight goes if either end is gone.",
        ),
        Mistake(
            "removed",
            lambda before, here: 1 - (1 - before) * (1 - here),
            "That is the share that is removed. The question is what is left.",
        ),
        Mistake(
            "average",
            lambda before, here: 1 - (before + here) / 2,
            "You took the average of the two fractions. Inputs and outputs multiply.",
        ),
        Mistake(
            "squared",
            (lambda before, here: (1 - here) ** 2, lambda before, here: (1 - before) ** 2),
            "You squared what one fraction leaves. That is right where both layers lose the same; "
            "here they may differ.",
        ),
        Mistake(
            "both_ends",
            lambda before, here: before * here,
            "That is the share of the weights between a removed input and a removed output. Asked "
            "is what is left: the weights of which both ends stay.",
        ),
        Mistake(
            "larger_one",
            lambda before, here: 1 - max(before, here),
            "You count the larger of the two fractions alone. The smaller one takes weights, too, "
            "of those that the larger one has left.",
        ),
        Mistake(
            "sum_removed",
            lambda before, here: before + here,
            "You added the fractions that are removed. Asked is what is left, and it is the "
            "product of what stays at either end.",
        ),
        Mistake(
            "percent",
            lambda before, here: 100 * (1 - before) * (1 - here),
            "A share between 0 and 1 is asked for, not a percentage.",
        ),
    ],
)


def two_by_four(kernel):
    return pruning.n_m_mask(kernel, 2, 4, axis=0)


def _ranked(kernel, axis, kept, key=np.abs):
    """Kept: which ranks within each group of 4 along the axis, 0 the smallest."""
    lines = np.moveaxis(key(kernel), axis, -1)
    groups = lines.reshape(-1, 4)
    ranks = groups.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return np.moveaxis(np.isin(ranks, kept).reshape(lines.shape), -1, axis)


def _fours(kernel):
    """The magnitudes as (group, member, output), four successive inputs a group."""
    return np.abs(kernel).reshape(-1, 4, kernel.shape[1])


exercise(
    "03.two_by_four",
    two_by_four,
    cases=[
        (_kernel(36, (4, 4)),),
        (_kernel(37, (8, 4)),),
        (_kernel(38, (16, 12)),),
    ],
    mistakes=[
        Mistake(
            "wrong_axis",
            lambda k: _ranked(k, 1, (2, 3)),
            "Two of every four, but along the outputs. Hardware multiplies four inputs with the "
            "weights of ONE output at a time; in a kernel (in, out) these four stand below each "
            "other, along axis 0. (A plain reshape(-1, 4) takes its groups along the last axis.)",
        ),
        Mistake(
            "one_argsort",
            (
                lambda k: (np.argsort(_fours(k), axis=1) >= 2).reshape(k.shape),
                lambda k: (np.argsort(-_fours(k), axis=1) < 2).reshape(k.shape),
            ),
            "np.argsort tells which place comes first, second, ...; it is not the rank of each "
            "place. Sort its result once more, or set True at the places of the two largest with "
            "np.put_along_axis.",
        ),
        Mistake(
            "unstructured",
            (
                lambda k: np.abs(k) > np.quantile(np.abs(k), 0.5),
                lambda k: np.abs(k) > np.median(np.abs(k)),
                lambda k: np.abs(k) >= np.sort(np.abs(k), axis=None)[k.size // 2],
            ),
            "Half of the weights go, but wherever they are: a group of four can keep all or none. "
            "The pattern is promised to the hardware for EVERY group.",
        ),
        Mistake(
            "per_output",
            lambda k: np.abs(k) > np.median(np.abs(k), axis=0),
            "You keep the larger half of each output's weights. Within an output the groups of "
            "four may still hold more than two.",
        ),
        Mistake(
            "smallest",
            lambda k: _ranked(k, 0, (0, 1)),
            "Your mask keeps the two smallest of each group. True means kept, and the large ones "
            "are kept.",
        ),
        Mistake(
            "signed",
            lambda k: _ranked(k, 0, (2, 3), key=lambda w: w),
            "You compare the weights with their signs, so that large negative ones go first. It "
            "is the magnitude that counts.",
        ),
        Mistake(
            "one",
            lambda k: _ranked(k, 0, (3,)),
            "You keep one of four. 2 by 4 keeps two.",
        ),
        Mistake(
            "three",
            lambda k: _ranked(k, 0, (1, 2, 3)),
            "You keep three of four. 2 by 4 keeps two.",
        ),
        Mistake(
            "strided",
            lambda k: _ranked(
                np.moveaxis(k.reshape(4, -1, k.shape[1]), 0, 1).reshape(k.shape), 0, (2, 3)
            ).reshape(-1, 4, k.shape[1]).swapaxes(0, 1).reshape(k.shape),
            "Your groups of four are not successive inputs: you took one from each quarter of the "
            "kernel. Inputs 0 to 3 are a group, 4 to 7 the next one.",
        ),
        Mistake(
            "above_the_mean",
            lambda k: (_fours(k) > _fours(k).mean(axis=1, keepdims=True)).reshape(k.shape),
            "You keep what is larger than its group's mean. That can be one weight, or three; the "
            "pattern promises two.",
        ),
        Mistake(
            "fixed_places",
            (
                lambda k: np.broadcast_to((np.arange(len(k)) % 4 < 2)[:, np.newaxis], k.shape),
                lambda k: np.broadcast_to((np.arange(len(k)) % 2 == 0)[:, np.newaxis], k.shape),
            ),
            "You keep the same two places of every group. The pattern leaves the choice free: in "
            "each group the two largest stay.",
        ),
        Mistake(
            "rows_of_the_kernel",
            lambda k: np.repeat(
                _ranked(np.abs(k).sum(axis=1, keepdims=True), 0, (2, 3)), k.shape[1], axis=1
            ),
            "You remove whole inputs, for all outputs alike. Each output chooses its own two of "
            "four.",
        ),
        Mistake(
            "pruned_weights",
            lambda k: np.where(pruning.n_m_mask(k, 2, 4, axis=0), k, 0),
            "You return the pruned weights. The mask itself is asked for: True or False for each "
            "weight.",
        ),
        Mistake(
            "transposed",
            lambda k: pruning.n_m_mask(k, 2, 4, axis=0).T,
            "The right pattern, but transposed: give the mask the kernel's own shape (in, out).",
        ),
        Mistake(
            "not_put_back",
            (
                lambda k: np.argsort(np.argsort(_fours(k), axis=1), axis=1) >= 2,
                lambda k: (
                    np.argsort(np.argsort(np.abs(k.T).reshape(-1, 4), axis=1), axis=1) >= 2
                ),
                lambda k: (
                    np.argsort(np.argsort(np.abs(k.T).reshape(-1, 4), axis=1), axis=1) >= 2
                ).reshape(k.shape),
            ),
            "The groups are right, but they are not put back where they were: undo each step that "
            "made them, a transpose too, so that the mask has the kernel's shape and order.",
        ),
        Mistake(
            "ranked_across_groups",
            (
                lambda k: (
                    np.argsort(np.argsort(_fours(k), axis=0), axis=0) >= 2
                ).reshape(k.shape),
                lambda k: (
                    np.argsort(np.argsort(_fours(k), axis=2), axis=2) >= 2
                ).reshape(k.shape),
            ),
            "You ranked along the wrong axis of your groups: the four that compete are the four "
            "inputs of one group and one output.",
        ),
    ],
)


def break_even(value_bits, index_bits):
    return index_bits / (value_bits + index_bits)


exercise(
    "03.break_even",
    break_even,
    cases=[(32, 8), (8, 8), (32, 12), (32, 16), (8, 3)],
    rtol=1e-9,
    mistakes=[
        Mistake(
            "nothing",
            lambda value, index: 0.0,
            "You get 0: at any sparsity, you say. But a value that is kept must say where it "
            "belongs, and that index takes bits: sparse is not yet small. (If there is a // in "
            "your line: it drops what comes after the point, and a share has nothing before it.)",
        ),
        Mistake(
            "integer_division",
            (
                lambda value, index: index // value,
                lambda value, index: value // index,
                lambda value, index: 1 - index // (value + index),
                lambda value, index: 1 - index // value,
            ),
            "You get whole numbers: // drops what comes after the point, and a sparsity is a share "
            "between 0 and 1. Divide with a single /.",
        ),
        Mistake(
            "precedence",
            lambda value, index: index / value + index,
            "A quotient is taken before a sum: of a sum that you divide by, brackets are needed.",
        ),
        Mistake(
            "percent",
            lambda value, index: 100 * index / (value + index),
            "A sparsity is a share between 0 and 1 here, not a percentage.",
        ),
        Mistake(
            "bitmap",
            lambda value, index: index / value,
            "index bits over value bits is the break-even of a format that pays the index for "
            "EVERY weight, such as a bitmap. CSR pays it for the kept ones only.",
        ),
        Mistake(
            "kept",
            lambda value, index: value / (value + index),
            "That is the share of weights that may be kept. Its sparsity, the share removed, is "
            "one minus that.",
        ),
        Mistake(
            "half",
            lambda value, index: 0.5,
            "A half is right only where the index is as wide as the value.",
        ),
        Mistake(
            "value_over_index",
            (lambda value, index: value / index, lambda value, index: 1 - index / value),
            "Ask where the two are equal: dense takes value_bits for every weight, CSR takes "
            "value_bits + index_bits for the share 1 - sparsity.",
        ),
    ],
)


def sparsity_at(step, steps, final):
    return pruning.polynomial_sparsity(step, 0.0, final, 0, steps)


exercise(
    "03.schedule",
    sparsity_at,
    cases=[
        (np.array([0, 250, 500, 1000]), 1000, 0.8),
        (np.arange(0, 41, 4), 40, 0.9),
        (np.array([1, 2, 5]), 10, 0.5),
        (np.array([7, 3, 11]), 13, 0.87),
    ],
    may_pass=("not_clipped", "clipped_one_side", "off_by_one"),  # nobody asks for a step after T
    mistakes=[
        Mistake(
            "linear",
            lambda t, steps, final: final * np.asarray(t) / steps,
            "A straight line. The schedule of Zhu and Gupta is cubic in what is left of the time: "
            "it prunes much early, while many weights can be spared, and little at the end.",
        ),
        Mistake(
            "slow_first",
            lambda t, steps, final: final * (np.asarray(t) / steps) ** 3,
            "The cube of t / T starts slowly and prunes most at the very end, when no training is "
            "left to make up for it. It is 1 - t / T that is cubed.",
        ),
        Mistake(
            "falling",
            lambda t, steps, final: final * (1 - np.asarray(t) / steps) ** 3,
            "This begins at the final sparsity and ends dense. It is the part that is still "
            "missing; subtract it from the final sparsity.",
        ),
        Mistake(
            "integer_division",
            (
                lambda t, steps, final: final - final * (1 - np.asarray(t) // steps) ** 3,
                lambda t, steps, final: final * (np.asarray(t) // steps),
            ),
            "Nothing is pruned before the last step: // drops what comes after the point, and "
            "t / T is a share. Divide with a single /.",
        ),
        Mistake(
            "square",
            lambda t, steps, final: final - final * (1 - np.asarray(t) / steps) ** 2,
            "The right shape, with a square. The exponent is 3.",
        ),
        Mistake(
            "not_scaled",
            lambda t, steps, final: 1 - (1 - np.asarray(t) / steps) ** 3,
            "At the end all weights would be gone. The final sparsity is where the curve ends.",
        ),
        Mistake(
            "subtracted_once",
            lambda t, steps, final: final - (1 - np.asarray(t) / steps) ** 3,
            "At the beginning your sparsity is negative. s_i - s_f multiplies the cube, and "
            "s_i is 0.",
        ),
        Mistake(
            "at_once",
            lambda t, steps, final: np.full(np.shape(t), final),
            "That prunes everything at once, which is one-shot pruning.",
        ),
    ],
)


@judge("03.choose")
def choose(answer, runs: Mapping[str, Mapping[str, float]], within: float = 1.0):
    """Which recorded run to ship: the sparsest that loses at most `within` points on VALIDATION.

    runs: {label: {"sparsity": share, "validation": points lost, "test": points lost}}
    """
    if not isinstance(answer, str):
        return not_yet("Answer with the name of a run, as in the first column.", "not_a_name")
    if answer not in runs:
        return not_yet(
            f"There is no run {answer!r}: take a name from the table's first column.", "not_a_run"
        )

    def sparsest(split):
        fit = [name for name in runs if runs[name][split] <= within]
        return max(fit, key=lambda name: (runs[name]["sparsity"], -runs[name][split]))

    best, run = sparsest("validation"), runs[answer]
    told = (
        f"{answer}: {run['sparsity']:.0%} sparse, {run['validation']:.2f} points lost on "
        "validation images."
    )
    if answer == best:
        return replace(PASSED, says=f"{told} On test images it is {run['test']:.2f}.")
    if answer == sparsest("test"):
        return not_yet(
            f"{told} You took the run that is best on the TEST images. They are there to say how "
            "good the choice is; once they have made the choice, they say too much good of it. "
            "Choose on the validation column.",
            "chosen_on_test",
        )
    if run["validation"] > within:
        return not_yet(f"{told} That is more than {within:g}.", "loses_too_much")
    lowest = min(runs, key=lambda name: runs[name]["validation"])
    if answer == lowest:
        return not_yet(
            f"{told} It loses least, but more can be removed at a loss of at most {within:g}: the "
            "sparsest one is wanted.",
            "most_accurate",
        )
    if run["sparsity"] == runs[best]["sparsity"]:
        return not_yet(
            f"{told} None that loses at most {within:g} is sparser, but another of the same "
            "sparsity loses less there.",
            "not_the_best_of_equals",
        )
    return not_yet(f"{told} A sparser one loses at most {within:g}, too.", "not_the_sparsest")
