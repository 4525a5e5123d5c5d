"""Predictions, exercises and the tables: what a student sees for each thing they might do."""

import inspect
import re
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import labs
from course_utils.labs.weight_distributions.exercises import exponents_used
from course_utils.numbers import pruning
from course_utils.views import checks
from course_utils.views.checks import (
    Exercise,
    Measured,
    check,
    predict,
    scoreboard,
)


@pytest.fixture(autouse=True)
def fresh_ledger(monkeypatch):
    monkeypatch.setattr(checks.ledger, "LEDGER", checks.ledger.Ledger())


# ------------------------------------------------------------------- the registry as a whole

labs.modules("exercises")
DECLARED = {id: e for id, e in checks.exercises.JUDGES.items() if isinstance(e, Exercise)}


def context_of(id):
    """What an exercise that asks for one value is asked about here: its last worked example."""
    exercise = DECLARED.get(id)
    if exercise is None or exercise.function:
        return {}
    names = inspect.signature(exercise.right).parameters
    return dict(zip(names, exercise.cases[-1], strict=True))


PAYLOAD = {"model_bytes": 225_034, "kbit_per_s": 250}


def answer_of(id, function):
    """What a student gives who computes `function`: itself, or its value."""
    return function if DECLARED[id].function else function(**context_of(id))


def ways(mistake):
    return mistake.gives if isinstance(mistake.gives, tuple) else (mistake.gives,)


@pytest.mark.parametrize("id", DECLARED)
def test_the_right_computation_passes(id):
    result = check(id, answer_of(id, DECLARED[id].right), **context_of(id))
    assert result.state == "passed", result


@pytest.mark.parametrize(
    ("id", "mistake", "way"),
    [
        pytest.param(id, m, way, id=f"{id}-{m.name}-{i}")
        for id, e in DECLARED.items()
        for m in e.mistakes
        for i, way in enumerate(ways(m))
    ],
)
def test_every_declared_mistake_is_told_from_right_and_from_all_others(id, mistake, way):
    names = list(DECLARED[id].right.__code__.co_varnames[: DECLARED[id].right.__code__.co_argcount])
    context = context_of(id)
    answer = way if DECLARED[id].function else way(*(context[name] for name in names))
    result = check(id, answer, **context)
    assert (result.state, result.mistake) == ("not yet", mistake.name)


def test_names_of_mistakes_are_unique_and_sentences_end():
    for exercise in DECLARED.values():
        names = [m.name for m in exercise.mistakes]
        assert len(set(names)) == len(names)
        for mistake in exercise.mistakes:
            assert re.search(r"[.)]$", mistake.says)
            assert not mistake.says.endswith(" ")


# ----------------------------------------- answers as students write them, one per misconception


def threshold_over_channels(weights, s):
    return s * weights.std(axis=(0, 1, 2))


def threshold_by_hand(weights, s):
    flat = np.asarray(weights, dtype=float).ravel()
    mean = sum(flat) / len(flat)
    return s * (sum((w - mean) ** 2 for w in flat) / len(flat)) ** 0.5


def threshold_without_root(weights, s):
    return s * ((weights - weights.mean()) ** 2).mean()


def threshold_of_a_sample(weights, s):
    return s * np.sqrt(((weights - weights.mean()) ** 2).sum() / (weights.size - 1))


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (threshold_without_root, "variance"),
        (threshold_over_channels, "per_channel"),
        (threshold_of_a_sample, "sample_std"),
        (lambda w, s: s * abs(w).mean(), "mean_abs"),
        (lambda w, s: s * max(w.max(), -w.min()), "max_abs"),
        (lambda w, s: w.std(), "s_forgotten"),
        (lambda w, s: float(s), "sigma_forgotten"),
        (lambda w, s: s * float(np.sqrt((w.astype(float) ** 2).mean())), "root_mean_square"),
        (lambda w, s: round(float(s * np.std(w)), 2), "rounded"),
        (lambda w, s: np.std(np.abs(w)) * s, "std_of_abs"),
        (lambda w, s: np.sort(abs(w).ravel())[int(s * (w.size - 1))], None),
    ],
)
def test_threshold_names_the_misconception(answer, mistake):
    result = check("02.threshold", answer)
    assert (result.state, result.mistake) == ("not yet", mistake)


@pytest.mark.parametrize(
    "answer",
    [
        threshold_by_hand,
        lambda w, s: s * np.std(w),
        lambda weights, s=1.0: np.float32(s) * weights.std(),
        lambda w, s: np.sqrt(np.var(w)) * s,
    ],
)
def test_threshold_passes_however_it_is_written(answer):
    assert check("02.threshold", answer).state == "passed"


def mask_in_a_loop(weights, threshold):
    mask = np.zeros(weights.shape, dtype=bool)
    for place in np.ndindex(weights.shape):
        mask[place] = abs(weights[place]) > threshold
    return mask


def mask_that_prunes_in_place(weights, threshold):
    weights[np.abs(weights) <= threshold] = 0
    return weights != 0


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda w, t: w > t, "no_abs"),
        (lambda w, t: ~(np.abs(w) < t), "greater_equal"),
        (lambda w, t: np.logical_not(np.abs(w) > t), "inverted"),
        (lambda w, t: (w >= -t) & (w <= t), "inverted"),
        (lambda w, t: w * (np.abs(w) > t), "pruned_weights"),
        (lambda w, t: np.where(np.abs(w) > t), "indices"),
        (lambda w, t: np.where(np.abs(w) > t, 1, 0), "numbers"),
        (lambda w, t: np.array([abs(x) > t for x in w.ravel()]), "flat"),
        (lambda w, t: w**2 > t, "squared"),
        (lambda w, t: int((np.abs(w) > t).sum()), "count"),
        (mask_that_prunes_in_place, "changes_input"),
    ],
)
def test_mask_names_the_misconception(answer, mistake):
    result = check("02.mask", answer)
    assert (result.state, result.mistake) == ("not yet", mistake)


@pytest.mark.parametrize(
    "answer", [mask_in_a_loop, lambda w, t: (w > t) | (w < -t), pruning.magnitude_mask]
)
def test_mask_passes_however_it_is_written(answer):
    assert check("02.mask", answer).state == "passed"


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (225_034 / 250_000, "bytes_for_bits"),
        (225_034 * 8 / 256_000, "kilo_is_1024"),
        (225_034 / 1024 * 8 / 250, "kilo_is_1024"),
        (225_034 * 8 / 250, "kilo_forgotten"),
        (225_034 / 250, None),  # bytes for bits and the kilo forgotten: told by the worked example
        (225_034 * 8 / 250_000 / 60, "minutes"),
    ],
)
def test_payload_names_the_misconception(answer, mistake):
    result = check("00.payload", answer, model_bytes=225_034, kbit_per_s=250)
    assert (result.state, result.mistake) == ("not yet", mistake)
    assert check("00.payload", 7.2, model_bytes=225_034, kbit_per_s=250).state == "passed"


def test_macs_counts_what_the_network_does():
    """14 x 14 positions, 3 x 3 x 16 weights, 32 filters, a multiply-accumulate each."""
    shapes = {"output_shape": (14, 14, 32), "input_shape": (14, 14, 16), "kernel_size": (3, 3)}
    assert check("00.macs", 14 * 14 * 3 * 3 * 16 * 32, **shapes).state == "passed"
    assert check("00.macs", 2 * 14 * 14 * 3 * 3 * 16 * 32, **shapes).mistake == "twice"
    assert check("00.macs", 14 * 14 * 3 * 3 * 32, **shapes).mistake == "no_input_channels"
    assert check("00.macs", 3 * 3 * 16 * 32 + 32, **shapes).mistake == "parameters"
    assert check("00.macs", 1, **shapes).says.startswith("1 is less than it should be.")


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda w, k: (np.abs(w) < 1).mean(), None),  # ignores k
        (lambda w, k: (np.abs(w) < k).mean(), "sigma_is_1"),
        (lambda w, k: (w < k * w.std()).mean(), "no_abs"),
        (lambda w, k: (np.abs(w) <= k * w.std()).mean(), "mean_not_subtracted"),
        (lambda w, k: 100 * (np.abs(w - w.mean()) <= k * w.std()).mean(), "percent"),
        (lambda w, k: (np.abs(w - w.mean()) > k * w.std()).mean(), "outside"),
    ],
)
def test_share_names_the_misconception(answer, mistake):
    result = check("01.share", answer)
    assert (result.state, result.mistake) == ("not yet", mistake)


@pytest.mark.parametrize(
    ("answer", "mistake"),
    [
        (lambda w: 256, "all_patterns"),
        (lambda w: len(set(np.frexp(w)[1].ravel())), "zero_counted"),
        (lambda w: len({np.floor(np.log2(x)) for x in w.ravel() if x > 0}), "positive_only"),
        (lambda w: len(np.unique(np.round(np.log2(np.abs(w[w != 0]))))), "rounded"),
        (lambda w: len(np.unique(np.floor(np.log2(np.abs(w[w != 0]))))), None),
    ],
)
def test_exponents_name_the_misconception(answer, mistake):
    result = check("01.bits", answer)
    assert result.mistake == mistake
    assert (result.state == "passed") == (mistake is None)


def test_exponents_used_counts_what_the_bits_say():
    """frexp against the exponent field of the float32 bit pattern."""
    weights = np.random.default_rng(0).normal(0, 0.05, 1000).astype(np.float32)
    weights[:7] = 0
    fields = (weights[weights != 0].view(np.uint32) >> 23) & 0xFF
    assert exponents_used(weights) == len(np.unique(fields))


# ----------------------------------------------------------------------------- 02.budget

SIZES = {"conv1": 100, "conv2": 4_900, "dense1": 45_000}
COST = {"conv1": 0.10, "conv2": 0.03, "dense1": 0.01}


def evaluate(choice):
    """A made-up network: a layer's sparsity is s / 3, and sparsity costs accuracy by layer."""
    for layer in SIZES:
        if layer not in choice:
            raise KeyError(f"There is no s for layer {layer!r}.")
    sparsity = {layer: min(1.0, choice[layer] / 3) for layer in SIZES}
    total = sum(sparsity[layer] * size for layer, size in SIZES.items()) / sum(SIZES.values())
    loss = sum(COST[layer] * share for layer, share in sparsity.items())
    return SimpleNamespace(
        sparsity=total, accuracy=0.9 - loss, best_accuracy=0.888, layer_sparsity=sparsity
    )


@pytest.mark.parametrize(
    ("answer", "state", "mistake"),
    [
        ({"conv1": 0.0, "conv2": 0.6, "dense1": 2.7}, "passed", None),
        ({"conv1": ..., "conv2": ..., "dense1": ...}, "not attempted", None),
        ({"conv1": 1.0, "conv2": None, "dense1": 1.0}, "not attempted", None),
        ({}, "not yet", "not_a_dict"),
        ([2.4, 2.4, 2.4], "not yet", "not_a_dict"),
        (2.4, "not yet", "not_a_dict"),
        ({"conv1": -1, "conv2": 2, "dense1": 2}, "not yet", "s_not_a_number"),
        ({"conv1": "1", "conv2": 2, "dense1": 2}, "not yet", "s_not_a_number"),
        ({"conv1": float("nan"), "conv2": 2, "dense1": 2}, "not yet", "s_not_a_number"),
        ({"conv1": 1, "conv2": 2}, "not yet", "not_evaluated"),
        ({"conv1": 0.8, "conv2": 0.8, "dense1": 0.8}, "not yet", "s_is_sparsity"),
        ({"conv1": 3.0, "conv2": 3.0, "dense1": 1.5}, "not yet", "mean_of_layers"),
        ({"conv1": 0.5, "conv2": 1.0, "dense1": 2.0}, "not yet", "below_target"),
        ({"conv1": 2.9, "conv2": 2.9, "dense1": 2.8}, "not yet", "beyond_target"),
        ({"conv1": 2.9, "conv2": 2.9, "dense1": 2.9}, "not yet", "one_s"),
        ({"conv1": 2.4, "conv2": 2.4, "dense1": 2.4}, "not yet", "one_s"),
        ({"conv1": 2.0, "conv2": 2.3, "dense1": 2.4122}, "not yet", "sensitive_layer"),
    ],
)
def test_budget(answer, state, mistake):
    result = check("02.budget", answer, evaluate=evaluate, target=0.8)
    assert (result.state, result.mistake) == (state, mistake), result


def test_budget_says_what_one_layer_costs_and_not_which():
    answer = {"conv1": 2.0, "conv2": 2.3, "dense1": 2.4122}
    says = check("02.budget", answer, evaluate=evaluate, target=0.8).says
    assert "6.7 percentage points" in says
    assert not any(layer in says for layer in SIZES)  # prediction 02.sensitive asks that


def test_budget_can_be_spoilt_by_every_layer_a_little():
    def flat(choice):
        loss = 0.008 * sum(s > 0 for s in choice.values())
        return SimpleNamespace(sparsity=0.81, accuracy=0.9 - loss, best_accuracy=0.9)

    answer = {"a": 1.0, "b": 1.1}
    result = check("02.budget", answer, evaluate=flat, target=0.8)
    assert result.mistake == "several_layers"


# ------------------------------------------------------------- what check does with any answer


def stub(weights, s): ...


def stub_returning_ellipsis(weights, s):
    return ...


def half_filled_stub(weights, s):
    sigma = ...
    return s * sigma


@pytest.mark.parametrize("answer", [None, ..., stub, stub_returning_ellipsis, half_filled_stub])
def test_stubs_are_not_attempted(answer):
    result = check("02.threshold", answer)
    assert result.state == "not attempted"
    assert str(result).startswith("○ 02.threshold: not attempted")


def test_value_stubs_are_not_attempted():
    for answer in (None, ...):
        result = check("00.payload", answer, **PAYLOAD)
        assert str(result) == "○ 00.payload: not attempted"


def raises_inside(weights, s):
    sigma = np.std(weights)
    return s * sigma.no_such_name


def test_an_exception_is_told_with_its_type_and_line():
    result = check("02.threshold", raises_inside)
    line = raises_inside.__code__.co_firstlineno + 2
    assert result.state == "not yet"
    assert "stops with AttributeError" in result.says
    assert f"in line {line} of its cell (return s * sigma.no_such_name)" in result.says
    assert "Traceback" not in str(result)


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda w: w, "is called with 2 arguments, magnitude_threshold(weights, s)"),
        (0.5, "asks for the function itself, not for 0.5"),
        (np.zeros((3, 3, 2, 4)), "an array of float64 with shape (3, 3, 2, 4)"),
    ],
)
def test_what_is_no_such_function(answer, says):
    result = check("02.threshold", answer)
    assert result.state == "not yet"
    assert says in result.says


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (lambda: 7.2, "Call it, and give what it returns."),
        ("7.2 s", "one number, not for '7.2 s'"),
        ([7.2], "one number, not for [7.2]"),
        (float("nan"), "nan is not a finite number"),
        (object(), "one number, not for an object"),
        (True, "one number, not for True"),
    ],
)
def test_what_is_no_number(answer, says):
    result = check("00.payload", answer, **PAYLOAD)
    assert result.state == "not yet"
    assert says in result.says
    assert "0x" not in str(result)


def test_an_unknown_mistake_gets_the_smallest_counterexample():
    result = check("02.mask", lambda w, t: np.abs(w) > 3 * t)
    assert result.mistake is None
    assert result.says == (
        "For magnitude_mask(weights=[-2., -1.,  0.,  1.,  2.], threshold=1)\n"
        "expected: [ True, False, False, False,  True]\n"
        "yours:    [False, False, False, False, False]"
    )


def test_an_array_too_large_to_print_shows_where_it_first_differs():
    result = check("02.mask", lambda w, t: np.abs(w) > 1.5 * t)  # right in both small cases
    assert "weights=an array of float32 with shape (3, 3, 2, 4), threshold=0.125" in result.says
    assert re.search(r"\d+ of 72 entries differ, first at \[\d, \d, \d, \d\]: ", result.says)
    assert "expected True, yours False" in result.says


@pytest.mark.parametrize(
    "answer",
    [
        lambda w, t: "kept",
        lambda w, t: [[1], [2, 3]],
        lambda w, t: object(),
        lambda w, t: lambda: 1,
        lambda w, t: {"a": 1},
        lambda w, t: (True, False),
        lambda w, t: np.array(["a", "b"]),
        lambda w, t: (x for x in w),
        lambda w, t: 1 / 0,
        lambda w, t: [].pop(),
        lambda w, t: np.full(w.shape, np.nan),
        lambda *everything: np.abs(everything[0]).sum() > everything[1],
        print,
        int,
    ],
)
def test_no_answer_is_strange_enough_to_raise_or_to_show_an_address(answer):
    result = check("02.mask", answer)
    assert result.state in ("not yet", "not attempted")
    assert "0x" not in str(result)
    assert str(check("02.mask", answer)) == str(result)


@given(
    st.one_of(
        st.none(),
        st.integers(),
        st.floats(),
        st.text(),
        st.lists(st.integers()),
        st.dictionaries(st.text(), st.floats()),
    )
)
def test_check_never_raises_in_a_student_notebook(answer):
    for id in checks.exercises.JUDGES:
        context = context_of(id)
        if id == "02.budget":
            context = {"evaluate": evaluate, "target": 0.8}
        if id == "08.tflm":
            context = {"truth": {"float32", "int8"}}
        if id == "08.selective":
            context = {"evaluate": {None: 40, "a": 60}.get, "sizes": {"a": 9}}
        if id == "11.send":
            context = {"files": {"int8": (9, True), "float16": (8, False)}}
        if id == "03.choose":
            context = {"runs": {"a": {"sparsity": 0.5, "validation": 0.1, "test": 0.2}}}
        assert check(id, answer, **context).state != "cannot check"


def test_students_never_reach_the_reference_arrays():
    before = [[np.copy(a) for a in case] for case in DECLARED["02.mask"].cases]

    def vandal(weights, threshold):
        weights[...] = 7
        return weights > 0

    check("02.mask", vandal)
    for was, case in zip(before, DECLARED["02.mask"].cases, strict=True):
        for a, b in zip(was, case, strict=True):
            np.testing.assert_array_equal(a, b)
    assert check("02.mask", pruning.magnitude_mask).state == "passed"


def test_an_unknown_exercise_names_the_nearest():
    result = check("02.treshold", 1)
    assert str(result) == (
        "! 02.treshold: cannot check: There is no exercise '02.treshold'. "
        "Did you mean '02.threshold'?"
    )


def test_a_missing_context_is_told():
    assert "'kbit_per_s'" in check("00.payload", 1.0, model_bytes=1).says


def test_an_exercise_is_declared_once():
    with pytest.raises(ValueError, match="declared twice"):
        checks.judge("02.mask")(len)


def test_solution_notebooks_raise_unless_passed(tmp_path, monkeypatch):
    folder = tmp_path / "solutions"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert check("02.mask", pruning.magnitude_mask).state == "passed"
    with pytest.raises(AssertionError, match="not yet: You keep only large positive weights"):
        check("02.mask", lambda w, t: w > t)
    with pytest.raises(AssertionError, match="not attempted"):
        check("02.mask", ...)
    with pytest.raises(AssertionError, match="There is no exercise"):
        check("02.musk", pruning.magnitude_mask)
    with pytest.raises(AssertionError, match="The check itself failed"):
        check("00.payload", 1.0)


def test_a_result_shows_symbol_word_and_text_and_escapes():
    bundle = check("02.mask", lambda w, t: w > t)._repr_mimebundle_()
    assert bundle["text/plain"].startswith("✗ 02.mask: not yet: You keep")
    assert "✗ not yet" in bundle["text/html"]
    assert "<b>" not in check("00.payload", "<b>", **PAYLOAD)._html()


# -------------------------------------------------------------------------------- predict


def test_commit_locks_and_reveals():
    calls = []

    def reveal():
        calls.append(1)
        return "conv1"

    widget = predict(
        "02.sensitive", "Which layer?", ["conv1", "dense1"], reveal=reveal, because="It is small."
    )
    assert widget.result is None
    assert not calls, "the measurement is made when the guess is committed, not before"
    prediction = widget.commit("dense1")
    assert calls == [1]
    assert (prediction.state, prediction.guess, prediction.measured) == (
        "missed",
        "dense1",
        "conv1",
    )
    assert widget._kind.field.disabled
    assert widget._commit.disabled
    shown = widget._answer.value
    for text in ("✗ missed", "dense1", "conv1", "It is small.", 'aria-live="assertive"'):
        assert text in shown
    with pytest.raises(ValueError, match="committed already"):
        widget.commit("conv1")


def test_the_button_does_what_commit_does():
    widget = predict("a", "Which?", ["x", "y"], reveal="x")
    widget._commit.click()
    assert "Choose one of the answers first" in widget._answer.value
    assert 'role="alert"' in widget._answer.value
    widget._kind.field.value = "x"
    widget._commit.click()
    assert widget.result.state == "right"
    widget._commit.click()
    assert len(checks.ledger.LEDGER.predictions["a"]) == 1


def test_predict_again_keeps_the_first_commitment():
    widget = predict("a", "Which?", ["x", "y"], reveal="x")
    widget.commit("y")
    widget._again.click()
    assert widget.result is None
    assert not widget._commit.disabled
    widget.commit("x")
    assert [p.guess for p in checks.ledger.LEDGER.predictions["a"]] == ["y", "x"]
    board = repr(scoreboard())
    assert "guessed y (first of 2), measured x" in board


def test_a_choice_that_its_click_overtook_counts():
    """A busy kernel may hear of the click before it hears of the last change of the field."""
    widget = predict("a", "Which?", ["x", "y"], reveal="x")
    widget._kind.field.value = "x"
    widget._commit.click()
    widget._kind.field.value = "y"  # arrives late
    assert widget.result.guess == "y"
    assert widget.result.state == "missed"
    assert [p.guess for p in checks.ledger.LEDGER.predictions["a"]] == ["y"]


@pytest.mark.parametrize(
    ("typed", "number"),
    [("1,000", "1,000"), ("1,234.5", "1,234.5"), ("0,5", "0.5"), (" 12 s", "12"), ("1e3", "1,000")],
)
def test_numbers_as_people_type_them(typed, number):
    widget = predict("n", "How long?", unit="s", between=(0, 5000), reveal=1)
    assert widget.commit(typed).guess == f"{number} s"


def test_running_the_cell_again_does_not_unlock():
    predict("a", "Which?", ["x", "y"], reveal="x").commit("y")
    again = predict("a", "Which?", ["x", "y"], reveal="x")
    assert again.result.guess == "y"
    assert again._commit.disabled


@pytest.mark.parametrize(
    ("guess", "measured", "state", "words"),
    [
        (68, 67.9, "close", "0.100 percentage points too high"),
        (68, 68, "right", ""),
        (90, Measured(90.4, 89.8, 91.0, "%"), "right", "within the measurement's uncertainty"),
        (20, 79.5, "missed", "4.0 times too low"),
        (70, 50, "missed", "20.0 percentage points too high"),
        (0, 79.5, "missed", "79.5 percentage points too low"),
        ("68,5", 68.5, "right", ""),
        ("68 %", 68.0, "right", ""),
    ],
)
def test_how_far_off_a_number_is(guess, measured, state, words):
    widget = predict("n", "How many?", unit="%", between=(0, 100), reveal=lambda: measured)
    prediction = widget.commit(guess)
    assert prediction.state == state
    assert words in prediction.compared


@pytest.mark.parametrize(
    ("guess", "says"),
    [
        ("", "Type a number"),
        ("many", "'many' is not a number"),
        ("101", "outside the range"),
        ("nan", "outside the range"),
        (None, "Type a number"),
    ],
)
def test_what_is_no_guess(guess, says):
    widget = predict("n", "How many?", between=(0, 100), reveal=1)
    with pytest.raises(ValueError, match=says):
        widget.commit(guess)
    assert widget.result is None
    assert not widget._commit.disabled
    assert checks.ledger.LEDGER.predictions["n"] == []


def test_choices_may_be_ranges():
    ranges = {"under a half": (0, 0.5), "a half to two thirds": (0.5, 2 / 3), "more": (2 / 3, 1.01)}

    def state(guess, measured):
        checks.ledger.LEDGER.predictions.clear()
        return predict("r", "How much?", ranges, reveal=lambda: measured).commit(guess)

    assert state("more", 0.79).state == "right"
    assert state("under a half", 0.79).compared == "It is more than you thought."
    assert state("more", 0.2).compared == "It is less than you thought."
    assert state("more", Measured(0.66, 0.65, 0.67)).state == "close"
    assert state("under a half", 1.5).state == "missed"


def test_a_surprise_is_no_choice_but_is_shown():
    prediction = predict("a", "Which?", ["x", "y"], reveal=lambda: "z").commit("x")
    assert (prediction.state, prediction.measured) == ("missed", "z")
    assert "Not one of the choices" in prediction.compared


def test_because_may_use_what_was_measured():
    prediction = predict(
        "b", "How many?", between=(0, 10), reveal=lambda: 4, because=lambda m: f"It is {m.value}²."
    ).commit(3)
    assert prediction.because == "It is 4²."


def test_a_failing_measurement_locks_nothing_and_says_what_to_do():
    def reveal():
        return not_there_yet  # noqa: F821

    widget = predict("a", "Which?", ["x", "y"], reveal=reveal)
    with pytest.raises(RuntimeError, match="Run the cells above this one"):
        widget.commit("x")
    widget._commit.click()
    assert "name &#x27;not_there_yet&#x27; is not defined" in widget._answer.value
    assert not widget._commit.disabled
    assert checks.ledger.LEDGER.predictions["a"] == []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"choices": ["x", "y"], "between": (0, 1)},
        {"choices": ["x"]},
        {"choices": "xy"},
        {"choices": ["x", "x"]},
        {"between": (1, 1)},
    ],
)
def test_a_badly_posed_question(wrong):
    with pytest.raises(ValueError, match="prediction|between"):
        predict("a", "Which?", reveal="x", **wrong)


def test_the_static_page_asks_and_does_not_answer_before_the_commitment():
    widget = predict("a", "Which <layer>?", ["conv1", "dense1"], reveal="MEASURED", because="WHY")
    before, _ = widget._repr_mimebundle_()
    for text in (before["text/plain"], before["text/html"]):
        assert "conv1" in text
        assert "dense1" in text
        assert "Run this cell" in text
        assert "MEASURED" not in text
        assert "WHY" not in text
    assert "Which &lt;layer&gt;?" in before["text/html"]
    widget.commit("conv1")
    after, _ = widget._repr_mimebundle_()  # of a student's own notebook, saved after it
    assert after["text/plain"] == before["text/plain"]
    for words in ("Your guess: <strong>conv1", "MEASURED", "WHY"):
        assert words in after["text/html"]


def test_no_answer_is_in_the_widgets_state_before_the_commitment():
    widget = predict("a", "Which?", ["x", "y"], reveal="MEASURED", because="WHY")
    states = [w.get_state() for w in [widget, *widget.children, *widget.children[2].children]]
    assert "MEASURED" not in str(states)
    assert "WHY" not in str(states)


# ------------------------------------------------------------------- numbers and tables


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        (Measured(0.90124, 0.8952, 0.9069), "0.901 (0.895 to 0.907)"),
        (Measured(0.5, 0.48, 0.52), "0.500 (0.480 to 0.520)"),
        (Measured(90.124, 89.52, 90.69, "%", n=10_000), "90.1 % (89.5 to 90.7; n = 10,000)"),
        (Measured(1234.6, 1100, 1400, "µs"), "1,230 µs (1,100 to 1,400)"),
        (Measured(225_034, unit="bytes", source="fashion_cnn"), "225,034 bytes (fashion_cnn)"),
        (Measured(0.123456), "0.123"),
        (Measured(12345.6), "12,346"),
        (Measured(3e-7), "3e-07"),
        (Measured(0), "0"),
        (Measured(0.0), "0"),
        (Measured(np.float32(0.5)), "0.500"),
        (Measured(1.0, 1.0, 1.0), "1.00"),
        (Measured(-0.25, -0.35, -0.15), "-0.25 (-0.35 to -0.15)"),
    ],
)
def test_an_honest_number_of_digits(measured, text):
    assert str(measured) == text


@given(st.floats(-1e9, 1e9), st.floats(1e-6, 1e6))
def test_the_digits_shown_lose_less_than_a_tenth_of_the_interval(value, half):
    text = str(Measured(value, value - half, value + half)).split(" ")[0].replace(",", "")
    assert abs(float(text) - value) <= 0.2 * half + 1e-9 * abs(value)


def test_half_an_interval_or_a_wrong_one_is_refused():
    with pytest.raises(ValueError, match="both low and high"):
        Measured(1, low=0)
    with pytest.raises(ValueError, match="same unit"):
        Measured(90, 0.8, 0.95)


# --------------------------------------------------------------------------- scoreboard


def test_an_empty_scoreboard_says_so():
    bundle, _ = scoreboard()._repr_mimebundle_()
    assert bundle["text/plain"] == "Nothing predicted or checked yet."
    assert "Nothing predicted or checked yet" in bundle["text/html"]


def test_the_scoreboard_follows_what_happens():
    widget = predict("a", "Which?", ["x", "y"], reveal="x")
    board = scoreboard()
    assert "Predictions committed: 0 of 1. Exercises passed: 0 of 0." in board._table.value
    assert "○ not committed" in board._table.value
    widget.commit("y")
    check("02.mask", ...)
    check("02.mask", pruning.magnitude_mask)
    assert "Predictions committed: 1 of 1. Exercises passed: 1 of 1." in board._table.value
    assert "✗ missed" in board._table.value
    assert board._table.value.count("02.mask") == 1
    assert repr(board) == repr(scoreboard())


def test_an_unknown_exercise_is_not_in_the_ledger():
    check("02.musk", 1)
    assert "musk" not in repr(scoreboard())


# ------------------------------------------------------------------------------- floors


def test_checks_load_nothing_heavy():
    code = (
        "import sys; from course_utils.views import checks; checks.check('02.mask', abs);"
        "print([m for m in ('tensorflow', 'tf_keras', 'matplotlib', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_difference_that_rounds_to_zero_has_no_sign():
    assert str(checks.Measured(-0.03, -0.45, 0.39, unit="points")).startswith("0.0 points (-0.5")
