"""Columns that do not vary over the rows, and their way round a likelihood.

A column without variation has no noise to estimate: its likelihood has no bound. Maximum
likelihood is therefore fitted to the other columns. Those left out have loadings and noise of
zero, are predicted by their constant, and say nothing of the codes of new rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.sparse as sp

from ..errors import DataError
from ..support.arrays import BoolArray, FloatArray
from .als import FormEstimate
from .data import Modalities

# A range below this share of the largest entry of its column is no variation, and a column whose
# entries are below this share of the widest range beside it is what rounding has left of a mean
# taken off. Rounding stays below 1e-14 of either, and what was measured above 1e-10.
FLAT = 1e-12

Constants = tuple[FloatArray, ...]
"""By modality, the constant of each column that does not vary and NaN for the others."""


def constant_values(A: Any, beside: bool = True) -> FloatArray:
    """The constant of each column that does not vary; NaN for the others.

    Parameters
    ----------
    A : ndarray or scipy.sparse.csr_array (n, c)
        NaN is left out of account.
    beside : bool
        Whether a column may also be called flat as it is nothing beside the others: if means have
        been taken off, rounding is all that a constant column has left.

    Examples
    --------
    >>> constant_values(np.array([[1.0, 0.0, 5.0], [2.0, 1e-17, 5.0]])).round(9)
    array([nan,  0.,  5.])
    """
    low, half, size = _ranges(A)
    flat = half <= FLAT * size
    if beside:
        flat |= size <= FLAT * half.max(initial=0.0)
    return np.where(flat, low + half, np.nan)


def only_rounding(A: Any) -> BoolArray:
    """Columns that are nothing beside the others: zeros, or what is left of them by rounding.

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
    return size <= FLAT * half.max(initial=0.0)


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


def varying(constants: Constants) -> list[Any]:
    """Places of the columns that vary, by modality."""
    return [np.flatnonzero(np.isnan(values)) for values in constants]


def only_varying(data: Modalities, constants: Constants) -> Modalities:
    """The columns that vary."""
    return Modalities(tuple(p.columns(chosen) for p, chosen in zip(data, varying(constants))))


def with_constants(walk: FormEstimate, constants: Constants) -> FormEstimate:
    """A walk on the columns that vary, as one on all of them."""

    def widened(part: Any, values: FloatArray, chosen: Any) -> Any:
        whole = np.zeros((len(values), *part.shape[1:]), dtype=part.dtype)
        whole[chosen] = part
        return whole

    def all_widened(parts: Any) -> Any:
        return tuple(widened(*three) for three in zip(parts, constants, varying(constants)))

    return walk._replace(
        loadings=all_widened(walk.loadings),
        variances=all_widened(walk.variances),
        at_floor=all_widened(walk.at_floor),
        constants=constants,
    )
