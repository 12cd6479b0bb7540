"""Which coefficients are infinite as the data are separated, in words."""

from __future__ import annotations

import numpy as np

from ...data.design import Design
from ...errors import NumericalError, listed
from ...glmm.laplace import fixed_information
from ...glmm.likelihood import ConditionalLikelihood
from ...glmm.separation import favourable_signs, separation
from ...support.arrays import FloatArray
from ..state import FitState
from .rows import estimate_of

LARGE_EFFECT = 5.0
"""Of a column over its range, on the link: odds of 150 to 1. Searches along an infinite coefficient
end far beyond; it is only the sign to look."""

LARGE_ERROR = 5.0
"""Standard error of such an effect, from the curvature that the search knows."""


def looks_separated(state: FitState) -> bool:
    """Whether a coefficient or its uncertainty is so large that separation is to be looked for."""
    estimate = estimate_of(state)
    if not len(estimate.beta):
        return False
    if not estimate.converged:
        return True
    X = state.design.X
    width = np.ptp(X, axis=0)
    width = np.where(width > 0.0, width, np.abs(X).max(axis=0))  # of an intercept, its own size
    if (np.abs(estimate.beta) * width > LARGE_EFFECT).any():
        return True
    return bool((_rough_errors(state) * width > LARGE_ERROR).any())


def _rough_errors(state: FitState) -> FloatArray:
    """Standard errors of β at the other parameters."""
    estimate = estimate_of(state)
    rows = estimate.problem.model.rows
    try:
        inverse = np.linalg.inv(fixed_information(rows, estimate.optimum.mode))
    except (np.linalg.LinAlgError, NumericalError):
        return np.full(len(estimate.beta), np.inf)
    linear = rows.scaling.units.x.linear
    variances = np.einsum("ij,jk,ik->i", linear, inverse, linear)
    return np.asarray(np.sqrt(np.maximum(variances, 0.0)))


def separation_text(state: FitState) -> str:
    """What is separated and what to do about it; empty where nothing is or looks so."""
    if not looks_separated(state):
        return ""
    return separation_message(state.design, estimate_of(state).likelihood)


def separation_message(design: Design, likelihood: ConditionalLikelihood) -> str:
    """The same for rows without estimates; empty where they are not separated."""
    signs = favourable_signs(likelihood.family, likelihood.link, likelihood.response)
    found = None if signs is None else separation(design.X, signs)
    if found is None:
        return ""
    names = [f"`{design.x_names[j]}`" for j in found.columns]
    kind = "complete separation" if found.complete else "separation"
    values = np.unique(likelihood.response.y[found.rows])
    of_zeros = ", all of them 0" if len(values) == 1 and values[0] == 0.0 else ""
    plural = "coefficients" if len(names) > 1 else "coefficient"
    return (
        f"{kind}: the likelihood grows without end along the {plural} of {listed(names)}, where "
        f"{len(found.rows)} of {design.n} responses are fitted exactly{of_zeros}. Estimates and "
        "standard errors of it mean nothing. Drop the column or merge its levels with others, get "
        "more data, or penalise the coefficient."
    )
