"""Columns of parameters beside the mean: of a dispersion, or of a probability of excess zeros."""

from __future__ import annotations

from dataclasses import dataclass

from ..formula.auxiliary import AuxiliaryFormula
from ..formula.term_matrix import TermMatrix
from ..support.arrays import FloatArray, IndexArray


@dataclass(frozen=True, eq=False)
class AuxiliaryPart:
    """The design of a parameter beside the mean.

    Attributes
    ----------
    formula : AuxiliaryFormula
    matrix : TermMatrix (n, k)
        All columns, before the rank check.
    kept : ndarray of int
        Columns that are independent of earlier ones.
    """

    formula: AuxiliaryFormula
    matrix: TermMatrix
    kept: IndexArray

    @property
    def X(self) -> FloatArray:
        """The columns kept, (n, p)."""
        return self.chosen(self.matrix.values)

    @property
    def names(self) -> list[str]:
        """Names of the columns kept."""
        return [self.matrix.names[j] for j in self.kept]

    @property
    def dropped(self) -> list[str]:
        """Names of the columns left out because they depend on earlier ones."""
        kept = set(self.kept.tolist())
        return [name for j, name in enumerate(self.matrix.names) if j not in kept]

    def chosen(self, columns: FloatArray) -> FloatArray:
        """The columns kept, of all columns on some rows."""
        return columns if len(self.kept) == columns.shape[1] else columns[:, self.kept]
