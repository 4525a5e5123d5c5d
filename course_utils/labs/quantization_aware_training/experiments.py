"""Rounded after training or trained for it (notebook 09)."""

from __future__ import annotations

import json

import numpy as np

from course_utils.engines import float_engine
from course_utils.machines import quantization_aware
from course_utils.machines.recording import (
    COUNTS,
    SPLITS,
    load_network,
    paired_counts,
    resumable,
    x_of,
    y_of,
)

QAT_NETWORK = "fashion_dscnn"
QAT_BITS = (8, 6, 5, 4, 3, 2)  # of the weights; activations have 8
QAT_SEEDS = (1, 2, 3, 4, 5)


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


def _ptq_against_qat(experiment, name, bit_widths, per_channel):
    """{method: {bits: one entry a seed}} of right answers; arrays hold them image by image.

    Methods: "ptq" rounds the shipped weights, "control" trains on in float32 (bits "32"),
    "control_ptq" rounds the control's weights, "qat" trains with rounding.
    """
    checkpoint, dataset = load_network(name)
    x, y = (np.concatenate([get(dataset, split) for split in SPLITS]) for get in (x_of, y_of))
    recipe = quantization_aware.qat_recipe(per_channel)

    def answers(seed, bits):
        """{"method bits": is each answer right?} of one training run."""
        trained, before, _ = quantization_aware.train_for_rounding(name, seed, bits, per_channel)
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
        part = resumable(experiment, f"{bits}_{seed}", fingerprint,
                          lambda seed=seed, bits=bits: answers(seed, bits))  # fmt: skip
        seconds += float(part.pop("seconds"))
        right |= {f"{key} {seed}": values for key, values in part.items()}

    shipped = float_engine.predict(checkpoint.layers, checkpoint.weights, x) == y
    end = len(dataset.y_validation)
    cut = {"validation": slice(None, end), "test": slice(end, None)}
    record = {"n": {split: len(y_of(dataset, split)) for split in SPLITS},
              "float32": {split: int(shipped[cut[split]].sum()) for split in SPLITS}}  # fmt: skip
    for key in sorted(right):  # the seeds in order
        method, bits, _ = key.split()
        rows = record.setdefault(method, {}).setdefault(bits, {})
        for split in SPLITS:
            values = paired_counts(shipped[cut[split]], right[key][cut[split]])
            for what, value in zip(COUNTS, values, strict=True):
                rows.setdefault(what, {}).setdefault(split, []).append(value)
    arrays = {key.replace(" ", "_"): np.packbits(values[cut["test"]])
              for key, values in {**right, "float32": shipped}.items()}  # fmt: skip
    results = {
        "seed": list(QAT_SEEDS), "network": name, "bits": list(bit_widths), "recipe": recipe,
        "seconds": round(seconds, 1),  # of all runs that it took
        "arrays": "right answers on the test set, np.packbits, one array a method, bits and seed",
        **record,
    }  # fmt: skip
    return results, arrays, (name,)


EXPERIMENTS = (qat_bits, ptq_vs_qat_8bit)
