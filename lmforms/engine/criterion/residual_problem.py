"""A criterion with parameters φ of the residuals, beside θ of the random effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from ...control import Control
from ...covariance import Covariance
from ...errors import ArgumentError
from ...residual.parametric import ParametricResidual
from ...support.arrays import FloatArray
from ..factor import FactorMethod, JointSystem, System
from ..prior import Identity, Prior
from ..sums.cross_products import CrossProducts
from ..sums.residual_sums import ResidualSums
from ..sums.series_moments import MomentSums
from .problem import Problem

MOST_CANCELLATION = 1e4
"""With more, sums from moments of series lose over four digits."""

MANY_PARAMETERS = 4
"""From so many φ on, the expected information spares more evaluations than it costs iterations."""


@dataclass(frozen=True, eq=False)
class ResidualProblem(Problem):
    """A criterion to be minimised over (θ, φ).

    Attributes
    ----------
    sums : ResidualSums
        Cross-products as functions of φ.
    residual : ParametricResidual
        The structure at the φ of `system`.
    """

    sums: ResidualSums
    residual: ParametricResidual

    @property
    def n_phi(self) -> int:
        return len(self.residual.phi)

    @property
    def largest(self) -> int:
        return max(1, self.system.largest)  # series are blocks too

    @property
    def hessian_is_cheap(self) -> bool:
        return self.n_phi < MANY_PARAMETERS and super().hessian_is_cheap

    def at(self, parameters: FloatArray) -> Self:
        phi = parameters[self.n_theta :]
        if np.array_equal(phi, self.residual.phi):
            return self
        residual = self.residual.at(phi)
        system = self.system.with_sums(self.sums.at(residual))
        return replace(self, system=system, residual=residual)

    def sharing(self, other: Problem) -> Self:
        if not isinstance(other, ResidualProblem) or other.residual is self.residual:
            return self
        return replace(self, system=other.system, residual=other.residual)

    def expected_information(self) -> FloatArray | None:
        """In the place of the curvature, for many φ without random effects; else None."""
        if self.covariances or self.n_phi < MANY_PARAMETERS:
            return None
        return self.sums.expected_information(self.residual)

    @property
    def at_phi(self) -> Problem:
        """The criterion as a function of θ alone, at this φ."""
        return Problem(self.system, self.covariances, self.reml)


def residual_problem(
    sums: ResidualSums,
    residual: ParametricResidual,
    covariances: Sequence[Covariance],
    reml: bool,
    control: Control,
    priors: Sequence[Prior] = (),
) -> ResidualProblem:
    """Analyse sums once for all φ.

    Derivatives with respect to φ need the blocks of A⁻¹ between levels of several factors: with
    more than one all are ordered together.

    Raises
    ------
    ArgumentError
        Conjugate gradients were requested.
    MemoryLimitError
        The factor does not fit into memory.
    """
    if control.factor == "cg":
        raise ArgumentError(
            "factor='cg' is for independent residuals; this model has residual parameters. "
            "Use factor='auto'."
        )
    cp = sums.at(residual)
    system = _system(cp, control.factor, control.memory, priors)
    return ResidualProblem(system, tuple(covariances), reml, sums, residual)


def _system(
    cp: CrossProducts, method: FactorMethod, memory: int, priors: Sequence[Prior]
) -> System | JointSystem:
    independent = not cp.own and all(prior.is_identity for prior in priors)
    if independent and len(cp.factors) <= 1:
        return System(cp, method, memory)
    priors = list(priors) or [Identity()] * len(cp.factors)
    return JointSystem(cp, priors, method, memory)


def loses_digits(problem: ResidualProblem) -> bool:
    """Whether moments of series cancel at this φ, so that rows should be summed instead."""
    sums = problem.sums
    return isinstance(sums, MomentSums) and sums.cancellation(problem.residual) > MOST_CANCELLATION
