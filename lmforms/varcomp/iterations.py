"""The walks of iterative estimators over the likelihood: steps, halvings, boundary.

A step of a Newton-like method is cut short of zero and halved until the likelihood rises. Where
the information is not positive definite the average information takes its place; where no step
helps, an EM step is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..errors import NumericalError
from ..support.arrays import FloatArray
from . import steps
from .equations import Equations
from .likelihood import Likelihood, likelihood

HALVINGS = 12
"""A Newton step is halved so many times before an EM step is taken in its place."""

SHRINK = 0.1
"""What is left of a variance that a step would make negative, but that does not belong at zero."""

EM_TRIES = 20
"""Every so many EM steps …"""

SMALL = 0.05
"""… variances below this share of σ² that shrink are tried at zero: EM gets there as 1/t."""

ROUNDING = 64 * np.finfo(float).eps
"""Share of the criterion by which it may rise and still not be said to."""


@dataclass
class Path:
    """The points that a method went through.

    Attributes
    ----------
    equations : Equations
    reml : bool
    points, criteria, kinds : list
        Variances, −2 ln L and the kind of step, in the units of the sums.
    """

    equations: Equations
    reml: bool
    points: list[FloatArray]
    criteria: list[float]
    kinds: list[str]

    def at(self, variances: FloatArray) -> Likelihood:
        """The model at these variances."""
        return likelihood(self.equations, variances, self.reml)

    def add(self, at: Likelihood, kind: str) -> None:
        """Go there."""
        self.points.append(at.variances)
        self.criteria.append(at.criterion)
        self.kinds.append(kind)

    def extend(self, other: Path) -> None:
        """Go on along another path."""
        self.points += other.points
        self.criteria += other.criteria
        self.kinds += other.kinds


def iterate(path: Path, at: Likelihood, method: str, tolerance: float, limit: int) -> Likelihood:
    """Steps of one method until none promises anything."""
    move: Callable[[Path, Likelihood, str], tuple[Likelihood, str] | None]
    move = _em_step if method in _EM else _newton_step
    before = np.inf
    for i in range(limit):
        left = steps.decrement(at)
        hidden = left <= rounding(at)  # in the criterion; derivatives see a little further
        if left <= tolerance or (hidden and left >= before):
            break
        before = left
        found = _to_zero(path, at) if method in _EM and i % EM_TRIES == EM_TRIES - 1 else None
        found = found or move(path, at, method)
        if found is None:
            break
        at, kind = found
        path.add(at, kind)
    return at


_EM = {"em": steps.em, "em-fixed-point": steps.em_fixed_point}


def _em_step(path: Path, at: Likelihood, method: str) -> tuple[Likelihood, str] | None:
    new = path.at(_EM[method](at))
    if method == "em-fixed-point" and higher(new, at):
        new, method = path.at(steps.em(at)), "em"
    return None if np.array_equal(new.variances, at.variances) else (new, method)


def _to_zero(path: Path, at: Likelihood) -> tuple[Likelihood, str] | None:
    """Small variances that shrink put to zero, where EM only arrives after infinite time."""
    shrinks = at.score[:-1] < 0
    small = (at.variances[:-1] > 0) & (at.variances[:-1] * at.sums.sizes < SMALL * at.scale)
    zero = np.append(shrinks & small, False)
    if not zero.any():
        return None
    trial = path.at(np.where(zero, 0.0, at.variances))
    if higher(trial, at) or (trial.score[zero] > 0).any():
        return None
    return trial, "boundary"


def _newton_step(path: Path, at: Likelihood, method: str) -> tuple[Likelihood, str] | None:
    """The step, cut short of zero and halved until the likelihood rises; EM's otherwise."""
    step = steps.newton(at, steps.INFORMATIONS[method])
    if step is None:  # far from the optimum, or near zero, −∂²l is often not positive definite
        method = "ai"
        step = steps.newton(at, steps.INFORMATIONS[method])
    for k in range(HALVINGS if step is not None else 0):
        assert step is not None
        new = at.variances + 0.5**k * step
        if not new[-1] > 0:
            continue
        below = new < 0
        if below.any():  # to zero if the likelihood wants it there, else only towards it
            trial = path.at(np.where(below, 0.0, new))
            if not higher(trial, at) and (trial.score[below] <= 0).all():
                return trial, method
            new = np.where(below, SHRINK * at.variances, new)
        trial = path.at(new)
        if not higher(trial, at):
            return trial, method
    trial = path.at(steps.em(at))
    return None if higher(trial, at) else (trial, "em")


def higher(new: Likelihood, old: Likelihood) -> bool:
    """Whether the criterion rises by more than its rounding."""
    return bool(new.criterion > old.criterion + rounding(old))


def rounding(at: Likelihood) -> float:
    """By how much a computed criterion may be off."""
    return float(ROUNDING * max(1.0, abs(at.criterion)))


def quasi_newton(
    path: Path, at: Likelihood, method: str, tolerance: float, limit: int
) -> Likelihood:
    """L-BFGS-B in units in which the average information at the start has a unit diagonal."""
    from scipy.optimize import minimize

    del tolerance  # L-BFGS-B goes on until rounding stops it
    best = at
    for _ in range(3):  # in units of where the last round ended
        units = 1.0 / np.sqrt(np.maximum(np.diag(best.average), np.finfo(float).tiny))

        def objective(x: FloatArray, units: FloatArray = units) -> tuple[float, FloatArray]:
            nonlocal best
            try:
                now = path.at(np.maximum(x * units, 0.0))
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


def settled(path: Path, at: Likelihood) -> Likelihood:
    """Variances that are held near zero put there, unless the likelihood falls."""
    held = ~steps.free(at)
    if not (at.variances[held] > 0).any():
        return at
    trial = path.at(np.where(held, 0.0, at.variances))
    if higher(trial, at):
        return at
    path.add(trial, "boundary")
    return trial
