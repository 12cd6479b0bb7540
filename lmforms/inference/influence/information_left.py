"""Whether the rows that a deletion leaves determine the fixed effects."""

from __future__ import annotations

import warnings

import numpy as np

from ...errors import ModelError, NotEstimableWarning
from ...support.arrays import BoolArray, FloatArray
from ...support.caller import caller_depth
from .cases import Cases

RANK_TOLERANCE = 1e-12
"""Least share of the sum of squares in a direction of X for the rows that are left. Rounding is
1e-15; if one row is a thousand times larger than the others, these have 1e-6."""


def keeps_rank(X: FloatArray, cases: Cases, least: float = RANK_TOLERANCE) -> BoolArray:
    """Cases (m,) without which the columns of X (n, p), of similar size, stay independent.

    More is left than the share `least` of the sum of squares in every direction.
    """
    Q = np.linalg.qr(X)[0]
    if cases.are_single:
        return np.square(Q).sum(axis=1)[cases.order] < 1.0 - least
    p = Q.shape[1]
    lost = np.empty((len(cases), p, p))
    for j in range(p):
        lost[:, j] = cases.sums(Q[:, j, None] * Q)
    return largest_eigenvalue_below(lost, 1.0 - least)


def largest_eigenvalue_below(matrices: FloatArray, bound: float) -> BoolArray:
    """Whether it is, for non-negative definite matrices (m, p, p); not for NaN.

    Most have a trace below the bound, and need no eigenvalues.
    """
    out = np.trace(matrices, axis1=1, axis2=2) < bound
    unclear = np.flatnonzero(~out & np.isfinite(matrices).all(axis=(1, 2)))
    out[unclear] = np.linalg.eigvalsh(matrices[unclear])[:, -1] < bound
    return np.asarray(out)


def warn_of_lost(cases: Cases, estimable: BoolArray, what: str, way: str) -> None:
    """Say that some parameters are not defined without some of the cases.

    Parameters
    ----------
    cases : Cases
    estimable : ndarray of bool (m,)
    what : str
        Which parameters.
    way : str
        What to do about it.

    Raises
    ------
    ModelError
        So it is for each case.
    """
    lost = np.flatnonzero(~estimable)
    if not len(lost):
        return
    if len(lost) == len(cases):
        raise ModelError(
            f"influence: without any {cases.by} some of the {what} cannot be estimated, as they "
            f"belong to one of these parts of the data or compare them. {way}"
        )
    warn(f"without {cases.described(lost)} some of the {what} cannot be estimated: NaN there.")


def warn(message: str) -> None:
    """Say which cases are NaN, and why."""
    warnings.warn(f"influence: {message}", NotEstimableWarning, stacklevel=caller_depth())
