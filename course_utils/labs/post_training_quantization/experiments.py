"""Files that a converter writes (notebook 08): their bytes, answers and runtimes."""

from __future__ import annotations

import numpy as np

from course_utils.engines import simulated_quantization as simulated
from course_utils.machines import conversion, data, evaluation, models
from course_utils.machines.recording import (
    COUNTS,
    QUANTIZED,
    SPLITS,
    paired_counts,
    right_answers,
    x_of,
    y_of,
)


def techniques():
    """Three networks converted five ways: bytes by part, right answers, where each file runs."""
    networks, arrays = {}, {}
    for name in QUANTIZED:
        dataset, rows = data.load(models.DATASETS[name]), {}
        for mode in conversion.MODES:
            print(f"{name}: {mode}", flush=True)
            tflite = conversion.converted(name, mode)
            rows[mode] = {"runs": {k: list(v) for k, v in _runtimes(tflite, dataset).items()},
                          **_measured(f"{name}/{mode}", tflite, dataset, rows, arrays)}  # fmt: skip
        networks[name] = rows
    samples = conversion.CALIBRATION_SAMPLES
    calibration = f"the first {samples} training inputs, for int8 and int16x8"
    return {"calibration": calibration, "networks": networks}, arrays, QUANTIZED


def per_channel():
    """int8 with one scale for each output channel against one for each kernel."""
    networks, arrays = {}, {}
    for name in QUANTIZED:
        dataset, rows = data.load(models.DATASETS[name]), {}
        for how in ("float32", "per channel", "per tensor"):
            print(f"{name}: {how}", flush=True)
            mode = "float32" if how == "float32" else "int8"
            tflite = conversion.converted(name, mode, per_channel=how != "per tensor")
            rows[how] = _measured(f"{name}/{how}", tflite, dataset, rows, arrays)
        networks[name] = rows
    calibration = f"the first {conversion.CALIBRATION_SAMPLES} training inputs"
    return {"calibration": calibration, "networks": networks}, arrays, QUANTIZED


SPEED_NETWORKS = ("lenet_300_100", "fashion_cnn", "fashion_dscnn")  # dense; convolutions; depthwise
SPEED_ROUNDS, SPEED_SECONDS = 10, 2.0


def technique_table():
    """What the technique table lacks: times, the dense network's files, the file trained for int8.

    Times are of one input, one thread. In each of ten rounds all files of a network take turns, so
    that the ratio of two medians of one round is paired; the spread over rounds says how sure it
    is. "qat" is data/models/fashion_dscnn_qat_int8.tflite.
    """
    arrays, measured, times = {}, {}, {}
    for name in SPEED_NETWORKS:
        files = {mode: conversion.converted(name, mode) for mode in conversion.MODES}
        if name == "fashion_dscnn":
            files["qat"] = data.model("fashion_dscnn_qat")
        rows, dataset = {}, data.load(models.DATASETS[name])
        for mode, tflite in files.items():
            print(f"{name}: {mode}", flush=True)
            if name == "lenet_300_100" or mode in ("float32", "qat"):
                rows[mode] = {
                    "runs": {k: list(v) for k, v in _runtimes(tflite, dataset).items()},
                    **_measured(f"{name}/{mode}", tflite, dataset, rows, arrays),
                }
        measured[name] = rows
        times[name] = {}
        for kernels in evaluation.KERNELS:
            print(f"{name}: timing, {kernels}", flush=True)
            rounds = [evaluation.latency(files, kernels, seconds=SPEED_SECONDS)
                      for _ in range(SPEED_ROUNDS)]  # fmt: skip
            times[name][kernels] = {
                mode: [round(found[mode].median, 3) for found in rounds] for mode in files
            }
    results = {
        "machine": evaluation.processor(),
        "times": "median microseconds of one input in each round; one thread",
        "rounds": SPEED_ROUNDS,
        "seconds_a_round": SPEED_SECONDS,
        "networks": measured,
        "microseconds": times,
    }
    return results, arrays, SPEED_NETWORKS


# (network, layer, bits, scheme): each loses about 0.7 points of test accuracy.
DIFFERENCES = {
    "A": ("watch_cnn", "conv1", 2, "per tensor, affine"),
    "B": ("fashion_cnn", "conv1", 4, "per tensor, symmetric"),
}


def paired_differences():
    """Two rounded layers that cost about the same points: which loss is more than chance?"""
    pairs, arrays = {}, {}
    for key, (name, layer, bits, scheme) in DIFFERENCES.items():
        checkpoint, dataset = data.checkpoint(name), data.load(models.DATASETS[name])
        layers, weights = simulated.fold_batch_norm(checkpoint.layers, checkpoint.weights)
        rounded = simulated.quantize_kernels(layers, weights, bits, scheme, only=[layer])
        pairs[key] = {"network": name, "layer": layer, "bits": bits, "scheme": scheme}
        for split in SPLITS:
            x, y = x_of(dataset, split), y_of(dataset, split)
            before, after = (right_answers(layers, w, x, y) for w in (weights, rounded))
            counts = paired_counts(before, after)
            pairs[key][split] = dict(zip(COUNTS, counts, strict=True), n=len(y))
            if split == "test":
                arrays |= {f"{key}/before": np.packbits(before), f"{key}/after": np.packbits(after)}
    return {"pairs": pairs}, arrays, tuple(name for name, *_ in DIFFERENCES.values())


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


EXPERIMENTS = (techniques, per_channel, technique_table, paired_differences)
