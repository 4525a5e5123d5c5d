"""What the lecture says that pruning costs and buys, beside what was recorded (notebook 03)."""

from __future__ import annotations

from course_utils.labs.structured_pruning import scenes
from course_utils.machines import data
from course_utils.views.checks import Measured, Row

CAPTION = "What pruning costs and buys"
NETWORK = "fashion_cnn"
KEYWORDS = "fashion_dscnn"  # depthwise separable, as DS-CNN-L
ANOTHER = "The slide's network and task are others."


def rows() -> list[Row]:
    """The claims on accuracy after retraining, and on speed. -> rows"""
    image = [
        Row(
            claim,
            scenes.lost_after(NETWORK, "gradual", sparsity),
            f"{NETWORK}, {sparsity:.0%} sparse, trained on with its zeros: points lost",
            unlike=ANOTHER,
            why="And 90 % here, 87.5 % there." if claim == "inception_87" else "",
        )
        for claim, sparsity in (
            ("mobilenet_50", 0.5),
            ("inception_50", 0.5),
            ("inception_75", 0.75),
            ("inception_87", 0.9),
        )
    ]
    keywords = [
        Row(
            claim,
            scenes.half_lost(KEYWORDS, way),
            f"{KEYWORDS}, half of the weights, {words}, trained on: points lost",
            unlike=ANOTHER,
        )
        for claim, way, words in (
            ("keywords_random", "one_shot", "the smallest anywhere"),
            ("keywords_pattern", "two_by_four", "2 of every 4"),
        )
    ]
    ahead = Row(
        "pattern_costs",
        scenes.pattern_costs(KEYWORDS),
        f"{KEYWORDS}: points by which any half of the weights is ahead of 2 of every 4",
    )
    return [*image, *keywords, ahead, *_speed()]


def _speed():
    state = scenes.speed()
    lines = {line.what: line for line in state.lines}
    unnamed = "The slide names neither the network nor the sparsity nor the processor."
    found = []
    fastest = max(lines, key=lambda what: max(lines[what].times))
    for claim, what in (("skip_zeroes", "anywhere"), ("pruning_speedup", fastest)):
        line = lines[what]
        best = max(range(len(line.times)), key=line.times.__getitem__)
        found.append(
            Row(
                claim,
                Measured(line.times[best], line.low[best], line.high[best], "×"),
                f"{state.label(line)}: the most, at {line.share[best]:.0%}, on "
                f"{data.result('sparsity_speed').record['processor']['processor']}; time only, "
                "accuracy aside",
                why="With most of the accuracy gone. " + unnamed if what == "blocks" else unnamed,
            )
        )
    return found
