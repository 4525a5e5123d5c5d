"""integer_engine.py against the TFLM interpreter, bit for bit, and against bad model files."""

import collections
import importlib.util
import itertools
import math
import random
import subprocess
import sys

import flatbuffers
import numpy as np
import operator_cases
import pytest
import random_networks
from ai_edge_litert import schema_py_generated as schema
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from tflite_tools import Writer, pack, unpack

from course_utils import env
from course_utils.engines import integer_engine as ie
from course_utils.engines import layer_specs, tflite_file
from course_utils.engines.integer_engine import IntegerModel, layers
from course_utils.machines import conversion, data, micro, models
from course_utils.machines.micro import Refused

NETWORKS = 250  # random ones; the bound is 200
CONVERTED = 25  # of them through the real converter
MUTATIONS = 10_000

needs_tflm = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None,
    reason="tflite-micro has wheels for Linux x86-64 only (2026-11)",
)
SHIPPED = sorted(path.stem for path in (data.DIRECTORY / "models").glob("*_int8.tflite"))


@pytest.fixture(scope="module")
def tflm():
    yield micro  # its process stays from one model to the next
    micro.close()


def whole_test_set(name):
    """Return the whole official test set of a shipped network's data set."""
    return data.load(models.DATASETS[name.removesuffix("_int8").removesuffix("_qat")]).x_test


def quantized(x, model):
    from course_utils.numbers.quantization import quantize

    return quantize(x, model.input.qparams)


# --- the arithmetic -------------------------------------------------------------------------


def exact(x, multiplier, shift):
    """The two roundings, in Python's unbounded integers and fractions."""
    high = math.floor((x * 2 ** max(shift, 0) * multiplier + 2**30) / 2**31)
    high = (x * 2 ** max(shift, 0) * multiplier + 2**30) // 2**31
    right = max(-shift, 0)
    half = 2**right // 2
    return (high + half) // 2**right if high >= 0 else -((-high + half) // 2**right)


@given(
    x=st.integers(-(2**31), 2**31 - 1),
    multiplier=st.integers(2**30, 2**31 - 1),
    shift=st.integers(-31, 0),
)
def test_multiply_by_quantized_multiplier_rounds_twice(x, multiplier, shift):
    found = ie.multiply_by_quantized_multiplier(np.array([x]), multiplier, shift)[0]
    assert found == exact(x, multiplier, shift)


@given(st.floats(2.0**-32, 2.0**20))
def test_a_multiplier_has_31_bits(real):
    multiplier, shift = ie.quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert math.ldexp(multiplier, shift - 31) == pytest.approx(real, rel=2.0**-31)


def test_multipliers_at_the_edges():
    assert ie.quantize_multiplier(1.0) == (2**30, 1)
    assert ie.quantize_multiplier(1 - 2.0**-40) == (2**30, 1)  # rounds up to 1
    assert ie.quantize_multiplier(0.0) == (0, 0)
    assert ie.quantize_multiplier(2.0**-33) == (0, 0)
    assert ie.quantize_multiplier(2.0**-32) == (2**30, -31)


@settings(max_examples=200)
@given(
    reals=st.lists(st.floats(-34, 4).map(lambda e: 2.0**e), min_size=1, max_size=6),
    zero_point=st.integers(-128, 127),
    low=st.sampled_from(["lowest", "zero point", "high"]),
    bias=st.integers(-(2**31) + 2**27, 2**31 - 2**27),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_quick_requantization_is_the_textbooks(reals, zero_point, low, bias, seed):
    """Both at each side of all steps from one code to the next, and anywhere."""
    rng = np.random.default_rng(seed)
    channels = len(reals)
    biases = np.where(rng.integers(0, 2, channels), bias, rng.integers(-1000, 1000, channels))
    sums = []
    for real, offset in zip(reals, biases, strict=True):
        around = np.rint((np.arange(-300, 300) + 0.5) / real)
        around = np.concatenate([around - 1, around, around + 1]) - offset
        anywhere = rng.integers(-(2**24), 2**24, 300)
        small = rng.integers(-300, 300, 300)
        sums.append(np.clip(np.concatenate([around, anywhere, small]), -(2**24), 2**24))
    sums = np.stack(sums, axis=1)
    qmin = {"lowest": -128, "zero point": zero_point, "high": min(zero_point + 9, 120)}[low]
    pairs = np.array([ie.quantize_multiplier(real) for real in reals]).T
    largest = np.full(channels, 2.0**24) + np.abs(biases)
    repeat = 3 if len(sums) % 3 == 0 else 1
    quick = layers.Requantize(biases, reals, largest, zero_point, qmin, 127, repeat)
    expected = ie.requantize(sums.astype(np.int64) + biases, *pairs, zero_point, qmin, 127)
    np.testing.assert_array_equal(quick(sums), expected)
    np.testing.assert_array_equal(quick(sums.astype(np.float32)), expected)


@settings(max_examples=100)
@given(taps=st.integers(1, 25), units=st.integers(1, 5), seed=st.integers(0, 2**32 - 1))
def test_partial_sums_of_depthwise_layers_fit_an_int16(taps, units, seed):
    rng = np.random.default_rng(seed)
    weights = rng.choice([rng.integers(-128, 128), -128, 127, 1, 0], (taps, units)).astype(np.int64)
    first, last = layers._groups(weights, 255)
    starts, ends = np.flatnonzero(first), np.flatnonzero(last)
    assert starts[0] == 0
    assert ends[-1] == taps - 1
    assert (starts[1:] == ends[:-1] + 1).all()
    for start, end in zip(starts, ends, strict=True):
        largest = np.abs(weights[start : end + 1]).sum(axis=0).max() * 128
        assert largest < 2**15


def test_the_exponential_of_softmax_is_one():
    for step in (1e-4, 0.01, 0.1, 1.0, 3.0):
        table = ie.softmax_table(step) / 2**31
        expected = np.exp(-step * np.arange(256))
        np.testing.assert_allclose(table, expected, rtol=0, atol=1e-6)


# --- equal to TFLM --------------------------------------------------------------------------


@needs_tflm
@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_model_equals_tflm_on_the_whole_test_set(name, tflm, record_property):
    model = IntegerModel(data.model(name.removesuffix("_int8"), "int8"))
    x = quantized(whole_test_set(name), model)
    expected = tflm.run(data.model(name.removesuffix("_int8"), "int8"), x)
    found = model.run(x)
    differing = int((found != expected).sum())
    counted = f"{name}: {len(x)} inputs, {found.size} values, {differing} differing"
    record_property("counted", counted)
    assert found.dtype == np.int8
    assert differing == 0


def test_every_checkpoint_is_shipped_as_an_int8_model():
    assert {f"{name}_int8" for name in models.DATASETS} <= set(SHIPPED)


def settled(examples):
    """Hypothesis as a source of the same random networks each time, kept nowhere."""
    return settings(
        max_examples=examples, database=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip


@needs_tflm
@pytest.mark.parametrize(
    ("type_name", "examples"), [("int8", NETWORKS), ("int16", 250)], ids=["int8", "int16x8"]
)
def test_random_networks_equal_tflm(type_name, examples, tflm, record_property):
    count, operators, refused = collections.Counter(), collections.Counter(), []

    @seed(20261122)
    @settled(examples)
    @given(random_networks.networks(type_name))
    def compare(network):
        tflite, x, names = network
        try:
            expected = tflm.run(tflite, x)
        except Refused as error:  # a model that TFLM itself does not take
            refused.append((names, str(error)))
            return
        found = IntegerModel(tflite).run(x)
        count.update(networks=1, values=found.size, differing=int((found != expected).sum()))
        count["codes"] += len(np.unique(found))
        operators.update(set(names))

    compare()
    record_property(
        "counted",
        f"{count['networks']} random {type_name} networks, {count['values']} values, "
        f"{count['differing']} differing; {len(refused)} refused by TFLM; {dict(operators)}",
    )
    assert count["differing"] == 0
    assert count["networks"] >= 200
    assert count["codes"] / count["networks"] > 5, "the outputs are hardly more than constant"
    assert set(operators) >= random_networks.OPERATORS


@needs_tflm
@pytest.mark.parametrize("type_name", ["int8", "int16"])
def test_networks_that_remember_equal_tflm_step_by_step(type_name, tflm, record_property):
    count = collections.Counter()

    @seed(20261201)
    @settled(40)
    @given(random_networks.streams(type_name))
    def compare(stream):
        tflite, x, variables = stream
        model = IntegerModel(tflite)
        assert model.is_stateful
        found, expected = model.run(x), tflm.run(tflite, x)
        np.testing.assert_array_equal(model.run(x), found)  # each call begins anew
        traced = {step.name: step.array for step in model.trace(x)}
        np.testing.assert_array_equal(traced[model.output.name], found)
        alone = np.concatenate([model.run(one[None]) for one in x])
        count.update(networks=1, variables=variables, values=found.size)
        count["differing"] += int((found != expected).sum())
        count["remembered"] += bool((alone != found).any())
        count["given"] += len(model.graph.others)

    compare()
    record_property("counted", f"{type_name}, networks that remember: {dict(count)}")
    assert count["differing"] == 0
    assert count["remembered"] > count["networks"] / 2, "hardly a state matters"
    assert 0 < count["given"] < count["networks"]


def converted_networks():
    """Yield (tf_keras model, per_channel) of architectures that only the real converter makes."""
    tf_keras = env.keras()
    layers = tf_keras.layers
    rng = random.Random(3)
    for number in range(CONVERTED):
        tf_keras.utils.set_random_seed(number)
        shape = (rng.randint(1, 8), rng.randint(1, 8), rng.randint(1, 4))
        x = image = tf_keras.Input(shape)
        for _ in range(rng.randint(1, 3)):
            kind = rng.choice(["conv", "depthwise", "branch", "pool", "pad"])
            fused = rng.choice([None, "relu", tf_keras.activations.relu, "relu6"])
            fused = (lambda v: layers.ReLU(6.0)(v)) if fused == "relu6" else fused
            if kind == "conv":
                kernel, stride = rng.randint(1, 3), rng.randint(1, 3)
                dilation = rng.randint(1, 2) if stride == 1 else 1
                x = layers.Conv2D(
                    rng.randint(1, 6), kernel, stride, "same", dilation_rate=dilation,
                    activation=fused if isinstance(fused, str) else None,
                    kernel_initializer=rng.choice(["glorot_uniform", "zeros", "ones"]),
                    use_bias=rng.choice([True, False]),
                )(x)  # fmt: skip
            elif kind == "depthwise":
                x = layers.DepthwiseConv2D(
                    rng.randint(1, 3), rng.randint(1, 2), "same", use_bias=rng.random() < 0.5
                )(x)
                x = layers.BatchNormalization()(x)
            elif kind == "branch":
                other = layers.Conv2D(x.shape[-1], 1, activation="relu")(x)
                joined = rng.choice([layers.Add, layers.Multiply, layers.Concatenate])
                x = joined()([x, other])
            elif kind == "pool":
                pool = rng.choice([layers.MaxPooling2D, layers.AveragePooling2D])
                x = pool(rng.randint(1, 2), padding="same")(x)
            else:
                x = layers.ZeroPadding2D(rng.randint(0, 1))(x)
            if callable(fused) and not isinstance(fused, str):
                x = fused(x)
        end = rng.choice(["flatten", "average", "average kept"])
        x = {
            "flatten": layers.Flatten(),
            "average": layers.GlobalAveragePooling2D(),
            "average kept": layers.GlobalAveragePooling2D(keepdims=True),
        }[end](x)
        x = layers.Flatten()(x)
        x = layers.Dense(rng.randint(1, 9), activation=rng.choice([None, "relu", "softmax"]))(x)
        yield tf_keras.Model(image, x), rng.random() < 0.7


@needs_tflm
def test_converted_networks_equal_tflm(tflm, record_property):
    count = collections.Counter()
    rng = np.random.default_rng(5)
    for network, per_channel in converted_networks():
        samples = rng.normal(size=(30, *network.input_shape[1:])).astype(np.float32)
        tflite = conversion.convert(network, "int8", samples, per_channel=per_channel)
        try:
            model = IntegerModel(tflite)
        except ValueError as error:  # a network of zero weights, whose softmax aborts TFLM
            assert "TFLM stops on it" in str(error)  # noqa: PT017
            with pytest.raises(Refused, match="died"):
                tflm.run(tflite, np.zeros((1, *network.input_shape[1:]), np.int8))
            count["refused by both"] += 1
            continue
        x = np.concatenate([quantized(samples, model), quantized(9 * samples, model)])
        expected = tflm.run(tflite, x)
        differing = int((model.run(x) != expected).sum())
        assert differing == 0, [op.name for op in model.graph.operators]
        count.update(networks=1, values=expected.size, differing=differing)
    record_property("counted", f"converted: {dict(count)}")


@needs_tflm
def test_float_edges_equal_tflm(tflm, record_property):
    """A file with float inputs and outputs quantizes and dequantizes at its edges."""
    rng = np.random.default_rng(11)
    compared = 0
    for scale, zero_point in ((0.1, 3), (0.5, -128), (0.0213, 127), (3e-5, 0)):
        writer = Writer()
        first = writer.tensor((1, 40), "float32")
        codes = writer.tensor((1, 40), "int8", scale, zero_point)
        last = writer.tensor((1, 40), "float32")
        writer.operator("QUANTIZE", [first], codes)
        writer.operator("DEQUANTIZE", [codes], last)
        tflite = writer.bytes([first], [last])
        ties = (rng.integers(-300, 300, (100, 40)) + 0.5) * scale
        x = np.concatenate([ties, rng.normal(size=(100, 40)) * 90 * scale]).astype(np.float32)
        x = np.concatenate(
            [x, np.nextafter(x, np.float32(9e9)), [[2e9 * scale] * 20 + [-2e9 * scale] * 20]]
        )
        x = x.astype(np.float32)
        found = IntegerModel(tflite).run(x)
        assert found.dtype == np.float32
        np.testing.assert_array_equal(found, tflm.run(tflite, x))
        compared += found.size
    record_property("counted", f"float edges: {compared} values, 0 differing")


# --- run and trace --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def watch():
    return IntegerModel(data.model("watch_cnn", "int8"))


def test_a_batch_is_its_inputs_one_by_one(watch):
    x = quantized(whole_test_set("watch_cnn")[:40], watch)
    together = watch.run(x)
    np.testing.assert_array_equal(together, np.concatenate([watch.run(one[None]) for one in x]))
    assert watch.run(x[:0]).shape == (0, 7)
    watch_of_one = IntegerModel(data.model("watch_cnn", "int8"))
    watch_of_one._batch = 1
    np.testing.assert_array_equal(watch_of_one.run(x), together)


def test_what_an_operator_wrote_leads_to_the_same_outputs(watch):
    x = np.random.default_rng(1).integers(-128, 128, (5, *watch.input.shape[1:]), np.int8)
    for operator, step in enumerate(list(watch.trace(x))[1:]):
        assert np.array_equal(watch.run_after(operator, step.array), watch.run(x))


def test_a_trace_holds_every_tensor_in_order(watch):
    x = quantized(whole_test_set("watch_cnn")[:3], watch)
    steps = list(watch.trace(x))
    assert [step.op for step in steps] == ["INPUT", *(op.name for op in watch.graph.operators)]
    assert all(len(step.array) == 3 for step in steps)
    assert steps[1].array.shape == (3, 1, 100, 16)
    np.testing.assert_array_equal(steps[0].array, x)
    np.testing.assert_array_equal(steps[-1].array, watch.run(x))
    assert steps[0].name == watch.input.name
    assert len({step.name for step in steps}) == len(steps)


def test_a_trace_of_no_inputs_holds_every_tensor(watch):
    some, none = (
        watch.trace(np.zeros((1, 1, 100, 6), np.int8)),
        watch.trace(np.zeros((0, 1, 100, 6), np.int8)),
    )
    for one, empty in zip(some, none, strict=True):
        assert empty.array.shape == (0, *one.array.shape[1:])
        assert (empty.name, empty.op, empty.array.dtype) == (one.name, one.op, one.array.dtype)


def test_the_input_is_left_as_it_was(watch):
    x = quantized(whole_test_set("watch_cnn")[:3], watch)
    before = x.copy()
    list(watch.trace(x))
    np.testing.assert_array_equal(x, before)


@pytest.mark.tensorflow
@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_read_back_are_the_float_weights_quantized(per_channel, record_property):
    """The scales of a converted file give its stored codes from the checkpoint's weights."""
    from course_utils.machines import conversion
    from course_utils.numbers.quantization import quantize

    compared = 0
    for name in ("fashion_cnn", "lenet_300_100", "watch_cnn"):
        network = data.checkpoint(name)
        calibration = data.load(models.DATASETS[name]).x_train[:20]
        model = models.set_weights(models.build(name), network.weights)
        graph = tflite_file.read(conversion.convert(model, "int8", calibration, per_channel))
        kernels = [network.weights[kernel] for kernel in layer_specs.kernel_names(network.layers)]
        layers = [op for op in graph.operators if op.name in ("CONV_2D", "FULLY_CONNECTED")]
        assert len(kernels) == len(layers)
        for kernel, op in zip(kernels, layers, strict=True):
            stored = graph.tensors[op.inputs[1]]
            assert stored.scale.size == (len(stored.data) if per_channel else 1)
            kernel = np.moveaxis(kernel, -1, 0)
            np.testing.assert_array_equal(quantize(kernel, stored.qparams), stored.data)
            compared += stored.size
    how = "per channel" if per_channel else "per tensor"
    record_property("counted", f"{compared} stored weights reproduced, 0 differing, {how}")


# --- bad input ------------------------------------------------------------------------------


def test_inputs_of_another_type_or_shape_are_refused(watch):
    with pytest.raises(TypeError, match=r"takes int8, not float32: use quantize"):
        watch.run(np.zeros((2, 1, 100, 6), np.float32))
    with pytest.raises(ValueError, match=r"takes \(n, 1, 100, 6\), batch first"):
        watch.run(np.zeros((1, 100, 6), np.int8))
    with pytest.raises(ValueError, match="batch first"):
        watch.run(np.zeros((2, 1, 100, 5), np.int8))


def simple(change=lambda writer: None, **options):
    """Return a one-layer file, changed before it is packed."""
    writer = Writer()
    first = writer.tensor((1, 4, 4, 2), "int8", 0.1, 3)
    weights = writer.constant(np.ones((3, 2, 2, 2)), "int8", scale=[0.1, 0.2, 0.3], axis=0)
    last = writer.tensor((1, 3, 3, 3), "int8", 0.5, 0)
    options = {"padding": "VALID", "strideH": 1, "strideW": 1} | options
    writer.operator("CONV_2D", [first, weights], last, **options)
    change(writer)
    return writer.bytes([first], [last])


def set_tensor(index, **values):
    def change(writer):
        for key, value in values.items():
            setattr(writer.graph.tensors[index], key, value)

    return change


def set_operator(**values):
    def change(writer):
        for key, value in values.items():
            setattr(writer.graph.operators[0], key, value)

    return change


@pytest.mark.parametrize(
    ("tflite", "message"),
    [
        (b"", "lacks the mark TFL3"),
        (b"PK\x03\x04 a zip file, not a model", "lacks the mark TFL3"),
        (simple()[:200], "damaged or truncated"),
        (simple(set_tensor(0, type=0)), r"Operator 0 \(CONV_2D\) works on float32"),
        (simple(set_tensor(1, type=0)), "weights in float32|stores"),
        (simple(set_tensor(0, type=7)), r"Operator 0 \(CONV_2D\) works on int8 .*, not int16"),
        (simple(set_tensor(2, shape=np.int32([1, 2, 3, 3]))), "where .* follows from its input"),
        (simple(set_tensor(0, shape=np.int32([2, 4, 4, 2]))), "batch of one is expected"),
        (simple(set_tensor(0, shape=np.int32([1, 2**20, 2**20, 2]))), "damaged or beyond"),
        (simple(set_tensor(0, shape=np.int32([1, -4, 4, 2]))), "damaged or beyond"),
        (simple(set_tensor(0, buffer=77)), "names buffer 77"),
        (simple(set_tensor(0, quantization=None)), "has no scale"),
        (simple(set_operator(inputs=np.int32([0, 99]))), "names tensor 99; there are 3"),
        (simple(set_operator(inputs=np.int32([0, -5]))), "names tensor -5"),
        (simple(set_operator(inputs=np.int32([2, 1]))), "before anything wrote it"),
        (simple(set_operator(inputs=np.int32([0]))), "has 1 inputs, not 2 or 3"),
        (
            simple(set_operator(outputs=np.int32([0]))),
            "must write tensors that nothing else writes",
        ),
        (simple(set_operator(opcodeIndex=5)), "has no operator code 5"),
        (simple(set_operator(builtinOptions=None)), "lacks its options"),
        (simple(strideH=0), "below one"),
        (simple(dilationHFactor=2**30), "follows from its input"),
        (simple(fusedActivationFunction="NONE", padding="SAME"), "follows from its input"),
    ],
)
def test_a_bad_model_file_is_named(tflite, message):
    with pytest.raises(ValueError, match=message):
        IntegerModel(tflite)


def test_a_dense_layer_that_writes_another_shape_is_refused():
    """TFLM reads the rows from the output's shape: (3, 2) would be three rows of two units."""
    writer = Writer()
    first = writer.tensor((1, 4), "int8", 0.1)
    weights = writer.constant(np.ones((6, 4)), "int8", scale=0.1)
    last = writer.tensor((1, 3, 2), "int8", 0.5)
    writer.operator("FULLY_CONNECTED", [first, weights], last)
    with pytest.raises(ValueError, match=r"weights \(6, 4\) for the input"):
        IntegerModel(writer.bytes([first], [last]))


def test_graphs_that_share_their_lists_are_counted_before_they_are_read(monkeypatch):
    """64 graphs of one list of 2,000 tensors are 128,000 tensors in a file of 10 kB."""
    builder = flatbuffers.Builder(0)

    def vector(offsets):
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()

    schema.TensorStart(builder)
    tensors = vector([schema.TensorEnd(builder)] * 2000)

    def graph():
        schema.SubGraphStart(builder)
        schema.SubGraphAddTensors(builder, tensors)
        return schema.SubGraphEnd(builder)

    graphs = vector([graph() for _ in range(64)])
    schema.ModelStart(builder)
    schema.ModelAddVersion(builder, 3)
    schema.ModelAddSubgraphs(builder, graphs)
    builder.Finish(schema.ModelEnd(builder), b"TFL3")
    file = bytes(builder.Output())
    assert len(file) < 20_000
    tables = []
    read = tflite_file._Table.__init__
    monkeypatch.setattr(tflite_file._Table, "__init__", lambda *a: (tables.append(a), read(*a))[1])
    with pytest.raises(ValueError, match="damaged or truncated"):
        IntegerModel(file)
    assert len(tables) < 200


def test_what_is_not_bytes_is_refused():
    with pytest.raises(TypeError, match="bytes of a .tflite file, not str"):
        IntegerModel("model.tflite")


def test_nan_and_zero_scales_are_refused():
    for scale in (np.nan, 0.0, -1.0, np.inf):
        writer = Writer()
        first = writer.tensor((1, 2), "int8", scale)
        last = writer.tensor((1, 2), "int8", 1.0)
        writer.operator("RELU", [first], last)
        with pytest.raises(ValueError, match="has a scale that is not a finite number above zero"):
            IntegerModel(writer.bytes([first], [last]))


@needs_tflm
def test_several_inputs_and_outputs_equal_tflm(tflm):
    """a + b and both halves of a: TFLM is asked for one output at a time, with b a constant."""
    rng = np.random.default_rng(8)
    a, b = (rng.integers(-128, 128, (20, 6), np.int8) for _ in range(2))

    def network(b_values=None, output=None):
        writer = Writer()
        one = writer.tensor((1, 6), "int8", 0.1, 3)
        if b_values is None:
            two = writer.tensor((1, 6), "int8", 0.2, -5)
        else:
            two = writer.constant(b_values, "int8", scale=0.2, zero_point=-5)
        total = writer.operator("ADD", [one, two], writer.tensor((1, 6), "int8", 0.25, 1))
        parts = [writer.tensor((1, 3), "int8", 0.1, 3) for _ in range(2)]
        writer.operator("SPLIT", [writer.constant([1], "int32"), one], parts, numSplits=2)
        outputs = [total, *parts]
        if output is None:
            return writer.bytes([one, two], outputs)
        return writer.bytes([one], [outputs[output]])

    model = IntegerModel(network())
    found = model.run((a, b))
    assert isinstance(found, tuple)
    assert [y.shape for y in found] == [(20, 6), (20, 3), (20, 3)]
    for number, outputs in enumerate(found):
        expected = [
            tflm.run(network(two[None], number), one[None]) for one, two in zip(a, b, strict=True)
        ]
        np.testing.assert_array_equal(outputs, np.concatenate(expected))
    steps = list(model.trace((a, b)))
    assert [step.op for step in steps] == ["INPUT", "INPUT", "ADD", "SPLIT", "SPLIT"]
    np.testing.assert_array_equal(steps[-1].array, found[2])
    with pytest.raises(ValueError, match=r"has 2 inputs .*give a tuple"):
        model.run(a)
    with pytest.raises(ValueError, match="20 and 7 entries"):
        model.run((a, b[:7]))


@needs_tflm
@pytest.mark.parametrize("first", ["uint8", "int8", "float32"])
@pytest.mark.parametrize("last", ["uint8", "int8"])
def test_ends_of_other_types_equal_tflm(first, last, tflm):
    writer = Writer()
    zero_point = {"uint8": 140, "int8": 12}
    x = writer.tensor((1, 64), first, None if first == "float32" else 0.1, zero_point.get(first, 0))
    codes = writer.tensor((1, 64), "int8", 0.13, -7)
    out = writer.tensor((1, 64), last, 0.11, zero_point[last])
    writer.operator("QUANTIZE", [x], codes)
    writer.operator("QUANTIZE", [codes], out)
    tflite = writer.bytes([x], [out])
    rng = np.random.default_rng(3)
    if first == "float32":
        values = rng.normal(0, 12, (40, 64)).astype(np.float32)
    else:
        limits = np.iinfo(first)
        values = rng.integers(limits.min, limits.max + 1, (40, 64)).astype(first)
    found = IntegerModel(tflite).run(values)
    assert found.dtype == last
    np.testing.assert_array_equal(found, tflm.run(tflite, values))


@pytest.mark.tensorflow
@needs_tflm
@pytest.mark.parametrize("name", models.DATASETS)
def test_the_course_networks_in_int16x8_equal_tflm(name, tflm, record_property):
    network, dataset = data.checkpoint(name), data.load(models.DATASETS[name])
    model = models.set_weights(models.build(name), network.weights)
    tflite = conversion.convert(model, "int16x8", dataset.x_train[:50])
    engine = IntegerModel(tflite)
    x = dataset.x_test[:300]
    if engine.input.type != "float32":
        x = quantized(x, engine)
    found, expected = engine.run(x), tflm.run(tflite, x)
    differing = int((found != expected).sum())
    record_property("counted", f"{name} int16x8: {found.size} values, {differing} differing")
    assert "int16" in {tensor.type for tensor in engine.graph.tensors}
    assert differing == 0


def test_chains_of_constants_are_folded():
    """A reshape whose shape the file computes: SHAPE, an entry of it, PACK."""
    writer = Writer()
    first = writer.tensor((1, 2, 3), "int8", 0.1)
    shape = writer.operator("SHAPE", [first], writer.tensor((3,), "int32"))
    places = [writer.constant([n], "int32") for n in (0, 1, 1)]
    batch = writer.tensor((), "int32")
    writer.operator("STRIDED_SLICE", [shape, *places], batch, shrinkAxisMask=1)
    target = writer.tensor((2,), "int32")
    writer.operator("PACK", [batch, writer.constant(6, "int32")], target, valuesCount=2)
    last = writer.operator("RESHAPE", [first, target], writer.tensor((1, 6), "int8", 0.1))
    model = IntegerModel(writer.bytes([first], [last]))
    x = np.arange(12, dtype=np.int8).reshape(2, 2, 3)
    np.testing.assert_array_equal(model.run(x), x.reshape(2, 6))
    assert [step.op for step in model.trace(x)] == ["INPUT", "RESHAPE"]


@pytest.mark.parametrize(
    ("scale", "axis"), [([0.01, 0.02, 0.03], 3), (0.0, 0), (np.nan, 0), ([1, 1], 7)]
)
def test_scales_that_nobody_uses_are_no_damage(scale, axis):
    """Biases whose scales name another axis, are 0, or are too few: TFLM looks at none."""
    writer = Writer()
    first = writer.tensor((1, 4, 4, 2), "int8", 0.1, 3)
    weights = writer.constant(np.ones((3, 2, 2, 2)), "int8", scale=[0.1, 0.2, 0.3], axis=0)
    biases = writer.constant([1, 2, 3], "int32", scale=scale, axis=axis)
    last = writer.tensor((1, 3, 3, 3), "int8", 0.5, 0)
    inputs = [first, weights, biases]
    writer.operator("CONV_2D", inputs, last, padding="VALID", strideH=1, strideW=1)
    found = IntegerModel(writer.bytes([first], [last])).run(np.full((1, 4, 4, 2), 13, np.int8))
    # Eight products of 10 and 1 and the bias, times 0.1 * (0.1, 0.2, 0.3) / 0.5.
    np.testing.assert_array_equal(found[0, 0, 0], [2, 3, 5])


def test_a_model_for_an_accelerator_is_told_so():
    from ai_edge_litert import schema_py_generated as schema

    assert tflite_file.compiled_for(tflite_file.read(simple())) == ""
    model = unpack(simple())
    code, operator = model.operatorCodes[0], model.subgraphs[0].operators[0]
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
    operator.builtinOptionsType, operator.builtinOptions = 0, None
    for code.customCode, accelerator in (
        ("ethos-u", "Ethos-U"),
        ("edgetpu-custom-op", "Edge TPU"),
    ):
        tflite = pack(model)
        assert accelerator in tflite_file.compiled_for(tflite_file.read(tflite))
        with pytest.raises(ValueError, match=f"compiled for an accelerator, .*{accelerator}"):
            IntegerModel(tflite)


def test_operators_that_are_not_supported_are_named():
    writer = Writer()
    first, last = writer.tensor((1, 2), "int8", 0.1), writer.tensor((1, 2), "int8", 0.1)
    middle = [writer.tensor((1, 2), "int8", 0.1) for _ in range(2)]
    for name, one, two in zip(
        ("COS", "SIN", "COS"), (first, *middle), (*middle, last), strict=True
    ):
        writer.operator(name, [one], two)
    with pytest.raises(
        ValueError, match=r"does not know COS \(operator 0\), SIN \(operator 1\)\. It knows.* ADD"
    ):
        IntegerModel(writer.bytes([first], [last]))


@pytest.mark.parametrize("mode", ["float32", "float16", "dynamic"])
def test_other_modes_are_refused_with_the_mode_to_use(mode):
    tf_keras = env.keras()
    network = tf_keras.Sequential([tf_keras.layers.Dense(64, input_shape=(64,))])
    tflite = conversion.convert(network, mode)
    with pytest.raises(ValueError, match="mode='int8'"):
        IntegerModel(tflite)


def mutations(tflite, rng, count):
    """Yield damaged copies: bytes changed, cut off, repeated, moved, words overwritten."""
    size = len(tflite)
    # Most of a file is weights; what can do harm is around them.
    structure = [
        i for i in range(size) if tflite[i : i + 1] != tflite[i - 1 : i] or rng.random() < 0.2
    ]
    for _ in range(count):
        damaged = bytearray(tflite)
        for _ in range(rng.choice([1, 1, 1, 2, 5, 20])):
            kind, at = rng.randrange(6), rng.choice(structure)
            if kind == 0:
                damaged[at % len(damaged)] = rng.randrange(256)
            elif kind == 1:
                damaged[at % len(damaged)] ^= 1 << rng.randrange(8)
            elif kind == 2:
                word = rng.choice([0, 1, 2**31 - 1, 2**31, 2**32 - 1, size, rng.randrange(size)])
                at &= ~3
                damaged[at : at + 4] = word.to_bytes(4, "little")
            elif kind == 3:
                damaged = damaged[: rng.randrange(8, len(damaged) + 1)]
            elif kind == 4:
                del damaged[at : at + rng.randrange(1, 9)]
            else:
                other = rng.choice(structure)
                damaged[at : at + 8] = damaged[other : other + 8]
            if len(damaged) < 8:
                break
        yield bytes(damaged)


def small_models():
    """Return a few files with all operators between them."""
    found, missing = [], set(random_networks.OPERATORS)
    rng = itertools.count()

    @seed(5)
    @settled(200)
    @given(random_networks.networks())
    def collect(network):
        tflite, _, names = network
        if missing & set(names) or next(rng) < 5:
            missing.difference_update(names)
            found.append(tflite)

    collect()
    assert not missing

    @seed(6)
    @settled(3)
    @given(random_networks.streams())
    def remember(stream):
        found.append(stream[0])

    remember()
    for name, draw in operator_cases.CASES.items():
        case = operator_cases.Case([*name.encode()])
        found.append(case.bytes(draw(case)))
    return found


def test_ten_thousand_damaged_files_raise_value_error_or_run(record_property):
    rng = random.Random(2026)
    files = [*small_models(), data.model("watch_cnn", "int8")]
    outcome = collections.Counter()
    for tflite in files:
        for damaged in mutations(tflite, rng, -(-MUTATIONS // len(files))):
            try:
                model = IntegerModel(damaged)
                x = tuple(np.zeros((1, *t.shape[1:]), t.type) for t in model.inputs)
                model.run(x if len(x) > 1 else x[0])
            except ValueError:
                outcome["refused"] += 1
            else:
                outcome["still a model"] += 1
    counted = f"{sum(outcome.values())} damaged files of {len(files)}: {dict(outcome)}"
    record_property("counted", counted)
    assert sum(outcome.values()) >= MUTATIONS
    assert min(outcome.values()) > MUTATIONS / 20


def test_packing_again_changes_nothing():
    tflite = data.model("watch_cnn", "int8")
    x = np.zeros((1, 1, 100, 6), np.int8)
    again = IntegerModel(pack(unpack(tflite)))
    np.testing.assert_array_equal(again.run(x), IntegerModel(tflite).run(x))


def test_the_numbers_floor_imports_numpy_and_nothing_heavier():
    code = (
        "import sys; from course_utils.numbers import floats, quantization; "
        "from course_utils.engines import integer_engine; "
        "print(sorted({'tensorflow', 'matplotlib', 'ipywidgets', 'ai_edge_litert', 'tflite_micro'}"
        " & set(sys.modules)))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], cwd=env.ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.strip() == "[]"
