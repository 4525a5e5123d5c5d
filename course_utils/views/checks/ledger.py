"""The ledger: what was predicted and checked, and the scoreboard that shows it."""

from __future__ import annotations

import weakref
from dataclasses import dataclass
from html import escape
from typing import Any

import ipywidgets

from course_utils.views.checks.look import box, mark_text
from course_utils.views.tables import html_table


@dataclass(frozen=True)
class Prediction:
    """One commitment: the guess, what was then measured, and how they compare, in words."""

    id: str
    guess: str
    measured: str
    state: str  # "right", "close" or "missed"
    compared: str
    because: str


class Ledger:
    """What was predicted and checked since the kernel started. Nothing is written to disk."""

    def __init__(self):
        self.predictions: dict[str, list[Prediction]] = {}
        self.exercises: dict[str, Any] = {}  # the latest Result of each
        self.boards = weakref.WeakSet()

    def changed(self):
        for board in self.boards:
            board.update()


LEDGER = Ledger()


class Scoreboard(ipywidgets.HTML):
    """The ledger as two tables, kept up to date while it is on screen. See `scoreboard`."""

    def __init__(self):
        super().__init__()
        LEDGER.boards.add(self)
        self.update()

    def update(self):
        self.value = self._static()

    def _rows(self):
        for id, commitments in LEDGER.predictions.items():
            if not commitments:
                yield "prediction", id, "", "", mark_text("not committed")
                continue
            first = commitments[0]
            later = f" (first of {len(commitments)})" if len(commitments) > 1 else ""
            state = f"{mark_text(first.state)}\n{first.compared}".strip()
            yield "prediction", id, first.guess + later, first.measured, state
        for id, result in LEDGER.exercises.items():
            yield "exercise", id, "", "", mark_text(result.state)

    def _summary(self):
        committed = [c[0] for c in LEDGER.predictions.values() if c]
        passed = sum(r.state == "passed" for r in LEDGER.exercises.values())
        return (
            f"Predictions committed: {len(committed)} of {len(LEDGER.predictions)}. "
            f"Exercises passed: {passed} of {len(LEDGER.exercises)}."
        )

    def _static(self):
        rows = list(self._rows())
        if not rows:
            return box("not committed", escape(_EMPTY))
        cells = [(id, kind, guess, measured, state) for kind, id, guess, measured, state in rows]
        head = "Id", "Kind", "First guess", "Measured", "State"
        return html_table(self._summary(), head, cells)

    def __repr__(self):
        rows = list(self._rows())
        if not rows:
            return _EMPTY
        lines = [self._summary()]
        for kind, id, guess, measured, state in rows:
            compared = f": guessed {guess}, measured {measured}" if guess else ""
            lines.append(f"- {kind} {id}: {state}{compared}".replace("\n", ". "))
        return "\n".join(lines)

    def _repr_mimebundle_(self, **kwargs):
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        return {**bundle, "text/plain": repr(self), "text/html": self._static()}


_EMPTY = "Nothing predicted or checked yet since this kernel started."


def scoreboard() -> Scoreboard:
    """This kernel's predictions (first guess, measurement) and exercises, kept up to date."""
    return Scoreboard()
