"""Small models of every kind with their covariance matrices, for the tests of profiles."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from dense_profiles import DenseModel, Values

import lmforms as lf
from lmforms.inference.model_parameters import model_parameters

POSITIVE, CORRELATION = (0.0, np.inf), (-1.0, 1.0)


def frame(groups: int = 9, m: int = 5, twice: bool = False) -> pd.DataFrame:
    """Series of groups with random slopes and autocorrelated noise."""
    rng = np.random.default_rng(1)
    g, t = np.repeat(np.arange(groups), m), np.tile(np.arange(m), groups)
    n = len(g)
    x = rng.normal(size=n)
    b = rng.normal(size=(groups, 2)) @ np.array([[1.0, 0.4], [0.0, 0.5]])
    e = rng.normal(size=(groups, m))
    for j in range(1, m):
        e[:, j] += 0.5 * e[:, j - 1]
    out = pd.DataFrame(
        {
            "y": 2.0 + 0.7 * x + b[g, 0] + b[g, 1] * x + e.ravel(),
            "x": x,
            "z": rng.normal(size=n),
            "t": t,
            "visit": pd.Categorical([f"v{k}" for k in t]),
            "g": pd.Categorical([f"g{k}" for k in g]),
            "h": pd.Categorical([f"h{k}" for k in rng.permutation(n) % 6]),
            "w": rng.uniform(0.5, 2.0, n),
        }
    )
    if not twice:
        return out
    other = out.assign(y=out["y"] + rng.normal(size=n), x=-out["x"])
    return pd.concat([out, other], ignore_index=True)


DATA = frame()
TWICE = frame(m=3, twice=True)
SHORT = frame(groups=12, m=3)


def same(labels: Any) -> np.ndarray:
    """1 where two rows have the same label."""
    codes = np.asarray(pd.Categorical(labels).codes)
    return (codes[:, None] == codes).astype(float)


def lags(data: pd.DataFrame) -> np.ndarray:
    """Distances in time."""
    t = data["t"].to_numpy()
    return np.abs(np.subtract.outer(t, t))


@dataclass
class ProfileModel:
    """A model with its dense twin.

    Attributes
    ----------
    formula : str
    data : DataFrame
    covariance : callable
        V of the values of the variance parameters.
    options : dict
        Of `lf.lmer`.
    limits : dict
        Bounds of parameters that are neither standard deviations nor correlations.
    """

    formula: str
    data: pd.DataFrame
    covariance: Callable[[Values, pd.DataFrame], np.ndarray]
    options: dict[str, Any] = field(default_factory=dict)
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)

    @cached_property
    def fit(self) -> Any:
        """By ML; some are singular."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return lf.lmer(self.formula, self.data, reml=False, **self.options)

    def dense(self, reml: bool = False) -> DenseModel:
        """The twin."""
        state, bounds = self.fit.state, {}
        for p in model_parameters(state):
            if p.kind != "fixed":
                usual = POSITIVE if p.is_deviation else CORRELATION
                bounds[p.name] = self.limits.get(p.name, usual)
        return DenseModel(
            X=np.asarray(state.design.X),
            y=state.response - state.design.offset,
            covariance=lambda values: self.covariance(values, self.data),
            names=[str(name) for name in state.design.x_names],
            bounds=bounds,
            reml=reml,
        )


def _slopes(p: Values, d: pd.DataFrame) -> np.ndarray:
    x, (a, b) = d["x"].to_numpy(), (p["sd(Intercept | g)"], p["sd(x | g)"])
    of_level = a**2 + p["cor(Intercept, x | g)"] * a * b * np.add.outer(x, x)
    return same(d["g"]) * (of_level + b**2 * np.outer(x, x)) + p["sigma"] ** 2 * np.eye(len(d))


def _weighted(p: Values, d: pd.DataFrame) -> np.ndarray:
    noise = p["sigma"] ** 2 * np.diag(1.0 / d["w"])
    return same(d["g"]) * p["sd(Intercept | g)"] ** 2 + noise


def _crossed(p: Values, d: pd.DataFrame) -> np.ndarray:
    own = same(d["g"]) * p["sd(Intercept | g)"] ** 2 + same(d["h"]) * p["sd(Intercept | h)"] ** 2
    return own + p["sigma"] ** 2 * np.eye(len(d))


RELATED = np.cov(np.random.default_rng(3).normal(size=(9, 20))) * 3.0


def _related(p: Values, d: pd.DataFrame) -> np.ndarray:
    codes = d["g"].cat.codes.to_numpy()
    own = RELATED[np.ix_(codes, codes)] * p["sd(Intercept | g)"] ** 2
    return own + p["sigma"] ** 2 * np.eye(len(d))


def _random_ar1(p: Values, d: pd.DataFrame) -> np.ndarray:
    sd, rho = p["sd(ar1(0 + visit | g))"], p["rho(ar1(0 + visit | g))"]
    return same(d["g"]) * sd**2 * rho ** lags(d) + p["sigma"] ** 2 * np.eye(len(d))


def _random_toep(p: Values, d: pd.DataFrame) -> np.ndarray:
    name = "(toep(0 + visit | g))"
    rho = np.array([1.0, p[f"rho[1]{name}"], p[f"rho[2]{name}"]])
    return same(d["g"]) * p[f"sd{name}"] ** 2 * rho[lags(d)] + p["sigma"] ** 2 * np.eye(len(d))


def _residual_ar1(p: Values, d: pd.DataFrame) -> np.ndarray:
    return same(d["g"]) * (p["sd(Intercept | g)"] ** 2 + p["sigma"] ** 2 * p["rho"] ** lags(d))


def _har1(p: Values, d: pd.DataFrame) -> np.ndarray:
    sd = np.array([p["sd[v0]"], p["sd[v1]"], p["sd[v2]"]])[d["t"]]
    return same(d["g"]) * np.outer(sd, sd) * p["rho"] ** lags(d)


def _us(p: Values, d: pd.DataFrame) -> np.ndarray:
    sd, C = np.array([p["sd[v0]"], p["sd[v1]"], p["sd[v2]"]]), np.eye(3)
    for i, j in ((0, 1), (0, 2), (1, 2)):
        C[i, j] = C[j, i] = p[f"rho[v{i},v{j}]"]
    return same(d["g"]) * (np.outer(sd, sd) * C)[np.ix_(d["t"], d["t"])]


def _exp(p: Values, d: pd.DataFrame) -> np.ndarray:
    gap = lags(d)
    decay = np.where(gap == 0, 1.0, (1.0 - p["nugget"]) * np.exp(-gap / p["range"]))
    return same(d["g"]) * p["sigma"] ** 2 * decay


def _power(p: Values, d: pd.DataFrame) -> np.ndarray:
    sd = p["sigma"] * d["w"].to_numpy() ** p["power"]
    return same(d["g"]) * p["sd(Intercept | g)"] ** 2 + np.diag(sd**2)


LEVELS = list(DATA["g"].cat.categories)

MODELS = {
    "slopes": ProfileModel("y ~ x + (x | g)", DATA, _slopes),
    "weights": ProfileModel(
        "y ~ x + z + (1 | g)", DATA, _weighted, {"weights": "w", "offset": "t"}
    ),
    "crossed": ProfileModel("y ~ x + (1 | g) + (1 | h)", DATA, _crossed),
    "related": ProfileModel(
        "y ~ x + (1 | g)",
        DATA,
        _related,
        {"relationship": {"g": pd.DataFrame(RELATED, LEVELS, LEVELS)}},
    ),
    "random ar1": ProfileModel("y ~ x + ar1(0 + visit | g)", TWICE, _random_ar1),
    "random toep": ProfileModel("y ~ x + toep(0 + visit | g)", TWICE, _random_toep),
    "residual ar1": ProfileModel(
        "y ~ x + (1 | g)", DATA, _residual_ar1, {"residual": "ar1(t | g)"}
    ),
    "har1": ProfileModel("y ~ x", SHORT, _har1, {"residual": "har1(visit | g)"}),
    "us": ProfileModel("y ~ x", SHORT, _us, {"residual": "us(visit | g)"}),
    "exp": ProfileModel(
        "y ~ x",
        DATA,
        _exp,
        {"residual": "exp(t | g, nugget=True)"},
        {"range": POSITIVE, "nugget": (0.0, 1.0)},
    ),
    "power": ProfileModel(
        "y ~ x + (1 | g)",
        DATA,
        _power,
        {"residual": "power(w)"},
        {"power": (-np.inf, np.inf)},
    ),
    "no random": ProfileModel("y ~ x", DATA, lambda p, d: p["sigma"] ** 2 * np.eye(len(d))),
}
