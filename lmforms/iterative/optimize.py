"""The zero of the estimated score, by trust-region Newton steps on the average information.

As :mod:`lmforms.optimize`, but without values of the criterion: how far it falls along a
step is the integral of the score, ∫⟨G, d(λλ')⟩, taken by the trapezium rule.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ..control import Control
from ..covariance import Covariance, Stacked, canonical_factor, principal_chart
from ..errors import NumericalError
from ..start import moment_start
from .criterion import (
    FINAL_TOLERANCE,
    IterativeEvaluation,
    IterativeProblem,
    evaluate,
    log_likelihood,
)
from .probes import sign_probes

FloatArray = npt.NDArray[np.float64]

RADIUS = 10.0
"""First trust radius, about that many standard errors; more where λ itself is (:func:`_radius`)."""

DECREMENT = 1e-9
"""A Newton step that promises less is none: 3e-5 standard errors, far below the probes' noise."""

FLOOR = 1e-7
"""Smallest |eigenvalue| of the scaled information that a Newton step divides by."""

SADDLE = -1e-4
"""A scaled eigenvalue below this at a zero of the score is a way down, not noise."""

SNAP = 1e-2
"""Standard deviations (relative to σ) below this are tried at exactly zero."""

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
        return _Point(evaluate(*_charted(problem, theta), self.probes), 0.0)

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
    decrement = _Model.of(best.at).decrement
    converged = bool(decrement <= SLACK * tolerance)
    if converged:
        message = (
            "converged: a Newton step on the estimated score promises no further decrease; "
            f"another seed would move θ by about {_noise(best.at):.0e} standard errors"
        )
    elif run.exhausted:
        message = (
            f"stopped after {len(run.heights)} evaluations; raise Control(max_evaluations=…), "
            "rescale the predictors or simplify the random terms"
        )
    else:
        message = (
            f"no step lowers the criterion although a decrease of {decrement:.2g} is predicted; "
            "simplify the random terms, or use Control(factor='auto', memory=…) with more memory"
        )
    theta = _plain(problem, best.at)
    return _finished(run, problem, theta, best.height, converged, message, decrement)


def evaluate_at(problem: IterativeProblem, theta: FloatArray) -> IterativeOptimum:
    """The same report at a given θ, without a search."""
    run = _Search(problem, 1)
    run.heights.append(0.0)
    return _finished(run, problem, theta, 0.0, True, "evaluated at given θ", 0.0)


def _finished(
    run: _Search,
    problem: IterativeProblem,
    theta: FloatArray,
    height: float,
    converged: bool,
    message: str,
    decrement: float,
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
        decrement=decrement,
        value=value,
        value_se=error,
        iterations=last.iterations,
    )


def _charted(problem: IterativeProblem, theta: FloatArray) -> tuple[IterativeProblem, FloatArray]:
    """The same point in the principal axes of each λ (see :class:`lmforms.covariance.Rotated`)."""
    charts = [
        principal_chart(c, lam)
        for c, lam in zip(problem.covariances, problem.factors(theta), strict=True)
    ]
    return (
        replace(problem, covariances=tuple(c for c, _ in charts)),
        np.concatenate([t for _, t in charts]),
    )


def _plain(problem: IterativeProblem, at: IterativeEvaluation) -> FloatArray:
    """θ of an evaluated point in the chart of `problem`, canonical."""
    lams = at.problem.factors(at.theta)
    return np.concatenate(
        [c.root_theta(lam) for c, lam in zip(problem.covariances, lams, strict=True)]
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
        model = _Model.of(best.at)
        if model.decrement <= tolerance or run.exhausted or radius < 1e-9:
            return best
        step, length, predicted = model.step(radius)
        trial = run(best, *_charted(best.at.problem, best.at.theta + step))
        actual = -np.inf if trial is None else best.height - trial.height
        ratio = actual / predicted
        if ratio < 0.25:
            radius = 0.25 * length
        elif ratio > 0.75 and length > 0.99 * radius:
            radius *= 2.0
        if trial is not None and actual > 0:
            best = trial


def _radius(at: IterativeEvaluation) -> float:
    """First trust radius: half the way to λ = 0, at least `RADIUS`.

    With many levels even a good start is hundreds of standard errors from the optimum.
    """
    return max(RADIUS, 0.5 * float(np.linalg.norm(at.theta * _scale(at))))


@dataclass(frozen=True, eq=False)
class _Model:
    """The quadratic model at a point, in the axes of the scaled information."""

    scale: FloatArray
    values: FloatArray
    vectors: FloatArray
    slope: FloatArray

    @classmethod
    def of(cls, at: IterativeEvaluation) -> _Model:
        scale = _scale(at)
        values, vectors = np.linalg.eigh(at.information / np.outer(scale, scale))
        return cls(scale, values, vectors, vectors.T @ (at.gradient / scale))

    @property
    def curvature(self) -> FloatArray:
        return np.maximum(np.abs(self.values), FLOOR)

    @property
    def decrement(self) -> float:
        return 0.5 * float(self.slope**2 @ (1.0 / self.curvature))

    def step(self, radius: float) -> tuple[FloatArray, float, float]:
        """The step, its scaled length, and the decrease that it promises."""
        z = -self.slope / self.curvature
        shift = 1e-8
        while np.linalg.norm(z) > radius:
            z = -self.slope / (self.curvature + shift)
            shift *= 1.5
        predicted = -float(self.slope @ z + 0.5 * self.curvature @ z**2)
        return self.vectors @ z / self.scale, float(np.linalg.norm(z)), predicted


def _scale(at: IterativeEvaluation) -> FloatArray:
    """√|H_ii|, but not below what counts as no curvature at all."""
    d = np.maximum(np.sqrt(np.abs(np.diag(at.information))), 1e-4 * at.reference)
    return np.maximum(d, 1e-6 * d.max()) if d.max() > 0 else np.ones_like(d)


def _leave_saddle(run: _Search, best: _Point, tolerance: float) -> _Point | None:
    """A lower point along a direction of negative curvature, or None."""
    model, problem, theta = _Model.of(best.at), best.at.problem, best.at.theta
    for j in np.flatnonzero(model.values < SADDLE):
        direction = model.vectors[:, j] / model.scale
        for size in (1.0, 10.0, 0.1):
            for sign in (1.0, -1.0):
                if run.exhausted:
                    return None
                trial = run(best, *_charted(problem, theta + sign * size * direction))
                if trial is not None and trial.height < best.height - tolerance:
                    return trial
    return None


def _settle(run: _Search, best: _Point, problem: IterativeProblem, tolerance: float) -> _Point:
    """On the boundary if the optimum is near it and the criterion does not fall from there."""
    plain = _plain(problem, best.at)
    theta = np.concatenate(
        [
            _boundary(c, plain[s])
            for c, s in zip(problem.covariances, problem.theta_slices(), strict=True)
        ]
    )
    if np.array_equal(theta, plain) or run.exhausted:
        return best
    snapped = run(best, problem, theta)
    if snapped is None or snapped.height > best.height + SLACK * tolerance:
        return best
    model = _Model.of(snapped.at)
    stays = model.decrement <= SLACK * tolerance and model.values.min() >= SADDLE
    return snapped if stays else best


def _boundary(covariance: Covariance, theta: FloatArray) -> FloatArray:
    """θ with its small singular values of λ set to zero, where the structure allows."""
    if isinstance(covariance, Stacked):
        return np.concatenate(
            [
                _boundary(part, theta[t])
                for part, t in zip(covariance.parts, covariance.theta_slices(), strict=True)
            ]
        )
    u, d, _ = np.linalg.svd(covariance.factor(theta))
    if d.min() < SNAP and covariance.invariance == "linear":
        return covariance.theta(canonical_factor(u * np.where(d < SNAP, 0.0, d)))
    if d.min() < SNAP and covariance.invariance == "scale":
        theta = np.where(np.abs(theta) < SNAP, 0.0, theta)
    return theta


def _noise(at: IterativeEvaluation) -> float:
    """Largest standard deviation of θ over seeds, in standard errors of θ."""
    scale = _scale(at)
    values, vectors = np.linalg.eigh(at.information / np.outer(scale, scale))
    inverse = (vectors / np.maximum(np.abs(values), FLOOR)) @ vectors.T
    noise = inverse @ (at.noise / np.outer(scale, scale)) @ inverse
    return float(np.sqrt(np.diag(noise) / (2.0 * np.diag(inverse))).max(initial=0.0))
