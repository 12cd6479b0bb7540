"""Models with residual parameters whose V is written out, for the slow twin.

ψ are the parameters that second derivatives are meant for: absolute variances and covariances
where these fill a linear space, else absolute variances with correlations, ranges and powers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from dense_inference import CurvedModel

import lmforms as lf

VISITS = 4


@cache
def trial() -> pd.DataFrame:
    """14 subjects at four visits, some missing; times that are not equally spaced; items."""
    rng = np.random.default_rng(20)
    subjects = 14
    root = np.linalg.cholesky(0.6 ** np.abs(np.subtract.outer(np.arange(4.0), np.arange(4.0))))
    sd = np.array([1.0, 1.3, 1.7, 2.2])
    data = pd.DataFrame(
        {
            "subject": np.repeat(np.arange(subjects), VISITS),
            "visit": np.tile(np.arange(VISITS), subjects),
            "arm": np.repeat(rng.permutation(subjects) % 2, VISITS).astype(str),
            "x": rng.normal(size=subjects * VISITS),
            "z": np.exp(rng.normal(size=subjects * VISITS)),
            "item": rng.permutation(np.arange(subjects * VISITS) % 5),
            "place": np.tile([0.0, 0.7, 1.9, 4.0], subjects)
            + 0.2 * rng.uniform(size=subjects * VISITS),
        }
    )
    noise = (root @ (rng.normal(size=(subjects, VISITS)) * 1.0).T).T * sd
    level = 0.8 * rng.normal(size=subjects)
    slope = 0.3 * rng.normal(size=subjects)
    data["y"] = (
        noise.ravel()
        + level[data["subject"]]
        + slope[data["subject"]] * data["visit"]
        + 0.7 * rng.normal(size=5)[data["item"]]
        + 0.4 * data["visit"]
    )
    shocks = rng.normal(size=(subjects, VISITS + 2))
    moving = shocks[:, 2:] + 0.5 * shocks[:, 1:-1] + 0.2 * shocks[:, :-2]
    data["u"] = moving.ravel()
    return data[rng.uniform(size=len(data)) > 0.12].reset_index(drop=True)


@cache
def long_trial() -> pd.DataFrame:
    """12 subjects at up to seven visits, with levels and slopes of their own and AR(1) noise."""
    rng = np.random.default_rng(8)
    subjects, visits = 12, 7
    root = np.linalg.cholesky(0.5 ** np.abs(np.subtract.outer(np.arange(7.0), np.arange(7.0))))
    data = pd.DataFrame(
        {
            "subject": np.repeat(np.arange(subjects), visits),
            "visit": np.tile(np.arange(visits), subjects),
            "arm": np.repeat(rng.permutation(subjects) % 2, visits).astype(str),
            "x": rng.normal(size=subjects * visits),
        }
    )
    noise = (root @ rng.normal(size=(visits, subjects))).T
    level = 2.0 * rng.normal(size=subjects)
    slope = 0.8 * rng.normal(size=subjects)
    own = data["subject"]
    data["level"] = noise.ravel() + level[own]
    data["y"] = data["level"] + slope[own] * data["visit"]
    return data[rng.uniform(size=len(data)) > 0.15].reset_index(drop=True)


@dataclass(frozen=True)
class Case:
    """A model and its V.

    Attributes
    ----------
    formula, residual : str
    part : callable
        (data, ψ of the residuals) → σ²R.
    psi : callable
        ψ of the residuals of a fit.
    random : sequence of (column of the levels, columns of the basis)
        Each with all variances and covariances.
    is_linear : bool
    """

    formula: str
    residual: str
    part: Callable[[pd.DataFrame, Any], Any]
    psi: Callable[[Any], np.ndarray]
    random: tuple[tuple[str, tuple[str, ...]], ...] = ()
    is_linear: bool = False
    data: Callable[[], pd.DataFrame] = trial

    def fit(self, **options: Any) -> Any:
        return lf.lmer(self.formula, self.data(), residual=self.residual, **options)

    def dense(self, fit: Any) -> CurvedModel:
        """The twin of a fit, at its estimates."""
        data, design = self.data(), fit.state.design
        blocks, psi = [], []
        for i, (name, columns) in enumerate(self.random):
            codes = data[name].to_numpy()
            Z = np.column_stack(
                [np.ones(len(data)) if c == "1" else data[c].to_numpy(float) for c in columns]
            )
            same = (codes[:, None] == codes).astype(float)
            lam = fit.state.estimate.lams[i]
            G = fit.sigma**2 * lam @ lam.T
            for a in range(len(columns)):
                for b in range(a + 1):
                    one = np.outer(Z[:, a], Z[:, b]) * same
                    blocks.append(one if a == b else one + one.T)
                    psi.append(G[a, b])
        m = len(blocks)

        def V(values: np.ndarray) -> np.ndarray:
            out = self.part(data, values[m:]) + 0j * values[0]
            out = out + sum(v * block for v, block in zip(values[:m], blocks, strict=True))
            return out if np.iscomplexobj(values) else out.real

        values = np.concatenate([psi, self.psi(fit)])
        y = fit.state.response - design.offset
        return CurvedModel.of(y, design.X, V, values, fit.reml)


def _same(data: pd.DataFrame) -> np.ndarray:
    codes = data["subject"].to_numpy()
    return codes[:, None] == codes


def _lags(data: pd.DataFrame) -> np.ndarray:
    visit = data["visit"].to_numpy()
    return np.abs(visit[:, None] - visit)


def _power(base: Any, exponent: np.ndarray) -> Any:
    """base^exponent by multiplication, for complex numbers."""
    out = np.ones(exponent.shape, dtype=np.result_type(base, float))
    for k in range(1, int(exponent.max()) + 1):
        out = np.where(exponent >= k, out * base, out)
    return out


def _natural(fit: Any) -> np.ndarray:
    return np.asarray(fit.state.residual.natural)


def _rho_sigma2(fit: Any) -> np.ndarray:
    return np.append(_natural(fit), fit.sigma**2)


def _ar1(data: pd.DataFrame, psi: Any) -> Any:
    return psi[1] * _same(data) * _power(psi[0], _lags(data))


def _cs(data: pd.DataFrame, psi: Any) -> Any:  # a variance and a covariance
    return _same(data) * np.where(_lags(data) == 0, psi[0], psi[1])


def _by_lag(data: pd.DataFrame, psi: Any) -> Any:
    return _same(data) * np.concatenate([psi, np.zeros(VISITS - len(psi))])[_lags(data)]


def _covariances(fit: Any, count: int) -> np.ndarray:
    """Variance and covariances at lags, from R itself."""
    residual = fit.state.residual
    points = np.arange(float(VISITS))[:, None]
    row = residual.correlation.matrix(residual.phi, points)[0]
    return fit.sigma**2 * row[:count]


def _us(data: pd.DataFrame, psi: Any) -> Any:
    table = np.zeros((VISITS, VISITS), dtype=np.asarray(psi).dtype)
    i, j = np.tril_indices(VISITS)
    table[i, j] = table[j, i] = psi
    visit = data["visit"].to_numpy()
    return _same(data) * table[visit[:, None], visit]


def _us_psi(fit: Any) -> np.ndarray:
    correlation = fit.state.residual.correlation
    natural = _natural(fit)
    k = correlation.n_parameters
    table = np.eye(VISITS)
    i, j = np.tril_indices(VISITS, -1)
    table[i, j] = table[j, i] = natural[:k]
    sd = fit.sigma * np.append(1.0, natural[k:])
    return (sd[:, None] * table * sd)[np.tril_indices(VISITS)]


def _variances(fit: Any) -> np.ndarray:
    """Natural parameters of the correlation, then absolute variances of all visits."""
    natural = _natural(fit)
    k = len(natural) - (VISITS - 1)
    return np.concatenate([natural[:k], fit.sigma**2 * np.append(1.0, natural[k:]) ** 2])


def _heterogeneous(correlation: Callable[[pd.DataFrame, Any], Any], count: int) -> Any:
    def part(data: pd.DataFrame, psi: Any) -> Any:
        sd = np.sqrt(psi[count:])[data["visit"].to_numpy()]
        return sd[:, None] * correlation(data, psi[:count]) * sd

    return part


def _hcs(data: pd.DataFrame, psi: Any) -> Any:
    return _same(data) * np.where(_lags(data) == 0, 1.0, psi[0])


def _exp(data: pd.DataFrame, psi: Any) -> Any:
    place = data["place"].to_numpy()
    return psi[1] * _same(data) * np.exp(-np.abs(place[:, None] - place) / psi[0])


def _power_of_z(data: pd.DataFrame, psi: Any) -> Any:
    return psi[1] * np.diag(np.exp(2.0 * psi[0] * np.log(data["z"].to_numpy())))


def _ar1_power(data: pd.DataFrame, psi: Any) -> Any:
    sd = np.exp(psi[1] * np.log(data["z"].to_numpy()))
    return psi[2] * sd[:, None] * _same(data) * _power(psi[0], _lags(data)) * sd


def _ar1_nugget(data: pd.DataFrame, psi: Any) -> Any:  # ρ, variance of the nugget, of the rest
    return _ar1(data, [psi[0], psi[2]]) + psi[1] * np.eye(len(data))


def _nugget_psi(fit: Any) -> np.ndarray:
    rho, share = _natural(fit)
    return np.array([rho, fit.sigma**2 * share, fit.sigma**2 * (1 - share)])


FIXED = "y ~ visit * arm + x"

CASES = {
    "cs": Case(FIXED, "cs(visit | subject)", _cs, lambda f: _covariances(f, 2), is_linear=True),
    "us": Case(FIXED, "us(visit | subject)", _us, _us_psi, is_linear=True),
    "toep": Case(
        FIXED,
        "toep(visit | subject)",
        _by_lag,
        lambda f: _covariances(f, VISITS),
        is_linear=True,
    ),
    "ma2": Case(
        "u ~ arm + x",
        "ma(visit | subject, q=2)",
        _by_lag,
        lambda f: _covariances(f, 3),
        is_linear=True,
    ),
    "idh": Case(
        FIXED,
        "idh(visit)",
        lambda data, psi: np.diag(psi[data["visit"].to_numpy()]),
        _variances,
        is_linear=True,
    ),
    "ar1": Case(FIXED, "ar1(visit | subject)", _ar1, _rho_sigma2),
    "har1": Case(
        FIXED,
        "har1(visit | subject)",
        _heterogeneous(lambda d, psi: _ar1(d, [psi[0], 1.0]), 1),
        _variances,
    ),
    "hcs": Case(FIXED, "hcs(visit | subject)", _heterogeneous(_hcs, 1), _variances),
    "exp": Case(FIXED, "exp(place | subject)", _exp, _rho_sigma2),
    "power": Case(FIXED, "power(z)", _power_of_z, _rho_sigma2),
    "ar1_power": Case(FIXED, "ar1(visit | subject) * power(z)", _ar1_power, _rho_sigma2),
    "ar1_nugget": Case(FIXED, "ar1(visit | subject) + units", _ar1_nugget, _nugget_psi),
    "ar1_intercept": Case(
        "level ~ visit * arm + x + (1 | subject)",
        "ar1(visit | subject)",
        _ar1,
        _rho_sigma2,
        (("subject", ("1",)),),
        data=long_trial,
    ),
    "ar1_slopes": Case(
        "y ~ arm + x + (visit | subject)",
        "ar1(visit | subject)",
        _ar1,
        _rho_sigma2,
        (("subject", ("1", "visit")),),
        data=long_trial,
    ),
    "ar1_crossed": Case(
        FIXED + " + (1 | item)", "ar1(visit | subject)", _ar1, _rho_sigma2, (("item", ("1",)),)
    ),
}
