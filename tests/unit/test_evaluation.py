"""What evaluation measures, on models whose answers, sizes and runtimes are known."""

import os

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from tflite_tools import Writer, pack, unpack

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


def network(*ends, classes=1, scale=None, kind="float32"):
    """x (1, 2) -> classes, by the operators named: 'FULLY_CONNECTED' of weights 1, 'LOGISTIC'..."""
    writer = Writer()
    x = h = writer.tensor([1, 2], "float32")
    for name in ends:
        y = writer.tensor([1, classes], "float32")
        if name == "FULLY_CONNECTED":
            weights = np.array([[(-1.0) ** k, 0.5 * k] for k in range(classes)], np.float32)
            h = [h, writer.constant(weights, "float32"), -1]
            options = {"fusedActivationFunction": "NONE"}
        else:
            h, options = [h], {"beta": 1.0} if name == "SOFTMAX" else {}
        if name == "QUANTIZE":
            y = writer.tensor([1, classes], kind, scale=scale[0], zero_point=scale[1])
        if name == "ARG_MAX":
            y = writer.tensor([1], "int64")
            h.append(writer.constant(1, "int32"))
        if name == "RESHAPE":
            y = writer.tensor([1, 1, 1, classes], "float32")
            options = {"newShape": np.int32([1, 1, 1, classes])}
        h = writer.operator(name, h, y, **options)
        if name == "ARG_MAX":
            operator = writer.graph.operators[-1]
            operator.builtinOptionsType = schema.BuiltinOptions.ArgMaxOptions
            operator.builtinOptions = schema.ArgMaxOptionsT()
            operator.builtinOptions.outputType = 4
    return writer.bytes([x], [h])


X = np.array([[3.0, 0], [-1, 0], [0.5, 0], [-2, 0], [0, 0]], np.float32)
ABOVE_ZERO = [1, 0, 1, 0, 0]


@pytest.mark.parametrize(
    ("ends", "options"),
    [
        (["LOGISTIC"], {}),
        (["LOGISTIC", "QUANTIZE"], {"scale": (1 / 256, -128), "kind": "int8"}),
        (["LOGISTIC", "QUANTIZE"], {"scale": (1 / 256, 0), "kind": "uint8"}),
        (["LOGISTIC", "QUANTIZE"], {"scale": (1 / 32768, 0), "kind": "int16"}),
        (["LOGISTIC", "RESHAPE"], {}),
    ],
)
def test_a_sigmoid_is_class_1_above_one_half(ends, options):
    tflite = network("FULLY_CONNECTED", *ends, **options)
    assert evaluation.accuracy(tflite, X, ABOVE_ZERO).value == 1
    assert evaluation.accuracy(tflite, X, [1, 1, 1, 0, 0]).value == 0.8
    assert evaluation.accuracy(tflite, X, np.bool_(ABOVE_ZERO)).value == 1
    above = evaluation.accuracy(tflite, X, [1, 0, 0, 0, 0], threshold=0.9)
    assert above.value == 1


def test_a_logit_needs_a_threshold_and_a_regression_has_no_accuracy():
    tflite = network("FULLY_CONNECTED")
    with pytest.raises(ValueError, match=r"comes from FULLY_CONNECTED, not .* threshold=0 for a l"):
        evaluation.accuracy(tflite, X, ABOVE_ZERO)
    assert evaluation.accuracy(tflite, X, ABOVE_ZERO, threshold=0).value == 1
    assert evaluation.accuracy(tflite, X, [1, 0, 0, 0, 0], threshold=1).value == 1


@pytest.mark.parametrize("ends", [[], ["RESHAPE"], ["ARG_MAX"], ["SOFTMAX", "RESHAPE"]])
def test_a_row_of_classes_is_answered_by_its_largest(ends):
    tflite = network("FULLY_CONNECTED", *ends, classes=3)
    x = np.array([[3.0, 0], [0.1, 9], [-1, 0.1], [-4, 0]], np.float32)  # a, b/2 - a, a + b
    assert evaluation.accuracy(tflite, x, [0, 2, 1, 1]).value == 1
    assert evaluation.accuracy(tflite, x, [0, 2, 1, 0]).correct == 3


def test_what_is_no_answer_to_which_class_is_refused():
    three, one = network("FULLY_CONNECTED", classes=3), network("FULLY_CONNECTED", "LOGISTIC")
    model = unpack(network("FULLY_CONNECTED", "LOGISTIC", classes=3))
    model.subgraphs[0].outputs = np.int32([1, 3])
    two_outputs, y = pack(model), np.array([0, 2, 1, 1, 0])
    for tflite, labels, options, message in [
        (three, np.eye(3)[y], {}, r"y the shape \(5, 3\)\. y\.argmax\(axis=1\) makes labels"),
        (three, y[:, None], {}, r"y\[:, 0\] of a column"),
        (three, y + 1, {}, "holds the labels 1 to 3, and the model has 3 classes, 0 to 2"),
        (three, y - 1, {}, "holds the labels -1 to 1"),
        (one, [1, -1, 1, -1, -1], {}, "the labels -1 to 1, and the model has 2 classes"),
        (three, y + 0.5, {}, "y holds labels: integers"),
        (three, ["0"] * 5, {}, "y holds labels: integers"),
        (three, y, {"threshold": 0.5}, "threshold is for a model of a single output"),
        (three, y, {"output": 1}, r"has 1 output \(0 't1' float32 \(1, 3\)\): say which"),
        (two_outputs, y, {}, r"has 2 outputs \(0 't1' float32 \(1, 3\), 1 't3' .*output=0, say"),
    ]:
        with pytest.raises(ValueError, match=message):
            evaluation.accuracy(tflite, X, labels, **options)
    with pytest.raises(ValueError, match="answers NaN"):
        evaluation.accuracy(three, X * np.nan, y)
    ours = evaluation.accuracy(two_outputs, X, y, output=1)
    assert ours.correct == evaluation.accuracy(three, X, y).correct
    for right in ([], [[True]], [2, 0], 1):
        with pytest.raises(ValueError, match="count takes a list of True and False"):
            evaluation.count(right)


@pytest.mark.parametrize("from_itself", [True, False])
def test_an_output_that_a_damaged_file_computes_from_itself_or_from_nothing(from_itself):
    model = unpack(network("FULLY_CONNECTED", "RESHAPE"))
    graph = model.subgraphs[0]
    graph.operators[1].inputs = np.int32(graph.outputs if from_itself else [])
    with pytest.raises(ValueError, match="single output comes from RESHAPE"):
        evaluation.accuracy(pack(model), X, ABOVE_ZERO)


def test_a_model_without_an_output_has_no_accuracy_and_no_answers():
    model = unpack(network("FULLY_CONNECTED"))
    model.subgraphs[0].outputs = np.int32([])
    with pytest.raises(ValueError, match="has no output: there is no answer to count"):
        evaluation.accuracy(pack(model), X, ABOVE_ZERO)
    for kernels in evaluation.KERNELS:
        with pytest.raises(ValueError, match="has no output: there is nothing"):
            evaluation.run(pack(model), X, kernels)
    verdicts = evaluation.runtimes(pack(model), X)
    assert not verdicts["LiteRT reference"].runs


def test_one_answer_for_each_pixel_is_no_class():
    writer = Writer()
    x, y = (writer.tensor([1, 2, 2, 3], "float32") for _ in range(2))
    writer.operator("LOGISTIC", [x], y)
    with pytest.raises(ValueError, match=r"answers \(1, 2, 2, 3\) to one input, which is no row"):
        evaluation.accuracy(writer.bytes([x], [y]), np.zeros((2, 2, 2, 3), np.float32), [0, 1])


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


def stored(*constants):
    """A network of these (operator, its inputs behind x: arrays or tuples with a type)."""
    writer = Writer()
    x = writer.tensor([1, 4], "float32")
    for name, values in constants:
        read = [writer.constant(value, value.dtype.name) for value in values]
        writer.operator(name, [x, *read], writer.tensor([1, 4], "float32"))
    return writer


def test_size_knows_kernels_whatever_their_operator_and_their_form():
    rng = np.random.default_rng(0)
    weights = lambda *shape: rng.integers(0, 99, shape).astype(np.int8)  # noqa: E731
    writer = stored(
        ("FULLY_CONNECTED", [weights(4, 4), np.zeros(4, np.int32)]),
        ("BATCH_MATMUL", [weights(4, 8)]),
        ("SVDF", [weights(4, 4), weights(4, 5), np.zeros(4, np.int32)]),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", [weights(3, k + 1) for k in range(11)]
         + [np.zeros(3, np.int32)] * 4),
        ("RESHAPE", [np.int32([1, 4])]),
    )  # fmt: skip
    wide = writer.constant(np.zeros((4, 4), np.int16), "int16")  # as half floats are widened
    kernel = writer.operator("DEQUANTIZE", [wide], writer.tensor([4, 4], "float32"))
    writer.operator("FULLY_CONNECTED", [0, kernel, -1], writer.tensor([1, 4], "float32"))
    writer.operator("FULLY_CONNECTED", [0, kernel, -1], writer.tensor([1, 4], "float32"))
    tflite = writer.bytes([0], [1])
    found = evaluation.size(tflite)
    kernels = 16 + 32 + 16 + 20 + sum(3 * (k + 1) for k in range(11)) + 32
    assert (found.kernels, found.biases) == (kernels, 16 + 16 + 4 * 12)
    assert [p.bytes for p in found.parts if p.kind == "other"] == [8]
    assert found.file == len(tflite) == found.kernels + found.biases + 8 + found.tables
    assert found.rest == 8 + found.tables

    model = unpack(tflite)
    nothing = np.arange(100, dtype=np.uint8)
    model.buffers.append(schema.BufferT())
    model.buffers[-1].data = nothing  # no tensor names it
    four_bit = model.subgraphs[0].tensors[model.subgraphs[0].operators[1].inputs[1]]
    four_bit.type, four_bit.shape = schema.TensorType.INT4, np.int32([8, 8])  # two in a byte
    again = evaluation.size(pack(model))
    assert (again.kernels, again.biases) == (found.kernels, found.biases)
    assert sorted(p.bytes for p in again.parts if p.kind == "other") == [8, 100]
    assert again.rest == again.file - again.kernels - again.biases


def test_size_finds_what_is_stored_sparsely_and_behind_the_flatbuffer():
    model = unpack(stored(("FULLY_CONNECTED", [np.eye(4, dtype=np.float32)])).bytes([0], [2]))
    tensor = model.subgraphs[0].tensors[1]
    tensor.sparsity = schema.SparsityParametersT()
    assert evaluation.size(pack(model)).kernels == 64
    tensor.sparsity = None
    values = bytes(model.buffers[tensor.buffer].data)
    model.buffers[tensor.buffer].data = None
    model.buffers[tensor.buffer].offset, model.buffers[tensor.buffer].size = 2**20, 64
    ahead = len(pack(model))
    model.buffers[tensor.buffer].offset = ahead
    behind = pack(model) + values
    assert len(behind) == ahead + 64
    assert evaluation.size(behind).kernels == 64
    with pytest.raises(ValueError, match="damaged or truncated"):
        evaluation.size(behind[:-1])


def test_size_of_a_file_whose_first_offset_leads_nowhere():
    for offset in (b"\xff\xff\xff\x7f", b"\x08\x00\x00\x00"):
        with pytest.raises(ValueError, match=f"^{tflite_file.BROKEN}"):
            evaluation.size(offset + b"TFL3")


def test_size_knows_operators_whose_number_old_files_hold_in_a_byte():
    model = unpack(stored(("FULLY_CONNECTED", [np.eye(4, dtype=np.float32)])).bytes([0], [2]))
    assert model.operatorCodes[0].deprecatedBuiltinCode == model.operatorCodes[0].builtinCode
    model.operatorCodes[0].builtinCode = 0
    assert evaluation.size(pack(model)).kernels == 64


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


def test_latency_reports_its_end_where_the_time_is_over_before_the_rounds(tflite):
    heard = []
    evaluation.latency({"int8": tflite}, seconds=0.02, progress=lambda *told: heard.append(told))
    assert heard[-1][0] == heard[-1][1]


def test_a_clock_too_coarse_for_one_run_is_no_division_by_zero(tflite, monkeypatch):
    monkeypatch.setattr(evaluation, "_block", lambda machine, runs: [0.0] * runs)
    found = evaluation.latency({"m": tflite}, seconds=0.01)
    assert found["m"].median == 0
    assert found["m"].runs % 50 == 0


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
    with pytest.raises(ValueError, match=r"takes \(n, 28, 28, 1\)"):  # x's fault, no runtime's
        evaluation.runtimes(tflite, images[0][:2, 1:])
    broken = evaluation.runtimes(tflite[:900], images[0][:2])
    assert set(broken) == set(found)
    assert all(not runs and "damaged or truncated" in said for runs, said in broken.values())


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
