"""Parametric bootstraps of generalised fits: replicates are fits of simulated responses."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import ArgumentError, LmformsWarning, ModelError
from tests.slow_cases import slow

REFERENCE = Path(__file__).parents[1] / "reference"
HERDS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@cache
def herds(nagq: int = 1) -> lf.GeneralizedResults:
    return lf.glmer(HERDS, lf.datasets.load("cbpp"), family="binomial", nagq=nagq)


def read(name: str) -> pd.DataFrame:
    return pd.read_csv(REFERENCE / f"glmm_{name}.csv")


@cache
def seizures() -> lf.GeneralizedResults:
    return lf.glmer("y ~ lbase * trt + (V4 | subject)", read("epilepsy"), family="poisson")


@cache
def salamanders() -> lf.GeneralizedResults:
    formula = "count ~ mined + (1 | site)"
    return lf.glmer(formula, read("salamanders"), family="negative_binomial", zero_inflation="~1")


@cache
def ratings() -> lf.GeneralizedResults:
    wine = read("wine")
    wine["rating"] = pd.Categorical(wine["rating"], ordered=True)
    return lf.glmer("rating ~ temp + contact + (1 | judge)", wine, family="cumulative")


@cache
def crossed() -> lf.GeneralizedResults:
    soup = read("soup")
    data = pd.DataFrame({"y": (soup["SURENESS"] > 3).astype(int), "x": soup["PROD"]})
    data["resp"], data["prod"] = soup["RESP"].astype(str), soup["PRODID"].astype(str)
    return lf.glmer("y ~ x + (1 | resp) + (1 | prod)", data, family="binomial")


def values(fit: lf.GeneralizedResults) -> np.ndarray:
    from lmforms.inference.model_parameters import parameter_values

    return parameter_values(fit.state)


FITS = [
    herds,
    seizures,
    salamanders,
    slow(lambda: herds(5)),
    slow(lambda: herds(0)),
    slow(ratings),
    slow(crossed),
]


@pytest.mark.parametrize("make", FITS)
@pytest.mark.filterwarnings("ignore::lmforms.errors.LmformsWarning")
def test_replicates_are_fits_of_simulated_responses(make):
    """From the estimates of the fit, and from nothing: the same minima."""
    fit = make()
    found = fit.bootstrap(4, seed=3)
    drawn = fit.simulate(4, seed=3)
    assert list(found.estimate) == pytest.approx(values(fit))
    for j in range(4):
        again = fit.refit(drawn.iloc[:, j])
        if found.failed[j]:
            assert not again.converged or again.is_singular
            continue
        assert again.is_singular == found.singular[j]
        row = found.table.iloc[j].to_numpy()
        known = np.isfinite(row) & (np.abs(row) < 15)  # absent zero inflation: no finite logit
        assert np.allclose(row[known], values(again)[known], rtol=2e-3, atol=2e-3)


def test_same_seed_and_first_replicates():
    few, more = (herds().bootstrap(n, seed=8).table for n in (5, 9))
    assert few.equals(more.iloc[:5])
    assert not few.equals(herds().bootstrap(5, seed=9).table)


def test_statistic_has_the_same_replicates():
    plain = herds().bootstrap(6, seed=1)
    own = herds().bootstrap(6, seed=1, statistic=lambda fit: fit.params)
    assert own.table.equals(plain.table[own.table.columns])
    marginal = herds().bootstrap(
        3, seed=1, statistic=lambda fit: fit.emmeans("period")["estimate"].to_numpy()
    )
    sums = plain.table["Intercept"].iloc[:3]
    assert np.allclose(marginal.table.iloc[:, 0], sums)
    response = herds().bootstrap(2, seed=1, statistic=lambda fit: fit.resid + fit.fittedvalues)
    drawn = herds().simulate(2, seed=1).T.to_numpy() / lf.datasets.load("cbpp")["size"].to_numpy()
    assert np.allclose(response.table, drawn)


def test_intervals():
    """Percentiles, and near those of the profile."""
    found = herds().bootstrap(100, seed=4)
    assert found.n_failed == 0
    assert 0 <= found.singular_share < 0.1
    limits, basic = found.conf_int(), found.conf_int(kind="basic")
    profile = herds().conf_int(method="profile", which="all")
    assert np.allclose(limits.iloc[:4], profile.iloc[:4], atol=0.5)
    both = 2 * found.estimate.to_numpy()[:, None] - limits.to_numpy()[:, ::-1]
    assert np.allclose(basic, both)
    same = herds().conf_int(method="bootstrap", n=100, seed=4, which="all")
    assert np.array_equal(same, limits)
    fixed = herds().conf_int(method="bootstrap", n=100, seed=4)
    assert np.array_equal(fixed, limits.iloc[:4])
    lf.plot.bootstrap(found, "sd(Intercept | herd)")


def test_spread_of_coefficients():
    """Standard deviations of replicates are near the standard errors."""
    found = seizures().bootstrap(150, seed=2)
    ratio = found.std_error[seizures().params.index] / seizures().bse
    assert ((ratio > 0.8) & (ratio < 1.25)).all()


def test_singular_fit():
    """Its replicates may leave zero, and most are found there again."""
    rng = np.random.default_rng(0)
    g = np.repeat(np.arange(15), 5).astype(str)
    data = {"y": rng.poisson(3.0, 75), "g": g}
    with pytest.warns(lf.errors.SingularWarning):
        fit = lf.glmer("y ~ 1 + (1 | g)", data, family="poisson")
    found = fit.bootstrap(40, seed=1)
    assert 0.3 < found.singular_share < 0.9
    away = found.table["sd(Intercept | g)"][~found.singular]
    assert (away > 0.01).all()
    assert any("Singular refits" in note for note in found.summary().notes)


def test_failures_are_counted():
    """Replicates of one response that cannot be drawn at all are rows of NaN."""
    from lmforms.errors import NumericalError
    from lmforms.glmm.refit import ResponseRefitter

    real, count = ResponseRefitter.fit, iter(range(100))

    def failing(self, y):
        if next(count) % 2:
            raise NumericalError("not this one")
        return real(self, y)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ResponseRefitter, "fit", failing)
        found = herds().bootstrap(6, seed=1)
    assert found.n_failed == 3
    assert found.table.isna().all(axis=1).tolist() == [False, True] * 3
    assert any("failed: 3" in note for note in found.summary().notes)


def test_nothing_is_analysed_again(monkeypatch):
    """Neither the columns nor the pattern of the factor are made again for a replicate."""
    from lmforms.data.design import Design
    from lmforms.glmm.weighted_rows import WeightedRows

    asked = []
    basis = Design.basis
    monkeypatch.setattr(Design, "basis", lambda *args: asked.append(0) or basis(*args))
    monkeypatch.setattr(WeightedRows, "of", None)
    herds().bootstrap(5, seed=1)
    assert len(asked) == 1  # to draw from


def test_a_refit_to_the_same_response_is_at_its_end():
    from lmforms.glmm.refit import ResponseRefitter

    fit = herds()
    found = ResponseRefitter(fit.state.estimate, fit.state.control).fit(fit.state.design.observed.y)
    assert found.criterion == pytest.approx(fit.criterion, abs=1e-9)
    assert found.optimum.n_evaluations <= 5


def test_case_weights_are_refused():
    cbpp = lf.datasets.load("cbpp")
    cbpp["w"] = np.where(np.arange(len(cbpp)) % 2, 2.0, 1.0)
    fit = lf.glmer("incidence ~ period + (1 | herd)", cbpp, family="poisson", weights="w")
    with pytest.raises(ModelError, match="weights"):
        fit.bootstrap(5)
    with pytest.raises(ModelError, match="weights"):
        fit.conf_int(method="bootstrap")


def test_other_kinds_are_refused():
    with pytest.raises(ArgumentError, match="parametric"):
        herds().bootstrap(5, kind="case")
    with pytest.raises(ArgumentError, match="statistic"):
        herds().bootstrap(5, statistic=3)
    with pytest.raises(ArgumentError, match="n="):
        herds().conf_int(method="bootstrap", n=10)


def test_progress(capsys):
    herds().bootstrap(3, seed=1, progress=True)
    assert "3/3" in capsys.readouterr().err


# --- likelihood ratios --------------------------------------------------------------------------


def test_likelihood_ratios():
    """p-values are shares of statistics of responses drawn under the smaller model."""
    large = herds()
    small = large.update("cbind(incidence, size - incidence) ~ 1 + (1 | herd)")
    table = lf.anova(small=small, large=large, bootstrap=20, seed=6)
    assert table.loc["large", "p_value_bootstrap"] == pytest.approx(1 / 21)
    drawn = small.simulate(20, seed=6)
    statistics = [
        small.refit(drawn.iloc[:, j]).criterion - large.refit(drawn.iloc[:, j]).criterion
        for j in range(3)
    ]
    from lmforms.inference.bootstrap.likelihood_ratios import drawn_statistics
    from lmforms.inference.model_comparison.fits_compared import compared_fits

    fits = compared_fits("anova", [small, large], {}, None)
    own = drawn_statistics(*fits, 3, np.random.default_rng(6))
    assert np.allclose(own, statistics, atol=1e-5)


def test_variance_of_zero_under_the_smaller_model():
    """A term that is not there has a statistic of zero in about half of the draws."""
    rng = np.random.default_rng(3)
    g, h = np.repeat(np.arange(12), 8), np.tile(np.arange(8), 12)
    y = rng.poisson(np.exp(1.0 + rng.normal(0, 0.4, 12)[g]))
    data = {"y": y, "g": g.astype(str), "h": h.astype(str)}
    small = lf.glmer("y ~ 1 + (1 | g)", data, family="poisson")
    with pytest.warns(LmformsWarning):
        large = lf.glmer("y ~ 1 + (1 | g) + (1 | h)", data, family="poisson")
    table = lf.anova(small=small, large=large, bootstrap=30, seed=1)
    assert table.loc["large", "p_value_bootstrap"] == 1.0
