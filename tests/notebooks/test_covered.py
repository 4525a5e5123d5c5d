"""What proves that no output shows what a prediction asks for, and that each answer is covered."""

import json
import re

import nbformat
import pytest

from course_utils.views.checks import Measured
from course_utils.workshop import covered
from course_utils.workshop.notebook_builder import make_notebook, notebook_path


def showing(*texts, source="print(1)"):
    outputs = [nbformat.v4.new_output("stream", text=text) for text in texts]
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source, outputs=outputs)])


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        (Measured(6.27, 5.9, 6.6, "points"), "half of them: 6.3 points are lost"),
        (Measured(6.27, 5.9, 6.6, "points"), "| 6.27 |"),
        (Measured(0.7949), "that is 79.5% of all"),
        (Measured(5504, unit="bytes"), "needs 5.38 KiB"),
        (Measured(5504, unit="bytes"), "needs 5,504 bytes"),
        (Measured(3.61, unit="times"), "3.61x smaller"),
    ],
)
def test_the_value_is_found_in_every_form(measured, text):
    (problem,) = covered.problems(showing(text), {"02.half": covered.forms(measured)})
    assert problem.startswith("cell 1 shows")
    assert problem.endswith("which prediction 02.half asks for")


@pytest.mark.parametrize("text", ["16.3 points", "6.275", "6.3 of them", "1,234", "width: 6.27em"])
def test_other_numbers_are_no_answer(text):
    told = {"02.half": covered.forms(Measured(6.27, 5.9, 6.6, "points"))}
    assert covered.problems(showing(f"<p style='{text}'>" if "em" in text else text), told) == []


def test_what_waits_for_it_may_show_it():
    told = {"02.half": covered.forms(Measured(6.27, 5.9, 6.6, "points"))}
    assert covered.problems(showing("6.27", source='checks.after("02.half", show)'), told) == []


def test_a_student_notebook_holds_no_open_answer(source):
    """The builder has proven it; here: as it is stored, each cover is closed."""
    notebook = nbformat.read(notebook_path(source, "student"), as_version=4)
    waiting = [cell for cell in notebook.cells if "checks.after(" in cell.source]
    for cell in waiting:
        assert "Commit to your guess first" in json.dumps(cell.outputs), cell.source


def test_what_a_cover_waits_for_is_asked_in_the_notebook(source):
    cells = make_notebook(source, "student").cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    asked = set(re.findall(r'checks\.predict\(\s*"([\w.]+)"', code))
    waited = {id for call in re.findall(r"checks\.after\(([^:]*?), (?:lambda|\w)", code)
              for id in re.findall(r'"(\d\d\.\w+)"', call)}  # fmt: skip
    assert waited <= asked
