"""Errors of evaluated code as errors of the package, with the place in the formula."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ColumnError, DataError, FormulaError, listed, near_matches, shortened
from ..support.column_table import Table
from .aliases import unaliased
from .formula_part import FormulaPart
from .formulaic_factors import mark_factor
from .transforms import HINTS

if TYPE_CHECKING:
    from formulaic.parser.types import Factor


def evaluation_error(
    exc: Exception,
    factors: Iterable[Factor],
    evaluate: Callable[[Factor], Any],
    table: Table,
    part: FormulaPart,
    what: str,
) -> DataError | FormulaError:
    """An error of the package that marks the factor at fault.

    Parameters
    ----------
    exc : Exception
        What the evaluation raised.
    factors : iterable of formulaic Factor
        All that were evaluated.
    evaluate : callable
        Evaluates one of them.
    table : Table
        The columns that the formula uses.
    part : FormulaPart
        Where it stands in the user's formula, and
    what : str
        what it is, for messages.
    """
    found, cause = None, exc
    called = [f for f in factors if f.eval_method.value == "python"]
    for factor in called:
        try:
            value = evaluate(factor)
            columns = value.values() if isinstance(value, dict) else [value]
            shape = next((np.shape(c) for c in columns), ())
            if len(shape) not in (1, 2) or shape[0] != table.n:
                found, cause = factor, TypeError(f"gives a result of shape {shape}")
        except Exception as own:  # the same as `exc`, or one of several
            found, cause = factor, own
        if found is not None:
            break
    if found is None and len(called) == 1:
        found = called[0]
    place = part.mark() if found is None else mark_factor(found, part)
    name = "it" if found is None else f"`{shortened(unaliased(found.expr))}`"
    text = _reason(cause)
    unknown = _unknown_name(text)
    if unknown in HINTS:
        return ColumnError(f"{what}: `{unknown}` of R is not available: {HINTS[unknown]}.\n{place}")
    if unknown is not None:
        known = list(table)
        return ColumnError(
            f"{what}: `{unknown}` is neither a column of the data nor a name in scope."
            f"{near_matches(unknown, known)} Columns used: {listed(known)}.\n{place}"
        )
    return DataError(f"{what}: {name} cannot be evaluated: {text}.\n{place}")


def first_sentence(exc: BaseException) -> str:
    """The first sentence of an error or warning of formulaic."""
    return str(exc).split(". They")[0].split("\n")[0].rstrip(".")


def _reason(exc: BaseException) -> str:
    """The first line of an error, or what to do about it."""
    text = str(exc).partition("\n")[0].rstrip(".") or type(exc).__name__
    if "truth value of a" in text:
        return "conditions on columns are written ifelse(x > 0, a, b), and joined by & and |"
    return text


def _unknown_name(message: str) -> str | None:
    """The name in ``name 'x' is not defined`` or formulaic's words for the same."""
    head, found, _ = message.partition("' is not defined")
    if found:
        return unaliased(head.rpartition("name '")[2])
    head, found, _ = message.partition("` is not present in the dataset")
    return head.rpartition("`")[2] if found else None
