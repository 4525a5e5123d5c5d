"""Answers made without the declarations: nearly all are named, and nothing right is rejected."""

import pytest
from student_answers import RIGHT, WRONG

from course_utils import labs
from course_utils.views.checks.exercises import verdict

labs.modules("exercises")


@pytest.mark.parametrize("id", RIGHT)
def test_what_is_right_passes_in_any_form(id):
    for form, answer in RIGHT[id]:
        assert verdict(id, answer).state == "passed", form


def test_nineteen_of_twenty_wrong_answers_are_named(capsys):
    """By a misconception or a slip, or by what the error of Python or NumPy means."""
    unnamed = []
    for id, answers in WRONG.items():
        for what, answer in answers:
            result = verdict(id, answer)
            if not result.mistake and "That is: " not in result.says:
                unnamed.append(f"{id}: {what}")
    total = sum(map(len, WRONG.values()))
    assert len(unnamed) <= 0.05 * total, unnamed
