"""F tests of the terms of the fixed part: analysis of variance of Type I, II or III."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from numbers import Integral
from typing import Any

import numpy as np

from ...data.design import Design
from ...errors import ArgumentError
from ...results.state import FitState
from ...support.arguments import short_repr
from ...support.arrays import FloatArray
from ...tables.result_table import ResultTable
from ..degrees_of_freedom.f_statistic import JointTest, principal_rows
from ..degrees_of_freedom.methods import DfMethod, df_method
from .term_contrasts import TYPES, TermContrasts, contrasts_of

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
    terms: Collection[str] | None = None,
) -> ResultTable:
    """F test of each term of the fixed part.

    Parameters
    ----------
    state : FitState
    type : {3, 2, 1}
        See :func:`lmforms.inference.terms.term_contrasts.term_contrasts`.
    ddf, information
        See :func:`lmforms.inference.degrees_of_freedom.methods.df_method`.
    terms : collection of str, optional
        Labels of the terms to test; all by default.

    Returns
    -------
    ResultTable
        One row a term, in the order of the formula without the intercept: ``sum_sq``, ``mean_sq``,
        ``num_df``, ``den_df``, ``statistic``, ``p_value``. The mean square is σ̂²F with F before
        Kenward and Roger's scale factor, and the sum of squares that times `num_df`, as in
        lmerTest. A term without estimable hypotheses has ``num_df`` 0 and NaN elsewhere.

    Raises
    ------
    ArgumentError, ModelError
    """
    type = checked_type(type)
    method = df_method(state, ddf, information)
    contrasts = contrasts_of(state.design, type)
    beta, variance = state.estimate.beta, state.estimate.sigma**2
    hypotheses = {term: L for term, L in contrasts.L.items() if terms is None or term in terms}
    tests = {term: method.joint(L, L @ beta) for term, L in hypotheses.items()}
    sums = [
        variance * float((principal_rows(L, L @ beta, method.covariance)[1] ** 2).sum())
        for L in hypotheses.values()
    ]
    table = _table(tests, type, notes_of_tests(state.design, type, contrasts, tests, method.notes))
    tested = table["num_df"].to_numpy() > 0
    sum_sq = np.where(tested, sums, np.nan)
    table.insert(0, "sum_sq", sum_sq)
    table.insert(1, "mean_sq", sum_sq / np.where(tested, table["num_df"], 1))
    return table


def term_table(design: Design, method: DfMethod, beta: FloatArray, type: int) -> ResultTable:
    """The same tests for estimates β̂ (p,) whose covariance `method` has, without sums of squares.

    Parameters
    ----------
    design : Design
    method : DfMethod
    beta : ndarray (p,)
    type : {3, 2, 1}

    Raises
    ------
    ArgumentError, ModelError
    """
    type = checked_type(type)
    contrasts = contrasts_of(design, type)
    tests = {term: method.joint(L, L @ beta) for term, L in contrasts.L.items()}
    return _table(tests, type, notes_of_tests(design, type, contrasts, tests, method.joint_notes))


def checked_type(type: Any) -> int:
    """A type of hypotheses: 1, 2 or 3.

    Raises
    ------
    ArgumentError

    Examples
    --------
    >>> checked_type("III")
    Traceback (most recent call last):
    ...
    lmforms.errors.ArgumentError: type='III': use one of 1, 2, 3. Did you mean 3?
    """
    if isinstance(type, Integral) and not isinstance(type, bool) and int(type) in TYPES:
        return int(type)
    text = type.upper() if isinstance(type, str) else ""
    meant = [number for number, roman in ROMAN.items() if text in (roman, str(number))]
    hint = f" Did you mean {meant[0]}?" if meant else ""
    choices = ", ".join(str(number) for number in TYPES)
    raise ArgumentError(f"type={short_repr(type)}: use one of {choices}.{hint}")


def _table(tests: Mapping[str, JointTest], type: int, notes: Sequence[str]) -> ResultTable:
    def column(name: str) -> FloatArray:
        return np.array([getattr(test, name) for test in tests.values()], dtype=np.float64)

    return ResultTable(
        {
            "num_df": column("num_df").astype(np.int64),
            "den_df": column("den_df"),
            "statistic": column("statistic"),
            "p_value": column("p_value"),
        },
        index=list(tests),
        title=f"Type {ROMAN[type]} tests of terms",
        notes=notes,
    )


def notes_of_tests(
    design: Design,
    type: int,
    contrasts: TermContrasts,
    tests: Mapping[str, JointTest],
    method_notes: Sequence[str],
) -> list[str]:
    """What the types are, how the tests were made, and where hypotheses are missing."""
    notes = [f"Type {ROMAN[type]}: {HYPOTHESES[type]}.", *method_notes]
    notes += _rank_notes(design, tests)
    if type == 3:
        notes += [_empty_cells(term, *counts) for term, counts in contrasts.empty.items()]
    return notes


def _rank_notes(design: Design, tests: Mapping[str, JointTest]) -> list[str]:
    """Which terms have no or fewer hypotheses because columns of X depend on others."""
    untested = [term for term, test in tests.items() if test.num_df == 0]
    columns = {term: len(own) for term, own in design.fixed.columns_by_term.items()}
    partly = [
        f"{term} ({test.num_df} of {columns[term]})"
        for term, test in tests.items()
        if design.x_dropped and 0 < test.num_df < columns[term]
    ]
    notes = []
    if untested:
        notes.append(
            f"Without an estimable hypothesis: {', '.join(untested)}. Columns of other terms "
            "stand for the same differences."
        )
    if partly:
        notes.append(f"Hypotheses that are estimable, where not all are: {', '.join(partly)}.")
    return notes


def _empty_cells(term: str, empty: int, possible: int) -> str:
    verb = "has" if empty == 1 else "have"
    return (
        f"{empty} of the {possible} combinations of levels of {term} {verb} no rows: the "
        "hypotheses of terms within it depend on which are empty."
    )
