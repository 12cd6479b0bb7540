"""What calls in a saved formula give, and with which arguments they are allowed.

Every function of the formula language is among these, or cannot be called in a saved formula.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from inspect import signature
from typing import Any, Literal

import numpy as np

from ..formula.transforms import ELEMENTWISE
from .safe_arithmetic import ForbiddenError, Number, computed, quoted

ValueKind = Literal["number", "basis", "labels", "factor", "coding", "text", "list", "given"]
"""Numbers are a column or one of them, a basis several columns, labels a column of objects;
given is what functions and variables of the caller are."""

NUMBERS = ("number", "given")
"""What may stand in arithmetic."""

VALUES = ("number", "labels", "text", "given")
"""What may be compared."""

MAX_LIST_LENGTH = 1000
"""Entries of a list, such as knots."""

MAX_SIZES = {"df": 1000, "levels": 1000, "degree": 50}
"""Parameters of transforms that say how many columns they make, and the most that each may ask
for. The time that splines take grows with the square of the degree; polynomials are
lost to rounding far below."""


@dataclass(frozen=True)
class ValueType:
    """What an expression gives.

    Attributes
    ----------
    kind : str
    value : number, optional
        Where no column is in it.
    width : int
        Columns that it makes as a predictor, at most.
    """

    kind: ValueKind
    value: Number | None = None
    width: int = 1


def type_of_call(
    node: ast.Call,
    function: Any,
    name: str,
    types: Sequence[ValueType],
    levels: Callable[[], int],
) -> ValueType:
    """What the call of a function of the language gives.

    Parameters
    ----------
    node : ast.Call
    function : callable
        What is called, and
    name : str
        its name.
    types : sequence of ValueType
        What its arguments are, those with keywords last.
    levels : callable
        How many different values a column made of the first argument has, at most.

    Raises
    ------
    ForbiddenError
        The function, or one of these arguments, is not in the whitelist.
    """
    if isinstance(function, np.ufunc):
        return _of_ufunc(node, function, types)
    if is_contrast(function):
        return ValueType("coding")
    if name == "c":
        return type_of_list(node, types)
    if name == "I" and len(types) == 1:
        return types[0]
    if name in ELEMENTWISE:
        return _of_elements(node, name, types, levels)
    if not all(map(_is_constant, types[1:])):
        raise ForbiddenError(f"{quoted(node)} has more than one argument that is no constant")
    if name in ("C", "factor", "hashed"):
        if types and types[0].kind not in VALUES:
            raise ForbiddenError(f"{quoted(node)} is no factor of a column")
        width = _columns_made(function, node, types) if name == "hashed" else None
        return ValueType("factor", width=width or levels())
    if name != "lag" and not getattr(function, "__is_stateful_transform__", False):
        raise ForbiddenError(f"the call {quoted(node)} is not allowed in a saved formula")
    if types and types[0].kind not in NUMBERS:
        raise ForbiddenError(f"{quoted(node)} transforms what is no column of numbers")
    width = _columns_made(function, node, types)
    return ValueType("number") if width is None else ValueType("basis", width=width)


def type_of_list(node: ast.expr, items: Sequence[ValueType]) -> ValueType:
    """A list of constants: of columns it would take much memory.

    Raises
    ------
    ForbiddenError
    """
    if len(items) > MAX_LIST_LENGTH:
        raise ForbiddenError(f"{quoted(node)} has more than {MAX_LIST_LENGTH} entries")
    for item in items:
        if not _is_constant(item):
            raise ForbiddenError(f"{quoted(node)} is no list of constants")
    return ValueType("list", width=len(items))


def _is_constant(inferred: ValueType) -> bool:
    """Whether no column is in it."""
    return inferred.value is not None or inferred.kind in ("text", "list", "coding", "given")


def is_contrast(value: Any) -> bool:
    """Whether it is a class of contrasts, or a function of the language that makes one."""
    from formulaic.transforms.contrasts import Contrasts
    from formulaic.transforms.patsy_compat import Treatment

    return value is Treatment or (isinstance(value, type) and issubclass(value, Contrasts))


def _of_ufunc(node: ast.Call, function: np.ufunc, types: Sequence[ValueType]) -> ValueType:
    if node.keywords or len(node.args) > function.nin:
        raise ForbiddenError(
            f"{quoted(node)} may have {function.nin} arguments in a saved formula, without keywords"
        )
    _check_kinds(node, types, NUMBERS)
    values = [inferred.value for inferred in types if inferred.value is not None]
    if len(values) != function.nin or function.nout != 1 or function.signature is not None:
        return ValueType("number")
    with np.errstate(all="ignore"):
        value = computed(quoted(node), lambda *v: function(*map(float, v)).item(), *values)
    return ValueType("number", value)


def _of_elements(
    node: ast.Call, name: str, types: Sequence[ValueType], levels: Callable[[], int]
) -> ValueType:
    """Functions of R that treat each row by itself."""
    takes_labels = name in ("ifelse", "is_na", "as_character")
    _check_kinds(node, types, VALUES if takes_labels else NUMBERS)
    if name == "as_character" or (
        name == "ifelse" and any(inferred.kind in ("labels", "text") for inferred in types)
    ):
        return ValueType("labels", width=levels())
    return ValueType("number")


def _check_kinds(node: ast.Call, types: Sequence[ValueType], kinds: Sequence[str]) -> None:
    for inferred, value in zip(types, [*node.args, *(k.value for k in node.keywords)], strict=True):
        if inferred.kind not in kinds:
            raise ForbiddenError(f"{quoted(value)} is no number, and stands in {quoted(node)}")


def _columns_made(function: Any, node: ast.Call, types: Sequence[ValueType]) -> int | None:
    """Columns that a transform is asked for, bounded; None if it always makes one."""
    known = list(signature(function).parameters)
    if not any(name in MAX_SIZES for name in known):
        return None
    names = [*known[: len(node.args)], *(str(k.arg) for k in node.keywords)]
    made = 1
    for name, inferred in zip(names, types, strict=False):
        if inferred.kind == "list":  # knots
            made += inferred.width
        elif name in MAX_SIZES:
            if inferred.value is None or not 0 <= inferred.value <= MAX_SIZES[name]:
                raise ForbiddenError(
                    f"`{name}` of {quoted(node)} must be a number between 0 and {MAX_SIZES[name]} "
                    "in a saved formula"
                )
            made += int(inferred.value)
    return made
