"""The triangular root of columns whose rows come in chunks: R with R'R = X'X, from merged QR."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...support.arrays import FloatArray
from ..linalg.stable_columns import root_of_moments


def chunk_root(moments: FloatArray, columns: Callable[[], FloatArray]) -> FloatArray:
    """R (r, p) of the columns of one chunk, r ≤ p: from the moments where these lose no digits.

    Parameters
    ----------
    moments : ndarray (p, p)
        X'X.
    columns : callable
        Gives X (n, p), which is looked at only where it must be.
    """
    p = len(moments)
    (present,) = (moments.diagonal() > 0.0).nonzero()
    own = root_of_moments(moments[np.ix_(present, present)])
    if own is None:
        own = np.asarray(np.linalg.qr(columns()[:, present], mode="r"), dtype=np.float64)
    root = np.zeros((len(own), p))
    root[:, present] = own
    return root


def merged_roots(a: FloatArray, b: FloatArray) -> FloatArray:
    """R of the rows of both, of which a and b are roots."""
    both = np.concatenate([a, b])
    return both if len(both) <= both.shape[1] else np.asarray(np.linalg.qr(both, mode="r"))
