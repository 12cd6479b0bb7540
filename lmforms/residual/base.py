"""What every residual structure provides."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from ..support.arrays import BoolArray, FloatArray


class Residual(ABC):
    """Covariance σ²R of the residuals, known up to σ²."""

    by_row = True
    """Whether R is diagonal, so that whitening multiplies each row by a number."""

    @abstractmethod
    def whiten(self, rows: Any) -> Any:
        """R^(−1/2) times `rows`, (n,) or (n, m), dense or sparse."""

    @abstractmethod
    def log_determinant(self) -> float:
        """ln|R|, which enters the criterion."""

    @abstractmethod
    def variances(self) -> FloatArray | None:
        """The diagonal of R (None: all ones)."""

    @abstractmethod
    def subset(self, rows: slice | BoolArray) -> Residual:
        """The structure of some of the rows."""
