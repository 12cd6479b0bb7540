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
    if not np.isfinite(sums.rr.trace()):
        raise NumericalError(OVERFLOW)
    given, n, p = sums.scaling, sums.facts.n, len(sums.rr) - 1
    kept = independent_columns_of(sums)
    own = triangular_root(sums.root[:, kept]) if len(kept) else np.zeros((0, 0))
    T = np.sqrt(n) * np.linalg.inv(own)
    x = AffineMap(
        given.units.x.center[kept],
        given.units.x.matrix[np.ix_(kept, kept)] @ T,
        _place(kept, given.units.x.constant),
    )
    g = T.T @ sums.rr[kept, p] / n
    whole = float(sums.rr[p, p])
    left = whole - n * float(g @ g)
    clear = root_of_moments(sums.rr[np.ix_(kept, kept)]) is not None or not len(kept)
    enough = left > LEAST_UNEXPLAINED * whole
    scale = float(np.sqrt(left / n)) if enough else float(np.sqrt(whole / n)) or 1.0
    pilot = given.pilot
    weight = float(np.sqrt(sums.facts.weights / n))
    largest = max(sums.facts.size, -sums.facts.low, sums.facts.high)
    maps = [
        _basis_change(f.zz.sum(axis=0), scale_of, c, n)
        for f, scale_of, c in zip(sums.factors, given.units.bases, covariances, strict=True)
    ]
    effects = tuple(np.zeros((*f.zr.shape[:2], len(kept) + 1)) for f in sums.factors)
    scaling = Scaling(
        Units(x, tuple(m for m, _ in maps)),
        Pilot(
            own @ pilot.gamma[kept] / np.sqrt(n) + pilot.y_scale * g,
            pilot.y_scale * scale,
            effects,
            pilot.shift,
            pilot.shift_beta[kept],
            float(resolution(largest)) * weight,
        ),
    )
    change = np.zeros((len(kept) + 1, len(kept) + 1))
    change[:-1, :-1], change[:-1, -1], change[-1, -1] = T, -(T @ g) / scale, 1.0 / scale
    right = np.append(kept, p)
    rr = change.T @ sums.rr[np.ix_(right, right)] @ change
    changes = [own for _, own in maps]
    cp = CrossProducts(
        scaling=scaling,
        n=n,
        log_det_residual=sums.facts.log_det_residual,
        rr=0.5 * (rr + rr.T),
        factors=tuple(
            FactorMoments(B.T @ f.zz @ B, B.T @ f.zr[:, :, right] @ change)
            for f, B in zip(sums.factors, changes, strict=True)
        ),
        pairs={
            (a, b): type(pair)(pair.rows, pair.cols, changes[a].T @ pair.blocks @ changes[b])
            for (a, b), pair in sums.pairs.items()
        },
    )
    return SettledSums(cp, kept, not (clear and enough))


def independent_columns_of(sums: AdditiveSums) -> IndexArray:
    """Columns of X that do not depend linearly on earlier ones, over all rows."""
    x = sums.scaling.units.x
    return independent_by_root(
        sums.root, 1.0 / x.matrix.diagonal(), x.center, x.constant, sums.facts.n
    )


def piloted_products(sums: AdditiveSums) -> CrossProducts:
    """The cross-products of sums that were taken in the engine's own units."""
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


def _basis_change(
    moments: FloatArray, given: AffineMap, covariance: Covariance, n: int
) -> tuple[AffineMap, FloatArray]:
    """The map to a basis of unit mean squares, and B with which it follows the given one."""
    parts = covariance.invariances()
    B = np.eye(len(moments))
    sizes = column_sizes(np.sqrt(moments.diagonal() / n)[None])
    for columns, kind in parts:
        own = sizes[columns]
        if kind == "common":
            own = np.full(len(own), np.sqrt(np.mean(own**2)))
        found = orthonormalising(moments[columns, columns], n) if kind == "linear" else None
        if kind != "none":
            B[columns, columns] = np.diag(1.0 / own) if found is None else found
    return AffineMap(given.center, given.matrix @ B, given.constant), B


def _place(kept: IndexArray, column: int | None) -> int | None:
    """Where a column is among those kept."""
    if column is None or column not in kept:
        return None
    return int(np.searchsorted(kept, column))
