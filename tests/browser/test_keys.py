"""Keys do what the focus says: inside our widgets JupyterLab's one-letter commands are off."""

import jupyter_page
import nbformat
import pytest

CELL = """
import ipywidgets
from benchmarks.sliders import Weights, alt_cut, draw_cut
from course_utils.views import checks, widgets
weights = Weights(10_000)
display(widgets.Explorer(
    lambda s, side, more, kind: weights.cut(s), draw_cut,
    {"s": ipywidgets.FloatSlider(1.0, min=0, max=2, step=0.25, description="Threshold s"),
     "side": ipywidgets.Dropdown(options=["both", "left"]),
     "more": ipywidgets.Checkbox(False, description="more"),
     "kind": ipywidgets.ToggleButtons(options=["one", "two"])},
    description="Every kind of control", alt=alt_cut))
checks.predict("99.keys", "Which?", ["one", "two", "three"], reveal="two")
"""
CONTROLS = {
    "slider": ".lab-widget [role=slider]",
    "dropdown": ".lab-widget select",
    "checkbox": ".lab-widget input[type=checkbox]",
    "toggle buttons": ".lab-widget .widget-toggle-buttons button",
    "choices": ".lab-ask input[type=radio]",
    "commit": ".lab-ask button",
}
# Every plain key of JupyterLab's command mode, and what may do harm with Shift.
KEYS = [*"abcdefhijklmnopqrstuvxyz0123456", "ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight",
        "Shift+a", "Shift+m", "Shift+j", "Shift+k", "Shift+l", "Shift+o", "Shift+ArrowDown",
        "Backspace", "Delete"]  # fmt: skip
STATE = """() => { const notebook = lab.panel().content; return [
  notebook.widgets.map(cell => cell.model.type), notebook.activeCellIndex, notebook.mode,
  notebook.selectedCells.length, !!document.querySelector('.jp-Dialog'),
  !!document.activeElement.closest('.lab-widget, .lab-ask')]; }"""

pytestmark = pytest.mark.xdist_group("keys")  # one page for all of them: one process


@pytest.fixture(scope="module")
def book(chrome, server, folder):
    cells = [nbformat.v4.new_code_cell(CELL), nbformat.v4.new_markdown_cell("after")]
    book = nbformat.v4.new_notebook(cells=cells)
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
    nbformat.write(book, folder / "keys.ipynb")
    with jupyter_page.notebook(chrome, server, "keys.ipynb") as notebook:
        notebook.run_all()
        assert notebook.errors() == []
        notebook.show(0)
        yield notebook


@pytest.mark.parametrize("kind", CONTROLS)
def test_no_key_changes_the_notebook(book, kind):
    control = book.page.wait_for_selector(CONTROLS[kind])
    for key in KEYS:
        control.focus()
        before = book.page.evaluate(STATE)
        assert before[-1], f"{kind} cannot be focused"
        book.page.keyboard.press(key)
        assert book.page.evaluate(STATE) == before, f"{key} on {kind}"


def test_arrows_move_through_the_choices_of_a_prediction(book):
    first = book.page.wait_for_selector(CONTROLS["choices"])
    first.click()
    book.page.keyboard.press("ArrowDown")
    checked = ".lab-ask input[type=radio]:checked"
    assert book.page.evaluate(f"() => document.querySelector('{checked}').value") == "1"


def test_combinations_still_reach_jupyterlab(book):
    book.page.wait_for_selector(CONTROLS["slider"]).focus()
    book.page.keyboard.press("Shift+Enter")
    book.page.wait_for_function("() => lab.panel().content.activeCellIndex === 1")
