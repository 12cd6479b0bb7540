"""Lower-triangular roots of covariance matrices, and their derivatives."""

from __future__ import annotations

import numpy as np

from ..errors import NumericalError
from ..support.arrays import FloatArray
from .base import canonical_factor

LEAST_PIVOT = 1e-7
"""A matrix of size one whose Cholesky factor has a smaller diagonal entry counts as singular."""


def semidefinite_cholesky(covariance: FloatArray) -> FloatArray:
    """Lower-triangular L with LL' the given positive semidefinite matrix and diagonal ≥ 0.

    Raises
    ------
    NumericalError
        A number is not finite.

    Examples
    --------
    >>> semidefinite_cholesky(np.ones((2, 2))).round(12)
    array([[1., 0.],
           [1., 0.]])
    """
    if not np.isfinite(covariance).all():
        raise NumericalError("a covariance matrix of the random effects is not finite.")
    scale = np.sqrt(np.diag(covariance).max(initial=0.0))
    try:
        root = np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)
        if np.diag(root).min(initial=np.inf) > LEAST_PIVOT * scale:
            return root
    except np.linalg.LinAlgError:
        pass
    d, vectors = np.linalg.eigh(covariance)
    return canonical_factor(vectors * np.sqrt(np.maximum(d, 0.0)))


def root_derivatives(root: FloatArray, changes: FloatArray) -> FloatArray:
    """∂L for changes ∂(LL') (m, k, k) of a covariance: L Φ(L⁻¹ ∂(LL') L⁻ᵀ).

    Φ takes the lower triangle and half of the diagonal. Of a singular L only the change within
    its range is taken, with the pseudo-inverse.

    References
    ----------
    Murray (2016), *Differentiation of the Cholesky decomposition*, arXiv:1602.07527, section 3.1.

    Examples
    --------
    >>> root_derivatives(np.array([[2.0]]), np.array([[[4.0]]]))
    array([[[1.]]])
    """
    diagonal = np.abs(np.diag(root))
    if diagonal.min(initial=np.inf) > LEAST_PIVOT * diagonal.max(initial=0.0):
        half = np.linalg.solve(root, changes)
        inner = np.linalg.solve(root, half.swapaxes(1, 2))
    else:
        inverse = np.linalg.pinv(root)
        inner = inverse @ changes @ inverse.T
    lower = np.tril(inner)
    k = len(root)
    lower[:, range(k), range(k)] *= 0.5
    return np.asarray(root @ lower)
