"""The estimator: invariances, encode and decode, labels, algorithm1, scikit-learn's conventions."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import form_data

import lmforms as lf
from lmforms.errors import ConvergenceWarning
from lmforms.latent import Codes, LinearMixedForm, choose_rank
from lmforms.latent.banh_algorithm1 import step
from lmforms.latent.canonical import canonical
from lmforms.latent.modalities import Modalities

few = settings(deadline=None, max_examples=20)


def clone(form):
    """What scikit-learn's clone does."""
    return type(form)(**form.get_params(deep=False))


def noisy(seed=0, noise=0.3, n=60, k=2, sizes=(6, 7, 8)):
    return form_data(np.random.default_rng(seed), n, sizes, k, noise)


def fitted(data, k=2, **params):
    return LinearMixedForm(k, tol=1e-13, max_iter=5000, **params).fit(*data)


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 4))
def test_canonical_form_undoes_any_invertible_map(seed, k):
    rng = np.random.default_rng(seed)
    codes = Codes(*rng.normal(size=(2, 20, k)))
    loadings = tuple(rng.normal(size=(c, k)) for c in (4, 5, 6))
    weights = rng.uniform(0.5, 2, size=3)
    T = np.linalg.qr(rng.normal(size=(k, k)))[0] * rng.uniform(0.2, 5, size=k)
    mapped = (
        Codes(*(A @ T for A in codes)),
        tuple(A @ np.linalg.inv(T).T for A in loadings),
    )
    here, there = (canonical(*pair, weights) for pair in ((codes, loadings), mapped))
    for a, b in zip((*here[0], *here[1]), (*there[0], *there[1])):
        np.testing.assert_allclose(a, b, atol=1e-8)
    (K, H), (alpha, beta, _) = here
    np.testing.assert_allclose(K @ beta.T, codes.K @ loadings[1].T, atol=1e-10)
    np.testing.assert_allclose((K + H) @ alpha.T, sum(codes) @ loadings[0].T, atol=1e-10)
    grams = K.T @ K + H.T @ H, sum(w * A.T @ A for w, A in zip(weights, here[1]))
    np.testing.assert_allclose(grams[0], grams[1], atol=1e-9)
    np.testing.assert_allclose(grams[0], np.diag(np.diag(grams[0])), atol=1e-9)


def test_order_of_rows_does_not_matter():
    data = noisy()
    order = np.random.default_rng(1).permutation(60)
    here, there = fitted(data), fitted([A[order] for A in data])
    assert there.objective_ == pytest.approx(here.objective_, rel=1e-9)
    np.testing.assert_allclose(there.K_, here.K_[order], atol=1e-4)
    np.testing.assert_allclose(there.beta_, here.beta_, atol=1e-3)


def test_units_of_a_modality_do_not_matter():
    Y, X, Z = noisy()
    here, there = fitted((Y, X, Z)), fitted((1e3 * Y, 1e-4 * X, 7 * Z))
    assert there.objective_ == pytest.approx(here.objective_, rel=1e-9)
    np.testing.assert_allclose(there.K_, here.K_, atol=1e-4)
    np.testing.assert_allclose(
        there.alpha_, 1e3 * here.alpha_, rtol=1e-3, atol=1e-3 * abs(1e3 * here.alpha_).max()
    )
    np.testing.assert_allclose(there.explained_, here.explained_, atol=1e-6)


def test_two_runs_agree_and_a_previous_fit_is_a_start():
    data = noisy(3)
    first = fitted(data)
    again = fitted(data, start=first)
    assert again.status_.n_iter <= first.status_.n_iter
    assert again.objective_ <= first.objective_ * (1 + 1e-12)
    np.testing.assert_array_equal(fitted(data).K_, first.K_)
    starts = ["random", "svd", "random"]
    several = LinearMixedForm(2, start=starts, seed=4, max_iter=2000).fit(*data)
    assert several.objective_ <= first.objective_ * (1 + 1e-6)


def test_attributes_are_what_they_say():
    data = noisy(5)
    form = fitted(data, weights={"Y": 2.0, "X": 0.5, "Z": 1.0})
    K, H = form.K_, form.H_
    rests = [
        A - C @ L.T for A, C, L in zip(data, (K + H, K, H), (form.alpha_, form.beta_, form.u_))
    ]
    F = sum(w * np.sum(R**2) for w, R in zip((2.0, 0.5, 1.0), rests))
    assert form.objective_ == pytest.approx(F, rel=1e-9)
    np.testing.assert_allclose(form.D_, np.mean(rests[0] ** 2, axis=0), rtol=1e-8)
    for name, A, R in zip("YXZ", data, rests):
        assert form.explained_[name] == pytest.approx(1 - np.sum(R**2) / np.sum(A**2))
    identity = form.form_identity(normalised=False)
    a, b, u = form.alpha_, form.beta_, form.u_
    np.testing.assert_allclose((K + H) @ (a.T @ a), K @ (b.T @ b) + H @ (u.T @ u) + identity.e)
    S = (K + H).T @ (K + H) / 60
    np.testing.assert_allclose(form.implied_covariance("Y"), a @ S @ a.T + np.diag(form.D_))
    assert form.covariance_share(data[0], "Y") > 0.95
    assert np.diag(form.implied_covariance("Z")) == pytest.approx(np.mean(data[2] ** 2, axis=0))


def test_encode_of_the_same_rows_gives_their_codes():
    Y, X, Z = noisy(6)
    form = fitted((Y, X, Z))
    codes = form.encode(Y=Y, X=X, Z=sp.csr_array(Z))
    np.testing.assert_allclose(codes.K, form.K_, atol=1e-5)
    np.testing.assert_allclose(codes.H, form.H_, atol=1e-5)


def test_any_modality_is_predicted_from_others_on_exact_data():
    Y, X, Z = form_data(np.random.default_rng(2), 60, (6, 7, 8), 2)
    new, old = slice(50, None), slice(0, 50)
    form = LinearMixedForm(2).fit(Y[old], X[old], Z[old])
    np.testing.assert_allclose(form.transform(X=X[new], Z=Z[new], to="Y"), Y[new], atol=1e-7)
    np.testing.assert_allclose(form.transform(Y=Y[new], X=X[new], to="Z"), Z[new], atol=1e-7)
    np.testing.assert_allclose(form.transform(Y=Y[new], Z=Z[new], to="X"), X[new], atol=1e-7)
    gaps = Y[new].copy()
    gaps[::2, 1:3] = np.nan
    np.testing.assert_allclose(form.transform(Y=gaps, X=X[new], to="Y"), Y[new], atol=1e-7)


@few
@given(st.integers(0, 2**32 - 1))
def test_codes_left_open_are_their_regression(seed):
    """From X alone, H is its regression on K over the rows of the fit."""
    Y, X, Z = noisy(seed)
    form = LinearMixedForm(2, max_iter=2000).fit(Y, X, Z)
    K = X @ form.beta_ @ np.linalg.inv(form.beta_.T @ form.beta_)
    slope = np.linalg.lstsq(form.K_, form.H_, rcond=None)[0]
    codes = form.encode(X=X)
    np.testing.assert_allclose(codes.K, K, atol=1e-8)
    np.testing.assert_allclose(codes.H, K @ slope, atol=1e-8)


def test_shrunk_codes_are_best_linear_predictions():
    """E[c | x] = ΣL'(LΣL' + vI)⁻¹x, from the dense covariance of X and Z."""
    Y, X, Z = noisy(4)
    form = fitted((Y, X, Z))
    both = np.hstack([form.K_, form.H_])
    moments = both.T @ both / 60
    zero = np.zeros_like
    L = np.vstack([np.hstack([form.beta_, zero(form.beta_)]), np.hstack([zero(form.u_), form.u_])])
    rests = X - form.K_ @ form.beta_.T, Z - form.H_ @ form.u_.T
    noise = np.concatenate([np.mean(R**2, axis=0) for R in rests])
    dense = np.hstack([X, Z]) @ np.linalg.solve(L @ moments @ L.T + np.diag(noise), L @ moments)
    codes = form.encode(X=X, Z=Z, shrink=True)
    np.testing.assert_allclose(np.hstack(codes), dense, atol=1e-8)


def test_labels_are_kept():
    Y, X, Z = noisy()
    rows = pd.Index([f"r{i}" for i in range(60)])
    frames = [
        pd.DataFrame(A, index=rows, columns=[f"{name}{j}" for j in range(A.shape[1])])
        for name, A in zip("yxz", (Y, X, Z))
    ]
    form = fitted(frames)
    assert form.K_.index.equals(rows)
    assert list(form.alpha_.index) == list(frames[0].columns)
    predicted = form.transform(X=frames[1], Z=Z, to="Y")
    assert predicted.index.equals(rows)
    assert predicted.columns.equals(frames[0].columns)
    np.testing.assert_allclose(form.K_, fitted((Y, X, Z)).K_)


def test_algorithm1_makes_the_corrected_steps():
    Y, X, Z = noisy(8, noise=0.05)
    data, codes = Modalities.of(Y, X, Z), Codes(*np.random.default_rng(0).normal(size=(2, 60, 2)))
    inv = np.linalg.inv
    loadings = tuple(np.random.default_rng(1).normal(size=(c, 2)) for c in (6, 7, 8))
    a, b, u = loadings
    np.testing.assert_allclose(
        step(data, codes, loadings, (1.0,) * 3, 3).H, Y @ a @ inv(a.T @ a) - codes.K
    )
    np.testing.assert_allclose(step(data, codes, loadings, (1.0,) * 3, 4).K, X @ b @ inv(b.T @ b))
    np.testing.assert_allclose(step(data, codes, loadings, (1.0,) * 3, 5).H, Z @ u @ inv(u.T @ u))


def test_algorithm1_is_a_method():
    data = noisy(8, noise=0.05)
    with pytest.warns(ConvergenceWarning):
        form = LinearMixedForm(2, method="algorithm1", max_iter=2).fit(*data)
    assert len(form.objective_trace_) == 3
    plain = LinearMixedForm(2, method="algorithm1", max_iter=3000).fit(*data)
    assert plain.objective_ >= fitted(data).objective_ * (1 - 1e-9)
    assert (plain.explained_ > 0.9).all()
    exact = LinearMixedForm(2, method="algorithm1").fit(*noisy(1, noise=0.0))
    assert (exact.explained_ > 1 - 1e-12).all()


def test_algorithm1_says_when_its_codes_run_away():
    """What is reported is F of the codes at hand, however large they are."""
    data = noisy(0, noise=1.0)
    with pytest.warns(ConvergenceWarning, match="without end"):
        form = LinearMixedForm(2, method="algorithm1", max_iter=3000).fit(*data)
    assert np.linalg.norm(form.H_) > 1e10
    rests = [A - form.reconstruction(name) for name, A in zip("YXZ", data)]
    F = sum(w * np.sum(R**2) for w, R in zip(form.weights_, rests))
    assert form.objective_ == pytest.approx(F, rel=1e-9)
    np.testing.assert_allclose(
        form.explained_, [1 - np.sum(R**2) / np.sum(A**2) for A, R in zip(data, rests)], rtol=1e-6
    )


def test_algorithm1_shrinks_its_loadings():
    params = {"method": "algorithm1", "max_iter": 6, "tol": 0.0}
    with pytest.warns(ConvergenceWarning):
        plain = LinearMixedForm(2, **params).fit(*noisy(8))
    with pytest.warns(ConvergenceWarning):
        shrunken = LinearMixedForm(2, l1=0.01, l2=0.1, **params).fit(*noisy(8))
    assert np.isfinite(shrunken.K_).all()
    assert not np.allclose(shrunken.reconstruction(), plain.reconstruction())


def test_parameters_follow_scikit_learn():
    form = LinearMixedForm(3, ridge=0.1, seed=5)
    twin = clone(form)
    assert twin is not form
    assert twin.get_params() == form.get_params()
    assert twin.set_params(rank=2) is twin
    assert repr(twin) == "LinearMixedForm(rank=2, ridge=0.1, seed=5)"
    with pytest.raises(lf.errors.ArgumentError, match="ridge"):
        twin.set_params(ridg=1.0)
    assert clone(twin).fit(*noisy()).rank_ == 2


@pytest.mark.parametrize("held", ["rows", "entries"])
def test_choose_rank_finds_the_rank(held):
    table = choose_rank(*noisy(0, n=100), ranks=[1, 2, 3], held=held, folds=4, max_iter=3000)
    assert list(table.columns) == ["rank", "fold", "n_held", "error", "share", "converged"]
    assert len(table) == 12
    assert table.groupby("rank")["n_held"].sum().eq(600).all()
    share = table.groupby("rank")["share"].mean()
    assert share[2] > share[1] + 0.05
    assert share[3] < share[2] + 0.02


def test_choose_rank_warns_of_fits_that_did_not_converge():
    with pytest.warns(ConvergenceWarning, match="4 of 8 fits.*`converged`"):
        table = choose_rank(*noisy(0, n=100, noise=1.0), ranks=[1, 5], folds=4, max_iter=12)
    assert table.loc[~table["converged"], "rank"].eq(5).all()
