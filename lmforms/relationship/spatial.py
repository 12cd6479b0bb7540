"""Covariances that decrease with distance, in the parametrisation of nlme's corSpatial classes."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import RelationshipError
from ..support.arguments import named_arguments, one_of, positive
from ..support.arrays import FloatArray
from . import check
from .labels import checked_labels, named
from .matrix import Relationship
from .representations import DenseMatrix

METRICS = {"euclidean": "euclidean", "l1": "cityblock"}
"""SciPy's names of distances."""


@named_arguments
def gaussian(coordinates: Any, range_: float, *, labels: Any = None) -> Relationship:
    """K_ij = exp(−(d_ij / range)²) with d the Euclidean distance.

    Parameters
    ----------
    coordinates : DataFrame (q, d), or ndarray (q, d) or (q,)
        A row per level; the index of a frame has the labels. Levels may share coordinates.
    range_ : float
        Positive, in the units of the coordinates: the correlation there is 1/e.
    labels : sequence of q values, optional
        For coordinates without an index.

    Returns
    -------
    Relationship
        Dense. Smooth kernels have eigenvalues that are zero to working precision:
        ``rank`` may be less than q.

    References
    ----------
    Pinheiro and Bates (2000), Mixed-Effects Models in S and S-PLUS, section 5.3.2.

    Examples
    --------
    >>> gaussian([0.0, 2.0], 2.0, labels=["left", "right"]).dense().round(3)
    array([[1.   , 0.368],
           [0.368, 1.   ]])
    """
    return _kernel(coordinates, range_, labels, square=True)


@named_arguments
def exponential(
    coordinates: Any, range_: float, *, labels: Any = None, metric: str = "euclidean"
) -> Relationship:
    """K_ij = exp(−d_ij / range) with d the Euclidean distance, or a sum over the dimensions.

    Parameters
    ----------
    coordinates : DataFrame (q, d), or ndarray (q, d) or (q,)
        A row per level; the index of a frame has the labels. Levels may share coordinates.
    range_ : float
        Positive, in the units of the coordinates: the correlation there is 1/e.
    labels : sequence of q values, optional
        For coordinates without an index.
    metric : {"euclidean", "l1"}
        With ``"l1"``, d_ij is the sum of the absolute differences of the coordinates, and K is
        separable: the product of the correlations along each axis. Divide the coordinates by
        ranges of their own if these differ.

    Returns
    -------
    Relationship
        Dense.

    References
    ----------
    Pinheiro and Bates (2000), Mixed-Effects Models in S and S-PLUS, section 5.3.2.

    Examples
    --------
    >>> import pandas as pd
    >>> plots = pd.DataFrame({"row": [0, 0, 3], "column": [0, 0, 4]}, index=["a", "b", "c"])
    >>> exponential(plots, 5.0).dense().round(3)
    array([[1.   , 1.   , 0.368],
           [1.   , 1.   , 0.368],
           [0.368, 0.368, 1.   ]])
    >>> exponential(plots, 7.0, metric="l1").dense().round(3)[0]
    array([1.   , 1.   , 0.368])
    """
    metric = METRICS[one_of("metric", metric, tuple(METRICS))]
    return _kernel(coordinates, range_, labels, square=False, metric=metric)


def _kernel(
    coordinates: Any, range_: float, labels: Any, square: bool, metric: str = "euclidean"
) -> Relationship:
    range_ = positive("range_", range_)
    places, labels = check.matrix_and_labels("coordinates", coordinates, labels)
    names = checked_labels(labels)
    K = _distances(checked_places(places, names), metric) / range_
    if square:
        np.multiply(K, K, out=K)
    np.negative(K, out=K)
    np.exp(K, out=K)
    return Relationship(names, DenseMatrix(K))


def checked_places(places: Any, labels: tuple[Any, ...]) -> FloatArray:
    """Finite coordinates (q, d) of labelled levels."""
    points = check.real_numbers(places, "The coordinates")
    points = points[:, None] if points.ndim == 1 else points
    if points.ndim != 2 or points.shape[1] == 0:
        raise RelationshipError(f"Coordinates must be (q, d); they have shape {points.shape}.")
    if len(points) != len(labels):
        raise RelationshipError(
            f"There are coordinates of {len(points):,} levels, but {len(labels):,} labels."
        )
    bad = [labels[i] for i in np.flatnonzero(~np.isfinite(points).all(axis=1))]
    if bad:
        raise RelationshipError(f"Coordinates are not finite at {named(bad)}.")
    return points


def _distances(points: FloatArray, metric: str) -> FloatArray:
    from scipy.spatial.distance import cdist

    return np.asarray(cdist(points, points, metric))
