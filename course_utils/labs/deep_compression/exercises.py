"""Exercises of notebook 10: the nearest centroid, its gradient, gaps, and Huffman's code."""

from __future__ import annotations

import heapq

import numpy as np

from course_utils.numbers import compressed_network, huffman, weight_sharing
from course_utils.views.checks import Mistake, exercise

# --- sharing ------------------------------------------------------------------------------------


def nearest(weights, codebook):
    return weight_sharing.nearest(weights, codebook)


def _weights(seed, shape, k):
    rng = np.random.default_rng(seed)
    return rng.normal(0.02, 0.3, shape), np.sort(rng.normal(0, 0.35, k))


def _distances(weights, codebook):
    return np.abs(np.asarray(weights)[..., None] - codebook)


def _by_rank(weights, codebook):
    """As many weights for every centroid."""
    order = np.argsort(np.argsort(weights, axis=None, kind="stable"), kind="stable")
    return (order * len(codebook) // order.size).reshape(np.shape(weights))


def _equal_steps(weights, codebook):
    """As if the centroids stood at equal distances."""
    step = (codebook[-1] - codebook[0]) / (len(codebook) - 1)
    found = np.round((np.asarray(weights) - codebook[0]) / step).astype(int)
    return np.clip(found, 0, len(codebook) - 1)


exercise(
    "10.nearest",
    nearest,
    cases=[
        (np.array([-0.9, 0.1, 0.6, 2.5]), np.array([-1.0, 0.0, 2.0])),
        _weights(101, (4, 5), 4),
        _weights(102, (6, 3), 7),
        _weights(103, (5, 2, 3), 5),
        _weights(104, (30,), 8),
    ],
    may_pass=("sorted",),  # a codebook is in rising order
    mistakes=[
        Mistake(
            "values",
            lambda w, c: np.asarray(c)[weight_sharing.nearest(w, c)],
            "You return the centroids themselves. What is stored for a weight is the NUMBER of its "
            "centroid, a few bits; the codebook says later what the number means.",
        ),
        Mistake(
            "sign_of_distance",
            (
                lambda w, c: (np.asarray(w)[..., None] - c).argmin(axis=-1),
                lambda w, c: (c - np.asarray(w)[..., None]).argmin(axis=-1),
            ),
            "You take the smallest difference with its sign: the most negative one, which belongs "
            "to a centroid at the end. A distance has no sign.",
        ),
        Mistake(
            "farthest",
            lambda w, c: _distances(w, c).argmax(axis=-1),
            "You take the centroid that is farthest away. The nearest changes the weight least.",
        ),
        Mistake(
            "magnitudes",
            (
                lambda w, c: _distances(np.abs(w), np.abs(c)).argmin(axis=-1),
                lambda w, c: _distances(np.abs(w), c).argmin(axis=-1),
            ),
            "You compare magnitudes. A weight of -0.3 is far from a centroid at +0.3: put it "
            "there, and the network subtracts where it should add.",
        ),
        Mistake(
            "below",
            (
                lambda w, c: np.clip(np.searchsorted(c, w, side="right") - 1, 0, len(c) - 1),
                lambda w, c: np.searchsorted(c, w, side="right") - 1,
            ),
            "You take the next centroid BELOW each weight, even if the one above is nearer. The "
            "border between two centroids is the middle between them.",
        ),
        Mistake(
            "above",
            (
                lambda w, c: np.clip(np.searchsorted(c, w), 0, len(c) - 1),
                lambda w, c: np.searchsorted(c, w),
            ),
            "You take the next centroid ABOVE each weight, even if the one below is nearer. The "
            "border between two centroids is the middle between them.",
        ),
        Mistake(
            "from_one",
            lambda w, c: weight_sharing.nearest(w, c) + 1,
            "You count the centroids from 1. codebook[index] counts from 0.",
        ),
        Mistake(
            "as_many_in_each",
            _by_rank,
            "You give every centroid as many weights. How many belong to one is not fixed: it "
            "depends on where the weights lie.",
        ),
        Mistake(
            "equal_steps",
            _equal_steps,
            "You compute the number as if centroids stood at equal distances, as the codes of int8 "
            "do. Those of k-means stand where weights are.",
        ),
        Mistake(
            "per_centroid",
            lambda w, c: _distances(np.ravel(w), c).argmin(axis=0),
            "You find the nearest WEIGHT of each centroid. Asked is the nearest centroid of each "
            "weight: the smallest along the other axis.",
        ),
        Mistake(
            "distances",
            (
                lambda w, c: _distances(w, c).min(axis=-1),
                lambda w, c: _distances(w, c),
            ),
            "You return how far away the nearest centroid is. Asked is which one it is.",
        ),
    ],
)


def compression_rate(n, k, num_bits):
    return weight_sharing.compression_rate(n, k, num_bits)


exercise(
    "10.rate",
    compression_rate,
    cases=[(16, 4, 32), (1000, 16, 32), (300, 8, 16), (30, 2, 8), (2, 64, 8)],
    mistakes=[
        Mistake(
            "codebook_forgotten",
            lambda n, k, b: b / np.log2(k),
            "You leave out the codebook: k values of full width are stored as well, or nobody "
            "could look the numbers up.",
        ),
        Mistake(
            "a_bit_a_cluster",
            lambda n, k, b: n * b / (n * k + k * b),
            "You give each weight k bits. To tell k clusters apart takes log2(k).",
        ),
        Mistake(
            "inverse",
            lambda n, k, b: (n * np.log2(k) + k * b) / (n * b),
            "That is the share that is left. How many times smaller is one divided by it.",
        ),
        Mistake(
            "narrow_codebook",
            lambda n, k, b: n * b / (n * np.log2(k) + k * np.log2(k)),
            "Your codebook's values have log2(k) bits. That is the width of a number of a cluster; "
            "the values themselves are weights of full width.",
        ),
        Mistake(
            "codebook_of_one",
            (
                lambda n, k, b: n * b / (n * np.log2(k) + k),
                lambda n, k, b: n * b / (n * np.log2(k) + b),
            ),
            "Your codebook is too small: it has k values, and each of them num_bits bits.",
        ),
        Mistake(
            "always_32",
            (
                lambda n, k, b: n * b / (n * np.log2(k) + k * 32),
                lambda n, k, b: n * 32 / (n * np.log2(k) + k * 32),
                lambda n, k, b: n * 32 / (n * np.log2(k) + k * b),
            ),
            "You write 32 where num_bits belongs: weights may have had 16 bits, or 8.",
        ),
        Mistake(
            "natural_logarithm",
            lambda n, k, b: n * b / (n * np.log(k) + k * b),
            "You take the natural logarithm. Bits are counted with the logarithm to base 2.",
        ),
        Mistake(
            "saved",
            lambda n, k, b: 1 - (n * np.log2(k) + k * b) / (n * b),
            "That is the share that is saved. Asked is how many times smaller it gets.",
        ),
    ],
)


def codebook_gradient(gradient, indices, k):
    return weight_sharing.codebook_gradient(gradient, indices, k)


def _gradients(seed, shape, k, empty=None):
    rng = np.random.default_rng(seed)
    indices = rng.integers(0, k, shape, dtype=np.intp)
    if empty is not None:
        indices[indices == empty] = (empty + 1) % k
    return rng.normal(0.01, 0.05, shape), indices, k


def _of_clusters(function):
    """function(gradients of one cluster) for each; 0 for a cluster without weights."""

    def gives(gradient, indices, k):
        return np.array([
            function(gradient[indices == j]) if (indices == j).any() else 0.0 for j in range(k)
        ])  # fmt: skip

    return gives


def _means(gradient, indices, k):
    """The mean of each cluster as NumPy gives it: no number for a cluster without weights."""
    own = [gradient[indices == j] for j in range(k)]
    return np.array([values.mean() if values.size else np.nan for values in own])


exercise(
    "10.gradient",
    codebook_gradient,
    cases=[
        (np.array([[0.3, -0.1], [0.2, 0.4]]), np.array([[0, 1], [1, 1]]), 2),
        _gradients(105, (4, 4), 4),
        _gradients(106, (10, 6), 5, empty=2),
        _gradients(107, (3, 3, 2), 3),
        _gradients(108, (7,), 4, empty=3),
    ],
    mistakes=[
        Mistake(
            "mean",
            (
                _of_clusters(np.mean),
                _means,
                lambda g, i, k: np.bincount(i.ravel(), g.ravel(), k) / i.size,
            ),
            "You average. Move a shared value by a little, and EVERY weight of its cluster moves: "
            "the effects on the loss add up (the paper's equation 3).",
        ),
        Mistake(
            "counts",
            lambda g, i, k: np.bincount(i.ravel(), minlength=k),
            "You count the weights of each cluster. It is their gradients that add up.",
        ),
        Mistake(
            "magnitudes",
            _of_clusters(lambda own: np.abs(own).sum()),
            "You add magnitudes. Where one weight pulls up and another down, the two pulls cancel.",
        ),
        Mistake(
            "last_one",
            (
                _of_clusters(lambda own: own[-1]),
                _of_clusters(lambda own: own[0]),
            ),
            "Only one weight of each cluster counts: `total[indices] += gradient` keeps the last "
            "one of those that share a place. np.add.at, np.bincount or a loop adds all.",
        ),
        Mistake(
            "largest",
            _of_clusters(np.max),
            "You take the largest gradient of each cluster. All of them count.",
        ),
        Mistake(
            "per_weight",
            (
                lambda g, i, k: np.bincount(i.ravel(), g.ravel(), k)[i],
                lambda g, i, k: g,
            ),
            "You return a gradient for every weight. One for each of the k shared values is asked: "
            "the weights have none of their own any more.",
        ),
        Mistake(
            "negative",
            lambda g, i, k: -np.bincount(i.ravel(), g.ravel(), k),
            "Your signs are those of the step. The gradient is asked; the optimizer steps against "
            "it.",
        ),
        Mistake(
            "empty_left_out",
            lambda g, i, k: np.array([g[i == j].sum() for j in np.unique(i)]),
            "You return numbers only for clusters that have weights. An empty one has gradient 0, "
            "and leaving it out moves all those behind it.",
        ),
        Mistake(
            "by_number",
            lambda g, i, k: np.bincount(i.ravel(), (g * i).ravel(), k),
            "You multiply by the number of the cluster. That is a name, no size.",
        ),
    ],
)


# --- gaps ---------------------------------------------------------------------------------------


def relative_index(kept, index_bits):
    return compressed_network.relative_index(np.asarray(kept, bool), index_bits)[0]


def _kept(seed, n, share):
    return np.random.default_rng(seed).random(n) < share


def _fill(gaps, limit, place):
    """Fillers of `limit` zeros each; place: whether a filler takes a place itself."""
    found = []
    for gap in gaps:
        while gap > limit:
            found.append(limit)
            gap -= limit + place
        found.append(gap)
    return np.array(found)


def _divided(gaps, limit):
    """As many fillers as the limit goes into a gap, then what remains."""
    return np.array([part for gap in gaps for part in [limit] * (gap // limit) + [gap % limit]])


def _fillers_behind(kept, index_bits):
    """Fillers for the zeros behind the last weight, too."""
    found = list(relative_index(kept, index_bits))
    behind = np.flatnonzero(np.asarray(kept)[::-1])[0]
    return np.array(found + [2**index_bits - 1] * int(behind // 2**index_bits))


def _zeros_before(kept):
    return np.diff(np.flatnonzero(kept), prepend=-1) - 1


exercise(
    "10.gaps",
    relative_index,
    cases=[
        (np.array([0, 1, 0, 0, 0, 0, 0, 1, 1, 0], bool), 2),
        (np.array([0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0], bool), 2),
        (_kept(109, 60, 0.15), 2),
        (_kept(110, 200, 0.06), 3),
        (_kept(111, 40, 0.5), 3),
        (np.array([1, 1, 0, 1, 0, 0], bool), 1),
    ],
    mistakes=[
        Mistake(
            "positions",
            lambda kept, bits: np.flatnonzero(kept),
            "You return where each weight stands, counted from the layer's beginning. Those "
            "numbers grow large; the gap to the weight before stays small: a few bits.",
        ),
        Mistake(
            "no_fillers",
            lambda kept, bits: _zeros_before(kept),
            "Some of your gaps do not fit into index_bits bits. Where more zeros are skipped than "
            "the largest gap, a filler goes in between.",
        ),
        Mistake(
            "clipped",
            lambda kept, bits: np.minimum(_zeros_before(kept), 2**bits - 1),
            "You cut long gaps off, so that all weights behind one stand in a wrong place. A "
            "filler goes in between, and then the rest of the gap.",
        ),
        Mistake(
            "filler_takes_no_place",
            (
                lambda kept, bits: _fill(_zeros_before(kept), 2**bits - 1, 0),
                lambda kept, bits: _divided(_zeros_before(kept), 2**bits - 1),
            ),
            "Your fillers take no place of their own. A filler is an entry whose weight is 0: "
            "it skips the largest gap, and stands for one more zero itself.",
        ),
        Mistake(
            "one_more",
            (
                lambda kept, bits: _fill(_zeros_before(kept), 2**bits, 1),
                lambda kept, bits: _fill(_zeros_before(kept), 2**bits, 0),
                lambda kept, bits: _divided(_zeros_before(kept), 2**bits),
            ),
            "Your largest gap is 2^bits. In so many bits the largest number is 2^bits - 1.",
        ),
        Mistake(
            "steps",
            (
                lambda kept, bits: np.diff(np.flatnonzero(kept), prepend=-1),
                lambda kept, bits: _fill(_zeros_before(kept) + 1, 2**bits - 1, 0),
                lambda kept, bits: _fill(_zeros_before(kept) + 1, 2**bits - 1, 1),
                lambda kept, bits: np.diff(np.flatnonzero(kept), prepend=0),
                lambda kept, bits: np.diff(np.flatnonzero(kept)),
            ),
            "You count the steps from weight to weight. The gap is the number of zeros between: "
            "for two neighbours 0.",
        ),
        Mistake(
            "first_forgotten",
            (
                lambda kept, bits: np.diff(np.flatnonzero(kept)) - 1,
                lambda kept, bits: _fill(np.diff(np.flatnonzero(kept)) - 1, 2**bits - 1, 1),
            ),
            "The zeros before the first weight are missing.",
        ),
        Mistake(
            "the_end_too",
            (
                lambda kept, bits: _fill(_zeros_before(np.append(kept, True)), 2**bits - 1, 1),
                _fillers_behind,
            ),
            "You also store the zeros behind the last weight. The layer's shape tells how many "
            "there are.",
        ),
        Mistake(
            "wrapped",
            lambda kept, bits: _zeros_before(kept) % 2**bits,
            "You keep only the last bits of a long gap: the fillers before it are missing.",
        ),
    ],
)


# --- Huffman ------------------------------------------------------------------------------------

BY_HAND = (0, 3, 0, 1, 0, 2, 1, 0)  # the numbers of eight weights


def by_hand(numbers):
    counts = np.bincount(numbers)
    return int(counts @ huffman.code_lengths(counts))


def _entropy_of(numbers):
    return len(numbers) * huffman.entropy(np.bincount(numbers))


exercise(
    "10.by_hand",
    by_hand,
    cases=[((1, 1, 1, 2, 2, 3),), ((0, 0, 1, 2),)],
    function=False,
    mistakes=[
        Mistake(
            "fixed_width",
            lambda numbers: len(numbers) * 2,
            "That is 2 bits for each of the eight. Huffman gives the frequent ones fewer.",
        ),
        Mistake(
            "words_only",
            lambda numbers: int(huffman.code_lengths(np.bincount(numbers)).sum()),
            "That is the length of the words, each counted once. A word is written as often as "
            "its weight occurs.",
        ),
        Mistake(
            "too_short",
            (
                lambda numbers: 4 * 1 + 2 * 1 + 2 + 2,
                lambda numbers: 4 * 1 + 2 * 2 + 2 + 2,
                lambda numbers: 4 * 1 + 2 * 2 + 2 + 3,
            ),
            "So few bits would need words of which one begins another, so that nobody could tell "
            "where a word ends. After 0 and 10, only what begins with 11 is left, for two.",
        ),
        Mistake(
            "one_each",
            lambda numbers: len(numbers),
            "One bit tells two values apart. Here are four.",
        ),
        Mistake(
            "full_width",
            lambda numbers: 32 * len(numbers),
            "That is eight weights in float32, before any stage.",
        ),
    ],
)


def huffman_bits(counts):
    counts = np.asarray(counts)
    return int(counts @ huffman.code_lengths(counts))


def _used(counts):
    return np.sort(np.asarray(counts)[np.asarray(counts) > 0])


def _joined(counts, pick=(0, 1), put_back=True, keep=None):
    """The sum of all joins; pick: which two of the sorted groups are joined."""
    groups, total = list(_used(counts)), 0
    while len(groups) > 1:
        groups.sort()
        one, other = (groups.pop(max(pick)), groups.pop(min(pick)))
        both = one + other
        total += both
        if put_back:
            groups.append(both)
        if keep is not None and len(groups) <= keep:
            break
    return int(total)


def _largest_joined(counts):
    groups, total = sorted(_used(counts)), 0
    while len(groups) > 1:
        both = groups.pop() + groups.pop()
        total += both
        groups = sorted([*groups, both])
    return int(total)


def _with_unused(counts):
    """Symbols that never occur take part, as groups of 0."""
    lengths_of = dict.fromkeys(range(len(counts)), 0)
    heap = [(int(c), i, [i]) for i, c in enumerate(counts)]
    heapq.heapify(heap)
    while len(heap) > 1:
        a, b = heapq.heappop(heap), heapq.heappop(heap)
        for i in a[2] + b[2]:
            lengths_of[i] += 1
        heapq.heappush(heap, (a[0] + b[0], min(a[1], b[1]), a[2] + b[2]))
    total = sum(int(c) * lengths_of[i] for i, c in enumerate(counts))
    return int(total)


def _shannon(counts):
    used = _used(counts)
    return int(used @ np.ceil(-np.log2(used / used.sum())))


def _unary(counts):
    """Words of 1, 2, 3 ... bits, the most frequent first; the last two as long."""
    used = _used(counts)[::-1]
    lengths = np.minimum(np.arange(1, len(used) + 1), max(1, len(used) - 1))
    return int(used @ lengths)


exercise(
    "10.huffman",
    huffman_bits,
    cases=[
        ([4, 2, 1, 1],),
        ([5, 5, 5, 5, 5],),
        ([40, 3, 17, 0, 9, 9, 2, 30],),
        ([1000, 10, 12, 9, 0, 11, 10, 300],),
        ([7, 6, 5, 4, 3, 2, 1],),
        ([100, 1],),
        ([13, 13, 12, 12, 14, 0, 15, 11, 10],),
    ],
    mistakes=[
        Mistake(
            "fixed_width",
            (
                lambda c: int(np.sum(c) * int(np.ceil(np.log2(len(c))))),
                lambda c: int(np.sum(c) * int(np.ceil(np.log2(np.count_nonzero(c))))),
            ),
            "You give all symbols the same width. Frequent ones get shorter words.",
        ),
        Mistake(
            "entropy",
            (
                lambda c: float(np.sum(c) * huffman.entropy(c)),
                lambda c: int(np.ceil(np.sum(c) * huffman.entropy(c) - 1e-9)),
                lambda c: int(np.round(np.sum(c) * huffman.entropy(c))),
            ),
            "That is the entropy: the bound that no code is below. Huffman's words have whole "
            "bits, and reach it only where all shares are halves, quarters, eighths.",
        ),
        Mistake(
            "mean_length",
            lambda c: huffman_bits(c) / np.sum(c),
            "That is the mean length of a word. Asked are the bits of all symbols together.",
        ),
        Mistake(
            "entropy_a_symbol",
            lambda c: float(huffman.entropy(c)),
            "That is the entropy of ONE symbol. Asked are the bits of all of them, in whole words.",
        ),
        Mistake(
            "rounded_up",
            _shannon,
            "You round each symbol's -log2 p up. Such a code exists (Shannon's), but Huffman's is "
            "shorter: it joins the two rarest groups, again and again.",
        ),
        Mistake(
            "always_the_first",
            (
                _unary,
                lambda c: int(np.cumsum(_used(c))[1:].sum()),
                lambda c: int(np.cumsum([n for n in c if n])[1:].sum()),
            ),
            "Your words have 1, 2, 3, ... bits. That is right only where each symbol outweighs all "
            "rarer ones: take the two RAREST groups each time, joined ones among them.",
        ),
        Mistake(
            "joined_not_put_back",
            lambda c: _joined(c, put_back=False),
            "You join symbols in pairs, once. What is joined goes back among the groups, and is "
            "joined again, until one is left.",
        ),
        Mistake(
            "two_largest",
            _largest_joined,
            "You join the two most frequent groups, so that the most frequent symbols get the "
            "longest words. Join the two rarest.",
        ),
        Mistake(
            "last_join_left_out",
            lambda c: huffman_bits(c) - int(np.sum(c)),
            "You stop before the last two groups are joined. This join, too, adds a bit to every "
            "word: without it the two halves could not be told apart.",
        ),
        Mistake(
            "unused_symbols",
            _with_unused,
            "Symbols that never occur take part in your code and lengthen others' words. Leave "
            "them out.",
        ),
        Mistake(
            "words_only",
            lambda c: int(huffman.code_lengths(c).sum()),
            "You add up the words, each once. A symbol's word is written as often as it occurs.",
        ),
        Mistake(
            "number_in_binary",
            (
                lambda c: sum(int(n) * max(1, i.bit_length()) for i, n in enumerate(c)),
                lambda c: sum(int(n) * (i + 1) for i, n in enumerate(c)),
            ),
            "Your words grow with the NUMBER of a symbol. How often it occurs decides.",
        ),
        Mistake(
            "number_of_joins",
            lambda c: int(np.count_nonzero(c)) - 1,
            "You count the joins. Each of them costs a bit for every symbol in the two groups.",
        ),
    ],
)
