"""Plain Newton searches for one unstructured term, on arrays that are used again.

A small model is fitted in the time of its calls. This is :func:`.local_search.local_minimum` with a
fraction of them: the same steps, by the same compiled loops, from the same start. Where more is
needed than full steps that lower the criterion it gives up, and the general search begins anew:
long or rejected steps, principal axes, saddles, the boundary.
"""

from __future__ import annotations

from math import inf, isfinite, nan
from typing import Any

import numpy as np

from ...covariance import Unstructured, regular_inverse
from ...support.arrays import FloatArray
from ..criterion import gls
from ..criterion.criterion_parts import CriterionParts
from ..criterion.evaluate import Differentiated, differentiate, evaluate
from ..criterion.problem import Problem
from ..factor import System
from .local_search import (
    LEAST_DECREMENT_SHARE,
    LEAST_FIRST_RADIUS,
    NEGLIGIBLE_DECREMENT,
    QUADRATIC_DECREMENT,
    RELATIVE_TOLERANCE,
    SearchRun,
)
from .newton import (
    BOUNDS,
    MOST_COMPILED,
    NEGATIVE_CURVATURE,
    POOR_AGREEMENT,
    QuadraticModel,
    floored,
)

_NO_MATRIX = np.empty((0, 0))


def plain_minimum(
    run: SearchRun, problem: Problem, theta: FloatArray, tolerance: float
) -> tuple[Differentiated, float] | None:
    """The minimum and the decrement there, or None where the general search is needed.

    Parameters
    ----------
    run : SearchRun
        Keeps the evaluations of a search that ends here.
    problem : Problem
    theta : ndarray (n_theta,)
        Where to begin.
    tolerance : float
    """
    if not _is_plain(problem):
        return None
    search = _Search(problem, tolerance, run.limit - len(run.trace))
    end = search.minimum(theta)
    if end is None:
        return None
    best = differentiate(evaluate(problem, end), search.is_exact)
    run.add_points(problem, search.path)
    return best, QuadraticModel.of(best, None, problem.system.kernels).decrement


def _is_plain(problem: Problem) -> bool:
    system = problem.system
    return (
        system.kernels is not None
        and type(problem) is Problem
        and type(system) is System
        and system.is_by_level
        and system.chain is None
        and type(problem.covariances[0]) is Unstructured
        and problem.n_theta <= MOST_COMPILED
        and system.cp.p <= gls.MOST_COMPILED
    )


class _Search:
    """One search. Arrays are those of :mod:`lmforms.engine.factor.level_kernels`."""

    def __init__(self, problem: Problem, tolerance: float, limit: int) -> None:
        self.problem, self.tolerance, self.limit = problem, tolerance, limit
        self.path: list[tuple[FloatArray, float]] = []
        self.is_exact = False  # whether the last curvature was the Hessian
        self.kernels: Any = problem.system.kernels
        (self.structure,) = problem.covariances
        self.cp = problem.system.cp
        self.levels = problem.system.level_arrays
        (self.slopes,) = problem.derivatives(np.empty(0))
        (n, k, _), (q, _, r) = self.slopes.shape, self.levels[1].shape
        p = r - 1
        self.n, self.k, self.q, self.p = n, k, q, p
        self.effects, self.marginal = np.empty((2, q, k, r))
        self.matrices = np.empty((q, k, k))
        self.root_x, self.beta = np.zeros((p, p)), np.empty(p)
        self.to_residual = np.ones(r)
        self.room = np.empty((k, max(2 * k + r, r + n + k)))
        self.g, self.out = np.empty((k, k)), np.empty((n + 3, n))
        self.axes, self.sizes = np.empty((2, n, n)), np.empty((3, n))

    def minimum(self, theta: FloatArray) -> FloatArray | None:
        """θ of the minimum, or None."""
        value = self._value(theta)
        if not (value < inf and self._suits(theta)):
            return None
        decrement, radius = self._differentiate(False), LEAST_FIRST_RADIUS
        while decrement > self._least(value):
            step, length, predicted = self._step()
            if length > radius:
                return None
            trial = theta + step
            found = self._value(trial)
            if not found < value:
                return None
            ratio = (value - found) / predicted
            if ratio < POOR_AGREEMENT:
                radius = 0.25 * length
            is_quadratic = decrement < QUADRATIC_DECREMENT and ratio > POOR_AGREEMENT
            if not (is_quadratic or self._suits(trial)):
                return None
            theta, value = trial, found
            decrement = self._differentiate(is_quadratic)
        if self.sizes[1].min() < NEGATIVE_CURVATURE:
            return None
        return self._end(theta, value, decrement)

    def _end(self, theta: FloatArray, value: float, decrement: float) -> FloatArray | None:
        """After a last step, unless the boundary is near."""
        last = decrement > NEGLIGIBLE_DECREMENT
        end = self.structure.canonical(theta + self._step()[0] if last else theta, self.structure)
        if (self.problem.on_boundary(end) != end).any():
            return None
        if not last:
            return theta if (end == theta).all() else None
        before, value = value, self._value(end)
        self.is_exact = False
        if not value <= before:
            return None
        is_there = value == before or self._differentiate(False) <= (
            LEAST_DECREMENT_SHARE * self._least(value)
        )
        return end if is_there else None

    def _least(self, value: float) -> float:
        return max(self.tolerance, RELATIVE_TOLERANCE * abs(value))

    def _suits(self, theta: FloatArray) -> bool:
        """Whether the general search would not take the principal axes of λ."""
        return self.structure.in_principal_axes(theta)[0] is self.structure

    # --- the criterion ------------------------------------------------------------------------

    def _value(self, theta: FloatArray) -> float:
        """The criterion, NaN where it cannot be evaluated or may not any more."""
        if len(self.path) >= self.limit:
            return nan
        (self.lam,) = self.problem.lams(theta)
        zz, zr, pilot = self.levels
        inverse, moments = _NO_MATRIX, np.zeros((self.p + 1, self.p + 1))
        if len(pilot) and (root := regular_inverse(self.lam)) is not None:
            inverse = root.T @ root
        log_det = self.kernels.levels.level_values(
            0,
            self.q,
            zz,
            zr,
            pilot,
            self.lam @ self.lam.T,
            inverse,
            self.effects,
            self.marginal,
            self.matrices,
            moments,
            self.room,
        )
        moments = self.cp.rr + 0.5 * (moments + moments.T)
        r2, log_det_x = self.kernels.levels.least_squares(moments, self.beta, self.root_x)
        if not (0.0 < r2 < inf and isfinite(log_det)):
            return nan
        nu, reml = self.problem.nu, self.problem.reml
        parts = CriterionParts(log_det, log_det_x, self.cp.log_det_residual, r2, nu, reml)
        self.s2, value = parts.sigma2, parts.value
        self.path.append((theta, value))
        return value

    def _differentiate(self, exact: bool) -> float:
        """Gradient and curvature at the last point; gives the decrement."""
        (n, k, p), reml = (self.n, self.k, self.p), self.problem.reml
        self.is_exact = exact
        self.to_residual[:p] = -self.beta
        turned = self.slopes @ self.lam.T
        changes = turned + turned.transpose(0, 2, 1)
        products = np.zeros((k * k, k * k)) if exact else _NO_MATRIX
        gram = np.zeros((k * p, k * p)) if exact and reml else _NO_MATRIX
        sums = np.zeros((k, 3 * k)), np.zeros((p + n + 1, n)), products, gram
        levels, out = self.kernels.levels, self.out
        levels.level_derivatives(
            0,
            self.q,
            self.matrices,
            self.marginal,
            self.to_residual,
            self.root_x,
            changes,
            reml,
            exact,
            *sums,
            self.room,
        )
        nu = float(self.problem.nu)
        levels.derivatives_of_sums(
            p, *sums, changes, self.slopes, self.lam, self.s2, nu, exact, self.g, out
        )
        unit, values, slope = self.sizes
        self.decrement = self.kernels.newton.quadratic_model(
            out[n], out[:n], out[n + 1], self.axes[0], unit, values, self.axes[1], slope, *BOUNDS
        )
        return self.decrement

    def _step(self) -> tuple[FloatArray, float, float]:
        """A Newton step, its scaled length and the predicted decrease."""
        unit, values, slope = self.sizes
        z = -slope / floored(values)
        return self.axes[1] @ z / unit, float(z @ z) ** 0.5, self.decrement
