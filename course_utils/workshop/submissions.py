"""What a class handed in: find ledgers and notebooks below a folder, and read what can be read.

Accepted are, also within .zip files, which are read where they lie:

    anna/ledger/02.json    anna/02.json    anna-02.json    anna_02.json

and, of a notebook without a ledger, what the outputs of anna/02_magnitude_pruning.ipynb say.
Students are whom the folders and files are named after. All of it was made by others: nothing is
run or unpacked, everything is measured before it is read, and what cannot be read is told.
"""

from __future__ import annotations

import json
import os
import re
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from course_utils.views.checks import ledger
from course_utils.views.checks.ledger import Prediction, Try

LEDGER_LIMIT = 2_000_000  # bytes; an hour of work takes some thousand
NOTEBOOK_LIMIT = 50_000_000
ZIP_LIMIT = 500_000_000  # bytes read from one zip file, unpacked
MEMBERS_LIMIT = 100_000  # files in one zip file
IDS_LIMIT = 100  # predictions and exercises in one ledger; a notebook has about ten

ID = re.compile(r"\d\d\.\w{1,40}")
STATES = {Prediction: {"right", "close", "missed"}, Try: {"passed", "not yet"}}
NAMED = re.compile(r"(?:(?P<student>.+)[-_])?(?P<number>\d\d)\.json")
KEPT = re.compile(r"\d\d\.(before|damaged)-\d+\.json")
NOTEBOOK = re.compile(r"(?:(?P<student>.+)[-_])?(?P<number>\d\d)_[a-z]\w*\.ipynb")
PASSED_OVER = {"__MACOSX", "node_modules", "solutions"}
OWN = {"ledger", "notebooks"}  # folders of the lab, not of a student


@dataclass
class Work:
    """What one student did in one notebook.

    predictions, tries: as in a Ledger. A notebook's outputs show the last state of an exercise and
    not the tries: `counted` is False then, and "not attempted" is an empty list.
    """

    student: str
    number: str
    where: str
    predictions: dict[str, list[Prediction]] = field(default_factory=dict)
    tries: dict[str, list[Try]] = field(default_factory=dict)
    counted: bool = True


@dataclass
class Reading:
    """All that was found, and a sentence about each thing that could not be read as it is."""

    works: list[Work] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)  # (student or "", sentence)
    students: set[str] = field(default_factory=set)  # also those of whom nothing could be read
    others: int = 0  # files of other kinds


class Found(NamedTuple):
    """A file: its path as people see it, the folders and the name that count, how to read it."""

    where: str
    parts: tuple[str, ...]
    read: Callable[[int], bytes]  # at most so many bytes; OSError or ValueError if it cannot


def plain(text: str) -> str:
    """Text by others in one line: without control characters, and without a half character.

    >>> plain("Anna\\n\\x1b[31m")
    'Anna �[31m'
    """
    return "".join(c if c.isprintable() else " " if c.isspace() else "�" for c in text)


def read(folder: Path) -> Reading:
    """Read everything below a folder."""
    reading = Reading()
    notebooks = []
    for found in _files(folder, reading):
        name = found.parts[-1]
        if KEPT.fullmatch(name):
            _tell(reading, found, "is a copy that the lab set aside, and is not counted.")
        elif name.endswith(".json"):
            _read_ledger(found, reading)
        elif NOTEBOOK.fullmatch(name):
            notebooks.append(found)
        else:
            reading.others += 1
    _put_together(reading)
    known = {(work.student, work.number) for work in reading.works}
    for found in notebooks:
        if (_student(found, NOTEBOOK), NOTEBOOK.fullmatch(found.parts[-1])["number"]) not in known:
            _read_notebook(found, reading)
    reading.students |= {work.student for work in reading.works}
    return reading


def _student(found, pattern=NAMED):
    """Whom a file belongs to: its name says it, or else the first folder."""
    name = pattern.fullmatch(found.parts[-1])
    if name and name["student"]:
        return plain(name["student"])
    if len(found.parts) > 1:
        return plain(found.parts[0])
    return "" if name else plain(found.parts[-1].rsplit(".", 1)[0])


def _tell(reading, found, sentence, pattern=NAMED):
    student = _student(found, pattern)
    reading.students |= {student} - {""}
    reading.problems.append((student, f"{found.where} {sentence}"))


# --- Finding --------------------------------------------------------------------------------


def _files(folder: Path, reading: Reading) -> Iterator[Found]:
    def cannot(error):
        path = plain(os.path.relpath(error.filename or folder, folder))
        reading.problems.append(("", f"{path} cannot be opened ({error.strerror})."))

    for place, folders, names in os.walk(folder, onerror=cannot):
        folders[:] = sorted(name for name in folders if not _hidden(name))
        for name in sorted(name for name in names if not _hidden(name)):
            path = Path(place, name)
            parts = _own_parts(path.relative_to(folder).parts)
            where = plain(path.relative_to(folder).as_posix())
            found = Found(where, parts, lambda limit, path=path: _read_file(path, limit))
            if name.lower().endswith(".zip"):
                yield from _zipped(path, found, reading)
            else:
                yield found


def _hidden(name):
    return name.startswith(".") or name in PASSED_OVER


def _own_parts(parts):
    """Without the folders that are the lab's: what is left says whose a file is."""
    return (*(part for part in parts[:-1] if part not in OWN), parts[-1])


def _read_file(path, limit):
    if not stat.S_ISREG(os.lstat(path).st_mode):
        raise ValueError("is a link or a device, not a file, and is not opened")
    with open(path, "rb") as file:
        return _whole(file, limit)


def _whole(file, limit):
    content = file.read(limit + 1)
    if len(content) > limit:
        raise ValueError(f"has more than {limit / 1e6:.0f} MB and is not read")
    return content


def _zipped(path: Path, outer: Found, reading: Reading) -> Iterator[Found]:
    """The files in a zip file. A zip of several students' folders names them, another does not."""
    try:
        if not stat.S_ISREG(os.lstat(path).st_mode):
            raise ValueError("is a link or a device, not a file, and is not opened")
        with zipfile.ZipFile(path) as archive:
            yield from _members(archive, outer, reading)
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError, RuntimeError) as error:
        told = isinstance(error, ValueError) and str(error).startswith(("is ", "has "))
        _tell(reading, outer, f"{error}." if told else "is no zip file that can be read.")


def _members(archive, outer, reading):
    infos = [info for info in archive.infolist() if not info.is_dir()]
    if len(infos) > MEMBERS_LIMIT:
        raise ValueError(f"has more than {MEMBERS_LIMIT:,} files and is not read")
    left = [ZIP_LIMIT]
    inside = []
    for info in infos:
        parts = PurePosixPath(info.filename.replace("\\", "/")).parts
        if not parts or any(_hidden(part) for part in parts):
            continue
        inside.append((info, _own_parts(parts)))
    named = {_whose(parts) for _, parts in inside} - {""}
    one = outer.parts[:-1] or (re.sub(r"(?i)\.zip$", "", outer.parts[-1]),)
    for info, parts in inside:
        if len(outer.parts) > 1 or len(named) < 2:
            # The student's own zip: whatever folders are in it, they do not name the student.
            match = NAMED.fullmatch(parts[-1]) or NOTEBOOK.fullmatch(parts[-1])
            flat = len(outer.parts) == 1 and match and match["student"]
            parts = parts[-1:] if flat else (*one, *parts)
        yield Found(
            plain(f"{outer.where}/{info.filename}"),
            parts,
            lambda limit, info=info: _read_member(archive, info, limit, left),
        )


def _whose(parts):
    """The student that a path in a zip file names, if it is a ledger's or notebook's."""
    match = NAMED.fullmatch(parts[-1]) or NOTEBOOK.fullmatch(parts[-1])
    if match and match["student"]:
        return match["student"]
    return parts[0] if match and len(parts) > 1 else ""


def _read_member(archive, info, limit, left):
    if info.flag_bits & 1:
        raise ValueError("has a password and is not read")
    try:
        with archive.open(info) as file:
            content = _whole(file, min(limit, left[0]))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise ValueError("is damaged in the zip file") from error
    except Exception as error:
        if type(error).__module__ in ("zlib", "lzma"):
            raise ValueError("is damaged in the zip file") from error
        raise
    left[0] -= len(content)
    return content


# --- Ledgers --------------------------------------------------------------------------------


def _read_ledger(found, reading):
    named = NAMED.fullmatch(found.parts[-1])
    try:
        content = found.read(LEDGER_LIMIT)
        work, remarks = parse(content)
    except (OSError, ValueError) as error:
        if not named and len(found.parts) > 1 and str(error) == NO_LEDGER:
            reading.others += 1  # some other .json
            return
        _tell(reading, found, f"{_why(error)}.")
        return
    work.student, work.where = _student(found), found.where
    if not work.student:
        work.student = "(no name)"
        remarks.append("names no student: put it into a folder with the student's name")
    if named and named["number"] != work.number:
        remarks.append(f"is, as its content says, the ledger of notebook {work.number}")
    reading.works.append(work)
    reading.problems += [(work.student, f"{found.where} {remark}.") for remark in remarks]


def _why(error):
    if isinstance(error, OSError):
        return f"cannot be read ({error.strerror or error})"
    return str(error)


NO_LEDGER = "is not a ledger of this lab"


def parse(content: bytes) -> tuple[Work, list[str]]:
    """A ledger's content, and remarks about what could not be read in it.

    Raises ValueError, to be read after the file's name, if nothing could.
    """
    if not content.strip(b"\0 \t\r\n"):
        raise ValueError("is empty")
    remarks = []
    text = content.decode("utf-8-sig", errors="replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        data = mended(text)
        if data is None:
            raise ValueError("is damaged" if ledger.WHAT in text else NO_LEDGER) from None
        remarks.append("is damaged: what stands before the damage is counted")
    if not isinstance(data, dict) or data.get("what") != ledger.WHAT:
        raise ValueError(NO_LEDGER)
    if data.get("format") != ledger.FORMAT:
        raise ValueError("was written by another version of the lab")
    number = data.get("notebook")
    if not isinstance(number, str) or not re.fullmatch(r"\d\d", number):
        raise ValueError("is damaged: it does not say of which notebook it is")
    work = Work("", number, "")
    work.predictions, one = _entries(data.get("predictions", {}), Prediction, number)
    work.tries, other = _entries(data.get("tries", {}), Try, number)
    if one + other:
        remarks.append(f"has {_count(one + other, 'entry', 'entries')} that the lab did not write")
    return work, remarks


def mended(text: str):
    """The content of a JSON text that ends too early, as far as it goes; None if it is no object.

    >>> mended('{"a": {"b": 1}, "c": {"d"')
    {'a': {'b': 1}}
    """
    open_, best = [], None
    for token in re.finditer(r'"(?:[^"\\]|\\.)*"|[{}\[\]]', text, re.DOTALL):
        if token[0] in "{[":
            open_.append("}" if token[0] == "{" else "]")
        elif token[0] in "}]":
            if not open_ or open_.pop() != token[0]:
                break
            best = token.end(), "".join(reversed(open_))
    if best is None:
        return None
    try:
        return json.loads(text[: best[0]] + best[1])
    except (ValueError, RecursionError):
        return None


def _entries(found, kind, number):
    """-> ({id: the entries that are as the lab writes them}, how many are not)"""
    if not isinstance(found, dict):
        return {}, 1
    good, bad = {}, 0
    for id, entries in found.items():
        known = ID.fullmatch(id) and ledger.number_of(id) == number and len(good) < IDS_LIMIT
        if not known or not isinstance(entries, list):
            bad += 1
            continue
        read = [_entry(id, entry, kind) for entry in entries]
        bad += read.count(None)
        good[id] = [entry for entry in read if entry]
    return good, bad


def _entry(id, entry, kind):
    if not isinstance(entry, dict):
        return None
    values = {f.name: entry.get(f.name) for f in fields(kind) if f.name != "id"}
    mistake = values.get("mistake", "")
    texts = [value for name, value in values.items() if name != "mistake"]
    if not all(isinstance(value, str) for value in texts):
        return None
    if not (mistake is None or isinstance(mistake, str)) or values["state"] not in STATES[kind]:
        return None
    return kind(id=id, **values)


def _put_together(reading):
    """Two ledgers of one student and notebook become one; an entry is known by its time.

    They may come from two machines, so unlike in the lab it does not matter when each was begun.
    """
    by_key = {}
    for work in reading.works:
        first = by_key.setdefault((work.student, work.number), work)
        if first is work:
            continue
        sentence = f"{first.where} and {work.where} are of one student and are put together."
        reading.problems.append((work.student, sentence))
        for mine, others in ((first.predictions, work.predictions), (first.tries, work.tries)):
            for id in {**mine, **others}:
                together = {e.when: e for e in (*mine.get(id, []), *others.get(id, []))}
                mine[id] = [together[when] for when in sorted(together)]
    reading.works[:] = by_key.values()


def _count(number, one, many):
    return f"1 {one}" if number == 1 else f"{number:,} {many}"


# --- Notebooks ------------------------------------------------------------------------------

REPLY = re.compile(r"[✓✗○!] (\d\d\.\w{1,40}): (passed|not yet|not attempted|cannot check)"
                   r"(?:: (.*))?", re.DOTALL)  # fmt: skip
ROW = re.compile(
    r"- prediction (?P<id>\d\d\.\w{1,40}): . (?P<state>right|close|missed|not committed)"
    r"(?:\. (?P<compared>.*?))?"
    r"(?:: guessed (?P<guess>.*?)(?: \(first of \d+\))?, measured (?P<measured>.*))?"
)


def _read_notebook(found, reading):
    named = NOTEBOOK.fullmatch(found.parts[-1])
    try:
        content = found.read(NOTEBOOK_LIMIT)
        if not content.strip():
            raise ValueError("is empty")
        texts = _outputs(content)
    except (OSError, ValueError) as error:
        _tell(reading, found, f"{_why(error)}.", NOTEBOOK)
        return
    work = Work(_student(found, NOTEBOOK) or "(no name)", named["number"], found.where)
    work.counted = False
    for text in texts:
        _take_output(work, text)
    if not work.tries and not work.predictions:
        _tell(reading, found, "shows no replies: it was not run.", NOTEBOOK)
        return
    sentence = f"{found.where} has no ledger beside it: states are from its outputs, without tries."
    reading.problems.append((work.student, sentence))
    reading.works.append(work)


def _outputs(content):
    """The plain texts of all outputs."""
    try:
        cells = json.loads(content.decode("utf-8-sig", errors="replace"))["cells"]
        outputs = [out for cell in cells for out in cell.get("outputs", [])]
        texts = [out.get("data", {}).get("text/plain", "") for out in outputs]
        return ["".join(text) for text in texts]
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        raise ValueError("is damaged: it cannot be read as a notebook") from None


def _take_output(work, text):
    reply = REPLY.fullmatch(text.strip())
    if reply and ledger.number_of(reply[1]) == work.number:
        id, state, says = reply.groups()
        answered = state in STATES[Try]
        work.tries[id] = [Try(id, state, None, says or "")] if answered else []
    for line in text.splitlines():
        row = ROW.fullmatch(line)
        if not row or ledger.number_of(row["id"]) != work.number:
            continue
        committed = row["state"] != "not committed" and row["guess"] is not None
        work.predictions[row["id"]] = [
            Prediction(row["id"], row["guess"], row["measured"], row["state"],
                       row["compared"] or "", "")
        ] if committed else []  # fmt: skip
