"""The distributions of the networks' weights (notebook 01)."""

from __future__ import annotations

from functools import cache

import numpy as np

from course_utils.engines import layer_specs
from course_utils.labs.weight_distributions.figures import Exponents, Layers
from course_utils.machines import data, models
from course_utils.numbers import distributions


@cache
def own_network(network: str) -> Layers:
    """The distributions of all kernels of one of the suite's networks."""
    weights = data.checkpoint(network).weights
    kernels = layer_specs.kernel_names(data.checkpoint(network).layers)
    return Layers(
        network,
        names=tuple(layer_specs.layer_of(kernel) for kernel in kernels),
        shapes=tuple(weights[kernel].shape for kernel in kernels),
        distributions=tuple(distributions.describe(weights[kernel]) for kernel in kernels),
        chosen=0,
        log=False,
    )


def own_networks() -> list[Layers]:
    """The distributions of all the suite's networks."""
    return [own_network(network) for network in models.ARCHITECTURES]


@cache
def efficientnet_lite0() -> Layers:
    """The distributions of EfficientNet-Lite0's layers, from its real float32 weights."""
    told = data.weight_statistics("efficientnet_lite0")
    layers = told["layers"]
    fields = distributions.Distribution._fields
    return Layers(
        "EfficientNet-Lite0",
        names=tuple(_readable(layer["name"]) for layer in layers),
        shapes=tuple(tuple(layer["shape"]) for layer in layers),
        distributions=tuple(
            distributions.Distribution(*(told[field][i] for field in fields))
            for i in range(len(layers))
        ),
        chosen=0,
        log=False,
    )


def exponents(layers: Layers) -> Exponents:
    """How often each float32 exponent occurs in all layers together."""
    counts = sum(d.exponents for d in layers.distributions)
    return Exponents(layers.network, np.arange(-127, 129), counts)


def _readable(name: str) -> str:
    """"_blocks.0._depthwise_conv" -> "block 0 depthwise"."""
    return name.replace("_blocks.", "block ").replace("._", " ").removesuffix("_conv").strip("_")
