"""Loops over rows and levels that sum them up, compiled by numba.

Rows and levels come in parts whose arrays stay in the cache. The twins in NumPy are
:class:`.row_passes.RowPasses`, :class:`.fits_in_turn.FitsInTurn` and :mod:`.pair_sums`.
"""

from __future__ import annotations

from typing import Any

from ..linalg.compiled import compiled

_INDEX, _MATRIX, _BLOCKS = "int64[::1]", "float64[:, ::1]", "float64[:, :, ::1]"


@compiled(f"void({_MATRIX}, {_MATRIX})")
def column_facts(columns: Any, facts: Any) -> None:
    """Mean square, mean, least and largest value of each column (n, p), to (4, p)."""
    share = 1.0 / len(columns)
    for j in range(columns.shape[1]):
        squares, total, low, high = 0.0, 0.0, columns[0, j], columns[0, j]
        for i in range(len(columns)):
            x = columns[i, j]
            squares += x * x
            total += x
            low = x if x < low else low
            high = x if x > high else high
        facts[0, j] = squares * share
        facts[1, j] = total * share
        facts[2, j] = low
        facts[3, j] = high


@compiled(f"void({_INDEX}, {_MATRIX}, {_MATRIX}, {_BLOCKS})")
def add_by_code(codes: Any, left: Any, right: Any, out: Any) -> None:
    """Add products of `left` (k, n) and `right` (m, n) to the blocks (k, m) of codes (n,).

    Equal codes one after the other are added up first.
    """
    for a in range(out.shape[1]):
        for c in range(out.shape[2]):
            level, total = codes[0], 0.0
            for i in range(len(codes)):
                if codes[i] != level:
                    out[level, a, c] += total
                    level, total = codes[i], 0.0
                total += left[a, i] * right[c, i]
            out[level, a, c] += total


@compiled(f"void({_BLOCKS}, {_BLOCKS}, float64, {_MATRIX}, {_BLOCKS}, {_MATRIX})")
def fit_levels(zz: Any, zr: Any, share: Any, work: Any, effects: Any, taken: Any) -> None:
    """Least squares of zr (q, k, m) in every level with a ridge, a share of the trace of zz.

    Effects b take the place of what is there, what they leave of zr that of zr, and
    Σ b'(zr + rest) is added to `taken`. `work` is (k, k + m).
    """
    k, m = zr.shape[1], zr.shape[2]
    for level in range(len(zr)):
        size = 0.0
        for i in range(k):
            size += zz[level, i, i]
        ridge = share * size if size > 0.0 else 1.0
        for i in range(k):
            for j in range(k):
                work[i, j] = zz[level, i, j]
            work[i, i] += ridge
            for c in range(m):
                work[i, k + c] = zr[level, i, c]
        for j in range(k):  # positive definite: no rows are exchanged
            pivot = 1.0 / work[j, j]
            for c in range(k + m):
                work[j, c] *= pivot
            for i in range(k):
                x = work[i, j] if i != j else 0.0
                for c in range(k + m):
                    work[i, c] -= x * work[j, c]
        for i in range(k):
            for c in range(m):
                x = work[i, k + c]
                rest = ridge * x
                both = zr[level, i, c] + rest
                for d in range(m):
                    taken[d, c] += work[i, k + d] * both
                effects[level, i, c] = x
                zr[level, i, c] = rest


@compiled(f"int64({_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX}, {_INDEX})")
def place_pairs(
    a: Any, b: Any, next_a: Any, next_b: Any, order: Any, place: Any, rows: Any, cols: Any
) -> Any:
    """Pairs of codes that occur, sorted, in `rows` and `cols`; their number; each row's place.

    Rows are sorted by counting, by b and then by a. `next_a` and `next_b` are where the rows of
    each code begin, and change. The other arrays have the length of the codes.
    """
    for i in range(len(a)):
        t = next_b[b[i]]
        order[t] = i
        next_b[b[i]] = t + 1
    for s in range(len(a)):
        i = order[s]
        t = next_a[a[i]]
        rows[t] = i
        next_a[a[i]] = t + 1
    count, row, col = -1, -1, -1
    for s in range(len(a)):
        i = rows[s]
        if a[i] != row or b[i] != col:
            row, col = a[i], b[i]
            count += 1
            rows[count] = row
            cols[count] = col
        place[i] = count
    return count + 1


@compiled(f"void({_INDEX}, {_INDEX}, float64[:, :, :], {_BLOCKS}, {_BLOCKS})")
def subtract_blocks(to: Any, of: Any, blocks: Any, x: Any, out: Any) -> None:
    """Take blocks (k, k' or more) times those of x (q', k', m) from those of `out` (q, k, m).

    Block t is multiplied by ``x[of[t]]`` and taken from ``out[to[t]]``.
    """
    for t in range(len(to)):
        for i in range(out.shape[1]):
            for j in range(x.shape[1]):
                z = blocks[t, i, j]
                for c in range(out.shape[2]):
                    out[to[t], i, c] -= z * x[of[t], j, c]
