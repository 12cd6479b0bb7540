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
from ..linalg.stable_columns import triangular_root
from .additive_sums import AdditiveSums
from .column_maps import ILL_CONDITIONED, column_sizes
from .cross_products import OVERFLOW, CrossProducts
from .moments import FactorMoments
from .units import AffineMap, Pilot, Scaling, Units


@dataclass(frozen=True, eq=False)
class SettledSums:
    """Cross-products, and what was left out on the way.

    Attributes
    ----------
    cp : CrossProducts
    kept : ndarray of int
        Columns of X that are independent of earlier ones.
    digits_lost : float
        Decimal digits that the change of units lost: where the sample lies far from all rows, or
        columns of X, a basis, or X and the response are nearly dependent.
    explained_by_fixed : bool
        Whether X leaves no more of the response than rounding.
    """

    cp: CrossProducts
    kept: IndexArray
    digits_lost: float
    explained_by_fixed: bool


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
    scaling, lost, explained = _settled_units(own, covariances)
    return SettledSums(products_of(own.in_units(scaling)), kept, lost, explained)


def _settled_units(
    sums: AdditiveSums, covariances: Sequence[Covariance]
) -> tuple[Scaling, float, bool]:
    """Units in which all rows are orthonormal, and how many digits are lost on the way to them.

    And whether X leaves no more of the response than rounding.
    """
    n, p = sums.facts.n, len(sums.rr) - 1
    given, pilot = sums.scaling.units, sums.scaling.pilot
    x, lost = _orthonormal_map(sums.root[:, :p], given.x, n)
    L, back = given.x.inverse @ x.linear, x.inverse @ given.x.linear
    R = triangular_root(sums.root) if len(sums.root) > p else np.zeros((p + 1, p + 1))
    g = L.T @ (R[:p, :p].T @ R[:p, p]) / n
    whole, left = float(R[:, p] @ R[:, p]), float(R[p, p]) ** 2
    largest = max(sums.facts.size, -sums.facts.low, sums.facts.high)
    rounding = float(resolution(largest)) * float(np.sqrt(sums.facts.weights / n))
    explained = pilot.y_scale * float(np.sqrt(left / n)) <= rounding
    if not left > np.finfo(np.float64).eps ** 2 * whole:
        left = whole
    lost = max(lost, np.log10(whole / left) if left else 0.0)
    maps = []
    for f, own, covariance in zip(sums.factors, given.bases, covariances, strict=True):
        found, own_lost = _basis_map(f.root, own, covariance, n)
        maps.append(found)
        lost = max(lost, own_lost)
    settled_pilot = Pilot(
        gamma=back @ pilot.gamma + pilot.y_scale * g,
        y_scale=pilot.y_scale * (float(np.sqrt(left / n)) or 1.0),
        effects=tuple(np.zeros((*f.zr.shape[:2], p + 1)) for f in sums.factors),
        shift=pilot.shift,
        shift_beta=pilot.shift_beta,
        resolution=rounding,
    )
    return Scaling(Units(x, tuple(maps)), settled_pilot), lost, explained


def _orthonormal_map(root: FloatArray, given: AffineMap, n: int) -> tuple[AffineMap, float]:
    """The map to columns of unit mean squares without correlation, and digits that products lose.

    Parameters
    ----------
    root : ndarray (r, p)
        Of the columns in the given units.
    given : AffineMap
    n : int
        Number of rows.
    """
    p = root.shape[1]
    if not p:
        return given, 0.0
    sizes = np.sqrt(np.einsum("ij,ij->j", root, root))
    back = np.zeros(p)  # how far the centres are from those of all rows
    if given.constant is not None:
        ones = root[:, given.constant]
        back = ones @ root / (ones @ ones)
        back[given.constant] = 0.0
        root = root - np.outer(ones, back)
    own = triangular_root(root)
    matrix = given.matrix @ np.linalg.inv(own) * np.sqrt(n)
    center = given.center
    if given.constant is not None:
        center = center + np.linalg.solve(given.matrix.T, back)
    share = np.abs(np.diagonal(own)) / np.where(sizes > 0.0, sizes, 1.0)
    return AffineMap(center, matrix, given.constant), -2.0 * float(np.log10(share.min()))


def independent_columns_of(sums: AdditiveSums) -> IndexArray:
    """Columns of X that do not depend linearly on earlier ones, over all rows."""
    x = sums.scaling.units.x
    return independent_by_root(
        sums.root[:, :-1], 1.0 / x.matrix.diagonal(), x.center, x.constant, sums.facts.n
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
    root: FloatArray, given: AffineMap, covariance: Covariance, n: int
) -> tuple[AffineMap, float]:
    """The map to a basis of unit mean squares, as far as the structure allows it.

    And the digits that products in the given units lose.
    """
    parts = covariance.invariances()
    sizes = column_sizes(root * np.sqrt(len(root) / n))
    matrix, lost = np.eye(root.shape[1]), 0.0
    for columns, kind in parts:
        own = sizes[columns]
        if kind == "common":
            own = np.full(len(own), np.sqrt(np.mean(own**2)))
        if kind == "linear" and _is_regular(root[:, columns]):
            constant = given.constant if len(parts) == 1 else None
            unit = AffineMap(np.zeros(len(own)), np.eye(len(own)), constant)
            found, own_lost = _orthonormal_map(root[:, columns], unit, n)
            lost = max(lost, own_lost)
            if len(parts) == 1:
                center = given.center + np.linalg.solve(given.matrix.T, found.center)
                return AffineMap(center, given.matrix @ found.matrix, given.constant), lost
            matrix[columns, columns] = found.linear
        elif kind != "none":
            matrix[columns, columns] = np.diag(1.0 / own)
    return AffineMap(given.center, given.matrix @ matrix, given.constant), lost


def _is_regular(root: FloatArray) -> bool:
    """Whether columns are far enough from dependent to be made orthonormal."""
    if len(root) < root.shape[1]:
        return False
    pivots = np.abs(np.diagonal(triangular_root(root)))
    return bool(pivots.min() > ILL_CONDITIONED * np.linalg.norm(root, axis=0).max() > 0.0)
