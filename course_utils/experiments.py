"""The experiments whose results ship with the suite: one function each, one command each.

    python -m course_utils.experiments pruning_sweep

evaluates and writes `data/results/pruning_sweep.json` (and .npz), with the versions, the git
revision, the time it took and the checksums of the checkpoints and data it was computed from.
`data.result("pruning_sweep")` reads it. Where random numbers are drawn, the record has the seed.

Two splits are always counted: choose on "validation", report on "test".
"""

from __future__ import annotations

import argparse
import io
import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from course_utils import (
    conversion,
    data,
    env,
    evaluation,
    float_engine,
    floats,
    integer_engine,
    micro,
    models,
    pruning,
    quantization,
    quantization_aware,
    simulated_quantization,
    tflite_file,
    training,
)

NETWORKS = ("fashion_cnn", "lenet_300_100", "fashion_dscnn", "watch_cnn")
SPLITS = ("validation", "test")

# Positions of the threshold slider: lambda = s * sigma_l for s = 0.00, 0.05, ... 3.00.
S = np.arange(61) / 20
S_GRID = np.arange(13) / 4

Progress = Callable[[int, int], None]


def prune(
    weights: Mapping[str, np.ndarray], s: Mapping[str, float]
) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """Prune the kernels named in `s`, each by its own threshold s * sigma_l.

    Returns (all weights, the named ones pruned; {kernel: its sparsity}).
    """
    pruned, sparsity = dict(weights), {}
    for name, factor in s.items():
        threshold = pruning.magnitude_threshold(weights[name], factor)
        mask = pruning.magnitude_mask(weights[name], threshold)
        pruned[name] = np.where(mask, weights[name], 0)
        sparsity[name] = pruning.sparsity(mask)
    return pruned, sparsity


def sweep(
    network: data.Checkpoint,
    dataset: data.Dataset,
    kernels: Sequence[str],
    positions: Sequence[float] = S,
    splits: Sequence[str] = SPLITS,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Prune some kernels of a network with the same s, at every position, and count.

    Returns lists with one entry a position: {"sparsity": {kernel: [...]}, "overall_sparsity"
    (of all the network's kernels together), and for each split "correct", "newly_wrong" and
    "newly_right" against the dense network: {split: [...]}}, and "n": {split: inputs}.
    progress(done, total) is called after each position.
    """
    layers, weights = network.layers, network.weights
    sizes = {name: weights[name].size for name in models.kernel_names(layers)}
    first = min(_layer_of(layers, name) for name in kernels)
    features, right_before = {}, {}
    for split in splits:
        # What comes before the first pruned layer is the same at every position.
        features[split] = float_engine.forward(layers[:first], weights, _x(dataset, split))
        right_before[split] = _right(layers[first:], weights, features[split], _y(dataset, split))
    counts = {key: {split: [] for split in splits}
              for key in ("correct", "newly_wrong", "newly_right")}  # fmt: skip
    sparsities: dict[str, list[float]] = {name: [] for name in kernels}
    overall = []
    for done, s in enumerate(positions, start=1):
        pruned, sparsity = prune(weights, dict.fromkeys(kernels, float(s)))
        for name in kernels:
            sparsities[name].append(round(sparsity[name], 6))
        removed = sum(sparsity[name] * sizes[name] for name in kernels)
        overall.append(round(removed / sum(sizes.values()), 6))
        for split in splits:
            right = _right(layers[first:], pruned, features[split], _y(dataset, split))
            counts["correct"][split].append(int(right.sum()))
            counts["newly_wrong"][split].append(int((right_before[split] & ~right).sum()))
            counts["newly_right"][split].append(int((right & ~right_before[split]).sum()))
        if progress is not None:
            progress(done, len(positions))
    n = {split: len(_y(dataset, split)) for split in splits}
    return {"sparsity": sparsities, "overall_sparsity": overall, **counts, "n": n}


# --- the experiments: each returns (record, arrays, paths it was computed from) -------------


def pruning_sweep():
    """One s for all kernels of a network, s = 0 to 3."""
    networks = {}
    for name in NETWORKS:
        network, dataset = _network(name)
        kernels = models.kernel_names(network.layers)
        networks[name] = {
            "sigma": {kernel: float(np.std(network.weights[kernel], dtype=np.float64))
                      for kernel in kernels},
            "count": {kernel: network.weights[kernel].size for kernel in kernels},
            **sweep(network, dataset, kernels, progress=_printer(name)),
        }  # fmt: skip
    return {"s": S.tolist(), "networks": networks}, {}, NETWORKS


def pruning_sensitivity():
    """Each kernel pruned alone, the others dense, s = 0 to 3."""
    networks = {}
    for name in NETWORKS:
        network, dataset = _network(name)
        networks[name] = {}
        for kernel in models.kernel_names(network.layers):
            rows = sweep(network, dataset, [kernel], progress=_printer(f"{name} {kernel}"))
            rows["sparsity"] = rows["sparsity"][kernel]
            networks[name][kernel] = rows
    return {"s": S.tolist(), "networks": networks}, {}, NETWORKS


def pruning_grid():
    """fashion_cnn, an s of its own for each of its four kernels: all 13^4 combinations.

    arrays["test"][i, j, k, l] counts the right answers with s[i] in conv1, s[j] in conv2, s[k]
    in dense1 and s[l] in dense2 (int16), and the same for "validation"; arrays["sparsity"][m, i]
    is the sparsity of kernel m at s[i].
    """
    network, dataset = _network("fashion_cnn")
    report = _printer("fashion_cnn, images")
    total, arrays = sum(len(_y(dataset, split)) for split in SPLITS), {}
    done = 0
    for split in SPLITS:
        x, y = _x(dataset, split), _y(dataset, split)
        counts = np.zeros((len(S_GRID),) * 4, np.int16)
        for start in range(0, len(x), float_engine.BATCH):
            batch = slice(start, start + float_engine.BATCH)
            counts += grid_counts(network, x[batch], y[batch])
            done += len(x[batch])
            report(done, total)
        arrays[split] = counts
    kernels = models.kernel_names(network.layers)
    arrays["s"] = S_GRID
    arrays["sparsity"] = np.array(
        [[prune(network.weights, {kernel: s})[1][kernel] for s in S_GRID] for kernel in kernels]
    )
    n = {split: len(_y(dataset, split)) for split in SPLITS}
    return {"s": S_GRID.tolist(), "kernels": kernels, "n": n}, arrays, ("fashion_cnn",)


def grid_counts(network, x, y):
    """Right answers for one batch at every point of the grid: int16, shape (13, 13, 13, 13).

    A layer is run once for all its 13 pruned kernels, laid side by side as output channels, so
    that its input is read once.
    """
    side, layers, weights = len(S_GRID), network.layers, network.weights
    kernels = {
        name: [prune(weights, {name: s})[0][name] for s in S_GRID]
        for name in models.kernel_names(layers)
    }
    conv2, dense1, dense2 = (
        np.concatenate(kernels[f"{name}/kernel"], axis=-1) for name in ("conv2", "dense1", "dense2")
    )
    conv2_bias, dense1_bias, dense2_bias = (
        np.tile(weights[f"{name}/bias"], side) for name in ("conv2", "dense1", "dense2")
    )
    pool2, n = layers[3], len(x)
    counts = np.empty((side,) * 4, np.int16)
    for i in range(side):
        features = float_engine.forward(
            layers[:2], {**weights, "conv1/kernel": kernels["conv1/kernel"][i]}, x
        )
        features = float_engine.relu(float_engine.conv2d(features, conv2, conv2_bias))
        features = float_engine.apply(pool2, weights, features)
        features = features.reshape(*features.shape[:3], side, -1)  # n, h, w, position, channel
        for j in range(side):
            flat = features[..., j, :].reshape(n, -1)
            hidden = float_engine.relu(float_engine.dense(flat, dense1, dense1_bias))
            logits = float_engine.dense(hidden.reshape(n * side, -1), dense2, dense2_bias)
            classes = logits.reshape(n, side, side, -1).argmax(axis=-1)
            counts[i, j] = (classes == y[:, np.newaxis, np.newaxis]).sum(axis=0)
    return counts


EXPERIMENTS = {
    function.__name__: function for function in (pruning_sweep, pruning_sensitivity, pruning_grid)
}


# --- running and recording ------------------------------------------------------------------


def run(name: str) -> None:
    """Run an experiment, write its files whole, and register them."""
    experiment = EXPERIMENTS[name]
    started, revision = time.perf_counter(), git_revision()  # that of the code now loaded
    results, arrays, networks = experiment()
    inputs = [f"checkpoints/{network}.npz" for network in networks]
    inputs += sorted({f"{models.DATASETS[network]}.npz" for network in networks})
    files = data.manifest()["files"]
    command = f"python -m course_utils.experiments {name}"
    record = {
        "experiment": name,
        "what": experiment.__doc__.split("\n")[0],
        "command": command,
        "seed": None,  # nothing is drawn, unless the results say otherwise
        "versions": training.versions(),
        "git_revision": revision,
        "seconds": round(time.perf_counter() - started, 1),
        "inputs": {path: files[path]["sha256"] for path in inputs},
        **results,
    }
    if arrays:
        data.write_npz(f"results/{name}.npz", arrays, command=command)
    data.write_json(f"results/{name}.json", record, command=command)
    print(f"Wrote data/results/{name}.json after {record['seconds']:.0f} s")


def git_revision() -> str:
    """The commit checked out, or "unknown" outside a repository."""
    try:
        revision = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=data.DIRECTORY, capture_output=True, text=True, check=True,
        )  # fmt: skip
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return revision.stdout.strip()


def _network(name):
    return data.checkpoint(name), data.load(models.DATASETS[name])


def _x(dataset, split):
    return getattr(dataset, f"x_{split}")


def _y(dataset, split):
    return getattr(dataset, f"y_{split}")


def _right(layers, weights, features, y):
    """Is each answer right?"""
    return float_engine.predict(layers, weights, features) == y


def _layer_of(layers, kernel):
    return [layer["name"] for layer in layers].index(kernel.split("/")[0])


def _printer(label):
    """A progress that prints a line whenever five seconds have passed, and at the end."""
    last = time.monotonic()

    def progress(done, total):
        nonlocal last
        if done == total or time.monotonic() - last > 5:
            last = time.monotonic()
            print(f"{label}: {done}/{total}", flush=True)

    return progress


# --- quantization (notebook 06) -------------------------------------------------------------

QUANTIZED = ("fashion_cnn", "fashion_dscnn", "watch_cnn")
BITS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 16)
ACTIVATION_SCHEMES = {"per tensor, affine": False, "per tensor, symmetric": True}
METHODS = ("min-max", "percentile", "mean squared error", "moving average")
SEED = 0
SAMPLED_VALUES = 100_000  # of each activation, for percentiles and squared errors


class Variant(NamedTuple):
    """A network changed from some layer on: what comes before is computed once for all."""

    start: int  # index of the first layer that differs
    tensor: str | None  # the name of that layer's input, if it is to be quantized
    weights: Mapping[str, np.ndarray]
    qparams: Mapping[str, Any]  # of the activations


def count_variants(layers, weights, variants, x, y, progress=None):
    """Run every variant on all inputs and count, paired with the unchanged network.

    Returns (right answers of the unchanged network, {key: (correct, newly wrong, newly right)}).
    """
    right_before, counts = 0, {key: np.zeros(3, int) for key in variants}
    for first in range(0, len(x), float_engine.BATCH):
        batch, labels = x[first : first + float_engine.BATCH], y[first : first + float_engine.BATCH]
        features = [batch]
        for layer in layers:
            features.append(float_engine.apply(layer, weights, features[-1]))
        before = features[-1].argmax(axis=1) == labels
        right_before += int(before.sum())
        for key, variant in variants.items():
            output = simulated_quantization.continue_from(
                layers[variant.start :], variant.weights, features[variant.start],
                variant.qparams, variant.tensor,
            )  # fmt: skip
            right = output.argmax(axis=1) == labels
            counts[key] += right.sum(), (before & ~right).sum(), (right & ~before).sum()
        if progress is not None:
            progress(min(first + float_engine.BATCH, len(x)), len(x))
    return right_before, {key: tuple(map(int, values)) for key, values in counts.items()}


def folded(name):
    """-> (layers without batch norm and softmax, their weights, data set) of a shipped network."""
    network, dataset = _network(name)
    layers, weights = simulated_quantization.fold_batch_norm(network.layers, network.weights)
    return tuple(layer for layer in layers if layer["op"] != "softmax"), weights, dataset


def quantization_variants(layers, weights, x_calibration):
    """{(kind, scheme, layer or "all", bits): Variant}: weights or activations, all or one layer.

    Single layers are measured to 8 bits. Activations get their min-max range over the calibration
    inputs.
    """
    position = {layer["name"]: i for i, layer in enumerate(layers)}
    kernels = [models.layer_of(kernel) for kernel in models.kernel_names(layers)]
    ranges = simulated_quantization.output_ranges(layers, weights, x_calibration)
    variants = {}
    for bits in BITS:
        for scheme in simulated_quantization.WEIGHT_SCHEMES:
            every = simulated_quantization.quantize_kernels(layers, weights, bits, scheme)
            variants["weights", scheme, "all", bits] = Variant(0, None, every, {})
            for layer in kernels if bits <= 8 else ():
                kernel = f"{layer}/kernel"
                one = {**weights, kernel: every[kernel]}
                key = "weights", scheme, layer, bits
                variants[key] = Variant(position[layer], None, one, {})
        for scheme, symmetric in ACTIVATION_SCHEMES.items():
            every = simulated_quantization.activation_qparams(ranges, bits, symmetric)
            name = simulated_quantization.INPUT
            variants["activations", scheme, "all", bits] = Variant(0, name, weights, every)
            for tensor, qparams in every.items() if bits <= 8 and not symmetric else ():
                start = position.get(tensor, -1) + 1
                one = Variant(start, tensor, weights, {tensor: qparams})
                variants["activations", scheme, tensor, bits] = one
    return variants


def quantization_sweep():
    """Weights or activations in 2 to 16 bits, one layer or all, the rest in float32."""
    networks = {}
    for name in QUANTIZED:
        layers, weights, dataset = folded(name)
        variants = quantization_variants(layers, weights, dataset.x_train[:500])
        record = {"n": {}, "float32": {}, "weights": {}, "activations": {}}
        for split in SPLITS:
            x, y = _x(dataset, split), _y(dataset, split)
            report = _printer(f"{name} {split}, {len(variants)} variants, inputs")
            right, counts = count_variants(layers, weights, variants, x, y, report)
            record["n"][split], record["float32"][split] = len(y), right
            for (kind, scheme, layer, _), values in counts.items():
                rows = record[kind].setdefault(scheme, {}).setdefault(layer, {})
                for key, value in zip(_COUNTS, values, strict=True):
                    rows.setdefault(key, {}).setdefault(split, []).append(value)
        networks[name] = record
    return {"bits": list(BITS), "calibration_inputs": 500, "networks": networks}, {}, QUANTIZED


_COUNTS = ("correct", "newly_wrong", "newly_right")


def calibration_samples(name, dataset, seed=SEED) -> dict[str, np.ndarray]:
    """What people calibrate on, right and wrong: {what: inputs}."""
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(dataset.x_train))
    x, y = dataset.x_train[order], dataset.y_train[order]
    noise = rng.random(x[:100].shape) if name != "watch_cnn" else rng.normal(size=x[:100].shape)
    if name == "watch_cnn":  # standardization forgotten
        arrays = data.read_npz("watch.npz")
        wrong = x[:100] * arrays["std"] + arrays["mean"]
    else:  # 0 to 255 instead of 0 to 1
        wrong = x[:100] * 255
    return {
        "1 input": x[:1],
        "10 inputs": x[:10],
        "100 inputs": x[:100],
        "all inputs": x,
        "one class": x[y == 0][:100],
        "noise": noise.astype(np.float32),
        "wrong scale": wrong.astype(np.float32),
    }


def observe(layers, weights, x, seed=SEED) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What calibrators need of each activation: (each input's min and max (n, 2), some values)."""
    rng = np.random.default_rng(seed)
    extremes, values = {}, {}
    for first in range(0, len(x), 250):
        part = x[first : first + 250]
        for name, a in simulated_quantization.activations(layers, weights, part).items():
            flat = a.reshape(len(part), -1)
            extremes.setdefault(name, []).append(np.stack([flat.min(1), flat.max(1)], axis=1))
            size = -(-SAMPLED_VALUES * len(part) // len(x))
            few = a.ravel() if a.size <= size else rng.choice(a.ravel(), size)
            values.setdefault(name, []).append(few)
    return {n: (np.concatenate(extremes[n]), np.concatenate(values[n])) for n in extremes}


def calibrated_range(method, extremes, values, bits):
    """The range that a method of METHODS finds; moving averages go input by input."""
    if method == "min-max":
        return quantization.min_max_range(extremes)
    if method == "percentile":
        return quantization.percentile_range(values, 99.9)
    if method == "mean squared error":
        return quantization.mse_range(values, bits)
    return quantization.moving_average_range(extremes)


def calibration():
    """All activations in 8 or 4 bits, weights in int8: how and on what the ranges were found.

    For one draw of the samples (seed 0) every method is measured on both splits. How much the draw
    matters is measured with min-max ranges on the validation set, for the first network: 10 draws
    of each size, and each class alone.
    """
    networks = {}
    for name in QUANTIZED:
        layers, weights, dataset = folded(name)
        int8 = simulated_quantization.quantize_kernels(layers, weights)

        def variant(ranges, bits, int8=int8):
            qparams = simulated_quantization.activation_qparams(ranges, bits)
            return Variant(0, simulated_quantization.INPUT, int8, qparams)

        ranges, grid, draws = {}, {}, {}
        for what, x in calibration_samples(name, dataset).items():
            seen = observe(layers, weights, x)
            ranges[what] = {}
            for method in METHODS:
                for bits in (8, 4):
                    found = {n: calibrated_range(method, *seen[n], bits) for n in seen}
                    grid[what, method, bits] = variant(found, bits)
                    rounded = {n: [float(f"{v:.6g}") for v in r] for n, r in found.items()}
                    ranges[what].setdefault(method, {})[str(bits)] = rounded
            print(f"{name}: ranges from {what}", flush=True)
        rng = np.random.default_rng(SEED + 1)
        subsets = {f"{n} inputs, draw {i}": rng.choice(len(dataset.x_train), n, replace=False)
                   for n in (1, 10, 100, 1000) for i in range(10)}  # fmt: skip
        for label, class_name in enumerate(dataset.class_names):
            subsets[class_name] = np.flatnonzero(dataset.y_train == label)[:100]
        for what, subset in subsets.items() if name == QUANTIZED[0] else ():
            seen = observe(layers, weights, dataset.x_train[subset])
            found = {n: quantization.min_max_range(extremes) for n, (extremes, _) in seen.items()}
            for bits in (8, 4):
                draws[what, "min-max", bits] = variant(found, bits)
        record = {"n": {}, "float32": {}, "ranges": ranges, "samples": {}, "draws": {}}
        for split in SPLITS:
            x, y = _x(dataset, split), _y(dataset, split)
            variants = {**grid, **draws} if split == "validation" else grid
            report = _printer(f"{name} {split}, {len(variants)} variants, inputs")
            right, counts = count_variants(layers, weights, variants, x, y, report)
            record["n"][split], record["float32"][split] = len(y), right
            for (what, method, bits), values in counts.items():
                if what in ranges:
                    rows = record["samples"].setdefault(what, {}).setdefault(method, {})
                    for key, value in zip(_COUNTS, values, strict=True):
                        rows.setdefault(str(bits), {}).setdefault(key, {})[split] = value
                else:
                    rows = record["draws"].setdefault(what, {})
                    rows[str(bits)] = dict(zip(_COUNTS, values, strict=True))
        networks[name] = record
    return {"seed": SEED, "networks": networks}, {}, QUANTIZED


EXPERIMENTS |= {function.__name__: function for function in (quantization_sweep, calibration)}

# --- reduced float (notebook 05) ------------------------------------------------------------

REDUCED_FORMATS = ("float16", "bfloat16", "float8_e4m3", "float8_e5m2")
WEIGHTS, WEIGHTS_AND_ACTIVATIONS = "weights", "weights and activations"
# Only these make numbers that their input did not hold: ReLU, maximum and reshaping pass them on.
SUMMING = ("conv2d", "depthwise_conv2d", "dense", "average_pool2d", "global_average_pool2d")


def rounded_forward(layers, weights, x, fmt):
    """The network with its input and every layer's output rounded to the format, not the weights.

    Sums within a layer stay in float32, as in hardware that multiplies small floats.
    """
    x = floats.round_to(x, fmt)
    for layer in layers:
        x = float_engine.apply(layer, weights, x)
        if layer["op"] in SUMMING:
            x = floats.round_to(x, fmt)
    return x


def reduced_float():
    """All weights rounded to each small float format; then what passes between layers as well.

    Batch norm is folded into the weights first, as a converter does. The activations, the slow
    part, are rounded on the test inputs only.
    """
    networks = {}
    for name in NETWORKS:
        layers, weights, dataset = folded(name)
        rounded = {
            fmt: {key: floats.round_to(w, fmt) for key, w in weights.items()}
            for fmt in REDUCED_FORMATS
        }
        record = {"n": {}, "float32": {}, "formats": {fmt: {} for fmt in REDUCED_FORMATS}}
        for split in SPLITS:
            x, y = _x(dataset, split), _y(dataset, split)
            report = _printer(f"{name} {split}, inputs")
            kinds = (WEIGHTS, WEIGHTS_AND_ACTIVATIONS) if split == "test" else (WEIGHTS,)
            right, counts = _reduced_counts(layers, weights, rounded, kinds, x, y, report)
            record["n"][split], record["float32"][split] = len(y), right
            for (fmt, what), values in counts.items():
                rows = record["formats"][fmt].setdefault(what, {})
                for key, value in zip(_COUNTS, values, strict=True):
                    rows.setdefault(key, {})[split] = int(value)
        x = dataset.x_validation[:500]
        before = float_engine.trace(layers, weights, x)
        for fmt in REDUCED_FORMATS:
            after = float_engine.trace(layers, rounded[fmt], x)
            record["formats"][fmt]["output_error"] = {
                layer: _relative_error(before[layer], after[layer])
                for layer in map(models.layer_of, models.kernel_names(layers))
            }
        networks[name] = record
    return {"formats": list(REDUCED_FORMATS), "networks": networks}, {}, NETWORKS


def _reduced_counts(layers, weights, rounded, kinds, x, y, progress):
    """-> (right answers in float32, {(format, kind): [correct, newly wrong, newly right]})."""
    counts = {(fmt, what): np.zeros(3, int) for fmt in rounded for what in kinds}
    total = 0
    for first in range(0, len(x), float_engine.BATCH):
        batch, labels = x[first : first + float_engine.BATCH], y[first : first + float_engine.BATCH]
        before = float_engine.predict(layers, weights, batch) == labels
        total += int(before.sum())
        for (fmt, what), count in counts.items():
            if what == WEIGHTS:
                output = float_engine.forward(layers, rounded[fmt], batch)
            else:
                output = rounded_forward(layers, rounded[fmt], batch, fmt)
            if not np.isfinite(output).all():
                raise ValueError(f"{fmt}, {what}: an output is not finite.")
            right = output.argmax(axis=1) == labels
            count += right.sum(), (before & ~right).sum(), (right & ~before).sum()
        progress(min(first + float_engine.BATCH, len(x)), len(x))
    return total, counts


def _relative_error(before, after):
    """Root mean square of the difference, relative to that of what was before."""
    before = before.astype(np.float64)
    return float(f"{np.sqrt(np.mean((after - before) ** 2) / np.mean(before**2)):.6g}")


EXPERIMENTS["reduced_float"] = reduced_float


# --- integers only, everywhere (notebook 07) ------------------------------------------------

TRACED = 500  # test inputs on which operators are compared one by one


def integer_equality():
    """IntegerModel against TFLM, LiteRT's reference kernels and XNNPACK, on whole test sets.

    Then operator by operator: each kernel is given the codes that TFLM's operator got, so that
    what differs arose there. Two formulas are held against the kernels: one rounding instead of
    two, and a multiplication by a float32. Last, networks whose rescaling truncates.
    """
    networks = {}
    for name in NETWORKS:
        network, dataset = _network(name)
        tflite = data.model(name, "int8")
        engine = integer_engine.IntegerModel(tflite)
        x = quantization.quantize(dataset.x_test, engine.input.qparams)
        outputs = {
            "TFLM": _in_parts(lambda part, t=tflite: micro.run(t, part), x, f"{name} TFLM"),
            "LiteRT reference": evaluation.run(tflite, x, "reference"),
            "LiteRT XNNPACK": evaluation.run(tflite, x, "xnnpack"),
            "truncating": integer_engine.IntegerModel(truncating(tflite)).run(x),
        }
        ours = engine.run(x)
        right = ours.argmax(axis=1) == dataset.y_test
        classes = {"float32": float_engine.predict(network.layers, network.weights, dataset.x_test)}
        classes |= {kernels: output.argmax(axis=1) for kernels, output in outputs.items()}
        networks[name] = {
            "n": len(x),
            "values": ours.size,
            "correct": int(right.sum()),
            "others": {kernels: _difference(ours, output) for kernels, output in outputs.items()},
            "classes": {
                kernels: {
                    "changed": int((ours.argmax(axis=1) != answer).sum()),
                    "correct": int((answer == dataset.y_test).sum()),
                    "newly_wrong": int((right & (answer != dataset.y_test)).sum()),
                    "newly_right": int((~right & (answer == dataset.y_test)).sum()),
                }
                for kernels, answer in classes.items()
            },
            "operators": compare_operators(tflite, x[:TRACED]),
        }
    files = data.manifest()["files"]
    paths = [f"models/{name}_int8.tflite" for name in NETWORKS]
    record = {
        "kernels": {p: env.installed_version(p) for p in ("ai-edge-litert", "tflite-micro")},
        "models": {path: files[path]["sha256"] for path in paths},
        "operator_inputs": TRACED,
        "networks": networks,
    }
    return record, {}, NETWORKS


def _in_parts(run_part, x, what, size=500):
    report, parts = _printer(f"{what}, inputs"), []
    for start in range(0, len(x), size):
        parts.append(run_part(x[start : start + size]))
        report(min(start + size, len(x)), len(x))
    return np.concatenate(parts)


def _difference(ours, theirs):
    """How many values differ, and how many by how much: {"differing": ..., "by": {"1": ...}}."""
    steps = np.abs(theirs.astype(int) - ours.astype(int))
    sizes, counts = np.unique(steps[steps > 0], return_counts=True)
    by = {str(size): int(count) for size, count in zip(sizes, counts, strict=True)}
    inputs = steps.reshape(len(steps), -1).any(axis=1)
    return {"differing": int(np.count_nonzero(steps)), "inputs": int(inputs.sum()), "by": by}


def compare_operators(tflite, x):
    """Run each operator alone in LiteRT, on the codes that reach it in TFLM. -> list of dicts."""
    engine, rows = integer_engine.IntegerModel(tflite), []
    tensors, arrays = engine.graph.tensors, {engine.input.index: x}
    steps = iter(engine.trace(x))
    next(steps)  # the input
    for op, step in zip(engine.graph.operators, steps, strict=True):
        q, arrays[op.outputs[0]] = arrays[op.inputs[0]], step.array
        if op.name == "RESHAPE":
            continue
        alone = single_operator(tflite, op.index)
        found = {kernels: evaluation.run(alone, q, kernels) for kernels in evaluation.KERNELS}
        row = {"operator": op.name, "values": step.array.size}
        row |= {kernels: _difference(step.array, output) for kernels, output in found.items()}
        if op.name in (*evaluation.WITH_KERNEL, "MEAN"):
            one_rounding, float32 = rescaled_otherwise(engine.graph, op, q)
            y = tensors[op.outputs[0]]
            activation = op.options.get("activation", "NONE")
            limits = integer_engine.activation_range(activation, y.qparams)
            for name, scaled, kernels in (
                ("one rounding", one_rounding, "reference"),
                ("float32", float32, "xnnpack"),
            ):
                codes = np.clip(scaled + y.qparams.zero_point, *limits)
                row[name] = {kernels: int((codes != found[kernels]).sum())}
        rows.append(row)
    return rows


def accumulators(graph, op, q):
    """The int32 sums of a layer, bias included: int64, the output's shape.

    The sums are made of float64 products, exactly: all of them are whole numbers below 2^53.
    """
    x = graph.tensors[op.inputs[0]]
    real = q.astype(np.float64) - x.qparams.zero_point
    if op.name == "MEAN":  # over an image's height and width
        return real.sum(axis=(1, 2)).astype(np.int64)
    filters, bias = (graph.tensors[i].data.astype(np.float64) for i in op.inputs[1:])
    if op.name == "FULLY_CONNECTED":
        return (real.reshape(len(q), -1) @ filters.T + bias).astype(np.int64)
    convolve = {
        "CONV_2D": float_engine.conv2d,
        "DEPTHWISE_CONV_2D": float_engine.depthwise_conv2d,
    }[op.name]
    strides = op.options["stride_h"], op.options["stride_w"]
    kernel = filters.transpose(1, 2, 3, 0)  # (out, h, w, in) or (1, h, w, channels)
    return convolve(real, kernel, bias, strides, op.options["padding"].lower()).astype(np.int64)


def rescaled_otherwise(graph, op, q):
    """M * accumulator rounded once, in integers, and as a float32 product: two int64 arrays."""
    x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    if op.name == "MEAN":
        factor = x.scale / np.float32(q.shape[1] * q.shape[2])
    else:
        factor = x.scale * graph.tensors[op.inputs[1]].scale
    total, real = accumulators(graph, op, q), factor.astype(np.float64) / float(y.scale[0])
    multiplier, shift = np.array([integer_engine.quantize_multiplier(r) for r in real]).T
    once = (total * multiplier + (1 << (30 - shift))) >> (31 - shift)
    return once, np.rint(total.astype(np.float32) * (factor / y.scale)).astype(np.int64)


def single_operator(tflite, index):
    """The same file with one of its operators only: bytes."""
    model, graph = _unpacked(tflite)
    operator = graph.operators[index]
    graph.operators = [operator]
    graph.inputs, graph.outputs = operator.inputs[:1], operator.outputs
    model.signatureDefs = None  # it names the inputs and outputs that there were
    return _packed(model)


def truncating(tflite):
    """The same network with every layer's rescaling truncated instead of rounded: bytes.

    floor(M a) = round(M a - 1/2), so that half an output step, 1/(2 M), is taken off the bias (to
    the nearest whole number: about 1 code in 2 / M comes out otherwise than by a true floor).
    """
    model, graph = _unpacked(tflite)
    for op in tflite_file.read(tflite).operators:
        if op.name in evaluation.WITH_KERNEL:
            x, filters, bias, y = (graph.tensors[i] for i in (*op.inputs, op.outputs[0]))
            scales = (np.float64(t.quantization.scale) for t in (x, filters, y))
            x_scale, w_scale, y_scale = scales
            half = np.rint(y_scale / (2 * x_scale * w_scale)).astype(np.int32)
            buffer = model.buffers[bias.buffer]
            values = np.frombuffer(bytes(buffer.data), "<i4") - half
            buffer.data = np.frombuffer(values.astype("<i4").tobytes(), np.uint8)
    return _packed(model)


def _unpacked(tflite):
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(bytearray(tflite), 0)
    return model, model.subgraphs[0]


def _packed(model):
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


EXPERIMENTS["integer_equality"] = integer_equality


# --- techniques and training for quantization (notebooks 08 and 09) -------------------------

QAT_NETWORK = "fashion_dscnn"
QAT_BITS = (8, 6, 5, 4, 3, 2)  # of the weights; activations have 8
QAT_SEEDS = (1, 2, 3, 4, 5)
QAT_IMAGES = 20_000
CALIBRATION_INPUTS = 500


def qat_bits():
    """Weights in 8 to 2 bits, one scale a tensor: rounded after training, or trained for it.

    The same budget for all: the shipped network is trained on over 20,000 images (of the 55,000
    that it knows), once for each seed and bit width with fake quantization, and once for each
    seed without (the control). The seed draws these images and the 500 of them that the
    activations' ranges start from. Needs all training images: `data/prepare/fashion_mnist.py`.
    """
    return _ptq_against_qat("qat_bits", QAT_NETWORK, QAT_BITS, per_channel=False)


def ptq_vs_qat_8bit():
    """Weights in 8 bits with a scale for each channel, as in LiteRT: what is left to repair?"""
    return _ptq_against_qat("ptq_vs_qat_8bit", QAT_NETWORK, (8,), per_channel=True)


def train_for_rounding(name, seed, bits, per_channel):
    """One run, with rounding or (bits None) without.

    -> (Trained, what it began with: folded layers, weights, 500 images, their ranges; recipe)
    """
    checkpoint, dataset = data.checkpoint(name), data.load(models.DATASETS[name], full=True)
    layers, weights = simulated_quantization.fold_batch_norm(checkpoint.layers, checkpoint.weights)
    drawn = np.random.default_rng(seed).choice(len(dataset.x_train), QAT_IMAGES, replace=False)
    images, labels = dataset.x_train[drawn], dataset.y_train[drawn]
    calibration = images[:CALIBRATION_INPUTS]
    ranges = quantization_aware.calibrated_ranges(layers, weights, calibration)
    trained = quantization_aware.fine_tune(
        layers, weights, images, labels, weight_bits=bits, seed=seed,
        ranges=None if bits is None else ranges, per_channel=per_channel,
    )  # fmt: skip
    recipe = _qat_recipe(per_channel)
    return trained, (layers, weights, calibration, ranges), recipe


def _qat_recipe(per_channel):
    return {**quantization_aware.RECIPE, "per_channel": per_channel, "train_size": QAT_IMAGES,
            "calibration_inputs": CALIBRATION_INPUTS}  # fmt: skip


def _ptq_against_qat(experiment, name, bit_widths, per_channel):
    """{method: {bits: one entry a seed}} of right answers; arrays hold them image by image.

    Methods: "ptq" rounds the shipped weights, "control" trains on in float32 (bits "32"),
    "control_ptq" rounds the control's weights, "qat" trains with rounding.
    """
    checkpoint, dataset = _network(name)
    x, y = (np.concatenate([get(dataset, split) for split in SPLITS]) for get in (_x, _y))
    recipe = _qat_recipe(per_channel)

    def answers(seed, bits):
        """{"method bits": is each answer right?} of one training run."""
        trained, before, _ = train_for_rounding(name, seed, bits, per_channel)
        layers, weights, calibration, ranges = before

        def right(own, bits, ranges):
            return y == quantization_aware.predict(
                layers, own, x, weight_bits=bits, ranges=ranges, per_channel=per_channel
            )

        if bits is not None:
            return {f"qat {bits}": right(trained.weights, bits, trained.ranges)}
        found = {"control 32": right(trained.weights, None, None)}
        own = quantization_aware.calibrated_ranges(layers, trained.weights, calibration)
        for b in bit_widths:
            found[f"ptq {b}"] = right(weights, b, ranges)
            found[f"control_ptq {b}"] = right(trained.weights, b, own)
        return found

    jobs = [(seed, None) for seed in QAT_SEEDS]
    jobs += [(seed, bits) for bits in bit_widths for seed in QAT_SEEDS]
    right, seconds = {}, 0.0
    for done, (seed, bits) in enumerate(jobs, start=1):
        label = f"{'float32' if bits is None else f'{bits}-bit'} training, seed {seed}"
        print(f"{experiment} {done}/{len(jobs)}: {label}", flush=True)
        fingerprint = json.dumps([name, checkpoint.record["sha256"], recipe, seed, bits])
        part = _resumable(experiment, f"{bits}_{seed}", fingerprint,
                          lambda seed=seed, bits=bits: answers(seed, bits))  # fmt: skip
        seconds += float(part.pop("seconds"))
        right |= {f"{key} {seed}": values for key, values in part.items()}

    shipped = float_engine.predict(checkpoint.layers, checkpoint.weights, x) == y
    end = len(dataset.y_validation)
    cut = {"validation": slice(None, end), "test": slice(end, None)}
    record = {"n": {split: len(_y(dataset, split)) for split in SPLITS},
              "float32": {split: int(shipped[cut[split]].sum()) for split in SPLITS}}  # fmt: skip
    for key in sorted(right):  # the seeds in order
        method, bits, _ = key.split()
        rows = record.setdefault(method, {}).setdefault(bits, {})
        for split in SPLITS:
            values = _paired_counts(shipped[cut[split]], right[key][cut[split]])
            for what, value in zip(_COUNTS, values, strict=True):
                rows.setdefault(what, {}).setdefault(split, []).append(value)
    arrays = {key.replace(" ", "_"): np.packbits(values[cut["test"]])
              for key, values in {**right, "float32": shipped}.items()}  # fmt: skip
    results = {
        "seed": list(QAT_SEEDS), "network": name, "bits": list(bit_widths), "recipe": recipe,
        "seconds": round(seconds, 1),  # of all sessions that it took
        "arrays": "right answers on the test set, np.packbits, one array a method, bits and seed",
        **record,
    }  # fmt: skip
    return results, arrays, (name,)


def _paired_counts(before, after):
    """(right answers, newly wrong, newly right) of two networks' right answers."""
    return int(after.sum()), int((before & ~after).sum()), int((after & ~before).sum())


PARTIAL = "results/partial"  # below data/; not part of the repository


def _resumable(experiment, key, fingerprint, compute):
    """compute()'s dictionary of arrays, or what an interrupted run of the same left of it.

    fingerprint: text of all that the arrays depend on; a file with another one is computed anew.
    """
    path = data.DIRECTORY / PARTIAL / experiment / f"{key}.npz"
    fingerprint += f" tensorflow {env.installed_version('tensorflow')}, numpy {np.__version__}"
    try:
        with np.load(path, allow_pickle=False) as archive:
            found = {name: archive[name] for name in archive.files}
        if str(found.pop("fingerprint")) == fingerprint:
            return found
        print(f"  {path.name} is from another recipe or version: computed anew", flush=True)
    except FileNotFoundError:
        pass
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        print(f"  {path.name} is damaged: computed anew", flush=True)
    started = time.perf_counter()
    arrays = compute()
    arrays["seconds"] = np.array(time.perf_counter() - started)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, fingerprint=np.array(fingerprint), **arrays)
    data.write_atomically(path, buffer.getvalue())
    return arrays


def techniques():
    """Three networks converted five ways: bytes by part, right answers, where each file runs."""
    networks, arrays = {}, {}
    for name in QUANTIZED:
        dataset, rows = data.load(models.DATASETS[name]), {}
        for mode in conversion.MODES:
            print(f"{name}: {mode}", flush=True)
            tflite = _converted(name, mode)
            rows[mode] = {"runs": {k: list(v) for k, v in _runtimes(tflite, dataset).items()},
                          **_measured(f"{name}/{mode}", tflite, dataset, rows, arrays)}  # fmt: skip
        networks[name] = rows
    calibration = f"the first {CALIBRATION_INPUTS} training inputs, for int8 and int16x8"
    return {"calibration": calibration, "networks": networks}, arrays, QUANTIZED


def per_channel():
    """int8 with one scale for each output channel against one for each kernel."""
    networks, arrays = {}, {}
    for name in QUANTIZED:
        dataset, rows = data.load(models.DATASETS[name]), {}
        for how in ("float32", "per channel", "per tensor"):
            print(f"{name}: {how}", flush=True)
            mode = "float32" if how == "float32" else "int8"
            tflite = _converted(name, mode, per_channel=how != "per tensor")
            rows[how] = _measured(f"{name}/{how}", tflite, dataset, rows, arrays)
        networks[name] = rows
    calibration = f"the first {CALIBRATION_INPUTS} training inputs"
    return {"calibration": calibration, "networks": networks}, arrays, QUANTIZED


def _converted(name, mode, per_channel=True):
    """A shipped network as a .tflite file's bytes."""
    checkpoint, dataset = _network(name)
    model = models.set_weights(models.build(name), checkpoint.weights)
    calibration = dataset.x_train[:CALIBRATION_INPUTS] if mode in conversion.CALIBRATED else None
    return conversion.convert(model, mode, calibration, per_channel)


def _measured(key, tflite, dataset, rows, arrays):
    """Size and right answers of a file, these paired with "float32", the first of the rows."""
    size = evaluation.size(tflite)
    measured = {"size": {**size._asdict(), "parts": [list(part) for part in size.parts]}}
    for kernels in evaluation.KERNELS:
        found = evaluation.accuracy(tflite, dataset.x_test, dataset.y_test, kernels)
        arrays[f"{key}/{kernels}"] = np.packbits(found.right)
        first = f"{key.split('/')[0]}/float32/{kernels}"
        before = np.unpackbits(arrays[first], count=found.n).astype(bool)
        compared = evaluation.compare(evaluation.count(before), found)
        measured[kernels] = {
            "correct": found.correct,
            "n": found.n,
            "interval_95": [round(end, 5) for end in found.interval],
            "newly_wrong": compared.newly_wrong,
            "newly_right": compared.newly_right,
            "loss_interval_95": [round(end, 5) for end in compared.interval],
            "p_value": float(f"{compared.p_value:.4g}"),
        }
    return measured


def _runtimes(tflite, dataset):
    return evaluation.runtimes(tflite, dataset.x_test[:20])


EXPERIMENTS |= {
    function.__name__: function for function in (techniques, per_channel, qat_bits, ptq_vs_qat_8bit)
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=list(EXPERIMENTS))
    try:
        run(parser.parse_args().name)
    except (OSError, ValueError) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
