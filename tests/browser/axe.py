"""axe-core on a page: what of ours breaks a rule of accessibility, in light and dark.

axe-core (MPL-2.0, of Deque Systems) comes with the package axe-playwright-python, only for tests.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest

THEMES = ("JupyterLab Dark", "JupyterLab Light")  # the last one stays, for the next notebook
OUTPUTS = ".jp-OutputArea-output"


@cache
def script() -> str:
    """axe-core's source. Without the package the test skips, or fails if LAB_REQUIRE_TOOLS=1."""
    try:
        import axe_playwright_python
    except ModuleNotFoundError:
        missing = "no axe-core (pip install axe-playwright-python)"
        if os.environ.get("LAB_REQUIRE_TOOLS") == "1":
            pytest.fail(f"LAB_REQUIRE_TOOLS=1, but there is {missing}")
        pytest.skip(f"2026-12-01: a test of accessibility, and there is {missing}")
    folder = Path(axe_playwright_python.__file__).parent
    return (folder / "axe.min.js").read_text(encoding="utf-8")


def violations(page, selector: str = "html", **options) -> list[str]:
    """A line for each element below `selector` that breaks a rule.

    options: of `axe.run`, such as runOnly=["color-contrast"].
    """
    page.evaluate(script())
    found = page.evaluate(
        """async ([selector, options]) => {
             const {violations} = await axe.run(selector, options);
             return violations.flatMap(({id, nodes}) => nodes
               .map(node => `${id}: ${node.target} ${node.html.slice(0, 160)} ` +
                 node.failureSummary.split('\\n').slice(1).join(' ').slice(0, 240)));
           }""",
        [selector, {"resultTypes": ["violations"], **options}],
    )
    return sorted(found)


def violations_of_outputs(book) -> list[str]:
    """The violations in all outputs of a notebook that is open and has run.

    On the dark theme only those of contrast, since all else is the same.
    """
    page = book.page
    # axe leaves out what is not on the screen. JupyterLab scrolls inside a body without height.
    page.set_viewport_size({"width": 1280, "height": 20_000})
    page.evaluate(
        """() => {
             const notebook = lab.panel().content;
             notebook.notebookConfig = {...notebook.notebookConfig, windowingMode: 'none'};
             document.body.style.height = '100vh';
             document.querySelectorAll('.jp-WindowedPanel-outer')
               .forEach(e => { e.scrollTop = 0; });
           }"""
    )
    found = []
    for theme in THEMES:
        page.evaluate(
            "theme => jupyterapp.commands.execute('apputils:change-theme', {theme})", theme
        )
        light = theme == "JupyterLab Light"
        attribute = f"[data-jp-theme-light={'true' if light else 'false'}]"
        page.wait_for_selector(attribute, state="attached")
        page.wait_for_timeout(500)  # the style sheet of the theme
        options = {} if light else {"runOnly": ["color-contrast"]}
        found += [f"{theme}, {line}" for line in violations(page, OUTPUTS, **options)]
    return found
