"""The engine's own units: orthonormal X and bases, response as a small residual.

A slope variable times 1e6, or shifted by 1e4, describes the same model. The engine works
in units in which all such descriptions look alike, and results are carried back:

    X̃ = (X − 1c')T      β = A β̃,  A the matrix with X̃ = XA
    W̃ = W T_b           b = T_b b̃  (unstructured terms; diagonal ones are only rescaled)
    ỹ = (y − X̃γ)/s      γ from a pilot least-squares fit, s its residual size

Subtracting the pilot fit keeps r² = ỹ'ỹ − … from cancelling; it changes no criterion.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .covariance import Covariance, Stacked
from .rows import ModelRows

FloatArray = npt.NDArray[np.float64]

ILL_CONDITIONED = 1e-9
"""Below this ratio of diagonal entries of R a basis is only rescaled, not orthogonalised."""

PERFECT_FIT = 1e-12
"""Pilot residuals below this share of the response's size are rounding, not noise."""


@dataclass(frozen=True)
class AffineMap:
    """``M ↦ (M − 1c')T``, which equals ``M @ linear`` where column `constant` is all ones."""

    center: FloatArray
    matrix: FloatArray
    constant: int | None

    def __call__(self, columns: FloatArray) -> FloatArray:
        """Map rows of columns."""
        if self.constant is not None:
            columns = columns - self.center
        return np.asarray(columns @ self.matrix)

    @property
    def linear(self) -> FloatArray:
        """A with ``self(M) == M @ A``."""
        if self.constant is None:
            return self.matrix
        shift = np.eye(len(self.center))
        shift[self.constant] -= self.center
        return np.asarray(shift @ self.matrix)

    @property
    def inverse(self) -> FloatArray:
        """Inverse of `linear`."""
        inv = np.asarray(np.linalg.inv(self.matrix), dtype=np.float64)
        if self.constant is None:
            return inv
        back = np.eye(len(self.center))
        back[self.constant] += self.center
        return np.asarray(inv @ back)

    def log_determinant(self) -> float:
        """ln|det A|."""
        return float(np.linalg.slogdet(self.matrix)[1]) if len(self.matrix) else 0.0


@dataclass(frozen=True)
class Scaling:
    """The change of units between a user's model and the engine's.

    Attributes
    ----------
    x : AffineMap
        For the columns of X.
    pilot : ndarray (p,)
        Pilot coefficients γ of X̃.
    y_scale : float
        s.
    bases : tuple of AffineMap
        For the basis of each grouping factor.
    """

    x: AffineMap
    pilot: FloatArray
    y_scale: float
    bases: tuple[AffineMap, ...]

    def beta(self, beta: FloatArray) -> FloatArray:
        """Fixed effects in the user's units."""
        return np.asarray(self.x.linear @ (self.pilot + self.y_scale * beta))

    def criterion_shift(self, nu: int, reml: bool) -> float:
        """What to add to the engine's criterion to have the user's."""
        shift = 2.0 * nu * np.log(self.y_scale)
        return float(shift - 2.0 * self.x.log_determinant() if reml else shift)


def choose_scaling(rows: ModelRows, covariances: tuple[Covariance, ...]) -> Scaling:
    """Units in which X and the bases are orthonormal and the response is of size one.

    Parameters
    ----------
    rows : ModelRows
        All rows, or the first chunk of a stream: any choice gives the same model.
    covariances : tuple of Covariance
        Structure of each grouping factor; it decides what its basis may undergo.
    """
    x = _orthonormal(rows.X)
    X = x(rows.X)
    root = rows.residual.whiten
    pilot = np.linalg.lstsq(root(X), root(rows.y), rcond=None)[0]
    resid = rows.y - X @ pilot
    scale = float(np.sqrt(np.mean(resid**2)))
    size = float(np.sqrt(np.mean(rows.y**2)))
    if not scale > PERFECT_FIT * size:
        scale = max(size, 1.0)
    bases = tuple(_basis_map(f.basis, c) for f, c in zip(rows.factors, covariances, strict=True))
    return Scaling(x=x, pilot=np.asarray(pilot, dtype=np.float64), y_scale=scale, bases=bases)


def _basis_map(basis: FloatArray, covariance: Covariance) -> AffineMap:
    k = basis.shape[1]
    if covariance.invariance == "linear":
        return _orthonormal(basis)
    matrix = np.eye(k)
    if isinstance(covariance, Stacked):
        if len(covariance.parts) == 1:
            return _basis_map(basis, covariance.parts[0])
        for part, c in zip(covariance.parts, covariance.column_slices(), strict=True):
            matrix[c, c] = _basis_map(basis[:, c], part).linear
    elif covariance.invariance == "scale":
        matrix = np.diag(1.0 / _sizes(basis))
    return AffineMap(np.zeros(k), matrix, None)


def _sizes(columns: FloatArray) -> FloatArray:
    """Root mean square of each column, 1 for a column of zeros."""
    rms = np.sqrt(np.mean(columns**2, axis=0))
    return np.where(rms > 0, rms, 1.0)


def _orthonormal(columns: FloatArray) -> AffineMap:
    """The map to columns with unit mean squares and no correlation."""
    n, p = columns.shape
    center = np.zeros(p)
    if p == 0:
        return AffineMap(center, np.eye(0), None)
    first = columns[0]
    flat = np.flatnonzero((first != 0) & (columns == first).all(axis=0))
    constant = next((int(j) for j in flat if first[j] == 1.0), None)
    if constant is not None:
        center = columns.mean(axis=0)
        center[flat] = 0.0
        columns = columns - center
    sizes = _sizes(columns)
    r = np.asarray(np.linalg.qr(columns / sizes, mode="r"))
    d = np.abs(np.diag(r))
    matrix = np.diag(1.0 / sizes)
    if len(d) == p and d.min() > ILL_CONDITIONED * d.max():
        r = r * np.sign(np.diag(r))[:, None]  # the same units whatever the order of the rows
        matrix = matrix @ np.linalg.inv(r) * np.sqrt(n)
    return AffineMap(center, matrix, constant)
