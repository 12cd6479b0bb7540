"""The minimum over τ = θ² ≥ 0 of many criteria at once: a grid, then safeguarded Newton steps.

A coarse grid in ln τ is evaluated for all criteria in one matrix product. Every local minimum
of it starts a Newton iteration in its own bracket; all go on side by side until each has
converged. The lowest is compared with the criterion at τ = 0 itself.

By ML the likelihood can increase without bound as τ → ∞ and σ² → 0. This happens if G has a null
vector within the span of X and every other direction is a random effect: for instance with a
marker-based G (its null vector is 1), a record per individual and an intercept. The highest local
maximum is then returned, as by software that bounds τ. REML does not depend on the null vector.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np

from ..support.arrays import BoolArray, FloatArray, IndexArray

LOWEST_TAU, HIGHEST_TAU = 1e-7, 1e18
"""Ends of the grid in units of the reciprocal mean eigenvalue."""

HIGHEST_SATURATED_TAU = 1e10
"""Upper end of the grid, in the same units, if random effects span the complement of X: the
criterion is constant beyond."""

GRID_SPACING = 0.7
"""In ln τ: sums of 1/(1 + τs) have at most one extremum in such an interval."""

BELOW_GRID = 40.0
"""A minimum below the grid, but not at zero, is searched down to this distance in ln τ."""

LEVEL_SLOPE = 1e-3
"""A criterion whose slope at the end of the grid is below minus this has no bound."""

LAST_STEP = 1e-7
"""Newton's iteration stops after a step in ln τ below this: the error is about its square."""

CONVERGED_STEP = 1e-5
"""At the limit of steps, a last step below this counts as convergence."""

MOST_STEPS = 80
"""Newton steps or bisections at most."""


class Criteria(Protocol):
    """Many criteria as functions of τ."""

    def __len__(self) -> int: ...

    def grid(self, tau: FloatArray) -> FloatArray:
        """All criteria at each τ, (r, g)."""

    def values(self, tau: FloatArray, which: IndexArray) -> FloatArray:
        """Criteria `which` at their τ."""

    def derivatives(self, tau: FloatArray, which: IndexArray) -> tuple[FloatArray, FloatArray]:
        """Two derivatives in ln τ of the criteria `which`."""

    def slope_at_zero(self) -> FloatArray:
        """∂d/∂τ at τ = 0."""


class TauMinima(NamedTuple):
    """Minima: τ, the criterion there, whether the search converged, and ∂²d/∂(ln τ)².

    The curvature is that of the last step, which is shorter than `LAST_STEP`; zero at τ = 0.
    """

    tau: FloatArray
    value: FloatArray
    converged: BoolArray
    curvature: FloatArray


def grid_for(
    eigenvalues: FloatArray, saturated: bool = False, highest: float = HIGHEST_TAU
) -> FloatArray:
    """ln τ of the grid."""
    middle = float(eigenvalues.mean()) if len(eigenvalues) else 1.0
    highest = HIGHEST_SATURATED_TAU if saturated else highest
    low, high = np.log(LOWEST_TAU / middle), np.log(highest / middle)
    return np.linspace(low, high, int((high - low) / GRID_SPACING) + 1)


def minimize_over_tau(
    criteria: Criteria,
    eigenvalues: FloatArray,
    saturated: bool = False,
    highest: float = HIGHEST_TAU,
) -> TauMinima:
    """The lowest minimum of each criterion over τ ≥ 0.

    Parameters
    ----------
    criteria : Criteria
    eigenvalues : ndarray (m,)
        Of the covariance: they determine where criteria change.
    saturated : bool
        Whether the random effects span the complement of X.
    highest : float
        Where the grid ends otherwise.

    Returns
    -------
    TauMinima
        `converged` is False where the lowest is at the end of the grid, or there is no local
        minimum: no residual variance is left.
    """
    count = len(criteria)
    tau, curvature, converged = np.zeros(count), np.zeros(count), np.ones(count, dtype=bool)
    everything = np.arange(count)
    value = criteria.values(tau, everything)
    if not len(eigenvalues):
        return TauMinima(tau, value, converged, curvature)
    x = grid_for(eigenvalues, saturated, highest)
    waiting = _local_minima(criteria.grid(np.exp(x)))
    falling = criteria.slope_at_zero() < 0
    settled = ~falling  # has a local minimum
    endless = np.zeros(count, dtype=bool)
    while len(which := np.flatnonzero(np.isfinite(waiting).any(axis=1))):
        at = waiting[which].argmin(axis=1)
        waiting[which, at] = np.inf
        keep = (at > 0) | falling[which]  # else the minimum is at zero
        which, at = which[keep], at[keep]
        low = np.where(at == 0, x[0] - BELOW_GRID, x[np.maximum(at - 1, 0)])
        high = x[np.minimum(at + 1, len(x) - 1)]
        end, curved, good = _newton(criteria, which, x[at], low, high)
        last = end >= x[-1]
        if last.any():
            slope, _ = criteria.derivatives(np.exp(end[last]), which[last])
            endless[which[last][slope < -LEVEL_SLOPE]] = True
            good &= ~last
            last[last] = slope < -LEVEL_SLOPE
        found = criteria.values(np.exp(end), which)
        settled[which] |= ~last
        better = (found < value[which]) & ~last
        chosen = which[better]
        tau[chosen], value[chosen] = np.exp(end[better]), found[better]
        curvature[chosen], converged[chosen] = curved[better], good[better]
    lost = np.flatnonzero(endless & ~settled)
    tau[lost], converged[lost] = np.exp(x[-1]), False
    value[lost] = criteria.values(tau[lost], lost)
    return TauMinima(tau, value, converged, curvature)


def _local_minima(values: FloatArray) -> FloatArray:
    """Values (r, g) where no neighbour is lower, elsewhere +∞."""
    padded = np.pad(values, ((0, 0), (1, 1)), constant_values=np.inf)
    lowest = (values <= padded[:, :-2]) & (values < padded[:, 2:])
    return np.where(lowest, values, np.inf)


def _newton(
    criteria: Criteria, which: IndexArray, start: FloatArray, low: FloatArray, high: FloatArray
) -> tuple[FloatArray, FloatArray, BoolArray]:
    """Zeros of the first derivative within brackets: ln τ, curvature there, and if it converged."""
    x, low, high = start.copy(), low.copy(), high.copy()
    curved = np.zeros(len(x))
    moved = np.full(len(x), np.inf)
    active = np.arange(len(x))
    for _ in range(MOST_STEPS):
        slope, curvature = criteria.derivatives(np.exp(x[active]), which[active])
        here, curved[active] = x[active], curvature
        high[active] = np.where(slope > 0, here, high[active])
        low[active] = np.where(slope > 0, low[active], here)
        a, b = low[active], high[active]
        with np.errstate(divide="ignore", invalid="ignore"):
            step = -slope / curvature
            target = here + step
            newton = (curvature > 0) & (target > a) & (target < b)
        target = np.where(newton, target, 0.5 * (a + b))
        target = np.where(slope == 0, here, target)
        moved[active] = np.abs(target - here)
        x[active] = target
        active = active[moved[active] > LAST_STEP]
        if not len(active):
            break
    return x, curved, moved <= CONVERGED_STEP
