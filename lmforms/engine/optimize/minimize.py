"""Minimise the criterion: where to begin, a local search, and a look for lower optima."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...control import Control
from ...support.arrays import FloatArray
from ..criterion.evaluate import Evaluation, Problem, differentiate
from ..status import exhausted_message, other_optima_message
from .local_search import Run, local_minimum, value_tolerance
from .other_optima import lowest_optimum
from .starting_values import moment_start

SIZES = (0.1, 1.0, 10.0, 100.0)
"""Standard deviations, in units of σ, tried as a start beside the moments if levels are uneven."""

UNEVEN = 100.0
"""A level with this many times the usual sum of squares: other starts are tried as well."""

STALLED = 1e-6
"""Promised decrease that counts as none when no step lowers the criterion."""


@dataclass(frozen=True, eq=False)
class Optimum:
    """Where the optimiser stopped.

    Attributes
    ----------
    evaluation : Evaluation
        At the best θ seen, with gradient and information.
    converged : bool
    message : str
        Why it stopped, and the remedy if it should not have.
    n_evaluations : int
        How often the criterion was evaluated, trial starts and rejected steps included.
    trace : tuple of float
        The criterion at each evaluation, in order (engine's units).
    decrement : float
        Decrease of the criterion that one more Newton step promises.
    other_optima : tuple of float
        The criterion at higher local optima that were met, lowest first.
    """

    evaluation: Evaluation
    converged: bool
    message: str
    n_evaluations: int
    trace: tuple[float, ...]
    decrement: float
    other_optima: tuple[float, ...] = ()


def minimize(
    problem: Problem,
    control: Control,
    start: FloatArray | None = None,
    globally: bool = True,
) -> Optimum:
    """Minimise the profiled criterion over θ.

    Parameters
    ----------
    problem : Problem
    control : Control
    start : ndarray, optional
        Where to begin; moment estimates otherwise.
    globally : bool
        Look beyond the nearest optimum.

    Raises
    ------
    NumericalError
        The criterion cannot be evaluated at the start.
    """
    run = Run(control.max_evaluations)
    if problem.n_theta == 0:
        best = differentiate(run.evaluate_or_raise(problem, np.empty(0)))
        message = "no variance parameters: nothing to optimise"
        return Optimum(best, True, message, 1, (best.value,), 0.0)

    first = (
        _first(run, problem) if start is None else run.evaluate_or_raise(problem, np.asarray(start))
    )
    best, decrement = local_minimum(run, problem, first, control.tolerance)
    exhausted = run.exhausted  # the looks elsewhere have a limit of their own
    others: tuple[float, ...] = ()
    if globally and not exhausted:
        best, decrement, others = lowest_optimum(run, problem, best, decrement, control.tolerance)

    # a decrease that rounding hides cannot be looked for any further
    small = max(value_tolerance(best, control.tolerance), best.rounding)
    if not exhausted:  # the search stalled
        small = max(small, STALLED * (1.0 + 1e-3 * abs(best.value)))
    converged = bool(decrement <= small)
    if converged:
        message = "converged: a Newton step promises no further decrease"
        message += other_optima_message([value - best.value for value in others])
    elif exhausted:
        message = exhausted_message(len(run.trace))
    else:
        message = (
            f"no step lowers the criterion although a decrease of {decrement:.2g} is predicted; "
            "the criterion is flat to its own rounding, so simplify the random terms"
        )
    return Optimum(
        evaluation=best,
        converged=converged,
        message=message,
        n_evaluations=len(run.trace),
        trace=tuple(run.trace),
        decrement=decrement,
        other_optima=others,
    )


def _first(run: Run, problem: Problem) -> Evaluation:
    """At moment estimates, or, where slopes can make more than one valley, the lowest of some."""
    moments = moment_start(problem)
    tries = [moments]
    if _uneven(problem):
        plain = np.concatenate([c.start() for c in problem.covariances])
        tries += [size * plain for size in SIZES]
    found = [at for theta in tries[: run.limit] if (at := run(problem, theta)) is not None]
    if not found:
        return run.evaluate_or_raise(problem, moments)
    return min(found, key=lambda at: at.value)


def _uneven(problem: Problem) -> bool:
    """Whether a slope's predictor spreads far more in one level than in most."""
    for f in problem.system.cp.factors:
        if f.zz.shape[-1] > 1:
            sizes = np.einsum("qkk->qk", f.zz)
            if (sizes.max(axis=0) > UNEVEN * np.median(sizes, axis=0)).any():
                return True
    return False
