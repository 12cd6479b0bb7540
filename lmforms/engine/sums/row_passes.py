"""What is computed by passes over the rows: sizes, moments, columns in units, sums by level."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...residual import Residual
from ...support.arrays import FloatArray
from ..linalg.stable_columns import (
    by_column,
    constant_columns,
    means,
    orthonormalising,
    root_mean_squares,
)
from ..rows import FactorRows
from .level_sums import level_fit, row_values, sums_by_level
from .moments import PairMoments
from .pair_sums import pair_moments
from .units import AffineMap


@dataclass(frozen=True)
class ColumnFacts:
    """Of columns as they are given.

    Attributes
    ----------
    sizes : ndarray (p,)
        Root mean squares.
    constant : int or None
        The first column of ones.
    center : ndarray (p,)
        Means where there is one, but zero for columns of one value, else zeros.
    """

    sizes: FloatArray
    constant: int | None
    center: FloatArray


@dataclass(frozen=True, eq=False)
class RowPasses:
    """Passes in NumPy over rows whose residuals have any structure.

    Columns that are made have Fortran order: NumPy's loops run along them.

    Attributes
    ----------
    residual : Residual
    """

    residual: Residual

    def response_facts(self, y: FloatArray) -> tuple[float, float, float]:
        """Root mean square, least and largest value of y (n,)."""
        size = root_mean_squares(y[:, None])[0]
        return float(size), float(y.min()), float(y.max())

    def column_facts(self, columns: FloatArray) -> ColumnFacts:
        """Facts of columns (n, p)."""
        flat = constant_columns(columns)
        ones = np.flatnonzero(flat & (columns[0] == 1.0)) if flat.any() else ()
        center = np.zeros(len(flat))
        if len(ones) and not flat.all():
            center = means(columns)
            center[flat] = 0.0
        sizes = root_mean_squares(columns)
        return ColumnFacts(sizes, int(ones[0]) if len(ones) else None, center)

    def weight_size(self, n: int) -> float:
        """Root mean square of what whitening multiplies rows by."""
        if self.residual.variances() is None:
            return 1.0
        return float(root_mean_squares(self.residual.whiten(np.ones(n))[:, None])[0])

    def transformed(self, columns: FloatArray, scale: AffineMap) -> FloatArray:
        """Columns (n, p) in units, whitened."""
        return np.asarray(self.residual.whiten(scale(columns)))

    def right(self, X: FloatArray, y: FloatArray, scale: AffineMap, shift: float) -> FloatArray:
        """[X̃ y − c], whitened, (n, p + 1)."""
        columns = scale(X)
        out = np.empty((columns.shape[1] + 1, len(y))).T
        out[:, :-1] = columns
        np.subtract(y, shift, out=out[:, -1])
        return np.asarray(self.residual.whiten(out))

    def moments(self, columns: FloatArray, center: FloatArray | None = None) -> FloatArray:
        """Sums of products of whitened columns (n, p) less numbers, which may overflow."""
        if center is not None:
            centered = by_column(np.subtract, columns, center) if center.any() else columns
            columns = self.residual.whiten(centered)
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(columns.T @ columns)

    def orthonormalising(self, moments: FloatArray, n: int) -> FloatArray | None:
        """T with T'MT = nI (see :func:`.stable_columns.orthonormalising`)."""
        return orthonormalising(moments, n)

    def less_fitted(self, right: FloatArray, gamma: FloatArray) -> float:
        """Take X̃γ from the last column of [X̃ y]; its sum of squares."""
        left = right[:, -1]
        left -= right[:, :-1] @ gamma
        return float(np.dot(left, left))

    def sums_by_level(
        self, factor: FactorRows, left: FloatArray, right: FloatArray, symmetric: bool = False
    ) -> FloatArray:
        """Σ over the rows of each level of ``left[i]' right[i]``, shape (q, k, m)."""
        return sums_by_level(factor, left, right, symmetric)

    def less_effects(
        self, factor: FactorRows, basis: FloatArray, effects: FloatArray, right: FloatArray
    ) -> None:
        """Take Z times effects (q, k, r) from `right` (n, r)."""
        right -= row_values(factor, basis, effects)

    def level_fit(self, zz: FloatArray, zr: FloatArray) -> FloatArray:
        """Least squares within every level (see :func:`.level_sums.level_fit`)."""
        return level_fit(zz, zr)

    def pair_moments(
        self, a: FactorRows, b: FactorRows, left: FloatArray, right: FloatArray
    ) -> PairMoments:
        """Z_a'Z_b of whitened bases (n, k_a) and (n, k_b)."""
        return pair_moments(a, b, left, right)
