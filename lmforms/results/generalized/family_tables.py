"""Parameters of a family beside the mean: estimates with standard errors."""

from __future__ import annotations

import numpy as np

from ...glmm.estimate import GeneralizedEstimate
from ...glmm.families.labels import family_label
from ...support.arrays import FloatArray
from ...tables.result_table import ResultTable
from ..state import FitState
from .rows import estimate_of

NATURAL_STEP = 1e-6
"""Of differences, for the derivative of a natural parameter in ω."""


def family_table(state: FitState) -> ResultTable:
    """One row for each number, or for each coefficient where there is a formula.

    Numbers are in natural units with standard errors by the delta method; coefficients are on the
    unbounded scale.
    """
    estimate = estimate_of(state)
    likelihood, family = estimate.likelihood, estimate.family
    of_formula = _formulas(state)
    errors = coefficient_errors(estimate)
    rows: dict[str, list[object]] = {"parameter": [], "name": [], "estimate": [], "std_error": []}
    notes = []
    for j, (name, s) in enumerate(zip(family.parameter_names, likelihood.slices, strict=True)):
        own, error = estimate.coefficients[s], errors[s]
        if name in of_formula:
            names = list(of_formula[name])
            notes.append(f"Coefficients of `{name}` are on the scale of its {scale_of(name)}.")
        else:
            names = [""]
            error = error * abs(_slope(estimate, j, float(own[0])))
            own = np.array([_natural(estimate, j, float(own[0]))])
        rows["parameter"] += [name] * len(own)
        rows["name"] += names
        rows["estimate"] += own.tolist()
        rows["std_error"] += error.tolist()
    title = f"Parameters of the {family_label(family)} family"
    return ResultTable(rows, title=title, notes=notes)


def scale_of(name: str) -> str:
    """The unbounded scale of a parameter, in a word."""
    return "logit" if name in ("zero_inflation", "power") else "logarithm"


def coefficient_errors(estimate: GeneralizedEstimate) -> FloatArray:
    """Standard errors of the coefficients of ω."""
    if not len(estimate.coefficients):
        return np.empty(0)
    return np.asarray(np.sqrt(np.diag(estimate.cov_coefficients)))


def _formulas(state: FitState) -> dict[str, list[str]]:
    """Names of the coefficients of each parameter that has a formula."""
    from ...glmm.fit import parameter_of

    family = estimate_of(state).family
    parts = state.design.auxiliary.items()
    return {parameter_of(family, argument): part.names for argument, part in parts}


def _natural(estimate: GeneralizedEstimate, j: int, omega: float) -> float:
    values = np.zeros((len(estimate.family.parameter_names), 1))
    values[j] = omega
    return float(estimate.family.natural(values)[j, 0])


def _slope(estimate: GeneralizedEstimate, j: int, omega: float) -> float:
    up, down = (_natural(estimate, j, omega + h) for h in (NATURAL_STEP, -NATURAL_STEP))
    return (up - down) / (2.0 * NATURAL_STEP)
