"""Every notebook as a student meets it: open, Run All, see each explorer, move each slider."""

import time

import axe
import pytest
from jupyter_page import ROOT, notebook

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def picture_changes(notebook, lab, slider, timeout=300) -> bool:
    """Press one arrow key on a slider; say whether another picture shows within `timeout` s."""
    now, most = (slider.get_attribute(f"aria-value{end}") for end in ("now", "max"))
    key = "ArrowLeft" if float(now) >= float(most) else "ArrowRight"
    return key_changes_picture(notebook, lab, slider, key, timeout)


def key_changes_picture(notebook, lab, control, key, timeout=300) -> bool:
    """Press a key on a control; say whether another picture shows within `timeout` s."""
    page = notebook.page
    before = page.evaluate("root => lab.picture(root).src", lab)
    notebook.press(control, key)
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        if page.evaluate("root => lab.picture(root)?.src", lab) not in (None, before):
            return True
        page.wait_for_timeout(20)
    return False


def check_lab(notebook, lab) -> None:
    """Assert that a widget shows a picture, is named for screen readers, is not cut, and moves."""
    page = notebook.page
    lab.scroll_into_view_if_needed()
    page.wait_for_function(
        "root => lab.sliders(root).every(e => e.getAttribute('aria-label'))", arg=lab
    )
    picture = page.evaluate_handle("root => lab.picture(root)", lab).as_element()
    assert picture is not None, "no picture is visible"
    assert picture.evaluate("e => e.complete && e.naturalWidth > 300 && e.naturalHeight > 100")
    assert len(picture.get_attribute("alt")) > 20
    right = picture.evaluate("e => e.getBoundingClientRect().right")
    assert right <= page.viewport_size["width"], "the picture is cut"
    for text in lab.query_selector_all("label, .widget-readout, button"):
        if text.is_visible():
            room = text.evaluate("e => e.clientWidth - e.scrollWidth")
            assert room >= 0, f"{text.inner_text()!r} is cut by {-room} px"
    sliders = page.evaluate_handle("root => lab.sliders(root)", lab).get_properties().values()
    toggles = lab.query_selector_all("button.widget-toggle-button:not(.widget-toggle-buttons *)")
    assert sliders or toggles, "there is nothing to move"
    for slider in (item.as_element() for item in sliders):
        name = slider.get_attribute("aria-label")
        assert name.strip(), "a slider has no name for screen readers"
        assert picture_changes(notebook, lab, slider), f"{name!r} moved, the picture did not"
    for toggle in toggles[:1] + toggles[-1:]:
        name, pressed = (toggle.get_attribute(f"aria-{what}") for what in ("label", "pressed"))
        assert len(name) > 3, "a toggle button has no name for screen readers"
        assert key_changes_picture(notebook, lab, toggle, "Space"), f"{name!r} changed nothing"
        assert {pressed, toggle.get_attribute("aria-pressed")} == {"true", "false"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_every_explorer_moves(path, chrome, server, screenshot):
    with notebook(chrome, server, path.name) as book:
        book.run_all()
        assert book.errors() == []
        for cell in book.widget_cells():
            book.show(cell)
            book.uncover(cell)
            for i, lab in enumerate(book.labs(cell)):
                check_lab(book, lab)
                lab.scroll_into_view_if_needed()
                screenshot(book, f"{path.stem}-cell{cell}-{i}")
                if lab.query_selector(".lab-frame"):
                    check_moves_while_busy(book, lab)
        screenshot(book, path.stem)
        assert axe.violations_of_outputs(book) == []


def check_moves_while_busy(book, lab) -> None:
    """Assert that a Sweep still moves while a cell runs."""
    slider = book.page.evaluate_handle("root => lab.sliders(root)[0]", lab).as_element()
    with book.busy():
        assert picture_changes(book, lab, slider)
