"""Quantization-aware training: train the network through the rounding it will live with.

In the forward pass every kernel and every activation is rounded to a real number that has a code,
as at inference; in the backward pass the rounding is treated as if it were not there, because its
own gradient is zero almost everywhere (the straight-through estimator: Bengio et al.,
arXiv:1308.3432; in this setting Jacob et al. 2018, section 3):

    w_q = round(w / S) * S          d w_q / d w := 1

`build` makes the network of fake-quantized layers from a *folded* one
(`simulated_quantization.fold_batch_norm`): a converter has no batch normalization left when it
quantizes, so neither has the training. The TensorFlow Model Optimization Toolkit rounds the
kernels before they are folded, and only to 8 bits in its ready-made scheme; with one scale a
tensor that is another network than the one that is deployed. So the few lines are here.

What comes out needs no new tool: `export` gives kernels and ranges to
`simulated_quantization.forward`, and `conversion.convert` takes the model as it is.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import numpy as np

from course_utils import env
from course_utils.engines import float_engine, layer_specs, simulated_quantization
from course_utils.machines import data, keras_models, models, training
from course_utils.numbers.quantization import code_range, min_max_range

MOMENTUM = 0.99  # how much of an activation's range each training batch leaves as it was
# Adam, cosine decay to 0. Of 1e-3 and 3e-3 the better one for 4-bit weights on the validation set.
RECIPE = {"epochs": 1, "batch_size": 128, "learning_rate": 3e-3}


class Trained(NamedTuple):
    """What fine-tuning leaves: float32 weights and the ranges that the observers saw."""

    model: Any  # tf_keras
    weights: dict[str, np.ndarray]  # folded, not rounded
    ranges: dict[str, tuple[float, float]]  # of each activation; empty for a float network


def build(layers, weights, input_shape, *, weight_bits=8, per_channel=True, ranges=None,
          activation_bits=8):  # fmt: skip
    """Make the tf_keras model whose kernels and activations are rounded in the forward pass.

    layers, weights: from `simulated_quantization.fold_batch_norm`.
    weight_bits:     2 to 16, or None: the kernels stay float32.
    per_channel:     one scale for each output channel instead of one for each kernel; symmetric
                     and narrow either way, as LiteRT's weights are.
    ranges:          {activation: (min, max)} to start from, by `simulated_quantization.
                     output_ranges`, for all `quantized_tensors`; None: the activations stay
                     float32.
    Raises ValueError for a bit width outside 2 to 16, for ranges of other activations, for
    weights that are not those of the layers, and for layers that are not folded.
    """
    _require_folded(layers)
    layer_specs.require_weights(layers, input_shape, weights)
    keras, own = env.keras(), _layer_classes()
    for bits in {weight_bits, activation_bits} - {None}:
        code_range(bits)
    names = simulated_quantization.quantized_tensors(layers)
    if ranges is not None and set(ranges) != set(names):
        different = ", ".join(sorted(set(ranges) ^ set(names)))
        raise ValueError(f"ranges must hold every quantized activation; they differ: {different}.")

    def observer(name):
        return own.Observer(ranges[name], activation_bits, name=f"{name}_observer")

    model = keras.Sequential([keras.layers.InputLayer(input_shape=input_shape)], name="model")
    if ranges is not None:
        model.add(observer(simulated_quantization.INPUT))
    for layer in layers:
        if layer["op"] in layer_specs.AFFINE:
            model.add(own.Affine(layer, weight_bits, per_channel, name=layer["name"]))
        else:
            model.add(models.keras_layer(keras.layers, layer))
        if ranges is not None and layer["name"] in names:
            model.add(observer(layer["name"]))
    for layer in model.layers:
        if isinstance(layer, own.Affine):
            layer.set_weights([weights[f"{layer.name}/{key}"] for key in layer.own])
    return model


def _require_folded(layers):
    for layer in layers:
        layer_specs.check(layer)
        if (
            layer["op"] == "batch_norm"
            or layer["op"] in layer_specs.AFFINE
            and layer.get("activation") in layer_specs.PROBABILITIES
        ):
            raise ValueError(
                f"{layer['name']} is not as a converter quantizes it: take the layers and weights "
                "from `simulated_quantization.fold_batch_norm(layers, weights)`."
            )


def fine_tune(layers, weights, x, y, *, weight_bits=8, per_channel=True, ranges=None,
              activation_bits=8, epochs=RECIPE["epochs"], seed=1, batch_size=RECIPE["batch_size"],
              learning_rate=RECIPE["learning_rate"], loss=None,
              progress: Callable[[int, int], None] | None = None) -> Trained:  # fmt: skip
    """Train a folded network on, with rounding or (weight_bits and ranges None) without.

    x, y: inputs (n, height, width, channels) as in training, integer labels (n,).
    loss: a Keras loss or its name; default the one that belongs to the last layer
          (`training.loss_for`), be it a softmax, a sigmoid or logits.
    progress(done, total) is called after each batch. The other parameters are those of `build`.
    The same seed gives the same batches in the same order, whatever the bits. Raises ValueError
    for what `build` and `training.loss_for` refuse, and for training that diverges;
    `training.Interrupted`, with what there is so far, for KeyboardInterrupt.
    """
    keras = env.keras()
    x, y = training.require_examples(x, y, epochs, batch_size)
    loss = training.loss_for(layers, x.shape[1:], y) if loss is None else loss
    env.seed(seed)
    model = build(
        layers, weights, x.shape[1:], weight_bits=weight_bits, per_channel=per_channel,
        ranges=ranges, activation_bits=activation_bits,
    )  # fmt: skip
    steps = epochs * -(-len(x) // batch_size)
    schedule = keras.optimizers.schedules.CosineDecay(learning_rate, steps)
    model.compile(keras.optimizers.Adam(schedule), loss)
    rng, done = np.random.default_rng(seed), 0
    try:
        for _ in range(epochs):
            order = rng.permutation(len(x))
            for first in range(0, len(x), batch_size):
                batch = order[first : first + batch_size]
                training.train_on(model, x[batch], y[batch], done)
                done += 1
                if progress is not None:
                    progress(done, steps)
    except KeyboardInterrupt:
        epoch = min(done * epochs // steps + 1, epochs)
        when = f"in epoch {epoch} of {epochs}, after {done} of {steps} batches"
        raise training.Interrupted(export(model), when) from None
    return export(model)


def export(model) -> Trained:
    """Take the float32 weights and the observed ranges out of a model of `build`."""
    own = _layer_classes()
    weights, ranges = {}, {}
    for layer in model.layers:
        if isinstance(layer, own.Affine):
            for key in layer.own:
                weights[f"{layer.name}/{key}"] = getattr(layer, key).numpy()
        elif isinstance(layer, own.Observer):
            low, high = float(layer.low.numpy()), float(layer.high.numpy())
            ranges[layer.name.removesuffix("_observer")] = (low, high)
    return Trained(model, weights, ranges)


def is_quantization_aware(model) -> bool:
    """Does this tf_keras model bring the ranges of its activations along? (Ours or tfmot's.)

    Also where the quantization-aware model is a part of another one.
    """
    tfmot = ("QuantizeLayer", "QuantizeWrapper", "QuantizeWrapperV2")
    return any(
        getattr(layer, "observes_range", False) or type(layer).__name__ in tfmot
        for layer in keras_models.leaves(model)
    )


def predict(layers, weights, x, *, weight_bits=8, per_channel=True, ranges=None,
            activation_bits=8):  # fmt: skip
    """Classes that the network answers when it is rounded like this, int64 (n,).

    The same function serves weights that were trained for rounding and weights that were not:
    for the latter it is post-training quantization. The parameters are those of `build`.
    """
    model = build(
        layers, weights, x.shape[1:], weight_bits=weight_bits, per_channel=per_channel,
        ranges=ranges, activation_bits=activation_bits,
    )  # fmt: skip
    return float_engine.answers(layers, model.predict(x, batch_size=500, verbose=0))


@cache
def _layer_classes():
    """The two kinds of layer; made when first needed, because TensorFlow comes with them."""
    tf, keras = env.tensorflow(), env.keras()

    class Affine(keras.layers.Layer):
        """A convolution or dense layer of `models` that multiplies by its rounded kernel."""

        def __init__(self, spec, weight_bits, per_channel, name):
            super().__init__(name=name)
            self.spec, self.weight_bits, self.per_channel = dict(spec), weight_bits, per_channel

        @property
        def own(self):
            """The names of its weights, in Keras's order."""
            return ("kernel", "bias") if self.spec.get("use_bias", True) else ("kernel",)

        def build(self, shape):
            spec, channels = self.spec, shape[-1]
            kernel_shape = {
                "conv2d": lambda: (*spec["kernel"], channels, spec["filters"]),
                "depthwise_conv2d": lambda: (*spec["kernel"], channels, 1),
                "dense": lambda: (channels, spec["units"]),
            }[spec["op"]]()
            units = kernel_shape[simulated_quantization.channel_axis(spec)]
            for key in self.own:
                shape = kernel_shape if key == "kernel" else (units,)
                setattr(self, key, self.add_weight(key, shape))

        def rounded(self, kernel):
            if self.weight_bits is None:
                return kernel
            kept = simulated_quantization.channel_axis(self.spec)
            axes = [a for a in range(kernel.shape.rank) if not (self.per_channel and a == kept)]
            largest = tf.reduce_max(tf.abs(kernel), axis=axes, keepdims=True)
            scale = tf.maximum(largest, 1e-6) / code_range(self.weight_bits)[1]
            # Forward: the rounded kernel. Backward: the kernel, as if nothing had been rounded.
            return kernel + tf.stop_gradient(tf.round(kernel / scale) * scale - kernel)

        def call(self, x):
            kernel, spec = self.rounded(self.kernel), self.spec
            if spec["op"] == "dense":
                y = tf.matmul(x, kernel)
            else:
                strides = (1, *layer_specs.strides_of(spec), 1)
                padding = spec.get("padding", "valid").upper()
                convolve = {
                    "conv2d": tf.nn.conv2d,
                    "depthwise_conv2d": tf.nn.depthwise_conv2d,
                }[spec["op"]]
                y = convolve(x, kernel, strides, padding)
            if "bias" in self.own:
                y = tf.nn.bias_add(y, self.bias)
            activation = spec.get("activation")
            return getattr(tf.nn, activation)(y) if activation else y

    class Observer(keras.layers.Layer):
        """Rounds an activation to its codes, and follows its range while training."""

        observes_range = True

        def __init__(self, start, num_bits, name):
            super().__init__(name=name)
            self.start, self.num_bits = start, num_bits

        def build(self, shape):
            low, high = (float(v) for v in self.start)
            constant = keras.initializers.Constant
            self.low = self.add_weight("low", (), initializer=constant(low), trainable=False)
            self.high = self.add_weight("high", (), initializer=constant(high), trainable=False)

        def call(self, x, training=None):
            if training:
                seen = (self.low, tf.reduce_min(x)), (self.high, tf.reduce_max(x))
                for variable, value in seen:
                    variable.assign(MOMENTUM * variable + (1 - MOMENTUM) * value)
            low, high = tf.minimum(self.low, 0), tf.maximum(self.high, 0)
            return tf.quantization.fake_quant_with_min_max_vars(x, low, high, self.num_bits)

    class Classes(NamedTuple):
        Affine: type
        Observer: type

    return Classes(Affine, Observer)


def calibrated_ranges(layers, weights, x):
    """The min-max range of each activation over the inputs x: where the observers start."""
    return simulated_quantization.output_ranges(layers, weights, x, min_max_range)


# --- a shipped network, trained for its rounding ---------------------------------------------

QAT_IMAGES = 20_000


CALIBRATION_INPUTS = 500


def train_for_rounding(name, seed, bits, per_channel):
    """One run, with rounding or (bits None) without.

    -> (Trained, what it began with: folded layers, weights, 500 images, their ranges; recipe)
    """
    checkpoint, dataset = data.checkpoint(name), data.load(models.DATASETS[name], full=True)
    layers, weights = simulated_quantization.fold_batch_norm(checkpoint.layers, checkpoint.weights)
    drawn = np.random.default_rng(seed).choice(len(dataset.x_train), QAT_IMAGES, replace=False)
    images, labels = dataset.x_train[drawn], dataset.y_train[drawn]
    calibration = images[:CALIBRATION_INPUTS]
    ranges = calibrated_ranges(layers, weights, calibration)
    trained = fine_tune(
        layers, weights, images, labels, weight_bits=bits, seed=seed,
        ranges=None if bits is None else ranges, per_channel=per_channel,
    )  # fmt: skip
    return trained, (layers, weights, calibration, ranges), qat_recipe(per_channel)


def qat_recipe(per_channel):
    """What a record says of such a run, without its seed and bits."""
    return {**RECIPE, "per_channel": per_channel, "train_size": QAT_IMAGES,
            "calibration_inputs": CALIBRATION_INPUTS}  # fmt: skip
