"""Rows of a fit cluster by cluster, with their blocks of the working covariance V."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ...errors import MemoryLimitError, NumericalError
from ...results.state import FitState
from ...support.arrays import FloatArray, IndexArray
from ..degrees_of_freedom.connected_rows import RandomRows
from ..degrees_of_freedom.residual_blocks import ResidualBlocks
from ..degrees_of_freedom.variance_information import half_covariance
from .cluster_scores import ClusterScores, scale_of, scores_of_blocks
from .sandwich import Sandwich

CHUNK_NUMBERS = 2_000_000
"""Of a stack of blocks of V that is worked on at once."""

DENSE_COPIES = 8
"""Matrices of the size of a block of V in memory at a time."""


@dataclass(frozen=True, eq=False)
class ClusterBlocks:
    """A fit as clusters of rows that are independent of each other.

    Attributes
    ----------
    random : list of RandomRows
    covariances : list of ndarray (k, k)
        Of the random effects of each grouping factor.
    residual : ResidualBlocks
    """

    random: list[RandomRows]
    covariances: list[FloatArray]
    residual: ResidualBlocks

    @classmethod
    def of(cls, state: FitState, random: list[RandomRows]) -> ClusterBlocks:
        """The blocks at the estimates of a fit."""
        sigma2 = state.estimate.sigma**2
        covariances = [sigma2 * lam @ lam.T for lam in state.estimate.lams]
        return cls(random, covariances, ResidualBlocks(state.residual, sigma2))

    def values(self, rows: IndexArray) -> FloatArray:
        """V of sets of rows (s, m), (s, m, m)."""
        V = self.residual.values(rows)
        for r, covariance in zip(self.random, self.covariances, strict=True):
            Z = r.basis[rows]
            V += (Z @ covariance @ Z.swapaxes(1, 2)) * r.shared(rows)
        return V


def sandwich(
    state: FitState, random: list[RandomRows], codes: IndexArray, count: int, kind: str
) -> Sandwich:
    """The cluster-robust covariance of a fit.

    Parameters
    ----------
    state : FitState
    random : list of RandomRows
        Its rows by grouping factor.
    codes : ndarray of int (n,)
        Cluster of each row, 0 … count − 1, each with rows. Rows of different clusters are
        uncorrelated under the model.
    count : int
    kind : str
        One of `ROBUST_TYPES`.

    Raises
    ------
    MemoryLimitError
        A cluster is too large, or there are too many clusters for so many coefficients.
    """
    design, estimate = state.design, state.estimate
    p, largest = design.X.shape[1], int(np.bincount(codes).max())
    needed = 8 * (DENSE_COPIES * largest**2 + 4 * count * p**2)
    if needed > state.control.memory:
        raise MemoryLimitError(
            f"{kind}: {count:,} clusters of up to {largest:,} rows and {p} coefficients would take "
            f"about {needed / 2**30:.2g} GiB; {state.control.memory / 2**30:.2g} GiB are allowed. "
            "Use smaller clusters or raise Control(memory=…)."
        )
    blocks = ClusterBlocks.of(state, random)
    half = half_covariance(estimate)
    XH = design.X @ half
    error = state.response - design.offset - design.X @ estimate.beta
    scale = scale_of(kind, count, design.n, p)
    out = ClusterScores(*(np.empty((count, *shape)) for shape in ((p,), (p, p), (p, p), (p, p))))
    try:
        for own, rows in _clusters_by_size(codes):
            found = scores_of_blocks(blocks.values(rows), XH[rows], error[rows], kind, scale)
            out.scores[own], out.spread[own] = found.scores, found.spread
            out.cross[own], out.alone[own] = found.cross, found.alone
    except np.linalg.LinAlgError:
        raise NumericalError(
            f"{kind}: the covariance of the response is singular at the estimates."
        ) from None
    return Sandwich(half, out)


def _clusters_by_size(codes: IndexArray) -> Iterator[tuple[IndexArray, IndexArray]]:
    """Clusters (s,) of one size and their rows (s, m), some at a time."""
    order = np.argsort(codes, kind="stable")
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    for m in np.unique(sizes):
        same = np.flatnonzero(sizes == m)
        step = max(1, CHUNK_NUMBERS // int(m) ** 2)
        for first in range(0, len(same), step):
            own = same[first : first + step]
            yield own, order[starts[own][:, None] + np.arange(m)]
