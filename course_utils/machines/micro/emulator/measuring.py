"""What a network takes on the emulated chips, as rows of a table; and the rows on record."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from course_utils.engines import tflite_file
from course_utils.engines.integer_engine import IntegerModel
from course_utils.machines import data
from course_utils.machines.micro import interpreter
from course_utils.machines.micro.c_project import export_c
from course_utils.machines.micro.emulator.running import CPUS, missing_tool, run
from course_utils.numbers.quantization import quantize

SIMD_ON = ("cortex-m4f",)
COUNT = 3  # test inputs
RECORD = "board_instructions"
PROBE = "dense 64 to 16"  # a layer on record that fits every chip in both numbers


def measure_on_cpus(
    tflite: bytes,
    inputs: np.ndarray,
    cpus: Iterable[str] = tuple(CPUS),
    kernels: Iterable[str] = ("plain", "SIMD"),
) -> Iterator[dict[str, Any]]:
    """Yield a row for each chip and kind of kernels: what one inference takes there.

    tflite:  the model in int8 or float32, as `export_c` takes it.
    inputs:  real inputs, float array (n, *input shape).
    kernels: of "plain", "SIMD" and "zeros skipped"; the last two int8 only, SIMD on a Cortex-M4.

    Each row has "numbers" ("float32" or "int8"), "kernels", "cpu", and either "refused", why the
    network does not run there in a sentence, or "unit" ("instructions", on the AVR "cycles"),
    "counts" (of each input), "layers" (of the first: {name: count}), "flash", "ram", "stack"
    (bytes), and "differing" (outputs that are not those of the integer engine, which equals TFLM;
    of float32, that are further than 1e-4 from TFLM's).
    Raises OSError where a tool of one of the chips is missing, ImportError where TFLM is not
    installed, and what `export_c` raises.
    """
    cpus = tuple(cpus)
    for cpu in cpus:
        if reason := missing_tool(cpu):
            raise OSError(reason)
    graph = tflite_file.read(tflite)
    numbers = graph.tensors[graph.inputs[0]].type
    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary) / "c"
        export_c(graph, directory, inputs)
        x, expected = _expected(graph, numbers, inputs)
        for kind in kernels:
            for cpu in cpus:
                if kind == "plain" or numbers == "int8" and (kind != "SIMD" or cpu in SIMD_ON):
                    about = {"numbers": numbers, "kernels": kind, "cpu": cpu}
                    yield about | _measured(directory, x, expected, cpu, kind)


def _expected(graph, numbers, inputs):
    if numbers == "int8":
        model = IntegerModel(graph)
        codes = quantize(inputs, model.input.qparams)
        return codes, model.run(codes)
    return inputs, interpreter.run(graph, inputs)


def _measured(directory, x, expected, cpu, kernels):
    try:
        found = run(
            directory, x, cpu, simd=kernels == "SIMD", skip_zeros=kernels == "zeros skipped"
        )
    except ValueError as error:  # it does not fit
        return {"refused": str(error)}
    within = 0 if expected.dtype == np.int8 else 1e-4
    differing = np.abs(found.outputs.astype(float) - expected.reshape(len(x), -1)) > within
    return {
        "unit": found.unit, "counts": list(found.counts), "layers": dict(found.layers),
        "flash": found.flash, "ram": found.ram, "stack": found.stack,
        "differing": int(differing.sum()),
    }  # fmt: skip


def tool_versions() -> dict[str, str]:
    """The first line that each compiler and emulator says of its version; simavr says none."""
    tools = sorted({tool for cpu in CPUS.values() for tool in (cpu.compiler, cpu.emulator)})
    return {tool: _version(tool) for tool in tools}


def _version(tool):
    done = subprocess.run([tool, "--version"], capture_output=True, text=True)
    return (done.stdout.splitlines() or [tool])[0] if done.returncode == 0 else tool


def recorded(network: str, numbers: str, cpu: str, kernels: str = "plain") -> dict[str, Any]:
    """The row on record of a network, as `measure_on_cpus` yields it.

    Raises KeyError where there is none.
    """
    asked = {"network": network, "numbers": numbers, "cpu": cpu, "kernels": kernels}
    for row in data.result(RECORD).record["rows"]:
        if row.items() >= asked.items():
            return row
    raise KeyError(f"{RECORD} has no row for {asked}.")


def count_of(row: dict[str, Any]) -> int | None:
    """What one inference takes, the median of the row's inputs; None where it does not fit."""
    return None if "refused" in row else int(np.median(row["counts"]))
