"""What students write in notebooks 08 and 09, in other code than the declared mistakes.

Whoever wrote these answers had declared the mistakes before: they guard what is named, and say
nothing about answers that nobody has seen. Each wrong one has the misconception that has to be
named; the right ones are in unusual forms.
"""

import math

import numpy as np
import pytest

from course_utils.labs.post_training_quantization import scenes as techniques
from course_utils.views import checks
from course_utils.views.checks import check


@pytest.fixture(autouse=True)
def fresh_ledger(monkeypatch):
    monkeypatch.setattr(checks.ledger, "LEDGER", checks.ledger.Ledger())


# --- 09.fake_quantize -----------------------------------------------------------------------


def scale_of(w, bits):
    return max(-w.min(), w.max()) / (2 ** (bits - 1) - 1)


def int8_codes(w, bits):
    return np.rint(w / scale_of(w, bits)).astype(np.int8)


def whole_division(w, bits):
    s = scale_of(w, bits)
    return w // s * s


def cast_to_int(w, bits):
    s = scale_of(w, bits)
    return (w / s).astype(int) * s


def half_and_cast(w, bits):
    s = scale_of(w, bits)
    return (w / s + 0.5).astype(int) * s


def half_up(w, bits):
    s = scale_of(w, bits)
    return np.floor(w / s + 0.5) * s


def by_levels(w, bits):
    levels = np.linspace(-np.abs(w).max(), np.abs(w).max(), 2**bits - 1)
    return levels[np.abs(w[..., None] - levels).argmin(axis=-1)]


def one_by_one(w, bits):
    s = scale_of(w, bits)
    return np.array([round(float(v) / s) * s for v in w.ravel()]).reshape(w.shape)


def with_clip(w, bits):
    q = 2 ** (bits - 1) - 1
    s = np.abs(w).max() / q
    return np.clip(np.rint(w / s), -q, q) * s


WRONG = [
    ("09.fake_quantize", int8_codes, "codes"),
    ("09.fake_quantize", whole_division, "truncated"),
    ("09.fake_quantize", cast_to_int, "truncated"),
    ("09.fake_quantize", half_and_cast, "halves_truncated"),
    ("09.fake_quantize", lambda w, b: np.round(w / (s := w.max() / (2**(b - 1) - 1))) * s,
     "without_abs"),
    ("09.fake_quantize", lambda w, b: np.round(w / (s := abs(w).max() / 2**(b - 1))) * s,
     "two_to_the_bits"),
    ("09.fake_quantize", lambda w, b: np.round(w / (s := abs(w).max() / (2**b - 1))) * s,
     "unsigned"),
    ("09.fake_quantize", lambda w, b: np.round(w / (s := (w.max() - w.min()) / (2**b - 1))) * s,
     "range_over_codes"),
    ("09.fake_quantize", lambda w, b: np.rint(w * scale_of(w, b)) / scale_of(w, b), "wrong_way"),
    ("09.fake_quantize", lambda w, b: np.round(w / scale_of(w, 8)) * scale_of(w, 8), "always_8"),
    ("09.fake_quantize", lambda w, b: np.round(w, b), "decimals"),
    ("09.fake_quantize", lambda w, b: (np.round(w / scale_of(w, b)), scale_of(w, b)),
     "codes_and_scale"),
    # 09.straight_through
    ("09.straight_through", lambda g, x, a, b: g * ((x > a) & (x < b)), "ends_outside"),
    ("09.straight_through", lambda g, x, a, b: g * (x >= a) * (x < b), "ends_outside"),
    ("09.straight_through", lambda g, x, a, b: np.where((x >= a) | (x <= b), g, 0), "everywhere"),
    ("09.straight_through", lambda g, x, a, b: g * (x <= b), "one_sided"),
    ("09.straight_through", lambda g, x, a, b: g * (x > a), "one_sided"),
    ("09.straight_through", lambda g, x, a, b: np.where((x < a) | (x > b), g, 0), "upside_down"),
    ("09.straight_through", lambda g, x, a, b: np.where((g >= a) & (g <= b), g, 0),
     "mask_on_upstream"),
    ("09.straight_through", lambda g, x, a, b: np.maximum(g, 0), "mask_on_upstream"),
    ("09.straight_through", lambda g, x, a, b: np.minimum(np.maximum(g, a), b),
     "clipped_gradient"),
    ("09.straight_through", lambda g, x, a, b: ((x >= a) & (x <= b)).astype(float), "ones"),
    ("09.straight_through", lambda g, x, a, b: 0 * g, "true_gradient"),
    ("09.straight_through", lambda g, x, a, b: g * x * ((x >= a) & (x <= b)), "times_x"),
    ("09.straight_through", lambda g, x, a, b: g[(x >= a) & (x <= b)], "left_out"),
    ("09.straight_through", lambda g, x, a, b: np.where(abs(x) <= b, g, 0), "symmetric"),
    # 09.fold
    ("09.fold", lambda k, g, v, e: k * g / (v + e), "variance"),
    ("09.fold", lambda k, g, v, e: g * k / v**0.5, "no_epsilon"),
    ("09.fold", lambda k, g, v, e: k * g / (v**0.5 + e), "epsilon_outside"),
    ("09.fold", lambda k, g, v, e: k / np.sqrt(v + e), "no_gamma"),
    ("09.fold", lambda k, g, v, e: k * (g * np.sqrt(v + e)), "multiplied"),
    ("09.fold", lambda k, g, v, e: (g / np.sqrt(v + e))[:, None] * k, "inputs_axis"),
    ("09.fold", lambda k, g, v, e: g / np.sqrt(v + e), "factor_only"),
    ("09.fold", lambda k, g, v, e: k * (g / np.sqrt(v + e)).mean(), "whole_kernel"),
    ("09.fold", lambda k, g, v, e: k / (g * np.sqrt(v + e)), "divided_by_gamma"),
    ("09.fold", lambda k, g, v, e: k * g / np.sqrt(k.var() + e), "own_variance"),
    ("09.fold", lambda k, g, v, e: k * g / np.sqrt(v**2 + e), "squared"),
    ("09.fold", lambda k, g, v, e: k * g / np.sqrt(v * e), "epsilon_sign"),
]  # fmt: skip

RIGHT = [
    ("09.fake_quantize", half_up),
    ("09.fake_quantize", by_levels),
    ("09.fake_quantize", one_by_one),
    ("09.fake_quantize", with_clip),
    ("09.fake_quantize", lambda w, bits: np.rint(w / scale_of(w, bits)) * scale_of(w, bits)),
    ("09.straight_through", lambda g, x, a, b: g * ((x >= a) & (x <= b))),
    ("09.straight_through", lambda g, x, a, b: g * (np.clip(x, a, b) == x)),
    ("09.straight_through", lambda g, x, a, b: np.where(x < a, 0, np.where(x > b, 0, g))),
    ("09.straight_through", lambda g, x, a, b: g * (abs(x - (a + b) / 2) <= (b - a) / 2 + 1e-12)),
    ("09.straight_through", lambda g, x, a, b: np.vectorize(
        lambda u, v: u if a <= v <= b else 0.0)(g, x)),
    ("09.fold", lambda k, g, v, e: k * (g * (v + e) ** -0.5)),
    ("09.fold", lambda k, g, v, e: k / np.sqrt((v + e) / g**2) * np.sign(g)),
    ("09.fold", lambda k, g, v, e: k @ np.diag(g / np.sqrt(v + e))),
    ("09.fold", lambda k, g, v, e: np.einsum("...o,o->...o", k, g / np.sqrt(v + e))),
    ("09.fold", lambda k, g, v, e: np.stack(
        [k[..., i] * g[i] / math.sqrt(v[i] + e) for i in range(len(g))], axis=-1)),
]  # fmt: skip


# --- 08.paired ------------------------------------------------------------------------------

WRONG += [
    ("08.paired", lambda b, a: ((a & ~b).sum(), (b & ~a).sum()), "swapped"),
    ("08.paired", lambda b, a: ((~b).sum(), (~a).sum()), "totals"),
    ("08.paired", lambda b, a: (b.sum(), a.sum()), "totals"),
    ("08.paired", lambda b, a: b.sum() - a.sum(), "net"),
    ("08.paired", lambda b, a: ((b & a).sum(), (~b & ~a).sum()), "agreeing"),
    ("08.paired", lambda b, a: (b ^ a).sum(), "one_sum"),
    ("08.paired", lambda b, a: ((b | ~a).sum(), (a | ~b).sum()), "either"),
    ("08.paired", lambda b, a: ((b & ~a).mean(), (a & ~b).mean()), "shares"),
    ("08.paired", lambda b, a: (np.where(b & ~a)[0], np.where(a & ~b)[0]), "arrays"),
    ("08.paired", lambda b, a: np.sum(b & ~a), "only_wrong"),
]
RIGHT += [
    ("08.paired", lambda b, a: (int(np.sum(b > a)), int(np.sum(b < a)))),
    ("08.paired", lambda b, a: (np.count_nonzero(b & ~a), np.count_nonzero(a & ~b))),
    ("08.paired", lambda b, a: (b.sum() - (b & a).sum(), a.sum() - (b & a).sum())),
    ("08.paired", lambda b, a: (sum(p and not q for p, q in zip(b, a, strict=True)),
                                sum(q and not p for p, q in zip(b, a, strict=True)))),
    ("08.paired", lambda b, a: (len(set(np.flatnonzero(b)) - set(np.flatnonzero(a))),
                                len(set(np.flatnonzero(a)) - set(np.flatnonzero(b))))),
]  # fmt: skip


# --- 08.spare -------------------------------------------------------------------------------


def greedy(key, stop=False, whole=False, first=False, strict=False, any_loss=False):
    """A student's loop over sorted layers, with one thing wrong."""

    def choose(loss, extra, budget):
        kept, spent = [], 0
        for i in sorted(range(len(loss)), key=lambda i: key(loss[i], extra[i])):
            if loss[i] <= 0 and not any_loss:
                continue
            if first:
                if spent >= budget:
                    break
            elif (0 if whole else spent) + extra[i] + (1 if strict else 0) > budget:
                if stop:
                    break
                continue
            kept.append(i)
            spent += extra[i]
        return np.isin(np.arange(len(loss)), kept)

    return choose


def ratio(loss, extra):
    return -loss / extra


def cumulative(loss, extra, budget):
    order = np.argsort(loss / extra)[::-1]
    fits = np.cumsum(extra[order]) <= budget
    kept = np.zeros(len(loss), bool)
    kept[order[fits]] = True
    return kept & (loss > 0)


def flags_of(indices, n):
    return [i in indices for i in range(n)]


def recursive(loss, extra, budget):
    left = [i for i in range(len(loss)) if loss[i] > 0]
    kept = set()
    while left:
        best = max(left, key=lambda i: loss[i] / extra[i])
        left.remove(best)
        if extra[best] <= budget:
            kept.add(best)
            budget -= extra[best]
    return np.array(flags_of(kept, len(loss)))


WRONG += [
    ("08.spare", greedy(lambda loss, extra: -loss), "most_points_first"),
    ("08.spare", greedy(lambda loss, extra: extra), "cheapest_first"),
    ("08.spare", greedy(lambda loss, extra: 0), "as_they_come"),
    ("08.spare", greedy(lambda loss, extra: loss / extra), "worst_first"),
    ("08.spare", greedy(ratio, stop=True), "stops_too_early"),
    ("08.spare", cumulative, "stops_too_early"),
    ("08.spare", greedy(ratio, whole=True), "budget_not_spent"),
    ("08.spare", greedy(ratio, first=True), "over_budget"),
    ("08.spare", greedy(ratio, strict=True), "exact_fit_refused"),
    ("08.spare", greedy(ratio, any_loss=True), "harmless_spared"),
    ("08.spare", lambda *a: ~recursive(*a), "inverted"),
    ("08.spare", lambda *a: np.flatnonzero(recursive(*a)), "numbers_of_layers"),
]
RIGHT += [
    ("08.spare", greedy(ratio)),
    ("08.spare", recursive),
    ("08.spare", greedy(lambda loss, extra: -loss / extra * 1000)),
    ("08.spare", lambda loss, extra, budget: np.array(
        recursive(list(loss), list(extra), float(budget)))),
    ("08.spare", greedy(lambda loss, extra: extra / loss if loss > 0 else math.inf)),
]  # fmt: skip


@pytest.mark.parametrize(("id", "answer", "mistake"), WRONG)
def test_a_wrong_answer_is_named(id, answer, mistake):
    result = check(id, answer)
    assert (result.state, result.mistake) == ("not yet", mistake), result


@pytest.mark.parametrize(("id", "answer"), RIGHT)
def test_a_right_answer_in_another_form_passes(id, answer):
    assert check(id, answer).state == "passed"


def test_ten_wrong_and_five_right_ones_of_each():
    for id in ("08.paired", "08.spare", "09.fake_quantize", "09.straight_through", "09.fold"):
        assert sum(row[0] == id for row in WRONG) >= 10
        assert sum(row[0] == id for row in RIGHT) >= 5


# --- 08.device ------------------------------------------------------------------------------

GOOD = {"accelerator": "int8", "phone GPU": "float16", "Cortex-M4F": "int8"}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({}, "passed"),
        ({"accelerator": "int16x8"}, "sixteen_bits"),
        ({"accelerator": "dynamic"}, "floats_on_integers"),
        ({"accelerator": "float16"}, "floats_on_integers"),
        ({"phone GPU": "int8"}, "needs_data"),
        ({"phone GPU": "dynamic"}, "hybrid_needs_integers"),
        ({"phone GPU": "float32"}, "too_large"),
        ({"Cortex-M4F": "float32"}, "too_large"),
        ({"Cortex-M4F": "dynamic"}, "tflm_refuses"),
        ({"Cortex-M4F": "float16"}, "tflm_refuses"),
        ({"Cortex-M4F": "int16x8"}, "sixteen_bits"),
        ({"Cortex-M4F": "int4"}, "unknown_technique"),
        ({"phone GPU": ...}, "missing"),
        (dict.fromkeys(GOOD, ...), "not attempted"),
        ("int8", "not_a_dictionary"),
    ],
)
def test_a_technique_for_each_device(changes, told):
    answer = {**GOOD, **changes} if isinstance(changes, dict) else changes
    result = check("08.device", answer, reasons=techniques.reasons())
    assert told == (result.mistake or result.state)


def test_each_device_leaves_one_technique_and_names_the_others():
    reasons = techniques.reasons()
    left = {device: [mode for mode, against in modes.items() if not against]
            for device, modes in reasons.items()}  # fmt: skip
    assert left == {device: [mode] for device, mode in GOOD.items()}
    assert check("08.device", GOOD, reasons=reasons).says.count("Not ") == 12
