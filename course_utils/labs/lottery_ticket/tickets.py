"""One round of the lottery: which weights go, and what the survivors are set back to.

Frankle and Carbin, "The Lottery Ticket Hypothesis" (arXiv:1803.03635), section 2: train, prune the
smallest weights of each layer, set those that are left back to their first values, repeat. A mask
is a bool array in the kernel's shape, True = kept.
"""

from __future__ import annotations

import numpy as np

RATE, OUTPUT_RATE = 0.2, 0.1  # of the weights left, a round; the output layer loses half as much


def rates(kernels, rate=RATE, output_rate=OUTPUT_RATE) -> dict[str, float]:
    """The share of its weights left that each kernel loses in a round; the last is the output."""
    *hidden, output = kernels
    return {**dict.fromkeys(hidden, rate), output: output_rate}


def prune_round(weights, mask, share):
    """Return the mask that prunes this share of the weights the old mask keeps, the smallest.

    weights: the layer's trained weights; pruned ones are 0.  mask: bool, the same shape.
    share:   of the weights that are left, rounded to a whole number of them.

    >>> prune_round(np.array([0.1, 0.0, -0.4, 0.3]), np.array([True, False, True, True]), 1 / 3)
    array([False, False,  True,  True])
    """
    left = np.flatnonzero(mask)
    magnitudes = np.abs(np.ravel(weights)[left])
    pruned = left[np.argsort(magnitudes, kind="stable")[: round(share * left.size)]]
    new = np.array(mask, bool)
    new.reshape(-1)[pruned] = False
    return new


def rewind(initial, mask):
    """Return the first weights of those that are left; all others are 0.

    >>> rewind(np.array([0.5, -0.2]), np.array([False, True]))
    array([ 0. , -0.2])
    """
    return np.where(mask, initial, 0)


def next_masks(weights, masks, rate=RATE, output_rate=OUTPUT_RATE):
    """Every kernel's mask after one more round; the paper's rates unless told otherwise."""
    return {
        name: prune_round(weights[name], masks[name], share)
        for name, share in rates(masks, rate, output_rate).items()
    }


def whole(weights):
    """The masks of a dense network: every kernel keeps everything."""
    return {name: np.ones(w.shape, bool) for name, w in weights.items() if name.endswith("kernel")}


def one_shot(weights, masks):
    """Masks of the same sizes, from the dense network's trained weights in one step."""
    return {
        name: prune_round(weights[name], np.ones(mask.shape, bool), 1 - mask.mean())
        for name, mask in masks.items()
    }


def random_masks(masks, rng):
    """Masks of the same sizes, kernel by kernel, with the kept weights drawn anew."""
    return {name: rng.permutation(mask.ravel()).reshape(mask.shape) for name, mask in masks.items()}


def same_inputs(masks, rng):
    """Masks in which every input keeps as many connections as before, but to other outputs."""
    return {
        name: rng.permuted(mask.reshape(-1, mask.shape[-1]), axis=1).reshape(mask.shape)
        for name, mask in masks.items()
    }


def controls(masks, seed, number):
    """The masks drawn by chance for one round of one seed."""
    rng = np.random.default_rng([seed, number])
    return {"random": random_masks(masks, rng), "same_inputs": same_inputs(masks, rng)}


def left(masks) -> float:
    """The share of all kernels' weights that is left."""
    return sum(int(m.sum()) for m in masks.values()) / sum(m.size for m in masks.values())


def pack(old, new):
    """Of the weights that the old masks keep: which ones do the new ones keep? -> packed bits"""
    return np.packbits(np.concatenate([new[name][old[name]] for name in old]))


def unpack(old, bits):
    """The new masks from the old ones and `pack`'s bits. Raises ValueError if they don't fit."""
    count = sum(int(mask.sum()) for mask in old.values())
    if len(bits) != -(-count // 8):
        raise ValueError(f"{len(bits)} bytes don't hold the {count} weights that are left.")
    stays, new, first = np.unpackbits(bits, count=count).astype(bool), {}, 0
    for name, mask in old.items():
        new[name] = mask.copy()
        n = int(mask.sum())
        new[name][mask] = stays[first : first + n]
        first += n
    return new


def pack_all(masks):
    """A list of masks, each within the one before, as bytes; the first, which is whole, is not."""
    return np.concatenate([pack(old, new) for old, new in zip(masks, masks[1:], strict=False)])


def unpack_all(whole_masks, stored):
    """The list of masks that `pack_all` stored, the whole one first."""
    found, first = [whole_masks], 0
    while first < len(stored):
        count = -(-sum(int(mask.sum()) for mask in found[-1].values()) // 8)
        found.append(unpack(found[-1], stored[first : first + count]))
        first += count
    return found
