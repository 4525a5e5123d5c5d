"""TFLM, the runtime for microcontrollers: does a model run there, and what does it need?"""

from course_utils.micro.boards import BOARDS, WORD_BITS, Fit, Flash, code_bytes, fit, flash
from course_utils.micro.compatibility import (
    Compatibility,
    builtin_operators,
    compatibility,
    operators,
)
from course_utils.micro.interpreter import Refused, close, missing, run
from course_utils.micro.memory import Activation, Arena, activations, alive, arena, smallest_arena
from course_utils.micro.project import export_project

__all__ = [
    "BOARDS",
    "WORD_BITS",
    "Activation",
    "Arena",
    "Compatibility",
    "Fit",
    "Flash",
    "Refused",
    "activations",
    "alive",
    "arena",
    "builtin_operators",
    "close",
    "code_bytes",
    "compatibility",
    "export_project",
    "fit",
    "flash",
    "missing",
    "operators",
    "run",
    "smallest_arena",
]
