"""Other models for the rows of a generalised fit, and tests between models."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from reference_fits import REFERENCE, table

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, DataError, ModelError
from lmforms.glmm.families.counts import NegativeBinomial, Poisson
from lmforms.glmm.families.zeros import Hurdle, ZeroInflated
from lmforms.inference.model_comparison.generalized_fits import _nesting

STORED: dict[str, Any] = json.loads((REFERENCE / "glmm_means.json").read_text())
HERD = "cbind(incidence, size - incidence) ~ period + (1 | herd)"
ANIMALS = "count ~ spp + mined + (1 | site)"


@pytest.fixture(scope="module")
def herds():
    return lf.glmer(HERD, lf.datasets.load("cbpp"), family="binomial")


@pytest.fixture(scope="module")
def counts():
    return lf.glmer(ANIMALS, table("glmm_salamanders.csv"), family="poisson")


@pytest.fixture(scope="module")
def overdispersed(counts):
    return counts.update(family="negative_binomial")


@pytest.fixture(scope="module")
def with_zeros(counts):
    return counts.update(zero_inflation="~ 1")


# --- likelihood ratios ------------------------------------------------------------------------


def test_terms_dropped_one_at_a_time(herds):
    expected = STORED["cbpp_logit"]
    found = herds.drop1()
    assert list(found.index) == ["<none>", "period"]
    statistic = 2 * (expected["loglik"] - expected["comparisons"]["without_period"])
    assert found.loc["period", "statistic"] == pytest.approx(statistic, rel=1e-6)
    assert found.loc["period", "df"] == 3
    assert found.loc["<none>", "aic"] == pytest.approx(herds.aic)


def test_terms_dropped_by_wald(herds):
    found = herds.drop1("wald")
    assert found["statistic"].tolist() == herds.anova(type=2)["statistic"].tolist()
    with pytest.raises(ArgumentError, match="wald"):
        herds.drop1("F")
    with pytest.raises(ArgumentError, match="ddf"):
        herds.drop1(ddf="none")


def test_marginality(counts):
    crossed = counts.update("count ~ mined + spp + mined:spp + (1 | site)")
    assert list(crossed.drop1("wald").index) == ["mined:spp"]


def test_random_effects_taken_out(herds):
    """Without the last one the model is a generalised linear one, whose likelihood glm has."""
    found = herds.ranova()
    expected = STORED["cbpp_logit"]["comparisons"]["without_herd"]
    row = found.loc["(1 | herd)"]
    assert row["loglik"] == pytest.approx(expected, rel=1e-10)
    assert row["npar"] == 4
    assert row["df"] == 1
    assert row["p_value_mixture"] == pytest.approx(row["p_value"] / 2)


def test_random_effects_taken_out_beside_a_dispersion(overdispersed):
    found = overdispersed.ranova()
    expected = STORED["salamanders"]["comparisons"]["nbinom2_without_site"]
    assert found.loc["(1 | site)", "loglik"] == pytest.approx(expected, rel=1e-9)
    assert found.loc["(1 | site)", "npar"] == overdispersed.npar - 1


def test_random_slopes_taken_out():
    data = table("glmm_epilepsy.csv")
    fit = lf.glmer("y ~ lbase + Visit + (Visit | subject)", data, family="poisson")
    found = fit.ranova()
    small = fit.update("y ~ lbase + Visit + (1 | subject)")
    row = found.loc["Visit in (Visit | subject)"]
    assert row["loglik"] == pytest.approx(small.llf, abs=1e-6)
    assert row["df"] == 2
    assert row["p_value_mixture"] < row["p_value"]


def test_nested_fits(herds):
    small = herds.update(". ~ . - period")
    found = lf.anova(full=herds, small=small)
    assert list(found.index) == ["small", "full"]
    dropped = herds.drop1().loc["period"]
    assert found.loc["full", "statistic"] == pytest.approx(dropped["statistic"], rel=1e-8)
    assert found.loc["full", "p_value"] == pytest.approx(dropped["p_value"], rel=1e-6)
    assert list(lf.compare(full=herds, small=small).index) == ["full", "small"]


def test_random_effects_of_rows_are_none_of_a_smaller_model():
    """In a linear model they are the residuals, and within every model."""
    data = lf.datasets.load("cbpp")
    data["row"] = [f"r{i}" for i in range(len(data))]
    rows = lf.glmer(HERD.replace("herd", "row"), data, family="binomial")
    herds = lf.glmer(HERD.replace("period", "period + size"), data, family="binomial")
    found = lf.anova(rows=rows, herds=herds)
    assert np.isnan(found["p_value"]).all()
    assert any("not within it, by its random effects" in note for note in found.notes)


# --- families -----------------------------------------------------------------------------------


def test_overdispersion(counts, overdispersed):
    expected = STORED["salamanders"]["comparisons"]
    assert overdispersed.llf == pytest.approx(expected["nbinom2"], rel=1e-8)
    found = lf.anova(poisson=counts, nb=overdispersed)
    statistic = 2 * (expected["nbinom2"] - expected["poisson"])
    assert found.loc["nb", "statistic"] == pytest.approx(statistic, rel=1e-6)
    assert found.loc["nb", "df"] == 1
    assert any("size of nb is at its bound" in note for note in found.notes)
    assert any("conservative" in note for note in found.notes)
    assert np.isnan(found["p_value_mixture"]).all()


def test_added_zeros(counts, with_zeros):
    expected = STORED["salamanders"]["comparisons"]
    assert with_zeros.llf == pytest.approx(expected["zip"], rel=1e-8)
    found = lf.anova(poisson=counts, zeros=with_zeros)
    statistic = 2 * (expected["zip"] - expected["poisson"])
    assert found.loc["zeros", "statistic"] == pytest.approx(statistic, rel=1e-6)
    assert any("zero_inflation of zeros is at its bound" in note for note in found.notes)


def test_formulas_of_zeros(with_zeros):
    larger = with_zeros.update(zero_inflation="~ mined")
    found = lf.anova(one=with_zeros, mined=larger)
    assert found.loc["mined", "df"] == 1
    assert np.isfinite(found.loc["mined", "p_value"])
    assert not any("bound" in note for note in found.notes)


def test_families_that_are_not_nested(overdispersed, with_zeros):
    with pytest.raises(ModelError, match=r"neither of which is within the other.*lf\.compare"):
        lf.anova(nb=overdispersed, zeros=with_zeros)
    found = lf.compare(nb=overdispersed, zeros=with_zeros)
    assert set(found["family"]) == {
        "negative_binomial, log link",
        "zero_inflated_poisson, log link",
    }


def test_families_within_others():
    nb, given = NegativeBinomial(), NegativeBinomial(size=2.0)
    assert _nesting(Poisson(), nb).bounds == ("size",)
    assert _nesting(Poisson(), ZeroInflated(nb)).bounds == ("size", "zero_inflation")
    assert _nesting(ZeroInflated(Poisson()), ZeroInflated(nb)).bounds == ("size",)
    assert _nesting(Hurdle(Poisson()), Hurdle(nb)).bounds == ("size",)
    for small, large in (
        (Poisson(), given),
        (nb, Poisson()),
        (Poisson(), Hurdle(Poisson())),
        (Poisson(), ZeroInflated(Poisson(), zero_inflation=0.1)),
        (ZeroInflated(Poisson()), nb),
    ):
        assert not _nesting(small, large).within


def test_links(herds):
    probit = herds.update(link="probit")
    with pytest.raises(ModelError, match="different links"):
        lf.anova(herds, probit)
    assert len(lf.compare(herds, probit)) == 2


# --- what is not of one kind ------------------------------------------------------------------


def test_quadratures(herds):
    other = herds.refit(nagq=5)
    for function in (lf.anova, lf.compare):
        with pytest.raises(ModelError, match="nagq=1 and nagq=5"):
            function(herds, other)


def test_linear_models(counts):
    data = table("glmm_salamanders.csv")
    linear = lf.lmer(ANIMALS, data, reml=False)
    for function in (lf.anova, lf.compare):
        with pytest.raises(ModelError, match="linear mixed model"):
            function(counts, linear)


def test_rows_responses_trials_and_weights(herds, counts):
    data = table("glmm_salamanders.csv")
    with pytest.raises(DataError, match="rows"):
        lf.anova(counts, lf.glmer(ANIMALS, data[:300], family="poisson"))
    with pytest.raises(DataError, match="different responses"):
        lf.anova(counts, counts.refit(counts.simulate(seed=1)["sim_1"]))
    doubled = lf.datasets.load("cbpp")
    doubled[["incidence", "size"]] *= 2
    with pytest.raises(DataError, match="numbers of trials"):
        lf.anova(herds, lf.glmer(HERD, doubled, family="binomial").update(". ~ . - period"))
    weighted = counts.update(". ~ . - spp", weights=np.full(len(data), 2.0))
    with pytest.raises(DataError, match="different weights"):
        lf.anova(counts, weighted)


def test_probabilities_and_densities():
    cbpp = lf.datasets.load("cbpp")
    cbpp["size"] = cbpp["size"].astype(float)
    gamma = lf.glmer("size ~ period + (1 | herd)", cbpp, family="gamma", link="log")
    poisson = lf.glmer("size ~ period + (1 | herd)", cbpp, family="poisson")
    with pytest.raises(ModelError, match="probabilities"):
        lf.compare(gamma, poisson)


# --- side by side ---------------------------------------------------------------------------------


def test_tables_of_models(counts, overdispersed, with_zeros):
    found = lf.model_table({"P": counts, "NB": overdispersed, "Z": with_zeros})
    frame = found.frame.set_index(["model", "name"])["estimate"]
    assert frame["NB", "size"] == pytest.approx(float(overdispersed.family_params["estimate"][0]))
    assert frame["Z", "zero_inflation: Intercept"] == pytest.approx(
        float(with_zeros.family_params["estimate"][0])
    )
    assert "sigma" not in frame["P"].index
    assert "negative_binomial, log link" in str(found)
    with pytest.raises(ModelError, match="r2="):
        lf.model_table([counts], r2=True)
    with pytest.raises(ModelError, match="ddf="):
        lf.model_table([counts], ddf="kenward-roger")


def test_tables_of_linear_and_generalised_models(counts):
    linear = lf.lmer("count ~ mined + (1 | site)", table("glmm_salamanders.csv"))
    frame = lf.model_table({"L": linear, "P": counts}).frame
    both = frame[frame["name"] == "mined[T.no]"].set_index("model")
    assert np.isinf(both.loc["P", "df"])
    assert np.isfinite(both.loc["L", "df"])


# --- update --------------------------------------------------------------------------------


def test_update_of_the_formula(herds):
    small = herds.update("~ . - period")
    same = lf.glmer(small.formula, lf.datasets.load("cbpp"), family="binomial")
    assert small.criterion == pytest.approx(same.criterion, abs=1e-8)
    with pytest.raises(ColumnError, match="A fit keeps the columns"):
        herds.update("~ . + nothing")


def test_update_of_the_data_and_the_quadrature(herds):
    data = lf.datasets.load("cbpp")
    half = herds.update(data=data[:30])
    assert half.nobs == 30
    assert herds.update(nagq=5).nagq == 5
    assert herds.update(nagq=5).criterion == pytest.approx(herds.refit(nagq=5).criterion, abs=1e-7)


@pytest.mark.filterwarnings("ignore::lmforms.errors.BoundWarning")
def test_update_of_the_family(counts, with_zeros):
    data = table("glmm_salamanders.csv")
    nb1 = counts.update(family="negative_binomial1", dispersion="~ mined")
    same = lf.glmer(ANIMALS, data, family="negative_binomial1", dispersion="~ mined")
    assert nb1.criterion == pytest.approx(same.criterion, abs=1e-6)
    # a formula of what another family does not have
    with pytest.raises(ModelError, match="dispersion=None"):
        nb1.update(family="poisson")
    plain = nb1.update(family="poisson", dispersion=None)
    assert plain.criterion == pytest.approx(counts.criterion, abs=1e-6)
    # added zeros stay with another family, and go when they are taken out
    assert with_zeros.update(family="negative_binomial").family == (
        "zero_inflated_negative_binomial"
    )
    without = with_zeros.update(zero_inflation=None)
    assert without.family == "poisson"
    assert without.criterion == pytest.approx(counts.criterion, abs=1e-6)
    assert with_zeros.family == "zero_inflated_poisson"
    assert counts.model.family == Poisson()


def test_families_of_other_responses(herds, counts):
    with pytest.raises(ModelError, match=r"numbers of a density.*lf\.glmer"):
        counts.update(family="gamma")
    with pytest.raises(ModelError, match="successes of trials"):
        herds.update(family="poisson")
    with pytest.raises(ArgumentError, match="reml"):
        herds.update(reml=False)


def test_an_updated_fit_is_compared_whatever_its_rows(herds):
    """Rows are found by their labels."""
    data = lf.datasets.load("cbpp").sample(frac=1.0, random_state=1)
    small = lf.glmer(HERD.replace("period", "1"), data, family="binomial")
    found = lf.anova(full=herds, small=small)
    statistic = herds.drop1().loc["period", "statistic"]
    assert found.loc["full", "statistic"] == pytest.approx(statistic, abs=1e-7)
    assert isinstance(found, pd.DataFrame)


@pytest.mark.parametrize("nagq", [0, 1, 11])
def test_a_model_without_random_effects(nagq):
    """A generalised linear model, as statsmodels fits it."""
    import statsmodels.api as sm

    cbpp = lf.datasets.load("cbpp")
    formula = "cbind(incidence, size - incidence) ~ period"
    fit = lf.glmer(formula, cbpp, family="binomial", nagq=nagq)
    counts = np.column_stack([cbpp["incidence"], cbpp["size"] - cbpp["incidence"]])
    other = sm.GLM(counts, fit.state.design.X, family=sm.families.Binomial()).fit()
    assert fit.llf == pytest.approx(other.llf, abs=1e-9)
    assert_allclose(fit.params, other.params, rtol=1e-6)
    assert_allclose(fit.bse, other.bse, rtol=1e-4)
    assert "Generalised linear model" in str(fit)
    assert fit.random_effects == {}
    assert fit.tidy("all")["effect"].unique().tolist() == ["fixed"]
    mixed = lf.glmer(f"{formula} + (1 | herd)", cbpp, family="binomial", nagq=max(nagq, 1))
    plain = lf.glmer(formula, cbpp, family="binomial", nagq=max(nagq, 1))
    table = lf.anova(plain, mixed)
    assert table["statistic"].iloc[1] == pytest.approx(fit.criterion - mixed.criterion, abs=1e-6)
    assert mixed.ranova()["statistic"].iloc[1] == pytest.approx(table["statistic"].iloc[1])
