"""What pruning costs: accuracy with and without training on."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.legend_handler import HandlerTuple
from matplotlib.patches import Patch
from matplotlib.ticker import PercentFormatter

from course_utils.views import style


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


SERIES = {  # a line's name beside its point at (sparsity), so many points right and up, and its end
    "InceptionV3": ("InceptionV3", 87.5, 7, 7, "left"),
    "MobilenetV1 224": ("MobilenetV1 224", 50, 12, -32, "left"),
    "GNMT EN-DE": ("GNMT EN-DE,\nhollow: DE-EN", 80, 10, -4, "left"),
    "GNMT DE-EN": ("", 80, 0, 0, "right"),
    "DS-CNN-L, 2 by 4": ("DS-CNN-L,\n2 by 4", 50, -7, 4, "right"),
    "DS-CNN-L, random": ("random", 50, -7, -2, "right"),
    "lenet_300_100, gradual": ("lenet_300_100,\ngradual", 95, 8, 0, "left"),
    "lenet_300_100, sigma": ("lenet_300_100, s·σ", 84, 8, -8, "left"),
    "fashion_cnn, gradual": ("fashion_cnn, gradual", 75, -8, 6, "right"),
    "fashion_cnn, global": ("hollow: one\nthreshold", 90, -8, 12, "right"),
}


def draw_loss(points: list[LossPoint]):
    """Draw loss against sparsity, one colour for each table, each line named beside it. -> Figure

    What loses more than HIGHEST_LOSS is named in a corner and not drawn.
    """
    beyond = {}
    for point in (point for point in points if point.loss > HIGHEST_LOSS):
        beyond.setdefault(point.model, []).append(f"{point.sparsity:.0f} %")
    points = [point for point in points if point.loss <= HIGHEST_LOSS]
    figure, ax = style.subplots(width=8.8, height=5.2)
    handles = {}  # a table -> its first line
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
            (line,) = ax.plot(
                [p.sparsity - aside for p in own], [p.loss for p in own], color=look.color,
                marker="X" if more else look.marker, fillstyle="none" if hollow else "full",
                linestyle=(0, (1, 1)) if more else look.linestyle, linewidth=1.2,
                markersize=9 if table == "yours" else 7,
            )  # fmt: skip
            handles.setdefault(table, line)
            _name_series(ax, table, model, own, aside, look)
        if beyond:
            told = "".join(f"\n{model} at {', '.join(at)}" for model, at in beyond.items())
            ax.text(0.02, 0.98, f"not drawn, above {HIGHEST_LOSS} %:{told}",
                    transform=ax.transAxes, va="top", fontsize=9)  # fmt: skip
        ax.set(xlabel="sparsity, %  (keyword: 50 %, set beside the others)",
               xlim=(min(37, *(p.sparsity - 4 for p in points)), 107),
               ylabel="loss, % of the dense score",
               title="What pruning cost, after retraining: three tables, and here")  # fmt: skip
        ax.set_xticks(range(50, 101, 10))
        figure.legend(handles.values(), handles, loc="outside lower center", ncols=5)
    return figure


def _name_series(ax, table, model, own, aside, look):
    if table == "yours":
        words, at, right, up, end = f"yours:\n{model}", own[-1].sparsity, 9, 0, "left"
    else:
        words, at, right, up, end = SERIES[model]
    point = min(own, key=lambda p: abs(p.sparsity - at))
    line = {"arrowstyle": "-", "color": look.color, "linewidth": 0.7, "linestyle": "-"}
    ax.annotate(
        words, (point.sparsity - aside, point.loss), (right, up), textcoords="offset points",
        ha=end, va="center", fontsize=9, color=look.color,
        arrowprops=line if max(abs(right), abs(up)) > 20 else None,
    )  # fmt: skip


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
    "trained on, or not": ("gradual", "one_shot_raw"),
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
    """90 % pruned: gradually, all of the interval within 2 points; not trained on, over 50 lost."""
    low, high = {}, {}
    for way, line in state.lines.items():
        at = line.asked.index(0.9)
        low[way], high[way] = line.low[at], line.high[at]
    return bool(
        state.chosen == 0.9
        and state.dense - low["gradual"] < 2
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
        drawn = ax.errorbar(
            _halvings(line.sparsity),
            line.mean,
            yerr=[low, high],
            capsize=4,
            color=look.color,
            linestyle=look.linestyle,
            marker=look.marker,
        )
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
                ax.text(
                    0.5,
                    names.index(name),
                    "not in the lecture",
                    va="center",
                    ha="center",
                    fontsize=9,
                    transform=ax.get_yaxis_transform(),
                    backgroundcolor="white",
                )
            ax.set(xlabel="points of test accuracy lost",
                   title=f"Half pruned, {'' if tuned else 'not '}trained on")  # fmt: skip
            ax.margins(x=0.16)
        axes[0].set_yticks(range(len(names)), names)
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


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
