"""What notebook 03 invites to change runs, or says in one sentence what is wrong."""

import numpy as np
import pytest
from test_wrong_answers import code_of, run_cell

from course_utils import labs
from course_utils.labs.structured_pruning import exercises, explorers, figures, scenes
from course_utils.machines import data, fine_tuning
from course_utils.numbers import channel_pruning
from course_utils.views import checks
from course_utils.workshop.notebook_builder import sources

(SOURCE,) = (path for path in sources() if path.stem.startswith("03"))
OWN = 'my_network, my_method, my_sparsity = "lenet_300_100", "gradual", 0.9'

labs.modules("exercises")


@pytest.fixture(autouse=True)
def in_the_notebooks_folder(monkeypatch):
    monkeypatch.chdir(SOURCE.parents[1])


@pytest.fixture
def few_batches(monkeypatch):
    """Training is stopped once it has pruned, which tells whether a choice works."""
    live = fine_tuning.live

    def stop(done, total):
        if done == 30:
            raise KeyboardInterrupt

    monkeypatch.setattr(fine_tuning, "live", lambda *a, progress: live(*a, progress=stop))


def own_run(network, method, sparsity):
    """Run the cells of one's own run, and those that show it, with another choice."""
    namespace = {"__name__": "__main__", "display": lambda *_, **__: None}
    cells = code_of(SOURCE)
    (own,) = (text for text in cells if OWN in text)
    shown = [text for text in cells if "mine" in text and text != own]
    namespace.update(checks=checks, explorers=explorers, scenes=scenes)
    changed = OWN.split(" = ")[0] + f" = {network!r}, {method!r}, {sparsity!r}"
    run_cell(own.replace(OWN, changed), namespace)
    for text in shown:
        run_cell(text, namespace)
    return namespace["mine"]


def show_own(own):
    """What stands behind the covers of one's own run."""
    explorers.own_among_recorded(own)
    explorers.loss_tables(own)


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("network", "method", "sparsity"),
    [("lenet_300_100", method, 0.9) for method in ("one_shot", "random", "global", "sigma")]
    + [("lenet_300_100", "gradual", sparsity) for sparsity in (0, 0.98, "0.5")]
    + [("fashion_cnn", "two_by_four", 0.5), ("watch_cnn", "blocks", 0.75)],
)
@pytest.mark.filterwarnings("ignore:Stopped after")
def test_a_run_of_ones_own_can_be_another(few_batches, network, method, sparsity):
    own = own_run(network, method, sparsity)
    show_own(own)
    assert (own.network, own.method) == (network, method)


@pytest.mark.parametrize(
    ("network", "method", "sparsity", "says"),
    [
        ("lenet", "gradual", 0.9, "No network 'lenet'; there are"),
        (7, "gradual", 0.9, "No network '7'; there are"),
        ("lenet_300_100", "one-shot", 0.9, "There is no method 'one-shot'; there are"),
        ("lenet_300_100", "gradual", 90, "sparsity is a share from 0 to below 1; got 90"),
        ("lenet_300_100", "gradual", 1.0, "sparsity is a share from 0 to below 1; got 1"),
        ("lenet_300_100", "gradual", -0.5, "sparsity must be a finite number"),
        ("lenet_300_100", "gradual", "90 %", "sparsity must be a number"),
        ("lenet_300_100", "gradual", None, "sparsity must be a number"),
        ("lenet_300_100", ["gradual"], 0.9, "There is no method ['gradual']"),
        ("fashion_cnn", "one_shot", 0.999, "one_shot pruning to 99.9% would leave no weight in"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_sentence(capsys, network, method, sparsity, says):
    assert own_run(network, method, sparsity) is None
    explorers.prune_and_train_on(network, method, sparsity)  # as the cell does, and seen
    explorers.own_among_recorded(None)
    assert f"Nothing was trained. {says}" in capsys.readouterr().out


@pytest.mark.tensorflow
def test_the_run_that_ships_is_as_sparse_and_as_good_as_the_notebook_expects():
    own = own_run("lenet_300_100", "gradual", 0.9)
    assert own.sparsity > 0.89
    assert own.correct > 8_300


def test_a_network_without_recorded_runs_says_so(capsys):
    own = figures.Own("watch_cnn", "gradual", 0.5, 90, 100, (0.8, 1.0), 95, (0, 10))
    assert explorers.own_among_recorded(own) is None
    assert "Recorded runs to draw it among are those of lenet_300_100" in capsys.readouterr().out


@pytest.mark.parametrize("name", [*scenes.runs_to_choose("lenet_300_100"), "90 % seed 6", "", 0.9])
def test_any_run_can_be_chosen(name):
    runs = scenes.runs_to_choose("lenet_300_100")
    assert checks.check("03.choose", name, runs=runs).state in ("passed", "not yet")


@pytest.mark.parametrize("give", [explorers.schedule, explorers.break_even])
@pytest.mark.parametrize(
    "own", [None, "text", lambda *_: None, lambda *_: "text", lambda *_: 10**400, lambda: 1,
            lambda *_: float("nan"), lambda *_: [0.5], lambda *_: 1 / 0, lambda *a: a[5]]
)  # fmt: skip
def test_a_formula_without_numbers_is_told_so(capsys, give, own):
    give(own)
    assert "gives no number yet" in capsys.readouterr().out


def test_a_formula_of_ones_own_fills_its_table():
    (row,) = explorers.schedule(lambda step, steps, final: final * step / steps).rows
    assert row == ("sparsity", "0.0%", "9.0%", "22.5%", "45.0%", "67.5%", "90.0%")
    rows = explorers.break_even(lambda value_bits, index_bits: 1 / (index_bits - 4) / value_bits)
    assert rows.rows[:2] == [("32", "4", "?"), ("32", "8", "1%")]


# ------------------------------------------------------------- their functions, on real networks

NETWORK = data.checkpoint("fashion_cnn")


def test_channels_removed_by_a_student_are_those_that_the_laboratory_removes():
    kept, layers, weights = explorers.remove_half(
        NETWORK, exercises.channel_norms, exercises.remove_channels
    )
    expected, arrays = channel_pruning.rebuild(NETWORK.layers, NETWORK.weights, kept)
    assert layers == expected
    assert set(weights) == set(arrays)
    for name, array in arrays.items():
        assert np.array_equal(weights[name], array), name
    scores = channel_pruning.scores(NETWORK.layers, NETWORK.weights, "l2")
    for name, stays in channel_pruning.keep(scores, 0.5).items():
        assert np.array_equal(kept[name], stays)


@pytest.mark.parametrize(
    ("norms", "remove"),
    [
        (lambda kernel: np.ones(3), exercises.remove_channels),
        (lambda kernel: "text", exercises.remove_channels),
        (exercises.channel_norms, lambda *_: None),
        (exercises.channel_norms, lambda k, b, n, keep: (k, b, n)),
        (exercises.channel_norms, lambda k, b, n, keep: (k[..., keep], b[keep], n)),
        (exercises.channel_norms, lambda k, b, n, keep: ("a", "b", "c")),
        (exercises.channel_norms, lambda k, b, n, keep: (np.zeros(7), b, n)),
    ],
)
def test_functions_that_do_not_fit_together_end_in_a_sentence(capsys, norms, remove):
    kept, layers, weights = explorers.remove_half(NETWORK, norms, remove)
    assert "the lab's go on" in capsys.readouterr().out
    assert layers == channel_pruning.rebuild(NETWORK.layers, NETWORK.weights, kept)[0]
    table = explorers.costs(NETWORK, {"smaller": (layers, weights)})
    assert table.rows[0][1] == "201,184"


def test_masked_and_smaller_networks_are_right_as_often():
    kept, *smaller = explorers.remove_half(
        NETWORK, exercises.channel_norms, exercises.remove_channels
    )
    masked = channel_pruning.masked(NETWORK.layers, NETWORK.weights, kept)
    rows = explorers.costs(
        NETWORK,
        {"dense": (NETWORK.layers, NETWORK.weights), "masked": (NETWORK.layers, masked),
         "smaller": smaller},
    ).rows  # fmt: skip
    dense, masked, smaller = rows
    assert masked[1:4] == dense[1:4]
    assert smaller[1] < dense[1]
    assert masked[4] == smaller[4] < dense[4]


@pytest.mark.tensorflow
def test_a_mask_of_ones_own_goes_through_the_verifier(capsys):
    kernel = NETWORK.weights["dense1/kernel"]
    own, outputs, anywhere = explorers.verified(exercises.two_by_four, kernel).rows
    assert own[1:] == ("50.0%", "0", "2 by 4")
    assert outputs[3] == anywhere[3] == "not 2 by 4"
    assert outputs[2] != "0"
    assert explorers.verified(lambda kernel: kernel > 0, kernel).rows[0][3] == "not 2 by 4"
    assert explorers.verified(lambda kernel: 7, kernel).rows[0] == own
    assert "the lab's goes on" in capsys.readouterr().out
