"""Maximum likelihood: against the dense normal density, and what EM promises."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import block_diag
from scipy.stats import multivariate_normal
from simulated import form_data

from lmforms.errors import DataError, SingularWarning
from lmforms.latent import LinearMixedForm, choose_rank, fitting
from lmforms.latent.form_likelihood import Expectation, FactorModel, expectation, maximisation
from lmforms.latent.modalities import Modalities, Modality, Side

few = settings(deadline=None, max_examples=25)


@st.composite
def laws(draw):
    """Data of any kind, and parameters that have nothing to do with them."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k, n = draw(st.integers(1, 3)), draw(st.integers(6, 25))
    sides = [Side.RESPONSE]
    for side in (Side.FIXED, Side.RANDOM):
        sides += [side] * draw(st.integers(1, 2))
    widths = [draw(st.integers(1, 4)) for _ in sides]
    blocks = [rng.normal(size=(n, c)) for c in widths]
    parts = [
        Modality(sp.csr_array(A) if draw(st.booleans()) and side is Side.RANDOM else A, side)
        for A, side in zip(blocks, sides)
    ]
    root = rng.normal(size=(2 * k, 2 * k))
    model = FactorModel(
        tuple(rng.normal(size=(c, k)) for c in widths),
        tuple(rng.uniform(0.2, 3.0, size=c) for c in widths),
        root @ root.T + 0.1 * np.eye(2 * k),
    )
    return Modalities(tuple(parts)), blocks, model


def dense(model, sides):
    """L (c, 2k), D (c, c) and V = LΣL' + D of all modalities side by side."""
    L = np.vstack([
        np.hstack([s * A, t * A]) for A, (s, t) in zip(model.loadings, (x.value for x in sides))
    ])  # fmt: skip
    D = np.diag(np.concatenate(model.variances))
    return L, D, L @ model.moments @ L.T + D


@few
@given(laws())
def test_the_likelihood_is_that_of_the_normal_density(problem):
    data, blocks, model = problem
    L, _, V = dense(model, [part.side for part in data])
    A = np.hstack(blocks)
    found = expectation(data, model, data.n)
    density = -2.0 * multivariate_normal(cov=V).logpdf(A).sum()
    assert found.deviance == pytest.approx(density, rel=1e-9)
    gain = model.moments @ L.T @ np.linalg.inv(V)
    np.testing.assert_allclose(found.codes, A @ gain.T, atol=1e-8)
    np.testing.assert_allclose(found.variance, model.moments - gain @ L @ model.moments, atol=1e-8)


@few
@given(laws())
def test_a_step_of_em_never_lowers_the_likelihood(problem):
    data, _, model = problem
    found = expectation(data, model, data.n)
    for _ in range(5):
        model = maximisation(data, found, data.n)
        following = expectation(data, model, data.n)
        assert following.deviance <= found.deviance + 1e-9 * abs(found.deviance)
        found = following


@few
@given(st.integers(0, 2**32 - 1), st.sampled_from([0.1, 1.0]))
def test_the_fit_never_rises_and_is_what_it_says(seed, noise):
    data = form_data(np.random.default_rng(seed), 60, (4, 5, 6), 2, noise)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)  # few rows: some noise is at its floor
        form = LinearMixedForm(2, method="ml", tol=1e-4, max_iter=1000).fit(*data)
    assert (np.diff(form.objective_trace_) <= 0).all()
    # the covariance of all columns from the attributes alone
    L = np.vstack([np.tile(form.alpha_, 2), block_diag(form.beta_, form.u_)])
    V = L @ form.moments_ @ L.T + np.diag(np.concatenate(list(form.variances_.values())))
    A = np.hstack(data)
    density = -2.0 * multivariate_normal(cov=V).logpdf(A).sum()
    assert form.objective_ == pytest.approx(density, rel=1e-7)
    gain = form.moments_ @ L.T @ np.linalg.inv(V)
    np.testing.assert_allclose(np.hstack([form.K_, form.H_]), A @ gain.T, atol=1e-6)
    np.testing.assert_allclose(form.implied_covariance("X"), V[4:9, 4:9], atol=1e-8)
    # new rows: the conditional expectation under the same model
    known, wanted = slice(4, 15), slice(0, 4)
    guess = A[:, known] @ np.linalg.solve(V[known, known], V[known, wanted])
    np.testing.assert_allclose(form.transform(X=data[1], Z=data[2]), guess, atol=1e-6)


def test_at_the_maximum_nothing_can_be_gained():
    """−2 log-likelihood has no slope in any loading or variance."""
    data = form_data(np.random.default_rng(2), 200, (4, 5, 6), 2, 0.5)
    form = LinearMixedForm(2, method="ml", tol=1e-13, max_iter=20000).fit(*data)
    parts, model = Modalities.of(*data), FactorModel(
        (form.alpha_, form.beta_, form.u_), tuple(form.variances_.values()), form.moments_
    )  # fmt: skip

    def deviance(changed):
        return expectation(parts, changed, 200).deviance

    h = 1e-4
    for j in range(3):
        for at in np.ndindex(model.loadings[j].shape):
            values = []
            for sign in (1, -1):
                moved = [L.copy() for L in model.loadings]
                moved[j][at] += sign * h
                values.append(deviance(FactorModel(tuple(moved), model.variances, model.moments)))
            curvature = (values[0] + values[1] - 2 * form.objective_) / h**2
            assert abs(values[0] - values[1]) / (2 * h) < 1e-3 * np.sqrt(abs(curvature))
        for c in range(len(model.variances[j])):
            values = []
            for sign in (1, -1):
                moved = [D.copy() for D in model.variances]
                moved[j][c] *= np.exp(sign * h)
                values.append(deviance(FactorModel(model.loadings, tuple(moved), model.moments)))
            assert abs(values[0] - values[1]) / (2 * h) < 1e-2


def test_many_rows_recover_the_model():
    rng = np.random.default_rng(3)
    n, k, sizes = 20_000, 2, (5, 6, 7)
    K, H = rng.normal(size=(2, n, k))
    loadings = [rng.normal(size=(c, k)) for c in sizes]
    noise = [rng.uniform(0.1, 2.0, size=c) for c in sizes]
    data = [
        C @ L.T + np.sqrt(D) * rng.normal(size=(n, len(D)))
        for C, L, D in zip((K + H, K, H), loadings, noise)
    ]
    form = LinearMixedForm(2, method="ml").fit(*data)
    for D, found in zip(noise, form.variances_.values()):
        np.testing.assert_allclose(found, D, rtol=0.1)
    truth = 2 * loadings[0] @ loadings[0].T + np.diag(noise[0])
    np.testing.assert_allclose(form.implied_covariance("Y"), truth, atol=0.1 * truth.max())


@pytest.mark.parametrize("sparse", [False, True])
def test_tall_data_are_fitted_through_their_cross_products(monkeypatch, sparse):
    Y, X, Z = form_data(np.random.default_rng(1), 150, (4, 5, 6), 2, 0.3)
    data = Y, X, sp.csr_array(Z) if sparse else Z
    settings_ = {"method": "ml", "tol": 1e-9, "max_iter": 5000}
    there = LinearMixedForm(2, **settings_).fit(*data)
    monkeypatch.setattr(fitting, "compressed", lambda data, rank: None)
    here = LinearMixedForm(2, **settings_).fit(*data)
    assert there.objective_ == pytest.approx(here.objective_, rel=1e-7)
    np.testing.assert_allclose(there.reconstruction(), here.reconstruction(), atol=1e-3)


def test_it_predicts_better_than_least_squares_where_columns_differ_in_noise():
    rng = np.random.default_rng(0)
    Y, X, Z = form_data(rng, 400, (6, 12, 12), 3)
    X, Z = (A + rng.choice([0.3, 4.0], size=12) * rng.normal(size=A.shape) for A in (X, Z))
    Y = Y + rng.normal(size=Y.shape)
    new, old = slice(200, None), slice(0, 200)
    shares = {}
    for method, shrink in (("als", False), ("als", True), ("ml", True)):
        form = LinearMixedForm(3, method=method, max_iter=3000).fit(Y[old], X[old], Z[old])
        guess = form.transform(X=X[new], Z=Z[new], shrink=shrink)
        shares[method, shrink] = 1 - np.sum((Y[new] - guess) ** 2) / np.sum(Y[new] ** 2)
    assert shares["als", False] < shares["als", True] < shares["ml", True] + 0.01


def test_data_without_noise_are_fitted():
    data = form_data(np.random.default_rng(4), 60, (4, 5, 6), 2)
    with pytest.warns(SingularWarning, match="Y .*column 3.*X .*Z .*column 5"):
        form = LinearMixedForm(2, method="ml").fit(*data)
    assert (form.explained_ > 1 - 1e-6).all()
    assert np.isfinite(form.objective_)


@pytest.mark.slow
def test_rank_by_cross_validation_and_what_is_refused():
    data = form_data(np.random.default_rng(0), 150, (6, 7, 8), 2, 0.5)
    share = choose_rank(*data, ranks=[1, 2, 3], method="ml").groupby("rank")["share"].mean()
    assert share[2] > share[1] + 0.05
    assert share[3] > share[2] - 0.02
    gaps = np.where(data[0] > 1, np.nan, data[0])
    with pytest.raises(DataError, match="only method"):
        LinearMixedForm(2, method="ml").fit(gaps, *data[1:])


def test_the_first_law_is_the_least_squares_fit():
    """Without variance of the codes the M step is the regressions."""
    rng = np.random.default_rng(0)
    data = Modalities.of(*form_data(rng, 30, (4, 5, 6), 2, 0.3))
    both = rng.normal(size=(30, 4))
    model = maximisation(data, Expectation(both, np.zeros((4, 4)), np.inf), 30)
    K, X = both[:, :2], data.parts[1].values
    expected = np.linalg.lstsq(K, X, rcond=None)[0].T
    # in another basis: compare what the code explains of the second moments
    explained = model.loadings[1] @ model.moments[:2, :2] @ model.loadings[1].T
    np.testing.assert_allclose(explained, expected @ (K.T @ K / 30) @ expected.T, atol=1e-12)
    np.testing.assert_allclose(model.moments[:2, :2] + model.moments[2:, 2:], np.eye(2), atol=1e-12)
    left = X - K @ expected.T
    np.testing.assert_allclose(model.variances[1], np.mean(left**2, axis=0))


def test_units_of_columns_do_not_matter():
    Y, X, Z = form_data(np.random.default_rng(6), 100, (4, 5, 6), 2, 0.5)
    here = LinearMixedForm(2, method="ml", tol=1e-8).fit(Y, X, Z)
    scales = 10.0 ** np.arange(-2, 3)
    there = LinearMixedForm(2, method="ml", tol=1e-8).fit(1e6 * Y, X * scales, Z)
    units = 2 * 100 * (4 * np.log(1e6) + np.log(scales).sum())
    assert there.objective_ == pytest.approx(here.objective_ + units, abs=1e-3)
    np.testing.assert_allclose(
        there.transform(X=X * scales, Z=Z) / 1e6, here.transform(X=X, Z=Z), atol=1e-3
    )


def test_a_fit_is_taken_up_where_it_ended():
    data = form_data(np.random.default_rng(7), 100, (4, 5, 6), 2, 1.0)
    first = LinearMixedForm(2, method="ml", tol=1e-4).fit(*data)
    again = LinearMixedForm(2, method="ml", tol=1e-9, start=first).fit(*data)
    assert again.objective_trace_[0] == pytest.approx(first.objective_, rel=1e-9)
    assert again.objective_ <= first.objective_
    descent = LinearMixedForm(2).fit(*data)
    from_descent = LinearMixedForm(2, method="ml", start=descent).fit(*data)
    assert from_descent.objective_ < from_descent.objective_trace_[0]
