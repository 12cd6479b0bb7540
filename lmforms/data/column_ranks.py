"""Linear independence of the columns of a design, found once for columns that parts share."""

from __future__ import annotations

from dataclasses import dataclass, field

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
    with np.errstate(all="ignore"):
        moments = columns.T @ columns
    squares = moments.diagonal()
    low, high = SAFE_MEAN_SQUARES
    if not all(low * n < square < high for square in squares.tolist()):
        return False
    if p == 1:
        return True
    try:
        pivots = np.linalg.cholesky(moments).diagonal()
    except np.linalg.LinAlgError:
        return False
    return bool((pivots * pivots > INDEPENDENT_SHARE**2 * squares).all())
