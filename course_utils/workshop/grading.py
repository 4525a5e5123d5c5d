"""Notebooks for nbgrader: the same cells, with grade ids and points.

    python lab.py build --nbgrader        # notebooks/nbgrader/source/02_magnitude_pruning/ ...
    cd notebooks/nbgrader
    nbgrader generate_assignment 02_magnitude_pruning
    nbgrader autograde 02_magnitude_pruning

A cell with an exercise becomes two: the answer, in which nbgrader removes the solution, and its
check, locked, with points. In a student's own notebook a check never raises; this one does unless
the exercise is passed, since that is how nbgrader tells right from wrong.
"""

from __future__ import annotations

import argparse
import ast
import io
import re
import sys
import tokenize
from pathlib import Path
from typing import NamedTuple

import nbformat

from course_utils.machines.data import write_atomically
from course_utils.workshop.notebook_builder import NOTEBOOKS, make_notebook, sources
from course_utils.workshop.notebook_source import SourceError, read_cells, relative, split_solution

FOLDER = NOTEBOOKS / "nbgrader"
POINTS = 1  # for each exercise; "Create assignment" in JupyterLab changes it
CHECK = "checks.check"
BEGIN, END = "# BEGIN SOLUTION", "# END SOLUTION"

TEST = """\
import contextlib
import io

from course_utils.views import checks

with contextlib.redirect_stderr(io.StringIO()):  # nbgrader takes a warning for a failure
    reply = {call}
assert reply.state == "passed", reply
display(reply)"""

CONFIG = """\
\"\"\"nbgrader's settings, written once by `python lab.py build --nbgrader`: yours to change.\"\"\"

import os

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = "model-optimization-lab"
# The cells keep the lab's own stub, `...  # your code here`, in front of each solution.
c.ClearSolutions.code_stub = {"python": ""}
c.Execute.timeout = 300  # seconds for a cell
os.environ["LAB_LEDGER"] = "off"  # what a student predicted and tried before does not count here
"""


class Part(NamedTuple):
    """A piece of a cell: plain "code", an "answer" with a solution in it, or a "check"."""

    kind: str
    text: str
    id: str = ""  # of the exercise, such as "02.mask"


def make(source: Path) -> nbformat.NotebookNode:
    """nbgrader's source notebook for a lab notebook: with solutions, not run."""
    notebook = make_notebook(source, "student")
    del notebook.metadata["lab"]["cells_sha256"]  # the cells are others now
    shown = [cell for cell in read_cells(source) if cell.student is not None]
    made = [cell for cell in notebook.cells if not cell.id.startswith("ways-")]
    cells = []
    for cell, found in zip(made, shown, strict=True):
        if cell.cell_type == "markdown":
            cell.source = links_between_assignments(cell.source)
            cells.append(cell)
        else:
            cells += _cells(cell, parts(found.marked, relative(source)))
    notebook.cells = cells
    nbformat.validate(notebook)
    return notebook


def parts(code: str, where: str = "cell") -> list[Part]:
    """Take a cell apart at its checks. Raises SourceError where a check cannot be taken out."""
    lines, tree = code.splitlines(), ast.parse(code)
    checks = [node for node in tree.body if isinstance(node, ast.Expr) and _is_check(node.value)]
    if sum(_is_check(node) for node in ast.walk(tree)) > len(checks):
        raise SourceError(f"{where}: a `{CHECK}(...)` that is no line of its own has no points.")
    found, start = [], 0
    for node in checks:
        id = ast.literal_eval(node.value.args[0])
        found.append(_part(lines[start : node.lineno - 1], id))
        call = "\n".join(lines[node.lineno - 1 : node.end_lineno])
        found.append(Part("check", TEST.format(call=call.replace("\n", "\n    ")), id))
        start = node.end_lineno
    found.append(_part(lines[start:], ""))
    return [part for part in found if part.text]


def _is_check(node):
    return isinstance(node, ast.Call) and ast.unparse(node.func) == CHECK


def _part(lines, id):
    text = "\n".join(lines).strip("\n")
    marked = with_regions(text)
    return Part("code", text) if marked == text else Part("answer", marked, id)


def with_regions(code: str) -> str:
    """The code with the stub that students get before each solution, which nbgrader removes.

    >>> print(with_regions("s = 2  # SOLUTION"))
    s = ...  # your code here
    # BEGIN SOLUTION
    s = 2
    # END SOLUTION
    """
    lines = code.splitlines()
    begin = None
    for token in tokenize.generate_tokens(io.StringIO(code).readline):
        if token.type != tokenize.COMMENT:
            continue
        row, column = token.start
        margin = re.match(r"\s*", lines[row - 1])[0]
        if token.string == BEGIN:
            begin = row - 1
        elif token.string == END and begin is not None:
            block = "\n".join(line[len(margin) :] for line in code.splitlines()[begin:row])
            lines[begin] = f"{margin}{split_solution(block)[1]}\n{lines[begin]}"
        elif token.string == "# SOLUTION":
            stub = split_solution(lines[row - 1].strip())[1]
            value = lines[row - 1][:column].rstrip()
            lines[row - 1] = "\n".join([margin + stub, margin + BEGIN, value, margin + END])
    return "\n".join(lines)


def _cells(cell, pieces):
    """The cells for the parts of a code cell, as nbgrader wants them marked."""
    cells = []
    for number, part in enumerate(pieces):
        new = nbformat.v4.new_code_cell(part.text, id=f"{cell.id}-{number}")
        if number == 0 or part.kind == "code":
            new.metadata.update(cell.metadata)
        if part.kind != "code":
            new.metadata["nbgrader"] = _marks(part, cell.id)
        cells.append(new)
    return cells


def _marks(part, otherwise):
    """nbgrader's metadata, version 3 of its schema."""
    graded = part.kind == "check"
    name = re.sub(r"\W", "-", part.id or otherwise)
    marks = {
        "cell_type": "code",
        "grade": graded,
        "grade_id": f"{part.kind}-{name}",
        "locked": graded,
        "schema_version": 3,
        "solution": not graded,
        "task": False,
    }
    return {**marks, "points": POINTS} if graded else marks


def links_between_assignments(text: str) -> str:
    """Links to other notebooks, each of which is in a folder of its own here."""
    return re.sub(r"\]\((\d\d_\w+)\.ipynb", r"](../\1/\1.ipynb", text)


def write(source: Path, folder: Path = FOLDER) -> Path:
    """Write one notebook below `folder`/source, and the settings unless there are any. -> path"""
    path = folder / "source" / source.stem / f"{source.stem}.ipynb"
    write_atomically(path, (nbformat.writes(make(source)) + "\n").encode())
    config = folder / "nbgrader_config.py"
    if not config.exists():
        write_atomically(config, CONFIG.encode())
    return path


def main(arguments: list[str] | None = None, folder: Path = FOLDER) -> int:
    """The command; returns the exit code, 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        prog="lab.py build --nbgrader",
        description="Write notebooks for nbgrader, and its settings, into notebooks/nbgrader.",
    )
    parser.add_argument("numbers", nargs="*", metavar="NN", help="only these, such as 02")
    options = parser.parse_args(arguments)
    by_number = {source.stem[:2]: source for source in sources()}
    wanted = [number.zfill(2) for number in options.numbers] or list(by_number)
    if unknown := [number for number in wanted if number not in by_number]:
        parser.error(f"no notebook {', '.join(unknown)}; there are {', '.join(by_number)}")
    code = 0
    for number in wanted:
        try:
            print(relative(write(by_number[number], folder)))
        except (SourceError, OSError) as error:
            print(error, file=sys.stderr)
            code = 1
    if not code:
        first = by_number[wanted[0]].stem
        print(f"Next, in {relative(folder)}: nbgrader generate_assignment {first}")
    return code


if __name__ == "__main__":
    sys.exit(main())
