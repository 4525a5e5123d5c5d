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
    gaps = np.frombuffer(encoded[:entries], np.uint8).astype(np.int64)
    weights = np.zeros(count, dtype="<f4")
    weights[np.cumsum(gaps + 1) - 1] = np.frombuffer(encoded[entries:], dtype="<f4")
    return weights


def ledger(weights):
    """Return the bytes of one array in every format: {"dense": ..., "gzip": ..., ...}.

    >>> ledger(np.array([0, 0, 0, 1.5, 0, 0, 0, 0]))
    {'dense': 32, 'gzip': 28, 'bitmap': 5, 'gaps': 5}
    """
    return {
        "dense": len(encode_dense(weights)),
        "gzip": len(encode_gzip(weights)),
        "bitmap": len(encode_bitmap(weights)),
        "gaps": len(encode_gaps(weights)),
    }
