"""The exported project: written, looked into, changed, tested on this computer (notebook 11)."""

from __future__ import annotations

import hashlib
import re
from html import escape
from pathlib import Path
from typing import NamedTuple

from course_utils.labs.tflite_micro_export import scenes
from course_utils.machines import data, micro
from course_utils.machines.micro.project.files import listed
from course_utils.views.tables import Table

CODES = "codes are not the expected ones"  # what the self-test says of a wrong quantization
# What a recorded self-test was changed in: see `experiments.tflm_self_test`.
RECORDED = "tflm_self_test"
WITHOUT_ROUNDING = ("quantization.h", "roundf(", "(")


class Exported(Table):
    """The files of a project, with a link to its README where the page can open it."""

    def __init__(self, folder: Path, paths, said: str):
        rows = [(path.relative_to(folder).as_posix(), f"{path.stat().st_size:,}") for path in paths]
        super().__init__(f"The project in {_shown(folder)}", ("file", "bytes"), rows)
        self.folder, self.said = folder, said

    def __repr__(self):
        return "\n".join(filter(None, [self.said, super().__repr__()]))

    def _repr_mimebundle_(self, **_):
        forms = super()._repr_mimebundle_()
        where = _shown(self.folder)
        if not Path(where).is_absolute():
            link = escape(f"{where}/README.md", quote=True)
            forms["text/html"] = f'<p>Open <a href="{link}">{link}</a>.</p>{forms["text/html"]}'
        if self.said:
            forms["text/html"] = f"<p>{escape(self.said)}</p>{forms['text/html']}"
        return forms


def _shown(folder):
    folder = Path(folder).absolute()
    here = Path.cwd()
    return folder.relative_to(here).as_posix() if folder.is_relative_to(here) else str(folder)


def export(tflite: bytes, folder: str | Path, **how) -> Exported | None:
    """Write a project whole; where that can't be, say in one sentence why.

    An earlier export is replaced. If a file in it was changed, the old folder first moves aside, to
    the first free name such as watch_changed_1, and a sentence says so. Other folders are left
    alone. how: as for `micro.export_project`.
    """
    folder = Path(folder)
    try:
        changed = micro.changed_files(folder)
        paths, said = written_anew(
            folder, changed,
            lambda again: micro.export_project(tflite, folder, overwrite=again, **how),
        )  # fmt: skip
    except (ImportError, OSError, TypeError, ValueError, micro.Refused) as problem:
        print(problem)
        return None
    return Exported(folder, sorted(paths), said)


def written_anew(folder: Path, changed, write):
    """The paths that write(overwrite) returns, and what became of a folder that was changed."""
    if not changed:
        return write(True), ""
    number = 1
    while (aside := folder.with_name(f"{folder.name}_changed_{number}")).exists():
        number += 1
    folder.rename(aside)
    try:
        paths = write(False)
    except BaseException:
        aside.rename(folder)
        raise
    return paths, (
        f"{listed(changed)} had been changed: that project is now in {_shown(aside)}, and a new "
        "one was written."
    )


def excerpt(folder: str | Path, name: str, start: str, lines: int) -> None:
    """Print a few lines of a written file, from the first that holds `start`.

    Says so if there is no such file, or no such line in it.
    """
    folder = Path(folder)
    for path in sorted(folder.rglob(name)):
        text = path.read_text(encoding="utf-8", errors="replace").splitlines()
        for number, line in enumerate(text):
            if start in line:
                print(f"{path.relative_to(folder).as_posix()}:")
                for part in text[number : number + lines]:
                    short = len(part) <= 96
                    print(part if short else part[:96].rpartition(", ")[0] + ", …")
                return
    print(f"No file {name} below {_shown(folder)} has a line with {start!r}.")


def arena_in(folder: str | Path) -> dict[str, int] | None:
    """The numbers that network.h says of the arena; None if there is no such header.

    "arena" is the size that the program reserves; the others are what it was made of.
    """
    header = next(iter(sorted(Path(folder).glob("*/network.h"))), None)
    if header is None:
        return None
    text = header.read_text(encoding="utf-8", errors="replace")
    wanted = {
        "arena": r"kArenaSize = (\d+)",
        "smallest": r"([\d,]+) bytes[:,]",
        "scratch": r"\+ ([\d,]+) bytes for the scratch",
        "margin": r"\+ ([\d,]+) bytes of margin",
        "on_32_bits": r"about\s+(?://\s*)?([\d,]+) bytes",
    }
    found = {name: re.search(pattern, text) for name, pattern in wanted.items()}
    return {name: int(match[1].replace(",", "")) for name, match in found.items() if match}


def change(folder: str | Path, name: str, old, new) -> None:
    """Put a text in the place of another in a file of the project, and print the changed line.

    Says in one sentence why nothing was changed: no such file, or the text is not there just once.
    """
    if old is ... or new is ...:
        print("Nothing was changed so far.")
        return
    path = next(iter(sorted(Path(folder).rglob(str(name)))), None)
    if path is None:
        print(f"Nothing was changed: there is no file {name} below {_shown(folder)}.")
        return
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        print(f"Nothing was changed: {name} is not saved as UTF-8. Save it so, or write it again.")
        return
    old, new = str(old), str(new)
    if not old or text.count(old) != 1:
        print(f"Nothing was changed: {name} has {old!r} {text.count(old) if old else 0} times, not "
              "once. Give more of the line.")  # fmt: skip
        return
    path.write_text(text.replace(old, new), encoding="utf-8")
    before = next(line for line in text.splitlines() if old.splitlines()[0] in line)
    print(f"{name}, before:  {before.strip()}")
    print(f"{name}, now:     {before.replace(old, new).strip()}")


# --- the self-test ------------------------------------------------------------------------------


class Tested(NamedTuple):
    """What the self-test of a project says, as the project is now."""

    folder: str
    changed: tuple[str, ...]  # files that are no longer as they were exported
    passed: bool
    compiled: bool
    lines: tuple[str, ...]
    note: str  # where it was not run here

    @property
    def no_verdict(self) -> str:
        """Why a program that compiled said neither PASS nor FAIL; "" where it did."""
        if not self.compiled or self.passed or self.lines[-1] in ("PASS", "FAIL"):
            return ""
        return self.lines[-1]

    @property
    def verdict(self) -> str:
        return "PASS" if self.passed else "FAIL" if self.compiled else "does not compile"

    def __repr__(self):
        return "\n".join(filter(None, [self.note, repr(self._table())]))

    def _table(self):
        state = f"{listed(self.changed)} changed" if self.changed else "as exported"
        rows = [tuple(line.split(": ", 1)) for line in self.lines if ": " in line]
        if self.no_verdict:
            rows.append(("stopped", self.no_verdict))
        return Table(
            f"Self-test of {self.folder}, {state}",
            ("", "what it says"),
            [*rows, ("verdict", self.verdict)],
        )

    def _repr_mimebundle_(self, **_):
        forms = self._table()._repr_mimebundle_()
        if self.note:
            forms["text/html"] = f"<p>{escape(self.note)}</p>{forms['text/html']}"
        return {"text/plain": repr(self), "text/html": forms["text/html"]}


_known: dict[tuple, micro.SelfTest] = {}


def self_test(folder: str | Path, tflite: bytes) -> Tested | None:
    """Build the project as it is now on this computer and run its self-test.

    Where that can't be, the recorded result of the same project stands in and a line says so; where
    there is no project, a sentence.
    """
    folder = Path(folder)
    changed = micro.changed_files(folder)
    if changed is None:
        print(f"There is no exported project in {_shown(folder)}: run the cell that writes it.")
        return None
    if not (reason := micro.no_compiler()):
        try:
            return _tested(folder, changed, _run(folder, tflite), "")
        except Exception as problem:
            reason = f"The build stopped here ({type(problem).__name__})."
    row = data.result(RECORDED).record["as_exported"]
    note = f"{reason} This is the recorded result."
    if changed:
        name, old, _ = WITHOUT_ROUNDING
        header = next(iter(folder.glob(f"*/{name}")), None)
        if [Path(path).name for path in changed] != [name] or old in header.read_text("utf-8"):
            note = (
                f"{reason} Your change was not run. One change is recorded: {name} without "
                f"{old.rstrip('(')}. The result of the project as it was exported:"
            )
            changed = []
        else:
            row = data.result(RECORDED).record["rounding_taken_out"]
            note = f"{reason} This is the result that was recorded for {name} without rounding."
    return _tested(folder, changed, micro.SelfTest(row["passed"], tuple(row["lines"]), True), note)


def _tested(folder, changed, found, note):
    return Tested(_shown(folder), tuple(changed), found.passed, found.compiled, found.lines, note)


def _run(folder, tflite):
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".cpp", ".h"))
    key = tuple((str(path), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files)
    if key not in _known:
        known = scenes.recorded_arena(tflite)
        _known[key] = micro.self_test(folder, tflite, known)
    return _known[key]
