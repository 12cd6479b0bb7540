"""The zero of the estimated score, by trust-region Newton steps on the average information.

As :mod:`lmforms.engine.optimize.minimize`, but without values of the criterion: how far it
falls along a step is the integral of the score, ∫⟨G, d(λλ')⟩, taken by the trapezium rule.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...control import Control
from ...errors import NumericalError
from ...support.arrays import FloatArray
from ..optimize.newton import SADDLE, QuadraticModel, next_radius
from ..optimize.starting_values import moment_start
from ..status import exhausted_message
from .criterion import (
    FINAL_TOLERANCE,
    IterativeEvaluation,
    IterativeProblem,
    evaluate,
    log_likelihood,
)
from .probes import sign_probes

RADIUS = 10.0
"""First trust radius, about that many standard errors; more where λ itself is (:func:`_radius`)."""

DECREMENT = 1e-9
"""A Newton step that promises less is none: 3e-5 standard errors, far below the probes' noise."""

TURNS = 5
"""Saddles left, at most."""

SLACK = 10.0
"""Tolerances that the end of a search may be off."""


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
        The criterion at each of them, in order: the estimate at the last θ and what the
        score says about the way (engine's units).
    decrement : float
        Decrease of the criterion that one more Newton step promises.
    value : float
        Estimated criterion at the last θ (engine's units).
    value_se : float
        Its standard error.
    iterations : int
        Conjugate gradient iterations of the last cold solve, the slowest column.
    """

    evaluation: IterativeEvaluation
    converged: bool
    message: str
    n_evaluations: int
    trace: tuple[float, ...]
    decrement: float
    value: float
    value_se: float
    iterations: int


@dataclass(frozen=True, eq=False)
class _Point:
    """An evaluation, and how high the criterion is there, measured from the start."""

    at: IterativeEvaluation
    height: float


class _Search:
    """Evaluations of one run: counts them, keeps the heights of the path."""

    def __init__(self, problem: IterativeProblem, limit: int) -> None:
        self.limit = limit
        self.probes = sign_probes(problem.system.m, problem.seed)
        self.heights: list[float] = []

    def first(self, problem: IterativeProblem, theta: FloatArray) -> _Point:
        self.heights.append(0.0)
        chart, theta = problem.in_principal_axes(theta)
        return _Point(evaluate(chart, theta, self.probes), 0.0)

    def __call__(self, best: _Point, problem: IterativeProblem, theta: FloatArray) -> _Point | None:
        """Evaluate at `theta`, on from `best`; None if that fails."""
        try:
            found = evaluate(problem, theta, self.probes, warm=best.at.warm)
        except NumericalError:
            self.heights.append(float("inf"))
            return None
        height = best.height + _climb(best.at, found)
        self.heights.append(height)
        return _Point(found, height)

    @property
    def exhausted(self) -> bool:
        return len(self.heights) >= self.limit


def minimize(
    problem: IterativeProblem, control: Control, start: FloatArray | None = None
) -> IterativeOptimum:
    """Find θ where the estimated score is zero and the information not negative.

    Parameters
    ----------
    problem : IterativeProblem
    control : Control
    start : ndarray, optional
        Where to begin; moment estimates otherwise.

    Raises
    ------
    NumericalError
        The score cannot be evaluated at the start.
    """
    run = _Search(problem, control.max_evaluations)
    theta = moment_start(problem) if start is None else np.asarray(start, dtype=np.float64)
    tolerance = max(control.tolerance, DECREMENT)
    best = _newton(run, run.first(problem, theta), tolerance)
    for _ in range(TURNS):
        below = None if run.exhausted else _leave_saddle(run, best, tolerance)
        if below is None:
            break
        best = _newton(run, below, tolerance)
    best = _settle(run, best, problem, tolerance)
    model = _model(best.at)
    converged = bool(model.decrement <= SLACK * tolerance)
    if converged:
        message = (
            "converged: a Newton step on the estimated score promises no further decrease; "
            f"another seed would move θ by about {_noise(best.at):.0e} standard errors"
        )
    elif run.exhausted:
        message = exhausted_message(len(run.heights))
    else:
        message = (
            "no step lowers the criterion although a decrease of "
            f"{model.decrement:.2g} is predicted; "
            "simplify the random terms, or use Control(factor='auto', memory=…) with more memory"
        )
    # the end is evaluated anew in any case: the last step costs nothing
    theta = best.at.theta + (model.step(RADIUS)[0] if converged else 0.0)
    theta = problem.root_theta(best.at.problem.factors(theta))
    return _finished(run, problem, theta, best.height, converged, message)


def evaluate_at(problem: IterativeProblem, theta: FloatArray) -> IterativeOptimum:
    """The same report at a given θ, without a search."""
    run = _Search(problem, 1)
    run.heights.append(0.0)
    return _finished(run, problem, theta, 0.0, True, "evaluated at given θ")


def _finished(
    run: _Search,
    problem: IterativeProblem,
    theta: FloatArray,
    height: float,
    converged: bool,
    message: str,
) -> IterativeOptimum:
    """Everything at θ from a cold start and to the last digits, whatever the way there."""
    last = evaluate(problem, theta, run.probes, tolerance=FINAL_TOLERANCE)
    value, error = log_likelihood(last)
    return IterativeOptimum(
        evaluation=last,
        converged=converged,
        message=message,
        n_evaluations=len(run.heights),
        trace=tuple(value + h - height for h in run.heights),
        decrement=_model(last).decrement,
        value=value,
        value_se=error,
        iterations=last.iterations,
    )


def _climb(old: IterativeEvaluation, new: IterativeEvaluation) -> float:
    """How much higher the criterion is at `new`: the mean of both G times the change of λλ'."""
    total = 0.0
    for g, h, a, b in zip(
        old.level_gradients, new.level_gradients, old.factor.lams, new.factor.lams, strict=True
    ):
        total += 0.5 * float(np.sum((g + h) * (b @ b.T - a @ a.T)))
    return total


# --- steps --------------------------------------------------------------------------------


def _newton(run: _Search, best: _Point, tolerance: float) -> _Point:
    """Trust-region Newton from `best`."""
    radius = _radius(best.at)
    while True:
        model = _model(best.at)
        if model.decrement <= tolerance or run.exhausted or radius < 1e-9:
            return best
        step, length, predicted = model.step(radius)
        trial = run(best, *best.at.problem.in_principal_axes(best.at.theta + step))
        actual = -np.inf if trial is None else best.height - trial.height
        ratio = actual / predicted
        radius = next_radius(radius, length, ratio)
        if trial is not None and actual > 0:
            best = trial


def _radius(at: IterativeEvaluation) -> float:
    """First trust radius: half the way to λ = 0, at least `RADIUS`.

    With many levels even a good start is hundreds of standard errors from the optimum.
    """
    return max(RADIUS, 0.5 * float(np.linalg.norm(at.theta * _model(at).scale)))


def _model(at: IterativeEvaluation) -> QuadraticModel:
    """The quadratic model at a point."""
    return QuadraticModel.of(at.gradient, at.information, at.reference)


def _leave_saddle(run: _Search, best: _Point, tolerance: float) -> _Point | None:
    """A lower point along a direction of negative curvature, or None."""
    problem, theta = best.at.problem, best.at.theta
    for direction in _model(best.at).negative_curvature_directions():
        for size in (1.0, 10.0, 0.1):
            for sign in (1.0, -1.0):
                if run.exhausted:
                    return None
                trial = run(best, *problem.in_principal_axes(theta + sign * size * direction))
                if trial is not None and trial.height < best.height - tolerance:
                    return trial
    return None


def _settle(run: _Search, best: _Point, problem: IterativeProblem, tolerance: float) -> _Point:
    """On the boundary if the optimum is near it and the criterion does not fall from there."""
    plain = problem.root_theta(best.at.problem.factors(best.at.theta))
    theta = problem.on_boundary(plain)
    if np.array_equal(theta, plain) or run.exhausted:
        return best
    snapped = run(best, problem, theta)
    if snapped is None or snapped.height > best.height + SLACK * tolerance:
        return best
    model = _model(snapped.at)
    stays = model.decrement <= SLACK * tolerance and model.values.min() >= SADDLE
    return snapped if stays else best


def _noise(at: IterativeEvaluation) -> float:
    """Largest standard deviation of θ over seeds, in standard errors of θ."""
    model = _model(at)
    scale = model.scale
    inverse = (model.vectors / model.curvature) @ model.vectors.T
    noise = inverse @ (at.noise / np.outer(scale, scale)) @ inverse
    return float(np.sqrt(np.diag(noise) / (2.0 * np.diag(inverse))).max(initial=0.0))
