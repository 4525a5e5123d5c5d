"""One student, two days: what was done is there, and what was saved can be looked at."""

import json
import shutil

import jupyter_page
import pytest

pytestmark = pytest.mark.xdist_group("two_days")  # one page for all of them: one process

NOTEBOOK = "02_magnitude_pruning.ipynb"
RIGHT = (
    "import numpy as np\n\n\n"
    "def magnitude_threshold(weights, s):\n    return s * weights.std()\n\n\n"
)
WRONG = "def magnitude_mask(weights, threshold):\n    return weights > threshold\n\n\n"
SOURCES = "() => lab.panel().content.widgets.map(cell => cell.model.sharedModel.getSource())"


@pytest.fixture(scope="module")
def desk(chrome, tmp_path_factory):
    """A student's folder, a server of its own that keeps ledgers and has lab.py's settings."""
    folder = tmp_path_factory.mktemp("student")
    shutil.copy(jupyter_page.ROOT / "notebooks" / NOTEBOOK, folder)
    private = tmp_path_factory.mktemp("private")
    with jupyter_page.serve(folder, private, ledger=True) as server:
        yield folder, server


def cell_with(book, text):
    return next(i for i, source in enumerate(book.page.evaluate(SOURCES)) if text in source)


def run_cell(book, cell, answer=None):
    """Run a cell as Shift-Enter does, after writing an answer before its check."""
    book.page.evaluate(
        """async ([cell, answer]) => {
          const notebook = lab.panel().content, shared = notebook.widgets[cell].model.sharedModel;
          if (answer) shared.setSource(answer + shared.getSource().match(/checks[.]check[^]*/)[0]);
          notebook.deselectAll();
          notebook.activeCellIndex = cell;
          await jupyterapp.commands.execute('notebook:run-cell');
        }""",
        [cell, answer],
    )
    book.page.wait_for_function("() => !lab.busy()")


def text_of(book, cell):
    book.show(cell)
    return book.page.evaluate("cell => lab.panel().content.widgets[cell].node.innerText", cell)


def save_and_leave(book):
    book.page.evaluate("() => jupyterapp.commands.execute('docmanager:save')")
    book.page.wait_for_function("() => !lab.panel().context.model.dirty")


def test_two_days(chrome, desk, screenshot):
    folder, server = desk
    with jupyter_page.notebook(chrome, server, NOTEBOOK) as book:
        book.run_all()
        assert book.errors() == []
        half = cell_with(book, '"02.half"')
        book.show(half)
        covered = cell_with(book, 'checks.after("02.half"')
        assert "Commit to your guess first" in text_of(book, covered)
        book.show(half)
        node = book.labs_of(half, ".lab-ask")[0]
        node.query_selector("label:has-text('1 to 5 points')").click()
        node.query_selector("button:has-text('Commit')").click()
        node.wait_for_selector("text=Measured:")
        run_cell(book, cell_with(book, '"02.threshold"'), RIGHT)
        run_cell(book, cell_with(book, '"02.mask"'), WRONG)
        assert "not yet" in text_of(book, cell_with(book, '"02.mask"'))
        book.show(covered)
        book.page.wait_for_timeout(8000)  # the explorer's pictures are drawn
        screenshot(book, "two-days-first")
        save_and_leave(book)
    kept = json.loads((folder / "ledger" / "02.json").read_text(encoding="utf-8"))
    assert [e["guess"] for e in kept["predictions"]["02.half"]] == ["1 to 5 points"]
    assert [t["state"] for t in kept["tries"]["02.threshold"]] == ["passed"]
    assert [t["mistake"] for t in kept["tries"]["02.mask"]] == ["no_abs"]

    with jupyter_page.notebook(chrome, server, NOTEBOOK) as book:  # the kernel has ended with it
        for cell in book.widget_cells() or [half]:
            book.show(cell)
        book.page.wait_for_timeout(1500)
        for cell in (half, covered):
            assert "model not found" not in text_of(book, cell)
        assert "Your guess: 1 to 5 points" in text_of(book, half)
        book.show(covered)
        assert book.labs_of(covered, "img")[0].evaluate("e => e.naturalWidth") > 300
        screenshot(book, "two-days-reopened")
        book.run_all()
        assert book.errors() == []
        assert "Your guess: 1 to 5 points" in text_of(book, half)
        board = text_of(book, cell_with(book, "checks.scoreboard()"))
        assert "Predictions committed: 1 of" in board
        assert "Exercises passed: 1 of" in board
        screenshot(book, "two-days-second")
