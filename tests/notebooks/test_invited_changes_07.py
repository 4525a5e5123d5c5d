"""Notebook 07 with what a student changes: another layer, another image, a layer of one's own."""

import re

import numpy as np
import pytest
from test_wrong_answers import as_shipped, code_of, in_the_notebooks_folder, run_cell  # noqa: F401

from course_utils.labs.integer_arithmetic import exercises, scenes
from course_utils.machines import data
from course_utils.views import checks
from course_utils.workshop.notebook_builder import sources

NOTEBOOK = next(source for source in sources() if source.name.startswith("07_"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('dense_layer("dense1")', 'dense_layer("dense2")'),
        ("images.x_test[:1]", "images.x_test[40:41]"),
    ],
)
def test_another_layer_or_image(old, new, monkeypatch):
    monkeypatch.setattr(checks, "after", lambda ids, show: show())
    cells = code_of(NOTEBOOK)
    start, end = (
        next(i for i, text in enumerate(cells) if part in text)
        for part in ("scenes.dense_layer(", "scenes.in_place_of(")
    )
    namespace = dict(as_shipped(NOTEBOOK))
    for text in cells[start : end + 1]:
        run_cell(text.replace(old, new), namespace)


@pytest.fixture(scope="module")
def layer():
    images = data.load("fashion_mnist").x_test[:20]
    return scenes.dense_layer(), *scenes.layer_codes("dense1", images)


def test_a_layer_of_ones_own_is_counted(layer, capsys):
    dense, x, y = layer
    scenes.in_place_of(dense, exercises.fully_connected, x, y)
    assert capsys.readouterr().out == "0 of 1,280 codes differ from the network's\n"
    scenes.in_place_of(dense, lambda *_: y + 1.0, x, y)
    assert capsys.readouterr().out.startswith("1,280 of 1,280")


@pytest.mark.parametrize(
    "function",
    [None, lambda *_: ..., lambda: 1, lambda *_: "text", lambda *_: np.zeros(3),
     lambda *_: [[1], [2, 3]], lambda x, *_: x.fill(0)],
)  # fmt: skip
def test_whatever_it_gives_becomes_one_sentence(function, layer, capsys):
    dense, x, y = layer
    before = x.copy()
    scenes.in_place_of(dense, function, x, y)
    said = capsys.readouterr().out
    assert said.startswith("Your ")
    assert said.count("\n") == 1
    assert np.array_equal(x, before)


def test_tflm_beside_the_engine_with_and_without_it(capsys):
    answers = np.zeros((5, 10), np.int8)
    scenes.against_tflm(answers[:3], answers)
    assert capsys.readouterr().out == "0 of 30 output values differ from IntegerModel's\n"
    scenes.against_tflm(answers[:3] + 1, answers)
    assert "Please report this" in capsys.readouterr().out
    scenes.against_tflm(None, answers)
    assert "Recorded" in capsys.readouterr().out


def test_a_layer_of_ones_own_changes_the_networks_answers(layer, capsys):
    dense, x, y = layer
    truth = data.load("fashion_mnist").y_test
    scenes.in_place_of(dense, exercises.fully_connected, x, y, truth)
    said = capsys.readouterr().out.splitlines()[1]
    right, of, own = (int(n) for n in re.findall(r"\d+", said))
    assert (right, of) == (own, 20)
    scenes.in_place_of(dense, lambda *_: np.full(y.shape, np.nan), x, y, truth)
    said = capsys.readouterr().out.splitlines()[1]
    assert int(re.findall(r"\d+", said)[0]) < own
    ten = scenes.answered(dense, lambda *_: y[:10] * 0, x, y)
    assert len(set(ten.answers)) == 1
    assert np.array_equal(scenes.answered(dense, None, x, y).answers,
                          scenes.model().run(scenes.codes_of(data.load("fashion_mnist").x_test[:10])
                                             ).argmax(axis=1))  # fmt: skip


def test_rescaling_is_counted_channel_by_channel(layer):
    dense, x, y = layer
    truth = data.load("fashion_mnist").y_test
    mine, once, truncated = scenes.rescaled_table(exercises.requantize, dense, x, y, truth).rows
    assert mine[1] == "0"
    assert int(truncated[1].replace(",", "")) > int(once[1])
    as_lists = scenes.rescaled_table(
        lambda *a: exercises.requantize(*a).tolist(), dense, x, y, truth
    )
    assert as_lists.rows[0][1] == "0"


def test_biases_that_are_wrong_are_counted():
    right = scenes.biases_table(exercises.bias_code).rows
    wrong = scenes.biases_table(lambda b, *_: b * 0).rows
    assert all(row[1].startswith("0 of") for row in right)
    assert not any(row[1].startswith("0 of") for row in wrong)
