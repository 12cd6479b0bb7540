"""The criterion of small models on arrays that are used again, with as few calls as possible.

The formulas are those of :mod:`lmforms.engine.criterion.evaluate`, the arithmetic that of the
factors: :class:`.LevelFactorization` for one grouping factor, and :class:`.SmallFactorization` for
several with one effect per level. λ is linear in θ. β and σ are profiled out.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from math import inf, nan
from typing import Any

import numpy as np

from ...covariance import SMALLEST_REGULAR, regular_inverse
from ...support.arrays import FloatArray
from ..criterion import gls
from ..criterion.criterion_parts import CriterionParts
from ..criterion.problem import Problem
from ..factor import System
from ..factor.small_factorization import lapack, scalar_derivatives, scalar_products
from .newton import MOST_COMPILED

_NO_MATRIX = np.empty((0, 0))


def plain_criterion(problem: Problem) -> PlainCriterion | None:
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
    if system.is_small and system.is_scalar and problem.n_theta == len(system.shapes):
        return ScalarCriterion(problem)
    return None


class PlainCriterion(ABC):
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


class LevelCriterion(PlainCriterion):
    """With one grouping factor. Arrays are those of :mod:`lmforms.engine.factor.level_kernels`."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem)
        self._levels = problem.system.level_arrays
        (n, k, _), (q, _, r) = self._slopes[0].shape, self._levels[1].shape
        self._sizes = n, k, q, r
        self._effects, self._marginal = np.empty((2, q, k, r))
        self._matrices = np.empty((q, k, k))
        self._room = np.empty((k, max(2 * k + r, r + n + k)))
        self._g, self.curvature = np.empty((k, k)), np.empty((n + 3, n))

    def _factored(self) -> tuple[float, FloatArray]:
        (lam,), (zz, zr, pilot), (_, _, q, r) = self._lams, self._levels, self._sizes
        inverse, moments = _NO_MATRIX, np.zeros((r, r))
        if len(pilot) and (root := regular_inverse(lam)) is not None:
            inverse = root.T @ root
        log_det = self._kernels.levels.level_values(
            0,
            q,
            zz,
            zr,
            pilot,
            lam @ lam.T,
            inverse,
            self._effects,
            self._marginal,
            self._matrices,
            moments,
            self._room,
        )
        return log_det, self._cp.rr + 0.5 * (moments + moments.T)

    def _differentiate(self, exact: bool) -> None:
        (lam,), (slopes,), (n, k, q, r) = self._lams, self._slopes, self._sizes
        p, reml, levels = r - 1, self.problem.reml, self._kernels.levels
        turned = slopes @ lam.T
        changes = turned + turned.transpose(0, 2, 1)
        products = np.zeros((k * k, k * k)) if exact else _NO_MATRIX
        gram = np.zeros((k * p, k * p)) if exact and reml else _NO_MATRIX
        sums = np.zeros((k, 3 * k)), np.zeros((r + n, n)), products, gram
        levels.level_derivatives(
            0,
            q,
            self._matrices,
            self._marginal,
            self._to_residual[:, 0],
            self._root_x,
            changes,
            reml,
            exact,
            *sums,
            self._room,
        )
        scales = self._s2, float(self._nu)
        levels.derivatives_of_sums(
            p, *sums, changes, slopes, lam, *scales, exact, self._g, self.curvature
        )


class ScalarCriterion(PlainCriterion):
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
        a = scales * gram * scales.T
        a.flat[:: len(a) + 1] += 1.0
        root, info = lapack().dpotrf(a.T, lower=1, clean=1, overwrite_a=1)
        if info:
            return nan, zr
        w = scales * zr if b0 is None else scales * zr - b0 / scales
        v = scales * lapack().dpotrs(root, w, lower=1)[0]
        marginal = zr - gram @ v
        qu = scales * marginal
        cross = qu.T @ qu - v.T @ (zr + marginal)
        self._root, self._scales, self._marginal = root, scales, marginal
        log_det = 2.0 * float(np.log(root.diagonal()).sum())
        return log_det, self._cp.rr + 0.5 * (cross + cross.T)

    def _differentiate(self, exact: bool) -> None:
        _, self.curvature = scalar_derivatives(
            scalar_products(self._root, self._scales, self._gram),
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
