"""One search for a minimum: trust-region Newton on the average information, with boundary logic.

θ has no bounds here: a negative diagonal of λ is the same model, so θ = 0 is an inner
point, where the curvature term 2⟨G ∂λ, ∂λ⟩ of the information tells whether to leave it.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...errors import NumericalError
from ...support.arrays import FloatArray
from ..criterion.curvature import curvature_is_cheap
from ..criterion.evaluate import Evaluation, Problem, differentiate, evaluate
from .newton import QuadraticModel, next_radius

RADIUS = 20.0
"""First trust radius, in units where the information has a unit diagonal."""

LOCAL = 0.1
"""Below this decrement the criterion is quadratic enough for its own Hessian, or secants."""

AT_REST = 1e-3
"""A last step that leaves more than this share of the tolerance is followed by another."""

ROUNDS = 5
"""Searches in all: after a last step, a saddle or a stall it is taken up again."""

NO_STEP = 1e-14
"""A decrement below this moves θ by less than 10⁻⁷ of its standard error."""


class Run:
    """Evaluations of one run: keeps their trace, failures as +∞."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.trace: list[float] = []

    def __call__(self, problem: Problem, theta: FloatArray) -> Evaluation | None:
        """The value at θ; derivatives are added to points that are kept."""
        try:
            return self.evaluate_or_raise(problem, theta)
        except NumericalError:
            self.trace.append(float("inf"))
            return None

    def evaluate_or_raise(self, problem: Problem, theta: FloatArray) -> Evaluation:
        """The value at θ, or its error."""
        result = evaluate(problem, theta, 0)
        self.trace.append(result.value)
        return result

    @property
    def exhausted(self) -> bool:
        """Whether no evaluations are left."""
        return len(self.trace) >= self.limit


def local_minimum(
    run: Run, problem: Problem, first: Evaluation, tolerance: float
) -> tuple[Evaluation, float]:
    """The minimum that leads down from `first`, and what a further step there promises."""
    best = first
    for _ in range(ROUNDS):
        best, decrement, last = _newton(run, differentiate(_in_principal_axes(best)), tolerance)
        least = value_tolerance(best, tolerance)
        other = _leave_saddle(run, best)
        if other is None and decrement > least and not run.exhausted:
            other = _quasi_newton(run, best)
        if other is not None:
            best = other
            continue
        before = best.value
        best, decrement = _settle(run, problem, best, decrement, last)
        if run.exhausted or decrement <= AT_REST * least or not best.value < before:
            break
    else:
        best, decrement = _settle(run, problem, best, decrement, np.zeros_like(last))
    return best, decrement


def rough_minimum(run: Run, problem: Problem, first: Evaluation, tolerance: float) -> Evaluation:
    """Where a search from `first` leads to, to a coarse `tolerance`."""
    best = first
    for _ in range(ROUNDS):
        best, _, _ = _newton(run, differentiate(_in_principal_axes(best)), tolerance)
        other = _leave_saddle(run, best)
        if other is None:
            break
        best = other
    return replace(best, problem=problem, theta=_plain(problem, best))


def value_tolerance(best: Evaluation, tolerance: float) -> float:
    """The wanted tolerance, but not below the criterion's own rounding."""
    return float(max(tolerance, 64 * np.finfo(float).eps * abs(best.value)))


# --- Newton -------------------------------------------------------------------------------


def _newton(run: Run, best: Evaluation, tolerance: float) -> tuple[Evaluation, float, FloatArray]:
    """Trust-region Newton from `best`: the best point, its decrement, and the step to rest.

    When the decrement is small the model is trusted to the end, and its last step is left
    to be taken: it brings θ itself to rest.
    """
    radius, exact = RADIUS, curvature_is_cheap(best.problem.system)
    secant = np.zeros((len(best.theta),) * 2)
    model = _model(best)
    while (decrement := model.decrement) > value_tolerance(best, tolerance):
        if run.exhausted or radius < 1e-9:
            return best, decrement, np.zeros_like(best.theta)
        step, length, predicted = model.step(radius)
        trial = run(best.problem, best.theta + step)
        actual = -np.inf if trial is None else best.value - trial.value
        ratio = actual / predicted
        radius = next_radius(radius, length, ratio)
        if trial is None or not actual > 0:
            continue
        if decrement < LOCAL and ratio > 0.25:
            trial = differentiate(trial, exact=exact)
            if not exact:
                secant = _learn(secant, best, trial)
        else:
            trial = differentiate(_in_principal_axes(trial))
            secant = np.zeros_like(secant)
        best = trial
        model = _model(best, secant)
    return best, decrement, model.step(radius)[0]


def _learn(secant: FloatArray, old: Evaluation, new: Evaluation) -> FloatArray:
    """What the average information misses of the true curvature, from two gradients (SR1).

    H + E with E updated so that (H_new + E) s equals the change of the gradient over the
    step s: near the optimum Newton's linear convergence becomes superlinear.

    References
    ----------
    Nocedal, Wright (2006), *Numerical Optimization*, section 6.2.
    """
    assert new.gradient is not None
    assert old.gradient is not None
    assert new.information is not None
    s = new.theta - old.theta
    miss = new.gradient - old.gradient - (new.information + secant) @ s
    along = float(miss @ s)
    if abs(along) < 1e-8 * float(np.linalg.norm(miss) * np.linalg.norm(s)):
        return secant
    return secant + np.outer(miss, miss) / along


def _model(at: Evaluation, secant: FloatArray | None = None) -> QuadraticModel:
    """The quadratic model at a point."""
    assert at.gradient is not None
    assert at.information is not None
    assert at.reference is not None
    return QuadraticModel.of(at.gradient, at.information, at.reference, secant)


# --- saddles, fallback, boundary ----------------------------------------------------------


def _leave_saddle(run: Run, best: Evaluation) -> Evaluation | None:
    """A lower point along a direction of negative curvature, or None."""
    found = best
    for direction in _model(best).negative_curvature_directions():
        for size in (0.001, 0.01, 0.1, 1.0):
            for sign in (1.0, -1.0):
                if run.exhausted:
                    break
                trial = run(best.problem, best.theta + sign * size * direction)
                if trial is not None and trial.value < found.value - value_tolerance(best, 1e-9):
                    found = trial
    return differentiate(found) if found is not best else None


def _quasi_newton(run: Run, best: Evaluation) -> Evaluation | None:
    """BFGS on the exact gradient, for the rare criterion on which Newton's model stalls."""
    from scipy.optimize import minimize as scipy_minimize

    scale = _model(best).scale

    def objective(z: FloatArray) -> tuple[float, FloatArray]:
        at = run(best.problem, z / scale)
        if at is None:
            return 1e300, np.zeros_like(z)
        return at.value, np.asarray(differentiate(at, 1).gradient) / scale

    remaining = max(1, run.limit - len(run.trace))
    result = scipy_minimize(
        objective, best.theta * scale, jac=True, method="L-BFGS-B", options={"maxfun": remaining}
    )
    if not result.fun < best.value:
        return None
    found = run(best.problem, result.x / scale)
    return None if found is None else differentiate(found)


def _in_principal_axes(at: Evaluation) -> Evaluation:
    """The same point in the principal axes of each λ."""
    problem, theta = at.problem.in_principal_axes(at.theta)
    return replace(at, problem=problem, theta=theta)


def _settle(
    run: Run, problem: Problem, best: Evaluation, decrement: float, last: FloatArray
) -> tuple[Evaluation, float]:
    """The best point after its last step, in the chart of `problem`, canonical.

    Nearly singular directions are put exactly on the boundary unless the criterion rises.
    """
    if decrement <= NO_STEP:
        last = np.zeros_like(last)
    theta = _plain(problem, best, last)
    snapped = problem.on_boundary(theta)
    if not np.array_equal(snapped, theta):
        trial = run(problem, snapped)
        if trial is not None and trial.value <= best.value + best.rounding:
            return _rested(trial)
    if last.any():
        trial = run(problem, theta)
        if trial is not None and trial.value <= best.value:
            return _rested(trial)
        theta = _plain(problem, best)
    if best.problem is problem and np.array_equal(theta, best.theta):
        return best, decrement
    return differentiate(replace(best, problem=problem, theta=theta)), decrement


def _plain(problem: Problem, at: Evaluation, step: FloatArray | float = 0.0) -> FloatArray:
    """θ a step from `at`, canonical, as `problem` writes it."""
    return problem.root_theta(at.problem.factors(at.theta + step))


def _rested(at: Evaluation) -> tuple[Evaluation, float]:
    """With derivatives, and what a further step would promise."""
    at = differentiate(at)
    return at, _model(at).decrement
