"""Refits without some levels of the only grouping factor, from the cross-products of the fit.

What such a level adds to them is subtracted, and the search goes on from the fit's θ. That is for
small parts of large models, whose optimum stays where it was but for a short step; whatever is not
so is fitted to the rows that are left.
"""

from __future__ import annotations

import numpy as np

from ...engine.criterion.problem import Problem
from ...engine.estimate import Estimate, estimate_sums
from ...engine.optimize.minimize import Optimum
from ...engine.optimize.other_optima import may_have_several_optima
from ...engine.residual_variance import has_wide_effects
from ...engine.sums.cross_products import cross_products
from ...errors import NumericalError
from ...results.state import FitState
from ...support.arrays import BoolArray, IndexArray
from .cases import Cases, are_closed
from .information_left import keeps_rank

LARGEST_SHARE = 0.1
"""Largest share of the rows that a part may have: without more, another optimum may be lower."""

LEAST_LEFT = 0.5
"""Least share of the sum of squares in each direction of X that is left: one bit is lost."""

LEAST_SIGMA = 0.1
"""Share of the fit's σ below which r² has lost two digits as a difference."""


def are_small_parts(state: FitState, cases: Cases) -> BoolArray:
    """Cases (m,) that may be refitted so."""
    design, fit = state.design, state.estimate
    none = np.zeros(len(cases), dtype=bool)
    optimum = fit.optimum
    if len(design.groups) != 1 or not isinstance(optimum, Optimum):
        return none
    if not isinstance(fit.problem, Problem) or fit.problem.n_phi:
        return none
    widths = np.array([np.abs(lam).max() for lam in fit.problem.lams(optimum.evaluation.theta)])
    is_simple = fit.converged and not fit.singular and not optimum.other_optima
    if not is_simple or has_wide_effects(widths) or may_have_several_optima(fit.problem):
        return none
    if not are_closed(state, cases):
        return none
    X = fit.scaling.units.x(design.X)
    effects = sum(q * k for q, k in fit.problem.system.shapes)
    left = design.n - cases.counts
    is_small = (cases.counts <= LARGEST_SHARE * design.n) & (left > effects + X.shape[1])
    return np.asarray(is_small & keeps_rank(X, cases, LEAST_LEFT))


def estimate_by_sums(state: FitState, rows: IndexArray) -> Estimate | None:
    """The estimate from all rows but some, None where these are to be fitted."""
    design, fit = state.design, state.estimate
    gone = np.zeros(design.n, dtype=bool)
    gone[rows] = True
    own = cross_products(design.rows(state.response).subset(gone), fit.scaling)
    try:
        found = estimate_sums(
            fit.problem.system.cp - own,
            [g.covariance for g in design.groups],
            reml=fit.reml,
            control=state.control,
            start=fit.theta,
            globally=False,
        )
    except NumericalError:
        return None
    is_clear = found.converged and not found.singular and found.sigma > LEAST_SIGMA * fit.sigma
    return found if is_clear else None
