"""The scoreboard: a notebook's ledger as a table, and the way to start over."""

from __future__ import annotations

from html import escape

import ipywidgets

from course_utils.views.checks import ledger
from course_utils.views.checks.look import Saved, box, mark_text
from course_utils.views.in_page import in_page
from course_utils.views.tables import html_table

_EMPTY = "Nothing predicted or checked yet."
_ASK = (
    "Start over? Your predictions and the exercises you passed are forgotten here; a copy is kept. "
    "What you wrote in the cells stays."
)


class Scoreboard(Saved, ipywidgets.VBox):
    """The ledger as a table, kept up to date while it is on screen. See `scoreboard`."""

    def __init__(self):
        self._table = ipywidgets.HTML()
        self._said = ipywidgets.HTML()
        self._start_over = ipywidgets.Button(
            description="Start this notebook over",
            layout={"width": "auto", "align_self": "flex-start"},
        )
        self._yes = ipywidgets.Button(description="Yes, start over", layout={"width": "auto"})
        self._no = ipywidgets.Button(description="No, keep everything", layout={"width": "auto"})
        self._asked = ipywidgets.HBox([self._yes, self._no])
        super().__init__([self._table, self._start_over, self._asked, self._said, in_page()])
        self.add_class("lab-ask")
        self._start_over.on_click(lambda _: self._ask(True))
        self._no.on_click(lambda _: self._ask(False))
        self._yes.on_click(lambda _: self.start_over())
        self._ask(False)
        self._said.value = ""
        ledger.LEDGER.watchers.add(self)
        self.ledger_changed()

    def _ask(self, asking):
        self._asked.layout.display = None if asking else "none"
        self._start_over.disabled = asking
        self._said.value = box("not committed", escape(_ASK), role=' role="alert"') * asking
        (self._no if asking else self._start_over).focus()

    def start_over(self) -> None:
        """Forget what was predicted and checked, and keep a copy of it: what the button does."""
        kept = [ledger.LEDGER.start_over(number) for number in ledger.LEDGER.numbers()]
        self._ask(False)
        names = ", ".join(f"{path.parent.name}/{path.name}" for path in kept if path)
        copy = f" What was there is kept in {names}." if names else ""
        self._said.value = box("passed", escape(f"Started over.{copy}"), role=' role="status"')

    def ledger_changed(self, started_over=False):
        self._table.value = self._static()
        self._start_over.layout.display = None if self._has_entries() else "none"
        self.save_still()

    def _has_entries(self):
        held = (*ledger.LEDGER.predictions.values(), *ledger.LEDGER.tries.values())
        return any(held)

    def _rows(self):
        for id, commitments in ledger.LEDGER.predictions.items():
            if not commitments:
                yield id, "prediction", "", "", mark_text("not committed")
                continue
            first = commitments[0]
            later = f" (first of {len(commitments)})" if len(commitments) > 1 else ""
            state = f"{mark_text(first.state)}\n{first.compared}".strip()
            yield id, "prediction", first.guess + later, first.measured, state
        for id, tries in ledger.LEDGER.tries.items():
            yield id, "exercise", "", "", self._exercise(tries)

    def _exercise(self, tries):
        """Passed stays passed; beside it at which try, and whether the last answer still is."""
        states = [each.state for each in tries]
        if not states:
            return mark_text("not attempted")
        if "passed" not in states:
            return f"{mark_text('not yet')}\n{_tries(len(states))}"
        said = f"{mark_text('passed')}\nat try {states.index('passed') + 1}"
        return said if states[-1] == "passed" else f"{said}; the last answer was not yet right"

    def _summary(self):
        predictions, tries = ledger.LEDGER.predictions, ledger.LEDGER.tries
        committed = sum(bool(entries) for entries in predictions.values())
        passed = sum(any(t.state == "passed" for t in entries) for entries in tries.values())
        return (
            f"Predictions committed: {committed} of {len(predictions)}. "
            f"Exercises passed: {passed} of {len(tries)}."
        )

    def _static(self):
        rows, problem = list(self._rows()), ledger.LEDGER.problem
        said = box("cannot check", escape(problem)) if problem else ""
        if not rows:
            return said + box("not committed", escape(_EMPTY))
        head = "Id", "Kind", "First guess", "Measured", "State"
        return said + html_table(self._summary(), head, rows)

    def __repr__(self):
        rows = list(self._rows())
        if not rows:
            return _EMPTY
        lines = [self._summary()]
        for id, kind, guess, measured, state in rows:
            compared = f": guessed {guess}, measured {measured}" if guess else ""
            lines.append(f"- {kind} {id}: {state}{compared}".replace("\n", ". "))
        return "\n".join(lines)

    def _still(self):
        return {"text/plain": repr(self), "text/html": self._static()}, {}


def _tries(count):
    return "1 try" if count == 1 else f"{count} tries"


def scoreboard() -> Scoreboard:
    """What this notebook's ledger holds: predictions (first guess, measurement) and exercises."""
    return Scoreboard()
