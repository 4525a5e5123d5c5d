"""Drawings of structured pruning: graphs, patterns, fine-tuning, bytes and time (notebook 03)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.legend_handler import HandlerTuple
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from course_utils.views import style

# --- synapses and neurons -------------------------------------------------------------------


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
        figure.moving[f"dot {what}"].set_data(
            [state.fraction], [state.correct[what] / state.total]
        )
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


# --- patterns -------------------------------------------------------------------------------


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
        f"white: removed\nno group keeps more than {state.n}" if not state.broken else
        f"white: removed; crossed: more than {state.n}\n"
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


# --- bytes ----------------------------------------------------------------------------------

FORMATS = {
    "dense": ("dense", None),
    "gzip": ("gzip", "red"),
    "bitmap": ("bitmap", "green"),
    "csr4": ("CSR, 4-bit indices", "orange"),
    "csr8": ("CSR, 8-bit indices", "violet"),
    "csr16": ("CSR, 16-bit indices", "crimson"),
    "tflite_sparse": (".tflite, zeros left out", "blue"),
}
ZEROS = {"unstructured": "zeros anywhere", "blocks": "zeros in blocks of 4 inputs"}


class Storage(NamedTuple):
    """The bytes of a network's kernels in each format at every sparsity; one is looked at."""

    network: str
    pattern: str  # one of ZEROS
    count: int  # weights
    sparsity: np.ndarray  # shares removed of each kernel
    sizes: dict[str, np.ndarray]  # format -> bytes at each sparsity; of the .tflite, all of it
    chosen: int


def alt_storage(state: Storage) -> str:
    """Say which format is smallest at this sparsity, and what CSR costs."""
    sizes = {name: int(values[state.chosen]) for name, values in state.sizes.items()}
    best = min(sizes, key=sizes.get)
    return (
        f"{state.network}'s {state.count:,} weights, {state.sparsity[state.chosen]:.0%} of them "
        f"zero, {ZEROS[state.pattern]}: {sizes['dense'] / 1000:,.0f} kB dense; smallest is "
        f"{FORMATS[best][0]} with {sizes[best] / 1000:,.1f} kB "
        f"({sizes['dense'] / sizes[best]:.1f} times fewer). CSR with 16-bit indices takes "
        f"{sizes['csr16'] / 1000:,.1f} kB, a .tflite without zeros "
        f"{sizes['tflite_sparse'] / 1000:,.1f} kB."
    )


def claim_storage(state: Storage) -> bool:
    """At 50 %: every format but dense takes more than half of dense; wider indices, more."""
    sizes = {name: values[state.chosen] for name, values in state.sizes.items()}
    dense = sizes.pop("dense")
    return bool(
        state.sparsity[state.chosen] == 0.5
        and dense == 4 * state.count
        and all(0.5 < size / dense < 1.2 for size in sizes.values())
        and sizes["csr4"] < sizes["csr8"] < sizes["csr16"]
    )


def draw_storage(state: Storage, figure=None):
    """Draw bytes against sparsity in every format, and the ledger at one sparsity. -> Figure"""
    if figure is None:
        figure = style.figure(width=9.2, height=4.3)
        with style.rc():
            curve, bars = figure.subplots(1, 2, width_ratios=[1.1, 1])
            for row, (name, (label, look)) in enumerate(FORMATS.items()):
                look = style.LOOKS[look] if look else style.Look(style.INK, "", "-", "")
                curve.plot(state.sparsity, state.sizes[name], color=look.color, marker=look.marker,
                           linestyle=look.linestyle, linewidth=1.4, label=label)  # fmt: skip
                figure.moving[f"bar {name}"] = bars.barh(
                    row, 0, height=0.64, facecolor="white", edgecolor=look.color,
                    hatch=look.hatch, animated=True,
                )[0]  # fmt: skip
                figure.moving[f"text {name}"] = bars.text(
                    0, row, "", va="center", fontsize=9, animated=True,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                )  # fmt: skip
            figure.moving["cursor"] = curve.axvline(
                0, color=style.GREY, linewidth=6, alpha=0.3, linestyle="-", animated=True
            )
            most = max(sizes.max() for sizes in state.sizes.values())
            curve.set(title=f"{state.network}: {state.count:,} weights", ylabel="kB",
                      xlabel=f"sparsity, {ZEROS[state.pattern]}", ylim=(0, 1.05 * most),
                      xlim=(-0.03, 1))  # fmt: skip
            bars.set(title="At this sparsity (share of dense)", xlabel="kB",
                     xlim=(0, 1.19 * most), ylim=(len(FORMATS) - 0.4, -0.6))  # fmt: skip
            bars.set_yticks(range(len(FORMATS)), [label for label, _ in FORMATS.values()])
            bars.grid(False, axis="y")
            curve.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            curve.yaxis.set_major_formatter(lambda value, _: f"{value / 1000:.0f}")
            bars.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:.0f}")
            figure.legend(loc="outside lower center", ncols=4)
    share = state.sparsity[state.chosen]
    figure.moving["cursor"].set_xdata([share, share])
    dense = state.sizes["dense"][state.chosen]
    most = max(sizes.max() for sizes in state.sizes.values())
    for name, sizes in state.sizes.items():
        size = sizes[state.chosen]
        figure.moving[f"bar {name}"].set_width(size)
        # Beside its bar, or in a long one's end: its number always has room.
        edge, side = (-0.015, "right") if size > 0.65 * most else (0.015, "left")
        figure.moving[f"text {name}"].set(
            x=size + edge * most, ha=side, text=f"{size / 1000:,.0f} ({size / dense:.0%})"
        )
    return figure


# --- the lecture's tables -------------------------------------------------------------------


class LossPoint(NamedTuple):
    """A pruned network's loss, in percent of the dense network's score; of one table, or own."""

    table: str
    model: str
    sparsity: float  # %
    loss: float  # % of the dense score
    low: float | None = None  # 95 % interval, if one can be known
    high: float | None = None


HIGHEST_LOSS = 6  # % of the dense score: just above the lecture's worst
TABLE_LOOKS = {
    "ImageNet accuracy": "blue",
    "translation BLEU": "orange",
    "keyword accuracy": "violet",
    "Fashion-MNIST accuracy": "green",
    "yours": "red",
}


def alt_loss(points: list[LossPoint]) -> str:
    """Name the worst point of the tables, and those that are the reader's own."""
    worst = max((p for p in points if p.table not in ("Fashion-MNIST accuracy", "yours")),
                key=lambda point: point.loss)  # fmt: skip
    own = [p for p in points if p.table in ("Fashion-MNIST accuracy", "yours")]
    told = [f"{'your ' * (p.table == 'yours')}{p.model} {p.loss:.1f} %"
            for p in own if p.table == "yours" or abs(p.sparsity - 90) < 0.5]  # fmt: skip
    return (
        f"Loss relative to the dense score against sparsity, {len(points) - len(own)} points of "
        f"the lecture's three tables and {len(own)} of networks pruned here. Of the tables "
        f"{worst.model} loses most, {worst.loss:.1f} % at {worst.sparsity:.1f} % sparsity."
        + (f" At 90 %, or where yours is: {', '.join(told)}." if told else "")
    )


def claim_loss(points: list[LossPoint]) -> bool:
    """InceptionV3 at 75 %, all of its interval, above every BLEU at 85 %; none above 0 at 80 %."""
    (inception,) = (p for p in points if (p.model, p.sparsity) == ("InceptionV3", 75))
    bleu = {s: [p.loss for p in points if p.table == "translation BLEU" and p.sparsity == s]
            for s in (80, 85)}  # fmt: skip
    return bool(
        len(bleu[80]) == len(bleu[85]) == 2
        and inception.low > max(bleu[85]) > min(bleu[85]) > 0
        and max(bleu[80]) < 0
    )


def draw_loss(points: list[LossPoint]):
    """Draw loss against sparsity, one colour for each table, one mark for each model. -> Figure

    What loses more than HIGHEST_LOSS is named in a corner and not drawn.
    """
    beyond = {}
    for point in (point for point in points if point.loss > HIGHEST_LOSS):
        beyond.setdefault(point.model, []).append(f"{point.sparsity:.0f} %")
    points = [point for point in points if point.loss <= HIGHEST_LOSS]
    figure, ax = style.subplots(width=8.8, height=5.4)
    with style.rc():
        ax.axhline(0, color=style.INK, linewidth=1, linestyle="-")
        drawn = dict.fromkeys(TABLE_LOOKS, 0)  # models of each table
        for table, model in dict.fromkeys((p.table, p.model) for p in points):
            look = style.LOOKS[TABLE_LOOKS[table]]
            more, hollow = divmod(drawn[table], 2)  # the second is hollow, the third has a cross
            drawn[table] += 1
            own = sorted((p for p in points if (p.table, p.model) == (table, model)),
                         key=lambda p: p.sparsity)  # fmt: skip
            for p in (p for p in own if p.low is not None):
                ax.plot([p.sparsity] * 2, [p.low, p.high], color=look.color, linestyle="-",
                        linewidth=1, alpha=0.7)  # fmt: skip
            aside = 1.5 if table == "keyword accuracy" else 0  # at 50 % others would hide it
            ax.plot([p.sparsity - aside for p in own], [p.loss for p in own], color=look.color,
                    marker="X" if more else look.marker, fillstyle="none" if hollow else "full",
                    linestyle=(0, (1, 1)) if more else look.linestyle, linewidth=1.2,
                    markersize=9 if table == "yours" else 7, label=f"{table}: {model}")  # fmt: skip
        if beyond:
            told = "".join(f"\n{model} at {', '.join(at)}" for model, at in beyond.items())
            ax.text(0.02, 0.98, f"not drawn, above {HIGHEST_LOSS} %:{told}",
                    transform=ax.transAxes, va="top", fontsize=9)  # fmt: skip
        ax.set(xlabel="sparsity, %  (keyword: 50 %, set beside the others)",
               ylabel="loss, % of the dense score",
               title="What pruning cost, after retraining: three tables, and here")  # fmt: skip
        figure.legend(loc="outside lower center", ncols=2)
    return figure


# --- pruned and trained on ------------------------------------------------------------------


class Own(NamedTuple):
    """A run of the student's own, on the test set."""

    network: str
    method: str
    sparsity: float
    correct: int
    total: int
    interval: tuple[float, float]  # of the accuracy, 95 %
    dense_correct: int
    loss_interval: tuple[float, float]  # points lost against the dense network, paired, 95 %

    def __str__(self):
        low, high = self.loss_interval
        loss = 100 * (self.dense_correct - self.correct) / self.total
        return (
            f"{self.network}, {self.method}, {self.sparsity:.1%} sparse: "
            f"{self.correct / self.total:.1%} of {self.total:,} test images right, "
            f"{loss:.1f} points lost (95 % interval {low:.1f} to {high:.1f})"
        )


class Line(NamedTuple):
    """Test accuracies, in percent, at several sparsities: means and intervals over seeds."""

    asked: tuple[float, ...]
    sparsity: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class FineTuned(NamedTuple):
    """The recorded runs of a network that answer one question."""

    network: str
    comparison: str  # one of COMPARISONS
    seeds: int
    total: int  # test images
    dense: float  # %, the shipped network
    control: tuple[float, float, float]  # trained on as long, dense: mean and interval over seeds
    lines: dict[str, Line]  # one of WAYS -> its runs
    layers: list[str]  # those pruned
    chosen: float  # the sparsity looked at
    by_layer: dict[str, dict[str, float]]  # one of WAYS -> layer -> sparsity, there
    own: Own | None = None


WAYS = {  # what a run is called, how it looks; "_raw": pruned and not trained on
    "gradual": ("gradual, trained on", "blue"),
    "one_shot": ("one-shot, trained on", "orange"),
    "one_shot_raw": ("one-shot, not trained on", "red"),
    "random": ("at random, trained on", "violet"),
    "random_raw": ("at random, not trained on", "crimson"),
    "global": ("one threshold for all layers", "green"),
    "sigma": ("s·σ of each layer", "violet"),
    "blocks": ("in blocks of 4 inputs", "crimson"),
}
COMPARISONS = {
    "trained on, or not": ("gradual", "one_shot", "one_shot_raw"),
    "at once, or gradually": ("gradual", "one_shot"),
    "by magnitude, or at random": ("gradual", "random", "one_shot_raw", "random_raw"),
    "per layer, or globally": ("gradual", "global", "sigma"),
    "anywhere, or in blocks": ("gradual", "blocks"),
}


def alt_fine_tuned(state: FineTuned) -> str:
    """Say what each way reaches at the sparsity looked at."""
    said = []
    for key, line in state.lines.items():
        if state.chosen in line.asked:
            at = line.asked.index(state.chosen)
            said.append(f"{WAYS[key][0]} {line.mean[at]:.1f} %{_over(line, at)}")
    own = f" Your run: {state.own}." if state.own else ""
    return (
        f"{state.network} at {state.chosen:.0%} sparsity, mean test accuracy of {state.seeds} "
        f"seeds: {'; '.join(said)}. Dense {state.dense:.1f} %, trained on as long "
        f"{state.control[0]:.1f} %.{own}"
    )


def _over(line, at):
    low, high = line.low[at], line.high[at]
    return f" ({low:.1f} to {high:.1f})" if low < high else " (one run)"


def claim_fine_tuned(state: FineTuned) -> bool:
    """90 % pruned: both ways trained on, all of the interval, within 2 points of dense; not trained
    on, over 50 lost."""
    low, high = {}, {}
    for way, line in state.lines.items():
        at = line.asked.index(0.9)
        low[way], high[way] = line.low[at], line.high[at]
    return bool(
        state.chosen == 0.9
        and all(state.dense - low[way] < 2 for way in ("gradual", "one_shot"))
        and state.dense - high["one_shot_raw"] > 50
    )


def claim_global(state: FineTuned) -> bool:
    """90 %: global ahead of one share a layer by over 5 points between the intervals' ends, with
    the first layer and the last less sparse by over 25 points, and the largest sparser."""
    every, one = state.lines["gradual"], state.lines["global"]
    ahead = one.low[one.asked.index(0.9)] - every.high[every.asked.index(0.9)]
    spared = {layer: share - state.by_layer["global"][layer]
              for layer, share in state.by_layer["gradual"].items()}  # fmt: skip
    first, *_, last = state.layers
    return bool(
        state.chosen == 0.9
        and 5 < ahead < 50
        and min(spared[first], spared[last]) > 0.25
        and spared["dense1"] < 0
    )


def draw_fine_tuned(state: FineTuned, figure=None):
    """Draw accuracy against sparsity for each way, and where the zeros are. -> Figure"""
    if figure is None:
        figure = style.figure(width=9.2, height=5.0)
        with style.rc():
            curve, bars = figure.subplots(1, 2, width_ratios=[1.6, 1])
            _accuracy_lines(figure, curve, state)
            figure.moving["cursor"] = curve.axvline(
                0, color=style.GREY, linewidth=6, alpha=0.3, linestyle="-", animated=True
            )
            height = 0.8 / len(state.lines)
            for i, key in enumerate(state.lines):
                look = style.LOOKS[WAYS[key][1]]
                for row, layer in enumerate(state.layers):
                    y = row + height * (i - (len(state.lines) - 1) / 2)
                    figure.moving[f"bar {key} {layer}"] = bars.barh(
                        y, 0, height=0.9 * height, animated=True, **_bar_look(look)
                    )[0]
                    figure.moving[f"text {key} {layer}"] = bars.text(
                        0, y, "", va="center", fontsize=9, animated=True
                    )
            bars.set_yticks(range(len(state.layers)), state.layers)
            bars.set(xlim=(0, 1.25), ylim=(len(state.layers) - 0.5, -0.5),
                     title="Sparsity of each layer, there")  # fmt: skip
            bars.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            bars.set_xticks([0, 0.5, 1])
            bars.grid(False, axis="y")
    figure.moving["cursor"].set_xdata([_halvings(state.chosen)] * 2)
    for key in state.lines:
        for layer in state.layers:
            share = state.by_layer.get(key, {}).get(layer)
            figure.moving[f"bar {key} {layer}"].set_width(share or 0)
            figure.moving[f"text {key} {layer}"].set(
                x=share or 0, text="" if share is None else f" {share:.1%}"
            )
    return figure


def _bar_look(look):
    return {"facecolor": "white", "edgecolor": look.color, "hatch": look.hatch or "|||"}


def _accuracy_lines(figure, ax, state):
    handles = {}  # label -> what the legend shows: the line, and the hatch of its bars
    ax.axhline(state.dense, color=style.INK, linewidth=1, linestyle="-")
    floor = min(min(line.low) for line in state.lines.values())
    top = max(state.dense, *(max(line.high) for line in state.lines.values()))
    for key, line in state.lines.items():
        label, look = WAYS[key]
        look = style.LOOKS[look]
        low, high = (np.abs(np.subtract(line.mean, ends)) for ends in (line.low, line.high))
        drawn = ax.errorbar(_halvings(line.sparsity), line.mean, yerr=[low, high], capsize=4,
                            color=look.color, linestyle=look.linestyle, marker=look.marker)
        one = " (one run)" if line.low == line.high else ""
        handles[label + one] = (drawn, Patch(**_bar_look(look)))
    if state.own:
        accuracy = 100 * state.own.correct / state.own.total
        floor, top = min(floor, accuracy), max(top, accuracy)
        (handles["yours"],) = ax.plot(
            [_halvings(state.own.sparsity)], [accuracy], "*", color=style.INK, markersize=15,
            markeredgecolor="white", linestyle="none", zorder=5,
        )  # fmt: skip
    room = 0.06 * (top - floor) + 0.2
    ax.set(xlim=(0.6, _halvings(0.985)), ylim=(floor - 1.5 * room, top + room))
    ax.text(_halvings(0.984), state.dense, "dense, as shipped", ha="right", va="bottom",
            fontsize=9)  # fmt: skip
    ticks = (0.5, 0.75, 0.9, 0.95, 0.98)
    ax.set_xticks(_halvings(ticks), [f"{100 * tick:g}" for tick in ticks])
    ax.set(xlabel="sparsity, %  (equal steps halve what is left)",
           ylabel=f"test accuracy, %  ({state.total:,} images)",
           title=f"{state.network}: {state.seeds} seeds, mean and 95 % interval")  # fmt: skip
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", handlelength=4.5,
                  handler_map={tuple: HandlerTuple(ndivide=None)})  # fmt: skip


def _halvings(sparsity):
    """How often the weights that are left were halved: 1 at 50 %, 2 at 75 %."""
    return -np.log2(1 - np.asarray(sparsity, dtype=float))


# --- 2 by 4 beside any half -----------------------------------------------------------------


class PatternCost(NamedTuple):
    """Points of accuracy lost with half of the weights pruned, in a pattern or anywhere."""

    network: str
    tuned: bool  # trained on after
    method: str  # "two_by_four" or "one_shot" (anywhere)
    loss: float
    low: float | None = None  # 95 % interval over seeds, if there were several
    high: float | None = None


COSTS = {"two_by_four": ("2 by 4", "red"), "one_shot": ("50 %, anywhere", "blue")}


def alt_two_by_four(rows: list[PatternCost]) -> str:
    """Say what each row loses, the pattern first."""
    pairs = {}
    for row in rows:
        name = row.network + ("" if row.tuned else ", not trained on")
        pairs.setdefault(name, {})[row.method] = row.loss
    said = [f"{name}: {pair['two_by_four']:.2f} against {pair['one_shot']:.2f}"
            for name, pair in pairs.items()]  # fmt: skip
    return f"Points lost with 2 by 4 against 50 % anywhere. {'; '.join(said)}."


def claim_two_by_four(rows: list[PatternCost]) -> bool:
    """Trained on: intervals apart, means 0.3 to 0.8 apart; fashion_cnn: all below 0.4 points."""
    of = {(row.network, row.method): row for row in rows if row.tuned}
    lecture = next(row.network for row in rows if "lecture" in row.network)
    ahead = {name: of[name, "two_by_four"].loss - of[name, "one_shot"].loss
             for name in (lecture, "fashion_dscnn")}  # fmt: skip
    return bool(
        all(0.3 <= points <= 0.8 for points in ahead.values())
        and of["fashion_dscnn", "two_by_four"].low > of["fashion_dscnn", "one_shot"].high
        and all(-0.4 < of["fashion_cnn", way].low <= of["fashion_cnn", way].high < 0.4
                for way in COSTS)
    )  # fmt: skip


def draw_two_by_four(rows: list[PatternCost]):
    """Draw the points lost by either pattern, before training on and after. -> Figure"""
    figure, axes = style.subplots(1, 2, width=9.0, height=3.6, sharey=True)
    names = list(dict.fromkeys(row.network for row in rows))
    with style.rc():
        for ax, tuned in zip(axes, (False, True), strict=True):
            ax.axvline(0, color=style.INK, linewidth=1, linestyle="-")
            for row in (row for row in rows if row.tuned == tuned):
                label, look = COSTS[row.method]
                look = style.LOOKS[look]
                y = names.index(row.network) + (-0.16 if row.method == "two_by_four" else 0.16)
                if row.low is not None:
                    ax.plot([row.low, row.high], [y, y], color=look.color, linestyle="-")
                first = row.network == names[-1]
                ax.plot([row.loss], [y], look.marker, color=look.color, markersize=8,
                        linestyle="none", label=label if first else None)  # fmt: skip
                end = row.loss if row.high is None else max(row.loss, row.high)
                ax.text(end, y, f"   {row.loss:.2f}", va="center", fontsize=9)
            for name in set(names) - {row.network for row in rows if row.tuned == tuned}:
                ax.text(0.5, names.index(name), "not in the lecture", va="center", ha="center",
                        fontsize=9, transform=ax.get_yaxis_transform(), backgroundcolor="white")
            ax.set(xlabel="points of test accuracy lost",
                   title=f"Half pruned, {'' if tuned else 'not '}trained on")  # fmt: skip
            ax.margins(x=0.16)
        axes[0].set_yticks(range(len(names)), names)
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


# --- channels -------------------------------------------------------------------------------


class ChannelRun(NamedTuple):
    """Test accuracy, in percent, of a network whose channels were removed."""

    criterion: str  # one of CRITERIA
    fraction: float  # of each layer's channels
    tuned: bool  # trained on after
    mean: float
    low: float  # 95 % interval over seeds
    high: float


class Channels(NamedTuple):
    """A convolutional network with a fraction of its channels removed."""

    network: str
    fraction: float
    channels: dict[str, int]  # layer -> channels before ...
    kept: dict[str, int]  # ... and after
    before: dict[str, int]  # "macs", "parameters", "tflite" (bytes)
    after: dict[str, int]
    runs: list[ChannelRun]
    dense: float  # %
    total: int  # test images


CRITERIA = {
    "l1": ("smallest L1 norm", "blue"),
    "l2": ("smallest L2 norm", "green"),
    "activation": ("least activation", "orange"),
    "random": ("at random", "violet"),
}
COST_NAMES = {
    "macs": "multiply–accumulates",
    "parameters": "parameters",
    "tflite": "bytes of the .tflite",
}


def alt_channels(state: Channels) -> str:
    """Say what is left of the network and of its accuracy."""
    ratios = [f"{state.before[key] / state.after[key]:.1f} times fewer {name}"
              for key, name in COST_NAMES.items()]  # fmt: skip
    said = [f"{'trained on' if run.tuned else 'not trained on'} {run.mean:.1f} %"
            for run in state.runs
            if run.criterion == "l1" and run.fraction == state.fraction]  # fmt: skip
    return (
        f"{state.network} with {state.fraction:.0%} of its channels removed: {', '.join(ratios)}. "
        f"Test accuracy {', '.join(said) or 'unchanged'}; dense {state.dense:.1f} %."
    )


def claim_channels(state: Channels) -> bool:
    """Half gone: 3 to 4 times fewer MACs; L1, trained on, all of its interval within 2 points."""
    (low,) = (run.low for run in state.runs
              if (run.criterion, run.fraction, run.tuned) == ("l1", 0.5, True))  # fmt: skip
    return bool(
        state.fraction == 0.5
        and 3 <= state.before["macs"] / state.after["macs"] <= 4
        and all(2 * state.kept[layer] == count for layer, count in state.channels.items())
        and -1 < state.dense - low < 2
    )


def draw_channels(state: Channels, figure=None):
    """Draw channels, costs and accuracy at one fraction of channels removed. -> Figure"""
    if figure is None:
        figure = style.figure(width=9.2, height=4.5)
        with style.rc():
            layers, costs, accuracy = figure.subplots(1, 3, width_ratios=[0.8, 1.15, 1.25])
            for row, (layer, count) in enumerate(state.channels.items()):
                layers.barh(row, count, height=0.6, facecolor="white", edgecolor=style.GREY,
                            hatch="///", linewidth=0.8)  # fmt: skip
                figure.moving[f"kept {layer}"] = layers.barh(
                    row, 0, height=0.6, facecolor=style.BLUE, edgecolor=style.BLUE, animated=True
                )[0]
                figure.moving[f"kept text {layer}"] = layers.text(
                    count, row, "", va="center", fontsize=9, animated=True
                )
            layers.set_yticks(range(len(state.channels)), state.channels)
            most = max(state.channels.values())
            layers.set(title="Channels that stay", xlim=(0, 1.65 * most),
                       ylim=(len(state.channels) - 0.5, -0.5), xticks=[])  # fmt: skip
            for row, (key, look) in enumerate(zip(COST_NAMES, ("blue", "red", "green"),
                                                  strict=True)):  # fmt: skip
                look = style.LOOKS[look]
                figure.moving[f"cost {key}"] = costs.barh(
                    row, 0, height=0.4, facecolor="white", edgecolor=look.color,
                    hatch=look.hatch or "|||", animated=True,
                )[0]  # fmt: skip
                figure.moving[f"cost text {key}"] = costs.text(
                    0, row - 0.34, "", va="center", fontsize=9, animated=True
                )
            costs.set(title="What is left of the cost", xlim=(0, 1.02), yticks=[],
                      ylim=(len(COST_NAMES) - 0.6, -0.7))  # fmt: skip
            costs.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            costs.set_xticks([0, 0.5, 1])
            _channel_accuracy(figure, accuracy, state)
            figure.moving["cursor"] = accuracy.axvline(
                0, color=style.GREY, linewidth=6, alpha=0.3, linestyle="-", zorder=0, animated=True
            )
    moving = figure.moving
    for layer, kept in state.kept.items():
        moving[f"kept {layer}"].set_width(kept)
        moving[f"kept text {layer}"].set_text(f" {kept} of {state.channels[layer]}")
    for key, name in COST_NAMES.items():
        moving[f"cost {key}"].set_width(state.after[key] / state.before[key])
        ratio = state.before[key] / state.after[key]
        fewer = f", {ratio:.1f}x fewer" if state.fraction else ""
        moving[f"cost text {key}"].set_text(f"{name}: {state.after[key]:,}{fewer}")
    moving["cursor"].set_xdata([100 * state.fraction] * 2)
    return figure


def _channel_accuracy(figure, ax, state):
    handles = {}  # the lines without their error bars
    ax.axhline(state.dense, color=style.INK, linewidth=1, linestyle="-")
    ax.text(2, state.dense, "dense", va="bottom", fontsize=9)
    shift = dict(zip(CRITERIA, (0, 1.5, 3, 4.5), strict=True))
    for criterion, (label, look) in CRITERIA.items():
        look = style.LOOKS[look]
        for tuned in (True, False):
            runs = sorted((run for run in state.runs
                           if run.criterion == criterion and run.tuned == tuned),
                          key=lambda run: run.fraction)  # fmt: skip
            line, *_ = ax.errorbar(
                [100 * run.fraction + shift[criterion] for run in runs],
                [run.mean for run in runs],
                yerr=[[run.mean - run.low for run in runs], [run.high - run.mean for run in runs]],
                capsize=3, marker=look.marker, color=look.color, markersize=7, linewidth=1.4,
                linestyle="-" if tuned else ":", markerfacecolor=look.color if tuned else "white",
            )  # fmt: skip
            handles.setdefault(label, line)
    ax.set(title="Accuracy (hollow: not trained on)",
           xlabel="channels removed, %\n(symbols at 50 % set side by side)",
           ylabel=f"test accuracy, %  ({state.total:,} images)", xlim=(0, 85),
           ylim=(0, 100))  # fmt: skip
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=4)


# --- time -----------------------------------------------------------------------------------


class SpeedLine(NamedTuple):
    """How many times as fast as dense something runs, by the share of its work that is zero."""

    what: str  # one of SPEEDS
    share: tuple[float, ...]  # of the multiply-accumulates: by zero, or removed
    times: tuple[float, ...]  # dense time / this time, medians
    low: tuple[float, ...]  # with this time's quartiles
    high: tuple[float, ...]

    def faster_from(self) -> float | None:
        """The first share measured from which on it is at least 5 % faster; or None."""
        behind = int(np.flatnonzero(np.array(self.times) < FASTER)[-1])
        return self.share[behind + 1] if behind + 1 < len(self.share) else None

    def pays_from(self) -> float | None:
        """The share from which on it is at least 5 % faster, between those measured; or None."""
        ahead = np.log(np.array(self.times) / FASTER)
        behind = int(np.flatnonzero(ahead <= 0)[-1])  # with no zeros at all nothing is faster
        if behind == len(ahead) - 1:
            return None
        return float(np.interp(0, ahead[behind : behind + 2], self.share[behind : behind + 2]))


FASTER = 1.05  # times as fast: less than that two runs of the same file may differ


class Speed(NamedTuple):
    """Times with zeros against times without, on one processor and in one thread."""

    processor: str
    network: str  # of "anywhere" and "blocks"
    smaller: str  # the network that lost channels
    lines: list[SpeedLine]
    lecture: float  # the slide's "up to", times

    def label(self, line: SpeedLine) -> str:
        """What a line shows, with the network that it was measured on."""
        return SPEEDS[line.what][1].format(network=self.network, smaller=self.smaller)


SPEEDS = {
    "anywhere": ("red", "{network}, zeros anywhere"),
    "blocks": ("blue", "{network}, zeros in blocks of 4"),
    "scipy": ("orange", "one matrix product, SciPy's CSR"),
    "channels": ("green", "{smaller}, channels removed"),
}


def alt_speed(state: Speed) -> str:
    """Say from where on each way pays, and what it reaches."""
    said = []
    for line in state.lines:
        share = line.faster_from()
        best = int(np.argmax(line.times[1:])) + 1  # without zeros there is nothing to gain
        said.append(
            f"{state.label(line)}: "
            + ("never faster" if share is None else
               f"at least {FASTER - 1:.0%} faster from {share:.0%} on, of the shares measured")
            + f", {line.times[best]:.1f} times at {line.share[best]:.0%}"
        )  # fmt: skip
    return (
        f"Speed against dense in LiteRT, but for SciPy's, on {state.processor}, one thread. "
        f"{'; '.join(said)}."
    )


def claim_speed(state: Speed) -> bool:
    """Anywhere: below 1.2 times up to 95 %; blocks: slower at 50 %, even from 70 to 80 %, above 6
    at 98 %; channels of another network: above 1.1 from the first step on, 0.35 to 0.45 gone."""
    lines = {line.what: line for line in state.lines}
    even = lines["blocks"].pays_from()
    return bool(
        max(lines["anywhere"].high[:-1]) < 1.2
        and lines["anywhere"].share[-2] == 0.95
        and even is not None
        and 0.7 < even < 0.8
        and lines["blocks"].high[lines["blocks"].share.index(0.5)] < 1
        and lines["blocks"].low[-1] > state.lecture == 6
        and state.smaller != state.network
        and min(lines["channels"].low[1:]) > 1.1
        and 0.35 <= lines["channels"].share[1] <= 0.45
    )


def draw_speed(state: Speed):
    """Draw the speed against dense over the share of the work that is zero. -> Figure"""
    figure, ax = style.subplots(width=8.8, height=4.9)
    with style.rc():
        ax.axhline(1, color=style.INK, linewidth=1, linestyle="-")
        ax.axhline(state.lecture, color=style.GREY, linewidth=1, linestyle=":")
        ax.text(0.01, state.lecture * 1.03, f"the lecture: up to {state.lecture:g} times",
                fontsize=9, va="bottom")  # fmt: skip
        ax.text(0.45, 1.05, "as fast as dense", fontsize=9, va="bottom")
        handles = {}  # the lines without their error bars
        for line in state.lines:
            look = style.LOOKS[SPEEDS[line.what][0]]
            times = np.array(line.times)
            handles[state.label(line)], *_ = ax.errorbar(
                line.share, times, yerr=[times - line.low, np.array(line.high) - times],
                color=look.color, linestyle=look.linestyle, marker=look.marker, capsize=3,
            )  # fmt: skip
        ax.set_yscale("log", base=2)
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set(xlim=(-0.02, 1.02), xlabel="share of the multiply–accumulates that is zero, or gone",
               ylabel="times as fast as dense",
               title="What sparsity buys in time: LiteRT or SciPy, one thread")  # fmt: skip
        ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2)
    return figure
