"""What notebook 05 gives to the book."""

from course_utils.labs.floating_point import figures, scenes
from course_utils.views.entry import Entry

ENTRIES = (
    Entry(
        "fig-float32-fields",
        "The number 0.1 in five formats: none holds it exactly, and the fewer fraction bits a "
        "format has, the farther off it is.",
        lambda: scenes.number(0x3DCCCCCD),
        figures.draw_number,
        figures.alt_number,
        lecture="Single Precision IEEE 754 Floating-Point Standard",
        claim=figures.claim_number,
    ),
    Entry(
        "fig-float-gaps",
        "Exponent bits buy range, fraction bits precision: the relative distance between "
        "neighbouring numbers.",
        lambda: scenes.gaps("fashion_cnn"),
        figures.draw_gaps,
        figures.alt_gaps,
        lecture="Single Precision IEEE 754 Floating-Point Standard",
        claim=figures.claim_gaps,
    ),
    Entry(
        "fig-float-formats",
        "A real layer in an 8-bit float: 51,200 weights land on fewer than a hundred numbers, "
        "and each moves by at most a sixteenth of itself, except in the subnormal range.",
        lambda: scenes.weights("fashion_cnn", "dense1")[3],
        figures.draw_weights,
        figures.alt_weights,
        lecture="Single Precision IEEE 754 Floating-Point Standard",
        claim=figures.claim_weights,
    ),
    Entry(
        "fig-reduced-float",
        "Sixteen bits of float cost no network any accuracy that can be measured; eight bits "
        "with two of fraction cost two of the four more than a point.",
        lambda: scenes.reduced()[2],
        figures.draw_reduced,
        figures.alt_reduced,
        lecture="Negligible accuracy loss",
        claim=figures.claim_reduced,
    ),
)
