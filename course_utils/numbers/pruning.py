"""Pruning: thresholds, masks of single weights and of whole patterns, and schedules.

The lecture ("Magnitude Pruning") prunes a weight when its magnitude does not exceed a
threshold, and gives every layer its own threshold from the spread of its weights:

    thresh(w_i) = w_i  if |w_i| >  lambda
                  0    if |w_i| <= lambda          lambda = s * sigma_l

"Structured Pruning" removes whole neurons, or keeps 2 weights of every 4. Everything here is
NumPy. A mask is a bool array in the shape of the weights: True keeps a weight, False prunes it.
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


def random_mask(weights, sparsity, rng):
    """Return a mask that prunes this share of the weights at random: the control experiment.

    weights:  real array of any shape; only the shape matters.
    sparsity: real number in [0, 1), the share to prune, rounded to a whole number of weights.
    rng:      a `numpy.random.Generator`.
    Returns a bool array of the same shape. Raises ValueError if no weight would be left.

    >>> int(random_mask(np.ones(8), 0.75, np.random.default_rng(0)).sum())
    2
    """
    weights = require_weights(weights)
    mask = np.ones(weights.size, dtype=bool)
    mask[: require_share(sparsity, "sparsity", weights.size, "weight")] = False
    return rng.permutation(mask).reshape(weights.shape)


def channel_norms(weights, axis, order=2):
    """Return the norm of each channel's weights: (sum |w|^order)^(1/order), float64.

    weights: real array with the channels along `axis`, for example (height, width, in, out).
    axis:    the axis KEPT, as `channel_axis` in quantization: -1 ranks the outputs of a Keras
             kernel, that is, its neurons. The sum runs over all other axes.
    order:   1 (Li et al., "Pruning Filters for Efficient ConvNets", arXiv:1608.08710) or 2.
    Returns shape (channels,). Raises ValueError for an axis that the weights don't have.

    >>> channel_norms(np.array([[3.0, 1.0], [4.0, 0.0]]), axis=1)
    array([5., 1.])
    """
    weights = require_weights(weights)
    axis = require_axis(weights, axis)
    rows = np.moveaxis(weights, axis, 0).reshape(weights.shape[axis], -1)
    return np.linalg.norm(rows.astype(np.float64), ord=order, axis=1)


def channel_mask(weights, fraction, axis, order=2):
    """Return the mask that prunes the channels of smallest norm, each whole: "pruning neurons".

    weights:  real array with the channels along `axis`.
    fraction: real number in [0, 1), the share of the channels to prune, rounded to a whole
              number of them.
    axis:     the axis KEPT, as in `channel_norms`.
    Returns a bool array of the same shape. Of channels with equal norms the later ones go first.
    Raises ValueError if fraction is outside [0, 1) or would leave no channel.

    >>> channel_mask(np.array([[3.0, 1.0], [4.0, 0.0]]), fraction=0.5, axis=1)
    array([[ True, False],
           [ True, False]])
    """
    keep = keep_largest(channel_norms(weights, axis, order), fraction)
    shape = np.ones(np.ndim(weights), dtype=int)
    shape[axis] = len(keep)
    return np.broadcast_to(keep.reshape(shape), np.shape(weights)).copy()


def keep_largest(scores, fraction):
    """Return which channels stay when this share of them goes, those of smallest score.

    scores: real array (channels,).  fraction: as in `channel_mask`, which raises the same.

    >>> keep_largest(np.array([0.1, 0.4, 0.3, 0.2]), 0.5)
    array([False,  True,  True, False])
    """
    pruned = require_share(fraction, "fraction", len(scores), "channel")
    keep = np.zeros(len(scores), dtype=bool)
    keep[np.argsort(-scores, kind="stable")[: len(scores) - pruned]] = True
    return keep


def n_m_mask(weights, n=2, m=4, *, axis):
    """Return the mask that keeps the n largest of every m successive weights along an axis.

    The lecture's "2 by 4 pattern" is n=2, m=4. Hardware that skips the zeros multiplies m inputs
    with one output's weights at a time, so that the groups lie along the INPUT axis: axis=0 of a
    dense kernel (in, out), axis=2 of a convolution's (height, width, in, out).

    weights: real array.
    Returns a bool array of the same shape. Of equal magnitudes the first are kept.
    Raises ValueError unless 1 <= n <= m and m divides the axis.

    >>> n_m_mask(np.array([0.1, -0.4, 0.3, 0.2]), n=2, m=4, axis=0)
    array([False,  True,  True, False])
    """
    weights = require_weights(weights)
    axis = require_axis(weights, axis)
    if not 1 <= n <= m:
        raise ValueError(f"Of every m = {m} weights n = {n} can't be kept: take 1 <= n <= m.")
    length = weights.shape[axis]
    if length % m:
        raise ValueError(
            f"Axis {axis} of weights {weights.shape} has length {length}, which {m} does not "
            f"divide: {n} of {m} needs whole groups. Is it the input axis?"
        )
    lines = np.moveaxis(weights, axis, -1)
    groups = np.abs(lines).reshape(-1, m)
    mask = np.zeros(groups.shape, dtype=bool)
    np.put_along_axis(mask, np.argsort(-groups, axis=1, kind="stable")[:, :n], True, axis=1)
    return np.moveaxis(mask.reshape(lines.shape), -1, axis).copy()


def polynomial_sparsity(step, initial_sparsity, final_sparsity, begin_step, end_step, power=3):
    """Return the sparsity to have at a step of training: fast at first, then slower.

    With t from begin_step to end_step,

        s_t = s_f + (s_i - s_f) (1 - (t - begin_step) / (end_step - begin_step))^power

    s_i before, s_f after. Many weights can go while many are left; the last ones are worth time
    to make up for. step may be an array. Names as in tfmot's `PolynomialDecay`.

    Source: Zhu and Gupta, "To Prune, or Not to Prune", arXiv:1710.01878, equation 1.
    Raises ValueError if a sparsity is outside [0, 1) or end_step does not come after begin_step.

    >>> polynomial_sparsity(np.array([0, 500, 1000, 2000]), 0.0, 0.8, 0, 1000)
    array([0. , 0.7, 0.8, 0.8])
    """
    for name, value in (("initial", initial_sparsity), ("final", final_sparsity)):
        if not 0 <= value < 1:
            raise ValueError(f"{name}_sparsity is a share from 0 to below 1; got {value}.")
    if not begin_step < end_step:
        raise ValueError(f"end_step ({end_step}) must come after begin_step ({begin_step}).")
    left = 1 - np.clip((np.asarray(step) - begin_step) / (end_step - begin_step), 0, 1)
    return final_sparsity + (initial_sparsity - final_sparsity) * left**power


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


def require_axis(weights, axis):
    """Return the axis counted from 0, or raise ValueError if the weights don't have it."""
    if not -weights.ndim <= axis < weights.ndim:
        raise ValueError(f"Weights of shape {weights.shape} have no axis {axis}.")
    return axis % weights.ndim


def require_share(share, name, count, thing):
    """Return how many of `count` things a share in [0, 1) means, or raise ValueError.

    A share that would leave none is refused: a layer without weights passes nothing on.
    """
    share = require_non_negative(share, name)
    if share >= 1:
        raise ValueError(f"{name} is a share from 0 to below 1; got {share:g}.")
    pruned = round(share * count)
    if pruned == count:
        raise ValueError(
            f"{name} {share:g} would leave no {thing} of {count}, and a layer without any passes "
            f"nothing on: prune at most {count - 1}."
        )
    return pruned


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
