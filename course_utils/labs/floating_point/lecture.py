"""What the lecture says of float32 and float16, beside what was counted (notebook 05)."""

from __future__ import annotations

import numpy as np

from course_utils.labs.floating_point import scenes
from course_utils.machines import data
from course_utils.views.checks import Measured, Row

CAPTION = "float32 and float16: the formats, and what a network loses"
NETWORK = "fashion_cnn"


def rows() -> list[Row]:
    """The bits that NumPy's formats have, bytes and accuracy in float16. -> rows"""
    formats = [
        Row(
            f"{name}_{part}",
            Measured(getattr(np.finfo(dtype), attribute), unit="bits"),
            f"{part} bits of NumPy's {np.dtype(dtype)}",
        )
        for name, dtype in (("fp32", np.float32), ("fp16", np.float16))
        for part, attribute in (("exponent", "nexp"), ("fraction", "nmant"))
    ]
    arrays = data.checkpoint(NETWORK).weights.values()
    before = sum(w.nbytes for w in arrays)
    after = sum(w.astype(np.float16).nbytes for w in arrays)
    return [
        *formats,
        Row(
            "float16_size",
            Measured(before / after, unit="×"),
            f"{NETWORK}: bytes of its parameters in float32 / in float16",
        ),
        Row(
            "float16_loss",
            scenes.loss(NETWORK, "float16", "weights and activations"),
            f"{NETWORK}, weights and activations in float16: points lost, paired",
            why="“Negligible” is no number; half a point is our reading.",
        ),
    ]
