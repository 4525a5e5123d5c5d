"""What a float32 multiplication costs a processor that only has 8-bit integers.

The lecture's AVR has registers of 8 bits and no floating-point unit. What it has is an instruction
that multiplies two bytes into two. `multiply` does a float32 product with such instructions alone
and counts them.

The count is of arithmetic only. Loads, stores, moves and branches come on top, and so do zeros,
subnormal numbers, infinities and NaN, which `multiply` refuses: a real library routine takes more.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Alu:
    """An 8-bit arithmetic unit that counts what it is asked to do. Everything is 0 to 255."""

    def __init__(self):
        self.counts = {"multiply": 0, "add or subtract": 0, "shift": 0, "and, or, xor": 0}

    def multiply(self, a, b):
        """-> (high byte, low byte) of the product."""
        self.counts["multiply"] += 1
        return divmod(a * b, 256)

    def add(self, a, b, carry=0):
        """-> (sum, carry)."""
        self.counts["add or subtract"] += 1
        total = a + b + carry
        return total & 255, total >> 8

    def subtract(self, a, b, borrow=0):
        """-> (difference, borrow)."""
        self.counts["add or subtract"] += 1
        difference = a - b - borrow
        return difference & 255, int(difference < 0)

    def left(self, a, carry=0):
        """Shift left by one bit -> (result, the bit that fell out)."""
        self.counts["shift"] += 1
        return (a << 1 | carry) & 255, a >> 7

    def right(self, a, carry=0):
        """Shift right by one bit -> (result, the bit that fell out)."""
        self.counts["shift"] += 1
        return a >> 1 | carry << 7, a & 1

    def logic(self, result):
        """Count one and, or, xor that gave this result."""
        self.counts["and, or, xor"] += 1
        return result


class Product(NamedTuple):
    """A product and the 8-bit operations that it took."""

    value: float
    counts: dict[str, int]

    @property
    def operations(self):
        return sum(self.counts.values())


def multiply(a, b) -> Product:
    """The float32 product of two normal float32 numbers, correctly rounded, byte by byte.

    Raises ValueError if a, b or the product is not a normal number.

    >>> product = multiply(3.0, -0.1)
    >>> product.value == float(np.float32(3.0) * np.float32(-0.1)), product.counts["multiply"]
    (True, 9)
    """
    alu = Alu()
    sign_a, exponent_a, x = _unpack(alu, a)
    sign_b, exponent_b, y = _unpack(alu, b)
    sign = alu.logic(sign_a ^ sign_b)
    # The exponents add up; each holds the bias once, so that one bias has to go. Two bytes.
    low, carry = alu.add(exponent_a, exponent_b)
    high, _ = alu.add(0, 0, carry)
    low, borrow = alu.subtract(low, 127)
    high, _ = alu.subtract(high, 0, borrow)
    z = _product(alu, x, y)
    # 1.f * 1.f lies from 1 to 4. Bring the leading 1 to the top of the six bytes.
    if z[5] & 128:
        low, carry = alu.add(low, 1)
        high, _ = alu.add(high, 0, carry)
    else:
        carry = 0
        for i in range(6):
            z[i], carry = alu.left(z[i], carry)
    low, high, significand = _round(alu, low, high, z)
    if high != 0 or not 1 <= low <= 254:
        raise ValueError(f"{a!r} * {b!r} is not a normal float32: this counts the usual case only.")
    # Put the fields together: the exponent's last bit belongs into the third byte.
    top, last = alu.right(low, 0)
    third = alu.logic(alu.logic(significand[2] & 127) | last << 7)
    code = significand[0] | significand[1] << 8 | third << 16 | alu.logic(top | sign) << 24
    return Product(float(np.uint32(code).view(np.float32)), alu.counts)


def multiply_accumulate_int8(weight: int, activation: int, accumulator: int) -> Product:
    """accumulator + weight * activation with int8 factors and an int32 sum: notebook 07's step.

    >>> multiply_accumulate_int8(-3, 100, 1000).value, multiply_accumulate_int8(1, 1, 0).operations
    (700, 6)
    """
    alu = Alu()
    alu.counts["multiply"] += 1  # the AVR multiplies signed bytes too, into two
    product = (weight * activation) & 0xFFFF
    sign = alu.logic(255 if product & 0x8000 else 0)  # the two upper bytes of the product
    total, carry = [], 0
    for i, byte in enumerate((product & 255, product >> 8, sign, sign)):
        result, carry = alu.add(accumulator >> 8 * i & 255, byte, carry)
        total.append(result)
    value = int.from_bytes(bytes(total), "little", signed=True)
    return Product(value, alu.counts)


def _unpack(alu, value):
    """-> sign bit (in place), exponent, the significand's three bytes, lowest first."""
    bits = int(np.float32(value).view(np.uint32))
    b = [bits >> 8 * i & 255 for i in range(4)]
    if not 1 <= bits >> 23 & 255 <= 254:
        raise ValueError(f"{value!r} is not a normal float32: this counts the usual case only.")
    _, last = alu.left(b[2])  # the exponent's last bit ...
    exponent, _ = alu.left(b[3], last)  # ... joins its other seven
    return alu.logic(b[3] & 128), exponent, [b[0], b[1], alu.logic(b[2] | 128)]


def _product(alu, x, y):
    """24 bits times 24 bits, 48 bits, from nine products of bytes, column by column."""
    z, column = [], [0, 0, 0]
    for k in range(5):
        for i in range(max(0, k - 2), min(k, 2) + 1):
            high, low = alu.multiply(x[i], y[k - i])
            column[0], carry = alu.add(column[0], low)
            column[1], carry = alu.add(column[1], high, carry)
            column[2], _ = alu.add(column[2], 0, carry)
        z.append(column[0])
        column = [column[1], column[2], 0]
    return [*z, column[0]]


def _round(alu, low, high, z):
    """Keep three of six bytes, to the nearest, ties to even. -> exponent (2 bytes), significand."""
    significand = z[3:]
    rest, half = alu.left(z[2])
    below_half = alu.logic(alu.logic(rest | z[1]) | z[0])
    odd = alu.logic(significand[0] & 1)
    if half and (below_half or odd):
        carry = 1
        for i in range(3):
            significand[i], carry = alu.add(significand[i], 0, carry)
        if carry:  # 1.11...1 became 10.0
            significand[2] = alu.logic(significand[2] | 128)
            low, carry = alu.add(low, 1)
            high, _ = alu.add(high, 0, carry)
    return low, high, significand
