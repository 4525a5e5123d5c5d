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


def _xor(in_sign, in_power, at_zero):
    """Powers written with ^, which is the exclusive or: in the sign, in the exponent, or both."""

    def wrong(sign, exponent, fraction):
        plus = -1 ^ sign if in_sign else (-1) ** sign
        if exponent == 0 and at_zero == "right":
            return plus * 2.0**-14 * (fraction / 1024)
        if exponent == 0 and at_zero == "xor":
            return plus * (2 ^ -14) * (fraction / 1024)
        power = 2 ^ (exponent - 15) if in_power else 2.0 ** (exponent - 15)
        return plus * power * (1 + fraction / 1024)

    return wrong


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
            "bias_14",
            _other_bias(14, (-14, -13)),
            "Your numbers are twice what they should be: the bias of 5 bits is 15, not 14. The "
            "stored exponent of 1.0 is 01111, a 0 and then only 1s.",
        ),
        Mistake(
            "bias_127",
            (
                *_other_bias(127, (-14, -126, -127)),
                *_other_bias(127, (-14, -126), steps=128),
                *_other_bias(127, (-14, -126), steps=2**23),
            ),
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
            "power_is_xor",
            tuple(
                _xor(sign, power, zero)
                for sign, power in ((True, True), (True, False), (False, True))
                for zero in ("right", "alike", "xor")
                if power or zero != "xor"
            ),
            "In Python ^ is no power: between two integers it is the exclusive or of their bits. A "
            "power is written with two asterisks.",
        ),
        Mistake(
            "fraction_of_float32",
            (
                *_normal(lambda f: 1 + f / 2**23),
                lambda s, e, f: (
                    (-1) ** s * 2.0 ** (e - 15) * (1 + f / 2**23)
                    if e
                    else (-1) ** s * 2.0**-14 * f / 2**23
                ),
            ),
            "You divide the fraction by 2^23: that is float32, with 23 bits behind the point. A "
            "float16 has 10.",
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
            "subnormal_hidden_one",
            lambda s, e, f: float16_value(s, e, f) if e else (-1) ** s * 2.0**-14 * (1 + f / 1024),
            "Normal numbers are right. Your subnormal numbers have their exponent right, but still "
            "the hidden 1: with an exponent field of 0 the significand is 0.f, and so zero exists.",
        ),
        Mistake(
            "subnormal_scale",
            (
                lambda s, e, f: float16_value(s, e, f) * (1 if e else 1024),
                lambda s, e, f: float16_value(s, e, f) * (1 if e else 512),
            ),
            "Normal numbers are right. In your subnormal numbers the fraction is a whole number; "
            "there, too, it stands behind the binary point: 0.f.",
        ),
        Mistake(
            "flushed",
            (
                lambda s, e, f: float16_value(s, e, f) if e else 0.0,
                lambda s, e, f: float16_value(s, e, f) if e else (-1) ** s * 2.0**-126 * f / 1024,
                lambda s, e, f: float16_value(s, e, f) if e else (-1) ** s * 2.0**-126 * f / 2**23,
            ),
            "What has an exponent field of 0 comes out as zero, or as good as zero (with float32's "
            "2^-126). Some processors make it zero to save time; the format gives it values, the "
            "subnormal numbers, with float16's own smallest exponent.",
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
            ),
            "The sign is wrong: a sign bit of 0 means plus, 1 means minus, that is (-1)^s.",
        ),
        Mistake(
            "always_negative",
            lambda s, e, f: float16_value(1, e, f),
            "All your numbers are negative. If you wrote -1 ** sign: Python takes the power first "
            "and then the minus. Put the -1 in parentheses.",
        ),
    ],
)


def gap(x):
    """The distance from a positive normal float32 to the next larger one: 2^(e - 23)."""
    return 2.0 ** (np.floor(np.log2(x)) - 23)


exercise(
    "05.gap",
    gap,
    cases=[(1.0,), (1.5,), (100.0,), (0.1,), (0.25,), (1e9,), (3.0,), (0.001,), (3e38,), (7e10,)],
    mistakes=[
        Mistake(
            "bias_used",
            (
                lambda x: 2.0 ** (np.floor(np.log2(x)) + 127 - 23),
                lambda x: 2.0 ** (np.floor(np.log2(x)) - 127 - 23),
                lambda x: 2.0 ** (np.frexp(x)[1] + 127 - 23),
                lambda x: 2.0 ** (np.frexp(x)[1] - 127 - 23),
            ),
            "You added or subtracted the bias of 127. The bias belongs to the stored exponent; "
            "what you get from x itself is the true one, and the gap needs that.",
        ),
        Mistake(
            "constant",
            (lambda x: 2.0**-23, lambda x: 2.0**-24, lambda x: 2.0**-22, lambda x: 2.0**-149),
            "Your gap is the same everywhere. That is fixed point; a floating-point number's gap "
            "doubles at each power of two.",
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
            "below",
            lambda x: gap(x) / (2 if np.frexp(x)[0] == 0.5 else 1),
            "That is the distance to the next smaller number. At a power of two it is half of "
            "the distance to the next larger one.",
        ),
        Mistake(
            "other_logarithm",
            (
                lambda x: 2.0 ** (np.floor(np.log(x)) - 23),
                lambda x: 2.0 ** (np.floor(np.log10(x)) - 23),
            ),
            "Your logarithm has another base than 2 (np.log is the natural one, np.log10 that of "
            "decimal digits). The exponent counts powers of two.",
        ),
        Mistake(
            "proportional",
            (
                lambda x: 2.0 ** (np.log2(x) - 23),
                lambda x: x * 2.0**-23,
                lambda x: x * 2.0**-24,
            ),
            "Your gap grows with every x. Between two powers of two all gaps are equal: it depends "
            "on the exponent of x alone, a whole number.",
        ),
        Mistake(
            "x_as_exponent",
            (
                lambda x: 2.0 ** (x - 23),
                lambda x: np.float64(2.0) ** (x - 23),
                lambda x: 2.0 ** (np.floor(x) - 23),
            ),
            "You use x itself as the exponent. The e of 2^e is the power of two at or below x.",
        ),
        Mistake(
            "power_only",
            lambda x: 2.0 ** np.floor(np.log2(x)),
            "That is the power of two at or below x, the distance to the next power of two. The "
            "gap is the smallest step of its 23 bits of fraction.",
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
        Mistake(
            "bfloat16",
            lambda x: 2.0 ** (np.floor(np.log2(x)) - 7),
            "That is the gap of bfloat16, with 7 bits of fraction. A float32 has 23.",
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
    cases=[(5, 10), (5, 2), (4, 3), (8, 7), (3, 4), (6, 1), (2, 5), (2, 10)],
    mistakes=[
        Mistake(
            "all_ones",
            lambda e, f: 2 * largest(e, f),
            "Twice too large: you used the exponent field of all ones, which is kept for infinity "
            "and NaN (the largest number has the one below), or your bias is one off.",
        ),
        Mistake(
            "bias_one_off",
            lambda e, f: largest(e, f) / 2,
            "Half of what it should be: your bias is one too large, or you stopped one exponent "
            "early. Of 8 bits of exponent the bias is 127, not 128, and only the field of all "
            "ones, 255, is taken.",
        ),
        Mistake(
            "no_bias",
            (
                lambda e, f: (2 - 2.0**-f) * 2.0 ** (2**e - 2),
                lambda e, f: (2 - 2.0**-f) * 2.0 ** (2**e - 1),
                lambda e, f: (2 - 2.0**-f) * 2.0 ** (2**e),
            ),
            "You use the stored exponent as it is. What it stands for is the stored one minus the "
            "bias.",
        ),
        Mistake(
            "fixed_bias",
            (
                lambda e, f: (2 - 2.0**-f) * 2.0 ** (2**e - 2 - 127),
                lambda e, f: (2 - 2.0**-f) * 2.0**127,
            ),
            "You take 127 for the bias of every format. It is that of 8 bits of exponent; with 5 "
            "bits it is 15. Find the rule.",
        ),
        Mistake(
            "of_float16",
            (
                lambda e, f: (2 - 2.0**-f) * 2.0 ** (2**e - 2 - 15),
                lambda e, f: (2 - 2.0**-f) * 2.0**15,
            ),
            "You take 15 for the bias of every format. It is that of 5 bits of exponent; with 8 "
            "bits it is 127. Find the rule.",
        ),
        Mistake(
            "power_is_xor",
            (
                lambda e, f: (2 - 2.0**-f) * 2.0 ** ((2 ^ (e - 1)) - 1),
                lambda e, f: (2 - 2.0**-f) * 2.0 ** (2 ^ (e - 2)),
                lambda e, f: (2 - (2 ^ -f)) * (2 ^ ((2 ^ (e - 1)) - 1)),
                lambda e, f: (2 - (2 ^ -f)) * (2 ^ (2 ** (e - 1) - 1)),
            ),
            "In Python ^ is no power: between two integers it is the exclusive or of their bits. A "
            "power is written with two asterisks.",
        ),
        Mistake(
            "not_the_last",
            lambda e, f: (2 - 2.0 ** (1 - f)) * 2.0 ** (2 ** (e - 1) - 1),
            "Nearly: there is one larger number. The last bit of yours is a 0; in the largest all "
            "bits of the fraction are ones.",
        ),
        Mistake(
            "one_bit_too_many",
            lambda e, f: (2 - 2.0 ** -(f + 1)) * 2.0 ** (2 ** (e - 1) - 1),
            "Your number needs one bit of fraction more than the format has. The hidden 1 stands "
            "before the point and is not one of them.",
        ),
        Mistake(
            "fraction_is_integer",
            (
                lambda e, f: 2.0**f * 2.0 ** (2 ** (e - 1) - 1),
                lambda e, f: (2.0**f - 1) * 2.0 ** (2 ** (e - 1) - 1),
                lambda e, f: (2.0 ** (f + 1) - 1) * 2.0 ** (2 ** (e - 1) - 1),
            ),
            "You used the fraction's bits as a whole number. They stand behind the binary point: "
            "the significand stays below 2.",
        ),
        Mistake(
            "as_e4m3",
            lambda e, f: (2 - 2.0 ** (1 - f)) * 2.0**2 ** (e - 1),
            "You used the exponent field of all ones for numbers, all but one. E4M3 does that; an "
            "IEEE 754 format keeps that field for infinity and NaN.",
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
            lambda e, f: (1 - 2.0**-f) * 2.0 ** (2 ** (e - 1) - 1),
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
        (_codes(0x3F808000, 0x3F818000, 0x3F828000, 0x3F838000, 0x3F808001, 0x3F817FFF),),
        (_codes(0xBDCCCCCD, 0x40490FDB, 0x00000001, 0x3FFFFFFF, 0x80000000),),
        (_codes(0xBF818000),),
    ],
    mistakes=[
        Mistake(
            "one_number_up",
            (
                lambda bits: (bits >> 16) + 1,
                lambda bits: (bits + np.uint32(0x10000)) >> 16,
            ),
            "You always go to the next code, even where the lower half is zero and the number is a "
            "bfloat16 already. Only what is more than half a gap away goes up.",
        ),
        Mistake(
            "precedence",
            (
                lambda bits: bits >> 16 + (bits >> 16 & 1),
                lambda bits: bits + np.uint32(0x7FFF) >> 16 + (bits >> 16 & 1),
                lambda bits: bits >> 16 + 1,
                lambda bits: bits + np.uint32(0x8000) >> 16 + 1,
            ),
            "Python adds before it shifts, so that you shift by 17 bits here and there. Put "
            "parentheses around the shift.",
        ),
        Mistake(
            "numbers_not_codes",
            (
                lambda bits: (to_bfloat16(bits) << np.uint32(16)).view(np.float32),
                lambda bits: (bits & np.uint32(0xFFFF0000)).view(np.float32),
            ),
            "You return the numbers that the codes mean. The codes themselves are asked for, as "
            "whole numbers.",
        ),
        Mistake(
            "cut_not_shifted",
            lambda bits: bits & np.uint32(0xFFFF0000),
            "You set the lower half to zero: that cuts and does not round, and the upper half is "
            "not yet where a 16-bit code has it.",
        ),
        Mistake(
            "a_byte",
            (
                lambda bits: bits >> 8,
                lambda bits: bits >> 24,
                lambda bits: bits >> 23,
                lambda bits: bits >> 15,
            ),
            "You shifted by another number of bits than 16. Half of 32 bits is to be dropped.",
        ),
        Mistake(
            "another_bit_decides",
            lambda bits: (bits + np.uint32(0x7FFF) + (bits >> 17 & 1)) >> 16,
            "Your ties do not always go to the even code. What counts is the last bit that stays, "
            "the lowest of the upper half.",
        ),
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
            (
                lambda bits: bits + np.uint32(0x7FFF) + (bits >> 16 & 1),
                lambda bits: to_bfloat16(bits) << np.uint32(16),
                lambda bits: bits + np.uint32(0x8000),
            ),
            "You rounded but did not drop the lower 16 bits.",
        ),
        Mistake(
            "shifted_the_other_way",
            lambda bits: bits << 16,
            "You shifted to the left, which keeps the lower half and moves it up.",
        ),
        Mistake(
            "plus_before_shift",
            lambda bits: bits >> 16 + (bits & 1),
            "In Python + comes before >>: a >> 16 + b shifts by 16 + b. Put the shift in brackets.",
        ),
        Mistake(
            "all_even",
            lambda bits: ((bits + np.uint32(0x8000)) >> 16) & 0xFFFE,
            "Every code that you return is even. Only in a tie, exactly half-way between two "
            "codes, is the even one taken.",
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
            (
                lambda bits, word: bits**2,
                lambda bits, word: (bits - 1) ** 2,
                lambda bits, word: bits,
                lambda bits, word: bits * -(-bits // word),
            ),
            "You counted single bits. The processor multiplies whole bytes.",
        ),
        Mistake(
            "of_the_word",
            lambda bits, word: word,
            "You counted within one byte. One instruction multiplies a whole byte by a whole byte; "
            "count how many of those a significand needs.",
        ),
        Mistake(
            "result",
            lambda bits, word: 2 * bits,
            "That is how many bits a product has. Asked is how many multiplications it takes.",
        ),
        Mistake(
            "without_hidden_one",
            (
                lambda bits, word: ((bits - 1) / word) ** 2,
                lambda bits, word: ((bits - 1) // word) ** 2,
            ),
            "You left out the hidden 1, or a part of a byte: 23 stored bits and the 1 make 24, and "
            "a byte that is only partly used is multiplied all the same.",
        ),
        Mistake(
            "once",
            lambda bits, word: 1,
            "One multiplication would do if the processor could multiply 24 bits at once. This one "
            "multiplies 8.",
        ),
    ],
)
