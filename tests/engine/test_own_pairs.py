"""Pairs of levels within one grouping factor: any Z, correlated residuals, roots of K.

Against n×n algebra with explicit inverses, in the user's units.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from dense import dense_fit
from hypothesis import given, settings
from hypothesis import strategies as st
from models import SmallModel, make_model

from lmforms import Control
from lmforms.covariance import Unstructured
from lmforms.engine.criterion.evaluate import differentiate, evaluate
from lmforms.engine.estimate import Estimate, estimate
from lmforms.engine.factor import JointSystem, System
from lmforms.engine.prior import Identity, Precision, Prior, Root
from lmforms.engine.rows import FactorRows, MatrixRows, ModelRows
from lmforms.engine.sums import sums_of_rows as sums_of_rows_module
from lmforms.engine.sums.matrix_products import matrix_cross_products, projected
from lmforms.engine.sums.scaling import choose_units
from lmforms.errors import ArgumentError, DataError, ModelError
from lmforms.residual import Independent, Known


def series_covariance(rng: np.random.Generator, n: int, length: int) -> np.ndarray:
    """AR(1) within series of rows that are not neighbours, with unequal variances."""
    lag = np.abs(np.subtract.outer(np.arange(length), np.arange(length)))
    blocks = sp.block_diag([rng.uniform(-0.9, 0.9) ** lag for _ in range(-(-n // length))])
    R = blocks.toarray()[:n, :n]
    order = rng.permutation(n)
    size = np.sqrt(rng.uniform(0.3, 3.0, n))
    return (size[:, None] * R * size)[np.ix_(order, order)]


def random_prior(rng: np.random.Generator, q: int, kind: str) -> tuple[Prior, np.ndarray | None]:
    """A covariance of levels, and K."""
    if kind == "identity":
        return Identity(), None
    if kind == "precision":
        t = np.eye(q) - 0.5 * np.tri(q, k=-1) * (rng.random((q, q)) < 0.3)
        Q = t.T @ t
        return Precision(sp.csc_matrix(Q), float(np.linalg.inv(Q).trace() / q)), np.linalg.inv(Q)
    L = rng.normal(size=(q, q if kind == "root" else max(1, q // 2)))
    if kind == "sparse root":
        L[rng.random(L.shape) < 0.6] = 0.0
        L[:, 0] = 1.0
    K = L @ L.T
    return Root(sp.csr_matrix(L) if kind == "sparse root" else L, float(K.trace() / q)), K


@st.composite
def models(draw: st.DrawFn) -> tuple[SmallModel, list[Prior], list[np.ndarray | None]]:
    count = draw(st.integers(1, 3))
    seed = draw(st.integers(0, 2**16))
    model = make_model(
        seed=seed,
        levels=tuple(draw(st.integers(2, 6)) for _ in range(count)),
        columns=tuple(draw(st.integers(1, 2)) for _ in range(count)),
        structures=tuple(draw(st.sampled_from(["us", "diag"])) for _ in range(count)),
        n=draw(st.integers(25, 40)),
        weighted=draw(st.booleans()),
        reml=draw(st.booleans()),
        zeros=draw(st.booleans()),
    )
    rng = np.random.default_rng(seed + 1)
    rows = model.rows
    factors = []
    for f in rows.factors:
        if draw(st.booleans()):
            Z = f.matrix().toarray()
            Z += rng.normal(size=Z.shape) * (rng.random(Z.shape) < 0.2)
            factors.append(MatrixRows(sp.csr_matrix(Z), f.k))
        else:
            factors.append(f)
    residual = rows.residual
    if draw(st.booleans()):
        residual = Known(series_covariance(rng, rows.n, draw(st.integers(2, 7))))
    rows = replace(rows, factors=tuple(factors), residual=residual)
    kinds = ["identity", "precision", "root", "low-rank root", "sparse root"]
    drawn = [random_prior(rng, f.n_levels, draw(st.sampled_from(kinds))) for f in factors]
    return replace(model, rows=rows), [p for p, _ in drawn], [k for _, k in drawn]


def by_factor(model: SmallModel) -> list[np.ndarray]:
    out, at = [], 0
    for c in model.covariances:
        out.append(model.theta[at : at + c.n_theta])
        at += c.n_theta
    return out


def fitted(model: SmallModel, priors: list[Prior], factor: str = "auto") -> Estimate:
    return estimate(
        model.rows,
        model.covariances,
        reml=model.reml,
        control=Control(factor=factor),
        priors=priors,
        at=by_factor(model),
    )


@pytest.mark.slow
@pytest.mark.parametrize("factor", ["auto", "sparse"])
@settings(max_examples=30, deadline=None)
@given(drawn=models())
def test_against_the_dense_twin(factor, drawn):
    model, priors, relations = drawn
    fast = fitted(model, priors, factor)
    slow = dense_fit(model.rows, model.covariances, model.theta, model.reml, relations)
    assert fast.criterion == pytest.approx(slow.value, rel=1e-9, abs=1e-9)
    np.testing.assert_allclose(fast.beta, slow.beta, rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(fast.cov_beta / fast.sigma**2, slow.cov_beta, rtol=1e-8, atol=1e-10)
    effects = np.concatenate([b.ravel() for b in fast.b])
    np.testing.assert_allclose(effects, slow.b, rtol=1e-8, atol=1e-8)
    at = 0
    for block in fast.conditional_covariances():
        for level in block:
            own = slice(at, at + len(level))
            wanted = slow.cov_b[own, own]
            np.testing.assert_allclose(level / fast.sigma**2, wanted, rtol=1e-7, atol=1e-8)
            at = own.stop
    assert at == len(slow.cov_b)


@pytest.mark.parametrize("factor", ["auto", "sparse"])
@settings(max_examples=15, deadline=None)
@given(drawn=models())
def test_derivatives_are_those_of_the_criterion(factor, drawn):
    model, priors, _ = drawn
    fit = fitted(model, priors, factor)
    problem, theta = fit.problem, fit.optimum.evaluation.theta
    theta = np.where(np.abs(theta) < 0.1, 0.3, theta)  # differences beside zero are of no use
    gradient = differentiate(evaluate(problem, theta)).gradient
    hessian = differentiate(evaluate(problem, theta), hessian=True).information
    for i, step in enumerate(1e-5 * np.eye(len(theta))):
        up, down = (differentiate(evaluate(problem, theta + s)) for s in (step, -step))
        slope = (up.value - down.value) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-4)
        np.testing.assert_allclose(
            hessian[i], (up.gradient - down.gradient) / 2e-5, rtol=1e-4, atol=1e-3
        )


def crossing_series(n_subjects: int = 6, visits: int = 8, rho: float = 0.7) -> ModelRows:
    """AR(1) within subjects, and items that are crossed with subjects."""
    rng = np.random.default_rng(5)
    n = n_subjects * visits
    lag = np.abs(np.subtract.outer(np.arange(visits), np.arange(visits)))
    R = np.kron(np.eye(n_subjects), rho**lag)
    item = np.tile(np.arange(visits), n_subjects)
    X = np.column_stack([np.ones(n), np.repeat(rng.normal(size=n_subjects), visits)])
    y = 3 + X[:, 1] + rng.normal(size=visits)[item] + np.linalg.cholesky(R) @ rng.normal(size=n)
    return ModelRows(y, X, (FactorRows(item, visits, np.ones((n, 1))),), Known(R))


def test_residuals_that_are_correlated_across_levels():
    """Whitening codes and basis of each row, as if the rows had one level, is another model."""
    rows = crossing_series()
    covariances = make_model(0, (3,), (1,), ("us",)).covariances
    fit = estimate(rows, covariances, reml=True, control=Control())
    slow = dense_fit(rows, covariances, fit.theta[0], True)
    assert fit.criterion == pytest.approx(slow.value, rel=1e-12)
    near = [dense_fit(rows, covariances, fit.theta[0] * c, True).value for c in (0.99, 1.01)]
    assert fit.criterion < min(near)
    (factor,) = rows.factors
    whitened = rows.residual.whiten(factor.basis)
    wrong = FactorRows(factor.codes, factor.n_levels, whitened)
    plain = ModelRows(
        rows.residual.whiten(rows.y),
        rows.residual.whiten(rows.X),
        (wrong,),
        make_model(0, (3,), (1,), ("us",)).rows.residual,
    )
    other = estimate(plain, covariances, reml=True, control=Control(), at=fit.theta)
    assert abs(other.criterion + rows.residual.log_determinant() - slow.value) > 1.0


def test_sums_are_additive():
    rows = crossing_series()
    covariances = make_model(0, (3,), (1,), ("us",)).covariances
    units = choose_units(rows, covariances)
    half = slice(0, 24), slice(24, 48)
    first, second = (matrix_cross_products(rows.subset(s), units) for s in half)
    whole, summed = matrix_cross_products(rows, units), first + second
    np.testing.assert_allclose(summed.gram().toarray(), whole.gram().toarray(), rtol=1e-12)
    np.testing.assert_allclose(summed.rr, whole.rr, rtol=1e-12, atol=1e-12)
    assert summed.log_det_residual == pytest.approx(whole.log_det_residual)


def test_sums_of_other_roots_are_not_added():
    rows = crossing_series()
    covariances = make_model(0, (3,), (1,), ("us",)).covariances
    sums = matrix_cross_products(rows, choose_units(rows, covariances))
    first, again = (projected(sums, [np.eye(8)[:, :3]]) for _ in range(2))
    assert (first + again).n == 2 * rows.n
    with pytest.raises(ModelError, match="units"):
        first + projected(sums, [np.eye(8)[:, 1:4]])


@pytest.mark.parametrize("far", [0.0, 1e5, 1e8])
def test_a_response_far_from_zero_and_levels_far_apart(far):
    rows = crossing_series()
    spread = np.arange(8.0)[rows.factors[0].codes] * far
    rows = replace(rows, y=rows.y + spread + far)
    covariances = make_model(0, (3,), (1,), ("us",)).covariances
    fit = estimate(rows, covariances, reml=True, control=Control(), at=[np.array([1.0])])
    Z = rows.factors[0].matrix().toarray()
    V = Z @ Z.T + rows.residual.R.toarray()
    X = rows.X
    P = np.linalg.inv(V)
    P -= P @ X @ np.linalg.solve(X.T @ P @ X, X.T @ P)
    r2 = rows.y @ P @ rows.y
    assert fit.sigma**2 * (len(V) - 2) == pytest.approx(r2, rel=1e-6)


def test_what_is_refused():
    with pytest.raises(DataError, match="positive definite"):
        Known(np.array([[1.0, 2.0], [2.0, 1.0]]))
    with pytest.raises(DataError, match="symmetric"):
        Known(np.array([[1.0, 0.5], [0.0, 1.0]]))
    with pytest.raises(DataError, match="square"):
        Known(np.ones((2, 3)))
    rows = crossing_series()
    two = replace(rows, factors=rows.factors * 2)
    covariances = make_model(0, (3, 3), (1, 1), ("us", "us")).covariances
    with pytest.raises(ArgumentError, match="several levels"):
        estimate(two, covariances, reml=True, control=Control(factor="cg"))


@pytest.mark.parametrize("kind", ["root", "eigenvectors", "low rank"])
@pytest.mark.parametrize("reml", [True, False])
def test_principal_directions_are_another_root(monkeypatch, kind, reml):
    rng = np.random.default_rng(4)
    q = 30
    n = q if kind == "eigenvectors" else 80
    codes = rng.permutation(np.arange(n) % q)
    root = rng.normal(size=(q, 9 if kind == "low rank" else q))
    if kind == "eigenvectors":
        values, vectors = np.linalg.eigh(root @ root.T + 3.0 * np.eye(q))
        root = vectors * np.sqrt(values)
    X = np.column_stack([np.ones(n), rng.normal(size=n)])
    y = 1e3 + X[:, 1] + 0.4 * (root @ rng.normal(size=root.shape[1]))[codes] + rng.normal(size=n)
    rows = ModelRows(y, X, (FactorRows(codes, q, np.ones((n, 1))),), Independent())
    prior = Root(root, float(np.square(root).sum() / q))

    def fit() -> Estimate:
        return estimate(rows, [Unstructured(1)], reml=reml, control=Control(), priors=[prior])

    fast = fit()
    assert isinstance(fast.problem.system, System)
    assert not fast.problem.system.cp.own
    monkeypatch.setattr(sums_of_rows_module, "in_principal_directions", lambda cp: cp)
    slow = fit()
    assert isinstance(slow.problem.system, JointSystem)
    assert fast.criterion == pytest.approx(slow.criterion, rel=1e-10)
    np.testing.assert_allclose(fast.theta[0], slow.theta[0], rtol=1e-5)
    np.testing.assert_allclose(fast.b[0], slow.b[0], rtol=1e-4, atol=1e-6)
    for a, b in zip(fast.conditional_covariances(), slow.conditional_covariances(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-10)
