"""Refits from cross-products of the fit against fits to the rows that are left."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.inference.influence import refits
from lmforms.inference.influence.cases import cases_of
from lmforms.inference.influence.refits_by_sums import are_small_parts

FORMULA = "y ~ x + arm + offset(o) + (x | g)"


def groups(q=40, rows=6, noise=1.0):
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(q), rows)
    n = len(g)
    data = pd.DataFrame({"x": rng.normal(size=n) + 3.0, "o": rng.normal(size=n), "g": g})
    data["w"], data["arm"] = rng.uniform(0.5, 2.0, n), np.where(g % 2, "a", "b")
    data["item"] = np.arange(n) % rows
    slopes = 1.0 + 0.7 * rng.normal(size=q)[g]
    data["y"] = 1e3 + data["o"] + rng.normal(size=q)[g] + slopes * data["x"]
    return data.assign(y=data["y"] + noise * rng.normal(size=n))


@pytest.mark.parametrize("reml", [True, False])
def test_they_are_the_same(reml, monkeypatch):
    fit = lf.lmer(FORMULA, groups(), weights="w", reml=reml)
    pairs = groups()["g"] // 2
    assert are_small_parts(fit.state, cases_of(fit.state, pairs)).all()
    with monkeypatch.context() as patch:
        patch.setattr(refits, "estimate_without", None)  # no case is fitted to rows
        found = fit.influence(pairs, refit=True)
    monkeypatch.setattr(refits, "estimate_by_sums", lambda state, rows: None)
    by_rows = fit.influence(pairs, refit=True)
    error = (found.params - by_rows.params) / fit.bse
    np.testing.assert_allclose(error, 0.0, atol=1e-6)
    np.testing.assert_allclose(found.vcomp, by_rows.vcomp, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.table, by_rows.table, rtol=1e-5, atol=1e-7)


@pytest.mark.filterwarnings("ignore::lmforms.errors.SingularWarning")
def test_what_is_fitted_to_rows():
    """Parts of levels, large parts, most of a column of X, crossed factors, series."""
    data = groups()
    data["most"] = np.where(data["g"] == 3, 20.0, 0.1) * np.sin(np.arange(len(data)))
    fit = lf.lmer("y ~ x + most + (x | g)", data)

    def small(fit, by):
        return are_small_parts(fit.state, cases_of(fit.state, by))

    assert list(np.flatnonzero(~small(fit, "g"))) == [3]
    assert not small(fit, "observation").any()
    assert list(np.flatnonzero(~small(fit, data["g"].clip(0, 20)))) == [3, 20]
    assert not small(lf.lmer("y ~ x + (1 | g) + (1 | item)", data), "g").any()
    assert not small(lf.lmer("y ~ x", data, residual="ar1(item | g)"), "g").any()


def test_residuals_of_one_group_alone():
    """Without it σ is a thousandth, and r² is no difference of sums."""
    data = groups(noise=0.0)
    rng = np.random.default_rng(1)
    data["y"] += np.where(
        data["g"] == 5, rng.normal(size=len(data)), 1e-3 * np.cos(data["x"] * 7.0)
    )
    fit = lf.lmer(FORMULA, data)
    found = fit.influence("g", refit=True)
    rest = lf.lmer(FORMULA, data[data["g"] != 5])
    np.testing.assert_allclose(found.sigma[5], rest.sigma, rtol=1e-4)
