"""Independent columns, by blocks, against a loop over the columns."""

from __future__ import annotations

import numpy as np
import pytest

from lmforms.engine.linalg.independent_columns import (
    BLOCK,
    RANK_TOLERANCE,
    ROUNDING_TOLERANCE,
    independent_columns,
)


def by_columns(X):
    """The same decisions, column by column: Gram-Schmidt with reorthogonalisation."""
    n, p = X.shape
    sizes = np.sqrt(np.mean(X**2, axis=0))
    work = X / np.where(sizes > 0, sizes, 1.0)
    constant = np.flatnonzero((X[0] == X).all(axis=0) & (X[0] != 0))
    if len(constant):
        keep = constant[0]
        center = work.mean(axis=0)
        center[: keep + 1] = 0.0
        work = work - center
    r = np.linalg.qr(work, mode="r")
    norms = np.linalg.norm(r, axis=0)
    kept, basis = [], np.empty((len(r), 0))
    for j in range(p):
        left = r[:, j] - basis @ (basis.T @ r[:, j])
        left = left - basis @ (basis.T @ left)
        size = np.linalg.norm(left)
        if size > RANK_TOLERANCE * norms[j] and size > ROUNDING_TOLERANCE * np.sqrt(n):
            kept.append(j)
            basis = np.column_stack([basis, left / size])
    return kept


def dummies(rng, n, levels):
    codes = rng.integers(0, levels, n)
    return np.eye(levels)[codes]


def crossed(rng):
    """An intercept and all indicators of two factors and their interaction."""
    a, b = dummies(rng, 900, 12), dummies(rng, 900, 15)
    both = (a[:, :, None] * b[:, None, :]).reshape(900, -1)
    return np.column_stack([np.ones(900), a, b, both])


def repeated(rng):
    X = rng.normal(size=(400, 3 * BLOCK))
    return X[:, rng.integers(0, X.shape[1], 4 * BLOCK)]


def nearly_dependent(rng):
    """Columns that lie outside earlier ones by shares from far below to far above the bound."""
    X = rng.normal(size=(500, BLOCK))
    shares = np.repeat(10.0 ** np.array([-12.0, -10, -9, -5, -3]), BLOCK)
    mixed = np.tile(X, 5) + shares * rng.normal(size=(500, 5 * BLOCK))
    return np.column_stack([X, mixed])


def wide(rng):
    return rng.normal(size=(100, 250))


def zeros_and_sizes(rng):
    X = rng.normal(size=(300, 2 * BLOCK)) * 10.0 ** rng.integers(-100, 100, 2 * BLOCK)
    X[:, ::5] = 0.0
    return np.column_stack([X, X[:, 1] / 3, np.full(300, 7.0), 1990.0 + rng.integers(0, 9, 300)])


@pytest.mark.parametrize("make", [crossed, repeated, nearly_dependent, wide, zeros_and_sizes])
@pytest.mark.parametrize("seed", range(3))
def test_the_same_columns_as_one_by_one(make, seed):
    X = make(np.random.default_rng(seed))
    kept = independent_columns(X)
    assert kept.tolist() == by_columns(X)
    assert len(kept) < X.shape[1]


def test_all_independent_columns_and_none():
    rng = np.random.default_rng(0)
    assert independent_columns(rng.normal(size=(50, 20))).tolist() == list(range(20))
    assert independent_columns(np.zeros((5, 2))).tolist() == []
    assert independent_columns(np.empty((5, 0))).tolist() == []
