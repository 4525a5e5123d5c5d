"""A class of thirty, some of whose files are damaged, foreign or hostile: none is lost."""

import csv
import html
import io
import json
import os
import re
import zipfile
from pathlib import Path

import pytest

from course_utils.views.checks.ledger import Ledger, Prediction, Try
from course_utils.workshop import collect, submissions
from course_utils.workshop.notebook_builder import make_notebook, sources

NO_ABS = "You keep only large positive weights"
HOSTILE = '<img src="https://example.com/x" onerror=alert(1)>'
# Windows knows no such names, and links only for some.
HOSTILE_NAME = "=cmd()" if os.name == "nt" else '=HYPERLINK("a")<b>'
GUESSES = ["less than 1 point", "1 to 5 points", "5 to 20 points", "more than 20 points"]


def ledger_of(folder, guess=2, tries=("passed",), number="02", says=NO_ABS):
    """A ledger as the lab writes it. tries: "passed", or the misconception that an answer shows."""
    book = Ledger(Path(folder))
    measured = "6.3 points (5.7 to 7.0; n = 10,000)"
    state = "right" if guess == 2 else "missed"
    book.add(Prediction(f"{number}.half", GUESSES[guess], measured, state, "", "Because."))
    book.asked("predictions", f"{number}.sensitive")
    for each in tries:
        passed = each == "passed"
        state = "passed" if passed else "not yet"
        book.add(Try(f"{number}.mask", state, None if passed else each, "" if passed else says))
    book.asked("tries", f"{number}.threshold")
    return book.path(number)


def moved(folder, target, **options):
    """A ledger under another name."""
    path = ledger_of(folder / ".made", **options)
    target.parent.mkdir(parents=True, exist_ok=True)
    return path.rename(target)


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """Thirty students: 24 in four layouts, and six with something wrong."""
    folder = tmp_path_factory.mktemp("class")
    for i in range(12):
        tries = [("passed",), ("no_abs", "passed"), ("no_abs", "greater_equal")][i % 3]
        ledger_of(folder / f"s{i:02}" / "ledger", i % 4, tries)
    for i in range(12, 16):
        ledger_of(folder / f"s{i}")
    for i in range(16, 20):
        moved(folder, folder / f"s{i}{'-_'[i % 2]}02.json", tries=("inverted",))
    with zipfile.ZipFile(folder / "more.zip", "w") as archive:
        for i in (20, 21):
            archive.writestr(f"s{i}/ledger/02.json", ledger_of(folder / ".made").read_bytes())
    with zipfile.ZipFile(folder / "s22.zip", "w") as archive:
        archive.writestr("my lab/ledger/02.json", ledger_of(folder / ".made").read_bytes())
        archive.writestr("my lab/notes.txt", "hello")
    (folder / ".made" / "02.json").unlink()
    ledger_of(folder / "s23" / "notebooks" / "ledger", number="02")
    path = ledger_of(folder / "s24", 1, ("no_abs", "passed"))
    path.write_bytes(path.read_bytes()[:-100])
    (folder / "s25" / "ledger").mkdir(parents=True)
    (folder / "s25" / "ledger" / "02.json").write_bytes(b"")
    (folder / "s26").mkdir()
    (folder / "s26" / "02.json").write_text('{"some": "other file"}')
    ledger_of(folder / "s27", tries=(HOSTILE, "=cmd()"), says=HOSTILE)
    content = json.loads((folder / "s27" / "02.json").read_text())
    content["predictions"]["02.half"][0]["guess"] = HOSTILE
    content["tries"]["02.mask"].append({"state": "excellent"})
    (folder / "s27" / "02.json").write_text(json.dumps(content))
    ledger_of(folder / HOSTILE_NAME)
    (folder / "s29").mkdir()
    (folder / "s29" / "02.json").write_bytes(os.urandom(500))
    return folder


@pytest.fixture(scope="module")
def ran(handed_in, tmp_path_factory):
    """-> (exit code, rows of the table by student, page)"""
    out = tmp_path_factory.mktemp("out")
    code = collect.main(
        [str(handed_in), "--csv", str(out / "a.csv"), "--page", str(out / "b.html")]
    )
    text = (out / "a.csv").read_text(encoding="utf-8-sig")
    rows = {row["student"]: row for row in csv.DictReader(io.StringIO(text))}
    return code, rows, (out / "b.html").read_text(encoding="utf-8")


def test_none_of_thirty_is_lost(ran):
    code, rows, _ = ran
    assert code == 0
    assert len(rows) == 30
    unread = {student for student, row in rows.items() if not row["prediction 02.half"]}
    assert unread == {"s25", "s26", "s29"}
    assert all(rows[student]["remarks"] for student in unread)


@pytest.mark.parametrize(
    ("student", "sentence"),
    [
        ("s24", "is damaged: what stands before the damage is counted."),
        ("s25", "s25/ledger/02.json is empty."),
        ("s26", "s26/02.json is not a ledger of this lab."),
        ("s27", "has 1 entry that the lab did not write."),
        ("s29", "s29/02.json is not a ledger of this lab."),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(handed_in, ran, capsys, student, sentence):
    _, rows, page = ran
    assert sentence in rows[student]["remarks"]
    assert sentence in html.unescape(page)
    assert any(sentence in told for _, told in submissions.read(handed_in).problems)


def test_the_table(ran):
    _, rows, _ = ran
    assert rows["s00"]["prediction 02.half"] == "missed: less than 1 point"
    assert rows["s02"]["prediction 02.half"] == "right: 5 to 20 points"
    assert rows["s00"]["prediction 02.sensitive"] == "not committed"
    assert rows["s00"]["exercise 02.mask"] == "passed at try 1"
    assert rows["s01"]["exercise 02.mask"] == "passed at try 2: no_abs"
    assert rows["s02"]["exercise 02.mask"] == "not yet after 2 tries: no_abs, greater_equal"
    assert rows["s00"]["exercise 02.threshold"] == "not attempted"
    assert rows["s00"]["exercise 02.budget"] == ""  # its cell was never run
    assert (rows["s01"]["predictions committed"], rows["s01"]["exercises passed"]) == ("1", "1")
    assert rows["s16"]["exercise 02.mask"] == "not yet after 1 try: inverted"
    assert rows["s20"]["exercise 02.mask"] == rows["s22"]["exercise 02.mask"] == "passed at try 1"
    assert rows["s24"]["exercise 02.mask"] == "not yet after 1 try: no_abs"
    assert rows["s24"]["prediction 02.half"] == "missed: 1 to 5 points"


def test_no_cell_is_a_formula(ran):
    _, rows, _ = ran
    assert f"'{HOSTILE_NAME}" in rows
    assert not [c for row in rows.values() for c in row.values() if re.match(r"\s*[=+\-@]", c)]


@pytest.mark.parametrize("text", ["=1", "+1", "-1", "@x", " =1", "a;=1", "\t=1", "\uff1d1"])
def test_formulas_are_text(text):
    assert "'" in collect.safe(text)


def test_the_page(ran):
    _, _, page = ran
    text = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))
    assert "30 students" in text
    # s01, s04, s07, s10; s02, s05, s08, s11; and s24, whose second try is behind the damage
    assert "no_abs (02.mask) 9 5 You keep only large positive" in text
    assert "so that every negative one is pruned" in text  # the whole sentence, as declared
    assert "How much test accuracy does it lose, without any retraining" in text
    assert re.search(r"5 to 20 points \d+ ◀ this", text)
    assert "Measured: 6.3 points" in text
    assert text.index("no_abs (02.mask)") < text.index("inverted (02.mask)")
    assert "passed at try 2 4" in text


def test_the_page_needs_and_asks_for_nothing(ran):
    _, _, page = ran
    assert "<img" not in page
    assert "<b>" not in page
    assert "<script" not in page
    assert not re.search(r'(src|href)\s*=\s*"', page)
    assert "default-src 'none'" in page
    assert page.count("<table") == page.count("<caption") == page.count("</table>")


def test_the_sections_name_nobody(ran):
    _, _, page = ran
    assert not re.search(r"\bs\d\d\b", page.split("<h2>Files</h2>")[0])


# --- one thing at a time --------------------------------------------------------------------


def test_nothing_to_read_is_a_sentence(tmp_path, capsys):
    assert collect.main([str(tmp_path / "none")]) == 2
    assert "There is no folder" in capsys.readouterr().err
    (tmp_path / "a.txt").write_text("x")
    assert collect.main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_it_writes_beside_the_files_and_a_second_time_too(tmp_path, monkeypatch, capsys):
    ledger_of(tmp_path / "class" / "anna")
    monkeypatch.setenv("LAB_CALLED_FROM", str(tmp_path))
    first, again = (collect.main(["class"]) for _ in range(2))
    assert first == again == 0
    assert {path.name for path in (tmp_path / "class").glob("class.*")} == {
        "class.csv",
        "class.html",
    }
    assert "1 ledger" in capsys.readouterr().out


def test_what_cannot_be_written_is_a_sentence(tmp_path, capsys):
    ledger_of(tmp_path / "anna")
    assert collect.main([str(tmp_path), "--csv", str(tmp_path / "anna")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_two_ledgers_of_one_notebook_are_put_together(tmp_path):
    ledger_of(tmp_path / "anna" / "ledger", tries=("no_abs",))
    moved(tmp_path, tmp_path / "anna-02.json", tries=("passed",))
    reading = submissions.read(tmp_path)
    (work,) = reading.works
    assert collect.solved(work, "02.mask").tries == 2
    assert "are of one student and are put together" in reading.problems[0][1]


def test_a_copy_that_was_set_aside_is_not_counted_and_told(tmp_path):
    path = ledger_of(tmp_path / "anna")
    (tmp_path / "anna" / "02.before-1.json").write_bytes(path.read_bytes())
    reading = submissions.read(tmp_path)
    assert len(reading.works) == 1
    assert "is a copy that the lab set aside" in reading.problems[0][1]


@pytest.mark.skipif(os.name == "nt", reason="2026-11-28: Windows has no such files")
def test_links_and_devices_are_not_opened(tmp_path):
    path = ledger_of(tmp_path / "anna")
    (tmp_path / "ben").mkdir()
    (tmp_path / "ben" / "02.json").symlink_to(path)
    os.mkfifo(tmp_path / "ben" / "03.json")
    reading = submissions.read(tmp_path)
    assert len(reading.works) == 1
    assert sum("is a link or a device" in sentence for _, sentence in reading.problems) == 2
    assert reading.students == {"anna", "ben"}


def test_a_file_that_is_too_large_is_not_read(tmp_path, monkeypatch):
    ledger_of(tmp_path / "anna")
    monkeypatch.setattr(submissions, "LEDGER_LIMIT", 100)
    assert "MB and is not read" in submissions.read(tmp_path).problems[0][1]


def test_a_zip_bomb_and_a_broken_zip_are_told(tmp_path, monkeypatch):
    with zipfile.ZipFile(tmp_path / "anna.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("ledger/02.json", b" " * 50_000_000)
    (tmp_path / "ben.zip").write_bytes(b"PK\x03\x04 and so on")
    whole = (tmp_path / "anna.zip").read_bytes()
    at = whole.index(b"02.json") + 60
    (tmp_path / "cleo.zip").write_bytes(whole[:at] + b"\xff\xff\xff\xff\xff" + whole[at + 5 :])
    problems = dict(submissions.read(tmp_path).problems)
    assert "has more than 2 MB" in problems["anna"]
    assert "is no zip file that can be read" in problems["ben"]
    assert set(problems) == {"anna", "ben", "cleo"}


def test_a_zip_in_a_students_folder_is_that_students(tmp_path):
    made = ledger_of(tmp_path / ".made")
    (tmp_path / "anna").mkdir()
    with zipfile.ZipFile(tmp_path / "anna" / "work.zip", "w") as archive:
        archive.writestr("a/02.json", made.read_bytes())
        archive.writestr("../../evil/02.txt", "x")
    reading = submissions.read(tmp_path)
    assert [work.student for work in reading.works] == ["anna"]
    assert not (tmp_path.parent / "evil").exists()


def test_a_notebook_without_a_ledger_says_its_states(tmp_path):
    notebook = make_notebook(next(s for s in sources() if s.stem.startswith("02")), "student")
    says = collect.declared("02.mask")["no_abs"]
    texts = [
        f"✗ 02.mask: not yet: {says}",
        "✓ 02.threshold: passed",
        "Predictions committed: 1 of 2. Exercises passed: 1 of 3.\n"
        "- prediction 02.half: ✗ missed. It is more than you thought.: guessed 1 to 5 points "
        "(first of 2), measured 6.3 points (5.7 to 7.0; n = 10,000)\n"
        "- prediction 02.sensitive: ○ not committed",
    ]
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    for cell, text in zip(code, texts, strict=False):
        data = {"text/plain": text}
        cell.outputs = [{"output_type": "display_data", "data": data, "metadata": {}}]
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "02_magnitude_pruning.ipynb").write_text(json.dumps(notebook))
    (tmp_path / "ben").mkdir()
    (tmp_path / "ben" / "02_magnitude_pruning.ipynb").write_text("{}")
    ledger_of(tmp_path / "cleo" / "ledger")
    (tmp_path / "cleo" / "02_magnitude_pruning.ipynb").write_text("{}")
    reading = submissions.read(tmp_path)
    rows = {r["student"]: r for r in csv.DictReader(io.StringIO(collect.table(reading)))}
    assert rows["anna"]["exercise 02.mask"] == "not yet: no_abs"
    assert rows["anna"]["exercise 02.threshold"] == "passed"
    assert rows["anna"]["prediction 02.half"] == "missed: 1 to 5 points"
    assert rows["anna"]["prediction 02.sensitive"] == "not committed"
    assert "without tries" in rows["anna"]["remarks"]
    assert "cannot be read as a notebook" in rows["ben"]["remarks"]
    assert rows["cleo"]["remarks"] == ""
    assert "passed, try not known" in collect.page(reading)


def test_guessed_numbers_are_binned():
    from course_utils.workshop import class_page

    firsts = [Prediction("01.x", f"{n} bits", "7 bits", "missed", "", "") for n in range(1, 30)]
    rows = class_page._binned(firsts, "7 bits")
    assert len(rows) == class_page.BINS
    assert sum(count for _, count, _ in rows) == 29
    assert [note for *_, note in rows].count("◀ this") == 1
    few = class_page._binned(firsts[:3], "7 bits")
    assert few == [("1", 1, ""), ("2", 1, ""), ("3", 1, ""), ("7", 0, "◀ this")]


@pytest.mark.parametrize(
    "content",
    [b"\0\0", b"[" * 100_000, b"{}", b"\xff\xfe", b'{"what": 1}', b"null", b"1" * 5000,
     b'{"what": "' + submissions.ledger.WHAT.encode() + b'", "format": 1, "notebook": []}'],
)  # fmt: skip
def test_no_content_stops_the_run(tmp_path, content):
    (tmp_path / "anna").mkdir()
    (tmp_path / "anna" / "02.json").write_bytes(content)
    (tmp_path / "anna" / "02_magnitude_pruning.ipynb").write_bytes(content)
    reading = submissions.read(tmp_path)
    assert len(reading.problems) == 2
    assert not reading.works
    assert reading.students == {"anna"}


def test_questions_are_read_from_the_sources():
    known = {each.id: each for each in collect.asked()}
    assert known["02.half"].choices == tuple(GUESSES)
    assert known["02.half"].question.startswith("With the same s in every layer")
    assert known["02.mask"].kind == "exercise"
