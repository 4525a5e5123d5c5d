"""Data for the drawings of notebook 04, from the recorded runs."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np

from course_utils.labs.lottery_ticket import tickets
from course_utils.labs.lottery_ticket.figures import Curves, Film, Line, Methods, Rewinding
from course_utils.machines import data
from course_utils.numbers import intervals
from course_utils.views.checks import Measured
from course_utils.views.tables import Table

NETWORK = "lenet_300_100"
NAMES = {
    "dense": "dense",
    "ticket": "ticket: iterative, rewound",
    "one_shot": "one-shot mask, rewound",
    "same_inputs": "mask shuffled, every input's count kept",
    "random": "random mask of equal sizes, rewound",
    "reinitialized": "the ticket's mask, new weights",
    "late": "ticket rewound to an early step",
}
SMALL = 8  # the round that the predictions ask about
CHOICES = {
    "more than a point worse": (-100, -1),
    "within a point": (-1, 1),
    "more than a point better": (1, 100),
}
SMALLER = (4, 8, 12, 16, 20)  # rounds of the tables


def record():
    return data.result("lottery_ticket").record


@cache
def rows() -> dict[tuple, dict]:
    """The recorded runs of LeNet-300-100: {(method, round, seed): row}"""
    return {(row["method"], row["round"], row["seed"]): row for row in record()["rows"]}


def seeds():
    return record()["seed"]


def rounds(method="ticket"):
    """The rounds at which a method was trained, 0 being the dense network."""
    own = sorted({number for name, number, _ in rows() if name == method})
    return own if method == "dense" else [0, *own]


def values(method, number, what):
    """One number a seed: "test" and "validation" in percent, "stop" in steps, "loss"."""
    method = "dense" if number == 0 else method
    found = [rows()[method, number, seed][what] for seed in seeds()]
    if what == "validation":
        return np.array([100 * value for value in found])
    if what.startswith("test"):
        return np.array([100 * value / record()["n"]["test"] for value in found])
    return np.array(found, float)


def left(number):
    """The share of weights left after so many rounds."""
    method = "ticket" if number else "dense"
    return rows()[method, number, seeds()[0]]["left"]


def mean(numbers, unit="") -> Measured:
    """The mean of what the seeds gave, with its t-interval."""
    low, high = intervals.seeds_interval(numbers)
    return Measured(float(np.mean(numbers)), low, high, unit)


def ahead(method, other, number, what="test") -> Measured:
    """By how many points `method` is ahead of `other` at this round, paired by seed."""
    return mean(values(method, number, what) - values(other, number, what), "points")


def ahead_of_dense(method, number, what="test") -> Measured:
    """By how many points a method at this round is ahead of the dense network, by seed."""
    return mean(values(method, number, what) - values("dense", 0, what), "points")


def times_as_fast(method, number) -> Measured:
    """Early-stopping step of the dense network / of the method's, by seed."""
    return mean(values("dense", 0, "stop") / values(method, number, "stop"), "×")


def lost_against_dense(method, number) -> Measured:
    """Points of test accuracy that a method loses against the dense network, by seed."""
    return mean(values("dense", 0, "test") - values(method, number, "test"), "points")


def mean_over(numbers, what) -> Measured:
    """The ticket against dense, averaged over these rounds: times as fast, or points ahead."""
    each = [values("ticket", number, what) for number in numbers]
    dense = values("dense", 0, what)
    if what == "stop":
        return mean(np.mean([dense / own for own in each], axis=0), "×")
    return mean(np.mean([own - dense for own in each], axis=0), "points")


def last_round_as_good() -> int:
    """The last round whose mean accuracy on the validation set is not below the dense network's."""
    dense = values("dense", 0, "validation").mean()
    return max(n for n in rounds() if values("ticket", n, "validation").mean() >= dense)


# --- pictures -------------------------------------------------------------------------------


def line(method, what, paired=False):
    """A method's curve over the rounds: mean and interval of the accuracy or of the stop."""
    own = rounds(method)
    if paired:
        own = [number for number in own if number]
        points = [ahead_of_dense(method, number, what) for number in own]
    else:
        points = [mean(values(method, number, what)) for number in own]
    return Line(
        method,
        NAMES[method],
        np.array([left(number) for number in own]),
        np.array([point.value for point in points]),
        np.array([point.interval[0] for point in points]),
        np.array([point.interval[1] for point in points]),
    )


METHODS = ("ticket", "one_shot", "same_inputs", "random", "reinitialized")


def methods(number=SMALL) -> Methods:
    """Accuracy of every method over the weights left, and the paired differences at one round."""
    return Methods(
        NETWORK, number, left(number), len(seeds()),
        tuple(line(method, "test") for method in METHODS),
        {m: ahead("ticket", m, number) for m in METHODS[1:] if number in rounds(m)},
        ahead_of_dense("ticket", number),
    )  # fmt: skip


def curves(number=SMALL) -> Curves:
    """Mean validation losses over the steps at one round, and the early-stopping steps."""
    order = [(row["method"], row["round"], row["seed"]) for row in record()["rows"]]
    stored = data.result("lottery_ticket").arrays["curves"]
    index = {key: i for i, key in enumerate(order)}

    def loss(method, at):
        own = [stored[index[method, at, seed], 0].astype(float) for seed in seeds()]
        return np.mean(own, axis=0)

    recipe = record()["recipe"]
    shown = ("ticket", "random", "reinitialized")
    return Curves(
        NETWORK, number, left(number), len(seeds()),
        np.arange(recipe["every"], recipe["steps"] + 1, recipe["every"]),
        {"dense": loss("dense", 0), **{m: loss(m, number) for m in shown}},
        tuple(line(method, "stop") for method in shown),
        {"dense": mean(values("dense", 0, "stop")),
         **{m: mean(values(m, number, "stop")) for m in shown}},
    )  # fmt: skip


@cache
def initial(network=NETWORK):
    return data.checkpoint(f"{network}_init").weights


@cache
def masks_of_rounds(seed=1) -> list:
    """The masks of all rounds of one seed."""
    stored = data.result("lottery_ticket").arrays[f"masks_{seed}"]
    return tickets.unpack_all(tickets.whole(data.checkpoint(NETWORK).weights), stored)


@cache
def one_shot_masks() -> dict[int, dict]:
    """Seed 1's one-shot masks: {round: masks}"""
    stored = data.result("lottery_ticket").arrays["masks_one_shot"]
    found = tickets.unpack_all(tickets.whole(initial()), stored)
    return dict(zip(rounds("one_shot"), found, strict=True))


def masks(method, number):
    """The masks of seed 1 that a method trained under at this round."""
    if method == "one_shot":
        return one_shot_masks()[number]
    own = masks_of_rounds()[number]
    return tickets.controls(own, 1, number)[method] if method in ("random", "same_inputs") else own


def film(method="ticket") -> list[Film]:
    """One picture a round: kept connections of every pixel, paths of weights, accuracy, stop."""
    stored = data.result("lottery_ticket").arrays
    first = "dense1/kernel"
    # Two of three of the recorded weights: more lines hide each other and make large pictures.
    shown = np.arange(len(stored["sample"])) % 3 > 0
    sample = stored["sample"][shown]
    before = initial()[first].ravel()[sample]
    test, stop = line(method, "test"), line(method, "stop")
    own = rounds(method)
    followed = method == "ticket"
    found = []
    for i, number in enumerate(own):
        mask = masks(method, number)[first]
        after = stored["final"][number][shown].astype(float) if followed else None
        stays = mask.ravel()[sample]
        goes = None
        if followed and number < len(own) - 1:
            goes = stays & ~masks(method, number + 1)[first].ravel()[sample]
        found.append(
            Film(
                NETWORK,
                method,
                NAMES[method],
                number,
                left(number),
                mask.sum(axis=1).reshape(28, 28),
                mask.shape[1],
                before,
                after,
                stays,
                goes,
                test,
                stop,
                i,
            )  # fmt: skip
        )
    return found


def lit() -> np.ndarray:
    """How bright every pixel is on average over the training images, 28 x 28."""
    return data.load("fashion_mnist").x_train.mean(axis=0)[..., 0]


# --- tables ---------------------------------------------------------------------------------


def _bare(measured: Measured) -> str:
    """The number and its interval without a unit, which the table's head says."""
    return str(replace(measured, unit=""))


def differences(what="test") -> Table:
    """The ticket against every control, paired by seed, at several rounds."""
    head = (
        "weights left",
        "ticket, %",
        "ahead of dense",
        *(f"of {short}" for short in ("one-shot", "shuffled", "random mask", "new weights")),
    )
    body = [
        (
            f"{left(number):.1%}",
            _bare(mean(values("ticket", number, what), "%")),
            _bare(ahead_of_dense("ticket", number, what)),
            *(_bare(ahead("ticket", method, number, what)) for method in METHODS[1:]),
        )
        for number in SMALLER
    ]  # fmt: skip
    n = len(seeds())
    return Table(
        f"Test accuracy at the early-stopping step: mean of {n} seeds, differences in points, "
        "paired by seed, 95 % intervals", head, body,
    )  # fmt: skip


def speeds() -> Table:
    """The early-stopping steps at several rounds."""
    shown = ("ticket", "one_shot", "same_inputs", "random", "reinitialized")
    head = ("weights left", "ticket", "one-shot mask", "shuffled mask", "random mask",
            "new weights", "dense / ticket, times")  # fmt: skip
    body = [
        (
            f"{left(number):.1%}",
            *(_bare(mean(values(method, number, "stop"))) for method in shown),
            _bare(times_as_fast("ticket", number)),
        )
        for number in SMALLER
    ]
    last = record()["recipe"]["steps"]
    dense = _bare(mean(values("dense", 0, "stop")))
    return Table(
        f"Early-stopping step of {last:,}, mean and 95 % interval; the dense network: {dense}",
        head, body,
    )  # fmt: skip


def mask_or_weights() -> Table:
    """By how many points what keeps only one part of the ticket is behind it."""
    body = [
        (
            f"{left(number):.1%}",
            *(_bare(ahead("ticket", method, number))
              for method in ("reinitialized", "same_inputs", "random")),
        )
        for number in SMALLER
    ]  # fmt: skip
    return Table(
        "Points behind the ticket, by seed",
        ("weights left", "its mask, new weights", "its first weights, mask shuffled",
         "its first weights, random mask"), body,
    )  # fmt: skip


def cost() -> Table:
    """Multiply-accumulates of finding a ticket and of training it, against one dense training."""
    macs = {number: _macs(number) for number in rounds()}
    stop = {number: values("ticket", number, "stop").mean() for number in rounds()}
    body = []
    for number in SMALLER:
        found = sum(macs[before] for before in range(number)) / macs[0]
        alone = macs[number] * stop[number] / (macs[0] * stop[0])
        body.append((f"{left(number):.1%}", str(number), f"{found:.1f}",
                     f"{macs[number] / macs[0]:.3f}", f"{alone:.3f}"))  # fmt: skip
    return Table(
        "In trainings of the dense network, had every zero been skipped",
        ("weights left", "trainings to find it", "their cost", "the ticket, as many steps",
         "the ticket, to its early stop"), body,
    )  # fmt: skip


def _macs(number):
    """Weights that multiply in this round's network, seed 1."""
    return sum(int(mask.sum()) for mask in masks_of_rounds()[number].values())


# --- the doubt: fashion_cnn -----------------------------------------------------------------


def rewinding_record():
    return data.result("lottery_rewinding").record


@cache
def rewinding_rows():
    return {(r["learning_rate"], r["method"], r["round"], r["seed"]): r
            for r in rewinding_record()["rows"]}  # fmt: skip


def rewinding_values(rate, method, number, what="test"):
    own = rewinding_record()
    method = "dense" if number == 0 else method
    found = [rewinding_rows()[rate, method, number, seed][what] for seed in own["seed"]]
    return np.array([100 * v / own["n"]["test"] if what == "test" else v for v in found], float)


def rewinding() -> Rewinding:
    """fashion_cnn at both learning rates."""
    own = rewinding_record()
    panels = {}
    for rate in own["learning_rates"]:
        lines = []
        for method in ("ticket", "late", "random", "reinitialized"):
            at = sorted({n for r, m, n, _ in rewinding_rows() if r == rate and m == method})
            at = [0, *at] if len(at) > 1 else at  # a control of the last round is a point
            points = [mean(rewinding_values(rate, method, number)) for number in at]
            lines.append(
                Line(
                    method,
                    NAMES[method],
                    np.array([rewinding_left(number) for number in at]),
                    np.array([p.value for p in points]),
                    np.array([p.interval[0] for p in points]),
                    np.array([p.interval[1] for p in points]),
                )  # fmt: skip
            )
        panels[rate] = tuple(lines)
    return Rewinding(own["network"], len(own["seed"]), own["rewind_step"], panels)


def rewinding_left(number):
    own = rewinding_record()
    method = "ticket" if number else "dense"
    return rewinding_rows()[own["learning_rates"][0], method, number, own["seed"][0]]["left"]


def rewinding_ahead(rate, method, other, number) -> Measured:
    """By how many points one way is ahead of another, paired by seed."""
    return mean(
        rewinding_values(rate, method, number) - rewinding_values(rate, other, number), "points"
    )


def doubts() -> Table:
    """Where the hypothesis shows on fashion_cnn and where it does not, by the intervals."""
    body = []
    last = max(number for _, _, number, _ in rewinding_rows())
    for rate in rewinding_record()["learning_rates"]:
        for words, one, other in (
            ("rewound to the start, against new weights", "ticket", "reinitialized"),
            ("rewound to the start, against the random mask", "ticket", "random"),
            ("rewound to an early step, against to the start", "late", "ticket"),
        ):
            gain = rewinding_ahead(rate, one, other, last)
            body.append((words, f"{rate:g}", _bare(gain), shown(gain)))
        gain = mean(rewinding_values(rate, "ticket", last) - rewinding_values(rate, "dense", 0),
                    "points")  # fmt: skip
        body.append(("rewound to the start, against dense", f"{rate:g}", _bare(gain), shown(gain)))
    stops = [row["stop"] for row in rewinding_record()["rows"]]
    unfinished = sum(stop == rewinding_record()["recipe"]["steps"] for stop in stops)
    return Table(
        f"fashion_cnn with {rewinding_left(last):.1%} of its weights: points ahead, paired by "
        f"seed, {len(rewinding_record()['seed'])} seeds ({unfinished} of {len(stops)} runs have "
        "their lowest loss at the last step)",
        ("what is compared", "learning rate", "ahead by", "is a difference shown?"), body,
    )  # fmt: skip


def shown(gain: Measured) -> str:
    """What an interval allows to say."""
    low, high = gain.interval
    return "yes, ahead" if low > 0 else "yes, behind" if high < 0 else "no"


# --- does a ticket survive int8? ------------------------------------------------------------


def int8_record():
    return data.result("lottery_int8").record


def int8_lost(number) -> Measured:
    """Points lost in int8 at this round, mean over the seeds."""
    own = [row for row in int8_record()["rows"] if row["round"] == number]
    n = int8_record()["n"]["test"]
    return mean([100 * (row["float32"] - row["int8"]) / n for row in own], "points")


def int8() -> Table:
    """Dense network and tickets, float32 and converted to int8."""
    rows_, n = int8_record()["rows"], int8_record()["n"]["test"]
    body, dense = [], None
    for number in sorted({row["round"] for row in rows_}):
        own = [row for row in rows_ if row["round"] == number]
        lost = np.array([100 * (row["float32"] - row["int8"]) / n for row in own])
        dense = lost if dense is None else dense
        more = "" if number == 0 else _bare(mean(lost - dense, "points"))
        body.append((
            f"{own[0]['left']:.1%}",
            _bare(mean([100 * row["float32"] / n for row in own], "%")),
            _bare(mean([100 * row["int8"] / n for row in own], "%")),
            _bare(mean(lost, "points")), more,
            f"{np.mean([row['bytes'] for row in own]):,.0f}",
            f"{np.mean([row['gzip'] for row in own]):,.0f}",
        ))  # fmt: skip
    return Table(
        f"float32 and int8 on the test images, {len(int8_record()['seed'])} seeds",
        ("weights left", "float32, %", "int8, %", "points lost", "more than dense, by seed",
         "int8 file, bytes", "gzip of it"), body,
    )  # fmt: skip
