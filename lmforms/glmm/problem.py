"""The criterion of a generalised linear mixed model as a function of ψ = (θ, β, ω)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..control import Control
from ..covariance import Covariance
from ..engine.criterion.problem import StructuredProblem
from ..engine.prior import Prior
from ..engine.rows import ModelRows
from ..errors import NumericalError
from ..support.arrays import FloatArray
from .conditional_mode import ConditionalModel, Mode, expected_effects, find_mode
from .laplace import laplace, row_slopes, theta_gradient
from .likelihood import ConditionalLikelihood
from .quasi_newton import Point
from .weighted_rows import WeightedRows


@dataclass(frozen=True, eq=False)
class GeneralizedProblem(StructuredProblem):
    """Rows, their likelihood, and structures of the random effects.

    Attributes
    ----------
    model : ConditionalModel
    """

    model: ConditionalModel

    @property
    def p(self) -> int:
        """Number of fixed effects."""
        return self.model.rows.X.shape[1]

    @property
    def n_coefficients(self) -> int:
        """Number of coefficients of the family's parameters ω."""
        return self.model.likelihood.n_coefficients

    @property
    def n_parameters(self) -> int:
        """Number of all parameters ψ."""
        return self.n_theta + self.p + self.n_coefficients

    def no_effects(self) -> list[FloatArray]:
        """u = 0."""
        return [np.zeros((f.n_levels, f.k)) for f in self.model.rows.factors]

    def split(self, psi: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """θ, β and the coefficients of ω."""
        m = self.n_theta
        return psi[:m], psi[m : m + self.p], psi[m + self.p :]


def problem_of_rows(
    rows: ModelRows,
    likelihood: ConditionalLikelihood,
    offset: FloatArray,
    covariances: Sequence[Covariance],
    priors: Sequence[Prior],
    control: Control,
) -> tuple[GeneralizedProblem, FloatArray]:
    """The criterion of rows in memory, and roots of the sizes of the priors, which it takes as 1.

    Raises
    ------
    MemoryLimitError
        The factor does not fit.
    """
    sizes = np.sqrt([prior.size for prior in priors])
    priors = [prior.normalised() for prior in priors]
    weighted = WeightedRows.of(rows, covariances, priors, control)
    model = ConditionalModel(weighted, likelihood, offset)
    return GeneralizedProblem(weighted.system, tuple(covariances), False, model), sizes


def mode_near(problem: GeneralizedProblem, psi: FloatArray, near: Mode) -> Mode:
    """The mode of u at ψ, sought from where the derivative of û at another one says it is.

    Raises
    ------
    NumericalError
    """
    theta, beta, coefficients = problem.split(psi)
    lams = problem.lams(theta)
    u = expected_effects(problem.model, near, lams, beta, coefficients)
    return find_mode(problem.model, lams, beta, coefficients, u)


def laplace_point(problem: GeneralizedProblem, psi: FloatArray, near: Mode) -> Point:
    """The Laplace approximation at ψ, from a mode near it.

    Raises
    ------
    NumericalError
    """
    theta = problem.split(psi)[0]
    mode = mode_near(problem, psi, near)
    slopes = row_slopes(problem.model, mode)
    gradient = np.concatenate(
        [
            theta_gradient(problem, theta, slopes.theta),
            problem.model.rows.X.T @ slopes.eta,
            problem.model.likelihood.contracted(slopes.parameters),
        ]
    )
    return finite_point(psi, laplace(mode), gradient, mode)


def profile_point(problem: GeneralizedProblem, psi: FloatArray, near: Mode) -> Point:
    """The same with β profiled out with u, at ψ = (θ, ω).

    Raises
    ------
    NumericalError
    """
    m = problem.n_theta
    theta, coefficients = psi[:m], psi[m:]
    lams = problem.lams(theta)
    mode = find_mode(problem.model, lams, near.beta, coefficients, near.u, joint=True)
    slopes = row_slopes(problem.model, mode, joint=True)
    own = problem.model.likelihood.contracted(slopes.parameters)
    gradient = np.append(theta_gradient(problem, theta, slopes.theta), own)
    return finite_point(psi, laplace(mode), gradient, mode)


def finite_point(psi: FloatArray, value: float, gradient: FloatArray, mode: Mode) -> Point:
    """A point whose value and gradient are finite.

    Raises
    ------
    NumericalError
    """
    if not (np.isfinite(value) and np.isfinite(gradient).all()):
        raise NumericalError("the criterion is not finite.")
    return Point(np.array(psi), value, gradient, mode)


def start_predictors(problem: GeneralizedProblem) -> list[FloatArray]:
    """Values of η less offset to start from."""
    model = problem.model
    likelihood = model.likelihood
    mean = likelihood.family.start_mean(likelihood.response)
    with np.errstate(all="ignore"):
        eta = likelihood.link.of_mean(mean)
        middle = likelihood.link.of_mean(np.full_like(mean, np.mean(mean)))
    out = [eta - model.offset, middle - model.offset, middle]
    found = [x for x in out if np.isfinite(x).all()]
    if not found:  # such as the logarithm of numbers below 0
        known = eta[np.isfinite(eta)]
        found = [np.full_like(eta, known.mean() if len(known) else 0.0)]
    return found
