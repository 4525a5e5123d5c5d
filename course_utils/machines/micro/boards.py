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
CMSIS_NN = "cmsis_nn"  # what the Arduino library links: larger, and for integers faster


def __getattr__(name: str) -> Any:
    """Make BOARDS of data/boards.json when it is asked for: an import reads no file.

    Its keys are the boards' names; its values hold "chip", "core", "flash_bytes" and of these
    "usable_flash_bytes", "ram_bytes", "clock_hz", "source" ...
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
    """Bytes of flash: the model file, TFLM's code, and apart from these the C library.

    The C library is what an exported project takes of newlib-nano, with `printf`. The rest of a
    program uses it, too, and an Arduino board's core brings its own: `total` leaves it out.
    """

    model: int
    core: int
    kernels: int
    c_library: int

    @property
    def total(self) -> int:
        """Bytes of the model and of TFLM's code."""
        return self.model + self.core + self.kernels


class Fit(NamedTuple):
    """What is left of a board's memories, in bytes; below zero: what is missing."""

    flash_left: int
    ram_left: int
    word_bits: int  # of the board's processor

    @property
    def fits(self) -> bool:
        return self.flash_left >= 0 and self.ram_left >= 0 and self.word_bits >= WORD_BITS


def code_bytes(operators: Iterable[str], kernels: str = CMSIS_NN) -> tuple[int, int]:
    """TFLM's code for these operators: bytes of the core, and of their kernels and parsers.

    operators: names as in a file, e.g. "CONV_2D".
    kernels:   "cmsis_nn", Arm's kernels for Cortex-M, which the Arduino library has; or
               "reference", TFLM's own. Where there is no kernel of Arm's, TFLM's own stands.

    Recorded part by part from linker maps for a Cortex-M4F (data/results/tflm_flash.json, with
    revisions, compiler and flags). What several operators share is counted once. A kernel is
    counted with all number types that it computes with, as the linker takes it: a network in
    float32 needs the same code as one in int8. For another processor, compiler or revision this is
    an estimate: the board's linker has the last word.
    Raises ValueError for an operator that was not recorded and for other kernels.

    >>> core, kernels = code_bytes(["CONV_2D", "SOFTMAX"])
    >>> kernels > code_bytes(["CONV_2D", "SOFTMAX"], "reference")[1] > 0
    True
    """
    recorded = _recorded(kernels)
    return recorded["core"], sum(part["code"] for part in _needed(recorded, operators))


def c_library_bytes(operators: Iterable[str], kernels: str = CMSIS_NN) -> int:
    """Bytes of the C library in an exported project: what it always links, and e.g. `expf`.

    Arguments and errors are those of `code_bytes`.
    """
    recorded = _recorded(kernels)
    parts = _needed(recorded, operators)
    return recorded["c_library"] + sum(part["c_library"] for part in parts)


def _recorded(kernels):
    recorded = data.result("tflm_flash").record["kernels"]
    if kernels not in recorded:
        raise ValueError(f"There are no kernels {kernels!r}; there are {', '.join(recorded)}.")
    return recorded[kernels]


def _needed(recorded, operators):
    """The parts of the code that these operators need."""
    names = set(map(_plain, operators))
    for name in sorted(names - set(recorded["operators"])):
        if name in data.result("tflm_runtime").record["unknown"]:
            raise ValueError(f"TFLM has no operator {name}: its code has no size.")
        raise ValueError(
            f"The size of {name}'s code in TFLM was not recorded: link your program, and read the "
            "linker's map."
        )
    return [part for part in recorded["parts"] if not names.isdisjoint(part["operators"])]


def _plain(name):
    """A custom operator's own name: `tflite_file` calls it custom operator 'NAME'."""
    return name.removeprefix("custom operator ").strip("'")


def flash(tflite: bytes | tflite_file.Graph, kernels: str = CMSIS_NN) -> Flash:
    """Estimate the flash that a model takes with TFLM (without the rest of the program).

    kernels: as for `code_bytes`. Of an exported project, its own code and the self-test's inputs
    and outputs come on top.
    Raises TypeError and ValueError as `tflite_file.read` and `code_bytes` do.
    """
    graph = tflite_file.read(tflite)
    names = {op.name for op in graph.operators}
    core, code = code_bytes(names, kernels)
    return Flash(len(graph.file), core, code, c_library_bytes(names, kernels))


def fit(name: str, flash_bytes: int, ram_bytes: int) -> Fit:
    """Say whether a board has so much flash for a program and RAM, and how much is left.

    Raises ValueError for a board that isn't in BOARDS.
    """
    has = board(name)
    flash_left = has["usable_flash_bytes"] - flash_bytes
    return Fit(flash_left, has["ram_bytes"] - ram_bytes, has["word_bits"])
