"""The book's figures: each with an id that never changes, a caption, and how to draw it.

A figure is drawn by the same `draw_*` function that the notebook's explorer moves, and its caption
is checked against the data by a `claim_*` function beside it. `book` writes them.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure

from course_utils.labs.float_to_int8 import figures as quantization
from course_utils.labs.float_to_int8 import scenes as quantization_scenes
from course_utils.labs.floating_point import figures as floats
from course_utils.labs.floating_point import scenes as float_scenes
from course_utils.labs.integer_arithmetic import figures as integers
from course_utils.labs.integer_arithmetic import scenes as integer_scenes
from course_utils.labs.magnitude_pruning import figures as pruning
from course_utils.labs.magnitude_pruning import scenes as pruning_scenes
from course_utils.labs.post_training_quantization import figures as techniques
from course_utils.labs.post_training_quantization import scenes as technique_scenes
from course_utils.labs.quantization_aware_training import figures as training_aware
from course_utils.labs.quantization_aware_training import scenes as training_aware_scenes
from course_utils.labs.start_here import figures as boards
from course_utils.labs.start_here import scenes as board_scenes
from course_utils.labs.structured_pruning import figures as structured_pruning
from course_utils.labs.structured_pruning import scenes as structured_scenes
from course_utils.labs.tflite_micro_export import figures as micro
from course_utils.labs.tflite_micro_export import scenes as micro_scenes
from course_utils.labs.weight_distributions import figures as weights
from course_utils.labs.weight_distributions import scenes as weight_scenes


@dataclass(frozen=True)
class Entry:
    """One figure of the book.

    scene returns the data, draw makes the Figure from it, alt says in a sentence what it shows.
    The caption says something about the data. claim(data) is True just if the data say so too;
    its docstring says in numbers how the caption's words are meant.
    lecture is what the figure illustrates, in words that stand in data/lecture/.
    """

    id: str
    notebook: str
    caption: str
    scene: Callable[[], Any]
    draw: Callable[[Any], Figure]
    alt: Callable[[Any], str]
    lecture: str
    claim: Callable[[Any], bool]


ENTRIES = (
    Entry(
        "fig-boards",
        "00_start_here",
        "A network must fit twice, its weights in flash and its activations in RAM: in 8 bits "
        "this one fits every board but the smallest.",
        lambda: board_scenes.fit("fashion_cnn", 8),
        boards.draw_fit,
        boards.alt_fit,
        lecture="The Arduino Nano 33 BLE only has 256KB of RAM (memory) and 1MB of Flash (storage)",
        claim=boards.claim_fit,
    ),
    Entry(
        "fig-weight-distribution",
        "01_weight_distributions",
        "Most weights of a trained layer lie near its mean, more than in a normal distribution; "
        "a few lie far out.",
        lambda: weight_scenes.efficientnet_lite0()._replace(chosen=30, log=True),
        weights.draw_distribution,
        weights.alt_distribution,
        lecture="most weight values are concentrated in a small range",
        claim=weights.claim_distribution,
    ),
    Entry(
        "fig-weight-exponents",
        "01_weight_distributions",
        "Nearly all weights of a network share a few of float32's 256 exponents.",
        lambda: weight_scenes.exponents(weight_scenes.efficientnet_lite0()),
        weights.draw_exponents,
        weights.alt_exponents,
        lecture="most weight values are concentrated in a small range",
        claim=weights.claim_exponents,
    ),
    Entry(
        "fig-magnitude-pruning",
        "02_magnitude_pruning",
        "Magnitude pruning with s = 1 in every layer: seven of ten weights fall and gzip needs "
        "a third of the bytes, but more than 25 points of accuracy are lost.",
        lambda: pruning_scenes.pruned("fashion_cnn", "dense1", 1.0),
        pruning.draw_magnitude_pruning,
        pruning.alt_magnitude_pruning,
        lecture="Sparse models are easier to compress",
        claim=pruning.claim_magnitude_pruning,
    ),
    Entry(
        "fig-pruning-sensitivity",
        "02_magnitude_pruning",
        "Layers differ in how much pruning they bear: without 80 % of its weights, the last layer "
        "costs the most accuracy, each of the two large ones in the middle the least.",
        lambda: pruning_scenes.sensitivity("fashion_cnn"),
        pruning.draw_sensitivity,
        pruning.alt_sensitivity,
        lecture="λ = s * σ_l where σ_l is the std of layer l as measured on the dense model",
        claim=pruning.claim_sensitivity,
    ),
    Entry(
        "fig-pruning-budget",
        "02_magnitude_pruning",
        "One threshold per layer: of the choices that remove as much as this one, the best is "
        "right on four of five images, the worst on fewer than one in twenty.",
        lambda: pruning_scenes.budget(conv1=0.0, conv2=0.5, dense1=1.5, dense2=0.5),
        pruning.draw_budget,
        pruning.alt_budget,
        lecture="λ = s * σ_l where σ_l is the std of layer l as measured on the dense model",
        claim=pruning.claim_budget,
    ),
    Entry(
        "fig-float32-fields",
        "05_floating_point",
        "The number 0.1 in five formats: none holds it exactly, and the fewer fraction bits a "
        "format has, the farther off it is.",
        lambda: float_scenes.number(0x3DCCCCCD),
        floats.draw_number,
        floats.alt_number,
        lecture="Single Precision IEEE 754 Floating-Point Standard",
        claim=floats.claim_number,
    ),
    Entry(
        "fig-float-gaps",
        "05_floating_point",
        "Exponent bits buy range, fraction bits precision: the relative distance between "
        "neighbouring numbers.",
        lambda: float_scenes.gaps("fashion_cnn"),
        floats.draw_gaps,
        floats.alt_gaps,
        lecture="Single Precision IEEE 754 Floating-Point Standard",
        claim=floats.claim_gaps,
    ),
    Entry(
        "fig-float-formats",
        "05_floating_point",
        "A real layer in an 8-bit float: 51,200 weights land on fewer than a hundred numbers, "
        "and each moves by at most a sixteenth of itself, except in the subnormal range.",
        lambda: float_scenes.weights("fashion_cnn", "dense1")[3],
        floats.draw_weights,
        floats.alt_weights,
        lecture="Single Precision IEEE 754 Floating-Point Standard",
        claim=floats.claim_weights,
    ),
    Entry(
        "fig-reduced-float",
        "05_floating_point",
        "Sixteen bits of float cost no network any accuracy that can be measured; eight bits "
        "with two of fraction cost two of the four more than a point.",
        lambda: float_scenes.reduced()[2],
        floats.draw_reduced,
        floats.alt_reduced,
        lecture="Negligible accuracy loss",
        claim=floats.claim_reduced,
    ),
    Entry(
        "fig-cross-terms",
        "07_integer_arithmetic",
        "One output of a dense layer in integers: with Z2 = 0 two terms vanish, and the largest "
        "of the others is known before the input.",
        lambda: integer_scenes.terms(),
        integers.draw_terms,
        integers.alt_terms,
        lecture="Only integer computations",
        claim=integers.claim_terms,
    ),
    Entry(
        "fig-requantization",
        "07_integer_arithmetic",
        "An int32 sum becomes an int8 code with a multiplier and a shift: rounding is off by "
        "half a step at most, cutting the fraction off by nearly a whole one; most sums saturate.",
        lambda: integer_scenes.requantization(0.0065, 2, 0, 18),
        integers.draw_requantization,
        integers.alt_requantization,
        lecture="Only integer computations",
        claim=integers.claim_requantization,
    ),
    Entry(
        "fig-integer-trace",
        "07_integer_arithmetic",
        "A layer of the int8 network for one image: nearly all values within one step of the float "
        "network's, none beyond three, and both networks give the same answer.",
        lambda: integer_scenes.trace(12, "conv2"),
        integers.draw_trace,
        integers.alt_trace,
        lecture="Only integer computations",
        claim=integers.claim_trace,
    ),
    Entry(
        "fig-kernels-differ",
        "07_integer_arithmetic",
        "Given the same codes, LiteRT's reference kernels differ from TFLM's in the dense layers "
        "only, in at most one value of a thousand; XNNPACK's differ at least as often.",
        lambda: integer_scenes.kernels(),
        integers.draw_kernels,
        integers.alt_kernels,
        lecture="Weights and inputs use the same int8—mimic int8 MAC",
        claim=integers.claim_kernels,
    ),
    Entry(
        "fig-affine-mapping",
        "06_float_to_int8",
        "Equally spaced real numbers have a code each, and one of them is exactly zero; every "
        "other number takes the nearest code.",
        lambda: quantization_scenes.affine_mapping(-0.6, 1.5, 3, False, 0.8),
        quantization.draw_affine_mapping,
        quantization.alt_affine_mapping,
        lecture="Reconstructed 32-bit float values",
        claim=quantization.claim_affine_mapping,
    ),
    Entry(
        "fig-quantization-error",
        "06_float_to_int8",
        "A layer in 4 bits: nothing is clipped, so that no error is larger than half a step.",
        lambda: quantization_scenes.mapping(("fashion_cnn", "dense1", "weights"), 4),
        quantization.draw_mapping,
        quantization.alt_mapping,
        lecture="Reconstructed 32-bit float values",
        claim=quantization.claim_mapping,
    ),
    Entry(
        "fig-sqnr",
        "06_float_to_int8",
        "Each bit is worth 6.02 dB; how the range fits the values decides the rest, which is "
        "more than a bit.",
        quantization_scenes.signals,
        quantization.draw_sqnr,
        quantization.alt_sqnr,
        lecture="transforming an ML program into an approximated representation with available "
        "lower precision operations",
        claim=quantization.claim_sqnr,
    ),
    Entry(
        "fig-per-channel",
        "06_float_to_int8",
        "A scale for each channel helps every layer, and most where batch normalization was "
        "folded into depthwise weights.",
        quantization_scenes.efficientnet_lite0,
        quantization.draw_channels,
        quantization.alt_channels,
        lecture="8-bit integer weights",
        claim=quantization.claim_channels,
    ),
    Entry(
        "fig-quantization-bits",
        "06_float_to_int8",
        "Weights in 8 bits cost no network half a point of accuracy; in 4 bits a depthwise "
        "network needs a scale for each channel.",
        quantization_scenes.bit_curves,
        quantization.draw_bit_curves,
        quantization.alt_bit_curves,
        lecture="8-bit integer parameters means 4x smaller model",
        claim=quantization.claim_bit_curves,
    ),
    Entry(
        "fig-calibration",
        "06_float_to_int8",
        "Calibration forgives ten inputs instead of all and even a single class, but not noise,"
        " nor inputs on another scale than at inference.",
        lambda: quantization_scenes.calibration("fashion_cnn", "100 inputs", "min-max", 8, "conv1"),
        quantization.draw_calibration,
        quantization.alt_calibration,
        lecture="Unlabeled data",
        claim=quantization.claim_calibration,
    ),
    Entry(
        "fig-calibration-draws",
        "06_float_to_int8",
        "How many inputs to calibrate on: for 8 bits any ten serve as well as a thousand, one "
        "alone may not; for 4 bits any thousand serve worse than any ten.",
        lambda: quantization_scenes.draws("fashion_cnn"),
        quantization.draw_draws,
        quantization.alt_draws,
        lecture="Unlabeled data",
        claim=quantization.claim_draws,
    ),
    Entry(
        "fig-techniques",
        "08_post_training_quantization",
        "Five files of one network: int8 has kernels four times smaller, loses no accuracy that "
        "can be shown, and is the only one that runs everywhere.",
        lambda: technique_scenes.techniques("fashion_cnn")[3],
        techniques.draw_techniques,
        techniques.alt_techniques,
        lecture="Accuracy ≤ hybrid",
        claim=techniques.claim_techniques,
    ),
    Entry(
        "fig-int8-granularity",
        "08_post_training_quantization",
        "With eight bits, one scale for a whole kernel costs no accuracy that can be shown.",
        lambda: technique_scenes.granularity(),
        techniques.draw_granularity,
        techniques.alt_granularity,
        lecture="8-bit integer weights",
        claim=techniques.claim_granularity,
    ),
    Entry(
        "fig-layer-errors",
        "08_post_training_quantization",
        "One kernel rounded at a time, to 4 bits: a single depthwise layer costs over ten points, "
        "no other does, and all together cost more than the sum.",
        lambda: technique_scenes.layer_errors("fashion_dscnn")[4],
        techniques.draw_layer_errors,
        techniques.alt_layer_errors,
        lecture="8-bit integer weights",
        claim=techniques.claim_layer_errors,
    ),
    Entry(
        "fig-straight-through",
        "09_quantization_aware_training",
        "The true slope of a staircase is zero and the weight stays; the straight-through "
        "estimator walks it to the target.",
        lambda: training_aware_scenes.descent(3)[20],
        training_aware.draw_descent,
        training_aware.alt_descent,
        lecture='Allow the training phase to recover the error "naturally"',
        claim=training_aware.claim_descent,
    ),
    Entry(
        "fig-fake-quantization",
        "09_quantization_aware_training",
        "Quantization-aware training mimics the inference path: input and output of the layer are "
        "rounded between 0 and 6, the kernel to 4 bits.",
        lambda: training_aware_scenes.graph(),
        training_aware.draw_graph,
        training_aware.alt_graph,
        lecture="Mimic the inference path during the training phase",
        claim=training_aware.claim_graph,
    ),
    Entry(
        "fig-ptq-qat",
        "09_quantization_aware_training",
        "Eight bits need no training; in four bits training wins back over 40 of the points lost, "
        "not all; two bits are a guess either way.",
        lambda: training_aware_scenes.bits_results(),
        training_aware.draw_bits,
        training_aware.alt_bits,
        lecture="Accuracy ≥ integer",
        claim=training_aware.claim_bits,
    ),
    Entry(
        "fig-activation-lifetimes",
        "11_tflite_micro_export",
        "Activations share their bytes: no operator of this network needs more than two at once, "
        "and the largest pair is what TFLM takes for activations, less than a third of them all.",
        lambda: micro_scenes.lifetimes("fashion_dscnn")[2],
        micro.draw_lifetimes,
        micro.alt_lifetimes,
        lecture="Smaller models use less RAM when they are run",
        claim=micro.claim_lifetimes,
    ),
    Entry(
        "fig-board-budget",
        "11_tflite_micro_export",
        "The Watch network in int8 on the Arduino Nano 33 BLE: with TFLM it takes less than a "
        "tenth of the flash and of the RAM.",
        lambda: micro_scenes.budget("Arduino Nano 33 BLE", "watch_cnn", "int8"),
        micro.draw_budget,
        micro.alt_budget,
        lecture="The Arduino Nano 33 BLE only has 256KB of RAM (memory) and 1MB of Flash (storage)",
        claim=micro.claim_budget,
    ),
    Entry(
        "fig-board-fits",
        "11_tflite_micro_export",
        "Which file fits which board: TFLM refuses float16 and dynamic range; no file fits the "
        "8-bit board; on the others, all the rest fit but LeNet in float32 where the flash is "
        "1 MiB or less.",
        micro_scenes.fits,
        micro.draw_fits,
        micro.alt_fits,
        lecture="Sacrifice portability across systems for efficiency",
        claim=micro.claim_fits,
    ),
    Entry(
        "fig-synapses-neurons",
        "03_structured_pruning",
        "Half of the connections pruned cost two points of accuracy, half of the hidden units more "
        "than fifteen, though about as many weights are left.",
        lambda: structured_scenes.connections()[10],
        structured_pruning.draw_connections,
        structured_pruning.alt_connections,
        lecture="Pruning synapses, pruning neurons",
        claim=structured_pruning.claim_connections,
    ),
    Entry(
        "fig-two-by-four-axis",
        "03_structured_pruning",
        "2 by 4 along the wrong axis keeps as much of the weights as along the right one, but a "
        "third of the groups that hardware multiplies at once break the pattern.",
        lambda: structured_scenes.pattern(along="outputs"),
        structured_pruning.draw_pattern,
        structured_pruning.alt_pattern,
        lecture="Structured Sparse Accuracy (2 by 4 pattern)",
        claim=structured_pruning.claim_pattern,
    ),
    Entry(
        "fig-sparse-bytes",
        "03_structured_pruning",
        "With half of the weights zero, no format saves half of the bytes: it must also say where "
        "the others belong.",
        lambda: structured_scenes.storage()[2],
        structured_pruning.draw_storage,
        structured_pruning.alt_storage,
        lecture="Sparse models are easier to compress",
        claim=structured_pruning.claim_storage,
    ),
    Entry(
        "fig-fine-tuning",
        "03_structured_pruning",
        "With a tenth of its weights a network comes close to the dense one if it trains on, "
        "pruned gradually or at once; without training it loses more than 50 points.",
        lambda: structured_scenes.fine_tuned("lenet_300_100", "trained on, or not"),
        structured_pruning.draw_fine_tuned,
        structured_pruning.alt_fine_tuned,
        lecture="Neural network pruning techniques can reduce the parameter counts of trained "
        "networks by over 90%",
        claim=structured_pruning.claim_fine_tuned,
    ),
    Entry(
        "fig-global-threshold",
        "03_structured_pruning",
        "One threshold for all layers spares the small first and last ones; at 90 % it is more "
        "than five points ahead of the same sparsity in every layer.",
        lambda: structured_scenes.fine_tuned("fashion_cnn", "per layer, or globally"),
        structured_pruning.draw_fine_tuned,
        structured_pruning.alt_fine_tuned,
        lecture="λ = s * σ_l where σ_l is the std of layer l as measured on the dense model",
        claim=structured_pruning.claim_global,
    ),
    Entry(
        "fig-channel-removal",
        "03_structured_pruning",
        "With half of its channels removed a network computes less than a third, and trained on "
        "it loses less than two points.",
        lambda: structured_scenes.channels()[2],
        structured_pruning.draw_channels,
        structured_pruning.alt_channels,
        lecture="Pruning synapses, pruning neurons",
        claim=structured_pruning.claim_channels,
    ),
    Entry(
        "fig-two-by-four",
        "03_structured_pruning",
        "2 by 4 costs a depthwise network about half a point more than half of the weights "
        "anywhere, as it cost the lecture's; a network with weights to spare hardly notices.",
        lambda: structured_scenes.two_by_four(),
        structured_pruning.draw_two_by_four,
        structured_pruning.alt_two_by_four,
        lecture="Structured Sparse Accuracy (2 by 4 pattern)",
        claim=structured_pruning.claim_two_by_four,
    ),
    Entry(
        "fig-sparse-time",
        "03_structured_pruning",
        "Zeros wherever they are buy no time in LiteRT, up to 95 % of them; in blocks of four they "
        "pay from about three quarters on and pass the lecture's 6 times; in another network, "
        "fewer channels pay from the first step measured, two fifths of the work.",
        lambda: structured_scenes.speed(),
        structured_pruning.draw_speed,
        structured_pruning.alt_speed,
        lecture="We can skip the zeroes during inference for latency improvements",
        claim=structured_pruning.claim_speed,
    ),
    Entry(
        "fig-pruning-loss",
        "03_structured_pruning",
        "What is bearable depends on the task: at 80 % sparsity translation loses nothing, while "
        "an image classifier at 75 % has lost more than translation at 85 %.",
        lambda: structured_scenes.lecture_points() + structured_scenes.loss_points(),
        structured_pruning.draw_loss,
        structured_pruning.alt_loss,
        lecture="Sparse BLEU",
        claim=structured_pruning.claim_loss,
    ),
)


def find(ids: list[str]) -> list[Entry]:
    """Return the entries of these ids, all of them if none is given.

    Raises KeyError naming the nearest id for one that does not exist.
    """
    entries = {entry.id: entry for entry in ENTRIES}
    for id in ids:
        if id not in entries:
            nearest = difflib.get_close_matches(id, entries, n=3, cutoff=0)
            raise KeyError(f"There is no figure {id}. Did you mean {' or '.join(nearest)}?")
    return [entries[id] for id in ids] if ids else list(ENTRIES)
