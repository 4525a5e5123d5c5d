"""Answers as students may write them, made from the notebooks' text without the declarations.

WRONG: {exercise: [(what goes wrong, function)]}, ten each. RIGHT: four each, in other forms.
`test_student_answers.py` counts how many of the wrong ones are named.
"""
# ruff: noqa: B905, E741, SIM103 - students write so

import math
from fractions import Fraction

import numpy as np

WRONG, RIGHT = {}, {}


# What the notebook gives students as `engine`, written again from its text.
def _divide(x, exponent):
    """x / 2**exponent to the nearest, halves away from zero; exponent a number or an array."""
    x = np.asarray(x, np.int64)
    exponent = np.asarray(exponent)
    if np.any(exponent < 0):
        raise ValueError("negative shift count")
    exponent = exponent.astype(np.int64)
    half = (np.int64(1) << exponent) >> 1
    return np.sign(x) * ((np.abs(x) + half) >> exponent)


def _requantize(accumulator, multiplier, shift, zero_point, qmin=-128, qmax=127):
    shift = np.asarray(shift, np.int64)
    product = np.asarray(accumulator, np.int64) * (np.int64(1) << np.maximum(shift, 0))
    high = (product * np.asarray(multiplier, np.int64) + 2**30) >> 31
    scaled = _divide(high, -np.minimum(shift, 0))
    return np.clip(scaled + zero_point, qmin, qmax).astype(np.int8)


# ---------------------------------------------------------------- 00.macs
def macs_overwritten(output_shape, input_shape, kernel_size):
    height, width, channels = output_shape
    height, width, channels = input_shape
    return height * width * channels * kernel_size[0] * kernel_size[1] * input_shape[2]


def macs_loop(output_shape, input_shape, kernel_size):
    total = input_shape[-1]
    for n in list(output_shape) + list(kernel_size):
        total *= n
    return total


def macs_by_weights(output_shape, input_shape, kernel_size):
    h, w, filters = output_shape
    kh, kw = kernel_size
    _, _, channels = input_shape
    weights = kh * kw * channels * filters
    return weights * h * w  # every weight once at each position


WRONG["00.macs"] = [
    (
        "positions of the input instead of the output",
        lambda o, i, k: i[0] * i[1] * i[2] * k[0] * k[1] * o[2],
    ),
    ("input channels forgotten", lambda o, i, k: o[0] * o[1] * o[2] * k[0] * k[1]),
    ("filters forgotten", lambda o, i, k: o[0] * o[1] * k[0] * k[1] * i[2]),
    (
        "a MAC counted as two operations",
        lambda o, i, k: 2 * o[0] * o[1] * o[2] * k[0] * k[1] * i[2],
    ),
    ("bias additions counted too", lambda o, i, k: o[0] * o[1] * o[2] * (k[0] * k[1] * i[2] + 1)),
    ("kernel taken as square", lambda o, i, k: o[0] * o[1] * o[2] * k[0] ** 2 * i[2]),
    ("weights counted, not MACs", lambda o, i, k: k[0] * k[1] * i[2] * o[2]),
    (
        "the whole input under each output value",
        lambda o, i, k: math.prod(o) * math.prod(k) * math.prod(i),
    ),
    ("channels taken first in the input", lambda o, i, k: o[0] * o[1] * o[2] * k[0] * k[1] * i[0]),
    ("same names for both shapes, overwritten", macs_overwritten),
]
RIGHT["00.macs"] = [
    ("math.prod", lambda o, i, k: math.prod(o) * math.prod(k) * i[-1]),
    ("np.prod over all", lambda o, i, k: np.prod([*o, *k, i[2]], dtype=np.int64)),
    ("loop over all factors", macs_loop),
    ("number of weights times positions", macs_by_weights),
]


# ---------------------------------------------------------------- 01.share
def share_count(weights, k):
    distance = np.abs(weights - np.mean(weights))
    return np.sum(distance <= k * np.std(weights))


def share_len(weights, k):
    distance = np.abs(weights - np.mean(weights))
    return np.sum(distance <= k * np.std(weights)) / len(weights)


def share_loop(weights, k):
    flat = weights.ravel()
    mean, limit = np.mean(weights), k * np.std(weights)
    inside = 0
    for w in flat:
        if abs(w - mean) <= limit:
            inside += 1
    return inside / flat.size


def share_between(weights, k):
    mean, sigma = weights.mean(), weights.std()
    return ((weights >= mean - k * sigma) & (weights <= mean + k * sigma)).mean()


def share_own_sigma(weights, k):
    d = weights - weights.mean()
    sigma = np.sqrt(np.mean(d**2))
    return np.count_nonzero(np.abs(d) <= k * sigma) / weights.size


WRONG["01.share"] = [
    ("distance from zero, not from the mean", lambda w, k: np.mean(np.abs(w) <= k * np.std(w))),
    ("less than instead of at most", lambda w, k: np.mean(np.abs(w - np.mean(w)) < k * np.std(w))),
    ("count instead of share", share_count),
    ("in percent", lambda w, k: 100 * np.mean(np.abs(w - np.mean(w)) <= k * np.std(w))),
    ("no absolute value, one side only", lambda w, k: np.mean(w - np.mean(w) <= k * np.std(w))),
    ("n - 1 instead of n", lambda w, k: np.mean(np.abs(w - np.mean(w)) <= k * np.std(w, ddof=1))),
    (
        "variance instead of standard deviation",
        lambda w, k: np.mean(np.abs(w - np.mean(w)) <= k * np.var(w)),
    ),
    ("divided by len, the first axis only", share_len),
    ("share outside", lambda w, k: np.mean(np.abs(w - np.mean(w)) > k * np.std(w))),
    (
        "absolute value before the mean is taken off",
        lambda w, k: np.mean(np.abs(w) - np.mean(w) <= k * np.std(w)),
    ),
]
RIGHT["01.share"] = [
    ("loop", share_loop),
    ("between two limits", share_between),
    ("own sigma, count over size", share_own_sigma),
    (
        "one minus the share outside",
        lambda w, k: 1 - np.mean(np.abs(w - np.mean(w)) > k * np.std(w)),
    ),
]


# ---------------------------------------------------------------- 01.bits
def bits_range(weights):
    _, e = np.frexp(weights[weights != 0])
    return e.max() - e.min() + 1


def bits_exponent_zero(weights):
    _, e = np.frexp(weights)
    return len(np.unique(e[e != 0]))


def bits_minus_one(weights):
    _, e = np.frexp(weights)
    return len(np.unique(e)) - 1


def bits_needed(weights):
    _, e = np.frexp(weights[weights != 0])
    return int(np.ceil(np.log2(len(np.unique(e)))))


def bits_set(weights):
    return len({math.frexp(w)[1] for w in weights.ravel().tolist() if w != 0})


def bits_sorted(weights):
    _, e = np.frexp(weights)
    e = np.sort(e[weights != 0])
    return 0 if e.size == 0 else int(1 + np.count_nonzero(np.diff(e)))


def bits_dict(weights):
    counts = {}
    for w in np.abs(weights).flatten():
        if w > 0:
            e = int(np.frexp(w)[1])
            counts[e] = counts.get(e, 0) + 1
    return len(counts)


WRONG["01.bits"] = [
    ("zeros not left out", lambda w: len(np.unique(np.frexp(w)[1]))),
    ("fractions counted", lambda w: len(np.unique(np.frexp(w[w != 0])[0]))),
    ("logarithm rounded", lambda w: len(np.unique(np.round(np.log2(np.abs(w[w != 0])))))),
    ("logarithm of negative weights", lambda w: len(np.unique(np.floor(np.log2(w[w != 0]))))),
    ("largest minus smallest exponent plus one", bits_range),
    ("positive weights only", lambda w: len(np.unique(np.frexp(w[w > 0])[1]))),
    ("the exponents instead of their number", lambda w: np.unique(np.frexp(w[w != 0])[1])),
    ("exponents equal to 0 left out, not weights", bits_exponent_zero),
    ("always one less, for zero", bits_minus_one),
    ("bits needed to tell them apart", bits_needed),
]
RIGHT["01.bits"] = [
    ("set of math.frexp", bits_set),
    ("sorted, steps counted", bits_sorted),
    ("dictionary of counts, magnitudes", bits_dict),
    ("mask after frexp, size of unique", lambda w: np.unique(np.frexp(w)[1][w != 0]).size),
]


# ---------------------------------------------------------------- 02.threshold
def threshold_print(weights, s):
    print(s * np.std(weights))


WRONG["02.threshold"] = [
    ("variance", lambda w, s: s * np.var(w)),
    ("n - 1 instead of n", lambda w, s: s * np.std(w, ddof=1)),
    ("standard deviation of the magnitudes", lambda w, s: s * np.std(np.abs(w))),
    ("along axis 0 only", lambda w, s: s * np.std(w, axis=0)),
    ("root mean square, mean not taken off", lambda w, s: s * np.sqrt(np.mean(w**2))),
    ("mean plus s sigma", lambda w, s: np.mean(w) + s * np.std(w)),
    ("s forgotten", lambda w, s: np.std(w)),
    ("mean magnitude instead of sigma", lambda w, s: s * np.mean(np.abs(w))),
    ("s as a share of the largest magnitude", lambda w, s: s * np.max(np.abs(w))),
    ("printed, not returned", threshold_print),
]
RIGHT["02.threshold"] = [
    ("formula written out", lambda w, s: s * np.sqrt(np.mean((w - np.mean(w)) ** 2))),
    ("root of the variance", lambda w, s: math.sqrt(np.var(w)) * s),
    (
        "norm over root n",
        lambda w, s: s * np.linalg.norm((w - w.mean()).ravel()) / math.sqrt(w.size),
    ),
    ("std of the flattened, as a float", lambda w, s: float(w.flatten().std()) * s),
]


# ---------------------------------------------------------------- 02.mask
def mask_if(weights, threshold):
    if np.abs(weights) > threshold:
        return True
    return False


WRONG["02.mask"] = [
    ("no absolute value", lambda w, t: w > t),
    ("greater or equal", lambda w, t: np.abs(w) >= t),
    ("True where removed", lambda w, t: np.abs(w) <= t),
    ("pruned weights instead of the mask", lambda w, t: np.where(np.abs(w) > t, w, 0)),
    ("or between arrays", lambda w, t: w > t or w < -t),
    ("indices from np.where", lambda w, t: np.where(np.abs(w) > t)),
    ("only the kept weights", lambda w, t: w[np.abs(w) > t]),
    ("and instead of or", lambda w, t: (w > t) & (w < -t)),
    ("sigma once more", lambda w, t: np.abs(w) > t * np.std(w)),
    ("if on an array", mask_if),
]
RIGHT["02.mask"] = [
    ("two sides joined by |", lambda w, t: (w > t) | (w < -t)),
    ("not at most", lambda w, t: ~(np.abs(w) <= t)),
    ("not between the limits", lambda w, t: np.logical_not(np.logical_and(w >= -t, w <= t))),
    ("np.where with True and False", lambda w, t: np.where(np.maximum(w, -w) > t, True, False)),
]

# ---------------------------------------------------------------- 03.schedule
WRONG["03.schedule"] = [
    ("square instead of cube", lambda t, T, f: f - f * (1 - t / T) ** 2),
    ("what is left to prune", lambda t, T, f: f * (1 - t / T) ** 3),
    ("cube forgotten", lambda t, T, f: f - f * (1 - t / T)),
    ("cube on t / T alone", lambda t, T, f: f - f * (1 - (t / T) ** 3)),
    ("whole-number division", lambda t, T, f: f - f * (1 - t // T) ** 3),
    ("final sparsity not in the second term", lambda t, T, f: f - (1 - t / T) ** 3),
    ("parentheses: (1 - t) / T", lambda t, T, f: f - f * ((1 - t) / T) ** 3),
    ("times 3 instead of cube", lambda t, T, f: f - f * (1 - t / T) * 3),
    ("math.pow, which takes no arrays", lambda t, T, f: f - f * math.pow(1 - t / T, 3)),
    ("ends at 1, final forgotten", lambda t, T, f: 1 - (1 - t / T) ** 3),
]


def schedule_expanded(step, steps, final):
    x = step / steps
    return final * (3 * x - 3 * x**2 + x**3)


def schedule_steps_left(step, steps, final):
    left = (steps - step) / steps
    return final - final * left * left * left


RIGHT["03.schedule"] = [
    ("factored", lambda t, T, f: f * (1 - (1 - t / T) ** 3)),
    ("polynomial", schedule_expanded),
    ("steps that are left", schedule_steps_left),
    ("np.power", lambda t, T, f: np.subtract(f, f * np.power(1.0 - np.divide(t, T), 3))),
]

# ---------------------------------------------------------------- 03.channels
WRONG["03.channels"] = [
    ("no root", lambda k: np.sum(k**2, axis=(0, 1, 2))),
    ("L1 norm", lambda k: np.sum(np.abs(k), axis=(0, 1, 2))),
    ("axis 3: sums over the outputs", lambda k: np.sqrt(np.sum(k**2, axis=3))),
    ("input channels not summed", lambda k: np.sqrt(np.sum(k**2, axis=(0, 1)))),
    ("norms of the input channels", lambda k: np.sqrt(np.sum(k**2, axis=(0, 1, 3)))),
    ("one norm for the whole kernel", lambda k: np.sqrt(np.sum(k**2))),
    ("np.linalg.norm over three axes", lambda k: np.linalg.norm(k, axis=(0, 1, 2))),
    ("mean instead of sum", lambda k: np.sqrt(np.mean(k**2, axis=(0, 1, 2)))),
    ("summed before squaring", lambda k: np.sqrt(np.sum(k, axis=(0, 1, 2)) ** 2)),
    (
        "reshape to (out, -1) mixes the channels",
        lambda k: np.linalg.norm(k.reshape(k.shape[3], -1), axis=1),
    ),
]
RIGHT["03.channels"] = [
    ("reshape to (-1, out), norm", lambda k: np.linalg.norm(k.reshape(-1, k.shape[-1]), axis=0)),
    ("einsum", lambda k: np.einsum("hwic,hwic->c", k, k) ** 0.5),
    (
        "one channel at a time",
        lambda k: np.array([np.sqrt((k[..., c] ** 2).sum()) for c in range(k.shape[3])]),
    ),
    ("summed axis by axis", lambda k: np.sqrt((k * k).sum(axis=0).sum(axis=0).sum(axis=0))),
]

# ---------------------------------------------------------------- 03.remove
WRONG["03.remove"] = [
    ("next kernel cut along its outputs", lambda k, b, n, s: (k[..., s], b[s], n[..., s])),
    ("kernel cut along its inputs", lambda k, b, n, s: (k[:, :, s, :], b[s], n[:, :, s, :])),
    ("bias left whole", lambda k, b, n, s: (k[..., s], b, n[:, :, s, :])),
    ("removed ones kept", lambda k, b, n, s: (k[..., ~s], b[~s], n[:, :, ~s, :])),
    ("zeros in place", lambda k, b, n, s: (k * s, b * s, n * s[:, None])),
    ("first axis", lambda k, b, n, s: (k[s], b[s], n[s])),
    ("order: kernel, next kernel, bias", lambda k, b, n, s: (k[..., s], n[:, :, s, :], b[s])),
    ("next kernel left whole", lambda k, b, n, s: (k[..., s], b[s], n)),
    (
        "True and False as the numbers 1 and 0",
        lambda k, b, n, s: (k[..., s.astype(int)], b[s.astype(int)], n[:, :, s.astype(int), :]),
    ),
    (
        "np.delete of what stays",
        lambda k, b, n, s: (np.delete(k, s, axis=3), np.delete(b, s), np.delete(n, s, axis=2)),
    ),
]


def remove_take(kernel, bias, next_kernel, keep):
    index = np.flatnonzero(keep)
    return np.take(kernel, index, axis=3), np.take(bias, index), np.take(next_kernel, index, axis=2)


def remove_delete(kernel, bias, next_kernel, keep):
    gone = np.where(~np.asarray(keep))[0]
    return (
        np.delete(kernel, gone, axis=-1),
        np.delete(bias, gone),
        np.delete(next_kernel, gone, axis=2),
    )


def remove_lists(kernel, bias, next_kernel, keep):
    stay = [c for c, k in enumerate(keep) if k]
    return kernel[:, :, :, stay], bias[stay], next_kernel[:, :, stay]


RIGHT["03.remove"] = [
    ("np.take of indices", remove_take),
    ("np.delete of the others", remove_delete),
    ("list of places", remove_lists),
    (
        "np.compress",
        lambda k, b, n, s: (
            np.compress(s, k, axis=3),
            np.compress(s, b),
            np.compress(s, n, axis=2),
        ),
    ),
]

# ---------------------------------------------------------------- 03.share_left
WRONG["03.share_left"] = [
    ("product of what goes", lambda a, b: a * b),
    ("one minus the product", lambda a, b: 1 - a * b),
    ("fractions added", lambda a, b: 1 - (a + b)),
    ("this layer's outputs only", lambda a, b: 1 - b),
    ("share that is gone", lambda a, b: 1 - (1 - a) * (1 - b)),
    ("this layer's fraction twice", lambda a, b: (1 - b) ** 2),
    ("mean of the two", lambda a, b: 1 - (a + b) / 2),
    ("what is left, added", lambda a, b: (1 - a) + (1 - b)),
    ("in percent", lambda a, b: 100 * (1 - a) * (1 - b)),
    ("the larger of the two only", lambda a, b: 1 - max(a, b)),
]
RIGHT["03.share_left"] = [
    ("multiplied out", lambda a, b: 1 - a - b + a * b),
    ("outputs first, then inputs of the rest", lambda a, b: (1 - b) - a * (1 - b)),
    ("np.multiply", lambda a, b: np.multiply(1 - a, 1 - b)),
    ("both signs turned", lambda a, b: (a - 1) * (b - 1)),
]


# ---------------------------------------------------------------- 03.two_by_four
def _rank(groups, axis):
    return np.argsort(np.argsort(groups, axis=axis), axis=axis)


def two_no_abs(kernel):
    groups = kernel.reshape(-1, 4, kernel.shape[1])
    return (_rank(groups, 1) >= 2).reshape(kernel.shape)


def two_smallest(kernel):
    groups = np.abs(kernel).reshape(-1, 4, kernel.shape[1])
    return (_rank(groups, 1) < 2).reshape(kernel.shape)


def two_outputs(kernel):
    groups = np.abs(kernel).reshape(-1, 4)
    return (_rank(groups, 1) >= 2).reshape(kernel.shape)


def two_order(kernel):
    groups = np.abs(kernel).reshape(-1, 4, kernel.shape[1])
    return (np.argsort(groups, axis=1) >= 2).reshape(kernel.shape)


def two_strided(kernel):
    groups = np.abs(kernel).reshape(4, -1, kernel.shape[1])
    return (_rank(groups, 0) >= 2).reshape(kernel.shape)


def two_not_back(kernel):
    groups = np.abs(kernel).T.reshape(-1, 4)
    return (_rank(groups, 1) >= 2).reshape(kernel.shape)


def two_only_one(kernel):
    groups = np.abs(kernel).reshape(-1, 4, kernel.shape[1])
    return (_rank(groups, 1) > 2).reshape(kernel.shape)


def two_ties(kernel):
    groups = np.abs(kernel).reshape(-1, 4, kernel.shape[1])
    second = np.sort(groups, axis=1)[:, 2:3, :]
    return (groups >= second).reshape(kernel.shape)


def two_group_shape(kernel):
    groups = np.abs(kernel).reshape(-1, 4, kernel.shape[1])
    return _rank(groups, 1) >= 2


def two_default_axis(kernel):
    groups = np.abs(kernel).reshape(-1, 4, kernel.shape[1])
    return (np.argsort(np.argsort(groups)) >= 2).reshape(kernel.shape)


def two_loop(kernel):
    mask = np.zeros(kernel.shape, bool)
    for column in range(kernel.shape[1]):
        for start in range(0, kernel.shape[0], 4):
            group = np.abs(kernel[start : start + 4, column])
            for place in np.argsort(-group, kind="stable")[:2]:
                mask[start + place, column] = True
    return mask


def two_transposed(kernel):
    groups = np.abs(kernel).T.reshape(kernel.shape[1], -1, 4)
    return (_rank(-groups, 2) < 2).reshape(kernel.shape[1], -1).T


def two_put(kernel):
    groups = np.abs(kernel).reshape(kernel.shape[0] // 4, 4, kernel.shape[1])
    best = np.argpartition(groups, 2, axis=1)[:, 2:, :]
    mask = np.zeros(groups.shape, bool)
    np.put_along_axis(mask, best, True, axis=1)
    return mask.reshape(kernel.shape)


def two_twice_argmax(kernel):
    left = np.abs(kernel).astype(float).reshape(-1, 4, kernel.shape[1])
    mask = np.zeros(left.shape, bool)
    for _ in range(2):
        place = np.argmax(left, axis=1)[:, None, :]
        np.put_along_axis(mask, place, True, axis=1)
        np.put_along_axis(left, place, -1.0, axis=1)
    return mask.reshape(kernel.shape)


WRONG["03.two_by_four"] = [
    ("no absolute value", two_no_abs),
    ("the two smallest", two_smallest),
    ("groups of outputs", two_outputs),
    ("order taken for rank", two_order),
    ("reshape(4, -1, out): members far apart", two_strided),
    ("transposed and not turned back", two_not_back),
    ("one stays: rank > 2", two_only_one),
    ("at least the second largest: three stay in a tie", two_ties),
    ("mask has the groups' shape", two_group_shape),
    ("argsort along its default axis, the last", two_default_axis),
]
RIGHT["03.two_by_four"] = [
    ("loops", two_loop),
    ("transposed and back", two_transposed),
    ("argpartition", two_put),
    ("argmax twice", two_twice_argmax),
]

# ---------------------------------------------------------------- 03.break_even
WRONG["03.break_even"] = [
    ("density, not sparsity", lambda v, i: v / (v + i)),
    ("index over value", lambda v, i: i / v),
    ("value over index", lambda v, i: v / i),
    ("one minus index over value: only the zeros indexed", lambda v, i: 1 - i / v),
    ("in percent", lambda v, i: 100 * i / (v + i)),
    ("whole-number division", lambda v, i: i // (v + i)),
    ("parentheses forgotten", lambda v, i: i / v + i),
    ("the bitmap's answer: one bit each", lambda v, i: 1 / v),
    ("size ratio of the two formats", lambda v, i: (v + i) / v),
    ("numerator 1", lambda v, i: 1 / (v + i)),
]


def break_even_bits(value_bits, index_bits):
    dense = value_bits
    csr_if_all_stay = value_bits + index_bits
    return (csr_if_all_stay - dense) / csr_if_all_stay


RIGHT["03.break_even"] = [
    ("one minus the density", lambda v, i: 1 - v / (v + i)),
    ("one over one plus a ratio", lambda v, i: 1 / (1 + v / i)),
    ("bits of both formats", break_even_bits),
    ("ratio over one plus ratio", lambda v, i: (i / v) / (1 + i / v)),
]


# ---------------------------------------------------------------- 05.value
def value_of(bias=15, low=-14, width=1024, hidden=0, sign=lambda s: (-1) ** s):
    def value(s, exponent, fraction):
        if exponent == 0:
            return sign(s) * 2.0**low * (hidden + fraction / width)
        return sign(s) * 2.0 ** (exponent - bias) * (1 + fraction / width)

    return value


def value_normal_only(sign, exponent, fraction):
    return (-1) ** sign * 2.0 ** (exponent - 15) * (1 + fraction / 1024)


def value_minus_first(sign, exponent, fraction):
    if exponent == 0:
        return -(1**sign) * 2.0**-14 * (fraction / 1024)
    return -(1**sign) * 2.0 ** (exponent - 15) * (1 + fraction / 1024)


def value_decimal(sign, exponent, fraction):
    if exponent == 0:
        return (-1) ** sign * 2.0**-14 * float(f"0.{fraction}")
    return (-1) ** sign * 2.0 ** (exponent - 15) * float(f"1.{fraction}")


def value_zero(sign, exponent, fraction):
    if exponent == 0:
        return 0.0
    return (-1) ** sign * 2.0 ** (exponent - 15) * (1 + fraction / 1024)


def value_max(sign, exponent, fraction):
    hidden = 1 if exponent > 0 else 0
    return (1 - 2 * sign) * 2.0 ** (max(exponent, 1) - 15) * (hidden + fraction / 2**10)


def value_bits(sign, exponent, fraction):
    code = (int(sign) << 15) | (int(exponent) << 10) | int(fraction)
    return float(np.array([code], np.uint16).view(np.float16)[0])


def value_ldexp(sign, exponent, fraction):
    if exponent == 0:
        size = math.ldexp(fraction, -24)
    else:
        size = math.ldexp(1024 + fraction, exponent - 25)
    return -size if sign else size


def value_fraction(sign, exponent, fraction):
    size = Fraction(int(fraction), 1024)
    if exponent != 0:
        size = size + 1
        size *= Fraction(2) ** (int(exponent) - 15)
    else:
        size *= Fraction(1, 2**14)
    return float(-size if sign == 1 else size)


WRONG["05.value"] = [
    ("no subnormal case", value_normal_only),
    ("subnormals times 2^-15", value_of(low=-15)),
    ("hidden 1 in subnormals too", value_of(hidden=1)),
    ("float32's bias", value_of(bias=127, low=-126)),
    ("bias 16", value_of(bias=16, low=-15)),
    ("float32's fraction width", value_of(width=2**23)),
    ("-1 ** sign is always -1", value_minus_first),
    ("sign bit as a factor", value_of(sign=lambda s: s)),
    ("1.f read as a decimal fraction", value_decimal),
    ("zero for every number with e = 0", value_zero),
]
RIGHT["05.value"] = [
    ("both cases in one line", value_max),
    ("bits viewed as float16", value_bits),
    ("ldexp of whole numbers", value_ldexp),
    ("exact fraction", value_fraction),
]


# ---------------------------------------------------------------- 05.gap
def gap_loop(x):
    e = 0
    while 2.0 ** (e + 1) <= x:
        e += 1
    while 2.0**e > x:
        e -= 1
    return 2.0 ** (e - 23)


def gap_below(x):
    x = np.float32(x)
    return x - np.nextafter(x, np.float32(0))


WRONG["05.gap"] = [
    ("logarithm not rounded down", lambda x: 2.0 ** (np.log2(x) - 23)),
    ("int cuts towards zero", lambda x: 2.0 ** (int(np.log2(x)) - 23)),
    ("frexp's exponent as it is", lambda x: 2.0 ** (int(np.frexp(x)[1]) - 23)),
    ("logarithm rounded to the nearest", lambda x: 2.0 ** (np.round(np.log2(x)) - 23)),
    ("the same gap everywhere", lambda x: 2.0**-23),
    ("bias taken off the true exponent", lambda x: 2.0 ** (np.floor(np.log2(x)) - 127 - 23)),
    ("natural logarithm", lambda x: 2.0 ** (np.floor(np.log(x)) - 23)),
    ("spacing of float64", lambda x: np.spacing(float(x))),
    ("rounded up", lambda x: 2.0 ** (np.ceil(np.log2(x)) - 23)),
    ("distance to the next smaller number", gap_below),
]
RIGHT["05.gap"] = [
    ("math.frexp less one", lambda x: 2.0 ** (math.frexp(x)[1] - 1 - 23)),
    ("np.ldexp and np.frexp", lambda x: float(np.ldexp(1.0, int(np.frexp(x)[1]) - 24))),
    ("doubling and halving", gap_loop),
    ("hexadecimal notation", lambda x: 2.0 ** (int(float(x).hex().split("p")[1]) - 23)),
]

# ---------------------------------------------------------------- 05.largest
WRONG["05.largest"] = [
    ("exponent of all ones used", lambda e, f: (2 - 2.0**-f) * 2.0 ** (2 ** (e - 1))),
    ("significand 0.f", lambda e, f: (1 - 2.0**-f) * 2.0 ** (2 ** (e - 1) - 1)),
    ("significand 2", lambda e, f: 2 * 2.0 ** (2 ** (e - 1) - 1)),
    (
        "bias 2^(e-1), so that the largest exponent is one too small",
        lambda e, f: (2 - 2.0**-f) * 2.0 ** (2**e - 2 - 2 ** (e - 1)),
    ),
    ("significand 1", lambda e, f: 2.0 ** (2 ** (e - 1) - 1)),
    ("bias not taken off", lambda e, f: (2 - 2.0**-f) * 2.0 ** (2**e - 2)),
    ("float32's bias", lambda e, f: (2 - 2.0**-f) * 2.0 ** (2**e - 2 - 127)),
    ("fraction not divided", lambda e, f: (1 + 2**f - 1) * 2.0 ** (2 ** (e - 1) - 1)),
    ("one fraction bit too many", lambda e, f: (2 - 2.0 ** -(f + 1)) * 2.0 ** (2 ** (e - 1) - 1)),
    ("^ for a power", lambda e, f: (2 - 2.0**-f) * 2.0 ** (2 ^ (e - 1) - 1)),
]


def largest_fields(exponent_bits, fraction_bits):
    bias = (2**exponent_bits - 1) // 2
    stored = 2**exponent_bits - 2
    fraction = 2**fraction_bits - 1
    return 2.0 ** (stored - bias) * (1 + fraction / 2**fraction_bits)


def largest_sum(exponent_bits, fraction_bits):
    significand = 1.0
    for bit in range(1, fraction_bits + 1):
        significand += 0.5**bit
    return significand * 2.0 ** (2 ** (exponent_bits - 1) - 1)


def largest_exact(exponent_bits, fraction_bits):
    bias = 2 ** (exponent_bits - 1) - 1
    return float(Fraction(2) ** (bias + 1) - Fraction(2) ** (bias - fraction_bits))


RIGHT["05.largest"] = [
    ("stored fields", largest_fields),
    ("significand summed bit by bit", largest_sum),
    ("exact fraction", largest_exact),
    ("ldexp of a whole number", lambda e, f: math.ldexp(2 ** (f + 1) - 1, (1 << (e - 1)) - 1 - f)),
]


# ---------------------------------------------------------------- 05.round
def round_if(bits):
    upper, lower = bits >> 16, bits & 0xFFFF
    if lower > 0x8000 or (lower == 0x8000 and upper & 1):
        return upper + 1
    return upper


def round_half_down(bits):
    return (bits >> 16) + ((bits & 0xFFFF) > 0x8000)


def round_precedence(bits):
    lower, odd = bits & 0xFFFF, (bits >> 16) & 1
    up = (lower > 0x8000) | ((lower == 0x8000) & (odd == 1))
    return np.where(up, bits >> 16 + 1, bits >> 16)


def round_only_odd(bits):
    lower, odd = bits & 0xFFFF, (bits >> 16) & 1
    return (bits >> 16) + ((lower >= 0x8000) & (odd == 1))


def round_values(bits):
    odd = (bits >> 16) & 1
    code = (bits + 0x7FFF + odd) & 0xFFFF0000
    return code.astype(np.uint32).view(np.float32)


def round_where(bits):
    upper, lower = bits >> 16, bits & 0xFFFF
    up = (lower > 0x8000) | ((lower == 0x8000) & (upper % 2 == 1))
    return np.where(up, upper + 1, upper)


def round_divmod(bits):
    upper, rest = np.divmod(bits.astype(np.int64), 65536)
    return upper + (rest + (upper & 1) > 0x8000)


def _round_one(code):
    upper, lower = int(code) >> 16, int(code) & 0xFFFF
    if lower > 0x8000 or (lower == 0x8000 and upper & 1):
        upper += 1
    return upper


WRONG["05.round"] = [
    ("cut off", lambda b: b >> 16),
    ("halves always up", lambda b: (b + 0x8000) >> 16),
    ("halves always down", round_half_down),
    ("if on an array", round_if),
    ("ties to the odd code", lambda b: (b + 0x7FFF + (1 - ((b >> 16) & 1))) >> 16),
    ("last bit of the whole code asked", lambda b: (b + 0x7FFF + (b & 1)) >> 16),
    ("bits >> 16 + 1 shifts by 17", round_precedence),
    ("not shifted down", lambda b: (b + 0x7FFF + ((b >> 16) & 1)) & 0xFFFF0000),
    ("up only if the code is odd", round_only_odd),
    ("numbers instead of codes", round_values),
]
RIGHT["05.round"] = [
    ("np.where", round_where),
    ("np.round of a quotient, halves to even", lambda b: np.round(b / 65536).astype(np.uint32)),
    ("divmod", round_divmod),
    ("np.vectorize of one code", lambda b: np.vectorize(_round_one, otypes=[np.uint32])(b)),
]


# ---------------------------------------------------------------- 06.affine
def _limits(b):
    return -(2 ** (b - 1)), 2 ** (b - 1) - 1


def affine_not_widened(x_min, x_max, num_bits):
    q_min, q_max = _limits(num_bits)
    scale = (x_max - x_min) / (q_max - q_min)
    return scale, int(np.round(q_min - x_min / scale))


def affine_unsigned(x_min, x_max, num_bits):
    x_min, x_max = min(x_min, 0), max(x_max, 0)
    scale = (x_max - x_min) / (2**num_bits - 1)
    return scale, int(np.round(0 - x_min / scale))


def affine_256(x_min, x_max, num_bits):
    x_min, x_max = min(x_min, 0), max(x_max, 0)
    scale = (x_max - x_min) / 2**num_bits
    return scale, int(np.round(-(2 ** (num_bits - 1)) - x_min / scale))


def affine_int(x_min, x_max, num_bits):
    q_min, q_max = _limits(num_bits)
    x_min, x_max = min(x_min, 0), max(x_max, 0)
    scale = (x_max - x_min) / (q_max - q_min)
    return scale, int(q_min - x_min / scale)


def affine_order(x_min, x_max, num_bits):
    q_min, q_max = _limits(num_bits)
    x_min, x_max = min(x_min, 0), max(x_max, 0)
    scale = (x_max - x_min) / (q_max - q_min)
    return int(np.round(q_min - x_min / scale)), scale


def affine_sign(x_min, x_max, num_bits):
    q_min, q_max = _limits(num_bits)
    x_min, x_max = min(x_min, 0), max(x_max, 0)
    scale = (x_max - x_min) / (q_max - q_min)
    return scale, int(np.round(q_min + x_min / scale))


def affine_x_max(x_min, x_max, num_bits):
    q_min, q_max = _limits(num_bits)
    x_min, x_max = min(x_min, 0), max(x_max, 0)
    scale = (x_max - x_min) / (q_max - q_min)
    return scale, int(np.round(q_min - x_max / scale))


def affine_one_side(x_min, x_max, num_bits):
    q_min, q_max = _limits(num_bits)
    x_min = min(x_min, 0)
    scale = (x_max - x_min) / (q_max - q_min)
    return scale, int(np.round(q_min - x_min / scale))


def affine_8(x_min, x_max, num_bits):
    x_min, x_max = min(x_min, 0), max(x_max, 0)
    scale = (x_max - x_min) / 255
    return scale, int(np.round(-128 - x_min / scale))


def affine_narrow(x_min, x_max, num_bits):
    q_max = 2 ** (num_bits - 1) - 1
    q_min = -q_max
    x_min, x_max = min(x_min, 0), max(x_max, 0)
    scale = (x_max - x_min) / (q_max - q_min)
    return scale, int(np.round(q_min - x_min / scale))


def affine_ifs(x_min, x_max, num_bits):
    if x_min > 0:
        x_min = 0.0
    elif x_max < 0:
        x_max = 0.0
    scale = (x_max - x_min) / (2**num_bits - 1)
    return scale, math.floor(-(2 ** (num_bits - 1)) - x_min / scale + 0.5)


def affine_from_max(x_min, x_max, num_bits):
    q_max = 2 ** (num_bits - 1) - 1
    low, high = np.minimum(x_min, 0.0), np.maximum(x_max, 0.0)
    scale = (high - low) / (2**num_bits - 1)
    return float(scale), int(np.rint(q_max - high / scale))


def affine_sorted(x_min, x_max, num_bits):
    values = sorted([x_min, 0.0, x_max])
    scale = (values[-1] - values[0]) / (2**num_bits - 1)
    return scale, round(-(2 ** (num_bits - 1)) - values[0] / scale)


def affine_shift(x_min, x_max, num_bits):
    low, high = min(0, x_min), max(0, x_max)
    steps = (1 << num_bits) - 1
    zero = np.round(-low * steps / (high - low)).astype(int) - (1 << (num_bits - 1))
    return (high - low) / steps, zero


WRONG["06.affine"] = [
    ("range not widened to zero", affine_not_widened),
    ("unsigned codes", affine_unsigned),
    ("2^b steps instead of 2^b - 1", affine_256),
    ("int cuts the zero point", affine_int),
    ("zero point first", affine_order),
    ("sign of x_min / S", affine_sign),
    ("x_max in the zero point", affine_x_max),
    ("widened on one side only", affine_one_side),
    ("always 8 bits", affine_8),
    ("narrow range", affine_narrow),
]
RIGHT["06.affine"] = [
    ("if and elif, floor of half more", affine_ifs),
    ("zero point from the upper end", affine_from_max),
    ("sorted with zero, Python's round", affine_sorted),
    ("counted from the lowest code, rounded before it is added", affine_shift),
]

# ---------------------------------------------------------------- 06.symmetric
WRONG["06.symmetric"] = [
    ("no absolute value", lambda w, b: np.max(w) / (2 ** (b - 1) - 1)),
    ("2^(b-1): 128 instead of 127", lambda w, b: np.max(np.abs(w)) / 2 ** (b - 1)),
    ("2^b - 1: 255 instead of 127", lambda w, b: np.max(np.abs(w)) / (2**b - 1)),
    ("the affine scale", lambda w, b: (np.max(w) - np.min(w)) / (2**b - 1)),
    ("absolute value of the maximum", lambda w, b: np.abs(np.max(w)) / (2 ** (b - 1) - 1)),
    ("always 8 bits", lambda w, b: np.max(np.abs(w)) / 127),
    (
        "codes per unit instead of units per code",
        lambda w, b: (2 ** (b - 1) - 1) / np.max(np.abs(w)),
    ),
    ("Python's max on an array of more axes", lambda w, b: max(abs(w)) / (2 ** (b - 1) - 1)),
    ("along axis 0", lambda w, b: np.max(np.abs(w), axis=0) / (2 ** (b - 1) - 1)),
    ("parentheses of the exponent", lambda w, b: np.max(np.abs(w)) / (2**b - 1 - 1)),
]


def symmetric_loop(weights, num_bits):
    largest = 0.0
    for w in weights.flatten():
        if abs(w) > largest:
            largest = abs(w)
    return largest / (2 ** (num_bits - 1) - 1)


RIGHT["06.symmetric"] = [
    ("larger of max and -min", lambda w, b: max(np.max(w), -np.min(w)) / (2 ** (b - 1) - 1)),
    ("infinity norm", lambda w, b: np.linalg.norm(w.reshape(-1), np.inf) / ((1 << (b - 1)) - 1)),
    ("loop", symmetric_loop),
    ("twice the magnitude over 2^b - 2", lambda w, b: float(2 * np.abs(w).max() / (2**b - 2))),
]

# ---------------------------------------------------------------- 06.quantize
WRONG["06.quantize"] = [
    ("not clipped", lambda x, s, z, lo, hi: np.round(x / s) + z),
    ("astype(int) cuts", lambda x, s, z, lo, hi: np.clip((x / s).astype(int) + z, lo, hi)),
    ("clipped before the zero point", lambda x, s, z, lo, hi: np.clip(np.round(x / s), lo, hi) + z),
    ("times the scale", lambda x, s, z, lo, hi: np.clip(np.round(x * s) + z, lo, hi)),
    ("zero point taken off", lambda x, s, z, lo, hi: np.clip(np.round(x / s) - z, lo, hi)),
    ("zero point forgotten", lambda x, s, z, lo, hi: np.clip(np.round(x / s), lo, hi)),
    (
        "int8 before clipping",
        lambda x, s, z, lo, hi: np.clip(
            (np.round(x / s) + z).astype(np.int64).astype(np.int8), lo, hi
        ),
    ),
    ("limits of int8 always", lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, -128, 127)),
    ("int on an array", lambda x, s, z, lo, hi: np.clip(int(x / s) + z, lo, hi)),
    ("rounded before dividing", lambda x, s, z, lo, hi: np.clip(np.round(x) / s + z, lo, hi)),
]


def quantize_where(x, scale, zero_point, qmin, qmax):
    q = (np.rint(x / scale) + zero_point).astype(np.int64)
    q = np.where(q < qmin, qmin, q)
    return np.where(q > qmax, qmax, q)


def quantize_away(x, scale, zero_point, qmin, qmax):
    r = x / scale
    q = np.sign(r) * np.floor(np.abs(r) + 0.5) + zero_point
    return np.minimum(np.maximum(q, qmin), qmax).astype(int)


def quantize_each(x, scale, zero_point, qmin, qmax):
    codes = [min(max(round(float(v)) + zero_point, qmin), qmax) for v in (x / scale).ravel()]
    return np.array(codes).reshape(x.shape)


RIGHT["06.quantize"] = [
    ("np.where for the limits", quantize_where),
    ("halves away from zero", quantize_away),
    ("one by one, reshaped", quantize_each),
    ("clipped before rounding", lambda x, s, z, lo, hi: np.round(np.clip(x / s + z, lo, hi))),
]

# ---------------------------------------------------------------- 06.dequantize
WRONG["06.dequantize"] = [
    ("difference in int8", lambda q, s, z: s * (q - z)),
    ("zero point outside the brackets", lambda q, s, z: s * q - z),
    ("zero point added", lambda q, s, z: s * (q.astype(np.int32) + z)),
    ("zero point forgotten", lambda q, s, z: s * q.astype(np.int32)),
    ("divided by the scale", lambda q, s, z: (q.astype(np.int32) - z) / s),
    ("widened after the difference", lambda q, s, z: s * (q - z).astype(np.int32)),
    ("uint8", lambda q, s, z: s * (q.astype(np.uint8) - z)),
    ("int on an array", lambda q, s, z: s * (int(q) - z)),
    (
        "rounded to whole numbers",
        lambda q, s, z: np.round(s * (q.astype(np.int32) - z)).astype(int),
    ),
    ("zero point minus code", lambda q, s, z: s * (z - q.astype(np.int32))),
]


def dequantize_table(q, scale, zero_point):
    table = scale * (np.arange(-128, 128) - zero_point)
    return table[q.astype(int) + 128]


RIGHT["06.dequantize"] = [
    ("float first", lambda q, s, z: (q.astype(np.float64) - z) * s),
    ("np.subtract in int32", lambda q, s, z: s * np.subtract(q, z, dtype=np.int32)),
    ("multiplied out", lambda q, s, z: s * q.astype(float) - s * z),
    ("table of all 256 codes", dequantize_table),
]

# ---------------------------------------------------------------- 06.channels
WRONG["06.channels"] = [
    (
        "axis -1, the filters disappear",
        lambda k, b: np.max(np.abs(k), axis=-1) / (2 ** (b - 1) - 1),
    ),
    ("window only", lambda k, b: np.max(np.abs(k), axis=(0, 1)) / (2 ** (b - 1) - 1)),
    (
        "scales of the input channels",
        lambda k, b: np.max(np.abs(k), axis=(0, 1, 3)) / (2 ** (b - 1) - 1),
    ),
    ("one scale for all", lambda k, b: np.max(np.abs(k)) / (2 ** (b - 1) - 1)),
    ("no absolute value", lambda k, b: np.max(k, axis=(0, 1, 2)) / (2 ** (b - 1) - 1)),
    ("128 instead of 127", lambda k, b: np.max(np.abs(k), axis=(0, 1, 2)) / 2 ** (b - 1)),
    (
        "filters first, as in PyTorch",
        lambda k, b: np.max(np.abs(k), axis=(1, 2, 3)) / (2 ** (b - 1) - 1),
    ),
    ("affine scales", lambda k, b: (k.max(axis=(0, 1, 2)) - k.min(axis=(0, 1, 2))) / (2**b - 1)),
    (
        "axes kept",
        lambda k, b: np.max(np.abs(k), axis=(0, 1, 2), keepdims=True) / (2 ** (b - 1) - 1),
    ),
    (
        "reshape mixes the filters",
        lambda k, b: np.abs(k.reshape(k.shape[3], -1)).max(axis=1) / (2 ** (b - 1) - 1),
    ),
]


def channels_max_min(kernel, num_bits):
    high, low = kernel.max(axis=(0, 1, 2)), kernel.min(axis=(0, 1, 2))
    return np.maximum(high, -low) / (2 ** (num_bits - 1) - 1)


def channels_loop(kernel, num_bits):
    scales = np.zeros(kernel.shape[3])
    for c in range(kernel.shape[3]):
        scales[c] = np.max(np.abs(kernel[:, :, :, c])) / (2 ** (num_bits - 1) - 1)
    return scales


RIGHT["06.channels"] = [
    (
        "reshape to (-1, filters)",
        lambda k, b: np.abs(k.reshape(-1, k.shape[-1])).max(axis=0) / (2 ** (b - 1) - 1),
    ),
    ("larger of max and -min", channels_max_min),
    ("loop over filters", channels_loop),
    (
        "moveaxis",
        lambda k, b: np.array([np.abs(f).max() for f in np.moveaxis(k, 3, 0)]) / (2 ** (b - 1) - 1),
    ),
]

# ---------------------------------------------------------------- 07.bias
WRONG["07.bias"] = [
    ("the output's scale", lambda b, x, w, y: np.round(b / y).astype(np.int32)),
    ("the input's scale only", lambda b, x, w, y: np.round(b / x).astype(np.int32)),
    ("the weights' scale only", lambda b, x, w, y: np.round(b / w).astype(np.int32)),
    ("divided by M", lambda b, x, w, y: np.round(b / (x * w / y)).astype(np.int32)),
    ("multiplied", lambda b, x, w, y: np.round(b * x * w).astype(np.int32)),
    ("not rounded", lambda b, x, w, y: b / (x * w)),
    ("astype cuts", lambda b, x, w, y: (b / (x * w)).astype(np.int32)),
    (
        "clipped to int8",
        lambda b, x, w, y: np.clip(np.round(b / (x * w)), -128, 127).astype(np.int8),
    ),
    ("parentheses: / x * w", lambda b, x, w, y: np.round(b / x * w).astype(np.int32)),
    ("Python's int on an array", lambda b, x, w, y: int(round(b / (x * w)))),
]


def bias_away(bias, x_scale, weight_scale, y_scale):
    real = bias / (x_scale * weight_scale)
    return (np.sign(real) * np.floor(np.abs(real) + 0.5)).astype(np.int64)


RIGHT["07.bias"] = [
    ("divided twice", lambda b, x, w, y: np.rint(b / x / w).astype(int)),
    ("halves away from zero", bias_away),
    (
        "floor of half more",
        lambda b, x, w, y: np.floor(b / np.multiply(x, w) + 0.5).astype(np.int32),
    ),
    (
        "by the inverse of a sum's unit",
        lambda b, x, w, y: np.around(b * (1 / (x * w)), 0).astype("int32"),
    ),
]


# ---------------------------------------------------------------- 07.requantize
def req_int32(accumulator, multiplier, shift, zero_point):
    product = accumulator * multiplier
    high = (product + 2**30) >> 31
    return np.clip(_divide(high, -shift) + zero_point, -128, 127).astype(np.int8)


def req_no_half(accumulator, multiplier, shift, zero_point):
    high = (accumulator.astype(np.int64) * multiplier) >> 31
    return np.clip(_divide(high, -shift) + zero_point, -128, 127).astype(np.int8)


def req_no_zero(accumulator, multiplier, shift, zero_point):
    high = (accumulator.astype(np.int64) * multiplier + 2**30) >> 31
    return np.clip(_divide(high, -shift), -128, 127).astype(np.int8)


def req_no_clip(accumulator, multiplier, shift, zero_point):
    high = (accumulator.astype(np.int64) * multiplier + 2**30) >> 31
    return (_divide(high, -shift) + zero_point).astype(np.int8)


def req_once(accumulator, multiplier, shift, zero_point):
    product = accumulator.astype(np.int64) * multiplier
    scaled = (product + (1 << (30 - shift))) >> (31 - shift)
    return np.clip(scaled + zero_point, -128, 127).astype(np.int8)


def req_shift_second(accumulator, multiplier, shift, zero_point):
    high = (accumulator.astype(np.int64) * multiplier + 2**30) >> 31
    return np.clip((high >> -shift) + zero_point, -128, 127).astype(np.int8)


def req_half_even(accumulator, multiplier, shift, zero_point):
    high = (accumulator.astype(np.int64) * multiplier + 2**30) >> 31
    scaled = np.round(high / 2**-shift)
    return np.clip(scaled + zero_point, -128, 127).astype(np.int8)


def req_shift_sign(accumulator, multiplier, shift, zero_point):
    high = (accumulator.astype(np.int64) * multiplier + 2**30) >> 31
    return np.clip(_divide(high, shift) + zero_point, -128, 127).astype(np.int8)


def req_zero_early(accumulator, multiplier, shift, zero_point):
    high = (accumulator.astype(np.int64) * multiplier + 2**30) >> 31
    return np.clip(_divide(high + zero_point, -shift), -128, 127).astype(np.int8)


def req_clip_early(accumulator, multiplier, shift, zero_point):
    high = (accumulator.astype(np.int64) * multiplier + 2**30) >> 31
    return np.clip(_divide(high, -shift), -128, 127) + zero_point


def _req_one(a, multiplier, shift, zero_point):
    high = (int(a) * int(multiplier) + 2**30) // 2**31
    n = -int(shift)
    size = (abs(high) + (2**n) // 2) // 2**n
    return min(max((size if high >= 0 else -size) + int(zero_point), -128), 127)


def req_python(accumulator, multiplier, shift, zero_point):
    codes = [_req_one(a, multiplier, shift, zero_point) for a in accumulator.ravel()]
    return np.array(codes, np.int8).reshape(accumulator.shape)


def req_mask(accumulator, multiplier, shift, zero_point):
    high = (accumulator.astype(np.int64) * np.int64(multiplier) + (1 << 30)) >> 31
    mask = (1 << -shift) - 1
    remainder = high & mask
    threshold = (mask >> 1) + (high < 0)
    scaled = (high >> -shift) + (remainder > threshold)
    return np.clip(scaled + zero_point, -128, 127)


def req_floor_divide(accumulator, multiplier, shift, zero_point):
    product = np.multiply(accumulator, multiplier, dtype=np.int64)
    quotient, rest = np.divmod(product, 2**31)
    high = quotient + (rest >= 2**30)
    scaled = _divide(high, -shift)
    return np.minimum(np.maximum(scaled + zero_point, -128), 127).astype(np.int8)


def req_float_second(accumulator, multiplier, shift, zero_point):
    high = (accumulator.astype(np.int64) * multiplier + 2**30) // 2**31
    real = high / 2.0**-shift  # exact: below 2^53
    scaled = np.where(real < 0, np.ceil(real - 0.5), np.floor(real + 0.5))
    return np.clip(scaled + zero_point, -128, 127).astype(int)


WRONG["07.requantize"] = [
    ("product in 32 bits", req_int32),
    ("first division rounds down", req_no_half),
    ("zero point forgotten", req_no_zero),
    ("not saturated, wraps around", req_no_clip),
    ("rounded once for both divisions", req_once),
    ("second division rounds down", req_shift_second),
    ("second division by np.round, halves to even", req_half_even),
    ("shift with its sign", req_shift_sign),
    ("zero point before the second division", req_zero_early),
    ("saturated before the zero point", req_clip_early),
]
RIGHT["07.requantize"] = [
    ("Python integers one by one", req_python),
    ("mask and remainder", req_mask),
    ("divmod for the first division", req_floor_divide),
    ("second division in float64, halves away", req_float_second),
]


# ---------------------------------------------------------------- 07.fully_connected
def fc_int8(x, weights, bias, x_zero, multiplier, shift, y_zero):
    accumulator = (x - x_zero) @ weights.T + bias
    return _requantize(accumulator, multiplier, shift, y_zero, max(-128, y_zero), 127)


def fc_no_x_zero(x, weights, bias, x_zero, multiplier, shift, y_zero):
    accumulator = x.astype(np.int32) @ weights.T.astype(np.int32) + bias
    return _requantize(accumulator, multiplier, shift, y_zero, y_zero, 127)


def fc_plus_x_zero(x, weights, bias, x_zero, multiplier, shift, y_zero):
    accumulator = (x.astype(np.int32) + x_zero) @ weights.T.astype(np.int32) + bias
    return _requantize(accumulator, multiplier, shift, y_zero, y_zero, 127)


def fc_no_relu(x, weights, bias, x_zero, multiplier, shift, y_zero):
    accumulator = (x.astype(np.int32) - x_zero) @ weights.T.astype(np.int32) + bias
    return _requantize(accumulator, multiplier, shift, y_zero, -128, 127)


def fc_relu_at_0(x, weights, bias, x_zero, multiplier, shift, y_zero):
    accumulator = (x.astype(np.int32) - x_zero) @ weights.T.astype(np.int32) + bias
    return _requantize(accumulator, multiplier, shift, y_zero, 0, 127)


def fc_no_bias(x, weights, bias, x_zero, multiplier, shift, y_zero):
    accumulator = (x.astype(np.int32) - x_zero) @ weights.T.astype(np.int32)
    return _requantize(accumulator, multiplier, shift, y_zero, y_zero, 127)


def fc_not_transposed(x, weights, bias, x_zero, multiplier, shift, y_zero):
    accumulator = (x.astype(np.int32) - x_zero) @ weights.astype(np.int32) + bias
    return _requantize(accumulator, multiplier, shift, y_zero, y_zero, 127)


def fc_relu_before_bias(x, weights, bias, x_zero, multiplier, shift, y_zero):
    accumulator = (x.astype(np.int32) - x_zero) @ weights.T.astype(np.int32)
    accumulator = np.maximum(accumulator, 0) + bias
    return _requantize(accumulator, multiplier, shift, y_zero, -128, 127)


def fc_no_y_zero(x, weights, bias, x_zero, multiplier, shift, y_zero):
    accumulator = (x.astype(np.int32) - x_zero) @ weights.T.astype(np.int32) + bias
    return _requantize(accumulator, multiplier, shift, 0, 0, 127)


def fc_term_sign(x, weights, bias, x_zero, multiplier, shift, y_zero):
    w = weights.astype(np.int32)
    accumulator = x.astype(np.int32) @ w.T + x_zero * w.sum(axis=1) + bias
    return _requantize(accumulator, multiplier, shift, y_zero, y_zero, 127)


def fc_folded(x, weights, bias, x_zero, multiplier, shift, y_zero):
    w = weights.astype(np.int64)
    folded = bias - x_zero * w.sum(axis=1)
    return _requantize(x.astype(np.int64) @ w.T + folded, multiplier, shift, y_zero, y_zero, 127)


def fc_relu_on_sum(x, weights, bias, x_zero, multiplier, shift, y_zero):
    centred = x.astype(np.int32) - x_zero
    sums = np.einsum("ni,ui->nu", centred, weights.astype(np.int32)) + bias
    return _requantize(np.maximum(sums, 0), multiplier, shift, y_zero, -128, 127)


def fc_relu_on_codes(x, weights, bias, x_zero, multiplier, shift, y_zero):
    sums = np.dot(np.int64(x) - x_zero, np.int64(weights).T) + bias
    codes = _requantize(sums, multiplier, shift, y_zero)
    return np.maximum(codes, np.int8(y_zero))


def fc_loops(x, weights, bias, x_zero, multiplier, shift, y_zero):
    out = np.zeros((x.shape[0], weights.shape[0]), np.int8)
    for u in range(weights.shape[0]):
        sums = ((x.astype(int) - x_zero) * weights[u].astype(int)).sum(axis=1) + int(bias[u])
        out[:, u] = _requantize(sums, int(multiplier[u]), int(shift[u]), y_zero, y_zero, 127)
    return out


WRONG["07.fully_connected"] = [
    ("computed in int8", fc_int8),
    ("input's zero point forgotten", fc_no_x_zero),
    ("input's zero point added", fc_plus_x_zero),
    ("no ReLU", fc_no_relu),
    ("ReLU at code 0", fc_relu_at_0),
    ("bias forgotten", fc_no_bias),
    ("weights not transposed", fc_not_transposed),
    ("ReLU before the bias", fc_relu_before_bias),
    ("output's zero point forgotten", fc_no_y_zero),
    ("sign of the zero point's term", fc_term_sign),
]
RIGHT["07.fully_connected"] = [
    ("zero point's term in the bias", fc_folded),
    ("einsum, ReLU on the sum", fc_relu_on_sum),
    ("ReLU on the codes", fc_relu_on_codes),
    ("unit by unit", fc_loops),
]

# ---------------------------------------------------------------- 08.paired
WRONG["08.paired"] = [
    ("order: newly right first", lambda b, a: ((a & ~b).sum(), (b & ~a).sum())),
    ("all disagreements in one number", lambda b, a: (b != a).sum()),
    ("difference of the right answers only", lambda b, a: b.sum() - a.sum()),
    ("and, not on arrays", lambda b, a: ((b and not a).sum(), (a and not b).sum())),
    ("not counted", lambda b, a: (b & ~a, a & ~b)),
    ("wrong before and wrong after", lambda b, a: ((~b).sum(), (~a).sum())),
    ("shares", lambda b, a: ((b & ~a).mean(), (a & ~b).mean())),
    ("or", lambda b, a: ((b | ~a).sum(), (a | ~b).sum())),
    ("subtraction of booleans", lambda b, a: ((b - a > 0).sum(), (a - b > 0).sum())),
    ("agreements: both right, both wrong", lambda b, a: ((b & a).sum(), (~b & ~a).sum())),
]


def paired_loop(before, after):
    wrong = right = 0
    for b, a in zip(before, after):
        if b and not a:
            wrong += 1
        elif a and not b:
            right += 1
    return wrong, right


def paired_difference(before, after):
    d = after.astype(int) - before.astype(int)
    return np.count_nonzero(d == -1), np.count_nonzero(d == 1)


def paired_both(before, after):
    both = np.logical_and(before, after).sum()
    return int(before.sum() - both), int(after.sum() - both)


RIGHT["08.paired"] = [
    ("loop", paired_loop),
    ("difference of integers", paired_difference),
    ("right ones less those right in both", paired_both),
    ("compared", lambda b, a: ((b > a).sum(), (b < a).sum())),
]


# ---------------------------------------------------------------- 08.spare
def _spare(order, loss, extra, budget):
    spared = np.zeros(len(loss), bool)
    for layer in order:
        if loss[layer] > 0 and extra[layer] <= budget:
            spared[layer] = True
            budget = budget - extra[layer]
    return spared


def spare_break(loss, extra, budget):
    spared = np.zeros(len(loss), bool)
    for layer in np.argsort(-loss / extra):
        if loss[layer] <= 0 or extra[layer] > budget:
            break
        spared[layer] = True
        budget = budget - extra[layer]
    return spared


def spare_losers(loss, extra, budget):
    spared = np.zeros(len(loss), bool)
    for layer in np.argsort(-loss / extra):
        if extra[layer] <= budget:
            spared[layer] = True
            budget = budget - extra[layer]
    return spared


def spare_budget_stays(loss, extra, budget):
    spared = np.zeros(len(loss), bool)
    for layer in np.argsort(-loss / extra):
        if loss[layer] > 0 and extra[layer] <= budget:
            spared[layer] = True
    return spared


def spare_strict(loss, extra, budget):
    spared = np.zeros(len(loss), bool)
    for layer in np.argsort(-loss / extra):
        if loss[layer] > 0 and extra[layer] < budget:
            spared[layer] = True
            budget = budget - extra[layer]
    return spared


def spare_list(loss, extra, budget):
    spared = []
    for layer in np.argsort(-loss / extra):
        if loss[layer] > 0 and extra[layer] <= budget:
            spared.append(layer)
            budget = budget - extra[layer]
    return spared


def spare_places(loss, extra, budget):
    spared = np.zeros(len(loss), bool)
    for place, layer in enumerate(np.argsort(-loss / extra)):
        if loss[layer] > 0 and extra[layer] <= budget:
            spared[place] = True
            budget = budget - extra[layer]
    return spared


def spare_cumsum(loss, extra, budget):
    order = np.argsort(-loss / extra)
    spared = np.zeros(len(loss), bool)
    spared[order] = np.cumsum(extra[order]) <= budget
    return spared & (loss > 0)


def spare_sorted(loss, extra, budget):
    order = sorted(range(len(loss)), key=lambda i: loss[i] / extra[i], reverse=True)
    left, names = budget, set()
    for i in order:
        if loss[i] > 0 and left - extra[i] >= 0:
            names.add(i)
            left -= extra[i]
    return np.array([i in names for i in range(len(loss))])


def spare_while(loss, extra, budget):
    value = np.where(loss > 0, loss / extra, 0.0)
    spared = np.zeros(len(loss), bool)
    while np.any(value > 0):
        best = int(np.argmax(value))
        value[best] = 0
        if extra[best] <= budget:
            spared[best] = True
            budget = budget - extra[best]
    return spared


def spare_used(loss, extra, budget):
    spared = np.zeros(len(loss), bool)
    for layer in np.argsort(-(loss / extra), kind="stable"):
        if loss[layer] <= 0:
            break
        if extra[spared].sum() + extra[layer] > budget:
            continue
        spared[layer] = True
    return spared


def spare_candidates(loss, extra, budget):
    candidates = np.flatnonzero(loss > 0)
    by_price = candidates[np.argsort(extra[candidates] / loss[candidates], kind="stable")]
    spared = np.full(loss.shape, False)
    for layer in by_price:
        if extra[layer] <= budget:
            spared[layer], budget = True, budget - extra[layer]
    return spared


WRONG["08.spare"] = [
    ("sorted by points alone", lambda l, e, b: _spare(np.argsort(-l), l, e, b)),
    ("least first", lambda l, e, b: _spare(np.argsort(l / e), l, e, b)),
    ("stops at the first that does not fit", spare_break),
    ("layers that win nothing spared too", spare_losers),
    ("budget never gets smaller", spare_budget_stays),
    ("less than the budget", spare_strict),
    ("list of layers", spare_list),
    ("in the order of visit", spare_places),
    ("cumulative sum counts the skipped ones", spare_cumsum),
    ("not sorted", lambda l, e, b: _spare(range(len(l)), l, e, b)),
]
RIGHT["08.spare"] = [
    ("Python's sorted", spare_sorted),
    ("argmax of what remains", spare_while),
    ("bytes used so far summed", spare_used),
    ("winners only, by bytes per point", spare_candidates),
]


# ---------------------------------------------------------------- 09.fake_quantize
def _fake(w, scale):
    return np.round(w / scale) * scale


def fake_trunc(w, bits):
    scale = np.max(np.abs(w)) / (2 ** (bits - 1) - 1)
    return (w / scale).astype(int) * scale


def fake_codes(w, bits):
    scale = np.max(np.abs(w)) / (2 ** (bits - 1) - 1)
    return np.round(w / scale)


def fake_times(w, bits):
    scale = np.max(np.abs(w)) / (2 ** (bits - 1) - 1)
    return np.round(w * scale) / scale


def fake_round_last(w, bits):
    scale = np.max(np.abs(w)) / (2 ** (bits - 1) - 1)
    return np.round(w / scale * scale)


def fake_clip(w, bits):
    limit = 2 ** (bits - 1) - 1
    scale = max(w.max(), -w.min()) / limit
    return np.clip(np.rint(w / scale), -limit, limit) * scale


def fake_each(w, bits):
    scale = np.abs(w).max() / (2 ** (bits - 1) - 1)
    values = [round(float(v / scale)) * scale for v in w.ravel()]
    return np.array(values).reshape(w.shape)


def fake_integers(w, bits):
    scale = np.amax(np.absolute(w)) / ((1 << (bits - 1)) - 1)
    codes = np.around(w / scale).astype(np.int64)
    return scale * codes


def fake_nearest(w, bits):
    scale = np.max(np.abs(w)) / (2 ** (bits - 1) - 1)
    codes = w / scale
    below = np.floor(codes)
    rest = codes - below
    up = (rest > 0.5) | ((rest == 0.5) & (below % 2 == 1))
    return (below + up) * scale


WRONG["09.fake_quantize"] = [
    ("codes, not brought back", fake_codes),
    ("no absolute value", lambda w, b: _fake(w, np.max(w) / (2 ** (b - 1) - 1))),
    ("2^(b-1)", lambda w, b: _fake(w, np.max(np.abs(w)) / 2 ** (b - 1))),
    ("2^b - 1", lambda w, b: _fake(w, np.max(np.abs(w)) / (2**b - 1))),
    ("astype(int) cuts", fake_trunc),
    ("a scale along axis 0", lambda w, b: _fake(w, np.max(np.abs(w), axis=0) / (2 ** (b - 1) - 1))),
    ("rounded after coming back", fake_round_last),
    ("always 8 bits", lambda w, b: _fake(w, np.max(np.abs(w)) / 127)),
    ("affine scale", lambda w, b: _fake(w, (np.max(w) - np.min(w)) / (2**b - 1))),
    ("multiplied and divided the other way round", fake_times),
]
RIGHT["09.fake_quantize"] = [
    ("clipped as well", fake_clip),
    ("one by one", fake_each),
    ("integer codes", fake_integers),
    ("floor and the rest", fake_nearest),
]

# ---------------------------------------------------------------- 09.straight_through
WRONG["09.straight_through"] = [
    ("ends of the range outside", lambda u, x, lo, hi: np.where((x > lo) & (x < hi), u, 0.0)),
    ("passes everywhere", lambda u, x, lo, hi: u),
    (
        "1 and 0 instead of the gradient",
        lambda u, x, lo, hi: np.where((x >= lo) & (x <= hi), 1.0, 0.0),
    ),
    ("gradient clipped", lambda u, x, lo, hi: np.clip(u, lo, hi)),
    ("passes outside only", lambda u, x, lo, hi: np.where((x >= lo) & (x <= hi), 0.0, u)),
    ("x instead of the gradient", lambda u, x, lo, hi: np.where((x >= lo) & (x <= hi), x, 0.0)),
    ("chained comparison of an array", lambda u, x, lo, hi: np.where(lo <= x <= hi, u, 0.0)),
    (
        "parentheses forgotten around the conditions",
        lambda u, x, lo, hi: np.where(x >= lo & x <= hi, u, 0.0),
    ),
    ("range asked of the gradient", lambda u, x, lo, hi: np.where((u >= lo) & (u <= hi), u, 0.0)),
    ("only the entries inside", lambda u, x, lo, hi: u[(x >= lo) & (x <= hi)]),
]


def ste_copy(upstream, x, low, high):
    gradient = upstream.copy()
    gradient[x < low] = 0
    gradient[x > high] = 0
    return gradient


def ste_loop(upstream, x, low, high):
    pairs = zip(upstream.ravel(), x.ravel())
    return np.array([u if low <= v <= high else 0.0 for u, v in pairs]).reshape(x.shape)


RIGHT["09.straight_through"] = [
    ("times the mask", lambda u, x, lo, hi: u * ((lo <= x) & (x <= hi))),
    ("copy, zero outside", ste_copy),
    ("outside with or", lambda u, x, lo, hi: np.where((x < lo) | (x > hi), 0, u)),
    ("one by one", ste_loop),
]

# ---------------------------------------------------------------- 09.fold
WRONG["09.fold"] = [
    ("no root", lambda k, g, v, e: k * g / (v + e)),
    ("epsilon outside the root", lambda k, g, v, e: k * g / (np.sqrt(v) + e)),
    ("epsilon forgotten", lambda k, g, v, e: k * g / np.sqrt(v)),
    ("epsilon added to the result", lambda k, g, v, e: k * g / np.sqrt(v) + e),
    ("gamma forgotten", lambda k, g, v, e: k / np.sqrt(v + e)),
    ("multiplied by the root", lambda k, g, v, e: k * g * np.sqrt(v + e)),
    (
        "four axes taken for granted",
        lambda k, g, v, e: k * (g / np.sqrt(v + e)).reshape(1, 1, 1, -1),
    ),
    ("along the inputs", lambda k, g, v, e: k * (g / np.sqrt(v + e))[:, None]),
    ("matrix product", lambda k, g, v, e: k @ (g / np.sqrt(v + e))),
    ("variance squared once more", lambda k, g, v, e: k * g / np.sqrt(v**2 + e)),
]


def fold_loop(kernel, gamma, variance, epsilon):
    folded = np.zeros(kernel.shape)
    for c in range(kernel.shape[-1]):
        folded[..., c] = kernel[..., c] * (gamma[c] / math.sqrt(variance[c] + epsilon))
    return folded


def fold_matrix(kernel, gamma, variance, epsilon):
    factors = gamma / np.sqrt(variance + epsilon)
    return (kernel.reshape(-1, len(gamma)) * factors[np.newaxis, :]).reshape(kernel.shape)


RIGHT["09.fold"] = [
    ("channel by channel", fold_loop),
    ("as a matrix", fold_matrix),
    ("power of minus a half", lambda k, g, v, e: k * (g * (v + e) ** -0.5)),
    ("einsum", lambda k, g, v, e: np.einsum("...c,c->...c", k, g / np.sqrt(v + e))),
]


# ---------------------------------------------------------------- 11.peak
def peak_exclusive(sizes, first, last):
    alive = [0] * (max(last) + 1)
    for size, start, end in zip(sizes, first, last):
        for operator in range(start, end):
            alive[operator] += size
    return max(alive)


def peak_len(sizes, first, last):
    alive = [0] * len(sizes)
    for size, start, end in zip(sizes, first, last):
        for operator in range(start, end + 1):
            alive[operator] += size
    return max(alive)


def peak_index(sizes, first, last):
    alive = [0] * (max(last) + 1)
    for size, start, end in zip(sizes, first, last):
        for operator in range(start, end + 1):
            alive[operator] += size
    return alive.index(max(alive))


def peak_first_exclusive(sizes, first, last):
    best = 0
    for operator in range(max(last) + 1):
        best = max(best, sum(s for s, f, l in zip(sizes, first, last) if f < operator <= l))
    return best


def peak_last_missed(sizes, first, last):
    best = 0
    for operator in range(max(last)):
        best = max(best, sum(s for s, f, l in zip(sizes, first, last) if f <= operator <= l))
    return best


def peak_not_reset(sizes, first, last):
    best, total = 0, 0
    for operator in range(max(last) + 1):
        for i in range(len(sizes)):
            if first[i] <= operator <= last[i]:
                total += sizes[i]
        best = max(best, total)
    return best


def peak_ends_only(sizes, first, last):
    alive = [0] * (max(last) + 1)
    for size, start, end in zip(sizes, first, last):
        alive[start] += size
        if end != start:
            alive[end] += size
    return max(alive)


def peak_differences(sizes, first, last):
    change = np.zeros(max(last) + 2, dtype=np.int64)
    np.add.at(change, first, sizes)
    np.subtract.at(change, np.array(last) + 1, sizes)
    return int(np.cumsum(change).max())


def peak_table(sizes, first, last):
    operators = np.arange(max(last) + 1)[:, None]
    alive = (np.array(first) <= operators) & (operators <= np.array(last))
    return (alive * np.array(sizes)).sum(axis=1).max()


def peak_slices(sizes, first, last):
    alive = np.zeros(max(last) + 1, dtype=int)
    for i in range(len(sizes)):
        alive[first[i] : last[i] + 1] += sizes[i]
    return np.max(alive)


WRONG["11.peak"] = [
    ("the largest tensor", lambda s, f, l: max(s)),
    ("all tensors at once", lambda s, f, l: sum(s)),
    ("last operator not included", peak_exclusive),
    ("as many operators as tensors", peak_len),
    ("the operator instead of the bytes", peak_index),
    ("two neighbours in the list", lambda s, f, l: max(a + b for a, b in zip(s, s[1:]))),
    ("first operator not included", peak_first_exclusive),
    ("range misses the last operator", peak_last_missed),
    ("sum not set back at each operator", peak_not_reset),
    ("only where written and last read", peak_ends_only),
]
RIGHT["11.peak"] = [
    ("changes and their cumulative sum", peak_differences),
    ("table of operators and tensors", peak_table),
    ("slices of an array", peak_slices),
    (
        "only where a tensor begins",
        lambda s, f, l: max(sum(n for n, a, b in zip(s, f, l) if a <= o <= b) for o in f),
    ),
]


# ---------------------------------------------------------------- 11.left
def left_print(model, code, arena, flash, ram):
    print(flash - model - code, ram - arena)


def left_minus(model, code, arena, flash, ram):
    flash -= model
    flash -= code
    ram -= arena
    return flash, ram


WRONG["11.left"] = [
    ("RAM first", lambda m, c, a, f, r: (r - a, f - m - c)),
    ("code forgotten", lambda m, c, a, f, r: (f - m, r - a)),
    ("arena in flash as well", lambda m, c, a, f, r: (f - m - c - a, r - a)),
    ("never below zero", lambda m, c, a, f, r: (max(f - m - c, 0), max(r - a, 0))),
    ("needed minus available", lambda m, c, a, f, r: (m + c - f, a - r)),
    ("weights in RAM as well", lambda m, c, a, f, r: (f - m - c, r - a - m)),
    ("in KiB", lambda m, c, a, f, r: ((f - m - c) / 1024, (r - a) / 1024)),
    ("only whether it fits", lambda m, c, a, f, r: (f >= m + c, r >= a)),
    ("parentheses: flash - (model - code)", lambda m, c, a, f, r: (f - (m - c), r - a)),
    ("printed, not returned", left_print),
]
RIGHT["11.left"] = [
    ("sum of what flash holds", lambda m, c, a, f, r: (f - (m + c), r - a)),
    ("step by step", left_minus),
    ("np.subtract", lambda m, c, a, f, r: tuple(np.subtract((f, r), (m + c, a)))),
    ("signed sums", lambda m, c, a, f, r: (sum([f, -m, -c]), -(a - r))),
]


# ---------------------------------------------------------------- 11.input
def _saturate(code):
    return min(max(code, -128), 127)


def input_wrap(x, scale, zero_point):
    code = int(np.round(x / scale)) + zero_point
    return int(np.array([code]).astype(np.int8)[0])


def input_clip(x, scale, zero_point):
    return int(np.clip(np.rint(x / scale) + zero_point, -128, 127))


def input_ifs(x, scale, zero_point):
    code = x / scale
    code = int(code + 0.5) if code >= 0 else int(code - 0.5)
    code += zero_point
    if code > 127:
        return 127
    if code < -128:
        return -128
    return code


WRONG["11.input"] = [
    ("int cuts towards zero", lambda x, s, z: _saturate(int(x / s) + z)),
    ("int of half more, wrong below zero", lambda x, s, z: _saturate(int(x / s + 0.5) + z)),
    ("not saturated", lambda x, s, z: math.floor(x / s + z + 0.5)),
    ("zero point forgotten", lambda x, s, z: _saturate(math.floor(x / s + 0.5))),
    ("uint8's limits", lambda x, s, z: min(max(math.floor(x / s + z + 0.5), 0), 255)),
    ("times the scale", lambda x, s, z: _saturate(math.floor(x * s + z + 0.5))),
    ("zero point taken off", lambda x, s, z: _saturate(math.floor(x / s - z + 0.5))),
    ("wraps around", input_wrap),
    ("floor without the half", lambda x, s, z: _saturate(math.floor(x / s + z))),
    ("min and max exchanged", lambda x, s, z: max(min(math.floor(x / s + z + 0.5), -128), 127)),
]
RIGHT["11.input"] = [
    ("Python's round", lambda x, s, z: max(-128, min(127, round(x / s) + z))),
    ("np.clip of np.rint", input_clip),
    ("away from zero with if", input_ifs),
    (
        "saturated before rounding",
        lambda x, s, z: math.ceil(min(max(x / s + z, -128.0), 127.0) - 0.5),
    ),
]
