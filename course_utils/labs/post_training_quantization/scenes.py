"""Networks converted five ways, layer by layer, per tensor and per channel (notebook 08)."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from statistics import fmean, median

import numpy as np

from course_utils.engines import float_engine, layer_specs, tflite_file
from course_utils.engines import simulated_quantization as simulated
from course_utils.labs.post_training_quantization.figures import (
    Granularity,
    LayerErrors,
    Path,
    Technique,
    Techniques,
)
from course_utils.machines import data, evaluation, models
from course_utils.machines.micro import emulator
from course_utils.numbers import intervals
from course_utils.views import checks, widgets
from course_utils.views.tables import Table

NETWORKS = ("fashion_cnn", "fashion_dscnn", "watch_cnn")
MODES = ("float32", "float16", "dynamic", "int8", "int16x8")
CALLED = {
    "float32": "no quantization",
    "float16": "reduced float",
    "dynamic": "hybrid quantization",
    "int8": "integer quantization",
    "int16x8": "integer quantization, 16-bit activations",
}
NEEDS = {
    "float32": "no data",
    "float16": "no data",
    "dynamic": "no data",
    "int8": "a few hundred unlabelled inputs (here 500)",
    "int16x8": "a few hundred unlabelled inputs (here 500)",
}
PATHS = (  # name, stored, multiplied, between layers, when activations are rounded
    Path("reduced float", "float16", "float32", "float32", "never"),
    Path("hybrid", "int8", "int8", "float32", "at every run, by this input's own range"),
    Path("integer", "int8", "int8", "int8", "ahead, by ranges of calibration data"),
    Path("integer, 16-bit activations", "int8", "int8 × int16", "int16",
         "ahead, by ranges of calibration data"),
    Path("integer, trained for it", "int8", "int8", "int8", "while training: notebook 09"),
)  # fmt: skip
SELECTIVE_BITS = 4
SELECTIVE_NETWORK = "fashion_dscnn"
SELECTIVE_IMAGES = 1000  # validation images on which a layer is chosen


# --- five techniques ------------------------------------------------------------------------


def techniques(network: str) -> list[Techniques]:
    """One state a technique, as recorded: accuracies by LiteRT's reference kernels."""
    record = data.result("techniques").record["networks"][network]
    rows = tuple(_technique(mode, record[mode]) for mode in MODES)
    total = record["float32"]["reference"]["n"]
    return [Techniques(network, total, rows, chosen) for chosen in range(len(MODES))]


def _technique(mode, row):
    counted = row["reference"]
    low, high = counted["loss_interval_95"]
    return Technique(
        mode=mode,
        called=CALLED[mode],
        size={key: value for key, value in row["size"].items() if key != "parts"},
        correct=counted["correct"],
        interval=tuple(counted["interval_95"]),
        loss=100 * (counted["newly_wrong"] - counted["newly_right"]) / counted["n"],
        loss_interval=(100 * low, 100 * high),
        newly_wrong=counted["newly_wrong"],
        newly_right=counted["newly_right"],
        p_value=counted["p_value"],
        runs={name: runs for name, (runs, _) in row["runs"].items()},
        needs=NEEDS[mode],
    )


def file_ratio(network: str, mode: str = "int8") -> float:
    """How many times smaller the file is than the float32 one."""
    record = data.result("techniques").record["networks"][network]
    return record["float32"]["size"]["file"] / record[mode]["size"]["file"]


def paths() -> tuple[Path, ...]:
    """What each technique stores, multiplies and hands on."""
    return PATHS


def refusals_table(network: str) -> Table:
    """What TFLM said of the modes that it does not run; recorded."""
    rows = [(mode, CALLED[mode], words) for mode, words in refusals(network).items()]
    return Table(f"{network}: what TFLM says of two files", ("file", "technique", "TFLM"), rows)


def refusals(network: str) -> dict[str, str]:
    """What TFLM said of the modes that it does not run."""
    record = data.result("techniques").record["networks"][network]
    said = {mode: record[mode]["runs"]["TFLM"] for mode in MODES}
    return {mode: words for mode, (runs, words) in said.items() if not runs}


def paired(network: str, before: str, after: str) -> evaluation.Comparison:
    """Two modes of a network on the same test inputs, by the reference kernels."""
    result = data.result("techniques")
    n = result.record["networks"][network]["float32"]["reference"]["n"]
    right = (np.unpackbits(result.arrays[f"{network}/{mode}/reference"], count=n)
             for mode in (before, after))  # fmt: skip
    return evaluation.compare(*map(evaluation.count, right))


def int16_table() -> Table:
    """16-bit activations against 8-bit ones on each network's test inputs; recorded."""
    rows = [(name, *_compared(paired(name, "int8", "int16x8"))) for name in NETWORKS]
    return Table("int16x8 against int8, on the same test inputs", ("network", *_COMPARED), rows)


_COMPARED = ("points lost", "95 % interval", "newly wrong", "newly right", "p (McNemar)")


def _compared(found: evaluation.Comparison):
    low, high = found.interval
    p = f"{found.p_value:.2g}" if found.p_value >= 1e-12 else "< 1e-12"
    return (f"{100 * found.loss:.2f}", f"{100 * low:.2f} to {100 * high:.2f}", found.newly_wrong,
            found.newly_right, p)  # fmt: skip


def accuracy_table(measured: dict[str, evaluation.Accuracy]) -> Table:
    """Accuracies measured here, each paired with float32."""
    rows = []
    for mode, found in measured.items():
        low, high = found.interval
        compared = ("", "", "", "", "") if mode == "float32" else _compared(
            evaluation.compare(measured["float32"], found))  # fmt: skip
        share = f"{found.value:.2%} ({low:.2%} to {high:.2%})"
        rows.append((mode, share, *compared))
    return Table(f"Right answers on {found.n:,} test images; lost against float32",
                 ("file", "accuracy", *_COMPARED), rows)  # fmt: skip


def latency_table(times) -> Table:
    """Latencies measured here: {kernels: {mode: evaluation.Latency}}."""
    about = evaluation.processor()
    modes = list(next(iter(times.values())))
    rows = [(mode, *(times[kernels][mode] for kernels in times)) for mode in modes]
    return Table(
        f"Median (quartiles) for one image, one thread; {about['processor']}",
        ("file", *(f"{kernels} kernels" for kernels in times)), rows,
    )  # fmt: skip


def tried_table(files, x) -> Table:
    """Each of the files tried in each runtime, on inputs x."""
    tried = {mode: evaluation.runtimes(tflite, x) for mode, tflite in files.items()}
    runtimes = list(next(iter(tried.values())))
    rows = [(mode, *("✓" if found[name].runs else "✗" for name in runtimes))
            for mode, found in tried.items()]  # fmt: skip
    return Table("Tried here", ("file", *runtimes), rows)


# --- which of two differences is real -------------------------------------------------------


def real_difference() -> str:
    """Of the recorded pairs A and B, the one whose paired interval leaves out zero."""
    real = [key for key in ("A", "B") if compared_pair(key).interval[0] > 0]
    return {0: "neither", 2: "both"}.get(len(real), "".join(real))


def compared_pair(key: str) -> evaluation.Comparison:
    before, after = _pair(key)
    return evaluation.compare(evaluation.count(before), evaluation.count(after))


def pairs_said() -> str:
    """The two recorded pairs in words, with what a table of accuracies would say of them."""
    words = []
    for key, about in data.result("paired_differences").record["pairs"].items():
        found = compared_pair(key)
        words.append(
            f"{key}: {about['network']} with {about['layer']} in {about['bits']} bits loses "
            f"{found.newly_wrong - found.newly_right} right answers of {found.n:,}, "
            f"{100 * found.loss:.2f} points."
        )
    return " ".join(words)


def _pair(key):
    result = data.result("paired_differences")
    n = result.record["pairs"][key]["test"]["n"]
    return tuple(np.unpackbits(result.arrays[f"{key}/{when}"], count=n).astype(bool)
                 for when in ("before", "after"))  # fmt: skip


def differences_with(disagreements: Callable) -> Table:
    """Both recorded pairs, counted by this function: intervals and McNemar's p-value."""
    rows = []
    for key, about in data.result("paired_differences").record["pairs"].items():
        before, after = _pair(key)
        wrong, right = map(int, disagreements(before, after))
        n = len(before)
        low, high = intervals.paired_difference(wrong, right, n)
        found = evaluation.Comparison(wrong, right, n, (wrong - right) / n, (low, high),
                                      intervals.mcnemar_exact(wrong, right))  # fmt: skip
        rows.append((f"{key}: {about['network']}", f"{n:,}", *_compared(found)))
    return Table("Two losses of the same size", ("pair", "inputs", *_COMPARED), rows)


# --- the lecture's technique table ----------------------------------------------------------

TABLE_NETWORK = "fashion_dscnn"  # of which there is a file that was trained for int8, too
KINDS = {"lenet_300_100": "dense layers", "fashion_cnn": "convolutions",
         "fashion_dscnn": "depthwise convolutions"}  # fmt: skip


def speedup(network: str, mode: str, kernels: str = "xnnpack") -> checks.Measured:
    """How many times faster than float32, paired round by round; recorded."""
    record = data.result("technique_table").record
    times = record["microseconds"][network][kernels]
    ratios = [base / own for base, own in zip(times["float32"], times[mode], strict=True)]
    low, high = intervals.seeds_interval(ratios)
    return checks.Measured(fmean(ratios), low, high, "times")


def speed_table(kernels: str = "xnnpack") -> Table:
    """How many times faster each file is than float32, and the lecture's claims; recorded."""
    record = data.result("technique_table").record
    rows = []
    for network, kind in KINDS.items():
        base = median(record["microseconds"][network][kernels]["float32"])
        rows.append((f"{network}: {kind}", f"{base:.0f} µs",
                     *(_times(speedup(network, mode, kernels)) for mode in MODES[1:])))  # fmt: skip
    claims = {}
    for kind, *_, low, high, what in data.lecture_table("quantization_types")["rows"]:
        if low is not None:
            said = f"{low:g}" if low == high else f"{low:g} to {high:g}"
            claims[kind.split()[0], what[:4]] = f"{said} times"
    for what, called in (("full", "fully connected & RNN"), ("Conv", "convolution models")):
        rows.append((f"the lecture: {called}", "", "", claims["Hybrid", what],
                     claims["Integer", what], ""))  # fmt: skip
    return Table(
        f"Times faster than float32 (95 % over {record['rounds']} rounds), {kernels} kernels, one "
        f"thread; {record['machine']['processor']}, recorded",
        ("network", "float32", *(f"{mode}" for mode in MODES[1:])), rows,
    )  # fmt: skip


def on_microcontrollers() -> Table:
    """How many times fewer instructions int8 takes than float32 on two processors; recorded."""
    rows = []
    for network, kind in KINDS.items():
        row = [f"{network}: {kind}"]
        for cpu, kernels in ON_CHIPS:
            in_float = emulator.count_of(emulator.recorded(network, "float32", cpu))
            in_int8 = emulator.count_of(emulator.recorded(network, "int8", cpu, kernels))
            row.append(f"{in_float / in_int8:.2f}")
        rows.append(tuple(row))
    return Table(
        "Instructions in float32 for each one in int8, one input, on emulated processors; recorded",
        ("network", "M3, no floating-point unit", "M4F, plain loops", "M4F, SIMD for int8"), rows,
    )  # fmt: skip


ON_CHIPS = (("cortex-m3", "plain"), ("cortex-m4f", "plain"), ("cortex-m4f", "SIMD"))


def _times(measured):
    low, high = measured.interval
    return f"{measured.value:.2f} ({low:.2f} to {high:.2f})"


def without_data(convert: Callable) -> str:
    """What convert() says when it is tried without calibration data."""
    try:
        convert()
    except ValueError as error:
        return str(error)
    return "converted"


def technique_table(refused: str) -> Table:
    """The lecture's table, a measurement or a tried refusal under each of its cells.

    refused: what the converter said to int8 without calibration data.
    """
    network = TABLE_NETWORK
    recorded = data.result("techniques").record["networks"][network]
    qat = data.result("technique_table").record["networks"][network]["qat"]
    training = data.result("ptq_vs_qat_8bit").record
    runs = 2 * len(training["seed"])  # with rounding, and the control

    def lost(right, base="float32"):
        found = evaluation.compare(_right(network, base), right)
        low, high = found.interval
        return f"{100 * found.loss:.2f} points ({100 * low:.2f} to {100 * high:.2f})"

    def speeds(mode, networks=KINDS):
        return "".join(f"\n{KINDS[name]} {speedup(name, mode).value:.2f}" for name in networks)

    def floats(row):
        return row["integer only"][1] or "No tensor holds floats."

    def runs_in(row):
        return "Runs: " + ", ".join(k for k, (does, _) in row.items() if does and " only" not in k)

    right = {mode: _right(network, mode) for mode in ("float16", "dynamic", "int8", "qat")}
    short = refused.split(":")[0]
    said = {mode: recorded[mode]["runs"]["TFLM"][1].split("model: ")[-1].split(".cc")[-1]
            for mode in ("float16", "dynamic")}  # fmt: skip
    measured = (
        ("Converted without data.",
         f"Lost: {lost(right['float16'])}",
         f"Times faster:{speeds('float16')}",
         "LiteRT falls back to float32: the weights are widened before they are used. TFLM does "
         "not take its half floats."),
        ("Converted without data.",
         f"Lost: {lost(right['dynamic'])}\nAgainst float16: {lost(right['dynamic'], 'float16')}",
         f"Times faster:{speeds('dynamic')}",
         f"{floats(recorded['dynamic']['runs'])} TFLM: “{said['dynamic'].strip()}”"),
        (f"Without data: “{short}.” With {NEEDS['int8'].split(' (')[0]}: converted.",
         f"Lost: {lost(right['int8'])}\nAgainst hybrid: {lost(right['int8'], 'dynamic')}",
         f"Times faster:{speeds('int8')}",
         f"{floats(recorded['int8']['runs'])} {runs_in(recorded['int8']['runs'])}."),
        (f"{training['recipe']['train_size']:,} labelled images and "
         f"{training['seconds'] / runs:.0f} s of training; then converted without data.",
         f"Lost: {lost(right['qat'])}\nAgainst integer: {lost(right['qat'], 'int8')}",
         f"Times faster:{speeds('qat', [network])}",
         f"{floats(qat['runs'])} {runs_in(qat['runs'])}."),
    )  # fmt: skip
    head, rows = ("technique", "ease of use", "accuracy", "latency", "compatibility"), []
    for told, found in zip(data.lecture_table("quantization_techniques")["rows"], measured,
                           strict=True):  # fmt: skip
        name, *words = told
        rows.append((name, *(f"“{w}”\n{m}" for w, m in zip(words, found, strict=True))))
    about = data.result("technique_table").record["machine"]["processor"]
    return Table(
        f"The lecture's words, and below them what was found: {network} on {right['qat'].n:,} "
        f"test images (paired, 95 %); times by XNNPACK on {about}", head, rows,
    )  # fmt: skip


def _right(network, mode) -> evaluation.Accuracy:
    """Recorded right answers of a file, by the reference kernels."""
    result = data.result("technique_table" if mode == "qat" else "techniques")
    n = data.result("techniques").record["networks"][network]["float32"]["reference"]["n"]
    packed = result.arrays[f"{network}/{mode}/reference"]
    return evaluation.count(np.unpackbits(packed, count=n))


# --- a technique for each device ------------------------------------------------------------

DEVICES = {
    "accelerator": "a board with an accelerator that multiplies 8-bit integers and nothing else; "
    "500 photographs from the field are at hand",
    "phone GPU": "the graphics processor of a phone, which computes with half and single floats; "
    "nobody may hand you example inputs, and the download may have 150 kB",
    "Cortex-M4F": "a microcontroller with TFLM, 100 kB of flash for the file, and RAM for "
    "activations of one byte each; the 500 photographs are at hand",
}
DOWNLOAD, FLASH = 150_000, 100_000  # bytes


def devices_table() -> Table:
    return Table("Three devices for fashion_cnn", ("device", "what it is"), list(DEVICES.items()))


def reasons(network: str = "fashion_cnn") -> dict[str, dict[str, dict[str, str]]]:
    """{device: {mode: {name: what speaks against it}}}, from the recorded files."""
    rows = data.result("techniques").record["networks"][network]
    found = {device: {mode: {} for mode in MODES} for device in DEVICES}
    for mode, row in rows.items():
        runs, size = row["runs"], row["size"]["file"]
        if not runs["integer only"][0]:
            found["accelerator"][mode]["floats_on_integers"] = (
                f"the file holds floats ({runs['integer only'][1].rstrip('.')})."
            )
        elif mode == "int16x8":
            found["accelerator"][mode]["sixteen_bits"] = "its activations have 16 bits, not 8."
        gpu, board = found["phone GPU"][mode], found["Cortex-M4F"][mode]
        if mode in ("int8", "int16x8"):
            gpu["needs_data"] = (
                "its activations' ranges are measured on inputs, and there are none."
            )
        elif mode == "dynamic":
            gpu["hybrid_needs_integers"] = (
                "hybrid multiplies integers, and this processor computes with floats only."
            )
        elif size > DOWNLOAD:
            gpu["too_large"] = f"the file has {size:,} bytes, more than the download may have."
        if not runs["TFLM"][0]:
            board["tflm_refuses"] = {
                "float16": "TFLM does not take half floats.",
                "dynamic": "TFLM has no kernels that take integers and floats (hybrid).",
            }[mode]
        elif size > FLASH:
            board["too_large"] = f"the file has {size:,} bytes, more than the flash has."
        elif mode == "int16x8":
            board["sixteen_bits"] = "its activations take two bytes each."
    return found


# --- per tensor, per channel ----------------------------------------------------------------


def granularity() -> Granularity:
    """int8 with one scale a tensor and one a channel, as recorded."""
    total, correct, interval, loss = {}, {}, {}, {}
    for network, rows in data.result("per_channel").record["networks"].items():
        counted = {how: row["reference"] for how, row in rows.items()}
        total[network] = counted["float32"]["n"]
        correct[network] = {how: row["correct"] for how, row in counted.items()}
        interval[network] = {how: tuple(row["interval_95"]) for how, row in counted.items()}
        loss[network] = {
            how: tuple(100 * v for v in (
                (row["newly_wrong"] - row["newly_right"]) / row["n"], *row["loss_interval_95"]
            ))
            for how, row in counted.items() if how != "float32"
        }  # fmt: skip
    return Granularity(total, correct, interval, loss)


def per_tensor_costs(network: str) -> evaluation.Comparison:
    """int8 per tensor against int8 per channel on the same test inputs, as recorded."""
    result = data.result("per_channel")
    n = result.record["networks"][network]["float32"]["reference"]["n"]
    right = (np.unpackbits(result.arrays[f"{network}/{how}/reference"], count=n)
             for how in ("per channel", "per tensor"))  # fmt: skip
    return evaluation.compare(*map(evaluation.count, right))


def smaller_per_tensor(network: str) -> checks.Measured:
    """By how many percent the int8 file is smaller with one scale for each kernel; recorded."""
    rows = data.result("per_channel").record["networks"][network]
    files = {how: row["size"]["file"] for how, row in rows.items()}
    return checks.Measured(100 * (1 - files["per tensor"] / files["per channel"]), unit="%")


def per_tensor_table() -> Table:
    """int8 with one scale a kernel against one a channel, on the same test inputs; recorded."""
    rows = [(name, *_compared(per_tensor_costs(name))) for name in NETWORKS]
    return Table("One scale a kernel (per tensor) against one a channel (per channel)",
                 ("network", *_COMPARED), rows)  # fmt: skip


def granularity_table() -> Table:
    """Bytes of the int8 files with one scale a channel and one a kernel; recorded."""
    rows = []
    for network, found in data.result("per_channel").record["networks"].items():
        for how in ("per channel", "per tensor"):
            size = found[how]["size"]
            parts = (f"{size[key]:,}" for key in ("file", "kernels", "biases", "rest"))
            rows.append((f"{network}, {how}", *parts))
    return Table("Bytes of int8 files", ("network", "file", "kernels", "biases", "the rest"), rows)


def bytes_table(size: evaluation.Size) -> Table:
    """Where the bytes of a file are, part by part."""
    rows = [
        (f"{part.layer}, {part.kind}", part.type, part.shape, f"{part.bytes:,}")
        for part in size.parts
        if part.kind != "other"  # shapes, tables and unused buffers: counted with the rest
    ]
    rows += [("operators, names, scales", "", "", f"{size.rest:,}"),
             ("the whole file", "", f"gzip: {size.gzip:,}", f"{size.file:,}")]  # fmt: skip
    return Table("Bytes of the file", ("part", "type", "shape", "bytes"), rows)


def two_files(converted: bytes, network: str = "fashion_cnn") -> Table:
    """The file that was just converted beside the shipped one of the same network."""
    rows = []
    for name, tflite in (
        ("converted here", converted),
        (f"data/models/{network}_int8.tflite", data.model(network, "int8")),
    ):
        size = evaluation.size(tflite)
        names = sum(len(tensor.name) for tensor in tflite_file.read(tflite).tensors)
        rows.append((name, f"{size.file:,}", f"{size.kernels:,}", f"{size.biases:,}",
                     f"{size.rest:,}", f"{names:,}"))  # fmt: skip
    head = ("file", "whole", "kernels", "biases", "the rest", "of it, names")
    return Table("Two int8 files of one network, in bytes", head, rows)


# --- layer by layer -------------------------------------------------------------------------


def layer_errors(network: str) -> list[LayerErrors]:
    """One state a number of bits (8 to 2): each layer rounded alone, one scale a kernel."""
    record = data.result("quantization_sweep").record
    rows = record["networks"][network]
    by_layer = rows["weights"]["per tensor, symmetric"]
    total = rows["n"]["validation"]
    losses = {}
    for position, bits in enumerate(record["bits"]):
        if bits <= 8:
            losses[bits] = {
                layer: _points(counts, position, total) for layer, counts in by_layer.items()
            }
    return [
        LayerErrors(
            network, bits, total, rows["float32"]["validation"],
            {layer: values for layer, values in losses[bits].items() if layer != "all"},
            losses[bits]["all"][0],
        )
        for bits in sorted(losses, reverse=True)
    ]  # fmt: skip


def _points(counts, position, total):
    wrong, right = (counts[key]["validation"][position] for key in ("newly_wrong", "newly_right"))
    low, high = intervals.paired_difference(wrong, right, total)
    return 100 * (wrong - right) / total, 100 * low, 100 * high


@cache
def left_in_float(spared: tuple[str, ...]) -> float:
    """Validation accuracy, in percent, with all kernels in 4 bits per tensor but those of `spared`.

    Measured here, on the first 1,000 validation images. Raises ValueError for a layer that the
    network does not have.
    """
    layers, weights = _folded()
    names = layers_of(SELECTIVE_NETWORK)
    if unknown := set(spared) - set(names):
        raise ValueError(f"{SELECTIVE_NETWORK} has the layers {', '.join(names)}, not {unknown}.")
    rounded = simulated.quantize_kernels(
        layers, weights, SELECTIVE_BITS, "per tensor, symmetric",
        only=[name for name in names if name not in spared],
    )  # fmt: skip
    dataset = data.load(models.DATASETS[SELECTIVE_NETWORK])
    x, y = (part[:SELECTIVE_IMAGES] for part in (dataset.x_validation, dataset.y_validation))
    return 100 * float((float_engine.predict(layers, rounded, x) == y).mean())


def prices() -> tuple[list[str], np.ndarray, np.ndarray]:
    """(names, points lost, bytes more) of the depthwise network's layers at 4 bits.

    The points are those of the explorer: each layer rounded alone, on validation images. In float32
    instead of 4 bits a weight takes three and a half bytes more.
    """
    state = next(state for state in layer_errors(SELECTIVE_NETWORK) if state.bits == SELECTIVE_BITS)
    weights = sizes(SELECTIVE_NETWORK)
    loss = np.array([state.rows[name][0] for name in weights])
    extra = np.array([size * (32 - SELECTIVE_BITS) // 8 for size in weights.values()])
    return list(weights), loss, extra


def prices_table() -> Table:
    rows = [(name, f"{points:.2f}", f"{more:,}", f"{round(1000 * points / more, 2) + 0.0:.2f}")
            for name, points, more in zip(*prices(), strict=True)]  # fmt: skip
    return Table("fashion_dscnn at 4 bits, one scale a kernel",
                 ("layer", "points lost when rounded alone", "bytes more in float32",
                  "points for 1,000 bytes"), rows)  # fmt: skip


BUDGETS = (0, 1000, 2000, 4000, 8000, 20_000, 24_000)  # bytes


def spared_with(spare: Callable) -> Table:
    """The layers that this function spares for each budget, and the accuracy that they give.

    The last column is of another rule: whatever costs most points first, as long as it fits.
    """
    names, loss, extra = prices()

    def kept(chosen):
        return tuple(name for name, keep in zip(names, chosen, strict=True) if keep)

    rows = []
    for budget in widgets.progress(BUDGETS, "Evaluating on 1,000 validation images"):
        chosen = np.asarray(spare(loss, extra, budget), bool)
        other, left = np.zeros(len(names), bool), budget
        for layer in np.argsort(-loss):
            if loss[layer] > 0 and extra[layer] <= left:
                other[layer], left = True, left - extra[layer]
        rows.append((f"{budget:,}", f"{int(extra[chosen].sum()):,}",
                     ", ".join(kept(chosen)) or "none", f"{left_in_float(kept(chosen)):.1f}",
                     f"{left_in_float(kept(other)):.1f}"))  # fmt: skip
    every = left_in_float(tuple(names))
    rows.append(("no limit", f"{int(extra.sum()):,}", "all", f"{every:.1f}", f"{every:.1f}"))
    return Table(
        f"{SELECTIVE_NETWORK}: layers left in float32, the others in {SELECTIVE_BITS} bits; "
        "validation accuracy in %",
        ("budget, bytes", "spent", "left in float32", "accuracy", "most points first"), rows,
    )  # fmt: skip


@cache
def _folded():
    checkpoint = data.checkpoint(SELECTIVE_NETWORK)
    return simulated.fold_batch_norm(checkpoint.layers, checkpoint.weights)


def layers_of(network: str) -> list[str]:
    """The layers of a network that have a kernel."""
    return [layer_specs.layer_of(kernel) for kernel in layer_specs.kernel_names(
        data.checkpoint(network).layers)]  # fmt: skip


def sizes(network: str) -> dict[str, int]:
    """{layer: weights of its kernel}, in the network's order."""
    weights = data.checkpoint(network).weights
    return {layer: weights[f"{layer}/kernel"].size for layer in layers_of(network)}
