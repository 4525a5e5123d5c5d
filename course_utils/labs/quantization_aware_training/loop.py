"""Training through rounding, as plainly as it can be written: three dense layers in NumPy (09).

`step` is the whole idea: forward with rounded kernels and activations, backward with whatever
gradient of rounding it is given. `train` repeats it and measures on validation images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from course_utils.engines import blas, float_engine
from course_utils.machines import data

NETWORK, LAYERS = "lenet_300_100", ("dense1", "dense2", "dense3")
BITS, ACTIVATION_BITS = 3, 8
BATCH = 64
LEARNING_RATE = 0.03  # of 0.01, 0.03, 0.1 and 0.3 the best on the validation images
WATCHED = 2000  # validation images on which the learning curve is measured
EVERY, FIRST = 10, (1, 2, 5)  # steps from one measurement to the next, and the first ones
SHOWN = 10  # test images whose answers are kept


class Curve(NamedTuple):
    """One run: what was measured before the first step, often at first, every `EVERY` steps."""

    steps: tuple[int, ...]
    accuracy: tuple[float, ...]  # validation accuracy, percent
    answers: tuple[np.ndarray, ...]  # of the first test images
    moved: int  # kernel weights that are not what they were
    weights: dict[str, np.ndarray]


def step(weights, x, y, bits, largest, fake_quantize, straight_through):
    """The gradient of the loss, {name: array}, for one batch of images x with labels y."""
    # Forward, as on the device: rounded kernels, sums, rounded activations.
    a, inputs, sums, rounded = x, {}, {}, {}
    for layer in LAYERS:
        inputs[layer] = a
        rounded[layer] = fake_quantize(weights[f"{layer}/kernel"], bits)
        sums[layer] = a @ rounded[layer] + weights[f"{layer}/bias"]
        a = round_activation(sums[layer], largest[layer])  # 0 to largest, 8 bits

    # Backward. What arrives at the last sums: probabilities less the truth.
    upstream, gradient = (softmax(sums[layer]) - one_hot(y)) / len(x), {}
    for layer in reversed(LAYERS):
        if layer != LAYERS[-1]:  # through the rounded activation, which ends at 0 and at largest
            upstream = straight_through(upstream, sums[layer], 0.0, largest[layer])
        kernel = weights[f"{layer}/kernel"]
        end = np.abs(kernel).max()
        gradient[f"{layer}/bias"] = upstream.sum(axis=0)
        gradient[f"{layer}/kernel"] = straight_through(  # through the rounded kernel
            inputs[layer].T @ upstream, kernel, -end, end
        )
        upstream = upstream @ rounded[layer].T
    return gradient


def train(fake_quantize: Callable, straight_through: Callable, bits: int = BITS,
          epochs: int = 1, seed: int = 1, progress: Callable | None = None) -> Curve:  # fmt: skip
    """Train the shipped network on with plain gradient descent; the same seed, the same batches."""
    weights, dataset = dict(data.checkpoint(NETWORK).weights), data.load("fashion_mnist")
    x, y = _flat(dataset.x_train), dataset.y_train
    watched = _flat(dataset.x_validation[:WATCHED]), dataset.y_validation[:WATCHED]
    shown = _flat(dataset.x_test[:SHOWN])
    largest = calibrated(weights, x[:300])
    rng, before = np.random.default_rng(seed), dict(weights)
    batches = [order[first : first + BATCH] for order in (rng.permutation(len(x))
               for _ in range(epochs)) for first in range(0, len(x), BATCH)]  # fmt: skip
    steps, accuracy, answers = [], [], []

    def measure(done):
        steps.append(done)
        said = predict(weights, watched[0], bits, largest, fake_quantize)
        accuracy.append(100 * float((said == watched[1]).mean()))
        answers.append(predict(weights, shown, bits, largest, fake_quantize))

    with blas.one_thread():  # products this small are slower with several
        for done, batch in enumerate(batches):
            if done % EVERY == 0 or done in FIRST:
                measure(done)
            gradient = step(
                weights, x[batch], y[batch], bits, largest, fake_quantize, straight_through
            )
            for name, slope in gradient.items():
                weights[name] = np.float32(weights[name] - LEARNING_RATE * slope)
            if progress is not None:
                progress(done + 1, len(batches))
        measure(len(batches))
    moved = sum(int((weights[name] != before[name]).sum()) for name in weights if "kernel" in name)
    return Curve(tuple(steps), tuple(accuracy), tuple(answers), moved, weights)


def predict(weights, x, bits, largest, fake_quantize) -> np.ndarray:
    """The class that the rounded network answers for each flat image."""
    a = x
    for layer in LAYERS:
        rounded = np.float32(fake_quantize(weights[f"{layer}/kernel"], bits))
        sums = a @ rounded + weights[f"{layer}/bias"]
        a = round_activation(sums, largest[layer])
    return sums.argmax(axis=1)


def true_derivative(upstream, x, low, high):
    """The gradient that calculus gives for rounding: a staircase is flat, wherever x stands."""
    return np.zeros_like(upstream)


def calibrated(weights, x) -> dict[str, np.float32]:
    """The largest value of each layer's ReLU over the inputs x, without any rounding."""
    largest = {}
    for layer in LAYERS:
        x = np.maximum(x @ weights[f"{layer}/kernel"] + weights[f"{layer}/bias"], 0)
        largest[layer] = x.max()
    return largest


def round_activation(sums, largest):
    """ReLU, cut off at `largest` and rounded to 8 bits."""
    scale = largest / np.float32(2**ACTIVATION_BITS - 1)
    return np.round(np.clip(sums, 0, largest) / scale) * scale


def softmax(sums):
    return float_engine.softmax(sums)


def one_hot(y):
    return np.eye(10, dtype=np.float32)[y]


def _flat(images):
    return images.reshape(len(images), -1)
