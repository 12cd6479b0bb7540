"""Rows that are summed up in the engine's units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..rows import ModelRows
from .row_passes import KnownProducts, Products, RowPasses
from .units import Scaling


@dataclass(frozen=True, eq=False)
class UnitRows:
    """Rows that each belong to one level of every grouping factor, with units.

    Attributes
    ----------
    rows : ModelRows
    scaling : Scaling
    passes : RowPasses
    centered : object
        X less the centre of its units and y less the shift, whitened
        (:meth:`.row_passes.RowPasses.centered`).
    has_effects : bool
        Whether there are pilot effects other than zero.
    """

    rows: ModelRows
    scaling: Scaling
    passes: RowPasses
    centered: Any
    has_effects: bool

    @classmethod
    def of(cls, rows: ModelRows, scaling: Scaling) -> UnitRows:
        """Rows in given units."""
        passes, pilot = RowPasses(rows.residual), scaling.pilot
        centered = passes.centered(rows.X, rows.y, scaling.units.x.center, pilot.shift)
        return cls(rows, scaling, passes, centered, any(e.any() for e in pilot.effects))

    def products(self, known: KnownProducts | None = None) -> Products:
        """Sums of products; those of Z̃ may be known from sums with other pilot effects."""
        effects = self.scaling.pilot.effects if self.has_effects else None
        factors = self.rows.level_factors
        return self.passes.products(factors, self.scaling, self.centered, effects, known)
