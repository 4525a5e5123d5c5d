"""The distributions of the networks' weights (notebook 01)."""

from __future__ import annotations

import math
from functools import cache
from statistics import NormalDist

import numpy as np

from course_utils.engines import layer_specs
from course_utils.labs.weight_distributions import figures
from course_utils.labs.weight_distributions.figures import Exponents, Layers
from course_utils.machines import data, models
from course_utils.numbers import distributions
from course_utils.views.tables import Table

TENTH = 0.1  # of the range: what prediction 01.concentrated asks


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


def in_a_tenth(layers: Layers) -> int:
    """In how many layers the middle half of the weights fills less than a tenth of the range."""
    return int((layers.middle < TENTH).sum())


# ------------------------------------------------------------------ tables


def concentration_table(networks) -> Table:
    """How small a part of its range the middle half of a layer fills, network by network."""
    rows = []
    for layers in networks:
        middle, count = layers.middle, len(layers.names)
        rows.append((
            layers.network,
            f"{np.median(middle):.0%} ({middle.min():.0%} to {middle.max():.0%})",
            f"{in_a_tenth(layers)} of {count}",
            f"{(middle < layers.normal).sum()} of {count}",
        ))  # fmt: skip
    head = ("network", "median layer (from, to)", "less than a tenth",
            "less than in a normal distribution of as many weights")  # fmt: skip
    return Table("The part of its range that the middle half of a layer fills (spread evenly: "
                 "50%)", head, rows)  # fmt: skip


def tails_table(networks) -> Table:
    """How far out the farthest weights lie, and how few they are."""
    rows = []
    for layers in networks:
        almost = [
            (d.quantiles[-2] - d.quantiles[1]) / (d.high - d.low) for d in layers.distributions
        ]
        total = sum(d.count for d in layers.distributions)
        rows.append((
            layers.network,
            f"{np.median(layers.largest):.1f} σ",
            f"{layers.largest.max():.1f} σ",
            f"{np.median(almost):.0%}",
            f"{layers.beyond.sum()} of {total:,}",
        ))  # fmt: skip
    edge = figures.EDGE
    return Table(
        "The few that set the range",
        ("network", "farthest weight, median layer", "in any layer",
         "99.8 % of the weights fill, median layer", f"weights beyond ±{edge:g} σ"),
        rows,
    )  # fmt: skip


def even(count=10_000):
    """Values spread evenly from -1 to 1."""
    return (2 * np.arange(count) + 1) / count - 1


def normal(count=10_000):
    """Values that lie as a normal distribution's do: its quantiles."""
    inverse = NormalDist().inv_cdf
    return np.array([inverse((i + 0.5) / count) for i in range(count)])


def _kernels():
    """(network, layer, weights) of all layers of the suite's networks."""
    for network in models.ARCHITECTURES:
        checkpoint = data.checkpoint(network)
        for kernel in layer_specs.kernel_names(checkpoint.layers):
            yield network, layer_specs.layer_of(kernel), checkpoint.weights[kernel]


def shares_table(share) -> Table:
    """What share(weights, k) gives for every layer, and for values that are no weights."""
    rows = [
        (f"{network} {layer}", f"{weights.size:,}", f"{np.std(weights):.3f}",
         f"{share(weights, 1):.1%}", f"{share(weights, 3):.1%}",
         f"{share(40 * weights, 1):.1%}")
        for network, layer, weights in _kernels()
    ]  # fmt: skip
    for name, values in (("spread evenly", even()), ("normal distribution", normal())):
        rows.append((name, f"{values.size:,}", f"{values.std():.3f}", f"{share(values, 1):.1%}",
                     f"{share(values, 3):.1%}", f"{share(40 * values, 1):.1%}"))  # fmt: skip
    head = ("layer", "weights", "σ", "within ±1σ", "within ±3σ", "within ±1σ, all times 40")
    return Table("The share of the weights within ±kσ", head, rows)


def exponents_table(count) -> Table:
    """What count(weights) gives for every layer, beside the span from smallest to largest."""
    rows = []
    for network, layer, weights in _kernels():
        sizes = np.abs(weights[weights != 0])
        rows.append((f"{network} {layer}", f"{weights.size:,}", f"{sizes.min():.1e}",
                     f"{sizes.max():.2f}", f"{count(weights)}"))  # fmt: skip
    head = ("layer", "weights", "smallest |w| that is not 0", "largest |w|", "exponents used")
    return Table("The different exponents in every layer, of 256", head, rows)


def needed_table(networks) -> Table:
    """How many exponents hold nearly all weights, of networks and of values that are no weights."""
    states = [exponents(layers) for layers in networks]
    for name, values in (("spread evenly", even()), ("normal distribution", normal())):
        counts = np.bincount(distributions.float32_exponents(values), minlength=256)
        states.append(Exponents(name, np.arange(-127, 129), counts))
    rows = []
    for state in states:
        few, most = (state.used_by(share) for share in (0.99, 0.999))
        rows.append((state.network, few, most, math.ceil(math.log2(most))))
    return Table(
        "How many of 256 exponents, the most used first, hold nearly all values",
        ("network", "99 %", "99.9 %", "bits that tell the latter apart"),
        rows,
    )


def _readable(name: str) -> str:
    """ "_blocks.0._depthwise_conv" -> "block 0 depthwise"."""
    return name.replace("_blocks.", "block ").replace("._", " ").removesuffix("_conv").strip("_")
