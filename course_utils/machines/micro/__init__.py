"""TFLM, the runtime for microcontrollers: does a model run there, and what does it need?"""

from typing import Any

from course_utils.machines.micro import boards
from course_utils.machines.micro.boards import WORD_BITS, Fit, Flash, board, code_bytes, fit, flash
from course_utils.machines.micro.compatibility import (
    Compatibility,
    builtin_operators,
    compatibility,
    operators,
)
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

__all__ = [
    "BOARDS",
    "WORD_BITS",
    "Activation",
    "Arena",
    "Compatibility",
    "Fit",
    "Flash",
    "Refused",
    "SelfTest",
    "activations",
    "alive",
    "arena",
    "board",
    "builtin_operators",
    "changed_files",
    "close",
    "code_bytes",
    "compatibility",
    "export_project",
    "fit",
    "flash",
    "missing",
    "no_compiler",
    "operators",
    "run",
    "self_test",
    "smallest_arena",
]


def __getattr__(name: str) -> Any:
    """BOARDS is read when it is asked for, not at import."""
    if name == "BOARDS":
        return boards.BOARDS
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
