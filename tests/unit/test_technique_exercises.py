"""Notebooks 08 and 09: what scenes say of the records, and what answers are told."""

import numpy as np
import pytest

from course_utils.labs.post_training_quantization import exercises
from course_utils.labs.post_training_quantization import figures as technique_figures
from course_utils.labs.post_training_quantization import scenes as techniques
from course_utils.labs.quantization_aware_training import exercises as training_exercises
from course_utils.labs.quantization_aware_training import figures as training_figures
from course_utils.labs.quantization_aware_training import loop
from course_utils.labs.quantization_aware_training import scenes as training_aware
from course_utils.machines import data, evaluation
from course_utils.numbers import intervals
from course_utils.views import checks


@pytest.fixture(autouse=True)
def fresh_ledger(monkeypatch):
    monkeypatch.setattr(checks.ledger, "LEDGER", checks.ledger.Ledger())


def test_greedy_choices_on_the_network_itself():
    names, loss, extra = techniques.prices()
    assert names == techniques.layers_of(techniques.SELECTIVE_NETWORK)
    assert extra.tolist() == [7 * n // 2 for n in techniques.sizes("fashion_dscnn").values()]
    table = techniques.spared_with(exercises.spare)
    spent = [int(row[1].replace(",", "")) for row in table.rows[:-1]]
    assert all(s <= budget for s, budget in zip(spent, techniques.BUDGETS, strict=True))
    accuracy = [float(row[3]) for row in table.rows]
    assert accuracy[0] == techniques.left_in_float(())
    # "A few kilobytes, spent where they count, win back most of what 4 bits lose."
    assert accuracy[4] - accuracy[0] > 0.7 * (accuracy[-1] - accuracy[0])
    assert table.rows[5][3] < table.rows[5][4]  # "there the other rule wins"
    with pytest.raises(ValueError, match="has the layers conv1"):
        techniques.left_in_float(("conv9",))


def test_one_of_two_equal_losses_is_real():
    assert techniques.real_difference() == "B"
    a, b = (techniques.compared_pair(key) for key in "AB")
    assert abs(100 * a.loss - 100 * b.loss) < 0.1
    assert a.interval[0] < 0 < b.interval[0]
    pairs = data.result("paired_differences").record["pairs"]
    for key, real in (("A", False), ("B", True)):  # on other images, too
        counted = pairs[key]["validation"]
        p = intervals.mcnemar_exact(counted["newly_wrong"], counted["newly_right"])
        assert (p < 0.01) is real
    table = techniques.differences_with(exercises.disagreements)
    assert [row[2] for row in table.rows] == ["0.71", "0.75"]


def test_the_technique_table_has_sixteen_measured_cells():
    table = techniques.technique_table("Mode 'int8' needs calibration data to measure: pass some")
    told = data.lecture_table("quantization_techniques")["rows"]
    assert len(table.rows) == 4
    for row, words in zip(table.rows, told, strict=True):
        for cell, word in zip(row[1:], words[1:], strict=True):
            assert cell.startswith(f"“{word}”\n")
            assert len(cell) > len(word) + 15
    assert "Mode 'int8' needs calibration data" in table.rows[2][1]


def test_what_the_prose_says_of_speed_is_what_was_recorded():
    speed = techniques.speedup
    assert speed("lenet_300_100", "int8").low > 4  # "gains more than the lecture's number"
    for network in ("fashion_cnn", "fashion_dscnn"):
        assert speed(network, "int8").high < 1  # "slower than float32"
        assert 0.9 < speed(network, "float16").value < 1.1  # "at the same speed"
    assert speed("lenet_300_100", "dynamic").low > 1 < speed("fashion_cnn", "dynamic").low
    assert speed("fashion_dscnn", "dynamic").high < 1  # "except with depthwise kernels"
    assert data.result("technique_table").record["machine"]["processor"]


def test_no_order_of_the_accuracies_is_shown():
    right = {mode: techniques._right("fashion_dscnn", mode)
             for mode in ("float32", "float16", "dynamic", "int8", "qat")}  # fmt: skip
    for before, after in (("float32", "float16"), ("float16", "dynamic"), ("dynamic", "int8"),
                          ("int8", "qat"), ("float32", "int8")):  # fmt: skip
        low, high = evaluation.compare(right[before], right[after]).interval
        assert low < 0 < high


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
        left, right = figure.moving_axis.get_xlim()
        ends = [end for _, *interval in state.rows.values() for end in interval]
        assert left < min(ends)
        assert max(ends) < right < 1.3 * max(1, *ends) + 0.1  # the axis fits
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


def test_a_students_two_functions_train_a_network():
    right = training_exercises.straight_through
    runs = {
        name: loop.train(training_exercises.fake_quantize, gradient)
        for name, gradient in (("straight-through", right), ("true gradient", loop.true_derivative))
    }
    through, true = runs["straight-through"], runs["true gradient"]
    assert through.accuracy[0] == true.accuracy[0] < 65
    assert through.accuracy[-1] > 84 > 75 > true.accuracy[-1]  # "won back for the most part"
    tenth = through.accuracy[through.steps.index(10)]
    assert tenth - through.accuracy[0] > 0.7 * (89.2 - through.accuracy[0])
    assert true.moved == 0 < through.moved
    shipped = data.checkpoint(loop.NETWORK).weights
    moved = {name for name, w in true.weights.items() if not np.array_equal(w, shipped[name])}
    assert moved == {"dense3/bias"}  # "the ten biases of the last layer"
    again = loop.train(training_exercises.fake_quantize, right)
    assert again.accuracy == through.accuracy
    state = training_aware.curves(runs, loop.BITS)
    assert f"0 of {state.kernels:,}" in training_figures.alt_curves(state)
    assert len(training_aware.answers(through, loop.BITS)) == len(through.steps)


def test_the_step_is_gradient_descent():
    """Where nothing is rounded, the step's gradient is the loss's slope."""
    rng = np.random.default_rng(3)
    shapes = dict(zip(loop.LAYERS, ((6, 5), (5, 4), (4, 10)), strict=True))
    weights = {f"{name}/kernel": rng.normal(0, 0.3, shape) for name, shape in shapes.items()}
    weights |= {f"{layer}/bias": rng.normal(0, 0.1, n)
                for layer, n in zip(loop.LAYERS, (5, 4, 10), strict=True)}  # fmt: skip
    x, y, largest = rng.random((8, 6)), rng.integers(0, 10, 8), dict.fromkeys(loop.LAYERS, 1e9)

    def loss():
        a = x
        for layer in loop.LAYERS:
            sums = a @ weights[f"{layer}/kernel"] + weights[f"{layer}/bias"]
            a = np.maximum(sums, 0)
        return -np.log(loop.softmax(sums)[np.arange(8), y]).mean()

    rounded, loop_round = loop.round_activation, lambda sums, most: np.clip(sums, 0, most)
    try:
        loop.round_activation = loop_round
        gradient = loop.step(weights, x, y, 8, largest, lambda w, bits: w,
                             training_exercises.straight_through)  # fmt: skip
    finally:
        loop.round_activation = rounded
    for name, place in (
        ("dense1/kernel", (2, 3)),
        ("dense2/bias", (1,)),
        ("dense3/kernel", (0, 7)),
    ):
        slopes = []
        for move in (1e-6, -2e-6):
            weights[name][place] += move
            slopes.append(loss())
        weights[name][place] += 1e-6
        assert np.isclose((slopes[0] - slopes[1]) / 2e-6, gradient[name][place], atol=1e-6)


def test_the_students_fold_gives_the_same_answers():
    said = training_aware.folded_answers(training_exercises.fold)
    assert "1,000 of 1,000" in said
    assert "1,000 of 1,000" not in training_aware.folded_answers(lambda k, g, v, e: k)


def test_what_becomes_zero_at_four_bits_and_at_two():
    """ "No channel does", says notebook 09 of 4 bits; at 2 bits most channels are zero."""
    for bits, most in ((4, False), (2, True)):
        cells = [row[4].split(" of ") for row in training_aware.codes_used(bits).rows]
        zero, channels = (sum(int(cell[i]) for cell in cells) for i in (0, 1))
        assert zero > channels / 2 if most else zero == 0


def test_eight_bits_are_no_difference_once_images_count():
    table = training_aware.eight_bits_table()
    assert [row[-1] for row in table.rows] == ["no", "no", "no"]
    assert training_aware.qat_against_ptq().low > 0  # over seeds alone it would be one
    mean, low, high = training_aware.over_images("ptq", "qat")
    assert low < 0 < mean < high
    assert np.isclose(mean, training_aware.qat_against_ptq().value)


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
