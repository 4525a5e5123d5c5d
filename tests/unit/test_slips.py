"""Slips made systematically: each is told by name, and no exercise's cases let one pass."""

from fractions import Fraction

import numpy as np
import pytest

from course_utils.views.checks import Exercise, Mistake, answers, check, slips
from course_utils.views.checks.translations import meaning
from course_utils.workshop import discriminate


def code(x, scale):
    return np.round(np.abs(x) / scale)


CASES = [
    (np.array([-1.5, 0.5, 1.6, 2.5]), 1.0),
    (np.array([0.3, -7.9, 4.05]), 0.3),
    (np.array([[1.26, -3.7], [0.2, 9.9]]), 0.5),
]
EXERCISE = Exercise(code, (), CASES)


@pytest.mark.parametrize(
    ("answer", "slip"),
    [
        (lambda x, scale: np.floor(np.abs(x) / scale), "floor"),
        (lambda x, scale: np.ceil(np.abs(x) / scale), "ceil"),
        (lambda x, scale: (np.abs(x) / scale + 0.5).astype(int), "half_up"),
        (lambda x, scale: np.abs(x) / scale, "not_rounded"),
        (lambda x, scale: np.round(x / scale), "no_abs"),
        (lambda x, scale: np.round(np.abs(x) * scale), "multiplied"),
        (lambda x, scale: np.round(scale / np.abs(x)), "swapped_operands"),
        (lambda x, scale: -np.round(np.abs(x) / scale), "sign_of"),
        (lambda x, scale: np.round(np.abs(x) / scale)[::-1], "reversed"),
        (lambda x, scale: np.round(np.abs(x) / scale).sum(), "sum"),
        (lambda x, scale: np.round(np.abs(x) / scale) + 1, "one_more"),
        (lambda x, scale: np.round(np.abs(x) / scale) != 0, "mask"),
    ],
)
def test_a_slip_that_nobody_declared_is_named(answer, slip):
    assert EXERCISE(code).state == "passed"
    result = EXERCISE(answer)
    assert result.mistake == f"slip:{slip}"
    assert result.says.startswith("Your values are those that come out ")


def test_a_declared_mistake_comes_before_a_slip():
    down = Mistake("down", lambda x, scale: np.floor(np.abs(x) / scale), "Down.")
    result = Exercise(code, (down,), CASES)(lambda x, scale: np.floor(np.abs(x) / scale))
    assert (result.mistake, result.says) == ("down", "Down.")


def test_a_slip_in_a_function_of_the_package_that_is_called_is_found():
    from course_utils.labs.magnitude_pruning import exercises  # noqa: F401

    result = check("02.mask", lambda w, threshold: abs(w) >= threshold)
    assert result.mistake == "greater_equal"
    names = {slip.name for slip in slips.in_code(discriminate.exercises(["06"])["06.affine"].right)}
    assert {"floor", "truncate", "half_up"} <= names


@pytest.mark.parametrize(
    ("expected", "got", "same"),
    [
        (10**30, 10**30, True),
        (10**30, 10**30 + 1, True),  # within 1e-9 of it
        (10**10, 10**10 + 100, False),
        (2.0**-149, 2.0**-148, False),  # tiny numbers differ like any others
        (0.1, np.float32(0.1), True),  # float32, within its own precision
        (0.1, float(np.float32(0.1)) + 1e-6, False),
        (np.array([1.0, 0.0]), np.array([1.0, 1e-13]), True),  # what rounding makes of a zero
        (np.array([True, False]), np.array([1, 0]), False),
        (np.nan, np.nan, True),
        (1.0, 10**400, False),
        ((1.0, 2), [1.0, 2.0], True),
        ((1.0, 2), np.array([1.0, 2.0]), True),
        ((1.0, 2), (Fraction(1), np.int8(2)), True),
        ((1.0, 2), (2, 1.0), False),
        ((1.0, 2), (1.0,), False),
        ((1.0, 2), 1.0, False),
        (3.5, Fraction(7, 2), True),
        (3.5, np.array([3.5]), True),
        (3.5, "3.5", False),
        (1.0, True, False),
        (np.arange(3.0), (0, 1, 2), True),
        (np.arange(3.0), [[0], [1], [2]], False),
        (np.arange(3.0), [0, 1, [2]], False),
    ],
)
def test_what_counts_as_equal(expected, got, same):
    assert answers.equal_values(expected, got, 1e-9) is same


@pytest.mark.parametrize(
    ("expected", "got", "said"),
    [
        ((1, 2), (1, 3), "the second of the 2 values (the first is right):"),
        ((1, 2), 5, "expected: 2 values, (1, 2)"),
        ((1, 2), (1, 2, 3), "yours:    3, (1, 2, 3)"),
        (np.zeros((2, 3)), np.zeros((3, 2)), "the shape should be (2, 3), and yours is (3, 2)"),
        (np.zeros(2), iter([0, 0]), "one by one and only once"),
        (np.zeros(2, bool), np.zeros(2), "True and False are expected, yours are numbers"),
        ((0, np.zeros((4, 9))), (0, np.ones((4, 9))), "36 of 36 entries differ"),
    ],
)  # fmt: skip
def test_in_what_they_differ(expected, got, said):
    assert said in answers.how_they_differ(expected, got, 1e-9)


def printing(x, scale):
    print(code(x, scale))


def in_place(x, scale):
    x[...] = code(x, scale)


def test_print_for_return_and_work_in_place_are_named(capsys):
    assert EXERCISE(printing).mistake == "printed"
    assert "[" in capsys.readouterr().out  # a student's prints are shown
    assert EXERCISE(in_place).mistake == "in_place"


ERRORS = [
    lambda x: round(x),
    lambda x: max(x, x + 1),
    lambda x: int(x),
    lambda x: x + np.ones(3),
    lambda x: x & 1,
    lambda x: x << 1,
    lambda x: x(2),
    lambda x: x[0.5],
    lambda x: x[7],
    lambda x: x[0, 0, 0],
    lambda x: np.sum(x, axis=3),
    lambda x: y,  # noqa: F821
    lambda x: 1 / 0,
    lambda x: np.int8(300),
    lambda x: list(x).shape,
    lambda x: np.rond(x),
    lambda x: x.sort() + 1,
    lambda x: [1, 2] * 0.5,
    lambda x: x @ np.ones((3, 3)),
    lambda x: int(float("nan")),
    lambda x: np.array([[1], [1, 2]]),
]


@pytest.mark.parametrize("function", ERRORS)
def test_errors_of_python_and_numpy_are_translated(function):
    outcome = answers.call_on_copies(function, (np.array([0.5, 1.5]),))
    assert outcome.error is not None
    said = meaning(outcome.error)
    assert said, repr(outcome.error)
    assert said.endswith((".", "?"))


def test_the_translation_reaches_the_student():
    result = EXERCISE(lambda x, scale: round(np.abs(x) / scale))
    assert "doesn't define __round__" in result.says
    assert "np.round" in result.says


@pytest.mark.parametrize("id", discriminate.exercises())
def test_cases_tell_every_mistake_and_every_slip_from_right(id):
    found = discriminate.examine(id, discriminate.exercises()[id])
    assert not found.close
    assert not found.accepted


def test_cases_that_tell_nothing_apart_are_found():
    blind = Exercise(code, (Mistake("down", lambda x, s: np.floor(np.abs(x) / s), "Down."),),
                     [(np.array([1.0, 2.0]), 1.0)])  # fmt: skip
    found = discriminate.examine("blind", blind)
    assert found.close == ["right and down"]
    assert any(text.startswith("floor:") for text in found.accepted)
