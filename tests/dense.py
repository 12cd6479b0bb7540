"""The slow twin: n×n matrices and explicit inverses, straight from the definitions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag

from lmforms.covariance import Covariance
from lmforms.engine.rows import FactorRows, MatrixRows, ModelRows
from lmforms.residual import Known

DIFFERENCE = 4e-3
"""Step of second differences: after extrapolation truncation and rounding are about 1e-8."""


def dense_z(factor: FactorRows | MatrixRows, n: int) -> np.ndarray:
    """Z of one grouping factor, level by level."""
    if isinstance(factor, MatrixRows):
        return factor.Z.toarray()
    z = np.zeros((n, factor.n_levels * factor.k))
    for a in range(factor.k):
        z[np.arange(n), factor.codes * factor.k + a] = factor.basis[:, a]
    return z


@dataclass
class Dense:
    """Everything about a model at one θ, in the units of `rows`."""

    value: float
    beta: np.ndarray
    r2: float
    b: np.ndarray
    cov_beta: np.ndarray  # / σ²
    cov_b: np.ndarray  # Var(b | y) / σ²
    information: np.ndarray
    hessian: np.ndarray
    mixed: np.ndarray  # ∂² in θ and ln σ²
    covariance_gradients: list[np.ndarray]


def dense_fit(
    rows: ModelRows,
    covariances: Sequence[Covariance],
    theta: np.ndarray,
    reml: bool,
    relations: Sequence[np.ndarray | None] | None = None,
) -> Dense:
    """The model at θ; `relations` are covariances K of the levels, None for independent ones."""
    n, p = rows.X.shape
    variances = rows.residual.variances()
    R = np.eye(n) if variances is None else np.diag(variances)
    if isinstance(rows.residual, Known):
        R = rows.residual.R.toarray()
    r_inverse = np.linalg.inv(R)
    root = np.linalg.cholesky(r_inverse).T
    X, y = root @ rows.X, root @ rows.y
    Z = np.hstack([root @ dense_z(f, n) for f in rows.factors])
    lam, d_lam, sizes = [], [], []
    start = 0
    for f, c in zip(rows.factors, covariances, strict=True):
        t = theta[start : start + c.n_theta]
        start += c.n_theta
        lam.append(np.kron(np.eye(f.n_levels), c.factor(t)))
        d_lam.append([np.kron(np.eye(f.n_levels), d) for d in c.derivative(t)])
        sizes.append(f.n_levels * f.k)
    L = block_diag(*lam)
    relations = [None] * len(rows.factors) if relations is None else relations
    K = block_diag(
        *[
            np.kron(np.eye(f.n_levels) if k is None else k, np.eye(f.k))
            for f, k in zip(rows.factors, relations, strict=True)
        ]
    )
    ends = np.cumsum([0, *sizes])
    full = []
    for i, ds in enumerate(d_lam):
        for d in ds:
            big = np.zeros_like(L)
            big[ends[i] : ends[i + 1], ends[i] : ends[i + 1]] = d
            full.append(big)

    V0 = np.eye(n) + Z @ L @ K @ L.T @ Z.T
    Vi = np.linalg.inv(V0)
    nu = n - p if reml else n
    XVX = X.T @ Vi @ X
    beta = np.linalg.solve(XVX, X.T @ Vi @ y)
    resid = y - X @ beta
    r2 = resid @ Vi @ resid
    value = np.linalg.slogdet(V0)[1] + nu * (1 + np.log(2 * np.pi * r2 / nu))
    value -= np.linalg.slogdet(r_inverse)[1]
    if reml:
        value += np.linalg.slogdet(XVX)[1]

    P0 = Vi - Vi @ X @ np.linalg.inv(XVX) @ X.T @ Vi
    t = Z.T @ Vi @ resid
    M = Z.T @ (P0 if reml else Vi) @ Z - nu / r2 * np.outer(t, t)
    s2 = r2 / nu
    w = [Z @ (d @ K @ L.T + L @ K @ d.T) @ t for d in full]
    m = len(full)
    H, hessian = np.zeros((m, m)), np.zeros((m, m))
    changes = [(P0 if reml else Vi) @ Z @ (d @ K @ L.T + L @ K @ d.T) @ Z.T for d in full]
    for i in range(m):
        for j in range(m):
            H[i, j] = w[i] @ P0 @ w[j] / s2 - (w[i] @ P0 @ y) * (w[j] @ P0 @ y) / (nu * s2**2)
            H[i, j] += 2 * np.sum(M * (full[i] @ K @ full[j].T))
            hessian[i, j] = H[i, j] + w[i] @ P0 @ w[j] / s2 - np.sum(changes[i] * changes[j].T)
    covariance_gradients = []
    for i, f in enumerate(rows.factors):
        own = slice(ends[i], ends[i + 1])
        blocks = (K[own, own] @ M[own, own]).reshape(f.n_levels, f.k, f.n_levels, f.k)
        covariance_gradients.append(np.einsum("lalb->ab", blocks))
    cov_u = K - K @ L.T @ Z.T @ Vi @ Z @ L @ K  # also for a singular K
    return Dense(
        value=float(value),
        beta=beta,
        r2=float(r2),
        b=L @ K @ L.T @ Z.T @ Vi @ resid,
        cov_beta=np.linalg.inv(XVX),
        cov_b=L @ cov_u @ L.T,
        information=H,
        hessian=hessian,
        mixed=np.array([x @ P0 @ y / s2 for x in w]),
        covariance_gradients=covariance_gradients,
    )


def dense_criterion(
    rows: ModelRows,
    covariances: Sequence[Covariance],
    theta: np.ndarray,
    sigma2: float,
    reml: bool,
    relations: Sequence[np.ndarray | None] | None = None,
) -> float:
    """−2 × (restricted) log-likelihood at θ and σ², from V = σ²(R + ZΛKΛ'Z') itself."""
    n, p = rows.X.shape
    variances = rows.residual.variances()
    V = np.diag(np.ones(n) if variances is None else variances)
    start = 0
    for i, (f, c) in enumerate(zip(rows.factors, covariances, strict=True)):
        lam = c.factor(theta[start : start + c.n_theta])
        start += c.n_theta
        K = np.eye(f.n_levels)
        if relations is not None and relations[i] is not None:
            K = relations[i]
        z = dense_z(f, n)
        V = V + z @ np.kron(K, lam @ lam.T) @ z.T
    V = sigma2 * V
    Vi = np.linalg.inv(V)
    XVX = rows.X.T @ Vi @ rows.X
    resid = rows.y - rows.X @ np.linalg.solve(XVX, rows.X.T @ Vi @ rows.y)
    value = np.linalg.slogdet(V)[1] + resid @ Vi @ resid
    if reml:
        return value + np.linalg.slogdet(XVX)[1] + (n - p) * np.log(2 * np.pi)
    return value + n * np.log(2 * np.pi)


def profiled_criterion(V0: np.ndarray, X: np.ndarray, y: np.ndarray, reml: bool) -> float:
    """−2 × (restricted) log-likelihood at the best σ² and β, for V = σ²V₀."""
    Vi = np.linalg.inv(V0)
    XVX = X.T @ Vi @ X
    left = y - X @ np.linalg.solve(XVX, X.T @ Vi @ y)
    nu = len(y) - X.shape[1] * reml
    value = np.linalg.slogdet(V0)[1] + reml * np.linalg.slogdet(XVX)[1]
    return float(value + nu * (1 + np.log(2 * np.pi * (left @ Vi @ left) / nu)))


def second_differences(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """The Hessian of a function, by central differences extrapolated once."""

    def differences(size: float) -> np.ndarray:
        steps = size * np.eye(len(at))
        out = np.empty((len(at), len(at)))
        for i, a in enumerate(steps):
            for j, b in enumerate(steps[: i + 1]):
                mixed = function(at + a + b) - function(at + a - b)
                mixed += function(at - a - b) - function(at - a + b)
                out[i, j] = out[j, i] = mixed / (4.0 * size**2)
        return out

    return (4.0 * differences(0.5 * DIFFERENCE) - differences(DIFFERENCE)) / 3.0
