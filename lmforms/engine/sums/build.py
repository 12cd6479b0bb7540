"""From rows to cross-products: units first, pilot effects where sums of squares would cancel."""

from __future__ import annotations

from ...covariance import Covariance
from ..rows import ModelRows
from .cross_products import CrossProducts, cross_products
from .scaling import Scaling, choose_units, with_pilot

CANCELLATION_RATIO = 30.0
"""When effects and X explain all but this part of the response, r² is to be sums_of_rows, not
subtracted: one digit and a half may be lost."""


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
    plain = cross_products(rows, units)
    if plain.rr[-1, -1] <= CANCELLATION_RATIO * plain.unexplained:
        return plain
    return cross_products(rows, with_pilot(rows, units))


def choose_scaling(rows: ModelRows, covariances: tuple[Covariance, ...]) -> Scaling:
    """Units for a stream of chunks, from rows that are like all.

    Parameters
    ----------
    rows : ModelRows
        A first chunk, say. The units only change rounding, but much of it if the chunk's
        predictors are far smaller than the others.
    covariances : tuple of Covariance
    """
    return sums_of_rows(rows, covariances).scaling
