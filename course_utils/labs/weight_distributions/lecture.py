"""What the lecture says of weight ranges, beside what was measured (notebook 01)."""

from __future__ import annotations

import numpy as np

from course_utils.labs.weight_distributions import scenes
from course_utils.views.checks import Measured, Row

CAPTION = "Are most weights concentrated in a small range?"


def rows() -> list[Row]:
    """The part of its range that the middle half of a layer fills. -> rows"""
    network = scenes.efficientnet_lite0()
    widest = 100 * network.middle.max()
    return [
        Row(
            "weight_range",
            Measured(100 * np.median(network.middle), unit="% of the range"),
            f"{network.network}: filled by the middle half of a layer's weights, median of "
            f"{len(network.names)} layers (evenly spread: 50 %)",
            why=f"In the layer least concentrated it is {widest:.0f} %.",
        )
    ]
