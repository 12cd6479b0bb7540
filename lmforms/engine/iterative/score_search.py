"""The zero of the estimated score, by trust-region Newton steps on the average information.

As :mod:`lmforms.engine.optimize.minimize`, but without values of the criterion: how far it
falls along a step is the integral of the score, ∫⟨G, d(λλ')⟩, by the trapezoidal rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...control import Control
from ...errors import NumericalError
from ...support.arrays import FloatArray
from ..criterion.criterion_parts import CriterionParts
from ..optimize.newton import (
    LEAST_RADIUS,
    NEGATIVE_CURVATURE,
    QuadraticModel,
    first_radius,
    next_radius,
)
from ..optimize.starting_values import moment_start
from ..status import exhausted_message
from .criterion import (
    FINAL_TOLERANCE,
    SEARCH_TOLERANCE,
    IterativeEvaluation,
    IterativeProblem,
    evaluate,
    log_likelihood,
)
from .probes import sign_probes

LEAST_FIRST_RADIUS = 10.0
"""Smallest first trust radius, in about standard errors (see
:func:`~lmforms.engine.optimize.newton.first_radius`)."""

LEAST_TOLERANCE = 1e-9
"""Smallest decrement to search for: it is 3e-5 standard errors, far below the probes' noise."""

MOST_SADDLES = 5
"""How often a saddle point may be left."""

ALLOWED_TOLERANCES = 10.0
"""The decrement at the end of a search may be this many times the tolerance."""


@dataclass(frozen=True, eq=False)
class IterativeOptimum:
    """Where the search for the zero of the score stopped.

    Attributes
    ----------
    evaluation : IterativeEvaluation
        At the best θ, solved to the last digits.
    converged : bool
    message : str
    n_evaluations : int
    trace : tuple of float
        The criterion at each of them, in order: the estimate at the last θ and the changes
        according to the score (engine's units).
    decrement : float
        Predicted decrease of the criterion by one more Newton step.
    parts : CriterionParts
        The terms of the criterion at the last θ (engine's units), ln|A| estimated.
    value_se : float
        Standard error of ln|A|, and of the criterion.
    iterations : int
        Conjugate gradient iterations of the last solve, which starts from zero: the slowest column.
    """

    evaluation: IterativeEvaluation
    converged: bool
    message: str
    n_evaluations: int
    trace: tuple[float, ...]
    decrement: float
    parts: CriterionParts
    value_se: float
    iterations: int

    @property
    def value(self) -> float:
        """Estimated criterion at the last θ (engine's units)."""
        return self.parts.value


@dataclass(frozen=True, eq=False)
class ScorePoint:
    """An evaluation, and the criterion there less that at the start."""

    at: IterativeEvaluation
    change: float


class ScoreRun:
    """Evaluations of one search, with the change of the criterion since the start at each."""

    def __init__(
        self, problem: IterativeProblem, limit: int, tolerance: float = SEARCH_TOLERANCE
    ) -> None:
        self.limit = limit
        self.tolerance = tolerance
        self.probes = sign_probes(problem.system.m, problem.seed)
        self.changes: list[float] = []

    def first(self, problem: IterativeProblem, theta: FloatArray) -> ScorePoint:
        """The point at which the search begins."""
        self.changes.append(0.0)
        axes = problem.in_principal_axes(theta)
        return ScorePoint(evaluate(*axes, self.probes, tolerance=self.tolerance), 0.0)

    def __call__(
        self, best: ScorePoint, problem: IterativeProblem, theta: FloatArray
    ) -> ScorePoint | None:
        """Evaluate at `theta`, starting from the solutions at `best`; None if that fails."""
        try:
            found = evaluate(
                problem, theta, self.probes, tolerance=self.tolerance, nearby=best.at.solutions
            )
        except NumericalError:
            self.changes.append(float("inf"))
            return None
        change = best.change + _change_between(best.at, found)
        self.changes.append(change)
        return ScorePoint(found, change)

    @property
    def exhausted(self) -> bool:
        """Whether no evaluations are left."""
        return len(self.changes) >= self.limit


def minimize(
    problem: IterativeProblem, control: Control, start: FloatArray | None = None
) -> IterativeOptimum:
    """Find θ where the estimated score is zero and the information not negative.

    Parameters
    ----------
    problem : IterativeProblem
    control : Control
    start : ndarray, optional
        Where to start; moment estimates otherwise.

    Raises
    ------
    NumericalError
        The score cannot be evaluated at the start.
    """
    run = ScoreRun(problem, control.max_evaluations)
    theta = moment_start(problem) if start is None else np.asarray(start, dtype=np.float64)
    tolerance = max(control.tolerance, LEAST_TOLERANCE)
    best = newton(run, run.first(problem, theta), tolerance)
    for _ in range(MOST_SADDLES):
        below = None if run.exhausted else _leave_saddle(run, best, tolerance)
        if below is None:
            break
        best = newton(run, below, tolerance)
    best = _on_boundary(run, best, problem, tolerance)
    model = QuadraticModel.of(best.at)
    converged = bool(model.decrement <= ALLOWED_TOLERANCES * tolerance)
    if converged:
        message = (
            "converged: a Newton step on the estimated score promises no further decrease; "
            f"another seed would move θ by about {_seed_error(best.at):.0e} standard errors"
        )
    elif run.exhausted:
        message = exhausted_message(len(run.changes))
    else:
        message = (
            "no step lowers the criterion although a decrease of "
            f"{model.decrement:.2g} is predicted; "
            "simplify the random terms, or use Control(factor='auto', memory=…) with more memory"
        )
    # θ at the end is evaluated anew in any case, so that the last step costs nothing
    theta = best.at.theta + (model.step(LEAST_FIRST_RADIUS)[0] if converged else 0.0)
    theta = problem.canonical(theta, best.at.problem)
    return _finished(run, problem, theta, best.change, converged, message)


def evaluate_at(problem: IterativeProblem, theta: FloatArray) -> IterativeOptimum:
    """The report of a search, for a given θ without searching."""
    run = ScoreRun(problem, 1)
    run.changes.append(0.0)
    return _finished(run, problem, theta, 0.0, True, "evaluated at given θ")


def _finished(
    run: ScoreRun,
    problem: IterativeProblem,
    theta: FloatArray,
    change: float,
    converged: bool,
    message: str,
) -> IterativeOptimum:
    """Everything at θ, solved from zero to the last digits, independent of the search."""
    last = evaluate(problem, theta, run.probes, tolerance=FINAL_TOLERANCE)
    parts, error = log_likelihood(last)
    return IterativeOptimum(
        evaluation=last,
        converged=converged,
        message=message,
        n_evaluations=len(run.changes),
        trace=tuple(parts.value + c - change for c in run.changes),
        decrement=QuadraticModel.of(last).decrement,
        parts=parts,
        value_se=error,
        iterations=last.iterations,
    )


def _change_between(old: IterativeEvaluation, new: IterativeEvaluation) -> float:
    """The criterion at `new` less that at `old`: the mean of both G times the change of λλ'."""
    total = 0.0
    for g, h, a, b in zip(
        old.covariance_gradients,
        new.covariance_gradients,
        old.factor.lams,
        new.factor.lams,
        strict=True,
    ):
        total += 0.5 * float(np.sum((g + h) * (b @ b.T - a @ a.T)))
    return total


# --- steps --------------------------------------------------------------------------------


def newton(run: ScoreRun, best: ScorePoint, tolerance: float) -> ScorePoint:
    """Trust-region Newton from `best`."""
    model = QuadraticModel.of(best.at)
    radius = first_radius(model, best.at.theta, LEAST_FIRST_RADIUS)
    while True:
        if model.decrement <= tolerance or run.exhausted or radius < LEAST_RADIUS:
            return best
        step, length, predicted = model.step(radius)
        trial = run(best, *best.at.problem.in_principal_axes(best.at.theta + step))
        actual = -np.inf if trial is None else best.change - trial.change
        ratio = actual / predicted
        radius = next_radius(radius, length, ratio)
        if trial is not None and actual > 0:
            best = trial
            model = QuadraticModel.of(best.at)


def _leave_saddle(run: ScoreRun, best: ScorePoint, tolerance: float) -> ScorePoint | None:
    """A lower point along a direction of negative curvature, or None."""
    problem, theta = best.at.problem, best.at.theta
    for direction in QuadraticModel.of(best.at).negative_curvature_directions():
        for size in (1.0, 10.0, 0.1):
            for sign in (1.0, -1.0):
                if run.exhausted:
                    return None
                trial = run(best, *problem.in_principal_axes(theta + sign * size * direction))
                if trial is not None and trial.change < best.change - tolerance:
                    return trial
    return None


def _on_boundary(
    run: ScoreRun, best: ScorePoint, problem: IterativeProblem, tolerance: float
) -> ScorePoint:
    """The point on the boundary if the optimum is near it and the criterion no lower inside."""
    canonical = problem.canonical(best.at.theta, best.at.problem)
    theta = problem.on_boundary(canonical)
    if np.array_equal(theta, canonical) or run.exhausted:
        return best
    bound = run(best, problem, theta)
    if bound is None or bound.change > best.change + ALLOWED_TOLERANCES * tolerance:
        return best
    model = QuadraticModel.of(bound.at)
    stationary = model.decrement <= ALLOWED_TOLERANCES * tolerance
    return bound if stationary and model.values.min() >= NEGATIVE_CURVATURE else best


def _seed_error(at: IterativeEvaluation) -> float:
    """Largest standard deviation of θ over seeds, in standard errors of θ."""
    model = QuadraticModel.of(at)
    scale = model.scale
    inverse = (model.vectors / model.curvature) @ model.vectors.T
    noise = inverse @ (at.noise / np.outer(scale, scale)) @ inverse
    return float(np.sqrt(np.diag(noise) / (2.0 * np.diag(inverse))).max(initial=0.0))
