"""The book's figures: each with an id that never changes, a caption, and how to draw it.

    python lab.py figures                       # all
    python lab.py figures fig-magnitude-mask    # some

A figure is drawn by the same `draw_*` function that the notebook's explorer moves.
"""

from __future__ import annotations

import argparse
import difflib
import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from course_utils import data, style
from course_utils.figures import (
    boards,
    floats,
    integers,
    pruning,
    quantization,
    techniques,
    training_aware,
    weights,
)
from course_utils.scenes import boards as board_scenes
from course_utils.scenes import floats as float_scenes
from course_utils.scenes import integers as integer_scenes
from course_utils.scenes import pruning as pruning_scenes
from course_utils.scenes import quantization as quantization_scenes
from course_utils.scenes import techniques as technique_scenes
from course_utils.scenes import training_aware as training_aware_scenes
from course_utils.scenes import weights as weight_scenes

FOLDER = Path(__file__).resolve().parents[2] / "figures"


@dataclass(frozen=True)
class Entry:
    """One figure of the book.

    scene returns the data, draw makes the Figure from it, alt says in a sentence what it shows.
    """

    id: str
    notebook: str
    caption: str
    scene: Callable[[], Any]
    draw: Callable[[Any], Figure]
    alt: Callable[[Any], str]


def _pruned(s):
    sweep = pruning_scenes.pruning_sweep("fashion_cnn")
    return pruning_scenes.pruned_states(sweep, "dense1")[round(s * 20)]


ENTRIES = (
    Entry(
        "fig-boards",
        "00_start_here",
        "A network must fit twice: its weights in flash, its activations in RAM.",
        lambda: board_scenes.fit("fashion_cnn", 8),
        boards.draw_fit,
        boards.alt_fit,
    ),
    Entry(
        "fig-weight-distribution",
        "01_weight_distributions",
        "Most weights of a trained layer lie near its mean; a few lie far out.",
        lambda: weight_scenes.efficientnet_lite0()._replace(chosen=30, log=True),
        weights.draw_distribution,
        weights.alt_distribution,
    ),
    Entry(
        "fig-weight-exponents",
        "01_weight_distributions",
        "Nearly all weights of a network share a few of float32's 256 exponents.",
        lambda: weight_scenes.exponents(weight_scenes.efficientnet_lite0()),
        weights.draw_exponents,
        weights.alt_exponents,
    ),
    Entry(
        "fig-magnitude-pruning",
        "02_magnitude_pruning",
        "Magnitude pruning with one s for all layers: the weights that fall, the mask, and what "
        "it costs and saves.",
        lambda: _pruned(1.0),
        pruning.draw_magnitude_pruning,
        pruning.alt_magnitude_pruning,
    ),
    Entry(
        "fig-pruning-sensitivity",
        "02_magnitude_pruning",
        "Layers differ in how much pruning they bear.",
        lambda: pruning_scenes.sensitivity("fashion_cnn"),
        pruning.draw_sensitivity,
        pruning.alt_sensitivity,
    ),
    Entry(
        "fig-pruning-budget",
        "02_magnitude_pruning",
        "One threshold per layer: the same sparsity can cost little or nearly everything.",
        lambda: pruning_scenes.budget(conv1=0.0, conv2=0.5, dense1=1.5, dense2=0.5),
        pruning.draw_budget,
        pruning.alt_budget,
    ),
    Entry(
        "fig-float32-fields",
        "05_floating_point",
        "The number 0.1 in five formats: sign, exponent and fraction, and what rounding makes of "
        "it.",
        lambda: float_scenes.number(0x3DCCCCCD),
        floats.draw_number,
        floats.alt_number,
    ),
    Entry(
        "fig-float-gaps",
        "05_floating_point",
        "Exponent bits buy range, fraction bits precision: the relative distance between "
        "neighbouring numbers.",
        lambda: float_scenes.gaps("fashion_cnn"),
        floats.draw_gaps,
        floats.alt_gaps,
    ),
    Entry(
        "fig-float-formats",
        "05_floating_point",
        "Where a real layer's weights land among the numbers of an 8-bit float, and how far each "
        "one moves.",
        lambda: float_scenes.weights("fashion_cnn", "dense1")[3],
        floats.draw_weights,
        floats.alt_weights,
    ),
    Entry(
        "fig-reduced-float",
        "05_floating_point",
        "Sixteen bits of float cost no accuracy that can be measured; eight bits, without a "
        "scale, do.",
        lambda: float_scenes.reduced()[2],
        floats.draw_reduced,
        floats.alt_reduced,
    ),
    Entry(
        "fig-cross-terms",
        "07_integer_arithmetic",
        "One output of a dense layer in integers: of the five terms only one has to wait for the "
        "input.",
        lambda: integer_scenes.terms(),
        integers.draw_terms,
        integers.alt_terms,
    ),
    Entry(
        "fig-requantization",
        "07_integer_arithmetic",
        "An int32 sum becomes an int8 code with a multiplier and a shift: rounded, moved to the "
        "zero point, saturated.",
        lambda: integer_scenes.requantization(0.0065, 2, 0, 18),
        integers.draw_requantization,
        integers.alt_requantization,
    ),
    Entry(
        "fig-integer-trace",
        "07_integer_arithmetic",
        "A layer of the int8 network for one image: its codes, and how far they are from the "
        "float network's activations.",
        lambda: integer_scenes.trace(12, "conv2"),
        integers.draw_trace,
        integers.alt_trace,
    ),
    Entry(
        "fig-kernels-differ",
        "07_integer_arithmetic",
        "Given the same codes, LiteRT's kernels differ from TFLM's where they round once instead "
        "of twice.",
        lambda: integer_scenes.kernels(),
        integers.draw_kernels,
        integers.alt_kernels,
    ),
    Entry(
        "fig-affine-mapping",
        "06_float_to_int8",
        "Equally spaced real numbers have a code each, and one of them is exactly zero.",
        lambda: quantization_scenes.affine_mapping(-0.6, 1.5, 3, False, 0.75),
        quantization.draw_affine_mapping,
        quantization.alt_affine_mapping,
    ),
    Entry(
        "fig-quantization-error",
        "06_float_to_int8",
        "A layer in 4 bits: nothing is clipped, so that no error is larger than half a step.",
        lambda: quantization_scenes.mapping(("fashion_cnn", "dense1", "weights"), 4),
        quantization.draw_mapping,
        quantization.alt_mapping,
    ),
    Entry(
        "fig-sqnr",
        "06_float_to_int8",
        "Each bit is worth 6.02 dB; how the range fits the values decides the rest.",
        quantization_scenes.signals,
        quantization.draw_sqnr,
        quantization.alt_sqnr,
    ),
    Entry(
        "fig-per-channel",
        "06_float_to_int8",
        "A scale for each channel is worth most where batch normalization was folded into "
        "depthwise weights.",
        quantization_scenes.efficientnet_lite0,
        quantization.draw_channels,
        quantization.alt_channels,
    ),
    Entry(
        "fig-quantization-bits",
        "06_float_to_int8",
        "Weights in 8 bits cost next to nothing; in 4 bits a depthwise network needs a scale for "
        "each channel.",
        quantization_scenes.bit_curves,
        quantization.draw_bit_curves,
        quantization.alt_bit_curves,
    ),
    Entry(
        "fig-calibration",
        "06_float_to_int8",
        "Calibration forgives a lot, but not inputs on another scale than at inference.",
        lambda: quantization_scenes.calibration("fashion_cnn", "100 inputs", "min-max", 8, "conv1"),
        quantization.draw_calibration,
        quantization.alt_calibration,
    ),
    Entry(
        "fig-calibration-draws",
        "06_float_to_int8",
        "How many inputs to calibrate on, and which: ten draws of each.",
        lambda: quantization_scenes.draws("fashion_cnn"),
        quantization.draw_draws,
        quantization.alt_draws,
    ),
    Entry(
        "fig-techniques",
        "08_post_training_quantization",
        "Five files of one network: where their bytes are, what they lose, where they run.",
        lambda: technique_scenes.techniques("fashion_cnn")[3],
        techniques.draw_techniques,
        techniques.alt_techniques,
    ),
    Entry(
        "fig-int8-granularity",
        "08_post_training_quantization",
        "With eight bits, one scale for a whole kernel costs no accuracy that can be shown.",
        lambda: technique_scenes.granularity(),
        techniques.draw_granularity,
        techniques.alt_granularity,
    ),
    Entry(
        "fig-layer-errors",
        "08_post_training_quantization",
        "Layers differ in how few bits they bear: one kernel rounded at a time, to 4 bits.",
        lambda: technique_scenes.layer_errors("fashion_dscnn")[4],
        techniques.draw_layer_errors,
        techniques.alt_layer_errors,
    ),
    Entry(
        "fig-straight-through",
        "09_quantization_aware_training",
        "The slope of a staircase is zero; the straight-through estimator walks it all the same.",
        lambda: training_aware_scenes.descent(3)[20],
        training_aware.draw_descent,
        training_aware.alt_descent,
    ),
    Entry(
        "fig-fake-quantization",
        "09_quantization_aware_training",
        "Quantization-aware training mimics the inference path: where the rounding sits.",
        lambda: training_aware_scenes.graph(),
        training_aware.draw_graph,
        training_aware.alt_graph,
    ),
    Entry(
        "fig-ptq-qat",
        "09_quantization_aware_training",
        "Eight bits need no training, four bits are repaired by it, two bits by neither.",
        lambda: training_aware_scenes.bits_results(),
        training_aware.draw_bits,
        training_aware.alt_bits,
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


def write(entry: Entry, folder: Path = FOLDER) -> dict[str, str]:
    """Write a figure as SVG, PDF and PNG, byte for byte the same at every run.

    Returns what the manifest says of it: id, notebook, caption, alt text.
    """
    scene = entry.scene()
    figure = entry.draw(scene)
    style.freeze_layout(figure)
    for suffix, metadata in (("svg", {"Date": None}), ("pdf", {"CreationDate": None}),
                             ("png", {"Software": None})):  # fmt: skip
        buffer = io.BytesIO()
        # Fonts travel with the file, and nothing in it depends on the clock or on chance.
        with style.rc(), mpl.rc_context({"svg.hashsalt": entry.id, "pdf.fonttype": 42}):
            figure.savefig(buffer, format=suffix, metadata=metadata)
        data.write_atomically(folder / f"{entry.id}.{suffix}", buffer.getvalue())
    return {
        "id": entry.id,
        "notebook": entry.notebook,
        "caption": entry.caption,
        "alt": entry.alt(scene),
    }


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="lab.py figures", description="Write the book's figures.")
    parser.add_argument("ids", nargs="*", metavar="ID", help="which ones; all unless told")
    ids = parser.parse_args(arguments).ids
    try:
        entries = find(ids)
        manifest = FOLDER / "manifest.json"
        told = {}
        if ids and manifest.exists():
            told = {row["id"]: row for row in json.loads(manifest.read_text(encoding="utf-8"))}
        for entry in entries:
            told[entry.id] = write(entry)
            print(f"figures/{entry.id}.svg .pdf .png", flush=True)
        rows = [told[entry.id] for entry in ENTRIES if entry.id in told]
        text = json.dumps(rows, indent=1, ensure_ascii=False) + "\n"
        data.write_atomically(manifest, text.encode())
    except KeyError as error:
        print(error.args[0], file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0
