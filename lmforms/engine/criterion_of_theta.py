"""The criterion of a fit as a function of θ in the user's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import NumericalError
from ..support.arrays import FloatArray
from .criterion.evaluate import evaluate
from .criterion.problem import Problem
from .criterion.residual_problem import ResidualProblem
from .linalg.threads import limited_blas_threads
from .user_units import Estimate, engine_theta


@dataclass(frozen=True, eq=False)
class CriterionOfTheta:
    """−2 × (restricted) log-likelihood, β and σ profiled out, at the estimated φ.

    Parameters
    ----------
    estimate : Estimate
        With a factor.
    sizes : ndarray (m,)
        Root of the size of the known covariance of each grouping factor, 1 without one.
    """

    estimate: Estimate
    sizes: FloatArray

    def __call__(self, theta: Sequence[FloatArray]) -> float:
        """The criterion at θ of each grouping factor; infinite where it cannot be evaluated."""
        problem = self.estimate.problem
        assert isinstance(problem, Problem)
        covariances, scaling = problem.covariances, self.estimate.scaling
        each = zip(covariances, theta, self.sizes, strict=True)
        unit = [c.scaled(np.asarray(t, dtype=np.float64), float(s)) for c, t, s in each]
        parameters = engine_theta(unit, covariances, scaling)
        if isinstance(problem, ResidualProblem):
            parameters = np.append(parameters, problem.residual.phi)
        with limited_blas_threads(problem.largest):
            try:
                value = evaluate(problem, parameters).value
            except NumericalError:
                return float("inf")
        return value + scaling.criterion_shift(problem.nu, problem.reml)

    def steps(self) -> list[tuple[list[FloatArray], float]]:
        """Where the optimiser evaluated the criterion, by grouping factor, and its value there.

        Empty where there was no search, and of a fit from a file. With φ, which were estimated
        together with θ, the values are those of other φ.
        """
        estimate = self.estimate
        shift = estimate.scaling.criterion_shift(estimate.problem.nu, estimate.reml)
        optimum: Any = estimate.optimum
        path = getattr(optimum, "path", ())
        return [
            (self._in_user_units(own, theta), value + shift)
            for (own, theta), value in zip(path, optimum.trace if path else (), strict=True)
        ]

    def _in_user_units(self, structures: Sequence[Any], theta: FloatArray) -> list[FloatArray]:
        problem, bases = self.estimate.problem, self.estimate.scaling.units.bases
        out = []
        for c, own, s, basis, size in zip(
            problem.covariances, structures, problem.theta_slices(), bases, self.sizes, strict=True
        ):
            canonical = c.transform(c.canonical(theta[s], own), basis.linear)
            out.append(c.scaled(canonical, 1.0 / float(size)))
        return out
