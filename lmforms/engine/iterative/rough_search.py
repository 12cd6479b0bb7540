"""A rough zero of the score, from which an exact search needs few evaluations.

As :mod:`lmforms.engine.iterative.score_search`, with looser solves, and given up early: what
fails here costs little beside one exact evaluation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...errors import NumericalError
from ...support.arrays import FloatArray
from ..criterion.problem import Problem
from ..optimize.newton import NEGATIVE_CURVATURE, QuadraticModel
from ..optimize.starting_values import moment_start
from .criterion import IterativeProblem
from .score_search import LEAST_FIRST_RADIUS, ScoreRun, newton
from .system import IterativeSystem

ROUGH_TOLERANCE = 1e-6
"""Relative residual of the solves. Their error in the score is far below that of the probes; from
1e-3 on it is not."""

ROUGH_DECREMENT = 1e-3
"""The search ends at a decrement below this: θ is then within a twentieth of a standard error, and
after one more step on the same model within that of the probes."""

ROUGH_EVALUATIONS = 8
"""Evaluations before the search is given up; two or three are usual."""

ROUGH_ITERATIONS = 40
"""Iterations of the conjugate gradients before they are given up; four to ten are usual."""


@dataclass(frozen=True, eq=False)
class RoughOptimum:
    """Where the estimated score is about zero.

    Attributes
    ----------
    theta : ndarray
    n_evaluations : int
    """

    theta: FloatArray
    n_evaluations: int


def rough_optimum(problem: Problem, system: IterativeSystem, seed: int) -> RoughOptimum | None:
    """The optimum that conjugate gradients estimate, from moment estimates.

    Parameters
    ----------
    problem : Problem
        The exact one.
    system : IterativeSystem
        Of the same cross-products.
    seed : int
        Of the probes.

    Returns
    -------
    RoughOptimum or None
        None if it is not found within the limits, or if it is at or near the boundary: there
        the estimated score may not tell zero from a small variance.
    """
    estimated = IterativeProblem(
        system, problem.covariances, problem.reml, seed, most_iterations=ROUGH_ITERATIONS
    )
    run = ScoreRun(estimated, ROUGH_EVALUATIONS, ROUGH_TOLERANCE)
    try:
        best = newton(run, run.first(estimated, moment_start(problem)), ROUGH_DECREMENT)
    except NumericalError:
        return None
    model = QuadraticModel.of(best.at)
    if model.decrement > ROUGH_DECREMENT or model.values.min() < NEGATIVE_CURVATURE:
        return None
    step, _, _ = model.step(LEAST_FIRST_RADIUS)
    theta = problem.canonical(best.at.theta + step, best.at.problem)
    if not np.array_equal(problem.on_boundary(theta), theta):
        return None
    return RoughOptimum(theta, len(run.changes))
