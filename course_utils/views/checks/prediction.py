"""Predict first: commit to a guess, then see the measurement beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape

import ipywidgets

from course_utils.views.checks import ledger
from course_utils.views.checks.answers import error_line
from course_utils.views.checks.ledger import Prediction
from course_utils.views.checks.look import Saved, box, mark_text
from course_utils.views.checks.measured import as_measured, decimals_for, number_text, with_unit
from course_utils.views.in_page import in_page
from course_utils.views.tables import INK


class _OneOf:
    """A guess that picks one choice: plain labels, or labels that each name a range of numbers."""

    def __init__(self, choices, unit):
        if isinstance(choices, str) or len(choices) < 2:
            raise ValueError("A prediction needs a list of at least two choices.")
        self.ranges = dict(choices) if isinstance(choices, Mapping) else None
        self.labels = [str(choice) for choice in choices]
        if len(set(self.labels)) < len(self.labels):
            raise ValueError("Two choices of a prediction have the same words.")
        self.unit = unit
        self.field = ipywidgets.RadioButtons(
            options=self.labels, index=None, layout={"width": "auto", "max_width": "46em"}
        )

    def hint(self):
        return [f"( ) {label}" for label in self.labels]

    def accept(self, guess):
        if guess is None:
            raise ValueError("Choose one of the answers first, then commit.")
        if str(guess) not in self.labels:
            raise ValueError(f"{guess!r} is not among the choices: {'; '.join(self.labels)}.")
        self.field.value = str(guess)
        return str(guess)

    def show(self, guess):
        return guess

    def put_back(self, guess):
        """Show a guess that was committed before; the choices may have changed since."""
        self.field.value = guess if guess in self.labels else None

    def compare(self, guess, measured):
        if self.ranges is None:
            if str(measured) == guess:
                return "right", ""
            none = "" if str(measured) in self.labels else "Not one of the choices foresaw it."
            return "missed", none
        low, high = self.ranges[guess]
        if low <= measured.value < high:
            return "right", ""
        if measured.interval[0] < high and low <= measured.interval[1]:
            return "close", "The measurement's uncertainty reaches into your range."
        return "missed", "It is more than you thought." if measured.value >= high else (
            "It is less than you thought."
        )

    def measure(self, measured):
        return measured if self.ranges is None else as_measured(measured, self.unit)


class _Number:
    """A guess that is a number: a text field, since a slider's first position is already a hint."""

    def __init__(self, unit, between):
        low, high = between
        if not low < high:
            raise ValueError(f"between=({low}, {high}) leaves nothing to guess.")
        self.unit, self.low, self.high = unit, low, high
        self.field = ipywidgets.Text(
            description=f"Your guess ({unit}):" if unit else "Your guess:",
            placeholder=f"{number_text(low)} to {number_text(high)}",
            continuous_update=False,  # whole numbers, not "3" on the way to "30"
            style={"description_width": "initial"},
            layout={"width": "24em"},
        )

    def hint(self):
        highest = with_unit(number_text(self.high), self.unit)
        return [f"( a number from {number_text(self.low)} to {highest} )"]

    def accept(self, guess):
        low, high = number_text(self.low), number_text(self.high)
        asked = f"Type a number from {low} to {high}, then commit."
        if guess is None or not str(guess).strip():
            raise ValueError(asked)
        text = str(guess).strip().removesuffix(self.unit).strip()
        if re.fullmatch(r"-?\d{1,3}(,\d{3})+(\.\d*)?", text):
            text = text.replace(",", "")  # thousands
        text = text.replace(",", ".")  # a decimal comma
        try:
            number = float(text)
        except ValueError:
            raise ValueError(f"{str(guess)!r} is not a number. {asked}") from None
        if not self.low <= number <= self.high:
            raise ValueError(f"{text} is outside the range. {asked}")
        self.field.value = text
        return number

    def show(self, guess):
        return with_unit(f"{guess:,.15g}", self.unit)

    def put_back(self, guess):
        """Show a guess that was committed before."""
        self.field.value = guess

    def measure(self, measured):
        return as_measured(measured, self.unit)

    def compare(self, guess, measured):
        value, (low, high) = measured.value, measured.interval
        decimals = decimals_for((high - low) / 2)
        if low <= guess <= high or number_text(guess, decimals) == number_text(value, decimals):
            return "right", "Your guess lies within the measurement's uncertainty." * (low < high)
        direction = "too high" if guess > value else "too low"
        ratio = max(guess / value, value / guess) if guess * value > 0 else 0
        if ratio >= 2:
            return "missed", f"Your guess is {number_text(ratio, 1)} times {direction}."
        unit = "percentage points" if self.unit == "%" else self.unit
        gap = with_unit(number_text(abs(guess - value)), unit)
        near = abs(guess - value) <= 0.1 * abs(value)
        return "close" if near else "missed", f"Your guess is {gap} {direction}."


class PredictionWidget(Saved, ipywidgets.VBox):
    """The question, a field for the guess, Commit, and then the measurement. See `predict`."""

    def __init__(self, id, question, kind, reveal, because):
        self.id, self.question = id, question
        self._kind, self._reveal, self._because = kind, reveal, because
        self._result = self._revealed = None
        self._unlocked = False  # by "Predict again"
        self._commit = ipywidgets.Button(
            description="Commit",
            button_style="primary",
            tooltip="Lock your guess, then see the measurement",
        )
        self._again = ipywidgets.Button(
            description="Predict again", tooltip="Unlock; your first commitment stays in the ledger"
        )
        self._answer = ipywidgets.HTML()
        heading = ipywidgets.HTML(
            f'<p style="{INK} max-width: 46em;"><strong>Predict.</strong> {escape(question)}</p>'
        )
        buttons = ipywidgets.HBox([self._commit, self._again])
        super().__init__([heading, kind.field, buttons, self._answer, in_page()])
        self._commit.on_click(self._clicked)
        self._again.on_click(lambda _: self.again())
        ledger.LEDGER.asked("predictions", id)
        ledger.LEDGER.watchers.add(self)
        self.ledger_changed()
        kind.field.observe(self._overtaken, "value")
        self.add_class("lab-ask")

    def ledger_changed(self, started_over=False):
        """What was committed, here, in another kernel or yesterday, stays committed."""
        committed = ledger.LEDGER.predictions.get(self.id)
        if committed and self._result is None and not self._unlocked:
            self._kind.put_back(committed[-1].guess)
            self._lock(committed[-1])
        elif not committed and (started_over or self._result is None):
            self._unlocked = False
            self._unlock()
            self.save_still()

    @property
    def result(self) -> Prediction | None:
        """The latest commitment, or None while there is none."""
        return self._result

    def measured(self):
        """What is revealed: a `Measured`, or one of the labels."""
        return self._kind.measure(self._reveal() if callable(self._reveal) else self._reveal)

    def commit(self, guess) -> Prediction:
        """Lock this guess, measure, and show both. What the Commit button does.

        Raises ValueError if the guess is no possible answer or one is committed already, and
        RuntimeError if the measurement fails; nothing is locked or recorded then.
        """
        if self._result is not None:
            raise ValueError('A guess is committed already. Press "Predict again" for another.')
        guess = self._kind.accept(guess)
        self._disable(True)
        self._answer.value = box("not committed", "Measuring …", role=' role="status"')
        try:
            measured = self.measured()
            because = self._because(measured) if callable(self._because) else self._because
            prediction = self._compare(guess, measured, because)
        except Exception as error:
            self._disable(False)
            self._answer.value = ""
            raise RuntimeError(
                f"The measurement could not be made ({error_line(error)}). "
                "Run the cells above this one, then commit again."
            ) from error
        self._revealed = measured, because
        self._unlocked = False
        self._lock(prediction)
        self._result = ledger.LEDGER.add(prediction)
        self._say_problem()
        self.save_still()
        return self._result

    def _compare(self, guess, measured, because):
        state, compared = self._kind.compare(guess, measured)
        return Prediction(self.id, self._kind.show(guess), str(measured), state, compared, because)

    def _overtaken(self, change):
        """The choice that Commit was pressed on arrives only after the click.

        While one change of a field is on its way the browser holds the next one back, but not a
        click. With a busy kernel the click can therefore be handled before the latest choice is
        known. The field is locked by then, so what still arrives was chosen before the reveal.
        """
        if self._result is None or self._revealed is None:
            return
        try:
            prediction = self._compare(self._kind.accept(change.new), *self._revealed)
        except ValueError:
            return
        before = self._result
        self._lock(prediction)
        self._result = ledger.LEDGER.add(prediction, instead_of=before)
        self.save_still()

    def again(self):
        """Unlock for another guess. The ledger keeps the first commitment."""
        self._unlocked = True
        self._unlock()
        self._commit.focus()  # "Predict again", which had the focus, is hidden now

    def _clicked(self, _=None):
        if self._commit.disabled:
            return
        try:
            self.commit(self._kind.field.value)
        except (ValueError, RuntimeError) as problem:
            self._answer.value = box("cannot check", escape(str(problem)), role=' role="alert"')
        else:
            self._again.focus()  # the Commit button, which had the focus, is disabled now

    def _disable(self, locked):
        self._kind.field.disabled = self._commit.disabled = locked

    def _unlock(self):
        self._result = self._revealed = None
        self._disable(False)
        self._again.layout.display = "none"
        self._answer.value = ""

    def _lock(self, prediction):
        self._result = prediction
        self._disable(True)
        self._again.layout.display = None
        # role="alert" is a live region that is announced when it is put into the page; a region
        # that is merely polite would have to be there, empty, before, and this widget replaces all
        # of its content at once.
        self._answer.value = box(
            prediction.state,
            f"<strong>{escape(mark_text(prediction.state))}</strong>",
            f"Your guess: <strong>{escape(prediction.guess)}</strong><br>"
            f"Measured: <strong>{escape(prediction.measured)}</strong>",
            escape(prediction.compared),
            escape(prediction.because),
            role=' role="alert" aria-live="assertive" aria-atomic="true"',
        )

    def _say_problem(self):
        if ledger.LEDGER.problem:
            self._answer.value += box("cannot check", escape(ledger.LEDGER.problem))

    def __repr__(self):
        """The same whether or not something is committed."""
        return "\n".join([f"Predict. {self.question}", *self._kind.hint(), _RUN_ME])

    def _still(self):
        """The question and, before a commitment, its choices, never the answer."""
        asked = box("not committed", f"<strong>Predict.</strong> {escape(self.question)}")
        if self._result is not None:
            return {"text/plain": repr(self), "text/html": asked + self._answer.value}, {}
        choices = (line.removeprefix("( ) ") for line in self._kind.hint())
        lines = "".join(f"<li>{escape(choice)}</li>" for choice in choices)
        still = asked.removesuffix("</div>") + f"<ul>{lines}</ul><p>{_RUN_ME}</p></div>"
        return {"text/plain": repr(self), "text/html": still}, {}


_RUN_ME = "Run this cell to commit to a guess and see the measurement."


def predict(
    id: str,
    question: str,
    choices: Sequence[str] | Mapping[str, tuple[float, float]] | None = None,
    *,
    reveal: Callable | object,
    because: str | Callable = "",
    unit: str = "",
    between: tuple[float, float] | None = None,
) -> PredictionWidget:
    """Ask for a guess before the measurement: commit, lock, then see both side by side.

    id:       such as "01.sigma": notebook number, dot, name.
    choices:  the answers to pick from. A list of labels (`reveal` then gives one of them), or a
              dict label -> (low, high) (`reveal` gives a number; right is low <= number < high).
    between:  instead of choices, for a guess that is a number: the smallest and largest allowed.
    reveal:   the measurement: a function without arguments, called when the guess is committed,
              or a value computed before. A label, a number, or a `Measured`.
    because:  the explanation, or a function of the measured value (a `Measured` for numbers) that
              returns it.
    unit:     of the number.

    The first commitment stays in the ledger (`scoreboard`), and running the cell again does not
    unlock it. Raises ValueError if the question is not well posed.
    """
    if (choices is None) == (between is None):
        raise ValueError("A prediction needs either choices or between=(low, high).")
    kind = _Number(unit, between) if choices is None else _OneOf(choices, unit)
    return PredictionWidget(id, question, kind, reveal, because)
