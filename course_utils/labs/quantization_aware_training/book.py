"""What notebook 09 gives to the book."""

from course_utils.labs.quantization_aware_training import figures, scenes
from course_utils.views.entry import Entry

ENTRIES = (
    Entry(
        "fig-straight-through",
        "The true slope of a staircase is zero and the weight stays; the straight-through "
        "estimator walks it to the target.",
        lambda: scenes.descent(3)[20],
        figures.draw_descent,
        figures.alt_descent,
        lecture='Allow the training phase to recover the error "naturally"',
        claim=figures.claim_descent,
    ),
    Entry(
        "fig-fake-quantization",
        "Quantization-aware training mimics the inference path: input and output of the layer are "
        "rounded between 0 and 6, the kernel to 4 bits.",
        lambda: scenes.graph(),
        figures.draw_graph,
        figures.alt_graph,
        lecture="Mimic the inference path during the training phase",
        claim=figures.claim_graph,
    ),
    Entry(
        "fig-ptq-qat",
        "Eight bits need no training; in four bits training wins back over 40 of the points lost, "
        "not all; two bits are a guess either way.",
        lambda: scenes.bits_results(),
        figures.draw_bits,
        figures.alt_bits,
        lecture="Accuracy ≥ integer",
        claim=figures.claim_bits,
    ),
)
