"""Networks on emulated chips: what is measured for the record, and what notebook 11 shows of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from course_utils.engines import layer_specs
from course_utils.labs.tflite_micro_export import project
from course_utils.labs.tflite_micro_export.avr import NETWORK as SMALL
from course_utils.machines import conversion, data, evaluation, micro, models
from course_utils.machines.micro import emulator
from course_utils.machines.micro.c_project.export import TEMPLATE as C_TEMPLATE
from course_utils.numbers import channel_pruning, pruning
from course_utils.views.tables import Table

NETWORKS = ("watch_cnn", "lenet_300_100", "fashion_cnn", "fashion_dscnn")
AVR = "atmega328p"
AVR_HERTZ = micro.CPUS[AVR].clock
ARM = ("cortex-m4f", "cortex-m3", "cortex-m0")
SEED = 1
SPARSITIES = (0.0, 0.25, 0.5, 0.7, 0.8, 0.9)  # at which skipping zeros is tried


# --- for the record ------------------------------------------------------------------------------


def board_instructions():
    """What networks take on emulated chips: instructions or cycles, flash, RAM, stack."""
    rows = []
    for name, tflite, cpus, kernels in _asked():
        if name == emulator.PROBE:
            inputs = probe_inputs()[: emulator.COUNT]
        else:
            dataset = models.DATASETS[name.split(",")[0]]
            inputs = data.load(dataset).x_test[: emulator.COUNT]
        for row in micro.measure_on_cpus(tflite, inputs, cpus, kernels):
            rows.append({"network": name, **row})
            print(*rows[-1].values(), flush=True)
    record = {"seed": SEED, "rows": rows, "optimize": "-O2", "tools": emulator.tool_versions()}
    return record, {}, (*NETWORKS, SMALL)


def _asked():
    """(name, model, chips, kernels) of all that is measured."""
    plain, both, skipped = ("plain",), ("plain", "SIMD"), ("plain", "zeros skipped")
    for name in (*NETWORKS, SMALL):
        yield name, conversion.converted(name, "float32"), (*ARM, AVR), plain
        yield name, data.model(name), (*ARM, AVR), both
    for name in ("watch_cnn", "fashion_cnn"):
        yield f"{name}, 90 % zeros", _converted(*zeroed(name, 0.9)), ARM[:1], both
        yield f"{name}, half the channels", _converted(*halved(name)), ARM[:1], both
    for numbers in ("float32", "int8"):
        yield emulator.PROBE, probe(numbers), (*ARM, AVR), plain
    for share in SPARSITIES:
        file = _converted(*zeroed(SMALL, share))
        yield f"{SMALL}, {100 * share:.0f} % zeros", file, (AVR, ARM[0]), skipped


def probe(numbers):
    """A dense layer so small that its float32 fits the AVR, too; its weights are drawn."""
    layers = ({"op": "dense", "name": "dense1", "units": 16},)
    kernel = np.random.default_rng(SEED).normal(0, 0.2, (64, 16)).astype(np.float32)
    weights = {"dense1/kernel": kernel, "dense1/bias": np.zeros(16, np.float32)}
    model = models.set_weights(models.build(layers, (64,)), weights)
    return conversion.convert(model, numbers, probe_inputs() if numbers == "int8" else None)


def probe_inputs():
    return np.random.default_rng(SEED + 1).normal(size=(100, 64)).astype(np.float32)


def zeroed(name, share):
    """(network's name, layers, weights of which the smallest `share` of each kernel are 0)."""
    network = data.checkpoint(name)
    weights = dict(network.weights)
    for kernel in layer_specs.kernel_names(network.layers):
        kept = pruning.keep_largest(np.abs(weights[kernel]).ravel(), share)
        weights[kernel] = weights[kernel] * kept.reshape(weights[kernel].shape)
    return name, network.layers, weights


def halved(name):
    """(network's name, layers and weights of what is left if half of the channels go)."""
    network = data.checkpoint(name)
    kept = channel_pruning.keep(channel_pruning.scores(network.layers, network.weights), 0.5)
    return name, *channel_pruning.rebuild(network.layers, network.weights, kept)


def _converted(name, layers, weights):
    model = models.set_weights(models.build(layers, models.INPUT_SHAPES[name]), weights)
    inputs = data.load(models.DATASETS[name]).x_train[: conversion.CALIBRATION_SAMPLES]
    return conversion.convert(model, "int8", inputs)


# --- what the notebook shows ---------------------------------------------------------------------


def times_as_many(cpu: str, kernels: str = "plain", network: str = "watch_cnn") -> float:
    """How many times as many instructions float32 takes as int8 with these kernels."""
    in_float = emulator.count_of(emulator.recorded(network, "float32", cpu))
    return in_float / emulator.count_of(emulator.recorded(network, "int8", cpu, kernels))


def export(tflite: bytes, folder: str | Path) -> project.Exported | None:
    """Write the C of a network; where kernels were changed, the old folder first moves aside."""
    folder = Path(folder)
    try:
        paths, said = project.written_anew(
            folder, _changed(folder), lambda again: micro.export_c(tflite, folder, overwrite=again)
        )
    except (ImportError, OSError, TypeError, ValueError, micro.Refused) as problem:
        print(problem)
        return None
    return project.Exported(folder, sorted(paths), said)


def _changed(folder):
    """The kernels in a folder that are no longer as they were written."""
    return [
        name for name in ("kernels.c", "kernels.h")
        if (folder / name).is_file()
        and (folder / name).read_bytes() != (C_TEMPLATE / "int8" / name).read_bytes()
    ]  # fmt: skip


ON_CHIPS = (
    ("cortex-m3", "plain"), ("cortex-m4f", "plain"), ("cortex-m4f", "SIMD"), ("cortex-m0", "plain"),
)  # fmt: skip


def on_chips(folder: str | Path, codes: np.ndarray, expected: np.ndarray) -> Table | None:
    """Compile the C as it is now for each chip, run these inputs there, and compare the outputs.

    codes, expected: int8, inputs and outputs of the network. Where a chip's tools are not
    installed, the row is the recorded one of watch_cnn, and a line says so. Expected outputs of
    other inputs get a sentence.
    """
    if np.shape(codes)[:1] != np.shape(expected)[:1]:
        print(f"These are {len(codes)} inputs and the outputs of {len(expected)}: take as many.")
        return None
    rows, macs = [], sum(_macs("watch_cnn"))
    for cpu, kernels in ON_CHIPS:
        if reason := emulator.missing_tool(cpu):
            row, answer = emulator.recorded("watch_cnn", "int8", cpu, kernels), "recorded"
            print(f"{reason} The row of {cpu}, {kernels}, is the recorded one.")
        else:
            try:
                found = micro.run_on(folder, codes, cpu, simd=kernels == "SIMD")
            except (OSError, ValueError, emulator.Fault) as problem:
                rows.append((cpu, kernels, *[""] * 5, str(problem)))
                continue
            differing = int((found.outputs != expected.reshape(found.outputs.shape)).sum())
            row = {**found._asdict(), "counts": found.counts}
            answer = f"{differing} of {expected.size} differ"
        count = emulator.count_of(row)
        rows.append((cpu, kernels, f"{count:,}", f"{count / macs:.1f}", f"{row['flash']:,}",
                     f"{row['ram']:,}", f"{row['stack']:,}", answer))  # fmt: skip
    head = ("chip", "kernels", "instructions", "for each multiplication", "flash", "RAM",
            "stack", "outputs")  # fmt: skip
    return Table("One window of the Watch network in int8; memory in bytes", head, rows)


def float_and_int() -> Table:
    """Millions of instructions of one input: float32 and int8, without and with hardware for it."""
    rows = []
    for network in NETWORKS:
        row = [network]
        for numbers, cpu, kernels in (
            ("float32", "cortex-m3", "plain"), ("int8", "cortex-m3", "plain"),
            ("float32", "cortex-m4f", "plain"), ("int8", "cortex-m4f", "plain"),
            ("int8", "cortex-m4f", "SIMD"),
        ):  # fmt: skip
            count = emulator.count_of(emulator.recorded(network, numbers, cpu, kernels))
            row.append(f"{count / 1e6:.2f}")
        rows.append((*row, *(f"{_tflm(network, target):.2f}" for target in TFLM)))
    return Table(
        "Millions of instructions for one input, recorded: M3 without, M4F with a floating-point "
        "unit; the last two are TFLM's kernels in int8, on an emulated M4F",
        ("network", "M3 float32", "M3 int8", "M4F float32", "M4F int8", "M4F int8, SIMD",
         "TFLM reference", "TFLM CMSIS-NN"),
        rows,
    )  # fmt: skip


TFLM = ("cortex-m4", "cortex-m4 with CMSIS-NN")


def _tflm(network, target):
    """Millions of instructions of a network in TFLM: what its self-test's clock counted."""
    for row in data.result("tflm_project").record["rows"]:
        if (row["network"], row["mode"], row["target"]) == (network, "int8", target):
            return row["microseconds"] / 1e3  # of a clock that counts an instruction a nanosecond
    return float("nan")


def by_layer() -> Table:
    """Where the instructions of the Watch network go, in int8 with the plain kernels."""
    found = emulator.recorded("watch_cnn", "int8", "cortex-m4f")
    total = found["counts"][0]
    macs = [count for count in _macs("watch_cnn") if count]
    rows = []
    for name, count in found["layers"].items():
        each = f"{count / macs.pop(0):.1f}" if name.split()[0] in WITH_WEIGHTS else ""
        rows.append((name, f"{count:,}", f"{count / total:.0%}", each))
    return Table(
        "One window on the Cortex-M4F, plain kernels, recorded",
        ("layer", "instructions", "share", "for each multiplication"), rows,
    )  # fmt: skip


def _macs(name):
    """Multiply-accumulates of each layer of a network."""
    network = data.checkpoint(name)
    return [row.macs for row in layer_specs.describe(network.layers, network.input_shape)]


WITH_WEIGHTS = ("conv_2d", "depthwise_conv_2d", "fully_connected")


def dearest_layer() -> str:
    """The layer of the Watch network that takes most instructions."""
    return max(layer_counts(), key=layer_counts().get)


def layer_counts() -> dict[str, int]:
    """Instructions of each layer of the Watch network: int8, Cortex-M4F, plain kernels."""
    return emulator.recorded("watch_cnn", "int8", "cortex-m4f")["layers"]


def weights_of_layers() -> dict[str, int]:
    """Weights of each layer of the Watch network, by its name in the C."""
    network = data.checkpoint("watch_cnn")
    named = [name for name in layer_counts() if name.split()[0] in WITH_WEIGHTS]
    sizes = [network.weights[kernel].size for kernel in layer_specs.kernel_names(network.layers)]
    return dict(zip(named, sizes, strict=True))


def halve(layer) -> Table | None:
    """Take half of the channels out of a layer of the Watch network, by its name in the C.

    Instructions before and after on a Cortex-M4F with the plain kernels, and right answers of the
    validation windows; nothing is trained on. Another name, or a chip that can't be emulated here,
    gets a sentence.
    """
    network, dataset = data.checkpoint("watch_cnn"), data.load("watch")
    named = [name for name in layer_counts() if name.split()[0] in WITH_WEIGHTS]
    kernels = layer_specs.kernel_names(network.layers)
    of = {name: kernel.split("/")[0] for name, kernel in zip(named, kernels, strict=True)}
    can = [name for name in named if of[name] in channel_pruning.prunable(network.layers)]
    if layer is ...:
        print("Answer first: the cell above.")
        return None
    if not isinstance(layer, str) or layer not in can:
        print(f"Half of the channels can go from {', '.join(map(repr, can))}.")
        return None
    if reason := emulator.missing_tool("cortex-m4f"):
        print(reason)
        return None
    scores = channel_pruning.scores(network.layers, network.weights)
    kept = channel_pruning.keep({of[layer]: scores[of[layer]]}, 0.5)
    smaller = channel_pruning.rebuild(network.layers, network.weights, kept)
    rows = []
    for what, file in (("whole", data.model("watch_cnn")),
                       (f"half of {layer}", _converted("watch_cnn", *smaller))):  # fmt: skip
        (row,) = micro.measure_on_cpus(file, dataset.x_test[:1], ("cortex-m4f",), ("plain",))
        right = evaluation.accuracy(file, dataset.x_validation, dataset.y_validation)
        rows.append((what, f"{row['counts'][0]:,}", f"{len(file):,}", str(right)))
    head = ("the Watch network", "instructions", "bytes of the file", "right, validation")
    return Table("Half of one layer's channels, not trained on", head, rows)


def self_test(folder: str | Path) -> project.Tested | None:
    """Compile the C as it is now for this computer and run its self-test; or say why not."""
    folder = Path(folder)
    try:
        found = micro.self_test_c(folder)
    except OSError as problem:
        print(problem)
        return None
    return project.Tested(
        folder.as_posix(), tuple(_changed(folder)), found.passed, found.compiled, found.lines, ""
    )


def multiplications() -> int:
    """Of a window of the small network."""
    return sum(_macs(SMALL))


def milliseconds() -> float:
    """Of a window of the small network on the AVR, in int8."""
    return 1e3 * emulator.count_of(emulator.recorded(SMALL, "int8", AVR)) / AVR_HERTZ


def on_the_avr() -> Table:
    """The small network and the Watch network, in int8 and float32, on the ATmega328P."""
    accuracy: Mapping = data.result("avr_network").record["networks"]
    rows = []
    for network in (SMALL, "watch_cnn"):
        for numbers in ("int8", "float32"):
            test = accuracy[network][numbers]["test"]
            low, high = test["interval_95"]
            right = f"{test['accuracy']:.1%} ({low:.1%} to {high:.1%})"
            row = emulator.recorded(network, numbers, AVR)
            if "refused" in row:
                rows.append((network, numbers, right, "", "", "", "", "does not fit"))
                continue
            cycles = emulator.count_of(row)
            rows.append((network, numbers, right, f"{row['flash']:,}", f"{row['ram']:,}",
                         f"{row['stack']:,}", f"{cycles:,}",
                         f"{1e3 * cycles / AVR_HERTZ:.0f}"))  # fmt: skip
    return Table(
        "On an ATmega328P with 32,768 bytes of flash and 2,048 of RAM, at 16 MHz",
        ("network", "numbers", "right on people it never saw (95 %)", "flash, bytes", "RAM, bytes",
         "stack, bytes", "cycles", "ms"),
        rows,
    )  # fmt: skip
