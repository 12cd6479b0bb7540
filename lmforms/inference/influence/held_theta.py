"""Deletions at the θ of a fit: from its factor, or by rows where that would lose digits."""

from __future__ import annotations

import numpy as np

from ...relationship.priors import priors_of
from ...results.state import FitState
from ...support.arrays import BoolArray
from .cases import Cases, are_closed
from .deletions import Deletions, deleted, lost_by_cases
from .marginal_rows import marginal_rows
from .orthonormal_coefficients import relative_to_fit
from .refits import estimate_without

MOST_BLOCK_ROWS = 1_000
"""Cases of more rows are evaluated by the rows that are left: the block of V₀⁻¹ is too large."""

LEAST_LEFT = 1e-6
"""So are cases that leave less than this share of the information on some direction of β: as a
difference it would have few digits. Rounding is 1e-15."""


def held_deletions(state: FitState, cases: Cases, estimable: BoolArray) -> Deletions:
    """β and σ without each case at the θ, and φ, of the fit.

    Parameters
    ----------
    state : FitState
    cases : Cases
    estimable : ndarray of bool (m,)
        The others are NaN.

    Raises
    ------
    ModelError
        The model was fitted by conjugate gradients.
    """
    fit = state.estimate
    rows = marginal_rows(state, "influence")
    is_closed = are_closed(state, cases)
    chosen = estimable & (is_closed | (cases.counts <= MOST_BLOCK_ROWS))
    lost = lost_by_cases(rows, cases, is_closed, chosen)
    chosen &= lost.leaves(LEAST_LEFT)
    some = deleted(lost.of(chosen), cases.counts[chosen], rows.r2, fit.problem.nu, fit.sigma)
    out = Deletions.missing(len(cases), rows.X.shape[1])
    out.shifts[chosen], out.covariances[chosen] = some.shifts, some.covariances
    out.sigma[chosen] = some.sigma
    remaining = np.flatnonzero(estimable & ~chosen)
    if len(remaining):
        every, priors = list(cases.rows()), priors_of(state.design, state.relationship)
        for i in remaining:
            found = estimate_without(state, every[i], priors, optimize=False)
            out.shifts[i], out.covariances[i] = relative_to_fit(found, fit)
            out.sigma[i] = found.sigma
    return out
