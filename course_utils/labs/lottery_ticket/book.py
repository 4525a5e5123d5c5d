"""What notebook 04 gives to the book."""

from course_utils.labs.lottery_ticket import figures, scenes
from course_utils.views.entry import Entry

ENTRIES = (
    Entry(
        "fig-lottery-mask",
        "The winning ticket's mask over the image: pruning keeps more connections of the border, "
        "which is seldom lit, than of the middle, where the garments are.",
        lambda: scenes.film()[16],
        figures.draw_film,
        figures.alt_film,
        lecture="winning tickets that are less than 10-20% of the size",
        claim=figures.claim_film,
    ),
    Entry(
        "fig-lottery-accuracy",
        "With 7 % of its weights the rewound ticket is not shown to be behind the dense network, "
        "and is ahead of its own mask with new weights and of a random mask.",
        lambda: scenes.methods(12),
        figures.draw_methods,
        figures.alt_methods,
        lecture="reach test accuracy comparable to the original network",
        claim=figures.claim_methods,
    ),
    Entry(
        "fig-lottery-speed",
        "With 7 % of its weights left, a ticket has learned long before its own mask with new "
        "weights or a random mask, whose losses are lowest near the last step.",
        lambda: scenes.curves(12),
        figures.draw_curves,
        figures.alt_curves,
        lecture="learn faster than the original network",
        claim=figures.claim_curves,
    ),
)
