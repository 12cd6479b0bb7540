"""Preconditioned conjugate gradients on many right-hand sides at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import NumericalError
from ...support.arrays import FloatArray, LinearMap

MOST_ITERATIONS = 1_000
"""A system that needs more is not suited to conjugate gradients: typical designs need 5 to 30."""


@dataclass(frozen=True, eq=False)
class Solution:
    """What :func:`solve` found.

    Attributes
    ----------
    x : ndarray (m, r)
    iterations : int
        Of the slowest column.
    """

    x: FloatArray
    iterations: int


def solve(
    operator: LinearMap,
    precondition: LinearMap,
    rhs: FloatArray,
    *,
    tolerance: float,
    guess: FloatArray | None = None,
    limit: int = MOST_ITERATIONS,
) -> Solution:
    """Solve S X = R column by column, sharing the products with S.

    Each column has its own recurrence with its own step lengths; converged columns are removed
    from the block. A column has converged when its residual is small in the metric of the
    preconditioner, (r'T⁻¹r)^½ ≤ tolerance (R'T⁻¹R)^½.

    Parameters
    ----------
    operator : callable
        (m, r) to S times it; S symmetric positive definite.
    precondition : callable
        (m, r) to T⁻¹ times it.
    rhs : ndarray (m, r)
    tolerance : float
    guess : ndarray (m, r), optional
        Where to start; at zero by default.
    limit : int
        Iterations.

    Raises
    ------
    NumericalError
        Not converged, or S is not positive definite.

    References
    ----------
    Hestenes, Stiefel (1952); Saad (2003), *Iterative Methods for Sparse Linear Systems*,
    section 9.2.
    """
    if guess is None:
        x = np.zeros_like(rhs)
        r = rhs.copy()
        z = precondition(r)
        target = tolerance**2 * _dots(r, z)
    else:
        target = tolerance**2 * _dots(rhs, precondition(rhs))
        x = np.where(target > 0, guess, 0.0)  # where R = 0, no other residual is small enough
        r = rhs - operator(x)
        z = precondition(r)
    size = _dots(r, z)
    at = np.flatnonzero(size > target)
    p, r, z, size, y = z[:, at], r[:, at], z[:, at], size[at], x[:, at]
    for iteration in range(limit):
        if not len(at):
            return Solution(x, iteration)
        sp = operator(p)
        curvature = _dots(p, sp)
        if not (curvature > 0).all():
            raise NumericalError("the Schur complement of Λ'Z'ZΛ + I is not positive definite.")
        step = size / curvature
        y += step * p
        r -= step * sp
        z = precondition(r)
        before, size = size, _dots(r, z)
        going = size > target[at]
        if not going.all():
            x[:, at[~going]] = y[:, ~going]
            at, size, before = at[going], size[going], before[going]
            p, r, z, y = p[:, going], r[:, going], z[:, going], y[:, going]
        p = z + (size / before) * p
    if not len(at):
        return Solution(x, limit)
    raise NumericalError(
        f"conjugate gradients did not converge in {limit} iterations: the grouping factors are "
        "too strongly crossed. Use Control(factor='auto', memory=…) with more memory, fewer "
        "levels or fewer random slopes."
    )


def _dots(a: FloatArray, b: FloatArray) -> FloatArray:
    """Inner products of columns."""
    return np.einsum("ij,ij->j", a, b)
