"""What notebook 01 gives to the book."""

from course_utils.labs.weight_distributions import figures, scenes
from course_utils.views.entry import Entry

ENTRIES = (
    Entry(
        "fig-weight-distribution",
        "The middle half of a trained layer's weights fills a small part of the layer's range, "
        "smaller than in a normal distribution: a few weights lie far out.",
        lambda: scenes.efficientnet_lite0()._replace(chosen=30, log=True),
        figures.draw_distribution,
        figures.alt_distribution,
        lecture="most weight values are concentrated in a small range",
        claim=figures.claim_distribution,
    ),
    Entry(
        "fig-weight-exponents",
        "Nearly all weights of a network share a few of float32's 256 exponents.",
        lambda: scenes.exponents(scenes.efficientnet_lite0()),
        figures.draw_exponents,
        figures.alt_exponents,
        lecture="most weight values are concentrated in a small range",
        claim=figures.claim_exponents,
    ),
)
