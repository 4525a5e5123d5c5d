"""No answer, however wrong, turns a cell red.

Every student notebook is run as it ships. Then each exercise is given each declared mistake, and
what nobody declares (nothing, text, missing keys, a function that raises or leaves ...): its own
cell runs again, and every later cell that uses the answer or what was made of it. A cell fails if
it raises.
"""

import ast
import contextlib
import io
import re
from functools import cache

import pytest

from course_utils import labs
from course_utils.views import checks
from course_utils.views.checks import ledger
from course_utils.views.checks.exercises import JUDGES
from course_utils.workshop.notebook_builder import make_notebook, sources

CHECK = re.compile(r'checks\.check\(\s*"(?P<id>[\w.]+)",\s*(?P<name>\w+)')

labs.modules("exercises")


def raising(*_):
    raise KeyError("conv1/kernel")


def leaving(*_):
    raise SystemExit(3)


ODD_FUNCTIONS = (None, "text", 7, raising, leaving, lambda *_: None, lambda *_: "text",
                 lambda *_: 10**400, lambda: 1, lambda *a: a[0])  # fmt: skip
ODD_VALUES = (None, "text", 10**400, float("nan"), [], {}, {"nobody": "knows"}, (1, 2), max)


def wrong_answers(id):
    """What students may give: the declared mistakes, then oddities."""
    judge = JUDGES[id]
    if not isinstance(judge, checks.Exercise):
        return list(ODD_VALUES)
    found = []
    for mistake in judge.mistakes:
        ways = mistake.gives if isinstance(mistake.gives, tuple) else (mistake.gives,)
        found += ways if judge.function else [way(*judge.cases[-1]) for way in ways]
    return [*found, *(ODD_FUNCTIONS if judge.function else ODD_VALUES)]


def code_of(source):
    """The student's code cells."""
    return [c.source for c in make_notebook(source, "student").cells if c.cell_type == "code"]


def exercises_of(source):
    """{exercise id: (index of its cell, the name that holds the answer)}"""
    return {found["id"]: (index, found["name"])
            for index, text in enumerate(code_of(source))
            for found in CHECK.finditer(text)}  # fmt: skip


EXERCISES = [pytest.param(source, id, id=id) for source in sources() for id in exercises_of(source)]


@cache
def as_shipped(source):
    """The names that the whole notebook, run without any answer, leaves."""
    namespace = {"__name__": "__main__", "display": lambda *_, **__: None}
    for text in code_of(source):
        run_cell(text, namespace)
    return namespace


@pytest.fixture(autouse=True)
def in_the_notebooks_folder(monkeypatch):
    monkeypatch.chdir(sources()[0].parents[1])
    monkeypatch.setattr(ledger, "LEDGER", ledger.Ledger())


@pytest.mark.parametrize(("notebook", "id"), EXERCISES)
def test_no_cell_fails_after_a_wrong_answer(notebook, id):
    cells, (place, name) = code_of(notebook), exercises_of(notebook)[id]
    shipped = as_shipped(notebook)
    replaced = only_through_yours(cells, place, name)
    for number, answer in enumerate(wrong_answers(id)):
        namespace, changed = {**shipped, name: answer}, {name}
        start = next(m.start() for m in CHECK.finditer(cells[place]) if m["id"] == id)
        later = [cells[place][start:], *cells[place + 1 :]]
        if replaced and number > 1:  # what follows is the same for all that are not passed
            later = later[:1]
        for text in later:
            names = names_in(text)
            if text is not later[0] and not changed & names["used"]:
                continue
            changed |= names["made"]
            try:
                run_cell(text, namespace)
            except BaseException as error:
                said = f"{type(error).__name__}: {error}"
                pytest.fail(f"{said}\nafter {name} = {answer!r} in\n{text}")


def only_through_yours(cells, place, name):
    """Whether every later cell takes the answer from `checks.yours`, which replaces a wrong one."""
    taken = False
    for text in cells[place + 1 :]:
        calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)
                 and ast.unparse(node.func) == "checks.yours"]  # fmt: skip
        within = {node for call in calls for node in ast.walk(call)}
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.name == name:
                return False
        tree = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
        uses = [node.lineno for node in tree if node.id == name]
        inside = [node.lineno for node in within if isinstance(node, ast.Name) and node.id == name]
        if len(uses) != len(inside):
            return False
        taken = taken or bool(inside)
    return taken


def names_in(text):
    """The names that a cell uses, and those that it makes."""
    names = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)]
    made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
    made |= {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
    return {"used": {node.id for node in names if isinstance(node.ctx, ast.Load)}, "made": made}


def run_cell(text, namespace):
    """Execute a cell and show what its last line gives, as a notebook does."""
    body = ast.parse(text).body
    last = body.pop().value if body and isinstance(body[-1], ast.Expr) else None
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(ast.Module(body, []), "<cell>", "exec"), namespace)
        if last is not None:
            value = eval(compile(ast.Expression(last), "<cell>", "eval"), namespace)
            repr(value)
            if hasattr(value, "_repr_mimebundle_"):
                value._repr_mimebundle_()
