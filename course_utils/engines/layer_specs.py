"""A network as plain data: a tuple of layer specs, and what follows from them alone.

A spec is a dictionary of strings and numbers that can be written as JSON. Two readers understand
them: `models.build` makes a `tf_keras` model, `float_engine.forward` runs the same layers in
NumPy. Importing this module imports neither TensorFlow nor NumPy.

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

    >>> from course_utils.machines.models import ARCHITECTURES
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

    >>> from course_utils.machines.models import ARCHITECTURES
    >>> weight_shapes(ARCHITECTURES["lenet_300_100"], (28, 28, 1))["dense1/kernel"]
    (784, 300)
    """
    shapes: dict[str, tuple[int, ...]] = {}
    for row in describe(layers, input_shape):
        shapes.update(row.weight_shapes)
    return shapes


def kernel_names(layers: Layers) -> list[str]:
    """The weights that pruning and quantization work on: kernels, no biases, no batch norm.

    >>> from course_utils.machines.models import ARCHITECTURES
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
