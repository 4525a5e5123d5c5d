"""Calibration inputs come in many forms; each gives the same numbers, or a sentence."""

import itertools

import numpy as np
import pytest

from course_utils import env
from course_utils.machines import calibration
from course_utils.machines.calibration import Input

RNG = np.random.default_rng(0)
X, Y = RNG.random((12, 4, 3)).astype(np.float32), np.arange(12)
ONE = [Input("input_1", (4, 3))]
A, B = RNG.random((12, 4)).astype(np.float32), RNG.random((12, 4)).astype(np.float32)
TWO = [Input("a", (4,)), Input("b", (4,))]
WHOLE = np.ones((12, 4), np.int64)


class Sequence:
    """As keras.utils.Sequence: indices and a length, no end by itself."""

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return X[4 * i : 4 * i + 4], Y[4 * i : 4 * i + 4]


FORMS = {
    "array": X,
    "nested lists": X.tolist(),
    "with labels": (X, Y),
    "autoencoder": (X, X),
    "with weights": (X, Y, np.ones(12)),
    "dictionary": {"input_1": X, "label": Y},
    "list of inputs": list(X),
    "list of batches": [X[:5], X[5:]],
    "list of one batch": [X],
    "list of pairs": [(X[:5], Y[:5]), (X[5:], Y[5:])],
    "list of lists": [[x[None]] for x in X],
    "generator of inputs": (x for x in X),
    "generator of batches": (X[i : i + 5] for i in (0, 5, 10)),
    "generator of pairs": ([X[i : i + 5], Y[i : i + 5]] for i in (0, 5, 10)),
    "representative dataset": lambda: ([x[None]] for x in X),
    "the same with names": lambda: ({"input_1": x[None]} for x in X),
    "sequence": Sequence(),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_inputs(form):
    (drawn,) = calibration.draw(FORMS[form], ONE)
    assert drawn.dtype == np.float32
    assert np.array_equal(drawn, X)


@pytest.mark.parametrize(
    "form",
    [
        [A, B],
        (A, B),
        {"b": B, "a": A},
        ((A, B), Y),
        ({"b": B, "a": A}, Y),
        [(A[:5], B[:5]), (A[5:], B[5:])],
        [(A[0], B[0]), *zip(A[1:], B[1:], strict=True)],
        lambda: ([a[None], b[None]] for a, b in zip(A, B, strict=True)),
        lambda: (((a, b), 1) for a, b in zip(A, B, strict=True)),
    ],
)
def test_several_inputs_keep_their_order(form):
    a, b = calibration.draw(form, TWO)
    assert np.array_equal(a, A)
    assert np.array_equal(b, B)


def test_what_never_ends_is_asked_for_so_many_only():
    asked = []
    endless = (asked.append(i) or (X, Y) for i in itertools.count())
    (drawn,) = calibration.draw(endless, ONE)
    assert len(drawn) == calibration.MOST
    assert len(asked) == -(-calibration.MOST // len(X))
    whole = np.zeros((calibration.MOST + 5, 4, 3), np.float32)
    assert len(calibration.draw(whole, ONE)[0]) == len(whole)
    assert len(calibration.draw(list(whole), ONE)[0]) == len(whole)


def test_integers_stay_the_numbers_that_they_are():
    pixels = RNG.integers(0, 256, (12, 4, 3)).astype(np.uint8)
    (drawn,) = calibration.draw(pixels, ONE)
    assert drawn.dtype == np.float32
    assert np.array_equal(drawn, pixels)
    (words,) = calibration.draw(Y[:, None].astype(float), [Input("w", (1,), "int32")])
    assert words.dtype == np.int32
    assert np.array_equal(words[:, 0], Y)


@pytest.mark.parametrize(
    ("wrong", "inputs", "message"),
    [
        (X[0], ONE, r"has the shape \(4, 3\); the model takes \(n, 4, 3\)"),
        (X[:, :2], ONE, r"has the shape \(12, 2, 3\)"),
        ((X[0], Y[0], 1, 2), ONE, r"has the shape \(4, 3\)"),
        (X[:0], ONE, "is empty: pass at least one input"),
        (iter(()), ONE, "is empty: .* a function that makes one can be asked again"),
        ([], ONE, "is empty"),
        ([X[0], X[0, :2]], ONE, r"has the shape \(2, 3\)"),
        ([X[:1], X[:1, :2], X[:1]], ONE, r"has the shape \(1, 2, 3\)"),
        ("x_train.npy", ONE, "must be real numbers, not <U11"),
        (X.astype(str), ONE, "must be real numbers, not <U"),
        (None, ONE, "holds NoneType"),
        (7, ONE, r"has the shape \(\)"),
        ({"image": X}, ONE, "has the keys image"),
        (np.where(X > 0.9, np.nan, X), ONE, "holds NaN or infinity"),
        (A, TWO, r"takes \(n, 4\) and \(n, 4\) for a, b"),
        ([A, B[:3]], TWO, r"takes \(n, 4\) and \(n, 4\)"),
        (A, [Input("w", (4,), "int32")], "w is int32.* broken numbers"),
        (300 * WHOLE, [Input("w", (4,), "uint8")], "holds 300, .* w is uint8: .* from 0 to 255"),
        (-300.0 * WHOLE, [Input("w", (4,), "int8")], r"holds -300.0, .* from -128 to 127"),
        (2.0**63 * WHOLE, [Input("w", (4,), "int64")], r"holds 9.2\S+e\+18, .* w is int64"),
        (1e300 * WHOLE, [Input("w", (4,))], r"holds 1e\+300, .* float32: .* from -3\.4\S+e\+38"),
        (2 * WHOLE, [Input("w", (4,), "bool")], "holds 2, .* w is bool: pass numbers 0 and 1"),
    ],
)
def test_what_can_not_calibrate_is_named_in_one_sentence(wrong, inputs, message):
    with pytest.raises(ValueError, match=message) as caught:
        calibration.draw(wrong, inputs)
    assert "\n" not in str(caught.value)


def test_a_list_is_looked_through_only_as_far_as_it_fits(monkeypatch):
    fitted, fit = [], calibration._fit
    monkeypatch.setattr(calibration, "_fit", lambda *given: fitted.append(given) or fit(*given))
    assert np.array_equal(calibration.draw(X.tolist(), ONE)[0], X)
    assert len(fitted) == 1  # the whole list is a batch
    with pytest.raises(ValueError, match=r"has the shape \(12, 2, 3\)"):
        calibration.draw([X[:, :2]] * 50, ONE)
    assert len(fitted) < 10


@pytest.mark.tensorflow
def test_tensors_data_sets_and_keras_sequences():
    tf = env.tensorflow()
    from_slices = tf.data.Dataset.from_tensor_slices
    for form in (
        tf.constant(X),
        from_slices(X),
        from_slices(X).batch(5),
        from_slices((X, Y)).batch(5),
        from_slices(({"input_1": X}, Y)).batch(5),
    ):
        assert np.array_equal(calibration.draw(form, ONE)[0], X)
    endless = from_slices((X, Y)).repeat().batch(5)
    assert len(calibration.draw(endless, ONE)[0]) == calibration.MOST
