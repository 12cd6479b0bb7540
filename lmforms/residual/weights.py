"""Independent residuals with known weights, R = diag(1/w)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import DataError
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .base import Residual


@dataclass(frozen=True, eq=False)
class Weighted(Residual):
    """Var(e_i) = σ²/w_i; the weights are used as given, never normalised.

    Parameters
    ----------
    weights : ndarray (n,)

    Raises
    ------
    DataError
        A weight is zero, negative or not finite.

    Notes
    -----
    A constant weight c leaves the log-likelihood and multiplies σ² by c, because
    −Σ ln w enters the criterion.
    """

    weights: FloatArray

    def __repr__(self) -> str:
        low, high = self.weights.min(), self.weights.max()
        return f"<Weighted: {len(self.weights):,} rows, weights from {low:.4g} to {high:.4g}>"

    def __post_init__(self) -> None:
        bad = ~(self.weights > 0) | ~np.isfinite(self.weights)
        if bad.any():
            first = int(np.flatnonzero(bad)[0])
            raise DataError(
                f"weights must be positive and finite; {int(bad.sum())} are not "
                f"(the first is {self.weights[first]:g}, in row {first} of the rows used). "
                "To leave a row out, drop it."
            )

    def whiten(self, rows: Any) -> Any:
        root = np.sqrt(self.weights)
        if not isinstance(rows, np.ndarray):
            return rows.multiply(root[:, None]).tocsr()
        return rows * (root if rows.ndim == 1 else root[:, None])

    def solve(self, rows: Any) -> Any:
        return rows * (self.weights if rows.ndim == 1 else self.weights[:, None])

    def matrix(self, n: int) -> Any:
        from scipy.sparse import diags_array

        return diags_array(1.0 / self.weights)

    def log_determinant(self) -> float:
        return -float(np.log(self.weights).sum())

    def variances(self) -> FloatArray:
        return 1.0 / self.weights

    def subset(self, rows: slice | BoolArray | IndexArray) -> Weighted:
        return Weighted(self.weights[rows])
