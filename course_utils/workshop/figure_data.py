"""A figure's data as a file: CSV where they are a table, JSON where they are not.

Scenes are named tuples of numbers, arrays and dictionaries. What a reader of the book gets is what
was drawn, whole: no figure has an export of its own.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from course_utils.machines import data


def export(scene: Any) -> tuple[str, bytes]:
    """The scene as a file: its suffix, "csv" or "json", and its UTF-8 contents.

    A table is one record, or several of the same fields, whose fields are single values or
    columns of one length. A single value then stands in every row.
    """
    value = plain(scene)
    rows = _rows(value if isinstance(value, list) else [value])
    if rows is None:
        return "json", data.to_json(value).encode()
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return "csv", out.getvalue().encode()


def plain(value: Any) -> Any:
    """The value in JSON's types: records as dictionaries, arrays as lists, NaN as None.

    A float32 gets the shortest digits that name it. Raises TypeError for what has no such form.

    >>> plain({4: np.float32(0.1), 8: np.array([1, np.nan])})
    {'4': 0.1, '8': [1.0, None]}
    """
    if hasattr(value, "_asdict"):
        return {name: plain(held) for name, held in value._asdict().items()}
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(held) for key, held in value.items()}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f":
        # Shortest digits that come back as this float32, and not those of its double.
        value = value.astype(f"U{len('-1.7976931348623157e+308')}").astype(float)
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(held) for held in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"A figure's data cannot hold a {type(value).__name__}.")


def _rows(records: list) -> list[dict] | None:
    """The rows of a table, or None if the records are none."""
    if not all(isinstance(record, dict) and list(record) == list(records[0]) for record in records):
        return None
    rows = []
    for record in records:
        columns = [held for held in record.values() if isinstance(held, list)]
        lengths = {len(column) for column in columns}
        cells = [cell for column in columns for cell in column] + list(record.values())
        if len(lengths) > 1 or any(isinstance(cell, dict) for cell in cells):
            return None
        if any(isinstance(cell, list) for column in columns for cell in column):
            return None
        for i in range(max(lengths, default=1)):
            rows.append({k: h[i] if isinstance(h, list) else h for k, h in record.items()})
    return rows if len(rows) > 2 else None  # two values may just as well be the ends of a range
