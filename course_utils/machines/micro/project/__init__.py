"""Take a network away: a project that a board can be flashed with, and that needs nothing else.

The files are those of `template/`, with `@{name}` for what depends on the network; `export` finds
out what to put there. Everything is decided before the first byte is written. `host` runs a
project's self-test on this computer.
"""

from course_utils.machines.micro.project.export import changed_files, export_project
from course_utils.machines.micro.project.host import SelfTest, no_compiler, self_test

__all__ = [
    "SelfTest",
    "changed_files",
    "export_project",
    "no_compiler",
    "self_test",
]
