"""Columns that do not vary over the rows, which maximum likelihood leaves out.

A column without variation has no noise to estimate: its likelihood has no bound. Maximum
likelihood is therefore fitted to the other columns. Those left out have loadings and noise of
zero, are predicted by their constant, and are not used to encode new rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..errors import DataError
from ..support.arrays import BoolArray, FloatArray
from .als import FormEstimate
from .modalities import Modalities

CONSTANT_RANGE = 1e-12
"""A range below this share of the largest entry of its column is no variation. A column whose
entries are below this share of the widest range of the other columns is a constant from which the
mean was subtracted. Rounding stays below 1e-14 of either, and measurements above 1e-10."""

Constants = tuple[FloatArray, ...]
"""By modality, the constant of each column that does not vary and NaN for the others."""


def constant_values(A: Any, beside: bool = True) -> FloatArray:
    """The constant of each column that does not vary; NaN for the others.

    Parameters
    ----------
    A : ndarray or scipy.sparse.csr_array (n, c)
        NaN is left out of account.
    beside : bool
        Whether a column that is negligible next to the others counts as constant too: where means
        have been subtracted, a constant column consists of rounding errors.

    Examples
    --------
    >>> constant_values(np.array([[1.0, 0.0, 5.0], [2.0, 1e-17, 5.0]])).round(9)
    array([nan,  0.,  5.])
    """
    low, half, size = _ranges(A)
    flat = half <= CONSTANT_RANGE * size
    if beside:
        flat |= size <= CONSTANT_RANGE * half.max(initial=0.0)
    return np.where(flat, low + half, np.nan)


def only_rounding(A: Any) -> BoolArray:
    """Columns that are negligible next to the others: zeros, or rounding errors.

    Parameters
    ----------
    A : ndarray or scipy.sparse.csr_array (n, c)
        NaN is left out of account.

    Examples
    --------
    >>> only_rounding(np.array([[1.0, 1e-17, 5.0], [2.0, 1e-17, 5.0]]))
    array([False,  True, False])
    """
    _, half, size = _ranges(A)
    return size <= CONSTANT_RANGE * half.max(initial=0.0)


def _ranges(A: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
    """The least entry of each column, half its range, and its largest entry without the sign."""
    if sp.issparse(A):
        low, high = (np.ravel(end(axis=0).toarray()) for end in (A.min, A.max))
    else:
        low, high = (end.reduce(A, axis=0) for end in (np.fmin, np.fmax))
    half = high / 2.0 - low / 2.0  # the range itself may overflow
    return low, half, np.maximum(np.abs(low), np.abs(high))


def constants_of(data: Modalities, names: Sequence[str]) -> Constants | None:
    """Of all modalities; None if every column varies.

    Raises
    ------
    DataError
        No column of a modality varies.
    """
    found = tuple(constant_values(part.values) for part in data)
    for name, values in zip(names, found):
        check_some_vary(name, values)
    return None if all(np.isnan(values).all() for values in found) else found


def check_some_vary(name: str, constants: FloatArray) -> None:
    """Refuse a modality of which no column varies.

    Raises
    ------
    DataError
    """
    if not np.isnan(constants).any():
        raise DataError(
            f"{name} is constant: none of its columns varies over the rows, so that "
            "there is nothing to decompose. Leave the intercept out and centre the columns "
            "instead."
        )


def varying_columns(constants: Constants) -> list[Any]:
    """Positions of the columns that vary, by modality."""
    return [np.flatnonzero(np.isnan(values)) for values in constants]


def only_varying(data: Modalities, constants: Constants) -> Modalities:
    """The columns that vary."""
    return Modalities(
        tuple(p.columns(chosen) for p, chosen in zip(data, varying_columns(constants)))
    )


def with_constants(estimate: FormEstimate, constants: Constants) -> FormEstimate:
    """An estimate for the columns that vary, widened to all columns."""

    def widened(part: Any, values: FloatArray, chosen: Any) -> Any:
        whole = np.zeros((len(values), *part.shape[1:]), dtype=part.dtype)
        whole[chosen] = part
        return whole

    def all_widened(parts: Any) -> Any:
        return tuple(widened(*three) for three in zip(parts, constants, varying_columns(constants)))

    return estimate._replace(
        loadings=all_widened(estimate.loadings),
        variances=all_widened(estimate.variances),
        at_floor=all_widened(estimate.at_floor),
        constants=constants,
    )
