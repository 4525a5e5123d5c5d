"""Drawings of networks, their data, and the boards that may hold them (notebook 00)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.patches import Rectangle

from course_utils.views import style


class Fit(NamedTuple):
    """One network at one bit width beside the memories of several boards. Sizes in bytes."""

    network: str
    num_bits: int
    weights: float  # bytes of the weights
    activations: float  # bytes of the largest layer's input and output together
    boards: tuple[str, ...]
    flash: tuple[int, ...]
    ram: tuple[int, ...]


def fits(state: Fit):
    """Return for each board whether the weights fit its flash and the activations its RAM."""
    return [
        (state.weights <= flash, state.activations <= ram)
        for flash, ram in zip(state.flash, state.ram, strict=True)
    ]


def alt_fit(state: Fit) -> str:
    """Say which boards hold the network and which don't."""
    holds = [b for b, fit in zip(state.boards, fits(state), strict=True) if all(fit)]
    return (
        f"{state.network} at {state.num_bits} bits: {state.weights / 1000:,.1f} kB of weights and "
        f"{state.activations / 1000:,.1f} kB of activations; {len(holds)} of {len(state.boards)} "
        f"boards hold both" + (f" ({', '.join(holds)})." if holds else ".")
    )


def claim_fit(state: Fit) -> bool:
    """All boards hold weights and activations but the one with least flash and least RAM."""
    refused = [board for board, fit in zip(state.boards, fits(state), strict=True) if not all(fit)]
    smallest = {state.boards[sizes.index(min(sizes))] for sizes in (state.flash, state.ram)}
    return len(refused) == 1 and set(refused) == smallest


def draw_fit(state: Fit, figure=None):
    """Draw each board's flash and RAM as bars, and what the network needs as a line. -> Figure"""
    if figure is None:
        figure, axes = style.subplots(1, 2, width=8.8, height=3.4, sharey=True)
        with style.rc():
            parts = (("flash", state.flash, "weights", "blue"),
                     ("RAM", state.ram, "activations", "green"))  # fmt: skip
            for ax, (memory, sizes, part, look) in zip(axes, parts, strict=True):
                _memory_axes(figure, ax, memory, sizes, part, style.LOOKS[look])
            axes[0].set_yticks(range(len(state.boards)), state.boards)
            axes[0].set_ylim(len(state.boards) - 0.5, -0.5)
    needs = (state.weights, state.activations)
    for memory, need, column in zip(("flash", "RAM"), needs, (0, 1), strict=True):
        figure.moving[memory].set_xdata([need, need])
        for row, fit in enumerate(fits(state)):
            figure.moving[f"{memory} {row}"].set_text("fits" if fit[column] else "too small")
    return figure


def _memory_axes(figure, ax, memory, sizes, part, look):
    ax.barh(range(len(sizes)), sizes, height=0.6, facecolor="white", edgecolor=look.color,
            hatch=look.hatch or "///")  # fmt: skip
    figure.moving[memory] = ax.axvline(
        1, color=style.RED, linestyle="-", linewidth=2.5, animated=True
    )
    for row in range(len(sizes)):
        figure.moving[f"{memory} {row}"] = ax.text(
            0.99, row, "", va="center", ha="right", fontsize=9,
            transform=ax.get_yaxis_transform(), animated=True,
        )  # fmt: skip
    ax.set(title=f"{memory} of each board; red line: the {part}", xscale="log",
           xlim=(500, 6e7), xlabel="bytes (log)")  # fmt: skip
    ax.set_xticks([1e3, 1e4, 1e5, 1e6, 1e7], ["1 k", "10 k", "100 k", "1 M", "10 M"])
    ax.grid(False, axis="y")


# ------------------------------------------------------------------ a network, box by box


class Box(NamedTuple):
    """One layer, with what is folded into it: batch normalization and its activation."""

    name: str
    what: str  # such as "convolution 3 × 3, ReLU"
    shape: tuple[int, ...]  # of its output
    weights: int
    macs: int


class Network(NamedTuple):
    """A trained network as boxes, from input to output."""

    name: str
    accuracy: str  # on the test set, with its interval
    seed: int
    boxes: tuple[Box, ...]

    @property
    def weights(self):
        return sum(box.weights for box in self.boxes)

    @property
    def macs(self):
        return sum(box.macs for box in self.boxes)


def alt_network(state: Network) -> str:
    """Say what the network holds and does, and in which layers most of it is."""
    heaviest = max(state.boxes, key=lambda box: box.weights)
    busiest = max(state.boxes, key=lambda box: box.macs)
    return (
        f"{state.name}: {state.weights:,} weights, {state.macs:,} multiply–accumulates for one "
        f"input; test accuracy {state.accuracy}. Layers: "
        f"{', '.join(box.name for box in state.boxes)}. {heaviest.name} holds "
        f"{heaviest.weights / state.weights:.0%} of the weights, {busiest.name} does "
        f"{busiest.macs / state.macs:.0%} of the work."
    )


COLUMNS = {"output": 0.49, "weights": 0.615, "multiply–accumulates": 0.80}
BAR = 0.10  # the longest bar's width


def draw_network(state: Network, figure=None):
    """Draw the layers as boxes, with shape, weights and multiply-accumulates. -> Figure"""
    _does_not_move(figure, "draw_network")
    rows = len(state.boxes)
    figure, ax = style.subplots(width=8.8, height=0.75 + 0.265 * rows)
    with style.rc():
        ax.set(xlim=(0, 1), ylim=(rows - 0.4, -1.25))
        ax.set_axis_off()
        figure.suptitle(
            f"{state.name}: {state.weights:,} weights, {state.macs:,} multiply–accumulates\n"
            f"test accuracy {state.accuracy}; training began with seed {state.seed}",
            x=0.01, ha="left", fontsize=10,
        )  # fmt: skip
        for head, x in {"layer": 0, **COLUMNS}.items():
            ax.text(x, -0.8, head, fontsize=9, fontweight="bold", va="center")
        for row, box in enumerate(state.boxes):
            _draw_box(ax, row, box, last=row == rows - 1)
        for column, look in (("weights", "blue"), ("macs", "orange")):
            _draw_numbers(ax, column, [getattr(b, column) for b in state.boxes], style.LOOKS[look])
    return figure


def _draw_box(ax, row, box, last):
    with_weights = box.weights > 0
    ax.add_patch(
        Rectangle((0, row - 0.36), 0.475, 0.72, linewidth=1.2 if with_weights else 0.7,
                  facecolor="#EAF2F6" if with_weights else "white", edgecolor=style.INK)
    )  # fmt: skip
    ax.text(0.01, row, box.name, fontsize=9, fontweight="bold", va="center")
    ax.text(0.125, row, box.what, fontsize=9, va="center")
    ax.text(COLUMNS["output"], row, " × ".join(map(str, box.shape)), fontsize=9, va="center")
    if not last:
        ax.plot([0.05, 0.05], [row + 0.36, row + 0.64], color=style.INK, linestyle="-", linewidth=1)


def _draw_numbers(ax, column, numbers, look):
    x = COLUMNS["weights" if column == "weights" else "multiply–accumulates"]
    for row, number in enumerate(numbers):
        if number:
            ax.barh(row, BAR * number / max(numbers), left=x, height=0.6, color=look.color,
                    edgecolor="white", hatch=look.hatch, linewidth=0)  # fmt: skip
        text = f"{number:,}" if number else "–"
        at = x + (BAR * number / max(numbers) + 0.008 if number else 0)
        ax.text(at, row, text, fontsize=9, va="center")


def _does_not_move(figure, name):
    if figure is not None:
        raise ValueError(f"{name} does not move: draw it without a figure.")


# ------------------------------------------------------------------ what the networks see


class Garments(NamedTuple):
    """One image of each class."""

    images: np.ndarray  # (classes, height, width), 0 to 1
    names: tuple[str, ...]


def alt_garments(state: Garments) -> str:
    """Name the classes."""
    return f"One test image of each of the {len(state.names)} classes: {', '.join(state.names)}."


def draw_garments(state: Garments, figure=None):
    """Draw the images in a row, the name of its class above each. -> Figure"""
    _does_not_move(figure, "draw_garments")
    figure, axes = style.subplots(1, len(state.images), width=8.8, height=1.2)
    with style.rc():
        for ax, image, name in zip(axes, state.images, state.names, strict=True):
            ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
            ax.set(xticks=[], yticks=[])
            ax.grid(False)
            ax.spines[:].set_visible(True)
            ax.set_title(name, fontsize=8, loc="center", pad=3)
    return figure


class Recording(NamedTuple):
    """One window of a smartwatch's motion: what the network is given."""

    samples: np.ndarray  # (times, 6), in units of each channel's own spread
    hz: float
    channels: tuple[str, ...]
    name: str  # of the exercise
    names: tuple[str, ...]  # of all the exercises


def alt_recording(state: Recording) -> str:
    """Say what was recorded, how long and with which channels."""
    seconds = len(state.samples) / state.hz
    return (
        f"{seconds:g} seconds of a smartwatch during the exercise {state.name}: "
        f"{len(state.samples)} samples of the channels {', '.join(state.channels)}. The network "
        f"tells {len(state.names)} exercises apart: {', '.join(state.names)}."
    )


def draw_recording(state: Recording, figure=None):
    """Draw acceleration and rotation over time. -> Figure"""
    _does_not_move(figure, "draw_recording")
    figure, axes = style.subplots(1, 2, width=8.8, height=2.4, sharey=True)
    seconds = np.arange(len(state.samples)) / state.hz
    with style.rc():
        for ax, first, what in zip(axes, (0, 3), ("Acceleration", "Rotation"), strict=True):
            for i, look in zip(range(first, first + 3), style.looks(), strict=False):
                ax.plot(seconds, state.samples[:, i], color=look.color, linestyle=look.linestyle,
                        label=state.channels[i])  # fmt: skip
            ax.set(title=f"{what}, exercise “{state.name}”", xlabel="seconds")
            ax.set_xlim(0, len(state.samples) / state.hz)
            ax.legend(loc="upper right", ncols=3, handlelength=1.8)
            ax.margins(y=0.25)
        axes[0].set_ylabel("in units of its spread")
    return figure
