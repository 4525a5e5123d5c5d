"""Figures in a Quarto book: the line that shows one, and the file that the chapter looks for."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

from course_utils.machines import data
from course_utils.views import standalone

NO_RSVG = "A PDF of the book needs rsvg-convert, which is not here: docs/scribes.md, section 6."


def line(id: str, caption: str, alt: str, path: str, wide: bool = False, live: str = "") -> str:
    r"""A figure as Quarto's Markdown has it, over the whole column or, wide, over the margin too.

    live: the address of the cell that draws it, for a link after the caption.

    >>> print(line("fig-a", "50 % of [it]", 'Not "half".', "a.svg"))
    ![50 % of \[it\]](a.svg){#fig-a fig-alt="Not \"half\"." width=100%}
    """
    attributes = [f"#{id}", *[".column-page"] * wide, f'fig-alt="{_attribute(alt)}"', "width=100%"]
    run_it = f" [{standalone.RUN_IT}]({live})" if live else ""
    return f"![{_text(caption)}{run_it}]({path}){{{' '.join(attributes)}}}"


def _text(words: str) -> str:
    """The words with a backslash before everything that Markdown would take for markup."""
    words = re.sub(r"([\\`*_{}\[\]<>#$^~|@'\"!&])", r"\\\1", words)
    return words.replace("--", r"\-\-").replace("...", r"\.\.\.")


def _attribute(words: str) -> str:
    return re.sub(r'([\\"&])', r"\\\1", words)


def images_of(chapter: Path) -> Path:
    """The folder of a chapter's images: images/ beside its .qmd file, or in its folder.

    Raises FileNotFoundError if there is no such chapter.
    """
    if chapter.is_file() and chapter.suffix == ".qmd":
        return chapter.parent / "images"
    if chapter.is_dir():
        return chapter / "images"
    raise FileNotFoundError(
        f"There is no chapter {chapter}: after --into give its folder, or its .qmd file."
    )


def _ask(question: str) -> bool | None:
    """The answer on a terminal; None where there is nobody to ask."""
    if not (sys.stdin and sys.stdin.isatty()):
        return None
    try:
        return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")
    except EOFError:  # Ctrl-D
        return False


def place(
    names: list[str], folder: Path, images: Path, ask: Callable[[str], bool | None] = _ask
) -> None:
    """Copy the SVG files of these names from folder to images, and print the lines to paste.

    Another file of that name is replaced only if `ask` says so. Raises FileExistsError, before
    anything is copied, if there is one and nobody to ask.
    """
    contents = {images / f"{name}.svg": (folder / f"{name}.svg").read_bytes() for name in names}
    for target, content in list(contents.items()):
        if os.path.lexists(target) and not (target.is_file() and target.read_bytes() == content):
            answer = ask(f"{target} is there and differs. Replace it?")
            if answer is None:
                raise FileExistsError(
                    f"{target} is there and differs. Nothing was copied: move it away, or run this "
                    "on a terminal and answer y."
                )
            if not answer:
                del contents[target]
    for target, content in contents.items():
        data.write_atomically(target, content)
    for name in names:
        if images / f"{name}.svg" in contents:
            told = (folder / f"{name}.qmd").read_text(encoding="utf-8").strip()
            # The chapter is beside images/.
            # A line of its own paragraph is a figure, one in a row of words a picture.
            print(told.replace(f"]({name}.svg)", f"]({images.name}/{name}.svg)"), end="\n\n")
    print(f"{len(contents)} of {len(names)} in {images}. Paste the lines above.", file=sys.stderr)
    if not shutil.which("rsvg-convert"):
        print(NO_RSVG, file=sys.stderr)
