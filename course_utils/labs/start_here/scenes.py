"""Networks and the boards that may hold them (notebook 00)."""

from __future__ import annotations

import numpy as np

from course_utils.engines import layer_specs
from course_utils.labs.start_here.figures import Fit
from course_utils.machines import data, frameworks
from course_utils.views import checks


def fit(network: str, num_bits: int) -> Fit:
    """What a network needs at a bit width, beside what the boards have."""
    checkpoint = data.checkpoint(network)
    layers = layer_specs.describe(checkpoint.layers, checkpoint.input_shape)
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
    return checks.operator_rows(frameworks.count_operations(), "operations", why)
