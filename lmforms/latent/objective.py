"""F, the objective that a linear mixed form minimises: pure functions of arrays.

    F = Σ_j w_j‖A_j − C_jL_j'‖² + ρ(‖K‖² + ‖H‖² + Σ_j‖L_j‖²),   C_j = K + H, K or H.

For one response Y, one fixed-like X and one random-like Z with loadings α, β, u this is

    w_Y‖Y − (K+H)α'‖² + w_X‖X − Kβ'‖² + w_Z‖Z − Hu'‖² + ρ(…).

Norms are Frobenius norms; entries that are missing are left out. A sparse matrix is only ever
multiplied: ‖Z − Hu'‖² = ‖Z‖² − 2⟨Zu, H⟩ + ⟨H'H, u'u⟩.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp

from ..support.arguments import named_arguments
from ..support.arrays import FloatArray
from ..support.row_chunks import row_chunks
from .modalities import CHUNK_ENTRIES, Modalities, Modality, Side, squared_norm

EXPANDED_SHARE = 1e-2
"""The expanded square is a difference of larger numbers. Below this share of the largest of them,
more than two digits are lost and the residuals are formed instead."""

Weights = tuple[float, ...]
"""The weight of each modality in F, in the order of the modalities."""

Loadings = tuple[FloatArray, ...]
"""The loadings of each modality, (c_j, k), in the order of the modalities."""


class Codes(NamedTuple):
    """Latent codes of n rows, each (n, k): X depends on K, Z on H, and Y on K + H."""

    K: Any
    H: Any

    @named_arguments
    def of_side(self, side: Side) -> Any:
        """The code that a modality of that side depends on."""
        if side is Side.RESPONSE:
            return self.K + self.H
        return self.K if side is Side.FIXED else self.H


def default_weights(data: Modalities) -> Weights:
    """1/‖·‖² of each modality, so that none dominates whatever its units.

    Examples
    --------
    >>> default_weights(Modalities.of(np.eye(2), 2 * np.eye(2), np.eye(2)))
    (0.5, 0.125, 0.5)
    """
    return tuple(1.0 / part.square for part in data)


def residual_square(
    part: Modality, code: FloatArray, loading: FloatArray, inner: float | None = None
) -> float:
    """‖A − code·loading'‖² over the entries seen.

    Parameters
    ----------
    part : Modality (n, c)
    code : ndarray (n, k)
    loading : ndarray (c, k)
    inner : float, optional
        ⟨A, code·loading'⟩ where it is known already.

    Examples
    --------
    >>> A, code = np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[1.0], [2.0]])
    >>> loading = np.array([[1.0], [0.0]])
    >>> [residual_square(Modality(B, Side.FIXED), code, loading) for B in (A, sp.csr_array(A))]
    [30.0, 30.0]
    """
    if part.seen is None:
        if inner is None:
            inner = float(np.vdot(part.values @ loading, code))
        # codes and loadings of very different size cancel within the last term, so the loss of
        # digits is judged by its largest entry, not by its sum
        last = (code.T @ code) * (loading.T @ loading)
        expanded = part.square - 2.0 * inner + float(last.sum())
        if expanded > EXPANDED_SHARE * max(part.square, float(np.abs(last).max())):
            return expanded
        if sp.issparse(part.values):
            return _in_orthonormal_basis(part, code, loading)
    return _formed(part, code, loading)


def _in_orthonormal_basis(part: Modality, code: FloatArray, loading: FloatArray) -> float:
    """The expanded square with code = QR, in which only ‖A‖² and the fit cancel."""
    basis, upper = np.linalg.qr(code)
    mapped = loading @ upper.T
    cross = float(np.vdot(part.values @ mapped, basis))
    return max(part.square - 2.0 * cross + squared_norm(mapped), 0.0)


def _formed(part: Modality, code: FloatArray, loading: FloatArray) -> float:
    """The sum of squared residuals, a few rows at a time."""
    total = 0.0
    for rows in row_chunks(*part.shape, CHUNK_ENTRIES):
        rest = part.values[rows] - code[rows] @ loading.T
        if part.seen is not None:
            rest *= part.seen[rows]
        total += squared_norm(rest)
    return total


def objective(
    data: Modalities,
    codes: Codes,
    loadings: Loadings,
    weights: Weights,
    ridge: float = 0.0,
    inners: Sequence[float | None] | None = None,
) -> float:
    """F at given codes and loadings; `inners` are ⟨A_j, C_jL_j'⟩ where they are known.

    Examples
    --------
    >>> K, H = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    >>> one = np.ones((1, 1))
    >>> data = Modalities.of(K + H, K, H)
    >>> objective(data, Codes(K, H), (one, one, one), (1.0, 1.0, 1.0), ridge=0.5)
    2.5
    """
    fit = 0.0
    for part, L, w, inner in zip(data, loadings, weights, inners or [None] * len(loadings)):
        fit += w * residual_square(part, codes.of_side(part.side), L, inner)
    return fit + (ridge * sum(map(squared_norm, (*codes, *loadings))) if ridge else 0.0)
