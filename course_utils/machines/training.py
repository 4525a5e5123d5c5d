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
from course_utils.engines import float_engine, layer_specs
from course_utils.machines import data, models
from course_utils.numbers import intervals

# Adam, with a learning rate that falls to zero along half a cosine.
RECIPES: dict[str, dict[str, Any]] = {
    "fashion_cnn": {"epochs": 10, "batch_size": 128, "learning_rate": 2e-3},
    "fashion_dscnn": {"epochs": 12, "batch_size": 128, "learning_rate": 4e-3},
    "lenet_300_100": {"epochs": 12, "batch_size": 128, "learning_rate": 1e-3},
    "watch_cnn": {"epochs": 30, "batch_size": 64, "learning_rate": 2e-3},
    "watch_avr": {"epochs": 30, "batch_size": 64, "learning_rate": 2e-3},
}


class Interrupted(KeyboardInterrupt):
    """Training was stopped; `trained` holds what it would have returned, as far as it came."""

    def __init__(self, trained, when: str):
        self.trained = trained
        super().__init__(
            f"Training stopped {when}. Nothing is lost: the weights so far are in the exception's "
            "`trained`."
        )


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
    """Train a network that ships, one of RECIPES, from scratch; imports TensorFlow.

    train_size: use only so many of the training inputs, drawn with `seed`; default all that
        ship (7,000 images). full: all 55,000 images instead.
    progress(epoch, epochs, {"loss", "accuracy", "validation_accuracy"}) is called after each
        epoch, which counts from 1.
    Returns a `data.Checkpoint` like those that ship; its `record` holds the recipe, the log and
    the accuracy on the validation and test sets. `initial_model(name, seed)` gives the weights
    that the training started from.
    Raises ValueError for an unknown name or sizes that make no sense; Interrupted, with such a
    checkpoint of the weights so far, for KeyboardInterrupt: its record has "stopped_in_epoch".
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
    try:
        log, stopped = fit(layers, model, x, y, dataset, recipe, progress), {}
    except Interrupted as interrupted:
        log = interrupted.trained
        stopped = {"stopped_in_epoch": min(len(log) + 1, recipe["epochs"])}
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
        **stopped,
    }
    found = data.Checkpoint(name, layers, weights, input_shape, MappingProxyType(record))
    if stopped:
        raise Interrupted(found, _in_epoch(log, recipe))
    return found


def _in_epoch(log, recipe):
    return f"in epoch {min(len(log) + 1, recipe['epochs'])} of {recipe['epochs']}"


def initial_model(network: str | models.Layers, seed: int, input_shape=None):
    """A freshly initialised Keras model: the same weights for the same seed.

    network, input_shape: as `models.build` takes them.
    """
    env.tensorflow()  # before the seed, as only loaded libraries are seeded
    env.keras()
    env.seed(seed)
    return models.build(network, input_shape)


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


def require_examples(x, y, epochs, batch_size):
    """-> (x float32 (n, ...), y (n, ...)) as arrays; ValueError where there is nothing to train on.

    Inputs that are NaN or infinite would make every weight NaN.
    """
    x, y = np.asarray(x), np.asarray(y)
    if epochs < 1 or batch_size < 1 or x.shape[:1] != y.shape[:1] or not x.size:
        raise ValueError(
            f"There is nothing to train on: {_count(x)} inputs, {_count(y)} labels, {epochs} "
            f"epochs of batches of {batch_size}. Give as many labels as inputs, and at least 1 of "
            "each."
        )
    if x.dtype.kind not in "fiub":
        raise ValueError(f"Training inputs must be real numbers, not {x.dtype}.")
    if not np.isfinite(x).all():
        raise ValueError("The training inputs hold NaN or infinity: clean them first.")
    return x.astype(np.float32, copy=False), y


def _count(array):
    return len(array) if array.ndim else 0


def loss_for(layers, input_shape, labels):
    """The Keras loss of a classifier, by what its last layer gives and how many outputs it has.

        last layer     outputs   loss                                 labels
        softmax        2 or more sparse categorical cross-entropy     0, ..., outputs - 1
        none (logits)  2 or more the same, from logits                0, ..., outputs - 1
        sigmoid        1         binary cross-entropy                 0 or 1
        none (logit)   1         the same, from logits                0 or 1

    A loss for probabilities takes the logarithm of logits, and trains on without a word.
    labels: whole numbers (n,) or (n, 1). Raises ValueError for others, for a softmax over one
    output, for several sigmoids, and where `layer_specs.output_kind` can't tell.
    """
    kind = layer_specs.output_kind(layers)
    shape = layer_specs.describe(layers, input_shape)[-1].output_shape
    if len(shape) != 1:
        raise ValueError(f"The network gives {shape} for each input: flatten it, or pass the loss.")
    if kind == "softmax" and shape == (1,):
        raise ValueError("A softmax over one output is always 1: use a sigmoid, or two outputs.")
    if kind == "sigmoid" and shape != (1,):
        raise ValueError(
            f"{shape[0]} sigmoids may be one answer or {shape[0]} independent ones: end in a "
            'softmax for the former, pass loss="binary_crossentropy" for the latter.'
        )
    _require_classes(np.asarray(labels), max(shape[0], 2))
    keras = env.keras()
    if shape == (1,):
        return keras.losses.BinaryCrossentropy(from_logits=kind == "logits")
    if kind == "softmax":
        return "sparse_categorical_crossentropy"
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def _require_classes(labels, classes):
    whole = labels.dtype.kind in "iub" or (labels.dtype.kind == "f" and not (labels % 1).any())
    if labels.ndim > 2 or labels.shape[1:] not in ((), (1,)) or not whole:
        raise ValueError(
            f"Labels are the numbers of classes, whole and of shape (n,); these are {labels.dtype} "
            f"of shape {labels.shape}. For one-hot labels take y.argmax(axis=1); where the outputs "
            'are no classes, pass the loss, such as loss="mse".'
        )
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= classes:
        raise ValueError(
            f"The labels go from {low} to {high}; this network tells the classes 0 to "
            f'{classes - 1} apart. Where its outputs are no classes, pass the loss, such as "mse".'
        )


def train_on(model, x, y, done):
    """One batch; ValueError if the loss is no number any more. `done` batches came before it."""
    if not np.isfinite(model.train_on_batch(x, y)):
        raise ValueError(
            f"The training diverged: after {done} batches the loss is NaN or infinite. Take a "
            "smaller learning rate."
        )


def fit(layers, model, x, y, dataset, recipe, progress=None):
    """Train a model of these layers by a recipe like those in RECIPES; return the log.

    The log has an entry an epoch, as `train` tells its `progress`. Raises Interrupted for
    KeyboardInterrupt, with the log so far; the weights so far are in the model.
    """
    keras = env.keras()
    steps = recipe["epochs"] * -(-len(x) // recipe["batch_size"])
    schedule = keras.optimizers.schedules.CosineDecay(recipe["learning_rate"], steps)
    loss = loss_for(layers, x.shape[1:], y)
    model.compile(keras.optimizers.Adam(schedule), loss, metrics=["accuracy"])
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

    try:
        model.fit(
            x, y, batch_size=recipe["batch_size"], epochs=recipe["epochs"], verbose=0,
            validation_data=(dataset.x_validation, dataset.y_validation), callbacks=[Log()],
        )  # fmt: skip
    except KeyboardInterrupt:
        raise Interrupted(log, _in_epoch(log, recipe)) from None
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
    try:
        trained = train(name, full=full, progress=print_epoch)
    except Interrupted as stopped:
        sys.exit(f"Stopped in epoch {stopped.trained.record['stopped_in_epoch']}: nothing written.")
    record = {**trained.record, "command": command}
    data.write_npz(f"checkpoints/{name}.npz", trained.weights, **record)
    print(json.dumps({key: record[key] for key in ("validation", "test", "seconds")}, indent=1))


if __name__ == "__main__":
    main()
