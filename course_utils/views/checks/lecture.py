"""Measured numbers beside what the lecture says, by one rule.

A claim of the lecture is a row of `data/lecture/claims.json`: its words, its slide, and the numbers
that they say, from `low` to `high`. `verdict` is the suite's one rule:

- **not comparable**: the conditions differ (the network was not retrained, nothing was timed on
  such a device), and the row says in what;
- **agrees**: what was measured, with its interval, meets the claim as precisely as it is stated: to
  two digits, "about" to a tenth. Where the claim has one end only ("at least", "no more than"), the
  whole interval must lie inside;
- **not shown**: the interval leaves open whether there is any effect, or on which side of a claim's
  only end the truth lies. Neither the claim nor its opposite follows;
- **close**: it misses the claim by no more than a tenth;
- **differs**: it misses by more.

"Up to 6x" begins where there is any improvement and ends at 6.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

from course_utils.machines import data
from course_utils.views.checks.look import Shown, mark_text
from course_utils.views.checks.measured import Measured, as_measured, with_unit
from course_utils.views.tables import html_table


class Claim(NamedTuple):
    """What the lecture says in numbers; an open end is None."""

    id: str
    words: str
    slide: str
    low: float | None
    high: float | None
    unit: str
    about: bool
    no_effect: float | None

    def __str__(self):
        """The claim as a number: "4 ×", "1.1 to 1.5 ×", "at most 0.5 points"."""
        low, high = self.low, self.high
        if low is None and high is None:
            return "no number"
        if low == high:
            text = f"{'about ' if self.about else ''}{low:,.10g}"
        elif low is not None and low == self.no_effect:
            text = f"more than {low:,.10g}" if high is None else f"up to {high:,.10g}"
        elif high is None:
            text = f"at least {low:,.10g}"
        elif low is None:
            text = f"at most {high:,.10g}"
        else:
            text = f"{low:,.10g} to {high:,.10g}"
        return with_unit(text, self.unit)


@cache
def claims() -> dict[str, Claim]:
    """Every claim of the lecture by its id."""
    return {row[0]: Claim(*row) for row in data.lecture_table("claims")["rows"]}


def verdict(claim: Claim, measured: Measured | float) -> str:
    """ "agrees", "close", "not shown" or "differs" (see the module's text).

    >>> four_times = claims()["int8_size"]
    >>> [verdict(four_times, times) for times in (3.97, 3.61, 3.1)]
    ['agrees', 'close', 'differs']
    >>> verdict(claims()["integer_loss"], Measured(0.05, -0.1, 0.2))  # 0 or more points
    'not shown'
    """
    low, high = as_measured(measured).interval
    least = -math.inf if claim.low is None else claim.low
    most = math.inf if claim.high is None else claim.high
    nothing = claim.no_effect
    begins_above = nothing is not None and claim.low == nothing and most != least
    if begins_above and low <= nothing <= high and low < high:
        return "not shown"

    def inside(slack):
        above = low > least if begins_above else low >= least - slack(least)
        return above and high <= most + slack(most)

    def meets(slack):
        above = high > least if begins_above else high >= least - slack(least)
        return above and low <= most + slack(most)

    stated = _tenth if claim.about else _two_digits
    if inside(stated):
        return "agrees"
    if not meets(stated):
        return "close" if meets(lambda end: stated(end) + _tenth(end)) else "differs"
    one_end = math.isinf(least) or math.isinf(most)
    without_effect = nothing is not None and low <= nothing <= high and not least <= nothing <= most
    return "not shown" if one_end or without_effect else "agrees"


def _two_digits(end):
    """How far a number may lie from one that is stated to two digits: half of the second one."""
    return 0.5 * 10 ** (math.floor(math.log10(abs(end))) - 1) if 0 < abs(end) < math.inf else 0


def _tenth(end):
    return abs(end) / 10 if math.isfinite(end) else 0


@dataclass(frozen=True)
class Row:
    """One claim of the lecture beside what was measured.

    claim:    the claim's id in `data/lecture/claims.json`.
    measured: a `Measured`, or a number, in the claim's unit.
    what:     what was measured, on which network.
    why:      one sentence: why it differs, or what the number leaves out.
    unlike:   in what the conditions differ, if so much that the two can't be compared.
    """

    claim: str
    measured: Measured | float
    what: str
    why: str = ""
    unlike: str = ""

    @property
    def says(self) -> Claim:
        """The claim. Raises KeyError for an id that is not in the table."""
        return claims()[self.claim]

    @property
    def number(self) -> Measured:
        """What was measured, in the claim's unit."""
        return as_measured(self.measured, self.says.unit)

    @property
    def state(self) -> str:
        """The verdict."""
        return "not comparable" if self.unlike else verdict(self.says, self.measured)

    @property
    def reason(self) -> str:
        """What stands beside the verdict."""
        if self.unlike or self.why or self.state == "agrees":
            return " ".join(text for text in (self.unlike, self.why) if text)
        if self.state == "not shown":
            return "The interval leaves it open."
        return "Why? Nobody has explained it yet."

    def _cells(self):
        claim = self.says
        lecture = f"“{claim.words}”\n({claim.slide}): {claim}"
        said = f"{mark_text(self.state)}\n{self.reason}".strip()
        return self.what, lecture, str(self.number), said


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

    A lab has its rows in its `lecture` module, each claim of the lecture once in the whole suite.
    Raises ValueError if there is no row or no caption, KeyError for a claim that is not known.
    """
    if not rows or not caption:
        raise ValueError("The table needs at least one Row and a caption.")
    for row in rows:
        row.says  # noqa: B018
    return BesideLecture(tuple(rows), caption)
