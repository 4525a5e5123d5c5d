"""TFLM, the runtime for microcontrollers: does a model run there, and what does it need?"""

from course_utils.micro.boards import BOARDS
from course_utils.micro.interpreter import Refused, close, missing, run
from course_utils.micro.memory import Arena, arena, smallest_arena

__all__ = ["BOARDS", "Arena", "Refused", "arena", "close", "missing", "run", "smallest_arena"]
