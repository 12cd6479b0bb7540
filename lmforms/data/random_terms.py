"""Grouping factors and random terms of a design."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NoReturn

import numpy as np

from ..correlation import CompoundSymmetry, MovingAverage, Toeplitz
from ..covariance import Structured
from ..engine.row_variances import number_told_apart, residual_patterns, variance_patterns
from ..errors import ModelError
from ..formula.term_matrix import TermMatrix
from ..formula.terms import BoundFormula, BoundRandomTerm
from ..residual import Residual
from ..support.arrays import FloatArray, IndexArray
from ..support.column_table import Labels
from .column_ranks import ColumnRanks
from .design import GroupingFactor, RandomTerm
from .level_labels import CodedLabels, level_codes
from .random_structures import structured_effects
from .shared_structures import stacked


def random_parts(
    bound: BoundFormula,
    matrices: Sequence[TermMatrix],
    labels: Sequence[Sequence[Labels]],
    related: Collection[str],
    ranks: ColumnRanks,
) -> tuple[tuple[GroupingFactor, ...], tuple[RandomTerm, ...]]:
    """Grouping factors and random terms from the evaluated parts of a formula.

    Parameters
    ----------
    bound : BoundFormula
    matrices : sequence of TermMatrix
        The basis of each random term.
    labels : sequence of sequence of Series, Levels or ndarray of int
        The columns of labels whose interaction groups the rows, for each random term.
    related : collection of str
        Grouping factors and terms whose levels have a known covariance. A term that is named
        itself, by its `text`, is apart from others on its grouping factor.
    ranks : ColumnRanks

    Raises
    ------
    DataError, FormulaError, ModelError
        Missing labels; basis columns that are zero, dependent or there twice.
    """
    layout = bound.layout(related)
    terms: list[RandomTerm] = []
    for i, (spec, matrix) in enumerate(zip(bound.random, matrices, strict=True)):
        made = structured_effects(spec, matrix)
        matrix = made.matrix
        if not made.has_levels:  # a level without rows is correlated with those that have some
            refuse_dependent(matrix, spec, ranks.independent(matrix.values))
        label, written = layout.labels[i]
        terms.append(
            RandomTerm(
                label=label,
                written=written,
                group=layout.groups[i],
                columns=matrix.names,
                matrix=matrix,
                covariance=made.covariance,
                places=made.places,
            )
        )
    groups: list[GroupingFactor] = []
    coded: dict[int, CodedLabels] = {}
    for indices in layout.members:
        first = indices[0]
        spec, own = bound.random[first], [terms[i] for i in indices]
        codes, level_labels = level_codes(labels[first], spec.group_name, coded)
        groups.append(
            GroupingFactor(
                name=spec.text if first in layout.apart else spec.group_name,
                factor=spec.group_name,
                labels=level_labels,
                codes=codes,
                terms=indices,
                covariance=stacked([term.covariance for term in own]),
                columns=_columns_of_factor(own, spec.group_name),
            )
        )
    return tuple(groups), tuple(terms)


def _columns_of_factor(terms: Sequence[RandomTerm], factor: str) -> tuple[str, ...]:
    """Random effects of all terms on one grouping factor, none of them twice."""
    columns = terms[0].columns
    if len(terms) > 1:
        columns = tuple(column for term in terms for column in term.columns)
    if len(set(columns)) < len(columns):
        twice = next(c for c in columns if columns.count(c) > 1)
        both = [term.written for term in terms if twice in term.columns]
        raise ModelError(
            f"`{twice}` is a random effect of `{factor}` in {' and in '.join(both)}: "
            "their variances cannot be told apart. Leave it out of one, as in (0 + x | g)."
        )
    return columns


def refuse_dependent(matrix: TermMatrix, spec: BoundRandomTerm, independent: IndexArray) -> None:
    """Refuse columns that are zero, or depend linearly on earlier ones.

    Parameters
    ----------
    matrix : TermMatrix
    spec : BoundRandomTerm
    independent : ndarray of int
        Columns that do not.

    Raises
    ------
    ModelError
    """
    if len(independent) == matrix.values.shape[1]:
        return
    zero = ~matrix.values.any(axis=0)
    if zero.any():
        name = matrix.names[int(np.flatnonzero(zero)[0])]
        raise ModelError(
            f"the random term {spec.written}: its column `{name}` is all zero. Leave it out."
        )
    dependent = set(range(len(matrix.names))) - set(independent.tolist())
    name = matrix.names[min(dependent)]
    raise ModelError(
        f"the random term {spec.written}: its column `{name}` depends linearly on the "
        "earlier ones, so their variances cannot be told apart. Leave it out."
    )


def check_sizes(
    groups: Sequence[GroupingFactor],
    terms: Sequence[RandomTerm],
    X: FloatArray,
    residual: Residual,
    related: Collection[str],
    with_nugget: bool = False,
) -> None:
    """Refuse one level, and as many random effects as rows that are no more than residuals.

    Terms on groups in `related`, and structures whose correlations decay, may have one row per
    level, and others may if their variances of the rows differ from those of the residuals
    (:mod:`lmforms.engine.row_variances`).

    Parameters
    ----------
    groups : sequence of GroupingFactor
    terms : sequence of RandomTerm
    X : ndarray (n, p)
    residual : Residual
    related : collection of str
    with_nugget : bool
        Whether the correlations of the residuals leave room for an independent part of each row.
    """
    sizes, n = refuse_one_level(groups, terms), len(X)
    wide = _as_many_as_rows(groups, terms, n, related)
    for term in wide:
        if sizes[term.group] < n or isinstance(term.covariance, Structured):
            _refuse_as_many_as_rows(term, groups, n)
    if not wide or with_nugget:
        return
    patterns = [variance_patterns(t.covariance, t.matrix.values) for t in wide]
    apart = number_told_apart(X, residual_patterns(residual, n), patterns)
    if apart < len(wide):
        _refuse_as_many_as_rows(wide[apart], groups, n)


def refuse_wide(groups: Sequence[GroupingFactor], terms: Sequence[RandomTerm], n: int) -> None:
    """Refuse as many random effects as rows, whatever the variances of the rows.

    Raises
    ------
    ModelError
    """
    for term in _as_many_as_rows(groups, terms, n):
        _refuse_as_many_as_rows(term, groups, n)


def _as_many_as_rows(
    groups: Sequence[GroupingFactor],
    terms: Sequence[RandomTerm],
    n: int,
    related: Collection[str] = (),
) -> list[RandomTerm]:
    """Terms of independent levels, not told by their correlations, with n effects or more."""
    return [
        term
        for term in terms
        if groups[term.group].labels.size * term.covariance.rank >= n
        and groups[term.group].name not in related
        and not _is_correlated(term)
    ]


def refuse_one_level(groups: Sequence[GroupingFactor], terms: Sequence[RandomTerm]) -> list[int]:
    """Numbers of levels; grouping factors that have one are refused.

    Raises
    ------
    ModelError
    """
    sizes = [group.labels.size for group in groups]
    for group, q in zip(groups, sizes, strict=True):
        if q < 2 and not all(is_told_within_levels(terms[t]) for t in group.terms):
            raise ModelError(
                f"the grouping factor `{group.factor}` has one level; a variance between levels "
                "needs at least two. Leave the term out."
            )
    return sizes


def _refuse_as_many_as_rows(term: RandomTerm, groups: Sequence[GroupingFactor], n: int) -> NoReturn:
    q, k = len(groups[term.group].labels), term.covariance.rank
    way = "Use fewer columns or a coarser grouping factor."
    if isinstance(term.covariance, Structured) and term.covariance.correlation is not None:
        way = "Structures such as `ar1` and `exp`, whose correlations decay, can."
    raise ModelError(
        f"the random term {term.written} has {q} × {k} = {q * k} random effects for "
        f"{n} rows: they cannot be told from the residuals. {way}"
    )


def _is_correlated(term: RandomTerm) -> bool:
    """Whether correlations tell the effects from the residuals, though there is one for each row.

    Not if the correlations at all lags are free: a part without correlation is then like the
    residuals.
    """
    own = term.covariance
    if not isinstance(own, Structured) or own.correlation is None:
        return False
    free = isinstance(own.correlation, (CompoundSymmetry, Toeplitz, MovingAverage))
    return not free or own.n_deviations > 1


def is_told_within_levels(term: RandomTerm) -> bool:
    """Whether one level is enough: several effects of one variance, correlated by distance."""
    own = term.covariance
    one_variance = isinstance(own, Structured) and own.n_deviations == 1
    return one_variance and own.k > 2 and _is_correlated(term)
