"""What a student's function gives, compared with what it should, and put into words."""

from __future__ import annotations

import contextlib
import inspect
import io
import numbers
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """What calling a function on one case gave: a value, or the exception it raised."""

    value: object = None
    error: BaseException | None = None
    changed_input: bool = False
    printed: str = ""

    @property
    def is_blank(self):
        # A stub's ... ends up in arithmetic when only a part of the function was filled in.
        unfinished = isinstance(self.error, TypeError) and "ellipsis" in str(self.error).lower()
        return unfinished or (self.error is None and (self.value is None or self.value is ...))


LONGEST = 200  # characters of an exception's message
PATIENCE = 10  # seconds for one call of a student's function


@contextlib.contextmanager
def at_most(seconds):
    """Raise TimeoutError in what takes longer, where the system can: a loop may have no end."""
    main = threading.current_thread() is threading.main_thread()
    if not (main and hasattr(signal, "setitimer")):  # Windows, or a widget's thread
        yield
        return

    def stop(*_):
        raise TimeoutError(f"no answer after {seconds} seconds; does a loop have no end?")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class _Overheard(io.TextIOBase):
    """Writes on, and remembers what was written."""

    def __init__(self, to):
        self._to, self.text = to, ""

    def write(self, text):
        self.text += text[: max(0, LONGEST - len(self.text))]
        return self._to.write(text)

    def flush(self):
        self._to.flush()


def call_on_copies(function, case):
    """Call the function on copies, so that nothing it does reaches the exercise's own arrays."""
    arguments = deepcopy(case)
    value = failure = None
    with contextlib.redirect_stdout(_Overheard(sys.stdout)) as heard:
        try:
            with np.errstate(all="ignore"), at_most(PATIENCE):
                value = function(*arguments)
        except (Exception, SystemExit) as error:
            failure = error
    changed = any(
        isinstance(a, np.ndarray) and a.tobytes() != b.tobytes()
        for a, b in zip(arguments, case, strict=True)
    )
    return Outcome(value, failure, changed, heard.text)


def call_on_all(function, cases):
    """Call the function on every case; once it found no end, that is its outcome for the rest."""
    outcomes = []
    for case in cases:
        if outcomes and isinstance(outcomes[-1].error, TimeoutError):
            outcomes.append(outcomes[-1])
        else:
            outcomes.append(call_on_copies(function, case))
    return outcomes


def same_outcome(expected: Outcome, got: Outcome, rtol) -> bool:
    """Equal values, or the same kind of failure."""
    if expected.error is not None or got.error is not None:
        return type(expected.error) is type(got.error)
    return equal_values(expected.value, got.value, rtol)


def equal_values(expected, got, rtol) -> bool:
    """Whether `got` is the expected value, in whatever form: up to rounding, and as good a type.

    A list is as good as a tuple or an array, a Fraction or a large int as a float, a number in an
    array of one as the number; float32 may differ within its own precision. A mask is not numbers,
    and another shape is another value.
    """
    if isinstance(expected, tuple):
        parts = _parts(got)
        return parts is not None and len(parts) == len(expected) and all(
            equal_values(e, g, rtol) for e, g in zip(expected, parts, strict=True)
        )  # fmt: skip
    if isinstance(expected, int) and isinstance(got, int) and type(expected) is type(got):
        return abs(expected - got) <= rtol * abs(expected)  # of any size, and exactly
    expected, got = as_array(expected), as_array(got)
    if expected is None or got is None:
        return False
    if expected.ndim == 0 and got.size == 1:
        got = got.reshape(())
    if expected.shape != got.shape or (expected.dtype == bool) != (got.dtype == bool):
        return False
    return not differing(expected, got, rtol).any()


def differing(expected, got, rtol):
    """Where two arrays of one shape differ by more than rounding: bool, that shape.

    Tolerance is relative to the entry expected; what should be 0 may be as far from it as rounding
    takes the largest entry.
    """
    if expected.dtype == bool or got.dtype == bool:
        return expected != got
    if expected.dtype.kind == "f" and got.dtype == np.float32:
        rtol = max(rtol, 4 * np.finfo(np.float32).eps)
    with np.errstate(all="ignore"):
        expected, got = expected.astype(np.float64), got.astype(np.float64)
        finite = np.abs(expected[np.isfinite(expected)])
        largest = finite.max(initial=0)
        atol = 1e-12 * largest if rtol else 0.0
        if rtol and not largest:
            atol = 1e-12
        return ~np.isclose(got, expected, rtol=rtol, atol=atol, equal_nan=True)


def as_array(value):
    """A value of numbers or of True and False as an array; None if it is nothing of the kind."""
    try:
        array = np.asarray(value)
        if array.dtype.kind == "O" and array.size:  # Fraction, Decimal, whole numbers beyond int64
            array = array.astype(np.float64)
    except (ValueError, TypeError, OverflowError):  # ragged, text, beyond float64
        return None
    return array if array.dtype.kind in "biuf" else None


def _parts(value):
    """What a tuple, or a list or an array in its place, consists of."""
    if isinstance(value, tuple | list) or (isinstance(value, np.ndarray) and value.ndim):
        return list(value)
    return None


def why_no_number(answer):
    """Why an answer is not one finite number, in a sentence; "" if it is."""
    no_number = isinstance(answer, bool | np.bool_ | str | list | tuple)
    number = None if no_number else as_array(answer)
    if number is not None and number.size == 1 and number.dtype != bool:
        return "" if np.isfinite(number).all() else f"{answer} is not a finite number."
    called = " Call it, and give what it returns." if callable(answer) else ""
    return f"This exercise asks for one number, not for {in_words(answer)}.{called}"


def in_words(value):
    """A value in the words of a student's notebook; the same at every run (no addresses)."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, numbers.Integral) and abs(value) >= 10**15:
        return f"a whole number of {len(str(abs(int(value)))):,} digits"
    if isinstance(value, numbers.Real):
        return f"{float(value):.10g}"
    if isinstance(value, np.ndarray):
        if value.ndim == 0 or value.size > 20 or value.ndim > 2:
            return f"an array of {value.dtype} with shape {value.shape}"
        return np.array2string(value, separator=", ", precision=6)
    if isinstance(value, str | tuple | list | dict) and len(repr(value)) <= 80:
        return repr(value)
    if value is None or value is ...:
        return str(value)
    if inspect.isroutine(value):
        return "a function"
    kind = type(value).__name__
    return f"{'an' if kind[0].lower() in 'aeiou' else 'a'} {kind}"


ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth")


def how_they_differ(expected, got, rtol) -> str:
    """Lines that say in what a value differs from the one expected: form, shape, entries."""
    if isinstance(expected, tuple):
        parts = _parts(got)
        if parts is None:
            return (
                f"expected: {len(expected)} values, {in_words(expected)}\nyours:    {in_words(got)}"
            )
        if len(parts) != len(expected):
            return (
                f"expected: {len(expected)} values, {in_words(expected)}\n"
                f"yours:    {len(parts)}, {in_words(got)}"
            )
        wrong = [
            i for i, (e, g) in enumerate(zip(expected, parts, strict=True))
            if not equal_values(e, g, rtol)
        ]  # fmt: skip
        right = [ORDINALS[i] for i in range(len(expected)) if i not in wrong]
        said = f" (the {' and the '.join(right)} {'are' if len(right) > 1 else 'is'} right)"
        first = wrong[0]
        return (
            f"the {ORDINALS[first]} of the {len(expected)} values{said if right else ''}:\n"
            f"{how_they_differ(expected[first], parts[first], rtol)}"
        )
    lines = f"expected: {in_words(expected)}\nyours:    {in_words(got)}"
    e, g = as_array(expected), as_array(got)
    if e is None or g is None:
        return lines + _not_numbers(got)
    if e.shape != g.shape:
        return lines if e.ndim == g.ndim == 0 else (
            f"{lines}\nthe shape should be {e.shape}, and yours is {g.shape}"
        )  # fmt: skip
    if (e.dtype == bool) != (g.dtype == bool):
        kinds = ("True and False", "numbers") if e.dtype == bool else ("numbers", "True and False")
        return f"{lines}\n{kinds[0]} are expected, yours are {kinds[1]}"
    different = differing(e, g, rtol)
    if e.size <= 20 or not different.any():
        return lines
    at = tuple(int(i) for i in np.argwhere(different)[0])
    return (
        f"{lines}\n{np.count_nonzero(different):,} of {different.size:,} entries differ, first at "
        f"{list(at)}: expected {in_words(e[at])}, yours {in_words(g[at])}"
    )


def _not_numbers(got):
    if isinstance(got, Iterator):
        return "\nyours gives its values one by one and only once: make a list or an array of it"
    if isinstance(got, list | tuple):
        return "\nits entries have different lengths, or are no numbers"
    return ""


def error_line(error):
    """An exception's type and message in one line."""
    message = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    message = " ".join(message.split()).rstrip(".")
    if len(message) > LONGEST:
        message = f"{message[:LONGEST]} …"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


def line_of(error, function):
    """The line of the student's own code at which it stopped."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if code is not None and f.filename == code.co_filename]
    if not own:
        return ""
    source = f" ({own[-1].line})" if own[-1].line else ""
    return f", in line {own[-1].lineno} of its cell{source}"
