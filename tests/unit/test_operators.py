"""Each operator of the integer engine against TFLM, in networks of this one, bit for bit."""

import importlib.util

import numpy as np
import pytest
from operator_cases import CASES, Case
from random_networks import OPERATORS
from tflite_tools import Writer

from course_utils import env
from course_utils.engines.integer_engine import IntegerModel, fixed_point
from course_utils.engines.integer_engine.kernels import PREPARE
from course_utils.machines import conversion, micro
from course_utils.machines.micro import Refused

EACH = 40  # networks of each operator

needs_tflm = pytest.mark.skipif(
    importlib.util.find_spec("tflite_micro") is None,
    reason="tflite-micro has wheels for Linux x86-64 only (2026-11)",
)
# Those that are tested in whole networks (test_integer_engine.py) or that have a test of their own.
ELSEWHERE = OPERATORS - set(CASES) | {"ASSIGN_VARIABLE", "CALL_ONCE", "READ_VARIABLE"}
INT16 = (
    "ABS", "ADD", "CONCATENATION", "LEAKY_RELU", "LOGISTIC", "MAXIMUM", "MEAN",
    "MINIMUM", "MUL", "PACK", "PAD", "PRELU", "RELU", "RESHAPE",
    "RESIZE_NEAREST_NEIGHBOR", "SLICE", "SOFTMAX", "SPLIT", "SPLIT_V", "SQUARED_DIFFERENCE",
    "STRIDED_SLICE", "SUB", "SUM", "TANH", "TRANSPOSE", "UNPACK",
)  # fmt: skip


@pytest.fixture(scope="module")
def tflm():
    yield micro
    micro.close()


def test_each_operator_of_the_engine_has_cases():
    assert set(CASES) | ELSEWHERE >= set(PREPARE)
    assert not set(CASES) & ELSEWHERE


@needs_tflm
@pytest.mark.parametrize(
    ("name", "type_name"),
    [*((name, "int8") for name in sorted(CASES)), *((name, "int16") for name in INT16)],
)
def test_an_operator_equals_tflm(name, type_name, tflm, record_property):
    values = differing = networks = only_ours = only_theirs = 0
    codes = set()
    for seed in range(EACH):
        case = Case([*name.encode(), seed, len(type_name)], type_name)
        tflite = case.bytes(CASES[name](case))
        try:
            found = IntegerModel(tflite).run(case.x)
        except ValueError:
            found = None
        try:
            expected = tflm.run(tflite, case.x)
        except Refused:
            only_ours += found is not None
            continue
        if found is None:
            only_theirs += 1
            continue
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        networks += 1
        values += found.size
        differing += int((found != expected).sum())
        codes |= set(np.unique(found).tolist())
    record_property(
        "counted",
        f"{name} {type_name}: {networks} networks, {values} values, {differing} differing; taken "
        f"by TFLM alone {only_theirs}, by the engine alone {only_ours}",
    )
    assert differing == 0
    assert networks >= 0.8 * EACH
    assert only_theirs <= 0.05 * EACH
    assert only_ours <= 0.05 * EACH
    assert len(codes) > (3 if name.startswith("ARG") else 100), "hardly more than constant"


# --- what the random networks seldom meet ------------------------------------------------------


def telling_sums(inner, outer, out):
    """Return scales and sums that give other codes if the scales are multiplied in float32."""
    rng = np.random.default_rng(11)
    sums, found = np.arange(1, 2**20), []
    while not len(found):
        a, b, y = (np.float32(typical * rng.uniform(1, 2)) for typical in (inner, outer, out))
        exact, rounded = float(a) * float(b) / float(y), float(a * b) / float(y)
        found = sums[np.rint(sums * exact) != np.rint(sums * rounded)]
        found = found[found * exact < 120]
    return a, b, y, found[:8]


@needs_tflm
def test_a_dense_layer_multiplies_its_scales_in_float64(tflm):
    writer = Writer()
    x, w, y, sums = telling_sums(0.02, 0.002, 0.1)
    first = writer.tensor((1, 1), "int8", x)
    weights = writer.constant(np.zeros((len(sums), 1)), "int8", scale=w)
    biases = writer.constant(sums, "int32", scale=x * w)
    last = writer.tensor((1, len(sums)), "int8", y)
    writer.operator("FULLY_CONNECTED", [first, weights, biases], last)
    tflite, q = writer.bytes([first], [last]), np.zeros((1, 1), np.int8)
    np.testing.assert_array_equal(IntegerModel(tflite).run(q), tflm.run(tflite, q))


@needs_tflm
def test_svdf_multiplies_its_scales_in_float64(tflm):
    writer = Writer()
    state, time, y, sums = telling_sums(0.02, 0.002, 0.1)
    count = len(sums)
    first = writer.tensor((1, 1), "int8", 0.1)
    zeros = [writer.constant(np.zeros((count, 1)), "int8", scale=s) for s in (0.1, time)]
    biases = writer.constant(sums, "int32", scale=state * time)
    held = writer.tensor((1, count), "int8", state, variable=True)
    last = writer.tensor((1, count), "int8", y)
    writer.operator("SVDF", [first, *zeros, biases, held], last, rank=1)
    tflite, q = writer.bytes([first], [last]), np.zeros((1, 1), np.int8)
    np.testing.assert_array_equal(IntegerModel(tflite).run(q), tflm.run(tflite, q))


def keras_networks():
    """Yield networks whose operators the converter writes, of layers that Keras has."""
    tf_keras = env.keras()
    layers, activations = tf_keras.layers, tf_keras.activations
    tf_keras.utils.set_random_seed(4)
    image = tf_keras.Input((6, 5, 4))
    x = layers.LeakyReLU(0.2)(layers.Conv2D(6, 3, padding="same")(image))
    x = layers.UpSampling2D(2)(x)
    x = layers.PReLU(shared_axes=[1, 2])(layers.Conv2DTranspose(4, 3, 2, "same")(x))
    x = layers.UpSampling2D(2, interpolation="bilinear")(x[:, 1:9, ::2, :3])
    x = layers.Subtract()([activations.tanh(x), activations.sigmoid(x)])
    x = layers.Maximum()([layers.ReLU()(x), layers.Permute((1, 2, 3))(x)])
    yield tf_keras.Model(image, layers.Dense(3, "sigmoid")(layers.GlobalMaxPooling2D()(x)))


@needs_tflm
def test_what_the_converter_writes_equals_tflm(tflm, record_property):
    rng, names = np.random.default_rng(5), set()
    for network in keras_networks():
        samples = rng.normal(size=(30, *network.input_shape[1:])).astype(np.float32)
        tflite = conversion.convert(network, "int8", samples)
        model = IntegerModel(tflite)
        x = rng.integers(-128, 128, (20, *model.input.shape[1:])).astype(np.int8)
        np.testing.assert_array_equal(model.run(x), tflm.run(tflite, x))
        names |= {op.name for op in model.graph.operators}
    record_property("counted", f"converted: {sorted(names)}")
    assert names >= {"LEAKY_RELU", "RESIZE_BILINEAR", "STRIDED_SLICE", "SUB", "TANH"}


def damage(op, tensors, position, *scales):
    tensors[op.inputs[position]].quantization.scale = list(scales)


def drawn(name, seed=0):
    case = Case([seed])
    return case, CASES[name](case)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("STRIDED_SLICE", lambda op, t: setattr(op.builtinOptions, "ellipsisMask", 1), "ellipsis"),
        ("STRIDED_SLICE", lambda op, t: setattr(op.builtinOptions, "offset", True), "TFLM ignores"),
        ("LOGISTIC", lambda op, t: setattr(t[-1].quantization, "zeroPoint", [0]), "scale 1/256"),
        ("TANH", lambda op, t: setattr(t[-1].quantization, "scale", [0.5]), "scale 1/128"),
        ("L2_NORMALIZATION", lambda op, t: setattr(t[-1].quantization, "scale", [1.0]), "1/128"),
        ("MAXIMUM", lambda op, t: setattr(t[-1].quantization, "scale", [9.0]), "different scales"),
        ("TRANSPOSE", lambda op, t: setattr(t[-1].quantization, "scale", [9.0]), "moves codes"),
        ("UNPACK", lambda op, t: setattr(op.builtinOptions, "axis", 0), "along the batch"),
        ("GATHER", lambda op, t: setattr(op.builtinOptions, "batchDims", 1), "within batches"),
        ("RESIZE_BILINEAR", lambda op, t: vars(op.builtinOptions).update(
            alignCorners=True, halfPixelCenters=True), "both align_corners"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM",
         lambda op, t: setattr(op.builtinOptions, "timeMajor", True), "time before the batch"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM",
         lambda op, t: setattr(op.builtinOptions, "fusedActivationFunction", 1), "than tanh"),
        ("SVDF", lambda op, t: setattr(op.builtinOptions, "rank", 99), "rank 99"),
        ("SVDF", lambda op, t: setattr(t[-3], "isVariable", False), "before anything wrote it"),
        ("SVDF", lambda op, t: damage(op, t, 1, np.inf), "scale"),
        ("SVDF", lambda op, t: damage(op, t, 2, np.nan), "scale"),
        ("SVDF", lambda op, t: damage(op, t, 4, -1.0), "scale"),
        ("SVDF", lambda op, t: damage(op, t, 4), "with one scale"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", lambda op, t: damage(op, t, 2, np.inf), "scale"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", lambda op, t: damage(op, t, 5, np.nan), "scale"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", lambda op, t: damage(op, t, 18, 0.0), "scale"),
        ("UNIDIRECTIONAL_SEQUENCE_LSTM", lambda op, t: damage(op, t, 19), "with one scale"),
    ],
)  # fmt: skip
def test_a_form_that_is_not_supported_is_named(name, change, message):
    case, output = drawn(name)
    change(case.writer.graph.operators[-1], case.writer.graph.tensors)
    with pytest.raises(ValueError, match=message):
        IntegerModel(case.bytes(output))


@pytest.mark.parametrize(
    ("found", "expected", "point"),
    [
        (fixed_point.logistic, lambda x: 1 / (1 + np.exp(-x)), 27),
        (fixed_point.tanh, np.tanh, 27),
    ],
)
def test_fixed_point_functions_are_those_of_real_numbers(found, expected, point):
    x = np.random.default_rng(0).integers(-(2**31) + 1, 2**31, 10_000)
    np.testing.assert_allclose(found(x) / 2**31, expected(x / 2**point), rtol=0, atol=1e-6)


def test_logarithm_and_inverse_root_in_fixed_point():
    x = np.exp(np.random.default_rng(0).uniform(0, np.log(4095), 10_000))
    found = fixed_point.log(np.rint(x * 2**19).astype(np.int64)) / 2**26
    np.testing.assert_allclose(found, np.log(x), rtol=0, atol=1e-5)
    x = np.rint(np.exp(np.random.default_rng(1).uniform(1, 21, 10_000))).astype(np.int64)
    multiplier, shift = fixed_point.inverse_sqrt(x)
    np.testing.assert_allclose(multiplier * 2.0 ** (shift - 31), x**-0.5, rtol=1e-4)
