"""Slips in a calculation's code: the code itself with one thing changed (see `slips`).

The right computation's source is read, one expression of it replaced by what people write in its
place, and compiled: `round` by `floor`, `<` by `<=`, `std` by `var`, an axis by another, a step
done too early or too late. The same is done to the functions of this package that it calls.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import textwrap
import types
from collections.abc import Callable
from functools import cache
from typing import NamedTuple


class Slip(NamedTuple):
    """A slip: its name, a function of the exercise's arguments that makes it, and what it does.

    says completes the sentence "Your values are those that come out ...".
    """

    name: str
    gives: Callable
    says: str


@cache
def in_code(right: Callable) -> tuple[Slip, ...]:
    """The right computation with one thing in its code changed, or in a function that it calls."""
    found = []
    tree = _tree(right)
    if tree is None:
        return ()
    plain = _without_casts(tree)
    changes = [*_changed(tree), *(_changed(plain) if plain else ()), *_stopped(tree)]
    for name, says, changed in changes:
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


def _stopped(tree):
    """What a function returns when it ends with an intermediate value in place of the last."""
    returns = [node for node in ast.walk(tree) if isinstance(node, ast.Return) and node.value]
    assigned = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and len(n.targets) == 1]
    whole = {ast.unparse(node.value) for node in returns}
    parts = {}
    for place in (*returns, *assigned):
        for node in ast.walk(place.value):
            if isinstance(node, ast.BinOp | ast.Call | ast.Compare | ast.Subscript | ast.UnaryOp):
                parts.setdefault(ast.unparse(node))
        if isinstance(place, ast.Assign):
            parts.setdefault(ast.unparse(place.targets[0]))
    says = "if the calculation stops at a step before the last: that is an intermediate value"
    for part in parts:
        if part not in whole:
            copy = ast.parse(ast.unparse(tree))
            last = [node for node in ast.walk(copy) if isinstance(node, ast.Return)][-1]
            last.value = ast.parse(part, mode="eval").body
            yield "stopped_early", says, copy


def _without_casts(tree):
    """The code without int(...), float(...) and .astype(...), or None if it has none."""
    copy = ast.parse(ast.unparse(tree))

    class Drop(ast.NodeTransformer):
        def visit_Call(self, node):
            self.generic_visit(node)
            if isinstance(node.func, ast.Name) and node.func.id in ("int", "float"):
                return node.args[0] if node.args else node
            if isinstance(node.func, ast.Attribute) and node.func.attr == "astype":
                return node.func.value
            return node

    dropped = ast.fix_missing_locations(Drop().visit(copy))
    return dropped if ast.unparse(dropped) != ast.unparse(tree) else None


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
        yield from _other_orders(node, parse)
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


_STEPS = _ROUND - {"int"} | {"clip", "abs", "sqrt", "square", "log2", "exp2"}


def _step(node):
    """(name of the function, its first argument, the others as text) of a step like np.round(x)."""
    if isinstance(node, ast.Call) and node.args:
        function = ast.unparse(node.func)
        if function.split(".")[-1] in _STEPS and not isinstance(node.args[0], ast.Starred):
            return function, node.args[0], [ast.unparse(a) for a in node.args[1:]]
    return None


def _other_orders(node, parse):
    """(a · b) + c with other brackets, and round(a) · b for round(a · b)."""
    sign = ast.unparse(ast.BinOp(ast.Name("a"), node.op, ast.Name("b"))).strip("ab ")
    a, b = ast.unparse(node.left), ast.unparse(node.right)
    for inner, outer, left in ((node.left, b, True), (node.right, a, False)):
        if isinstance(inner, ast.BinOp):
            own = ast.unparse(ast.BinOp(ast.Name("a"), inner.op, ast.Name("b"))).strip("ab ")
            x, y = ast.unparse(inner.left), ast.unparse(inner.right)
            orders = [f"((({outer}) {sign} ({x})) {own} ({y}))"]
            if left:
                orders = [
                    f"(({x}) {own} (({y}) {sign} ({outer})))",
                    f"((({x}) {sign} ({outer})) {own} ({y}))",
                ]
            for text in orders:
                yield "brackets", "with brackets in another place: another order", parse(text)
        found = _step(inner)
        if found:
            function, x, rest = found
            pair = f"({ast.unparse(x)}) {sign} ({outer})" if left else (
                f"({outer}) {sign} ({ast.unparse(x)})"
            )  # fmt: skip
            what = function.split(".")[-1]
            says = f"if a step ({what}) comes too late, after another that should follow it"
            yield "too_late", says, parse(f"{function}({', '.join([pair, *rest])})")


def _too_early(node, parse):
    """round(a) · b, or a · round(b), for round(a · b)."""
    found = _step(node)
    if not found or not isinstance(found[1], ast.BinOp):
        return
    function, inner, rest = found
    sign = ast.unparse(ast.BinOp(ast.Name("a"), inner.op, ast.Name("b"))).strip("ab ")
    a, b = ast.unparse(inner.left), ast.unparse(inner.right)
    says = f"if a step ({function.split('.')[-1]}) comes too early, before the one it should follow"
    for one, other in ((True, False), (False, True), (True, True)):
        x = f"{function}({', '.join([a, *rest])})" if one else f"({a})"
        y = f"{function}({', '.join([b, *rest])})" if other else f"({b})"
        yield "too_early", says, parse(f"({x} {sign} {y})")


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

    half = short == "floor" and arguments and arguments[0].endswith("+ 0.5")
    if short in _ROUND and arguments and not half:
        for key, (name, says, template) in _ROUNDINGS.items():
            if not (key == short or (key == "even" and short in ("round", "rint", "around"))):
                yield name, says, parse(template.format(x=f"({arguments[0]})"))
    if half:
        unrounded = f"({arguments[0][: -len('+ 0.5')]})"  # floor(x + 0.5) rounds to the nearest
        for key, (name, says, template) in _ROUNDINGS.items():
            if key != "half_up":
                yield name, says, parse(template.format(x=unrounded))
    yield from _too_early(node, parse)
    method = isinstance(node.func, ast.Attribute) and not function.startswith(("np.", "math."))
    if short in ("min", "max", "minimum", "maximum") and len(arguments) == 2 and not method:
        for kept in arguments:
            yield "one_limit", "if one of two limits is left out", parse(f"({kept})")
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
