"""The columns of an expression that are labels: arguments of functions that make factors."""

from __future__ import annotations

import ast

from .aliases import unaliased
from .expression import Expression, names_in

LABEL_FUNCTIONS = ("C", "factor", "hashed", "as_character")
"""Functions that make labels of columns: their whole numbers stay whole."""


def label_names(expression: Expression, *, grouping: bool = False) -> set[str]:
    """Columns that are used as labels only: each time the argument of what makes a factor.

    Parameters
    ----------
    expression : Expression
    grouping : bool
        Of a grouping factor, in which ``I(id)`` makes labels too.
    """
    calls = [node for node in ast.walk(expression.tree) if isinstance(node, ast.Call)]
    coding = [c for c in calls if makes_labels(c)]
    top = expression.tree.body
    if grouping and isinstance(top, ast.Call) and ast.unparse(top.func) == "I":
        coding.append(top)
    coded = [c.args[0] for c in coding if c.args and isinstance(c.args[0], ast.Name)]
    ids = {id(name) for name in coded}
    others = {expression.name(name.id) for name in names_in(expression) if id(name) not in ids}
    return {expression.name(name.id) for name in coded} - others


def makes_labels(call: ast.Call) -> bool:
    """Whether a call makes a factor of its arguments."""
    return isinstance(call.func, ast.Name) and unaliased(call.func.id) in LABEL_FUNCTIONS
