"""The guest speaker's tables for LeNet-300-100, beside what was recorded (notebook 10)."""

from __future__ import annotations

from course_utils.labs.deep_compression import scenes
from course_utils.views.checks import Measured, Row

CAPTION = "LeNet-300-100: the paper on MNIST, here on Fashion-MNIST"


def rows() -> list[Row]:
    """The paper's numbers, each beside the recorded runs. -> rows"""
    kernels = scenes.rows()[scenes.LENET, scenes.seeds()[0]]["kernels"].values()
    left = sum(own["weights"] for own in kernels) / sum(own["left"] for own in kernels)
    harder = "Fashion-MNIST is harder than MNIST, and more weights are left here."
    return [
        Row("compression_dense", scenes.dense_bytes() / 1000, "the dense file, headers included"),
        Row(
            "compression_pruned",
            Measured(left, unit="×"),
            "weights / weights left after pruning",
            why=f"{harder} The file with its gaps and fillers is only "
            f"{scenes.smaller(scenes.LENET, 'pruned').value:.1f} times smaller.",
        ),
        Row(
            "compression_shared",
            scenes.smaller(scenes.LENET, "shared"),
            "dense file / pruned and shared file, before Huffman's code",
            why="More weights are left here, but their numbers have 4 bits instead of 6.",
        ),
        Row(
            "compression_all",
            scenes.smaller(scenes.LENET, "coded"),
            "dense file / file after all three stages",
            why=f"{harder} With fewer left it is {scenes.fewer_smaller().value:.0f} times smaller "
            f"and loses {scenes.fewer_lost()}.",
        ),
        Row(
            "compression_size",
            scenes.mean(scenes.bytes_of(scenes.LENET, "coded") / 1000, "kB"),
            "the file after all three stages",
            why=harder,
        ),
        Row(
            "compression_loss",
            scenes.lost(scenes.LENET, "coded"),
            "points of test accuracy lost against dense, by seed",
            why="Against a dense network that trained on for as many steps it loses "
            f"{scenes.lost(scenes.LENET, 'coded', 'trained_on')}.",
        ),
    ]
