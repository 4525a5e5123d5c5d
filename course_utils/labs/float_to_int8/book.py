"""What notebook 06 gives to the book."""

from course_utils.labs.float_to_int8 import figures, scenes
from course_utils.views.entry import Entry

ENTRIES = (
    Entry(
        "fig-affine-mapping",
        "Equally spaced real numbers have a code each, and one of them is exactly zero; every "
        "other number takes the nearest code.",
        lambda: scenes.affine_mapping(-0.6, 1.5, 3, False, 0.8),
        figures.draw_affine_mapping,
        figures.alt_affine_mapping,
        lecture="Reconstructed 32-bit float values",
        claim=figures.claim_affine_mapping,
    ),
    Entry(
        "fig-quantization-error",
        "A layer in 4 bits: nothing is clipped, so that no error is larger than half a step.",
        lambda: scenes.mapping(("fashion_cnn", "dense1", "weights"), 4),
        figures.draw_mapping,
        figures.alt_mapping,
        lecture="Reconstructed 32-bit float values",
        claim=figures.claim_mapping,
    ),
    Entry(
        "fig-sqnr",
        "Each bit is worth 6.02 dB; how the range fits the values decides the rest, which is "
        "more than a bit.",
        scenes.signals,
        figures.draw_sqnr,
        figures.alt_sqnr,
        lecture="transforming an ML program into an approximated representation with available "
        "lower precision operations",
        claim=figures.claim_sqnr,
    ),
    Entry(
        "fig-per-channel",
        "A scale for each channel helps every layer, and most where batch normalization was "
        "folded into depthwise weights.",
        scenes.efficientnet_lite0,
        figures.draw_channels,
        figures.alt_channels,
        lecture="8-bit integer weights",
        claim=figures.claim_channels,
    ),
    Entry(
        "fig-quantization-bits",
        "Weights in 8 bits cost no network half a point of accuracy; in 4 bits a depthwise "
        "network needs a scale for each channel.",
        scenes.bit_curves,
        figures.draw_bit_curves,
        figures.alt_bit_curves,
        lecture="8-bit integer parameters means 4x smaller model",
        claim=figures.claim_bit_curves,
    ),
    Entry(
        "fig-calibration",
        "Calibration forgives ten inputs instead of all and even a single class, but not noise,"
        " nor inputs on another scale than at inference.",
        lambda: scenes.calibration("fashion_cnn", "100 inputs", "min-max", 8, "conv1"),
        figures.draw_calibration,
        figures.alt_calibration,
        lecture="Unlabeled data",
        claim=figures.claim_calibration,
    ),
    Entry(
        "fig-calibration-draws",
        "How many inputs to calibrate on: for 8 bits any ten serve as well as a thousand, one "
        "alone may not; for 4 bits any thousand serve worse than any ten.",
        lambda: scenes.draws("fashion_cnn"),
        figures.draw_draws,
        figures.alt_draws,
        lecture="Unlabeled data",
        claim=figures.claim_draws,
    ),
)
