"""The criterion of small models on arrays that are used again, with few calls.

The formulas are those of :mod:`lmforms.engine.criterion.evaluate`, the arithmetic that of the
factors: :class:`.LevelFactorization` for one grouping factor, and :class:`.SmallFactorization` for
several with one effect per level. λ is linear in θ. β and σ are profiled out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf, nan
from typing import Any

import numpy as np

from ...covariance import SMALLEST_REGULAR
from ...support.arrays import FloatArray
from ..criterion import gls
from ..criterion.criterion_parts import CriterionParts
from ..criterion.problem import Problem
from ..factor import System
from ..factor.level_factorization import LevelPasses
from ..factor.small_factorization import (
    factored_with_identity,
    marginal_responses,
    scalar_derivatives,
    scalar_marginal_matrix,
)
from .newton import MOST_COMPILED


def small_model_criterion(problem: Problem) -> SmallModelCriterion | None:
    """The criterion in this form, or None where there is none."""
    system = problem.system
    if system.kernels is None or type(problem) is not Problem or type(system) is not System:
        return None
    if not (problem.is_linear and problem.hessian_is_cheap and system.cp.factors):
        return None
    if problem.n_theta > MOST_COMPILED or system.cp.p > gls.MOST_COMPILED:
        return None
    if system.is_by_level:
        return LevelCriterion(problem)
    if system.is_small and system.has_scalar_effects and problem.n_theta == len(system.shapes):
        return ScalarCriterion(problem)
    return None


class SmallModelCriterion(ABC):
    """The criterion at the last θ that it was evaluated at.

    Attributes
    ----------
    curvature : ndarray (n_theta + 3, n_theta)
        The curvature, the gradient, its scale and h, from :meth:`differentiate`.
    """

    curvature: FloatArray

    def __init__(self, problem: Problem) -> None:
        self.problem, self._cp = problem, problem.system.cp
        self._kernels: Any = problem.system.kernels
        self._slopes, p = problem.derivatives(np.empty(0)), problem.system.cp.p
        self._root_x, self._beta = np.zeros((p, p)), np.empty(p)
        self._to_residual = np.empty((p + 1, 1))
        self._to_residual[p] = 1.0
        self._nu = problem.nu

    def value(self, theta: FloatArray) -> float:
        """The criterion, NaN where it cannot be evaluated."""
        self._lams = self.problem.lams(theta)
        log_det, moments = self._factored()
        if not -inf < log_det < inf:
            return nan
        r2, log_det_x = self._kernels.levels.least_squares(moments, self._beta, self._root_x)
        if not 0.0 < r2 < inf:
            return nan
        log_det_residual, reml = self._cp.log_det_residual, self.problem.reml
        parts = CriterionParts(log_det, log_det_x, log_det_residual, r2, self._nu, reml)
        self._s2 = parts.sigma2
        return parts.value

    def differentiate(self, exact: bool) -> None:
        """Gradient and curvature, the Hessian if `exact`."""
        self._to_residual[:-1, 0] = -self._beta
        self._differentiate(exact)

    @abstractmethod
    def _factored(self) -> tuple[float, FloatArray]:
        """ln|A|, NaN where it is not positive definite, and [X y]'V₀⁻¹[X y]."""

    @abstractmethod
    def _differentiate(self, exact: bool) -> None: ...


class LevelCriterion(SmallModelCriterion):
    """With one grouping factor."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        assert isinstance(problem.system, System)
        self._passes = LevelPasses(problem.system)

    def _factored(self) -> tuple[float, FloatArray]:
        return self._passes.values(self._lams[0])

    def _differentiate(self, exact: bool) -> None:
        here = self._to_residual, self._root_x, self._lams[0], self._slopes[0], self._s2
        _, self.curvature = self._passes.linear_derivatives(
            *here, float(self._nu), self.problem.reml, exact
        )


class ScalarCriterion(SmallModelCriterion):
    """With several grouping factors of one effect per level and few effects in all.

    It cannot be evaluated here where λ is so small that it counts as singular.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        system = problem.system
        self._gram, self._right = system.whole_gram, system.whole_right
        self._indicators = system.factor_indicators
        self._units = np.array([slope.item() for slope in self._slopes])

    def _factored(self) -> tuple[float, FloatArray]:
        (zr, b0), gram = self._right, self._gram
        own = [lam.item() for lam in self._lams]
        if not min(map(abs, own)) > SMALLEST_REGULAR:
            return nan, zr
        self._own = np.array(own)
        scales = (self._indicators @ self._own)[:, None]
        root, log_det = factored_with_identity(scales * gram * scales.T)
        if log_det != log_det:
            return nan, zr
        w = scales * zr if b0 is None else scales * zr - b0 / scales
        times = scales.__mul__  # of Λ and of Λ'
        found = marginal_responses(root, gram, zr, w, None, times, times)
        self._root, self._scales, self._marginal = root, scales, found[1]
        return log_det, self._cp.rr + found[2]

    def _differentiate(self, exact: bool) -> None:
        _, self.curvature = scalar_derivatives(
            scalar_marginal_matrix(self._root, self._scales, self._gram),
            self._marginal,
            self._to_residual,
            self._root_x,
            self._indicators,
            self._own,
            self._units,
            self._s2,
            self._nu,
            reml=self.problem.reml,
            exact=exact,
        )
