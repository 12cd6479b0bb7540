"""One analysis for many cross-products: order and patterns are kept, numbers replaced."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
from models import SmallModel, make_model

from lmforms.engine.criterion.evaluate import differentiate, evaluate
from lmforms.engine.criterion.problem import Problem
from lmforms.engine.factor import JointSystem, System
from lmforms.engine.factor import system as system_module
from lmforms.engine.factor.layout import Layout
from lmforms.engine.iterative import IterativeSystem
from lmforms.engine.linalg import compiled as compiled_module
from lmforms.engine.prior import Identity, Precision, Prior
from lmforms.engine.sums.cross_products import CrossProducts, cross_products
from lmforms.engine.sums.matrix_products import matrix_cross_products
from lmforms.engine.sums.scaling import choose_units
from lmforms.errors import ModelError
from lmforms.residual import Weighted


def sums(model: SmallModel, seed: int) -> CrossProducts:
    """Of the same rows with other weights."""
    weights = np.random.default_rng(seed).uniform(0.2, 4.0, model.rows.n)
    units = choose_units(model.rows, model.covariances)
    return cross_products(replace(model.rows, residual=Weighted(weights)), units)


def precision(q: int) -> Precision:
    t = np.eye(q) - 0.4 * np.eye(q, k=-1)
    return Precision(sp.csc_matrix(t.T @ t))


def priors(cp: CrossProducts) -> list[Prior]:
    """Related levels of the first grouping factor."""
    return [precision(len(cp.factors[0].zz)), *[Identity()] * (len(cp.factors) - 1)]


def dense(cp: CrossProducts) -> Layout:
    return System(cp, "dense")


def sparse(cp: CrossProducts) -> Layout:
    return System(cp, "sparse")


def related(cp: CrossProducts) -> Layout:
    return JointSystem(cp, priors(cp))


def related_sparse(cp: CrossProducts) -> Layout:
    return JointSystem(cp, priors(cp), "sparse")


def assert_same(one: Layout, other: Layout, model: SmallModel) -> None:
    a, b = (
        differentiate(evaluate(Problem(s, model.covariances, model.reml), model.theta))
        for s in (one, other)
    )
    assert a.value == pytest.approx(b.value, rel=1e-12)
    np.testing.assert_allclose(a.gradient, b.gradient, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(a.information, b.information, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("analyse", [System, dense, sparse, related, related_sparse])
@pytest.mark.parametrize("kind", ["one", "crossed", "nested", "three"])
@pytest.mark.parametrize("sparse_coupling", [True, False])
def test_other_numbers_on_one_analysis(monkeypatch, analyse, kind, sparse_coupling):
    if sparse_coupling:
        monkeypatch.setattr(system_module, "DENSE_COUPLING", 0)
        monkeypatch.setattr(system_module, "DENSE_COUPLING_SHARE", 2.0)
    monkeypatch.setattr(compiled_module, "COMPILED_WORK", 1e99)
    levels, columns = {
        "one": ((8,), (2,)),
        "crossed": ((9, 5), (2, 1)),
        "nested": ((12, 4), (1, 2)),
        "three": ((9, 5, 4), (1, 2, 1)),
    }[kind]
    model = make_model(5, levels, columns, ("us",) * len(levels), n=90, nested=kind == "nested")
    first, second = sums(model, 1), sums(model, 2)
    system = analyse(first)
    before = evaluate(Problem(system, model.covariances, model.reml), model.theta).value
    assert_same(system.with_sums(second), analyse(second), model)
    assert_same(system.with_sums(first + second), analyse(first + second), model)
    # the analysed sums themselves do not change
    after = evaluate(Problem(system, model.covariances, model.reml), model.theta).value
    assert after == before


def test_pairs_within_one_factor():
    model = make_model(6, (7,), (2,), ("us",), n=60)
    units = choose_units(model.rows, model.covariances)
    cp = matrix_cross_products(model.rows, units)
    system = JointSystem(cp, [precision(7)])
    doubled = cp + cp
    assert_same(system.with_sums(doubled), JointSystem(doubled, [precision(7)]), model)


def test_conjugate_gradients():
    model = make_model(5, (12, 9), (1, 2), ("us", "us"), n=90)
    first, second = sums(model, 1), sums(model, 2)
    v = [np.random.default_rng(0).normal(size=f.zr.shape) for f in first.factors]
    system = IterativeSystem(first).with_sums(second)
    for a, b in zip(system.gram_times(v), IterativeSystem(second).gram_times(v), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)


def test_few_effects_are_written_out_when_they_are_asked_for():
    model = make_model(5, (9, 5), (2, 1), ("us", "us"), n=90)
    first, second = sums(model, 1), sums(model, 2)
    system = System(first)
    assert system.is_small
    assert "coupling" not in vars(system)
    np.testing.assert_array_equal(system.coupling.c, System(first, "dense").coupling.c)
    np.testing.assert_array_equal(system.gram, System(first, "dense").gram)
    np.testing.assert_array_equal(system.with_sums(second).gram, System(second, "dense").gram)


def test_levels_that_meet_elsewhere_are_refused():
    model = make_model(5, (9, 5), (1, 1), ("us", "us"), n=40)
    cp = sums(model, 1)
    units = choose_units(model.rows, model.covariances)
    fewer = cross_products(model.rows.subset(slice(0, 30)), units)
    with pytest.raises(ModelError, match="an analysis of their own"):
        System(cp).with_sums(fewer)
