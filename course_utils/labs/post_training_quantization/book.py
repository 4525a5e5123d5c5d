"""What notebook 08 gives to the book."""

from course_utils.labs.post_training_quantization import figures, scenes
from course_utils.views.entry import Entry

ENTRIES = (
    Entry(
        "fig-techniques",
        "Five files of one network: int8 has kernels four times smaller, loses no accuracy that "
        "can be shown, and is the only one that runs everywhere.",
        lambda: scenes.techniques("fashion_cnn")[3],
        figures.draw_techniques,
        figures.alt_techniques,
        lecture="Accuracy ≤ hybrid",
        claim=figures.claim_techniques,
    ),
    Entry(
        "fig-int8-granularity",
        "With eight bits, one scale for a whole kernel costs no accuracy that can be shown.",
        lambda: scenes.granularity(),
        figures.draw_granularity,
        figures.alt_granularity,
        lecture="8-bit integer weights",
        claim=figures.claim_granularity,
    ),
    Entry(
        "fig-layer-errors",
        "One kernel rounded at a time, to 4 bits: a single depthwise layer costs over ten points, "
        "no other does, and all together cost more than the sum.",
        lambda: scenes.layer_errors("fashion_dscnn")[4],
        figures.draw_layer_errors,
        figures.alt_layer_errors,
        lecture="8-bit integer weights",
        claim=figures.claim_layer_errors,
    ),
)
