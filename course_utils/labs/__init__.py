"""The labs: one folder for each notebook, found by being there.

    exercises    what students are asked: right and mistaken computations
    scenes       checkpoints, records and floor 1, joined into what a drawing takes
    figures      drawings: data in, a Figure out, nothing computed; and what their captions claim
    explorers    a scene, a drawing, and the sliders that move them
    experiments  what takes long and is recorded in data/results/
    lecture      the lecture's claims beside what was measured
    book         the figures that the textbook gets

A lab has those it needs, and in its `__init__` the NUMBER of its notebook, with which the ids of
its predictions and exercises begin. Labs do not import each other: what two of them need belongs
on a floor below. Adding one edits no list.
"""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
from types import ModuleType
from typing import NamedTuple


class Lab(NamedTuple):
    """A folder here: its notebook's number, such as "02", and its name."""

    number: str
    topic: str

    @property
    def notebook(self) -> str:
        return f"{self.number}_{self.topic}"

    def module(self, kind: str) -> ModuleType | None:
        """Import one of its modules, such as "exercises"; None if it has none of that kind."""
        name = f"{__name__}.{self.topic}.{kind}"
        return importlib.import_module(name) if importlib.util.find_spec(name) else None


def found() -> list[Lab]:
    """All labs, in the order of their notebooks.

    >>> [lab.notebook for lab in found()][:2]
    ['00_start_here', '01_weight_distributions']
    """
    topics = [module.name for module in pkgutil.iter_modules(__path__) if module.ispkg]
    numbers = (importlib.import_module(f"{__name__}.{topic}").NUMBER for topic in topics)
    return sorted(map(Lab, numbers, topics))


def modules(kind: str) -> list[ModuleType]:
    """The module of this kind of every lab that has one."""
    return [module for lab in found() if (module := lab.module(kind))]
