"""What the lecture says of 8-bit parameters, beside what was counted (notebook 06)."""

from __future__ import annotations

from course_utils.labs.float_to_int8 import scenes
from course_utils.views.checks import Measured, Row

CAPTION = "How much smaller do 8-bit parameters make a network?"


def rows(network: str = "fashion_cnn") -> list[Row]:
    """The bytes of all parameters, scales and 32-bit biases counted. -> rows"""
    as_float32, as_int8 = scenes.stored_bytes(network)
    return [
        Row(
            "int8_size",
            Measured(as_float32 / as_int8, unit="×"),
            f"{network}: bytes of all parameters in float32 / with int8 kernels",
            why="Biases stay in 32 bits, and every output channel brings a scale; the kernels "
            "alone are exactly 4 times smaller. A file holds more.",
        )
    ]
