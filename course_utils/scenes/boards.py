"""Networks and the boards that may hold them (notebook 00)."""

from __future__ import annotations

import numpy as np

from course_utils import data, models
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
