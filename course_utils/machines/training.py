"""Train the suite's networks: one seeded command each, and the same function live in a notebook.

    python -m course_utils.machines.training fashion_cnn

trains on all 55,000 images (fetch them first: `python data/prepare/fashion_mnist.py`) and writes
`data/checkpoints/fashion_cnn.npz` and its record in `data/manifest.json`. The recipes below were
fixed before the test set was looked at; the number of epochs comes from the validation set.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np

from course_utils import env
from course_utils.engines import float_engine
from course_utils.machines import data, models
from course_utils.numbers import intervals

# Adam, with a learning rate that falls to zero along half a cosine.
RECIPES: dict[str, dict[str, Any]] = {
    "fashion_cnn": {"epochs": 10, "batch_size": 128, "learning_rate": 2e-3},
    "fashion_dscnn": {"epochs": 12, "batch_size": 128, "learning_rate": 4e-3},
    "lenet_300_100": {"epochs": 12, "batch_size": 128, "learning_rate": 1e-3},
    "watch_cnn": {"epochs": 30, "batch_size": 64, "learning_rate": 2e-3},
}

KEEP_INITIAL = ("lenet_300_100",)  # the lottery ticket needs the weights before training


def train(
    name: str,
    *,
    epochs: int | None = None,
    train_size: int | None = None,
    seed: int = 1,
    full: bool = False,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
) -> data.Checkpoint:
    """Train a network of `models.ARCHITECTURES` from scratch; imports TensorFlow.

    train_size: use only so many of the training inputs, drawn with `seed`; default all that
        ship (7,000 images). full: all 55,000 images instead.
    progress(epoch, epochs, {"loss", "accuracy", "validation_accuracy"}) is called after each
        epoch, which counts from 1.
    Returns a `data.Checkpoint` like those that ship; its `record` holds the recipe, the log and
    the accuracy on the validation and test sets. `initial_model(name, seed)` gives the weights
    that the training started from.
    Raises ValueError for an unknown name or sizes that make no sense.
    """
    layers, input_shape = models.resolve(name)
    recipe = dict(RECIPES[name])
    if epochs is not None:
        recipe["epochs"] = epochs
    dataset = data.load(models.DATASETS[name], full=full)
    n = len(dataset.x_train) if train_size is None else train_size
    if not 1 <= n <= len(dataset.x_train):
        raise ValueError(f"train_size is 1 to {len(dataset.x_train)} here, not {train_size}.")
    if recipe["epochs"] < 1:
        raise ValueError(f"epochs must be at least 1, not {epochs}.")

    model = initial_model(name, seed)
    started = time.perf_counter()
    x, y = _draw(dataset, n, seed)
    log = _fit(model, x, y, dataset, recipe, progress)
    seconds = time.perf_counter() - started
    weights = _read_only(models.get_weights(model))
    record = {
        "architecture": name,
        "dataset": dataset.name,
        "train_size": n,
        **recipe,
        "optimizer": "Adam, cosine decay to 0",
        "seed": seed,
        "parameters": sum(value.size for value in weights.values()),
        **{split: measure(layers, weights, dataset, split) for split in ("validation", "test")},
        "log": log,
        "seconds": round(seconds, 1),
        "versions": versions(),
    }
    return data.Checkpoint(name, layers, weights, input_shape, MappingProxyType(record))


def initial_model(name: str, seed: int):
    """A freshly initialised Keras model: the same weights for the same seed."""
    env.tensorflow()  # before the seed, as only loaded libraries are seeded
    env.keras()
    env.seed(seed)
    return models.build(name)


def measure(layers, weights, dataset: data.Dataset, split: str) -> dict[str, Any]:
    """Right answers on a whole split, with the Wilson interval, by `float_engine`."""
    x, y = getattr(dataset, f"x_{split}"), getattr(dataset, f"y_{split}")
    right = float_engine.predict(layers, weights, x) == y
    correct = int(right.sum())
    low, high = intervals.wilson(correct, len(y))
    measured = {
        "correct": correct,
        "n": len(y),
        "accuracy": round(correct / len(y), 4),
        "interval_95": [round(low, 4), round(high, 4)],
    }
    subject = getattr(dataset, f"subject_{split}", None)
    if subject is not None:
        # The interval knows nothing of people; their spread shows how far to trust it.
        measured["by_subject"] = {
            str(who): {"correct": int(right[own].sum()), "n": int(own.sum())}
            for who, own in ((who, subject == who) for who in np.unique(subject))
        }
    return measured


def versions() -> dict[str, str]:
    """Versions that a number can depend on."""
    found = {"python": platform.python_version(), "numpy": np.__version__}
    for module in ("tensorflow", "tf_keras"):
        if module in sys.modules:
            found[module] = sys.modules[module].__version__
    return found


def _fit(model, x, y, dataset, recipe, progress):
    keras = env.keras()
    steps = recipe["epochs"] * -(-len(x) // recipe["batch_size"])
    schedule = keras.optimizers.schedules.CosineDecay(recipe["learning_rate"], steps)
    model.compile(
        keras.optimizers.Adam(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    log = []

    class Log(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            entry = {
                "loss": round(float(logs["loss"]), 4),
                "accuracy": round(float(logs["accuracy"]), 4),
                "validation_accuracy": round(float(logs["val_accuracy"]), 4),
            }
            log.append(entry)
            if progress is not None:
                progress(epoch + 1, recipe["epochs"], entry)

    model.fit(
        x, y, batch_size=recipe["batch_size"], epochs=recipe["epochs"], verbose=0,
        validation_data=(dataset.x_validation, dataset.y_validation), callbacks=[Log()],
    )  # fmt: skip
    return log


def _draw(dataset, n, seed):
    if n == len(dataset.x_train):
        return dataset.x_train, dataset.y_train
    index = np.random.default_rng(seed).choice(len(dataset.x_train), n, replace=False)
    return dataset.x_train[index], dataset.y_train[index]


def _read_only(weights):
    for value in weights.values():
        value.flags.writeable = False
    return MappingProxyType(weights)


def print_epoch(epoch, epochs, entry):
    values = "  ".join(f"{key} {value:.4f}" for key, value in entry.items())
    print(f"epoch {epoch:2d}/{epochs}  {values}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("name", choices=list(RECIPES))
    name = parser.parse_args().name
    full = models.DATASETS[name] == "fashion_mnist"
    command = f"python -m course_utils.machines.training {name}"
    if name in KEEP_INITIAL:
        seed = 1
        before = models.get_weights(initial_model(name, seed))
        data.write_npz(
            f"checkpoints/{name}_init.npz", before,
            architecture=name, seed=seed, command=command, versions=versions(),
            note=f"The weights of {name} before training, from the same seed.",
        )  # fmt: skip
    trained = train(name, full=full, progress=print_epoch)
    record = {**trained.record, "command": command}
    data.write_npz(f"checkpoints/{name}.npz", trained.weights, **record)
    print(json.dumps({key: record[key] for key in ("validation", "test", "seconds")}, indent=1))


if __name__ == "__main__":
    main()
