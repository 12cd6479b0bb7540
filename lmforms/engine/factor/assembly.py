"""C = Z₂'Z₁ and Z₂'Z₂ from cross-products, in each form in which the engine may store them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ...support.arrays import FloatArray, IntArray
from ..linalg.batched import multiply, transposed
from ..sums.cross_products import CrossProducts
from ..sums.moments import FactorMoments
from .coupling import DenseCoupling, SparseCoupling
from .coupling_pattern import SparsityPattern
from .layout import Layout
from .pattern import SymmetricPattern

# --- C ----------------------------------------------------------------------------------------


def dense_coupling(layout: Layout) -> DenseCoupling:
    """C as an array."""
    q1, k1 = layout.shapes[layout.lead]
    out = np.zeros((q1, layout.m, k1))
    for i in layout.rest:
        pair, (q, k) = layout.pair(i, layout.lead), layout.shapes[i]
        part = np.zeros((q1, q, k, k1))
        part[pair.cols, pair.rows] = pair.blocks
        out[:, layout.spans[i]] = part.reshape(q1, q * k, k1)
    return DenseCoupling(out)


def sparse_coupling(layout: Layout) -> SparseCoupling:
    """C by its entries."""
    levels, rows, values = [], [], []
    for i in layout.rest:
        pair, (_, k) = layout.pair(i, layout.lead), layout.shapes[i]
        for a in range(k):
            levels.append(pair.cols)
            rows.append(layout.spans[i].start + pair.rows * k + a)
            values.append(pair.blocks[:, a])
    level, row = np.concatenate(levels), np.concatenate(rows)
    order, row, indptr = _by_level(level, row, layout.shapes[layout.lead][0])
    return SparseCoupling(
        np.ascontiguousarray(np.concatenate(values)[order]), SparsityPattern(row, indptr, layout.m)
    )


def meeting_levels(layout: Layout) -> SparsityPattern:
    """Which levels of the remaining factors occur together with each level of the leading one."""
    pairs = {i: layout.pair(i, layout.lead) for i in layout.rest}
    first = np.cumsum([0, *(layout.shapes[i][0] for i in layout.rest)])
    level = np.concatenate([p.cols for p in pairs.values()])
    row = np.concatenate([p.rows + f for p, f in zip(pairs.values(), first, strict=False)])
    _, row, indptr = _by_level(level, row, layout.shapes[layout.lead][0])
    return SparsityPattern(row, indptr, int(first[-1]))


def _by_level(level: IntArray, row: IntArray, count: int) -> tuple[IntArray, IntArray, IntArray]:
    """The order of entries by level, then row; their rows; where each level begins."""
    order = np.lexsort((row, level))
    indptr = np.concatenate([[0], np.cumsum(np.bincount(level, minlength=count))])
    return order, row[order].astype(np.int32), indptr.astype(np.int32)


# --- Z₂'Z₂ ------------------------------------------------------------------------------------


def dense_gram(layout: Layout, lams: Sequence[FloatArray] | None = None) -> FloatArray:
    """I + Λ₂'Z₂'Z₂Λ₂ in the lower triangle of an array; without `lams` Z₂'Z₂ itself."""
    out = np.zeros((layout.m, layout.m))
    for i in layout.rest:
        own = layout.cp.factors[i].zz
        if lams is not None:
            own = multiply(multiply(lams[i].T, own), lams[i]) + np.eye(own.shape[-1])
        level = np.arange(len(own))
        corner = layout.spans[i].start, layout.spans[i].start
        _write_blocks(out, corner, level, level, own)
        if i in layout.cp.own:
            below = layout.cp.own[i]
            blocks = below.blocks
            if lams is not None:
                blocks = multiply(multiply(lams[i].T, blocks), lams[i])
            _write_blocks(out, corner, below.rows, below.cols, blocks)
        for j in layout.rest:
            if j > i:
                pair = layout.pair(j, i)
                blocks = pair.blocks
                if lams is not None:
                    blocks = multiply(multiply(lams[j].T, blocks), lams[i])
                corner = layout.spans[j].start, layout.spans[i].start
                _write_blocks(out, corner, pair.rows, pair.cols, blocks)
    return out


def sparse_gram(layout: Layout) -> Any:
    """Z₂'Z₂ as a sparse matrix."""
    import scipy.sparse as sp

    rows: list[list[Any]] = []
    for i in layout.rest:
        ends = np.arange(layout.shapes[i][0] + 1)
        own = sp.bsr_matrix((layout.cp.factors[i].zz, ends[:-1], ends))
        rows.append([own if i == j else layout.matrix(i, j) for j in layout.rest])
    return sp.block_array(rows).tocsr()


def gram_on(layout: Layout, pattern: SymmetricPattern) -> FloatArray:
    """Z₂'Z₂ on a pattern."""
    values = np.zeros(pattern.nnz)
    for b in pattern.blocks:
        if b.row == b.col:
            values[b.at[b.own]] = layout.cp.factors[b.row].zz
            if b.row in layout.cp.own:
                below = layout.cp.own[b.row]
                keys = below.cols * layout.shapes[b.row][0] + below.rows
                values[b.at[np.searchsorted(b.keys, keys)]] = below.blocks
        else:
            pair = layout.pair(b.col, b.row)
            at = b.at
            if len(pair.rows) < len(at):  # else they are all of the pattern, in the same order
                keys = pair.rows * layout.shapes[b.row][0] + pair.cols
                at = at[np.searchsorted(b.keys, keys)]
            values[at] = transposed(pair.blocks)
    return values


def _write_blocks(
    out: FloatArray, corner: tuple[int, int], rows: IntArray, cols: IntArray, blocks: FloatArray
) -> None:
    """Write small blocks into an array: number n at row block rows[n], column block cols[n]."""
    (top, left), (_, p, q) = corner, blocks.shape
    for a in range(p):
        for b in range(q):
            out[top + rows * p + a, left + cols * q + b] = blocks[:, a, b]


def meeting_effects(cp: CrossProducts) -> Any:
    """Places of Z'Z as a sparse matrix of positive numbers: also where a sum is zero."""
    return replace(
        cp,
        factors=tuple(FactorMoments(np.ones_like(f.zz), f.zr) for f in cp.factors),
        pairs={key: replace(p, blocks=np.ones_like(p.blocks)) for key, p in cp.pairs.items()},
        own={key: replace(p, blocks=np.ones_like(p.blocks)) for key, p in cp.own.items()},
    ).gram()
