"""Where each activation lies in one array: those that live at the same time beside each other."""

from __future__ import annotations

from collections.abc import Mapping

from course_utils.engines import tflite_file
from course_utils.machines.micro.memory import Place, lives, places

ALIGNMENT = 4  # bytes


def plan(graph: tflite_file.Graph, aliases: Mapping[int, int]) -> dict[int, Place]:
    """{index of a tensor: its Place}. aliases: {tensor: the one whose place it shares}."""
    parts = lives(graph)
    for alias, tensor in aliases.items():
        whole = parts[tensor]
        longer = max(whole.last, parts.pop(alias).last)
        parts[tensor] = whole._replace(last=longer)
    found = dict(zip(parts, places(list(parts.values()), ALIGNMENT), strict=True))
    return found | {alias: found[tensor] for alias, tensor in aliases.items()}
