"""Networks and the boards that may hold them (notebook 00)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from course_utils import checks, data, frameworks, models
from course_utils.figures.boards import Fit


def fit(network: str, num_bits: int) -> Fit:
    """What a network needs at a bit width, beside what the boards have."""
    checkpoint = data.checkpoint(network)
    layers = models.describe(checkpoint.layers, checkpoint.input_shape)
    shapes = [checkpoint.input_shape, *(layer.output_shape for layer in layers)]
    values = [int(np.prod(shape)) for shape in shapes]
    # A layer reads one tensor while it writes the next: both must be in memory.
    busiest = max(a + b for a, b in zip(values, values[1:], strict=False))
    parameters = sum(layer.parameters for layer in layers)
    boards = data.boards()
    return Fit(
        network=network,
        num_bits=num_bits,
        weights=parameters * num_bits / 8,
        activations=busiest * num_bits / 8,
        boards=tuple(board["name"] for board in boards),
        flash=tuple(board["flash_bytes"] for board in boards),
        ram=tuple(board["ram_bytes"] for board in boards),
    )


def transfer_seconds(checkpoint: data.Checkpoint, kbit_per_s: float) -> float:
    """Seconds to send a network's float32 weights over a link, without any protocol overhead."""
    bits = 8 * sum(weights.nbytes for weights in checkpoint.weights.values())
    return bits / (1000 * kbit_per_s)


def framework_rows() -> list[checks.Row]:
    """The lecture's numbers of operations beside those counted in the installed packages."""
    why = (
        "The slide rounds, and counts an earlier release.",
        "LiteRT is TensorFlow Lite's new name. Its list has grown; on a device, each operator that "
        "is linked costs flash.",
    )
    return operator_rows(frameworks.count_operations(), "operations", why)


def operator_rows(counted: Mapping[str, int], unit: str, why: Sequence[str]) -> list[checks.Row]:
    """The lecture's numbers beside those of TensorFlow, LiteRT and, where it is counted, TFLM."""
    told = {row[0]: row for row in data.lecture_table("quoted_numbers")["rows"]}
    # "~" says two digits: "~1400" is anything that rounds to it.
    tolerances = {"ops_tensorflow": 50, "ops_tensorflow_lite": 5, "ops_tensorflow_lite_micro": 5}
    return [
        checks.Row(
            name,
            lecture=told[key][1],
            claim=(told[key][3] - tolerance, told[key][4] + tolerance),
            measured=checks.Measured(count, unit=unit),
            topic=told[key][2],
            why=reason,
        )
        for (name, count), (key, tolerance), reason in zip(
            counted.items(), tolerances.items(), why, strict=False
        )
    ]
