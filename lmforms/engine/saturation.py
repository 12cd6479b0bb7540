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
from .exact_fit import Effects, effect_root, explain_any_response
from .rows import FactorRows, ModelRows, RandomRows

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


def refuse_unbounded_likelihood(
    rows: ModelRows, covariances: Sequence[Covariance], roots: Sequence[Any] = ()
) -> None:
    """Raise if the likelihood (ML) has no maximum whatever the response is.

    Parameters
    ----------
    rows : ModelRows
    covariances : sequence of Covariance
        One per grouping factor.
    roots : sequence of (ndarray or sparse (q, r)) or None
        Roots of the covariances of each factor's levels, where the effects are confined to them.

    Raises
    ------
    ModelError
    """
    n, p = rows.X.shape
    roots = roots or [None] * len(rows.factors)
    counts = [
        f.n_levels if root is None else root.shape[1]
        for f, root in zip(rows.factors, roots, strict=True)
    ]
    widths = [q * f.k for q, f in zip(counts, rows.factors, strict=True)]
    if p == 0 or p + sum(widths) < n:
        return
    import scipy.sparse as sp

    for directions in _subsets(rows.factors, covariances):
        width = sum(q * d.shape[1] for q, d in zip(counts, directions, strict=True))
        if p + width < n:
            continue
        Z = sp.hstack(
            [
                sp.csr_array(_columns(f, d) @ effect_root(root, d.shape[1]))
                if root is not None
                else _columns(f, d)
                for f, d, root in zip(rows.factors, directions, roots, strict=True)
            ]
        )
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


def _columns(factor: RandomRows, directions: FloatArray) -> Any:
    """Z of the effects of a level along some directions (k, r)."""
    if isinstance(factor, FactorRows):
        return factor.matrix(_product(factor.basis, directions))
    import scipy.sparse as sp

    return factor.Z @ sp.kron(sp.identity(factor.n_levels), sp.csr_matrix(directions))


def _without_a_row(basis: FloatArray) -> FloatArray:
    """Directions (k, k − 1) of correlated effects that have no variance in the first row."""
    return np.asarray(np.linalg.svd(basis[:1])[2][1:].T, dtype=np.float64)


def _subsets(
    factors: Sequence[RandomRows], covariances: Sequence[Covariance]
) -> Iterator[tuple[FloatArray, ...]]:
    """Directions (k, r) of all random effects, and of those that remain for a singular λ.

    Among the latter are correlated effects that cancel in one row.
    """
    rng = np.random.default_rng(0)
    choices = [c.column_spaces(rng) for c in covariances]
    if np.prod([float(len(c)) for c in choices]) > MOST_SUBSETS:
        choices = [[np.empty((c.k, 0)), np.eye(c.k)] for c in covariances]
    for own, c, f in zip(choices, covariances, factors, strict=True):
        one_term = len(c.column_slices()) == 1 and c.covariances()
        if one_term and isinstance(f, FactorRows):
            own.append(_without_a_row(f.basis))
    yield from sorted(product(*choices), key=lambda maps: -sum(m.shape[1] for m in maps))


def _product(basis: FloatArray, directions: FloatArray) -> FloatArray:
    """Rows of a basis along some directions; zero, not rounding, in rows that have none."""
    product = basis @ directions
    sizes = np.linalg.norm(basis, axis=1, keepdims=True)
    return np.where(np.abs(product) > RANK_TOLERANCE * sizes, product, 0.0)
