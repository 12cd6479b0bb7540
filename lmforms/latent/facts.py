"""What a fitted form says: explained shares, residual variances, implied covariances, e."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .encoding import designs, second_moments
from .objective import (
    Codes,
    FloatArray,
    Loadings,
    Modalities,
    Weights,
    parts,
    squared_norm,
)

# Share of the mean square that is the least noise assumed: data without any would divide by zero.
NOISELESS = 1e-14


@dataclass(frozen=True, eq=False)
class FormIdentity:
    """(K+H)(α'α) = K(β'β) + H(u'u) + e, the full expression of the paper.

    Attributes
    ----------
    e : ndarray or DataFrame (n, k)
        What the identity leaves.
    share : float
        ‖e‖²/‖(K+H)(α'α)‖²: zero if the identity holds, above one if it does not speak of the
        data at all.
    """

    e: Any
    share: float


def form_residual(codes: Codes, loadings: Loadings) -> FormIdentity:
    """The form identity and what it leaves.

    Examples
    --------
    >>> K, H = np.array([[1.0], [0.0]]), np.array([[0.0], [1.0]])
    >>> one = np.ones((1, 1))
    >>> form_residual(Codes(K, H), Loadings(one, one, one)).share
    0.0
    """
    alpha, beta, u = loadings
    K, H = codes
    left = (K + H) @ (alpha.T @ alpha)
    e = left - K @ (beta.T @ beta) - H @ (u.T @ u)
    return FormIdentity(e, squared_norm(e) / squared_norm(left))


def explained_shares(data: Modalities, codes: Codes, loadings: Loadings) -> dict[str, float]:
    """1 − ‖residual‖²/‖·‖² of each modality, about zero, over the entries seen."""
    found, whole = parts(data, codes, loadings), data.squares()
    return {name: 1.0 - getattr(found, name) / getattr(whole, name) for name in whole._fields}


def residual_variances(data: Modalities, codes: Codes, loadings: Loadings) -> dict[str, FloatArray]:
    """Mean squared residual of each column of Y, X, Z: the diagonal D of the implied covariance."""
    K, H = codes
    return {
        "Y": _by_column(data.Y, K + H, loadings.alpha, data.seen),
        "X": _by_column(data.X, K, loadings.beta, None),
        "Z": _by_column(data.Z, H, loadings.u, None),
    }


def noise_precisions(data: Modalities, variances: dict[str, FloatArray]) -> Weights:
    """1/v of each modality: v the mean of D over its columns, and not quite zero."""
    squares = data.squares()
    means = {name: variances[name].mean() for name in squares._fields}
    floors = (
        NOISELESS * s / data.n / variances[name].size for name, s in squares._asdict().items()
    )
    return Weights(*(1.0 / max(v, f) for v, f in zip(means.values(), floors)))


def implied(name: str, codes: Codes, loadings: Loadings, diagonal: FloatArray) -> FloatArray:
    """D + L·M·L' of one modality: M the second moments of its codes, L its loadings.

    Examples
    --------
    >>> codes = Codes(np.array([[1.0], [-1.0]]), np.array([[1.0], [-1.0]]))
    >>> one = np.ones((1, 1))
    >>> implied("Y", codes, Loadings(one, one, one), np.array([0.5]))
    array([[4.5]])
    """
    design = designs(loadings)[name]
    return design @ second_moments(codes) @ design.T + np.diag(diagonal)


def rebuilt_share(A: Any, covariance: FloatArray) -> float:
    """1 − ‖S − covariance‖²/‖S‖² with S = A'A/n the sample's second moments."""
    S = (A.T @ A) / A.shape[0]
    S = S.toarray() if hasattr(S, "toarray") else S
    return 1.0 - squared_norm(S - covariance) / squared_norm(S)


def _by_column(A: Any, code: FloatArray, loading: FloatArray, seen: Any) -> FloatArray:
    """Σ_i (a_ij − c_i'l_j)² divided by the number of entries, without a second matrix like A."""
    n = A.shape[0]
    if seen is not None:
        rest = np.where(seen, A - code @ loading.T, 0.0)
        return np.einsum("ij,ij->j", rest, rest) / seen.sum(axis=0)
    if hasattr(A, "multiply"):
        squares = np.asarray(A.multiply(A).sum(axis=0)).ravel()
    else:
        squares = np.einsum("ij,ij->j", A, A)
    cross = np.einsum("jk,jk->j", A.T @ code, loading)
    fitted = np.einsum("jk,kl,jl->j", loading, code.T @ code, loading)
    return np.maximum(squares - 2.0 * cross + fitted, 0.0) / n
