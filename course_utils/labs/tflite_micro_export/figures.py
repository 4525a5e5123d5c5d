"""Drawings of networks in a microcontroller's memories (notebook 11)."""

from __future__ import annotations

import textwrap
from typing import NamedTuple

from matplotlib.patches import Rectangle

from course_utils.views import style

KIB = 1024

# --- activations over the network's life --------------------------------------------------------


class Lifetimes(NamedTuple):
    """A network's activations, from the operator that writes each to the last that reads it."""

    network: str
    mode: str
    operators: tuple[str, ...]  # "CONV_2D 0", in the order in which they run
    names: tuple[str, ...]  # of the activations
    bytes: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    alive: tuple[int, ...]  # bytes that must be in RAM at once while each operator runs
    at: int  # the operator that is looked at
    head: int  # bytes that TFLM took for activations, measured; 0 where they were not
    peak: int = 0  # of the whole network, where only some of its operators are here
    peak_at: str = ""  # and the first operator that has it


def held(state: Lifetimes) -> list[bool]:
    """Which activations must be in RAM while the operator runs."""
    return [first <= state.at <= last for first, last in zip(state.first, state.last, strict=True)]


def alt_lifetimes(state: Lifetimes) -> str:
    """Say what must be alive at once, and where the peak is."""
    names = [name for name, now in zip(state.names, held(state), strict=True) if now]
    peak = max(state.alive)
    at = state.operators[state.alive.index(peak)]
    said = f"all activations together are {sum(state.bytes):,}"
    if state.peak_at:
        peak, at, said = state.peak, state.peak_at, f"{len(state.names)} activations are drawn"
    return (
        f"{state.network}, {state.mode}: while {state.operators[state.at]} runs, "
        f"{_listed(names)} must be in RAM, {state.alive[state.at]:,} bytes. The peak is "
        f"{peak:,} bytes, first at {at}; {said}."
    )


def _listed(names, most=8):
    more = f" and {len(names) - most} more" * (len(names) > most)
    return ", ".join(names[:most]) + more if names else "nothing"


def claim_lifetimes(state: Lifetimes) -> bool:
    """No operator needs more than two; the largest pair is TFLM's head, and < a third of all."""
    lives = list(zip(state.bytes, state.first, state.last, strict=True))
    for at, alive in enumerate(state.alive):
        pair = [-(-size // 16) * 16 for size, first, last in lives if first <= at <= last]
        if len(pair) > 2 or sum(pair) != alive:
            return False
    return max(state.alive) == state.head < sum(state.bytes) / 3


def draw_lifetimes(state: Lifetimes, figure=None):
    """Draw each activation as a bar over the operators, and what is alive at each. -> Figure"""
    if figure is None:
        figure, (top, bottom) = style.subplots(
            2, 1, width=8.8, height=2.2 + 0.24 * len(state.names), sharex=True,
            height_ratios=[1.0, 0.16 * len(state.names)],
        )  # fmt: skip
        with style.rc():
            _alive_axes(figure, top, state)
            _life_axes(figure, bottom, state)
    for i, now in enumerate(held(state)):
        bar = figure.moving[f"life {i}"]
        bar.set(facecolor=style.BLUE if now else "#DDE6EC", hatch="" if now else "//")
        figure.moving[f"name {i}"].set_fontweight("bold" if now else "normal")
    for name in ("now", "now below"):
        figure.moving[name].set_x(state.at - 0.5)
    figure.moving["words"].set_text(f"{sum(held(state))} tensors, {state.alive[state.at]:,} bytes")
    return figure


def _alive_axes(figure, ax, state):
    steps, peak = range(len(state.operators)), max(state.peak, *state.alive, 1)
    look = style.LOOKS["orange"]
    for at, size in zip(steps, state.alive, strict=True):
        full = size == peak
        ax.bar(at, size / KIB, width=0.9, color=look.color if full else "#F6CFA8",
               hatch=look.hatch if full else "", edgecolor=style.INK, linewidth=0.5)  # fmt: skip
    line = state.head or peak
    said = "TFLM's head, measured" if state.head else "the peak of the whole network"
    ax.axhline(line / KIB, color=style.INK, linestyle="--", linewidth=1)
    ax.annotate(f"{said}: {line:,}", (len(state.operators) - 0.5, line / KIB), (0, 3),
                textcoords="offset points", ha="right", va="bottom", fontsize=9)  # fmt: skip
    ax.set(ylim=(0, 1.42 * peak / KIB), ylabel="KiB alive")
    ax.set_title(_plain(f"{state.network}, {state.mode}: what must be in RAM at once"))
    ax.tick_params(labelbottom=False)
    figure.moving["now"] = ax.add_patch(_outline(ax))
    figure.moving["words"] = ax.text(
        0.995, 0.99, "", transform=ax.transAxes, ha="right", va="top", fontweight="bold",
        animated=True,
    )  # fmt: skip


def _life_axes(figure, ax, state):
    end = len(state.operators) - 0.5
    for i, name in enumerate(state.names):
        start, width = state.first[i] - 0.45, state.last[i] - state.first[i] + 0.9
        figure.moving[f"life {i}"] = ax.add_patch(
            Rectangle(
                (start, i - 0.36), width, 0.72, edgecolor=style.BLUE, linewidth=0.8, animated=True
            )  # fmt: skip
        )
        right = start + width < 0.62 * end
        x, side = (start + width + 0.1, "left") if right else (start - 0.1, "right")
        if not right and start < 0.3 * end:  # no room at either end: it stands on its bar
            x, side = start + 0.1, "left"
        figure.moving[f"name {i}"] = ax.text(
            x, i, _plain(f"{name}  {state.bytes[i]:,}"),
            va="center", ha=side, fontsize=8.5, animated=True, zorder=6,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.8},
        )  # fmt: skip
    ax.set(ylim=(len(state.names) - 0.4, -0.6), xlim=(-0.5, end), xlabel="operator that runs",
           title="Each activation, from the operator that writes it to the last that reads it "
                 "(bytes)")  # fmt: skip
    ax.set_yticks([])
    ax.set_xticks(range(len(state.operators)),
                  [_short(name) for name in state.operators], fontsize=7.5)  # fmt: skip
    ax.grid(axis="y", visible=False)
    figure.moving["now below"] = ax.add_patch(_outline(ax))


def _outline(ax):
    return Rectangle((0, 0), 1, 1, transform=ax.get_xaxis_transform(), facecolor="none",
                     edgecolor=style.INK, linewidth=1.8, animated=True)  # fmt: skip


def _short(operator):
    """'DEPTHWISE_CONV_2D 3' -> three short lines"""
    name, number = operator.rsplit(" ", 1)
    name = name.replace("DEPTHWISE_CONV", "DW_CONV").replace("FULLY_CONNECTED", "FC")
    name = name.replace("SOFTMAX", "SOFT_MAX")
    name = name.replace("custom operator ", "").strip("'")
    lines = [line[:8] for line in name.replace("_2D", "").split("_")[:3]]
    return _plain("\n".join([number, *lines]))


def _plain(text):
    """Text as Matplotlib draws it: no formula between dollars, no letters that its font lacks."""
    return "".join(c if c < "\u0250" or c in "…×–" else "?" for c in text).replace("$", r"\$")


# --- a file of one's own ------------------------------------------------------------------------


class Values(NamedTuple):
    """How the numbers of a tensor are distributed."""

    name: str  # of the tensor, with its type and shape
    what: str  # "real values", or what else the numbers are
    counts: tuple[int, ...]
    edges: tuple[float, ...]
    low: float
    high: float
    mean: float
    std: float
    zeros: int
    count: int
    not_finite: int


def alt_values(state: Values) -> str:
    """Say where the numbers lie."""
    fullest = state.counts.index(max(state.counts))
    left, right = state.edges[fullest], state.edges[fullest + 1]
    strange = f" {state.not_finite:,} are no finite numbers." * bool(state.not_finite)
    return (
        f"Tensor {state.name}: {state.count:,} numbers ({state.what}) from {state.low:.4g} to "
        f"{state.high:.4g}, mean {state.mean:.4g}, standard deviation {state.std:.4g}, "
        f"{state.zeros / state.count:.1%} of them zero. Most, {max(state.counts) / state.count:.1%}"
        f", lie between {left:.3g} and {right:.3g}.{strange}"
    )


def draw_values(state: Values, figure=None):
    """Draw the histogram of a tensor's numbers. -> Figure"""
    figure = _anew(figure, 8.8, 3.3)
    with style.rc():
        ax = figure.add_subplot()
        shares = [100 * count / state.count for count in state.counts]
        _histogram(ax, shares, state.edges)
        ax.axvline(0, color=style.INK, linewidth=1) if state.low <= 0 <= state.high else None
        ax.set_title(_plain(state.name))
        ax.set(xlabel=_plain(state.what.split(":")[0]), ylabel="share of all, %")
        _lay_out(figure)
    return figure


class Mapped(NamedTuple):
    """What the codes of a quantized tensor stand for."""

    name: str
    scale: tuple[float, ...]  # one, or one a channel
    zero_point: int  # of the channel that is looked at
    channel: int
    qmin: int
    qmax: int
    counts: tuple[int, ...]  # of this channel's codes; empty for an activation
    edges: tuple[float, ...]
    used: int  # how many different codes occur
    count: int  # how many numbers


def formula(state: Mapped) -> str:
    """real = scale * (code - zero_point), with its numbers"""
    zero = f"− {state.zero_point}" if state.zero_point >= 0 else f"+ {-state.zero_point}"
    inside = f"(code {zero})" if state.zero_point else "code"
    return f"real = {state.scale[state.channel]:.4g} × {inside}"


def alt_mapped(state: Mapped) -> str:
    """Say what a code stands for, and how many are used."""
    low, high = _reals(state)
    said = f"Tensor {state.name}: "
    if len(state.scale) > 1:
        said += (
            f"{len(state.scale):,} scales from {min(state.scale):.3g} to {max(state.scale):.3g}; "
            f"channel {state.channel}: "
        )
    said += f"{formula(state)}, so that codes reach from {low:.4g} to {high:.4g}. "
    if not state.count:
        return said + "It is an activation: its codes arise when the network runs."
    codes = state.qmax - state.qmin + 1
    return said + f"Its {state.count:,} numbers use {state.used:,} of {codes:,} codes."


def _reals(state):
    scale = state.scale[state.channel]
    return scale * (state.qmin - state.zero_point), scale * (state.qmax - state.zero_point)


def draw_mapped(state: Mapped, figure=None):
    """Draw what codes stand for, or each channel's scale, and which codes occur. -> Figure"""
    figure = _anew(figure, 8.8, 3.5)
    with style.rc():
        left, right = figure.subplots(1, 2)
        figure.suptitle(_plain(state.name), fontsize=11, x=0.01, ha="left")
        if len(state.scale) > 1:
            _scales_axes(left, state)
        else:
            _line_axes(left, state)
        if state.counts:
            shares = [100 * count / state.count for count in state.counts]
            _histogram(right, shares, state.edges)
            right.axvline(state.zero_point, color=style.RED, linestyle="--", linewidth=1)
            right.set(xlabel="code (dashed: zero_point)", ylabel="share of all, %")
            codes = state.qmax - state.qmin + 1
            right.set_title(f"{state.used:,} of {codes:,} codes occur", fontsize=10)
        else:
            right.set_axis_off()
            right.text(0.5, 0.5, "An activation: its codes\narise when the network runs.",
                       ha="center", va="center")  # fmt: skip
        _lay_out(figure)
    return figure


def _line_axes(ax, state):
    ax.plot((state.qmin, state.qmax), _reals(state), color=style.BLUE)
    ax.plot([state.zero_point], [0], "o", color=style.RED)
    ax.annotate(f"zero_point {state.zero_point}", (state.zero_point, 0),
                (-6 if state.zero_point > 0 else 6, 8 if state.zero_point > 0 else -14),
                textcoords="offset points", ha="right" if state.zero_point > 0 else "left",
                fontsize=9)  # fmt: skip
    ax.set(xlabel="code", ylabel="real value")
    ax.set_title(formula(state), fontsize=10)


def _scales_axes(ax, state):
    channels = range(len(state.scale))
    ax.plot(channels, state.scale, color=style.BLUE, drawstyle="steps-mid", linewidth=1.2)
    ax.plot([state.channel], [state.scale[state.channel]], "s", color=style.RED)
    ax.set(xlabel="channel (square: this one)", ylabel="scale", ylim=(0, 1.1 * max(state.scale)))
    ax.set_title(f"channel {state.channel}: {formula(state)}", fontsize=10)


def _histogram(ax, shares, edges):
    ax.stairs(shares, edges, fill=True, color=style.BLUE)
    ax.margins(x=0.01)
    ax.locator_params(axis="x", nbins=7)
    ax.grid(axis="x", visible=False)


def _anew(figure, width, height):
    """An empty figure: what is drawn of a file's tensors differs in everything."""
    if figure is None:
        return style.figure(width, height)
    figure.clear()
    figure.set_layout_engine("constrained")
    return figure


def _lay_out(figure):
    style.freeze_layout(figure)
    figure.stale = True  # laid out and not painted: a widget keeps the old picture otherwise


# --- one board's budget -------------------------------------------------------------------------

FLASH = {"model": "blue", "kernels": "violet", "core": "green"}
RAM = {"head": "orange", "tail": "red"}
CALLED = {
    "model": "model file",
    "kernels": "its kernels' code (estimate)",
    "core": "TFLM's core (estimate)",
    "head": "head: activations",
    "tail": "tail: what stays",
}
END = 1.25  # of the axis: shares beyond it are cut off, and said in words


class Budget(NamedTuple):
    """One network in one mode on one board. Sizes in bytes."""

    board: str
    network: str
    mode: str
    flash: int  # what the board has
    ram: int
    word_bits: int
    model: int
    kernels: int
    core: int
    head: int  # both 0 where TFLM does not run the file
    tail: int
    verdict: str
    advice: str


def left(state: Budget) -> tuple[int, int]:
    """Bytes of flash and RAM that are left; below zero: that are missing."""
    return (
        state.flash - state.model - state.kernels - state.core,
        state.ram - state.head - state.tail,
    )


def alt_budget(state: Budget) -> str:
    """Say whether it fits, and by how much."""
    return f"{state.network} as {state.mode} on {state.board}: {state.verdict} {state.advice}"


def readout_budget(state: Budget) -> str:
    """The sums behind the bars, in bytes."""
    sums = []
    for name, parts, memory in (("Flash", FLASH, state.flash), ("RAM", RAM, state.ram)):
        sizes = [getattr(state, part) for part in parts]
        terms = " + ".join(f"{part} {size:,}" for part, size in zip(parts, sizes, strict=True))
        sums.append(f"{name}: {terms} = {sum(sizes):,} of {memory:,} bytes.")
    return " ".join(sums if state.head else sums[:1])


def claim_budget(state: Budget) -> bool:
    """About a tenth of the flash and less than a tenth of the RAM is taken, on a 32-bit board."""
    flash_left, ram_left = left(state)
    return state.word_bits >= 32 and state.head > 0 and (
        0.89 * state.flash < flash_left < 0.91 * state.flash
        and 0.9 * state.ram < ram_left < state.ram
    )  # fmt: skip


def draw_budget(state: Budget, figure=None):
    """Draw what of a board's flash and RAM is taken, part by part. -> Figure"""
    if figure is None:
        figure = style.figure(width=8.8, height=4.3)
        with style.rc():
            grid = figure.add_gridspec(3, 1, height_ratios=[0.62, 2.4, 0.42])
            _budget_axes(figure, figure.add_subplot(grid[1]))
            above, below = (figure.add_subplot(grid[row]) for row in (0, 2))
            for ax, y, name, look in (
                (above, 1.0, "title", {"fontsize": 11}),
                (above, 0.45, "verdict", {"fontweight": "bold"}),
                (below, 1.0, "advice", {}),
            ):
                ax.set_axis_off()
                words = ax.text(0, y, "", va="top", animated=True, **look)
                words.set_in_layout(False)  # whatever it says, the bars stay where they are
                figure.moving[name] = words
    for y, (parts, memory) in enumerate(((FLASH, state.flash), (RAM, state.ram))):
        start = 0.0
        for part in parts:
            share = getattr(state, part) / memory
            bar = figure.moving[part]
            bar.set_x(min(start, END))
            bar.set_width(max(0.0, min(start + share, END) - min(start, END)))
            start += share
        used = round(start * memory)
        label = f"{_kib(used)} of {_kib(memory)}: {_percent(start)}"
        if used == 0:
            label = f"not measured: TFLM does not run this file (it has {_kib(memory)})"
        figure.moving[f"said {y}"].set_text(label)
        figure.moving[f"over {y}"].set_text("▶" if start > END else "")
    figure.moving["title"].set_text(f"{state.network} as {state.mode} on {state.board}")
    figure.moving["verdict"].set_text(_wrapped(state.verdict))
    figure.moving["advice"].set_text(_wrapped(state.advice))
    return figure


def _budget_axes(figure, ax):
    moving = figure.moving
    for y, parts in enumerate((FLASH, RAM)):
        ax.add_patch(Rectangle((0, y - 0.2), 1, 0.4, facecolor="none", edgecolor=style.INK,
                               linewidth=1.5))  # fmt: skip
        for part, name in parts.items():
            look = style.LOOKS[name]
            moving[part] = ax.barh(
                y, 0.0, height=0.4, color=look.color, hatch=look.hatch, edgecolor="white",
                label=CALLED[part], animated=True,
            )[0]  # fmt: skip
        moving[f"said {y}"] = ax.text(0.0, y - 0.25, "", va="bottom", animated=True)
        moving[f"over {y}"] = ax.text(END, y, "", va="center", ha="left", fontsize=15,
                                      animated=True)  # fmt: skip
    ax.axvline(1, color=style.INK, linewidth=1.5)
    ax.text(1.01, -0.58, "all there is", fontsize=9, va="top")
    ax.set(xlim=(0, END), ylim=(1.3, -0.62), xlabel="share of the board's memory")
    ax.set_yticks([0, 1], ["flash", "RAM"])
    ax.set_xticks([0, 0.25, 0.5, 0.75, 1], ["0 %", "25 %", "50 %", "75 %", "100 %"])
    ax.grid(axis="y", visible=False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.48, -0.24), ncols=5, fontsize=8,
              handlelength=1.4, columnspacing=1.0)  # fmt: skip


def _wrapped(text):
    return textwrap.fill(text, width=104)


def _kib(size):
    return f"{size / KIB:,.1f} KiB" if size < KIB**2 else f"{size / KIB**2:,.2f} MiB"


def _percent(share):
    return f"{share:.1%}" if share < 0.1 else f"{share:,.0%}"


# --- all networks on all boards -----------------------------------------------------------------


class Fits(NamedTuple):
    """Every file on every board: shares of the memories, None where TFLM does not run the file."""

    rows: tuple[str, ...]  # "watch_cnn int8"
    boards: tuple[str, ...]
    word_bits: tuple[int, ...]  # of each board
    flash_bytes: tuple[int, ...]  # of each board
    flash: tuple[tuple[float, ...], ...]  # row -> board -> share taken
    ram: tuple[tuple[float | None, ...], ...]


def cell(state: Fits, row: int, board: int) -> str:
    """What stands in the table: "fits", "refused", or what is too small."""
    flash, ram = state.flash[row][board], state.ram[row][board]
    if ram is None:
        return "refused"
    small = [name for name, share in (("flash", flash), ("RAM", ram)) if share > 1]
    if small:
        return " + ".join(small)
    return "fits" if state.word_bits[board] >= 32 else "8-bit"


def alt_fits(state: Fits) -> str:
    """Count what fits where."""
    verdicts = [[cell(state, row, board) for board in range(len(state.boards))]
                for row in range(len(state.rows))]  # fmt: skip
    refused = [row for row, told in zip(state.rows, verdicts, strict=True) if "refused" in told]
    counts = [
        f"{board} {sum(told[i] == 'fits' for told in verdicts)}"
        for i, board in enumerate(state.boards)
    ]
    return (
        f"{len(state.rows)} files on {len(state.boards)} boards. TFLM refuses {len(refused)} of "
        f"the files. Files that fit: {', '.join(counts)}."
    )


def claim_fits(state: Fits) -> bool:
    """Refused are float16 and dynamic, just these; the 8-bit board holds none of the others.

    On the other boards they fit, except lenet_300_100 float32 where the flash has <= 1 MiB.
    """
    for row, name in enumerate(state.rows):
        network, mode = name.split()
        for board, bits in enumerate(state.word_bits):
            verdict = cell(state, row, board)
            if mode in ("float16", "dynamic"):
                expected = {"refused"}
            elif bits < 32:
                expected = {"flash", "RAM", "flash + RAM", "8-bit"}
            elif (network, mode) == ("lenet_300_100", "float32"):
                expected = {"flash" if state.flash_bytes[board] <= KIB**2 else "fits"}
            else:
                expected = {"fits"}
            if verdict not in expected:
                return False
    return True


def draw_fits(state: Fits):
    """Draw a table: which file fits which board, with the shares of flash and RAM. -> Figure"""
    figure, ax = style.subplots(width=9.2, height=1.4 + 0.32 * len(state.rows))
    with style.rc():
        for row in range(len(state.rows)):
            for board in range(len(state.boards)):
                verdict = cell(state, row, board)
                text, color, weight = f"✗ {verdict}".replace(" + ", "\n+ "), style.RED, "normal"
                if verdict == "fits":
                    shares = state.flash[row][board], state.ram[row][board]
                    text = f"{_percent(shares[0])}\n{_percent(shares[1])}"
                    color, weight = style.GREEN, "bold"
                elif verdict == "refused":
                    text, color = "– not\nrun", style.GREY
                ax.text(board, row, text, ha="center", va="center", fontsize=8, color=color,
                        fontweight=weight, linespacing=1.05)  # fmt: skip
        for row in range(1, len(state.rows)):
            if state.rows[row].split()[0] != state.rows[row - 1].split()[0]:
                ax.axhline(row - 0.5, color=style.INK, linewidth=0.8)
        ax.set_yticks(range(len(state.rows)), [row.replace(" ", "\n") for row in state.rows])
        ax.set_xticks(range(len(state.boards)), [_board(board) for board in state.boards],
                      rotation=40, ha="left", rotation_mode="anchor")  # fmt: skip
        ax.xaxis.tick_top()
        ax.set(xlim=(-0.6, len(state.boards) - 0.4), ylim=(len(state.rows) - 0.4, -0.6))
        ax.set_xlabel("bold, it fits: share of flash, below it of RAM (flash with an estimate of "
                      "TFLM's code); ✗ what is too small", fontsize=9)  # fmt: skip
        ax.grid(False)
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.tick_params(length=0)
    return figure


def _board(name):
    """A board's name, short enough to stand over a column."""
    return name.replace("-DevKitC-1-N8", "").replace("-DISCO", "").replace("Raspberry Pi", "RPi")
