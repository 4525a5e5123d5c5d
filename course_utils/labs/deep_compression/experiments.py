"""Two networks through the three stages, the states of the explorer, and TFLM (notebook 10)."""

from __future__ import annotations

import gzip
import hashlib
import inspect
import json

import numpy as np

from course_utils import env
from course_utils.labs.deep_compression import lut, stages
from course_utils.machines import data, evaluation, micro, models, numpy_training, training
from course_utils.machines.recording import paired_counts, printer, resumable
from course_utils.numbers import compressed_network, huffman, weight_sharing

SEEDS = (1, 2, 3, 4, 5)
NETWORKS = (stages.LENET, stages.CNN)
SPLITS = ("validation", "test")
# What the explorer moves. The other kernels keep as many times more of their weights as in the
# recipe, at most all.
KEEP = (1.0, 0.4, 0.2, 0.12, 0.08, 0.06, 0.04, 0.02)
BITS = (2, 3, 4, 5, 6)
GAPS = (0, 2, 3, 4, 5, 6, 7, 8)
TFLM_PACKAGES = ("tensorflow", "tf-keras", "ai-edge-litert", "tflite-micro")


def deep_compression():
    """LeNet-300-100 and fashion_cnn pruned, shared and coded, five seeds, every byte counted.

    LeNet-300-100 once more with fewer weights left. Each starts from the network that ships and
    sees 55,000 training images in another order. The recipe was chosen on the validation images;
    the test images are counted at the end.
    """
    images = data.load("fashion_mnist", full=True)
    rows, arrays, seconds = [], {}, 0.0
    for network in NETWORKS:
        dense = _right(network, dict(data.checkpoint(network).weights), images)
        for seed in SEEDS:
            part = _part(
                "deep_compression", [network, seed], stages.RECIPES[network],
                lambda network=network, seed=seed: _stages(network, seed, images),
            )  # fmt: skip
            seconds += float(part["seconds"])
            rows.append(_row(network, seed, part, dense))
            print(json.dumps(rows[-1]["bytes"]), rows[-1]["test"], flush=True)
            arrays[f"{network}/coded/{seed}"] = part["coded"]
            if seed == SEEDS[0]:
                arrays[f"{network}/pruned"] = part["pruned"]
    fewer = []
    dense = _right(stages.LENET, dict(data.checkpoint(stages.LENET).weights), images)
    for seed in SEEDS:
        part = _part(
            "deep_compression", ["fewer", seed], stages.FEWER,
            lambda seed=seed: _stages(stages.LENET, seed, images, stages.FEWER),
        )  # fmt: skip
        seconds += float(part["seconds"])
        fewer.append(_row(stages.LENET, seed, part, dense))
        print("fewer", json.dumps(fewer[-1]["bytes"]), fewer[-1]["test"], flush=True)
    record = {
        "seed": list(SEEDS),
        "versions": training.versions(),
        "seconds": round(seconds, 1),
        "train_size": len(images.x_train),
        "n": {split: len(getattr(images, f"y_{split}")) for split in SPLITS},
        "recipes": {**{network: stages.RECIPES[network]._asdict() for network in NETWORKS},
                    "fewer": stages.FEWER._asdict()},
        "arrays": "NETWORK/coded/SEED: the last stage's file; NETWORK/pruned: the first stage's of "
        "the first seed",
        "rows": rows,
        "fewer": fewer,
    }  # fmt: skip
    return record, arrays, NETWORKS


def _stages(network, seed, images, recipe=None):
    """One seed: the files of the stages, and the right answers after each, image by image."""
    control, recipe = recipe is None, recipe or stages.RECIPES[network]
    weights = stages.prune(network, images, recipe, seed, printer(f"{network} {seed}, prune"))
    clustered = stages.share(weights, recipe.bits)
    shared = stages.tune(network, clustered, images, recipe, seed,
                         printer(f"{network} {seed}, codebooks"))  # fmt: skip
    files = stages.files(network, weights, shared)
    found = {stage: np.frombuffer(file, np.uint8) for stage, file in files.items()
             if stage in ("pruned", "coded")}  # fmt: skip
    states = {
        "pruned": weights,
        "clustered": stages.floats(clustered),
        "shared": stages.floats(shared),
        # What the answers are counted on is what came out of the file.
        "coded": stages.floats(compressed_network.decode(files["coded"])),
    }
    if control:
        states["trained_on"] = _trained_on(network, seed, images)
    for name, own in states.items():
        for split, right in _right(network, own, images).items():
            found[f"right/{name}/{split}"] = np.packbits(right)
    return found


def _trained_on(network, seed, images):
    """The dense network, trained on for as many steps."""
    recipe = stages.RECIPES[network]
    budget = recipe.cuts * recipe.cut_steps + 2 * recipe.tune_steps + recipe.codebook_steps
    return numpy_training.train(
        network, dict(data.checkpoint(network).weights), images, steps=budget, every=recipe.every,
        seed=seed, batch_size=recipe.batch_size, learning_rate=recipe.learning_rate / 5,
        progress=printer(f"{network} {seed}, dense"),
    ).weights  # fmt: skip


def _right(network, weights, images):
    """Is each answer right? {split: bool}"""
    return {
        split: _answers(network, weights, getattr(images, f"x_{split}"))
        == getattr(images, f"y_{split}")
        for split in SPLITS
    }


def _answers(network, weights, x):
    net = numpy_training.Network(network, weights, {})
    return np.concatenate(
        [net._forward(x[i : i + net.batch]).argmax(axis=1) for i in range(0, len(x), net.batch)]
    )


def _row(network, seed, part, dense):
    shared = compressed_network.decode(part["coded"].tobytes())
    weights = stages.floats(compressed_network.decode(part["pruned"].tobytes()))
    files = stages.files(network, weights, shared)
    if files["coded"] != part["coded"].tobytes():
        raise ValueError(f"{network}, seed {seed}: decoded and encoded, the file is another one.")
    gaps = stages.gap_widths(shared)
    row = {
        "network": network, "seed": seed,
        "bytes": {stage: len(file) for stage, file in files.items()},
        "gzip": {"dense": _gzip(dict(data.checkpoint(network).weights)), "pruned": _gzip(weights),
                 "shared": _gzip(stages.floats(shared))},
        "gaps": {"pruned": stages.gap_widths(stages.pruned(weights, gaps)),
                 "shared": stages.gap_widths(shared, coded=False), "coded": gaps},
        "kernels": {name: _symbols(shared[name], bits) for name, bits in gaps.items()},
    }  # fmt: skip
    for split in SPLITS:
        before, row[split], row[f"{split}_paired"] = dense[split], {}, {}
        row[split]["dense"] = int(before.sum())
        for name in [key.split("/")[1] for key in part if key.endswith(f"/{split}")]:
            bits = part[f"right/{name}/{split}"]
            after = np.unpackbits(bits, count=len(before)).astype(bool)
            right, *changed = paired_counts(before, after)
            row[split][name], row[f"{split}_paired"][name] = right, changed
    return row


def _gzip(weights):
    """Bytes of all float32 weights in one row, compressed."""
    return len(gzip.compress(b"".join(np.asarray(w, "<f4").tobytes() for w in weights.values()),
                             9, mtime=0))  # fmt: skip


def _symbols(tensor, index_bits):
    """Of a kernel: weights, those left, entries; bits a symbol and the entropy of both rows."""
    gaps, values = compressed_network.entries(np.ravel(tensor.indices), index_bits)
    found = {"weights": int(tensor.indices.size), "left": int((tensor.indices > 0).sum()),
             "entries": len(values)}  # fmt: skip
    for name, row in (("values", values), ("gaps", gaps)):
        if not len(row):  # every weight is stored
            continue
        counts = np.bincount(row)
        mean = float(counts @ huffman.code_lengths(counts) / counts.sum())
        found[name] = {"huffman": round(mean, 4), "entropy": round(huffman.entropy(counts), 4)}
    return found


# --- the explorer's states ----------------------------------------------------------------------


def keep_at(level):
    """The share left of each kernel of LeNet-300-100 where the first keeps this one."""
    keep = stages.RECIPES[stages.LENET].keep
    first = next(iter(keep.values()))
    return {name: min(1.0, share / first * level) for name, share in keep.items()}


def compression_grid():
    """LeNet-300-100 at eight sparsities, every choice of bits per layer and of gap bits.

    Gradually pruned, trained on at each level, seed 1; then k-means for each layer and width,
    without training the codebooks. Right answers of all choices, and the bytes of their files.
    """
    images = data.load("fashion_mnist", full=True)
    recipe, network = stages.RECIPES[stages.LENET], stages.LENET
    kernels = list(recipe.keep)
    changed = np.zeros((len(SPLITS), 2, len(KEEP), *[len(BITS)] * len(kernels)), np.int16)
    pruned = np.zeros((len(SPLITS), 2, len(KEEP)), np.int16)
    parts = len(compressed_network.PARTS)
    sizes = np.zeros((2, len(kernels), len(KEEP), len(BITS), len(GAPS), parts), np.int32)
    weights, seconds = dict(data.checkpoint(network).weights), 0.0
    dense = _right(network, weights, images)
    for i, level in enumerate(KEEP):
        part = _part("compression_grid", [level], recipe,
                     lambda weights=weights, level=level: _level(weights, level, images),
                     weights)  # fmt: skip
        seconds += float(part["seconds"])
        weights = {name: part[name] for name in weights}
        shared = {bits: stages.share(weights, dict.fromkeys(kernels, bits)) for bits in BITS}
        for j, (split, after) in enumerate(_right(network, weights, images).items()):
            pruned[j, :, i] = paired_counts(dense[split], after)[1:]
            changed[j, :, i] = _all_choices(weights, shared, images, split, dense[split])
        for b, bits in enumerate(BITS):
            for g, gap in enumerate(GAPS):
                for coded in (False, True):
                    rows = compressed_network.ledger(shared[bits], gap, coded)
                    for k, name in enumerate(kernels):
                        sizes[int(coded), k, i, b, g] = list(rows[name].values())
        print(f"grid, {level:.0%} left: newly wrong and right {pruned[1, :, i]}", flush=True)
    biases = compressed_network.ledger(shared[BITS[0]], 0)
    other = {part: sum(row[part] for name, row in biases.items() if name not in kernels)
             for part in compressed_network.PARTS}  # fmt: skip
    record = {
        "seed": 1,
        "versions": training.versions(),
        "seconds": round(seconds, 1),
        "network": network,
        "kernels": kernels,
        "keep": list(KEEP),
        "keep_by_kernel": [list(keep_at(level).values()) for level in KEEP],
        "bits": list(BITS),
        "gaps": list(GAPS),
        "parts": list(compressed_network.PARTS),
        "other_bytes": other,
        "n": {split: len(getattr(images, f"y_{split}")) for split in SPLITS},
        "dense": {split: int(right.sum()) for split, right in dense.items()},
        "arrays": "changed: (validation and test, answers newly wrong and newly right, level, bits "
        "of each kernel); pruned: the same before sharing; bytes: (before Huffman's code and "
        "after, kernel, level, bits, gap bits, part); last: the pruned network of the last level",
    }
    arrays = {"changed": changed, "pruned": pruned, "bytes": sizes}
    arrays["last"] = np.frombuffer(stages.encode(stages.pruned(weights, kernels)), np.uint8)
    return record, arrays, (network,)


def _level(weights, level, images):
    """Cut to this level from the one before, and train on."""
    recipe = stages.RECIPES[stages.LENET]
    for rate in (recipe.learning_rate, recipe.learning_rate / 5):
        run = numpy_training.train(
            stages.LENET, weights, images, masks=stages.masks(weights, keep_at(level)),
            steps=3000, every=recipe.every, seed=1, batch_size=recipe.batch_size,
            learning_rate=rate, progress=printer(f"grid, {level:.0%} left"),
        )  # fmt: skip
        weights = run.last
    return dict(run.weights)


def _all_choices(weights, shared, images, split, dense):
    """Answers newly wrong and newly right for every choice of bits for each of three layers."""
    x, y = getattr(images, f"x_{split}"), getattr(images, f"y_{split}")
    found = np.zeros([2, *[len(BITS)] * 3], np.int16)

    def layer(i, x, bits):
        name = f"dense{i}"
        kernel = compressed_network.weights_of(shared[bits][f"{name}/kernel"])
        return x @ kernel + weights[f"{name}/bias"]

    for a, first in enumerate(BITS):
        one = np.maximum(layer(1, x.reshape(len(x), -1), first), 0)
        for b, second in enumerate(BITS):
            two = np.maximum(layer(2, one, second), 0)
            for c, third in enumerate(BITS):
                after = layer(3, two, third).argmax(axis=1) == y
                found[:, a, b, c] = paired_counts(dense, after)[1:]
    return found


# --- TFLM ---------------------------------------------------------------------------------------


def compression_tflm():
    """Both networks in int8: plain files, and shared weights that TFLM looks up, whole test set.

    The networks of seed 1 of `deep_compression`. Every file's bytes, its arena, seconds per
    inference on this machine, and the outputs of the compressed one against the other's.
    """
    if reason := micro.missing():
        raise OSError(reason)
    from course_utils.machines import conversion

    images, rows, arrays = data.load("fashion_mnist"), [], {}
    calibration = images.x_train[: conversion.CALIBRATION_SAMPLES]
    stored = data.result("deep_compression").arrays
    for network in NETWORKS:
        weights = {
            "dense": dict(data.checkpoint(network).weights),
            "pruned": stages.floats(
                compressed_network.decode(stored[f"{network}/pruned"].tobytes())
            ),
            "shared": stages.floats(
                compressed_network.decode(stored[f"{network}/coded/{SEEDS[0]}"].tobytes())
            ),
        }
        files = {}
        for stage in ("dense", "pruned"):
            model = models.set_weights(models.build(network), weights[stage])
            files[stage] = conversion.convert(model, "int8", calibration)
        files["shared"] = lut.clustered(network, weights["shared"])
        files["lut"] = lut.compress(files["shared"])
        outputs, answers = {}, {}
        for stage, tflite in files.items():
            codes = evaluation.to_input(images.x_test, files["shared" if stage == "lut" else stage])
            outputs[stage] = micro.run(tflite, codes)
            answers[stage] = outputs[stage].reshape(len(codes), -1).argmax(axis=1) == images.y_test
            row = {
                "network": network, "file": stage, "bytes": len(tflite),
                "gzip": len(gzip.compress(tflite, 9, mtime=0)),
                "correct": int(answers[stage].sum()),
                "arena": micro.arena(tflite)._asdict(),
                "smallest_arena": micro.smallest_arena(tflite),
            }  # fmt: skip
            rows.append(row)
            print(json.dumps({k: v for k, v in row.items() if k != "arena"}), flush=True)
        codes = evaluation.to_input(images.x_test[:100], files["shared"])
        times = lut.seconds(list(files.values()), codes)
        for row, each in zip(rows[-len(files) :], times, strict=True):
            row["milliseconds"] = [round(1e3 * quartile, 4) for quartile in each.tolist()]
        differing = int((outputs["lut"] != outputs["shared"]).sum())
        rows[-1] |= {"values": int(outputs["lut"].size), "differing": differing,
                     "table_bits": list(lut.kernels(files["shared"]).values())}  # fmt: skip
        for stage in ("shared", "lut"):
            arrays[f"{network}/{stage}"] = np.frombuffer(files[stage], np.uint8)
    refused = {}
    for method in ("huffman", "pruning"):
        try:
            lut.compress(arrays[f"{stages.LENET}/shared"].tobytes(), method)
            refused[method] = ""
        except micro.Refused as said:
            refused[method] = str(said)
    record = {
        "versions": {**training.versions(),
                     **{name: env.installed_version(name) for name in TFLM_PACKAGES}},
        "processor": evaluation.processor(),
        "n": {"test": len(images.y_test)},
        "calibration": conversion.CALIBRATION_SAMPLES,
        "refused": refused,
        "arrays": "NETWORK/shared: the int8 file with shared weights; NETWORK/lut: compressed",
        "rows": rows,
    }  # fmt: skip
    return record, arrays, NETWORKS


# --- TensorFlow's own clustering ----------------------------------------------------------------


def compression_oracle():
    """What tfmot's clustering makes of LeNet-300-100's first layer: start, clusters, gradient.

    The pruned weights that are left, for the centroids of k-means, and gradients drawn by lot.
    """
    tf = env.tensorflow()
    from tensorflow_model_optimization.python.core.clustering.keras import (
        cluster_config,
        clustering_algorithm,
        clustering_centroids,
    )

    stored = data.result("deep_compression").arrays[f"{stages.LENET}/pruned"].tobytes()
    weights = stages.floats(compressed_network.decode(stored))["dense1/kernel"]
    left, k = weights[weights != 0], 2 ** stages.RECIPES[stages.LENET].bits["dense1/kernel"] - 1
    first = clustering_centroids.CentroidsInitializerFactory.get_centroid_initializer(
        cluster_config.CentroidInitialization.LINEAR
    )(left, k).get_cluster_centroids()
    codebook = weight_sharing.k_means(left.astype(float), k)[-1].astype(np.float32)
    gradient = np.random.default_rng(10).normal(0, 1, left.shape).astype(np.float32)
    centroids = tf.Variable(codebook)
    algorithm = clustering_algorithm.ClusteringAlgorithm(centroids)
    indices = algorithm.get_pulling_indices(left)
    with tf.GradientTape() as tape:
        clustered = algorithm.get_clustered_weight(indices, tf.constant(left))
        loss = tf.reduce_sum(clustered * gradient)
    arrays = {
        "codebook": codebook, "first": np.sort(np.asarray(first, np.float32).ravel()),
        "indices": np.asarray(indices, np.uint8), "gradient": gradient,
        "codebook_gradient": np.asarray(tf.convert_to_tensor(tape.gradient(loss, centroids))),
    }  # fmt: skip
    packages = ("tensorflow", "tf-keras", "tensorflow-model-optimization")
    record = {
        "seed": 10,
        "versions": {**training.versions(),
                     **{name: env.installed_version(name) for name in packages}},
        "arrays": "codebook: the centroids given; first: tfmot's linear start; indices: its "
        "clusters; gradient: for each weight; codebook_gradient: tfmot's for each centroid",
    }  # fmt: skip
    return record, arrays, (stages.LENET,)


def _code(*functions):
    """The text of what an interrupted run's arrays depend on, as it was when it began."""
    own = (numpy_training, weight_sharing, stages.schedule, stages.masks, stages.prune,
           stages.share, stages.tune, *functions)  # fmt: skip
    return hashlib.sha256("".join(map(inspect.getsource, own)).encode()).hexdigest()


CODE = {"deep_compression": _code(_stages), "compression_grid": _code(_level)}


def _part(experiment, key, recipe, compute, start=None):
    """compute()'s arrays, or those of an interrupted run of the same recipe and code."""
    digest = hashlib.sha256()
    for weights in (start or {}).values():
        digest.update(np.ascontiguousarray(weights).tobytes())
    files = data.manifest()["files"]
    inputs = [files[f"checkpoints/{network}.npz"]["sha256"] for network in NETWORKS]
    identity = json.dumps([key, recipe, CODE[experiment], digest.hexdigest(), inputs])
    return resumable(experiment, "_".join(map(str, key)), identity, compute)


EXPERIMENTS = (deep_compression, compression_grid, compression_tflm, compression_oracle)
