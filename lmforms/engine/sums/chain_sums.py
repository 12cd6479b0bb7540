"""Sums of neighbouring rows, from which the sums at any φ of a chain follow without the rows.

For correlations under which a row depends on the past only through the last row before it: AR(1),
exponential in time, antedependence. With f_i a row, f_b the one before, a their correlation,
s² = 1 − a², D = f_i − f_b and S = f_i + f_b,

    (f_i − a f_b)(f_i − a f_b)'/s² = [f_i f_i' − a f_b f_b']/(1 + a) + (a/s²) DD',       a ≥ 0,
                                   = [f_i f_i' + a f_b f_b']/(1 − a) − (a/s²) SS',       a < 0,

which does not cancel as a approaches ±1. All pairs of rows with one a are summed together: one set
of sums for each different gap of time, by level where there are random effects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...correlation.base import complex_derivative
from ...errors import NumericalError
from ...residual import Residual
from ...residual.parametric import ParametricResidual
from ...residual.whitening import ChainWhitening
from ...support.arrays import Blocks, FloatArray, IndexArray
from ..rows import FactorRows, ModelRows
from .cross_products import CrossProducts, finite_squares
from .level_sums import add_by_level, row_values
from .moments import FactorMoments
from .units import Scaling

MOST_GAPS = 50
"""Most different gaps of time that are summed apart."""

ROW_COST = 4.0
"""Time of whitening and summing a number of a row over that of adding one of a level's sums."""


@dataclass(frozen=True, eq=False)
class ChainSums:
    """Sums of first rows of series, and of rows, rows before, differences and sums by gap.

    Attributes
    ----------
    n : int
        Number of rows.
    scaling : Scaling
    before, later : ndarray (G, d)
        Points of a pair of rows of each gap.
    counts : ndarray of int (G,)
        Pairs of each gap.
    log_det : float
        The part of ln|R| that comes from known weights.
    rr : ndarray (J, p + 1, p + 1)
        Products of the rows of [X̃ ỹ] less pilot effects, J = 1 + 4G.
    factors : tuple of FactorMoments
        Of the grouping factor, if there is one: zz (J, q, k, k) and zr (J, q, k, p + 1).
    """

    n: int
    scaling: Scaling
    before: FloatArray
    later: FloatArray
    counts: IndexArray
    log_det: float
    rr: FloatArray
    factors: tuple[FactorMoments, ...]

    kind = "from sums of neighbouring rows, free of n"
    """How the sums depend on φ, for reports."""

    def at(self, residual: Residual) -> CrossProducts:
        """Cross-products with the residual structure at its φ."""
        assert isinstance(residual, ParametricResidual)
        a, s2 = self._steps(residual, residual.phi)
        if not (s2 > 0).all():
            raise NumericalError("the correlation matrix of the residuals is singular at this φ.")
        c = _coefficients(a, s2)
        log_det = self.log_det + float(self.counts @ np.log(s2))
        rr = np.tensordot(c, self.rr, 1)
        factors = tuple(
            FactorMoments(np.tensordot(c, f.zz, 1), np.tensordot(c, f.zr, 1)) for f in self.factors
        )
        return CrossProducts(self.scaling, self.n, log_det, 0.5 * (rr + rr.T), factors, {})

    def _steps(self, residual: ParametricResidual, phi: Any) -> Any:
        """a and s² of each gap, (2, G)."""
        correlation = residual.correlation
        assert correlation is not None
        pair = self.before, self.later
        return np.stack([correlation.between(phi, *pair), correlation.innovation(phi, *pair)])

    def slopes(self, residual: ParametricResidual, effects: Blocks) -> ChainSlopes:
        """Derivatives with respect to φ of squares of rows less effects B."""
        a, s2 = self._steps(residual, residual.phi)
        # by the chain rule: real parts of functions of complex numbers may be inaccurate
        changes = complex_derivative(lambda z: self._steps(residual, z), residual.phi)
        da, ds2 = changes[:, 0], changes[:, 1]
        pilot = self.scaling.pilot.effects
        more = [b - b0 for b, b0 in zip(effects, pilot, strict=True)]
        return ChainSlopes(self, _coefficient_slopes(a, s2, da, ds2), ds2 / s2 @ self.counts, more)

    def expected_information(self, residual: ParametricResidual) -> None:
        """There are few parameters: differences of the gradient are as cheap."""


def _coefficients(a: FloatArray, s2: FloatArray) -> FloatArray:
    """Coefficients of the sums (J,), from a and s² of each gap."""
    size = np.abs(a)
    own, across = 1.0 / (1.0 + size), size / s2
    differences, sums = np.where(a >= 0, across, 0.0), np.where(a >= 0, 0.0, across)
    return np.concatenate([[1.0], own, -size * own, differences, sums])


def _coefficient_slopes(
    a: FloatArray, s2: FloatArray, da: FloatArray, ds2: FloatArray
) -> FloatArray:
    """Their derivatives (n_phi, J), from those of a and s²."""
    size, dsize = np.abs(a), np.where(a >= 0, da, -da)
    own = 1.0 / (1.0 + size)
    down = -dsize * own**2
    across = dsize / s2 - size * ds2 / s2**2
    differences, sums = np.where(a >= 0, across, 0.0), np.where(a >= 0, 0.0, across)
    first = np.zeros((len(da), 1))
    return np.hstack([first, down, -(dsize * own + size * down), differences, sums])


@dataclass(frozen=True, eq=False)
class ChainSlopes:
    """Derivatives with respect to φ, from those of the coefficients (n_phi, J)."""

    sums: ChainSums
    coefficients: FloatArray
    log_det: FloatArray
    effects: Blocks

    def of_squares(self, columns: FloatArray) -> FloatArray:
        """∂tr(M'E'R⁻¹E M)/∂φ for E = [X̃ ỹ] − ZB and M (p + 1, c)."""
        total = _inner(self.sums.rr, columns @ columns.T)
        for f, b in zip(self.sums.factors, self.effects, strict=True):
            own = b @ columns
            total += _inner(f.zz, own @ own.swapaxes(1, 2))
            total -= 2.0 * _inner(f.zr, own @ columns.T)
        return np.asarray(self.coefficients @ total)

    def of_blocks(self, blocks: FloatArray) -> FloatArray:
        """∂tr(Z'R⁻¹Z N)/∂φ for a block-diagonal N (q, k, k)."""
        (f,) = self.sums.factors
        return np.asarray(self.coefficients @ _inner(f.zz, blocks))


def _inner(stack: FloatArray, one: FloatArray) -> FloatArray:
    """Inner products of each array of a stack with one, (J,)."""
    return np.asarray(stack.reshape(len(stack), -1) @ one.ravel())


def chain_sums(rows: ModelRows, scaling: Scaling) -> ChainSums | None:
    """Sums of neighbouring rows, or None where they do not serve or cost more than the rows.

    Parameters
    ----------
    rows : ModelRows
        With at most one grouping factor, each level of which has whole series.
    scaling : Scaling
    """
    residual = rows.residual
    assert isinstance(residual, ParametricResidual)
    whitening = residual.whitening
    if not isinstance(whitening, ChainWhitening) or residual.variance is not None:
        return None
    factors = rows.level_factors
    if len(factors) > 1 or not rows.by_level:
        return None
    later, before = whitening.pairs
    gap_of, pairs = _gaps(residual, before, later)
    gaps = len(pairs)
    width = rows.X.shape[1] + 1
    per_level = sum(f.n_levels * f.k * (f.k + width) for f in factors)
    if gaps > MOST_GAPS or (1 + 4 * gaps) * per_level > ROW_COST * rows.n * width:
        return None
    right = scaling.right(rows)
    bases = [scale(f.basis) for f, scale in zip(factors, scaling.units.bases, strict=True)]
    for f, basis, effects in zip(factors, bases, scaling.pilot.effects, strict=True):
        if effects.any():
            right = right - row_values(f.codes, basis, effects)
    right, bases = residual.scaled(right), [residual.scaled(b) for b in bases]
    first = np.setdiff1d(np.arange(rows.n), later, assume_unique=True)
    chosen = [_Part(first, None, 0.0)]
    for own, sign in ((True, 0.0), (False, 0.0), (True, -1.0), (True, 1.0)):
        for g in range(gaps):
            i, b = later[gap_of == g], before[gap_of == g]
            chosen.append(_Part(i if own else b, b if sign else None, sign))
    products = [part.products(right, bases, factors) for part in chosen]
    rr, zz, zr = zip(*products, strict=True)
    moments = tuple(
        FactorMoments(np.stack([part[i] for part in zz]), np.stack([part[i] for part in zr]))
        for i in range(len(factors))
    )
    representatives = [pairs[g] for g in range(gaps)]
    return ChainSums(
        n=rows.n,
        scaling=scaling,
        before=residual.points[[before[i] for i in representatives]],
        later=residual.points[[later[i] for i in representatives]],
        counts=np.bincount(gap_of, minlength=gaps),
        log_det=-2.0 * float(np.log(residual.inverse_sd).sum()),
        rr=np.stack(rr),
        factors=moments,
    )


@dataclass(frozen=True, eq=False)
class _Part:
    """Some rows, plus `sign` times the rows before them if there are any."""

    rows: IndexArray
    before: IndexArray | None
    sign: float

    def products(
        self, right: FloatArray, bases: Sequence[FloatArray], factors: Sequence[FactorRows]
    ) -> tuple[FloatArray, list[FloatArray], list[FloatArray]]:
        """Products of the right-hand columns, and those of each grouping factor."""
        own = self._of(right)
        zz, zr = [], []
        for f, basis in zip(factors, bases, strict=True):
            z, codes = self._of(basis).T, f.codes[self.rows]
            zz.append(np.zeros((f.n_levels, f.k, f.k)))
            zr.append(np.zeros((f.n_levels, f.k, own.shape[1])))
            add_by_level(codes, z, z, zz[-1])
            add_by_level(codes, z, own.T, zr[-1])
        return finite_squares(own), zz, zr

    def _of(self, values: FloatArray) -> FloatArray:
        own = values[self.rows]
        return own if self.before is None else own + self.sign * values[self.before]


def _gaps(
    residual: ParametricResidual, before: IndexArray, later: IndexArray
) -> tuple[IndexArray, IndexArray]:
    """The gap that each pair of rows has, and a pair of each gap."""
    correlation = residual.correlation
    assert correlation is not None
    points = residual.points
    if correlation.depends_on_gaps:
        keys = points[later] - points[before]
    else:
        keys = np.hstack([points[before], points[later]])
    _, pairs, gap_of = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return gap_of.ravel(), pairs
