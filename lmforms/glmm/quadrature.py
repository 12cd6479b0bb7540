r"""Adaptive Gauss–Hermite quadrature for one grouping factor, with its exact gradient.

Given the parameters, the levels are independent. With û_l the mode of level l, A_l = L_lL_l' the
curvature there and nodes z_j with weights w_j of the standard normal distribution (a product rule
for vectors), u_lj = û_l + L_l^{-T}z_j and

.. math::
    \ln\int e^{f_l(u)}\frac{du}{(2π)^{k/2}}
      ≈ -\tfrac12\ln|A_l| + \ln\sum_j w_j\, e^{f_l(u_{lj}) + z_j'z_j/2},
    \quad f_l(u) = \sum_{i∈l}\ell_i - \tfrac12 u'u.

One node is the Laplace approximation. The nodes move with the parameters. With posterior weights
π_j of the nodes and f' the gradient there, M = Σ π_j z_j (L⁻¹f'_j)', the change of L through A is

.. math::
    dF = \sum_j π_j [\partial f_j + f_j' \cdot d\hat u] - ⟨L^{-1} dA L^{-T}, \tfrac12 I + T⟩,

T the symmetric matrix with ⟨S, T⟩ = ⟨Φ(S), M⟩ for Φ(S) the lower half of S. So leverages and traces
of the Laplace approximation are taken with L^{-T}(I + 2T)L⁻¹ in the place of A⁻¹.

References
----------
Pinheiro, Bates (1995), *Approximations to the log-likelihood function in the nonlinear
mixed-effects model*, J. Comput. Graph. Stat. 4(1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import logsumexp, roots_hermitenorm

from ..errors import NumericalError
from ..support.arrays import FloatArray, IndexArray
from .conditional_mode import Mode
from .laplace import theta_gradient
from .problem import GeneralizedProblem, finite_point, laplace_point, mode_near
from .quasi_newton import Point


@dataclass(frozen=True, eq=False)
class Nodes:
    """A product rule for the standard normal distribution.

    Attributes
    ----------
    z : ndarray (nodes, k)
    log_weights : ndarray (nodes,)
        ln w_j + z_j'z_j/2.
    """

    z: FloatArray
    log_weights: FloatArray


@cache
def product_nodes(number: int, k: int) -> Nodes:
    """Gauss–Hermite nodes in k dimensions, `number` in each."""
    x, w = roots_hermitenorm(number)
    log_w = np.log(w) - 0.5 * np.log(2.0 * np.pi) + 0.5 * np.square(x)
    axes = np.meshgrid(*[np.arange(number)] * k, indexing="ij")
    places = np.stack([a.ravel() for a in axes], axis=1)
    return Nodes(x[places], log_w[places].sum(axis=1))


def quadrature_point(
    problem: GeneralizedProblem, psi: FloatArray, near: Mode, number: int
) -> Point:
    """−2 log-likelihood by quadrature with `number` nodes in each direction.

    Raises
    ------
    NumericalError
    """
    if not problem.covariances:  # nothing is integrated out
        return laplace_point(problem, psi, near)
    theta, _, coefficients = problem.split(psi)
    mode = mode_near(problem, psi, near)
    (lam,), rows, likelihood = mode.lams, problem.model.rows, problem.model.likelihood
    (factor,) = rows.factors
    codes, basis, q, k = factor.codes, factor.basis, factor.n_levels, factor.k
    nodes = product_nodes(number, k)
    zz = rows.sums(mode.weights).factors[0].zz
    L = _cholesky(lam.T @ zz @ lam + np.eye(k))
    inverse = np.linalg.inv(L)
    log_det = 2.0 * np.log(np.einsum("qii->qi", L)).sum()

    # --- the sum over nodes -------------------------------------------------------------------
    moved = [np.einsum("qba,b->qa", inverse, z) for z in nodes.z]
    f, firsts, seconds = np.empty((len(moved), q)), [], []
    by_row = basis @ lam
    for j, d in enumerate(moved):
        eta = mode.eta + np.einsum("ia,ia->i", by_row, d[codes])
        found = likelihood.at(eta, coefficients, 1)
        u = mode.u[0] + d
        f[j] = np.bincount(codes, found.values[0], q) - 0.5 * np.einsum("qa,qa->q", u, u)
        firsts.append(found.values[1])
        seconds.append(found.parameters[:, 0] if len(found.parameters) else None)
    terms = f + nodes.log_weights[:, None]
    total = logsumexp(terms, axis=0)
    value = float(log_det - 2.0 * total.sum())
    share = np.exp(terms - total)

    # --- the gradient: first what does not move the nodes ---------------------------------------
    slope, M = np.zeros(rows.n), np.zeros((q, k, k))
    outer, pull = np.zeros((k, k)), np.zeros((q, k))
    of_parameters = np.zeros((len(likelihood.designs), rows.n))
    for j, (z, d, first) in enumerate(zip(nodes.z, moved, firsts, strict=True)):
        weighted = share[j][codes] * first
        slope += weighted
        zl = _by_level(codes, basis, weighted, q)
        u = mode.u[0] + d
        outer += zl.T @ u
        own = zl @ lam - share[j][:, None] * u
        pull += own
        M += np.einsum("a,qb->qab", z, np.einsum("qab,qb->qa", inverse, own))
        if seconds[j] is not None:
            of_parameters += share[j][codes] * seconds[j]

    # --- and then the nodes: û, and L through A -------------------------------------------------
    low = np.tril(M, -1)
    T = 0.5 * (low + np.swapaxes(low, 1, 2))
    at = np.arange(k)
    T[:, at, at] = 0.5 * np.einsum("qaa->qa", M)
    middle = np.eye(k) + 2.0 * T
    effective = np.einsum("qca,qcd,qdb->qab", inverse, middle, inverse, optimize=True)
    h = np.einsum("ia,iab,ib->i", by_row, effective[codes], by_row, optimize=True)
    _, first, second, third = mode.derivatives.values
    c = -third * h
    right = _by_level(codes, basis, c, q) @ lam - 2.0 * pull
    a = np.einsum("qca,qcb,qb->qa", inverse, inverse, right, optimize=True)
    change = np.einsum("ia,ia->i", by_row, a[codes])
    rho = c + second * change
    gamma = -2.0 * outer + _by_level(codes, basis, rho, q).T @ mode.u[0]
    gamma += _by_level(codes, basis, first, q).T @ a
    gamma += 2.0 * np.einsum("qab,bc,qcd->ad", zz, lam, effective, optimize=True)
    slopes = -2.0 * of_parameters
    if len(slopes):
        p = mode.derivatives.parameters
        slopes += -h * p[:, 2] + change * p[:, 1]
    gradient = np.concatenate(
        [
            theta_gradient(problem, theta, [gamma]),
            rows.X.T @ (rho - 2.0 * slope),
            likelihood.contracted(slopes),
        ]
    )
    return finite_point(psi, value, gradient, mode)


def _cholesky(a: FloatArray) -> FloatArray:
    try:
        return np.asarray(np.linalg.cholesky(a))
    except np.linalg.LinAlgError:
        raise NumericalError("the curvature at the mode of a level is not positive.") from None


def _by_level(codes: IndexArray, basis: FloatArray, values: FloatArray, q: int) -> FloatArray:
    """Z'v by level, (q, k)."""
    return np.stack([np.bincount(codes, values * column, q) for column in basis.T], axis=1)
