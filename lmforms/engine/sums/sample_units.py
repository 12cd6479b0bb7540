"""Units for a stream of rows, from the first of them (see :mod:`lmforms.engine.sums.units`)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...covariance import Covariance
from ...support.arrays import FloatArray, IndexArray
from ..linalg.stable_columns import (
    INDEPENDENT_SHARE,
    least_squares,
    means,
    subtract_shift,
    triangular_root,
)
from ..rows import ModelRows
from .column_maps import column_sizes
from .units import AffineMap, Pilot, Scaling, Units

LEAST_SPREAD = 2.0**-20
"""Share of a constant response that its values are taken to lie apart."""


def sample_scaling(
    rows: ModelRows,
    covariances: Sequence[Covariance],
    constant: int | None,
    constants: Sequence[int | None],
) -> Scaling:
    """Units of size one for rows like these, which leave the columns of X apart.

    Parameters
    ----------
    rows : ModelRows
        Some of the rows. Columns may be zero or dependent in them.
    covariances : sequence of Covariance
        Structure of each grouping factor; it determines how its basis may be transformed.
    constant : int or None
        Column of X that is one in all rows of the stream.
    constants : sequence of int or None
        The same of each basis.

    Returns
    -------
    Scaling
        Without pilot effects, whatever the number of levels.
    """
    whiten = rows.residual.whiten
    x = _scaled(rows.X, constant, whiten)
    shift, w = 0.0, np.zeros(rows.X.shape[1])
    if constant is not None:
        shift = _round_shift(rows.y)
        w[constant] = 1.0
    gamma, X, y = np.zeros(len(w)), whiten(x(rows.X)), whiten(rows.y - shift)
    own = _clearly_independent(X)
    gamma[own] = least_squares(X[:, own], y)
    left = column_sizes((y - X @ gamma)[:, None])[0]
    each = zip(rows.level_factors, covariances, constants, strict=True)
    bases = tuple(_basis_map(f.basis, c, one, whiten) for f, c, one in each)
    pilot = Pilot(gamma, float(left), (), float(shift), shift * w, 0.0)
    return Scaling(Units(x, bases), pilot)


def _clearly_independent(X: FloatArray) -> IndexArray:
    """Columns of which a good share lies outside the span of earlier ones.

    A coefficient of others may be so large that what it takes from the response loses all digits.
    """
    root = triangular_root(X)
    pivots = np.zeros(X.shape[1])
    pivots[: len(root)] = np.abs(np.diagonal(root))
    return np.flatnonzero(pivots > INDEPENDENT_SHARE * np.linalg.norm(X, axis=0))


def _round_shift(y: FloatArray) -> float:
    """What :func:`.subtract_shift` takes, rounded so that it is the value of no row.

    The sums say it, and the differences stay exact.
    """
    shift = float(subtract_shift(y, np.ones((len(y), 1)))[0])
    spread = float(np.ptp(y)) or abs(shift) * LEAST_SPREAD
    if not spread or not shift:
        return 0.0
    unit = 2.0 ** np.floor(np.log2(spread))
    return float(np.round(shift / unit) * unit)


def _scaled(columns: FloatArray, constant: int | None, whiten: object) -> AffineMap:
    """Each column centred, if one is constant, and of unit mean square."""
    center = np.zeros(columns.shape[1])
    if constant is not None:
        center = means(columns)
        center[constant] = 0.0
    sizes = column_sizes(whiten(columns - center))  # type: ignore[operator]
    return AffineMap(center, np.diag(1.0 / sizes), constant)


def _basis_map(
    basis: FloatArray, covariance: Covariance, constant: int | None, whiten: object
) -> AffineMap:
    """The same as far as the structure allows it."""
    parts = covariance.invariances()
    if len(parts) == 1 and parts[0][1] == "linear":
        return _scaled(basis, constant, whiten)
    sizes = column_sizes(whiten(basis))  # type: ignore[operator]
    matrix = np.eye(len(sizes))
    for columns, kind in parts:
        own = sizes[columns]
        if kind == "common":
            own = np.full(len(own), np.sqrt(np.mean(own**2)))
        if kind != "none":
            matrix[columns, columns] = np.diag(1.0 / own)
    return AffineMap(np.zeros(len(matrix)), matrix, None)
