"""A description says what is computed: nothing in it is read past."""

import numpy as np
import pytest

from course_utils.engines import float_engine, layer_specs
from course_utils.engines import simulated_quantization as simulated

CONV = {"op": "conv2d", "name": "c", "filters": 2, "kernel": (3, 3)}
DENSE = {"op": "dense", "name": "d", "units": 2}


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({**CONV, "stride": (2, 2)}, r"conv2d knows no stride \(2, 2\); it takes filters, kernel"),
        ({**CONV, "dilation_rate": (2, 2)}, "knows no dilation_rate"),
        ({**CONV, "groups": 2}, "knows no groups 2"),
        ({**CONV, "data_format": "channels_first"}, "knows no data_format"),
        ({**CONV, "padding": "SAME"}, "'same' or 'valid', in small letters, not 'SAME'"),
        ({**CONV, "padding": "causal"}, "not 'causal'"),
        ({**CONV, "padding": None}, "not None"),
        ({**CONV, "padding": ["same"]}, "padding is 'same' or 'valid'"),
        ({**CONV, "activation": "ReLU"}, "activation is None or one of relu, .*not 'ReLU'"),
        ({**CONV, "activation": "gelu"}, "not 'gelu'"),
        ({**CONV, "activation": ["relu"]}, "activation is None or one of"),
        ({**CONV, "kernel": 3}, r"kernel is two whole numbers from 1 on, such as \(3, 3\), not 3"),
        ({**CONV, "kernel": (3, 3, 1)}, "kernel is two whole numbers"),
        ({**CONV, "kernel": (3, 0)}, "kernel is two whole numbers"),
        ({**CONV, "kernel": (3, 2.0)}, "kernel is two whole numbers"),
        ({**CONV, "strides": 2}, "strides is two whole numbers"),
        ({**CONV, "strides": (2, -2)}, "strides is two whole numbers"),
        ({**CONV, "filters": "2"}, "filters is a whole number from 1 on, not '2'"),
        ({**CONV, "filters": True}, "filters is a whole number"),
        ({**CONV, "use_bias": "no"}, "use_bias is True or False, not 'no'"),
        ({**CONV, "use_bias": 0}, "use_bias is True or False"),
        ({"op": "conv2d", "name": "c"}, "conv2d needs filters and kernel"),
        ({"op": "dense", "name": "d"}, "dense needs units"),
        ({**DENSE, "strides": (1, 1)}, "dense knows no strides"),
        ({"op": "batch_norm", "name": "b", "axis": 1}, "batch_norm knows no axis 1"),
        ({"op": "batch_norm", "name": "b", "epsilon": -0.1}, "epsilon is a number from 0"),
        ({"op": "relu", "name": "r", "max_value": 6}, "relu knows no max_value 6; .*nothing else"),
        ({"op": "Dense", "name": "d", "units": 2}, "unknown op 'Dense'; there are conv2d, "),
        ({"name": "d", "units": 2}, "d: unknown op None"),
        ({"op": "flatten"}, "name is a text without a slash, not None"),
        ({"op": "flatten", "name": "a/b"}, "without a slash, not 'a/b'"),
        ("flatten", "is a dictionary .*not 'flatten'"),
    ],
)  # fmt: skip
def test_what_no_reader_understands_is_refused_by_every_reader(layer, message):
    x = np.ones((1, 6, 6, 2), np.float32)
    for reader in (
        lambda: layer_specs.describe([layer], (6, 6, 2)),
        lambda: float_engine.forward([layer], {}, x),
        lambda: simulated.fold_batch_norm([layer], {}),
    ):
        with pytest.raises(ValueError, match=message) as caught:
            reader()
        assert "\n" not in str(caught.value)


def test_what_json_makes_of_a_description_is_one_too():
    layer = {**CONV, "kernel": [3, 3], "strides": [2, 2], "padding": "same", "activation": None}
    assert layer_specs.describe([layer], [6, 6, 2])[0].output_shape == (3, 3, 2)


@pytest.mark.parametrize("shape", [(), (None, 6, 2), (0, 6, 2), (6.0, 6, 2)])
def test_an_input_without_a_size_is_refused(shape):
    with pytest.raises(ValueError, match="shape is whole numbers from 1 on"):
        layer_specs.describe([CONV], shape)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"c/kernel": np.ones((5, 5, 2, 2))}, r"\(5, 5, 2, 2\); its layer asks for \(3, 3, 2, 2\)"),
        ({"c/kernel": np.ones((2, 2, 3, 3))}, "its layer asks for"),
        ({"c/bias": np.ones(1)}, r"c/bias has the shape \(1,\); its layer asks for \(2,\)"),
        ({"c/gamma": np.ones(2)}, "c/gamma would not be used"),
    ],
)
def test_weights_of_another_layer_are_refused(changed, message):
    weights = {"c/kernel": np.ones((3, 3, 2, 2)), "c/bias": np.ones(2), "other/bias": np.ones(9)}
    x = np.ones((1, 6, 6, 2), np.float32)
    assert float_engine.forward([CONV], weights, x).dtype == np.float32
    with pytest.raises(ValueError, match=message):
        float_engine.forward([CONV], {**weights, **changed}, x)
    with pytest.raises(ValueError, match="c/bias would not be used"):
        float_engine.forward([{**CONV, "use_bias": False}], weights, x)


def test_what_the_outputs_are_is_told_by_the_layer_that_computes_them():
    kind, soft = layer_specs.output_kind, {"op": "softmax", "name": "s"}
    pool, flat = {"op": "global_average_pool2d", "name": "p"}, {"op": "flatten", "name": "f"}
    assert kind([DENSE]) == "logits"
    assert kind([CONV, pool]) == "logits"
    assert kind([{**CONV, "activation": "relu"}, pool]) == "logits"  # SqueezeNet
    assert kind([DENSE, soft]) == kind([{**DENSE, "activation": "softmax"}]) == "softmax"
    assert kind([CONV, soft, flat]) == "softmax"
    assert kind([{**DENSE, "activation": "sigmoid"}]) == "sigmoid"
    for layers in ([{**DENSE, "activation": "relu"}], [DENSE, {"op": "relu6", "name": "r"}],
                   [CONV, soft, pool], [flat]):  # fmt: skip
        with pytest.raises(ValueError, match=r"ends the network in|computes nothing"):
            kind(layers)


def test_one_output_tells_two_classes_apart():
    weights = {"d/kernel": np.float32([[1.0]]), "d/bias": np.float32([-1.0])}
    x, one = np.float32([[0.0], [1.5], [3.0]]), {**DENSE, "units": 1}
    assert float_engine.predict([one], weights, x).tolist() == [0, 1, 1]
    assert float_engine.predict([{**one, "activation": "sigmoid"}], weights, x).tolist() == [
        0,
        1,
        1,
    ]
    with pytest.raises(ValueError, match="softmax over one output is always 1"):
        float_engine.predict([{**one, "activation": "softmax"}], weights, x)
    with pytest.raises(ValueError, match=r"outputs have the shape \(n, classes\)"):
        float_engine.answers([CONV], np.ones((1, 4, 4, 2)))


def test_a_softmax_inside_a_layer_is_quantized_as_the_converter_does_it():
    weights = {"d/kernel": np.ones((3, 2), np.float32), "d/bias": np.zeros(2, np.float32)}
    inside, _ = simulated.fold_batch_norm([{**DENSE, "activation": "softmax"}], weights)
    apart = [DENSE, {"op": "softmax", "name": "d_softmax"}]
    assert list(inside) == apart
    assert simulated.quantized_tensors(inside) == ["input", "d"]


def test_simulated_quantization_rounds_what_it_is_told_to():
    weights = {"d/kernel": np.ones((3, 2), np.float32), "d/bias": np.zeros(2, np.float32)}
    x = np.ones((1, 3), np.float32)
    qparams = simulated.activation_qparams({"dense": (0.0, 1.0)})
    with pytest.raises(ValueError, match="No layer is called dense, so nothing would be rounded"):
        simulated.forward([DENSE], weights, x, qparams)
    with pytest.raises(ValueError, match="'input' is the network's input here"):
        simulated.quantized_tensors([{"op": "relu", "name": "input"}])
    keys = ("gamma", "beta", "moving_mean", "moving_variance")
    norm = {"d/kernel": weights["d/kernel"], **{f"b/{key}": np.ones(2) for key in keys}}
    with pytest.raises(ValueError, match="d/bias is missing"):
        simulated.fold_batch_norm([DENSE, {"op": "batch_norm", "name": "b"}], norm)


def test_two_layers_of_one_name_are_not_traced_as_one():
    with pytest.raises(ValueError, match="Two layers have one name"):
        float_engine.trace([{"op": "relu", "name": "r"}] * 2, {}, np.ones((1, 2)))
