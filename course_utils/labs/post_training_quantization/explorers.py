"""Five ways to convert a network, and what each layer bears (notebook 08)."""

from __future__ import annotations

from course_utils.labs.post_training_quantization import figures, scenes
from course_utils.views import style, widgets


def paths() -> style.Picture:
    """Show what each technique stores, multiplies and hands on, and when it rounds."""
    state = scenes.paths()
    return style.Picture(figures.draw_paths(state), figures.alt_paths(state))


def techniques() -> widgets.Sweeps:
    """Move through the five techniques; choose the network."""

    def of(network):
        states = scenes.techniques(network)
        return widgets.Sweep(
            figures.draw_techniques,
            states,
            [row.mode for row in states[0].rows],
            description=f"Five ways to convert {network}",
            slider="technique",
            alt=figures.alt_techniques,
            index=scenes.MODES.index("int8"),
        )

    return widgets.Sweeps(
        "Network",
        {network: lambda network=network: of(network) for network in scenes.NETWORKS},
        first="fashion_cnn",
    )


def layer_errors() -> widgets.Sweeps:
    """Round one layer at a time to fewer and fewer bits; choose the network."""

    def of(network):
        states = scenes.layer_errors(network)
        return widgets.Sweep(
            figures.draw_layer_errors,
            states,
            [str(state.bits) for state in states],
            description=f"One rounded layer at a time in {network}",
            slider="bits of the kernel",
            alt=figures.alt_layer_errors,
            index=4,  # 4 bits
        )

    return widgets.Sweeps(
        "Network",
        {network: lambda network=network: of(network) for network in scenes.NETWORKS},
        first="fashion_dscnn",
    )


def granularity() -> style.Picture:
    """Show what int8 costs each network, with one scale a kernel and with one a channel."""
    state = scenes.granularity()
    return style.Picture(figures.draw_granularity(state), figures.alt_granularity(state))
