"""The ledger: what was predicted and checked in a notebook, kept in a file beside it.

One small file a notebook, `ledger/02.json` in the folder in which the notebook runs: readable text,
written whole. It is what a restarted kernel, Run All or the next day begin with. Several kernels
may write it: each first reads what the others wrote and puts both together.

Nothing here stops a notebook. What cannot be read is set aside under another name, never
overwritten; what cannot be written stays in memory; `Ledger.problem` says so in one sentence.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
import weakref
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path

from IPython import get_ipython

from course_utils import env

WHAT = "The ledger of one notebook of the model-optimization lab: its predictions and exercises"
FORMAT = 1
FOLDER = "ledger"
UNSAVED = "What you do is not being saved"


@dataclass(frozen=True)
class Prediction:
    """One commitment: the guess, what was then measured, and how they compare, in words."""

    id: str
    guess: str
    measured: str
    state: str  # "right", "close" or "missed"
    compared: str
    because: str
    when: str = ""  # UTC, ISO 8601: entries are ordered, and known, by it


@dataclass(frozen=True)
class Try:
    """One answer to an exercise: what `check` found."""

    id: str
    state: str  # "passed" or "not yet"
    mistake: str | None  # the name of the misconception that it shows, if it is a known one
    says: str  # the reply's beginning
    when: str = ""


class Ledger:
    """The predictions and tries of the notebooks that this kernel runs, usually one.

    folder: where the files are; None keeps everything in memory only.
    predictions, tries: {id: what was committed or tried, oldest first}; an id that was only asked
    has an empty list.
    """

    def __init__(self, folder: Path | None = None):
        self.folder = folder
        self.predictions: dict[str, list[Prediction]] = {}
        self.tries: dict[str, list[Try]] = {}
        self.problem = ""  # why something is not kept, in one sentence
        self.watchers = weakref.WeakSet()  # what shows the ledger: each has `ledger_changed()`
        self._begun: dict[str, str] = {}  # number -> when its notebook was started (over)

    def asked(self, kind: str, id: str) -> list:
        """The entries of a prediction ("predictions") or exercise ("tries"), which is known now."""
        self._open(number_of(id))
        entries = getattr(self, kind)
        if id not in entries:
            entries[id] = []
            self._save(number_of(id))
            self._tell()
        return entries[id]

    def add(self, entry: Prediction | Try, instead_of: Prediction | None = None):
        """Keep an entry, under the time at which it is made, and tell who shows the ledger.

        instead_of: an entry that this one corrects, and whose time it takes.
        """
        kind = "predictions" if isinstance(entry, Prediction) else "tries"
        entries = self.asked(kind, entry.id)
        when = instead_of.when if instead_of else now()
        entry = type(entry)(**{**asdict(entry), "when": when})
        if instead_of:
            entries[:] = [entry if old.when == when else old for old in entries]
        else:
            entries.append(entry)
        self._save(number_of(entry.id))
        self._tell()
        return entry

    def numbers(self) -> list[str]:
        """The notebooks that something was asked in."""
        return sorted({number_of(id) for id in (*self.predictions, *self.tries)})

    def start_over(self, number: str) -> Path | None:
        """Forget a notebook's entries, in this kernel and on disk. -> the copy that is kept."""
        with self._locked(number):
            kept = self._set_aside(number, "before")
            self._begun[number] = now()
            for entries in (self.predictions, self.tries):
                for id in entries:
                    if number_of(id) == number:
                        entries[id] = []
        self._save(number)
        self._tell(started_over=True)
        return kept

    # --- the file ---------------------------------------------------------------------------

    def path(self, number: str) -> Path | None:
        """A notebook's file; None where nothing is kept."""
        named = re.fullmatch(r"\w{1,20}", number)
        return self.folder / f"{number}.json" if self.folder and named else None

    def _open(self, number):
        """Read a notebook's file once, when the first of its ids is met."""
        if number not in self._begun:
            self._begun[number] = ""
            self._merge(number)
            self._begun[number] = self._begun[number] or now()

    def _save(self, number):
        path = self.path(number)
        if path is None:
            return
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._locked(number):
                if not self._merge(number):
                    return
                content = {
                    "what": WHAT,
                    "format": FORMAT,
                    "notebook": number,
                    "begun": self._begun[number],
                    "predictions": self._of("predictions", number),
                    "tries": self._of("tries", number),
                }
                text = json.dumps(content, indent=1, ensure_ascii=False)
                env.write_whole(path, f"{text}\n".encode())
        except OSError as error:
            self.problem = (
                f"{UNSAVED}: {self.folder} cannot be written ({error.strerror or error}). It "
                "lasts until this kernel ends."
            )
        else:
            if self.problem.startswith(UNSAVED):
                self.problem = ""

    def _of(self, kind, number):
        return {
            id: [{k: v for k, v in asdict(entry).items() if k != "id"} for entry in entries]
            for id, entries in getattr(self, kind).items()
            if number_of(id) == number
        }

    def _merge(self, number) -> bool:
        """Take in what the file holds and this ledger does not. -> whether the file may be written.

        An entry is known by its time. Those from before the notebook was started over are gone.
        """
        path = self.path(number)
        if path is None:
            return True
        try:
            found = read(path, number)
        except FileNotFoundError:
            return True
        except OSError as error:
            self.problem = f"{UNSAVED}: {path} cannot be read ({error.strerror or error})."
            return False
        except ValueError as error:
            kept = self._set_aside(number, "damaged")
            if kept is None:
                self.problem = f"{UNSAVED}: {path.name} {error} and cannot be moved away."
                return False
            self.problem = f"{path.name} {error}: it is kept as {kept.name}, and a new one begins."
            return True
        begun = self._begun[number] = max(found["begun"], self._begun[number])
        for kind in ("predictions", "tries"):
            mine = getattr(self, kind)
            for id in {*found[kind], *(id for id in mine if number_of(id) == number)}:
                together = {e.when: e for e in (*found[kind].get(id, []), *mine.get(id, []))}
                mine.setdefault(id, [])[:] = [
                    together[when] for when in sorted(together) if when >= begun
                ]
        return True

    def _set_aside(self, number, why) -> Path | None:
        """Rename the file, to a name that is free. -> the new path, None if there is no file."""
        path = self.path(number)
        if path is None or not os.path.lexists(path):
            return None
        count = 1
        while os.path.lexists(kept := path.with_name(f"{number}.{why}-{count}.json")):
            count += 1
        try:
            os.rename(path, kept)
        except OSError:
            return None
        return kept

    @contextlib.contextmanager
    def _locked(self, number) -> Iterator[None]:
        """Let one kernel at a time read and write a file; without a lock after two seconds."""
        if self.folder is None:
            yield
            return
        lock = self.folder / f".{number}.lock"
        held = False
        for _ in range(40):
            try:
                os.close(os.open(lock, os.O_CREAT | os.O_EXCL))
                held = True
                break
            except FileExistsError:
                with contextlib.suppress(OSError):
                    if time.time() - lock.stat().st_mtime > 10:  # its holder has died
                        lock.unlink()
                        continue
                time.sleep(0.05)
            except OSError:  # no right to write here: the writing itself says so
                break
        try:
            yield
        finally:
            if held:
                with contextlib.suppress(OSError):
                    lock.unlink()

    def _tell(self, started_over=False):
        for watcher in list(self.watchers):
            watcher.ledger_changed(started_over)


def read(path: Path, number: str | None = None) -> dict:
    """The content of a ledger's file: "notebook", "begun", "predictions" and "tries" of entries.

    Raises OSError if it cannot be read, ValueError, to be read after the file's name, if it is
    damaged or something else.
    """
    try:
        content = json.loads(path.read_bytes().decode("utf-8"))
    except (ValueError, RecursionError):
        raise ValueError("is damaged") from None
    if not isinstance(content, dict) or content.get("what") != WHAT:
        raise ValueError("is not a ledger of this lab")
    if content.get("format") != FORMAT:
        raise ValueError("was written by another version of the lab")
    if number is not None and content.get("notebook") != number:
        raise ValueError("is the ledger of another notebook")
    try:
        return {
            "notebook": str(content["notebook"]),
            "begun": _text(content["begun"]),
            "predictions": _entries(content["predictions"], Prediction),
            "tries": _entries(content["tries"], Try),
        }
    except (KeyError, TypeError, AttributeError):
        raise ValueError("is damaged") from None


def _entries(found, kind):
    names = {field.name for field in fields(kind)} - {"id"}
    return {
        _text(id): [
            kind(id=id, **{k: v if v is None and k == "mistake" else _text(v)
                           for k, v in entry.items() if k in names})
            for entry in entries
        ]
        for id, entries in found.items()
    }  # fmt: skip


def _text(value):
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def number_of(id: str) -> str:
    """The notebook that an id names.

    >>> number_of("02.mask")
    '02'
    """
    return id.split(".")[0]


def now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="microseconds")


def folder() -> Path | None:
    """Where this kernel's ledgers are: beside the notebook. None where nothing is to be kept.

    That is in a solution notebook, outside a kernel, and where LAB_LEDGER says "off", as it does
    where notebooks are built and tested.
    """
    live = hasattr(get_ipython(), "kernel")
    if not live or os.environ.get("LAB_LEDGER") == "off" or in_solution_notebook():
        return None
    return Path.cwd() / FOLDER


def in_solution_notebook() -> bool:
    """Solution notebooks live in a folder of that name, and a kernel starts in its notebook's."""
    return Path.cwd().name == "solutions"


LEDGER = Ledger(folder())
