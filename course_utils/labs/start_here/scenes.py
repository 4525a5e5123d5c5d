"""Networks, their data, and the boards that may hold them (notebook 00)."""

from __future__ import annotations

import numpy as np

from course_utils.engines import layer_specs
from course_utils.labs.start_here.figures import Box, Fit, Garments, Network, Recording
from course_utils.machines import data, frameworks, models
from course_utils.machines.micro import emulator
from course_utils.views import checks
from course_utils.views.tables import Table

WATCH_HZ = 50  # samples a second of the smartwatch (data/README.md)


def fit(network: str, num_bits: int) -> Fit:
    """What a network needs at a bit width, beside what the boards have."""
    checkpoint = data.checkpoint(network)
    layers = layer_specs.describe(checkpoint.layers, checkpoint.input_shape)
    shapes = [checkpoint.input_shape, *(layer.output_shape for layer in layers)]
    values = [int(np.prod(shape)) for shape in shapes]
    # A layer reads one tensor while it writes the next: both must be in memory.
    busiest = max(a + b for a, b in zip(values, values[1:], strict=False))
    parameters = sum(layer.parameters for layer in layers)
    boards = data.boards()
    return Fit(
        network=network,
        num_bits=num_bits,
        weights=parameters * num_bits / 8,
        activations=busiest * num_bits / 8,
        boards=tuple(board["name"] for board in boards),
        flash=tuple(board["flash_bytes"] for board in boards),
        ram=tuple(board["ram_bytes"] for board in boards),
    )


# ------------------------------------------------------------------ the networks and their data


def network(name: str) -> Network:
    """A shipped network as boxes: batch normalization and activations belong to their layer."""
    checkpoint = data.checkpoint(name)
    boxes = [Box("input", models.DATASETS[name], tuple(checkpoint.input_shape), 0, 0)]
    described = layer_specs.describe(checkpoint.layers, checkpoint.input_shape)
    for layer, info in zip(checkpoint.layers, described, strict=True):
        if layer["op"] in FOLDED:
            last = boxes.pop()
            boxes.append(last._replace(what=f"{last.what}, {FOLDED[layer['op']]}",
                                       weights=last.weights + info.parameters))  # fmt: skip
        else:
            boxes.append(
                Box(info.name, _in_words(layer), info.output_shape, info.parameters, info.macs)
            )
    test = checkpoint.record["test"]
    low, high = test["interval_95"]
    accuracy = checks.Measured(100 * test["accuracy"], 100 * low, 100 * high, "%", test["n"])
    return Network(name, str(accuracy), checkpoint.record["seed"], tuple(boxes))


FOLDED = {"batch_norm": "batch norm", "relu": "ReLU", "relu6": "ReLU6"}
WORDS = {
    "conv2d": "convolution",
    "depthwise_conv2d": "depthwise",
    "max_pool2d": "largest of",
    "average_pool2d": "average of",
    "global_average_pool2d": "average of each channel",
    "dense": "fully connected",
    "flatten": "one row of values",
    "softmax": "scores that add up to 1",
}


def _in_words(layer):
    words = WORDS[layer["op"]]
    if "kernel" in layer:
        words += " {} × {}".format(*layer["kernel"])
    strides = layer_specs.strides_of(layer) if "kernel" in layer else (1, 1)
    if strides != (1, 1) and "pool" not in layer["op"]:
        words += f", stride {strides[0]}"
    return words + (", ReLU" if layer.get("activation") == "relu" else "")


def garments() -> Garments:
    """The first test image of each class."""
    images = data.load("fashion_mnist")
    first = [int(np.argmax(images.y_test == k)) for k in range(len(images.class_names))]
    return Garments(images.x_test[first, :, :, 0], images.class_names)


def recording() -> Recording:
    """The first window of the test set."""
    watch = data.load("watch")
    channels = tuple(data.read_npz("watch.npz")["channel_names"].tolist())
    name = watch.class_names[watch.y_test[0]]
    return Recording(watch.x_test[0, 0], WATCH_HZ, channels, name, watch.class_names)


# ------------------------------------------------------------------ work, counted by a student


def _convolutions(name):
    """(layer's info, arguments of the count) of every layer that multiplies.

    A dense layer is a convolution with a kernel of 1 × 1 over an image of one position; a
    depthwise filter sees one channel.
    """
    checkpoint = data.checkpoint(name)
    shape = tuple(checkpoint.input_shape)
    described = layer_specs.describe(checkpoint.layers, checkpoint.input_shape)
    for layer, info in zip(checkpoint.layers, described, strict=True):
        before, shape = shape, info.output_shape
        if layer["op"] == "dense":
            yield info, ((1, 1, shape[0]), (1, 1, before[0]), (1, 1))
        elif layer["op"] == "conv2d":
            yield info, (shape, before, layer["kernel"])
        elif layer["op"] == "depthwise_conv2d":
            yield info, (shape, (*before[:2], 1), layer["kernel"])


def macs_table(count, name: str, clock_hz: int) -> Table:
    """The layers of a network, their work as `count` has it and as the laboratory has it.

    count: a function (output_shape, input_shape, kernel_size).
    """
    rows, mine, shipped, weights = [], 0, 0, 0
    for info, arguments in _convolutions(name):
        counted = count(*arguments)
        shape = "\u00a0×\u00a0".join(map(str, info.output_shape))
        rows.append((info.name, shape, f"{info.parameters:,}", f"{counted:,}", f"{info.macs:,}"))
        mine, shipped, weights = mine + counted, shipped + info.macs, weights + info.parameters
    rows.append(("all layers", "", f"{weights:,}", f"{mine:,}", f"{shipped:,}"))
    return Table(
        f"{name}: one input takes {1000 * mine / clock_hz:.1f} ms at one multiply–accumulate per "
        f"cycle and {clock_hz / 1e6:g} MHz",
        ("layer", "output", "weights", "MACs, your count", "MACs, the laboratory's"),
        rows,
    )


def separable_table(count, name: str = "fashion_dscnn") -> Table:
    """What depthwise layers save: each, with the 1 × 1 after it, beside one full convolution."""
    pairs = list(_convolutions(name))
    rows, totals = [], [0, 0]
    for (info, (_, _, kernel)), (after, (out, into, _)) in zip(pairs, pairs[1:], strict=False):
        if info.op != "depthwise_conv2d":
            continue
        both = info.macs + after.macs
        # The same input (its channels, its strides) and the same output, in one convolution.
        full = count(out, (*info.output_shape[:2], into[2]), kernel)
        rows.append((f"{info.name}, {after.name}", f"{both:,}", f"{full:,}", f"{full / both:.1f}"))
        totals = [totals[0] + both, totals[1] + full]
    rows.append(("all of these", *(f"{n:,}" for n in totals), f"{totals[1] / totals[0]:.1f}"))
    return Table(
        f"{name}: multiply–accumulates of its pairs of layers, and of one full convolution each",
        ("layers", "the pair", "a full convolution", "times as many"),
        rows,
    )


# ------------------------------------------------------------------ boards, links, frameworks


def boards_table() -> Table:
    """The boards: memory, clock, and whether they multiply real numbers in hardware."""
    rows = [
        (board["name"], board["core"], f"{board['clock_hz'] / 1e6:g}",
         f"{board['flash_bytes'] / 1024:,.0f}", f"{board['ram_bytes'] / 1024:,.0f}", board["fpu"])
        for board in data.boards()
    ]  # fmt: skip
    head = ("board", "core", "MHz", "flash, KiB", "RAM, KiB", "floating-point unit")
    return Table("The boards of this laboratory (1 KiB = 1024 bytes)", head, rows)


CORES = {"cortex-m4f": "Cortex-M4F", "cortex-m3": "Cortex-M3", "cortex-m0": "Cortex-M0",
         "atmega328p": "ATmega328P (AVR)"}  # fmt: skip


def without_a_unit() -> Table:
    """One dense layer, the same loops in float32 and in int8, on four emulated processors."""
    rows = []
    for cpu, name in CORES.items():
        found = [emulator.recorded(emulator.PROBE, kind, cpu) for kind in ("float32", "int8")]
        in_float, in_int8 = map(emulator.count_of, found)
        unit = "yes" if cpu == "cortex-m4f" else "no"
        rows.append((name, unit, f"{in_float:,}", f"{in_int8:,}", f"{in_float / in_int8:.1f}",
                     found[0]["unit"]))  # fmt: skip
    head = ("processor", "floating-point unit", "float32", "int8", "float32 / int8", "counted")
    return Table("A dense layer with 64 inputs and 16 outputs, recorded", head, rows)


def bits_table(name: str, boards) -> Table:
    """A network's weights in several widths beside the flash of these boards."""
    checkpoint = data.checkpoint(name)
    count = sum(weights.size for weights in checkpoint.weights.values())
    rows = []
    for bits, kind in ((32, "float32"), (16, "16 bits"), (8, "int8")):
        size = count * bits // 8
        verdicts = ["fits" if size <= board["flash_bytes"] else "too large" for board in boards]
        rows.append((kind, f"{size:,}", *verdicts))
    columns = (f"flash of {b['name']}, {b['flash_bytes']:,}" for b in boards)
    return Table(f"{name}, in bytes", ("each weight", "all weights", *columns), rows)


def transfer_seconds(checkpoint: data.Checkpoint, kbit_per_s: float) -> float:
    """Seconds to send a network's float32 weights over a link, without any protocol overhead."""
    bits = 8 * sum(weights.nbytes for weights in checkpoint.weights.values())
    return bits / (1000 * kbit_per_s)


def operations_table() -> Table:
    """The operations that the installed frameworks know, counted. -> Table"""
    rows = [(name, f"{count:,}") for name, count in frameworks.count_operations().items()]
    return Table("Operations counted in the installed packages", ("package", "operations"), rows)
