"""What evaluation measures, on models whose answers, sizes and runtimes are known."""

import os

import numpy as np
import pytest

from course_utils.engines import float_engine, tflite_file
from course_utils.engines.integer_engine import IntegerModel
from course_utils.machines import data, evaluation
from course_utils.numbers import intervals
from course_utils.numbers.quantization import quantize


@pytest.fixture(scope="module")
def images():
    dataset = data.load("fashion_mnist")
    return dataset.x_test[:600], dataset.y_test[:600]


@pytest.fixture(scope="module")
def tflite():
    return data.model("fashion_cnn")


def test_accuracy_counts_what_the_integer_engine_counts(tflite, images):
    x, y = images
    heard = []
    found = evaluation.accuracy(tflite, x, y, "reference", lambda *told: heard.append(told))
    model = IntegerModel(tflite)
    outputs = model.run(quantize(x, model.input.qparams))
    best = np.sort(outputs.astype(int), axis=1)
    undecided = int((best[:, -1] - best[:, -2] <= 2).sum())  # LiteRT and TFLM differ by 1
    right = outputs.argmax(axis=1) == y
    assert (found.right != right).sum() <= undecided < 60
    assert found.correct == found.right.sum()
    assert found.value == found.correct / found.n
    assert found.interval == intervals.wilson(found.correct, 600)
    assert heard == [(250, 600), (500, 600), (600, 600)]


def test_inputs_are_rounded_not_truncated(tflite, images):
    x, _ = images
    model = IntegerModel(tflite)
    codes = quantize(x, model.input.qparams)
    floats, integers = (evaluation.run(tflite, given, "reference") for given in (x, codes))
    assert np.array_equal(floats, integers)
    truncated = (x / np.float32(model.input.qparams.scale)).astype(np.int8) - np.int8(-128)
    assert not np.array_equal(truncated, codes)


def test_batches_and_single_inputs_answer_alike(tflite, images):
    x, _ = images
    together = evaluation.run(tflite, x[:300], "reference")
    one_by_one = np.concatenate([evaluation.run(tflite, x[i : i + 1], "reference")
                                 for i in range(0, 300, 60)])  # fmt: skip
    assert np.array_equal(together[::60], one_by_one)


def test_compare_pairs_images():
    before, after = evaluation.count([1, 1, 1, 0, 0]), evaluation.count([1, 0, 0, 1, 0])
    compared = evaluation.compare(before, after)
    assert compared[:4] == (2, 1, 5, 0.2)
    assert compared.interval == intervals.paired_difference(2, 1, 5)
    assert compared.p_value == intervals.mcnemar_exact(2, 1)
    with pytest.raises(ValueError, match="5 and 1 differ"):
        evaluation.compare(before, evaluation.count([1]))


@pytest.mark.parametrize("name", ["fashion_cnn", "fashion_dscnn", "watch_cnn"])
def test_size_finds_every_byte_of_the_weights(name):
    tflite = data.model(name)
    size = evaluation.size(tflite)
    network = data.checkpoint(name)
    kernels = {key.split("/")[0]: value.size for key, value in network.weights.items()
               if key.endswith("/kernel")}  # fmt: skip
    assert {p.layer: p.bytes for p in size.parts if p.kind == "kernel"} == kernels
    assert [p.layer for p in size.parts if p.kind == "kernel"] == list(kernels)
    assert all(p.type == "int32" for p in size.parts if p.kind == "bias")
    assert size.file == len(tflite) == size.kernels + size.biases + size.rest
    assert size.gzip < size.file


def test_latency_is_positive_ordered_and_puts_the_processors_back(tflite):
    heard = []
    before = getattr(os, "sched_getaffinity", lambda _: None)(0)
    found = evaluation.latency(
        {"int8": tflite, "again": tflite}, seconds=0.2, progress=lambda *told: heard.append(told)
    )
    assert getattr(os, "sched_getaffinity", lambda _: None)(0) == before
    assert list(found) == ["int8", "again"]
    for value in found.values():
        low, high = value.quartiles
        assert 0 < low <= value.median <= high
        assert value.runs >= 3
    assert heard


def test_reference_kernels_are_the_slow_ones(tflite):
    slow, quick = (evaluation.latency({"m": tflite}, kernels, seconds=0.3)["m"].median
                   for kernels in ("reference", "xnnpack"))  # fmt: skip
    assert slow > quick


def test_runtimes_are_tried(tflite, images):
    found = evaluation.runtimes(tflite, images[0][:2])
    assert found["LiteRT reference"] == found["LiteRT XNNPACK"] == (True, "")
    assert found["integer engine"] == found["integer only"] == (True, "")
    if found["TFLM"] != (True, ""):
        assert "Linux on x86-64 only" in found["TFLM"].said


def test_bad_input_gets_a_sentence(tflite, images):
    x, y = images
    for call, error, message in [
        (lambda: evaluation.accuracy(tflite, x, y[:5]), ValueError, "x has 600, y the shape"),
        (lambda: evaluation.accuracy(tflite, x[:0], y[:0]), ValueError, "at least one"),
        (lambda: evaluation.accuracy(tflite, x[:, :9], y), ValueError, r"takes \(n, 28, 28, 1\)"),
        (lambda: evaluation.run(tflite, x.astype(np.int32)), TypeError, "takes int8, or real"),
        (lambda: evaluation.run(tflite, x, "cuda"), ValueError, "kernels xnnpack and reference"),
        (lambda: evaluation.run(tflite[:900], x), ValueError, "damaged or truncated"),
        (lambda: evaluation.size(b"PK"), ValueError, "not a .tflite file"),
        (lambda: evaluation.latency({}), ValueError, "no model to time"),
        (lambda: evaluation.latency({"a": tflite}, threads=0), ValueError, "at least 1"),
    ]:
        with pytest.raises(error, match=message):
            call()


def test_nan_has_no_code(tflite, images):
    with pytest.raises(ValueError, match="NaN has no code"):
        evaluation.run(tflite, np.full_like(images[0][:2], np.nan))


def test_the_shipped_int8_network_is_about_as_right_as_its_checkpoint(tflite, images):
    x, y = images
    network = data.checkpoint("fashion_cnn")
    float32 = evaluation.count(float_engine.predict(network.layers, network.weights, x) == y)
    compared = evaluation.compare(float32, evaluation.accuracy(tflite, x, y))
    assert compared.interval[0] < 0.02
    assert tflite_file.read(tflite).tensors[0].type == "int8"


def test_processor_is_named():
    found = evaluation.processor()
    assert found["processor"]
    assert found["processors"] >= 1
