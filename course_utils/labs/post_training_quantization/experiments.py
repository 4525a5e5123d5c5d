"""Files that a converter writes (notebook 08): their bytes, answers and runtimes."""

from __future__ import annotations

import numpy as np

from course_utils.machines import conversion, data, evaluation, models
from course_utils.machines.recording import QUANTIZED


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


EXPERIMENTS = (techniques, per_channel)
