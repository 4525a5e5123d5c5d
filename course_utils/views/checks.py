"""Predict, check, and put what was measured beside what the lecture says.

A notebook shows four things from here:

    predict("01.sigma", "How many ...?", [...], reveal=...)   commit to a guess, then see
    check("02.threshold", magnitude_threshold)                is my answer right, and if not, why?
    beside_lecture([Row(...), ...], "caption")                measured here | the lecture says
    scoreboard()                                              the ledger of this kernel

The exercises themselves are declared in `exercises/`. A declaration pairs the right computation
with the mistakes that people make, each written as the computation *it* would do. An answer is
compared with all of them, so that "not yet" can name the misconception which that very answer
shows.

Everything displays as HTML and as plain text. Both are the same at every run, and neither holds
the answer to a question that has not been answered.
"""

from __future__ import annotations

import difflib
import inspect
import math
import numbers
import re
import traceback
import weakref
from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path

import ipywidgets
import numpy as np


def in_solution_notebook() -> bool:
    """Solution notebooks live in a folder of that name, and a kernel starts in its notebook's."""
    return Path.cwd().name == "solutions"


# ---------------------------------------------------------------------------- numbers, honestly


@dataclass(frozen=True)
class Measured:
    """A measured number with what is known about it.

    value:      the number, in `unit`.
    low, high:  the interval that the measurement leaves open (both or neither), in `unit`. Without
                them the number was counted, not estimated: bytes, operations, weights.
    n:          how many things it was measured on.
    source:     where it comes from, in a few words.

    It prints no more digits than the interval supports: two of the half width's if that begins
    with 1 or 2, else one. Raises ValueError if the interval is half given or misses the value.

    >>> print(Measured(90.124, 89.52, 90.69, "%", n=10_000))
    90.1 % (89.5 to 90.7; n = 10,000)
    >>> print(Measured(225_034, unit="bytes"))
    225,034 bytes
    """

    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    n: int | None = None
    source: str = ""

    def __post_init__(self):
        if (self.low is None) != (self.high is None):
            raise ValueError("An interval needs both low and high, or neither.")
        if self.low is not None and not self.low <= self.value <= self.high:
            raise ValueError(
                f"The interval {self.low:g} to {self.high:g} does not hold the value "
                f"{self.value:g}. Are they in the same unit?"
            )

    @property
    def interval(self) -> tuple[float, float]:
        return (self.value, self.value) if self.low is None else (self.low, self.high)

    def __str__(self):
        low, high = self.interval
        decimals = _decimals((high - low) / 2)
        notes = []
        if low < high:
            notes.append(f"{_number(low, decimals)} to {_number(high, decimals)}")
        if self.n is not None:
            notes.append(f"n = {self.n:,}")
        if self.source:
            notes.append(self.source)
        text = _with_unit(_number(self.value, decimals), self.unit)
        return f"{text} ({'; '.join(notes)})" if notes else text


def _measured(number, unit=""):
    return number if isinstance(number, Measured) else Measured(number, unit=unit)


def _decimals(half_width):
    """Decimal places that a number with this half width deserves; None if it has none."""
    if not 0 < half_width < math.inf:
        return None
    exponent = math.floor(math.log10(half_width))
    return (1 if half_width / 10**exponent < 3 else 0) - exponent


def _number(value, decimals=None):
    """A number for people: thousands separated, `decimals` places or three significant digits."""
    if decimals is None:
        if isinstance(value, numbers.Integral):
            return f"{int(value):,}"
        value = float(f"{value:.3g}") if abs(value) < 100 else float(value)
        if value and not 1e-4 <= abs(value) < 1e12:
            return f"{value:.3g}"
        decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    rounded = round(float(value), decimals) + 0.0  # no "-0.0"
    return f"{rounded:,.{max(0, decimals)}f}"


def _with_unit(number, unit):
    return f"{number} {unit}" if unit else number


# ------------------------------------------------------------------------------------ how it looks

# A symbol, a word and a colour: never the colour alone. Colours are JupyterLab's own, so that they
# follow its theme; elsewhere the fallback holds.
_MARKS = {
    "passed": ("✓", "var(--jp-success-color1, #2e7d32)"),
    "right": ("✓", "var(--jp-success-color1, #2e7d32)"),
    "agrees": ("✓", "var(--jp-success-color1, #2e7d32)"),
    "close": ("≈", "var(--jp-warn-color1, #b26a00)"),
    "differs": ("≠", "var(--jp-warn-color1, #b26a00)"),
    "not yet": ("✗", "var(--jp-error-color1, #b71c1c)"),
    "missed": ("✗", "var(--jp-error-color1, #b71c1c)"),
    "not attempted": ("○", "var(--jp-border-color1, #888888)"),
    "not committed": ("○", "var(--jp-border-color1, #888888)"),
    "not comparable": ("–", "var(--jp-border-color1, #888888)"),
    "cannot check": ("!", "var(--jp-error-color1, #b71c1c)"),
}
_CELL = (
    "text-align: left; vertical-align: top; padding: 0.4em 0.8em; white-space: normal; "
    "border-bottom: 1px solid var(--jp-border-color2, #c0c0c0);"
)
_INK = "color: var(--jp-content-font-color1, inherit); line-height: 1.45;"


def _mark(state):
    return f"{_MARKS[state][0]} {state}"


def _box(state, *paragraphs, role=""):
    """Paragraphs (HTML) with a bar in the state's colour down the side."""
    body = "".join(f'<p style="margin: 0.25em 0;">{p}</p>' for p in paragraphs if p)
    colour = _MARKS[state][1]
    return (
        f'<div{role} style="{_INK} border-left: 4px solid {colour}; padding: 0.3em 0.9em; '
        f'margin: 0.3em 0; max-width: 46em;">{body}</div>'
    )


def _table(caption, head, rows):
    """An accessible table: a caption, a header for each column and for each row."""

    def cell(tag, text, scope=""):
        lines = "<br>".join(escape(line) for line in str(text).split("\n"))
        weight = "font-weight: 600;" if tag == "th" else ""
        return f'<{tag}{scope} style="{_CELL} {weight}">{lines}</{tag}>'

    column = ' scope="col"'
    top = "".join(cell("th", h, column) for h in head)
    body = ""
    for first, *others in rows:
        header = cell("th", first, ' scope="row"')
        body += "<tr>" + header + "".join(cell("td", o) for o in others) + "</tr>"
    return (
        f'<table style="{_INK} border-collapse: collapse; table-layout: auto; margin: 0.5em 0; '
        f'font-size: inherit; max-width: 100%;">'
        f'<caption style="caption-side: top; text-align: left; padding: 0.4em 0.8em; '
        f'font-weight: 600; {_INK}">{escape(caption)}</caption>'
        f"<thead><tr>{top}</tr></thead><tbody>{body}</tbody></table>"
    )


class _Shown:
    """Displays as HTML, and as text wherever there is no browser."""

    def _repr_mimebundle_(self, **_):
        return {"text/plain": str(self), "text/html": self._html()}

    def __repr__(self):
        return str(self)


# ---------------------------------------------------------------------------------------- predict


@dataclass(frozen=True)
class Prediction:
    """One commitment: the guess, what was then measured, and how they compare, in words."""

    id: str
    guess: str
    measured: str
    state: str  # "right", "close" or "missed"
    compared: str
    because: str


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
        return measured if self.ranges is None else _measured(measured, self.unit)


class _Number:
    """A guess that is a number: a text field, since a slider's first position is already a hint."""

    def __init__(self, unit, between):
        low, high = between
        if not low < high:
            raise ValueError(f"between=({low}, {high}) leaves nothing to guess.")
        self.unit, self.low, self.high = unit, low, high
        self.field = ipywidgets.Text(
            description=f"Your guess ({unit}):" if unit else "Your guess:",
            placeholder=f"{_number(low)} to {_number(high)}",
            continuous_update=False,  # whole numbers, not "3" on the way to "30"
            style={"description_width": "initial"},
            layout={"width": "24em"},
        )

    def hint(self):
        highest = _with_unit(_number(self.high), self.unit)
        return [f"( a number from {_number(self.low)} to {highest} )"]

    def accept(self, guess):
        asked = f"Type a number from {_number(self.low)} to {_number(self.high)}, then commit."
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
        return _with_unit(f"{guess:,.15g}", self.unit)

    def measure(self, measured):
        return _measured(measured, self.unit)

    def compare(self, guess, measured):
        value, (low, high) = measured.value, measured.interval
        decimals = _decimals((high - low) / 2)
        if low <= guess <= high or _number(guess, decimals) == _number(value, decimals):
            return "right", "Your guess lies within the measurement's uncertainty." * (low < high)
        direction = "too high" if guess > value else "too low"
        ratio = max(guess / value, value / guess) if guess * value > 0 else 0
        if ratio >= 2:
            return "missed", f"Your guess is {_number(ratio, 1)} times {direction}."
        unit = "percentage points" if self.unit == "%" else self.unit
        gap = _with_unit(_number(abs(guess - value)), unit)
        near = abs(guess - value) <= 0.1 * abs(value)
        return "close" if near else "missed", f"Your guess is {gap} {direction}."


class PredictionWidget(ipywidgets.VBox):
    """The question, a field for the guess, Commit, and then the measurement. See `predict`."""

    def __init__(self, id, question, kind, reveal, because):
        self.id, self.question = id, question
        self._kind, self._reveal, self._because = kind, reveal, because
        self._result = self._revealed = None
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
            f'<p style="{_INK} max-width: 46em;"><strong>Predict.</strong> {escape(question)}</p>'
        )
        super().__init__(
            [heading, kind.field, ipywidgets.HBox([self._commit, self._again]), self._answer]
        )
        self._commit.on_click(self._clicked)
        self._again.on_click(lambda _: self.again())
        committed = _LEDGER.predictions.setdefault(id, [])
        if committed:  # the cell was run again: what was committed stays committed
            kind.field.value = committed[-1].guess
            self._lock(committed[-1])
        else:
            self._unlock()
        kind.field.observe(self._overtaken, "value")

    @property
    def result(self) -> Prediction | None:
        """The latest commitment, or None while there is none."""
        return self._result

    def commit(self, guess) -> Prediction:
        """Lock this guess, measure, and show both. What the Commit button does.

        Raises ValueError if the guess is no possible answer or one is committed already, and
        RuntimeError if the measurement fails; nothing is locked or recorded then.
        """
        if self._result is not None:
            raise ValueError('A guess is committed already. Press "Predict again" for another.')
        guess = self._kind.accept(guess)
        self._disable(True)
        self._answer.value = _box("not committed", "Measuring …", role=' role="status"')
        try:
            measured = self._reveal() if callable(self._reveal) else self._reveal
            measured = self._kind.measure(measured)
            because = self._because(measured) if callable(self._because) else self._because
            prediction = self._compare(guess, measured, because)
        except Exception as error:
            self._disable(False)
            self._answer.value = ""
            raise RuntimeError(
                f"The measurement could not be made ({_error(error)}). "
                "Run the cells above this one, then commit again."
            ) from error
        self._revealed = measured, because
        _LEDGER.predictions.setdefault(self.id, []).append(prediction)
        self._lock(prediction)
        return prediction

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
        _LEDGER.predictions[self.id][-1] = prediction
        self._lock(prediction)

    def again(self):
        """Unlock for another guess. The ledger keeps the first commitment."""
        self._unlock()
        self._commit.focus()  # "Predict again", which had the focus, is hidden now

    def _clicked(self, _=None):
        if self._commit.disabled:
            return
        try:
            self.commit(self._kind.field.value)
        except (ValueError, RuntimeError) as problem:
            self._answer.value = _box("cannot check", escape(str(problem)), role=' role="alert"')
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
        self._answer.value = _box(
            prediction.state,
            f"<strong>{escape(_mark(prediction.state))}</strong>",
            f"Your guess: <strong>{escape(prediction.guess)}</strong><br>"
            f"Measured: <strong>{escape(prediction.measured)}</strong>",
            escape(prediction.compared),
            escape(prediction.because),
            role=' role="alert" aria-live="assertive" aria-atomic="true"',
        )
        _LEDGER.changed()

    def __repr__(self):
        return "\n".join([f"Predict. {self.question}", *self._kind.hint(), _RUN_ME])

    def _repr_mimebundle_(self, **kwargs):
        """The widget; for pages without a kernel the question and its choices, never the answer."""
        choices = (line.removeprefix("( ) ") for line in self._kind.hint())
        lines = "".join(f"<li>{escape(choice)}</li>" for choice in choices)
        static = (
            _box(
                "not committed",
                f"<strong>Predict.</strong> {escape(self.question)}",
            ).removesuffix("</div>")
            + f"<ul>{lines}</ul><p>{_RUN_ME}</p></div>"
        )
        bundle = super()._repr_mimebundle_(**kwargs) or {}
        return {**bundle, "text/plain": repr(self), "text/html": static}


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


# ------------------------------------------------------------------------------------------ check


@dataclass(frozen=True, repr=False)
class Result(_Shown):
    """What `check` found. `state` is "passed", "not yet", "not attempted" or "cannot check".

    says:    what to tell the student.
    mistake: the name of the misconception that the answer shows, if it is a known one.
    """

    state: str
    says: str = ""
    mistake: str | None = None
    id: str = ""

    def __str__(self):
        text = f"{_MARKS[self.state][0]} {self.id}: {self.state}"
        return f"{text}: {self.says}" if self.says else text

    def _html(self):
        head = f"<strong>{escape(_mark(self.state))}</strong> · exercise {escape(self.id)}"
        sentence, _, example = self.says.partition("\n")
        if example:  # lines that belong under one another
            example = (
                '<span style="font-family: var(--jp-code-font-family, monospace); '
                f'white-space: pre-wrap;">{escape(example)}</span>'
            )
        return _box(self.state, head, escape(sentence), example)


PASSED = Result("passed")
NOT_ATTEMPTED = Result("not attempted")


def not_yet(says: str, mistake: str | None = None) -> Result:
    return Result("not yet", says, mistake)


@dataclass(frozen=True)
class Mistake:
    """A misconception, written as the computation that somebody who has it would do.

    name:  for tests and statistics.
    gives: a function of the exercise's arguments, or a tuple of several that show the same thing.
    says:  what to tell whoever gives that answer: what they did, and where it goes wrong.
    """

    name: str
    gives: Callable | tuple[Callable, ...]
    says: str


@dataclass(frozen=True)
class Exercise:
    """Compares an answer with the right computation and with each mistaken one.

    right:     computes the right answer from the exercise's arguments.
    mistakes:  the known misconceptions; the first whose values equal the answer's is named.
    cases:     arguments to try, the smallest first: where an answer is wrong in a way nobody
               foresaw, the first that shows it is printed.
    function:  True: the student writes a function of these arguments, and it is called on every
               case. False: the answer is one value, and its arguments come with `check(...)`;
               the cases only serve as worked examples.
    rtol:      how far from right a number may be, relative to it.
    """

    right: Callable
    mistakes: Sequence[Mistake]
    cases: Sequence[tuple]
    function: bool = True
    rtol: float = 1e-5

    def __call__(self, answer, **context) -> Result:
        if self.function:
            problem = self._not_callable_like_right(answer)
            cases, outcomes = self.cases, [] if problem else [_call(answer, c) for c in self.cases]
        else:
            problem = _not_a_number(answer)
            arguments = inspect.signature(self.right).bind(**context)
            cases, outcomes = [arguments.args], [_Outcome(answer)]
        if problem:
            return not_yet(problem)
        if all(outcome.is_blank for outcome in outcomes):
            return self._blank()
        expected = [_call(self.right, case) for case in cases]
        wrong = [not _same(o, e, self.rtol) for o, e in zip(outcomes, expected, strict=True)]
        if not any(wrong):
            if any(outcome.changed_input for outcome in outcomes):
                return not_yet(
                    "The result is right, but your function changes the array that it was given, "
                    "so that the trained weights would be lost. Compute a new array instead.",
                    "changes_input",
                )
            return PASSED
        for mistake in self.mistakes:
            if self._shown_by(mistake, outcomes, cases):
                return not_yet(mistake.says, mistake.name)
        if not self.function:
            return not_yet(self._worked_example(answer, expected[0].value))
        first = wrong.index(True)
        return not_yet(
            self._counterexample(answer, cases[first], expected[first].value, outcomes[first])
        )

    def _shown_by(self, mistake, outcomes, cases):
        """Does one way to make this mistake give, case for case, what the answer gave?"""
        ways = mistake.gives if isinstance(mistake.gives, tuple) else (mistake.gives,)
        for way in ways:
            mistaken = [_call(way, case) for case in cases]
            if any(o.error is None for o in outcomes) and all(
                _same(o, m, self.rtol) for o, m in zip(outcomes, mistaken, strict=True)
            ):
                return True
        return False

    def _not_callable_like_right(self, answer):
        name = self.right.__name__
        if not callable(answer):
            return (
                f"This exercise asks for the function itself, not for {_describe(answer)}: give "
                f"its name without calling it, as in check(..., {name})."
            )
        wanted = inspect.signature(self.right)
        try:
            inspect.signature(answer).bind(*self.cases[0])
        except TypeError:
            return (
                f"Your function is called with {len(wanted.parameters)} arguments, "
                f"{name}({', '.join(wanted.parameters)}), and cannot take them."
            )
        except ValueError:  # a built-in function without a signature
            pass
        return ""

    def _blank(self):
        if not self.function:
            return NOT_ATTEMPTED
        return replace(
            NOT_ATTEMPTED,
            says="The function returns nothing so far. If you have written it, does it end with "
            "return?",
        )

    def _counterexample(self, answer, case, expected, outcome):
        names = inspect.signature(self.right).parameters
        call = ", ".join(f"{n}={_describe(v)}" for n, v in zip(names, case, strict=True))
        call = f"{self.right.__name__}({call})"
        if outcome.error is not None:
            return f"{call} stops with {_error(outcome.error)}{_where(outcome.error, answer)}."
        return (
            f"For {call}\nexpected: {_describe(expected)}\nyours:    {_describe(outcome.value)}"
            f"{_first_difference(expected, outcome.value, self.rtol)}"
        )

    def _worked_example(self, answer, expected):
        direction = "more" if float(answer) > float(expected) else "less"
        names = inspect.signature(self.right).parameters
        case = ", ".join(f"{n} = {_describe(v)}" for n, v in zip(names, self.cases[0], strict=True))
        value = _describe(_call(self.right, self.cases[0]).value)
        return (
            f"{_describe(answer)} is {direction} than it should be. Try your calculation on a "
            f"small case: {case} should give {value}."
        )


_JUDGES: dict[str, Callable[..., Result]] = {}


def judge(id: str):
    """Decorator: let a function (answer, **context) -> Result decide on exercise `id`.

    For the few exercises that one right answer and its mistakes can't describe.
    """

    def register(function):
        if id in _JUDGES:
            raise ValueError(f"Exercise {id!r} is declared twice.")
        _JUDGES[id] = function
        return function

    return register


def exercise(id: str, right, mistakes, cases, **options) -> Exercise:
    """Declare exercise `id`. The arguments are `Exercise`'s."""
    return judge(id)(Exercise(right, tuple(mistakes), tuple(cases), **options))


def check(id: str, answer, **context) -> Result:
    """Say whether an answer is right and, if not, which misconception it shows.

    id:      the exercise's, such as "02.threshold".
    answer:  the student's function or value; None or ... (a stub) is "not attempted".
    context: what the exercise needs besides, as keywords (see `exercises/`).

    In a student notebook it never raises. In a solution notebook anything but "passed" raises
    AssertionError, so that a solution which does not solve its exercise cannot be built.
    """
    # The declarations import this module; it reads them when the first answer comes.
    from course_utils import exercises  # noqa: F401

    result = replace(_judged(id, answer, context), id=id)
    if id in _JUDGES:
        _LEDGER.exercises[id] = result
        _LEDGER.changed()
    if result.state != "passed" and in_solution_notebook():
        raise AssertionError(str(result))
    return result


def _judged(id, answer, context):
    if id not in _JUDGES:
        nearest = difflib.get_close_matches(str(id), _JUDGES, n=1, cutoff=0)
        return Result("cannot check", f"There is no exercise {id!r}. Did you mean {nearest[0]!r}?")
    if answer is None or answer is ...:
        return NOT_ATTEMPTED
    try:
        return _JUDGES[id](answer, **context)
    except Exception as error:
        return Result("cannot check", f"The check itself failed ({_error(error)}).")


@dataclass(frozen=True)
class _Outcome:
    """What calling a function on one case gave: a value, or the exception it raised."""

    value: object = None
    error: Exception | None = None
    changed_input: bool = False

    @property
    def is_blank(self):
        # A stub's ... ends up in arithmetic when only a part of the function was filled in.
        unfinished = isinstance(self.error, TypeError) and "ellipsis" in str(self.error).lower()
        return unfinished or (self.error is None and (self.value is None or self.value is ...))


def _call(function, case):
    """Call the function on copies, so that nothing it does reaches the exercise's own arrays."""
    arguments = deepcopy(case)
    try:
        with np.errstate(all="ignore"):
            value = function(*arguments)
    except Exception as error:
        return _Outcome(error=error)
    changed = any(
        isinstance(a, np.ndarray) and not np.array_equal(a, b)
        for a, b in zip(arguments, case, strict=True)
    )
    return _Outcome(value, changed_input=changed)


def _same(one: _Outcome, other: _Outcome, rtol) -> bool:
    """Equal values, or the same kind of failure."""
    if one.error is not None or other.error is not None:
        return type(one.error) is type(other.error)
    return _equal(one.value, other.value, rtol)


def _equal(one, other, rtol):
    """Same shape, both masks or both numbers, and equal up to rounding."""
    if isinstance(one, tuple) or isinstance(other, tuple):
        both = isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other)
        return both and all(_equal(a, b, rtol) for a, b in zip(one, other, strict=True))
    try:
        one, other = np.asarray(one), np.asarray(other)
    except ValueError:  # ragged
        return False
    if one.shape != other.shape or not {one.dtype.kind, other.dtype.kind} <= set("biuf"):
        return False
    if (one.dtype == bool) != (other.dtype == bool):
        return False
    if one.dtype == bool:
        return bool(np.array_equal(one, other))
    return bool(np.allclose(one, other, rtol=rtol, atol=1e-12))


def _not_a_number(answer):
    is_number = isinstance(answer, numbers.Real | np.ndarray) and not isinstance(answer, bool)
    if is_number and np.ndim(answer) == 0 and np.asarray(answer).dtype.kind in "iuf":
        return "" if np.isfinite(float(answer)) else f"{answer} is not a finite number."
    called = " Call it, and give what it returns." if callable(answer) else ""
    return f"This exercise asks for one number, not for {_describe(answer)}.{called}"


def _describe(value):
    """A value in the words of a student's notebook; the same at every run (no addresses)."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, numbers.Real):
        return f"{float(value):.10g}"
    if isinstance(value, np.ndarray):
        if value.ndim == 0 or value.size > 20 or value.ndim > 2:
            return f"an array of {value.dtype} with shape {value.shape}"
        return np.array2string(value, separator=", ", precision=6)
    if isinstance(value, str | tuple | list | dict) and len(repr(value)) <= 80:
        return repr(value)
    if value is None or value is ...:
        return str(value)
    if inspect.isroutine(value):
        return "a function"
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


def _first_difference(expected, got, rtol):
    """For arrays too large to print: how many entries differ, and the first of them."""
    try:
        expected, got = np.asarray(expected), np.asarray(got)
    except ValueError:
        return ""
    if expected.size <= 20 or expected.shape != got.shape or got.dtype.kind not in "biuf":
        return ""
    different = ~np.isclose(expected.astype(float), got.astype(float), rtol=rtol, atol=1e-12)
    if not different.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(different)[0])
    return (
        f"\n{np.count_nonzero(different):,} of {different.size:,} entries differ, first at "
        f"{list(at)}: expected {_describe(expected[at])}, yours {_describe(got[at])}"
    )


def _error(error):
    """An exception's type and message in one line."""
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    message = message.strip().rstrip(".")
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def _where(error, function):
    """The line of the student's own code at which it stopped."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if code is not None and f.filename == code.co_filename]
    if not own:
        return ""
    source = f" ({own[-1].line})" if own[-1].line else ""
    return f", in line {own[-1].lineno} of its cell{source}"


# ------------------------------------------------------------------------------ beside the lecture


@dataclass(frozen=True)
class Row:
    """One line of `beside_lecture`.

    what:     the quantity.
    lecture:  what the lecture says, in its own words.
    measured: a `Measured`, or a number.
    topic:    the slide's title.
    claim:    the lecture's number in the measurement's unit: a number, or (low, high). It agrees if
              the measurement's interval meets it. Where words can't be turned into a number, True
              or False as computed in the cell; None: the two can't be compared.
    why:      one sentence: why they differ, or why they can't be compared.
    """

    what: str
    lecture: str
    measured: Measured | float
    topic: str = ""
    claim: float | tuple[float, float] | bool | None = None
    why: str = ""

    @property
    def state(self) -> str:
        """ "agrees", "differs" or "not comparable"."""
        if self.claim is None:
            return "not comparable"
        if isinstance(self.claim, bool | np.bool_):
            return "agrees" if self.claim else "differs"
        claim = self.claim if isinstance(self.claim, tuple) else (self.claim, self.claim)
        interval = _measured(self.measured).interval
        return "agrees" if interval[0] <= claim[1] and claim[0] <= interval[1] else "differs"

    def _cells(self):
        lecture = f"“{self.lecture}”" + (f"\n({self.topic})" if self.topic else "")
        verdict = _mark(self.state)
        if self.state != "agrees":
            verdict += f"\n{self.why}" if self.why else "\nWhy? Nobody has explained it yet."
        return self.what, lecture, str(_measured(self.measured)), verdict


@dataclass(frozen=True, repr=False)
class BesideLecture(_Shown):
    rows: tuple[Row, ...]
    caption: str

    def __str__(self):
        lines = [self.caption]
        for row in self.rows:
            what, lecture, measured, verdict = (c.replace("\n", " ") for c in row._cells())
            lines += [f"- {what}", f"    the lecture: {lecture}", f"    here:        {measured}"]
            lines += [f"    {verdict}"]
        return "\n".join(lines)

    def _html(self):
        head = "Quantity", "The lecture says", "Measured here", "Do they agree?"
        return _table(self.caption, head, [row._cells() for row in self.rows])


def beside_lecture(rows: Sequence[Row], caption: str) -> BesideLecture:
    """A table that puts what was measured beside what the lecture says, and says why they differ.

    Raises ValueError if there is no row or no caption.
    """
    if not rows or not caption:
        raise ValueError("The table needs at least one Row and a caption.")
    return BesideLecture(tuple(rows), caption)


# -------------------------------------------------------------------------------------- scoreboard


class _Ledger:
    """What was predicted and checked since the kernel started. Nothing is written to disk."""

    def __init__(self):
        self.predictions: dict[str, list[Prediction]] = {}
        self.exercises: dict[str, Result] = {}
        self.boards = weakref.WeakSet()

    def changed(self):
        for board in self.boards:
            board.update()


_LEDGER = _Ledger()


class Scoreboard(ipywidgets.HTML):
    """The ledger as two tables, kept up to date while it is on screen. See `scoreboard`."""

    def __init__(self):
        super().__init__()
        _LEDGER.boards.add(self)
        self.update()

    def update(self):
        self.value = self._static()

    def _rows(self):
        for id, commitments in _LEDGER.predictions.items():
            if not commitments:
                yield "prediction", id, "", "", _mark("not committed")
                continue
            first = commitments[0]
            later = f" (first of {len(commitments)})" if len(commitments) > 1 else ""
            state = f"{_mark(first.state)}\n{first.compared}".strip()
            yield "prediction", id, first.guess + later, first.measured, state
        for id, result in _LEDGER.exercises.items():
            yield "exercise", id, "", "", _mark(result.state)

    def _summary(self):
        committed = [c[0] for c in _LEDGER.predictions.values() if c]
        passed = sum(r.state == "passed" for r in _LEDGER.exercises.values())
        return (
            f"Predictions committed: {len(committed)} of {len(_LEDGER.predictions)}. "
            f"Exercises passed: {passed} of {len(_LEDGER.exercises)}."
        )

    def _static(self):
        rows = list(self._rows())
        if not rows:
            return _box("not committed", escape(_EMPTY))
        cells = [(id, kind, guess, measured, state) for kind, id, guess, measured, state in rows]
        head = "Id", "Kind", "First guess", "Measured", "State"
        return _table(self._summary(), head, cells)

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
