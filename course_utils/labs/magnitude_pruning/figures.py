"""Drawings of magnitude pruning (notebook 02)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.ticker import PercentFormatter

from course_utils.views import style

FORMATS = {
    "dense": "as stored",
    "gzip": "gzip",
    "bitmap": "bitmap + values",
    "gaps": "8-bit gaps + values",
}


class Pruned(NamedTuple):
    """One position of the threshold slider: everything that moves, for one network and layer."""

    network: str
    layer: str  # the layer whose weights are shown
    weights: np.ndarray  # float32, that layer's dense kernel
    s: float
    threshold: float  # lambda = s * sigma of that layer
    sparsity: dict[str, float]  # layer -> share removed; "all" -> of the whole network
    correct: int  # test images right at this s
    total: int  # test images
    interval: tuple[float, float]  # of the accuracy, 95 %
    bytes: dict[str, int]  # format -> bytes of all kernels
    curve_s: np.ndarray  # every position of the slider ...
    curve_accuracy: np.ndarray  # ... and the accuracy measured there

    @property
    def accuracy(self):
        return self.correct / self.total


def alt_magnitude_pruning(state: Pruned) -> str:
    """Say what the picture of one slider position shows, in one sentence of numbers."""
    low, high = state.interval
    return (
        f"At s = {state.s:.2f} in every layer of {state.network}, {state.sparsity['all']:.1%} of "
        f"the weights are zero ({state.sparsity[state.layer]:.1%} in {state.layer}); "
        f"{state.correct:,} of {state.total:,} test images are right: {state.accuracy:.1%} "
        f"(95 % interval {low:.1%} to {high:.1%}) against {state.curve_accuracy[0]:.1%} dense. "
        f"Stored as before the weights take {kilobytes(state.bytes['dense'])}, after gzip "
        f"{kilobytes(state.bytes['gzip'])}."
    )


def claim_magnitude_pruning(state: Pruned) -> bool:
    """At s = 1 at least 70 % are zero, gzip takes at most a third, and 25 points are lost."""
    removed = np.mean(np.abs(state.weights) <= state.threshold)
    return bool(
        state.s == 1
        and np.isclose(removed, state.sparsity[state.layer])
        and state.sparsity["all"] >= 0.7
        and state.bytes["gzip"] <= state.bytes["dense"] / 3
        and state.curve_accuracy[0] - state.interval[1] > 0.25
    )


def draw_magnitude_pruning(state: Pruned, figure=None):
    """Draw weights, mask, accuracy, sparsity and bytes of one network at one s. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.8, height=4.9)
        with style.rc():
            rows = figure.add_gridspec(2, 1, height_ratios=[1.1, 1])
            top, bottom = rows[0].subgridspec(1, 2), rows[1].subgridspec(1, 3)
            _weights_axes(figure, figure.add_subplot(top[0]), state)
            _mask_axes(figure, figure.add_subplot(top[1]), state)
            _accuracy_axes(figure, figure.add_subplot(bottom[0]), state)
            _sparsity_axes(figure, figure.add_subplot(bottom[1]), state.sparsity)
            _bytes_axes(figure, figure.add_subplot(bottom[2]), state.bytes)
    moving = figure.moving
    _set_weights(moving, state.weights, state.threshold)
    moving["mask"].set_data(mask_picture(state.weights, state.threshold))
    moving["accuracy"].set_data([state.s], [state.accuracy])
    moving["interval"].set_data([state.s, state.s], state.interval)
    moving["accuracy text"].set_text(f"{state.accuracy:.1%}")
    _set_sparsity(moving, state.sparsity)
    _set_bytes(moving, state.bytes)
    return figure


def draw_weights_cut(ax, weights, threshold, figure, name=""):
    """Add to the axes the histogram whose removed part moves with the threshold."""
    edges = _bins(weights)
    look = style.LOOKS["red"]
    moving = figure.moving
    zero = np.zeros(len(edges) - 1)
    moving[f"kept{name}"] = ax.stairs(
        zero, edges, fill=True, color=style.BLUE, label="kept", animated=True
    )
    moving[f"removed{name}"] = ax.stairs(
        zero, edges, baseline=zero, fill=True, facecolor="#F3C9CB", edgecolor=look.color,
        hatch=look.hatch, linewidth=0, label="removed", animated=True,
    )  # fmt: skip
    for side in ("-", "+"):
        moving[f"{side}threshold{name}"] = ax.axvline(
            0, color=style.INK, linewidth=1.2, linestyle="--", animated=True
        )
    counts = np.histogram(weights, edges)[0]
    ax.set(xlim=(edges[0], edges[-1]), ylim=(0, counts.max() * 1.08))
    _set_weights(moving, weights, threshold, name)


def _weights_axes(figure, ax, state):
    draw_weights_cut(ax, state.weights, state.threshold, figure)
    ax.set(title=f"Weights of {state.layer}: |w| ≤ λ removed", xlabel="weight w",
           ylabel="weights per bin")  # fmt: skip
    ax.legend(loc="upper left", handlelength=1.2)


def _set_weights(moving, weights, threshold, name=""):
    edges = _bins(weights)
    kept = np.histogram(weights[np.abs(weights) > threshold], edges)[0]
    moving[f"kept{name}"].set_data(kept)
    moving[f"removed{name}"].set_data(np.histogram(weights, edges)[0], baseline=kept)
    moving[f"-threshold{name}"].set_xdata([-threshold, -threshold])
    moving[f"+threshold{name}"].set_xdata([threshold, threshold])


def _bins(weights):
    count = int(np.clip(2 * np.sqrt(weights.size), 24, 80))
    limit = float(np.abs(weights).max()) or 1.0
    return np.linspace(-limit, limit, count + 1)


def mask_picture(weights, threshold):
    """Return the mask as a picture: one row for each output, one column for each of its inputs.

    1 = kept, 0 = removed. weights: a kernel in Keras's axis order, its outputs last (a depthwise
    kernel has its channels second to last).
    """
    depthwise = weights.ndim == 4 and weights.shape[-1] == 1
    outputs = weights.shape[-2 if depthwise else -1]
    return (np.abs(weights) > threshold).reshape(-1, outputs).T.astype(np.uint8)


def _mask_axes(figure, ax, state):
    picture = mask_picture(state.weights, state.threshold)
    figure.moving["mask"] = ax.imshow(
        picture, aspect="auto", cmap="Blues", vmin=0, vmax=1.25, animated=True
    )
    rows, columns = picture.shape
    ax.set(title="Mask: strong = kept, pale = removed",
           xlabel=f"{columns} inputs of each output", ylabel=f"{rows} outputs")  # fmt: skip
    ax.grid(False)


def _accuracy_axes(figure, ax, state):
    ax.plot(state.curve_s, state.curve_accuracy, color=style.GREY, linestyle="-", linewidth=1.2)
    ax.axhline(state.curve_accuracy[0], color=style.INK, linewidth=0.9, linestyle=":")
    look = style.LOOKS["green"]
    figure.moving["interval"] = ax.plot(
        [0, 0], [0, 0], color=look.color, linestyle="-", linewidth=3, animated=True
    )[0]
    figure.moving["accuracy"] = ax.plot(
        [0], [0], marker=look.marker, markersize=9, color=look.color, linestyle="", animated=True
    )[0]
    figure.moving["accuracy text"] = ax.text(
        0.05, 0.08, "", transform=ax.transAxes, fontsize=16, fontweight="bold",
        color=look.color, animated=True,
    )  # fmt: skip
    ax.set(title=f"Accuracy, {state.total:,} test inputs", xlabel="s  (λ = s·σ of each layer)",
           ylim=(0, 1.02), xlim=(state.curve_s[0] - 0.05, state.curve_s[-1] + 0.05))  # fmt: skip
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))


def _sparsity_axes(figure, ax, sparsity):
    for row, layer in enumerate(sparsity):
        look = style.LOOKS["violet" if layer == "all" else "red"]
        _moving_bar(figure, ax, f"sparsity {layer}", row, look.color, look.hatch)
    ax.set(title="Share removed", xlim=(0, 1.3), ylim=(len(sparsity) - 0.5, -0.5))
    ax.set_yticks(range(len(sparsity)), sparsity)
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.set_xticks([0, 0.5, 1])
    ax.grid(False, axis="y")


def _set_sparsity(moving, sparsity):
    for layer, share in sparsity.items():
        _set_bar(moving, f"sparsity {layer}", share, f" {share:.1%}")


def _bytes_axes(figure, ax, sizes):
    for row, (name, look) in enumerate(zip(sizes, style.looks(), strict=False)):
        _moving_bar(figure, ax, f"bytes {name}", row, look.color, look.hatch or "|||")
    ax.set(title="Kernels, kB", xlim=(0, sizes["dense"] * 1.75),
           ylim=(len(sizes) - 0.5, -0.5))  # fmt: skip
    ax.set_yticks(range(len(sizes)), [FORMATS[name] for name in sizes])
    ax.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:.0f}")
    ax.grid(False, axis="y")


def _set_bytes(moving, sizes):
    for name, size in sizes.items():
        text = f" {size / 1000:.1f}  ({size / sizes['dense']:.0%})"
        _set_bar(moving, f"bytes {name}", size, text)


def _moving_bar(figure, ax, name, row, color, hatch):
    figure.moving[name] = ax.barh(
        row, 0, height=0.66, facecolor="white", edgecolor=color, hatch=hatch, animated=True
    )[0]
    figure.moving[f"{name} text"] = ax.text(0, row, "", va="center", fontsize=9, animated=True)


def _set_bar(moving, name, length, text):
    moving[name].set_width(length)
    moving[f"{name} text"].set_text(text)
    moving[f"{name} text"].set_x(length)


def kilobytes(size):
    """Write a size in kB of 1000 bytes, as a human reads it.

    >>> kilobytes(226856)
    '226.9 kB'
    """
    return f"{size / 1000:.1f} kB"


class Sensitivity(NamedTuple):
    """Accuracy of a network when one layer alone is pruned, layer by layer."""

    network: str
    total: int
    split: str  # "validation" or "test"
    sparsity: dict[str, np.ndarray]  # layer -> share removed at each s
    accuracy: dict[str, np.ndarray]  # layer -> accuracy there
    low: dict[str, np.ndarray]  # 95 % interval
    high: dict[str, np.ndarray]

    def at(self, sparsity):
        """Return each layer's accuracy at this sparsity of its own, between the measured ones."""
        return {
            layer: float(np.interp(sparsity, shares, self.accuracy[layer]))
            for layer, shares in self.sparsity.items()
        }

    def most_sensitive(self, sparsity=0.8):
        """Return the layer that costs the most accuracy at this sparsity of its own."""
        accuracy = self.at(sparsity)
        return min(accuracy, key=accuracy.get)


def alt_sensitivity(state: Sensitivity) -> str:
    """Name the layer that bears pruning best and the one that bears it worst, at 80 % removed."""
    at_80 = state.at(0.8)
    best, worst = max(at_80, key=at_80.get), state.most_sensitive()
    return (
        f"Pruned alone to 80 %, {best} of {state.network} keeps an accuracy of {at_80[best]:.1%}, "
        f"{worst} only {at_80[worst]:.1%} ({state.total:,} {state.split} inputs)."
    )


def claim_sensitivity(state: Sensitivity) -> bool:
    """Pruned alone to 80 %: last layer < first < the two between, no intervals overlapping."""
    low, high = (
        [float(np.interp(0.8, state.sparsity[layer], bound[layer])) for layer in state.sparsity]
        for bound in (state.low, state.high)
    )
    return len(low) == 4 and high[3] < low[0] and high[0] < min(low[1:3])


def draw_sensitivity(state: Sensitivity, figure=None):
    """Draw accuracy against the sparsity of each layer, the others left dense. -> Figure"""
    if figure is not None:
        raise ValueError("This picture does not move: draw it without a figure.")
    figure, ax = style.subplots(width=7.5, height=3.8)
    with style.rc():
        for layer, look in zip(state.sparsity, style.looks(), strict=False):
            x, y = state.sparsity[layer], state.accuracy[layer]
            ax.fill_between(x, state.low[layer], state.high[layer], color=look.color, alpha=0.15,
                            linewidth=0)  # fmt: skip
            ax.plot(x, y, color=look.color, linestyle=look.linestyle, marker=look.marker,
                    markevery=4, label=layer)  # fmt: skip
        ax.set(title=f"{state.network}: one layer pruned, the others dense",
               xlabel="share of that layer's weights removed",
               ylabel=f"accuracy ({state.total:,} {state.split} inputs)", xlim=(0, 1))  # fmt: skip
        ax.legend(loc="lower left", frameon=True, facecolor="white", edgecolor="none")
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


class Budget(NamedTuple):
    """One choice of s per layer, among every choice that was measured."""

    network: str
    s: dict[str, float]
    weights: dict[str, np.ndarray]  # layer -> dense kernel
    thresholds: dict[str, float]
    sparsity: dict[str, float]  # layer -> share removed; "all" too
    correct: int  # validation images right
    total: int
    interval: tuple[float, float]
    bytes: dict[str, int]
    every_sparsity: np.ndarray  # of all measured choices, (n,)
    every_accuracy: np.ndarray
    target: float  # share to remove, and ...
    enough: float  # ... the accuracy that passes there

    @property
    def accuracy(self):
        return self.correct / self.total


def alt_budget(state: Budget) -> str:
    """Say what this choice removes, what it keeps right, and how the best choice compares."""
    choice = ", ".join(f"{layer} {s:.2f}" for layer, s in state.s.items())
    as_sparse = state.every_sparsity >= state.sparsity["all"] - 1e-12
    return (
        f"s = {choice}: {state.sparsity['all']:.1%} of {state.network}'s weights are zero and "
        f"{state.accuracy:.1%} of {state.total:,} validation images are right; the best measured "
        f"choice that is at least as sparse reaches {state.every_accuracy[as_sparse].max():.1%}. "
        f"Dense {kilobytes(state.bytes['dense'])}, gzip {kilobytes(state.bytes['gzip'])}."
    )


def claim_budget(state: Budget) -> bool:
    """Within a point of this sparsity the best choice has at least 80 % right, the worst < 10 %."""
    near = np.abs(state.every_sparsity - state.sparsity["all"]) < 0.01
    accuracy = state.every_accuracy[near]
    return bool(accuracy.size and accuracy.max() >= 0.8 and accuracy.min() < 0.1)


def draw_budget(state: Budget, figure=None):
    """Draw one threshold per layer: what each removes, and the choice among all. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.8, height=4.7)
        with style.rc():
            rows = figure.add_gridspec(2, 1, height_ratios=[1, 1.25])
            top = rows[0].subgridspec(1, len(state.weights))
            bottom = rows[1].subgridspec(1, 3, width_ratios=[1.5, 1, 1])
            for column, (layer, weights) in enumerate(state.weights.items()):
                ax = figure.add_subplot(top[column])
                draw_weights_cut(ax, weights, state.thresholds[layer], figure, layer)
                ax.set(title=layer, xlabel="weight", yticks=[])
                if column == 0:
                    ax.set_ylabel("count")
            _cloud_axes(figure, figure.add_subplot(bottom[0]), state)
            _sparsity_axes(figure, figure.add_subplot(bottom[1]), state.sparsity)
            _bytes_axes(figure, figure.add_subplot(bottom[2]), state.bytes)
    moving = figure.moving
    for layer, weights in state.weights.items():
        _set_weights(moving, weights, state.thresholds[layer], layer)
    moving["choice"].set_data([state.sparsity["all"]], [state.accuracy])
    moving["choice text"].set_text(f"{state.accuracy:.1%} right")
    _set_sparsity(moving, state.sparsity)
    _set_bytes(moving, state.bytes)
    return figure


def _cloud_axes(figure, ax, state):
    ax.plot(state.every_sparsity, state.every_accuracy, linestyle="", marker=",", color=style.GREY,
            alpha=0.35)  # fmt: skip
    # The front: for each sparsity, the best accuracy among choices at least as sparse.
    order = np.argsort(state.every_sparsity)
    front = np.maximum.accumulate(state.every_accuracy[order][::-1])[::-1]
    ax.plot(state.every_sparsity[order], front, color=style.INK, linestyle="-", linewidth=1.2,
            label="best choice")  # fmt: skip
    ax.fill_between([state.target, 1], state.enough, 1, facecolor="#E4F1E4", edgecolor=style.INK,
                    linewidth=0.8, linestyle=":", zorder=0, label="passes")  # fmt: skip
    look = style.LOOKS["green"]
    figure.moving["choice"] = ax.plot(
        [0], [0], marker=look.marker, markersize=10, color=look.color, markeredgecolor="white",
        linestyle="", label="your choice", animated=True,
    )[0]  # fmt: skip
    figure.moving["choice text"] = ax.text(
        0.04, 0.42, "", transform=ax.transAxes, fontsize=13, fontweight="bold", color=look.color,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2}, animated=True,
    )  # fmt: skip
    ax.set(title=f"{len(state.every_sparsity):,} choices, all measured",
           xlabel="share of all weights removed", xlim=(0, 1), ylim=(0, 1))  # fmt: skip
    ax.set_ylabel(f"right of {state.total:,} validation")
    ax.legend(loc="lower left", frameon=True, facecolor="white", edgecolor="none")
    ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
