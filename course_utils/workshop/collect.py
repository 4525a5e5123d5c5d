"""What a class predicted and tried: one table, and one page on what to talk about on Monday.

    python lab.py collect FOLDER    # writes FOLDER/class.csv and FOLDER/class.html

`submissions` reads the ledgers, this sums them up and writes the table, `class_page` the page.
Nothing leaves this machine.
"""

from __future__ import annotations

import argparse
import ast
import csv
import io
import os
import re
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from course_utils import labs
from course_utils.machines.data import write_atomically
from course_utils.views import checks
from course_utils.views.checks.exercises import JUDGES
from course_utils.workshop import class_page, submissions
from course_utils.workshop.notebook_builder import sources, title_of
from course_utils.workshop.notebook_source import source_text
from course_utils.workshop.submissions import Reading, Work, plain

LONGEST = 300  # characters of a text by others, as in a ledger


@dataclass(frozen=True)
class Asked:
    """A prediction or an exercise, as a notebook's source has it.

    choices: the labels, if they are written down there; ranges: a label's (low, high).
    """

    id: str
    kind: str  # "prediction" or "exercise"
    question: str = ""
    choices: tuple[str, ...] = ()
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Solved:
    """An exercise of one student: the state, the try that first passed, what went wrong before."""

    state: str  # "passed", "not yet" or "not attempted"
    at: int | None  # None: not passed, or it is not known
    tries: int | None
    mistakes: Mapping[str, str]  # misconception -> what was told, in their order
    unknown: int  # answers that showed no known misconception


@dataclass(frozen=True)
class Misconception:
    """How many students an exercise found in a misconception, and what they were told."""

    id: str
    name: str
    says: str
    students: int
    left: int  # of these, who have not passed since


# --- What the notebooks ask -----------------------------------------------------------------


def asked() -> list[Asked]:
    """All predictions and exercises of the suite, in the order of the notebooks."""
    return [found for source in sources() for found in asked_in(source_text(source))]


def asked_in(source: str) -> list[Asked]:
    """Those of one notebook's source. What is computed there, a question or choices, is left out.

    >>> asked_in('checks.check("02.mask", magnitude_mask)')[0].kind
    'exercise'
    """
    kinds = {"checks.predict": "prediction", "checks.check": "exercise"}
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    calls = [call for call in calls if call.args and ast.unparse(call.func) in kinds]
    found = {}
    for call in sorted(calls, key=lambda call: call.lineno):
        id, question, choices = (*map(_literal, call.args), None, None)[:3]
        kind = kinds[ast.unparse(call.func)]
        if not isinstance(id, str):
            continue
        if kind == "exercise":
            found[id] = Asked(id, kind)
            continue
        labels = tuple(map(str, choices)) if isinstance(choices, list | dict) else ()
        ranges = choices if isinstance(choices, dict) else {}
        found[id] = Asked(id, kind, question if isinstance(question, str) else "", labels, ranges)
    return list(found.values())


def _literal(node):
    try:
        return ast.literal_eval(node)
    except ValueError:
        return None


def columns(reading: Reading) -> list[Asked]:
    """What the notebooks that were handed in ask, then what ledgers have besides, by number."""
    numbers = {work.number for work in reading.works}
    known = [each for each in asked() if each.id.split(".")[0] in numbers]
    ids = {(each.id, each.kind) for each in known}
    found = {(id, "prediction") for work in reading.works for id in work.predictions}
    found |= {(id, "exercise") for work in reading.works for id in work.tries}
    more = [Asked(id, kind) for id, kind in sorted(found - ids)]
    return sorted([*known, *more], key=lambda each: each.id.split(".")[0])


# --- Summing up -----------------------------------------------------------------------------


def solved(work: Work, id: str) -> Solved | None:
    """What became of an exercise; None if this work does not know it."""
    if id not in work.tries:
        return None
    tries = work.tries[id]
    states = [each.state for each in tries]
    passed = "passed" in states
    failed = [each for each in tries if each.state == "not yet"]
    named = [(each.mistake or _mistake_of(id, each.says), each.says) for each in failed]
    told = {}
    for name, says in named:
        if name:
            told.setdefault(name, says)
    return Solved(
        state="passed" if passed else "not yet" if states else "not attempted",
        at=states.index("passed") + 1 if passed and work.counted else None,
        tries=len(tries) if work.counted else None,
        mistakes=told,
        unknown=sum(name is None for name, _ in named),
    )


def _mistake_of(id, says):
    """The misconception whose words a notebook's output shows."""
    return next((name for name, words in declared(id).items() if words == says), None)


@cache
def declared(id: str) -> dict[str, str]:
    """{misconception: what whoever shows it is told} of an exercise, as its lab declares it."""
    known = {lab.number for lab in labs.found()}
    if id.split(".")[0] not in known or not checks.exercises.declared(id):
        return {}
    judge = JUDGES[id]
    mistakes = judge.mistakes if isinstance(judge, checks.Exercise) else ()
    return {mistake.name: mistake.says for mistake in mistakes}


def misconceptions(reading: Reading) -> list[Misconception]:
    """All that was shown, by how many students; the most frequent first."""
    students, left, told = Counter(), Counter(), {}
    for work in reading.works:
        for id in work.tries:
            found = solved(work, id)
            for name, says in found.mistakes.items():
                students[id, name] += 1
                left[id, name] += found.state != "passed"
                told.setdefault((id, name), Counter())[says] += 1
    return [
        Misconception(id, name, declared(id).get(name) or told[id, name].most_common(1)[0][0],
                      students[id, name], left[id, name])
        for id, name in sorted(students, key=lambda key: (-students[key], -left[key], key))
    ]  # fmt: skip


# --- The table ------------------------------------------------------------------------------


def table(reading: Reading) -> str:
    """The class as CSV: a row a student, a column a prediction or exercise."""
    heads = columns(reading)
    works = {(work.student, work.number): work for work in reading.works}
    rows = [["student", "predictions committed", "exercises passed",
             *(f"{each.kind} {each.id}" for each in heads), "remarks"]]  # fmt: skip
    for student in sorted(reading.students):
        found = [works.get((student, each.id.split(".")[0])) for each in heads]
        cells = [_cell(each, work) if work else "" for each, work in zip(heads, found, strict=True)]
        done = [work and (work.predictions if each.kind == "prediction" else work.tries)
                .get(each.id) for each, work in zip(heads, found, strict=True)]  # fmt: skip
        committed = sum(bool(d) for e, d in zip(heads, done, strict=True) if e.kind == "prediction")
        passed = sum(cell.startswith("passed") for cell in cells)
        remarks = " ".join(sentence for whose, sentence in reading.problems if whose == student)
        rows.append([student, str(committed), str(passed), *cells, remarks])
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([[safe(c) for c in row] for row in rows])
    return text.getvalue()


def _cell(each, work):
    if each.kind == "prediction":
        if each.id not in work.predictions:
            return ""
        guesses = work.predictions[each.id]
        return f"{guesses[0].state}: {guesses[0].guess[:LONGEST]}" if guesses else "not committed"
    found = solved(work, each.id)
    if found is None:
        return ""
    tries = f"{found.tries} {'try' if found.tries == 1 else 'tries'}"
    when = {"passed": f" at try {found.at}", "not yet": f" after {tries}"}.get(found.state, "")
    shown = [name[:LONGEST] for name in found.mistakes]
    shown += ["no known misconception"] * bool(found.unknown)
    return found.state + when * work.counted + (f": {', '.join(shown)}" if shown else "")


def safe(cell: str) -> str:
    """A cell that a spreadsheet takes for text, whoever wrote it, and whatever separates cells.

    >>> safe('=HYPERLINK("x")')
    '\\'=HYPERLINK("x")'
    """
    return re.sub(r"(^|[;,\t])(\s*)([=+\-@\uff1d\uff0b\uff0d\uff20|%])", r"\1\2'\3", plain(cell))


# --- The command ----------------------------------------------------------------------------


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit code: 0 read, 1 not written, 2 nothing to read."""
    parser = argparse.ArgumentParser(
        prog="lab.py collect",
        description="Read the ledgers of a class, or the notebooks of who has none, and write a "
        "table and a page. Each student has a folder, a zip file, or files such as anna-02.json.",
    )
    parser.add_argument("folder", metavar="FOLDER", help="where the students' files are")
    parser.add_argument("--csv", metavar="FILE", help="the table (default: FOLDER/class.csv)")
    parser.add_argument("--page", metavar="FILE", help="the page (default: FOLDER/class.html)")
    options = parser.parse_args(arguments)
    here = Path(os.environ.get("LAB_CALLED_FROM", "."))
    folder = here / options.folder
    if not folder.is_dir():
        return _stop(f"There is no folder {options.folder}.", 2)
    reading = submissions.read(folder)
    for _, sentence in reading.problems:
        print(sentence)
    if not reading.works:
        return _stop(f"No ledger and no notebook with replies was found in {options.folder}.", 2)
    paths = [here / options.csv if options.csv else folder / "class.csv",
             here / options.page if options.page else folder / "class.html"]  # fmt: skip
    try:
        write_atomically(paths[0], table(reading).encode("utf-8-sig"))  # so that Excel sees UTF-8
        write_atomically(paths[1], page(reading).encode())
    except OSError as error:
        return _stop(f"{error.filename or folder} cannot be written ({error.strerror}).", 1)
    print(class_page.summary(reading))
    print(f"Table: {paths[0]}\nPage:  {paths[1]}")
    return 0


def page(reading: Reading) -> str:
    """The page, from what was read."""
    titles = {source.stem[:2]: title_of(source) for source in sources()}
    return class_page.page(reading, columns(reading), misconceptions(reading), solved, titles)


def _stop(sentence, code):
    print(plain(sentence), file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
