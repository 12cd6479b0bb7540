"""Codes of new rows, from whichever modalities are at hand.

The code c = (K, H) of a row minimises F given loadings, over the modalities given:

    A c = b,  A = Σ w L'L + ρI,  b = Σ w L'·row,  L = [α α], [β 0] or [0 u].

Y alone sees only K + H, X alone only K. What A leaves open is then set to its linear regression
on what is determined, over the rows that the form was fitted on; this does not depend on the
basis of the codes.

With `shrink` the code is instead its best linear prediction, E[c | row] under the covariance
D + LΣL' that the form implies, D taken equal within a modality:

    (Σ⁻¹ + Σ L'L/v) c = Σ L'·row/v.

It is the same where L is large against the noise v, and tends to zero where it is not.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .objective import Codes, FloatArray, Loadings, Weights
from .solves import solve_symmetric

OPEN = 1e-10  # directions of A below this share of the largest are left open by the data


def second_moments(codes: Codes) -> FloatArray:
    """[K H]'[K H]/n, (2k, 2k)."""
    both = np.hstack(codes)
    return both.T @ both / len(both)


def designs(loadings: Loadings) -> dict[str, FloatArray]:
    """What turns (K, H) into each modality, (c, 2k)."""
    alpha, beta, u = loadings
    return {
        "Y": np.hstack([alpha, alpha]),
        "X": np.hstack([beta, np.zeros_like(beta)]),
        "Z": np.hstack([np.zeros_like(u), u]),
    }


def encoded(
    given: dict[str, Any],
    loadings: Loadings,
    weights: Weights,
    ridge: float,
    moments: FloatArray,
    shrink: bool = False,
) -> Codes:
    """K and H of new rows.

    Parameters
    ----------
    given : dict
        Any of Y, X, Z as matrices of the same rows; NaN may stand in Y.
    loadings : Loadings
    weights : Weights
        As in F; with `shrink` the reciprocals of the noise v of each modality.
    ridge : float
        As in F; `shrink` has no use for it.
    moments : ndarray (2k, 2k)
        Σ, from :func:`second_moments`.
    shrink : bool
        Predict instead of minimising F.

    Examples
    --------
    >>> one = np.ones((1, 1))
    >>> codes = encoded({"Y": np.array([[4.0]])}, Loadings(one, one, one), Weights(1, 1, 1), 0.0,
    ...                 np.diag([3.0, 1.0]))
    >>> codes.K.round(12), codes.H.round(12)  # K varied three times as much as H
    (array([[3.]]), array([[1.]]))
    """
    n = next(iter(given.values())).shape[0]
    both = np.empty((n, len(moments)))
    for rows, seen in _patterns(given):
        part = {name: A[rows] for name, A in given.items()}
        system, right = _equations(part, seen, loadings, weights)
        both[rows] = (
            _predicted(system, right, moments)
            if shrink
            else _minimal(system, right, ridge, moments)
        )
    k = len(moments) // 2
    return Codes(both[:, :k].copy(), both[:, k:].copy())


def _patterns(given: dict[str, Any]) -> list[tuple[Any, Any]]:
    """Rows that lack the same entries of Y, and the columns they have."""
    if "Y" not in given or not np.isnan(given["Y"]).any():
        return [(slice(None), slice(None))]
    kinds, codes = np.unique(~np.isnan(given["Y"]), axis=0, return_inverse=True)
    codes = codes.ravel()
    return [(np.flatnonzero(codes == i), np.flatnonzero(kind)) for i, kind in enumerate(kinds)]


def _equations(
    given: dict[str, Any], seen: Any, loadings: Loadings, weights: Weights
) -> tuple[FloatArray, FloatArray]:
    """Σ w L'L and the rows of Σ w L'·row."""
    k = loadings.alpha.shape[1]
    system = np.zeros((2 * k, 2 * k))
    right: Any = 0.0
    for name, design in designs(loadings).items():
        if name not in given:
            continue
        A, weight = given[name], getattr(weights, name)
        if name == "Y":
            A, design = A[:, seen], design[seen]
        system += weight * (design.T @ design)
        right = right + weight * (A @ design)
    return system, right


def _predicted(system: FloatArray, right: FloatArray, moments: FloatArray) -> FloatArray:
    """E[c | row] = R(I + R'AR)⁻¹R'b with Σ = RR'."""
    values, vectors = np.linalg.eigh(moments)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    inner = np.eye(len(root)) + root.T @ system @ root
    return solve_symmetric(inner, (right @ root).T).T @ root.T


def _minimal(
    system: FloatArray, right: FloatArray, ridge: float, moments: FloatArray
) -> FloatArray:
    """Codes that minimise F, and where it leaves them open, their regression on the rest."""
    values, vectors = np.linalg.eigh(system)
    kept = values > OPEN * max(values[-1], 0.0)
    basis = vectors[:, kept]
    determined = (right @ basis) / (values[kept] + ridge)
    if kept.all():
        return determined @ basis.T
    # E[c | V'c] = ΣV(V'ΣV)⁻¹V'c
    inner = np.linalg.pinv(basis.T @ moments @ basis, hermitian=True)
    return determined @ (inner @ (basis.T @ moments))
