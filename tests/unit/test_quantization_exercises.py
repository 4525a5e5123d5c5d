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
        (lambda a, b, n: affine_as_torch_writes_it(a, b, n)[0], None),
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
        (lambda k, b: abs(k).max((0, 1, 2)) / 128, None),
    ],
)
def test_channels(answer, mistake):
    result = check("06.channels", answer)
    assert mistake == (result.mistake or (result.state if result.state == "passed" else None))


@pytest.mark.parametrize("id", ["affine", "symmetric", "quantize", "dequantize", "channels"])
def test_a_stub_is_not_attempted(id):
    assert check(f"06.{id}", lambda *args: None).state == "not attempted"
