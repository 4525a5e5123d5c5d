"""The gallery: every explorer of the notebooks, and no file too large for a page."""

import pytest

from course_utils import env
from course_utils.views import widgets
from course_utils.workshop import gallery

EXPLORERS = gallery.explorers()
ALONE = [shown for shown in EXPLORERS if not shown.needs_kernel]


def test_the_gallery_shows_what_the_notebooks_show():
    names = [shown.name for shown in EXPLORERS]
    assert len(set(names)) == len(names)
    assert {"01-distributions", "02-magnitude-pruning", "09-descent"} <= {s.name for s in ALONE}
    assert {"02-pruning-budget", "06-calibration-fashion-dscnn"} <= set(names)
    for shown in EXPLORERS:
        assert (env.ROOT / "notebooks" / f"{shown.notebook}.ipynb").exists()


@pytest.mark.parametrize("shown", ALONE, ids=lambda shown: shown.name)
def test_an_explorer_without_a_kernel_is_small(shown, tmp_path):
    box = shown.make()
    assert type(box) is shown.kind
    box.save_html(tmp_path / "x.html")
    assert (tmp_path / "x.html").stat().st_size <= 1_500_000


def sources(tmp_path, call):
    lines = ["# %% [markdown]", "# # 99 · New", "# %%"]
    lines += ["from course_utils.labs.start_here import explorers"]
    (tmp_path / "99_new.py").write_text("\n".join([*lines, call]), encoding="utf-8")
    return tmp_path


def test_a_call_in_a_notebook_is_enough(tmp_path):
    (shown,) = gallery.explorers(sources(tmp_path, "explorers.fit()"))
    assert shown[:3] == ("99-fit", "99_new", "99 · New")
    assert shown.kind is widgets.Explorer
    assert shown.needs_kernel


@pytest.mark.parametrize("show", ["explorers.fit", "lambda: explorers.fit()"])
def test_an_explorer_that_waits_for_a_prediction_is_shown_too(show, tmp_path):
    (shown,) = gallery.explorers(sources(tmp_path, f'checks.after("99.a", {show})'))
    assert (shown.name, shown.kind) == ("99-fit", widgets.Explorer)


def test_the_same_explorer_twice_is_called_after_its_arguments(tmp_path, monkeypatch):
    monkeypatch.setattr("course_utils.labs.start_here.explorers.fit", returning(widgets.Sweep))
    found = gallery.explorers(sources(tmp_path, "explorers.fit('a_b')\nexplorers.fit(n=2)"))
    assert [shown.name for shown in found] == ["99-fit-a-b", "99-fit-2"]
    assert found[1].make() == ((), {"n": 2})


def returning(kind):
    def fit(*arguments, **named):
        return arguments, named

    fit.__annotations__ = {"return": kind}
    return fit


def test_what_the_gallery_cannot_show_is_said(tmp_path, monkeypatch):
    assert gallery.explorers(sources(tmp_path, "mine = 1\nexplorers.fit(mine)")) == []
    monkeypatch.setattr("course_utils.labs.start_here.explorers.fit", lambda: None)
    with pytest.raises(ValueError, match=r"start_here\.explorers: say what fit returns"):
        gallery.explorers(sources(tmp_path, "explorers.fit()"))


def test_texts_in_the_gallery_cannot_become_markup():
    row = {"description": "<b>", "alt": '"><i>', "size": (8, 4), "bytes": 1_234_567}
    shown = gallery.Shown("99-x", "99_new", "99 · <u>", widgets.Sweep, None)
    text = gallery.page([(shown, row)])
    assert not {"<b>", "<i>", "<u>"} & set(text.replace(">", "> ").split())
    assert "1.23 MB" in text
    assert "&lt;iframe" in text
