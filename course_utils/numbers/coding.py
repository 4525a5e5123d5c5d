"""What a network's weights cost in bytes, as they are and after pruning.

Every size is the length of a real encoding, and every encoding decodes back to the very same
weights: a format that forgets to count its indices would not survive the way back.

All encodings take one float32 array, read in C order; shape and dtype are the reader's to know,
as they are in a `.tflite` file, where they stand beside the buffer.
"""

from __future__ import annotations

import gzip

import numpy as np

GAP_LIMIT = 255  # the largest gap that one unsigned byte can hold


def encode_dense(weights):
    """Return the weights as they lie in a `.tflite`: four little-endian bytes each, zeros too.

    >>> len(encode_dense(np.zeros(100)))
    400
    """
    return np.ascontiguousarray(weights, dtype="<f4").tobytes()


def decode_dense(encoded):
    """Return the float32 weights, flat, from `encode_dense`."""
    return np.frombuffer(encoded, dtype="<f4")


def encode_gzip(weights):
    """Return the dense bytes after DEFLATE (RFC 1951) at level 6, with gzip's header (RFC 1952).

    This is what travels over the air when an update is compressed; the device must unpack it
    to the dense size before it can compute.

    >>> len(encode_gzip(np.zeros(100))) < 40
    True
    """
    return gzip.compress(encode_dense(weights), compresslevel=6, mtime=0)


def decode_gzip(encoded):
    """Return the float32 weights, flat, from `encode_gzip`."""
    return decode_dense(gzip.decompress(encoded))


def encode_bitmap(weights):
    """Return one bit per weight (1 = kept), then four bytes for each kept weight.

    >>> len(encode_bitmap(np.array([0, 0, 0, 1.5, 0, 0, 0, 0])))   # one byte of bits, one weight
    5
    """
    flat = np.ascontiguousarray(weights, dtype="<f4").ravel()
    return np.packbits(flat != 0).tobytes() + flat[flat != 0].tobytes()


def decode_bitmap(encoded, count):
    """Return the `count` float32 weights, flat, from `encode_bitmap`."""
    bitmap_bytes = -(-count // 8)
    kept = np.unpackbits(np.frombuffer(encoded[:bitmap_bytes], np.uint8), count=count).astype(bool)
    weights = np.zeros(count, dtype="<f4")
    weights[kept] = np.frombuffer(encoded[bitmap_bytes:], dtype="<f4")
    return weights


def encode_gaps(weights):
    """Return the kept weights, each with the number of zeros skipped before it in one byte.

    The relative index of "Deep Compression" (Han et al., 2016, section 2), here with 8 bits: a
    run of more than 255 zeros needs a filler, a stored zero that carries the gap further. All
    gaps come first, one byte each, then all values, four bytes each.

    >>> len(encode_gaps(np.array([0, 0, 0, 1.5, 0, 0, 0, 0])))   # one gap, one weight
    5
    >>> len(encode_gaps(np.append(np.zeros(300), 1.5)))          # two gaps, a filler, one weight
    10
    """
    flat = np.ascontiguousarray(weights, dtype="<f4").ravel()
    kept = np.flatnonzero(flat)
    gaps = np.diff(kept, prepend=-1) - 1
    # A gap of g zeros takes floor(g / 256) fillers: each skips 255 zeros and is itself a zero.
    fillers = gaps // (GAP_LIMIT + 1)
    entries = fillers + 1
    all_gaps = np.full(entries.sum(), GAP_LIMIT, dtype=np.uint8)
    values = np.zeros(entries.sum(), dtype="<f4")
    last = np.cumsum(entries) - 1
    all_gaps[last] = gaps - fillers * (GAP_LIMIT + 1)
    values[last] = flat[kept]
    return all_gaps.tobytes() + values.tobytes()


def decode_gaps(encoded, count):
    """Return the `count` float32 weights, flat, from `encode_gaps`."""
    entries = len(encoded) // 5
    gaps = np.frombuffer(encoded[:entries], np.uint8).astype(np.intp)
    weights = np.zeros(count, dtype="<f4")
    weights[np.cumsum(gaps + 1) - 1] = np.frombuffer(encoded[entries:], dtype="<f4")
    return weights


def encode_csr(matrix, index_bits):
    """Return a matrix as compressed sparse rows, with indices of 4, 8 or 16 bits.

    matrix: float32 (rows, columns), one row for each output of a layer: kernel.T of a dense one.

    Three parts, one after another: where each row ends (rows numbers of four bytes), the column
    of each entry, its value (four bytes). A column is stored as the zeros skipped since the entry
    before it in its row, so that 4 bits reach across any row; a longer run needs fillers, as in
    `encode_gaps`. Two 4-bit indices share a byte, the first one in its upper half.

    Source: Han et al., "Deep Compression", arXiv:1510.00149, section 2.
    Raises ValueError for an array that is no matrix and for other widths.

    >>> len(encode_csr(np.eye(8), index_bits=4))       # 8 row ends, 8 half bytes, 8 values
    68
    """
    if np.ndim(matrix) != 2:
        raise ValueError(f"CSR stores a matrix (rows, columns); got shape {np.shape(matrix)}.")
    limit = _largest_gap(index_bits)
    rows, columns = np.nonzero(np.asarray(matrix, dtype="<f4"))
    # The entry before the first one of a row is at column -1.
    starts_row = np.diff(rows, prepend=-1) != 0
    gaps = np.where(starts_row, columns, np.diff(columns, prepend=0) - 1)
    entries = gaps // (limit + 1) + 1
    last = np.cumsum(entries) - 1
    all_gaps = np.full(entries.sum(), limit)
    values = np.zeros(entries.sum(), dtype="<f4")
    all_gaps[last] = gaps % (limit + 1)
    values[last] = np.asarray(matrix, dtype="<f4")[rows, columns]
    ends = np.cumsum(np.bincount(rows, weights=entries, minlength=len(matrix)))
    return ends.astype("<u4").tobytes() + _pack(all_gaps, index_bits) + values.tobytes()


def decode_csr(encoded, shape, index_bits):
    """Return the float32 matrix of that shape from `encode_csr`."""
    _largest_gap(index_bits)  # refuses another width
    rows = shape[0]
    ends = np.frombuffer(encoded, "<u4", count=rows).astype(np.int64)
    entries = int(ends[-1]) if rows else 0
    values = np.frombuffer(encoded[len(encoded) - 4 * entries :], "<f4")
    gaps = _unpack(encoded[4 * rows : len(encoded) - 4 * entries], entries, index_bits)
    matrix = np.zeros(shape, dtype="<f4")
    start = 0
    for row, end in enumerate(ends):
        matrix[row, np.cumsum(gaps[start:end] + 1) - 1] = values[start:end]
        start = end
    return matrix


def _largest_gap(index_bits):
    if index_bits not in (4, 8, 16):
        raise ValueError(f"An index has 4, 8 or 16 bits, not {index_bits}.")
    return 2**index_bits - 1


def _pack(indices, bits):
    """Whole numbers below 2^bits as bytes; an odd number of half bytes is filled with zeros."""
    if bits > 4:
        return indices.astype(f"<u{bits // 8}").tobytes()
    pairs = np.append(indices, [0] * (len(indices) % 2)).astype(np.uint8).reshape(-1, 2)
    return (pairs[:, 0] << 4 | pairs[:, 1]).tobytes()


def _unpack(packed, count, bits):
    if bits > 4:
        return np.frombuffer(packed, f"<u{bits // 8}").astype(np.intp)
    halves = np.frombuffer(packed, np.uint8)
    return np.stack([halves >> 4, halves & 15], axis=1).ravel()[:count].astype(np.intp)


ENCODERS = {
    "dense": encode_dense,
    "gzip": encode_gzip,
    "bitmap": encode_bitmap,
    "gaps": encode_gaps,
    "csr4": lambda matrix: encode_csr(matrix, 4),
    "csr8": lambda matrix: encode_csr(matrix, 8),
    "csr16": lambda matrix: encode_csr(matrix, 16),
}


def ledger(weights, formats=("dense", "gzip", "bitmap", "gaps")):
    """Return the bytes of one array in several formats: {"dense": ..., "gzip": ..., ...}.

    formats: names in ENCODERS; the csr ones take a matrix.

    >>> ledger(np.array([0, 0, 0, 1.5, 0, 0, 0, 0]))
    {'dense': 32, 'gzip': 28, 'bitmap': 5, 'gaps': 5}
    >>> ledger(np.eye(8), ("bitmap", "csr4", "csr8", "csr16"))
    {'bitmap': 40, 'csr4': 68, 'csr8': 72, 'csr16': 80}
    """
    return {name: len(ENCODERS[name](weights)) for name in formats}
