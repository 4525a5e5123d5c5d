"""Deep Compression under sliders (notebook 10)."""

from __future__ import annotations

import ipywidgets

from course_utils.labs.deep_compression import figures, scenes
from course_utils.numbers import weight_sharing
from course_utils.views import style, widgets


def clusters() -> widgets.Sweeps:
    """Move the round: centroids walk; choose where they start."""

    def of(start):
        states = scenes.clusters(start)
        return widgets.Sweep(
            figures.draw_clusters,
            states,
            [f"{state.round}" for state in states],
            description=f"k-means on the weights left of {states[0].layer}",
            slider="round",
            alt=figures.alt_clusters,
        )

    return widgets.Sweeps(
        "Start", {start: lambda start=start: of(start) for start in weight_sharing.STARTS}
    )


def codes() -> widgets.Sweeps:
    """Move the bits of a gap: how often each number is stored; choose the layer."""

    def of(name):
        states = [scenes.codes(name, index_bits) for index_bits in range(2, 9)]
        return widgets.Sweep(
            figures.draw_codes,
            states,
            [f"{state.index_bits} bits" for state in states],
            description=f"What is stored of {states[0].layer}",
            slider="width of a gap",
            alt=figures.alt_codes,
            index=scenes.CODES_GAP - 2,
        )

    return widgets.Sweeps(
        "Layer", {name.split("/")[0]: lambda name=name: of(name) for name in scenes.gaps()}
    )


def ledger() -> widgets.Explorer:
    """Move sparsity, bits of each layer and of the gaps; every byte, and the accuracy."""
    head = scenes.grid().record
    recipe = scenes.bits()

    def bits(layer, name):
        return ipywidgets.SelectionSlider(
            options=head["bits"], value=recipe[name], description=f"bits, {layer}"
        )

    return widgets.Explorer(
        scenes.ledger,
        figures.draw_ledger,
        {
            "keep": ipywidgets.SelectionSlider(
                options=[(f"{share:.0%}", share) for share in head["keep"]],
                value=0.08, description="weights left in dense1",
            ),
            **{f"bits{i}": bits(f"dense{i}", f"dense{i}/kernel") for i in (1, 2, 3)},
            "gap_bits": ipywidgets.SelectionSlider(
                options=[("none", 0), *((str(g), g) for g in head["gaps"] if g)],
                value=5, description="bits of a gap",
            ),
        },
        description="Every byte of LeNet-300-100, compressed",
        alt=figures.alt_ledger,
        readout=figures.readout_ledger,
        presets={
            "nothing pruned": {"keep": 1.0, "gap_bits": 0},
            "few weights": {"keep": 0.02},
            "2 bits everywhere": {"bits1": 2, "bits2": 2, "bits3": 2},
        },
    )  # fmt: skip


def stages() -> style.Picture:
    """Show bytes and lost accuracy after every stage."""
    state = scenes.all_stages()
    return style.Picture(figures.draw_stages(state), figures.alt_stages(state))


def tflm() -> style.Picture:
    """Show what looking weights up saves in flash and costs in RAM and time."""
    state = scenes.tflm()
    return style.Picture(figures.draw_tflm(state), figures.alt_tflm(state))
