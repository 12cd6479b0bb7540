"""Trust-region Newton on the average information, with boundary logic and a fallback.

θ has no bounds here: a negative diagonal of λ is the same model, so θ = 0 is an inner
point, where the curvature term 2⟨G ∂λ, ∂λ⟩ of the information tells whether to leave it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from .control import Control
from .criterion import Evaluation, Problem, differentiate, evaluate
from .curvature import curvature_is_cheap
from .errors import NumericalError
from .newton import QuadraticModel, next_radius
from .start import moment_start
from .status import exhausted_message
from .variance_curves import is_delicate, other_minima, without_each_part

FloatArray = npt.NDArray[np.float64]

RADIUS = 20.0
"""First trust radius, in units where the information has a unit diagonal."""

LOCAL = 0.1
"""Below this decrement the criterion is quadratic enough for its own Hessian, or secants."""

SIZES = (0.1, 1.0, 10.0, 100.0)
"""Standard deviations, in units of σ, tried as a start beside the moments if levels are uneven."""

UNEVEN = 100.0
"""A level with this many times the usual sum of squares: other starts are tried as well."""

STALLED = 1e-6
"""Promised decrease that counts as none when no step lowers the criterion."""

AT_REST = 1e-3
"""A last step that leaves more than this share of the tolerance is followed by another."""

ROUNDS = 5
"""Walks in all: after a last step, a saddle or a stall the walk is taken up again."""

FEW_CANDIDATES, CANDIDATES = 3, 8
"""Searches from elsewhere, in a row, that find nothing lower: usually, and in delicate models."""

SAME_OPTIMUM = 1e-6
"""Criteria closer than this are of one optimum."""

NO_STEP = 1e-14
"""A decrement below this moves θ by less than 10⁻⁷ of its standard error."""


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
    """

    evaluation: Evaluation
    converged: bool
    message: str
    n_evaluations: int
    trace: tuple[float, ...]
    decrement: float


class _Run:
    """Evaluations of one run: keeps their trace, failures as +∞."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.trace: list[float] = []

    def __call__(self, problem: Problem, theta: FloatArray) -> Evaluation | None:
        """The value at θ; derivatives are added to points that are kept."""
        try:
            return self.insist(problem, theta)
        except NumericalError:
            self.trace.append(float("inf"))
            return None

    def insist(self, problem: Problem, theta: FloatArray) -> Evaluation:
        """The value at θ, or its error."""
        result = evaluate(problem, theta, 0)
        self.trace.append(result.value)
        return result

    @property
    def exhausted(self) -> bool:
        return len(self.trace) >= self.limit


def minimize(
    problem: Problem,
    control: Control,
    start: FloatArray | None = None,
    other_optima: bool = True,
) -> Optimum:
    """Minimise the profiled criterion over θ.

    Parameters
    ----------
    problem : Problem
    control : Control
    start : ndarray, optional
        Where to begin; moment estimates otherwise.
    other_optima : bool
        Look beyond the nearest optimum.

    Raises
    ------
    NumericalError
        The criterion cannot be evaluated at the start.
    """
    run = _Run(control.max_evaluations)
    if problem.n_theta == 0:
        best = differentiate(run.insist(problem, np.empty(0)))
        message = "no variance parameters: nothing to optimise"
        return Optimum(best, True, message, 1, (best.value,), 0.0)

    first = _first(run, problem) if start is None else run.insist(problem, np.asarray(start))
    best, decrement = _local_minimum(run, problem, first, control.tolerance)
    others: list[float] = []
    if other_optima:
        best, decrement, others = _lower_optima(run, problem, best, decrement, control.tolerance)

    # a decrease that rounding hides cannot be looked for any further
    small = max(_tolerance(best, control.tolerance), best.rounding)
    if not run.exhausted:  # the walk stalled
        small = max(small, STALLED * (1.0 + 1e-3 * abs(best.value)))
    converged = bool(decrement <= small)
    if converged:
        message = "converged: a Newton step promises no further decrease"
    elif run.exhausted:
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
    )


def _lower_optima(
    run: _Run, problem: Problem, best: Evaluation, decrement: float, tolerance: float
) -> tuple[Evaluation, float, list[float]]:
    """The lowest of `best` and the optima that searches from elsewhere lead to; the others."""
    others: list[float] = []
    delicate = is_delicate(problem)
    failures = 0
    starts = _other_starts(run, best, delicate)
    while starts and failures < (CANDIDATES if delicate else FEW_CANDIDATES) and not run.exhausted:
        begin = run(problem, starts.pop(0))
        if begin is None:
            continue
        found, left = _local_minimum(run, problem, begin, tolerance)
        if found.value < best.value - SAME_OPTIMUM:
            others.append(best.value)
            best, decrement, failures = found, left, 0
            starts = _other_starts(run, best, delicate)
        else:
            failures += 1
            others.append(found.value)
    return best, decrement, others


def _other_starts(run: _Run, best: Evaluation, delicate: bool) -> list[FloatArray]:
    """θ of other minima along one variance, seen from `best` and, in delicate models, from
    where one part of it has no variance, lowest first."""
    found = [(best.value + c.change, c.theta) for c in other_minima(best)]
    if delicate:
        for theta in without_each_part(best.problem, best.theta):
            at = run(best.problem, theta)
            if at is not None:
                found += [(at.value + c.change, c.theta) for c in other_minima(at)]
                found.append((at.value, at.theta))
    return [theta for _, theta in sorted(found, key=lambda start: start[0])]


def _local_minimum(
    run: _Run, problem: Problem, first: Evaluation, tolerance: float
) -> tuple[Evaluation, float]:
    """The minimum that leads down from `first`, and what a further step there promises."""
    best = first
    for _ in range(ROUNDS):
        best, decrement, last = _newton(run, differentiate(_charted(best)), tolerance)
        least = _tolerance(best, tolerance)
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


def _first(run: _Run, problem: Problem) -> Evaluation:
    """At moment estimates, or, where slopes can make more than one valley, the lowest of some."""
    moments = moment_start(problem)
    tries = [moments]
    if _uneven(problem):
        plain = np.concatenate([c.start() for c in problem.covariances])
        tries += [size * plain for size in SIZES]
    found = [at for theta in tries[: run.limit] if (at := run(problem, theta)) is not None]
    if not found:
        return run.insist(problem, moments)
    return min(found, key=lambda at: at.value)


def _uneven(problem: Problem) -> bool:
    """Whether a slope's predictor spreads far more in one level than in most."""
    for f in problem.system.cp.factors:
        if f.zz.shape[-1] > 1:
            sizes = np.einsum("qkk->qk", f.zz)
            if (sizes.max(axis=0) > UNEVEN * np.median(sizes, axis=0)).any():
                return True
    return False


def _tolerance(best: Evaluation, tolerance: float) -> float:
    """The wanted tolerance, but not below the criterion's own rounding."""
    return float(max(tolerance, 64 * np.finfo(float).eps * abs(best.value)))


# --- Newton -------------------------------------------------------------------------------


def _newton(run: _Run, best: Evaluation, tolerance: float) -> tuple[Evaluation, float, FloatArray]:
    """Trust-region Newton from `best`: the best point, its decrement, and the step to rest.

    When the decrement is small the model is trusted to the end, and its last step is left
    to be taken: it brings θ itself to rest.
    """
    radius, exact = RADIUS, curvature_is_cheap(best.problem.system)
    secant = np.zeros((len(best.theta),) * 2)
    model = _model(best)
    while (decrement := model.decrement) > _tolerance(best, tolerance):
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
            trial = differentiate(_charted(trial))
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


def _leave_saddle(run: _Run, best: Evaluation) -> Evaluation | None:
    """A lower point along a direction of negative curvature, or None."""
    found = best
    for direction in _model(best).ways_down():
        for size in (0.001, 0.01, 0.1, 1.0):
            for sign in (1.0, -1.0):
                if run.exhausted:
                    break
                trial = run(best.problem, best.theta + sign * size * direction)
                if trial is not None and trial.value < found.value - _tolerance(best, 1e-9):
                    found = trial
    return differentiate(found) if found is not best else None


def _quasi_newton(run: _Run, best: Evaluation) -> Evaluation | None:
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


def _charted(at: Evaluation) -> Evaluation:
    """The same point in the principal axes of each λ."""
    problem, theta = at.problem.charted(at.theta)
    return replace(at, problem=problem, theta=theta)


def _settle(
    run: _Run, problem: Problem, best: Evaluation, decrement: float, last: FloatArray
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
