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

from course_utils.engines import blas

Layers = Sequence[Mapping[str, Any]]
Weights = Mapping[str, np.ndarray]

BATCH = 64  # inputs at a time: their activations stay in the processor's cache, or near it


def forward(layers: Layers, weights: Weights, x: np.ndarray) -> np.ndarray:
    """Output of the last layer for inputs `x`, shape (n, ...), as float32.

    Part of a network is a network too: `forward(layers[4:], weights, features)` goes on from
    features computed before. Raises ValueError for an unknown op, a missing weight or an input
    that doesn't fit.

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
    for each is quicker than several that wait for one another.
    """
    with blas.one_thread(), ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return np.concatenate(list(pool.map(function, _batches(_float32(x)))))


def trace(layers: Layers, weights: Weights, x: np.ndarray) -> dict[str, np.ndarray]:
    """Output of every layer by name, each (n, ...) float32. Keeps them all: mind the memory."""
    activations: dict[str, list[np.ndarray]] = {layer["name"]: [] for layer in layers}
    with blas.one_thread():
        for batch in _batches(_float32(x)):
            for layer in layers:
                batch = apply(layer, weights, batch)
                activations[layer["name"]].append(batch)
    return {name: np.concatenate(parts) for name, parts in activations.items()}


def predict(layers: Layers, weights: Weights, x: np.ndarray) -> np.ndarray:
    """The class with the largest output for each input, int64 of shape (n,)."""
    return forward(layers, weights, x).argmax(axis=1)


def apply(layer: Mapping[str, Any], weights: Weights, x: np.ndarray) -> np.ndarray:
    """One layer, its activation included."""
    op = layer["op"]
    if op == "conv2d":
        y = conv2d(x, _weight(layer, weights, "kernel"), _bias(layer, weights), *_window(layer))
    elif op == "depthwise_conv2d":
        kernel, bias = _weight(layer, weights, "kernel"), _bias(layer, weights)
        y = depthwise_conv2d(x, kernel, bias, *_window(layer))
    elif op == "dense":
        y = dense(x, _weight(layer, weights, "kernel"), _bias(layer, weights))
    elif op == "batch_norm":
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        values = (_weight(layer, weights, name) for name in names)
        y = batch_norm(x, *values, layer.get("epsilon", 1e-3))
    elif op == "max_pool2d":
        y = max_pool2d(x, layer["kernel"], *_window(layer))
    elif op == "average_pool2d":
        y = average_pool2d(x, layer["kernel"], *_window(layer))
    elif op == "global_average_pool2d":
        y = x.mean(axis=(1, 2))
    elif op == "flatten":
        y = x.reshape(len(x), -1)
    elif op in ACTIVATIONS:
        y = ACTIVATIONS[op](x)
    else:
        raise ValueError(f"{layer.get('name', '?')}: unknown op {op!r}.")
    activation = layer.get("activation")
    if activation is None:
        return y
    if activation not in ACTIVATIONS:
        raise ValueError(f"{layer['name']}: unknown activation {activation!r}.")
    return ACTIVATIONS[activation](y)


# --- the layers -----------------------------------------------------------------------------


def conv2d(x, kernel, bias=None, strides=(1, 1), padding="valid"):
    """(n, h, w, in) with a kernel (kh, kw, in, out) -> (n, oh, ow, out).

    As everywhere in deep learning, a correlation: the kernel isn't flipped.
    """
    kh, kw, channels, filters = kernel.shape
    if x.ndim != 4 or x.shape[-1] != channels:
        raise ValueError(f"A kernel {kernel.shape} can't read an input of shape {x.shape}.")
    patches = windows(x, (kh, kw), strides, padding)
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


ACTIVATIONS = {"relu": relu, "relu6": relu6, "softmax": softmax}


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
    default = layer["kernel"] if layer["op"].endswith("pool2d") else (1, 1)
    return layer.get("strides", default), layer.get("padding", "valid")


def _weight(layer, weights, key):
    name = f"{layer['name']}/{key}"
    if name not in weights:
        raise ValueError(f"The weight {name} is missing.")
    return weights[name]


def _bias(layer, weights):
    return _weight(layer, weights, "bias") if layer.get("use_bias", True) else None


def _float32(x):
    x = np.asarray(x, dtype=np.float32)
    if x.ndim < 2 or len(x) == 0:
        raise ValueError(f"x needs at least one input, batch first; got shape {x.shape}.")
    return x


def _batches(x):
    return (x[start : start + BATCH] for start in range(0, len(x), BATCH))
