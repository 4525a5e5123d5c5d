"""Read a notebook's source: which text students see, and which is a solution.

A source, ``notebooks/source/NN_topic.py``, is a plain Python file of jupytext "percent" cells.
What a student must not see is marked:

* a cell tagged ``solution`` is left out of the student's notebook;
* the lines from ``# BEGIN SOLUTION`` to ``# END SOLUTION`` become one line, ``...``;
* ``x = expression  # SOLUTION`` becomes ``x = ...``.

Markers are comments read by Python's own tokenizer, so a marker inside a string is text. A
comment that looks like a marker and is none is an error: the price of a misspelt marker would
be a published solution.
"""

from __future__ import annotations

import ast
import difflib
import io
import re
import tokenize
from dataclasses import dataclass
from pathlib import Path

import jupytext

from course_utils import env
from course_utils.workshop import first_cell

ROOT = env.ROOT
STUB = "...  # your code here"
MAX_LINES = 30  # a longer cell is a wall of code: it belongs in course_utils

KNOWN_TAGS = {"solution", "nbval-ignore-output"}
FORBIDDEN_TAGS = {
    "nbval-skip": "a cell that is never run proves nothing; use `nbval-ignore-output` and assert",
    "raises-exception": "a stored traceback looks like a bug; catch the exception and print it",
}


class SourceError(ValueError):
    """A source breaks a rule; the message begins with its ``file:line``."""


@dataclass(frozen=True)
class Cell:
    """One cell of a source, as each of the two notebooks shows it."""

    kind: str  # "code" or "markdown"
    solution: str
    student: str | None  # None: the student's notebook does not have this cell
    tags: tuple[str, ...]
    marked: str = ""  # as the source has it, with the markers


def read_cells(source: Path) -> list[Cell]:
    """Read a source and separate what students see from the solutions.

    Raises SourceError with ``file:line`` and one sentence where the source breaks a rule.
    """
    text = source_text(source)
    raw = jupytext.reads(text, fmt="py:percent").cells
    starts = [n for n, line in enumerate(text.splitlines(), 1) if line.startswith("# %%")]
    if len(starts) != len(raw):
        raise SourceError(
            f"{relative(source)}:1: jupytext finds {len(raw)} cells, but {len(starts)} lines "
            "begin with `# %%`; begin each cell so, and no line inside a string."
        )
    cells = []
    for cell, start in zip(raw, starts, strict=True):
        where = f"{relative(source)}:{start}"
        tags = _tags(cell, where)
        first = start + 1
        lines = text.splitlines()
        while first <= len(lines) and not lines[first - 1].strip():
            first += 1
        solution = student = cell.source.strip("\n")
        if cell.cell_type == "code":
            solution, student = split_solution(solution, relative(source), first)
            if solution.startswith(first_cell.CHECK):
                cells.append(_first(solution, tags))
                continue
        elif re.search(r"(?im)^\W*(begin|end)\W*soluti?on", solution):
            raise SourceError(f"{where}: a solution marker does nothing in a text cell; tag it.")
        if "solution" in tags:
            if student != solution:
                raise SourceError(f"{where}: markers in a cell that is all solution; drop one.")
            student = None
        elif cell.cell_type == "code" and len(student.splitlines()) > MAX_LINES:
            raise SourceError(
                f"{where}: {len(student.splitlines())} lines of code in one cell, more than "
                f"{MAX_LINES}; split it or move a function into course_utils."
            )
        cells.append(Cell(cell.cell_type, solution, student, tags, cell.source.strip("\n")))
    return cells


def _first(code: str, tags: tuple[str, ...]) -> Cell:
    """The cell that finds the laboratory, of which the source only has the last line."""
    text = first_cell.begun(code)
    return Cell("code", text, text, tags, text)


def _tags(cell, where: str) -> tuple[str, ...]:
    metadata = {k: v for k, v in cell.metadata.items() if k != "lines_to_next_cell"}
    tags = metadata.pop("tags", [])
    if metadata or cell.cell_type not in ("code", "markdown") or not isinstance(tags, list):
        raise SourceError(
            f"{where}: a cell begins with `# %%` or `# %% [markdown]`, then nothing or "
            'tags=["..."].'
        )
    for tag in map(str, tags):
        if tag in FORBIDDEN_TAGS:
            raise SourceError(f"{where}: the tag `{tag}` is not used here: {FORBIDDEN_TAGS[tag]}.")
        if tag not in KNOWN_TAGS:
            known = ", ".join(f"`{name}`" for name in sorted(KNOWN_TAGS))
            raise SourceError(f"{where}: unknown tag `{tag}`; the known ones are {known}.")
    return tuple(tags)


def split_solution(code: str, file: str = "cell", first_line: int = 1) -> tuple[str, str]:
    """The code of one cell as (solution, student).

    `first_line` is the cell's first line in `file`, for messages. Raises SourceError.

    >>> print(split_solution("threshold = s * sigma  # SOLUTION")[1])
    threshold = ...  # your code here
    """

    def error(row: int, sentence: str) -> SourceError:
        return SourceError(f"{file}:{first_line + row - 1}: {sentence}")

    try:
        ast.parse(code)
    except SyntaxError as e:
        raise error(e.lineno or 1, f"not plain Python ({e.msg}); magics are not used.") from None
    tokens = list(tokenize.generate_tokens(io.StringIO(code).readline))
    significant = [t for t in tokens if t.string.strip() and t.type != tokenize.COMMENT]
    if significant and significant[-1].string == ";":
        raise error(significant[-1].start[0], "a `;` at the end of a cell breaks nbval; drop it.")

    lines = code.splitlines()
    solution: list[str | None] = list(lines)  # None: the line is dropped
    student: list[str | None] = list(lines)
    begin = indent = None
    for token in (t for t in tokens if t.type == tokenize.COMMENT):
        row, column = token.start
        before, i = lines[row - 1][:column], row - 1
        if begin is not None and token.string in ("# BEGIN SOLUTION", "# SOLUTION"):
            raise error(row, f"solution in the solution begun in line {first_line + begin}.")
        if token.string == "# BEGIN SOLUTION" and not before.strip():
            begin, indent = i, before
        elif token.string == "# END SOLUTION" and not before.strip():
            if begin is None:
                raise error(row, "`# END SOLUTION` without a `# BEGIN SOLUTION` in this cell.")
            if before != indent:
                raise error(row, "`# END SOLUTION` is indented otherwise than its beginning.")
            if not any(
                line.strip() and not line.lstrip().startswith("#") for line in lines[begin + 1 : i]
            ):
                raise error(row, "there is no code in this solution.")
            student[begin : i + 1] = [indent + STUB] + [None] * (i - begin)
            solution[begin] = solution[i] = None
            begin = None
        elif token.string == "# SOLUTION" and before.strip():
            student[i] = _assignment_stub(before)
            if student[i] is None:
                raise error(row, "`# SOLUTION` may only end a line of the form `name = value`.")
            solution[i] = before.rstrip()
        elif _looks_like_marker(token.string):
            raise error(
                row,
                f"`{token.string}` looks like a solution marker and is none; write "
                "`# BEGIN SOLUTION` or `# END SOLUTION` alone in its line, `# SOLUTION` "
                "after an assignment, or another word.",
            )
        elif "NBVAL_" in token.string:
            raise error(row, "say it with the cell's tag (`nbval-ignore-output`), not a comment.")
    if begin is not None:
        raise error(begin + 1, "`# BEGIN SOLUTION` without an `# END SOLUTION` in this cell.")

    versions = ["\n".join(x for x in version if x is not None) for version in (solution, student)]
    try:
        ast.parse(versions[1])
    except SyntaxError:
        raise error(
            1, "without its solution this cell is not Python; mark whole statements."
        ) from None
    return versions[0], versions[1]


def _assignment_stub(line: str) -> str | None:
    """``name = ...`` for a line that is one assignment to a name; None for any other line."""
    try:
        (statement,) = ast.parse(line.strip()).body
    except (SyntaxError, ValueError):
        return None
    margin = line[: len(line) - len(line.lstrip())]
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)]):
            return f"{margin}{name} = {STUB}"
        case ast.AnnAssign(target=ast.Name(id=name), annotation=kind, value=ast.expr()):
            return f"{margin}{name}: {ast.unparse(kind)} = {STUB}"
    return None


def _looks_like_marker(comment: str) -> bool:
    """Any spelling of "solution", or a comment that begins with BEGIN or END."""
    words = re.findall("[A-Za-z]+", comment)
    return bool(
        re.match(r"#\W*(BEGIN|END\b|ENDS)", comment)
        or re.search(r"(?i)(?<!re)solution", comment)
        or any(
            (word[0] in "sS" or word[1:].isupper())
            and difflib.SequenceMatcher(None, word.lower(), "solution").ratio() >= 0.8
            for word in [*words, "".join(words)]
            if word
        )
    )


def source_text(source: Path) -> str:
    """The source as UTF-8 text with ``\\n`` line ends, whatever system it was written on."""
    try:
        return source.read_text(encoding="utf-8").rstrip() + "\n"
    except UnicodeDecodeError as e:
        raise SourceError(f"{relative(source)}: not UTF-8 text ({e}); save it as UTF-8.") from None


def relative(path: Path) -> str:
    """A path as messages show it: from the repository's root where it lies inside."""
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.as_posix()
