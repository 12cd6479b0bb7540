"""An estimate in the user's units: what the engine's optimum means to a user."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..control import Control
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
    """A fit in the user's units, by grouping factor, without labels.

    Attributes
    ----------
    problem : Problem or IterativeProblem
        The criterion that was minimised (engine's units), exactly or by its estimated score.
    optimum : Optimum or IterativeOptimum
        The end of the search, and why it ended.
    theta : tuple of ndarray
        θ of each grouping factor.
    lams : tuple of ndarray (k, k)
        Relative factors λ.
    beta, cov_beta : ndarray (p,), (p, p)
        Fixed effects and σ²(X'V₀⁻¹X)⁻¹.
    sigma : float
        Residual standard deviation.
    b : tuple of ndarray (q, k)
        Conditional modes of the random effects.
    criterion : float
        −2 × (restricted) log-likelihood.
    criterion_se : float
        Its standard error where it is an estimate, 0 where it is exact.
    singular : tuple of (int, int)
        Random terms whose covariance is singular, as indices (factor, part).
    unidentified : tuple of (int, int)
        Random terms along whose variances the criterion does not change.
    residual : Residual or None
        Structure of the residuals at the estimated φ, if it has parameters.
    """

    problem: Problem | IterativeProblem
    optimum: Optimum | IterativeOptimum
    theta: tuple[FloatArray, ...]
    lams: tuple[FloatArray, ...]
    beta: FloatArray
    cov_beta: FloatArray
    sigma: float
    b: tuple[FloatArray, ...]
    criterion: float
    criterion_se: float
    singular: tuple[tuple[int, int], ...]
    unidentified: tuple[tuple[int, int], ...]
    residual: Residual | None = None

    def __repr__(self) -> str:
        kind = "REML" if self.reml else "ML"
        return (
            f"<Estimate: {kind} criterion {self.criterion:.4f}, {len(self.beta)} fixed effects, "
            f"{self.n_theta} θ, {len(self.phi)} φ>"
        )

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


def in_user_units(
    problem: Problem | IterativeProblem,
    optimum: Optimum | IterativeOptimum,
    control: Control,
    unidentified: Sequence[tuple[int, int]],
) -> Estimate:
    """The estimate that an optimum is."""
    at, scaling = optimum.evaluation, problem.system.cp.scaling
    sigma = float(scaling.pilot.y_scale * np.sqrt(at.sigma2))
    thetas, lams = [], []
    for covariance, s, basis in zip(
        problem.covariances, problem.theta_slices(), scaling.units.bases, strict=True
    ):
        thetas.append(covariance.transform(at.theta[s], basis.linear))
        lams.append(covariance.factor(thetas[-1]))
    linear = scaling.units.x.linear
    root = linear @ at.gls.inverse_root_x
    return Estimate(
        problem=problem,
        optimum=optimum,
        theta=tuple(thetas),
        lams=tuple(lams),
        beta=scaling.beta(at.gls.beta),
        cov_beta=sigma**2 * (root @ root.T),
        sigma=sigma,
        b=tuple(
            scaling.pilot.y_scale * (b @ m.linear.T)
            for b, m in zip(problem.system.level_effects(at.b), scaling.units.bases, strict=True)
        ),
        criterion=optimum.value + scaling.criterion_shift(problem.nu, problem.reml),
        criterion_se=optimum.value_se,
        singular=tuple(_singular_parts(problem, at.theta, control.singular)),
        unidentified=tuple(unidentified),
    )


def engine_theta(
    theta: Sequence[FloatArray], covariances: Sequence[Covariance], scaling: Scaling
) -> FloatArray:
    """θ in the engine's units, of all grouping factors."""
    parts = [
        c.transform(np.asarray(t, dtype=np.float64), m.inverse)
        for c, t, m in zip(covariances, theta, scaling.units.bases, strict=True)
    ]
    return np.concatenate([np.empty(0), *parts])


def _singular_parts(
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
