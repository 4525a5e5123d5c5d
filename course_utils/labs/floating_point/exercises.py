"""Exercises of notebook 05: floating point."""

from __future__ import annotations

import numpy as np

from course_utils.views.checks import Mistake, exercise


def float16_value(sign, exponent, fraction):
    """The value of a finite float16's stored fields (IEEE 754-2019, section 3.4)."""
    if exponent == 0:
        return (-1) ** sign * 2.0**-14 * (fraction / 1024)
    return (-1) ** sign * 2.0 ** (exponent - 15) * (1 + fraction / 1024)


def _other_bias(bias, subnormal_exponents, steps=1024):
    """What another bias gives; how the subnormal numbers come out then may differ."""

    def way(at_zero):
        def value(sign, exponent, fraction):
            if exponent == 0:
                return (-1) ** sign * 2.0**at_zero * (fraction / steps)
            return (-1) ** sign * 2.0 ** (exponent - bias) * (1 + fraction / steps)

        return value

    return tuple(way(at_zero) for at_zero in subnormal_exponents)


def _normal(significand, exponent_of=lambda e: e - 15):
    """Mistakes in the normal numbers: subnormal ones right, or treated the same way."""

    def right_at_zero(sign, exponent, fraction):
        if exponent == 0:
            return float16_value(sign, exponent, fraction)
        return (-1) ** sign * 2.0 ** exponent_of(exponent) * significand(fraction)

    def everywhere(sign, exponent, fraction):
        return (-1) ** sign * 2.0 ** exponent_of(exponent) * significand(fraction)

    def other_exponent(sign, exponent, fraction):
        power = exponent_of(exponent) if exponent else -14
        return (-1) ** sign * 2.0**power * significand(fraction)

    return right_at_zero, everywhere, other_exponent


exercise(
    "05.value",
    float16_value,
    cases=[
        (0, 15, 0),
        (1, 16, 0),
        (0, 14, 512),
        (0, 17, 256),
        (1, 3, 1023),
        (0, 30, 1023),
        (0, 0, 0),
        (0, 0, 3),
        (1, 0, 1023),
        (0, 1, 0),
    ],
    mistakes=[
        Mistake(
            "bias_16",
            _other_bias(16, (-14, -15, -16)),
            "Your numbers are half of what they should be: the bias of 5 bits is 15, not 16. In "
            "general it is 2^(bits - 1) - 1, and so 127 for float32's 8 bits, not 128.",
        ),
        Mistake(
            "bias_127",
            (*_other_bias(127, (-14, -126, -127)), *_other_bias(127, (-14, -126), steps=128)),
            "Your numbers come out as good as zero: 127 is the bias of 8 bits of exponent, which "
            "float32 and bfloat16 have. A float16 has 5 bits of exponent and its own bias.",
        ),
        Mistake(
            "no_bias",
            _other_bias(0, (-14, 0, 1)),
            "You use the stored exponent as it is. The bias was added to store it; subtract it.",
        ),
        Mistake(
            "hidden_one",
            _normal(lambda f: f / 1024)[:2],
            "You left out the 1 before the binary point. It is not stored, because every normal "
            "number has it: the significand is 1.f, not 0.f.",
        ),
        Mistake(
            "twos_complement",
            _normal(lambda f: 1 + f / 1024, lambda e: e if e < 16 else e - 32),
            "You read the exponent as two's complement. IEEE 754 stores it with a bias added, so "
            "that codes sort as the numbers do; subtract the bias.",
        ),
        Mistake(
            "fraction_is_integer",
            (*_normal(lambda f: 1 + f), *_normal(lambda f: f)[:2]),
            "You used the fraction's bits as a whole number. They stand behind the binary point: "
            "10 bits count in steps of 2^-10.",
        ),
        Mistake(
            "fraction_of_1023",
            (
                *_normal(lambda f: 1 + f / 1023),
                lambda s, e, f: (
                    float16_value(s, e, 0) + (-1) ** s * 2.0 ** max(e - 15, -14) * f / 1023
                ),
            ),
            "You divide by 1023, the largest fraction. Ten bits behind the binary point count in "
            "steps of 1/1024; a fraction of all ones stays just below 1.",
        ),
        Mistake(
            "decimal_fraction",
            _normal(lambda f: float(f"1.{f}")),
            "You wrote the fraction's decimal digits behind the point. 1.f is binary: the fraction "
            "counts steps of 2^-10.",
        ),
        Mistake(
            "no_subnormals",
            lambda s, e, f: (-1) ** s * 2.0 ** (e - 15) * (1 + f / 1024),
            "Normal numbers are right, but an exponent field of 0 means something else: a "
            "subnormal number, without the hidden 1. With your rule there would be no zero.",
        ),
        Mistake(
            "subnormal_exponent",
            lambda s, e, f: float16_value(s, e, f) / (2 if e == 0 else 1),
            "Your subnormal numbers are half of what they should be: their exponent is that of the "
            "smallest normal numbers, 1 - bias, so that the gap stays the same down to zero.",
        ),
        Mistake(
            "flushed",
            lambda s, e, f: float16_value(s, e, f) if e else 0.0,
            "You make every number with an exponent field of 0 zero. Some processors do that to "
            "save time; the format gives them values, the subnormal numbers.",
        ),
        Mistake(
            "no_sign",
            lambda s, e, f: float16_value(0, e, f),
            "Your negative numbers come out positive: the sign bit is not used.",
        ),
        Mistake(
            "sign_is_a_factor",
            (
                lambda s, e, f: s * float16_value(0, e, f),
                lambda s, e, f: -float16_value(s, e, f),
                lambda s, e, f: float16_value(1, e, f),
            ),
            "The sign is wrong: a sign bit of 0 means plus, 1 means minus, that is (-1)^s.",
        ),
    ],
)


def gap(x):
    """The distance from a positive normal float32 to the next larger one: 2^(e - 23)."""
    return 2.0 ** (np.floor(np.log2(x)) - 23)


exercise(
    "05.gap",
    gap,
    cases=[(1.0,), (1.5,), (100.0,), (0.1,), (0.25,), (1e9,), (3.0,), (0.001,)],
    mistakes=[
        Mistake(
            "constant",
            (lambda x: 2.0**-23, lambda x: 2.0**-24, lambda x: 2.0**-22, lambda x: 2.0**-149),
            "Your gap is the same everywhere. That is fixed point; a floating-point number's gap "
            "doubles at each power of two.",
        ),
        Mistake(
            "proportional",
            (lambda x: x * 2.0**-23, lambda x: x * 2.0**-24),
            "Your gap grows with every x. Between two powers of two all gaps are equal: it depends "
            "on the exponent of x alone.",
        ),
        Mistake(
            "half",
            lambda x: gap(x) / 2,
            "Half of the gap: that is the largest error of rounding to the nearest, or you counted "
            "24 bits of fraction. The hidden 1 is not one of the 23.",
        ),
        Mistake(
            "twice",
            lambda x: 2 * gap(x),
            "Twice the gap: your exponent is one too high (np.frexp gives that of 0.5 <= m < 1, "
            "not of 1.f), or you counted 22 bits of fraction.",
        ),
        Mistake(
            "rounded_exponent",
            (
                lambda x: 2.0 ** (np.round(np.log2(x)) - 23),
                lambda x: 2.0 ** (np.ceil(np.log2(x)) - 23),
                lambda x: 2.0 ** (np.trunc(np.log2(x)) - 23),
            ),
            "You rounded the logarithm the wrong way. The exponent is its floor, for numbers "
            "below 1 as well: 1.5 is 1.5 x 2^0, and 0.1 is 1.6 x 2^-4.",
        ),
        Mistake(
            "biased",
            lambda x: 2.0 ** (np.floor(np.log2(x)) + 127 - 23),
            "You used the stored exponent, with its bias of 127. The gap needs the true one.",
        ),
        Mistake(
            "decimal",
            (
                lambda x: 10.0 ** (np.floor(np.log10(x)) - 7),
                lambda x: 10.0 ** (np.floor(np.log10(x)) - 6),
            ),
            "You counted decimal digits. The gap is a power of two.",
        ),
        Mistake(
            "float64",
            (lambda x: float(np.spacing(np.float64(x))),
             lambda x: 2.0 ** (np.floor(np.log2(x)) - 52)),
            "That is the gap of float64, which has 52 bits of fraction (a plain Python number is "
            "one). A float32 has 23.",
        ),
        Mistake(
            "float16",
            lambda x: 2.0 ** (np.floor(np.log2(x)) - 10),
            "That is the gap of float16, with 10 bits of fraction. A float32 has 23.",
        ),
    ],
)  # fmt: skip


def largest(exponent_bits, fraction_bits):
    """The largest finite number of an IEEE 754 format: (2 - 2^-f) * 2^bias."""
    bias = 2 ** (exponent_bits - 1) - 1
    return (2 - 2.0**-fraction_bits) * 2.0**bias


exercise(
    "05.largest",
    largest,
    cases=[(5, 10), (5, 2), (4, 3), (8, 7), (3, 4)],
    mistakes=[
        Mistake(
            "all_ones",
            lambda e, f: 2 * largest(e, f),
            "Twice too large: you used the exponent field of all ones, which is kept for infinity "
            "and NaN. The largest number has the one below.",
        ),
        Mistake(
            "infinity",
            lambda e, f: 2.0**2 ** (e - 1),
            "That is where infinity begins, the first power of two that has no code. The largest "
            "number is one gap below it.",
        ),
        Mistake(
            "no_fraction",
            lambda e, f: 2.0 ** (2 ** (e - 1) - 1),
            "That is the largest power of two. With its fraction all ones the significand is "
            "nearly 2.",
        ),
        Mistake(
            "hidden_one",
            (
                lambda e, f: (1 - 2.0**-f) * 2.0 ** (2 ** (e - 1) - 1),
                lambda e, f: (1 - 2.0**-f) * 2.0**2 ** (e - 1),
            ),
            "You left out the hidden 1: the largest significand is 1.11...1 in binary, nearly 2, "
            "not 0.11...1.",
        ),
        Mistake(
            "integer",
            (lambda e, f: 2.0 ** (e + f) - 1, lambda e, f: 2.0 ** (e + f + 1) - 1),
            "That is the largest integer of that many bits. In a floating-point number some bits "
            "are an exponent.",
        ),
        Mistake(
            "swapped",
            lambda e, f: largest(f, e),
            "You swapped exponent and fraction: the exponent's bits set the range, the fraction's "
            "the precision. (Swap them in a 16-bit format and you get nearly bfloat16.)",
        ),
    ],
)


def to_bfloat16(bits):
    """The upper 16 of a finite float32's 32 bits, rounded to the nearest, ties to even."""
    bits = np.asarray(bits, dtype=np.uint32)
    odd = bits >> np.uint32(16) & np.uint32(1)
    return bits + np.uint32(0x7FFF) + odd >> np.uint32(16)


def _codes(*values):
    return np.array(values, dtype=np.uint32)


exercise(
    "05.round",
    to_bfloat16,
    rtol=0,
    cases=[
        (_codes(0x3F800000, 0x3F80FFFF),),
        (_codes(0x3F808000, 0x3F818000, 0x3F808001, 0x3F817FFF),),
        (_codes(0xBDCCCCCD, 0x40490FDB, 0x00000001, 0x3FFFFFFF),),
    ],
    mistakes=[
        Mistake(
            "truncated",
            lambda bits: bits >> 16,
            "You cut the lower half off. That always rounds toward zero, so that all weights "
            "shrink a little, and errs by up to a whole gap instead of half of one.",
        ),
        Mistake(
            "half_up",
            lambda bits: (bits + np.uint32(0x8000)) >> 16,
            "Exactly half a gap always rounds up with your rule. IEEE 754 sends ties to the even "
            "code, up or down, so that their errors cancel on average.",
        ),
        Mistake(
            "half_down",
            lambda bits: (bits + np.uint32(0x7FFF)) >> 16,
            "Exactly half a gap always rounds down with your rule. IEEE 754 sends ties to the even "
            "code, up or down, so that their errors cancel on average.",
        ),
        Mistake(
            "ties_to_odd",
            lambda bits: (bits + np.uint32(0x8000) - (bits >> 16 & 1)) >> 16,
            "Your ties go to the odd code. They should go to the even one, whose last bit is 0.",
        ),
        Mistake(
            "always_up",
            lambda bits: (bits + np.uint32(0xFFFF)) >> 16,
            "You always round away from zero. Only what is more than half a gap away goes up.",
        ),
        Mistake(
            "lower_half",
            lambda bits: bits & 0xFFFF,
            "You kept the lower half. Sign, exponent and the fraction's leading bits are in the "
            "upper one.",
        ),
        Mistake(
            "float16",
            lambda bits: bits.view(np.float32).astype(np.float16).view(np.uint16),
            "That is float16. A bfloat16 is the other 16-bit format: it keeps all 8 bits of "
            "float32's exponent, and so is simply its upper half.",
        ),
        Mistake(
            "not_shifted",
            lambda bits: bits + np.uint32(0x7FFF) + (bits >> 16 & 1),
            "You rounded but did not drop the lower 16 bits.",
        ),
    ],
)


def byte_products(significand_bits, word_bits):
    """How many word by word products a product of two significands takes, done as at school."""
    words = -(-significand_bits // word_bits)
    return words**2


exercise(
    "05.products",
    byte_products,
    function=False,
    cases=[(11, 8), (53, 8)],
    rtol=1e-9,
    mistakes=[
        Mistake(
            "whole_number",
            lambda bits, word: (-(-(bits + 8) // word)) ** 2,
            "You multiplied all 32 bits. Sign and exponent are handled apart (the exponents are "
            "added); only the significands are multiplied.",
        ),
        Mistake(
            "one_row",
            lambda bits, word: -(-bits // word),
            "That is how many bytes one significand has. Each byte of the one has to be multiplied "
            "by each byte of the other.",
        ),
        Mistake(
            "sum",
            lambda bits, word: 2 * -(-bits // word),
            "You counted the bytes of both significands (or each pair of places once, as for a "
            "square). Each byte of the one has to be multiplied by each byte of the other.",
        ),
        Mistake(
            "bits",
            lambda bits, word: bits**2,
            "You counted products of single bits. The processor multiplies whole bytes.",
        ),
        Mistake(
            "once",
            lambda bits, word: 1,
            "One multiplication would do if the processor could multiply 24 bits at once. This one "
            "multiplies 8.",
        ),
    ],
)
