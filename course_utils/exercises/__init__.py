"""The exercises of the notebooks, and the misconceptions that their answers can show.

`exercise(id, right=..., cases=..., mistakes=...)` declares one; `checks.Exercise` explains the
fields. A mistake reads: its name, what somebody who makes it computes, what to tell them. To add
one, write the wrong computation; it must differ from the right one, and from every other mistake,
on at least one of the cases (a test holds every declaration to that). There is one module for each
subject, as in `course_utils.figures`; importing the package declares them all.

What a mistake tells names the error and what the right idea is, but is not the solution's code.
"""

from course_utils.exercises import (  # noqa: F401
    boards,
    floats,
    integers,
    micro,
    pruning,
    quantization,
    structured_pruning,
    techniques,
    training_aware,
    weights,
)
