"""Levels of factors that a formula computes, such as ``factor(year)`` and ``I(x > 2)``.

The first rows need not have all of them: a pass over the source finds them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from ..formula.evaluator import Evaluator, Learnt
from ..formula.formulaic_factors import factor_columns, factors_of
from ..sources.source import Partition, Source
from .chunk_columns import complete_rows
from .plan import Plan

if TYPE_CHECKING:
    from formulaic.parser.types import Factor

Found = dict[str, frozenset[Any]]


def computed_levels(plan: Plan, source: Source) -> Learnt | None:
    """What factors that are computed learn from all rows; None where there is nothing new.

    Parameters
    ----------
    plan : Plan
        Of some rows.
    source : Source
        That can be read again.
    """
    factors = _computed_factors(plan)
    if not factors:
        return None
    found = source.reduced(partial(_levels_of, plan, factors), _both)
    states = {}
    for own in factors:
        levels = set(own.known) | found[own.factor.expr]
        order = _in_order(levels) if len(levels) > len(own.known) else list(own.known)
        states[own.factor.expr] = (own.kind, {"categories": order})
    if all(len(states[own.factor.expr][1]["categories"]) == len(own.known) for own in factors):
        return None
    return {"transform_state": {}, "encoder_state": states}


@dataclass(frozen=True)
class ComputedFactor:
    """A factor of a call whose levels are those that occur.

    Attributes
    ----------
    factor : formulaic Factor
    kind : formulaic Factor.Kind
    known : tuple
        Levels in the first rows.
    """

    factor: Factor
    kind: Any
    known: tuple[Any, ...]


def _computed_factors(plan: Plan) -> tuple[ComputedFactor, ...]:
    """Those of a formula; of columns of text and categories all levels are known already."""
    if plan.bound.plain is not None:
        return ()
    found: dict[str, ComputedFactor] = {}
    for matrix in plan.matrices:
        spec = matrix.spec
        for factor in factors_of(spec.formula):
            kind, state = spec.encoder_state.get(factor.expr, (None, {}))
            if kind is None or "categories" not in state or "levels=" in factor.expr:
                continue
            if factor.eval_method.value == "python" and not factor_columns(factor) <= set(
                plan.factors
            ):
                known = tuple(state["categories"])
                found.setdefault(factor.expr, ComputedFactor(factor, kind, known))
    return tuple(found.values())


def _levels_of(
    plan: Plan, factors: Sequence[ComputedFactor], partitions: Sequence[Partition]
) -> Found:
    found: Found = {own.factor.expr: frozenset() for own in factors}
    for partition in partitions:
        for batch in partition.read(plan.columns):
            chunk = complete_rows(plan, batch)
            if chunk.table.n:
                evaluator = Evaluator(chunk.table, plan.formula_data.scope, {})
                for own in factors:
                    found[own.factor.expr] |= _distinct(evaluator.value(own.factor))
    return found


def _distinct(values: Any) -> frozenset[Any]:
    return frozenset(pd.Series(values).dropna().unique().tolist())


def _both(a: Mapping[str, frozenset[Any]], b: Mapping[str, frozenset[Any]]) -> Found:
    return {text: own | b[text] for text, own in a.items()}


def _in_order(levels: frozenset[Any] | set[Any]) -> list[Any]:
    try:
        return sorted(levels)
    except TypeError:  # of several types
        return sorted(levels, key=str)
