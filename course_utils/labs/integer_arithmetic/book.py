"""What notebook 07 gives to the book."""

from course_utils.labs.integer_arithmetic import figures, scenes
from course_utils.views.entry import Entry

ENTRIES = (
    Entry(
        "fig-cross-terms",
        "One output of a dense layer in integers: with Z2 = 0 two terms vanish, and the largest "
        "of the others is known before the input.",
        lambda: scenes.terms(),
        figures.draw_terms,
        figures.alt_terms,
        lecture="Only integer computations",
        claim=figures.claim_terms,
    ),
    Entry(
        "fig-requantization",
        "An int32 sum becomes an int8 code with a multiplier and a shift: rounding is off by "
        "half a step at most, cutting the fraction off by nearly a whole one; most sums saturate.",
        lambda: scenes.requantization(0.0065, 2, 0, 18),
        figures.draw_requantization,
        figures.alt_requantization,
        lecture="Only integer computations",
        claim=figures.claim_requantization,
    ),
    Entry(
        "fig-integer-trace",
        "A layer of the int8 network for one image: nearly all values within one step of the float "
        "network's, none beyond three, and both networks give the same answer.",
        lambda: scenes.trace(12, "conv2"),
        figures.draw_trace,
        figures.alt_trace,
        lecture="Only integer computations",
        claim=figures.claim_trace,
    ),
    Entry(
        "fig-kernels-differ",
        "Given the same codes, LiteRT's reference kernels differ from TFLM's in the dense layers "
        "only, in at most one value of a thousand; XNNPACK's differ at least as often.",
        lambda: scenes.kernels(),
        figures.draw_kernels,
        figures.alt_kernels,
        lecture="Weights and inputs use the same int8—mimic int8 MAC",
        claim=figures.claim_kernels,
    ),
)
