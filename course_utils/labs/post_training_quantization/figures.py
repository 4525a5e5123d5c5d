"""Drawings of the five ways to convert a network: bytes, accuracy, where they run (notebook 08)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from course_utils.views import style

PARTS = {"kernels": "blue", "biases": "orange", "rest": "violet"}
PART_LABELS = {"kernels": "kernels", "biases": "biases", "rest": "the rest"}


class Technique(NamedTuple):
    """One network in one mode."""

    mode: str
    called: str  # the lecture's name
    size: dict[str, int]  # "file", "gzip", "kernels", "biases", "rest": bytes
    correct: int
    interval: tuple[float, float]  # of the accuracy, 95 %
    loss: float  # points lost against float32 on the same images
    loss_interval: tuple[float, float]  # points, paired
    newly_wrong: int
    newly_right: int
    p_value: float
    runs: dict[str, bool]  # runtime -> does it run?
    needs: str


class Techniques(NamedTuple):
    """One network in all modes; one of them is looked at."""

    network: str
    total: int  # test inputs
    rows: tuple[Technique, ...]
    chosen: int


def alt_techniques(state: Techniques) -> str:
    """Say what the picture shows of the chosen technique."""
    row, base = state.rows[state.chosen], state.rows[0]
    runs = [name for name, does in row.runs.items() if does]
    return (
        f"{state.network} as {row.mode} ({row.called}): {_kb(row.size['file'])}, "
        f"{base.size['file'] / row.size['file']:.2f} times smaller than float32; "
        f"{row.correct / state.total:.1%} of {state.total:,} test inputs right, "
        f"{_loss(row)}. It passes: {', '.join(runs)}."
    )


def _loss(row):
    if row.mode == "float32":
        return "the reference"
    low, high = row.loss_interval
    word = "points lost" if row.loss >= 0 else "points gained"
    return f"{abs(row.loss):.2f} {word} against float32 (paired 95 % interval of the loss " \
           f"{low:.2f} to {high:.2f})"  # fmt: skip


def _kb(size):
    return f"{size / 1000:.1f} kB"


def claim_techniques(state: Techniques) -> bool:
    """The int8 file: over 3.5 times smaller, kernels 4 times, loss from below 0 to below 0.25."""
    row, base = state.rows[state.chosen], state.rows[0]
    low, high = row.loss_interval
    return bool(
        (base.mode, row.mode) == ("float32", "int8")
        and base.size["file"] / row.size["file"] > 3.5
        and base.size["kernels"] == 4 * row.size["kernels"]
        and low < 0 < high < 0.25
        and [row.mode for row in state.rows if all(row.runs.values())] == ["int8"]
    )


def draw_techniques(state: Techniques, figure=None):
    """Draw bytes by part, paired loss and runtimes, one row a technique. -> Figure"""
    if figure is None:
        figure = style.figure(width=9.2, height=4.8)
        with style.rc():
            grid = figure.add_gridspec(2, 3, height_ratios=[2.6, 1], width_ratios=[1.2, 0.95, 1.8])
            axes = [figure.add_subplot(grid[0, column]) for column in range(3)]
            for ax in axes:
                figure.moving[f"row{len(figure.moving)}"] = ax.axhspan(
                    -0.45, 0.45, facecolor="none", edgecolor=style.INK, linewidth=1.6,
                    animated=True,
                )  # fmt: skip
                ax.set_ylim(len(state.rows) - 0.4, -0.6)
                ax.set_yticks(range(len(state.rows)), [row.mode for row in state.rows])
            _draw_bytes(axes[0], state)
            _draw_loss(axes[1], state)
            _draw_runs(axes[2], state)
            for ax in axes[1:]:
                ax.tick_params(labelleft=False)
            words = figure.add_subplot(grid[1, :])
            words.set_axis_off()
            figure.moving["words"] = words.text(
                0, 1, "", va="top", fontsize=10, linespacing=1.5, transform=words.transAxes,
                animated=True,
            )  # fmt: skip
    for name, artist in figure.moving.items():
        if name.startswith("row"):
            artist.set_y(state.chosen - 0.45)
    figure.moving["words"].set_text(_words(state))
    return figure


def _words(state):
    row, base = state.rows[state.chosen], state.rows[0]
    low, high = row.interval
    ratio = base.size["file"] / row.size["file"]
    kernels = base.size["kernels"] / row.size["kernels"]
    lines = [
        f"{row.mode}: {row.called}. Needs {row.needs}.",
        f"File {_kb(row.size['file'])} ({ratio:.2f} times smaller), gzip {_kb(row.size['gzip'])}, "
        f"kernels alone {_kb(row.size['kernels'])} ({kernels:.2f} times smaller).",
        f"{row.correct:,} of {state.total:,} right: {row.correct / state.total:.2%} "
        f"(95 % interval {low:.2%} to {high:.2%}).",
    ]
    if row.mode != "float32":
        lines.append(
            f"Against float32: {row.newly_wrong} newly wrong, {row.newly_right} newly right, "
            f"McNemar p = {row.p_value:.2g}."
        )
    return "\n".join(lines)


def _draw_bytes(ax, state):
    left = np.zeros(len(state.rows))
    for part, look in PARTS.items():
        look = style.LOOKS[look]
        width = np.array([row.size[part] for row in state.rows]) / 1000
        ax.barh(range(len(state.rows)), width, left=left, height=0.55, color=look.color,
                hatch=look.hatch, edgecolor="white", label=PART_LABELS[part])  # fmt: skip
        left += width
    for y, size in enumerate(left):
        ax.text(size, y, f" {size:.1f}", va="center", fontsize=9)
    ax.set(xlim=(0, left.max() * 1.22), xlabel="kB (1 kB = 1000 bytes)", title="Bytes, by part")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=3, fontsize=8.5,
              handlelength=1.4, columnspacing=1.2)  # fmt: skip
    ax.grid(axis="y", visible=False)


def _draw_loss(ax, state):
    look = style.LOOKS["red"]
    for y, row in enumerate(state.rows):
        if row.mode == "float32":
            ax.text(0, y - 0.14, " reference", fontsize=9, va="bottom")
            continue
        low, high = row.loss_interval
        ax.errorbar(row.loss, y, xerr=[[row.loss - low], [high - row.loss]], fmt=look.marker,
                    color=look.color, capsize=3, linestyle="none")  # fmt: skip
    ax.axvline(0, color=style.INK, linewidth=1)
    reach = max(0.5, *(max(map(abs, row.loss_interval)) for row in state.rows)) * 1.15
    ax.set(xlim=(-reach, reach), xlabel="points lost (right) or won (left)",
           title="Paired with float32, 95 %")  # fmt: skip
    ax.grid(axis="y", visible=False)


def _two_lines(runtime):
    return runtime.replace("reference", "ref.").replace(" ", "\n")


def _draw_runs(ax, state):
    names = list(state.rows[0].runs)
    for y, row in enumerate(state.rows):
        for x, name in enumerate(names):
            does = row.runs[name]
            ax.text(x, y, "✓" if does else "✗", ha="center", va="center", fontsize=13,
                    color=style.GREEN if does else style.RED)  # fmt: skip
    ax.set(xlim=(-0.6, len(names) - 0.4), title="Runs on (tried)")
    ax.set_xticks(range(len(names)), [_two_lines(name) for name in names], fontsize=9)
    ax.grid(False)


# --- what each technique stores, multiplies and hands on ------------------------------------


class Path(NamedTuple):
    """One technique: the type of what is stored, multiplied and handed from layer to layer."""

    called: str
    stored: str
    multiplied: str
    between: str
    rounded: str  # when activations are rounded


def alt_paths(state: tuple[Path, ...]) -> str:
    """Say of each technique what is stored, computed and when activations are rounded."""
    rows = [
        f"{path.called}: weights stored as {path.stored}, multiplied as {path.multiplied}, "
        f"{path.between} between the layers, activations rounded {path.rounded}"
        for path in state
    ]
    return f"What each technique does. {'; '.join(rows)}."


def draw_paths(state: tuple[Path, ...]):
    """Draw a row of boxes a technique; what holds integers is dotted blue. -> Figure"""
    figure, ax = style.subplots(width=8.8, height=0.72 * len(state) + 0.5)
    columns = {"stored": (27, "in the file"), "multiplied": (43, "multiplied"),
               "between": (59, "handed to the\nnext layer"),
               "rounded": (84, "activations are rounded")}  # fmt: skip
    with style.rc():
        ax.set(xlim=(0, 100), ylim=(len(state) - 0.4, -1.1))
        ax.set_axis_off()
        for x, name in columns.values():
            ax.text(x, -0.75, name, ha="center", va="center", fontweight="bold", fontsize=9)
        for y, path in enumerate(state):
            ax.text(0, y, path.called.replace(", ", ",\n"), va="center")
            for key in ("stored", "multiplied", "between"):
                x, value = columns[key][0], getattr(path, key)
                whole = "int" in value
                ax.add_patch(FancyBboxPatch(
                    (x - 5.6, y - 0.24), 11.2, 0.48, boxstyle="round,pad=0.1", linewidth=1.2,
                    facecolor="#DCE9F2" if whole else "white", edgecolor=style.INK,
                    hatch="..." if whole else "", mutation_aspect=0.3,
                ))  # fmt: skip
                ax.text(x, y, value, ha="center", va="center", fontsize=9, zorder=3,
                        bbox={"facecolor": "#DCE9F2" if whole else "white",
                              "edgecolor": "none", "pad": 1})  # fmt: skip
            for x in (columns["stored"][0], columns["multiplied"][0]):
                ax.add_patch(FancyArrowPatch((x + 6, y), (x + 10, y), arrowstyle="-|>",
                                             mutation_scale=9, shrinkA=0, shrinkB=0,
                                             color=style.INK))  # fmt: skip
            ax.text(columns["rounded"][0], y, path.rounded.replace(", ", ",\n"), ha="center",
                    va="center", fontsize=9)  # fmt: skip
    return figure


# --- per tensor against per channel ---------------------------------------------------------


class Granularity(NamedTuple):
    """Accuracies of int8 networks with one scale a tensor or one a channel."""

    total: dict[str, int]  # network -> test inputs
    correct: dict[str, dict[str, int]]  # network -> how -> right
    interval: dict[str, dict[str, tuple[float, float]]]
    loss: dict[str, dict[str, tuple[float, float, float]]]  # points: loss, low, high


def alt_granularity(state: Granularity) -> str:
    """Say what each network loses, both ways."""
    parts = [
        f"{network} loses {rows['per channel'][0]:.2f} points per channel and "
        f"{rows['per tensor'][0]:.2f} per tensor"
        for network, rows in state.loss.items()
    ]
    return f"int8 against float32 on the test set: {'; '.join(parts)}."


def claim_granularity(state: Granularity) -> bool:
    """Of each network and scale: the paired 95 % interval holds zero and ends below 1 point."""
    return bool(
        all(
            low < 0 < high < 1 and low < loss < high
            for rows in state.loss.values()
            for loss, low, high in (rows["per channel"], rows["per tensor"])
        )
    )


def draw_granularity(state: Granularity):
    """Draw the points lost by int8, per channel and per tensor, for each network. -> Figure"""
    figure, ax = style.subplots(height=2.9)
    with style.rc():
        for offset, how, look in ((-0.13, "per channel", "blue"), (0.13, "per tensor", "red")):
            look = style.LOOKS[look]
            for y, rows in enumerate(state.loss.values()):
                loss, low, high = rows[how]
                ax.errorbar(loss, y + offset, xerr=[[loss - low], [high - loss]], capsize=3,
                            fmt=look.marker, color=look.color, linestyle="none",
                            label=how if y == 0 else None)  # fmt: skip
                ax.text(high, y + offset, f"  {loss:.2f}", va="center", fontsize=9)
        ax.axvline(0, color=style.INK, linewidth=1)
        ax.set_yticks(range(len(state.loss)), list(state.loss))
        ax.set(ylim=(len(state.loss) - 0.5, -0.5), xlabel="points of test accuracy lost to int8",
               title="One scale for each channel, or one for the whole kernel")  # fmt: skip
        ax.margins(x=0.12)
        ax.legend(loc="upper left")
    return figure


# --- layer by layer -------------------------------------------------------------------------


class LayerErrors(NamedTuple):
    """One layer rounded at a time, the others float32, at one number of bits."""

    network: str
    bits: int
    total: int  # validation inputs
    float32: int  # right answers
    rows: dict[str, tuple[float, float, float]]  # layer -> points lost, paired interval
    every: float  # points lost with all layers rounded


def alt_layer_errors(state: LayerErrors) -> str:
    """Name the layer that costs most."""
    worst = max(state.rows, key=lambda layer: state.rows[layer][0])
    return (
        f"{state.network}, kernels in {state.bits} bits with one scale each, one layer at a time: "
        f"{worst} costs most, {state.rows[worst][0]:.1f} points of validation accuracy; all "
        f"layers together cost {state.every:.1f}."
    )


def claim_layer_errors(state: LayerErrors) -> bool:
    """In 4 bits depthwise3 costs 10 points or more, no other 10; all together more than the sum."""
    worst = max(state.rows, key=lambda layer: state.rows[layer][0])
    others = [high for layer, (_, _, high) in state.rows.items() if layer != worst]
    return bool(
        (state.bits, worst) == (4, "depthwise3")
        and state.rows[worst][1] > 10 > max(others)
        and state.every > sum(loss for loss, _, _ in state.rows.values())
    )


def _points(loss):
    decimals = 1 if abs(loss) >= 1 else 2
    return f"{round(loss, decimals) + 0.0:.{decimals}f}"


def _reach(state):
    """The ends of an axis that holds every bar with its interval, at least one point wide."""
    low = min(0.0, *(low for _, low, _ in state.rows.values()))
    high = max(0.0, *(high for _, _, high in state.rows.values()))
    room = max(high - low, 1.0)
    return low - 0.03 * room, max(high, low + room) + 0.1 * room


def draw_layer_errors(state: LayerErrors, figure=None):
    """Draw the points lost when only one layer is rounded, a bar for each layer. -> Figure"""
    names = list(state.rows)
    if figure is None:
        figure, ax = style.subplots(height=3.9)
        with style.rc():
            look = style.LOOKS["red"]
            bars = ax.barh(range(len(names)), 0.0, height=0.6, color="#E9B9BC",
                           edgecolor=look.color, hatch=look.hatch)  # fmt: skip
            for i, bar in enumerate(bars):
                bar.set_animated(True)
                figure.moving[f"bar{i}"] = bar
                figure.moving[f"interval{i}"] = ax.plot(
                    [0, 0], [i, i], color=style.INK, linewidth=1.4, linestyle="-", animated=True
                )[0]
                figure.moving[f"text{i}"] = ax.text(0, i, "", va="center", fontsize=9,
                                                    animated=True)  # fmt: skip
            figure.moving["every"] = ax.text(
                0.98, 0.03, "", transform=ax.transAxes, ha="right", va="bottom", animated=True
            )
            ax.axvline(0, color=style.INK, linewidth=1)
            ax.set_yticks(range(len(names)), names)
            figure.moving_axis = ax
            ax.set(ylim=(len(names) - 0.4, -0.6), xlabel="points of validation accuracy lost",
                   title=f"{state.network}: one layer rounded, one scale a kernel")  # fmt: skip
            ax.grid(axis="y", visible=False)
    left, right = _reach(state)
    figure.moving_axis.set_xlim(left, right)  # the axis fits what it shows: 8 bits lose little
    for i, (loss, low, high) in enumerate(state.rows.values()):
        figure.moving[f"bar{i}"].set_width(loss)
        figure.moving[f"interval{i}"].set_xdata([low, high])
        figure.moving[f"text{i}"].set(x=max(high, 0), text=f"  {_points(loss)}")
    figure.moving["every"].set_text(
        f"{state.bits} bits; all layers together lose {state.every:.1f} points"
    )
    return figure
