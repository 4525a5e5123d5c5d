"""Take a network away: a project that a board can be flashed with, and that needs nothing else.

The files are those of `template/`, with `@{name}` for what depends on the network; this module
finds out what to put there. Everything is decided before the first byte is written.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import re
import string
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from course_utils.engines import integer_engine, tflite_file
from course_utils.machines import data
from course_utils.machines.micro import boards, interpreter, memory
from course_utils.machines.micro.compatibility import compatibility
from course_utils.numbers import quantization

TEMPLATE = Path(__file__).parent / "template"
NANO = "Arduino Nano 33 BLE"
MARGIN = 0.10  # of the measured arena
GOLDEN = 4  # inputs in the self-test
LINE = 100  # characters, in the generated C++

# The Add... functions of TFLM's MicroMutableOpResolver (micro_mutable_op_resolver.h). An
# operator's name is the same in capitals, but for underscores.
ADD_FUNCTIONS = re.findall(
    r"\w+",
    """
    Abs Add AddN ArgMax ArgMin AveragePool2D BatchMatMul BatchToSpaceNd BroadcastArgs BroadcastTo
    Cast Ceil Concatenation Conv2D Cos CumSum DepthToSpace DepthwiseConv2D Dequantize Div Elu
    EmbeddingLookup Equal Exp ExpandDims Fill Floor FloorDiv FloorMod FullyConnected Gather
    GatherNd Greater GreaterEqual HardSwish L2Normalization L2Pool2D LeakyRelu Less LessEqual Log
    LogicalAnd LogicalNot LogicalOr Logistic LogSoftmax Maximum MaxPool2D Mean Minimum MirrorPad
    Mul Neg NotEqual Pack Pad PadV2 Prelu Quantize ReduceMax ReduceMin Relu Relu6 Reshape
    ResizeBilinear ResizeNearestNeighbor ReverseV2 Round Rsqrt SelectV2 Shape Sin Slice Softmax
    SpaceToBatchNd SpaceToDepth Split SplitV Sqrt Square SquaredDifference Squeeze StridedSlice
    Sub Sum Svdf Tanh Transpose TransposeConv UnidirectionalSequenceLSTM Unpack ZerosLike
    """,
)

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

# tflite type -> C++ type, TFLM's name of it, the field of TfLiteTensor's data
C_TYPES = {
    "int8": ("int8_t", "kTfLiteInt8", "int8"),
    "int16": ("int16_t", "kTfLiteInt16", "i16"),
    "float32": ("float", "kTfLiteFloat32", "f"),
}

# What PlatformIO calls the boards: platform, board.
PLATFORMIO = {
    NANO: ("nordicnrf52", "nano33ble"),
    "Raspberry Pi Pico": ("raspberrypi", "pico"),
    "ESP32-S3-DevKitC-1-N8": ("espressif32", "esp32-s3-devkitc-1"),
    "STM32F746G-DISCO": ("ststm32", "disco_f746ng"),
    "nRF52840 DK": ("nordicnrf52", "nrf52840_dk"),
}

SUMS = "SHA256SUMS"  # the list of an export's files, by which a later one knows them
EVERYWHERE = {"README.md", "CMakeLists.txt", "main.cpp"}  # in every export
BUILDS = ("build/", ".pio/")  # what CMake and PlatformIO leave; they make it again

# The revision that tflite-micro is built from, where it is not installed.
REVISION = ("8f6596d", "2026-10-23")


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
    _check_name(name)
    directory = Path(directory)
    _check_directory(directory, overwrite)
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
    ends = _ends(graph)
    operators = _operators(graph)
    golden = _golden(graph, ends, samples)
    arena = _arena(graph)
    if arena.size > spec["ram_bytes"]:
        raise ValueError(
            f"The network's arena takes {arena.size:,} bytes, more than all of the {board}'s RAM "
            f"({spec['ram_bytes']:,} bytes): use smaller activations (stride or pool earlier, "
            "int8), or choose another board."
        )
    files = _files(graph, name, board, spec, ends, operators, golden, arena)
    return _write(files, directory)


# --- what may be exported ---------------------------------------------------------------------


def _check_name(name: str) -> None:
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


def _operators(graph: tflite_file.Graph) -> list[str]:
    """The names of the Add... functions of the network's operators, each once, as they run."""
    if problems := compatibility(graph).problems:
        raise ValueError(f"TFLM does not run this network: {problems[0]}")
    if not graph.operators:
        raise ValueError("The network has no operators: there is nothing to run.")
    functions = {function.upper(): function for function in ADD_FUNCTIONS}
    found = {op.name: functions.get(op.name.replace("_", "")) for op in graph.operators}
    for name, function in found.items():
        if function is None:
            raise ValueError(f"TFLM runs {name}, but only in networks that keep a state or branch.")
    return list(found.values())


class _Ends(NamedTuple):
    """The network's input and output tensors."""

    input: tflite_file.Tensor
    output: tflite_file.Tensor


def _ends(graph: tflite_file.Graph) -> _Ends:
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise ValueError(
            f"The network has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; the "
            "project is for one of each."
        )
    ends = _Ends(graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]])
    for role, tensor in zip(("input", "output"), ends, strict=True):
        if tensor.type not in C_TYPES:
            raise ValueError(
                f"The network's {role} is {tensor.type}; the project knows {', '.join(C_TYPES)}."
            )
        if tensor.type != "float32" and (tensor.qparams is None or tensor.scale.size != 1):
            raise ValueError(f"The network's {role} is {tensor.type} without one scale for it.")
        if not tensor.shape or tensor.shape[0] != 1 or tensor.size < 1:
            raise ValueError(
                f"The network's {role} has the shape {tensor.shape}; a batch of one is expected."
            )
    if (ends.input.type == "float32") != (ends.output.type == "float32"):
        raise ValueError(
            f"The network takes {ends.input.type} and gives {ends.output.type}: convert it with "
            "integers at both ends or with float32 at both."
        )
    return ends


def _check_directory(directory: Path, overwrite: bool) -> None:
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
        if exported and inside not in exported and inside.startswith(BUILDS):
            continue
        if exported.get(inside) != _sha256(path):
            raise FileExistsError(
                f"{directory} holds {inside}, which is not of an earlier export, or was changed "
                "since: move it away, or choose another directory. Nothing was changed."
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


# --- what goes into the project ---------------------------------------------------------------


class _Golden(NamedTuple):
    """The self-test's inputs and outputs, and where they come from."""

    inputs: np.ndarray  # float32 (n, size)
    codes: np.ndarray  # the same in the network's type
    outputs: np.ndarray
    inputs_are: str
    outputs_by: str
    dataset: str  # "" where the inputs are the user's own


def _golden(graph, ends, samples) -> _Golden:
    shape = ends.input.shape[1:]
    dataset = ""
    if samples is None:
        dataset = _dataset(shape)
        known = data.load(dataset)
        first = [int(np.argmax(known.y_validation == label)) for label in range(GOLDEN)]
        real = known.x_validation[first]
        named = ", ".join(known.class_names[label] for label in range(GOLDEN))
        inputs_are = f"the first validation inputs of {dataset} that show {named}"
    else:
        real = _samples(samples, shape)
        inputs_are = "the samples given at export"
    codes = (
        real if ends.input.type == "float32" else quantization.quantize(real, ends.input.qparams)
    )
    if interpreter.missing() and ends.input.type == ends.output.type == "int8":
        outputs = integer_engine.IntegerModel(graph).run(codes)
        outputs_by = "the course's integer engine, which equals TFLM's reference kernels"
    else:
        outputs = interpreter.run(graph, codes)
        outputs_by = f"TFLM at revision {revision()[0]}, with its reference kernels"
    if not np.isfinite(outputs).all():
        raise ValueError(
            "The network answers NaN or infinity: its training diverged, or the file is damaged."
        )
    count = len(real)
    return _Golden(
        real.reshape(count, -1), codes.reshape(count, -1), outputs.reshape(count, -1),
        inputs_are, outputs_by, dataset,
    )  # fmt: skip


def _dataset(shape: tuple[int, ...]) -> str:
    known = {(28, 28, 1): "fashion_mnist", (1, 100, 6): "watch"}
    if shape not in known:
        raise ValueError(
            f"There are no example inputs of the shape {shape}: pass samples, a few real inputs "
            "for the self-test."
        )
    return known[shape]


def _samples(samples, shape) -> np.ndarray:
    given = np.asarray(samples)
    if given.dtype.kind not in "fiub":
        raise TypeError(f"samples are real numbers, not {given.dtype}.")
    if given.ndim != len(shape) + 1 or given.shape[1:] != shape or len(given) == 0:
        raise ValueError(
            f"samples has the shape {given.shape}; the network takes (n, "
            f"{', '.join(map(str, shape))}): at least one input."
        )
    real = given.astype(np.float32)
    if not np.isfinite(real).all():
        raise ValueError("samples holds NaN or infinity: nothing to compare a board with.")
    return real


class _Arena(NamedTuple):
    size: int
    words: str  # one line
    comment: list[str]


def _arena(graph) -> _Arena:
    scratch = _scratch(graph)
    if interpreter.missing():
        needed = _estimated_arena(graph)
        how = "estimated from the tensors' sizes, because TFLM was not installed: not measured"
        found = [f"{needed:,} bytes, {how}"]
        on_32_bits = "Whether a 32-bit microcontroller needs less was not measured either."
    else:
        needed = memory.smallest_arena(graph)
        how = "measured, with room for optimized kernels and a margin"
        found = [
            f"{needed:,} bytes: the smallest arena in which TFLM {revision()[0]} ran this network,",
            "found by trying, on a 64-bit computer with TFLM's reference kernels",
        ]
        on_32_bits = (
            "A 32-bit microcontroller needs less, as its pointers are half as long: about "
            f"{memory.arena(graph).on_32_bits:,} bytes."
        )
    margin = round(MARGIN * needed)
    size = _up(needed + scratch + margin, memory.ALIGNMENT)
    comment = [
        *found,
        f"+ {scratch:,} bytes for the scratch memory of optimized kernels (CMSIS-NN): an estimate",
        f"+ {margin:,} bytes of margin: {MARGIN:.0%} of the smallest",
        "",
        on_32_bits,
        "ArenaUsed() tells what it is on your board.",
    ]
    return _Arena(size, how, comment)


def _up(value, unit):
    return -(-value // unit) * unit


def _scratch(graph) -> int:
    """Bytes that CMSIS-NN's convolutions ask for on a Cortex-M4, the most of any one: an estimate.

    They unfold two input patches into 16-bit numbers: 2 * 2 bytes for each value of a patch.
    """
    largest = 0
    for operator in graph.operators:
        if operator.name in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            kernel = graph.tensors[operator.inputs[1]]
            patch = kernel.size // (kernel.shape[0] if operator.name == "CONV_2D" else 1)
            if kernel.type == "int8":
                largest = max(largest, 4 * _up(patch, 4))
    return largest


def _estimated_arena(graph) -> int:
    """Bytes of the arena, roughly: what must be alive at once, and TFLM's records of it."""
    records = 1024 + 32 * len(graph.tensors)
    for operator in graph.operators:
        # Each operator's own record, and a multiplier and a shift for each channel.
        channels = max((graph.tensors[i].scale.size for i in operator.inputs if i >= 0), default=0)
        records += 192 + 8 * channels
    return max(memory.alive(memory.activations(graph))) + records


def revision() -> tuple[str, str]:
    """(git revision, date) of the TFLM that tflite-micro is built from."""
    try:
        about = importlib.metadata.metadata("tflite-micro")
    except importlib.metadata.PackageNotFoundError:
        return REVISION
    commit = re.search(r"commit\s*\[([0-9a-f]{7,40})\]", str(about.get_payload()))
    day = re.search(r"dev(\d{4})(\d\d)(\d\d)", about["Version"])
    if not (commit and day):
        return REVISION
    return commit[1], "-".join(day.groups())


# --- the files --------------------------------------------------------------------------------


class _Text(string.Template):
    """`@{name}` is replaced; C++, CMake and shells leave that alone."""

    delimiter = "@"


def _files(graph, name, board, spec, ends, operators, golden, arena) -> dict[str, bytes]:
    """Every file of the project, by its path in it."""
    watch = ends.input.shape == (1, 1, 100, 6) and ends.output.size == 7
    moves = watch and board == NANO  # which has the sensor
    values = {
        "name": name, "board": board, "chip": spec["chip"],
        "flash": f"{spec['flash_bytes']:,}", "ram": f"{spec['ram_bytes']:,}",
        "sha256": hashlib.sha256(graph.file).hexdigest(), "model_size": f"{len(graph.file):,}",
        "code_size": f"{boards.flash(graph).total - len(graph.file):,}",
        "model_bytes": _rows(f"0x{byte:02x}" for byte in graph.file),
        "revision": revision()[0], "revision_date": revision()[1],
        "operator_count": len(operators), "operator_list": ", ".join(operators),
        "add_operators": _and(f"operators.Add{op}() == kTfLiteOk" for op in operators),
        "arena_size": arena.size, "arena_bytes": f"{arena.size:,}", "arena_words": arena.words,
        "arena_comment": "\n".join(f"// {line}".rstrip() for line in arena.comment),
        **_end_values("input", ends.input), **_end_values("output", ends.output),
        **_golden_values(golden, ends),
        "type_words": _type_words(ends),
        **_platformio_values(board, moves),
    }  # fmt: skip
    sources = {
        "README.md": "README.md", "CMakeLists.txt": "CMakeLists.txt", "main.cpp": "main.cpp",
        f"{name}/{name}.ino": "sketch_watch.ino" if moves else "sketch.ino",
        f"{name}/model.h": "model.h", f"{name}/model.cpp": "model.cpp",
        f"{name}/network.h": "network.h", f"{name}/network.cpp": "network.cpp",
        f"{name}/quantization.h":
            "quantization_float.h" if ends.input.type == "float32" else "quantization.h",
        f"{name}/golden.h": "golden.h", f"{name}/golden.cpp": "golden.cpp",
        f"{name}/self_test.h": "self_test.h", f"{name}/self_test.cpp": "self_test.cpp",
    }  # fmt: skip
    if board in PLATFORMIO:
        sources["platformio.ini"] = "platformio.ini"
    if moves:
        sources |= {f"{name}/motion.h": "motion.h", f"{name}/motion.cpp": "motion.cpp"}
        values |= _watch_values()
    values["watch_section"] = _fill("README_watch.md", values) if moves else ""
    values["licence_words"] = ""
    files = {"LICENSE.txt": (data.DIRECTORY.parent / "LICENSE").read_bytes()}
    if golden.dataset:
        licence = data.DIRECTORY / "licenses" / f"{golden.dataset}.txt"
        files["LICENSE-inputs.txt"] = licence.read_bytes()
        values["licence_words"] = (
            " The self-test's inputs are from a public data set, under the licence in "
            "`LICENSE-inputs.txt`."
        )
    values["file_table"] = _file_table(name, [*sources, *files, SUMS])
    files |= {path: _fill(source, values).encode() for path, source in sources.items()}
    files[SUMS] = "".join(
        f"{hashlib.sha256(content).hexdigest()}  {path}\n"
        for path, content in sorted(files.items())
    ).encode()
    return files


def _fill(source: str, values: Mapping[str, Any]) -> str:
    return _Text((TEMPLATE / source).read_text(encoding="utf-8")).substitute(values)


def _end_values(role: str, tensor: tflite_file.Tensor) -> dict[str, Any]:
    c_type, tflm_type, member = C_TYPES[tensor.type]
    values = {
        "size": tensor.size, "shape": " x ".join(map(str, tensor.shape)),
        "ctype": c_type, "type": tflm_type, "member": member,
    }  # fmt: skip
    if tensor.type != "float32":
        qparams = tensor.qparams
        low, high = qparams.range
        values |= {
            "bits": 8 if tensor.type == "int8" else 16,
            "scale": _float(qparams.scale), "inverse_scale": _float(1 / qparams.scale),
            "zero_point": qparams.zero_point, "qmin": qparams.qmin, "qmax": qparams.qmax,
            "low": f"{low:.4g}", "high": f"{high:.4g}",
        }  # fmt: skip
    return {f"{role}_{key}": value for key, value in values.items()}


def _golden_values(golden: _Golden, ends: _Ends) -> dict[str, Any]:
    number = _float_f if ends.output.type == "float32" else str
    tolerance, why = "0.0f", "not at all, integers are computed alike everywhere"
    if ends.output.type == "float32":
        tolerance = "1e-4f"
        why = "a sum of floats depends on the order of its terms, and exp on the library"
    return {
        "golden_count": len(golden.inputs),
        "golden_inputs_are": golden.inputs_are,
        "golden_outputs_by": golden.outputs_by,
        "golden_inputs": _nested(golden.inputs, _float_f),
        "golden_checksums": ", ".join(f"0x{checksum(row):08x}u" for row in golden.codes),
        "golden_outputs": _nested(golden.outputs, number),
        "tolerance": tolerance,
        "tolerance_is": why,
    }


def _watch_values() -> dict[str, Any]:
    """The data's constants, and what it says of the sensor's axes."""
    arrays = data.read_npz("watch.npz")
    ends = np.cumsum(arrays["lengths"])
    samples = arrays["samples"].astype(np.float64)
    pendulum = arrays["class_names"].tolist().index("pendulum")
    held = {}
    for side in (0, 1):
        chosen = (arrays["labels"] == pendulum) & (arrays["sides"] == side)
        recordings = zip((ends - arrays["lengths"])[chosen], ends[chosen], strict=True)
        held[side] = np.mean([samples[start:end, 0].mean() for start, end in recordings])
    test = data.checkpoint("watch_cnn").record["test"]
    by_subject = sorted(test["by_subject"].values(), key=lambda s: s["correct"] / s["n"])
    return {
        "window": int(arrays["window"]), "step": int(arrays["step"]),
        "mean": _rows(map(_float_f, arrays["mean"])), "std": _rows(map(_float_f, arrays["std"])),
        "class_names": ",\n".join(f'    "{label}"' for label in arrays["class_names"].tolist()),
        "subjects": len(arrays["subjects_train"]),
        "left": f"{held[0]:+.2f}", "right": f"{held[1]:+.2f}",
        "beyond": f"{np.mean(np.abs(samples[:, :3]) > 4):.2%}",
        "test_correct": f"{test['correct']:,}", "test_n": f"{test['n']:,}",
        "test_subjects": len(by_subject),
        "worst": "{correct} of {n}".format(**by_subject[0]),
        "best": "{correct} of {n}".format(**by_subject[-1]),
    }  # fmt: skip


def _platformio_values(board: str, moves: bool) -> dict[str, str]:
    platform, known_as = PLATFORMIO.get(board, ("", ""))
    libraries = ["https://github.com/spaziochirale/Chirale_TensorFlowLite.git"]
    if moves:
        libraries.append("arduino-libraries/Arduino_LSM9DS1")
    return {
        "pio_platform": platform,
        "pio_board": known_as,
        "pio_libraries": "\n".join(f"  {library}" for library in libraries),
        "platformio_words": (
            "`pio run -t upload && pio device monitor`; `platformio.ini` names the board and the "
            "libraries."
            if known_as
            else "Write a `platformio.ini` for your board; its `src_dir` is the sketch's folder."
        ),
    }


def _type_words(ends: _Ends) -> str:
    return {"float32": "float32", "int8": "8-bit integers", "int16": "16-bit activations"}[
        ends.input.type
    ]


_PURPOSES = {
    "README.md": "this text",
    "CMakeLists.txt": "builds the self-test with plain TFLM",
    "platformio.ini": "builds and flashes the sketch with PlatformIO",
    "main.cpp": "the self-test without Arduino",
    "LICENSE.txt": "licence of the code",
    "LICENSE-inputs.txt": "licence of the self-test's inputs",
    SUMS: "checksums: `sha256sum -c SHA256SUMS` tells which files you changed",
    "model.cpp": "the network: the bytes of the `.tflite` file",
    "network.cpp": "the operators, the arena, running the network",
    "network.h": "what the network offers, and the size of the arena",
    "quantization.h": "from real numbers to the network's numbers and back",
    "golden.cpp": "inputs and the outputs they must give",
    "self_test.cpp": "compares them: PASS or FAIL",
    "motion.cpp": "from the motion sensor's readings to the network's windows",
    "motion.h": "the data's mean and standard deviation, the sensor's axes",
}


def _file_table(name: str, paths: list[str]) -> str:
    purposes = {f"{name}/{name}.ino": "the Arduino sketch: self-test, then the network at work"}
    rows = []
    for path in sorted(paths, key=lambda path: ("/" in path, path)):
        purpose = purposes.get(path) or _PURPOSES.get(path.split("/")[-1])
        if purpose:
            rows.append(f"| `{path}` | {purpose} |")
    return "\n".join(rows)


# --- numbers as C++ ---------------------------------------------------------------------------


def checksum(codes: np.ndarray) -> int:
    """FNV-1a, 32 bits, over the codes' bytes, the lowest byte of each first.

    >>> hex(checksum(np.array([97], dtype=np.int8)))      # "a", as in the reference's test vectors
    '0xe40c292c'
    """
    found = 2166136261
    for byte in codes.astype(codes.dtype.newbyteorder("<")).tobytes():
        found = (found ^ byte) * 16777619 % 2**32
    return found


def _float(value) -> str:
    """A float32 in so many digits that it is read back as the same."""
    text = f"{np.float32(value):.9g}"
    return text if set(text) & set(".en") else f"{text}.0"


def _float_f(value) -> str:
    return f"{_float(value)}f"


def _rows(words, indent="    ") -> str:
    """Words with commas between them, in lines of at most LINE characters."""
    lines, line = [], ""
    for word in words:
        if line and len(indent) + len(line) + len(word) + 2 > LINE:
            lines.append(line)
            line = ""
        line += f"{word}," if not line else f" {word},"
    return "\n".join(indent + line for line in [*lines, line])


def _and(conditions) -> str:
    return " &&\n         ".join(conditions)


def _nested(rows: np.ndarray, number) -> str:
    return ",\n".join(f"    {{\n{_rows((number(v) for v in row), ' ' * 8)}\n    }}" for row in rows)


# --- writing ----------------------------------------------------------------------------------


def _write(files: Mapping[str, bytes], directory: Path) -> list[Path]:
    """Write all files or none: beside the directory first, then one rename."""
    place = directory.absolute()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{place.name}.", dir=place.parent) as workplace:
        new, old = Path(workplace) / "new", Path(workplace) / "old"
        for path, content in files.items():
            target = new / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        try:
            if directory.exists():
                os.rename(directory, old)
            os.rename(new, directory)
        except BaseException:  # Ctrl+C, too
            if old.exists() and not directory.exists():
                os.rename(old, directory)
            raise
    return sorted(directory / path for path in files)
