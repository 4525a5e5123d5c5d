"""Images made larger or smaller: each output takes its value from where it lies in the input."""

from __future__ import annotations

import numpy as np

from course_utils.engines.integer_engine.arithmetic import rounding_divide_by_power_of_two
from course_utils.engines.integer_engine.checked import INT8_AND_16, Prepared
from course_utils.numbers.quantization import round_half_away


def _resize(checked, types=("int8",)):
    checked.count(2)
    x, y = checked.input(rank=4, types=types), checked.output(rank=4, types=types)
    checked.require(x.type == y.type, f"turns {x.type} into {y.type}")
    size = checked.constant(1, "int32", "sizes").data.reshape(-1).tolist()
    checked.require(len(size) == 2 and min(size) > 0 and x.size, f"resizes {x.shape} to {size}")
    checked.shape_is(y, (1, *size, x.shape[3]))
    checked.require(x.qparams == y.qparams, "changes the scale or the zero point")
    return x, y


def resize_nearest_neighbor(checked):
    """The value at the nearest place, found in float32 (resize_nearest_neighbor.h)."""
    x, y = _resize(checked, INT8_AND_16)
    rows, columns = (_nearest(checked, x.shape[i], y.shape[i]) for i in (1, 2))
    return Prepared(lambda q: q.take(rows, 1).take(columns, 2), (x.index,), y.size)


def _nearest(checked, size, out):
    corners, half = checked.options["align_corners"], checked.options["half_pixel_centers"]
    step = np.float32(size) / np.float32(out)
    if corners and out > 1:
        step = np.float32(size - 1) / np.float32(out - 1)
    place = (np.arange(out).astype(np.float32) + np.float32(0.5 if half else 0)) * step
    place = round_half_away(place) if corners else np.floor(place)
    return np.minimum(place.astype(np.intp), size - 1)


def resize_bilinear(checked):
    """A mean of the four values around, with 10 bits below the point (resize_bilinear.h)."""
    x, y = _resize(checked)
    checked.require(
        not (checked.options["align_corners"] and checked.options["half_pixel_centers"]),
        "has both align_corners and half_pixel_centers",
    )
    (top, bottom, down), (left, right, across) = (
        _between(checked, x.shape[i], y.shape[i]) for i in (1, 2)
    )
    down, across = down[:, None, None], across[:, None]

    def run(q):
        q = q.astype(np.int64)
        rows = q[:, top] * (1024 - down) + q[:, bottom] * down
        total = rows[:, :, left] * (1024 - across) + rows[:, :, right] * across
        return rounding_divide_by_power_of_two(total, 20).astype(np.int8)

    return Prepared(run, (x.index,), 8 * max(x.size, y.size))


def _between(checked, size, out):
    """Return for each output the two inputs around it and its way from the first, of 1024."""
    step = (1024 * size + out // 2) // out
    if checked.options["align_corners"] and out > 1:
        step = (1024 * (size - 1) + (out - 1) // 2) // (out - 1)
    place = np.arange(out) * step
    if checked.options["half_pixel_centers"]:
        place = place + step // 2 - 512
    first = np.maximum(place, 0) // 1024
    checked.require(first.max() < size, "enlarges so far that its kernel reads beyond the image")
    return first, np.minimum((place + 1023) // 1024, size - 1), place - 1024 * first
