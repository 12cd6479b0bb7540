"""The least-squares problem with as many rows as columns, for data with many rows.

K and H that minimise F are linear in the columns of D = [Y X Z], and F depends on the rows only
through D'D. If D = QR with Q'Q = I, the problem with R for D has the same loadings and the same F,
and its codes times Q are those of D. R is taken from D'D = VΛV', as Λ^½V', summed once; the cost of
a sweep then does not depend on n.

Squaring costs digits: components whose singular value is below 1e-8 of the largest are lost in
D'D. A minimisation therefore ends with sweeps on D itself.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp

from ..support.arrays import FloatArray, as_dense
from .modalities import Modalities, Modality

ROWS_PER_COLUMN = 4
"""Number of rows for each column from which R is much smaller than D."""

SWEEPS_SAVED = 30
"""Cross-products and their eigenvectors run near the peak speed of the machine, the thin products
of a sweep far below it. R pays if it costs no more multiplications than this many sweeps on D."""


def compressed(data: Modalities, rank: int) -> Modalities | None:
    """R in place of D, or None where D has missing entries or R would not save time.

    Products are taken of columns divided by their norms, so that small columns keep their digits.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> data = Modalities.of(*(rng.normal(size=(90, c)) for c in (3, 4, 5)))
    >>> small = compressed(data, rank=2)
    >>> Y, X, _ = (part.values for part in data)
    >>> R, S, _ = (part.values for part in small)
    >>> small.n, bool(np.allclose(R.T @ S, Y.T @ X))
    (12, True)
    """
    widths = [part.shape[1] for part in data]
    if not data.complete or not _pays(data, sum(widths), rank):
        return None
    norms = np.concatenate([np.sqrt(part.squares) for part in data])
    norms[norms == 0] = 1.0
    values, vectors = np.linalg.eigh(_products(data) / np.outer(norms, norms))
    root = np.sqrt(np.maximum(values, 0.0))[:, None] * vectors.T
    blocks = np.split(root * norms, np.cumsum(widths)[:-1], axis=1)
    return Modalities(
        tuple(Modality(np.ascontiguousarray(A), part.side) for A, part in zip(blocks, data))
    )


def _pays(data: Modalities, total: int, rank: int) -> bool:
    """Whether R is small and costs less than some sweeps on D."""
    stored = sum(part.values.nnz if sp.issparse(part.values) else part.values.size for part in data)
    once = stored * total + 10.0 * total**3
    return data.n >= ROWS_PER_COLUMN * total and once < SWEEPS_SAVED * 4.0 * rank * stored


def _products(data: Modalities) -> FloatArray:
    """D'D, block by block."""
    rows: list[list[FloatArray]] = []
    for i, left in enumerate(data):
        row = [rows[j][i].T for j in range(i)]
        row += [as_dense(left.values.T @ right.values) for right in data.parts[i:]]
        rows.append(row)
    return np.block(rows)
