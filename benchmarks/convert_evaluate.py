"""How long it takes to convert a network five ways and to evaluate each on the whole test set.

    python benchmarks/convert_evaluate.py [network, fashion_cnn unless told]

The baseline, measured in the same run, evaluates one input at a time in one thread, as most
tutorials do; it is measured on 500 inputs and scaled up to all of them.
"""

import platform
import sys
import time

from course_utils import env
from course_utils.machines import conversion, data, evaluation, models

BASELINE_INPUTS = 500


def one_by_one(tflite, x):
    machine = evaluation.interpreter(tflite)
    detail, output = machine.get_input_details()[0], machine.get_output_details()[0]
    codes = evaluation.to_input(x, tflite)
    for one in codes:
        machine.set_tensor(detail["index"], one[None])
        machine.invoke()
        machine.get_tensor(output["index"])


def seconds(function):
    start = time.perf_counter()
    result = function()
    return time.perf_counter() - start, result


def main():
    name = sys.argv[1] if len(sys.argv) > 1 else "fashion_cnn"
    network, dataset = data.checkpoint(name), data.load(models.DATASETS[name])
    start, _ = seconds(env.keras)
    model = models.set_weights(models.build(name), network.weights)
    x, y = dataset.x_test, dataset.y_test
    print(f"{name}, {len(x):,} inputs, Python {platform.python_version()}, "
          f"{evaluation.processor()}; importing TensorFlow took {start:.1f} s\n")
    print("| mode | bytes | convert s | evaluate s | one by one s | times faster | accuracy |")
    print("|---|---|---|---|---|---|---|")
    total = 0.0
    for mode in conversion.MODES:
        calibration = dataset.x_train[:500] if mode in conversion.CALIBRATED else None
        convert, tflite = seconds(lambda m=mode, c=calibration: conversion.convert(model, m, c))
        evaluate, found = seconds(lambda t=tflite: evaluation.accuracy(t, x, y))
        baseline = seconds(lambda t=tflite: one_by_one(t, x[:BASELINE_INPUTS]))[0]
        baseline *= len(x) / BASELINE_INPUTS
        total += convert + evaluate
        print(f"| {mode} | {len(tflite):,} | {convert:.1f} | {evaluate:.1f} | {baseline:.1f} "
              f"| {baseline / evaluate:.1f} | {found} |", flush=True)
    print(f"\nConvert and evaluate, all five: {total:.1f} s (bound: 40 s)")


if __name__ == "__main__":
    main()
