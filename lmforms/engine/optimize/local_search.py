"""One search for a minimum: trust-region Newton on the average information, and the boundary.

θ has no bounds here: a negative diagonal of λ is the same model, so θ = 0 is an inner
point, where the curvature term 2⟨G ∂λ, ∂λ⟩ of the information decides whether to leave it.
"""

from __future__ import annotations

import numpy as np

from ...covariance import Covariance
from ...errors import NumericalError
from ...support.arrays import FloatArray
from ..criterion.evaluate import Differentiated, Evaluation, differentiate, evaluate
from ..criterion.problem import Problem
from .newton import LEAST_RADIUS, POOR_AGREEMENT, QuadraticModel, first_radius, next_radius

LEAST_FIRST_RADIUS = 20.0
"""Smallest first trust radius, in units where the information has a unit diagonal (see
:func:`~lmforms.engine.optimize.newton.first_radius`)."""

QUADRATIC_DECREMENT = 0.1
"""Below this decrement the criterion is nearly quadratic: the exact Hessian or secants are used."""

LEAST_DECREMENT_SHARE = 1e-3
"""The search goes on if the last step leaves a decrement above this share of the tolerance."""

MOST_SEARCHES = 5
"""Searches in all: after a last step, a saddle point or a stalled search there may be another."""

NEGLIGIBLE_DECREMENT = 1e-14
"""No last step is taken below this decrement: it would change θ by less than 10⁻⁷ of its standard
error. Where evaluations are expensive the bound is `LEAST_DECREMENT_SHARE` of the tolerance."""

CLEAR_RISE = 100.0
"""Bounds of the rounding error of the criterion by which it has to rise for a last step to be left
out: its decrease is often below rounding, which must not decide about it."""

LEAST_SECANT_COSINE = 1e-8
"""The secant update is skipped if what the model misses is nearly orthogonal to the step."""

SADDLE_STEPS = (0.001, 0.01, 0.1, 1.0)
"""Steps along a direction of negative curvature, in standard errors."""

SADDLE_DECREASE = 1e-9
"""Tolerance of the criterion that a step away from a saddle point has to exceed."""

RELATIVE_TOLERANCE = 64 * float(np.finfo(float).eps)
"""Rounding of the criterion, relative to its size."""

FAILED_VALUE = 1e300
"""The criterion where it cannot be evaluated, for SciPy's search."""


class SearchRun:
    """Evaluates the criterion up to `limit` times and keeps the values, failures as +∞.

    Attributes
    ----------
    limit : int
    trace : list of float
    path : list of (tuple of Covariance, ndarray)
        Where it was evaluated, and the parametrisation.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.trace: list[float] = []
        self.path: list[tuple[tuple[Covariance, ...], FloatArray]] = []

    def __call__(self, problem: Problem, theta: FloatArray) -> Evaluation | None:
        """The value at θ, or None if it cannot be evaluated."""
        try:
            return self.evaluate_or_raise(problem, theta)
        except NumericalError:
            self._keep(problem, theta, float("inf"))
            return None

    def evaluate_or_raise(self, problem: Problem, theta: FloatArray) -> Evaluation:
        """The value at θ, or its error."""
        result = evaluate(problem, theta)
        self._keep(problem, theta, result.value)
        return result

    def add_evaluations(self, problem: Problem, points: list[tuple[FloatArray, float]]) -> None:
        """Take over θ and values of another search."""
        for theta, value in points:
            self._keep(problem, theta, value)

    def add(self, other: SearchRun) -> None:
        """Take over the evaluations of another run."""
        self.trace += other.trace
        self.path += other.path

    def _keep(self, problem: Problem, theta: FloatArray, value: float) -> None:
        self.trace.append(value)
        self.path.append((problem.covariances, theta))

    @property
    def exhausted(self) -> bool:
        """Whether no evaluations are left."""
        return len(self.trace) >= self.limit


def local_minimum(
    run: SearchRun, problem: Problem, first: Evaluation, tolerance: float
) -> tuple[Differentiated, float]:
    """The minimum that a search from `first` finds, and the decrement there."""
    for _ in range(MOST_SEARCHES):
        best, decrement, last = _newton(run, _in_principal_axes(first), tolerance)
        least = value_tolerance(best, tolerance)
        other = _leave_saddle(run, best)
        if other is None and decrement > least and not run.exhausted:
            other = _quasi_newton(run, best)
        if other is not None:
            first = best = other
            continue
        before = best.value
        spared = LEAST_DECREMENT_SHARE * least if problem.system.is_expensive else 0.0
        if decrement <= max(NEGLIGIBLE_DECREMENT, spared):
            last = np.zeros_like(last)
        best, decrement = _final_point(run, problem, best, decrement, last)
        first = best
        if run.exhausted or decrement <= LEAST_DECREMENT_SHARE * least or not best.value < before:
            break
    else:
        best, decrement = _final_point(run, problem, best, decrement, np.zeros_like(last))
    return best, decrement


def rough_minimum(
    run: SearchRun, problem: Problem, first: Evaluation, tolerance: float
) -> Evaluation:
    """The minimum that a search from `first` finds, to a coarse `tolerance`."""
    best = first
    for _ in range(MOST_SEARCHES):
        found, _, _ = _newton(run, _in_principal_axes(best), tolerance)
        other = _leave_saddle(run, found)
        best = found if other is None else other
        if other is None:
            break
    return best.reparametrised(problem, _canonical_theta(problem, best))


def is_no_rise(trial: Evaluation, before: float) -> bool:
    """Whether the criterion does not rise by a last step, as far as its rounding lets one see."""
    return trial.value <= before + CLEAR_RISE * trial.rounding


def value_tolerance(best: Evaluation, tolerance: float) -> float:
    """The requested tolerance, but not below the criterion's own rounding."""
    return max(tolerance, RELATIVE_TOLERANCE * abs(best.value))


# --- Newton -------------------------------------------------------------------------------


def _newton(
    run: SearchRun, best: Differentiated, tolerance: float
) -> tuple[Differentiated, float, FloatArray]:
    """Trust-region Newton from `best`: the best point, its decrement, and a last step.

    When the decrement is below the tolerance, one more step still improves θ. It is returned,
    not taken, so that it can be evaluated together with the boundary.
    """
    model, exact = _model(best), best.problem.hessian_is_cheap
    radius = first_radius(model, best.theta[: best.problem.n_theta], LEAST_FIRST_RADIUS)
    secant = None if exact else np.zeros((len(best.theta),) * 2)
    while (decrement := model.decrement) > value_tolerance(best, tolerance):
        if run.exhausted or radius < LEAST_RADIUS:
            return best, decrement, np.zeros_like(best.theta)
        step, length, predicted = model.step(radius)
        trial = run(best.problem, best.theta + step)
        actual = -np.inf if trial is None else best.value - trial.value
        ratio = actual / predicted
        radius = next_radius(radius, length, ratio)
        if trial is None or not actual > 0:
            continue
        is_quadratic = decrement < QUADRATIC_DECREMENT and ratio > POOR_AGREEMENT
        try:
            found = differentiate(trial, exact) if is_quadratic else _in_principal_axes(trial)
        except NumericalError:  # beside a singular matrix: a shorter step
            radius = next_radius(min(radius, length), length, -np.inf)
            continue
        if secant is None:
            pass
        elif not is_quadratic:
            secant = np.zeros_like(secant)
        else:
            secant = secant_update(secant, best, found)
        best = found
        model = _model(best, secant)
    return best, decrement, model.step(radius)[0]


def secant_update(secant: FloatArray, old: Differentiated, new: Differentiated) -> FloatArray:
    """The difference of the Hessian and the average information, from two gradients (SR1).

    H + E with E updated so that (H_new + E) s equals the change of the gradient over the
    step s: near the optimum Newton's linear convergence becomes superlinear.

    References
    ----------
    Nocedal, Wright (2006), *Numerical Optimization*, section 6.2.
    """
    s = new.theta - old.theta
    miss = new.gradient - old.gradient - (new.information + secant) @ s
    along = float(miss @ s)
    least = LEAST_SECANT_COSINE * float(np.linalg.norm(miss) * np.linalg.norm(s))
    if not abs(along) > least:  # also where the step or what is missing is zero
        return secant
    return secant + np.outer(miss, miss) / along


def _model(at: Differentiated, secant: FloatArray | None = None) -> QuadraticModel:
    return QuadraticModel.of(at, secant, at.problem.system.kernels)


# --- saddles, fallback, boundary ----------------------------------------------------------


def _leave_saddle(run: SearchRun, best: Differentiated) -> Differentiated | None:
    """A lower point along a direction of negative curvature, or None."""
    found: Evaluation = best
    tolerance = value_tolerance(best, SADDLE_DECREASE)
    for direction in _model(best).negative_curvature_directions():
        for size in SADDLE_STEPS:
            for sign in (1.0, -1.0):
                if run.exhausted:
                    break
                trial = run(best.problem, best.theta + sign * size * direction)
                if trial is not None and trial.value < found.value - tolerance:
                    found = trial
    return differentiate(found) if found is not best else None


def _quasi_newton(run: SearchRun, best: Differentiated) -> Differentiated | None:
    """BFGS on the exact gradient, for the rare criterion on which Newton's model stalls."""
    from scipy.optimize import minimize as scipy_minimize

    scale = _model(best).scale

    def objective(z: FloatArray) -> tuple[float, FloatArray]:
        at = run(best.problem, z / scale)
        if at is None:
            return FAILED_VALUE, np.zeros_like(z)
        try:
            return at.value, differentiate(at).gradient / scale
        except NumericalError:  # beside a singular matrix
            return FAILED_VALUE, np.zeros_like(z)

    remaining = max(1, run.limit - len(run.trace))
    result = scipy_minimize(
        objective, best.theta * scale, jac=True, method="L-BFGS-B", options={"maxfun": remaining}
    )
    if not result.fun < best.value:
        return None
    found = run(best.problem, result.x / scale)
    return None if found is None else differentiate(found)


def _in_principal_axes(at: Evaluation) -> Differentiated:
    """The same point in the principal axes of each λ, with derivatives."""
    return differentiate(at.reparametrised(*at.problem.in_principal_axes(at.theta)))


def _final_point(
    run: SearchRun,
    problem: Problem,
    best: Differentiated,
    decrement: float,
    last: FloatArray,
) -> tuple[Differentiated, float]:
    """The best point after its last step and its decrement, with the canonical θ of `problem`.

    Nearly singular directions are put exactly on the boundary unless the criterion rises, and the
    last step is taken unless it clearly rises.
    """
    theta = _canonical_theta(problem, best, last)
    bound = problem.on_boundary(theta)
    if (bound != theta).any():
        trial = run(problem, bound)
        if trial is not None and trial.value <= best.value + best.rounding:
            return _with_decrement(trial)
    if last.any():
        trial = run(problem, theta)
        if trial is not None and is_no_rise(trial, best.value):
            return _with_decrement(trial)
        theta = _canonical_theta(problem, best)
    same = best.problem.covariances is problem.covariances
    if same and (theta == best.theta).all():
        return best, decrement
    return differentiate(best.reparametrised(problem, theta)), decrement


def _canonical_theta(
    problem: Problem, at: Evaluation, step: FloatArray | float = 0.0
) -> FloatArray:
    """The canonical θ, in the parametrisation of `problem`, of a step from `at`."""
    return problem.canonical(at.theta + step, at.problem)


def _with_decrement(at: Evaluation) -> tuple[Differentiated, float]:
    """A point with its derivatives, and the decrement there."""
    found = differentiate(at)
    return found, _model(found).decrement
