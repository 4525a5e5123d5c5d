"""Drawings of the way from real numbers to codes and back (notebook 06)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import PercentFormatter

from course_utils.numbers.quantization import QParams, dequantize
from course_utils.views import style

ERROR_EDGES = np.linspace(-1.05, 1.05, 43)  # in steps S; the end bins hold the rest
CODE_BARS = 256  # at most this many bars show the codes
VALUE_BINS = 80
BITS_AXIS = (2, 4, 6, 8, 10, 12, 14, 16)
LOOK_OF = {
    "per tensor, symmetric": style.LOOKS["red"],
    "per tensor, affine": style.LOOKS["orange"],
    "per channel, symmetric": style.LOOKS["green"],
}


# ------------------------------------------------------------------ the mapping, a few bits


class Line(NamedTuple):
    """A range of real numbers and its few codes."""

    x_min: float  # as asked for
    x_max: float
    num_bits: int
    symmetric: bool
    qparams: QParams
    widened: bool  # the range asked for leaves out zero
    example: float  # one real number on its way ...
    code: int  # ... to its code ...
    reconstructed: float  # ... and back


def alt_affine_mapping(state: Line) -> str:
    """Say what range the codes cover, where zero lies, and what one number becomes."""
    q = state.qparams
    low, high = q.range
    widened = " (widened to hold zero)" if state.widened else ""
    return (
        f"{q.codes} codes, {q.qmin} to {q.qmax}, for the range {state.x_min:.2f} to "
        f"{state.x_max:.2f}{widened}: S = {q.scale:.4f}, Z = {q.zero_point}; they cover "
        f"{low:.3f} to {high:.3f}. {state.example:.2f} becomes code {state.code}, which means "
        f"{state.reconstructed:.3f}."
    )


def claim_affine_mapping(state: Line) -> bool:
    """The codes' numbers are S apart, one is exactly 0, and the example takes the nearest."""
    q = state.qparams
    codes = np.arange(q.qmin, q.qmax + 1)
    levels = dequantize(codes, q)
    nearest = np.abs(levels - state.example).argmin()
    return bool(
        np.allclose(np.diff(levels), q.scale, rtol=1e-5)
        and (levels == 0).sum() == 1
        and (state.code, state.reconstructed) == (codes[nearest], levels[nearest])
    )


LINE_LIMIT = 2.2
MOST_CODES = 32


def draw_affine_mapping(state: Line, figure=None):
    """Draw the real line, the codes below it, and what means what. -> Figure"""
    if figure is None:
        figure, ax = style.subplots(width=9.2, height=3.3)
        with style.rc():
            _line_axes(figure, ax)
    q, moving = state.qparams, figure.moving
    codes = np.arange(q.qmin, q.qmax + 1)
    levels = q.scale * (codes - q.zero_point)
    places = _code_places(len(codes))
    x = np.stack([levels, places, np.full(len(codes), np.nan)], axis=1).ravel()
    y = np.tile([1.0, 0.0, np.nan], len(codes))
    moving["arrows"].set_data(x, y)
    moving["levels"].set_data(levels, np.ones(len(levels)))
    moving["codes"].set_data(places, np.zeros(len(places)))
    zero = q.zero_point - q.qmin
    moving["zero"].set_data([0, places[zero]], [1, 0])
    moving["asked"].set_data([state.x_min, state.x_max], [1.33, 1.33])
    moving["example"].set_data(
        [state.example, state.reconstructed, places[state.code - q.qmin]], [1.17, 1, 0]
    )
    every = 1 if len(codes) <= 16 else 2
    for i in range(MOST_CODES):
        shown = i < len(codes) and (i % every == 0 or i == len(codes) - 1)
        moving[f"code {i}"].set_text(str(codes[i]) if shown else "")
        if shown:
            moving[f"code {i}"].set_x(places[i])
    moving["text"].set_text(f"S = {q.scale:.4f}    Z = {q.zero_point}    {q.codes} codes")
    moving["example text"].set_text(
        f"{state.example:.2f}  →  {state.code}  →  {state.reconstructed:.3f}"
    )
    moving["note"].set_text("range widened to hold zero" if state.widened else "")
    return figure


def _code_places(count):
    """Where the codes stand in the drawing: evenly, whatever they mean."""
    return np.linspace(-0.93, 0.93, count) * LINE_LIMIT


def _line_axes(figure, ax):
    moving = figure.moving
    ax.plot([-LINE_LIMIT, LINE_LIMIT], [1, 1], color=style.INK, linewidth=1, linestyle="-")
    moving["arrows"] = ax.plot(
        [], [], color=style.GREY, linewidth=0.8, linestyle="-", animated=True
    )[0]
    moving["asked"] = ax.plot(
        [], [], color=style.LOOKS["orange"].color, linewidth=6, linestyle="-", alpha=0.8,
        solid_capstyle="butt", label="range asked for", animated=True,
    )[0]  # fmt: skip
    moving["levels"] = ax.plot(
        [], [], marker="|", markersize=13, markeredgewidth=1.6, linestyle="", color=style.BLUE,
        label="real numbers with a code", animated=True,
    )[0]  # fmt: skip
    moving["codes"] = ax.plot(
        [], [], marker="s", markersize=6, linestyle="", color=style.BLUE, label="codes",
        animated=True,
    )[0]  # fmt: skip
    look = style.LOOKS["red"]
    moving["zero"] = ax.plot(
        [], [], color=look.color, linestyle=look.linestyle, marker=look.marker, markersize=8,
        label="zero and its code Z", animated=True,
    )[0]  # fmt: skip
    look = style.LOOKS["green"]
    moving["example"] = ax.plot(
        [], [], color=look.color, linestyle=look.linestyle, marker=look.marker, markersize=7,
        label="one number on its way", animated=True,
    )[0]  # fmt: skip
    for i in range(MOST_CODES):
        moving[f"code {i}"] = ax.text(0, -0.13, "", ha="center", va="top", fontsize=9,
                                      animated=True)  # fmt: skip
    bold = {"fontsize": 11, "fontweight": "bold", "transform": ax.transAxes, "animated": True}
    moving["text"] = ax.text(0.005, 0.985, "", va="top", **bold)
    moving["example text"] = ax.text(0.995, 0.985, "", va="top", ha="right", color=look.color,
                                     **bold)  # fmt: skip
    moving["note"] = ax.text(0.42, 0.985, "", va="top", color=style.LOOKS["orange"].color, **bold)
    ax.set(xlim=(-LINE_LIMIT, LINE_LIMIT), ylim=(-0.45, 1.75), yticks=[0, 1],
           xlabel="real number r (upper line)")  # fmt: skip
    ax.set_yticklabels(["code q", "real r"])
    ax.grid(False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=5, handlelength=1.6,
              columnspacing=1.2)  # fmt: skip


# ------------------------------------------------------------------ one tensor, quantized


class Tensor(NamedTuple):
    """Weights of a layer, or a sample of its activations on real inputs."""

    network: str
    layer: str
    kind: str  # "weights" or "activations"
    values: np.ndarray  # float32
    channel_axis: int | None  # None: cannot be quantized per channel

    @property
    def name(self):
        return f"{self.network} · {self.layer} · {self.kind}"


class Mapping(NamedTuple):
    """One tensor, quantized in one way: everything that the explorer shows."""

    tensor: Tensor
    num_bits: int
    share: float  # of the min-max range that the codes cover; 1 = all of it
    qparams: QParams
    example: tuple[float, int, float]  # a value, its code, its reconstruction
    edges: np.ndarray  # of the values' histogram, (VALUE_BINS + 1,)
    inside: np.ndarray  # share of all values per bin, within the covered range
    clipped: np.ndarray  # and beyond it
    clipped_share: float
    code_share: np.ndarray  # share of the values per bar of codes
    codes_used: int
    errors: np.ndarray  # share of the values per bin of ERROR_EDGES
    max_error: float
    sqnr_db: float
    bits: np.ndarray  # of the two curves below
    sqnr_curve: np.ndarray  # measured, dB
    sqnr_theory: np.ndarray  # 6.02 b + constant, dB
    which: str  # the recorded accuracies are with this layer quantized, or "all"
    total: int  # test inputs
    float32: float  # accuracy
    accuracies: dict[str, tuple[np.ndarray, np.ndarray]]  # scheme -> (bits, test accuracy)
    accuracy: float | None  # at this setting; None if it was not recorded
    accuracy_interval: tuple[float, float] | None

    @property
    def steps(self):
        """The widest and the narrowest step S (the same unless per channel)."""
        return float(np.max(self.qparams.scale)), float(np.min(self.qparams.scale))


def alt_mapping(state: Mapping) -> str:
    """Say what this quantization keeps, clips and costs, in numbers."""
    q, (value, code, back) = state.qparams, state.example
    wide, narrow = state.steps
    if q.channel_axis is None:
        scale = f"S = {wide:.3g}, Z = {q.zero_point}"
    else:
        scale = f"{q.scale.size} scales, S = {narrow:.3g} to {wide:.3g}, Z = 0"
    if state.accuracy is None:
        accuracy = "The test accuracy at this setting was not recorded."
    else:
        low, high = state.accuracy_interval
        what = "all layers" if state.which == "all" else "this layer alone"
        accuracy = (
            f"With {what} quantized so, test accuracy {state.accuracy:.1%} (95 % interval "
            f"{low:.1%} to {high:.1%}, {state.total:,} inputs); float32 {state.float32:.1%}."
        )
    return (
        f"{state.tensor.name}, {state.num_bits} bits: {scale}; {state.codes_used:,} of "
        f"{q.codes:,} codes used; {state.clipped_share:.2%} of the values clipped; largest error "
        f"{state.max_error:.3g}; SQNR {state.sqnr_db:.1f} dB. For example {value:.4f} → {code} → "
        f"{back:.4f}. {accuracy}"
    )


def claim_mapping(state: Mapping) -> bool:
    """4 bits, no value clipped, and the largest error is at most half a step."""
    return bool(
        state.num_bits == 4
        and state.clipped_share == 0
        and state.clipped.sum() == 0
        and 0 < state.max_error <= state.steps[0] / 2 * (1 + 1e-6)
    )


def draw_mapping(state: Mapping, figure=None):
    """Draw values, staircase, codes, errors, SQNR and accuracy of one tensor. -> Figure"""
    if figure is None:
        figure = style.figure(width=9.4, height=4.6)
        figure.shown = None
        with style.rc():
            axes = figure.subplots(2, 3)
            _values_axes(figure, axes[0, 0])
            _stairs_axes(figure, axes[0, 1])
            _codes_axes(figure, axes[0, 2])
            _errors_axes(figure, axes[1, 0])
            _sqnr_axes(figure, axes[1, 1])
            _accuracy_axes(figure, axes[1, 2])
    moving, q = figure.moving, state.qparams
    if figure.shown != state.tensor.name:  # another tensor: other limits, the slow way
        figure.shown = state.tensor.name
        _set_limits(moving, state)
    _set_stairs(moving, state)
    moving["inside"].set_data(state.inside, state.edges)
    moving["clipped"].set_data(state.inside + state.clipped, state.edges, baseline=state.inside)
    low, high = _covered(q)
    for name, x in (("low", low), ("high", high)):
        moving[name].set_xdata([x, x])
    edges = np.linspace(0, 1, len(state.code_share) + 1)
    moving["codes"].set_data(state.code_share, edges)
    zero = (np.atleast_1d(q.zero_point)[0] - q.qmin + 0.5) / q.codes
    moving["zero"].set_xdata([zero, zero])
    moving["qmin"].set_text(f"{q.qmin:,}")
    moving["qmax"].set_text(f"{q.qmax:,}")
    moving["used"].set_text(f"{state.codes_used:,} of {q.codes:,} used")
    moving["errors"].set_data(state.errors)
    moving["sqnr"].set_data(state.bits, state.sqnr_curve)
    moving["theory"].set_data(state.bits, state.sqnr_theory)
    moving["sqnr here"].set_data([state.num_bits], [state.sqnr_db])
    moving["sqnr text"].set_text(f"{state.sqnr_db:.1f} dB")
    _set_accuracy(moving, state)
    return figure


def _covered(q):
    """The range that all channels' codes cover together."""
    low, high = q.range
    return float(np.min(low)), float(np.max(high))


def _values_axes(figure, ax):
    moving = figure.moving
    zero, edges = np.zeros(VALUE_BINS), np.linspace(-1, 1, VALUE_BINS + 1)
    look = style.LOOKS["red"]
    moving["inside"] = ax.stairs(zero, edges, fill=True, color=style.BLUE, animated=True)
    moving["clipped"] = ax.stairs(
        zero, edges, baseline=zero, fill=True, facecolor="#F3C9CB", edgecolor=look.color,
        hatch=look.hatch, linewidth=0, animated=True,
    )  # fmt: skip
    for name in ("low", "high"):
        moving[name] = ax.axvline(0, color=style.INK, linewidth=1.2, linestyle="--", animated=True)
    ax.set(title="Values (hatched: clipped)", xlabel="real value r",
           ylabel="share per bin (log)", ylim=(1e-5, 1))  # fmt: skip
    ax.set_yscale("log", nonpositive="clip")
    ax.minorticks_off()


def _stairs_axes(figure, ax):
    moving = figure.moving
    ax.plot([-1, 1], [-1, 1], color=style.GREY, linewidth=1, linestyle=":")
    moving["stairs"] = ax.plot(
        [], [], color=style.BLUE, linewidth=1.6, linestyle="-", animated=True,
        label="widest scale",
    )[0]  # fmt: skip
    look = style.LOOKS["orange"]
    moving["narrow stairs"] = ax.plot(
        [], [], color=look.color, linewidth=1.4, linestyle=look.linestyle, animated=True,
        label="narrowest",
    )[0]  # fmt: skip
    look = style.LOOKS["green"]
    moving["example"] = ax.plot([], [], marker=look.marker, markersize=8, linestyle="",
                                color=look.color, animated=True, label="example")[0]  # fmt: skip
    ax.set(title="Staircase", xlabel="real value r",
           ylabel="reconstructed value")  # fmt: skip
    ax.legend(loc="upper left", handlelength=1.4)


def _set_limits(moving, state):
    """Axes that depend on the tensor alone, so that moving a slider does not move them."""
    values = state.tensor.values
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    pad = 0.06 * ((high - low) or 1.0)
    for name in ("inside", "stairs"):
        moving[name].axes.set_xlim(low - pad, high + pad)
    moving["stairs"].axes.set_ylim(low - pad, high + 2.5 * pad)
    moving["inside"].axes.set_ylim(0.5 / values.size, 1)
    for line in moving["stairs"].axes.lines:
        if not line.get_animated():
            line.set_data([low, high], [low, high])


def _set_stairs(moving, state):
    q = state.qparams
    scales, zeros = np.atleast_1d(q.scale), np.atleast_1d(q.zero_point)
    x_limits = moving["stairs"].axes.get_xlim()
    for name, which in (("stairs", scales.argmax()), ("narrow stairs", scales.argmin())):
        if name == "narrow stairs" and scales.size == 1:
            moving[name].set_data([], [])
            continue
        moving[name].set_data(*_staircase(scales[which], zeros[which], q, x_limits))
    value, _, back = state.example
    moving["example"].set_data([value], [back])


def _staircase(scale, zero, q, x_limits):
    """Corners of the staircase, or, where the steps are finer than pixels, its outline."""
    low, high = scale * (q.qmin - zero), scale * (q.qmax - zero)
    if q.codes > 1024:
        return [x_limits[0], low, high, x_limits[1]], [low, low, high, high]
    levels = scale * (np.arange(q.qmin, q.qmax + 1) - zero)
    edges = (levels[1:] + levels[:-1]) / 2
    x = np.repeat(np.concatenate([[x_limits[0]], edges, [x_limits[1]]]), 2)[1:-1]
    return x, np.repeat(levels, 2)


def _codes_axes(figure, ax):
    moving = figure.moving
    moving["codes"] = ax.stairs(
        np.zeros(2), np.linspace(0, 1, 3), fill=True, color=style.BLUE, baseline=1e-6,
        animated=True,
    )  # fmt: skip
    look = style.LOOKS["red"]
    moving["zero"] = ax.axvline(0, color=look.color, linestyle=look.linestyle, linewidth=1.2,
                                animated=True, label="Z: zero")  # fmt: skip
    below = {"transform": ax.transAxes, "va": "top", "fontsize": 9, "animated": True}
    moving["qmin"] = ax.text(0, -0.04, "", ha="left", **below)
    moving["qmax"] = ax.text(1, -0.04, "", ha="right", **below)
    moving["used"] = ax.text(0.5, -0.04, "", ha="center", fontweight="bold", **below)
    ax.set(title="Codes used", yscale="log", ylim=(1e-5, 1), xlim=(0, 1), xticks=[],
           ylabel="share per code (log)")  # fmt: skip
    ax.set_xlabel("code q", labelpad=16)
    ax.minorticks_off()
    ax.legend(loc="upper right", handlelength=1.6)


def _errors_axes(figure, ax):
    figure.moving["errors"] = ax.stairs(
        np.zeros(len(ERROR_EDGES) - 1), ERROR_EDGES, fill=True, color=style.VIOLET, baseline=1e-6,
        animated=True,
    )  # fmt: skip
    for x in (-0.5, 0.5):
        ax.axvline(x, color=style.INK, linewidth=1, linestyle="--")
    ax.set(title="Error of the reconstruction", xlabel="error, in steps S", yscale="log",
           ylabel="share per bin (log)", ylim=(1e-5, 1.5), xlim=(-1.1, 1.1),
           xticks=[-1, -0.5, 0, 0.5, 1])  # fmt: skip
    ax.set_xticklabels(["≤ −1", "−½", "0", "½", "≥ 1"])
    ax.minorticks_off()


def _sqnr_axes(figure, ax):
    moving = figure.moving
    moving["theory"] = ax.plot([], [], color=style.INK, linestyle="--", linewidth=1,
                               label="6.02 b + const", animated=True)[0]  # fmt: skip
    look = style.LOOKS["blue"]
    moving["sqnr"] = ax.plot([], [], color=look.color, linestyle="-", marker=".",
                             label="measured", animated=True)[0]  # fmt: skip
    look = style.LOOKS["green"]
    moving["sqnr here"] = ax.plot(
        [],
        [],
        marker=look.marker,
        markersize=10,
        color=look.color,
        linestyle="",
        markeredgecolor="white",
        animated=True,
    )[0]
    moving["sqnr text"] = ax.text(0.97, 0.05, "", transform=ax.transAxes, ha="right", fontsize=13,
                                  fontweight="bold", color=look.color, animated=True)  # fmt: skip
    ax.set(title="Signal to error (SQNR)", xlabel="bits b", ylabel="dB", xlim=(1.5, 16.5),
           ylim=(-8, 108), xticks=BITS_AXIS)  # fmt: skip
    ax.legend(loc="upper left")


def _accuracy_axes(figure, ax):
    moving = figure.moving
    for scheme, look in LOOK_OF.items():
        moving[scheme] = ax.plot(
            [], [], color=look.color, linestyle=look.linestyle, marker=look.marker, markersize=4,
            label=scheme, animated=True,
        )[0]  # fmt: skip
    moving["float32"] = ax.axhline(0, color=style.INK, linestyle=":", linewidth=1, animated=True)
    look = style.LOOKS["green"]
    moving["accuracy"] = ax.plot(
        [], [], marker="o", markersize=11, markerfacecolor="none", markeredgewidth=2,
        color=style.INK, linestyle="", animated=True,
    )[0]  # fmt: skip
    moving["accuracy text"] = ax.text(
        0.97, 0.62, "", transform=ax.transAxes, ha="right", fontsize=13, fontweight="bold",
        color=style.INK, animated=True,
    )  # fmt: skip
    ax.set(title="Test accuracy of the network", xlabel="bits b", xlim=(1.5, 16.5),
           ylim=(0, 1.03), xticks=BITS_AXIS)  # fmt: skip
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(loc="lower right", fontsize=8)


def _set_accuracy(moving, state):
    for scheme in LOOK_OF:
        moving[scheme].set_data(*state.accuracies.get(scheme, ([], [])))
    moving["float32"].set_ydata([state.float32, state.float32])
    here = ([], []) if state.accuracy is None else ([state.num_bits], [state.accuracy])
    moving["accuracy"].set_data(*here)
    what = "all layers" if state.which == "all" else "this layer"
    moving["accuracy text"].set_text(
        "not recorded here" if state.accuracy is None else f"{what}: {state.accuracy:.1%}"
    )


# ------------------------------------------------------------------ SQNR and accuracy, all at once


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


# ------------------------------------------------------------------ per channel, ImageNet weights


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


# ------------------------------------------------------------------ calibration


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
    shown = state.tensor, state.num_bits
    if figure.shown != shown:  # what is chosen now and then is redrawn the slow way
        figure.shown = shown
        ax = moving["inside"].axes
        pad = 0.35 * (state.edges[-1] - state.edges[0])
        ax.set_xlim(state.edges[0] - pad * 0.3, state.edges[-1] + pad)
        ax.set_title(f"{state.tensor}: real values (hatched: clipped)")
        _set_table(moving["chosen"].axes, state.accuracy)
    moving["inside"].set_data(state.inside, state.edges)
    moving["clipped"].set_data(state.inside + state.clipped, state.edges, baseline=state.inside)
    low, high = q.range
    moving["low"].set_xdata([low, low])
    moving["high"].set_xdata([high, high])
    moving["range text"].set_text(
        f"codes cover {low:.3g} to {high:.3g}\n{state.codes_used} of {q.codes} codes used\n"
        f"{state.clipped_share:.2%} clipped"
    )
    row, column = state.position
    moving["chosen"].set_xy((column - 0.48, row - 0.46))
    return figure


_MIDDLE = 0.6  # below this accuracy the table's cells are dark


def _range_axes(figure, ax):
    _values_axes(figure, ax)
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
