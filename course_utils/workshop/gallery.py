"""A gallery of the notebooks' explorers: those that need no kernel, and stills of those that do.

    python lab.py figures --html

It is a folder of plain files, `figures/explorers/`, that any static host can serve and that opens
from the disk. What it shows are the explorers as the notebooks call them.
"""

from __future__ import annotations

import ast
import contextlib
import html
import importlib
import re
import typing
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template
from typing import NamedTuple

import ipywidgets

from course_utils import env
from course_utils.machines import data
from course_utils.views import in_browser, standalone, widgets
from course_utils.workshop import cells

SOURCES = env.ROOT / "notebooks" / "source"
FOLDER = env.ROOT / "figures" / "explorers"


class Shown(NamedTuple):
    """A call of an explorer in a notebook."""

    name: str  # of its file, such as 02-magnitude-pruning
    notebook: str  # such as 02_magnitude_pruning
    title: str  # of the notebook
    kind: type  # what the call returns: a Sweep, Sweeps or Explorer
    make: Callable
    statement: str = ""  # that shows it, as `ast.unparse` writes it

    def address(self, site: str) -> str:
        """Where the lab's site shows its cell."""
        cell = cells.with_statement(self.notebook, self.statement)
        return in_browser.address(site, self.notebook, cell)

    @property
    def needs_kernel(self) -> bool:
        return issubclass(self.kind, widgets.Explorer)


def explorers(sources: Path = SOURCES) -> list[Shown]:
    """The explorers that the notebooks show, in their order: there is no other list of them.

    A cell shows one with a line such as ``explorers.descent()``. What it is says the function's
    return annotation; without one, ValueError is raised. Left out are what is no widget, such as a
    `style.Picture`, which does not move, and a call with what the reader made before, which exists
    in the notebook only.
    """
    found = []
    for source in sorted(sources.glob("*.py")):
        text = source.read_text(encoding="utf-8")
        title = next(line for line in text.splitlines() if line.startswith("# # "))
        calls = [call for call in _calls(text) if issubclass(call[1], ipywidgets.Widget)]
        times = Counter(function.__name__ for function, *_ in calls)
        for function, kind, arguments, named, statement in calls:
            words = [source.stem[:2], function.__name__]
            if times[function.__name__] > 1:
                words += [*map(str, arguments), *map(str, named.values())]
            found.append(
                Shown(
                    re.sub(r"[^a-z0-9]+", "-", "-".join(words).lower()),
                    source.stem,
                    title.removeprefix("# # "),
                    kind,
                    lambda f=function, a=arguments, n=named: f(*a, **n),
                    statement,
                )
            )
    return found


def _calls(text):
    """(function, what it returns, its arguments, the line) of each that only calls an explorer."""
    modules = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.ImportFrom) and "labs" in (statement.module or "").split("."):
            modules |= {name.asname or name.name: f"{statement.module}.{name.name}"
                        for name in statement.names if name.name == "explorers"}  # fmt: skip
        elif isinstance(statement, ast.Expr) and (call := _uncovered(statement.value)):
            function, arguments, named = call
            if not (isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)):
                continue
            if function.value.id not in modules:
                continue
            module = modules[function.value.id]
            made = getattr(importlib.import_module(module), function.attr)
            kind = typing.get_type_hints(made).get("return")
            if kind is None:
                raise ValueError(
                    f"{module}: say what {function.attr} returns, such as -> widgets.Sweep."
                )
            with contextlib.suppress(ValueError):  # an argument that is no plain value
                arguments = [ast.literal_eval(value) for value in arguments]
                named = {word.arg: ast.literal_eval(word.value) for word in named}
                yield made, kind, arguments, named, ast.unparse(statement)


def _uncovered(value):
    """(function, arguments, named ones) of a call, or of the one that `checks.after` makes."""
    if not isinstance(value, ast.Call):
        return None
    if ast.unparse(value.func) != "checks.after":
        return value.func, value.args, value.keywords
    show = value.args[1]
    if isinstance(show, ast.Lambda):
        return _uncovered(show.body)
    return show, [], []


def write(folder: Path = FOLDER, say: Callable[[str], None] = print, site: str = "") -> None:
    """Write every explorer that needs no kernel, a still of each, and the page to browse them.

    site: the address of the lab's site, if each is to have a link to its cell there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for shown in explorers():
        box = shown.make()
        png, alt, size = box._picture()
        still = standalone.webp(standalone.pixels_of(png))
        data.write_atomically(folder / f"{shown.name}.webp", still)
        row = {"description": box.description, "alt": alt, "size": size, "site": site}
        if shown.needs_kernel:
            source = env.ROOT / "notebooks" / f"{shown.notebook}.ipynb"
            data.write_atomically(folder / source.name, source.read_bytes())
        else:
            path = folder / f"{shown.name}.html"
            box.save_html(path, site and shown.address(site))
            row["bytes"] = path.stat().st_size
            say(f"{path.name}: {row['bytes'] / 1e6:.2f} MB")
        rows.append((shown, row))
    data.write_atomically(folder / "index.html", page(rows).encode())
    say(f"To browse: {folder / 'index.html'}")


def page(rows: list[tuple[Shown, Mapping]]) -> str:
    """The gallery's page. rows: each explorer, and its description, alt, size and bytes."""
    alone = [_card(*row) for row in rows if not row[0].needs_kernel]
    kernel = [_card(*row) for row in rows if row[0].needs_kernel]
    return _PAGE.substitute(alone="\n".join(alone), kernel="\n".join(kernel))


def _card(shown, row):
    width, height = row["size"]
    title, alt = html.escape(row["description"]), html.escape(row["alt"])
    if shown.needs_kernel:
        target, more = f"{shown.notebook}.ipynb", ""
    else:
        target = f"{shown.name}.html"
        frame = (
            f'<iframe src="{target}" title="{title}" loading="lazy" '
            f'style="width: 100%; aspect-ratio: {width} / {height + 190}; border: 0"></iframe>'
        )
        more = (
            f"{row['bytes'] / 1e6:.2f} MB\n<details><summary>To put it into a page</summary>"
            f"<pre>{html.escape(frame)}</pre></details>"
        )
    if shown.needs_kernel and row["site"]:
        live = html.escape(shown.address(row["site"]))
        more = f'<p><a href="{live}">{standalone.RUN_IT}</a></p>'
    return _CARD.substitute(
        target=target,
        name=shown.name,
        title=title,
        alt=alt,
        notebook=html.escape(shown.title),
        width=width,
        height=height,
        more=more,
    )


_CARD = Template("""\
<li><a href="$target"><img src="$name.webp" alt="$alt" width="$width" height="$height"
 loading="lazy"><strong>$title</strong></a>
<p>Notebook $notebook</p>
$more</li>""")

_PAGE = Template("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>Explorers of the model-optimization lab</title>
<style>
body {max-width: 75rem; margin: 1rem auto; padding: 0 1rem; line-height: 1.5;
  font-family: system-ui, sans-serif}
ul {display: grid; grid-template-columns: repeat(auto-fill, minmax(min(22rem, 100%), 1fr));
  gap: 2rem; padding: 0; list-style: none}
li, a {min-width: 0}
a:focus-visible, summary:focus-visible {outline: 3px solid #E67817; outline-offset: 2px}
img {display: block; width: 100%; height: auto; background: white; border: 1px solid #8A8A8A}
li p {margin: 0}
pre {white-space: pre-wrap; overflow-wrap: anywhere}
</style>
</head>
<body>
<main>
<h1>Explorers of the model-optimization lab</h1>
<h2>Without a kernel</h2>
<p>Each is one file that moves in any browser, with or without a network.</p>
<ul>
$alone
</ul>
<h2>In the notebooks</h2>
<p>These compute what they show, so they need Python: <code>python lab.py</code> opens the
notebooks. The links give each notebook as it was last run.</p>
<ul>
$kernel
</ul>
</main>
</body>
</html>
""")
