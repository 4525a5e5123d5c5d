"""Pruning that lasts: neurons, patterns, fine-tuning, bytes and time (notebook 03)."""

from __future__ import annotations

import ipywidgets
import numpy as np

from course_utils.engines import float_engine
from course_utils.labs.structured_pruning import exercises, figures, scenes
from course_utils.machines import conversion, evaluation, fine_tuning, models
from course_utils.numbers import channel_pruning, pruning
from course_utils.views import checks, style, widgets
from course_utils.views.checks.measured import decimals_for, number_text
from course_utils.views.tables import Table


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


# --- tables ---------------------------------------------------------------------------------

QUESTIONS = {
    "trained on, against not": ("one_shot", "one_shot_raw"),
    "gradually, against at once": ("gradual", "one_shot"),
    "by magnitude, against at random": ("gradual", "random"),
    "one threshold for all, against one a layer": ("global", "gradual"),
}


def points(measured) -> str:
    """A difference and its interval, without the unit that the caption names."""
    low, high = measured.interval
    decimals = decimals_for((high - low) / 2)
    value, low, high = (number_text(x, decimals) for x in (measured.value, low, high))
    return f"{value} ({low} to {high})"


def gains() -> Table:
    """By how much one way is ahead of another, seed by seed, in each network."""
    rows = [
        (question, *(points(scenes.gain(network, *ways)) for network in scenes.networks()))
        for question, ways in QUESTIONS.items()
    ]
    return Table(
        "At 90 % sparsity, ahead by: points of test accuracy (95 % interval over five seeds)",
        ("asked", *scenes.networks()), rows,
    )  # fmt: skip


def runs_table(runs) -> Table:
    """The runs of `scenes.runs_to_choose`."""
    rows = [
        (name, f"{run['sparsity']:.1%}", f"{run['validation']:.2f}", f"{run['test']:.2f}")
        for name, run in runs.items()
    ]
    return Table(
        "Gradual pruning of lenet_300_100: points lost against the dense network",
        ("run", "sparsity", "validation", "test"), rows,
    )  # fmt: skip


def rankings() -> Table:
    """What each way to rank channels loses at half of them, before training on and after."""
    rows = [
        (figures.CRITERIA[criterion][0],
         *(points(scenes.channel_loss(0.5, criterion, tuned)) for tuned in (False, True)))
        for criterion in scenes.CRITERIA
    ]  # fmt: skip
    return Table(
        "Half of fashion_cnn's channels removed: points lost (95 % interval; over images where "
        "there is one run, else over five seeds)",
        ("removed first", "not trained on", "trained on"), rows,
    )  # fmt: skip


def what_is_left() -> Table:
    """What lenet_300_100 loses with zeros anywhere, trained on."""
    rows = [
        (f"{sparsity:.0%}", points(scenes.lost_after("lenet_300_100", "gradual", sparsity)))
        for sparsity in (0.9, 0.98)
    ]
    return Table(
        "lenet_300_100, zeros anywhere, trained on: points lost (95 % interval over five seeds)",
        ("sparsity", "lost"), rows,
    )  # fmt: skip


def blocks_cost() -> Table:
    """By how much any weights are ahead of blocks of four, trained on."""
    ahead = scenes.gain("lenet_300_100", "gradual", "blocks")
    return Table(
        "lenet_300_100 at 90 %, trained on: points (95 % interval over five seeds)",
        ("compared", "ahead by"), [("any weights, against blocks of four", points(ahead))],
    )  # fmt: skip


def pattern_costs() -> Table:
    """By how much any half of the weights is ahead of 2 by 4, trained on."""
    rows = [(name, points(scenes.pattern_costs(name))) for name in ("fashion_dscnn", "fashion_cnn")]
    return Table(
        "Any half of the weights ahead of 2 by 4: points (95 % interval over five seeds)",
        ("network", "ahead by"), rows,
    )  # fmt: skip


def conditions() -> Table:
    """Each network on which XNNPACK's sparse path was tried, one condition broken in each."""
    rows = [
        (what, f"{bytes:.1f}", f"{times:.2f}", "dense" if dense else "others")
        for what, bytes, times, dense in scenes.conditions()
    ]
    avx = "has" if scenes.has_avx() else "has no"
    return Table(
        f"Left out of the file, on a processor that {avx} AVX",
        ("network", "times fewer bytes", "times as fast", "kernels that ran"), rows,
    )  # fmt: skip


# --- the student's own: nothing that is given here stops the notebook -----------------------


def remove_half(network, norms, remove) -> tuple:
    """Half of the channels gone, by the student's functions. -> (kept, layers, weights)

    Where theirs do not fit together on the real network, a sentence says so and the lab's go on.
    """
    try:
        kept = scenes.chosen_channels(network, norms)
        layers, weights = scenes.smaller_network(network, kept, remove)
        float_engine.forward(layers, weights, np.zeros((1, *network.input_shape), np.float32))
    except (ValueError, TypeError, IndexError) as problem:
        print(f"On the real network they do not fit together ({problem}): the lab's go on.")
        kept = scenes.chosen_channels(network, exercises.channel_norms)
        layers, weights = scenes.smaller_network(network, kept, exercises.remove_channels)
    return kept, layers, weights


def costs(network, smaller) -> Table:
    """What a network, its masked and its smaller version cost, and what they answer rightly.

    smaller: {name: (layers, weights)}.
    """
    rows = []
    for name, (layers, weights) in smaller.items():
        cost = channel_pruning.cost(layers, network.input_shape)
        right = scenes.right_of_test(network, layers, weights)
        rows.append((name, f"{cost.macs:,}", f"{cost.parameters:,}", f"{cost.bytes:,}",
                     f"{right.value:.1f} %"))  # fmt: skip
    return Table(
        f"{network.name}, not trained on: what it costs, and what is right of {right.n:,} test "
        "images",
        ("network", "multiply–accumulates", "parameters", "float32 bytes", "right"), rows,
    )  # fmt: skip


def converted(network, versions) -> dict[str, bytes]:
    """Each version's layers and weights as a float32 .tflite, with a progress bar."""
    return {
        name: conversion.convert(
            models.set_weights(models.build(layers, network.input_shape), weights), "float32"
        )
        for name, (layers, weights) in widgets.progress(list(versions.items()), "Converting")
    }


def times(files, seconds=4) -> Table:
    """Time .tflite files, taking turns, one image at a time; compare the others with the first."""
    with widgets.progress_bar("Timing") as report:
        found = evaluation.latency(files, seconds=seconds, progress=report)
    first = next(iter(found.values())).median
    rows = [
        (name, f"{len(files[name]):,}", str(latency), f"{first / latency.median:.2f}")
        for name, latency in found.items()
    ]
    about = evaluation.processor()
    return Table(
        f"One image, median (quartiles), on {about['processor']}",
        ("network", "bytes", "time", f"times as fast as {next(iter(files))}"), rows,
    )  # fmt: skip


def verified(two_by_four, kernel) -> Table:
    """The student's mask and two others of a kernel, counted here and by tfmot's own verifier."""
    masks = {"two_by_four along the inputs": _mask_of(two_by_four, kernel)}
    others = scenes.pattern_masks(kernel, 2)
    masks |= {"2 of 4 along the outputs": others["outputs"], "any half": others["anywhere"]}
    rows = [
        (name, f"{np.mean(mask):.1%}", f"{scenes.groups_beyond(mask):,}",
         "2 by 4" if fine_tuning.is_two_by_four(np.where(mask, kernel, 0)) else "not 2 by 4")
        for name, mask in masks.items()
    ]  # fmt: skip
    return Table(
        f"dense1 of fashion_cnn: {kernel.size // scenes.M:,} groups of four inputs",
        ("mask", "weights left", "groups with more than 2", "tfmot says"), rows,
    )  # fmt: skip


def _mask_of(two_by_four, kernel):
    mask = np.asarray(two_by_four(kernel))
    if mask.shape == kernel.shape and mask.dtype == bool:
        return mask
    print("On the real layer this is no mask of the kernel's shape: the lab's goes on.")
    return exercises.two_by_four(kernel)


def schedule(sparsity_at) -> Table | None:
    """A student's pruning schedule that ends at 90 %."""
    parts = 0, 0.1, 0.25, 0.5, 0.75, 1
    shares = [checks.percentage(sparsity_at, (part, 1, 0.9)) for part in parts]
    if set(shares) == {"?"}:
        print("sparsity_at gives no number yet: its sparsities will stand here.")
        return None
    return Table(
        "A schedule that ends at 90 %",
        ("share of the training", *(f"{part:.0%}" for part in parts)),
        [("sparsity", *shares)],
    )


def break_even(own) -> Table | None:
    """Where CSR begins to pay, by a student's formula."""
    pairs = (32, 4), (32, 8), (32, 16), (8, 4), (8, 8)
    shares = [checks.percentage(own, pair, 0) for pair in pairs]
    if set(shares) == {"?"}:
        print("break_even gives no number yet: its sparsities will stand here.")
        return None
    return Table(
        "From which sparsity on CSR takes fewer bits than the dense array",
        ("bits of a value", "bits of an index", "sparsity above"),
        [(value, index, share) for (value, index), share in zip(pairs, shares, strict=True)],
    )


def prune_and_train_on(network, method, sparsity) -> figures.Own | None:
    """Prune a shipped network and train it on, here. -> the run, on the test set.

    What can't be done is said in a sentence, and gives None.
    """
    try:
        sparsity = pruning.require_non_negative(sparsity, "sparsity")
        with widgets.progress_bar("Pruning and training on") as report:
            trained = fine_tuning.live(str(network), method, sparsity, progress=report)
    except (ValueError, TypeError) as problem:
        print(f"Nothing was trained. {problem}")
        return None
    return scenes.own_run(network, method, trained)


def own_among_recorded(own: figures.Own | None) -> widgets.Sweeps | None:
    """Print a run of the student's own, and draw it among the recorded ones of its network."""
    if own is None:
        print("There is no run of your own yet: run the cell above with another choice.")
        return None
    print(own)
    if own.network not in scenes.networks():
        print(f"Recorded runs to draw it among are those of {' and '.join(scenes.networks())}.")
        return None
    return fine_tuned(own.network, own)
