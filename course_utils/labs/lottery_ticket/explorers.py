"""The lottery ticket round by round (notebook 04)."""

from __future__ import annotations

from course_utils.labs.lottery_ticket import figures, scenes, tickets
from course_utils.views import checks, style, widgets
from course_utils.views.tables import Table

FILMS = {
    "the ticket": "ticket",
    "one-shot mask": "one_shot",
    "shuffled, same inputs": "same_inputs",
    "random mask": "random",
}


def film() -> widgets.Sweeps:
    """Move the round: the mask over the image, the weights' paths, accuracy and early stop."""

    def of(method):
        states = scenes.film(method)
        return widgets.Sweep(
            figures.draw_film,
            states,
            [f"{state.round}: {state.left:.1%} left" for state in states],
            description=f"{scenes.NETWORK}, round by round",
            slider="round",
            alt=figures.alt_film,
            index=[state.round for state in states].index(scenes.SMALL),
        )

    return widgets.Sweeps(
        "Mask of", {name: lambda method=method: of(method) for name, method in FILMS.items()}
    )


def methods() -> widgets.Sweep:
    """Move the weights left: by how much the ticket is ahead of dense and of every control."""
    return _by_weights_left(
        scenes.methods, figures.draw_methods, figures.alt_methods, "Ticket and controls"
    )


def curves() -> widgets.Sweep:
    """Move the weights left: how fast ticket and controls learn."""
    return _by_weights_left(
        scenes.curves, figures.draw_curves, figures.alt_curves, "How fast they learn"
    )


def _by_weights_left(scene, draw, alt, description):
    """A slider over the rounds at which the controls were trained."""
    own = [number for number in scenes.rounds("random") if number]
    return widgets.Sweep(
        draw,
        [scene(number) for number in own],
        [f"{scenes.left(number):.1%} left" for number in own],
        description=f"{description}, {scenes.NETWORK}",
        slider="weights left",
        alt=alt,
        index=own.index(scenes.SMALL),
    )


def rewinding() -> style.Picture:
    """Show fashion_cnn's tickets, rewound to the start or to an early step, and the controls."""
    state = scenes.rewinding()
    return style.Picture(figures.draw_rewinding(state), figures.alt_rewinding(state))


def rounds_needed(share_left) -> Table:
    """What a student's formula leaves, beside the recorded masks, layer by layer."""
    masks = scenes.masks_of_rounds()
    rates = tickets.rates(masks[0])
    body = []
    for number in (1, 4, 8, 12, 20):
        row = [str(number)]
        for name in ("dense1/kernel", "dense3/kernel"):
            row += [checks.percentage(share_left, (number, rates[name])),
                    f"{masks[number][name].mean():.1%}"]  # fmt: skip
        body.append(row)
    return Table(
        "Weights left by your formula, and in the recorded masks of seed 1",
        ("rounds", "dense1, yours", "dense1", "output layer, yours", "output layer"), body,
    )  # fmt: skip
