"""Rounds of the lottery ticket, live: what a student's functions do to the real network."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from course_utils import env
from course_utils.labs.lottery_ticket import experiments, tickets
from course_utils.machines import data, numpy_training
from course_utils.views import widgets
from course_utils.views.tables import Table

STEPS = 1000  # the recorded runs' early stop lies before
MOST_ROUNDS = 8
KEPT_RUNS = 20  # in memory, 2 MB each
_DONE: dict[bytes, numpy_training.Run] = {}


class Own(NamedTuple):
    """One network trained here."""

    name: str
    left: float
    stop: int
    loss: float  # lowest validation loss
    validation: float  # share of right answers there
    right: int  # on the test images


def rounds(prune_round: Callable, rewind: Callable, stop: Callable, number=3) -> Table | None:
    """Train, prune and rewind so many rounds by these functions; then a random mask of the size.

    prune_round(weights, mask, share), rewind(initial, trained, mask), stop(steps, losses): as in
    the exercises. A number of rounds that can't be, or a mask that fits no kernel, is said in a
    sentence, and gives None.
    """
    if isinstance(number, bool) or not isinstance(number, int) or not 1 <= number <= MOST_ROUNDS:
        print(f"Nothing was trained: choose 1 to {MOST_ROUNDS} rounds.")
        return None
    if env.IN_BROWSER:
        raise env.NotInBrowser("quick matrix products: this training would take minutes")
    network, images = experiments.LENET, data.load("fashion_mnist")
    initial = numpy_training.initial_weights(network, 1)
    masks, start, found = tickets.whole(initial), initial, []
    total = STEPS * (number + 2)
    with widgets.progress_bar("Training, pruning, rewinding") as report:

        def train(name, start, masks, done):
            run = _train(start, masks, images, lambda step: report(done * STEPS + step, total))
            at = _step(stop, run)
            i = int(np.flatnonzero(run.steps == at)[0])
            found.append(
                Own(name, tickets.left(masks), at, float(run.losses[i]), float(run.accuracies[i]),
                    numpy_training.right(network, run.weights, images.x_test, images.y_test))
            )  # fmt: skip
            return run

        run = train("dense", start, masks, 0)
        for done in range(1, number + 1):
            try:
                masks = {
                    name: _mask(prune_round(run.last[name], masks[name], share), masks[name])
                    for name, share in tickets.rates(masks).items()
                }
                start = {**initial, **{
                    name: _weights(rewind(initial[name], run.last[name], mask), mask)
                    for name, mask in masks.items()
                }}  # fmt: skip
            except (ValueError, TypeError) as problem:
                print(f"Round {done} stopped: {problem}")
                return None
            run = train(f"ticket, round {done}", start, masks, done)
        drawn = tickets.random_masks(masks, np.random.default_rng(1))
        train("random mask", initial, drawn, number + 1)
    n = len(images.y_test)
    return Table(
        "Trained here, from the weights that ship; test images at the lowest validation loss",
        ("network", "weights left", "early stop", "validation loss", "validation", "test"),
        [
            (own.name, f"{own.left:.1%}", f"{own.stop:,}", f"{own.loss:.3f}",
             f"{own.validation:.1%}", f"{own.right / n:.2%}")
            for own in found
        ],
    )  # fmt: skip


def _train(start, masks, images, report):
    """A training run; one that was done before from the same weights and masks is not repeated."""
    key = hashlib.sha256(str(STEPS).encode())
    for name, w in start.items():
        mask = masks.get(name, True)
        key.update(np.where(mask, w, 0).astype(np.float32).tobytes() + np.packbits(mask).tobytes())
    key = key.digest()
    if key not in _DONE:
        _DONE[key] = numpy_training.train(
            experiments.LENET, start, images, masks=masks,
            **{**experiments.RECIPE, "steps": STEPS}, progress=lambda step, _: report(step),
        )  # fmt: skip
        while len(_DONE) > KEPT_RUNS:
            _DONE.pop(next(iter(_DONE)))
    report(STEPS)
    return _DONE[key]


def rewind(initial, trained, mask):
    """The laboratory's own, with the exercise's arguments."""
    return tickets.rewind(initial, mask)


def early_stop(steps, losses):
    """The laboratory's own: the step of the lowest loss."""
    return steps[np.argmin(losses)]


def _step(stop, run):
    """The early-stopping step by this function, if it is one of the run's."""
    try:
        at = int(stop(run.steps.copy(), run.losses.copy()))
    except Exception:
        at = -1
    return at if at in run.steps else run.stop


def _mask(given, old):
    mask = np.asarray(given)
    if mask.shape != old.shape or mask.dtype != bool or not mask.any():
        raise ValueError(f"a mask is a bool array of shape {old.shape} that keeps something.")
    return mask


def _weights(given, mask):
    weights = np.asarray(given, np.float32)
    if weights.shape != mask.shape or not np.isfinite(weights).all():
        raise ValueError(f"rewound weights are numbers in an array of shape {mask.shape}.")
    return weights
