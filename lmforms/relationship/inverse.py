"""The inverse of a covariance, where it has one to working precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import RelationshipError
from .matrix_roots import sparse_root
from .representations import Precision, Representation, SparseMatrix

LEAST_EIGENVALUE_RATIO = 1e-10
"""Smallest eigenvalue relative to the largest of a K that is inverted: six digits are left."""

LARGEST_INVERSE = 20_000
"""Largest K, or block of a sparse one, that is inverted as a dense matrix."""


def inverse_of(form: Representation) -> Any:
    """K⁻¹ (q, q), by diagonal blocks if K is sparse.

    K = DCD with unit diagonal in C, whose eigenvalues say whether K has an inverse: different
    variances of the levels are no loss of digits.

    Raises
    ------
    RelationshipError
        There is none, or K is too large to be inverted. The message goes on after "which".
    """
    import scipy.sparse as sp

    if isinstance(form, Precision):
        return form.matrix
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
