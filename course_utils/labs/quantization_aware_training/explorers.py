"""Training through rounding: one weight, one layer, one network (notebook 09)."""

from __future__ import annotations

from course_utils.labs.quantization_aware_training import figures, scenes
from course_utils.views import garments, style, widgets


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


def curves(runs, bits: int) -> style.Picture:
    """Show the learning curves of the runs that `scenes.train` made."""
    state = scenes.curves(runs, bits)
    return style.Picture(figures.draw_curves(state), figures.alt_curves(state))


def answers(run, bits: int) -> widgets.Sweep:
    """Move through one run: how the first ten test images are answered as it goes on."""
    return widgets.Sweep(
        garments.draw_answers,
        scenes.answers(run, bits),
        [f"{step}" for step in run.steps],
        description="The first ten test images while the rounded network is trained",
        slider="steps of training",
        alt=garments.alt_answers,
    )


def graph() -> style.Picture:
    """Show one layer of a quantization-aware network: where the rounding sits."""
    state = scenes.graph()
    return style.Picture(figures.draw_graph(state), figures.alt_graph(state))


def bits() -> style.Picture:
    """Show the recorded runs: rounded after training or trained for it, 8 to 2 bits."""
    state = scenes.bits_results()
    return style.Picture(figures.draw_bits(state), figures.alt_bits(state))
