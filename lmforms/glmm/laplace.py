r"""The Laplace approximation of −2 log-likelihood, and its exact gradient.

With û the mode given the parameters ψ = (θ, β, ω) and A = Λ'Z'WZΛ + Q at the observed W = −ℓ''(η̂),

.. math::
    d(ψ) = -2\ell(\hat η) + \hat u'Q\hat u + \ln|A| - \ln|Q|.

û changes with ψ, and W with η̂. With leverages h_i = z_i'ΛA⁻¹Λ'z_i, c = −h ℓ''' and
a = A⁻¹Λ'Z'c, one solve more gives the derivative along any direction:

.. math::
    \dot d = ρ'(X\dot β + Z\dot Λ\hat u) + (Z'\ell')'\dot Λ a + 2⟨Gλ, \dot λ⟩
             + \sum_i (-2\ell_ω - h\,\ell''_ω + (ZΛa)\,\ell'_ω)_i \dot ω_i,
    \qquad ρ = -2\ell' + c - W ZΛa,

where G sums the diagonal blocks of Z'V⁻¹Z over levels. If β is profiled out with u (`joint`), Λa is
replaced by the solution for (u, β) together, and β has no derivative.

References
----------
Kristensen et al. (2016), *TMB: Automatic Differentiation and Laplace Approximation*, J. Stat.
Software 70(5), for the derivative of a Laplace approximation; Breslow, Clayton (1993), J. Amer.
Stat. Assoc. 88, for the approximation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..engine.criterion.problem import StructuredProblem
from ..support.arrays import FloatArray
from .conditional_mode import ConditionalModel, FixedEquations, Mode
from .weighted_rows import WeightedRows, shrunk


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The criterion at given parameters.

    Attributes
    ----------
    value : float
        −2 log-likelihood.
    mode : Mode
    """

    value: float
    mode: Mode


def laplace(mode: Mode) -> float:
    """d at a mode."""
    return mode.penalty - 2.0 * mode.derivatives.total + float(mode.factor.log_det)


@dataclass(frozen=True, eq=False)
class RowSlopes:
    """What the derivatives of d are made of.

    Attributes
    ----------
    eta : ndarray (n,)
        ρ: derivative in η as far as û is not concerned.
    theta : list of ndarray (k, k)
        Γ, with ∂d/∂θ_i = ⟨Γ, ∂λ_i⟩, of each grouping factor.
    parameters : ndarray (J, n)
        In ω of each row.
    """

    eta: FloatArray
    theta: list[FloatArray]
    parameters: FloatArray


def row_slopes(model: ConditionalModel, mode: Mode, joint: bool = False) -> RowSlopes:
    """Derivatives of d at a mode, before they are summed over rows."""
    rows, lams, found = model.rows, mode.lams, mode.derivatives
    _, first, second, third = found.values
    weights = -second
    h = rows.leverages(mode.factor)
    c = -third * h
    zc = rows.z_transposed(c[None])
    right = shrunk(lams, zc)
    along = [x[..., 0] for x in mode.factor.solve(right)]
    change = np.zeros(rows.n)
    if joint and len(mode.beta):
        equations = FixedEquations.of(rows, lams, weights, mode.factor)
        of_beta, along = equations.solve(rows.X.T @ c, along)
        change = rows.X @ of_beta
    change += rows.z_times(along)
    rho = c - weights * change
    pulled = shrunk(lams, rows.z_transposed(rho[None]))
    a = rows.covariance_times([x[..., 0] for x in pulled])
    rho = rho - 2.0 * first
    both = rows.z_transposed(np.stack([rho, first]))
    gram = mode.factor.diagonal_sums()
    theta = []
    for z, u, own, g, lam in zip(both, mode.u, a, gram, lams, strict=True):
        theta.append(z[..., 0].T @ u + z[..., 1].T @ own + 2.0 * g @ lam)
    p = found.parameters
    slopes = np.empty((0, rows.n))
    if len(p):
        slopes = -2.0 * p[:, 0] - h * p[:, 2] + change * p[:, 1]
    return RowSlopes(rho, theta, slopes)


def theta_gradient(
    problem: StructuredProblem, theta: FloatArray, slopes: list[FloatArray]
) -> FloatArray:
    """∂d/∂θ from Γ of each grouping factor."""
    parts = [
        np.tensordot(d, own, axes=2)
        for d, own in zip(problem.derivatives(theta), slopes, strict=True)
    ]
    return np.concatenate([np.empty(0), *parts])


def fixed_information(rows: WeightedRows, mode: Mode) -> FloatArray:
    """X'V⁻¹X at a mode, (p, p): half of the curvature in β as far as W is constant."""
    if not rows.X.shape[1]:
        return np.zeros((0, 0))
    return FixedEquations.of(rows, mode.lams, mode.weights, mode.factor).information
