"""Quantities of a fitted form: explained shares, residual variances, implied covariances."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..support.arrays import FloatArray, as_dense
from .constant_columns import only_rounding
from .modalities import Modalities, Modality, Side, squared_norm
from .objective import Codes, Loadings

LEAST_NOISE_SHARE = 1e-10
"""Least noise assumed, as a share of a column's mean square: without any noise there would be a
division by zero, and with less the systems for the codes would be singular in floating point."""


def residual_variances(
    data: Modalities, codes: Codes, loadings: Loadings
) -> tuple[FloatArray, ...]:
    """Mean squared residual of each column: the diagonals D of the implied covariances."""
    return tuple(_by_column(part, codes.of_side(part.side), L) for part, L in zip(data, loadings))


def explained_shares(
    data: Modalities, variances: tuple[FloatArray, ...], counted: Sequence[Any]
) -> list[float]:
    """1 − ‖residual‖²/‖·‖² of the counted columns of each modality, about zero, where seen."""
    return [
        1.0 - float(np.sum((D * _known(part))[chosen])) / float(np.sum(part.squares[chosen]))
        for part, D, chosen in zip(data, variances, counted)
    ]


def _known(part: Modality) -> Any:
    """Entries seen in each column."""
    return part.shape[0] if part.seen is None else part.seen.sum(axis=0)


def noise_precisions(data: Modalities, variances: tuple[FloatArray, ...]) -> tuple[FloatArray, ...]:
    """1/D of each column, with a lower bound on D; zero for a column of zeros.

    It is zero too for a column of rounding errors, such as a constant whose mean was subtracted:
    its D would be smaller than that of all others by powers of ten.

    Examples
    --------
    >>> data = Modalities.of(np.array([[1.0, 0.0]]), np.eye(1), np.eye(1))
    >>> noise_precisions(data, (np.array([0.5, 0.0]), np.ones(1), np.ones(1)))[0]
    array([2., 0.])
    """
    found = []
    for part, D in zip(data, variances):
        noise = np.maximum(D, LEAST_NOISE_SHARE * part.squares / _known(part))
        informative = (noise > 0) & ~only_rounding(part.values)
        found.append(np.divide(1.0, noise, out=np.zeros_like(noise), where=informative))
    return tuple(found)


def implied_moments(
    side: Side, loading: FloatArray, moments: FloatArray, diagonal: FloatArray
) -> FloatArray:
    """D + L·M·L' of one modality: M the second moments of the codes, L its loading.

    Examples
    --------
    >>> implied_moments(Side.RESPONSE, np.ones((1, 1)), np.ones((2, 2)), np.array([0.5]))
    array([[4.5]])
    """
    L = side.design(loading)
    return L @ moments @ L.T + np.diag(diagonal)


def rebuilt_share(A: Any, covariance: FloatArray) -> float:
    """1 − ‖S − covariance‖²/‖S‖² with S = A'A/n the sample's second moments."""
    S = as_dense(A.T @ A) / A.shape[0]
    return 1.0 - squared_norm(S - covariance) / squared_norm(S)


def _by_column(part: Modality, code: FloatArray, loading: FloatArray) -> FloatArray:
    """Σ_i (a_ij − c_i'l_j)² divided by the number of entries, without forming a matrix like A."""
    A = part.values
    if part.seen is not None:
        rest = np.where(part.seen, A - code @ loading.T, 0.0)
        return np.einsum("ij,ij->j", rest, rest) / _known(part)
    cross = np.einsum("jk,jk->j", A.T @ code, loading)
    fitted = np.einsum("jk,kl,jl->j", loading, code.T @ code, loading)
    return np.maximum(part.squares - 2.0 * cross + fitted, 0.0) / A.shape[0]
