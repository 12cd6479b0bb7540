"""[Z X̃ ỹ]'R⁻¹[Z X̃ ỹ] with X̃ an orthonormal basis of X, ỹ the residuals of y from it.

With S = I − X̃X̃', which integrates β out, Z'SZ = Z'Z − (Z'X̃)(Z'X̃)' and Z'Sỹ = Z'ỹ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..engine.rows import ModelRows
from ..engine.sums.cross_products import CrossProducts
from ..engine.sums.units import Scaling
from ..support.arrays import FloatArray


@dataclass(frozen=True, eq=False)
class OrthonormalProducts:
    """Cross-products in the engine's units, but for X.

    Attributes
    ----------
    scaling : Scaling
        Of the engine's units, without pilot effects.
    zz : sparse (m, m)
        Z'Z.
    zx, zy : ndarray (m, p), (m,)
        Z'X̃ and Z'ỹ.
    yy : float
        ỹ'ỹ.
    x_map : ndarray (p, p)
        X̃ is the engine's X times this.
    log_det_x : float
        ln|X'X| of the engine's X.
    """

    scaling: Scaling
    zz: Any
    zx: FloatArray
    zy: FloatArray
    yy: float
    x_map: FloatArray
    log_det_x: float

    def rows(self, rows: ModelRows) -> tuple[FloatArray, FloatArray]:
        """X̃ (n, p) and ỹ (n,)."""
        right = self.scaling.whitened_right(rows)
        return right[:, :-1] @ self.x_map, right[:, -1]

    def beta(self, inner: FloatArray) -> FloatArray:
        """Coefficients of X in the user's units, (…, p), from those of X̃."""
        pilot = self.scaling.pilot
        own = pilot.gamma + pilot.y_scale * (inner @ self.x_map.T)
        return np.asarray(own @ self.scaling.units.x.linear.T + pilot.shift_beta)


def orthonormal_products(cp: CrossProducts) -> OrthonormalProducts:
    """From cross-products without pilot effects."""
    import scipy.sparse as sp

    p = cp.p
    lower = np.linalg.cholesky(cp.rr[:p, :p])
    x_map = np.asarray(np.linalg.inv(lower).T, dtype=np.float64)
    zr = np.concatenate([np.empty((0, p + 1)), *(f.zr[:, 0] for f in cp.factors)])
    return OrthonormalProducts(
        scaling=cp.scaling,
        zz=cp.gram().tocsc() if cp.factors else sp.csc_matrix((0, 0)),
        zx=zr[:, :p] @ x_map,
        zy=zr[:, p],
        yy=float(cp.rr[p, p]),
        x_map=x_map,
        log_det_x=2.0 * float(np.log(np.diagonal(lower)).sum()),
    )
