r"""Fixed effects and σ without some rows, at held θ, and how far a deletion moves them.

Leaving out rows S is the same as giving each of them a parameter of its own (mean-shift outliers).
With Q = (V₀⁻¹)_SS, F = (V₀⁻¹X)_S, f = (V₀⁻¹(y − Xβ̂))_S and X in coordinates with X'V₀⁻¹X = I,

    X'V₀⁻¹X without S = I − N,  N = F'Q⁻¹F,      β₍S₎ − β̂ = −(I − N)⁻¹v,  v = F'Q⁻¹f,
    r² without S = r² − f'Q⁻¹f − v'(I − N)⁻¹v.

Where no random effect or residual connects S with other rows, Q is the inverse of V₀'s own block
and N, v and f'Q⁻¹f are sums over the rows and levels of S.

References
----------
Christensen, Pearson, Johnson (1992), *Case-deletion diagnostics for mixed models*, Technometrics
34(1); Belsley, Kuh, Welsch (1980), *Regression diagnostics*, chapter 2, for the measures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...support.arrays import BoolArray, FloatArray, IndexArray
from .cases import Cases
from .information_left import largest_eigenvalue_below
from .marginal_rows import MarginalRows

LEAST_PIVOT = 1e-4
"""Blocks of V₀⁻¹ whose pivots differ by more have lost more than half of their digits: so for a
level with very wide effects, all of whose rows are deleted."""


@dataclass(frozen=True, eq=False)
class Lost:
    """What the rows of each case take away; NaN where that would have few digits.

    Attributes
    ----------
    N : ndarray (m, p, p)
    v : ndarray (m, p)
    squares : ndarray (m,)
        f'Q⁻¹f.
    """

    N: FloatArray
    v: FloatArray
    squares: FloatArray

    def leaves(self, least: float) -> BoolArray:
        """Whether every direction of β keeps this share of its information, (m,)."""
        return largest_eigenvalue_below(self.N, 1.0 - least)

    def of(self, chosen: BoolArray) -> Lost:
        """Some of the cases."""
        return Lost(self.N[chosen], self.v[chosen], self.squares[chosen])


@dataclass(frozen=True, eq=False)
class Deletions:
    """Estimates without each case, relative to those of the fit; NaN where there are none.

    Attributes
    ----------
    shifts : ndarray (m, p)
        β₍S₎ − β̂ in coordinates in which β̂ has covariance σ²I.
    covariances : ndarray (m, p, p)
        Of β₍S₎ in these, relative to σ².
    sigma : ndarray (m,)
    """

    shifts: FloatArray
    covariances: FloatArray
    sigma: FloatArray

    @classmethod
    def missing(cls, m: int, p: int) -> Deletions:
        """NaN, to be filled."""
        return cls(np.full((m, p), np.nan), np.full((m, p, p), np.nan), np.full(m, np.nan))

    def cooks_distance(self, sigma: float) -> FloatArray:
        """(β̂ − β₍S₎)' Var(β̂)⁻¹ (β̂ − β₍S₎) / p, (m,)."""
        return np.square(self.shifts).mean(axis=1) / sigma**2

    def mdffits(self, sigma: float) -> FloatArray:
        """(β̂ − β₍S₎)' Var(β₍S₎)⁻¹ (β̂ − β₍S₎) / p, (m,)."""
        solved = np.einsum("mij,mj->mi", self._inverses, self.shifts)
        return np.asarray((self.shifts * solved).mean(axis=1) / sigma**2)

    @cached_property
    def covratio(self) -> FloatArray:
        """det Var(β₍S₎) / det Var(β̂), (m,)."""
        out = np.full(len(self.sigma), np.nan)
        out[self._known] = np.linalg.det(self.covariances[self._known])
        return out

    @cached_property
    def covtrace(self) -> FloatArray:
        """|tr(Var(β̂)⁻¹ Var(β₍S₎)) − p|, (m,)."""
        p = self.shifts.shape[1]
        return np.abs(np.trace(self.covariances, axis1=1, axis2=2) - p)

    @cached_property
    def _inverses(self) -> FloatArray:
        out = np.full(self.covariances.shape, np.nan)
        regular = self._known & (self.sigma > 0)
        out[regular] = np.linalg.inv(self.covariances[regular])
        return out

    @property
    def _known(self) -> BoolArray:
        return np.isfinite(self.sigma)


def deleted(lost: Lost, counts: IndexArray, r2: float, nu: int, sigma: float) -> Deletions:
    """Estimates without each case at held θ, with σ² = r²/ν of the rows that are left.

    Parameters
    ----------
    lost : Lost
    counts : ndarray of int (m,)
        Rows of each case.
    r2 : float
        Of all rows.
    nu : int
        n (ML) or n − p (REML).
    sigma : float
        Of the fit.

    Examples
    --------
    Of four rows with mean 2.5 the last is left out: V₀ = I, X a column of 1/2.

    >>> lost = Lost(np.full((1, 1, 1), 0.25), np.full((1, 1), 0.75), np.full(1, 2.25))
    >>> found = deleted(lost, np.array([1]), 5.0, 3, np.sqrt(5 / 3))
    >>> found.shifts / 2, found.sigma.round(6)  # the mean becomes 2, the variance 1
    (array([[-0.5]]), array([1.]))
    """
    p = lost.v.shape[1]
    inverses = np.linalg.inv(np.eye(p) - lost.N)
    shifts = -np.einsum("mij,mj->mi", inverses, lost.v)
    left = r2 - lost.squares + np.einsum("mi,mi->m", lost.v, shifts)
    ratios = np.maximum(left, 0.0) / (nu - counts) / (r2 / nu)
    return Deletions(shifts, ratios[:, None, None] * inverses, sigma * np.sqrt(ratios))


def lost_by_cases(rows: MarginalRows, cases: Cases, is_closed: bool, chosen: BoolArray) -> Lost:
    """N, v and f'Q⁻¹f of each case.

    Parameters
    ----------
    rows : MarginalRows
    cases : Cases
    is_closed : bool
        Whether nothing connects the rows of a case with those of others.
    chosen : ndarray of bool (m,)
        The others are NaN.
    """
    if is_closed:
        lost = _sums_by_case(rows, cases)
    elif cases.are_single:
        lost = _of_single_rows(rows, cases)
    else:
        lost = _of_blocks(rows, cases, chosen)
    for part in (lost.N, lost.v, lost.squares):
        part[~chosen] = np.nan
    return lost


def _sums_by_case(rows: MarginalRows, cases: Cases) -> Lost:
    left = np.column_stack([rows.remainders, rows.conditional])
    right = np.column_stack([rows.weighted, rows.weighted_residuals])
    width = left.shape[1]
    total = np.empty((len(cases), width, width))
    for j in range(width):
        total[:, j] = cases.sums(left[:, j, None] * right)
    for codes, effects in rows.levels:
        case, levels = cases.of_levels(codes)
        own = effects[levels]
        np.add.at(total, case, own.swapaxes(1, 2) @ own)
    return _lost(0.5 * (total + total.swapaxes(1, 2)))


def _of_single_rows(rows: MarginalRows, cases: Cases) -> Lost:
    q = rows.marginal_diagonal[cases.order]
    both = np.column_stack([rows.weighted, rows.weighted_residuals])[cases.order]
    with np.errstate(divide="ignore", invalid="ignore"):  # of a row without information
        return _lost(both[:, :, None] * (both / q[:, None])[:, None, :])


def _of_blocks(rows: MarginalRows, cases: Cases, chosen: BoolArray) -> Lost:
    both = np.column_stack([rows.weighted, rows.weighted_residuals])
    total = np.full((len(cases), both.shape[1], both.shape[1]), np.nan)
    for i, own in enumerate(cases.rows()):
        if not chosen[i]:
            continue
        try:
            lower = np.linalg.cholesky(rows.block(own))
        except np.linalg.LinAlgError:
            continue
        pivots = lower.diagonal()
        if pivots.min() > LEAST_PIVOT * pivots.max():
            half = np.linalg.solve(lower, both[own])
            total[i] = half.T @ half
    return _lost(total)


def _lost(total: FloatArray) -> Lost:
    """Of [F f]'Q⁻¹[F f], (m, p + 1, p + 1)."""
    return Lost(total[:, :-1, :-1], total[:, :-1, -1], total[:, -1, -1])
