"""Sections of an ELF file: how many bytes of flash and RAM a program takes."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

ALLOCATED, NO_BITS = 2, 8  # SHF_ALLOC, SHT_NOBITS


class Section(NamedTuple):
    name: str
    bytes: int
    in_flash: bool  # its content is stored; else it is only room in RAM


def sections(path: Path) -> list[Section]:
    """The sections of a 32-bit little-endian ELF file that take memory on the chip.

    Raises ValueError for a file that is none.
    """
    data = Path(path).read_bytes()
    if data[:6] != b"\x7fELF\x01\x01":
        raise ValueError(f"{path} is no ELF file for a 32-bit little-endian processor.")
    try:
        (at,) = struct.unpack_from("<I", data, 32)
        size, count, names = struct.unpack_from("<3H", data, 46)
        rows = [struct.unpack_from("<6I", data, at + n * size) for n in range(count)]
        texts = data[rows[names][4] :][: rows[names][5]]
        return [
            Section(texts[name:].split(b"\0", 1)[0].decode(), length, kind != NO_BITS)
            for name, kind, flags, _, _, length in rows
            if flags & ALLOCATED and length
        ]
    except (struct.error, IndexError):
        raise ValueError(f"{path} is a damaged ELF file.") from None
