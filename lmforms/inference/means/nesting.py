"""Factors of the fixed part that are nested in others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ...data.design import Design
from ...formula.formulaic_factors import factor_columns
from ...support.arrays import IndexArray
from .predictors import Predictor

Nests = Mapping[str, tuple[str, ...]]
"""For each nested factor those that it is nested in."""


def term_columns(design: Design) -> list[frozenset[str]]:
    """Columns of the data in each term of the fixed part, the intercept left out."""
    terms = [
        frozenset(
            column
            for factor in term.factors
            if factor.eval_method.value != "literal"
            for column in factor_columns(factor)
            if column in design.bound.columns
        )
        for term in design.bound.fixed
    ]
    return [columns for columns in terms if columns]


def nested_factors(
    predictors: Sequence[Predictor], terms: Sequence[frozenset[str]]
) -> dict[str, tuple[str, ...]]:
    """Which factors are nested in which.

    A is nested in B if every level of A occurs with one level of B only, or if the formula has
    the interaction of A and B without A itself (as ``B / A`` has). Of two factors that are one
    and the same the later one is nested in the earlier.

    Parameters
    ----------
    predictors : sequence of Predictor
    terms : sequence of set of str
        Columns of each term: :func:`term_columns`.

    Returns
    -------
    dict
        Nested factors, with those that they are nested in, in the order of `predictors`.
    """
    factors = [p for p in predictors if p.is_factor and len(p.levels) > 1]
    order = [p.name for p in factors]
    outer: dict[str, set[str]] = {name: set() for name in order}
    for inner in factors:
        for other in factors:
            if inner is other or not _occurs_in_one(inner, other):
                continue
            same = len(inner.levels) == len(other.levels)
            if not same or order.index(other.name) < order.index(inner.name):
                outer[inner.name].add(other.name)
    by_terms = _nested_by_terms(terms, order)
    for name, others in by_terms.items():
        outer[name] |= {o for o in others if name not in by_terms.get(o, frozenset()) | outer[o]}
    changed = True
    while changed:  # what it is nested in may be nested itself
        changed = False
        for found in outer.values():
            above = set().union(*(outer[o] for o in found)) - found
            if above:
                found |= above
                changed = True
    return {
        name: tuple(o for o in order if o in others) for name, others in outer.items() if others
    }


def _occurs_in_one(inner: Predictor, other: Predictor) -> bool:
    """Whether each level of a factor occurs with one level of another only."""
    assert inner.codes is not None
    assert other.codes is not None
    pairs = np.unique(inner.codes * len(other.levels) + other.codes)
    return len(pairs) == len(inner.levels)


def _nested_by_terms(
    terms: Sequence[frozenset[str]], order: Sequence[str]
) -> dict[str, frozenset[str]]:
    """Factors that occur in interactions only, with the others of their smallest terms."""
    sets = {term & set(order) for term in terms}
    found = {}
    for name in order:
        own = [s for s in sets if name in s]
        smallest = [s for s in own if not any(t < s for t in own)]
        if frozenset([name]) not in own and own:
            found[name] = frozenset().union(*smallest) - {name}
    return found


def occurring(
    predictors: Mapping[str, Predictor], inner: str, outer: Sequence[str]
) -> tuple[IndexArray, tuple[int, ...]]:
    """Combinations of levels of a nested factor and its outer ones that have rows.

    Returns
    -------
    positions : ndarray of int
        Of the combinations, raveled over `shape`.
    shape : tuple of int
        Numbers of levels, those of `inner` first.
    """
    columns = [predictors[name] for name in (inner, *outer)]
    shape = tuple(len(p.levels) for p in columns)
    codes = [p.codes for p in columns if p.codes is not None]
    return np.unique(np.ravel_multi_index(tuple(codes), shape)), shape


def nesting_notes(nests: Nests) -> list[str]:
    """What tables say of nested factors."""
    return [
        f"`{name}` is nested in {', '.join(f'`{o}`' for o in outer)}."
        for name, outer in nests.items()
    ]
