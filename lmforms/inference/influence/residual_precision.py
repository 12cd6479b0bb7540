"""R⁻¹ of the residuals as a sparse matrix."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...residual import Residual
from ...residual.parametric import ParametricResidual


def is_diagonal(residual: Residual) -> bool:
    """Whether rows are uncorrelated."""
    if isinstance(residual, ParametricResidual):
        return residual.correlation is None
    return residual.by_row


def residual_precision(residual: Residual, n: int) -> Any:
    """R⁻¹, sparse (n, n)."""
    import scipy.sparse as sp

    if is_diagonal(residual):
        variances = residual.variances()
        return sp.diags_array(np.ones(n) if variances is None else 1.0 / variances).tocsr()
    root = sp.csr_array(residual.whiten(sp.identity(n, format="csr")))
    return (root.T @ root).tocsr()
