"""F tests of the terms of the fixed part: analysis of variance of Type I, II or III."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ..errors import ArgumentError
from ..results.result_table import ResultTable
from ..results.state import FitState
from ..support.arguments import short_repr
from ..support.arrays import FloatArray
from .df_methods import df_method
from .f_statistic import JointTest
from .term_contrasts import TYPES, contrasts_of

ROMAN = {1: "I", 2: "II", 3: "III"}

HYPOTHESES = {
    1: "each term after those before it",
    2: "each term after all others that do not contain it",
    3: "each term averaged over the levels of the terms that contain it",
}


def anova_table(
    state: FitState,
    type: int = 3,
    ddf: str = "satterthwaite",
    information: str | None = None,
) -> ResultTable:
    """F test of each term of the fixed part.

    Parameters
    ----------
    state : FitState
    type : {3, 2, 1}
        See :func:`lmforms.inference.term_contrasts.term_contrasts`.
    ddf, information
        See :func:`lmforms.inference.df_methods.df_method`.

    Returns
    -------
    ResultTable
        One row a term, in the order of the formula without the intercept: ``sum_sq``, ``mean_sq``,
        ``num_df``, ``den_df``, ``statistic``, ``p_value``. The mean square is σ̂²F, and the sum of
        squares that times `num_df`, as in lmerTest. A term without estimable hypotheses has
        ``num_df`` 0 and NaN elsewhere.

    Raises
    ------
    ArgumentError, ModelError
    """
    check_type(type)
    method = df_method(state, ddf, information)
    contrasts = contrasts_of(state.design, type)
    tests = {
        term: method.joint(L, L @ state.estimate.beta) for term, L in contrasts.L.items()
    }
    notes = [f"Type {ROMAN[type]}: {HYPOTHESES[type]}.", *method.notes]
    untested = [term for term, test in tests.items() if test.num_df == 0]
    if untested:
        notes.append(
            f"Without an estimable hypothesis: {', '.join(untested)}. Columns of other terms "
            "stand for the same differences."
        )
    if type == 3:
        notes += [_empty_cells(term, *counts) for term, counts in contrasts.empty.items()]
    return table_of(tests, state.estimate.sigma**2, f"Type {ROMAN[type]} tests of terms", notes)


def check_type(type: object) -> None:
    """Refuse what is no type of hypotheses.

    Raises
    ------
    ArgumentError
    """
    if isinstance(type, bool) or type not in TYPES:
        choices = ", ".join(str(t) for t in TYPES)
        hint = next(
            (f" Did you mean {t}?" for t, name in ROMAN.items() if type in (name, str(t))), ""
        )
        raise ArgumentError(f"type={short_repr(type)}: use one of {choices}.{hint}")


def table_of(
    tests: Mapping[str, JointTest], variance: float, title: str, notes: list[str]
) -> ResultTable:
    """The table of F tests by term."""

    def column(name: str) -> FloatArray:
        return np.array([getattr(test, name) for test in tests.values()], dtype=np.float64)

    num_df, statistic = column("num_df"), column("statistic")
    mean_sq = statistic * variance
    return ResultTable(
        {
            "sum_sq": mean_sq * num_df,
            "mean_sq": mean_sq,
            "num_df": num_df.astype(np.int64),
            "den_df": column("den_df"),
            "statistic": statistic,
            "p_value": column("p_value"),
        },
        index=list(tests),
        title=title,
        notes=notes,
    )


def _empty_cells(term: str, empty: int, possible: int) -> str:
    verb = "has" if empty == 1 else "have"
    return (
        f"{empty} of the {possible} combinations of levels of {term} {verb} no rows: the hypotheses of "
        "terms within it depend on which are empty."
    )
