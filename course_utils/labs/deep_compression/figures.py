"""Drawings of Deep Compression (notebook 10)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.ticker import FuncFormatter, MaxNLocator

from course_utils.views import style
from course_utils.views.checks import Measured

STARTS = {
    "linear": style.LOOKS["blue"],
    "density": style.LOOKS["red"],
    "random": style.LOOKS["green"],
}
PARTS = {
    "weights": style.LOOKS["blue"],
    "indices": style.LOOKS["orange"],
    "codebooks": style.LOOKS["green"],
    "code tables": style.LOOKS["violet"],
    "biases": style.LOOKS["red"],
    "headers": style.Look(style.GREY, "", "-", "o"),
}
NETWORKS = {"lenet_300_100": style.LOOKS["blue"], "fashion_cnn": style.LOOKS["orange"]}
ROUNDS = (0, 1, 3, 10, 30, 100)  # ticks of k-means
ENDS = (50, 160, 500, 1200)  # kB at which the ledger's axis may end
HALF_A_POINT = 0.5


class Clusters(NamedTuple):
    """Centroids of k-means after some rounds, on the weights left of one layer."""

    layer: str
    start: str
    k: int
    round: int
    weights: np.ndarray  # a sample of the weights left
    height: np.ndarray  # of each in the strip, drawn by lot
    cluster: np.ndarray  # of each, at this round
    path: np.ndarray  # (rounds + 1, k): every codebook on the way
    error: dict[str, np.ndarray]  # start -> root of the mean squared error after each round
    smallest: float  # magnitude of a centroid, at this round
    largest: float


class Codes(NamedTuple):
    """How often each number is stored for one layer, and how long its word is."""

    layer: str
    index_bits: int
    weights_left: int
    entries: int
    values: np.ndarray  # entries with each number of the codebook; 0: fillers
    value_lengths: np.ndarray
    gaps: np.ndarray  # entries with each gap
    gap_lengths: np.ndarray
    value_bits: int  # of a number before Huffman's code
    entropy: tuple[float, float]  # bits a symbol: numbers, gaps


class Ledger(NamedTuple):
    """Every byte of one choice of sparsity, bits and gaps, and its measured accuracy."""

    network: str
    keep: dict[str, float]  # share left of each kernel
    bits: dict[str, int]
    gap_bits: int
    dense_bytes: int
    fixed: dict[str, int]  # part -> bytes without Huffman's code
    coded: dict[str, int]  # part -> bytes of the file
    kernels: dict[str, dict[str, int]]  # kernel -> part -> bytes of the file
    loss: Measured  # points of test accuracy, paired with dense
    pruned_loss: Measured  # the same before weights were shared


class Stages(NamedTuple):
    """Bytes and accuracy after every stage, by network."""

    seeds: int
    stages: tuple[str, ...]
    bytes: dict[str, np.ndarray]  # network -> mean of the seeds, one number a stage
    loss: dict[str, tuple[Measured, ...]]  # points lost against dense, by seed; from "pruned" on


class Tflm(NamedTuple):
    """The int8 network with shared weights in TFLM, plain and looked up in tables."""

    networks: tuple[str, ...]
    file: dict[str, tuple[int, int]]  # bytes: plain, looked up
    arena: dict[str, tuple[int, int]]
    milliseconds: dict[str, tuple[float, float]]
    differing: dict[str, int]  # outputs
    images: int


# --- k-means --------------------------------------------------------------------------------


def alt_clusters(state: Clusters) -> str:
    """Say where the centroids are and how good they are."""
    others = "; ".join(
        f"{start} {error[0]:.4f} at first and {error[-1]:.4f} after {len(error) - 1} rounds"
        for start, error in state.error.items()
    )
    return (
        f"{state.k} centroids of {state.layer}, {state.start} start, after {state.round} of "
        f"{len(state.path) - 1} rounds: their magnitudes reach from {state.smallest:.3f} to "
        f"{state.largest:.3f}. Root of the mean squared error, by start: {others}."
    )


def claim_clusters(state: Clusters) -> bool:
    """Every start ends lower than it began, density begins below linear, all end within 15 %."""
    last = {start: error[-1] for start, error in state.error.items()}
    falls = all(0 < error[-1] < error[0] for error in state.error.values())
    begins = state.error["density"][0] < state.error["linear"][0]
    return bool(falls and begins and max(last.values()) <= 1.15 * min(last.values()))


def draw_clusters(state: Clusters, figure=None):
    """Draw weights as points, centroids' paths, and the error. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.6, height=4.2)
        with style.rc():
            grid = figure.add_gridspec(2, 2, width_ratios=[1.7, 1], height_ratios=[1, 1.35])
            top = figure.add_subplot(grid[0, 0])
            paths = figure.add_subplot(grid[1, 0])
            _strip_axes(figure, top, state)
            _paths_axes(figure, paths, state)
            _error_axes(figure, figure.add_subplot(grid[:, 1]), state)
    moving, now = figure.moving, state.path[state.round]
    odd = state.cluster % 2 == 1
    moving["even"].set_data(state.weights[~odd], state.height[~odd])
    moving["odd"].set_data(state.weights[odd], state.height[odd])
    x = np.repeat(now, 2).reshape(-1, 2)
    moving["centroids"].set_segments(np.stack([x, np.broadcast_to([0.0, 1.0], x.shape)], axis=2))
    walked = state.path[: state.round + 1]
    moving["paths"].set_segments([np.column_stack([own, np.arange(len(own))]) for own in walked.T])
    moving["now"].set_data(now, np.full(len(now), state.round))
    moving["error"].set_data([state.round], [state.error[state.start][state.round]])
    return figure


def _reach(state):
    end = 1.05 * max(np.abs(state.weights).max(), np.abs(state.path).max())
    return -end, end


def _strip_axes(figure, ax, state):
    ax.set(xlim=_reach(state), ylim=(-0.04, 1.04), yticks=[],
           title=f"{state.layer.split()[0]}: weights left, and centroids")  # fmt: skip
    ax.grid(False)
    for name, look, marker in (
        ("even", style.LOOKS["blue"], "o"),
        ("odd", style.LOOKS["orange"], "x"),
    ):
        (figure.moving[name],) = ax.plot(
            [], [], marker, color=look.color, markersize=2.6, alpha=0.8, markeredgewidth=0.7,
            animated=True,
        )  # fmt: skip
    figure.moving["centroids"] = ax.add_collection(
        LineCollection([], colors=style.INK, linewidths=1.1, animated=True)
    )


def _paths_axes(figure, ax, state):
    ax.set(xlim=_reach(state), xlabel="value of a weight", ylabel="round")
    ax.set_yscale("symlog", linthresh=1)
    ax.set_yticks(ROUNDS, [str(tick) for tick in ROUNDS])
    ax.minorticks_off()
    ax.set_ylim(1.2 * len(state.path), -0.4)
    ax.add_collection(
        LineCollection(
            [np.column_stack([own, np.arange(len(own))]) for own in state.path.T],
            colors=style.GREY, linewidths=0.6, alpha=0.5,
        )
    )  # fmt: skip
    figure.moving["paths"] = ax.add_collection(
        LineCollection([], colors=style.INK, linewidths=1.2, animated=True)
    )
    (figure.moving["now"],) = ax.plot([], [], "v", color=style.INK, markersize=5, animated=True)


def _error_axes(figure, ax, state):
    for start, error in state.error.items():
        look = STARTS[start]
        ax.plot(np.arange(len(error)), error, color=look.color, linestyle=look.linestyle,
                label=f"{start} start")  # fmt: skip
    ax.set(xlabel="round", ylabel="root of mean squared error", title="How far weights are moved")
    ax.set_ylim(0, 1.08 * max(error[0] for error in state.error.values()))
    ax.set_xscale("symlog", linthresh=1)
    ax.set_xticks(ROUNDS, [str(tick) for tick in ROUNDS])
    ax.minorticks_off()
    ax.set_xlim(0, max(len(error) for error in state.error.values()))
    ax.legend(loc="upper right")
    (figure.moving["error"],) = ax.plot(
        [], [], "o", markersize=10, markerfacecolor="none", markeredgecolor=style.INK,
        markeredgewidth=1.6, clip_on=False, animated=True,
    )  # fmt: skip


# --- codes ----------------------------------------------------------------------------------


def code_bits(state: Codes) -> tuple[int, int, int, int]:
    """Bits of numbers and gaps: (numbers fixed, coded, gaps fixed, coded)."""
    return (
        state.entries * state.value_bits, int(state.values @ state.value_lengths),
        state.entries * state.index_bits, int(state.gaps @ state.gap_lengths),
    )  # fmt: skip


def alt_codes(state: Codes) -> str:
    """Say how long words are and what they save."""
    _, coded, _, gap_coded = code_bits(state)
    fillers = state.entries - state.weights_left
    used, gaps = state.value_lengths[state.value_lengths > 0], state.gap_lengths[state.gaps > 0]
    return (
        f"{state.layer}, gaps of {state.index_bits} bits: {state.weights_left:,} weights and "
        f"{fillers:,} fillers. Words for the number of a shared value have {used.min()} to "
        f"{used.max()} bits, {coded / state.entries:.2f} on average instead of "
        f"{state.value_bits} (entropy {state.entropy[0]:.2f}); words for a gap {gaps.min()} to "
        f"{gaps.max()} bits, {gap_coded / state.entries:.2f} instead of {state.index_bits} "
        f"(entropy {state.entropy[1]:.2f})."
    )


def claim_codes(state: Codes) -> bool:
    """Both means lie below the fixed widths, and at most 0.1 bits above the entropy."""
    fixed, coded, gap_fixed, gap_coded = code_bits(state)
    pairs = ((coded, fixed, state.entropy[0]), (gap_coded, gap_fixed, state.entropy[1]))
    return bool(all(
        mean < before and bound <= mean / state.entries <= bound + 0.1
        for mean, before, bound in pairs
    ))  # fmt: skip


def draw_codes(state: Codes, figure=None):
    """Draw how often each number is stored, with the length of its word. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.6, height=3.9)
        with style.rc():
            axes = figure.subplots(1, 2)
    else:
        axes = figure.axes
        for ax in axes:
            ax.clear()
    with style.rc():
        _, coded, _, gap_coded = code_bits(state)
        _bars(
            axes[0],
            state.values,
            state.value_lengths,
            "number of the shared value (0: filler)",
            f"Values: {state.value_bits} bits each → {coded / state.entries:.2f}",
            "blue",
        )
        _bars(axes[1], state.gaps, state.gap_lengths, "zeros skipped",
              f"Gaps: {state.index_bits} bits each → {gap_coded / state.entries:.2f}",
              "orange")  # fmt: skip
        axes[0].set_ylabel("entries, in percent")
    return figure


def _bars(ax, counts, lengths, label, title, look):
    look, share = style.LOOKS[look], 100 * counts / counts.sum()
    last = int(np.flatnonzero(counts)[-1])
    if len(counts) <= 32:
        ax.bar(np.arange(len(counts)), share, 0.88, color=look.color, hatch=look.hatch,
               edgecolor="white", linewidth=0.4)  # fmt: skip
    else:
        ax.stairs(share, np.arange(len(counts) + 1) - 0.5, fill=True, facecolor=look.color,
                  edgecolor="white", hatch=look.hatch, linewidth=0)  # fmt: skip
    edge = max(0.8, 0.02 * last)
    ax.set(xlabel=label, title=title, ylim=(0, 1.25 * share.max()), xlim=(-edge, last + edge))
    low, high = ax.get_xlim()
    ticks = MaxNLocator(8, integer=True).tick_values(0, last)  # at an end a label would be cut
    ax.set_xticks([tick for tick in ticks if 0 <= tick < high - 0.04 * (high - low)])
    every = max(1, (last + 1) // 14)
    for i in sorted({*range(0, last + 1 - every, every), last}):
        if counts[i]:
            ax.annotate(str(lengths[i]), (i, share[i]), xytext=(0, 2), textcoords="offset points",
                        ha="center", fontsize=8)  # fmt: skip
    ax.text(0.97, 0.97, "above a bar:\nbits of its word", transform=ax.transAxes, ha="right",
            va="top", fontsize=8)  # fmt: skip


# --- the ledger -----------------------------------------------------------------------------


def total(parts) -> int:
    """Bytes of all parts together."""
    return sum(parts.values())


def alt_ledger(state: Ledger) -> str:
    """Say how many bytes there are, and what the choice costs."""
    parts = ", ".join(f"{part} {size:,}" for part, size in state.coded.items())
    gaps = f"gaps of {state.gap_bits} bits" if state.gap_bits else "no gaps"
    return (
        f"{state.network} with {', '.join(f'{v:.0%}' for v in state.keep.values())} of its three "
        f"layers' weights, indices of {', '.join(map(str, state.bits.values()))} bits and {gaps}: "
        f"{total(state.coded):,} bytes, "
        f"{state.dense_bytes / total(state.coded):.1f} times smaller than float32 ({parts}); "
        f"without Huffman's code {total(state.fixed):,}. It loses {state.loss} of test accuracy."
    )


def readout_ledger(state: Ledger) -> str:
    """The line below the picture."""
    size = total(state.coded)
    return (
        f"{size:,} bytes, {state.dense_bytes / size:.1f} times smaller than float32; "
        f"without Huffman's code {state.dense_bytes / total(state.fixed):.1f} times. "
        f"Accuracy lost: {state.loss}; by pruning alone {state.pruned_loss.value:.2f}."
    )


def draw_ledger(state: Ledger, figure=None):
    """Draw the file's bytes by part, and the accuracy that is lost. -> Figure"""
    layers = {f"{name}, Huffman": parts for name, parts in state.kernels.items()}
    rows = {"all, fixed width": state.fixed, "all, Huffman": state.coded, **layers}
    if figure is None:
        figure = style.figure(width=8.6, height=3.7)
        with style.rc():
            left, right = figure.subplots(1, 2, width_ratios=[2.4, 1])
            _ledger_axes(figure, left, rows)
            _loss_axes(figure, right)
    moving, left = figure.moving, figure.axes[0]
    longest = max(total(parts) for parts in rows.values()) / 1000
    end = next((end for end in ENDS if 1.15 * longest < end), ENDS[-1])
    if left.get_xlim()[1] != end:
        left.set_xlim(0, end)
    for y, parts in enumerate(rows.values()):
        at = 0.0
        for part in PARTS:
            bar = moving[f"{y} {part}"]
            bar.set_x(at)
            bar.set_width(parts[part] / 1000)
            bar.set_visible(parts[part] > 0)
            # On a sliver no pattern is seen, and drawing one takes longer than all its bar.
            bar.set_hatch(PARTS[part].hatch if parts[part] > 10 * end else "")
            at += parts[part] / 1000
        moving[f"{y} text"].set_position((at + 0.01 * end, y))
        moving[f"{y} text"].set_text(f"{at:.1f}")
    low, high = state.loss.interval
    moving["interval"].set_segments([[(0.5, low), (0.5, high)]])
    moving["loss"].set_data([0.5], [state.loss.value])
    moving["pruned"].set_data([0.2], [state.pruned_loss.value])
    return figure


def _ledger_axes(figure, ax, rows):
    for y in range(len(rows)):
        for part, look in PARTS.items():
            (bar,) = ax.barh([y], [1], height=0.62, color=look.color, hatch=look.hatch,
                             edgecolor="white", linewidth=0.4, animated=True)  # fmt: skip
            figure.moving[f"{y} {part}"] = bar
        figure.moving[f"{y} text"] = ax.text(0, y, "", va="center", fontsize=8.5, animated=True)
    handles = [
        ax.barh([0], [0], color=look.color, hatch=look.hatch, edgecolor="white", label=part)
        for part, look in PARTS.items()
    ]
    ax.legend(handles=handles, loc="lower right", fontsize=8)
    ax.set_yticks(range(len(rows)), list(rows))
    ax.set(ylim=(len(rows) - 0.4, -0.6), xlim=(0, ENDS[0]), xlabel="kB",
           title="Where the bytes are")  # fmt: skip
    ax.grid(False)
    ax.xaxis.set_animated(True)  # its end moves with the bars: nothing else is drawn again
    figure.moving["kB"] = ax.xaxis


def _loss_axes(figure, ax):
    ax.set_yscale("symlog", linthresh=1)
    ax.set(ylim=(90, -1.5), xlim=(0, 0.8), title="Points lost", xticks=[0.2, 0.5])
    ax.set_xticklabels(["pruned", "shared,\nk-means only"], fontsize=8.5)
    ticks = [-1, 0, 0.5, 1, 3, 10, 30, 80]
    ax.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ax.minorticks_off()
    ax.set_ylabel("test accuracy lost, in points")
    ax.axhline(0, color=style.INK, linewidth=1)
    ax.axhline(HALF_A_POINT, color=style.RED, linewidth=1, linestyle="--")
    ax.annotate("dense", (0.79, 0), xytext=(0, 2), textcoords="offset points", ha="right",
                fontsize=8)  # fmt: skip
    look = style.LOOKS["blue"]
    figure.moving["interval"] = ax.add_collection(
        LineCollection([], colors=look.color, linewidths=2, animated=True)
    )
    (figure.moving["loss"],) = ax.plot([], [], look.marker, color=look.color, markersize=8,
                                       animated=True)  # fmt: skip
    (figure.moving["pruned"],) = ax.plot([], [], "D", color=style.GREY, markersize=7, animated=True)


# --- the stages -----------------------------------------------------------------------------


def alt_stages(state: Stages) -> str:
    """Say how large the networks are after every stage, and what they lose."""
    said = []
    for network, sizes in state.bytes.items():
        steps = ", ".join(
            f"{stage} {size / 1000:.1f} kB ({sizes[0] / size:.1f} times smaller)"
            for stage, size in zip(state.stages[1:], sizes[1:], strict=True)
        )
        said.append(
            f"{network}, dense {sizes[0] / 1000:.0f} kB: {steps}; at the end it has lost "
            f"{state.loss[network][-1]} of test accuracy"
        )
    return f"Mean of {state.seeds} seeds. " + ". ".join(said) + "."


def claim_stages(state: Stages) -> bool:
    """LeNet's last file is 30 times smaller or more; by the intervals it loses under half a point.

    Each stage is smaller than the one before, in both networks.
    """
    lenet = state.bytes["lenet_300_100"]
    falls = all((np.diff(sizes) < 0).all() and (sizes > 0).all() for sizes in state.bytes.values())
    loss = state.loss["lenet_300_100"][-1]
    return bool(falls and lenet[0] / lenet[-1] >= 30 and loss.interval[1] < HALF_A_POINT)


def draw_stages(state: Stages, figure=None):
    """Draw bytes and lost points after every stage. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.6, height=3.9)
        with style.rc():
            left, right = figure.subplots(1, 2, width_ratios=[1.6, 1])
            width = 0.38
            for i, (network, sizes) in enumerate(state.bytes.items()):
                look, x = NETWORKS[network], np.arange(len(sizes)) + (i - 0.5) * width
                left.bar(x, sizes / 1000, width, color=look.color, hatch=look.hatch,
                         edgecolor="white", linewidth=0.4, label=network)  # fmt: skip
                for place, size in zip(x, sizes, strict=True):
                    times = sizes[0] / size
                    text = f"{times:.0f}×" if times >= 10 else f"{times:.1f}×"
                    text = f"{size / 1000:.0f}" if size == sizes[0] else text
                    left.annotate(text, (place, size / 1000), xytext=(0, 2), ha="center",
                                  textcoords="offset points", fontsize=8)  # fmt: skip
                own = state.loss[network]
                values = np.array([loss.value for loss in own])
                ends = np.array([loss.interval for loss in own]).T
                right.errorbar(
                    np.arange(1, len(sizes)) + (i - 0.5) * 0.2, values,
                    np.abs(ends - values), color=look.color, marker=look.marker, linestyle="",
                    capsize=4, label=network,
                )  # fmt: skip
            left.set_yscale("log")
            left.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
            left.set(ylabel="bytes of the file, in kB", title="How many times smaller",
                     ylim=(3, 3000))  # fmt: skip
            left.set_xticks(range(len(state.stages)), state.stages)
            left.minorticks_off()
            left.legend(loc="upper right")
            right.axhline(0, color=style.INK, linewidth=1)
            right.axhline(HALF_A_POINT, color=style.RED, linewidth=1, linestyle="--")
            right.annotate("half a point", (0.55, HALF_A_POINT), xytext=(0, 3), fontsize=8,
                           textcoords="offset points")  # fmt: skip
            right.margins(y=0.12)
            right.set_xticks(range(1, len(state.stages)), state.stages[1:])
            right.set(ylabel="test accuracy lost, in points", title="What it costs",
                      xlim=(0.5, len(state.stages) - 0.5))  # fmt: skip
    return figure


# --- TFLM -----------------------------------------------------------------------------------


def alt_tflm(state: Tflm) -> str:
    """Say what looking weights up saves and costs."""
    said = []
    for network in state.networks:
        (file, smaller), (arena, larger) = state.file[network], state.arena[network]
        before, after = state.milliseconds[network]
        said.append(
            f"{network}: the file shrinks from {file:,} to {smaller:,} bytes, the arena grows from "
            f"{arena:,} to {larger:,} bytes, an inference takes {after / before:.1f} times as "
            f"long, {state.differing[network]} outputs on {state.images:,} images differ"
        )
    return "; ".join(said) + "."


def claim_tflm(state: Tflm) -> bool:
    """For LeNet the arena gains more than the file saves; no output of either network differs."""
    file, arena = state.file["lenet_300_100"], state.arena["lenet_300_100"]
    return bool(
        file[0] > file[1] > 0 and arena[1] - arena[0] > file[0] - file[1] > 0 < arena[0]
        and not any(state.differing.values())
    )  # fmt: skip


def draw_tflm(state: Tflm, figure=None):
    """Draw flash, RAM and time of both forms. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.6, height=3.6)
        with style.rc():
            axes = figure.subplots(1, 3)
            kinds = (
                ("flash: the file, in kB", state.file, 1000),
                ("RAM: the arena, in kB", state.arena, 1000),
                ("milliseconds an inference", state.milliseconds, 1),
            )
            for ax, (title, own, unit) in zip(axes, kinds, strict=True):
                for i, words in enumerate(("plain int8", "looked up in tables")):
                    look = style.LOOKS["blue" if i == 0 else "red"]
                    values = np.array([own[network][i] for network in state.networks]) / unit
                    x = np.arange(len(values)) + (i - 0.5) * 0.38
                    ax.bar(x, values, 0.38, color=look.color, hatch=look.hatch, edgecolor="white",
                           linewidth=0.4, label=words)  # fmt: skip
                    for place, value in zip(x, values, strict=True):
                        text = f"{value:.0f}" if value >= 10 else f"{value:.2g}"
                        ax.annotate(text, (place, value), xytext=(0, 2), ha="center",
                                    textcoords="offset points", fontsize=8)  # fmt: skip
                highest = max(max(own[network]) for network in state.networks) / unit
                ax.set_xticks(range(len(state.networks)), state.networks, fontsize=8)
                ax.set(title=title, ylim=(0, 1.3 * highest))
            axes[1].legend(loc="upper right", fontsize=8)
    return figure
