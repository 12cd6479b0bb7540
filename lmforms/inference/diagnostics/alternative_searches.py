"""Searches for the optimum of a fit's criterion by other starts and other optimisers.

All minimise the profiled criterion of a fit, in the engine's units, where predictors are centred
and the starting value of every standard deviation is that of σ.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...control import Control
from ...engine.criterion.evaluate import differentiate
from ...engine.criterion.problem import Problem
from ...engine.criterion.residual_problem import ResidualProblem
from ...engine.optimize.local_search import FAILED_VALUE, SearchRun
from ...engine.optimize.minimize import minimize
from ...errors import NumericalError
from ...support.arrays import FloatArray

START_SPREAD = 1.0
"""Standard deviation of the logarithm of a random start's standard deviations."""

OFFSET_SPREAD = 0.3
"""Standard deviation of what is added to every parameter of a random start."""

MOST_DRAWS = 20
"""Random starts tried until the criterion can be evaluated at one."""

EVALUATIONS = 300
"""Evaluations that a search without derivatives may take for each parameter."""


@dataclass(frozen=True)
class Found:
    """Where a search ended.

    Attributes
    ----------
    parameters : ndarray
        θ, and φ of the residuals behind, in the engine's units.
    value : float
        The criterion there.
    evaluations : int
    converged : bool
        By the search's own test.
    """

    parameters: FloatArray
    value: float
    evaluations: int
    converged: bool


def usual_start(problem: Problem) -> FloatArray:
    """θ of independent effects with the variance of the residuals, and the structure's first φ."""
    theta = np.concatenate([np.empty(0), *(c.start() for c in problem.covariances)])
    if not isinstance(problem, ResidualProblem):
        return theta
    return np.append(theta, problem.residual.starts()[0])


def random_start(problem: Problem, generator: np.random.Generator, number: int) -> FloatArray:
    """Parameters drawn about the usual start; φ about each of the structure's starts in turn."""
    start = usual_start(problem)
    if isinstance(problem, ResidualProblem):
        starts = problem.residual.starts()
        start[problem.n_theta :] = starts[number % len(starts)]
    theta = start[: problem.n_theta]
    theta *= np.exp(START_SPREAD * generator.standard_normal(len(theta)))
    return np.asarray(start + OFFSET_SPREAD * generator.standard_normal(len(start)))


def newton_from_random_start(
    problem: Problem, control: Control, generator: np.random.Generator, number: int
) -> Found:
    """One local search of the package's own optimiser.

    Raises
    ------
    NumericalError
        The criterion can be evaluated at none of the starts.
    """
    for _ in range(MOST_DRAWS):
        start = random_start(problem, generator, number)
        try:
            found = minimize(problem, control, start, globally=False)
        except NumericalError as error:
            failure = error
            continue
        return Found(
            np.asarray(found.evaluation.theta), found.value, found.n_evaluations, found.converged
        )
    raise failure


def scipy_search(problem: Problem, optimizer: str) -> Found:
    """A search by one of :func:`scipy_optimizers` from the usual start."""
    from scipy.optimize import minimize as scipy_minimize

    start = usual_start(problem)
    run = SearchRun(EVALUATIONS * (len(start) + 1))
    options = _OPTIONS[optimizer]
    limit = {_LIMIT.get(optimizer, "maxfev"): run.limit}
    found: Any = scipy_minimize(
        _with_gradient(run, problem) if optimizer in WITH_GRADIENT else _value(run, problem),
        start,
        method=optimizer,
        jac=optimizer in WITH_GRADIENT or None,
        options={**options, **limit},
    )
    best = np.asarray(found.x, dtype=np.float64)
    value = float(found.fun)
    return Found(best, value, len(run.trace), bool(found.success) and value < FAILED_VALUE)


WITH_GRADIENT = ("L-BFGS-B",)

_OPTIONS: dict[str, dict[str, float]] = {
    "L-BFGS-B": {"ftol": 1e-13, "gtol": 1e-6},
    "Nelder-Mead": {"xatol": 1e-7, "fatol": 1e-10},
    "COBYQA": {"final_tr_radius": 1e-7},
    "Powell": {"xtol": 1e-8, "ftol": 1e-13},
}
"""Tolerances far below SciPy's, which are meant for other sizes of the criterion."""

_LIMIT = {"L-BFGS-B": "maxfun"}


def scipy_optimizers() -> tuple[str, ...]:
    """Optimisers of the installed SciPy; Powell's in the place of COBYQA before SciPy 1.14."""
    from scipy.optimize import show_options

    try:
        show_options("minimize", "cobyqa", disp=False)
    except ValueError:
        return ("L-BFGS-B", "Nelder-Mead", "Powell")
    return ("L-BFGS-B", "Nelder-Mead", "COBYQA")


def _value(run: SearchRun, problem: Problem) -> Callable[[FloatArray], float]:
    def value(x: FloatArray) -> float:
        at = run(problem, x)
        return FAILED_VALUE if at is None else at.value

    return value


def _with_gradient(
    run: SearchRun, problem: Problem
) -> Callable[[FloatArray], tuple[float, FloatArray]]:
    def value_and_gradient(x: FloatArray) -> tuple[float, FloatArray]:
        at = run(problem, x)
        if at is None:
            return FAILED_VALUE, np.zeros_like(x)
        try:
            return at.value, differentiate(at).gradient
        except NumericalError:  # beside a singular matrix
            return FAILED_VALUE, np.zeros_like(x)

    return value_and_gradient
