"""Magnitude pruning: one s for all layers, or one for each (notebook 02)."""

from __future__ import annotations

import ipywidgets

from course_utils.engines import layer_specs
from course_utils.labs.magnitude_pruning import figures, scenes
from course_utils.views import style, widgets


def magnitude_pruning(network) -> widgets.Sweeps:
    """Move one s for all layers of a network; choose the layer that is looked at.

    network: the name of a shipped network, or a `data.Checkpoint` of your own, which is then
    measured on the whole test set first, with a progress bar.
    """
    sweep = scenes.pruning_sweep(
        network, track=lambda s: widgets.progress(s, "Pruning and testing at every s")
    )
    layers = [layer_specs.layer_of(kernel) for kernel in sweep.sparsity]
    largest = max(layers, key=lambda layer: sweep.network.weights[f"{layer}/kernel"].size)

    def of(layer):
        states = scenes.pruned_states(sweep, layer)
        return widgets.Sweep(
            figures.draw_magnitude_pruning,
            states,
            [f"{state.s:.2f}" for state in states],
            description=f"Magnitude pruning of {sweep.network.name}",
            slider="s, in every layer",
            alt=figures.alt_magnitude_pruning,
            index=10,  # s = 0.5: enough is removed to be seen
        )

    return widgets.Sweeps(
        "Look at layer",
        {layer: lambda layer=layer: of(layer) for layer in layers},
        first=largest,
    )


def pruning_budget() -> widgets.Explorer:
    """Move one s per layer; every combination was measured on the validation images."""
    steps = scenes.grid_steps()
    layers = scenes.budget_layers()
    return widgets.Explorer(
        scenes.budget,
        figures.draw_budget,
        {
            layer: ipywidgets.SelectionSlider(options=steps, value=0.5, description=f"s of {layer}")
            for layer in layers
        },
        description="One threshold per layer",
        alt=figures.alt_budget,
        presets={
            "dense": dict.fromkeys(layers, 0.0),
            "the same s = 1": dict.fromkeys(layers, 1.0),
            "spare the first layer": {**dict.fromkeys(layers, 1.0), layers[0]: 0.0},
        },
    )


def sensitivity(network) -> style.Picture:
    """Show the accuracy of a network against the sparsity of one layer, for each layer."""
    state = scenes.sensitivity(network)
    return style.Picture(figures.draw_sensitivity(state), figures.alt_sensitivity(state))
