"""Arithmetic with the numbers of a saved formula, such as ``10**6``, computed within bounds."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable
from typing import Any

from ..formula.aliases import unaliased

Number = int | float

MAX_INTEGER = 2**63 - 1
"""Beyond it NumPy computes with Python's integers, which grow without bound."""

OPERATORS: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: math.pow,  # in floats, as in evaluation: integers would grow without bound
}
SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.UAdd: operator.pos,
    ast.USub: operator.neg,
    ast.Invert: operator.invert,
}


class ForbiddenError(Exception):
    """An expression is not in the whitelist; the text says why."""


def checked_number(value: Any, written: str) -> Number:
    """A number that NumPy has a type for.

    Parameters
    ----------
    value : object
    written : str
        How it stands in the formula, for messages.

    Raises
    ------
    ForbiddenError
    """
    if not isinstance(value, (bool, int, float)):
        raise ForbiddenError(f"{written} is not allowed in a saved formula")
    if isinstance(value, int) and abs(value) > MAX_INTEGER:
        raise ForbiddenError(
            f"{written} has more than 63 bits: write it with a point, such as 1e20"
        )
    return value


def computed(written: str, compute: Callable[..., Any], *values: Number) -> Number:
    """The value of an operator of `OPERATORS` or `SIGNS`, or of a function of numbers.

    Raises
    ------
    ForbiddenError
        It has none, or a whole number of more than 63 bits.

    Examples
    --------
    >>> computed("2**10", math.pow, 2, 10)
    1024.0
    """
    try:
        return checked_number(compute(*values), written)
    except (ArithmeticError, ValueError, TypeError) as exc:
        raise ForbiddenError(f"{written} cannot be computed ({exc})") from None


def quoted(node: ast.expr) -> str:
    """An expression in a message, shortened."""
    text = unaliased(ast.unparse(node))
    return f"`{text}`" if len(text) <= 60 else f"`{text[:57]}…`"
