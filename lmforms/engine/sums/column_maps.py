"""Maps of the columns of X and of the bases of random effects to units that suit the rows."""

from __future__ import annotations

import numpy as np

from ...covariance import Covariance, Invariance
from ...support.arrays import FloatArray, LinearMap
from ..linalg.stable_columns import (
    by_column,
    orthonormalising,
    root_mean_squares,
    triangular_root,
)
from ..rows import FactorRows, MatrixRows, RandomRows
from .column_facts import RANDOM, column_facts, refuse_extreme
from .row_passes import RowPasses
from .units import AffineMap

ILL_CONDITIONED = 1e-9
"""Below this ratio of diagonal entries of R a basis is only rescaled, not orthogonalised."""


def basis_map(
    factor: RandomRows, covariance: Covariance, X: FloatArray, x: AffineMap, passes: RowPasses
) -> AffineMap:
    """The map to a basis of unit mean squares, as far as the structure allows it.

    `x` is the map of X.
    """
    basis = factor.basis if isinstance(factor, FactorRows) else _mean_basis(factor)
    parts = covariance.invariances()
    is_linear = len(parts) == 1 and parts[0][1] == "linear"
    if is_linear and basis.shape == X.shape and not (basis != X).any():
        return x
    maps = [(c, _standardising(basis[:, c], kind, passes)) for c, kind in parts]
    if len(maps) == 1:
        return maps[0][1]
    matrix = np.eye(basis.shape[1])
    for c, block in maps:
        matrix[c, c] = block.linear
    return AffineMap(np.zeros(len(matrix)), matrix, None)


def _mean_basis(factor: MatrixRows) -> FloatArray:
    """Rows (n, k) with the sums of squares and products of all entries of Z."""
    k, n = factor.k, factor.Z.shape[0]
    refuse_extreme(RANDOM, root_mean_squares(factor.Z.data[:, None]).tolist())
    columns = [factor.Z[:, a::k] for a in range(k)]
    gram = np.array([[float(a.multiply(b).sum()) for b in columns] for a in columns])
    values, vectors = np.linalg.eigh(gram)
    basis = np.zeros((n, k))
    half = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    basis[: min(n, k)] = half[: min(n, k)]
    return basis


def _standardising(columns: FloatArray, invariance: Invariance, passes: RowPasses) -> AffineMap:
    if invariance == "linear":
        return _orthonormal(columns, passes)
    refuse_extreme(RANDOM, root_mean_squares(columns).tolist())
    k, matrix = columns.shape[1], np.eye(columns.shape[1])
    if invariance == "scale":
        matrix = np.diag(1.0 / column_sizes(passes.residual.whiten(columns)))
    elif invariance == "common":
        sizes = column_sizes(passes.residual.whiten(columns))
        matrix = matrix / np.sqrt(np.mean(sizes**2))
    return AffineMap(np.zeros(k), matrix, None)


def _orthonormal(columns: FloatArray, passes: RowPasses) -> AffineMap:
    """The map to columns with unit mean squares and no correlation once whitened."""
    if columns.shape[1] == 1 and (columns == 1.0).all():
        return AffineMap(np.zeros(1), np.array([[1.0 / passes.weight_size()]]), 0)
    facts = column_facts(RANDOM, columns, passes.kernels)
    matrix = orthonormalising(passes.moments(columns, facts.center), len(columns))
    if matrix is None:
        matrix = orthonormal_by_rows(columns, facts.center, passes.residual.whiten)
    return AffineMap(facts.center, matrix, facts.constant)


def orthonormal_by_rows(columns: FloatArray, center: FloatArray, whiten: LinearMap) -> FloatArray:
    """T of whitened columns (n, p) less their centre with unit mean squares, uncorrelated.

    Diagonal where the columns are nearly dependent.
    """
    n, p = columns.shape
    columns = whiten(by_column(np.subtract, columns, center))
    sizes = column_sizes(columns)
    r = triangular_root(by_column(np.divide, columns, sizes))
    d = np.diag(r)
    matrix = np.diag(1.0 / sizes)
    if len(d) == p and d.min() > ILL_CONDITIONED * d.max():
        matrix = matrix @ np.linalg.inv(r) * np.sqrt(n)
    return matrix


def column_sizes(columns: FloatArray) -> FloatArray:
    """Root mean square of each column, 1 for a column of zeros."""
    rms = root_mean_squares(columns)
    return np.where(rms > 0, rms, 1.0)
