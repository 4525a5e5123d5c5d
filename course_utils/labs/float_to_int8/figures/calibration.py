"""Where the ranges of activations come from."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from course_utils.labs.float_to_int8.figures.mapping import values_axes
from course_utils.numbers.quantization import QParams
from course_utils.views import style


class Calibration(NamedTuple):
    """One choice of calibration data and method, among all that were measured."""

    network: str
    what: str  # calibrated on
    method: str
    num_bits: int  # of the activations; the weights are int8
    samples: tuple[str, ...]
    methods: tuple[str, ...]
    accuracy: np.ndarray  # test accuracy, (samples, methods)
    float32: float
    total: int
    loss: tuple[float, float, float]  # of this choice, points: value and 95 % interval, paired
    tensor: str
    edges: np.ndarray
    inside: np.ndarray  # share of real values per bin
    clipped: np.ndarray
    clipped_share: float
    codes_used: int
    qparams: QParams
    real: tuple[float, float]  # smallest and largest value on validation inputs

    @property
    def position(self):
        return self.samples.index(self.what), self.methods.index(self.method)


def alt_calibration(state: Calibration) -> str:
    """Say what range this calibration found, what it clips, and what it costs."""
    low, high = state.qparams.range
    value, least, most = state.loss
    side = "below"
    if value < 0:
        value, least, most, side = -value, -most, -least, "above"
    return (
        f"{state.network}, activations in {state.num_bits} bits, calibrated on {state.what} by "
        f"{state.method}: {state.tensor} gets the range {low:.3g} to {high:.3g} (real values "
        f"{state.real[0]:.3g} to {state.real[1]:.3g}), {state.clipped_share:.2%} clipped, "
        f"{state.codes_used} of {state.qparams.codes} codes used. Test accuracy "
        f"{state.accuracy[state.position]:.1%}, {value:.2f} points {side} float32 (95 % interval "
        f"{least:.2f} to {most:.2f}, paired, {state.total:,} inputs)."
    )


def claim_calibration(state: Calibration) -> bool:
    """By min-max, 10 inputs or one class cost under 0.2 points, noise over 3, scale over 30."""
    column = state.methods.index("min-max")
    lost = dict(zip(state.samples, state.float32 - state.accuracy[:, column], strict=True))
    enough = [lost[which] for which in ("10 inputs", "100 inputs", "all inputs", "one class")]
    return bool(max(enough) < 0.002 and lost["noise"] > 0.03 and lost["wrong scale"] > 0.3)


def draw_calibration(state: Calibration, figure=None):
    """Draw the range that a calibration found, and the accuracy of every calibration. -> Figure"""
    if figure is None:
        figure = style.figure(width=9.4, height=3.9)
        figure.shown = None
        with style.rc():
            left, right = figure.subplots(1, 2, width_ratios=[1, 1.35])
            _range_axes(figure, left)
            _table_axes(figure, right, state)
    moving, q = figure.moving, state.qparams
    low, high = q.range
    # Real values and what the codes cover are both on the axis, which moves only when it must.
    pad = 0.35 * (state.edges[-1] - state.edges[0])
    left, right = state.edges[0] - pad * 0.3, state.edges[-1] + pad
    if low < left or high > right:
        margin = 0.06 * (high - low)
        left, right = min(left, low - margin), max(right, high + 4 * margin)
    shown = state.tensor, state.num_bits, left, right
    if figure.shown != shown:  # what is chosen now and then is redrawn the slow way
        figure.shown = shown
        ax = moving["inside"].axes
        ax.set_xlim(left, right)
        ax.set_title(f"{state.tensor}: real values (hatched: clipped)", loc="left")
        _set_table(moving["chosen"].axes, state.accuracy)
    moving["inside"].set_data(state.inside, state.edges)
    moving["clipped"].set_data(state.inside + state.clipped, state.edges, baseline=state.inside)
    # Where the codes cover far more than there is, the values are a bar as thin as a line.
    thin = right - left > 20 * (state.edges[-1] - state.edges[0])
    moving["here"].set(x=state.edges[-1], text=" ← all real values" if thin else "")
    moving["low"].set_xdata([low, low])
    moving["high"].set_xdata([high, high])
    moving["range text"].set_text(
        f"real values {state.real[0]:.3g} to {state.real[1]:.3g}\n"
        f"codes cover {low:.3g} to {high:.3g}\n{state.codes_used} of {q.codes} codes used\n"
        f"{state.clipped_share:.2%} clipped"
    )
    row, column = state.position
    moving["chosen"].set_xy((column - 0.48, row - 0.46))
    return figure


_MIDDLE = 0.6  # below this accuracy the table's cells are dark


def _range_axes(figure, ax):
    values_axes(figure, ax)
    figure.moving["here"] = ax.text(
        0, 1e-3, "", va="center", fontweight="bold", color=style.BLUE, animated=True
    )
    figure.moving["range text"] = ax.text(
        0.98, 0.97, "", transform=ax.transAxes, ha="right", va="top", fontsize=9.5,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 2}, animated=True,
    )  # fmt: skip


def _set_table(ax, accuracy):
    ax.images[0].set_data(accuracy)
    for text, value in zip(ax.texts, accuracy.ravel(), strict=True):
        text.set_text(f"{100 * value:.1f}")
        text.set_color("white" if value < _MIDDLE else style.INK)


def _table_axes(figure, ax, state):
    ax.imshow(state.accuracy, aspect="auto", cmap="cividis", vmin=0, vmax=1)
    for row in range(len(state.samples)):
        for column in range(len(state.methods)):
            ax.text(column, row, "", ha="center", va="center")
    figure.moving["chosen"] = ax.add_patch(
        Rectangle((0, 0), 0.96, 0.92, fill=False, edgecolor=style.RED, linewidth=3, animated=True,
                  zorder=5)
    )  # fmt: skip
    ax.set_xticks(range(len(state.methods)), [m.replace(" ", "\n", 1) for m in state.methods])
    ax.set_yticks(range(len(state.samples)), state.samples)
    ax.grid(False)
    ax.set_title(f"Test accuracy, %  (float32: {100 * state.float32:.1f})")


class Draws(NamedTuple):
    """How much the draw of the calibration inputs matters: validation accuracies, min-max."""

    network: str
    total: int
    float32: float
    sizes: tuple[int, ...]
    accuracy: dict[int, np.ndarray]  # bits -> (sizes, draws)
    one_class: dict[int, np.ndarray]  # bits -> (classes,)


def alt_draws(state: Draws) -> str:
    """Give the lowest and the highest accuracy over the draws, by size, in 8 and 4 bits."""
    texts = []
    for bits, rows in state.accuracy.items():
        spans = ", ".join(
            f"{size:,} {row.min():.1%} to {row.max():.1%}"
            for size, row in zip(state.sizes, rows, strict=True)
        )
        alone = state.one_class[bits]
        texts.append(
            f"{bits} bits: {spans}; 100 of a single class {alone.min():.1%} to {alone.max():.1%}"
        )
    return (
        f"{state.network}, min-max ranges, accuracy over 10 draws of so many calibration inputs. "
        f"In {'. In '.join(texts)}. Float32: {state.float32:.1%} ({state.total:,} validation "
        "inputs)."
    )


def claim_draws(state: Draws) -> bool:
    """8 bits: from 10 inputs on all draws within 0.3 points of float32, with 1 not. 4 bits: each
    draw of 1,000 does worse than each of 10."""
    off = np.abs(state.accuracy[8] - state.float32).max(axis=1)
    of = dict(zip(state.sizes, off, strict=True))
    in_4 = dict(zip(state.sizes, state.accuracy[4], strict=True))
    enough = max(of[size] for size in state.sizes if size >= 10)
    return bool(enough < 0.003 and of[1] > 0.05 and in_4[1000].max() < in_4[10].min())


def draw_draws(state: Draws, figure=None):
    """Draw the accuracy of every draw of calibration inputs, by their number. -> Figure"""
    if figure is not None:
        raise ValueError("This picture does not move: draw it without a figure.")
    figure, axes = style.subplots(1, len(state.accuracy), width=9.2, height=3.5)
    names = [f"{size:,}" for size in state.sizes] + ["100 of\none class"]
    with style.rc():
        for ax, bits in zip(axes, state.accuracy, strict=True):
            groups = [*state.accuracy[bits], state.one_class[bits]]
            for place, group in enumerate(groups):
                look = style.LOOKS["orange" if place == len(groups) - 1 else "blue"]
                x = place + np.linspace(-0.25, 0.25, len(group))
                ax.plot(x, np.sort(group), linestyle="", marker=look.marker, color=look.color,
                        alpha=0.8)  # fmt: skip
                ax.hlines(np.median(group), place - 0.35, place + 0.35, color=style.INK,
                          linewidth=2)  # fmt: skip
            ax.axhline(state.float32, color=style.INK, linestyle=":", linewidth=1)
            ax.set_xticks(range(len(names)), names)
            ax.set(title=f"Activations in {bits} bits", xlabel="calibration inputs")
            ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=None))
        axes[0].set_ylabel(f"accuracy ({state.total:,} validation inputs)")
    return figure
