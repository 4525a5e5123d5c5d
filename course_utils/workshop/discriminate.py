"""Do an exercise's cases tell every mistake from right, and from every other?

For authors: `python -m course_utils.workshop discriminate [NN ...]` prints, for each exercise whose
answer is a function, what its cases leave open: declared mistakes that come too close to right or
to one another, and slips (`views.checks.slips`) that pass although they are wrong elsewhere. Of the
slips that fail it counts those that a declared mistake names.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from course_utils import labs
from course_utils.views.checks import slips
from course_utils.views.checks.answers import call_on_copies, same_outcome
from course_utils.views.checks.exercises import JUDGES, Exercise, ways
from course_utils.views.tables import Table

MARGIN = 10  # a mistake must miss by ten times the tolerance, not by a hair


@dataclass
class Found:
    """What the cases of one exercise leave open."""

    id: str
    close: list[str] = field(default_factory=list)  # pairs of declared computations
    accepted: list[str] = field(default_factory=list)  # slips that pass, and should not
    declared: int = 0  # slips that a declared mistake names
    generated: int = 0  # slips that only their own words name


def exercises(numbers=()) -> dict[str, Exercise]:
    """The exercises whose answers are functions, of these notebooks or of all."""
    labs.modules("exercises")
    return {
        id: judge
        for id, judge in JUDGES.items()
        if isinstance(judge, Exercise)
        and judge.function
        and (not numbers or id.split(".")[0] in numbers)
    }


def examine(id: str, exercise: Exercise) -> Found:
    """Compare right, every declared mistake and every slip on the exercise's own cases."""
    found = Found(id)
    outcomes = {"right": _on(exercise.right, exercise.cases)}
    for mistake in exercise.mistakes:
        for i, way in enumerate(ways(mistake)):
            outcomes[f"{mistake.name} {i}"] = _on(way, exercise.cases)
    for (one, a), (other, b) in itertools.combinations(outcomes.items(), 2):
        same_name = one.split()[0] == other.split()[0]
        if not same_name and _same(a, b, MARGIN * exercise.rtol):
            found.close.append(f"{one.split()[0]} and {other.split()[0]}")
    right = outcomes.pop("right")
    more = list(further_cases(exercise))
    right_there = _on(exercise.right, more)
    for slip in slips.of(exercise.right, exercise.cases[0]):
        values = _on(slip.gives, exercise.cases)
        if all(v.error is not None for v in values):
            continue
        if _same(right, values, exercise.rtol):
            wrong = slip.name not in exercise.may_pass
            if wrong and not _same(right_there, _on(slip.gives, more), exercise.rtol):
                found.accepted.append(f"{slip.name}: {slip.says}")
        elif any(_same(outcome, values, exercise.rtol) for outcome in outcomes.values()):
            found.declared += 1
        else:
            found.generated += 1
    return found


def further_cases(exercise: Exercise) -> Iterator[tuple]:
    """Arguments like the cases' own: theirs recombined, and arrays of fresh numbers."""
    rng = np.random.default_rng(0)
    for case in exercise.cases:
        for _ in range(3):
            yield tuple(_like(argument, rng) for argument in case)
        for other in exercise.cases:
            for i in range(len(case)):
                mixed = (*case[:i], other[i], *case[i + 1 :])
                shapes = [np.shape(a) for a in mixed]
                if shapes == [np.shape(a) for a in case]:
                    yield mixed


def _like(argument, rng):
    if not isinstance(argument, np.ndarray) or not argument.size:
        return argument
    if argument.dtype.kind in "iu":
        return rng.integers(
            argument.min(), argument.max(), argument.shape, argument.dtype, endpoint=True
        )
    if argument.dtype.kind == "f":
        finite = argument[np.isfinite(argument)]
        spread = np.std(finite) if finite.size > 1 else 1.0
        return rng.normal(np.mean(finite), spread, argument.shape).astype(argument.dtype)
    return rng.permutation(argument)


def _on(function, cases):
    return [call_on_copies(function, case) for case in cases]


def _same(one, other, rtol):
    return all(same_outcome(a, b, rtol) for a, b in zip(one, other, strict=True))


def table(numbers=()) -> Table:
    """What is left open, exercise by exercise."""
    rows = []
    for id, exercise in exercises(numbers).items():
        found = examine(id, exercise)
        rows.append(
            (id, found.declared, found.generated, "\n".join(found.close) or "none",
             "\n".join(dict.fromkeys(found.accepted)) or "none")
        )  # fmt: skip
    head = (
        "exercise",
        "slips that a mistake names",
        "others",
        "too close",
        "accepted, though wrong",
    )
    return Table("What the cases of each exercise tell apart", head, rows)


def main(arguments: list[str]) -> int:
    print(table(arguments))
    return 0
