"""micro.run: TFLM in a process of its own, what it refuses, and what it survives."""

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
