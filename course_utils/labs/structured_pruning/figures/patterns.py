"""Which weights go: connections, neurons, channels, 2 of every 4."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.ticker import PercentFormatter

from course_utils.views import style


class Connections(NamedTuple):
    """A slice of a dense network, the same fraction of its synapses or of its neurons pruned."""

    network: str
    fraction: float
    layers: list[str]  # one a column of units
    units: list[int]  # that the whole layers have
    weights: list[np.ndarray]  # between two columns, (units drawn, units drawn)
    kept: dict[str, list[np.ndarray]]  # "synapses", "neurons" -> a mask for each of these
    alive: dict[str, list[np.ndarray]]  # -> for each column: does the unit take part?
    dead: dict[str, list[int]]  # -> for each whole layer: units that take no part
    left: dict[str, float]  # -> share of the network's weights that is left
    correct: dict[str, int]  # -> test images right
    total: int  # test images
    curve_fraction: np.ndarray  # every position of the slider ...
    curve: dict[str, np.ndarray]  # ... and the accuracies there


PRUNED = {"synapses": "blue", "neurons": "red"}


def alt_connections(state: Connections) -> str:
    """Say what is left, and right, of the network pruned either way."""
    said = [
        f"pruning {what} leaves {state.left[what]:.1%} of the weights and "
        f"{state.correct[what] / state.total:.1%} of {state.total:,} test images right"
        for what in PRUNED
    ]
    return (
        f"{state.network} with {state.fraction:.0%} pruned and nothing trained after: "
        f"{'; '.join(said)}. Dense, {state.curve['synapses'][0]:.1%} are right."
    )


def claim_connections(state: Connections) -> bool:
    """Half pruned: 1 to 3 points lost or more than 15, within 5 % of as many weights left."""
    dense = state.curve["synapses"][0]
    lost = {what: dense - correct / state.total for what, correct in state.correct.items()}
    return bool(
        state.fraction == 0.5
        and 0.01 <= lost["synapses"] <= 0.03
        and 0.15 < lost["neurons"] < 1
        and abs(state.left["synapses"] - state.left["neurons"]) <= 0.05
        and min(state.left.values()) > 0.4
    )


def draw_connections(state: Connections, figure=None):
    """Draw both pruned graphs and the accuracy that each is left with. -> Figure"""
    if figure is None:
        figure = style.figure(width=9.2, height=4.3)
        with style.rc():
            *graphs, accuracy = figure.subplots(1, 3, width_ratios=[1, 1, 0.9])
            for ax, what in zip(graphs, PRUNED, strict=True):
                _graph_axes(figure, ax, what, state)
            for what, look in PRUNED.items():
                look = style.LOOKS[look]
                accuracy.plot(state.curve_fraction, state.curve[what], color=look.color,
                              linestyle=look.linestyle, linewidth=1.4)  # fmt: skip
                figure.moving[f"dot {what}"] = accuracy.plot(
                    [], [], look.marker, color=look.color, markersize=10, linestyle="none",
                    markeredgecolor="white", animated=True,
                )[0]  # fmt: skip
                accuracy.plot([], [], look.marker, color=look.color, linestyle=look.linestyle,
                              label=f"{what} pruned")  # fmt: skip
            accuracy.set(title="Accuracy, not retrained", xlabel="fraction pruned",
                         ylabel=f"right of {state.total:,} test images", xlim=(-0.03, 1),
                         ylim=(0, 1))  # fmt: skip
            accuracy.legend(loc="lower left")
            for axis in (accuracy.xaxis, accuracy.yaxis):
                axis.set_major_formatter(PercentFormatter(1, decimals=0))
    for what in PRUNED:
        for column, kept in enumerate(state.kept[what]):
            lines = figure.moving[f"{what} lines {column}"]
            lines.set_linewidths(np.where(kept, _widths(state.weights[column]), 0).ravel())
        for column, alive in enumerate(state.alive[what]):
            y = _heights(len(alive))
            figure.moving[f"{what} alive {column}"].set_data(np.full(alive.sum(), column), y[alive])
            figure.moving[f"{what} dead {column}"].set_data(
                np.full((~alive).sum(), column), y[~alive]
            )
        figure.moving[f"{what} text"].set_text(
            f"{state.left[what]:.1%} of all weights left\n"
            f"{sum(state.dead[what])} of {sum(state.units)} units unconnected"
        )
        figure.moving[f"dot {what}"].set_data([state.fraction], [state.correct[what] / state.total])
    return figure


def _graph_axes(figure, ax, what, state):
    look = style.LOOKS[PRUNED[what]]
    for column, weights in enumerate(state.weights):
        starts, ends = (_heights(count) for count in weights.shape)
        segments = [[(column, a), (column + 1, b)] for a in starts for b in ends]
        lines = LineCollection(segments, colors=look.color, linestyles="-", animated=True)
        figure.moving[f"{what} lines {column}"] = ax.add_collection(lines)
    for column in range(len(state.layers)):
        figure.moving[f"{what} alive {column}"] = ax.plot(
            [], [], "o", color=style.INK, markersize=9, linestyle="none", animated=True
        )[0]
        figure.moving[f"{what} dead {column}"] = ax.plot(
            [], [], "x", color=style.GREY, markersize=6, linestyle="none", animated=True
        )[0]
        drawn, every = len(state.alive[what][column]), state.units[column]
        of = f"\n{drawn} of {every}" if drawn < every else f"\n{every} units"
        ax.text(column, -0.06, state.layers[column] + of, ha="center", va="top", fontsize=9)
    figure.moving[f"{what} text"] = ax.text(
        1, -0.32, "", ha="center", va="center", fontsize=9, animated=True
    )
    ax.set(title=f"Pruning {what}", xlim=(-0.35, 2.35), ylim=(-0.42, 1.04))
    ax.set_axis_off()


def _heights(count):
    return np.linspace(1, 0, count)


def _widths(weights):
    """Line widths in points: as the magnitudes, the largest 2.4."""
    magnitudes = np.abs(weights)
    return 0.15 + 2.25 * magnitudes / magnitudes.max()


class Pattern(NamedTuple):
    """n of every m weights of a layer kept, in a corner of its matrix and in all of it."""

    layer: str
    n: int
    m: int
    along: str  # one of PATTERNS
    weights: np.ndarray  # the corner, (outputs, inputs)
    kept: np.ndarray  # its mask
    first_input: int  # of the corner
    groups: int  # of m inputs of one output, in the whole layer
    broken: int  # of these, how many keep more than n
    energy: dict[str, float]  # each of PATTERNS -> share of the sum of w^2 that it keeps


PATTERNS = {
    "inputs": "along the inputs",
    "outputs": "along the outputs",
    "anywhere": "anywhere in the layer",
}


def alt_pattern(state: Pattern) -> str:
    """Say how many groups hold the pattern, and what it keeps against a free choice."""
    return (
        f"{state.n} of every {state.m} weights of {state.layer} kept, chosen "
        f"{PATTERNS[state.along]}: {state.groups - state.broken:,} of {state.groups:,} groups of "
        f"{state.m} inputs hold at most {state.n}. Of the weights' sum of "
        f"squares {state.energy[state.along]:.1%} is kept; the same number chosen anywhere keeps "
        f"{state.energy['anywhere']:.1%}."
    )


def claim_pattern(state: Pattern) -> bool:
    """Wrong axis: sum of w² within a point of the right one's, 30 to 36 % of the groups broken."""
    return bool(
        state.along == "outputs"
        and abs(state.energy["outputs"] - state.energy["inputs"]) < 0.01
        and state.energy["anywhere"] - state.energy["inputs"] > 0.05
        and 0.30 <= state.broken / state.groups <= 0.36
        and (state.kept.reshape(len(state.kept), -1, state.m).sum(axis=2) > state.n).any()
    )


def draw_pattern(state: Pattern, figure=None):
    """Draw a corner of the matrix with its groups, and the sum of w^2 each way keeps. -> Figure"""
    outputs, inputs = state.weights.shape
    if figure is None:
        figure = style.figure(width=9.0, height=4.4)
        with style.rc():
            grid, bars = figure.subplots(1, 2, width_ratios=[1.25, 1])
            figure.moving["matrix"] = grid.imshow(
                np.zeros(state.weights.shape), cmap="Blues", vmin=-0.25, vmax=1, animated=True,
                extent=(0, inputs, outputs, 0), aspect="auto",
            )  # fmt: skip
            figure.moving["broken"] = grid.add_collection(
                LineCollection([], colors=style.RED, linewidths=1.3, linestyles="-", zorder=4,
                               animated=True)
            )  # fmt: skip
            figure.moving["groups"] = grid.add_collection(
                LineCollection(
                    [[(x, 0), (x, outputs)] for x in range(0, inputs + 1, state.m)]
                    + [[(0, y), (inputs, y)] for y in range(outputs + 1)],
                    colors=style.INK, linewidths=0.7, linestyles="-", zorder=3, animated=True,
                )
            )  # fmt: skip
            figure.moving["title"] = grid.text(0, -0.5, "", fontsize=11, animated=True)
            figure.moving["input label"] = grid.text(
                inputs / 2, outputs + 0.5, "", ha="center", va="top", animated=True
            )
            figure.moving["verdict"] = grid.text(
                inputs / 2, outputs + 1.9, "", ha="center", va="top", fontsize=9,
                animated=True,
            )  # fmt: skip
            grid.set(xlim=(-0.1, inputs + 0.1), ylim=(outputs + 4.5, -1.4), xticks=[], yticks=[],
                     ylabel=f"the first {outputs} outputs")  # fmt: skip
            grid.grid(False)
            for side in grid.spines.values():
                side.set_visible(False)
            for row, (way, look) in enumerate(zip(PATTERNS, ("blue", "red", "green"), strict=True)):
                look = style.LOOKS[look]
                figure.moving[f"bar {way}"] = bars.barh(
                    row, 0, height=0.6, facecolor="white", edgecolor=look.color,
                    hatch=look.hatch or "|||", animated=True,
                )[0]  # fmt: skip
                figure.moving[f"text {way}"] = bars.text(0, row, "", va="center", animated=True)
            bars.set_yticks(range(len(PATTERNS)), [words.replace(" in ", "\nin ") for words in
                                                  PATTERNS.values()])  # fmt: skip
            bars.set(xlim=(0, 1.25), ylim=(len(PATTERNS) - 0.4, -0.6),
                     xlabel="share of the sum of w² kept",
                     title="Kept, if chosen")  # fmt: skip
            bars.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            bars.set_xticks([0, 1])
            bars.grid(False, axis="y")
    moving = figure.moving
    magnitudes = np.abs(state.weights)
    moving["matrix"].set_data(np.where(state.kept, magnitudes / magnitudes.max(), np.nan))
    broken = state.kept.reshape(outputs, -1, state.m).sum(axis=2) > state.n
    crosses = []
    for y, group in np.argwhere(broken):
        left, right = group * state.m + 0.15, (group + 1) * state.m - 0.15
        crosses += [[(left, y + 0.15), (right, y + 0.85)], [(left, y + 0.85), (right, y + 0.15)]]
    moving["broken"].set_segments(crosses)
    moving["title"].set_text(f"{state.layer}, |w|")
    moving["input label"].set_text(
        f"inputs {state.first_input} to {state.first_input + inputs - 1}, in groups of {state.m}"
    )
    moving["verdict"].set_text(
        f"empty: removed\nno group keeps more than {state.n}" if not state.broken else
        f"empty: removed; crossed: more than {state.n}\n"
        f"kept, in {state.broken:,} of {state.groups:,} groups"
    )  # fmt: skip
    for way, share in state.energy.items():
        chosen = way == state.along
        moving[f"bar {way}"].set_width(share)
        moving[f"bar {way}"].set_linewidth(2.6 if chosen else 0.8)
        moving[f"text {way}"].set(
            x=share, text=f"  {share:.1%}", fontweight="bold" if chosen else "normal"
        )
    return figure
