"""The three stages of Deep Compression on a shipped network: prune, share, code.

Han, Mao and Dally, arXiv:1510.00149. A network is {name: array, Pruned or Shared}, as
`numbers.compressed_network` stores it; a kernel's first shared value is 0, that of pruned weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from course_utils.machines import data, numpy_training
from course_utils.numbers import compressed_network, weight_sharing
from course_utils.numbers.compressed_network import Pruned, Shared, weights_of

STAGES = ("dense", "pruned", "shared", "coded")
LENET, CNN = "lenet_300_100", "fashion_cnn"


class Recipe(NamedTuple):
    """How a network is compressed. Everything was chosen on the validation images of seed 1."""

    keep: dict[str, float]  # share of a kernel's weights that is left at the end
    bits: dict[str, int]  # of an index into the kernel's codebook
    cut_steps: int  # of training after each cut
    tune_steps: int  # after the last one, and once more at a fifth of the rate
    codebook_steps: int
    every: int = 500  # steps between two looks at the validation set
    cuts: int = 6
    learning_rate: float = 1e-3
    batch_size: int = 60


RECIPES = {
    LENET: Recipe(
        keep={"dense1/kernel": 0.08, "dense2/kernel": 0.2, "dense3/kernel": 0.5},
        bits={"dense1/kernel": 4, "dense2/kernel": 4, "dense3/kernel": 4},
        cut_steps=1500, tune_steps=6000, codebook_steps=2000,
    ),
    CNN: Recipe(
        keep={"conv1/kernel": 0.9, "conv2/kernel": 0.5, "dense1/kernel": 0.08,
              "dense2/kernel": 0.5},
        bits={"conv1/kernel": 5, "conv2/kernel": 5, "dense1/kernel": 4, "dense2/kernel": 5},
        cut_steps=500, tune_steps=2000, codebook_steps=800, every=200,
    ),
}  # fmt: skip

# Where the paper's 40 times are passed: fewer weights left, all else the same.
FEWER = RECIPES[LENET]._replace(
    keep={"dense1/kernel": 0.06, "dense2/kernel": 0.15, "dense3/kernel": 0.4}
)


def schedule(share, cuts):
    """Shares left after each cut, fewer to go each time (Zhu and Gupta, arXiv:1710.01878).

    >>> [round(left, 3) for left in schedule(0.1, 3)]
    [0.367, 0.133, 0.1]
    """
    return [share + (1 - share) * (1 - (cut + 1) / cuts) ** 3 for cut in range(cuts)]


def masks(weights: Mapping, keep: Mapping) -> dict[str, np.ndarray]:
    """The largest weights of each kernel, this share of them: {kernel: bool, True = kept}."""
    found = {}
    for name, share in keep.items():
        order = np.argsort(-np.abs(weights[name]), axis=None, kind="stable")
        mask = np.zeros(weights[name].size, bool)
        mask[order[: max(1, round(share * mask.size))]] = True
        found[name] = mask.reshape(weights[name].shape)
    return found


def prune(network, images, recipe: Recipe, seed=1, progress: Callable | None = None):
    """Stage 1: cut the smallest weights, train on, cut again. -> weights, zeros where pruned"""
    weights = {name: w.copy() for name, w in data.checkpoint(network).weights.items()}
    left = {name: schedule(share, recipe.cuts) for name, share in recipe.keep.items()}
    total, done = recipe.cuts * recipe.cut_steps + 2 * recipe.tune_steps, 0
    plan = [(cut, recipe.cut_steps, recipe.learning_rate) for cut in range(recipe.cuts)]
    plan += [(recipe.cuts - 1, recipe.tune_steps, recipe.learning_rate / fifth) for fifth in (1, 5)]
    for cut, steps, rate in plan:
        mask = masks(weights, {name: shares[cut] for name, shares in left.items()})
        run = numpy_training.train(
            network, weights, images, masks=mask, steps=steps, every=recipe.every, seed=seed,
            batch_size=recipe.batch_size, learning_rate=rate, first_step=done,
            progress=progress and (lambda step, _, done=done: progress(done + step, total)),
        )  # fmt: skip
        weights, done = run.last, done + steps
    return run.weights


def share(weights: Mapping, bits: Mapping, start="linear", seed=0) -> dict:
    """Stage 2: what is left of each kernel shares 2^bits - 1 values; the first value is 0."""
    found = dict(weights)
    for name, width in bits.items():
        kept = weights[name] != 0
        codebook = weight_sharing.k_means(weights[name][kept], 2**width - 1, start, seed)[-1]
        codebook = np.unique(codebook[codebook != 0])
        indices = np.zeros(kept.shape, np.intp)
        indices[kept] = weight_sharing.nearest(weights[name][kept], codebook) + 1
        found[name] = Shared(np.append(0, codebook).astype(np.float32), indices)
    return found


def tune(network, shared, images, recipe: Recipe, seed=1, progress=None, gradient=None):
    """Train the shared values and the biases on. -> a network of the same indices"""
    own = {"gradient": gradient} if gradient else {}
    return numpy_training.train_codebooks(
        network, shared, images, steps=recipe.codebook_steps, every=recipe.every // 2, seed=seed,
        batch_size=recipe.batch_size, learning_rate=recipe.learning_rate / 5, progress=progress,
        **own,
    ).weights  # fmt: skip


def pruned(weights: Mapping, kernels) -> dict:
    """A network of which the pruned kernels' zeros are not stored."""
    return {name: Pruned(w) if name in kernels else w for name, w in weights.items()}


def gap_widths(network: Mapping, coded=True) -> dict[str, int]:
    """The bits of a gap with which each kernel takes fewest bytes; 0: no gaps are stored."""
    return {
        name: min(range(9), key=lambda bits: len(compressed_network.encode({name: w}, bits, coded)))
        for name, w in network.items() if isinstance(w, (Pruned, Shared))
    }  # fmt: skip


def encode(network: Mapping, coded=True) -> bytes:
    """The network's file, with the gap widths that make it smallest."""
    return compressed_network.encode(network, gap_widths(network, coded), coded)


def files(network, weights, shared) -> dict[str, bytes]:
    """The file after each stage: {stage: bytes}. The dense one is the shipped network's."""
    kernels = [name for name, tensor in shared.items() if isinstance(tensor, Shared)]
    return {
        "dense": encode(dict(data.checkpoint(network).weights)),
        "pruned": encode(pruned(weights, kernels)),
        "shared": encode(shared, coded=False),
        "coded": encode(shared),
    }


def floats(network: Mapping) -> dict[str, np.ndarray]:
    """A network's float32 weights by name."""
    return {name: weights_of(tensor) for name, tensor in network.items()}
