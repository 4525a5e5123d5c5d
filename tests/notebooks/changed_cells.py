"""Run a student notebook with a cell changed as its prose invites: for test_invited_changes_*."""

import pytest
from test_wrong_answers import as_shipped, code_of, names_in, run_cell

from course_utils.views import checks
from course_utils.views.checks import ledger
from course_utils.workshop.notebook_builder import sources


@pytest.fixture(autouse=True)
def everything_shows(monkeypatch):
    """The notebooks' folder, an empty ledger, and nothing covered."""
    monkeypatch.chdir(sources()[0].parents[1])
    monkeypatch.setattr(ledger, "LEDGER", ledger.Ledger())
    monkeypatch.setattr(checks, "after", lambda ids, show: show())


def run_changed(number: str, old: str, new: str) -> None:
    """Put `new` for `old` in the first cell that has it; run that, and each later one it concerns.

    Raises what a cell raises.
    """
    source = next(path for path in sources() if path.stem.startswith(number))
    cells = code_of(source)
    place = next(i for i, text in enumerate(cells) if old in text)
    namespace = dict(as_shipped(source))
    cells[place] = cells[place].replace(old, new)
    changed = set()
    for i, text in enumerate(cells[place:]):
        names = names_in(text)
        if i == 0 or changed & names["used"]:
            changed |= names["made"]
            run_cell(text, namespace)
