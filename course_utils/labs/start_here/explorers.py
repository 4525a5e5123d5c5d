"""The networks, what they see, and which boards hold them (notebook 00)."""

from __future__ import annotations

import ipywidgets

from course_utils.labs.start_here import figures, scenes
from course_utils.machines import models
from course_utils.views import style, widgets

BITS = (32, 16, 8, 4, 2)


def fit() -> widgets.Explorer:
    """Explore which boards hold which network at which bit width."""
    return widgets.Explorer(
        scenes.fit,
        figures.draw_fit,
        {
            "network": ipywidgets.Dropdown(
                options=list(models.ARCHITECTURES), value="lenet_300_100", description="Network"
            ),
            "num_bits": ipywidgets.SelectionSlider(
                options=BITS, value=32, description="Bits per value"
            ),
        },
        description="Networks and boards",
        alt=figures.alt_fit,
        presets={
            "LeNet in int8": {"num_bits": 8},
            "watch in float32": {"network": "watch_cnn"},
            "watch in int8": {"network": "watch_cnn", "num_bits": 8},
            "watch in 4 bits": {"network": "watch_cnn", "num_bits": 4},
        },
    )


def network(name: str) -> style.Picture:
    """Show a network's layers as boxes."""
    state = scenes.network(name)
    return style.Picture(figures.draw_network(state), figures.alt_network(state))


def garments() -> style.Picture:
    """Show a garment of each class."""
    state = scenes.garments()
    return style.Picture(figures.draw_garments(state), figures.alt_garments(state))


def recording() -> style.Picture:
    """Show two seconds of a smartwatch."""
    state = scenes.recording()
    return style.Picture(figures.draw_recording(state), figures.alt_recording(state))
