"""Known covariances of levels as the engine takes them: by a root of K, or by K⁻¹."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from ..data.design import Design
from ..engine.prior import Identity, Precision, Prior, Root
from ..errors import ModelError, RelationshipError
from .matrix import Relationship
from .matrix_roots import sparse_root
from .representations import Precision as PrecisionMatrix
from .representations import Representation, SparseMatrix

LEAST_EIGENVALUE_RATIO = 1e-10
"""Smallest eigenvalue relative to the largest of a K that is inverted: six digits are left."""

LARGEST_INVERSE = 20_000
"""Largest K, or block of a sparse one, that is inverted as a dense matrix."""


def priors_of(design: Design, relationship: Mapping[str, Relationship]) -> list[Prior]:
    """One prior for each grouping factor; none if all levels are independent.

    Sparse precisions are used as they are, all other covariances by a root L with LL' = K.

    Parameters
    ----------
    design : Design
    relationship : mapping of str to Relationship

    Raises
    ------
    ModelError
        A covariance is zero everywhere.
    """
    return _by_group(design, relationship, prior_of) if relationship else []


def precisions_of(design: Design, relationship: Mapping[str, Relationship]) -> list[Prior]:
    """K⁻¹ of each grouping factor.

    Raises
    ------
    RelationshipError
        A covariance has no inverse to working precision, or is too large to be inverted.
    """
    return _by_group(design, relationship, _precision)


def _by_group(
    design: Design,
    relationship: Mapping[str, Relationship],
    prior_of: Callable[[str, Representation], Prior],
) -> list[Prior]:
    known = [relationship.get(group.name) for group in design.groups]
    return [
        Identity() if k is None else prior_of(group.name, k.form)
        for group, k in zip(design.groups, known, strict=True)
    ]


def prior_of(name: str, form: Representation) -> Prior:
    """The prior of one covariance, with the name of what has it.

    Raises
    ------
    ModelError
        It is zero everywhere.
    """
    import scipy.sparse as sp

    if isinstance(form, PrecisionMatrix):
        return Precision(sp.csc_matrix(form.matrix), form.mean_variance(), form)
    root = form.root()
    if root.shape[1] == 0:
        raise ModelError(f"relationship: the covariance of `{name}` is zero everywhere.")
    return Root(root if isinstance(root, np.ndarray) else root.tocsr(), form.mean_variance())


def _precision(name: str, form: Representation) -> Prior:
    import scipy.sparse as sp

    try:
        matrix = form.matrix if isinstance(form, PrecisionMatrix) else _inverse(form)
    except RelationshipError as exc:
        raise RelationshipError(
            f"relationship of `{name}`: fit.matrices needs the inverse of K, which {exc} The "
            "equations of such a model are in lmforms.mme."
        ) from None
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
