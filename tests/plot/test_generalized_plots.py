"""Pictures of generalised fits: arrays by hand, and every function accepts or refuses them."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import lmforms as lf
from lmforms.errors import ArgumentError, LmformsError, MissingPackageError, ModelError
from lmforms.plot.axes import logarithmic_ticks
from lmforms.plot.binned_arrays import binned_residuals_of, default_bins, observed_shares
from lmforms.plot.diagnostic_arrays import bin_codes
from lmforms.plot.residual_arrays import GENERALIZED_KINDS, fixed_part
from lmforms.plot.rootogram_arrays import count_frequencies, round_width
from lmforms.results.generalized.rows import RESIDUAL_KINDS

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
plt = pytest.importorskip("matplotlib.pyplot")

CBPP = lf.datasets.load("cbpp")
GROUPS, ROWS = 20, 8


@pytest.fixture(autouse=True)
def _closed():
    yield
    plt.close("all")


def simulated() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    n = GROUPS * ROWS
    g, x = np.repeat(np.arange(GROUPS), ROWS), rng.normal(size=n)
    b, slope = rng.normal(0, 0.5, GROUPS)[g], rng.normal(0, 0.4, GROUPS)[g]
    eta = 0.5 + 0.4 * x + b
    mean = np.exp(1.0 + eta)
    latent = 0.8 * x + b + rng.logistic(size=n)
    classes = ["low", "mid", "high"]
    return pd.DataFrame(
        {
            "g": g.astype(str),
            "x": x,
            "f": np.tile(list("abcd"), n // 4),
            "w": np.tile([1.0, 2.0], n // 2),
            "time": np.log(np.tile([1.0, 3.0], n // 2)),
            "count": rng.poisson(np.exp(eta + slope * x)),
            "spread": rng.poisson(rng.gamma(1.2, mean / 1.2)),
            "yes": (rng.uniform(size=n) < 1 / (1 + np.exp(-eta))).astype(int),
            "positive": rng.gamma(2.0, mean / 2.0),
            "class": pd.Categorical.from_codes(
                np.digitize(latent, [-0.7, 0.7]), classes, ordered=True
            ),
        }
    )


DATA = simulated()

MODELS = {
    "proportions": (
        "cbind(incidence, size - incidence) ~ period + (1 | herd)",
        CBPP,
        {"family": "binomial"},
    ),
    "yes": ("yes ~ x + f + (1 | g)", DATA, {"family": "binomial"}),
    "slopes": ("count ~ x + f + (x | g)", DATA, {"family": "poisson"}),
    "negative_binomial": ("spread ~ x + f + (1 | g)", DATA, {"family": "negative_binomial"}),
    "inflated": ("count ~ x + (1 | g)", DATA, {"family": "poisson", "zero_inflation": "~ 1"}),
    "hurdle": (
        "count ~ x + (1 | g)",
        DATA,
        {"family": "truncated_poisson", "zero_inflation": "~ x"},
    ),
    "gamma": ("positive ~ x + f + (1 | g)", DATA, {"family": "gamma", "link": "log"}),
    "ordinal": ("class ~ x + f + (1 | g)", DATA, {"family": "ordinal"}),
    "weighted": ("count ~ x + (1 | g)", DATA, {"family": "poisson", "weights": "w"}),
    "offset": ("count ~ x + offset(time) + (1 | g)", DATA, {"family": "poisson"}),
    "intercept": ("yes ~ 1 + (1 | g)", DATA, {"family": "binomial"}),
}
COUNTS = ["slopes", "negative_binomial", "inflated", "hurdle", "weighted", "offset"]

_FITS: dict = {}


def fit_of(name):
    if name not in _FITS:
        formula, data, options = MODELS[name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", lf.errors.SingularWarning)  # one of them is
            _FITS[name] = lf.glmer(formula, data, **options)
    return _FITS[name]


@pytest.fixture(scope="module")
def linear():
    return lf.lmer("Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"))


def texts(labels):
    return [label.get_text() for label in labels]


def titles(axes):
    return [ax.get_title(loc="left").partition(":")[0] for ax in axes]


# --- every function of lf.plot ------------------------------------------------------------------

DRAWN = {
    "binned_residuals": {},
    "calibration": {},
    "coefficients": {},
    "collinearity": {},
    "fitted_lines": {"x": "x", "levels": 2},
    "random_effects": {},
    "random_effects_pairs": {},
    "random_effects_qq": {},
    "residuals_fitted": {},
    "residuals_qq": {},
    "rootogram": {},
    "scale_location": {},
    "simulated_residuals": {},
}
REFUSED = {
    "autocorrelation": ("for fits of lmer", {}),
    "bootstrap": (r"give that of fit\.bootstrap\(\)", {}),
    "codes": ("a fitted LinearMixedForm", {}),
    "companion": ("must be a Forms", {}),
    "correlation_heatmap": ("for fits of lmer", {}),
    "covariance": ("a fitted LinearMixedForm", {"data": DATA[["x"]], "of": "Y"}),
    "criterion": ("for fits of lmer", {}),
    "influence": ("for fits of lmer", {}),
    "loadings": ("a fitted LinearMixedForm", {}),
    "matrix": ("for fits of lmer", {}),
    "means": (r"draw fit\.emmeans", {}),
    "objective": ("a fitted LinearMixedForm", {}),
    "profile_density": (r"fit\.profile\(\) returns", {}),
    "profile_pairs": (r"fit\.profile\(\) returns", {}),
    "profile_zeta": (r"fit\.profile\(\) returns", {}),
    "rank": ("choose_rank", {}),
    "residual_field": ("for fits of lmer", {}),
    "semivariogram": ("for fits of lmer", {}),
    "shrinkage": ("for fits of lmer.*least squares", {}),
}
LACKING = {
    "calibration": ("for the binomial family", {"yes", "intercept"}),
    "rootogram": ("is for counts", set(COUNTS)),
    "random_effects_pairs": ("has one random effect", {"slopes"}),
    "collinearity": ("fewer than two terms", {"yes", "slopes", "gamma", "ordinal"}),
    "fitted_lines": ("have no mean|has no predictors", {"yes", "slopes", "gamma", "inflated"}),
    "coefficients": ("no coefficient but the intercept", set(MODELS) - {"intercept"}),
}
"""What it says of fits that lack something, and those of the test that do not."""


def test_every_function_has_its_place():
    assert set(lf.plot.__all__) == set(DRAWN) | set(REFUSED)


@pytest.mark.parametrize("model", ["slopes", "yes", "ordinal", "gamma", "inflated", "intercept"])
@pytest.mark.parametrize("name", lf.plot.__all__)
def test_every_function_accepts_or_refuses(name, model, recwarn):
    fit, draw = fit_of(model), getattr(lf.plot, name)
    recwarn.clear()  # of the fit
    if name in REFUSED:
        message, options = REFUSED[name]
        with pytest.raises(LmformsError, match=message):
            draw(fit, **options)
        assert not plt.get_fignums()
        return
    message, having = LACKING.get(name, ("", MODELS))
    if model not in having:
        with pytest.raises(LmformsError, match=message):
            draw(fit, **DRAWN[name])
        assert not plt.get_fignums()
        return
    axes = np.ravel(np.asarray(draw(fit, **DRAWN[name]), dtype=object))
    assert all(ax.has_data() for ax in axes)
    axes[0].figure.canvas.draw()
    assert not recwarn.list


def test_what_is_for_generalised_fits_refuses_others(linear):
    for draw in (lf.plot.binned_residuals, lf.plot.rootogram, lf.plot.calibration):
        with pytest.raises(ArgumentError, match=r"for fits of glmer.*lf\.plot\.residuals"):
            draw(linear)
        with pytest.raises(ArgumentError, match="a fit of glmer is needed, not 3"):
            draw(3)


# --- mean residuals in bins ---------------------------------------------------------------------


def by_hand(x, count):
    """Bins by the middle of the ranks of equal values."""
    ranks = stats.rankdata(x)
    return np.minimum(np.floor((ranks - 0.5) / len(x) * count), count - 1)


@pytest.mark.parametrize("count", [1, 3, 7])
def test_bins(count):
    rng = np.random.default_rng(0)
    for x in (rng.normal(size=50), rng.integers(0, 6, 50).astype(float)):
        found, expected = bin_codes(x, count), by_hand(x, count)
        np.testing.assert_array_equal(np.unique(expected, return_inverse=True)[1], found)
        assert all(len(np.unique(found[x == value])) == 1 for value in x)
    assert [default_bins(n) for n in (1, 2, 19, 20, 99, 100, 10_000)] == [1, 1, 9, 10, 10, 10, 60]


def test_bins_of_proportions_by_hand():
    fit = fit_of("proportions")
    size, share = CBPP["size"].to_numpy(), (CBPP["incidence"] / CBPP["size"]).to_numpy()
    mean = fit.fittedvalues.to_numpy()
    codes = by_hand(mean, 10)
    found = binned_residuals_of(fit, None, None, None, 0)
    assert found.counts.sum() == len(CBPP)
    for j, code in enumerate(np.unique(codes)):
        rows = codes == code
        total = size[rows].sum()
        assert found.x[j] == pytest.approx(mean[rows].mean())
        assert found.means[j] == pytest.approx(((share - mean) * size)[rows].sum() / total)
        variance = (size * mean * (1 - mean))[rows].sum() / total**2
        assert found.bounds[j] == pytest.approx(2 * np.sqrt(variance))
    np.testing.assert_array_equal(found.outside, np.abs(found.means) > found.bounds)


def test_bins_of_counts_by_hand():
    fit = fit_of("negative_binomial")
    y, mean = DATA["spread"].to_numpy(), fit.fittedvalues.to_numpy()
    size = float(fit.family_params["estimate"].iloc[0])
    codes = by_hand(DATA["x"].to_numpy(), 5)
    found = binned_residuals_of(fit, "x", "response", 5, 0)
    variance = mean + mean**2 / size
    for j in range(5):
        rows = codes == j
        assert found.x[j] == pytest.approx(DATA["x"][rows].mean())
        assert found.means[j] == pytest.approx((y - mean)[rows].mean())
        assert found.bounds[j] == pytest.approx(2 * np.sqrt(variance[rows].sum()) / rows.sum())
    pearson = binned_residuals_of(fit, "x", "pearson", 5, 0)
    np.testing.assert_allclose(pearson.bounds, 2 / np.sqrt(pearson.counts))
    each = ((y - mean) / np.sqrt(variance))[codes == 2]
    assert pearson.means[2] == pytest.approx(each.mean())


def test_bins_of_rows_with_weights_are_those_of_repeated_rows():
    twice = DATA.loc[np.repeat(DATA.index, DATA["w"].astype(int))]
    repeated = lf.glmer("count ~ x + (1 | g)", twice, family="poisson")
    first, second = (
        binned_residuals_of(fit, data["f"], None, None, 0)
        for fit, data in ((fit_of("weighted"), DATA), (repeated, twice))
    )
    assert first.categories == second.categories == ("a", "b", "c", "d")
    np.testing.assert_allclose(first.means, second.means, atol=1e-5)
    np.testing.assert_allclose(first.bounds, second.bounds, atol=1e-5)


def test_ordered_classes_have_quantile_residuals_in_bins():
    fit = fit_of("ordinal")
    ax = lf.plot.binned_residuals(fit, seed=3)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("linear predictor", "mean quantile residual")
    found = binned_residuals_of(fit, None, None, None, 3)
    codes = by_hand(fit.linear_predictor.to_numpy(), default_bins(len(DATA)))
    residuals = fit.residuals("quantile", seed=3).to_numpy()
    np.testing.assert_allclose(found.means[0], residuals[codes == 0].mean())
    with pytest.raises(ModelError, match="not defined for ordered classes"):
        lf.plot.binned_residuals(fit, kind="response")


def test_what_is_drawn_in_bins():
    fit = fit_of("proportions")
    ax = lf.plot.binned_residuals(fit)
    found = binned_residuals_of(fit, None, None, None, 0)
    drawn = {line.get_marker(): line.get_xydata() for line in ax.lines}
    points = np.column_stack([found.x, found.means])
    np.testing.assert_allclose(drawn["o"], points[~found.outside])
    np.testing.assert_allclose(drawn["s"], points[found.outside])
    ax = lf.plot.binned_residuals(fit, "period")
    assert texts(ax.get_xticklabels()) == ["1", "2", "3", "4"]
    assert ax.get_xlabel() == "period"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"kind": "deviance"}, "kind='deviance'"),
        ({"bins": 0}, "bins=0"),
        ({"bins": 1000}, "bins=1000"),
        ({"x": "perod"}, "no column of the model.*period"),
        ({"seed": "a"}, "seed='a'"),
        ({"ax": 3}, "ax=3"),
    ],
)
def test_bad_arguments_of_bins(options, message):
    with pytest.raises(ArgumentError, match=message):
        lf.plot.binned_residuals(fit_of("proportions"), **options)


def test_a_family_without_a_variance():
    rng = np.random.default_rng(0)
    effects = rng.normal(size=GROUPS)[DATA["g"].astype(int)]
    data = DATA.assign(y=DATA["x"] + effects + rng.standard_t(3, len(DATA)))
    fit = lf.glmer("y ~ x + (1 | g)", data, family=lf.families.StudentT(df=2.0))
    with pytest.raises(ArgumentError, match=r"no finite variance.*kind='quantile'"):
        lf.plot.binned_residuals(fit, kind="response")
    assert lf.plot.binned_residuals(fit).get_ylabel() == "mean quantile residual"
    fit.plot(ax=plt.subplots(2, 2)[1])


# --- observed shares ----------------------------------------------------------------------------


def test_observed_shares_by_hand():
    fit = fit_of("proportions")
    found = observed_shares(fit, 4, 0.9)
    mean = fit.fittedvalues.to_numpy()
    codes = by_hand(mean, 4)
    for j in range(4):
        rows = codes == j
        n, k = CBPP["size"][rows].sum(), CBPP["incidence"][rows].sum()
        assert found.trials[j] == n
        assert found.observed[j] == pytest.approx(k / n)
        assert found.fitted[j] == pytest.approx((mean * CBPP["size"])[rows].sum() / n)
        limits = stats.binomtest(int(k), int(n)).proportion_ci(0.9, method="exact")
        assert (found.lower[j], found.upper[j]) == pytest.approx(limits)
    ax = lf.plot.calibration(fit, bins=4, level=0.9)
    assert ax.get_ylabel() == "observed share, 90 % interval"
    assert ax.get_xlim() == ax.get_ylim()
    np.testing.assert_allclose(ax.lines[-1].get_xdata(), found.fitted)
    with pytest.raises(ArgumentError, match="level=95"):
        lf.plot.calibration(fit, level=95)


# --- rootogram ----------------------------------------------------------------------------------


def test_expected_counts_of_poisson_by_hand():
    fit = fit_of("slopes")
    found = count_frequencies(fit)
    mean, y = fit.fittedvalues.to_numpy(), DATA["count"].to_numpy()
    assert found.high[-1] >= y.max()
    for k, observed, expected in zip(found.low, found.observed, found.expected, strict=True):
        assert observed == (y == k).sum()
        assert expected == pytest.approx(stats.poisson.pmf(k, mean).sum())
    assert found.observed_above == 0
    above = stats.poisson.sf(found.high[-1], mean).sum()
    assert found.expected_above == pytest.approx(above)
    assert found.expected.sum() + found.expected_above == pytest.approx(len(y))


def test_bars_of_several_counts():
    fit = fit_of("negative_binomial")
    mean, y = fit.fittedvalues.to_numpy(), DATA["spread"].to_numpy()
    size = float(fit.family_params["estimate"].iloc[0])
    found = count_frequencies(fit, largest=11, width=4)
    np.testing.assert_array_equal(found.low, [0, 4, 8])
    np.testing.assert_array_equal(found.high, [3, 7, 11])
    np.testing.assert_array_equal(found.places, [1.5, 5.5, 9.5])
    law = stats.nbinom(size, size / (size + mean))
    for j in range(3):
        inside = (y >= found.low[j]) & (y <= found.high[j])
        assert found.observed[j] == inside.sum()
        expected = law.cdf(found.high[j]).sum() - law.cdf(found.low[j] - 1).sum()
        assert found.expected[j] == pytest.approx(expected)
    assert found.observed_above == (y > 11).sum()
    text = lf.plot.rootogram(fit, largest=11, width=4).texts[0].get_text()
    assert text.startswith(f"above 11: {(y > 11).sum()} observed, ")
    assert [round_width(n) for n in (1, 60, 61, 121, 601, 6001)] == [1, 1, 2, 5, 20, 200]


@pytest.mark.parametrize("name", ["inflated", "hurdle"])
def test_expected_counts_are_those_of_simulations(name):
    fit = fit_of(name)
    found = count_frequencies(fit, largest=4)
    draws = fit.simulate(400, seed=1, random="fitted").to_numpy()
    for k in range(5):
        assert (draws == k).sum() / 400 == pytest.approx(found.expected[k], rel=0.05, abs=0.5)
    if name == "hurdle":
        assert found.expected[0] == pytest.approx((DATA["count"] == 0).sum(), rel=0.05)


def test_rows_with_weights_count_with_these():
    found = count_frequencies(fit_of("weighted"))
    y = DATA["count"]
    assert found.observed[1] == DATA["w"][y == 1].sum()
    assert found.expected.sum() + found.expected_above == pytest.approx(DATA["w"].sum())


@pytest.mark.parametrize("kind", ["hanging", "standing", "suspended"])
def test_bars_and_line(kind):
    fit = fit_of("slopes")
    ax = lf.plot.rootogram(fit, kind)
    found = count_frequencies(fit)
    observed, expected = np.sqrt(found.observed), np.sqrt(found.expected)
    ends = {
        "hanging": (expected - observed, expected),
        "standing": (0 * observed, observed),
        "suspended": (0 * observed, expected - observed),
    }[kind]
    for bar, low, high in zip(ax.patches, *ends, strict=True):
        assert (bar.get_y(), bar.get_y() + bar.get_height()) == pytest.approx((low, high))
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), expected)
    dashed = [line.get_ydata()[0] for line in ax.lines if line.get_linestyle() == "--"]
    assert dashed == ([] if kind == "standing" else [-1.0, 1.0])


def test_a_long_tail_has_wide_bars():
    data = DATA.assign(count=np.where(np.arange(len(DATA)) == 5, 900, DATA["count"]))
    fit = lf.glmer("count ~ x + (1 | g)", data, family="negative_binomial")
    found = count_frequencies(fit)
    assert len(found.low) <= 60
    assert found.observed.sum() == len(data)
    assert lf.plot.rootogram(fit).get_xlabel() == f"count, in steps of {found.high[0] + 1}"


@pytest.mark.parametrize("name", ["proportions", "yes", "gamma", "ordinal"])
def test_a_rootogram_needs_counts(name):
    family = fit_of(name).family
    with pytest.raises(ArgumentError, match=f"for counts .* this fit has the {family} family"):
        lf.plot.rootogram(fit_of(name))


@pytest.mark.parametrize(
    "options, message",
    [({"kind": "hung"}, "kind='hung'"), ({"largest": -1}, "largest=-1"), ({"width": 0}, "width=0")],
)
def test_bad_arguments_of_rootograms(options, message):
    with pytest.raises(ArgumentError, match=message):
        lf.plot.rootogram(fit_of("slopes"), **options)


# --- residuals ----------------------------------------------------------------------------------


def test_every_kind_of_residual_is_drawn():
    assert set(GENERALIZED_KINDS) == set(RESIDUAL_KINDS)
    fit = fit_of("slopes")
    for kind, name in GENERALIZED_KINDS.items():
        ax = lf.plot.residuals_fitted(fit, kind, seed=2)
        expected = np.column_stack([fit.linear_predictor, fit.residuals(kind, seed=2)])
        np.testing.assert_allclose(ax.collections[0].get_offsets(), expected)
        assert (ax.get_xlabel(), ax.get_ylabel()) == ("linear predictor", name)
    ax = lf.plot.residuals_fitted(fit, fixed=True)
    fixed = fit.predict(random="none", kind="link")
    np.testing.assert_allclose(ax.collections[0].get_offsets()[:, 0], fixed)
    assert ax.get_xlabel() == "linear predictor, fixed part"
    ordered = lf.plot.residuals_qq(fit).collections[-1].get_offsets()[:, 1]
    np.testing.assert_allclose(ordered, np.sort(fit.residuals("quantile", seed=0)))


def test_an_offset_belongs_to_the_fixed_part(linear):
    fit = fit_of("offset")
    np.testing.assert_allclose(fixed_part(fit), fit.predict(random="none", kind="link"))
    x = lf.plot.residuals_fitted(linear, fixed=True).collections[0].get_offsets()[:, 0]
    np.testing.assert_allclose(x, linear.predict(random="none"))


def test_kinds_that_are_not_normal_have_no_quantiles():
    with pytest.raises(ArgumentError, match=r"kind='pearson'.*not normal under the model"):
        lf.plot.residuals_qq(fit_of("yes"), "pearson")
    with pytest.raises(ArgumentError, match="kind='scaled'"):
        lf.plot.residuals_qq(fit_of("yes"), "scaled")
    with pytest.raises(ArgumentError, match="kind='normalized'"):
        lf.plot.residuals_fitted(fit_of("yes"), "normalized")


def test_simulated_residuals_of_a_fit(linear):
    for fit in (fit_of("proportions"), linear):
        axes = lf.plot.simulated_residuals(fit, seed=4)
        expected = np.sort(fit.simulated_residuals(seed=4).scaled)
        drawn = axes[0].collections[-1].get_offsets()[:, 1]
        np.testing.assert_allclose(drawn, expected)
    assert len(lf.plot.simulated_residuals(fit_of("proportions"), "period")) == 3


# --- effects ------------------------------------------------------------------------------------


def test_random_effects_are_on_the_scale_of_the_link():
    fit = fit_of("proportions")
    ax = lf.plot.random_effects(fit, level=0.9)
    assert ax.get_xlabel() == "random effect (logit link), 90 % interval"
    effects = fit.random_effects["herd"]["Intercept"].sort_values()
    np.testing.assert_allclose(ax.lines[-1].get_xdata(), effects)
    sd = np.sqrt(fit.random_effects_cov["herd"]["Intercept"].droplevel(-1))[effects.index]
    widths = [np.ptp(part[:, 0]) for part in ax.collections[0].get_segments()]
    np.testing.assert_allclose(widths, 2 * stats.norm.ppf(0.95) * sd, rtol=1e-6)


def test_the_ellipse_is_that_of_the_estimated_covariance():
    fit = fit_of("slopes")
    ax = lf.plot.random_effects_pairs(fit, levels=0.95)
    vcomp = fit.vcomp.set_index(["name1", "name2"])
    variance = vcomp["variance"].to_numpy()[:2]
    ellipse = ax.lines[-1].get_xydata()
    radius = np.sqrt(stats.chi2.ppf(0.95, 2))
    np.testing.assert_allclose(ellipse.max(axis=0), radius * np.sqrt(variance), rtol=1e-3)


def test_coefficients_and_ratios():
    fit = fit_of("proportions")
    table = fit.tidy("fixed", conf_int=True).iloc[1:]
    ax = lf.plot.coefficients(fit)
    assert ax.get_xlabel() == "estimate (logit link), 95 % interval"
    np.testing.assert_allclose(ax.lines[-1].get_xdata(), table["estimate"])
    ax = lf.plot.coefficients(fit, exponentiate=True)
    assert (ax.get_xlabel(), ax.get_xscale()) == ("odds ratio, 95 % interval", "log")
    np.testing.assert_allclose(ax.lines[-1].get_xdata(), np.exp(table["estimate"]))
    ends = np.array([part[:, 0] for part in ax.collections[0].get_segments()])
    np.testing.assert_allclose(ends, np.exp(table[["conf.low", "conf.high"]]))
    assert ax.lines[0].get_xdata()[0] == 1.0
    assert not any("$" in text for text in texts(ax.get_xticklabels()))


def test_coefficients_of_several_fits(linear):
    both = {"Poisson": fit_of("slopes"), "NB": fit_of("negative_binomial")}
    assert lf.plot.coefficients(both).get_xlabel() == "estimate (log link), 95 % interval"
    ax = lf.plot.coefficients(both, exponentiate=True, standardize=True)
    assert ax.get_xlabel() == "ratio of means for one sd of the column, 95 % interval"
    expected = np.exp(both["NB"].params["x"] * DATA["x"].std())
    assert ax.lines[-1].get_xdata()[0] == pytest.approx(expected)
    mixed = {"Poisson": fit_of("slopes"), "yes": fit_of("yes")}
    assert "on the scale of each link" in lf.plot.coefficients(mixed).get_xlabel()
    with pytest.raises(ArgumentError, match="exponentiate=True: coefficients of a fit of lmer"):
        lf.plot.coefficients(linear, exponentiate=True)
    probit = lf.glmer("yes ~ x + (1 | g)", DATA, family="binomial", link="probit")
    with pytest.raises(ArgumentError, match="coefficients of the probit link are no logarithms"):
        lf.plot.coefficients(probit, exponentiate=True)
    for options in ({"ddf": "kenward-roger"}, {"information": "observed"}):
        with pytest.raises(ArgumentError, match="ddf= and information= are for fits of lmer"):
            lf.plot.coefficients(probit, **options)


def test_ticks_of_ratios():
    assert logarithmic_ticks(0.9, 1.3) == [0.9, 1.0, 1.1, 1.2, 1.3]
    for low, high in ((0.5, 0.51), (0.01, 100), (1e-12, 1e9), (0.99, 1.01), (3.0, 8.0)):
        ticks = logarithmic_ticks(low, high)
        assert 2 <= len(ticks) <= 9
        assert all(low <= tick <= high for tick in ticks)


def test_means_on_the_scale_of_the_response():
    fit = fit_of("proportions")
    table = fit.emmeans("period", kind="response")
    ax = lf.plot.means(table)
    assert ax.get_ylabel() == "estimate, response scale, 95 % interval"
    ends = np.array([part[:, 1] for part in ax.collections[0].get_segments()])
    np.testing.assert_allclose(ends, table[["lower", "upper"]])
    assert ends.min() > 0
    assert lf.plot.means(fit.emmeans("period")).get_ylabel() == "estimate, 95 % interval"


def test_odds_ratios_are_beside_one():
    """Ratios by other names than those of a logarithmic response are ratios too."""
    fit = fit_of("proportions")
    table = fit.emmeans("period", kind="response", contrast="pairwise")
    ax = lf.plot.means(table)
    assert ax.get_xlabel() == "odds ratio, simultaneous 95 % interval"
    assert ax.lines[0].get_xdata()[0] == 1.0
    assert ax.get_xscale() == "log"
    with pytest.raises(ArgumentError, match="reference=0: ratios are above 0"):
        lf.plot.means(table, reference=0.0)
    log = lf.plot.means(fit_of("slopes").emmeans("f", kind="response", contrast="pairwise"))
    assert log.get_xlabel().startswith("rate ratio, ")


def test_lines_are_means_of_responses():
    fit = fit_of("slopes")
    (level,) = (lf.plot.fitted_lines(fit, "x", levels=["3"]),)
    curve = level.lines[-1].get_xydata()
    rows = DATA[DATA["g"] == "3"]
    at = float(curve[7, 0])
    assert curve[7, 1] == pytest.approx(fit.predict(rows.assign(x=at)).mean())
    assert level.get_ylabel() == "count"
    assert lf.plot.fitted_lines(fit_of("yes"), "x", levels=1).get_ylabel() == "probability"
    ax = lf.plot.fitted_lines(fit_of("proportions"), "period", levels=["4"])
    assert ax.get_ylabel() == "proportion"
    own = CBPP[CBPP["herd"] == "4"]
    np.testing.assert_allclose(ax.lines[-1].get_ydata(), fit_of("proportions").predict(own))
    lf.plot.fitted_lines(fit_of("offset"), "x", levels=1)
    with pytest.raises(ModelError, match="ordered classes have no mean"):
        lf.plot.fitted_lines(fit_of("ordinal"), "x")


def test_profiles_and_bootstraps_are_drawn():
    fit = fit_of("proportions")
    ax = lf.plot.profile_zeta(fit.profile("random"))
    assert ax.get_xlabel() == "sd(Intercept | herd)"
    found = fit.bootstrap(19, seed=1)
    name = found.table.columns[0]
    assert lf.plot.bootstrap(found, name, level=0.8).get_title(loc="left") == name


# --- figures of several panels ------------------------------------------------------------------


@pytest.mark.parametrize("name", MODELS)
def test_four_panels(name):
    fit = fit_of(name)
    axes = fit.plot()
    third = "Counts, hanging from the expected" if name in COUNTS else "Mean residuals in bins"
    assert titles(axes) == [
        "Quantile residuals and predictors",
        "Quantiles of quantile residuals",
        third,
        "Quantiles of random effects",
    ]
    heights = axes[0].collections[0].get_offsets()[:, 1]
    ordered = axes[1].collections[-1].get_offsets()[:, 1]
    np.testing.assert_allclose(np.sort(heights), ordered)  # the same residuals
    fixed = "linear predictor" if name == "intercept" else "linear predictor, fixed part"
    assert axes[0].get_xlabel() == fixed
    again = fit.plot()[0].collections[0].get_offsets()
    np.testing.assert_array_equal(again[:, 1], heights)


@pytest.mark.parametrize("family, y", [("poisson", "count"), ("gamma", "positive")])
def test_panels_without_random_effects(family, y):
    fit = lf.glmer(f"{y} ~ x + f", DATA, family=family, link="log")
    axes = fit.plot()
    assert titles(axes)[3] == "Size of residuals"
    np.testing.assert_allclose(
        axes[3].collections[0].get_offsets()[:, 1],
        np.sqrt(np.abs(axes[0].collections[0].get_offsets()[:, 1])),
    )
    assert "Normal random effects" not in titles(fit.check(5).plot())
    assert lf.plot.coefficients(fit).has_data()
    for draw in (lf.plot.random_effects, lf.plot.random_effects_qq, lf.plot.random_effects_pairs):
        with pytest.raises(ModelError, match="no random effects"):
            draw(fit)
    with pytest.raises(ModelError, match="no random effects"):
        lf.plot.fitted_lines(fit, "x")


def test_panels_of_a_singular_fit():
    data = DATA.assign(count=np.random.default_rng(5).poisson(2.0, len(DATA)))
    with pytest.warns(lf.errors.SingularWarning):
        fit = lf.glmer("count ~ x + (1 | g)", data, family="poisson")
    axes = fit.plot()
    axes[0].figure.canvas.draw()
    np.testing.assert_array_equal(axes[3].collections[0].get_offsets()[:, 1], 0.0)
    lf.plot.random_effects(fit)
    lf.plot.random_effects_qq(fit)


def test_panels_in_a_dark_style():
    with plt.style.context("dark_background"):
        axes = fit_of("slopes").plot()
        axes[0].figure.canvas.draw()
        line = axes[2].lines[0].get_color()
    assert matplotlib.colors.to_rgb(line) == (1.0, 1.0, 1.0)


def test_panels_of_the_check():
    plain = ["Linear predictor", "Distribution", "Means"]
    axes = fit_of("proportions").check(5).plot()
    assert titles(axes) == [*plain, "Normal random effects"]
    axes = fit_of("slopes").check(5).plot()
    assert titles(axes) == [*plain, "Counts", "Collinearity", "Normal random effects"]
    assert all(" should " in ax.get_title(loc="left") for ax in axes)


def test_axes_are_counted_and_matplotlib_is_named(monkeypatch):
    fit = fit_of("proportions")
    _, given = plt.subplots(2, 2)
    assert list(fit.plot(ax=given)) == list(given.ravel())
    with pytest.raises(ArgumentError, match="ax= holds 1 Axes and 4 are drawn on"):
        fit.plot(ax=given[0, 0])
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    for draw in (fit.plot, lambda: lf.plot.binned_residuals(fit), lambda: lf.plot.calibration(fit)):
        with pytest.raises(MissingPackageError, match=r"pip install 'lmforms\[plot\]'"):
            draw()


def test_many_rows_are_drawn(tmp_path: Path):
    rng = np.random.default_rng(0)
    n = 20_000
    data = pd.DataFrame({"g": rng.integers(0, 50, n).astype(str), "x": rng.normal(size=n)})
    effects = rng.normal(size=50)[data["g"].astype(int)]
    data["y"] = rng.poisson(np.exp(3.0 + 0.5 * data["x"] + 0.5 * effects))
    fit = lf.glmer("y ~ x + (1 | g)", data, family="poisson")
    axes = fit.plot()
    axes[0].figure.savefig(tmp_path / "many.png", dpi=30)
    assert len(axes[2].patches) <= 60
    found = count_frequencies(fit)
    assert found.observed.sum() == n
