"""Exercises: is the answer right and, if not, which misconception does it show?

A lab declares its exercises in its `exercises` module. `exercise(id, right=..., cases=...,
mistakes=...)` pairs the right computation with the mistakes that people make, each written as the
computation *it* would do: its name, what somebody who makes it computes, what to tell them. An
answer is compared with all of them, so that "not yet" can name the misconception which that very
answer shows. A mistake must differ from the right one, and from every other mistake, on at least
one of the cases (a test holds every declaration to that). What it tells names the error and what
the right idea is, but is not the solution's code.
"""

from __future__ import annotations

import difflib
import importlib
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from html import escape

import numpy as np

from course_utils.views.checks import ledger, slips
from course_utils.views.checks.answers import (
    Outcome,
    as_array,
    call_on_all,
    call_on_copies,
    error_line,
    how_they_differ,
    in_words,
    line_of,
    same_outcome,
    why_no_number,
)
from course_utils.views.checks.look import MARKS, Shown, box, mark_text
from course_utils.views.checks.translations import meaning

SAID = 300  # characters of a reply, in the ledger


@dataclass(frozen=True, repr=False)
class Result(Shown):
    """What `check` found. `state` is "passed", "not yet", "not attempted" or "cannot check".

    says:    what to tell the student.
    mistake: the name of the misconception that the answer shows, if it is a known one.
    """

    state: str
    says: str = ""
    mistake: str | None = None
    id: str = ""

    def __str__(self):
        text = f"{MARKS[self.state][0]} {self.id}: {self.state}"
        return f"{text}: {self.says}" if self.says else text

    def _html(self):
        head = f"<strong>{escape(mark_text(self.state))}</strong> · exercise {escape(self.id)}"
        sentence, _, example = self.says.partition("\n")
        if example:  # lines that belong under one another
            example = (
                '<span style="font-family: var(--jp-code-font-family, monospace); '
                f'white-space: pre-wrap;">{escape(example)}</span>'
            )
        return box(self.state, head, escape(sentence), example)


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


def ways(mistake: Mistake) -> tuple[Callable, ...]:
    """The functions that make this mistake."""
    return mistake.gives if isinstance(mistake.gives, tuple) else (mistake.gives,)


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
    may_pass:  names of slips (see `slips`) that count as right, such as another rule for ties.
    """

    right: Callable
    mistakes: Sequence[Mistake]
    cases: Sequence[tuple]
    function: bool = True
    rtol: float = 1e-5
    may_pass: Sequence[str] = ()

    def __call__(self, answer, **context) -> Result:
        if self.function:
            problem = self._not_callable_like_right(answer)
            cases = self.cases
            outcomes = [] if problem else call_on_all(answer, cases)
        else:
            problem = why_no_number(answer)
            arguments = inspect.signature(self.right).bind(**context)
            number = answer if problem else as_array(answer).item()
            cases, outcomes = [arguments.args], [Outcome(number)]
        if problem:
            return not_yet(problem)
        printed = self._printed_or_in_place(outcomes)
        if printed:
            return printed
        if all(outcome.is_blank for outcome in outcomes):
            return self._blank()
        expected = [call_on_copies(self.right, case) for case in cases]
        wrong = [not same_outcome(o, e, self.rtol) for o, e in zip(outcomes, expected, strict=True)]
        if not any(wrong):
            if any(outcome.changed_input for outcome in outcomes):
                return not_yet(
                    "The result is right, but your function changes the array that it was given, "
                    "so that the trained weights would be lost. Compute a new array instead.",
                    "changes_input",
                )
            return PASSED
        if any(outcome.error is None for outcome in outcomes):
            for mistake in self.mistakes:
                if any(self._equals(way, outcomes, cases) for way in ways(mistake)):
                    return not_yet(mistake.says, mistake.name)
            for slip in slips.of(self.right, cases[0]):
                if self._equals(slip.gives, outcomes, cases):
                    return not_yet(
                        f"Your values are those that come out {slip.says}; in all else they are "
                        "right.",
                        f"slip:{slip.name}",
                    )
        if not self.function:
            return not_yet(self._worked_example(number, expected[0].value))
        first = wrong.index(True)
        return not_yet(
            self._counterexample(answer, cases[first], expected[first].value, outcomes[first])
        )

    def _equals(self, way, outcomes, cases):
        """Does this way to compute give, case for case, what the answer gave?"""
        return all(
            same_outcome(call_on_copies(way, case), outcome, self.rtol)
            for case, outcome in zip(cases, outcomes, strict=True)
        )

    def _printed_or_in_place(self, outcomes):
        """A function that returns nothing, but does something."""
        if not all(o.error is None and o.value is None for o in outcomes):
            return None
        if all(o.printed for o in outcomes):
            return not_yet(
                "Your function prints something and returns nothing. What it prints, only people "
                "can read: end with return, so that the next line of code gets the value.",
                "printed",
            )
        if any(o.changed_input for o in outcomes):
            return not_yet(
                "Your function changes the array that it was given and returns nothing. Compute a "
                "new array, and return it.",
                "in_place",
            )
        return None

    def _not_callable_like_right(self, answer):
        name = self.right.__name__
        if not callable(answer):
            return (
                f"This exercise asks for the function itself, not for {in_words(answer)}: give "
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
        call = ", ".join(f"{n}={in_words(v)}" for n, v in zip(names, case, strict=True))
        call = f"{self.right.__name__}({call})"
        if outcome.error is not None:
            where = line_of(outcome.error, answer)
            meant = meaning(outcome.error)
            said = f"{call} stops with {error_line(outcome.error)}{where}."
            return f"{said} That is: {meant}" if meant else said
        return f"For {call}\n{how_they_differ(expected, outcome.value, self.rtol)}"

    def _worked_example(self, answer, expected):
        direction = "more" if float(answer) > float(expected) else "less"
        names = inspect.signature(self.right).parameters
        case = ", ".join(f"{n} = {in_words(v)}" for n, v in zip(names, self.cases[0], strict=True))
        value = in_words(call_on_copies(self.right, self.cases[0]).value)
        return (
            f"{in_words(answer)} is {direction} than it should be. Try your calculation on a "
            f"small case: {case} should give {value}."
        )


JUDGES: dict[str, Callable[..., Result]] = {}


def judge(id: str):
    """Decorator: let a function (answer, **context) -> Result decide on exercise `id`.

    For the few exercises that one right answer and its mistakes can't describe.
    """

    def register(function):
        if id in JUDGES:
            raise ValueError(f"Exercise {id!r} is declared twice.")
        JUDGES[id] = function
        return function

    return register


def exercise(id: str, right, mistakes, cases, **options) -> Exercise:
    """Declare exercise `id`. The arguments are `Exercise`'s."""
    return judge(id)(Exercise(right, tuple(mistakes), tuple(cases), **options))


def check(id: str, answer, **context) -> Result:
    """Say whether an answer is right and, if not, which misconception it shows.

    id:      the exercise's, such as "02.threshold": exercise "threshold" of notebook 02's lab.
    answer:  the student's function or value; None or ... (a stub) is "not attempted".
    context: what the exercise needs besides, as keywords (see the lab's `exercises`).

    In a student notebook it never raises. In a solution notebook anything but "passed" raises
    AssertionError, so that a solution which does not solve its exercise cannot be built.
    """
    result = replace(verdict(id, answer, **context), id=id)
    if id in JUDGES:
        _record(result)
    if result.state != "passed" and ledger.in_solution_notebook():
        raise AssertionError(str(result))
    return result


def _record(result):
    """Keep an answer in the ledger, unless it is the one of before: its cell was run again."""
    tries = ledger.LEDGER.asked("tries", result.id)
    if result.state in ("passed", "not yet"):
        found = ledger.Try(result.id, result.state, result.mistake, result.says[:SAID])
        if not tries or replace(tries[-1], when="") != found:
            ledger.LEDGER.add(found)


def declared(id: str) -> bool:
    """Whether there is such an exercise: its lab, which the id names, declares its own."""
    # No lab is known on this floor. They stand above it and are found by the number in the id.
    labs = importlib.import_module("course_utils.labs")
    for lab in labs.found():
        if lab.number == str(id).split(".")[0]:
            lab.module("exercises")
    return id in JUDGES


def verdict(id: str, answer, **context) -> Result:
    """What `check` says, without a line in the ledger."""
    if not declared(id):
        return Result("cannot check", f"There is no exercise {id!r}.{_nearest(id)}")
    if answer is None or answer is ...:
        return NOT_ATTEMPTED
    try:
        return JUDGES[id](answer, **context)
    except (Exception, SystemExit) as error:
        return Result("cannot check", f"The check itself failed ({error_line(error)}).")


def _nearest(id):
    importlib.import_module("course_utils.labs").modules("exercises")
    return f" Did you mean {difflib.get_close_matches(str(id), JUDGES, n=1, cutoff=0)[0]!r}?"


def example_kernel(seed, shape=(3, 3, 2, 4), mean=0.05, spread=0.2):
    """Weights like a small convolution's: Keras order (height, width, channels in, filters).

    The filters' spreads differ, and the mean is not zero: otherwise some mistakes would not show.
    """
    rng = np.random.default_rng(seed)
    filters = np.linspace(0.5, 1.5, shape[-1])
    return (rng.normal(mean, spread, shape) * filters).astype(np.float32)
