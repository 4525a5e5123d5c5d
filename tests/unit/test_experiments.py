"""The recorded results come from the shipped checkpoints: a few points of each, done again."""

from functools import cache

import numpy as np
import pytest

from course_utils.engines import float_engine, layer_specs
from course_utils.labs.magnitude_pruning import experiments
from course_utils.machines import data, models, recording
from course_utils.workshop import experiments as workshop
from course_utils.workshop.experiments import EXPERIMENTS


def count(network, dataset, s, split="test"):
    """-> (right answers, answers that another rounding could turn, is each input right)."""
    weights, _ = experiments.prune(network.weights, s)
    x, y = getattr(dataset, f"x_{split}"), getattr(dataset, f"y_{split}")
    logits = float_engine.forward(network.layers[:-1], weights, x)
    best = np.sort(logits, axis=1)
    undecided = int((best[:, -1] - best[:, -2] < 2e-5).sum())
    right = logits.argmax(axis=1) == y
    return int(right.sum()), undecided, right


@cache
def right_when_dense(name):
    network, dataset = data.checkpoint(name), data.load(models.DATASETS[name])
    return count(network, dataset, {})[2]


@pytest.fixture
def written(monkeypatch):
    """The experiments that were asked for, instead of hours of them."""
    names = []
    monkeypatch.setattr(recording, "run", lambda function: names.append(function.__name__))
    return names


def test_a_stopped_experiment_says_what_goes_on_from_there(monkeypatch, capsys):
    def stopped(function):
        raise KeyboardInterrupt

    monkeypatch.setattr(recording, "run", stopped)
    assert workshop.main(["pruning_grid"]) == 130
    assert "Stopped; no result was written." in capsys.readouterr().err


def test_one_command_records_all_of_a_notebook(written):
    assert workshop.main(["04"]) == 0
    assert written == ["lottery_ticket", "lottery_rewinding", "lottery_int8"]


def test_one_command_records_one_experiment(written):
    assert workshop.main(["pruning_grid"]) == 0
    assert written == ["pruning_grid"]


def test_a_notebook_without_experiments_records_nothing(written, monkeypatch):
    monkeypatch.setitem(workshop.OF_A_LAB, "98", ())
    assert workshop.main(["98"]) == 0
    assert written == []


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_results_tell_where_they_come_from_and_are_fresh(name):
    record = data.result(name).record
    assert record["command"] == f"python -m course_utils.workshop record {name}"
    for key in ("seed", "versions", "git_revision", "seconds", "what"):
        assert key in record
    files = data.manifest()["files"]
    for path, checksum in record["inputs"].items():
        assert checksum == files[path]["sha256"], f"{path} changed: run {record['command']}"


@pytest.mark.parametrize(
    ("name", "position"),
    [("fashion_cnn", 17), ("fashion_cnn", 36), ("lenet_300_100", 30),
     ("fashion_dscnn", 8), ("watch_cnn", 14)],
)  # fmt: skip
def test_sweep_again(name, position):
    record = data.result("pruning_sweep").record
    recorded = record["networks"][name]
    network, dataset = data.checkpoint(name), data.load(models.DATASETS[name])
    kernels = layer_specs.kernel_names(network.layers)
    s = dict.fromkeys(kernels, record["s"][position])
    correct, undecided, right = count(network, dataset, s)
    assert abs(correct - recorded["correct"]["test"][position]) <= undecided
    assert undecided < 10
    wrong_now = int((right_when_dense(name) & ~right).sum())
    assert abs(wrong_now - recorded["newly_wrong"]["test"][position]) <= undecided
    pruned, _ = experiments.prune(network.weights, s)
    zeros = sum(int((pruned[kernel] == 0).sum()) for kernel in kernels)
    total = sum(pruned[kernel].size for kernel in kernels)
    assert abs(recorded["overall_sparsity"][position] - zeros / total) < 1e-6


@pytest.mark.parametrize("name", experiments.NETWORKS)
def test_sweep_counts_agree_with_each_other(name):
    recorded = data.result("pruning_sweep").record["networks"][name]
    for split in experiments.SPLITS:
        correct, wrong, right = (
            np.array(recorded[key][split]) for key in ("correct", "newly_wrong", "newly_right")
        )
        assert len(correct) == 61
        assert np.array_equal(correct, correct[0] - wrong + right)
        assert correct[0] == data.checkpoint(name).record[split]["correct"]
    overall = np.array(recorded["overall_sparsity"])
    assert overall[0] == 0
    assert (np.diff(overall) >= 0).all()
    for kernel, sparsity in recorded["sparsity"].items():
        sigma = float(np.std(data.checkpoint(name).weights[kernel], dtype=np.float64))
        assert recorded["sigma"][kernel] == pytest.approx(sigma)
        assert (np.diff(sparsity) >= 0).all()


@pytest.mark.parametrize(("kernel", "position"), [("conv1/kernel", 20), ("dense1/kernel", 45)])
def test_sensitivity_again(kernel, position):
    record = data.result("pruning_sensitivity").record
    recorded = record["networks"]["fashion_cnn"][kernel]
    network, dataset = data.checkpoint("fashion_cnn"), data.load("fashion_mnist")
    correct, undecided, _ = count(network, dataset, {kernel: record["s"][position]})
    assert abs(correct - recorded["correct"]["test"][position]) <= undecided


@pytest.mark.parametrize("point", [(0, 0, 0, 0), (2, 3, 16, 1), (5, 1, 9, 14)])
def test_grid_again(point):
    result = data.result("pruning_grid")
    network, dataset = data.checkpoint("fashion_cnn"), data.load("fashion_mnist")
    kernels = result.record["kernels"]
    s = {kernel: result.arrays["s"][i] for kernel, i in zip(kernels, point, strict=True)}
    correct, undecided, _ = count(network, dataset, s, "validation")
    assert abs(correct - int(result.arrays["validation"][point])) <= undecided
    assert undecided < 10


def test_grid_and_sweep_meet():
    grid, sweep = data.result("pruning_grid"), data.result("pruning_sweep")
    recorded = sweep.record["networks"]["fashion_cnn"]
    for i, s in enumerate(grid.arrays["s"]):
        j = sweep.record["s"].index(s)
        # The two sum in another order; only an input on the edge could tell them apart.
        counted = int(grid.arrays["validation"][i, i, i, i])
        assert abs(counted - recorded["correct"]["validation"][j]) <= 2
        for kernel, sparsity in zip(grid.record["kernels"], grid.arrays["sparsity"], strict=True):
            assert sparsity[i] == pytest.approx(recorded["sparsity"][kernel][j], abs=1e-6)


def test_grid_is_whole_and_holds_no_test_image():
    result = data.result("pruning_grid")
    counts, n = result.arrays["validation"], result.record["n"]["validation"]
    assert counts.shape == (21,) * 4
    assert counts.dtype == np.int16
    assert counts.min() >= 0
    assert counts.max() <= n
    assert counts[0, 0, 0, 0] == data.checkpoint("fashion_cnn").record["validation"]["correct"]
    assert set(result.arrays) == {"validation", "s", "sparsity"}
    assert set(result.record["n"]) == {"validation"}


def test_grid_counts_equal_one_network_at_a_time():
    network, dataset = data.checkpoint("fashion_cnn"), data.load("fashion_mnist")
    x, y = dataset.x_test[:30], dataset.y_test[:30]
    counts = experiments.grid_counts(network, x, y)
    kernels = layer_specs.kernel_names(network.layers)
    for point in [(0, 0, 0, 0), (20, 0, 3, 1), (1, 4, 7, 8), (0, 12, 0, 0), (0, 0, 13, 20)]:
        s = dict(zip(kernels, experiments.S_GRID[list(point)], strict=True))
        weights, _ = experiments.prune(network.weights, s)
        right = float_engine.predict(network.layers, weights, x) == y
        assert counts[point] == right.sum()


def test_sweep_of_a_students_network_reports_progress():
    network, dataset = data.checkpoint("watch_cnn"), data.load("watch")
    heard = []
    rows = experiments.sweep(
        network, dataset, ["conv2/kernel"], [0, 1], ["test"], lambda *told: heard.append(told)
    )
    assert heard == [(1, 2), (2, 2)]
    assert abs(rows["correct"]["test"][0] - network.record["test"]["correct"]) <= 2
    assert rows["newly_wrong"]["test"][0] == rows["newly_right"]["test"][0] == 0
    assert rows["overall_sparsity"][1] < rows["sparsity"]["conv2/kernel"][1]
