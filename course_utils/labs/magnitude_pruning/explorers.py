"""Magnitude pruning: one s for all layers, or one for each (notebook 02)."""

from __future__ import annotations

import ipywidgets
import numpy as np

from course_utils.engines import layer_specs
from course_utils.labs.magnitude_pruning import figures, scenes
from course_utils.numbers import coding, pruning
from course_utils.views import garments, style, widgets
from course_utils.views.tables import Table


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


def answers(network="fashion_cnn") -> widgets.Sweep:
    """Move the same s: the first ten test images, and what the pruned network says they are."""
    sweep = scenes.pruning_sweep(network)
    positions = [s for s in sweep.s if s <= 2][::2]
    states = [
        (f"{network}, s = {s:.1f} in every layer", scenes.pruned_weights(sweep.network, s))
        for s in positions
    ]
    return widgets.Sweep(
        garments.draw_answers,
        scenes.answered(sweep.network, states),
        [f"{s:.1f}" for s in positions],
        description=f"The first ten test images, answered by {network}",
        slider="s, in every layer",
        alt=garments.alt_answers,
        index=5,
    )


def accuracy_of(prune, positions=(0.5, 1.0, 1.5)) -> Table:
    """Prune fashion_cnn by prune(weights, s), run it on all test images: a row for each s."""
    rows = []
    for s in positions:
        own = scenes.accuracy_with(prune, s)
        rows.append((f"{s:g}", f"{own.removed:.1%}", f"{own.accuracy.value:.1f} %",
                     f"{own.recorded_removed:.1%}", f"{own.recorded.value:.1f} %"))  # fmt: skip
    return Table(
        f"fashion_cnn pruned by this function, on {own.accuracy.n:,} test images",
        ("s", "removed", "right", "removed, recorded", "right, recorded"),
        rows,
    )


def answers_of(prune, s=1.0) -> style.Picture:
    """The first ten test images, answered by the network that prune(weights, s) leaves."""
    network = scenes.pruning_sweep("fashion_cnn").network
    title = f"fashion_cnn, pruned by this function at s = {s:g}"
    (state,) = scenes.answered(network, [(title, scenes.pruned_weights(network, s, prune))])
    return style.Picture(garments.draw_answers(state), garments.alt_answers(state))


def choice_on_test(s) -> Table | None:
    """The student's choice on the test images, or a printed sentence why there is nothing yet."""
    if s is ... or s is None:
        print("No choice yet: give one s for each layer above, then run this cell again.")
        return None
    try:
        found = scenes.choice_on_test(s)
    except ValueError as error:
        print(f"This choice was not measured: {error}.")
        return None
    total = found["dense"].n
    return Table(
        f"Accuracy on {total:,} test images",
        ("network", "right", "95 % interval"),
        [(name, f"{accuracy.value:.1f} %", f"{accuracy.low:.1f} to {accuracy.high:.1f} %")
         for name, accuracy in found.items()],
    )  # fmt: skip


def formats(network, positions=(0.0, 0.5, 1.0, 1.5, 2.0)) -> Table:
    """The bytes of a network's kernels in four formats, a row for each s."""
    kernels = [network.weights[name] for name in layer_specs.kernel_names(network.layers)]
    rows = []
    for s in positions:
        pruned = np.concatenate([pruning.prune(w, s).ravel() for w in kernels])
        size = coding.ledger(pruned)
        shown = (f"{size[name]:,}" for name in figures.FORMATS)
        rows.append((f"{s:g}", f"{np.mean(pruned == 0):.1%}", *shown))
    heads = [f"{words}, bytes" for words in figures.FORMATS.values()]
    return Table(f"Kernels of {network.name}", ("s", "sparsity", *heads), rows)


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
            "spare both ends": {**dict.fromkeys(layers, 1.0), layers[0]: 0.0, layers[-1]: 0.0},
        },
    )


def sensitivity(network) -> style.Picture:
    """Show the accuracy of a network against the sparsity of one layer, for each layer."""
    state = scenes.sensitivity(network)
    return style.Picture(figures.draw_sensitivity(state), figures.alt_sensitivity(state))
