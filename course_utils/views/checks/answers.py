"""What a student's function gives, compared with what it should, and put into words."""

from __future__ import annotations

import contextlib
import inspect
import numbers
import signal
import threading
import traceback
from copy import deepcopy
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Outcome:
    """What calling a function on one case gave: a value, or the exception it raised."""

    value: object = None
    error: BaseException | None = None
    changed_input: bool = False

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


def call_on_copies(function, case):
    """Call the function on copies, so that nothing it does reaches the exercise's own arrays."""
    arguments = deepcopy(case)
    try:
        with np.errstate(all="ignore"), at_most(PATIENCE):
            value = function(*arguments)
    except (Exception, SystemExit) as error:
        return Outcome(error=error)
    changed = any(
        isinstance(a, np.ndarray) and not np.array_equal(a, b)
        for a, b in zip(arguments, case, strict=True)
    )
    return Outcome(value, changed_input=changed)


def call_on_all(function, cases):
    """Call the function on every case; once it found no end, that is its outcome for the rest."""
    outcomes = []
    for case in cases:
        if outcomes and isinstance(outcomes[-1].error, TimeoutError):
            outcomes.append(outcomes[-1])
        else:
            outcomes.append(call_on_copies(function, case))
    return outcomes


def same_outcome(one: Outcome, other: Outcome, rtol) -> bool:
    """Equal values, or the same kind of failure."""
    if one.error is not None or other.error is not None:
        return type(one.error) is type(other.error)
    return equal_values(one.value, other.value, rtol)


def equal_values(one, other, rtol):
    """Same shape, both masks or both numbers, and equal up to rounding."""
    if isinstance(one, tuple) or isinstance(other, tuple):
        both = isinstance(one, tuple) and isinstance(other, tuple) and len(one) == len(other)
        return both and all(equal_values(a, b, rtol) for a, b in zip(one, other, strict=True))
    try:
        one, other = np.asarray(one), np.asarray(other)
    except ValueError:  # ragged
        return False
    if one.shape != other.shape or not {one.dtype.kind, other.dtype.kind} <= set("biuf"):
        return False
    if (one.dtype == bool) != (other.dtype == bool):
        return False
    if one.dtype == bool:
        return bool(np.array_equal(one, other))
    return bool(np.allclose(one, other, rtol=rtol, atol=1e-12))


def why_no_number(answer):
    is_number = isinstance(answer, numbers.Real | np.ndarray) and not isinstance(answer, bool)
    if is_number and np.ndim(answer) == 0 and np.asarray(answer).dtype.kind in "iuf":
        return "" if np.isfinite(float(answer)) else f"{answer} is not a finite number."
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


def first_difference(expected, got, rtol):
    """For arrays too large to print: how many entries differ, and the first of them."""
    try:
        expected, got = np.asarray(expected), np.asarray(got)
    except ValueError:
        return ""
    if expected.size <= 20 or expected.shape != got.shape or got.dtype.kind not in "biuf":
        return ""
    different = ~np.isclose(expected.astype(float), got.astype(float), rtol=rtol, atol=1e-12)
    if not different.any():
        return ""
    at = tuple(int(i) for i in np.argwhere(different)[0])
    return (
        f"\n{np.count_nonzero(different):,} of {different.size:,} entries differ, first at "
        f"{list(at)}: expected {in_words(expected[at])}, yours {in_words(got[at])}"
    )


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
