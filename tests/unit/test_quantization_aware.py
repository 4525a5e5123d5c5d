"""Fake-quantized layers: the forward pass rounds as NumPy does, the backward pass does not."""

import numpy as np
import pytest

from course_utils import env
from course_utils.engines import integer_engine
from course_utils.engines import simulated_quantization as simulated
from course_utils.machines import data, evaluation, micro, models, quantization_aware, training
from course_utils.numbers.quantization import quantize

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def network():
    """(folded layers, weights, 100 inputs, ranges) of the depthwise network."""
    shipped, dataset = data.checkpoint("fashion_dscnn"), data.load("fashion_mnist")
    layers, weights = simulated.fold_batch_norm(shipped.layers, shipped.weights)
    x = dataset.x_train[:100]
    return layers, weights, x, quantization_aware.calibrated_ranges(layers, weights, x)


@pytest.mark.parametrize(
    ("bits", "per_channel"), [(None, False), (8, True), (8, False), (4, False), (2, True)]
)
def test_forward_is_the_simulated_network(network, bits, per_channel):
    layers, weights, x, ranges = network
    ranges = None if bits is None else ranges
    model = quantization_aware.build(
        layers, weights, x.shape[1:], weight_bits=bits, per_channel=per_channel, ranges=ranges
    )
    if bits is None:
        expected = simulated.forward(layers, weights, x, {})
    else:
        scheme = "per channel, symmetric" if per_channel else "per tensor, symmetric"
        rounded = simulated.quantize_kernels(layers, weights, bits, scheme)
        expected = simulated.forward(layers, rounded, x, simulated.activation_qparams(ranges))
    # A sum that lies on the edge between two codes may fall to either side.
    close = np.isclose(model.predict(x, verbose=0), expected, atol=2e-3).all(axis=1)
    assert close.mean() > (0.99 if bits is None else 0.85)
    answers = quantization_aware.predict(
        layers, weights, x, weight_bits=bits, per_channel=per_channel, ranges=ranges
    )
    assert (answers == expected.argmax(axis=1)).mean() >= 0.97


def test_backward_passes_the_rounding_straight_through():
    """d loss / d w with rounding = d loss / d w_q without: the gradient at the rounded kernel."""
    tf = env.tensorflow()
    layers = ({"op": "dense", "name": "dense", "units": 3},)
    rng = np.random.default_rng(0)
    weights = {"dense/kernel": rng.normal(size=(5, 3)).astype(np.float32),
               "dense/bias": np.zeros(3, np.float32)}  # fmt: skip
    x = rng.normal(size=(4, 5)).astype(np.float32)

    def gradient(weights, bits):
        model = quantization_aware.build(layers, weights, (5,), weight_bits=bits)
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(model(x) ** 2)
        return tape.gradient(loss, model.layers[0].kernel).numpy()

    for bits in (8, 3, 2):
        rounded = simulated.quantize_kernels(layers, weights, bits)
        np.testing.assert_allclose(gradient(weights, bits), gradient(rounded, None), rtol=1e-3)
        assert not np.allclose(gradient(weights, bits), gradient(weights, None), rtol=1e-3)


def test_observers_follow_the_activations_while_training_only(network):
    tf = env.tensorflow()
    layers, weights, x, _ = network
    ranges = dict.fromkeys(simulated.quantized_tensors(layers), (-1.0, 1.0))
    model = quantization_aware.build(layers, weights, x.shape[1:], ranges=ranges)
    model(x)
    assert quantization_aware.export(model).ranges == ranges
    model(tf.constant(x), training=True)
    momentum = quantization_aware.MOMENTUM
    seen = quantization_aware.export(model).ranges["input"]
    assert seen == pytest.approx((-momentum, 1.0), abs=1e-6)


def test_fine_tuning_repairs_what_rounding_broke_and_repeats(network):
    layers, weights, x, ranges = network
    dataset = data.load("fashion_mnist")
    images, labels = dataset.x_train[:1024], dataset.y_train[:1024]
    how = {"weight_bits": 4, "per_channel": False}
    heard = []
    first, second = (
        quantization_aware.fine_tune(
            layers, weights, images, labels, ranges=ranges, seed=3, batch_size=32, **how,
            progress=lambda *told: heard.append(told),
        )
        for _ in range(2)
    )  # fmt: skip
    assert heard[:32] == [(i, 32) for i in range(1, 33)]
    for name, value in first.weights.items():
        assert np.array_equal(value, second.weights[name]), name
    x, y = dataset.x_validation[:1000], dataset.y_validation[:1000]

    def accuracy(weights, ranges):
        answers = quantization_aware.predict(layers, weights, x, ranges=ranges, **how)
        return (answers == y).mean()

    assert accuracy(first.weights, first.ranges) > accuracy(weights, ranges) + 0.15


def test_only_quantization_aware_models_are_taken_for_such(network):
    layers, weights, x, ranges = network
    build = quantization_aware.build
    assert quantization_aware.is_quantization_aware(build(layers, weights, (28, 28, 1),
                                                          ranges=ranges))  # fmt: skip
    assert not quantization_aware.is_quantization_aware(build(layers, weights, (28, 28, 1)))
    assert not quantization_aware.is_quantization_aware(models.build("watch_cnn"))


def test_bad_input_gets_a_sentence(network):
    layers, weights, _, ranges = network
    with pytest.raises(ValueError, match="num_bits must be an integer from 2 to 16, not 1"):
        quantization_aware.build(layers, weights, (28, 28, 1), weight_bits=1)
    fewer = {name: value for name, value in ranges.items() if name != "pool"}
    with pytest.raises(ValueError, match="they differ: pool"):
        quantization_aware.build(layers, weights, (28, 28, 1), ranges=fewer)


def test_versions_tell_what_training_depends_on():
    assert {"tensorflow", "tf_keras"} <= set(training.versions())


def test_the_shipped_network_answers_alike_in_every_engine():
    """data/models/fashion_dscnn_qat_int8.tflite: NumPy, LiteRT's reference kernels, and TFLM."""
    x = data.load("fashion_mnist").x_test[:300]
    tflite = data.model("fashion_dscnn_qat")
    model = integer_engine.IntegerModel(tflite)
    codes = quantize(x, model.input.qparams)
    ours = model.run(codes)
    assert np.abs(ours - evaluation.run(tflite, codes, "reference").astype(int)).max() <= 1
    if micro.missing():
        pytest.skip("2026-11: tflite-micro has wheels for Linux x86-64 only")
    assert np.array_equal(ours, micro.run(tflite, codes))


def test_an_interruption_keeps_the_network_and_says_how_far_it_is(network):
    layers, weights, x, ranges = network

    def stop_after_five(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(training.Interrupted, match="in epoch 2 of 3, after 5 of 12 batches") as e:
        quantization_aware.fine_tune(
            layers, weights, x, np.arange(100) % 10, ranges=ranges, weight_bits=4, epochs=3,
            batch_size=25, progress=stop_after_five,
        )  # fmt: skip
    kept = e.value.trained
    assert set(kept.ranges) == set(ranges)
    assert not np.array_equal(kept.weights["conv1/kernel"], weights["conv1/kernel"])
    answers = quantization_aware.predict(layers, kept.weights, x, ranges=kept.ranges, weight_bits=4)
    assert answers.shape == (100,)
