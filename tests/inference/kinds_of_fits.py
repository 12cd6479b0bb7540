"""One small fit of every kind: what is asked of a fit is tried on all of them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd

import lmforms as lf
from lmforms import Control
from lmforms.relationship import Relationship


def trial(seed: int = 0, groups: int = 12, visits: int = 5) -> pd.DataFrame:
    """Subjects g at visits, sites h that cross them, weights, an offset, places."""
    rng = np.random.default_rng(seed)
    g = np.repeat(np.arange(groups), visits)
    t = np.tile(np.arange(visits), groups)
    h = rng.permuted(np.arange(groups * visits) % 6)
    noise = rng.normal(size=(groups, visits))
    for j in range(1, visits):
        noise[:, j] = 0.5 * noise[:, j - 1] + 0.8 * noise[:, j]
    x = rng.normal(size=len(g))
    arm = np.array(["a", "b", "c"])[g % 3]
    y = (
        1.0
        + 0.5 * x
        + (arm == "b")
        + (rng.normal(size=groups)[g] + 0.6 * rng.normal(size=groups)[g] * t / 2)
        + 0.7 * rng.normal(size=6)[h]
        + noise.ravel()
    )
    return pd.DataFrame(
        {
            "y": y,
            "x": x,
            "twice": 2.0 * x,
            "arm": arm,
            "t": t,
            "g": [f"g{i:02d}" for i in g],
            "row": g,
            "h": [f"h{i}" for i in h],
            "site": [f"s{i}" for i in g // 3],
            "w": rng.uniform(0.5, 3.0, size=len(g)),
            "off": rng.normal(size=len(g)),
        }
    )


def related() -> Relationship:
    """A known covariance of the subjects."""
    rng = np.random.default_rng(7)
    root = rng.normal(size=(12, 30)) / np.sqrt(30.0)
    return Relationship.of(root @ root.T + 0.1 * np.eye(12), [f"g{i:02d}" for i in range(12)])


def _lmer(formula: str, **options: Any) -> Callable[[], Any]:
    return lambda: lf.lmer(formula, trial(), **options)


def _singular() -> Any:
    data = trial()
    rng = np.random.default_rng(3)
    data["y"] = rng.normal(size=len(data)) - 0.3 * np.repeat(rng.normal(size=12), 5)
    means = data.groupby("g")["y"].transform("mean")
    return lf.lmer("y ~ x + (1 | g)", data.assign(y=data["y"] - means))


KINDS: dict[str, Callable[[], Any]] = {
    "intercepts": _lmer("y ~ x + arm + (1 | g)"),
    "slopes": _lmer("y ~ x + (t | g)"),
    "slopes_ml": _lmer("y ~ x + (t | g)", reml=False),
    "separate": _lmer("y ~ x + (t || g)"),
    "crossed": _lmer("y ~ x + (1 | g) + (1 | h)"),
    "nested": _lmer("y ~ x + (1 | site/g)"),
    "weights_offset": _lmer("y ~ x + (1 | g)", weights="w", offset="off"),
    "dropped_column": _lmer("y ~ x + twice + arm + (1 | g)"),
    "known_covariance": _lmer("y ~ x + (1 | g)", relationship={"g": related()}),
    "known_and_slopes": _lmer("y ~ x + (t | g) + (1 | h)", relationship={"g": related()}),
    "singular": _singular,
    "no_random_terms": _lmer("y ~ x + arm"),
    "random_ar1": _lmer("y ~ x + exp(0 + t | g)"),
    "residual_ar1": _lmer("y ~ x", residual="ar1(t | g)"),
    "residual_us": _lmer("y ~ x", residual="us(t | g)", reml=False),
    "residual_toep": _lmer("y ~ x + arm", residual="htoep(t | g)"),
    "residual_and_crossed": _lmer("y ~ x + (1 | h)", residual="ar1(t | g)"),
    "strata": _lmer("y ~ x + (1 | g)", residual="idh(arm)"),
    "power": _lmer("y ~ x + (1 | g)", residual="expvar(x)"),
    "power_fitted": _lmer("y ~ x + (1 | g)", residual="power(fitted)"),
    "grid": _lmer("y ~ x", residual="ar1(t):ar1(row)"),
    "conjugate_gradients": _lmer("y ~ x + (1 | g) + (1 | h)", control=Control(factor="cg")),
    "given_theta": lambda: fit_of("intercepts").at([0.7]),
    "by_ai": _lmer("y ~ x + (1 | g)", method="ai"),
}


@cache
def fit_of(kind: str) -> Any:
    """The fit, made once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return KINDS[kind]()
