"""Which cell of a notebook shows a figure of the book or an explorer: for the book's links.

Nobody keeps a list of it. An explorer's cell holds the call that the gallery found; a figure's is
one whose calls lead, from function to function of the labs, to what draws the figure.
"""

from __future__ import annotations

import ast
import dis
import importlib
import inspect
import json
from collections.abc import Callable, Iterator
from functools import cache
from types import CodeType

from course_utils import env

LABS = "course_utils.labs."


def with_statement(notebook: str, statement: str) -> str:
    """The id of the first cell that has a statement, as `ast.unparse` writes it; "" for none."""
    for identity, tree in trees(notebook).items():
        if any(ast.unparse(each) == statement for each in tree.body):
            return identity
    return ""


def drawing(notebook: str, draw: Callable, scene: Callable) -> str:
    """The id of the cell that shows what `draw` makes of `scene()`; "" for none.

    Of the cells whose calls lead to `draw`: first those that lead to the scene's data as well, then
    those that share most texts with the scene (a network's name), then the fewest calls.
    """
    ranks = {}
    imported: dict = {}
    for identity, tree in trees(notebook).items():
        imported |= dict(_imported(tree))
        code = compile(tree, identity, "exec")
        named = list(_named(code, imported))
        if calls := _calls_to(draw, named):
            foreign = [data for data in _leads_to(scene) if not _calls_to(data, named)]
            shared = _texts(scene.__code__) & _texts(code)
            ranks[identity] = len(foreign), -len(shared), calls
    return min(ranks, key=ranks.__getitem__, default="")


@cache
def trees(notebook: str) -> dict[str, ast.Module]:
    """The code cells of a student notebook in their order, {id: syntax tree}."""
    path = env.ROOT / "notebooks" / f"{notebook}.ipynb"
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    code = (cell for cell in cells if cell["cell_type"] == "code")
    return {cell["id"]: ast.parse("".join(cell["source"])) for cell in code}


def _imported(tree):
    """(name, what it stands for) of each import from this package."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("course_utils"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                yield alias.asname or alias.name, getattr(module, alias.name)


def _calls_to(goal, functions) -> int:
    """In how many calls these functions lead to `goal`, breadth first; 0 if they don't."""
    seen, depth = set(), 1
    while functions:
        functions = [function for function in map(inspect.unwrap, functions)
                     if not (function in seen or seen.add(function))]  # fmt: skip
        if goal in functions:
            return depth
        functions = [held for function in functions for held in _leads_to(function)]
        depth += 1
    return 0


def _leads_to(function) -> Iterator[Callable]:
    """The functions of labs that a function, or a method of a class, names."""
    if inspect.isclass(function):
        yield from filter(inspect.isfunction, vars(function).values())
    elif inspect.isfunction(function):
        yield from _named(function.__code__, function.__globals__)


def _named(code: CodeType, namespace: dict) -> Iterator[Callable]:
    """The labs' functions and classes that a piece of code names, also as `module.name`."""
    held = None
    for step in dis.get_instructions(code):
        if step.opname in ("LOAD_GLOBAL", "LOAD_NAME"):
            held = namespace.get(step.argval)
        elif step.opname in ("LOAD_ATTR", "LOAD_METHOD") and inspect.ismodule(held):
            held = getattr(held, step.argval, None)
        elif step.opname != "EXTENDED_ARG":
            held = None
        if callable(held) and str(getattr(held, "__module__", "")).startswith(LABS):
            yield held
    for inner in _inside(code):
        yield from _named(inner, namespace)


def _texts(code: CodeType) -> set[str]:
    """The texts in a piece of code and in the functions inside it."""
    texts = {each for each in code.co_consts if isinstance(each, str)}
    return texts.union(*map(_texts, _inside(code)))


def _inside(code: CodeType) -> list[CodeType]:
    """The functions inside a piece of code."""
    return [each for each in code.co_consts if isinstance(each, CodeType)]
