"""What must be in RAM at once, and what fits which board (notebook 11)."""

from __future__ import annotations

import ipywidgets

from course_utils.labs.tflite_micro_export import figures, scenes
from course_utils.machines import micro
from course_utils.views import style, widgets


def lifetimes(networks=scenes.NETWORKS) -> widgets.Sweeps:
    """Step through a network's operators: which activations must be alive while each runs?"""

    def of(network):
        states = scenes.lifetimes(network)
        peak = max(states, key=lambda state: state.alive[state.at]).at
        return widgets.Sweep(
            figures.draw_lifetimes,
            states,
            list(states[0].operators),
            description=f"Activations of {network} over its life",
            slider="operator",
            alt=figures.alt_lifetimes,
            index=peak,
        )

    return widgets.Sweeps(
        "Network",
        {network: lambda network=network: of(network) for network in networks},
        first=networks[0],
    )


def budget() -> widgets.Explorer:
    """Pick a board, a network and a mode: does it fit, by how much, and what to shrink?"""
    return widgets.Explorer(
        scenes.budget,
        figures.draw_budget,
        {
            "board": ipywidgets.Dropdown(options=list(micro.BOARDS), description="Board"),
            "network": ipywidgets.Dropdown(options=scenes.NETWORKS, description="Network"),
            "mode": ipywidgets.SelectionSlider(
                options=scenes.MODES, value="int8", description="Mode"
            ),
        },
        description="Boards, networks and modes",
        alt=figures.alt_budget,
        readout=figures.readout_budget,
        presets={
            "The lecture's Uno": {"board": "Arduino Uno R3", "network": "watch_cnn",
                                  "mode": "int8"},
            "A float LeNet": {"board": "Arduino Nano 33 BLE", "network": "lenet_300_100",
                              "mode": "float32"},
            "A hybrid file": {"board": "Arduino Nano 33 BLE", "network": "fashion_cnn",
                              "mode": "dynamic"},
        },
    )  # fmt: skip


def fits() -> style.Picture:
    """Show which network in which mode fits which board."""
    state = scenes.fits()
    return style.Picture(figures.draw_fits(state), figures.alt_fits(state))
