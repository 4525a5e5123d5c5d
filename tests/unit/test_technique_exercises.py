"""Notebooks 08 and 09: what scenes say of the records, and what answers are told."""

import numpy as np
import pytest

from course_utils.labs.post_training_quantization import figures as technique_figures
from course_utils.labs.post_training_quantization import scenes as techniques
from course_utils.labs.quantization_aware_training import figures as training_figures
from course_utils.labs.quantization_aware_training import scenes as training_aware
from course_utils.machines import data, evaluation
from course_utils.views import checks
from course_utils.views.checks import check


@pytest.fixture(autouse=True)
def fresh_ledger(monkeypatch):
    monkeypatch.setattr(checks.ledger, "LEDGER", checks.ledger.Ledger())


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ({"float32", "int8", "int16x8"}, "passed"),
        (["int16x8", "int8", "float32"], "passed"),
        (..., "not attempted"),
        ({"dynamic", "float32", "int8", "int16x8"}, "dynamic"),
        ({"float16", "float32", "int8", "int16x8"}, "float16"),
        ({"int8", "int16x8"}, "float32"),
        ({"float32", "int8"}, "integer"),
        ("int8", "float32"),
        ({"int4"}, "unknown_mode"),
        (3, "not_a_set"),
    ],
)
def test_what_tflm_runs(answer, told):
    result = check("08.tflm", answer, truth=techniques.runs_on_tflm("fashion_cnn"))
    assert told == (result.mistake or result.state)


@pytest.mark.parametrize(
    ("answer", "told"),
    [("a", "passed"), ("b", "largest"), ("c", "last_layer"), ("d", "another_layer"),
     ("e", "not_a_layer"), (7, "not_a_layer")],
)  # fmt: skip
def test_which_layer_to_spare(answer, told):
    right = {None: 40.0, "a": 60.0, "b": 45.0, "d": 41.0, "c": 40.0}
    sizes = {"a": 9, "b": 900, "d": 50, "c": 30}
    result = check("08.selective", answer, evaluate=right.get, sizes=sizes)
    assert told == (result.mistake or result.state)


def test_the_solution_of_selective_is_the_best_of_all():
    name = techniques.SELECTIVE_NETWORK
    right = {layer: techniques.left_in_float(layer) for layer in techniques.layers_of(name)}
    assert max(right, key=right.get) == "depthwise3"
    with pytest.raises(ValueError, match="has the layers conv1"):
        techniques.left_in_float("conv9")


def test_states_say_what_the_record_says():
    record = data.result("techniques").record["networks"]["fashion_cnn"]
    states = techniques.techniques("fashion_cnn")
    assert [state.rows[state.chosen].mode for state in states] == list(techniques.MODES)
    for state in states:
        row = state.rows[state.chosen]
        counted = record[row.mode]["reference"]
        assert row.correct == counted["correct"]
        assert row.loss_interval[0] <= row.loss <= row.loss_interval[1]
        assert row.size["file"] == row.size["kernels"] + row.size["biases"] + row.size["rest"]
        assert f"{row.size['file'] / 1000:.1f} kB" in technique_figures.alt_techniques(state)


def test_bounds_that_the_notebook_claims():
    """int8 within half a point, paired; kernels exactly four times smaller, the file 3.6 times."""
    rows = {row.mode: row for row in techniques.techniques("fashion_cnn")[0].rows}
    assert rows["int8"].loss_interval[1] < 0.5
    assert rows["float32"].size["kernels"] == 4 * rows["int8"].size["kernels"]
    assert techniques.file_ratio("fashion_cnn") >= 3.6
    for network in techniques.NETWORKS:  # neither int8 nor int16x8 is shown to be better
        low, high = techniques.paired(network, "int8", "int16x8").interval
        assert low < 0 < high


def test_layer_errors_are_those_of_the_sweep():
    states = techniques.layer_errors("fashion_dscnn")
    assert [state.bits for state in states] == [8, 7, 6, 5, 4, 3, 2]
    assert states[-1].every > states[0].every
    assert "depthwise3 costs most" in technique_figures.alt_layer_errors(states[4])
    figure = technique_figures.draw_layer_errors(states[0])
    for state in states:
        technique_figures.draw_layer_errors(state, figure)
        widths = [figure.moving[f"bar{i}"].get_width() for i in range(len(state.rows))]
        assert widths == [loss for loss, _, _ in state.rows.values()]


@pytest.mark.parametrize("bits", [2, 3, 4, 6])
def test_the_true_gradient_stands_still_and_the_other_arrives(bits):
    last = training_aware.descent(bits)[-1]
    assert np.ptp(last.weights["true gradient"]) == 0
    step = last.codes[1] - last.codes[0]
    walked = last.weights["straight-through"][-1]
    nearest = training_figures.nearest(walked, last.codes)
    assert abs(nearest - last.target) <= step
    assert last.losses["straight-through"][-1] < last.losses["true gradient"][-1]
    every = np.abs(last.codes[:, None] - np.linspace(-1.2, 1.2, 401)).argmin(axis=0)
    found = training_figures.nearest(np.linspace(-1.2, 1.2, 401), last.codes)
    assert np.mean(found == last.codes[every]) > 0.98  # ties may fall to either side


def test_four_bits_fail_after_training_and_are_repaired_by_it():
    state = training_aware.bits_results()
    assert state.seeds >= 5
    assert training_aware.lost(4, "ptq").low >= 5
    assert training_aware.recovered(4).low >= 80
    assert state.means["ptq"][4][2] < state.means["qat"][4][1]  # intervals do not overlap
    assert max(state.values["control_ptq"][4]) < min(state.values["qat"][4])


def test_eight_bits_per_channel_leave_nothing_to_repair():
    assert training_aware.lost(8, "ptq", "ptq_vs_qat_8bit").high < 0.5
    assert training_aware.qat_against_ptq().low > -0.5  # QAT is no half point better


def test_recorded_counts_agree_with_the_recorded_images():
    result = data.result("qat_bits")
    n = result.record["n"]["test"]
    for method, bits, seed in (("ptq", 8, 1), ("qat", 4, 3), ("control", 32, 5)):
        right = np.unpackbits(result.arrays[f"{method}_{bits}_{seed}"], count=n)
        before = np.unpackbits(result.arrays["float32"], count=n)
        rows = result.record[method][str(bits)]
        compared = evaluation.compare(evaluation.count(before), evaluation.count(right))
        position = result.record["seed"].index(seed)
        assert rows["correct"]["test"][position] == right.sum()
        assert rows["newly_wrong"]["test"][position] == compared.newly_wrong
        assert rows["newly_right"]["test"][position] == compared.newly_right


def test_the_lectures_differences():
    found = {
        (name, what): measured for name, what, measured in training_aware.lecture_differences()
    }
    assert found["MobileNet v1 1.0 224", "float to PTQ"].low > 0
    assert found["MobileNet v2 1.0 224", "float to QAT"].low > 0
    unclear = found["MobileNet v2 1.0 224", "PTQ to QAT"]
    assert unclear.low < 0 < unclear.high
