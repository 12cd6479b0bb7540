"""Carry out a list of operations on all levels of a grouping factor."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate, pairwise
from math import prod
from typing import Any

import numpy as np

from ...errors import NumericalError
from ...support.arrays import FloatArray, IntArray
from ..linalg.batched import INDEFINITE
from ..linalg.compiled import compiled_kernels
from ..linalg.threads import in_threads, loop_threads
from .chain import NO_TABLE, ChainLink
from .level_operations import FIRST_SUM, LEAST_PIVOT, OperationList
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
    STORE,
    TABLES,
)

TILE_BYTES = 80_000
"""Size of the work array: it stays in the second cache."""

LEAST_WIDTH, MOST_WIDTH = 32, 512
"""Fewest and most levels of a tile, so that operations on a row repay their start."""

NUMPY_WIDTH = 4_096
"""Levels of a tile for NumPy, whose operations take longer to start."""

LARGEST_EXPONENT = 280.0
"""Powers of ten that a product of pivots may reach."""

PAIRS_OF_AN_OPERATION = 0.1
"""Pairs of entries (:data:`~lmforms.engine.linalg.compiled.COMPILED_WORK`) that an operation on one
level counts for: it takes a third of a nanosecond, and NumPy four times as long."""

THREADED_OPERATIONS = 5e6
"""Operations times levels, some two milliseconds, from which a second thread is worthwhile."""


def level_kernels(work: float) -> Any:
    """The compiled loop, where lists of so many operations times levels repay it, else None."""
    return compiled_kernels("factor.level_operation_kernels", work * PAIRS_OF_AN_OPERATION)


def carry_out(
    operations: OperationList,
    parameters: FloatArray,
    tables: Mapping[int, FloatArray],
    link: ChainLink,
    exponent: float,
    kernels: Any,
) -> tuple[float, list[FloatArray]]:
    """Carry out the operations on all levels.

    Parameters
    ----------
    operations : OperationList
    parameters : ndarray
        The first is 1.
    tables : dict of int to ndarray (levels or parents, columns)
    link : ChainLink
        The levels.
    exponent : float
        Bound of log₁₀ of the product of one level's pivots.
    kernels : module or None
        From :func:`level_kernels`.

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
    fit = TILE_BYTES // (8 * operations.rows) // 8 * 8
    width = NUMPY_WIDTH if kernels is None else min(max(fit, LEAST_WIDTH), MOST_WIDTH)
    bounds = _ranges(link, 1 if kernels is None else _threads(link.levels * len(numbers)))
    work = np.zeros((len(bounds) - 1, operations.rows, width))
    work[:, : LEAST_PIVOT + 1] = 1.0
    log_dets = np.empty(len(work))

    def loop(part: int, begin: int, end: int) -> None:
        given = operations.codes, numbers, arrays, link.parents, work[part], begin, end
        tiles = max(1, int(LARGEST_EXPONENT / exponent))
        log_dets[part] = _by_numpy(*given) if kernels is None else kernels.carry_out(*given, tiles)

    in_threads(loop, bounds)
    if np.isnan(log_dets).any():
        raise NumericalError(INDEFINITE)
    ends = accumulate((prod(shape) for shape in operations.shapes), initial=FIRST_SUM)
    sums = work.sum(axis=(0, 2))
    return float(log_dets.sum()), [
        sums[a:b].reshape(shape)
        for (a, b), shape in zip(pairwise(ends), operations.shapes, strict=True)
    ]


def _threads(operations: float) -> int:
    return loop_threads(np.inf) if operations >= THREADED_OPERATIONS else 1


def _ranges(link: ChainLink, parts: int) -> IntArray:
    """Bounds of ranges of levels without a parent in common, `parts` of them at most."""
    bounds = np.linspace(0, link.levels, parts + 1).astype(np.int64)
    if parts == 1 or not len(link.parents):
        return bounds
    if not link.parents_ascend:
        return bounds[[0, -1]]
    bounds[1:-1] = np.searchsorted(link.parents, link.parents[bounds[1:-1]])
    return bounds


def _by_numpy(
    codes: IntArray,
    numbers: FloatArray,
    tables: tuple[FloatArray, ...],
    parents: IntArray,
    work: FloatArray,
    begin: int,
    end: int,
) -> float:
    """What the compiled loop does."""
    total, width = 0.0, work.shape[1]
    listed = list(zip(codes.tolist(), numbers.tolist(), strict=True))
    for first in range(begin, end, width):
        here = slice(first, min(first + width, end))
        rows, of = list(work[:, : here.stop - first]), parents[here]
        spare = np.empty(here.stop - first)
        for (kind, out, x, y), s in listed:
            row = rows[out]
            if kind == MORE_PRODUCT:
                np.multiply(rows[x], rows[y], out=spare)
                if s != 1.0:
                    spare *= s
                row += spare
            elif kind == PRODUCT:
                np.multiply(rows[x], rows[y], out=row)
                if s != 1.0:
                    row *= s
            elif kind == MORE_SCALED:
                np.multiply(rows[x], s, out=spare)
                row += spare
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
                row[:] = tables[x][here, y]
            elif kind == LOAD_MORE:
                row += tables[x][here, y]
            elif kind == GATHER:
                row[:] = tables[x][of, y]
            elif kind == STORE:
                tables[x][here, y] = row
            else:
                np.add.at(tables[x][:, y], of, row)
    return total
