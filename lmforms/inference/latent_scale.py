"""Ordinal fits as models of the latent variable, with an intercept that stands for the thresholds.

On the scale of η the thresholds are the origin: the latent mean of a row is x'β less the mean of
the thresholds, which is taken as the intercept. Its uncertainty is that of the thresholds.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from ..data.design import INTERCEPT
from ..results.state import FitState
from .generalized import generalized_estimate


def with_intercept(state: FitState) -> FitState:
    """The state itself, but with the intercept of an ordinal fit.

    Examples
    --------
    >>> import lmforms as lf
    >>> formula = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
    >>> fit = lf.glmer(formula, lf.datasets.load("cbpp"), family="binomial")
    >>> with_intercept(fit.state) is fit.state
    True
    """
    design = state.design
    if not design.thresholds:
        return state
    estimate = generalized_estimate(state)
    problem, cuts = estimate.problem, estimate.coefficients
    m, p, count = problem.n_theta, problem.p, len(cuts)
    place = int(np.searchsorted(design.x_kept, design.fixed.names.index(INTERCEPT)))
    change = np.zeros((p + 1, p + count))  # of (β, thresholds) in the engine's units
    change[np.arange(p + 1) != place, :p] = problem.model.rows.scaling.units.x.linear
    change[place, p:] = -1.0 / count
    known = np.concatenate([problem.split(estimate.optimum.psi)[1], cuts])
    kept = np.insert(design.x_kept, place, design.fixed.names.index(INTERCEPT))
    values: dict[str, Any] = {
        "beta": change @ known,
        "cov_beta": change @ estimate.joint_covariance[m:, m:] @ change.T,
    }
    whole: Any = estimate.with_values(**values)
    return replace(state, design=replace(design, x_kept=kept, thresholds=False), estimate=whole)
