"""From rows to cross-products: units first, pilot effects where sums of squares would cancel."""

from __future__ import annotations

from ...covariance import Covariance
from ..rows import ModelRows
from .cross_products import CrossProducts, cross_products
from .scaling import choose_units, with_pilot
from .units import Scaling

CANCELLATION_RATIO = 30.0
"""Pilot effects are used if y'R⁻¹y is more than this many times what X and the effects leave of it:
as a difference of sums, r² may lose one digit and a half."""


def sums_of_rows(rows: ModelRows, covariances: tuple[Covariance, ...]) -> CrossProducts:
    """Cross-products of rows in memory, in units that suit them.

    Parameters
    ----------
    rows : ModelRows
    covariances : tuple of Covariance
        Structure of each grouping factor.

    Raises
    ------
    NumericalError
        Squares of the numbers, or their sums, are beyond floating point.
    """
    units = choose_units(rows, covariances)
    sums = cross_products(rows, units)
    if sums.rr[-1, -1] <= CANCELLATION_RATIO * sums.unexplained:
        return sums
    return cross_products(rows, with_pilot(rows, units))


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
