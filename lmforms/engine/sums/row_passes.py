"""What is computed by passes over the rows: facts of columns, moments, sums by level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from typing import Any, Protocol

import numpy as np

from ...residual import Residual
from ...support.arrays import FloatArray
from ..linalg.stable_columns import (
    SAFE_MEAN_SQUARES,
    by_column,
    constant_columns,
    means,
    orthonormalising,
    root_mean_squares,
)
from ..rows import FactorRows
from .level_sums import row_values, sums_by_level
from .moments import FactorMoments, PairMoments
from .pair_sums import pair_moments
from .units import Scaling


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
        Means where there is one, but zero for columns of one value; else zeros.
    """

    sizes: FloatArray
    constant: int | None
    center: FloatArray


class KnownProducts(Protocol):
    """Products of which those of Z̃ are used."""

    @property
    def factors(self) -> tuple[FactorMoments, ...]:
        """Of each grouping factor."""

    @property
    def pairs(self) -> dict[tuple[int, int], PairMoments]:
        """Of two grouping factors."""


@dataclass(frozen=True)
class Products:
    """Sums of products of whitened rows in units (see :class:`.cross_products.CrossProducts`).

    Attributes
    ----------
    rr : ndarray (p + 1, p + 1)
        May not be finite.
    factors : tuple of FactorMoments
    pairs : dict of (a, b), a < b, to PairMoments
    """

    rr: FloatArray
    factors: tuple[FactorMoments, ...]
    pairs: dict[tuple[int, int], PairMoments]


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
        square, low, high = float(np.einsum("i,i->", y, y)), float(y.min()), float(y.max())
        if SAFE_MEAN_SQUARES[0] < square < SAFE_MEAN_SQUARES[1]:
            return sqrt(square / len(y)), low, high
        return float(root_mean_squares(y[:, None])[0]), low, high

    def column_facts(self, columns: FloatArray) -> ColumnFacts:
        """Facts of columns (n, p)."""
        sizes, flat = root_mean_squares(columns), constant_columns(columns)
        ones = np.flatnonzero(flat & (columns[0] == 1.0)) if flat.any() else ()
        center = np.zeros(len(flat))
        if len(ones) and not flat.all():
            center = means(columns)
            center[flat] = 0.0
        return ColumnFacts(sizes, int(ones[0]) if len(ones) else None, center)

    def weight_size(self, n: int) -> float:
        """Root mean square of what whitening multiplies rows by."""
        if self.residual.variances() is None:
            return 1.0
        return float(root_mean_squares(self.residual.whiten(np.ones(n))[:, None])[0])

    def centered(self, X: FloatArray, y: FloatArray, center: FloatArray, shift: float) -> Any:
        """R^(−1/2)[X − c y − shift], (n, p + 1), as the other passes take it."""
        out = np.empty((X.shape[1] + 1, len(y))).T
        np.subtract(X.T, center[:, None], out=out[:, :-1].T)
        np.subtract(y, shift, out=out[:, -1])
        return self.residual.whiten(out)

    def moments(self, centered: Any) -> FloatArray:
        """Sums of products of centred columns, (p + 1, p + 1), which may overflow."""
        with np.errstate(over="ignore", invalid="ignore"):
            return np.asarray(centered.T @ centered)

    def column_moments(self, columns: FloatArray, center: FloatArray) -> FloatArray:
        """Sums of products of R^(−1/2)(columns − c), (k, k), which may overflow."""
        centered = by_column(np.subtract, columns, center) if center.any() else columns
        return self.moments(self.residual.whiten(centered))

    def orthonormalising(self, moments: FloatArray, n: int) -> FloatArray | None:
        """T with T'MT = nI (see :func:`.stable_columns.orthonormalising`)."""
        return orthonormalising(moments, n)

    def products(
        self,
        factors: Sequence[FactorRows],
        scaling: Scaling,
        centered: Any,
        effects: Sequence[FloatArray] | None,
        known: KnownProducts | None,
    ) -> Products:
        """Sums of products of R^(−1/2)[Z̃ R*].

        Parameters
        ----------
        factors : sequence of FactorRows
        scaling : Scaling
        centered : object
            From :meth:`centered`, with the numbers of `scaling`.
        effects : sequence of ndarray (q, k, p + 1), optional
            Pilot effects; None if they are zero.
        known : object with `factors` and `pairs`, optional
            Of the same rows and units with other pilot effects.
        """
        units, pilot = scaling.units, scaling.pilot
        right = _in_units(centered, units.x.matrix, pilot.gamma, pilot.y_scale)
        pairs = list(zip(factors, units.bases, strict=True))
        bases = [self.residual.whiten(scale(f.basis)) for f, scale in pairs]
        for f, basis, own in zip(factors, bases, effects or (), strict=effects is not None):
            right -= row_values(f, basis, own)
        if known is None:
            zz = [
                sums_by_level(f, w, w, symmetric=True) for f, w in zip(factors, bases, strict=True)
            ]
            across = _pairs(factors, bases)
        else:
            zz, across = [own.zz for own in known.factors], known.pairs
        zr = [sums_by_level(f, w, right) for f, w in zip(factors, bases, strict=True)]
        moments = tuple(FactorMoments(*own) for own in zip(zz, zr, strict=True))
        return Products(self.moments(right), moments, across)


def _in_units(
    centered: FloatArray, matrix: FloatArray, gamma: FloatArray, y_scale: float
) -> FloatArray:
    """R^(−1/2)[X̃ ỹ], (n, p + 1), from centred columns: X̃ = XT, ỹ = (y − X̃γ)/s."""
    out = np.empty(centered.shape[::-1]).T
    np.matmul(matrix.T, centered[:, :-1].T, out=out[:, :-1].T)
    np.subtract(centered[:, -1], out[:, :-1] @ gamma, out=out[:, -1])
    out[:, -1] /= y_scale
    return out


def _pairs(
    factors: Sequence[FactorRows], bases: Sequence[FloatArray]
) -> dict[tuple[int, int], PairMoments]:
    return {
        (a, b): pair_moments(factors[a], factors[b], bases[a], bases[b])
        for a, b in combinations(range(len(factors)), 2)
    }
