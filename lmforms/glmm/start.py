"""Where a search begins: a fit without random effects, and standard deviations of a usual size."""

from __future__ import annotations

import numpy as np

from ..errors import NumericalError
from ..support.arrays import FloatArray
from .conditional_mode import Mode, find_mode, same_effects
from .problem import GeneralizedProblem, start_predictors

START_SHARE = 0.5
"""Standard deviations of random effects to start from, relative to that of a single row's working
response."""

PARAMETER_ROUNDS = 3
"""Rounds of fixed effects and parameters of the family before the search, which improves both."""

ROUGH_MODE = 1e-3
"""Where a mode is only a start, its search ends when a step lowers the objective by less."""

EM_ROUNDS = 3
"""Steps of the EM algorithm before the search."""


def fixed_effects_fit(problem: GeneralizedProblem) -> tuple[Mode, FloatArray]:
    """β without random effects, and coefficients of ω by moments.

    Raises
    ------
    NumericalError
        The likelihood cannot be evaluated anywhere that was tried.
    """
    model = problem.model
    likelihood, X = model.likelihood, model.rows.X
    mean = likelihood.family.start_mean(likelihood.response)
    # dispersions of a common mean: responses themselves as means would leave none
    coefficients = likelihood.start_coefficients(np.full_like(mean, np.mean(mean)))

    def height(beta: FloatArray) -> float:
        total = likelihood.at(model.offset + X @ beta, coefficients, 0).total
        return total if np.isfinite(total) else -np.inf

    starts = [_least_squares(X, eta) for eta in start_predictors(problem)]
    failed: NumericalError | None = None
    for beta in sorted(starts, key=height, reverse=True):
        try:
            return _improved(problem, beta, coefficients)
        except NumericalError as error:
            failed = error
    assert failed is not None
    raise failed


def _improved(
    problem: GeneralizedProblem, beta: FloatArray, coefficients: FloatArray
) -> tuple[Mode, FloatArray]:
    """Rounds of β and moments, from a start of both."""
    model = problem.model
    likelihood = model.likelihood
    zero = [np.zeros((f.k, f.k)) for f in model.rows.factors]
    for _ in range(PARAMETER_ROUNDS):
        mode = find_mode(model, zero, beta, coefficients, problem.no_effects(), joint=True)
        if not len(coefficients):
            break
        beta = mode.beta
        coefficients = likelihood.start_coefficients(likelihood.link.mean(mode.eta))
    return mode, coefficients


def _least_squares(X: FloatArray, eta: FloatArray) -> FloatArray:
    """By moments: columns of X are in units in which they are far from dependent."""
    found = np.linalg.lstsq(X.T @ X, X.T @ eta, rcond=None)[0]
    return np.asarray(found, dtype=np.float64)


def em_rounds(
    problem: GeneralizedProblem, theta: FloatArray, coefficients: FloatArray, mode: Mode
) -> tuple[FloatArray, FloatArray, Mode]:
    """θ, ω and the mode after some steps of the EM algorithm with β and u at their joint modes.

    λλ' becomes the mean over levels of b̂b̂' + Var(b | y). Levels with much information are near
    the end after one step. With related levels the relation is left out: it is only a start.
    """
    near = mode
    for _ in range(EM_ROUNDS):
        lams = problem.lams(theta)
        near = find_mode(
            problem.model,
            lams,
            near.beta,
            coefficients,
            same_effects(lams, near.b),
            joint=True,
            tolerance=ROUGH_MODE,
        )
        parts = []
        each = zip(problem.covariances, near.b, near.factor.level_blocks(), strict=True)
        for c, b, blocks in each:
            parts.append(c.nearest(b.T @ b / len(b) + blocks.mean(axis=0)))
        theta = np.concatenate([np.empty(0), *parts])
        if len(coefficients):
            mean = problem.model.likelihood.link.mean(near.eta)
            coefficients = problem.model.likelihood.start_coefficients(mean)
    return theta, coefficients, near


def start_theta(problem: GeneralizedProblem, mode: Mode) -> FloatArray:
    """θ with a common standard deviation in bases of unit mean squares."""
    size = START_SHARE * mode.working_size
    theta = np.concatenate([np.empty(0), *(c.start() for c in problem.covariances)])
    return problem.scaled(theta, size)
