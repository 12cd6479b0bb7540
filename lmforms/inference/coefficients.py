"""Tables of coefficients and of linear functions of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ..results.state import FitState
from ..tables.result_table import ResultTable
from .degrees_of_freedom.linear_functions import LinearFunctions, linear_functions
from .degrees_of_freedom.methods import df_method
from .method_tables import table_of_hypotheses, table_of_limits, table_of_tests


def coefficient_tests(
    state: FitState, ddf: str = "satterthwaite", information: str | None = None
) -> LinearFunctions:
    """Every coefficient tested against zero."""
    return linear_functions(state, np.eye(len(state.estimate.beta)), ddf, information)


def coefficient_table(
    state: FitState,
    ddf: str = "satterthwaite",
    information: str | None = None,
    level: float | None = None,
) -> ResultTable:
    """estimate, std_error, df, statistic and p_value of every coefficient; limits at a level."""
    found = coefficient_tests(state, ddf, information)
    return table_of_tests(found, state.design.x_names, title="Coefficients", level=level)


def coefficient_intervals(
    state: FitState, level: float, ddf: str, information: str | None
) -> ResultTable:
    """lower and upper limits: estimate ± t quantile × standard error."""
    found = coefficient_tests(state, ddf, information)
    return table_of_limits(found, state.design.x_names, level)


def covariance_of_coefficients(
    state: FitState, ddf: str, information: str | None = None
) -> pd.DataFrame:
    """The covariance of β̂ that a method of degrees of freedom takes standard errors from."""
    names = state.design.x_names
    covariance = df_method(state, ddf, information).covariance
    return pd.DataFrame(covariance, index=names, columns=names)


def contrast_table(
    state: FitState, L: Any, ddf: str, information: str | None, *, joint: Any, level: Any
) -> ResultTable:
    """Hypotheses one by one with intervals, or all together (see :func:`.table_of_hypotheses`)."""
    method, names = df_method(state, ddf, information), state.design.x_names
    return table_of_hypotheses(method, state.estimate.beta, names, L, joint=joint, level=level)
