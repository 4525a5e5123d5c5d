"""Weights that share few values: k-means on a line, and what it saves.

Deep Compression (Han, Mao and Dally, arXiv:1510.00149), section 3: the n weights of a layer are
put into k clusters; stored are the k centroids (the *codebook*) and for each weight the number of
its cluster, log2(k) bits. Trained on, all weights of a cluster move together.
"""

from __future__ import annotations

import numpy as np

STARTS = ("linear", "density", "random")


def first_centroids(weights, k, start="linear", seed=0):
    """Return k centroids to begin with, in rising order: float64 (k,).

    weights: array of at least one value; its shape does not matter.
    start:   "linear", evenly from the smallest to the largest weight; "density", evenly in the
             share of weights below them, so that they stand where weights are; "random", weights
             drawn by lot (paper, section 3.2 and figure 4).
    Raises ValueError for another start and for no weights.

    >>> first_centroids(np.array([-1.0, 0, 0, 0, 1]), 3)
    array([-1.,  0.,  1.])
    """
    flat = np.sort(np.asarray(weights, np.float64), axis=None)
    if not flat.size or k < 1:
        raise ValueError(f"{flat.size} weights don't make {k} clusters: at least one of each.")
    if start == "linear":
        return np.linspace(flat[0], flat[-1], k)
    if start == "density":
        return np.quantile(flat, (np.arange(k) + 0.5) / k)
    if start == "random":
        return np.sort(np.random.default_rng(seed).choice(flat, k))
    raise ValueError(f"There is no start {start!r}: {', '.join(STARTS)}.")


def nearest(weights, codebook):
    """Return for each weight the number of the centroid next to it: intp, shape of weights.

    codebook: (k,) in rising order. On a line it is enough to know between which two neighbours'
    middles a weight lies.

    >>> nearest(np.array([-0.9, 0.1, 2.0]), np.array([-1.0, 0.0, 1.0]))
    array([0, 1, 2])
    """
    codebook = np.asarray(codebook, np.float64)
    return np.searchsorted((codebook[1:] + codebook[:-1]) / 2, weights)


def means(weights, indices, codebook):
    """Return each cluster's mean, float64 (k,); an empty cluster keeps its centroid.

    >>> means(np.array([1.0, 2, 6]), np.array([0, 0, 1]), np.array([0.0, 5, 9]))
    array([1.5, 6. , 9. ])
    """
    k = len(codebook)
    count = np.bincount(np.ravel(indices), minlength=k)
    total = np.bincount(np.ravel(indices), weights=np.ravel(weights), minlength=k)
    return np.where(count > 0, total / np.maximum(count, 1), codebook)


def k_means(weights, k, start="linear", seed=0, rounds=100):
    """Return every codebook on the way, from the first to the last: float64 (moves + 1, k).

    Lloyd's two steps by turns (paper, equation 2): each weight goes to the nearest centroid, each
    centroid to the mean of its weights. Ends when nothing moves, or after so many rounds.
    """
    path = [first_centroids(weights, k, start, seed)]
    for _ in range(rounds):
        moved = means(weights, nearest(weights, path[-1]), path[-1])
        if np.array_equal(moved, path[-1]):
            break
        path.append(moved)
    return np.array(path)


def codebook_gradient(gradient, indices, k):
    """Return the gradient of the loss with respect to each centroid: float64 (k,).

    All weights of a cluster are one number, so that their gradients add up (paper, equation 3:
    dL/dC_k = sum over i, j of dL/dW_ij * 1(I_ij = k)).

    >>> codebook_gradient(np.array([0.1, 0.2, 0.3]), np.array([1, 0, 1]), 2)
    array([0.2, 0.4])
    """
    return np.bincount(np.ravel(indices), weights=np.ravel(gradient), minlength=k)


def compression_rate(n, k, num_bits=32):
    """Return how many times smaller n shared weights are (paper, equation 1).

    r = n b / (n log2(k) + k b): n weights of b bits against n indices and a codebook of k values.

    >>> compression_rate(16, 4)      # the paper's figure 3: 16 weights, 4 centroids
    3.2
    """
    return float(n * num_bits / (n * np.log2(k) + k * num_bits))
