"""Moments of series, from which the sums at any φ follow without the rows.

For models without random effects. Series with the same points, and the same covariate of the
variance, have one R_p, so that with T_p[i, j] = Σ_s x_si x_sj' over them, x_si a row of [X̃ ỹ],

    [X̃ ỹ]'R⁻¹[X̃ ỹ] = Σ_p Σ_ij (R_p⁻¹)_ij T_p[i, j].

One series stands for each pattern p in a small residual structure. A search costs the same
however many series there are.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from ...errors import NumericalError
from ...residual import Residual
from ...residual.expected_information import expected_information
from ...residual.grid_whitening import GridWhitening
from ...residual.parametric import ParametricResidual
from ...residual.series_order import SeriesOrder
from ...support.arrays import Blocks, FloatArray, IndexArray
from ..rows import ModelRows
from .cross_products import CrossProducts
from .units import Scaling

MOST_MOMENTS = 1 << 22
"""Most numbers in all T_p."""


@dataclass(frozen=True, eq=False)
class MomentSums:
    """Moments T_p of series without random effects.

    Attributes
    ----------
    n : int
        Number of rows.
    scaling : Scaling
    representatives : ParametricResidual
        The structure of one series for each pattern.
    blocks : tuple of slice
        Rows of these series, each in the order of its points.
    counts : ndarray of int (rows of the representatives,)
        Number of series of the pattern, for each row.
    moments : tuple of ndarray (m, m, p + 1, p + 1)
        T_p.
    """

    n: int
    scaling: Scaling
    representatives: ParametricResidual
    blocks: tuple[slice, ...]
    counts: FloatArray
    moments: tuple[FloatArray, ...]

    kind = "from moments of the series, free of n"
    """How the sums depend on φ, for reports."""

    def at(self, residual: Residual) -> CrossProducts:
        """Cross-products with the residual structure at its φ."""
        small = self.representatives.at(residual.phi)
        size = self.moments[0].shape[-1]
        rr = np.zeros((size, size))
        with np.errstate(over="ignore", invalid="ignore"):  # refused below
            for precision, T in zip(self._precisions(small), self.moments, strict=True):
                rr += np.tensordot(precision, T, 2)
        if not np.isfinite(rr).all():
            raise NumericalError("the sums of squares are not finite at this φ.")
        log_det = float(self.counts @ small.log_determinants())
        return CrossProducts(self.scaling, self.n, log_det, 0.5 * (rr + rr.T), (), {})

    def _precisions(self, small: ParametricResidual) -> list[FloatArray]:
        """R_p⁻¹ of each pattern."""
        roots = small.whiten(self.identities)
        out = []
        for block in self.blocks:
            root = roots[block, : block.stop - block.start]
            out.append(root.T @ root)
        return out

    @cached_property
    def identities(self) -> FloatArray:
        """Unit matrices of all patterns, one below the other."""
        widest = max(b.stop - b.start for b in self.blocks)
        out = np.zeros((len(self.counts), widest))
        for b in self.blocks:
            out[b, : b.stop - b.start] = np.eye(b.stop - b.start)
        return out

    def slopes(self, residual: ParametricResidual, effects: Blocks) -> MomentSlopes:
        """Derivatives with respect to φ of squares of rows."""
        return MomentSlopes(self, self.representatives.at(residual.phi))

    def expected_information(self, residual: ParametricResidual) -> FloatArray | None:
        """Of φ; None where it is not cheap."""
        return expected_information(self.representatives.at(residual.phi), self.counts)

    def cancellation(self, residual: Residual) -> float:
        """Largest of the ratios of a variance to its part that other rows do not explain."""
        small = self.representatives.at(residual.phi)
        variances = small.variances()
        return max(
            float((np.diagonal(Q) * variances[b]).max())
            for Q, b in zip(self._precisions(small), self.blocks, strict=True)
        )


@dataclass(frozen=True, eq=False)
class MomentSlopes:
    """Derivatives with respect to φ, from moments."""

    sums: MomentSums
    small: ParametricResidual

    @property
    def log_det(self) -> FloatArray:
        """∂ln|R|/∂φ."""
        return self.small.log_det_slope(self.sums.counts)

    def of_squares(self, columns: FloatArray) -> FloatArray:
        """∂tr(M'R*'R⁻¹R*M)/∂φ for M (p + 1, c) and R* = [X̃ ỹ]."""
        sums, inner = self.sums, columns @ columns.T
        identities = sums.identities
        products = np.zeros_like(identities)
        for b, T in zip(sums.blocks, sums.moments, strict=True):
            products[b, : b.stop - b.start] = np.tensordot(T, inner, 2)
        return self.small.contract(identities, self.small.whiten(products))


def moment_sums(rows: ModelRows, scaling: Scaling) -> MomentSums | None:
    """Moments of the series, or None if summing rows costs less.

    Parameters
    ----------
    rows : ModelRows
        Without random effects.
    scaling : Scaling
    """
    residual = rows.residual
    assert isinstance(residual, ParametricResidual)
    if isinstance(residual.whitening, GridWhitening):
        return None
    order = SeriesOrder.of(residual.points, residual.series)
    keyed = replace(order, points=np.column_stack([residual.points, residual.row_constants()]))
    width = rows.X.shape[1] + 1
    patterns = keyed.patterns
    sizes = [len(p.points) * (p.rows.shape[1] * width) ** 2 for p in patterns]
    by_rows = sum(p.rows.size * p.rows.shape[1] * width for p in patterns)
    if sum(sizes) > min(MOST_MOMENTS, by_rows):
        return None
    right = scaling.right(rows)
    moments: list[FloatArray] = []
    chosen: list[IndexArray] = []
    counts: list[FloatArray] = []
    for pattern in patterns:
        m = pattern.rows.shape[1]
        for start, stop in pairwise(pattern.ends):
            values = right[pattern.rows[start:stop]].reshape(stop - start, m * width)
            gram = (values.T @ values).reshape(m, width, m, width)
            moments.append(np.ascontiguousarray(gram.transpose(0, 2, 1, 3)))
            chosen.append(pattern.rows[start])
            counts.append(np.full(m, float(stop - start)))
    ends = np.cumsum([0, *(len(c) for c in chosen)])
    return MomentSums(
        n=rows.n,
        scaling=scaling,
        representatives=residual.subset(np.concatenate(chosen)),
        blocks=tuple(slice(int(a), int(b)) for a, b in pairwise(ends)),
        counts=np.concatenate(counts),
        moments=tuple(moments),
    )
