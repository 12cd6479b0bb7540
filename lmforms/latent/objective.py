"""F, what a linear mixed form minimises, and its parts: pure functions of arrays.

    F = w_Y‖Y − (K+H)α'‖² + w_X‖X − Kβ'‖² + w_Z‖Z − Hu'‖² + ρ(‖α‖² + ‖β‖² + ‖u‖² + ‖K‖² + ‖H‖²)

Norms are Frobenius norms; entries of Y that are missing are left out of the first. A sparse
matrix is only ever multiplied: ‖Z − Hu'‖² = ‖Z‖² − 2⟨Zu, H⟩ + ⟨H'H, u'u⟩.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import scipy.sparse as sp

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

# Below this share of ‖A‖² the expanded square has lost two digits; dense residuals are then
# formed, a few rows at a time.
EXPANDED_SHARE = 1e-2
CHUNK_ENTRIES = 2**20  # entries of a matrix that are looked at together: 8 MiB


class Weights(NamedTuple):
    """What each modality counts in F."""

    Y: float
    X: float
    Z: float


class Codes(NamedTuple):
    """Latent codes of n rows, each (n, k): K behind X, H behind Z, K + H behind Y."""

    K: Any
    H: Any


class Loadings(NamedTuple):
    """α (m, k), β (p, k), u (q, k): what turns codes into columns of Y, X, Z."""

    alpha: FloatArray
    beta: FloatArray
    u: FloatArray


class Parts(NamedTuple):
    """Squared residuals ‖·‖² of the three modalities, unweighted, and the squares under ρ."""

    Y: float
    X: float
    Z: float
    penalty: float


@dataclass(frozen=True, eq=False)
class Modalities:
    """Y (n, m), X (n, p), Z (n, q), checked; missing entries of Y hold zero.

    Attributes
    ----------
    Y : ndarray
    X, Z : ndarray or scipy.sparse.csr_array
    seen : ndarray of bool (n, m), optional
        Where Y is known; None if everywhere.
    """

    Y: FloatArray
    X: Any
    Z: Any
    seen: BoolArray | None = None

    @property
    def n(self) -> int:
        """Number of rows."""
        return int(self.Y.shape[0])

    def rows(self, chosen: Any) -> Modalities:
        """Some of the rows."""
        seen = None if self.seen is None else self.seen[chosen]
        return Modalities(self.Y[chosen], self.X[chosen], self.Z[chosen], seen)

    def squares(self) -> Weights:
        """‖Y‖², ‖X‖², ‖Z‖² over what is known."""
        return self._squares

    @cached_property
    def _squares(self) -> Weights:
        return Weights(*(squared_norm(A) for A in (self.Y, self.X, self.Z)))


def squared_norm(A: Any) -> float:
    """‖A‖²_F of a dense or sparse matrix.

    Examples
    --------
    >>> squared_norm(np.array([[3.0, 0.0], [0.0, 4.0]]))
    25.0
    """
    values = A.data if sp.issparse(A) else A
    return float(np.vdot(values, values))


def default_weights(data: Modalities) -> Weights:
    """1/‖·‖² of each modality, so that none dominates whatever its units.

    Examples
    --------
    >>> data = Modalities(np.eye(2), 2 * np.eye(2), np.eye(2))
    >>> default_weights(data)
    Weights(Y=0.5, X=0.125, Z=0.5)
    """
    return Weights(*(1.0 / s for s in data.squares()))


def chunks(n: int, width: int) -> Iterator[slice]:
    """Slices of rows with about `CHUNK_ENTRIES` entries each."""
    step = max(1, CHUNK_ENTRIES // max(width, 1))
    for first in range(0, n, step):
        yield slice(first, min(first + step, n))


def residual_square(
    A: Any,
    code: FloatArray,
    loading: FloatArray,
    seen: BoolArray | None = None,
    product: FloatArray | None = None,
    square: float | None = None,
) -> float:
    """‖A − code·loading'‖² over the entries seen.

    Parameters
    ----------
    A : (n, c) ndarray or sparse matrix
    code : ndarray (n, k)
    loading : ndarray (c, k)
    seen : ndarray of bool (n, c), optional
    product, square : optional
        A·loading and ‖A‖² where they are known already.

    Examples
    --------
    >>> A, code = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.0], [2.0]])
    >>> loading = np.array([[1.0], [0.0]])
    >>> residual_square(A, code, loading), residual_square(sp.csr_array(A), code, loading)
    (30.0, 30.0)
    """
    if seen is None:
        square = squared_norm(A) if square is None else square
        product = A @ loading if product is None else product
        inner = float(np.vdot(code.T @ code, loading.T @ loading))
        expanded = square - 2.0 * float(np.vdot(product, code)) + inner
        if sp.issparse(A):
            return max(expanded, 0.0)
        if expanded > EXPANDED_SHARE * square:
            return expanded
    total = 0.0
    for part in chunks(*A.shape):
        rest = A[part] - code[part] @ loading.T
        if seen is not None:
            rest *= seen[part]
        total += float(np.vdot(rest, rest))
    return total


def parts(data: Modalities, codes: Codes, loadings: Loadings) -> Parts:
    """The squares that F adds up, before weights and ρ."""
    alpha, beta, u = loadings
    K, H = codes
    squares = data.squares()
    return Parts(
        residual_square(data.Y, K + H, alpha, data.seen, square=squares.Y),
        residual_square(data.X, K, beta, square=squares.X),
        residual_square(data.Z, H, u, square=squares.Z),
        sum(squared_norm(A) for A in (*codes, *loadings)),
    )


def objective(
    data: Modalities, codes: Codes, loadings: Loadings, weights: Weights, ridge: float = 0.0
) -> float:
    """F at given codes and loadings.

    Examples
    --------
    >>> K, H = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    >>> one = np.ones((1, 1))
    >>> data = Modalities(K + H, K, H)
    >>> objective(data, Codes(K, H), Loadings(one, one, one), Weights(1.0, 1.0, 1.0), ridge=0.5)
    2.5
    """
    return weighted(parts(data, codes, loadings), weights, ridge)


def weighted(found: Parts, weights: Weights, ridge: float) -> float:
    """F from its parts."""
    fit = weights.Y * found.Y + weights.X * found.X + weights.Z * found.Z
    return fit + (ridge * found.penalty if ridge else 0.0)
