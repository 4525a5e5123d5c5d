"""A whole network with quantized weights and activations, simulated in float32.

Every weight and every layer's output is rounded to a real number that has a code ("fake
quantization"); the arithmetic between stays float32. The values are those that an int8 network
works with, up to the rounding of its biases and accumulators, so that accuracies can be measured
for any number of bits and any range. Notebook 07 replaces the arithmetic, too, by integers.

`fold_batch_norm` comes first: a converter has no batch normalization left when it quantizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import numpy as np

from course_utils.engines import float_engine, layer_specs
from course_utils.numbers.quantization import (
    QParams,
    choose_qparams,
    dequantize,
    fake_quantize,
    min_max_range,
    quantize,
)

# How a kernel is quantized. The last one is LiteRT's; none of them clips.
WEIGHT_SCHEMES = {
    "per tensor, symmetric": {"symmetric": True, "narrow_range": True, "per_channel": False},
    "per tensor, affine": {"symmetric": False, "narrow_range": False, "per_channel": False},
    "per channel, symmetric": {"symmetric": True, "narrow_range": True, "per_channel": True},
}
INPUT = "input"  # the name of the network's input among the quantized tensors

# Their outputs need no range: the codes of the input, or the fixed scale of a probability.
_SAME_CODES = ("max_pool2d", "average_pool2d", "flatten", *layer_specs.PROBABILITIES)


def fold_batch_norm(layers, weights):
    """Return (layers, weights) of the same function without batch normalization.

    At inference batch normalization multiplies each output channel by a constant and adds one
    (Jacob et al. 2018, section 3.2), so that it can be computed once, ahead, on the weights:

        f = gamma / sqrt(variance + epsilon)      w' = w * f      b' = beta + (b - mean) * f

    An activation that is a layer of its own (relu, relu6) moves into the layer before it, and a
    softmax or sigmoid in a layer becomes one of its own, as in a .tflite file. Raises ValueError
    for a batch normalization that follows no convolution, a missing weight, and a layer that
    `layer_specs.check` refuses.
    """
    folded, folded_weights = [], {}
    for layer in _apart(layers):
        before = folded[-1] if folded else {"op": None}
        if layer["op"] == "batch_norm":
            if before["op"] not in layer_specs.AFFINE or before.get("activation"):
                raise ValueError(
                    f"{layer['name']} follows no layer that it can be folded into: put it behind "
                    "a convolution or dense layer, and the activation behind it."
                )
            kernel, bias = f"{before['name']}/kernel", f"{before['name']}/bias"
            gamma, beta, mean, variance = (
                _weight(weights, f"{layer['name']}/{key}")
                for key in ("gamma", "beta", "moving_mean", "moving_variance")
            )
            factor = gamma / np.sqrt(variance + np.float32(layer.get("epsilon", 1e-3)))
            depthwise = before["op"] == "depthwise_conv2d"
            own = _weight(folded_weights, bias) if before.get("use_bias", True) else 0
            factors = factor[:, None] if depthwise else factor
            folded_weights[kernel] = _weight(folded_weights, kernel) * factors
            folded_weights[bias] = beta + (own - mean) * factor
            folded[-1] = {**before, "use_bias": True}
        elif (
            layer["op"] in ("relu", "relu6")
            and before["op"] in layer_specs.AFFINE
            and not before.get("activation")
        ):
            folded[-1] = {**before, "activation": layer["op"]}
        else:
            folded.append(dict(layer))
            prefix = f"{layer['name']}/"
            own = {key: value for key, value in weights.items() if key.startswith(prefix)}
            folded_weights.update(own)
    return tuple(folded), folded_weights


def _apart(layers):
    """The layers, a softmax or sigmoid that stands in one as a layer of its own."""
    for layer in layers:
        layer_specs.check(layer)
        activation = layer.get("activation")
        if activation in layer_specs.PROBABILITIES:
            yield {key: value for key, value in layer.items() if key != "activation"}
            yield {"op": activation, "name": f"{layer['name']}_{activation}"}
        else:
            yield dict(layer)


def _weight(weights, name):
    if name not in weights:
        raise ValueError(f"The weight {name} is missing.")
    return weights[name]


def channel_axis(layer) -> int:
    """Return the axis of a layer's kernel that counts its output channels (Keras's axis order).

    >>> channel_axis({"op": "depthwise_conv2d", "name": "d"})      # (height, width, channels, 1)
    2
    """
    return {"conv2d": 3, "depthwise_conv2d": 2, "dense": 1}[layer["op"]]


def range_qparams(x_min, x_max, num_bits, symmetric=False, narrow_range=False, channel_axis=None):
    """`choose_qparams` for a range that may leave out zero: it is widened to zero silently."""
    x_min, x_max = np.minimum(x_min, 0), np.maximum(x_max, 0)
    return choose_qparams(x_min, x_max, num_bits, symmetric, narrow_range, channel_axis)


def kernel_qparams(layer, kernel, num_bits, scheme) -> QParams:
    """The scales of one kernel from its own smallest and largest weight.

    scheme: a name in WEIGHT_SCHEMES, or a dictionary like theirs.
    """
    how = WEIGHT_SCHEMES[scheme] if isinstance(scheme, str) else scheme
    axis = channel_axis(layer) if how["per_channel"] else None
    low, high = min_max_range(kernel, axis)
    return range_qparams(low, high, num_bits, how["symmetric"], how["narrow_range"], axis)


def quantize_kernels(layers, weights, num_bits=8, scheme="per channel, symmetric", only=None):
    """Return the weights with each kernel as it is after quantizing and dequantizing.

    only: names of layers; None: all. Biases stay as they are (LiteRT keeps them in 32 bits).
    Raises ValueError for a name that no layer with a kernel has, and a missing kernel.
    """
    with_kernel = [layer for layer in layers if layer["op"] in layer_specs.AFFINE]
    names = {layer["name"] for layer in with_kernel}
    if unknown := set(only or ()) - names:
        raise ValueError(f"No kernel in {', '.join(sorted(unknown))}: choose from {names}.")
    quantized = dict(weights)
    for layer in with_kernel:
        if only is None or layer["name"] in only:
            name = f"{layer['name']}/kernel"
            kernel = _weight(weights, name)
            qparams = kernel_qparams(layer, kernel, num_bits, scheme)
            quantized[name] = dequantize(quantize(kernel, qparams), qparams)
    return quantized


def quantized_tensors(layers) -> list[str]:
    """The activations that get a scale of their own: the input and most layers' outputs.

    Pooling and reshaping keep the codes of their input; softmax and sigmoid have a fixed scale in
    LiteRT and do not change which class is largest. Raises ValueError for a layer that is called
    as the input is.
    """
    if any(layer["name"] == INPUT for layer in layers):
        raise ValueError(f"{INPUT!r} is the network's input here: give the layer another name.")
    return [INPUT, *(layer["name"] for layer in layers if layer["op"] not in _SAME_CODES)]


def activations(layers, weights, x) -> dict[str, np.ndarray]:
    """The float32 values of all `quantized_tensors` for inputs x."""
    traced = {INPUT: np.asarray(x, np.float32), **float_engine.trace(layers, weights, x)}
    return {name: traced[name] for name in quantized_tensors(layers)}


def output_ranges(layers, weights, x, calibrate: Callable = min_max_range) -> dict[str, tuple]:
    """The range (x_min, x_max) of each activation over the calibration inputs x.

    calibrate: a function of one activation's values, for all of x, that returns its range.
    """
    return {name: calibrate(a) for name, a in activations(layers, weights, x).items()}


def activation_qparams(ranges: Mapping[str, tuple], num_bits=8, symmetric=False):
    """One QParams for each activation: per tensor, affine unless told otherwise."""
    return {
        name: range_qparams(low, high, num_bits, symmetric) for name, (low, high) in ranges.items()
    }


def forward(layers, weights, x, qparams: Mapping[str, QParams]) -> np.ndarray:
    """Like `float_engine.forward`, each output that has an entry in qparams rounded to its codes.

    Give weights from `quantize_kernels` to have both quantized. Raises ValueError as
    `float_engine.forward` does, and for qparams that belong to no tensor of the network.
    """
    names = {INPUT, *(layer["name"] for layer in layers)}
    if unknown := sorted(set(qparams) - names):
        raise ValueError(f"No layer is called {', '.join(unknown)}, so nothing would be rounded.")
    return float_engine.by_batches(
        lambda batch: continue_from(layers, weights, batch, qparams, INPUT), x
    )


def continue_from(layers: Iterable, weights, batch, qparams, name=None):
    """One batch through these layers; `name`, if given, is the tensor that the batch is."""
    if name in qparams:
        batch = fake_quantize(batch, qparams[name])
    for layer in layers:
        batch = float_engine.apply(layer, weights, batch)
        if layer["name"] in qparams:
            batch = fake_quantize(batch, qparams[layer["name"]])
    return batch
