"""Large clusters by as many rows as X and Z have columns there.

Where the rows of a cluster have independent residuals of one variance c, V_i = cI + ZGZ'. A
rotation of the rows changes nothing in any type of covariance. One that leaves [X Z e] non-zero in
d rows only makes the others superfluous: they have V = cI and X = e = 0. With unequal variances
rows are divided by their standard deviations first; that changes CR2, whose A_i depends on the
units of the rows, and none of the other types.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...support.arrays import FloatArray, IndexArray
from .cluster_blocks import ClusterBlocks

WORTH_COMPRESSING = 50
"""Smaller clusters are worked on many at a time, which is faster."""

EQUAL_VARIANCES = 1e-10
"""Relative difference up to which the variances of rows are the same."""


@dataclass(frozen=True, eq=False)
class CompressedRows:
    """A cluster after rotation.

    Attributes
    ----------
    V : ndarray (d, d)
    X : ndarray (d, p)
    e : ndarray (d,)
    """

    V: FloatArray
    X: FloatArray
    e: FloatArray


def compressed_rows(
    blocks: ClusterBlocks, rows: IndexArray, X: FloatArray, e: FloatArray, kind: str
) -> CompressedRows | None:
    """A cluster of rows (m,), X (m, p) and e (m,), by fewer rows; None where it has not more."""
    m, p = X.shape
    variances = blocks.independent_variances(rows)
    if variances is None:
        return None
    if kind == "CR2" and np.ptp(variances) > EQUAL_VARIANCES * variances.max():
        return None
    found = [np.unique(r.codes[rows], return_inverse=True) for r in blocks.random]
    widths = [len(own[0]) * len(c) for own, c in zip(found, blocks.covariances, strict=True)]
    if 2 * (p + sum(widths) + 1) > m:
        return None
    columns, kernels = [X], []
    for (levels, at), r, covariance in zip(found, blocks.random, blocks.covariances, strict=True):
        k = len(covariance)
        Z = np.zeros((m, len(levels) * k))
        Z[np.arange(m)[:, None], at.reshape(-1, 1) * k + np.arange(k)] = r.basis[rows]
        columns.append(Z)
        related = np.eye(len(levels)) if r.K is None else r.K[np.ix_(levels, levels)]
        kernels.append(np.kron(related, covariance))
    scale = np.sqrt(variances.mean() / variances)
    scaled = scale[:, None] * np.column_stack([*columns, e])
    rotated = np.asarray(np.linalg.qr(scaled, mode="r"))
    V = variances.mean() * np.eye(len(rotated))
    start = p
    for width, G in zip(widths, kernels, strict=True):
        Z = rotated[:, start : start + width]
        V += Z @ G @ Z.T
        start += width
    return CompressedRows(V, rotated[:, :p], rotated[:, -1])
