"""Independent residuals of one variance, R = I."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..support.arrays import BoolArray, IndexArray
from .base import Residual


@dataclass(frozen=True)
class Independent(Residual):
    """R = I."""

    def whiten(self, rows: Any) -> Any:
        return rows

    def solve(self, rows: Any) -> Any:
        return rows

    def matrix(self, n: int) -> Any:
        from scipy.sparse import eye_array

        return eye_array(n)

    def log_determinant(self) -> float:
        return 0.0

    def variances(self) -> None:
        return None

    def subset(self, rows: slice | BoolArray | IndexArray) -> Independent:
        return self
