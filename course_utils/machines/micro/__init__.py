"""TFLM, plain C and emulated chips: does a model run there, and what does it need?"""

from typing import Any

from course_utils.machines.micro import boards
from course_utils.machines.micro.boards import WORD_BITS, Fit, Flash, board, code_bytes, fit, flash
from course_utils.machines.micro.c_project import (
    C_OPERATORS,
    export_c,
    no_c_compiler,
    self_test_c,
)
from course_utils.machines.micro.compatibility import (
    Compatibility,
    builtin_operators,
    compatibility,
    operators,
)
from course_utils.machines.micro.emulator import CPUS, Fault, Run, measure_on_cpus, missing_tool
from course_utils.machines.micro.emulator import run as run_on
from course_utils.machines.micro.interpreter import Refused, close, missing, run
from course_utils.machines.micro.memory import (
    Activation,
    Arena,
    activations,
    alive,
    arena,
    smallest_arena,
)
from course_utils.machines.micro.project import (
    SelfTest,
    changed_files,
    export_project,
    no_compiler,
    self_test,
)
from course_utils.machines.micro.runtimes import Runtime, as_read, one_scale, runtime, runtimes

__all__ = [
    "BOARDS",
    "CPUS",
    "C_OPERATORS",
    "WORD_BITS",
    "Activation",
    "Arena",
    "Compatibility",
    "Fault",
    "Fit",
    "Flash",
    "Refused",
    "Run",
    "Runtime",
    "SelfTest",
    "activations",
    "alive",
    "arena",
    "as_read",
    "board",
    "builtin_operators",
    "changed_files",
    "close",
    "code_bytes",
    "compatibility",
    "export_c",
    "export_project",
    "fit",
    "flash",
    "measure_on_cpus",
    "missing",
    "missing_tool",
    "no_c_compiler",
    "no_compiler",
    "one_scale",
    "operators",
    "run",
    "run_on",
    "runtime",
    "runtimes",
    "self_test",
    "self_test_c",
    "smallest_arena",
]


def __getattr__(name: str) -> Any:
    """BOARDS is read when it is asked for, not at import."""
    if name == "BOARDS":
        return boards.BOARDS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
