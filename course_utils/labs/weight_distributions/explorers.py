"""Weight distributions, layer by layer (notebook 01)."""

from __future__ import annotations

from course_utils.labs.weight_distributions import figures, scenes
from course_utils.machines import models
from course_utils.views import style, widgets


def distributions() -> widgets.Sweeps:
    """Explore the weights of every layer of every network, with a linear or a logarithmic count."""
    networks = {"efficientnet_lite0": scenes.efficientnet_lite0, **{
        name: lambda name=name: scenes.own_network(name) for name in models.ARCHITECTURES
    }}  # fmt: skip

    def sweep(network, log):
        layers = networks[network]()
        states = [layers._replace(chosen=i, log=log) for i in range(len(layers.names))]
        return widgets.Sweep(
            figures.draw_distribution,
            states,
            layers.names,
            description=f"Weights of {layers.network}",
            slider="Layer",
            alt=figures.alt_distribution,
        )

    return widgets.Sweeps(
        "Network",
        {
            f"{name}, {count} count": lambda name=name, log=count == "log": sweep(name, log)
            for name in networks
            for count in ("linear", "log")
        },
    )


def exponents(layers) -> style.Picture:
    """Show how often each float32 exponent occurs among a network's weights."""
    state = scenes.exponents(layers)
    return style.Picture(figures.draw_exponents(state), figures.alt_exponents(state))
