"""What a student's functions do to the real network: sharing, training, gaps, Huffman, the file."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from course_utils.labs.deep_compression import scenes, stages
from course_utils.machines import data, numpy_training
from course_utils.numbers import compressed_network, huffman, weight_sharing
from course_utils.numbers.compressed_network import Shared
from course_utils.views import widgets
from course_utils.views.tables import Table

MOST_BITS = 8
ROUNDS = 60  # of k-means
STEPS = 400  # of training the codebooks here; the recorded runs take five times as many


def clusters(nearest: Callable, num_bits=4) -> dict | None:
    """LeNet-300-100, pruned, its weights shared by this `nearest`; None if that can't be.

    num_bits: of an index, in every layer, 1 to 8. What is wrong is said in a sentence.
    """
    if (
        isinstance(num_bits, bool)
        or not isinstance(num_bits, int)
        or not (1 <= num_bits <= MOST_BITS)
    ):
        print(f"Nothing was shared: an index has 1 to {MOST_BITS} bits.")
        return None
    weights = dict(scenes.pruned_weights())
    found = dict(weights)
    for name in scenes.bits():
        left = weights[name][weights[name] != 0].astype(float)
        codebook = weight_sharing.first_centroids(left, 2**num_bits - 1)
        for _ in range(ROUNDS):
            indices = _indices(nearest(left, codebook), left, codebook)
            moved = np.sort(weight_sharing.means(left, indices, codebook))
            if np.array_equal(moved, codebook):
                break
            codebook = moved
        codebook = np.unique(codebook[codebook != 0])
        indices = np.zeros(weights[name].shape, np.intp)
        indices[weights[name] != 0] = _indices(nearest(left, codebook), left, codebook) + 1
        found[name] = Shared(np.append(0, codebook).astype(np.float32), indices)
    return found


def _indices(given, left, codebook):
    """A function's answer, if it names a centroid for each weight; else the laboratory's."""
    try:
        found = np.asarray(given, np.intp)
    except (TypeError, ValueError, OverflowError):
        found = None
    if (
        found is None
        or found.shape != left.shape
        or found.min() < 0
        or (found.max() >= len(codebook))
    ):
        return weight_sharing.nearest(left, codebook)
    return found


def tuned(shared: dict | None, gradient: Callable, steps=None) -> dict | None:
    """The network with its shared values trained on by this gradient, on the images that ship.

    steps: STEPS unless told otherwise.
    """
    if shared is None:
        print("Nothing was trained: there is no network with shared weights.")
        return None
    steps = steps or STEPS
    recipe = stages.RECIPES[stages.LENET]._replace(codebook_steps=steps, every=200)

    def safe(g, indices, k):
        found = np.asarray(gradient(g, indices, k), float)
        return found if found.shape == (k,) else weight_sharing.codebook_gradient(g, indices, k)

    with widgets.progress_bar("Training the shared values") as report:
        return stages.tune(stages.LENET, shared, data.load("fashion_mnist"), recipe,
                           progress=report, gradient=safe)  # fmt: skip


def shared_table(shared: dict | None, trained: dict | None) -> Table | None:
    """Right answers before sharing, with the clusters, and with the trained values."""
    if shared is None or trained is None:
        return None
    images, body = data.load("fashion_mnist"), []
    states = {
        "pruned": dict(scenes.pruned_weights()),
        "shared, k-means only": stages.floats(shared),
        "shared, values trained here": stages.floats(trained),
    }
    for words, weights in states.items():
        values = sum(np.unique(weights[name][weights[name] != 0]).size for name in scenes.bits())
        cells = [
            numpy_training.right(stages.LENET, weights, getattr(images, f"x_{split}"), y) / len(y)
            for split in ("validation", "test")
            for y in [getattr(images, f"y_{split}")]
        ]
        body.append((words, f"{values:,}", *(f"{share:.2%}" for share in cells)))
    return Table("LeNet-300-100, by these functions",
                 ("state", "different weights", "validation", "test"), body)  # fmt: skip


def gap_widths(relative_index: Callable, name=scenes.LAYER) -> Table:
    """What each width of a gap costs one layer, with the gaps that this function finds."""
    tensor, body = scenes.shared()[name], []
    kept = tensor.indices.ravel() > 0
    for index_bits in range(2, 9):
        gaps = _gaps(relative_index(kept, index_bits), kept, index_bits)
        at = np.cumsum(gaps + 1) - 1
        numbers = tensor.indices.ravel()[at].astype(np.intp)
        fixed = len(gaps) * (index_bits + compressed_network.width(len(tensor.codebook)))
        coded = sum(
            int(counts @ huffman.code_lengths(counts))
            for counts in (np.bincount(gaps), np.bincount(numbers))
        )
        body.append((str(index_bits), f"{len(gaps) - kept.sum():,}", f"{len(gaps):,}",
                     f"{-(-fixed // 8):,}", f"{-(-coded // 8):,}"))  # fmt: skip
    return Table(
        f"{name.split('/')[0]} of LeNet-300-100: {kept.sum():,} weights left of {kept.size:,}; "
        "codebook and code tables are not counted",
        ("bits of a gap", "fillers", "entries", "bytes, fixed width", "bytes, Huffman"), body,
    )  # fmt: skip


def _gaps(given, kept, index_bits):
    """A function's gaps, if each fits and following them finds every weight; else ours."""
    right = compressed_network.relative_index(kept, index_bits)[0]
    try:
        found = np.asarray(given, np.intp)
    except (TypeError, ValueError, OverflowError):
        return right
    if found.ndim != 1 or not found.size or found.min() < 0 or found.max() >= 2**index_bits:
        return right
    at = np.cumsum(found + 1) - 1
    return found if at[-1] < kept.size and np.isin(np.flatnonzero(kept), at).all() else right


def coded_table(huffman_bits: Callable) -> Table:
    """Bytes of every row of numbers: fixed width, by this function, the entropy, in the file."""
    stored = compressed_network.ledger(dict(scenes.shared()), scenes.gaps())
    body = []
    for name, index_bits in scenes.gaps().items():
        state = scenes.codes(name, index_bits)
        for what, part, counts, width, bound in (
            ("values", "weights", state.values, state.value_bits, state.entropy[0]),
            ("gaps", "indices", state.gaps, index_bits, state.entropy[1]),
        ):
            if what == "gaps" and not index_bits:
                continue  # every weight is stored
            found = huffman_bits([int(c) for c in counts])
            body.append((
                f"{name.split('/')[0]}, {what}", f"{-(-state.entries * width // 8):,}",
                _bytes(found), f"{state.entries * bound / 8:,.1f}", f"{stored[name][part]:,}",
            ))  # fmt: skip
    return Table(
        "LeNet-300-100, in bytes",
        ("numbers", "fixed width", "Huffman, this function", "entropy", "in the file"), body,
    )  # fmt: skip


def _bytes(found):
    """Bits as whole bytes, "?" for no number."""
    try:
        return f"{-(-int(found) // 8):,}"
    except (TypeError, ValueError, OverflowError):
        return "?"


def decoded_table(trained: dict | None) -> Table | None:
    """Encode the student's network, decode it, and compare: weights, bytes, answers."""
    if trained is None:
        print("There is no network to store.")
        return None
    images, body = data.load("fashion_mnist"), []
    for words, network in (("trained here", trained), ("recorded, seed 1", dict(scenes.shared()))):
        file = stages.encode(network)
        back = stages.floats(compressed_network.decode(file))
        own = stages.floats(network)
        differing = sum(int((back[name] != own[name]).sum()) for name in own)
        right = numpy_training.right(stages.LENET, back, images.x_test, images.y_test)
        body.append((words, f"{len(file):,}", f"{scenes.dense_bytes() / len(file):.1f}",
                     str(differing), f"{right / len(images.y_test):.2%}"))  # fmt: skip
    return Table(
        "LeNet-300-100: encoded, decoded, and run on 10,000 test images",
        ("network", "bytes", "times smaller", "weights that differ", "test"), body,
    )  # fmt: skip


def damaged() -> Table:
    """What the decoder says of files that are not whole."""
    file = scenes.file()
    middle = len(file) // 2
    cases = {
        "one bit flipped": file[:middle] + bytes([file[middle] ^ 1]) + file[middle + 1 :],
        "cut short": file[:-100],
        "something else": b"PK" + file[2:],
    }
    body = []
    for words, content in cases.items():
        try:
            compressed_network.decode(content)
            body.append((words, "it decodes"))
        except ValueError as refused:
            body.append((words, str(refused)))
    return Table("The decoder on damaged files", ("file", "what it says"), body)
