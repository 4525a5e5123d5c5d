"""The suite's four networks, one for a chip, and what turns layer specs into Keras models.

What a layer spec is, and what follows from specs alone, is in `engines.layer_specs`; the way back,
from a model of your own to its specs, is `keras_models.describe`. Importing
this module imports neither TensorFlow nor NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from course_utils import env
from course_utils.engines.layer_specs import Layers, check, describe, strides_of


def _separable(number: int, filters: int, strides: tuple[int, int]) -> tuple[dict, ...]:
    """MobileNet's block: filter each channel alone, then mix the channels with a 1x1."""
    return (
        {"op": "depthwise_conv2d", "name": f"depthwise{number}", "kernel": (3, 3),
         "strides": strides, "padding": "same", "use_bias": False},
        {"op": "batch_norm", "name": f"depthwise{number}_bn"},
        {"op": "relu6", "name": f"depthwise{number}_relu6"},
        {"op": "conv2d", "name": f"pointwise{number}", "filters": filters, "kernel": (1, 1),
         "padding": "same", "use_bias": False},
        {"op": "batch_norm", "name": f"pointwise{number}_bn"},
        {"op": "relu6", "name": f"pointwise{number}_relu6"},
    )  # fmt: skip


ARCHITECTURES: dict[str, tuple[dict[str, Any], ...]] = {
    # Convolution, pooling, twice, then two dense layers: where the parameters are (dense1) is
    # not where the arithmetic is (conv2).
    "fashion_cnn": (
        {"op": "conv2d", "name": "conv1", "filters": 16, "kernel": (3, 3), "activation": "relu"},
        {"op": "max_pool2d", "name": "pool1", "kernel": (2, 2)},
        {"op": "conv2d", "name": "conv2", "filters": 32, "kernel": (3, 3), "activation": "relu"},
        {"op": "max_pool2d", "name": "pool2", "kernel": (2, 2)},
        {"op": "flatten", "name": "flatten"},
        {"op": "dense", "name": "dense1", "units": 64, "activation": "relu"},
        {"op": "dense", "name": "dense2", "units": 10},
        {"op": "softmax", "name": "softmax"},
    ),
    # MobileNet's plan (Howard et al., arXiv:1704.04861) for 28 x 28 images.
    "fashion_dscnn": (
        {"op": "conv2d", "name": "conv1", "filters": 16, "kernel": (3, 3), "strides": (2, 2),
         "padding": "same", "use_bias": False},
        {"op": "batch_norm", "name": "conv1_bn"},
        {"op": "relu6", "name": "conv1_relu6"},
        *_separable(1, 32, (1, 1)),
        *_separable(2, 64, (2, 2)),
        *_separable(3, 64, (1, 1)),
        *_separable(4, 64, (1, 1)),
        {"op": "global_average_pool2d", "name": "pool"},
        {"op": "dense", "name": "dense", "units": 10},
        {"op": "softmax", "name": "softmax"},
    ),
    # LeCun et al. (1998), the network of the lottery ticket paper and of Deep Compression.
    "lenet_300_100": (
        {"op": "flatten", "name": "flatten"},
        {"op": "dense", "name": "dense1", "units": 300, "activation": "relu"},
        {"op": "dense", "name": "dense2", "units": 100, "activation": "relu"},
        {"op": "dense", "name": "dense3", "units": 10},
        {"op": "softmax", "name": "softmax"},
    ),
    # Two seconds of a smartwatch's six motion channels, a time series as an image of height 1.
    "watch_cnn": (
        {"op": "conv2d", "name": "conv1", "filters": 16, "kernel": (1, 5), "padding": "same",
         "activation": "relu"},
        {"op": "max_pool2d", "name": "pool1", "kernel": (1, 2)},
        {"op": "conv2d", "name": "conv2", "filters": 32, "kernel": (1, 5), "padding": "same",
         "activation": "relu"},
        {"op": "max_pool2d", "name": "pool2", "kernel": (1, 2)},
        {"op": "conv2d", "name": "conv3", "filters": 32, "kernel": (1, 5), "padding": "same",
         "activation": "relu"},
        {"op": "global_average_pool2d", "name": "pool3"},
        {"op": "dense", "name": "dense", "units": 7},
        {"op": "softmax", "name": "softmax"},
    ),
}  # fmt: skip

# Not among the four that the notebooks compare: made for one chip, and chosen among those that
# `labs.tflite_micro_export.avr` lists.
FOR_ONE_CHIP: dict[str, tuple[dict[str, Any], ...]] = {
    # The Watch network for an ATmega328P with 2 kB of RAM: strides in place of pooling, so that
    # an input and the first layer's output are 1,000 bytes in int8.
    "watch_avr": (
        {"op": "conv2d", "name": "conv1", "filters": 16, "kernel": (1, 5), "strides": (1, 4),
         "padding": "same", "activation": "relu"},
        {"op": "conv2d", "name": "conv2", "filters": 32, "kernel": (1, 5), "strides": (1, 2),
         "padding": "same", "activation": "relu"},
        {"op": "global_average_pool2d", "name": "pool"},
        {"op": "dense", "name": "dense", "units": 7},
        {"op": "softmax", "name": "softmax"},
    ),
}  # fmt: skip

INPUT_SHAPES: dict[str, tuple[int, int, int]] = {
    "fashion_cnn": (28, 28, 1),
    "fashion_dscnn": (28, 28, 1),
    "lenet_300_100": (28, 28, 1),
    "watch_cnn": (1, 100, 6),
    "watch_avr": (1, 100, 6),
}

DATASETS: dict[str, str] = {
    "fashion_cnn": "fashion_mnist",
    "fashion_dscnn": "fashion_mnist",
    "lenet_300_100": "fashion_mnist",
    "watch_cnn": "watch",
    "watch_avr": "watch",
}


def resolve(network: str | Layers, input_shape: Sequence[int] | None = None):
    """-> (layers, input shape) of a name in ARCHITECTURES or FOR_ONE_CHIP, or of layers."""
    if isinstance(network, str):
        known = {**ARCHITECTURES, **FOR_ONE_CHIP}
        if network not in known:
            raise ValueError(f"No network {network!r}; there are {', '.join(known)}.")
        return known[network], tuple(input_shape or INPUT_SHAPES[network])
    if input_shape is None:
        raise ValueError("Layers alone don't tell their input: give input_shape.")
    return tuple(network), tuple(input_shape)


def build(network: str | Layers, input_shape: Sequence[int] | None = None):
    """Make the `tf_keras.Sequential` model of a network; imports TensorFlow.

    `network` is a name that `resolve` knows or a sequence of layer specs, which needs `input_shape`
    (height, width, channels). Raises ValueError for a name or a spec it doesn't know, and for a
    depthwise convolution with two different strides, which TensorFlow does not have.
    """
    layers, input_shape = resolve(network, input_shape)
    describe(layers, input_shape)  # a wrong spec is named before TensorFlow starts
    keras = env.keras()
    model = keras.Sequential(name=network if isinstance(network, str) else None)
    model.add(keras.layers.InputLayer(input_shape=input_shape))
    for layer in layers:
        model.add(keras_layer(keras.layers, layer))
    return model


def keras_layer(kl, layer):
    """The tf_keras layer of one spec; raises ValueError as `build` does."""
    check(layer)
    op, name = layer["op"], layer["name"]
    if op in ("conv2d", "depthwise_conv2d", "max_pool2d", "average_pool2d"):
        window = {"strides": strides_of(layer), "padding": layer.get("padding", "valid")}
    if op == "depthwise_conv2d" and len(set(window["strides"])) > 1:
        raise ValueError(
            f"{name}: TensorFlow's depthwise convolution has one stride for both directions, not "
            f"{window['strides']}."
        )
    activation = layer.get("activation")
    if activation == "relu6":  # Keras has no name for it
        activation = env.tensorflow().nn.relu6
    affine = {"use_bias": layer.get("use_bias", True), "activation": activation}
    if op == "conv2d":
        return kl.Conv2D(layer["filters"], layer["kernel"], **window, **affine, name=name)
    if op == "depthwise_conv2d":
        return kl.DepthwiseConv2D(layer["kernel"], **window, **affine, name=name)
    if op == "dense":
        return kl.Dense(layer["units"], **affine, name=name)
    if op == "batch_norm":
        return kl.BatchNormalization(epsilon=layer.get("epsilon", 1e-3), name=name)
    if op == "max_pool2d":
        return kl.MaxPooling2D(layer["kernel"], **window, name=name)
    if op == "average_pool2d":
        return kl.AveragePooling2D(layer["kernel"], **window, name=name)
    if op == "relu6":
        return kl.ReLU(6.0, name=name)
    if op == "sigmoid":
        return kl.Activation("sigmoid", name=name)
    return {
        "relu": kl.ReLU,
        "global_average_pool2d": kl.GlobalAveragePooling2D,
        "flatten": kl.Flatten,
        "softmax": kl.Softmax,
    }[op](name=name)


def get_weights(model) -> dict[str, Any]:
    """Read a built model's weights by the suite's names, as float32 arrays (copies).

    Raises ValueError for a model that is not built, and where two weights would get one name, as
    in a model with another model inside.
    """
    return {name: variable.numpy().astype("float32") for name, variable in _variables(model)}


def set_weights(model, weights: Mapping[str, Any]):
    """Put weights by the suite's names into a built model and return it.

    Raises ValueError if a weight is missing, left over or has another shape, and as `get_weights`.
    """
    import numpy as np

    found = dict(_variables(model))
    if set(found) != set(weights):
        different = ", ".join(sorted(set(found) ^ set(weights)))
        raise ValueError(f"The weights don't belong to this model; they differ in: {different}.")
    for name, variable in found.items():
        given, needed = np.shape(weights[name]), tuple(variable.shape)
        if given != needed:
            raise ValueError(f"{name} has shape {given}; this model needs {needed}.")
    for name, variable in found.items():
        variable.assign(weights[name])
    return model


def _variables(model):
    """The (name, variable) pairs of a built model, in Keras's order."""
    if not model.built:
        raise ValueError("The model has no weights yet: build it, or begin it with an InputLayer.")
    pairs = []
    for layer in model.layers:
        for variable in layer.weights:
            # Keras calls the same thing "depthwise_kernel" in one layer and "kernel" in others.
            key = variable.name.split("/")[-1].split(":")[0]
            if type(layer).__name__ == "DepthwiseConv2D":
                key = key.removeprefix("depthwise_")
            pairs.append((f"{layer.name}/{key}", variable))
    names = [name for name, _ in pairs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"Several weights of this model would be called {', '.join(twice)}, and all but one "
            "would be lost: take the layers out of the model or wrapper that is inside."
        )
    return pairs
