"""Predictions: own rows, new rows, parts of the random effects."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

import lmforms as lf
from lmforms.errors import ColumnError, DataError

pytestmark = pytest.mark.one_in(4)

N = 120
RNG = np.random.default_rng(4)
DATA = pd.DataFrame(
    {
        "x": RNG.normal(size=N),
        "z": RNG.uniform(1, 2, N),
        "f": pd.Categorical(RNG.choice(list("abc"), N)),
        "s": RNG.choice(["u", "v"], N),
        "b": RNG.random(N) > 0.5,
        "i": RNG.integers(0, 4, N),
        "g": np.arange(N) % 10,
        "h": RNG.integers(0, 6, N),
    }
)
DATA["y"] = (
    DATA["x"] * (1 + RNG.normal(size=10)[DATA["g"]])
    + RNG.normal(size=10)[DATA["g"]]
    + RNG.normal(size=6)[DATA["h"]]
    + RNG.normal(size=N)
)


def quiet(formula, data=DATA, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return lf.lmer(formula, data, **options)


FIT = quiet("y ~ x*f + (x | g) + (1 | h)")


@pytest.mark.parametrize(
    "formula",
    [
        "y ~ x*f + (x | g)",
        "y ~ b*x + (b | g)",
        "y ~ scale(x) + (scale(x) | g)",
        "y ~ center(x) + (x || g)",
        "y ~ poly(x, 3) + (poly(x, 2) | h)",
        "y ~ bs(x, df=5) + (1 | g)",
        "y ~ cr(x, df=4) + (1 | g)",
        "y ~ C(f, contr.sum)*s + (1 | g)",
        "y ~ C(i) + (C(i) | h)",
        "y ~ f:s + (f:x | h)",
        "y ~ 0 + f + x:f + (1 | g)",
        "y ~ factor(i) + (1 | factor(g))",
        "y ~ x + (1 | g/s)",
        "y ~ x + (1 | s:g) + (0 + x | g:s)",
        "y ~ x + (1 | {g % 4})",
        "log(z) ~ x + (1 | g)",
        "y ~ I(f == 'a') + I(x > 0) + (1 | g)",
        "y ~ f + (f || g)",
        "y ~ x + offset(z) + (1 | g)",
        "y ~ x + offset(log(z)) + (1 | g)",
        "y ~ x + offset(scale(z)) + (1 | g)",
        "y ~ x + offset(center(z)) + (1 | g)",
        "y ~ x + I(2*x) + (1 | g)",
        "y ~ x",
    ],
)
def test_rows_predict_the_same_alone_and_together(formula):
    fit = quiet(formula)
    assert_allclose(fit.predict(), fit.fittedvalues, rtol=1e-12)
    assert_allclose(fit.predict(DATA), fit.fittedvalues, rtol=1e-9)
    for rows in ([3], [50, 7], range(20, 30)):
        some = fit.predict(DATA.iloc[list(rows)])
        assert_allclose(some, fit.fittedvalues.iloc[list(rows)], rtol=1e-8)


@pytest.mark.parametrize(
    "contrast",
    ["contr.sum", "contr.helmert", "contr.poly", "SAS", np.array([[1.0, 0], [0, 1], [-1, -1]])],
)
def test_contrasts_survive(contrast):
    fit = quiet("y ~ f + (f | h)", contrasts={"f": contrast})
    for rows in ([0], [1, 2], range(N)):
        assert_allclose(fit.predict(DATA.iloc[list(rows)]), fit.fittedvalues.iloc[list(rows)])


def test_parts_add_up():
    none = FIT.predict(DATA, random="none")
    by_g = FIT.predict(DATA, random=["g"])
    by_h = FIT.predict(DATA, random="h")
    assert_allclose(by_g + by_h - none, FIT.predict(DATA), rtol=1e-10)
    assert_allclose(none, FIT.matrices.X @ FIT.params, rtol=1e-10)
    assert_allclose(FIT.predict(random=["g"]), by_g, rtol=1e-10)
    assert_allclose(FIT.predict(DATA, random=[]), none, rtol=1e-12)


def test_terms_by_label():
    fit = quiet("y ~ x + (1 | g) + (0 + x | g)")
    slope = fit.predict(DATA, random="(0 + x | g)") - fit.predict(DATA, random="none")
    expected = fit.random_effects["g"]["x"].to_numpy()[DATA["g"]] * DATA["x"]
    assert_allclose(slope, expected, rtol=1e-10, atol=1e-12)
    assert_allclose(fit.predict(DATA, random=["0 + x | g", "1 | g"]), fit.fittedvalues)


def test_columns_of_terms_left_out_are_not_needed():
    assert len(FIT.predict(DATA[["x", "f"]], random="none")) == N
    assert len(FIT.predict(DATA[["x", "f", "h"]], random="h")) == N
    with pytest.raises(ColumnError, match="`g`"):
        FIT.predict(DATA[["x", "f", "h"]])


def test_missing_predictors_give_nan():
    gaps = DATA.assign(x=DATA["x"].where(DATA.index != 2), g=DATA["g"].where(DATA.index != 5))
    predicted = FIT.predict(gaps)
    assert predicted.index[predicted.isna()].tolist() == [2, 5]
    assert_allclose(predicted.drop([2, 5]), FIT.fittedvalues.drop([2, 5]), rtol=1e-9)


def test_all_missing_and_no_rows():
    assert FIT.predict(DATA.assign(x=np.nan).iloc[:2]).isna().all()
    assert len(FIT.predict(DATA.iloc[:0])) == 0


def test_new_levels():
    new = DATA.iloc[:3].assign(g=[99, 0, 98])
    with pytest.raises(DataError, match=r"`g` has .*levels .*99, 98"):
        FIT.predict(new)
    zero = FIT.predict(new, new_levels="zero")
    h_only = FIT.predict(new, random="h")
    assert_allclose(zero.iloc[[0, 2]], h_only.iloc[[0, 2]], rtol=1e-12)
    assert zero.iloc[1] != h_only.iloc[1]


def test_new_combination_of_known_levels_is_new():
    fit = quiet("y ~ x + (1 | g:s)", DATA[(DATA["g"] != 0) | (DATA["s"] == "u")])
    with pytest.raises(DataError, match="0, 'v'"):
        fit.predict(pd.DataFrame({"x": [0.0], "g": [0], "s": ["v"]}))


@pytest.mark.parametrize("dtype", [float, "category", "Int64", object])
def test_levels_are_found_whatever_their_type(dtype):
    assert_allclose(FIT.predict(DATA.assign(g=DATA["g"].astype(dtype))), FIT.fittedvalues)


def test_dates_as_levels():
    days = pd.date_range("2020", periods=10)
    dated = DATA.assign(g=days[DATA["g"]])
    fit = quiet("y ~ x + (1 | g)", dated)
    assert_allclose(fit.predict(dated), fit.fittedvalues)


def test_text_and_category_of_new_data_meet():
    one_level = pd.DataFrame({"x": [0.5], "f": ["b"], "g": [1], "h": [2]})
    as_category = one_level.assign(f=pd.Categorical(["b"], categories=["z", "b"]))
    assert FIT.predict(one_level)[0] == FIT.predict(as_category)[0]


def test_mapping_and_index():
    row = {"x": [0.5], "f": ["b"], "g": [1], "h": [2]}
    assert_allclose(FIT.predict(row), FIT.predict(pd.DataFrame(row)))
    named = FIT.predict(pd.DataFrame(row, index=["me"]))
    assert named.index.tolist() == ["me"]


def test_response_is_not_needed():
    fit = quiet("log(z) ~ x + (1 | g)")
    assert len(fit.predict(DATA[["x", "g"]])) == N


def test_dot_means_the_columns_of_the_fit():
    fit = quiet("y ~ . - h + (1 | g)")
    assert_allclose(fit.predict(DATA.assign(new=1.0)), fit.fittedvalues)


@pytest.mark.parametrize(
    "formula, factor",
    [
        ("y ~ C(day) + (1 | g)", "C(day)"),
        ("y ~ x + diag(0 + factor(day) | g)", "factor(day)"),
        ("y ~ x + x:C(day, contr.sum) + (1 | g)", "C(day, contr.sum)"),
    ],
)
def test_new_levels_of_factors_made_in_the_formula_are_named(formula, factor):
    data = DATA.assign(day=np.arange(N) % 6)
    fit = quiet(formula, data)
    other = data.iloc[:3].assign(day=[1, 7, 2])
    known = "0, 1, 2, 3, 4, … (6 in all)"
    said = f"`{factor}` has levels that the model does not know: 7. It knows {known}."
    with pytest.raises(DataError, match=re.escape(said)):
        fit.predict(other)
    assert len(fit.predict(other.iloc[[0, 2]])) == 2


def test_numbers_for_booleans_are_refused_with_a_way_that_works():
    data = DATA.assign(yes=DATA["x"] > 0)
    fit = quiet("y ~ yes + (1 | g)", data)
    numbers = data.astype({"yes": int})
    with pytest.raises(DataError, match=r"`yes` has levels.* Make it boolean, by `\.astype\(bool"):
        fit.predict(numbers)
    assert_allclose(fit.predict(numbers.astype({"yes": bool})), fit.predict(data))


def test_infinite_predictor_warns_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FIT.predict(DATA.iloc[:2].assign(x=np.inf))
