"""No solution reaches a student's notebook: not its cells, not its outputs, not its metadata.

The solutions are found here by reading the source's lines, not with the builder's parser: a
fault of the parser must not hide itself.
"""

import re

import nbformat
import pytest

from course_utils.workshop.notebook_builder import make_notebook, notebook_path

DISTINCTIVE = 10  # characters; a shorter line, such as `return x`, may stand anywhere


def squeeze(text):
    return re.sub(r"\s+", "", text)


def solution_lines(text):
    """The distinctive lines of all solutions in a source, without their white space."""
    secrets, rest = [], []
    inside = whole = False
    for line in text.splitlines():
        if line.startswith("# %%"):
            whole = '"solution"' in line
        elif "# BEGIN SOLUTION" in line:
            inside = True
        elif "# END SOLUTION" in line:
            inside = False
        elif inside or whole:
            secrets.append(line.removeprefix("# ") if whole else line)
        elif line.endswith("# SOLUTION"):
            name, _, value = line.removesuffix("# SOLUTION").partition("=")
            secrets.append(value)
            rest.append(name)
        else:
            rest.append(line)
    visible = squeeze("\n".join(rest))
    secrets = [squeeze(line.split("  # ")[0]) for line in secrets]
    return [line for line in secrets if len(line) >= DISTINCTIVE and line not in visible]


def strings(value):
    """All text in a notebook: cells, outputs and metadata; of pictures only that they are."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from strings(item)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield key
            if not key.startswith("image/"):
                yield from strings(item)


def leaks(text, notebook):
    shown = [squeeze(string) for string in strings(notebook)]
    return [line for line in solution_lines(text) if any(line in string for string in shown)]


def test_no_solution_reaches_a_student(source):
    text = source.read_text(encoding="utf-8")
    assert leaks(text, make_notebook(source, "student")) == []
    path = notebook_path(source, "student")
    assert path.exists(), f"{path.name} has not been built. Run: python lab.py build"
    assert leaks(text, nbformat.read(path, as_version=4)) == []


def test_every_solution_is_in_the_solution_notebook(source):
    """The other half: what the search looks for is there to be found."""
    text = source.read_text(encoding="utf-8")
    assert leaks(text, make_notebook(source, "solution")) == solution_lines(text)


SOURCE = """
# %%
def threshold(weights, s):
    # BEGIN SOLUTION
    sigma = weights.std()
    return s * sigma
    # END SOLUTION
limit = 3 * threshold(w, 2)  # SOLUTION
# %% tags=["solution"]
print("the secret cell")
"""


def test_the_distinctive_lines_are_found():
    found = ["sigma=weights.std()", "returns*sigma", "3*threshold(w,2)", 'print("thesecretcell")']
    assert solution_lines(SOURCE) == found


@pytest.mark.parametrize(
    "where",
    [
        {"cells": [{"source": "x = 1\nsigma  = weights.std()"}]},
        {"cells": [{"outputs": [{"text": ">>> sigma = weights.std()"}]}]},
        {"cells": [{"outputs": [{"data": {"text/html": "<b>sigma = weights.std()</b>"}}]}]},
        {"cells": [{"outputs": [{"traceback": ["", "----> sigma = weights.std()"]}]}]},
        {"metadata": {"note": "sigma = weights.std()"}},
    ],
)
def test_a_leak_is_found_wherever_it_is(where):
    assert leaks(SOURCE, where) == ["sigma=weights.std()"]
