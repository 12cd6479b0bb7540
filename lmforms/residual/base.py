"""What every residual structure provides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np

from ..support.arrays import BoolArray, FloatArray, IndexArray


class Residual(ABC):
    """Covariance σ²R of the residuals at given parameters φ, known up to σ²."""

    by_row = True
    """Whether R is diagonal, so that whitening multiplies each row by a number."""

    @abstractmethod
    def whiten(self, rows: Any) -> Any:
        """R^(−1/2) times `rows`, (n,) or (n, m), dense or sparse."""

    def normalised(self, values: FloatArray) -> FloatArray:
        """R^(−1/2) times `values` (n,), in the order of the rows.

        :meth:`whiten` may have more rows than there are, in another order.
        """
        return np.asarray(self.whiten(values))

    @abstractmethod
    def solve(self, rows: Any) -> Any:
        """R⁻¹ times dense `rows`, (n,) or (n, m)."""

    @abstractmethod
    def matrix(self, n: int) -> Any:
        """R of n rows as a sparse matrix (n, n)."""

    def scaled(self, rows: Any) -> Any:
        """Rows divided by their standard deviations relative to σ."""
        variances = self.variances()
        if variances is None:
            return rows
        root = 1.0 / np.sqrt(variances)
        return rows * (root if rows.ndim == 1 else root[:, None])

    @abstractmethod
    def log_determinant(self) -> float:
        """ln|R|, which enters the criterion."""

    @abstractmethod
    def variances(self) -> FloatArray | None:
        """The diagonal of R (None: all ones)."""

    @abstractmethod
    def subset(self, rows: slice | BoolArray | IndexArray) -> Residual:
        """The structure of some of the rows."""

    @property
    def phi(self) -> FloatArray:
        """Parameters φ to be estimated; none by default."""
        return np.empty(0)

    def at(self, phi: FloatArray) -> Self:
        """The structure at other parameters."""
        return self

    def is_within(self, codes: Any) -> bool:
        """Whether rows with different codes (n,) are always uncorrelated."""
        return self.by_row
