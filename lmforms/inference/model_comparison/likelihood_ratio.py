"""Likelihood-ratio statistics and their p-values, on the boundary too.

With criterion = −2 × log-likelihood, the statistic of a model within another is the difference of
their criteria. If the smaller model is true it has, in large samples, a χ² distribution with as
many degrees of freedom as there are parameters more. A variance of zero lies on the boundary of
the parameters, where this is not so: with one variance more, and q covariances that it brings, the
statistic has the mixture ½χ²_q + ½χ²_{q+1}, and the p-value of χ²_{q+1} is too large.

References
----------
Self, Liang (1987), *Asymptotic Properties of Maximum Likelihood Estimators and Likelihood Ratio
Tests Under Nonstandard Conditions*, JASA 82(398), case 5.

Stram, Lee (1994), *Variance Components Testing in the Longitudinal Mixed Effects Model*,
Biometrics 50(4), cases 1 to 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ...results.state import FitState
from ..residual_estimates import names_at_bound
from .criteria import aic, bic, loglik, npar

LEAST_EXCESS = 1e-4
"""A larger model whose criterion is higher by more than this was not fitted to its optimum."""

LEAST_STATISTIC = 1e-8
"""Smaller differences of two criteria are zero: optimisers stop at such a distance."""

CHI_SQUARED_NOTE = "p_value: χ² with df degrees of freedom"
MIXTURE_NOTE = (
    "p_value_mixture: ½χ²(df−1) + ½χ²(df), as one variance more is tested, at its bound of zero."
)


@dataclass(frozen=True)
class LikelihoodRatio:
    """A likelihood-ratio test.

    Attributes
    ----------
    statistic : float
        Difference of the criteria, at least 0.
    df : int
        Difference of the numbers of parameters.
    p_value : float
        By χ² with `df`; NaN if there are no more parameters, or the models are not nested.
    p_value_mixture : float
        By ½χ²(df−1) + ½χ²(df) if the larger model has just one variance more; else NaN.
    """

    statistic: float
    df: int
    p_value: float
    p_value_mixture: float


NO_TEST = LikelihoodRatio(np.nan, 0, np.nan, np.nan)


def chi_squared_p(statistic: float, df: int) -> float:
    """P(χ² ≥ statistic); χ² with no degrees of freedom is zero.

    Examples
    --------
    >>> round(chi_squared_p(3.841459, 1), 6), chi_squared_p(0.0, 0), chi_squared_p(0.1, 0)
    (0.05, 1.0, 0.0)
    """
    from scipy.special import chdtrc

    if df == 0:
        return float(statistic <= 0.0)
    return float(chdtrc(df, statistic))


def mixture_p(statistic: float, covariances: int) -> float:
    """P of ½χ²_q + ½χ²_{q+1}, for a variance more with q covariances.

    Examples
    --------
    >>> round(mixture_p(2.705543, 0), 6), mixture_p(0.0, 0)
    (0.05, 1.0)
    """
    lower, upper = (chi_squared_p(statistic, covariances + more) for more in (0, 1))
    return 0.5 * (lower + upper)


def likelihood_ratio(
    small: FitState, large: FitState, *, nested: bool = True, one_variance: bool = False
) -> LikelihoodRatio:
    """The test of a model within a larger one, both fitted by the same criterion.

    Parameters
    ----------
    small, large : FitState
    nested : bool
        Whether one is a special case of the other; else there is a statistic and no p-value.
    one_variance : bool
        Whether the larger has just one variance more, with its covariances, see
        :func:`.nested_models.one_variance_more`.
    """
    df = npar(large) - npar(small)
    statistic = small.estimate.criterion - large.estimate.criterion
    statistic = statistic if statistic > LEAST_STATISTIC else 0.0
    if df <= 0 or not nested:
        return LikelihoodRatio(statistic, df, np.nan, np.nan)
    return LikelihoodRatio(
        statistic,
        df,
        chi_squared_p(statistic, df),
        mixture_p(statistic, df - 1) if one_variance else np.nan,
    )


def likelihood_columns(
    states: Sequence[FitState], tests: Sequence[LikelihoodRatio]
) -> Mapping[str, list[float]]:
    """Columns of a table of tests, a row for each model; NaN where there is no test."""
    tested = [test is not NO_TEST for test in tests]
    return {
        "npar": [npar(state) for state in states],
        "criterion": [state.estimate.criterion for state in states],
        "loglik": [loglik(state) for state in states],
        "aic": [aic(state) for state in states],
        "bic": [bic(state) for state in states],
        "statistic": [test.statistic for test in tests],
        "df": [test.df if there else np.nan for test, there in zip(tests, tested, strict=True)],
        "p_value": [test.p_value for test in tests],
        "p_value_mixture": [test.p_value_mixture for test in tests],
    }


def fit_notes(named: Mapping[str, FitState]) -> list[str]:
    """What a reader of a comparison should know of how the fits ended."""
    notes = []
    unfinished = [name for name, state in named.items() if not state.estimate.converged]
    if unfinished:
        notes.append(f"Not converged, so that the likelihood may be higher: {_list(unfinished)}.")
    singular = [name for name, state in named.items() if state.estimate.singular]
    if singular:
        notes.append(
            f"Singular, with a variance of zero or a correlation of ±1: {_list(singular)}."
        )
    flat = [name for name, state in named.items() if state.estimate.unidentified]
    if flat:
        notes.append(f"With variances that the data cannot tell apart: {_list(flat)}.")
    bounds = [
        f"{name} ({', '.join(at)})"
        for name, state in named.items()
        if (at := names_at_bound(state))
    ]
    if bounds:
        notes.append(f"Residual parameters at a bound: {_list(bounds)}.")
    errors = [state.estimate.criterion_se for state in named.values()]
    if max(errors) > 0:
        notes.append(
            "Criteria were estimated (conjugate gradients), with standard errors up to "
            f"{max(errors):.2g}."
        )
    return notes


def _list(names: Sequence[str]) -> str:
    return ", ".join(names)
