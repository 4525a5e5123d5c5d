"""Notebook 06's exercises: answers as students write them, and what each is told."""

import math

import numpy as np
import pytest

from course_utils.numbers import quantization
from course_utils.views import checks
from course_utils.views.checks import check


@pytest.fixture(autouse=True)
def fresh_ledger(monkeypatch):
    monkeypatch.setattr(checks.ledger, "LEDGER", checks.ledger.Ledger())


def affine_with_the_course_s_functions(x_min, x_max, num_bits):
    x_min, x_max = min(x_min, 0), max(x_max, 0)
    qparams = quantization.choose_qparams(x_min, x_max, num_bits)
    return qparams.scale, qparams.zero_point


def affine_as_torch_writes_it(x_min, x_max, num_bits):
    levels = 2**num_bits - 1
    low, high = min(x_min, 0.0), max(x_max, 0.0)
    scale = (high - low) / levels
    return scale, round(-(2 ** (num_bits - 1)) - low / scale)


def affine_257(x_min, x_max, num_bits):
    low, high = min(x_min, 0.0), max(x_max, 0.0)
    scale = (high - low) / 2**num_bits
    return scale, round(-(2 ** (num_bits - 1)) - low / scale)


def affine_clamped(x_min, x_max, num_bits):
    scale = (x_max - x_min) / (2**num_bits - 1)
    zero_point = round(-(2 ** (num_bits - 1)) - x_min / scale)
    return scale, max(-(2 ** (num_bits - 1)), min(2 ** (num_bits - 1) - 1, zero_point))


def affine_float_zero_point(x_min, x_max, num_bits):
    scale, _ = affine_as_torch_writes_it(x_min, x_max, num_bits)
    return scale, -(2 ** (num_bits - 1)) - min(x_min, 0.0) / scale


@pytest.mark.parametrize("answer", [affine_with_the_course_s_functions, affine_as_torch_writes_it])
def test_affine_passes_however_it_is_written(answer):
    assert check("06.affine", answer).state == "passed"


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (affine_257, "one_step_too_many"),
        (affine_clamped, "zero_left_out"),
        (affine_float_zero_point, "zero_point_not_integer"),
        (lambda a, b, n: (max(abs(a), abs(b)) / (2 ** (n - 1) - 1), 0), "symmetric_scale"),
        (lambda a, b, n: affine_as_torch_writes_it(a, b, 8), "always_8_bits"),
        (lambda a, b, n: affine_as_torch_writes_it(a, b, n)[0], "slip:one_part"),
    ],
)
def test_affine_names_the_misconception(answer, mistake):
    result = check("06.affine", answer)
    assert (result.state, result.mistake) == ("not yet", mistake)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda w, b: max(w.max(), -w.min()) / (2 ** (b - 1) - 1), "passed"),
        (lambda w, b: (w.max() - w.min()) / (2**b - 1), "range_over_255"),
        (lambda w, b: abs(w).max() / 2 ** (b - 1), "twice_max_over_255"),
        (lambda w, b: w.max() / (2 ** (b - 1) - 1), "max_without_abs"),
        (lambda w, b: abs(w).max(axis=0) / (2 ** (b - 1) - 1), "per_channel"),
    ],
)
def test_symmetric(answer, mistake):
    result = check("06.symmetric", answer)
    assert mistake == (result.mistake or result.state)


def quantize_one_by_one(x, scale, zero_point, qmin, qmax):
    codes = [math.floor(v / scale + 0.5) + zero_point for v in np.asarray(x).ravel()]
    return np.array([min(max(c, qmin), qmax) for c in codes]).reshape(np.shape(x))


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (quantize_one_by_one, "passed"),
        (lambda x, s, z, lo, hi: np.rint(x / s + z).clip(lo, hi).astype(np.int8), "passed"),
        (lambda x, s, z, lo, hi: np.clip((x / s).astype(int) + z, lo, hi), "truncated"),
        (lambda x, s, z, lo, hi: np.clip(x // s + z, lo, hi), "floored"),
        (lambda x, s, z, lo, hi: np.rint(x / s) + z, "not_clipped"),
        (lambda x, s, z, lo, hi: (np.rint(x / s) + z).astype(int).astype("i1"), "wraps_around"),
        (lambda x, s, z, lo, hi: np.clip(np.rint(x * s) + z, lo, hi), "multiplied"),
        (lambda x, s, z, lo, hi: np.clip(np.rint(x / s) + z, -128, 127), "always_int8"),
        (lambda x, s, z, lo, hi: np.clip(np.rint(x / s), lo, hi) + z, "clipped_before_zero_point"),
    ],
)
def test_quantize(answer, mistake):
    result = check("06.quantize", answer)
    assert mistake == (result.mistake or result.state)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda q, s, z: s * (q.astype("i4") - z), "passed"),
        (lambda q, s, z: np.float32(s) * (np.float32(q) - z), "passed"),
        (lambda q, s, z: (q - z) * s, "overflow"),
        (lambda q, s, z: s * q - z, "zero_point_after"),
        (lambda q, s, z: (q.astype(float) - z) / s, "divided"),
    ],
)
def test_dequantize(answer, mistake):
    result = check("06.dequantize", answer)
    assert mistake == (result.mistake or result.state)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda k, b: abs(k).max((0, 1, 2)) / (2 ** (b - 1) - 1), "passed"),
        (
            lambda k, b: (
                np.array([abs(k[..., i]).max() for i in range(k.shape[-1])]) / (2 ** (b - 1) - 1)
            ),
            "passed",
        ),
        (lambda k, b: abs(k).max() / (2 ** (b - 1) - 1), "one_scale"),
        (lambda k, b: abs(k).max((0, 1, 3)) / (2 ** (b - 1) - 1), "input_channels"),
        (lambda k, b: abs(k).max(-1) / (2 ** (b - 1) - 1), "axis_confused"),
        (lambda k, b: abs(k).max((0, 1)) / (2 ** (b - 1) - 1), "per_position"),
        (lambda k, b: abs(k).max((0, 1, 2)) / 128, "formula"),
    ],
)
def test_channels(answer, mistake):
    result = check("06.channels", answer)
    assert mistake == (result.mistake or (result.state if result.state == "passed" else None))


@pytest.mark.parametrize("id", ["affine", "symmetric", "quantize", "dequantize", "channels"])
def test_a_stub_is_not_attempted(id):
    assert check(f"06.{id}", lambda *args: None).state == "not attempted"


# ------------------------------------------------------------------ written before the declarations


def codes(num_bits):
    return -(2 ** (num_bits - 1)), 2 ** (num_bits - 1) - 1


def affine_that(widen, zero_point, steps=0):
    """A student's function: widen(a, b), zero_point(a, b, scale, qmin, qmax)."""

    def affine(x_min, x_max, num_bits):
        qmin, qmax = codes(num_bits)
        x_min, x_max = widen(x_min, x_max)
        scale = (x_max - x_min) / (qmax - qmin + steps)
        return scale, zero_point(x_min, x_max, scale, qmin, qmax)

    return affine


def both(a, b):
    return min(a, 0), max(b, 0)


@pytest.mark.parametrize(
    "answer",
    [
        affine_that(both, lambda a, b, s, lo, hi: round(hi - b / s)),
        affine_that(both, lambda a, b, s, lo, hi: math.floor(lo - a / s + 0.5)),
        affine_that(both, lambda a, b, s, lo, hi: np.rint(lo - a / s).astype(int)),
        affine_that(both, lambda a, b, s, lo, hi: lo - round(a / s)),
        affine_that(lambda a, b: (a if a < 0 else 0.0, b if b > 0 else 0.0),
                    lambda a, b, s, lo, hi: int(np.clip(np.round(lo - a / s), lo, hi))),
    ],
)  # fmt: skip
def test_affine_in_five_more_forms(answer):
    assert check("06.affine", answer).state == "passed"


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (affine_that(both, lambda a, b, s, lo, hi: math.floor(lo - a / s)), "zero_point_floored"),
        (affine_that(both, lambda a, b, s, lo, hi: math.ceil(lo - a / s)), "zero_point_floored"),
        (affine_that(both, lambda a, b, s, lo, hi: int(lo - a / s)), "zero_point_truncated"),
        (affine_that(both, lambda a, b, s, lo, hi: int(lo - a / s + 0.5)), "half_added_and_cut"),
        (affine_that(lambda a, b: (min(a, 0), b), lambda a, b, s, lo, hi: round(lo - a / s)),
         "one_side_widened"),
        (affine_that(lambda a, b: (a, max(b, 0)), lambda a, b, s, lo, hi: round(lo - a / s)),
         "one_side_widened"),
        (affine_that(both, lambda a, b, s, lo, hi: round(-a / s)), "zero_point_of_unsigned"),
        (affine_that(both, lambda a, b, s, lo, hi: round(lo + a / s)), "sign"),
        (affine_that(both, lambda a, b, s, lo, hi: round(lo - b / s)), "other_end"),
        (affine_that(both, lambda a, b, s, lo, hi: round(lo - a * s)), "multiplied"),
        (affine_that(both, lambda a, b, s, lo, hi: round(lo - a / s), steps=1),
         "one_step_too_many"),
        (affine_that(lambda a, b: (a, b), lambda a, b, s, lo, hi: round(lo - a / s)),
         "zero_left_out"),
    ],
)  # fmt: skip
def test_affine_names_a_dozen_more(answer, mistake):
    assert check("06.affine", answer).mistake == mistake


def affine_with_xor(x_min, x_max, num_bits):
    qmin = -(2 ^ (num_bits - 1))
    qmax = (2 ^ (num_bits - 1)) - 1
    x_min, x_max = both(x_min, x_max)
    scale = (x_max - x_min) / (qmax - qmin)
    return scale, round(qmin - x_min / scale)


def affine_narrow(x_min, x_max, num_bits):
    qmax = 2 ** (num_bits - 1) - 1
    x_min, x_max = both(x_min, x_max)
    scale = (x_max - x_min) / (2 * qmax)
    return scale, round(-qmax - x_min / scale)


@pytest.mark.parametrize(
    ("id", "answer", "mistake"),
    [
        ("affine", affine_with_xor, "power_is_xor"),
        ("affine", affine_narrow, "narrow_range"),
        ("symmetric", lambda w, b: abs(w).max() / ((2 ^ b - 1) - 1), "power_is_xor"),
        ("symmetric", lambda w, b: abs(w).max() / 127, "always_8_bits"),
        ("symmetric", lambda w, b: (w.max() - w.min()) / (2**b - 2), "half_of_the_range"),
        ("symmetric", lambda w, b: abs(w).max() / 2**b, "unsigned"),
        ("symmetric", lambda w, b: abs(w.max()) / (2 ** (b - 1) - 1), "max_without_abs"),
        ("symmetric", lambda w, b: -w.min() / (2 ** (b - 1) - 1), "abs_of_max"),
        ("symmetric", lambda w, b: w.std() / (2 ** (b - 1) - 1), "mean_abs"),
        ("symmetric", lambda w, b: (2 ** (b - 1) - 1) / abs(w).max(), "inverted"),
        ("symmetric", lambda w, b: np.rint(w / (abs(w).max() / (2 ** (b - 1) - 1))),
         "codes_not_scale"),
        ("channels", lambda k, b: np.array([abs(f).max() for f in k]) / (2 ** (b - 1) - 1),
         "first_axis"),
        ("channels", lambda k, b: abs(k.reshape(k.shape[-1], -1)).max(1) / (2 ** (b - 1) - 1),
         "reshaped"),
        ("channels", lambda k, b: abs(k.reshape(-1, k.shape[-1])).max(1) / (2 ** (b - 1) - 1),
         "axis_confused"),
        ("channels", lambda k, b: k.max((0, 1, 2)) / (2 ** (b - 1) - 1), "max_without_abs"),
        ("channels", lambda k, b: abs(k).max((0, 1, 2)) / 127, "always_8_bits"),
        ("channels", lambda k, b: abs(k).max((0, 1, 2)), "maximum_only"),
        ("channels", lambda k, b: k.std((0, 1, 2)) / (2 ** (b - 1) - 1), "typical_weight"),
        ("channels", lambda k, b: np.ptp(k, (0, 1, 2)) / (2**b - 1), "range_over_255"),
        ("channels", lambda k, b: abs(k).max((0, 1, 2)) / (2**b - 1), "unsigned"),
        ("channels", lambda k, b: abs(k).max((0, 1, 2)) / 2 ** (b - 1), "code_128"),
        ("dequantize", lambda q, s, z: q.astype(int) - z, "scale_forgotten"),
        ("dequantize", lambda q, s, z: (q.astype(int) + z) * s, "zero_point_added"),
        ("dequantize", lambda q, s, z: q * s + z, "zero_point_after"),
        ("dequantize", lambda q, s, z: s * (q - z).astype(float), "overflow"),
        ("dequantize", lambda q, s, z: s * (q.astype(np.uint8).astype(int) - z), "unsigned_type"),
        ("dequantize", lambda q, s, z: (s * (q.astype(int) - z)).astype(int), "rounded"),
        ("dequantize", lambda q, s, z: s * (z - q.astype(int)), "sign"),
        ("dequantize", lambda q, s, z: s * q.astype(int), "zero_point_forgotten"),
    ],
)  # fmt: skip
def test_more_answers_are_named(id, answer, mistake):
    result = check(f"06.{id}", answer)
    assert result.state == "not yet"
    assert result.mistake == mistake


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda x, s, z, lo, hi: np.clip(np.floor(x / s) + z, lo, hi), "floored"),
        (lambda x, s, z, lo, hi: np.clip((x / s + 0.5).astype(int) + z, lo, hi),
         "half_added_and_cut"),
        (lambda x, s, z, lo, hi: np.clip((x / s + z + 0.5).astype(int), lo, hi),
         "half_added_and_cut"),
        (lambda x, s, z, lo, hi: np.clip((np.round(x / s) + z).astype(np.int8), lo, hi),
         "wraps_around"),
        (lambda x, s, z, lo, hi: np.clip(np.round(x / s).astype(int).astype(np.int8) + z, lo, hi),
         "wraps_around"),
        (lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, lo, hi - 1), "last_code_lost"),
        (lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, lo, hi + 1), "one_code_too_many"),
        (lambda x, s, z, lo, hi: np.minimum(np.round(x / s) + z, hi), "one_side_clipped"),
        (lambda x, s, z, lo, hi: np.clip(np.round((x - z) / s), lo, hi), "inside_rounding"),
        (lambda x, s, z, lo, hi: np.clip(np.round(x / s) + z, lo, hi).astype(np.uint8),
         "unsigned_type"),
        (lambda x, s, z, lo, hi: np.clip(x / s + z, lo, hi), "not_rounded"),
        (lambda x, s, z, lo, hi: s * (np.clip(np.round(x / s) + z, lo, hi) - z),
         "reconstructed"),
        (lambda x, s, z, lo, hi: np.where(x / s + z > hi, 0, np.where(
            x / s + z < lo, 0, np.round(x / s) + z)), "set_to_zero"),
    ],
)  # fmt: skip
def test_quantize_names_a_dozen_more(answer, mistake):
    assert check("06.quantize", answer).mistake == mistake


@pytest.mark.parametrize(
    ("id", "answer"),
    [
        ("symmetric", lambda w, b: np.linalg.norm(w.ravel(), np.inf) / (2 ** (b - 1) - 1)),
        ("symmetric", lambda w, b: max(float(abs(v)) for v in w.flat) / (2 ** (b - 1) - 1)),
        ("symmetric", lambda w, b: 2 * abs(w).max() / (2**b - 2)),
        ("symmetric", lambda w, b: np.float32(abs(w).max() / (2 ** (b - 1) - 1))),
        ("symmetric", lambda w, b: np.sqrt((w.astype(float) ** 2).max()) / ((1 << b - 1) - 1)),
        ("quantize", lambda x, s, z, lo, hi: np.maximum(np.minimum(np.round(x / s + z), hi), lo)),
        ("quantize", lambda x, s, z, lo, hi: np.floor(x / s + 0.5).clip(lo - z, hi - z) + z),
        ("quantize", lambda x, s, z, lo, hi: np.clip(np.around(x * (1 / s)) + z, lo, hi)),
        ("quantize", lambda x, s, z, lo, hi: np.round(
            np.clip(x, s * (lo - z), s * (hi - z)) / s) + z),
        ("quantize", lambda x, s, z, lo, hi: np.vectorize(
            lambda v: min(max(round(v / s) + z, lo), hi))(x)),
        ("dequantize", lambda q, s, z: np.subtract(q, z, dtype=np.int16) * s),
        ("dequantize", lambda q, s, z: q * s - z * s),
        ("dequantize", lambda q, s, z: np.array([s * (int(v) - z) for v in q])),
        ("dequantize", lambda q, s, z: (q.astype(np.float32) - z) * np.float32(s)),
        ("dequantize", lambda q, s, z: s * (q - np.int32(z))),
        ("channels", lambda k, b: abs(k.reshape(-1, k.shape[-1])).max(0) / (2 ** (b - 1) - 1)),
        ("channels", lambda k, b: abs(k).max(0).max(0).max(0) / (2 ** (b - 1) - 1)),
        ("channels", lambda k, b: np.array([abs(f).max() for f in np.moveaxis(k, -1, 0)])
         / (2 ** (b - 1) - 1)),
        ("channels", lambda k, b: np.maximum(k.max((0, 1, 2)), -k.min((0, 1, 2)))
         / (2 ** (b - 1) - 1)),
        ("channels", lambda k, b: np.abs(k).max(axis=tuple(range(k.ndim - 1)))
         / np.float32(2 ** (b - 1) - 1)),
    ],
)  # fmt: skip
def test_right_answers_in_unusual_form_pass(id, answer):
    result = check(f"06.{id}", answer)
    assert result.state == "passed", result.says
