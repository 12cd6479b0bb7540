"""Where searches over the parameters φ of the residuals begin, and what else is searched.

The criterion may have several optima in φ, flat ends and unit roots, so that a rough search starts
from each of the structure's starting values and the lowest end is refined.
"""

from __future__ import annotations

import numpy as np

from ...errors import NumericalError
from ...support.arrays import FloatArray
from ..criterion.evaluate import Differentiated, Evaluation, differentiate
from ..criterion.residual_problem import ResidualProblem
from .local_search import SearchRun, local_minimum, rough_minimum, secant_update
from .newton import QuadraticModel
from .other_optima import SAME_OPTIMUM, lowest_optimum
from .starting_values import moment_start

MOST_STARTS, FEW_STARTS = 6, 2
"""Starts that are searched from, lowest criterion first; fewer with many rows."""

MANY_ROWS = 5_000
"""With more rows fewer starts are searched from: the criterion has one optimum there."""

ROUGH_TOLERANCE = 1e-3
"""Decrement at which these searches end."""

MOST_SHARPENING, SHARPENING_RADIUS = 4, 0.1
"""Most further steps at the end, and their length in standard errors at most."""

ROUGH_EVALUATIONS = 60
"""Evaluations of each of these searches at most."""


def lowest_start(
    run: SearchRun, problem: ResidualProblem, guess: FloatArray | None = None
) -> Evaluation:
    """The lowest end of rough searches from the structure's starting values.

    Parameters
    ----------
    run : SearchRun
    problem : ResidualProblem
    guess : ndarray, optional
        Parameters (θ, φ) to start from besides. Alone they would not do: the estimates of other
        data may be at another optimum or, without slope in φ, at a bound.

    Raises
    ------
    NumericalError
        The criterion cannot be evaluated at any of them.
    """
    before = len(run.trace)
    found: list[Evaluation] = []
    at = None if guess is None else run(problem, guess)
    if at is not None:
        found.append(at)
    for phi in problem.residual.starts():
        at = _first_evaluation(run, problem, phi)
        if at is not None:
            found.append(at)
    if not found:
        raise NumericalError("the criterion cannot be evaluated at any starting value of φ.")
    found.sort(key=lambda at: at.value)
    most = MOST_STARTS if problem.system.cp.n <= MANY_ROWS else FEW_STARTS
    if len(found) == 1:
        return found[0]
    best = found[0]
    for start in found[:most]:
        if run.exhausted:
            break
        own = SearchRun(min(ROUGH_EVALUATIONS, run.limit - len(run.trace)))
        try:
            end = rough_minimum(own, problem, start, ROUGH_TOLERANCE)
        except NumericalError:
            continue
        finally:
            run.add(own)
        best = min(best, end, key=lambda at: at.value)
    run.limit += len(run.trace) - before  # the limit is of the search that follows
    return best


def _first_evaluation(
    run: SearchRun, problem: ResidualProblem, phi: np.ndarray
) -> Evaluation | None:
    """At this φ and moment estimates of θ."""
    try:
        there = problem.at(np.append(np.zeros(problem.n_theta), phi))
        return run(there, np.append(moment_start(there), phi))
    except NumericalError:
        return None


def sharpened(
    run: SearchRun, best: Differentiated, decrement: float
) -> tuple[Differentiated, float]:
    """A few more steps below the rounding of the criterion, where the curvature is approximate.

    The gradient still has digits there. A step is kept if the predicted decrease halves and the
    criterion does not rise by more than its rounding.
    """
    secant = np.zeros((len(best.theta),) * 2)
    for _ in range(MOST_SHARPENING):
        step, *_ = QuadraticModel.of(best, secant).step(SHARPENING_RADIUS)
        trial = run(best.problem, best.theta + step)
        if trial is None or trial.value > best.value + best.rounding:
            break
        found = differentiate(trial)
        secant = secant_update(secant, best, found)
        left = QuadraticModel.of(found, secant).decrement
        if not left < 0.5 * decrement:
            break
        best, decrement = found, left
    return best, decrement


def lowest_at_phi(
    run: SearchRun,
    problem: ResidualProblem,
    best: Differentiated,
    decrement: float,
    tolerance: float,
) -> tuple[Differentiated, float, tuple[float, ...]]:
    """The lower of `best` and what searches over θ at its φ lead to.

    See :func:`lmforms.engine.optimize.other_optima.lowest_optimum`.
    """
    if not problem.n_theta:
        return best, decrement, ()
    assert isinstance(best.problem, ResidualProblem)
    m, phi = problem.n_theta, best.theta[problem.n_theta :]
    inner = best.problem.at_phi
    own = SearchRun(run.limit)
    start = differentiate(best.reparametrised(inner, best.theta[:m]))
    found, _, others = lowest_optimum(own, inner, start, 0.0, tolerance)
    run.add(own)
    if found.value < best.value - max(SAME_OPTIMUM, best.rounding):
        again = run(problem, np.append(inner.canonical(found.theta, found.problem), phi))
        if again is not None:
            best, decrement = local_minimum(run, problem, again, tolerance)
    return best, decrement, others
