"""Chunks that bring new levels, in the units of a sample, against the sums of all rows at once."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lmforms import Control
from lmforms.covariance import Diagonal, Stacked, Unstructured
from lmforms.engine.estimate import estimate, estimate_sums
from lmforms.engine.rows import FactorRows, ModelRows
from lmforms.engine.sums.growing_sums import GrowingSums
from lmforms.engine.sums.pilot import pilot_scaling
from lmforms.engine.sums.sample_units import sample_scaling
from lmforms.engine.sums.settled_sums import products_of, settled
from lmforms.residual import Independent, Weighted


def _rows(seed, n=300, levels=(12, 7), *, weighted=False, shift=0.0, far=0.0):
    """Rows with slopes of one factor and intercepts of another."""
    random = np.random.default_rng(seed)
    x = random.normal(size=n)
    X = np.column_stack([np.ones(n), x, random.normal(size=n)])
    codes = [random.integers(0, q, n) for q in levels]
    for c, q in zip(codes, levels, strict=True):
        c[:q] = random.permutation(q)
    b = random.normal(size=(levels[0], 2)) * [1.0 + far, 0.5]
    y = shift + X @ [1.0, 2.0, 0.5] + b[codes[0], 0] + b[codes[0], 1] * x
    y = y + random.normal(size=levels[1])[codes[1]] + random.normal(size=n)
    factors = (
        FactorRows(codes[0], levels[0], X[:, :2]),
        FactorRows(codes[1], levels[1], X[:, :1]),
    )
    weights = random.uniform(0.5, 2.0, n)
    residual = Weighted(weights) if weighted else Independent()
    return ModelRows(y, X, factors, residual, size=float(np.abs(y).max()))


STRUCTURES = (Stacked.of([Unstructured(2)]), Stacked.of([Unstructured(1)]))


def _in_order_of_appearance(rows):
    """The same rows with levels numbered as they appear, and the former number of each."""
    factors, formers = [], []
    for f in rows.factors:
        former, first = np.unique(f.codes, return_index=True)
        former = former[np.argsort(first)]
        place = np.empty(f.n_levels, dtype=np.intp)
        place[former] = np.arange(f.n_levels)
        factors.append(FactorRows(place[f.codes], f.n_levels, f.basis))
        formers.append(former)
    return replace(rows, factors=tuple(factors)), formers


def _summed(rows, cuts, scaling, sizes=None):
    """By chunks, each with the levels so far."""
    sums = GrowingSums(scaling, [f.k for f in rows.factors])
    seen = [0] * len(rows.factors)
    for a, b in zip([0, *cuts], [*cuts, rows.n], strict=True):
        part = rows.subset(slice(a, b))
        if sizes is None:
            top = [int(f.codes.max(initial=-1)) + 1 for f in part.factors]
            seen = [max(s, t) for s, t in zip(seen, top, strict=True)]
            part = replace(
                part,
                factors=tuple(
                    FactorRows(f.codes, q, f.basis) for f, q in zip(part.factors, seen, strict=True)
                ),
            )
        sums.add(part)
    return sums.sums([f.n_levels for f in rows.factors])


def _compared(rows, cuts, structures=STRUCTURES, pilots=0, independent=None, sample=None):
    mixed, formers = _in_order_of_appearance(rows)
    sample = sample or mixed.subset(slice(0, max(cuts[0] if cuts else rows.n, 5)))
    ones = [0 if (f.basis[:, 0] == 1.0).all() else None for f in rows.factors]
    scaling = sample_scaling(sample, structures, 0, ones)
    found = _summed(mixed, cuts, scaling).placed(formers, [f.n_levels for f in rows.factors])
    made = settled(found, structures)
    cp = made.cp
    rows_kept = replace(rows, X=rows.X[:, made.kept])
    if pilots:
        cp = products_of(_summed(rows_kept, cuts, cp.scaling, sizes=True))
        cp = products_of(_summed(rows_kept, cuts, pilot_scaling(cp), sizes=True))
    fit = estimate_sums(cp, structures, reml=True, control=Control())
    whole = estimate(independent or rows, structures, reml=True, control=Control())
    return made, fit, whole


def _same(fit, whole, rtol=1e-9):
    assert fit.criterion == pytest.approx(whole.criterion, rel=rtol, abs=1e-7)
    size = np.abs(whole.beta).max()
    np.testing.assert_allclose(fit.beta, whole.beta, rtol=1e-7, atol=rtol * size)
    for a, b in zip(fit.b, whole.b, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-6 * np.abs(b).max())
    assert fit.sigma == pytest.approx(whole.sigma, rel=1e-7)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    cuts=st.lists(st.integers(6, 294), max_size=5).map(sorted),
    weighted=st.booleans(),
)
def test_any_split(seed, cuts, weighted):
    rows = _rows(seed, weighted=weighted)
    made, fit, whole = _compared(rows, cuts)
    assert made.kept.tolist() == [0, 1, 2]
    assert made.digits_lost < 4
    _same(fit, whole)


def test_more_levels_than_rows_of_a_chunk():
    rows = _rows(3, n=2000, levels=(600, 90))
    _same(*_compared(rows, [50, 60, 400, 401, 1200])[1:])


def test_counts_of_levels_and_pairs():
    rows = _rows(5)
    mixed, formers = _in_order_of_appearance(rows)
    scaling = sample_scaling(mixed.subset(slice(0, 40)), STRUCTURES, 0, [0, 0])
    found = _summed(mixed, [40, 41, 200], scaling).placed(formers, [12, 7])
    for f, own in zip(rows.factors, found.factors, strict=True):
        assert own.counts.tolist() == np.bincount(f.codes).tolist()
    table = np.zeros((12, 7), dtype=int)
    np.add.at(table, tuple(f.codes for f in rows.factors), 1)
    pair = found.pairs[0, 1]
    assert (pair.counts == table[table > 0]).all()
    assert list(zip(pair.rows, pair.cols, strict=True)) == list(zip(*table.nonzero(), strict=True))


@pytest.mark.parametrize("parts", [[Diagonal(2)], [Unstructured(1), Unstructured(1)]])
def test_structures_that_allow_scaling_only(parts):
    structures = (Stacked.of(parts), STRUCTURES[1])
    _same(*_compared(_rows(11), [30, 100], structures)[1:])


def test_dependent_columns_are_left_out():
    """Also where the first chunk cannot tell: a column that is zero there."""
    rows = _rows(8)
    extra = np.zeros(rows.n)
    extra[100:] = 1.0
    X = np.column_stack([rows.X, rows.X[:, 1] + rows.X[:, 2], extra, 1.0 - extra])
    independent = replace(rows, X=X[:, [0, 1, 2, 4]])
    made, fit, whole = _compared(replace(rows, X=X), [40, 90], independent=independent)
    assert made.kept.tolist() == [0, 1, 2, 4]
    _same(fit, whole)


def test_nearly_dependent_columns():
    """A share of 10⁻⁵ is kept, which products cannot see; the sums say that they lose digits."""
    rows = _rows(9)
    near = rows.X[:, 1] + 1e-5 * np.random.default_rng(0).normal(size=rows.n)
    rows = replace(rows, X=np.column_stack([rows.X, near]))
    made, fit, whole = _compared(rows, [40, 90], pilots=1)
    assert made.digits_lost > 8
    assert made.kept.tolist() == [0, 1, 2, 3]
    _same(fit, whole, 1e-8)


@pytest.mark.parametrize("shift", [0.0, 1e9])
def test_groups_far_apart(shift):
    """Pilot effects from the sums, and a second pass with them, where squares would cancel."""
    rows = _rows(10, shift=shift, far=1e4)
    _, fit, whole = _compared(rows, [40, 90], pilots=1)
    _same(fit, whole, 1e-8)


def test_predictors_far_from_the_first_chunk():
    """A sample that says little: other means and sizes later on."""
    rows = _rows(12)
    X = rows.X.copy()
    X[50:, 2] = 300.0 + 50.0 * X[50:, 2]
    factors = (replace(rows.factors[0], basis=X[:, :2]), rows.factors[1])
    _same(*_compared(replace(rows, X=X, factors=factors), [40, 90])[1:], rtol=1e-8)


def test_a_predictor_far_from_the_sample():
    """Only in the basis: its products lose digits in the units of the sample, and are redone."""
    rows = _rows(13)
    rows = replace(rows, X=rows.X[:, [0, 2]])
    far = rows.factors[0].basis + np.array([0.0, 1e6])
    far = replace(rows, factors=(replace(rows.factors[0], basis=far), rows.factors[1]))
    made, fit, whole = _compared(far, [40, 90], pilots=1, sample=rows)
    assert made.digits_lost > 8
    _same(fit, whole, 1e-7)
