"""One test for every trap that has caught a re-implementation of lme4, named after it."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from slow_cases import one_in

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    DataError,
    LmformsError,
    LmformsWarning,
    ModelError,
    RankWarning,
    SingularWarning,
)

pytestmark = pytest.mark.one_in(4)

SLEEP = lf.datasets.load("sleepstudy")
CORRELATED = "Reaction ~ Days + (Days | Subject)"


def quiet(formula: str, data: pd.DataFrame, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(formula, data, **options)


def small_data(n: int = 80) -> pd.DataFrame:
    rng = np.random.default_rng(3)
    g = np.arange(n) % 8
    data = pd.DataFrame(
        {
            "x": rng.normal(size=n),
            "w": rng.uniform(0.2, 5.0, size=n),
            "o": rng.normal(size=n),
            "f": pd.Categorical(rng.choice(list("abc"), n)),
            "s": rng.choice(["u", "v"], n),
            "g": g,
            "h": rng.integers(0, 5, n),
        }
    )
    slopes = rng.normal(size=8)[g] * data["x"]
    noise = rng.normal(size=n) + rng.normal(size=5)[data["h"]]
    data["y"] = 1.0 + data["x"] + rng.normal(size=8)[g] + slopes + noise
    return data


DATA = small_data()


# --- weights ----------------------------------------------------------------------------


@pytest.mark.parametrize("reml", [True, False])
def test_weights_constant_five_keeps_the_likelihood_and_multiplies_the_variance(reml):
    plain = lf.lmer(CORRELATED, SLEEP, reml=reml)
    fives = lf.lmer(CORRELATED, SLEEP, reml=reml, weights=np.full(180, 5.0))
    assert_allclose(fives.llf, plain.llf, rtol=1e-11)
    assert_allclose(fives.scale, 5.0 * plain.scale, rtol=1e-6)
    assert_allclose(fives.params, plain.params, rtol=1e-8)
    assert_allclose(fives.vcomp["variance"][:2], plain.vcomp["variance"][:2], rtol=1e-5)


def gaussian_deviance(fit, data: pd.DataFrame, weights: np.ndarray) -> float:
    """−2 × log-likelihood at the estimates, by n×n algebra."""
    m = fit.matrices
    G = (m.Z @ m.Lambda).toarray() * fit.sigma
    V = G @ G.T + np.diag(fit.scale / weights)
    e = m.y.to_numpy() - m.X.to_numpy() @ fit.params.to_numpy()
    sign, log_det = np.linalg.slogdet(2.0 * np.pi * V)
    assert sign > 0
    return float(log_det + e @ np.linalg.solve(V, e))


def test_weights_are_inverse_variances_and_never_normalised():
    fit = lf.lmer("y ~ x + (x | g)", DATA, weights="w", reml=False)
    expected = gaussian_deviance(fit, DATA, DATA["w"].to_numpy())
    assert_allclose(fit.criterion, expected, rtol=1e-10)


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan, np.inf])
def test_weights_zero_negative_or_missing_are_an_error(bad):
    weights = np.ones(180)
    weights[7] = bad
    with pytest.raises(DataError, match=r"weights.*row 7"):
        lf.lmer(CORRELATED, SLEEP, weights=weights)


# --- offset -----------------------------------------------------------------------------


def test_offset_as_an_argument_survives_predict():
    by_name = quiet("y ~ x + (1 | g)", DATA, offset="o")
    assert_allclose(by_name.predict(DATA), by_name.fittedvalues, rtol=1e-10)
    shifted = by_name.predict(DATA.assign(o=DATA["o"] + 10.0))
    assert_allclose(shifted, by_name.fittedvalues + 10.0, rtol=1e-10)


def test_offset_array_survives_predict():
    fit = quiet("y ~ x + (1 | g)", DATA, offset=DATA["o"].to_numpy())
    with pytest.raises(ArgumentError, match="offset"):
        fit.predict(DATA)
    assert_allclose(fit.predict(DATA, offset=DATA["o"]), fit.fittedvalues, rtol=1e-10)


# --- rank -------------------------------------------------------------------------------


def test_rank_deficiency_keeps_the_earlier_column_and_says_what_went():
    data = SLEEP.assign(twice=2.0 * SLEEP["Days"] + 1.0)
    with pytest.warns(RankWarning, match="`twice`"):
        fit = lf.lmer("Reaction ~ Days + twice + (1 | Subject)", data)
    assert list(fit.params.index) == ["Intercept", "Days"]
    assert fit.dropped == ["twice"]
    with pytest.warns(RankWarning, match="`Days`"):
        turned = lf.lmer("Reaction ~ twice + Days + (1 | Subject)", data)
    assert list(turned.params.index) == ["Intercept", "twice"]


def test_rank_deficiency_drops_a_constant_but_never_the_intercept():
    for place in ("one + Days", "Days + one"):
        fit = quiet(f"Reaction ~ {place} + (1 | Subject)", SLEEP.assign(one=3.0))
        assert fit.dropped == ["one"]
        assert "Intercept" in fit.params.index


def test_rank_deficiency_criterion_uses_the_rank():
    full = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    data = SLEEP.assign(twice=2.0 * SLEEP["Days"])
    reduced = quiet("Reaction ~ Days + twice + (1 | Subject)", data)
    assert_allclose(reduced.criterion, full.criterion, rtol=1e-12)
    assert reduced.npar == full.npar
    assert_allclose(reduced.sigma, full.sigma, rtol=1e-8)


def test_rank_deficiency_predict_drops_the_columns_too():
    data = SLEEP.assign(twice=2.0 * SLEEP["Days"])
    fit = quiet("Reaction ~ Days + twice + (1 | Subject)", data)
    assert_allclose(fit.predict(data.iloc[:7]), fit.fittedvalues.iloc[:7], rtol=1e-12)


def test_rank_deficiency_of_an_empty_cell():
    data = DATA[~((DATA["f"] == "a") & (DATA["s"] == "v"))]
    fit = quiet("y ~ f*s + (1 | g)", data)
    assert len(fit.dropped) == 1
    assert len(fit.params) == 5


# --- factor coding ----------------------------------------------------------------------


def test_factor_coding_follows_marginality_in_the_fixed_part():
    cells = quiet("y ~ 0 + f + x:f + (1 | g)", DATA)
    assert len(cells.params) == 6
    crossed = quiet("y ~ f:s + (1 | g)", DATA)
    assert len(crossed.params) + len(crossed.dropped) == 6  # intercept, one main effect, rest
    assert not crossed.dropped


def test_factor_coding_follows_marginality_in_random_expressions():
    fit = quiet("y ~ x + (0 + f:s | h)", DATA)
    assert len(fit.theta) == 21
    assert len(quiet("y ~ x + (f:s | h)", DATA).theta) == 21
    assert len(quiet("y ~ x + (0 + f + x:f | h)", DATA).theta) == 21


def test_ordered_factors_have_treatment_coding():
    ordered = DATA.assign(f=pd.Categorical(DATA["f"], categories=["c", "a", "b"], ordered=True))
    fit = quiet("y ~ f + (1 | g)", ordered)
    assert list(fit.params.index) == ["Intercept", "f[T.a]", "f[T.b]"]
    polynomial = quiet("y ~ f + (1 | g)", ordered, contrasts={"f": "contr.poly"}, reml=False)
    assert_allclose(polynomial.llf, quiet("y ~ f + (1 | g)", DATA, reml=False).llf, rtol=1e-10)


def test_double_bar_with_a_factor_separates_its_columns():
    fit = quiet("y ~ f + (f || g)", DATA)
    assert len(fit.theta) == 3
    assert (fit.vcomp["name2"] == "").all()
    lam = fit.matrices.relative_factors[0]
    assert_allclose(lam, np.diag(np.diag(lam)))


# --- the boundary -----------------------------------------------------------------------


def test_theta_at_zero_is_a_legitimate_optimum():
    with pytest.warns(SingularWarning):
        fit = lf.lmer("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2"))
    assert fit.theta.tolist() == [0.0]
    assert fit.converged
    assert fit.is_singular
    assert_allclose(fit.params["Intercept"], 5.6656, rtol=1e-12)
    assert_allclose(fit.sigma, 3.715684, rtol=2e-7)
    assert_allclose(fit.criterion, 161.8282778123, rtol=1e-11)
    assert (fit.random_effects["Batch"] == 0.0).all(axis=None)


@pytest.mark.parametrize(
    "start", [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [1e3, 0, 1e3]]
)
def test_start_at_the_boundary_is_left(start):
    fit = lf.lmer(CORRELATED, SLEEP, start=start)
    assert fit.converged
    assert_allclose(fit.criterion, 1743.6282719585, rtol=1e-11)


def test_best_point_seen_is_reported():
    for limit in range(1, 12):
        fit = quiet(CORRELATED, SLEEP, control=lf.Control(max_evaluations=limit))
        assert fit.criterion <= min(fit.optimizer.trace) + 1e-9


def test_converged_means_it():
    fit = quiet(CORRELATED, SLEEP, control=lf.Control(max_evaluations=2))
    assert not fit.converged
    assert "max_evaluations" in fit.optimizer.message
    fit = quiet("y ~ x + (x + f | g) + (1 | h)", DATA)
    assert fit.converged
    rng = np.random.default_rng(0)
    for _ in range(20):
        start = np.abs(fit.theta + rng.normal(scale=0.5, size=len(fit.theta)))
        other = quiet("y ~ x + (x + f | g) + (1 | h)", DATA, start=start)
        assert other.criterion >= fit.criterion - 1e-8


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "formula", ["y ~ x + factor(g) + (1 | g)", "y ~ x + (x + I(2*x) | g)", "y ~ x + (one | g)"]
)
def test_variances_that_the_data_cannot_tell_are_spoken_of(formula):
    with pytest.raises((LmformsError, LmformsWarning)):
        lf.lmer(formula, DATA.assign(one=1.0))


# --- scaling ----------------------------------------------------------------------------


@pytest.mark.parametrize("shift", [0.0, 1e4, 1e6])
@pytest.mark.parametrize("scale", [1.0, 1e6, 1e-6])
@pytest.mark.parametrize("formula", ["y ~ x + (x | g)", "y ~ x + (x | g) + (x | h)"])
def test_scaled_and_shifted_slopes_have_the_same_likelihood(formula, scale, shift):
    plain = quiet(formula, DATA, reml=False)
    moved = quiet(formula, DATA.assign(x=scale * (DATA["x"] + shift)), reml=False)
    tolerance = 1e-9 if shift < 1e6 else 1e-7  # the shifted column itself has fewer digits
    assert_allclose(moved.llf, plain.llf, rtol=tolerance)
    assert_allclose(moved.params["x"] * scale, plain.params["x"], rtol=1e-5)
    assert_allclose(moved.fittedvalues, plain.fittedvalues, rtol=0, atol=1e-4)


def test_scaled_slopes_of_separate_terms_have_the_same_likelihood():
    plain = quiet("y ~ x + (x || g)", DATA, reml=False)
    moved = quiet("y ~ x + (x || g)", DATA.assign(x=1e6 * DATA["x"]), reml=False)
    assert_allclose(moved.llf, plain.llf, rtol=1e-10)
    assert_allclose(moved.theta, plain.theta * [1.0, 1e-6], rtol=1e-5)


@pytest.mark.parametrize("scale", [1e-12, 1e-6, 1e6, 1e12])
def test_response_in_other_units_has_the_same_theta(scale):
    plain = quiet("y ~ x + (x | g)", DATA)
    moved = quiet("y ~ x + (x | g)", DATA.assign(y=scale * DATA["y"]))
    assert_allclose(moved.theta, plain.theta, rtol=1e-5, atol=1e-7)
    assert_allclose(moved.params, scale * plain.params, rtol=1e-7)
    assert_allclose(moved.criterion, plain.criterion + 2 * 78 * np.log(scale), rtol=1e-10)


@pytest.mark.parametrize("shift", [1e4, 1e6])
def test_shifted_response_moves_the_intercept_alone(shift):
    plain = quiet("y ~ x + (x | g)", DATA)
    moved = quiet("y ~ x + (x | g)", DATA.assign(y=shift + DATA["y"]))
    assert_allclose(moved.criterion, plain.criterion, rtol=1e-8)
    assert_allclose(moved.params - plain.params, [shift, 0.0], rtol=1e-9, atol=1e-5)


def one_way(ratio: float) -> pd.DataFrame:
    rng = np.random.default_rng(5)
    a = np.arange(120) % 10
    x = rng.normal(size=120)
    y = 1.0 + 0.5 * x + rng.normal(size=120) + ratio * rng.normal(size=10)[a]
    return pd.DataFrame({"y": y, "x": x, "a": a})


def within(data: pd.DataFrame) -> tuple[float, float]:
    """Slope and σ of the regression within groups: the limit of huge differences between."""
    y, x = (data[c] - data.groupby("a")[c].transform("mean") for c in ("y", "x"))
    slope = (x @ y) / (x @ x)
    e = y - slope * x
    return slope, float(np.sqrt(e @ e / (len(data) - 10 - 1)))


@pytest.mark.parametrize("ratio", [1e3, 1e4, 1e5, 1e6, 1e7])
def test_groups_far_apart_leave_the_within_group_figures(ratio):
    data = one_way(ratio)
    slope, sigma = within(data)
    fit = quiet("y ~ x + (1 | a)", data)
    assert_allclose(fit.params["x"], slope, rtol=3e-5 / ratio * 1e3 + 1e-6)
    assert_allclose(fit.sigma, sigma, rtol=1e-5)


def test_small_slopes_beside_huge_intercepts_are_not_singular():
    rng = np.random.default_rng(6)
    data = one_way(3e4)
    data["y"] += 2.0 * rng.normal(size=10)[data["a"]] * data["x"]
    fit = quiet("y ~ x + (x | a)", data)
    assert fit.vcomp.loc[1, "sdcor"] > 1.0  # slopes vary by more than σ
    assert not fit.is_singular


def test_reml_criterion_shifts_by_twice_log_c_when_a_column_is_multiplied():
    plain = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP)
    hours = lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP.assign(Days=24.0 * SLEEP["Days"]))
    assert_allclose(hours.criterion - plain.criterion, 2.0 * np.log(24.0), rtol=1e-8)
    ml = [
        lf.lmer("Reaction ~ Days + (1 | Subject)", SLEEP.assign(Days=c * SLEEP["Days"]), reml=False)
        for c in (1.0, 24.0)
    ]
    assert_allclose(ml[0].criterion, ml[1].criterion, rtol=1e-12)


# --- information criteria ---------------------------------------------------------------


def test_aic_df_and_bic_of_lme4():
    fit = lf.lmer(CORRELATED, SLEEP)
    assert fit.npar == 6  # rank of X, three covariance parameters, σ
    assert_allclose(fit.aic, 1755.6282719585, rtol=1e-11)
    assert_allclose(fit.bic, 1774.786, atol=5e-4)


# --- what is not there yet must raise ---------------------------------------------------


@pytest.mark.parametrize("structure", ["ou", "ar2", "hetar1", "equalto"])
def test_structures_that_are_not_there_raise(structure):
    with pytest.raises(LmformsError, match=structure):
        lf.lmer(f"y ~ x + {structure}(0 + f | g)", DATA)


def test_options_that_are_not_there_raise():
    with pytest.raises(TypeError, match="zero_inflation"):
        lf.lmer("y ~ x + (1 | g)", DATA, zero_inflation="~ x")


def test_arguments_that_are_not_there_raise():
    fit = lf.lmer(CORRELATED, SLEEP)
    for call in (
        lambda: fit.predict(SLEEP, se_fit=True),
        lambda: fit.summary(df="satterthwaite"),
        lambda: fit.conf_int(method="boot"),
        lambda: fit.cov_params(which="all"),
    ):
        with pytest.raises(TypeError):
            call()


# --- conditional covariances ------------------------------------------------------------


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x + (1 | g) + (0 + x | g)",
        "y ~ x + (0 + s | g) + (0 + x | g) + (1 | h)",
        "y ~ x + (1 | h) + (x || g)",
    ],
)
@pytest.mark.parametrize("weights", [None, "w"])
def test_conditional_covariance_has_the_cross_terms(formula, weights):
    fit = quiet(formula, DATA, weights=weights)
    m = fit.matrices
    w = np.ones(len(DATA)) if weights is None else DATA["w"].to_numpy()
    G = fit.scale * (m.Lambda @ m.Lambda.T).toarray()
    Z = m.Z.toarray()
    V = Z @ G @ Z.T + np.diag(fit.scale / w)
    dense = G - G @ Z.T @ np.linalg.solve(V, Z @ G)
    names = m.z_names
    for group, blocks in fit.random_effects_cov.items():
        for level in fit.random_effects[group].index:
            at = [j for j, n in enumerate(names) if n[0] == group and n[1] == level]
            assert_allclose(blocks.loc[level], dense[np.ix_(at, at)], rtol=1e-7, atol=1e-10)
    off_diagonal = fit.random_effects_cov["g"].iloc[::2, 1]
    assert np.abs(off_diagonal).max() > 1e-4


# --- new levels -------------------------------------------------------------------------


def test_new_levels_are_refused_or_predicted_without_their_effects():
    fit = lf.lmer(CORRELATED, SLEEP)
    new = pd.DataFrame({"Days": [0.0, 5.0], "Subject": ["308", "nobody"]})
    with pytest.raises(DataError, match="nobody"):
        fit.predict(new)
    zero = fit.predict(new, new_levels="zero")
    population = fit.predict(new, random="none")
    assert zero[1] == population[1]
    assert zero[0] != population[0]


# --- models without an answer -----------------------------------------------------------


@pytest.mark.parametrize(
    "formula, change, message",
    [
        ("y ~ x + (1 | g)", {"g": np.arange(80)}, "80 random effects"),
        ("y ~ x + (x | g)", {"g": np.arange(80) // 2}, "80 random effects"),
        ("y ~ x + (1 | g)", {"g": "one"}, "one level"),
        ("y ~ x + (1 | g)", {"y": 3.0}, "constant"),
        ("y ~ x + (1 | g)", {"y": 1.0 - 2.0 * DATA["x"]}, "explain"),
        ("y ~ 1 + (1 | g)", {"y": np.sqrt(1.0 + DATA["g"])}, "explain"),
        ("y ~ x + (1 | g)", {"y": DATA["x"] + DATA["g"] ** 2}, "explain"),
        ("y ~ x + (x | g)", {"y": DATA["x"] * DATA["g"] ** 2}, "explain"),
        ("y ~ 1 + (1 | g) + (1 | h)", {"y": DATA["g"] ** 2 + DATA["h"] ** 1.5}, "explain"),
    ],
)
def test_models_without_residuals_are_refused(formula, change, message):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(ModelError, match=message):
            lf.lmer(formula, DATA.assign(**change))


# --- types ------------------------------------------------------------------------------

DATES = pd.date_range("2020-01-01", periods=80)


@pytest.mark.parametrize(
    "values",
    [
        DATES,
        DATES.tz_localize("UTC"),
        DATES - DATES[0],
        DATES.to_period("D"),
        DATA["x"] + 1j,
        [object() for _ in range(80)],
        [[1.0]] * 80,
        [1, "a"] * 40,
    ],
    ids=["datetime", "zoned", "timedelta", "period", "complex", "object", "lists", "mixed"],
)
@pytest.mark.parametrize("formula", ["y ~ bad + (1 | g)", "y ~ x + (bad | g)", "bad ~ x + (1 | g)"])
def test_types_that_are_no_predictors_are_refused(values, formula):
    with pytest.raises(DataError, match="bad"):
        lf.lmer(formula, DATA.assign(bad=values))


def test_types_strings_are_factors():
    text = quiet("y ~ s + (1 | g)", DATA)
    assert list(text.params.index) == ["Intercept", "s[T.v]"]


@pytest.mark.parametrize(
    "dtype, column",
    [
        ("Int64", "h"),
        ("Int8", "h"),
        ("Float64", "x"),
        ("category", "s"),
        (object, "s"),
        (object, "x"),
        ("string", "s"),
        ("string[pyarrow]", "s"),
        ("double[pyarrow]", "x"),
        ("int64[pyarrow]", "h"),
    ],
)
def test_types_nullable_ones_work(dtype, column):
    formula = f"y ~ {column} + (1 | g)"
    typed = quiet(formula, DATA.assign(**{column: DATA[column].astype(dtype)}))
    assert_allclose(typed.params, quiet(formula, DATA).params, rtol=1e-12)
    assert list(typed.params.index) == list(quiet(formula, DATA).params.index)


@pytest.mark.parametrize("dtype", ["Int64", "string", "category", float, object])
def test_types_of_grouping_factors(dtype):
    typed = quiet("y ~ x + (x | g)", DATA.assign(g=DATA["g"].astype(dtype)))
    assert_allclose(typed.criterion, quiet("y ~ x + (x | g)", DATA).criterion, rtol=1e-12)


def test_types_missing_values_of_nullable_ones_are_dropped():
    data = DATA.assign(h=pd.array([None, *DATA["h"][1:]], dtype="Int64"))
    with pytest.warns(lf.errors.MissingDataWarning, match=r"1 of 80 rows.*`h` \(1\)"):
        assert lf.lmer("y ~ x + h + (1 | g)", data).nobs == 79


@pytest.mark.parametrize(
    "index",
    [
        np.zeros(80, dtype=int),
        [f"row {i}" for i in range(80)],
        pd.date_range("2020", periods=80),
        pd.MultiIndex.from_arrays([DATA["s"], DATA["h"]], names=["s", "h"]),
        np.arange(80)[::-1],
    ],
    ids=["duplicate", "text", "dates", "multi", "reversed"],
)
def test_index_of_any_kind_is_kept(index):
    data = DATA.set_axis(pd.Index(index) if not isinstance(index, pd.MultiIndex) else index)
    fit = quiet("y ~ x + (x | g)", data)
    plain = quiet("y ~ x + (x | g)", DATA)
    for name in ("fittedvalues", "resid"):
        ours = getattr(fit, name)
        assert ours.index.equals(data.index)
        assert_allclose(ours.to_numpy(), getattr(plain, name).to_numpy(), rtol=1e-9)
    assert fit.predict(data).index.equals(data.index)


NAMES = ["yield", "class", "a b", "lambda", "x.1", "log", "C", "np", "I", "scale", "poly", "x(1)"]
NAMES += ["x|y", "x+1", "a:b", "in", "if", "pi", "T", "factor", "offset", "diag", "_", "1x", "ü"]


@pytest.mark.parametrize("name", one_in(2, [*NAMES, "None", "True"]))
@pytest.mark.parametrize("role", ["x", "y", "g"])
def test_columns_of_any_name_work_in_backticks(name, role):
    data = DATA.rename(columns={role: name})
    formula = "`y` ~ `x` + (`x` | `g`)".replace(f"`{role}`", f"`{name}`")
    fit = quiet(formula, data)
    assert_allclose(fit.criterion, quiet("y ~ x + (x | g)", DATA).criterion, rtol=1e-11)
    assert_allclose(fit.predict(data.iloc[:4]), fit.fittedvalues.iloc[:4], rtol=1e-10)


@pytest.mark.parametrize("name", ["yield", "class", "lambda", "x.1", "log", "C", "np", "I", "in"])
def test_columns_with_names_of_python_work_without_backticks(name):
    data = DATA.rename(columns={"x": name})
    fit = quiet(f"y ~ {name} + ({name} | g)", data)
    assert_allclose(fit.criterion, quiet("y ~ x + (x | g)", DATA).criterion, rtol=1e-11)


def test_column_whose_name_is_a_number():
    fit = quiet("y ~ `1` + (1 | g)", DATA.rename(columns={"x": "1"}))
    assert_allclose(fit.criterion, quiet("y ~ x + (1 | g)", DATA).criterion, rtol=1e-11)


@pytest.mark.parametrize(
    "name",
    [
        "a b",
        "x.1",
        "x(1)",
        "ü",
        "yield",
        "class",
        "lambda",
        "None",
    ],
)
def test_columns_of_any_name_work_inside_calls(name):
    fit = quiet(f"y ~ I(`{name}`^2) + (1 | g)", DATA.rename(columns={"x": name}))
    assert_allclose(fit.criterion, quiet("y ~ I(x^2) + (1 | g)", DATA).criterion, rtol=1e-11)


@pytest.mark.parametrize(
    "name, call",
    [("log", "log(w)"), ("C", "C(f)"), ("I", "I(w^2)"), ("np", "np.log(w)"), ("scale", "scale(w)")],
)
def test_column_does_not_hide_the_function_of_its_name(name, call):
    fit = quiet(f"y ~ {name} + {call} + (1 | g)", DATA.rename(columns={"x": name}))
    assert_allclose(fit.criterion, quiet(f"y ~ x + {call} + (1 | g)", DATA).criterion, rtol=1e-11)


# --- manners ----------------------------------------------------------------------------


def test_nothing_is_printed(capfd):
    fit = quiet("y ~ x + (x | g) + (1 | h)", DATA, weights="w")
    assert fit.summary() is not None
    fit.predict(DATA)
    fit.refit(DATA["y"] ** 2)
    assert repr(fit)
    assert fit._repr_html_()
    quiet("Yield ~ 1 + (1 | Batch)", lf.datasets.load("Dyestuff2"))
    assert capfd.readouterr() == ("", "")


def test_data_are_not_changed():
    data = DATA.copy(deep=True)
    quiet("y ~ x + f + I(x^2) + (x | g)", data, weights="w", offset="o").predict(data)
    pd.testing.assert_frame_equal(data, DATA)


# --- memory layouts ---------------------------------------------------------------------


def read_only(values: np.ndarray) -> np.ndarray:
    values = values.copy()
    values.flags.writeable = False
    return values


@pytest.mark.parametrize(
    "layout",
    [
        lambda v: np.repeat(v, 3)[::3],
        lambda v: v[::-1].copy()[::-1],
        lambda v: np.asfortranarray(np.column_stack([v, v]))[:, 1],
        lambda v: np.column_stack([v, v])[:, 0],
        read_only,
        lambda v: v.astype(v.dtype.newbyteorder()),
        lambda v: v.astype(object),
        list,
    ],
    ids=["strided", "reversed", "fortran", "row", "read-only", "big-endian", "object", "list"],
)
def test_layouts_of_the_inputs_give_the_same_answer(layout):
    columns = {c: DATA[c].to_numpy() for c in ("y", "x", "g")}
    plain = quiet("y ~ x + (x | g)", columns, weights=DATA["w"].to_numpy(), offset=DATA["o"])
    laid = {c: layout(v) for c, v in columns.items()}
    other = quiet(
        "y ~ x + (x | g)",
        laid,
        weights=layout(DATA["w"].to_numpy()),
        offset=layout(DATA["o"].to_numpy()),
    )
    assert other.criterion == plain.criterion
    assert_allclose(other.params, plain.params, rtol=1e-13)


@pytest.mark.parametrize("dtype", [np.float32, np.float16, np.int64, np.int8, np.uint8])
def test_types_of_numbers_give_the_same_answer(dtype):
    whole = DATA.assign(x=np.round(4 * DATA["x"]) + 20, y=np.round(8 * DATA["y"]) + 60)
    typed = whole.astype({"x": dtype, "y": dtype})
    one, other = quiet("y ~ x + (x | g)", whole), quiet("y ~ x + (x | g)", typed)
    assert other.criterion == one.criterion
    assert other.theta.dtype == np.float64


# --- figures of lme4, ten digits and more -----------------------------------------------


@pytest.mark.parametrize(
    "name, formula, reml, expected",
    [
        ("sleepstudy", CORRELATED, True, 1743.6282719585),
        ("sleepstudy", CORRELATED, False, 1751.9393444637),
        ("Dyestuff", "Yield ~ 1 + (1 | Batch)", True, 319.6542768423),
        ("Dyestuff", "Yield ~ 1 + (1 | Batch)", False, 327.3270598811),
        ("Penicillin", "diameter ~ 1 + (1 | plate) + (1 | sample)", False, 332.1883486700),
        ("Pastes", "strength ~ 1 + (1 | batch/cask)", False, 247.9944658625),
    ],
)
def test_figures_of_lme4(name, formula, reml, expected):
    fit = lf.lmer(formula, lf.datasets.load(name), reml=reml)
    assert_allclose(fit.criterion, expected, rtol=0, atol=2e-9)


def test_figures_of_lme4_theta():
    fit = lf.lmer(CORRELATED, SLEEP, reml=False)
    assert_allclose(fit.theta, [0.92922, 0.018168, 0.22264], atol=6e-6)
