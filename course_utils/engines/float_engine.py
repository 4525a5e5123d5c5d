"""Run a network's float32 layers in NumPy: inference as it is written in textbooks.

Tensors are batch first, channels last: (n, height, width, channels), as in TensorFlow Lite.
`forward` reads the layer specs of `models.ARCHITECTURES`; below it stands one short function per
layer. Convolution is a matrix product of patches with the kernel (im2col), so that BLAS does the
work; results agree with TensorFlow to rounding (tests: 1e-5).
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from typing import Any

import numpy as np

from course_utils import env
from course_utils.engines import blas, layer_specs, limits

Layers = Sequence[Mapping[str, Any]]
Weights = Mapping[str, np.ndarray]

BATCH = 64  # inputs at a time: their activations stay in the processor's cache, or near it


def forward(layers: Layers, weights: Weights, x: np.ndarray) -> np.ndarray:
    """Output of the last layer for inputs `x`, shape (n, ...), as float32.

    Part of a network is a network too: `forward(layers[4:], weights, features)` goes on from
    features computed before. Raises ValueError for a spec that `layer_specs.check` refuses, a
    weight that is missing, has another shape or is not asked for, and an input that doesn't fit.

    >>> layers = [{"op": "dense", "name": "d", "units": 1, "activation": "relu"}]
    >>> weights = {"d/kernel": np.float32([[1.0], [-2.0]]), "d/bias": np.float32([0.5])}
    >>> forward(layers, weights, np.float32([[3.0, 1.0], [0.0, 1.0]]))
    array([[1.5],
           [0. ]], dtype=float32)
    """
    return by_batches(
        lambda batch: reduce(lambda y, layer: apply(layer, weights, y), layers, batch), x
    )


def by_batches(function, x: np.ndarray) -> np.ndarray:
    """What the function makes of x, shape (n, ...), given to it `BATCH` inputs at a time.

    Each processor takes batches of its own: NumPy lets go of Python's lock, and one BLAS thread
    for each is quicker than several that wait for one another. A browser has no threads for it.
    """
    batches = _batches(_float32(x))
    if env.IN_BROWSER:
        return np.concatenate([function(batch) for batch in batches])
    with blas.one_thread(), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return np.concatenate(list(pool.map(function, batches)))


def trace(layers: Layers, weights: Weights, x: np.ndarray) -> dict[str, np.ndarray]:
    """Output of every layer by name, each (n, ...) float32. Keeps them all: mind the memory.

    Raises ValueError as `forward` does, and for two layers of one name.
    """
    activations: dict[str, list[np.ndarray]] = {layer["name"]: [] for layer in layers}
    if len(activations) < len(layers):
        raise ValueError("Two layers have one name, so their outputs can't be told apart by name.")
    with blas.one_thread():
        for batch in _batches(_float32(x)):
            for layer in layers:
                batch = apply(layer, weights, batch)
                activations[layer["name"]].append(batch)
    return {name: np.concatenate(parts) for name, parts in activations.items()}


def predict(layers: Layers, weights: Weights, x: np.ndarray) -> np.ndarray:
    """The class that a classifier answers for each input, int64 of shape (n,).

    Raises ValueError as `forward` and `answers` do.
    """
    return answers(layers, forward(layers, weights, x))


def answers(layers: Layers, outputs: np.ndarray) -> np.ndarray:
    """The class that each row of a network's outputs (n, classes) means, int64 of shape (n,).

    It is the largest of several outputs. A single output tells class 1 from class 0: a sigmoid
    above 0.5 or a logit above 0. Raises ValueError for outputs of another shape, and for a single
    one that is neither.

    >>> answers([{"op": "sigmoid", "name": "s"}], np.float32([[0.2], [0.7]]))
    array([0, 1])
    """
    if outputs.ndim != 2 or outputs.shape[1] == 0:
        raise ValueError(
            f"A classifier's outputs have the shape (n, classes), not {outputs.shape}: end the "
            "network in a dense layer, or flatten what it gives."
        )
    if outputs.shape[1] > 1:
        return outputs.argmax(axis=1)
    kind = layer_specs.output_kind(layers)
    if kind == "softmax":
        raise ValueError("A softmax over one output is always 1: use a sigmoid, or two outputs.")
    return (outputs[:, 0] > (0.5 if kind == "sigmoid" else 0)).astype(np.int64)


def apply(layer: Mapping[str, Any], weights: Weights, x: np.ndarray) -> np.ndarray:
    """One layer, its activation included. Raises ValueError as `forward` does."""
    own, op = _own_weights(layer, weights, x), layer["op"]
    if op in ("conv2d", "depthwise_conv2d"):
        convolve = {"conv2d": conv2d, "depthwise_conv2d": depthwise_conv2d}[op]
        y = convolve(x, own["kernel"], own.get("bias"), *_window(layer))
    elif op == "dense":
        y = dense(x, own["kernel"], own.get("bias"))
    elif op == "batch_norm":
        y = batch_norm(x, *own.values(), layer.get("epsilon", 1e-3))
    elif op == "max_pool2d":
        y = max_pool2d(x, layer["kernel"], *_window(layer))
    elif op == "average_pool2d":
        y = average_pool2d(x, layer["kernel"], *_window(layer))
    elif op == "global_average_pool2d":
        y = x.mean(axis=(1, 2))
    elif op == "flatten":
        y = x.reshape(len(x), -1)
    else:
        y = ACTIVATIONS[op](x)
    activation = layer.get("activation")
    return y if activation is None else ACTIVATIONS[activation](y)


# --- the layers -----------------------------------------------------------------------------


def conv2d(x, kernel, bias=None, strides=(1, 1), padding="valid"):
    """(n, h, w, in) with a kernel (kh, kw, in, out) -> (n, oh, ow, out).

    As everywhere in deep learning, a correlation: the kernel isn't flipped.
    """
    kh, kw, channels, filters = kernel.shape
    if x.ndim != 4 or x.shape[-1] != channels:
        raise ValueError(f"A kernel {kernel.shape} can't read an input of shape {x.shape}.")
    patches = windows(x, (kh, kw), strides, padding)
    if patches.nbytes > limits.MEMORY and len(x) > 1:
        parts = x[: len(x) // 2], x[len(x) // 2 :]
        return np.concatenate([conv2d(part, kernel, bias, strides, padding) for part in parts])
    limits.require(f"What a kernel {kernel.shape} sees of an input", patches.nbytes)
    y = patches.reshape(-1, kh * kw * channels) @ kernel.reshape(-1, filters)
    y = y.reshape(*patches.shape[:3], filters)
    return y if bias is None else y + bias


def depthwise_conv2d(x, kernel, bias=None, strides=(1, 1), padding="valid"):
    """Each channel with its own filter: (n, h, w, c) with (kh, kw, c, 1) -> (n, oh, ow, c)."""
    kh, kw, channels, multiplier = kernel.shape
    if multiplier != 1:
        raise ValueError("depthwise_conv2d knows a depth multiplier of 1 only.")
    if x.ndim != 4 or x.shape[-1] != channels:
        raise ValueError(f"A kernel {kernel.shape} can't read an input of shape {x.shape}.")
    seen = taps(windows(x, (kh, kw), strides, padding))
    # A copy of the filter for every column: NumPy then multiplies whole rows at a time.
    filters = np.repeat(kernel.reshape(kh * kw, 1, channels), seen[0].shape[2], axis=1)
    y = sum(tap * w for tap, w in zip(seen, filters, strict=True))
    return y if bias is None else y + bias


def dense(x, kernel, bias=None):
    """(n, in) with a kernel (in, out) -> (n, out)."""
    if x.ndim != 2 or x.shape[1] != kernel.shape[0]:
        raise ValueError(f"A kernel {kernel.shape} can't read an input of shape {x.shape}.")
    y = x @ kernel
    return y if bias is None else y + bias


def batch_norm(x, gamma, beta, mean, variance, epsilon=1e-3):
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta, per channel (the last axis).

    At inference the mean and variance are constants, so this is one multiply and one add.
    """
    scale = gamma / np.sqrt(variance + np.float32(epsilon))
    return x * scale + (beta - mean * scale)


def max_pool2d(x, kernel, strides, padding="valid"):
    """Largest value of each window, per channel."""
    return reduce(np.maximum, taps(windows(x, kernel, strides, padding, fill=-np.inf)))


def average_pool2d(x, kernel, strides, padding="valid"):
    """Mean of each window, per channel; padding doesn't count, as in TensorFlow."""
    total = sum(taps(windows(x, kernel, strides, padding)))
    inside = np.ones_like(x[:1, :, :, :1])
    return total / sum(taps(windows(inside, kernel, strides, padding)))


def relu(x):
    """max(x, 0)."""
    return np.maximum(x, 0)


def relu6(x):
    """min(max(x, 0), 6): bounded, so that a fixed-point range can be known."""
    return np.clip(x, 0, 6)


def softmax(x):
    """exp(x) normalised along the last axis; the maximum is subtracted so nothing overflows."""
    exponentials = np.exp(x - x.max(axis=-1, keepdims=True))
    return exponentials / exponentials.sum(axis=-1, keepdims=True)


def sigmoid(x):
    """1 / (1 + exp(-x)), written with tanh so that nothing overflows."""
    return 0.5 + 0.5 * np.tanh(x / 2)


ACTIVATIONS = {"relu": relu, "relu6": relu6, "sigmoid": sigmoid, "softmax": softmax}


# --- windows --------------------------------------------------------------------------------


def same_padding(size: int, kernel: int, stride: int) -> tuple[int, int]:
    """TensorFlow's SAME: ceil(size / stride) outputs; an odd pixel of padding goes at the end.

    >>> same_padding(28, 3, 2)
    (0, 1)
    """
    total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
    return total // 2, total - total // 2


def windows(x, kernel, strides, padding, fill=0.0):
    """What each output of a layer sees: (n, h, w, c) -> a view (n, oh, ow, kh, kw, c)."""
    (kh, kw), (sh, sw) = kernel, strides
    if padding == "same":
        rows, columns = same_padding(x.shape[1], kh, sh), same_padding(x.shape[2], kw, sw)
        padded = x.nbytes * (1 + sum(rows) / x.shape[1]) * (1 + sum(columns) / x.shape[2])
        if padded > 4 * x.nbytes:  # else it is as large as what is there already
            limits.require(f"The border of a {kh} x {kw} window around {x.shape}", round(padded))
        if any(rows + columns):
            x = np.pad(x, ((0, 0), rows, columns, (0, 0)), constant_values=fill)
    elif padding != "valid":
        raise ValueError(f"padding is 'same' or 'valid', not {padding!r}.")
    if x.shape[1] < kh or x.shape[2] < kw:
        raise ValueError(f"A {kh} x {kw} window is larger than an input of shape {x.shape}.")
    view = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), axis=(1, 2))
    return view[:, ::sh, ::sw].transpose(0, 1, 2, 4, 5, 3)


def taps(view):
    """The windows' values position by position: kh * kw views (n, oh, ow, c), row by row."""
    kh, kw = view.shape[3:5]
    return [view[:, :, :, i, j] for i in range(kh) for j in range(kw)]


# --- reading specs --------------------------------------------------------------------------


def _window(layer):
    return layer_specs.strides_of(layer), layer.get("padding", "valid")


def _own_weights(layer, weights, x):
    """{"kernel": array, ...}: what the layer asks for, in the shapes that it asks for."""
    shapes = layer_specs.describe_layer(layer, x.shape[1:]).weight_shapes
    own = {}
    for name, shape in shapes.items():
        if name not in weights:
            raise ValueError(f"The weight {name} is missing.")
        own[name.split("/")[1]] = value = np.asarray(weights[name], np.float32)
        if value.shape != shape:
            raise ValueError(f"{name} has the shape {value.shape}; its layer asks for {shape}.")
    prefix = f"{layer['name']}/"
    left = [name for name in weights if name.startswith(prefix) and name not in shapes]
    if left:
        raise ValueError(
            f"{', '.join(left)} would not be used: the layer's description does not ask for it."
        )
    return own


def _float32(x):
    x = np.asarray(x, dtype=np.float32)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x needs at least one input, batch first; got shape {x.shape}.")
    return x


def _batches(x):
    return (x[start : start + BATCH] for start in range(0, len(x), BATCH))
