"""Rows of a fit cluster by cluster, with their blocks of the working covariance V."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...results.state import FitState
from ...support.arrays import FloatArray, IndexArray
from ..degrees_of_freedom.connected_rows import RandomRows
from ..degrees_of_freedom.residual_blocks import ResidualBlocks

CHUNK_NUMBERS = 2_000_000
"""Of a stack of blocks of V that is worked on at once."""


@dataclass(frozen=True, eq=False)
class ClusterBlocks:
    """A fit as clusters of rows that are independent of each other.

    Attributes
    ----------
    random : list of RandomRows
    covariances : list of ndarray (k, k)
        Of the random effects of each grouping factor.
    residual : ResidualBlocks
    independent : bool
        Whether all residuals are uncorrelated.
    """

    random: list[RandomRows]
    covariances: list[FloatArray]
    residual: ResidualBlocks
    independent: bool

    @classmethod
    def of(cls, state: FitState, random: list[RandomRows]) -> ClusterBlocks:
        """The blocks at the estimates of a fit."""
        sigma2 = state.estimate.sigma**2
        covariances = [sigma2 * lam @ lam.T for lam in state.estimate.lams]
        residual = state.residual
        independent = residual.is_within(np.arange(state.design.n))
        return cls(random, covariances, ResidualBlocks(residual, sigma2), independent)

    def values(self, rows: IndexArray) -> FloatArray:
        """V of sets of rows (s, m), (s, m, m)."""
        V = self.residual.values(rows)
        for r, covariance in zip(self.random, self.covariances, strict=True):
            Z = r.basis[rows]
            V += (Z @ covariance @ Z.swapaxes(1, 2)) * r.shared(rows)
        return V

    def independent_variances(self, rows: IndexArray) -> FloatArray | None:
        """Residual variances of rows (m,), None if these residuals may be correlated."""
        if not self.independent:
            return None
        variances = self.residual.residual.variances()
        return self.residual.sigma2 * (np.ones(len(rows)) if variances is None else variances[rows])


def clusters_by_size(codes: IndexArray, p: int) -> Iterator[tuple[IndexArray, IndexArray]]:
    """Clusters (s,) of one size and their rows (s, m), some at a time, the largest first.

    Matrices (m, m) and (p, p) of as many fit in a chunk.
    """
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    for m in np.unique(sizes)[::-1]:
        same = np.flatnonzero(sizes == m)
        step = max(1, CHUNK_NUMBERS // max(int(m), p) ** 2)
        for first in range(0, len(same), step):
            own = same[first : first + step]
            yield own, order[starts[own][:, None] + np.arange(m)]
