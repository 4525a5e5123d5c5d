"""Descent on a staircase, a network trained through rounding, and PTQ against QAT (notebook 09)."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from statistics import NormalDist, fmean

import numpy as np

from course_utils.engines import float_engine
from course_utils.engines import simulated_quantization as simulated
from course_utils.labs.quantization_aware_training import loop
from course_utils.labs.quantization_aware_training.figures import (
    BIT_METHODS,
    BitResults,
    Curves,
    Descent,
    Graph,
    nearest,
)
from course_utils.machines import data, evaluation
from course_utils.numbers import intervals
from course_utils.numbers.quantization import QParams, code_range, dequantize
from course_utils.views import checks, widgets
from course_utils.views.garments import Answered
from course_utils.views.tables import Table

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


# --- a network trained through rounding -----------------------------------------------------


def show_step() -> None:
    """Print the code of one training step."""
    print(inspect.getsource(loop.step), end="")


def train(fake_quantize: Callable, straight_through: Callable, bits: int = loop.BITS):
    """{"straight-through", "true gradient": loop.Curve}: the same training, two gradients.

    Raises ValueError for bits outside 2 to 16.
    """
    code_range(bits, narrow_range=True)
    runs = {}
    for name, gradient in (
        ("straight-through", straight_through),
        ("true gradient", loop.true_derivative),
    ):
        with widgets.progress_bar(f"Training with the {name}") as report:
            runs[name] = loop.train(fake_quantize, gradient, bits, progress=report)
    return runs


def curves(runs, bits: int) -> Curves:
    """Both runs of `train`, beside the network as it was shipped."""
    checkpoint = data.checkpoint(loop.NETWORK)
    dataset = data.load("fashion_mnist")
    x, y = dataset.x_validation[: loop.WATCHED], dataset.y_validation[: loop.WATCHED]
    right = float_engine.predict(checkpoint.layers, checkpoint.weights, x) == y
    kernels = sum(w.size for name, w in checkpoint.weights.items() if name.endswith("kernel"))
    return Curves(
        loop.NETWORK, bits, len(y), 100 * float(right.mean()), runs["straight-through"].steps,
        {name: run.accuracy for name, run in runs.items()},
        {name: run.moved for name, run in runs.items()}, kernels,
    )  # fmt: skip


def answers(run, bits: int) -> list[Answered]:
    """The first ten test images as the rounded network answered them at each measurement."""
    dataset = data.load("fashion_mnist")
    images, truth = dataset.x_test[: loop.SHOWN, ..., 0], dataset.y_test[: loop.SHOWN]
    return [
        Answered(images, truth, said, tuple(dataset.class_names),
                 f"{loop.NETWORK} with {bits}-bit kernels after {step} steps")
        for step, said in zip(run.steps, run.answers, strict=True)
    ]  # fmt: skip


def folded_answers(fold: Callable) -> str:
    """Fold every batch normalization of the depthwise network with `fold`: same answers?"""
    checkpoint = data.checkpoint("fashion_dscnn")
    layers, weights = simulated.fold_batch_norm(checkpoint.layers, checkpoint.weights)
    folded, norms = dict(weights), 0
    for before, layer in zip(checkpoint.layers, checkpoint.layers[1:], strict=False):
        if layer["op"] != "batch_norm":
            continue
        name, norms = f"{before['name']}/kernel", norms + 1
        kernel = checkpoint.weights[name]
        gamma, variance = (checkpoint.weights[f"{layer['name']}/{key}"]
                           for key in ("gamma", "moving_variance"))  # fmt: skip
        depthwise = before["op"] == "depthwise_conv2d"  # (height, width, channels, 1)
        last = np.swapaxes(kernel, 2, 3) if depthwise else kernel
        made = np.asarray(fold(last, gamma, variance, layer.get("epsilon", 1e-3)), np.float32)
        folded[name] = np.swapaxes(made, 2, 3) if depthwise else made
    x = data.load("fashion_mnist").x_validation[:1000]
    normalized = float_engine.predict(checkpoint.layers, checkpoint.weights, x)
    same = int((normalized == float_engine.predict(layers, folded, x)).sum())
    return (
        f"fashion_dscnn: {norms} batch normalizations folded away, {len(checkpoint.layers)} layers "
        f"become {len(layers)}; {same:,} of {len(x):,} validation images are answered alike."
    )


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


def over_images(before: str, after: str) -> tuple[float, float, float]:
    """Points lost at 8 bits per channel, paired: mean over the seeds, interval over the images.

    Each test image counts once, with the share of the seeds that answer it rightly before less
    after; the normal interval of the mean of these.
    """
    result = data.result("ptq_vs_qat_8bit")
    n, seeds = result.record["n"]["test"], result.record["seed"]

    def right(method):
        keys = ["float32"] if method == "float32" else [f"{method}_8_{seed}" for seed in seeds]
        return np.mean([np.unpackbits(result.arrays[key], count=n) for key in keys], axis=0)

    lost = 100 * (right(before) - right(after))
    half = NormalDist().inv_cdf(0.975) * float(lost.std(ddof=1)) / math.sqrt(n)
    mean = float(lost.mean())
    return mean, mean - half, mean + half


def eight_bits_table() -> Table:
    """What 8 bits with a scale for each channel cost, with both intervals; recorded."""
    rows = []
    for what, before, after, seeds in (
        ("rounded after training (PTQ)", "float32", "ptq", lost(8, "ptq", "ptq_vs_qat_8bit")),
        ("trained with rounding (QAT)", "float32", "qat", lost(8, "qat", "ptq_vs_qat_8bit")),
        ("QAT against PTQ", "ptq", "qat", qat_against_ptq()),
    ):
        mean, low, high = over_images(before, after)
        both = (seeds.low > 0 and low > 0) or (seeds.high < 0 and high < 0)
        rows.append((what, f"{mean:.2f}", f"{seeds.low:.2f} to {seeds.high:.2f}",
                     f"{low:.2f} to {high:.2f}", "yes" if both else "no"))  # fmt: skip
    head = ("8 bits, a scale for each channel", "points lost", "95 %, other seeds",
            "95 %, other images", "shown to differ from 0?")  # fmt: skip
    return Table("Points of test accuracy lost by fashion_dscnn; below 0: won", head, rows)


def bits_table() -> Table:
    """The recorded test accuracies by bits and method, with intervals over seeds."""
    state = bits_results()
    mean, low, high = state.control
    head = ("bits", "PTQ", "control, then PTQ", "QAT")
    rows = [
        (bits, *(f"{m:.2f} ({a:.2f} to {b:.2f})" for m, a, b in (
            state.means[method][bits] for method in BIT_METHODS)))
        for bits in state.bits
    ]  # fmt: skip
    return Table(
        f"Test accuracy, %, mean and 95 % interval over {state.seeds} seeds. float32 as shipped "
        f"{state.float32:.2f}; trained on in float32 {mean:.2f} ({low:.2f} to {high:.2f})",
        head, rows,
    )  # fmt: skip


def lost_table(bits: int) -> Table:
    """Points lost at one number of bits, one scale for each kernel."""
    names = {"ptq": "rounded after training (PTQ)", "qat": "trained with rounding (QAT)"}
    rows = [(name, lost(bits, method)) for method, name in names.items()]
    head = (f"{bits} bits, one scale a kernel", "points lost")
    return Table("fashion_dscnn, test images, against float32", head, rows)


def codes_used(bits: int, network: str = "fashion_dscnn") -> Table:
    """How the weights of each kernel share out over the codes, one scale a kernel."""
    checkpoint = data.checkpoint(network)
    layers, weights = simulated.fold_batch_norm(checkpoint.layers, checkpoint.weights)
    qmin, qmax = code_range(bits, narrow_range=True)
    rows = []
    for layer in layers:
        if (name := f"{layer['name']}/kernel") in weights:
            kernel = weights[name]
            codes = np.round(kernel / (np.abs(kernel).max() / qmax))
            axes = tuple(a for a in range(kernel.ndim) if a != simulated.channel_axis(layer))
            empty = int((codes == 0).all(axis=axes).sum())
            rows.append((
                layer["name"], f"{kernel.size:,}", f"{(codes == 0).mean():.1%}",
                len(np.unique(codes)), f"{empty} of {kernel.shape[simulated.channel_axis(layer)]}",
            ))  # fmt: skip
    head = ("kernel", "weights", "of code 0", f"codes in use, of {qmax - qmin + 1}",
            "channels all 0")  # fmt: skip
    return Table(f"{network} rounded to {bits} bits after training", head, rows)


def trained_here(ptq, qat, weight_bits: int, per_channel: bool) -> Table:
    """Two accuracies measured here, beside the recorded run of that kind if there is one."""
    rows = [("rounded after training", ptq), ("trained with rounding", qat)]
    recorded = bits_results("ptq_vs_qat_8bit" if per_channel else "qat_bits").means["qat"]
    if weight_bits in recorded:
        rows.append(("recorded, 20,000 images", f"{recorded[weight_bits][0]:.2f}%"))
    won = evaluation.compare(qat, ptq)
    rows.append(("points won by training, paired", f"{100 * won.loss:.2f} "
                 f"({100 * won.interval[0]:.2f} to {100 * won.interval[1]:.2f})"))  # fmt: skip
    if won.interval[0] <= 0:
        rows.append(("so", "training with rounding is not shown to have won anything here"))
    how = "a scale for each channel" if per_channel else "one scale a kernel"
    return Table(f"{weight_bits}-bit weights, {how}", ("how", "test accuracy"), rows)


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


def lecture_table() -> Table:
    """The lecture's table of float, PTQ and QAT."""
    head = ("network", "float, %", "PTQ, %", "QAT, %")
    rows = [(name, *(f"{p:.2f}" for p in percent))
            for name, *percent in data.lecture_table("ptq_vs_qat")["rows"]]  # fmt: skip
    return Table("The lecture's table: ImageNet's 50,000 validation images", head, rows)


def verdicts() -> Table:
    """Which differences of the lecture's table are more than chance."""
    rows = []
    for name, what, measured in lecture_differences():
        real = measured.low > 0 or measured.high < 0
        points = f"{measured.value:.3f} points ({measured.low:.3f} to {measured.high:.3f})"
        rows.append((name, what, points, "a difference" if real else "could be chance"))
    head = ("network", "from, to", "lost (95 % interval)", "so")
    return Table("The lecture's differences, not paired", head, rows)
