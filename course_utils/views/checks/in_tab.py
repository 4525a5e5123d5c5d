"""In a browser tab a cell ends with what is recorded of it; see `course_utils.views.in_browser`."""

from __future__ import annotations

import ast
import logging

from IPython import get_ipython
from IPython.display import display

from course_utils.views import in_browser
from course_utils.views.checks import cover


def start() -> None:
    """Let the cells of this kernel end with their record where a browser lacks what they need."""
    # Every page would begin with a message that a cache of fonts is built.
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)
    shell = get_ipython()
    if shell is not None:
        shell.events.register("pre_run_cell", in_browser.remember)
        shell.set_custom_exc((ImportError, NameError, OSError, RuntimeError), _handle)


def _handle(shell, kind, error, traceback, tb_offset=None):
    source = in_browser.cell()
    found = in_browser.instead(error, source)
    if found is None:
        shell.showtraceback((kind, error, traceback), tb_offset=tb_offset)
    else:
        display(behind_its_predictions(source, found, shell.user_ns))


def behind_its_predictions(source: str, shown, names: dict):
    """What is shown in a cell's place, covered where the cell would have covered it.

    A cell that ends before its `checks.after(...)` must not answer what was not guessed yet.
    """
    for node in ast.walk(in_browser.parsed(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "checks.after":
            ids = eval(ast.unparse(node.args[0]), dict(names))
            return cover.after(ids, lambda: shown)
    return shown
