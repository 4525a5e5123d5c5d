"""What notebook 04 gives to the book."""

from course_utils.labs.lottery_ticket import figures, scenes
from course_utils.views.entry import Entry

ENTRIES = (
    Entry(
        "fig-lottery-mask",
        "PLACEHOLDER",
        lambda: scenes.film()[16],
        figures.draw_film,
        figures.alt_film,
        lecture="winning tickets that are less than 10-20% of the size",
        claim=figures.claim_film,
    ),
    Entry(
        "fig-lottery-accuracy",
        "PLACEHOLDER",
        lambda: scenes.methods(12),
        figures.draw_methods,
        figures.alt_methods,
        lecture="reach test accuracy comparable to the original network",
        claim=figures.claim_methods,
    ),
    Entry(
        "fig-lottery-speed",
        "PLACEHOLDER",
        lambda: scenes.curves(12),
        figures.draw_curves,
        figures.alt_curves,
        lecture="learn faster than the original network",
        claim=figures.claim_curves,
    ),
)
