"""The kernel trick: K = UDU' makes the coefficients of a term independent.

Cheat sheet, section 6: u = Uα with α ~ N(0, Dσ_i²), not N(0, ZDZ'σ_i²) as printed; direction j has
columns v_j = ZU_j and the penalty λ/d_j. Directions with d_j = 0 do not vary and are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..support.arrays import FloatArray
from ..varcomp.model import Component
from .dense import check_size

ORTHOGONAL = 1e-12
"""Columns of a root with cosines below this are eigenvectors already."""


@dataclass(frozen=True, eq=False)
class KernelSpectrum:
    """The eigenvectors of K = LL' that have variance.

    Attributes
    ----------
    U : ndarray or sparse (q, r)
    d : ndarray (r,)
        Eigenvalues, positive.
    back : ndarray (r, r), optional
        a = back · α for u = La = Uα; diag(d^-½) without it.
    """

    U: Any
    d: FloatArray
    back: FloatArray | None = None

    def coefficients(self, alpha: FloatArray) -> FloatArray:
        """The coefficients a of the root from those of the eigenvectors."""
        return alpha / np.sqrt(self.d) if self.back is None else np.asarray(self.back @ alpha)


def spectrum(component: Component) -> KernelSpectrum:
    """Of a component with a root.

    A root that consists of eigenvectors, such as that of a block-diagonal K, is taken as it is;
    others have their singular values computed, dense.

    Examples
    --------
    >>> import scipy.sparse as sp
    >>> root = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    >>> spectrum(Component("g", sp.identity(3), (1, 2, 3), root)).d
    array([2., 4.])
    """
    import scipy.sparse as sp

    root = component.root
    cross = root.T @ root
    d = np.array(cross.diagonal(), dtype=np.float64)
    shown = sp.csc_matrix(cross).tocoo()
    apart = shown.row != shown.col
    cosines = np.abs(shown.data[apart]) / np.sqrt(d[shown.row[apart]] * d[shown.col[apart]])
    if (d > 0).all() and cosines.max(initial=0.0) < ORTHOGONAL:
        return KernelSpectrum(root @ sp.diags(1.0 / np.sqrt(d)), d)
    check_size(root.shape[0], f"The eigenvectors of K of `{component.name}`")
    dense = root if isinstance(root, np.ndarray) else root.toarray()
    U, s, V = np.linalg.svd(dense, full_matrices=False)
    return KernelSpectrum(U, s**2, V.T / s)
