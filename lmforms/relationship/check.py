"""Checked representations of a user's matrix: square, finite, symmetric, positive semi-definite.

Error messages name labels, and say by how much a tolerance is missed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..engine.linalg.not_positive_definite import NotPositiveDefiniteError
from ..errors import ArgumentError, RelationshipError
from ..support.arrays import AnyArray, FloatArray, real_values
from .labels import Labels, named, other_type, values_of
from .matrix_roots import Sparse, sparse_triangle
from .representations import DenseMatrix, LowRank, Precision, SparseMatrix

SYMMETRY_TOLERANCE = 1e-6
"""Largest |K_ij − K_ji| relative to the largest |K_ij|: a matrix that was stored in single
precision or with six digits passes. Its symmetric part is used."""

SEMIDEFINITE_TOLERANCE = 1e-6
"""Most negative eigenvalue relative to the largest, for the same reason. Negative eigenvalues are
left out of roots, which changes K by no more than this."""

LEAST_PIVOT = 1e-12
"""Smallest share of a level's precision that remains when others are eliminated. Four digits
above rounding; an improper prior (say, an intrinsic autoregression) has a share of 0."""

LARGEST_CONDITION = 1e11
"""Of a precision scaled to a unit diagonal. The criterion is then correct to about 1e-6, whatever
is computed, as the rounding of the precision's own entries changes it so much."""

CONDITION_ITERATIONS = 8
"""Of the power method: it finds at least a tenth of the condition of a nearly singular matrix."""

MOST_EIGENVALUES = 2_000
"""Largest sparse matrix of which eigenvalues are computed for an error message."""


def is_sparse(matrix: Any) -> bool:
    """Whether a matrix is one of scipy.sparse (a matrix or an array)."""
    return type(matrix).__module__.startswith("scipy.sparse")


def matrix_and_labels(what: str, obj: Any, labels: Any) -> tuple[Any, Any]:
    """The bare matrix and its labels: a labelled frame, a pair, or a matrix beside labels.

    Parameters
    ----------
    what : str
        Name of the argument.
    obj : DataFrame, tuple of (matrix, labels), ndarray or scipy.sparse matrix
    labels : sequence or None
    """
    owned = None
    if isinstance(obj, tuple):
        if len(obj) != 2:
            raise ArgumentError(
                f"{what}: a pair (matrix, labels) is needed, not {len(obj)} values."
            )
        obj, owned = obj
    if hasattr(obj, "index") and hasattr(obj, "to_numpy"):
        if owned is None:
            owned = obj.index
        else:
            raise ArgumentError(
                f"{what}: the frame carries its labels: give it alone, not in a pair."
            )
        obj = obj.to_numpy()
    if owned is None and labels is None:
        raise ArgumentError(
            f"{what}: the rows need labels. Give a labelled pandas frame or the argument `labels`."
        )
    if owned is not None and labels is not None:
        raise ArgumentError(f"{what}: the labels are there twice. Leave out the argument `labels`.")
    return obj, labels if owned is None else owned


def check_frame(obj: Any) -> None:
    """Refuse a frame whose columns are not labelled like its rows."""
    if not (hasattr(obj, "index") and hasattr(obj, "columns")):
        return
    rows, columns = values_of(obj.index), values_of(obj.columns)
    if rows == columns or len(rows) != len(columns):  # the latter is refused as not square
        return
    apart = [r for r, c in zip(rows, columns, strict=True) if r != c]
    if set(rows) == set(columns):
        raise RelationshipError(
            f"Rows and columns of the frame have the same labels in another order, from row "
            f"{apart[0]!r} on. `K = K[K.index]` orders the columns like the rows."
        )
    strange = [c for c in columns if c not in set(rows)]
    raise RelationshipError(
        f"Columns and rows of the frame are labelled differently. Not among the rows: "
        f"{named(strange)}."
        + other_type(strange, rows)
        + " If the order is the same, `K.columns = K.index` repairs it."
    )


def checked_covariance(matrix: Any, labels: Labels) -> DenseMatrix | SparseMatrix:
    """A checked K, dense or sparse as it was given."""
    if is_sparse(matrix):
        K = _symmetric_sparse(matrix, labels, "The covariance")
        _check_sparse_semidefinite(K, labels)
        return SparseMatrix(K)
    dense = _symmetric_dense(matrix, labels, "The covariance")
    _check_semidefinite(dense)
    return DenseMatrix(dense)


def checked_root(root: Any, labels: Labels) -> LowRank:
    """A checked root (q, r)."""
    factor = real_numbers(root.toarray() if is_sparse(root) else root, "The root")
    if factor.ndim != 2:
        raise RelationshipError(f"The root must be a matrix (q, r); it has shape {factor.shape}.")
    _check_count(factor.shape[0], labels, "The root")
    if not np.isfinite(factor).all():
        where = [labels[i] for i in np.flatnonzero(~np.isfinite(factor).all(axis=1))]
        raise RelationshipError(f"The root is not finite in the rows {named(where)}.")
    return LowRank(factor.copy())


def checked_precision(matrix: Any, labels: Labels) -> Precision:
    """A checked K⁻¹ with its triangle; a dense one becomes sparse."""
    import scipy.sparse as sp

    if not is_sparse(matrix):
        matrix = sp.csc_matrix(_symmetric_dense(matrix, labels, "The precision"))
    Q = _symmetric_sparse(matrix, labels, "The precision")
    diagonal = Q.diagonal()
    bad = [labels[i] for i in np.flatnonzero(~(diagonal > 0))]
    if bad:
        raise RelationshipError(f"The diagonal of the precision is not positive at {named(bad)}.")
    root = np.sqrt(diagonal)
    shrink = sp.diags(1.0 / root)
    scaled = (shrink @ Q @ shrink).tocsc()
    try:
        triangle, order = sparse_triangle(scaled, LEAST_PIVOT)
    except NotPositiveDefiniteError as error:
        raise RelationshipError(
            "The precision is not positive definite"
            + _at_pivot(error.row, labels)
            + _spectrum(scaled, " (scaled to a unit diagonal)")
            + ". An improper prior determines no covariance: add what it leaves open, or give "
            "the covariance itself."
        ) from None
    triangle.data *= root[order][triangle.indices]
    found = Precision(Q, triangle, order)
    _check_condition(found, root, float(abs(scaled).sum(axis=0).max()))
    return found


def is_well_conditioned(precision: Precision) -> bool:
    """Whether :meth:`Relationship.from_precision` would accept a precision."""
    import scipy.sparse as sp

    root = np.sqrt(precision.matrix.diagonal())
    shrink = sp.diags(1.0 / root)
    norm = float(abs(shrink @ precision.matrix @ shrink).sum(axis=0).max())
    return _condition(precision, root, norm) <= LARGEST_CONDITION


def _condition(precision: Precision, root: FloatArray, norm: float) -> float:
    """Condition of a precision scaled to a unit diagonal, about."""
    x = np.random.default_rng(0).normal(size=(len(root), 1))
    for _ in range(CONDITION_ITERATIONS):
        x = root[:, None] * precision.solve(root[:, None] * (x / np.linalg.norm(x)))
    return norm * float(np.linalg.norm(x))


def _check_condition(precision: Precision, root: FloatArray, norm: float) -> None:
    """Refuse a precision whose smallest eigenvalues are mostly rounding."""
    condition = _condition(precision, root, norm)
    if not condition <= LARGEST_CONDITION:
        raise RelationshipError(
            f"The precision is nearly singular: its condition, scaled to a unit diagonal, is about "
            f"{condition:.0e}; above {LARGEST_CONDITION:.0e} a likelihood has few digits. "
            "Add a multiple of its diagonal that is large beside "
            f"{1 / LARGEST_CONDITION:.0e}, or give the covariance itself."
        )


def real_numbers(matrix: Any, what: str) -> FloatArray:
    """The matrix in double precision, NaN where it is masked."""
    try:
        return real_values(matrix)
    except (TypeError, ValueError, OverflowError, RuntimeError):
        raise RelationshipError(
            f"{what} must consist of real numbers, in rows of equal length."
        ) from None


def _check_count(q: int, labels: Labels, what: str) -> None:
    if q != len(labels):
        raise RelationshipError(f"{what} has {q:,} rows, but there are {len(labels):,} labels.")


def _check_square(matrix: Any, labels: Labels, what: str) -> None:
    if matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise RelationshipError(f"{what} must be square; it has shape {matrix.shape}.")
    _check_count(matrix.shape[0], labels, what)


def _symmetric_dense(matrix: Any, labels: Labels, what: str) -> FloatArray:
    """The symmetric part, after its checks."""
    K = real_numbers(matrix, what)
    _check_square(K, labels, what)
    if not np.isfinite(K).all():
        i, j = np.argwhere(~np.isfinite(K))[0]
        raise RelationshipError(f"{what} is {K[i, j]} at {_pair(labels, i, j)}.")
    apart = np.abs(K - K.T)
    if apart.max(initial=0.0) > SYMMETRY_TOLERANCE * np.abs(K).max(initial=0.0):
        i, j = np.unravel_index(int(apart.argmax()), apart.shape)
        _refuse_asymmetry(K[i, j], K[j, i], _pair(labels, i, j), what)
    return np.asarray(0.5 * (K + K.T))


def _symmetric_sparse(matrix: Any, labels: Labels, what: str) -> Sparse:
    import scipy.sparse as sp

    _check_square(matrix, labels, what)
    if matrix.dtype.kind not in "biuf":
        raise RelationshipError(f"{what} must consist of real numbers.")
    K = sp.csc_matrix(matrix, dtype=np.float64)
    K.sum_duplicates()
    if not np.isfinite(K.data).all():
        entries = K.tocoo()
        at = int(np.flatnonzero(~np.isfinite(entries.data))[0])
        pair = _pair(labels, entries.row[at], entries.col[at])
        raise RelationshipError(f"{what} is {entries.data[at]} at {pair}.")
    apart = abs(K - K.T).tocoo()
    if apart.data.max(initial=0.0) > SYMMETRY_TOLERANCE * np.abs(K.data).max(initial=0.0):
        at = int(apart.data.argmax())
        i, j = sorted((apart.row[at], apart.col[at]))
        _refuse_asymmetry(K[i, j], K[j, i], _pair(labels, i, j), what)
    return (0.5 * (K + K.T)).tocsc()


def _refuse_asymmetry(upper: float, lower: float, pair: str, what: str) -> None:
    raise RelationshipError(
        f"{what} is not symmetric. It differs by {abs(upper - lower):.3g} at {pair}: "
        f"{upper:.6g} against {lower:.6g}."
    )


def _pair(labels: Labels, i: Any, j: Any) -> str:
    return f"({labels[int(i)]!r}, {labels[int(j)]!r})"


def _check_semidefinite(K: FloatArray) -> None:
    """Cholesky of K + εI suffices for most matrices; eigenvalues decide if it fails."""
    shifted, diagonal = K.copy(), np.diagonal(K)
    np.fill_diagonal(shifted, diagonal + SEMIDEFINITE_TOLERANCE * diagonal.max(initial=0.0))
    try:
        np.linalg.cholesky(shifted)
    except np.linalg.LinAlgError:
        values = np.linalg.eigvalsh(K)
        if values[0] < -SEMIDEFINITE_TOLERANCE * values[-1]:
            raise RelationshipError(
                "The covariance is not positive semi-definite"
                + _lowest(values)
                + ". Such a K gives some sum of levels a negative variance."
            ) from None


def _check_sparse_semidefinite(K: Sparse, labels: Labels) -> None:
    import scipy.sparse as sp

    if not K.nnz:
        return
    bound = float(abs(K).sum(axis=0).max())  # of the largest eigenvalue
    shift = SEMIDEFINITE_TOLERANCE * bound * sp.identity(K.shape[0], format="csc")
    try:
        sparse_triangle(K + shift)
    except NotPositiveDefiniteError as error:
        raise RelationshipError(
            "The covariance is not positive semi-definite"
            + _at_pivot(error.row, labels)
            + _spectrum(K)
            + ". Such a K gives some sum of levels a negative variance."
        ) from None


def _at_pivot(row: int | None, labels: Labels) -> str:
    return "" if row is None else f", as eliminating level {labels[row]!r} shows"


def _spectrum(matrix: Sparse, how: str = "") -> str:
    if matrix.shape[0] > MOST_EIGENVALUES:
        return ""
    return _lowest(np.linalg.eigvalsh(matrix.toarray()), how)


def _lowest(values: AnyArray, how: str = "") -> str:
    return (
        f": its lowest eigenvalue{how} is {values[0]:.3g}, {values[0] / abs(values[-1]):.2g} of "
        f"the largest, {values[-1]:.3g}"
        if values[-1] != 0
        else f": its lowest eigenvalue{how} is {values[0]:.3g}, the largest is 0"
    )
