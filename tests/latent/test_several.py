"""More than three modalities: lists and mappings of fixed-like and random-like blocks."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import lmforms as lf
from lmforms.errors import ArgumentError, DataError, ModelError
from lmforms.latent import LinearMixedForm
from lmforms.latent.als import codes_given, loadings_given, sweep
from lmforms.latent.banh_algorithm1 import step
from lmforms.latent.modalities import Modalities, Modality, Side
from lmforms.latent.objective import objective
from lmforms.latent.starting_codes import random_codes

few = settings(deadline=None, max_examples=30)


def several(seed=0, n=50, k=2, noise=0.0):
    """Y, two fixed-like and two random-like blocks."""
    rng = np.random.default_rng(seed)
    K, H = rng.normal(size=(2, n, k))
    codes, sizes = (K + H, K, K, H, H), (5, 4, 3, 6, 2)
    return [
        C @ rng.normal(size=(k, c)) + noise * rng.normal(size=(n, c)) for C, c in zip(codes, sizes)
    ]


@st.composite
def problems(draw):
    """Any number of modalities, each dense, sparse or with gaps."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    k, n = draw(st.integers(1, 3)), draw(st.integers(8, 20))
    sides = [Side.RESPONSE]
    for side in (Side.FIXED, Side.RANDOM):
        sides += [side] * draw(st.integers(1, 3))
    K, H = rng.normal(size=(2, n, k))
    parts = []
    for side in sides:
        code = side.value[0] * K + side.value[1] * H
        values = code @ rng.normal(size=(k, draw(st.integers(1, 5))))
        values = values + draw(st.sampled_from([0.1, 2.0])) * rng.normal(size=values.shape)
        kind = draw(st.sampled_from(["dense", "sparse", "gaps"]))
        seen = rng.random(values.shape) < 0.8 if kind == "gaps" else None
        values = values if seen is None else np.where(seen, values, 0.0)
        parts.append(Modality(sp.csr_array(values) if kind == "sparse" else values, side, seen))
    weights = tuple(10.0 ** draw(st.integers(-2, 2)) for _ in parts)
    return Modalities(tuple(parts)), weights, draw(st.sampled_from([0.0, 0.1])), k, rng


@few
@given(problems())
def test_sweeps_never_raise_the_objective(problem):
    data, weights, ridge, k, rng = problem
    codes = random_codes(data, k, rng)
    loadings = loadings_given(data, codes, weights, ridge)
    slack = 1e-14 * sum(w * part.square for w, part in zip(weights, data))
    before = objective(data, codes, loadings, weights, ridge)
    for _ in range(4):
        codes, loadings, value = sweep(data, codes, weights, ridge)
        assert value <= before * (1 + 1e-12) + slack
        before = value


@few
@given(problems())
def test_codes_are_the_dense_least_squares_solution(problem):
    """Row by row: minimise Σ w|row − L(K, H)|² + ρ|(K, H)|² with all designs stacked."""
    data, weights, _, k, rng = problem
    loadings = tuple(rng.normal(size=(part.shape[1], k)) for part in data)
    found, _ = codes_given(data, loadings, weights, 0.3)
    for i in range(data.n):
        designs, values = [np.sqrt(0.3) * np.eye(2 * k)], [np.zeros(2 * k)]
        for part, L, w in zip(data, loadings, weights):
            row = part.values[[i]]
            row = (row.toarray() if sp.issparse(row) else row).ravel()
            known = slice(None) if part.seen is None else part.seen[i]
            s, t = part.side.value
            designs.append(np.sqrt(w) * np.hstack([s * L, t * L])[known])
            values.append(np.sqrt(w) * row[known])
        expected = np.linalg.lstsq(np.vstack(designs), np.concatenate(values), rcond=None)[0]
        np.testing.assert_allclose(np.r_[found.K[i], found.H[i]], expected, atol=1e-8)


def test_equal_weights_make_blocks_one_block():
    Y, X1, X2, Z1, Z2 = several(noise=0.3)
    params = {"tol": 1e-13, "max_iter": 5000}
    apart = LinearMixedForm(2, weights=[1, 2, 2, 3, 3], **params).fit(Y, [X1, X2], (Z1, Z2))
    joined = LinearMixedForm(2, weights=[1, 2, 3], **params).fit(
        Y, np.hstack([X1, X2]), np.hstack([Z1, Z2])
    )
    assert apart.objective_ == pytest.approx(joined.objective_, rel=1e-9)
    np.testing.assert_allclose(apart.K_, joined.K_, atol=1e-4)
    np.testing.assert_allclose(np.vstack(list(apart.beta_.values())), joined.beta_, atol=1e-4)
    given = {"X": [X1[:5], X2[:5]], "Z": [Z1[:5], Z2[:5]]}
    there = {"X": np.hstack(given["X"]), "Z": np.hstack(given["Z"])}
    np.testing.assert_allclose(apart.transform(**given), joined.transform(**there), atol=1e-4)


@pytest.mark.parametrize("sparse", [False, True])
def test_noiseless_blocks_are_recovered_and_predict_each_other(sparse):
    Y, X1, X2, Z1, Z2 = several(1)
    site = sp.csr_array(Z1) if sparse else Z1
    old, new = slice(0, 40), slice(40, None)
    form = LinearMixedForm(2).fit(
        Y[old], {"image": X1[old], "sound": X2[old]}, {"site": site[old], "batch": Z2[old]}
    )
    assert list(form.explained_.index) == ["Y", "image", "sound", "site", "batch"]
    assert (form.explained_ > 1 - 1e-14).all()
    rows = {"X": {"sound": X2[new]}, "Z": {"site": site[new]}}
    for name, truth in (("Y", Y), ("image", X1), ("batch", Z2)):
        np.testing.assert_allclose(form.transform(**rows, to=name), truth[new], atol=1e-7)
    assert set(form.u_) == {"site", "batch"}
    assert form.loadings_["image"] is form.beta_["image"]


def test_a_block_thinner_than_the_rank_is_carried_by_its_side():
    Y, X1, X2, Z1, Z2 = several(2, k=3)
    form = LinearMixedForm(3).fit(Y, [X1[:, :2], X2], [Z1, Z2[:, :1]])
    assert (form.explained_ > 1 - 1e-12).all()
    with pytest.raises(ModelError, match="X1, X2 can carry"):
        LinearMixedForm(5).fit(Y, [X1[:, :2], X2[:, :2]], Z1)


def test_identity_adds_the_grams_of_a_side():
    Y, X1, X2, Z1, Z2 = several(3, noise=0.3)
    form = LinearMixedForm(2, max_iter=3000).fit(Y, [X1, X2], [Z1, Z2])
    gram = {name: np.asarray(L).T @ np.asarray(L) for name, L in form.loadings_.items()}
    right = form.K_ @ (gram["X1"] + gram["X2"]) + form.H_ @ (gram["Z1"] + gram["Z2"])
    e = form.form_identity(normalised=False).e
    np.testing.assert_allclose((form.K_ + form.H_) @ gram["Y"], right + e, atol=1e-10)


def test_algorithm1_weighs_the_blocks_of_a_side():
    Y, X1, X2, Z1, Z2 = several(4, noise=0.1)
    sides = Side.RESPONSE, Side.FIXED, Side.FIXED, Side.RANDOM
    data = Modalities(tuple(Modality(A, side) for A, side in zip((Y, X1, X2, Z1), sides)))
    rng = np.random.default_rng(0)
    codes, loadings = random_codes(data, 2, rng), [rng.normal(size=(p.shape[1], 2)) for p in data]
    _, a, b, _ = loadings
    found = step(data, codes, tuple(loadings), (1.0, 2.0, 3.0, 1.0), 1)
    expected = (2 * X1 @ a + 3 * X2 @ b) @ np.linalg.inv(2 * a.T @ a + 3 * b.T @ b)
    np.testing.assert_allclose(found.K, expected)
    form = LinearMixedForm(2, method="algorithm1", max_iter=3000).fit(Y, [X1, X2], [Z1, Z2])
    assert (form.explained_ > 0.9).all()


def test_choose_rank_takes_blocks():
    Y, X1, X2, Z1, Z2 = several(5, n=100, noise=0.1)
    table = lf.latent.choose_rank(Y, {"a": X1, "b": X2}, [Z1, Z2], ranks=[1, 2], max_iter=3000)
    share = table.groupby("rank")["share"].mean()
    assert share[2] > 0.95 > share[1]


def test_labels_and_starts():
    Y, X1, X2, Z1, _ = several(6, noise=0.2)
    frame = pd.DataFrame(X1, columns=list("abcd"))
    form = LinearMixedForm(2, max_iter=3000).fit(Y, {"left": frame, "right": X2}, Z1)
    assert list(form.beta_["left"].index) == list("abcd")
    assert list(form.transform(Z=Z1, to="left").columns) == list("abcd")
    again = LinearMixedForm(2, start=form).fit(Y, {"left": frame, "right": X2}, Z1)
    assert again.objective_ <= form.objective_ * (1 + 1e-12)
    with pytest.raises(ArgumentError, match="other columns"):
        LinearMixedForm(2, start=form).fit(Y, {"right": frame, "left": X2}, Z1)


def test_bad_blocks():
    Y, X1, X2, Z1, Z2 = several(7, noise=0.2)
    with pytest.raises(ArgumentError, match="called a"):
        LinearMixedForm(1).fit(Y, {"a": X1}, {"a": Z1})
    with pytest.raises(ArgumentError, match="called Y"):
        LinearMixedForm(1).fit(Y, {"Y": X1}, Z1)
    with pytest.raises(ArgumentError, match="no matrix"):
        LinearMixedForm(1).fit(Y, [], Z1)
    with pytest.raises(ArgumentError, match="strings, not 3"):
        LinearMixedForm(1).fit(Y, {3: X1}, Z1)
    with pytest.raises(DataError, match="X2 has missing"):
        LinearMixedForm(1).fit(Y, [X1, np.where(X2 > 1, np.nan, X2)], Z1)
    with pytest.raises(DataError, match="Y has 50 rows and Z2 has 49"):
        LinearMixedForm(1).fit(Y, X1, [Z1, Z2[1:]])
    with pytest.raises(DataError, match="Z2 is constant"):
        LinearMixedForm(1).fit(Y, X1, [Z1, np.ones((50, 2))])
    with pytest.raises(ArgumentError, match="each of Y, X1, X2, Z"):
        LinearMixedForm(1, weights=(1, 1, 1)).fit(Y, [X1, X2], Z1)
    form = LinearMixedForm(1, max_iter=3000).fit(Y, {"left": X1, "right": X2}, Z1)
    with pytest.raises(ArgumentError, match=r"'X'.*'left', 'right', 'Z'"):
        form.encode(X=X1)
    with pytest.raises(ArgumentError, match="left was not fitted on this side"):
        form.encode(Z={"left": X1})
