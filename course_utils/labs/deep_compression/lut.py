"""Shared weights that run: TFLM looks them up in a table while the network runs.

TFLM's compression stores for each weight the number of its value in a table (`LUT`), and puts a
DECODE operator before the layer that uses them. Of the three stages this is the second alone:
every weight has a number, the pruned ones as well, and all numbers have the same width.
"""

from __future__ import annotations

import contextlib
import io
import time
import warnings
from collections.abc import Sequence

import numpy as np

from course_utils.engines import tflite_file
from course_utils.machines import data, process
from course_utils.machines.micro.interpreter import ARENA
from course_utils.numbers import compressed_network


def clustered(network, weights) -> bytes:
    """The int8 `.tflite` file of float32 weights that share values: one scale for each layer.

    With a scale for each output channel, as the converter likes it, equal weights of two channels
    would become different codes.
    """
    from course_utils.machines import conversion, models

    model = models.set_weights(models.build(network), weights)
    images = data.load(models.DATASETS[network]).x_train[: conversion.CALIBRATION_SAMPLES]
    return conversion.convert(model, "int8", images, per_channel=False)


def kernels(tflite) -> dict[int, int]:
    """The stored weights that share few values: {tensor: bits that tell its values apart}."""
    graph = tflite_file.read(tflite)
    found = {}
    for op in graph.operators:
        if op.name not in ("CONV_2D", "FULLY_CONNECTED"):
            continue
        values = np.unique(graph.tensors[op.inputs[1]].data)
        if len(values) <= 2**7:
            found[int(op.inputs[1])] = max(1, compressed_network.width(len(values)))
    return found


def compress(tflite: bytes, method: str = "lut") -> bytes:
    """TFLM's own compression of every kernel that shares few values.

    method: "lut", or "huffman" and "pruning", which TFLM's compressor knows by name.
    Raises process.Refused with what the compressor said, ImportError where tflite-micro is not
    installed.
    """
    try:
        return process.in_tflm(_compress, tflite, kernels(tflite), method)
    except process.Refused as refused:
        said = str(refused).removeprefix("TFLM does not run this model: ")
        raise process.Refused(f"TFLM's compressor refuses: {said}") from None


def _compress(tflite, bits, method):
    """In TFLM's process, as its modules are many."""
    from tflite_micro.tensorflow.lite.micro.compression import compress as compressed
    from tflite_micro.tensorflow.lite.micro.compression import spec

    def of(width):
        if method == "huffman":
            return spec.HuffmanCompression()
        if method == "pruning":
            return spec.PruningCompression()
        return spec.LookUpTableCompression(width, spec.PerTensor())

    plan = [spec.Tensor(0, index, [of(width)]) for index, width in bits.items()]
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        return bytes(compressed(tflite, plan))


def seconds(files: Sequence[bytes], codes, rounds=20) -> np.ndarray:
    """Seconds per inference in TFLM on this machine: quartiles over the rounds, (files, 3).

    The files take turns, so that what else the machine does falls on all of them.
    """
    return process.in_tflm(_seconds, list(files), codes, rounds)


def _seconds(files, codes, rounds):
    from tflite_micro.python.tflite_micro import runtime

    interpreters = [runtime.Interpreter.from_bytes(file, arena_size=ARENA) for file in files]
    times = np.zeros((rounds, len(files)))
    for i in range(rounds):
        for j, tflm in enumerate(interpreters):
            started = time.perf_counter()
            for image in codes:
                tflm.set_input(image[None], 0)
                tflm.invoke()
            times[i, j] = (time.perf_counter() - started) / len(codes)
    return np.percentile(times, [25, 50, 75], axis=0).T
