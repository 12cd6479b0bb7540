"""[Z R*]'R⁻¹[Z R*], blocked by grouping factor: all that the criterion needs of the rows.

R* is [X y] less pilot effects, which the scaling stores (:mod:`lmforms.engine.sums.units`).

Cross-products are additive: rows in memory, a stream of chunks or the partitions of a cluster
give the same fit, and its cost does not depend on n.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np

from ...errors import ModelError, NumericalError
from ...support.arrays import FloatArray
from ..kernel_choice import kernels_of_rows
from ..rows import ModelRows
from .compiled_fits import MOST_COLUMNS, CompiledFits
from .fits_in_turn import PART, FitsInTurn, FitsOfParts
from .joint_least_squares import joint_effects
from .moments import FactorMoments, PairMoments, merged, symmetric_matrix
from .row_passes import RowPasses
from .unexplained import unexplained_by_columns, unexplained_in_turn, unexplained_of_one
from .units import Pilot, Scaling

FEW_PAIR_NUMBERS = 1 << 13
"""Two factors with at most so many pairs of effects have them in an array where it is multiplied
by: fewer calls of NumPy."""

OVERFLOW = "the sums of squares overflow: rescale the response or the predictors."

FEW_RIGHT_COLUMNS = 16
"""Up to so many columns are multiplied by pairs of levels one after the other."""


@dataclass(frozen=True, eq=False)
class CrossProducts:
    """Sums over rows in the engine's units.

    Attributes
    ----------
    scaling : Scaling
        The units. Only cross-products in the same units can be added.
    n : int
        Number of rows; those of subtracted sums count as negative.
    log_det_residual : float
        ln|R|.
    rr : ndarray (p + 1, p + 1)
        R*'R⁻¹R*, with R* = [X y] − ZB₀ (see :mod:`lmforms.engine.sums.units`).
    factors : tuple of FactorMoments
    pairs : dict of (a, b), a < b, to PairMoments
    own : dict of a to PairMoments
        Z_l'R⁻¹Z_m for levels l > m of one grouping factor, where there are such blocks: rows that
        belong to several levels, or residuals that are correlated across levels.
    """

    scaling: Scaling
    n: int
    log_det_residual: float
    rr: FloatArray
    factors: tuple[FactorMoments, ...]
    pairs: dict[tuple[int, int], PairMoments]
    own: dict[int, PairMoments] = field(default_factory=dict)

    @property
    def p(self) -> int:
        """Number of fixed-effects columns."""
        return self.rr.shape[0] - 1

    @cached_property
    def sorted_sizes(self) -> list[FloatArray]:
        """Sums of squares of each effect by level, ascending, (k, q) by grouping factor."""
        return [np.sort(f.zz.diagonal(axis1=1, axis2=2).T, axis=1) for f in self.factors]

    @cached_property
    def unexplained(self) -> float:
        """The part of y'R⁻¹y that X and all effects, fitted in turn to the moments, leave.

        Least squares on one grouping factor after the other, as :mod:`.pilot` has them. It is a
        difference of sums, with a few correct digits.
        """
        if self.own:
            p, rr = self.p, self._less_effects(self.joint_effects)
            left = unexplained_by_columns(self.rr[:p, :p], rr[:p, :p], rr[:p, p:], rr[p:, p])
            return float(left[0])
        if len(self.factors) == 1 and len(self.factors[0].zz) > PART:
            fits = FitsOfParts(self.factors[0].zz, self.factors[0].zr)
            return unexplained_of_one(fits, self.rr)
        return unexplained_of_one(self.fits_in_turn(), self.rr)

    def fits_in_turn(self) -> FitsInTurn | CompiledFits:
        """Least squares of R* on one grouping factor after the other."""
        kernels = kernels_of_rows(self.n)
        if kernels is not None and self.factors and self.p <= MOST_COLUMNS:
            return CompiledFits(kernels, self.factors, self.pairs)
        zz, zr = [f.zz for f in self.factors], [f.zr for f in self.factors]
        return FitsInTurn(zz, zr, self.across)

    def unexplained_of(
        self, zr: Sequence[FloatArray], xy: FloatArray, yy: FloatArray
    ) -> FloatArray:
        """The same for c responses, (c,).

        Parameters
        ----------
        zr : sequence of ndarray (q, k, p + c)
            Z'R⁻¹[X y] of each grouping factor, less pilot effects.
        xy, yy : ndarray (p, c), (c,)
            X'R⁻¹y, and y'R⁻¹y of each response.
        """
        xx = self.rr[: self.p, : self.p]
        blocks = [f.zz for f in self.factors]
        return unexplained_in_turn(blocks, zr, (xx, xy, yy), self.across)

    @cached_property
    def joint_effects(self) -> list[FloatArray]:
        """Least squares of R* on all effects together, (q, k, p + 1) by grouping factor."""
        shapes = [f.zr.shape for f in self.factors]
        ends = np.cumsum([0, *(q * k for q, k, _ in shapes)])
        spans = [slice(int(a), int(b)) for a, b in pairwise(ends)]
        right = np.concatenate([f.zr.reshape(-1, self.p + 1) for f in self.factors])
        found = joint_effects(self.gram(), right, spans)
        return [found[s].reshape(shape) for s, shape in zip(spans, shapes, strict=True)]

    def gram(self) -> Any:
        """Z'R⁻¹Z as a sparse matrix."""
        import scipy.sparse as sp

        count = len(self.factors)
        sizes = [len(f.zz) for f in self.factors]
        rows: list[list[Any]] = [[None] * count for _ in range(count)]
        for i, f in enumerate(self.factors):
            rows[i][i] = symmetric_matrix(f.zz, self.own.get(i))
        for (a, b), pair in self.pairs.items():
            rows[a][b] = pair.matrix(sizes[a], sizes[b])
            rows[b][a] = rows[a][b].T
        return sp.bmat(rows, format="csr")

    def _less_effects(self, effects: list[FloatArray]) -> FloatArray:
        """(R* − ZB)'(R* − ZB)."""
        flat = np.concatenate([x.reshape(-1, self.p + 1) for x in effects])
        right = np.concatenate([f.zr.reshape(-1, self.p + 1) for f in self.factors])
        explained = flat.T @ (2.0 * right - self.gram() @ flat)
        return np.asarray(self.rr - 0.5 * (explained + explained.T))

    def across(self, j: int, i: int, x: FloatArray) -> FloatArray:
        """Z_j'R⁻¹Z_i x, (q_j, k_j, m), of x (q_i, k_i, m)."""
        levels, key = self.factors[j].zz.shape[0], (i, j) if i < j else (j, i)
        matrix = self._pair_arrays.get(key)
        if matrix is None and x.shape[2] > FEW_RIGHT_COLUMNS:
            matrix = self.pairs[key].matrix(*(len(self.factors[a].zz) for a in key))
        if matrix is not None:
            product: Any = (matrix if j < i else matrix.T) @ x.reshape(-1, x.shape[2])
            return np.asarray(product.reshape(levels, -1, x.shape[2]))
        if j < i:
            return self.pairs[key].times(x, levels)
        return self.pairs[key].transposed_times(x, levels)

    @cached_property
    def _pair_arrays(self) -> dict[tuple[int, int], FloatArray]:
        """Z_a'R⁻¹Z_b of factors with few effects."""
        levels = [len(f.zz) for f in self.factors]
        sizes = [f.zz.shape[0] * f.zz.shape[1] for f in self.factors]
        few = (key for key in self.pairs if sizes[key[0]] * sizes[key[1]] <= FEW_PAIR_NUMBERS)
        return {(a, b): self.pairs[a, b].array(levels[a], levels[b]) for a, b in few}

    def __add__(self, other: CrossProducts) -> CrossProducts:
        if not self.scaling.is_same(other.scaling):
            raise ModelError(
                "cross-products in different units cannot be added. Choose one Scaling for all "
                "chunks, with choose_scaling, and sum every chunk with it: pickled where chunks "
                "are summed by other processes."
            )
        return CrossProducts(
            scaling=self.scaling,
            n=self.n + other.n,
            log_det_residual=self.log_det_residual + other.log_det_residual,
            rr=self.rr + other.rr,
            factors=tuple(
                FactorMoments(a.zz + b.zz, a.zr + b.zr)
                for a, b in zip(self.factors, other.factors, strict=True)
            ),
            pairs={key: merged(a, other.pairs[key]) for key, a in self.pairs.items()},
            own={
                key: merged(*(x.own[key] for x in (self, other) if key in x.own))
                for key in self.own | other.own
            },
        )

    def times(self, c: float) -> CrossProducts:
        """All products times a number, with the same n and ln|R|."""
        return replace(
            self,
            rr=c * self.rr,
            factors=tuple(FactorMoments(c * f.zz, c * f.zr) for f in self.factors),
            pairs={key: replace(pair, blocks=c * pair.blocks) for key, pair in self.pairs.items()},
            own={key: replace(pair, blocks=c * pair.blocks) for key, pair in self.own.items()},
        )

    def __neg__(self) -> CrossProducts:
        return replace(self.times(-1.0), n=-self.n, log_det_residual=-self.log_det_residual)

    def __sub__(self, other: CrossProducts) -> CrossProducts:
        """Take rows out. What is left has the rounding error of all: let it be no small part."""
        return self + -other

    def with_response(
        self, pilot: Pilot, zy: Sequence[FloatArray], xy: FloatArray, yy: float
    ) -> CrossProducts:
        """The same rows with another response.

        Parameters
        ----------
        pilot : Pilot
            Of the response. Its pilot effects of X are those of these sums.
        zy : sequence of ndarray (q, k)
            Z'R⁻¹y* of each grouping factor, y* the last column of R*.
        xy : ndarray (p,)
            Products of y* with the other columns of R*.
        yy : float
            y*'R⁻¹y*.
        """
        rr = self.rr.copy()
        rr[:-1, -1] = rr[-1, :-1] = xy
        rr[-1, -1] = yy
        factors = []
        for f, z in zip(self.factors, zy, strict=True):
            zr = f.zr.copy()
            zr[..., -1] = z
            factors.append(FactorMoments(f.zz, zr))
        scaling = replace(self.scaling, pilot=pilot)
        return replace(self, scaling=scaling, rr=rr, factors=tuple(factors))


def finite_squares(right: FloatArray) -> FloatArray:
    """R'R.

    Raises
    ------
    NumericalError
        It is not finite.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        rr = right.T @ right
    if not np.isfinite(rr).all():
        raise NumericalError(OVERFLOW)
    return np.asarray(rr)


def cross_products(rows: ModelRows, scaling: Scaling) -> CrossProducts:
    """Sum up `rows` in the units of `scaling`.

    Parameters
    ----------
    rows : ModelRows
    scaling : Scaling
        From :func:`lmforms.engine.sums.sums_of_rows.choose_scaling`; chunks of one model share it,
        or have copies.

    Raises
    ------
    NumericalError
        A sum is not finite.
    """
    effects = scaling.pilot.effects if any(scaling.pilot.has_effects) else None
    with np.errstate(over="ignore", invalid="ignore"):
        return summed(rows, scaling, RowPasses.over(rows), effects)


def summed(
    rows: ModelRows,
    scaling: Scaling,
    passes: RowPasses,
    effects: Sequence[FloatArray] | None = None,
    known: CrossProducts | None = None,
) -> CrossProducts:
    """:func:`cross_products` with the pilot effects of `scaling`, None if these are zero.

    `known` are those of the same rows and units with other pilot effects. Sums in units that were
    chosen for other rows may overflow, which is an error that need not be a warning as well.
    """
    found = passes.products(rows, scaling, effects, known)
    if not isfinite(found.rr.trace()):  # no product is larger than both squares
        raise NumericalError(OVERFLOW)
    return CrossProducts(
        scaling=scaling,
        n=passes.n,
        log_det_residual=rows.residual.log_determinant(),
        rr=found.rr,
        factors=found.factors,
        pairs=found.pairs,
    )
