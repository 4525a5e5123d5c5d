"""Fewer bits, simulated in float (notebook 06): weights, activations, calibration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from course_utils.engines import float_engine, layer_specs, simulated_quantization
from course_utils.machines import data
from course_utils.machines.recording import COUNTS, QUANTIZED, SPLITS, folded, printer, x_of, y_of
from course_utils.numbers import quantization

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


def quantization_variants(layers, weights, x_calibration):
    """{(kind, scheme, layer or "all", bits): Variant}: weights or activations, all or one layer.

    Single layers are measured to 8 bits. Activations get their min-max range over the calibration
    inputs.
    """
    position = {layer["name"]: i for i, layer in enumerate(layers)}
    kernels = [layer_specs.layer_of(kernel) for kernel in layer_specs.kernel_names(layers)]
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
            x, y = x_of(dataset, split), y_of(dataset, split)
            report = printer(f"{name} {split}, {len(variants)} variants, inputs")
            right, counts = count_variants(layers, weights, variants, x, y, report)
            record["n"][split], record["float32"][split] = len(y), right
            for (kind, scheme, layer, _), values in counts.items():
                rows = record[kind].setdefault(scheme, {}).setdefault(layer, {})
                for key, value in zip(COUNTS, values, strict=True):
                    rows.setdefault(key, {}).setdefault(split, []).append(value)
        networks[name] = record
    return {"bits": list(BITS), "calibration_inputs": 500, "networks": networks}, {}, QUANTIZED


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
            x, y = x_of(dataset, split), y_of(dataset, split)
            variants = {**grid, **draws} if split == "validation" else grid
            report = printer(f"{name} {split}, {len(variants)} variants, inputs")
            right, counts = count_variants(layers, weights, variants, x, y, report)
            record["n"][split], record["float32"][split] = len(y), right
            for (what, method, bits), values in counts.items():
                if what in ranges:
                    rows = record["samples"].setdefault(what, {}).setdefault(method, {})
                    for key, value in zip(COUNTS, values, strict=True):
                        rows.setdefault(str(bits), {}).setdefault(key, {})[split] = value
                else:
                    rows = record["draws"].setdefault(what, {})
                    rows[str(bits)] = dict(zip(COUNTS, values, strict=True))
        networks[name] = record
    return {"seed": SEED, "networks": networks}, {}, QUANTIZED


EXPERIMENTS = (quantization_sweep, calibration)
