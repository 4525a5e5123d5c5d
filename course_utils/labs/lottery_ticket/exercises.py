"""Exercises of notebook 04: one pruning round, rewinding, what is left, the early stop."""

from __future__ import annotations

import numpy as np

from course_utils.labs.lottery_ticket import tickets
from course_utils.views.checks import Mistake, exercise


def prune_round(weights, mask, share):
    return tickets.prune_round(weights, mask, share)


def _round(seed, shape, kept, share):
    """Trained weights under a mask, and the share to prune of those that are left."""
    rng = np.random.default_rng(seed)
    mask = rng.permutation(np.arange(np.prod(shape)) < kept).reshape(shape)
    return np.where(mask, rng.normal(0.03, 0.2, shape), 0.0), mask, share


def _by_threshold(weights, mask, threshold):
    return mask & (np.abs(weights) > threshold)


def _of_all(weights, mask, share):
    """The share of ALL places, the pruned ones counted as left."""
    order = np.argsort(np.abs(weights), axis=None, kind="stable")
    new = np.ones(mask.size, bool)
    new[order[: round(share * mask.size)]] = False
    return new.reshape(mask.shape)


def _of_the_first(weights, mask, share):
    """The share of the dense layer's weights, taken from those that are left."""
    count = min(round(share * mask.size), int(mask.sum()))
    return tickets.prune_round(weights, mask, count / mask.sum())


def _largest_go(weights, mask, share):
    return tickets.prune_round(np.where(mask, 1 / (np.abs(weights) + 1e-9), 0), mask, share)


def _keep_share(weights, mask, share):
    return tickets.prune_round(weights, mask, 1 - share)


exercise(
    "04.round",
    prune_round,
    cases=[
        (np.array([0.1, -0.5, 0.0, 0.3, 0.0]), np.array([True, True, False, True, False]), 1 / 3),
        _round(40, (6, 5), 20, 0.2),
        _round(41, (8, 10), 50, 0.1),
        _round(42, (4, 10), 40, 0.2),
        _round(43, (12, 5), 40, 0.5),
    ],
    may_pass=("one_less",),  # share - 1 slices from the other end, to the same place
    mistakes=[
        Mistake(
            "zeros_counted",
            (
                _of_all,
                lambda w, m, s: np.abs(w) > np.quantile(np.abs(w), s),
                lambda w, m, s: m & (np.abs(w) > np.quantile(np.abs(w), s)),
            ),
            "You rank all places, and the weights that are pruned already are zeros: they are the "
            "smallest of all and go once more. The share is one of the weights that are LEFT: look "
            "at weights[mask] only.",
        ),
        Mistake(
            "share_of_dense",
            _of_the_first,
            "You take the share of all the weights that the layer ever had. A round takes it of "
            "those that are left, so that every round prunes fewer than the one before.",
        ),
        Mistake(
            "old_mask_forgotten",
            (
                lambda w, m, s: ~(m & ~tickets.prune_round(w, m, s)),
                lambda w, m, s: tickets.prune_round(w, m, s) | ~m,
            ),
            "Weights that were pruned in earlier rounds are back in your mask. A ticket only ever "
            "gets smaller.",
        ),
        Mistake(
            "share_kept",
            _keep_share,
            "You keep this share; it is the share to prune.",
        ),
        Mistake(
            "largest",
            _largest_go,
            "You prune the largest weights. Those of smallest magnitude go.",
        ),
        Mistake(
            "signed",
            (
                lambda w, m, s: tickets.prune_round(_shift(w, m), m, s),
                lambda w, m, s: m & (w > np.quantile(w[m], s)),
            ),
            "You compare the weights with their signs, so that large negative ones go first. It is "
            "the magnitude that counts.",
        ),
        Mistake(
            "share_as_threshold",
            lambda w, m, s: _by_threshold(w, m, s),
            "You use the share as a threshold on the magnitude. How many weights lie below a "
            "number has nothing to do with the share that is to go.",
        ),
        Mistake(
            "pruned_weights",
            lambda w, m, s: np.where(tickets.prune_round(w, m, s), w, 0.0),
            "You return the pruned weights. The mask is asked for: True where a weight stays.",
        ),
        Mistake(
            "what_goes",
            lambda w, m, s: m & ~tickets.prune_round(w, m, s),
            "Your mask is True for the weights that go in this round. True means kept.",
        ),
    ],
)


def _shift(weights, mask):
    """Positive numbers in the order of the signed weights."""
    return np.where(mask, weights - weights.min() + 1, 0)


def rewind(initial, trained, mask):
    return tickets.rewind(initial, mask)


def _ticket(seed, shape):
    rng = np.random.default_rng(seed)
    return rng.normal(0, 0.1, shape), rng.normal(0, 0.3, shape), rng.random(shape) < 0.4


exercise(
    "04.rewind",
    rewind,
    cases=[
        (np.array([0.2, -0.1, 0.4]), np.array([0.9, -0.6, 0.1]), np.array([True, True, False])),
        _ticket(44, (3, 4)),
        _ticket(45, (5, 2)),
    ],
    mistakes=[
        Mistake(
            "fine_tuned",
            (
                lambda initial, trained, mask: np.where(mask, trained, 0.0),
                lambda initial, trained, mask: trained,
            ),
            "You keep the trained weights: that is fine-tuning, as in notebook 03. The ticket "
            "keeps only the MASK of what was learned; its weights are the first ones.",
        ),
        Mistake(
            "no_mask",
            lambda initial, trained, mask: initial,
            "All first weights are back, the pruned ones too: this is the dense network again.",
        ),
        Mistake(
            "half_back",
            (
                lambda initial, trained, mask: np.where(mask, initial, trained),
                lambda initial, trained, mask: np.where(mask, trained, initial),
            ),
            "You mix first and trained weights: one kind where the mask keeps, the other where it "
            "prunes. A pruned connection is gone, so that its weight is 0.",
        ),
        Mistake(
            "inverted",
            lambda initial, trained, mask: np.where(mask, 0.0, initial),
            "You keep the connections that were pruned. True in the mask means kept.",
        ),
        Mistake(
            "selected",
            lambda initial, trained, mask: initial[mask],
            "You return a list of the kept weights alone. The layer needs them in their places: an "
            "array of the same shape, with 0 where a connection is gone.",
        ),
        Mistake(
            "signs",
            lambda initial, trained, mask: np.where(mask, np.sign(initial), 0.0),
            "You keep only the signs of the first weights. (Zhou et al. found that signs carry "
            "much of a ticket; here the first weights themselves come back.)",
        ),
        Mistake(
            "difference",
            (
                lambda initial, trained, mask: np.where(mask, initial - trained, 0.0),
                lambda initial, trained, mask: np.where(mask, trained - initial, 0.0),
            ),
            "You return how far the weights moved. Rewinding undoes the training: what was there "
            "before it is wanted.",
        ),
    ],
)


def share_left(rounds, rate):
    return (1 - rate) ** rounds


exercise(
    "04.left",
    share_left,
    cases=[(3, 0.2), (1, 0.2), (0, 0.3), (12, 0.1), (4, 0.5)],
    rtol=1e-6,
    mistakes=[
        Mistake(
            "linear",
            (
                lambda rounds, rate: 1 - rounds * rate,
                lambda rounds, rate: max(0.0, 1 - rounds * rate),
            ),
            "You take the share of the dense layer off in every round; after five rounds of 20 % "
            "nothing would be left. A round takes its share of what is LEFT.",
        ),
        Mistake(
            "pruned",
            lambda rounds, rate: 1 - (1 - rate) ** rounds,
            "That is the share that is gone. The question is what is left.",
        ),
        Mistake(
            "rate_kept",
            lambda rounds, rate: rate**rounds,
            "You keep the rate in each round. It is what goes; one minus it stays.",
        ),
        Mistake(
            "one_round_off",
            (
                lambda rounds, rate: (1 - rate) ** (rounds - 1),
                lambda rounds, rate: (1 - rate) ** (rounds + 1),
            ),
            "You are one round off: before the first round everything is left, after it one minus "
            "the rate.",
        ),
        Mistake(
            "once",
            lambda rounds, rate: 1 - rate,
            "That is what one round leaves. The next round takes its share of that, and so on.",
        ),
        Mistake(
            "multiplied",
            lambda rounds, rate: (1 - rate) * rounds,
            "You multiply by the number of rounds. What is left shrinks with every round: the "
            "same factor once for each.",
        ),
        Mistake(
            "divided",
            lambda rounds, rate: (1 - rate) / max(rounds, 1),
            "You divide by the number of rounds. What is left is multiplied by the same factor in "
            "every round.",
        ),
    ],
)


def early_stop(steps, losses):
    return int(np.asarray(steps)[np.argmin(losses)])


def _first_rise(steps, losses):
    for i in range(1, len(losses)):
        if losses[i] > losses[i - 1]:
            return int(steps[i - 1])
    return int(steps[-1])


exercise(
    "04.stop",
    early_stop,
    cases=[
        (np.array([50, 100, 150, 200]), np.array([0.9, 0.5, 0.6, 0.7])),
        (np.array([100, 200, 300, 400, 500, 600]), np.array([0.9, 0.6, 0.7, 0.4, 0.5, 0.45])),
        (np.array([10, 20, 30, 40, 50]), np.array([0.8, 0.75, 0.55, 0.52, 0.5])),
        (np.array([50, 100, 150, 200, 250]), np.array([0.5, 0.7, 0.8, 0.6, 0.9])),
    ],
    may_pass=("sorted",),  # steps always rise
    mistakes=[
        Mistake(
            "index",
            lambda steps, losses: int(np.argmin(losses)),
            "That is the place in the list. The step is what `steps` holds at this place.",
        ),
        Mistake(
            "the_loss",
            lambda steps, losses: float(np.min(losses)),
            "That is the lowest loss itself. Asked is when it was reached.",
        ),
        Mistake(
            "highest",
            lambda steps, losses: int(steps[np.argmax(losses)]),
            "You look for the highest loss. The network is best where its loss is lowest.",
        ),
        Mistake(
            "first_rise",
            _first_rise,
            "You stop before the first rise. Validation losses are noisy: a rise may be followed "
            "by a deeper valley. The paper trains on and looks back for the lowest.",
        ),
        Mistake(
            "last",
            (lambda steps, losses: int(steps[-1]), lambda steps, losses: int(np.max(steps))),
            "That is the end of the training. After the lowest loss the network goes on learning "
            "its training images by heart, and the validation loss rises.",
        ),
    ],
)
