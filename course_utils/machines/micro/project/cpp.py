"""Numbers as C++ writes them."""

from __future__ import annotations

import numpy as np

LINE = 100  # characters, in the generated C++


def checksum(codes: np.ndarray) -> int:
    """FNV-1a, 32 bits, over the codes' bytes, the lowest byte of each first.

    >>> hex(checksum(np.array([97], dtype=np.int8)))      # "a", as in the reference's test vectors
    '0xe40c292c'
    """
    found = 2166136261
    for byte in codes.astype(codes.dtype.newbyteorder("<")).tobytes():
        found = (found ^ byte) * 16777619 % 2**32
    return found


def float_text(value) -> str:
    """A float32 in so many digits that it is read back as the same."""
    text = f"{np.float32(value):.9g}"
    return text if set(text) & set(".en") else f"{text}.0"


def float_literal(value) -> str:
    return f"{float_text(value)}f"


def rows_of(words, indent="    ") -> str:
    """Words with commas between them, in lines of at most LINE characters."""
    lines, line = [], ""
    for word in words:
        if line and len(indent) + len(line) + len(word) + 2 > LINE:
            lines.append(line)
            line = ""
        line += f"{word}," if not line else f" {word},"
    return "\n".join(indent + line for line in [*lines, line])


def all_of(conditions) -> str:
    return " &&\n         ".join(conditions)


def nested(rows: np.ndarray, number) -> str:
    inner = (rows_of((number(value) for value in row), " " * 8) for row in rows)
    return ",\n".join(f"    {{\n{lines}\n    }}" for lines in inner)
