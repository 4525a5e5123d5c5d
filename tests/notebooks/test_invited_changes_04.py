"""Notebook 04 with another number of rounds."""

import pytest
from changed_cells import everything_shows, run_changed  # noqa: F401

from course_utils.labs.lottery_ticket import live


@pytest.mark.parametrize("number", ["1", "2", "8", "0", "50", "1.5", "None"])
def test_another_number_of_rounds(number, monkeypatch):
    monkeypatch.setattr(live, "STEPS", 50)
    run_changed("04", "my_rounds = 3", f"my_rounds = {number}")
