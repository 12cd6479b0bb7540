"""Kronecker products of covariances, in the representation that their parts allow."""

from __future__ import annotations

from collections.abc import Hashable

import numpy as np

from ..errors import RelationshipError
from ..support.arrays import FloatArray
from .check import is_well_conditioned
from .inverse import inverse_of
from .labels import Labels
from .matrix_roots import Sparse, sparse_triangle
from .representations import DenseMatrix, LowRank, Precision, Representation, SparseMatrix

LARGEST_DENSE = 30_000
"""Levels of a product that is kept as a dense matrix: it takes 7 GB."""


def pairs(a: Labels, b: Labels) -> Labels:
    """Labels of a Kronecker product, those of `b` running faster; tuples are joined.

    Examples
    --------
    >>> pairs(("x", "y"), (1, 2))
    (('x', 1), ('x', 2), ('y', 1), ('y', 2))
    """
    return tuple((*_parts(x), *_parts(y)) for x in a for y in b)


def _parts(label: Hashable) -> tuple[Hashable, ...]:
    return label if isinstance(label, tuple) else (label,)


def kronecker_product(a: Representation, b: Representation) -> Representation:
    """A ⊗ B. A precision stays one if the other part has an inverse, a sparse matrix sparse.

    Parameters
    ----------
    a, b : Representation
        (q, q) and (r, r).

    Returns
    -------
    Representation
        (qr, qr).

    Raises
    ------
    RelationshipError
        It is a dense matrix that is too large.
    """
    import scipy.sparse as sp

    if isinstance(a, Precision) or isinstance(b, Precision):
        first, second = _as_precision(a), _as_precision(b)
        if first is not None and second is not None:
            product = _of_precisions(first, second)
            if is_well_conditioned(product):
                return product
    elif isinstance(a, SparseMatrix) or isinstance(b, SparseMatrix):
        return SparseMatrix(sp.kron(_sparse(a), _sparse(b), format="csc"))
    if a.q * b.q > LARGEST_DENSE:
        raise RelationshipError(
            f"The Kronecker product of {a.q:,} and {b.q:,} levels is a dense matrix of "
            f"{a.q * b.q:,} rows. Give both parts as precisions, or the one with few relations "
            "as a matrix of scipy.sparse."
        )
    if isinstance(a, LowRank) and isinstance(b, LowRank):
        return LowRank(np.asarray(np.kron(a.factor, b.factor)))
    return DenseMatrix(np.asarray(np.kron(a.dense(), b.dense())))


def _sparse(form: Representation) -> Sparse:
    import scipy.sparse as sp

    return form.K if isinstance(form, SparseMatrix) else sp.csc_matrix(form.dense())


def _as_precision(form: Representation) -> Precision | None:
    """The same covariance by its inverse, or None without one to working precision."""
    import scipy.sparse as sp

    if isinstance(form, Precision):
        return form
    try:
        inverse = sp.csc_matrix(inverse_of(form))
    except RelationshipError:
        return None
    return Precision(inverse, *sparse_triangle(inverse))


def _of_precisions(a: Precision, b: Precision) -> Precision:
    """(W ⊗ T)'(W ⊗ T) = W'W ⊗ T'T, and a product of triangles is a triangle."""
    import scipy.sparse as sp

    return Precision(
        sp.kron(a.matrix, b.matrix, format="csc"),
        sp.kron(a.triangle, b.triangle, format="csr"),
        (a.order[:, None] * b.q + b.order).ravel(),
    )


def spectrum(form: Representation) -> tuple[FloatArray, FloatArray]:
    """Eigenvalues (q,) of K, largest first, and orthonormal eigenvectors (q, q).

    Of a root or a precision from singular values of K's root, which do not square its condition.
    The largest entry of an eigenvector is positive.
    """
    if isinstance(form, (LowRank, Precision)):
        factor = np.asarray(form.root(), dtype=np.float64)
        vectors, s, _ = np.linalg.svd(factor, full_matrices=True)
        values = np.concatenate([s**2, np.zeros(form.q - len(s))])
    else:
        values, vectors = np.linalg.eigh(form.dense())
        values, vectors = np.maximum(values[::-1], 0.0), vectors[:, ::-1]
    if form.q:
        largest = np.abs(vectors).argmax(axis=0)
        vectors = vectors * np.sign(vectors[largest, np.arange(form.q)])
    return values, np.asarray(vectors)
