"""What the lecture says of pruning by magnitude, beside what was measured (notebook 02)."""

from __future__ import annotations

import numpy as np

from course_utils.machines import data
from course_utils.numbers import coding, pruning
from course_utils.views.checks import Measured, Row

CAPTION = "Are sparse models easier to compress?"


def rows(network: str = "fashion_cnn", s: float = 1.0) -> list[Row]:
    """The kernels of a network compressed by gzip, dense and pruned. -> rows"""
    weights = data.checkpoint(network).weights
    kernels = [w for name, w in weights.items() if name.endswith("kernel")]
    dense = np.concatenate([w.ravel() for w in kernels])
    pruned = np.concatenate([pruning.prune(w, s).ravel() for w in kernels])
    sizes = [coding.ledger(values)["gzip"] for values in (dense, pruned)]
    return [
        Row(
            "compress",
            Measured(sizes[0] / sizes[1], unit="×"),
            f"{network}: gzip of the dense kernels / gzip of those pruned at s = {s:g}, "
            f"{np.mean(pruned == 0):.0%} zeros",
        )
    ]
