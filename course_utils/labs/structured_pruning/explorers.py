"""Pruning that lasts: neurons, patterns, fine-tuning, bytes and time (notebook 03)."""

from __future__ import annotations

import ipywidgets

from course_utils.labs.structured_pruning import figures, scenes
from course_utils.views import style, widgets


def synapses_and_neurons() -> widgets.Sweep:
    """Move the fraction: connections go in one graph, whole units in the other."""
    states = scenes.connections()
    return widgets.Sweep(
        figures.draw_connections,
        states,
        [f"{state.fraction:.0%}" for state in states],
        description=f"Pruning synapses or neurons of {scenes.GRAPH_NETWORK}",
        slider="fraction pruned",
        alt=figures.alt_connections,
        index=10,
    )


def patterns() -> widgets.Explorer:
    """Keep n of every 4 weights along the inputs, the outputs, or anywhere; choose the layer."""
    return widgets.Explorer(
        scenes.pattern,
        figures.draw_pattern,
        {
            "n": ipywidgets.IntSlider(2, min=1, max=3, description=f"kept of every {scenes.M}"),
            "along": ipywidgets.ToggleButtons(
                options=[(words, name) for name, words in figures.PATTERNS.items()],
                description="chosen",
                style={"button_width": "auto"},
            ),
            "layer": ipywidgets.Dropdown(
                options=list(scenes.PATTERN_LAYERS), value="dense1 of fashion_cnn"
            ),
        },
        description="n of every 4 weights",
        alt=figures.alt_pattern,
        presets={
            "the lecture's 2 by 4": {},
            "the wrong axis": {"along": "outputs"},
            "50 %, unstructured": {"along": "anywhere"},
        },
    )


def storage() -> widgets.Sweeps:
    """Move the sparsity; see what the kernels take in every format; choose network and pattern."""

    def of(network, pattern):
        states = scenes.storage(network, pattern)
        return widgets.Sweep(
            figures.draw_storage,
            states,
            [f"{share:.0%}" for share in states[0].sparsity],
            description=f"What zeros save in {network}",
            slider="sparsity",
            alt=figures.alt_storage,
            index=2,
        )

    return widgets.Sweeps(
        "Zeros in",
        {
            f"{network}, {figures.ZEROS[pattern].removeprefix('zeros ')}": (
                lambda network=network, pattern=pattern: of(network, pattern)
            )
            for network, pattern in scenes.storage_names()
        },
    )


def fine_tuned(network="lenet_300_100", own=None, first=None) -> widgets.Sweeps:
    """Move the sparsity of the recorded runs; choose the question that they answer.

    own:   a run of your own, from `scenes.own_run`, to be drawn among them.
    first: the question to begin with.
    """
    sparsities = scenes.sparsities(network)

    def of(comparison):
        return widgets.Sweep(
            figures.draw_fine_tuned,
            [scenes.fine_tuned(network, comparison, share, own) for share in sparsities],
            [f"{share:.0%}" for share in sparsities],
            description=f"{network}, pruned and trained on",
            slider="sparsity looked at",
            alt=figures.alt_fine_tuned,
            index=sparsities.index(0.9),
        )

    return widgets.Sweeps(
        "Pruned:",
        {name: lambda name=name: of(name) for name in scenes.comparisons(network)},
        first=first,
    )


def channels() -> widgets.Sweep:
    """Move the fraction of channels removed; see what is left of cost and accuracy."""
    states = scenes.channels()
    return widgets.Sweep(
        figures.draw_channels,
        states,
        [f"{state.fraction:.0%}" for state in states],
        description=f"Channels removed from {states[0].network}",
        slider="channels removed",
        alt=figures.alt_channels,
        index=2,
    )


def two_by_four() -> style.Picture:
    """Show what 2 of every 4 costs against half of the weights anywhere."""
    rows = scenes.two_by_four()
    return style.Picture(figures.draw_two_by_four(rows), figures.alt_two_by_four(rows))


def loss_tables(own=None) -> style.Picture:
    """Show the lecture's three tables as one plot, with the runs recorded here and your own."""
    points = scenes.lecture_points() + scenes.loss_points(own)
    return style.Picture(figures.draw_loss(points), figures.alt_loss(points))


def speed() -> style.Picture:
    """Show the speed against dense over the share of the work that is zero, or gone."""
    state = scenes.speed()
    return style.Picture(figures.draw_speed(state), figures.alt_speed(state))
