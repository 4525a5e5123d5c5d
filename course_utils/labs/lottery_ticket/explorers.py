"""The lottery ticket round by round (notebook 04)."""

from __future__ import annotations

from course_utils.labs.lottery_ticket import figures, scenes, tickets
from course_utils.views import style, widgets
from course_utils.views.checks.answers import call_on_copies, why_no_number
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


def _controls():
    return [number for number in scenes.rounds("random") if number]


def methods() -> widgets.Sweep:
    """Move the weights left: by how much the ticket is ahead of dense and of every control."""
    own = _controls()
    return widgets.Sweep(
        figures.draw_methods,
        [scenes.methods(number) for number in own],
        [f"{scenes.left(number):.1%} left" for number in own],
        description=f"Ticket and controls, {scenes.NETWORK}",
        slider="weights left",
        alt=figures.alt_methods,
        index=own.index(scenes.SMALL),
    )


def curves() -> widgets.Sweep:
    """Move the weights left: how fast ticket and controls learn."""
    own = _controls()
    return widgets.Sweep(
        figures.draw_curves,
        [scenes.curves(number) for number in own],
        [f"{scenes.left(number):.1%} left" for number in own],
        description=f"How fast they learn, {scenes.NETWORK}",
        slider="weights left",
        alt=figures.alt_curves,
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
            row += [_share(share_left, number, rates[name]),
                    f"{masks[number][name].mean():.1%}"]  # fmt: skip
        body.append(row)
    return Table(
        "Weights left by your formula, and in the recorded masks of seed 1",
        ("rounds", "dense1, yours", "dense1", "output layer, yours", "output layer"), body,
    )  # fmt: skip


def _share(function, number, rate):
    value = call_on_copies(function, (number, rate)).value
    try:
        return "?" if why_no_number(value) else f"{float(value):.1%}"
    except (OverflowError, TypeError, ValueError):
        return "?"
