"""What the lecture says of three kinds of quantization, beside recorded files (notebook 08)."""

from __future__ import annotations

from course_utils.labs.post_training_quantization import scenes
from course_utils.machines import data
from course_utils.views.checks import Measured, Row

CAPTION = "Three kinds of quantization, as files"
NETWORK = "fashion_cnn"
DENSE = "lenet_300_100"


def rows() -> list[Row]:
    """Sizes, losses and speeds of the recorded files. -> rows"""
    return [*_sizes_and_losses(), *_speeds()]


def _sizes_and_losses():
    files = {row.mode: row for row in scenes.techniques(NETWORK)[0].rows}
    hybrid = files["dynamic"]
    ahead = scenes.paired(NETWORK, "dynamic", "int8")
    return [
        Row(
            "hybrid_size",
            Measured(files["float32"].size["kernels"] / hybrid.size["kernels"], unit="×"),
            f"{NETWORK}: bytes of the kernels in the float32 file / in the hybrid one",
            why="The converter leaves kernels of fewer than 1,024 weights in float32.",
        ),
        Row(
            "hybrid_loss",
            Measured(hybrid.loss, *hybrid.loss_interval, "points"),
            f"{NETWORK}: points that the hybrid file loses, paired",
            why="“Small” is no number; one point is our reading.",
        ),
        Row(
            "integer_loss",
            Measured(100 * ahead.loss, *(100 * end for end in ahead.interval), "points"),
            f"{NETWORK}: points that int8 loses against hybrid, paired",
            why="Neither is shown to be better: the interval holds zero.",
        ),
    ]


def _speeds():
    processor = data.result("technique_table").record["machine"]["processor"]
    small = "The network is small, so that much of the time is not spent multiplying."
    reading = (
        "More than the slide says. A dense layer uses each weight once an input, so that reading "
        "them counts most, and int8 has a quarter of the bytes."
    )
    return [
        Row(
            claim,
            _speed(network, mode),
            f"{network}, {called} against float32, XNNPACK on {processor}, one thread",
            why=why,
        )
        for claim, network, mode, called, why in (
            ("float16_speed", NETWORK, "float16", "float16", "It is widened to float32 first."),
            ("hybrid_conv_speed", NETWORK, "dynamic", "hybrid", small),
            ("hybrid_dense_speed", DENSE, "dynamic", "hybrid", reading),
            ("integer_conv_speed", NETWORK, "int8", "int8", small),
            ("integer_dense_speed", DENSE, "int8", "int8", reading),
        )
    ]


def _speed(network, mode):
    times = scenes.speedup(network, mode)
    return Measured(times.value, *times.interval, "×")
