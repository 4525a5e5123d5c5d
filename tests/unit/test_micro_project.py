"""micro.export_project: compiled, run with TFLM behind it, and refused where it cannot be."""

import hashlib
import importlib.util
import json
import math
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tflite_tools import Writer, pack, unpack

from course_utils import env
from course_utils.engines import integer_engine, tflite_file
from course_utils.machines import conversion, data, micro, models
from course_utils.machines.micro import memory
from course_utils.machines.micro.project import contents, export, files, host
from course_utils.numbers import quantization

needs_tflm = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None,
    reason="tflite-micro has wheels for Linux x86-64 only (2026-11)",
)
STANDIN = host.STANDIN
# C++14: what Arduino compiles sketches as.
STRICT = ["-std=c++14", "-Wall", "-Wextra", "-Werror"]


def compiler(name):
    """The compiler, or skip; fail where LAB_REQUIRE_TOOLS=1 says that it must be there."""
    if shutil.which(name) is None:
        if os.environ.get("LAB_REQUIRE_TOOLS") == "1":
            pytest.fail(f"LAB_REQUIRE_TOOLS=1, but there is no {name} on the PATH")
        pytest.skip(f"2026-11-24: the project is compiled with {name}, which is not on the PATH")
    return name


def compile_cpp(*arguments, using="g++", strict=STRICT):
    command = [compiler(using), *strict, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- the networks -----------------------------------------------------------------------------


def small_network(low="int8"):
    """One dense layer of 8 inputs and 3 outputs in int8, int16 (with int8 weights) or float32."""
    rng = np.random.default_rng(1)
    w = Writer()
    if low == "float32":
        x, y = w.tensor((1, 8), "float32"), w.tensor((1, 3), "float32")
        kernel = w.constant(rng.normal(size=(3, 8)), "float32")
        bias = w.constant(rng.normal(size=3), "float32")
    else:
        zero = {"int8": 7, "int16": 0}[low]
        x = w.tensor((1, 8), low, scale=0.037, zero_point=zero)
        y = w.tensor((1, 3), low, scale=0.11, zero_point=-3 if low == "int8" else 0)
        kernel = w.constant(rng.integers(-127, 128, (3, 8)), "int8", scale=0.01)
        if low == "int16":
            bias = w.constant(rng.integers(-900, 900, 3), "int64", scale=0.00037)
        else:
            bias = w.constant(rng.integers(-900, 900, 3), "int32", scale=0.00037)
    w.operator("FULLY_CONNECTED", [x, kernel, bias], y)
    return w.bytes([x], [y])


def convert_watch(mode):
    checkpoint = data.checkpoint("watch_cnn")
    model = models.build(checkpoint.layers, checkpoint.input_shape)
    models.set_weights(model, checkpoint.weights)
    calibration = data.load("watch").x_train[:50] if mode == "int16x8" else None
    return conversion.convert(model, mode, calibration, dense_per_channel=False)


NETWORKS = {
    "watch": lambda: micro.one_scale(data.model("watch_cnn")),
    "fashion": lambda: micro.one_scale(data.model("fashion_cnn")),
    "depthwise": lambda: micro.one_scale(data.model("fashion_dscnn")),
    "int16": lambda: small_network("int16"),
    "real": lambda: small_network("float32"),
    "wide": lambda: wide_network(),
    "watch_float32": lambda: convert_watch("float32"),
    "watch_int16x8": lambda: convert_watch("int16x8"),
}
CONVERTED = [
    pytest.param(f"watch_{m}", marks=pytest.mark.tensorflow) for m in ("float32", "int16x8")
]
SAMPLES = np.random.default_rng(2).normal(0, 2, (3, 8)).astype(np.float32)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Export a network once: exported("watch") -> (its .tflite, the project's directory)."""
    done = {}

    def export(kind):
        if kind not in done:
            tflite = NETWORKS[kind]()
            directory = tmp_path_factory.mktemp("projects") / kind
            samples = SAMPLES if kind in ("int16", "real", "wide") else None
            paths = micro.export_project(tflite, directory, name=kind, samples=samples)
            assert sorted(path for path in directory.rglob("*") if path.is_file()) == paths
            done[kind] = tflite, directory
        return done[kind]

    return export


def test_the_arrays_of_both_compilers_hold_the_file_aligned_and_read_only(exported, tmp_path):
    for kind in ("watch", "fashion"):
        tflite, directory = exported(kind)
        for using in ("g++", "arm-none-eabi-g++"):
            found = tmp_path / "model.o"
            # -ffreestanding: the bare compiler will do, without its C library.
            source = directory / kind / "model.cpp"
            compile_cpp("-ffreestanding", "-c", source, "-o", found, using=using)
            content, alignment, writable = read_symbol(found.read_bytes(), "kModel")
            assert content == tflite
            assert alignment == 16
            assert not writable
            size, _, _ = read_symbol(found.read_bytes(), "kModelSize")
            assert int.from_bytes(size, "little") == len(tflite)


def read_symbol(elf, name):
    """(content, alignment, writable) of a C++ variable in an object file of 32 or 64 bits."""
    assert elf[:4] == b"\x7fELF"
    assert elf[5] == 1  # little-endian
    wide = elf[4] == 2
    start = struct.unpack_from("<Q" if wide else "<I", elf, 0x28 if wide else 0x20)[0]
    count = struct.unpack_from("<H", elf, 0x3C if wide else 0x30)[0]
    form = "<IIQQQQIIQQ" if wide else "<10I"
    sections = [
        struct.unpack_from(form, elf, start + i * struct.calcsize(form)) for i in range(count)
    ]
    table = next(s for s in sections if s[1] == 2)  # SHT_SYMTAB
    strings = sections[table[6]][4]
    form = "<IBBHQQ" if wide else "<IIIBBH"
    for at in range(table[4], table[4] + table[5], struct.calcsize(form)):
        symbol = struct.unpack_from(form, elf, at)
        label = elf[strings + symbol[0] : elf.index(b"\0", strings + symbol[0])].decode()
        # The mangled name ends in the variable's length and name.
        if re.search(rf"{len(name)}{name}E$", label):
            section, value, size = (symbol[i] for i in ((3, 4, 5) if wide else (5, 1, 2)))
            _, _, flags, _, offset, _, _, _, alignment, _ = sections[section]
            place = offset + value
            aligned = math.gcd(value, alignment)
            return elf[place : place + size], aligned, bool(flags & 1)  # SHF_WRITE
    raise AssertionError(f"no symbol {name}")


# --- quantization -----------------------------------------------------------------------------


def hard_floats(qparams):
    """100,000 floats: everywhere in and beyond the range, ties and their neighbours, extremes."""
    rng = np.random.default_rng(3)
    scale = np.float32(qparams.scale)
    ties = (rng.integers(qparams.qmin - 3, qparams.qmax + 4, 20_000) + 0.5).astype(np.float32)
    ties = (ties - np.float32(qparams.zero_point)) * scale
    low, high = qparams.range
    special = [0.0, -0.0, np.inf, -np.inf, 3e38, -3e38, 1e-45, -1e-45, 1e9, -1e9, 2**31, -(2**31)]
    x = np.concatenate([
        rng.uniform(2 * low, 2 * high, 38_000), rng.normal(0, scale, 1_988), special,
        ties, np.nextafter(ties, np.float32(np.inf)), np.nextafter(ties, np.float32(-np.inf)),
    ])  # fmt: skip
    assert len(x) == 100_000
    return x.astype(np.float32)


@pytest.mark.parametrize("kind", ["watch", "fashion", "int16"])
def test_quantize_and_dequantize_equal_the_course_functions(exported, tmp_path, kind):
    tflite, directory = exported(kind)
    graph = tflite_file.read(tflite)
    into, out = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    (tmp_path / "main.cpp").write_text(f"""
#include <stdio.h>
#include "quantization.h"
using namespace {kind}_network;
int main() {{
  float x;
  while (fread(&x, sizeof(x), 1, stdin) == 1) {{
    const InputCode code = Quantize(x);
    fwrite(&code, sizeof(code), 1, stdout);
  }}
  for (int q = {out.qparams.qmin}; q <= {out.qparams.qmax}; ++q) {{
    const float real = Dequantize(static_cast<OutputCode>(q));
    fwrite(&real, sizeof(real), 1, stdout);
  }}
}}
""")
    program = tmp_path / "quantize"
    compile_cpp("-O2", "-I", directory / kind, tmp_path / "main.cpp", "-o", program)
    x = np.append(hard_floats(into.qparams), np.float32("nan"))
    said = subprocess.run([program], input=x.tobytes(), capture_output=True, check=True).stdout
    codes = np.frombuffer(said[: len(x) * np.dtype(into.type).itemsize], into.type)
    assert np.array_equal(codes[:-1], quantization.quantize(x[:-1], into.qparams))
    assert codes[-1] == into.qparams.zero_point  # NaN
    every = np.arange(out.qparams.qmin, out.qparams.qmax + 1)
    reals = np.frombuffer(said[codes.nbytes :], np.float32)
    assert np.array_equal(reals, quantization.dequantize(every, out.qparams))


# --- the whole project, with the real interpreter behind a stand-in ---------------------------


def definitions(tflite, moved):
    arena = 0 if micro.missing() else micro.smallest_arena(tflite)
    return host.definitions(tflite_file.read(tflite), arena, moved)


def build(kind, exported, program, sketch=False, moved=True, more=()):
    tflite, directory = exported(kind)
    sources = sorted((directory / kind).glob("*.cpp"))
    sources.append(STANDIN / "interpreter.cpp")
    if sketch:
        ino = directory / kind / f"{kind}.ino"
        sources = [*sources, STANDIN / "arduino.cpp", "-x", "c++", "-include", "Arduino.h", ino]
    else:
        sources += [directory / "main.cpp", directory / "debug_log.cpp"]
    compile_cpp("-I", STANDIN, *definitions(tflite, moved), *more, *sources, "-o", program)
    return tflite


def run_program(program, tflite, spoil=lambda output: output, **environment):
    """Run it; whenever it invokes the interpreter, TFLM answers. Returns (exit code, lines)."""
    graph = tflite_file.read(tflite)
    return host.run_program(program, graph, lambda x: spoil(micro.run(tflite, x)), **environment)


@needs_tflm
@pytest.mark.parametrize("kind", ["watch", "fashion", "int16", "real", *CONVERTED])
def test_the_self_test_passes_with_tflm_and_fails_at_one_wrong_number(exported, tmp_path, kind):
    program = tmp_path / "self_test"
    tflite = build(kind, exported, program)
    code, lines = run_program(program, tflite)
    assert (code, lines[-1]) == (0, "PASS")
    assert lines[0].endswith("bytes of the arena used")
    assert re.fullmatch(r"kArenaSize may be made as small as \d+", lines[1])
    assert all("0 of " in line and "differ" in line for line in lines[2:-2])
    assert len(lines[2:-2]) == (3 if kind in ("int16", "real") else 4)
    assert re.fullmatch(r"\d+ microseconds for an inference", lines[-2])

    def by_one(output):
        output = output.copy()
        output.flat[1] += np.asarray(0.001 if output.dtype == np.float32 else 1, output.dtype)
        return output

    code, lines = run_program(program, tflite, by_one)
    assert (code, lines[-1]) == (1, "FAIL")
    assert "1 of " in lines[2]
    by = int(re.search(r"differ, most by (\d+)(e-6)? \(output 1\), largest", lines[2])[1])
    assert by == (pytest.approx(1000, abs=1) if kind in ("real", "watch_float32") else 1)


@needs_tflm
@pytest.mark.parametrize("kind", ["watch", "int16", "real"])
def test_the_self_test_says_how_far_the_outputs_are_and_where(exported, tmp_path, kind):
    program = tmp_path / "self_test"
    tflite = build(kind, exported, program)

    def far(output):
        output = output.copy()
        if output.dtype == np.float32:
            output.flat[:3] += np.float32([0.25, -1.5, 0.0])
            return output
        # The largest is between the other two; none leaves the type's range.
        step = np.where(output.flat[:3] > 0, -1, 1) * [3, 20, 5]
        output.flat[:3] += step.astype(output.dtype)
        return output

    code, lines = run_program(program, tflite, far)
    assert (code, lines[-1]) == (1, "FAIL")
    different, far_off = ("2", "1500000e-6") if kind == "real" else ("3", "20")
    for line in lines[2:-2]:
        assert re.search(rf": {different} of \d outputs differ", line)
        assert f"most by {far_off} (output 1), largest is " in line
    if kind == "real":
        code, lines = run_program(program, tflite, lambda output: output * np.float32("nan"))
        assert (code, lines[-1]) == (1, "FAIL")
        assert "3 of 3 outputs differ, most by 1000000000e-6 (output 0)" in lines[2]

@needs_tflm
def test_the_self_test_tells_wrong_quantization_from_a_wrong_network(exported, tmp_path):
    tflite, directory = exported("watch")
    copy = shutil.copytree(directory, tmp_path / "watch")
    header = copy / "watch" / "quantization.h"
    truncating = header.read_text().replace("roundf(x", "truncf(x")
    assert truncating != header.read_text()
    header.write_text(truncating)
    build("watch", lambda kind: (tflite, copy), tmp_path / "self_test")
    code, lines = run_program(tmp_path / "self_test", tflite)
    assert (code, lines[-1]) == (1, "FAIL")
    assert "codes are not the expected ones" in lines[2]


def test_what_editors_and_builds_leave_is_not_compiled(exported, tmp_path):
    compiler("g++")
    tflite, directory = exported("watch")
    copy = shutil.copytree(directory, tmp_path / "watch")
    for source in ("main.cpp", "watch/quantization.h", "watch/network.cpp", "watch/golden.cpp"):
        path = copy / source
        for left in (path.parent / ".ipynb_checkpoints", copy / ".ipynb_checkpoints"):
            left.mkdir(exist_ok=True)
            shutil.copy(path, left / f"{path.stem}-checkpoint{path.suffix}")
    (copy / "build").mkdir()
    (copy / "build" / "left.cpp").write_text("not C++")
    found = micro.self_test(copy, tflite)
    assert found.passed, found.lines
    (copy / "watch" / "network.cpp").unlink()
    with pytest.raises(FileNotFoundError, match="no exported project"):
        micro.self_test(copy, tflite)


@needs_tflm
def test_an_arena_that_is_too_small_is_told(exported, tmp_path):
    tflite, directory = exported("int16")
    copy = shutil.copytree(directory, tmp_path / "int16")
    header = copy / "int16" / "network.h"
    header.write_text(re.sub(r"kArenaSize = \d+", "kArenaSize = 64", header.read_text()))
    build("int16", lambda kind: (tflite, copy), tmp_path / "self_test")
    code, lines = run_program(tmp_path / "self_test", tflite)
    assert (code, lines[-1]) == (1, "FAIL")
    assert re.fullmatch(r"The arena is too small: \d+ bytes are missing", lines[0])  # TFLM's words
    assert "TFLM says why above" in lines[1]
    assert "kArenaSize" in lines[1]


def wide_network():
    """Two dense layers; their many channels take room in the arena while TFLM prepares them."""
    rng, w = np.random.default_rng(6), Writer()
    x, y = w.tensor((1, 8), "int8", scale=0.05), w.tensor((1, 3), "int8", scale=0.1)
    hidden = w.tensor((1, 256), "int8", scale=0.1)
    for before, after, size in ((x, hidden, (256, 8)), (hidden, y, (3, 256))):
        kernel = w.constant(rng.integers(-127, 128, size), "int8", scale=np.full(size[0], 0.01))
        w.operator("FULLY_CONNECTED", [before, kernel, -1], after)
    return w.bytes([x], [y])


@needs_tflm
@pytest.mark.parametrize("kind", ["watch", "fashion", "depthwise", "int16", "wide"])
def test_the_arena_may_be_made_as_small_as_the_program_says(exported, tmp_path, kind):
    """What TFLM says is used may be too little to start with: in "wide" it is."""
    tflite, directory = exported(kind)
    copy = shutil.copytree(directory, tmp_path / kind)
    used, smallest = micro.arena(tflite).total, micro.smallest_arena(tflite)
    assert smallest > used + 100 or kind != "wide"
    header = copy / kind / "network.h"

    def said(size=None):
        if size is not None:
            text = header.read_text()
            header.write_text(re.sub(r"kArenaSize = \d+", f"kArenaSize = {size}", text))
        program = tmp_path / "self_test"
        build(kind, lambda kind: (tflite, copy), program, more=[f"-DSTANDIN_USED={used}"])
        return run_program(program, tflite)

    code, lines = said()
    assert (code, lines[-1]) == (0, "PASS")
    assert lines[0].startswith(f"{used} of ")
    enough = int(lines[1].split()[-1])
    assert smallest <= enough < int(lines[0].split()[2])
    code, lines = said(enough)
    assert (code, lines[-1]) == (0, "PASS")
    assert lines[1] == f"kArenaSize may be made as small as {enough}"
    code, lines = said(used)
    assert (code == 0) == (used >= smallest)


@pytest.mark.parametrize("moved", [False, True], ids=["tflite", "tflite::micro"])
@pytest.mark.parametrize("kind", ["watch", "depthwise", "real"])
def test_sketch_and_plain_build_fit_the_interfaces_of_old_and_new_tflm(exported, kind, moved):
    tflite, directory = exported(kind)
    sources = [directory / "main.cpp", directory / "debug_log.cpp"]
    sources += sorted((directory / kind).glob("*.cpp"))
    flags = ["-fsyntax-only", "-I", STANDIN, *definitions(tflite, moved)]
    compile_cpp(*flags, *sources)
    ino = directory / kind / f"{kind}.ino"
    compile_cpp(*flags, "-x", "c++", "-include", "Arduino.h", ino)


@needs_tflm
def test_what_the_project_calls_is_in_the_installed_tflm(exported, tmp_path):
    """The functions' names hold their arguments' types: the linker would find each of them."""
    tflite, directory = exported("watch")
    source, found = directory / "watch" / "network.cpp", tmp_path / "network.o"
    compile_cpp("-I", STANDIN, *definitions(tflite, moved=True), "-c", source, "-o", found)
    runtime = importlib.util.find_spec("tflite_micro").submodule_search_locations[0]
    runtime = next(Path(runtime).rglob("_runtime*.so"))

    def symbols(*arguments):
        command = ["nm", "--demangle", *map(str, arguments)]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        return set(re.findall(r"^[0-9a-f]* +\w (.+)$", said, re.MULTILINE))

    there = symbols("--dynamic", "--defined-only", runtime)
    called = {name for name in symbols("--undefined-only", found) if "tflite" in name}
    assert len(called) == 5  # constructor, AllocateTensors, Invoke, input, output
    assert called <= there
    names = {name.replace("_", ""): name for name in micro.builtin_operators()}
    for function in export.ADD_FUNCTIONS:
        assert f"tflite::micro::Register_{names[function.upper()]}()" in there


@needs_tflm
def test_the_watch_sketch_names_what_the_network_says_of_the_sensors_motion(exported, tmp_path):
    """A recorded exercise, played as a Nano 33 BLE's sensor would give it."""
    program = tmp_path / "sketch"
    tflite = build("watch", exported, program, sketch=True)
    arrays = data.read_npz("watch.npz")
    recording = arrays["samples"][: arrays["lengths"][0]].astype(np.float64)[:700]
    rng = np.random.default_rng(4)
    recorded_at = np.arange(700) * 20_000
    # 119 Hz, not quite evenly, from just before the clock starts again at 0 (on 32 bits).
    times = np.cumsum(rng.integers(7_000, 9_800, 1_600))
    times = times[times < recorded_at[-1]]
    seen = np.stack([np.interp(times, recorded_at, recording[:, i]) for i in range(6)], axis=1)
    board = np.concatenate([-seen[:, :3], np.degrees(seen[:, 3:])], axis=1)
    clock = (times + 2**32 - 3_000_000) % 2**32
    with open(tmp_path / "imu.txt", "w") as file:
        for time, row in zip(clock, board, strict=True):
            file.write(f"{time} {' '.join(f'{value:.9g}' for value in row)}\n")

    code, lines = run_program(program, tflite, STANDIN_IMU=str(tmp_path / "imu.txt"))
    assert code == 0
    assert "PASS" in lines
    assert re.fullmatch(r"\d+ microseconds for an inference", lines[lines.index("PASS") - 1])
    found = lines[lines.index("PASS") + 2 :]

    instants = np.arange(times[0], times[-1], 20_000)
    even = np.stack([np.interp(instants, times, seen[:, i]) for i in range(6)], axis=1)
    x = ((even - arrays["mean"]) / arrays["std"]).astype(np.float32)
    windows = np.stack([x[i : i + 100] for i in range(0, len(x) - 99, 50)])[:, None]
    graph = tflite_file.read(tflite)
    codes = quantization.quantize(windows, graph.tensors[graph.inputs[0]].qparams)
    answers = micro.run(tflite, codes).astype(int)
    names = arrays["class_names"].tolist()
    assert len(found) == len(windows) > 10
    for line, answer, window in zip(found, answers, even_windows(even), strict=True):
        likely = (answer.max() + 128) * 100 / 256
        assert line.startswith(names[answer.argmax()])
        told = [float(number) for number in re.findall(r"[-+]?\d+\.?\d*", line)]
        assert told[0] == pytest.approx(likely, abs=2)
        assert told[1:4] == pytest.approx(window[:, :3].mean(axis=0), abs=0.011)
        assert re.search(r" g, in \d+ microseconds$", line)


def even_windows(even):
    return [even[i : i + 100] for i in range(0, len(even) - 99, 50)]


# --- CMake, ctest and QEMU, with a TFLM that plays the expected outputs -------------------------

PLAYER = """
#include <cstring>
#include "tensorflow/lite/micro/micro_interpreter.h"
STANDIN_BEGIN
namespace {
alignas(16) int8_t codes[] = {%(input)s}, answer[16];
const int8_t answers[][%(size)d] = {%(answers)s};
int invoked = 0;
}
MicroInterpreter::MicroInterpreter(const Model* model, const MicroOpResolver& operators, uint8_t*,
                                   size_t, MicroResourceVariables*, MicroProfilerInterface*, bool)
    : model_(model), op_resolver_(operators) {}
TfLiteStatus MicroInterpreter::AllocateTensors() {
  input_.type = output_.type = kTfLiteInt8;
  input_.bytes = sizeof(codes);
  output_.bytes = sizeof(answers[0]);
  input_.data.int8 = codes;
  output_.data.int8 = answer;
  return kTfLiteOk;
}
TfLiteStatus MicroInterpreter::Invoke() {
  std::memcpy(answer, answers[invoked++], sizeof(answers[0]));
  return kTfLiteOk;
}
TfLiteTensor* MicroInterpreter::input(size_t) { return &input_; }
TfLiteTensor* MicroInterpreter::output(size_t) { return &output_; }
STANDIN_END
"""


@pytest.fixture
def cmake_project(tmp_path):
    """cmake_project(answers) -> (an int8 project, a tree in which TFLM gives these answers)."""
    tflite, project, tree = small_network(), tmp_path / "project", tmp_path / "tree"
    micro.export_project(tflite, project, name="net", samples=SAMPLES)
    shutil.copytree(STANDIN / "tensorflow", tree / "tensorflow")
    for header in (tree / "tensorflow").rglob("*.h"):
        text = header.read_text().replace("STANDIN_ARENA", "256")
        once = "#pragma once\n"
        header.write_text(text.replace(once, f"{once}#define STANDIN_TFLITE_MICRO\n", 1))

    def make(answers):
        rows = ", ".join(f"{{{', '.join(map(str, row))}}}" for row in np.asarray(answers).tolist())
        player = PLAYER % {"input": ", ".join("0" * 8), "size": 3, "answers": rows}
        (tree / "tensorflow" / "player.cc").write_text(player)
        return project, tree

    return make


def expected_of_small():
    tflite = small_network()
    graph = tflite_file.read(tflite)
    codes = quantization.quantize(SAMPLES, graph.tensors[graph.inputs[0]].qparams)
    return integer_engine.IntegerModel(graph).run(codes).reshape(len(SAMPLES), 3).astype(int)


def ran(*command, cwd):
    return subprocess.run(list(map(str, command)), cwd=cwd, capture_output=True, text=True)


def no_emulation():
    """Whether the C++ library for bare Arm or the emulator is missing: both are large."""
    found = [shutil.which(name) for name in ("arm-none-eabi-g++", "qemu-system-arm")]
    if not all(found):
        return True
    said = ran(found[0], "-print-file-name=librdimon.a", cwd=".").stdout.strip()
    return not Path(said).is_absolute()


needs_emulation = pytest.mark.skipif(
    no_emulation(),
    reason="2026-12: needs qemu-system-arm and newlib for arm-none-eabi, 250 MB",
)


def test_cmake_makes_a_release_build_and_ctest_runs_it(cmake_project, tmp_path):
    compiler("cmake"), compiler("g++")
    project, tree = cmake_project(expected_of_small())
    where = ("cmake", "-S", project, "-B", "build")
    done = ran(*where, cwd=tmp_path)
    assert done.returncode != 0
    assert "pass -DTFLM=..., see README.md" in done.stderr.replace("\n", "")
    done = ran(*where, f"-DTFLM={tree}", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
               "-DQEMU_ARM=QEMU_ARM-NOTFOUND", "-DARM_COMPILER=0", cwd=tmp_path)  # fmt: skip
    assert done.returncode == 0, done.stderr
    compiled = json.loads((tmp_path / "build" / "compile_commands.json").read_text())
    assert {Path(row["file"]).name for row in compiled} == {
        "main.cpp", "debug_log.cpp", "player.cc",
        "golden.cpp", "model.cpp", "network.cpp", "self_test.cpp",
    }  # fmt: skip
    for row in compiled:
        words = row["command"].split()
        assert {"-O2", "-DNDEBUG"} <= set(words), row
        assert "-O3" not in words
    done = ran("cmake", "--build", "build", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "warning" not in done.stdout + done.stderr
    done = ran("ctest", "--test-dir", "build", "--verbose", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "1: PASS" in done.stdout
    assert "100% tests passed, 0 tests failed out of 1" in done.stdout


@needs_emulation
def test_ctest_also_builds_for_an_emulated_cortex_m4(cmake_project, tmp_path):
    compiler("cmake")
    project, tree = cmake_project(expected_of_small())
    ran("cmake", "-S", project, "-B", "build", f"-DTFLM={tree}", cwd=tmp_path)
    ran("cmake", "--build", "build", cwd=tmp_path)
    done = ran("ctest", "--test-dir", "build", "--verbose", cwd=tmp_path)
    assert done.returncode == 0, done.stdout
    assert "100% tests passed, 0 tests failed out of 2" in done.stdout
    program = (tmp_path / "build" / "cortex_m4" / "self_test").read_bytes()
    assert program[:5] == b"\x7fELF\1"  # 32 bits
    assert int.from_bytes(program[18:20], "little") == 40  # Arm


@needs_emulation
@pytest.mark.parametrize("cpu", ["cortex-m3", "cortex-m4", "cortex-m7"])
def test_the_emulated_board_fails_where_an_output_is_wrong(cmake_project, tmp_path, cpu):
    compiler("cmake")
    answers = expected_of_small()
    answers[1, 2] += 3 if answers[1, 2] < 100 else -3
    project, tree = cmake_project(answers)
    options = (f"-DTFLM={tree}", "-DCMAKE_TOOLCHAIN_FILE=cortex_m.cmake", f"-DCPU={cpu}")
    ran("cmake", "-S", project, "-B", "build", *options, cwd=project)
    done = ran("cmake", "--build", "build", cwd=project)
    assert done.returncode == 0, done.stdout + done.stderr
    done = ran("ctest", "--test-dir", "build", "--verbose", cwd=project)
    assert done.returncode != 0
    assert "golden input 0: 0 of 3 outputs differ, largest" in done.stdout
    assert "golden input 1: 1 of 3 outputs differ, most by 3 (output 2), largest" in done.stdout
    assert re.search(r"^1: \d+ microseconds for an inference$", done.stdout, re.MULTILINE)
    assert "1: FAIL" in done.stdout


def test_the_toolchain_file_refuses_a_processor_that_it_does_not_know(cmake_project, tmp_path):
    compiler("cmake"), compiler("arm-none-eabi-g++")
    project, tree = cmake_project(expected_of_small())
    options = (f"-DTFLM={tree}", "-DCMAKE_TOOLCHAIN_FILE=cortex_m.cmake", "-DCPU=cortex-m99")
    done = ran("cmake", "-S", project, "-B", "build", *options, cwd=project)
    assert done.returncode != 0
    assert "cortex-m3, cortex-m4 and cortex-m7 are known" in done.stderr


# --- what is in it ----------------------------------------------------------------------------


def test_the_readme_names_every_file_the_board_and_the_revision(exported):
    _, directory = exported("watch")
    readme = (directory / "README.md").read_text()
    for path in ("watch/watch.ino", "watch/network.h", "CMakeLists.txt", "SHA256SUMS"):
        assert f"`{path}`" in readme
        assert (directory / path).is_file()
    assert "Arduino Nano 33 BLE" in readme
    assert contents.revision()[0] in readme
    assert "archived" in readme
    assert "What would still have to be true" in readme
    written = [path for path in directory.rglob("*") if path.is_file()]
    for path in written:
        text = path.read_text()
        assert "@{" not in text
        assert "course_utils" not in text
        assert str(Path.home()) not in text
    sums = dict(
        line.split("  ")[::-1] for line in (directory / "SHA256SUMS").read_text().splitlines()
    )
    assert len(sums) == len(written) - 1
    for path, expected in sums.items():
        assert hashlib.sha256((directory / path).read_bytes()).hexdigest() == expected


def test_platformio_is_pinned_and_only_for_a_board_of_the_library(exported, tmp_path):
    _, directory = exported("watch")
    pins = (directory / "platformio.ini").read_text()
    assert re.search(r"^platform = nordicnrf52@\d+\.\d+\.\d+$", pins, re.MULTILINE)
    assert re.search(r"^  https://github\.com/\S+\.git#[0-9a-f]{40}$", pins, re.MULTILINE)
    libraries = pins.split("lib_deps =\n")[1].split("monitor_speed")[0].splitlines()
    assert len(libraries) == 2
    assert all(re.search(r"(#[0-9a-f]{40}|@\d+\.\d+\.\d+)$", library) for library in libraries)
    assert "### PlatformIO" in (directory / "README.md").read_text()
    for board in set(micro.BOARDS) - {"Arduino Nano 33 BLE", "Arduino Uno R3"}:
        other = tmp_path / board.replace(" ", "_")
        micro.export_project(small_network(), other, board=board, samples=SAMPLES)
        assert not (other / "platformio.ini").exists()
        readme = (other / "README.md").read_text()
        assert "PlatformIO`" not in readme
        assert "take TFLM itself" in readme
        assert board in readme


def test_the_readmes_figures_are_those_that_were_recorded(exported):
    """Builds with TFLM's own sources, recorded by data/prepare/tflm_project.py."""
    record = data.result("tflm_project").record
    rows = {(row["network"], row["mode"], row["target"]): row for row in record["rows"]}
    targets = {target for _, _, target in rows}
    assert {"computer", "cortex-m4", "cortex-m4 with CMSIS-NN"} <= targets
    assert len(rows) == len(targets) * 6
    for row in rows.values():
        said = row["lines"]
        assert row["passed"]
        assert said[-1] == "PASS"
        assert row["passed_in_enough"]
        assert said[0] == f"{row['arena_used']} of {row['arena']} bytes of the arena used"
        assert said[-2] == f"{row['microseconds']} microseconds for an inference"
        assert row["arena_used"] <= row["arena_enough"] <= row["arena"]
        assert sum(line.startswith("golden input") for line in said) == 4
    _, directory = exported("watch")
    readme = (directory / "README.md").read_text()
    tried = readme.split("## What was tried")[1].split("##")[0]
    assert f"{len(rows)} of {len(rows)} passed both times" in tried
    for what in ("tflm_revision", "computer", "cortex_m", "qemu"):
        assert record[what] in tried
    assert f"git checkout {record['tflm_revision']}\n" in readme
    slow, fast = (
        rows["watch_cnn", "int8", target]["microseconds"] / 1000
        for target in ("cortex-m4", "cortex-m4 with CMSIS-NN")
    )
    assert f"{slow:.2f} on a cortex-m4" in tried
    assert f"{fast:.2f} on a cortex-m4 with CMSIS-NN" in tried
    assert fast < slow / 2
    # In integers fewer instructions with Arm's kernels, in float32 not: as the README says.
    for (network, mode, target), row in rows.items():
        if target == "cortex-m4 with CMSIS-NN":
            fewer = row["microseconds"] < rows[network, mode, "cortex-m4"]["microseconds"]
            assert fewer == (mode != "float32"), (network, mode)
    assert "tried in int8 and int16x8 took fewer instructions with them, the one in" in readme


def test_the_readme_sends_nobody_where_nobody_was(exported):
    """Arm's kernels were tried on a Cortex-M only, so that the first tree has TFLM's own."""
    _, directory = exported("watch")
    readme = (directory / "README.md").read_text()
    first, second = readme.split("create_tflm_tree.py")[1:]
    assert "cmake -B build -DTFLM=/path/to/tflm-tree\n" in first
    assert "OPTIMIZED_KERNEL_DIR" not in first
    assert second.index("OPTIMIZED_KERNEL_DIR=cmsis_nn") < second.index("tflm-tree-for-arm")
    assert "python3 -m pip" not in readme  # Debian refuses it outside a virtual environment
    assert "cmake -B build/m4 " in (directory / "cortex_m.cmake").read_text()
    (library,) = re.findall(r"newlib-nano, `(\S+)`", readme)
    assert data.result("tflm_flash").record["c_library"].endswith(library)
    # What is in the revision of the expected outputs was not looked up for each export.
    assert contents.revision()[0] not in readme.split("## What was tried")[1]


def test_every_value_is_in_a_template(tmp_path, monkeypatch):
    given, fill = set(), files._fill
    monkeypatch.setattr(files, "_fill", lambda path, v: given.update(v) or fill(path, v))
    micro.export_project(micro.one_scale(data.model("watch_cnn")), tmp_path / "x")
    texts = [path.read_text() for path in files.TEMPLATE.iterdir()]
    assert given == {name for text in texts for name in re.findall(r"@\{(\w+)\}", text)}


def test_the_revisions_in_the_code_are_those_that_were_recorded():
    arduino = micro.runtime(files.ARDUINO)
    assert files.LIBRARY_REVISION.startswith(arduino.revision)
    assert arduino.source.startswith(f"{files.LIBRARY.removesuffix('.git')}/")
    tried = data.result("tflm_project").record["tflm_revision"]
    assert {micro.runtime(name).revision for name in (files.REFERENCE, files.CMSIS_NN)} == {tried}
    version = data.result("tflm_runtime").record["tflite_micro"]
    assert f"dev{contents.REVISION[1].replace('-', '')}" in version
    if env.installed_version("tflite-micro") == version:
        assert contents.revision() == contents.REVISION


@needs_tflm
def test_the_arena_is_the_measured_one_with_room(exported):
    for kind in ("watch", "fashion", "depthwise"):
        tflite, directory = exported(kind)
        header = (directory / kind / "network.h").read_text()
        size = int(re.search(r"kArenaSize = (\d+)", header)[1])
        smallest = micro.smallest_arena(tflite)
        assert f"{smallest:,} bytes: the smallest arena" in header
        assert 1.1 * smallest <= size <= 1.5 * smallest
        assert size % 16 == 0
        # Without TFLM an estimate stands in, never too small and not by much too large.
        assert (
            smallest <= memory.estimated_arena(tflite_file.read(tflite)) <= 1.3 * smallest
        )


def test_without_tflm_an_int8_network_goes_too(exported, tmp_path, monkeypatch):
    tflite, directory = exported("watch")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    micro.export_project(tflite, tmp_path / "watch", name="watch")
    golden = Path("watch", "golden.cpp")
    assert (tmp_path / "watch" / golden).read_text() == (directory / golden).read_text()
    assert "not measured" in (tmp_path / "watch" / "README.md").read_text()
    with pytest.raises(ImportError, match="x86-64 only"):
        micro.export_project(small_network("float32"), tmp_path / "float", samples=SAMPLES)
    assert not (tmp_path / "float").exists()


# --- refusals: one sentence, and nothing written ----------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "said"),
    [
        ({"name": "my net"}, ValueError, "cannot be a name in C++"),
        ({"name": "2fast"}, ValueError, "cannot be a name in C++"),
        ({"name": ""}, ValueError, "cannot be a name in C++"),
        ({"name": "größe"}, ValueError, "cannot be a name in C++"),
        ({"name": "a__b"}, ValueError, "cannot be a name in C++"),
        ({"name": "../x"}, ValueError, "cannot be a name in C++"),
        ({"name": "class"}, ValueError, "keyword"),
        ({"name": "co_await"}, ValueError, "keyword"),
        ({"name": "build"}, ValueError, "built in"),
        ({"name": 5}, TypeError, "name of the project"),
        ({"board": "nano 33"}, ValueError, "did you mean 'Arduino Nano 33 BLE'"),
        ({"board": "Arduino Uno R3"}, ValueError, "32-bit"),
        ({"samples": np.zeros((2, 7))}, ValueError, r"takes \(n, 8\)"),
        ({"samples": np.zeros((0, 8))}, ValueError, "at least one"),
        ({"samples": np.full((1, 8), np.nan)}, ValueError, "NaN"),
        ({"samples": ["a"]}, TypeError, "real numbers"),
        ({"samples": None}, ValueError, "pass samples"),
        ({"tflite": b"junk"}, ValueError, "not a .tflite file"),
        ({"tflite": "watch"}, TypeError, "bytes"),
    ],
)
def test_bad_arguments_are_refused_in_words(tmp_path, arguments, error, said):
    given = {"tflite": small_network(), "samples": SAMPLES, **arguments}
    with pytest.raises(error, match=said):
        micro.export_project(directory=tmp_path / "new" / "project", **given)
    assert not list(tmp_path.iterdir())


def test_networks_that_do_not_fit_the_board_are_refused(tmp_path, monkeypatch):
    tflite = small_network()
    pico = micro.BOARDS["Raspberry Pi Pico"]
    # A bootloader's part of the flash is none of the network's.
    small = {**pico, "name": "small", "usable_flash_bytes": len(tflite) - 1}
    monkeypatch.setattr(data, "boards", lambda: [small])
    with pytest.raises(ValueError, match=r"more than all of the small's flash \([\d,]+ bytes\)"):
        micro.export_project(tflite, tmp_path / "x", board="small", samples=SAMPLES)
    small |= {"usable_flash_bytes": 2**20, "ram_bytes": 1000}
    with pytest.raises(ValueError, match="more than all of the small's RAM"):
        micro.export_project(tflite, tmp_path / "x", board="small", samples=SAMPLES)
    assert not list(tmp_path.iterdir())


def test_networks_that_tflm_or_the_project_cannot_run_are_refused(tmp_path):
    def refused(tflite, error, said):
        with pytest.raises(error, match=said):
            micro.export_project(tflite, tmp_path / "x", samples=SAMPLES)
        assert not list(tmp_path.iterdir())

    w = Writer()
    x, y = w.tensor((1, 8), "float32"), w.tensor((1, 8), "float32")
    w.operator("RFFT2D", [x, x], y)
    refused(w.bytes([x], [y]), ValueError, "TFLM has no operator RFFT2D")
    refused(w.bytes([x, x], [y]), ValueError, "2 inputs and 1 outputs")

    w = Writer()  # dynamic range: int8 weights, float activations
    x, y = w.tensor((1, 8), "float32"), w.tensor((1, 3), "float32")
    w.operator("FULLY_CONNECTED", [x, w.constant(np.ones((3, 8)), "int8", scale=0.1), -1], y)
    refused(w.bytes([x], [y]), ValueError, 'hybrid.*"int8"')

    w = Writer()
    x, y = w.tensor((1, 8), "int8", scale=0.1), w.tensor((1, 8), "float32")
    w.operator("DEQUANTIZE", [x], y)
    refused(w.bytes([x], [y]), ValueError, "integers at both ends")

    w = Writer()
    x, y = w.tensor((2, 8), "float32"), w.tensor((2, 8), "float32")
    w.operator("RELU", [x], y)
    refused(w.bytes([x], [y]), ValueError, "batch of one")

    w = Writer()
    x, y = w.tensor((1, 8), "uint8", scale=0.1), w.tensor((1, 8), "uint8", scale=0.1)
    w.operator("RELU", [x], y)
    refused(w.bytes([x], [y]), ValueError, "is uint8")

    w = Writer()
    x, y = w.tensor((1, 8), "float32"), w.tensor((1, 8), "float32")
    half = w.constant(np.ones(8), "float32")
    full = w.tensor((8,), "float32")
    w.operator("DEQUANTIZE", [half], full)
    w.operator("ADD", [x, full], y)
    model = unpack(w.bytes([x], [y]))
    model.subgraphs[0].tensors[half].type = 1  # float16
    stored = np.ones(8, np.float16).tobytes()
    model.buffers[model.subgraphs[0].tensors[half].buffer].data = np.frombuffer(stored, np.uint8)
    refused(pack(model), ValueError, 'float16.*"int8"')


def test_every_operator_of_tflm_has_its_function_and_few_are_not_exported(tmp_path):
    names = {function.upper(): function for function in export.ADD_FUNCTIONS}
    known = {name.replace("_", "") for name in micro.runtime("TFLM").operators}
    assert known == names.keys()
    for name in ("READ_VARIABLE", "WHILE"):
        w = Writer()
        x, y = w.tensor((1, 8), "float32"), w.tensor((1, 8), "float32")
        w.operator(name, [x], y)
        with pytest.raises(ValueError, match=f"runs {name}, but .* without variables and without"):
            micro.export_project(w.bytes([x], [y]), tmp_path / "x", samples=SAMPLES)
        assert not list(tmp_path.iterdir())


@needs_tflm
def test_operators_that_only_sound_as_if_they_kept_a_state_are_exported(tmp_path):
    w = Writer()
    x, part, y = (w.tensor((1, size), "float32") for size in (8, 4, 8))
    w.operator("SLICE", [x, w.constant([0, 2], "int32"), w.constant([1, 4], "int32")], part)
    w.operator("DYNAMIC_UPDATE_SLICE", [x, part, w.constant([0, 0], "int32")], y)
    samples = np.arange(8, dtype=np.float32)[None]
    tflite, board = w.bytes([x], [y]), "Raspberry Pi Pico"
    micro.export_project(tflite, tmp_path / "x", board, samples=samples)
    network = (tmp_path / "x" / "model" / "network.cpp").read_text()
    assert "operators.AddDynamicUpdateSlice() == kTfLiteOk" in network
    assert micro.run(tflite, samples).tolist() == [[2, 3, 4, 5, 4, 5, 6, 7]]


@pytest.mark.tensorflow
@pytest.mark.parametrize(("mode", "said"), [("float16", "float16"), ("dynamic", "hybrid")])
def test_the_modes_that_tflm_does_not_run_are_named(tmp_path, mode, said):
    with pytest.raises(ValueError, match=f"TFLM does not run.*{said}.*int8"):
        micro.export_project(convert_watch(mode), tmp_path / "x")
    assert not list(tmp_path.iterdir())


@needs_tflm
def test_a_network_that_answers_nan_is_refused(tmp_path):
    model = unpack(small_network("float32"))
    graph = model.subgraphs[0]
    bias = model.buffers[graph.tensors[graph.operators[0].inputs[2]].buffer]
    bias.data = np.frombuffer(np.full(3, np.nan, np.float32).tobytes(), np.uint8)
    with pytest.raises(ValueError, match="answers NaN"):
        micro.export_project(pack(model), tmp_path / "x", samples=SAMPLES)
    assert not list(tmp_path.iterdir())


@needs_tflm
def test_altered_files_are_refused_or_exported_whole(tmp_path):
    tflite, rng, said = small_network(), np.random.default_rng(5), []
    for case in range(40):
        altered = bytearray(tflite)
        for place in rng.integers(0, len(altered), 1 + case % 4):
            altered[place] = rng.integers(256)
        altered = bytes(altered[: rng.integers(8, len(altered))] if case % 8 == 0 else altered)
        target = tmp_path / f"p{case}"
        try:
            paths = micro.export_project(altered, target, samples=SAMPLES)
        except (ValueError, micro.Refused) as error:
            said.append(str(error))
            assert not target.exists()
        else:
            assert all(path.stat().st_size for path in paths)
    assert not any("\n" in sentence for sentence in said)
    assert 5 < len(said) < 40


@needs_tflm
def test_what_only_tflm_refuses_is_refused_too(tmp_path):
    model = unpack(small_network())
    model.subgraphs[0].operators[0].inputs = np.int32([0, -1, -1])  # TFLM's process dies on it
    with pytest.raises(micro.Refused):
        micro.export_project(pack(model), tmp_path / "x", samples=SAMPLES)
    assert not list(tmp_path.iterdir())


def test_directories_are_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    tflite, target = small_network(), tmp_path / "project"

    def export(**more):
        return micro.export_project(tflite, target, samples=SAMPLES, **more)

    def state():
        return {path: path.read_bytes() for path in target.rglob("*") if path.is_file()}

    target.mkdir()
    export()  # into an empty one
    first = state()
    with pytest.raises(FileExistsError, match="overwrite=True"):
        export(name="other")
    assert state() == first

    def refused(path):
        before = state()
        with pytest.raises(FileExistsError, match=f"holds {path}, which is not of an earlier"):
            export(overwrite=True)
        assert state() == before

    notes, sketch = target / "notes.txt", target / "model" / "model.ino"
    notes.write_text("mine")
    refused("notes.txt")
    notes.unlink()
    sketch.write_bytes(first[sketch] + b"// mine")
    refused("model/model.ino")
    sketch.unlink()
    sketch.symlink_to(tmp_path / "elsewhere.ino")
    (tmp_path / "elsewhere.ino").write_bytes(first[sketch])
    refused("model/model.ino")
    (tmp_path / "elsewhere.ino").unlink()
    sketch.unlink()
    sketch.write_bytes(first[sketch])
    (target / "build").symlink_to(tmp_path, target_is_directory=True)
    refused("build")
    (target / "build").unlink()

    rename = os.rename
    for stage, error in [("new", OSError), ("new", KeyboardInterrupt), ("old", KeyboardInterrupt)]:

        def failing(source, to, stage=stage, error=error):
            if Path(source).name == stage == "new":
                raise error("stopped")
            rename(source, to)
            if Path(to).name == stage == "old":
                raise error("stopped")

        monkeypatch.setattr(os, "rename", failing)
        with pytest.raises(error, match="stopped"):
            export(name="other", overwrite=True)
        assert state() == first
    monkeypatch.undo()

    (target / "build").mkdir()
    (target / "build" / "x.o").write_text("")
    paths = export(name="other", overwrite=True)
    assert set(state()) == set(paths)
    assert target / "other" / "other.ino" in paths
    assert list(tmp_path.iterdir()) == [target]

    foreign = tmp_path / "foreign"
    (foreign / "build").mkdir(parents=True)
    for thesis in (foreign / "build" / "thesis.tex", foreign / "thesis.tex"):
        thesis.write_text("mine")
        with pytest.raises(FileExistsError, match=r"thesis\.tex"):
            micro.export_project(tflite, foreign, samples=SAMPLES, overwrite=True)
        with pytest.raises(NotADirectoryError):
            micro.export_project(tflite, thesis, samples=SAMPLES)
        assert thesis.read_text() == "mine"

    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for here in (".", tmp_path / "here"):
        with pytest.raises(ValueError, match="is the folder this runs in: name a new one inside"):
            micro.export_project(tflite, here, samples=SAMPLES)
