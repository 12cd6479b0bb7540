"""The engine's own units: orthonormal X and bases, and pilot effects subtracted.

A slope variable times 1e6, or shifted by 1e4, describes the same model. The engine works
in units in which all such descriptions are equal, and results are transformed back:

    X̃ = (X − 1c')T      β = A β̃,  A the matrix with X̃ = XA
    W̃ = W T_b           b = T_b b̃  (unstructured terms; diagonal ones are only rescaled)
    ỹ = (y − c − X̃γ)/s  c a value of y, γ a pilot least-squares fit, s its residual size

Sums of squares are those of the remainder after two pilot fits: γ, and random effects B₀ of
every column of R = [X̃ ỹ], so that R = R* + ZB₀ with a small R*. Any γ and B₀ describe the same
model; with good ones r² = y'y − … does not cancel when groups lie far apart.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ...covariance import Covariance, Invariance
from ...errors import NumericalError
from ...support.arrays import FloatArray, LinearMap
from ..exact_fit import resolution
from ..linalg.stable_columns import (
    constant_columns,
    least_squares,
    root_mean_squares,
    subtract_shift,
    triangular_root,
)
from ..rows import FactorRows, MatrixRows, ModelRows, RandomRows
from .pilot import random_pilot

ILL_CONDITIONED = 1e-9
"""Below this ratio of diagonal entries of R a basis is only rescaled, not orthogonalised."""

LARGEST_SQUARABLE = 1e145
"""Numbers above this, or below its inverse, cannot be squared and summed."""

LEAST_WITHIN_SHARE = 1e-2
"""A column of which the pilot leaves less than this share has no information on slopes within
groups."""

LEAST_UNIT_SHARE = 1e-12
"""Pilot residuals below this share of the response may be rounding and are not used as its unit."""


@dataclass(frozen=True)
class AffineMap:
    """``M ↦ (M − 1c')T``, which equals ``M @ linear`` where column `constant` is all ones."""

    center: FloatArray
    matrix: FloatArray
    constant: int | None

    def __call__(self, columns: FloatArray) -> FloatArray:
        """Map rows of columns."""
        if self.constant is not None and self.center.any():
            columns = columns - self.center
        if self.matrix.shape == (1, 1):  # BLAS would share a product with a number among threads
            return np.asarray(columns * self.matrix[0])
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
    gamma : ndarray (p,)
        Pilot coefficients γ of X̃.
    y_scale : float
        s.
    shift : float
        Subtracted from the response before anything else, see
        :func:`~lmforms.engine.linalg.stable_columns.subtract_shift`.
    shift_beta : ndarray (p,)
        What the shift adds to the coefficients of X.
    resolution : float
        Residuals, whitened and in the user's units, that are rounding.
    bases : tuple of AffineMap
        For the basis of each grouping factor.
    b_pilot : tuple of ndarray (q, k, p + 1)
        B₀, pilot random effects of every column of [X̃ ỹ].
    """

    x: AffineMap
    gamma: FloatArray
    y_scale: float
    shift: float
    shift_beta: FloatArray
    resolution: float
    bases: tuple[AffineMap, ...]
    b_pilot: tuple[FloatArray, ...]

    def whitened(self, rows: ModelRows) -> tuple[FloatArray, list[FloatArray]]:
        """R^(−1/2)[X̃ ỹ] and R^(−1/2)W̃ of each factor, before the pilot B₀ is subtracted."""
        bases = [
            rows.residual.whiten(scale(f.basis))
            for f, scale in zip(rows.level_factors, self.bases, strict=True)
        ]
        return self.whitened_right(rows), bases

    def whitened_right(self, rows: ModelRows) -> FloatArray:
        """R^(−1/2)[X̃ ỹ], (n, p + 1)."""
        X = self.x(rows.X)
        y = (rows.y - self.shift - X @ self.gamma) / self.y_scale
        return np.asarray(rows.residual.whiten(np.column_stack([X, y])))

    def whitened_matrices(self, rows: ModelRows) -> list[Any]:
        """R^(−1/2)Z̃ of each factor as sparse matrices (n, q k), for any rows."""
        return [
            rows.residual.whiten(_in_units(f, scale))
            for f, scale in zip(rows.factors, self.bases, strict=True)
        ]

    def beta(self, beta: FloatArray) -> FloatArray:
        """Fixed effects in the user's units."""
        return np.asarray(self.x.linear @ (self.gamma + self.y_scale * beta) + self.shift_beta)

    def criterion_shift(self, nu: int, reml: bool) -> float:
        """The criterion in the user's units less that in the engine's."""
        shift = 2.0 * nu * np.log(self.y_scale)
        return float(shift - 2.0 * self.x.log_determinant() if reml else shift)


def choose_units(rows: ModelRows, covariances: tuple[Covariance, ...]) -> Scaling:
    """Units in which X and the bases are orthonormal and the response is of size one.

    Parameters
    ----------
    rows : ModelRows
    covariances : tuple of Covariance
        Structure of each grouping factor; it determines how its basis may be transformed.

    Returns
    -------
    Scaling
        With pilot effects of zero.

    Raises
    ------
    NumericalError
        Squares of the numbers are beyond floating point.
    """
    root = rows.residual.whiten
    _check_magnitudes(rows)
    x = _orthonormal(rows.X, root)
    X = x(rows.X)
    shift, w = subtract_shift(rows.y, rows.X)
    y = rows.y - shift
    gamma = least_squares(root(X), root(y))
    size = _rms(root(y))
    scale = _rms(root(y - X @ gamma))
    if not scale > LEAST_UNIT_SHARE * size:
        scale = size if size > 0 else 1.0
    least = resolution(max(rows.size, np.abs(rows.y).max(initial=0.0)), root(np.ones(rows.n)))
    bases = tuple(_basis_map(f, c, root) for f, c in zip(rows.factors, covariances, strict=True))
    pilot = tuple(np.zeros((f.n_levels, f.k, X.shape[1] + 1)) for f in rows.factors)
    return Scaling(x, gamma, scale, float(shift), shift * w, float(least), bases, pilot)


def with_pilot(rows: ModelRows, units: Scaling) -> Scaling:
    """The same units with pilot effects from the rows (see :mod:`lmforms.engine.sums.pilot`)."""
    right, whitened = units.whitened(rows)
    pilot, left = random_pilot(rows.level_factors, whitened, right)
    # γ is fitted between groups as well; the pilot's remainder of X may give a better fit
    delta = _within_slopes(left, right)
    if not delta.any():
        return replace(units, b_pilot=pilot)
    left[:, -1] -= left[:, :-1] @ delta
    again, left[:, -1:] = random_pilot(rows.level_factors, whitened, left[:, -1:])
    for effects, more in zip(pilot, again, strict=True):
        effects[..., -1] += more[..., 0] - effects[..., :-1] @ delta
    return replace(units, gamma=units.gamma + units.y_scale * delta, b_pilot=pilot)


def _check_magnitudes(rows: ModelRows) -> None:
    """Refuse numbers whose squares are beyond floating point."""
    parts = [("response", rows.y[:, None]), ("predictors", rows.X)]
    parts += [
        ("random effects' predictors", f.basis if isinstance(f, FactorRows) else f.Z.data[:, None])
        for f in rows.factors
    ]
    for what, values in parts:
        size = root_mean_squares(values)
        if (size > LARGEST_SQUARABLE).any() or (
            (size > 0) & (size < 1.0 / LARGEST_SQUARABLE)
        ).any():
            raise NumericalError(
                f"the sizes of the {what} are between {size[size > 0].min():.3g} and "
                f"{size.max():.3g}: squares are beyond floating point. Choose other units."
            )


def _within_slopes(left: FloatArray, right: FloatArray) -> FloatArray:
    """Regression of the last column on the others, in the pilot's remainders of them."""
    before, after = _sizes(right[:, :-1]), root_mean_squares(left[:, :-1])
    used = np.flatnonzero(after > LEAST_WITHIN_SHARE * before)
    delta = np.zeros(left.shape[1] - 1)
    delta[used] = least_squares(left[:, used], left[:, -1], LEAST_WITHIN_SHARE)
    return delta


def _rms(values: FloatArray) -> float:
    """Root mean square of a vector."""
    return float(root_mean_squares(values[:, None])[0])


def _in_units(factor: RandomRows, scale: AffineMap) -> Any:
    """Z̃, sparse (n, q k)."""
    if isinstance(factor, FactorRows):
        return factor.matrix(scale(factor.basis))
    import scipy.sparse as sp

    return factor.Z @ sp.kron(sp.identity(factor.n_levels), sp.csr_matrix(scale.matrix))


def _basis_map(factor: RandomRows, covariance: Covariance, root: LinearMap) -> AffineMap:
    """The map to a basis of unit mean squares, as far as the structure allows it."""
    basis = factor.basis if isinstance(factor, FactorRows) else _mean_basis(factor)
    maps = [(c, _standardising(basis[:, c], kind, root)) for c, kind in covariance.invariances()]
    if len(maps) == 1:
        return maps[0][1]
    matrix = np.eye(basis.shape[1])
    for c, block in maps:
        matrix[c, c] = block.linear
    return AffineMap(np.zeros(len(matrix)), matrix, None)


def _mean_basis(factor: MatrixRows) -> FloatArray:
    """Rows (n, k) with the sums of squares and products of all entries of Z."""
    k, n = factor.k, factor.Z.shape[0]
    columns = [factor.Z[:, a::k] for a in range(k)]
    gram = np.array([[float(a.multiply(b).sum()) for b in columns] for a in columns])
    values, vectors = np.linalg.eigh(gram)
    basis = np.zeros((n, k))
    half = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    basis[: min(n, k)] = half[: min(n, k)]
    return basis


def _standardising(columns: FloatArray, invariance: Invariance, root: LinearMap) -> AffineMap:
    if invariance == "linear":
        return _orthonormal(columns, root)
    k = columns.shape[1]
    matrix = np.diag(1.0 / _sizes(root(columns))) if invariance == "scale" else np.eye(k)
    return AffineMap(np.zeros(k), matrix, None)


def _sizes(columns: FloatArray) -> FloatArray:
    """Root mean square of each column, 1 for a column of zeros."""
    rms = root_mean_squares(columns)
    return np.where(rms > 0, rms, 1.0)


def _orthonormal(columns: FloatArray, root: LinearMap) -> AffineMap:
    """The map to columns with unit mean squares and no correlation once whitened."""
    n, p = columns.shape
    center = np.zeros(p)
    if p == 0:
        return AffineMap(center, np.eye(0), None)
    flat = np.flatnonzero(constant_columns(columns))
    constant = next((int(j) for j in flat if columns[0, j] == 1.0), None)
    if constant is not None:
        center = columns.mean(axis=0)
        center[flat] = 0.0
        columns = columns - center
    columns = root(columns)
    sizes = _sizes(columns)
    r = triangular_root(columns / sizes)  # the same units whatever the order of the rows
    d = np.diag(r)
    matrix = np.diag(1.0 / sizes)
    if len(d) == p and d.min() > ILL_CONDITIONED * d.max():
        matrix = matrix @ np.linalg.inv(r) * np.sqrt(n)
    return AffineMap(center, matrix, constant)
