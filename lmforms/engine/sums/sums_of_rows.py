"""From rows to cross-products: units first, pilot effects where sums of squares would cancel."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...covariance import Covariance
from ..linalg.threads import limited_blas_threads, threads_of_rows
from ..rows import ModelRows
from .cross_products import CrossProducts, cross_products, summed
from .matrix_products import (
    in_principal_directions,
    matrix_cross_products,
    projected,
    with_projected_pilot,
)
from .pilot import pilot_scaling
from .row_passes import RowPasses
from .scaling import choose_units
from .units import Scaling

CANCELLATION_RATIO = 30.0
"""Pilot effects are used if y'R⁻¹y is more than this many times what X and the effects leave of it:
as a difference of sums, r² may lose one digit and a half."""


def sums_of_rows(
    rows: ModelRows,
    covariances: tuple[Covariance, ...],
    roots: Sequence[Any] = (),
    *,
    pilot: bool = True,
    rotate: bool = True,
) -> CrossProducts:
    """Cross-products of rows in memory, in units that suit them.

    Parameters
    ----------
    rows : ModelRows
    covariances : tuple of Covariance
        Structure of each grouping factor.
    roots : sequence of (ndarray or sparse (q, r)) or None
        L of each grouping factor whose effects are L times others: the cross-products are those of
        ZL.
    pilot : bool
        Whether pilot effects may be used.
    rotate : bool
        Whether the root of a single related factor may be replaced by another one, in whose
        coordinates no levels meet.

    Raises
    ------
    NumericalError
        Squares of the numbers, or their sums, are beyond floating point.
    """
    by_level = rows.by_level
    if by_level and all(L is None for L in roots):
        if rows.residual.by_row:
            return _sums_by_level(rows, covariances, pilot)
        with limited_blas_threads(threads_of_rows(*rows.X.shape)):
            return _sums_by_level(rows, covariances, pilot)
    with limited_blas_threads(threads_of_rows(*rows.X.shape)):
        products = cross_products if by_level else matrix_cross_products
        return _projected_sums(rows, covariances, roots, products, pilot, rotate)


def _sums_by_level(
    rows: ModelRows, covariances: tuple[Covariance, ...], pilot: bool
) -> CrossProducts:
    """Of independent levels, one of every grouping factor for each row."""
    passes = RowPasses.over(rows)
    units = choose_units(rows, covariances, passes)
    sums = summed(rows, units, passes)
    if not pilot or not cancels(sums):
        return sums
    piloted = pilot_scaling(sums)
    return summed(rows, piloted, passes, piloted.pilot.effects, sums)


def _projected_sums(
    rows: ModelRows,
    covariances: tuple[Covariance, ...],
    roots: Sequence[Any],
    products: Callable[[ModelRows, Scaling], CrossProducts],
    pilot: bool,
    rotate: bool,
) -> CrossProducts:
    """Of levels that meet in rows, or whose effects are L times others."""
    units = choose_units(rows, covariances)
    sums = projected(products(rows, units), list(roots) or [None] * len(rows.factors))
    if rotate:
        sums = in_principal_directions(sums)
    if not pilot or not cancels(sums):
        return sums
    effects = sums.joint_effects
    of_levels = tuple(
        a if L is None else (L @ a.reshape(len(a), -1)).reshape(-1, *a.shape[1:])
        for a, L in zip(effects, sums.scaling.units.roots, strict=True)
    )
    again = products(rows, units.with_effects(of_levels))
    return with_projected_pilot(sums, again, effects)


def cancels(sums: CrossProducts) -> bool:
    """Whether y'R⁻¹y is much more than what X and the effects leave."""
    return not sums.rr[-1, -1] <= CANCELLATION_RATIO * sums.unexplained


def digits_lost(sums: CrossProducts) -> float:
    """Decimal digits of y'R⁻¹y that the difference of sums loses."""
    whole, left = float(sums.rr[-1, -1]), sums.unexplained
    least = whole * float(np.finfo(np.float64).eps)
    return float(np.log10(whole / max(left, least))) if whole > 0.0 else 0.0


def choose_scaling(rows: ModelRows, covariances: tuple[Covariance, ...]) -> Scaling:
    """Units for a stream of chunks, from rows that are typical of all.

    Parameters
    ----------
    rows : ModelRows
        For example the first chunk. Units have an effect on rounding only, but a large one if
        the predictors in this chunk are far smaller than in the others.
    covariances : tuple of Covariance
    """
    return sums_of_rows(rows, covariances).scaling
