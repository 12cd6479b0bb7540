"""What a hostile reader tried: each of these once gave a bare error or a wrong number."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from slow_cases import one_in

import lmforms as lf
from lmforms.errors import ArgumentError, DataError
from lmforms.latent import LinearMixedForm, choose_rank, fitting, rank_choice
from lmforms.latent.als import in_basis_of


def made(n=60, k=2, m=4, p=5, q=6, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    K, H = rng.normal(size=(2, n, k))
    return tuple(
        C @ rng.normal(size=(k, c)) + noise * rng.normal(size=(n, c))
        for C, c in ((K + H, m), (K, p), (H, q))
    )


Y, X, Z = made()


@pytest.mark.parametrize("k, n, noise, seed", [(2, 60, 4, 351757), (3, 100, 2, 14)])
def test_loadings_do_not_run_away_along_a_basis(k, n, noise, seed):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data = made(n, m=3, p=4, q=4, noise=noise, seed=seed)
        form = LinearMixedForm(k, tol=1e-6, max_iter=2000).fit(*data)
    assert max(np.abs(L).max() for L in form.loadings_.values()) < 1e6


def test_a_singular_proposal_is_none():
    there = tuple(np.random.default_rng(0).normal(size=(3, 4, 2)))
    flat = tuple(np.outer(L[:, 0], [1.0, 2.0]) for L in there)
    assert in_basis_of(there, flat, np.ones(3)) is None


@pytest.mark.parametrize("unit", [1.0, 2e-12, 4.4e6])
def test_units_of_a_response_do_not_decide_a_companion(unit):
    sleep = lf.datasets.load("sleepstudy")
    sleep["Reaction"] *= unit
    forms = lf.lmer("Reaction ~ Days + (1 | Subject)", sleep).forms()
    assert forms.form.status_.converged
    assert forms.table.loc["random", "explained"] > 0.98


@pytest.mark.parametrize("scale", [1e-8, 1e-6, 1e8])
def test_likelihood_through_cross_products_knows_no_units(monkeypatch, scale):
    Y, X, Z = made(400)
    X[:, 0] *= scale
    there = LinearMixedForm(2, method="ml").fit(Y, X, Z)
    monkeypatch.setattr(fitting, "compressed", lambda data, rank: None)
    here = LinearMixedForm(2, method="ml").fit(Y, X, Z)
    assert there.objective_ == pytest.approx(here.objective_, abs=1e-2)
    np.testing.assert_allclose(there.variances_["X"], here.variances_["X"], rtol=1e-3)


def test_masked_arrays_have_gaps():
    masked = np.ma.masked_greater(Y, 2.0)
    here, there = (LinearMixedForm(2).fit(A, X, Z) for A in (masked, masked.filled(np.nan)))
    assert here.objective_ == there.objective_
    with pytest.raises(DataError, match="X has missing"):
        LinearMixedForm(2).fit(Y, np.ma.masked_greater(X, 1.0), Z)


@pytest.mark.parametrize(
    "wrong",
    [
        np.ma.array(X + 1j, mask=X > 1.0),
        X + 1j,
        X.astype(np.complex64).astype(object),
        [[1.0, 2.0], [3.0]],
        X.astype(str),
    ],
    ids=["masked complex", "complex", "complex objects", "ragged", "text"],
)
def test_what_is_not_real_numbers_is_refused(wrong):
    with pytest.raises(DataError, match="X is not numeric"):
        LinearMixedForm(2).fit(Y, wrong, Z)


def test_one_dimensional_sparse_arrays_are_columns():
    column = sp.coo_array(X[:, 0])
    if column.ndim != 1:
        pytest.skip("this SciPy makes a row of it")
    form = LinearMixedForm(1, tol=1e-6, max_iter=3000).fit(Y, column, Z)
    assert form.beta_.shape == (1, 1)


def test_no_warning_of_numpy_leaks_from_likelihood():
    for n, m, k, seed in ((62, 1, 1, 87), (77, 4, 1, 304)):
        Y, X, Z = made(n, m=m, p=2, q=6, noise=3, seed=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            with pytest.warns(lf.errors.SingularWarning, match=r"X \(column 0, column 1\)"):
                form = LinearMixedForm(k, method="ml").fit(Y, X * 1e-5 + 5, Z)
        assert np.isfinite(form.objective_trace_).all()
        for A, D in zip((Y, X * 1e-5 + 5, Z), form.variances_.values()):
            assert (0.999e-4 * np.mean(A**2, axis=0) <= D).all()  # the floor the chapter names


def test_weights_of_a_fit_are_weights():
    form = LinearMixedForm(2).fit(Y, X, Z)
    again = LinearMixedForm(2, weights=form.weights_).fit(Y, X, Z)
    assert again.objective_ == pytest.approx(form.objective_)


@pytest.mark.parametrize(
    "data, error, message",
    [
        ((Y * 1e155, X, Z), DataError, "entries of Y are so large"),
        ((Y * 1e-165, X, Z), DataError, "entries of Y are so small"),
        ((Y, None, Z), DataError, "X is None"),
        ((Y, {"a": X, "b": None}, Z), DataError, "b is None"),
        ((Y, [X[:, 0], X[:, 1]], Z), ArgumentError, "X is a list.*column_stack"),
        ((Y, np.array([["1", "2"]] * 60, dtype=object), Z), DataError, "X is not numeric.*text"),
    ],
)
def test_bad_matrices(data, error, message):
    with pytest.raises(error, match=message):
        LinearMixedForm(1).fit(*data)


def test_bad_codes():
    form = LinearMixedForm(2).fit(Y, X, Z)
    K, H = form.K_, form.H_
    frames = [pd.DataFrame(A[:3], index=list(rows)) for A, rows in ((K, "abc"), (H, "cba"))]
    assert form.decode(([[1.0, 2.0]], [[3.0, 4.0]])).shape == (1, 4)
    np.testing.assert_allclose(form.decode((K[:3], H[:3]))[0], form.reconstruction()[0])
    for codes, message in (
        ((K[:3], H[:1]), "shape"),
        ((K[:3], H[:3, :1]), "shape"),
        (frames, "different row labels"),
        (5, "pair"),
        ((K, H, K), "pair|shape"),
        ((np.full((2, 2), "a"), H[:2]), "not numeric"),
    ):
        with pytest.raises(DataError, match=message):
            form.decode(codes)
    for name in (None, 0, ["Y"]):
        with pytest.raises(ArgumentError, match="use one of"):
            form.decode((K, H), to=name)
        with pytest.raises(ArgumentError, match="use one of"):
            form.implied_covariance(name)


def test_a_start_has_the_same_columns_and_sides():
    frame = pd.DataFrame(X, columns=list("abcde"))
    form = LinearMixedForm(2).fit(Y, frame, Z)
    with pytest.raises(ArgumentError, match="another X, or other columns"):
        LinearMixedForm(2, start=form).fit(Y, frame[list("edcba")], Z)
    sided = LinearMixedForm(2).fit(Y, {"u": X}, {"v": X[:, ::-1] + Z[:, :5]})
    with pytest.raises(ArgumentError, match="another"):
        LinearMixedForm(2, start=sided).fit(Y, {"v": X}, {"u": X[:, ::-1] + Z[:, :5]})
    form.set_params(start=form)
    assert "start=..." in repr(form)


@pytest.mark.parametrize(
    "params, error, message",
    [
        ({"rank": 3}, ArgumentError, "ranks="),
        ({"foo": 3}, ArgumentError, "no parameter 'foo'"),
        ({"ranks": 3}, ArgumentError, "ranks must be a sequence"),
        ({"ranks": []}, ArgumentError, "ranks is empty"),
        ({"ranks": [1, 2.0]}, ArgumentError, "ranks=2.0"),
        ({"ranks": [1, 9]}, lf.errors.ModelError, "rank=9"),
        ({"folds": 2.5}, ArgumentError, "folds=2.5"),
        ({"seed": -1}, ArgumentError, "seed=-1"),
        ({"held": "entries", "method": "ml"}, ArgumentError, "only method='als'"),
    ],
)
def test_choose_rank_checks_before_it_fits(monkeypatch, params, error, message):
    monkeypatch.setattr(rank_choice, "best_fit", None)
    with pytest.raises(error, match=message):
        choose_rank(Y, X, Z, **params)


def test_choose_rank_refuses_a_column_that_a_fold_does_not_know():
    gaps = Y.copy()
    gaps[1:, 0] = np.nan
    with pytest.raises(DataError, match="no entry left"):
        choose_rank(gaps, X, Z, ranks=[1])


def test_changed_responses_are_noticed_and_zero_ones_refused():
    sleep = lf.datasets.load("sleepstudy")
    responses = np.random.default_rng(0).normal(size=(180, 3)) + sleep[["Days"]].to_numpy()
    many = lf.lmer_many("~ Days + (1 | Subject)", sleep, responses)
    responses += 1.0
    with pytest.raises(DataError, match="changed"):
        many.forms()
    with pytest.warns(lf.errors.NotEstimableWarning):
        zero = lf.lmer_many("~ Days + (1 | Subject)", sleep, np.zeros((180, 2)))
    with pytest.raises(DataError, match="Y are so small, or zero"):
        zero.forms()


@pytest.mark.parametrize("seed", one_in(2, range(4)))
def test_columns_that_hardly_vary_do_not_stop_likelihood(seed):
    """A column of zeros has no noise to estimate, and changes nothing, in whatever order and unit.

    The rank is above that of the data, where rounding would be taken for a component.
    """
    rng = np.random.default_rng(3)
    Y, X, Z = made(300, k=3, p=8, q=8)
    rare = np.where(rng.random(300) < 0.01, 1.0, 0.0)[:, None]
    X = np.hstack([X, rare, np.zeros((300, 2))])
    blank = np.arange(11) > 8
    if seed:
        rng = np.random.default_rng(seed)
        rows, columns = rng.permutation(300), rng.permutation(11)
        Y, X, Z, blank = 0.7 * Y[rows], X[rows][:, columns] / 3.3, Z[rows] * 1.1, blank[columns]
    settings = {"method": "ml", "tol": 1e-5, "max_iter": 5000}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        with pytest.warns(lf.errors.ConstantColumnWarning):
            form = LinearMixedForm(5, **settings).fit(Y, X, Z)
    assert form.status_.converged
    plain = LinearMixedForm(5, **settings).fit(Y, X[:, ~blank], Z)
    np.testing.assert_array_equal(form.reconstruction(), plain.reconstruction())
