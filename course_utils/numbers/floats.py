"""Floating point taken apart: sign, exponent, fraction, and how numbers are rounded to a format.

A binary format of IEEE 754 writes a number as (slide "IEEE 754 floating point")

    (-1)^sign * 2^(exponent - bias) * 1.fraction          normal
    (-1)^sign * 2^(1 - bias) * 0.fraction                 subnormal: exponent bits all zero

An exponent of all ones means infinity (fraction zero) or NaN, in every format here except
float8_e4m3: OCP's 8-bit format (OFP8, 2023; "E4M3FN") has no infinity and only one NaN pattern,
so that its exponent of all ones still holds numbers, up to 448.

Rounding is to the nearest number, ties to the one whose last fraction bit is 0. Every number of
every format here is a float64, so that all values are exact.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Format:
    """A binary floating-point format: 1 sign bit, then the exponent's, then the fraction's."""

    name: str
    exponent_bits: int
    fraction_bits: int
    has_infinity: bool = True

    @property
    def bits(self):
        return 1 + self.exponent_bits + self.fraction_bits

    @property
    def bias(self):
        return 2 ** (self.exponent_bits - 1) - 1

    @property
    def largest(self):
        """The largest finite number."""
        top = 2**self.exponent_bits - 1
        if self.has_infinity:
            return math.ldexp(2 - 2.0**-self.fraction_bits, top - 1 - self.bias)
        return math.ldexp(2 - 2.0 ** (1 - self.fraction_bits), top - self.bias)

    @property
    def smallest_normal(self):
        return 2.0 ** (1 - self.bias)

    @property
    def smallest(self):
        """The smallest number above zero, a subnormal; also the gap between all subnormals."""
        return math.ldexp(self.smallest_normal, -self.fraction_bits)


FORMATS = {
    fmt.name: fmt
    for fmt in (
        Format("float32", 8, 23),
        Format("float16", 5, 10),
        Format("bfloat16", 8, 7),
        Format("float8_e4m3", 4, 3, has_infinity=False),
        Format("float8_e5m2", 5, 2),
    )
}


class Decomposed(NamedTuple):
    """A number in a format. sign, exponent and fraction are the stored bits as integers."""

    fmt: str
    sign: int
    exponent: int
    fraction: int
    kind: str  # "zero", "subnormal", "normal", "infinity" or "nan"
    value: float

    @property
    def bits(self):
        """The bits as a string, sign first: "0 01111100 01000000000000000000000"."""
        fmt = FORMATS[self.fmt]
        return (
            f"{self.sign:b} {self.exponent:0{fmt.exponent_bits}b} "
            f"{self.fraction:0{fmt.fraction_bits}b}"
        )


def decompose(value, fmt="float32"):
    """Return the Decomposed form of the number of the format that is nearest to value.

    value: a real number, infinity or NaN.  fmt: a name in FORMATS.

    >>> decompose(0.15625).bits
    '0 01111100 01000000000000000000000'
    >>> decompose(0.1, "float8_e4m3")
    Decomposed(fmt='float8_e4m3', sign=0, exponent=3, fraction=5, kind='normal', value=0.1015625)
    """
    fmt = _format(fmt)
    rounded = float(round_to(np.float64(value), fmt.name))
    sign = int(math.copysign(1, rounded) < 0)
    if math.isnan(rounded):
        top = 2**fmt.exponent_bits - 1
        quiet = 2 ** (fmt.fraction_bits - 1) if fmt.has_infinity else 2**fmt.fraction_bits - 1
        return compose(sign, top, quiet, fmt.name)
    if math.isinf(rounded):
        return compose(sign, 2**fmt.exponent_bits - 1, 0, fmt.name)
    fraction, exponent = math.frexp(abs(rounded))  # fraction in [1/2, 1)
    stored = exponent - 1 + fmt.bias
    if rounded == 0 or stored < 1:
        return compose(sign, 0, int(abs(rounded) / fmt.smallest), fmt.name)
    return compose(sign, stored, int(math.ldexp(2 * fraction - 1, fmt.fraction_bits)), fmt.name)


def compose(sign, exponent, fraction, fmt="float32"):
    """Return the Decomposed number that these stored bits mean.

    sign, exponent, fraction: non-negative integers that fit the format's fields.
    Raises ValueError where one does not fit, TypeError where one is not an integer.

    >>> compose(1, 127, 0b100_0000_0000_0000_0000_0000).value
    -1.5
    """
    fmt = _format(fmt)
    for name, field, width in (
        ("sign", sign, 1),
        ("exponent", exponent, fmt.exponent_bits),
        ("fraction", fraction, fmt.fraction_bits),
    ):
        if not isinstance(field, (int, np.integer)):
            raise TypeError(f"The {name} is {field!r}, not an integer: pass the stored bits.")
        if not 0 <= field < 2**width:
            raise ValueError(f"The {name} {field} does not fit in {width} bits of {fmt.name}.")
    top = 2**fmt.exponent_bits - 1
    all_ones = 2**fmt.fraction_bits - 1
    if exponent == top and fmt.has_infinity and fraction == 0:
        kind, value = "infinity", math.inf
    elif exponent == top and (fmt.has_infinity or fraction == all_ones):
        kind, value = "nan", math.nan
    elif exponent == 0:
        kind, value = ("subnormal" if fraction else "zero"), fraction * fmt.smallest
    else:
        significand = 1 + fraction / 2**fmt.fraction_bits
        kind, value = "normal", math.ldexp(significand, exponent - fmt.bias)
    value = math.copysign(value, -1 if sign else 1)
    return Decomposed(fmt.name, int(sign), int(exponent), int(fraction), kind, value)


def from_bits(bits, fmt="float32"):
    """Return the Decomposed number of a bit string (spaces are skipped) or of an integer code.

    Raises ValueError for a string that is not the format's number of 0s and 1s.

    >>> from_bits("0 01111111 00000000000000000000000").value
    1.0
    """
    fmt = _format(fmt)
    if isinstance(bits, str):
        digits = bits.replace(" ", "")
        if len(digits) != fmt.bits or set(digits) - {"0", "1"}:
            raise ValueError(f"{fmt.name} has {fmt.bits} bits, each 0 or 1; not {bits!r}.")
        bits = int(digits, 2)
    if not 0 <= bits < 2**fmt.bits:
        raise ValueError(f"{bits} is no code of {fmt.bits} bits.")
    exponent = (bits >> fmt.fraction_bits) & (2**fmt.exponent_bits - 1)
    fraction = bits & (2**fmt.fraction_bits - 1)
    return compose(bits >> (fmt.bits - 1), exponent, fraction, fmt.name)


def round_to(x, fmt):
    """Return x rounded to the nearest number of the format, ties to the even last bit.

    x: real array or number, taken as float64 (float32 values are exact in it).
    Returns an array (or scalar) of x's shape: float32 for formats of up to 32 bits, all of whose
    numbers float32 holds. Numbers beyond the largest by half a gap or more become infinity, or NaN
    in float8_e4m3, which has no infinity. NaN stays NaN, and the sign of zero stays.

    >>> round_to([0.1, 3.1415927, 70000.0], "bfloat16")
    array([1.00097656e-01, 3.14062500e+00, 7.01440000e+04], dtype=float32)
    >>> round_to(465.0, "float8_e4m3"), round_to(464.0, "float8_e4m3")
    (np.float32(nan), np.float32(448.0))
    """
    fmt = _format(fmt)
    x = np.asarray(x, np.float64)
    with np.errstate(invalid="ignore", over="ignore"):  # infinity / infinity, the largest float64
        gaps = _gap(np.abs(x), fmt)
        rounded = np.rint(x / gaps) * gaps  # exact but for rint, which rounds ties to even
    too_large = np.abs(rounded) > fmt.largest
    beyond = np.inf if fmt.has_infinity else np.nan
    rounded = np.where(too_large | np.isinf(x), np.copysign(beyond, x), rounded)
    with np.errstate(invalid="ignore"):  # NaN
        return np.where(np.isnan(x), x, rounded).astype(np.float32)[()]


def gap(value, fmt="float32"):
    """Return the distance from |value| to the format's next larger number (the "ulp").

    value: a finite real number, at most the format's largest. Between two powers of two all gaps
    are the same; each power of two doubles them.

    >>> gap(1.0) == 2**-23, gap(16_777_216.0), gap(1.0, "bfloat16")
    (True, 2.0, 0.0078125)
    """
    fmt = _format(fmt)
    rounded = abs(float(round_to(value, fmt.name)))
    if not math.isfinite(rounded):
        raise ValueError(f"{value!r} has no next number in {fmt.name}: it is not finite there.")
    return float(_gap(np.float64(rounded), fmt))


def neighbours(value, fmt="float32"):
    """Return the next smaller and the next larger number of the format, around the nearest one.

    Infinity follows the largest number (NaN in float8_e4m3).

    >>> neighbours(1.0, "float16")
    (0.99951171875, 1.0009765625)
    """
    fmt = _format(fmt)
    at = _order(decompose(value, fmt.name), fmt)
    return tuple(_from_order(at + step, fmt) for step in (-1, 1))


def count_between(low, high, fmt="float32"):
    """Return how many numbers of the format lie in [low, high]; +0 and -0 are one number.

    low, high: real numbers, low <= high.

    >>> count_between(0.5, 1.0), count_between(1.0, 2.0), count_between(0, 1, "float8_e4m3")
    (8388609, 8388609, 57)
    """
    fmt = _format(fmt)
    if not low <= high:
        raise ValueError(f"An interval runs from its low end to its high end, not {low} to {high}.")
    first, last = (_order_within(end, fmt) for end in (low, high))
    if _from_order(first, fmt) < low:
        first += 1
    if _from_order(last, fmt) > high:
        last -= 1
    return max(0, last - first + 1)


def all_values(fmt):
    """Return every finite number of a format of up to 16 bits, ascending, float32; one zero.

    >>> len(all_values("float8_e4m3")), all_values("float8_e5m2").max()
    (253, np.float32(57344.0))
    """
    fmt = _format(fmt)
    if fmt.bits > 16:
        raise ValueError(f"{fmt.name} has 2^{fmt.bits} codes: too many to list.")
    codes = np.arange(1, _order_within(fmt.largest, fmt) + 1)
    exponent, fraction = codes >> fmt.fraction_bits, codes & (2**fmt.fraction_bits - 1)
    significand = np.where(exponent, 1, 0) + fraction / 2**fmt.fraction_bits
    positive = np.ldexp(significand, np.maximum(exponent, 1) - fmt.bias)
    return np.concatenate([-positive[::-1], [0], positive]).astype(np.float32)


# The codes of a format without their sign bit grow with the numbers they mean. With the sign, they
# count the numbers: 0 is zero, 1 the smallest positive number, -1 its opposite.


def _order(number, fmt):
    magnitude = (number.exponent << fmt.fraction_bits) + number.fraction
    return -magnitude if number.sign else magnitude


def _order_within(value, fmt):
    clipped = min(max(float(value), -fmt.largest), fmt.largest)
    return _order(decompose(clipped, fmt.name), fmt)


def _from_order(order, fmt):
    code = abs(order) + ((order < 0) << (fmt.bits - 1))
    return from_bits(code, fmt.name).value


def _gap(magnitude, fmt):
    _, exponent = np.frexp(magnitude)  # magnitude = fraction * 2^exponent, fraction in [1/2, 1)
    exponent = np.where(magnitude < fmt.smallest_normal, 2 - fmt.bias, exponent)
    return np.ldexp(1.0, exponent - 1 - fmt.fraction_bits)


def _format(fmt):
    if fmt not in FORMATS:
        raise ValueError(f"There is no format {fmt!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[fmt]
