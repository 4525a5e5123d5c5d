"""Reading a picture's values by pointing: where its axes are, and the script that reads them.

A picture is pixels. Its axes are a few numbers more: where each lies, and from where to where it
goes. With these a script in the page says what lies under the pointer, without a kernel and without
another picture. Who does not point has the picture's alt text and the line below it.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogFormatter, ScalarFormatter

_NUMBER = re.compile(r"([-−+]?\d[\d,]*(?:\.\d+)?)(\s?%)?")

# `axes` as `axes_of` gives it; x, y: where the pointer is, as parts of the picture's width and
# height; pixels: that width and height. As many digits as one pixel more or less would change.
READ = """
const read = (axes, x, y, pixels) => {
  const at = axes.filter(a => x >= a.box[0] && x <= a.box[2] && y >= a.box[1] && y <= a.box[3]);
  if (!at.length) return '';
  const {box, scales} = at[at.length - 1];
  const parts = [(x - box[0]) / (box[2] - box[0]), (box[3] - y) / (box[3] - box[1])];
  const rooms = [(box[2] - box[0]) * pixels[0], (box[3] - box[1]) * pixels[1]];
  return scales.map((scale, i) => {
    if (!scale) return '';
    const [low, high] = scale.ends;
    const value = scale.times * (scale.log ? low * (high / low) ** parts[i]
      : low + (high - low) * parts[i]);
    const step = scale.times * Math.abs(scale.log ? value / 100 : (high - low) / rooms[i]);
    const digits = Math.max(0, Math.ceil(-Math.log10(step)));
    const size = Math.abs(value);
    const text = digits > 7 || size >= 1e9 ? value.toPrecision(3)
      : value.toLocaleString('en-US', {minimumFractionDigits: digits,
                                       maximumFractionDigits: digits});
    return scale.name + ' = ' + text.replace('-', '\\u2212') + scale.unit;
  }).filter(text => text).join(', ');
};
"""


def axes_of(figure: Figure) -> list[dict[str, Any]]:
    """Where a drawn figure's axes are and what they measure, for `READ`.

    Returns for each axes with numbers on it: box (left, top, right, bottom as parts of the picture)
    and scales, of x and y: ends, log, name, times and unit (what a value is multiplied by and
    followed with, as its tick labels are), or None where the ticks are no numbers.

    >>> from course_utils.views import style
    >>> fig, ax = style.subplots()
    >>> ax.set(xlim=(0, 2), xlabel="weight", yscale="log", ylim=(1, 100), yticks=[])[0]
    (0.0, 2.0)
    >>> axes_of(fig)[0]["scales"]
    [{'ends': [0.0, 2.0], 'log': False, 'name': 'weight', 'times': 1, 'unit': ''}, None]
    """
    found = []
    for ax in figure.axes:
        if not ax.get_visible() or not ax.axison:
            continue
        scales = [_scale(ax, ax.xaxis, "x"), _scale(ax, ax.yaxis, "y")]
        if any(scales):
            box = ax.get_position()
            corners = [box.x0, 1 - box.y1, box.x1, 1 - box.y0]
            found.append({"box": [round(c, 4) for c in corners], "scales": scales})
    return found


def _scale(ax: Axes, axis: Axis, letter: str) -> dict[str, Any] | None:
    low, high = sorted(axis.get_view_interval())
    kind = axis.get_scale()
    ticks = [t for t in axis.get_majorticklocs() if low <= t <= high]
    if kind not in ("linear", "log") or len(ticks) < 2 or low == high:
        return None
    told = _as_told(axis, ticks)
    if told is None:
        return None
    grouper = getattr(ax, f"get_shared_{letter}_axes")()
    labels = [getattr(a, f"get_{letter}label")() for a in [ax, *grouper.get_siblings(ax)]]
    name = next((label for label in labels if label and "$" not in label), letter)
    return {
        "ends": [float(f"{end:.7g}") for end in getattr(ax, f"get_{letter}lim")()],
        "log": kind == "log",
        "name": " ".join(name.split()),
        "times": told[0],
        "unit": told[1],
    }


def _as_told(axis: Axis, ticks: list[float]) -> tuple[float, str] | None:
    """What the tick labels multiply by and end in; None if they are not the ticks' numbers."""
    formatter = axis.get_major_formatter()
    if isinstance(formatter, ScalarFormatter | LogFormatter):
        return 1, ""
    matches = [_NUMBER.fullmatch(text.strip()) for text in formatter.format_ticks(ticks)]
    if not all(matches):
        return None
    values = np.array([float(m[1].replace(",", "").replace("−", "-")) for m in matches])
    largest = int(np.argmax(np.abs(ticks)))
    if not values[largest] * ticks[largest] > 0:
        return None
    times = 10.0 ** round(np.log10(values[largest] / ticks[largest]))
    # A label may be rounded, but it is no other number: categories are numbered from 0.
    if np.abs(values - times * np.array(ticks)).max() > 0.06 * abs(values[largest]):
        return None
    return float(f"{times:g}"), matches[0][2] or ""
