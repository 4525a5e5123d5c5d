"""The boxes of all text that the renderer draws, line by line, in points from the lower left."""

import io
from itertools import combinations
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import RendererAgg

from course_utils.views import style


class Box(NamedTuple):
    text: str
    size: float  # points
    corners: np.ndarray  # (4, 2), around the box


def text_boxes(figure) -> list[Box]:
    """Every line of text that is drawn, where and how large."""
    boxes, draw_text = [], RendererAgg.draw_text

    def record(self, gc, x, y, s, prop, angle, ismath=False, mtext=None):
        width, height, descent = self.get_text_width_height_descent(s, prop, ismath)
        turn = np.radians(angle)
        along, up = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
        start = np.array([x, self.height - y]) - descent * up
        corners = [start, start + width * along, start + width * along + height * up,
                   start + height * up]  # fmt: skip
        boxes.append(Box(s, prop.get_size_in_points(), np.array(corners) / self.dpi * 72))
        return draw_text(self, gc, x, y, s, prop, angle, ismath, mtext)

    RendererAgg.draw_text = record
    try:
        with style.rc():
            figure.savefig(io.BytesIO(), dpi=300)  # moving artists too, which draw() omits
    finally:
        RendererAgg.draw_text = draw_text
    return boxes


def faults(figure, smallest=7.0) -> list[str]:
    """What cannot be read: text too small, cut by the edge, or over other text."""
    boxes = text_boxes(figure)
    end = figure.get_size_inches() * 72
    found = [f"{b.text!r} has {b.size:.1f} points" for b in boxes if b.size < smallest - 1e-6]
    found += [
        f"{box.text!r} is cut"
        for box in boxes
        if (box.corners < -0.5).any() or (box.corners > end + 0.5).any()
    ]
    found += [
        f"{a.text!r} lies on {b.text!r}" for a, b in combinations(boxes, 2) if overlap(a, b)
    ]
    return found


def overlap(a, b, slack=0.5) -> bool:
    """Whether two boxes share more than a hair: no line between them keeps them apart."""
    for corners in (a.corners, b.corners):
        for side in (corners[1] - corners[0], corners[3] - corners[0]):
            normal = side / (np.hypot(*side) or 1)
            first, second = a.corners @ normal, b.corners @ normal
            if first.max() <= second.min() + slack or second.max() <= first.min() + slack:
                return False
    return True
