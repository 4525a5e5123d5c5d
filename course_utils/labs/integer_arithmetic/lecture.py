"""What the lecture says of integer quantization, beside what is in a file (notebook 07)."""

from __future__ import annotations

import numpy as np

from course_utils.labs.integer_arithmetic import scenes
from course_utils.machines import data
from course_utils.views.checks import Measured, Row

CAPTION = "fashion_cnn in int8, and the lecture"


def rows(network: str = scenes.NETWORK) -> list[Row]:
    """Parameters, tensors and outputs of the int8 file. -> rows"""
    stored = [t for t in scenes.model(network).graph.tensors if t.data is not None and t.scale.size]
    biases = [t for t in stored if t.type == "int32"]
    as_int8, values = (sum(f(t) for t in stored) for f in (_bytes, lambda t: t.data.size))
    real = [t for t in scenes.model(network).graph.tensors if t.type.startswith("float")]
    recorded = data.result("integer_equality").record["networks"][network]
    return [
        Row(
            "integer_size",
            Measured(4 * values / as_int8, unit="×"),
            f"{network}: bytes of its parameters in float32 / in the int8 file",
            why="Biases stay in 32 bits. Without them it is exactly 4.",
        ),
        Row("integer_only", Measured(len(real), unit="tensors"),
            "tensors of real numbers in the file"),
        Row(
            "integer_biases",
            Measured(8 * biases[0].data.itemsize, unit="bits"),
            "bits of a bias",
            why="LiteRT's biases are int32. One code of a bias is worth S1 S2, so small a unit "
            f"that the largest in the four networks needs {_bias_bits()} bits.",
        ),
        Row(
            "integer_compatible",
            Measured(recorded["others"]["TFLM"]["differing"], unit="values", n=recorded["values"]),
            "output values in which a program with integers only differs from TFLM",
        ),
    ]  # fmt: skip


def _bytes(tensor):
    return tensor.data.nbytes


def _bias_bits():
    """Bits, sign included, that the largest bias of all shipped networks needs."""
    largest = max(
        int(np.abs(t.data).max())
        for network in scenes.NETWORKS
        for t in scenes.model(network).graph.tensors
        if t.type == "int32" and t.scale.size
    )
    return largest.bit_length() + 1
