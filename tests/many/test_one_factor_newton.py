"""Newton's method for many responses side by side, against the engine one by one."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.engine.criterion import evaluate as engine
from lmforms.engine import batch
from lmforms.many.shared_system import SharedSystem

SLEEP = lf.datasets.load("sleepstudy")
FORMULA = "Reaction ~ Days + (Days | Subject)"


def responses(count: int, noise: float = 30.0, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return SLEEP["Reaction"].to_numpy()[:, None] + noise * rng.normal(size=(len(SLEEP), count))


def shared(formula: str = FORMULA, data: pd.DataFrame = SLEEP, reml: bool = True, **options):
    design = lf.MixedModel(formula, data, **options).design
    return SharedSystem.of(design, reml, lf.Control())


def sums_of(system: SharedSystem, Y: np.ndarray):
    cps = system._cross_products(Y, np.abs(Y).max(axis=0))
    return cps, batch.OneFactorSums.of(cps, system.covariances[0], system.reml)


@pytest.mark.parametrize("reml", [True, False])
def test_values_and_derivatives_are_the_engines(reml):
    system = shared(reml=reml)
    cps, sums = sums_of(system, responses(4))
    theta = np.random.default_rng(1).normal(size=(4, 3))
    at = batch.evaluate(sums, theta)
    gradient, hessian = batch.derivatives(sums, at)
    for i, cp in enumerate(cps):
        found = engine.evaluate(system._problem(cp), theta[i])
        exact = engine.differentiate(found, hessian=True)
        assert at.value[i] == pytest.approx(found.value, rel=1e-11)
        np.testing.assert_allclose(at.beta[i], found.gls.beta, rtol=1e-8, atol=1e-11)
        np.testing.assert_allclose(gradient[i], exact.gradient, rtol=1e-7, atol=1e-8)
        scale = np.abs(exact.information).max()
        np.testing.assert_allclose(hessian[i], exact.information, rtol=1e-7, atol=1e-8 * scale)


@pytest.mark.parametrize("reml", [True, False])
@pytest.mark.parametrize("batch_numbers", [batch.BATCH_NUMBERS, 1])
def test_fits_are_those_of_single_models(reml, batch_numbers, monkeypatch):
    monkeypatch.setattr(batch, "BATCH_NUMBERS", batch_numbers)
    Y = responses(12, noise=12.0) * np.logspace(-6, 6, 12)
    many = lf.lmer_many("~ Days + (Days | Subject)", SLEEP, Y, reml=reml)
    for j in range(12):
        one = lf.lmer(FORMULA, SLEEP.assign(Reaction=Y[:, j]), reml=reml)
        row = many.fits.iloc[j]
        assert row["criterion"] == pytest.approx(one.criterion, abs=1e-7)
        assert row["sigma"] == pytest.approx(one.sigma, rel=1e-6)
        theta = row[["theta[0]", "theta[1]", "theta[2]"]].to_numpy(dtype=float)
        np.testing.assert_allclose(theta, one.theta, rtol=1e-5, atol=1e-7)
        own = many.fixed[many.fixed["response"] == row["response"]]
        np.testing.assert_allclose(own["estimate"], one.params, rtol=1e-8)
        np.testing.assert_allclose(own["se"], one.bse, rtol=1e-6)
        assert row["converged"]


def test_singular_responses_are_fitted_one_by_one():
    rng = np.random.default_rng(2)
    Y = np.column_stack([rng.normal(size=(len(SLEEP), 3)), responses(3)])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        many = lf.lmer_many("~ Days + (Days | Subject)", SLEEP, Y)
        for j in range(6):
            one = lf.lmer(FORMULA, SLEEP.assign(Reaction=Y[:, j]))
            assert many.fits["criterion"][j] == pytest.approx(one.criterion, abs=1e-7)
            assert many.fits["singular"][j] == one.is_singular
    assert many.fits["singular"][:3].any()


def test_where_one_minimum_is_known():
    rng = np.random.default_rng(3)
    known = shared()
    assert batch.has_one_minimum(known.system.cp, known.covariances)
    fewer = SLEEP.iloc[rng.permutation(len(SLEEP))[:150]]
    between = SLEEP.assign(z=SLEEP["Subject"].cat.codes % 3)
    for formula, data, options in (
        (FORMULA, fewer, {}),
        (FORMULA, SLEEP, {"weights": rng.uniform(1, 2, len(SLEEP))}),
        ("Reaction ~ Days + z + (Days | Subject)", between, {}),
        ("Reaction ~ Days + I(Days**2) + (Days | Subject)", SLEEP, {}),
        ("Reaction ~ Days + (Days || Subject)", SLEEP, {}),
        ("Reaction ~ Days + (Days | Subject) + (1 | z)", between, {}),
    ):
        other = shared(formula, data, **options)
        assert not batch.has_one_minimum(other.system.cp, other.covariances), formula


def test_several_starts_end_at_one_minimum():
    system = shared()
    _, sums = sums_of(system, responses(40, seed=4))
    rng = np.random.default_rng(5)
    ends = []
    for _ in range(4):
        start = rng.normal(size=(40, 3)) * rng.choice([0.3, 1.0, 3.0], size=(40, 1))
        point, _, found = batch.minimise(sums, start, 1e-9)
        ends.append(np.where(found, point.value, np.nan))
    ends = np.array(ends)
    lowest = np.nanmin(ends, axis=0)
    assert np.nanmax(ends - lowest) < 1e-7
