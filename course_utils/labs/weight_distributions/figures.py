"""Drawings of weight distributions (notebook 01)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from course_utils.numbers.distributions import (
    QUANTILES,
    SIGMA_EDGES,
    Distribution,
    middle_half,
    normal_middle_half,
)
from course_utils.views import style


class Layers(NamedTuple):
    """The distributions of all layers of a network, and which one is looked at."""

    network: str
    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    distributions: tuple[Distribution, ...]
    chosen: int
    log: bool  # the count's axis: logarithmic or linear

    @property
    def largest(self):
        """How far the largest weight lies from the mean, in sigma, layer by layer."""
        return np.array([max(d.high - d.mean, d.mean - d.low) / d.std for d in self.distributions])

    @property
    def middle(self):
        """What part of its range the middle half of a layer fills, layer by layer."""
        return np.array([middle_half(d) for d in self.distributions])

    @property
    def normal(self):
        """The same, as expected of as many values from a normal distribution."""
        return np.array([normal_middle_half(d.count) for d in self.distributions])

    @property
    def beyond(self):
        """(how many weights lie below, how many above) all but the histogram's outermost bins."""
        return np.array([(d.histogram[0], d.histogram[-1]) for d in self.distributions])


EDGE = -SIGMA_EDGES[1]  # the outermost bins begin here, in sigma, and have no end
UNIFORM = 0.5  # of its range: the middle half of what is spread evenly


def alt_distribution(state: Layers) -> str:
    """Say how concentrated the chosen layer is, in one sentence of numbers."""
    i = state.chosen
    d = state.distributions[i]
    return (
        f"{state.names[i]} of {state.network}: {d.count:,} weights from {d.low:.3f} to "
        f"{d.high:.3f}; the middle half of them fills {state.middle[i]:.1%} of that range "
        f"(spread evenly: 50%, normal: {state.normal[i]:.0%}). σ = {d.std:.4f}; {d.within[0]:.1%} "
        f"lie within ±1σ, {state.beyond[i].sum()} beyond ±{EDGE:g}σ, the farthest at "
        f"{state.largest[i]:.1f}σ."
    )  # fmt: skip


def claim_distribution(state: Layers) -> bool:
    """The middle half fills less of the range than in a normal distribution; one beyond 5 sigma."""
    i = state.chosen
    return bool(state.middle[i] < state.normal[i] < UNIFORM and state.largest[i] > 5)


def draw_distribution(state: Layers, figure=None):
    """Draw one layer's histogram in units of sigma, its range, and all layers. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.8, height=6.0)
        with style.rc():
            grid = figure.add_gridspec(3, 1, height_ratios=[2.4, 0.5, 1.2])
            top = grid[0].subgridspec(1, 2, width_ratios=[2.1, 1])
            _histogram_axes(figure, figure.add_subplot(top[0]), state)
            _numbers_axes(figure, figure.add_subplot(top[1]))
            _range_axes(figure, figure.add_subplot(grid[1]))
            _layers_axes(figure, figure.add_subplot(grid[2]), state)
    i = state.chosen
    d, moving = state.distributions[i], figure.moving
    share = d.histogram / d.count
    inner, outer = share.copy(), np.zeros_like(share)
    outer[[0, -1]], inner[[0, -1]] = share[[0, -1]], 0
    moving["histogram"].set_data(inner)
    moving["outer"].set_data(outer)
    moving["within"].set_data(np.where(np.abs(_centres()) < 1, share, 0))
    ends = (d.mean - d.low) / d.std, (d.high - d.mean) / d.std
    for side, sign, count, end in zip(("left", "right"), "−+", state.beyond[i], ends, strict=True):
        moving[side].set_text(
            f"{count:,} beyond {sign}{EDGE:g}σ,\nthe farthest at {sign}{end:.1f}σ"
            if count
            else f"none beyond {sign}{EDGE:g}σ"
        )
    moving["numbers"].set_text(
        f"{state.names[i]}\n"
        f"shape {' × '.join(map(str, state.shapes[i]))}\n"
        f"{d.count:,} weights\n"
        f"mean {_signed(d.mean, 4)}, σ {d.std:.4f}\n"
        f"within ±1σ: {d.within[0]:.1%}"
    )
    moving["shares"].set_text(
        f"The middle half fills\n{state.middle[i]:.1%} of the range\n"
        f"(spread evenly: 50%,\nnormal: {state.normal[i]:.0%})"
    )
    _set_range(moving, d)
    moving["chosen"].set_data([i], [state.middle[i]])
    return figure


def _signed(number, decimals=3):
    return f"{number:+.{decimals}f}".replace("-", "−")


def _centres():
    return (SIGMA_EDGES[1:] + SIGMA_EDGES[:-1]) / 2


def _histogram_axes(figure, ax, state):
    look, far = style.LOOKS["blue"], style.LOOKS["red"]
    zero = np.zeros(len(SIGMA_EDGES) - 1)
    moving = figure.moving
    for name, looks, label in (
        ("histogram", {"facecolor": "#BFD8E4", "edgecolor": look.color}, "farther out"),
        ("within", {"facecolor": look.color, "edgecolor": "white", "hatch": "///"}, "within ±1σ"),
        ("outer", {"facecolor": far.color, "edgecolor": far.color}, f"all beyond ±{EDGE:g}σ"),
    ):
        moving[name] = ax.stairs(zero, SIGMA_EDGES, fill=True, linewidth=0, animated=True,
                                 label=label, **looks)  # fmt: skip
    x = np.linspace(SIGMA_EDGES[0], SIGMA_EDGES[-1], 400)
    width = SIGMA_EDGES[1] - SIGMA_EDGES[0]
    ax.plot(x, width * np.exp(-x * x / 2) / np.sqrt(2 * np.pi), color=style.INK, linestyle="--",
            linewidth=1.2, label="normal")  # fmt: skip
    largest = max((d.histogram / d.count).max() for d in state.distributions)
    rarest = min(1 / d.count for d in state.distributions)
    if state.log:
        ax.set(yscale="log", ylim=(rarest / 2, 300))
    else:
        ax.set_ylim(0, largest * 1.05)
    ax.set(title=f"Weights of one layer of {state.network}", xlim=(-8, 8),
           xlabel="distance from the layer's mean, in σ",
           ylabel="share per 0.25 σ" + (" (log)" if state.log else ""))  # fmt: skip
    ax.legend(loc="upper right", handlelength=1.4, borderaxespad=0.2, labelspacing=0.3)
    for side, x, y in (("left", 0.01, 0.97), ("right", 0.99, 0.56)):
        moving[side] = ax.text(x, y, "", transform=ax.transAxes, ha=side, va="top", fontsize=9,
                               color=far.color, animated=True)  # fmt: skip


def _numbers_axes(figure, ax):
    ax.set_axis_off()
    figure.moving["numbers"] = ax.text(
        0, 1, "", va="top", fontsize=10, linespacing=1.25, transform=ax.transAxes, animated=True
    )
    figure.moving["shares"] = ax.text(
        0, 0, "", va="bottom", fontsize=11, fontweight="bold", linespacing=1.25,
        transform=ax.transAxes, animated=True,
    )  # fmt: skip


def _range_axes(figure, ax):
    """The range from the smallest to the largest weight, and where the middle half of them is."""
    look = style.LOOKS["orange"]
    ax.add_patch(
        Rectangle((0, 0), 1, 1, facecolor="#F1F1F1", edgecolor=style.INK, linewidth=0.8)
    )  # fmt: skip
    for x in (0.25, 0.75):
        ax.axvline(x, color=style.INK, linestyle=":", linewidth=1.2)
    figure.moving["middle"] = ax.add_patch(
        Rectangle((0, 0), 0, 1, facecolor=look.color, edgecolor="white", hatch=look.hatch,
                  linewidth=0, animated=True)
    )  # fmt: skip
    for name, x, side in (("low", 0.006, "left"), ("high", 0.994, "right")):
        figure.moving[name] = ax.text(x, 0.5, "", ha=side, va="center", fontsize=9, animated=True)
    ax.set(title="The layer's range, its middle half (dotted: if spread evenly)",
           xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[])  # fmt: skip
    ax.grid(False)


def _set_range(moving, d):
    at = dict(zip(QUANTILES, d.quantiles, strict=True))
    first, last = ((at[q] - d.low) / (d.high - d.low) for q in (0.25, 0.75))
    moving["middle"].set_bounds(first, 0, last - first, 1)
    moving["low"].set_text(f"smallest {_signed(d.low)}")
    moving["high"].set_text(f"largest {_signed(d.high)}")


def _layers_axes(figure, ax, state):
    rows = range(len(state.distributions))
    ax.axhline(UNIFORM, color=style.INK, linestyle=":", linewidth=1.2, label="spread evenly")
    ax.plot(rows, state.normal, linestyle="", marker="_", markersize=9, markeredgewidth=1.6,
            color=style.INK, label="normal, as many weights")  # fmt: skip
    ax.plot(rows, state.middle, linestyle="", marker="o", color=style.GREY, label="each layer")
    look = style.LOOKS["orange"]
    figure.moving["chosen"] = ax.plot(
        [0], [0], linestyle="", marker=look.marker, markersize=9, color=look.color,
        markeredgecolor=style.INK, animated=True, label="this layer",
    )[0]  # fmt: skip
    ax.set(title="The part of the range that the middle half fills, layer by layer",
           yticks=[0, 0.1, 0.25, 0.5], ylim=(0, 0.82),  # room for the legend
           xlim=(-0.6, len(rows) - 0.4), xlabel="layer, from input to output")  # fmt: skip
    if len(rows) <= 12:
        ax.set_xticks(rows, state.names)
        ax.set_xlabel("")
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(loc="upper right", ncols=4, handlelength=1.4, columnspacing=1.2, borderaxespad=0.1)


class Exponents(NamedTuple):
    """How often a network's weights use each of float32's 256 exponents."""

    network: str
    exponents: np.ndarray  # (256,) -127 to 128
    counts: np.ndarray  # (256,) weights with each

    @property
    def share(self):
        return self.counts / self.counts.sum()

    def used_by(self, part):
        """Return how many exponents, the most used first, hold this part of the weights."""
        return int(np.searchsorted(np.cumsum(np.sort(self.share)[::-1]), part) + 1)


def alt_exponents(state: Exponents) -> str:
    """Say how few of float32's exponents hold nearly all weights."""
    return (
        f"{state.used_by(0.99)} of float32's 256 exponents hold 99 % of {state.network}'s "
        f"{state.counts.sum():,} weights; {np.count_nonzero(state.counts)} are used at all."
    )


def claim_exponents(state: Exponents) -> bool:
    """At most 16 of the 256 exponents hold 99 % of the weights."""
    return len(state.counts) == 256 and state.used_by(0.99) <= 16


def draw_exponents(state: Exponents, figure=None):
    """Draw how often each float32 exponent occurs among the weights. -> Figure"""
    if figure is not None:
        raise ValueError("This picture does not move: draw it without a figure.")
    figure, ax = style.subplots(width=8.5, height=3.2)
    with style.rc():
        ax.stairs(state.share, np.arange(-127.5, 129), fill=True, color=style.BLUE)
        ax.axvspan(-126.5, 127.5, ymax=0.03, color=style.LOOKS["orange"].color, alpha=0.6)
        ax.annotate("what float32 can hold", (95, 0.012), color=style.INK, ha="center",
                    xytext=(85, state.share.max() * 0.35),
                    arrowprops={"arrowstyle": "->", "color": style.INK})  # fmt: skip
        ax.set(title=f"Exponents of {state.network}'s weights", xlim=(-130, 130),
               xlabel="exponent e of |w| = 1.f × 2^e", ylabel="share of weights")  # fmt: skip
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure
