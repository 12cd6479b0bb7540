"""Starting codes. They matter: K and H must start in *one* latent basis.

Both codes have the loadings α, while leading singular vectors of X and of Z share no basis. The
aligned start finds a common basis through Y:

1. K₀, H₀: leading left singular vectors of X and Z;
2. Y regressed on [K₀ H₀] gives C = [C₁; C₂], 2k×m;
3. W, the leading right singular vectors of C; then K = K₀C₁W, H = H₀C₂W.

It is exact on data that a form of rank k explains without error. If the rank of C is below k, the
other directions are those in which K₀ and H₀ explain most of X and Z. Several modalities of one
side are put side by side, each times √w.

Where many directions of Z are equally large, as those of a factor whose levels have equally many
rows, its leading vectors are arbitrary among them. The regression start takes H₀ from Z beside the
residuals of Y regressed on K₀ instead. If K₀ spans X and Z is orthogonal to X, this minimises F at
K = K₀.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import scipy.linalg as sla
import scipy.sparse as sp

from ..support.arrays import FloatArray
from .modalities import Modalities, Modality, Side
from .normal_equations import masked_gram, solve_each, solve_symmetric
from .objective import Codes, Weights

OVERSAMPLING = 10
"""Number of columns of a random range beyond the rank."""

POWER_ITERATIONS = 2
"""Number of power iterations of the random range."""

EXACT_WORK = 2e8
"""Value of n·c·min(n, c) up to which LAPACK's SVD is used for dense data."""

NEGLIGIBLE_SINGULAR_VALUE = 1e-10
"""Singular values below this share of the largest are rounding."""


class LeadingVectors(NamedTuple):
    """Leading left singular vectors (n, k) and singular values (k,)."""

    vectors: FloatArray
    values: FloatArray

    @property
    def numerical_rank(self) -> int:
        """Number of singular values above rounding."""
        return int(np.sum(self.values > NEGLIGIBLE_SINGULAR_VALUE * self.values.max(initial=0.0)))


def leading_vectors(
    A: Any, k: int, rng: np.random.Generator, towards: FloatArray | None = None
) -> LeadingVectors:
    """The k leading left singular vectors and values of a dense or sparse matrix.

    Large or sparse matrices are projected on a random range (Halko, Martinsson & Tropp 2011),
    which needs products with A and A' only. Directions `towards` (n, d), and AA' times these, are
    added to the range: among equal singular values chance would hardly find them.

    Examples
    --------
    >>> A = np.diag([3.0, 2.0, 1.0])
    >>> leading_vectors(A, 2, np.random.default_rng(0)).values.round(12)
    array([3., 2.])
    >>> leading_vectors(sp.csr_array(A), 2, np.random.default_rng(0)).values.round(12)
    array([3., 2.])
    """
    n, c = A.shape
    if not sp.issparse(A) and float(n) * c * min(n, c) <= EXACT_WORK:
        vectors, values, _ = sla.svd(A, full_matrices=False, check_finite=False)
        return LeadingVectors(np.ascontiguousarray(vectors[:, :k]), values[:k])
    found = A @ rng.standard_normal((c, min(k + OVERSAMPLING, n, c)))
    if towards is not None:
        found = np.hstack([found, towards, A @ (A.T @ towards)])
    basis = np.linalg.qr(found)[0]
    for _ in range(POWER_ITERATIONS):
        basis = np.linalg.qr(A @ np.linalg.qr(A.T @ basis)[0])[0]
    small, values, _ = np.linalg.svd((A.T @ basis).T, full_matrices=False)
    return LeadingVectors(basis @ small[:, :k], values[:k])


def side_vectors(
    data: Modalities, side: Side, weights: Weights, k: int, rng: np.random.Generator
) -> LeadingVectors:
    """The leading vectors of all modalities of a side.

    Of several modalities, only the leading part of each is used.

    Examples
    --------
    >>> data = Modalities.of(np.eye(3), np.diag([3.0, 2.0, 1.0]), np.eye(3))
    >>> side_vectors(data, Side.FIXED, (1.0, 1.0, 1.0), 2, np.random.default_rng(0)).values
    array([3., 2.])
    """
    chosen = [(part, w) for part, w in zip(data, weights) if part.side is side]
    found = [leading_vectors(part.values, k, rng) for part, _ in chosen]
    if len(found) == 1:
        return found[0]
    stacked = np.hstack([np.sqrt(w) * V * s for (V, s), (_, w) in zip(found, chosen)])
    return leading_vectors(stacked, k, rng)


def aligned_codes(data: Modalities, X: LeadingVectors, Z: LeadingVectors) -> Codes:
    """K and H in one basis, from the leading vectors of both sides.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> K, H = rng.normal(size=(9, 2)), rng.normal(size=(9, 2))
    >>> a, b, u = (rng.normal(size=(c, 2)) for c in (3, 4, 5))
    >>> Y, X, Z = (K + H) @ a.T, K @ b.T, H @ u.T
    >>> of_X, of_Z = leading_vectors(X, 2, rng), leading_vectors(Z, 2, rng)
    >>> start = aligned_codes(Modalities.of(Y, X, Z), of_X, of_Z)
    >>> S = start.K + start.H
    >>> bool(np.allclose(S @ np.linalg.lstsq(S, Y, rcond=None)[0], Y))
    True
    """
    k = len(X.values)
    both = np.hstack([X.vectors, Z.vectors])
    C = _regression(data.response, both)
    _, values, vt = np.linalg.svd(C, full_matrices=False)
    rank = int(np.sum(values > NEGLIGIBLE_SINGULAR_VALUE * max(values.max(initial=0.0), 1e-300)))
    W = vt[: min(k, rank)].T
    at_x = _completed(C[:k] @ W, X.values)
    at_z = _completed(C[k:] @ W, Z.values)
    return Codes(X.vectors @ at_x, Z.vectors @ at_z)


def response_vectors(
    data: Modalities, X: LeadingVectors, weights: Weights, k: int, rng: np.random.Generator
) -> LeadingVectors:
    """The leading vectors of the random side beside the residuals of Y regressed on those of X.

    Examples
    --------
    >>> Z = np.vstack([np.eye(2), -np.eye(2)])
    >>> data = Modalities.of(np.array([[4.0], [5.0], [2.0], [1.0]]), np.ones((4, 1)), Z)
    >>> rng = np.random.default_rng(0)
    >>> X = leading_vectors(data.parts[1].values, 1, rng)
    >>> response_vectors(data, X, (1.0, 1.0, 1.0), 1, rng).vectors.round(2).ravel().tolist()
    [-0.32, -0.63, 0.32, 0.63]
    """
    rest = _residuals(data.response, X.vectors)
    pairs = [(part.values, w) for part, w in zip(data, weights) if part.side is Side.RANDOM]
    blocks = [np.sqrt(w) * A for A, w in (*pairs, (rest, weights[0]))]
    sparse = any(sp.issparse(A) for A in blocks)
    stacked = sp.hstack(blocks, format="csr") if sparse else np.hstack(blocks)
    towards = leading_vectors(rest, min(k, rest.shape[1]), rng).vectors
    return leading_vectors(stacked, k, rng, towards)


def random_codes(data: Modalities, k: int, rng: np.random.Generator) -> Codes:
    """Independent standard normal codes."""
    return Codes(rng.standard_normal((data.n, k)), rng.standard_normal((data.n, k)))


def _residuals(response: Modality, basis: FloatArray) -> FloatArray:
    """Y less its regression on orthonormal columns; zero where not seen."""
    if response.seen is None:
        return response.values - basis @ (basis.T @ response.values)
    slopes = solve_each(masked_gram(basis, response.seen), response.values.T @ basis).T
    return np.where(response.seen, response.values - basis @ slopes, 0.0)


def _regression(response: Modality, both: FloatArray) -> FloatArray:
    """Coefficients (2k, m) of Y on [K₀ H₀], over the entries of Y that are seen."""
    if response.seen is None:
        return solve_symmetric(both.T @ both, both.T @ response.values)
    return solve_each(masked_gram(both, response.seen), response.values.T @ both).T


def _completed(found: FloatArray, values: FloatArray) -> FloatArray:
    """Coordinates (k, r) in the singular basis, filled up to (k, k).

    What is added explains most of the matrix beyond `found`, at the size of `found`.
    """
    k, r = found.shape
    if r == k:
        return found
    basis = np.linalg.qr(found)[0] if r else np.zeros((k, 0))
    rest = np.diag(values) - basis @ (basis.T * values)
    directions, sizes, _ = np.linalg.svd(rest)
    size = np.linalg.norm(found, axis=0).mean() if r else 1.0
    scale = sizes[: k - r] / max(sizes[0], 1e-300) * (size if size > 0 else 1.0)
    return np.hstack([found, directions[:, : k - r] * scale])
