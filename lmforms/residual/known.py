"""Residuals with a known correlated covariance R, given as a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ..errors import DataError
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .base import Residual


@dataclass(frozen=True, eq=False)
class Known(Residual):
    """Cov(e) = σ²R for a symmetric positive definite R, used as given.

    R is factored by its diagonal blocks: the series of rows that are correlated with each other.

    Parameters
    ----------
    R : ndarray or sparse (n, n)

    Raises
    ------
    DataError
        R is not square, finite, symmetric and positive definite.
    """

    R: Any
    by_row = False

    def __repr__(self) -> str:
        return f"<Known residual covariance of {self.R.shape[0]:,} rows>"

    def __post_init__(self) -> None:
        import scipy.sparse as sp

        R = sp.csr_matrix(self.R, dtype=np.float64)
        if R.shape[0] != R.shape[1] or not np.isfinite(R.data).all():
            raise DataError("the residual covariance R must be square and finite.")
        if abs(R - R.T).max() > 1e-8 * abs(R).max():
            raise DataError("the residual covariance R must be symmetric.")
        object.__setattr__(self, "R", R)
        self._root_and_log_det  # noqa: B018  # refuses an R that is not positive definite

    @cached_property
    def _root_and_log_det(self) -> tuple[Any, float]:
        """L⁻¹ with LL' = R, sparse with the blocks of R, and ln|R|."""
        import scipy.sparse as sp
        from scipy.linalg import solve_triangular
        from scipy.sparse.csgraph import connected_components

        n = self.R.shape[0]
        count, series = connected_components(self.R, directed=False)
        order = np.argsort(series, kind="stable")
        ends = np.cumsum(np.bincount(series, minlength=count))
        blocks, log_det = [], 0.0
        ordered = self.R[order][:, order]
        for start, stop in zip(np.concatenate([[0], ends[:-1]]), ends, strict=True):
            own = ordered[start:stop, start:stop].toarray()
            try:
                lower = np.linalg.cholesky(own)
            except np.linalg.LinAlgError:
                raise DataError("the residual covariance R must be positive definite.") from None
            log_det += 2.0 * float(np.log(np.diagonal(lower)).sum())
            blocks.append(solve_triangular(lower, np.eye(stop - start), lower=True))
        root = sp.block_diag(blocks, format="csr") if blocks else sp.csr_matrix((0, 0))
        back = np.empty(n, dtype=np.intp)
        back[order] = np.arange(n)
        return root[back][:, back], log_det

    def whiten(self, rows: Any) -> Any:
        return self._root_and_log_det[0] @ rows

    def solve(self, rows: Any) -> Any:
        root = self._root_and_log_det[0]
        return root.T @ (root @ rows)

    def matrix(self, n: int) -> Any:
        return self.R

    def log_determinant(self) -> float:
        return self._root_and_log_det[1]

    def variances(self) -> FloatArray:
        return np.asarray(self.R.diagonal())

    def subset(self, rows: slice | BoolArray | IndexArray) -> Known:
        return Known(self.R[rows][:, rows])
