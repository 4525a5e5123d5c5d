"""A pruned network with shared weights in as few bytes as Deep Compression needs, and back.

Han, Mao and Dally, arXiv:1510.00149: of a pruned layer only the weights that are left are stored,
each as the number of its cluster and the number of zeros skipped before it (section 2), and both
rows of numbers in Huffman's code (section 4). Whatever else the way back needs is stored and
counted as well: codebooks, the codes' tables, biases, names and shapes.

The file, all numbers little-endian:

    "DC01" · CRC-32 of what follows · number of tensors (2 bytes) · the tensors

    a tensor: kind (1 byte) · length of its name (1) · name · rank (1) · sizes (4 each), then
      0 float32   the values (4 each)
      1 shared    k (2) · index_bits (1) · entries (4) · codebook (4 each)
                  word lengths of the weights' code (1 each, k) · bytes (4) · the code
                  word lengths of the gaps' code (1 each, 2^index_bits) · bytes (4) · the code
      2 shared, before Huffman's code
                  k (2) · index_bits (1) · entries (4) · codebook (4 each)
                  numbers of the codebook, ceil(log2 k) bits each · gaps, index_bits each
      3 pruned    index_bits (1) · entries (4) · values (4 each) · gaps, index_bits each

With index_bits = 0 every weight is an entry, and there are no gaps.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from course_utils.numbers import huffman

MAGIC = b"DC01"
LARGEST = 2**24  # values of all tensors together
PARTS = ("weights", "indices", "codebooks", "code tables", "biases", "headers")


class Shared(NamedTuple):
    """A layer's weights: codebook[indices], and codebook[0] is 0, that of the pruned ones."""

    codebook: np.ndarray  # float32 (k,)
    indices: np.ndarray  # whole numbers below k, in the layer's shape


class Pruned(NamedTuple):
    """A layer's weights of which only those that are not 0 are stored."""

    weights: np.ndarray  # float32


def weights_of(tensor):
    """Return the float32 weights of a Shared or a Pruned; those of an array are itself."""
    if isinstance(tensor, Shared):
        return tensor.codebook[tensor.indices]
    return tensor.weights if isinstance(tensor, Pruned) else tensor


def relative_index(kept, index_bits):
    """Return (gaps, which entries are real): the zeros skipped before each entry.

    kept: bool (n,).  A gap of more than 2^index_bits - 1 zeros needs fillers: entries of their
    own that are zero (paper, figure 2).

    >>> relative_index(np.array([0, 1, 0, 0, 0, 0, 0, 1], bool), index_bits=2)
    (array([1, 3, 1]), array([ True, False,  True]))
    """
    limit = 2**index_bits - 1
    gaps = np.diff(np.flatnonzero(kept), prepend=-1) - 1
    entries = gaps // (limit + 1) + 1
    last = np.cumsum(entries) - 1
    found = np.full(entries.sum(), limit)
    found[last] = gaps % (limit + 1)
    real = np.zeros(len(found), bool)
    real[last] = True
    return found, real


def sections(
    network: Mapping, index_bits: Mapping | int = 4, coded: bool = True
) -> list[tuple[str, str, bytes]]:
    """Return the parts of the file in their order: (tensor, one of PARTS, bytes).

    network:    {name: Shared, Pruned, or a float32 array that is stored as it is}; names of 1 to
                255 bytes, at most 8 axes, and LARGEST values in all.
    index_bits: of the gaps, 0 to 8: one number, or one for each Shared and Pruned.
    coded:      False leaves Huffman's code out: every number has the same width.
    Raises ValueError for what cannot be stored.
    """
    found, total = [("", "headers", struct.pack("<H", len(network)))], 0
    for name, tensor in network.items():
        shape = np.shape(tensor.indices if isinstance(tensor, Shared) else weights_of(tensor))
        label, total = name.encode(), total + math.prod(shape)
        if not 0 < len(label) < 256 or not _fits(shape, total):
            raise ValueError(f"{name[:50]!r} of shape {shape} has no place in the file.")
        kind = 0
        if isinstance(tensor, (Shared, Pruned)):
            kind = 3 if isinstance(tensor, Pruned) else 1 if coded else 2
        head = struct.pack(f"<BB{len(label)}sB{len(shape)}I", kind, len(label), label,
                           len(shape), *shape)  # fmt: skip
        found.append((name, "headers", head))
        if kind:
            bits = index_bits[name] if isinstance(index_bits, Mapping) else index_bits
            content = _pruned(name, tensor, bits) if kind == 3 else _shared(
                name, tensor, bits, coded)  # fmt: skip
            found += [(name, *part) for part in content]
        else:
            part = "weights" if len(shape) > 1 else "biases"
            found.append((name, part, np.asarray(tensor, "<f4").tobytes()))
    body = b"".join(content for _, _, content in found)
    return [("", "headers", MAGIC + struct.pack("<I", zlib.crc32(body))), *found]


def _fits(shape, total):
    """Whether a tensor of this shape can be the last of so many values."""
    return len(shape) <= 8 and max(shape, default=0) <= LARGEST and total <= LARGEST


def entries(values, index_bits):
    """Return what is stored of a row: (gaps, its values that are not 0, and 0 for each filler).

    values: array (n,).  index_bits: of a gap; with 0 there are no gaps, and all values are stored.
    """
    if not index_bits:
        return np.zeros(0, np.intp), values
    gaps, real = relative_index(values != 0, index_bits)
    found = np.zeros(len(gaps), values.dtype)
    found[real] = values[values != 0]
    return gaps, found


def _shared(name, tensor, index_bits, coded):
    codebook, indices = np.asarray(tensor.codebook, "<f4"), np.ravel(tensor.indices)
    k = len(codebook)
    if not 0 <= index_bits <= 8 or not 0 < k < 2**16 or codebook[0] != 0:
        raise ValueError(
            f"{name}: a gap has 0 to 8 bits and a codebook 1 to 65,535 values, the first one 0."
        )
    if indices.size and (indices.min() < 0 or indices.max() >= k):
        raise ValueError(f"{name}: an index points beside the codebook of {k} values.")
    gaps, symbols = entries(indices.astype(np.intp), index_bits)
    yield "headers", struct.pack("<HBI", k, index_bits, len(symbols))
    yield "codebooks", codebook.tobytes()
    for part, numbers, size in (("weights", symbols, k), ("indices", gaps, 2**index_bits)):
        if part == "indices" and not index_bits:
            return
        if not coded:
            yield part, _pack(numbers, width(size))
            continue
        lengths = huffman.code_lengths(np.bincount(numbers, minlength=size))
        packed = huffman.encode(numbers, lengths)
        yield "code tables", lengths.astype(np.uint8).tobytes()
        yield "headers", struct.pack("<I", len(packed))
        yield part, packed


def _pruned(name, tensor, index_bits):
    if not 0 <= index_bits <= 8:
        raise ValueError(f"{name}: a gap has 0 to 8 bits.")
    gaps, values = entries(np.ravel(tensor.weights).astype("<f4"), index_bits)
    yield "headers", struct.pack("<BI", index_bits, len(values))
    yield "weights", values.tobytes()
    yield "indices", _pack(gaps, index_bits)


def width(k):
    """Return the bits that tell k numbers apart: ceil(log2 k)."""
    return (k - 1).bit_length()


def _pack(numbers, bits):
    """Every number in so many bits, the highest first, filled up with zeros."""
    places = np.arange(bits)[::-1]
    return np.packbits(((np.asarray(numbers)[:, None] >> places) & 1).astype(np.uint8)).tobytes()


def _unpack(packed, bits, n):
    found = np.unpackbits(np.frombuffer(packed, np.uint8), count=n * bits).reshape(n, bits)
    numbers = found @ (1 << np.arange(bits, dtype=np.intp)[::-1])
    if _pack(numbers, bits) != bytes(packed):
        raise ValueError("bits follow a row's end")
    return numbers


def encode(network: Mapping, index_bits: Mapping | int = 4, coded: bool = True) -> bytes:
    """Return the file of a network, as `sections` describes it."""
    return b"".join(content for _, _, content in sections(network, index_bits, coded))


def ledger(
    network: Mapping, index_bits: Mapping | int = 4, coded: bool = True
) -> dict[str, dict[str, int]]:
    """Return the file's bytes: {tensor: {part: bytes}}; what belongs to no tensor under ""."""
    found: dict[str, dict[str, int]] = {}
    for name, part, content in sections(network, index_bits, coded):
        row = found.setdefault(name, dict.fromkeys(PARTS, 0))
        row[part] += len(content)
    return found


def decode(file: bytes) -> dict[str, Shared | Pruned | np.ndarray]:
    """Return the network that `encode` stored.

    Raises TypeError for what are no bytes, ValueError for a damaged or truncated file.
    """
    if not isinstance(file, (bytes, bytearray, memoryview)):
        raise TypeError(f"Expected the bytes of a compressed network, not {type(file).__name__}.")
    file = bytes(file)
    if file[:4] != MAGIC:
        raise ValueError("This is not a compressed network: it lacks the mark DC01 at its start.")
    if len(file) < 8 or zlib.crc32(file[8:]) != struct.unpack_from("<I", file, 4)[0]:
        raise ValueError("This compressed network is damaged or truncated: encode it again.")
    try:
        return _decode(_Reader(file, 8))
    except (struct.error, IndexError, ValueError) as error:  # of Huffman's code, of a name
        raise ValueError(f"This compressed network is damaged: {error}".rstrip(".") + ".") from None


class _Reader:
    """Takes one thing after another from a file, and never more than there is."""

    def __init__(self, file, position):
        self.file, self.position = file, position

    def take(self, size):
        if size > len(self.file) - self.position:
            raise IndexError("a part is longer than the file")
        self.position += size
        return self.file[self.position - size : self.position]

    def numbers(self, form):
        return struct.unpack("<" + form, self.take(struct.calcsize("<" + form)))

    def array(self, kind, count):
        return np.frombuffer(self.take(count * np.dtype(kind).itemsize), kind)


def _decode(reader):
    (count,), network, total = reader.numbers("H"), {}, 0
    for _ in range(count):
        kind, length = reader.numbers("BB")
        name = reader.take(length).decode()
        (rank,) = reader.numbers("B")
        shape = reader.numbers(f"{rank}I")
        size = math.prod(shape)
        total += size
        if not _fits(shape, total) or not name or name in network or kind > 3:
            raise IndexError(f"no tensor {name!r} of the shape {shape} can be")
        if kind == 0:
            network[name] = reader.array("<f4", size).reshape(shape)
        elif kind == 3:
            network[name] = _decode_pruned(reader, shape, size)
        else:
            network[name] = _decode_shared(reader, shape, size, kind == 1)
    if reader.position != len(reader.file):
        raise IndexError("bytes follow its end")
    return network


def _decode_shared(reader, shape, size, coded):
    k, index_bits, entries = reader.numbers("HBI")
    _check_entries(entries, size, index_bits)
    codebook = reader.array("<f4", k)
    if not k or codebook[0] != 0:
        raise IndexError("a codebook's first value is not 0")
    symbols = _decode_row(reader, k, entries, coded)
    if symbols.size and symbols.max() >= k:
        raise IndexError("an index points beside its codebook")
    gaps = _decode_row(reader, 2**index_bits, entries, coded) if index_bits else None
    return Shared(codebook, _in_place(symbols, gaps, size).reshape(shape))


def _decode_pruned(reader, shape, size):
    index_bits, entries = reader.numbers("BI")
    _check_entries(entries, size, index_bits)
    values = reader.array("<f4", entries)
    gaps = _decode_row(reader, 2**index_bits, entries, False) if index_bits else None
    return Pruned(_in_place(values, gaps, size).reshape(shape))


def _check_entries(entries, size, index_bits):
    if entries > size or index_bits > 8 or (not index_bits and entries != size):
        raise IndexError(f"{entries} entries don't fit {size} weights")


def _in_place(values, gaps, size):
    """The entries where their gaps put them, and 0 elsewhere."""
    if gaps is None:
        return values
    at = np.cumsum(gaps + 1) - 1
    if len(at) and at[-1] >= size:
        raise IndexError("an entry lies beyond the last weight")
    found = np.zeros(size, values.dtype)
    found[at] = values
    return found


def _decode_row(reader, symbols, n, coded):
    if not coded:
        bits = width(symbols)
        return _unpack(reader.take(-(-n * bits // 8)), bits, n)
    lengths = reader.array(np.uint8, symbols)
    (size,) = reader.numbers("I")
    return huffman.decode(reader.take(size), lengths, n)
