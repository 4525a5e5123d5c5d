"""Slips of the pen that people make in any subject, made systematically.

A lab declares the misconceptions of its subject. What is left are slips that have nothing to do
with it: rounding down instead of to the nearest, a border on the wrong side, an absolute value
forgotten, two arguments swapped, the wrong axis, a percentage for a share. `of(right, case)` makes
them all from the right computation itself, in three ways: its code with one thing changed, its
arguments changed before, its value changed after. An answer that equals one of them on every case
has, in its values, made that slip, and can be told so in words that do not show the solution.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
import types
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np


class Slip(NamedTuple):
    """A slip: its name, a function of the exercise's arguments that makes it, and what it does.

    says completes the sentence "Your values are those that come out ...".
    """

    name: str
    gives: Callable
    says: str


# Told last: true, but another slip may say more.
VAGUE = {"off_by_one", "term_missing", "factor_missing", "swapped_in_a_call"}


def of(right: Callable, case: tuple) -> Iterator[Slip]:
    """Every slip in `right`, the most telling first. `case` is an example of its arguments."""
    code = in_code(right)
    yield from (slip for slip in code if slip.name not in VAGUE)
    yield from in_arguments(right, case)
    yield from in_value(right, case)
    yield from (slip for slip in code if slip.name in VAGUE)


# ---------------------------------------------------------------------- the code, changed


@cache
def in_code(right: Callable) -> tuple[Slip, ...]:
    """The right computation with one thing in its code changed, or in a function that it calls."""
    found = []
    tree = _tree(right)
    if tree is None:
        return ()
    for name, says, changed in _changed(tree):
        function = _compiled(changed, right.__globals__, right.__name__)
        if function is not None:
            found.append(Slip(name, function, says))
    for dotted, callee in _callees(tree, right.__globals__):
        inner = _tree(callee)
        if inner is None:
            continue
        for name, says, changed in _changed(inner):
            function = _compiled(changed, callee.__globals__, callee.__name__)
            outer = function and _with(right, tree, dotted, function)
            if outer:
                found.append(Slip(name, outer, says))
    return tuple(found)


def _tree(function):
    try:
        source = textwrap.dedent(inspect.getsource(function))
        return ast.parse(ast.unparse(ast.parse(source)))  # in the form that unparsing gives
    except (OSError, TypeError, SyntaxError):  # built in, or a lambda within a longer line
        return None


def _compiled(tree, names, name):
    """The function of that name that the changed code defines, or None if it defines none."""
    tree = ast.fix_missing_locations(tree)
    definition = next((n for n in tree.body if isinstance(n, ast.FunctionDef)), None)
    if definition is None:
        return None
    definition.decorator_list = []
    space = dict(names)
    try:
        exec(compile(tree, "<slip>", "exec"), space)
    except Exception:
        return None
    return space.get(name)


def _callees(tree, names):
    """(dotted name, function) of what the code calls of this package."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        dotted = ast.unparse(node.func)
        parts = dotted.split(".")
        value = names.get(parts[0])
        for part in parts[1:]:
            value = getattr(value, part, None)
        value = inspect.unwrap(value) if callable(value) else value
        if isinstance(value, types.FunctionType) and value.__module__.startswith("course_utils"):
            yield dotted, value


def _with(right, tree, dotted, function):
    """`right`, calling `function` where it calls `dotted`."""
    first, *rest = dotted.split(".")
    space = dict(right.__globals__)
    if not rest:
        space[first] = function
    elif len(rest) == 1 and isinstance(space[first], types.ModuleType):
        space[first] = types.SimpleNamespace(**{**vars(space[first]), rest[0]: function})
    else:
        return None
    return _compiled(ast.parse(ast.unparse(tree)), space, right.__name__)


def _changed(tree):
    """(name, says, tree) for each place in the code and each slip that can be made there."""
    places = [node for node in ast.walk(tree) if isinstance(node, ast.expr | ast.Call)]
    for place in range(len(places)):
        for name, says, changed in _variants(places[place]):
            yield name, says, _replaced(tree, place, changed)


def _replaced(tree, place, changed):
    """A copy of the tree in which the place-th expression is another."""
    copy = ast.parse(ast.unparse(tree))
    target = [n for n in ast.walk(copy) if isinstance(n, ast.expr | ast.Call)][place]

    class Swap(ast.NodeTransformer):
        def visit(self, node):
            return changed if node is target else self.generic_visit(node)

    return Swap().visit(copy)


_ROUNDINGS = {
    "floor": ("floor", "if a number is rounded down (floor)", "np.floor({x})"),
    "ceil": ("ceil", "if a number is rounded up (ceil)", "np.ceil({x})"),
    "trunc": (
        "truncate",
        "if a number's fraction is cut off, toward zero, as int() does it",
        "np.trunc({x})",
    ),
    "half_up": (
        "half_up",
        "if ties are rounded up, as floor(x + 0.5) does it, and not to the even neighbour",
        "np.floor({x} + 0.5)",
    ),
    "half_int": (
        "half_int",
        "if 0.5 is added and the fraction cut off, as int(x + 0.5) does it: negative numbers are "
        "then rounded toward zero",
        "np.trunc({x} + 0.5)",
    ),
    "half_away": (
        "half_away",
        "if ties are rounded away from zero, and not to the even neighbour",
        "(np.sign({x}) * np.floor(np.abs({x}) + 0.5))",
    ),
    "even": ("half_even", "if ties are rounded to the even neighbour", "np.round({x})"),
    "none": ("not_rounded", "without the rounding", "{x}"),
}
_ROUND = {"round", "rint", "around", "floor", "ceil", "trunc", "fix", "int"}
_SIGNS = {ast.Gt: ">", ast.GtE: ">=", ast.Lt: "<", ast.LtE: "<="}
_BORDER = {">": ">=", ">=": ">", "<": "<=", "<=": "<"}
_TURNED = {">": "<", ">=": "<=", "<": ">", "<=": ">="}
_OPERATORS = {
    ast.Add: [(ast.Sub, "minus_for_plus", "if something is subtracted that should be added")],
    ast.Sub: [(ast.Add, "plus_for_minus", "if something is added that should be subtracted")],
    ast.Mult: [(ast.Div, "divided", "if something is divided by that should be multiplied with")],
    ast.Div: [
        (ast.Mult, "multiplied", "if something is multiplied with that should be divided by"),
        (ast.FloorDiv, "floor_division", "with //, which drops the fraction, in place of /"),
    ],
    ast.FloorDiv: [(ast.Div, "true_division", "with / in place of //: the fraction stays")],
    ast.Pow: [
        (ast.Mult, "times_for_power", "if a power is taken for a product"),
        (ast.BitXor, "caret", "with ^, which in Python combines bits, in place of ** for a power"),
    ],
    ast.LShift: [(ast.RShift, "shifted_right", "if bits are shifted right that should go left")],
    ast.RShift: [(ast.LShift, "shifted_left", "if bits are shifted left that should go right")],
    ast.BitAnd: [(ast.BitOr, "or_for_and", "with | (or) in place of & (and)")],
    ast.BitOr: [(ast.BitAnd, "and_for_or", "with & (and) in place of | (or)")],
}
_FUNCTIONS = {
    "std": [("var", "variance", "with the variance, sigma squared, in place of sigma")],
    "var": [("std", "sigma", "with the standard deviation in place of its square")],
    "mean": [
        ("sum", "sum_for_mean", "with a sum in place of a mean"),
        ("median", "median_for_mean", "with the median in place of the mean"),
    ],
    "sum": [("mean", "mean_for_sum", "with a mean in place of a sum")],
    "max": [
        ("min", "min_for_max", "with a minimum in place of a maximum"),
        ("mean", "mean_for_max", "with a mean in place of a maximum"),
    ],
    "min": [("max", "max_for_min", "with a maximum in place of a minimum")],
    "maximum": [("minimum", "min_for_max", "with a minimum in place of a maximum")],
    "minimum": [("maximum", "max_for_min", "with a maximum in place of a minimum")],
    "argsort": [("sort", "values_for_places", "with sorted values in place of their places")],
    "log2": [("log", "natural_log", "with the natural logarithm in place of that to base 2")],
    "log": [("log2", "log2", "with the logarithm to base 2 in place of the natural one")],
    "any": [("all", "all_for_any", "if all must hold where one is enough")],
    "all": [("any", "any_for_all", "if one is enough where all must hold")],
    "zeros": [("ones", "ones", "starting from ones in place of zeros")],
}


def _variants(node):
    """(name, says, new node) for the slips that can be made at one expression."""
    parse = lambda text: ast.parse(text, mode="eval").body  # noqa: E731
    text = ast.unparse(node)
    if isinstance(node, ast.Compare) and all(type(op) in _SIGNS for op in node.ops):
        yield from _comparisons(node, parse)
    if isinstance(node, ast.BinOp):
        a, b = ast.unparse(node.left), ast.unparse(node.right)
        signs = {
            ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/", ast.FloorDiv: "//",
            ast.BitXor: "^", ast.LShift: "<<", ast.RShift: ">>", ast.BitAnd: "&", ast.BitOr: "|",
        }  # fmt: skip
        for other, name, says in _OPERATORS.get(type(node.op), ()):
            yield name, says, parse(f"(({a}) {signs[other]} ({b}))")
        if isinstance(node.op, ast.Sub | ast.Div | ast.Pow | ast.FloorDiv):
            sign = ast.unparse(ast.BinOp(ast.Name("a"), node.op, ast.Name("b"))).strip("ab ")
            words = {
                ast.Sub: "if a difference is taken the other way round",
                ast.Div: "if a fraction stands upside down",
                ast.FloorDiv: "if a fraction stands upside down",
                ast.Pow: "if a base and its exponent are swapped",
            }
            yield "swapped_operands", words[type(node.op)], parse(f"(({b}) {sign} ({a}))")
        if isinstance(node.op, ast.Add | ast.Sub | ast.Mult | ast.Div):
            what = "term" if isinstance(node.op, ast.Add | ast.Sub) else "factor"
            yield f"{what}_missing", f"if one {what} is left out", parse(f"({a})")
            if isinstance(node.op, ast.Add | ast.Mult):
                yield f"{what}_missing", f"if one {what} is left out", parse(f"({b})")
        if isinstance(node.op, ast.Pow) and b == "2":
            yield "not_squared", "without the square", parse(f"({a})")
    if isinstance(node, ast.UnaryOp):
        inner = ast.unparse(node.operand)
        if isinstance(node.op, ast.USub):
            yield "wrong_sign", "if a sign is forgotten", parse(f"({inner})")
        if isinstance(node.op, ast.Not | ast.Invert):
            yield "inverted", "if a condition is the other way round", parse(f"({inner})")
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "off_by_one", "if a number in it is one too large", parse(f"({text} + 1)")
        yield "off_by_one", "if a number in it is one too small", parse(f"({text} - 1)")
    if isinstance(node, ast.Call):
        yield from _call_variants(node, parse)


def _comparisons(node, parse):
    """A comparison, a < b or a < b < c: its borders, its direction, one side only."""
    terms = [ast.unparse(term) for term in (node.left, *node.comparators)]
    signs = [_SIGNS[type(op)] for op in node.ops]

    def joined(signs):
        return parse("(" + " ".join(f"{t} {s}" for t, s in zip(terms, [*signs, ""])) + ")")  # noqa: B905

    for which in itertools.product((False, True), repeat=len(signs)):
        if any(which):
            moved = [_BORDER[s] if w else s for s, w in zip(signs, which, strict=True)]
            says = "if a value exactly at a border counts to the other side (< or <=?)"
            yield "border", says, joined(moved)
    turned = [_TURNED[s] for s in signs]
    yield "comparison_turned", "if a comparison points the other way", joined(turned)
    for i in range(len(signs) if len(signs) > 1 else 0):
        one = parse(f"({terms[i]} {signs[i]} {terms[i + 1]})")
        yield "one_side", "if only one of two borders is looked at", one


def _call_variants(node, parse):
    function = ast.unparse(node.func)
    short = function.split(".")[-1]
    arguments = [ast.unparse(a) for a in node.args]
    keywords = {k.arg: ast.unparse(k.value) for k in node.keywords if k.arg}

    def call(name, args, kws):
        return parse(f"{name}({', '.join([*args, *(f'{k}={v}' for k, v in kws.items())])})")

    if short in _ROUND and arguments:
        for key, (name, says, template) in _ROUNDINGS.items():
            if not (key == short or (key == "even" and short in ("round", "rint", "around"))):
                yield name, says, parse(template.format(x=f"({arguments[0]})"))
    method = isinstance(node.func, ast.Attribute) and not function.startswith(("np.", "math."))
    if short in ("abs", "absolute", "fabs") and arguments:
        yield "no_abs", "without the absolute value", parse(f"({arguments[0]})")
    if short == "clip" and len(arguments) == 3:
        x, low, high = arguments
        yield "not_clipped", "without the limits at both ends", parse(f"({x})")
        yield (
            "clipped_one_side", "with a limit at the upper end only",
            parse(f"np.minimum({x}, {high})"),
        )  # fmt: skip
        yield (
            "clipped_one_side", "with a limit at the lower end only",
            parse(f"np.maximum({x}, {low})"),
        )  # fmt: skip
    for other, name, says in _FUNCTIONS.get(short, ()):
        yield name, says, call(function[: -len(short)] + other, arguments, keywords)
    if short in ("std", "var") and "ddof" not in keywords:
        yield (
            "sample_std", "if the squares' sum is divided by n - 1 (ddof=1) in place of n",
            call(function, arguments, {**keywords, "ddof": "1"}),
        )  # fmt: skip
    words = {"sqrt": "the root", "log2": "the logarithm", "square": "the square"}
    if short in words and arguments:
        yield f"no_{short}", f"without {words[short]}", parse(f"({arguments[0]})")
    if "axis" in keywords:
        for axis in ("0", "1", "-1", "-2", "None"):
            if axis != keywords["axis"]:
                says = (
                    "if all entries are taken together, in place of along one axis"
                    if axis == "None"
                    else "if it is done along another axis"
                )
                name = "no_axis" if axis == "None" else "wrong_axis"
                yield name, says, call(function, arguments, {**keywords, "axis": axis})
    if len(arguments) >= 2 and not method:
        swapped = [arguments[1], arguments[0], *arguments[2:]]
        yield "swapped_in_a_call", "if two things change places", call(function, swapped, keywords)


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
    ("halved", "half too large", lambda v: _numbers(v) / 2),
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
