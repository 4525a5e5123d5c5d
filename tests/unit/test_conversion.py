"""convert: five modes, the same bytes each time, nothing on the screen, and readable refusals."""

import types
import warnings

import numpy as np
import pytest

from course_utils import env
from course_utils.engines import layer_specs, tflite_file
from course_utils.engines import simulated_quantization as simulated
from course_utils.machines import conversion, data, evaluation, models, quantization_aware

pytestmark = pytest.mark.tensorflow

RNG = np.random.default_rng(0)
CALIBRATION = RNG.random((20, 8, 8, 1)).astype(np.float32)
LAYERS = (
    {"op": "conv2d", "name": "conv", "filters": 8, "kernel": (3, 3), "activation": "relu"},
    {"op": "flatten", "name": "flatten"},
    {"op": "dense", "name": "dense", "units": 40},
    {"op": "softmax", "name": "softmax"},
)


@pytest.fixture(scope="module")
def model():
    env.tensorflow()
    env.seed(1)
    return models.build(LAYERS, (8, 8, 1))


def sequential(*layers, shape=(4, 4, 1)):
    keras = env.keras()
    return keras.Sequential([keras.layers.InputLayer(input_shape=shape), *layers])


def types_of(tflite):
    graph = tflite_file.read(tflite)
    kernels = {graph.tensors[op.inputs[1]].type for op in graph.operators if "CONV" in op.name}
    edges = [graph.tensors[i].type for i in graph.inputs + graph.outputs]
    return kernels, edges, {op.name for op in graph.operators}


@pytest.mark.parametrize("mode", conversion.MODES)
def test_each_mode_gives_its_types_the_same_bytes_and_no_noise(model, mode, capfd):
    calibration = CALIBRATION if mode in conversion.CALIBRATED else None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        first, second = (conversion.convert(model, mode, calibration) for _ in range(2))
    assert first == second
    assert capfd.readouterr() == ("", "")
    kernels, edges, operators = types_of(first)
    weights = {"float32": "float32", "float16": "float32", "dynamic": "float32"}  # 72 are few
    assert kernels == {weights.get(mode, "int8")}
    edge = {"int8": "int8", "int16x8": "int16"}.get(mode, "float32")
    assert edges == [edge, edge]
    assert ("DEQUANTIZE" in operators) == (mode == "float16")
    for tensor in tflite_file.read(first).tensors:
        assert -1 not in tensor.shape


def test_per_tensor_gives_every_kernel_one_scale(model):
    for per_channel in (True, False):
        tflite = conversion.convert(model, "int8", CALIBRATION, per_channel)
        scales = {t.shape: t.scale.size for t in tflite_file.read(tflite).tensors
                  if t.data is not None and t.type == "int8"}  # fmt: skip
        assert scales == {(8, 3, 3, 1): 8 if per_channel else 1,
                          (40, 288): 40 if per_channel else 1}  # fmt: skip


def test_a_quantization_aware_model_brings_its_ranges_and_its_codes(model):
    """The file holds exactly the codes that training worked with, and needs no calibration."""
    layers, weights = simulated.fold_batch_norm(LAYERS, models.get_weights(model))
    ranges = quantization_aware.calibrated_ranges(layers, weights, CALIBRATION)
    aware = quantization_aware.build(layers, weights, (8, 8, 1), ranges=ranges)
    graph = tflite_file.read(conversion.convert(aware, "int8"))
    assert types_of(conversion.convert(aware, "int8"))[1] == ["int8", "int8"]
    for layer, op in zip(("conv", "dense"), (graph.operators[0], graph.operators[2]), strict=True):
        kernel, output = graph.tensors[op.inputs[1]], graph.tensors[op.outputs[0]]
        spec = next(spec for spec in layers if spec["name"] == layer)
        own = weights[f"{layer}/kernel"]
        qparams = simulated.kernel_qparams(spec, own, 8, "per channel, symmetric")
        codes = simulated.quantize(own, qparams)
        stored = kernel.data if layer == "dense" else kernel.data.transpose(1, 2, 3, 0)
        assert np.array_equal(stored, codes.T if layer == "dense" else codes)
        expected = simulated.range_qparams(*ranges[layer], 8)
        assert output.scale[0] == pytest.approx(expected.scale, rel=1e-6)
        assert output.zero_point[0] == expected.zero_point


def test_what_cannot_calibrate_is_named(model):
    good = CALIBRATION
    for mode, calibration, message in [
        ("int4", None, "There is no mode 'int4'; there are float32, float16"),
        ("int8", None, "needs calibration data .* pass a few hundred training inputs"),
        ("float32", good, "measures no activations: leave calibration out"),
        ("int8", good[:0], "is empty: pass at least one input"),
        ("int8", good[0], r"has the shape \(8, 8, 1\); the model takes \(n, 8, 8, 1\)"),
        ("int8", good[:, :4], r"has the shape \(20, 4, 8, 1\)"),
        ("int8", np.where(good > 0.9, np.nan, good), "holds NaN or infinity"),
        ("int16x8", good.astype(str), "must be real numbers, not <U"),
    ]:
        with pytest.raises(ValueError, match=message):
            conversion.convert(model, mode, calibration)


@pytest.mark.parametrize(
    "calibration",
    [CALIBRATION * 255, (CALIBRATION * 255).astype(np.uint8), CALIBRATION / 255],
    ids=["0 to 255", "uint8", "divided twice"],
)
def test_calibration_in_another_scale_is_warned_of(model, calibration):
    with pytest.warns(UserWarning, match="Is it scaled as the training data was"):
        conversion.convert(model, "int8", calibration)


@pytest.mark.parametrize("name", ["fashion_mnist", "watch"])
def test_the_data_of_the_suite_calibrates_without_a_warning(name):
    largest = np.abs(data.load(name).x_train.reshape(len(data.load(name).x_train), -1)).max(axis=1)
    assert largest.min() >= 0.1
    assert largest.max() <= 50


def test_models_of_another_make_are_turned_away():
    class Keras3:  # what `import keras` gives beside tf_keras
        __module__ = "keras.src.models.sequential"

    for wrong, message in [
        (Keras3(), r"Keras 3 model.*Build it with `tf_keras = env.keras\(\)`"),
        (types.SimpleNamespace(), "Expected a tf_keras model, not SimpleNamespace"),
        (None, "Expected a tf_keras model"),
    ]:
        with pytest.raises(TypeError, match=message):
            conversion.convert(wrong, "float32")


def test_a_real_keras_3_model_is_turned_away():
    env.tensorflow()
    keras = pytest.importorskip("keras", reason="2026-11: TensorFlow brings Keras 3 along")
    if not keras.__version__.startswith("3"):
        pytest.skip("2026-11: this keras is not Keras 3")
    model = keras.Sequential([keras.layers.Input((4,)), keras.layers.Dense(2)])
    with pytest.raises(TypeError, match="Keras 3 model"):
        conversion.convert(model, "int8", np.ones((2, 4), np.float32))


def test_models_that_no_file_can_hold_are_refused_in_a_sentence():
    tf, layers = env.tensorflow(), env.keras().layers

    class Unbuilt(env.keras().Model):
        def call(self, x):
            return x

    diverged = sequential(layers.Flatten(), layers.Dense(2))
    diverged.set_weights([np.full((16, 2), np.nan), np.zeros(2)])
    x = RNG.random((4, 4, 4, 1)).astype(np.float32)
    for model, mode, message in [
        (Unbuilt(), "float32", "begin it with an InputLayer"),
        (sequential(layers.Conv2D(2, 3), shape=(None, None, 1)), "float32", "is not fixed"),
        (diverged, "float32", "dense.*/kernel:0 holds NaN or infinity"),
        (sequential(layers.Conv2D(2, 2, activation="elu")), "int8", "no int8 kernel for ELU"),
        (sequential(layers.Conv2D(2, 2, activation="elu")), "int16x8", "no int16x8 kernel for ELU"),
        (sequential(layers.Lambda(tf.sin)), "int8", "no int8 kernel for SIN"),
        (sequential(layers.Lambda(tf.math.erf)), "float32", "no operator for TensorFlow's Erf"),
    ]:
        with pytest.raises(ValueError, match=message) as caught:
            conversion.convert(model, mode, x if mode in conversion.CALIBRATED else None)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 300


def test_a_loop_is_refused_before_the_converter_crashes_on_it():
    layers = env.keras().layers
    model = sequential(layers.GRU(4), layers.Dense(2), shape=(4, 3))
    with pytest.raises(ValueError, match="unroll=True"):
        conversion.convert(model, "int8", RNG.random((4, 4, 3)).astype(np.float32))


def test_the_shipped_files_are_what_convert_writes():
    """A few values of each: kernels equal, so that only the converter's version can differ."""
    for name in ("fashion_cnn", "watch_cnn"):
        network = data.checkpoint(name)
        layers, weights = simulated.fold_batch_norm(network.layers, network.weights)
        stored = [t for t in tflite_file.read(data.model(name)).tensors
                  if t.data is not None and t.type == "int8"]  # fmt: skip
        assert sum(t.size for t in stored) == sum(
            weights[kernel].size for kernel in layer_specs.kernel_names(layers)
        )


def test_sparse_storage_leaves_the_zeros_out_and_the_answers_alone(model):
    """Zeros anywhere are unpacked when the file is loaded; LiteRT computes with blocks of four."""
    weights = models.get_weights(model)
    kernel = weights["dense/kernel"]
    kept = np.random.default_rng(0).random((kernel.shape[0] // 4, kernel.shape[1])) > 0.9
    blocks = np.repeat(kept, 4, axis=0)
    scattered = np.random.default_rng(0).permuted(blocks, axis=0)
    sizes, names = {}, {}
    for pattern, mask in (("blocks", blocks), ("scattered", scattered)):
        pruned = models.build(LAYERS, (8, 8, 1))
        models.set_weights(pruned, {**weights, "dense/kernel": kernel * mask})
        dense, sparse = (conversion.convert(pruned, "float32", sparse=s) for s in (False, True))
        sizes[pattern] = len(sparse) / len(dense)
        names[pattern] = {op.name for op in tflite_file.read(sparse, allow_sparse=True).operators}
        np.testing.assert_allclose(
            evaluation.run(sparse, CALIBRATION), evaluation.run(dense, CALIBRATION), atol=1e-6
        )
        with pytest.raises(ValueError, match="stored in the sparse format"):
            tflite_file.read(sparse)
    assert sizes["blocks"] < sizes["scattered"] < 0.5
    assert "DENSIFY" in names["scattered"]
    assert "DENSIFY" not in names["blocks"]
    with pytest.raises(ValueError, match='Sparse storage is for mode "float32"'):
        conversion.convert(model, "int8", CALIBRATION, sparse=True)
