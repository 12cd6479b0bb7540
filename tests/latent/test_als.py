"""The descent: never a rise, exact on exact data, and the same as its dense twin."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import form_data, problems

import lmforms as lf
from lmforms.latent.als import codes_given, loadings_given, minimise, sweep
from lmforms.latent.modalities import Modalities
from lmforms.latent.objective import Codes, objective
from lmforms.latent.starting_codes import aligned_codes, leading_vectors, random_codes

few = settings(deadline=None, max_examples=40)


def slack(data, weights, value):
    """1e-12 of F, and the rounding of the sums of squares that F is a difference of."""
    return 1e-12 * value + 1e-14 * sum(w * part.square for w, part in zip(weights, data))


@few
@given(problems())
def test_no_part_of_a_plain_sweep_raises_the_objective(problem):
    data, weights, ridge, k, rng = problem
    codes = random_codes(data, k, rng)
    loadings = loadings_given(data, codes, weights, ridge)
    before = objective(data, codes, loadings, weights, ridge)
    for _ in range(5):
        codes, _ = codes_given(data, loadings, weights, ridge)
        middle = objective(data, codes, loadings, weights, ridge)
        assert middle <= before + slack(data, weights, before)
        loadings = loadings_given(data, codes, weights, ridge)
        after = objective(data, codes, loadings, weights, ridge)
        assert after <= middle + slack(data, weights, middle)
        before = after


@pytest.mark.slow
@few
@given(problems())
def test_accelerated_descent_never_rises_and_beats_the_plain_one(problem):
    data, weights, ridge, k, rng = problem
    codes = random_codes(data, k, rng)
    estimate = minimise(
        data, loadings_given(data, codes, weights, ridge), weights, ridge, max_iter=30
    )
    trace = np.array(estimate.trace)
    assert (np.diff(trace) <= 0).all()
    final = objective(data, estimate.codes, estimate.loadings, weights, ridge)
    assert final <= trace[-1] + slack(data, weights, trace[-1])
    _, _, first = sweep(data, codes, weights, ridge)
    assert trace[-1] <= first + slack(data, weights, first)


@few
@given(problems())
def test_both_steps_are_minima(problem):
    """Random displacements only raise F."""
    data, weights, ridge, k, rng = problem
    codes = random_codes(data, k, rng)
    loadings = loadings_given(data, codes, weights, ridge)
    at = objective(data, codes, loadings, weights, ridge)
    moved = tuple(A + 0.1 * rng.normal(size=A.shape) for A in loadings)
    assert objective(data, codes, moved, weights, ridge) >= at - slack(data, weights, at)
    found, value = codes_given(data, loadings, weights, ridge)
    assert value == pytest.approx(
        objective(data, found, loadings, weights, ridge), rel=1e-9, abs=slack(data, weights, value)
    )
    moved = Codes(*(A + 0.1 * rng.normal(size=A.shape) for A in found))
    assert objective(data, moved, loadings, weights, ridge) >= value - slack(data, weights, value)


@few
@given(problems())
def test_objective_is_what_its_formula_says(problem):
    data, weights, ridge, k, rng = problem
    codes = random_codes(data, k, rng)
    loadings = tuple(rng.normal(size=(part.shape[1], k)) for part in data)
    dense = ridge * sum(np.sum(A**2) for A in (*codes, *loadings))
    for part, w, L, code in zip(data, weights, loadings, (sum(codes), *codes)):
        A = part.values.toarray() if sp.issparse(part.values) else part.values
        rest = A - code @ L.T
        dense += w * np.sum((rest if part.seen is None else rest[part.seen]) ** 2)
    assert objective(data, codes, loadings, weights, ridge) == pytest.approx(dense, rel=1e-12)


@few
@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 7), st.booleans())
def test_noiseless_data_are_recovered(seed, k, m, sparse):
    rng = np.random.default_rng(seed)
    Y, X, Z = form_data(rng, 30, (m, 7, 8), k)
    given_Z = sp.csr_array(Z) if sparse else Z
    form = lf.latent.LinearMixedForm(k).fit(Y, X, given_Z)
    for name, A in (("Y", Y), ("X", X), ("Z", Z)):
        assert np.linalg.norm(form.reconstruction(name) - A) <= 1e-8 * np.linalg.norm(A)


def test_noiseless_data_with_gaps_are_recovered():
    rng = np.random.default_rng(3)
    Y, X, Z = form_data(rng, 80, (9, 7, 8), 3)
    gaps = np.where(rng.random(Y.shape) < 0.3, np.nan, Y)
    form = lf.latent.LinearMixedForm(3).fit(gaps, X, Z)
    assert np.linalg.norm(form.reconstruction() - Y) <= 1e-8 * np.linalg.norm(Y)


def test_the_aligned_start_is_exact_where_separate_bases_are_not():
    rng = np.random.default_rng(5)
    Y, X, Z = form_data(rng, 60, (10, 12, 14), 3)
    data, weights = Modalities.of(Y, X, Z), (1.0, 1.0, 1.0)
    at = aligned_codes(data, leading_vectors(X, 3, rng), leading_vectors(Z, 3, rng))
    separate = Codes(*(np.linalg.svd(A)[0][:, :3] for A in (X, Z)))
    F = [objective(data, c, loadings_given(data, c, weights, 0.0), weights) for c in (at, separate)]
    assert F[0] < 1e-18 * F[1]


@few
@given(st.integers(0, 2**32 - 1))
def test_sparse_and_dense_twins_agree(seed):
    rng = np.random.default_rng(seed)
    Y, X, _ = form_data(rng, 30, (5, 6, 9), 2, noise=0.3)
    Z = np.where(rng.random((30, 9)) < 0.4, rng.normal(size=(30, 9)), 0.0)
    data = [Modalities.of(Y, X, A) for A in (Z, sp.csr_array(Z))]
    weights = 1.0, 2.0, 3.0
    start = loadings_given(data[0], random_codes(data[0], 2, rng), weights, 0.1)
    (codes, F), (twin, F_twin) = (codes_given(d, start, weights, 0.1) for d in data)
    assert F_twin == pytest.approx(F, rel=1e-11)
    for a, b in zip(
        (*codes, *loadings_given(data[0], codes, weights, 0.1)),
        (*twin, *loadings_given(data[1], twin, weights, 0.1)),
    ):
        np.testing.assert_allclose(a, b, rtol=1e-8, atol=1e-8)


def test_sparse_z_is_never_made_dense(monkeypatch):
    rng = np.random.default_rng(0)
    Y, X, _ = form_data(rng, 60, (5, 6, 9), 2, noise=0.3)
    Z = sp.csr_array(np.where(rng.random((60, 40)) < 0.1, rng.random((60, 40)), 0.0))

    def refused(self, *args, **kwargs):
        assert self.ndim == 1, "a sparse matrix was made dense"
        return original(self, *args, **kwargs)

    original = sp.csr_array.toarray
    for kind in (sp.csr_array, sp.csc_array):
        monkeypatch.setattr(kind, "toarray", refused)
    form = lf.latent.LinearMixedForm(2, max_iter=2000).fit(Y, X, Z)
    form.encode(Z=Z[:5])


def test_masked_columns_and_rows_are_the_regressions_one_by_one():
    rng = np.random.default_rng(7)
    Y, X, Z = form_data(rng, 20, (6, 5, 5), 2, noise=0.5)
    seen = rng.random(Y.shape) < 0.7
    data, weights = Modalities.of(np.where(seen, Y, 0.0), X, Z, seen), (0.7, 1.1, 1.3)
    codes = random_codes(data, 2, rng)
    loadings = loadings_given(data, codes, weights, 0.0)
    S = codes.K + codes.H
    for j in range(6):
        rows = seen[:, j]
        expected = np.linalg.lstsq(S[rows], Y[rows, j], rcond=None)[0]
        np.testing.assert_allclose(loadings[0][j], expected, atol=1e-10)
    found, _ = codes_given(data, loadings, weights, 0.0)
    alpha, beta, u = loadings
    zero = np.zeros((5, 2))
    for i in range(20):
        a = alpha[seen[i]]
        design = np.vstack(
            [
                np.sqrt(0.7) * np.hstack([a, a]),
                np.sqrt(1.1) * np.hstack([beta, zero]),
                np.sqrt(1.3) * np.hstack([zero, u]),
            ]
        )
        right = np.r_[np.sqrt(0.7) * Y[i, seen[i]], np.sqrt(1.1) * X[i], np.sqrt(1.3) * Z[i]]
        expected = np.linalg.lstsq(design, right, rcond=None)[0]
        np.testing.assert_allclose(np.r_[found.K[i], found.H[i]], expected, atol=1e-9)
