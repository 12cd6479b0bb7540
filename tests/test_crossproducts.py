"""Cross-products add up: split the rows anywhere, get the same fit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import make_model, small_models

import lmforms as lf
from lmforms.control import Control
from lmforms.criterion import Problem, evaluate
from lmforms.crossproducts import cross_products
from lmforms.estimate import estimate, estimate_sums
from lmforms.factor import System
from lmforms.sums import choose_scaling


@settings(max_examples=50, deadline=None)
@given(model=small_models(), data=st.data())
def test_chunks_add_up(model, data):
    n = model.rows.n
    cuts = sorted(data.draw(st.lists(st.integers(0, n), min_size=1, max_size=4)))
    scaling = choose_scaling(model.rows, model.covariances)
    whole = cross_products(model.rows, scaling)
    parts = [
        cross_products(model.rows.subset(slice(a, b)), scaling)
        for a, b in zip([0, *cuts], [*cuts, n], strict=True)
    ]
    total = sum(parts[1:], start=parts[0])
    assert total.n == n
    np.testing.assert_allclose(total.rr, whole.rr, rtol=1e-12, atol=1e-11)
    for a, b in zip(total.factors, whole.factors, strict=True):
        np.testing.assert_allclose(a.zz, b.zz, rtol=1e-12, atol=1e-11)
        np.testing.assert_allclose(a.zr, b.zr, rtol=1e-12, atol=1e-11)
    value = [
        evaluate(Problem(System(cp), model.covariances, model.reml), model.theta).value
        for cp in (total, whole)
    ]
    assert value[0] == pytest.approx(value[1], rel=1e-12)


@pytest.mark.parametrize("formula", ["Reaction ~ Days + (Days | Subject)"])
@pytest.mark.parametrize("size", [1, 7, 50, 179])
def test_a_stream_gives_the_same_fit(formula, size):
    model = lf.MixedModel(formula, lf.datasets.load("sleepstudy"))
    rows = model.design.rows()
    covariances = [g.covariance for g in model.design.groups]
    whole = estimate(rows, covariances, reml=True, control=Control())
    scaling = choose_scaling(rows.subset(slice(0, 30)), tuple(covariances))  # the first rows only
    total = None
    for start in range(0, rows.n, size):
        part = cross_products(rows.subset(slice(start, start + size)), scaling)
        total = part if total is None else total + part
    streamed = estimate_sums(total, covariances, reml=True, control=Control())
    assert streamed.criterion == pytest.approx(whole.criterion, rel=1e-12)
    np.testing.assert_allclose(streamed.beta, whole.beta, rtol=1e-9)
    np.testing.assert_allclose(streamed.theta[0], whole.theta[0], rtol=1e-6, atol=1e-7)
    assert streamed.sigma == pytest.approx(whole.sigma, rel=1e-8)


def test_different_units_cannot_be_added():
    model = make_model(2, (5,), (1,), ("us",))
    a = cross_products(model.rows, choose_scaling(model.rows, model.covariances))
    b = cross_products(model.rows, choose_scaling(model.rows, model.covariances))
    with pytest.raises(ValueError, match="share a Scaling"):
        a + b


def test_half_weights_on_doubled_rows_are_the_same_sums():
    model = make_model(4, (5, 4), (2, 1), ("us", "us"), weighted=True)
    scaling = choose_scaling(model.rows, model.covariances)
    once = cross_products(model.rows, scaling)
    twice = once + once
    np.testing.assert_allclose(0.5 * twice.rr, once.rr, rtol=1e-15)
    np.testing.assert_allclose(0.5 * twice.pairs[0, 1].blocks, once.pairs[0, 1].blocks, rtol=1e-15)


@pytest.mark.parametrize("first", [3, 10])
def test_a_first_chunk_that_fits_exactly_may_choose_the_units(first):
    model = lf.MixedModel("Reaction ~ Days + (1 | Subject)", lf.datasets.load("sleepstudy"))
    rows = model.design.rows()
    y = rows.y.copy()
    y[:first] = y[0]
    rows = replace(rows, y=y)
    covariances = tuple(g.covariance for g in model.design.groups)
    whole = estimate(rows, covariances, reml=True, control=Control())
    scaling = choose_scaling(rows.subset(slice(0, first)), covariances)
    total = cross_products(rows.subset(slice(0, first)), scaling) + cross_products(
        rows.subset(slice(first, None)), scaling
    )
    streamed = estimate_sums(total, covariances, reml=True, control=Control())
    assert streamed.criterion == pytest.approx(whole.criterion, rel=1e-10)
