"""Pruning without training: thresholds of magnitude (notebook 02), synapses or neurons (03)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from course_utils.engines import float_engine, layer_specs
from course_utils.machines import data
from course_utils.machines.recording import (
    COUNTS,
    NETWORKS,
    SPLITS,
    Progress,
    load_network,
    printer,
    right_answers,
    x_of,
    y_of,
)
from course_utils.numbers import pruning

# Positions of the threshold slider: lambda = s * sigma_l for s = 0.00, 0.05, ... 3.00.
S = np.arange(61) / 20
S_GRID = np.arange(21) / 10  # of each layer, in every combination: s = 0.0, 0.1, ... 2.0


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
    sizes = {name: weights[name].size for name in layer_specs.kernel_names(layers)}
    first = min(_layer_of(layers, name) for name in kernels)
    features, right_before = {}, {}
    for split in splits:
        # What comes before the first pruned layer is the same at every position.
        features[split] = float_engine.forward(layers[:first], weights, x_of(dataset, split))
        y = y_of(dataset, split)
        right_before[split] = right_answers(layers[first:], weights, features[split], y)
    counts = {key: {split: [] for split in splits} for key in COUNTS}
    sparsities: dict[str, list[float]] = {name: [] for name in kernels}
    overall = []
    for done, s in enumerate(positions, start=1):
        pruned, sparsity = prune(weights, dict.fromkeys(kernels, float(s)))
        for name in kernels:
            sparsities[name].append(round(sparsity[name], 6))
        removed = sum(sparsity[name] * sizes[name] for name in kernels)
        overall.append(round(removed / sum(sizes.values()), 6))
        for split in splits:
            right = right_answers(layers[first:], pruned, features[split], y_of(dataset, split))
            counts["correct"][split].append(int(right.sum()))
            counts["newly_wrong"][split].append(int((right_before[split] & ~right).sum()))
            counts["newly_right"][split].append(int((right & ~right_before[split]).sum()))
        if progress is not None:
            progress(done, len(positions))
    n = {split: len(y_of(dataset, split)) for split in splits}
    return {"sparsity": sparsities, "overall_sparsity": overall, **counts, "n": n}


def pruning_sweep():
    """One s for all kernels of a network, s = 0 to 3."""
    networks = {}
    for name in NETWORKS:
        network, dataset = load_network(name)
        kernels = layer_specs.kernel_names(network.layers)
        networks[name] = {
            "sigma": {kernel: float(np.std(network.weights[kernel], dtype=np.float64))
                      for kernel in kernels},
            "count": {kernel: network.weights[kernel].size for kernel in kernels},
            **sweep(network, dataset, kernels, progress=printer(name)),
        }  # fmt: skip
    return {"s": S.tolist(), "networks": networks}, {}, NETWORKS


def pruning_sensitivity():
    """Each kernel pruned alone, the others dense, s = 0 to 3."""
    networks = {}
    for name in NETWORKS:
        network, dataset = load_network(name)
        networks[name] = {}
        for kernel in layer_specs.kernel_names(network.layers):
            rows = sweep(network, dataset, [kernel], progress=printer(f"{name} {kernel}"))
            rows["sparsity"] = rows["sparsity"][kernel]
            networks[name][kernel] = rows
    return {"s": S.tolist(), "networks": networks}, {}, NETWORKS


def pruning_grid():
    """fashion_cnn, an s of its own for each of its four kernels: all 21^4 combinations.

    arrays["validation"][i, j, k, l] counts the right answers with s[i] in conv1, s[j] in conv2,
    s[k] in dense1 and s[l] in dense2 (int16); arrays["sparsity"][m, i] is the sparsity of kernel m
    at s[i]. Test images are not counted: a choice is made here.
    """
    network, dataset = load_network("fashion_cnn")
    report = printer("fashion_cnn, images")
    x, y = x_of(dataset, "validation"), y_of(dataset, "validation")
    counts = np.zeros((len(S_GRID),) * 4, np.int16)
    for start in range(0, len(x), float_engine.BATCH):
        batch = slice(start, start + float_engine.BATCH)
        counts += grid_counts(network, x[batch], y[batch])
        report(min(start + float_engine.BATCH, len(x)), len(x))
    kernels = layer_specs.kernel_names(network.layers)
    sparsity = np.array(
        [[prune(network.weights, {kernel: s})[1][kernel] for s in S_GRID] for kernel in kernels]
    )
    record = {"s": S_GRID.tolist(), "kernels": kernels, "n": {"validation": len(y)}}
    return record, {"validation": counts, "s": S_GRID, "sparsity": sparsity}, ("fashion_cnn",)


def grid_counts(network, x, y):
    """Right answers for one batch at every point of the grid: int16, an axis for each kernel.

    A layer is run once for all its pruned kernels, laid side by side as output channels, so that
    its input is read once.
    """
    side, layers, weights = len(S_GRID), network.layers, network.weights
    kernels = {
        name: [prune(weights, {name: s})[0][name] for s in S_GRID]
        for name in layer_specs.kernel_names(layers)
    }
    conv2, dense1 = (
        np.concatenate(kernels[f"{name}/kernel"], axis=-1) for name in ("conv2", "dense1")
    )
    # Of the last layer a class's columns lie side by side: the largest is found class by class.
    dense2 = np.stack(kernels["dense2/kernel"], axis=-1).reshape(len(dense1[0]) // side, -1)
    conv2_bias, dense1_bias = (
        np.tile(weights[f"{name}/bias"], side) for name in ("conv2", "dense1")
    )
    dense2_bias = np.repeat(weights["dense2/bias"], side)
    pool2, n = layers[3], len(x)
    truth = np.arange(n)[:, np.newaxis], slice(None), y[:, np.newaxis]
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
            logits = logits.reshape(n, side, -1, side)  # image, s of dense1, class, s of dense2
            right = logits[truth].reshape(n, side, side) >= logits.max(axis=2)
            counts[i, j] = right.sum(axis=0)
    return counts


def _layer_of(layers, kernel):
    return [layer["name"] for layer in layers].index(kernel.split("/")[0])


EXPERIMENTS = (pruning_sweep, pruning_sensitivity, pruning_grid)
