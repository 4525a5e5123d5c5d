"""Make the student's and the solution notebook from one source, and run both.

Only ``notebooks/source/NN_topic.py`` is edited. ``notebooks/NN_topic.ipynb`` (the student's) and
``notebooks/solutions/NN_topic.ipynb`` are made from it, executed, and committed.

Run as ``python -m course_utils.workshop build [NN ...] [--check] [--no-execute]``.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
import time
from pathlib import Path

import ipykernel.kernelspec
import nbformat
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

from course_utils.machines.data import write_atomically
from course_utils.workshop import covered, first_cell
from course_utils.workshop.notebook_source import (
    ROOT,
    SourceError,
    read_cells,
    relative,
    source_text,
)

NOTEBOOKS = ROOT / "notebooks"
ROLES = ("student", "solution")
CELL_TIMEOUT = 300  # seconds
BIG_OUTPUT = 1_000_000  # characters of one output, above which the build warns
MAP = "@notebooks"  # in prose: where the table of all notebooks stands
PREDICTION = "checks.predict("  # its code holds the explanation: JupyterLab shows it folded
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


class BuildError(RuntimeError):
    """A notebook could not be run, or its outputs may not be stored."""


# --- Making a notebook ----------------------------------------------------------------------


def sources(folder: Path = NOTEBOOKS) -> list[Path]:
    """The sources of all notebooks, in order."""
    return sorted((folder / "source").glob("[0-9][0-9]_*.py"))


def notebook_path(source: Path, role: str) -> Path:
    """Where the notebook made from `source` is stored; role: "student" or "solution"."""
    folder = source.parents[1]
    return (folder / "solutions" if role == "solution" else folder) / f"{source.stem}.ipynb"


def make_notebook(source: Path, role: str) -> nbformat.NotebookNode:
    """The notebook of one role ("student" or "solution"), not executed."""
    seen: dict[str, int] = {}
    cells = []
    for cell in read_cells(source):
        # The id follows from what the cell says, so it is the same in both notebooks and stays
        # when other cells come and go; equal cells are numbered.
        key = f"{source.stem}\n{cell.kind}\n{cell.solution}"
        seen[key] = seen.get(key, 0) + 1
        identity = hashlib.sha256(f"{key}\n{seen[key]}".encode()).hexdigest()[:12]
        text = cell.student if role == "student" else cell.solution
        if text is None:
            continue
        if cell.kind == "markdown" and MAP in text:
            text = text.replace(MAP, map_of(source))
        if role == "solution" and cell.kind == "markdown":
            text = _links_from_solutions(text)
        new = nbformat.v4.new_code_cell if cell.kind == "code" else nbformat.v4.new_markdown_cell
        metadata = {"tags": list(cell.tags)} if cell.tags else {}
        if cell.kind == "code" and PREDICTION in text:
            metadata["jupyter"] = {"source_hidden": True}
        cells.append(new(text, id=identity, metadata=metadata))
    top, bottom = (
        nbformat.v4.new_markdown_cell(
            ways(source, role, at_top), id=f"ways-{'top' if at_top else 'bottom'}"
        )
        for at_top in (True, False)
    )
    cells = [*cells[:1], top, *cells[1:], bottom]
    notebook = nbformat.v4.new_notebook(cells=cells)
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    lab = {
        "source": f"source/{source.name}",
        "source_sha256": hashlib.sha256(source_text(source).encode()).hexdigest(),
        "cells_sha256": _digest(notebook),
    }
    notebook.metadata = nbformat.from_dict(
        {"kernelspec": kernel, "language_info": {"name": "python"}, "lab": lab}
    )
    return notebook


def ways(source: Path, role: str, at_top: bool) -> str:
    """A line of links: the notebook before, all of them, the next, and how to start over."""
    suite = sources(source.parents[1])
    here = suite.index(source)
    before = suite[here - 1] if here else None
    after = suite[here + 1] if here + 1 < len(suite) else None
    links = []
    if before:
        links.append(f"[← {title_of(before)}]({before.stem}.ipynb)")
    if here:
        links.append(f"[all notebooks]({suite[0].stem}.ipynb#The-notebooks)")
    if after:
        links.append(f"[{title_of(after)} →]({after.stem}.ipynb)")
    if at_top:
        links.append(f"{minutes_of(source)} minutes")
        if role == "student":
            links.append("[start over](#Check-yourself)")
        links += first_cell.elsewhere(_from_root(source, role))
    else:
        left = sum(map(minutes_of, suite[here + 1 :]))
        links.append(f"{left} minutes of notebooks left" if left else "the last one")
    return " · ".join(links)


def _from_root(source: Path, role: str) -> Path:
    """The path of a notebook from the repository's root, whichever folder `source` lies in."""
    return notebook_path(source, role).relative_to(source.parents[2])


def map_of(source: Path) -> str:
    """A table of all notebooks, as links."""
    rows = [
        f"| [{path.stem[:2]}]({path.stem}.ipynb) | {full_title_of(path)} | {minutes_of(path)} |"
        for path in sources(source.parents[1])
    ]
    return "\n".join(["| | notebook | minutes |", "|---|---|---|", *rows])


def full_title_of(source: Path) -> str:
    """A notebook's title without its number."""
    title = re.search(r"(?m)^# # \d\d · (.+)$", source_text(source))
    return title[1] if title else source.stem


def title_of(source: Path) -> str:
    """A notebook's number and the short form of its title: "02 Magnitude pruning"."""
    return f"{source.stem[:2]} {full_title_of(source).split(':')[0]}"


def minutes_of(source: Path) -> int:
    """The minutes that a notebook's first cell states; 0 if it states none."""
    found = re.search(r"\b(\d+) minutes\b", source_text(source).split("# %%")[1])
    return int(found[1]) if found else 0


def _links_from_solutions(text: str) -> str:
    """Relative links, written for notebooks/, as they are from notebooks/solutions/."""

    def move(match: re.Match) -> str:
        target = match[1]
        if re.match(r"[a-z]+:|#|/", target) or re.match(r"[^/]+\.ipynb", target):
            return match[0]  # an address, this page, or the notebook's own neighbour
        if target.startswith("solutions/"):
            return f"]({target.removeprefix('solutions/')})"
        return f"](../{target})"

    return re.sub(r"\]\(([^)\s]+)\)", move, text)


def _digest(notebook: nbformat.NotebookNode) -> str:
    """sha256 of what the builder wrote; running a notebook does not change it, editing does."""
    said = [
        [cell.get("id"), cell.cell_type, cell.source, cell.metadata.get("tags", [])]
        for cell in notebook.cells
    ]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


# --- Running it -----------------------------------------------------------------------------


class _ThisPython(AsyncKernelManager):
    """The kernel of the running interpreter, whatever kernels the user has installed."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(**ipykernel.kernelspec.get_kernel_dict())


def execute(notebook: nbformat.NotebookNode, folder: Path, on_cell=lambda index: None) -> None:
    """Run all cells in place, with `folder` as the working directory.

    `on_cell(index)` is called as each code cell starts. Raises BuildError with the cell and what
    went wrong.
    """
    current = 0

    def started(cell, cell_index):
        nonlocal current
        current = cell_index
        on_cell(cell_index)

    folder.mkdir(parents=True, exist_ok=True)
    os.environ["LAB_LEDGER"] = "off"  # what the author did in this folder is not the student's
    client = NotebookClient(
        notebook,
        kernel_manager_class=_ThisPython,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],  # not: "TCP without encryption"
        resources={"metadata": {"path": str(folder)}},
        timeout=CELL_TIMEOUT,
        coalesce_streams=True,
        record_timing=False,
        store_widget_state=False,
        on_cell_execute=started,
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as e:
        reason = re.sub(r"\x1b\[[0-9;]*m", "", str(e)).strip()  # says the cell's code, too
        raise BuildError(f"cell {current + 1} failed. {reason}") from None
    notebook.metadata.language_info = {"name": "python"}  # without the version that ran it
    for cell in notebook.cells:
        _clean(cell)


def _clean(cell) -> None:
    """Drop what only a live kernel can show; the picture and the text beside it stay."""
    cell.metadata.pop("execution", None)
    if cell.cell_type != "code":
        return
    for output in cell.outputs:
        if "data" in output:
            output.data.pop(WIDGET_VIEW, None)
    cell.outputs = [output for output in cell.outputs if output.get("data", True)]


def output_problems(notebook: nbformat.NotebookNode) -> list[str]:
    """What may not be stored: errors, stderr, SVG, and text that differs at each run."""
    problems = []
    for number, cell in enumerate(notebook.cells, 1):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            text = output.get("text", "") + "".join(
                str(data[mime]) for mime in sorted(data) if mime.startswith("text/")
            )
            found = None
            if output.output_type == "error":
                found = f"an error is stored ({output.ename}: {output.evalue})"
            elif output.get("name") == "stderr":
                found = f"stderr is not empty, beginning {text.strip()[:100]!r}; silence its cause"
            elif "image/svg+xml" in data:
                found = "an SVG differs at each run; show a PNG"
            elif address := re.search(r"<[^<>]* at 0x[0-9a-fA-F]+>", text):
                found = f"{address[0]} is an address in memory and differs at each run"
            elif path := next(
                (p for p in (str(ROOT), str(Path.home())) if len(p) > 5 and p in text), None
            ):
                found = f"{path} is a path of this machine"
            if found:
                problems.append(f"cell {number}: {found}.")
    return problems


# --- Building and checking ------------------------------------------------------------------


def build(source: Path, run: bool = True, report=lambda message: None) -> None:
    """Make, run and store both notebooks of a source: both, or on any error neither.

    A notebook on disk that someone has edited is kept in ``notebooks/kept/``.
    `report(line)` receives progress; a line that ends with a carriage return is passing.
    Raises SourceError and BuildError.
    """
    notebooks = {notebook_path(source, role): make_notebook(source, role) for role in ROLES}
    student = notebook_path(source, "student")
    for path, notebook in notebooks.items():
        started, name, total = time.monotonic(), relative(path), len(notebook.cells)
        if run:
            try:
                if path == student:
                    notebook.cells.append(nbformat.v4.new_code_cell(covered.ASK))
                execute(
                    notebook,
                    path.parent,
                    lambda i, name=name, total=total: report(f"{name}: cell {i + 1} of {total}\r"),
                )
            except BuildError as e:
                raise BuildError(f"{name}: {e}") from None
            problems = []
            if path == student:
                problems = covered.problems(notebook, covered.told(notebook.cells.pop()))
            if problems := [*problems, *output_problems(notebook)]:
                raise BuildError("\n".join(f"{name}: {problem}" for problem in problems))
        report(f"{name}: {total} cells, {time.monotonic() - started:.1f} s\n")
        for number, cell in enumerate(notebook.cells, 1):
            size = max((len(json.dumps(o)) for o in cell.get("outputs", [])), default=0)
            if size > BIG_OUTPUT:
                report(f"  warning: an output of cell {number} has {size / 1e6:.1f} MB\n")
    for path, notebook in notebooks.items():
        if kept := _keep_edited(path, source.parents[1] / "kept"):
            report(f"  {relative(path)} had been edited: the edited one is {relative(kept)}\n")
        write_atomically(path, (nbformat.writes(notebook) + "\n").encode())


def check(source: Path) -> list[str]:
    """What is wrong with the two notebooks of a source on disk; nothing is run or written."""
    problems = []
    for role in ROLES:
        path, expected = notebook_path(source, role), make_notebook(source, role)
        found = _read(path)
        if not path.exists():
            problem = "has not been built"
        elif found is None:
            problem = "cannot be read as a notebook"
        elif not _as_written(found):
            problem = f"has been edited; edits belong in {relative(source)}"
        elif found.metadata.lab != expected.metadata.lab:
            problem = f"is stale: {relative(source)} or the builder has changed since"
        elif any(c.cell_type == "code" and c.execution_count is None for c in found.cells):
            problem = "has cells that were not run"
        else:
            problems += [f"{relative(path)}: {p}" for p in output_problems(found)]
            continue
        problems.append(f"{relative(path)} {problem}. Run: python lab.py build {source.stem[:2]}")
    return problems


def orphans(folder: Path = NOTEBOOKS) -> list[Path]:
    """Numbered notebooks that no source makes."""
    expected = {notebook_path(source, role) for source in sources(folder) for role in ROLES}
    return [
        path
        for pattern in ("[0-9][0-9]_*.ipynb", "solutions/[0-9][0-9]_*.ipynb")
        for path in sorted(folder.glob(pattern))
        if path not in expected
    ]


def _keep_edited(path: Path, folder: Path) -> Path | None:
    """Copy a notebook aside, into `folder`, if it is not as the builder left it."""
    if not path.exists() or _as_written(_read(path)):
        return None
    number = 1
    while (kept := folder / f"{path.stem}.{number}.ipynb").exists():
        number += 1
    write_atomically(kept, path.read_bytes())
    return kept


def _as_written(notebook: nbformat.NotebookNode | None) -> bool:
    lab = notebook.metadata.get("lab", {}) if notebook is not None else {}
    return "cells_sha256" in lab and lab["cells_sha256"] == _digest(notebook)


def _read(path: Path) -> nbformat.NotebookNode | None:
    """The notebook, or None if there is none that can be read."""
    try:
        return nbformat.read(path, as_version=4)
    except Exception:  # whatever JSON holds, nbformat stumbles over it in its own way
        return None


def main(arguments: list[str] | None = None, folder: Path = NOTEBOOKS) -> int:
    """The command; returns the exit code, 1 if anything is wrong."""
    parser = argparse.ArgumentParser(
        prog="lab.py build",
        description="Build the notebooks.",
        epilog="With --nbgrader: notebooks for nbgrader instead; see build --nbgrader --help.",
    )
    parser.add_argument("numbers", nargs="*", metavar="NN", help="only these, such as 02")
    parser.add_argument("--check", action="store_true", help="only say what is stale")
    parser.add_argument("--no-execute", action="store_true", help="do not run them (a draft)")
    options = parser.parse_args(arguments)
    by_number = {source.stem[:2]: source for source in sources(folder)}
    wanted = [number.zfill(2) for number in options.numbers] or list(by_number)
    if unknown := [number for number in wanted if number not in by_number]:
        parser.error(f"no notebook {', '.join(unknown)}; there are {', '.join(by_number)}")
    if not wanted:
        parser.error(f"there is no source in {relative(folder / 'source')}")

    def report(message: str) -> None:
        if message.endswith("\n") or sys.stderr.isatty():
            print(f"{message.rstrip():<70}", end=message[-1], file=sys.stderr, flush=True)

    problems = []
    for number in wanted:
        try:
            if options.check:
                problems += check(by_number[number])
            else:
                build(by_number[number], not options.no_execute, report)
        except (SourceError, BuildError, OSError) as e:
            problems.append(str(e))
    if options.check and not options.numbers:
        problems += [f"{relative(path)} has no source. Delete it." for path in orphans(folder)]
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems and options.check:
        print(f"{2 * len(wanted)} notebooks are as their sources say.")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
