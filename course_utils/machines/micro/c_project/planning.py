"""Where each activation lies in one array: those that live at the same time beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from course_utils.engines import tflite_file
from course_utils.machines.micro.memory import Activation, activations

ALIGNMENT = 4  # bytes
MOST = 2**10  # activations: each is compared with all before it


class Place(NamedTuple):
    """An activation and the byte of the arena where it begins."""

    activation: Activation
    offset: int

    @property
    def end(self) -> int:
        return self.offset + self.activation.bytes


def places(parts: Sequence[Activation]) -> list[Place]:
    """Place activations one by one, the largest first, each as low as it fits: as TFLM does.

    parts: with the operators between which each is needed (`micro.activations`).
    Returns a Place for each, in their order. No two that live at the same time share a byte.
    Raises ValueError for more than MOST.

    >>> found = places([Activation("input", 8, 0, 0), Activation("a", 16, 0, 1),
    ...                 Activation("b", 8, 1, 1)])
    >>> [place.offset for place in found]
    [16, 0, 16]
    """
    if len(parts) > MOST:
        raise ValueError(
            f"The network has {len(parts):,} activations, and {MOST:,} are placed at most: it is "
            "damaged, or made for a larger machine."
        )
    placed: dict[int, Place] = {}
    for number in sorted(range(len(parts)), key=lambda n: -parts[n].bytes):
        part, offset = parts[number], 0
        for other in sorted(placed.values(), key=lambda place: place.offset):
            at_once = other.activation.first <= part.last and part.first <= other.activation.last
            if at_once and offset < other.end and other.offset < offset + part.bytes:
                offset = -(-other.end // ALIGNMENT) * ALIGNMENT
        placed[number] = Place(part, offset)
    return [placed[number] for number in range(len(parts))]


def plan(graph: tflite_file.Graph, aliases: Mapping[int, int]) -> dict[int, Place]:
    """{index of a tensor: its Place}. aliases: {tensor: the one whose place it shares}."""
    lives = {}
    for part in activations(graph):
        lives[_tensor(graph, part)] = part
    for alias, tensor in aliases.items():
        whole = lives[tensor]
        longer = max(whole.last, lives.pop(alias).last)
        lives[tensor] = whole._replace(last=longer)
    found = dict(zip(lives, places(list(lives.values())), strict=True))
    return found | {alias: found[tensor] for alias, tensor in aliases.items()}


def _tensor(graph, part):
    """The tensor of an activation, which carries the name of the operator that writes it."""
    if part.name == "input":
        return graph.inputs[0]
    return graph.operators[int(part.name.split()[-1])].outputs[0]
