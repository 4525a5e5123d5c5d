"""Drawings of integer arithmetic: rescaled sums, a real network's codes, differing kernels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.patches import Rectangle

from course_utils.numbers.quantization import QParams
from course_utils.views import style

ROUNDED, TRUNCATED = style.LOOKS["blue"], style.LOOKS["orange"]
SATURATED = style.LOOKS["red"]


def _does_not_move(figure, name):
    if figure is not None:
        raise ValueError(f"{name} does not move: draw it without a figure.")


# ------------------------------------------------------------------ from sums to codes


class Requantization(NamedTuple):
    """int32 sums a and the int8 codes made of them: M (a + bias) rounded, plus Z, saturated."""

    real_multiplier: float
    multiplier: int  # M ~ multiplier * 2^(shift - 31)
    shift: int
    bias: int
    zero_point: int
    activation: str
    qmin: int  # of the fused activation
    qmax: int
    sums: np.ndarray  # (many,) over the whole range
    codes: np.ndarray  # int8
    saturated: float  # share of the sums whose code is cut off
    near: np.ndarray  # sums of a few steps around the one that means zero
    near_codes: np.ndarray
    near_truncated: np.ndarray  # the same, with the fraction cut off instead of rounded

    def real(self, sums):
        """Z + M (a + bias): what the code should be, before rounding and saturation."""
        return self.zero_point + self.real_multiplier * (sums + self.bias)


def alt_requantization(state: Requantization) -> str:
    """Say the integers that stand for M, the error, and what saturates."""
    inside = _inside(state)
    errors = {
        how: np.abs(codes - state.real(state.near))[inside].max(initial=0)
        for how, codes in (("rounding", state.near_codes), ("truncating", state.near_truncated))
    }
    return (
        f"M = {state.real_multiplier:.4g} becomes the integer {state.multiplier:,} and "
        f"{_shift_words(state.shift)}. Codes {state.qmin} to {state.qmax} can come out; "
        f"{state.saturated:.0%} of the sums drawn saturate. Around zero, rounding is off by up to "
        f"{errors['rounding']:.2f} steps, truncating by up to {errors['truncating']:.2f}."
    )


def _shift_words(shift):
    if shift == 0:
        return "no shift"
    return f"a shift by {abs(shift)} bits to the {'left' if shift > 0 else 'right'}"


def _inside(state):
    """Which of the near sums' codes are neither cut off by saturation nor by the activation."""
    real = state.real(state.near)
    return (real >= state.qmin) & (real <= state.qmax)


def claim_requantization(state: Requantization) -> bool:
    """Where no code is cut off, rounding is off by at most half a step; truncating by over 0.9."""
    inside, real = _inside(state), state.real(state.near)
    rounded, truncated = (
        np.abs(codes - real)[inside].max() for codes in (state.near_codes, state.near_truncated)
    )
    cut = np.mean((state.codes == state.qmin) | (state.codes == state.qmax))
    return bool(rounded <= 0.51 and truncated > 0.9 and cut > 0.5 and state.saturated > 0.5)


def draw_requantization(state: Requantization, figure=None):
    """Draw codes against sums, the stairs near zero, and the error in steps. -> Figure"""
    if figure is None:
        figure = style.figure(width=9.4, height=4.2)
        figure.get_layout_engine().set(rect=(0, 0, 0.985, 1))  # room for a last, long tick label
        with style.rc():
            grid = figure.add_gridspec(2, 3, height_ratios=[1, 0.19], width_ratios=[1.1, 1, 1])
            _all_sums_axes(figure, figure.add_subplot(grid[0, 0]))
            _stairs_axes(figure, figure.add_subplot(grid[0, 1]))
            _error_axes(figure, figure.add_subplot(grid[0, 2]))
            _words_axes(figure, figure.add_subplot(grid[1, :]))
    moving = figure.moving
    sums, real = state.sums, state.real(state.sums)
    moving["codes"].set_data(sums, state.codes)
    moving["real"].set_data(sums, np.where(np.abs(real) <= 140, real, np.nan))
    for name, code in (("qmin", state.qmin), ("qmax", state.qmax)):
        moving[name].set_ydata([code, code])
    _set_saturated(moving, state)
    ax = moving["codes"].axes
    if ax.get_xlim() != (sums[0], sums[-1]):
        ax.set_xlim(sums[0], sums[-1])

    near, inside = state.near, _inside(state)
    moving["near codes"].set_data(near, state.near_codes)
    moving["near truncated"].set_data(near, state.near_truncated)
    moving["near real"].set_data(near, state.real(near))
    for name, codes in (("error", state.near_codes), ("error truncated", state.near_truncated)):
        moving[name].set_data(near, np.where(inside, codes - state.real(near), np.nan))
    for name in ("near codes", "error"):
        moving[name].axes.set_xlim(near[0], near[-1])
    moving["near codes"].axes.set_ylim(state.zero_point - 5, state.zero_point + 5)

    activation = "" if state.activation == "NONE" else f" and {_name(state.activation)}"
    moving["words"].set_text(_formula(state))
    moving["limits"].set_text(
        f"M = {state.real_multiplier:.4g}.  Then clipped to {_minus(state.qmin)} … {state.qmax} "
        f"(int8{activation}): {state.saturated:.0%} of these sums are cut off."
    )
    return figure


def _formula(state):
    """What is computed, with both roundings; a shift to the left is exact and comes first."""
    left = f" · 2^{state.shift}" if state.shift > 0 else ""
    total = f"(sum {_signed(state.bias)})" if state.bias else "sum"
    first = f"round( {total}{left} · {state.multiplier:,} / 2^31 )"
    if state.shift < 0:
        first = f"round( {first} / 2^{-state.shift} )"
    return f"code = {first} {_signed(state.zero_point)}"


def _signed(number):
    return f"+ {number:,}" if number >= 0 else f"− {-number:,}"


def _minus(number):
    return f"{number:,}".replace("-", "−")


def _name(activation):
    return {"NONE": "no activation", "RELU": "ReLU", "RELU6": "ReLU6"}[activation]


def _set_saturated(moving, state):
    """The ranges of sums whose codes are cut off, as shaded parts of the axis."""
    low, high = state.sums[0], state.sums[-1]
    first = (state.qmin - state.zero_point) / state.real_multiplier - state.bias
    last = (state.qmax - state.zero_point) / state.real_multiplier - state.bias
    first, last = np.clip([first, last], low, high)
    moving["below"].set_bounds(low, -140, first - low, 280)
    moving["above"].set_bounds(last, -140, high - last, 280)


def _all_sums_axes(figure, ax):
    moving = figure.moving
    for name in ("below", "above"):
        moving[name] = ax.add_patch(
            Rectangle((0, 0), 0, 0, facecolor="#F9E3E4", edgecolor=SATURATED.color,
                      hatch=SATURATED.hatch, linewidth=0, animated=True)
        )  # fmt: skip
    moving["real"] = ax.plot([], [], color=style.INK, linestyle=":", linewidth=1.4, animated=True,
                             label="real value")[0]  # fmt: skip
    for name in ("qmin", "qmax"):
        moving[name] = ax.axhline(0, color=SATURATED.color, linestyle="--", linewidth=1,
                                  animated=True)  # fmt: skip
    moving["codes"] = ax.plot([], [], color=ROUNDED.color, linestyle="-", linewidth=2.2,
                              animated=True, label="int8 code")[0]  # fmt: skip
    moving["below"].set_label("cut off")
    ax.set(title="All sums", xlabel="int32 sum of products", ylabel="code", ylim=(-150, 265),
           yticks=[-128, -64, 0, 64, 127])  # fmt: skip
    ax.xaxis.set_major_locator(_few_ticks(4))
    ax.legend(loc="upper left", handlelength=1.6, ncols=1)


def _few_ticks(count):
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(count)


def _stairs_axes(figure, ax):
    moving = figure.moving
    moving["near real"] = ax.plot([], [], color=style.INK, linestyle=":", linewidth=1.4,
                                  animated=True, label="real value")[0]  # fmt: skip
    moving["near truncated"] = ax.plot(
        [], [], color=TRUNCATED.color, linestyle="--", linewidth=1.6, animated=True,
        drawstyle="steps-post", label="truncated",
    )[0]  # fmt: skip
    moving["near codes"] = ax.plot(
        [], [], color=ROUNDED.color, linestyle="-", linewidth=2.2, animated=True,
        drawstyle="steps-post", label="rounded",
    )[0]  # fmt: skip
    ax.set(title="A few steps around zero", xlabel="int32 sum of products", ylabel="code")
    ax.xaxis.set_major_locator(_few_ticks(4))
    ax.legend(loc="upper left", handlelength=1.8)


def _error_axes(figure, ax):
    moving = figure.moving
    for half in (-0.5, 0.5):
        ax.axhline(half, color=style.GREY, linestyle="--", linewidth=1)
    moving["error truncated"] = ax.plot(
        [], [], color=TRUNCATED.color, linestyle="--", linewidth=1.6, animated=True,
        label="truncated",
    )[0]  # fmt: skip
    moving["error"] = ax.plot([], [], color=ROUNDED.color, linestyle="-", linewidth=2.2,
                              animated=True, label="rounded")[0]  # fmt: skip
    ax.set(title="Error", xlabel="int32 sum of products", ylabel="code − real, in steps S3",
           ylim=(-1.15, 1.15), yticks=[-1, -0.5, 0, 0.5, 1])  # fmt: skip
    ax.xaxis.set_major_locator(_few_ticks(4))
    ax.legend(loc="upper left", handlelength=1.8, ncols=2)


def _words_axes(figure, ax):
    ax.axis("off")
    text = {"transform": ax.transAxes, "ha": "center", "va": "top", "animated": True}
    figure.moving["words"] = ax.text(0.5, 1, "", fontsize=11, fontweight="bold", **text)
    figure.moving["limits"] = ax.text(0.5, 0.48, "", **text)


# ------------------------------------------------------------------ the four terms


class Terms(NamedTuple):
    """One output of a layer with weights, its sum of products taken apart."""

    network: str
    layer: str
    unit: int
    label: str  # what the input shows
    products: int  # how many
    x_zero: int  # Z1
    w_zero: int  # Z2
    q1q2: int
    z1_q2: int  # Z1 * sum q2
    z2_q1: int  # Z2 * sum q1
    z1_z2: int  # n Z1 Z2
    bias: int
    real_multiplier: float
    zero_point: int  # Z3
    code: int
    real: float  # S3 (code - Z3)
    float32: float  # what the float network computes

    @property
    def accumulator(self):
        return self.q1q2 - self.z1_q2 - self.z2_q1 + self.z1_z2 + self.bias


def alt_terms(state: Terms) -> str:
    """Say the size of each term, and what is known before the input is."""
    return (
        f"Output {state.unit} of {state.layer} for one {state.label}: the sum of the products of "
        f"codes is {state.q1q2:,}, minus Z1 times the sum of the weights' codes is "
        f"{-state.z1_q2:,}; the two terms with Z2 = {state.w_zero} are {state.z2_q1} and "
        f"{state.z1_z2}; with the bias {state.bias:,} the accumulator is {state.accumulator:,}. "
        f"All but the first are known before the input is."
    )


def claim_terms(state: Terms) -> bool:
    """Z2 = 0, so its two terms are 0; the term with Z1 is the largest; the code is M times all."""
    code = round(state.real_multiplier * state.accumulator) + state.zero_point
    return bool(
        state.w_zero == state.z2_q1 == state.z1_z2 == 0
        and abs(state.z1_q2) > abs(state.q1q2) > abs(state.bias)
        and code == state.code
    )


def draw_terms(state: Terms, figure=None):
    """Draw the four terms, the bias and their sum as bars from left to right. -> Figure"""
    _does_not_move(figure, "draw_terms")
    figure, ax = style.subplots(width=9.2, height=3.4)
    ahead = style.LOOKS["green"]
    rows = (
        ("Σ q1 q2", state.q1q2, "needs the input", ROUNDED),
        (f"− Z1 Σ q2   (Z1 = {_minus(state.x_zero)})", -state.z1_q2, "known ahead", ahead),
        (f"− Z2 Σ q1   (Z2 = {state.w_zero})", -state.z2_q1, "vanishes", ahead),
        ("+ n Z1 Z2", state.z1_z2, "vanishes", ahead),
        ("+ bias", state.bias, "known ahead", ahead),
        ("= accumulator", state.accumulator, "", style.LOOKS["violet"]),
    )
    start, values = 0, []
    with style.rc():
        for y, (name, value, _, look) in enumerate(rows):
            left = 0 if name.startswith("=") else start
            ax.barh(y, value, left=left, height=0.62, color=look.color, edgecolor="white",
                    hatch=look.hatch, linewidth=0)  # fmt: skip
            values += [left, left + value]
            start = left + value
            if y < len(rows) - 1:
                ax.plot([start, start], [y + 0.31, y + 0.69], color=style.INK, linestyle="-",
                        linewidth=0.8)  # fmt: skip
        low, high = min(*values, 0), max(*values, 0)
        width = high - low
        for y, (_, value, when, _) in enumerate(rows):
            ax.text(high + 0.40 * width, y, _minus(value), va="center", ha="right",
                    fontweight="bold")  # fmt: skip
            ax.text(high + 0.44 * width, y, when, va="center", ha="left", fontsize=9)
        ax.axvline(0, color=style.INK, linewidth=1, linestyle="-")
        ax.set(xlim=(low - 0.03 * width, high + width), ylim=(len(rows) - 0.4, -0.6),
               yticks=range(len(rows)), xlabel="int32 codes, each worth S1 · S2",
               title=f"{state.layer} of {state.network}, output {state.unit}, one "
               f"{state.label}: {state.products} products")  # fmt: skip
        ax.set_yticklabels([name for name, *_ in rows])
        ax.xaxis.set_major_locator(_few_ticks(4))
        ax.grid(axis="y", visible=False)
    return figure


# ------------------------------------------------------------------ a network's codes


class LayerTrace(NamedTuple):
    """The codes of one layer of an int8 network for one input, and what float32 computes there."""

    network: str
    index: int  # of the test input
    label: str
    layer: str
    qparams: QParams
    image: np.ndarray  # int8 (height, width)
    codes: np.ndarray  # int8 (height, width, channels) or (values,)
    real: np.ndarray  # float32, the same shape: the float network's activation
    scores: np.ndarray  # float32 (classes,), the int8 network's, dequantized
    float_scores: np.ndarray
    class_names: tuple[str, ...]

    @property
    def steps(self):
        """Error of each value in steps S: (dequantized - real) / S."""
        # Wider first: in int8, 127 - (-128) would wrap around to -1.
        codes = self.codes.astype(np.int64) - self.qparams.zero_point
        return codes - self.real / self.qparams.scale


ERROR_EDGES = np.linspace(-4.5, 4.5, 37)  # in steps; the outermost bins hold the rest
CODE_EDGES = np.arange(-128, 129, 4) - 0.5
MOST_POINTS = 3000


def alt_trace(state: LayerTrace) -> str:
    """Say the layer's scale, how far it is from float32, and what both networks answer."""
    q, steps = state.qparams, np.abs(state.steps)
    used = len(np.unique(state.codes))
    answers = [state.class_names[s.argmax()] for s in (state.scores, state.float_scores)]
    agree = "both answer" if answers[0] == answers[1] else "int8 and float32 answer"
    return (
        f"Test image {state.index} ({state.label}), {state.layer}: S = {q.scale:.4g}, "
        f"Z = {q.zero_point}; {state.codes.size:,} values use {used} codes, "
        f"{np.mean(state.codes == q.zero_point):.0%} are Z, that is zero. Off from float32 by "
        f"{np.median(steps):.2f} steps in the median, {steps.max():.1f} at most; {agree} "
        f"{' and '.join(dict.fromkeys(answers))} ({state.scores.max():.2f} and "
        f"{state.float_scores.max():.2f})."
    )


def claim_trace(state: LayerTrace) -> bool:
    """At least 95 % of the values within one step of float32, all within 3; the same answer."""
    steps = np.abs(state.steps)
    return bool(
        np.mean(steps <= 1) >= 0.95
        and steps.max() <= 3
        and state.scores.argmax() == state.float_scores.argmax()
    )


def draw_trace(state: LayerTrace, figure=None):
    """Draw input, codes, their histogram, int8 against float32, errors and scores. -> Figure"""
    if figure is None:
        figure = style.figure(width=9.4, height=5.0)
        with style.rc():
            grid = figure.add_gridspec(2, 3, width_ratios=[1, 1, 1.15])
            axes = np.array([[figure.add_subplot(grid[i, j]) for j in range(3)] for i in range(2)])
            _picture_axes(figure, axes[0, 0], "image", "Input, int8 codes")
            bar = _picture_axes(figure, axes[0, 1], "codes", "This layer's codes")
            colours = figure.colorbar(bar, ax=axes[0, :2], fraction=0.04, pad=0.02)
            colours.set_ticks([-128, 0, 127])
            colours.ax.set_title("code", fontsize=9, loc="left")
            _code_axes(figure, axes[0, 2])
            _against_axes(figure, axes[1, 0])
            _step_axes(figure, axes[1, 1])
            _score_axes(figure, axes[1, 2], state.class_names)
    moving, q = figure.moving, state.qparams
    moving["image"].set_data(_square(state.image))
    moving["codes"].set_data(_square(montage(state.codes)))
    shape = " × ".join(map(str, state.codes.shape))
    moving["shape"].set_text(f"{shape} {'values' if state.codes.ndim == 1 else ''}".strip())
    moving["label"].set_text(state.label)
    counts = np.histogram(state.codes, CODE_EDGES)[0] / state.codes.size
    moving["histogram"].set_data(counts)
    moving["zero"].set_xdata([q.zero_point, q.zero_point])
    moving["qparams"].set_text(f"S = {q.scale:.4g}\nZ = {_minus(q.zero_point)}")
    every = -(-state.codes.size // MOST_POINTS)
    wanted = np.clip(state.real.ravel()[::every] / q.scale + q.zero_point, -138, 137)
    moving["points"].set_data(wanted, state.codes.ravel()[::every])
    steps = np.clip(state.steps.ravel(), ERROR_EDGES[0], ERROR_EDGES[-1])
    moving["steps"].set_data(np.histogram(steps, ERROR_EDGES)[0] / steps.size)
    moving["median"].set_text(
        f"median {np.median(np.abs(state.steps)):.2f}\nlargest {np.abs(state.steps).max():.1f}"
    )
    moving["label mark"].set_y(state.class_names.index(state.label))
    for i, (ours, theirs) in enumerate(zip(state.scores, state.float_scores, strict=True)):
        moving[f"int8 {i}"].set_width(ours)
        moving[f"float {i}"].set_width(theirs)
    return figure


def montage(codes):
    """The channels of a layer side by side, as one picture with gaps (NaN) between them.

    >>> montage(np.zeros((2, 2, 4), np.int8)).shape, montage(np.zeros(64, np.int8)).shape
    ((5, 5), (8, 8))
    """
    if codes.ndim == 1:
        columns = int(np.ceil(np.sqrt(codes.size)))
        rows = -(-codes.size // columns)
        flat = np.full(rows * columns, np.nan)
        flat[: codes.size] = codes
        return flat.reshape(rows, columns)
    height, width, channels = codes.shape
    columns = int(np.ceil(np.sqrt(channels * height / width)))
    rows = -(-channels // columns)
    picture = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1), np.nan)
    for c in range(channels):
        top, left = c // columns * (height + 1), c % columns * (width + 1)
        picture[top : top + height, left : left + width] = codes[:, :, c]
    return picture


def _square(picture):
    """The picture in the middle of a square of NaN, so that its pixels stay square."""
    side = max(picture.shape)
    square = np.full((side, side), np.nan)
    top, left = ((side - size) // 2 for size in picture.shape)
    square[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return square


def _picture_axes(figure, ax, name, title):
    image = ax.imshow(np.zeros((2, 2)), vmin=-128, vmax=127, extent=(0, 1, 0, 1), animated=True)
    figure.moving[name] = image
    ax.set(title=title, xticks=[], yticks=[])
    ax.grid(False)
    for side in ax.spines.values():
        side.set_visible(False)
    label = {"image": "label", "codes": "shape"}[name]
    figure.moving[label] = ax.text(0.5, -0.04, "", transform=ax.transAxes, ha="center", va="top",
                                   animated=True)  # fmt: skip
    return image


def _code_axes(figure, ax):
    moving = figure.moving
    moving["histogram"] = ax.stairs(
        np.zeros(len(CODE_EDGES) - 1), CODE_EDGES, fill=True, color=ROUNDED.color, animated=True
    )
    look = style.LOOKS["red"]
    moving["zero"] = ax.axvline(0, color=look.color, linestyle=look.linestyle, linewidth=1.4,
                                animated=True, label="Z: real zero")  # fmt: skip
    ax.set(title="Which codes?", xlabel="code", ylabel="share of the values", xlim=(-134, 133),
           ylim=(1e-4, 4), yscale="log", xticks=[-128, -64, 0, 64, 127])  # fmt: skip
    moving["qparams"] = ax.text(0.98, 0.72, "", transform=ax.transAxes, ha="right", va="top",
                                  fontsize=9, animated=True)  # fmt: skip
    ax.legend(loc="upper right", handlelength=2)


def _against_axes(figure, ax):
    ax.plot([-140, 140], [-140, 140], color=style.GREY, linewidth=1, linestyle="--")
    figure.moving["points"] = ax.plot(
        [], [], color=ROUNDED.color, marker="o", markersize=3, alpha=0.5, markeredgewidth=0,
        linestyle="", animated=True,
    )[0]  # fmt: skip
    ax.set(title="int8 against float32", xlabel="float32 activation, r / S + Z",
           ylabel="int8 code", xlim=(-140, 140), ylim=(-140, 140),
           xticks=[-128, 0, 127], yticks=[-128, 0, 127])  # fmt: skip


def _step_axes(figure, ax):
    moving = figure.moving
    moving["steps"] = ax.stairs(
        np.zeros(len(ERROR_EDGES) - 1), ERROR_EDGES, fill=True, color=ROUNDED.color, animated=True
    )
    for half in (-0.5, 0.5):
        ax.axvline(half, color=style.GREY, linestyle="--", linewidth=1)
    ax.set(title="Error, in steps S", xlabel="(dequantized − float32) / S",
           ylabel="share of the values", ylim=(1e-4, 2), yscale="log", xlim=(-4.6, 4.6),
           xticks=[-4, -2, 0, 2, 4])  # fmt: skip
    ax.set_xticklabels(["≤ −4", "−2", "0", "2", "≥ 4"])  # the outermost bins hold the rest
    moving["median"] = ax.text(0.98, 0.97, "", transform=ax.transAxes, ha="right", va="top",
                               fontsize=8.5, animated=True)  # fmt: skip


def _score_axes(figure, ax, names):
    moving, other = figure.moving, TRUNCATED
    classes = len(names)
    at = np.arange(classes)
    ours = ax.barh(at - 0.2, np.zeros(classes), height=0.38, color=ROUNDED.color, animated=True,
                   label="int8")  # fmt: skip
    theirs = ax.barh(at + 0.2, np.zeros(classes), height=0.38, facecolor="#FBE3CD",
                     edgecolor=other.color, hatch=other.hatch, linewidth=0.8, animated=True,
                     label="float32")  # fmt: skip
    for i in range(classes):
        moving[f"int8 {i}"], moving[f"float {i}"] = ours[i], theirs[i]
    ax.set(title="Scores", xlabel="score", xlim=(0, 1.25), ylim=(classes - 0.4, -0.6),
           xticks=[0, 0.25, 0.5, 0.75, 1])  # fmt: skip
    ax.set_yticks(at, names)
    moving["label mark"] = ax.text(0.99, 0, "✓ right", transform=ax.get_yaxis_transform(),
                                   ha="right", va="center", fontsize=9, animated=True)  # fmt: skip
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="y", visible=False)
    ax.legend(loc="lower right", bbox_to_anchor=(1.02, 0.99), ncols=2, handlelength=1.4,
              columnspacing=1, borderaxespad=0)  # fmt: skip


# ------------------------------------------------------------------ where kernels part ways


class Kernels(NamedTuple):
    """How many values of each operator differ from TFLM's, given the same codes."""

    inputs: int
    operators: dict[str, list[str]]  # network -> layers
    per_million: dict[str, dict[str, np.ndarray]]  # network -> kernels -> (layers,)


KERNEL_LOOKS = {"LiteRT reference": style.LOOKS["green"], "XNNPACK": style.LOOKS["orange"]}


def alt_kernels(state: Kernels) -> str:
    """Say in which operators the two kinds of kernels differ from TFLM's, and how often."""
    said = []
    for kernels in KERNEL_LOOKS:
        rows = [
            (value, f"{layer} of {network}")
            for network, layers in state.operators.items()
            for layer, value in zip(layers, state.per_million[network][kernels], strict=True)
        ]
        differing = [row for row in rows if row[0] > 0]
        most, where = max(rows)
        said.append(
            f"{kernels}: {len(differing)} of {len(rows)} operators, at most "
            f"{most:,.0f} values in a million ({where})"
        )
    asked = f"Operators that differ from TFLM's on the codes of the same {state.inputs} inputs."
    return f"{asked} {'; '.join(said)}."


def claim_kernels(state: Kernels) -> bool:
    """Reference: only the dense layers differ, all of them, in at most 0.1 % of the values."""
    return bool(
        all(
            np.array_equal(state.per_million[network]["LiteRT reference"] > 0,
                           [layer.startswith("dense") for layer in layers])
            and state.per_million[network]["LiteRT reference"].max() <= 1000
            and np.all(state.per_million[network]["LiteRT reference"]
                       <= state.per_million[network]["XNNPACK"])
            for network, layers in state.operators.items()
        )
    )  # fmt: skip


def draw_kernels(state: Kernels, figure=None):
    """Draw for each operator how many values in a million differ from TFLM's. -> Figure"""
    _does_not_move(figure, "draw_kernels")
    figure = style.figure(width=9.4, height=4.6)
    networks = list(state.operators)
    with style.rc():
        axes = figure.subplots(2, 2, sharey=True)
        for ax, network in zip(axes.flat, networks, strict=True):
            layers = state.operators[network]
            at = np.arange(len(layers))
            for offset, (kernels, look) in zip((-0.2, 0.2), KERNEL_LOOKS.items(), strict=True):
                values = state.per_million[network][kernels]
                ax.bar(at + offset, np.maximum(values, 0), width=0.38, color=look.color,
                       edgecolor="white", hatch=look.hatch, linewidth=0, label=kernels)  # fmt: skip
                for x, value in zip(at + offset, values, strict=True):
                    if value == 0:
                        ax.text(x, 1.3, "0", ha="center", va="bottom", fontsize=8)
            ax.set_yscale("symlog", linthresh=10, linscale=0.4)
            ax.set(title=network, ylim=(0, 3e5), xticks=at, yticks=[0, 10, 1e3, 1e5])
            ax.set_xticklabels(layers, rotation=35, ha="right", rotation_mode="anchor")
            ax.grid(axis="x", visible=False)
        for ax in axes[:, 0]:
            ax.set_ylabel("differing, per million")
        axes[0, 0].legend(loc="upper left", ncols=2, handlelength=1.6)
    return figure
