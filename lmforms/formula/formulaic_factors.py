"""Factors of formulaic (`Factor`): the columns and functions that they need, their place."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from .aliases import unaliased
from .expression import names_in, parse_code
from .formula_part import FormulaPart
from .label_columns import label_names

if TYPE_CHECKING:
    from formulaic import SimpleFormula
    from formulaic.parser.types import Factor, Term


def columns_of(parsed: SimpleFormula) -> set[str]:
    """Names that a parsed formula needs: columns, or variables of the caller."""
    return {name for factor in factors_of(parsed) for name in factor_columns(factor)}


def factors_of(parsed: SimpleFormula) -> Iterator[Factor]:
    """Every factor of a parsed formula, literals left out."""
    for term in parsed:
        for factor in term.factors:
            if factor.eval_method.value != "literal":
                yield factor


def factor_columns(factor: Factor) -> set[str]:
    """Names that one factor needs as values; names of functions it calls are not among them.

    (formulaic's own ``required_variables`` leaves out what stateful transforms need.)
    """
    if factor.eval_method.value == "lookup":
        return {unaliased(factor.expr)}
    return _names_in(factor)[0]


def label_columns(factor: Factor, *, grouping: bool) -> set[str]:
    """Columns that a factor uses as labels, not as numbers."""
    if factor.eval_method.value == "lookup":
        return factor_columns(factor) if grouping else set()
    return label_names(parse_code(factor.expr), grouping=grouping)


def called_names(factor: Factor) -> set[str]:
    """Names of the functions (or modules) that a factor calls."""
    return set() if factor.eval_method.value != "python" else _names_in(factor)[1]


def _names_in(factor: Factor) -> tuple[set[str], set[str]]:
    """Names used as values and names called, in a factor that is code."""
    expression = parse_code(factor.expr)
    calls = [node for node in ast.walk(expression.tree) if isinstance(node, ast.Call)]
    called = {id(_root(node.func)) for node in calls}
    methods = {id(_root(node.func)) for node in calls if isinstance(node.func, ast.Attribute)}
    found = list(names_in(expression))
    quoted = {
        str(node.args[0].value)
        for node in calls
        if isinstance(node.func, ast.Name)
        and node.func.id == "Q"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }
    return (
        {expression.name(n.id) for n in found if id(n) not in called or id(n) in methods} | quoted,
        {expression.name(n.id) for n in found if id(n) in called},
    )


def _root(node: ast.expr) -> ast.expr:
    """``np`` of ``np.linalg.norm``."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return node


def own_factors(term: Term) -> list[Factor]:
    """The factors of a term without literals: none for the intercept."""
    return [f for f in term.factors if f.eval_method.value != "literal"]


def term_label(term: Term) -> str:
    """Such as ``x:f``; one column whose own name has a colon stands in backticks."""
    factors = [unaliased(f.expr) for f in own_factors(term)]
    if len(factors) == 1 and ":" in factors[0] and term.factors[0].eval_method.value == "lookup":
        return f"`{factors[0]}`"
    return ":".join(factors) or "Intercept"


def group_name(factors: Sequence[Factor]) -> str:
    """Name of a grouping factor, such as ``batch:cask``."""
    return ":".join(unaliased(f.expr) for f in factors)


def mark_factor(factor: Factor, part: FormulaPart) -> str:
    """The formula with carets under a factor."""
    token = factor.token
    if token is None or token.source_start is None:
        return part.mark()
    return part.mark(token.source_start, (token.source_end or token.source_start) + 1)
