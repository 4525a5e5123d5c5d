"""Sums rescaled, a real int8 network layer by layer, engines compared (notebook 07)."""

from __future__ import annotations

from functools import cache

import numpy as np

from course_utils.engines import float_engine, layer_specs
from course_utils.engines import integer_engine as engine
from course_utils.labs.integer_arithmetic.figures import Kernels, LayerTrace, Requantization, Terms
from course_utils.machines import data, micro, models
from course_utils.machines.micro import emulator
from course_utils.machines.recording import NETWORKS
from course_utils.numbers import intervals
from course_utils.numbers.quantization import dequantize, quantize
from course_utils.views import checks
from course_utils.views.garments import Answered
from course_utils.views.tables import Table

NETWORK = "fashion_cnn"
OUTPUT_SCALE = 0.04  # of the explorer's output: ReLU6 then ends 150 codes above the zero point
POINTS = 801
KINDS = {"reference": "LiteRT reference", "xnnpack": "XNNPACK"}  # LiteRT's kernels


# ------------------------------------------------------------------ from sums to codes


def requantization(
    real_multiplier, zero_point=-128, bias=0, bits=18, activation="NONE"
) -> Requantization:
    """The drawing data of one multiplier: sums of +-2^(bits - 1) and their codes."""
    pair = engine.quantize_multiplier(real_multiplier)
    limits = -128, 127
    if activation != "NONE":
        low, high = zero_point, zero_point + round(6 / OUTPUT_SCALE)
        limits = max(-128, low), min(127, high) if activation == "RELU6" else 127
    largest = 2 ** (bits - 1)
    sums = np.linspace(-largest, largest - 1, POINTS).astype(np.int64)
    reach = max(4, 4.3 / real_multiplier)
    near = np.unique(np.linspace(-reach, reach, POINTS).round().astype(np.int64)) - bias
    real = zero_point + real_multiplier * (sums + bias)
    truncated = np.floor(real_multiplier * (near + bias)).astype(np.int64) + zero_point
    return Requantization(
        real_multiplier=real_multiplier,
        multiplier=pair[0],
        shift=pair[1],
        bias=bias,
        zero_point=zero_point,
        activation=activation,
        qmin=limits[0],
        qmax=limits[1],
        sums=sums,
        codes=engine.requantize(sums + bias, *pair, zero_point, *limits),
        saturated=float(np.mean((real < limits[0]) | (real > limits[1]))),
        near=near,
        near_codes=engine.requantize(near + bias, *pair, zero_point, *limits),
        near_truncated=np.clip(truncated, *limits),
    )


# ------------------------------------------------------------------ a real network


@cache
def model(network=NETWORK) -> engine.IntegerModel:
    """The shipped int8 network."""
    return engine.IntegerModel(data.model(network, "int8"))


def codes_of(x, network=NETWORK):
    """The int8 codes of real inputs, as the network takes them."""
    qparams = model(network).input.qparams
    # In parts, as everywhere here: what lies between x and its codes takes several times as much.
    return np.concatenate([quantize(part, qparams) for part in _parts(x)])


def _parts(x, size=200):
    return (x[start : start + size] for start in range(0, len(x), size))


def layer_names(network=NETWORK) -> list[str]:
    """The layers whose codes can be looked at: the first name of each layer of the int8 network.

    The converter folds batch normalization and the activation into the layer before them.
    """
    return list(_float_names(network))


@cache
def _float_names(network):
    """{layer: the name under which the float network's trace holds what int8 computes there}."""
    names = {}
    for layer in data.checkpoint(network).layers:
        if layer["op"] in ("batch_norm", "relu", "relu6"):
            names[next(reversed(names))] = layer["name"]
        else:
            names[layer["name"]] = layer["name"]
    return names


class DenseLayer:
    """The integers of one fully connected layer, as the `.tflite` file holds them.

    weights int8 (units, inputs), bias int32 (units,), and of each output channel the multiplier
    and the shift; x_zero, y_zero and the scales; qmin and qmax of the fused activation.
    """

    def __init__(self, layer="dense1", network=NETWORK):
        graph = model(network).graph
        op = graph.operators[layer_names(network).index(layer)]
        if op.name != "FULLY_CONNECTED":
            raise ValueError(f"{layer} is a {op.name}, not a fully connected layer.")
        x, weights, bias = (graph.tensors[i] for i in op.inputs)
        y = graph.tensors[op.outputs[0]]
        self.layer, self.index = layer, op.index
        self.weights, self.bias = weights.data, bias.data
        self.weight_scales, self.bias_scales = weights.scale, bias.scale
        self.weight_zero = int(weights.zero_point[0])
        self.x_scale, self.x_zero = float(x.scale[0]), x.qparams.zero_point
        self.y_scale, self.y_zero = float(y.scale[0]), y.qparams.zero_point
        self.real_multipliers = self.x_scale * weights.scale.astype(np.float64) / self.y_scale
        self.multipliers, self.shifts = engine.quantize_multipliers(self.real_multipliers)
        self.qmin, self.qmax = engine.activation_range(op.options["activation"], y.qparams)


def dense_layer(layer="dense1", network=NETWORK) -> DenseLayer:
    """The integers of a fully connected layer of a shipped int8 network."""
    return DenseLayer(layer, network)


def layer_codes(layer, x, network=NETWORK):
    """(codes that go into a layer, codes that come out), for real inputs x; int8, batch first."""
    at = layer_names(network).index(layer)
    found = []
    for part in _parts(x):
        steps = list(model(network).trace(codes_of(part, network)))
        found.append((steps[at].array, steps[at + 1].array))
    return tuple(np.concatenate(arrays) for arrays in zip(*found, strict=True))


def trace(index, layer, network=NETWORK) -> LayerTrace:
    """The drawing data of one layer for one test input."""
    dataset, checkpoint = data.load(models.DATASETS[network]), data.checkpoint(network)
    x = dataset.x_test[index : index + 1]
    steps = list(model(network).trace(codes_of(x, network)))
    at = layer_names(network).index(layer) + 1
    graph = model(network).graph
    tensor = graph.tensors[graph.operators[at - 1].outputs[0]]
    real = float_engine.trace(checkpoint.layers, checkpoint.weights, x)
    codes = steps[at].array[0]
    return LayerTrace(
        network=network,
        index=index,
        label=dataset.class_names[dataset.y_test[index]],
        layer=layer,
        qparams=tensor.qparams,
        image=steps[0].array[0, :, :, 0],
        codes=codes,
        real=real[_float_names(network)[layer]][0].reshape(codes.shape),
        scores=dequantize(steps[-1].array[0], model(network).output.qparams),
        float_scores=real[checkpoint.layers[-1]["name"]][0],
        class_names=dataset.class_names,
    )


def step_errors(count=100, network=NETWORK) -> dict[str, float]:
    """Root mean square of (dequantized - float32) / S of each layer, on the first test inputs."""
    checkpoint = data.checkpoint(network)
    x = data.load(models.DATASETS[network]).x_test[:count]
    real = float_engine.trace(checkpoint.layers, checkpoint.weights, x)
    graph, found = model(network).graph, {}
    steps = list(model(network).trace(codes_of(x, network)))[1:]
    for layer, op, step in zip(layer_names(network), graph.operators, steps, strict=True):
        q = graph.tensors[op.outputs[0]].qparams
        wanted = real[_float_names(network)[layer]].reshape(step.array.shape) / q.scale
        error = step.array.astype(np.float64) - q.zero_point - wanted
        found[layer] = float(np.sqrt(np.mean(np.square(error))))
    return found


def trace_table(integer_model, codes) -> Table:
    """What runs, operator by operator, and the type of what each writes."""
    rows = [
        (step.op, step.array.dtype, " × ".join(map(str, step.array.shape)))
        for step in integer_model.trace(codes)
    ]
    return Table(f"{len(rows) - 1} operators, for one input", ("operator", "type", "shape"), rows)


def step_errors_table(count=100, network=NETWORK) -> Table:
    """`step_errors` in rows."""
    rows = [(layer, f"{error:.2f}") for layer, error in step_errors(count, network).items()]
    head = ("layer", "root mean square error, in steps S")
    return Table(f"{network}, {count} test images", head, rows)


def terms_table(terms, bias) -> Table:
    """The four terms of a sum of products, the bias, and what they add up to."""
    names = ("Σ q1 q2", "− Z1 Σ q2", "− Z2 Σ q1", "n Z1 Z2", "bias")
    values = [int(value) for value in (*terms, bias)]
    rows = [(name, f"{value:,}") for name, value in zip(names, values, strict=True)]
    rows.append(("accumulator", f"{sum(values):,}"))
    return Table("One output, in codes each worth S1 S2", ("term", "value"), rows)


def terms(index=0, unit=None, layer="dense1", network=NETWORK) -> Terms:
    """One output of a dense layer for one test input, taken apart. unit: None takes the largest."""
    dense, dataset = dense_layer(layer, network), data.load(models.DATASETS[network])
    x = dataset.x_test[index : index + 1]
    q1, out = (codes[0].astype(np.int64) for codes in layer_codes(layer, x, network))
    unit = int(out.argmax()) if unit is None else unit
    q2, checkpoint = dense.weights[unit].astype(np.int64), data.checkpoint(network)
    activations = float_engine.trace(checkpoint.layers, checkpoint.weights, x)
    return Terms(
        network=network,
        layer=layer,
        unit=unit,
        label=dataset.class_names[dataset.y_test[index]],
        products=q2.size,
        x_zero=dense.x_zero,
        w_zero=dense.weight_zero,
        q1q2=int(q1 @ q2),
        z1_q2=int(dense.x_zero * q2.sum()),
        z2_q1=int(dense.weight_zero * q1.sum()),
        z1_z2=q2.size * dense.x_zero * dense.weight_zero,
        bias=int(dense.bias[unit]),
        real_multiplier=float(dense.real_multipliers[unit]),
        zero_point=dense.y_zero,
        code=int(out[unit]),
        real=float(dense.y_scale * (out[unit] - dense.y_zero)),
        float32=float(activations[_float_names(network)[layer]][0, unit]),
    )


# ------------------------------------------------------------------ what students write


def biases_table(bias_code) -> Table:
    """A student's bias codes beside the files', for every layer that has a bias in float32 too.

    Batch normalization is folded into the layers before it, whose biases are then new.
    """
    rows = []
    for network in NETWORKS:
        graph, weights = model(network).graph, data.checkpoint(network).weights
        for layer, op in zip(layer_names(network), graph.operators, strict=True):
            if f"{layer}/bias" not in weights:
                continue
            x, w, bias = (graph.tensors[i] for i in op.inputs)
            y = graph.tensors[op.outputs[0]]
            scales = float(x.scale[0]), w.scale.astype(np.float64), float(y.scale[0])
            codes = np.asarray(bias_code(weights[f"{layer}/bias"].astype(np.float64), *scales))
            held = bias.data.astype(np.int64)
            rows.append((
                f"{network} {layer}",
                f"{np.sum(codes != held)} of {held.size}",
                f"{held.min():,}\u00a0to\u00a0{held.max():,}",
                int(np.abs(held).max()).bit_length() + 1,
            ))  # fmt: skip
    head = ("layer", "biases that differ from the file's", "the file's codes", "bits they need")
    return Table("Biases in integers", head, rows)


def layer_sums(layer: DenseLayer, inputs) -> np.ndarray:
    """The int32 sums of a layer, bias included: what waits to be rescaled."""
    x = inputs.astype(np.int64) - layer.x_zero
    return (x @ layer.weights.T.astype(np.int64) + layer.bias).astype(np.int32)


def sums_table(layer: DenseLayer, inputs) -> Table:
    """How large a layer's sums can get, and did get."""
    products, most, limit = layer.weights.shape[1], 255 * 127, 2**31 - 1
    largest = int(np.abs(layer_sums(layer, inputs)).max())
    rows = [
        (f"the largest possible sum of {products} products", f"{products * most:,}"),
        (f"the largest seen on {len(inputs):,} test images", f"{largest:,}"),
        ("what an int32 holds", f"{limit:,}"),
        ("products that it can add up, whatever the codes", f"{limit // most:,}"),
    ]
    return Table(f"The sums of {layer.layer}", ("", "absolute value"), rows)


def multipliers_table(layer: DenseLayer, channels=4) -> Table:
    """The integers that stand for the real multipliers of the first channels."""
    rows = []
    for channel, real in enumerate(layer.real_multipliers[:channels]):
        multiplier, shift = engine.quantize_multiplier(real)
        error = multiplier * 2.0 ** (shift - 31) / real - 1
        rows.append((channel, f"{real:.7f}", f"{multiplier:,}", shift, f"{abs(error):.0e}"))
    return Table(f"{layer.layer}, the first {channels} output channels",
                 ("channel", "M", "multiplier", "shift", "relative error"), rows)  # fmt: skip


def _right(layer, codes, truth, network):
    """On how many inputs the network is right if this layer puts out these codes."""
    scores = model(network).run_after(layer.index, codes)
    return int(np.sum(scores.argmax(axis=1) == truth[: len(codes)]))


def rescaled_table(requantize, layer: DenseLayer, inputs, outputs, truth, network=NETWORK):
    """A student's rescaling beside three others: codes that change, and right answers. -> Table

    requantize: a function (accumulator, multiplier, shift, zero_point); it is called once for each
    output channel, which has its own multiplier and shift.
    """
    sums = layer_sums(layer, inputs)
    m, e, zero = layer.multipliers, layer.shifts, layer.y_zero
    wide = sums.astype(np.int64)
    yours = np.stack(
        [
            np.asarray(requantize(sums[:, u], int(m[u]), int(e[u]), zero)).astype(np.int64)
            for u in range(len(m))
        ],
        axis=1,
    )
    ways = {
        "rounded twice: your function": yours,
        "rounded once": ((wide * m + (1 << (30 - e))) >> (31 - e)) + zero,
        "truncated": np.floor(wide * layer.real_multipliers).astype(np.int64) + zero,
    }
    rows = []
    for name, codes in ways.items():
        codes = np.clip(codes, layer.qmin, layer.qmax).astype(np.int8)
        rows.append((name, f"{np.sum(codes != outputs):,}",
                     f"{_right(layer, codes, truth, network):,}"))  # fmt: skip
    return Table(
        f"The {outputs.size:,} codes of {layer.layer} on {len(inputs):,} test images",
        ("rescaled", "codes that are not the network's", "images answered rightly"),
        rows,
    )


def _codes_of_students(layer, fully_connected, inputs, shape):
    """(codes, "") of a student's layer, or (None, why there are none)."""
    arguments = (inputs, layer.weights, layer.bias, layer.x_zero, layer.multipliers, layer.shifts,
                 layer.y_zero)  # fmt: skip
    try:
        mine = fully_connected(*(np.copy(value) for value in arguments))
        if mine is None or mine is ...:
            return None, "Your function returns nothing so far."
        mine = np.asarray(mine)
    except (Exception, SystemExit) as error:
        return None, f"Your layer stops with {type(error).__name__}. The check above tells more."
    if mine.shape != shape or mine.dtype.kind not in "iuf":
        return None, f"Your layer does not give {shape[0]:,} times {shape[1]} codes."
    return mine, ""


def in_place_of(
    layer: DenseLayer, fully_connected, inputs, outputs, truth=None, network=NETWORK
) -> None:
    """Run a student's layer on the network's codes, and say how many come out as the network's.

    Whatever it gives or raises becomes a sentence. truth: the right classes, for a second one that
    says how many answers of the network are right with this layer in it.
    """
    mine, problem = _codes_of_students(layer, fully_connected, inputs, outputs.shape)
    if mine is None:
        print(problem)
        return
    print(f"{np.sum(mine != outputs):,} of {outputs.size:,} codes differ from the network's")
    if truth is not None:
        with_mine, own = (_right(layer, c, truth, network) for c in (_as_int8(mine), outputs))
        print(f"With your layer in it the network answers {with_mine:,} of {len(outputs):,} images "
              f"rightly; with its own {own:,}.")  # fmt: skip


def _as_int8(codes):
    return np.clip(np.nan_to_num(codes), -128, 127).astype(np.int8)


def answered(layer: DenseLayer, fully_connected, inputs, outputs, network=NETWORK) -> Answered:
    """The first ten test images, answered by the network with a student's layer in it."""
    dataset, ten = data.load(models.DATASETS[network]), slice(0, 10)
    mine, _ = _codes_of_students(layer, fully_connected, inputs[ten], outputs[ten].shape)
    codes, whose = (outputs[ten], "its own") if mine is None else (_as_int8(mine), "your")
    answers = model(network).run_after(layer.index, codes).argmax(axis=1)
    title = f"{network} in int8 with {whose} {layer.layer}"
    images, truth = dataset.x_test[ten, :, :, 0], dataset.y_test[ten]
    return Answered(images, truth, answers, dataset.class_names, title)


# ------------------------------------------------------------------ compared here


def against_tflm(tflm, answers) -> None:
    """Say on how many output values TFLM and `IntegerModel` differ. tflm: None if not installed."""
    if tflm is None:
        print(f"{micro.missing()}\nRecorded: the outputs differ on {images_differing('TFLM')}.")
        return
    differing = int(np.sum(tflm != answers[: len(tflm)]))
    print(f"{differing:,} of {tflm.size:,} output values differ from IntegerModel's")
    if differing != _record(NETWORK)["others"]["TFLM"]["differing"]:
        print("When it was recorded, none did. Please report this, with your processor's name.")


# ------------------------------------------------------------------ recorded comparisons


def _record(network):
    record = data.result("integer_equality").record["networks"]
    if network not in record:
        raise ValueError(f"No recorded comparison of {network!r}; there are {', '.join(record)}.")
    return record[network]


def images_differing(other="TFLM", network=NETWORK) -> checks.Measured:
    """On how many test inputs any output value differs from `IntegerModel`'s; recorded."""
    rows = _record(network)
    return checks.Measured(rows["others"][other]["inputs"], unit="images", n=rows["n"])


def classes_changed(other, network=NETWORK) -> checks.Measured:
    """On how many test inputs the predicted class is another one; recorded."""
    rows = _record(network)
    return checks.Measured(rows["classes"][other]["changed"], unit="images", n=rows["n"])


def accuracy(which="IntegerModel", network=NETWORK) -> checks.Measured:
    """Recorded test accuracy in percent: "IntegerModel", "TFLM", "float32", "truncating", ..."""
    rows = _record(network)
    correct = rows["correct"] if which == "IntegerModel" else rows["classes"][which]["correct"]
    low, high = intervals.wilson(correct, rows["n"])
    return checks.Measured(100 * correct / rows["n"], 100 * low, 100 * high, "%", rows["n"])


def lost(before="float32", network=NETWORK) -> checks.Measured:
    """Points of test accuracy that `IntegerModel` lost against another, paired; recorded."""
    rows = _record(network)
    # The record pairs the other way round: newly wrong are the other's answers.
    wrong, right = (rows["classes"][before][k] for k in ("newly_right", "newly_wrong"))
    low, high = intervals.paired_difference(wrong, right, rows["n"])
    value = (wrong - right) / rows["n"]
    return checks.Measured(100 * value, 100 * low, 100 * high, "points", rows["n"])


def truncation_lost(network=NETWORK) -> checks.Measured:
    """Points of test accuracy that truncating costs against rounding, paired; recorded."""
    rows = _record(network)
    wrong, right = (rows["classes"]["truncating"][k] for k in ("newly_wrong", "newly_right"))
    low, high = intervals.paired_difference(wrong, right, rows["n"])
    value = (wrong - right) / rows["n"]
    return checks.Measured(100 * value, 100 * low, 100 * high, "points", rows["n"])


def largest_difference(other, network=NETWORK) -> int:
    """The largest difference of one output value from `IntegerModel`'s, in codes; recorded."""
    return max((int(size) for size in _record(network)["others"][other]["by"]), default=0)


def comparison_table() -> Table:
    """All networks against all engines; recorded."""
    others = ("TFLM", "LiteRT reference", "LiteRT XNNPACK")
    rows = []
    for network in NETWORKS:
        record = _record(network)
        cells = []
        for other in others:
            differing = record["others"][other]["differing"]
            largest = f", by {largest_difference(other, network)} at most" if differing else ""
            changed = record["classes"][other]["changed"]
            cells.append(f"{differing:,}{largest}; {changed} class{'es' if changed != 1 else ''}")
        rows.append((network, f"{record['values']:,}", *cells))
    return Table(
        "Output values that differ from IntegerModel's, and inputs that get another class",
        ("network", "output values", *others),
        rows,
    )


def losses_table() -> Table:
    """Points of test accuracy lost by int8 and by truncating, and what follows; recorded."""
    losses = {name: (lost("float32", name), truncation_lost(name)) for name in NETWORKS}
    told = [
        name
        for name, pair in losses.items()
        if any(not loss.interval[0] <= 0 <= loss.interval[1] for loss in pair)
    ]
    caption = (
        f"A loss that can be told from zero: {', '.join(told)}"
        if told
        else "Not one of these losses can be told from zero, truncation included"
    )
    rows = [(name, *map(str, pair)) for name, pair in losses.items()]
    head = ("network", "int8 instead of float32", "truncated instead of rounded")
    return Table(caption, head, rows)


def kernels() -> Kernels:
    """Which operators differ from TFLM's, each given the same codes; recorded."""
    record = data.result("integer_equality").record
    operators, per_million = {}, {}
    for network in NETWORKS:
        names = [n for n in layer_names(network) if n != "flatten"]
        rows = record["networks"][network]["operators"]
        operators[network] = names
        per_million[network] = {
            shown: np.array([1e6 * row[kind]["differing"] / row["values"] for row in rows])
            for kind, shown in KINDS.items()
        }
    return Kernels(record["operator_inputs"], operators, per_million)


def explained_table() -> Table:
    """How well two formulas give LiteRT's codes, in all layers with weights; recorded."""
    networks = data.result("integer_equality").record["networks"]
    records = [row for network in networks.values() for row in network["operators"]]
    rows = []

    def line(kernels, formula, chosen, differing):
        values = sum(row["values"] for row in chosen)
        rows.append((kernels, formula, f"{values:,}", f"{sum(map(differing, chosen)):,}"))

    dense = [row for row in records if row["operator"] == "FULLY_CONNECTED"]
    convolutions = [row for row in records if "CONV_2D" in row["operator"]]
    summing = [row for row in records if "float32" in row]
    line("reference, dense", "TFLM's", dense, lambda r: r["reference"]["differing"])
    line("reference, dense", "one rounding", dense, lambda r: r["one rounding"]["reference"])
    line("reference, convolutions", "TFLM's", convolutions, lambda r: r["reference"]["differing"])
    line("XNNPACK, all sums", "TFLM's", summing, lambda r: r["xnnpack"]["differing"])
    line("XNNPACK, all sums", "float32 product", summing, lambda r: r["float32"]["xnnpack"])
    sizes = {int(by) for row in records for kind in KINDS for by in row[kind]["by"]}
    return Table(
        f"LiteRT's kernels against formulas; in one operator a value differs by {max(sizes)} at "
        "most",
        ("LiteRT's kernels", "formula", "values", "that differ"),
        rows,
    )


# --- on a microcontroller -------------------------------------------------------------------------


def on_a_chip(name: str = "fashion_cnn") -> Table:
    """Where the instructions of a network in int8 go, on an emulated Cortex-M4F; recorded."""
    row = emulator.recorded(name, "int8", "cortex-m4f")
    network = data.checkpoint(name)
    layers = layer_specs.describe(network.layers, network.input_shape)
    macs = iter([layer.macs for layer in layers if layer.macs])
    rows = []
    for layer, count in row["layers"].items():
        multiplies = layer.startswith(("conv_2d", "depthwise_conv_2d", "fully_connected"))
        of_layer = next(macs) if multiplies else None
        rows.append((layer, f"{count:,}", f"{of_layer:,}" if multiplies else "",
                     f"{count / of_layer:.1f}" if multiplies else ""))  # fmt: skip
    head = ("layer", "instructions", "multiplications", "instructions for each")
    differing = f"{row['differing']} of its outputs differ from TFLM's"
    return Table(f"{name} in C, one image, plain loops; {differing}", head, rows)
