"""The book's figures: they draw, move as they are drawn, say what they show, and keep their ids."""

import json
from pathlib import Path

import numpy as np
import pytest

from course_utils.figures import book, pruning, registry, weights
from course_utils.scenes import pruning as scenes
from course_utils.scenes import weights as weight_scenes

IDS = Path(__file__).resolve().parents[2] / "figures" / "ids.txt"



@pytest.mark.parametrize("entry", registry.ENTRIES, ids=lambda entry: entry.id)
def test_a_figure_is_written_the_same_twice_and_says_what_it_shows(entry, tmp_path):
    told = book.write(entry, tmp_path / "a")
    assert book.write(entry, tmp_path / "b") == told
    for suffix in ("svg", "pdf", "png"):
        one, other = ((tmp_path / d / f"{entry.id}.{suffix}").read_bytes() for d in "ab")
        assert one == other, suffix
        assert len(one) > 5000
    assert any(c.isdigit() for c in told["alt"])
    assert told["alt"].endswith(".")
    assert (Path(__file__).parents[2] / f"notebooks/source/{entry.notebook}.py").exists()


def test_no_id_was_renamed_or_given_twice():
    ids = [entry.id for entry in registry.ENTRIES]
    assert len(set(ids)) == len(ids)
    assert set(IDS.read_text().split()) == set(ids)


def test_an_unknown_id_offers_the_nearest():
    with pytest.raises(KeyError, match="fig-boards"):
        registry.find(["fig-board"])
    assert book.main(["fig-nothing-like-it"]) == 2


def test_main_writes_a_manifest(tmp_path, monkeypatch):
    monkeypatch.setattr(book, "FOLDER", tmp_path)
    assert book.main(["fig-pruning-sensitivity"]) == 0
    assert book.main(["fig-boards"]) == 0
    told = json.loads((tmp_path / "manifest.json").read_text())
    assert [row["id"] for row in told] == ["fig-boards", "fig-pruning-sensitivity"]


@pytest.fixture(scope="module")
def states():
    return scenes.pruned_states(scenes.pruning_sweep("watch_cnn"), "conv2")


def test_a_moved_picture_is_the_picture_drawn_there(states):
    moved = pruning.draw_magnitude_pruning(states[0])
    for state in (states[40], states[20]):
        pruning.draw_magnitude_pruning(state, moved)
    kept, removed = moved.moving["kept"].get_data(), moved.moving["removed"].get_data()
    fresh = pruning.draw_magnitude_pruning(states[20]).moving
    assert np.array_equal(kept.values, fresh["kept"].get_data().values)
    assert np.array_equal(removed.values, fresh["removed"].get_data().values)
    assert np.array_equal(moved.moving["mask"].get_array(), fresh["mask"].get_array())
    for name, artist in moved.moving.items():
        if name.endswith("text"):
            assert artist.get_text() == fresh[name].get_text()


def test_the_picture_shows_the_numbers(states):
    state = states[20]
    moving = pruning.draw_magnitude_pruning(state).moving
    kept = np.count_nonzero(np.abs(state.weights) > state.threshold)
    assert moving["kept"].get_data().values.sum() == kept
    assert moving["removed"].get_data().values.sum() == state.weights.size
    assert moving["mask"].get_array().sum() == kept
    assert moving["accuracy text"].get_text() == f"{state.correct / state.total:.1%}"
    assert moving["sparsity conv2"].get_width() == pytest.approx(1 - kept / state.weights.size)
    assert moving["bytes dense"].get_width() == states[0].bytes["dense"]


def test_masks_have_one_row_for_each_output():
    conv = np.zeros((3, 3, 2, 4), np.float32)
    conv[..., 1] = 1  # the second filter
    assert pruning.mask_picture(conv, 0.5).sum(axis=1).tolist() == [0, 18, 0, 0]
    depthwise = np.zeros((3, 3, 5, 1), np.float32)
    depthwise[:, :, 4] = 1
    assert pruning.mask_picture(depthwise, 0.5).sum(axis=1).tolist() == [0, 0, 0, 0, 9]


def test_the_distribution_moves_with_the_layer():
    layers = weight_scenes.own_network("fashion_cnn")
    figure = weights.draw_distribution(layers)
    weights.draw_distribution(layers._replace(chosen=2), figure)
    shown = figure.moving["histogram"].get_data().values
    assert shown.sum() == pytest.approx(1)
    assert "dense1" in figure.moving["numbers"].get_text()
    assert "dense1" in weights.alt_distribution(layers._replace(chosen=2))


def test_pictures_that_do_not_move_say_so():
    state = scenes.sensitivity("watch_cnn")
    figure = pruning.draw_sensitivity(state)
    with pytest.raises(ValueError, match="does not move"):
        pruning.draw_sensitivity(state, figure)
