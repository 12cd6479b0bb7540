"""Known covariances of levels as the engine takes them: by their inverse K⁻¹."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..data.design import Design
from ..engine.prior import Identity, Precision, Prior
from ..errors import RelationshipError
from .matrix import Relationship
from .matrix_roots import sparse_root
from .representations import Precision as PrecisionMatrix
from .representations import Representation, SparseMatrix

LEAST_EIGENVALUE_RATIO = 1e-10
"""Smallest eigenvalue relative to the largest of a K that is inverted: six digits are left."""

LARGEST_INVERSE = 20_000
"""Largest K, or block of a sparse one, that is inverted as a dense matrix."""


def priors_of(
    design: Design,
    relationship: Mapping[str, Relationship],
    need: str = "correlated effects need",
    remedy: str = " Write `||` in place of `|`.",
) -> list[Prior]:
    """One prior for each grouping factor; none if all levels are independent.

    Parameters
    ----------
    design : Design
    relationship : mapping of str to Relationship
    need, remedy : str
        What needs the inverse, and what else to do, for the message.

    Raises
    ------
    RelationshipError
        A covariance has no inverse to working precision, or is too large to be inverted.
    """
    if not relationship:
        return []
    priors: list[Prior] = []
    for group in design.groups:
        known = relationship.get(group.name)
        try:
            priors.append(Identity() if known is None else _prior(known.form))
        except RelationshipError as exc:
            raise RelationshipError(
                f"relationship of `{group.name}`: {need} the inverse of K, which {exc}{remedy}"
            ) from None
    return priors


def _prior(form: Representation) -> Precision:
    """K⁻¹ as a sparse matrix, with the size of K."""
    import scipy.sparse as sp

    matrix = form.matrix if isinstance(form, PrecisionMatrix) else _inverse(form)
    return Precision(sp.csc_matrix(matrix), form.mean_variance())


def _inverse(form: Representation) -> Any:
    """K⁻¹ (q, q), by diagonal blocks if K is sparse.

    K = DCD with unit diagonal in C, whose eigenvalues say whether K has an inverse: different
    variances of the levels are no loss of digits.
    """
    import scipy.sparse as sp

    largest = _largest_block(form.K) if isinstance(form, SparseMatrix) else form.q
    if largest > LARGEST_INVERSE:
        raise RelationshipError(
            f"has {largest:,} related levels: give its sparse precision, by "
            "Relationship.from_precision."
        )
    K = sp.csc_matrix(form.K) if isinstance(form, SparseMatrix) else form.dense()
    variances = K.diagonal()
    if zero := int((variances <= 0).sum()):
        raise RelationshipError(f"is singular: levels without variance: {zero:,} of {form.q:,}.")
    scale = sp.diags(1.0 / np.sqrt(variances))
    correlations = scale @ K @ scale
    if sp.issparse(K):
        vectors = sparse_root(correlations)
        values = np.asarray(vectors.multiply(vectors).sum(axis=0)).ravel()
        vectors = vectors @ sp.diags(1.0 / np.sqrt(values))
    else:
        values, vectors = np.linalg.eigh(correlations)
    regular = int((values > LEAST_EIGENVALUE_RATIO * values.max()).sum())
    if regular < form.q:
        raise RelationshipError(
            f"is singular: {form.q - regular} of its {form.q:,} directions have no variance."
        )
    inverse = vectors @ sp.diags(1.0 / values) @ vectors.T
    return scale @ (0.5 * (inverse + inverse.T)) @ scale


def _largest_block(K: Any) -> int:
    """Levels of the largest diagonal block of a sparse K."""
    from scipy.sparse.csgraph import connected_components

    return int(np.bincount(connected_components(K, directed=False)[1]).max(initial=0))
