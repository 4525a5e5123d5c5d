"""`export_project`: what may be exported, and where; all is decided before a byte is written."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from course_utils import env
from course_utils.engines import tflite_file
from course_utils.machines.micro import boards
from course_utils.machines.micro.compatibility import Compatibility, compatibility
from course_utils.machines.micro.project.contents import arena_of, ends_of, golden_of
from course_utils.machines.micro.project.files import (
    ARDUINO,
    CMSIS_NN,
    NANO,
    PLATFORMIO,
    REFERENCE,
    SUMS,
    files_of,
)
from course_utils.machines.micro.runtimes import runtime as known_runtime


def export_project(
    tflite: bytes | tflite_file.Graph,
    directory: str | os.PathLike,
    board: str = NANO,
    name: str = "model",
    samples: np.ndarray | None = None,
    overwrite: bool = False,
    runtime: str | None = None,
) -> list[Path]:
    """Write a complete C++ project that runs the network in TFLM, and return the files' paths.

    tflite:    a `.tflite` file that TFLM runs (float32, int8 or int16x8), one input, one output,
               a batch of one.
    directory: is made; one that exists must be empty, or with `overwrite` hold an earlier export,
               unchanged, and nothing else but what was built from it (in `build/` or `.pio/`)
               and JupyterLab's checkpoints.
               Either all files are there in the end or nothing has changed.
    board:     a name of `BOARDS`.
    name:      a C identifier: the name of the sketch and, with "_network", of the C++ namespace.
    samples:   real inputs as in training, float array (n, *input shape without the batch), for the
               self-test, whose expected outputs are TFLM's. None: for a network that takes
               Fashion-MNIST images or Watch windows, the first validation input of four classes.
    runtime:   None: the network must be right on every runtime that the project's README names for
               the board. Or a name of `micro.runtimes()`: it must be right there, and the README
               leaves out what it would be wrong on.
    Raises TypeError for bytes that are none and samples that are no numbers; ValueError for a
    damaged file, a network, name, board or runtime that cannot be, one that does not fit the board
    or that a runtime would not start or answer wrongly, and the folder that this runs in;
    FileExistsError and NotADirectoryError for other directories; Refused where TFLM does not run
    the network; ImportError where TFLM is needed (any network but int8) and not installed.
    """
    graph = tflite_file.read(tflite)
    spec = boards.board(board)
    check_name(name)
    directory = Path(directory)
    check_directory(directory, overwrite)
    if len(graph.file) > spec["usable_flash_bytes"]:
        raise ValueError(
            f"The network takes {len(graph.file):,} bytes, more than all of the {board}'s flash "
            f"({spec['usable_flash_bytes']:,} bytes): make it smaller, or choose another board."
        )
    if spec["word_bits"] < boards.WORD_BITS:
        raise ValueError(
            f"TFLM needs a {boards.WORD_BITS}-bit processor, and the {board} has "
            f"{spec['word_bits']} bits: choose another board, e.g. the {NANO}."
        )
    ends = ends_of(graph)
    report = compatibility(graph)
    operators = add_functions(graph, report)
    fails = fails_on(report, board, runtime)
    golden = golden_of(graph, ends, samples)
    arena = arena_of(graph)
    if arena.size > spec["ram_bytes"]:
        raise ValueError(
            f"The network's arena takes {arena.size:,} bytes, more than all of the {board}'s RAM "
            f"({spec['ram_bytes']:,} bytes): use smaller activations (stride or pool earlier, "
            "int8), or choose another board."
        )
    files = files_of(graph, name, board, spec, ends, operators, golden, arena, fails)
    return write(files, directory)


# --- what may be exported ----------------------------------------------------------------------

KEYWORDS = re.findall(
    r"\w+",
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t
    char8_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
    constinit continue decltype default delete do double dynamic_cast else enum explicit export
    extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq
    nullptr operator or or_eq private protected public register reinterpret_cast requires return
    short signed sizeof static static_assert static_cast struct switch template this thread_local
    throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while
    xor xor_eq
    """,
)
# The Add... functions of TFLM's MicroMutableOpResolver (micro_mutable_op_resolver.h). An
# operator's name is the same in capitals, but for underscores.
ADD_FUNCTIONS = re.findall(
    r"\w+",
    """
    Abs Add AddN ArgMax ArgMin AssignVariable AveragePool2D BatchMatMul BatchToSpaceNd
    BroadcastArgs BroadcastTo CallOnce Cast Ceil Concatenation Conv2D Cos CumSum DepthToSpace
    DepthwiseConv2D Dequantize Div DynamicUpdateSlice Elu EmbeddingLookup Equal Exp ExpandDims Fill
    Floor FloorDiv FloorMod FullyConnected Gather GatherNd Greater GreaterEqual HardSwish If
    L2Normalization L2Pool2D LeakyRelu Less LessEqual Log LogicalAnd LogicalNot LogicalOr Logistic
    LogSoftmax Maximum MaxPool2D Mean Minimum MirrorPad Mul Neg NotEqual Pack Pad PadV2 Prelu
    Quantize ReadVariable ReduceAll ReduceMax ReduceMin Relu Relu6 Reshape ResizeBilinear
    ResizeNearestNeighbor ReverseV2 Round Rsqrt SelectV2 Shape Sin Slice Softmax SpaceToBatchNd
    SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StridedSlice Sub Sum Svdf Tanh
    Transpose TransposeConv UnidirectionalSequenceLSTM Unpack VarHandle While ZerosLike
    """,
)
# Of these, what works on variables or on other graphs, for which a project's interpreter has no
# room: it is not exported.
WITH_VARIABLES_OR_GRAPHS = (
    "AssignVariable", "CallOnce", "If", "ReadVariable", "VarHandle", "While"
)  # fmt: skip


def check_name(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"name is the name of the project, a text, not {type(name).__name__}.")
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]{0,62}", name) or "__" in name:
        raise ValueError(
            f"{name!r} cannot be a name in C++: use letters of the alphabet, digits and single _, "
            "a letter first, 63 characters at most."
        )
    if name in KEYWORDS:
        raise ValueError(f"{name!r} is a keyword of C++: choose another name, e.g. my_{name}.")
    if f"{name.lower()}/" in BUILDS:
        raise ValueError(
            f"{name!r} is the folder that is built in: choose another name, e.g. my_{name}."
        )


def add_functions(graph: tflite_file.Graph, report: Compatibility) -> list[str]:
    """The names of the Add... functions of the operators of all its graphs, each once."""
    if report.problems:
        raise ValueError(f"TFLM does not run this network: {report.problems[0]}")
    if not graph.operators:
        raise ValueError("The network has no operators: there is nothing to run.")
    functions = {function.upper(): function for function in ADD_FUNCTIONS}
    found = {op.name: functions.get(op.name.replace("_", "")) for op in report.operators}
    for name, function in found.items():
        if function is None or function in WITH_VARIABLES_OR_GRAPHS:
            raise ValueError(
                f"TFLM runs {name}, but the project does not: it is for networks of built-in "
                "operators, without variables and without branches."
            )
    return list(found.values())


def fails_on(report: Compatibility, board: str, runtime: str | None) -> frozenset[str]:
    """The known runtimes on which the network fails, once it is right where it must be."""
    named = (ARDUINO, CMSIS_NN, REFERENCE) if board in PLATFORMIO else (CMSIS_NN, REFERENCE)
    for name in named if runtime is None else (runtime,):
        on = str(known_runtime(name))
        if not (found := report.others.get(on)):
            continue
        does = "answers wrongly with" if all(each.wrong for each in found) else "does not run"
        other = f" Or leave {name} out: runtime=\"TFLM\"." if runtime is None else ""
        problem, instead, _ = found[0]
        raise ValueError(f"{on} {does} this network: {problem} {instead}{other}")
    return frozenset(report.others)


# --- where it is written -----------------------------------------------------------------------
EVERYWHERE = {"README.md", "CMakeLists.txt", "main.cpp"}  # in every export
BUILDS = ("build/", ".pio/")  # what CMake and PlatformIO leave; they make it again


def check_directory(directory: Path, overwrite: bool) -> None:
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise NotADirectoryError(
            f"{directory} is a file or a link, no directory: choose another name."
        )
    if directory.resolve() == Path.cwd():
        raise ValueError(f"{directory} is the folder this runs in: name a new one inside it.")
    if not directory.exists() or not any(directory.iterdir()):
        return
    if not overwrite:
        raise FileExistsError(
            f"{directory} is not empty: choose another directory, or pass overwrite=True to "
            "replace an earlier export."
        )
    exported = _exported(directory)
    for path in sorted(directory.rglob("*")):  # does not follow links
        if path.is_dir() and not path.is_symlink():
            continue
        inside = path.relative_to(directory).as_posix()
        if exported and inside not in exported and _made_again(inside):
            continue
        if exported.get(inside) != _sha256(path):
            raise FileExistsError(
                f"{directory} holds {inside}, which is not of an earlier export, or was changed "
                "since: move it away, or choose another directory. Nothing was changed."
            )


def _made_again(path: str) -> bool:
    """Whether a file, by its path in the project, is what a build or an editor leaves."""
    return path.startswith(BUILDS) or ".ipynb_checkpoints" in path.split("/")


def changed_files(directory: str | os.PathLike) -> list[str] | None:
    """The files of an export that were changed, added or taken away since; None if it is none.

    What was built from it (in `build/` or `.pio/`) and JupyterLab's checkpoints do not count.
    """
    directory = Path(directory)
    if directory.is_symlink() or not directory.is_dir() or not (known := _exported(directory)):
        return None
    there = {
        path.relative_to(directory).as_posix(): path
        for path in directory.rglob("*")
        if path.is_symlink() or not path.is_dir()
    }
    ours = {path for path in there if path in known or not _made_again(path)}
    return sorted(
        path
        for path in known.keys() | ours
        if path not in there or known.get(path) != _sha256(there[path])
    )


def _exported(directory: Path) -> dict[str, str]:
    """The checksums of an earlier export's files, by their paths; empty if there was none."""
    sums = directory / SUMS
    if sums.is_symlink() or not sums.is_file():
        return {}
    text = sums.read_text(encoding="utf-8", errors="replace")
    known = {line[66:]: line[:64] for line in text.splitlines()}
    return known | {SUMS: _sha256(sums)} if known.keys() >= EVERYWHERE else {}


def _sha256(path: Path) -> str:
    """The checksum of a file; "" for a link, a pipe and the like."""
    if path.is_symlink() or not path.is_file():
        return ""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _put(files, folder):
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)


def write(files: Mapping[str, bytes], directory: Path) -> list[Path]:
    """Write all files or none: beside the directory first, then one rename."""
    if env.IN_BROWSER:  # its drive hangs when a folder that holds files is renamed
        _put(files, directory)
        return sorted(directory / path for path in files)
    place = directory.absolute()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as workplace:
        new, old = Path(workplace) / "new", Path(workplace) / "old"
        _put(files, new)
        try:
            if directory.exists():
                os.rename(directory, old)
            os.rename(new, directory)
        except BaseException:  # Ctrl+C, too
            if old.exists() and not directory.exists():
                os.rename(old, directory)
            raise
    return sorted(directory / path for path in files)
