"""Huffman's code: frequent symbols get short words, and no word begins another.

The last stage of Deep Compression (Han, Mao and Dally, arXiv:1510.00149, section 4). A code of
whole bits a symbol with the shortest mean length there is (Huffman, 1952), at most one bit a
symbol above the entropy. Only the words' lengths need to be stored: the *canonical* code counts
its words up, the short ones first, equal lengths in the order of the symbols (as DEFLATE does,
RFC 1951, section 3.2.2).
"""

from __future__ import annotations

import heapq
from itertools import count as numbers

import numpy as np


def entropy(counts):
    """Return -sum p log2 p in bits a symbol: no code is shorter on average (Shannon, 1948).

    counts: how often each symbol occurs, (symbols,); those of 0 add nothing.

    >>> entropy([2, 1, 1])
    1.5
    """
    counts = np.asarray(counts, np.float64)
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum() + 0.0)


def code_lengths(counts):
    """Return the length in bits of each symbol's word: int64 (symbols,), 0 where it has none.

    The two rarest are joined into one, until one is left; each time, their words grow by a bit.
    A symbol that is alone gets one bit, as in DEFLATE.

    >>> code_lengths([5, 1, 1, 0, 2])
    array([1, 3, 3, 0, 2])
    """
    order = numbers()  # of equally rare groups, the older first: keeps the longest word short
    groups = [(int(c), next(order), [s]) for s, c in enumerate(counts) if c > 0]
    heapq.heapify(groups)
    lengths = np.zeros(len(counts), np.int64)
    if len(groups) == 1:
        lengths[groups[0][2]] = 1
    while len(groups) > 1:
        one, other = heapq.heappop(groups), heapq.heappop(groups)
        joined = one[2] + other[2]
        lengths[joined] += 1
        heapq.heappush(groups, (one[0] + other[0], next(order), joined))
    return lengths


def words(lengths):
    """Return the canonical code's words, as numbers: int64 (symbols,).

    Raises ValueError for lengths that are no Huffman code's: the sum of 2^-length is 1 (Kraft), or
    a half where one symbol is alone.

    >>> words([1, 3, 3, 0, 2])       # 0, 110, 111, -, 10
    array([0, 6, 7, 0, 2])
    """
    lengths = np.asarray(lengths, np.int64)
    used = np.flatnonzero(lengths)
    used = used[np.argsort(lengths[used], kind="stable")]
    whole = 1.0 if used.size > 1 else 0.5
    if used.size and (lengths.max() > 52 or np.ldexp(1.0, -lengths[used]).sum() != whole):
        raise ValueError("No Huffman code has words of these lengths.")
    found, word, length = np.zeros(len(lengths), np.int64), -1, 0
    for symbol in used:
        word = (word + 1) << int(lengths[symbol] - length)
        length = lengths[symbol]
        found[symbol] = word
    return found


def encode(symbols, lengths):
    """Return the symbols' words one after another, the highest bit first, filled up with zeros.

    symbols: whole numbers, (n,).  lengths: from `code_lengths` of their counts.

    >>> encode(np.array([0, 4, 1, 0]), [1, 3, 3, 0, 2]).hex()        # 0 10 110 0 + 0
    '58'
    """
    symbols, lengths = np.asarray(symbols, np.intp), np.asarray(lengths, np.intp)
    own, word = lengths[symbols], words(lengths)[symbols]
    at = np.repeat(np.cumsum(own) - own, own)  # where each bit's word begins
    place = np.arange(len(at)) - at
    bits = (np.repeat(word, own) >> (np.repeat(own, own) - 1 - place)) & 1
    return np.packbits(bits.astype(np.uint8)).tobytes()


def decode(packed, lengths, n):
    """Return the n symbols of `encode`: intp (n,).

    Raises ValueError where the bytes are not what `encode` writes of n symbols.
    """
    symbol_of = {}  # by the word with a 1 before it, so that 0 and 00 are told apart
    for symbol, (length, word) in enumerate(zip(lengths, words(lengths), strict=True)):
        if length:
            symbol_of[1 << int(length) | int(word)] = symbol
    symbols, word, used = [], 1, 0
    for bit in np.unpackbits(np.frombuffer(packed, np.uint8)).tolist():
        if len(symbols) == n:
            break
        word, used = word << 1 | bit, used + 1
        if word in symbol_of:
            symbols.append(symbol_of[word])
            word = 1
    symbols = np.array(symbols, np.intp)
    if len(symbols) < n or encode(symbols, lengths) != bytes(packed):
        raise ValueError(f"These {len(packed)} bytes are no Huffman code of {n} symbols.")
    return symbols
