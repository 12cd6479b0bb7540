"""Which coefficients or variances are infinite as the data are separated, in words."""

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

MEANINGLESS = "Estimates and standard errors of it mean nothing."
"""Between what is separated and what to do about it."""


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
    likelihood = estimate_of(state).likelihood
    said = separation_message(state.design, likelihood) if looks_separated(state) else ""
    return said or _levels_text(state)


def _levels_text(state: FitState) -> str:
    """The same for levels of a grouping factor, each with one kind of response only."""
    estimate = estimate_of(state)
    likelihood = estimate.likelihood
    signs = favourable_signs(likelihood.family, likelihood.link, likelihood.response)
    if signs is None:
        return ""
    trials = likelihood.response.of_trials()
    for group, lam in zip(state.design.groups, estimate.lams, strict=True):
        if np.abs(lam).max() < LARGE_EFFECT:
            continue
        total, up, down = (
            np.bincount(group.codes, trials * own, group.labels.size)
            for own in (np.ones_like(signs), signs == 1.0, signs == -1.0)
        )
        alike = ((up == total) | (down == total)).all()
        if alike and up.any() and down.any() and total.max() > 1.0:
            return (
                f"separation: all responses of each level of `{group.name}` are of one kind, so "
                "that the likelihood grows without end with the variance of its effects. "
                f"{MEANINGLESS} Model one response for each level, with predictors of the levels."
            )
    return ""


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
        f"{len(found.rows)} of {design.n} responses are fitted exactly{of_zeros}. "
        f"{MEANINGLESS} Drop the column or merge its levels with others, get more data, or "
        "penalise the coefficient."
    )
