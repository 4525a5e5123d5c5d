"""What zeros save: bytes in a file, time in a runtime."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.ticker import PercentFormatter

from course_utils.views import style

FORMATS = {
    "dense": ("dense", None),
    "gzip": ("gzip", "red"),
    "bitmap": ("bitmap", "green"),
    "csr4": ("CSR, 4-bit indices", "orange"),
    "csr8": ("CSR, 8-bit indices", "violet"),
    "csr16": ("CSR, 16-bit indices", "crimson"),
    "tflite_sparse": (".tflite, zeros left out", "blue"),
}
ZEROS = {"unstructured": "zeros anywhere", "blocks": "zeros in blocks of 4 inputs"}


class Storage(NamedTuple):
    """The bytes of a network's kernels in each format at every sparsity; one is looked at."""

    network: str
    pattern: str  # one of ZEROS
    count: int  # weights
    sparsity: np.ndarray  # shares removed of each kernel
    sizes: dict[str, np.ndarray]  # format -> bytes at each sparsity; of the .tflite, all of it
    chosen: int


def alt_storage(state: Storage) -> str:
    """Say which format is smallest at this sparsity, and what CSR costs."""
    sizes = {name: int(values[state.chosen]) for name, values in state.sizes.items()}
    best = min(sizes, key=sizes.get)
    return (
        f"{state.network}'s {state.count:,} weights, {state.sparsity[state.chosen]:.0%} of them "
        f"zero, {ZEROS[state.pattern]}: {sizes['dense'] / 1000:,.0f} kB dense; smallest is "
        f"{FORMATS[best][0]} with {sizes[best] / 1000:,.1f} kB "
        f"({sizes['dense'] / sizes[best]:.1f} times fewer). CSR with 16-bit indices takes "
        f"{sizes['csr16'] / 1000:,.1f} kB, a .tflite without zeros "
        f"{sizes['tflite_sparse'] / 1000:,.1f} kB."
    )


def claim_storage(state: Storage) -> bool:
    """At 50 %: every format but dense takes more than half of dense; wider indices, more."""
    sizes = {name: values[state.chosen] for name, values in state.sizes.items()}
    dense = sizes.pop("dense")
    return bool(
        state.sparsity[state.chosen] == 0.5
        and dense == 4 * state.count
        and all(0.5 < size / dense < 1.2 for size in sizes.values())
        and sizes["csr4"] < sizes["csr8"] < sizes["csr16"]
    )


def draw_storage(state: Storage, figure=None):
    """Draw bytes against sparsity in every format, and the ledger at one sparsity. -> Figure"""
    if figure is None:
        figure = style.figure(width=9.2, height=4.3)
        with style.rc():
            curve, bars = figure.subplots(1, 2, width_ratios=[1.1, 1])
            for row, (name, (_, look)) in enumerate(FORMATS.items()):
                look = style.LOOKS[look] if look else style.Look(style.INK, "", "-", "")
                curve.plot(state.sparsity, state.sizes[name], color=look.color, marker=look.marker,
                           linestyle=look.linestyle, linewidth=1.4)  # fmt: skip
                # The line's key, before its bar: a piece of it with its mark.
                bars.plot([-0.07, -0.045, -0.02], [row] * 3, color=look.color, clip_on=False,
                          linestyle=look.linestyle, linewidth=1.4, marker=look.marker,
                          markevery=[1], transform=bars.get_yaxis_transform())  # fmt: skip
                figure.moving[f"bar {name}"] = bars.barh(
                    row, 0, height=0.64, facecolor="white", edgecolor=look.color,
                    hatch=look.hatch, animated=True,
                )[0]  # fmt: skip
                figure.moving[f"text {name}"] = bars.text(
                    0, row, "", va="center", fontsize=9, animated=True,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5},
                )  # fmt: skip
            figure.moving["cursor"] = curve.axvline(
                0, color=style.GREY, linewidth=6, alpha=0.3, linestyle="-", animated=True
            )
            most = max(sizes.max() for sizes in state.sizes.values())
            curve.set(title=f"{state.network}: {state.count:,} weights", ylabel="kB",
                      xlabel=f"sparsity, {ZEROS[state.pattern]}", ylim=(0, 1.05 * most),
                      xlim=(-0.03, 1))  # fmt: skip
            bars.set(title="At this sparsity (share of dense)", xlabel="kB",
                     xlim=(0, 1.19 * most), ylim=(len(FORMATS) - 0.4, -0.6))  # fmt: skip
            bars.set_yticks(range(len(FORMATS)), [label for label, _ in FORMATS.values()])
            bars.tick_params("y", pad=26, length=0)
            bars.grid(False, axis="y")
            curve.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
            curve.yaxis.set_major_formatter(lambda value, _: f"{value / 1000:.0f}")
            bars.xaxis.set_major_formatter(lambda value, _: f"{value / 1000:.0f}")
    share = state.sparsity[state.chosen]
    figure.moving["cursor"].set_xdata([share, share])
    dense = state.sizes["dense"][state.chosen]
    most = max(sizes.max() for sizes in state.sizes.values())
    for name, sizes in state.sizes.items():
        size = sizes[state.chosen]
        figure.moving[f"bar {name}"].set_width(size)
        # Beside its bar, or in a long one's end: its number always has room.
        edge, side = (-0.015, "right") if size > 0.65 * most else (0.015, "left")
        figure.moving[f"text {name}"].set(
            x=size + edge * most, ha=side, text=f"{size / 1000:,.0f} ({size / dense:.0%})"
        )
    return figure


class SpeedLine(NamedTuple):
    """How many times as fast as dense something runs, by the share of its work that is zero."""

    what: str  # one of SPEEDS
    share: tuple[float, ...]  # of the multiply-accumulates: by zero, or removed
    times: tuple[float, ...]  # dense time / this time, medians
    low: tuple[float, ...]  # with this time's quartiles
    high: tuple[float, ...]

    def faster_from(self) -> float | None:
        """The first share measured from which on it is at least 5 % faster; or None."""
        behind = int(np.flatnonzero(np.array(self.times) < FASTER)[-1])
        return self.share[behind + 1] if behind + 1 < len(self.share) else None

    def pays_from(self) -> float | None:
        """The share from which on it is at least 5 % faster, between those measured; or None."""
        ahead = np.log(np.array(self.times) / FASTER)
        behind = int(np.flatnonzero(ahead <= 0)[-1])  # with no zeros at all nothing is faster
        if behind == len(ahead) - 1:
            return None
        return float(np.interp(0, ahead[behind : behind + 2], self.share[behind : behind + 2]))


FASTER = 1.05  # times as fast: less than that two runs of the same file may differ


class Speed(NamedTuple):
    """Times with zeros against times without, on one processor and in one thread."""

    processor: str
    network: str  # of "anywhere" and "blocks"
    smaller: str  # the network that lost channels
    lines: list[SpeedLine]
    lecture: float  # the slide's "up to", times

    def label(self, line: SpeedLine) -> str:
        """What a line shows, with the network that it was measured on."""
        return SPEEDS[line.what][1].format(network=self.network, smaller=self.smaller)


SPEEDS = {
    "anywhere": ("red", "{network}, zeros anywhere"),
    "blocks": ("blue", "{network}, zeros in blocks of 4"),
    "scipy": ("orange", "one matrix product, SciPy's CSR"),
    "channels": ("green", "{smaller}, channels removed"),
}


def alt_speed(state: Speed) -> str:
    """Say from where on each way pays, and what it reaches."""
    said = []
    for line in state.lines:
        share = line.faster_from()
        best = int(np.argmax(line.times[1:])) + 1  # without zeros there is nothing to gain
        said.append(
            f"{state.label(line)}: "
            + ("never faster" if share is None else
               f"at least {FASTER - 1:.0%} faster from {share:.0%} on, of the shares measured")
            + f", {line.times[best]:.1f} times at {line.share[best]:.0%}"
        )  # fmt: skip
    return (
        f"Speed against dense in LiteRT, but for SciPy's, on {state.processor}, one thread. "
        f"{'; '.join(said)}."
    )


def claim_speed(state: Speed) -> bool:
    """Anywhere: below 1.2 times up to 95 %; blocks: slower at 50 %, even from 70 to 80 %, above 6
    at 98 %; channels of another network: above 1.1 from the first step on, 0.35 to 0.45 gone."""
    lines = {line.what: line for line in state.lines}
    even = lines["blocks"].pays_from()
    return bool(
        max(lines["anywhere"].high[:-1]) < 1.2
        and lines["anywhere"].share[-2] == 0.95
        and even is not None
        and 0.7 < even < 0.8
        and lines["blocks"].high[lines["blocks"].share.index(0.5)] < 1
        and lines["blocks"].low[-1] > state.lecture == 6
        and state.smaller != state.network
        and min(lines["channels"].low[1:]) > 1.1
        and 0.35 <= lines["channels"].share[1] <= 0.45
    )


def draw_speed(state: Speed):
    """Draw the speed against dense over the share of the work that is zero. -> Figure"""
    figure, ax = style.subplots(width=8.8, height=4.9)
    with style.rc():
        ax.axhline(1, color=style.INK, linewidth=1, linestyle="-")
        ax.axhline(state.lecture, color=style.GREY, linewidth=1, linestyle=":")
        ax.text(0.01, state.lecture * 1.03, f"the lecture: up to {state.lecture:g} times",
                fontsize=9, va="bottom")  # fmt: skip
        ax.text(0.45, 1.05, "as fast as dense", fontsize=9, va="bottom")
        handles = {}  # the lines without their error bars
        for line in state.lines:
            look = style.LOOKS[SPEEDS[line.what][0]]
            times = np.array(line.times)
            handles[state.label(line)], *_ = ax.errorbar(
                line.share, times, yerr=[times - line.low, np.array(line.high) - times],
                color=look.color, linestyle=look.linestyle, marker=look.marker, capsize=3,
            )  # fmt: skip
        ax.set_yscale("log", base=2)
        ax.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        ax.set(xlim=(-0.02, 1.02), xlabel="share of the multiply–accumulates that is zero, or gone",
               ylabel="times as fast as dense",
               title="What sparsity buys in time: LiteRT or SciPy, one thread")  # fmt: skip
        ax.xaxis.set_major_formatter(PercentFormatter(1, decimals=0))
        figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2)
    return figure
