"""V and P as dense n×n matrices, for small data."""

from __future__ import annotations

import numpy as np

from ..errors import MemoryLimitError, NumericalError
from ..support.arrays import FloatArray, as_dense
from ..varcomp import ComponentModel

MOST_DENSE_ROWS = 5_000
"""Largest number of rows of a dense matrix: 200 MB for one, and several are needed."""


def check_dense_size(size: int, what: str) -> None:
    """Refuse a dense matrix that is too large.

    Raises
    ------
    MemoryLimitError
    """
    if size > MOST_DENSE_ROWS:
        raise MemoryLimitError(
            f"{what} would be a dense matrix of {size:,} × {size:,}; they are made up to "
            f"{MOST_DENSE_ROWS:,}. V_inverse_times(), C() and solve() stay sparse and do without."
        )


def dense_covariance(model: ComponentModel, variances: FloatArray) -> FloatArray:
    """V = ΣZ_iK_iZ_i'σ_i² + Rσ², (n, n): cheat sheet, section 1."""
    check_dense_size(model.n, "V")
    weights = model.row_weights
    out = np.diag(variances[-1] / weights)
    for component, variance in zip(model.components, variances[:-1], strict=True):
        if component.precision is not None:
            check_dense_size(component.n_effects, f"K of `{component.name}`")
            out += variance * (component.Z @ (component.Z @ component.covariance()).T)
        else:
            half = component.Z if component.root is None else component.Z @ component.root
            out += variance * as_dense(half @ half.T)
    return np.asarray(0.5 * (out + out.T))


def projection(V: FloatArray, X: FloatArray) -> FloatArray:
    """P = V⁻¹ − V⁻¹X(X'V⁻¹X)⁻¹X'V⁻¹, (n, n).

    With V = LL' and an orthonormal basis Q of L⁻¹X it is L⁻ᵀ(I − QQ')L⁻¹, which avoids the
    difference of two large matrices.
    """
    from scipy.linalg import solve_triangular

    try:
        lower = np.linalg.cholesky(V)
    except np.linalg.LinAlgError:
        raise NumericalError(
            "V is not positive definite to working precision: its variances lie too far apart."
        ) from None
    inverse = solve_triangular(lower, np.eye(len(V)), lower=True)
    if X.shape[1]:
        basis, _ = np.linalg.qr(inverse @ X)
        inverse = inverse - basis @ (basis.T @ inverse)
    return np.asarray(inverse.T @ inverse)
