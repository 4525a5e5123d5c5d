"""Boards, and what a model and TFLM take of their flash and RAM."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from course_utils import data

# Name -> "chip", "core", "flash_bytes", "ram_bytes", "clock_hz", "source" ... (data/boards.json)
BOARDS: Mapping[str, Mapping[str, Any]] = MappingProxyType({b["name"]: b for b in data.boards()})
