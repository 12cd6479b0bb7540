"""Linear independence of the columns of a design, found once for columns that parts share."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from ..engine.linalg.independent_columns import independent_columns
from ..engine.linalg.stable_columns import INDEPENDENT_SHARE, SAFE_MEAN_SQUARES
from ..support.arrays import FloatArray, IndexArray


@dataclass(frozen=True, eq=False)
class ColumnRanks:
    """Which columns of matrices are independent; each array is looked at once."""

    _known: list[tuple[FloatArray, IndexArray]] = field(default_factory=list)

    def independent(self, columns: FloatArray) -> IndexArray:
        """Columns of (n, p) that do not depend linearly on earlier ones."""
        for other, found in self._known:
            if other is columns:
                return found
        if clearly_independent(columns):
            found = np.arange(columns.shape[1])
        else:
            found = independent_columns(columns)
        self._known.append((columns, found))
        return found


def clearly_independent(columns: FloatArray) -> bool:
    """Whether each column of (n, p) is independent of the earlier ones, by a wide margin.

    From the moments, which is enough for most columns: if a share of
    :data:`.INDEPENDENT_SHARE` of each lies outside the span of the earlier ones, it is far more
    than rounding and than what :func:`.independent_columns` asks for.

    Examples
    --------
    >>> clearly_independent(np.array([[1.0, 1.0], [1.0, 2.0]]))
    True
    >>> clearly_independent(np.array([[1.0, 1e6], [1.0, 1e6 + 1]]))
    False
    """
    n, p = columns.shape
    if p == 0 or n < p:
        return p == 0
    dsyrk, dpotrf = _routines()  # NumPy would warn of overflow
    moments = dsyrk(1.0, columns.T, lower=1)
    squares = moments.diagonal().tolist()
    low, high = SAFE_MEAN_SQUARES
    if not (low * n < min(squares) and max(squares) < high):
        return False
    if p == 1:
        return True
    root, failed = dpotrf(moments, lower=1, clean=0, overwrite_a=1)
    if failed:
        return False
    for pivot, square in zip(root.diagonal().tolist(), squares, strict=True):
        if not pivot * pivot > INDEPENDENT_SHARE**2 * square:
            return False
    return True


@cache
def _routines() -> tuple[Any, Any]:
    from scipy.linalg import blas, lapack

    return blas.dsyrk, lapack.dpotrf
