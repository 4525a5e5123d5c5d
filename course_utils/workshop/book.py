"""Writes the book's figures, with their data and what is known of them, to `figures/`.

    python lab.py figures                                # all
    python lab.py figures fig-boards fig-sqnr            # some
    python lab.py figures --width two --theme dark
    python lab.py figures fig-sqnr --into ../book/optimizations.qmd

Each figure becomes SVG, PDF and PNG, its data CSV or JSON, and a Quarto line. `manifest.json` says
of each what it was made from: a figure is drawn again only if that has changed. Nothing that is
written depends on the clock or on chance.
"""

from __future__ import annotations

import argparse
import ast
import difflib
import hashlib
import inspect
import io
import json
import platform
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import matplotlib as mpl
import numpy as np
import PIL
from matplotlib import font_manager

import course_utils
from course_utils import env, labs
from course_utils.machines import data
from course_utils.machines.recording import git_revision
from course_utils.views import in_browser, style
from course_utils.views.entry import Entry
from course_utils.workshop import cells, figure_data, gallery, page, quarto, sheet

FOLDER = env.ROOT / "figures"
PACKAGE = Path(course_utils.__file__).parent
# What the manifest says of a figure.
ROW = {"id", "width", "theme", "caption", "alt", "claim", "lecture", "notebook", "made_from",
       "files"}  # fmt: skip


# Every lab declares its own in its `book` module; here they are together.
_BOOKS = [(lab.notebook, lab.module("book")) for lab in labs.found() if lab.module("book")]
ENTRIES: tuple[Entry, ...] = tuple(entry for _, book in _BOOKS for entry in book.ENTRIES)
NOTEBOOKS = {entry.id: notebook for notebook, book in _BOOKS for entry in book.ENTRIES}


def find(ids: list[str]) -> list[Entry]:
    """Return the entries of these ids, all of them if none is given.

    Raises KeyError naming the nearest id for one that does not exist.
    """
    entries = {entry.id: entry for entry in ENTRIES}
    for id in ids:
        if id not in entries:
            nearest = difflib.get_close_matches(id, entries, n=3, cutoff=0)
            raise KeyError(f"There is no figure {id}. Did you mean {' or '.join(nearest)}?")
    return [entries[id] for id in ids] if ids else list(ENTRIES)


def stem(entry: Entry, width: str = "one", theme: str = "light") -> str:
    """The name of a figure's files: that of the usual kind is the id alone.

    >>> stem(ENTRIES[0], "two", "dark")
    'fig-boards-two-dark'
    """
    return entry.id + ("-two" if width == "two" else "") + ("-dark" if theme == "dark" else "")


def draw(entry: Entry, scene, width: str = "one", theme: str = "light"):
    """The figure at a width of `page.WIDTHS` and in a theme, laid out for good. -> Figure"""
    with style.rc():
        figure = entry.draw(scene)
    page.fit(figure, page.WIDTHS[width])
    if theme == "dark":
        page.darken(figure)
    return figure


def write(
    entry, folder: Path = FOLDER, width: str = "one", theme: str = "light", site: str = ""
) -> dict:
    """Write a figure, its data and its Quarto line. Returns what the manifest says of it.

    site: the address of the lab's site, if the line is to have a link to its cell there.

    Raises ValueError if the caption is not true of the data; nothing is written then.
    """
    for module in [m for name, m in sys.modules.items() if name.startswith("course_utils")]:
        for held in vars(module).values():  # else a file that is in memory would not be read
            if hasattr(held, "cache_clear") and held is not _code:
                held.cache_clear()
    with data.reads() as read:
        scene = entry.scene()
    if entry.claim(scene) is not True:
        raise ValueError(f"{entry.id}: the data don't say what the caption does: {entry.caption}")
    name, alt = stem(entry, width, theme), entry.alt(scene)
    suffix, exported = figure_data.export(scene)
    live = site and address(site, entry)
    line = quarto.line(entry.id, entry.caption, alt, f"{name}.svg", width == "two", live)
    files = {
        **pictures(draw(entry, scene, width, theme), name, entry.caption, alt),
        f"{entry.id}.{suffix}": exported,
        f"{name}.qmd": f"{line}\n".encode(),
    }
    for file, content in files.items():
        data.write_atomically(folder / file, content)
    return {
        "id": entry.id,
        "width": width,
        "theme": theme,
        "live": live,
        "caption": entry.caption,
        "alt": alt,
        "claim": " ".join(inspect.getdoc(entry.claim).split()),
        "lecture": entry.lecture,
        "notebook": f"notebooks/{NOTEBOOKS[entry.id]}.ipynb",
        "made_from": {"code": fingerprint(entry), "data": {path: _known(path) for path in read}},
        "files": {file: hashlib.sha256(content).hexdigest() for file, content in files.items()},
    }


def address(site: str, entry: Entry) -> str:
    """Where the lab's site shows the cell that draws a figure."""
    notebook = NOTEBOOKS[entry.id]
    return in_browser.address(site, notebook, cells.drawing(notebook, entry.draw, entry.scene))


def pictures(figure, name, title, alt) -> dict[str, bytes]:
    """The figure as SVG (its text as paths), PDF and PNG (300 dpi)."""
    about = {
        "svg": {"Date": None, "Title": title, "Description": alt},
        "pdf": {"CreationDate": None, "Title": title, "Subject": alt},
        "png": {"Software": None, "Title": title, "Description": alt},
    }
    # An SVG's text would look different where DejaVu Sans is missing, so that it becomes paths; a
    # PDF carries its fonts.
    settings = {"svg.fonttype": "path", "svg.hashsalt": name, "pdf.fonttype": 42}
    pictures = {}
    for suffix, metadata in about.items():
        out = io.BytesIO()
        with style.rc(), mpl.rc_context(settings):
            figure.savefig(out, format=suffix, dpi=300, metadata=metadata,
                           facecolor=figure.get_facecolor())  # fmt: skip
        pictures[f"{name}.{suffix}"] = out.getvalue()
    return pictures


# --- what a figure is made from -------------------------------------------------------------


def fingerprint(entry: Entry) -> str:
    """A checksum of all that a figure is made from but its data files: code, words, versions."""
    parts = [json.dumps(versions()), entry.caption, entry.lecture, NOTEBOOKS[entry.id]]
    modules = {style.__name__, page.__name__, figure_data.__name__, quarto.__name__, __name__}
    for function in (entry.scene, entry.draw, entry.alt, entry.claim):
        if function.__name__ == "<lambda>":  # what it calls, and with what
            code = function.__code__
            parts += [code.co_code.hex(), repr(code.co_consts), repr(code.co_names)]
            held = (function.__globals__.get(name) for name in code.co_names)
            modules |= {module.__name__ for module in held if inspect.ismodule(module)}
        else:
            modules.add(function.__module__)
    files = {file for module in modules - {__name__} for file in _code(module)}
    parts += [path.read_text(encoding="utf-8") for path in sorted({*files, Path(__file__)})]
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


@cache
def _code(module: str) -> frozenset[Path]:
    """The files of a module of this package and of all that it imports from the package."""
    found, waiting = set(), [module]
    while waiting:
        path = PACKAGE.joinpath(*waiting.pop().split(".")[1:])
        path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
        if path in found or not path.exists():  # a name in a module is no module
            continue
        found.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_utils"):
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = (alias.name for alias in node.names)
                waiting += [name for name in names if name.startswith("course_utils.")]
    return frozenset(found)


def versions() -> dict[str, str]:
    """What the bytes of a figure depend on besides this repository."""
    return {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "matplotlib": mpl.__version__,
        "pillow": PIL.__version__,
    }


def _known(path: str) -> dict:
    """What is known of a file below data/: its checksum, its seed, the command that reruns it."""
    entry = data.manifest()["files"][path]
    known = {key: entry[key] for key in ("sha256", "seed", "command") if key in entry}
    if path.startswith("results/") and path.endswith(".json"):
        known["seed"] = data.read_json(path)["seed"]
    return known


def is_current(entry: Entry, row: dict, folder: Path = FOLDER, site: str = "") -> bool:
    """Whether the files that the manifest's row tells of are there, and drawn from the same."""
    files = data.manifest()["files"]
    return (
        row.get("live", "") == (site and address(site, entry))
        and row["made_from"]["code"] == fingerprint(entry)
        and all(files.get(path, {}).get("sha256") == held["sha256"]
                for path, held in row["made_from"]["data"].items())
        and all((folder / name).is_file()
                and hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum
                for name, checksum in row["files"].items())
    )  # fmt: skip


# --- the command ----------------------------------------------------------------------------


def write_all(
    entries: list[Entry],
    width: str = "one",
    theme: str = "light",
    folder: Path = FOLDER,
    say: Callable[[str], None] = print,
    site: str = "",
) -> Iterator[str]:
    """Write what is not current, then the manifest and the contact sheet; yield what failed.

    A figure that cannot be drawn does not keep the others from it, and what there was of it stays.
    """
    told = {(row["id"], row["width"], row["theme"]): row for row in read_manifest(folder)}
    drawn = 0
    try:
        for entry in entries:
            key = entry.id, width, theme
            name = stem(entry, width, theme)
            if key in told and is_current(entry, told[key], folder, site):
                say(f"{name}: unchanged")
                continue
            try:
                told[key] = write(entry, folder, width, theme, site)
            except (OSError, ValueError) as error:
                yield f"{name} is not drawn: {error}"
                continue
            drawn += 1
            say(f"{name}: {' '.join(Path(file).suffix for file in told[key]['files'])}")
    finally:
        order = {entry.id: place for place, entry in enumerate(ENTRIES)}
        there = (row for row in told.values() if row["id"] in order
                 and all((folder / name).is_file() for name in row["files"]))  # fmt: skip
        rows = sorted(there, key=lambda row: (order[row["id"]], row["width"], row["theme"]))
        manifest = {"git_revision": git_revision(), "versions": versions(), "figures": rows}
        data.write_atomically(folder / "manifest.json", data.to_json(manifest).encode())
        data.write_atomically(folder / "index.html", sheet.page(rows, folder).encode())
    say(f"{drawn} of {len(entries)} drawn. To browse: {folder / 'index.html'}")


def read_manifest(folder: Path = FOLDER) -> list[dict]:
    """The rows of the figures that were written: those that are whole, of a manifest that is."""
    try:
        rows = list(json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["figures"])
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return [row for row in rows if isinstance(row, dict) and row.keys() >= ROW]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="lab.py figures", description="Write the book's figures to figures/."
    )
    parser.add_argument("ids", nargs="*", metavar="ID", help="which ones; all unless told")
    parser.add_argument("--width", choices=page.WIDTHS, default="one",
                        help="the book's column, or column and margin (default: one)")  # fmt: skip
    parser.add_argument("--theme", choices=("light", "dark"), default="light")
    parser.add_argument("--into", type=Path, metavar="CHAPTER",
                        help="copy them to the images/ of a chapter, its folder or its .qmd file, "
                        "and print the lines to paste")  # fmt: skip
    parser.add_argument("--html", action="store_true",
                        help="instead write the explorers that need no kernel, all of them, to "
                        "figures/explorers/")  # fmt: skip
    parser.add_argument("--site", metavar="ADDRESS", default="",
                        help="where the lab's site is (docs/site.md): figures and explorers get a "
                        "link to their cell there")  # fmt: skip
    options = parser.parse_args(arguments)
    if options.site and not options.site.startswith(("https://", "http://")):
        parser.error("--site takes an address such as https://example.org/lab")
    if options.html and (options.ids or options.into):
        parser.error("--html writes all explorers that need no kernel: leave out what else you ask")
    try:
        if options.html:
            gallery.write(say=lambda words: print(words, flush=True), site=options.site)
            return 0
        entries = find(options.ids)
        images = options.into and quarto.images_of(options.into)
        require_font()
        failures = list(write_all(entries, options.width, options.theme, FOLDER, site=options.site))
        if images and not failures:
            names = [stem(entry, options.width, options.theme) for entry in entries]
            quarto.place(names, FOLDER, images)
    except (KeyError, FileExistsError, FileNotFoundError) as error:
        print(error.args[0] if len(error.args) == 1 else error, file=sys.stderr)
        return 2
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    print(*failures, sep="\n", end="\n" * bool(failures), file=sys.stderr)
    return 1 if failures else 0


def require_font() -> None:
    """Raise FileNotFoundError unless Matplotlib finds the style's font."""
    (family,) = style.RC["font.family"]
    try:
        font_manager.findfont(family, fallback_to_default=False)
    except ValueError:
        raise FileNotFoundError(
            f"Matplotlib does not find its own font {family}, and another would change every "
            "figure. Repair it with: python -m pip install --force-reinstall matplotlib"
        ) from None
