"""The project's files: the templates, with what depends on the network put in, as C++ has it."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from course_utils.engines import tflite_file
from course_utils.machines import data
from course_utils.machines.micro import boards
from course_utils.machines.micro.project.contents import C_TYPES, Ends, Golden, revision

SUMS = "SHA256SUMS"  # the list of an export's files, by which a later one knows them
TEMPLATE = Path(__file__).parent / "template"
NANO = "Arduino Nano 33 BLE"
# What PlatformIO calls the boards: platform, board.
PLATFORMIO = {
    NANO: ("nordicnrf52", "nano33ble"),
    "Raspberry Pi Pico": ("raspberrypi", "pico"),
    "ESP32-S3-DevKitC-1-N8": ("espressif32", "esp32-s3-devkitc-1"),
    "STM32F746G-DISCO": ("ststm32", "disco_f746ng"),
    "nRF52840 DK": ("nordicnrf52", "nrf52840_dk"),
}


class _Text(string.Template):
    """`@{name}` is replaced; C++, CMake and shells leave that alone."""

    delimiter = "@"


def files_of(graph, name, board, spec, ends, operators, golden, arena) -> dict[str, bytes]:
    """Every file of the project, by its path in it."""
    watch = ends.input.shape == (1, 1, 100, 6) and ends.output.size == 7
    moves = watch and board == NANO  # which has the sensor
    values = {
        "name": name, "board": board, "chip": spec["chip"],
        "flash": f"{spec['flash_bytes']:,}", "ram": f"{spec['ram_bytes']:,}",
        "sha256": hashlib.sha256(graph.file).hexdigest(), "model_size": f"{len(graph.file):,}",
        "code_size": f"{boards.flash(graph).total - len(graph.file):,}",
        "model_bytes": rows_of(f"0x{byte:02x}" for byte in graph.file),
        "revision": revision()[0], "revision_date": revision()[1],
        "operator_count": len(operators), "operator_list": ", ".join(operators),
        "add_operators": all_of(f"operators.Add{op}() == kTfLiteOk" for op in operators),
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
            "scale": float_text(qparams.scale), "inverse_scale": float_text(1 / qparams.scale),
            "zero_point": qparams.zero_point, "qmin": qparams.qmin, "qmax": qparams.qmax,
            "low": f"{low:.4g}", "high": f"{high:.4g}",
        }  # fmt: skip
    return {f"{role}_{key}": value for key, value in values.items()}


def _golden_values(golden: Golden, ends: Ends) -> dict[str, Any]:
    number = float_literal if ends.output.type == "float32" else str
    tolerance, why = "0.0f", "not at all, integers are computed alike everywhere"
    if ends.output.type == "float32":
        tolerance = "1e-4f"
        why = "a sum of floats depends on the order of its terms, and exp on the library"
    return {
        "golden_count": len(golden.inputs),
        "golden_inputs_are": golden.inputs_are,
        "golden_outputs_by": golden.outputs_by,
        "golden_inputs": nested(golden.inputs, float_literal),
        "golden_checksums": ", ".join(f"0x{checksum(row):08x}u" for row in golden.codes),
        "golden_outputs": nested(golden.outputs, number),
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
        "mean": rows_of(map(float_literal, arrays["mean"])),
        "std": rows_of(map(float_literal, arrays["std"])),
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


def _type_words(ends: Ends) -> str:
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


# --- numbers as C++ ----------------------------------------------------------------------------

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
