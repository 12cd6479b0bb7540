"""Correlated effects of related levels, such as random regressions of animals."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from dense import profiled_criterion
from pedigrees import random_parents
from scipy.optimize import minimize
from slow_cases import one_in, slow

import lmforms as lf
from lmforms.engine.factor import layout as layout_module
from lmforms.errors import (
    ArgumentError,
    ConvergenceWarning,
    MemoryLimitError,
    ModelError,
    RelationshipError,
    SingularWarning,
)
from lmforms.relationship import Pedigree, Relationship
from lmforms.relationship.priors import precisions_of, priors_of

pytestmark = pytest.mark.one_in(4)

FORMULA = "y ~ t + (t | animal) + (1 | herd)"


@pytest.fixture(scope="module")
def pedigree() -> Pedigree:
    sire, dam = random_parents(np.random.default_rng(3), 40)
    ids = list(range(40))
    return Pedigree.of(ids, sire, dam, unknown=(-1,))


@pytest.fixture(scope="module")
def data(pedigree) -> pd.DataFrame:
    rng = np.random.default_rng(4)
    A = pedigree.relationship()
    effects = np.linalg.cholesky(A) @ rng.normal(size=(40, 2)) @ np.array([[1.0, 0.4], [0.0, 0.8]])
    animal = np.repeat(np.arange(4, 40), 5)  # four parents have no records
    t = rng.uniform(-1, 1, len(animal))
    herd = rng.integers(0, 6, len(animal))
    y = 2.0 + t + effects[animal, 0] + effects[animal, 1] * t + rng.normal(size=6)[herd]
    y += 0.7 * rng.normal(size=len(animal))
    return pd.DataFrame({"y": y, "t": t, "animal": animal, "herd": herd})


@pytest.fixture(scope="module")
def fit(data, pedigree) -> lf.MixedModelResults:
    return lf.lmer(FORMULA, data, relationship={"animal": pedigree})


def covariance(theta: np.ndarray, data: pd.DataFrame, A: np.ndarray) -> tuple[np.ndarray, ...]:
    """V₀ and Cov(b, y) of both animal effects, σ² apart."""
    n = len(data)
    Z, H = np.zeros((n, len(A), 2)), np.zeros((n, 6))
    rows = np.arange(n)
    Z[rows, data["animal"], 0], Z[rows, data["animal"], 1] = 1.0, data["t"]
    H[rows, data["herd"]] = 1.0
    lam = np.array([[theta[0], 0.0], [theta[1], theta[2]]])
    half = np.kron(A, lam @ lam.T) @ Z.reshape(n, -1).T
    return np.eye(n) + Z.reshape(n, -1) @ half + theta[3] ** 2 * H @ H.T, half


def criterion(theta: np.ndarray, data: pd.DataFrame, A: np.ndarray, reml: bool) -> float:
    X = np.column_stack([np.ones(len(data)), data["t"]])
    return profiled_criterion(covariance(theta, data, A)[0], X, data["y"].to_numpy(), reml)


@pytest.mark.parametrize("reml", [True, False])
def test_against_a_dense_maximisation(reml, data, pedigree):
    fit = lf.lmer(FORMULA, data, relationship={"animal": pedigree}, reml=reml)
    A = pedigree.relationship()
    assert fit.criterion == pytest.approx(criterion(fit.theta, data, A, reml), rel=1e-11)
    found = minimize(criterion, fit.theta, (data, A, reml), method="BFGS", options={"gtol": 1e-8})
    assert found.fun > fit.criterion - 1e-8
    other = 1.1 * fit.theta
    assert fit.at(other).criterion == pytest.approx(criterion(other, data, A, reml), rel=1e-11)


def test_effects_of_animals_without_records(fit, data, pedigree):
    V, half = covariance(fit.theta, data, pedigree.relationship())
    left = data["y"] - fit.params["Intercept"] - fit.params["t"] * data["t"]
    wanted = pd.DataFrame((half @ np.linalg.solve(V, left)).reshape(-1, 2))
    found = fit.random_effects["animal"].sort_index()
    assert len(found) == 40
    np.testing.assert_allclose(found, wanted, rtol=1e-8, atol=1e-9)
    new = pd.DataFrame({"t": [0.5, 0.5], "animal": [0, 1], "herd": [0, 0]})
    slopes = found.loc[[0, 1], "Intercept"] + 0.5 * found.loc[[0, 1], "t"]
    gap = fit.predict(new).diff().iloc[-1]
    assert gap == pytest.approx(slopes.diff().iloc[-1], rel=1e-9)


def test_their_covariances(fit, data, pedigree):
    A = pedigree.relationship()
    V, half = covariance(fit.theta, data, A)
    lam = np.array([[fit.theta[0], 0.0], [fit.theta[1], fit.theta[2]]])
    dense = fit.scale * (np.kron(A, lam @ lam.T) - half @ np.linalg.solve(V, half.T))
    for animal in (0, 7, 39):
        own = slice(2 * animal, 2 * animal + 2)
        found = fit.random_effects_cov["animal"].loc[animal]
        np.testing.assert_allclose(found, dense[own, own], rtol=1e-7, atol=1e-9)


def test_every_representation_gives_the_same_fit(fit, data, pedigree):
    A, ids = pedigree.relationship(), list(range(40))
    for known in (
        pd.DataFrame(A, index=ids, columns=ids),
        Relationship.from_precision(np.linalg.inv(A), labels=ids),
        Relationship.from_root(np.linalg.cholesky(A), labels=ids),
    ):
        again = lf.lmer(FORMULA, data, relationship={"animal": known})
        assert again.criterion == pytest.approx(fit.criterion, abs=1e-8)
        np.testing.assert_allclose(again.theta, fit.theta, rtol=1e-4)


def test_unrelated_levels_are_an_ordinary_model():
    sleep = lf.datasets.load("sleepstudy")
    formula = "Reaction ~ Days + (Days | Subject)"
    subjects = list(sleep["Subject"].cat.categories)
    K = pd.DataFrame(np.eye(len(subjects)), index=subjects, columns=subjects)
    plain, related = lf.lmer(formula, sleep), lf.lmer(formula, sleep, relationship={"Subject": K})
    assert related.criterion == pytest.approx(plain.criterion, abs=1e-9)
    np.testing.assert_allclose(related.theta, plain.theta, rtol=1e-5)
    np.testing.assert_allclose(related.bse, plain.bse, rtol=1e-6)


@pytest.mark.parametrize("factor", ["dense", "sparse"])
@pytest.mark.parametrize("size", [1e-10, 1e10])
def test_the_size_of_K_only_changes_theta(size, factor, fit, data, pedigree):
    K = Relationship.of(size * pedigree.relationship(), labels=range(40))
    control = lf.Control(factor=factor)
    other = lf.lmer(FORMULA, data, relationship={"animal": K}, control=control)
    assert other.converged
    assert not other.is_singular
    assert other.criterion == pytest.approx(fit.criterion, abs=1e-9)
    roots = np.array([*[np.sqrt(size)] * 3, 1.0])
    np.testing.assert_allclose(other.theta * roots, fit.theta, rtol=1e-5)
    assert other.at(1.1 * fit.theta / roots).criterion == pytest.approx(
        fit.at(1.1 * fit.theta).criterion, rel=1e-11
    )
    again = lf.lmer(FORMULA, data, relationship={"animal": K}, start=other, control=control)
    assert again.criterion == pytest.approx(fit.criterion, abs=1e-9)
    np.testing.assert_allclose(other.matrices.b, other.matrices.Lambda @ other.matrices.u)


@pytest.mark.parametrize("formula", ["y ~ t + (t | herd)", "y ~ t + (t || herd)"])
def test_what_a_singular_fit_says_does_not_depend_on_the_size_of_K(formula, data):
    messages = set()
    for size in (1e-10, 1.0, 1e10):
        K = pd.DataFrame(size * np.eye(6), index=range(6), columns=range(6))
        with pytest.warns(SingularWarning):
            found = lf.lmer(formula, data, relationship={"herd": K})
        messages.add(found.singular_message)
    assert len(messages) == 1


def test_a_sparse_K_is_used_by_blocks(data):
    family = np.array([[1.0, 0.5], [0.5, 1.0]])
    K = sp.block_diag([family] * 20, format="csc")
    wide = sp.diags(10.0 ** np.linspace(-3, 3, 40))  # different variances are no loss of digits
    for known in (K, sp.csc_matrix(wide @ K @ wide)):
        fit = lf.lmer(FORMULA, data, relationship={"animal": Relationship.of(known, range(40))})
        (prior, _) = priors_of(fit.model.design, fit.model.relationship)
        assert prior.root.nnz <= 80
        (inverse, _) = precisions_of(fit.model.design, fit.model.relationship, "")
        assert inverse.matrix.nnz == 80
        dense = lf.lmer(FORMULA, data, relationship={"animal": (known.toarray(), list(range(40)))})
        assert fit.criterion == pytest.approx(dense.criterion, abs=1e-8)
        A = fit.model.relationship["animal"]
        order = np.argsort(A.labels)
        wanted = criterion(fit.theta, data, A.dense()[np.ix_(order, order)], reml=True)
        assert fit.criterion == pytest.approx(wanted, rel=1e-10)


def test_spherical_effects_of_a_diagonal_K(data):
    K = pd.DataFrame(np.diag(np.arange(1.0, 7.0)), index=range(6), columns=range(6))
    for formula in ("y ~ t + (1 | herd)", "y ~ t + (t | herd)"):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SingularWarning)
            fit = lf.lmer(formula, data, relationship={"herd": K})
        m = fit.matrices
        np.testing.assert_allclose(m.b, m.Lambda @ m.u, rtol=1e-6, atol=1e-9)
        squares = fit.deviance_terms().loc["‖u‖²", "value"]
        assert squares == pytest.approx(float(m.u @ (m.Q @ m.u)), rel=1e-6)


@pytest.mark.parametrize("method", ["gibbs", "em"])
def test_deviance_terms_of_any_estimator(method, data, pedigree):
    control = lf.Control(max_evaluations=3) if method == "em" else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit = lf.lmer(
            "y ~ t + (1 | animal)",
            data,
            relationship={"animal": pedigree},
            method=method,
            control=control,
        )
    terms, at = fit.deviance_terms(), fit.at(fit.theta)
    pd.testing.assert_frame_equal(terms, at.deviance_terms())
    assert terms.loc["criterion", "value"] == at.criterion == fit.criterion
    m = at.matrices
    log_det = 2 * np.log(m.L.diagonal()).sum() - np.linalg.slogdet(m.Q.toarray())[1]
    assert terms.loc["ln|L|²", "value"] == pytest.approx(log_det, rel=1e-8)
    log_det_x = 2 * np.log(m.R_X.diagonal()).sum()
    assert terms.loc["ln|R_X|²", "value"] == pytest.approx(log_det_x, rel=1e-8)
    assert terms["contribution"].iloc[:-1].sum() == pytest.approx(at.criterion, rel=1e-12)


def test_diagonal_terms_agree_with_the_variance_components(data, pedigree):
    separate = lf.lmer("y ~ t + (t || animal)", data, relationship={"animal": pedigree})
    together = lf.MixedModel("y ~ t + (t | animal)", data, relationship={"animal": pedigree}).fit()
    at = np.array([separate.theta[0], 0.0, separate.theta[1]])
    assert together.at(at).criterion == pytest.approx(separate.criterion, abs=1e-8)
    assert together.criterion < separate.criterion + 1e-8


def test_another_response(fit, data, pedigree):
    y = data["y"] + data["t"] ** 2
    again = fit.refit(y)
    whole = lf.lmer(FORMULA, data.assign(y=y), relationship={"animal": pedigree})
    assert again.criterion == pytest.approx(whole.criterion, abs=1e-7)


def test_matrices_write_the_model_out(fit, data, pedigree):
    m = fit.matrices
    np.testing.assert_allclose(m.y, m.X @ m.beta + m.Z @ m.b + m.e, rtol=1e-10)
    np.testing.assert_allclose(m.b, m.Lambda @ m.u, rtol=1e-7, atol=1e-9)
    permuted = (m.P @ m.A @ m.P.T).toarray()
    np.testing.assert_allclose((m.L @ m.L.T).toarray(), permuted, rtol=1e-10, atol=1e-10)
    V, _ = covariance(fit.theta, data, pedigree.relationship())
    np.testing.assert_allclose(m.V, fit.scale * V, rtol=1e-8, atol=1e-9)
    wanted = m.X.T @ np.linalg.solve(V, m.X)
    np.testing.assert_allclose(m.R_X.T @ m.R_X, wanted, rtol=1e-8)
    assert fit.deviance_terms().loc["‖u‖²", "value"] == pytest.approx(
        float(m.u @ (m.Q @ m.u)), rel=1e-6
    )


def test_a_saved_fit_goes_on(fit, tmp_path):
    fit.save(tmp_path / "fit.lmf")
    back = lf.load(tmp_path / "fit.lmf")
    assert back.criterion == pytest.approx(fit.criterion, abs=1e-9)
    for group, effects in fit.random_effects.items():
        pd.testing.assert_frame_equal(back.random_effects[group], effects, rtol=1e-7)
    assert back.at(fit.theta * 1.1).criterion == pytest.approx(
        fit.at(fit.theta * 1.1).criterion, abs=1e-8
    )


def singular_covariances() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(8)
    twins = np.eye(40)
    twins[4, 5] = twins[5, 4] = 1.0
    return {
        "of rank 12": np.cov(rng.normal(size=(12, 40)), rowvar=False) + 1e-16 * np.eye(40),
        "twins": twins,
        "a level without variance": np.diag([1.0] * 20 + [0.0] + [1.0] * 19),
    }


@pytest.mark.parametrize("which", singular_covariances())
def test_a_singular_K_may_have_slopes(which, data):
    K = singular_covariances()[which]
    named = pd.DataFrame(K, index=range(40), columns=range(40))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SingularWarning)
        fit = lf.lmer(FORMULA, data, relationship={"animal": named})
    assert fit.criterion == pytest.approx(criterion(fit.theta, data, K, reml=True), rel=1e-10)
    found = minimize(criterion, fit.theta, (data, K, True), method="BFGS", options={"gtol": 1e-8})
    assert found.fun > fit.criterion - 1e-7
    V, half = covariance(fit.theta, data, K)
    left = data["y"] - fit.params["Intercept"] - fit.params["t"] * data["t"]
    wanted = (half @ np.linalg.solve(V, left)).reshape(-1, 2)
    effects = fit.random_effects["animal"]
    np.testing.assert_allclose(effects, wanted[effects.index], rtol=1e-7, atol=1e-8)
    lam = np.array([[fit.theta[0], 0.0], [fit.theta[1], fit.theta[2]]])
    dense = fit.scale * (np.kron(K, lam @ lam.T) - half @ np.linalg.solve(V, half.T))
    for animal in (4, 20, 39):
        own = slice(2 * animal, 2 * animal + 2)
        block = fit.random_effects_cov["animal"].loc[animal]
        np.testing.assert_allclose(block, dense[own, own], rtol=1e-6, atol=1e-8)
    with pytest.raises(RelationshipError, match=r"inverse of K is needed.*singular"):
        fit.matrices  # noqa: B018


def test_what_is_refused(data, pedigree, fit):
    with pytest.raises(ArgumentError, match="factor='cg' is for independent levels"):
        lf.lmer(FORMULA, data, relationship={"animal": pedigree}, control=lf.Control(factor="cg"))
    with pytest.raises(MemoryLimitError, match=r"more than .* entries and take more than"):
        lf.lmer(FORMULA, data, relationship={"animal": pedigree}, control=lf.Control(memory=1000))
    with pytest.raises(ArgumentError, match="is for method='auto'"):
        lf.lmer(
            "y ~ t + (1 | animal)",
            data,
            relationship={"animal": pedigree},
            method="ai",
            control=lf.Control(factor="dense"),
        )
    with pytest.raises(ArgumentError, match="theta has missing or infinite values"):
        fit.at([np.nan, 0.0, 1.0, 1.0])
    zero = pd.DataFrame(np.zeros((40, 40)), index=range(40), columns=range(40))
    with pytest.raises(ModelError, match="`animal` is zero everywhere"):
        lf.lmer(FORMULA, data, relationship={"animal": zero})
    with pytest.raises(ModelError, match=r"\|\|"):
        lf.lmer(FORMULA, data, relationship={"animal": pedigree}, method="em")


@pytest.mark.parametrize("factor", ["dense", "sparse", "superlu"])
def test_every_factor_gives_the_same_fit(factor, data, pedigree):
    for formula in (FORMULA, "y ~ t + (t || animal)", "y ~ t + (1 | animal)"):
        auto = lf.lmer(formula, data, relationship={"animal": pedigree})
        control = lf.Control(factor=factor)
        again = lf.lmer(formula, data, relationship={"animal": pedigree}, control=control)
        assert again.criterion == pytest.approx(auto.criterion, abs=1e-8)


def one_record_each(pedigree, seed):
    rng = np.random.default_rng(seed)
    root = np.linalg.cholesky(pedigree.relationship())
    x = rng.normal(size=40)
    y = 1.0 + x + 2.0 * root @ rng.normal(size=40) + (root @ rng.normal(size=40)) * x
    return pd.DataFrame({"y": y + 0.5 * rng.normal(size=40), "t": x, "animal": np.arange(40)})


@pytest.mark.parametrize("seed", range(4))
def test_one_record_each_has_no_maximum_likelihood(seed, pedigree):
    """Effects that cancel in one row leave it to σ, and X explains that row."""
    records = one_record_each(pedigree, seed)
    with pytest.raises(ModelError, match="the likelihood grows without bound"):
        lf.lmer("y ~ t + (t | animal)", records, relationship={"animal": pedigree}, reml=False)


@pytest.mark.slow
@pytest.mark.parametrize("rows", one_in(3, [3, 4, 5, 10, 8, 20]))
def test_no_criterion_of_lost_digits(rows, data, pedigree):
    """REML without residual variance is refused; what is returned is right."""
    few = data.iloc[:: len(data) // rows].head(rows)
    K = pedigree.relationship()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit = lf.lmer("y ~ t + (t | animal)", few, relationship={"animal": pedigree})
    except ModelError as error:
        if "highest where no residual variance is left" not in str(error):
            raise
        return
    few = few.assign(herd=0)
    wanted = criterion(np.append(fit.theta, 0.0), few, K, reml=True)
    assert fit.criterion == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("form", ["dense", "singular", "sparse", "precision"])
@pytest.mark.parametrize("reml", [True, slow(False)])
def test_one_record_of_each_related_level(form, reml):
    rng = np.random.default_rng(8)
    q = 40
    labels = [f"a{i}" for i in range(q)]
    family = np.kron(np.eye(q // 4), np.full((4, 4), 0.5)) + 0.5 * np.eye(q)
    K = family
    if form == "singular":
        root = rng.normal(size=(q, 25))
        K = root @ root.T / 25
    given = {
        "dense": lambda: Relationship.of(K, labels),
        "singular": lambda: Relationship.of(K, labels),
        "sparse": lambda: Relationship.of(sp.csc_matrix(K), labels),
        "precision": lambda: Relationship.from_precision(sp.csc_matrix(np.linalg.inv(K)), labels),
    }[form]()
    x = rng.normal(size=q)
    u = np.linalg.cholesky(K + 1e-12 * np.eye(q)) @ rng.normal(size=q)
    data = pd.DataFrame({"animal": labels, "x": x, "y": 2 * x + u + rng.normal(size=q)})
    fit = lf.lmer("y ~ x + (1 | animal)", data, relationship={"animal": given}, reml=reml)

    X = np.column_stack([np.ones(q), x])

    def criterion(ratio: float) -> float:
        V = np.eye(q) + ratio * K
        W = np.linalg.inv(V)
        info = X.T @ W @ X
        e = data.y - X @ np.linalg.solve(info, X.T @ W @ data.y)
        nu = q - 2 if reml else q
        out = np.linalg.slogdet(V)[1] + nu * (1 + np.log(2 * np.pi * (e @ W @ e) / nu))
        return float(out + np.linalg.slogdet(info)[1] * reml)

    grid = [criterion(r) for r in np.exp(np.linspace(-9, 7, 400))]
    assert fit.criterion <= min(grid) + 1e-8
    assert fit.criterion == pytest.approx(criterion(float(fit.theta[0]) ** 2), abs=1e-8)


def test_a_spared_last_step_changes_nothing_that_matters(monkeypatch):
    rng = np.random.default_rng(3)
    sire, dam = random_parents(rng, 300)
    pedigree = Pedigree.of(np.arange(1, 301), sire + 1, dam + 1)
    data = pd.DataFrame({"animal": np.arange(1, 301).repeat(2), "x": rng.normal(size=600)})
    data["herd"] = rng.integers(0, 12, 600)
    value = np.linalg.cholesky(pedigree.relationship()) @ rng.normal(size=300)
    data["y"] = data.x + value.repeat(2) + rng.normal(size=12)[data.herd] + rng.normal(size=600)

    def fit():
        formula = "y ~ x + (1 | animal) + (1 | herd)"
        control = lf.Control(tolerance=1e-4)
        return lf.lmer(formula, data, relationship={"animal": pedigree}, control=control)

    usual = fit()
    system = usual.state.estimate.problem.system
    assert 0 < system.factor_work < layout_module.EXPENSIVE_WORK
    assert not system.is_expensive
    monkeypatch.setattr(layout_module, "EXPENSIVE_WORK", 1.0)
    spared = fit()
    assert system.is_expensive
    assert spared.optimizer.n_evaluations <= usual.optimizer.n_evaluations
    assert spared.converged
    assert spared.criterion == pytest.approx(usual.criterion, abs=1e-6)
    np.testing.assert_allclose(spared.theta, usual.theta, rtol=1e-3)
