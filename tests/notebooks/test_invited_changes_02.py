"""Notebook 02 with other networks, other s, and a network of one's own."""

import numpy as np
import pytest
from changed_cells import everything_shows, run_changed  # noqa: F401

from course_utils.labs.magnitude_pruning import experiments, explorers, figures, scenes
from course_utils.machines import data, models
from course_utils.numbers import pruning
from course_utils.views import checks
from course_utils.views.checks import ledger

PRUNING = 'magnitude_pruning("fashion_cnn")'
OF_ONE_S_OWN = """# from course_utils.machines import training
# from course_utils.views import widgets
#
# with widgets.progress_bar("Training") as report:
#     mine = training.train("fashion_cnn", epochs=4, progress=report)
# explorers.magnitude_pruning(mine)"""


@pytest.mark.parametrize("network", [n for n in models.ARCHITECTURES if n != "fashion_cnn"])
def test_another_network(network):
    run_changed("02", PRUNING, f"magnitude_pruning({network!r})")
    run_changed("02", 'sensitivity("fashion_cnn")', f"sensitivity({network!r})")
    run_changed("02", 'data.checkpoint("fashion_cnn")', f"data.checkpoint({network!r})")


def test_a_network_that_was_not_recorded_is_named():
    for show in (explorers.magnitude_pruning, explorers.sensitivity):
        with pytest.raises(ValueError, match=r"'mobilenet'; there are .*watch_cnn"):
            show("mobilenet")


@pytest.mark.parametrize("s", ["(0.25,)", "(3.0, 10.0, 1000.0)", "np.arange(0, 2, 0.5)"])
def test_another_s_in_the_table_of_formats(s):
    run_changed("02", "(0.0, 0.5, 1.0, 1.5, 2.0)", s)


@pytest.mark.parametrize("s", [0.0, 10.0])
def test_another_s_of_the_timed_product(s):
    run_changed("02", "s=1.5)", f"s={s})")


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (dict.fromkeys(["conv1", "conv2", "dense1", "dense2"], 0.25), "take steps of 0.1"),
        (dict.fromkeys(["conv1", "conv2", "dense1", "dense2"], 10**400), "take steps of 0.1"),
        (dict.fromkeys(["conv1", "conv2", "dense1", "dense2"]), "take steps of 0.1"),
        (dict.fromkeys(["conv1", "conv2", "dense1", "dense2"], "1"), "take steps of 0.1"),
        ({"conv1": 0.5, "dense": 0.5}, "one s for each of conv1, conv2, dense1, dense2"),
        (["conv1", "conv2", "dense1", "dense2"], "one s for each of"),
        (0.5, "one s for each of"),
        (None, "No choice yet"),
        (..., "No choice yet"),
    ],
)
def test_a_choice_that_cannot_be_run_is_told_so(answer, told, capsys):
    assert explorers.choice_on_test(answer) is None
    assert told in capsys.readouterr().out


def test_a_choice_is_run_on_the_test_images():
    s = {"conv1": 0.0, "conv2": 0, "dense1": np.float32(1.2), "dense2": 2}
    dense, own = explorers.choice_on_test(s).rows
    assert dense[0] == "dense"
    assert own[0] == "your choice"
    recorded = scenes.pruning_sweep("fashion_cnn")
    assert dense[1] == f"{100 * recorded.correct[0] / recorded.total:.1f} %"


def test_a_mask_of_ones_own_prunes_the_real_network():
    table = explorers.accuracy_of(pruning.prune)
    for _, removed, right, recorded_removed, recorded_right in table.rows:
        assert (removed, right) == (recorded_removed, recorded_right)
    assert "removed" in explorers.accuracy_of(lambda w, s: w, (0.5,)).head
    ((_, removed, right, _, _),) = explorers.accuracy_of(lambda w, s: 0 * w, (0.5,)).rows
    assert removed == "100.0%"
    assert right.startswith("10.")
    assert "9 of 10" in repr(explorers.answers_of(pruning.prune))


@pytest.mark.tensorflow
@pytest.mark.parametrize("network", ["fashion_cnn", "watch_cnn"])
def test_a_network_of_one_s_own(network, monkeypatch):
    monkeypatch.setattr(experiments, "S", experiments.S[:11])
    uncommented = "\n".join(line.removeprefix("#").removeprefix(" ") if line[:6] != "#     " else
                            line[2:] for line in OF_ONE_S_OWN.splitlines())  # fmt: skip
    mine = uncommented.replace('"fashion_cnn", epochs=4', f"{network!r}, epochs=1")
    run_changed("02", OF_ONE_S_OWN, mine)


# ------------------------------------------------------------------ what it says of itself


def test_one_layer_pruned_alone_is_as_the_prediction_says():
    weights = data.checkpoint("fashion_cnn").weights
    for layer, removed in (("dense1", 40_960), ("dense2", 512)):
        assert removed == 0.8 * weights[f"{layer}/kernel"].size
        assert any(f"{removed:,} weights of {layer}" in words for words in scenes.PRUNED_ALONE)
    assert scenes.which_loses_more() == scenes.PRUNED_ALONE[1]
    for near in np.arange(0.75, 0.86, 0.01):  # not on a knife's edge
        assert scenes.lost_alone("dense2", near) > scenes.lost_alone("dense1", near) + 10


def test_a_disturbed_timing_says_so():
    assert "run the cell again" not in str(scenes.Timing(1.0, 1.1, 0.5))
    for pruned in (0.5, 3.0):
        assert "run the cell again" in str(scenes.Timing(1.0, pruned, 0.5))


def test_no_reply_names_the_sensitive_layer(monkeypatch):
    monkeypatch.setattr(ledger, "LEDGER", ledger.Ledger())
    curves = figures.alt_sensitivity(scenes.sensitivity("fashion_cnn"))
    assert "dense2" in curves  # which is what the reply must leave to the curves
    for s in ({"conv1": 0, "conv2": 0, "dense1": 1.2, "dense2": 1.5},
              {"conv1": 1, "conv2": 0, "dense1": 1.2, "dense2": 0}):  # fmt: skip
        reply = checks.check("02.budget", s, evaluate=scenes.evaluate_budget, target=0.75)
        assert not any(layer in reply.says for layer in s), reply
