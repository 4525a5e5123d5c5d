"""Notebook 00 with another network, board or choice in its explorer."""

import pytest
from changed_cells import everything_shows, run_changed  # noqa: F401

from course_utils.labs.start_here import explorers, figures, scenes
from course_utils.machines import data, models


@pytest.mark.parametrize("network", [n for n in models.ARCHITECTURES if n != "fashion_cnn"])
def test_another_network(network):
    run_changed("00", 'checkpoint("fashion_cnn")', f"checkpoint({network!r})")


@pytest.mark.parametrize("board", [board["name"] for board in data.boards()])
def test_another_board(board):
    run_changed("00", "Arduino Nano 33 BLE", board)
    run_changed("00", "Arduino Uno R3", board)


@pytest.mark.parametrize("network", models.ARCHITECTURES)
def test_every_choice_of_the_explorer_is_told(network):
    for bits in explorers.BITS:
        assert f"{network} at {bits} bits" in figures.alt_fit(scenes.fit(network, bits))
