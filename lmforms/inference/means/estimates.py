"""Estimates, standard errors and degrees of freedom of linear functions of the fixed effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...support.arrays import BoolArray, FloatArray
from ..df_methods import DfMethod
from .estimability import RowSpace

SAME_FUNCTION_DIGITS = 12
"""Functions that agree to so many digits, up to a factor, have the same degrees of freedom."""


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
        """Estimates over their standard errors."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return self.estimate / self.std_error


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


def degrees_of_freedom(method: DfMethod, L: FloatArray) -> FloatArray:
    """Degrees of freedom of each row of L (r, p), computed once for equal functions.

    Multiples of a function have its degrees of freedom; a function that is zero has none (NaN).
    """
    out = np.full(len(L), np.nan)
    if not L.size:
        return out
    largest = np.abs(L).max(axis=1)
    used = largest > 0
    unit = L[used] / largest[used, None]
    first = np.argmax(np.abs(unit) > 0.5, axis=1)  # a sign, so that l and −l are one
    signs = np.sign(unit[np.arange(len(unit)), first])
    unit = np.round(unit * signs[:, None], SAME_FUNCTION_DIGITS)
    _, chosen, inverse = np.unique(unit + 0.0, axis=0, return_index=True, return_inverse=True)
    out[used] = method.df(L[used][chosen])[inverse.reshape(-1)]
    return out
