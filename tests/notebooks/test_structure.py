"""Each notebook leads a student the same way: predict, explore, explain, measure, check, read."""

import base64
import io
import re

import matplotlib.image
import nbformat
import pytest

from course_utils.workshop.notebook_builder import ROLES, make_notebook, notebook_path

WAY = ["predict", "explore", "explain", "measure", "check yourself", "read next"]


def headings(notebook):
    """The levels and words of all headings."""
    found = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            prose = re.sub(r"(?ms)^```.*?^```", "", cell.source)
            found += re.findall(r"(?m)^(#+) +(.+?) *$", prose)
    return [(len(marks), words) for marks, words in found]


def way_problems(titles):
    """What is wrong with the order of a notebook's sections."""
    steps = [step for title in titles for step in WAY if re.match(rf"{step}\b", title.lower())]
    if missing := [step for step in WAY if step not in steps]:
        return [f"no section begins with {', '.join(missing)}"]
    problems = []
    remaining = iter(steps)
    if not all(step in remaining for step in WAY):
        problems.append(f"the sections go {' > '.join(steps)}, which nowhere is {' > '.join(WAY)}")
    if steps[0] != "predict":
        problems.append("the first of them is not Predict")
    if steps[-2:] != WAY[-2:]:
        problems.append("the last two are not Check yourself, Read next")
    return problems


def test_it_begins_with_title_aim_and_minutes(source):
    first = make_notebook(source, "student").cells[0]
    assert first.cell_type == "markdown"
    assert re.match(r"# \S", first.source), "no title"
    assert re.match(rf"# {source.stem[:2]}\b", first.source), "the title lacks its number"
    assert re.search(r"you will be able to", first.source, re.IGNORECASE)
    assert re.search(r"\b\d+ minutes\b", first.source)


def test_one_title_and_no_level_is_jumped(source):
    levels = [level for level, _ in headings(make_notebook(source, "student"))]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(b <= a + 1 for a, b in zip(levels, levels[1:], strict=False)), levels


def test_the_sections_go_the_way(source):
    titles = [words for _, words in headings(make_notebook(source, "student"))]
    assert way_problems(titles) == []


def test_a_student_predicts_and_is_checked(source):
    code = "\n".join(
        cell.source for cell in make_notebook(source, "student").cells if cell.cell_type == "code"
    )
    assert "checks.predict(" in code
    assert "checks.check(" in code
    assert "...  # your code here" in code


@pytest.mark.parametrize("role", ROLES)
def test_a_prediction_folds_its_explanation_away_and_nothing_else(source, role):
    notebook = nbformat.read(notebook_path(source, role), as_version=4)
    for cell in notebook.cells:
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        assert folded == (cell.cell_type == "code" and cell.source.startswith("checks.predict("))


@pytest.mark.parametrize("role", ROLES)
def test_relative_links_lead_somewhere(source, role):
    folder = notebook_path(source, role).parent
    for cell in make_notebook(source, role).cells:
        if cell.cell_type == "markdown":
            for target in re.findall(r"\]\(([^)\s#]+)", cell.source):
                if not re.match(r"[a-z]+:", target):
                    assert (folder / target).exists(), f"{target} in {source.name}"


@pytest.mark.parametrize("role", ROLES)
def test_pictures_show_something(source, role):
    """Strict nbval does not look at pictures; this sees that each has more than one colour."""
    notebook = nbformat.read(notebook_path(source, role), as_version=4)
    pictures = [
        output.data["image/png"]
        for cell in notebook.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    if role == "solution":  # in the student's all may wait for predictions
        assert pictures, "no picture in this notebook"
    for picture in pictures:
        pixels = matplotlib.image.imread(io.BytesIO(base64.b64decode(picture)))
        assert pixels.std() > 0


@pytest.mark.parametrize(
    ("titles", "says"),
    [
        (["Predict", "Explore", "Explain", "Measure", "Check yourself"], "read next"),
        (["Explore", *WAY], "first"),
        (["Predict", "Explain", "Explore", "Measure", "Check yourself", "Read next"], "nowhere"),
        ([*WAY, "Explore more"], "last two"),
    ],
)
def test_a_notebook_that_goes_another_way_is_named(titles, says):
    assert any(says in problem for problem in way_problems(titles))


def test_several_rounds_are_one_way():
    titles = ["Title", "Predict", "Explore", "Predict again", "Explore", "Explain", "Aside"]
    assert way_problems([*titles, "Measure", "Check yourself", "Read next"]) == []
