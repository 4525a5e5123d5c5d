"""Prune whole channels ("pruning neurons"), and build the smaller dense network that is left.

A zero in a kernel still has its place in memory and its turn in the loop. A channel that is gone
has neither: the kernel that made it loses a column, the next one that read it a row. So each
layer's output channels are followed to whoever reads them:

    conv2d, dense        makes channels: kernel's last axis, bias
    batch_norm           one gamma, beta, mean and variance for each channel
    depthwise_conv2d     one filter for each channel: kernel's axis 2, bias
    pooling, relu, ...   nothing is stored
    flatten              channel c of (height, width, channels) is read at c, c + channels, ...
    the next conv2d      reads them: kernel's axis 2;  the next dense: axis 0

Everything is NumPy on a network's (layers, weights) as in `layer_specs`. `kept` is {layer: bool
array (channels,)}, True = stays. The last layer's outputs are the classes: they can't go.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np

from course_utils.engines import float_engine, layer_specs
from course_utils.numbers import pruning

CRITERIA = ("l1", "l2", "gamma", "activation", "random")
MAKERS = ("conv2d", "dense")


class Cost(NamedTuple):
    """What a network costs: multiply-accumulates of one input, parameters, their float32 bytes."""

    macs: int
    parameters: int
    bytes: int


def cost(layers, input_shape) -> Cost:
    """The cost of a network of layer specs.

    >>> from course_utils.machines import models
    >>> cost(models.ARCHITECTURES["fashion_cnn"], (28, 28, 1))
    Cost(macs=706752, parameters=56714, bytes=226856)
    """
    rows = layer_specs.describe(layers, input_shape)
    parameters = sum(row.parameters for row in rows)
    return Cost(sum(row.macs for row in rows), parameters, 4 * parameters)


def prunable(layers) -> list[str]:
    """The layers whose channels can go: convolutions and dense layers, except for the last one.

    >>> from course_utils.machines import models
    >>> prunable(models.ARCHITECTURES["fashion_cnn"])
    ['conv1', 'conv2', 'dense1']
    """
    return [layer["name"] for layer in layers if layer["op"] in MAKERS][:-1]


def scores(layers, weights, criterion="l1", x=None, seed=1) -> dict[str, np.ndarray]:
    """How much each channel seems to matter: {prunable layer: float64 (channels,)}.

    criterion: "l1"          sum |w| of its filter (Li et al., arXiv:1608.08710)
               "l2"          sqrt(sum w^2)
               "gamma"       |gamma| of the batch normalization that follows (Liu et al.,
                             "Network Slimming", arXiv:1708.06519)
               "activation"  the mean of |output|, after its activation, over the inputs x
               "random"      drawn with `seed`: the control
    Compare scores within a layer only: each layer has a unit of its own.
    Raises ValueError for an unknown criterion, gamma without a batch normalization, and
    "activation" without inputs.
    """
    if criterion not in CRITERIA:
        raise ValueError(f"There is no criterion {criterion!r}; there are {', '.join(CRITERIA)}.")
    found: dict[str, np.ndarray] = {}
    outputs = _mean_outputs(layers, weights, x) if criterion == "activation" else {}
    for i, name in enumerate(prunable(layers)):
        kernel = weights[f"{name}/kernel"]
        if criterion in ("l1", "l2"):
            found[name] = pruning.channel_norms(kernel, axis=-1, order=int(criterion[1]))
        elif criterion == "gamma":
            norms = [layer["name"] for layer in _followers(layers, name)
                     if layer["op"] == "batch_norm"]  # fmt: skip
            if not norms:
                raise ValueError(
                    f"{name} has no batch normalization after it, so there is no gamma to rank its "
                    "channels by: take another criterion, such as l1."
                )
            found[name] = np.abs(weights[f"{norms[0]}/gamma"]).astype(np.float64)
        elif criterion == "activation":
            found[name] = outputs[name]
        else:
            found[name] = np.random.default_rng([seed, i]).random(kernel.shape[-1])
    return found


def keep(scores: Mapping[str, np.ndarray], fraction) -> dict[str, np.ndarray]:
    """Prune the share `fraction` of each layer's channels, those with the lowest scores.

    fraction: in [0, 1), for all layers or as {layer: fraction}; layers not named stay whole.
    Returns `kept`. Raises ValueError outside [0, 1), where no channel would be left, and for a
    layer that has no scores.

    >>> keep({"conv1": np.array([0.1, 0.4, 0.3, 0.2])}, 0.5)
    {'conv1': array([False,  True,  True, False])}
    """
    fractions = fraction if isinstance(fraction, Mapping) else dict.fromkeys(scores, fraction)
    unknown = sorted(set(fractions) - set(scores))
    if unknown:
        raise ValueError(
            f"Channels of {', '.join(unknown)} can't be pruned; those of {', '.join(scores)} can."
        )
    kept = {}
    for name, values in scores.items():
        share = fractions.get(name, 0)
        try:
            kept[name] = pruning.keep_largest(values, share)
        except ValueError as error:
            raise ValueError(f"{name}: {error}") from None
    return kept


def masked(layers, weights, kept) -> dict[str, np.ndarray]:
    """The weights with all that belongs to pruned channels set to zero, in the same shapes.

    A filter of zeros alone is not enough: its bias, or what a batch normalization makes of 0,
    would still reach the next layer.
    Raises ValueError as `rebuild` does.
    """
    result = dict(weights)
    for name, axis, stays in _slices(layers, weights, kept):
        if "moving_" in name:
            continue  # gamma = beta = 0 silences the channel; a variance of 0 has no meaning
        shape = np.ones(result[name].ndim, dtype=int)
        shape[axis] = -1
        result[name] = np.where(stays.reshape(shape), result[name], np.float32(0))
    return result


def rebuild(layers, weights, kept):
    """The smaller dense network: (layers, weights) with the pruned channels gone.

    Its outputs are those of the `masked` one. layers that are not in `kept` stay whole.
    Raises ValueError for layers that share weights, for `kept` of a layer that can't be pruned or
    of the wrong length, and where a whole layer would go.
    """
    smaller = dict(weights)
    for name, axis, stays in _slices(layers, weights, kept):
        smaller[name] = np.compress(stays, smaller[name], axis)
    key = {"conv2d": "filters", "dense": "units"}
    new_layers = tuple(
        {**layer, key[layer["op"]]: int(kept[layer["name"]].sum())}
        if layer["name"] in kept else layer
        for layer in layers
    )  # fmt: skip
    return new_layers, smaller


def _slices(layers, weights, kept) -> Iterator[tuple[str, int, np.ndarray]]:
    """Each weight that loses something: (its name, along which axis, bool array along that axis).

    A kernel comes twice if its inputs and its outputs are pruned.
    """
    layer_specs.require_own_weights(layers, weights)
    _require_kept(layers, weights, kept)
    stays = None  # of the channels that flow at this point; None: all of them
    for layer in layers:
        op, name = layer["op"], layer["name"]
        if op in MAKERS:
            if stays is not None:
                inputs = weights[f"{name}/kernel"].shape[-2]
                # After flatten a channel comes back once for each position.
                yield f"{name}/kernel", -2, np.tile(stays, inputs // len(stays))
            stays = kept.get(name)
            if stays is not None:
                yield f"{name}/kernel", -1, stays
        elif stays is not None and op == "depthwise_conv2d":
            yield f"{name}/kernel", 2, stays
        if stays is not None and op in (*MAKERS, "depthwise_conv2d", "batch_norm"):
            for part in ("bias", "gamma", "beta", "moving_mean", "moving_variance"):
                if f"{name}/{part}" in weights:
                    yield f"{name}/{part}", 0, stays


def _require_kept(layers, weights, kept):
    can = prunable(layers)
    for name, stays in kept.items():
        if name not in can:
            raise ValueError(
                f"Channels of {name!r} can't be pruned; those of {', '.join(can)} can. The last "
                "layer's outputs are the classes."
            )
        channels = weights[f"{name}/kernel"].shape[-1]
        if np.shape(stays) != (channels,) or np.asarray(stays).dtype != bool:
            raise ValueError(
                f"{name} has {channels} channels (the kernel's last axis): give one True (stays) "
                f"or False for each, not shape {np.shape(stays)}."
            )
        if not np.any(stays):
            raise ValueError(
                f"All {channels} channels of {name} would go, and a layer without any passes "
                "nothing on: keep at least one."
            )


def _followers(layers, name):
    """The layers between one that makes channels and the next one that reads them."""
    names = [layer["name"] for layer in layers]
    following = []
    for layer in layers[names.index(name) + 1 :]:
        if layer["op"] in MAKERS:
            break
        following.append(layer)
    return following


def _mean_outputs(layers, weights, x):
    """{prunable layer: mean |output| of each channel, after batch normalization and activation}."""
    if x is None:
        raise ValueError(
            'The criterion "activation" measures on inputs: pass some, such as x=x_validation.'
        )
    means, y = {}, np.asarray(x, dtype=np.float32)
    for i, layer in enumerate(layers):
        y = float_engine.by_batches(lambda batch, layer=layer: float_engine.apply(
            layer, weights, batch), y)  # fmt: skip
        if layer["op"] in MAKERS:
            maker = layer["name"]
        goes_on = i + 1 < len(layers) and layers[i + 1]["op"] in ("batch_norm", "relu", "relu6")
        if layer["op"] in (*MAKERS, "batch_norm", "relu", "relu6") and not goes_on:
            # The first activation after the maker: what a depthwise layer makes of it comes later.
            axes = tuple(range(y.ndim - 1))
            means.setdefault(maker, np.abs(y).mean(axis=axes, dtype=np.float64))
    return means
