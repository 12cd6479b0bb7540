"""New levels of factors that are made in a formula, such as ``C(day)``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Number
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..errors import listed
from .aliases import unaliased

if TYPE_CHECKING:
    from formulaic import ModelSpec
    from formulaic.parser.types import Factor

MOST_LISTED = 5
"""Levels that a message lists."""


def unknown_levels(factors: Iterable[Factor], spec: ModelSpec, evaluated: Any) -> str:
    """Which factor has levels that `spec` does not know; empty if none has.

    Parameters
    ----------
    factors : iterable of Factor
    spec : ModelSpec
        Of an earlier evaluation, with the levels that each factor had.
    evaluated : mapping of str to EvaluatedFactor
        The factors on the new rows.
    """
    for factor in factors:
        known = spec.encoder_state.get(factor.expr, (None, {}))[1].get("categories")
        if known is None or factor.expr not in evaluated:
            continue
        values = pd.Series(evaluated[factor.expr].values.__wrapped__).dropna()
        new = [level for level in values.unique() if level not in set(known)]
        if new:
            return (
                f"`{unaliased(factor.expr)}` has levels that the model does not know: "
                f"{_named(new)}. It knows {_named(known)}."
            )
    return ""


def _named(levels: Sequence[Any]) -> str:
    """The first few levels: numbers as they are typed, others as Python writes them."""
    is_number = [isinstance(level, Number) and not isinstance(level, bool) for level in levels]
    texts = [f"{x:g}" if number else repr(x) for x, number in zip(levels, is_number, strict=True)]
    return listed(texts, MOST_LISTED)
