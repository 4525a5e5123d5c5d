"""What the notebooks show agrees with floor 1 and with the recorded results."""

import numpy as np
import pytest

from course_utils.engines import float_engine, layer_specs
from course_utils.labs.magnitude_pruning import scenes
from course_utils.labs.start_here import figures as board_figures
from course_utils.labs.start_here import scenes as boards
from course_utils.labs.weight_distributions import scenes as weights
from course_utils.machines import data
from course_utils.numbers import coding, distributions, pruning
from course_utils.views import checks


def test_a_budget_is_what_the_recorded_grid_says():
    s = {"conv1": 0.3, "conv2": 0.5, "dense1": 1.2, "dense2": 0.7}
    choice = scenes.evaluate_budget(s, target=0.5)
    kernels = data.checkpoint("fashion_cnn").weights
    removed = total = 0
    for layer, value in s.items():
        pruned = pruning.prune(kernels[f"{layer}/kernel"], value)
        assert choice.layer_sparsity[layer] == pytest.approx(np.mean(pruned == 0))
        removed, total = removed + np.sum(pruned == 0), total + pruned.size
    assert choice.sparsity == pytest.approx(removed / total)
    assert choice.accuracy <= choice.best_accuracy
    assert scenes.budget(**s).correct == round(choice.accuracy * 5000)


def test_the_recorded_accuracy_of_a_choice_is_that_of_the_pruned_network():
    s = {"conv1": 0.0, "conv2": 0.4, "dense1": 1.2, "dense2": 0.9}
    network, images = data.checkpoint("fashion_cnn"), data.load("fashion_mnist")
    pruned = dict(network.weights)
    for layer, value in s.items():
        pruned[f"{layer}/kernel"] = pruning.prune(pruned[f"{layer}/kernel"], value)
    classes = float_engine.predict(network.layers, pruned, images.x_validation)
    correct = int((classes == images.y_validation).sum())
    assert scenes.budget(**s).correct == correct


@pytest.mark.parametrize(
    ("s", "sentence"),
    [
        ({"conv1": 0.5}, "one s for each of conv1, conv2, dense1, dense2"),
        ({"conv1": 0.25, "conv2": 0.5, "dense1": 0.5, "dense2": 0.5}, "s = 0.25 of conv1"),
        ({"conv1": 9.0, "conv2": 0.5, "dense1": 0.5, "dense2": 0.5}, "from 0 to 2"),
    ],
)
def test_choices_that_were_not_measured_are_named(s, sentence):
    with pytest.raises(ValueError, match=sentence):
        scenes.evaluate_budget(s)


def test_one_s_for_all_layers_is_named_on_the_real_network():
    answer = dict.fromkeys(["conv1", "conv2", "dense1", "dense2"], 1.2)
    result = checks.check("02.budget", answer, evaluate=scenes.evaluate_budget, target=0.75)
    assert (result.state, result.mistake) == ("not yet", "one_s")


def test_the_ledger_adds_up_the_layers():
    kernels = data.checkpoint("watch_cnn").weights
    s = {"conv1/kernel": 0.5, "conv2/kernel": 1.0}
    for _ in range(2):  # the second time from what was kept
        sizes = scenes.ledger(kernels, s)
        expected = [coding.ledger(pruning.prune(kernels[name], value)) for name, value in s.items()]
        assert sizes == {name: sum(part[name] for part in expected) for name in sizes}


def test_losses_are_paired_and_hold_the_recorded_difference():
    sweep = scenes.pruning_sweep("fashion_cnn")
    position = sweep.nearest(0.5)
    loss = sweep.loss(position)
    assert loss.value == pytest.approx((sweep.correct[0] - sweep.correct[position]) / 100)
    assert loss.low < loss.value < loss.high
    assert sweep.loss(0).value == 0
    with pytest.raises(ValueError, match="Give a checkpoint"):
        scenes.pruning_sweep("no_such_network")


def test_pruned_states_follow_the_rule_of_the_slide():
    sweep = scenes.pruning_sweep("watch_cnn")
    for state in scenes.pruned_states(sweep, "conv2")[::20]:
        mask = pruning.magnitude_mask(state.weights, state.threshold)
        assert state.sparsity["conv2"] == pytest.approx(pruning.sparsity(mask), abs=1e-6)
        assert state.interval[0] <= state.accuracy <= state.interval[1]


def test_the_most_sensitive_layer_loses_the_most():
    state = scenes.sensitivity("fashion_cnn")
    accuracy = state.at(0.8)
    assert accuracy[state.most_sensitive()] == min(accuracy.values())


def test_the_two_ends_suffer_most_as_notebook_02_says():
    accuracy = scenes.sensitivity("fashion_cnn").at(0.8)
    assert sorted(accuracy, key=accuracy.get)[:2] == ["dense2", "conv1"]
    weights = data.checkpoint("fashion_cnn").weights
    assert (weights["dense2/kernel"].size, weights["conv1/kernel"].size) == (640, 144)


def test_what_a_network_needs_shrinks_with_its_bits():
    wide, narrow = boards.fit("watch_cnn", 32), boards.fit("watch_cnn", 8)
    assert wide.weights == 4 * narrow.weights
    network = data.checkpoint("watch_cnn")
    assert wide.weights == sum(w.nbytes for w in network.weights.values())
    shapes = [row.output_shape for row in layer_specs.describe(network.layers, network.input_shape)]
    assert wide.activations >= 4 * max(np.prod(shape) for shape in shapes)
    assert boards.transfer_seconds(network, 8) == pytest.approx(wide.weights / 1000)


def test_exponents_count_every_weight():
    layers = weights.efficientnet_lite0()
    exponents = weights.exponents(layers)
    assert exponents.counts.sum() == sum(d.count for d in layers.distributions)
    assert exponents.used_by(0.99) <= exponents.used_by(0.999) <= np.count_nonzero(exponents.counts)


@pytest.mark.parametrize("name", ["fashion_cnn", "fashion_dscnn", "lenet_300_100", "watch_cnn"])
def test_the_boxes_hold_all_of_a_network(name):
    network, checkpoint = boards.network(name), data.checkpoint(name)
    described = layer_specs.describe(checkpoint.layers, checkpoint.input_shape)
    assert network.weights == sum(w.size for w in checkpoint.weights.values())
    assert network.macs == sum(layer.macs for layer in described)
    assert network.boxes[-1].shape == described[-1].output_shape
    assert not any("norm" in box.name or "relu" in box.name for box in network.boxes)
    figures = board_figures.draw_network(network)
    shown = {text.get_text() for text in figures.axes[0].texts}
    assert {f"{box.macs:,}" for box in network.boxes if box.macs} <= shown


def test_a_students_count_goes_over_every_layer():
    def count(output_shape, input_shape, kernel_size):
        return int(np.prod(output_shape) * np.prod(kernel_size) * input_shape[2])

    for name in ("fashion_cnn", "fashion_dscnn", "watch_cnn"):
        rows = boards.macs_table(count, name, 64_000_000).rows
        assert all(row[3] == row[4] for row in rows)
    assert {row[3] for row in boards.macs_table(lambda *_: 7, "watch_cnn", 1).rows} == {"7", "28"}
    *layers, total = boards.separable_table(count).rows
    assert len(layers) == 4
    assert float(total[3]) > 7


def test_the_uno_holds_one_network_only_as_notebook_00_says():
    fits = {
        name
        for name in ("fashion_cnn", "fashion_dscnn", "lenet_300_100", "watch_cnn")
        for bits in (32, 16, 8, 4, 2)
        for board, fit in zip(
            boards.fit(name, bits).boards, board_figures.fits(boards.fit(name, bits)), strict=True
        )
        if board == "Arduino Uno R3" and all(fit)
    }
    assert fits == {"watch_cnn"}
    lenet = boards.fit("lenet_300_100", 32)
    flash = dict(zip(lenet.boards, lenet.flash, strict=True))["Arduino Nano 33 BLE"]
    assert 1 < lenet.weights / flash < 1.05
    others = [ram for board, ram in zip(lenet.boards, lenet.ram, strict=True) if "Uno" not in board]
    assert all(
        boards.fit(name, 32).activations < min(others)
        for name in ("fashion_cnn", "fashion_dscnn", "lenet_300_100", "watch_cnn")
    )


def test_garments_and_recordings_are_the_first_of_the_test_set():
    garments = boards.garments()
    images = data.load("fashion_mnist")
    assert len(garments.names) == len(garments.images) == 10
    assert np.array_equal(garments.images[9], images.x_test[0, :, :, 0])  # an ankle boot
    assert boards.recording().samples.shape == (100, 6)
    assert "pendulum" in board_figures.alt_recording(boards.recording())


def test_concentration_and_tails_are_counted():
    lite0 = weights.efficientnet_lite0()
    assert weights.in_a_tenth(lite0) == int((lite0.middle < 0.1).sum()) == 39
    for layers in (lite0, *weights.own_networks()):
        assert np.all(layers.middle < 0.5)
        counts = np.array([d.count for d in layers.distributions])
        assert np.all(layers.beyond.sum(axis=1) < 0.002 * counts)
    row = weights.tails_table([lite0]).rows[0]
    assert row[-1].startswith(f"{lite0.beyond.sum()} of ")


def test_even_and_normal_values_are_what_they_are_called():
    share = distributions.share_within
    assert share(weights.normal(), 1) == pytest.approx(0.683, abs=0.001)
    assert share(weights.even(), 1) == pytest.approx(1 / np.sqrt(3), abs=0.001)
    table = {row[0]: row[1:] for row in weights.needed_table([weights.efficientnet_lite0()]).rows}
    assert table["spread evenly"][0] == "7"
    assert table["EfficientNet-Lite0"][0] == "11"
