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
from .safe_arithmetic import ForbiddenError, Number, computed, shown

Kind = Literal["number", "basis", "labels", "factor", "coding", "text", "list", "given"]
"""Numbers are a column or one of them, a basis several columns, labels a column of objects;
given is what functions and variables of the caller are."""

NUMBERS = ("number", "given")
"""What may stand in arithmetic."""

VALUES = ("number", "labels", "text", "given")
"""What may be compared."""

LONGEST_LIST = 1000
"""Entries of a list, such as knots."""

SIZES = {"df": 1000, "levels": 1000, "degree": 50}
"""Parameters of transforms that say how many columns they make, and the most that each may ask
for. The time that splines take grows with the square of the degree; polynomials are
lost to rounding far below."""


@dataclass(frozen=True)
class Part:
    """What an expression gives.

    Attributes
    ----------
    kind : str
    value : number, optional
        Where no column is in it.
    width : int
        Columns that it makes as a predictor, at most.
    """

    kind: Kind
    value: Number | None = None
    width: int = 1


def called(
    node: ast.Call, function: Any, name: str, parts: Sequence[Part], levels: Callable[[], int]
) -> Part:
    """What the call of a function of the language gives.

    Parameters
    ----------
    node : ast.Call
    function : callable
        What is called, and
    name : str
        its name.
    parts : sequence of Part
        What its arguments are, those with keywords last.
    levels : callable
        How many different values a column made of the first argument has, at most.

    Raises
    ------
    ForbiddenError
        The function, or one of these arguments, is not in the whitelist.
    """
    if isinstance(function, np.ufunc):
        return _of_ufunc(node, function, parts)
    if is_coding(function):
        return Part("coding")
    if name == "c":
        return listed(node, parts)
    if name == "I" and len(parts) == 1:
        return parts[0]
    if name in ELEMENTWISE:
        return _of_elements(node, name, parts, levels)
    if not all(map(_is_constant, parts[1:])):
        raise ForbiddenError(f"{shown(node)} has more than one argument that is no constant")
    if name in ("C", "factor", "hashed"):
        if parts and parts[0].kind not in VALUES:
            raise ForbiddenError(f"{shown(node)} is no factor of a column")
        width = _columns_made(function, node, parts) if name == "hashed" else None
        return Part("factor", width=width or levels())
    if name != "lag" and not getattr(function, "__is_stateful_transform__", False):
        raise ForbiddenError(f"the call {shown(node)} is not allowed in a saved formula")
    if parts and parts[0].kind not in NUMBERS:
        raise ForbiddenError(f"{shown(node)} transforms what is no column of numbers")
    width = _columns_made(function, node, parts)
    return Part("number") if width is None else Part("basis", width=width)


def listed(node: ast.expr, items: Sequence[Part]) -> Part:
    """A list of constants: of columns it would take much memory.

    Raises
    ------
    ForbiddenError
    """
    if len(items) > LONGEST_LIST:
        raise ForbiddenError(f"{shown(node)} has more than {LONGEST_LIST} entries")
    for item in items:
        if not _is_constant(item):
            raise ForbiddenError(f"{shown(node)} is no list of constants")
    return Part("list", width=len(items))


def _is_constant(part: Part) -> bool:
    """Whether no column is in it."""
    return part.value is not None or part.kind in ("text", "list", "coding", "given")


def is_coding(value: Any) -> bool:
    """Whether it is a class of contrasts, or a function of the language that makes one."""
    from formulaic.transforms.contrasts import Contrasts
    from formulaic.transforms.patsy_compat import Treatment

    return value is Treatment or (isinstance(value, type) and issubclass(value, Contrasts))


def _of_ufunc(node: ast.Call, function: np.ufunc, parts: Sequence[Part]) -> Part:
    if node.keywords or len(node.args) > function.nin:
        raise ForbiddenError(
            f"{shown(node)} may have {function.nin} arguments in a saved formula, without keywords"
        )
    _check_kinds(node, parts, NUMBERS)
    values = [part.value for part in parts if part.value is not None]
    if len(values) != function.nin or function.nout != 1 or function.signature is not None:
        return Part("number")
    with np.errstate(all="ignore"):
        value = computed(shown(node), lambda *v: function(*map(float, v)).item(), *values)
    return Part("number", value)


def _of_elements(
    node: ast.Call, name: str, parts: Sequence[Part], levels: Callable[[], int]
) -> Part:
    """Functions of R that treat each row by itself."""
    takes_labels = name in ("ifelse", "is_na", "as_character")
    _check_kinds(node, parts, VALUES if takes_labels else NUMBERS)
    if name == "as_character" or (
        name == "ifelse" and any(part.kind in ("labels", "text") for part in parts)
    ):
        return Part("labels", width=levels())
    return Part("number")


def _check_kinds(node: ast.Call, parts: Sequence[Part], kinds: Sequence[str]) -> None:
    for part, value in zip(parts, [*node.args, *(k.value for k in node.keywords)], strict=True):
        if part.kind not in kinds:
            raise ForbiddenError(f"{shown(value)} is no number, and stands in {shown(node)}")


def _columns_made(function: Any, node: ast.Call, parts: Sequence[Part]) -> int | None:
    """Columns that a transform is asked for, bounded; None if it always makes one."""
    known = list(signature(function).parameters)
    if not any(name in SIZES for name in known):
        return None
    names = [*known[: len(node.args)], *(str(k.arg) for k in node.keywords)]
    made = 1
    for name, part in zip(names, parts, strict=False):
        if part.kind == "list":  # knots
            made += part.width
        elif name in SIZES:
            if part.value is None or not 0 <= part.value <= SIZES[name]:
                raise ForbiddenError(
                    f"`{name}` of {shown(node)} must be a number between 0 and {SIZES[name]} "
                    "in a saved formula"
                )
            made += int(part.value)
    return made
