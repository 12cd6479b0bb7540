"""`lf.anova`, `lf.compare`, `ranova`, `drop1` and `step` against R, and their edge cases."""

from __future__ import annotations

import re
import warnings
from functools import cache

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from references import content, load_data, reference
from scipy import stats

import lmforms as lf
from lmforms.errors import ArgumentError, DataError, LmformsError, ModelError
from lmforms.inference.model_comparison.likelihood_ratio import chi_squared_p, mixture_p

pytestmark = pytest.mark.one_in(4)

SLEEP = lf.datasets.load("sleepstudy")
LARGEST_P = 1e-290
"""p-values below this are compared by their statistics alone."""


def quiet(formula, data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(formula, data, **options)


@cache
def sleep(formula: str, reml: bool = True, **options):
    return quiet(f"Reaction ~ {formula}", SLEEP, reml=reml, **options)


def section(name: str) -> list:
    return content().get(name, [])


def named(entry) -> str:
    return ":".join(str(entry[k]) for k in ("id", "model", "ddf", "reduce_terms") if k in entry)


def numbers(values) -> np.ndarray:
    return np.array([np.nan if v is None else v for v in values], dtype=float)


def assert_test_columns(table, expected, rtol=1e-6, criterion_atol=1e-6):
    """Columns of likelihood ratios, which have the error of two criteria."""
    for name in ("npar", "df"):
        if name in expected:
            assert_allclose(table[name], numbers(expected[name]), err_msg=name)
    for name in ("loglik", "aic", "bic"):
        if name in expected:
            found = numbers(expected[name])
            assert_allclose(table[name], found, rtol=1e-10, atol=criterion_atol, err_msg=name)
    statistic = numbers(expected["statistic"])
    assert_allclose(table["statistic"], statistic, rtol=1e-9, atol=criterion_atol)
    p = numbers(expected["p_value"])
    tested = ~np.isnan(p) & (p > LARGEST_P)
    assert_allclose(table["p_value"][tested], p[tested], rtol=rtol, atol=1e-12)


# --- against R -------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", section("comparisons"), ids=named)
def test_anova_of_lme4(entry):
    data = load_data(entry)
    formulas = [entry["formulas"][i] for i in range(len(entry["formulas"]))]
    fits = [quiet(formula, data) for formula in formulas]
    table = lf.anova(*fits, refit=not entry["reml"])
    assert list(table.index) == [formulas[i] for i in entry["order"]]
    nested = [note for note in table.notes if "not within" in note]
    expected = dict(entry)
    if nested or entry["id"] == "penicillin_same_npar":  # lme4 does not look
        expected["p_value"] = [None] * len(fits)
    assert_test_columns(table, expected)
    with_ml = [quiet(formula, data, reml=entry["reml"]) for formula in formulas]
    again = lf.anova(*with_ml, refit=False)
    assert_allclose(again["criterion"], table["criterion"], rtol=1e-10, atol=1e-7)


def effect_of(label: str) -> tuple[str, frozenset[str]]:
    """The effect and the grouping factor of a row, as R's or ours."""
    effect, inner = re.fullmatch(r"(?:(.+) in )?\w*\((.*)\)", label).groups()
    group = re.split(r"\|+", inner)[-1].strip()
    name = re.sub(r"\s|\*\*|\^|`", "", effect or "Intercept")
    return name, frozenset(part.strip() for part in group.split(":"))


@pytest.mark.parametrize("entry", [e for e in section("ranova") if e["reduce_terms"]], ids=named)
def test_ranova_of_lmertest(entry):
    table = reference(entry["model"]).fit().ranova()
    ours = {effect_of(label): i for i, label in enumerate(table.index) if i}
    order = [0, *(ours[effect_of(label)] for label in entry["rows_r"][1:])]
    assert len(order) == len(table)
    assert_test_columns(table.iloc[order], entry)


@pytest.mark.parametrize("entry", section("drop1_lrt"), ids=named)
def test_drop1_of_lme4(entry):
    table = reference(entry["model"]).fit().drop1()
    assert len(table) == len(entry["rows_r"])
    expected = {k: v for k, v in entry.items() if k != "df"}
    assert_test_columns(table, expected)
    assert_allclose(table["df"], numbers(entry["df"]))


@pytest.mark.parametrize("entry", section("drop1_f"), ids=named)
def test_drop1_of_lmertest(entry):
    table = reference(entry["model"]).fit().drop1("F", ddf=entry["ddf"])
    for name in ("sum_sq", "mean_sq", "num_df", "den_df", "statistic"):
        assert_allclose(table[name], entry[name], rtol=1e-5, err_msg=name)
    assert_allclose(table["p_value"], entry["p_value"], rtol=1e-4)


@pytest.mark.parametrize("entry", section("step"), ids=named)
def test_step_of_lmertest(entry):
    found = reference(entry["model"]).fit().step(ddf=entry["ddf"])
    random, fixed = entry["random"], entry["fixed"]
    assert len(found.random) == len(random["rows_r"])
    counts = numbers(random["eliminated"])[1:]
    taken = int((counts > 0).sum()) + 1
    assert_test_columns(found.random.iloc[:taken], {k: v[:taken] for k, v in random.items()})
    kept = np.sort(found.random["statistic"].to_numpy()[taken:])
    assert_allclose(kept, np.sort(numbers(random["statistic"])[taken:]), rtol=1e-6, atol=1e-6)
    assert list(found.random["eliminated"][1:]) == list(counts)
    assert list(found.fixed["eliminated"]) == fixed["eliminated"]
    assert_allclose(found.fixed["p_value"], numbers(fixed["p_value"]), rtol=1e-4)
    if fixed.get("den_df"):
        assert_allclose(found.fixed["den_df"], numbers(fixed["den_df"]), rtol=1e-4)
        assert_allclose(found.fixed["statistic"], numbers(fixed["statistic"]), rtol=1e-5)


def test_figures_of_lme4_for_sleepstudy():
    """lme4 1.1-31, by hand."""
    table = lf.anova(sleep("Days + (1 | Subject)"), sleep("Days + (Days | Subject)"))
    assert_allclose(table["statistic"].iloc[1], 42.13929854202797, rtol=1e-8)
    assert_allclose(table["p_value"].iloc[1], 7.07241254718902e-10, rtol=1e-6)
    assert_allclose(
        table["p_value_mixture"].iloc[1],
        0.5 * (stats.chi2.sf(42.13929854202797, 1) + stats.chi2.sf(42.13929854202797, 2)),
        rtol=1e-6,
    )
    assert_allclose(sleep("Days + (1 | Subject)").ranova()["loglik"].iloc[1], -946.8318317360864)


# --- p-values ----------------------------------------------------------------------------------


def test_mixtures():
    assert chi_squared_p(3.0, 2) == pytest.approx(stats.chi2.sf(3.0, 2), rel=1e-12)
    assert mixture_p(2.5, 0) == pytest.approx(0.5 * stats.chi2.sf(2.5, 1), rel=1e-12)
    expected = 0.5 * (stats.chi2.sf(2.5, 2) + stats.chi2.sf(2.5, 3))
    assert mixture_p(2.5, 2) == pytest.approx(expected, rel=1e-12)
    assert mixture_p(0.0, 0) == mixture_p(0.0, 3) == 1.0


def test_mixture_where_one_variance_is_on_the_boundary():
    def mixture(small, large):
        return lf.anova(sleep(small), sleep(large))["p_value_mixture"].iloc[1]

    assert np.isfinite(mixture("Days", "Days + (1 | Subject)"))
    assert np.isfinite(mixture("Days + (1 | Subject)", "Days + (Days || Subject)"))
    assert np.isfinite(mixture("Days + (0 + Days | Subject)", "Days + (Days | Subject)"))
    # a covariance alone, two variances, or fixed effects too: no such mixture
    assert np.isnan(mixture("Days + (Days || Subject)", "Days + (Days | Subject)"))
    assert np.isnan(mixture("Days", "Days + (Days | Subject)"))
    assert np.isnan(mixture("1 + (1 | Subject)", "Days + (Days | Subject)"))
    # within, but not on the boundary: the variances of machines are positive in both
    machines = lf.datasets.load("Machines")
    nested = lf.lmer("score ~ Machine + (1 | Worker/Machine)", machines)
    general = lf.lmer("score ~ Machine + (Machine | Worker)", machines)
    table = lf.anova(nested, general)
    assert np.isfinite(table["p_value"].iloc[1])
    assert np.isnan(table["p_value_mixture"].iloc[1])


def test_no_test_without_more_parameters():
    data = lf.datasets.load("Penicillin")
    plate = lf.lmer("diameter ~ 1 + (1 | plate)", data)
    sample = lf.lmer("diameter ~ 1 + (1 | sample)", data)
    table = lf.anova(plate, sample)
    assert list(table["df"])[1] == 0
    assert np.isnan(table["p_value"].iloc[1])
    assert (table["statistic"].iloc[1:] >= 0).all()
    assert any("as many parameters" in note for note in table.notes)


def test_not_nested():
    table = lf.anova(sleep("I(Days ** 2) + (1 | Subject)"), other=sleep("Days + (Days | Subject)"))
    assert np.isnan(table["p_value"].iloc[1])
    assert any("not within it, by its fixed effects" in note for note in table.notes)
    table = lf.anova(sleep("Days + (0 + Days | Subject)"), sleep("Days + (1 | Subject) + (1|Days)"))
    assert np.isnan(table["p_value"].iloc[1])
    assert any("by its random effects" in note for note in table.notes)


def test_offset_as_a_fixed_coefficient():
    """offset(10 * Days) against Days: the coefficient is 10."""
    fixed = sleep("offset(10 * Days) + (1 | Subject)", reml=False)
    free = sleep("Days + (1 | Subject)", reml=False)
    table = lf.anova(fixed, free)
    assert table["df"].iloc[1] == 1
    difference = fixed.criterion - free.criterion
    assert_allclose(table["p_value"].iloc[1], stats.chi2.sf(difference, 1), rtol=1e-8)
    assert np.isnan(lf.anova(fixed, sleep("I(Days ** 2) + (1|Subject)"))["p_value"].iloc[1])


# --- invariances -------------------------------------------------------------------------------


def test_units_and_order_of_rows():
    data = SLEEP.assign(t=1e6 * SLEEP["Days"] + 1e4)
    moved = data.sample(frac=1.0, random_state=3)
    slopes = sleep("Days + (Days | Subject)")
    expected = lf.anova(sleep("1 + (1 | Subject)"), slopes)
    found = lf.anova(
        quiet("Reaction ~ 1 + (1 | Subject)", moved), quiet("Reaction ~ t + (t | Subject)", data)
    )
    assert_allclose(found, expected, rtol=1e-7)
    assert_allclose(quiet("Reaction ~ t + (t | Subject)", data).drop1(), slopes.drop1(), rtol=1e-7)
    for refit in (slopes, quiet("Reaction ~ t + (t | Subject)", moved)):
        assert_allclose(refit.ranova()["p_value"].iloc[1], 4.990041426961304e-10, rtol=1e-6)


@pytest.mark.parametrize("coding", ["contr.treatment", "contr.sum", "contr.helmert"])
def test_f_does_not_depend_on_coding(coding):
    cake = lf.datasets.load("cake")
    fit = lf.lmer(
        "angle ~ recipe + temp + (1 | recipe:replicate)", cake, contrasts={"recipe": coding}
    )
    table = fit.drop1("F")
    assert_allclose(table["statistic"], [0.248788786727557, 94.975872840717798], rtol=1e-7)
    assert_allclose(table["den_df"], [42.0, 224.0], rtol=1e-6)


def test_terms_without_their_margins():
    """The model without a term, whatever columns that has: here of cell means."""
    cake = lf.datasets.load("cake")
    cells = lf.lmer("angle ~ 0 + recipe:temperature + (1 | recipe:replicate)", cake)
    table = cells.drop1("F")
    assert table["num_df"].tolist() == [18]
    both = lf.lmer("angle ~ 0 + recipe + temp:recipe + (1 | recipe:replicate)", cake)
    assert both.drop1("F")["num_df"].tolist() == [3]  # three slopes
    assert both.drop1()["df"].iloc[1] == 3


def test_a_linear_model_has_exact_f_tests():
    data = SLEEP.assign(z=np.sin(np.arange(180.0)))
    fit = lf.lmer("Reaction ~ Days + z", data)
    found = fit.drop1("F")
    import statsmodels.formula.api as smf

    full = smf.ols("Reaction ~ Days + z", data).fit()
    for name, less in (("Days", "z"), ("z", "Days")):
        f, p, _ = full.compare_f_test(smf.ols(f"Reaction ~ {less}", data).fit())
        assert_allclose(found.loc[name, ["statistic", "p_value"]].astype(float), [f, p], rtol=1e-8)
    assert_allclose(found["den_df"], 177.0, rtol=1e-8)


# --- compare -----------------------------------------------------------------------------------


def test_compare():
    fits = {
        "intercepts": sleep("Days + (1 | Subject)", reml=False),
        "slopes": sleep("Days + (Days | Subject)", reml=False),
        "none": sleep("Days", reml=False),
    }
    table = lf.compare(**fits)
    assert list(table.index) == ["slopes", "intercepts", "none"]
    for name, fit in fits.items():
        row = table.loc[name]
        assert_allclose(
            row[["npar", "criterion", "loglik", "aic", "bic"]].astype(float),
            [fit.npar, fit.criterion, fit.llf, fit.aic, fit.bic],
        )
        k = fit.npar
        assert_allclose(row["aicc"], fit.aic + 2 * k * (k + 1) / (180 - k - 1))
        assert_allclose(row["delta_aic"], fit.aic - fits["slopes"].aic)
    assert_allclose(table["weight"].sum(), 1.0)
    ratio = table["weight"].iloc[1] / table["weight"].iloc[0]
    assert_allclose(np.log(ratio), -0.5 * table["delta_aic"].iloc[1])
    assert table.title == "Information criteria, maximum likelihood"


def test_compare_takes_restricted_fits_of_one_fixed_part():
    table = lf.compare(sleep("Days + (1 | Subject)"), sleep("Days + (Days | Subject)"))
    assert_allclose(table["aic"], [1755.6282719584906, 1794.465085394921], rtol=1e-9)
    scaled = quiet("Reaction ~ I(10 * Days) + (1 | Subject)", SLEEP)
    with pytest.raises(ModelError, match=r"fit\.refit\(reml=False\) of each"):
        lf.compare(scaled, sleep("Days + (1 | Subject)"))
    same = lf.compare(scaled.refit(reml=False), sleep("Days + (1 | Subject)").refit(reml=False))
    assert_allclose(same["delta_aic"], 0.0, atol=1e-7)


def test_compare_of_different_weights():
    weighted = quiet("Reaction ~ Days + (1 | Subject)", SLEEP, weights=1.0 + np.arange(180) % 3)
    plain = sleep("Days + (1 | Subject)")
    assert len(lf.compare(weighted, plain)) == 2
    with pytest.raises(DataError, match="different weights"):
        lf.anova(weighted, plain)
    constant = plain.update(weights=np.full(180, 4.0))
    table = lf.anova(constant, sleep("Days + (Days | Subject)"))
    assert_allclose(table["statistic"].iloc[1], 42.13929854202797, rtol=1e-8)


# --- known covariances, other estimators, saved fits ---------------------------------------------


@pytest.fixture(scope="module")
def related():
    rng = np.random.default_rng(8)
    levels = [f"a{i}" for i in range(20)]
    half = rng.normal(size=(20, 40))
    K = pd.DataFrame(half @ half.T / 40, index=levels, columns=levels)
    u = 2.0 * np.linalg.cholesky(K) @ rng.normal(size=(20, 2))
    x = np.tile(np.linspace(-1.0, 1.0, 8), 20)
    own = rng.normal(size=20)
    y = (u[:, 0] + own).repeat(8) + u[:, 1].repeat(8) * x + rng.normal(size=160)
    return pd.DataFrame({"y": y, "x": x, "animal": np.repeat(levels, 8)}), K


def test_ranova_keeps_known_covariances(related):
    data, K = related
    fit = quiet("y ~ x + (x | animal)", data, relationship={"animal": K})
    expected = quiet("y ~ x + (1 | animal)", data, relationship={"animal": K})
    assert_allclose(fit.ranova()["criterion"].iloc[1], expected.criterion, rtol=1e-9)
    by_term = quiet("y ~ x + (x | animal)", data, relationship={"x | animal": K})
    table = by_term.ranova()
    assert_allclose(table["criterion"].iloc[1], expected.criterion, rtol=1e-9)
    assert np.isfinite(table["p_value_mixture"].iloc[1])


def test_ranova_of_equal_terms_of_which_one_is_related(related):
    data, K = related
    both = quiet("y ~ x + (1 | animal) + (1 | animal)", data, relationship={"1 | animal": K})
    table = both.ranova()
    related_only = quiet("y ~ x + (1 | animal)", data, relationship={"animal": K})
    unrelated = quiet("y ~ x + (1 | animal)", data)
    assert_allclose(
        table["criterion"].iloc[1:], [unrelated.criterion, related_only.criterion], rtol=1e-9
    )
    assert list(table.index[1:]) == ["(1 | animal)", "unrelated (1 | animal)"]
    # a reduced term becomes like another one, which has no known covariance
    slopes = quiet("y ~ x + (1 | animal) + (x | animal)", data, relationship={"x | animal": K})
    table = slopes.ranova()
    assert_allclose(table.loc["x in (x | animal)", "criterion"], both.criterion, rtol=1e-8)


def test_anova_of_related_levels(related):
    data, K = related
    one = quiet("y ~ x + (1 | animal)", data, relationship={"animal": K})
    table = lf.anova(one, one.update("~ . - (1 | animal) + (x | animal)"))
    assert np.isfinite(table["p_value_mixture"].iloc[1])
    other = quiet("y ~ x + (x | animal)", data)  # its levels are independent
    assert np.isnan(lf.anova(one, other)["p_value"].iloc[1])
    again = quiet("y ~ x + (x | animal)", data, relationship={"animal": (K.to_numpy(), K.index)})
    assert np.isfinite(lf.anova(one, again)["p_value"].iloc[1])


@pytest.mark.slow
@pytest.mark.parametrize("method", ["ai", "emma", "gibbs"])
def test_estimators_of_variance_components(method):
    fit = quiet("Reaction ~ Days + (1 | Subject)", SLEEP, method=method, control=lf.Control(seed=1))
    expected = sleep("Days + (1 | Subject)")
    assert_allclose(fit.ranova(), expected.ranova(), rtol=1e-6)
    assert_allclose(fit.drop1(), expected.drop1(), rtol=1e-6)
    table = lf.anova(fit, sleep("Days + (Days | Subject)"))
    assert_allclose(table["statistic"].iloc[1], 42.13929854202797, rtol=1e-6)


def test_conjugate_gradients():
    """Where one grouping factor is left an exact fit takes their place; the table says so."""
    data = lf.datasets.load("Penicillin")
    both = quiet("diameter ~ 1 + (1 | plate) + (1 | sample)", data, control=lf.Control(factor="cg"))
    exact = both.update(control=lf.Control()).ranova()
    table = both.ranova()
    assert_allclose(table["criterion"], exact["criterion"], atol=0.05)
    assert any("conjugate gradients" in note for note in table.notes)
    found = lf.anova(both, both.update("~ . - (1 | sample)"))
    assert_allclose(found["statistic"].iloc[1], 279.44, atol=0.1)


def test_terms_that_stand_for_the_same():
    fit = quiet("Reaction ~ Days + twice + (1 | Subject)", SLEEP.assign(twice=2 * SLEEP["Days"]))
    table = fit.drop1()
    assert list(table["df"][1:]) == [0, 0]
    assert table["p_value"].isna().all()
    assert any("no fewer parameters: Days, twice" in note for note in table.notes)
    assert fit.drop1("F")["p_value"].isna().all()
    assert list(fit.step().fixed["eliminated"]) == [0, 0]


def test_loaded_fits(tmp_path):
    slopes = sleep("Days + (Days | Subject)")
    slopes.save(tmp_path / "slopes.lmf")
    loaded = lf.load(tmp_path / "slopes.lmf")
    assert_allclose(loaded.ranova(), slopes.ranova(), rtol=1e-8)
    assert_allclose(loaded.drop1("F"), slopes.drop1("F"), rtol=1e-6)
    table = lf.anova(sleep("Days + (1 | Subject)"), loaded=loaded)
    assert table["statistic"].iloc[1] == pytest.approx(42.13929854202797, rel=1e-8)
    assert loaded.step().formula == "Reaction ~ Days + (Days | Subject)"


def test_replaced_response():
    fit = sleep("Days + (Days | Subject)").refit(np.log(SLEEP["Reaction"]))
    anew = quiet("log(Reaction) ~ Days + (Days | Subject)", SLEEP)
    assert_allclose(fit.ranova(), anew.ranova(), rtol=1e-6)
    assert_allclose(fit.drop1(), anew.drop1(), rtol=1e-6)
    assert len(lf.anova(fit, quiet("log(Reaction) ~ Days + (1 | Subject)", SLEEP))) == 2


# --- ranova of the terms that formulas can have ------------------------------------------------


@pytest.mark.parametrize(
    ("random", "rows"),
    [
        (
            "(Days || Subject)",
            {
                "Intercept in (Days || Subject)": "(0 + Days | Subject)",
                "Days in (Days || Subject)": "(1 | Subject)",
            },
        ),
        ("(0 + Days | Subject)", {"Days in (0 + Days | Subject)": ""}),
        (
            "(1 | Subject) + (0 + Days | Subject)",
            {
                "(1 | Subject)": "(0 + Days | Subject)",
                "Days in (0 + Days | Subject)": "(1 | Subject)",
            },
        ),
        ("(0 + phase | Subject)", {"phase in (0 + phase | Subject)": "(1 | Subject)"}),
        (
            "(0 + phase + `a b` | Subject)",
            {
                "phase in (0 + phase + `a b` | Subject)": "(`a b` | Subject)",
                "a b in (0 + phase + `a b` | Subject)": "(0 + phase | Subject)",
            },
        ),
        ("(0 + phase || Subject)", {"phase in (0 + phase || Subject)": ""}),
        (
            "(phase * Days | Subject)",
            {"phase:Days in (phase * Days | Subject)": "(phase + Days | Subject)"},
        ),
    ],
)
def test_what_ranova_takes_out(random, rows):
    data = SLEEP.assign(
        phase=pd.Categorical(np.where(SLEEP["Days"] < 5, "early", "late")),
        **{"a b": np.cos(np.arange(180.0))},
    )
    fit = quiet(f"Reaction ~ Days + {random}", data)
    table = fit.ranova()
    assert list(table.index[1:]) == list(rows)
    for label, left in rows.items():
        expected = quiet(f"Reaction ~ Days{' + ' if left else ''}{left}", data)
        assert table.loc[label, "npar"] == expected.npar
        assert_allclose(table.loc[label, "criterion"], expected.criterion, rtol=1e-8)
        assert np.isfinite(table.loc[label, "p_value"])


def test_singular_fits_are_said():
    data = lf.datasets.load("Dyestuff2")
    table = quiet("Yield ~ 1 + (1 | Batch)", data).ranova()
    assert table["statistic"].iloc[1] == 0.0
    assert (table[["p_value", "p_value_mixture"]].iloc[1] == 1.0).all()
    assert any("Singular" in note and "the full model" in note for note in table.notes)


# --- step --------------------------------------------------------------------------------------


def test_step_goes_down_to_a_mean():
    rng = np.random.default_rng(2)
    data = pd.DataFrame(rng.normal(size=(60, 3)), columns=["y", "x", "z"])
    data["g"] = np.tile(np.arange(12), 5)
    found = quiet("y ~ x * z + (x | g)", data).step()
    assert list(found.random["eliminated"]) == [0, 1, 2]
    assert list(found.random.index) == ["<none>", "x in (x | g)", "(1 | g)"]
    assert list(found.fixed["eliminated"]) == [1, 2, 3]
    assert found.fixed.index[0] == "x:z"
    assert found.formula == found.final.formula == "y ~ 1"
    assert "Left: y ~ 1" in repr(found)
    assert "<code>y ~ 1</code>" in found._repr_html_()


def test_step_keeps():
    rng = np.random.default_rng(2)
    data = pd.DataFrame(rng.normal(size=(60, 3)), columns=["y", "x", "z"])
    data["g"] = np.tile(np.arange(12), 5)
    fit = quiet("y ~ x * z + (x | g)", data)
    assert fit.step(keep=["x", "(1|g)"]).formula == "y ~ x + (1 | g)"
    assert fit.step(keep="x:z").formula == "y ~ x + z + x:z"
    assert fit.step(keep=["(x | g)"], alpha_fixed=None).final is fit
    assert fit.step(alpha_random=None).formula == "y ~ 1 + (x | g)"
    assert list(fit.step(alpha_random=None).random["eliminated"]) == [0, 0]


# --- refused -----------------------------------------------------------------------------------


def refused(error: type[LmformsError], match: str):
    return pytest.raises(error, match=match)


def test_refused_fits():
    slopes, intercepts = sleep("Days + (Days | Subject)"), sleep("Days + (1 | Subject)")
    with refused(ArgumentError, r"two fits or more\. F tests .* are fit\.anova\(\)"):
        lf.anova(slopes)
    for function in (lf.anova, lf.compare):
        with refused(ArgumentError, "two fits or more"):
            function()
        with refused(ArgumentError, "argument 2 is no fitted model"):
            function(slopes, SLEEP)
        with refused(ArgumentError, "give the fits one by one"):
            function([slopes, intercepts])
        with refused(ArgumentError, "1 names for 2 fits"):
            function(slopes, intercepts, names=["a"])
        with refused(ArgumentError, "two fits are called 'a'"):
            function(slopes, a=intercepts, names=["a"])
        with refused(ModelError, "was given, not estimated"):
            function(slopes, intercepts.at([0.5]))
        with refused(DataError, "fits to 180 and 150 rows"):
            function(slopes, quiet("Reaction ~ Days + (1 | Subject)", SLEEP.iloc[:150]))
        with refused(DataError, "different responses"):
            function(slopes, quiet("log(Reaction) ~ Days + (1 | Subject)", SLEEP))
    with refused(ArgumentError, r"refti= is no fitted model: False\. Did you mean `refit`"):
        lf.anova(slopes, intercepts, refti=False)
    first, last = SLEEP.iloc[10:], SLEEP.iloc[:170]
    with refused(DataError, "fits to different rows"):
        lf.anova(*(quiet("Reaction ~ Days + (1 | Subject)", rows) for rows in (first, last)))
    with refused(ModelError, "REML fits with different fixed effects"):
        lf.anova(slopes, sleep("1 + (1 | Subject)"), refit=False)
    with refused(ModelError, "a REML fit and .* an ML fit"):
        lf.anova(slopes, sleep("Days + (1 | Subject)", reml=False), refit=False)
    with refused(ArgumentError, "True or False"):
        lf.anova(slopes, intercepts, refit="no")


def test_advice_on_rows_works():
    """fit.update(formula) of the fit with fewer rows keeps its rows."""
    holes = SLEEP.assign(z=np.where(np.arange(180) < 9, np.nan, np.arange(180.0)))
    fewer = quiet("Reaction ~ Days + z + (1 | Subject)", holes)
    with refused(DataError, r"fit\.update\(formula\) of the one with fewer"):
        lf.anova(fewer, sleep("Days + (1 | Subject)"))
    assert len(lf.anova(fewer, fewer.update("~ . - z"))) == 2


def test_refused_tests_of_terms():
    slopes = sleep("Days + (Days | Subject)")
    with refused(ModelError, "no random effects"):
        sleep("Days").ranova()
    with refused(ModelError, "no term that can be dropped"):
        sleep("1 + (1 | Subject)").drop1()
    with refused(ModelError, "was given, not estimated"):
        slopes.at(slopes.theta).drop1()
    with refused(ModelError, "was given, not estimated"):
        slopes.at(slopes.theta).ranova()
    with refused(ModelError, "was given, not estimated"):
        slopes.at(slopes.theta).step()
    with refused(ArgumentError, r"test='lr': use one of 'lrt', 'F'"):
        slopes.drop1("lr")
    with refused(ArgumentError, "ddf= is for test='F'"):
        slopes.drop1(ddf="residual")
    with refused(ArgumentError, "ddf='kenward'"):
        slopes.drop1("F", ddf="kenward")
    with refused(ModelError, "ML fit"):
        slopes.refit(reml=False).drop1("F", ddf="kenward-roger")
    with refused(ArgumentError, "keep has `Dayz`, .* Did you mean `Days`"):
        slopes.step(keep=["Dayz"])
    with refused(ArgumentError, "between 0 and 1"):
        slopes.step(alpha_fixed=5)
    with refused(ArgumentError, r"MixedModelResults\.step\(\) has no argument `alpha`"):
        slopes.step(alpha=0.1)
