"""Networks converted five ways, layer by layer, per tensor and per channel (notebook 08)."""

from __future__ import annotations

from functools import cache

import numpy as np

from course_utils.engines import float_engine, layer_specs
from course_utils.engines import simulated_quantization as simulated
from course_utils.labs.post_training_quantization.figures import (
    Granularity,
    LayerErrors,
    Technique,
    Techniques,
)
from course_utils.machines import data, evaluation, models
from course_utils.numbers import intervals
from course_utils.views import checks

NETWORKS = ("fashion_cnn", "fashion_dscnn", "watch_cnn")
MODES = ("float32", "float16", "dynamic", "int8", "int16x8")
CALLED = {
    "float32": "no quantization",
    "float16": "reduced float",
    "dynamic": "hybrid quantization",
    "int8": "integer quantization",
    "int16x8": "integer quantization, 16-bit activations",
}
NEEDS = {
    "float32": "no data",
    "float16": "no data",
    "dynamic": "no data",
    "int8": "a few hundred unlabelled inputs (here 500)",
    "int16x8": "a few hundred unlabelled inputs (here 500)",
}
SELECTIVE_BITS = 4
SELECTIVE_NETWORK = "fashion_dscnn"
SELECTIVE_IMAGES = 1000  # validation images on which a layer is chosen


# --- five techniques ------------------------------------------------------------------------


def techniques(network: str) -> list[Techniques]:
    """One state a technique, as recorded: accuracies by LiteRT's reference kernels."""
    record = data.result("techniques").record["networks"][network]
    rows = tuple(_technique(mode, record[mode]) for mode in MODES)
    total = record["float32"]["reference"]["n"]
    return [Techniques(network, total, rows, chosen) for chosen in range(len(MODES))]


def _technique(mode, row):
    counted = row["reference"]
    low, high = counted["loss_interval_95"]
    return Technique(
        mode=mode,
        called=CALLED[mode],
        size={key: value for key, value in row["size"].items() if key != "parts"},
        correct=counted["correct"],
        interval=tuple(counted["interval_95"]),
        loss=100 * (counted["newly_wrong"] - counted["newly_right"]) / counted["n"],
        loss_interval=(100 * low, 100 * high),
        newly_wrong=counted["newly_wrong"],
        newly_right=counted["newly_right"],
        p_value=counted["p_value"],
        runs={name: runs for name, (runs, _) in row["runs"].items()},
        needs=NEEDS[mode],
    )


def file_ratio(network: str, mode: str = "int8") -> float:
    """How many times smaller the file is than the float32 one."""
    record = data.result("techniques").record["networks"][network]
    return record["float32"]["size"]["file"] / record[mode]["size"]["file"]


def refusals(network: str) -> dict[str, str]:
    """What TFLM said of the modes that it does not run."""
    record = data.result("techniques").record["networks"][network]
    said = {mode: record[mode]["runs"]["TFLM"] for mode in MODES}
    return {mode: words for mode, (runs, words) in said.items() if not runs}


def runs_on_tflm(network: str) -> set[str]:
    """The modes that TFLM ran when it was tried."""
    return set(MODES) - set(refusals(network))


def paired(network: str, before: str, after: str) -> evaluation.Comparison:
    """Two modes of a network on the same test inputs, by the reference kernels."""
    result = data.result("techniques")
    n = result.record["networks"][network]["float32"]["reference"]["n"]
    right = (np.unpackbits(result.arrays[f"{network}/{mode}/reference"], count=n)
             for mode in (before, after))  # fmt: skip
    return evaluation.compare(*map(evaluation.count, right))


# --- per tensor, per channel ----------------------------------------------------------------


def granularity() -> Granularity:
    """int8 with one scale a tensor and one a channel, as recorded."""
    total, correct, interval, loss = {}, {}, {}, {}
    for network, rows in data.result("per_channel").record["networks"].items():
        counted = {how: row["reference"] for how, row in rows.items()}
        total[network] = counted["float32"]["n"]
        correct[network] = {how: row["correct"] for how, row in counted.items()}
        interval[network] = {how: tuple(row["interval_95"]) for how, row in counted.items()}
        loss[network] = {
            how: tuple(100 * v for v in (
                (row["newly_wrong"] - row["newly_right"]) / row["n"], *row["loss_interval_95"]
            ))
            for how, row in counted.items() if how != "float32"
        }  # fmt: skip
    return Granularity(total, correct, interval, loss)


def per_tensor_costs(network: str) -> evaluation.Comparison:
    """int8 per tensor against int8 per channel on the same test inputs, as recorded."""
    result = data.result("per_channel")
    n = result.record["networks"][network]["float32"]["reference"]["n"]
    right = (np.unpackbits(result.arrays[f"{network}/{how}/reference"], count=n)
             for how in ("per channel", "per tensor"))  # fmt: skip
    return evaluation.compare(*map(evaluation.count, right))


def smaller_per_tensor(network: str) -> checks.Measured:
    """By how many percent the int8 file is smaller with one scale for each kernel; recorded."""
    rows = data.result("per_channel").record["networks"][network]
    files = {how: row["size"]["file"] for how, row in rows.items()}
    return checks.Measured(100 * (1 - files["per tensor"] / files["per channel"]), unit="%")


def granularity_table() -> str:
    """Bytes of the int8 files with one scale a channel and one a kernel, as text; recorded."""
    lines = [f"{'bytes':35}{'file':>8}{'kernels':>10}{'biases':>9}{'the rest':>10}"]
    for network, rows in data.result("per_channel").record["networks"].items():
        for how in ("per channel", "per tensor"):
            size = rows[how]["size"]
            lines.append(f"{network:15}{how:20}{size['file']:8,}{size['kernels']:10,}"
                         f"{size['biases']:9,}{size['rest']:10,}")  # fmt: skip
    return "\n".join(lines)


def bytes_table(size: evaluation.Size) -> str:
    """Where the bytes of a file are, part by part, as text."""
    lines = [
        f"{part.layer:15} {part.kind:7} {part.type:6} {part.shape!s:15} {part.bytes:7,}"
        for part in size.parts
        if part.kind != "other"  # a shape, counted with the rest
    ]
    return "\n".join([
        *lines,
        f"{'operators, names, scales':47} {size.rest:7,}",
        f"{'the whole file':47} {size.file:7,}   (gzip: {size.gzip:,})",
    ])  # fmt: skip


# --- layer by layer -------------------------------------------------------------------------


def layer_errors(network: str) -> list[LayerErrors]:
    """One state a number of bits (8 to 2): each layer rounded alone, one scale a kernel."""
    record = data.result("quantization_sweep").record
    rows = record["networks"][network]
    by_layer = rows["weights"]["per tensor, symmetric"]
    total = rows["n"]["validation"]
    losses = {}
    for position, bits in enumerate(record["bits"]):
        if bits <= 8:
            losses[bits] = {
                layer: _points(counts, position, total) for layer, counts in by_layer.items()
            }
    reach = max(high for loss in losses.values() for layer, (_, _, high) in loss.items()
                if layer != "all")  # fmt: skip
    return [
        LayerErrors(
            network, bits, total, rows["float32"]["validation"],
            {layer: values for layer, values in losses[bits].items() if layer != "all"},
            losses[bits]["all"][0], reach,
        )
        for bits in sorted(losses, reverse=True)
    ]  # fmt: skip


def _points(counts, position, total):
    wrong, right = (counts[key]["validation"][position] for key in ("newly_wrong", "newly_right"))
    low, high = intervals.paired_difference(wrong, right, total)
    return 100 * (wrong - right) / total, 100 * low, 100 * high


@cache
def left_in_float(layer: str | None) -> float:
    """Validation accuracy, in percent, with all kernels in 4 bits per tensor but one layer's.

    None: all are rounded. Measured here, on the first 1,000 validation images.
    Raises ValueError for a layer that the network does not have.
    """
    layers, weights = _folded()
    names = layers_of(SELECTIVE_NETWORK)
    if layer is not None and layer not in names:
        raise ValueError(f"{SELECTIVE_NETWORK} has the layers {', '.join(names)}, not {layer!r}.")
    rounded = simulated.quantize_kernels(
        layers, weights, SELECTIVE_BITS, "per tensor, symmetric",
        only=[name for name in names if name != layer],
    )  # fmt: skip
    dataset = data.load(models.DATASETS[SELECTIVE_NETWORK])
    x, y = (part[:SELECTIVE_IMAGES] for part in (dataset.x_validation, dataset.y_validation))
    return 100 * float((float_engine.predict(layers, rounded, x) == y).mean())


@cache
def _folded():
    checkpoint = data.checkpoint(SELECTIVE_NETWORK)
    return simulated.fold_batch_norm(checkpoint.layers, checkpoint.weights)


def layers_of(network: str) -> list[str]:
    """The layers of a network that have a kernel."""
    return [layer_specs.layer_of(kernel) for kernel in layer_specs.kernel_names(
        data.checkpoint(network).layers)]  # fmt: skip


def sizes(network: str) -> dict[str, int]:
    """{layer: weights of its kernel}, in the network's order."""
    weights = data.checkpoint(network).weights
    return {layer: weights[f"{layer}/kernel"].size for layer in layers_of(network)}


# --- beside the lecture ---------------------------------------------------------------------


def beside_lecture(network: str = "fashion_cnn") -> list[checks.Row]:
    """The lecture's words on size and accuracy beside the recorded measurements."""
    rows = {row.mode: row for row in techniques(network)[0].rows}
    base = rows["float32"]

    def smaller(mode, part):
        return base.size[part] / rows[mode].size[part]

    def lost(mode):
        row = rows[mode]
        return checks.Measured(row.loss, *row.loss_interval, "points lost", None)

    ahead = paired(network, "dynamic", "int8")
    return [
        checks.Row(
            "kernels, float16", "2x reduction in model parameters", smaller("float16", "kernels"),
            topic="Reduced float", claim=2.0,
        ),
        checks.Row(
            "kernels, int8", "4x reduction in model parameters", smaller("int8", "kernels"),
            topic="Integer quantization", claim=4.0,
        ),
        checks.Row(
            "file, int8", "8-bit integer parameters means 4x smaller model",
            round(smaller("int8", "file"), 2), topic="Why do we Quantize?", claim=4.0,
            why="The kernels are exactly 4 times smaller. Biases stay 32-bit, and a scale for "
            "every channel, the operators and the names come on top.",
        ),
        checks.Row(
            "accuracy, float16", "Negligible loss", lost("float16"), topic="Technique table",
            claim=bool(rows["float16"].loss_interval[1] < 0.1),
        ),
        checks.Row(
            "accuracy, hybrid", "Small loss (≤ float16)", lost("dynamic"), topic="Technique table",
            claim=bool(rows["dynamic"].loss_interval[1] < 0.5),
        ),
        checks.Row(
            "accuracy, int8 against hybrid", "Accuracy ≤ hybrid",
            checks.Measured(100 * ahead.loss, *(100 * end for end in ahead.interval),
                            "points lost", None),
            topic="Technique table", claim=None,
            why="Neither is shown to be better: the interval of the paired difference holds zero.",
        ),
    ]  # fmt: skip
