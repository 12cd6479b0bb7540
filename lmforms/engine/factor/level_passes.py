"""Carry out a list of operations on all levels of a grouping factor."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from math import prod

import numpy as np

from ...errors import NumericalError
from ...support.arrays import FloatArray, IntArray
from ..linalg.batched import INDEFINITE
from ..linalg.compiled import compiled_kernels
from .level_operations import (
    FIRST_SUM,
    GATHER,
    LEAST_PIVOT,
    LOAD,
    LOAD_MORE,
    MORE_PRODUCT,
    MORE_SCALED,
    NUMBER,
    PIVOTS,
    PRODUCT,
    ROOT,
    SCALED,
    STORE,
    TABLES,
    OperationList,
)

TILE_BYTES = 20_000
"""Size of the work array: it stays in the first cache."""

LEAST_WIDTH, MOST_WIDTH = 32, 512
"""Fewest and most levels of a tile, so that operations on a row repay their start."""

NUMPY_WIDTH = 4_096
"""Levels of a tile for NumPy, whose operations take longer to start."""

LARGEST_EXPONENT = 280.0
"""Powers of ten that a product of pivots may reach."""

NO_TABLE = np.empty((0, 0))


def carry_out(
    operations: OperationList,
    parameters: FloatArray,
    tables: Mapping[int, FloatArray],
    parents: IntArray,
    levels: int,
    exponent: float,
) -> tuple[float, list[FloatArray]]:
    """Carry out the operations on all levels.

    Parameters
    ----------
    operations : OperationList
    parameters : ndarray
        The first is 1.
    tables : dict of int to ndarray (levels or parents, columns)
    parents : ndarray of uint32 (levels,)
    levels : int
    exponent : float
        Bound of log₁₀ of the product of one level's pivots.

    Returns
    -------
    float
        ln of the product of all pivots.
    list of ndarray
        The sums over levels.

    Raises
    ------
    NumericalError
        A pivot is not positive.
    """
    numbers = operations.signs * parameters[operations.places]
    arrays = tuple(tables.get(t, NO_TABLE) for t in range(TABLES))
    compiled = compiled_kernels("factor.level_operation_kernels", float(levels * len(numbers)))
    width = NUMPY_WIDTH
    if compiled is not None:
        fit = TILE_BYTES // (8 * operations.rows) // 8 * 8
        width = min(max(fit, LEAST_WIDTH), MOST_WIDTH)
    work = np.zeros((operations.rows, width))
    work[: LEAST_PIVOT + 1] = 1.0
    if compiled is not None:
        tiles = max(1, int(LARGEST_EXPONENT / exponent))
        log_det = compiled.carry_out(
            operations.codes, numbers, arrays, parents, work, 0, levels, tiles
        )
    else:
        log_det = _by_numpy(operations.codes, numbers, arrays, parents, work, levels)
    if np.isnan(log_det):
        raise NumericalError(INDEFINITE)
    ends = np.cumsum([0, *(prod(shape) for shape in operations.shapes)])
    sums = work[FIRST_SUM : FIRST_SUM + ends[-1]].sum(axis=1)
    return log_det, [
        sums[a:b].reshape(shape) for (a, b), shape in zip(pairwise(ends), operations.shapes, strict=True)
    ]


def _by_numpy(
    codes: IntArray,
    numbers: FloatArray,
    tables: tuple[FloatArray, ...],
    parents: IntArray,
    work: FloatArray,
    levels: int,
) -> float:
    """The same as the compiled loop, with NumPy."""
    total = 0.0
    listed = list(zip(codes.tolist(), numbers.tolist(), strict=True))
    for first in range(0, levels, work.shape[1]):
        last = min(first + work.shape[1], levels)
        n = last - first
        rows = list(work[:, :n])
        of = parents[first:last]
        spare = np.empty(n)
        for (kind, out, x, y), s in listed:
            row = rows[out]
            if kind == MORE_PRODUCT:
                np.multiply(rows[x], rows[y], out=spare)
                if s != 1.0:
                    np.multiply(spare, s, out=spare)
                np.add(row, spare, out=row)
            elif kind == PRODUCT:
                np.multiply(rows[x], rows[y], out=row)
                if s != 1.0:
                    np.multiply(row, s, out=row)
            elif kind == MORE_SCALED:
                np.multiply(rows[x], s, out=spare)
                np.add(row, spare, out=row)
            elif kind == SCALED:
                np.multiply(rows[x], s, out=row)
            elif kind == NUMBER:
                row[:] = s
            elif kind == ROOT:
                if not rows[x].min() > 0.0:
                    return np.nan
                total += float(np.log(rows[x]).sum())
                np.sqrt(rows[x], out=row)
                np.divide(1.0, row, out=row)
            elif kind == LOAD:
                row[:] = tables[x][first:last, y]
            elif kind == LOAD_MORE:
                row += tables[x][first:last, y]
            elif kind == GATHER:
                np.take(tables[x][:, y], of, out=row)
            elif kind == STORE:
                tables[x][first:last, y] = row
            else:
                np.add.at(tables[x][:, y], of, row)
    return total
