"""An estimate in the user's units: what the engine's optimum means to a user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from ..covariance import Covariance
from ..residual import Residual
from ..support.arrays import FloatArray
from .criterion.criterion_parts import CriterionParts
from .criterion.problem import Problem, StructuredProblem
from .iterative import IterativeOptimum, IterativeProblem
from .optimize.minimize import Optimum
from .status import OptimizerReport
from .sums.units import Scaling


@dataclass(frozen=True, eq=False)
class Estimate:
    """A fit in the user's units, by grouping factor, without labels; computed when asked for.

    Attributes
    ----------
    problem : Problem or IterativeProblem
        The criterion that was minimised (engine's units), exactly or by its estimated score.
    optimum : Optimum or IterativeOptimum
        The end of the search, and why it ended.
    tolerance : float
        Standard deviation relative to σ below which a direction of random effects is singular.
    unidentified : tuple of (int, int)
        Random terms along whose variances the criterion does not change.
    residual : Residual or None
        Structure of the residuals at the estimated φ, if it has parameters.
    sizes : ndarray (factors,) or None
        By which λ of the optimum is divided, of levels whose covariances were normalised.
    """

    problem: Problem | IterativeProblem
    optimum: Optimum | IterativeOptimum
    tolerance: float
    unidentified: tuple[tuple[int, int], ...]
    residual: Residual | None = None
    sizes: FloatArray | None = None

    family: ClassVar[None] = None
    """Linear models have no family of distributions."""

    @cached_property
    def theta(self) -> tuple[FloatArray, ...]:
        """θ of each grouping factor."""
        problem, at = self.problem, self.optimum.evaluation.theta
        bases = self.scaling.units.bases
        parts = zip(problem.covariances, problem.theta_slices(), bases, strict=True)
        found = [c.transform(at[s], basis.linear) for c, s, basis in parts]
        return tuple(times(found, problem.covariances, self._shares) or ())

    @property
    def _shares(self) -> FloatArray:
        return np.empty(0) if self.sizes is None else 1.0 / self.sizes

    @cached_property
    def lams(self) -> tuple[FloatArray, ...]:
        """Relative factors λ, (k, k) of each grouping factor."""
        return tuple(c.factor(t) for c, t in zip(self.problem.covariances, self.theta, strict=True))

    @cached_property
    def beta(self) -> FloatArray:
        """Fixed effects, (p,)."""
        return self.scaling.beta(self.optimum.evaluation.gls.beta)

    @cached_property
    def cov_beta(self) -> FloatArray:
        """σ²(X'V₀⁻¹X)⁻¹, (p, p)."""
        root = self.scaling.units.x.linear @ self.optimum.evaluation.gls.inverse_root_x
        return np.asarray(self.sigma**2 * (root @ root.T))

    @cached_property
    def sigma(self) -> float:
        """Residual standard deviation."""
        return self.scaling.pilot.y_scale * float(self.optimum.evaluation.sigma2) ** 0.5

    @cached_property
    def b(self) -> tuple[FloatArray, ...]:
        """Conditional modes of the random effects, (q, k) of each grouping factor."""
        scaling, problem = self.scaling, self.problem
        levels = problem.system.level_effects(self.optimum.evaluation.b)
        return tuple(
            scaling.pilot.y_scale * (b @ m.linear.T)
            for b, m in zip(levels, scaling.units.bases, strict=True)
        )

    @cached_property
    def criterion(self) -> float:
        """−2 × (restricted) log-likelihood."""
        problem = self.problem
        return self.optimum.value + self.scaling.criterion_shift(problem.nu, problem.reml)

    @property
    def criterion_se(self) -> float:
        """Its standard error where it is an estimate, 0 where it is exact."""
        return self.optimum.value_se

    @cached_property
    def singular(self) -> tuple[tuple[int, int], ...]:
        """Random terms whose covariance is singular, as indices (factor, part)."""
        return tuple(singular_parts(self.problem, self.optimum.evaluation.theta, self.tolerance))

    def __repr__(self) -> str:
        kind = "REML" if self.reml else "ML"
        return (
            f"<Estimate: {kind} criterion {self.criterion:.4f}, {len(self.beta)} fixed effects, "
            f"{self.n_theta} θ, {len(self.phi)} φ>"
        )

    def with_values(self, **values: Any) -> Estimate:
        """A copy in which other values take the place of those that would be computed."""
        out = replace(self)
        out.__dict__.update(values)
        return out

    @property
    def scaling(self) -> Scaling:
        """The change of units."""
        return self.problem.system.cp.scaling

    @property
    def parts(self) -> CriterionParts:
        """The terms of the criterion in the user's units."""
        return self.optimum.parts.in_units(
            self.scaling.pilot.y_scale, self.scaling.units.x.log_determinant()
        )

    @property
    def is_factored(self) -> bool:
        """Whether there is a factor of Λ'Z'ZΛ + I: not with conjugate gradients."""
        return isinstance(self.problem, Problem)

    @property
    def reml(self) -> bool:
        """Whether the criterion is the restricted one."""
        return self.problem.reml

    @property
    def converged(self) -> bool:
        """Whether the optimiser's test of convergence was passed."""
        return self.optimum.converged

    @property
    def message(self) -> str:
        """Why it stopped."""
        return self.optimum.message

    @property
    def n_theta(self) -> int:
        """Number of covariance parameters of the random effects."""
        return self.problem.n_theta

    @property
    def phi(self) -> FloatArray:
        """Parameters φ of the residuals."""
        return np.empty(0) if self.residual is None else self.residual.phi

    @property
    def n_of_rows(self) -> int:
        """Number of parameters of single rows: φ and σ."""
        return len(self.phi) + 1

    def report(self, names: Sequence[str]) -> OptimizerReport:
        """How the optimiser ended.

        Parameters
        ----------
        names : sequence of str
            Of the grouping factors.
        """
        optimum = self.optimum
        shift = self.scaling.criterion_shift(self.problem.nu, self.reml)
        return OptimizerReport(
            converged=optimum.converged,
            message=optimum.message,
            n_evaluations=optimum.n_evaluations,
            gradient_norm=float(np.abs(optimum.evaluation.gradient).max(initial=0.0)),
            decrement=optimum.decrement,
            trace=tuple(t + shift for t in optimum.trace),
            blocks=tuple(self.problem.system.blocks(names)),
        )

    def conditional_covariances(self) -> list[FloatArray]:
        """Var(b | y) by level at the estimated θ and β, (q, k, k) for each factor.

        σ²ΛA⁻¹Λ', with the covariances between terms on one grouping factor. As in lme4,
        the uncertainty of β̂ is not in it.
        """
        blocks = self.optimum.evaluation.factor.level_blocks()
        return [
            self.sigma**2 * (m.linear @ block @ m.linear.T)
            for m, block in zip(self.scaling.units.bases, blocks, strict=True)
        ]


def times(
    theta: Sequence[FloatArray] | None, covariances: Sequence[Covariance], sizes: FloatArray
) -> Sequence[FloatArray] | None:
    """θ of cλ for a number c of each grouping factor; as it is without numbers."""
    if theta is None or not len(sizes):
        return theta
    each = zip(covariances, theta, sizes, strict=True)
    return [c.scaled(np.asarray(t, dtype=np.float64), float(r)) for c, t, r in each]


def engine_theta(
    theta: Sequence[FloatArray], covariances: Sequence[Covariance], scaling: Scaling
) -> FloatArray:
    """θ in the engine's units, of all grouping factors."""
    parts = [
        c.transform(np.asarray(t, dtype=np.float64), m.inverse)
        for c, t, m in zip(covariances, theta, scaling.units.bases, strict=True)
    ]
    return np.concatenate([np.empty(0), *parts])


def singular_parts(
    problem: StructuredProblem, theta: FloatArray, tolerance: float
) -> list[tuple[int, int]]:
    """Parts whose λ has a singular value below `tolerance` that the structure does not imply."""
    pairs = zip(problem.covariances, problem.theta_slices(), strict=True)
    return [
        (i, j)
        for i, (c, s) in enumerate(pairs)
        for j, singular in enumerate(c.is_singular(theta[s], tolerance))
        if singular
    ]
