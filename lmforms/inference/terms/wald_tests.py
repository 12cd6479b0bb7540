r"""Wald χ² tests of the terms of the fixed part of a generalised model: Type I, II or III.

With :math:`W(S)` the Wald statistic of the hypothesis that the terms S can be left out, that is
that Xβ is in the span of the columns of all others, the test of a term T is

- of Type I: :math:`W(T ∪ L) - W(L)` with the terms L that come later,
- of Type II: :math:`W(T ∪ R) - W(R)` with the terms R that have all variables of T and more,

quadratic approximations of the likelihood ratio of the models without L, or R. Type II is that of
``Anova`` of the R package car. Type III tests the estimable functions of SAS, see
:mod:`.term_contrasts`; they are those of ``Anova(type=3)`` with contrasts that add up to zero.

References
----------
Fox, Weisberg (2019), *An R Companion to Applied Regression*, 3rd ed., Sage, section 5.3.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np

from ...data.design import Design
from ...results.state import FitState
from ...support.arrays import FloatArray
from ...tables.result_table import ResultTable
from ..degrees_of_freedom.f_statistic import JointTest, f_p_value
from ..degrees_of_freedom.methods import DfMethod, df_method
from ..latent_scale import with_intercept
from .fixed_terms import contained_terms
from .term_contrasts import TermContrasts, contrasts_of
from .term_tests import ROMAN, checked_type, notes_of_tests

RANK = 1e-8
"""Singular values of columns of length 1 below this are zero."""

METHOD = "Wald χ² tests, with the covariance of the fixed effects."


def wald_table(state: FitState, type: Any = 3, terms: Collection[str] | None = None) -> ResultTable:
    """χ² test of each term of the fixed part.

    Parameters
    ----------
    state : FitState
        Of a generalised model.
    type : {3, 2, 1}
    terms : collection of str, optional
        Labels of the terms to test; all by default.

    Returns
    -------
    ResultTable
        One row a term, in the order of the formula without the intercept: ``statistic``, ``df``,
        ``p_value``. A term without estimable hypotheses has ``df`` 0.

    Raises
    ------
    ArgumentError
    """
    state = with_intercept(state)
    type, design = checked_type(type), state.design
    method, beta = df_method(state, "none"), state.estimate.beta
    containing = contained_terms(design)
    contrasts = contrasts_of(design, 3) if type == 3 else TermContrasts({}, {})
    order = list(containing)
    tests = {}
    for place, term in enumerate(order):
        if terms is not None and term not in terms:
            continue
        if type == 3:
            L = contrasts.L[term]
            tests[term] = method.joint(L, L @ beta)
        else:
            others = order[place + 1 :] if type == 1 else containing[term]
            tests[term] = _difference(design, method, beta, term, others)
    return ResultTable(
        {
            "statistic": [test.statistic * test.num_df for test in tests.values()],
            "df": [test.num_df for test in tests.values()],
            "p_value": [test.p_value for test in tests.values()],
        },
        index=list(tests),
        title=f"Type {ROMAN[type]} tests of terms",
        notes=notes_of_tests(design, type, contrasts, tests, [METHOD]),
    )


def _difference(
    design: Design, method: DfMethod, beta: FloatArray, term: str, others: Sequence[str]
) -> JointTest:
    """The test of a term in the model without some others."""
    first = _without(design, method, beta, [term, *others])
    second = _without(design, method, beta, others)
    df = first.num_df - second.num_df
    if df <= 0:
        return JointTest(np.nan, 0, np.nan, np.nan)
    total = first.statistic * first.num_df
    if second.num_df:
        total -= second.statistic * second.num_df
    statistic = max(total, 0.0) / df
    return JointTest(statistic, df, np.inf, f_p_value(statistic, df, np.inf))


def _without(design: Design, method: DfMethod, beta: FloatArray, terms: Sequence[str]) -> JointTest:
    """The test that terms can be left out."""
    L = _hypotheses(design, terms)
    return method.joint(L, L @ beta)


def _hypotheses(design: Design, terms: Sequence[str]) -> FloatArray:
    """L with Lβ = 0 where Xβ is in the span of the columns of all terms but some, (r, p).

    Where all columns are in the fit these are the coefficients of the terms left out; a column
    that was dropped may stand for one of theirs.
    """
    X, kept, by_term = design.fixed.values, design.x_kept, design.fixed.columns_by_term
    p = len(kept)
    left_out = np.concatenate([np.empty(0, dtype=np.intp), *(by_term[t] for t in terms)])
    places = np.flatnonzero(np.isin(kept, left_out))
    dropped = np.setdiff1d(np.setdiff1d(np.arange(X.shape[1]), kept), left_out)
    free = np.eye(p)[places]
    if not len(dropped) or not len(places):
        return free
    size = np.sqrt(np.einsum("ij,ij->j", X[:, kept], X[:, kept]))
    columns = X[:, dropped] / np.maximum(np.linalg.norm(X[:, dropped], axis=0), 1e-300)
    coordinates = np.linalg.lstsq(X[:, kept] / size, columns, rcond=None)[0]
    left, values, _ = np.linalg.svd(coordinates[places])
    rank = int((values > RANK).sum())
    return np.asarray(left[:, rank:].T @ free * size)
