"""Floating-point numbers: taken apart into bits, put together again, rounded to fewer bits.

A floating-point number is three fields of bits: the sign s, the exponent E, stored with a bias
added so that it needs no sign of its own, and the fraction F of f bits. They mean

    normal       0 < E           (-1)^s * 2^(E - bias) * 1.F      1.F = 1 + F / 2^f
    subnormal    E = 0           (-1)^s * 2^(1 - bias) * 0.F      0.F = F / 2^f; zero if F = 0
    special      E all ones      infinity if F = 0, otherwise NaN ("not a number")

Sources: IEEE 754-2019, section 3.4, for float32 and float16; bfloat16 is the upper half of a
float32; the OCP 8-bit Floating Point Specification for E4M3 and E5M2. E4M3 has too few codes to
spend any on infinity: with the exponent all ones only the fraction of all ones is NaN, the other
codes are numbers. So it reaches 448, and what is too large for it becomes NaN.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np


@dataclass(frozen=True)
class Format:
    """How many bits each field of a format has; the sign has one."""

    exponent_bits: int
    fraction_bits: int
    has_infinity: bool = True

    @property
    def bits(self) -> int:
        return 1 + self.exponent_bits + self.fraction_bits

    @property
    def bias(self) -> int:
        """What is added to an exponent to store it: 127 for 8 bits."""
        return 2 ** (self.exponent_bits - 1) - 1

    @property
    def top(self) -> int:
        """The exponent field of all ones."""
        return 2**self.exponent_bits - 1

    @property
    def largest(self) -> float:
        """The largest finite number."""
        significand = 2.0 - 2.0**-self.fraction_bits
        if self.has_infinity:  # the exponent of all ones is not for numbers
            return significand * 2.0 ** (self.top - 1 - self.bias)
        return (significand - 2.0**-self.fraction_bits) * 2.0 ** (self.top - self.bias)

    @property
    def smallest_normal(self) -> float:
        return 2.0 ** (1 - self.bias)

    @property
    def smallest_subnormal(self) -> float:
        """The smallest number above zero, and the gap between all subnormals."""
        return 2.0 ** (1 - self.bias - self.fraction_bits)


FORMATS = {
    "float32": Format(8, 23),
    "float16": Format(5, 10),
    "bfloat16": Format(8, 7),
    "float8_e4m3": Format(4, 3, has_infinity=False),
    "float8_e5m2": Format(5, 2),
}


class Parts(NamedTuple):
    """The three fields of a number, as unsigned integers, and the value that they mean."""

    sign: int
    exponent: int  # as stored: with the bias
    fraction: int
    value: float


def decompose(value, fmt: str) -> Parts:
    """Take one number apart, after rounding it to the format.

    >>> decompose(-6.5, "float32")                    # -6.5 = -1.625 * 2^2, and 129 = 127 + 2
    Parts(sign=1, exponent=129, fraction=5242880, value=-6.5)
    >>> 1 + 5242880 / 2**23
    1.625

    Raises TypeError unless value is one real number, ValueError for an unknown format.
    """
    if np.ndim(value) != 0:
        raise TypeError(f"decompose takes one number, not an array of shape {np.shape(value)}.")
    code = to_bits(value, fmt)
    return Parts(*(int(field) for field in fields(code, fmt)), float(compose(code, fmt)))


def round_to(x, fmt: str) -> np.ndarray:
    """The numbers of the format that are nearest to x; of two equally near, the even one.

    x: real numbers of any shape. Returns an array of that shape, float32 if x is float32 (every
    format's numbers fit in it), otherwise float64. What is too large becomes infinity (NaN in
    float8_e4m3); what is too small becomes a subnormal number or zero, and keeps its sign.

    >>> round_to([0.1, 1 + 2**-11, 1e5, 1e-9], "float16").tolist()
    [0.0999755859375, 1.0, inf, 0.0]
    """
    form, x = _format(fmt), _real(x)
    dtype = np.float32 if x.dtype == np.float32 else np.float64
    x = x.astype(np.float64)  # holds every number and every half of a gap exactly
    finite = np.isfinite(x)
    _, exponent = np.frexp(np.where(finite, x, 0))  # |x| = m * 2^exponent, 0.5 <= m < 1
    # The distance between the format's numbers around x; below the normal ones it stays the same.
    log2_gap = np.maximum(exponent - 1, 1 - form.bias) - form.fraction_bits
    # rint takes the even one of two equally near integers.
    steps = np.rint(np.ldexp(np.where(finite, x, 0), -log2_gap))
    with np.errstate(over="ignore"):  # the largest float64, rounded up
        rounded = np.ldexp(steps, log2_gap)
    too_large = np.abs(rounded) > form.largest
    rounded = np.where(too_large | np.isinf(x), _infinity(form) * np.copysign(1.0, x), rounded)
    return np.where(np.isnan(x), np.nan, rounded).astype(dtype)[()]


def to_bits(x, fmt: str) -> np.ndarray:
    """The codes of x, rounded to the format: unsigned integers of its width, shape of x.

    NaN gets one code, that of a positive quiet NaN.

    >>> hex(to_bits(1.0, "float32")), hex(to_bits(1.0, "bfloat16"))
    ('0x3f800000', '0x3f80')
    """
    form = _format(fmt)
    value = np.asarray(round_to(x, fmt), dtype=np.float64)
    finite = np.isfinite(value)
    magnitude = np.abs(np.where(finite, value, 0))
    _, exponent = np.frexp(magnitude)
    normal = magnitude >= form.smallest_normal
    # Between two powers of two the codes count up with the numbers, one for each gap.
    log2_gap = np.where(normal, exponent - 1, 1 - form.bias) - form.fraction_bits
    steps = np.ldexp(magnitude, -log2_gap).astype(np.uint64)
    stored = np.where(normal, exponent - 1 + form.bias, 1).astype(np.uint64)
    code = ((stored - np.uint64(1)) << np.uint64(form.fraction_bits)) + steps
    infinity = np.uint64(form.top << form.fraction_bits)
    code = np.where(finite, code, infinity)
    sign = np.signbit(value).astype(np.uint64) << np.uint64(form.bits - 1)
    last = 1 << form.fraction_bits
    nan = infinity + np.uint64(last >> 1 if form.has_infinity else last - 1)
    code = np.where(np.isnan(value), nan, code | sign)
    return code.astype(_unsigned(form))[()]


def compose(bits, fmt: str) -> np.ndarray:
    """The numbers that codes mean: float64, shape of bits. The inverse of `to_bits`.

    >>> compose([0x3C00, 0x0001, 0xFC00], "float16").tolist()
    [1.0, 5.960464477539063e-08, -inf]

    Raises TypeError unless bits are integers, ValueError if one needs more bits than the format.
    """
    form = _format(fmt)
    sign, exponent, fraction = (field.astype(np.int64) for field in fields(bits, fmt))
    hidden = np.where(exponent > 0, 1 << form.fraction_bits, 0)  # the 1 that is not stored
    log2_gap = np.maximum(exponent, 1) - form.bias - form.fraction_bits
    value = np.ldexp((hidden + fraction).astype(np.float64), log2_gap)
    special = exponent == form.top
    if form.has_infinity:
        value = np.where(special, np.where(fraction == 0, np.inf, np.nan), value)
    else:
        value = np.where(special & (fraction == (1 << form.fraction_bits) - 1), np.nan, value)
    return np.where(sign == 1, -value, value)[()]


def fields(bits, fmt: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Sign, exponent and fraction of codes, as unsigned integers.

    >>> [int(field) for field in fields(0xBF800000, "float32")]        # -1
    [1, 127, 0]
    """
    form = _format(fmt)
    bits = np.asarray(bits)
    if bits.dtype.kind not in "iu":
        raise TypeError(f"Codes are integers, not {bits.dtype}.")
    if bits.size and (bits.min() < 0 or bits.max() >= 2**form.bits):
        raise ValueError(f"A code of {fmt} has {form.bits} bits: 0 to {2**form.bits - 1}.")
    bits = bits.astype(np.uint64)
    exponent = bits >> np.uint64(form.fraction_bits) & np.uint64(form.top)
    fraction = bits & np.uint64((1 << form.fraction_bits) - 1)
    return bits >> np.uint64(form.bits - 1), exponent, fraction


def gap(x, fmt: str) -> np.ndarray:
    """The distance from x, rounded to the format, to the format's next number away from zero.

    For the largest number it is the distance to where the next would be. NaN for infinity and NaN.

    >>> gap([1.0, 1000.0, 0.0], "float32").tolist() == [2**-23, 2**-14, 2**-149]
    True
    """
    form = _format(fmt)
    value = np.asarray(round_to(x, fmt), dtype=np.float64)
    _, exponent = np.frexp(np.where(np.isfinite(value), value, 0))
    exponent = np.where(value == 0, 1 - form.bias, np.maximum(exponent - 1, 1 - form.bias))
    distance = np.ldexp(1.0, exponent - form.fraction_bits)
    return np.where(np.isfinite(value), distance, np.nan)[()]


def values(fmt: str) -> np.ndarray:
    """All finite numbers of a format of at most 16 bits, ascending, zero once: float64.

    >>> len(values("float8_e4m3")), values("float8_e4m3").max()
    (253, np.float64(448.0))
    """
    form = _format(fmt)
    if form.bits > 16:
        raise ValueError(f"{fmt} has {2**form.bits:,} codes: too many to list.")
    value = compose(np.arange(2**form.bits), fmt)
    return np.unique(value[np.isfinite(value)])


def _format(fmt: str) -> Format:
    if fmt not in FORMATS:
        raise ValueError(f"There is no format {fmt!r}; there are {', '.join(FORMATS)}.")
    return FORMATS[fmt]


def _real(x) -> np.ndarray:
    x = np.asarray(x)
    if x.dtype.kind not in "fiu":
        raise TypeError(f"Real numbers are needed, not {x.dtype}.")
    return x


def _infinity(form: Format) -> float:
    return np.inf if form.has_infinity else np.nan


def _unsigned(form: Format):
    return {8: np.uint8, 16: np.uint16, 32: np.uint32}[form.bits]
