"""An exported C project's self-test on this computer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from course_utils.machines.micro.project import SelfTest

COMPILERS = ("cc", "gcc", "clang")
VERDICTS = ("PASS", "FAIL")
TIMEOUT = 60  # seconds for the compiler
RUN_TIMEOUT = 10  # seconds for the self-test, which takes some hundredths of one
MOST_SAID, LONGEST = 100_000, 200  # bytes that it may print, characters kept of a line
SOURCES = ("kernels.c", "network.c", "self_test.c")
HEADERS = ("kernels.h", "network.h", "golden.h")


def no_c_compiler() -> str:
    """Why the C cannot be compiled here, in one sentence; "" where it can."""
    if any(map(shutil.which, COMPILERS)):
        return ""
    return f"There is no C compiler on this computer ({', '.join(COMPILERS)})."


def self_test_c(directory: str | os.PathLike) -> SelfTest:
    """Compile an exported C project as it is now on the disk, and run its self-test.

    Returns a SelfTest: whether it passed, what it said, whether it compiled.
    Raises FileNotFoundError where there is no project, OSError where there is no compiler.
    """
    if reason := no_c_compiler():
        raise OSError(reason)
    directory = Path(directory)
    sources = [directory / name for name in SOURCES]
    if not any(path.is_file() for path in sources):
        raise FileNotFoundError(f"There is no exported C project in {directory}.")
    for name in (*SOURCES, *HEADERS):
        if not (directory / name).is_file():
            raise FileNotFoundError(f"{name} is missing in {directory}: write the C again.")
    with tempfile.TemporaryDirectory() as temporary:
        program = Path(temporary) / "self_test"
        compiler = next(filter(None, map(shutil.which, COMPILERS)))
        command = [compiler, "-std=c99", "-O2", *sources, "-o", program]
        if said := complaint(command):
            return SelfTest(False, (first_error(said, directory),), False)
        code, lines = _run(program)
    return SelfTest(code == 0 and lines[-1] == "PASS", tuple(lines), True)


def complaint(command: Sequence[str | os.PathLike]) -> str:
    """Run a compiler; return all that it said if it failed, "" if not."""
    try:
        done = subprocess.run(
            list(map(str, command)), capture_output=True, text=True, errors="replace",
            timeout=TIMEOUT, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return f"error: the compiler was not done after {TIMEOUT} s and was stopped"
    return (done.stderr or "error: the compiler stopped") if done.returncode else ""


def first_error(said: str, directory: Path) -> str:
    """The line of a complaint that says most, without the name of the project's directory."""
    if missing := re.search("undefined reference to .*", said):
        return missing[0]
    lines = said.replace(f"{directory}{os.sep}", "").splitlines()
    return ([line for line in lines if "error" in line] or lines)[0]


def _run(program):
    """(exit code, lines) of a self-test; the last line is PASS, FAIL, or why there is neither."""
    process = subprocess.Popen(
        [program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    late = threading.Event()
    stop = threading.Timer(RUN_TIMEOUT, lambda: (late.set(), process.kill()))
    stop.start()
    try:
        with process:
            said = process.stdout.read(MOST_SAID)
            if len(said) == MOST_SAID:
                process.kill()
    finally:
        stop.cancel()
    lines = [line[:LONGEST] for line in said.decode(errors="replace").splitlines()]
    if late.is_set():
        return process.returncode, [f"It was not done after {RUN_TIMEOUT} s and was stopped."]
    if len(said) == MOST_SAID:
        return process.returncode, [f"It printed more than {MOST_SAID:,} bytes and was stopped."]
    if not lines or lines[-1] not in VERDICTS:
        lines.append(f"It crashed and gave no verdict (code {process.returncode}).")
    return process.returncode, lines
