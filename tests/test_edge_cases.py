"""Second attack: expressions, kinds of factors, rows lost on the way, flat criteria, far groups."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from slow_cases import one_in, slow

import lmforms as lf
from lmforms.errors import (
    DataError,
    IdentificationWarning,
    LmformsError,
    LmformsWarning,
    MissingDataWarning,
    NumericalError,
)

pytestmark = pytest.mark.one_in(4)

N = 90
RNG = np.random.default_rng(1)
G = np.repeat(np.arange(9), 10)
DATA = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "z": RNG.uniform(1, 3, N),
        "a": RNG.normal(size=N),
        "b": RNG.normal(size=N),
        "g": G,
        "gg": (7 * G + 3) % 101,
        "h": np.arange(N) % 6,
        "f": RNG.choice(list("pqr"), N),
        "t": RNG.random(N) > 0.5,
        "w": RNG.uniform(0.5, 2, N),
    },
    index=[f"row {i}" for i in range(N)],
)
DATA["y"] = 1 + DATA["x"] + RNG.normal(size=9)[G] + RNG.normal(size=N)
DATA["p"] = np.where(np.arange(N) % 11 == 4, -1.0, DATA["z"])  # log(p) is NaN in 8 rows


def quiet(formula, data=DATA, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        return lf.lmer(formula, data, **options)


def returned(fit, path, **options):
    fit.save(path / "fit.lmf")
    return lf.load(path / "fit.lmf", **options)


# --- expressions ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "formula, response, offset",
    [
        ("y/1000 ~ x + (1 | g)", DATA["y"] / 1000, 0.0),
        ("y*x ~ x + (1 | g)", DATA["y"] * DATA["x"], 0.0),
        ("log(z)/2 ~ x + (1 | g)", np.log(DATA["z"]) / 2, 0.0),
        ("-y ~ x + (1 | g)", -DATA["y"], 0.0),
        ("y ~ x + (1 | g) + offset(a - b)", DATA["y"], DATA["a"] - DATA["b"]),
        ("y ~ x + (1 | g) + offset(a) + offset(-b)", DATA["y"], DATA["a"] - DATA["b"]),
        ("y ~ offset(log(z)) + x + (1 | g)", DATA["y"], np.log(DATA["z"])),
        ("y ~ x + (1 | g) + offset(t*1)", DATA["y"], DATA["t"] * 1.0),
        ("y - a ~ x + (1 | g) + offset(a^2)", DATA["y"] - DATA["a"], DATA["a"] ** 2),
    ],
)
def test_responses_and_offsets_are_arithmetic(formula, response, offset, tmp_path):
    fit = quiet(formula)
    plain = quiet("r ~ x + (1 | g)", DATA.assign(r=response - offset))
    assert_allclose(fit.criterion, plain.criterion, rtol=1e-10)
    assert_allclose(fit.fittedvalues, plain.fittedvalues + offset, atol=1e-7)
    assert_allclose(returned(fit, tmp_path).predict(DATA), fit.fittedvalues, atol=1e-9)


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x*offset(a) + (1 | g)",
        "y ~ x + (1 | g) - offset(a)",
        "y ~ x + (1 | g) + offset(a, b)",
        "y ~ x + (1 | g) + offset(t)",
        "y/t ~ x + (1 | g)",
        "poly(y, 2) ~ x + (1 | g)",
    ],
)
def test_what_is_no_response_or_offset_is_refused(formula):
    with pytest.raises(LmformsError):
        quiet(formula)


def test_methods_of_columns():
    fit = quiet("y ~ x.clip(0) + (1 | g)")
    clipped = DATA.assign(clipped=DATA["x"].clip(0))
    plain = quiet("y ~ clipped + (1 | g)", clipped)
    assert_allclose(fit.params, plain.params, rtol=1e-10)
    assert_allclose(fit.criterion, plain.criterion, rtol=1e-12)
    assert_allclose(fit.predict(DATA[::2]), plain.predict(clipped[::2]), rtol=1e-10)


def test_column_called_dot():
    fit = quiet("y ~ `.` + (1 | g)", DATA.rename(columns={"x": "."}))
    assert len(fit.params) == 2


# --- kinds of factors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fixed, random",
    [
        ("t", "1 | g"),
        ("t*f", "1 | g"),
        ("t:f", "1 | g"),
        ("0 + t", "1 | g"),
        ("t:x", "1 | g"),
        ("x", "t | g"),
        ("x", "0 + t | g"),
        ("x + C(t)", "1 | g"),
        ("x + factor(t)", "t || h"),
        ("x", "1 | t:g"),
    ],
)
def test_booleans_are_factors_everywhere(fixed, random):
    formula = f"y ~ {fixed} + ({random})"
    fit = quiet(formula)
    text = quiet(formula, DATA.assign(t=np.where(DATA["t"], "yes", "no")))
    assert_allclose(fit.criterion, text.criterion, rtol=1e-9)
    assert len(fit.params) == len(text.params)
    for rows in (DATA[DATA["t"]], DATA[~DATA["t"]], DATA.iloc[[3]]):
        for dtype in (bool, object, "boolean", "category"):
            given = rows.assign(t=rows["t"].astype(dtype))
            assert_allclose(fit.predict(given), fit.fittedvalues[rows.index], atol=1e-10)


@pytest.mark.parametrize("contrast", one_in(2, ["sum", "contr.helmert", "poly", "diff", "SAS"]))
@pytest.mark.parametrize("column", ["f", "t"])
def test_contrasts_hold_at_prediction_and_after_loading(contrast, column, tmp_path):
    fit = quiet(f"y ~ {column}*x + ({column} | g)", contrasts={column: contrast})
    back = returned(fit, tmp_path)
    for rows in (DATA, DATA[DATA[column] == DATA[column].iloc[0]], DATA.iloc[[7]]):
        assert_allclose(fit.predict(rows), fit.fittedvalues[rows.index], atol=1e-9)
        assert_allclose(back.predict(rows), fit.fittedvalues[rows.index], atol=1e-9)


KNOWN = quiet("y ~ k + (1 | g)", DATA.assign(k=pd.Categorical(DATA["h"])))


@pytest.mark.parametrize(
    "levels",
    [
        [3, 1, 2],
        [3.0, 1.0, 2.0],
        pd.Categorical([3, 1, 2], categories=range(9)),
        pd.array([3, 1, 2]),
        np.array([3, 1, 2], dtype=object),
        pd.Categorical([3.0, 1.0, 2.0], ordered=True),
    ],
)
def test_numeric_categories_by_any_kind_of_number(levels):
    expected = KNOWN.predict(DATA.iloc[:3].assign(k=pd.Categorical([3, 1, 2])))
    assert_allclose(KNOWN.predict(DATA.iloc[:3].assign(k=levels)), expected, rtol=1e-12)


@pytest.mark.parametrize("levels", [[0.5, 1, 2], [9, 1, 2], list("312"), [True, False, True]])
def test_levels_that_a_numeric_category_does_not_have(levels):
    with pytest.raises(DataError, match="k"):
        KNOWN.predict(DATA.iloc[:3].assign(k=levels))


def test_booleans_for_a_factor_made_of_numbers():
    fit = quiet("y ~ factor(h) + (1 | g)")
    right = fit.predict(DATA.iloc[:2].assign(h=[1, 0]))
    try:
        given = fit.predict(DATA.iloc[:2].assign(h=[True, False]))
    except LmformsError:
        return
    assert_allclose(given, right)


@pytest.mark.parametrize(
    "formula", ["y ~ 0 + x + (1 | g)", "y ~ x:z + (1 | g)", "y ~ z + (0+x | g)"]
)
def test_booleans_where_a_number_was(formula):
    fit = quiet(formula)
    right = fit.predict(DATA.iloc[:2].assign(x=[1.0, 0.0]))
    try:
        given = fit.predict(DATA.iloc[:2].assign(x=[True, False]))
    except LmformsError:
        return
    assert_allclose(given, right)


@pytest.mark.parametrize("call", ["I(s^3)", "I(s^-1)"])
def test_arithmetic_on_whole_numbers(call):
    data = DATA.assign(s=2_000_000 + 9_000 * np.arange(N))
    whole = quiet(f"y ~ {call} + (1 | g)", data)
    real = quiet(f"y ~ {call} + (1 | g)", data.assign(s=data["s"] * 1.0))
    assert_allclose(whole.params, real.params, rtol=1e-6)


def test_conditions_are_factors():
    column = quiet("y ~ 0 + c + (1 | g)", DATA.assign(c=DATA["x"] > 0))
    assert_allclose(quiet("y ~ 0 + I(x > 0) + (1 | g)").criterion, column.criterion, rtol=1e-9)


def test_contrasts_by_a_number():
    with pytest.raises(LmformsError):
        quiet("y ~ f + (1 | g)", contrasts={1: "sum"})


# --- rows lost on the way ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "formula, options",
    [
        ("y ~ log(p) + (1 | g)", {"weights": "w", "offset": "a"}),
        ("y ~ x + f + (log(p) | g)", {}),
        ("y ~ x + (1 | g) + offset(log(p))", {"weights": "w"}),
        ("y ~ scale(z) + log(p) + (1 | g)", {}),
    ],
)
def test_rows_that_a_transformation_loses(formula, options, tmp_path):
    kept = DATA["p"] > 0
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        fit = lf.lmer(formula, DATA, **options)
    assert ["8 of 90" in str(w.message) for w in said if w.category is MissingDataWarning] == [True]
    assert fit.nobs == kept.sum()
    assert fit.fittedvalues.index.equals(DATA.index[kept])
    predicted = fit.predict(DATA)
    assert_allclose(predicted[kept], fit.fittedvalues, atol=1e-9)
    assert predicted[~kept].isna().all()
    back = returned(fit, tmp_path)
    assert_allclose(back.fittedvalues, fit.fittedvalues, atol=1e-9)
    again = pd.Series(np.arange(N) % 7 + DATA["a"], index=DATA.index)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)
        refits = back.refit(again), fit.refit(again[kept])
    assert_allclose(refits[0].criterion, refits[1].criterion, rtol=1e-9)


# --- flat criteria -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["sleepstudy", "Machines", "Oats", "Orthodont", "Oxboys", "Pastes"]
)
def test_no_false_alarm_on_known_data(name):
    example = lf.datasets.list().set_index("name").loc[name, "example"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", IdentificationWarning)
        for reml in (True, False):
            assert lf.lmer(example, lf.datasets.load(name), reml=reml).converged


def small(seed):
    rng = np.random.default_rng(seed)
    levels, per = int(rng.integers(3, 7)), int(rng.integers(4, 9))
    g = np.repeat(np.arange(levels), per)
    data = pd.DataFrame({"g": g, "gg": (7 * g + 3) % 101, "x": rng.normal(size=len(g))})
    data["y"] = 1.5 * rng.normal(size=levels)[g] + rng.normal(size=len(g))
    return data


@pytest.mark.slow
@pytest.mark.parametrize(
    "formula", ["y ~ x + (1 | g)", "y ~ x + (x | g)", slow("y ~ x + (x || g)")]
)
def test_no_false_alarm_with_few_groups(formula):
    for seed in range(25):
        for reml in (True, False):
            assert not quiet(formula, small(seed), reml=reml).unidentified_terms


def test_relabelled_factors_are_told():
    for seed in range(25):
        for reml in (True, False):
            fit = quiet("y ~ x + (1 | g) + (1 | gg)", small(seed), reml=reml)
            assert fit.is_singular or len(fit.unidentified_terms) == 2


def test_grouping_among_the_fixed_effects_is_told():
    for seed in range(25):
        fit = quiet("y ~ x + factor(g) + (1 | gg)", small(seed))
        assert fit.unidentified_terms == ["1 | gg"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x:factor(g) + (x || gg)",
        "y ~ x:factor(g) + (x | gg)",
        "y ~ x:factor(g) + (0 + x | gg)",
    ],
)
def test_single_directions_among_the_fixed_effects_are_told(formula):
    for seed in range(2):
        data = small(seed)
        for order in (data.index, np.random.default_rng(seed).permutation(len(data))):
            fit = quiet(formula, data.loc[order].assign(y=lambda d: d["y"] / 3.0))
            assert len(fit.unidentified_terms) == 1
            assert not quiet(formula, data.loc[order], reml=False).unidentified_terms


def test_responses_centred_by_group_are_no_false_alarm():
    data = lf.datasets.load("sleepstudy")
    by_subject = data.groupby("Subject", observed=True)["Reaction"]
    data["y"] = data["Reaction"] - by_subject.transform("mean")
    fit = quiet("y ~ Days + (Days | Subject)", data)
    assert fit.is_singular
    assert not fit.unidentified_terms


@pytest.mark.slow
@pytest.mark.parametrize("seed", [13, slow(23), slow(37), slow(48)])
def test_groups_far_apart_beside_a_variance_of_zero_converge(seed):
    rng = np.random.default_rng(seed)
    levels, per = int(rng.integers(3, 9)), int(rng.integers(4, 10))
    n, sd = levels * per, 10.0 ** rng.uniform(0, 5)
    data = pd.DataFrame({"g": np.repeat(np.arange(levels), per), "x": rng.normal(size=n)})
    data["h"] = rng.integers(0, 4, n)
    data["y"] = rng.normal(size=n) + sd * rng.normal(size=levels)[data["g"]]
    for formula in ("y ~ x + (x | g)", "y ~ x + (1 | g/h)"):
        for reml in (True, False):
            assert quiet(formula, data, reml=reml).converged


def test_slopes_on_predictors_of_very_different_spread():
    rng = np.random.default_rng(124)
    levels, per = int(rng.integers(5, 30)), int(rng.integers(4, 20))
    n = levels * per
    g = np.repeat(np.arange(levels), per)
    x = rng.normal(size=n) * np.exp(2.5 * rng.normal(size=levels))[g]
    h = rng.integers(0, 6, n)
    y = 1 + 0.5 * x + rng.normal(size=levels)[g] * rng.choice([0, 1, 3])
    y += rng.normal(size=levels)[g] * x * rng.choice([0, 0.3, 1]) + 0.5 * rng.normal(size=6)[h]
    data = pd.DataFrame({"y": y + rng.normal(size=n), "x": x, "g": g})
    other = quiet("y ~ x + (x | g)", data, start=[1.0, 0.0, 1e-3])
    assert quiet("y ~ x + (x | g)", data).criterion < other.criterion + 1e-4


# --- scales --------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e140, 1e-140])
@pytest.mark.parametrize("what", ["y", "x", "w"])
@pytest.mark.filterwarnings("error::RuntimeWarning")
def test_enormous_and_tiny_units(what, size):
    formula = "y ~ x + (x | g)"
    plain = quiet(formula, reml=False)
    if what == "w":
        fit = quiet(formula, weights=np.full(N, size), reml=False)
    else:
        fit = quiet(formula, DATA.assign(**{what: size * DATA[what]}), reml=False)
    shift = 2 * N * np.log(size) if what == "y" else 0.0
    assert_allclose(fit.criterion - shift, plain.criterion, atol=1e-8)
    unit = size if what == "y" else 1.0
    assert_allclose(fit.fittedvalues / unit, plain.fittedvalues, atol=1e-6)


@pytest.mark.parametrize("column, size", [("y", 1e160), ("x", 1e-310)])
def test_units_beyond_floating_point_are_refused(column, size):
    with pytest.raises((NumericalError, DataError)):
        quiet("y ~ x + (1 | g)", DATA.assign(**{column: size * DATA[column]}))


def exact_sums(data, theta):
    """r² of ``y ~ x + (1 | g)`` at θ in rational numbers."""
    columns = [[Fraction(1)] * len(data)]
    columns += [[Fraction(float(v)) for v in data[c]] for c in ("x", "y")]
    rr = [[sum(u * v for u, v in zip(a, b, strict=True)) for b in columns] for a in columns]
    for _, rows in data.reset_index(drop=True).groupby("g").groups.items():
        shrink = theta**2 / (1 + theta**2 * len(rows))
        sums = [sum(c[i] for i in rows) for c in columns]
        rr = [
            [v - shrink * s * t for v, t in zip(r, sums, strict=True)]
            for r, s in zip(rr, sums, strict=True)
        ]
    for k in range(2):  # eliminate the fixed effects
        rr = [
            [rr[i][j] - rr[i][k] * rr[k][j] / rr[k][k] if i > k else rr[i][j] for j in range(3)]
            for i in range(3)
        ]
    return rr[2][2]


@pytest.mark.parametrize("far", [1e3, 1e4, 1e6])
def test_sigma_of_groups_far_apart_against_rational_numbers(far):
    for seed in range(3):
        rng = np.random.default_rng(seed)
        data = pd.DataFrame({"g": np.arange(36) % 6, "x": rng.normal(size=36)})
        data["y"] = 0.5 * data["x"] + rng.normal(size=36) + far * rng.normal(size=6)[data["g"]]
        fit = quiet("y ~ x + (1 | g)", data)
        exact = float(exact_sums(data, Fraction(float(fit.theta[0]))) / 34) ** 0.5
        assert_allclose(fit.sigma, exact, rtol=1e-8)


# --- files --------------------------------------------------------------------------------------


def test_fits_of_large_data_are_saved(tmp_path):
    example = lf.datasets.list().set_index("name").loc["VerbAgg", "example"]
    fit = quiet(example, lf.datasets.load("VerbAgg"))
    assert returned(fit, tmp_path).converged is True


@pytest.mark.parametrize("kind", [np.int64, np.float32])
def test_options_that_are_numpy_numbers_are_saved(tmp_path, kind):
    control = (
        lf.Control(max_evaluations=kind(50))
        if kind is np.int64
        else lf.Control(singular=kind(1e-4))
    )
    returned(quiet("y ~ x + (1 | g)", control=control), tmp_path)


@pytest.mark.parametrize("name", [("a", 1), np.int64(3), pd.Timestamp("2020")], ids=str)
def test_names_of_an_index_are_saved(tmp_path, name):
    fit = quiet("y ~ x + (1 | g)", DATA.set_axis(pd.Index(range(N), name=name)))
    assert returned(fit, tmp_path).fittedvalues.index.name == name
