"""A measured number with what is known about it, and numbers as people read them."""

from __future__ import annotations

import math
import numbers
from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """A measured number with what is known about it.

    value:      the number, in `unit`.
    low, high:  the interval that the measurement leaves open (both or neither), in `unit`. Without
                them the number was counted, not estimated: bytes, operations, weights.
    n:          how many things it was measured on.
    source:     where it comes from, in a few words.

    It prints no more digits than the interval supports: two of the half width's if that begins
    with 1 or 2, else one. Raises ValueError if the interval is half given or misses the value.

    >>> print(Measured(90.124, 89.52, 90.69, "%", n=10_000))
    90.1 % (89.5 to 90.7; n = 10,000)
    >>> print(Measured(225_034, unit="bytes"))
    225,034 bytes
    """

    value: float
    low: float | None = None
    high: float | None = None
    unit: str = ""
    n: int | None = None
    source: str = ""

    def __post_init__(self):
        if (self.low is None) != (self.high is None):
            raise ValueError("An interval needs both low and high, or neither.")
        if self.low is not None and not self.low <= self.value <= self.high:
            raise ValueError(
                f"The interval {self.low:g} to {self.high:g} does not hold the value "
                f"{self.value:g}. Are they in the same unit?"
            )

    @property
    def interval(self) -> tuple[float, float]:
        return (self.value, self.value) if self.low is None else (self.low, self.high)

    def __str__(self):
        low, high = self.interval
        decimals = decimals_for((high - low) / 2)
        notes = []
        if low < high:
            notes.append(f"{number_text(low, decimals)} to {number_text(high, decimals)}")
        if self.n is not None:
            notes.append(f"n = {self.n:,}")
        if self.source:
            notes.append(self.source)
        text = with_unit(number_text(self.value, decimals), self.unit)
        return f"{text} ({'; '.join(notes)})" if notes else text


def as_measured(number, unit=""):
    return number if isinstance(number, Measured) else Measured(number, unit=unit)


def decimals_for(half_width):
    """Decimal places that a number with this half width deserves; None if it has none."""
    if not 0 < half_width < math.inf:
        return None
    exponent = math.floor(math.log10(half_width))
    return (1 if half_width / 10**exponent < 3 else 0) - exponent


def number_text(value, decimals=None):
    """A number for people: thousands separated, `decimals` places or three significant digits."""
    if decimals is None:
        if isinstance(value, numbers.Integral):
            return f"{int(value):,}"
        value = float(f"{value:.3g}") if abs(value) < 100 else float(value)
        if value and not 1e-4 <= abs(value) < 1e12:
            return f"{value:.3g}"
        decimals = max(0, 2 - math.floor(math.log10(abs(value)))) if value else 0
    rounded = round(float(value), decimals) + 0.0  # no "-0.0"
    return f"{rounded:,.{max(0, decimals)}f}"


def with_unit(number, unit):
    return f"{number} {unit}" if unit else number
