"""Autoregressive covariances of levels on a line or a grid, by their sparse inverse."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np

from ..errors import ArgumentError, RelationshipError
from ..support.arguments import named_arguments, short_repr
from ..support.arrays import FloatArray
from . import check
from .kronecker import kronecker_product
from .labels import Labels, checked_labels, listed_values, named
from .matrix import Relationship
from .representations import DenseMatrix, Precision, Representation
from .spatial import checked_places


@named_arguments
def ar1(coords: Any, rho: Any, *, labels: Any = None) -> Relationship:
    r"""K_ij = ρ^\|c_i − c_j\|; in several dimensions the product of such correlations.

    Parameters
    ----------
    coords : sequence of q numbers, or DataFrame or ndarray (q, d)
        Whole numbers: times, or rows and columns of a field. Numbers that are left out are gaps.
    rho : float, or sequence of d floats
        Correlation of neighbours, between −1 and 1; one for each dimension, or one for all.
    labels : sequence of q values, optional
        By default the coordinates themselves: numbers, or tuples for several dimensions, which are
        the levels of ``(1 | time)`` and of ``(1 | row:column)``. Levels with labels of their own
        may share coordinates.

    Returns
    -------
    Relationship
        A sparse precision, if the coordinates are a line or a complete grid.

    Raises
    ------
    ArgumentError
        ρ is not between −1 and 1, or there are not d of them.
    RelationshipError
        Coordinates are no whole numbers, or are there twice without labels that differ.

    References
    ----------
    Cullis, Gleeson (1991), *Spatial Analysis of Field Experiments*, Biometrics 47(4), section 3.

    Examples
    --------
    >>> ar1([1, 2, 4], 0.5).dense()
    array([[1.   , 0.5  , 0.125],
           [0.5  , 1.   , 0.25 ],
           [0.125, 0.25 , 1.   ]])
    >>> field = [(row, column) for row in range(8) for column in range(6)]
    >>> K = ar1(field, (0.2, 0.3))
    >>> K
    Relationship(48 labels, sparse precision)
    >>> K.labels[7]
    (1, 1)
    """
    raw = coords.to_numpy() if hasattr(coords, "to_numpy") else coords
    points = _checked_points(raw, labels)
    each = _checked_rho(rho, points.shape[1])
    whole = points.astype(np.int64)
    if labels is None:
        own = [tuple(row) if len(row) > 1 else row[0] for row in whole.tolist()]
        names = checked_labels(own, "Coordinates")
    else:
        names = checked_labels(labels)
    return _on_grid(whole, each, names) or Relationship(names, DenseMatrix(_dense(points, each)))


def _checked_points(raw: Any, labels: Any) -> FloatArray:
    is_table = isinstance(raw, np.ndarray) and raw.ndim > 1
    values = raw if is_table else listed_values("coords", raw)
    numbers = list(range(len(values))) if labels is None else listed_values("labels", labels)
    points = checked_places(values, tuple(numbers))
    broken = np.flatnonzero((points != np.round(points)).any(axis=1))
    if len(broken):
        where = named([numbers[i] for i in broken])
        raise RelationshipError(
            f"Coordinates must be whole numbers; they are not at {where}."
            " For others, `exponential(coords, range_, metric='l1')` with range = −1/ln ρ has the "
            "correlations of a positive ρ."
        )
    if np.abs(points).max(initial=0.0) > 2.0**53:
        raise RelationshipError("Coordinates above 2⁵³ are not exact: subtract a number.")
    return points


def _checked_rho(rho: Any, d: int) -> FloatArray:
    try:
        values = np.atleast_1d(np.asarray(rho, dtype=np.float64))
    except (TypeError, ValueError):
        values = np.array([np.nan])
    if values.ndim != 1 or not (np.abs(values) < 1).all():
        raise ArgumentError(f"rho={short_repr(rho)}: correlations between −1 and 1 are needed.")
    if len(values) not in (1, d):
        raise ArgumentError(
            f"rho has {len(values)} correlations, but coordinates have {d} dimensions: give one "
            "for each, or one for all."
        )
    return np.broadcast_to(values, d)


def _dense(points: FloatArray, rho: FloatArray) -> FloatArray:
    K = np.ones((len(points), len(points)))
    for x, r in zip(points.T, rho, strict=True):
        K *= r ** np.abs(x[:, None] - x)
    return K


def _on_grid(points: Any, rho: FloatArray, names: Labels) -> Relationship | None:
    """By the precision of each dimension, if each point of a grid is there once."""
    lines = [np.unique(x) for x in points.T]
    if not len(points) or np.prod([float(len(line)) for line in lines]) != len(points):
        return None
    if len(np.unique(points, axis=0)) != len(points):
        return None
    forms: list[Representation] = [_chain(line, r) for line, r in zip(lines, rho, strict=True)]
    form = reduce(kronecker_product, forms)
    if not isinstance(form, Precision) or not check.is_well_conditioned(form):
        return None
    place = np.zeros(len(points), dtype=np.intp)
    for x, line in zip(points.T, lines, strict=True):
        place = place * len(line) + np.searchsorted(line, x)
    return Relationship(names, form.arranged(place))


def _chain(times: Any, rho: float) -> Precision:
    """The precision of AR(1) at increasing times, from its innovations: Q = W'W."""
    import scipy.sparse as sp

    gaps = np.diff(times)
    back = rho**gaps
    left = -np.expm1(2 * gaps * np.log(abs(rho))) if rho else np.ones(len(gaps))  # 1 − ρ^2g
    scale = 1.0 / np.sqrt(np.concatenate([[1.0], left]))
    W = sp.diags([scale, -back * scale[1:]], [0, -1], shape=(len(times),) * 2, format="csr")
    return Precision((W.T @ W).tocsc(), W, np.arange(len(times)))
