"""Training is seeded, tells its progress, and returns what `data.checkpoint` returns."""

import numpy as np
import pytest

from course_utils.engines import float_engine
from course_utils.machines import data, models, training


@pytest.mark.tensorflow
def test_a_short_training_learns_reports_and_repeats():
    heard = []
    first, second = (
        training.train(
            "watch_cnn", epochs=2, train_size=400, seed=5, progress=lambda *told: heard.append(told)
        )
        for _ in range(2)
    )
    assert [(epoch, epochs) for epoch, epochs, _ in heard] == [(1, 2), (2, 2)] * 2
    assert heard[1][2]["loss"] < heard[0][2]["loss"]
    assert [told for *_, told in heard[:2]] == first.record["log"]
    for name, value in first.weights.items():
        assert np.array_equal(value, second.weights[name]), name
        assert not value.flags.writeable

    assert isinstance(first, data.Checkpoint)
    shipped = data.checkpoint("watch_cnn")
    assert first.layers == shipped.layers
    assert first.input_shape == shipped.input_shape
    assert {k: v.shape for k, v in first.weights.items()} == {
        k: v.shape for k, v in shipped.weights.items()
    }
    assert first.record["train_size"] == 400
    dataset = data.load("watch")
    right = float_engine.predict(first.layers, first.weights, dataset.x_test) == dataset.y_test
    assert first.record["test"]["correct"] == right.sum()
    assert right.mean() > 1.5 / 7  # better than guessing


@pytest.mark.tensorflow
def test_an_interruption_keeps_the_weights_and_says_in_which_epoch():
    def stop_after_two(epoch, *_):
        if epoch == 2:
            raise KeyboardInterrupt

    def train(**how):
        return training.train("watch_cnn", epochs=5, train_size=400, seed=5, **how)

    with pytest.raises(training.Interrupted, match="stopped in epoch 3 of 5. Nothing is lost") as e:
        train(progress=stop_after_two)
    kept = e.value.trained
    assert kept.record["stopped_in_epoch"] == 3
    assert len(kept.record["log"]) == 2
    initial = models.get_weights(training.initial_model("watch_cnn", 5))
    assert not np.array_equal(kept.weights["conv1/kernel"], initial["conv1/kernel"])
    last = kept.record["validation"]["accuracy"]
    assert last == pytest.approx(kept.record["log"][-1]["validation_accuracy"], abs=0.005)


def test_a_stopped_command_writes_nothing(monkeypatch):
    def stopped(name, **_):
        found = data.Checkpoint(name, (), {}, (1, 1, 1), {"stopped_in_epoch": 4})
        raise training.Interrupted(found, "in epoch 4 of 30")

    monkeypatch.setattr(training.sys, "argv", ["training", "watch_cnn"])
    monkeypatch.setattr(training, "train", stopped)
    monkeypatch.setattr(data, "write_npz", lambda *_, **__: pytest.fail("written"))
    with pytest.raises(SystemExit, match="Stopped in epoch 4: nothing written"):
        training.main()


@pytest.mark.tensorflow
def test_initial_weights_of_lenet_are_those_that_ship():
    weights = models.get_weights(training.initial_model("lenet_300_100", seed=1))
    shipped = data.checkpoint("lenet_300_100_init").weights
    for name, value in shipped.items():
        np.testing.assert_allclose(weights[name], value, rtol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "resnet"}, "there are fashion_cnn"),
        ({"name": "watch_cnn", "train_size": 0}, "train_size is 1 to 2265"),
        ({"name": "watch_cnn", "train_size": 10**6}, "train_size is 1 to 2265"),
        ({"name": "watch_cnn", "epochs": 0}, "epochs must be at least 1"),
    ],
)
def test_what_makes_no_sense_is_named_before_tensorflow_starts(arguments, message):
    with pytest.raises(ValueError, match=message):
        training.train(**arguments)


@pytest.mark.parametrize("name", models.DATASETS)
def test_recorded_accuracy_is_that_of_the_shipped_weights(name):
    network = data.checkpoint(name)
    dataset = data.load(models.DATASETS[name])
    logits = float_engine.forward(network.layers[:-1], network.weights, dataset.x_test)
    correct = int((logits.argmax(axis=1) == dataset.y_test).sum())
    # Another processor's rounding may turn answers whose two best classes are all but equal.
    best = np.sort(logits, axis=1)
    undecided = int((best[:, -1] - best[:, -2] < 2e-5).sum())
    assert abs(correct - network.record["test"]["correct"]) <= undecided
    assert undecided < 10
