"""TFLM in a process of its own: what it refuses, what it survives, and the memory it takes."""

import importlib.util
import itertools
import os
import re
import shutil
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from operator_cases import CASES, Case
from random_networks import networks, streams
from tflite_tools import Writer, pack, unpack

from course_utils import env
from course_utils.engines import tflite_file
from course_utils.engines.integer_engine import IntegerModel
from course_utils.machines import data, micro, process
from course_utils.machines.micro import interpreter, memory

needs_tflm = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None,
    reason="tflite-micro has wheels for Linux x86-64 only (2026-11)",
)


@pytest.fixture(scope="module")
def watch():
    tflite = data.model("watch_cnn", "int8")
    rng = np.random.default_rng(0)
    return tflite, rng.integers(-128, 128, (20, 1, 100, 6)).astype(np.int8)


@needs_tflm
def test_it_answers_as_the_integer_engine_does_also_twice(watch):
    tflite, x = watch
    expected = IntegerModel(tflite).run(x)
    assert micro.missing() == ""
    for _ in range(2):
        found = micro.run(tflite, x)
        assert found.dtype == np.int8
        assert np.array_equal(found, expected)


@needs_tflm
def test_a_model_that_kills_tflm_leaves_this_process_and_the_next_run_alone(watch):
    tflite, x = watch
    model = unpack(tflite)
    for operator in model.subgraphs[0].operators:  # TFLM asserts on inputs that are left out
        operator.inputs = np.full_like(operator.inputs, -1)
    with pytest.raises(micro.Refused, match="TFLM"):
        micro.run(pack(model), x)
    assert len(micro.run(tflite, x[:1])) == 1


@needs_tflm
def test_wrong_inputs_are_refused_in_words(watch):
    tflite, x = watch
    with pytest.raises(TypeError, match=r"x is float32, and the model takes int8: .*to_input"):
        micro.run(tflite, x.astype(np.float32))
    with pytest.raises(ValueError, match="at least one input"):
        micro.run(tflite, x[:0])
    with pytest.raises(ValueError, match=r"not a \.tflite file"):
        micro.run(b"nothing of the kind", x)


SCRIPT = """
import os
import numpy as np
from course_utils.machines import data, micro
print("started")
tflite, x = data.model("watch_cnn", "int8"), np.zeros((2, 1, 100, 6), np.int8)
print(micro.run(tflite, x).shape)
if os.fork() == 0:  # what a fork asks is not answered to its parent
    print(micro.run(tflite, x[:1]).shape)
    micro.close()
    os._exit(0)
os.wait()
print(micro.run(tflite, x).shape)
"""


@needs_tflm
@pytest.mark.parametrize("way", ["a script", "stdin", "-c"])
def test_a_script_needs_no_main_guard(way, tmp_path):
    """Run by multiprocessing's spawn, it would run once more in the other process, and end it."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    arguments = {"a script": [script], "stdin": ["-"], "-c": ["-c", SCRIPT]}[way]
    given = SCRIPT if way == "stdin" else ""
    done = subprocess.run(
        [sys.executable, "-u", *arguments], input=given, capture_output=True, text=True,
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(env.ROOT)},
    )  # fmt: skip
    assert done.stderr == ""
    assert done.stdout.split("\n") == ["started", "(2, 7)", "(1, 7)", "(2, 7)", ""]


@needs_tflm
def test_a_process_that_does_not_start_says_why(watch, monkeypatch):
    micro.close()
    monkeypatch.setattr(sys, "executable", shutil.which("false"))
    with pytest.raises(RuntimeError, match=r"process for models does not start: it said nothing"):
        process.call("TFLM", 60, time.sleep, 0)
    monkeypatch.undo()
    assert len(micro.run(*watch)) == 20


def test_without_the_wheel_one_sentence_says_why(watch, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert "Linux" in micro.missing()
    with pytest.raises(ImportError, match="x86-64 only"):
        micro.run(*watch)


# --- memory -------------------------------------------------------------------------------------

SAID = """[RecordingMicroAllocator] Arena allocation total 5504 bytes
[RecordingMicroAllocator] Arena allocation head 2400 bytes
[RecordingMicroAllocator] Arena allocation tail 3104 bytes
[RecordingMicroAllocator] 'TfLiteEvalTensor data' used 432 bytes with alignment overhead (...)
[RecordingMicroAllocator] 'Persistent TfLiteTensor data' used 128 bytes with alignment overhead
[RecordingMicroAllocator] 'Persistent TfLiteTensor quantization data' used 64 bytes with
[RecordingMicroAllocator] 'Persistent buffer data' used 1252 bytes with alignment overhead
[RecordingMicroAllocator] 'NodeAndRegistration struct' used 512 bytes with alignment overhead
"""


def test_an_arena_is_read_part_by_part_from_what_tflm_prints():
    arena = micro.memory.parse_allocations(SAID)
    assert arena == micro.Arena(5504, 2400, 3104, 432, 128, 64, 1252, 512, rest=716)
    assert arena.on_32_bits == 2400 + 1252 + (432 + 128 + 64 + 512 + 716) // 2
    kept = "[RecordingMicroAllocator] 'TfLiteTensor variable buffer data' used 400 bytes with"
    keeps = micro.memory.parse_allocations(SAID + kept)
    assert keeps == arena._replace(variables=400, rest=316)
    assert keeps.on_32_bits - arena.on_32_bits == 400 - 400 // 2  # a state is not pointers
    with pytest.raises(ValueError, match="'nodes'"):
        micro.memory.parse_allocations(SAID.replace("NodeAndRegistration", "Node"))


@needs_tflm
@pytest.mark.parametrize("name", ["watch_cnn", "fashion_cnn", "lenet_300_100"])
def test_the_smallest_arena_runs_and_five_percent_less_does_not(name):
    tflite = data.model(name, "int8")
    engine = IntegerModel(tflite)
    x = np.random.default_rng(1).integers(-128, 128, (2, *engine.input.shape[1:])).astype(np.int8)
    smallest = micro.smallest_arena(tflite)
    assert smallest % 16 == 0
    assert np.array_equal(micro.run(tflite, x, smallest), engine.run(x))
    less = int(0.95 * smallest)
    with pytest.raises(micro.Refused, match=f"this model in an arena of {less:,} bytes"):
        micro.run(tflite, x, less)
    with pytest.raises(micro.Refused):
        micro.run(tflite, x, smallest - 16)
    arena = micro.arena(tflite)
    assert arena.total == arena.head + arena.tail
    assert arena.rest > 0
    assert arena.on_32_bits < arena.total <= smallest


@needs_tflm
def test_an_arena_far_too_small_never_ends_this_process(watch):
    tflite, x = watch
    for size in (1, 16, 200, 1000, 2000, 4000):
        with pytest.raises(micro.Refused, match="TFLM"):
            micro.run(tflite, x[:1], size)
    with pytest.raises(ValueError, match="at least one"):
        micro.run(tflite, x[:1], 0)
    assert len(micro.run(tflite, x[:1])) == 1


@pytest.mark.parametrize("name", ["watch_cnn", "fashion_cnn", "fashion_dscnn", "lenet_300_100"])
def test_what_must_be_alive_at_once_is_the_head_that_tflm_needs(name):
    parts = micro.activations(data.model(name, "int8"))
    recorded = data.result("tflm_networks").record["networks"][name]["int8"]
    assert max(micro.alive(parts)) == recorded["arena"]["head"]
    assert parts[0].name == "input"
    assert sum(part.bytes for part in parts) > max(micro.alive(parts))


def test_a_tensor_that_is_read_again_later_stays_alive():
    writer = Writer()
    x, a, b, c = (writer.tensor([1, 100], scale=1.0) for _ in range(4))
    writer.operator("RELU", [x], a)
    writer.operator("RELU", [a], b)
    writer.operator("ADD", [b, x], c, fusedActivationFunction="NONE")
    parts = micro.activations(writer.bytes([x], [c]))
    assert [part[2:] for part in parts] == [(0, 2), (0, 1), (1, 2), (2, 2)]
    assert micro.alive(parts) == [224, 336, 336]


# --- what a file says ---------------------------------------------------------------------------


@needs_tflm
def test_the_recorded_operators_are_those_that_the_interpreter_knows():
    record = data.result("tflm_runtime").record
    known = micro.operators()
    assert known == set(record["known"])
    assert set(micro.builtin_operators()) == known | set(record["unknown"])
    assert {"CONV_2D", "SOFTMAX", "VAR_HANDLE"} <= known
    assert "CONV_3D" not in known


def test_the_report_agrees_with_what_happened_when_each_file_was_tried():
    networks = data.result("tflm_networks").record["networks"]
    rows = [row for modes in networks.values() for row in modes.values()]
    assert len(rows) == 21
    assert all(row["runs"] == (not row["problems"]) for row in rows)
    assert {row["runs"] for row in rows} == {True, False}


def test_the_report_names_operators_versions_types_and_shapes():
    report = micro.compatibility(data.model("watch_cnn", "int8"))
    assert report.should_run
    assert str(report).startswith(
        "  0 CONV_2D v3: int8 1×1×100×6, int8 16×1×5×6, int32 16 -> int8 1×1×100×16\n"
    )
    assert "\nNothing speaks against it: TFLM should run this model.\n" in str(report)
    everywhere = micro.compatibility(micro.one_scale(data.model("watch_cnn", "int8")))
    assert str(everywhere).endswith("TFLM should run this model.")


def _one(name, kernel="int8", x="float32", **options):
    writer = Writer()
    inputs = [writer.tensor([1, 4, 4, 1], x), writer.tensor([1, 1, 1, 1], kernel, scale=1.0)]
    y = writer.tensor([1, 4, 4, 1], x)
    writer.operator(name, inputs, y, **options)
    return writer.bytes(inputs[:1], [y])


def test_the_report_says_what_is_unsupported_and_what_to_do_instead():
    hybrid = micro.compatibility(_one("CONV_2D", padding="SAME", strideW=1, strideH=1))
    assert not hybrid.should_run
    assert hybrid.problems[0].startswith("CONV_2D is hybrid: int8 weights, but float32 inputs. ")
    assert 'convert(model, "int8", calibration)' in str(hybrid)
    model = unpack(_one("RELU"))
    model.operatorCodes[0].builtinCode = 132
    unknown = micro.compatibility(pack(model))
    assert "TFLM has no operator CONV_3D." in str(unknown)
    assert "TFLM will not run this model: 1 of its 1 operators." in str(unknown)
    model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = 6
    model.subgraphs[0].tensors[0].type = 1
    assert "DEQUANTIZE reads float16" in micro.compatibility(pack(model)).problems[0]
    model.subgraphs[0].tensors[0].type = 10
    assert "uses type 10" in micro.compatibility(pack(model)).problems[0]


# --- boards -------------------------------------------------------------------------------------


def test_the_watch_network_fits_the_nano_with_room_and_nothing_fits_the_uno():
    row = data.result("tflm_networks").record["networks"]["watch_cnn"]["int8"]
    flash = micro.flash(data.model("watch_cnn", "int8"))
    assert flash.model == row["file_bytes"]
    assert flash.total == flash.model + sum(micro.code_bytes(row["operators"]))
    nano = micro.fit("Arduino Nano 33 BLE", flash.total, row["smallest_arena"])
    assert nano.fits
    assert 0.89 < nano.flash_left / (nano.flash_left + flash.total) < 0.91
    least = micro.flash(data.model("watch_cnn", "int8"), "reference").total
    assert micro.fit("Arduino Nano 33 BLE", least, 0).flash_left > 0.93 * (
        nano.flash_left + flash.total
    )
    assert nano.ram_left > 0.97 * 256 * 1024
    uno = micro.fit("Arduino Uno R3", flash.total, row["smallest_arena"])
    assert not uno.fits
    assert uno.ram_left == 2048 - row["smallest_arena"] < 0
    assert not micro.fit("Arduino Uno R3", 0, 0).fits  # an 8-bit processor
    with pytest.raises(ValueError, match="did you mean 'Arduino Nano 33 BLE'"):
        micro.fit("nano 33", 0, 0)


def test_code_shared_by_two_operators_is_counted_once():
    def kernels(*names):
        return micro.code_bytes(names)[1]

    core, one = micro.code_bytes(["MAX_POOL_2D"])
    assert micro.code_bytes(["MAX_POOL_2D", "MAX_POOL_2D"]) == (core, one)
    other, two = kernels("AVERAGE_POOL_2D"), kernels("MAX_POOL_2D", "AVERAGE_POOL_2D")
    assert max(one, other) < two < one + other - 2000
    assert kernels("PAD") < kernels("PAD", "PADV2") < kernels("PAD") + 100  # all but the parser
    with pytest.raises(ValueError, match="no operator CONV_3D"):
        micro.code_bytes(["CONV_3D"])


# --- hostile files ------------------------------------------------------------------------------


@needs_tflm
def test_altered_files_never_take_this_process_along(watch):
    """Bytes flipped at random, also past the check in Python, and graphs put together wrongly."""
    tflite, x = watch
    outcomes = set()
    for seed in range(60):
        rng = np.random.default_rng(seed)
        altered = bytearray(tflite)
        for at in rng.integers(0, len(tflite), rng.integers(1, 6)):
            altered[at] = rng.integers(256)
        outcomes.add(_outcome(micro.arena, bytes(altered)))
        unchecked = interpreter.run_whole, bytes(altered), (x[:1, None],), 1, 1 << 20
        outcomes.add(_outcome(interpreter.in_tflm, *unchecked))
        model = unpack(tflite)
        graph = model.subgraphs[0]
        operator, tensor = rng.choice(graph.operators), rng.choice(graph.tensors)
        if seed % 3 == 0:
            count = len(graph.tensors)
            operator.inputs = rng.integers(-1, count, len(operator.inputs)).astype(np.int32)
        elif seed % 3 == 1:
            tensor.shape = rng.integers(0, 200, rng.integers(0, 6)).astype(np.int32)
        else:
            tensor.type = int(rng.integers(0, 18))
        outcomes.add(_outcome(micro.run, pack(model), x[:1]))
        outcomes.add(_outcome(micro.compatibility, pack(model)))
    assert outcomes == {"fine", "Refused", "Died", "ValueError", "x is of another type"}
    assert len(micro.run(tflite, x[:1])) == 1


@needs_tflm
def test_what_never_ends_is_stopped(watch, monkeypatch):
    tflite, x = watch
    micro.run(tflite, x[:1])  # the process is there: on a busy machine its start takes seconds
    monkeypatch.setattr(process, "TIMEOUT", 1)
    with pytest.raises(micro.Refused, match="not done after 1 s; its process was stopped"):
        interpreter.in_tflm(time.sleep, 600)
    monkeypatch.undo()
    assert len(micro.run(tflite, x[:1])) == 1


def _outcome(function, *arguments):
    """What became of a call; a TypeError only if `run` says it of its x, others are our fault."""
    try:
        function(*arguments)
    except (micro.Refused, ValueError) as error:
        return type(error).__name__ if str(error) else "no words"
    except TypeError as error:
        if function is micro.run and re.match(r"x is int8, and the model takes \w+: ", str(error)):
            return "x is of another type"
        raise
    return "fine"


def test_an_outcome_that_is_our_own_fault_is_not_swallowed(watch):
    for arguments in ((micro.run, watch[0]), (micro.compatibility, 5), (len, 5)):
        with pytest.raises(TypeError):
            _outcome(*arguments)


class Large(Case):
    """The random networks of one operator with three times as much of everything."""

    def int(self, low, high):
        value = super().int(low, high)
        return 3 * value if low == 1 else value


@needs_tflm
@pytest.mark.parametrize("kind", [Case, Large])
@pytest.mark.parametrize(
    ("name", "type_name"),
    [  # whose kernels ask for more than a multiplier a channel
        ("BATCH_MATMUL", "int8"),
        ("SOFTMAX", "int16"),
        ("SVDF", "int8"),
        ("TRANSPOSE_CONV", "int8"),
        ("TRANSPOSE_CONV", "int16"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", "int8"),
        ("MEAN", "int8"),
        ("ADD", "int8"),
    ],
)
def test_the_estimated_arena_is_enough_and_not_much_more(name, type_name, kind):
    for seed in range(2):
        case = kind(seed, type_name)
        last = CASES[name](case)
        tflite = case.writer.bytes([case.first], [last])
        smallest = micro.smallest_arena(tflite)
        assert smallest <= memory.estimated_arena(tflite) <= 1.2 * smallest + 640
        assert memory.planned_head(tflite) == micro.arena(tflite).head


@needs_tflm
@pytest.mark.parametrize(
    "drawn",
    [networks(), networks("int16"), streams()],
    ids=["int8", "int16", "with a state"],
)
def test_activations_are_planned_as_tflm_plans_them_and_the_arena_is_estimated(drawn):
    compared = 0

    @settings(max_examples=25, deadline=None)
    @given(drawn)
    def compare(network):
        nonlocal compared
        try:
            head = micro.arena(network[0]).head
        except micro.Refused:
            return
        compared += 1
        assert memory.planned_head(network[0]) == head
        smallest = micro.smallest_arena(network[0])
        assert smallest <= memory.estimated_arena(network[0]) <= 1.2 * smallest + 1024

    compare()
    assert compared > 10


@needs_tflm
def test_of_two_activations_of_a_size_the_later_is_placed_first():
    """As in MLPerf Tiny's network for faces: the other way round the head would be smaller."""
    writer, sizes = Writer(), (48, 32, 32, 64, 16)
    tensors = [writer.tensor((1, size), "int8", 0.1, 0) for size in sizes]
    for (x, reads), (y, writes) in itertools.pairwise(zip(tensors, sizes, strict=True)):
        weights = writer.constant(np.ones((writes, reads)), "int8", scale=0.1, zero_point=0)
        writer.operator("FULLY_CONNECTED", [x, weights], y)
    tflite = writer.bytes([tensors[0]], [tensors[-1]])
    assert memory.planned_head(tflite) == micro.arena(tflite).head
    assert max(memory.alive(memory.activations(tflite))) < memory.planned_head(tflite)


def test_a_state_is_part_of_the_estimated_arena():
    def network(columns):
        writer = Writer()
        x = writer.tensor((1, 4), "int8", 0.1, 0)
        handle = writer.operator(
            "VAR_HANDLE", [], writer.tensor((), "resource"), container="", sharedName="state"
        )
        before = writer.tensor((1, columns), "int8", 0.1, 0)
        writer.operator("READ_VARIABLE", [handle], before)
        return tflite_file.read(writer.bytes([x], [before]))

    more = memory.estimated_arena(network(3200)) - memory.estimated_arena(network(1600))
    assert more == 1600 + 1600  # the variable, and what is read of it
