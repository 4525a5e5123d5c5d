"""Drawings of weight distributions (notebook 01)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.ticker import PercentFormatter

from course_utils.numbers.distributions import NORMAL_WITHIN_1_SIGMA, SIGMA_EDGES, Distribution
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


def alt_distribution(state: Layers) -> str:
    """Say how concentrated the chosen layer is, in one sentence of numbers."""
    d = state.distributions[state.chosen]
    return (
        f"{state.names[state.chosen]} of {state.network}: {d.count:,} weights from {d.low:.3f} to "
        f"{d.high:.3f}, σ = {d.std:.4f}; {d.within[0]:.1%} lie within ±1σ (a normal distribution "
        f"has 68.3%), {d.within[2]:.1%} within ±3σ, "
        f"the farthest at {state.largest[state.chosen]:.1f}σ."
    )  # fmt: skip


def claim_distribution(state: Layers) -> bool:
    """More weights lie within 1 sigma than a normal distribution has there; one beyond 5 sigma."""
    within = state.distributions[state.chosen].within[0]
    return bool(within > NORMAL_WITHIN_1_SIGMA and state.largest[state.chosen] > 5)


def draw_distribution(state: Layers, figure=None):
    """Draw one layer's histogram in units of sigma, its numbers, and all layers. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.8, height=5.0)
        with style.rc():
            grid = figure.add_gridspec(2, 2, width_ratios=[1.7, 1], height_ratios=[2, 1])
            _histogram_axes(figure, figure.add_subplot(grid[0, 0]), state)
            _numbers_axes(figure, figure.add_subplot(grid[0, 1]))
            _layers_axes(figure, figure.add_subplot(grid[1, :]), state)
    d = state.distributions[state.chosen]
    moving = figure.moving
    share = d.histogram / d.count
    moving["histogram"].set_data(share)
    moving["within"].set_data(np.where(np.abs(_centres()) < 1, share, 0))
    moving["numbers"].set_text(
        f"{state.names[state.chosen]}\n"
        f"shape {' × '.join(map(str, state.shapes[state.chosen]))}\n"
        f"{d.count:,} weights\n"
        f"mean {d.mean:+.4f}, σ {d.std:.4f}\nrange {d.low:+.3f} to {d.high:+.3f}\n"
        f"farthest at {state.largest[state.chosen]:.1f} σ"
    )
    moving["shares"].set_text(
        "".join(f"within ±{k}σ  {share:6.1%}\n" for k, share in enumerate(d.within, 1))
    )
    moving["chosen"].set_data([state.chosen], [d.within[0]])
    return figure


def _centres():
    return (SIGMA_EDGES[1:] + SIGMA_EDGES[:-1]) / 2


def _histogram_axes(figure, ax, state):
    look = style.LOOKS["blue"]
    zero = np.zeros(len(SIGMA_EDGES) - 1)
    moving = figure.moving
    moving["histogram"] = ax.stairs(
        zero, SIGMA_EDGES, fill=True, facecolor="#BFD8E4", edgecolor=look.color, linewidth=0,
        animated=True, label="farther out",
    )  # fmt: skip
    moving["within"] = ax.stairs(
        zero, SIGMA_EDGES, fill=True, facecolor=look.color, edgecolor="white", hatch="///",
        linewidth=0, animated=True, label="within ±1σ",
    )  # fmt: skip
    x = np.linspace(SIGMA_EDGES[0], SIGMA_EDGES[-1], 400)
    width = SIGMA_EDGES[1] - SIGMA_EDGES[0]
    ax.plot(x, width * np.exp(-x * x / 2) / np.sqrt(2 * np.pi), color=style.INK, linestyle="--",
            linewidth=1.2, label="normal distribution")  # fmt: skip
    largest = max((d.histogram / d.count).max() for d in state.distributions)
    rarest = min(1 / d.count for d in state.distributions)
    if state.log:
        ax.set(yscale="log", ylim=(rarest / 2, 10))
    else:
        ax.set_ylim(0, largest * 1.05)
    ax.set(title=f"Weights of one layer of {state.network}", xlim=(-8, 8),
           xlabel="distance from the layer's mean, in σ",
           ylabel="share of weights per 0.25 σ" + (" (log)" if state.log else ""))  # fmt: skip
    ax.legend(loc="upper right", handlelength=1.6)


def _numbers_axes(figure, ax):
    ax.set_axis_off()
    figure.moving["numbers"] = ax.text(
        0, 1, "", va="top", fontsize=10, linespacing=1.25, transform=ax.transAxes, animated=True
    )
    figure.moving["shares"] = ax.text(
        0, 0, "", va="bottom", fontsize=11, fontweight="bold", linespacing=1.25,
        transform=ax.transAxes, animated=True,
    )  # fmt: skip


def _layers_axes(figure, ax, state):
    rows = range(len(state.distributions))
    shares = [d.within[0] for d in state.distributions]
    ax.plot(rows, shares, linestyle="", marker="o", color=style.GREY, label="each layer")
    ax.axhline(NORMAL_WITHIN_1_SIGMA, color=style.INK, linestyle="--", linewidth=1,
               label="normal: 68.3 %")  # fmt: skip
    look = style.LOOKS["orange"]
    figure.moving["chosen"] = ax.plot(
        [0], [0], linestyle="", marker=look.marker, markersize=9, color=look.color,
        markeredgecolor=style.INK, animated=True, label="this layer",
    )[0]  # fmt: skip
    ax.set(title="Share within ±1σ, layer by layer", yticks=[0.5, 0.75, 1],
           ylim=(min(0.45, min(shares) - 0.05), 1.35),  # room for the legend
           xlim=(-0.6, len(shares) - 0.4), xlabel="layer, from input to output")  # fmt: skip
    if len(shares) <= 12:
        ax.set_xticks(rows, state.names)
        ax.set_xlabel("")
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(loc="upper right", ncols=3)


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
