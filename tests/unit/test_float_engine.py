"""float_engine against TensorFlow's Keras, and against cases small enough to work out by hand."""

import numpy as np
import pytest

from course_utils import env
from course_utils.engines import float_engine, layer_specs
from course_utils.machines import models


def random_weights(layers, input_shape, seed=0):
    """Weights of a plausible size, with batch norm statistics that aren't the identity."""
    rng = np.random.default_rng(seed)
    weights = {}
    for name, shape in layer_specs.weight_shapes(layers, input_shape).items():
        value = rng.normal(size=shape)
        if name.endswith("kernel"):
            value /= np.sqrt(max(1, np.prod(shape[:-1])))
        if name.endswith(("gamma", "variance")):
            value = np.abs(value) + 0.5
        weights[name] = value.astype(np.float32)
    return weights


def assert_equals_keras(layers, input_shape, x):
    weights = random_weights(layers, input_shape)
    model = models.set_weights(models.build(layers, input_shape), weights)
    ours = float_engine.forward(layers, weights, x)
    theirs = model(x, training=False).numpy()
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
    return model, weights


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", models.DATASETS)
def test_every_layer_of_every_network_equals_keras(name):
    layers, shape = models.resolve(name)
    x = np.random.default_rng(1).normal(size=(5, *shape)).astype(np.float32)
    model, weights = assert_equals_keras(layers, shape, x)
    keras = env.keras()
    every = keras.Model(model.inputs, [layer.output for layer in model.layers])
    trace = float_engine.trace(layers, weights, x)
    assert list(trace) == [layer.name for layer in model.layers]
    for (layer, ours), theirs in zip(trace.items(), every(x, training=False), strict=True):
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=1e-5, err_msg=layer)
    assert [value.shape[1:] for value in trace.values()] == [
        row.output_shape for row in layer_specs.describe(layers, shape)
    ]
    rows = layer_specs.describe(layers, shape)
    assert model.count_params() == sum(row.parameters for row in rows)


@pytest.mark.tensorflow
@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("strides", [(1, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("op", ["conv2d", "depthwise_conv2d", "max_pool2d", "average_pool2d"])
def test_windows_equal_keras_at_odd_sizes(op, strides, padding):
    if op == "depthwise_conv2d":  # TensorFlow's takes one stride for both directions only
        strides = (strides[0], strides[0])
    layer = {"op": op, "name": "window", "kernel": (3, 2), "strides": strides, "padding": padding}
    if op == "conv2d":
        layer["filters"] = 4
    shape = (7, 10, 3)
    x = np.random.default_rng(2).normal(size=(3, *shape)).astype(np.float32) - 5
    assert_equals_keras((layer,), shape, x)


@pytest.mark.tensorflow
@pytest.mark.parametrize("activation", ["relu", "relu6", "softmax"])
def test_activations_equal_keras_alone_and_fused(activation):
    x = np.linspace(-9, 9, 60, dtype=np.float32).reshape(4, 15)
    assert_equals_keras(({"op": activation, "name": "alone"},), (15,), x)
    if activation != "relu6":  # Keras has no string for a fused relu6
        fused = {"op": "dense", "name": "fused", "units": 3, "activation": activation}
        assert_equals_keras((fused,), (15,), x)


@pytest.mark.tensorflow
def test_weights_survive_the_way_through_keras():
    layers, shape = models.resolve("fashion_dscnn")
    weights = random_weights(layers, shape)
    model = models.set_weights(models.build("fashion_dscnn"), weights)
    found = models.get_weights(model)
    assert list(found) == list(weights)
    assert all(np.array_equal(found[name], weights[name]) for name in weights)
    with pytest.raises(ValueError, match="they differ in: conv1/kernel"):
        models.set_weights(model, {k: v for k, v in weights.items() if k != "conv1/kernel"})
    with pytest.raises(ValueError, match="dense/kernel has shape"):
        models.set_weights(model, {**weights, "dense/kernel": np.zeros((2, 2), np.float32)})
    models.set_weights(model, {**weights, "dense/bias": [0.5] * 10})
    assert models.get_weights(model)["dense/bias"].tolist() == [0.5] * 10


def test_convolution_by_hand():
    x = np.arange(9, dtype=np.float32).reshape(1, 3, 3, 1)
    kernel = np.float32([[1, 0], [0, -1]]).reshape(2, 2, 1, 1)
    # Every window's top left minus its bottom right: i - (i + 4).
    y = float_engine.conv2d(x, kernel, np.float32([0.5]))
    assert np.array_equal(y, np.full((1, 2, 2, 1), -3.5))


def test_same_padding_puts_the_odd_pixel_last():
    x = np.ones((1, 2, 2, 1), np.float32)
    kernel = np.ones((2, 2, 1, 1), np.float32)
    y = float_engine.conv2d(x, kernel, padding="same")
    assert np.array_equal(y[0, :, :, 0], [[4, 2], [2, 1]])


def test_depthwise_keeps_channels_apart():
    x = np.stack([np.full((3, 3), 1.0), np.full((3, 3), 10.0)], axis=-1)[np.newaxis]
    kernel = np.ones((3, 3, 2, 1), np.float32) * np.float32([1, -1])[:, np.newaxis]
    y = float_engine.depthwise_conv2d(x.astype(np.float32), kernel)
    assert np.array_equal(y, [[[[9, -90]]]])


def test_max_pooling_of_negative_values_ignores_padding():
    x = np.full((1, 3, 3, 1), -2, np.float32)
    y = float_engine.max_pool2d(x, (2, 2), (2, 2), "same")
    assert np.array_equal(y, np.full((1, 2, 2, 1), -2))


def test_average_pooling_does_not_count_padding():
    x = np.full((1, 3, 3, 1), 4, np.float32)
    y = float_engine.average_pool2d(x, (2, 2), (2, 2), "same")
    assert np.array_equal(y, np.full((1, 2, 2, 1), 4))


def test_batch_norm_by_hand():
    x = np.float32([[3.0]])
    y = float_engine.batch_norm(x, *(np.float32([v]) for v in (2, 1, 1, 4)), epsilon=0)
    assert y == 2 * (3 - 1) / np.sqrt(4) + 1


def test_softmax_of_large_numbers():
    y = float_engine.softmax(np.float32([[1000, 1000, -1000]]))
    assert np.array_equal(y, [[0.5, 0.5, 0]])


def test_batches_change_nothing(monkeypatch):
    layers, shape = models.resolve("watch_cnn")
    weights = random_weights(layers, shape)
    x = np.random.default_rng(3).normal(size=(7, *shape))
    whole = float_engine.forward(layers, weights, x)
    monkeypatch.setattr(float_engine, "BATCH", 3)
    np.testing.assert_allclose(float_engine.forward(layers, weights, x), whole, atol=1e-6)
    for name, value in float_engine.trace(layers, weights, x).items():
        assert len(value) == 7, name


def test_part_of_a_network_goes_on_from_features():
    layers, shape = models.resolve("fashion_cnn")
    weights = random_weights(layers, shape)
    x = np.random.default_rng(4).random(size=(3, *shape))
    features = float_engine.forward(layers[:4], weights, x)
    whole = float_engine.forward(layers, weights, x)
    assert np.array_equal(float_engine.forward(layers[4:], weights, features), whole)


@pytest.mark.parametrize(
    ("layer", "x", "message"),
    [
        ({"op": "lstm", "name": "a"}, np.zeros((1, 2)), "unknown op 'lstm'"),
        ({"op": "dense", "name": "a", "units": 1}, np.zeros((1, 2)), "a/kernel is missing"),
        ({"op": "relu", "name": "a", "activation": "tanh"}, np.zeros((1, 2)), "activation 'tanh'"),
        ({"op": "relu", "name": "a"}, np.zeros((0, 2)), "at least one input"),
        ({"op": "max_pool2d", "name": "a", "kernel": (5, 5)}, np.zeros((1, 2, 2, 1)), "larger"),
        ({"op": "max_pool2d", "name": "a", "kernel": (1, 1), "padding": "full"},
         np.zeros((1, 2, 2, 1)), "'same' or 'valid'"),
    ],
)  # fmt: skip
def test_bad_input_is_named(layer, x, message):
    with pytest.raises(ValueError, match=message):
        float_engine.forward([layer], {}, x)


@pytest.mark.parametrize("op", [float_engine.conv2d, float_engine.depthwise_conv2d])
def test_wrong_channels_are_named(op):
    with pytest.raises(ValueError, match="can't read an input of shape"):
        op(np.zeros((1, 4, 4, 2), np.float32), np.zeros((3, 3, 3, 1), np.float32))


@pytest.mark.parametrize(
    ("layers", "shape", "message"),
    [
        ([{"op": "dense", "name": "d", "units": 2}], (2, 2, 1), "needs a flat input"),
        ([{"op": "conv2d", "name": "c", "filters": 1, "kernel": (3, 3)}], (9,), "height, width"),
        ([{"op": "conv2d", "name": "c", "filters": 1, "kernel": (3, 3)}], (2, 2, 1), "larger"),
        ([{"op": "gelu", "name": "g"}], (2,), "unknown op 'gelu'"),
    ],
)
def test_specs_that_can_not_be_are_named(layers, shape, message):
    with pytest.raises(ValueError, match=message):
        layer_specs.describe(layers, shape)


def test_unknown_network_names_those_there_are():
    with pytest.raises(ValueError, match="fashion_cnn, fashion_dscnn"):
        models.resolve("resnet")
    with pytest.raises(ValueError, match="input_shape"):
        models.resolve(models.ARCHITECTURES["fashion_cnn"])


def test_describe_counts_what_the_engine_computes():
    rows = {row.name: row for row in layer_specs.describe(*models.resolve("fashion_dscnn"))}
    assert rows["conv1"].output_shape == (14, 14, 16)
    assert rows["depthwise2"].macs == 7 * 7 * 9 * 32
    assert rows["pointwise2"].parameters == 32 * 64
    assert rows["pointwise2_bn"].parameters == 4 * 64
