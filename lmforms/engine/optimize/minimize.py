"""Minimise the criterion: starting values, a local search, and a search for lower optima."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...control import Control
from ...covariance import Covariance
from ...support.arrays import FloatArray
from ..criterion.criterion_parts import CriterionParts
from ..criterion.evaluate import Differentiated, differentiate, evaluate
from ..criterion.problem import Problem
from ..criterion.residual_problem import ResidualProblem
from ..status import SIMPLER_RESIDUALS, SIMPLER_TERMS, exhausted_message, other_optima_message
from .local_search import SearchRun, local_minimum, value_tolerance
from .other_optima import lowest_optimum
from .residual_starts import lowest_at_phi, lowest_start, sharpened
from .small_model_search import small_model_minimum
from .starting_values import moment_start

START_SIZES = (0.1, 1.0, 10.0, 100.0)
"""Standard deviations, in units of σ, tried as starts beside the moments if levels are uneven."""

UNEVEN_SLOPE_RATIO = 100.0
"""Other starts are tried if a level has this many times the median sum of squares of a slope."""

BECOMING_SINGULAR = 1e-5
"""Share of the variance of a row that others of its series leave, at the end of a search that did
not converge, below which the likelihood is taken to have no maximum."""

SINGULAR_RESIDUALS = (
    "the covariance of the residuals is singular where the search ended, and the likelihood has no "
    "maximum there: use a structure with fewer parameters, such as cs or ar1 in the place of us"
)

STALLED_DECREMENT = 1e-6
"""A predicted decrease below this counts as none when no step lowers the criterion."""

STALLED_SHARE = 1e-3
"""That bound grows with the criterion: it is multiplied by 1 plus this times its size."""


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where the optimiser stopped.

    Attributes
    ----------
    evaluation : Differentiated
        At the best θ.
    converged : bool
    message : str
        Why it stopped, and the remedy if it should not have.
    n_evaluations : int
        How often the criterion was evaluated, trial starts and rejected steps included.
    trace : tuple of float
        The criterion at each evaluation, in order (engine's units).
    decrement : float
        Predicted decrease of the criterion by one more Newton step.
    other_optima : tuple of float
        The criterion at higher local optima that were found, lowest first.
    began_at_guess : bool
        Whether the search began at the guess that it was given.
    path : tuple of (tuple of Covariance, ndarray)
        Where the criterion was evaluated, in order, each with the structures that read it. Empty
        where there was no search, and of a fit from a file.
    """

    evaluation: Differentiated
    converged: bool
    message: str
    n_evaluations: int
    trace: tuple[float, ...]
    decrement: float
    other_optima: tuple[float, ...] = ()
    began_at_guess: bool = False
    path: tuple[tuple[tuple[Covariance, ...], FloatArray], ...] = ()

    @property
    def parts(self) -> CriterionParts:
        """The terms of the criterion there (engine's units)."""
        return self.evaluation.parts

    @property
    def value(self) -> float:
        """The criterion there (engine's units)."""
        return self.evaluation.value

    @property
    def value_se(self) -> float:
        """Its standard error: it is exact."""
        return 0.0


def evaluate_at(problem: Problem, theta: FloatArray) -> Optimum:
    """The report of a search, for a given θ without searching."""
    at = differentiate(evaluate(problem, theta))
    return Optimum(at, True, "evaluated at given θ", 1, (at.value,), 0.0)


def minimize(
    problem: Problem,
    control: Control,
    start: FloatArray | None = None,
    globally: bool = True,
    guess: FloatArray | None = None,
) -> Optimum:
    """Minimise the profiled criterion over θ.

    Parameters
    ----------
    problem : Problem
    control : Control
    start : ndarray, optional
        Where to start; moment estimates otherwise.
    globally : bool
        Search for other optima as well.
    guess : ndarray, optional
        A start that takes the place of the moment estimates if the criterion can be evaluated
        there; with parameters φ of the residuals, one start among those of the structure.

    Raises
    ------
    NumericalError
        The criterion cannot be evaluated at the start.
    """
    run = SearchRun(control.max_evaluations)
    if problem.n_parameters == 0:
        best = differentiate(run.evaluate_or_raise(problem, np.empty(0)))
        message = "no variance parameters: nothing to optimise"
        return Optimum(best, True, message, 1, (best.value,), 0.0)

    if isinstance(problem, ResidualProblem) and start is None:
        first = lowest_start(run, problem, guess)
        begin, found = first.theta, local_minimum(run, problem, first, control.tolerance)
    else:
        tries = _starts(problem, guess) if start is None else [np.asarray(start)]
        begin, found = _search_from(run, problem, tries, control.tolerance, start)
    best, decrement = found
    exhausted = run.exhausted  # the searches for other optima have a limit of their own
    others: tuple[float, ...] = ()
    if globally and not exhausted:
        if isinstance(problem, ResidualProblem):
            lowest = lowest_at_phi(run, problem, best, decrement, control.tolerance)
            if not problem.hessian_is_cheap:
                lowest = *sharpened(run, *lowest[:2]), lowest[2]
        else:
            lowest = lowest_optimum(run, problem, best, decrement, control.tolerance)
        best, decrement, others = lowest

    # a decrease below rounding cannot be searched for
    small = max(value_tolerance(best, control.tolerance), best.rounding)
    if not exhausted:  # the search stalled
        small = max(small, STALLED_DECREMENT * (1.0 + STALLED_SHARE * abs(best.value)))
    converged = bool(decrement <= small)
    way = SIMPLER_RESIDUALS if isinstance(problem, ResidualProblem) else SIMPLER_TERMS
    if not converged and _residuals_become_singular(best.problem):
        message = SINGULAR_RESIDUALS
    elif converged:
        message = "converged: a Newton step promises no further decrease"
        message += other_optima_message([value - best.value for value in others])
    elif exhausted:
        message = exhausted_message(len(run.trace), way)
    else:
        message = (
            f"no step lowers the criterion although a decrease of {decrement:.2g} is predicted; "
            f"the criterion is flat to its own rounding, so {way}"
        )
    return Optimum(
        evaluation=best,
        converged=converged,
        message=message,
        n_evaluations=len(run.trace),
        trace=tuple(run.trace),
        decrement=decrement,
        other_optima=others,
        began_at_guess=guess is not None and np.array_equal(begin, guess),
        path=tuple(run.path),
    )


def _residuals_become_singular(problem: Problem) -> bool:
    """Whether a search without end goes to a singular residual covariance, which is slow."""
    if not isinstance(problem, ResidualProblem):
        return False
    return problem.residual.least_innovation < BECOMING_SINGULAR


def _starts(problem: Problem, guess: FloatArray | None) -> list[FloatArray]:
    """Moments or a guess, and others where slopes may cause several minima."""
    tries = [moment_start(problem) if guess is None else guess]
    tries += problem.alternatives(tries[0])
    if _has_uneven_slopes(problem):
        unit = np.concatenate([c.start() for c in problem.covariances])
        tries += [size * unit for size in START_SIZES]
    return tries


def _search_from(
    run: SearchRun,
    problem: Problem,
    tries: list[FloatArray],
    tolerance: float,
    start: FloatArray | None,
) -> tuple[FloatArray, tuple[Differentiated, float]]:
    """The best of some starts, and the minimum and decrement that a search from it finds."""
    if len(tries) == 1:
        plain = small_model_minimum(run, problem, tries[0], tolerance)
        if plain is not None:
            return tries[0], plain
    found = [at for theta in tries[: run.limit] if (at := run(problem, theta)) is not None]
    if not found:
        last = moment_start(problem) if start is None else np.asarray(start)
        found = [run.evaluate_or_raise(problem, last)]
    first = min(found, key=lambda at: at.value)
    return first.theta, local_minimum(run, problem, first, tolerance)


def _has_uneven_slopes(problem: Problem) -> bool:
    """Whether a slope's predictor varies far more in one level than in most."""
    for sizes in problem.system.cp.sorted_sizes:
        k, q = sizes.shape
        if k > 1:
            median = 0.5 * (sizes[:, (q - 1) // 2] + sizes[:, q // 2])
            if (sizes[:, -1] > UNEVEN_SLOPE_RATIO * median).any():
                return True
    return False
