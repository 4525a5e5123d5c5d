"""A network as plain C: for understanding, and for chips that TFLM does not reach.

`template/` holds what is the same for every network, of it `int8/kernels.c`, which reads like
`engines/int8.py`, and its float32 twin; `lowering` computes what does not depend on the input,
`planning` gives each activation its place in memory, `export` writes the files, `host` runs their
self-test on this computer.
"""

from course_utils.machines.micro.c_project.export import export_c
from course_utils.machines.micro.c_project.host import no_c_compiler, self_test_c
from course_utils.machines.micro.c_project.lowering import OPERATORS as C_OPERATORS

__all__ = ["C_OPERATORS", "export_c", "no_c_compiler", "self_test_c"]
