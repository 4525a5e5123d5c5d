"""Magnitude pruning: thresholds, masks, and how much a threshold removes.

The lecture ("Magnitude Pruning") prunes a weight when its magnitude does not exceed a
threshold, and gives every layer its own threshold from the spread of its weights:

    thresh(w_i) = w_i  if |w_i| >  lambda
                  0    if |w_i| <= lambda          lambda = s * sigma_l

Everything here is NumPy. A mask is a bool array: True keeps the weight, False prunes it.
"""

from __future__ import annotations

import math

import numpy as np


def magnitude_threshold(weights, s):
    """Return the threshold lambda = s * sigma_l of one layer (slide "Magnitude Pruning").

    weights: real array of any shape, the layer's trained (dense) weights.
    s:       real number >= 0, how many standard deviations to cut away.
    Returns a float in the weights' unit. sigma_l is the population standard deviation over
    all weights of the layer, computed in float64.
    Raises TypeError if the weights are not real numbers, ValueError if they are empty or not
    finite, or if s is negative or not finite.

    >>> magnitude_threshold(np.array([-3.0, -1.0, 1.0, 3.0]), s=1.0)
    2.23606797749979
    """
    weights = require_weights(weights)
    return require_non_negative(s, "s") * float(np.std(weights, dtype=np.float64))


def magnitude_mask(weights, threshold):
    """Return the mask of the weights that survive: True where |w| > threshold, as on the slide.

    weights:   real array of any shape.
    threshold: real number >= 0, lambda, in the weights' unit.
    Returns a bool array of the same shape. Raises like `magnitude_threshold`.

    >>> magnitude_mask(np.array([-2.0, 0.5, 1.0, 1.5]), threshold=1.0)
    array([ True, False, False,  True])
    """
    weights = require_weights(weights)
    return np.abs(weights) > round_down(require_non_negative(threshold, "threshold"), weights.dtype)


def sparsity(mask):
    """Return the share of weights that the mask prunes, from 0.0 (dense) to 1.0 (nothing left).

    >>> sparsity(np.array([True, False, False, True]))
    0.5
    """
    mask = np.asarray(mask)
    if mask.dtype != bool or mask.size == 0:
        raise ValueError("A mask is a non-empty array of True (keep) and False (prune).")
    return 1 - int(np.count_nonzero(mask)) / mask.size


def prune(weights, s):
    """Return a copy of the layer with every weight of magnitude <= s * sigma_l set to zero.

    >>> prune(np.array([-3.0, -1.0, 1.0, 3.0]), s=1.0)
    array([-3.,  0.,  0.,  3.])
    """
    weights = require_weights(weights)
    return np.where(magnitude_mask(weights, magnitude_threshold(weights, s)), weights, 0)


class ThresholdIndex:
    """Answers "how sparse at this threshold?" and "which threshold for this sparsity?" at once.

    Counting |w| <= lambda visits every weight for every position of a slider. Sorting the
    magnitudes once turns the count into a binary search, so that a query takes a few
    microseconds whether the layer has ten thousand weights or a hundred million.

    weights: real array of any shape; the index keeps one sorted copy of the magnitudes in the
             weights' own dtype (integers are kept as float64).
    Raises like `magnitude_threshold`.

    >>> index = ThresholdIndex(np.array([-3.0, -1.0, 1.0, 3.0]))
    >>> index.sparsity(2.0), index.threshold(0.5)
    (0.5, 1.0)
    """

    def __init__(self, weights):
        self._magnitudes = np.abs(require_weights(weights)).ravel()
        self._magnitudes.sort()

    def __len__(self):
        return self._magnitudes.size

    def sparsity(self, threshold):
        """Return the share of weights with |w| <= threshold: what `magnitude_mask` prunes."""
        threshold = require_non_negative(threshold, "threshold")
        # A key of another dtype would make searchsorted convert the whole array first.
        key = round_down(threshold, self._magnitudes.dtype)
        return int(self._magnitudes.searchsorted(key, side="right")) / len(self)

    def threshold(self, sparsity):
        """Return the smallest threshold that prunes at least this share of the weights.

        sparsity: from 0.0 to 1.0. Weights of equal magnitude go together, so that the share
        really pruned can be larger than asked. Raises ValueError outside [0, 1].
        """
        sparsity = require_non_negative(sparsity, "sparsity")
        if sparsity > 1:
            raise ValueError(f"A sparsity is a share from 0 to 1; got {sparsity:g}.")
        # Rounding must not turn an exact count such as 0.29 * 100 = 28.999999999999996 into one
        # weight more or fewer than the same share would give the other way round.
        count = math.ceil(round(sparsity * len(self), 6))
        return float(self._magnitudes[count - 1]) if count else 0.0


def round_down(threshold, dtype):
    """Return the threshold as the largest number of that dtype that does not exceed it.

    For weights w of the dtype, |w| > threshold exactly when |w| > round_down(threshold): the
    comparison in the weights' own precision prunes the very weights that real arithmetic would.
    """
    rounded = dtype.type(min(threshold, float(np.finfo(dtype).max)))
    too_high = float(rounded) > threshold
    return np.nextafter(rounded, dtype.type(0)) if too_high else rounded


def require_weights(weights):
    """Return the weights as a floating-point array, or raise with one sentence that says why not.

    Raises TypeError if they are not real numbers, ValueError if empty, NaN or infinite.
    """
    weights = np.asarray(weights)
    if weights.dtype.kind not in "fiu":
        raise TypeError(f"Weights must be an array of real numbers; got dtype {weights.dtype}.")
    if weights.size == 0:
        raise ValueError("There are no weights to prune: the array is empty.")
    if weights.dtype.kind != "f":
        return weights.astype(np.float64)
    # The extremes are NaN or infinite exactly when some weight is; no temporary array is needed.
    if not (np.isfinite(weights.min()) and np.isfinite(weights.max())):
        raise ValueError("The weights hold NaN or infinity: was the training stable?")
    return weights


def require_non_negative(value, name):
    """Return the value as a float, or raise ValueError if it is negative or not finite.

    Raises TypeError if it is not a number at all.
    """
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise TypeError(f"{name} must be a number; got {type(value).__name__}.") from None
    if not (math.isfinite(number) and number >= 0):
        raise ValueError(f"{name} must be a finite number that is not negative; got {number}.")
    return number
