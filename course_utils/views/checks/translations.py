"""What Python's and NumPy's own errors mean, for whoever meets them for the first time."""

from __future__ import annotations

import re

_ONE_NUMBER = (
    "int(), float(), round() and the functions of math take one number, and this is a whole array: "
    "use NumPy's, such as np.round, np.floor, np.sqrt, or .astype(int)."
)
_WHOLE = (
    "bits can only be shifted and combined in whole numbers: convert first, and put brackets "
    "around each part."
)
# The first pattern that is found in "Type: message" applies.
MEANINGS = [
    (
        r"truth value of an array",
        "if, and, or, not, min(a, b) and max(a, b) decide once, and this is a whole array of "
        "answers: use np.where, np.minimum, np.maximum, or &, | and ~ with brackets around each "
        "comparison.",
    ),
    (r"doesn't define __round__ method", _ONE_NUMBER),
    (r"only (length-1|0-dimensional|size-1) arrays can be converted", _ONE_NUMBER),
    (r"must be real number, not|doesn't define __(ceil|floor|trunc)__", _ONE_NUMBER),
    (
        r"could not be broadcast|shape mismatch",
        "the two arrays' shapes do not fit: NumPy lines them up from the last axis, and an axis "
        "must be equal or 1. keepdims=True, or [:, None], puts an axis where it is missing.",
    ),
    (
        r"matmul|shapes .* not aligned",
        "in a matrix product, the last axis of the first array must be as long as the first axis "
        "of the second: does one of them need a transpose?",
    ),
    (
        r"'NoneType'",
        "something here is None. A function without return gives None, and so do methods that "
        "change an array in place, such as .sort() and .fill().",
    ),
    (
        r"object is not callable",
        "round brackets call a function, and what stands before them here is none: is a * missing, "
        "should they be square brackets, or is a name used twice?",
    ),
    (r"(bitwise_\w+|left_shift|right_shift|invert)' not supported", _WHOLE),
    (r"unsupported operand type\(s\) for (<<|>>|&|\||\^)|bad operand type for unary ~", _WHOLE),
    (r"negative shift count", "a shift by a negative number of bits: shift the other way."),
    (
        r"NameError|UnboundLocalError",
        "this name is not known at this line. A function knows its arguments by the names in its "
        "first line; is it a slip of the pen, or set only in one branch?",
    ),
    (r"ZeroDivisionError", "a division by zero: which of the arguments can be 0?"),
    (
        r"RecursionError",
        "the function calls itself without an end: does it have the same name as the one that you "
        "meant to call?",
    ),
    (
        r"out of bounds for (u?int\d+)|cannot fit|too large to convert|OverflowError",
        "the number does not fit its type: an int8 holds -128 to 127, a uint8 0 to 255. Compute in "
        "a wider type, clip, and convert last.",
    ),
    (
        r"Cannot cast ufunc",
        "+= and its like keep the array's own type, which cannot hold the result: write "
        "x = x + ... instead, in a wider type.",
    ),
    (
        r"axis \d+ is out of bounds",
        "the array has fewer axes than this: axis counts from 0, and -1 is the last.",
    ),
    (
        r"too many indices|boolean index did not match",
        "the index has another shape than the array: see .shape of both.",
    ),
    (
        r"arrays used as indices must be of integer|only integers, slices|"
        r"indices must be integers",
        "an index must be a whole number, or an array of whole numbers or of True and False: "
        "convert it with int() or .astype(int).",
    ),
    (
        r"index -?\d+ is out of bounds|index out of range",
        "the place does not exist: n entries have the places 0 to n - 1.",
    ),
    (
        r"setting an array element with a sequence|inhomogeneous shape",
        "a list whose entries have different lengths cannot be an array.",
    ),
    (
        r"can't multiply sequence|"
        r"unsupported operand type\(s\) for [-+*/]+: ('\w+' and )?'(list|tuple)'",
        "a list or a tuple is no array: np.asarray(...) makes one that computes entry by entry.",
    ),
    (
        r"'(list|tuple|int|float)' object has no attribute",
        "this is a plain Python value, which lacks what NumPy arrays have: np.asarray(...) makes "
        "an array of it.",
    ),
    (
        r"module 'numpy' has no attribute|numpy.ndarray' object has no attribute",
        "NumPy does not know this name: is it spelt so? np.<Tab> lists the names there are.",
    ),
    (
        r"math domain error",
        "the root or the logarithm of a number that has none: which argument can be 0 or negative?",
    ),
    (
        r"cannot convert float (NaN|infinity) to integer",
        "a number became infinite or undefined (NaN) on the way: where is something divided by 0, "
        "or by nothing at all?",
    ),
    (r"item assignment", "a tuple cannot be changed: make a list or a new array."),
    (
        r"assignment destination is read-only",
        "this array may only be read: compute a new one, or make a .copy().",
    ),
    (
        r"positional argument|unexpected keyword argument|multiple values for argument",
        "a function is called here with another number of arguments, or other names, than it has.",
    ),
    (r"could not convert string|invalid literal", "a text stands where a number is needed."),
    (r"unhashable type", "arrays and lists cannot be keys of a dictionary or members of a set."),
    (
        r"not iterable|cannot unpack|not enough values to unpack|too many values to unpack",
        "one value is taken for several, or several for another number of them: what does the "
        "right-hand side return?",
    ),
]  # fmt: skip


def meaning(error: BaseException) -> str:
    """What the error means, in a sentence; "" for one that is not among the usual.

    >>> meaning(ZeroDivisionError("division by zero"))
    'a division by zero: which of the arguments can be 0?'
    """
    said = f"{type(error).__name__}: {error}"
    return next((means for pattern, means in MEANINGS if re.search(pattern, said)), "")
