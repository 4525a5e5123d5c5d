"""TFLM in a process of its own: what it refuses, what it survives, and the memory it takes."""

import importlib.util

import numpy as np
import pytest
from tflite_tools import pack, unpack

from course_utils import data, micro
from course_utils.integer_engine import IntegerModel

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
    with pytest.raises(micro.Refused, match="does not run this model"):
        micro.run(tflite, x.astype(np.float32))
    with pytest.raises(ValueError, match="at least one input"):
        micro.run(tflite, x[:0])
    with pytest.raises(ValueError, match=r"not a \.tflite file"):
        micro.run(b"nothing of the kind", x)


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
    with pytest.raises(micro.Refused):
        micro.run(tflite, x, int(0.95 * smallest))
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
