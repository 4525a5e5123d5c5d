"""Notebook 03: scenes agree with floor 1 and the records, pictures with both, answers are told."""

import numpy as np
import pytest

from course_utils.engines import layer_specs
from course_utils.labs.structured_pruning import explorers, figures, scenes
from course_utils.machines import data
from course_utils.numbers import coding, pruning
from course_utils.views import checks
from course_utils.views.checks import check


@pytest.fixture(autouse=True)
def fresh_ledger(monkeypatch):
    monkeypatch.setattr(checks.ledger, "LEDGER", checks.ledger.Ledger())


@pytest.fixture(scope="module")
def connections():
    return scenes.connections()


def test_every_fraction_leaves_what_the_record_says(connections):
    for state in connections[::6]:
        assert state.left["synapses"] == pytest.approx(1 - state.fraction, abs=0.002)
        assert state.dead["neurons"] == [
            round(300 * state.fraction), round(100 * state.fraction), 0
        ]  # fmt: skip
        for what in figures.PRUNED:
            assert state.curve[what][0] == connections[0].correct[what] / state.total


def test_pruned_neurons_take_all_of_their_connections_along_and_no_other(connections):
    for state in connections:
        alive = state.alive["neurons"]
        for column, kept in enumerate(state.kept["neurons"]):
            assert np.array_equal(kept, np.outer(alive[column], alive[column + 1]))


def test_moved_graphs_are_the_graphs_drawn_there(connections):
    moved = figures.draw_connections(connections[0])
    figures.draw_connections(connections[12], moved)
    fresh = figures.draw_connections(connections[12])
    for name, artist in moved.moving.items():
        if "lines" in name:
            assert np.array_equal(artist.get_linewidths(), fresh.moving[name].get_linewidths())
            what, column = name.split(" lines ")
            drawn = np.asarray(artist.get_linewidths()) > 0
            assert drawn.sum() == connections[12].kept[what][int(column)].sum()
        elif name.endswith("text"):
            assert artist.get_text() == fresh.moving[name].get_text()


@pytest.mark.parametrize("layer", scenes.PATTERN_LAYERS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_patterns_along_the_inputs_hold_and_elsewhere_do_not(layer, n):
    right, wrong, free = (scenes.pattern(layer, n, along) for along in figures.PATTERNS)
    assert right.broken == 0
    assert 0 < wrong.broken < wrong.groups
    assert 0 < free.broken < free.groups
    assert right.energy["inputs"] < right.energy["anywhere"]
    assert right.kept.reshape(scenes.BLOCK, -1, scenes.M).sum(axis=2).tolist() == [[n] * 4] * 16
    for state in (right, wrong):
        crossed = figures.draw_pattern(state).moving["broken"].get_segments()
        broken = (state.kept.reshape(scenes.BLOCK, -1, scenes.M).sum(axis=2) > n).sum()
        assert len(crossed) == 2 * broken


def test_patterns_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match="take one of inputs, outputs, anywhere"):
        scenes.pattern(along="diagonal")


def test_the_explorer_of_patterns_moves():
    explorer = explorers.patterns()
    explorer.set(along="outputs", n=3)
    assert explorer.result.broken > 0
    explorer.reset()
    assert (explorer.result.n, explorer.result.along, explorer.result.broken) == (2, "inputs", 0)


def test_bytes_are_those_of_encodings_of_the_pruned_kernels():
    states = scenes.storage("fashion_cnn", "unstructured")
    state = next(s for s in states if s.sparsity[s.chosen] == 0.9)
    expected = dict.fromkeys(set(figures.FORMATS) - {"tflite_sparse"}, 0)
    network = data.checkpoint("fashion_cnn")
    for name in layer_specs.kernel_names(network.layers):
        kernel = network.weights[name]
        limit = pruning.ThresholdIndex(kernel).threshold(0.9)
        matrix = scenes.output_rows(np.where(np.abs(kernel) > limit, kernel, 0))
        for key, size in coding.ledger(matrix, expected).items():
            expected[key] += size
    assert {key: int(state.sizes[key][state.chosen]) for key in expected} == expected
    drawn = figures.draw_storage(state).moving
    assert all(drawn[f"bar {key}"].get_width() == size for key, size in expected.items())


def test_the_lecture_s_losses_are_relative_to_its_dense_scores():
    points = scenes.lecture_points()
    assert len(points) == 4 + 6 + 2
    inception = next(p for p in points if p.model == "InceptionV3" and p.sparsity == 87.5)
    assert inception.loss == pytest.approx(100 * (78.1 - 74.6) / 78.1)
    assert inception.low < inception.loss < inception.high
    pattern = next(p for p in points if p.model == "DS-CNN-L, 2 by 4")
    assert pattern.loss == pytest.approx(100 * (95.23 - 94.33) / 95.23)
    assert pattern.low is None


def test_a_speed_is_told_from_a_share_that_was_measured():
    times = (1.0, 0.5, 1.0, 1.2, 2.0)
    line = figures.SpeedLine("blocks", (0.0, 0.5, 0.7, 0.8, 0.9), times, times, times)
    assert line.faster_from() == 0.8
    assert line.pays_from() == pytest.approx(0.727, abs=0.001)
    assert line._replace(times=(1.0, 1.2, 1.3, 1.3, 1.0)).faster_from() is None


# --- answers as students write them, one for each misconception ------------------------------


@pytest.mark.parametrize(
    ("id", "answer", "mistake"),
    [
        ("03.channels", lambda kernel: np.linalg.norm(kernel, axis=-1), "last_axis_summed"),
        ("03.channels", lambda kernel: np.sqrt((kernel**2).sum(axis=(0, 1, 3))), "input_axis"),
        ("03.channels", lambda kernel: abs(kernel).sum(axis=(0, 1, 2)), "l1"),
        ("03.remove", lambda k, b, following, keep: (k[..., keep], b[keep], following),
         "next_forgotten"),
        ("03.remove", lambda k, b, following, keep: (k * keep, b * keep, following * keep[:, None]),
         "masked"),
        ("03.share_left", lambda before, here: 1 - here, "outputs_only"),
        ("03.share_left", lambda before, here: 1 - before - here, "added"),
        ("03.two_by_four", lambda kernel: pruning.n_m_mask(kernel, axis=1), "wrong_axis"),
        ("03.two_by_four", lambda kernel: abs(kernel) > np.median(abs(kernel)), "unstructured"),
        ("03.two_by_four",
         lambda kernel: (np.argsort(-abs(kernel).reshape(-1, 4, kernel.shape[1]), axis=1) < 2)
         .reshape(kernel.shape), "one_argsort"),
        ("03.break_even", lambda value_bits, index_bits: 0, "nothing"),
        ("03.break_even", lambda value_bits, index_bits: index_bits / value_bits, "bitmap"),
        ("03.schedule", lambda t, steps, final: final * t / steps, "linear"),
        ("03.schedule", lambda t, steps, final: final * (t / steps) ** 3, "slow_first"),
    ],
)  # fmt: skip
def test_answers_are_told_their_misconception(id, answer, mistake):
    result = check(id, answer)
    assert (result.state, result.mistake) == ("not yet", mistake)


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ("b", "passed"),
        ("c", "chosen_on_test"),
        ("d", "loses_too_much"),
        ("a", "most_accurate"),
        ("e", "not_the_sparsest"),
        ("f", "not_the_best_of_equals"),
        ("g", "not_a_run"),
        (0.9, "not_a_name"),
        (..., "not attempted"),
    ],
)
def test_a_run_is_chosen_on_validation(answer, told):
    runs = {
        "a": {"sparsity": 0.5, "validation": -0.3, "test": -0.1},
        "b": {"sparsity": 0.9, "validation": 0.6, "test": 0.9},
        "c": {"sparsity": 0.9, "validation": 0.8, "test": 0.4},
        "d": {"sparsity": 0.98, "validation": 2.0, "test": 1.2},
        "e": {"sparsity": 0.75, "validation": 0.1, "test": 0.2},
        "f": {"sparsity": 0.9, "validation": 0.9, "test": 1.1},
    }
    result = check("03.choose", answer, runs=runs)
    assert told == (result.mistake or result.state)
