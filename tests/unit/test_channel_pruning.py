"""The network without the channels answers as the one with the channels silenced."""

import numpy as np
import pytest

from course_utils.engines import float_engine, layer_specs
from course_utils.machines import data, models
from course_utils.numbers import channel_pruning

NETWORKS = tuple(models.ARCHITECTURES)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    """(checkpoint, 200 validation inputs) of each shipped network."""
    dataset = data.load(models.DATASETS[request.param])
    return data.checkpoint(request.param), dataset.x_validation[:200]


def criteria(layers):
    has_norm = any(layer["op"] == "batch_norm" for layer in layers)
    return [c for c in channel_pruning.CRITERIA if has_norm or c != "gamma"]


def test_the_rebuilt_network_answers_as_the_masked_one(network):
    checkpoint, x = network
    layers, weights, shape = checkpoint.layers, checkpoint.weights, checkpoint.input_shape
    for criterion in criteria(layers):
        scores = channel_pruning.scores(layers, weights, criterion, x)
        fractions = dict(zip(scores, np.linspace(0.25, 0.75, len(scores)), strict=True))
        kept = channel_pruning.keep(scores, fractions)
        masked = channel_pruning.masked(layers, weights, kept)
        smaller = channel_pruning.rebuild(layers, weights, kept)
        logits = float_engine.forward(layers[:-1], masked, x)
        # To 1e-5 of the largest logit, and of every probability.
        np.testing.assert_allclose(
            float_engine.forward(smaller[0][:-1], smaller[1], x), logits,
            rtol=1e-5, atol=1e-5 * max(1, np.abs(logits).max()), err_msg=criterion,
        )  # fmt: skip
        np.testing.assert_allclose(
            float_engine.forward(*smaller, x), float_engine.forward(layers, masked, x), atol=1e-5
        )
        assert {n: w.shape for n, w in smaller[1].items()} == layer_specs.weight_shapes(
            smaller[0], shape
        )
        assert np.ptp(logits, axis=0).min() > 0  # the test could fail: outputs do vary


def test_a_silenced_filter_alone_would_not_be_gone():
    """Its bias still reaches the next layer: masking the kernel only gives other outputs."""
    network, x = data.checkpoint("fashion_cnn"), data.load("fashion_mnist").x_validation[:50]
    kept = channel_pruning.keep(channel_pruning.scores(network.layers, network.weights), 0.5)
    smaller = channel_pruning.rebuild(network.layers, network.weights, kept)
    kernels_only = dict(network.weights)
    for name, stays in kept.items():
        kernels_only[f"{name}/kernel"] = np.where(stays, network.weights[f"{name}/kernel"], 0)
    difference = float_engine.forward(*smaller, x) - float_engine.forward(
        network.layers, kernels_only, x
    )
    assert np.abs(difference).max() > 1e-3


def test_nothing_pruned_changes_nothing(network):
    checkpoint, x = network
    scores = channel_pruning.scores(checkpoint.layers, checkpoint.weights)
    layers, weights = channel_pruning.rebuild(
        checkpoint.layers, checkpoint.weights, channel_pruning.keep(scores, 0)
    )
    assert layers == tuple(checkpoint.layers)
    assert all(np.array_equal(weights[n], w) for n, w in checkpoint.weights.items())


def test_half_the_channels_are_a_quarter_of_the_arithmetic_between_two_pruned_layers():
    before = channel_pruning.cost(models.ARCHITECTURES["fashion_cnn"], (28, 28, 1))
    network = data.checkpoint("fashion_cnn")
    kept = channel_pruning.keep(channel_pruning.scores(network.layers, network.weights), 0.5)
    layers, weights = channel_pruning.rebuild(network.layers, network.weights, kept)
    after = channel_pruning.cost(layers, (28, 28, 1))
    assert before.macs / after.macs >= 3  # the bound
    conv2 = {row.name: row.macs for row in layer_specs.describe(layers, (28, 28, 1))}["conv2"]
    assert conv2 * 4 == 11 * 11 * 3 * 3 * 16 * 32
    assert after.bytes == sum(w.nbytes for w in weights.values())


def test_scores_rank_as_they_say():
    network = data.checkpoint("fashion_dscnn")
    x = data.load("fashion_mnist").x_validation[:64]
    layers, weights = network.layers, network.weights
    kernel = weights["pointwise2/kernel"]
    by = {c: channel_pruning.scores(layers, weights, c, x) for c in channel_pruning.CRITERIA}
    np.testing.assert_allclose(by["l1"]["pointwise2"], np.abs(kernel).sum((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(by["l2"]["pointwise2"] ** 2, (kernel**2).sum((0, 1, 2)), rtol=1e-5)
    np.testing.assert_array_equal(
        by["gamma"]["pointwise2"], np.abs(weights["pointwise2_bn/gamma"]).astype(np.float64)
    )
    output = float_engine.trace(layers, weights, x)["pointwise2_relu6"]
    np.testing.assert_allclose(by["activation"]["pointwise2"], output.mean((0, 1, 2)), rtol=1e-5)
    again = channel_pruning.scores(layers, weights, "random", seed=2)
    assert not np.array_equal(again["conv1"], by["random"]["conv1"])


def test_what_cannot_be_pruned_gets_a_sentence():
    network = data.checkpoint("fashion_cnn")
    layers, weights = network.layers, network.weights
    scores = channel_pruning.scores(layers, weights)
    kept = channel_pruning.keep(scores, 0.5)

    def refuses(message, function, *arguments, **named):
        with pytest.raises(ValueError, match=message):
            function(*arguments, **named)

    refuses("no criterion 'size'", channel_pruning.scores, layers, weights, "size")
    refuses("no gamma to rank", channel_pruning.scores, layers, weights, "gamma")
    refuses("pass some", channel_pruning.scores, layers, weights, "activation")
    refuses("conv1: fraction is a share from 0 to below 1", channel_pruning.keep, scores, 1)
    refuses("conv1: fraction must be a finite number", channel_pruning.keep, scores, -0.1)
    refuses("would leave no channel of 16", channel_pruning.keep, scores, 0.99)
    refuses("dense2 can't be pruned", channel_pruning.keep, scores, {"dense2": 0.5})
    for wrong, message in (
        ({"dense2": np.ones(10, bool)}, "outputs are the classes"),
        ({"conv1": np.ones(1, bool)}, "conv1 has 16 channels"),
        ({"conv1": np.ones(16)}, "conv1 has 16 channels"),
        ({"conv1": np.zeros(16, bool)}, "All 16 channels of conv1 would go"),
    ):
        refuses(message, channel_pruning.rebuild, layers, weights, wrong)
    refuses("stands in the network more than once", channel_pruning.rebuild,
            (*layers[:2], layers[0], *layers[2:]), weights, kept)  # fmt: skip
    shared = {**weights, "dense2/bias": weights["conv1/bias"]}
    refuses("conv1/bias and dense2/bias are one array", channel_pruning.rebuild,
            layers, shared, kept)  # fmt: skip
