"""Whoever follows what exercise 02.budget replies, a move at a time, comes to a choice that passes.

A move is what a student does with the explorer: the sliders that the reply names, in the direction
that it names, to where the most images are right while the target is reached.
"""

import re
from itertools import product

import numpy as np
import pytest

from course_utils.labs.magnitude_pruning import scenes
from course_utils.views import checks
from course_utils.views.checks import ledger

LAYERS = scenes.budget_layers()
STEPS = scenes.grid_steps()
MOVE = re.compile(r"(raise|lower) s of (\w+)")


@pytest.fixture(autouse=True)
def committed(monkeypatch):
    monkeypatch.setattr(ledger, "LEDGER", ledger.Ledger())
    ledger.LEDGER.add(ledger.Prediction("02.sensitive", "a", "a", "right", "", ""))


def reply(s):
    """What the notebook's cell says."""
    return checks.check(
        "02.budget", s, evaluate=scenes.evaluate_budget, target=scenes.TARGET, within=scenes.WITHIN
    )


def move(s, says):
    """The best choice that the reply's words lead to."""
    moves = MOVE.findall(says)
    assert moves, says
    ways = [[x for x in STEPS if (x > s[layer] if how == "raise" else x < s[layer])]
            for how, layer in moves]  # fmt: skip
    choices = [{**s, **dict(zip([layer for _, layer in moves], values, strict=True))}
               for values in product(*ways)]  # fmt: skip
    found = [(scenes.evaluate_budget(choice), choice) for choice in choices]
    reached = [(made.accuracy, str(c), c) for made, c in found if made.sparsity >= scenes.TARGET]
    assert reached, says
    return max(reached)


def moves_to_pass(s):
    """How many moves; each must win, and win what the reply said."""
    count, accuracy = 0, None
    while (result := reply(s)).state != "passed":
        assert result.state == "not yet"
        assert count < 12, (s, result.says)
        won, _, s = move(s, result.says)
        assert f"up to {100 * won:.1f} %" in result.says
        assert accuracy is None or won > accuracy
        count, accuracy = count + 1, won
    return count


def choice(*s):
    return dict(zip(LAYERS, s, strict=True))


@pytest.mark.parametrize("s", STEPS)
def test_from_the_same_s_in_every_layer(s):
    assert moves_to_pass(choice(s, s, s, s)) <= 6


@pytest.mark.parametrize(
    "s",
    [
        choice(0, 1.0, 1.0, 0),  # the ends spared, too little
        choice(0, 1.3, 1.3, 0),
        choice(0, 1.0, 1.2, 0),
        choice(0, 0, 1.4, 0),  # the large layer alone
        choice(0, 0, 2.0, 0),
        choice(0.5, 1.5, 1.0, 0.5),
        choice(0.2, 0.4, 1.1, 0.2),  # just below the target
        choice(1.0, 1.0, 1.2, 1.0),
        choice(0, 0.5, 1.5, 0.5),
        choice(0, 0, 0, 0),
    ],
)
def test_from_what_students_try(s):
    assert moves_to_pass(s) <= 4


def test_from_anywhere():
    rng = np.random.default_rng(2)
    counts = [moves_to_pass(choice(*map(float, rng.choice(STEPS, 4)))) for _ in range(150)]
    assert np.mean(counts) < 4
    assert max(counts) <= 9


def test_sparing_the_ends_can_pass():
    """The section's own advice is an answer: dense ends, the two large layers pruned."""
    passing = [s for s in product(STEPS, STEPS) if reply(choice(0, *s, 0)).state == "passed"]
    assert len(passing) >= 3


def test_a_reply_names_a_layer_only_after_the_prediction(monkeypatch):
    s = choice(0, 0, 1.3, 1.5)
    assert "of dense2" in reply(s).says
    monkeypatch.setattr(ledger, "LEDGER", ledger.Ledger())
    says = reply(s).says
    assert not any(layer in says for layer in LAYERS)
    assert "Commit to prediction 02.sensitive" in says
