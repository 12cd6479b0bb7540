"""Units that suit given rows, and pilot effects (see :mod:`lmforms.engine.sums.units`)."""

from __future__ import annotations

from dataclasses import replace

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
from .units import AffineMap, Pilot, Scaling, Units

ILL_CONDITIONED = 1e-9
"""Below this ratio of diagonal entries of R a basis is only rescaled, not orthogonalised."""

LARGEST_SQUARABLE = 1e145
"""Numbers above this, or below its inverse, cannot be squared and summed."""

LEAST_WITHIN_SHARE = 1e-2
"""A column of which the pilot leaves less than this share has no information on slopes within
groups."""

LEAST_UNIT_SHARE = 1e-12
"""Pilot residuals below this share of the response may be rounding and are not used as its unit."""


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
    effects = tuple(np.zeros((f.n_levels, f.k, X.shape[1] + 1)) for f in rows.factors)
    pilot = Pilot(gamma, scale, effects, float(shift), shift * w, float(least))
    return Scaling(Units(x, bases), pilot)


def with_pilot(rows: ModelRows, scaling: Scaling) -> Scaling:
    """The same units with pilot effects from the rows (see :mod:`lmforms.engine.sums.pilot`)."""
    right, whitened = scaling.whitened(rows)
    effects, left = random_pilot(rows.level_factors, whitened, right)
    pilot = replace(scaling.pilot, effects=effects)
    # γ is fitted between groups as well; the pilot's remainder of X may give a better fit
    delta = _within_slopes(left, right)
    if delta.any():
        left[:, -1] -= left[:, :-1] @ delta
        again, left[:, -1:] = random_pilot(rows.level_factors, whitened, left[:, -1:])
        for own, more in zip(effects, again, strict=True):
            own[..., -1] += more[..., 0] - own[..., :-1] @ delta
        pilot = replace(pilot, gamma=pilot.gamma + pilot.y_scale * delta)
    return replace(scaling, pilot=pilot)


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
    k, matrix = columns.shape[1], np.eye(columns.shape[1])
    if invariance == "scale":
        matrix = np.diag(1.0 / _sizes(root(columns)))
    elif invariance == "common":
        sizes = _sizes(root(columns))
        matrix = matrix / np.sqrt(np.mean(sizes**2))
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
