"""Notebook 10 with other bits, and an answer that stops on real data."""

import pytest
from changed_cells import everything_shows, run_changed  # noqa: F401

from course_utils.labs.deep_compression import live


@pytest.mark.parametrize("bits", ["1", "2", "6", "8", "0", "9", "4.5", "None", "True", "'4'"])
def test_another_width(bits, monkeypatch):
    monkeypatch.setattr(live, "STEPS", 20)
    run_changed("10", "my_bits = 4", f"my_bits = {bits}")


@pytest.mark.parametrize("guess", ["13", "0", "'fourteen'", "None"])
def test_another_sum_by_hand(guess):
    run_changed("10", "bits_by_hand = ...", f"bits_by_hand = {guess}")
