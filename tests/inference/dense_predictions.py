"""The slow twin of prediction errors: n×n matrices, from the covariance of targets and y."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from dense import second_differences

from lmforms.data.random_design import term_columns
from lmforms.results.quantities import term_thetas


@dataclass
class DenseTargets:
    """T = x'β + Σ z_t'b_t + Σ f_t'b*_t + e, by random terms and in the user's units.

    Attributes
    ----------
    X : ndarray (r, p)
    z : list of ndarray (r, q, k)
    f : list of ndarray (r, k)
    covariances : callable, optional
        From a residual structure to R_no (r, n) and the variances of e (r,), both over σ².
    """

    X: np.ndarray
    z: list[np.ndarray]
    f: list[np.ndarray]
    covariances: Any = None


def relation(fit: Any, t: int) -> np.ndarray:
    """K of a random term."""
    group = fit.state.design.groups[fit.state.design.terms[t].group]
    known = fit.state.relationship.get(group.name)
    if known is None:
        return np.eye(len(group.levels))
    order = [list(known.labels).index(level) for level in group.levels]
    return np.asarray(known.dense())[np.ix_(order, order)]


def dense_variances(fit: Any, targets: DenseTargets, lams: Any, residual: Any) -> np.ndarray:
    """Error variances over σ², at any λ of the terms and any residual structure."""
    design = fit.state.design
    n, X, r = design.n, design.X, len(targets.X)
    R = residual.matrix(n)
    V = np.array(R.toarray() if hasattr(R, "toarray") else R)
    c, v = np.zeros((r, n)), np.zeros(r)
    for t, term in enumerate(design.terms):
        codes = design.groups[term.group].codes
        K = relation(fit, t)
        q, k = len(K), len(term.columns)
        Z = np.zeros((n, q, k))
        Z[np.arange(n), codes] = term.matrix.values
        Z, z = Z.reshape(n, q * k), targets.z[t].reshape(r, q * k)
        G = np.kron(K, lams[t] @ lams[t].T)
        V += Z @ G @ Z.T
        c += z @ G @ Z.T
        v += np.einsum("ra,ab,rb->r", z, G, z)
        f = targets.f[t] @ lams[t]
        v += np.square(f).sum(axis=1) * np.diagonal(K).mean()
    if targets.covariances is not None:
        shared, own = targets.covariances(residual)
        c, v = c + shared, v + own
    Vi = np.linalg.inv(V)
    w = targets.X.T - X.T @ Vi @ c.T
    Phi = np.linalg.inv(X.T @ Vi @ X)
    return v - np.einsum("rn,nm,rm->r", c, Vi, c) + np.einsum("pr,pq,qr->r", w, Phi, w)


def at_estimates(fit: Any, targets: DenseTargets) -> np.ndarray:
    """Standard errors at the estimates."""
    lams = [fit.state.estimate.lams[g][c, c] for g, c in term_columns(fit.state.design)]
    return fit.sigma * np.sqrt(
        np.maximum(dense_variances(fit, targets, lams, fit.state.residual), 0.0)
    )


def satterthwaite(fit: Any, targets: DenseTargets, step: float = 1e-4) -> np.ndarray:
    """Degrees of freedom by differences in (θ, φ, ln σ²), with the Hessian by differences too."""
    state, design = fit.state, fit.state.design
    thetas = term_thetas(state)
    phi = state.residual.phi
    start = np.concatenate([*thetas, phi, [2 * np.log(fit.sigma)]])
    ends = np.cumsum([len(t) for t in thetas])
    X, e = design.X, state.response - design.offset
    reml = state.estimate.reml

    def parts(psi: np.ndarray) -> tuple[Any, Any, float]:
        split = np.split(psi[: int(ends[-1]) if len(ends) else 0], ends[:-1]) if len(ends) else []
        lams = [t.covariance.factor(x) for t, x in zip(design.terms, split, strict=True)]
        own = psi[int(ends[-1]) if len(ends) else 0 : -1]
        return lams, state.residual.at(own), float(np.exp(psi[-1]))

    def criterion(psi: np.ndarray) -> float:
        lams, residual, sigma2 = parts(psi)
        V = np.array(residual.matrix(design.n).toarray())
        for t, term in enumerate(design.terms):
            codes, K = design.groups[term.group].codes, relation(fit, t)
            q, k = len(K), len(term.columns)
            Z = np.zeros((design.n, q, k))
            Z[np.arange(design.n), codes] = term.matrix.values
            Z = Z.reshape(design.n, q * k)
            V += Z @ np.kron(K, lams[t] @ lams[t].T) @ Z.T
        V *= sigma2
        Vi = np.linalg.inv(V)
        XVX = X.T @ Vi @ X
        left = e - X @ np.linalg.solve(XVX, X.T @ Vi @ e)
        value = np.linalg.slogdet(V)[1] + left @ Vi @ left
        return float(value + reml * np.linalg.slogdet(XVX)[1])

    def variances(psi: np.ndarray) -> np.ndarray:
        lams, residual, sigma2 = parts(psi)
        return sigma2 * dense_variances(fit, targets, lams, residual)

    W = 2.0 * np.linalg.inv(second_differences(criterion, start))
    steps = step * np.eye(len(start))
    g = np.array([(variances(start + s) - variances(start - s)) / (2 * step) for s in steps])
    return 2.0 * variances(start) ** 2 / np.einsum("ir,ij,jr->r", g, W, g)


def added_by_estimation(fit: Any, targets: DenseTargets) -> np.ndarray:
    """Σ W_ij ∂ℓ_i'V∂ℓ_j over variances and covariances, W from the expected information.

    For unstructured terms and independent residuals; ∂ℓ_i = P(∂c_i − V_iℓ).
    """
    design, sigma2 = fit.state.design, fit.sigma**2
    n, X, r = design.n, design.X, len(targets.X)
    R = np.array(fit.state.residual.matrix(n).toarray())
    V, c = sigma2 * R, np.zeros((r, n))
    changes: list[tuple[np.ndarray, np.ndarray]] = []
    lams = [fit.state.estimate.lams[g][s, s] for g, s in term_columns(design)]
    for t, term in enumerate(design.terms):
        K, codes = relation(fit, t), design.groups[term.group].codes
        q, k = len(K), len(term.columns)
        Z = np.zeros((n, q, k))
        Z[np.arange(n), codes] = term.matrix.values
        Z, z = Z.reshape(n, q * k), targets.z[t].reshape(r, q * k)
        G = sigma2 * np.kron(K, lams[t] @ lams[t].T)
        V, c = V + Z @ G @ Z.T, c + z @ G @ Z.T
        for a in range(k):
            for b in range(a + 1):
                E = np.zeros((k, k))
                E[a, b] = E[b, a] = 1.0
                D = np.kron(K, E)
                changes.append((Z @ D @ Z.T, z @ D @ Z.T))
    changes.append((R, np.zeros((r, n))))
    Vi = np.linalg.inv(V)
    Phi = np.linalg.inv(X.T @ Vi @ X)
    P = Vi - Vi @ X @ Phi @ X.T @ Vi
    weights = c @ P + targets.X @ Phi @ X.T @ Vi  # ℓ
    pv = [P @ Vi_ for Vi_, _ in changes]
    W = np.linalg.inv([[0.5 * np.trace(a @ b) for b in pv] for a in pv])
    moved = np.array([(c_i - weights @ V_i) @ P for V_i, c_i in changes])
    return np.einsum("ij,irn,nm,jrm->r", W, moved, V, moved, optimize=True)
