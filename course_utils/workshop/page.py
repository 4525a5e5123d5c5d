"""A notebook's figure on the book's page: narrower, its panels set anew, no text below 7 points.

The drawings are made for a screen, 8.5 CSS inches wide. Scaled down to a printed column their text
would have 4 points. So text, lines and panels shrink only until the ticks' 9 points are 7, and the
panels then flow, like words on a narrower line.
"""

from __future__ import annotations

import colorsys
import copy
import textwrap

import numpy as np
from matplotlib.collections import Collection
from matplotlib.colors import to_rgba, to_rgba_array
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator

from course_utils.views import style

# The printed book (7.5 by 9.25 inches) has a column of 4.25 inches, with its margin column 6.
WIDTHS = {"one": 4.25, "two": 6.0}
TALLEST = 6.9  # inches: what a page holds above a caption
SMALLEST = 7  # points
SHRINK = SMALLEST / 9
SQUEEZE = 0.8  # so much of its width is enough for a panel to stand beside another


def fit(figure: Figure, width: float) -> Figure:
    """Set a drawn figure for a column of so many inches, and freeze its layout. -> the figure"""
    with style.rc():
        layout = figure.get_layout_engine()
        layout.execute(figure)
        panels = [ax for ax in figure.axes if ax.get_subplotspec() is not None]
        sizes = {ax: _size(figure, ax) for ax in panels}
        _shrink(figure, width / figure.get_figwidth())
        rows = _rows(panels, sizes, width)
        grid = _set(figure, rows, sizes, width)
        words = {}  # what titles and labels were before they were broken
        height = sum(grid.get_height_ratios()) + 0.5 * len(rows)
        for _ in range(4):
            figure.set_size_inches(width, height)
            layout.execute(figure)
            broken = _break_lines(figure, rows, words)
            wanted = [_wanted(figure, row, sizes) for row in rows]
            grid.set_height_ratios(wanted)
            missing = sum(wanted) - sum(
                max(ax.get_position().height for ax in row) * height for row in rows
            )
            if abs(missing) < 0.05 and not broken:
                break
            height = min(height + missing, TALLEST)
        for ax in figure.axes:  # else there might be more ticks at another resolution
            for axis in (ax.xaxis, ax.yaxis):
                axis.set_major_locator(FixedLocator(axis.get_majorticklocs()))
        figure.set_size_inches(width, height)
        layout.execute(figure)
    figure.set_layout_engine("none")
    for ax in figure.axes:  # the layout's last digits depend on the process, and an SVG shows them
        ax.set_position(np.round(ax.get_position().bounds, 6))
    figure.set_size_inches(*np.round(figure.get_size_inches(), 6))
    return figure


def _size(figure, ax):
    """(width with its labels, height without) of a panel in inches."""
    outer = ax.get_tightbbox(for_layout_only=True)
    return outer.width / figure.dpi, ax.get_position().height * figure.get_figheight()


def _shrink(figure, narrower):
    """Make text and lines smaller: a little, but as much as the width where text is the drawing."""
    for text in figure.findobj(Text):
        drawn = text.axes and not text.axes.axison and text.get_transform() is text.axes.transData
        size = text.get_fontsize() * (min(SHRINK, narrower) if drawn else SHRINK)
        text.set_fontsize(max(SMALLEST, size))
    for ax in figure.axes:  # ticks that are made later
        for axis, ticks in (("x", ax.xaxis), ("y", ax.yaxis)):
            for label in ticks.get_ticklabels()[:1]:
                ax.tick_params(axis, which="both", labelsize=label.get_fontsize())
    for line in figure.findobj(Line2D):
        line.set_linewidth(line.get_linewidth() * SHRINK)
        line.set_markersize(line.get_markersize() * SHRINK)


def _rows(panels, sizes, width):
    """The panels, in their order, in as few rows as they fit."""
    rows, room = [], 0
    for ax in panels:
        need = sizes[ax][0] * SHRINK * SQUEEZE
        if need <= room:
            rows[-1].append(ax)
            room -= need
        else:
            rows.append([ax])
            room = width - need
    return rows


def _set(figure, rows, sizes, width):
    """Give each panel its new place. -> the grid of the rows"""
    for legend in figure.legends:
        _narrow(legend, width * figure.dpi)
    heights = [max(sizes[ax][1] for ax in row) * SHRINK for row in rows]
    grid = GridSpec(len(rows), 1, figure=figure, height_ratios=heights)
    for place, row in zip(grid, rows, strict=True):
        inner = [place]  # panels that only stand below each other are aligned
        if max(map(len, rows)) > 1:
            inner = place.subgridspec(1, len(row), width_ratios=[sizes[ax][0] for ax in row])
        for ax, spec in zip(row, inner, strict=True):
            if ax is row[0] and ax.axison and ax.get_subplotspec().colspan.start:
                _label_left(ax)
            if _is_text(ax) and len(row) == 1:
                _set_beside(ax)
            ax.set_subplotspec(spec)
            if ax.get_legend():
                room = width * sizes[ax][0] / sum(sizes[other][0] for other in row)
                _narrow(ax.get_legend(), 0.9 * room * figure.dpi)
    return grid


def _is_text(ax):
    """Whether a panel is a block of text, without axes and in no coordinates of its own."""
    return not ax.axison and all(text.get_transform() is ax.transAxes for text in ax.texts)


def _label_left(ax):
    """Give a panel that had its labels from the one beside it labels of its own."""
    ax.tick_params(labelleft=True)
    siblings = ax.get_shared_y_axes().get_siblings(ax)
    if not ax.get_ylabel():
        ax.set_ylabel(next(filter(None, (other.get_ylabel() for other in siblings)), ""))


def _set_beside(ax):
    """In a block of text that has a row to itself, set beside the upper part what stood below."""
    for text in ax.texts:
        if text.get_va() == "bottom":
            text.set(position=(0.5, 1), va="top")
    if ax.get_legend():
        ax.get_legend().set_loc("upper left")
        ax.get_legend().set_bbox_to_anchor((0.5, 1), ax.transAxes)


def _narrow(legend, room):
    """Set a legend in as many columns as have room, in pixels."""
    while legend._ncols > 1 and legend.get_window_extent().width > room:
        # A legend cannot be set anew in public; this is what its constructor does.
        legend._ncols -= 1
        legend.prop = copy.copy(legend.prop)
        legend.prop.set_size(legend.texts[0].get_fontsize())
        legend._fontsize, outside = legend.prop.get_size_in_points(), legend._outside_loc
        legend._init_legend_box(legend.legend_handles, [t.get_text() for t in legend.texts])
        legend.set_title(legend.get_title().get_text())  # an empty one takes no room
        legend.set_loc(legend._get_loc())
        legend._outside_loc = outside


def _wanted(figure, row, sizes):
    """The height of a row in inches, without its labels."""
    return max(
        _height_of_text(ax, len(row) == 1) / figure.dpi if _is_text(ax) else sizes[ax][1] * SHRINK
        for ax in row
    )


def _height_of_text(ax, beside):
    """What a block of text needs, in pixels, its parts beside or below each other."""
    legend = [ax.get_legend().get_window_extent().height] if ax.get_legend() else []
    if not beside:
        return 1.2 * sum([text.get_window_extent().height for text in ax.texts] + legend)
    needs = legend
    for text in ax.texts:
        x, y = text.get_position()
        places = (other.get_position() for other in ax.texts)
        below = max((v for u, v in places if v < y and u == x), default=0)
        needs.append(text.get_window_extent().height / (y - below))
    return 1.1 * max(needs)


def _break_lines(figure, rows, words):
    """Break titles, labels and blocks of text that have no room. -> whether there was one"""
    broken = False
    right = figure.bbox.width
    for row in rows:
        for ax in row:
            box = ax.get_window_extent()
            middle = (box.x0 + box.x1) / 2
            if not ax.axison:
                for text in ax.texts if _is_text(ax) else ():
                    at = text.get_transform().transform(text.get_position())[0]
                    room = 2 * min(at, right - at) if text.get_ha() == "center" else right - at
                    broken |= _break(text, room, words)
                continue
            end = right if ax is row[-1] else box.x1
            broken |= _break(ax._left_title, end - box.x0, words)
            broken |= _break(ax.xaxis.label, min(1.1 * box.width, 2 * (right - middle)), words)
            broken |= _break(ax.yaxis.label, 1.1 * box.height, words, upright=True)
    return broken


def _break(text, room, words, upright=False):
    """Break a text's lines at spaces so that none is longer than room, in pixels."""
    box = text.get_window_extent()
    length = box.height if upright else box.width
    room *= 0.97  # a text is not as wide at every resolution
    if not text.get_text() or length <= room:
        return False
    before = words.setdefault(text, text.get_text().replace(" %", "\N{NO-BREAK SPACE}%"))
    most = max(int(max(map(len, text.get_text().split("\n"))) * room / length), 6)
    lines = [textwrap.wrap(line, most, break_long_words=False) for line in before.split("\n")]
    text.set_text("\n".join(line for broken in lines for line in broken))
    return True


# --- the dark theme -------------------------------------------------------------------------


def darken(figure: Figure) -> None:
    """Turn a figure's colours for a dark page: what was dark on white is light on #222222.

    Pictures keep their colours, and so does what is written on them.
    """
    for artist in dict.fromkeys(figure.findobj()):  # some are found twice
        pictured = isinstance(artist, Text) and getattr(artist.axes, "images", None)
        if pictured and artist.get_transform() is artist.axes.transData:
            continue
        _darken(artist)
        for patch in ("get_bbox_patch", "arrow_patch"):  # a text's own, no children of it
            held = getattr(artist, patch, None)
            held = held() if callable(held) else held
            if held is not None:
                _darken(held)
    for ax in figure.axes:  # ticks that are made later
        ink, grid = dark_color(style.INK), dark_color(style.RC["grid.color"])
        ax.tick_params(which="both", color=ink, labelcolor=ink, grid_color=grid)


def _darken(artist):
    names = ["facecolor", "edgecolor"]  # of areas, where "color" stands for both
    if not isinstance(artist, Patch | Collection):
        names = ["color", "markerfacecolor", "markeredgecolor"]
    # All are read before one is set: a marker may have the colour of its line.
    held = {name: getattr(artist, f"get_{name}")() for name in names
            if hasattr(artist, f"get_{name}")}  # fmt: skip
    for name, color in held.items():
        dark = [dark_color(c) for c in to_rgba_array(color)]
        one = dark[0] if dark else "none"
        getattr(artist, f"set_{name}")(dark if isinstance(artist, Collection) else one)


def dark_color(color) -> tuple[float, float, float, float]:
    """The colour of the same hue that is as far from #222222 as this one is from white. RGBA."""
    *rgb, alpha = to_rgba(color)
    hue, lightness, saturation = colorsys.rgb_to_hls(*rgb)
    lightness = 2 / 15 + 0.86 * (1 - lightness) ** 0.8  # every text then has a contrast of 4.5
    return *colorsys.hls_to_rgb(hue, lightness, 0.7 * saturation), alpha  # full ones would glare
