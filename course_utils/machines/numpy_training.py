"""Train masked networks in NumPy: the loop behind the numbers of notebooks 04 and 10.

One step: the mean cross-entropy of a batch, its gradient, Adam. A pruned weight is never touched:
it starts at zero, its gradient is not used, so it stays zero. Where weights share values, the
values are trained (`train_codebooks`).

Dense layers, 3x3 convolutions and 2x2 max pooling are all that the two networks need. On one
thread it takes about as long as a compiled TensorFlow loop, less where few weights are left
(`benchmarks/lottery_training.py`), and a notebook needs no TensorFlow for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from course_utils.engines import blas
from course_utils.machines import data, models, training
from course_utils.numbers import weight_sharing
from course_utils.numbers.compressed_network import Shared, weights_of

BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-7  # Adam, as in Keras
COMPACT = 0.4  # below this share of kept weights Adam works on those alone

Progress = Callable[[int, int], None]


class Run(NamedTuple):
    """What one training leaves.

    At the early-stopping step, that of the lowest validation loss, the weights are kept: the
    network whose accuracy is reported.
    """

    steps: np.ndarray  # at which the validation set was looked at
    losses: np.ndarray  # mean cross-entropy on the validation set there
    accuracies: np.ndarray  # on the validation set there
    stop: int  # the early-stopping step
    weights: dict  # by name, at the early-stopping step
    last: dict  # after the last step
    early: dict | None  # at the step `keep_at`, if one was asked for


def initial_weights(network: str, seed: int) -> dict[str, np.ndarray]:
    """Glorot-uniform kernels and zero biases; seed 1 of lenet_300_100 is the one that ships."""
    if network == "lenet_300_100" and seed == 1:
        return {name: w.copy() for name, w in data.checkpoint("lenet_300_100_init").weights.items()}
    shapes = data.checkpoint(network).weights
    rng = np.random.default_rng([seed, 1803])
    weights = {}
    for name, like in shapes.items():
        if name.endswith("kernel"):
            window = int(np.prod(like.shape[:-2]))
            limit = np.sqrt(6 / (window * (like.shape[-2] + like.shape[-1])))
            weights[name] = rng.uniform(-limit, limit, like.shape).astype(np.float32)
        else:
            weights[name] = np.zeros(like.shape, np.float32)
    return weights


def train(
    network: str,
    weights: Mapping[str, np.ndarray],
    images,
    *,
    masks: Mapping[str, np.ndarray] | None = None,
    steps: int,
    every: int = 100,
    seed: int = 1,
    batch_size: int = 60,
    learning_rate: float = 1.2e-3,
    warm_up: int = 0,
    keep_at: int | None = None,
    first_step: int = 0,
    progress: Progress | None = None,
) -> Run:
    """Train from these weights under these masks, always the same number of steps.

    images:     a `data.Dataset`; trained on `train`, watched on `validation`, `test` untouched.
    masks:      {kernel: bool array}, True = kept; without, the network is dense.
    every:      so many steps between two looks at the validation set.
    seed:       draws the order of the images, whatever the weights and masks.
    warm_up:    so many steps over which the learning rate rises from 0.
    keep_at:    also keep the weights after so many steps.
    first_step: the step of the seed's order of images to begin with: for late rewinding.
    Raises ValueError for masks that don't fit; `training.Interrupted`, with the Run so far, for
    KeyboardInterrupt.
    """
    masks = dict(masks or {})
    for name, mask in masks.items():
        if name not in weights or np.shape(mask) != weights[name].shape:
            raise ValueError(f"The mask of {name} doesn't fit the network's weights.")
    net = Network(network, weights, masks)

    def advance(step, x, y):
        rate = learning_rate * min(1.0, step / warm_up) if warm_up else learning_rate
        net.step(x, y, step, rate)

    return _run(
        net, images, advance, net.weights, steps=steps, every=every, seed=seed,
        batch_size=batch_size, keep_at=keep_at, first_step=first_step, progress=progress,
    )  # fmt: skip


def train_codebooks(
    network: str,
    shared: Mapping[str, Shared | np.ndarray],
    images,
    *,
    steps: int,
    every: int = 100,
    seed: int = 1,
    batch_size: int = 60,
    learning_rate: float = 1e-3,
    gradient: Callable = weight_sharing.codebook_gradient,
    progress: Progress | None = None,
) -> Run:
    """Train the values that a network's weights share, and its biases; no index changes.

    shared:   {name: Shared, or a float32 array}; codebook[0], of the pruned weights, stays 0.
    gradient: (gradient of the weights, indices, k) -> gradient of the k values, float (k,).
    The rest as in `train`; what the run keeps is such a network, too.
    """
    net = Network(network, {n: weights_of(t) for n, t in shared.items()}, {})
    values = {n: np.ravel(t.codebook if isinstance(t, Shared) else t) for n, t in shared.items()}
    flat = np.concatenate(list(values.values())).astype(np.float32)
    summed, net.adam = np.zeros_like(flat), Adam(len(flat))
    ends = np.cumsum([v.size for v in values.values()])[:-1]
    parts, sums = (dict(zip(values, np.split(each, ends), strict=True)) for each in (flat, summed))

    def advance(step, x, y):
        for name, g in net.gradients(x, y).items():
            tensor = shared[name]
            if isinstance(tensor, Shared):
                sums[name][...] = gradient(g, tensor.indices, len(tensor.codebook))
                sums[name][0] = 0
            else:
                sums[name][...] = g.ravel()
        net.adam.update(flat, summed, step, learning_rate)
        for name, tensor in shared.items():
            if isinstance(tensor, Shared):
                np.take(parts[name], tensor.indices, out=net.w[name])
            else:
                net.w[name][...] = parts[name].reshape(tensor.shape)

    def current():
        return {
            n: Shared(parts[n].copy(), t.indices) if isinstance(t, Shared) else net.w[n].copy()
            for n, t in shared.items()
        }

    return _run(
        net, images, advance, current, steps=steps, every=every, seed=seed,
        batch_size=batch_size, progress=progress,
    )  # fmt: skip


def _run(
    net, images, advance, current, *, steps, every, seed, batch_size,
    keep_at=None, first_step=0, progress=None,
) -> Run:  # fmt: skip
    """Take so many steps, by advance(step, x, y), and look at the validation set now and then.

    current() copies what is kept of the network: at the lowest loss, at `keep_at`, at the end.
    Raises training.Interrupted for KeyboardInterrupt, with the run so far: it looks once more.
    """
    batches = _batches(images, batch_size, seed)
    for _ in range(first_step):
        next(batches)
    looks, losses, accuracies = [], [], []
    best, kept, early, step = np.inf, None, None, 0

    def look():
        nonlocal best, kept
        loss, accuracy = net.measure(images.x_validation, images.y_validation)
        looks.append(step)
        losses.append(loss)
        accuracies.append(accuracy)
        if loss < best:
            best, kept = loss, (step, current())
        net.adam.flush()

    def run():
        if kept is None:
            raise ValueError(
                "The validation loss was never a number: was the learning rate too high?"
            )
        return Run(np.array(looks), np.array(losses, np.float32), np.array(accuracies, np.float32),
                   kept[0], kept[1], current(), early)  # fmt: skip

    with blas.one_thread():
        try:
            for step in range(1, steps + 1):
                index = next(batches)
                advance(step, images.x_train[index], images.y_train[index])
                if step == keep_at:
                    early = current()
                if step % every == 0 or step == steps:
                    look()
                    if progress is not None:
                        progress(step, steps)
        except KeyboardInterrupt:
            if step not in looks:
                look()
            raise training.Interrupted(run(), f"after {step} of {steps} steps") from None
    return run()


def right(network, weights, x, y) -> int:
    """How many answers are right."""
    net = Network(network, weights, {})
    with blas.one_thread():
        return int(round(net.measure(x, y)[1] * len(y)))


def _batches(images, batch_size, seed):
    """Indices of batches for ever: every image once, in a new order, then again."""
    rng = np.random.default_rng([seed, 60])
    n = len(images.x_train)
    if n < batch_size:
        raise ValueError(f"{n} images don't fill a batch of {batch_size}.")
    while True:
        order = rng.permutation(n)
        for first in range(0, n - batch_size + 1, batch_size):
            yield order[first : first + batch_size]


class Adam:
    """Adam's two moments of n weights, and its step."""

    def __init__(self, n):
        self.m, self.v, self.scratch = np.zeros((3, n), np.float32)

    def update(self, w, g, step, learning_rate):
        """m := b1 m + (1 - b1) g, v := b2 v + (1 - b2) g^2, w := w - rate m^ / (sqrt(v^) + eps).

        Kept without the factors 1 - b1 and 1 - b2, which saves two passes; overwrites g.
        """
        m, v, t = self.m, self.v, self.scratch
        v_scale = np.sqrt((1 - BETA2**step) / (1 - BETA2))
        m *= np.float32(BETA1)
        m += g
        v *= np.float32(BETA2)
        g *= g
        v += g
        np.sqrt(v, out=t)
        t += np.float32(EPSILON * v_scale)
        np.divide(m, t, out=t)
        t *= np.float32(learning_rate * v_scale * (1 - BETA1) / (1 - BETA1**step))
        w -= t

    def flush(self):
        """Zero moments too small to matter: arithmetic on denormal numbers is 100 times slower."""
        self.m[np.abs(self.m) < 1e-25] = 0
        self.v[self.v < 1e-30] = 0


class Network:
    """A network's weights and gradients, each one flat float32 array."""

    def __init__(self, network, weights, masks):
        self.layers = [layer for layer in models.ARCHITECTURES[network]
                       if layer["op"] not in ("flatten", "softmax")]  # fmt: skip
        self.batch = 100 if any(layer["op"] == "conv2d" for layer in self.layers) else 1000
        self.names = list(weights)
        self.shapes = {name: weights[name].shape for name in self.names}
        size = sum(w.size for w in weights.values())
        self.flat, self.gradient = np.empty(size, np.float32), np.zeros(size, np.float32)
        self.w, self.g = self._views(self.flat), self._views(self.gradient)
        keep = np.ones(size, bool)
        for name, part in self._views(keep).items():
            self.w[name][...] = weights[name]
            if name in masks:
                part[...] = masks[name]
        self.flat *= keep
        # A nearly dense network multiplies by the mask; a sparse one gathers what it keeps.
        self.kept = np.flatnonzero(keep) if keep.mean() < COMPACT else None
        self.mask = None if keep.all() or self.kept is not None else keep.astype(np.float32)
        n = size if self.kept is None else len(self.kept)
        self.own, self.own_gradient = np.zeros((2, n), np.float32)
        self.adam = Adam(n)
        if self.kept is not None:
            self.own[:] = self.flat[self.kept]

    def _views(self, flat):
        views, first = {}, 0
        for name in self.names:
            count = int(np.prod(self.shapes[name]))
            views[name] = flat[first : first + count].reshape(self.shapes[name])
            first += count
        return views

    def weights(self):
        """A copy of the weights by name."""
        return {name: value.copy() for name, value in self.w.items()}

    def step(self, x, y, step, learning_rate):
        """One batch: gradient of the mean cross-entropy, then Adam."""
        self.gradients(x, y)
        if self.kept is None:
            g, w = self.gradient, self.flat
            if self.mask is not None:
                g *= self.mask
        else:
            g, w = np.take(self.gradient, self.kept, out=self.own_gradient, mode="clip"), self.own
        self.adam.update(w, g, step, learning_rate)
        if self.kept is not None:
            self.flat[self.kept] = w

    def gradients(self, x, y):
        """The gradient of a batch's mean cross-entropy by name, in arrays that are used again."""
        self._backward(self._forward(x, keep=True), y)
        return self.g

    def measure(self, x, y):
        """-> (mean cross-entropy, share of right answers)"""
        loss, correct, batch = 0.0, 0, self.batch
        for first in range(0, len(y), batch):
            z, own = self._forward(x[first : first + batch]), y[first : first + batch]
            z = z - z.max(axis=1, keepdims=True)
            picked = z[np.arange(len(own)), own]
            loss += float((np.log(np.exp(z).sum(axis=1)) - picked).sum())
            correct += int((z.argmax(axis=1) == own).sum())
        return loss / len(y), correct / len(y)

    def _forward(self, x, keep=False):
        """The logits; with keep, also what the gradient needs of every layer."""
        saved = []
        for layer in self.layers:
            name, into = layer["name"], x
            if layer["op"] == "max_pool2d":
                x = _pool(x)
                saved.append((layer, into, x))
                continue
            if layer["op"] == "conv2d":
                n, h, w, _ = x.shape
                into = _patches(x)
                x = into @ self.w[f"{name}/kernel"].reshape(into.shape[-1], -1)
                x = x.reshape(n, h - 2, w - 2, -1)
            else:
                into = x.reshape(len(x), -1)
                x = into @ self.w[f"{name}/kernel"]
            x += self.w[f"{name}/bias"]
            if layer.get("activation") == "relu":
                np.maximum(x, 0, out=x)
            saved.append((layer, into, x))
        return (saved, x) if keep else x

    def _backward(self, forward, y):
        saved, z = forward
        z -= z.max(axis=1, keepdims=True)
        d = np.exp(z)
        d /= d.sum(axis=1, keepdims=True)
        d[np.arange(len(y)), y] -= 1
        d /= np.float32(len(y))
        for i in reversed(range(len(saved))):
            layer, into, out = saved[i]
            d = d.reshape(out.shape)
            if layer["op"] == "max_pool2d":
                d = _unpool(d, into, out)
                continue
            if layer.get("activation") == "relu":
                d *= out > 0
            name, flat = layer["name"], d.reshape(-1, d.shape[-1])
            kernel = self.w[f"{name}/kernel"]
            np.matmul(into.T, flat, out=self.g[f"{name}/kernel"].reshape(into.shape[1], -1))
            np.matmul(np.ones(len(flat), np.float32), flat, out=self.g[f"{name}/bias"])
            if i == 0:
                return
            d = flat @ kernel.reshape(-1, kernel.shape[-1]).T
            if layer["op"] == "conv2d":
                d = _spread(d, out.shape, kernel.shape[2])


def _patches(x):
    """(n, h, w, c) -> (n (h - 2) (w - 2), 9 c): what each 3x3 window sees, one row a window."""
    n, h, w, c = x.shape
    if c == 1:  # long rows to copy: one for each place of the window
        out = np.empty((9, n, h - 2, w - 2), np.float32)
        for i in range(9):
            out[i] = x[:, i // 3 : i // 3 + h - 2, i % 3 : i % 3 + w - 2, 0]
        return out.reshape(9, -1).T
    out = np.empty((n, h - 2, w - 2, 9, c), np.float32)
    for i in range(9):
        out[:, :, :, i] = x[:, i // 3 : i // 3 + h - 2, i % 3 : i % 3 + w - 2]
    return out.reshape(-1, 9 * c)


def _spread(d, shape, channels):
    """The gradient of `_patches`, for windows (n, h, w)."""
    n, h, w, _ = shape
    d = d.reshape(n, h, w, 9, channels)
    out = np.zeros((n, h + 2, w + 2, channels), np.float32)
    for i in range(9):
        out[:, i // 3 : i // 3 + h, i % 3 : i % 3 + w] += d[:, :, :, i]
    return out


def _corners(x):
    h, w = x.shape[1] // 2 * 2, x.shape[2] // 2 * 2
    return [x[:, i:h:2, j:w:2] for i in (0, 1) for j in (0, 1)]


def _pool(x):
    a, b, c, d = _corners(x)
    out = np.maximum(a, b)
    np.maximum(out, c, out=out)
    return np.maximum(out, d, out=out)


def _unpool(d, into, out):
    """The gradient of `_pool`: it goes to the corner that was the largest.

    Corners that tie are ReLU's zeros here, and ReLU passes no gradient on there.
    """
    result = np.zeros(into.shape, np.float32)
    for target, value in zip(_corners(result), _corners(into), strict=True):
        np.multiply(d, value == out, out=target)
    return result
