"""The size of the columns of interactions, checked before they are made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from math import prod
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import FormulaError, MemoryLimitError

if TYPE_CHECKING:
    from formulaic.parser.types import Term

MAX_FACTORS = 8
"""Largest number of factors (not numbers) in one interaction: each at least doubles the columns."""

MAX_MISSING_MARGINS = 64
"""Largest number of margins of an interaction that the formula may lack: the time to find its
columns grows with their square."""

MAX_COLUMN_BYTES = 8 * 2**30
"""Bytes (8 GiB) that the columns of interactions in one part of the formula may take. It is fixed:
`Control.memory` does not change it."""


def check_size(terms: Sequence[Term], evaluated: Mapping[str, Any], n: int) -> None:
    """Refuse terms that would take very long or much memory to code.

    Parameters
    ----------
    terms : sequence of formulaic Term
    evaluated : mapping of str to formulaic EvaluatedFactor
        Values of each factor, by its text.
    n : int
        Number of rows.

    Raises
    ------
    FormulaError, MemoryLimitError
    """
    spanned: dict[frozenset[str], set[frozenset[str]]] = {}
    columns = 0
    for term in terms:
        factors = [f.expr for f in term.factors]
        coded = [e for e in factors if evaluated[e].metadata.spans_intercept]
        numbers = frozenset(factors) - frozenset(coded)
        if len(coded) > MAX_FACTORS:
            raise FormulaError(
                f"an interaction of {len(coded)} factors, at most {MAX_FACTORS} are possible: "
                "combine some of them into one column before."
            )
        margins = {
            frozenset(chosen)
            for size in range(len(coded) + 1)
            for chosen in combinations(coded, size)
        }
        seen = spanned.setdefault(numbers, set())
        if len(margins - seen) > MAX_MISSING_MARGINS:
            raise FormulaError(
                f"an interaction of {len(coded)} factors without their main effects: write it with "
                "`*`, or combine the factors into one column before."
            )
        seen |= margins
        if len(factors) > 1:
            columns += prod(_width(evaluated[e]) for e in factors)
    if 8.0 * n * columns > MAX_COLUMN_BYTES:
        raise MemoryLimitError(
            f"its interactions have some {columns:,} columns for {n:,} rows: leave some out, use "
            "factors with fewer levels, or make them grouping factors of random terms."
        )


def _width(factor: Any) -> int:
    """Columns that a factor gives at most."""
    values = factor.values.__wrapped__
    if isinstance(values, dict):
        return sum(not str(name).startswith("__") for name in values)
    if factor.metadata.kind.value != "categorical":
        return values.shape[1] if getattr(values, "ndim", 1) == 2 else 1
    if isinstance(getattr(values, "dtype", None), pd.CategoricalDtype):
        return len(values.dtype.categories)
    return int(pd.Series(values).nunique())
