"""What every residual structure provides."""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..support.arrays import BoolArray, FloatArray


class Residual(ABC):
    """Covariance σ²R of the residuals, known up to σ²."""

    @abstractmethod
    def whiten(self, rows: FloatArray) -> FloatArray:
        """R^(−1/2) times `rows`, shape (n,) or (n, m)."""

    @abstractmethod
    def log_determinant(self) -> float:
        """ln|R|, which enters the criterion."""

    @abstractmethod
    def variances(self) -> FloatArray | None:
        """The diagonal of R (None: all ones)."""

    @abstractmethod
    def subset(self, rows: slice | BoolArray) -> Residual:
        """The structure of some of the rows."""
