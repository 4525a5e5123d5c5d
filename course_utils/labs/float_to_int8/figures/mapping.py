"""Reals on their way to codes: the line, and a layer's values, codes and errors."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
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


class Validated(NamedTuple):
    """Right answers on validation inputs."""

    right: int
    float32: int
    total: int

    def __str__(self):
        return (
            f"{self.right / self.total:.1%} of {self.total:,} validation inputs "
            f"(float32: {self.float32 / self.total:.1%})"
        )


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
    validated: Validated | None  # where the test accuracy was not recorded

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
    what = "all layers" if state.which == "all" else "this layer alone"
    if state.accuracy is None:
        accuracy = f"With {what} quantized so, accuracy is {state.validated}."
    else:
        low, high = state.accuracy_interval
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
            values_axes(figure, axes[0, 0])
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


def values_axes(figure, ax):
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
    moving["validated"] = ax.plot(
        [], [], marker="D", markersize=8, markerfacecolor="none", markeredgewidth=2,
        color=style.VIOLET, linestyle="", animated=True,
    )[0]  # fmt: skip
    text = {"transform": ax.transAxes, "ha": "right", "fontweight": "bold", "animated": True}
    moving["accuracy text"] = ax.text(0.97, 0.62, "", fontsize=12, color=style.INK, **text)
    moving["accuracy of"] = ax.text(0.97, 0.54, "", fontsize=8.5, color=style.INK, **text)
    ax.set(title="Accuracy of the network", xlabel="bits b", xlim=(1.5, 16.5),
           ylim=(0, 1.03), xticks=BITS_AXIS)  # fmt: skip
    ax.yaxis.set_major_formatter(PercentFormatter(1, decimals=0))
    ax.legend(loc="lower right", fontsize=8)


def _set_accuracy(moving, state):
    for scheme in LOOK_OF:
        moving[scheme].set_data(*state.accuracies.get(scheme, ([], [])))
    moving["float32"].set_ydata([state.float32, state.float32])
    what = "all layers" if state.which == "all" else "this layer"
    if state.accuracy is None:
        here, there = ([], []), ([state.num_bits], [state.validated.right / state.validated.total])
        value, inputs = there[1][0], f"{state.validated.total:,} validation inputs"
    else:
        here, there = ([state.num_bits], [state.accuracy]), ([], [])
        value, inputs = state.accuracy, f"{state.total:,} test inputs"
    moving["accuracy"].set_data(*here)
    moving["validated"].set_data(*there)
    moving["accuracy text"].set_text(f"{what}: {value:.1%}")
    moving["accuracy of"].set_text(f"of {inputs}")
