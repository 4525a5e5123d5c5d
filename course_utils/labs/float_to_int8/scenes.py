"""Tensors quantized in every way, and what was measured of whole networks (notebook 06)."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache, lru_cache
from typing import NamedTuple

import numpy as np

from course_utils.engines import float_engine, layer_specs
from course_utils.engines import simulated_quantization as simulated
from course_utils.labs.float_to_int8.figures import (
    CODE_BARS,
    ERROR_EDGES,
    VALUE_BINS,
    BitCurves,
    Calibration,
    Channels,
    Draws,
    Line,
    Mapping,
    Signal,
    Tensor,
    Validated,
)
from course_utils.machines import data, models
from course_utils.numbers import intervals, quantization
from course_utils.views import checks, garments

NETWORKS = ("fashion_cnn", "fashion_dscnn", "watch_cnn")
ALL_BITS = np.arange(2, 17)
TRACED_INPUTS = 100  # validation inputs whose activations are looked at
SAMPLED_VALUES = 20_000  # of each activation
VALIDATION_INPUTS = 1000  # for what was not recorded, and is measured as the slider moves


# ------------------------------------------------------------------ the mapping, a few bits


def affine_mapping(x_min, x_max, num_bits=4, symmetric=False, example=0.5) -> Line:
    """The drawing data of one range of real numbers and its codes."""
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")  # the picture says it
        qparams = quantization.choose_qparams(x_min, x_max, num_bits, symmetric, symmetric)
    code = int(quantization.quantize(example, qparams))
    back = float(quantization.dequantize(code, qparams))
    widened = bool(x_min > 0 or x_max < 0)
    return Line(x_min, x_max, num_bits, symmetric, qparams, widened, example, code, back)


# ------------------------------------------------------------------ real tensors


@cache
def folded(network: str):
    """-> (layers, weights) of a shipped network, batch norm folded as a converter does."""
    checkpoint = data.checkpoint(network)
    return simulated.fold_batch_norm(checkpoint.layers, checkpoint.weights)


@cache
def _activations(network: str):
    layers, weights = folded(network)
    dataset = data.load(models.DATASETS[network])
    x = dataset.x_validation[:TRACED_INPUTS]
    rng = np.random.default_rng(0)
    return {
        name: rng.choice(a.ravel(), min(a.size, SAMPLED_VALUES), replace=False)
        for name, a in simulated.activations(layers, weights, x).items()
    }


def tensor_names() -> list[tuple[str, str, str]]:
    """(network, layer, kind) of everything that can be looked at."""
    names = []
    for network in NETWORKS:
        layers, _ = folded(network)
        kernels = layer_specs.kernel_names(layers)
        names += [(network, layer_specs.layer_of(kernel), "weights") for kernel in kernels]
        names += [(network, n, "activations") for n in simulated.quantized_tensors(layers)]
    return names


@cache
def tensor(network: str, layer: str, kind: str = "weights") -> Tensor:
    """Weights of a layer (batch norm folded), or 20,000 of its activations on real inputs.

    Raises ValueError for a layer that is not there.
    """
    if (network, layer, kind) not in tensor_names():
        raise ValueError(f"There are no {kind} of {layer!r} in {network!r}.")
    if kind == "activations":
        return Tensor(network, layer, kind, _activations(network)[layer], None)
    layers, weights = folded(network)
    spec = next(spec for spec in layers if spec["name"] == layer)
    return Tensor(
        network, layer, kind, weights[f"{layer}/kernel"], simulated.channel_axis(spec)
    )  # fmt: skip


def choose(which: Tensor, num_bits, share=1.0, symmetric=True, narrow_range=True,
           per_channel=False):  # fmt: skip
    """The QParams of a tensor for this share of its min-max range.

    Raises ValueError for activations per channel, and for affine scales per channel, which
    LiteRT has not.
    """
    axis = which.channel_axis if per_channel else None
    if per_channel and axis is None:
        raise ValueError(
            "activations have one scale. A layer sums over its input channels, and channels with "
            "different scales could not be added as integers"
        )
    if per_channel and not symmetric:
        raise ValueError(
            "LiteRT's per-channel scales are symmetric: every channel has the zero point 0"
        )
    low, high = _extremes(which[:3], axis)
    factor = np.float32(share)
    return simulated.range_qparams(
        low * factor, high * factor, num_bits, symmetric, narrow_range, axis
    )


@cache
def _extremes(tensor_name, axis):
    return quantization.min_max_range(tensor(*tensor_name).values, axis)


def mapping(tensor_name, num_bits=8, percent=100, symmetric=True, narrow_range=True,
            per_channel=False, all_layers=False) -> Mapping:  # fmt: skip
    """The drawing data of one tensor quantized in one way.

    tensor_name: (network, layer, kind) as in `tensor_names`.
    percent:     of the tensor's min-max range that the codes cover.
    Raises ValueError as `choose` does.
    """
    which = tensor(*tensor_name)
    how = symmetric, narrow_range, per_channel
    qparams = choose(which, num_bits, percent / 100, *how)
    values = which.values
    codes = quantization.quantize(values, qparams)
    back = quantization.dequantize(codes, qparams)
    scale = _aligned(qparams.scale, qparams, values)
    zero_point = _aligned(qparams.zero_point, qparams, values)
    beyond = (values < scale * (qparams.qmin - zero_point) - scale / 2) | (
        values > scale * (qparams.qmax - zero_point) + scale / 2
    )
    edges, every = _histogram(tensor_name)
    clipped = np.histogram(values[beyond], edges)[0] / values.size
    counts = np.bincount(codes.ravel().astype(np.intp) - qparams.qmin, minlength=qparams.codes)
    bars = counts
    if qparams.codes > CODE_BARS:
        bars = np.add.reduceat(counts, np.arange(0, qparams.codes, -(-qparams.codes // CODE_BARS)))
    steps = ((back - values) / scale).clip(ERROR_EDGES[0], ERROR_EDGES[-1])
    example = _example(tensor_name)
    curve = _sqnr_curve(tensor_name, percent, *how)
    recorded = _recorded_accuracy(tensor_name, num_bits, percent, how, all_layers)
    validated = None
    if recorded["accuracy"] is None:
        validated = validation_accuracy(tensor_name, num_bits, percent, how, all_layers)
    return Mapping(
        tensor=which,
        num_bits=num_bits,
        share=percent / 100,
        qparams=qparams,
        example=(float(values.flat[example]), int(codes.flat[example]), float(back.flat[example])),
        edges=edges,
        inside=every - clipped,
        clipped=clipped,
        clipped_share=float(beyond.mean()),
        code_share=bars / values.size,
        codes_used=int(np.count_nonzero(counts)),
        errors=np.histogram(steps, ERROR_EDGES)[0] / values.size,
        max_error=quantization.max_error(values, back),
        sqnr_db=quantization.sqnr_db(values, back),
        bits=ALL_BITS,
        sqnr_curve=curve,
        sqnr_theory=theory_db(which, percent / 100, *how),
        validated=validated,
        **recorded,
    )


def _aligned(parameter, qparams, values):
    """Scales or zero points in a shape that broadcasts against the tensor."""
    if qparams.channel_axis is None:
        return np.float32(parameter)
    shape = [1] * values.ndim
    shape[qparams.channel_axis] = -1
    return np.asarray(parameter, np.float32).reshape(shape)


@cache
def _histogram(tensor_name):
    values = tensor(*tensor_name).values
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    edges = np.linspace(low, high, VALUE_BINS + 1)
    edges[0], edges[-1] = edges[0] - 1e-6, edges[-1] + 1e-6
    return edges, np.histogram(values, edges)[0] / values.size


@cache
def _example(tensor_name):
    """A value that is neither zero nor extreme: the one nearest to half of the largest."""
    values = tensor(*tensor_name).values
    return int(np.abs(values - np.abs(values).max() / 2).argmin())


@lru_cache(maxsize=512)
def _sqnr_curve(tensor_name, percent, symmetric, narrow_range, per_channel):
    """SQNR in dB at every number of bits. (The bits' slider then finds it ready.)"""
    which = tensor(*tensor_name)
    values = which.values
    if values.ndim == 2:  # a dense layer: the curve of a part, the number at the marker of all
        values = values[:: -(-values.size // SAMPLED_VALUES)]
    curve = []
    for bits in ALL_BITS:
        qparams = choose(which, int(bits), percent / 100, symmetric, narrow_range, per_channel)
        back = quantization.dequantize(quantization.quantize(values, qparams), qparams)
        curve.append(quantization.sqnr_db(values, back))
    return np.array(curve)


def theory_db(which: Tensor, share, symmetric, narrow_range, per_channel):
    """The textbook's 6.02 b + constant: an error spread evenly over steps of range / 2^b.

    The constant is 10 log10(12 mean(r^2) / mean(width^2)), width the covered range, of each
    channel where each has its own. `quantization.theoretical_sqnr_db` is the case of one range
    from -peak to peak.
    """
    low, high = choose(which, 8, share, symmetric, False, per_channel).range
    width = np.asarray(high) - np.asarray(low)
    power = float(np.mean(np.square(which.values, dtype=np.float64)))
    return 20 * np.log10(2) * ALL_BITS + 10 * np.log10(12 * power / np.mean(np.square(width)))


def _scheme(how, kind):
    """The recorded scheme that these settings are, or None."""
    for name, scheme in simulated.WEIGHT_SCHEMES.items():
        keys = ("symmetric", "narrow_range", "per_channel")
        if kind == "weights" and tuple(scheme[key] for key in keys) == how:
            return name
    if kind == "activations" and how[1:] == (False, False):
        return "per tensor, symmetric" if how[0] else "per tensor, affine"
    return None


def _recorded_accuracy(tensor_name, num_bits, percent, how, all_layers):
    network, layer, kind = tensor_name
    result = data.result("quantization_sweep").record
    record, total = result["networks"][network], result["networks"][network]["n"]["test"]
    which = "all" if all_layers else layer
    curves = {}
    for scheme, rows in record[kind].items():
        if which in rows:
            correct = np.array(rows[which]["correct"]["test"])
            curves[scheme] = np.array(result["bits"])[: len(correct)], correct / total
    accuracy = interval = None
    scheme = _scheme(how, kind)
    if percent == 100 and scheme in curves and num_bits in curves[scheme][0]:
        position = list(curves[scheme][0]).index(num_bits)
        correct = record[kind][scheme][which]["correct"]["test"][position]
        accuracy, interval = correct / total, intervals.wilson(correct, total)
    return {
        "which": which,
        "total": total,
        "float32": record["float32"]["test"] / total,
        "accuracies": curves,
        "accuracy": accuracy,
        "accuracy_interval": interval,
    }


@lru_cache(maxsize=2)
def _entering(network, start):
    """What enters the layer number `start` for the validation inputs."""
    layers, weights = folded(network)
    x = data.load(models.DATASETS[network]).x_validation[:VALIDATION_INPUTS]
    return float_engine.forward(layers[:start], weights, x) if start else x


@cache
def _right_on_validation(network):
    layers, weights = folded(network)
    dataset = data.load(models.DATASETS[network])
    x = dataset.x_validation[:VALIDATION_INPUTS]
    return float_engine.predict(layers, weights, x) == dataset.y_validation[: len(x)]


@lru_cache(maxsize=512)
def validation_accuracy(tensor_name, num_bits, percent, how, all_layers=False) -> Validated:
    """Accuracy on validation inputs with one tensor quantized so, or all of its kind.

    how: (symmetric, narrow range, per channel). The rest of the network stays in float32. What is
    chosen by moving a slider is chosen on these inputs, not on the test set.
    """
    network, layer, kind = tensor_name
    layers, weights = folded(network)
    names = [n for w, n, k in tensor_names() if (w, k) == (network, kind)]
    position = {spec["name"]: i for i, spec in enumerate(layers)}
    qparams, changed, start, first = {}, dict(weights), 0, None
    for name in names if all_layers else [layer]:
        which = tensor(network, name, kind)
        chosen = choose(which, num_bits, percent / 100, *how)
        if kind == "activations":
            qparams[name] = chosen
        else:
            codes = quantization.quantize(which.values, chosen)
            changed[f"{name}/kernel"] = quantization.dequantize(codes, chosen)
    if kind == "activations":
        first = simulated.INPUT if all_layers else layer
        start = position.get(first, -1) + 1
    elif not all_layers:
        start = position[layer]
    output = float_engine.by_batches(
        lambda batch: simulated.continue_from(layers[start:], changed, batch, qparams, first),
        _entering(network, start),
    )
    labels = data.load(models.DATASETS[network]).y_validation[: len(output)]
    right = int((output.argmax(axis=1) == labels).sum())
    return Validated(right, int(_right_on_validation(network).sum()), len(output))


# ------------------------------------------------------------------ numbers for the text


def lost(network, bits, scheme="per channel, symmetric", kind="weights", layer="all"):
    """Points of test accuracy lost, paired with float32, in a recorded setting. -> Measured"""
    result = data.result("quantization_sweep").record
    record = result["networks"][network]
    rows, position = record[kind][scheme][layer], result["bits"].index(bits)
    wrong, right = (rows[key]["test"][position] for key in ("newly_wrong", "newly_right"))
    return _points(wrong, right, record["n"]["test"])


def accuracy(network, bits, scheme="per channel, symmetric", kind="weights", layer="all"):
    """Test accuracy in percent in a recorded setting; bits=32 gives float32. -> Measured"""
    result = data.result("quantization_sweep").record
    record, n = result["networks"][network], result["networks"][network]["n"]["test"]
    if bits == 32:
        return _percent(record["float32"]["test"], n)
    return _percent(record[kind][scheme][layer]["correct"]["test"][result["bits"].index(bits)], n)


def calibration_loss(network, what, method="min-max", bits=8):
    """Points of test accuracy lost with this calibration, paired with float32. -> Measured"""
    record = data.result("calibration").record["networks"][network]
    row = record["samples"][what][method][str(bits)]
    return _points(row["newly_wrong"]["test"], row["newly_right"]["test"], record["n"]["test"])


def outlier_or_bit(tensor_name=("fashion_cnn", "dense1", "weights")) -> str:
    """Which lowers the SQNR more at 8 bits: a range twice as wide, or one bit less?"""
    outlier, bit = mapping(tensor_name, 8, 200).sqnr_db, mapping(tensor_name, 7, 100).sqnr_db
    if abs(outlier - bit) < 0.5:
        return "both cost about the same"
    return "the outlier" if outlier < bit else "one bit less"


def more_data(network, bits, method="min-max") -> str:
    """What calibrating on all inputs instead of one does to the test accuracy."""
    few, many = (calibration_loss(network, w, method, bits) for w in ("1 input", "all inputs"))
    won = few.value - many.value
    if abs(won) <= 5:
        return "it stays within 5 points"
    return "it rises by more than 5 points" if won > 0 else "it falls by more than 5 points"


def found_ranges(network, what, method="min-max", bits=8) -> dict[str, tuple[float, float]]:
    """The range of each activation that a recorded calibration found."""
    ranges = data.result("calibration").record["networks"][network]["ranges"]
    return {name: tuple(found) for name, found in ranges[what][method][str(bits)].items()}


def stored_bytes(network) -> tuple[int, int]:
    """Bytes of all parameters in float32, and with int8 kernels: 32-bit biases, float32 scales."""
    layers, weights = folded(network)
    kernels = set(layer_specs.kernel_names(layers))
    biases = sum(value.size for name, value in weights.items() if name not in kernels)
    numbers = sum(weights[name].size for name in kernels)
    channels = sum(
        weights[f"{layer['name']}/kernel"].shape[simulated.channel_axis(layer)]
        for layer in layers
        if f"{layer['name']}/kernel" in kernels
    )
    return 4 * (numbers + biases), numbers + 4 * biases + 4 * channels


def _points(wrong, right, n):
    low, high = intervals.paired_difference(wrong, right, n)
    return checks.Measured(100 * (wrong - right) / n, 100 * low, 100 * high, "points", n)


def _percent(correct, n):
    low, high = intervals.wilson(correct, n)
    return checks.Measured(100 * correct / n, 100 * low, 100 * high, "%", n)


def measure(network, num_bits, scheme="per channel, symmetric", inputs=1000, track=iter):
    """Quantize all kernels now and count right answers on validation inputs, in percent.

    track: wraps the batches, to show the progress. -> (Measured, of float32 too)
    """
    layers, weights = folded(network)
    dataset = data.load(models.DATASETS[network])
    x, y = dataset.x_validation[:inputs], dataset.y_validation[:inputs]
    versions = weights, simulated.quantize_kernels(layers, weights, num_bits, scheme)
    right = np.zeros(2, int)
    for start in track(range(0, len(x), 250)):
        batch = slice(start, start + 250)
        for i, version in enumerate(versions):
            right[i] += np.sum(float_engine.predict(layers, version, x[batch]) == y[batch])
    return _percent(int(right[1]), len(x)), _percent(int(right[0]), len(x))


# ------------------------------------------------------------------ a student's functions


def scale_of(weights, num_bits):
    """The laboratory's symmetric scale of a whole tensor."""
    low, high = quantization.min_max_range(weights)
    return simulated.range_qparams(low, high, num_bits, symmetric=True, narrow_range=True).scale


def quantize(x, scale, zero_point, qmin, qmax):
    """The laboratory's quantize, with the arguments of exercise 06.quantize."""
    qparams = quantization.QParams(float(scale), int(zero_point), int(qmin), int(qmax))
    return quantization.quantize(x, qparams)


def dequantize(q, scale, zero_point):
    """The laboratory's dequantize, with the arguments of exercise 06.dequantize."""
    return np.float32(scale) * (np.asarray(q, np.float32) - np.float32(zero_point))


def channel_scales(kernel, num_bits):
    """The laboratory's scales, one for each index of the kernel's last axis."""
    low, high = quantization.min_max_range(kernel, kernel.ndim - 1)
    qparams = simulated.range_qparams(
        low, high, num_bits, symmetric=True, narrow_range=True, channel_axis=kernel.ndim - 1
    )
    return qparams.scale


class Layer(NamedTuple):
    """One layer's weights, quantized by somebody's functions and by the laboratory's."""

    name: str
    count: int
    scale: float
    sqnr_db: float
    laboratory_db: float
    codes_that_differ: int


class ByHand(NamedTuple):
    """A network whose every layer was quantized by somebody's functions."""

    layers: tuple[Layer, ...]
    theirs: checks.Measured  # test accuracy
    laboratory: checks.Measured
    float32: checks.Measured


def by_hand(scale_by: Callable, quantize_by: Callable, dequantize_by: Callable,
            network="fashion_cnn", num_bits=8) -> ByHand:  # fmt: skip
    """Quantize every layer's weights with these functions and run the network on all test inputs.

    The functions are those of the exercises 06.symmetric, 06.quantize and 06.dequantize; codes
    are int8 in between, as they are stored. Batch normalization is folded in, biases stay float32.
    Raises ValueError for more than 8 bits and where a function gives no numbers of this shape.
    """
    if not 2 <= num_bits <= 8:
        raise ValueError(f"Codes of 2 to 8 bits fit int8, not {num_bits}.")
    layers, weights = folded(network)
    qmax = 2 ** (num_bits - 1) - 1
    theirs, laboratory, rows = dict(weights), dict(weights), []
    for name in layer_specs.kernel_names(layers):
        kernel, found = weights[name], []
        for scale_, quantize_, dequantize_ in (
            (scale_by, quantize_by, dequantize_by),
            (scale_of, quantize, dequantize),
        ):
            scale = float(scale_(kernel, num_bits))
            codes = np.asarray(quantize_(kernel, scale, 0, -qmax, qmax)).astype(np.int8)
            back = np.asarray(dequantize_(codes, scale, 0)).astype(np.float32)
            if codes.shape != kernel.shape or back.shape != kernel.shape:
                raise ValueError(f"{name}: {kernel.shape} weights came back as {back.shape}.")
            found.append((scale, codes, back))
        (scale, codes, back), (_, same_codes, same_back) = found
        theirs[name], laboratory[name] = back, same_back
        rows.append(
            Layer(
                layer_specs.layer_of(name),
                kernel.size,
                scale,
                quantization.sqnr_db(kernel, back),
                quantization.sqnr_db(kernel, same_back),
                int(np.count_nonzero(codes != same_codes)),
            )
        )
    shipped = _by_the_laboratory(network, num_bits)
    same = all(np.array_equal(theirs[name], laboratory[name]) for name in theirs)
    own = shipped[0] if same else accuracy_now(network, theirs)
    return ByHand(tuple(rows), own, *shipped)


@cache
def _by_the_laboratory(network, num_bits):
    """-> (test accuracy with the laboratory's weights in so many bits, in float32)"""
    layers, weights = folded(network)
    quantized = simulated.quantize_kernels(layers, weights, num_bits, "per tensor, symmetric")
    return accuracy_now(network, quantized), accuracy_now(network, weights)


def accuracy_now(network, weights) -> checks.Measured:
    """Run a network with these (folded) weights on all test inputs, now. -> percent"""
    layers, _ = folded(network)
    dataset = data.load(models.DATASETS[network])
    right = float_engine.predict(layers, weights, dataset.x_test) == dataset.y_test
    return _percent(int(right.sum()), len(right))


def scaled_by_channel(scales_by: Callable, num_bits, network="fashion_cnn") -> checks.Measured:
    """Test accuracy with one scale a filter, by a function as in exercise 06.channels.

    A dense layer's kernel is given as a convolution's with a window of 1 x 1. Only for networks
    without depthwise layers, whose channels are another axis. Raises ValueError otherwise.
    """
    layers, weights = folded(network)
    if any(layer["op"] == "depthwise_conv2d" for layer in layers):
        raise ValueError(f"{network} has depthwise layers: their channels are the third axis.")
    changed, qmax = dict(weights), 2 ** (num_bits - 1) - 1
    for name in layer_specs.kernel_names(layers):
        kernel = weights[name]
        shape = (1,) * (4 - kernel.ndim) + kernel.shape
        scales = np.asarray(scales_by(kernel.reshape(shape), num_bits), np.float64).ravel()
        if scales.size != shape[-1]:
            raise ValueError(f"{name}: {shape[-1]} filters, but {scales.size} scales.")
        qparams = quantization.QParams(
            scales, np.zeros(len(scales), int), -qmax, qmax, kernel.ndim - 1
        )
        changed[name] = quantization.dequantize(quantization.quantize(kernel, qparams), qparams)
    return accuracy_now(network, changed)


def channel_sizes(network, layer) -> dict[str, np.ndarray]:
    """The largest magnitude of each channel of a depthwise layer, before and after folding."""
    kernels = {
        "as trained": data.checkpoint(network).weights[f"{layer}/kernel"],
        "batch normalization folded in": folded(network)[1][f"{layer}/kernel"],
    }
    return {name: np.abs(kernel).max(axis=(0, 1, 3)) for name, kernel in kernels.items()}


# ------------------------------------------------------------------ ten garments


def garments_by_bits(network, scheme, bits=(8, 7, 6, 5, 4, 3, 2)) -> list[garments.Answered]:
    """The first ten test images and what the network says they are: float32, then fewer bits."""
    layers, weights = folded(network)
    dataset = data.load(models.DATASETS[network])
    x, truth = dataset.x_test[:10], dataset.y_test[:10]
    states = []
    for b in (32, *bits):
        version, how = weights, "float32"
        if b < 32:
            version = simulated.quantize_kernels(layers, weights, b, scheme)
            how = f"all weights in {b} bits, {scheme}"
        answers = float_engine.predict(layers, version, x)
        value = accuracy(network, b, scheme).value
        title = f"{network}, {how}: {value:.1f} % of all 10,000 test images right"
        states.append(
            garments.Answered(x[..., 0], truth, answers, tuple(dataset.class_names), title)
        )
    return states


# ------------------------------------------------------------------ static pictures


def signals() -> tuple[Signal, ...]:
    """SQNR against bits of a few tensors that differ."""
    chosen = (
        (("fashion_cnn", "dense1", "weights"), (True, True, False), "dense1, per tensor"),
        (("fashion_cnn", "conv1", "activations"), (False, False, False), "conv1 output, affine"),
        (("fashion_cnn", "conv1", "activations"), (True, True, False), "conv1 output, symmetric"),
        (("fashion_dscnn", "depthwise1", "weights"), (True, True, False),
         "depthwise1, per tensor"),
        (("fashion_dscnn", "depthwise1", "weights"), (True, True, True),
         "depthwise1, per channel"),
    )  # fmt: skip
    return tuple(
        Signal(label, ALL_BITS, _sqnr_curve(name, 100, *how), theory_db(tensor(*name), 1.0, *how))
        for name, how, label in chosen
    )


def bit_curves(networks=NETWORKS) -> BitCurves:
    """Test accuracy of whole networks, all kernels in 2 to 16 bits."""
    result = data.result("quantization_sweep").record
    total = {n: result["networks"][n]["n"]["test"] for n in networks}
    accuracy, low, high = {}, {}, {}
    for network in networks:
        for scheme in simulated.WEIGHT_SCHEMES:
            counts = result["networks"][network]["weights"][scheme]["all"]["correct"]["test"]
            bounds = np.array([intervals.wilson(count, total[network]) for count in counts])
            accuracy.setdefault(network, {})[scheme] = np.array(counts) / total[network]
            low.setdefault(network, {})[scheme] = bounds[:, 0]
            high.setdefault(network, {})[scheme] = bounds[:, 1]
    float32 = {n: result["networks"][n]["float32"]["test"] / total[n] for n in networks}
    return BitCurves(networks, np.array(result["bits"]), total, float32, accuracy, low, high)


def efficientnet_lite0() -> Channels:
    """What per-channel scales win in each layer of EfficientNet-Lite0."""
    told = data.weight_statistics("efficientnet_lite0")
    return Channels(
        "EfficientNet-Lite0",
        tuple(layer["kind"] for layer in told["layers"]),
        np.asarray(told["folded_sqnr_db_per_tensor"], float),
        np.asarray(told["folded_sqnr_db_per_channel"], float),
    )


# ------------------------------------------------------------------ calibration


def calibration_choices(network):
    """-> (what can be calibrated on, methods, tensors) of the recorded experiment."""
    record = data.result("calibration").record["networks"][network]
    samples = tuple(record["samples"])
    first = record["ranges"][samples[0]]
    return samples, tuple(first), tuple(first[next(iter(first))]["8"])


def calibration(network, what, method, num_bits, tensor_name) -> Calibration:
    """The drawing data of one recorded calibration."""
    record = data.result("calibration").record["networks"][network]
    samples, methods, _ = calibration_choices(network)
    total, bits = record["n"]["test"], str(num_bits)
    correct = [[record["samples"][s][m][bits]["correct"]["test"] for m in methods] for s in samples]
    low, high = found_ranges(network, what, method, num_bits)[tensor_name]
    qparams = simulated.range_qparams(low, high, num_bits)
    values = tensor(network, tensor_name, "activations").values
    edges, every = _histogram((network, tensor_name, "activations"))
    covered = qparams.range
    half = qparams.scale / 2
    beyond = (values < covered[0] - half) | (values > covered[1] + half)
    clipped = np.histogram(values[beyond], edges)[0] / values.size
    loss = calibration_loss(network, what, method, num_bits)
    return Calibration(
        network=network,
        what=what,
        method=method,
        num_bits=num_bits,
        samples=samples,
        methods=methods,
        accuracy=np.array(correct) / total,
        float32=record["float32"]["test"] / total,
        total=total,
        loss=(loss.value, *loss.interval),
        tensor=tensor_name,
        edges=edges,
        inside=every - clipped,
        clipped=clipped,
        clipped_share=float(beyond.mean()),
        codes_used=int(np.unique(quantization.quantize(values, qparams)).size),
        qparams=qparams,
        real=(float(values.min()), float(values.max())),
    )


def draws(network) -> Draws:
    """How much the draw of the calibration inputs matters, on the validation set."""
    record = data.result("calibration").record["networks"][network]
    total, rows = record["n"]["validation"], record["draws"]
    sizes = sorted({int(name.split()[0]) for name in rows if ", draw " in name})
    accuracy, one_class = {}, {}
    for bits in (8, 4):
        accuracy[bits] = np.array(
            [[rows[name][str(bits)]["correct"] / total for name in rows
              if name.startswith(f"{size} inputs, ")] for size in sizes]
        )  # fmt: skip
        one_class[bits] = np.array(
            [rows[name][str(bits)]["correct"] / total for name in rows if ", draw " not in name]
        )
    float32 = record["float32"]["validation"] / total
    return Draws(network, total, float32, tuple(sizes), accuracy, one_class)
