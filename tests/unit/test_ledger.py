"""The ledger: kept over kernels, nights, crashes, other kernels, and whatever lies in its place."""

import errno
import json
import os
import re

import pytest

from course_utils.views import checks, style
from course_utils.views.checks import ledger
from course_utils.views.checks.ledger import Ledger, Prediction, Try

COMMITTED = Prediction("02.half", "1 to 5 points", "2.1 points", "right", "", "Because.")
PASSED = Try("02.mask", "passed", None, "")
WRONG = Try("02.mask", "not yet", "no_abs", "You keep only large positive weights.")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the ledgers are; the kernel's own is one of them."""
    monkeypatch.setattr(ledger, "LEDGER", Ledger(tmp_path / "ledger"))
    return tmp_path / "ledger"


def next_day(monkeypatch):
    """Another kernel, which begins with what the file holds."""
    monkeypatch.setattr(ledger, "LEDGER", Ledger(ledger.LEDGER.folder))
    return ledger.LEDGER


def question(**options):
    choices = {"less than 1 point": (-100, 1), "1 to 5 points": (1, 5)}
    return checks.predict("02.half", "How much?", choices, reveal=2.0, unit="points", **options)


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_was_done_is_there_the_next_day(folder, monkeypatch):
    question().commit("1 to 5 points")
    checks.check("02.mask", lambda weights, threshold: weights > threshold)
    checks.check("02.mask", lambda weights, threshold: abs(weights) > threshold)
    next_day(monkeypatch)
    widget = question()
    assert widget.result.guess == widget._kind.field.value == "1 to 5 points"
    assert widget._commit.disabled
    assert "Measured: <strong>2.00 points" in widget._answer.value
    board = repr(checks.scoreboard())
    assert "Predictions committed: 1 of 1. Exercises passed: 1 of 1." in board
    assert "- exercise 02.mask: ✓ passed. at try 2" in board
    tries = ledger.LEDGER.tries["02.mask"]
    assert [(t.state, t.mistake) for t in tries] == [("not yet", "no_abs"), ("passed", None)]
    assert files(folder) == ["02.json"]


def test_the_file_is_text_that_people_can_read(folder):
    ledger.LEDGER.add(COMMITTED)
    text = (folder / "02.json").read_text(encoding="utf-8")
    assert '"guess": "1 to 5 points"' in text
    assert re.search(r'"when": "\d{4}-\d\d-\d\dT', text)
    assert "The ledger of one notebook" in text


def test_running_the_same_cell_again_is_no_other_try(folder, monkeypatch):
    for _ in range(2):
        checks.check("02.mask", lambda weights, threshold: weights > threshold)
    next_day(monkeypatch)
    checks.check("02.mask", lambda weights, threshold: weights > threshold)
    assert len(ledger.LEDGER.tries["02.mask"]) == 1


def test_an_exercise_once_passed_stays_passed(folder):
    for entry in (WRONG, PASSED, WRONG):
        ledger.LEDGER.add(entry)
    assert "passed. at try 2; the last answer was not yet right" in repr(checks.scoreboard())


def test_two_kernels_on_one_notebook_lose_nothing(folder):
    one, two = Ledger(folder), Ledger(folder)
    for kernel in (one, two):
        kernel.asked("tries", "02.mask")
    one.add(COMMITTED)
    two.add(WRONG)
    one.add(PASSED)
    two.add(Try("02.threshold", "passed", None, ""))
    found = ledger.read(folder / "02.json")
    assert [t.state for t in found["tries"]["02.mask"]] == ["not yet", "passed"]
    assert len(found["tries"]["02.threshold"]) == len(found["predictions"]["02.half"]) == 1


def test_two_notebooks_have_two_files(folder):
    ledger.LEDGER.add(COMMITTED)
    ledger.LEDGER.add(Try("05.gap", "passed", None, ""))
    assert files(folder) == ["02.json", "05.json"]


def test_starting_over_asks_once_and_keeps_a_copy(folder, monkeypatch):
    widget = question()
    widget.commit("1 to 5 points")
    other = Ledger(folder)
    other.asked("predictions", "02.half")
    board = checks.scoreboard()
    assert board._asked.layout.display == "none"
    board._start_over.click()
    assert board._asked.layout.display is None
    board._no.click()
    assert widget.result is not None
    board._start_over.click()
    board._yes.click()
    assert widget.result is None
    assert not widget._commit.disabled
    assert "kept in ledger/02.before-1.json" in board._said.value
    assert len(ledger.read(folder / "02.before-1.json")["predictions"]["02.half"]) == 1
    other.add(WRONG)  # another kernel, which had read it before: it does not come back
    assert ledger.read(folder / "02.json")["predictions"]["02.half"] == []
    assert next_day(monkeypatch).asked("predictions", "02.half") == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "is damaged"),
        (b"\xff\xfe\x00", "is damaged"),
        (b"[" * 100_000, "is damaged"),
        (b"[]", "is not a ledger of this lab"),
        (b'{"what": "a recipe"}', "is not a ledger of this lab"),
        ({"format": 99}, "was written by another version of the lab"),
        ({"notebook": "07"}, "is the ledger of another notebook"),
        ({"tries": {"02.mask": [{"state": 7}]}}, "is damaged"),
        ({"tries": None}, "is damaged"),
        ({"begun": None}, "is damaged"),
    ],
)
def test_what_is_no_ledger_is_kept_aside_and_said(folder, content, why):
    if isinstance(content, dict):
        whole = {"what": ledger.WHAT, "format": ledger.FORMAT, "notebook": "02", "begun": "",
                 "predictions": {}, "tries": {}}  # fmt: skip
        content = json.dumps({**whole, **content}).encode()
    folder.mkdir()
    (folder / "02.json").write_bytes(content)
    ledger.LEDGER.add(PASSED)
    assert (folder / "02.damaged-1.json").read_bytes() == content
    assert len(ledger.read(folder / "02.json")["tries"]["02.mask"]) == 1
    said = f"02.json {why}: it is kept as 02.damaged-1.json, and a new one begins."
    assert said == ledger.LEDGER.problem
    assert said in checks.scoreboard()._table.value


@pytest.mark.parametrize("number", [errno.EROFS, errno.ENOSPC, errno.EACCES])
def test_what_cannot_be_written_is_said_and_stays_in_memory(folder, monkeypatch, number):
    def refuse(*_):
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as full:
        full.setattr(ledger.os, "replace", refuse)
        widget = question()
        widget.commit("1 to 5 points")
        assert widget.result.state == "right"
        assert "not being saved" in widget._answer.value
        assert os.strerror(number) in ledger.LEDGER.problem
        assert files(folder) == []
    checks.check("02.mask", lambda weights, threshold: abs(weights) > threshold)  # room again
    assert ledger.LEDGER.problem == ""
    assert len(ledger.read(folder / "02.json")["predictions"]["02.half"]) == 1


def test_a_file_in_the_place_of_the_folder(folder):
    folder.write_text("mine")
    ledger.LEDGER.add(PASSED)
    assert "not being saved" in ledger.LEDGER.problem
    assert folder.read_text() == "mine"


def test_a_lock_whose_holder_died_is_broken(folder):
    folder.mkdir()
    (folder / ".02.lock").touch()
    os.utime(folder / ".02.lock", (0, 0))
    ledger.LEDGER.add(PASSED)
    assert files(folder) == ["02.json"]


def test_an_id_is_no_path(folder):
    ledger.LEDGER.add(Try("../../evil.x", "passed", None, ""))
    assert not folder.exists() or files(folder) == []


def test_outside_a_kernel_and_where_it_is_off_nothing_is_kept(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert ledger.folder() is None
    monkeypatch.setattr(ledger, "get_ipython", lambda: type("Shell", (), {"kernel": 1})())
    monkeypatch.delenv("LAB_LEDGER", raising=False)
    assert ledger.folder() == tmp_path / "ledger"
    monkeypatch.setenv("LAB_LEDGER", "off")
    assert ledger.folder() is None
    monkeypatch.delenv("LAB_LEDGER")
    (tmp_path / "solutions").mkdir()
    monkeypatch.chdir(tmp_path / "solutions")
    assert ledger.folder() is None


# --- what waits for a prediction ----------------------------------------------------------------


def test_what_answers_a_prediction_opens_when_it_is_committed(folder):
    made = []
    covered = checks.after("02.half", lambda: made.append(1) or checks.scoreboard())
    assert covered.shown is None
    assert made == []
    bundle, _ = covered._repr_mimebundle_()
    assert "this answers prediction 02.half" in bundle["text/plain"]
    assert "this answers prediction 02.half" in bundle["text/html"]
    question().commit("less than 1 point")
    assert made == [1]
    assert isinstance(covered.children[0], checks.Scoreboard)


def test_it_waits_for_all_its_predictions(folder):
    covered = checks.after(("02.half", "02.sensitive"), lambda: print("the answer"))
    question().commit("1 to 5 points")
    assert "this answers prediction 02.sensitive" in repr(covered)
    ledger.LEDGER.add(Prediction("02.sensitive", "a", "b", "missed", "", ""))
    assert covered.children[0].value == "<pre>the answer\n</pre>"


def test_who_only_looks_opens_it_by_a_click(folder):
    covered = checks.after("02.half", lambda: checks.beside_lecture(
        [checks.Row("int8_size", 1.0, "q")], "caption"))  # fmt: skip
    covered._button.click()
    assert "<table" in covered.children[0].value


def test_a_picture_opens_as_a_picture_with_its_words(folder):
    figure, _ = style.subplots()
    covered = checks.after("02.half", lambda: style.Picture(figure, 'A "line" falls.'))
    covered.uncover()
    shown = covered.children[0].value
    assert '<img alt="A &quot;line&quot; falls."' in shown
    assert "max-width: 100%" in shown  # else it is cut at a laptop's width
    assert 'src="data:image/png;base64,' in shown
    forms, metadata = covered._repr_mimebundle_()
    assert forms["image/png"]
    assert metadata["image/png"]["alt"] == 'A "line" falls.'


def test_what_cannot_be_made_is_said_and_can_be_tried_again(folder):
    def show():
        return not_there_yet  # noqa: F821

    covered = checks.after("02.half", show)
    covered._button.click()
    assert "not_there_yet" in covered._cover.value
    assert "Run the cells above this one" in covered._cover.value
    assert not covered._button.disabled


def test_in_a_solution_notebook_nothing_is_covered(tmp_path, monkeypatch):
    (tmp_path / "solutions").mkdir()
    monkeypatch.chdir(tmp_path / "solutions")
    assert checks.after("02.half", lambda: 7) == 7


# --- answers that would stop a notebook ---------------------------------------------------------


def forever(weights, threshold):
    while True:
        pass


def leaving(weights, threshold):
    raise SystemExit(3)


def shouting(weights, threshold):
    raise ValueError("no " * 10_000)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (forever, "does a loop have no end?"),
        (leaving, "stops with SystemExit: 3"),
        (shouting, "stops with ValueError: no no"),
        (lambda weights, threshold: 10**400, "yours:    a whole number of 401 digits"),
    ],
)
def test_an_answer_that_would_stop_the_notebook_gets_a_sentence(folder, monkeypatch, answer, says):
    monkeypatch.setattr(checks.answers, "PATIENCE", 0.2)
    result = checks.check("02.mask", answer)
    assert result.state == "not yet"
    assert says in result.says
    assert len(result.says) < 1000
