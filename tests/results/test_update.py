"""`update`: other models for the rows of a fit."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import lmforms as lf
from lmforms.errors import (
    ArgumentError,
    ColumnError,
    DataError,
    FormulaError,
    MissingDataWarning,
)


@pytest.fixture(scope="module")
def data():
    rng = np.random.default_rng(5)
    n = 90
    table = pd.DataFrame(
        {
            "g": np.repeat([f"g{i}" for i in range(15)], 6),
            "x": rng.normal(size=n),
            "z": rng.normal(size=n),
            "f": pd.Categorical(rng.choice(list("abc"), n)),
            "w": rng.uniform(0.5, 2.0, n),
            "o": rng.normal(size=n),
            "a b": rng.normal(size=n),
        },
        index=[f"r{i}" for i in range(n)],
    )
    effects = [np.repeat(rng.normal(size=15), 6) for _ in range(4)]
    predictors = [1.0, table["x"], table["z"], table["a b"]]
    table["y"] = sum(b * x for b, x in zip(effects, predictors, strict=True)) + table["x"]
    table["y"] += 0.5 * rng.normal(size=n)
    return table


def same(a, b):
    np.testing.assert_allclose(a.criterion, b.criterion, rtol=1e-9)
    np.testing.assert_allclose(a.params, b.params, rtol=1e-6, atol=1e-9)
    assert list(a.params.index) == list(b.params.index)
    assert (a.nobs, a.reml) == (b.nobs, b.reml)


def test_same_as_fitting_anew(data):
    fit = lf.lmer("y ~ x * f + `a b` + (x | g)", data)
    same(fit.update("~ . - x:f"), lf.lmer("y ~ x + f + `a b` + (x | g)", data))
    same(fit.update("~ . - (x | g)"), lf.lmer("y ~ x * f + `a b`", data))
    same(
        fit.update(". ~ . - (x | g) + (1 | g) + (0 + `a b` | g)", reml=False),
        lf.lmer("y ~ x * f + `a b` + (1 | g) + (0 + `a b` | g)", data, reml=False),
    )
    assert fit.update() is not fit
    same(fit.update(), fit)
    assert fit.update("~ . - x:f").formula == "y ~ x + f + `a b` + (x | g)"


def test_options_come_along(data):
    options = {"weights": "w", "offset": "o", "contrasts": {"f": "contr.sum"}, "reml": False}
    fit = lf.lmer("y ~ x + f + (1 | g)", data, method="ai", **options)
    less = fit.update("~ . - x")
    same(less, lf.lmer("y ~ f + (1 | g)", data, method="ai", **options))
    assert less.state.method == "ai"
    # a factor that was out for a while has its contrasts again
    without = fit.update("~ . - f")
    assert np.isfinite(without.predict(data[["x", "g", "o"]])).all()
    same(without.update("~ . + f"), fit)
    pd.testing.assert_series_equal(
        less.predict(data).dropna(), less.fittedvalues, check_names=False
    )


def test_options_changed(data):
    fit = lf.lmer("y ~ x + f + (1 | g)", data, weights="w", offset="o")
    same(fit.update(weights=None), lf.lmer("y ~ x + f + (1 | g)", data, offset="o"))
    same(fit.update(offset=None), lf.lmer("y ~ x + f + (1 | g)", data, weights="w"))
    same(
        fit.update(contrasts={"f": "contr.helmert"}),
        lf.lmer("y ~ x + f + (1 | g)", data, weights="w", offset="o", contrasts={"f": "helmert"}),
    )
    shuffled = data["w"].sample(frac=1.0, random_state=1)
    plain = lf.lmer("y ~ x + (1 | g)", data)
    same(plain.update(weights=shuffled), lf.lmer("y ~ x + (1 | g)", data, weights="w"))
    assert plain.update(method="newton").state.method == "newton"
    assert plain.update(control=lf.Control(max_evaluations=7)).state.control.max_evaluations == 7


def test_rows_are_those_of_the_fit(data):
    """Missing values of a column that is no longer needed bring no rows back."""
    holes = data.copy()
    holes.loc[holes.index[:7], "z"] = np.nan
    with pytest.warns(MissingDataWarning):
        fit = lf.lmer("y ~ x + z + (1 | g)", holes)
    with pytest.warns(MissingDataWarning):
        undefined = lf.lmer("y ~ scale(x) + log(x + 1) + (1 | g)", holes)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        less = fit.update("~ . - z")
        defined = undefined.update("~ . - log(x + 1)")
    same(less, lf.lmer("y ~ x + (1 | g)", data.iloc[7:]))
    assert list(less.fittedvalues.index) == list(fit.fittedvalues.index)
    assert list(defined.fittedvalues.index) == list(undefined.fittedvalues.index)
    # transforms have learnt from the same rows as in the larger model
    np.testing.assert_array_equal(defined.state.design.X, undefined.state.design.X[:, :2])
    same(defined.update("~ . + log(x + 1)"), undefined)


def test_a_new_term_may_lose_rows(data):
    fit = lf.lmer("y ~ x + (1 | g)", data)
    with pytest.warns(MissingDataWarning, match="of 90 rows"):
        more = fit.update("~ . + log(x + 1)")
    with pytest.warns(MissingDataWarning):
        same(more, lf.lmer("y ~ x + log(x + 1) + (1 | g)", data))


def test_saved_fits_can_be_updated(data, tmp_path):
    holes = data.copy()
    holes.loc[holes.index[:7], "z"] = np.nan
    with pytest.warns(MissingDataWarning):
        fit = lf.lmer(
            "y ~ x + z + f + log(x + 1) + (1 | g)",
            holes,
            weights="w",
            contrasts={"f": "contr.sum"},
        )
    fit.save(tmp_path / "fit.lmf")
    loaded = lf.load(tmp_path / "fit.lmf")
    less = fit.update("~ . - z - f - log(x + 1)")
    same(loaded.update("~ . - z - f - log(x + 1)"), less)
    less.save(tmp_path / "less.lmf")  # with fewer rows than its own formula would use
    again = lf.load(tmp_path / "less.lmf")
    same(again, less)
    same(again.update("~ 1 + (1 | g)"), less.update("~ 1 + (1 | g)"))
    with pytest.raises(ColumnError, match="A fit keeps the columns"):
        again.update("~ . + z")
    with pytest.warns(MissingDataWarning):  # the name of the weights is remembered
        same(again.update("~ . + z", holes), lf.lmer("y ~ x + z + (1 | g)", holes, weights="w"))


def test_names_in_calls(data):
    def twice(values):
        return 2.0 * values

    fit = lf.lmer("y ~ twice(x) + f + (1 | g)", data)
    twice_as_before = fit.update("~ . - f")

    def halved(values):
        return values / 2.0

    same(fit.update("~ . + halved(x) - twice(x) - f"), lf.lmer("y ~ halved(x) + (1 | g)", data))
    same(twice_as_before, lf.lmer("y ~ twice(x) + (1 | g)", data))
    given = fit.update(context={"twice": halved}).params["twice(x)"]
    np.testing.assert_allclose(given, 4.0 * fit.params["twice(x)"], rtol=1e-6)
    with pytest.raises(ArgumentError, match="context must be a mapping"):
        fit.update(context=3)


def test_another_response(data):
    fit = lf.lmer("y ~ x + (x | g)", data)
    other = fit.refit(data["y"] ** 2)
    same(other.update("~ . - (x | g) + (1 | g)"), lf.lmer("I(y ** 2) ~ x + (1 | g)", data))
    same(other.update("I(y + 1) ~ x"), lf.lmer("I(y + 1) ~ x", data))
    with pytest.raises(ArgumentError, match=r"replaced by refit\(y\)"):
        other.update("~ . - x", data)


def test_other_data(data):
    fit = lf.lmer("y ~ x + (1 | g)", data, weights="w")
    same(fit.update("~ . + z", data), lf.lmer("y ~ x + z + (1 | g)", data, weights="w"))
    same(fit.update(data=data.iloc[:60]), lf.lmer("y ~ x + (1 | g)", data.iloc[:60], weights="w"))
    array = lf.lmer("y ~ x + (1 | g)", data, weights=data["w"].to_numpy())
    with pytest.raises(ArgumentError, match="weights as an array; give weights="):
        array.update("~ . + z", data)
    same(array.update("~ . + z", data, weights="w"), fit.update("~ . + z", data))
    with pytest.raises(ColumnError, match="`missing` is not a column"):
        fit.update("~ . + missing", data)


def test_known_covariances(data):
    levels = sorted(set(data["g"]))
    K = pd.DataFrame(0.4 + 0.6 * np.eye(15), index=levels, columns=levels)
    fit = lf.lmer("y ~ x + f + (1 | g)", data, relationship={"g": K})
    same(fit.update("~ . - f"), lf.lmer("y ~ x + (1 | g)", data, relationship={"g": K}))
    same(fit.update("~ . - (1 | g)"), lf.lmer("y ~ x + f", data))
    same(fit.update(relationship=None), lf.lmer("y ~ x + f + (1 | g)", data))
    both = lf.lmer("y ~ x + (1 | g) + (0 + z | g)", data, relationship={"1 | g": K})
    less = both.update("~ . - (0 + z | g)")
    same(less, lf.lmer("y ~ x + (1 | g)", data, relationship={"g": K}))
    assert list(less.state.relationship) == ["1 | g"]
    assert not both.update("~ . - (1 | g)").state.relationship
    with pytest.raises(ArgumentError, match=r"give relationship= for its terms on `g`"):
        both.update("~ x + (0 + x | g)")


def test_refused(data):
    fit = lf.lmer("y ~ x + (1 | g)", data)
    with pytest.raises(ColumnError, match=r"Columns: .*\n.*\n.*\n.*fit\.update\(formula, data\)"):
        fit.update("~ . + z")
    with pytest.raises(ColumnError, match="neither a column"):
        fit.update("~ . + log(unknown)")
    with pytest.raises(ColumnError, match="weights='w' is not a column of the fit"):
        fit.update(weights="w")
    with pytest.raises(DataError, match=r"weights has shape \(3,\); the model uses 90 rows"):
        fit.update(weights=[1.0, 2.0, 3.0])
    with pytest.raises(DataError, match="weights must be positive"):
        fit.update(weights=np.zeros(90))
    with pytest.raises(DataError, match="offset has missing values"):
        fit.update(offset=np.full(90, np.nan))
    with pytest.raises(DataError, match="contrasts: `f` is not a column"):
        fit.update(contrasts={"f": "contr.sum"})
    with pytest.raises(FormulaError, match="is no random term"):
        fit.update("~ . - (x | g)")
    with pytest.raises(ArgumentError, match=r"MixedModelResults\.update\(\) has no argument"):
        fit.update(formla="~ .")
    with pytest.raises(ArgumentError, match="True or False"):
        fit.update(reml="no")
