"""axe-core finds nothing of ours: every standalone explorer here, the notebooks' outputs in
`test_notebooks`, which has them open already."""

import axe
import pytest

from course_utils.views import standalone, tables, widgets
from course_utils.views.widgets import picture
from course_utils.workshop import gallery

MOVE_ALONE = [shown for shown in gallery.explorers() if not shown.needs_kernel]


@pytest.fixture
def one_picture_each(monkeypatch):
    """A slider's states all have its first picture: rules are about what is around it."""
    paint, painted = picture.Painter.__call__, {}

    def once(painter, state):
        if painter not in painted:
            painted[painter] = paint(painter, state)
        return painted[painter]

    monkeypatch.setattr(picture.Painter, "__call__", once)


def page_of(box) -> str:
    """The page that `save_html` writes, with three states and each choice showing the same."""
    sweep = box.sweep if isinstance(box, widgets.Sweeps) else box
    strip = sweep._strip()
    some = slice(max(0, strip.index - 1), strip.index + 2)
    parts = {
        name: getattr(strip, name)[some] for name in ("labels", "alts", "lines", "frames", "axes")
    }
    at = strip.index - some.start
    strip = strip._replace(**parts, index=at, start=at)
    if box is sweep:
        return standalone.page({"": strip})
    shown = box._names[box.choice.index]
    return standalone.page(dict.fromkeys(box._names, strip), box.choice.description, shown)


def violations_of(chrome, path, wait_for=".lab-explorer canvas:not([hidden])") -> list[str]:
    """What axe finds on a page, in light and dark."""
    found = []
    for scheme in ("light", "dark"):
        page = chrome.new_page(viewport={"width": 1280, "height": 900}, color_scheme=scheme)
        page.goto(path.as_uri())
        page.wait_for_selector(wait_for)
        found += [f"{scheme}, {line}" for line in axe.violations(page)]
        page.close()
    return found


@pytest.mark.parametrize("shown", MOVE_ALONE, ids=lambda shown: shown.name)
def test_an_explorer_on_its_own_page(shown, chrome, one_picture_each, tmp_path):
    path = tmp_path / "explorer.html"
    path.write_text(page_of(shown.make()), encoding="utf-8")
    assert violations_of(chrome, path) == []


def test_axe_would_find_what_is_wrong(chrome, tmp_path):
    path = tmp_path / "wrong.html"
    path.write_text(
        "<!doctype html><html lang='en'><title>Wrong</title><main><h1>Wrong</h1><img src='x'>"
        "<input type='range'><select><option>a</select><p style='color: #bbb'>Pale</p></main>",
        encoding="utf-8",
    )
    found = {line.split(":")[0] for line in violations_of(chrome, path, "p")}
    rules = {"image-alt", "label", "select-name", "color-contrast"}
    assert {f"light, {rule}" for rule in rules} <= found


def test_a_table(chrome, tmp_path):
    rows = [("0.5", "1,200"), ("1.0", ""), ("", "900")]
    table = tables.html_table("Bytes of one layer", ("", "gzip"), rows)
    path = tmp_path / "table.html"
    head = "<!doctype html><html lang='en'><title>A table</title>"
    path.write_text(f"{head}<main><h1>A table</h1>{table}</main>", encoding="utf-8")
    assert violations_of(chrome, path, "table") == []
