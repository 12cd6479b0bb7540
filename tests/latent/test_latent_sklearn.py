"""FormRegressor against the form it holds, in scikit-learn's own checks and company."""

from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from simulated import form_data

pytest.importorskip("sklearn")

from sklearn.base import clone
from sklearn.compose import ColumnTransformer, make_column_selector
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from lmforms.errors import ArgumentError, ColumnError, DataError, MissingPackageError, ModelError
from lmforms.latent import LinearMixedForm
from lmforms.latent.column_sides import split_columns
from lmforms.latent.sklearn import FormRegressor

pytestmark = pytest.mark.one_in(4)

Y, X, Z = form_data(np.random.default_rng(0), 80, (5, 6, 7), 2, noise=0.2)
BOTH = np.hstack([X, Z]) + 3.0
FRAME = pd.DataFrame(
    BOTH,
    index=[f"r{i}" for i in range(80)],
    columns=[f"x{j}" for j in range(6)] + [f"z{j}" for j in range(7)],
)
SEEN, NEW = slice(0, 60), slice(60, None)


def model(rank=2, **params):
    return FormRegressor(rank, **{"fixed": slice(0, 6), "tol": 1e-8, **params})


# scikit-learn tries tables of two columns and up: one is fixed, and the rank is one. It also
# tries noise, on which a descent crawls.
@parametrize_with_checks(
    [FormRegressor(fixed=[0], tol=1e-6), FormRegressor(random=[0], centre="y", tol=1e-6)]
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.parametrize("shrink", [True, False])
def test_it_is_the_form_of_centred_data(shrink):
    found = model(shrink=shrink).fit(BOTH[SEEN], Y[SEEN] + 9.0)
    means = BOTH[SEEN].mean(axis=0)
    y_mean = Y[SEEN].mean(axis=0) + 9.0
    left, right = (BOTH - means)[:, :6], (BOTH - means)[:, 6:]
    form = LinearMixedForm(2, tol=1e-8).fit(Y[SEEN] + 9.0 - y_mean, left[SEEN], right[SEEN])
    np.testing.assert_allclose(found.form_.K_, form.K_)
    codes = form.encode(X=left[NEW], Z=right[NEW], shrink=shrink)
    np.testing.assert_allclose(found.predict(BOTH[NEW]), form.decode(codes) + y_mean)
    np.testing.assert_allclose(found.transform(BOTH[NEW]), np.hstack(codes))
    assert found.n_iter_ == form.status_.n_iter
    assert found.score(BOTH[NEW], Y[NEW] + 9.0) > 0.9


@pytest.mark.parametrize("centre, of_x, of_y", [(True, 1, 1), ("y", 0, 1), (False, 0, 0)])
def test_what_is_centred(centre, of_x, of_y):
    found = model(centre=centre, tol=1e-4).fit(BOTH, Y + 1.0)
    np.testing.assert_allclose(found.X_mean_, of_x * BOTH.mean(axis=0))
    np.testing.assert_allclose(found.y_mean_, of_y * (Y + 1.0).mean(axis=0))


def test_predictions_have_the_shape_of_y():
    for y in (Y, Y[:, :1], Y[:, 0], pd.Series(Y[:, 0]), pd.DataFrame(Y)):
        found = model(tol=1e-4).fit(BOTH, y)
        assert found.predict(BOTH[:4]).shape == (4, *np.shape(y)[1:])
    one = model(rank=2).fit(BOTH, Y[:, 0])
    assert np.ndim(one.y_mean_) == 0
    assert one.score(BOTH, Y[:, 0]) > 0.8


@pytest.mark.parametrize(
    "fixed, random",
    [
        (slice(0, 6), None),
        (None, slice(6, None)),
        ([0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11, -1]),
        ([f"x{j}" for j in range(6)], None),
        (slice("x0", "x5"), slice("z0", None)),
        ([True] * 6 + [False] * 7, None),
        (make_column_selector(pattern="^x"), make_column_selector(pattern="^z")),
        (None, lambda frame: [c for c in frame.columns if c.startswith("z")]),
        (pd.Index([f"x{j}" for j in range(6)]), np.arange(6, 13)),
    ],
)
def test_ways_to_choose_columns(fixed, random):
    found = model(fixed=fixed, random=random, tol=1e-4).fit(FRAME, Y)
    np.testing.assert_array_equal(found.fixed_, np.arange(6))
    np.testing.assert_array_equal(found.random_, np.arange(6, 13))


def test_columns_in_neither_side_are_not_used():
    found = model(fixed=slice(0, 6), random=slice(6, 10), tol=1e-4).fit(BOTH, Y)
    changed = BOTH.copy()
    changed[:, 10:] += 100.0
    np.testing.assert_array_equal(found.predict(changed), found.predict(BOTH))
    changed[:, 3] += 1.0
    assert not np.allclose(found.predict(changed), found.predict(BOTH))


def test_names_reach_the_form():
    y = pd.DataFrame(Y, columns=list("abcde"))  # other row labels: rows are matched by place
    found = model().fit(FRAME, y)
    assert list(found.form_.beta_.index) == [f"x{j}" for j in range(6)]
    assert list(found.form_.alpha_.index) == list("abcde")
    assert found.form_.K_.index.equals(FRAME.index)
    assert list(found.feature_names_in_) == list(FRAME.columns)
    np.testing.assert_allclose(found.predict(FRAME), model().fit(BOTH, Y).predict(BOTH))
    with pytest.raises(ValueError, match="feature names"):
        found.predict(FRAME.rename(columns={"x0": "w"}))


def test_names_of_codes():
    found = model().set_output(transform="pandas").fit(FRAME, Y)
    codes = found.transform(FRAME)
    assert list(codes.columns) == ["K1", "K2", "H1", "H2"] == list(found.get_feature_names_out())
    assert codes.index.equals(FRAME.index)
    assert list(found.get_feature_names_out(FRAME.columns)) == list(codes.columns)
    with pytest.raises(DataError, match="13 columns of the fit"):
        found.get_feature_names_out(["a"])
    with pytest.raises(NotFittedError):
        model().get_feature_names_out()


def test_a_grid_search_finds_the_rank():
    pipeline = make_pipeline(StandardScaler(), model(tol=1e-5))
    grid = {"formregressor__rank": [1, 2], "formregressor__shrink": [True, False]}
    search = GridSearchCV(pipeline, grid, cv=3, error_score="raise").fit(BOTH, Y)
    assert search.best_params_["formregressor__rank"] == 2
    assert search.score(BOTH, Y) > 0.85


def test_codes_feed_the_next_step():
    pipeline = make_pipeline(model(tol=1e-5), Ridge(1e-6))
    assert cross_val_score(pipeline, BOTH, Y, cv=3).min() > 0.75


def test_sparse_indicators_behind_a_column_transformer():
    rng = np.random.default_rng(1)
    group = rng.integers(0, 8, size=200)
    effects = rng.normal(size=(8, 4))
    x = rng.normal(size=(200, 3))
    frame = pd.DataFrame(x, columns=list("abc")).assign(group=[f"g{g}" for g in group])
    y = x @ rng.normal(size=(3, 4)) + effects[group] + 0.1 * rng.normal(size=(200, 4))
    columns = ColumnTransformer(
        [("x", StandardScaler(), list("abc")), ("g", OneHotEncoder(), ["group"])],
        sparse_threshold=1.0,
    )
    form = FormRegressor(3, fixed=slice(0, 3), centre="y", tol=1e-6, max_iter=2000)
    sparse = make_pipeline(columns, form).fit(frame, y)
    assert sp.issparse(sparse[0].transform(frame))
    dense = make_pipeline(clone(columns).set_params(sparse_threshold=0.0), clone(form))
    np.testing.assert_allclose(sparse.predict(frame), dense.fit(frame, y).predict(frame), atol=1e-3)
    with pytest.raises(DataError, match=r"sparse.*centre='y'"):
        sparse.set_params(formregressor__centre=True).fit(frame, y)


def test_pickled_and_cloned():
    found = model().fit(FRAME, Y)
    again = pickle.loads(pickle.dumps(found))
    np.testing.assert_array_equal(again.predict(FRAME), found.predict(FRAME))
    twin = clone(found)
    assert twin.get_params() == found.get_params()
    assert not hasattr(twin, "form_")


def test_a_fit_is_a_start_even_after_a_clone():
    first = model().fit(BOTH, Y)
    again = clone(model(start=first.form_))
    assert again.fit(BOTH, Y).n_iter_ < first.n_iter_
    assert again.form_.objective_ <= first.form_.objective_ * (1 + 1e-12)


@pytest.mark.parametrize(
    "params, data, error, message",
    [
        ({"fixed": None}, BOTH, ArgumentError, "fixed=.*random="),
        ({"fixed": []}, BOTH, DataError, "left for the fixed side"),
        ({"fixed": slice(0, 13)}, BOTH, DataError, "left for the random side"),
        ({"fixed": ["x0", "x_1"]}, FRAME, ColumnError, "'x_1'.*Did you mean `x1`"),
        ({"fixed": ["x0"]}, BOTH, ColumnError, "X has no names"),
        ({"fixed": [0, 13]}, BOTH, ColumnError, "place 13: X has 13 columns"),
        ({"fixed": [0, 0]}, BOTH, ArgumentError, "twice"),
        ({"fixed": [0, -13]}, BOTH, ArgumentError, "twice"),
        ({"fixed": [True, False]}, BOTH, ArgumentError, "masks 2 columns"),
        ({"fixed": [0, "x1"]}, FRAME, ArgumentError, "names, places or a boolean mask"),
        ({"fixed": 1.5}, BOTH, ArgumentError, "fixed=1.5"),
        ({"fixed": slice(0, 1.5)}, BOTH, ArgumentError, "not a slice"),
        ({"centre": "x"}, BOTH, ArgumentError, "centre='x'"),
        ({"rank": 7}, BOTH, ModelError, "rank=7"),
        ({"rank": 0}, BOTH, ArgumentError, "rank=0"),
        ({"l1": 1.0}, BOTH, ArgumentError, "algorithm1"),
    ],
)
def test_bad_parameters(params, data, error, message):
    with pytest.raises(error, match=message):
        model(**params).fit(data, Y)


def test_bad_data():
    found = model(tol=1e-4).fit(BOTH, Y)
    with pytest.raises(ValueError, match="12 features"):
        found.predict(BOTH[:, :12])
    with pytest.raises(ValueError, match="NaN"):
        model().fit(BOTH, np.where(Y > 0, Y, np.nan))
    with pytest.raises(DataError, match="sparse"):
        found.predict(sp.csr_array(BOTH))


def test_repeated_names_are_refused():
    with pytest.raises(ColumnError, match="several columns 'a'"):
        split_columns(["a"], None, np.array(["a", "a", "b"]), 3)


def test_without_scikit_learn_the_extra_is_named():
    code = (
        "import sys; sys.modules['sklearn'] = None\n"
        "import lmforms as lf; lf.latent.LinearMixedForm\n"
        "try:\n    import lmforms.latent.sklearn\n"
        "except lf.errors.MissingPackageError as error:\n"
        "    assert 'lmforms[sklearn]' in str(error)\n"
        "else:\n    raise SystemExit('no error')"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    assert issubclass(MissingPackageError, ImportError)


class TestTheFormItself:
    """LinearMixedForm has three matrices, and is no estimator of pipelines, but it is cloned."""

    def test_clone(self):
        form = LinearMixedForm(2, ridge=0.1, weights={"Y": 1.0, "X": 2.0, "Z": 1.0}, seed=3)
        form.fit(Y, X, Z)
        twin = clone(form)
        assert twin.get_params() == form.get_params()
        assert not hasattr(twin, "K_")
        np.testing.assert_array_equal(twin.fit(Y, X, Z).K_, form.K_)

    def test_parameters_and_repr(self):
        form = clone(LinearMixedForm(2)).set_params(rank=3, ridge=0.5)
        assert form.get_params(deep=True) == {**LinearMixedForm(3).get_params(), "ridge": 0.5}
        assert repr(form) == "LinearMixedForm(rank=3, ridge=0.5)"
        assert repr(FormRegressor(2, fixed=[0])) == "FormRegressor(fixed=[0], rank=2)"

    def test_a_fit_is_a_start(self):
        first = LinearMixedForm(2, tol=1e-8).fit(Y, X, Z)
        again = clone(first).set_params(start=first).fit(Y, X, Z)
        assert again.status_.n_iter < first.status_.n_iter
        assert again.objective_ <= first.objective_ * (1 + 1e-12)
        twin = clone(LinearMixedForm(2, start=first))
        assert twin.fit(Y, X, Z).status_.n_iter < first.status_.n_iter


def test_a_boolean_of_numpy_centres_too():
    both = np.hstack([X + 5.0, Z + 3.0])
    fits = [
        FormRegressor(2, fixed=slice(0, X.shape[1]), centre=c, tol=1e-6).fit(both, Y + 7.0)
        for c in (True, np.True_)
    ]
    np.testing.assert_array_equal(fits[0].predict(both), fits[1].predict(both))
    np.testing.assert_allclose(fits[1].X_mean_, both.mean(axis=0))
