"""The lab's site without a browser: its archive, and what stands for cells that can't run there."""

import bz2
import io
import tarfile

import pytest

from course_utils.views import in_browser
from course_utils.views.checks import in_tab
from course_utils.workshop import site


def test_an_archive_that_is_not_the_release_is_refused(tmp_path):
    """The reply says what to do; nothing is written."""
    archive = tmp_path / "pyodide.tar.bz2"
    archive.write_bytes(b"BZh9 and no more")
    with pytest.raises(ValueError, match="download it again"):
        site.build(archive, tmp_path / "site")
    archive.write_bytes(bz2.compress(b"a" * 2**20)[:-20] + bytes(20))
    with pytest.raises(ValueError, match="download it again"):
        site.build(archive, tmp_path / "site")
    packed(archive, {})
    with pytest.raises(ValueError, match="has no pyodide/pyodide-lock.json: it should be"):
        site.build(archive, tmp_path / "site")
    packed(archive, {"pyodide-lock.json": b"{}"})
    with pytest.raises(ValueError, match="is not that of Pyodide 0.27.7"):
        site.build(archive, tmp_path / "site")
    with pytest.raises(FileNotFoundError):
        site.build(tmp_path / "nothing", tmp_path / "site")
    assert not (tmp_path / "site").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="name a new folder"):
        site.replace(tmp_path / "nothing", tmp_path / "mine")


def packed(archive, files):
    with tarfile.open(archive, "w:bz2") as tar:
        for name, content in files.items():
            about = tarfile.TarInfo(f"pyodide/{name}")
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))


def test_a_record_answers_no_prediction_before_the_guess():
    """A cell may end before it covers what it shows; its record is covered all the same."""
    shown = in_browser.Recorded("TensorFlow", "anything")
    for ids in ("'08.smaller'", "('08.smaller', '08.scales')", "PREDICTED"):
        cell = f"size = files['int8']\nchecks.after({ids}, lambda: table(size))"
        covered = in_tab.behind_its_predictions(cell, shown, {"PREDICTED": ("08.smaller",)})
        assert repr(covered).startswith("Covered: this answers prediction")
        covered.uncover()
        assert covered.shown is shown
    assert in_tab.behind_its_predictions("table(files)", shown, {}) is shown


def test_missing_things_are_named_and_their_cells_remembered(monkeypatch):
    monkeypatch.setattr(in_browser, "_not_made", {})
    error = ModuleNotFoundError("No module named 'tensorflow'", name="tensorflow")
    shown = in_browser.instead(error, "files = convert(model)\nsize: int = 3")
    assert "has no TensorFlow" in repr(shown)
    assert in_browser.missing(NameError("name 'files'", name="files")) == "TensorFlow"
    assert in_browser.missing(NameError("name 'flies'", name="flies")) == ""
    assert in_browser.instead(ZeroDivisionError(), "1 / 0") is None
    assert in_browser.instead(error, "%pip list\nimport tensorflow as tf").outputs == []
    assert in_browser.missing(NameError("name 'tf'", name="tf")) == "TensorFlow"
