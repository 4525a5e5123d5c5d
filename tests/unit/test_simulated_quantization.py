"""Folding, whole networks on a grid of codes, and what was recorded of them, done again."""

import warnings

import numpy as np
import pytest

from course_utils.engines import float_engine, layer_specs
from course_utils.engines import simulated_quantization as simulated
from course_utils.labs.float_to_int8 import experiments
from course_utils.machines import data, models
from course_utils.numbers import quantization

NETWORKS = experiments.QUANTIZED


@pytest.fixture(scope="module", params=NETWORKS)
def network(request):
    checkpoint = data.checkpoint(request.param)
    x = data.load(models.DATASETS[request.param]).x_validation[:48]
    return checkpoint, simulated.fold_batch_norm(checkpoint.layers, checkpoint.weights), x


def test_a_folded_network_computes_the_same(network):
    checkpoint, (layers, weights), x = network
    assert not [layer for layer in layers if layer["op"] in ("batch_norm", "relu", "relu6")]
    assert not [name for name in weights if "_bn/" in name]
    expected = float_engine.forward(checkpoint.layers, checkpoint.weights, x)
    np.testing.assert_allclose(float_engine.forward(layers, weights, x), expected, atol=1e-5)


def test_folding_by_hand():
    layers = [
        {"op": "dense", "name": "d", "units": 2},
        {"op": "batch_norm", "name": "n", "epsilon": 0.0},
        {"op": "relu", "name": "r"},
    ]
    weights = {
        "d/kernel": np.float32([[1.0, 2.0]]), "d/bias": np.float32([0.5, 0.0]),
        "n/gamma": np.float32([2.0, 3.0]), "n/beta": np.float32([1.0, -1.0]),
        "n/moving_mean": np.float32([0.25, 1.0]), "n/moving_variance": np.float32([4.0, 9.0]),
    }  # fmt: skip
    folded_layers, folded = simulated.fold_batch_norm(layers, weights)
    assert folded_layers == (
        {"op": "dense", "name": "d", "units": 2, "use_bias": True, "activation": "relu"},
    )
    np.testing.assert_allclose(folded["d/kernel"], [[1.0, 2.0]])
    np.testing.assert_allclose(folded["d/bias"], [1.25, -2.0])
    assert set(folded) == {"d/kernel", "d/bias"}


@pytest.mark.parametrize(
    "before",
    [
        [],
        [{"op": "max_pool2d", "name": "p", "kernel": (2, 2)}],
        [{"op": "dense", "name": "d", "units": 2, "activation": "relu"}],
    ],
)
def test_what_cannot_be_folded_is_named(before):
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    weights = {f"bn/{name}": np.ones(2, np.float32) for name in names}
    with pytest.raises(ValueError, match="bn follows no layer"):
        simulated.fold_batch_norm([*before, {"op": "batch_norm", "name": "bn"}], weights)


def test_without_codes_it_is_the_float_engine(network):
    _, (layers, weights), x = network
    expected = float_engine.forward(layers, weights, x)
    assert np.array_equal(simulated.forward(layers, weights, x, {}), expected)


def test_every_activation_is_on_its_grid(network):
    _, (layers, weights), x = network
    ranges = simulated.output_ranges(layers, weights, x)
    assert list(ranges) == simulated.quantized_tensors(layers)
    qparams = simulated.activation_qparams(ranges, 5)
    name = simulated.INPUT
    batch = x
    for layer in layers:
        batch = simulated.continue_from([layer], weights, batch, qparams, name)
        assert layer["op"] == "softmax" or np.unique(batch).size <= 32
        name = None
    assert np.array_equal(simulated.forward(layers, weights, x, qparams), batch)


def test_sixteen_bits_change_next_to_nothing(network):
    _, (layers, weights), x = network
    many = simulated.quantize_kernels(layers, weights, 16)
    qparams = simulated.activation_qparams(simulated.output_ranges(layers, weights, x), 16)
    expected = float_engine.forward(layers, weights, x)
    np.testing.assert_allclose(simulated.forward(layers, many, x, qparams), expected, atol=5e-3)


@pytest.mark.parametrize("scheme", simulated.WEIGHT_SCHEMES)
def test_kernels_take_few_values_and_the_rest_stays(network, scheme):
    _, (layers, weights), _ = network
    quantized = simulated.quantize_kernels(layers, weights, 3, scheme)
    codes = 8 if "affine" in scheme else 7
    for layer in layers:
        name = f"{layer['name']}/kernel"
        if name not in weights:
            continue
        kernel = quantized[name]
        assert not np.array_equal(kernel, weights[name])
        if "channel" in scheme:
            kernel = np.moveaxis(kernel, simulated.channel_axis(layer), 0)
            assert max(np.unique(channel).size for channel in kernel) <= codes
            assert np.unique(kernel).size > codes
        else:
            assert np.unique(kernel).size <= codes
    for name, value in weights.items():
        if not name.endswith("kernel"):
            assert quantized[name] is value


def test_one_kernel_alone(network):
    _, (layers, weights), _ = network
    first = layer_specs.kernel_names(layers)[0]
    quantized = simulated.quantize_kernels(layers, weights, 4, only=[layer_specs.layer_of(first)])
    changed = [name for name in weights if not np.array_equal(weights[name], quantized[name])]
    assert changed == [first]
    with pytest.raises(ValueError, match="No kernel in conv9"):
        simulated.quantize_kernels(layers, weights, 4, only=["conv9"])


def test_weights_are_those_of_the_converter_s_scheme(network):
    _, (layers, weights), _ = network
    layer = next(layer for layer in layers if layer["op"] == "conv2d")
    kernel = weights[f"{layer['name']}/kernel"]
    qparams = simulated.kernel_qparams(layer, kernel, 8, "per channel, symmetric")
    assert (qparams.qmin, qparams.qmax, qparams.channel_axis) == (-127, 127, 3)
    np.testing.assert_allclose(qparams.scale, np.abs(kernel).max(axis=(0, 1, 2)) / 127, rtol=1e-6)


def test_ranges_that_leave_out_zero_are_widened_silently():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        qparams = simulated.range_qparams(np.float32(0.5), np.float32(2.0), 8)
    assert qparams == quantization.choose_qparams(0.0, 2.0)


# ------------------------------------------------------------------ the recorded results


def _correct(logits, y):
    """-> (right answers, answers that another rounding could turn)."""
    best = np.sort(logits, axis=1)
    return int((logits.argmax(1) == y).sum()), int((best[:, -1] - best[:, -2] < 2e-5).sum())


@pytest.mark.parametrize(
    ("name", "scheme", "layer", "bits"),
    [
        ("fashion_cnn", "per tensor, affine", "all", 3),
        ("fashion_cnn", "per channel, symmetric", "dense1", 2),
        ("fashion_dscnn", "per tensor, symmetric", "all", 4),
        ("fashion_dscnn", "per tensor, symmetric", "depthwise1", 3),
        ("watch_cnn", "per channel, symmetric", "all", 8),
    ],
)
def test_weights_again(name, scheme, layer, bits):
    result = data.result("quantization_sweep").record
    layers, weights, dataset = experiments.folded(name)
    only = None if layer == "all" else [layer]
    quantized = simulated.quantize_kernels(layers, weights, bits, scheme, only)
    x, y = dataset.x_test, dataset.y_test
    correct, undecided = _correct(float_engine.forward(layers, quantized, x), y)
    rows = result["networks"][name]["weights"][scheme][layer]
    recorded = rows["correct"]["test"][result["bits"].index(bits)]
    assert undecided < 20
    assert abs(correct - recorded) <= undecided


@pytest.mark.parametrize("tensor", ["all", "conv2"])
def test_activations_again(tensor):
    result = data.result("quantization_sweep").record
    layers, weights, dataset = experiments.folded("watch_cnn")
    ranges = simulated.output_ranges(layers, weights, dataset.x_train[:500])
    qparams = simulated.activation_qparams(ranges, 4)
    if tensor != "all":
        qparams = {tensor: qparams[tensor]}
    logits = simulated.forward(layers, weights, dataset.x_test, qparams)
    rows = result["networks"]["watch_cnn"]["activations"]["per tensor, affine"][tensor]
    recorded = rows["correct"]["test"][result["bits"].index(4)]
    # A sum in another order can move an activation to the next of its few codes.
    assert abs(int((logits.argmax(1) == dataset.y_test).sum()) - recorded) <= 5


@pytest.mark.parametrize("name", NETWORKS)
def test_counts_agree_with_each_other(name):
    sweep = data.result("quantization_sweep").record["networks"][name]
    cal = data.result("calibration").record["networks"][name]
    for split in experiments.SPLITS:
        float32 = sweep["float32"][split]
        assert float32 == cal["float32"][split]
        assert abs(float32 - data.checkpoint(name).record[split]["correct"]) <= 2  # folded
        for kind in ("weights", "activations"):
            for rows in (r for s in sweep[kind].values() for r in s.values()):
                correct, wrong, right = (
                    np.array(rows[k][split]) for k in ("correct", "newly_wrong", "newly_right")
                )
                assert np.array_equal(correct, float32 - wrong + right)
                assert len(correct) in (7, 10)
        for row in (b for s in cal["samples"].values() for m in s.values() for b in m.values()):
            counts = [row[k][split] for k in ("correct", "newly_wrong", "newly_right")]
            assert counts[0] == float32 - counts[1] + counts[2]


@pytest.mark.parametrize(("what", "method"), [("10 inputs", "min-max"), ("noise", "percentile")])
def test_calibration_again(what, method):
    record = data.result("calibration").record["networks"]["watch_cnn"]
    layers, weights, dataset = experiments.folded("watch_cnn")
    x = experiments.calibration_samples("watch_cnn", dataset)[what]
    seen = experiments.observe(layers, weights, x)
    ranges = {name: experiments.calibrated_range(method, *seen[name], 8) for name in seen}
    for name, found in ranges.items():
        assert found == pytest.approx(record["ranges"][what][method]["8"][name], rel=1e-3, abs=1e-5)
    int8 = simulated.quantize_kernels(layers, weights)
    qparams = simulated.activation_qparams(ranges)
    logits = simulated.forward(layers, int8, dataset.x_test, qparams)
    recorded = record["samples"][what][method]["8"]["correct"]["test"]
    assert abs(int((logits.argmax(1) == dataset.y_test).sum()) - recorded) <= 3


def test_moving_average_and_min_max_differ_as_they_should():
    extremes = np.float32([[0, 1], [-1, 1], [0, 3]])
    assert experiments.calibrated_range("min-max", extremes, None, 8) == (-1, 3)
    low, high = experiments.calibrated_range("moving average", extremes, None, 8)
    assert -0.05 < low < 0
    assert 1 < high < 1.05
