"""The suite's networks as plain data, and the one place that turns them into Keras models.

A network is a tuple of layer specs: dictionaries of strings and numbers that can be written as
JSON. Two readers understand them: `build` makes a `tf_keras` model, `float_engine.forward` runs
the same layers in NumPy. Importing this module imports neither TensorFlow nor NumPy.

Every spec has "op" and "name". The ops and what else they take:

    conv2d               filters, kernel, [strides], [padding], [use_bias], [activation]
    depthwise_conv2d     kernel, [strides], [padding], [use_bias], [activation]
    dense                units, [use_bias], [activation]
    batch_norm           [epsilon]
    max_pool2d, average_pool2d     kernel, [strides], [padding]
    relu, relu6, global_average_pool2d, flatten, softmax

Defaults: strides (1, 1), for pooling the kernel; padding "valid"; use_bias True; no activation;
epsilon 1e-3. Weights are named "conv1/kernel", "conv1/bias", "bn1/gamma" and keep Keras's axis
order: conv2d (height, width, in, out), depthwise (height, width, in, 1), dense (in, out).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

Layers = Sequence[Mapping[str, Any]]


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

INPUT_SHAPES: dict[str, tuple[int, int, int]] = {
    "fashion_cnn": (28, 28, 1),
    "fashion_dscnn": (28, 28, 1),
    "lenet_300_100": (28, 28, 1),
    "watch_cnn": (1, 100, 6),
}

DATASETS: dict[str, str] = {
    "fashion_cnn": "fashion_mnist",
    "fashion_dscnn": "fashion_mnist",
    "lenet_300_100": "fashion_mnist",
    "watch_cnn": "watch",
}


class LayerInfo(NamedTuple):
    """What one layer costs. Shapes leave out the batch; `macs` are for one input."""

    name: str
    op: str
    output_shape: tuple[int, ...]
    weight_shapes: dict[str, tuple[int, ...]]  # "conv1/kernel" -> shape
    parameters: int
    macs: int  # multiply-accumulates of convolutions and dense layers


def describe(layers: Layers, input_shape: Sequence[int]) -> list[LayerInfo]:
    """Shapes, parameters and multiply-accumulates of each layer, without building anything.

    Raises ValueError for an unknown op or an input that a layer can't take.

    >>> rows = describe(ARCHITECTURES["fashion_cnn"], (28, 28, 1))
    >>> rows[0].output_shape, rows[0].parameters, rows[0].macs
    ((26, 26, 16), 160, 97344)
    >>> sum(row.parameters for row in rows)
    56714
    """
    shape, rows = tuple(input_shape), []
    for layer in layers:
        shape, weights, macs = _describe_layer(layer, shape)
        weights = {f"{layer['name']}/{key}": value for key, value in weights.items()}
        parameters = sum(prod(value) for value in weights.values())
        rows.append(LayerInfo(layer["name"], layer["op"], shape, weights, parameters, macs))
    return rows


def weight_shapes(layers: Layers, input_shape: Sequence[int]) -> dict[str, tuple[int, ...]]:
    """Name and shape of every weight of a network, in the order of its layers.

    >>> weight_shapes(ARCHITECTURES["lenet_300_100"], (28, 28, 1))["dense1/kernel"]
    (784, 300)
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for row in describe(layers, input_shape):
        shapes.update(row.weight_shapes)
    return shapes


def kernel_names(layers: Layers) -> list[str]:
    """The weights that pruning and quantization work on: kernels, no biases, no batch norm.

    >>> kernel_names(ARCHITECTURES["fashion_cnn"])
    ['conv1/kernel', 'conv2/kernel', 'dense1/kernel', 'dense2/kernel']
    """
    with_kernel = ("conv2d", "depthwise_conv2d", "dense")
    return [f"{layer['name']}/kernel" for layer in layers if layer["op"] in with_kernel]


def layer_of(kernel: str) -> str:
    """The name of the layer that a kernel belongs to.

    >>> layer_of("conv1/kernel")
    'conv1'
    """
    return kernel.split("/")[0]


def require_own_weights(layers: Layers, weights: Mapping[str, Any]) -> None:
    """Raise ValueError where two layers share weights: pruning one would prune the other, too."""
    names = [layer["name"] for layer in layers]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(
            f"{', '.join(twice)} stands in the network more than once, so its weights are shared, "
            "and what is pruned for one place is missing in the other: give each place a layer of "
            "its own."
        )
    owner: dict[int, str] = {}
    for name in weights:
        first = owner.setdefault(id(weights[name]), name)
        if first != name:
            raise ValueError(
                f"{first} and {name} are one array, so pruning one prunes the other: give each "
                "layer a copy of its own."
            )


def _describe_layer(layer, shape):
    """-> (output shape, {weight: shape}, multiply-accumulates) of one layer."""
    op = layer["op"]
    if op == "dense":
        if len(shape) != 1:
            raise ValueError(
                f"{layer['name']}: a dense layer needs a flat input, got shape {shape}; "
                "put a flatten layer before it."
            )
        units = layer["units"]
        weights = {"kernel": (shape[0], units), **_bias(layer, units)}
        return (units,), weights, shape[0] * units
    if op in ("relu", "relu6", "softmax"):
        return shape, {}, 0
    if op == "batch_norm":
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        return shape, dict.fromkeys(names, (shape[-1],)), 0
    if op == "flatten":
        return (prod(shape),), {}, 0
    if op not in ("conv2d", "depthwise_conv2d", "max_pool2d", "average_pool2d",
                  "global_average_pool2d"):  # fmt: skip
        raise ValueError(f"{layer.get('name', '?')}: unknown op {op!r}.")
    if len(shape) != 3:
        raise ValueError(
            f"{layer['name']}: {op} needs an input (height, width, channels), got {shape}."
        )
    height, width, channels = shape
    if op == "global_average_pool2d":
        return (channels,), {}, 0
    (kh, kw), (sh, sw) = layer["kernel"], strides_of(layer)
    if layer.get("padding", "valid") == "same":
        out = (-(-height // sh), -(-width // sw))
    else:
        out = ((height - kh) // sh + 1, (width - kw) // sw + 1)
    if min(out) < 1:
        raise ValueError(f"{layer['name']}: the {kh} x {kw} kernel is larger than its input.")
    if op == "conv2d":
        filters = layer["filters"]
        weights = {"kernel": (kh, kw, channels, filters), **_bias(layer, filters)}
        return (*out, filters), weights, prod(out) * kh * kw * channels * filters
    if op == "depthwise_conv2d":
        weights = {"kernel": (kh, kw, channels, 1), **_bias(layer, channels)}
        return (*out, channels), weights, prod(out) * kh * kw * channels
    return (*out, channels), {}, 0


def _bias(layer, units):
    return {"bias": (units,)} if layer.get("use_bias", True) else {}


def strides_of(layer: Mapping[str, Any]) -> tuple[int, int]:
    """A layer's strides: as given, else the kernel's size for pooling and (1, 1) otherwise."""
    default = layer["kernel"] if layer["op"].endswith("pool2d") else (1, 1)
    return tuple(layer.get("strides", default))


def resolve(network: str | Layers, input_shape: Sequence[int] | None = None):
    """-> (layers, input shape) of a name in ARCHITECTURES, or of layers with their shape."""
    if isinstance(network, str):
        if network not in ARCHITECTURES:
            raise ValueError(f"No network {network!r}; there are {', '.join(ARCHITECTURES)}.")
        return ARCHITECTURES[network], tuple(input_shape or INPUT_SHAPES[network])
    if input_shape is None:
        raise ValueError("Layers alone don't tell their input: give input_shape.")
    return tuple(network), tuple(input_shape)


def build(network: str | Layers, input_shape: Sequence[int] | None = None):
    """Make the `tf_keras.Sequential` model of a network; imports TensorFlow.

    `network` is a name in ARCHITECTURES or a sequence of layer specs, which needs `input_shape`
    (height, width, channels). Raises ValueError for a name or a spec it doesn't know.
    """
    layers, input_shape = resolve(network, input_shape)
    describe(layers, input_shape)  # a wrong spec is named before TensorFlow starts
    from course_utils import env

    keras = env.keras()
    model = keras.Sequential(name=network if isinstance(network, str) else None)
    model.add(keras.layers.InputLayer(input_shape=input_shape))
    for layer in layers:
        model.add(keras_layer(keras.layers, layer))
    return model


def keras_layer(kl, layer):
    op, name = layer["op"], layer["name"]
    if op in ("conv2d", "depthwise_conv2d", "max_pool2d", "average_pool2d"):
        window = {"strides": strides_of(layer), "padding": layer.get("padding", "valid")}
    affine = {"use_bias": layer.get("use_bias", True), "activation": layer.get("activation")}
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
    return {
        "relu": kl.ReLU,
        "global_average_pool2d": kl.GlobalAveragePooling2D,
        "flatten": kl.Flatten,
        "softmax": kl.Softmax,
    }[op](name=name)


def get_weights(model) -> dict[str, Any]:
    """Read a built model's weights by the suite's names, as float32 arrays (copies)."""
    weights = {}
    for layer in model.layers:
        for variable in layer.weights:
            # Keras calls the same thing "depthwise_kernel" in one layer and "kernel" in others.
            key = variable.name.split("/")[-1].split(":")[0].removeprefix("depthwise_")
            weights[f"{layer.name}/{key}"] = variable.numpy()
    return weights


def set_weights(model, weights: Mapping[str, Any]):
    """Put weights by the suite's names into a built model and return it.

    Raises ValueError if a weight is missing, left over or has another shape.
    """
    found = get_weights(model)
    if set(found) != set(weights):
        different = ", ".join(sorted(set(found) ^ set(weights)))
        raise ValueError(f"The weights don't belong to this model; they differ in: {different}.")
    for name, value in found.items():
        if value.shape != weights[name].shape:
            raise ValueError(
                f"{name} has shape {weights[name].shape}; this model needs {value.shape}."
            )
    # get_weights lists them in the order in which Keras keeps them.
    model.set_weights([weights[name] for name in found])
    return model
