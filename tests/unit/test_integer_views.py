"""Notebook 07's scenes, pictures, explorers and recorded comparison."""

import itertools

import numpy as np
import pytest

from course_utils.engines import float_engine
from course_utils.engines import integer_engine as engine
from course_utils.labs.integer_arithmetic import (
    exercises,
    experiments,
    explorers,
    figures,
    lecture,
    scenes,
)
from course_utils.machines import data
from course_utils.numbers import intervals
from course_utils.numbers.quantization import QParams

DENSE = ("dense1", "dense2")


@pytest.fixture(scope="module")
def record():
    return data.result("integer_equality").record


# ------------------------------------------------------------------ from sums to codes


def test_the_stairs_at_the_ends_of_every_slider():
    figure = None
    for real, zero, bits, activation in itertools.product(
        (10**-4.5, 0.0813, 10**0.5), (-128, 0, 127), (12, 24), ("NONE", "RELU", "RELU6")
    ):
        state = scenes.requantization(real, zero, 50_000, bits, activation)
        assert state.multiplier * 2.0 ** (state.shift - 31) == pytest.approx(real, rel=2**-30)
        assert state.qmin <= state.codes.min()
        assert state.codes.max() <= state.qmax
        unsaturated = (state.real(state.sums) > state.qmin) & (state.real(state.sums) < state.qmax)
        error = state.codes - state.real(state.sums)
        assert np.abs(error[unsaturated]).max(initial=0) <= 0.5 + 2.0 ** min(state.shift, 0) / 2
        assert 0 <= state.saturated <= 1
        figure = figures.draw_requantization(state, figure)
        assert f"{state.multiplier:,}" in figure.moving["words"].get_text()
        assert f"{state.multiplier:,}" in figures.alt_requantization(state)
    figure.canvas.draw()


def test_relu_is_a_clip_of_codes_at_the_zero_point():
    for activation, qmax in (("RELU", 127), ("RELU6", -20 + 150)):
        state = scenes.requantization(0.01, -20, 0, 18, activation)
        assert (state.qmin, state.qmax) == (-20, min(127, qmax))
        tensor = QParams(scenes.OUTPUT_SCALE, -20, -128, 127)
        assert engine.activation_range(activation, tensor) == (state.qmin, state.qmax)


def test_a_moved_picture_is_the_picture_drawn_there():
    first, second = scenes.requantization(0.01, 5), scenes.requantization(0.0813, -9, 300, 14)
    moved = figures.draw_requantization(second, figures.draw_requantization(first)).moving
    fresh = figures.draw_requantization(second).moving
    for name in ("codes", "near codes", "near truncated", "error", "qmax"):
        np.testing.assert_array_equal(moved[name].get_xydata(), fresh[name].get_xydata())
    assert moved["words"].get_text() == fresh["words"].get_text()
    assert moved["above"].get_bbox().bounds == fresh["above"].get_bbox().bounds


def test_rounding_twice_leaves_half_a_step_where_the_shift_is_small():
    explorer = explorers.requantization()
    explorer.set(real_multiplier=10**-1.09, bits=14)
    assert explorer.result.shift == -3
    inside = (explorer.result.near_codes > -128) & (explorer.result.near_codes < 127)
    error = (explorer.result.near_codes - explorer.result.real(explorer.result.near))[inside]
    assert 0.55 < np.abs(error).max() < 0.57
    for button in explorer.children[2].children:
        button.click()
        assert explorer._refusal.value == ""


# ------------------------------------------------------------------ a real layer


@pytest.mark.parametrize("layer", DENSE)
def test_the_layer_that_students_write_gives_the_networks_codes(layer):
    dense = scenes.dense_layer(layer)
    x, expected = scenes.layer_codes(layer, data.load("fashion_mnist").x_test[:200])
    limits = dense.qmin, dense.qmax
    sums = (x.astype(np.int64) - dense.x_zero) @ dense.weights.T.astype(np.int64) + dense.bias
    found = engine.requantize(sums, dense.multipliers, dense.shifts, dense.y_zero, *limits)
    assert np.array_equal(found, expected)
    if layer == "dense1":  # with a ReLU
        arguments = (dense.weights, dense.bias, dense.x_zero, dense.multipliers, dense.shifts)
        assert np.array_equal(
            exercises.fully_connected(x, *arguments, dense.y_zero), expected
        )  # fmt: skip


@pytest.mark.parametrize("layer", DENSE)
def test_the_bias_exercise_gives_the_files_biases(layer):
    dense = scenes.dense_layer(layer)
    real = data.checkpoint("fashion_cnn").weights[f"{layer}/bias"]
    codes = exercises.bias_code(
        real, dense.x_scale, dense.weight_scales.astype(np.float64), dense.y_scale
    )
    assert np.array_equal(codes, dense.bias)


def test_a_layer_without_weights_of_that_form_is_named():
    with pytest.raises(ValueError, match="conv1 is a CONV_2D"):
        scenes.dense_layer("conv1")


def test_the_terms_add_up_to_the_code():
    for index in range(5):
        state = scenes.terms(index)
        scaled = state.real_multiplier * state.accumulator + state.zero_point
        assert abs(min(scaled, 127) - state.code) <= 0.5
        assert state.z2_q1 == state.z1_z2 == 0
        assert abs(state.real - state.float32) < 0.2
        assert f"{state.accumulator:,}" in figures.alt_terms(state)
    with pytest.raises(ValueError, match="does not move"):
        figures.draw_terms(state, figures.draw_terms(state))


@pytest.mark.parametrize("network", scenes.NETWORKS)
def test_every_layer_is_traced_beside_its_float_twin(network):
    figure = None
    for layer in scenes.layer_names(network):
        if network != "watch_cnn":  # whose input is no picture
            state = scenes.trace(3, layer, network)
            assert np.sqrt(np.mean(state.steps**2)) < 3
            figure = figures.draw_trace(state, figure)
            assert layer in figures.alt_trace(state)
    errors = scenes.step_errors(20, network)
    assert list(errors) == scenes.layer_names(network)
    assert all(0 < error < 6 for error in errors.values())


def test_a_trace_moves_to_what_is_drawn_there():
    explorer = explorers.trace()
    explorer.set(index=40, layer="softmax")
    fresh = figures.draw_trace(scenes.trace(40, "softmax")).moving
    moving = explorer.figure.moving
    np.testing.assert_array_equal(moving["codes"].get_array(), fresh["codes"].get_array())
    for i in range(10):
        assert moving[f"int8 {i}"].get_width() == fresh[f"int8 {i}"].get_width()
    assert "Shirt and T-shirt/top" in explorer._alt_text


def test_only_one_of_the_first_200_images_gets_another_class():
    x = data.load("fashion_mnist").x_test[:200]
    checkpoint = data.checkpoint("fashion_cnn")
    ours = scenes.model().run(scenes.codes_of(x)).argmax(axis=1)
    theirs = float_engine.predict(checkpoint.layers, checkpoint.weights, x)
    assert np.flatnonzero(ours != theirs).tolist() == [40]


def test_montages_hold_every_channel():
    codes = np.arange(2 * 3 * 5, dtype=np.int8).reshape(2, 3, 5)
    picture = figures.montage(codes)
    assert np.isfinite(picture).sum() == codes.size
    assert np.isfinite(figures.montage(np.zeros(10, np.int8))).sum() == 10


# ------------------------------------------------------------------ the record


def test_the_record_is_of_the_shipped_files(record):
    files = data.manifest()["files"]
    assert set(record["networks"]) == set(scenes.NETWORKS)
    for path, sha256 in record["models"].items():
        assert files[path]["sha256"] == sha256, f"{path} changed: {record['command']}"


@pytest.mark.parametrize("network", scenes.NETWORKS)
def test_the_recorded_counts_belong_together(record, network):
    rows = record["networks"][network]
    assert rows["others"]["TFLM"] == {"differing": 0, "inputs": 0, "by": {}}
    for other in rows["others"].values():
        assert sum(other["by"].values()) == other["differing"] >= other["inputs"]
    for other in rows["classes"].values():
        assert other["correct"] == rows["correct"] - other["newly_wrong"] + other["newly_right"]
        assert other["changed"] >= other["newly_wrong"] + other["newly_right"]
    for row in rows["operators"]:
        for kind in scenes.KINDS:
            assert set(row[kind]["by"]) <= {"1"}
        if "float32" in row:
            assert row["float32"]["xnnpack"] == 0
            assert row["operator"] != "FULLY_CONNECTED" or row["one rounding"]["reference"] == 0
        else:
            assert row["xnnpack"]["differing"] == 0


def test_no_loss_can_be_told_from_zero():
    for network in scenes.NETWORKS:
        for lost in (scenes.lost("float32", network), scenes.truncation_lost(network)):
            low, high = lost.interval
            assert low <= 0 <= high


def test_the_answers_to_the_predictions_are_in_their_ranges():
    assert scenes.images_differing("TFLM").value == 0
    assert 100 < scenes.images_differing("LiteRT XNNPACK").value <= 1000
    assert 0 < scenes.classes_changed("truncating").value <= 100
    assert (800 * 128 * 128).bit_length() + 1 == 25
    low, high = intervals.wilson(9030, 10_000)
    assert scenes.accuracy().interval == pytest.approx((100 * low, 100 * high))


def test_a_part_of_the_record_measured_again(record):
    tflite = data.model("watch_cnn", "int8")
    x = scenes.codes_of(data.load("watch").x_test[: record["operator_inputs"]], "watch_cnn")
    assert experiments.compare_operators(tflite, x) == record["networks"]["watch_cnn"]["operators"]


def test_truncating_by_the_bias_is_a_floor():
    """Against a true floor, on the sums of dense1: off where a sum is next to a whole step."""
    dense, x = scenes.dense_layer("dense1"), data.load("fashion_mnist").x_test[:100]
    codes, _ = scenes.layer_codes("dense1", x)
    sums = (codes.astype(np.int64) - dense.x_zero) @ dense.weights.T.astype(np.int64) + dense.bias
    floor = np.floor(dense.real_multipliers * sums) + dense.y_zero
    changed = engine.IntegerModel(experiments.truncating(data.model("fashion_cnn", "int8")))
    bias = changed.graph.tensors[changed.graph.operators[dense.index].inputs[2]].data
    moved = sums - dense.bias + bias
    found = engine.requantize(moved, dense.multipliers, dense.shifts, dense.y_zero)
    assert np.mean(found != np.clip(floor, -128, 127)) < 0.001


def test_the_lecture_is_quoted_and_met_where_it_is():
    states = {row.claim: row.state for row in lecture.rows()}
    assert list(states.values()) == ["agrees", "agrees", "differs", "agrees"]
    kernels = scenes.kernels()
    assert "23 of 31" in figures.alt_kernels(kernels)
    figures.draw_kernels(kernels).canvas.draw()
    assert scenes.explained_table().rows[2][2:] == ("24,240,000", "0")
    assert [row[0] for row in scenes.comparison_table().rows] == list(scenes.NETWORKS)
    with pytest.raises(ValueError, match="No recorded comparison"):
        scenes.accuracy(network="resnet")
