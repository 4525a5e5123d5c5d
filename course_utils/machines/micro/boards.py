"""Boards, and what a model and TFLM take of their flash and RAM."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from course_utils.engines import tflite_file
from course_utils.machines import data

BOARDS: Mapping[str, Mapping[str, Any]]  # see __getattr__

WORD_BITS = 32  # TFLM's documentation asks for a 32-bit platform


def __getattr__(name: str) -> Any:
    """Make BOARDS of data/boards.json when it is asked for: an import reads no file.

    Its keys are the boards' names; its values hold "chip", "core", "flash_bytes", "ram_bytes",
    "clock_hz", "source" ...
    """
    if name == "BOARDS":
        return _known()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _known():
    return MappingProxyType({row["name"]: row for row in data.boards()})


def board(name: str) -> Mapping[str, Any]:
    """What is known of a board of BOARDS.

    Raises ValueError for a name that isn't there, with the one that comes nearest.

    >>> board("Arduino Uno R3")["word_bits"]
    8
    """
    known = _known()
    if name in known:
        return known[name]
    lower = {each.lower(): each for each in known}
    (nearest,) = difflib.get_close_matches(str(name).lower(), lower, 1, 0)
    raise ValueError(
        f"There is no board {name!r}; did you mean {lower[nearest]!r}? There are "
        f"{', '.join(known)}."
    )


class Flash(NamedTuple):
    """Bytes of flash: the model file, and TFLM's code as an estimate (see `code_bytes`)."""

    model: int
    core: int
    kernels: int

    @property
    def total(self) -> int:
        return self.model + self.core + self.kernels


class Fit(NamedTuple):
    """What is left of a board's memories, in bytes; below zero: what is missing."""

    flash_left: int
    ram_left: int
    word_bits: int  # of the board's processor

    @property
    def fits(self) -> bool:
        return self.flash_left >= 0 and self.ram_left >= 0 and self.word_bits >= WORD_BITS


def code_bytes(operators: Iterable[str]) -> tuple[int, int]:
    """Estimate TFLM's code for these operators: bytes of the core, and of their kernels.

    Counted in the machine code of the installed interpreter, which was compiled for x86-64, with
    kernels for floats and integers alike (data/results/tflm_runtime.json; constants and tables are
    not counted). Code for a microcontroller is denser as a rule: tensorflow.org gives 16 kB for the
    core on a Cortex-M3, about half of what is counted here. Kernels made for one processor may be
    larger than these. An estimate, then: the board's linker has the last word.
    Raises ValueError for an operator that TFLM does not know.

    >>> core, kernels = code_bytes(["CONV_2D", "SOFTMAX"])
    >>> core > kernels > 0
    True
    """
    record = data.result("tflm_runtime").record
    names = sorted(set(operators))
    if unknown := [name for name in names if name not in record["operators"]]:
        raise ValueError(f"TFLM has no operator {unknown[0]}: its code has no size.")
    rows = [record["operators"][name] for name in names]
    files = {row["kernel"] for row in rows}  # the two poolings share one, for instance
    kernels = sum(record["kernel_bytes"][file] for file in files)
    return sum(record["core_bytes"].values()), kernels + sum(row["parser_bytes"] for row in rows)


def flash(tflite: bytes | tflite_file.Graph) -> Flash:
    """Estimate the flash that a model takes with TFLM (without the rest of the program).

    Raises TypeError and ValueError as `tflite_file.read` and `code_bytes` do.
    """
    graph = tflite_file.read(tflite)
    return Flash(len(graph.file), *code_bytes(op.name for op in graph.operators))


def fit(name: str, flash_bytes: int, ram_bytes: int) -> Fit:
    """Say whether a board has so much flash and RAM, and how much is left.

    Raises ValueError for a board that isn't in BOARDS.
    """
    has = board(name)
    return Fit(has["flash_bytes"] - flash_bytes, has["ram_bytes"] - ram_bytes, has["word_bits"])
