"""The dense n×n twin of a variance-component model: explicit inverses, nothing clever."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from lmforms.varcomp import ComponentModel


@dataclass(frozen=True)
class DenseModel:
    y: np.ndarray
    X: np.ndarray
    parts: tuple[np.ndarray, ...]  # Z_iK_iZ_i', the residual's last
    reml: bool

    @classmethod
    def of(cls, model: ComponentModel, reml: bool) -> DenseModel:
        parts = []
        for c in model.components:
            z = c.Z.toarray()
            parts.append(z @ c.covariance() @ z.T)
        weights = np.ones(model.n) if model.weights is None else model.weights
        return cls(model.y, model.X, (*parts, np.diag(1.0 / weights)), reml)

    def value_and_score(
        self, variances: np.ndarray
    ) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """−2 ln L and the score; P, and T: P for REML, V⁻¹ for ML."""
        n, p = self.X.shape
        V = sum(v * part for v, part in zip(variances, self.parts, strict=True))
        Vi = np.linalg.inv(V)
        XVX = self.X.T @ Vi @ self.X
        P = Vi - Vi @ self.X @ np.linalg.inv(XVX) @ self.X.T @ Vi
        T = P if self.reml else Vi
        Py = P @ self.y
        nu = n - p if self.reml else n
        value = np.linalg.slogdet(V)[1] + self.y @ Py + nu * np.log(2 * np.pi)
        if self.reml:
            value += np.linalg.slogdet(XVX)[1]
        score = np.array([-0.5 * ((T * A.T).sum() - Py @ A @ Py) for A in self.parts])
        return float(value), score, P, T

    def at(self, variances: np.ndarray) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
        """−2 ln L, the score, average and expected information."""
        value, score, P, T = self.value_and_score(variances)
        Py = P @ self.y
        average = np.array([[0.5 * Py @ A @ P @ B @ Py for B in self.parts] for A in self.parts])
        TA = [T @ A for A in self.parts]
        expected = np.array([[0.5 * (a * b.T).sum() for b in TA] for a in TA])
        return value, score, average, expected

    def optimum(self, start: np.ndarray) -> np.ndarray:
        """Variances by direct maximisation over their logarithms."""

        def objective(x: np.ndarray) -> tuple[float, np.ndarray]:
            v = np.exp(x)
            value, score, *_ = self.value_and_score(v)
            return value, -2.0 * score * v

        options = {"gtol": 1e-9, "maxiter": 500}
        found = minimize(objective, np.log(start), jac=True, method="BFGS", options=options)
        return np.exp(found.x)
