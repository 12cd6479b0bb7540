"""Tall data: a descent on R and one on D = QR are the same descent."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated import form_data

from lmforms.latent import LinearMixedForm, fitting
from lmforms.latent.als import codes_given, loadings_given, sweep
from lmforms.latent.compression import compressed
from lmforms.latent.data import Modalities
from lmforms.latent.start import random_codes

few = settings(deadline=None, max_examples=25)
WEIGHTS = 1.0, 0.5, 2.0


@few
@given(st.integers(0, 2**32 - 1), st.booleans(), st.sampled_from([0.0, 0.1]))
def test_a_sweep_on_r_is_the_sweep_on_d(seed, sparse, ridge):
    rng = np.random.default_rng(seed)
    Y, X, Z = form_data(rng, 120, (4, 5, 6), 2, noise=0.5)
    Y, X = 1e3 * Y, 1e-4 * X
    data = Modalities.of(Y, X, sp.csr_array(Z) if sparse else Z)
    small = compressed(data, 2)
    assert small.n == 15
    loadings = loadings_given(data, random_codes(data, 2, rng), WEIGHTS, ridge)
    for left, right in zip(small, data):
        assert left.square == pytest.approx(right.square, rel=1e-12)
    (codes, F), (there, G) = (codes_given(d, loadings, WEIGHTS, ridge) for d in (small, data))
    assert pytest.approx(G, rel=1e-10) == F
    for _ in range(3):
        codes, found, F = sweep(small, codes, WEIGHTS, ridge)
        there, expected, G = sweep(data, there, WEIGHTS, ridge)
        assert pytest.approx(G, rel=1e-10) == F
    for a, b in zip(found, expected):
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7 * abs(b).max())


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("noise", [0.0, 1e-6, 0.3])
def test_the_fit_is_that_of_the_data_themselves(monkeypatch, noise, sparse):
    Y, X, Z = form_data(np.random.default_rng(1), 150, (4, 5, 6), 2, noise=noise)
    Z = sp.csr_array(Z) if sparse else Z
    there = LinearMixedForm(2, tol=1e-13, max_iter=5000).fit(Y, X, Z)
    monkeypatch.setattr(fitting, "compressed", lambda data, rank: None)
    here = LinearMixedForm(2, tol=1e-13, max_iter=5000).fit(Y, X, Z)
    assert (there.K_ != here.K_).any()  # two ways, not one
    assert there.objective_ == pytest.approx(
        here.objective_, rel=1e-8, abs=3e-16 if sparse else 1e-26
    )
    assert (np.diff(there.objective_trace_) <= 0).all()
    np.testing.assert_allclose(there.reconstruction(), here.reconstruction(), atol=1e-6)
    if not sparse and noise == 0.0:
        assert there.objective_ < 1e-26


def test_directions_that_squaring_loses_are_found_in_the_data():
    """Of X, the second direction is 1e-9 of the first."""
    rng = np.random.default_rng(2)
    Y, X, Z = form_data(rng, 100, (4, 5, 6), 2)
    U, _, V = np.linalg.svd(X, full_matrices=False)
    X = U @ np.diag([1.0, 1e-9, 0.0, 0.0, 0.0]) @ V
    assert LinearMixedForm(2).fit(Y, X, Z).explained_["X"] > 1 - 1e-14


@pytest.mark.parametrize(
    "n, gaps, rank",
    [(60, False, 2), (200, True, 2), (2000, False, 1)],
    ids=["not tall", "gaps", "low rank beside many columns"],
)
def test_where_it_would_not_pay_it_is_not_done(n, gaps, rank):
    c = 60 if n == 2000 else 10
    A = np.random.default_rng(0).normal(size=(3, n, c))
    seen = A[0] > -1 if gaps else None
    assert compressed(Modalities.of(*A, seen), rank) is None


def test_few_sweeps_are_no_more_than_asked_for():
    data = form_data(np.random.default_rng(1), 150, (4, 5, 6), 2, noise=2.0)
    for most in (1, 2, 3, 10):
        form = LinearMixedForm(2, tol=0.0, max_iter=most)
        with pytest.warns(Warning, match="max_iter"):
            form.fit(*data)
        assert form.status_.n_iter <= most
