"""Take a network away: a project that a board can be flashed with, and that needs nothing else.

The files are those of `template/`, with `@{name}` for what depends on the network; this module
finds out what to put there. Everything is decided before the first byte is written.
"""

from course_utils.machines.micro.project.export import export_project

__all__ = [
    "export_project",
]
