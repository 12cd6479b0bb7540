"""The cluster-robust covariance of a fit, cluster by cluster."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...errors import MemoryLimitError, NumericalError
from ...results.state import FitState
from ...support.arrays import FloatArray, IndexArray
from ..degrees_of_freedom.connected_rows import RandomRows
from ..degrees_of_freedom.variance_information import half_covariance
from .cluster_blocks import ClusterBlocks, clusters_by_size
from .cluster_scores import ClusterScores, scale_of, scores_of_blocks
from .compressed_rows import WORTH_COMPRESSING, compressed_rows
from .sandwich import Sandwich

DENSE_COPIES = 8
"""Matrices of the size of a block of V in memory at a time."""

MOST_ROUNDING = 1e-5
"""Share of the covariance that may be lost to rounding. V has squared ratios of standard
deviations, and CR2 the squares of V: 1e-12 is usual, 1e-7 is lost where effects are 1e4 times as
wide as residuals."""


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
    NumericalError
        Too many digits are lost to rounding.
    """
    design, estimate = state.design, state.estimate
    p = design.X.shape[1]
    _check_memory(
        4 * count * p**2,
        f"{kind} with {count:,} clusters and {p} coefficients",
        state.control.memory,
    )
    blocks = ClusterBlocks.of(state, random)
    half = half_covariance(estimate)
    XH = design.X @ half
    error = state.response - design.offset - design.X @ estimate.beta
    scale = scale_of(kind, count, design.n, p)
    out = ClusterScores(
        scores=np.empty((count, p)),
        spread=np.empty((count, p, p)),
        cross=np.empty((count, p, p)),
        alone=np.zeros((p, p)),
        information=np.zeros((p, p)),
    )
    try:
        for own, V, X, e in _blocks(blocks, codes, XH, error, kind, state.control.memory):
            found = scores_of_blocks(V, X, e, kind, scale)
            out.scores[own], out.spread[own] = found.scores, found.spread
            out.cross[own] = found.cross
            out.alone[...] += found.alone
            out.information[...] += found.information
        lost = np.abs(out.information - np.eye(p)).max(initial=0.0)
    except np.linalg.LinAlgError:
        lost = np.inf
    if not lost <= MOST_ROUNDING:
        way = "CR0 and CR3 need fewer digits; else use" if kind == "CR2" else "Use"
        raise NumericalError(
            f"{kind}: digits are lost to rounding, since the covariance of the response is nearly "
            f"singular, as with random effects far wider than the residuals. {way} the model's own "
            "covariance, fit.cov_params()."
        )
    return Sandwich(half, out)


def _blocks(
    blocks: ClusterBlocks,
    codes: IndexArray,
    X: FloatArray,
    e: FloatArray,
    kind: str,
    memory: int,
) -> Iterator[tuple[IndexArray, FloatArray, FloatArray, FloatArray]]:
    """Clusters (s,) with their V (s, m, m), X (s, m, p) and e (s, m)."""
    for own, rows in clusters_by_size(codes, X.shape[1]):
        m, left = rows.shape[1], np.ones(len(rows), dtype=bool)
        for i, of_one in enumerate(rows if m >= WORTH_COMPRESSING else []):
            fewer = compressed_rows(blocks, of_one, X[of_one], e[of_one], kind)
            if fewer is not None:
                left[i] = False
                yield own[[i]], fewer.V[None], fewer.X[None], fewer.e[None]
        if left.any():
            _check_memory(DENSE_COPIES * m**2, f"{kind} with a cluster of {m:,} rows", memory)
            yield own[left], blocks.values(rows[left]), X[rows[left]], e[rows[left]]


def _check_memory(numbers: int, what: str, memory: int) -> None:
    if 8 * numbers > memory:
        raise MemoryLimitError(
            f"{what} would take about {8 * numbers / 2**30:.2g} GiB; {memory / 2**30:.2g} GiB are "
            "allowed. Raise Control(memory=…)."
        )
