"""Estimates, standard errors and tests of linear functions Lβ."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ...results.state import FitState
from ...support.arrays import FloatArray
from .f_statistic import t_p_values, t_quantiles
from .methods import DfMethod, df_method


@dataclass(frozen=True, eq=False)
class LinearFunctions:
    """Linear functions of β̂, each by itself.

    Attributes
    ----------
    estimate, std_error, df, statistic, p_value : ndarray (r,)
        The statistic is (estimate − rhs)/std_error, the p-value two-sided.
    method : DfMethod
    """

    estimate: FloatArray
    std_error: FloatArray
    df: FloatArray
    statistic: FloatArray
    p_value: FloatArray
    method: DfMethod

    def intervals(self, level: float) -> tuple[FloatArray, FloatArray]:
        """Lower and upper limits, (r,) each."""
        half = t_quantiles(self.df, level) * self.std_error
        return self.estimate - half, self.estimate + half


def linear_functions(
    state: FitState,
    L: FloatArray,
    ddf: str = "satterthwaite",
    information: str | None = None,
    rhs: npt.ArrayLike = 0.0,
) -> LinearFunctions:
    """Test each row of L (r, p): ℓ'β = rhs.

    Parameters
    ----------
    state : FitState
    L : ndarray (r, p)
    ddf, information
        See :func:`lmforms.inference.degrees_of_freedom.methods.df_method`.
    rhs : array_like
        A number, or one for each row.
    """
    method = df_method(state, ddf, information)
    return linear_functions_by(method, state.estimate.beta, L, rhs)


def linear_functions_by(
    method: DfMethod, beta: FloatArray, L: FloatArray, rhs: npt.ArrayLike = 0.0
) -> LinearFunctions:
    """The same for estimates β̂ (p,) whose covariance and degrees of freedom `method` has."""
    estimate = L @ beta
    std_error = np.sqrt(method.variances(L))
    df = method.df(L)
    with np.errstate(divide="ignore", invalid="ignore"):
        statistic = (estimate - np.asarray(rhs, dtype=np.float64)) / std_error
    return LinearFunctions(estimate, std_error, df, statistic, t_p_values(statistic, df), method)
