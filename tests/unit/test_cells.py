"""Where the book's links go: the cell of each figure and of each explorer."""

import json

import pytest

from course_utils import env
from course_utils.workshop import book, cells, gallery


def source(notebook, identity):
    text = (env.ROOT / "notebooks" / f"{notebook}.ipynb").read_text(encoding="utf-8")
    (cell,) = (cell for cell in json.loads(text)["cells"] if cell["id"] == identity)
    return "".join(cell["source"])


@pytest.mark.parametrize("entry", book.ENTRIES, ids=lambda entry: entry.id)
def test_every_figure_has_a_cell_that_shows_something(entry):
    notebook = book.NOTEBOOKS[entry.id]
    assert "explorers." in source(notebook, cells.drawing(notebook, entry.draw, entry.scene))


@pytest.mark.parametrize(
    ("id", "call"),
    [
        ("fig-boards", "explorers.fit()"),
        ("fig-magnitude-pruning", 'lambda: explorers.magnitude_pruning("fashion_cnn")'),
        ("fig-pruning-budget", "explorers.pruning_budget)"),
        ("fig-fine-tuning", 'explorers.fine_tuned("lenet_300_100")'),  # one function draws
        ("fig-global-threshold", 'explorers.fine_tuned("fashion_cnn"'),  # these two
        ("fig-two-by-four", "explorers.two_by_four()"),  # a student's function has this name, too
        ("fig-ptq-qat", "explorers.bits)"),  # a variable of another cell has this name
        ("fig-affine-mapping", "explorers.affine_mapping()"),
    ],
)
def test_the_cell_of_a_figure_is_the_one_that_shows_it(id, call):
    (entry,) = book.find([id])
    notebook = book.NOTEBOOKS[id]
    assert call in source(notebook, cells.drawing(notebook, entry.draw, entry.scene))


def test_what_no_cell_shows_has_no_cell():
    assert cells.drawing("02_magnitude_pruning", book.find, book.find) == ""
    assert cells.with_statement("02_magnitude_pruning", "explorers.nothing()") == ""


@pytest.mark.parametrize("shown", gallery.explorers(), ids=lambda shown: shown.name)
def test_every_explorer_has_its_cell(shown):
    link = shown.address("https://example.org/lab")
    start, cell = link.split("#cell-id=")
    assert start == f"https://example.org/lab/lab/index.html?path={shown.notebook}.ipynb"
    kind = shown.name.split("-")[1]
    assert kind in source(shown.notebook, cell)
