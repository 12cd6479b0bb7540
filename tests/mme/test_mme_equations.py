"""The equations and all that is around them, against dense inverses."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from mme_models import MODELS, Dense, dung, low_rank, nested, pedigree, penicillin, weighted

import lmforms as lf
from lmforms.errors import ArgumentError, DataError, MemoryLimitError
from lmforms.mme import MixedModelEquations, dense_covariance
from lmforms.varcomp import ComponentModel
from lmforms.varcomp.component_problem import component_problem
from lmforms.varcomp.likelihood import likelihood

pytestmark = pytest.mark.one_in(4)

close = np.testing.assert_allclose

ALWAYS_WRONG = {"PVP = V", "|V|: announced, not printed", "W'W + Σ = W'y"}


@pytest.fixture(params=MODELS, ids=lambda f: f.__name__)
def both(request):
    model, variances = request.param()
    return MixedModelEquations(model, variances), Dense(model, variances)


def test_V_and_P(both):
    mme, twin = both
    close(mme.V, twin.V, rtol=1e-11, atol=1e-12 * twin.V.max())
    close(mme.P, twin.P, atol=1e-9 * np.abs(twin.P).max())
    close(mme.V_inverse, twin.Vi, atol=1e-9 * np.abs(twin.Vi).max())
    close(mme.V_inverse_times(mme.model.y), twin.Vi @ twin.y, rtol=1e-7, atol=1e-10)


def test_blue_and_blup(both):
    mme, twin = both
    found = mme.solve()
    close(found.beta, twin.beta, rtol=1e-9)
    for u, want in zip(found.random_effects.values(), twin.u):
        close(u, want, atol=1e-9 * np.abs(want).max())
    fitted = twin.X @ twin.beta + sum(Z @ u for Z, u in zip(twin.Z, twin.u))
    close(found.fitted, fitted, rtol=1e-9)
    close(found.residuals, twin.y - fitted, atol=1e-9 * np.abs(twin.y).max())
    assert found.converged


def test_both_forms_have_the_direct_solution(both):
    mme, _ = both
    g = mme.solve().g
    for form in ("ratio", "variance"):
        C, r = mme.C(form).toarray(), mme.r(form)
        close(np.linalg.solve(C, r), g, rtol=1e-7, atol=1e-9 * np.abs(g).max())
        R0 = 1.0 if mme.model.weights is None else mme.model.weights
        scale = 1.0 if form == "ratio" else mme.variances["Residual"]
        W = mme.W.toarray()
        whole = W.T @ np.diag(R0 * np.ones(mme.model.n)) @ W / scale + mme.Sigma(form).toarray()
        close(C, whole, atol=1e-10 * np.abs(C).max())
        close(r, W.T @ (R0 * mme.model.y) / scale, rtol=1e-9, atol=1e-9 * np.abs(r).max())


def test_accuracy(both):
    mme, twin = both
    close(mme.cov_beta, twin.cov_beta, rtol=1e-8, atol=1e-9 * twin.cov_beta.max())
    rows = zip(mme.model.names, twin.pev, twin.var_u, strict=True)
    for name, pev, var in rows:
        close(mme.pev[name], pev, rtol=1e-8)
        close(mme.reliability[name], 1 - pev / var, atol=1e-8)
        assert mme.pev[name].index.equals(mme.solve().random_effects[name].index)


@pytest.mark.parametrize("reml", [True, False])
def test_likelihood_term_by_term(both, reml):
    mme, twin = both
    table = mme.loglik(reml=reml)
    assert table.contribution["ln L"] == pytest.approx(twin.llf(reml), rel=1e-10, abs=1e-9)
    assert table.value["ln|V|"] == pytest.approx(np.linalg.slogdet(twin.V)[1], abs=1e-8)
    assert table.value["y'Py"] == pytest.approx(twin.y @ twin.P @ twin.y, rel=1e-9)
    if reml:
        want = -np.linalg.slogdet(twin.cov_beta)[1]
        assert table.value["ln|X'V⁻¹X|"] == pytest.approx(want, abs=1e-8)
    assert ("ln|X'V⁻¹X|" in table.index) == reml
    problem = component_problem(mme.model)
    inner = np.array(list(mme.variances.values())) / problem.variance_units
    criterion = likelihood(problem, inner, reml).criterion
    assert -2 * table.contribution["ln L"] == pytest.approx(criterion, rel=1e-11)


def test_properties(both):
    mme, _ = both
    table = mme.properties()
    assert table.correct_holds.all(), table
    wrong = set(table.claim[~table.holds])
    assert wrong == {"y'Py = y'e", "V⁻¹ = I − Z(Z'Z + K⁻¹)⁻¹Z'", *ALWAYS_WRONG}


def test_with_unit_variances_the_cheat_sheet_is_right_about_more():
    model, _ = penicillin()
    mme = MixedModelEquations(model, {"plate": 1, "sample": 1, "Residual": 1})
    table = mme.properties()
    assert set(table.claim[~table.holds]) == ALWAYS_WRONG


@pytest.mark.parametrize("size", [1e-8, 1e8])
def test_variances_far_apart(size):
    model, variances = dung()
    table = MixedModelEquations(model, variances | {"oven_block": size * 6e-5}).properties()
    assert table.correct_holds.all()
    assert not table.holds[table.claim == "PVP = V"].any()


def test_textbook():
    # Mrode (2014), Linear Models for the Prediction of Animal Breeding Values, example 3.1
    calves = pd.DataFrame({"calf": [4, 5, 6, 7, 8], "sex": list("mffmm")})
    calves["gain"] = [4.5, 2.9, 3.9, 3.5, 5.0]
    sire, dam = [0, 0, 0, 1, 3, 1, 4, 3], [0, 0, 0, 0, 2, 2, 5, 6]
    known = lf.relationship.Pedigree.of(range(1, 9), sire, dam).as_relationship()
    mme = lf.mme.equations(
        "gain ~ 0 + sex + (1 | calf)",
        calves,
        variances={"calf": 20, "Residual": 40},
        relationship={"calf": known},
    )
    found = mme.solve()
    close(found.beta, [3.404, 4.358], atol=1.1e-3)
    u = [0.098, -0.019, -0.041, -0.009, -0.186, 0.177, -0.249, 0.183]
    close(found.random_effects["calf"].sort_index(), u, atol=6e-4)
    pev = np.array([0.471, 0.492, 0.456, 0.428, 0.428, 0.442, 0.442, 0.422])
    close(mme.pev["calf"].sort_index() / 40, pev, atol=6e-4)
    close(mme.reliability["calf"].sort_index(), 1 - 2 * pev, atol=1.1e-3)


def test_shrinkage():
    model = ComponentModel.of_formula(
        "pr_dung ~ flies + (1 | oven_block)", lf.datasets.load("dung").iloc[:-4]
    )
    mme = MixedModelEquations(model, {"oven_block": 4e-5, "Residual": 6e-5})
    found = mme.solve()
    codes = model.components[0].Z.indices
    counts = np.bincount(codes)
    assert len(set(counts)) > 1
    shrink = mme.shrinkage("oven_block")
    close(shrink, counts / (counts + 1.5), rtol=1e-12)
    means = np.bincount(codes, model.y - found.fixed) / counts
    close(found.random_effects["oven_block"], shrink * means, rtol=1e-9)
    weights = MixedModelEquations(*weighted()).shrinkage("Intercept | Subject")
    assert ((weights > 0) & (weights < 1)).all()
    with pytest.raises(ArgumentError, match="related"):
        MixedModelEquations(*pedigree()).shrinkage("animal")
    with pytest.raises(ArgumentError, match="Did you mean `oven_block`"):
        mme.shrinkage("oven_blok")


def test_a_variance_of_zero():
    model, variances = pedigree()
    mme = MixedModelEquations(model, variances | {"animal": 0.0})
    smaller = ComponentModel(model.y, model.X, model.components[1:], model.x_names)
    twin = MixedModelEquations(smaller, {k: variances[k] for k in ("herd", "Residual")})
    for method in ("direct", "pcg", "gauss_seidel"):
        found = mme.solve(method)
        assert (found.random_effects["animal"] == 0).all()
        close(found.random_effects["herd"], twin.solve().random_effects["herd"], atol=1e-9)
        assert len(found.g) == 7
    assert np.isinf(mme.lambdas["animal"])
    assert (mme.pev["animal"] == 0).all()
    assert mme.reliability["animal"].isna().all()
    close(mme.V, twin.V)
    close(mme.V_inverse, twin.V_inverse, atol=1e-12)
    close(mme.loglik().contribution["ln L"], twin.loglik().contribution["ln L"], rtol=1e-12)
    assert mme.properties().correct_holds.all()
    model, variances = penicillin()
    assert (MixedModelEquations(model, variances | {"plate": 0}).shrinkage("plate") == 0).all()


def test_no_random_term_is_least_squares():
    rng = np.random.default_rng(2)
    X, y = np.column_stack([np.ones(9), rng.normal(size=9)]), rng.normal(size=9)
    mme = MixedModelEquations(ComponentModel.of_matrices(y, X, {}), {"Residual": 2.0})
    want = np.linalg.lstsq(X, y, rcond=None)[0]
    for method in ("direct", "pcg", "gauss_seidel"):
        close(mme.solve(method).beta, want, atol=1e-10)
    close(mme.V_inverse, np.eye(9) / 2)
    assert mme.properties().correct_holds.all()
    assert mme.pev == {}


def test_rows_twice_with_half_weights():
    model, variances = weighted()
    twice = ComponentModel.of_matrices(
        np.tile(model.y, 2),
        np.tile(model.X, (2, 1)),
        {c.name: sp.vstack([c.Z, c.Z]) for c in model.components},
        weights=np.tile(model.weights / 2, 2),
    )
    a, b = (MixedModelEquations(m, variances) for m in (model, twice))
    close(a.C().toarray(), b.C().toarray(), rtol=1e-12, atol=1e-9)
    close(a.solve().g, b.solve().g, rtol=1e-8)
    for name in model.names:
        close(a.pev[name], b.pev[name], rtol=1e-9)


def test_rows_in_another_order():
    model, variances = pedigree()
    order = np.random.default_rng(0).permutation(model.n)
    other = ComponentModel(
        model.y[order],
        model.X[order],
        tuple(replace(c, Z=c.Z[order]) for c in model.components),
        model.x_names,
    )
    a, b = (MixedModelEquations(m, variances) for m in (model, other))
    close(a.solve().g, b.solve().g, atol=1e-11)
    close(a.V[np.ix_(order, order)], b.V, atol=1e-13)
    close(a.loglik(), b.loglik(), rtol=1e-11)


def test_labels_and_tables():
    mme = MixedModelEquations(*pedigree())
    assert mme.labels[0] == ("fixed", "x1")
    assert mme.labels[2] == ("animal", "a0")
    C = mme.table("C", "variance")
    close(C.to_numpy(), mme.C("variance").toarray())
    assert C.index.equals(mme.labels)
    assert mme.table("W").shape == mme.W.shape
    assert mme.table("r").shape == (67, 1)
    assert mme.table("V").shape == (120, 120)
    rooted = MixedModelEquations(*low_rank())
    assert rooted.labels[2:9].get_level_values(1).tolist() == [1, 2, 3, 4, 5, 6, 7]


def test_nested_levels_by_factor():
    mme = MixedModelEquations(*nested())
    assert mme.solve().random_effects["batch:cask"].index.names == ["batch", "cask"]
    assert mme.labels[-1] == ("batch:cask", "J:c")


def test_variances_in_any_order_and_as_series():
    model, variances = penicillin()
    series = pd.Series(variances)[::-1]
    mme = lf.mme.equations(model, variances=series)
    assert list(mme.variances) == ["plate", "sample", "Residual"]
    assert mme.variances == variances


@pytest.mark.parametrize("make", [penicillin, pedigree, low_rank], ids=lambda f: f.__name__)
def test_at_the_estimate_of_varcomp(make):
    model, _ = make()
    fit = lf.varcomp.estimate(model)
    mme = lf.mme.equations(model, variances=fit.variances)
    assert mme.loglik().contribution["ln L"] == pytest.approx(fit.llf, rel=1e-9)
    close(mme.solve().beta, fit.params, rtol=1e-6)
    for name, u in fit.random_effects.items():
        close(mme.solve().random_effects[name], u, atol=1e-6 * np.abs(u).max() + 1e-12)


@pytest.mark.parametrize(
    "given, error, match",
    [
        ({"plate": 1, "sample": 1}, ArgumentError, "Residual missing"),
        ({"plate": 1, "Residual": 1}, ArgumentError, "sample missing"),
        ({"plate": 1, "sampl": 1, "Residual": 1}, ArgumentError, "Did you mean `sample`"),
        ({"plate": -1, "sample": 1, "Residual": 1}, DataError, "`plate` is -1"),
        ({"plate": np.nan, "sample": 1, "Residual": 1}, DataError, "finite"),
        ({"plate": np.inf, "sample": 1, "Residual": 1}, DataError, "finite"),
        ({"plate": 1, "sample": 1, "Residual": 0}, DataError, "must be positive"),
        ({"plate": "much", "sample": 1, "Residual": 1}, ArgumentError, "'much'"),
        ({"plate": None, "sample": 1, "Residual": 1}, ArgumentError, "None"),
        ([1, 1, 1], ArgumentError, "mapping"),
    ],
)
def test_variances_that_are_refused(given, error, match):
    model, _ = penicillin()
    with pytest.raises(error, match=match):
        MixedModelEquations(model, given)


def test_other_errors(monkeypatch):
    model, variances = dung()
    mme = MixedModelEquations(model, variances)
    for call in (mme.C, mme.Sigma, mme.r):
        with pytest.raises(ArgumentError, match="'ratio', 'variance'"):
            call("lambda")
    with pytest.raises(ArgumentError, match="what='Q'"):
        mme.table("Q")
    with pytest.raises(ArgumentError, match="needs 18 rows"):
        mme.V_inverse_times(np.ones(3))
    with pytest.raises(ArgumentError, match="alone"):
        lf.mme.equations(model, lf.datasets.load("dung"), variances=variances)
    with pytest.raises(ArgumentError, match="a ComponentModel or a fitted model"):
        lf.mme.equations(3, variances=variances)
    monkeypatch.setattr(dense_covariance, "MOST_DENSE_ROWS", 10)
    fresh = MixedModelEquations(model, variances)
    with pytest.raises(MemoryLimitError, match="18 × 18"):
        fresh.properties()
    for name in ("V", "P", "V_inverse"):
        with pytest.raises(MemoryLimitError, match="up to 10"):
            getattr(fresh, name)
    with pytest.raises(MemoryLimitError, match="W would be"):
        fresh.table("W")
    assert fresh.solve().converged
