"""How long a student needs for a notebook, estimated from what the notebook holds.

    python -m course_utils.workshop minutes       # a line a notebook: computed, and stated in it
    python -m course_utils.workshop minutes 03    # one notebook, section by section

The constants below are ASSUMPTIONS. Only the reading speed comes from a measurement, cited there;
no student was timed. They are meant for one who knows Python and NumPy and has heard the lecture,
alone and uninterrupted. Waiting is not counted (Run All takes at most a minute), nor is the section
*Read next*. When a class has been timed, change the constants, not single results.
"""

from __future__ import annotations

import argparse
import ast
import re
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from course_utils.workshop import first_cell
from course_utils.workshop.notebook_builder import NOTEBOOKS, minutes_of, sources
from course_utils.workshop.notebook_source import ROOT, read_cells

# Brysbaert, "How many words do we read per minute? A review and meta-analysis of reading rate"
# (Journal of Memory and Language 109, 2019, 104047): adults read English non-fiction silently at
# 238 words a minute, most of them at 175 to 300, and slower in a second language. Taken here is the
# lower end of that range: every sentence is about something that has to be understood.
WORDS_PER_MINUTE = 175
FORMULA = 0.5  # a displayed formula, read symbol by symbol
CODE_LINE = 0.05  # three seconds: glanced at, not studied; what an exercise asks is counted below
PREDICTION = 2.0  # read the question, think, commit, compare, read why
EXPLORER = 4.0  # move every control, find what the text says to look for
EXPLORER_AGAIN = 2.0  # the same explorer with another network or question
PICTURE = 1.0  # a picture or a table: its axes or columns, then what it says
FUNCTION = 5.0  # an exercise that is a function: write it, read a reply, mend it
VALUE = 3.0  # an exercise that is a number, a name or a dictionary

TOLERANCE = 5  # minutes by which a notebook's statement, a multiple of 5, may be off
SESSION = 75  # minutes of one lab session
AFTERWARDS = "Read next"  # this section is for another day, and not counted


@dataclass
class Content:
    """What a student's notebook, or a section of it, holds."""

    words: int = 0
    formulas: int = 0
    lines: int = 0  # of code that is shown
    predictions: int = 0
    explorers: int = 0
    again: int = 0  # explorers that were shown before
    pictures: int = 0
    functions: int = 0
    values: int = 0

    def minutes(self) -> float:
        return (
            self.words / WORDS_PER_MINUTE
            + self.formulas * FORMULA
            + self.lines * CODE_LINE
            + self.predictions * PREDICTION
            + self.explorers * EXPLORER
            + self.again * EXPLORER_AGAIN
            + self.pictures * PICTURE
            + self.functions * FUNCTION
            + self.values * VALUE
        )


def minutes(source: Path) -> float:
    """A student's minutes for a notebook, by the assumptions above."""
    return content(source).minutes()


def content(source: Path) -> Content:
    """What the student's notebook made from `source` holds."""
    whole = Content()
    for part in sections(source).values():
        for name, number in vars(part).items():
            setattr(whole, name, getattr(whole, name) + number)
    return whole


def sections(source: Path) -> dict[str, Content]:
    """What stands under each heading, up to the next one. The second "Explore": "Explore (2)"."""
    moving, seen = explorers_of(source), set()
    title, beginning = "before the title", first_cell.begun("")
    held = {title: Content()}
    for cell in read_cells(source):
        if cell.student is None:
            continue
        if cell.kind == "code":
            # What finds the laboratory is run and not read.
            code = cell.student.removeprefix(beginning)
            count_code(code, moving, seen, held[title])
            continue
        for block in re.split(r"(?m)^(?=#+ )", cell.student):
            if heading := re.match(r"#+ +(.+)", block):
                title = unused(heading[1].strip(), held)
                held[title] = Content()
            held[title].words += words(block)
            held[title].formulas += len(re.findall(r"(?s)\$\$.+?\$\$", block))
    held.pop(AFTERWARDS, None)
    return held


def unused(title: str, taken) -> str:
    """The title, with a number if it is taken."""
    names = (title if n == 1 else f"{title} ({n})" for n in count(1))
    return next(name for name in names if name not in taken)


def words(text: str) -> int:
    """The words of Markdown as they are read: no address, no markup, no displayed formula.

    >>> words("A *word* and $x^2 + 1$, [two more](somewhere.md):")
    6
    """
    text = re.sub(r"(?s)\$\$.+?\$\$", " ", text)
    text = re.sub(r"\$[^$]+\$", " formula ", text)
    text = re.sub(r"\]\([^)]*\)", " ", text)
    return len([word for word in text.split() if re.search(r"\w", word)])


def count_code(code: str, moving: set[str], seen: set[str], held: Content) -> None:
    """Add to `held` what a cell of code asks and shows.

    moving: the explorers with controls. seen: those that were shown before; added to.
    """
    tree = ast.parse(code)
    used = [f"{node.value.id}.{node.attr}" for node in ast.walk(tree) if of_a_name(node)]
    asked = used.count("checks.predict")
    held.predictions += asked
    if not asked:  # a prediction's code is folded away
        held.lines += sum(1 for line in code.splitlines() if line.strip())
    if "checks.check" in used:
        if any(isinstance(statement, ast.FunctionDef) for statement in tree.body):
            held.functions += 1
        else:
            held.values += 1
    shown = {name.split(".")[1] for name in used if name.startswith("explorers.")} & moving
    held.explorers += len(shown - seen)
    held.again += len(shown & seen)
    seen |= shown
    held.pictures += not shown and shows_something(tree, used)


def of_a_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)


def shows_something(tree: ast.Module, used: list[str]) -> bool:
    """Whether a cell prints, or shows a table or a picture."""
    if {"checks.after", "checks.beside_lecture"} & set(used):
        return True
    if any(name.startswith("explorers.") for name in used):
        return True
    calls = [node.func for node in ast.walk(tree) if isinstance(node, ast.Call)]
    if any(isinstance(called, ast.Name) and called.id == "print" for called in calls):
        return True
    last = tree.body[-1] if tree.body else None
    return isinstance(last, ast.Expr) and ast.unparse(last).startswith("scenes.")


def explorers_of(source: Path) -> set[str]:
    """The explorers of a notebook's lab that have controls; its others are pictures."""
    lab = source.stem.split("_", 1)[1]
    module = ROOT / "course_utils" / "labs" / lab / "explorers.py"
    return {
        node.name
        for node in ast.parse(module.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and node.returns
        and ast.unparse(node.returns).startswith("widgets.")
    }


def table(folder: Path = NOTEBOOKS) -> str:
    """A line a notebook: what it holds, the minutes computed from it, those that it states."""
    names = list(vars(Content()))
    lines = ["  ".join(["  ", *names, "computed", "stated"])]
    for source in sources(folder):
        held, stated = content(source), minutes_of(source)
        cells = [f"{vars(held)[name]:{len(name)}}" for name in names]
        off = abs(held.minutes() - stated) > TOLERANCE
        cells += [f"{held.minutes():8.0f}", f"{stated:6}{'  off' if off else ''}"]
        lines.append("  ".join([source.stem[:2], *cells]))
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="minutes", description=__doc__.splitlines()[0])
    parser.add_argument("number", nargs="?", metavar="NN", help="this one, section by section")
    options = parser.parse_args(arguments)
    if options.number is None:
        print(table())
        return 0
    by_number = {source.stem[:2]: source for source in sources()}
    if options.number not in by_number:
        parser.error(f"no notebook {options.number}; there are {', '.join(by_number)}")
    so_far = 0.0
    print("minutes  so far  section")
    for title, held in sections(by_number[options.number]).items():
        so_far += held.minutes()
        print(f"{held.minutes():7.1f} {so_far:7.0f}  {title}")
    return 0
