"""Value, score and informations against explicit inverses."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from dense_components import DenseModel
from hypothesis import given, settings
from hypothesis import strategies as st

from lmforms.errors import MemoryLimitError, NumericalError
from lmforms.relationship import Pedigree, Relationship
from lmforms.varcomp import ComponentModel, component_problem, estimate
from lmforms.varcomp.likelihood import likelihood

KINDS = ("plain", "dense", "low rank", "sparse", "precision")


def relationship_of(kind: str, q: int, rng: np.random.Generator) -> Relationship | None:
    labels = tuple(range(q))
    if kind == "plain":
        return None
    if kind == "dense":
        root = rng.normal(size=(q, q + 2))
        return Relationship.of(root @ root.T / q, labels)
    if kind == "low rank":
        return Relationship.from_root(rng.normal(size=(q, max(1, q // 2))), labels)
    if kind == "sparse":
        pairs = sp.block_diag([np.array([[1.0, 0.5], [0.5, 1.0]])] * ((q + 1) // 2)).tocsr()
        return Relationship.of(pairs[:q][:, :q], labels)
    parents = [[0, 0] if i < 3 else sorted(rng.choice(i, 2, replace=False) + 1) for i in range(q)]
    sire, dam = np.array(parents).T
    return Pedigree.of(np.arange(1, q + 1), sire, dam).as_relationship()


def random_model(seed: int, kinds: tuple[str, ...]) -> ComponentModel:
    rng = np.random.default_rng(seed)
    n, p = int(rng.integers(25, 50)), int(rng.integers(0, 3))
    X = np.column_stack([np.ones((n, min(p, 1))), rng.normal(size=(n, max(0, p - 1)))])
    Z, K, y = {}, {}, rng.normal(size=n) * 2 + 5
    for i, kind in enumerate(kinds):
        q = int(rng.integers(4, 9))
        z = np.eye(q)[rng.integers(0, q, n)] * (rng.normal(size=(n, 1)) if i == 1 else 1.0)
        known = relationship_of(kind, q, rng)
        Z[f"t{i}"] = z
        if known is not None:
            K[f"t{i}"] = known
        y = y + z @ rng.normal(size=q)
    weights = rng.uniform(0.5, 2.0, n) if seed % 2 else None
    return ComponentModel.of_matrices(y, X, Z, K, weights=weights)


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=3).map(tuple),
    reml=st.booleans(),
    force_sparse=st.booleans(),
)
def test_likelihood_against_explicit_inverses(seed, kinds, reml, force_sparse):
    model = random_model(seed, kinds)
    rng = np.random.default_rng(seed + 1)
    variances = np.exp(rng.normal(size=len(kinds) + 1))
    with pytest.MonkeyPatch.context() as patch:
        if force_sparse:
            by_sparse_factors(patch)
        problem = component_problem.component_problem(model)
        related = any(kind != "plain" for kind in kinds)
        assert not (force_sparse and related and problem.system.is_dense)
    unit = problem.variance_units
    at = likelihood(problem, variances / unit, reml)
    value, score, average, expected = DenseModel.of(model, reml).at(variances)
    assert at.criterion == pytest.approx(value, rel=1e-10, abs=1e-8)
    scale = np.sqrt(np.diag(expected))
    np.testing.assert_allclose(at.score / unit / scale, score / scale, atol=1e-8, rtol=1e-8)
    for kind, wanted in (("average", average), ("expected", expected)):
        np.testing.assert_allclose(
            at.information(kind), wanted, rtol=1e-7, atol=1e-9 * wanted.max()
        )
    np.testing.assert_allclose(at.observed, 2 * at.average - at.expected)


def by_sparse_factors(patch: pytest.MonkeyPatch) -> None:
    exact_system = component_problem.exact_system
    patch.setattr(
        component_problem,
        "exact_system",
        lambda cp, method, memory, priors: exact_system(cp, "sparse", memory, priors),
    )


@pytest.mark.parametrize("force_sparse", [False, True])
@pytest.mark.parametrize("zero", [0, 1, 2])
def test_a_variance_of_zero_has_a_likelihood_and_derivatives(zero, force_sparse, monkeypatch):
    if force_sparse:
        by_sparse_factors(monkeypatch)
    model = random_model(3, ("plain", "dense", "precision"))
    problem = component_problem.component_problem(model)
    variances = np.array([0.3, 0.4, 0.5, 0.6])
    variances[zero] = 0.0
    at = likelihood(problem, variances / problem.variance_units, True)
    value, score, average, expected = DenseModel.of(model, True).at(variances)
    assert at.criterion == pytest.approx(value, abs=1e-9)
    np.testing.assert_allclose(at.score / problem.variance_units, score, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(at.information("average"), average, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(at.information("expected"), expected, rtol=1e-6, atol=1e-6)


def test_what_cannot_be_computed_is_refused():
    model = random_model(5, ("plain",))
    problem = component_problem.component_problem(model)
    with pytest.raises(NumericalError, match="residual variance"):
        likelihood(problem, np.array([1.0, 0.0]), True)
    with pytest.raises(NumericalError, match="not negative"):
        likelihood(problem, np.array([-1.0, 1.0]), True)
    with pytest.raises(MemoryLimitError, match="sparse precision"):
        estimate(random_model(5, ("dense",)), memory=10.0)


@pytest.mark.parametrize("digits", [6, 11, 14])
def test_a_nearly_singular_covariance_keeps_the_digits_of_the_criterion(digits):
    rng = np.random.default_rng(digits)
    q, n = 12, 40
    U = np.linalg.qr(rng.normal(size=(q, q)))[0]
    K = (U * 10.0 ** -np.linspace(0, digits, q)) @ U.T
    Z = np.eye(q)[rng.integers(0, q, n)]
    y = rng.normal(size=n) + Z @ rng.normal(size=q)
    model = ComponentModel.of_matrices(y, np.ones((n, 1)), {"g": Z}, {"g": 0.5 * (K + K.T)})
    for method in ("ai", "emma"):
        found = estimate(model, method)
        wanted = DenseModel.of(model, True).at(found.variances.to_numpy())[0]
        assert found.criterion == pytest.approx(wanted, abs=1e-9)


def test_rows_of_no_level_and_of_several():
    rng = np.random.default_rng(8)
    n, q = 50, 6
    Z = np.eye(q)[rng.integers(0, q, n)]
    Z[:7] = 0.0
    several = Z.copy()
    several[np.arange(10, 20), rng.integers(0, q, 10)] += 0.5
    X, y = np.column_stack([np.ones(n), rng.normal(size=n)]), rng.normal(size=n)
    variances = np.array([0.7, 0.4, 0.9])
    for second in (Z, several):
        made = {"a": np.eye(4)[rng.integers(0, 4, n)], "b": second}
        model = ComponentModel.of_matrices(y + 2 * second @ rng.normal(size=q), X, made)
        problem = component_problem.component_problem(model)
        assert problem.rows.by_level == (second is Z)
        at = likelihood(problem, variances / problem.variance_units, True)
        value, score, average, expected = DenseModel.of(model, True).at(variances)
        assert at.criterion == pytest.approx(value, abs=1e-9)
        np.testing.assert_allclose(at.score / problem.variance_units, score, rtol=1e-8)
        np.testing.assert_allclose(at.information("average"), average, rtol=1e-8)
        np.testing.assert_allclose(at.information("expected"), expected, rtol=1e-8)
