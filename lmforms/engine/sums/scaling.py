"""Units that suit given rows, and pilot effects (see :mod:`lmforms.engine.sums.units`)."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...covariance import Covariance
from ...support.arrays import FloatArray
from ..exact_fit import resolution
from ..linalg.stable_columns import (
    SAFE_MEAN_SQUARES,
    least_squares,
    root_mean_squares,
    shift_between,
    solved_moments,
)
from ..rows import ModelRows
from .column_maps import basis_map, column_sizes, fixed_map, refuse_extreme
from .pilot import random_pilot
from .row_passes import RowPasses
from .unit_rows import UnitBases, UnitRows
from .units import Pilot, Scaling, Units

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
    return _chosen(rows, covariances, RowPasses(rows.residual))[0]


def rows_in_chosen_units(rows: ModelRows, covariances: tuple[Covariance, ...]) -> UnitRows:
    """The rows in the units of :func:`choose_units`."""
    passes = RowPasses(rows.residual)
    scaling, right = _chosen(rows, covariances, passes)
    random = UnitBases(rows.level_factors, scaling.units.bases, passes)
    return UnitRows(rows, scaling, random, right, has_effects=False)


def _chosen(
    rows: ModelRows, covariances: tuple[Covariance, ...], passes: RowPasses
) -> tuple[Scaling, FloatArray]:
    """Units, and [X̃ ỹ] in them, whitened."""
    X, y = rows.X, rows.y
    size, low, high = passes.response_facts(y)
    refuse_extreme("response", np.array([size]))
    x = fixed_map(X, passes)
    shift, w = shift_between(low, high, y[0], X)
    right = passes.right(X, y, x, float(shift))
    gamma, y_scale = _subtract_fixed(right, passes)
    right[:, -1] /= y_scale
    factors = rows.factors
    bases = tuple(basis_map(f, c, X, x, passes) for f, c in zip(factors, covariances, strict=True))
    effects = tuple(np.zeros((f.n_levels, f.k, X.shape[1] + 1)) for f in factors)
    least = float(resolution(max(rows.size, -low, high))) * passes.weight_size(rows.n)
    pilot = Pilot(gamma, y_scale, effects, float(shift), shift * w, least)
    return Scaling(Units(x, bases), pilot), right


def _subtract_fixed(right: FloatArray, passes: RowPasses) -> tuple[FloatArray, float]:
    """γ and s of [X̃ y], whitened, and X̃γ taken from y."""
    n, p = len(right), right.shape[1] - 1
    moments = passes.moments(right)
    gamma = solved_moments(moments[:p, :p], moments[:p, p]) if np.isfinite(moments[p, p]) else None
    if gamma is None:
        gamma = least_squares(right[:, :p], right[:, p])
    size = _root_mean_square(float(moments[p, p]) / n, right[:, p])
    left = passes.less_fitted(right, gamma)
    scale = _root_mean_square(left / n, right[:, p])
    if not scale > LEAST_UNIT_SHARE * size:
        scale = size if size > 0 else 1.0
    return gamma, scale


def _root_mean_square(square: float, values: FloatArray) -> float:
    """Of values (n,), from their mean square if that is in range."""
    if SAFE_MEAN_SQUARES[0] < square < SAFE_MEAN_SQUARES[1]:
        return float(np.sqrt(square))
    return float(root_mean_squares(values[:, None])[0])


def with_pilot(rows: ModelRows, scaling: Scaling) -> Scaling:
    """The same units with pilot effects from the rows (see :mod:`lmforms.engine.sums.pilot`)."""
    return rows_with_pilot(UnitRows.of(rows, scaling)).scaling


def rows_with_pilot(unit: UnitRows) -> UnitRows:
    """The rows in the same units with pilot effects."""
    scaling, passes, right = unit.scaling, unit.passes, unit.before_pilot
    effects, left = random_pilot(unit.random, right)
    pilot = replace(scaling.pilot, effects=effects)
    # γ is fitted between groups as well; the pilot's remainder of X may give a better fit
    delta = _within_slopes(left, right, passes)
    if delta.any():
        passes.less_fitted(left, delta)
        again, left = random_pilot(unit.random, left[:, -1:])
        for own, more in zip(effects, again, strict=True):
            own[..., -1] += more[..., 0] - own[..., :-1] @ delta
        pilot = replace(pilot, gamma=pilot.gamma + pilot.y_scale * delta)
        right = right.copy(order="K")
        passes.less_fitted(right, delta)
    scaling = replace(scaling, pilot=pilot)
    return replace(unit, scaling=scaling, before_pilot=right, has_effects=True)


def _within_slopes(left: FloatArray, right: FloatArray, passes: RowPasses) -> FloatArray:
    """Regression of the last column on the others, in the pilot's remainders of them."""
    before, after = column_sizes(right[:, :-1]), root_mean_squares(left[:, :-1])
    used = np.flatnonzero(after > LEAST_WITHIN_SHARE * before)
    delta = np.zeros(left.shape[1] - 1)
    delta[used] = least_squares(left[:, used], left[:, -1], LEAST_WITHIN_SHARE)
    return delta
