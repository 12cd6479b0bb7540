"""Residual structures that say what random effects of the formula say already."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from ..errors import ModelError
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .design import GroupingFactor, RandomTerm
from .residual_structure import BoundResidual

CLOSED = ("cs", "toep", "corsymm")
"""Structures to which a covariance common to all rows of a series adds nothing new."""


def refuse_confounded(
    bound: BoundResidual,
    groups: Sequence[GroupingFactor],
    terms: Sequence[RandomTerm],
    *,
    weighted: bool,
    related: Collection[str],
) -> None:
    """Refuse random effects whose covariance the residual structure can take up wholly.

    With a variance of its own for every row (weights, other variance functions) or a known
    covariance of the levels the two can be told apart.

    Raises
    ------
    ModelError
    """
    spec = bound.spec
    if len(spec.correlations) != 1 or weighted:
        return
    term = spec.correlations[0]
    own = [v for v in spec.variances if v.function == "idh" and v.columns == term.columns]
    unstructured = term.structure == "corsymm" and len(own) == len(spec.variances) == 1
    if not (unstructured or (term.structure in CLOSED and not spec.variances)):
        return
    for random in terms:
        group = groups[random.group]
        if group.name in related or not _same_partition(group.codes, bound.series):
            continue
        basis = random.matrix.values
        visits = bound.points[:, 0].astype(np.intp)
        of_visits = _is_function_of(visits, basis) if unstructured else np.ptp(basis, axis=0) == 0
        if of_visits.any():
            raise ModelError(
                f"residual={str(spec)!r} and the random term {random.written} both describe what "
                f"the rows of one `{group.factor}` have in common: their parameters cannot be told "
                f"apart. Leave {random.written} out of the formula, or residual= out."
            )


def refuse_too_many(bound: BoundResidual, n: int, p: int) -> None:
    """Refuse as many parameters of means and residuals as rows.

    Raises
    ------
    ModelError
    """
    count = bound.n_parameters
    if count + 1 + p >= n:
        raise ModelError(
            f"residual={str(bound.spec)!r}: {count} parameters besides σ² and {p} fixed effects "
            f"are too many for {n} rows. Use a structure of fewer parameters, such as ar1."
        )


def _same_partition(a: IndexArray, b: IndexArray) -> bool:
    """Whether two codings group the rows alike."""
    pairs = len(np.unique(a * (int(b.max()) + 1) + b))
    return pairs == len(np.unique(a)) == len(np.unique(b))


def _is_function_of(visits: IndexArray, basis: FloatArray) -> BoolArray:
    """Whether each column has one value at each visit."""
    first = np.zeros((int(visits.max()) + 1, basis.shape[1]))
    first[visits[::-1]] = basis[::-1]
    return np.asarray((basis == first[visits]).all(axis=0))
