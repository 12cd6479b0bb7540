"""Units that suit given rows (see :mod:`lmforms.engine.sums.units`)."""

from __future__ import annotations

import numpy as np

from ...covariance import Covariance
from ...support.arrays import FloatArray
from ..exact_fit import resolution
from ..linalg.stable_columns import (
    SAFE_MEAN_SQUARES,
    SHIFTED_SPREAD,
    least_squares,
    orthonormalising,
    root_mean_squares,
    subtract_shift,
)
from ..rows import ModelRows
from .column_facts import FIXED, column_facts, response_range
from .column_maps import basis_map, orthonormal_by_rows
from .row_passes import RowPasses
from .units import AffineMap, Pilot, Scaling, Units

LEAST_UNIT_SHARE = 1e-12
"""Pilot residuals below this share of the response may be rounding and are not used as its unit."""

LEAST_UNEXPLAINED = 1e-8
"""If X leaves less than this share of y'R⁻¹y, its fit is computed from the rows: as a difference of
sums it would lose half of its digits."""


def choose_units(
    rows: ModelRows, covariances: tuple[Covariance, ...], passes: RowPasses | None = None
) -> Scaling:
    """Units in which X and the bases are orthonormal and the response is of size one.

    Parameters
    ----------
    rows : ModelRows
    covariances : tuple of Covariance
        Structure of each grouping factor; it determines how its basis may be transformed.
    passes : RowPasses, optional
        How these rows are passed over.

    Returns
    -------
    Scaling
        With pilot effects of zero.

    Raises
    ------
    NumericalError
        Squares of the numbers are beyond floating point.
    """
    X, y = rows.X, rows.y
    passes = passes or RowPasses.over(rows)
    low, high = response_range(y, passes.kernels)
    facts = column_facts(FIXED, X, passes.kernels)
    shift, w = 0.0, np.zeros(X.shape[1])
    if high - low < SHIFTED_SPREAD * max(-low, high):
        shift, w = subtract_shift(y, X)
    moments = passes.moments(X, facts.center, y, shift)
    matrix = orthonormalising(moments[:-1, :-1], passes.n)
    fit = None if matrix is None else _fit_by_moments(moments, matrix, passes.n)
    if matrix is None:
        matrix = orthonormal_by_rows(X, facts.center, rows.residual.whiten)
    x = AffineMap(facts.center, matrix, facts.constant)
    gamma, y_scale = fit or _fit_by_rows(rows, x, shift)
    each = zip(rows.factors, covariances, strict=True)
    bases = [basis_map(f, c, X, x, passes) for f, c in each]
    effects = [np.zeros((f.n_levels, f.k, X.shape[1] + 1)) for f in rows.factors]
    least = float(resolution(max(rows.size, -low, high))) * passes.weight_size()
    pilot = Pilot(gamma, y_scale, tuple(effects), float(shift), shift * w, least)
    return Scaling(Units(x, tuple(bases)), pilot)


def _fit_by_moments(
    moments: FloatArray, matrix: FloatArray, n: int
) -> tuple[FloatArray, float] | None:
    """γ and s from moments of [X y], if X leaves enough of y."""
    gamma = matrix.T @ moments[:-1, -1] / n
    whole = float(moments[-1, -1])
    left = whole - n * float(gamma @ gamma)
    if not (left > LEAST_UNEXPLAINED * whole and SAFE_MEAN_SQUARES[0] < left < whole):
        return None
    return gamma, float(np.sqrt(left / n))


def _fit_by_rows(rows: ModelRows, x: AffineMap, shift: float) -> tuple[FloatArray, float]:
    """γ and s from the rows."""
    whiten = rows.residual.whiten
    X, y = whiten(x(rows.X)), whiten(rows.y - shift)
    gamma = least_squares(X, y)
    size, scale = _root_mean_square(y), _root_mean_square(y - X @ gamma)
    if not scale > LEAST_UNIT_SHARE * size:
        scale = size if size > 0 else 1.0
    return gamma, scale


def _root_mean_square(values: FloatArray) -> float:
    return float(root_mean_squares(values[:, None])[0])
