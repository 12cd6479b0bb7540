"""MixedRegressor against `lmer`, in scikit-learn's own checks and company."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.exceptions import NotFittedError
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_checks

import lmforms as lf
from lmforms.errors import ArgumentError, ColumnError, DataError, FormulaError
from lmforms.sklearn import MixedRegressor

SLEEP = lf.datasets.load("sleepstudy").set_axis([f"row {i}" for i in range(180)])
FORMULA = "Reaction ~ Days + (Days | Subject)"
RIGHT = "~ Days + (Days | Subject)"
X, Y = SLEEP[["Days", "Subject"]], SLEEP["Reaction"]
TRUTH = lf.lmer(FORMULA, SLEEP)

EXACT = "its response is a column of X: a mixed model has no residual variance to estimate"
NOT_FOR_ALL_COLUMNS = {
    "check_regressors_no_decision_function": EXACT,
    "check_sample_weights_shape": EXACT,
    "check_sample_weights_not_overwritten": EXACT,
    "check_sample_weight_equivalence_on_dense_data": "30 columns for 15 rows, which is warned of",
}
"""Checks that a model of all columns cannot pass, and why."""


@estimator_checks.parametrize_with_checks(
    [MixedRegressor("~ .")], expected_failed_checks=lambda _: NOT_FOR_ALL_COLUMNS
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "name", sorted(set(NOT_FOR_ALL_COLUMNS) - {"check_regressors_no_decision_function"})
)
def test_the_others_with_one_column(name):
    getattr(estimator_checks, name)("MixedRegressor", MixedRegressor("~ x0"))


@pytest.mark.parametrize("formula", [FORMULA, RIGHT])
@pytest.mark.parametrize("x, y", [(X, Y), (SLEEP, Y), (SLEEP, None)])
def test_it_is_lmer(formula, x, y):
    if formula == RIGHT and y is None:
        with pytest.raises(DataError, match="requires y to be passed"):
            MixedRegressor(formula).fit(x, y)
        return
    found = MixedRegressor(formula).fit(x, y)
    assert found.fit_.criterion == pytest.approx(TRUTH.criterion, abs=1e-9)
    assert list(found.feature_names_in_) == ["Days", "Subject"]
    assert (found.n_features_in_, found.response_) == (2, "Reaction")
    np.testing.assert_array_equal(found.predict(X), found.fit_.predict(X))
    np.testing.assert_allclose(found.predict(SLEEP), TRUTH.fittedvalues, rtol=1e-9)
    assert found.score(X, Y) == pytest.approx(r2_score(Y, TRUTH.fittedvalues), abs=1e-9)
    assert found.score(SLEEP) == found.score(X, Y)


@pytest.mark.parametrize("kind", [pl.DataFrame, lambda columns: pa.table(dict(columns))])
def test_other_tables(kind):
    columns = {name: SLEEP[name].astype(object).tolist() for name in SLEEP}
    table = kind(columns)
    found = MixedRegressor(FORMULA).fit(table)
    assert found.fit_.criterion == pytest.approx(TRUTH.criterion, abs=1e-9)
    np.testing.assert_allclose(found.predict(table), TRUTH.fittedvalues, rtol=1e-9)
    weights = np.where(np.arange(180) < 20, 0.0, 1.0)
    part = MixedRegressor(RIGHT).fit(kind({k: columns[k] for k in X}), Y, sample_weight=weights)
    assert part.fit_.nobs == 160


def test_arrays_have_numbered_columns():
    codes = SLEEP["Subject"].cat.codes.to_numpy()
    found = MixedRegressor("~ x0 + (x0 | x1)").fit(
        np.column_stack([SLEEP["Days"], codes]), Y.to_numpy()
    )
    assert found.fit_.criterion == pytest.approx(TRUTH.criterion, abs=1e-9)
    assert not hasattr(found, "feature_names_in_")


def test_options_reach_the_fit():
    weights = 1.0 + np.arange(180) % 3
    model = MixedRegressor(
        "~ f(Days)", reml=False, residual="ar1(Days | Subject)", context={"f": np.sqrt}
    )
    found = model.fit(X, Y, sample_weight=weights)
    truth = lf.lmer(
        "Reaction ~ sqrt(Days)",
        SLEEP.assign(w=weights),
        reml=False,
        residual="ar1(Days | Subject)",
        weights="w",
    )
    assert found.fit_.criterion == pytest.approx(truth.criterion, abs=1e-9)
    new = X.assign(Days=X["Days"] + 10, w=1.0)
    np.testing.assert_allclose(found.predict(new.drop(columns="w")), truth.predict(new), rtol=1e-8)
    with pytest.raises(ColumnError, match="`f` is neither"):
        MixedRegressor("~ f(Days)").fit(X, Y)
    coded = MixedRegressor("~ Subject", contrasts={"Subject": "contr.sum"}).fit(X, Y)
    assert coded.fit_.params["Intercept"] == pytest.approx(Y.mean())


@pytest.mark.parametrize("random", ["all", "none", ["Subject"]])
def test_predictions_with_and_without_random_effects(random):
    found = MixedRegressor(FORMULA, random=random).fit(SLEEP)
    np.testing.assert_allclose(found.predict(X), TRUTH.predict(X, random=random), rtol=1e-9)


def test_groups_that_are_new():
    new = pd.DataFrame({"Days": [0.0, 9.0], "Subject": ["one", "two"]})
    found = MixedRegressor(FORMULA).fit(SLEEP)
    np.testing.assert_allclose(found.predict(new), TRUTH.predict(new, random="none"))
    with pytest.raises(DataError, match="levels that no row of the fit has"):
        found.set_params(new_levels="raise").predict(new)


def test_rows_with_gaps():
    gaps = SLEEP.copy()
    gaps.iloc[3, 0] = gaps.iloc[5, 1] = np.nan
    with pytest.warns(lf.errors.MissingDataWarning):
        found = MixedRegressor(FORMULA).fit(gaps)
    assert found.fit_.nobs == 178
    assert np.flatnonzero(np.isnan(found.predict(gaps))).tolist() == [5]
    with pytest.raises(lf.errors.MissingDataError):
        MixedRegressor(FORMULA, missing="raise").fit(gaps)


def test_the_names_of_responses():
    y = Y.rename(None)
    assert MixedRegressor(RIGHT).fit(X, y).response_ == "y"
    assert MixedRegressor("~ 1").fit(X.assign(y=np.arange(180.0)), Y.to_numpy()).response_ == "y_"
    spaced = MixedRegressor(RIGHT).fit(X, Y.rename("reaction time"))
    assert spaced.fit_.formula.startswith("`reaction time` ~ Days")
    again = MixedRegressor(spaced.fit_.formula).fit(X.assign(**{"reaction time": Y}))
    assert again.fit_.criterion == pytest.approx(TRUTH.criterion, abs=1e-9)


def test_cross_validation_by_groups():
    folds = GroupKFold(n_splits=3)
    groups = SLEEP["Subject"]
    named = cross_val_score(MixedRegressor(FORMULA), SLEEP, groups=groups, cv=folds)
    given = cross_val_score(MixedRegressor(RIGHT), X, Y, groups=groups, cv=folds)
    truth = []
    for train, test in folds.split(X, Y, groups):
        fit = lf.lmer(FORMULA, SLEEP.iloc[train])
        truth.append(r2_score(Y.iloc[test], fit.predict(SLEEP.iloc[test], new_levels="zero")))
    np.testing.assert_allclose(named, truth, atol=1e-9)
    np.testing.assert_allclose(given, truth, atol=1e-9)
    assert cross_val_predict(MixedRegressor(RIGHT), X, Y, groups=groups, cv=folds).shape == (180,)


def test_formulas_are_searched():
    formulas = ["~ 1", "~ Days + (1 | Subject)", RIGHT]
    search = GridSearchCV(MixedRegressor("~ 1"), {"formula": formulas}, cv=3)
    order = np.random.default_rng(0).permutation(180)
    search.fit(X.iloc[order], Y.iloc[order])
    assert search.best_params_ == {"formula": RIGHT}
    assert search.best_estimator_.fit_.criterion == pytest.approx(TRUTH.criterion, abs=1e-9)


def test_pipelines_that_keep_names():
    scaled = make_column_transformer(
        (StandardScaler(), ["Days"]), remainder="passthrough", verbose_feature_names_out=False
    )
    pipeline = make_pipeline(scaled, MixedRegressor(RIGHT)).set_output(transform="pandas")
    pipeline.fit(X, Y)
    np.testing.assert_allclose(pipeline.predict(X), TRUTH.fittedvalues, rtol=1e-7)
    assert pipeline[-1].fit_.params["Intercept"] == pytest.approx(Y.mean())


def test_transformed_responses():
    wrapped = TransformedTargetRegressor(MixedRegressor(RIGHT), func=np.log, inverse_func=np.exp)
    found = wrapped.fit(X, Y).predict(X)
    truth = lf.lmer("log(Reaction) ~ Days + (Days | Subject)", SLEEP)
    np.testing.assert_allclose(found, np.exp(truth.fittedvalues), rtol=1e-7)


def test_clone_and_pickle():
    model = MixedRegressor(FORMULA, reml=False, control=lf.Control(seed=3))
    copied = clone(model)
    assert copied.get_params() == model.get_params() | {"control": copied.control}
    assert copied.control.seed == 3
    assert not hasattr(copied.fit(SLEEP), "nothing")
    assert not hasattr(clone(copied), "fit_")
    again = pickle.loads(pickle.dumps(copied))
    np.testing.assert_array_equal(again.predict(X), copied.predict(X))


def test_bad_input():
    with pytest.raises(ArgumentError, match="must be a column"):
        MixedRegressor("log(Reaction) ~ Days").fit(SLEEP)
    with pytest.raises(DataError, match="y is not the column `Reaction` of X"):
        MixedRegressor(FORMULA).fit(SLEEP, Y + 1)
    with pytest.raises(DataError, match="no column `Reaction`"):
        MixedRegressor(FORMULA).fit(X)
    with pytest.raises(ColumnError, match="Did you mean `Days`"):
        MixedRegressor("~ Day").fit(X, Y)
    with pytest.raises(ArgumentError, match="Did you mean `reml`"):
        MixedRegressor(FORMULA, REML=False)
    with pytest.raises(NotFittedError):
        MixedRegressor(FORMULA).predict(X)
    with pytest.raises(NotFittedError):
        MixedRegressor(FORMULA).score(SLEEP)
    with pytest.raises(ValueError, match="feature names"):
        MixedRegressor(FORMULA).fit(SLEEP).predict(SLEEP.assign(more=1))
    with pytest.raises(ValueError, match="Negative values"):
        MixedRegressor(FORMULA).fit(SLEEP, sample_weight=-np.ones(180))
    with pytest.raises(FormulaError, match="a formula is a string"):
        MixedRegressor(3).fit(SLEEP)


def test_without_scikit_learn():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import lmforms as lf\n"
        "try: lf.sklearn\n"
        "except lf.errors.MissingPackageError as error: assert 'lmforms[sklearn]' in str(error)\n"
        "else: raise AssertionError\n"
        "import lmforms.interop"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
