"""Exercises of notebook 08: a technique for each device, paired counts, layers under a budget."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from course_utils.views.checks import NOT_ATTEMPTED, PASSED, Mistake, exercise, judge, not_yet


@judge("08.device")
def technique_for_each_device(answer, reasons: Mapping[str, Mapping[str, Mapping[str, str]]]):
    """answer: {device: mode}.

    reasons: {device: {mode: {name of a misconception: what speaks against the mode there}}}; a mode
    with no reason against it is right.
    """
    if not isinstance(answer, Mapping):
        return not_yet(
            "Answer with a dictionary that has a technique for each device: "
            f"{{{', '.join(f'{device!r}: ...' for device in reasons)}}}.",
            "not_a_dictionary",
        )
    if answer and all(mode is ... or mode is None for mode in answer.values()):
        return NOT_ATTEMPTED
    for device, modes in reasons.items():
        mode = answer.get(device, ...)
        if mode is ... or mode is None:
            return not_yet(f"A technique for {device!r} is missing.", "missing")
        if not isinstance(mode, str) or mode not in modes:
            return not_yet(
                f"{device!r}: there is no technique {mode!r}; there are "
                f"{', '.join(map(repr, modes))}.",
                "unknown_technique",
            )
        for mistake, words in modes[mode].items():
            return not_yet(f"{mode} for {device!r}: {words}", mistake)
    told = [
        f"{device}: {answer[device]}. "
        + " ".join(f"Not {mode}: {next(iter(against.values()))}"
                   for mode, against in modes.items() if against)
        for device, modes in reasons.items()
    ]  # fmt: skip
    return replace(PASSED, says="Defended by what was measured.\n" + "\n".join(told))


def disagreements(before, after):
    before, after = np.asarray(before, bool), np.asarray(after, bool)
    return int((before & ~after).sum()), int((after & ~before).sum())


def _flags(text):
    return np.array([letter == "r" for letter in text])


exercise(
    "08.paired",
    disagreements,
    cases=[  # right (r) or wrong (w); the counts of all four combinations differ
        (_flags("rrrrrwwwrw"), _flags("rrwwwrwwrw")),
        (_flags("wwwwwrr"), _flags("rrrrwrw")),
        (_flags("r" * 40 + "w" * 11), _flags("r" * 33 + "w" * 7 + "r" * 9 + "w" * 2)),
        (_flags("rrww"), _flags("rrww")),
    ],
    mistakes=[
        Mistake(
            "swapped",
            lambda b, a: disagreements(a, b),
            "The two counts are swapped: first the images that were right before and are wrong "
            "now, then those that have become right.",
        ),
        Mistake(
            "totals",
            (
                lambda b, a: (int((~b).sum()), int((~a).sum())),
                lambda b, a: (int(b.sum()), int(a.sum())),
                lambda b, a: (int((~a).sum()), int(a.sum())),
                lambda b, a: (int((~b).sum()), int(a.sum())),
                lambda b, a: (int(b.sum()), int((~a).sum())),
            ),
            "You counted each file's answers by itself. Of two totals nobody can tell how many "
            "images changed: look at both answers to the same image.",
        ),
        Mistake(
            "net",
            (
                lambda b, a: int(b.sum()) - int(a.sum()),
                lambda b, a: int(a.sum()) - int(b.sum()),
                lambda b, a: (max(0, int(b.sum()) - int(a.sum())), max(0, int(a.sum() - b.sum()))),
                lambda b, a: abs(int(a.sum()) - int(b.sum())),
            ),
            "That is the difference of the right answers. Images that became wrong and images that "
            "became right cancel in it, and chance is in how many they are.",
        ),
        Mistake(
            "agreeing",
            (
                lambda b, a: (int((b & a).sum()), int((~b & ~a).sum())),
                lambda b, a: (int((~b & ~a).sum()), int((b & a).sum())),
                lambda b, a: (int((b == a).sum()), int((b != a).sum())),
            ),
            "You counted the images on which both files are alike. They say nothing about which "
            "file is better: count those that changed.",
        ),
        Mistake(
            "one_sum",
            (
                lambda b, a: int((b != a).sum()),
                lambda b, a: (int((b != a).sum()), int((b != a).sum())),
                lambda b, a: (int((b != a).sum()), int((b == a).sum())),
            ),
            "You counted the images that changed, both ways together. Keep the ways apart: newly "
            "wrong, newly right.",
        ),
        Mistake(
            "either",
            lambda b, a: (int((b | ~a).sum()), int((a | ~b).sum())),
            "You counted images for which one of two conditions holds. A newly wrong image was "
            "right before and is wrong now: both have to hold.",
        ),
        Mistake(
            "shares",
            (
                lambda b, a: (float((b & ~a).mean()), float((a & ~b).mean())),
                lambda b, a: (100 * float((b & ~a).mean()), 100 * float((a & ~b).mean())),
            ),
            "These are shares of all images. The test needs counts: 8 of 10 coins are less "
            "evidence than 800 of 1,000.",
        ),
        Mistake(
            "arrays",
            (
                lambda b, a: (b & ~a, a & ~b),
                lambda b, a: (np.flatnonzero(b & ~a), np.flatnonzero(a & ~b)),
                lambda b, a: b & ~a,
            ),
            "You return which images they are. Count them: two numbers.",
        ),
        Mistake(
            "only_wrong",
            lambda b, a: int((b & ~a).sum()),
            "You counted only the newly wrong images. Those that became right count as well.",
        ),
    ],
)


def spare(loss, extra, budget):
    loss, extra = np.asarray(loss), np.asarray(extra)
    spared = np.zeros(len(loss), bool)
    for layer in np.argsort(-loss / extra):
        if loss[layer] > 0 and extra[layer] <= budget:
            spared[layer] = True
            budget = budget - extra[layer]
    return spared


def _greedily(order, fits=lambda extra, left: extra <= left, reduce=True, stop=False,
              harmless=False):  # fmt: skip
    """A greedy choice with one thing done differently. order(loss, extra) -> first to last."""

    def choose(loss, extra, budget):
        spared, left = np.zeros(len(loss), bool), budget
        for layer in order(loss, extra):
            if not harmless and loss[layer] <= 0:
                continue
            if fits(extra[layer], left):
                spared[layer] = True
                left = left - extra[layer] if reduce else left
            elif stop:
                break
        return spared

    return choose


def _by_ratio(loss, extra):
    return np.argsort(-loss / extra)


def _by_loss(loss, extra):
    return np.argsort(-loss)


def _cheapest(loss, extra):
    return np.argsort(extra)


def _case(loss, extra, budget):
    return np.array(loss, float), np.array(extra), budget


exercise(
    "08.spare",
    spare,
    cases=[
        _case([1.0, 6.0, 3.5, -0.4], [100, 800, 400, 10], 500),
        _case([1.0, 6.0, 3.5, -0.4], [100, 800, 400, 10], 930),
        _case([0.2, 5.0, 1.1, -0.3, 2.4, 0.9], [70, 900, 260, 20, 610, 500], 1300),
        _case([2.0, 0.5, 1.5, 0.0], [900, 40, 310, 30], 1000),
        _case([4.0, 3.0], [50, 20], 10),
        _case([0.5, 3.0, 2.0], [100, 400, 350], 450),
        _case([0.6, 5.0, 2.0, 1.6], [50, 700, 300, 460], 520),
    ],
    mistakes=[
        Mistake(
            "most_points_first",
            (
                _greedily(_by_loss),
                _greedily(_by_loss, stop=True),
                _greedily(_by_loss, harmless=True),
            ),
            "You begin with the layer that costs most points, whatever it weighs. One large layer "
            "can eat the budget of several small ones: points *per byte* is the order.",
        ),
        Mistake(
            "cheapest_first",
            (_greedily(_cheapest), _greedily(_cheapest, harmless=True)),
            "You begin with the smallest layer, whatever it wins. Points per byte is the order.",
        ),
        Mistake(
            "as_they_come",
            (
                _greedily(lambda loss, extra: range(len(loss))),
                _greedily(lambda loss, extra: range(len(loss)), harmless=True),
                _greedily(lambda loss, extra: range(len(loss)), stop=True),
            ),
            "You take the layers in the network's order. Those that win most points per byte come "
            "first.",
        ),
        Mistake(
            "worst_first",
            (
                _greedily(lambda loss, extra: np.argsort(loss / extra)),
                _greedily(lambda loss, extra: np.argsort(loss / extra), harmless=True),
                _greedily(lambda loss, extra: np.argsort(-extra / loss)),
            ),
            "You begin with the layer that wins least per byte. (np.argsort goes from the smallest "
            "to the largest.)",
        ),
        Mistake(
            "stops_too_early",
            (
                _greedily(_by_ratio, stop=True),
                _greedily(_by_ratio, stop=True, harmless=True),
            ),
            "You stop at the first layer that does not fit. A smaller one further on may still "
            "fit: skip, and go on.",
        ),
        Mistake(
            "budget_not_spent",
            (
                _greedily(_by_ratio, reduce=False),
                _greedily(_by_ratio, reduce=False, harmless=True),
                lambda loss, extra, budget: (extra <= budget) & (loss > 0),
                lambda loss, extra, budget: extra <= budget,
            ),
            "Each layer is compared with the whole budget. What was taken before is spent: compare "
            "with what is left.",
        ),
        Mistake(
            "over_budget",
            (
                _greedily(_by_ratio, fits=lambda extra, left: left > 0),
                _greedily(_by_ratio, fits=lambda extra, left: left > 0, harmless=True),
                lambda loss, extra, budget: loss > 0,
            ),
            "Your layers take more bytes than the budget has: whether a layer fits is asked before "
            "it is taken.",
        ),
        Mistake(
            "exact_fit_refused",
            _greedily(_by_ratio, fits=lambda extra, left: extra < left),
            "A layer that fits exactly fits: the budget may be spent to the last byte.",
        ),
        Mistake(
            "harmless_spared",
            _greedily(_by_ratio, harmless=True),
            "You spare layers whose rounding costs nothing, or even wins a little. They would only "
            "take bytes.",
        ),
        Mistake(
            "inverted",
            lambda loss, extra, budget: ~spare(loss, extra, budget),
            "The other way round: True for the layers that stay in float32.",
        ),
        Mistake(
            "numbers_of_layers",
            (
                lambda loss, extra, budget: np.flatnonzero(spare(loss, extra, budget)),
                lambda loss, extra, budget: _by_ratio(loss, extra)[
                    spare(loss, extra, budget)[_by_ratio(loss, extra)]
                ],
                lambda loss, extra, budget: _by_ratio(loss, extra),
            ),
            "You return the numbers of layers. Return an array with an entry for every layer, in "
            "their order: True where it stays in float32.",
        ),
        Mistake(
            "in_the_order_taken",
            lambda loss, extra, budget: spare(loss, extra, budget)[_by_ratio(loss, extra)],
            "Your entries stand in the order in which you went through the layers. Put each at its "
            "layer's own place.",
        ),
        Mistake(
            "points_or_bytes",
            (
                lambda loss, extra, budget: float(loss[spare(loss, extra, budget)].sum()),
                lambda loss, extra, budget: int(extra[spare(loss, extra, budget)].sum()),
            ),
            "You return what the spared layers add up to. Asked for is which they are.",
        ),
        Mistake(
            "product",
            _greedily(lambda loss, extra: np.argsort(-loss * extra)),
            "You multiply points by bytes, so that large layers come first. Bytes are the price: "
            "divide by them.",
        ),
    ],
)
