"""Fits of every kind of model, and their dense covariances, for tests of diagnostics."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
from dense import dense_z

import lmforms as lf
from lmforms.engine.rows import FactorRows
from lmforms.errors import LmformsWarning

SLEEP = lf.datasets.load("sleepstudy")
GROWTH = lf.datasets.load("Orthodont")
PENICILLIN = lf.datasets.load("Penicillin")


def _crossed(n: int = 96) -> pd.DataFrame:
    rng = np.random.default_rng(11)
    g, h = np.arange(n) % 8, rng.integers(0, 6, n)
    x = rng.normal(size=n)
    y = 3.0 + x + rng.normal(size=8)[g] * (1 + 0.5 * x) + 0.7 * rng.normal(size=6)[h]
    data = {"y": y + rng.normal(size=n), "x": x, "twice": 2 * x, "g": g, "h": h}
    return pd.DataFrame(data).assign(
        w=rng.uniform(0.5, 3.0, n), known=rng.normal(size=n), visit=(np.arange(n) // 8) % 4
    )


CROSSED = _crossed()
_ROOT = np.tril(np.random.default_rng(3).normal(size=(8, 8))) / 2 + np.eye(8)
K = pd.DataFrame(_ROOT @ _ROOT.T, index=range(8), columns=range(8))
"""A covariance of levels whose diagonal is far from one."""

MODELS: dict[str, tuple[str, pd.DataFrame, dict[str, Any]]] = {
    "slopes": ("Reaction ~ Days + (Days | Subject)", SLEEP, {}),
    "slopes_ml": ("Reaction ~ Days + (Days | Subject)", SLEEP, {"reml": False}),
    "weights_offset": ("y ~ x + (x | g)", CROSSED, {"weights": "w", "offset": "known"}),
    "dropped": ("y ~ x + twice + (1 | g)", CROSSED, {}),
    "crossed": ("y ~ x + (1 | g) + (1 | h)", CROSSED, {}),
    "two_terms": ("y ~ x + (1 | g) + (0 + x | g) + (1 | g:h)", CROSSED, {}),
    "related": ("y ~ x + (x | g)", CROSSED, {"relationship": {"g": K}}),
    "structured": ("y ~ x + ar1(0 + C(visit) | g)", CROSSED, {}),
    "series": ("distance ~ age * Sex", GROWTH, {"residual": "ar1(age | Subject)"}),
    "strata": ("distance ~ age * Sex + (1 | Subject)", GROWTH, {"residual": "idh(Sex)"}),
    "no_groups": ("y ~ x + h", CROSSED, {}),
    "singular": ("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2"), {}),
}


@cache
def fit_of(name: str) -> Any:
    """A fit, made once; how it ended is of no concern here."""
    formula, data, options = MODELS[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        return lf.lmer(formula, data, **options)


def parts_of(fit: Any) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Cov(Zb) of each grouping factor and Cov(e), n×n matrices."""
    state, n, sigma2 = fit.state, fit.nobs, fit.scale
    random = {}
    for group, lam in zip(state.design.groups, state.estimate.lams, strict=True):
        Z = dense_z(FactorRows(group.codes, len(group.levels), state.design.basis(group)), n)
        known = state.relationship.get(group.name)
        relation = np.eye(len(group.levels)) if known is None else np.asarray(known.dense())
        random[group.name] = sigma2 * Z @ np.kron(relation, lam @ lam.T) @ Z.T
    return random, sigma2 * state.residual.matrix(n).toarray()
