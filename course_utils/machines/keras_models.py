"""A tf_keras model that someone else built: what it is made of, and its description as layer specs.

`describe` is the way of your own network into `fine_tuning` and `quantization_aware`. The rest is
what `conversion` asks of any model before it converts it.
"""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from course_utils import env
from course_utils.engines import float_engine, layer_specs
from course_utils.machines.calibration import Input

# Identity at inference: they have no place in a description.
TRAINING_ONLY = (
    "Dropout", "SpatialDropout1D", "SpatialDropout2D", "AlphaDropout", "GaussianDropout",
    "GaussianNoise", "ActivityRegularization", "RandomFlip", "RandomRotation", "RandomZoom",
    "RandomTranslation", "RandomContrast", "RandomBrightness",
)  # fmt: skip
REGULARIZED = (
    "kernel_regularizer", "depthwise_regularizer", "bias_regularizer", "activity_regularizer",
    "kernel_constraint", "depthwise_constraint", "bias_constraint",
)  # fmt: skip


class Network(NamedTuple):
    """A network as the suite's functions take it."""

    layers: tuple[dict[str, Any], ...]
    weights: dict[str, np.ndarray]  # float32, by the suite's names
    input_shape: tuple[int, ...]


def require_tf_keras(model) -> None:
    """Raise TypeError, in one sentence, for what is no tf_keras model."""
    if isinstance(model, env.keras().Model):
        return
    if any(cls.__module__.split(".")[0] == "keras" for cls in type(model).__mro__):
        raise TypeError(
            "This is a Keras 3 model; the converter's quantization needs Keras 2. Build it "
            "with `tf_keras = env.keras()` instead of `keras` or `tf.keras`."
        )
    raise TypeError(f"Expected a tf_keras model, not {type(model).__name__}.")


def leaves(model) -> list:
    """Every layer that the model is made of, those in models and wrappers inside it, too."""
    return [layer for layer in model._flatten_layers(recursive=True, include_self=False)
            if not isinstance(layer, env.keras().Model)]  # fmt: skip


def require_float32(model) -> None:
    """Raise ValueError for a model, or a part of one, that computes in other than float32.

    Under the policy mixed_float16 kernels and activations are cast to float16; the converter has
    no operator for that, and none for float64.
    """
    for layer in leaves(model):
        if layer.compute_dtype in ("float16", "bfloat16", "float64"):
            raise ValueError(
                f"{layer.name} computes in {layer.compute_dtype}, not float32: build the model "
                'again under tf_keras.mixed_precision.set_global_policy("float32"), and give it '
                "these weights with set_weights(model.get_weights())."
            )


def stripped(model):
    """The model without the wrappers of pruning and clustering, which store masks and centroids.

    It answers as the wrapped model does: what the masks prune is zero, also where the optimizer
    moved it in its last step. A model without wrappers comes back as it is. Raises ValueError for
    wrappers that can't be taken off, as those in a subclassed model.
    """
    for wrapper, strip in (
        ("PruneLowMagnitude", _strip_pruning),
        ("ClusterWeights", _strip_clustering),
    ):
        if _wears(model, wrapper):
            plain = strip(model)
            if plain is None or _wears(plain, wrapper):
                raise ValueError(
                    f"The model wears tfmot's {wrapper} wrappers, which are for training only and "
                    "can't be taken off here: copy the kernels into a model without them."
                )
            model = plain
    return model


def _wears(model, wrapper):
    return any(type(layer).__name__ == wrapper for layer in leaves(model))


def _strip_pruning(model):
    from tensorflow_model_optimization.sparsity import keras as tfmot

    for layer in leaves(model):
        if type(layer).__name__ == "PruneLowMagnitude":
            layer.pruning_obj.weight_mask_op()
    return _or_none(tfmot.strip_pruning, model)


def _strip_clustering(model):
    from tensorflow_model_optimization.clustering import keras as tfmot

    return _or_none(tfmot.strip_clustering, model)


def _or_none(strip, model):
    try:
        return strip(model)
    except (ValueError, TypeError, NotImplementedError):  # no graph of layers to copy
        return None


# --- inputs ---------------------------------------------------------------------------------


def inputs(model):
    """-> (the structure that the built model is called with, its tensors as `Input`s, in order).

    The structure is a tensor, or a list or dictionary of them. Raises ValueError where they, or
    their sizes, are not known.
    """
    tf = env.tensorflow()
    structure = getattr(model, "_nested_inputs", None) if model.built else None
    if structure is None and model.built and model.save_spec():
        arguments, keywords = model.save_spec()
        structure = arguments[0] if len(arguments) == 1 and not keywords else None
    if structure is None:
        raise ValueError(
            "The model is not built, so its inputs are not known: begin it with an InputLayer, or "
            "call it once with a batch as its only argument."
        )
    flat = tf.nest.flatten(structure)
    names = getattr(model, "input_names", None) or [tensor.name for tensor in flat]
    found = [Input(name, tuple(tensor.shape[1:]), tf.as_dtype(tensor.dtype).name)
             for name, tensor in zip(names, flat, strict=True)]  # fmt: skip
    for one in found:
        if None in one.shape:
            raise ValueError(
                f"The input shape {one.shape} is not fixed, and a microcontroller plans its memory "
                "ahead: give every dimension a size, e.g. InputLayer(input_shape=(28, 28, 1))."
            )
    return structure, found


def entering(model, x):
    """What the first layer with a kernel gets when a model with one input is given x.

    That is x as the model's own Rescaling, Normalization and the like leave it. None where a
    subclassed model hides the way.
    """
    keras = env.keras()
    if not hasattr(model, "_nodes_by_depth"):
        scaled = any(type(layer).__name__ in ("Rescaling", "Normalization", "BatchNormalization")
                     for layer in leaves(model))  # fmt: skip
        return None if scaled else x
    for depth in sorted(model._nodes_by_depth, reverse=True):
        for node in model._nodes_by_depth[depth]:
            layer = node.layer
            if isinstance(layer, keras.layers.Normalization) or not _has_kernel(layer):
                continue
            before = node.keras_inputs[0]
            if all(before is not tensor for tensor in model.inputs):
                x = keras.Model(model.inputs, before)(x, training=False).numpy()
            return entering(layer, x) if isinstance(layer, keras.Model) else x
    return x


def _has_kernel(layer):
    return any(len(weight.shape) >= 2 for weight in layer.weights)


# --- from Keras to layer specs ----------------------------------------------------------------


def describe(model) -> Network:
    """Describe a tf_keras model of your own, so that the suite can prune and train it.

    model: built, one layer after the other, all of them in `layer_specs`: Conv2D,
           DepthwiseConv2D, Dense, BatchNormalization, the pooling layers, Flatten, ReLU, Softmax,
           Activation; other such models may be inside, and wrappers of pruning and clustering
           are taken off.
    The description is run beside the model and must answer as it does. What acts in training
    only (Dropout, regularizers, constraints, frozen layers) has no place in it: a UserWarning
    names what is left out.
    Raises TypeError for what is no tf_keras model; ValueError, with the layer's name, for what a
    description can't say.
    """
    require_tf_keras(model)
    require_float32(model)
    model = stripped(model)
    _, ends = inputs(model)
    if len(ends) != 1:
        raise ValueError(f"The model has {len(ends)} inputs; a description knows one.")
    names, layers, weights, left_out = {}, [], {}, []
    for layer in _chain(model):
        name = names.setdefault(id(layer), _unused(layer.name, names.values()))
        left_out += [f"{name} ({what})" for what in _only_in_training(layer)]
        if type(layer).__name__ in TRAINING_ONLY:
            continue
        specs, own = _spec(layer, name)
        layers += specs
        weights.update({f"{name}/{key}": np.array(value, np.float32) for key, value in own.items()})
    network = Network(tuple(layers), weights, ends[0].shape)
    layer_specs.describe(network.layers, network.input_shape)
    _require_same_answers(model, network)
    if left_out:
        warnings.warn(
            f"Left out, because it acts only while training: {', '.join(left_out)}. What is "
            "trained on from this description is trained without.",
            stacklevel=2,
        )
    return network


def _chain(model):
    """The layers between input and output, those of models inside included, in their order."""
    outputs = env.tensorflow().nest.flatten(getattr(model, "outputs", None) or [])
    if len(outputs) != 1 or not hasattr(outputs[0], "_keras_history"):
        raise ValueError(
            f"{model.name} is not a chain of layers with one output, which is all that a "
            "description knows: rewrite it as Sequential."
        )
    chain, tensor = [], outputs[0]
    while True:
        layer, index, _ = tensor._keras_history
        before = layer.inbound_nodes[index].keras_inputs
        if isinstance(layer, env.keras().layers.InputLayer):
            return chain
        if len(before) != 1:
            raise ValueError(
                f"{layer.name} joins {len(before)} tensors, and a description knows only chains "
                "of layers: prune and train this model with tfmot itself, then convert it here."
            )
        is_model = isinstance(layer, env.keras().Model)
        chain = (_chain(layer) if is_model else [layer]) + chain
        tensor = before[0]


def _unused(name, used):
    name = name.replace("/", "_")
    wanted, number = name, 1
    while wanted in used:
        number += 1
        wanted = f"{name}_{number}"
    return wanted


def _only_in_training(layer):
    if type(layer).__name__ in TRAINING_ONLY:
        return [type(layer).__name__]
    frozen = [] if layer.trainable or not layer.weights else ["frozen"]
    return frozen + [what for what in REGULARIZED if getattr(layer, what, None) is not None]


def _spec(layer, name):
    """-> ([specs], {key: weight}) of one Keras layer; ValueError for what a spec can't say."""
    kl, kind = env.keras().layers, type(layer).__name__

    def only(**settings):
        for key, allowed in settings.items():
            value = getattr(layer, key)
            if value not in allowed:
                raise ValueError(
                    f"{layer.name}: a description can't say {key}={value!r} of {kind}; it knows "
                    f"{' or '.join(map(repr, allowed))}."
                )

    def is_a(*types):
        return type(layer) in types

    if is_a(kl.Conv2D, kl.DepthwiseConv2D, kl.MaxPooling2D, kl.AveragePooling2D):
        only(data_format=["channels_last"], padding=["valid", "same"])
        window = {"strides": tuple(layer.strides), "padding": layer.padding}
    if is_a(kl.Conv2D, kl.DepthwiseConv2D):
        only(dilation_rate=[(1, 1)])
        window["kernel"] = tuple(layer.kernel_size)
    if is_a(kl.Conv2D):
        only(groups=[1])
        spec = {"op": "conv2d", "filters": layer.filters, **window}
    elif is_a(kl.DepthwiseConv2D):
        only(depth_multiplier=[1])
        spec = {"op": "depthwise_conv2d", **window}
    elif is_a(kl.Dense):
        spec = {"op": "dense", "units": layer.units}
    elif is_a(kl.MaxPooling2D, kl.AveragePooling2D):
        op = "max_pool2d" if is_a(kl.MaxPooling2D) else "average_pool2d"
        return [{"op": op, "name": name, "kernel": tuple(layer.pool_size), **window}], {}
    elif is_a(kl.GlobalAveragePooling2D):
        only(data_format=["channels_last"], keepdims=[False])
        return [{"op": "global_average_pool2d", "name": name}], {}
    elif is_a(kl.Flatten):
        only(data_format=["channels_last"])
        return [{"op": "flatten", "name": name}], {}
    elif is_a(kl.BatchNormalization):
        return _batch_norm(layer, name)
    elif is_a(kl.ReLU):
        only(max_value=[None, 6.0], negative_slope=[0.0], threshold=[0.0])
        return [{"op": "relu" if layer.max_value is None else "relu6", "name": name}], {}
    elif is_a(kl.Softmax):
        only(axis=[-1])
        return [{"op": "softmax", "name": name}], {}
    elif is_a(kl.Activation):
        activation = _activation(layer)
        return ([{"op": activation, "name": name}] if activation else []), {}
    else:
        raise ValueError(
            f"{layer.name} is a {kind}, which a description doesn't know: prune and train this "
            "model with tfmot itself, then convert it here."
        )
    spec = {**spec, "name": name, "use_bias": layer.use_bias, "activation": _activation(layer)}
    kernel = layer.depthwise_kernel if is_a(kl.DepthwiseConv2D) else layer.kernel
    own = {"kernel": kernel.numpy(), **({"bias": layer.bias.numpy()} if layer.use_bias else {})}
    return [spec], own


def _batch_norm(layer, name):
    if list(layer.axis) != [layer.input_spec.ndim - 1]:
        raise ValueError(f"{layer.name} normalises along {layer.axis}, not along the last axis.")
    mean, variance = layer.moving_mean.numpy(), layer.moving_variance.numpy()
    own = {
        "gamma": layer.gamma.numpy() if layer.scale else np.ones_like(mean),
        "beta": layer.beta.numpy() if layer.center else np.zeros_like(mean),
        "moving_mean": mean,
        "moving_variance": variance,
    }
    return [{"op": "batch_norm", "name": name, "epsilon": float(layer.epsilon)}], own


def _activation(layer):
    """The spec's word for a Keras layer's activation function, None for the identity."""
    name = getattr(layer.activation, "__name__", type(layer.activation).__name__)
    if name == "linear":
        return None
    if name not in layer_specs.ACTIVATIONS:
        raise ValueError(
            f"{layer.name}: a description doesn't know the activation {name}; it knows "
            f"{', '.join(layer_specs.ACTIVATIONS)}."
        )
    return name


def _require_same_answers(model, network):
    """Whatever was read past above would show here: the same inputs, the same outputs."""
    x = np.random.default_rng(0).normal(size=(4, *network.input_shape)).astype(np.float32)
    theirs = model(x, training=False).numpy()
    ours = float_engine.forward(network.layers, network.weights, x)
    if ours.shape != theirs.shape or not np.allclose(
        ours, theirs, rtol=1e-3, atol=1e-4 * max(1.0, float(np.abs(theirs).max()))
    ):
        raise ValueError(
            "The description of this model gives other answers than the model, so something in "
            "it acts that no layer says: rewrite it with the layers of `layer_specs` alone."
        )
