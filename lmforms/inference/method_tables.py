"""Tables of estimates whose covariance and degrees of freedom a method has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from ..errors import ArgumentError
from ..support.arguments import flag, proportion
from ..support.arrays import FloatArray
from ..tables.result_table import ResultTable
from .degrees_of_freedom.linear_functions import LinearFunctions, linear_functions_by
from .degrees_of_freedom.methods import DfMethod
from .hypotheses import check_consistent, read_hypotheses


def table_of_tests(
    found: LinearFunctions, labels: Sequence[str], title: str, level: float | None = None
) -> ResultTable:
    """estimate, std_error, df, statistic and p_value, and limits at a level."""
    columns = {
        "estimate": found.estimate,
        "std_error": found.std_error,
        "df": found.df,
        "statistic": found.statistic,
        "p_value": found.p_value,
    }
    notes = found.method.notes
    if level is not None:
        columns["lower"], columns["upper"] = found.intervals(level)
        notes += (f"Limits: {100 * level:g} %.",)
    return ResultTable(columns, index=pd.Index(labels), title=title, notes=notes)


def table_of_limits(found: LinearFunctions, labels: Sequence[str], level: float) -> ResultTable:
    """lower and upper limits: estimate ± t quantile × standard error."""
    lower, upper = found.intervals(level)
    return ResultTable(
        {"lower": lower, "upper": upper},
        index=pd.Index(labels),
        title=f"{100 * level:g} % confidence intervals",
        notes=found.method.notes,
    )


def table_of_hypotheses(
    method: DfMethod,
    beta: FloatArray,
    names: Sequence[str],
    L: Any,
    *,
    joint: Any,
    level: Any,
    default: float = 0.95,
) -> ResultTable:
    """Hypotheses about β (p,), one by one with intervals, or all together.

    Parameters
    ----------
    method : DfMethod
    beta : ndarray (p,)
    names : sequence of str
        Of the coefficients.
    L
        What :func:`.read_hypotheses` reads.
    joint, level
        As a user gave them; `level` is `default` if None.

    Raises
    ------
    ArgumentError
        `joint` or `level` is wrong, or a level of a joint test, which has no limits.
    """
    if not flag("joint", joint):
        level = proportion("level", default if level is None else level)
        return _contrasts(method, beta, names, L, level)
    if level is not None:
        raise ArgumentError("contrast: a joint test has no limits: leave `level` out.")
    return _joint_test(method, beta, names, L)


def _contrasts(
    method: DfMethod, beta: FloatArray, names: Sequence[str], L: Any, level: float
) -> ResultTable:
    """Each hypothesis about β (p,) by itself, with its interval."""
    tested = read_hypotheses(L, names)
    found = linear_functions_by(method, beta, tested.L, tested.rhs)
    return table_of_tests(found, tested.labels, "Contrasts", level)


def _joint_test(method: DfMethod, beta: FloatArray, names: Sequence[str], L: Any) -> ResultTable:
    """All hypotheses about β (p,) together: an F test."""
    tested = read_hypotheses(L, names)
    check_consistent(tested)
    test = method.joint(tested.L, tested.L @ beta - tested.rhs)
    return ResultTable(
        {
            "statistic": [test.statistic],
            "num_df": [test.num_df],
            "den_df": [test.den_df],
            "p_value": [test.p_value],
        },
        index=["joint"],
        title=f"F test of {', '.join(tested.labels)}",
        notes=method.joint_notes,
    )
