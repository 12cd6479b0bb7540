"""The slow twin of residual structures: n×n matrices, straight from the definitions.

>>> from dense_residual import RandomTerm, correlation, criterion, maximise  # doctest: +SKIP
>>> found = maximise(X, y, lambda phi: correlation("ar1", np.sin(phi), at, series), [[0.3]])
>>> found.value, np.sin(found.phi)                     # −2 log-likelihood, ρ
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.optimize import minimize

STEP = 3e-3
"""Step of differences of order six, relative to the parameter."""

IMPOSSIBLE = 1e10
"""Criterion where the covariance is not positive definite."""


# --- correlations of natural parameters -----------------------------------------------------


def correlation(
    kind: str,
    natural: Sequence[float] | np.ndarray,
    points: np.ndarray,
    series: np.ndarray | None = None,
) -> np.ndarray:
    """R (n, n) of one variance; rows of different series are independent.

    Parameters
    ----------
    kind : str
        ``iid``, ``ar1``, ``cs``, ``corsymm``, ``toep``, ``ante``, ``ma``, ``arma`` (phi1, theta1),
        ``exp``, ``gau``, ``sph`` (range, then perhaps a nugget), ``ar1:ar1``, ``ma:ma``.
    natural : sequence of float
    points : ndarray (n, d)
        Times, numbers of visits 0 … k − 1, or coordinates.
    series : ndarray (n,), optional
    """
    points = np.asarray(points, dtype=float)
    points = points[:, None] if points.ndim == 1 else points
    natural = np.atleast_1d(np.asarray(natural, dtype=float))
    lag = np.abs(points[:, None, :] - points[None, :, :])
    if ":" in kind:
        own = zip(kind.split(":"), natural, lag.transpose(2, 0, 1), strict=True)
        out = np.prod([_PAIRS[k](np.array([value]), one) for k, value, one in own], axis=0)
    elif kind in ("exp", "gau", "sph"):
        out = _decay(kind, natural, np.sqrt(np.square(lag).sum(axis=2)))
    elif kind in ("corsymm", "ante"):
        visit = points[:, 0].astype(int)
        out = _VISITS[kind](natural)[np.ix_(visit, visit)]
    else:
        out = _PAIRS[kind](natural, lag[:, :, 0])
    if series is not None:
        out = np.where(np.asarray(series)[:, None] == np.asarray(series), out, 0.0)
    out[np.diag_indices(len(out))] = 1.0
    return out


def moving_average_lags(theta: np.ndarray) -> np.ndarray:
    """Correlations at lags 0 … q."""
    psi = np.concatenate([[1.0], theta])
    covariance = np.correlate(psi, psi, mode="full")[len(theta) :]
    return covariance / covariance[0]


def arma_lags(phi: float, theta: float, longest: int) -> np.ndarray:
    """Correlations at lags 0 … longest of an ARMA(1, 1)."""
    first = (1.0 + phi * theta) * (phi + theta) / (1.0 + 2.0 * phi * theta + theta**2)
    return np.concatenate([[1.0], first * phi ** np.arange(longest)])


def _by_lag(values: np.ndarray, lag: np.ndarray) -> np.ndarray:
    """Zero beyond the last value."""
    padded = np.concatenate([values, np.zeros(int(lag.max()) + 1)])
    return padded[np.rint(lag).astype(int)]


def _unstructured(natural: np.ndarray) -> np.ndarray:
    k = int(np.rint((1.0 + np.sqrt(1.0 + 8.0 * len(natural))) / 2.0))
    table = np.eye(k)
    table[np.tril_indices(k, -1)] = natural  # (1,2), (1,3), (2,3), (1,4), …
    return table + np.tril(table, -1).T


def _antedependence(natural: np.ndarray) -> np.ndarray:
    k = len(natural) + 1
    table = np.eye(k)
    for a in range(k):
        for b in range(a + 1, k):
            table[a, b] = table[b, a] = np.prod(natural[a:b])
    return table


def _decay(kind: str, natural: np.ndarray, distance: np.ndarray) -> np.ndarray:
    h = distance / natural[0]
    shapes = {
        "exp": lambda: np.exp(-h),
        "gau": lambda: np.exp(-(h**2)),
        "sph": lambda: np.where(h < 1.0, 1.0 - 1.5 * h + 0.5 * h**3, 0.0),
    }
    nugget = natural[1] if len(natural) > 1 else 0.0
    return (1.0 - nugget) * shapes[kind]()


_PAIRS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "iid": lambda natural, lag: np.zeros_like(lag),
    "ar1": lambda natural, lag: natural[0] ** lag,
    "cs": lambda natural, lag: np.full_like(lag, natural[0]),
    "toep": lambda natural, lag: _by_lag(np.concatenate([[1.0], natural]), lag),
    "ma": lambda natural, lag: _by_lag(moving_average_lags(natural), lag),
    "arma": lambda natural, lag: _by_lag(arma_lags(*natural, int(lag.max())), lag),
}
_VISITS = {"corsymm": _unstructured, "ante": _antedependence}


def standard_deviations(
    function: str, natural: Sequence[float] | np.ndarray, x: np.ndarray
) -> np.ndarray:
    """Relative standard deviation of each row (n,).

    Parameters
    ----------
    function : {"none", "idh", "power", "expvar", "constpower", "weights"}
    natural : sequence of float
        Of ``idh`` the ratios of strata 1 … k − 1 to stratum 0.
    x : ndarray (n,)
        The covariate; of ``idh`` codes of strata; known weights.
    """
    natural = np.asarray(natural, dtype=float)
    x = np.asarray(x)
    functions: dict[str, Callable[[], np.ndarray]] = {
        "none": lambda: np.ones(len(x)),
        "idh": lambda: np.concatenate([[1.0], natural])[x],
        "power": lambda: np.abs(x) ** natural[0],
        "expvar": lambda: np.exp(natural[0] * x),
        "constpower": lambda: natural[0] + np.abs(x) ** natural[1],
        "weights": lambda: 1.0 / np.sqrt(x),
    }
    return functions[function]()


# --- the criterion ----------------------------------------------------------------------------


@dataclass(frozen=True)
class RandomTerm:
    """Random effects of one term.

    Attributes
    ----------
    codes : ndarray (n,)
        Level of each row.
    basis : ndarray (n, k)
        Columns of the term.
    """

    codes: np.ndarray
    basis: np.ndarray

    @property
    def size(self) -> int:
        """Number of entries of the triangular factor."""
        k = self.basis.shape[1]
        return k * (k + 1) // 2

    def covariance(self, G: np.ndarray) -> np.ndarray:
        """Z(I ⊗ G)Z' (n, n)."""
        same = np.asarray(self.codes)[:, None] == np.asarray(self.codes)
        return np.where(same, self.basis @ G @ self.basis.T, 0.0)

    def factor(self, theta: np.ndarray) -> np.ndarray:
        """The lower-triangular factor from its entries by rows."""
        k = self.basis.shape[1]
        lower = np.zeros((k, k))
        lower[np.tril_indices(k)] = theta
        return lower


@dataclass(frozen=True)
class Estimates:
    """What follows from V, where Cov(y) = σ²V.

    Attributes
    ----------
    value : float
        −2 × the (restricted) log-likelihood with σ² at its best.
    beta, se : ndarray (p,)
    cov_beta : ndarray (p, p)
    sigma : float
    """

    value: float
    beta: np.ndarray
    se: np.ndarray
    cov_beta: np.ndarray
    sigma: float


def estimates(X: np.ndarray, y: np.ndarray, V: np.ndarray, reml: bool = True) -> Estimates:
    """Generalised least squares with Cov(y) = σ²V.

    The restricted criterion is (n − p) ln 2πσ² + ln|V| + ln|X'V⁻¹X| + r'V⁻¹r/σ², without a term
    of ln|X'X|, as in lme4.
    """
    n, p = X.shape
    root = np.linalg.cholesky(V)
    Xw, yw = (solve_triangular(root, a, lower=True) for a in (X, y))
    factor = cho_factor(Xw.T @ Xw, lower=True)
    beta = cho_solve(factor, Xw.T @ yw)
    nu = n - p if reml else n
    sigma2 = float(np.square(yw - Xw @ beta).sum()) / nu
    value = nu * (np.log(2.0 * np.pi * sigma2) + 1.0) + 2.0 * np.log(np.diagonal(root)).sum()
    if reml:
        value += 2.0 * np.log(np.diagonal(factor[0])).sum()
    cov_beta = sigma2 * cho_solve(factor, np.eye(p))
    return Estimates(
        float(value), beta, np.sqrt(np.diagonal(cov_beta)), cov_beta, float(np.sqrt(sigma2))
    )


def criterion(X: np.ndarray, y: np.ndarray, V: np.ndarray, reml: bool = True) -> float:
    """−2 × the (restricted) log-likelihood with σ² at its best; large where V is impossible."""
    try:
        value = estimates(X, y, V, reml).value
    except (np.linalg.LinAlgError, ValueError):
        return IMPOSSIBLE
    return value if np.isfinite(value) else IMPOSSIBLE


# --- its maximum --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Maximum:
    """The best point of several searches.

    Attributes
    ----------
    phi : ndarray
        Parameters of R, as `maximise` was given them.
    factors : tuple of ndarray (k, k)
        Lower-triangular factors of the random effects' covariance, relative to σ.
    value : float
        −2 × the (restricted) log-likelihood.
    gradient : float
        Largest slope that is left.
    estimates : Estimates
    """

    phi: np.ndarray
    factors: tuple[np.ndarray, ...]
    value: float
    gradient: float
    estimates: Estimates


def maximise(
    X: np.ndarray,
    y: np.ndarray,
    residual: Callable[[np.ndarray], np.ndarray],
    starts: Sequence[Sequence[float] | np.ndarray],
    *,
    reml: bool = True,
    random: Sequence[RandomTerm] = (),
) -> Maximum:
    """Maximise the likelihood over φ of R and the factors of G, from every start.

    Parameters
    ----------
    X, y : ndarray (n, p), (n,)
    residual : callable
        φ to R (n, n). φ is searched without bounds: let `residual` map it.
    starts : sequence of φ
        At least one; an empty φ for a structure without parameters.
    reml : bool
    random : sequence of RandomTerm
    """
    n_phi = len(np.asarray(starts[0], dtype=float))
    ends = np.cumsum([n_phi, *(term.size for term in random)])
    identity = [np.eye(t.basis.shape[1])[np.tril_indices(t.basis.shape[1])] for t in random]

    def factors(x: np.ndarray) -> list[np.ndarray]:
        return [t.factor(x[a:b]) for t, (a, b) in zip(random, pairwise(ends), strict=True)]

    def covariance(x: np.ndarray) -> np.ndarray:
        parts = [t.covariance(f @ f.T) for t, f in zip(random, factors(x), strict=True)]
        return np.asarray(residual(x[:n_phi]) + sum(parts))

    def value(x: np.ndarray) -> float:
        return criterion(X, y, covariance(x), reml)

    best, lowest = np.empty(0), np.inf
    for start in starts:
        x = np.concatenate([np.asarray(start, dtype=float), *(0.7 * t for t in identity)])
        if len(x):
            x = minimize(value, x, jac=lambda x: gradient(value, x), method="BFGS").x
        if value(x) < lowest:
            best, lowest = x, value(x)
    best = _newton(value, best)
    slope = float(np.abs(gradient(value, best)).max(initial=0.0))
    found = estimates(X, y, covariance(best), reml)
    return Maximum(best[:n_phi], tuple(factors(best)), found.value, slope, found)


def gradient(f: Callable[[np.ndarray], float], x: np.ndarray) -> np.ndarray:
    """Central differences of order six."""
    out = np.empty(len(x))
    for i in range(len(x)):
        h = STEP * max(abs(x[i]), 0.1)
        values = []
        for k in (1, -1, 2, -2, 3, -3):
            moved = x.copy()
            moved[i] += k * h
            values.append(f(moved))
        a, b, c, d, e, g = values
        out[i] = (45.0 * (a - b) - 9.0 * (c - d) + (e - g)) / (60.0 * h)
    return out


def _newton(f: Callable[[np.ndarray], float], x: np.ndarray, steps: int = 4) -> np.ndarray:
    """Newton steps that are kept while they make the gradient smaller."""
    if not len(x):
        return x
    slope = gradient(f, x)
    for _ in range(steps):
        h = 1e-3 * np.maximum(np.abs(x), 0.1)
        ahead = [gradient(f, x + np.eye(len(x))[i] * h[i]) for i in range(len(x))]
        behind = [gradient(f, x - np.eye(len(x))[i] * h[i]) for i in range(len(x))]
        hessian = (np.array(ahead) - np.array(behind)) / (2.0 * h[:, None])
        move = np.linalg.lstsq(0.5 * (hessian + hessian.T), slope, rcond=1e-10)[0]
        candidate = x - move
        new = gradient(f, candidate)
        if f(candidate) > f(x) + 1e-9 or np.abs(new).max() >= np.abs(slope).max():
            break
        x, slope = candidate, new
    return x
