"""Sums over rows: in NumPy, by compiled loops, in one part or several; all against plain sums."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models import make_model

from lmforms.covariance import Diagonal, Unstructured
from lmforms.engine import kernel_choice
from lmforms.engine.linalg import stable_columns, threads
from lmforms.engine.linalg.stable_columns import orthonormalising
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.engine.sums import level_sums, pair_sums
from lmforms.engine.sums.compiled_fits import CompiledFits
from lmforms.engine.sums.cross_products import CrossProducts, cross_products
from lmforms.engine.sums.fits_in_turn import FitsInTurn, FitsOfParts
from lmforms.engine.sums.moments import FactorMoments, PairMoments
from lmforms.engine.sums.pilot import pilot_scaling
from lmforms.engine.sums.scaling import choose_units
from lmforms.engine.sums.sums_of_rows import sums_of_rows
from lmforms.residual import Independent, Weighted

row_kernels = pytest.importorskip("lmforms.engine.sums.row_kernels")

EPS = np.finfo(float).eps


@contextmanager
def numpy_alone() -> Iterator[None]:
    """As if the compiled loops had not been loaded."""
    with kernel_choice.compiled_as(False):
        yield


@contextmanager
def short_parts() -> Iterator[None]:
    """Parts of seven rows."""
    with mock.patch.object(threads, "LONGEST_PART", 7), kernel_choice.compiled_as(True):
        yield


@contextmanager
def as_it_is() -> Iterator[None]:
    with kernel_choice.compiled_as(True):
        yield


@st.composite
def models(draw: st.DrawFn) -> tuple[ModelRows, tuple[Unstructured | Diagonal, ...]]:
    """Rows with levels that do not occur, sorted or not, of any size, far from zero or not."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    n, p = draw(st.integers(12, 60)), draw(st.integers(0, 5))
    X = rng.normal(size=(n, p)) * 10.0 ** rng.integers(-8, 9, p)
    if p and draw(st.booleans()):
        X[:, 0] = 1.0
        X[:, 1:] += draw(st.sampled_from([0.0, 1e3])) * np.abs(X[:, 1:]).max(axis=0, initial=0.0)
    factors, covariances = [], []
    for _ in range(draw(st.integers(0, 3))):
        q, k = draw(st.integers(1, 9)), draw(st.integers(1, 4))
        codes = rng.integers(0, q, n)
        if draw(st.booleans()):
            codes = np.sort(codes)
        basis = rng.normal(size=(n, k)) * 10.0 ** rng.integers(-8, 9, k)
        if draw(st.booleans()):
            basis[:, 0] = 1.0
        factors.append(FactorRows(codes, q + draw(st.integers(0, 2)), basis))
        covariances.append(draw(st.sampled_from([Unstructured, Diagonal]))(k))
    far = draw(st.sampled_from([0.0, 1e2, 1e6]))
    y = 10.0 ** draw(st.integers(-8, 8)) * (rng.normal(size=n) + far)
    residual = Weighted(rng.uniform(0.1, 9.0, n)) if draw(st.booleans()) else Independent()
    return ModelRows(y, X, tuple(factors), residual), tuple(covariances)


def plain_sums(rows: ModelRows, cp: CrossProducts) -> dict[str, np.ndarray]:
    """The same sums, row by row."""
    right, bases = cp.scaling.whitened(rows)
    for f, w, effects in zip(rows.factors, bases, cp.scaling.pilot.effects, strict=True):
        right = right - np.einsum("ik,ikr->ir", w, effects[f.codes])
    out = {"rr": right.T @ right}
    for a, (f, w) in enumerate(zip(rows.factors, bases, strict=True)):
        out[f"zz{a}"] = np.zeros((f.n_levels, f.k, f.k))
        out[f"zr{a}"] = np.zeros((f.n_levels, f.k, right.shape[1]))
        np.add.at(out[f"zz{a}"], f.codes, w[:, :, None] * w[:, None])
        np.add.at(out[f"zr{a}"], f.codes, w[:, :, None] * right[:, None])
        for b in range(a + 1, len(bases)):
            g, v = rows.factors[b], bases[b]
            out[f"{a},{b}"] = np.zeros((f.n_levels, g.n_levels, f.k, g.k))
            np.add.at(out[f"{a},{b}"], (f.codes, g.codes), w[:, :, None] * v[:, None])
    return out


def arrays(cp: CrossProducts) -> dict[str, np.ndarray]:
    out = {"rr": cp.rr}
    for a, f in enumerate(cp.factors):
        out |= {f"zz{a}": f.zz, f"zr{a}": f.zr}
    for (a, b), pair in cp.pairs.items():
        shape = len(cp.factors[a].zz), len(cp.factors[b].zz), *pair.blocks.shape[1:]
        whole = np.zeros(shape)
        whole[pair.rows, pair.cols] = pair.blocks
        out[f"{a},{b}"] = whole
        assert (np.diff(pair.rows * shape[1] + pair.cols) > 0).all()
    return out


def assert_same_sums(cp: CrossProducts, rows: ModelRows, digits: float = 1e-13) -> None:
    """Up to rounding of the numbers that are summed."""
    wanted = plain_sums(rows, cp)
    # ỹ has the rounding of y and of the pilot fit, and of the pilot effects
    pilot = cp.scaling.pilot
    large = 1.0 + np.abs(rows.y - pilot.shift).max() / pilot.y_scale
    large += max((np.abs(b).max(initial=0.0) for b in pilot.effects), default=0.0)
    found = arrays(cp)
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        tolerance = digits * rows.n * (1.0 if "z" in name and "r" not in name else large)
        np.testing.assert_allclose(found[name], values, rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("parts", [as_it_is, short_parts])
@pytest.mark.parametrize("kernels", [True, False])
@settings(max_examples=60, deadline=None)
@given(model=models(), tables=st.booleans())
def test_sums_of_rows_against_plain_sums(kernels, parts, model, tables):
    rows, covariances = model
    limits = (1 << 12, 2.0) if tables else (0, 0.0)
    with (
        as_it_is() if kernels else numpy_alone(),
        parts(),
        mock.patch.object(pair_sums, "DENSE_PAIRS", limits[0]),
        mock.patch.object(pair_sums, "DENSE_ROWS", limits[1]),
    ):
        units = choose_units(rows, covariances)
        plain = cross_products(rows, units)
        assert_same_sums(plain, rows)
        if rows.factors:
            assert_same_sums(cross_products(rows, pilot_scaling(plain)), rows)
        assert_same_sums(sums_of_rows(rows, covariances), rows)


@settings(max_examples=60, deadline=None)
@given(model=models())
def test_both_choose_the_same_units(model):
    rows, covariances = model
    found = choose_units(rows, covariances)
    with numpy_alone():
        wanted = choose_units(rows, covariances)
    for a, b in zip(
        (found.units.x, *found.units.bases), (wanted.units.x, *wanted.units.bases), strict=True
    ):
        assert a.constant == b.constant
        np.testing.assert_allclose(a.center, b.center, rtol=1e-12)
        sizes = np.linalg.norm(b.matrix, axis=1, keepdims=True)
        np.testing.assert_allclose(a.matrix / sizes, b.matrix / sizes, atol=1e-9)
    assert found.pilot.shift == wanted.pilot.shift
    assert found.pilot.y_scale == pytest.approx(wanted.pilot.y_scale, rel=1e-9)
    assert found.pilot.resolution == pytest.approx(wanted.pilot.resolution, rel=1e-13)


@settings(max_examples=60, deadline=None)
@given(model=models())
def test_columns_in_units_are_orthonormal(model):
    rows, covariances = model
    n, p = rows.X.shape
    right, _ = choose_units(rows, covariances).whitened(rows)
    np.testing.assert_allclose(right[:, :p].T @ right[:, :p] / n, np.eye(p), atol=1e-7)
    if n > 2 * p:
        assert 0.1 < np.sqrt(np.mean(right[:, p] ** 2)) < 10.0


@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("noise", [0.0, 1e-10, 1e-5])
def test_a_response_that_is_nearly_explained_has_a_small_remainder(kernels, noise):
    rng = np.random.default_rng(3)
    X = np.column_stack([np.ones(200), rng.normal(size=(200, 2)) + 30.0])
    y = X @ [3.0, -2.0, 1.0] + noise * rng.normal(size=200)
    rows = ModelRows(y, X, (), Independent())
    with as_it_is() if kernels else numpy_alone():
        pilot = choose_units(rows, ()).pilot
        cp = sums_of_rows(rows, ())
    left = pilot.y_scale * np.sqrt(cp.rr[-1, -1] / rows.n)
    assert left == pytest.approx(noise, rel=0.2, abs=50 * EPS * np.abs(y).max())


@pytest.mark.parametrize("kernels", [True, False])
def test_numbers_whose_squares_underflow_are_still_in_units(kernels):
    model = make_model(3, (5,), (2,), ("us",))
    tiny = replace(model.rows, y=1e-144 * model.rows.y, X=model.rows.X * [1.0, 1e-143])
    with as_it_is() if kernels else numpy_alone():
        found, wanted = (sums_of_rows(rows, model.covariances) for rows in (tiny, model.rows))
    np.testing.assert_allclose(found.rr, wanted.rr, atol=1e-10)


def test_arrays_may_be_read_only_and_strided():
    model = make_model(5, (6, 4), (2, 1), ("us", "us"), weighted=True)
    wanted = sums_of_rows(model.rows, model.covariances)

    def fixed(array):
        wide = np.repeat(array, 2, axis=0)
        wide.setflags(write=False)
        return wide[::2]

    factors = tuple(
        FactorRows(fixed(f.codes), f.n_levels, fixed(f.basis)) for f in model.rows.factors
    )
    rows = replace(model.rows, y=fixed(model.rows.y), X=fixed(model.rows.X), factors=factors)
    found = sums_of_rows(rows, model.covariances)
    np.testing.assert_allclose(found.rr, wanted.rr, rtol=1e-12, atol=1e-13)


# --- least squares in turn ----------------------------------------------------------------


@st.composite
def moments(draw: st.DrawFn, most: int = 3) -> tuple[list[FactorMoments], dict]:
    """Moments of one to three factors, some levels of which are empty, of one response."""
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    n, m = 40, draw(st.integers(1, 4))
    right, columns, shapes = rng.normal(size=(n, m)), [], []
    for _ in range(draw(st.integers(1, most))):
        q, k = draw(st.integers(1, 8)), draw(st.integers(1, 4))
        codes, Z = rng.integers(0, q, n), np.zeros((n, q + 1, k))
        Z[np.arange(n), codes] = rng.normal(size=(n, k))
        columns.append(Z)
        shapes.append((q + 1, k))
    factors = [
        FactorMoments(np.einsum("iqa,iqb->qab", Z, Z), np.einsum("iqa,ir->qar", Z, right))
        for Z in columns
    ]
    pairs = {}
    for a in range(len(columns)):
        for b in range(a + 1, len(columns)):
            blocks = np.einsum("iqa,irb->qrab", columns[a], columns[b])
            rows, cols = np.nonzero(blocks.any(axis=(2, 3)))
            pairs[a, b] = PairMoments(rows, cols, blocks[rows, cols])
    return factors, pairs


def in_numpy(factors: list[FactorMoments], pairs: dict) -> FitsInTurn:
    def across(j, i, x):
        q = len(factors[j].zz)
        return pairs[j, i].times(x, q) if j < i else pairs[i, j].transposed_times(x, q)

    return FitsInTurn([f.zz for f in factors], [f.zr for f in factors], across)


@settings(max_examples=60, deadline=None)
@given(drawn=moments(), delta=st.floats(-2.0, 2.0))
def test_compiled_fits_against_numpy(drawn, delta):
    fits = in_numpy(*drawn), CompiledFits(row_kernels, *drawn)
    assert fits[0].most_sweeps == fits[1].most_sweeps
    effects = [[np.zeros_like(f.zr) for f in drawn[0]] for _ in fits]
    for sweep in range(3):
        found = [fit.taken_by_sweep(own) for fit, own in zip(fits, effects, strict=True)]
        np.testing.assert_allclose(*found, rtol=1e-9, atol=1e-11)
        if sweep == 1:
            for fit in fits:
                fit.subtract_from_last(np.full(drawn[0][0].zr.shape[2] - 1, delta))
    for a, b in zip(*effects, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(drawn=moments(most=1))
def test_levels_in_parts_against_all_at_once(drawn):
    (factor,), _ = drawn
    whole = in_numpy([factor], {})
    with mock.patch.object(sys.modules[FitsOfParts.__module__], "PART", 3):
        parts = FitsOfParts(factor.zz, factor.zr)
    for _ in range(whole.most_sweeps):
        np.testing.assert_allclose(
            parts.taken_by_sweep(), whole.taken_by_sweep(), rtol=1e-9, atol=1e-12
        )


def test_many_levels_are_unexplained_as_few():
    model = make_model(7, (9,), (2,), ("us",), n=60)
    cp = sums_of_rows(model.rows, model.covariances)
    wanted = cp.unexplained
    fresh = replace(cp)
    with mock.patch.object(sys.modules[CrossProducts.__module__], "PART", 4):
        assert fresh.unexplained == pytest.approx(wanted, rel=1e-12)


# --- pairs, units, the choice -------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**16), n=st.integers(1, 50), qa=st.integers(1, 9), qb=st.integers(1, 9))
def test_places_of_pairs(seed, n, qa, qb):
    rng = np.random.default_rng(seed)
    a, b = (FactorRows(rng.integers(0, q, n), q, np.ones((n, 1))) for q in (qa, qb))
    present, place = np.unique(a.codes * qb + b.codes, return_inverse=True)
    for found in (pair_sums.pair_places(a, b, row_kernels), pair_sums.pair_places(a, b)):
        for got, wanted in zip(found, (present // qb, present % qb, place), strict=True):
            np.testing.assert_array_equal(got, wanted)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**16), p=st.integers(0, 6), share=st.sampled_from([1.0, 1e-2, 1e-5]))
def test_a_map_to_orthonormal_columns(seed, p, share):
    """By scalars, by LAPACK, and none where a column is nearly dependent."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(size=(50, p))
    if p > 1:
        columns[:, -1] = columns[:, 0] + share * columns[:, -1]
    columns *= 10.0 ** rng.integers(-100, 100, p)
    found = []
    for few in (0, 6):
        with mock.patch.object(stable_columns, "FEW_MOMENTS", few):
            found.append(orthonormalising(columns.T @ columns, 50))
    if p > 1 and share == 1e-5:
        assert found == [None, None]
        return
    for matrix in found:
        np.testing.assert_array_equal(matrix, np.triu(matrix))
        unit = columns @ matrix
        np.testing.assert_allclose(unit.T @ unit, 50 * np.eye(p), atol=1e-8)
    np.testing.assert_allclose(*found, rtol=1e-8)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**16), st.integers(1, 3), st.integers(1, 4))
def test_products_at_once_and_pair_by_pair(seed, k, m):
    rng = np.random.default_rng(seed)
    codes, left, right = rng.integers(0, 6, 40), rng.normal(size=(k, 40)), rng.normal(size=(m, 40))
    for other in (right, left):
        found = np.zeros((2, 7, k, len(other)))
        level_sums.add_by_level(codes, left, other, found[0])
        with mock.patch.object(level_sums, "FEW_PRODUCTS", 0):
            level_sums.add_by_level(codes, left, other, found[1])
        np.testing.assert_array_equal(found[0], found[1])
        each = left[:, None] * other
        wanted = [each[..., codes == level].sum(axis=-1) for level in range(7)]
        np.testing.assert_allclose(found[0], wanted, rtol=1e-12, atol=1e-14)


def test_loops_are_used_where_they_are_loaded_or_worth_it(monkeypatch):
    monkeypatch.setattr(kernel_choice, "_are_cached", lambda: False)
    least = kernel_choice.ROWS_WITH_NUMBA  # numba has been imported by this test
    assert kernel_choice.kernels_of_rows(least) is None  # compiling takes longer
    monkeypatch.setattr(kernel_choice, "_are_cached", lambda: True)
    assert kernel_choice.kernels_of_rows(least - 1) is None
    assert kernel_choice.kernels_of_rows(least) is row_kernels
    assert kernel_choice.kernels_of_rows(1) is row_kernels
