r"""Saturated designs: X and Z span all rows, and the likelihood may have no bound.

With random effects Z_s of some of the terms (or of some directions of a term) and σ → 0,
V tends to Z_sGZ_s'. If [X Z_s] has rank n, y − Xβ is in the range of Z_s for some β, and the
quadratic form stays finite while ln|V| contains (n − rank Z_s) ln σ²: −2 log L has no lower
bound if rank Z_s < n. The restricted likelihood depends only on what X leaves, all of which is
then in the span of Z_s: it is bounded, but its maximum can be at σ = 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np

from ..covariance import Covariance
from ..errors import ModelError
from ..support.arrays import FloatArray
from .exact_fit import Effects, columns_of, explain_any_response
from .rows import FactorRows, ModelRows

RANK_TOLERANCE = 1e-9
"""A singular value below this share of the largest, of columns of length one, is zero."""

MOST_SVD_ROWS = 800
"""Up to this many rows ranks come from singular values, else from least squares."""

MOST_SUBSETS = 200
"""Most combinations of column spaces of the terms that are tried; if there are more, only whole
terms are left out."""

UNBOUNDED = (
    "the columns of the fixed and random effects span all {n} rows, those of the random effects "
    "{which}do not: the likelihood grows without bound as the residual variance goes to zero. "
    "Leave out a random slope or a term, or try REML (reml=True), which is bounded."
)


def refuse_unbounded_likelihood(rows: ModelRows, covariances: Sequence[Covariance]) -> None:
    """Raise if the likelihood (ML) has no maximum whatever the response is.

    Parameters
    ----------
    rows : ModelRows
    covariances : sequence of Covariance
        One per grouping factor.

    Raises
    ------
    ModelError
    """
    n, p = rows.X.shape
    widths = [f.n_levels * f.k for f in rows.factors]
    if p == 0 or p + sum(widths) < n:
        return
    import scipy.sparse as sp

    for bases in _subsets(rows.factors, covariances):
        width = sum(f.n_levels * b.shape[1] for f, b in zip(rows.factors, bases, strict=True))
        if p + width < n:
            continue
        Z = _columns(rows.factors, bases)
        if spans_all_rows(sp.hstack([sp.csr_array(rows.X), Z])) and not spans_all_rows(Z):
            which = "" if width == sum(widths) else "of some of the terms or slopes "
            raise ModelError(UNBOUNDED.format(n=n, which=which))


def spans_all_rows(columns: Any) -> bool:
    """Whether the rank of columns (n, m) is n.

    By singular values, or, for many rows, by whether the columns explain random numbers.
    """
    n, m = columns.shape
    if m < n:
        return False
    import scipy.sparse as sp

    columns = sp.csc_array(columns)
    norms = np.sqrt(np.asarray(columns.multiply(columns).sum(axis=0)).ravel())
    columns = columns @ sp.diags_array(1.0 / np.where(norms > 0, norms, 1.0))
    if n <= MOST_SVD_ROWS:
        values = np.linalg.svd(columns.toarray(), compute_uv=False)
        return bool(values[n - 1] > RANK_TOLERANCE * values[0])
    return explain_any_response(np.empty((n, 0)), [Effects(columns.tocsr())], n)


def _columns(factors: Sequence[FactorRows], bases: Sequence[FloatArray]) -> Any:
    """Z with these bases in the place of the factors' own."""
    import scipy.sparse as sp

    return sp.hstack([columns_of(f, basis) for f, basis in zip(factors, bases, strict=True)])


def _without_a_row(basis: FloatArray) -> FloatArray:
    """Directions (k, k − 1) of correlated effects that have no variance in the first row."""
    return np.asarray(np.linalg.svd(basis[:1])[2][1:].T, dtype=np.float64)


def _subsets(
    factors: Sequence[FactorRows], covariances: Sequence[Covariance]
) -> Iterator[list[FloatArray]]:
    """Bases of all random effects, and of those that remain for a singular λ.

    Among the latter are correlated effects that cancel in one row.
    """
    rng = np.random.default_rng(0)
    choices = [c.column_spaces(rng) for c in covariances]
    if np.prod([float(len(c)) for c in choices]) > MOST_SUBSETS:
        choices = [[np.empty((c.k, 0)), np.eye(c.k)] for c in covariances]
    for own, c, f in zip(choices, covariances, factors, strict=True):
        if len(c.column_slices()) == 1 and c.covariances():
            own.append(_without_a_row(f.basis))
    for maps in sorted(product(*choices), key=lambda maps: -sum(m.shape[1] for m in maps)):
        yield [_product(f.basis, m) for f, m in zip(factors, maps, strict=True)]


def _product(basis: FloatArray, directions: FloatArray) -> FloatArray:
    """Rows of a basis along some directions; zero, not rounding, in rows that have none."""
    product = basis @ directions
    sizes = np.linalg.norm(basis, axis=1, keepdims=True)
    return np.where(np.abs(product) > RANK_TOLERANCE * sizes, product, 0.0)
