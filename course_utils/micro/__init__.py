"""TFLM, the runtime for microcontrollers: does a model run there, and what does it need?"""

from course_utils.micro.interpreter import Refused, close, missing, run

__all__ = ["Refused", "close", "missing", "run"]
