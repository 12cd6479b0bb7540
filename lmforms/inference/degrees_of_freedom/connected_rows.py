"""Independent sets of rows: V is block-diagonal over them.

Rows are connected by a series of the residuals, by a level of a grouping factor, and by levels
that a known covariance relates. Sets of rows that look the same to V (their points, weights,
bases and which rows share levels) have one block and are computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import ModelError
from ...residual.parametric import ParametricResidual
from ...results.state import FitState
from ...support.arrays import FloatArray, IndexArray

MOST_ROWS = 3_000
"""Of a set of rows that are not independent: the work grows with its cube."""


@dataclass(frozen=True, eq=False)
class ConnectedRows:
    """Sets of m rows each, those of one pattern together.

    Attributes
    ----------
    rows : ndarray of int (S, m)
    which : ndarray of int (S,)
        Pattern of each set, ascending.
    first : ndarray of int (P, m)
        Rows of the first set of each pattern.
    """

    rows: IndexArray
    which: IndexArray
    first: IndexArray

    @property
    def counts(self) -> IndexArray:
        """Number of sets of each pattern, (P,)."""
        return np.bincount(self.which, minlength=len(self.first))

    def by_pattern(self, values: FloatArray) -> FloatArray:
        """Sums over the sets (S, …) of each pattern, (P, …)."""
        starts = np.searchsorted(self.which, np.arange(len(self.first)))
        return np.asarray(np.add.reduceat(values, starts, axis=0))


@dataclass(frozen=True, eq=False)
class RandomRows:
    """Rows of a grouping factor.

    Attributes
    ----------
    codes : ndarray of int (n,)
    basis : ndarray (n, k)
    K : ndarray (q, q) or None
        Known covariance of the levels.
    """

    codes: IndexArray
    basis: FloatArray
    K: FloatArray | None

    def shared(self, rows: IndexArray) -> FloatArray:
        """Covariance of the levels of rows (P, m), (P, m, m)."""
        own = self.codes[rows]
        if self.K is None:
            return (own[:, :, None] == own[:, None, :]).astype(np.float64)
        return np.asarray(self.K[own[:, :, None], own[:, None, :]])


def random_rows(state: FitState) -> list[RandomRows]:
    """Rows of each grouping factor of a fit."""
    out = []
    for group in state.design.groups:
        known = state.relationship.get(group.name)
        K = None
        if known is not None:
            at = known.positions(group.levels)
            K = np.asarray(known.dense())[np.ix_(at, at)]
        out.append(RandomRows(group.codes, state.design.basis(group), K))
    return out


def connected_rows(state: FitState, random: Sequence[RandomRows]) -> list[ConnectedRows]:
    """The independent sets of rows of a fit, by their size.

    Raises
    ------
    ModelError
        A set has more than :data:`MOST_ROWS` rows.
    """
    n, residual = state.design.n, state.residual
    of_row = _connected(n, residual, random)
    largest = int(np.bincount(of_row).max(initial=0))
    if largest > MOST_ROWS:
        raise ModelError(
            f"{largest} rows are correlated with each other, directly or through others. "
            f"Kenward–Roger and the expected information take at most {MOST_ROWS} for residuals "
            "or random effects with such a structure: use ddf='satterthwaite' without "
            "`information`."
        )
    constants, codes = [], []
    if isinstance(residual, ParametricResidual):
        constants.append(residual.row_constants())
        if residual.correlation is not None:
            constants.append(residual.points)
            codes.append(residual.series)
    else:
        variances = residual.variances() if residual.by_row else np.arange(float(n))
        constants.append((np.ones(n) if variances is None else variances)[:, None])
    constants += [r.basis for r in random]
    codes += [r.codes for r in random if r.K is None]
    constants += [r.codes[:, None].astype(np.float64) for r in random if r.K is not None]
    features = np.hstack(constants)
    keys = [features[:, j] for j in range(features.shape[1] - 1, -1, -1)]
    order = np.lexsort((*keys, *codes[::-1], of_row))
    sizes = np.bincount(of_row)
    starts = np.cumsum(sizes) - sizes
    out = []
    for m in np.unique(sizes[sizes > 0]):
        rows = order[starts[sizes == m][:, None] + np.arange(m)]
        flat = np.hstack(
            [features[rows].reshape(len(rows), -1), *(_first_same(c[rows]) for c in codes)]
        )
        _, first, which = np.unique(flat, axis=0, return_index=True, return_inverse=True)
        which = which.ravel()
        sets = np.argsort(which, kind="stable")
        out.append(ConnectedRows(rows[sets], which[sets], rows[first]))
    return out


def _first_same(codes: IndexArray) -> FloatArray:
    """Place in each set (S, m) of the first row with the same code."""
    return np.stack(
        [np.argmax(codes == codes[:, [j]], axis=1) for j in range(codes.shape[1])], axis=1
    ).astype(np.float64)


def _connected(n: int, residual: Any, random: Sequence[RandomRows]) -> IndexArray:
    """Number of the set of each row, (n,)."""
    import scipy.sparse as sp
    from scipy.sparse.csgraph import connected_components

    left, right, size = [], [], n
    rows = np.arange(n)

    def connect(codes: IndexArray, count: int, related: FloatArray | None = None) -> None:
        nonlocal size
        left.append(rows)
        right.append(size + codes)
        if related is not None:
            a, b = np.nonzero(related)
            left.append(size + a)
            right.append(size + b)
        size += count

    if isinstance(residual, ParametricResidual):
        if residual.correlation is not None:
            connect(residual.series, int(residual.series.max(initial=-1)) + 1)
    elif not residual.by_row:
        places = sp.coo_array(residual.matrix(n))
        left.append(places.coords[0])
        right.append(places.coords[1])
    for r in random:
        connect(r.codes, int(r.codes.max(initial=-1)) + 1 if r.K is None else len(r.K), r.K)
    if not left:
        return rows
    a, b = np.concatenate(left), np.concatenate(right)
    graph = sp.coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(size, size))
    of_node = connected_components(graph, directed=False)[1]
    return np.unique(of_node[:n], return_inverse=True)[1].ravel().astype(np.intp)
