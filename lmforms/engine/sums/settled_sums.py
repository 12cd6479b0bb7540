"""The engine's cross-products of sums in the units of a sample, once all rows are in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...covariance import Covariance
from ...errors import NumericalError
from ...support.arrays import FloatArray, IndexArray
from ..exact_fit import resolution
from ..linalg.independent_columns import independent_by_root
from ..linalg.stable_columns import orthonormalising, root_of_moments, triangular_root
from .additive_sums import AdditiveSums
from .column_maps import column_sizes
from .cross_products import OVERFLOW, CrossProducts
from .moments import FactorMoments
from .scaling import LEAST_UNEXPLAINED
from .units import AffineMap, Pilot, Scaling, Units


@dataclass(frozen=True, eq=False)
class SettledSums:
    """Cross-products, and what was left out on the way.

    Attributes
    ----------
    cp : CrossProducts
    kept : ndarray of int
        Columns of X that are independent of earlier ones.
    loses_digits : bool
        Whether the columns of X, or X and the response, are so nearly dependent that sums in these
        units should be taken from the rows.
    """

    cp: CrossProducts
    kept: IndexArray
    loses_digits: bool


def settled(sums: AdditiveSums, covariances: Sequence[Covariance]) -> SettledSums:
    """Choose units by all rows, and change the sums to them.

    Parameters
    ----------
    sums : AdditiveSums
    covariances : sequence of Covariance
        Structure of each grouping factor.

    Raises
    ------
    NumericalError
        A sum is not finite.
    """
    kept = independent_columns_of(sums)
    own = sums.of_columns(kept)
    scaling, loses_digits = _settled_units(own, covariances)
    return SettledSums(products_of(own.in_units(scaling)), kept, loses_digits)


def _settled_units(sums: AdditiveSums, covariances: Sequence[Covariance]) -> tuple[Scaling, bool]:
    """Units in which all rows are orthonormal, and whether digits are lost on the way to them."""
    n, p = sums.facts.n, len(sums.rr) - 1
    given, pilot = sums.scaling.units, sums.scaling.pilot
    clear = not p or root_of_moments(sums.rr[:p, :p]) is not None
    x = _orthonormal_map(sums.root, given.x, n)
    L, back = given.x.inverse @ x.linear, x.inverse @ given.x.linear
    g = L.T @ sums.rr[:p, p] / n
    whole = float(sums.rr[p, p])
    left = whole - n * float(g @ g)
    enough = left > LEAST_UNEXPLAINED * whole
    scale = float(np.sqrt(left / n)) if enough else float(np.sqrt(whole / n)) or 1.0
    maps, exact = [], True
    for f, own, covariance in zip(sums.factors, given.bases, covariances, strict=True):
        found, is_clear = _basis_map(f.zz.sum(axis=0), own, covariance, n)
        maps.append(found)
        exact = exact and is_clear
    largest = max(sums.facts.size, -sums.facts.low, sums.facts.high)
    weight = float(np.sqrt(sums.facts.weights / n))
    settled_pilot = Pilot(
        gamma=back @ pilot.gamma + pilot.y_scale * g,
        y_scale=pilot.y_scale * scale,
        effects=tuple(np.zeros((*f.zr.shape[:2], p + 1)) for f in sums.factors),
        shift=pilot.shift,
        shift_beta=pilot.shift_beta,
        resolution=float(resolution(largest)) * weight,
    )
    return Scaling(Units(x, tuple(maps)), settled_pilot), not (clear and enough and exact)


def _orthonormal_map(root: FloatArray, given: AffineMap, n: int) -> AffineMap:
    """The map to columns of unit mean squares without correlation.

    Parameters
    ----------
    root : ndarray (r, p)
        Of the columns in the given units, one by one.
    given : AffineMap
    n : int
        Number of rows.
    """
    center = given.center
    if given.constant is not None:
        ones = root[:, given.constant]
        means = ones @ root / (ones @ ones)
        means[given.constant] = 0.0
        center = center + means / given.matrix.diagonal()
        root = root - np.outer(ones, means)
    own = triangular_root(root) if root.shape[1] else np.zeros((0, 0))
    return AffineMap(center, given.matrix @ np.linalg.inv(own) * np.sqrt(n), given.constant)


def independent_columns_of(sums: AdditiveSums) -> IndexArray:
    """Columns of X that do not depend linearly on earlier ones, over all rows."""
    x = sums.scaling.units.x
    return independent_by_root(
        sums.root, 1.0 / x.matrix.diagonal(), x.center, x.constant, sums.facts.n
    )


def products_of(sums: AdditiveSums) -> CrossProducts:
    """The cross-products of sums that are in the engine's own units.

    Raises
    ------
    NumericalError
        A sum is not finite.
    """
    if not np.isfinite(sums.rr.trace()):
        raise NumericalError(OVERFLOW)
    return CrossProducts(
        scaling=sums.scaling,
        n=sums.facts.n,
        log_det_residual=sums.facts.log_det_residual,
        rr=sums.rr,
        factors=tuple(FactorMoments(f.zz, f.zr) for f in sums.factors),
        pairs=sums.pairs,
    )


def _basis_map(
    moments: FloatArray, given: AffineMap, covariance: Covariance, n: int
) -> tuple[AffineMap, bool]:
    """The map to a basis of unit mean squares, as far as the structure allows it.

    And whether the moments, in the given units, are enough for it.
    """
    parts = covariance.invariances()
    if len(parts) == 1 and parts[0][1] == "linear":
        found = orthonormalising(moments, n)
        if found is not None:
            return AffineMap(given.center, given.matrix @ found, given.constant), True
        values, vectors = np.linalg.eigh(moments)
        root = (np.sqrt(np.maximum(values, 0.0)) * vectors).T
        return _nearly_orthonormal_map(root, given, n), False
    sizes = column_sizes(np.sqrt(moments.diagonal() / n)[None])
    matrix, clear = np.eye(len(moments)), True
    for columns, kind in parts:
        own = sizes[columns]
        if kind == "common":
            own = np.full(len(own), np.sqrt(np.mean(own**2)))
        found = orthonormalising(moments[columns, columns], n) if kind == "linear" else None
        clear = clear and (kind != "linear" or found is not None)
        if kind != "none":
            matrix[columns, columns] = np.diag(1.0 / own) if found is None else found
    return AffineMap(given.center, given.matrix @ matrix, given.constant), clear


def _nearly_orthonormal_map(root: FloatArray, given: AffineMap, n: int) -> AffineMap:
    """Columns centred by all rows and of unit mean squares, which may be correlated."""
    center, sizes = given.center, np.sqrt(np.einsum("ij,ij->j", root, root) / n)
    if given.constant is not None:
        ones = root[:, given.constant]
        means = ones @ root / (ones @ ones)
        means[given.constant] = 0.0
        center = center + means / given.matrix.diagonal()
        left = root - np.outer(ones, means)
        sizes = np.sqrt(np.einsum("ij,ij->j", left, left) / n)
    return AffineMap(center, given.matrix / np.where(sizes > 0.0, sizes, 1.0), given.constant)
