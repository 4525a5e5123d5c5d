"""Drawings of networks against real boards (notebook 00)."""

from __future__ import annotations

from typing import NamedTuple

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
           xlim=(500, 2e8), xlabel="bytes (log)")  # fmt: skip
    ax.set_xticks([1e3, 1e4, 1e5, 1e6, 1e7, 1e8],
                  ["1 k", "10 k", "100 k", "1 M", "10 M", "100 M"])  # fmt: skip
    ax.grid(False, axis="y")
