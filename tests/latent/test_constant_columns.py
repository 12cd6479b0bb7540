"""Columns that do not vary: named, left out of a likelihood, predicted by their constant."""

from __future__ import annotations

import re
import runpy
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from simulated import form_data
from slow_cases import one_in, slow

import lmforms as lf
from lmforms.errors import ConstantColumnWarning, DataError, ModelError, SingularWarning
from lmforms.latent import LinearMixedForm, choose_rank
from lmforms.latent.constant_columns import constant_values

pytestmark = pytest.mark.one_in(4)

ML = {"method": "ml", "tol": 1e-7, "max_iter": 5000}


def data(seed=0, n=60, sizes=(5, 6, 7), k=2, noise=0.5):
    return list(form_data(np.random.default_rng(seed), n, sizes, k, noise))


def quiet(form, *args):
    """The fit, and what it warned of."""
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        form.fit(*args)
    return form, [w for w in said if issubclass(w.category, ConstantColumnWarning)]


def codes_again(form, Y, X, Z):
    """Largest difference of the codes of the fit and of the same rows encoded, over their size."""
    again = np.hstack(form.encode(Y=Y, X=X, Z=Z))
    codes = np.hstack([form.K_, form.H_])
    return np.abs(again - codes).max() / np.abs(codes).max()


def flat_columns(n, rng):
    """Constant columns of every kind, and what they should be predicted by."""
    ulps = rng.integers(-2, 3, n)
    weighted = np.sqrt(rng.uniform(0.5, 2.0, n)) * (np.full(n, 0.1) - np.full(n, 0.1).mean())
    return {
        "zeros": (np.zeros(n), 0.0),
        "ones": (np.ones(n), 1.0),
        "a third": (np.full(n, 1 / 3), 1 / 3),
        "large mean": (1e9 + np.spacing(1e9) * ulps, 1e9),
        "larger mean": (1e15 + np.spacing(1e15) * ulps, 1e15),
        "summed": ((0.1 + 0.2 + np.spacing(0.3) * ulps), 0.3),
        "centred": (np.full(n, 0.1) - np.full(n, 0.1).mean(), 0.0),
        "centred and summed": (np.spacing(0.3) * ulps, 0.0),
        "centred and weighted": (weighted + 1e-17 * ulps, 0.0),
    }


@pytest.mark.parametrize("kind", flat_columns(3, np.random.default_rng(0)))
@pytest.mark.parametrize("side", [0, 1, slow(2)])
def test_a_constant_column_is_named_left_out_and_predicted(kind, side):
    """The fit is that without the column, bit by bit."""
    blocks = data(1)
    column, value = flat_columns(60, np.random.default_rng(3))[kind]
    wide = list(blocks)
    wide[side] = np.insert(blocks[side], 2, column, axis=1)
    form, said = quiet(LinearMixedForm(2, **ML), *wide)
    plain, none = quiet(LinearMixedForm(2, **ML), *blocks)
    name = "YXZ"[side]
    assert len(said) == 1
    assert not none
    assert f"{name} (column 2)" in str(said[0].message)
    np.testing.assert_array_equal(form.K_, plain.K_)
    np.testing.assert_array_equal(np.delete(form.loadings_[name], 2, axis=0), plain.loadings_[name])
    assert form.objective_ == plain.objective_
    assert form.explained_.equals(plain.explained_)
    assert not form.loadings_[name][2].any()
    assert form.variances_[name][2] == 0
    assert np.isnan(np.delete(form.constants_[name], 2)).all()
    assert form.constants_[name][2] == pytest.approx(value, rel=1e-12, abs=1e-15)
    # all uses return it, and none listens to it
    assert codes_again(form, *wide) < 1e-9
    for made in (form.reconstruction(name), form.transform(**dict(zip("YXZ", wide)), to=name)):
        np.testing.assert_allclose(made[:, 2], value, rtol=1e-12, atol=1e-15)
    assert form.implied_covariance(name)[2, 2] == pytest.approx(value**2, rel=1e-12, abs=1e-15)
    other = [A[:5].copy() for A in wide]
    other[side][:, 2] += 1e6
    for shrink in (True, False):
        ours = form.encode(*other, shrink=shrink)
        np.testing.assert_array_equal(ours.K, form.encode(*(A[:5] for A in wide), shrink=shrink).K)


@pytest.mark.parametrize("scale", [1e-9, 0.37, 3.1e7])
def test_columns_that_vary_by_little_are_not_constant(scale):
    """Orders of magnitude above rounding, whatever the unit and the order of rows."""
    rng = np.random.default_rng(0)
    for rows in (np.arange(60), rng.permutation(60)):
        Y, X = (A[rows] for A in data(0, sizes=(6, 6, 7))[:2])
        X[:, 0] = scale * X[:, 0]
        X[:, 1] = 1.0 + 1e-9 * X[:, 1]
        assert np.isnan(constant_values(X)).all()
        assert np.isnan(constant_values(sp.csr_array(np.where(np.abs(Y) > 0.2, X, 0.0)))).all()
        X[:, 2] = 7.1 * (1.0 + 1e-14 * rng.normal(size=60))
        assert np.flatnonzero(~np.isnan(constant_values(X))).tolist() == [2]
        assert np.flatnonzero(~np.isnan(constant_values(X / 3.3))).tolist() == [2]


def test_columns_of_sparse_blocks_and_frames():
    Y, X, Z = data(2)
    Z = np.where(np.abs(Z) > 1.0, Z, 0.0)
    Z = np.insert(Z, [1, 4], [0.0, 2.5], axis=1)
    form, said = quiet(LinearMixedForm(2, **ML), Y, X, sp.csr_array(Z))
    assert "Z (column 1, column 5)" in str(said[0].message)
    dense, _ = quiet(LinearMixedForm(2, **ML), Y, X, Z)
    np.testing.assert_allclose(form.reconstruction("Z"), dense.reconstruction("Z"), atol=1e-6)
    np.testing.assert_array_equal(form.transform(Y=Y, X=X, to="Z")[:, 5], 2.5)
    assert codes_again(form, Y, X, sp.csr_array(Z)) < 1e-9
    frame = pd.DataFrame(X, columns=list("abcdef")).assign(d=4.0)
    form, said = quiet(LinearMixedForm(2, **ML), Y, frame, {"z1": Z[:, :5], "z2": Z[:, 5:]})
    assert "X (d), z1 (column 1), z2 (column 0)" in str(said[0].message)
    assert form.constants_["X"].dropna().to_dict() == {"d": 4.0}
    assert (form.decode(form.encode(Y=Y), to="X")["d"] == 4.0).all()


@pytest.mark.parametrize("kind", ["rows", "columns", "scales", "tall"])
def test_the_same_decision_whatever_the_rounding(kind):
    """Blank columns change nothing, on the data and on their cross-products."""
    rng = np.random.default_rng(3)
    Y, X, Z = data(4, n=600 if kind == "tall" else 80)
    rare = np.zeros((len(Y), 1))
    rare[3:6] = 1.0
    wide = np.hstack([X, rare, np.zeros((len(Y), 2)), np.full((len(Y), 1), 0.1) - 0.3 / 3])
    flat = np.arange(wide.shape[1]) > X.shape[1]
    for _ in range(3):
        if kind == "rows":
            order = rng.permutation(len(Y))
            Y, Z, wide = (A[order] for A in (Y, Z, wide))
        if kind == "columns":
            order = rng.permutation(wide.shape[1])
            wide, flat = wide[:, order], flat[order]
        if kind == "scales":
            Y, Z = 0.3 * Y, Z / 7.7
            wide = wide * 10.0 ** rng.uniform(-2, 2, wide.shape[1])
        form, said = quiet(LinearMixedForm(2, **ML), Y, wide, Z)
        plain, _ = quiet(LinearMixedForm(2, **ML), Y, wide[:, ~flat], Z)
        assert len(re.search(r"X \((.*?)\)", str(said[0].message))[1].split(", ")) == 3
        assert form.status_.converged
        assert codes_again(form, Y, wide, Z) < 1e-9
        np.testing.assert_array_equal(form.reconstruction(), plain.reconstruction())


OPTIONS = {
    "plain": {},
    "weights": {},
    "ridge": {"ridge": 0.02},
    "random": {"start": "random", "seed": 4},
    "rough": {"max_iter": 3},
}


@pytest.mark.parametrize("method", ["als", "algorithm1"])
@pytest.mark.parametrize("ulps", [0, slow(1), 1000])
@pytest.mark.parametrize("unit", [1.0, 0.37, 1e9])
def test_predictions_by_least_squares_do_not_listen_to_rounding(method, ulps, unit):
    """A constant column whose mean was taken off, whatever rounding has left of it."""
    Y, X, Z = data(14)
    rng = np.random.default_rng(15)
    left = unit * np.spacing(0.3) * (ulps * rng.normal(size=60) + (ulps > 0))
    wide = np.insert(unit * X, 2, left, axis=1)
    other = wide.copy()
    other[:, 2] = 0.2 * unit  # is not constant in new rows
    zeros = wide.copy()
    zeros[:, 2] = 0.0
    options = {"method": method, "max_iter": 60}
    form, plain = (quiet(LinearMixedForm(2, **options), Y, A, Z)[0] for A in (wide, zeros))
    truth = plain.transform(X=other, Z=Z)
    np.testing.assert_allclose(form.transform(X=other, Z=Z), truth, atol=1e-6 * np.abs(truth).max())
    if method == "als":
        shares = [choose_rank(Y, A, Z, ranks=[2], folds=3)["share"] for A in (wide, zeros)]
        np.testing.assert_allclose(*shares, atol=1e-6)


@pytest.mark.parametrize("method", ["als", "ml"])
@pytest.mark.parametrize("option", one_in(2, OPTIONS))
@pytest.mark.parametrize("shape", ["plain", "centred", "blocks", "gaps", "tall", "thin Y"])
def test_encoding_the_rows_of_the_fit_gives_its_codes(method, option, shape):
    """With blank and constant columns, converged or not, whatever the scale and the order."""
    if method == "ml" and (option == "ridge" or shape == "gaps"):
        pytest.skip("least squares only")
    rng = np.random.default_rng(5)
    Y, X, Z = data(5, n=200 if shape == "tall" else 40, sizes=(1 if shape == "thin Y" else 4, 6, 7))
    X, Z = np.insert(X, 1, 0.0, axis=1), np.insert(Z, 3, 1.0, axis=1)
    order = rng.permutation(len(Y))
    Y, X, Z = 37.0 * Y[order], X[order][:, rng.permutation(7)], Z[order] / 123.0
    if shape == "centred":
        Y, X, Z = (A - A.mean(axis=0) for A in (Y, X, Z))
    if shape == "blocks":
        Z = {"a": Z[:, :4], "b": sp.csr_array(Z[:, 4:])}
    if shape == "gaps":
        Y[rng.random(Y.shape) < 0.2] = np.nan
    given = OPTIONS[option]
    if option == "weights":  # what each counts beside its default
        parts = [Y, X, *(Z.values() if shape == "blocks" else [Z])]
        sizes = [np.nansum(A.toarray() ** 2 if sp.issparse(A) else A**2) for A in parts]
        counts = (1e3, 1.0, 1e-3, 10.0)
        given = {"weights": [c / s for c, s in zip(counts, sizes)]}
    options = {"tol": 1e-8, "max_iter": 200, **given}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.errors.LmformsWarning)
        form = LinearMixedForm(2, method, **options).fit(Y, X, Z)
    assert codes_again(form, Y, X, Z) < 1e-8


def test_codes_of_algorithm1_are_those_of_one_side_each():
    """It minimises nothing: where it ends K is what X alone says, and H what Z alone does."""
    Y, X, Z = data(6, noise=0.05)
    form = LinearMixedForm(2, method="algorithm1", tol=1e-14, max_iter=3000).fit(Y, X, Z)
    np.testing.assert_allclose(form.encode(X=X).K, form.K_, atol=1e-5)
    np.testing.assert_allclose(form.encode(Z=Z).H, form.H_, atol=1e-5)


def test_columns_constant_only_in_the_rows_of_the_fit():
    Y, X, Z = data(7)
    X[:40, 3] = 2.0
    new = slice(40, None)
    form, said = quiet(LinearMixedForm(2, **ML), Y[:40], X[:40], Z[:40])
    assert "X (column 3)" in str(said[0].message)
    np.testing.assert_array_equal(form.transform(Y=Y[new], Z=Z[new], to="X")[:, 3], 2.0)
    blank = X[new].copy()
    blank[:, 3] = 2.0
    ours, theirs = (form.transform(X=A, Z=Z[new]) for A in (X[new], blank))
    np.testing.assert_array_equal(ours, theirs)
    # taken up where the column varies, and the other way round
    later, said = quiet(LinearMixedForm(2, start=form, **ML), Y, X, Z)
    assert not said
    assert later.variances_["X"][3] > 0
    again, said = quiet(LinearMixedForm(2, start=later, **ML), Y[:40], X[:40], Z[:40])
    assert said
    assert again.objective_ == pytest.approx(form.objective_, abs=1e-2)


def test_choose_rank_names_columns_constant_in_a_fold():
    Y, X, Z = data(8)
    X[:, 3] = 0.0
    X[7, 3] = 5.0  # varies in all folds but one
    Y = np.insert(Y, 0, 3.0, axis=1)
    with pytest.warns(ConstantColumnWarning, match=r"Y \(column 0\), X \(column 3\)"):
        table = choose_rank(Y, X, Z, ranks=[1, 2], folds=3, method="ml", tol=1e-4)
    assert table["share"].between(0.2, 1.0).all()
    X = np.where(np.arange(60)[:, None] == 7, X, 0.0)
    with pytest.raises(DataError, match="X is constant"):
        choose_rank(Y, X, Z, ranks=[1], folds=3, method="ml")


@pytest.mark.parametrize("method", ["als", "ml", "algorithm1"])
@pytest.mark.parametrize("unit", [1.0, 1e-6, 123.0])
def test_blocks_of_constants_are_refused(method, unit):
    Y, X, Z = data(9)
    ulps = np.random.default_rng(0).integers(-2, 3, X.shape)
    for block in (np.ones_like(X), X[:1].repeat(60, 0), 1e6 + np.spacing(1e6) * ulps):
        with pytest.raises(DataError, match=r"X is constant.*centre"):
            LinearMixedForm(1, method).fit(Y, unit * block, Z)
        with pytest.raises(DataError, match="b is constant"):
            LinearMixedForm(1, method).fit(Y, {"a": X, "b": unit * block}, Z)
        with pytest.raises(DataError, match="Y is constant"):
            LinearMixedForm(1, method).fit(unit * block, X, Z)
    with pytest.raises(DataError, match="Y is constant"):
        LinearMixedForm(1, method).fit(Y[:1], X[:1], Z[:1])


def test_the_rank_is_that_of_columns_that_vary():
    Y, X, Z = data(10)
    X = np.hstack([X[:, :2], np.ones((60, 4))])
    with pytest.raises(ModelError, match=r"rank=3 is above.*2 columns.*rank=2 or less"):
        LinearMixedForm(3, method="ml").fit(Y, X, Z)


@pytest.mark.parametrize("order", [1, slow(-1)])
@pytest.mark.parametrize("unit", [1.0, 0.003, 77.0])
def test_columns_that_the_codes_explain_exactly_are_named(order, unit):
    """No noise, duplicates and large means: D ends at its floor, and the numbers stay sane."""
    Y, X, Z = (unit * A[::order] for A in data(11, noise=1.0))
    cases = {
        "twice": np.hstack([X, X[:, :1] * 3.3, X[:, :1] / 7.7]),
        "nearly twice": np.hstack([X, X[:, :1] + 1e-6 * unit * Y[:, :1], X[:, :1]]),
        "large means": 1e4 * unit + X,
    }
    for kind, block in cases.items():
        with pytest.warns(SingularWarning, match="floor, 0.0001 .*X \\("):
            form = LinearMixedForm(3 if "twice" in kind else 2, **ML).fit(Y, block, Z)
        assert codes_again(form, Y, block, Z) < 1e-8
        assert np.isfinite(form.objective_)
        for name, D in form.variances_.items():
            assert (D > 0).all(), name
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        LinearMixedForm(2, **ML).fit(Y, cases["large means"] - cases["large means"].mean(0), Z)


def test_exact_columns_do_not_blind_predictions_by_least_squares():
    """A column without noise says its own direction, and nothing is lost of the others."""
    rng = np.random.default_rng(12)
    K, H = rng.normal(size=(2, 80, 2))
    Y, X, Z = (K + H) @ rng.normal(size=(2, 3)), K @ rng.normal(size=(2, 5)), H
    Z = np.hstack([Z, 1e3 * H @ rng.normal(size=(2, 2))])
    form = LinearMixedForm(2).fit(Y, X, Z)
    np.testing.assert_allclose(form.transform(X=X, Z=Z), Y, atol=1e-6 * np.abs(Y).max())
    mixed = X + [0.0, 0.0, 0.5, 0.5, 0.5] * rng.normal(size=X.shape)
    form = LinearMixedForm(2).fit(Y, mixed, Z)
    found = np.hstack(form.encode(X=mixed, Z=Z, shrink=True))
    L = np.vstack([np.hstack([form.beta_, 0 * form.beta_]), np.hstack([0 * form.u_, form.u_])])
    D = np.concatenate([form.variances_["X"], form.variances_["Z"]])
    D = np.maximum(D, 1e-10 * np.mean(np.hstack([mixed, Z]) ** 2, axis=0))
    V = L @ form.moments_ @ L.T + np.diag(D)
    # V is badly scaled: solved in extended steps on its correlation
    s = np.sqrt(np.diag(V))
    gain = np.linalg.solve(V / np.outer(s, s), (L / s[:, None]) @ form.moments_)
    np.testing.assert_allclose(found, np.hstack([mixed, Z]) / s @ gain, atol=1e-4)


@pytest.mark.parametrize("method", ["als", "ml"])
@pytest.mark.parametrize("centre", [True, False, "y"])
def test_the_regressor_keeps_constants_apart(method, centre):
    FormRegressor = pytest.importorskip("lmforms.latent.sklearn").FormRegressor
    Y, X, Z = data(13)
    ulps = np.random.default_rng(0).integers(-2, 3, 60)
    both = np.hstack([X, 1e9 + np.spacing(1e9) * ulps[:, None], np.full((60, 1), 0.1), Z])
    plain, wide = np.hstack([X, Z]), both
    Y = np.column_stack([Y, np.full(60, 7.3)])
    options = {"rank": 2, "method": method, "centre": centre, "tol": 1e-8}
    if method == "als" and centre is not True:
        return  # least squares about zero: a constant column is a column like any other
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", lf.errors.LmformsWarning)
        model = FormRegressor(fixed=slice(0, 8), **options).fit(wide, Y)
        there = FormRegressor(fixed=slice(0, 6), **options).fit(plain, Y)
    np.testing.assert_allclose(model.predict(wide), there.predict(plain), rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(model.predict(wide)[:, -1], 7.3, rtol=1e-12)
    rests = wide - model.X_mean_
    given = Y - model.y_mean_, rests[:, :8], rests[:, 8:]
    assert codes_again(model.form_, *given) < 1e-8
    moved = wide.copy()
    moved[:, 7] += 100.0
    np.testing.assert_allclose(model.predict(moved), model.predict(wide), rtol=1e-9)


@pytest.mark.parametrize("shrink", [True, False])
def test_the_layer_does_what_the_form_does(shrink):
    torch = pytest.importorskip("torch")
    from lmforms.latent.torch import LinearMixedFormLayer

    Y, X, Z = data(14)
    X, Y = np.insert(X, 1, 5.0, axis=1), np.insert(Y, 0, 0.0, axis=1)
    form, _ = quiet(LinearMixedForm(2, **ML), Y, X, Z)
    layer = LinearMixedFormLayer.from_form(form, shrink=shrink)
    rows = {name: torch.tensor(A) for name, A in zip("YXZ", (Y, X, Z))}
    if shrink:
        for ours, theirs in zip(layer.encode(**rows), (form.K_, form.H_)):
            np.testing.assert_allclose(ours.detach(), theirs, atol=1e-9)
    for to in "YXZ":
        made = layer(X=rows["X"], Z=rows["Z"], to=to).detach()
        wanted = form.transform(X=X, Z=Z, to=to, shrink=shrink)
        np.testing.assert_allclose(made, wanted, atol=1e-8)
    # what was left out has no part in training, nor in the objective
    moved = {**rows, "X": rows["X"] + 3.0 * (torch.arange(7) == 1)}
    F, there = (layer.objective(layer.encode(**r), **r) for r in (rows, moved))
    torch.testing.assert_close(F, there)
    there.backward()
    assert not layer.beta.grad[1].any()
    assert all(bool(A.grad.isfinite().all()) for A in (layer.alpha, layer.beta, layer.u))
    twin = LinearMixedFormLayer(6, 7, 7, 2, shrink=shrink, dtype=torch.float64)
    twin.load_state_dict(layer.state_dict())
    torch.testing.assert_close(twin(X=rows["X"], to="X"), layer(X=rows["X"], to="X"))


@pytest.mark.slow
def test_a_companion_by_likelihood_names_the_intercept():
    sleep = lf.datasets.load("sleepstudy")
    fit = lf.lmer("Reaction ~ Days + (1 | Subject)", sleep)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        beside = fit.forms(method="ml")
    assert "X (Intercept)" in str(said[0].message)
    assert beside.form.rank_ == 1
    assert (beside.form.reconstruction("X").iloc[:, 0] == 1.0).all()
    alone = lf.lmer("Reaction ~ 1 + (1 | Subject)", sleep)
    with pytest.raises(ModelError, match=r"X has no column that varies.*als"):
        alone.forms(method="ml")
    assert alone.forms(method="als").form.rank_ == 1


def test_random_forms_with_constant_columns_have_no_faults():
    path = Path(__file__).parents[1] / "fuzz" / "latent_columns.py"
    faulty, kinds = runpy.run_path(str(path))["run"](tries=12, seed=7)
    assert not faulty, kinds
