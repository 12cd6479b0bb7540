"""Tables of a generalised fit in broom's columns, and how its summary is shown."""

from __future__ import annotations

import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from numpy.testing import assert_allclose, assert_array_equal
from reference_fits import FITS, arguments, table
from scipy.stats import norm

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, DataError
from lmforms.glmm.families.counts import NegativeBinomial, Poisson
from lmforms.glmm.families.labels import family_label
from lmforms.glmm.families.lookup import FAMILIES
from lmforms.glmm.families.positive import Gamma
from lmforms.glmm.families.truncation import Truncated
from lmforms.glmm.families.zeros import Hurdle, ZeroInflated

CBPP = table("cbpp")
TRIALS = "cbind(incidence, size - incidence) ~ period + (1 | herd)"


@cache
def fitted(name: str):
    given = arguments(FITS[name])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.glmer(given.pop("formula"), given.pop("data"), **given)


# --- tidy --------------------------------------------------------------------------------------


def test_columns_are_those_of_broom():
    fit = fitted("cbpp_logit")
    fixed = [
        *("effect", "term", "estimate", "std.error", "statistic", "p.value"),
        *("conf.low", "conf.high"),
    ]
    assert list(fit.tidy("fixed", conf_int=True)) == fixed
    assert list(fit.tidy()) == [*fixed[:1], "group", *fixed[1:6]]
    assert list(fit.tidy("ran_pars")) == ["effect", "group", "term", "estimate"]
    assert list(fit.tidy("ran_vals")) == ["effect", "group", "level", *fixed[1:4]]


def test_fixed_effects_by_the_normal_distribution():
    fit = fitted("cbpp_logit")
    tidy = fit.tidy("fixed", conf_int=True, conf_level=0.9)
    reference = FITS["cbpp_logit"]
    assert_allclose(tidy["estimate"], list(reference["beta"].values()), rtol=1e-5)
    assert_allclose(tidy["std.error"], list(reference["se"].values()), rtol=1e-5)
    assert_array_equal(tidy["statistic"], tidy["estimate"] / tidy["std.error"])
    assert_allclose(tidy["p.value"], 2.0 * norm.sf(np.abs(tidy["statistic"])))
    half = norm.ppf(0.95) * tidy["std.error"]
    assert_allclose(tidy["conf.high"], tidy["estimate"] + half)


@pytest.mark.parametrize("name", ["epilepsy_slope", "sleep_gamma", "salamanders_zinb2"])
def test_no_residual_among_the_deviations(name):
    """As broom.mixed: a family has no standard deviation of observations."""
    fit = fitted(name)
    tidy = fit.tidy("ran_pars")
    assert "Residual" not in set(tidy["group"])
    expected = [sd for term in FITS[name]["terms"] for sd in term["sd"].values()]
    found = tidy.loc[tidy["term"].str.startswith("sd__"), "estimate"]
    assert_allclose(sorted(found), sorted(expected), rtol=2e-4)


def test_ratios():
    fit = fitted("epilepsy")
    plain = fit.tidy("all", conf_int=True)
    ratios = fit.tidy("all", conf_int=True, exponentiate=True)
    rows = (plain["effect"] == "fixed").to_numpy()
    for name in ("estimate", "conf.low", "conf.high"):
        assert_allclose(ratios[name][rows], np.exp(plain[name][rows]))
    assert_allclose(
        ratios["std.error"][rows], np.exp(plain["estimate"])[rows] * plain["std.error"][rows]
    )
    for name in ("statistic", "p.value"):
        assert_array_equal(ratios[name], plain[name])
    pd.testing.assert_frame_equal(pd.DataFrame(ratios[~rows]), pd.DataFrame(plain[~rows]))
    assert ratios.notes[-1] == "Fixed effects are exponentiated, as ratios of means."
    assert list(ratios) == list(plain)


def test_ratios_of_other_links_are_refused():
    assert "odds" in fitted("cbpp_logit").tidy("fixed", exponentiate=True).notes[-1]
    assert "hazards" in fitted("cbpp_cloglog").tidy("fixed", exponentiate=True).notes[-1]
    for name in ("cbpp_probit", "cbpp_cauchit", "epilepsy_sqrt", "cake_gamma_inverse"):
        with pytest.raises(ArgumentError, match="no logarithms of ratios"):
            fitted(name).tidy(exponentiate=True)
    with pytest.raises(ArgumentError, match="concerns the fixed effects"):
        fitted("cbpp_logit").tidy("ran_pars", exponentiate=True)


def test_wrong_options():
    fit = fitted("cbpp_logit")
    with pytest.raises(ArgumentError, match="needs conf_int=True"):
        fit.tidy(conf_level=0.9)
    with pytest.raises(ArgumentError, match="have no limits here"):
        fit.tidy("ran_pars", conf_int=True)
    with pytest.raises(ArgumentError, match="family"):
        fit.tidy("family")
    with pytest.raises(ArgumentError, match="ddf"):
        fit.tidy(ddf="satterthwaite")


# --- glance ------------------------------------------------------------------------------------


def test_the_fit_in_one_row():
    """lme4: logLik −92.0263, AIC 194.0526, BIC 204.1793, deviance 73.4714, 51 left."""
    row = fitted("cbpp_logit").glance().iloc[0]
    columns = ["nobs", "sigma", "logLik", "AIC", "BIC", "deviance", "df.residual"]
    assert list(row.index) == columns
    assert_allclose(row, [56, 1, -92.02628, 194.0526, 204.1793, 73.47, 51], atol=0.005)


@pytest.mark.parametrize(
    "name, family",
    [
        ("epilepsy", sm.families.Poisson()),
        ("cake_gamma_log", sm.families.Gamma(sm.families.links.Log())),
        ("cake_inverse_gaussian", sm.families.InverseGaussian(sm.families.links.Log())),
    ],
)
def test_deviance_is_that_of_the_rows(name, family):
    fit = fitted(name)
    assert fit.glance()["deviance"][0] == pytest.approx(
        family.deviance(fit.state.response, fit.fittedvalues.to_numpy()), rel=1e-9
    )


def test_deviance_of_weighted_rows():
    fit = fitted("salamanders_weights")
    data = table("glmm_salamanders.csv").assign(**FITS["salamanders_weights"]["extra_columns"])
    weights = data[FITS["salamanders_weights"]["weights"]]
    own = sm.families.Poisson().deviance(data["count"], fit.fittedvalues, freq_weights=weights)
    assert fit.glance()["deviance"][0] == pytest.approx(own, rel=1e-9)
    assert_array_equal(fit.augment()[".weights"], weights)


def test_sigma_where_lme4_has_it():
    gamma = fitted("cake_gamma_log")
    dispersion = gamma.family_params["estimate"][0]
    assert gamma.glance()["sigma"][0] == pytest.approx(np.sqrt(dispersion), rel=1e-12)
    given = lf.glmer("angle ~ recipe + (1 | replicate)", table("cake"), family=Gamma(0.04))
    assert given.glance()["sigma"][0] == pytest.approx(0.2, rel=1e-12)
    assert fitted("quine_nb2").glance()["sigma"][0] == 1.0
    for name in ("sleep_gamma_dispersion", "salamanders_zinb2", "rain_tweedie"):
        assert "sigma" not in fitted(name).glance()


# --- augment -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cbpp_probit", "epilepsy", "quine_nb2", "sleep_gamma"])
def test_rows(name):
    fit = fitted(name)
    rows, eta = fit.augment(), fit.linear_predictor
    assert_array_equal(rows[".fitted"], eta)
    assert_array_equal(rows[".eta"], eta)
    assert_array_equal(rows[".mu"], fit.fittedvalues)
    assert_array_equal(rows[".resid"], fit.residuals("deviance"))
    assert_array_equal(rows[".wtres"], fit.residuals("pearson"))
    assert_allclose(rows[".fixed"], fit.predict(random="none", kind="link"), rtol=1e-12)
    assert_allclose(rows[".wtres"], rows[".sqrtrwt"] * fit.resid, rtol=1e-12)
    step = 1e-6
    link = fit.state.estimate.likelihood.link
    slope = (link.mean(eta + step) - link.mean(eta - step)) / (2.0 * step)
    assert_allclose(rows[".sqrtXwt"], rows[".sqrtrwt"] * slope, rtol=1e-6)


def test_working_weights_of_a_canonical_link():
    """∂μ/∂η = V(μ): working weights are μ(1 − μ) times the trials, as in lme4."""
    fit = fitted("cbpp_logit")
    rows = fit.augment()
    assert_array_equal(rows[".weights"], CBPP["size"])
    mean = rows[".mu"]
    assert_allclose(rows[".sqrtXwt"] ** 2, CBPP["size"] * mean * (1.0 - mean), rtol=1e-12)


def test_rows_with_added_zeros():
    fit = fitted("salamanders_zip_mined")
    rows = fit.augment()
    assert ".sqrtXwt" not in rows
    assert_array_equal(rows[".mu"], fit.fittedvalues)
    assert (rows[".mu"] < np.exp(rows[".fitted"])).all()
    new = table("glmm_salamanders.csv").head(40)
    assert_allclose(fit.augment(newdata=new)[".mu"], rows[".mu"].head(40), rtol=1e-12)


def test_columns_of_the_data_and_another_response():
    fit = fitted("cbpp_logit")
    extra = CBPP.assign(farm="x")
    assert list(fit.augment(extra))[: len(extra.columns)] == list(extra)
    again = fit.refit(np.minimum(CBPP["incidence"], 3).to_numpy())
    shares = np.minimum(CBPP["incidence"], 3) / CBPP["size"]
    assert_allclose(again.augment()[".response"], shares)
    with pytest.raises(DataError, match="already"):
        fit.augment(fit.augment())
    with pytest.raises(ColumnError, match="lack `size`"):
        fit.augment(CBPP.drop(columns="size"))


def test_new_rows():
    fit = fitted("cbpp_logit")
    new = pd.DataFrame({"period": ["1", "2", None], "herd": ["1", "none", "2"], "k": [1, 2, 3]})
    with pytest.raises(DataError, match="none"):
        fit.augment(newdata=new)
    rows = fit.augment(newdata=new, new_levels="zero")
    assert list(rows) == ["period", "herd", "k", ".fitted", ".fixed", ".mu"]
    assert rows[".fitted"][1] == rows[".fixed"][1]
    assert_allclose(rows[".mu"], 1.0 / (1.0 + np.exp(-rows[".fitted"])))
    assert rows.iloc[2, 3:].isna().all()
    with pytest.raises(DataError, match="already"):
        fit.augment(newdata=rows, new_levels="zero")
    with pytest.raises(ArgumentError, match="not both"):
        fit.augment(CBPP, newdata=new)
    with pytest.raises(ArgumentError, match="are for newdata="):
        fit.augment(new_levels="zero")


def test_ordered_classes():
    """They have thresholds in the place of a mean."""
    wine = table("glmm_wine.csv").assign(rating=lambda d: d["rating"].astype(int))
    fit = lf.glmer("rating ~ temp + contact + (1 | judge)", wine, family="ordinal", link="probit")
    assert list(fit.glance()) == ["nobs", "logLik", "AIC", "BIC", "df.residual"]
    rows = fit.augment()
    assert [name for name in rows if name.startswith(".")] == [
        *(".fitted", ".fixed", ".offset", ".weights", ".eta")
    ]
    assert_array_equal(rows[".fitted"], fit.linear_predictor)
    assert list(fit.augment(newdata=wine.head(3)))[-2:] == [".fitted", ".fixed"]
    assert list(fit.tidy("fixed")["term"]) == list(fit.params.index)


def test_tables_of_other_libraries():
    pl = pytest.importorskip("polars")
    fit = lf.glmer(TRIALS, pl.DataFrame(CBPP), family="binomial")
    rows = fit.augment(pl.DataFrame(CBPP))
    assert isinstance(rows, pl.DataFrame)
    assert_array_equal(rows[".mu"], fit.fittedvalues)
    new = pl.DataFrame({"period": ["1", None], "herd": ["1", "2"]})
    found = fit.augment(newdata=new)
    assert found[".mu"].to_list() == [pytest.approx(fit.fittedvalues.iloc[0]), None]


# --- how it is shown ---------------------------------------------------------------------------


def test_labels():
    assert family_label(ZeroInflated(Poisson())) == "zero-inflated Poisson"
    assert family_label(Truncated(NegativeBinomial(2.0))) == (
        "zero-truncated negative binomial (size 2)"
    )
    assert family_label(Hurdle(Gamma(), 0.25)) == "hurdle gamma (zero inflation 0.25)"
    for kind in FAMILIES.values():
        assert "_" not in family_label(kind())


def test_summary_of_a_dispersion_formula():
    text = str(fitted("salamanders_nb2_dispersion").summary())
    assert "Family:         negative binomial, log link" in text
    assert "Approximation:  Laplace" in text
    start = text.index("Parameters of the family")
    lines = text[start:].splitlines()[1:5]
    assert lines[0].split() == ["coefficient", "estimate", "std.", "error"]
    assert lines[2].split()[:2] == ["size", "Intercept"]
    assert lines[3].split()[0] == "DOY"
    assert "Coefficients of `size` are on the scale of its logarithm." in text


def test_summary_of_numbers_has_no_column_of_coefficients():
    text = str(fitted("quine_nb2").summary())
    assert "coefficient" not in text
    assert "Parameters of the family" in text


@pytest.mark.parametrize(
    "name", ["epilepsy", "salamanders_nb2_dispersion", "salamanders_zip_mined"]
)
@pytest.mark.parametrize("form", ["html", "latex", "markdown", "typst"])
def test_formats(name, form):
    fit = fitted(name)
    shown = getattr(fit.summary(), f"to_{form}")()
    assert "Generalised linear mixed model fit by maximum likelihood" in shown
    assert family_label(fit.state.family) in shown
    assert ("coefficient" in shown) == (name != "epilepsy")
    for frame in (fit.tidy(), fit.glance()):
        assert getattr(frame, f"to_{form}")()


def test_number_of_nodes_is_shown():
    data = table("cbpp")
    shown = [str(lf.glmer(TRIALS, data, family="binomial", nagq=n).summary()) for n in (0, 5)]
    assert "profiled out with the random effects (nagq=0)" in shown[0].replace("\n" + " " * 16, " ")
    assert "adaptive Gauss–Hermite quadrature, 5 nodes" in shown[1]
