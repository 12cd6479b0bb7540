"""Least squares on all random effects together, from cross-products."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...errors import NumericalError
from ...support.arrays import FloatArray
from ..linalg.sparse_cholesky import cholesky_of

RELATIVE_RIDGE = 1e-3
"""Added to the diagonal of Z'Z, relative to its mean in each grouping factor: effects along nearly
empty directions would be enormous."""

MOST_DENSE_COLUMNS = 1_500
"""Up to this many columns the equations are solved as dense ones."""

FULL_SHARE = 0.1
"""So are larger ones with more than this share of their entries."""


def joint_effects(gram: Any, right: FloatArray, spans: list[slice]) -> FloatArray:
    """(Z'Z + ridge)⁻¹Z'R, (m, r).

    Parameters
    ----------
    gram : sparse (m, m)
        Z'Z.
    right : ndarray (m, r)
        Z'R.
    spans : list of slice
        Columns of each grouping factor.

    Raises
    ------
    NumericalError
        Z'Z is not finite.
    """
    import scipy.sparse as sp
    from scipy.linalg import LinAlgError, solve

    diagonal = gram.diagonal()
    ridge = np.empty(len(right))
    for s in spans:
        size = float(diagonal[s].mean()) if s.stop > s.start else 0.0
        ridge[s] = RELATIVE_RIDGE * (size if size > 0 else 1.0)
    m = len(right)
    if m > MOST_DENSE_COLUMNS and gram.nnz < FULL_SHARE * m**2:
        return np.asarray(cholesky_of(sp.csc_matrix(gram + sp.diags(ridge)))[1].solve(right))
    dense = gram.toarray()
    dense[np.arange(m), np.arange(m)] += ridge
    try:
        return np.asarray(solve(dense, right, assume_a="pos"))
    except (LinAlgError, ValueError):
        raise NumericalError("Z'Z is not finite.") from None
