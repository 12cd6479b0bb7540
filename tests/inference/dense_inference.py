"""The slow twin of degrees of freedom: n×n matrices, derivatives written out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


@dataclass
class DenseModel:
    """y ~ N(Xβ, V) with V = Σ ψ_i V_i, at ψ.

    Attributes
    ----------
    y, X : ndarray (n,), (n, p)
    parts : list of ndarray (n, n)
        V_i; the residual's last.
    psi : ndarray (m,)
    reml : bool
    """

    y: np.ndarray
    X: np.ndarray
    parts: Sequence[np.ndarray]
    psi: np.ndarray
    reml: bool = True

    def __post_init__(self):
        V = sum(p * part for p, part in zip(self.psi, self.parts, strict=True))
        self.Vi = np.linalg.inv(V)
        self.phi = np.linalg.inv(self.X.T @ self.Vi @ self.X)
        self.beta = self.phi @ self.X.T @ self.Vi @ self.y
        self.P = self.Vi - self.Vi @ self.X @ self.phi @ self.X.T @ self.Vi

    def information(self, kind: str) -> np.ndarray:
        P0 = self.P if self.reml else self.Vi
        m = len(self.parts)
        expected, quadratic = np.empty((m, m)), np.empty((m, m))
        for i, a in enumerate(self.parts):
            for j, b in enumerate(self.parts):
                expected[i, j] = 0.5 * np.trace(P0 @ a @ P0 @ b)
                quadratic[i, j] = self.y @ self.P @ a @ self.P @ b @ self.P @ self.y
        return expected if kind == "expected" else quadratic - expected

    def covariance_of_psi(self, kind: str) -> np.ndarray:
        return np.linalg.inv(self.information(kind))

    def slopes(self) -> np.ndarray:
        """∂Φ/∂ψ_i."""
        half = self.Vi @ self.X @ self.phi
        return np.array([half.T @ part @ half for part in self.parts])

    def satterthwaite(self, ell: np.ndarray, kind: str) -> float:
        g = np.array([ell @ s @ ell for s in self.slopes()])
        return 2 * (ell @ self.phi @ ell) ** 2 / (g @ self.covariance_of_psi(kind) @ g)

    def adjusted_covariance(self, kind: str) -> np.ndarray:
        W, total = self.covariance_of_psi(kind), 0.0
        for i, a in enumerate(self.parts):
            for j, b in enumerate(self.parts):
                Pi = -self.X.T @ self.Vi @ a @ self.Vi @ self.X
                Pj = -self.X.T @ self.Vi @ b @ self.Vi @ self.X
                Q = self.X.T @ self.Vi @ a @ self.Vi @ b @ self.Vi @ self.X
                total = total + W[i, j] * (Q - Pi @ self.phi @ Pj)
        return self.phi + 2 * self.phi @ total @ self.phi

    def kenward_roger(self, L: np.ndarray, kind: str) -> tuple[float, float]:
        """F and its denominator degrees of freedom, by the formulas of the 1997 paper."""
        W, ell = self.covariance_of_psi(kind), len(L)
        theta = L.T @ np.linalg.inv(L @ self.phi @ L.T) @ L
        terms = []
        for part in self.parts:
            Pi = -self.X.T @ self.Vi @ part @ self.Vi @ self.X
            terms.append(theta @ self.phi @ Pi @ self.phi)
        a1 = sum(
            W[i, j] * np.trace(a) * np.trace(b)
            for i, a in enumerate(terms)
            for j, b in enumerate(terms)
        )
        a2 = sum(
            W[i, j] * np.trace(a @ b) for i, a in enumerate(terms) for j, b in enumerate(terms)
        )
        B = (a1 + 6 * a2) / (2 * ell)
        g = ((ell + 1) * a1 - (ell + 4) * a2) / ((ell + 2) * a2)
        d = 3 * ell + 2 * (1 - g)
        c1, c2, c3 = g / d, (ell - g) / d, (ell + 2 - g) / d
        E = 1 / (1 - a2 / ell)
        V = 2 / ell * (1 + c1 * B) / ((1 - c2 * B) ** 2 * (1 - c3 * B))
        rho = V / (2 * E**2)
        m = 4 + (ell + 2) / (ell * rho - 1)
        scale = m / (E * (m - 2))
        estimate = L @ self.beta
        wald = estimate @ np.linalg.inv(L @ self.adjusted_covariance(kind) @ L.T) @ estimate
        return scale * wald / ell, m


def dense_model(fit) -> DenseModel:
    """The twin of a fit, at its own estimates: one part a variance or covariance."""
    design, state = fit.state.design, fit.state
    n = design.n
    variances = design.residual.variances()
    parts, psi = [], []
    sigma2 = fit.sigma**2
    for i, group in enumerate(design.groups):
        q, k = len(group.levels), len(group.columns)
        known = state.relationship.get(group.name)
        K = np.eye(q) if known is None else np.asarray(known.dense())
        if known is not None:
            order = [list(known.labels).index(level) for level in group.levels]
            K = K[np.ix_(order, order)]
        basis = design.basis(group)
        lam = state.estimate.lams[i]
        cov = sigma2 * lam @ lam.T
        Z = np.zeros((n, q, k))
        Z[np.arange(n), group.codes] = basis
        for c in group.covariance.column_slices():
            part = group.covariance.structures()[group.covariance.column_slices().index(c)]
            entries = [(a, a) for a in range(part.k)] + part.covariances()
            for a, b in entries:
                a, b = a + c.start, b + c.start
                one = Z[:, :, a] @ K @ Z[:, :, b].T
                parts.append(one if a == b else one + one.T)
                psi.append(cov[a, b])
    parts.append(np.eye(n) if variances is None else np.diag(variances))
    psi.append(sigma2)
    y = state.response - design.offset
    return DenseModel(y, design.X, parts, np.array(psi), fit.reml)


@dataclass
class CurvedModel(DenseModel):
    """The same for V(ψ) that is not linear: its derivatives are taken from the function.

    Attributes
    ----------
    function : callable
        V of ψ, also of complex ψ; `parts` and `second` are derived from it.
    """

    function: Callable[[np.ndarray], np.ndarray] = None  # type: ignore[assignment]

    @classmethod
    def of(cls, y, X, function, psi, reml=True) -> CurvedModel:
        psi = np.asarray(psi, dtype=float)
        return cls(np.asarray(y), np.asarray(X), _slopes(function, psi), psi, reml, function)

    def __post_init__(self):
        self.Vi = np.linalg.inv(self.function(self.psi))
        self.phi = np.linalg.inv(self.X.T @ self.Vi @ self.X)
        self.beta = self.phi @ self.X.T @ self.Vi @ self.y
        self.P = self.Vi - self.Vi @ self.X @ self.phi @ self.X.T @ self.Vi
        self.second = np.empty((len(self.psi), *self.parts.shape))
        for i, value in enumerate(self.psi):
            along = []
            for h in (1e-3 * abs(value), 5e-4 * abs(value)):
                step = h * np.eye(len(self.psi))[i]
                change = _slopes(self.function, self.psi + step)
                change = change - _slopes(self.function, self.psi - step)
                along.append(change / (2 * h))
            self.second[i] = (4 * along[1] - along[0]) / 3

    def information(self, kind: str) -> np.ndarray:
        out = super().information(kind)
        if kind == "expected":
            return out
        P0 = self.P if self.reml else self.Vi
        Py = self.P @ self.y
        return out + 0.5 * np.einsum("ab,ijab->ij", P0 - np.outer(Py, Py), self.second)

    def adjusted_covariance(self, kind: str, second_order: bool = True) -> np.ndarray:
        out = super().adjusted_covariance(kind)
        if not second_order:
            return out
        total = np.einsum("ij,ijab->ab", self.covariance_of_psi(kind), self.second)
        half = self.Vi @ self.X @ self.phi
        return out - 0.5 * half.T @ total @ half


def _slopes(function, psi: np.ndarray) -> np.ndarray:
    """∂V/∂ψ_i by complex steps."""
    steps = 1e-30j * np.eye(len(psi))
    return np.array([np.imag(function(psi + step)) / 1e-30 for step in steps])
