"""Notebooks for nbgrader: what is marked, and that nbgrader gives the right points.

The last test needs nbgrader (`pip install -e .[grading]`), here or in another environment that
can run notebook 02: LAB_NBGRADER is the path of its Python.
"""

import copy
import importlib.util
import json
import os
import re
import subprocess
import sys

import nbformat
import pytest

from course_utils import env
from course_utils.workshop import grading
from course_utils.workshop.notebook_builder import make_notebook, sources
from course_utils.workshop.notebook_source import STUB, SourceError

TOPIC = "02_magnitude_pruning"
PYTHON = os.environ.get("LAB_NBGRADER") or (
    sys.executable if importlib.util.find_spec("nbgrader") else None
)
SOLVED = {
    "answer-02-threshold": "    return s * np.std(weights)",
    "answer-02-mask": "    return np.abs(weights) > threshold",
    "answer-02-budget": '{"conv1": 0.0, "conv2": 0.5, "dense1": 1.2, "dense2": 0.0}',
    "answer-02-break_even": "1 / 32",
}


def marks(notebook):
    return [c.metadata.nbgrader for c in notebook.cells if "nbgrader" in c.metadata]


def released(text):
    """What ClearSolutions leaves of a cell with the lab's settings."""
    return re.sub(r"(?ms)^ *# BEGIN SOLUTION$.*?# END SOLUTION(\n|\Z)", "", text).rstrip()


def test_every_check_has_points_and_every_solution_is_an_answer(source):
    notebook, student = grading.make(source), make_notebook(source, "student")
    checks = [c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade")]
    text = "\n".join(c.source for c in student.cells if c.cell_type == "code")
    assert len(checks) == text.count("checks.check(")
    ids = [mark["grade_id"] for mark in marks(notebook)]
    assert len(set(ids)) == len(ids)
    for cell in notebook.cells:
        mark = cell.metadata.get("nbgrader", {})
        assert ("# BEGIN SOLUTION" in cell.source) == mark.get("solution", False)
        if mark.get("grade"):
            assert mark["points"] == 1
            assert mark["locked"]


def test_without_its_solutions_it_is_the_students_notebook(source):
    left = [released(c.source) for c in grading.make(source).cells if c.cell_type == "code"]
    left = "\n".join(text for text in left if "reply = checks.check" not in text)
    for cell in make_notebook(source, "student").cells:
        if cell.cell_type == "code" and STUB in cell.source:
            answer = re.split(r"(?m)^checks\.check\(", cell.source)[0].rstrip()
            assert answer in left


def test_a_cell_is_taken_apart_at_its_check():
    code = 'a = 1  # SOLUTION\n\nchecks.check(\n    "02.x", a\n)\n\nprint(a)'
    answer, check, rest = grading.parts(code)
    assert answer == ("answer", f"a = {STUB}\n# BEGIN SOLUTION\na = 1\n# END SOLUTION", "02.x")
    assert '    reply = checks.check(\n        "02.x", a\n    )\nassert' in check.text
    assert (rest.kind, rest.text) == ("code", "print(a)")


def test_a_check_that_cannot_be_taken_out_is_told():
    with pytest.raises(SourceError, match="has no points"):
        grading.parts('if True:\n    checks.check("02.x", 1)')


def test_the_settings_are_written_once(tmp_path):
    source = next(s for s in sources() if s.stem == TOPIC)
    grading.write(source, tmp_path)
    config = tmp_path / "nbgrader_config.py"
    config.write_text("changed")
    path = grading.write(source, tmp_path)
    assert config.read_text() == "changed"
    assert path == tmp_path / "source" / TOPIC / f"{TOPIC}.ipynb"


# --- with nbgrader itself -------------------------------------------------------------------


READ = f"""
import json
from nbgrader.api import Gradebook
with Gradebook("sqlite:///gradebook.db") as book:
    print(json.dumps({{s.student.id: [s.score, s.max_score, s.needs_manual_grade]
                      for s in book.assignment_submissions("{TOPIC}")}}))
"""


def run(folder, *arguments):
    names = {
        **os.environ,
        "PATH": os.pathsep.join([os.path.dirname(PYTHON), os.environ.get("PATH", "")]),  # alembic
        "PYTHONPATH": str(env.ROOT),
        "JUPYTER_PREFER_ENV_PATH": "1",
    }
    done = subprocess.run(
        [PYTHON, *arguments], cwd=folder, env=names, capture_output=True, text=True, timeout=1200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def submit(folder, student, notebook, answers):
    """Hand in a copy of the released notebook with these cells filled in."""
    notebook = copy.deepcopy(notebook)
    for cell in notebook.cells:
        answer = answers.get(cell.metadata.get("nbgrader", {}).get("grade_id"))
        if answer:
            stub = STUB if "=" in cell.source.split("\n")[0] else f"    {STUB}"
            assert stub in cell.source
            cell.source = cell.source.replace(stub, answer)
    path = folder / "submitted" / student / TOPIC / f"{TOPIC}.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook, path)


@pytest.mark.skipif(
    PYTHON is None,
    reason="2026-11-28: nbgrader is not in the lock; LAB_NBGRADER may name a Python that has it",
)
def test_nbgrader_gives_the_right_points(tmp_path):
    grading.write(next(s for s in sources() if s.stem == TOPIC), tmp_path)
    run(tmp_path, "-m", "nbgrader", "generate_assignment", TOPIC)
    notebook = nbformat.read(tmp_path / "release" / TOPIC / f"{TOPIC}.ipynb", as_version=4)
    text = "\n".join(c.source for c in notebook.cells)
    assert "np.std(weights)" not in text
    assert text.count(STUB) == 4

    submit(tmp_path, "right", notebook, SOLVED)
    wrong = {**SOLVED, "answer-02-mask": "    return np.abs(weights) >= threshold"}
    del wrong["answer-02-budget"]
    for cell in notebook.cells:  # whoever weakens a check gets the instructor's again
        if cell.metadata.get("nbgrader", {}).get("grade"):
            cell.source = "pass"
    submit(tmp_path, "wrong", notebook, wrong)
    run(tmp_path, "-m", "nbgrader", "autograde", TOPIC)
    grades = json.loads(run(tmp_path, "-c", READ))
    assert grades == {"right": [4.0, 4.0, False], "wrong": [2.0, 4.0, False]}
