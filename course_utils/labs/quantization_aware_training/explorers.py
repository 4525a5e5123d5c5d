"""Training through rounding: one weight, one layer, one network (notebook 09)."""

from __future__ import annotations

from course_utils.labs.quantization_aware_training import figures, scenes
from course_utils.views import style, widgets


def descent() -> widgets.Sweeps:
    """Step one rounded weight towards its target; choose its number of bits."""

    def of(bits):
        states = scenes.descent(bits)
        return widgets.Sweep(
            figures.draw_descent,
            states,
            [str(state.step) for state in states],
            description=f"Gradient descent on a weight of {bits} bits",
            slider="step",
            alt=figures.alt_descent,
            index=8,
        )

    return widgets.Sweeps("Bits", {str(b): lambda b=b: of(b) for b in (2, 3, 4, 6)}, first="3")


def graph() -> style.Picture:
    """Show one layer of a quantization-aware network: where the rounding sits."""
    state = scenes.graph()
    return style.Picture(figures.draw_graph(state), figures.alt_graph(state))


def bits() -> style.Picture:
    """Show the recorded runs: rounded after training or trained for it, 8 to 2 bits."""
    state = scenes.bits_results()
    return style.Picture(figures.draw_bits(state), figures.alt_bits(state))
