"""Drawings of training through rounding: the staircase, the graph, bits against accuracy (09)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from course_utils.views import style


class Descent(NamedTuple):
    """One weight, rounded to a few codes, on its way to a target that has no code."""

    bits: int
    step: int  # how many steps of gradient descent were taken
    target: float
    codes: np.ndarray  # the real numbers that have a code
    weights: dict[str, np.ndarray]  # "true gradient", "straight-through" -> w at every step
    losses: dict[str, np.ndarray]  # the same, (round(w) - target)^2


METHODS = {"true gradient": "red", "straight-through": "blue"}


def alt_descent(state: Descent) -> str:
    """Say where the two weights are and what they lose."""
    said = [
        f"{name}: w = {state.weights[name][state.step]:.2f}, loss "
        f"{state.losses[name][state.step]:.3f}"
        for name in METHODS
    ]
    return (
        f"After {state.step} steps of gradient descent on a weight rounded to {state.bits} bits, "
        f"target {state.target:g}: {'; '.join(said)}."
    )


def claim_descent(state: Descent) -> bool:
    """The true gradient never moves w; straight-through ends at the target, at the nearest code."""
    still, moved = (state.weights[name][: state.step + 1] for name in METHODS)
    best = np.min((state.codes - state.target) ** 2)
    return bool(
        np.ptp(still) == 0
        and abs(moved[-1] - state.target) < 0.01 < abs(moved[0] - state.target)
        and np.isclose(state.losses["straight-through"][state.step], best)
        and state.losses["true gradient"][state.step] > 100 * best
    )


def draw_descent(state: Descent, figure=None):
    """Draw the staircase with both weights on it, and their losses. -> Figure"""
    steps = len(state.losses["true gradient"]) - 1
    if figure is None:
        figure = style.figure(width=8.8, height=3.9)
        with style.rc():
            stairs, loss = figure.subplots(1, 2)
            w = np.linspace(-1.15, 1.15, 1500)
            stairs.plot(w, nearest(w, state.codes), color=style.INK, linewidth=1.3,
                        linestyle="-")  # fmt: skip
            stairs.axhline(state.target, color=style.GREEN, linestyle="-.", linewidth=1.4)
            stairs.text(-1.12, state.target + 0.04, "target", color=style.GREEN)
            stairs.set(xlabel="weight w, as the optimizer keeps it", ylabel="rounded weight",
                       xlim=(-1.15, 1.15), ylim=(-1.3, 1.3),
                       title=f"A staircase of {len(state.codes)} codes")  # fmt: skip
            for name, look in METHODS.items():
                look = style.LOOKS[look]
                figure.moving[f"dot {name}"] = stairs.plot(
                    [], [], look.marker, color=look.color, markersize=11, linestyle="none",
                    markeredgecolor="white", animated=True,
                )[0]  # fmt: skip
                figure.moving[f"loss {name}"] = loss.plot(
                    [], [], color=look.color, linestyle=look.linestyle, marker=look.marker,
                    markersize=4, animated=True,
                )[0]  # fmt: skip
                stairs.plot([], [], look.marker, color=look.color, label=name, linestyle="none")
            stairs.legend(loc="upper left")
            most = max(values.max() for values in state.losses.values())
            loss.set(xlabel="steps", ylabel="loss: (rounded w - target)²", xlim=(-0.5, steps + 0.5),
                     ylim=(-0.04 * most, 1.1 * most), title="Gradient descent")  # fmt: skip
    for name in METHODS:
        w = state.weights[name][state.step]
        figure.moving[f"dot {name}"].set_data([w], [nearest(w, state.codes)])
        figure.moving[f"loss {name}"].set_data(
            range(state.step + 1), state.losses[name][: state.step + 1]
        )
    return figure


def nearest(w, codes):
    """The nearest of the codes' real numbers (ascending); beyond the ends, the ends."""
    return codes[np.searchsorted((codes[1:] + codes[:-1]) / 2, w)]


# --- learning curves ------------------------------------------------------------------------


class Curves(NamedTuple):
    """Validation accuracy while a rounded network is trained, with two gradients of rounding."""

    network: str
    bits: int
    images: int  # validation images
    float32: float  # percent: the shipped network, not rounded
    steps: tuple[int, ...]
    accuracy: dict[str, tuple[float, ...]]  # "straight-through", "true gradient" -> percent
    moved: dict[str, int]  # kernel weights that were changed
    kernels: int  # weights in all kernels


def alt_curves(state: Curves) -> str:
    """Say where both curves begin and end, and how many weights moved."""
    said = [
        f"{name}: {values[0]:.1f} % to {values[-1]:.1f} %, {state.moved[name]:,} of "
        f"{state.kernels:,} kernel weights moved"
        for name, values in state.accuracy.items()
    ]
    return (
        f"{state.network} with {state.bits}-bit kernels, {state.steps[-1]} steps; {state.images:,} "
        f"validation images (float32: {state.float32:.1f} %). {'; '.join(said)}."
    )


def draw_curves(state: Curves):
    """Draw validation accuracy against steps, a line for each gradient of rounding. -> Figure"""
    figure, ax = style.subplots(width=8.8, height=3.8)
    with style.rc():
        ax.axhline(state.float32, color=style.INK, linewidth=1, linestyle="-")
        ax.text(state.steps[-1], state.float32 + 0.6, "float32, as shipped", ha="right",
                va="bottom", fontsize=9)  # fmt: skip
        for name, values in state.accuracy.items():
            look = style.LOOKS[METHODS[name]]
            ax.plot(state.steps, values, color=look.color, linestyle=look.linestyle,
                    marker=look.marker, label=name)  # fmt: skip
        values = [v for line in state.accuracy.values() for v in line]
        low, high = min(values), max(*values, state.float32)
        room = max(2.0, 0.12 * (high - low))
        ax.set(xlabel="steps (the batches of one pass over the images that ship)",
               ylabel="validation accuracy, %", ylim=(low - room, high + 1.5 * room),
               title=f"{state.network} trained with {state.bits}-bit kernels")  # fmt: skip
        ax.legend(loc="center right")
    return figure


# --- bits against accuracy ------------------------------------------------------------------


class BitResults(NamedTuple):
    """Test accuracies, in percent, of several seeds at every number of bits."""

    network: str
    bits: tuple[int, ...]
    seeds: int
    total: int  # test images
    float32: float  # the shipped network
    control: tuple[float, float, float]  # trained on in float32: mean and interval over seeds
    values: dict[str, dict[int, list[float]]]  # method -> bits -> one accuracy a seed
    means: dict[str, dict[int, tuple[float, float, float]]]  # mean and interval over the seeds


BIT_METHODS = {
    "ptq": ("rounded after training (PTQ)", "red"),
    "control_ptq": ("trained on in float32, then rounded", "orange"),
    "qat": ("trained with rounding (QAT)", "blue"),
}


def alt_bits(state: BitResults) -> str:
    """Say where rounding fails, what training with it repairs, and what it does not."""
    rows = [
        f"{b} bits: PTQ {state.means['ptq'][b][0]:.1f} %, QAT {state.means['qat'][b][0]:.1f} %"
        for b in state.bits
    ]
    return (
        f"{state.network}, one scale a kernel, {state.seeds} seeds; float32 "
        f"{state.float32:.1f} %. Mean test accuracy at {'; '.join(rows)}."
    )


def claim_bits(state: BitResults) -> bool:
    """Over seeds: 8 bits lose < 0.5 either way; 4: QAT wins back > 40 of 48; 2: both guess."""
    ptq, qat = state.means["ptq"], state.means["qat"]
    return bool(
        all(state.float32 - rows[8][1] < 0.5 for rows in (ptq, qat))
        and state.float32 - ptq[4][2] > 40
        and qat[4][1] - ptq[4][2] > 40
        and 2 < state.float32 - qat[4][0] < 5
        and ptq[2][0] == qat[2][0] == 10
    )


def draw_bits(state: BitResults):
    """Draw every seed's test accuracy against the bits of the weights, by method. -> Figure"""
    figure, ax = style.subplots(width=8.8, height=4.2)
    with style.rc():
        ax.axhline(state.float32, color=style.INK, linewidth=1, linestyle="-")
        ax.text(len(state.bits) - 0.55, state.float32 + 1, "float32, as shipped", ha="right",
                va="bottom", fontsize=9)  # fmt: skip
        for offset, (method, (label, look)) in zip((-0.16, 0, 0.16), BIT_METHODS.items(),
                                                   strict=True):  # fmt: skip
            look = style.LOOKS[look]
            for x, bits in enumerate(state.bits):
                seeds = state.values[method][bits]
                ax.plot([x + offset] * len(seeds), seeds, look.marker, color=look.color, alpha=0.35,
                        markersize=4, linestyle="none")  # fmt: skip
                mean, low, high = state.means[method][bits]
                ax.errorbar(x + offset, mean, yerr=[[mean - low], [high - mean]], capsize=4,
                            fmt=look.marker, color=look.color, linestyle="none",
                            label=label if x == 0 else None)  # fmt: skip
        ax.set_xticks(range(len(state.bits)), [str(b) for b in state.bits])
        ax.set(xlabel="bits of the weights (activations: 8)", ylabel="test accuracy, %",
               ylim=(0, 100), xlim=(-0.6, len(state.bits) - 0.4),
               title=f"{state.network}: {state.seeds} seeds, mean and 95 % interval")  # fmt: skip
        ax.legend(loc="lower left")
    return figure


# --- the graph ------------------------------------------------------------------------------


class Graph(NamedTuple):
    """One layer of a quantization-aware network, with the ranges that its observers saw."""

    layer: str
    op: str
    activation: str
    input_range: tuple[float, float]
    output_range: tuple[float, float]
    weight_range: float  # largest |w|
    bits: int


def alt_graph(state: Graph) -> str:
    """Say where the rounding sits."""
    return (
        f"The training graph of {state.layer}: the input is rounded to the codes of "
        f"{state.input_range[0]:.2f} to {state.input_range[1]:.2f}, the kernel to {state.bits} "
        f"bits up to ±{state.weight_range:.2f}, {state.op} and bias follow in float32, and the "
        f"output of {state.activation} is rounded to {state.output_range[0]:.2f} to "
        f"{state.output_range[1]:.2f}."
    )


def claim_graph(state: Graph) -> bool:
    """Both ranges of the activations hold zero and end at ReLU6's 6; the kernel has 4 bits."""
    return bool(
        state.activation == "relu6"
        and state.input_range == state.output_range == (0, 6)
        and state.bits == 4
        and 0 < state.weight_range < 6
    )


def draw_graph(state: Graph):
    """Draw one layer's forward pass with its three fake quantizations. -> Figure"""
    figure, ax = style.subplots(width=8.8, height=3.4)
    with style.rc():
        ax.set(xlim=(0, 100), ylim=(0, 38))
        ax.set_axis_off()
        low, high = state.input_range
        out_low, out_high = state.output_range
        op = state.op.replace("_", "\n")
        boxes = {
            "input": (10, 29, "input", False),
            "in q": (30, 29, f"round to\n8 bits\n{low:.2f} … {high:.2f}", True),
            "op": (50, 29, f"{op}\n+ bias", False),
            "act": (70, 29, state.activation, False),
            "out q": (90, 29, f"round to\n8 bits\n{out_low:.2f} … {out_high:.2f}", True),
            "w": (30, 9, "float32\nkernel", False),
            "w q": (50, 9, f"round to\n{state.bits} bits\n±{state.weight_range:.2f}", True),
        }
        for x, y, text, rounds in boxes.values():
            ax.add_patch(FancyBboxPatch(
                (x - 8, y - 5), 16, 10, boxstyle="round,pad=0.3", linewidth=1.2,
                facecolor="#DCE9F2" if rounds else "white", edgecolor=style.INK,
                hatch="..." if rounds else "",
            ))  # fmt: skip
            ax.text(x, y, text, ha="center", va="center", fontsize=9, zorder=3,
                    bbox={"facecolor": "#DCE9F2" if rounds else "white", "edgecolor": "none",
                          "pad": 1})  # fmt: skip
        for start, end in (("input", "in q"), ("in q", "op"), ("op", "act"), ("act", "out q"),
                           ("w", "w q"), ("w q", "op")):  # fmt: skip
            (x0, y0, *_), (x1, y1, *_) = boxes[start], boxes[end]
            ends = ((x0, y0 + 5), (x1, y1 - 5)) if x0 == x1 else ((x0 + 8, y0), (x1 - 8, y1))
            ax.add_patch(FancyArrowPatch(*ends, arrowstyle="-|>", mutation_scale=10, shrinkA=0,
                                         shrinkB=0, color=style.INK))  # fmt: skip
        ax.text(10, 9, "what is\ntrained:", fontsize=9, ha="center", va="center")
        note = (
            "forward: rounded, as on\nthe device; backward: the\ndotted boxes pass the gradient\n"
            "straight through, as if they\nwere not there"
        )
        ax.text(62, 9, note, fontsize=9, va="center")
        ax.set_title(f"What training sees of {state.layer}")
    return figure
