"""The slow twin of cluster-robust covariances: n×n matrices, straight from the definitions."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np


def power(A: np.ndarray, exponent: float) -> np.ndarray:
    """A symmetric matrix to a power, zero where it is singular."""
    values, vectors = np.linalg.eigh(A)
    used = values > 1e-9 * values.max()
    powers = np.where(used, np.where(used, values, 1.0) ** exponent, 0.0)
    return (vectors * powers) @ vectors.T


@dataclass
class DenseRobust:
    """The covariance of a type and the distribution of tests, from V (n, n)."""

    V: np.ndarray
    X: np.ndarray
    y: np.ndarray
    codes: np.ndarray
    kind: str

    @classmethod
    def of(cls, fit: Any, codes: np.ndarray, kind: str) -> DenseRobust:
        state = fit.state
        y = state.response - state.design.offset
        return cls(fit.matrices.V, np.asarray(state.design.X), y, np.asarray(codes), kind)

    def __post_init__(self) -> None:
        n, p = self.X.shape
        W = np.linalg.inv(self.V)
        self.M = np.linalg.inv(self.X.T @ W @ self.X)
        self.complement = np.eye(n) - self.X @ self.M @ self.X.T @ W
        self.F = []  # each (n, p), zero in the rows of other clusters
        labels = np.unique(self.codes)
        k = len(labels)
        scale = {
            "CR1": k / (k - 1),
            "CR1p": k / (k - p) if k > p else np.nan,
            "CR1S": k * (n - 1) / ((k - 1) * (n - p)),
        }.get(self.kind, 1.0)
        for label in labels:
            own = np.flatnonzero(self.codes == label)
            block = np.ix_(own, own)
            A = np.sqrt(scale) * np.eye(len(own))
            if self.kind == "CR2":
                D = power(self.V[block], 0.5)
                rows = self.complement[own]
                A = D @ power(D @ rows @ self.V @ rows.T @ D.T, -0.5) @ D
            if self.kind == "CR3":
                A = np.linalg.pinv(self.complement[block], rcond=1e-9)
            F = np.zeros((n, p))
            F[own] = A.T @ np.linalg.inv(self.V[block]) @ self.X[own]
            self.F.append(F)

    @cached_property
    def covariance(self) -> np.ndarray:
        e = self.complement @ self.y
        scores = np.array([F.T @ e for F in self.F])
        return self.M @ scores.T @ scores @ self.M

    def products(self, L: np.ndarray) -> np.ndarray:
        """P (k, r, k, r): covariances of t_is = ℓ_s'M F_i'e under the working model."""
        G = np.stack([self.complement.T @ F @ self.M @ L.T for F in self.F])  # (k, n, r)
        return np.einsum("ins,nm,jmt->isjt", G, self.V, G)

    def df(self, ell: np.ndarray) -> float:
        P = self.products(ell[None])[:, 0, :, 0]
        return np.trace(P) ** 2 / (P**2).sum()

    def hotelling(self, L: np.ndarray) -> tuple[float, float]:
        """F and its denominator degrees of freedom."""
        P = self.products(L)
        root = power(np.einsum("isit->st", P), -0.5)
        P = np.einsum("as,isjt,bt->iajb", root, P, root)
        q = len(L)
        # var(D_st) of D_st = Σ_i t_is t_it, one by one
        total = 0.0
        for s in range(q):
            for t in range(q):
                total += (P[:, s, :, s] * P[:, t, :, t] + P[:, s, :, t] * P[:, t, :, s]).sum()
        eta = q * (q + 1) / total
        beta = self.M @ self.X.T @ np.linalg.solve(self.V, self.y)
        wald = L @ beta @ np.linalg.solve(L @ self.covariance @ L.T, L @ beta)
        return (eta - q + 1) / (eta * q) * wald, eta - q + 1
