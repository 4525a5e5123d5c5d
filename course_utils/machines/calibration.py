"""Calibration inputs in every form in which people have them, as one array for each model input.

    array, tensor     (n, *input shape): a batch; all of it is used
    list              of inputs, of batches, or of elements as below; all of it is used
    (x, y), (x, y, w) x is used, labels and weights are not
    dictionary        {input name: batch}
    generator, function that returns one ("representative dataset"), tf.data.Dataset,
    keras.utils.Sequence and whatever else can be iterated: each element is one input or a batch
                      of them, alone, as [x], (x, y), [x, y] or a dictionary

A model with several inputs takes a list, tuple or dictionary of them where x stands here. What is
iterated may never end: it is asked for `MOST` inputs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np

MOST = 1000  # inputs drawn from what is iterated; a few hundred are enough to measure ranges


class Input(NamedTuple):
    """One input of a model: its name, the shape of one sample, and its type."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "float32"


def draw(calibration, inputs) -> list[np.ndarray]:
    """One array (n, *shape) for each of a model's inputs, n >= 1, in the input's dtype.

    calibration: one of the forms above.  inputs: a sequence of `Input`.
    Raises ValueError, in one sentence, for anything else, another shape, no input at all, NaN and
    infinity, and numbers that the dtype does not hold.
    """
    if callable(calibration) and not hasattr(calibration, "__array__"):
        calibration = calibration()
    if isinstance(calibration, (tuple, Mapping)) or hasattr(calibration, "__array__"):
        parts = _element(calibration, inputs)
        if parts is None or not _is_batch(calibration, inputs):
            raise ValueError(_refusal(calibration, inputs))
    else:
        parts = _element(calibration, inputs) if isinstance(calibration, list) else None
        parts = parts or _iterated(calibration, inputs)
    if len(parts[0]) == 0:
        raise ValueError("The calibration data is empty: pass at least one input.")
    return [_checked(part, one) for part, one in zip(parts, inputs, strict=True)]


def _iterated(calibration, inputs):
    """The batches of a list, a generator, a data set, ..., one after the other."""
    if isinstance(calibration, (str, bytes)):
        raise ValueError(_refusal(calibration, inputs))
    if hasattr(calibration, "__getitem__") and hasattr(calibration, "__len__"):
        elements = (calibration[i] for i in range(len(calibration)))
    elif isinstance(calibration, Iterable):
        elements = iter(calibration)
    else:
        raise ValueError(_refusal(calibration, inputs))
    most = len(calibration) if isinstance(calibration, list) else MOST
    found, n = [], 0
    for element in itertools.islice(elements, most):
        parts = _element(element, inputs, labelled=True)
        if parts is None:
            raise ValueError(_refusal(element, inputs))
        found.append(parts)
        n += len(parts[0])
        if n >= MOST and most == MOST:
            break
    if not found:
        raise ValueError(
            "The calibration data is empty: pass at least one input (a generator gives its inputs "
            "once; a function that makes one can be asked again)."
        )
    end = None if isinstance(calibration, list) else MOST
    return [np.concatenate(parts)[:end] for parts in zip(*found, strict=True)]


def _element(value, inputs, labelled=False):
    """[batch, ...], one for each input, of what holds one input or a batch; None if it does not.

    labelled: a list may be [x, y] or [x, y, w], as a tuple always may.
    """
    if isinstance(value, Mapping):
        value = [value.get(one.name) for one in inputs]
        return None if any(part is None for part in value) else _together(value, inputs)
    if isinstance(value, tuple) and value and isinstance(value[0], (tuple, list, Mapping)):
        inner = _element(value[0], inputs)
        if inner is not None:
            return inner
    if not isinstance(value, (tuple, list)):
        return _together([value], inputs) if len(inputs) == 1 else None
    if len(inputs) > 1:
        whole = len(value) <= len(inputs) + 2 and all(hasattr(v, "__array__") for v in value)
        return _together(value[: len(inputs)], inputs) if whole else None
    one = inputs[0]
    if isinstance(value, list):
        whole = _fit(value, one)
        if whole is not None:
            return [whole]
        parts = list(itertools.takewhile(_is_there, (_fit(part, one) for part in value)))
        if value and len(parts) == len(value):
            return [np.concatenate(parts)]
    if 1 <= len(value) <= 3 and (labelled or isinstance(value, tuple)):
        return _together(value[:1], inputs)
    return None


def _together(values, inputs):
    """The values as batches, if each fits its input and all are of one length."""
    if len(values) < len(inputs):
        return None
    parts = [_fit(value, one) for value, one in zip(values, inputs, strict=True)]
    fits = all(part is not None for part in parts) and len({len(part) for part in parts}) == 1
    return parts if fits else None


def _fit(value, one):
    """The value as a batch of this input: one or several of its shape; None for other shapes."""
    array = _array(value)
    if array is None or array.dtype.kind not in "fiub":
        return None
    if array.shape == one.shape:
        return array[np.newaxis]
    return array if array.shape[1:] == one.shape and array.ndim == len(one.shape) + 1 else None


def _array(value):
    try:
        return np.asarray(value)
    except (ValueError, TypeError):  # ragged: no array
        return None


def _is_batch(value, inputs):
    """Not a single input where a batch is expected: its first axis would be one of the input's."""
    return not (hasattr(value, "__array__") and _array(value).shape == inputs[0].shape)


def _is_there(part):
    return part is not None


def _checked(part, one):
    """The batch in the input's dtype, in which every number is still what it was."""
    if not np.isfinite(part).all():
        raise ValueError("The calibration data holds NaN or infinity: clean it first.")
    if np.dtype(one.dtype).kind in "iu" and (part % 1).any():
        raise ValueError(
            f"The model's input {one.name} is {one.dtype}, and the calibration data holds broken "
            "numbers: pass whole ones."
        )
    with np.errstate(over="ignore", invalid="ignore"):  # said below, in a sentence
        cast = part.astype(one.dtype)
    lost = ~np.isfinite(cast) if cast.dtype.kind == "f" else cast != part
    if lost.any():
        raise ValueError(
            f"The calibration data holds {part[lost][0]}, and the model's input {one.name} is "
            f"{one.dtype}: pass numbers {_range(cast.dtype)}."
        )
    return cast


def _range(dtype):
    """uint8 -> 'from 0 to 255'"""
    if dtype.kind == "b":
        return "0 and 1"
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    return f"from {limits.min} to {limits.max}"


def _refusal(value, inputs):
    """One sentence: what was given, and what the model takes."""
    wanted = " and ".join(f"(n, {', '.join(map(str, one.shape))})" for one in inputs)
    named = f" for {', '.join(one.name for one in inputs)}" if len(inputs) > 1 else ""
    if isinstance(value, (tuple, list)) and len(inputs) == 1 and value:
        value = value[0]
    array = _array(value)
    if array is None or array.dtype == object:
        what = f"is a {type(value).__name__}" if array is None else f"holds {type(value).__name__}"
        if isinstance(value, Mapping):
            what = f"has the keys {', '.join(map(str, value))}"
    elif array.dtype.kind not in "fiub":
        return f"Calibration data must be real numbers, not {array.dtype}."
    else:
        what = f"has the shape {array.shape}"
    return (
        f"Calibration data {what}; the model takes {wanted}{named}: a batch of inputs, a tf.data."
        "Dataset, or a generator of such."
    )
