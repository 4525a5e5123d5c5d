"""`export_project`: everything is decided before the first byte is written."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from course_utils.engines import tflite_file
from course_utils.machines.micro import boards
from course_utils.machines.micro.project.allowed import add_functions, check_name, ends_of
from course_utils.machines.micro.project.contents import arena_of, golden_of
from course_utils.machines.micro.project.directory import check_directory, write
from course_utils.machines.micro.project.files import NANO, files_of


def export_project(
    tflite: bytes | tflite_file.Graph,
    directory: str | os.PathLike,
    board: str = NANO,
    name: str = "model",
    samples: np.ndarray | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a complete C++ project that runs the network in TFLM, and return the files' paths.

    tflite:    a `.tflite` file that TFLM runs (float32, int8 or int16x8), one input, one output,
               a batch of one.
    directory: is made; one that exists must be empty, or with `overwrite` hold an earlier export,
               unchanged, and nothing else but what was built from it (in `build/` or `.pio/`).
               Either all files are there in the end or nothing has changed.
    board:     a name of `BOARDS`.
    name:      a C identifier: the name of the sketch and, with "_network", of the C++ namespace.
    samples:   real inputs as in training, float array (n, *input shape without the batch), for the
               self-test, whose expected outputs are TFLM's. None: for a network that takes
               Fashion-MNIST images or Watch windows, the first validation input of four classes.
    Raises TypeError for bytes that are none and samples that are no numbers; ValueError for a
    damaged file, a network, name or board that cannot be, one that does not fit the board, and the
    folder that this runs in; FileExistsError and NotADirectoryError for other directories; Refused
    where TFLM does not run the network; ImportError where TFLM is needed (any network but int8) and
    not installed.
    """
    graph = tflite_file.read(tflite)
    spec = boards.board(board)
    check_name(name)
    directory = Path(directory)
    check_directory(directory, overwrite)
    if len(graph.file) > spec["flash_bytes"]:
        raise ValueError(
            f"The network takes {len(graph.file):,} bytes, more than all of the {board}'s flash "
            f"({spec['flash_bytes']:,} bytes): make it smaller, or choose another board."
        )
    if spec["word_bits"] < boards.WORD_BITS:
        raise ValueError(
            f"TFLM needs a {boards.WORD_BITS}-bit processor, and the {board} has "
            f"{spec['word_bits']} bits: choose another board, e.g. the {NANO}."
        )
    ends = ends_of(graph)
    operators = add_functions(graph)
    golden = golden_of(graph, ends, samples)
    arena = arena_of(graph)
    if arena.size > spec["ram_bytes"]:
        raise ValueError(
            f"The network's arena takes {arena.size:,} bytes, more than all of the {board}'s RAM "
            f"({spec['ram_bytes']:,} bytes): use smaller activations (stride or pool earlier, "
            "int8), or choose another board."
        )
    files = files_of(graph, name, board, spec, ends, operators, golden, arena)
    return write(files, directory)
