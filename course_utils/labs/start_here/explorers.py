"""Which boards hold which network (notebook 00)."""

from __future__ import annotations

import ipywidgets

from course_utils.labs.start_here import figures, scenes
from course_utils.machines import models
from course_utils.views import widgets

BITS = (32, 16, 8, 4, 2)


def fit() -> widgets.Explorer:
    """Explore which boards hold which network at which bit width."""
    return widgets.Explorer(
        scenes.fit,
        figures.draw_fit,
        {
            "network": ipywidgets.Dropdown(
                options=list(models.ARCHITECTURES), description="Network"
            ),
            "num_bits": ipywidgets.SelectionSlider(
                options=BITS, value=32, description="Bits per value"
            ),
        },
        description="Networks and boards",
        alt=figures.alt_fit,
    )
