"""Which short formula of the arguments gives an answer's values?

Where an answer is neither right nor a known mistake, it is often another formula of the same
quantities: s added to sigma in place of multiplied with it, the largest |w| in place of the root of
the mean square. `of(cases, values)` looks for the shortest that gives the answer's values on every
case: the arguments, what is usually computed of an array (its mean, its largest magnitude, for each
channel or in all), small numbers, joined by up to three operations. Nothing is sampled and nothing
is fitted: the formula found gives these values, so that a reply can say what was computed.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from course_utils.views.checks.answers import as_array

PER_CASE = 12  # entries of an array that are looked at
TOLERANCE = 2e-6  # relative: float32 on either side
PATIENCE = 0.7  # seconds
LONGEST = 3  # operations
_SIGNS = (" + ", " - ", " · ", " / ", " // ", "power", "logarithm", "root of", "rounded", "cut off")

_STATISTICS = {
    "the mean of {x}": np.mean,
    "the standard deviation of {x}": np.std,
    "the variance of {x}": np.var,
    "the sum of {x}": np.sum,
    "the largest of {x}": np.max,
    "the smallest of {x}": np.min,
    "the range of {x}": np.ptp,
    "the median of {x}": np.median,
    "the largest |{x}|": lambda v, **k: np.max(np.abs(v), **k),
    "the smallest |{x}|": lambda v, **k: np.min(np.abs(v), **k),
    "the mean |{x}|": lambda v, **k: np.mean(np.abs(v), **k),
    "the sum of |{x}|": lambda v, **k: np.sum(np.abs(v), **k),
    "the median |{x}|": lambda v, **k: np.median(np.abs(v), **k),
    "the standard deviation of |{x}|": lambda v, **k: np.std(np.abs(v), **k),
    "the root mean square of {x}": lambda v, **k: np.sqrt(np.mean(np.square(v), **k)),
    "the norm of {x}": lambda v, **k: np.sqrt(np.sum(np.square(v), **k)),
    "the sum of {x} squared": lambda v, **k: np.sum(np.square(v), **k),
    "the mean absolute deviation of {x}": lambda v, **k: np.mean(
        np.abs(v - np.mean(v, **k, keepdims=True)), **k
    ),
    "the number of entries of {x} that are not 0": lambda v, **k: np.count_nonzero(v, **k),
    "the number of entries of {x}": lambda v, **k: np.sum(np.ones_like(v), **k),
}
_ONE = {
    "{x} squared": np.square,
    "the root of {x}": np.sqrt,
    "1 - {x}": lambda v: 1 - v,
    "2 to the power of {x}": np.exp2,
    "the logarithm (base 2) of {x}": np.log2,
    "|{x}|": np.abs,
    "{x} rounded": np.round,
    "{x} rounded down": np.floor,
    "{x} rounded up": np.ceil,
    "{x} cut off to a whole number": np.trunc,
}
_TWO = {
    "{x} + {y}": np.add,
    "{x} - {y}": np.subtract,
    "{x} · {y}": np.multiply,
    "{x} / {y}": np.divide,
    "{x} // {y}": np.floor_divide,
    "{x} to the power of {y}": np.power,
    "the larger of {x} and {y}": np.maximum,
    "the smaller of {x} and {y}": np.minimum,
}
_NUMBERS = (1, 2, 4, 8, 32, 100, 1000, 1024)


def of(right: Callable, cases: Sequence[tuple], values: Sequence) -> str:
    """The formula in words, or "" if there is no short one.

    right:  names the arguments.
    cases:  the arguments of each call.
    values: what the answer gave for each: numbers, or arrays of one shape for each case.
    """
    arrays = [as_array(value) for value in values]
    if any(array is None for array in arrays):
        return ""
    shapes = [array.shape for array in arrays]
    target = _flat(values, shapes)
    if target is None or np.ptp(target) == 0:  # one number throughout says nothing
        return ""
    with np.errstate(all="ignore"):
        found = _search(_atoms(right, cases, shapes), target)
    # With few different values, a long formula gives them by chance.
    allowed = min(LONGEST, len(np.unique(target)) - 1)
    return found if sum(found.count(sign) for sign in _SIGNS) <= allowed else ""


def _flat(values, shapes):
    """The values of all cases in one row of float64, a sample of large arrays; None if not."""
    rows = []
    for value, shape in zip(values, shapes, strict=True):
        try:
            array = np.broadcast_to(np.asarray(value, dtype=np.float64), shape).ravel()
        except (TypeError, ValueError, OverflowError):
            return None
        rows.append(array[:: -(-array.size // PER_CASE) or 1])
    row = np.concatenate(rows) if rows else np.zeros(0)
    return row if row.size > 1 and np.isfinite(row).all() else None


def _atoms(right, cases, shapes):
    """{words: row} of the arguments and of what is usually computed of an array."""
    found = {}

    def add(words, values):
        row = _flat(values, shapes)
        if row is not None:
            found.setdefault(words, row)

    for i, name in enumerate(inspect.signature(right).parameters):
        arguments = [case[i] for case in cases]
        if any(isinstance(a, str | bool) for a in arguments):
            continue
        add(name, arguments)
        if not any(np.ndim(a) for a in arguments):
            continue
        for words, compute in _STATISTICS.items():
            words = words.format(x=name)
            for axes, of_what in ((None, ""), (-1, ", for each channel"), (0, ", for each row")):
                try:
                    add(words + of_what, [_over(compute, a, axes) for a in arguments])
                except (TypeError, ValueError):
                    continue
    for number in _NUMBERS:
        found[str(number)] = np.full(sum(_sizes(shapes)), float(number))
    return found


def _sizes(shapes):
    for shape in shapes:
        size = int(np.prod(shape))
        yield len(range(0, size, -(-size // PER_CASE) or 1))


def _over(compute, array, kept):
    """A statistic over all axes, or over all but the one that is kept."""
    array = np.asarray(array, dtype=np.float64)
    if kept is None:
        return compute(array, axis=tuple(range(array.ndim)))
    if array.ndim < 2:
        raise ValueError("no axis to keep")
    kept %= array.ndim
    axes = tuple(axis for axis in range(array.ndim) if axis != kept)
    values = compute(array, axis=axes)
    return values if kept == array.ndim - 1 else values[:, None]


class _Block(NamedTuple):
    """Many formulas at once: their values in rows, and words for the i-th."""

    rows: np.ndarray  # (formulas, values)
    words: Callable[[int], str]

    def found(self, target) -> str:
        """The words of the first formula whose values are the target; "" if there is none."""
        hits = np.flatnonzero(_same(self.rows, target))
        return self.words(int(hits[0])) if len(hits) else ""


def _block(formulas: dict) -> _Block:
    words = list(formulas)
    return _Block(np.array([formulas[w] for w in words]), words.__getitem__)


def _search(atoms, target):
    """The shortest formula of atoms whose row is the target, or ""."""
    until = time.monotonic() + PATIENCE
    statistics = [words for words in atoms if words.startswith(("the ", "|"))]
    plain = {words: row for words, row in atoms.items() if words not in statistics}
    few = {words: row for words, row in plain.items() if not words.isdigit() or int(words) < 3}
    simple = _Block(*_once(_block(atoms)))
    if found := simple.found(target):
        return found
    blocks = [simple]
    for block in _twice(simple, plain):
        if found := block.found(target):
            return found
        blocks.append(block)
    for block in _twice(_Block(*_once(_block(few))), few):
        for longer in _twice(block, few):
            if found := longer.found(target):
                return found
            if time.monotonic() > until:
                return ""
    for block in blocks:
        if time.monotonic() > until:
            return ""
        if found := _Block(*_once(block)).found(target):
            return found
    return _joined(_merged(blocks), target)


def _once(block):
    """A block's formulas, and each with one operation more."""
    rows = np.concatenate([block.rows, *(compute(block.rows) for compute in _ONE.values())])
    templates = ["{x}", *_ONE]

    def words(i):
        template, inner = templates[i // len(block.rows)], block.words(i % len(block.rows))
        return inner if template == "{x}" else template.format(x=_in_brackets(inner))

    return rows, words


def _twice(block, atoms):
    """Blocks of a block's formulas joined with each atom, in either order."""
    for atom, row in atoms.items():
        for template, compute in _TWO.items():
            orders = [("x", "y")]
            if compute in (np.subtract, np.divide, np.power, np.floor_divide):
                orders.append(("y", "x"))
            for first, second in orders:
                pair = (block.rows, row) if first == "x" else (row, block.rows)

                def words(i, template=template, atom=atom, first=first, second=second):
                    texts = {first: _in_brackets(block.words(i)), second: _in_brackets(atom)}
                    return template.format(**texts)

                yield _Block(compute(*pair), words)


def _merged(blocks):
    sizes = np.cumsum([0, *(len(block.rows) for block in blocks)])

    def words(i):
        which = int(np.searchsorted(sizes, i, "right")) - 1
        return blocks[which].words(i - int(sizes[which]))

    return _Block(np.concatenate([block.rows for block in blocks]), words)


def _joined(block, target):
    """target = x + y, x - y, x · y or x / y of two formulas of a block."""
    order = np.argsort(block.rows[:, 0], kind="stable")
    first = block.rows[order, 0]
    for template, needed in (
        ("{x} + {y}", target - block.rows),
        ("{x} - {y}", block.rows - target),
        ("{x} · {y}", target / block.rows),
        ("{x} / {y}", block.rows / target),
    ):
        slack = TOLERANCE * np.abs(needed[:, 0])
        low = np.searchsorted(first, needed[:, 0] - slack)
        high = np.searchsorted(first, needed[:, 0] + slack, "right")
        for i in np.flatnonzero((high > low) & np.isfinite(needed).all(axis=1)):
            others = order[low[i] : min(high[i], low[i] + 40)]
            for j in others[_same(block.rows[others], needed[i])]:
                # No digits may be lost on the way, as in (x + 2**40) - 2**40.
                if _same(_TWO[template](block.rows[i], block.rows[j])[None], target)[0]:
                    x, y = (_in_brackets(block.words(int(k))) for k in (i, j))
                    return template.format(x=x, y=y)
    return ""


def _same(rows, target):
    """Which rows are the target, to rounding: (formulas,) bool."""
    return np.all(np.abs(rows - target) <= TOLERANCE * np.abs(target), axis=1)


def _in_brackets(words):
    return (
        f"({words})"
        if any(sign in words for sign in (" + ", " - ", " · ", " /", " to "))
        else words
    )
