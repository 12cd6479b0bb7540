"""Estimates, standard errors and degrees of freedom of linear functions of the fixed effects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...support.arrays import BoolArray, FloatArray
from ..degrees_of_freedom.methods import DfMethod
from .estimability import RowSpace

ENTRIES_AT_A_TIME = 1_000_000
"""Entries of the functions whose degrees of freedom are computed at once."""


@dataclass(frozen=True, eq=False)
class Estimates:
    """Estimates of r linear functions, NaN where they are not estimable.

    Attributes
    ----------
    functions : ndarray (r, p)
        Of the columns in the fit.
    covariance : ndarray (p, p)
        Of the fixed effects.
    estimable : ndarray of bool (r,)
    estimate, std_error, df : ndarray (r,)
    """

    functions: FloatArray
    covariance: FloatArray
    estimable: BoolArray
    estimate: FloatArray
    std_error: FloatArray
    df: FloatArray

    @property
    def statistic(self) -> FloatArray:
        """Estimates over their standard errors; NaN where these are zero."""
        std_error = np.where(self.std_error > 0.0, self.std_error, np.nan)
        return np.asarray(self.estimate / std_error)

    @property
    def zero(self) -> BoolArray:
        """Whether they are zero whatever the fixed effects."""
        return np.asarray(self.estimable & ~(self.functions != 0.0).any(axis=1))


def estimates(
    beta: FloatArray,
    method: DfMethod,
    space: RowSpace,
    functions: FloatArray,
    offset: FloatArray | float = 0.0,
    defined: BoolArray | None = None,
) -> Estimates:
    """Estimates of linear functions l'β + offset.

    Parameters
    ----------
    beta : ndarray (p,)
    method : DfMethod
    space : RowSpace
    functions : ndarray (r, k)
        Of all columns of the fixed part.
    offset : ndarray (r,) or float
    defined : ndarray of bool (r,), optional
        False for functions that do not exist, such as averages over no rows.
    """
    estimable = space.contains(functions)
    if defined is not None:
        estimable = estimable & defined
    L = functions[:, space.kept]
    variance = np.einsum("ij,ij->i", L @ method.covariance, L)
    df = np.full(len(L), np.nan)
    df[estimable] = degrees_of_freedom(method, L[estimable])
    return Estimates(
        functions=L,
        covariance=method.covariance,
        estimable=estimable,
        estimate=np.where(estimable, L @ beta + offset, np.nan),
        std_error=np.where(estimable, np.sqrt(np.maximum(variance, 0.0)), np.nan),
        df=df,
    )


def zero_notes(zero: BoolArray, of: str, *, adjusted: bool) -> list[str]:
    """What tables say of functions that are zero whatever the fixed effects."""
    count = int(zero.sum())
    if not count:
        return []
    left_out = ", and left out of the adjustment" if adjusted else ""
    return [f"{count} of {len(zero)} {of} do not depend on the fixed effects: no test{left_out}."]


def flat_notes(zero: BoolArray, names: Sequence[str]) -> list[str]:
    """What tables say of slopes that are zero whatever the fixed effects."""
    if not zero.any():
        return []
    numbers = ", ".join(f"`{name}`" for name in names)
    return [
        f"The formula is flat in {numbers} at some values, as step functions are: "
        "average(comparison=...) compares predictions."
    ]


def degrees_of_freedom(method: DfMethod, L: FloatArray) -> FloatArray:
    """Degrees of freedom of each row of L (r, p); NaN for a row of zeros."""
    out = np.full(len(L), np.nan)
    used = np.flatnonzero((L != 0.0).any(axis=1))
    step = max(1, ENTRIES_AT_A_TIME // max(1, L.shape[1]))
    for start in range(0, len(used), step):
        rows = used[start : start + step]
        out[rows] = method.df(L[rows])
    return out
