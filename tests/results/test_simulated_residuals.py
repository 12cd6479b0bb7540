"""Simulated residuals: their definition, the rotation, their tests, on every kind of model."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from diagnosed_fits import CROSSED, MODELS, PENICILLIN, SLEEP, fit_of, parts_of
from numpy.testing import assert_allclose
from scipy import stats

import lmforms as lf
from lmforms.errors import ArgumentError, DataError, LmformsWarning, ModelError
from lmforms.inference.diagnostics import quantile_residuals as module
from lmforms.inference.diagnostics.quantile_residuals import quantile_residuals, rotated
from lmforms.inference.diagnostics.residual_tests import holm
from lmforms.inference.multiple_tests import adjusted_p_values


@pytest.mark.parametrize("random", ["new", "fitted"])
@pytest.mark.parametrize("rotate", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_residuals_of_every_kind_of_model(name, rotate, random):
    fit = fit_of(name)
    found = fit.simulated_residuals(20, seed=3, random=random, rotate=rotate)
    assert found.scaled.index.equals(fit.fittedvalues.index)
    assert found.scaled.between(0, 1, inclusive="neither").all()
    assert found.outside.sum() == found.tests.loc["outliers", "statistic"]
    assert found.tests["p_value"].between(0, 1).all()


@pytest.mark.parametrize("random", ["new", "fitted"])
@pytest.mark.parametrize("name", MODELS)
def test_the_rotation_is_that_of_the_dense_covariance(name, random):
    """L is triangular in some order of the rows, so that only L⁻ᵀL⁻¹ = V⁻¹ is unique."""
    fit = fit_of(name)
    random_parts, residual = parts_of(fit)
    V = sum(random_parts.values(), start=residual) if random == "new" else residual
    root = rotated(fit.state, np.eye(fit.nobs), new_effects=random == "new")
    assert_allclose(root @ V @ root.T, np.eye(fit.nobs), atol=1e-8)


def test_by_hand():
    """Ranks among the simulated values, at random within rank and ties."""
    values = np.array([[1.0, 2.0, 2.0, 5.0], [0.0, 0.0, 0.0, 0.0], [1.0, 2.0, 3.0, 4.0]])
    observed = np.array([2.0, -1.0, 9.0])
    found = quantile_residuals(observed, lambda c: values[:, :c], 4, np.random.default_rng(0))
    uniform = np.random.default_rng(0).uniform(size=3)
    assert_allclose(found.scaled, (np.array([1, 0, 4]) + uniform * [3, 1, 1]) / 5)
    assert found.outside.tolist() == [False, True, True]
    assert found.dispersion == 86.0
    assert_allclose(found.simulated_dispersion, np.square(values).sum(axis=0))


def test_ranks_are_among_the_draws_of_simulate():
    """The uniform numbers come first from the generator, the draws as `simulate` makes them."""
    fit = fit_of("weights_offset")
    found = fit.simulated_residuals(50, seed=8)
    generator = np.random.default_rng(8)
    uniform = generator.uniform(size=fit.nobs)
    draws = fit.simulate(50, seed=generator).to_numpy()
    below = (draws < fit.state.response[:, None]).sum(axis=1)
    assert_allclose(found.scaled, (below + uniform) / 51)
    random_parts, residual = parts_of(fit)
    variances = np.diag(sum(random_parts.values(), start=residual))
    errors = fit.state.response - found.predicted
    simulated = (np.square(draws - found.predicted.to_numpy()[:, None]).T / variances).sum(axis=1)
    ratio = np.sum(errors**2 / variances) / simulated.mean()
    assert found.tests.loc["dispersion", "statistic"] == pytest.approx(ratio)
    assert_allclose(found.predicted, fit.predict(random="none"))


@pytest.mark.parametrize("rotate", [False, True])
def test_chunks_of_draws_change_nothing(monkeypatch, rotate):
    fit = fit_of("slopes")
    whole = fit.simulated_residuals(50, seed=1, rotate=rotate)
    monkeypatch.setattr(module, "MOST_NUMBERS", 7 * fit.nobs)
    parts = fit.simulated_residuals(50, seed=1, rotate=rotate)
    assert parts.scaled.equals(whole.scaled)
    assert parts.tests.equals(whole.tests)


def test_chunks_of_sets_change_nothing(monkeypatch):
    state = fit_of("weights_offset").state
    whole = rotated(state, np.eye(96), new_effects=True)
    monkeypatch.setattr(module, "MOST_NUMBERS", 300)
    assert_allclose(rotated(state, np.eye(96), new_effects=True), whole)


def test_rotated_residuals_are_compared_with_standard_normal_numbers():
    """What the rotation makes of responses that the model draws."""
    fit = fit_of("weights_offset")
    found = fit.simulated_residuals(4_000, seed=2, rotate=True)
    errors = (fit.state.response - found.predicted).to_numpy()
    exact = stats.norm.cdf(rotated(fit.state, errors[:, None], new_effects=True)[:, 0])
    error = np.sqrt(exact * (1 - exact) / 4_000) + 5e-4
    assert (np.abs(found.scaled - exact) / error).max() < 5
    draws = fit.simulate(2_000, seed=3).to_numpy() - found.predicted.to_numpy()[:, None]
    turned = rotated(fit.state, draws, new_effects=True)
    assert stats.kstest(turned.ravel(), "norm").statistic < 0.01


def test_quantiles_tend_to_the_normal_ones():
    """For many draws u is Φ of the standardized residual, within its Monte-Carlo error."""
    fit = fit_of("weights_offset")
    random_parts, residual = parts_of(fit)
    sd = np.sqrt(np.diag(sum(random_parts.values(), start=residual)))
    found = fit.simulated_residuals(4_000, seed=2)
    exact = stats.norm.cdf((fit.state.response - found.predicted) / sd)
    error = np.sqrt(exact * (1 - exact) / 4_000) + 5e-4
    assert (np.abs(found.scaled - exact) / error).max() < 5


def test_tests_of_residuals_are_those_of_scipy():
    found = fit_of("slopes").simulated_residuals(99, seed=4)
    tests, u = found.tests, found.scaled
    assert tests.loc["uniformity", "p_value"] == stats.kstest(u, "uniform").pvalue
    expected = stats.binomtest(int(found.outside.sum()), len(u), 2 / 100).pvalue
    assert tests.loc["outliers", "p_value"] == expected
    levels = found.level_tests("Subject")
    assert levels["n"].tolist() == [10] * 18 + [180]
    own = u[(SLEEP["Subject"] == "308").to_numpy()]
    assert levels.loc["308", "statistic"] == stats.kstest(own, "uniform").statistic
    assert levels.loc["308", "p_value"] <= 1.0
    groups = [u[(SLEEP["Subject"] == s).to_numpy()] for s in levels.index[:-1]]
    assert levels["p_value"].iloc[-1] == stats.levene(*groups).pvalue


def test_residuals_are_those_of_the_seed():
    one, same = (fit_of("slopes").simulated_residuals(20, seed=3).scaled for _ in range(2))
    assert one.equals(same)
    assert not one.equals(fit_of("slopes").simulated_residuals(20, seed=4).scaled)


def test_holm_is_that_of_statsmodels():
    p_values = np.array([0.2, 0.001, np.nan, 0.04, 0.04, 0.9])
    assert_allclose(holm(p_values), adjusted_p_values(p_values, "holm"))


def test_factors_by_name_and_by_values():
    found = fit_of("two_terms").simulated_residuals(40, seed=1)
    by_name = found.level_tests("g")
    assert found.level_tests(CROSSED["g"]).equals(by_name)
    assert found.level_tests(CROSSED["g"].to_numpy()).equals(by_name)
    assert found.level_tests(CROSSED["g"].sample(frac=1, random_state=1)).equals(by_name)
    assert found.level_tests("g:h").index[0] == "0:0"
    single = found.level_tests(np.arange(96))
    assert np.isnan(single["p_value"].iloc[-1])
    with pytest.raises(ArgumentError, match="Did you mean `g:h`"):
        found.level_tests("g:hh")
    with pytest.raises(DataError, match="one value for each of the 96 rows"):
        found.level_tests([1, 2])
    with pytest.raises(DataError, match="missing values"):
        found.level_tests(np.where(np.arange(96) == 3, np.nan, 1.0))


def test_notes_say_what_p_values_are_worth():
    fit = fit_of("slopes")
    plain = fit.simulated_residuals(20, seed=1)
    assert any("approximate" in note for note in plain.tests.notes)
    assert any("levels differ" in note for note in plain.level_tests("Subject").notes)
    assert not any("levels differ" in note for note in plain.level_tests("Days").notes)
    rotated = fit.simulated_residuals(20, seed=1, rotate=True)
    assert len(rotated.tests.notes) == 1
    fitted = fit.simulated_residuals(20, seed=1, random="fitted")
    assert any("closer to the middle" in note for note in fitted.tests.notes)
    series = fit_of("series").simulated_residuals(20, seed=1)
    assert any("approximate" in note for note in series.tests.notes)
    assert len(fit_of("no_groups").simulated_residuals(20, seed=1).tests.notes) == 1
    assert "20 simulated responses, new random effects, rotated" in repr(rotated)
    assert "uniformity" in str(rotated)
    assert "<table" in rotated._repr_html_()


def test_large_sets_of_dependent_rows_are_refused_with_the_way_out():
    rng = np.random.default_rng(0)
    data = pd.DataFrame({"g": np.arange(3200) % 40, "h": rng.integers(0, 30, 3200)})
    data["y"] = rng.normal(size=40)[data["g"]] + rng.normal(size=3200)
    data["y"] += rng.normal(size=30)[data["h"]]
    fit = lf.lmer("y ~ 1 + (1 | g) + (1 | h)", data)
    with pytest.raises(ModelError, match=r"Use rotate=False\."):
        fit.simulated_residuals(20, rotate=True)
    assert len(fit.simulated_residuals(20, rotate=False, seed=0).tests) == 3


def test_many_related_levels_are_refused_with_the_way_out(monkeypatch):
    fit = fit_of("related")
    monkeypatch.setattr(module, "MOST_RELATED", 7)
    with pytest.raises(
        ModelError, match=r"up to 7 related levels, and `g` has 8\. Use rotate=False"
    ):
        fit.simulated_residuals(20, rotate=True)
    assert len(fit.simulated_residuals(20, seed=0, rotate=False).tests) == 3
    assert len(fit.simulated_residuals(20, seed=0, rotate=True, random="fitted").tests) == 3


def test_conjugate_gradients_given_parameters_and_a_saved_fit(tmp_path):
    formula = "diameter ~ 1 + (1 | plate) + (1 | sample)"
    fit = lf.lmer(formula, PENICILLIN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        rough = lf.lmer(formula, PENICILLIN, control=lf.Control(factor="cg"))
    options = {"n": 30, "seed": 5, "rotate": True}
    expected = fit.simulated_residuals(**options).scaled
    assert_allclose(rough.simulated_residuals(**options).scaled, expected, atol=0.2)
    fit.save(tmp_path / "fit.lmf")
    for other in (fit.at(fit.theta), lf.load(tmp_path / "fit.lmf")):
        assert_allclose(other.simulated_residuals(**options).scaled, expected, atol=1e-9)
        assert_allclose(other.r2(), fit.r2(), rtol=1e-9)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"n": 0}, "n=0: a whole number of at least 1"),
        ({"random": "old"}, "use one of 'new', 'fitted'"),
        ({"rotate": "yes"}, "True or False is needed"),
        ({"seed": "a"}, "numpy Generator"),
        ({"rotation": True}, "no argument `rotation`"),
    ],
)
def test_bad_arguments(options, says):
    with pytest.raises(ArgumentError, match=says):
        fit_of("slopes").simulated_residuals(**options)


# --- power and level -----------------------------------------------------------------------------


@cache
def design(seed: int, groups: int = 20, size: int = 12) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    data = pd.DataFrame({"g": np.repeat(np.arange(groups), size)})
    data["x"] = rng.normal(size=len(data))
    data["f"] = np.tile(list("ab"), len(data) // 2)
    data["mean"] = 1.0 + data["x"] + rng.normal(size=groups)[data["g"]]
    return data


def fitted(data: pd.DataFrame, y: pd.Series) -> lf.MixedModelResults:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        return lf.lmer("y ~ x + (1 | g)", data.assign(y=y))


@pytest.mark.parametrize("rotate", [False, True])
def test_heavy_tails_and_skewness_are_found(rotate):
    data, rng = design(1), np.random.default_rng(3)

    def p_values(noise: np.ndarray) -> pd.Series:
        fit = fitted(data, data["mean"] + noise)
        return fit.simulated_residuals(seed=1, rotate=rotate).tests["p_value"]

    assert p_values(rng.standard_t(2, size=240))["uniformity"] < 1e-3
    assert p_values(3 * rng.exponential(size=240) ** 2)["uniformity"] < 1e-3
    few = np.where(np.arange(240) % 30 == 7, 9.0, rng.normal(size=240))
    assert p_values(few)["outliers"] < 0.01


def test_variances_and_means_that_differ_between_levels_are_found():
    data, rng = design(1), np.random.default_rng(3)
    e = rng.normal(size=len(data))
    uneven = data["mean"] + e * np.where(data["f"] == "a", 0.5, 3.0)
    found = fitted(data, uneven).simulated_residuals(seed=1, rotate=True).level_tests(data["f"])
    assert found["p_value"].iloc[-1] < 1e-3
    shifted = data["mean"] + e + np.where(data["f"] == "a", 0.0, 2.0)
    found = fitted(data, shifted).simulated_residuals(seed=1, rotate=True)
    assert (found.level_tests(data["f"])["p_value"].iloc[:2] < 1e-3).all()


def test_dispersion_beyond_the_model_is_found():
    """Random effects far wider than those of the data."""
    data, rng = design(1), np.random.default_rng(3)
    fit = fitted(data, data["mean"] + rng.normal(size=len(data)))
    wide = fit.at(fit.theta * 40)
    tests = wide.simulated_residuals(seed=1).tests
    assert tests.loc["dispersion", "statistic"] < 0.5
    assert tests.loc["dispersion", "p_value"] < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("options", [{}, {"rotate": True}, {"random": "fitted"}], ids=str)
def test_level_under_the_true_model(options):
    """At most about 5 % of true models are rejected: estimation of the parameters makes it less."""
    data, rejected = design(1), []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        y = 1.0 + data["x"] + 1.0 * rng.normal(size=20)[data["g"]] + rng.normal(size=len(data))
        found = fitted(data, y).simulated_residuals(100, seed=seed, **options)
        rejected.append(found.tests["p_value"] < 0.05)
    rates = np.mean(rejected, axis=0)
    assert (rates <= 0.05).all()
    assert rates[0] <= 3 / 200  # as the page says
