"""The operations of :mod:`.level_operations`, compiled by numba."""

from __future__ import annotations

from math import log, nan, sqrt
from typing import Any

from ..linalg.compiled import compiled
from .operation_kinds_kernels import (
    GATHER,
    LOAD,
    LOAD_MORE,
    MORE_PRODUCT,
    MORE_SCALED,
    NUMBER,
    PRODUCT,
    ROOT,
    SCALED,
    SCATTER,
    TABLES,
)

_TABLE = "float64[:, ::1]"


@compiled(
    f"float64(int64[:, ::1], float64[::1], UniTuple({_TABLE}, {TABLES}), uint32[::1], {_TABLE}, "
    "int64, int64, int64)"
)
def carry_out(
    codes: Any, numbers: Any, tables: Any, parents: Any, work: Any, begin: int, end: int, tiles: int
) -> float:
    """Carry out the operations on levels `begin` to `end`; gives ln of the product of the pivots.

    NaN if a pivot is not positive. The product is taken over `tiles` tiles at a time.
    """
    width = work.shape[1]
    total, filled, first = 0.0, 0, begin
    while first < end:
        n = end - first
        if n > width:
            n = width
        of = parents[first : first + n]
        for o in range(len(codes)):
            code, out, x, y = codes[o, 0], codes[o, 1], codes[o, 2], codes[o, 3]
            s = numbers[o]
            if code == MORE_PRODUCT:
                for i in range(n):
                    work[out, i] += s * (work[x, i] * work[y, i])
            elif code == PRODUCT:
                for i in range(n):
                    work[out, i] = s * (work[x, i] * work[y, i])
            elif code == MORE_SCALED:
                for i in range(n):
                    work[out, i] += s * work[x, i]
            elif code == SCALED:
                for i in range(n):
                    work[out, i] = s * work[x, i]
            elif code == NUMBER:
                for i in range(n):
                    work[out, i] = s
            elif code == ROOT:
                for i in range(n):
                    pivot = work[x, i]
                    work[out, i] = 1.0 / sqrt(pivot)
                    work[0, i] *= pivot
                    work[1, i] = pivot if pivot < work[1, i] else work[1, i]
            else:
                table = tables[x]
                if code == GATHER:
                    for i in range(n):
                        work[out, i] = table[of[i], y]
                elif code == SCATTER:
                    for i in range(n):
                        table[of[i], y] += work[out, i]
                else:
                    own = table[first : first + n]
                    if code == LOAD:
                        for i in range(n):
                            work[out, i] = own[i, y]
                    elif code == LOAD_MORE:
                        for i in range(n):
                            work[out, i] += own[i, y]
                    else:
                        for i in range(n):
                            own[i, y] = work[out, i]
        first += n
        filled += 1
        if filled == tiles or first == end:
            for i in range(width):
                if not work[1, i] > 0.0:
                    return nan
                total += log(work[0, i])
                work[0, i] = 1.0
            filled = 0
    return total
