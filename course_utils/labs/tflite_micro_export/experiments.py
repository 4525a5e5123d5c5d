"""Networks in TFLM (notebook 11): what its runtime holds, what runs, in how much memory."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from course_utils import env
from course_utils.engines import integer_engine, tflite_file
from course_utils.labs.tflite_micro_export import project
from course_utils.machines import conversion, data, evaluation, frameworks, micro
from course_utils.machines.operators import TRACED, difference, in_parts, single_operator
from course_utils.machines.recording import NETWORKS, load_network

# --- the runtime --------------------------------------------------------------------------------

# What every program with TFLM links, whatever its model: the source files' stems.
CORE = (
    "micro_interpreter", "micro_interpreter_context", "micro_interpreter_graph",
    "micro_op_resolver", "kernel_util", "micro_context", "micro_allocator",
    "micro_allocation_info", "flatbuffer_utils", "non_persistent_arena_buffer_allocator",
    "persistent_arena_buffer_allocator", "single_arena_buffer_allocator", "micro_utils",
    "memory_helpers", "quantization_util", "common", "tensor_ctypes", "greedy_memory_planner",
    "micro_common", "micro_log", "debug_log",
)  # fmt: skip
SHARED_PARSERS = {"pooling": "pool", "reduce": "reducer"}  # of all operators in these files


def tflm_runtime():
    """The operators of the TFLM interpreter, tried one by one, and the bytes of its code, by part.

    The bytes are those of the machine code in the installed package, for this computer's
    processor, read from its symbol table.
    """
    if reason := micro.missing():
        raise OSError(reason)
    known, every = micro.operators(), micro.builtin_operators()
    functions = _functions()
    files = Counter()
    for stem, _, size in functions:
        files[stem] += size
    # Every operator has a function Register_..., in the file of its kernel.
    kernel_of = {
        match[1]: stem
        for stem, name, _ in functions
        if (match := re.fullmatch(r"tflite::micro::Register_([A-Z0-9_]+)\(\)", name))
    }
    parsers = {
        match[1].lower(): size
        for _, name, size in functions
        if (match := re.match(r"tflite::micro::Parse([A-Za-z0-9]+)\(", name))
    }
    operators = {
        name: {
            "kernel": kernel_of[name],
            "parser_bytes": parsers.get(name.replace("_", "").lower())
            or parsers.get(SHARED_PARSERS.get(kernel_of[name]), 0),
        }
        for name in sorted(known & set(kernel_of))
    }
    stems = sorted({row["kernel"] for row in operators.values()})
    record = {
        "tflite_micro": env.installed_version("tflite-micro"),
        "machine": "x86-64, as the package was compiled",
        "file_bytes": _library().stat().st_size,
        "known": sorted(known),
        "unknown": sorted(set(every) - known),
        "core_bytes": {stem: files[stem] for stem in CORE if files[stem]},
        "kernel_bytes": {stem: files[stem] for stem in stems},
        "operators": operators,
    }
    return record, {}, ()


def _library():
    return frameworks.package_folder("tflite_micro") / "python" / "tflite_micro" / "_runtime.so"


def _functions():
    """Every function of the library: (stem of its source file, name, bytes), by address.

    The table names the file of local functions only. But the linker laid the files out one after
    the other, in the table's order: a global function belongs to the file of the local ones around
    it, or to a file between them whose name it bears (conv_common: ConvPrepare).
    """
    table = subprocess.run(
        ["readelf", "-sWC", _library()], capture_output=True, text=True, check=True
    ).stdout
    row = re.compile(r"\s*\d+: ([0-9a-f]+)\s+(\d+|0x[0-9a-f]+) (\w+)\s+(\w+)\s+\w+\s+(\w+) (.*)")
    files, found = [], {}
    for line in table[table.index("'.symtab'") :].splitlines():
        if not (match := row.match(line)):
            continue
        address, size, kind, binding, section, name = match.groups()
        if kind == "FILE":
            files.append(name.removesuffix(".cc"))
        elif kind == "FUNC" and section != "UND" and int(size, 0):
            key = int(address, 16), int(size, 0)
            file = len(files) - 1 if binding == "LOCAL" else None
            if key not in found or file is not None:  # one function may have two names
                found[key] = file, name
    rows, following = sorted(found.items()), len(files)
    bounds = []  # of each function: the file of the next local one
    for _, (file, name) in reversed(rows):
        following = following if file is None or ".cold" in name else file
        bounds.append(following)
    present, functions = 0, []
    for ((_, size), (file, name)), bound in zip(rows, reversed(bounds), strict=True):
        if file is not None and ".cold" in name:  # cold parts lie apart
            functions.append((_group(files[file]), name, size))
            continue
        if file is not None:
            present = file
        else:
            called = name if "(anonymous" in name else name.split("(")[0]
            for later in range(present + 1, min(bound + 1, len(files))):
                own = _group(files[later]).title().replace("_", "")
                if own and re.search(own + "(?![a-z])", called):
                    present = later
                    break
        functions.append((_group(files[present]), name, size))
    return functions


def _group(stem):
    return stem.removesuffix("_common")


# --- the networks -------------------------------------------------------------------------------

TRAINED_FOR_IT = "fashion_dscnn_qat"  # a file of fashion_dscnn, quantized during training
RECORDED = "integer_equality"  # the experiment that compares the other int8 files' outputs


def tflm_networks():
    """Every network in five modes, in TFLM: does it run, in how much RAM, with the same outputs?

    Outputs are compared on whole test sets; those of the int8 files are in `integer_equality`.
    Where integers differ, each operator is also run alone, on the codes that reach it in TFLM.
    """
    if reason := micro.missing():
        raise OSError(reason)
    networks = {}
    for name in NETWORKS:
        networks[name] = {}
        _, dataset = load_network(name)
        for mode in conversion.MODES:
            print(f"{name}: {mode}", flush=True)
            tflite = data.model(name) if mode == "int8" else conversion.converted(name, mode)
            x = dataset.x_test if mode != "int8" else None
            networks[name][mode] = _in_tflm(tflite, x)
    print(TRAINED_FOR_IT, flush=True)
    _, dataset = load_network("fashion_dscnn")
    networks[TRAINED_FOR_IT] = {"int8": _in_tflm(data.model(TRAINED_FOR_IT), dataset.x_test)}
    record = {
        "kernels": {p: env.installed_version(p) for p in ("ai-edge-litert", "tflite-micro")},
        "int8_outputs": RECORDED,
        "networks": networks,
    }
    return record, {}, NETWORKS


def _in_tflm(tflite, x):
    """One row of the record. x: inputs on which outputs are compared, None for no comparison."""
    report = micro.compatibility(tflite)
    row = {
        "file_bytes": len(tflite),
        "operators": [op.name for op in report.operators],
        "problems": list(report.problems),
        "activations": [list(part) for part in micro.activations(tflite)],
    }
    try:
        row |= {
            "runs": True,
            "said": "",
            "arena": micro.arena(tflite)._asdict(),
            "smallest_arena": micro.smallest_arena(tflite),
        }
    except micro.Refused as refused:
        return {**row, "runs": False, "said": str(refused), "arena": None, "smallest_arena": None}
    return row if x is None else {**row, "outputs": _outputs(tflite, x)}


def _outputs(tflite, x):
    """TFLM's outputs against the other engines': how many values differ, and how many answers."""
    codes = evaluation.to_input(x, tflite)
    ours = in_parts(lambda part: micro.run(tflite, part), codes, "TFLM")
    others = {f"LiteRT {k}": evaluation.run(tflite, codes, kernels) for k, kernels in
              (("reference", "reference"), ("XNNPACK", "xnnpack"))}  # fmt: skip
    if codes.dtype == np.int8:
        others["integer engine"] = integer_engine.IntegerModel(tflite).run(codes)
    found = {}
    for name, output in others.items():
        row = {"changed_answers": int((output.argmax(axis=1) != ours.argmax(axis=1)).sum())}
        if codes.dtype.kind == "f":
            row["differing"] = int(np.count_nonzero(output != ours))
            row["largest"] = float(np.abs(output - ours).max())
        else:
            row |= difference(ours, output)
        found[name] = row
    record = {"n": len(x), "values": int(ours.size), "others": found}
    if codes.dtype == np.int16:
        record["operators"] = _operators(tflite, codes[:TRACED])
    return record


def _operators(tflite, q):
    """Each operator alone in TFLM and in LiteRT's reference kernels, on the same codes."""
    rows = []
    for op in tflite_file.read(tflite).operators:
        alone = single_operator(tflite, op.index)
        ours, theirs = micro.run(alone, q), evaluation.run(alone, q, "reference")
        rows.append({"operator": op.name, "values": int(ours.size), **difference(ours, theirs)})
        q = ours
    return rows


# --- the exported project -----------------------------------------------------------------------


def tflm_self_test():
    """The self-test of the exported Watch network on this computer: as it is, and badly changed.

    TFLM's interpreter answers behind the compiled program. The change takes the rounding out of the
    input's quantization, as a cast to an integer does.
    """
    if reason := micro.missing() or micro.no_compiler():
        raise OSError(reason)
    watch = data.model("watch_cnn")
    name, old, new = project.WITHOUT_ROUNDING
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "watch"
        micro.export_project(watch, folder, name="watch")
        found = [micro.self_test(folder, watch)]
        header = folder / "watch" / name
        header.write_text(header.read_text("utf-8").replace(old, new), "utf-8")
        found.append(micro.self_test(folder, watch))
    record = {
        key: {"passed": said.passed, "lines": list(said.lines[1:])}  # without the arena's line
        for key, said in zip(("as_exported", "rounding_taken_out"), found, strict=True)
    }
    return {"change": [name, old, new], **record}, {}, ("watch_cnn",)


EXPERIMENTS = (tflm_runtime, tflm_networks, tflm_self_test)
