"""Newton searches for small models.

A small model is fitted in the time of its calls. This is :func:`.local_search.local_minimum` with a
fraction of them: the same steps, by the same arithmetic, from the same start. Where more is needed
than full steps that lower the criterion it gives up, and the general search begins anew: long or
rejected steps, principal axes, saddles, the boundary.
"""

from __future__ import annotations

from math import inf, nan
from typing import Any

import numpy as np

from ...support.arrays import FloatArray
from ..criterion.evaluate import Differentiated, differentiate, evaluate
from ..criterion.problem import Problem
from .local_search import (
    LEAST_DECREMENT_SHARE,
    LEAST_FIRST_RADIUS,
    NEGLIGIBLE_DECREMENT,
    QUADRATIC_DECREMENT,
    RELATIVE_TOLERANCE,
    SearchRun,
    is_no_rise,
)
from .newton import (
    MODEL_BOUNDS,
    NEGATIVE_CURVATURE,
    POOR_AGREEMENT,
    QuadraticModel,
    floored_curvature,
)
from .small_model_criteria import SmallModelCriterion, small_model_criterion


def small_model_minimum(
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
    criterion = small_model_criterion(problem)
    if criterion is None:
        return None
    search = _Search(problem, criterion, tolerance, run.limit - len(run.trace))
    found = search.minimum(theta)
    if found is not None:
        run.add_evaluations(problem, search.path)
    return found


class _Search:
    """One search."""

    def __init__(
        self, problem: Problem, criterion: SmallModelCriterion, tolerance: float, limit: int
    ) -> None:
        self.problem, self.criterion = problem, criterion
        self.tolerance, self.limit = tolerance, limit
        self.path: list[tuple[FloatArray, float]] = []
        self.is_exact = False  # whether the last curvature was the Hessian
        self.kernels: Any = problem.system.kernels
        n = problem.n_theta
        self.axes, self.sizes = np.empty((2, n, n)), np.empty((3, n))

    def minimum(self, theta: FloatArray) -> tuple[Differentiated, float] | None:
        """The minimum and the decrement there, or None."""
        value = self._value(theta)
        if not (value < inf and self._suits(theta)):
            return None
        decrement, radius = self._differentiate(False), LEAST_FIRST_RADIUS
        while decrement > self._least(value):
            step, length = self._step()
            if length > radius:
                return None
            trial = theta + step
            found = self._value(trial)
            if not found < value:
                return None
            ratio = (value - found) / decrement
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

    def _end(
        self, theta: FloatArray, value: float, decrement: float
    ) -> tuple[Differentiated, float] | None:
        """After a last step, unless the boundary is near."""
        last = decrement > NEGLIGIBLE_DECREMENT
        end = self.problem.canonical(theta + self._step()[0] if last else theta, self.problem)
        if (self.problem.on_boundary(end) != end).any():
            return None
        if not last:
            if (end != theta).any():
                return None
            return differentiate(evaluate(self.problem, end), self.is_exact), decrement
        if len(self.path) >= self.limit:
            return None
        at = evaluate(self.problem, end)
        self.path.append((end, at.value))
        if not is_no_rise(at, value):
            return None
        best = differentiate(at)
        left = QuadraticModel.of(best, None, self.problem.system.kernels).decrement
        is_there = left <= LEAST_DECREMENT_SHARE * self._least(value) or not at.value < value
        return (best, left) if is_there else None

    def _value(self, theta: FloatArray) -> float:
        """The criterion, NaN where it cannot be evaluated or may not any more."""
        if len(self.path) >= self.limit:
            return nan
        value = self.criterion.value(theta)
        self.path.append((theta, value))
        return value

    def _differentiate(self, exact: bool) -> float:
        """The quadratic model at the last point; gives the decrement."""
        self.is_exact, n = exact, len(self.axes[0])
        self.criterion.differentiate(exact)
        found, (matrix, axes) = self.criterion.curvature, self.axes
        unit, values, slope = self.sizes
        given = found[n], found[:n], found[n + 1], matrix
        filled = unit, values, axes, slope
        return float(self.kernels.newton.quadratic_model(*given, *filled, *MODEL_BOUNDS))

    def _step(self) -> tuple[FloatArray, float]:
        """A Newton step and its scaled length."""
        unit, values, slope = self.sizes
        z = -slope / floored_curvature(values)
        return self.axes[1] @ z / unit, float(z @ z) ** 0.5

    def _least(self, value: float) -> float:
        return max(self.tolerance, RELATIVE_TOLERANCE * abs(value))

    def _suits(self, theta: FloatArray) -> bool:
        """Whether the general search would not take the principal axes of λ."""
        return self.problem.in_principal_axes(theta)[0] is self.problem
