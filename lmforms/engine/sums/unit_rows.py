"""Rows in the engine's units, whitened, as they are summed up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

from ...support.arrays import FloatArray
from ..rows import FactorRows, ModelRows
from .moments import PairMoments
from .row_passes import RowPasses
from .units import AffineMap, Scaling


@dataclass(frozen=True, eq=False)
class UnitBases:
    """R^(−1/2)Z̃ as bases by row, and their cross-products, which pilot effects do not change.

    Attributes
    ----------
    factors : tuple of FactorRows
    maps : tuple of AffineMap
    passes : RowPasses
    """

    factors: tuple[FactorRows, ...]
    maps: tuple[AffineMap, ...]
    passes: RowPasses

    @cached_property
    def bases(self) -> list[FloatArray]:
        """R^(−1/2)W̃ (n, k) of each factor."""
        pairs = zip(self.factors, self.maps, strict=True)
        return [self.passes.transformed(f.basis, scale) for f, scale in pairs]

    @cached_property
    def zz(self) -> list[FloatArray]:
        """Z̃'R⁻¹Z̃ by level, (q, k, k) of each factor."""
        pairs = zip(self.factors, self.bases, strict=True)
        return [self.passes.sums_by_level(f, w, w, symmetric=True) for f, w in pairs]

    @cached_property
    def pairs(self) -> dict[tuple[int, int], PairMoments]:
        """Those of two factors, by their places."""
        f, w = self.factors, self.bases
        return {
            (a, b): self.passes.pair_moments(f[a], f[b], w[a], w[b])
            for a, b in combinations(range(len(f)), 2)
        }


@dataclass(frozen=True, eq=False)
class UnitRows:
    """Rows that each belong to one level of every grouping factor, in units.

    Attributes
    ----------
    rows : ModelRows
    scaling : Scaling
    random : UnitBases
    before_pilot : ndarray (n, p + 1)
        R^(−1/2)[X̃ ỹ], before the pilot effects B₀ are subtracted.
    has_effects : bool
        Whether B₀ is not zero.
    """

    rows: ModelRows
    scaling: Scaling
    random: UnitBases
    before_pilot: FloatArray
    has_effects: bool

    @classmethod
    def of(cls, rows: ModelRows, scaling: Scaling) -> UnitRows:
        """Rows in given units."""
        passes, pilot = RowPasses(rows.residual), scaling.pilot
        right = passes.right(rows.X, rows.y, scaling.units.x, pilot.shift)
        passes.less_fitted(right, pilot.gamma)
        right[:, -1] /= pilot.y_scale
        random = UnitBases(rows.level_factors, scaling.units.bases, passes)
        return cls(rows, scaling, random, right, any(e.any() for e in pilot.effects))

    @property
    def passes(self) -> RowPasses:
        """How the rows are passed over."""
        return self.random.passes

    @property
    def right(self) -> FloatArray:
        """R^(−1/2)R*, (n, p + 1): [X̃ ỹ] less pilot effects."""
        if not self.has_effects:
            return self.before_pilot
        right = self.before_pilot.copy(order="K")
        random, effects = self.random, self.scaling.pilot.effects
        for f, basis, own in zip(random.factors, random.bases, effects, strict=True):
            self.passes.less_effects(f, basis, own, right)
        return right
