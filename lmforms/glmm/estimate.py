"""A fitted generalised linear mixed model in the user's units, without labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any

import numpy as np

from ..control import Control
from ..covariance import Covariance
from ..engine.linalg.threads import limited_blas_threads
from ..engine.prior import Prior
from ..engine.rows import ModelRows
from ..engine.status import OptimizerReport
from ..engine.sums.units import Scaling
from ..engine.user_units import engine_theta, singular_parts, times
from ..errors import NumericalError
from ..support.arrays import BoolArray, FloatArray
from .families.base import Family
from .likelihood import ConditionalLikelihood
from .problem import GeneralizedProblem, laplace_point, problem_of_rows
from .quadrature import quadrature_point
from .search import GeneralizedOptimum, Objective, search
from .uncertainty import joint_covariance, profiled_covariance


@dataclass(frozen=True, eq=False)
class GeneralizedEstimate:
    """A fit by maximum likelihood; values are computed when asked for.

    Attributes
    ----------
    problem : GeneralizedProblem
        The criterion, in the engine's units.
    optimum : GeneralizedOptimum
    nagq : int
        Nodes of the quadrature; 1 for Laplace, 0 for β profiled out with the random effects.
    tolerance : float
        Standard deviation, relative to a row's working response, below which a direction of random
        effects is singular.
    sizes : ndarray (factors,)
        By which λ of the optimum is divided, of levels whose covariances were normalised; empty
        without such.
    """

    problem: GeneralizedProblem
    optimum: GeneralizedOptimum
    nagq: int
    tolerance: float
    sizes: FloatArray

    reml = False
    is_factored = True
    criterion_se = 0.0
    residual = None
    sigma = 1.0
    unidentified: tuple[tuple[int, int], ...] = ()

    @property
    def phi(self) -> FloatArray:
        """Parameters of residual structures: there are none."""
        return np.empty(0)

    @property
    def criterion(self) -> float:
        """−2 × log-likelihood."""
        return self.optimum.value

    @property
    def n_theta(self) -> int:
        """Number of covariance parameters of the random effects."""
        return self.problem.n_theta

    @property
    def converged(self) -> bool:
        """Whether the test of convergence was passed."""
        return self.optimum.converged

    @property
    def message(self) -> str:
        """Why the search stopped."""
        return self.optimum.message

    @property
    def likelihood(self) -> ConditionalLikelihood:
        """The likelihood of the rows given η."""
        return self.problem.model.likelihood

    @property
    def family(self) -> Family:
        """The distribution of a row."""
        return self.likelihood.family

    @property
    def n_of_rows(self) -> int:
        """Number of parameters of single rows: coefficients of ω."""
        return len(self.coefficients)

    @property
    def coefficients(self) -> FloatArray:
        """Coefficients of the family's parameters ω."""
        return self.problem.split(self.optimum.psi)[2]

    @cached_property
    def theta(self) -> tuple[FloatArray, ...]:
        """θ of each grouping factor."""
        problem, at = self.problem, self.optimum.psi
        bases = problem.model.rows.scaling.units.bases
        parts = zip(problem.covariances, problem.theta_slices(), bases, strict=True)
        found = [c.transform(at[s], basis.linear) for c, s, basis in parts]
        return tuple(times(found, problem.covariances, 1.0 / self.sizes) or ())

    @property
    def scaling(self) -> Scaling:
        """The change of units."""
        return self.problem.model.rows.scaling

    @cached_property
    def lams(self) -> tuple[FloatArray, ...]:
        """Roots λ of the covariances, (k, k) of each grouping factor."""
        return tuple(c.factor(t) for c, t in zip(self.problem.covariances, self.theta, strict=True))

    @cached_property
    def beta(self) -> FloatArray:
        """Fixed effects, (p,)."""
        units = self.problem.model.rows.scaling.units
        return np.asarray(units.x.linear @ self.problem.split(self.optimum.psi)[1])

    @cached_property
    def b(self) -> tuple[FloatArray, ...]:
        """Conditional modes of the random effects, (q, k) of each grouping factor."""
        bases = self.problem.model.rows.scaling.units.bases
        return tuple(b @ m.linear.T for b, m in zip(self.optimum.mode.b, bases, strict=True))

    @property
    def eta(self) -> FloatArray:
        """The linear predictor at the modes, (n,)."""
        return self.optimum.mode.eta

    @property
    def joint_covariance(self) -> FloatArray:
        """Covariance of (θ, β, ω) in the engine's units: 2 (∂²d)⁻¹.

        θ that are zero in a singular λ count as known. NaN where `no_standard_errors` says why.
        """
        return self._joint_covariance[0]

    @property
    def no_standard_errors(self) -> str:
        """Why there are no standard errors; empty where there are."""
        return self._joint_covariance[1]

    @cached_property
    def _joint_covariance(self) -> tuple[FloatArray, str]:
        try:
            return self._computed_covariance(), ""
        except NumericalError as error:
            return np.full((len(self.optimum.psi),) * 2, np.nan), str(error).rstrip(".")

    def _computed_covariance(self) -> FloatArray:
        known, objective = self._known_theta(), objective_of(self.nagq)
        with limited_blas_threads(self.problem.model.rows.system.largest):
            if objective is None:
                return profiled_covariance(self.problem, self.optimum, known)
            return joint_covariance(self.problem, self.optimum, objective, known)

    def _known_theta(self) -> BoolArray:
        """θ that are zero in a singular λ: the criterion is even in them."""
        problem = self.problem
        known = np.zeros(problem.n_theta, dtype=bool)
        at, size = set(self.singular), self.optimum.mode.working_size
        for part, _, span in problem.parts():
            if part in at:
                known[span] = np.abs(self.optimum.psi[span]) < self.tolerance * size
        return known

    @cached_property
    def cov_beta(self) -> FloatArray:
        """Covariance of β̂, (p, p), with the uncertainty of all other parameters in it.

        With ``nagq=0`` that at the estimated θ, as lme4 has it.
        """
        linear = self.problem.model.rows.scaling.units.x.linear
        m, p = self.problem.n_theta, self.problem.p
        own = self.joint_covariance[m : m + p, m : m + p]
        return np.asarray(linear @ own @ linear.T)

    @cached_property
    def cov_coefficients(self) -> FloatArray:
        """Covariance of the coefficients of ω."""
        start = self.problem.n_theta + self.problem.p
        return self.joint_covariance[start:, start:]

    def conditional_covariances(self) -> list[FloatArray]:
        """Var(b | y) by level at the estimated parameters, (q, k, k) for each factor."""
        blocks = self.optimum.mode.factor.level_blocks()
        bases = self.problem.model.rows.scaling.units.bases
        return [m.linear @ own @ m.linear.T for m, own in zip(bases, blocks, strict=True)]

    @cached_property
    def singular(self) -> tuple[tuple[int, int], ...]:
        """Random terms whose covariance is singular, as indices (factor, part)."""
        problem = self.problem
        theta = problem.scaled(
            self.optimum.psi[: problem.n_theta], 1.0 / self.optimum.mode.working_size
        )
        return tuple(singular_parts(problem, theta, self.tolerance))

    def report(self, names: Sequence[str]) -> OptimizerReport:
        """How the search ended."""
        optimum = self.optimum
        return OptimizerReport(
            converged=optimum.converged,
            message=optimum.message,
            n_evaluations=optimum.n_evaluations,
            gradient_norm=float(np.abs(optimum.gradient).max(initial=0.0)),
            decrement=optimum.decrement,
            trace=optimum.trace,
            blocks=tuple(self.problem.model.rows.system.blocks(names)),
        )

    def with_values(self, **values: Any) -> GeneralizedEstimate:
        """A copy in which other values take the place of those that would be computed."""
        out = replace(self)
        out.__dict__.update(values)
        return out

    def __repr__(self) -> str:
        return (
            f"<GeneralizedEstimate: criterion {self.criterion:.4f}, {len(self.beta)} fixed "
            f"effects, {self.n_theta} θ>"
        )


def objective_of(nagq: int) -> Objective | None:
    """The criterion with so many nodes; None for that with β profiled out."""
    if nagq == 0:
        return None
    return laplace_point if nagq == 1 else partial(quadrature_point, number=nagq)


def estimate_generalized(
    rows: ModelRows,
    likelihood: ConditionalLikelihood,
    offset: FloatArray,
    covariances: Sequence[Covariance],
    *,
    nagq: int,
    control: Control,
    priors: Sequence[Prior] = (),
    start: Sequence[FloatArray] | None = None,
) -> GeneralizedEstimate:
    """Fit a model to rows in memory.

    Parameters
    ----------
    rows : ModelRows
        Of which X and the random effects are used.
    likelihood : ConditionalLikelihood
    offset : ndarray (n,)
    covariances : sequence of Covariance
        One per grouping factor.
    nagq : int
    control : Control
    priors : sequence of Prior
        Covariances of the levels, one for each grouping factor; none if all are independent.
    start : sequence of ndarray, optional
        θ of each grouping factor from which to search, in the user's units.

    Raises
    ------
    NumericalError
        The likelihood cannot be evaluated.
    MemoryLimitError
        The factor does not fit.
    """
    problem, sizes = problem_of_rows(rows, likelihood, offset, covariances, priors, control)
    weighted = problem.model.rows
    with limited_blas_threads(weighted.system.largest):
        begin = times(start, covariances, sizes)
        first = None if begin is None else engine_theta(begin, covariances, weighted.scaling)
        optimum = search(problem, objective_of(nagq), control, first)
    return GeneralizedEstimate(problem, optimum, nagq, control.singular, sizes)
