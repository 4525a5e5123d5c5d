"""The one Matplotlib style of the course: sizes, colours, patterns, and PNG bytes.

Figures are plain `matplotlib.figure.Figure` objects on an Agg canvas: no pyplot, so nothing is
registered in a global list, nothing leaks, and no notebook needs ``%matplotlib``. Nothing here
changes Matplotlib's global settings either: a reader's own plots keep their own look.

Sizes are CSS sizes. One figure inch is one CSS inch (96 px), so a 9-point label is a 9-point label
in the browser. A picture that moves has `SCALE` pixels per CSS pixel, little enough to encode and
decode while a slider moves; a still one has `STILL`, as a dense screen.
"""

from __future__ import annotations

import base64
import io
from itertools import cycle
from typing import NamedTuple

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

BLUE = "#006395"
RED = "#CB202D"
GREEN = "#008F45"
ORANGE = "#E67817"
VIOLET = "#7E317B"
CRIMSON = "#A51C30"
INK = "#222222"  # text and axes
GREY = "#8A8A8A"  # what is there but is not the point

WIDTH, HEIGHT = 8.5, 3.75  # CSS inches
CSS_DPI = 96  # CSS pixels per inch
# PNG pixels per CSS pixel. From key to pixels (`benchmarks/sliders.py`, medians of 80 presses)
# a Sweep takes 32 ms at 1.25, 34 at 1.5 and 42 at 2, an Explorer 71, 78 and 92.
SCALE = 1.5
STILL = 2


class Look(NamedTuple):
    """A colour and the patterns that go with it, so that no meaning hangs on colour alone."""

    color: str
    hatch: str
    linestyle: str | tuple
    marker: str


LOOKS = {
    "blue": Look(BLUE, "", "-", "o"),
    "red": Look(RED, "///", "--", "s"),
    "green": Look(GREEN, "...", "-.", "^"),
    "orange": Look(ORANGE, "\\\\\\", ":", "D"),
    "violet": Look(VIOLET, "xxx", (0, (5, 1, 1, 1, 1, 1)), "v"),
    "crimson": Look(CRIMSON, "---", (0, (8, 2)), "P"),
}

# DejaVu Sans is the font that Matplotlib ships: the same glyphs on every machine.
RC = {
    "font.family": ["DejaVu Sans"],
    "font.size": 10,
    "mathtext.fontset": "dejavusans",
    "text.color": INK,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.titlecolor": INK,
    "axes.labelsize": 10,
    "axes.labelcolor": INK,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.use_mathtext": True,
    "axes.prop_cycle": mpl.cycler(
        color=[look.color for look in LOOKS.values()],
        linestyle=[look.linestyle for look in LOOKS.values()],
    ),
    "grid.color": "#CCCCCC",
    "grid.linestyle": "--",
    "grid.linewidth": 0.6,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5,
    "patch.linewidth": 0.8,
    "hatch.linewidth": 0.8,
    "image.interpolation": "nearest",
    "image.cmap": "cividis",  # reads the same in greyscale and for colour-blind readers
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
}


def rc():
    """The style as a context: Matplotlib's settings are back as they were when it ends.

    Artists take their looks when they are made, and ticks are made when a figure is drawn, so a
    drawing makes its artists inside ``with style.rc():``, and who draws it whole does so there too.
    """
    return mpl.style.context(RC, after_reset=True)


def figure(width: float = WIDTH, height: float = HEIGHT) -> Figure:
    """An empty Figure in the style.

    Parameters
    ----------
    width, height : float
        CSS inches (96 px). The default width is what JupyterLab leaves for an output on a
        1280-pixel-wide screen with its file browser open.

    Returns
    -------
    matplotlib.figure.Figure
        with an Agg canvas, constrained layout (until `freeze_layout`), and an empty dict
        ``figure.moving`` for the artists that change (see `course_utils.views.widgets`).
    """
    with rc():
        fig = Figure(figsize=(width, height), dpi=CSS_DPI * SCALE, layout="constrained")
    FigureCanvasAgg(fig)
    fig.moving = {}
    return fig


def subplots(
    rows: int = 1, columns: int = 1, *, width: float = WIDTH, height: float = HEIGHT, **kwargs
):
    """A Figure in the style and its Axes, as `matplotlib.figure.Figure.subplots` gives them.

    >>> fig, ax = subplots(height=3)
    >>> fig.get_size_inches().tolist(), ax.spines["top"].get_visible()
    ([8.5, 3.0], False)
    """
    fig = figure(width, height)
    with rc():
        axes = fig.subplots(rows, columns, **kwargs)
    return fig, axes


def freeze_layout(fig: Figure) -> None:
    """Compute the constrained layout once and keep it, so that a moving figure does not jitter."""
    if fig.get_layout_engine() is not None:
        with rc():
            fig.draw_without_rendering()
        fig.set_layout_engine("none")


def looks():
    """The looks in their order, again and again: ``for name, look in zip(names, looks()): ...``"""
    return cycle(LOOKS.values())


def pixels(fig: Figure) -> np.ndarray:
    """What is now on the figure's canvas: uint8, shape (height, width, 4), RGBA. A view."""
    return np.asarray(fig.canvas.buffer_rgba())


def png(fig: Figure) -> bytes:
    """The picture now on the figure's canvas as PNG bytes: the same pixels, the same bytes.

    The bytes carry no time and no version. Compression level 1 is faster than the usual 6 and costs
    a tenth more bytes, the right trade for a picture that moves.
    """
    out = io.BytesIO()
    picture = Image.fromarray(pixels(fig)).convert("RGB")
    picture.save(out, "png", compress_level=1, dpi=(fig.dpi, fig.dpi))
    return out.getvalue()


def to_keep(picture: bytes) -> bytes:
    """A PNG's picture in 256 colours: a third of the bytes, for notebooks, which keep it.

    A drawing has few hues; what they shade into at edges is at most a few steps of 256 off.
    """
    with Image.open(io.BytesIO(picture)) as opened:
        dpi = opened.info["dpi"]
        few = opened.quantize(256, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    out = io.BytesIO()
    few.save(out, "png", compress_level=6, dpi=dpi)
    return out.getvalue()


class Picture:
    """A figure that does not move, as a notebook shows it: PNG, alt text, and the size in CSS.

    The alt text is in the picture's metadata, not in an ``<img>`` of HTML beside the PNG: that
    would be the picture twice, strict nbval would compare its bytes, and what GitHub leaves of it
    is not known. nbconvert's classic template reads the metadata, for its other one there is
    `views/nbconvert`, for JupyterLab `views/labextension`; VS Code reads the text form.

    >>> fig, ax = subplots()
    >>> Picture(fig, "Nothing is drawn.")
    Nothing is drawn.
    """

    def __init__(self, figure: Figure, alt: str):
        for artist in getattr(figure, "moving", {}).values():
            artist.set_animated(False)  # else the canvas leaves out what a slider would move
        with rc():
            figure.set_dpi(CSS_DPI * STILL)
            figure.canvas.draw()
        self.png, self.alt = to_keep(png(figure)), alt
        self.size = [round(inches * CSS_DPI) for inches in figure.get_size_inches()]

    def __repr__(self):
        return self.alt

    def _repr_mimebundle_(self, **_):
        bundle = {"image/png": base64.b64encode(self.png).decode("ascii"), "text/plain": self.alt}
        width, height = self.size
        return bundle, {"image/png": {"alt": self.alt, "width": width, "height": height}}
