"""Sharing, coding, storing: what comes back is the very network, and no code is longer than due."""

import itertools
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import env
from course_utils.machines import data, numpy_training
from course_utils.numbers import compressed_network, huffman, weight_sharing
from course_utils.numbers.compressed_network import Pruned, Shared

# --- Huffman -------------------------------------------------------------------------------------


def shortest(counts):
    """The least total length of a prefix code, by trying all lengths (Kraft's inequality)."""
    counts = [c for c in counts if c]
    if len(counts) == 1:
        return counts[0]
    each = range(1, len(counts))
    return min(
        sum(c * length for c, length in zip(counts, lengths, strict=True))
        for lengths in itertools.product(each, repeat=len(counts))
        if sum(2.0**-length for length in lengths) <= 1
    )


@given(st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any))
def test_no_prefix_code_is_shorter(counts):
    lengths = huffman.code_lengths(counts)
    assert int(np.dot(counts, lengths)) == shortest(counts)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=300).filter(any))
def test_a_symbol_takes_at_most_a_bit_more_than_the_entropy(counts):
    mean = np.dot(counts, huffman.code_lengths(counts)) / sum(counts)
    bound = huffman.entropy(counts)
    assert bound - 1e-9 <= mean <= bound + 1 + 1e-9


@given(st.lists(st.integers(0, 40), max_size=400))
def test_symbols_come_back(symbols):
    lengths = huffman.code_lengths(np.bincount(symbols, minlength=41))
    packed = huffman.encode(symbols, lengths)
    assert huffman.decode(packed, lengths, len(symbols)).tolist() == symbols
    assert len(packed) == -(-int(lengths[symbols].sum()) // 8)


def test_no_word_begins_another():
    lengths = huffman.code_lengths([50, 20, 11, 7, 5, 3, 1, 1, 0, 2])
    pairs = zip(huffman.words(lengths), lengths, strict=True)
    texts = [f"{word:0{length}b}" for word, length in pairs if length]
    assert not [(a, b) for a, b in itertools.permutations(texts, 2) if b.startswith(a)]


@pytest.mark.parametrize("lengths", [[1, 1, 1], [2, 2], [1, 2], [2], [60, 60]])
def test_lengths_of_no_code_are_refused(lengths):
    with pytest.raises(ValueError, match="No Huffman code"):
        huffman.words(lengths)


@pytest.mark.parametrize(
    "change", [lambda b: b[:-1], lambda b: b + b"\0", lambda b: b[:-1] + b"\xff"]
)
def test_other_bits_are_refused(change):
    symbols = np.arange(30) % 5
    lengths = huffman.code_lengths(np.bincount(symbols))
    packed = huffman.encode(symbols, lengths)
    with pytest.raises(ValueError, match="no Huffman code"):
        huffman.decode(change(packed), lengths, 30)


# --- sharing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", weight_sharing.STARTS)
def test_k_means_gets_better_at_every_move(start):
    weights = np.random.default_rng(1).normal(size=2000)
    path = weight_sharing.k_means(weights, 8, start)
    errors = [((weights - c[weight_sharing.nearest(weights, c)]) ** 2).sum() for c in path]
    assert len(path) > 2
    assert (np.diff(errors) <= 1e-9).all()
    assert errors[-1] < errors[0]


def test_k_means_finds_the_values_that_are_there():
    weights = np.repeat([-2.0, 0.5, 3.0], [5, 50, 1])
    assert weight_sharing.k_means(weights, 3, "linear")[-1].tolist() == [-2.0, 0.5, 3.0]


def test_nearest_is_nearest():
    rng = np.random.default_rng(2)
    weights, codebook = rng.normal(size=(30, 40)), np.sort(rng.normal(size=7))
    expected = np.abs(weights[..., None] - codebook).argmin(axis=-1)
    assert np.array_equal(weight_sharing.nearest(weights, codebook), expected)


def test_the_papers_figure_3():
    """Its 4 by 4 weights, their gradients, and the centroids after one step at rate 1."""
    weights = np.array([[2.09, -0.98, 1.48, 0.09], [0.05, -0.14, -1.08, 2.12],
                        [-0.91, 1.92, 0, -1.03], [1.87, 0, 1.53, 1.49]])  # fmt: skip
    gradient = np.array([[-0.03, -0.01, 0.03, 0.02], [-0.01, 0.01, -0.02, 0.12],
                         [-0.01, 0.02, 0.04, 0.01], [-0.07, -0.02, 0.01, -0.02]])  # fmt: skip
    codebook = np.array([-1.0, 0.0, 1.5, 2.0])
    indices = weight_sharing.nearest(weights, codebook)
    assert indices.tolist() == [[3, 0, 2, 1], [1, 1, 0, 3], [0, 3, 1, 0], [3, 1, 2, 2]]
    summed = weight_sharing.codebook_gradient(gradient, indices, 4)
    assert summed == pytest.approx([-0.03, 0.04, 0.02, 0.04])
    assert weight_sharing.compression_rate(16, 4) == 3.2


@pytest.mark.parametrize(
    ("weights", "k", "start"), [([], 2, "linear"), ([1.0], 0, "linear"), ([1.0], 1, "best")]
)
def test_bad_starts(weights, k, start):
    with pytest.raises(ValueError, match="at least one of each|no start 'best'"):
        weight_sharing.first_centroids(weights, k, start)


# --- the file ------------------------------------------------------------------------------------


@st.composite
def networks(draw):
    """Some layers: shared at any sparsity, all zero, of one symbol, empty; and float32 ones."""
    network = {}
    for i in range(draw(st.integers(0, 3))):
        shape = tuple(draw(st.lists(st.integers(0, 7), max_size=4)))
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        k = draw(st.integers(1, 40))
        indices = rng.integers(0, k, shape) * (rng.random(shape) < draw(st.floats(0, 1)))
        codebook = np.append(0, rng.normal(size=k - 1)).astype(np.float32)
        network[f"w{i}"] = Shared(codebook, indices)
        values = rng.normal(size=shape) * (rng.random(shape) < draw(st.floats(0, 1)))
        network[f"p{i}"] = Pruned(values.astype(np.float32))
        network[f"b{i}"] = rng.normal(size=draw(st.integers(0, 5))).astype(np.float32)
    return network


def same(a, b):
    assert list(a) == list(b)
    for name in a:
        assert type(a[name]) is type(b[name])
        one, other = (
            t if isinstance(t, (Shared, Pruned)) else (t,) for t in (a[name], b[name])
        )
        for mine, theirs in zip(one, other, strict=True):
            assert np.shape(mine) == np.shape(theirs)
            assert np.array_equal(mine, theirs)


@given(networks(), st.integers(0, 8), st.booleans())
@settings(max_examples=200)
def test_the_very_network_comes_back(network, index_bits, coded):
    file = compressed_network.encode(network, index_bits, coded)
    same(compressed_network.decode(file), network)
    rows = compressed_network.ledger(network, index_bits, coded)
    assert sum(sum(row.values()) for row in rows.values()) == len(file)


@given(networks(), st.data())
@settings(max_examples=200)
def test_a_damaged_file_is_refused_in_a_sentence(network, draw):
    file = bytearray(compressed_network.encode(network, coded=draw.draw(st.booleans())))
    if draw.draw(st.booleans()):
        file = file[: draw.draw(st.integers(0, len(file) - 1))]
    else:
        file[draw.draw(st.integers(0, len(file) - 1))] ^= draw.draw(st.integers(1, 255))
    with pytest.raises(ValueError, match=r"^This (is not a )?compressed network"):
        compressed_network.decode(bytes(file))


@given(networks(), st.data())
@settings(max_examples=300)
def test_a_forged_file_is_refused_or_is_a_network(network, draw):
    """With the right checksum: never another exception, never more memory than it says."""
    body = bytearray(compressed_network.encode(network, coded=draw.draw(st.booleans()))[8:])
    body[draw.draw(st.integers(0, len(body) - 1))] ^= draw.draw(st.integers(1, 255))
    said, found = "This compressed network is damaged: it is none", {}
    try:
        found = compressed_network.decode(forged(bytes(body)))
    except ValueError as error:
        said = str(error)
    assert said.startswith("This compressed network is damaged: ")
    assert "\n" not in said
    for tensor in map(compressed_network.weights_of, found.values()):
        assert tensor.dtype == np.float32


def forged(body):
    """A file with its checksum, whatever it holds."""
    return b"DC01" + struct.pack("<I", zlib.crc32(body)) + body


def shared_tensor(name=b"w", shape=(4,), codebook=(0.0, 1.0), entries=4):
    """The bytes of one shared tensor, every weight an entry, of the first value."""
    k = len(codebook)
    head = struct.pack(f"<BB{len(name)}sB{len(shape)}I", 1, len(name), name, len(shape), *shape)
    lengths = bytes([1] * (k > 0) + [0] * (k - 1))
    packed = bytes(-(-entries // 8))
    return (head + struct.pack(f"<HBI{k}f", k, 0, entries, *codebook) + lengths
            + struct.pack("<I", len(packed)) + packed)  # fmt: skip


@pytest.mark.parametrize(
    "tensors",
    [
        [shared_tensor(codebook=())],  # no value
        [shared_tensor(codebook=(5.0, 1.0))],  # pruned weights that are not 0
        [shared_tensor(name=b"")],
        [shared_tensor(shape=(0, 2**32 - 1, 2**32 - 1), entries=0)],
        # 300 tensors of 2^24 weights each, all pruned: 12 kB that would take 38 GB
        [
            struct.pack("<BB3sBIHBIf", 1, 3, b"%03d" % i, 1, 2**24, 1, 4, 0, 0.0)
            + bytes([0]) + struct.pack("<I", 0) + bytes(16) + struct.pack("<I", 0)
            for i in range(300)
        ],
    ],
)  # fmt: skip
def test_what_encode_does_not_write_is_refused(tensors):
    file = forged(struct.pack("<H", len(tensors)) + b"".join(tensors))
    with pytest.raises(ValueError, match="^This compressed network is damaged: "):
        compressed_network.decode(file)


def test_a_tensor_by_hand_is_read():
    """So that what is refused above is refused for what is wrong with it."""
    found = compressed_network.decode(forged(struct.pack("<H", 1) + shared_tensor()))
    assert compressed_network.weights_of(found["w"]).tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("name", ["", "w" * 256])
def test_names_that_cannot_be_stored(name):
    with pytest.raises(ValueError, match="has no place in the file"):
        compressed_network.encode({name: np.zeros(3, np.float32)})


@pytest.mark.parametrize("shape", [(1,) * 9, (0, 2**25)])
def test_shapes_that_cannot_be_stored(shape):
    with pytest.raises(ValueError, match="has no place in the file"):
        compressed_network.encode({"w": np.zeros(shape, np.float32)})


@pytest.mark.parametrize("file", ["DC01", None, 5])
def test_no_bytes(file):
    with pytest.raises(TypeError):
        compressed_network.decode(file)


@pytest.mark.parametrize(
    ("codebook", "indices", "bits"),
    [([0, 1], [2], 4), ([0, 1], [-1], 4), ([1, 2], [0], 4), ([0, 1], [1], 9), ([], [], 4)],
)
def test_what_cannot_be_stored(codebook, indices, bits):
    shared = Shared(np.array(codebook, np.float32), np.array(indices, np.int64))
    with pytest.raises(ValueError, match="^w: "):
        compressed_network.encode({"w": shared}, bits)


# --- training shared values ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def images():
    return data.load("fashion_mnist")


def small_shared(network="lenet_300_100", k=8):
    """First weights, four of five pruned, the rest sharing seven values a layer."""
    weights = numpy_training.initial_weights(network, 1)
    rng, shared = np.random.default_rng(0), dict(weights)
    for name in (name for name in weights if name.endswith("kernel")):
        kept = rng.random(weights[name].shape) < 0.2
        codebook = weight_sharing.k_means(weights[name][kept], k - 1)[-1]
        indices = np.zeros(kept.shape, np.int64)
        indices[kept] = weight_sharing.nearest(weights[name][kept], codebook) + 1
        shared[name] = Shared(np.append(0, codebook).astype(np.float32), indices)
    return shared


def test_a_codebooks_gradient_is_the_losss(images):
    """By moving one shared value a little."""
    shared = small_shared()
    x, y = images.x_train[:60], images.y_train[:60]
    own = {n: compressed_network.weights_of(t) for n, t in shared.items()}
    net = numpy_training.Network("lenet_300_100", own, {})
    name = "dense2/kernel"
    gradient = net.gradients(x, y)[name].copy()
    tensor = shared[name]
    summed = weight_sharing.codebook_gradient(gradient, tensor.indices, 8)
    for j in (2, 5):
        losses = []
        for change in (-1e-3, 1e-3):
            codebook = tensor.codebook.copy()
            codebook[j] += change
            net.w[name][...] = codebook[tensor.indices]
            losses.append(net.measure(x, y)[0])
        assert (losses[1] - losses[0]) / 2e-3 == pytest.approx(summed[j], rel=0.05)


def test_training_shared_values_keeps_clusters_and_zeros(images):
    shared = small_shared()
    run = numpy_training.train_codebooks(
        "lenet_300_100", shared, images, steps=20, every=5, learning_rate=2e-4
    )
    assert run.stop in run.steps
    for name, tensor in run.weights.items():
        if isinstance(tensor, Shared):
            assert tensor.codebook[0] == 0
            assert np.array_equal(tensor.indices, shared[name].indices)
            assert not np.array_equal(tensor.codebook, shared[name].codebook)
    first = numpy_training.Network(
        "lenet_300_100", {n: compressed_network.weights_of(t) for n, t in shared.items()}, {}
    ).measure(images.x_validation, images.y_validation)[0]
    assert run.losses.min() < first


def test_tfmot_clusters_alike():
    """The nearest of its centroids, for the same centroids, and its linear start."""
    tf = env.tensorflow()
    from tensorflow_model_optimization.python.core.clustering.keras import (
        cluster_config,
        clustering_algorithm,
        clustering_centroids,
    )

    weights = np.random.default_rng(3).normal(0, 0.2, (30, 20)).astype(np.float32)
    start = clustering_centroids.CentroidsInitializerFactory.get_centroid_initializer(
        cluster_config.CentroidInitialization.LINEAR
    )
    theirs = np.asarray(start(weights, 8).get_cluster_centroids())
    ours = weight_sharing.first_centroids(weights, 8, "linear")
    assert ours == pytest.approx(np.sort(theirs), abs=1e-6)
    algorithm = clustering_algorithm.ClusteringAlgorithm(tf.Variable(theirs))
    pulled = np.asarray(algorithm.get_pulling_indices(weights))
    assert np.array_equal(pulled, weight_sharing.nearest(weights, np.sort(theirs)))
