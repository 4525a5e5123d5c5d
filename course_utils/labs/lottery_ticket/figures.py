"""Drawings of the lottery ticket (notebook 04)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from course_utils.views import style
from course_utils.views.checks import Measured

LOOKS = {
    "dense": style.Look(style.INK, "", "-", "o"),
    "ticket": style.LOOKS["blue"],
    "one_shot": style.LOOKS["green"],
    "same_inputs": style.LOOKS["violet"],
    "random": style.LOOKS["orange"],
    "reinitialized": style.LOOKS["red"],
    "late": style.LOOKS["green"],
}
SHORT = {
    "dense": "dense",
    "ticket": "ticket, rewound",
    "one_shot": "one-shot mask",
    "same_inputs": "shuffled, same inputs",
    "random": "random mask",
    "reinitialized": "ticket's mask, new weights",
    "late": "ticket, rewound late",
}
MOST = 2.5  # times the average: where the film's colours end
LEFT_TICKS = (1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01)


class Line(NamedTuple):
    """A method over the weights left: means over the seeds and their 95 % t-intervals."""

    method: str
    name: str
    left: np.ndarray  # share of the weights
    value: np.ndarray  # test accuracy in percent, or the early-stopping step
    low: np.ndarray
    high: np.ndarray


class Film(NamedTuple):
    """One round of one method, for one seed; the curves are means over all seeds."""

    network: str
    method: str
    name: str
    round: int
    left: float
    kept: np.ndarray  # (28, 28): connections that every pixel keeps
    units: int  # of the first layer: connections that it had
    before: np.ndarray  # first values of some weights of the first layer
    after: np.ndarray | None  # their values after this round's training; None: not kept
    stays: np.ndarray  # which of them the mask keeps
    goes: np.ndarray | None  # which of those the next round prunes
    test: Line
    stop: Line
    index: int  # of this round on the two lines


class Methods(NamedTuple):
    """Test accuracy of every method, and by how much the ticket is ahead at one round."""

    network: str
    round: int
    left: float
    seeds: int
    lines: tuple[Line, ...]
    ahead: dict[str, Measured]  # method -> points by which the ticket is ahead, paired
    of_dense: Measured  # points by which the ticket is ahead of the dense network


class Curves(NamedTuple):
    """How fast every method learns at one round."""

    network: str
    round: int
    left: float
    seeds: int
    steps: np.ndarray
    losses: dict[str, np.ndarray]  # mean validation loss at each of the steps
    lines: tuple[Line, ...]  # early-stopping step over the weights left
    stops: dict[str, Measured]


class Rewinding(NamedTuple):
    """fashion_cnn's methods at several learning rates."""

    network: str
    seeds: int
    step: int  # that the late tickets are rewound to
    panels: dict[float, tuple[Line, ...]]


# --- the film -------------------------------------------------------------------------------


def alt_film(state: Film) -> str:
    """Say what one round of the film shows."""
    dead = int((state.kept == 0).sum())
    border = np.ones((28, 28), bool)
    border[4:-4, 4:-4] = False
    i = state.index
    return (
        f"{state.network}, {state.name}, round {state.round}: {state.left:.1%} of the weights are "
        f"left. A pixel keeps {state.kept.mean():.1f} of {state.units} connections on average, "
        f"{state.kept[~border].mean():.1f} in the middle and {state.kept[border].mean():.1f} in "
        f"the outer four rows; {dead} of 784 pixels keep none. Mean of all seeds: "
        f"{state.test.value[i]:.1f} % of the test images right, early stop after "
        f"{state.stop.value[i]:.0f} steps."
    )


def claim_film(state: Film) -> bool:
    """A pixel of the outer four rows keeps 1.3 times as many connections as one of the others."""
    border = np.ones((28, 28), bool)
    border[4:-4, 4:-4] = False
    return bool(state.kept[border].mean() >= 1.3 * state.kept[~border].mean())


def draw_film(state: Film, figure=None):
    """Draw one round: mask over the image, paths of weights, accuracy and stop. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.5, height=4.2)
        with style.rc():
            grid = figure.add_gridspec(2, 3, width_ratios=[1.25, 0.8, 1.0])
            _mask_axes(figure, figure.add_subplot(grid[:, 0]))
            _path_axes(figure, figure.add_subplot(grid[:, 1]), state)
            top, bottom = figure.add_subplot(grid[0, 2]), figure.add_subplot(grid[1, 2])
            _over_left(top, (state.test,), "test accuracy in %", ticks=LEFT_TICKS[::2])
            _over_left(bottom, (state.stop,), "early stop, step", ticks=LEFT_TICKS[::2])
            top.set(title="All seeds")
            bottom.set(xlabel="weights left")
            for name, ax in (("test", top), ("stop", bottom)):
                (figure.moving[name],) = ax.plot(
                    [], [], "o", markersize=11, markerfacecolor="none", markeredgecolor=style.INK,
                    markeredgewidth=1.6, animated=True,
                )  # fmt: skip
    moving = figure.moving
    moving["mask"].set_data(state.kept / state.kept.mean())
    moving["left"].set_text(f"round {state.round}: {state.left:.1%} left")
    _set_paths(moving, state)
    for name, line in (("test", state.test), ("stop", state.stop)):
        moving[name].set_data([line.left[state.index]], [line.value[state.index]])
    return figure


def _mask_axes(figure, ax):
    picture = ax.imshow(np.zeros((28, 28)), vmin=0, vmax=MOST, animated=True)
    ax.set(title="Connections each pixel keeps", xticks=[], yticks=[])
    ax.grid(False)
    bar = figure.colorbar(picture, ax=ax, orientation="horizontal", shrink=0.85, aspect=22,
                          extend="max", pad=0.02)  # fmt: skip
    bar.set_label("times the average\nof this round")
    figure.moving["mask"] = picture
    figure.moving["left"] = ax.text(
        0.5, 0.03, "", transform=ax.transAxes, ha="center", color=style.INK, animated=True,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 2},
    )  # fmt: skip


def _path_axes(figure, ax, state):
    ax.set(xlim=(-0.08, 1.08), ylim=(-0.5, 0.5), title="Weights of layer 1",
           ylabel="value")  # fmt: skip
    ax.set_xticks([0, 1], ["first", "trained"])
    ax.grid(False, axis="x")
    for name, look in (("stays", style.LOOKS["blue"]), ("goes", style.LOOKS["red"])):
        lines = LineCollection([], colors=look.color, linewidths=0.5, linestyles=look.linestyle,
                               alpha=0.6, animated=True)  # fmt: skip
        figure.moving[name] = ax.add_collection(lines)
    figure.moving["paths text"] = ax.text(
        0.5, 0.98, "", transform=ax.transAxes, ha="center", va="top", fontsize=8,
        color=style.INK, animated=True,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.9, "pad": 1},
    )  # fmt: skip


def _set_paths(moving, state):
    if state.after is None:
        for name in ("stays", "goes"):
            moving[name].set_segments([])
        moving["paths text"].set_text("recorded for\nthe ticket only")
        return
    goes = np.zeros(len(state.stays), bool) if state.goes is None else state.goes
    for name, chosen in (("stays", state.stays & ~goes), ("goes", goes)):
        ends = np.stack([state.before[chosen], state.after[chosen]], axis=1)
        x = np.broadcast_to([0.0, 1.0], ends.shape)
        moving[name].set_segments(np.stack([x, ends], axis=2))
    moving["paths text"].set_text(
        f"{int(state.stays.sum())} of {len(state.stays)} left,\n{int(goes.sum())} go next (dashed)"
    )


def _over_left(ax, lines, label, dense=True, ticks=LEFT_TICKS):
    """Axes of some lines over the weights left, from all to few."""
    for line in lines:
        look = LOOKS[line.method]
        ax.fill_between(line.left, line.low, line.high, color=look.color, alpha=0.15, linewidth=0)
        ax.plot(
            line.left, line.value, color=look.color, linestyle=look.linestyle, linewidth=1.4,
            marker=look.marker, markersize=3.5, label=SHORT[line.method],
        )  # fmt: skip
    if dense:
        ax.axhline(lines[0].value[0], color=style.INK, linewidth=0.9, linestyle=":")
    smallest = min(line.left.min() for line in lines)
    ax.set_xscale("log")
    ax.set(xlim=(1.15, smallest / 1.15), ylabel=label)
    ax.xaxis.set_major_locator(FixedLocator([tick for tick in ticks if tick >= smallest / 1.15]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:.0%}"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_minor_formatter(NullFormatter())


# --- accuracy -------------------------------------------------------------------------------


def alt_methods(state: Methods) -> str:
    """Say by how much the ticket is ahead of every control at this round."""
    others = "; ".join(
        f"{SHORT[method]} {gain.value:+.2f} ({gain.low:+.2f} to {gain.high:+.2f})"
        for method, gain in state.ahead.items()
    )
    dense = state.of_dense
    return (
        f"{state.network} with {state.left:.1%} of its weights: points by which the rewound ticket "
        f"is ahead, mean of {state.seeds} seeds with 95 % interval: of the dense network "
        f"{dense.value:+.2f} ({dense.low:+.2f} to {dense.high:+.2f}); {others}."
    )


def draw_methods(state: Methods, figure=None):
    """Draw the accuracy of every method, and the differences at one round. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.8, height=4.6)
        with style.rc():
            left, right = figure.subplots(1, 2, width_ratios=[1.45, 1])
            _over_left(left, state.lines, "test accuracy in %")
            left.set(title="Mean and 95 % interval", xlabel="weights left")
            # Below: within the axes the line that moves would cross its words.
            left.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2, fontsize=8)
            left.annotate("dense", (left.get_xlim()[1], state.lines[0].value[0]), ha="right",
                          va="bottom", fontsize=8)  # fmt: skip
            figure.moving["at"] = left.axvline(
                state.left, color=style.GREY, linewidth=1.2, animated=True
            )
            _difference_axes(figure, right, state)
    moving = figure.moving
    moving["at"].set_xdata([state.left, state.left])
    for line in state.lines:
        method = "dense" if line.method == "ticket" else line.method
        gain = state.of_dense if method == "dense" else state.ahead.get(method)
        moving[f"{method} value"].set_xdata([gain.value if gain else np.nan])
        moving[f"{method} interval"].set_xdata([gain.low, gain.high] if gain else [np.nan] * 2)
        moving[f"{method} missing"].set_text("" if gain else "not run at this size")
    moving["title"].set_text(f"{state.left:.1%} of the weights left")
    return figure


def _difference_axes(figure, ax, state):
    names = ("dense", *(line.method for line in state.lines[1:]))
    ax.axvline(0, color=style.INK, linewidth=0.9)
    for y, method in enumerate(names):
        look = LOOKS[method]
        (figure.moving[f"{method} interval"],) = ax.plot(
            [0, 0], [y, y], color=look.color, linestyle="-", linewidth=2, animated=True
        )
        (figure.moving[f"{method} value"],) = ax.plot(
            [0], [y], look.marker, color=look.color, markersize=7, animated=True
        )
        figure.moving[f"{method} missing"] = ax.text(
            0.2, y, "", va="bottom", fontsize=8, animated=True
        )
    ax.set(xlim=(-2, 8), ylim=(len(names) - 0.5, -0.5),
           xlabel="points by which the ticket is ahead", title="Ticket against …")  # fmt: skip
    ax.set_yticks(range(len(names)), [SHORT[name].replace(", ", ",\n") for name in names])
    figure.moving["title"] = ax.text(
        0.98, 0.98, "", transform=ax.transAxes, ha="right", va="top", fontsize=9, animated=True
    )


def claim_methods(state: Methods) -> bool:
    """By the intervals the ticket is not behind dense, and ahead of random and of new weights."""
    return bool(
        state.of_dense.high > 0
        and all(state.ahead[method].low > 0 for method in ("random", "reinitialized"))
    )


# --- speed ----------------------------------------------------------------------------------


def alt_curves(state: Curves) -> str:
    """Say when every method stops at this round."""
    stops = "; ".join(
        f"{SHORT[method]} {stop.value:.0f} ({stop.low:.0f} to {stop.high:.0f})"
        for method, stop in state.stops.items()
    )
    early = len(state.steps) // 10
    losses = ", ".join(f"{SHORT[m]} {loss[early]:.2f}" for m, loss in state.losses.items())
    return (
        f"{state.network} with {state.left:.1%} of its weights. Early-stopping step, mean of "
        f"{state.seeds} seeds with 95 % interval: {stops}. Validation loss after "
        f"{state.steps[early]} steps: {losses}."
    )


def draw_curves(state: Curves, figure=None):
    """Draw validation losses over the steps, and the early-stopping steps. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.8, height=4.3)
        with style.rc():
            left, right = figure.subplots(1, 2)
            for method, loss in state.losses.items():
                look = LOOKS[method]
                (figure.moving[method],) = left.plot(
                    state.steps, loss, color=look.color, linestyle=look.linestyle, linewidth=1.5,
                    label=SHORT[method], animated=True,
                )  # fmt: skip
            left.set(xlim=(0, state.steps[-1]), ylim=(0.35, 0.8), xlabel="step",
                     ylabel="validation loss", title="Learning, mean of the seeds")  # fmt: skip
            left.legend(loc="upper right", fontsize=8)
            figure.moving["text"] = left.text(
                0.03, 0.03, "", transform=left.transAxes, fontsize=9, animated=True
            )
            _over_left(right, state.lines, "early-stopping step")
            right.set(title="Mean and 95 % interval", xlabel="weights left",
                      ylim=(0, 1.12 * state.steps[-1]))  # fmt: skip
            right.axhline(state.steps[-1], color=style.GREY, linewidth=0.9, linestyle=":")
            right.annotate("last step", (1, state.steps[-1]), fontsize=8, va="bottom")
            figure.moving["at"] = right.axvline(
                state.left, color=style.GREY, linewidth=1.2, animated=True
            )
    moving = figure.moving
    for method, loss in state.losses.items():
        moving[method].set_data(state.steps, loss)
    moving["text"].set_text(f"{state.left:.1%} of the weights left")
    moving["at"].set_xdata([state.left, state.left])
    return figure


def claim_curves(state: Curves) -> bool:
    """By the intervals, the ticket stops before its mask with new weights and a random mask."""
    ticket = state.stops["ticket"]
    return all(ticket.high < state.stops[method].low for method in ("random", "reinitialized"))


# --- the doubt ------------------------------------------------------------------------------


def alt_rewinding(state: Rewinding) -> str:
    """Say how accurate every method is at the last round of each learning rate."""
    parts = []
    for rate, lines in state.panels.items():
        values = ", ".join(f"{SHORT[line.method]} {line.value[-1]:.1f} %" for line in lines)
        parts.append(f"at learning rate {rate:g} {values}, dense {lines[0].value[0]:.1f} %")
    return (
        f"{state.network} with {next(iter(state.panels.values()))[0].left[-1]:.1%} of its weights, "
        f"mean of {state.seeds} seeds: {'; '.join(parts)}."
    )


def draw_rewinding(state: Rewinding, figure=None):
    """Draw the accuracy over the weights left, a panel for each learning rate. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.8, height=4.0)
        with style.rc():
            axes = figure.subplots(1, len(state.panels), sharey=True)
            for ax, (rate, lines) in zip(axes, state.panels.items(), strict=True):
                _over_left(ax, [line for line in lines if len(line.left) > 1], "")
                for i, line in enumerate(line for line in lines if len(line.left) == 1):
                    look = LOOKS[line.method]  # side by side, so that their intervals can be seen
                    ax.errorbar(
                        line.left * 1.04 ** (2 * i - 1), line.value,
                        [line.value - line.low, line.high - line.value], color=look.color,
                        fmt=look.marker, capsize=4, label=SHORT[line.method],
                    )  # fmt: skip
                ax.set(title=f"learning rate {rate:g}", xlabel="weights left")
            axes[0].set_ylabel("test accuracy in %")
            axes[0].legend(loc="lower left", fontsize=8)
    return figure
