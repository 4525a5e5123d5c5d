"""Slips of the pen that people make in any subject, made systematically.

A lab declares the misconceptions of its subject. What is left are slips that have nothing to do
with it: rounding down instead of to the nearest, a border on the wrong side, an absolute value
forgotten, two arguments swapped, the wrong axis, a percentage for a share. `of(right, case)` makes
them all from the right computation itself, in three ways: its code with one thing changed, its
arguments changed before, its value changed after. An answer that equals one of them on every case
has, in its values, made that slip, and can be told so in words that do not show the solution.
"""

from __future__ import annotations

import inspect
import itertools
import re
from collections.abc import Callable, Iterator

import numpy as np

from course_utils.views.checks.slips_in_code import Slip, in_code

# Told last: true, but another slip may say more.
VAGUE = {"off_by_one", "term_missing", "factor_missing", "swapped_in_a_call", "stopped_early"}


def of(right: Callable, case: tuple) -> Iterator[Slip]:
    """Every slip in `right`, the most telling first. `case` is an example of its arguments."""
    code = in_code(right)
    yield from (slip for slip in code if slip.name not in VAGUE)
    yield from in_arguments(right, case)
    yield from in_value(right, case)
    yield from (slip for slip in code if slip.name in VAGUE)


def in_form(expected, got, same: Callable) -> str:
    """In what a right value is in the wrong form; "" if the value is not right.

    same: (expected, got) -> bool, the exercise's own comparison.
    """
    if isinstance(got, str):
        numbers = re.findall(r"[-+]?\d[\d_,]*\.?\d*(?:[eE][-+]?\d+)?", got)
        if any(same(expected, float(n.replace(",", "").replace("_", ""))) for n in numbers):
            return "as text: a number is expected, with which one can go on computing"
    if (
        isinstance(got, dict)
        and isinstance(expected, tuple)
        and same(expected, tuple(got.values()))
    ):
        return "as a dictionary: the values alone are expected, in their order"
    parts = list(got.values()) if isinstance(got, dict) else got
    several = isinstance(parts, list | tuple) and not isinstance(expected, tuple)
    if several and any(same(expected, part) for part in parts):
        return "among others: that one alone is expected"
    if isinstance(got, np.ndarray) and same(expected, np.squeeze(got)):
        return "with axes of length 1 more than expected"
    if isinstance(got, list | tuple) and isinstance(expected, tuple):
        n = len(expected)
        if len(got) > n and (same(expected, tuple(got[:n])) or same(expected, tuple(got[-n:]))):
            return f"with more: only {n} values are expected"
    return ""


# ---------------------------------------------------------------------- the arguments, changed


def in_arguments(right: Callable, case: tuple) -> Iterator[Slip]:
    """The right computation of arguments that are changed before."""
    names = list(inspect.signature(right).parameters)

    def slip(name, says, change):
        return Slip(name, lambda *a: right(*change(list(a))), says)

    def put(i, new):
        def change(arguments):
            arguments[i] = new(arguments[i])
            return arguments

        return change

    for i, j in itertools.combinations(range(len(case)), 2):
        both = [isinstance(case[k], np.ndarray) for k in (i, j)]
        if both[0] == both[1] or not any(both):

            def swap(arguments, i=i, j=j):
                arguments[i], arguments[j] = arguments[j], arguments[i]
                return arguments

            yield slip("swapped", f"if {names[i]} and {names[j]} change places", swap)
    for i, value in enumerate(case):
        name = names[i]
        array = as_numbers(value)
        if array is None:
            continue
        if array.ndim == 0:
            yield slip("one_more", f"for a {name} one larger", put(i, lambda v: v + 1))
            yield slip("one_less", f"for a {name} one smaller", put(i, lambda v: v - 1))
            yield slip("doubled", f"for twice the {name}", put(i, lambda v: 2 * v))
            yield slip("halved", f"for half the {name}", put(i, lambda v: v / 2))
            yield slip("unused_0", f"if {name} is taken for 0", put(i, lambda v: type(v)(0)))
            yield slip("unused_1", f"if {name} is taken for 1", put(i, lambda v: type(v)(1)))
            yield slip("percent", f"for a hundred times the {name}", put(i, lambda v: 100 * v))
            yield slip("percent", f"for a hundredth of the {name}", put(i, lambda v: v / 100))
        yield slip("sign_of", f"for {name} with the opposite sign", put(i, lambda v: -v))
        yield slip("abs_of", f"for the absolute value of {name}", put(i, np.abs))
        if array.ndim == 2:
            yield slip("transposed", f"if {name} is transposed", put(i, lambda v: v.T))
        if array.ndim >= 1:
            yield slip("first_only", f"for the first entry of {name} alone", put(i, _first))
            yield slip("flattened", f"if {name} is taken as one row", put(i, np.ravel))
            yield slip("sorted", f"if {name} is sorted first", put(i, lambda v: np.sort(v, None)))
            yield slip(
                "centred", f"if the mean is subtracted from {name} first",
                put(i, lambda v: v - np.mean(v)),
            )  # fmt: skip
        for axis in range(array.ndim if array.ndim >= 2 else 0):
            yield Slip("per_axis", _along(right, i, axis), f"for each part of {name} on its own")
            if axis < array.ndim - 1:
                yield slip(
                    "wrong_axis", f"if another axis of {name} is taken for the last",
                    put(i, lambda v, axis=axis: np.moveaxis(v, axis, -1)),
                )  # fmt: skip


def _first(value):
    return value[:1] if np.ndim(value) else value


def _along(right, i, axis):
    def each(*arguments):
        parts = np.moveaxis(arguments[i], axis, 0)
        return np.array([right(*arguments[:i], part, *arguments[i + 1 :]) for part in parts])

    return each


# ---------------------------------------------------------------------- the value, changed


def _nested(change):
    return lambda value: tuple(map(change, value)) if isinstance(value, tuple) else change(value)


_VALUES = [
    ("wrong_sign", "with the opposite sign", lambda v: -v),
    ("no_sign", "without its sign", lambda v: np.abs(v)),
    ("inverted", "with True and False swapped", lambda v: ~_mask(v)),
    ("numbers", "as numbers 1 and 0 in place of True and False", lambda v: _mask(v).astype(int)),
    ("mask", "as True and False, for different from 0 or not", lambda v: _numbers(v) != 0),
    ("indices", "as the places of the True entries", lambda v: np.nonzero(_mask(v))),
    ("indices", "as the places of the True entries", lambda v: np.argwhere(_mask(v))),
    ("indices", "as the places of the True entries", lambda v: np.flatnonzero(_mask(v))),
    ("count", "as a count of the True entries", lambda v: np.count_nonzero(_mask(v))),
    ("one_more", "one too large", lambda v: _numbers(v) + 1),
    ("one_less", "one too small", lambda v: _numbers(v) - 1),
    ("complement", "as what is missing to 1", lambda v: 1 - _numbers(v)),
    ("percent", "in percent, a hundred times as large", lambda v: 100 * _numbers(v)),
    ("hundredth", "a hundred times too small", lambda v: _numbers(v) / 100),
    ("bits", "eight times too large: bits in place of bytes?", lambda v: 8 * _numbers(v)),
    ("bytes", "eight times too small: bytes in place of bits?", lambda v: _numbers(v) / 8),
    ("thousand", "a thousand times too large: a wrong unit?", lambda v: 1000 * _numbers(v)),
    ("thousandth", "a thousand times too small: a wrong unit?", lambda v: _numbers(v) / 1000),
    ("kibi", "1,024 times too large: a wrong unit?", lambda v: 1024 * _numbers(v)),
    ("kibith", "1,024 times too small: a wrong unit?", lambda v: _numbers(v) / 1024),
    ("kilo_for_kibi", "with 1,000 where 1,024 belongs", lambda v: _numbers(v) * 1000 / 1024),
    ("kibi_for_kilo", "with 1,024 where 1,000 belongs", lambda v: _numbers(v) * 1024 / 1000),
    ("doubled", "twice too large", lambda v: 2 * _numbers(v)),
    ("halved", "half as large", lambda v: _numbers(v) / 2),
    ("fourfold", "four times too large", lambda v: 4 * _numbers(v)),
    ("quarter", "four times too small", lambda v: _numbers(v) / 4),
    ("reciprocal", "upside down: 1 divided by it", lambda v: 1 / _numbers(v)),
    ("squared", "squared", lambda v: _numbers(v) ** 2),
    ("root", "as its root", lambda v: np.sqrt(_numbers(v))),
    ("exponent", "as its logarithm to base 2", lambda v: np.log2(_numbers(v))),
    ("power", "as 2 to its power", lambda v: 2.0 ** _numbers(v)),
    ("rounded", "rounded to a whole number", lambda v: np.round(_numbers(v))),
    ("floor", "rounded down to a whole number", lambda v: np.floor(_numbers(v))),
    ("ceil", "rounded up to a whole number", lambda v: np.ceil(_numbers(v))),
    ("truncate", "with its fraction cut off", lambda v: np.trunc(_numbers(v))),
    ("rounded", "rounded to one decimal place", lambda v: np.round(_numbers(v), 1)),
    ("rounded", "rounded to two decimal places", lambda v: np.round(_numbers(v), 2)),
    ("rounded", "rounded to three decimal places", lambda v: np.round(_numbers(v), 3)),
    ("rounded", "rounded to four decimal places", lambda v: np.round(_numbers(v), 4)),
    ("wrapped", "wrapped around into 8 bits", lambda v: _whole(v).astype(np.int8)),
    ("unsigned", "as unsigned 8-bit numbers", lambda v: _whole(v).astype(np.uint8)),
    ("transposed", "transposed", lambda v: _shaped(v, 2).T),
    ("transposed", "with the last two axes swapped", lambda v: np.swapaxes(_shaped(v, 2), -1, -2)),
    ("reversed", "in the opposite order", lambda v: _shaped(v, 1)[::-1]),
    ("flat", "flattened into one row", lambda v: _shaped(v, 2).ravel()),
    ("as_a_list", "each in an axis of its own", lambda v: _shaped(v, 1)[..., None]),
    ("sorted", "sorted", lambda v: np.sort(_shaped(v, 1), None)),
    ("sorted", "sorted downward", lambda v: np.sort(_shaped(v, 1), None)[::-1]),
    ("places", "as the places in sorted order (argsort)", lambda v: np.argsort(_shaped(v, 1))),
    ("sum", "added up into one number", lambda v: np.sum(_shaped(v, 1))),
    ("mean", "as their mean, one number", lambda v: np.mean(_shaped(v, 1))),
    ("largest", "as the largest of them, one number", lambda v: np.max(_shaped(v, 1))),
    ("smallest", "as the smallest of them, one number", lambda v: np.min(_shaped(v, 1))),
    ("first", "as the first of them, one number", lambda v: _shaped(v, 1).flat[0]),
    ("any", "as one True or False: whether any is True", lambda v: np.any(_mask(v))),
    ("all", "as one True or False: whether all are True", lambda v: np.all(_mask(v))),
]


def in_value(right: Callable, case: tuple) -> Iterator[Slip]:
    """The right computation's value, changed afterwards."""
    value = right(*case)
    if isinstance(value, tuple):
        yield from _in_parts(right, len(value))
    for name, says, change in _VALUES:
        yield Slip(name, lambda *a, c=change: _nested(c)(right(*a)), says)


def _in_parts(right, n):
    """A tuple in another order, a part of it, or with one part changed."""
    words = ("first", "second", "third", "fourth", "fifth", "sixth")
    if n == 2:
        yield Slip("order", lambda *a: right(*a)[::-1], "in the other order")
    else:
        for order in itertools.islice(itertools.permutations(range(n)), 1, 24):
            yield Slip(
                "order", lambda *a, o=order: tuple(right(*a)[i] for i in o), "in another order"
            )
    for i in range(n):
        yield Slip("one_part", lambda *a, i=i: right(*a)[i], f"with the {words[i]} value alone")
    for i, (name, says, change) in itertools.product(range(n), _VALUES):

        def one(*arguments, i=i, change=change):
            parts = list(right(*arguments))
            parts[i] = change(parts[i])
            return tuple(parts)

        yield Slip(f"{name}_of_one", one, f"with the {words[i]} value {says}, the others right")


def as_numbers(value):
    """A number, or an array of them; None for anything else."""
    array = np.asarray(value) if isinstance(value, np.ndarray | int | float | np.generic) else None
    return array if array is not None and array.dtype.kind in "iuf" else None


def _numbers(value):
    array = as_numbers(value)
    if array is None:
        raise TypeError("no numbers")
    return array.astype(np.float64)


def _whole(value):
    array = _numbers(value)
    if not np.all(array == np.floor(array)) or np.any(np.abs(array) > 2**53):
        raise TypeError("no whole numbers")
    return array.astype(np.int64)


def _mask(value):
    array = np.asarray(value)
    if array.dtype != bool:
        raise TypeError("no mask")
    return array


def _shaped(value, axes):
    array = np.asarray(value)
    if array.ndim < axes:
        raise TypeError("too few axes")
    return array
