"""`export_c`: a network as C99 that needs nothing else."""

from __future__ import annotations

import math
import os
import string
import textwrap
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from course_utils.engines import tflite_file
from course_utils.machines import data
from course_utils.machines.micro.c_project import lowering, planning
from course_utils.machines.micro.project.contents import ends_of, golden_of
from course_utils.machines.micro.project.export import write
from course_utils.machines.micro.project.files import float_literal, nested, rows_of

TEMPLATE = Path(__file__).parent / "template"
KERNELS = {"int8": ("kernels.h", "kernels.c", "dot_simd.h"), "float32": ("kernels.h", "kernels.c")}
NUMBERS = {"int8": "int8_t", "float32": "float"}
READ = {"int8": "READ_INT8", "float32": "READ_FLOAT"}
FUNCTIONS = ("network_input", "network_output", "network_layer", "network_run")
TOLERANCE = 1e-4  # of float32: a sum depends on the order of its terms
FILES = {"README.md", "LICENSE.txt", "LICENSE-inputs.txt", "network.h", "network.c", "golden.h",
         "self_test.c", "self_test", *KERNELS["int8"]}  # fmt: skip


class _Text(string.Template):
    """`@{name}` is replaced; C leaves that alone."""

    delimiter = "@"


def export_c(
    model: bytes | tflite_file.Graph,
    directory: str | os.PathLike,
    samples: np.ndarray | None = None,
    overwrite: bool = False,
) -> list[Path]:
    """Write a network as dependency-free C99 and return the files' paths.

    model:     a `.tflite` file in int8, whose C has the bits of TFLM's reference kernels, or in
               float32 (`conversion.convert(network, "float32")`): the twin, with the same loops.
               One input, one output, the operators of `C_OPERATORS`.
    directory: is made; one that exists must be empty, or with `overwrite` hold an earlier export.
    samples:   real inputs, float array (n, *input shape without the batch), for the self-test.
               None: for a network that takes Fashion-MNIST images or Watch windows, the first
               validation input of four classes.
    Raises TypeError for bytes that are none; ValueError for a damaged file, an operator or a form
    of one that the kernels do not have, and samples that do not fit; FileExistsError and
    NotADirectoryError for other directories; for a network in float32 ImportError where TFLM,
    which answers for it, is not installed, and `micro.Refused` where it does not run it.
    """
    graph = tflite_file.read(model)
    directory = Path(directory)
    _check(directory, overwrite)
    layers = lowering.lower(graph)
    golden = golden_of(graph, ends_of(graph), samples)
    kind = lowering.number_type(graph)
    files = {**network_files(graph, layers), **_golden_files(graph, layers, golden)}
    files |= {name: (TEMPLATE / kind / name).read_text("utf-8") for name in KERNELS[kind]}
    files["LICENSE.txt"] = (data.DIRECTORY.parent / "LICENSE").read_text("utf-8")
    if golden.dataset:
        licence = data.DIRECTORY / "licenses" / f"{golden.dataset}.txt"
        files["LICENSE-inputs.txt"] = licence.read_text("utf-8")
    return write({name: text.encode() for name, text in files.items()}, directory)


def _check(directory, overwrite):
    if directory.is_symlink() or (directory.exists() and not directory.is_dir()):
        raise NotADirectoryError(f"{directory} is a file or a link: choose another name.")
    # An editor's own folders, such as JupyterLab's .ipynb_checkpoints, are in nobody's way.
    paths = directory.iterdir() if directory.exists() else ()
    found = {path.name for path in paths if not path.name.startswith(".")}
    if found and not overwrite:
        raise FileExistsError(
            f"{directory} is not empty: choose another directory, or pass overwrite=True to "
            "replace an earlier export."
        )
    if others := sorted(found - FILES):
        raise FileExistsError(
            f"{directory} holds {others[0]}, which is not of an export: choose another directory."
        )


def network_files(
    graph: tflite_file.Graph, layers: tuple[lowering.Layer, ...], prefix: str = ""
) -> dict[str, str]:
    """The text of network.h and network.c. prefix: before the functions' names, so that several
    networks can be in one program."""
    kind = lowering.number_type(graph)
    plan = planning.plan(graph, lowering.aliases(graph))
    size = np.dtype(kind).itemsize
    first, last = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    arena = max(place.end for place in plan.values())
    values = {
        "number": NUMBERS[kind],
        "input_size": first.size, "output_size": last.size,
        "input_shape": " x ".join(map(str, first.shape[1:])),
        "arena_bytes": -(-arena // 4) * 4, "arena_numbers": -(-arena // size),
        "layer_count": len(layers),
        "input_offset": plan[first.index].offset // size,
        "output_offset": plan[last.index].offset // size,
        "ends_words": _ends_words(first, last),
        "plan": _plan_table(plan),
        "layers": "\n\n".join(_layer(n, layer) for n, layer in enumerate(layers)),
        "calls": "\n".join(_call(n, layer, plan, size) for n, layer in enumerate(layers)),
    }  # fmt: skip
    texts = {name: fill(TEMPLATE / name, values) for name in ("network.h", "network.c")}
    for name in FUNCTIONS if prefix else ():
        texts = {file: text.replace(name, prefix + name) for file, text in texts.items()}
    return texts


def fill(path: Path, values: Mapping[str, object]) -> str:
    """The text of a template, with values in place of `@{name}`."""
    return _Text(path.read_text("utf-8")).substitute(values)


def _ends_words(first, last):
    if first.type == "float32":
        return ""
    found = ""
    for end, tensor in (("input", first), ("output", last)):
        scale, zero_point = float(tensor.scale[0]), tensor.qparams.zero_point
        sign = "-" if zero_point >= 0 else "+"
        found += f"\n\n   A real {end} is {scale:.9g} * (code {sign} {abs(zero_point)})."
    return found


def _plan_table(plan):
    rows = dict.fromkeys(plan.values())
    return "\n".join(
        f"   bytes {place.offset:6} to {place.end:6}: {place.activation.name}" for place in rows
    )


def _layer(number, layer):
    """The constants of one layer, in C."""
    parts, fields = [], {name: _number(value) for name, value in layer.fields.items()}
    for name, values in layer.arrays.items():
        known = {"int8": "int8_t", "int32": "int32_t", "float32": "float"}[values.dtype.name]
        literal = float_literal if known == "float" else _number
        parts.append(
            f"static const {known} {name}_{number}[{values.size}] FLASH = {{\n"
            f"{rows_of(map(literal, values.reshape(-1)))}\n}};"
        )
        fields[name] = f"{name}_{number}"
    inside = rows_of((f".{name} = {value}" for name, value in fields.items()))
    parts.append(f"static const {layer.struct} layer_{number} FLASH = {{\n{inside}\n}};")
    return "\n".join(parts)


def _number(value):
    if isinstance(value, float):
        return float_literal(value)
    return "(-2147483647 - 1)" if value == -(2**31) else str(int(value))


def _call(number, layer, plan, size):
    x, y = (f"arena.numbers + {plan[i].offset // size}" for i in (layer.reads, layer.writes))
    call = f"{layer.function}(&layer_{number}, {x}, {y})"
    return f"    case {number}:\n      {call};\n      break;"


def _golden_files(graph, layers, golden):
    kind = lowering.number_type(graph)
    literal = float_literal if kind == "float32" else str
    first, last = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    plan = planning.plan(graph, lowering.aliases(graph))
    arena = max(place.end for place in plan.values())
    weights = sum(array.nbytes for layer in layers for array in layer.arrays.values())
    values = {
        "number": kind, "read": READ[kind],
        "golden_are": textwrap.fill(
            f"Inputs and the outputs that they must give: {golden.inputs_are}; the outputs are by "
            f"{golden.outputs_by}.", 96, subsequent_indent="   ",
        ),
        "golden_count": len(golden.codes),
        "golden_inputs": nested(golden.codes, literal),
        "golden_outputs": nested(golden.outputs, literal),
        "tolerance": TOLERANCE if kind == "float32" else 0,
        "layer_count": len(layers),
        "input_shape": " x ".join(map(str, first.shape[1:])),
        "input_size": math.prod(first.shape), "output_size": last.size,
        "weight_bytes": f"{weights:,}", "arena_bytes": f"{arena:,}",
        "simd_row": _SIMD_ROW if kind == "int8" else "",
        "on_a_chip": _ON_A_CHIP[kind],
    }  # fmt: skip
    texts = {name: fill(TEMPLATE / name, values) for name in ("golden.h", "self_test.c")}
    readme = values | {"golden_are": golden.inputs_are}
    return texts | {"README.md": fill(TEMPLATE / "README.md", readme)}


_SIMD_ROW = (
    "| `dot_simd.h` | the inner loop with the SIMD instructions of a Cortex-M4 or M7: compile with "
    "`-DSIMD` |\n"
)
_ON_A_CHIP = {
    "int8": "With `-DSIMD` and a processor that has them (`-mcpu=cortex-m4`), the inner loop takes "
    "SIMD instructions, with the same sums. On an AVR the weights stay in flash (`PROGMEM`).",
    "float32": "On an AVR the weights stay in flash (`PROGMEM`).",
}
