"""Pruning that lasts: neurons, patterns, fine-tuning, bytes and time (notebook 03)."""

from __future__ import annotations

import ipywidgets

from course_utils.labs.structured_pruning import figures, scenes
from course_utils.machines import fine_tuning
from course_utils.numbers import pruning
from course_utils.views import style, widgets
from course_utils.views.checks.answers import call_on_copies, why_no_number


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


# --- what the notebook prints ---------------------------------------------------------------

QUESTIONS = {
    "trained on, against not": ("one_shot", "one_shot_raw"),
    "gradually, against at once": ("gradual", "one_shot"),
    "by magnitude, against at random": ("gradual", "random"),
    "one threshold for all, against one a layer": ("global", "gradual"),
}


def gains() -> None:
    """Print by how much one way is ahead of another, seed by seed, in each network."""
    for network in scenes.networks():
        print(network)
        for question, (better, worse) in QUESTIONS.items():
            print(f"  {question:43} {scenes.gain(network, better, worse)}")


def runs_table(runs) -> None:
    """Print the runs of `scenes.runs_to_choose`."""
    print("run                  sparsity   points lost:  validation   test")
    for name, run in runs.items():
        print(f"{name:20} {run['sparsity']:8.1%} {run['validation']:25.2f} {run['test']:6.2f}")


def what_is_left() -> None:
    """Print what lenet_300_100 loses with zeros anywhere, trained on."""
    for sparsity in (0.9, 0.98):
        loss = scenes.lost_after("lenet_300_100", "gradual", sparsity)
        print(f"lenet_300_100, {sparsity:.0%} zeros anywhere, trained on, lost: {loss}")


def conditions() -> None:
    """Print each network on which XNNPACK's sparse path was tried."""
    for condition in scenes.conditions():
        print(condition)
    print(f"\nThis record's processor has AVX: {scenes.has_avx()}")


# --- the student's own: nothing that is given here stops the notebook -----------------------


def schedule(sparsity_at) -> None:
    """Print a student's pruning schedule that ends at 90 %."""
    parts = 0, 0.1, 0.25, 0.5, 0.75, 1
    print("share of the training   " + "".join(f"{part:>8.0%}" for part in parts))
    shares = [_share(sparsity_at, (part, 1, 0.9), 1) for part in parts]
    if any(shares):
        print("sparsity, ending at 90 %" + "".join(f"{share or '?':>8}" for share in shares))
    else:
        print("sparsity_at gives no number yet: its sparsities will stand here.")


def break_even(own) -> None:
    """Print where CSR begins to pay by a student's formula."""
    pairs = (32, 4), (32, 8), (32, 16), (8, 4), (8, 8)
    shares = [_share(own, pair, 0) for pair in pairs]
    if not any(shares):
        print("break_even gives no number yet: its sparsities will stand here.")
        return
    for (value, index), share in zip(pairs, shares, strict=True):
        print(f"{value:2}-bit values, {index:2}-bit indices: above {share or '?'}")


def _share(function, arguments, decimals):
    """What a student's function gives, as a percentage; "" if that is no number."""
    value = call_on_copies(function, arguments).value
    try:
        return "" if why_no_number(value) else f"{float(value):.{decimals}%}"
    except OverflowError:
        return ""


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
