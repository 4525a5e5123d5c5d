"""Test images and how a network answers them: what a number of right answers looks like."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.patches import Rectangle

from course_utils.views import style


class Answered(NamedTuple):
    """A few images, what they are, and what a network says they are."""

    images: np.ndarray  # (n, height, width), 0 to 1
    truth: np.ndarray  # (n,), class numbers
    answers: np.ndarray  # (n,), class numbers: the network's
    names: tuple[str, ...]  # of the classes
    network: str  # which network, in which state: the title, such as "fashion_cnn at s = 1.00"


def alt_answers(state: Answered) -> str:
    """Say how many of the images are answered rightly, and what the wrong answers are."""
    wrong = np.flatnonzero(state.answers != state.truth)
    said = f"{state.network}: {len(state.truth) - len(wrong)} of {len(state.truth)} images right"
    if not len(wrong):
        return f"{said}."
    names = state.names
    mistakes = [f"{names[state.truth[i]]} taken for {names[state.answers[i]]}" for i in wrong]
    return f"{said}; {', '.join(mistakes)}."


def draw_answers(state: Answered, figure=None):
    """Draw the images in a row, what each is above it and the network's answer below. -> Figure

    A wrong answer has a cross, bold red words and a thick frame: colour is not needed to see it.
    """
    if figure is None:
        columns = min(len(state.truth), 10)
        rows = -(-len(state.truth) // columns)
        figure, axes = style.subplots(
            rows, columns, width=8.8, height=0.35 + 1.2 * rows, squeeze=False
        )
        with style.rc():
            figure.suptitle(" ")  # its room: what moves must belong to axes
            figure.moving["title"] = axes.flat[0].text(
                0.01, 0.99, "", transform=figure.transFigure, va="top", fontsize=11, in_layout=False
            )
            for ax in axes.flat:
                ax.axis("off")
            for i, (ax, image) in enumerate(zip(axes.flat, state.images, strict=False)):
                ax.axis("on")
                ax.set(xticks=[], yticks=[])
                ax.grid(False)
                ax.imshow(image, cmap="gray_r", vmin=0, vmax=1)
                ax.set_title(state.names[state.truth[i]], fontsize=8, loc="center", pad=3)
                ax.spines[:].set_visible(True)
                height, width = image.shape
                figure.moving[f"frame {i}"] = ax.add_patch(
                    Rectangle((-0.5, -0.5), width, height, fill=False, edgecolor=style.RED,
                              linewidth=3, visible=False)
                )  # fmt: skip
                figure.moving[f"answer {i}"] = ax.text(
                    0.5, -0.06, "", transform=ax.transAxes, ha="center", va="top", fontsize=8
                )
        for artist in figure.moving.values():
            artist.set_animated(True)
    moving = figure.moving
    moving["title"].set_text(state.network)
    for i, (is_, said) in enumerate(zip(state.truth, state.answers, strict=True)):
        right = is_ == said
        moving[f"frame {i}"].set_visible(not right)
        moving[f"answer {i}"].set(
            text=f"{'✓' if right else '✗'} {state.names[said]}",
            color=style.INK if right else style.RED,
            fontweight="normal" if right else "bold",
        )
    return figure
