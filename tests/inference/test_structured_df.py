"""Kenward–Roger and the expected information with structured random effects."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from dense_inference import CurvedModel
from numpy.testing import assert_allclose
from slow_cases import slow

import lmforms as lf
from lmforms.inference.degrees_of_freedom.methods import df_method

pytestmark = pytest.mark.one_in(4)

VISITS = 5


@cache
def data() -> pd.DataFrame:
    """14 subjects, two rows at each of five visits, with AR(1) effects of the visits."""
    rng = np.random.default_rng(4)
    subjects, repeats = 14, 2
    out = pd.DataFrame(
        {
            "subject": np.repeat(np.arange(subjects), VISITS * repeats),
            "visit": np.tile(np.repeat(np.arange(VISITS), repeats), subjects),
        }
    )
    out["order"] = out.groupby("subject").cumcount()
    out["arm"] = (out["subject"] % 2).astype(str)
    out["x"] = rng.normal(size=len(out))
    gaps = np.abs(np.subtract.outer(np.arange(VISITS), np.arange(VISITS)))
    root = np.linalg.cholesky(0.6**gaps)
    sd = 1.5 * np.array([1.0, 1.2, 1.5, 1.1, 1.8])
    effects = (root @ rng.normal(size=(VISITS, subjects))).T * sd
    out["y"] = effects[out["subject"], out["visit"]] + 0.8 * rng.normal(size=len(out))
    out["f"] = pd.Categorical(out["visit"].astype(str))
    return out[rng.uniform(size=len(out)) > 0.1].reset_index(drop=True)


def _block(table):
    """Z(I ⊗ table)Z' of the visits of a subject."""
    codes, visit = data()["subject"].to_numpy(), data()["visit"].to_numpy()
    return (codes[:, None] == codes) * table[visit[:, None], visit]


def _lags():
    return np.abs(np.subtract.outer(np.arange(VISITS), np.arange(VISITS)))


def _ar1(rho):
    powers = [np.ones_like(rho)]
    for _ in range(VISITS - 1):
        powers.append(powers[-1] * rho)
    return np.array(powers)[_lags()]


def _natural(fit):
    """Absolute variances, then the rest."""
    structure = fit.state.design.terms[0].covariance
    values = structure.natural(fit.state.estimate.theta[0])
    n = structure.n_deviations
    return np.concatenate([(fit.sigma * values[:n]) ** 2, values[n:]])


def _correlated_rows(rho):
    """AR(1) of all rows of a subject in their order."""
    codes, order = data()["subject"].to_numpy(), data()["order"].to_numpy()
    lags = np.abs(order[:, None] - order)
    powers = [np.ones_like(rho)]
    for _ in range(lags.max()):
        powers.append(powers[-1] * rho)
    return (codes[:, None] == codes) * np.array(powers)[lags]


def _har1(p):
    sd = np.sqrt(p[:VISITS])
    return sd[:, None] * _ar1(p[VISITS]) * sd


IDENTITY = np.eye(len(data()))

CASES = {
    "ar1": (None, lambda p: _block(p[0] * _ar1(p[1])) + p[2] * IDENTITY, _natural),
    "cs": (
        None,
        lambda p: _block(np.where(_lags() == 0, p[0], p[1])) + p[2] * IDENTITY,
        lambda fit: np.array([1.0, _natural(fit)[1]]) * _natural(fit)[0],
    ),
    "har1": (None, lambda p: _block(_har1(p)) + p[-1] * IDENTITY, _natural),
    "ar1 on both sides": (
        "ar1(order | subject)",
        lambda p: _block(p[0] * _ar1(p[1])) + p[3] * _correlated_rows(p[2]),
        lambda fit: np.append(_natural(fit), fit.state.residual.natural),
    ),
}
LINEAR = {"cs"}


@cache
def both(name):
    residual, function, psi = CASES[name]
    formula = f"y ~ arm + x + {name.split()[0]}(0 + f | subject)"
    fit = lf.lmer(formula, data(), residual=residual)
    values = np.append(psi(fit), fit.sigma**2)
    return fit, CurvedModel.of(data()["y"], fit.state.design.X, function, values)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["expected", slow("observed")])
@pytest.mark.parametrize("name", CASES)
def test_as_dense_matrices_have_it(name, kind):
    fit, model = both(name)
    L = np.eye(3)
    for method, second_order in (("kenward-roger", True), ("kenward-roger-linear", False)):
        found = df_method(fit.state, method, kind)
        wanted = np.diag(model.adjusted_covariance(kind, second_order))
        assert_allclose(np.diag(found.covariance), wanted, rtol=1e-6)
        assert_allclose(found.df(L), [model.satterthwaite(r, kind) for r in L], rtol=1e-6)
        assert (found.known.weighted_curvature is None) == (name in LINEAR)
    found = df_method(fit.state, "satterthwaite", kind)
    assert_allclose(found.df(L), [model.satterthwaite(r, kind) for r in L], rtol=1e-5)


@pytest.mark.parametrize("term", ["fa(0 + f | subject, 1)", "rr(0 + f | subject, 2)"])
def test_loadings_have_the_degrees_of_freedom_of_their_hessian(term):
    fit = lf.lmer(f"y ~ arm + x + {term}", data())
    L = np.eye(3)
    blocks = df_method(fit.state, "kenward-roger", "observed").df(L)
    assert_allclose(blocks, df_method(fit.state, "satterthwaite").df(L), rtol=1e-6)


def test_correlation_at_its_bound_counts_as_known():
    """Effects that all visits share: ρ = 1, a random intercept."""
    rng = np.random.default_rng(1)
    frame = data().assign(y=rng.normal(size=14)[data()["subject"]] + rng.normal(size=len(data())))
    frame = frame.assign(y=frame["y"] - 0.3 * _within_product(frame))
    with pytest.warns(lf.errors.SingularWarning):
        fit = lf.lmer("y ~ arm + x + cs(0 + f | subject)", frame)
    found = df_method(fit.state, "kenward-roger")
    assert any("rho of cs(0 + f | subject)" in remark for remark in found.remarks)
    intercept = df_method(lf.lmer("y ~ arm + x + (1 | subject)", frame).state, "kenward-roger")
    assert_allclose(found.df(np.eye(3)), intercept.df(np.eye(3)), rtol=1e-5)


def _within_product(frame):
    """Deviations of the means of visits from those of subjects: less than by chance without."""
    cell = frame.groupby(["subject", "visit"])["y"].transform("mean")
    return 2.0 * (cell - frame.groupby("subject")["y"].transform("mean"))
