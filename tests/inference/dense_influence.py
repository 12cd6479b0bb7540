"""The slow twin of deletions: V₀ written out, rows struck out of it, explicit inverses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from lmforms import MixedModelResults


@dataclass
class DenseModel:
    """A fit at its θ, relative to σ²."""

    X: np.ndarray
    y: np.ndarray
    V: np.ndarray
    R: np.ndarray
    reml: bool

    @classmethod
    def of(cls, fit: MixedModelResults) -> DenseModel:
        state = fit.state
        design, n = state.design, state.design.n
        R = np.asarray(state.residual.matrix(n).toarray())
        V = R.copy()
        for group, lam in zip(design.groups, state.estimate.lams, strict=True):
            K = np.eye(len(group.levels))
            if group.name in state.relationship:
                known = state.relationship[group.name]
                at = known.positions(group.levels)
                K = np.asarray(known.dense())[np.ix_(at, at)]
            rows = design.basis(group) @ lam
            V += K[np.ix_(group.codes, group.codes)] * (rows @ rows.T)
        return cls(design.X, state.response - design.offset, V, R, fit.reml)

    def without(self, gone: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
        """β, its covariance and σ from the other rows."""
        kept = np.setdiff1d(np.arange(len(self.y)), gone)
        X, y = self.X[kept], self.y[kept]
        inverse = np.linalg.inv(self.V[np.ix_(kept, kept)])
        unscaled = np.linalg.inv(X.T @ inverse @ X)
        beta = unscaled @ X.T @ inverse @ y
        rest = y - X @ beta
        sigma2 = rest @ inverse @ rest / (len(kept) - self.reml * X.shape[1])
        return beta, sigma2 * unscaled, float(np.sqrt(sigma2))

    @property
    def P(self) -> np.ndarray:
        inverse = np.linalg.inv(self.V)
        across = inverse @ self.X
        return inverse - across @ np.linalg.inv(self.X.T @ across) @ across.T

    def prediction_without(self, i: int) -> tuple[float, float]:
        """Row i predicted from the others, and the variance of the error over σ²."""
        kept = np.delete(np.arange(len(self.y)), i)
        inverse = np.linalg.inv(self.V[np.ix_(kept, kept)])
        X, v = self.X[kept], self.V[i, kept] @ inverse
        unscaled = np.linalg.inv(X.T @ inverse @ X)
        beta = unscaled @ X.T @ inverse @ self.y[kept]
        found = self.X[i] @ beta + v @ (self.y[kept] - X @ beta)
        gap = self.X[i] - v @ X
        return found, self.V[i, i] - v @ self.V[kept, i] + gap @ unscaled @ gap


def measures(fit: Any, dense: DenseModel, gone: np.ndarray) -> dict[str, Any]:
    """What :class:`lmforms.inference.influence.influence.Influence` says of one case."""
    beta, covariance, sigma = dense.without(gone)
    before = fit.state.estimate.cov_beta
    shift, p = fit.params.to_numpy() - beta, len(beta)
    ratio = np.linalg.solve(before, covariance)
    return {
        "params": beta,
        "bse": np.sqrt(np.diag(covariance)),
        "sigma": sigma,
        "dfbetas": shift / np.sqrt(np.diag(covariance)),
        "cooks_distance": shift @ np.linalg.solve(before, shift) / p,
        "mdffits": shift @ np.linalg.solve(covariance, shift) / p,
        "covratio": np.linalg.det(ratio),
        "covtrace": abs(np.trace(ratio) - p),
    }
