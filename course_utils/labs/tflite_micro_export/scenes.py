"""Networks in TFLM and on boards: what runs, what it takes, what fits (notebook 11)."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np

from course_utils import env
from course_utils.engines import integer_engine, tflite_file
from course_utils.labs.tflite_micro_export.figures import KIB, Budget, Fits, Lifetimes
from course_utils.machines import data, evaluation, frameworks, micro
from course_utils.machines.conversion import MODES
from course_utils.views.tables import Table

NETWORKS = ("watch_cnn", "fashion_cnn", "fashion_dscnn", "lenet_300_100")


def record(network: str, mode: str) -> dict:
    """What was recorded of a network's file in TFLM.

    Raises ValueError for a network or a mode that was not measured.
    """
    networks = data.result("tflm_networks").record["networks"]
    if network not in networks or mode not in networks[network]:
        raise ValueError(f"{network} in {mode} was not measured; there are "
                         f"{', '.join(networks)} in {', '.join(MODES)}.")  # fmt: skip
    return networks[network][mode]


def runs(network: str) -> set[str]:
    """The modes in which TFLM ran the network."""
    return {mode for mode in MODES if record(network, mode)["runs"]}


def files(network: str) -> dict[str, tuple[int, bool]]:
    """{mode: (bytes of the file, does TFLM run it?)}"""
    rows = {mode: record(network, mode) for mode in MODES}
    return {mode: (row["file_bytes"], row["runs"]) for mode, row in rows.items()}


def recorded_arena(tflite: bytes) -> int:
    """The smallest arena that was measured for a shipped int8 file, also with one scale per dense
    layer; 0 for any other."""
    shipped = {network: data.model(network, "int8") for network in NETWORKS}
    for network, file in shipped.items():
        if file == tflite:
            return record(network, "int8")["smallest_arena"]
    if env.IN_BROWSER:  # to make a file of one scale takes LiteRT
        return 0
    for network, file in shipped.items():
        if micro.one_scale(file) == tflite:
            rows = data.result("dense_scales").record["networks"][network]["int8"]
            return rows["made_of_the_file"]["smallest_arena"]
    return 0


def tried(files: Mapping[str, bytes], x) -> Table:
    """Five files of fashion_cnn: what the report foresees, and what TFLM does with them.

    files: {mode: .tflite file}; x: inputs as real numbers. Without TFLM, what was recorded.
    """
    rows = []
    for mode, tflite in files.items():
        report = micro.compatibility(tflite)
        foreseen = "runs" if report.should_run else "refuses it"
        if micro.missing():
            row = record("fashion_cnn", mode)
            runs, said = row["runs"], row["said"].removeprefix("TFLM does not run this model: ")
        else:
            try:
                micro.run(tflite, evaluation.to_input(x, tflite))
                runs, said = True, ""
            except micro.Refused as refused:
                runs, said = False, str(refused).removeprefix("TFLM does not run this model: ")
        rows.append((mode, foreseen, "runs" if runs else f"refuses it: {said}"))
    where = "recorded" if micro.missing() else "tried here"
    return Table(f"fashion_cnn in TFLM, {where}", ("mode", "foreseen", "TFLM"), rows)


def reports(files: Mapping[str, bytes]) -> Table:
    """What can be foreseen of each file: {mode: .tflite file}."""
    rows = []
    for mode, tflite in files.items():
        report = micro.compatibility(tflite)
        rows.append((mode, "should run" if report.should_run else report.problems[0]))
    return Table("Foreseen from the files", ("mode", "in TFLM"), rows)


def two_files(name: str, converted: bytes) -> Table:
    """The shipped int8 file of a network and one converted now: where do their bytes differ?"""
    rows, numbers = [], []
    for called, tflite in (("shipped", data.model(name, "int8")), ("converted here", converted)):
        numbers.append(_numbers(tflite))
        size, graph = evaluation.size(tflite), tflite_file.read(tflite)
        names = sum(len(tensor.name) for tensor in graph.tensors)
        rows.append((f"{called}", f"{size.file:,}", f"{size.kernels + size.biases:,}", f"{names:,}",
                     f"{size.rest - names:,}"))  # fmt: skip
    head = ("file", "bytes", "kernels and biases", "names of tensors", "the rest")
    same = "the same numbers" if numbers[0] == numbers[1] else "different numbers"
    return Table(f"Two int8 files of {name} with {same}, in bytes", head, rows)


def _numbers(tflite):
    """All that a file computes with: operators, constants, scales and zero points."""
    graph = tflite_file.read(tflite)
    tensors = [
        (t.shape, t.type, None if t.data is None else t.data.tobytes(), t.scale.tobytes(),
         t.zero_point.tobytes())
        for t in graph.tensors
    ]  # fmt: skip
    return [op.name for op in graph.operators], tensors


def dense_scales() -> Table:
    """Right answers of each network where every scale is read and where only the first is."""
    record = data.result("dense_scales").record
    kinds = {"per_channel": "a scale per channel", "made_of_the_file": "one scale, of the file",
             "converted": "one scale, converted"}  # fmt: skip
    rows = []
    for network in NETWORKS:
        found = record["networks"][network]
        for kind, words in kinds.items():
            row, first = found["int8"][kind], found["int8"][kind]["where_the_first_is_read"]
            rows.append((f"{network}, {found['n']:,}", words, f"{row['correct']:,}",
                         f"{first['correct']:,}", first["self_test"]))  # fmt: skip
    head = ("network, inputs", "dense layers", "in TFLM", f"in {record['runtime']}", "self-test")
    return Table("Right answers in int8, dense layers with a scale per channel or one", head, rows)


def file_table(network: str) -> Table:
    """The bytes of a network's five files."""
    rows = [(mode, f"{size:,}") for mode, (size, _) in files(network).items()]
    return Table(f"{network} in five modes", ("mode", "bytes of the file"), rows)


def arena_table(arena: micro.Arena) -> Table:
    """The parts of an arena, and what it would be on a board."""
    parts = arena._asdict()
    parts["rest"] = parts.pop("rest")  # last: what is in none of the others
    rows = [(part.replace("_", " "), f"{size:,}") for part, size in parts.items()]
    rows.append(("all, on 32 bits: an estimate", f"{arena.on_32_bits:,}"))
    return Table("The arena of watch_cnn in int8", ("part", "bytes"), rows)


def flash_table(arm: micro.Flash, reference: micro.Flash) -> Table:
    """What a network takes of the flash, with Arm's kernels and with TFLM's own."""
    rows = [
        ("model", f"{arm.model:,}", f"{reference.model:,}", "the file"),
        ("core", f"{arm.core:,}", f"{reference.core:,}", "estimated"),
        ("kernels", f"{arm.kernels:,}", f"{reference.kernels:,}", "estimated"),
        ("together", f"{arm.total:,}", f"{reference.total:,}", ""),
        ("C library, apart", f"{arm.c_library:,}", f"{reference.c_library:,}", "estimated"),
    ]
    head = ("bytes", "with CMSIS-NN", "reference kernels", "")
    return Table("In flash, for watch_cnn in int8", head, rows)


def memory_left(model, code, arena, flash, ram) -> tuple[int, int]:
    """The flash and the RAM that are left; negative where something is missing."""
    return flash - model - code, ram - arena


def boards_table(flash: int, arena: int, left=memory_left) -> Table:
    """What is left of each board's flash and RAM, by `left`."""
    model = len(data.model("watch_cnn", "int8"))
    rows = []
    for name in micro.BOARDS:
        fit, has = micro.fit(name, flash, arena), micro.board(name)
        numbers = left(
            model, flash - model, arena, has["usable_flash_bytes"], has["ram_bytes"]
        )
        rows.append((name, has["word_bits"], *(f"{int(n):,}" for n in numbers),
                     "fits" if fit.fits else "does not fit"))  # fmt: skip
    head = ("board", "bits", "flash left", "RAM left", "")
    return Table("watch_cnn in int8, in bytes", head, rows)


# --- activations --------------------------------------------------------------------------------


def lifetimes(network: str, mode: str = "int8") -> list[Lifetimes]:
    """One state an operator: what must be alive while it runs."""
    row = record(network, mode)
    if not row["runs"]:
        raise ValueError(f"TFLM does not run {network} in {mode}: it plans no memory for it.")
    parts = tuple(micro.Activation(*part) for part in row["activations"])
    names, sizes, first, last = zip(*parts, strict=True)
    alive = tuple(micro.alive(parts))
    operators = tuple(f"{name} {i}" for i, name in enumerate(row["operators"]))
    return [
        Lifetimes(
            network, mode, operators, names, sizes, first, last, alive, at, row["arena"]["head"]
        )  # fmt: skip
        for at in range(len(operators))
    ]


def peak_bytes(sizes, first, last) -> int:
    """The most bytes that must be in RAM at once; tensors are needed from first to last."""
    lives = list(zip(sizes, first, last, strict=True))
    return max(
        sum(size for size, start, end in lives if start <= at <= end)
        for at in range(max(last) + 1)
    )


def heads_table(peak=peak_bytes) -> Table:
    """What must be alive at once, by the graph and as TFLM measured it, in int8.

    peak: a function (sizes, first, last) -> bytes that finds it in the graph.
    """
    rows = []
    for name in NETWORKS:
        parts = micro.activations(data.model(name, "int8"))
        _, sizes, first, last = zip(*parts, strict=True)
        found = int(peak(list(sizes), list(first), list(last)))
        rows.append((name, f"{found:,}", f"{record(name, 'int8')['arena']['head']:,}"))
    head = ("network, int8", "from the graph", "TFLM's head")
    return Table("Bytes that must be alive at once", head, rows)


# --- boards -------------------------------------------------------------------------------------


def budget(board: str, network: str, mode: str) -> Budget:
    """What a network in a mode takes of a board, and what to do if it does not fit."""
    row, has = record(network, mode), micro.board(board)
    core, kernels = micro.code_bytes(row["operators"])
    arena = row["arena"] or {"head": 0, "tail": 0}
    # What TFLM needs on top of the recorded arena while it prepares is counted with the tail.
    tail = row["smallest_arena"] - arena["head"] if row["runs"] else 0
    flash = row["file_bytes"] + core + kernels
    fit = micro.fit(board, flash, arena["head"] + tail)
    verdict, advice = _advice(row, fit, has, arena["head"], core + kernels)
    return Budget(
        board, network, mode, has["usable_flash_bytes"], has["ram_bytes"], has["word_bits"],
        row["file_bytes"], kernels, core, arena["head"], tail, verdict, advice,
    )  # fmt: skip


def _advice(row, fit, has, head, code):
    if not row["runs"]:
        problem, instead = row["problems"][0].split(". ", 1)
        return f"It does not run in TFLM: {problem}.", instead
    short = []
    if fit.flash_left < 0:
        short.append(f"{_kib(-fit.flash_left)} of flash")
    if fit.ram_left < 0:
        short.append(f"{_kib(-fit.ram_left)} of RAM")
    if not short and fit.word_bits >= micro.WORD_BITS:
        share = 1 - min(
            fit.flash_left / has["usable_flash_bytes"], fit.ram_left / has["ram_bytes"]
        )
        advice = "Your own program, its stack and the board's libraries need room, too."
        if share > 0.5:
            advice += " That is not much: measure with the board's own linker."
        return f"It fits: {_kib(fit.flash_left)} of flash and {_kib(fit.ram_left)} of RAM are " \
               "left.", advice  # fmt: skip
    verdict = f"It does not fit: {' and '.join(short)} are missing." if short else "It can't run."
    if (bits := fit.word_bits) < micro.WORD_BITS:
        verdict += f" TFLM needs a {micro.WORD_BITS}-bit processor; this one has {bits} bits."
    return verdict, _shrink(fit, has, head, code)


def _shrink(fit, has, head, code):
    if code > has["usable_flash_bytes"]:
        return (
            "TFLM's code alone is estimated larger than the flash: no smaller model helps. Take a "
            "larger board, or code written for this one network."
        )
    advice = []
    if fit.flash_left < 0:
        advice.append("Shrink the weights: int8 instead of float32 takes a quarter of the flash; "
                      "then fewer channels or neurons.")  # fmt: skip
    if fit.ram_left < 0:
        advice.append(f"Shrink the activations ({_kib(head)}): int8 instead of float32, a stride "
                      "or pooling earlier, fewer channels where the peak is.")  # fmt: skip
    return " ".join(advice)


def _kib(size):
    return f"{size / KIB:,.1f} KiB"


def fits() -> Fits:
    """Every network in every mode on every board."""
    rows = [(network, mode) for network in NETWORKS for mode in MODES]
    boards = micro.BOARDS.values()
    flash, ram = [], []
    for network, mode in rows:
        row = record(network, mode)
        need = row["file_bytes"] + sum(micro.code_bytes(row["operators"]))
        flash.append(tuple(need / has["usable_flash_bytes"] for has in boards))
        ram.append(tuple(
            row["smallest_arena"] / has["ram_bytes"] if row["runs"] else None for has in boards
        ))  # fmt: skip
    names = tuple(" ".join(row) for row in rows)
    told, bits, sizes = (
        tuple(has[key] for has in boards) for key in ("name", "word_bits", "usable_flash_bytes")
    )
    return Fits(names, told, bits, sizes, tuple(flash), tuple(ram))


# --- the same answers ---------------------------------------------------------------------------


def answers(network: str) -> Table:
    """TFLM's outputs against the other engines' on the whole test set."""
    rows = []
    for mode in sorted(runs(network), key=MODES.index):
        for engine, row in compared(network, mode).items():
            differing = f"{row['differing']:,} of {row['values']:,}"
            by = row["largest"] if row["differing"] else ""
            rows.append((mode, engine, differing, by, row["changed"]))
    head = ("mode", "TFLM against", "values that differ", "by", "answers changed")
    return Table(f"{network}, whole test set", head, rows)


def other_answers() -> Table:
    """`answers` of the networks besides the first, in one table."""
    rows = [(f"{name}, {row[0]}", *row[1:]) for name in NETWORKS[1:] for row in answers(name).rows]
    head = ("network, mode", *answers(NETWORKS[1]).head[1:])
    return Table("Three networks, whole test sets", head, rows)


def compared(network, mode):
    """TFLM's outputs against each engine's: {engine: dictionary}.

    "values" are compared, "differing" of them differ, "largest" says by how much in words, and
    "changed" counts answers (the class with the largest output).
    """
    if mode == "int8":
        # Recorded against the integer engine, whose outputs are TFLM's to the last value.
        rows = data.result("integer_equality").record["networks"][network]
        others = {"integer engine": "TFLM", "LiteRT reference": "LiteRT reference",
                  "LiteRT XNNPACK": "LiteRT XNNPACK"}  # fmt: skip
        return {
            engine: {
                "values": rows["values"],
                "differing": rows["others"][name]["differing"],
                "largest": _steps(rows["others"][name]["by"], 256),
                "changed": rows["classes"][name]["changed"],
            }
            for engine, name in others.items()
        }
    outputs = record(network, mode)["outputs"]
    return {
        engine: {
            "values": outputs["values"],
            "differing": row["differing"],
            "largest": f"at most {row['largest']:.1g}" if mode == "float32"
            else _steps(row["by"], 65536),
            "changed": row["changed_answers"],
        }
        for engine, row in outputs["others"].items()
    }  # fmt: skip


def _steps(by, codes):
    return f"at most {max(map(int, by), default=0)} of {codes:,} codes"


def where_int16x8_differs(network: str) -> dict[str, tuple[int, int]]:
    """The operators whose values differ, each given TFLM's codes: {operator: (values, by)}."""
    rows = record(network, "int16x8")["outputs"]["operators"]
    return {
        f"{row['operator']} {i}": (row["differing"], max(map(int, row["by"])))
        for i, row in enumerate(rows)
        if row["differing"]
    }


def int16x8_table() -> Table:
    """`where_int16x8_differs` of every network."""
    rows = [
        (network, operator, f"{differing:,}", largest)
        for network in NETWORKS
        for operator, (differing, largest) in where_int16x8_differs(network).items()
    ]
    head = ("network, int16x8", "operator", "values that differ", "by codes, at most")
    return Table("TFLM against LiteRT's reference kernels, 500 inputs", head, rows)


def input_code(x: float, scale: float, zero_point: int) -> int:
    """The int8 code nearest to x: what a project's quantization.h does."""
    return min(max(math.floor(x / scale + zero_point + 0.5), -128), 127)


def cut_off(x: float, scale: float, zero_point: int) -> int:
    """What a cast in C gives: the fraction is cut off, and codes beyond int8 wrap around."""
    return (int(x / scale + zero_point) + 128) % 256 - 128


def first_lines(ways: Mapping[str, Callable], windows: int = 200) -> Table:
    """The Watch network given test windows whose codes each of these functions makes.

    ways: {what it is called: function (x, scale, zero_point) -> code}
    """
    watch, dataset = data.model("watch_cnn", "int8"), data.load("watch")
    graph = tflite_file.read(watch)
    into = graph.tensors[graph.inputs[0]].qparams
    x, y = dataset.x_test[:windows], dataset.y_test[:windows]
    right = evaluation.to_input(x, watch)
    network = integer_engine.IntegerModel(graph)
    scale, zero_point = float(into.scale), int(into.zero_point)
    rows = []
    for called, way in ways.items():
        codes = [int(way(value, scale, zero_point)) for value in x.ravel().tolist()]
        codes = np.clip(codes, -128, 127).astype(np.int8).reshape(right.shape)
        correct = int((network.run(codes).argmax(axis=1) == y).sum())
        rows.append((called, f"{np.mean(codes != right):.1%}", f"{correct} of {windows}"))
    head = ("first line", "codes that are not the file's", "windows right")
    return Table(f"The Watch network, first {windows} test windows", head, rows)


# --- frameworks ---------------------------------------------------------------------------------


def framework_times(model, tflite: bytes, x) -> dict[str, float]:
    """Microseconds for one input, a batch of one, in each framework: the median of a few rounds.

    model: the Keras network; tflite: the same as a float32 file; x: inputs, batch first.
    Without tflite-micro there is no "TFLM".
    """
    model(x[:1])  # the first call prepares
    rounds = []
    for i in range(30):
        start = time.perf_counter()
        model(x[i : i + 1])
        rounds.append(1e6 * (time.perf_counter() - start))
    times = {
        "TensorFlow": statistics.median(rounds),
        "LiteRT": evaluation.latency({"": tflite}, seconds=0.5)[""].median,
    }
    if not micro.missing():
        few, many = 20, 320  # what differs is 300 inputs; the way to the other process cancels

        def seconds(count):
            start = time.perf_counter()
            micro.run(tflite, x[:count])
            return time.perf_counter() - start

        seconds(few)
        pairs = [seconds(many) - seconds(few) for _ in range(5)]
        times["TFLM"] = 1e6 * statistics.median(pairs) / (many - few)
    return times


def framework_table(times: Mapping[str, float]) -> Table:
    """The lecture's table of frameworks, and below each row what was found here.

    times: microseconds for one input, {framework: ...}.
    """
    offers = frameworks.facilities()
    runtime = data.result("tflm_runtime").record["file_bytes"]
    linked = sum(micro.code_bytes(record("watch_cnn", "int8")["operators"]))
    here = {
        "Training": {name: "can take gradients" if has["gradients"] else "no gradients"
                     for name, has in offers.items()},
        "Inference": {name: f"{time:,.0f} µs a window" for name, time in times.items()},
        "Native Quantization Tooling + Support": {
            name: "has the converter" if has["converter"] else "no converter"
            for name, has in offers.items()
        },
        "Size": {
            "TensorFlow": f"{frameworks.package_bytes('tensorflow') / 1e6:,.0f} MB",
            "LiteRT": f"{frameworks.package_bytes('ai_edge_litert') / 1e6:,.0f} MB",
            "TFLM": f"{runtime / 1e6:.1f} MB (about {linked / 1000:.0f} kB)",
        },
    }  # fmt: skip
    told = {row[0]: row[1:] for row in data.lecture_table("frameworks")["rows"]}
    names = ("TensorFlow", "LiteRT", "TFLM")
    rows = []
    for question, found in here.items():
        if question in told:
            rows.append((f"{question}: the lecture", *told[question]))
        rows.append((f"{question}: here", *(found.get(name, "not installed") for name in names)))
    return Table("Three frameworks", ("", *names), rows)
