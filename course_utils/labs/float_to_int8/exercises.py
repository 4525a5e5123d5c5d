"""Exercises of notebook 06: the scale, the zero point, and the way to a code and back."""

from __future__ import annotations

import numpy as np

from course_utils.views.checks import Mistake, exercise


def _codes(num_bits):
    return -(2 ** (num_bits - 1)), 2 ** (num_bits - 1) - 1


def affine(x_min, x_max, num_bits):
    """(scale, zero_point) of an affine scheme: codes -2^(b-1) to 2^(b-1) - 1."""
    qmin, qmax = _codes(num_bits)
    x_min, x_max = min(x_min, 0.0), max(x_max, 0.0)
    scale = (x_max - x_min) / (qmax - qmin)
    return scale, int(np.round(qmin - x_min / scale))


def _affine_of(scale, zero_point, widen=True):
    """The affine scheme with one of its two formulas replaced."""

    def wrong(x_min, x_max, num_bits):
        qmin, qmax = _codes(num_bits)
        if widen:
            x_min, x_max = min(x_min, 0.0), max(x_max, 0.0)
        s = scale(x_min, x_max, qmin, qmax)
        return s, zero_point(x_min, x_max, qmin, qmax, s)

    return wrong


def _affine_with(codes):
    """The affine scheme with other smallest and largest codes."""

    def wrong(x_min, x_max, num_bits):
        (lo, hi), a, b = codes(num_bits), min(x_min, 0.0), max(x_max, 0.0)
        s = (b - a) / (hi - lo)
        return s, int(np.round(lo - a / s))

    return wrong


def _affine_as_widened(widened, clipped):
    """The affine scheme with the range widened below, above, or not."""

    def wrong(x_min, x_max, num_bits):
        below, above = widened
        lo, hi = _codes(num_bits)
        a, b = min(x_min, 0.0) if below else x_min, max(x_max, 0.0) if above else x_max
        s = (b - a) / (hi - lo)
        z = int(np.round(lo - a / s))
        return s, min(max(z, lo), hi) if clipped else z

    return wrong


def _scale(x_min, x_max, qmin, qmax):
    return (x_max - x_min) / (qmax - qmin)


def _zero(x_min, x_max, qmin, qmax, s):
    return int(np.round(qmin - x_min / s))


exercise(
    "06.affine",
    affine,
    may_pass=("half_away", "abs_of"),  # no case is a tie, on purpose; bits have no sign
    cases=[
        (-1.0, 2.0, 8),
        (0.0, 6.0, 8),
        (-0.61, 1.47, 4),
        (-3.1, 0.0, 8),
        (0.5, 2.0, 8),
        (-2.0, -0.3, 5),
        (-0.8, 1.5, 8),
        (-1.7, 0.9, 8),
        (-1.5, 0.8, 8),
        (-0.9, 2.2, 8),
    ],
    mistakes=[
        Mistake(
            "one_step_too_many",
            tuple(
                _affine_of(lambda a, b, lo, hi, n=n: (b - a) / (hi - lo + n), zero)
                for n in (1, 2)
                for zero in (_zero, lambda a, b, lo, hi, s: int(np.round(lo - a / s)))
            ),
            "Your scale divides the range by the number of codes. Between 256 codes there are 255 "
            "steps: with a step of range/256 the largest value would need a 257th code.",
        ),
        Mistake(
            "symmetric_scale",
            tuple(
                _affine_of(lambda a, b, lo, hi: max(-a, b) / hi, zero)
                for zero in (_zero, lambda *_: 0)
            ),
            "Your scale is max|x| / qmax, which belongs to the symmetric scheme. Here the codes "
            "cover the range from x_min to x_max, so the scale is its width over the number of "
            "steps.",
        ),
        Mistake(
            "zero_left_out",
            tuple(
                _affine_of(_scale, zero, widen=False)
                for zero in (
                    _zero,
                    lambda a, b, lo, hi, s: int(np.clip(np.round(lo - a / s), lo, hi)),
                )
            ),
            "Right as long as the range holds zero. For 0.5 to 2.0 it does not, and zero needs a "
            "code, since padding and ReLU produce it. Widen the range to zero first. (To clip the "
            "zero point instead moves every value by the same wrong amount.)",
        ),
        Mistake(
            "one_side_widened",
            tuple(
                _affine_as_widened(widened, narrow)
                for widened in ((True, False), (False, True))
                for narrow in (False, True)
            ),
            "You widen the range on one side only. A range of positive numbers leaves out zero "
            "below, one of negative numbers above: both can happen.",
        ),
        Mistake(
            "power_is_xor",
            (
                _affine_with(lambda b: (-(2 ^ (b - 1)), (2 ^ (b - 1)) - 1)),
                _affine_with(lambda b: (-(2 ^ (b - 1)), 2 ^ (b - 2))),
                _affine_with(lambda b: (-2 ^ (b - 1), (2 ^ (b - 1)) - 1)),
                _affine_with(lambda b: (-2 ^ (b - 1), 2 ^ (b - 2))),
            ),
            "In Python ^ is no power: between two integers it is the exclusive or of their bits. A "
            "power is written with two asterisks.",
        ),
        Mistake(
            "narrow_range",
            _affine_with(lambda b: (-(2 ** (b - 1)) + 1, 2 ** (b - 1) - 1)),
            "You leave out the smallest code, -2^(b-1). That is the narrow range of the symmetric "
            "scheme; the affine one uses every code.",
        ),
        Mistake(
            "one_bit_too_many",
            _affine_with(lambda b: (-(2**b), 2**b - 1)),
            "Your codes are twice as many: one of the b bits tells the sign, so that the largest "
            "code is 2^(b-1) - 1.",
        ),
        Mistake(
            "zero_point_not_integer",
            _affine_of(_scale, lambda a, b, lo, hi, s: lo - a / s),
            "Your zero point is not a whole number. It is a code, the one that means exactly zero: "
            "round it.",
        ),
        Mistake(
            "zero_point_truncated",
            _affine_of(_scale, lambda a, b, lo, hi, s: int(lo - a / s)),
            "You cut the fraction off (int does). The nearest code is wanted: round.",
        ),
        Mistake(
            "zero_point_floored",
            (
                _affine_of(_scale, lambda a, b, lo, hi, s: int(np.floor(lo - a / s))),
                _affine_of(_scale, lambda a, b, lo, hi, s: int(np.ceil(lo - a / s))),
                _affine_of(_scale, lambda a, b, lo, hi, s: (lo - a / s) // 1),
            ),
            "Your zero point always goes to the same side (by floor or ceil, or as x_min / S "
            "was cut off before it was subtracted). The nearest code is wanted.",
        ),
        Mistake(
            "half_added_and_cut",
            (
                _affine_of(_scale, lambda a, b, lo, hi, s: int(lo - a / s + 0.5)),
                _affine_of(_scale, lambda a, b, lo, hi, s: lo - int(a / s + 0.5)),
            ),
            "Adding a half and then cutting the fraction off rounds positive numbers only: int "
            "cuts towards zero, and so a negative number ends one code too high.",
        ),
        Mistake(
            "zero_point_of_unsigned",
            _affine_of(_scale, lambda a, b, lo, hi, s: int(np.round(-a / s))),
            "Your zero point counts from 0, as unsigned codes do. Signed codes begin at qmin: "
            "x_min must get the code qmin.",
        ),
        Mistake(
            "sign",
            _affine_of(_scale, lambda a, b, lo, hi, s: int(np.round(lo + a / s))),
            "The sign of x_min / S is turned round: when x_min is negative, zero lies above it, so "
            "its code is larger than qmin.",
        ),
        Mistake(
            "other_end",
            (
                _affine_of(_scale, lambda a, b, lo, hi, s: int(np.round(lo - b / s))),
                _affine_of(_scale, lambda a, b, lo, hi, s: int(np.round(hi - a / s))),
            ),
            "You put one end of the range at the code of the other end. x_min belongs to qmin, "
            "x_max to qmax.",
        ),
        Mistake(
            "multiplied",
            _affine_of(_scale, lambda a, b, lo, hi, s: int(np.round(lo - a * s))),
            "You multiply x_min by the scale. How many steps it is from zero is x_min / S.",
        ),
        Mistake(
            "zero_point_is_zero",
            _affine_of(_scale, lambda *_: 0),
            "Your zero point is always 0. That is the symmetric scheme; in the affine one it is "
            "the code that x = 0 falls on.",
        ),
        Mistake(
            "middle",
            _affine_of(_scale, lambda a, b, lo, hi, s: int(np.round(-(a + b) / 2 / s))),
            "Your zero point puts the middle of the range at code 0. Put x_min at qmin: the codes "
            "-128 to 127 have their middle at -0.5.",
        ),
        Mistake(
            "scale_inverted",
            tuple(
                _affine_of(lambda a, b, lo, hi: (hi - lo) / (b - a), zero)
                for zero in (
                    _zero,
                    lambda a, b, lo, hi, s: int(np.round(lo - a * s)),
                )
            ),
            "Your scale is upside down: it counts codes per unit. S is the distance between two "
            "neighbouring codes in real numbers.",
        ),
        Mistake(
            "always_8_bits",
            lambda a, b, num_bits: affine(a, b, 8),
            "You use -128 to 127 for any number of bits. b bits give the codes -2^(b-1) to "
            "2^(b-1) - 1.",
        ),
        Mistake(
            "swapped",
            lambda *args: affine(*args)[::-1],
            "Both numbers are right, in the wrong order: first the scale, then the zero point.",
        ),
    ],
)


def symmetric_scale(weights, num_bits):
    """S of a symmetric scheme in narrow range: codes -(2^(b-1) - 1) to 2^(b-1) - 1."""
    return np.max(np.abs(weights)) / (2 ** (num_bits - 1) - 1)


def _filters(seed, shape, spreads, mean=0.0):
    """A kernel whose filters (the last axis) have these spreads."""
    rng = np.random.default_rng(seed)
    return (rng.normal(mean, 1, shape) * np.asarray(spreads)).astype(np.float32)


exercise(
    "06.symmetric",
    symmetric_scale,
    cases=[
        (np.array([-0.5, 0.0, 2.0]), 8),
        (np.array([-3.0, 1.0, 0.25]), 8),
        (np.array([-0.9, -0.4, -0.1]), 5),
        (_filters(1, (3, 3, 2, 4), [0.1, 0.3, 0.2, 0.5], -0.4), 4),
        (_filters(2, (6, 5), [0.1, 0.3, 0.2, 0.5, 0.6], 0.3), 6),
    ],
    mistakes=[
        Mistake(
            "range_over_255",
            lambda w, b: np.ptp(w) / (2**b - 1),
            "You divide the range, maximum minus minimum, by the number of steps. That is the "
            "affine scheme's scale. In the symmetric one zero has the code 0, and the larger side "
            "alone must fit between 0 and qmax.",
        ),
        Mistake(
            "twice_max_over_255",
            (
                lambda w, b: 2 * np.max(np.abs(w)) / (2**b - 1),
                lambda w, b: 2 * np.max(np.abs(w)) / 2**b,
                lambda w, b: np.max(np.abs(w)) / 2 ** (b - 1),
            ),
            "Your codes would begin at -128: max|w| would then need the code 127.5 or 128, which "
            "does not exist. In the narrow range -127 to 127 both signs have as many codes, and "
            "max|w| gets the largest.",
        ),
        Mistake(
            "half_of_the_range",
            lambda w, b: np.ptp(w) / 2 / (2 ** (b - 1) - 1),
            "You take half of the range. Zero has the code 0 here, so that the side that is "
            "farther from zero must fit; half of the range is less, unless both sides are equal.",
        ),
        Mistake(
            "power_is_xor",
            (
                lambda w, b: np.max(np.abs(w)) / ((2 ^ (b - 1)) - 1),
                lambda w, b: np.max(np.abs(w)) / (2 ^ (b - 2)),
            ),
            "In Python ^ is no power: between two integers it is the exclusive or of their bits. A "
            "power is written with two asterisks.",
        ),
        Mistake(
            "always_8_bits",
            lambda w, b: np.max(np.abs(w)) / 127,
            "You divide by 127 whatever the number of bits is. That is the largest code of 8 bits; "
            "b bits reach 2^(b-1) - 1.",
        ),
        Mistake(
            "max_without_abs",
            (
                lambda w, b: np.max(w) / (2 ** (b - 1) - 1),
                lambda w, b: np.abs(np.max(w)) / (2 ** (b - 1) - 1),
            ),
            "You take the largest weight without its sign in mind: where the most negative one is "
            "larger in magnitude, it would be clipped. Take the absolute value first.",
        ),
        Mistake(
            "abs_of_max",
            lambda w, b: np.abs(np.min(w)) / (2 ** (b - 1) - 1),
            "You look only at the most negative weight. The largest magnitude counts, on "
            "whichever side.",
        ),
        Mistake(
            "codes_not_scale",
            (
                lambda w, b: np.round(w / symmetric_scale(w, b)),
                lambda w, b: w / symmetric_scale(w, b),
            ),
            "You return the weights in steps of the scale. The scale itself is asked for, one "
            "number.",
        ),
        Mistake(
            "inverted",
            lambda w, b: (2 ** (b - 1) - 1) / np.max(np.abs(w)),
            "Your scale is upside down: codes per unit. S is the distance between two codes in "
            "real numbers.",
        ),
        Mistake(
            "mean_abs",
            (
                lambda w, b: np.mean(np.abs(w)) / (2 ** (b - 1) - 1),
                lambda w, b: np.std(w) / (2 ** (b - 1) - 1),
                lambda w, b: np.median(np.abs(w)) / (2 ** (b - 1) - 1),
                lambda w, b: abs(np.mean(w)) / (2 ** (b - 1) - 1),
            ),
            "You scale by a typical weight. Everything beyond it would be clipped; LiteRT takes "
            "the largest magnitude, so that nothing is.",
        ),
        Mistake(
            "bits_not_codes",
            lambda w, b: np.max(np.abs(w)) / b,
            "You divide by the number of bits. b bits reach the code 2^(b-1) - 1.",
        ),
        Mistake(
            "unsigned",
            (
                lambda w, b: np.max(np.abs(w)) / (2**b - 1),
                lambda w, b: np.max(np.abs(w)) / 2**b,
            ),
            "You divide by 2^b - 1 or 2^b, as if all codes were positive. One bit goes to the "
            "sign: the largest code is 2^(b-1) - 1.",
        ),
        Mistake(
            "per_channel",
            (
                lambda w, b: np.max(np.abs(w), axis=-1) / (2 ** (b - 1) - 1),
                lambda w, b: np.max(np.abs(w), axis=tuple(range(w.ndim - 1))) / (2 ** (b - 1) - 1),
                lambda w, b: np.max(np.abs(w), axis=0) / (2 ** (b - 1) - 1),
            ),
            "You get one scale for each channel. Here one scale serves the whole tensor; channels "
            "come later in this notebook.",
        ),
        Mistake(
            "a_scale_for_each_weight",
            (
                lambda w, b: np.abs(w) / (2 ** (b - 1) - 1),
                lambda w, b: w / (2 ** (b - 1) - 1),
            ),
            "You get a scale for every weight. One serves them all, and the largest magnitude "
            "decides it.",
        ),
    ],
)


def quantize(x, scale, zero_point, qmin, qmax):
    """Codes of x: integers from qmin to qmax."""
    return np.clip(np.round(x / scale) + zero_point, qmin, qmax)


def _wrapped(dtype):
    """Converted to 8 bits before anything is clipped, in the ways that people write it."""
    return (
        lambda x, s, z, lo, hi: np.clip(
            (np.round(x / s) + z).astype(np.int64).astype(dtype), lo, hi
        ),
        lambda x, s, z, lo, hi: np.clip((np.round(x / s) + z).astype(dtype), lo, hi),
        lambda x, s, z, lo, hi: np.clip(np.round(x / s).astype(np.int64).astype(dtype) + z, lo, hi),
        lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, lo, hi).astype(np.int64).astype(dtype),
    )[: 3 if dtype is np.int8 else 4]


def _outside(x, s, z, lo, hi, code):
    """Codes in range as they are, all others this one."""
    q = np.round(x / s) + z
    return np.where((q < lo) | (q > hi), code, q)


_X = np.array([-9.0, -1.26, -0.74, -0.1, 0.0, 0.3, 0.88, 1.13, 7.0, 40.0])

exercise(
    "06.quantize",
    quantize,
    may_pass=("half_up", "half_away", "too_late"),  # no case is a tie: libraries differ
    cases=[
        (np.array([-1.3, -0.2, 0.0, 0.9, 3.4, 99.0]), 0.5, 0, -8, 7),
        (_X, 0.05, -10, -128, 127),
        (_X, 0.11, 3, -127, 127),
        (np.array([-7.0, -0.77, 1.9, 2.3, 0.45]), 0.2, 1, -8, 7),
        (_filters(3, (4, 5), [0.1, 0.3, 0.2, 0.5, 0.6]), 0.004, 0, -127, 127),
    ],
    mistakes=[
        Mistake(
            "truncated",
            (
                lambda x, s, z, lo, hi: np.clip(np.trunc(x / s) + z, lo, hi),
                lambda x, s, z, lo, hi: np.clip((x / s + z).astype(int), lo, hi),
                lambda x, s, z, lo, hi: np.trunc(np.clip(x / s + z, lo, hi)),
            ),
            "You cut the fraction off (astype(int) does that). The nearest code is wanted: "
            "truncation makes the largest error twice as large, and pulls every value towards "
            "zero.",
        ),
        Mistake(
            "half_added_and_cut",
            (
                lambda x, s, z, lo, hi: np.clip(np.trunc(x / s + 0.5) + z, lo, hi),
                lambda x, s, z, lo, hi: np.clip(np.trunc(x / s + z + 0.5), lo, hi),
            ),
            "Adding a half and then cutting the fraction off rounds positive numbers only: int "
            "and astype(int) cut towards zero, and so a negative number ends one code too high.",
        ),
        Mistake(
            "floored",
            (
                lambda x, s, z, lo, hi: np.clip(np.floor(x / s) + z, lo, hi),
                lambda x, s, z, lo, hi: np.clip(x // s + z, lo, hi),
                lambda x, s, z, lo, hi: np.clip(np.ceil(x / s) + z, lo, hi),
            ),
            "You always round to the same side. The nearest code is wanted; this one makes the "
            "largest error twice as large and shifts every value the same way.",
        ),
        Mistake(
            "not_clipped",
            lambda x, s, z, lo, hi: np.round(x / s) + z,
            "Values outside the range get codes that do not exist. Clip to qmin and qmax: they "
            "saturate.",
        ),
        Mistake(
            "wraps_around",
            (
                lambda x, s, z, lo, hi: (np.round(x / s) + z).astype(np.int64).astype(np.int8),
                lambda x, s, z, lo, hi: (np.round(x / s).astype(np.int64) + z).astype(np.int8),
                lambda x, s, z, lo, hi: (np.round(x / s) + z - lo) % (hi - lo + 1) + lo,
                *_wrapped(np.int8),
            ),
            "Values outside the range wrap around: something large and positive becomes negative, "
            "and clipping afterwards does not notice. Clip before you convert to 8 bits.",
        ),
        Mistake(
            "unsigned_type",
            _wrapped(np.uint8),
            "You convert to uint8, which has no negative numbers: -1 becomes 255. Signed codes of "
            "8 bits are int8.",
        ),
        Mistake(
            "one_side_clipped",
            (
                lambda x, s, z, lo, hi: np.maximum(np.round(x / s) + z, lo),
                lambda x, s, z, lo, hi: np.minimum(np.round(x / s) + z, hi),
            ),
            "You clip on one side only. A number can be out of range above and below.",
        ),
        Mistake(
            "clipped_the_wrong_way",
            (
                lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, hi, lo),
                lambda x, s, z, lo, hi: np.maximum(np.round(x / s) + z, hi),
                lambda x, s, z, lo, hi: np.minimum(np.round(x / s) + z, lo),
                lambda x, s, z, lo, hi: np.minimum(np.maximum(np.round(x / s) + z, hi), lo),
            ),
            "Your clipping has its ends exchanged: nothing may be below qmin, nothing above qmax.",
        ),
        Mistake(
            "last_code_lost",
            (
                lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, lo, hi - 1),
                lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, lo + 1, hi),
                lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, lo + 1, hi - 1),
            ),
            "You stop one code early. qmin and qmax are codes themselves: the smallest and the "
            "largest that there are.",
        ),
        Mistake(
            "one_code_too_many",
            (
                lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, lo, hi + 1),
                lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, lo - 1, hi),
                lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, lo - 1, hi + 1),
            ),
            "You go one code too far. qmin and qmax are the smallest and the largest code that "
            "there are.",
        ),
        Mistake(
            "set_to_zero",
            (
                lambda x, s, z, lo, hi: _outside(x, s, z, lo, hi, 0),
                lambda x, s, z, lo, hi: _outside(x, s, z, lo, hi, z),
            ),
            "What is out of range becomes zero with your rule. It should get the code that is "
            "nearest: the first or the last.",
        ),
        Mistake(
            "clipped_before_zero_point",
            lambda x, s, z, lo, hi: np.clip(np.round(x / s), lo, hi) + z,
            "You clip and then add the zero point, which moves codes out of the range again. Clip "
            "last.",
        ),
        Mistake(
            "real_clipped",
            lambda x, s, z, lo, hi: np.round(np.clip(x, lo, hi) / s) + z,
            "You clip the real values to qmin and qmax. Those are codes: clip the codes.",
        ),
        Mistake(
            "zero_point_forgotten",
            lambda x, s, z, lo, hi: np.clip(np.round(x / s), lo, hi),
            "The zero point is missing: x = 0 must get the code Z.",
        ),
        Mistake(
            "zero_point_subtracted",
            lambda x, s, z, lo, hi: np.clip(np.round(x / s) - z, lo, hi),
            "You subtract the zero point. From r = S (q - Z) follows q = r / S + Z.",
        ),
        Mistake(
            "multiplied",
            lambda x, s, z, lo, hi: np.clip(np.round(x * s) + z, lo, hi),
            "You multiply by the scale. S is the width of a step: how many steps go into x is "
            "x / S.",
        ),
        Mistake(
            "not_rounded",
            lambda x, s, z, lo, hi: np.clip(x / s + z, lo, hi),
            "Your codes have fractions. A code is a whole number: round.",
        ),
        Mistake(
            "rounded_too_early",
            lambda x, s, z, lo, hi: np.clip(np.round(np.round(x) / s) + z, lo, hi),
            "You round x before you divide. Round once, when it is counted in steps.",
        ),
        Mistake(
            "scale_forgotten",
            lambda x, s, z, lo, hi: np.clip(np.round(x) + z, lo, hi),
            "The scale is missing: how many steps S go into x is what the code counts.",
        ),
        Mistake(
            "reconstructed",
            lambda x, s, z, lo, hi: s * (quantize(x, s, z, lo, hi) - z),
            "You return the reconstructed real values. The codes themselves are asked for.",
        ),
        Mistake(
            "inside_rounding",
            (
                lambda x, s, z, lo, hi: np.clip(np.round((x + z) / s), lo, hi),
                lambda x, s, z, lo, hi: np.clip(np.round((x - z) / s), lo, hi),
            ),
            "You move x by the zero point. It is a code, not a real number: divide by S first.",
        ),
        Mistake(
            "always_int8",
            lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, -128, 127),
            "You clip to -128 and 127 whatever qmin and qmax are: in the narrow range, and with "
            "fewer bits, those codes do not exist.",
        ),
    ],
)


def dequantize(q, scale, zero_point):
    """The real numbers that the codes q stand for."""
    return scale * (np.asarray(q).astype(np.int64) - zero_point)


_Q = np.array([-1, 127, 0, -128, 64, -77, 1], dtype=np.int8)

exercise(
    "06.dequantize",
    dequantize,
    cases=[
        (np.array([-3, 7, 0, -8], dtype=np.int8), 0.5, 2),
        (_Q, 0.02, -128),
        (_Q, 0.3, 17),
        (np.array([5, -100, 90, 3], dtype=np.int8), 0.25, 4),
    ],
    mistakes=[
        Mistake(
            "overflow",
            lambda q, s, z: s * (q - z),
            "q is an int8 array, and so is your difference: 127 - (-128) is 255, which 8 bits do "
            "not hold, and it wraps around to -1. Convert q to a wider type first, as every int8 "
            "kernel does.",
        ),
        Mistake(
            "zero_point_after",
            (
                lambda q, s, z: s * q.astype(float) - z,
                lambda q, s, z: s * q.astype(float) + z,
            ),
            "You subtract or add the zero point after multiplying by S. Z is a code: subtract it "
            "from q first.",
        ),
        Mistake(
            "zero_point_added",
            lambda q, s, z: s * (q.astype(float) + z),
            "You add the zero point. Quantizing added it; here it goes away again: the code Z "
            "means zero.",
        ),
        Mistake(
            "zero_point_forgotten",
            lambda q, s, z: s * q.astype(float),
            "The zero point is missing: the code Z must give exactly 0.",
        ),
        Mistake(
            "scale_forgotten",
            lambda q, s, z: q.astype(float) - z,
            "The scale is missing: q - Z counts steps, and each is S wide.",
        ),
        Mistake(
            "unsigned_type",
            (
                lambda q, s, z: s * (q.astype(np.uint8).astype(float) - z),
                lambda q, s, z: s * (q.astype(np.uint8).astype(np.uint8) - np.uint8(z % 256)),
            ),
            "You convert q to an unsigned type: its negative codes become large positive ones.",
        ),
        Mistake(
            "divided",
            lambda q, s, z: (q.astype(float) - z) / s,
            "You divide by S. q - Z counts steps, and each is S wide: multiply.",
        ),
        Mistake(
            "sign",
            lambda q, s, z: s * (z - q.astype(float)),
            "The difference is turned round: positive numbers have codes above Z.",
        ),
        Mistake(
            "rounded",
            (
                lambda q, s, z: np.round(s * (q.astype(float) - z)),
                lambda q, s, z: np.trunc(s * (q.astype(float) - z)),
            ),
            "You rounded the real numbers. What is lost was lost when quantizing; here nothing is "
            "rounded.",
        ),
        Mistake(
            "clipped_to_int8",
            lambda q, s, z: s * np.clip(q.astype(np.int32) - z, -128, 127),
            "You clip q - Z to int8. A difference of two codes may be as large as 255, and it is a "
            "number on the way, not a code: nothing is clipped here.",
        ),
    ],
)


def channel_scales(kernel, num_bits):
    """One symmetric scale for each output channel of a convolution's kernel (its last axis)."""
    return np.max(np.abs(kernel), axis=(0, 1, 2)) / (2 ** (num_bits - 1) - 1)


exercise(
    "06.channels",
    channel_scales,
    cases=[
        (_filters(4, (1, 1, 2, 3), [0.1, 1.0, 0.4]), 8),
        (_filters(5, (3, 3, 4, 4), [0.1, 0.3, 0.2, 0.5]), 8),
        (_filters(6, (3, 2, 3, 5), [0.1, 0.3, 0.2, 0.5, 0.7]), 4),
    ],
    mistakes=[
        Mistake(
            "one_scale",
            lambda w, b: np.max(np.abs(w)) / (2 ** (b - 1) - 1),
            "That is one scale for the whole tensor. Leave the last axis, the filters, out of the "
            "maximum.",
        ),
        Mistake(
            "input_channels",
            (
                lambda w, b: np.max(np.abs(w), axis=(0, 1, 3)) / (2 ** (b - 1) - 1),
                lambda w, b: np.max(np.abs(w), axis=(0, 1, 3), keepdims=True) / (2 ** (b - 1) - 1),
            ),
            "You have one scale for each input channel. Products of different input channels are "
            "added in one accumulator, which therefore needs one scale; every output channel has "
            "an accumulator of its own. Keep the last axis.",
        ),
        Mistake(
            "first_axis",
            (
                lambda w, b: np.max(np.abs(w), axis=(1, 2, 3)) / (2 ** (b - 1) - 1),
                lambda w, b: np.max(np.abs(w), axis=(0, 2, 3)) / (2 ** (b - 1) - 1),
            ),
            "You have one scale for each row or column of the filter window (a loop over the "
            "kernel goes along its first axis, the height). The filters are the last axis.",
        ),
        Mistake(
            "reshaped",
            lambda w, b: np.max(np.abs(w.reshape(w.shape[-1], -1)), axis=1) / (2 ** (b - 1) - 1),
            "As many scales as filters, but each is over a mixture of them: reshape cuts the "
            "numbers in the order in which they lie, and the filters' axis changes fastest.",
        ),
        Mistake(
            "always_8_bits",
            lambda w, b: np.max(np.abs(w), axis=(0, 1, 2)) / 127,
            "You divide by 127 whatever the number of bits is. That is the largest code of 8 bits; "
            "b bits reach 2^(b-1) - 1.",
        ),
        Mistake(
            "power_is_xor",
            (
                lambda w, b: np.max(np.abs(w), axis=(0, 1, 2)) / ((2 ^ (b - 1)) - 1),
                lambda w, b: np.max(np.abs(w), axis=(0, 1, 2)) / (2 ^ (b - 2)),
            ),
            "In Python ^ is no power: between two integers it is the exclusive or of their bits. A "
            "power is written with two asterisks.",
        ),
        Mistake(
            "typical_weight",
            (
                lambda w, b: np.mean(np.abs(w), axis=(0, 1, 2)) / (2 ** (b - 1) - 1),
                lambda w, b: np.std(w, axis=(0, 1, 2)) / (2 ** (b - 1) - 1),
            ),
            "You scale by each filter's typical weight. Everything beyond it would be clipped: "
            "take the largest magnitude.",
        ),
        Mistake(
            "inverted",
            lambda w, b: (2 ** (b - 1) - 1) / np.max(np.abs(w), axis=(0, 1, 2)),
            "Your scales are upside down: codes per unit. S is the distance between two codes in "
            "real numbers.",
        ),
        Mistake(
            "maximum_only",
            lambda w, b: np.max(np.abs(w), axis=(0, 1, 2)),
            "That is the largest magnitude of each filter. The scale is the width of one step: "
            "divide by the largest code.",
        ),
        Mistake(
            "unsigned",
            (
                lambda w, b: np.max(np.abs(w), axis=(0, 1, 2)) / (2**b - 1),
                lambda w, b: np.max(np.abs(w), axis=(0, 1, 2)) / 2**b,
            ),
            "You divide as if all codes were positive. One bit goes to the sign: the largest code "
            "is 2^(b-1) - 1.",
        ),
        Mistake(
            "axis_confused",
            (
                lambda w, b: (
                    np.max(np.abs(w.reshape(-1, w.shape[-1])), axis=1) / (2 ** (b - 1) - 1)
                ),
                lambda w, b: np.max(np.abs(w), axis=-1) / (2 ** (b - 1) - 1),
                lambda w, b: np.max(np.abs(w), axis=3) / (2 ** (b - 1) - 1),
            ),
            "You took the maximum over the filters. NumPy's axis says which axes disappear; the "
            "filters must stay, so name all the others.",
        ),
        Mistake(
            "per_position",
            (
                lambda w, b: np.max(np.abs(w), axis=(0, 1)) / (2 ** (b - 1) - 1),
                lambda w, b: np.max(np.abs(w), axis=0) / (2 ** (b - 1) - 1),
                lambda w, b: np.max(np.abs(w), axis=2) / (2 ** (b - 1) - 1),
                lambda w, b: np.max(np.abs(w), axis=(1, 2)) / (2 ** (b - 1) - 1),
            ),
            "You keep more than the filters' axis. One number for each filter: the maximum goes "
            "over height, width and input channels together.",
        ),
        Mistake(
            "max_without_abs",
            (
                lambda w, b: np.max(w, axis=(0, 1, 2)) / (2 ** (b - 1) - 1),
                lambda w, b: np.abs(np.min(w, axis=(0, 1, 2))) / (2 ** (b - 1) - 1),
            ),
            "You look at one side of zero only. A filter's most negative weight may be its largest "
            "in magnitude, or its most positive one: take absolute values first.",
        ),
        Mistake(
            "range_over_255",
            lambda w, b: np.ptp(w, axis=(0, 1, 2)) / (2**b - 1),
            "Range over the number of steps is the affine scale. LiteRT's per-channel scales are "
            "symmetric.",
        ),
        Mistake(
            "code_128",
            (
                lambda w, b: np.max(np.abs(w), axis=(0, 1, 2)) / 2 ** (b - 1),
                lambda w, b: 2 * np.max(np.abs(w), axis=(0, 1, 2)) / (2**b - 1),
            ),
            "The largest weight would need the code 128 (or 127.5). The largest code there is, is "
            "2^(b-1) - 1.",
        ),
        Mistake(
            "keepdims",
            lambda w, b: np.max(np.abs(w), axis=(0, 1, 2), keepdims=True) / (2 ** (b - 1) - 1),
            "The right numbers with three axes of length 1 too many. Return one scale per filter, "
            "an array of one axis.",
        ),
        Mistake(
            "abs_too_late",
            lambda w, b: np.abs(np.max(w, axis=tuple(range(w.ndim - 1)))) / (2 ** (b - 1) - 1),
            "You take the maximum first and its absolute value then. A channel whose smallest "
            "weight lies farther from zero than its largest gets too small a scale.",
        ),
    ],
)
