"""How much is lost: bits, schemes, and a scale for each channel."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.ticker import PercentFormatter

from course_utils.labs.float_to_int8.figures.mapping import BITS_AXIS, LOOK_OF
from course_utils.views import style


class Signal(NamedTuple):
    """One curve of `draw_sqnr`."""

    name: str
    bits: np.ndarray
    sqnr_db: np.ndarray
    theory_db: np.ndarray


def alt_sqnr(signals: tuple[Signal, ...]) -> str:
    """Give each tensor's SQNR at 8 bits, and the slope."""
    at_8 = [f"{s.name} {s.sqnr_db[s.bits == 8][0]:.1f} dB" for s in signals]
    slopes = [np.polyfit(s.bits[4:], s.sqnr_db[4:], 1)[0] for s in signals]
    return (
        f"At 8 bits: {'; '.join(at_8)}. From 6 bits on each bit more adds {min(slopes):.2f} to "
        f"{max(slopes):.2f} dB."
    )


def claim_sqnr(signals: tuple[Signal, ...]) -> bool:
    """From 6 bits on a bit adds 5.9 to 6.15 dB, and at 8 bits the curves differ by over 6 dB."""
    slopes = [np.polyfit(s.bits[4:], s.sqnr_db[4:], 1)[0] for s in signals]
    at_8 = [s.sqnr_db[s.bits == 8][0] for s in signals]
    return bool(min(slopes) > 5.9 and max(slopes) < 6.15 and max(at_8) - min(at_8) > 6.02)


def draw_sqnr(signals: tuple[Signal, ...], figure=None):
    """Draw SQNR against bits for several tensors, with the lines 6.02 b + constant. -> Figure"""
    if figure is not None:
        raise ValueError("This picture does not move: draw it without a figure.")
    figure, ax = style.subplots(width=8.5, height=4.2)
    with style.rc():
        for signal, look in zip(signals, style.looks(), strict=False):
            ax.plot(signal.bits, signal.theory_db, color=look.color, linewidth=1, linestyle="-",
                    alpha=0.5)  # fmt: skip
            ax.plot(signal.bits, signal.sqnr_db, color=look.color, marker=look.marker,
                    linestyle="", markersize=6, label=signal.name)  # fmt: skip
        ax.set(title="Each bit is worth 6.02 dB (lines); what differs is the constant",
               xlabel="bits b", ylabel="SQNR, dB", xticks=range(2, 17))  # fmt: skip
        ax.legend(loc="upper left")
    return figure


class BitCurves(NamedTuple):
    """Test accuracy of several networks, all kernels in b bits, by scheme."""

    networks: tuple[str, ...]
    bits: np.ndarray
    total: dict[str, int]
    float32: dict[str, float]
    accuracy: dict[str, dict[str, np.ndarray]]  # network -> scheme -> accuracy
    low: dict[str, dict[str, np.ndarray]]
    high: dict[str, dict[str, np.ndarray]]

    def at(self, network, scheme, bits):
        return float(self.accuracy[network][scheme][list(self.bits).index(bits)])


def alt_bit_curves(state: BitCurves) -> str:
    """Give every network's accuracy at 4 bits, per tensor and per channel."""
    per_tensor, _, per_channel = LOOK_OF
    at_4 = "; ".join(
        f"{n} {state.at(n, per_tensor, 4):.1%} per tensor, {state.at(n, per_channel, 4):.1%} per "
        f"channel (float32 {state.float32[n]:.1%})"
        for n in state.networks
    )
    return f"Test accuracy with all weights in 4 bits: {at_4}."


def claim_bit_curves(state: BitCurves) -> bool:
    """8 bits: no network loses half a point. 4 bits, depthwise: 5 points or so, else over 25."""
    in_8 = [state.float32[n] - state.at(n, how, 8) for n in state.networks for how in LOOK_OF]
    depthwise = "fashion_dscnn"
    in_4 = {how: state.float32[depthwise] - state.at(depthwise, how, 4) for how in LOOK_OF}
    per_channel = in_4.pop("per channel, symmetric")
    return max(in_8) < 0.005 and per_channel < 0.06 and min(in_4.values()) > 0.25


def draw_bit_curves(state: BitCurves, figure=None):
    """Draw test accuracy against the weights' bits, one panel a network. -> Figure"""
    if figure is not None:
        raise ValueError("This picture does not move: draw it without a figure.")
    figure, axes = style.subplots(1, len(state.networks), width=9.4, height=3.6, sharey=True)
    with style.rc():
        for ax, network in zip(axes, state.networks, strict=True):
            for scheme, look in LOOK_OF.items():
                ax.fill_between(state.bits, state.low[network][scheme],
                                state.high[network][scheme], color=look.color, alpha=0.15,
                                linewidth=0)  # fmt: skip
                ax.plot(state.bits, state.accuracy[network][scheme], color=look.color,
                        linestyle=look.linestyle, marker=look.marker, label=scheme)  # fmt: skip
            ax.axhline(state.float32[network], color=style.INK, linestyle=":", linewidth=1,
                       label="float32")  # fmt: skip
            ax.set(title=f"{network}\n({state.total[network]:,} test inputs)",
                   xlabel="bits of all weights", xticks=BITS_AXIS, ylim=(0, 1))  # fmt: skip
        axes[0].set_ylabel("test accuracy")
        axes[-1].legend(loc="lower right")
    axes[0].yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    return figure


class Channels(NamedTuple):
    """SQNR of every layer of a network in 8 bits, batch norm folded, both ways."""

    network: str
    kinds: tuple[str, ...]  # "conv", "depthwise", ... of each layer
    per_tensor: np.ndarray  # dB
    per_channel: np.ndarray


def alt_channels(state: Channels) -> str:
    """Say what per-channel scales win, for depthwise layers and for the others."""
    gain = state.per_channel - state.per_tensor
    depthwise = np.array([kind == "depthwise" for kind in state.kinds])
    worst = int(state.per_tensor.argmin())
    return (
        f"{state.network}, weights in 8 bits, batch norm folded: per-channel scales win "
        f"{np.median(gain[depthwise]):.1f} dB in the median depthwise layer and "
        f"{np.median(gain[~depthwise]):.1f} dB in the others; the worst layer goes from "
        f"{state.per_tensor[worst]:.1f} to {state.per_channel[worst]:.1f} dB."
    )


def claim_channels(state: Channels) -> bool:
    """Per-channel scales win in every layer; in the median depthwise layer 3 dB more than else."""
    gain = state.per_channel - state.per_tensor
    depthwise = np.array([kind == "depthwise" for kind in state.kinds])
    more = np.median(gain[depthwise]) - np.median(gain[~depthwise])
    return bool(gain.min() > 0 and more > 3)


def draw_channels(state: Channels, figure=None):
    """Draw the SQNR of each layer with one scale and with one a channel. -> Figure"""
    if figure is not None:
        raise ValueError("This picture does not move: draw it without a figure.")
    figure, ax = style.subplots(width=9.2, height=3.9)
    rows = np.arange(len(state.kinds))
    depthwise = np.array([kind == "depthwise" for kind in state.kinds])
    with style.rc():
        ax.vlines(rows, state.per_tensor, state.per_channel, color=style.GREY, linewidth=1)
        red, green = style.LOOKS["red"], style.LOOKS["green"]
        for values, look, name in (
            (state.per_tensor, red, "one scale a tensor"),
            (state.per_channel, green, "one scale a channel"),
        ):
            for mask, face, kind in (
                (depthwise, look.color, "depthwise layers"),
                (~depthwise, "white", "other layers"),
            ):
                ax.plot(rows[mask], values[mask], linestyle="", marker=look.marker, markersize=6,
                        color=look.color, markerfacecolor=face,
                        label=f"{name}, {kind}")  # fmt: skip
        ax.set(title=f"{state.network}: weights in 8 bits, batch norm folded",
               xlabel="layer, from input to output", ylabel="SQNR, dB",
               xlim=(-1, len(rows)))  # fmt: skip
        low = min(state.per_tensor.min(), state.per_channel.min())
        ax.set_ylim(low - 17, state.per_channel.max() + 2)
        ax.legend(loc="lower right", ncols=2)
    return figure
