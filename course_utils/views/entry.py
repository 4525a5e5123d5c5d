"""A figure of the book, as a lab declares it in its `book` module; the workshop collects them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure


@dataclass(frozen=True)
class Entry:
    """One figure of the book. Its id never changes: `figures/ids.txt` holds them.

    It is drawn by the same `draw_*` function that the notebook's explorer moves. scene returns the
    data, draw makes the Figure from it, alt says in a sentence what it shows.
    The caption says something about the data. claim(data) is True just if the data say so too;
    its docstring says in numbers how the caption's words are meant.
    lecture is what the figure illustrates, in words that stand in data/lecture/.
    """

    id: str
    caption: str
    scene: Callable[[], Any]
    draw: Callable[[Any], Figure]
    alt: Callable[[Any], str]
    lecture: str
    claim: Callable[[Any], bool]
