"""An exported project's self-test on this computer: its C++ compiled, TFLM's interpreter behind it.

TFLM's sources are not needed: `standin/` declares what a project uses of them, and whenever the
program invokes the network, the interpreter that is installed here answers.
"""

from __future__ import annotations

import contextlib
import functools
import os
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from course_utils.engines import integer_engine, tflite_file
from course_utils.machines.micro import interpreter
from course_utils.machines.micro.project.contents import C_TYPES

STANDIN = Path(__file__).parent / "standin"
COMPILERS = ("g++", "clang++", "c++")
TIMEOUT = 60  # seconds, to compile and to run


class SelfTest(NamedTuple):
    """What a self-test said."""

    passed: bool
    lines: tuple[str, ...]  # the program's, or the compiler's first error
    compiled: bool


def no_compiler() -> str:
    """Why a project cannot be built here, in one sentence; "" where it can."""
    if os.name != "posix":
        return "The host build needs pipes between programs as Linux and macOS have them."
    if not any(map(shutil.which, COMPILERS)):
        return f"There is no C++ compiler on this computer ({', '.join(COMPILERS)})."
    return ""


def self_test(
    directory: str | os.PathLike, tflite: bytes, arena: int = 0, answer: Callable | None = None
) -> SelfTest:
    """Compile a project as it is now on the disk, and run its self-test.

    directory: an exported project.
    tflite:    the network that it was exported from, int8 where TFLM is not installed.
    arena:     the smallest arena that the network takes: with less the program is refused.
    answer:    a function of the input's codes that answers in TFLM's place: another runtime, as
               `IntegerModel(as_read(tflite, name)).run`.
    Raises FileNotFoundError where there is no project, OSError where there is no compiler.
    """
    if reason := no_compiler():
        raise OSError(reason)
    directory = Path(directory)
    sources = sources_of(directory)
    graph = tflite_file.read(tflite)
    with tempfile.TemporaryDirectory() as temporary:
        program = Path(temporary) / "self_test"
        command = [
            next(filter(None, map(shutil.which, COMPILERS))), "-std=c++14", "-w",
            "-I", STANDIN, *definitions(graph, arena),
            *sources, STANDIN / "interpreter.cpp", "-o", program,
        ]  # fmt: skip
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, timeout=TIMEOUT
        )
        if done.returncode:
            errors = [line for line in done.stderr.splitlines() if "error" in line]
            first = (errors or ["The compiler stopped."])[0]
            return SelfTest(False, (first.replace(f"{directory}{os.sep}", ""),), False)
        code, lines = run_program(program, graph, answer)
    if not lines or lines[-1] not in ("PASS", "FAIL"):
        lines = [*lines, f"The program ended without a verdict (code {code})."]
    return SelfTest(code == 0 and lines[-1] == "PASS", tuple(lines), True)


def sources_of(directory: Path) -> list[Path]:
    """The C++ files of a project's self-test: those at the top, and those beside the network.

    What editors and builds leave in other folders, such as .ipynb_checkpoints, is none of it.
    Raises FileNotFoundError where there is no project.
    """
    top = [directory / "main.cpp", directory / "debug_log.cpp"]
    networks = sorted(directory.glob("*/network.cpp"))
    if len(networks) != 1 or not all(path.is_file() for path in top):
        raise FileNotFoundError(f"There is no exported project in {directory}.")
    return [*top, *sorted(networks[0].parent.glob("*.cpp"))]


def definitions(graph: tflite_file.Graph, arena: int, moved: bool = True) -> list[str]:
    """What the compiler tells the stand-in headers of a network.

    arena: the smallest that the network takes, bytes; 0 for any.
    moved: TFLM's names are in `tflite::micro`, as since 2026; False: in `tflite`, as before.
    """
    found = [f"-DSTANDIN_ARENA={arena}", *(["-DSTANDIN_TFLITE_MICRO"] if moved else [])]
    for role, index in (("INPUT", graph.inputs[0]), ("OUTPUT", graph.outputs[0])):
        tensor = graph.tensors[index]
        size = tensor.size * np.dtype(tensor.type).itemsize
        found.append(f"-DSTANDIN_{role}_TYPE={C_TYPES[tensor.type][1]}")
        found.append(f"-DSTANDIN_{role}_BYTES={size}")
    return found


def run_program(
    program: Path, graph: tflite_file.Graph, answer: Callable | None = None, **environment: str
) -> tuple[int, list[str]]:
    """Run a built program; whenever it invokes the network, `answer` does. -> (exit code, lines)

    answer: a function of the input's codes; TFLM, or the integer engine where that is missing.
    """
    tensor = graph.tensors[graph.inputs[0]]
    size = tensor.size * np.dtype(tensor.type).itemsize
    if answer is None and interpreter.missing():
        answer = integer_engine.IntegerModel(graph).run
    elif answer is None:
        answer = functools.partial(interpreter.run, graph)
    ask, asked = os.pipe()
    process = subprocess.Popen(
        [program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        pass_fds=[asked], env={**os.environ, "STANDIN_ASK": str(asked), **environment},
    )  # fmt: skip
    os.close(asked)
    stop = threading.Timer(TIMEOUT, process.kill)  # a changed program may never end
    stop.start()
    try:
        with os.fdopen(ask, "rb") as questions, process, contextlib.suppress(BrokenPipeError):
            while len(question := questions.read(size)) == size:
                x = np.frombuffer(question, tensor.type).reshape(tensor.shape)
                process.stdin.write(answer(x).tobytes())
                process.stdin.flush()
            lines = process.stdout.read().decode(errors="replace").splitlines()
            process.stdin.close()
    finally:
        stop.cancel()
    return process.returncode, lines
