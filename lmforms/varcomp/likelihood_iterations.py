"""Iterations of the estimators that maximise the likelihood: steps, halvings, boundary.

A step of a Newton-like method is shortened to keep variances from being negative, and halved until
the likelihood increases. Where the information is not positive definite the average information is
used; where no step increases the likelihood, an EM step is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from ..errors import NumericalError
from ..support.arrays import FloatArray
from . import estimator_steps
from .component_problem import ComponentProblem
from .likelihood import Likelihood, likelihood

MOST_HALVINGS = 12
"""Halvings of a Newton step before an EM step replaces it."""

REDUCED_VARIANCE = 0.1
"""Share of a variance that is kept if a step would make it negative, but zero is not optimal."""

EM_STEPS_BETWEEN_TRIALS = 20
"""After this number of EM steps small variances are tried at zero."""

SMALL_VARIANCE = 0.05
"""Decreasing variances below this share of σ² are tried at zero, which EM approaches as 1/t."""

CRITERION_ROUNDING = 64 * np.finfo(float).eps
"""Increases of the criterion below this share of it are rounding."""


@dataclass
class IterationPath:
    """The iterations of a method.

    Attributes
    ----------
    problem : ComponentProblem
    reml : bool
    points, criteria, kinds : list
        Variances in the engine's units, −2 ln L, and the kind of step.
    """

    problem: ComponentProblem
    reml: bool
    points: list[FloatArray] = field(default_factory=list)
    criteria: list[float] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)

    def likelihood_at(self, variances: FloatArray) -> Likelihood:
        """The model at these variances."""
        return likelihood(self.problem, variances, self.reml)

    def add(self, at: Likelihood, kind: str) -> None:
        """Add an iteration."""
        self.points.append(at.variances)
        self.criteria.append(at.criterion)
        self.kinds.append(kind)

    def extend(self, other: IterationPath) -> None:
        """Add the iterations of another path."""
        self.points += other.points
        self.criteria += other.criteria
        self.kinds += other.kinds


def iterate(
    path: IterationPath, at: Likelihood, method: str, tolerance: float, limit: int
) -> Likelihood:
    """Iterate one method until the predicted increase is below the tolerance."""
    move: Callable[[IterationPath, Likelihood, str], tuple[Likelihood, str] | None]
    move = _em_step if method in _EM else _newton_step
    before = np.inf
    for i in range(limit):
        left = estimator_steps.decrement(at)
        hidden = left <= rounding(at)  # in the criterion; derivatives are a little more accurate
        if left <= tolerance or (hidden and left >= before):
            break
        before = left
        found = None
        if method in _EM and (i + 1) % EM_STEPS_BETWEEN_TRIALS == 0:
            found = _to_zero(path, at)
        found = found or move(path, at, method)
        if found is None:
            break
        at, kind = found
        path.add(at, kind)
    return at


_EM = {
    "em": estimator_steps.em,
    "em-fixed-point": estimator_steps.em_fixed_point,
    "em-henderson": estimator_steps.em_henderson,
}


def _em_step(path: IterationPath, at: Likelihood, method: str) -> tuple[Likelihood, str] | None:
    new = path.likelihood_at(_EM[method](at))
    if method != "em" and higher(new, at):
        new, method = path.likelihood_at(estimator_steps.em(at)), "em"
    return None if np.array_equal(new.variances, at.variances) else (new, method)


def _to_zero(path: IterationPath, at: Likelihood) -> tuple[Likelihood, str] | None:
    """Try small, decreasing variances at zero, which EM reaches only in the limit."""
    shrinks = at.score[:-1] < 0
    own = at.variances[:-1]
    small = (own > 0) & (own < SMALL_VARIANCE * at.scale)
    zero = np.append(shrinks & small, False)
    if not zero.any():
        return None
    trial = path.likelihood_at(np.where(zero, 0.0, at.variances))
    if higher(trial, at) or (trial.score[zero] > 0).any():
        return None
    return trial, "boundary"


def _newton_step(path: IterationPath, at: Likelihood, method: str) -> tuple[Likelihood, str] | None:
    """A step within bounds, halved until the likelihood increases; an EM step if none does."""
    step = estimator_steps.newton(at, estimator_steps.INFORMATIONS[method])
    if step is None:  # far from the optimum, or near zero, −∂²l is often not positive definite
        method = "ai"
        step = estimator_steps.newton(at, estimator_steps.INFORMATIONS[method])
    for k in range(MOST_HALVINGS if step is not None else 0):
        assert step is not None
        new = at.variances + 0.5**k * step
        if not new[-1] > 0:
            continue
        below = new < 0
        if below.any():  # to zero if the score points there, else only towards it
            trial = path.likelihood_at(np.where(below, 0.0, new))
            if not higher(trial, at) and (trial.score[below] <= 0).all():
                return trial, method
            new = np.where(below, REDUCED_VARIANCE * at.variances, new)
        trial = path.likelihood_at(new)
        if not higher(trial, at):
            return trial, method
    trial = path.likelihood_at(estimator_steps.em(at))
    return None if higher(trial, at) else (trial, "em")


def higher(new: Likelihood, old: Likelihood) -> bool:
    """Whether the criterion rises by more than its rounding."""
    return bool(new.criterion > old.criterion + rounding(old))


def rounding(at: Likelihood) -> float:
    """Bound of the rounding error of a criterion."""
    return float(CRITERION_ROUNDING * max(1.0, abs(at.criterion)))


def quasi_newton(
    path: IterationPath, at: Likelihood, method: str, tolerance: float, limit: int
) -> Likelihood:
    """L-BFGS-B in units in which the average information at the start has a unit diagonal."""
    from scipy.optimize import minimize

    del tolerance  # L-BFGS-B iterates to the limit of rounding
    best = at
    for _ in range(3):  # in units of the last optimum
        units = 1.0 / np.sqrt(
            np.maximum(np.diag(best.of_variances(best.average)), np.finfo(float).tiny)
        )

        def objective(x: FloatArray, units: FloatArray = units) -> tuple[float, FloatArray]:
            nonlocal best
            try:
                now = path.likelihood_at(np.maximum(x * units, 0.0))
                value, slope = now.criterion, -2.0 * now.score * units
            except NumericalError:
                return 1e300, np.zeros_like(x)
            if now.criterion < best.criterion:
                best = now
                path.add(now, method)
            return value, slope

        r = len(units) - 1
        low = np.append(np.zeros(r), 1e-8 * best.scale / units[-1])
        minimize(
            objective,
            best.variances / units,
            jac=True,
            method="L-BFGS-B",
            bounds=[(float(x), None) for x in low],
            options={"ftol": 1e-16, "gtol": 1e-10, "maxfun": 10 * limit, "maxiter": limit},
        )
    return best


def with_boundary_variances_zero(path: IterationPath, at: Likelihood) -> Likelihood:
    """Set variances at the boundary, near zero, to zero unless the likelihood decreases."""
    at_boundary = ~estimator_steps.free(at)
    if not (at.variances[at_boundary] > 0).any():
        return at
    trial = path.likelihood_at(np.where(at_boundary, 0.0, at.variances))
    if higher(trial, at):
        return at
    path.add(trial, "boundary")
    return trial
