"""Integer arithmetic: a sum rescaled, a network traced, kernels compared (notebook 07)."""

from __future__ import annotations

import math

import ipywidgets
import numpy as np

from course_utils.labs.integer_arithmetic import figures, scenes
from course_utils.views import garments, style, widgets

BITS = (12, 14, 16, 18, 20, 22, 24)
LAYERS = ("dense1", "dense2")


def _on_slider(multipliers):
    """The median of a layer's multipliers, moved to the nearest position of a slider of powers."""
    return 10 ** round(math.log10(float(np.median(multipliers))), 2)


def requantization() -> widgets.Explorer:
    """Move the real multiplier and see the integers that stand for it, and what they give."""
    dense1, dense2 = (_on_slider(scenes.dense_layer(n).real_multipliers) for n in LAYERS)
    activations = [("none", "NONE"), ("ReLU", "RELU"), ("ReLU6", "RELU6")]
    return widgets.Explorer(
        scenes.requantization,
        figures.draw_requantization,
        {
            "real_multiplier": ipywidgets.FloatLogSlider(
                dense1, min=-4.5, max=0.5, step=0.01, description="M = S1·S2 / S3",
                readout_format=".3g",
            ),
            "zero_point": ipywidgets.IntSlider(-128, min=-128, max=127,
                                               description="zero point Z3"),
            "bias": ipywidgets.IntSlider(0, min=-50_000, max=50_000, step=500, description="bias"),
            "bits": ipywidgets.SelectionSlider(
                options=[(f"±2^{b - 1} = ±{2 ** (b - 1):,}", b) for b in BITS], value=20,
                description="sums drawn",
            ),
            "activation": ipywidgets.ToggleButtons(
                options=activations, value="RELU", description="activation",
                style={"button_width": "auto"},
            ),
        },
        description="From an int32 sum to an int8 code, with integers only",
        alt=figures.alt_requantization,
        presets={
            "dense1 of the network": {},
            "dense2: no activation": {"real_multiplier": dense2, "zero_point": 2,
                                      "activation": "NONE"},
            "ReLU6": {"activation": "RELU6"},
            "M = 0.08, rounded twice": {"real_multiplier": 10**-1.09, "bits": 14},
            "S3 too small": {"real_multiplier": 0.01, "zero_point": 2, "activation": "NONE"},
        },
    )  # fmt: skip


def trace(network=scenes.NETWORK, images=200) -> widgets.Explorer:
    """Choose a test image and a layer: its codes beside what the float network computes there."""
    layers = scenes.layer_names(network)
    return widgets.Explorer(
        lambda index, layer: scenes.trace(index, layer, network),
        figures.draw_trace,
        {
            "index": ipywidgets.IntSlider(0, min=0, max=images - 1, description="test image"),
            "layer": ipywidgets.ToggleButtons(
                options=layers, value=layers[0], description="layer",
                style={"button_width": "auto"},
            ) if len(layers) < 9 else ipywidgets.Dropdown(options=layers, description="layer"),
        },
        description=f"{network} in int8, layer by layer",
        alt=figures.alt_trace,
        presets={"int8 and float32 disagree": {"index": 40, "layer": layers[-1]}}
        if network == scenes.NETWORK else None,
    )  # fmt: skip


def terms() -> style.Picture:
    """Show the terms that one output of a real layer is made of."""
    state = scenes.terms()
    return style.Picture(figures.draw_terms(state), figures.alt_terms(state))


def answers(layer, fully_connected, inputs, outputs) -> style.Picture:
    """Show ten garments, answered by the network with a student's layer in it."""
    state = scenes.answered(layer, fully_connected, inputs, outputs)
    figure = garments.draw_answers(state)
    for artist in figure.moving.values():  # made for a slider, which paints them itself
        artist.set_animated(False)
    return style.Picture(figure, garments.alt_answers(state))


def kernels() -> style.Picture:
    """Show in which operators LiteRT's kernels differ from TFLM's."""
    state = scenes.kernels()
    return style.Picture(figures.draw_kernels(state), figures.alt_kernels(state))
