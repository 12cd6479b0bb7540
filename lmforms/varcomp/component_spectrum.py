"""One component in the basis that diagonalises it, for EMMA and for Gibbs sampling.

With X̃ an orthonormal basis of X's columns, S = I − X̃X̃', ZL the effects of unit variance
(K = LL'; rows times √w) and SZL = U√D E' its thin singular value decomposition, the data are, in
the units of the engine,

    η = U'ỹ,    η_j ~ N(0, σ² + σ_u² d_j),    and the rest of ỹ, of variance σ².

Cheat sheet, section 7 (EMMA), where U and D are of ZKZ'; S is what integrates β out (Kang et al.
2008, Genetics 178, 1709–1723). U and D come from the smaller of two symmetric problems:
E'(L'Z'SZL)E (q × q, from cross-products; with a precision Q the generalised Z'SZ e = d Q e) or
SZKZ'S (n × n).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.exact_fit import explained
from ..errors import ModelError
from ..support.arrays import FloatArray
from .component_problem import ComponentProblem

MOST_DENSE_SIZE = 6_000
"""Bound of the smaller of n and q: the decomposition is dense and takes minutes and 1 GB."""

MOST_DENSE_ENTRIES = 1 << 28
"""Bound of the entries of a dense n × q matrix (2 GB) from which the n × n problem is formed."""

SMALL_EIGENVALUE = 1e-8
"""Below this share of the largest d, U'ỹ has fewer than twelve digits if cross-products give it."""

NULL_EIGENVALUE = 1e-12
"""Directions with d below this share of the largest do not affect the data."""


@dataclass(frozen=True, eq=False)
class ComponentSpectrum:
    """The data of one component, diagonal.

    Attributes
    ----------
    n, p, n_effects : int
        Rows, columns of X, effects (rank of K).
    d : ndarray (k,)
        Positive eigenvalues of SZKZ'S, ascending.
    eta : ndarray (k,)
        U'ỹ.
    residual_squares : float
        ỹ'ỹ − η'η, summed over residuals to avoid cancellation; zero if η determines ỹ.
    marginal : ndarray (j,), optional
        Positive eigenvalues of ZKZ' itself, for maximum likelihood.
    basis : ndarray (m, k)
        b = basis · c for the c_j ~ N(0, σ_u²) that affect the data.
    x_basis : ndarray (p, k)
        X̃'Z · basis.
    x_root_outside : ndarray (p, p)
        Root of the covariance of X̃'Zb due to directions outside of `basis`, for σ_u² = 1.
    """

    n: int
    p: int
    n_effects: int
    d: FloatArray
    eta: FloatArray
    residual_squares: float
    marginal: FloatArray | None
    basis: FloatArray
    x_basis: FloatArray
    x_root_outside: FloatArray


def affordable(problem: ComponentProblem) -> bool:
    """Whether one component is small enough for :func:`spectrum`."""
    n, m = problem.n, int(problem.counts[0])
    return min(n, m) <= MOST_DENSE_SIZE and (m <= n or n * m <= MOST_DENSE_ENTRIES)


def diagonalised(problem: ComponentProblem, *, marginal_too: bool = False) -> ComponentSpectrum:
    """Diagonalise the one component of a model.

    Parameters
    ----------
    problem : ComponentProblem
    marginal_too : bool
        Whether the eigenvalues of ZKZ' are needed too.

    Raises
    ------
    ModelError
        It is too large to be dense.
    """
    n, m = problem.n, int(problem.counts[0])
    if not affordable(problem):
        raise ModelError(
            f"{n:,} rows and {m:,} effects are too many for a dense eigendecomposition "
            f"(the smaller of the two may be {MOST_DENSE_SIZE:,}): use method='ai', which keeps "
            "sparse equations sparse."
        )
    solve = _by_effects if m <= n else _by_rows
    d, eta, basis, x_basis, x_all, marginal = solve(problem, marginal_too)
    seen = d > NULL_EIGENVALUE * max(float(d.max(initial=0.0)), np.finfo(float).tiny)
    d, eta, basis, x_basis = d[seen], eta[seen], basis[:, seen], x_basis[:, seen]
    rest, eta = _consistent(problem, d, eta, basis)
    if rest and problem.is_small(rest) and explained(problem.rows, problem.roots).by_all:
        rest = 0.0
    if marginal is not None:
        marginal = marginal[marginal > NULL_EIGENVALUE * marginal.max(initial=0.0)]
    return ComponentSpectrum(
        n=n,
        p=problem.p,
        n_effects=m,
        d=d,
        eta=eta,
        residual_squares=rest,
        marginal=marginal,
        basis=basis,
        x_basis=x_basis,
        x_root_outside=semidefinite_root(x_all - x_basis @ x_basis.T),
    )


def _by_effects(problem: ComponentProblem, marginal_too: bool) -> tuple[Any, ...]:
    """From the q × q matrix, by cross-products alone."""
    from scipy.linalg import cho_factor, cho_solve, eigh

    own, prior = problem.orthonormal, problem.priors[0]
    zz, zx = own.zz.toarray(), own.zx
    q = None if prior.has_unit_precision else prior.precision(len(zz)).toarray()
    d, basis = eigh(zz - zx @ zx.T, q)
    d = np.maximum(d, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = (basis.T @ own.zy) / np.sqrt(d)
    back = zx if q is None else cho_solve(cho_factor(q), zx)
    marginal = eigh(zz, q, eigvals_only=True) if marginal_too else None
    return d, eta, basis, zx.T @ basis, zx.T @ back, marginal


def _by_rows(problem: ComponentProblem, marginal_too: bool) -> tuple[Any, ...]:
    """From the n × n matrix, where there are more effects than rows."""
    from scipy.linalg import eigh

    z, prior = _design(problem), problem.priors[0]
    if prior.has_unit_precision:
        half = np.asarray(z.T if isinstance(z, np.ndarray) else z.T.toarray())
        g = half.T @ half
    else:
        half = prior.covariance_times(z.T.toarray())
        g = z @ half
    g = 0.5 * (g + g.T)
    x, y = problem.orthonormal.rows(problem.rows)
    gx = g @ x
    s = g - x @ gx.T - gx @ x.T + x @ (x.T @ gx) @ x.T
    d, u = eigh(0.5 * (s + s.T))
    d = np.maximum(d, 0.0)
    u = u - x @ (x.T @ u)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = 1.0 / np.sqrt(d)
        basis, x_basis = half @ u * spread, gx.T @ u * spread
    return (
        d,
        u.T @ y,
        basis,
        x_basis,
        x.T @ gx,
        eigh(g, eigvals_only=True) if marginal_too else None,
    )


def _consistent(
    problem: ComponentProblem, d: FloatArray, eta: FloatArray, basis: FloatArray
) -> tuple[float, FloatArray]:
    """ρ, and η, so that η'η + ρ is ỹ'ỹ whatever the rounding of η where d is small.

    The residuals from the other directions are exact. What they leave is shared between η of the
    small d, which hardly matter one by one, and ρ.
    """
    small = d < SMALL_EIGENVALUE * d.max(initial=0.0)
    hidden = float(eta[small] @ eta[small])
    full = len(d) >= problem.n - problem.p
    if full and not hidden:
        return 0.0, eta
    left = _rest(problem, basis[:, ~small] @ (eta[~small] / np.sqrt(d[~small])))
    rest = 0.0 if full else max(left - hidden, 0.0)
    if hidden and not rest:
        eta = np.where(small, eta * np.sqrt(left / hidden), eta)
    return rest, eta


def _design(problem: ComponentProblem) -> Any:
    """Z, or ZL where there is a root."""
    (z,) = problem.cp.scaling.whitened_matrices(problem.rows)
    root = problem.priors[0].root
    return z if root is None else z @ root


def _rest(problem: ComponentProblem, b: FloatArray) -> float:
    """The sum of squares of S(ỹ − Zb)."""
    x, left = problem.orthonormal.rows(problem.rows)
    left = left - _design(problem) @ b
    left = left - x @ (x.T @ left)
    return float(left @ left)


def semidefinite_root(a: FloatArray) -> FloatArray:
    """R with RR' = A, for A positive semi-definite up to rounding."""
    if not len(a):
        return a
    values, vectors = np.linalg.eigh(0.5 * (a + a.T))
    return np.asarray(vectors * np.sqrt(np.maximum(values, 0.0)))
