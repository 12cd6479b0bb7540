"""Numbers of broom's tables of a generalised fit: ratios, the fit in one row, columns of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ...data.input_table import column_names, raw_table
from ...data.output_table import with_columns_like
from ...errors import ArgumentError, DataError, listed
from ...glmm.families.base import Family
from ...glmm.families.binomial import Binomial
from ...glmm.families.counts import NegativeBinomial, Poisson
from ...glmm.families.gaussian import Gaussian
from ...glmm.families.ordinal import Ordinal
from ...glmm.families.positive import Gamma, InverseGaussian
from ...inference.model_comparison.criteria import aic, bic, npar
from ...support.arrays import FloatArray
from ...tables.result_table import ResultTable
from ..predict import rows_of
from ..state import FitState
from .predictions import changing_mean, omega_of_rows
from .rows import estimate_of, expected, fitted_means, residuals

RATIOS = {"logit": "odds", "log": "means", "cloglog": "hazards"}
"""What the exponential of a coefficient is a ratio of, by the name of the link."""


# --- ratios ----------------------------------------------------------------------------------


def check_ratios(state: FitState, kinds: tuple[str, ...]) -> None:
    """Refuse ratios of a link whose coefficients are no logarithms, or of rows that have none.

    Raises
    ------
    ArgumentError
    """
    link = estimate_of(state).likelihood.link.name
    if link not in RATIOS:
        raise ArgumentError(
            f"exponentiate=True: coefficients of the {link} link are no logarithms of ratios; "
            f"those of the links {listed(list(RATIOS))} are. Leave it out."
        )
    if "fixed" not in kinds:
        raise ArgumentError(
            "exponentiate=True concerns the fixed effects: leave it out, or add 'fixed' to the "
            "effects."
        )


def as_ratios(state: FitState, table: ResultTable) -> ResultTable:
    """A tidy table whose fixed effects are exponentiated; standard errors by the delta method."""
    rows = (table["effect"] == "fixed").to_numpy()
    columns: dict[str, Any] = {str(name): table[name] for name in table.columns}
    ratio = np.exp(table["estimate"].to_numpy())
    columns["std.error"] = np.where(rows, ratio, 1.0) * table["std.error"].to_numpy()
    for name in ("estimate", "conf.low", "conf.high"):
        if name in columns:
            values = table[name].to_numpy()
            columns[name] = np.where(rows, np.exp(values), values)
    link = estimate_of(state).likelihood.link.name
    note = f"Fixed effects are exponentiated, as ratios of {RATIOS[link]}."
    return ResultTable(columns, title=table.title, notes=[*table.notes, note])


# --- the fit in one row ----------------------------------------------------------------------


def glance_generalized(state: FitState) -> ResultTable:
    """One row for the fit: see :meth:`lmforms.GeneralizedResults.glance`."""
    estimate, n = estimate_of(state), state.design.n
    sigma = residual_sigma(state)
    deviance = {}
    if not isinstance(estimate.family, Ordinal):
        deviance["deviance"] = [float(np.sum(_deviance_residuals(state) ** 2))]
    columns: dict[str, list[float]] = {
        "nobs": [n],
        **({} if sigma is None else {"sigma": [sigma]}),
        "logLik": [-0.5 * estimate.criterion],
        "AIC": [aic(state)],
        "BIC": [bic(state)],
        **deviance,
        "df.residual": [n - npar(state)],
    }
    return ResultTable(columns, title="The fit in one row")


def residual_sigma(state: FitState) -> float | None:
    """σ of families that lme4 has: 1, or the root of the dispersion; None of others."""
    estimate = estimate_of(state)
    family = estimate.family
    if "dispersion" in state.design.auxiliary:
        return None
    if isinstance(family, (Binomial, Poisson, NegativeBinomial)):
        return 1.0
    if isinstance(family, (Gaussian, Gamma, InverseGaussian)):
        (omega,) = family.complete(estimate.likelihood.omega(estimate.coefficients))
        return float(np.exp(0.5 * np.ravel(omega)[0]))
    return None


# --- rows ------------------------------------------------------------------------------------


def augment_columns(state: FitState) -> dict[str, FloatArray]:
    """Columns of ``augment`` in broom.mixed, but for ``.hat`` and ``.cooksd``."""
    design, estimate = state.design, estimate_of(state)
    if isinstance(estimate.family, Ordinal):
        return _columns_of_classes(state)
    likelihood, family, eta = estimate.likelihood, estimate.family, estimate.eta
    link, trials = likelihood.link, likelihood.response.trials
    weights = np.ones(design.n) if likelihood.weights is None else likelihood.weights
    omega = likelihood.omega(estimate.coefficients)
    with np.errstate(all="ignore"):
        variance = family.variance(link.mean(eta), omega, trials)
        root = np.sqrt(weights / variance)
    made = {
        ".fitted": eta,
        ".resid": _deviance_residuals(state),
        ".fixed": design.X @ estimate.beta + design.offset,
        ".mu": fitted_means(state),
        ".offset": design.offset,
        ".sqrtXwt": root * link.inner("identity", eta, 1)[1],
        ".sqrtrwt": root,
        ".weights": weights if trials is None else weights * trials,
        ".wtres": residuals(state, "pearson", np.random.default_rng(0)),
        ".eta": eta,
    }
    if type(family).expectation is not Family.expectation:
        del made[".sqrtXwt"]  # the mean is not that of the link
    if not np.array_equal(state.response, design.y):
        made[".response"] = state.response
    return made


def _columns_of_classes(state: FitState) -> dict[str, FloatArray]:
    """Columns of ordered classes, which have no mean."""
    design, estimate = state.design, estimate_of(state)
    weights = estimate.likelihood.weights
    return {
        ".fitted": estimate.eta,
        ".fixed": design.X @ estimate.beta + design.offset,
        ".offset": design.offset,
        ".weights": np.ones(design.n) if weights is None else weights,
        ".eta": estimate.eta,
    }


def augmented_new_rows(
    state: FitState, data: Any, *, new_levels: str, offset: npt.ArrayLike | None
) -> Any:
    """New rows with linear predictors and means: a table of the kind of `data`.

    Raises
    ------
    ArgumentError, ColumnError, DataError
    """
    estimate, names = estimate_of(state), column_names(data)
    rows = rows_of(
        state.design,
        data,
        random="all",
        new_levels=new_levels,
        offset=offset,
        what="augment",
        auxiliary=changing_mean(state),
    )
    eta = rows.linear_predictor(estimate.beta, estimate.b)
    made = {
        ".fitted": eta,
        ".fixed": rows.X @ estimate.beta + rows.offset,
    }
    if not isinstance(estimate.family, Ordinal):
        made[".mu"] = expected(estimate, eta, omega_of_rows(state, rows))
    taken = [name for name in made if name in names]
    if taken:
        raise DataError(f"augment: newdata have columns {listed(taken)} already: drop them.")
    if not isinstance(data, Mapping):
        return with_columns_like(data, np.arange(len(eta)), made)
    return raw_table(data, names).data.assign(**made)


def _deviance_residuals(state: FitState) -> FloatArray:
    return residuals(state, "deviance", np.random.default_rng(0))
