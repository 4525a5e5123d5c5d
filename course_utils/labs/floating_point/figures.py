"""Drawings of floating-point numbers: their bits, their gaps, and weights rounded to them."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import NamedTuple

import numpy as np
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from course_utils.numbers.floats import FORMATS, Decomposed
from course_utils.views import style

NAMES = {
    "float32": "float32",
    "float16": "float16",
    "bfloat16": "bfloat16",
    "float8_e4m3": "FP8 E4M3",
    "float8_e5m2": "FP8 E5M2",
}
LOOKS = dict(zip(NAMES, style.looks(), strict=False))  # each format's colour, hatch and marker

# Fields of bits: the colour of a field, and the hatch that stands for it without colour.
FIELDS = {
    "sign": (style.RED, ""),
    "exponent": (style.BLUE, "////"),
    "fraction": (style.GREEN, ".."),
}
TINTS = {"sign": "#F7DADC", "exponent": "#D3E6F0", "fraction": "#D6EDE0"}


class InFormat(NamedTuple):
    """One number as a format holds it."""

    number: Decomposed
    gap: float  # to the next larger magnitude; NaN where the number is not finite
    error: float  # relative to the float32 number; NaN where there is none


class Number(NamedTuple):
    """A float32 number and what each smaller format makes of it, by the format's name."""

    formats: dict[str, InFormat]

    @property
    def float32(self) -> Decomposed:
        return self.formats["float32"].number


def short(value: float) -> str:
    """A float32's value in the nine digits that tell it from all others.

    >>> short(0.10000000149011612), short(-0.0), short(float("inf"))
    ('0.100000001', '−0', '∞')
    """
    if math.isnan(value):
        return "NaN"
    sign = "−" if math.copysign(1, value) < 0 else ""
    if math.isinf(value):
        return f"{sign}∞"
    return sign + _power(f"{abs(value):.9g}")


def _power(text: str) -> str:
    """ "1.5e-07" -> "1.5·10⁻⁷"."""
    digits, _, exponent = text.partition("e")
    if not exponent:
        return digits
    return f"{digits}·10{str(int(exponent)).translate(_SUPERSCRIPT)}"


_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def power_of_two(value: float) -> str:
    """A power of two as such.

    >>> power_of_two(2**-23)
    '2⁻²³'
    """
    return f"2{str(round(math.log2(value))).translate(_SUPERSCRIPT)}"


def formula(number: Decomposed) -> str:
    """The formula with this float32's numbers filled in, in words where there is none."""
    s, e, f = number.sign, number.exponent, number.fraction
    sign = f"(−1){str(s).translate(_SUPERSCRIPT)}"
    if number.kind == "normal":
        return f"{sign} × 2^({e} − 127) × {short(1 + f / 2**23)}"
    if number.kind == "subnormal":
        return f"{sign} × 2^(1 − 127) × {_power(f'{f / 2**23:.9g}')}"
    if number.kind == "zero":
        return f"{sign} × 2^(1 − 127) × 0"
    return {"infinity": "exponent all ones, fraction zero: infinity",
            "nan": "exponent all ones, fraction not zero: not a number"}[number.kind]  # fmt: skip


def alt_number(state: Number) -> str:
    """Say the fields, the value, the gap, and what each smaller format makes of the number."""
    number, gap, _ = state.formats["float32"]
    text = f"Bits {number.bits}: {formula(number)}"
    if number.kind in ("normal", "subnormal", "zero"):
        text += f" = {short(number.value)} ({number.kind}); next number {_power(f'{gap:.3g}')} away"
    others = [
        f"{NAMES[fmt]} {short(held.number.value)}{_error_in_brackets(held.error)}"
        for fmt, held in state.formats.items()
        if fmt != "float32"
    ]
    return f"{text}. In {', '.join(others)}."


def _error_in_brackets(error):
    return "" if math.isnan(error) else f" (off by {percent(error)})"


def percent(share: float) -> str:
    """A share in percent with two digits, the smallest as a power of ten.

    >>> percent(0.0156), percent(2.44e-7), percent(0.0), percent(1.0)
    ('1.6 %', '2.4·10⁻⁵ %', '0 %', '100 %')
    """
    return f"{100 * share:.0f} %" if share >= 0.0995 else f"{_power(f'{100 * share:.2g}')} %"


def claim_number(state: Number) -> bool:
    """No value is the decimal 0.1, and the error grows with each format of fewer fraction bits."""
    by_fraction = sorted(state.formats, key=lambda fmt: -FORMATS[fmt].fraction_bits)
    tenth = Fraction(1, 10)
    errors = [abs(Fraction(state.formats[fmt].number.value) - tenth) for fmt in by_fraction]
    return errors[0] > 0 and all(a < b for a, b in zip(errors, errors[1:], strict=False))


# Where things stand in the picture of a number; the unit is the width of a bit.
_BITS, _VALUE, _ERROR, _GAP, _END = 10.4, 43.8, 57.2, 65.7, 72.2
_TOP, _HEADER, _ROW = -4.2, -1.5, 2.15


def draw_number(state: Number, figure=None):
    """Draw one number's bits in each format, its formula, its gap and errors. -> Figure"""
    if figure is None:
        figure = style.figure(width=9.4, height=3.7)
        with style.rc():
            _number_axes(figure, figure.add_subplot())
    moving = figure.moving
    number = state.float32
    moving["value"].set_text(short(number.value))
    moving["formula"].set_text(f"{formula(number)}\n{_in_words(number)}")
    for fmt, held in state.formats.items():
        for field, digits in zip(FIELDS, held.number.bits.split(), strict=True):
            moving[f"{fmt} {field}"].set_text(digits)
        moving[f"{fmt} value"].set_text(short(held.number.value))
        moving[f"{fmt} error"].set_text("–" if math.isnan(held.error) else percent(held.error))
        moving[f"{fmt} gap"].set_text("–" if math.isnan(held.gap) else power_of_two(held.gap))
    return figure


def _in_words(number):
    if number.kind == "normal":
        exponent = f"{number.exponent - 127}".replace("-", "−")
        return f"normal: exponent {exponent}, and 1.f lies from 1 to 2"
    return {
        "zero": "zero: every bit but the sign is 0",
        "subnormal": "subnormal: exponent field 0, so 0.f instead of 1.f",
        "infinity": "infinity",
        "nan": "NaN, not a number",
    }[number.kind]


def _number_axes(figure, ax):
    ax.set_axis_off()
    ax.set(xlim=(0, _END), ylim=(4 * _ROW + 1.1, _TOP - 1.2))
    moving = figure.moving
    moving["value"] = ax.text(0, _TOP, "", fontsize=19, fontweight="bold", va="center",
                              animated=True)  # fmt: skip
    moving["formula"] = ax.text(22, _TOP, "", fontsize=11, va="center", linespacing=1.5,
                                animated=True)  # fmt: skip
    places = {"sign": _BITS - 3.2, "exponent": _BITS + 5, "fraction": _BITS + 21.5}
    for field, (color, _) in FIELDS.items():
        align = "right" if field == "sign" else "center"
        words = field if field == "sign" else f"{field}, {_widths('float32')[field]} bits"
        ax.text(places[field], _HEADER, words, ha=align, va="center", color=color, fontsize=10)
    for x, words in ((_VALUE, "value"), (_ERROR, "off by"), (_GAP, "gap to\nnext")):
        ax.text(x, _HEADER, words, va="center", fontsize=10)
    for row, fmt in enumerate(NAMES):
        y = row * _ROW
        ax.text(0, y, NAMES[fmt], va="center", fontsize=10, fontweight="bold")
        _cells(figure, ax, fmt, y)
        for x, what in ((_VALUE, "value"), (_ERROR, "error"), (_GAP, "gap")):
            moving[f"{fmt} {what}"] = ax.text(x, y, "", va="center", fontsize=10, animated=True)


def _widths(fmt):
    form = FORMATS[fmt]
    return {"sign": 1, "exponent": form.exponent_bits, "fraction": form.fraction_bits}


def _cells(figure, ax, fmt, y):
    """A box for each field, its hatch in a strip below so that the digits stay readable."""
    left = _BITS
    for field, width in _widths(fmt).items():
        color, hatch = FIELDS[field]
        ax.add_patch(Rectangle((left, y - 0.6), width, 1.2, facecolor=TINTS[field],
                               edgecolor=color))  # fmt: skip
        ax.add_patch(Rectangle((left, y + 0.6), width, 0.35, facecolor="white", edgecolor=color,
                               hatch=hatch))  # fmt: skip
        figure.moving[f"{fmt} {field}"] = ax.text(
            left + width / 2, y + 0.05, "", ha="center", va="center", fontsize=14,
            family="DejaVu Sans Mono", animated=True,
        )  # fmt: skip
        left += width


class Gaps(NamedTuple):
    """The gap between neighbouring numbers of each format, against the number."""

    x: np.ndarray  # ascending, positive
    relative: dict[str, np.ndarray]  # format -> gap / x; NaN beyond the largest number
    network: str
    weights: tuple[float, float]  # |w| of that network's kernels: 1 % lie below, 1 % above


def alt_gaps(state: Gaps) -> str:
    """Give each format's relative gap and its range."""
    parts = []
    for fmt in state.relative:
        form = FORMATS[fmt]
        low, high = (_power(f"{end:.5g}") for end in (form.smallest_normal, form.largest))
        gap = percent(2.0**-form.fraction_bits)
        parts.append(f"{NAMES[fmt]} at most {gap} of the number from {low} to {high}")
    low, high = state.weights
    return (
        f"The gap to the next number: {'; '.join(parts)}. Below that range it grows to 100 %. "
        f"98 % of {state.network}'s kernel weights lie between {low:.4f} and {high:.2f}."
    )


def claim_gaps(state: Gaps) -> bool:
    """More exponent bits: a wider range. More fraction bits: a smaller smallest relative gap."""
    ratio, finest = {}, {}
    for fmt, relative in state.relative.items():
        held = state.x[~np.isnan(relative)]
        ratio[fmt], finest[fmt] = held[-1] / held[0], np.nanmin(relative)

    def rises(values, bits):
        return all(
            values[a] < values[b]
            for a in values
            for b in values
            if getattr(FORMATS[a], bits) < getattr(FORMATS[b], bits)
        )

    coarsest_first = {fmt: -gap for fmt, gap in finest.items()}
    return rises(ratio, "exponent_bits") and rises(coarsest_first, "fraction_bits")


def draw_gaps(state: Gaps, figure=None):
    """Draw the relative gap of each format against the number. -> Figure"""
    if figure is not None:
        raise ValueError("This picture does not move: draw it without a figure.")
    figure, ax = style.subplots(width=9.2, height=3.9)
    with style.rc():
        ax.axvspan(*state.weights, facecolor="none", edgecolor="#BBBBBB", hatch="\\\\\\",
                   linewidth=0, label=f"98 % of {state.network}'s weights")  # fmt: skip
        for fmt, relative in state.relative.items():
            look = LOOKS[fmt]
            known = np.flatnonzero(~np.isnan(relative))
            ax.plot(state.x, relative, color=look.color, linestyle="-", linewidth=1.3,
                    marker=look.marker, markevery=list(known[:: len(known) // 8]), markersize=6,
                    label=NAMES[fmt])  # fmt: skip
        ax.set(xscale="log", yscale="log", xlim=(1e-46, 1e40), ylim=(2e-8, 1.5),
               title="Distance to the next number, relative to the number",
               xlabel="number", ylabel="gap / number")  # fmt: skip
        ax.xaxis.set_major_locator(LogLocator(base=1e10, numticks=20))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_minor_locator(NullLocator())
        ax.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
        figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=6,
                      handlelength=1.8, columnspacing=1.4)  # fmt: skip
    return figure


class Weights(NamedTuple):
    """One layer's weights rounded to one format."""

    network: str
    layer: str
    fmt: str
    weights: np.ndarray  # float32, flat
    rounded: np.ndarray  # the nearest numbers of the format
    window: tuple[float, float]  # the part of the axis that is magnified
    available: int  # numbers of the format in that window
    lines: np.ndarray  # these numbers, or none if they are too many to draw

    @property
    def relative(self):
        """|rounded - w| / |w| for the weights that are not zero."""
        nonzero = self.weights != 0
        exact = self.weights[nonzero].astype(np.float64)
        return np.abs(self.rounded[nonzero] - exact) / np.abs(exact)

    @property
    def used(self):
        """How many different numbers the rounded weights are."""
        return len(np.unique(self.rounded))

    @property
    def lost(self):
        """How many weights became zero."""
        return int(np.count_nonzero((self.rounded == 0) & (self.weights != 0)))

    @property
    def error(self):
        """Root mean square of the error, relative to the weights' standard deviation."""
        difference = self.rounded.astype(np.float64) - self.weights
        return float(np.sqrt(np.mean(difference**2)) / np.std(self.weights, dtype=np.float64))


def alt_weights(state: Weights) -> str:
    """Say how many numbers the format has for this layer, and what rounding to them costs."""
    low, high = state.window
    return (
        f"{state.layer} of {state.network} in {NAMES[state.fmt]}: {state.available:,} numbers of "
        f"the format lie between {low:g} and {high:.3f} (one σ). The layer's "
        f"{state.weights.size:,} weights fall on {state.used:,} different numbers; the largest "
        f"relative error is {percent(float(state.relative.max()))}, the error's root mean square "
        f"{percent(state.error)} of σ, and {state.lost:,} weights become zero."
    )


def claim_weights(state: Weights) -> bool:
    """Fewer than 100 values are left; all but subnormal weights move by at most 1/16 of w."""
    normal = np.abs(state.weights[state.weights != 0]) >= FORMATS[state.fmt].smallest_normal
    moved = state.relative
    return bool(
        state.weights.size > 50_000
        and state.used < 100
        and moved[normal].max() <= 1 / 16
        and moved[~normal].max() > 1 / 16
    )


FLOOR = 1e-10  # an error of zero is drawn here


def draw_weights(state: Weights, figure=None):
    """Draw where a layer's weights fall among a format's numbers, and how far off. -> Figure"""
    if figure is None:
        figure = style.figure(width=9.4, height=4.7)
        with style.rc():
            grid = figure.add_gridspec(2, 2, width_ratios=[2.3, 1], height_ratios=[1, 1.25])
            upper, lower = figure.add_subplot(grid[0, 0]), figure.add_subplot(grid[1, 0])
            _landing_axes(figure, upper, state)
            _error_axes(figure, lower, state)
            ax = figure.add_subplot(grid[:, 1])
            ax.set_axis_off()
            block = {"va": "top", "transform": ax.transAxes, "animated": True}
            figure.moving["name"] = ax.text(0, 0.98, "", fontsize=17, fontweight="bold", **block)
            figure.moving["numbers"] = ax.text(0, 0.84, "", fontsize=10.5, linespacing=1.7, **block)
            # Beside the axes: what moves would cover it inside.
            handles = upper.get_legend_handles_labels(), lower.get_legend_handles_labels()
            ax.legend(*(a + b for a, b in zip(*handles, strict=True)), loc="lower left",
                      bbox_to_anchor=(0, 0.02), borderpad=0)  # fmt: skip
    form, moving = FORMATS[state.fmt], figure.moving
    moving["rounded"].set_data(np.histogram(state.rounded, _edges(state))[0])
    x = state.lines if state.lines.size else np.array([np.nan])
    moving["lines"].set_data(np.repeat(x, 3), np.tile([0, 1, np.nan], len(x)))
    moving["too many"].set_text(
        "" if state.lines.size else f"{state.available:,} numbers: too many to draw"
    )
    size = np.abs(state.weights[state.weights != 0])
    step = max(1, len(size) // 4000)
    moving["errors"].set_data(size[::step], np.maximum(state.relative[::step], FLOOR))
    span = np.geomspace(*_sizes(state), 300)
    half = 0.5 * np.maximum(form.smallest, 2.0 ** (np.floor(np.log2(span)) - form.fraction_bits))
    moving["bound"].set_data(span, np.minimum(half / span, 1))
    moving["subnormal"].set_width(max(0, form.smallest_normal - _sizes(state)[0]))
    moving["name"].set_text(NAMES[state.fmt])
    moving["numbers"].set_text(
        f"{form.exponent_bits} exponent, {form.fraction_bits} fraction bits\n"
        f"{state.weights.size * form.bits // 8:,} bytes "
        f"({form.bits / 32:.0%} of float32)\n"
        f"{state.used:,} different weights\n"
        f"{state.lost:,} became zero\n"
        f"error: {percent(state.error)} of σ (RMS)\n"
        f"largest: {percent(float(state.relative.max()))} of a weight"
    )
    return figure


def _edges(state):
    return np.linspace(*state.window, 241)


def _sizes(state):
    """The smallest and the largest |w| on the axis of sizes."""
    size = np.abs(state.weights[state.weights != 0])
    return float(size.min()) * 0.7, float(size.max()) * 1.4


def _landing_axes(figure, ax, state):
    edges = _edges(state)
    counts = np.histogram(state.weights, edges)[0]
    ax.stairs(counts, edges, color=style.INK, linewidth=1, label="float32", zorder=3)
    moving = figure.moving
    moving["lines"] = ax.plot([], [], color=style.ORANGE, linestyle="-", linewidth=0.7,
                              transform=ax.get_xaxis_transform(), animated=True,
                              label="numbers of the format")[0]  # fmt: skip
    moving["rounded"] = ax.stairs(np.zeros(len(counts)), edges, fill=True, color=style.BLUE,
                                  alpha=0.8, animated=True, label="rounded")  # fmt: skip
    moving["too many"] = ax.text(0.985, 0.93, "", ha="right", va="top", fontsize=9,
                                 transform=ax.transAxes, animated=True)  # fmt: skip
    ax.set(title=f"{state.layer}'s weights from 0 to 1 σ: where they land", xlim=state.window,
           yscale="symlog", ylim=(0, state.weights.size / 4), xlabel="weight",
           ylabel="weights per bin")  # fmt: skip
    ax.yaxis.set_major_locator(LogLocator())


def _error_axes(figure, ax, state):
    low, high = _sizes(state)
    moving = figure.moving
    moving["subnormal"] = ax.add_patch(
        Rectangle((low, 0), 0, 1, transform=ax.get_xaxis_transform(), facecolor="#FBE9D8",
                  edgecolor=style.ORANGE, hatch="\\\\", linewidth=0, animated=True,
                  label="subnormal or zero")
    )  # fmt: skip
    moving["errors"] = ax.plot([], [], linestyle="", marker=".", markersize=2.5, color=style.BLUE,
                               animated=True, label="one weight")[0]  # fmt: skip
    moving["bound"] = ax.plot([], [], color=style.RED, linestyle="--", linewidth=1.2,
                              animated=True, label="half a gap")[0]  # fmt: skip
    ax.set(xscale="log", yscale="log", xlim=(low, high), ylim=(FLOOR / 2, 3), xlabel="|weight|",
           ylabel="relative error", title="How far each weight moves")  # fmt: skip
    ax.yaxis.set_major_locator(LogLocator(numticks=6))
    ax.yaxis.set_minor_locator(NullLocator())


class Reduced(NamedTuple):
    """What rounding costs every network, and one network's layers."""

    loss: dict[str, dict[str, dict[str, tuple[float, float, float]]]]
    # network -> format -> what is rounded -> points of test accuracy lost, low and high end
    total: dict[str, int]  # test inputs of each network
    chosen: str
    output_error: dict[str, dict[str, float]]  # format -> layer of the chosen network -> share
    most_layers: int  # of any network


def alt_reduced(state: Reduced) -> str:
    """Give the chosen network's loss in every format."""
    losses = []
    for fmt, kinds in state.loss[state.chosen].items():
        value, low, high = kinds["weights"]
        losses.append(f"{NAMES[fmt]} {_points(value)} ({_points(low)} to {_points(high)})")
    return (
        f"Points of test accuracy that {state.chosen} loses when its weights are rounded: "
        f"{', '.join(losses)}; {state.total[state.chosen]:,} test inputs, paired, 95 % intervals."
    )


def claim_reduced(state: Reduced) -> bool:
    """Weights in 16 bits: each interval holds 0. In E5M2: just two of four lose over a point."""
    weights = {n: {fmt: of["weights"] for fmt, of in row.items()} for n, row in state.loss.items()}
    sixteen = [row[fmt] for row in weights.values() for fmt in ("float16", "bfloat16")]
    hurt = [value > 1 and low > 0 for value, low, _ in (w["float8_e5m2"] for w in weights.values())]
    return all(low <= 0 <= high for _, low, high in sixteen) and (sum(hurt), len(hurt)) == (2, 4)


def _points(value):
    return f"{value:.2f}".replace("-", "−")


def draw_reduced(state: Reduced, figure=None):
    """Draw the accuracy lost by each network in each format, and the error layer by layer."""
    if figure is None:
        figure = style.figure(width=9.4, height=4.6)
        with style.rc():
            left, right = figure.subplots(1, 2, width_ratios=[1.5, 1])
            _loss_axes(figure, left, state)
            right.set(yscale="log", ylim=(1e-5, 1), title="Error of each layer's output",
                      ylabel="relative to the output (RMS)", xlim=(0.5, state.most_layers + 0.5),
                      xlabel="layer with weights, from input to output")  # fmt: skip
            right.set_xticks(range(1, state.most_layers + 1))
            right.yaxis.set_minor_locator(NullLocator())
            right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: percent(value)))
            for fmt in state.output_error:
                look = LOOKS[fmt]
                figure.moving[fmt] = right.plot([], [], color=look.color, marker=look.marker,
                                                linestyle="-", label=NAMES[fmt],
                                                animated=True)[0]  # fmt: skip
            figure.moving["network"] = right.text(0.97, 0.03, "", ha="right", fontweight="bold",
                                                  transform=right.transAxes,
                                                  animated=True)  # fmt: skip
    for fmt, errors in state.output_error.items():
        figure.moving[fmt].set_data(range(1, len(errors) + 1), list(errors.values()))
    figure.moving["network"].set_text(state.chosen)
    rows = list(state.loss)
    figure.moving["row"].set_y(rows.index(state.chosen) - 0.5)
    return figure


def _loss_axes(figure, ax, state):
    networks = list(state.loss)
    figure.moving["row"] = ax.add_patch(
        Rectangle((0, 0), 1, 1, transform=ax.get_yaxis_transform(), facecolor="none",
                  edgecolor=style.INK, linewidth=1.5, animated=True)
    )  # fmt: skip
    for row, network in enumerate(networks):
        for i, (fmt, kinds) in enumerate(state.loss[network].items()):
            look = LOOKS[fmt]
            for j, (value, low, high) in enumerate(kinds.values()):
                y = row - 0.36 + 0.2 * i + 0.08 * j
                ax.plot([low, high], [y, y], color=look.color, linestyle="-", linewidth=1.4)
                ax.plot([value], [y], marker=look.marker, color=look.color, linestyle="",
                        markerfacecolor="white" if j else look.color, markersize=5.5,
                        label=f"{NAMES[fmt]}" if not row and not j else None)  # fmt: skip
    ax.axvline(0, color=style.INK, linestyle="-", linewidth=0.8)
    ax.set(title="Test accuracy lost: ● weights rounded, ○ activations too",
           xlabel="percentage points lost (95 % interval, paired)",
           ylim=(len(networks) - 0.45, -0.55))  # fmt: skip
    ax.set_yticks(range(len(networks)), networks)
    figure.legend(*ax.get_legend_handles_labels(), loc="outside lower center", ncols=4)
