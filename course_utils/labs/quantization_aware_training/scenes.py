"""Descent on a staircase, and PTQ against QAT as recorded (notebook 09)."""

from __future__ import annotations

from statistics import fmean

import numpy as np

from course_utils.engines import simulated_quantization as simulated
from course_utils.labs.quantization_aware_training.figures import (
    BIT_METHODS,
    BitResults,
    Descent,
    Graph,
    nearest,
)
from course_utils.machines import data
from course_utils.numbers import intervals
from course_utils.numbers.quantization import QParams, code_range, dequantize
from course_utils.views import checks

STEPS = 30
START, TARGET, LEARNING_RATE = -0.85, 0.45, 0.15
IMAGENET_IMAGES = 50_000  # the validation set that the lecture's accuracies were measured on


# --- one weight -----------------------------------------------------------------------------


def descent(bits: int) -> list[Descent]:
    """One state a step: a weight in [-1, 1] of so many bits, with and without straight-through.

    loss = (round(w) - target)^2. Its true derivative is zero almost everywhere; straight-through
    takes 2 (round(w) - target).
    """
    qmin, qmax = code_range(bits, narrow_range=True)
    qparams = QParams(1 / qmax, 0, qmin, qmax)
    codes = dequantize(np.arange(qmin, qmax + 1), qparams).astype(np.float64)
    weights = {"true gradient": [START], "straight-through": [START]}
    for _ in range(STEPS):
        rounded = float(nearest(weights["straight-through"][-1], codes))
        gradient = 2 * (rounded - TARGET)
        weights["true gradient"].append(weights["true gradient"][-1] - LEARNING_RATE * 0.0)
        weights["straight-through"].append(
            weights["straight-through"][-1] - LEARNING_RATE * gradient
        )
    weights = {name: np.array(values) for name, values in weights.items()}
    losses = {name: (nearest(w, codes) - TARGET) ** 2 for name, w in weights.items()}
    return [Descent(bits, step, TARGET, codes, weights, losses) for step in range(STEPS + 1)]


# --- the graph of one layer -----------------------------------------------------------------


def graph(network: str = "fashion_dscnn", layer: str = "depthwise2", bits: int = 4) -> Graph:
    """One layer's ranges, from the shipped weights and 100 training inputs."""
    checkpoint = data.checkpoint(network)
    layers, weights = simulated.fold_batch_norm(checkpoint.layers, checkpoint.weights)
    x = data.load("fashion_mnist").x_train[:100]
    ranges = simulated.output_ranges(layers, weights, x)
    names = list(ranges)
    spec = next(spec for spec in layers if spec["name"] == layer)
    before = names[names.index(layer) - 1]
    return Graph(
        layer, spec["op"], spec.get("activation", "no activation"),
        tuple(map(float, ranges[before])), tuple(map(float, ranges[layer])),
        float(np.abs(weights[f"{layer}/kernel"]).max()), bits,
    )  # fmt: skip


# --- recorded runs --------------------------------------------------------------------------


def bits_results(experiment: str = "qat_bits") -> BitResults:
    """The recorded test accuracies of "qat_bits" (per tensor) or "ptq_vs_qat_8bit"."""
    record = data.result(experiment).record
    total = record["n"]["test"]
    values = {
        method: {bits: [100 * c / total for c in record[method][str(bits)]["correct"]["test"]]
                 for bits in record["bits"]}
        for method in BIT_METHODS
    }  # fmt: skip
    means = {method: {bits: _over_seeds(found) for bits, found in rows.items()}
             for method, rows in values.items()}  # fmt: skip
    control = [100 * c / total for c in record["control"]["32"]["correct"]["test"]]
    return BitResults(
        record["network"], tuple(record["bits"]), len(record["seed"]), total,
        100 * record["float32"]["test"] / total, _over_seeds(control), values, means,
    )  # fmt: skip


def _over_seeds(values):
    return fmean(values), *intervals.seeds_interval(values)


def recovered(bits: int) -> checks.Measured:
    """Share, in percent, of what PTQ loses that QAT wins back; one value a seed."""
    state = bits_results()
    shares = [
        100 * (qat - ptq) / (state.float32 - ptq)
        for ptq, qat in zip(state.values["ptq"][bits], state.values["qat"][bits], strict=True)
    ]
    mean, low, high = _over_seeds(shares)
    return checks.Measured(mean, low, high, "%", state.seeds, "over seeds")


def lost(bits: int, method: str = "ptq", experiment: str = "qat_bits") -> checks.Measured:
    """Points of test accuracy that a method loses against the shipped float32 network."""
    state = bits_results(experiment)
    mean, low, high = _over_seeds([state.float32 - v for v in state.values[method][bits]])
    return checks.Measured(mean, low, high, "points", state.seeds, "over seeds")


def qat_against_ptq() -> checks.Measured:
    """Points of test accuracy by which QAT is behind PTQ at 8 bits per channel, seed by seed."""
    state = bits_results("ptq_vs_qat_8bit")
    pairs = zip(state.values["ptq"][8], state.values["qat"][8], strict=True)
    mean, low, high = _over_seeds([ptq - qat for ptq, qat in pairs])
    return checks.Measured(mean, low, high, "points", state.seeds, "over seeds")


def bits_table() -> str:
    """The recorded test accuracies by bits and method, with intervals over seeds, as text."""
    state = bits_results()
    mean, low, high = state.control
    lines = [
        f"float32 {state.float32:.2f} %; trained on in float32 {mean:.2f} % "
        f"({low:.2f} to {high:.2f})",
        "",
        "bits   PTQ                   control, then PTQ     QAT",
    ]
    for bits in state.bits:
        cells = (state.means[method][bits] for method in BIT_METHODS)
        lines.append(
            f"{bits:4}   " + "  ".join(f"{m:5.2f} ({a:5.2f} to {b:5.2f})" for m, a, b in cells)
        )
    return "\n".join(lines)


def trained_here(ptq, qat, weight_bits: int, per_channel: bool) -> str:
    """Two accuracies measured here, beside the recorded run of that kind if there is one."""
    lines = [f"rounded after training  {ptq}", f"trained with rounding   {qat}"]
    recorded = bits_results("ptq_vs_qat_8bit" if per_channel else "qat_bits").means["qat"]
    if weight_bits in recorded:
        lines.append(f"recorded, 20,000 images {recorded[weight_bits][0]:.2f}%")
    if qat.value <= ptq.value:
        lines.append("Here training with rounding has won nothing back.")
    return "\n".join(lines)


# --- the lecture's table --------------------------------------------------------------------


def lecture_differences() -> list[tuple[str, str, checks.Measured]]:
    """(network, what against what, points lost with its interval) for the lecture's table."""
    found = []
    for name, *percent in data.lecture_table("ptq_vs_qat")["rows"]:
        counts = (round(p / 100 * IMAGENET_IMAGES) for p in percent)
        correct = dict(zip(("float", "PTQ", "QAT"), counts, strict=True))
        for before, after in (("float", "PTQ"), ("float", "QAT"), ("PTQ", "QAT")):
            low, high = intervals.unpaired_difference(
                correct[before], correct[after], IMAGENET_IMAGES
            )
            loss = (correct[before] - correct[after]) / IMAGENET_IMAGES
            measured = checks.Measured(100 * loss, 100 * low, 100 * high, "points")
            found.append((name, f"{before} to {after}", measured))
    return found


def verdicts() -> str:
    """Which differences of the lecture's table are more than chance, as text."""
    lines = []
    for name, what, measured in lecture_differences():
        real = measured.low > 0 or measured.high < 0
        verdict = "a difference" if real else "could be chance"
        lines.append(f"{name:22} {what:12} lost: {measured}: {verdict}")
    return "\n".join([
        *lines, "",
        "So the table shows that MobileNet v1 loses by PTQ and that QAT repairs it, and that",
        "MobileNet v2 loses something either way (by PTQ only just). The rest could be chance.",
    ])  # fmt: skip


def beside_lecture() -> list[checks.Row]:
    """What the lecture says of quantization-aware training beside the recorded runs."""
    return [
        checks.Row(
            "8 bits, per channel: lost by QAT against PTQ",
            "Accuracy ≥ integer",
            qat_against_ptq(),
            topic="Technique table",
            claim=(-100.0, 0.0),
            why="Training on costs a little here, with rounding or without.",
        ),
        checks.Row(
            "share of the loss recovered at 4 bits",
            "Allow the training phase to recover the error “naturally”",
            recovered(4),
            topic="Quantization-aware training",
            claim=bool(recovered(4).low > 50),
        ),
    ]
