"""The engine's own units: maps to orthonormal X and bases, the response's pilot, and the way back.

A slope variable times 1e6, or shifted by 1e4, describes the same model. The engine works
in units in which all such descriptions are equal, and results are transformed back:

    X̃ = (X − 1c')T      β = A β̃,  A the matrix with X̃ = XA
    W̃ = W T_b           b = T_b b̃  (unstructured terms; diagonal ones are only rescaled)
    ỹ = (y − c − X̃γ)/s  c a value of y, γ a pilot least-squares fit, s its residual size

Sums of squares are those of the remainder after two pilot fits: γ, and random effects B₀ of
every column of R = [X̃ ỹ], so that R = R* + ZB₀ with a small R*. Any γ and B₀ describe the same
model; with good ones r² = y'y − … does not cancel when groups lie far apart.

`Units` belong to X and Z and may be shared by many responses; a `Pilot` belongs to one response.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ...support.arrays import FloatArray, as_dense
from ..linalg.stable_columns import FEW_COLUMNS, by_column
from ..rows import FactorRows, ModelRows, RandomRows


@dataclass(frozen=True)
class AffineMap:
    """``M ↦ (M − 1c')T``, which equals ``M @ linear`` where column `constant` is all ones."""

    center: FloatArray
    matrix: FloatArray
    constant: int | None

    def __call__(self, columns: FloatArray) -> FloatArray:
        """Map rows of columns; few columns of the result have Fortran order."""
        if self.constant is not None and self.center.any():
            columns = by_column(np.subtract, columns, self.center)
        if self.matrix.shape == (1, 1):  # BLAS would share a product with a number among threads
            return np.asarray(columns * self.matrix[0])
        if len(self.matrix) > FEW_COLUMNS:
            return np.asarray(columns @ self.matrix)
        return np.asarray((self.matrix.T @ columns.T).T)

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


@dataclass(frozen=True, eq=False)
class Units:
    """Units of the columns of X and of the bases of the random effects.

    Attributes
    ----------
    x : AffineMap
        For the columns of X.
    bases : tuple of AffineMap
        For the basis of each grouping factor.
    roots : tuple of (ndarray or sparse (q, r)) or None
        L of each grouping factor whose sums are those of ZL; empty if there are none.
    """

    x: AffineMap
    bases: tuple[AffineMap, ...]
    roots: tuple[Any, ...] = ()

    @cached_property
    def digest(self) -> str:
        """Equal for equal numbers, also after pickling."""
        maps = (self.x, *self.bases)
        constants = [-1 if m.constant is None else m.constant for m in maps]
        parts = [part for m in maps for part in (m.center, m.matrix)]
        roots = [np.empty(0) if L is None else as_dense(L) for L in self.roots]
        return _digest([constants, *parts, *roots])


@dataclass(frozen=True, eq=False)
class Pilot:
    """What is subtracted from a response, its unit, and the pilot random effects.

    Attributes
    ----------
    gamma : ndarray (p,)
        Pilot coefficients γ of X̃.
    y_scale : float
        s.
    effects : tuple of ndarray (q, k, p + 1)
        B₀, pilot random effects of every column of [X̃ ỹ].
    shift : float
        Subtracted from the response before anything else, see
        :func:`~lmforms.engine.linalg.stable_columns.subtract_shift`.
    shift_beta : ndarray (p,)
        What the shift adds to the coefficients of X.
    resolution : float
        Residuals, whitened and in the user's units, that are rounding.
    """

    gamma: FloatArray
    y_scale: float
    effects: tuple[FloatArray, ...]
    shift: float
    shift_beta: FloatArray
    resolution: float

    @cached_property
    def has_effects(self) -> tuple[bool, ...]:
        """Whether there are pilot effects of each grouping factor other than zero."""
        return tuple(bool(b.any()) for b in self.effects)

    @cached_property
    def digest(self) -> str:
        """Equal for equal numbers, also after pickling."""
        numbers = [self.y_scale, self.shift, self.resolution]
        return _digest([numbers, self.gamma, self.shift_beta, *self.effects])


@dataclass(frozen=True, eq=False)
class Scaling:
    """The change of units between a user's model and the engine's.

    Attributes
    ----------
    units : Units
    pilot : Pilot
    """

    units: Units
    pilot: Pilot

    def is_same(self, other: Scaling) -> bool:
        """Whether sums in both units may be added: all numbers are equal."""
        if self is other:
            return True
        same_units = self.units is other.units or self.units.digest == other.units.digest
        return same_units and self.pilot.digest == other.pilot.digest

    def whitened(self, rows: ModelRows) -> tuple[FloatArray, list[FloatArray]]:
        """R^(−1/2)[X̃ ỹ] and R^(−1/2)W̃ of each factor, before the pilot B₀ is subtracted."""
        bases = [
            rows.residual.whiten(scale(f.basis))
            for f, scale in zip(rows.level_factors, self.units.bases, strict=True)
        ]
        return self.whitened_right(rows), bases

    def whitened_right(self, rows: ModelRows) -> FloatArray:
        """R^(−1/2)[X̃ ỹ], (n, p + 1)."""
        return np.asarray(rows.residual.whiten(self.right(rows)))

    def right(self, rows: ModelRows) -> FloatArray:
        """[X̃ ỹ], (n, p + 1)."""
        X, pilot = self.units.x(rows.X), self.pilot
        y = (rows.y - pilot.shift - X @ pilot.gamma) / pilot.y_scale
        return np.column_stack([X, y])

    def whitened_matrices(self, rows: ModelRows) -> list[Any]:
        """R^(−1/2)Z̃ of each factor as sparse matrices (n, q k), for any rows."""
        return [
            rows.residual.whiten(_in_units(f, scale))
            for f, scale in zip(rows.factors, self.units.bases, strict=True)
        ]

    def projected(self, roots: Sequence[Any], effects: tuple[FloatArray, ...]) -> Scaling:
        """Of sums of ZL, with pilot effects of it."""
        units = replace(self.units, roots=tuple(roots))
        return Scaling(units, replace(self.pilot, effects=effects))

    def with_effects(self, effects: tuple[FloatArray, ...]) -> Scaling:
        """The same with other pilot effects."""
        return replace(self, pilot=replace(self.pilot, effects=effects))

    def beta(self, beta: FloatArray) -> FloatArray:
        """Fixed effects in the user's units."""
        pilot = self.pilot
        inner = pilot.gamma + pilot.y_scale * beta
        return np.asarray(self.units.x.linear @ inner + pilot.shift_beta)

    def criterion_shift(self, nu: int, reml: bool) -> float:
        """The criterion in the user's units less that in the engine's."""
        shift = 2.0 * nu * np.log(self.pilot.y_scale)
        return float(shift - 2.0 * self.units.x.log_determinant() if reml else shift)


def _in_units(factor: RandomRows, scale: AffineMap) -> Any:
    """Z̃, sparse (n, q k)."""
    if isinstance(factor, FactorRows):
        return factor.matrix(scale(factor.basis))
    import scipy.sparse as sp

    return factor.Z @ sp.kron(sp.identity(factor.n_levels), sp.csr_matrix(scale.matrix))


def _digest(arrays: Iterable[npt.ArrayLike]) -> str:
    """Hash of shapes and numbers."""
    found = hashlib.sha256()
    for values in arrays:
        array = np.ascontiguousarray(values, dtype="<f8")
        found.update(repr(array.shape).encode())
        found.update(array.tobytes())
    return found.hexdigest()
