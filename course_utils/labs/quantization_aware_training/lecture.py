"""What the lecture says of quantization-aware training, beside recorded runs (notebook 09)."""

from __future__ import annotations

from course_utils.labs.quantization_aware_training import scenes
from course_utils.machines import data
from course_utils.views.checks import Row

CAPTION = "What training with rounding buys"


def rows() -> list[Row]:
    """Points lost by PTQ and by QAT, and what QAT wins back at 4 bits. -> rows"""
    network = data.result("ptq_vs_qat_8bit").record["network"]
    another = "The slide's network and task are others."
    return [
        Row(
            "qat_loss",
            scenes.qat_against_ptq(),
            f"{network}, 8 bits, per channel: points that QAT loses against PTQ",
            why="Training on costs a little here, with rounding or without.",
        ),
        Row(
            "qat_recovers",
            scenes.recovered(4),
            "share of PTQ's loss recovered at 4 bits, per tensor",
        ),
        Row(
            "mobilenet_v1_ptq",
            scenes.lost(8, "ptq", "ptq_vs_qat_8bit"),
            f"{network}, 8 bits, per channel: points that PTQ loses",
            unlike=another,
        ),
        Row(
            "mobilenet_v1_qat",
            scenes.lost(8, "qat", "ptq_vs_qat_8bit"),
            f"{network}, 8 bits, per channel: points that QAT loses",
            unlike=another,
        ),
    ]
