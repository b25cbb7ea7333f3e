"""A formula as a tree of known kinds of nodes: what files hold, rebuilt without evaluating code.

Nodes are lists: ["integer", "3"], ["rational", "1", "3"], ["pi"], ["e"], ["x"], [name, *arguments] for NODES.
"""

from typing import Any

from sympy import (
    Abs,
    Add,
    And,
    Basic,
    E,
    Eq,
    Expr,
    Ge,
    Gt,
    Heaviside,
    Integer,
    Le,
    Lt,
    Max,
    Min,
    Mul,
    Ne,
    Not,
    Or,
    Piecewise,
    Pow,
    Rational,
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atanh,
    cos,
    cosh,
    cot,
    coth,
    erf,
    erfc,
    exp,
    false,
    log,
    pi,
    sec,
    sech,
    sign,
    sin,
    sinh,
    tan,
    tanh,
    true,
)
from sympy.functions.elementary.piecewise import ExprCondPair

from analytic.symbols import h

CLASSES = (
    *(Add, Mul, Pow, exp, log, sin, cos, tan, cot, sec, sinh, cosh, tanh, coth, sech, erf, erfc),
    *(asin, acos, atan, asinh, acosh, atanh, Abs, sign, Max, Min, Heaviside, Piecewise, ExprCondPair),
    *(Gt, Ge, Lt, Le, Eq, Ne, And, Or, Not),
)
NODES: dict[str, type[Basic]] = {kind.__name__: kind for kind in CLASSES}
LEAVES: dict[str, Basic] = {"x": h, "pi": pi, "e": E, "true": true, "false": false}

LARGEST = 10_000  # nodes
DEEPEST = 100
LONGEST = 400  # digits of a number


class UnknownNode(ValueError):
    """A formula has a part that no tree holds, or a tree is none."""


def tree(expression: Basic) -> list[Any]:
    """The tree of an expression in `analytic.symbols.h`.

    Raises
    ------
    UnknownNode
        Naming the function.
    """
    for name, leaf in LEAVES.items():
        if expression == leaf:
            return [name]
    if isinstance(expression, Integer):
        return ["integer", str(expression.p)]
    if isinstance(expression, Rational):
        return ["rational", str(expression.p), str(expression.q)]
    kind = expression.func.__name__
    if NODES.get(kind) is not expression.func:
        raise UnknownNode(f"{kind} is not among the functions that are known: {', '.join(sorted(NODES))}")
    return [kind, *map(tree, expression.args)]


def rebuilt(nodes: Any) -> Expr:
    """The expression of a tree, which may come from anywhere.

    Raises
    ------
    UnknownNode
        When it is not one that `tree` makes, or too large.
    """
    left = [LARGEST]
    try:
        found = _node(nodes, left, DEEPEST)
    except UnknownNode:
        raise
    except (ArithmeticError, AttributeError, RecursionError, TypeError, ValueError) as broken:
        raise UnknownNode(f"the tree of an activation is damaged ({type(broken).__name__})") from None
    if not isinstance(found, Expr):
        raise UnknownNode("the tree of an activation is no function of x")
    return found


def _node(nodes: Any, left: list[int], depth: int) -> Basic:
    left[0] -= 1
    if left[0] < 0 or depth < 0:
        raise UnknownNode("the tree of an activation is too large")
    if not isinstance(nodes, list | tuple) or not nodes or not isinstance(nodes[0], str):
        raise UnknownNode("the tree of an activation is damaged")
    name, *rest = nodes
    if name in LEAVES and not rest:
        return LEAVES[name]
    if name in ("integer", "rational") and len(rest) == (1 if name == "integer" else 2):
        number = Rational(*map(_whole, rest))
        if not number.is_Rational:
            raise UnknownNode("the tree of an activation has a number that is none")
        return number
    if name not in NODES:
        raise UnknownNode(f"the tree of an activation has a node {name[:40]!r} that is not known")
    made = NODES[name](*(_node(part, left, depth - 1) for part in rest))
    if made.is_Rational and max(abs(made.p), made.q) >= 10**LONGEST:
        raise UnknownNode("the tree of an activation has a number that is too long")
    return made


def _whole(text: Any) -> int:
    if not isinstance(text, str) or len(text) > LONGEST or not text.removeprefix("-").isdecimal():
        raise UnknownNode("the tree of an activation has a number that is none")
    return int(text)
