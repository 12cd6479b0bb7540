"""Independent residuals of one variance, R = I."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..support.arrays import BoolArray
from .base import Residual


@dataclass(frozen=True)
class Independent(Residual):
    """R = I."""

    def whiten(self, rows: Any) -> Any:
        return rows

    def log_determinant(self) -> float:
        return 0.0

    def variances(self) -> None:
        return None

    def subset(self, rows: slice | BoolArray) -> Independent:
        return self
