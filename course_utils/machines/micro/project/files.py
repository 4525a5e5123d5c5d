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
from course_utils.machines.micro.runtimes import runtime, runtimes

SUMS = "SHA256SUMS"  # the list of an export's files, by which a later one knows them
TEMPLATE = Path(__file__).parent / "template"
NANO = "Arduino Nano 33 BLE"
# The Arduino library that holds TFLM: version 2.0.0, the last. Its makers name the boards that they
# tested it on; of those of BOARDS it is one. What PlatformIO calls that: platform, board.
LIBRARY = "https://github.com/spaziochirale/Chirale_TensorFlowLite.git"
LIBRARY_REVISION = "46da2f989205a9216229d38cd3d1c657d79d6781"
PLATFORMIO = {NANO: ("nordicnrf52@10.11.0", "nano33ble")}
SENSOR_LIBRARY = "arduino-libraries/Arduino_LSM9DS1@1.1.1"
# The runtimes that a README names, the first of them on PLATFORMIO's boards only.
ARDUINO, CMSIS_NN, REFERENCE = "Chirale_TensorFlowLite", "TFLM with CMSIS-NN", "TFLM"

# The files at the top, for a build with plain TFLM.
PLAIN = (
    "README.md", "CMakeLists.txt", "main.cpp", "debug_log.cpp", "cortex_m.cmake", "cortex_m.cpp",
    "cortex_m.ld",
)  # fmt: skip


class _Text(string.Template):
    """`@{name}` is replaced; C++, CMake and shells leave that alone."""

    delimiter = "@"


def files_of(graph, name, board, spec, ends, operators, golden, arena, fails) -> dict[str, bytes]:
    """Every file of the project, by its path in it. fails: the runtimes on which it fails."""
    sketch = str(runtime(ARDUINO)) not in fails  # which is for that library
    arduino = sketch and board in PLATFORMIO
    watch = ends.input.shape == (1, 1, 100, 6) and ends.output.size == 7
    moves = sketch and watch and board == NANO  # which has the sensor
    values = {
        "name": name, "board": board, "chip": spec["chip"],
        "flash": f"{spec['usable_flash_bytes']:,}", "ram": f"{spec['ram_bytes']:,}",
        "sha256": hashlib.sha256(graph.file).hexdigest(), "model_size": f"{len(graph.file):,}",
        **_flash_values(graph, golden, fails),
        "model_bytes": rows_of(f"0x{byte:02x}" for byte in graph.file),
        "revision": revision()[0], "revision_date": revision()[1],
        "operator_count": len(operators), "operator_list": ", ".join(operators),
        "add_operators": all_of(f"operators.Add{op}() == kTfLiteOk" for op in operators),
        "arena_size": arena.size, "arena_bytes": f"{arena.size:,}", "arena_words": arena.words,
        "arena_comment": _comment(arena.comment),
        "arena_to_start": arena.to_start, "start_comment": _comment(arena.start_comment),
        **_end_values("input", ends.input), **_end_values("output", ends.output),
        **_golden_values(golden, ends),
        "type_words": _type_words(ends),
        **_platformio_values(board, moves),
        **_tried_values(sketch),
        **_runtime_values(board, fails),
        **_sketch_values(name, sketch),
    }  # fmt: skip
    how = "README_arduino.md" if arduino else "README_plain.md"
    values["board_words"] = _fill(how, values).rstrip()
    sources = {
        **{path: path for path in PLAIN},
        f"{name}/model.h": "model.h", f"{name}/model.cpp": "model.cpp",
        f"{name}/network.h": "network.h", f"{name}/network.cpp": "network.cpp",
        f"{name}/quantization.h":
            "quantization_float.h" if ends.input.type == "float32" else "quantization.h",
        f"{name}/golden.h": "golden.h", f"{name}/golden.cpp": "golden.cpp",
        f"{name}/self_test.h": "self_test.h", f"{name}/self_test.cpp": "self_test.cpp",
    }  # fmt: skip
    if sketch:
        sources[f"{name}/{name}.ino"] = "sketch_watch.ino" if moves else "sketch.ino"
    if arduino:
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


def _comment(lines: list[str]) -> str:
    return "\n".join(f"// {line}".rstrip() for line in lines)


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
            "scale": float_text(qparams.scale), "zero_point": qparams.zero_point,
            "low": f"{low:.4g}", "high": f"{high:.4g}",
        }  # fmt: skip
        if role == "input":  # which is quantized
            values |= {
                "inverse_scale": float_text(1 / qparams.scale),
                "qmin": qparams.qmin, "qmax": qparams.qmax,
            }  # fmt: skip
    return {f"{role}_{key}": value for key, value in values.items()}


def _flash_values(graph: tflite_file.Graph, golden: Golden, fails) -> dict[str, str]:
    """Bytes of flash beside the network: what the program takes, part by part."""
    arm, reference = boards.flash(graph), boards.flash(graph, "reference")
    vectors = 4 * golden.inputs.size + golden.outputs.nbytes + 4 * len(golden.inputs)  # checksums
    code_sizes = f"{reference.core + reference.kernels:,} bytes with TFLM's reference kernels"
    if str(runtime(CMSIS_NN)) not in fails:
        code_sizes += f", {arm.core + arm.kernels:,} with Arm's (CMSIS-NN)"
    return {
        "code_sizes": code_sizes,
        "c_library_size": f"{arm.c_library:,}",
        "golden_size": f"{vectors:,}",
    }


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
    libraries = [f"{LIBRARY}#{LIBRARY_REVISION}", *([SENSOR_LIBRARY] if moves else [])]
    return {
        "pio_platform": platform,
        "pio_board": known_as,
        "library_version": runtime(ARDUINO).version,
        "pio_libraries": "\n".join(f"  {library}" for library in libraries),
        "sensor_words": " and `Arduino_LSM9DS1` 1.1.1" if moves else "",
    }


def _sketch_values(name: str, sketch: bool) -> dict[str, str]:
    """What a README says of the sketch, where there is one."""
    if not sketch:
        return {"without_sketch": "", "sketch_shows": ""}
    return {
        "without_sketch": " without its `.ino`",
        "sketch_shows": f" The sketch `{name}/{name}.ino` shows the same with Arduino's functions.",
    }


def _tried_values(sketch: bool) -> dict[str, str]:
    """What was recorded of projects like this one, built with TFLM's own sources."""
    record = data.result("tflm_project").record
    rows = record["rows"]
    passed = sum(row["passed"] and row["passed_in_enough"] for row in rows)
    networks = listed(f"{row['network']} in {row['mode']}" for row in rows)
    instructions = {
        row["target"]: f"{row['microseconds'] / 1000:.2f}"
        for row in rows
        if (row["network"], row["mode"]) == ("watch_cnn", "int8")
    }
    words = (
        f"Projects like this one ({networks}) were built with TFLM's own sources at revision "
        f"{record['tflm_revision']}, by the commands above, for {listed(instructions)}, and their "
        f"self-tests were run, once as exported and once with `kArenaSize` as small as they said: "
        f"{passed} of {len(rows)} passed both times. In millions of instructions, one inference of "
        f"watch_cnn in int8 takes "
        + listed(f"{n} on a {t}" for t, n in instructions.items() if t != "computer")
        + f". The compilers: {record['computer']}; {record['cortex_m']}. The emulator: "
        f"{record['qemu']}.\n\nWhat was not tried: "
    )
    words += (
        "a build in the Arduino IDE or PlatformIO, and a board. Against headers that declare what "
        "it uses of TFLM and Arduino, the C++ of the sketch compiles without a warning (g++, "
        "`-Wall -Wextra`)."
        if sketch
        else "a board."
    )
    return {"tried_words": words, "tried_revision": record["tflm_revision"]}


def _runtime_values(board: str, fails) -> dict[str, str]:
    """On which runtimes the network is right, and what the README leaves out where it is not."""
    right, wrong = (
        listed(f"{on} ({on.revision})" for on in runtimes() if (str(on) in fails) == failing)
        for failing in (False, True)
    )
    why_plain = "There is no Arduino library of TFLM whose makers tested it on this board"
    if board in PLATFORMIO:
        why_plain = f"The Arduino library {ARDUINO} does not give this network's answers"
    arm = str(runtime(CMSIS_NN)) not in fails
    return {
        "right_on": right,
        "wrong_on": f"; not by {wrong}" if wrong else "",
        "why_plain": why_plain,
        "arm_words": ARM_TREE if arm else "Arm's kernels (CMSIS-NN) do not run this network.",
    }


# A tree for Cortex-M processors, which was tried for these only: on a computer take the other.
ARM_TREE = """Arm's kernels (CMSIS-NN) are larger. They are made for integers: all networks that \
were tried in int8 and int16x8 took fewer instructions with them, the one in float32 did not. They \
are in a second tree, for Cortex-M processors only. In TFLM's folder, write it so; the script then \
also downloads Arm's compiler:

    python3 tensorflow/lite/micro/tools/project_generation/create_tflm_tree.py \\
        --makefile_options="TARGET=cortex_m_generic OPTIMIZED_KERNEL_DIR=cmsis_nn \
TARGET_ARCH=cortex-m4+fp" \\
        /path/to/tflm-tree-for-arm

Then build as for the Cortex-M above, with `-DTFLM=/path/to/tflm-tree-for-arm`, in another folder \
than `build/m4`."""


def listed(words) -> str:
    """Words, each once, with commas and an "and".

    >>> listed(["a", "b", "a", "c"])
    'a, b and c'
    """
    *first, last = dict.fromkeys(words) or ("",)
    return f"{', '.join(first)} and {last}" if first else last


def _type_words(ends: Ends) -> str:
    return {"float32": "float32", "int8": "8-bit integers", "int16": "16-bit activations"}[
        ends.input.type
    ]


_PURPOSES = {
    "README.md": "this text",
    "CMakeLists.txt": "builds the self-test with plain TFLM, and runs it",
    "platformio.ini": "builds and flashes the sketch with PlatformIO",
    "main.cpp": "the self-test without Arduino",
    "debug_log.cpp": "where TFLM's messages go, without Arduino",
    "cortex_m.cmake": "how to compile for a Cortex-M and to emulate it",
    "cortex_m.cpp": "start-up code and clock of the emulated board",
    "cortex_m.ld": "memory of the emulated board",
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
