"""Covariances of the estimates, from second derivatives of −2 log-likelihood."""

from __future__ import annotations

import numpy as np

from ..errors import NumericalError
from ..support.arrays import BoolArray, FloatArray
from .laplace import fixed_information
from .problem import GeneralizedProblem, profile_point
from .search import GeneralizedOptimum, Objective

HESSIAN_STEP = 1e-4
"""Of forward differences for the Hessian, in standard errors: gradients have ten digits, and a
standard error is off by less than 10⁻⁴ of it."""

LEAST_CURVATURE = 1e-4
"""Of a parameter relative to 1 + ψ², below which its step is not made longer."""

LEAST_EIGENVALUE = 1e-9
"""Smallest eigenvalue of the scaled second derivatives that counts as positive."""


def joint_covariance(
    problem: GeneralizedProblem, optimum: GeneralizedOptimum, objective: Objective, known: BoolArray
) -> FloatArray:
    """Covariance of (θ, β, ω): 2 (∂²d)⁻¹.

    Parameters
    ----------
    problem : GeneralizedProblem
    optimum : GeneralizedOptimum
    objective : callable
        The criterion that was minimised.
    known : ndarray of bool (n_theta,)
        θ that count as known.

    Raises
    ------
    NumericalError
        The second derivatives are not those of a minimum.
    """
    others = np.zeros(len(optimum.psi) - len(known), dtype=bool)
    H = _hessian(problem, optimum, objective, optimum.psi)
    return _inverse_of_free(H, np.append(known, others))


def profiled_covariance(
    problem: GeneralizedProblem, optimum: GeneralizedOptimum, known: BoolArray
) -> FloatArray:
    """The same where β was profiled out with u: β is given the others, and does not covary.

    Raises
    ------
    NumericalError
    """
    m, p = problem.n_theta, problem.p
    psi = np.delete(optimum.psi, np.arange(m, m + p))
    H = _hessian(problem, optimum, profile_point, psi)
    own = _inverse_of_free(H, np.append(known, np.zeros(len(psi) - m, dtype=bool)))
    out = np.zeros((len(optimum.psi),) * 2)
    others = np.delete(np.arange(len(optimum.psi)), np.arange(m, m + p))
    out[np.ix_(others, others)] = own
    information = fixed_information(problem.model.rows, optimum.mode)
    out[m : m + p, m : m + p] = np.linalg.inv(information)
    return out


def _hessian(
    problem: GeneralizedProblem, at: GeneralizedOptimum, objective: Objective, psi: FloatArray
) -> FloatArray:
    """∂²d by differences of the exact gradient."""
    H = np.empty((len(psi), len(psi)))
    curvature = np.abs(at.information.diagonal())
    spread = np.sqrt(2.0 / np.maximum(curvature, LEAST_CURVATURE / (1.0 + psi * psi)))
    for i, size in enumerate(HESSIAN_STEP * spread):
        there = psi.copy()
        there[i] += size
        H[i] = (objective(problem, there, at.mode).gradient - at.gradient) / size
    return 0.5 * (H + H.T)


def _inverse_of_free(H: FloatArray, known: BoolArray) -> FloatArray:
    """2 H⁻¹ of the parameters that are not known, zero for those that are."""
    free = np.flatnonzero(~known)
    out = np.zeros_like(H)
    own = H[np.ix_(free, free)]
    scale = np.sqrt(np.abs(own.diagonal()))
    usable = bool(np.isfinite(own).all() and (scale > 0.0).all())
    if usable:
        values, vectors = np.linalg.eigh(own / np.outer(scale, scale))
        usable = values.min(initial=1.0) > LEAST_EIGENVALUE
    if not usable:
        raise NumericalError(
            "no standard errors: the second derivatives of the log-likelihood are not those of a "
            "maximum. Some parameter has no finite estimate, or cannot be told from others: "
            "simplify the model"
        )
    half = vectors / np.sqrt(values) / scale[:, None]
    out[np.ix_(free, free)] = 2.0 * half @ half.T
    return out
