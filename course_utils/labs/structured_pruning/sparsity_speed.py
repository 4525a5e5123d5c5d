"""What sparsity buys in bytes and in time on this machine (notebook 03)."""

from __future__ import annotations

import contextlib
import time

import numpy as np

from course_utils import env
from course_utils.engines import blas, layer_specs
from course_utils.machines import conversion, data, evaluation, fine_tuning, models, training
from course_utils.numbers import channel_pruning, coding

SPARSITIES = (0.0, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98)
FRACTIONS = (0.0, 0.25, 0.5, 0.75)
FORMATS = ("dense", "gzip", "bitmap", "csr4", "csr8", "csr16")
PATTERNS = {"unstructured": "one_shot", "blocks": "blocks"}  # and the method that makes each
BYTES_NETWORKS = ("lenet_300_100", "fashion_cnn")
SPEED_NETWORK = "lenet_300_100"  # all of it dense layers, for which LiteRT has a sparse kernel
CHANNEL_NETWORK = "fashion_cnn"
SHAPES = ((300, 784), (1024, 1024))  # of the matrices to multiply: lenet's dense1, a larger one

# What XNNPACK asks of a network before it multiplies sparsely (google/XNNPACK, src/subgraph.c,
# xnn_subgraph_rewrite_for_nchw, and src/xnnpack/hardware-config.h). Each probe breaks one rule of
# the first, which keeps all of those that a network can keep.
PROBES = {
    "all conditions on the network": {},
    "two thirds zeros in the 1x1 convolutions: only half": {"sparsity": 0.5},
    "3 input channels: 1": {"channels": 1},
    "3x3 convolution with stride 2 and 1 pixel of padding first: SAME padding": {"pad": False},
    "global average pooling last: flatten": {"pool": False},
}


def sparsity_speed(seconds=8.0):
    """Bytes in every format, and microseconds of dense, sparse and smaller networks, interleaved.

    Weights are pruned and not trained: neither bytes nor time depend on what they are.
    """
    files = network_files(data.checkpoint(SPEED_NETWORK))
    times = latencies(files, seconds)
    multiply = {f"{rows} x {columns}": multiplications(rows, columns, seconds / 2)
                for rows, columns in SHAPES}  # fmt: skip
    packages = ("ai-edge-litert", "scipy")
    return (
        {
            "versions": {**training.versions(), **{p: env.installed_version(p) for p in packages}},
            "processor": evaluation.processor(),
            "avx": has_avx(),
            "threads": 1,
            "unit": "microseconds: [lower quartile, median, upper quartile]",
            "sparsity": list(SPARSITIES),
            "bytes": {name: network_bytes(data.checkpoint(name)) for name in BYTES_NETWORKS},
            "multiply": multiply,
            "network": {"name": SPEED_NETWORK, **times},
            "break_even": {
                **{f"multiply {shape}": break_even(found["dense"], found["scipy"])
                   for shape, found in multiply.items()},
                **{pattern: break_even(times["dense"], times[pattern]) for pattern in PATTERNS},
            },
            "structured": structured(data.checkpoint(CHANNEL_NETWORK), seconds / 2),
            "conditions": conditions(seconds / 4),
        },
        {},
        tuple(dict.fromkeys((*BYTES_NETWORKS, SPEED_NETWORK, CHANNEL_NETWORK))),
    )  # fmt: skip


def pruned(network, pattern, sparsity):
    """A network's weights with that share of each dense layer (or each kernel) gone."""
    method = PATTERNS[pattern]
    names = fine_tuning.kernels_for(method, network.layers, network.weights)
    masks = fine_tuning.masks_for(method, {n: network.weights[n] for n in names}, sparsity)
    return fine_tuning.apply_masks(network.weights, masks)


def convert(layers, input_shape, weights, sparse=False):
    model = models.set_weights(models.build(layers, input_shape), weights)
    return conversion.convert(model, "float32", sparse=sparse)


def network_bytes(network):
    """{pattern: {format: [bytes of all kernels, one a sparsity]}}; "tflite" is the whole file."""
    table = {}
    for pattern in PATTERNS:
        rows = table[pattern] = {name: [] for name in (*FORMATS, "tflite", "tflite_sparse")}
        for sparsity in SPARSITIES:
            weights = pruned(network, pattern, sparsity)
            matrices = [weights[name].reshape(-1, weights[name].shape[-1]).T
                        for name in layer_specs.kernel_names(network.layers)]  # fmt: skip
            ledgers = [coding.ledger(matrix, FORMATS) for matrix in matrices]
            for name in FORMATS:
                rows[name].append(sum(found[name] for found in ledgers))
            for name, sparse in (("tflite", False), ("tflite_sparse", True)):
                rows[name].append(
                    len(convert(network.layers, network.input_shape, weights, sparse))
                )
    return table


def network_files(network):
    """{"dense": bytes, ("blocks", 0.9): bytes, ...}: the files whose time is taken."""
    files = {"dense": convert(network.layers, network.input_shape, network.weights)}
    for pattern in PATTERNS:
        for sparsity in SPARSITIES[1:]:
            files[pattern, sparsity] = convert(
                network.layers, network.input_shape, pruned(network, pattern, sparsity), True
            )
    return files


def latencies(files, seconds):
    """{"dense": [[low, median, high], one a sparsity], and the same for each pattern}."""
    found = evaluation.latency(files, seconds=seconds)
    dense = _quartiles(found["dense"])
    times = {pattern: [dense, *(_quartiles(found[pattern, s]) for s in SPARSITIES[1:])]
             for pattern in PATTERNS}  # fmt: skip
    return {"dense": [dense] * len(SPARSITIES), **times}


def _quartiles(latency):
    low, high = latency.quartiles
    return [round(low, 2), round(latency.median, 2), round(high, 2)]


def multiplications(rows, columns, seconds):
    """A matrix times a vector: {"dense": NumPy's times, "scipy": those of a CSR matrix}."""
    from scipy import sparse

    rng = np.random.default_rng(0)
    x = rng.normal(size=columns).astype(np.float32)
    dense = rng.normal(size=(rows, columns)).astype(np.float32)
    share = rng.random((rows, columns))
    matrices = [sparse.csr_matrix(np.where(share >= s, dense, 0)) for s in SPARSITIES]
    times = [[] for _ in range(len(matrices) + 1)]
    with blas.one_thread():
        started = time.perf_counter()
        while len(times[0]) < 20 or time.perf_counter() - started < seconds:
            for own, matrix in zip(times, (dense, *matrices), strict=True):
                matrix @ x  # whose turn it is finds its own data in the cache
                start = time.perf_counter()
                matrix @ x
                own.append(time.perf_counter() - start)
    low, median, high = np.quantile(np.array(times) * 1e6, [0.25, 0.5, 0.75], axis=1).round(2)
    quartiles = np.stack([low, median, high], axis=1).tolist()
    return {"dense": [quartiles[0]] * len(SPARSITIES), "scipy": quartiles[1:]}


def break_even(dense, sparse):
    """The sparsity from which on the sparse way is quicker, by a twentieth at least, else None.

    From medians; between two of SPARSITIES the gain is taken to grow along a straight line.
    """
    gain = np.array([0.95 * d[1] - s[1] for d, s in zip(dense, sparse, strict=True)])
    behind = np.flatnonzero(gain <= 0)
    if not len(behind):
        return SPARSITIES[0]
    last = int(behind[-1])
    if last == len(gain) - 1:
        return None
    left, right = SPARSITIES[last : last + 2]
    return round(left + (right - left) * float(gain[last] / (gain[last] - gain[last + 1])), 3)


def structured(network, seconds):
    """Channels removed: what is left to compute, and how long that takes."""
    scores = channel_pruning.scores(network.layers, network.weights)
    table = {"name": network.name, "fraction": list(FRACTIONS), "macs": [], "parameters": [],
             "tflite": []}  # fmt: skip
    files = {}
    for fraction in FRACTIONS:
        kept = channel_pruning.keep(scores, fraction)
        layers, weights = channel_pruning.rebuild(network.layers, network.weights, kept)
        cost = channel_pruning.cost(layers, network.input_shape)
        files[fraction] = convert(layers, network.input_shape, weights)
        table["macs"].append(cost.macs)
        table["parameters"].append(cost.parameters)
        table["tflite"].append(len(files[fraction]))
    found = evaluation.latency(files, seconds=seconds)
    return {**table, "latency": [_quartiles(found[fraction]) for fraction in FRACTIONS]}


def conditions(seconds):
    """For each probe network: dense and sparse file side by side, and are the outputs the same?

    Bit for bit equal outputs and equal times mean that the same dense kernels ran.
    """
    rows = []
    x = np.random.default_rng(0).random((4, 96, 96, 3)).astype(np.float32)
    for what, broken in PROBES.items():
        model = probe(**broken)
        files = {name: conversion.convert(model, "float32", sparse=name == "sparse")
                 for name in ("dense", "sparse")}  # fmt: skip
        inputs = x[..., : model.input_shape[-1]]
        outputs = [evaluation.run(tflite, inputs) for tflite in files.values()]
        found = evaluation.latency(files, seconds=seconds)
        rows.append({
            "condition": what,
            **{f"{name}_bytes": len(tflite) for name, tflite in files.items()},
            **{name: _quartiles(times) for name, times in found.items()},
            "same_outputs": bool(np.array_equal(*outputs)),
        })  # fmt: skip
    return rows


def probe(sparsity=0.9, channels=3, pad=True, pool=True, width=64, blocks=6):
    """A small MobileNet that XNNPACK could run sparsely, or one rule short of it."""
    keras = env.keras()
    kl = keras.layers
    env.seed(1)
    model = keras.Sequential([kl.InputLayer(input_shape=(96, 96, channels))])
    if pad:
        model.add(kl.ZeroPadding2D(1))
    model.add(kl.Conv2D(width, 3, 2, "valid" if pad else "same", activation="relu"))
    for _ in range(blocks):
        model.add(kl.DepthwiseConv2D(3, padding="same", activation="relu"))
        model.add(kl.Conv2D(width, 1, activation="relu"))
    model.add(kl.GlobalAveragePooling2D() if pool else kl.Flatten())
    model.add(kl.Dense(10))
    rng = np.random.default_rng(1)
    for layer in model.layers:
        if isinstance(layer, kl.Conv2D) and layer.kernel_size == (1, 1):
            kernel = layer.kernel.numpy()
            layer.kernel.assign(np.where(rng.random(kernel.shape) >= sparsity, kernel, 0))
    return model


def has_avx():
    """Has this x86 processor AVX? None where that can't be read, or it is another processor."""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith("flags"):
                return "avx" in line.split()
    return None
