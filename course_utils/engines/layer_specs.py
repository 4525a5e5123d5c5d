"""A network as plain data: a tuple of layer specs, and what follows from them alone.

A spec is a dictionary of strings and numbers that can be written as JSON. Two readers understand
them: `models.build` makes a `tf_keras` model, `float_engine.forward` runs the same layers in
NumPy; `keras_models.describe` writes them from a model. Importing this module imports neither
TensorFlow nor NumPy.

Every spec has "op" and "name". The ops and what else they take:

    conv2d               filters, kernel, [strides], [padding], [use_bias], [activation]
    depthwise_conv2d     kernel, [strides], [padding], [use_bias], [activation]
    dense                units, [use_bias], [activation]
    batch_norm           [epsilon]
    max_pool2d, average_pool2d     kernel, [strides], [padding]
    relu, relu6, sigmoid, softmax, global_average_pool2d, flatten

Defaults: strides (1, 1), for pooling the kernel; padding "valid"; use_bias True; no activation;
epsilon 1e-3. Weights are named "conv1/kernel", "conv1/bias", "bn1/gamma" and keep Keras's axis
order: conv2d (height, width, in, out), depthwise (height, width, in, 1), dense (in, out).

A key or a value that stands not here is refused: what is read past makes another network.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any, NamedTuple

Layers = Sequence[Mapping[str, Any]]

ACTIVATIONS = ("relu", "relu6", "sigmoid", "softmax")
AFFINE = ("conv2d", "depthwise_conv2d", "dense")  # the ops that have a kernel
PROBABILITIES = ("sigmoid", "softmax")

_WINDOW, _AFFINE = ("strides", "padding"), ("use_bias", "activation")
# op -> (keys that it needs, keys that it may have)
OPS: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "conv2d": (("filters", "kernel"), _WINDOW + _AFFINE),
    "depthwise_conv2d": (("kernel",), _WINDOW + _AFFINE),
    "dense": (("units",), _AFFINE),
    "batch_norm": ((), ("epsilon",)),
    "max_pool2d": (("kernel",), _WINDOW),
    "average_pool2d": (("kernel",), _WINDOW),
    **dict.fromkeys((*ACTIVATIONS, "global_average_pool2d", "flatten"), ((), ())),
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

    Raises ValueError for what `check` refuses, and for an input that a layer can't take.

    >>> from course_utils.machines.models import ARCHITECTURES
    >>> rows = describe(ARCHITECTURES["fashion_cnn"], (28, 28, 1))
    >>> rows[0].output_shape, rows[0].parameters, rows[0].macs
    ((26, 26, 16), 160, 97344)
    >>> sum(row.parameters for row in rows)
    56714
    """
    shape, rows = tuple(input_shape), []
    if not shape or not all(_is_count(size) for size in shape):
        raise ValueError(f"An input's shape is whole numbers from 1 on, not {shape}.")
    for layer in layers:
        rows.append(describe_layer(layer, shape))
        shape = rows[-1].output_shape
    return rows


def describe_layer(layer: Mapping[str, Any], input_shape: tuple[int, ...]) -> LayerInfo:
    """One row of `describe`; raises ValueError as it does."""
    check(layer)
    shape, weights, macs = _describe_layer(layer, input_shape)
    weights = {f"{layer['name']}/{key}": value for key, value in weights.items()}
    parameters = sum(prod(value) for value in weights.values())
    return LayerInfo(layer["name"], layer["op"], shape, weights, parameters, macs)


def check(layer: Mapping[str, Any]) -> None:
    """Raise ValueError, in one sentence, for a spec that says what no reader understands.

    An unknown op, a key that its op doesn't take or lacks, and a value of the wrong kind: "SAME"
    is not "same", and neither is read as "valid".

    >>> check({"op": "dense", "name": "dense1", "units": 10})
    """
    if not isinstance(layer, Mapping):
        raise ValueError(f"A layer is a dictionary with an op and a name, not {layer!r}.")
    name, op = layer.get("name"), layer.get("op")
    if not isinstance(name, str) or not name or "/" in name:
        raise ValueError(f"A layer's name is a text without a slash, not {name!r} (op {op!r}).")
    if op not in OPS:
        raise ValueError(f"{name}: unknown op {op!r}; there are {', '.join(OPS)}.")
    needed, optional = OPS[op]
    for key, value in layer.items():
        if key in ("op", "name"):
            continue
        if key not in needed + optional:
            takes = ", ".join(needed + optional) or "nothing else"
            raise ValueError(f"{name}: {op} knows no {key} {value!r}; it takes {takes}.")
        fits, what = _VALUES[key]
        if not fits(value):
            raise ValueError(f"{name}: {key} is {what}, not {value!r}.")
    missing = [key for key in needed if key not in layer]
    if missing:
        raise ValueError(f"{name}: {op} needs {' and '.join(missing)}.")


def _is_count(value) -> bool:
    try:
        return not isinstance(value, bool) and operator.index(value) >= 1
    except TypeError:
        return False


def _is_pair(value) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(map(_is_count, value))


def _is_small(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1


# key -> (does the value fit?, what it must be)
_COUNT = _is_count, "a whole number from 1 on"
_PAIR = _is_pair, "two whole numbers from 1 on, such as (3, 3)"
_VALUES = {
    "filters": _COUNT,
    "units": _COUNT,
    "kernel": _PAIR,
    "strides": _PAIR,
    "padding": (lambda value: value in ("same", "valid"), "'same' or 'valid', in small letters"),
    "use_bias": (lambda value: isinstance(value, bool), "True or False"),
    "activation": (
        lambda value: value is None or value in ACTIVATIONS,
        f"None or one of {', '.join(ACTIVATIONS)}",
    ),
    "epsilon": (_is_small, "a number from 0 to below 1"),
}


def output_kind(layers: Layers) -> str:
    """What a classifier's outputs are: "softmax", "sigmoid", or "logits", which are neither yet.

    Pooling and flattening behind the last layer that computes are looked through. Raises
    ValueError where it can't be told: after a ReLU, or where probabilities are pooled.

    >>> output_kind([{"op": "dense", "name": "d", "units": 10}, {"op": "softmax", "name": "s"}])
    'softmax'
    >>> output_kind([{"op": "dense", "name": "d", "units": 10}])
    'logits'
    """
    behind = ""  # what pools or flattens after the layer that is looked at
    for layer in reversed(layers):
        op = layer["op"]
        if op == "flatten":
            continue
        if op.endswith("pool2d"):
            behind = op
            continue
        activation = op if op in ACTIVATIONS else layer.get("activation")
        if activation is None or (activation.startswith("relu") and behind):
            return "logits"
        if activation in PROBABILITIES and not behind:
            return activation
        then = f", then {behind}" if behind else ""
        raise ValueError(
            f"{layer['name']} ends the network in {activation}{then}: nobody can tell whether "
            "that is a probability or a logit, so end it in a dense layer or its softmax or "
            "sigmoid, or pass the loss."
        )
    raise ValueError("This network computes nothing that could be an answer: give it a layer.")


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
    return [f"{layer['name']}/kernel" for layer in layers if layer["op"] in AFFINE]


def require_weights(layers: Layers, input_shape: Sequence[int], weights: Mapping[str, Any]) -> None:
    """Raise ValueError if a weight of the network is missing, left over or has another shape."""
    shapes = weight_shapes(layers, input_shape)
    if set(shapes) != set(weights):
        different = ", ".join(sorted(set(shapes) ^ set(weights)))
        raise ValueError(f"The weights don't belong to these layers; they differ in: {different}.")
    for name, shape in shapes.items():
        if tuple(weights[name].shape) != shape:
            raise ValueError(
                f"{name} has the shape {tuple(weights[name].shape)}; its layer asks for {shape}."
            )


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
    if op in ACTIVATIONS:
        return shape, {}, 0
    if op == "batch_norm":
        names = ("gamma", "beta", "moving_mean", "moving_variance")
        return shape, dict.fromkeys(names, (shape[-1],)), 0
    if op == "flatten":
        return (prod(shape),), {}, 0
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
