"""What is left of Λ'Z'ZΛ + I after the leading factor is eliminated: S = I + Λ₂'BΛ₂.

Three implementations: LAPACK on a dense S (here), batches of small blocks where the factors are
nested (:mod:`.nested`), and a fill-reducing sparse factor (:mod:`.sparse`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from ...errors import NumericalError
from ...support.arrays import FloatArray, LinearMap


class FactoredSchur(Protocol):
    """A factored S."""

    @property
    def log_det(self) -> float:
        """ln|S|."""

    def solve(self, rhs: FloatArray) -> FloatArray:
        """S⁻¹ rhs."""

    def inverse(self) -> Any:
        """S⁻¹, or as much of it as a :class:`SchurSolver` keeps of S."""


class SchurSolver(Protocol):
    """An S that is not dense: how B, S and parts of S⁻¹ are stored, and products with them.

    Each solver stores matrices in its own form: an array of blocks, or values on a pattern.
    """

    @property
    def kind(self) -> str:
        """What it is, for the table of blocks."""

    @property
    def nnz(self) -> int:
        """Numbers in the factor."""

    @property
    def largest(self) -> int:
        """Size of the largest dense block within it."""

    def times(self, x: FloatArray) -> FloatArray:
        """Z₂'Z₂x, (m, r)."""

    def remaining(self, k: Any) -> Any:
        """B = Z₂'Z₂ − KK'."""

    def factor(self, b: Any, lams: Sequence[FloatArray]) -> Any:
        """The factored I + Λ₂'BΛ₂."""

    def outer(self, z: Any, lams: Sequence[FloatArray]) -> Any:
        """Λ₂zΛ₂'."""

    def level_blocks(self, values: Any, i: int) -> FloatArray:
        """Diagonal blocks of factor i, (q, k, k)."""

    def singular_level_sum(
        self, b: Any, factored: Any, lams: Sequence[FloatArray], shrink: LinearMap, i: int
    ) -> FloatArray | None:
        """Σ over levels of factor i of the blocks of B − BΛ₂S⁻¹Λ₂'B; None if too many.

        For a singular λ, where Λ⁻ᵀ(I − S⁻¹)Λ⁻¹ cannot be used. `shrink` maps x to Λ₂'x.
        """


@dataclass
class DenseFactored:
    """S = LL' by LAPACK, which reads and writes the lower triangle only.

    Parameters
    ----------
    schur : ndarray (m, m)
        Overwritten.
    """

    schur: FloatArray
    log_det: float = field(init=False)

    def __post_init__(self) -> None:
        from scipy.linalg import lapack

        # a C array's lower triangle is the upper one of the Fortran array that LAPACK takes
        root, info = lapack.dpotrf(self.schur.T, lower=0, overwrite_a=1, clean=0)
        if info != 0:
            raise NumericalError("the Schur complement of Λ'Z'ZΛ + I is not positive definite.")
        self.schur = root
        self.log_det = 2.0 * float(np.log(np.diagonal(root)).sum())

    def solve(self, rhs: FloatArray) -> FloatArray:
        from scipy.linalg import lapack

        solution, _ = lapack.dpotrs(self.schur, rhs, lower=0)
        return np.asarray(solution).reshape(rhs.shape)

    def inverse(self) -> FloatArray:
        """S⁻¹ in the lower triangle."""
        from scipy.linalg import lapack

        inverse, _ = lapack.dpotri(self.schur, lower=0)
        return np.asarray(inverse).T
