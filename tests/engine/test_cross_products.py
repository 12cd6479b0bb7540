"""Cross-products add up: split the rows anywhere, get the same fit."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace

import numpy as np
import pytest
from dense import dense_z
from hypothesis import given, settings
from hypothesis import strategies as st
from models import make_model, small_models

import lmforms as lf
from lmforms.control import Control
from lmforms.engine.criterion.evaluate import evaluate
from lmforms.engine.criterion.problem import Problem
from lmforms.engine.estimate import estimate, estimate_sums
from lmforms.engine.factor import System
from lmforms.engine.rows import ModelRows
from lmforms.engine.sums.cross_products import cross_products, finite_squares
from lmforms.engine.sums.fits_in_turn import LEAST_WITHIN_SHARE, MOST_SWEEPS
from lmforms.engine.sums.level_sums import RELATIVE_RIDGE
from lmforms.engine.sums.pilot import pilot_scaling
from lmforms.engine.sums.scaling import choose_units
from lmforms.engine.sums.sums_of_rows import choose_scaling, sums_of_rows
from lmforms.engine.sums.units import Scaling
from lmforms.errors import ModelError, NumericalError


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


@pytest.mark.parametrize("far", [0.0, 1e3])
@pytest.mark.parametrize("formula", ["Reaction ~ Days + (Days | Subject)", "Reaction ~ Days"])
def test_sums_of_other_processes_add_up(formula, far):
    """Each chunk has a copy of the units, and its sums come back as a copy."""
    sleep = lf.datasets.load("sleepstudy")
    sleep = sleep.assign(Reaction=sleep["Reaction"] + far * (sleep["Subject"].cat.codes % 5))
    model = lf.MixedModel(formula + " + (1 | Days)", sleep)
    rows, covariances = model.design.rows(), tuple(g.covariance for g in model.design.groups)
    options = {"reml": True, "control": Control()}
    scaling = pickle.dumps(choose_scaling(rows, covariances))
    parts = []
    for chunk in (slice(0, 77), slice(77, 78), slice(78, None)):
        own = cross_products(rows.subset(chunk), pickle.loads(scaling))
        parts.append(pickle.loads(pickle.dumps(own)))
    found = estimate_sums(parts[0] + parts[1] + parts[2], covariances, **options)
    whole = estimate(rows, covariances, **options)
    assert found.criterion == pytest.approx(whole.criterion, rel=1e-12)
    np.testing.assert_allclose(found.beta, whole.beta, rtol=1e-9)
    assert found.sigma == pytest.approx(whole.sigma, rel=1e-8)


def test_different_units_cannot_be_added():
    model = make_model(2, (5, 4), (2, 1), ("us", "us"))
    rows = far_apart(model, 30.0)
    scaling = choose_units(rows, model.covariances)
    units, pilot = scaling.units, scaling.pilot
    one_more = (replace(units.bases[0], matrix=2.0 * units.bases[0].matrix), units.bases[1])
    others = [
        choose_units(rows.subset(slice(0, 30)), model.covariances),
        with_pilot(rows, scaling),
        replace(scaling, units=replace(units, bases=one_more)),
        replace(scaling, units=replace(units, x=replace(units.x, constant=None))),
        replace(scaling, pilot=replace(pilot, y_scale=np.nextafter(pilot.y_scale, np.inf))),
        replace(scaling, pilot=replace(pilot, shift=pilot.shift + 1.0)),
        replace(scaling, pilot=replace(pilot, effects=pilot.effects[::-1])),
    ]
    for other in others:
        with pytest.raises(ModelError, match="Choose one Scaling for all chunks"):
            cross_products(rows, scaling) + cross_products(rows, other)
    same = choose_units(rows, model.covariances)  # equal numbers
    twice = cross_products(rows, scaling) + cross_products(rows, same)
    assert twice.n == 2 * rows.n


@settings(max_examples=40, deadline=None)
@given(model=small_models(), data=st.data())
def test_rows_taken_out(model, data):
    a, b = sorted(data.draw(st.tuples(st.integers(0, model.rows.n), st.integers(0, model.rows.n))))
    scaling = choose_scaling(model.rows, model.covariances)
    chunks = [slice(0, a), slice(a, b), slice(b, None)]
    first, out, last = (cross_products(model.rows.subset(s), scaling) for s in chunks)
    left, rest = (first + out + last) - out, first + last
    assert left.n == rest.n
    assert left.log_det_residual == pytest.approx(rest.log_det_residual, abs=1e-12)
    np.testing.assert_allclose(left.rr, rest.rr, atol=1e-11)
    for x, y in zip(left.factors, rest.factors, strict=True):
        np.testing.assert_allclose(x.zz, y.zz, atol=1e-11)
        np.testing.assert_allclose(x.zr, y.zr, atol=1e-11)
    sizes = [(f.n_levels, f.k) for f in model.rows.factors]
    for (i, j), pair in left.pairs.items():  # pairs of levels that are gone remain as zeros
        np.testing.assert_allclose(
            dense_pair(pair, sizes[i], sizes[j]),
            dense_pair(rest.pairs[i, j], sizes[i], sizes[j]),
            atol=1e-11,
        )


def dense_pair(pair, left: tuple[int, int], right: tuple[int, int]) -> np.ndarray:
    out = np.zeros((left[0], right[0], left[1], right[1]))
    out[pair.rows, pair.cols] = pair.blocks
    return out


@settings(max_examples=40, deadline=None)
@given(model=small_models(), far=st.sampled_from([0.0, 30.0]))
def test_with_another_response(model, far):
    rows = far_apart(model, far)
    scaling = with_pilot(rows, choose_units(rows, model.covariances))
    rng = np.random.default_rng(1)
    effects = tuple(b.copy() for b in scaling.pilot.effects)
    for b in effects:
        b[..., -1] = rng.normal(size=b.shape[:2])
    gamma = rng.normal(size=rows.X.shape[1])
    pilot = replace(scaling.pilot, gamma=gamma, y_scale=2.0, effects=effects)
    other = replace(rows, y=rng.normal(size=rows.n))
    wanted = cross_products(other, replace(scaling, pilot=pilot))
    zy = [f.zr[..., -1] for f in wanted.factors]
    base = cross_products(rows, scaling)
    found = base.with_response(pilot, zy, wanted.rr[:-1, -1], wanted.rr[-1, -1])
    assert found.scaling.is_same(wanted.scaling)
    np.testing.assert_allclose(found.rr, wanted.rr, rtol=1e-12)
    for x, y in zip(found.factors, wanted.factors, strict=True):
        np.testing.assert_allclose(x.zr, y.zr, rtol=1e-12)


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


# --- pilots -------------------------------------------------------------------------------


def far_apart(model, far: float) -> ModelRows:
    """The rows with effects of all levels `far` times the residual in y, and some in x."""
    rng = np.random.default_rng(0)
    y, X = model.rows.y.copy(), model.rows.X.copy()
    for f in model.rows.factors:
        effects = rng.normal(size=(f.n_levels, f.k))
        y += far * np.einsum("ik,ik->i", f.basis, effects[f.codes])
        X[:, 1] += 0.1 * far * rng.normal(size=f.n_levels)[f.codes]
    return replace(model.rows, y=y, X=X)


def with_pilot(rows: ModelRows, scaling: Scaling) -> Scaling:
    """The same units with pilot effects from the rows."""
    return pilot_scaling(cross_products(rows, scaling))


def answers(rows, model, scaling):
    """Criterion, β and random effects in the user's units."""
    problem = Problem(System(cross_products(rows, scaling)), model.covariances, model.reml)
    at = evaluate(problem, model.theta)
    b = [
        scaling.pilot.y_scale * x @ m.linear.T
        for x, m in zip(at.b, scaling.units.bases, strict=True)
    ]
    value = at.value + scaling.criterion_shift(problem.nu, model.reml)
    return value, scaling.beta(at.gls.beta), np.concatenate([x.ravel() for x in b])


@settings(max_examples=60, deadline=None)
@given(model=small_models(), far=st.sampled_from([0.0, 1.0, 30.0]))
def test_pilots_change_no_answer(model, far):
    rows = far_apart(model, far)
    units = choose_units(rows, model.covariances)
    plain = answers(rows, model, units)
    piloted = answers(rows, model, with_pilot(rows, units))
    assert piloted[0] == pytest.approx(plain[0], rel=1e-9)
    np.testing.assert_allclose(piloted[1], plain[1], rtol=1e-7, atol=1e-8 * (1 + far))
    np.testing.assert_allclose(piloted[2], plain[2], rtol=1e-6, atol=1e-8 * (1 + far))


@pytest.mark.parametrize("far, wanted", [(0.0, False), (1e3, True)])
@pytest.mark.parametrize("columns", [(1, 1), (2, 1)])
def test_pilots_are_taken_where_sums_would_cancel(far, wanted, columns):
    model = make_model(6, (7, 5), columns, ("us", "us"), n=60)
    rows = far_apart(model, far)
    cp = sums_of_rows(rows, model.covariances)
    assert any(b.any() for b in cp.scaling.pilot.effects) == wanted
    plain = cross_products(rows, choose_units(rows, model.covariances))
    if wanted:
        assert cp.rr[-1, -1] < 1e-2 * plain.rr[-1, -1]
    else:
        np.testing.assert_array_equal(cp.rr, plain.rr)


def dense_rest(rows: ModelRows, scaling) -> tuple[np.ndarray, list[np.ndarray]]:
    """[X̃ ỹ] less what every factor in turn explains of it, and all Z̃, by n×n algebra."""
    right, bases = scaling.whitened(rows)
    factors = [replace(f, basis=w) for f, w in zip(rows.factors, bases, strict=True)]
    order = sorted(factors, key=lambda f: -f.n_levels * f.k * f.k)
    zs, fits = [dense_z(f, rows.n) for f in order], []
    for f, z in zip(order, zs, strict=True):
        zz = z.T @ z
        if f.k > 1:
            size = np.diag(zz).reshape(-1, f.k).mean(axis=1)
            zz += np.diag(np.repeat(RELATIVE_RIDGE * np.where(size > 0, size, 1.0), f.k))
        fits.append(z @ np.linalg.pinv(zz, rcond=1e-14) @ z.T)
    for _ in range(MOST_SWEEPS):
        before = right[:, -1] @ right[:, -1]
        for fit in fits:
            right = right - fit @ right
        if right[:, -1] @ right[:, -1] > 0.5 * before:
            break
    return right, zs


@settings(max_examples=60, deadline=None)
@given(model=small_models(), far=st.sampled_from([0.0, 1.0, 30.0]))
def test_what_is_unexplained_against_dense_projections(model, far):
    rows = far_apart(model, far)
    units = choose_units(rows, model.covariances)
    cp = cross_products(rows, units)
    right, _ = units.whitened(rows)
    rest, zs = dense_rest(rows, units)
    X, y = rest[:, :-1], rest[:, -1]
    alive = np.square(X).sum(axis=0) > LEAST_WITHIN_SHARE**2 * np.square(right[:, :-1]).sum(axis=0)
    X = X[:, alive]
    left = y @ y - y @ X @ np.linalg.pinv(X.T @ X, rcond=LEAST_WITHIN_SHARE) @ X.T @ y
    assert cp.unexplained == pytest.approx(left, rel=1e-8, abs=1e-11 * cp.rr[-1, -1])
    everything = np.hstack([*zs, right[:, :-1]])
    least = right[:, -1] - everything @ np.linalg.pinv(everything, rcond=1e-10) @ right[:, -1]
    assert least @ least <= cp.unexplained * (1 + 1e-8) + 1e-11 * cp.rr[-1, -1]
    assert cp.unexplained <= cp.rr[-1, -1]


def test_nothing_is_unexplained_where_groups_explain_all():
    model = make_model(1, (6,), (1,), ("us",))
    f = model.rows.factors[0]
    rows = replace(model.rows, y=np.sqrt(1.0 + f.codes) + model.rows.X[:, 1])
    cp = cross_products(rows, choose_units(rows, model.covariances))
    assert 0.0 <= cp.unexplained < 1e-12 * cp.rr[-1, -1]


def test_squares_that_overflow_are_an_error_alone():
    """NumPy's warning beside it is not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(NumericalError, match="overflow"):
            finite_squares(np.full((3, 2), 1e200))
