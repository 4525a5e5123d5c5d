"""Networks in TFLM and on boards: what runs, what it takes, what fits (notebook 11)."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping
from pathlib import Path

from course_utils.labs.tflite_micro_export.figures import KIB, Budget, Fits, Lifetimes
from course_utils.machines import data, evaluation, frameworks, micro
from course_utils.machines.conversion import MODES
from course_utils.views import checks

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


def table(network: str) -> str:
    """The recorded modes of a network as lines of text: file, verdict, arena."""
    lines = [f"{network:10}  {'file':>7}  {'head':>6} {'tail':>6} {'smallest arena':>14}   bytes"]
    for mode in MODES:
        row = record(network, mode)
        line = f"{mode:10}  {row['file_bytes']:7,}  "
        if row["runs"]:
            arena = row["arena"]
            line += f"{arena['head']:6,} {arena['tail']:6,} {row['smallest_arena']:14,}"
        else:
            line += f"refused: {row['problems'][0].split('. ')[0]}"
        lines.append(line)
    return "\n".join(lines)


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
        Lifetimes(network, mode, operators, names, sizes, first, last, alive, at,
                  row["arena"]["head"])  # fmt: skip
        for at in range(len(operators))
    ]


def heads_table() -> str:
    """What must be alive at once, by the graph and as TFLM measured it, in int8, as text."""
    lines = []
    for name in NETWORKS:
        alive = micro.alive(micro.activations(data.model(name, "int8")))
        head = record(name, "int8")["arena"]["head"]
        lines.append(f"{name:14} from the graph {max(alive):6,}   TFLM's head {head:6,} bytes")
    return "\n".join(lines)


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
    verdict, advice = _advice(row, fit, flash, arena["head"], core + kernels, has)
    return Budget(
        board, network, mode, has["flash_bytes"], has["ram_bytes"], has["word_bits"],
        row["file_bytes"], kernels, core, arena["head"], tail, verdict, advice,
    )  # fmt: skip


def _advice(row, fit, flash, head, code, has):
    if not row["runs"]:
        problem, instead = row["problems"][0].split(". ", 1)
        return f"It does not run in TFLM: {problem}.", instead
    short = []
    if fit.flash_left < 0:
        short.append(f"{_kib(-fit.flash_left)} of flash")
    if fit.ram_left < 0:
        short.append(f"{_kib(-fit.ram_left)} of RAM")
    if not short and fit.word_bits >= micro.WORD_BITS:
        share = max(flash / has["flash_bytes"], 1 - fit.ram_left / has["ram_bytes"])
        advice = "Your own program, its stack and the board's libraries need room, too."
        if share > 0.5:
            advice += " That is not much: measure with the board's own linker."
        return f"It fits: {_kib(fit.flash_left)} of flash and {_kib(fit.ram_left)} of RAM are " \
               "left.", advice  # fmt: skip
    verdict = f"It does not fit: {' and '.join(short)} are missing." if short else "It can't run."
    if (bits := fit.word_bits) < micro.WORD_BITS:
        verdict += f" TFLM needs a {micro.WORD_BITS}-bit processor; this one has {bits} bits."
    return verdict, _shrink(row, fit, head, code, has)


def _shrink(row, fit, head, code, has):
    if code > has["flash_bytes"]:
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
    boards = micro.BOARDS
    flash, ram = [], []
    for network, mode in rows:
        row = record(network, mode)
        need = row["file_bytes"] + sum(micro.code_bytes(row["operators"]))
        flash.append(tuple(need / board["flash_bytes"] for board in boards.values()))
        ram.append(tuple(
            row["smallest_arena"] / board["ram_bytes"] if row["runs"] else None
            for board in boards.values()
        ))  # fmt: skip
    names = tuple(" ".join(row) for row in rows)
    bits, sizes = zip(*(
        (board["word_bits"], board["flash_bytes"]) for board in boards.values()
    ), strict=True)  # fmt: skip
    return Fits(names, tuple(boards), bits, sizes, tuple(flash), tuple(ram))


# --- the same answers ---------------------------------------------------------------------------


def answers(network: str) -> str:
    """TFLM's outputs against the other engines' on the whole test set, as lines of text."""
    lines = []
    for mode in sorted(runs(network), key=MODES.index):
        for engine, row in compared(network, mode).items():
            line = f"{network:14} {mode:8} {engine:17} {row['differing']:6,} of {row['values']:,}"
            if row["differing"]:
                line += f", by {row['largest']}"
            lines.append(f"{line}; answers changed: {row['changed']}")
    return "\n".join(lines)


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


# --- the export --------------------------------------------------------------------------------


def export(tflite: bytes, folder: str | Path, **how) -> None:
    """Write a project and list its files; where that can't be, say in one sentence why.

    A folder of an earlier export is written again. how: as for `micro.export_project`.
    """
    try:
        paths = micro.export_project(tflite, folder, overwrite=True, **how)
    except (ImportError, OSError, TypeError, ValueError, micro.Refused) as problem:
        print(problem)
        return
    for path in sorted(paths):
        print(f"{path.stat().st_size:8,} bytes  {path.relative_to(folder)}")


def excerpt(folder: str | Path, name: str, start: str, lines: int) -> None:
    """Print a few lines of a written file, from the first that holds `start`.

    Says so if there is no such file, or no such line in it.
    """
    folder = Path(folder)
    for path in sorted(folder.rglob(name)):
        text = path.read_text(encoding="utf-8").splitlines()
        for number, line in enumerate(text):
            if start in line:
                print(f"{path.relative_to(folder)}:")
                for part in text[number : number + lines]:
                    short = len(part) <= 96
                    print(part if short else part[:96].rpartition(", ")[0] + ", …")
                return
    print(f"No file {name} below {folder} has a line with {start!r}.")


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


def framework_table(times: Mapping[str, float]) -> str:
    """The lecture's table of frameworks, and below each row what was found here: lines of text.

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
    lines = [_columns("", names)]
    for question, found in here.items():
        lines.append(question)
        if question in told:
            lines.append(_columns("  the lecture", told[question]))
        lines.append(_columns("  here", [found.get(name, "not installed") for name in names]))
    return "\n".join(lines)


def _columns(first, rest):
    return (f"{first:15}" + "".join(f"{text:31}" for text in rest)).rstrip()


def framework_rows() -> list[checks.Row]:
    """The lecture's numbers of operators beside those counted here."""
    runtime = data.result("tflm_runtime").record
    counted = frameworks.count_operations()
    counted[f"TFLM {runtime['tflite_micro']}"] = len(runtime["known"])
    why = (
        "The slide rounds, and counts an earlier release.",
        "LiteRT is TensorFlow Lite's new name; its list has grown.",
        "TFLM has taken over more of LiteRT's operators since. A device links only those that its "
        "network uses.",
    )
    return checks.operator_rows(counted, "operators", why)
