"""The Watch network for an ATmega328P: it fits, and its record says what the shipped files do."""

import numpy as np
import pytest

from course_utils.engines import float_engine, layer_specs
from course_utils.engines.integer_engine import IntegerModel
from course_utils.labs.tflite_micro_export import avr, experiments
from course_utils.machines import data, evaluation, micro, models
from course_utils.numbers import intervals

RAM = 2048  # bytes of an ATmega328P
NETWORKS = (avr.NETWORK, avr.FULL)


@pytest.fixture(scope="module")
def record():
    return data.result("avr_network").record


def test_its_activations_leave_room_for_the_stack_and_float32_does_not_fit(record):
    tflite = data.model(avr.NETWORK)
    assert experiments.peak_bytes(tflite) <= max(micro.alive(micro.activations(tflite))) <= 1024
    assert experiments.peak_bytes(data.model(avr.FULL)) > RAM
    assert {op.name for op in micro.compatibility(tflite).operators} <= set(micro.C_OPERATORS)
    assert len(tflite) < 10_000
    for name in NETWORKS:
        peak = record["networks"][name]["peak_bytes"]
        assert peak["int8"] == experiments.peak_bytes(data.model(name))
        assert peak["float32"] == 4 * peak["int8"] > RAM


@pytest.mark.parametrize("name", NETWORKS)
def test_what_layers_need_is_what_the_file_needs(name):
    layers = data.checkpoint(name).layers
    assert avr.need(layers).peak_bytes == experiments.peak_bytes(data.model(name))
    assert avr.need(layers).fits == (name == avr.NETWORK)


def test_every_candidate_fits_and_is_another_network():
    assert all(avr.need(layers).fits for layers in avr.CANDIDATES.values())
    written = {str(layers) for layers in avr.CANDIDATES.values()}
    assert len(written) == len(avr.CANDIDATES)
    for name, layers in avr.CANDIDATES.items():
        *_, last = layer_specs.describe(layers, avr.INPUT_SHAPE)
        assert last.output_shape == (7,), name
    need = avr.Need(avr.MOST_PARAMETERS, avr.MOST_MACS, avr.MOST_RAM)
    assert need.fits
    assert not need._replace(peak_bytes=avr.MOST_RAM + 1).fits


def test_batch_norm_and_flatten_need_no_ram():
    plain, normalised = avr.CANDIDATES[avr.CHOSEN], avr.CANDIDATES[f"{avr.CHOSEN}, batch norm"]
    assert [layer["op"] for layer in normalised[:3]] == ["conv2d", "batch_norm", "relu"]
    assert avr.need(plain).peak_bytes == avr.need(normalised).peak_bytes == 600 + 25 * 16


def test_the_record_tried_all_candidates_and_chose_the_best_on_validation(record):
    tried = {row["architecture"]: row for row in record["tried"]}
    assert list(tried) == list(avr.CANDIDATES)
    assert avr.CANDIDATES[record["chosen"]] is models.FOR_ONE_CHIP[avr.NETWORK]
    best = max(tried, key=lambda name: sum(tried[name]["validation"]["correct"]))
    assert best == record["chosen"]
    for name, row in tried.items():
        assert {**row, **avr.need(avr.CANDIDATES[name])._asdict()} == row
        assert "test" not in row
        assert len(row["validation"]["correct"]) == len(record["seed"]) == 5
        low, high = row["validation"]["interval_95"]
        assert low < row["validation"]["mean"] < high
    # The seeds of the chosen one are those of the comparison.
    counted = record["networks"][avr.NETWORK]["seeds"]["float32"]["validation"]
    assert counted == tried[record["chosen"]]["validation"]


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("split", ["validation", "test"])
def test_the_recorded_answers_are_those_of_the_shipped_files(name, split, record):
    dataset, tflite, network = data.load("watch"), data.model(name), data.checkpoint(name)
    x, y = getattr(dataset, f"x_{split}"), getattr(dataset, f"y_{split}")
    recorded = record["networks"][name]
    outputs = IntegerModel(tflite).run(evaluation.to_input(x, tflite))
    correct = int((outputs.argmax(axis=1) == y).sum())
    assert correct == recorded["int8"][split]["correct"]
    answers = float_engine.predict(network.layers, network.weights, x)
    # Another processor's rounding may turn an answer that was on the edge.
    assert abs(int((answers == y).sum()) - recorded["float32"][split]["correct"]) <= 2
    row = recorded["int8"][split]
    assert row["interval_95"] == [round(end, 4) for end in intervals.wilson(correct, len(y))]
    assert sum(own["correct"] for own in row["by_subject"].values()) == correct
    assert sum(own["n"] for own in row["by_subject"].values()) == len(y) == row["n"]
    assert recorded["sha256"] == data.manifest()["files"][f"models/{name}_int8.tflite"]["sha256"]
    assert recorded["parameters"] == sum(np.size(w) for w in network.weights.values())


@pytest.mark.parametrize("kind", ["float32", "int8"])
def test_the_pairing_adds_up(kind, record):
    full, small = (record["networks"][name][kind]["test"] for name in (avr.FULL, avr.NETWORK))
    paired = record["against_the_full"][kind]["test"]
    assert paired["correct"] == small["correct"]
    assert full["correct"] - paired["newly_wrong"] + paired["newly_right"] == small["correct"]
    assert paired["interval"][0] < paired["loss"] < paired["interval"][1]


def test_the_four_networks_that_notebooks_compare_stay_four():
    assert set(models.ARCHITECTURES).isdisjoint(models.FOR_ONE_CHIP)
    assert list(models.ARCHITECTURES) == [
        "fashion_cnn", "fashion_dscnn", "lenet_300_100", "watch_cnn"
    ]  # fmt: skip
    every = {**models.ARCHITECTURES, **models.FOR_ONE_CHIP}
    assert set(models.INPUT_SHAPES) == set(models.DATASETS) == set(every)


@pytest.mark.tensorflow
def test_layers_without_a_name_train_as_the_named_network_does():
    """The experiment trains candidates by their layers; the shipped one is trained by name."""
    from course_utils.machines import training

    dataset, recipe = data.load("watch"), {**training.RECIPES[avr.NETWORK], "epochs": 1}
    layers = avr.CANDIDATES[avr.CHOSEN]
    model = training.initial_model(layers, 3, avr.INPUT_SHAPE)
    log = training.fit(layers, model, dataset.x_train, dataset.y_train, dataset, recipe)
    named = training.train(avr.NETWORK, epochs=1, seed=3)
    assert log == named.record["log"]
    for name, value in models.get_weights(model).items():
        np.testing.assert_allclose(value, named.weights[name], rtol=1e-4, atol=1e-6, err_msg=name)
