"""Tables of coefficients and of linear functions of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..results.result_table import ResultTable
from ..results.state import FitState
from ..support.arrays import FloatArray
from .degrees_of_freedom.linear_functions import LinearFunctions, linear_functions
from .degrees_of_freedom.methods import df_method
from .hypotheses import check_consistent, read_hypotheses


def coefficient_tests(
    state: FitState, ddf: str = "satterthwaite", information: str | None = None
) -> LinearFunctions:
    """Every coefficient tested against zero."""
    return linear_functions(state, np.eye(len(state.estimate.beta)), ddf, information)


def coefficient_table(
    state: FitState, ddf: str = "satterthwaite", information: str | None = None
) -> ResultTable:
    """estimate, std_error, df, statistic and p_value of every coefficient."""
    found = coefficient_tests(state, ddf, information)
    return _table(found, state.design.x_names, title="Coefficients")


def coefficient_intervals(
    state: FitState, level: float, ddf: str, information: str | None
) -> ResultTable:
    """lower and upper limits: estimate ± t quantile × standard error."""
    found = coefficient_tests(state, ddf, information)
    lower, upper = found.intervals(level)
    return ResultTable(
        {"lower": lower, "upper": upper},
        index=pd.Index(state.design.x_names),
        title=f"{100 * level:g} % confidence intervals",
        notes=found.method.notes,
    )


def covariance_of_coefficients(
    state: FitState, ddf: str, information: str | None = None
) -> pd.DataFrame:
    """The covariance of β̂ that a method of degrees of freedom takes standard errors from."""
    names = state.design.x_names
    covariance = df_method(state, ddf, information).covariance
    return pd.DataFrame(covariance, index=names, columns=names)


def contrast_table(
    state: FitState, L: Any, ddf: str, information: str | None, level: float
) -> ResultTable:
    """Each hypothesis by itself, with its interval."""
    tested = read_hypotheses(L, state.design.x_names)
    found = linear_functions(state, tested.L, ddf, information, tested.rhs)
    lower, upper = found.intervals(level)
    table = _table(found, tested.labels, title="Contrasts", limits=(lower, upper))
    table.notes += (f"Limits: {100 * level:g} %.",)
    return table


def joint_table(state: FitState, L: Any, ddf: str, information: str | None) -> ResultTable:
    """All hypotheses together: an F test."""
    tested = read_hypotheses(L, state.design.x_names)
    check_consistent(tested)
    method = df_method(state, ddf, information)
    test = method.joint(tested.L, tested.L @ state.estimate.beta - tested.rhs)
    return ResultTable(
        {
            "statistic": [test.statistic],
            "num_df": [test.num_df],
            "den_df": [test.den_df],
            "p_value": [test.p_value],
        },
        index=["joint"],
        title=f"F test of {', '.join(tested.labels)}",
        notes=method.notes,
    )


def _table(
    found: LinearFunctions,
    labels: Sequence[str],
    title: str,
    limits: tuple[FloatArray, FloatArray] | None = None,
) -> ResultTable:
    columns = {
        "estimate": found.estimate,
        "std_error": found.std_error,
        "df": found.df,
        "statistic": found.statistic,
        "p_value": found.p_value,
    }
    if limits is not None:
        columns["lower"], columns["upper"] = limits
    return ResultTable(columns, index=pd.Index(labels), title=title, notes=found.method.notes)
