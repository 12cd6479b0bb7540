"""`compare`: information criteria of fitted models side by side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ...support.arguments import named_arguments
from ...support.arrays import FloatArray
from ...tables.result_table import ResultTable
from .criteria import aic, aicc, bic, loglik, npar
from .fits_compared import check_reml, compared_fits, family_text
from .generalized_fits import check_generalized
from .likelihood_ratio import fit_notes


@named_arguments
def compare(*fits: Any, names: Sequence[str] | None = None, **named: Any) -> ResultTable:
    """Information criteria of models, which need not be nested.

    Parameters
    ----------
    *fits, **named : MixedModelResults or GeneralizedResults
        Two or more, of one response on the same rows; all by ML, or all by REML with the same
        fixed effects. Keywords are their names in the table.
    names : sequence of str, optional
        Names of `fits`; their formulas by default.

    Returns
    -------
    ResultTable
        A row for each model, the lowest AIC first. Columns: ``npar``, ``criterion``
        (−2 × log-likelihood), ``loglik``, ``aic``, ``aicc`` (with n the number of rows), ``bic``,
        ``delta_aic`` (less the lowest) and ``weight``, the Akaike weight
        exp(−Δ/2) / Σ exp(−Δ/2); first ``residual``, the structure of the residuals, if a model
        has one, and ``family``, with the link, if there are several.

    Raises
    ------
    ArgumentError
        Fewer than two fits.
    DataError
        Different rows or responses.
    ModelError
        REML fits with different fixed effects, or among ML fits; linear with generalised models;
        generalised ones with different ``nagq``, or of counts and of densities.

    References
    ----------
    Burnham, Anderson (2002), *Model Selection and Multimodel Inference*, 2nd ed., Springer,
    sections 2.2, 2.4 and 2.9.

    Examples
    --------
    >>> import lmforms as lf
    >>> slopes = lf.lmer(
    ...     "Reaction ~ Days + (Days | Subject)", lf.datasets.load("sleepstudy"), reml=False
    ... )
    >>> separate = slopes.update("Reaction ~ Days + (Days || Subject)")
    >>> table = lf.compare(correlated=slopes, separate=separate)
    >>> table[["npar", "aic", "delta_aic", "weight"]].round(3)
                npar       aic  delta_aic  weight
    separate       5  1762.003      0.000   0.725
    correlated     6  1763.939      1.936   0.275

    Structures of the residuals:

    >>> data = lf.datasets.load("Orthodont")
    >>> names = ["iid", "ar1(age | Subject)", "cs(age | Subject)"]
    >>> fits = [lf.lmer("distance ~ age * Sex", data, residual=name) for name in names]
    >>> lf.compare(*fits, names=names)[["residual", "npar", "aic"]].round(2)
                                  residual  npar     aic
    cs(age | Subject)    cs(age | Subject)     6  445.76
    ar1(age | Subject)  ar1(age | Subject)     6  456.59
    iid                                iid     5  493.56
    """
    compared = compared_fits("compare", fits, named, names)
    check_generalized("compare", compared)
    check_reml("compare", compared, "Compare ML fits: fit.refit(reml=False) of each.")
    compared = sorted(compared, key=lambda fit: aic(fit.state))
    states = [fit.state for fit in compared]
    values = np.array([aic(state) for state in states])
    kind = "REML" if states[0].estimate.reml else "maximum likelihood"
    structures = [str(state.design.residual_spec or "iid") for state in states]
    first = {"residual": structures} if set(structures) != {"iid"} else {}
    families = [family_text(state) for state in states]
    if len(set(families)) > 1:
        first["family"] = families
    return ResultTable(
        {
            **first,
            "npar": [npar(state) for state in states],
            "criterion": [state.estimate.criterion for state in states],
            "loglik": [loglik(state) for state in states],
            "aic": values,
            "aicc": [aicc(state) for state in states],
            "bic": [bic(state) for state in states],
            "delta_aic": values - values.min(),
            "weight": akaike_weights(values),
        },
        index=pd.Index([fit.name for fit in compared]),
        title=f"Information criteria, {kind}",
        notes=fit_notes({fit.name: fit.state for fit in compared}),
    )


def akaike_weights(values: FloatArray) -> FloatArray:
    """exp(−Δ/2) / Σ exp(−Δ/2) of values of AIC.

    Examples
    --------
    >>> akaike_weights(np.array([10.0, 12.0])).round(4)
    array([0.7311, 0.2689])
    """
    likelihoods = np.exp(-0.5 * (values - values.min()))
    return np.asarray(likelihoods / likelihoods.sum())
