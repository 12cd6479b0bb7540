"""Codes of new rows, from any of their modalities.

The code c = (K, H) of a row minimises F given loadings, over the modalities given:

    A c = b,  A = Σ w L'L + ρI,  b = Σ w L'·row,  L = [α α], [β 0] or [0 u].

Y alone determines only K + H, X alone only K. What A does not determine is then set to its linear
regression on what is determined, over the rows that the form was fitted on; this does not depend
on the basis of the codes.

With `shrink` the code is instead its best linear prediction, E[c | row] under the covariance
D + LΣL' that the form implies, D diagonal:

    (Σ⁻¹ + Σ L'D⁻¹L) c = Σ L'D⁻¹·row.

It is the same where L is large against the noise D, and tends to zero where it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ..support.arrays import FloatArray
from .modalities import Modality, squared_norm
from .normal_equations import solve_symmetric
from .objective import Codes

WHOLE = slice(None)
"""All rows, or all columns, without a copy."""

UNDETERMINED = 1e-12
"""Eigenvalues of Σ L'L/‖L‖² below this share of the largest belong to codes that the data do not
determine. They are zero up to rounding, 1e-15. Weights do not matter here, as they are positive."""


class GivenModality(NamedTuple):
    """A modality of the rows to encode, its loadings (c, k), and its weight or those of columns."""

    part: Modality
    loading: FloatArray
    weight: float | FloatArray


def second_moments(codes: Codes) -> FloatArray:
    """[K H]'[K H]/n, (2k, 2k)."""
    both = np.hstack(codes)
    return both.T @ both / len(both)


def encoded(
    given: Sequence[GivenModality], ridge: float, moments: FloatArray, shrink: bool = False
) -> Codes:
    """K and H of new rows.

    Parameters
    ----------
    given : sequence of GivenModality
        Modalities of the same rows, at least one. Weights are those of F; with `shrink` the
        reciprocals of the noise D of each column.
    ridge : float
        As in F; not used with `shrink`.
    moments : ndarray (2k, 2k)
        Σ, from :func:`second_moments`.
    shrink : bool
        Predict instead of minimising F.

    Examples
    --------
    >>> from lmforms.latent.modalities import Side
    >>> one = np.ones((1, 1))
    >>> Y = GivenModality(Modality(np.array([[4.0]]), Side.RESPONSE), one, 1.0)
    >>> codes = encoded([Y], 0.0, np.diag([3.0, 1.0]))
    >>> codes.K.round(12), codes.H.round(12)  # K varied three times as much as H
    (array([[3.]]), array([[1.]]))
    """
    both = np.empty((given[0].part.shape[0], len(moments)))
    for rows, seen in _patterns(given):
        system, right = _equations(given, rows, seen)
        both[rows] = (
            _predicted(system, right, moments)
            if shrink
            else _minimal(system, right, ridge, moments, _determined(given, seen))
        )
    k = len(moments) // 2
    return Codes(both[:, :k].copy(), both[:, k:].copy())


def _patterns(given: Sequence[GivenModality]) -> list[tuple[Any, list[Any]]]:
    """Rows that lack the same entries, and the columns of each modality that they have."""
    masks = [g.part.seen for g in given if g.part.seen is not None]
    if not masks:
        return [(WHOLE, [WHOLE] * len(given))]
    kinds, codes = np.unique(np.hstack(masks), axis=0, return_inverse=True)
    ends = np.cumsum([mask.shape[1] for mask in masks])[:-1]
    found = []
    for i, kind in enumerate(kinds):
        known = iter(np.split(kind, ends))
        columns = [WHOLE if g.part.seen is None else np.flatnonzero(next(known)) for g in given]
        found.append((np.flatnonzero(codes.ravel() == i), columns))
    return found


def _equations(
    given: Sequence[GivenModality], rows: Any, seen: Sequence[Any]
) -> tuple[FloatArray, FloatArray]:
    """Σ w L'L and the rows of Σ w L'·row."""
    system: Any = 0.0
    right: Any = 0.0
    for (part, loading, weight), columns in zip(given, seen):
        L = part.side.design(loading[columns])
        weighted = L * np.broadcast_to(weight, len(loading))[columns, None]
        system = system + weighted.T @ L
        values = part.values if rows is WHOLE else part.values[rows]  # sparse slices are copies
        right = right + (values if columns is WHOLE else values[:, columns]) @ weighted
    return system, right


def _predicted(system: FloatArray, right: FloatArray, moments: FloatArray) -> FloatArray:
    """E[c | row] = R(I + R'AR)⁻¹R'b with Σ = RR'."""
    values, vectors = np.linalg.eigh(moments)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    inner = np.eye(len(root)) + root.T @ system @ root
    return solve_symmetric(inner, (right @ root).T).T @ root.T


def _determined(given: Sequence[GivenModality], seen: Sequence[Any]) -> FloatArray | None:
    """A basis (2k, r) of the directions of codes that are determined; None if all are."""
    total: Any = 0.0
    for (part, loading, _), columns in zip(given, seen):
        L = part.side.design(loading[columns])
        total = total + L.T @ L / (squared_norm(L) or 1.0)
    values, vectors = np.linalg.eigh(total)
    kept = values > UNDETERMINED * max(values[-1], 0.0)
    return None if kept.all() else vectors[:, kept]


def _minimal(
    system: FloatArray,
    right: FloatArray,
    ridge: float,
    moments: FloatArray,
    basis: FloatArray | None,
) -> FloatArray:
    """Codes that minimise F; those not determined are regressed on the others."""
    if basis is None:
        return solve_symmetric(system + ridge * np.eye(len(system)), right.T).T
    inside = basis.T @ system @ basis + ridge * np.eye(basis.shape[1])
    determined = solve_symmetric(inside, (right @ basis).T).T
    # E[c | V'c] = ΣV(V'ΣV)⁻¹V'c
    inner = np.linalg.pinv(basis.T @ moments @ basis, hermitian=True)
    return determined @ (inner @ (basis.T @ moments))
