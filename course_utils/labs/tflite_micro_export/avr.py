"""Watch networks small enough for an ATmega328P: those that were tried, and what each needs.

The chip has 32 kB of flash, 2 kB of RAM and no floating-point unit. A window of 100 times 6 values
is 600 bytes in int8 and 2,400 in float32: that alone is more than the RAM.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

from course_utils.engines import layer_specs
from course_utils.machines import models

NETWORK, FULL = "watch_avr", "watch_cnn"  # the one that was chosen, and the one beside it
INPUT_SHAPE = models.INPUT_SHAPES[NETWORK]

# What the chip leaves: of the RAM beside stack and variables, of the flash beside the code; and a
# window in well under a second at 16 MHz, at 20 to 40 cycles a multiply-accumulate.
MOST_RAM, MOST_PARAMETERS, MOST_MACS = 1400, 10_000, 100_000


class Need(NamedTuple):
    """What a network needs in int8."""

    parameters: int
    macs: int  # multiply-accumulates for one window
    peak_bytes: int  # of the activations that live at the same time

    @property
    def fits(self) -> bool:
        """Within what the chip leaves?"""
        bounds = (MOST_PARAMETERS, MOST_MACS, MOST_RAM)
        return all(need <= most for need, most in zip(self, bounds, strict=True))


WRITES = ("conv2d", "depthwise_conv2d", "dense", "max_pool2d", "global_average_pool2d")


def need(layers: layer_specs.Layers) -> Need:
    """What layers that follow one another need: each has its input and its output in RAM.

    Batch norm and ReLU are folded into the layer before, and flattening moves nothing.
    """
    rows = layer_specs.describe(layers, INPUT_SHAPE)
    kept = [prod(INPUT_SHAPE), *(prod(row.output_shape) for row in rows if row.op in WRITES)]
    return Need(
        sum(row.parameters for row in rows),
        sum(row.macs for row in rows),
        max(before + after for before, after in zip(kept, kept[1:], strict=False)),
    )


def _conv(number, filters, kernel, stride=1):
    return {"op": "conv2d", "name": f"conv{number}", "filters": filters, "kernel": (1, kernel),
            "strides": (1, stride), "padding": "same", "activation": "relu"}  # fmt: skip


def _depthwise(number, kernel, stride):
    return {"op": "depthwise_conv2d", "name": f"depthwise{number}", "kernel": (1, kernel),
            "strides": (stride, stride), "padding": "same", "activation": "relu"}  # fmt: skip


def _pool(number):
    return {"op": "max_pool2d", "name": f"pool{number}", "kernel": (1, 2)}


def _normalised(layers):
    """The same with batch normalisation between each convolution and its ReLU."""
    found = []
    for layer in layers:
        if layer["op"] != "conv2d":
            found.append(layer)
            continue
        name = layer["name"]
        found += [
            {**layer, "use_bias": False, "activation": None},
            {"op": "batch_norm", "name": f"{name}_bn"},
            {"op": "relu", "name": f"{name}_relu"},
        ]
    return tuple(found)


_DENSE = (
    {"op": "dense", "name": "dense", "units": 7},
    {"op": "softmax", "name": "softmax"},
)
_MEAN = ({"op": "global_average_pool2d", "name": "pool"}, *_DENSE)

CHOSEN = "1x5 by 4 to 16, 1x5 by 2 to 32"

# Called by its convolutions: kernel, "by" its stride, "to" so many channels.
CANDIDATES: dict[str, tuple[dict, ...]] = {
    "watch_cnn with 8, 16 and 16 channels":
        (_conv(1, 8, 5), _pool(1), _conv(2, 16, 5), _pool(2), _conv(3, 16, 5), *_MEAN),
    "the same, strides for pooling": (_conv(1, 8, 5, 2), _conv(2, 16, 5, 2), _conv(3, 16, 5),
                                      *_MEAN),
    "1x5 by 2 to 16, pooled, 1x5 to 32": (_conv(1, 16, 5, 2), _pool(1), _conv(2, 32, 5), *_MEAN),
    "1x9 by 4 to 16, 1x5 to 32": (_conv(1, 16, 9, 4), _conv(2, 32, 5), *_MEAN),
    "1x9 by 4 to 16, 1x5 by 2 to 32": (_conv(1, 16, 9, 4), _conv(2, 32, 5, 2), *_MEAN),
    "1x7 by 4 to 16, 1x3 by 2 to 32": (_conv(1, 16, 7, 4), _conv(2, 32, 3, 2), *_MEAN),
    CHOSEN: models.FOR_ONE_CHIP[NETWORK],
    f"{CHOSEN}, batch norm": _normalised(models.FOR_ONE_CHIP[NETWORK]),
    "1x9 by 4 to 16, 1x5 by 2 to 32, 1x3 to 32":
        (_conv(1, 16, 9, 4), _conv(2, 32, 5, 2), _conv(3, 32, 3), *_MEAN),
    "1x9 by 4 to 12, 1x5 by 2 to 24": (_conv(1, 12, 9, 4), _conv(2, 24, 5, 2), *_MEAN),
    "1x9 by 4 to 16, 1x5 by 2 to 16, no mean":
        (_conv(1, 16, 9, 4), _conv(2, 16, 5, 2), {"op": "flatten", "name": "flatten"}, *_DENSE),
    "1x5 by 2 to 16, two depthwise separable 1x5 to 32":
        (_conv(1, 16, 5, 2), _depthwise(1, 5, 2), _conv(2, 32, 1), _depthwise(2, 5, 2),
         _conv(3, 32, 1), *_MEAN),
}  # fmt: skip
