"""The slow twin of profiles: n×n covariances in a user's parameters, minimised by SciPy.

A limit of an interval is right if ζ there is ±z, with all other parameters minimised over.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.linalg import cho_solve
from scipy.optimize import minimize

Values = dict[str, float]


@dataclass(frozen=True)
class DenseModel:
    """A model by its covariance matrix.

    Attributes
    ----------
    X, y : ndarray
    covariance : callable
        V from the values of all variance parameters.
    names : list of str
        Of the fixed effects.
    bounds : dict
        Of the variance parameters, in a user's units.
    reml : bool
    """

    X: np.ndarray
    y: np.ndarray
    covariance: Callable[[Values], np.ndarray]
    names: list[str]
    bounds: dict[str, tuple[float, float]]
    reml: bool = False

    def criterion(self, values: Values, held: tuple[str, float] | None) -> float:
        """−2 × log-likelihood, minimised over the fixed effects but for the one that is held."""
        X, y = self.X, self.y
        if held is not None and held[0] in self.names:
            j = self.names.index(held[0])
            X, y = np.delete(X, j, axis=1), y - held[1] * X[:, j]
        V = self.covariance(values)
        if not np.isfinite(V).all():
            return 1e10
        try:
            lower = np.linalg.cholesky(V)
        except np.linalg.LinAlgError:
            return 1e10
        weighted = cho_solve((lower, True), X)
        gram = X.T @ weighted
        residual = y - X @ np.linalg.solve(gram, weighted.T @ y) if X.shape[1] else y
        value = 2.0 * np.log(np.diag(lower)).sum()
        value += residual @ cho_solve((lower, True), residual)
        n = len(y) - X.shape[1] if self.reml else len(y)
        if self.reml:
            value += np.linalg.slogdet(gram)[1]
        return float(value + n * np.log(2.0 * np.pi))

    def minimum(self, start: Values, held: tuple[str, float] | None = None) -> float:
        """The least criterion, with one parameter at a value."""
        free = [name for name in self.bounds if held is None or name != held[0]]

        def values_at(u: np.ndarray) -> Values:
            out = {name: _bounded(x, *self.bounds[name]) for name, x in zip(free, u)}
            if held is not None and held[0] in self.bounds:
                out[held[0]] = held[1]
            return out

        def objective(u: np.ndarray) -> float:
            return self.criterion(values_at(u), held)

        u = np.array([_unbounded(start[name], *self.bounds[name]) for name in free])
        if not free:
            return objective(u)
        best = np.inf
        for _ in range(4):
            found = minimize(objective, u, method="BFGS", options={"gtol": 1e-6})
            u = found.x
            if best - found.fun < 1e-8:
                break
            best = found.fun
        return float(min(best, found.fun))


def _bounded(u: float, low: float, high: float) -> float:
    u = float(np.clip(u, -30.0, 30.0))
    if np.isinf(high):
        return float(low + np.exp(u)) if np.isfinite(low) else float(u)
    return float(low + (high - low) / (1.0 + np.exp(-u)))


def _unbounded(value: float, low: float, high: float) -> float:
    if np.isinf(high):
        return float(np.log(max(value - low, 1e-3))) if np.isfinite(low) else float(value)
    share = np.clip((value - low) / (high - low), 1e-3, 1.0 - 1e-3)
    return float(np.log(share / (1.0 - share)))


def zeta_errors(
    model: DenseModel, table: pd.DataFrame, estimates: Values, z: float
) -> pd.DataFrame:
    """|ζ| − z of the twin at each limit of a table, NaN for infinite ones."""
    lowest = model.minimum(estimates)
    out = table.copy().astype(float)
    for name in table.index:
        for side in ("lower", "upper"):
            value = float(table.loc[name, side])
            if np.isfinite(value):
                rise = model.minimum(estimates, (name, value)) - lowest
                out.loc[name, side] = np.sqrt(max(rise, 0.0)) - z
            else:
                out.loc[name, side] = np.nan
    return pd.DataFrame(out)
