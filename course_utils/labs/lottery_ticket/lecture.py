"""What the lecture's second paper says of tickets, beside what was recorded (notebook 04)."""

from __future__ import annotations

from course_utils.labs.lottery_ticket import scenes
from course_utils.views.checks import Measured, Row

CAPTION = "The paper's abstract, and LeNet-300-100 on Fashion-MNIST"
PAPER = 0.2  # "10-20 %": the size above which the abstract says "faster" and "higher"


def rows() -> list[Row]:
    """The abstract's claims, each beside the recorded runs. -> rows"""
    last = scenes.last_round_as_good()
    small = scenes.left(last)
    above = [number for number in scenes.rounds() if number and scenes.left(number) > PAPER]
    sizes = f"rounds 1 to {above[-1]}, {scenes.left(above[0]):.0%} to {scenes.left(above[-1]):.0%}"
    chosen = "The smallest ticket whose mean validation accuracy is not below the dense network's."
    size = f"{scenes.left(scenes.SMALL):.1%} of the weights"
    return [
        Row(
            "lottery_reduction",
            Measured(100 * (1 - small), unit="%"),
            "weights that the smallest good ticket does without",
            why=chosen,
        ),
        Row(
            "lottery_size",
            Measured(100 * small, unit="%"),
            "weights left in the smallest good ticket",
            why=chosen,
        ),
        Row(
            "lottery_comparable",
            scenes.lost_against_dense("ticket", scenes.SMALL),
            f"points that the ticket with {size} loses against dense, by seed",
            why="“Comparable” is no number; half a point is our reading.",
        ),
        Row(
            "lottery_iterations",
            scenes.times_as_fast("ticket", scenes.SMALL),
            f"early-stopping step of dense / of the ticket with {size}",
            why="We read “similar” as “not more”.",
        ),
        Row(
            "lottery_faster",
            scenes.mean_over(above, "stop"),
            f"early-stopping step of dense / of the ticket, mean of {sizes}",
        ),
        Row(
            "lottery_higher",
            scenes.mean_over(above, "test"),
            f"points that the ticket is ahead of dense, mean of {sizes}",
        ),
        Row(
            "lottery_difficult",
            scenes.lost_against_dense("reinitialized", scenes.SMALL),
            f"points that the mask with {size} and new weights loses against dense",
        ),
    ]
