"""Measured numbers beside what the lecture says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from course_utils.machines import data
from course_utils.views.checks.look import Shown, mark_text
from course_utils.views.checks.measured import Measured, as_measured
from course_utils.views.tables import html_table


@dataclass(frozen=True)
class Row:
    """One line of `beside_lecture`.

    what:     the quantity.
    lecture:  what the lecture says, in its own words.
    measured: a `Measured`, or a number.
    topic:    the slide's title.
    claim:    the lecture's number in the measurement's unit: a number, or (low, high). It agrees if
              the measurement's interval meets it. Where words can't be turned into a number, True
              or False as computed in the cell; None: the two can't be compared.
    why:      one sentence: why they differ, or why they can't be compared.
    """

    what: str
    lecture: str
    measured: Measured | float
    topic: str = ""
    claim: float | tuple[float, float] | bool | None = None
    why: str = ""

    @property
    def state(self) -> str:
        """ "agrees", "differs" or "not comparable"."""
        if self.claim is None:
            return "not comparable"
        if isinstance(self.claim, bool | np.bool_):
            return "agrees" if self.claim else "differs"
        claim = self.claim if isinstance(self.claim, tuple) else (self.claim, self.claim)
        interval = as_measured(self.measured).interval
        return "agrees" if interval[0] <= claim[1] and claim[0] <= interval[1] else "differs"

    def _cells(self):
        lecture = f"“{self.lecture}”" + (f"\n({self.topic})" if self.topic else "")
        verdict = mark_text(self.state)
        if self.state != "agrees":
            verdict += f"\n{self.why}" if self.why else "\nWhy? Nobody has explained it yet."
        return self.what, lecture, str(as_measured(self.measured)), verdict


@dataclass(frozen=True, repr=False)
class BesideLecture(Shown):
    rows: tuple[Row, ...]
    caption: str

    def __str__(self):
        lines = [self.caption]
        for row in self.rows:
            what, lecture, measured, verdict = (c.replace("\n", " ") for c in row._cells())
            lines += [f"- {what}", f"    the lecture: {lecture}", f"    here:        {measured}"]
            lines += [f"    {verdict}"]
        return "\n".join(lines)

    def _html(self):
        head = "Quantity", "The lecture says", "Measured here", "Do they agree?"
        return html_table(self.caption, head, [row._cells() for row in self.rows])


def beside_lecture(rows: Sequence[Row], caption: str) -> BesideLecture:
    """A table that puts what was measured beside what the lecture says, and says why they differ.

    Raises ValueError if there is no row or no caption.
    """
    if not rows or not caption:
        raise ValueError("The table needs at least one Row and a caption.")
    return BesideLecture(tuple(rows), caption)


def operator_rows(counted: Mapping[str, int], unit: str, why: Sequence[str]) -> list[Row]:
    """The lecture's numbers beside those of TensorFlow, LiteRT and, where it is counted, TFLM."""
    told = {row[0]: row for row in data.lecture_table("quoted_numbers")["rows"]}
    # "~" says two digits: "~1400" is anything that rounds to it.
    tolerances = {"ops_tensorflow": 50, "ops_tensorflow_lite": 5, "ops_tensorflow_lite_micro": 5}
    return [
        Row(
            name,
            lecture=told[key][1],
            claim=(told[key][3] - tolerance, told[key][4] + tolerance),
            measured=Measured(count, unit=unit),
            topic=told[key][2],
            why=reason,
        )
        for (name, count), (key, tolerance), reason in zip(
            counted.items(), tolerances.items(), why, strict=False
        )
    ]
