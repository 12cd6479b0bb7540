"""Predictions of a generalised fit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ...data.align import in_row_order
from ...data.design_rows import DesignRows
from ...data.frame import real_array
from ...data.output_table import column_like, table_like
from ...errors import ArgumentError, DataError, ModelError
from ...glmm.families.base import Family
from ...glmm.families.ordinal import Ordinal
from ...glmm.fit import parameter_of
from ...glmm.population import MeanFunction
from ...support.arrays import FloatArray
from ..predict import chosen_terms, rows_of
from ..prediction_intervals import LEVEL
from ..state import FitState
from .prediction_limits import PredictedRows, confidence_columns, prediction_columns
from .rows import estimate_of


def predicted(
    state: FitState,
    data: Any,
    *,
    random: str | Sequence[str],
    new_levels: str,
    kind: str,
    interval: str | None,
    level: float,
    average: bool,
    offset: npt.ArrayLike | None,
    trials: Any,
) -> Any:
    """Means, linear predictors or intervals of rows: see `GeneralizedResults.predict`."""
    _check(state, kind, interval, level, average, trials, data)
    needed = changing_mean(state) if kind == "response" else ()
    if interval == "prediction":
        needed = tuple(state.design.auxiliary)
    rows = rows_of(
        state.design,
        data,
        random=random,
        new_levels=new_levels,
        offset=offset,
        what="predict",
        others=average or interval == "prediction",
        auxiliary=needed,
    )
    estimate = estimate_of(state)
    eta = rows.linear_predictor(estimate.beta, estimate.b)
    if kind == "link" and interval is None:
        return column_like(data, "predicted", eta, rows.index)
    omega = omega_of_rows(state, rows)
    family = estimate.family
    if isinstance(family, Ordinal) and kind == "response":
        shares = np.where(np.isnan(eta)[:, None], np.nan, family.probabilities(eta, omega))
        by_class = dict(zip(family.classes, shares.T, strict=True))
        return table_like(data, by_class, rows.index)
    if interval is None and not average:
        mean = MeanFunction(estimate.family, estimate.likelihood.link)
        values = mean.at_predictor(eta, omega)
        return column_like(data, "predicted", values, rows.index)
    are_own = data is None and len(chosen_terms(state.design, random)) == len(state.design.terms)
    chosen = PredictedRows(state, rows, eta, omega, average, are_own)
    if interval is None:
        return column_like(data, "predicted", chosen.averages(), rows.index)
    if interval == "confidence":
        columns = confidence_columns(chosen, kind, level)
    else:
        columns = prediction_columns(chosen, level, _trials(state, data, trials, rows))
    return table_like(data, columns, rows.index)


def _check(
    state: FitState,
    kind: str,
    interval: str | None,
    level: float,
    average: bool,
    trials: Any,
    data: Any,
) -> None:
    """Refuse arguments that contradict each other or would have no effect."""
    if interval is None and level != LEVEL:
        raise ArgumentError("level is for intervals: add interval='confidence' or 'prediction'.")
    if isinstance(estimate_of(state).family, Ordinal) and (
        average or interval == "prediction" or (interval is not None and kind == "response")
    ):
        raise ModelError(
            "predict: ordered classes have probabilities, not a mean: intervals are there for the "
            "linear predictor, kind='link' and interval='confidence'."
        )
    if kind == "link" and interval == "prediction":
        raise ArgumentError(
            "predict: a prediction interval is one of a new response, which the link has no scale "
            "for. Use kind='response', or interval='confidence'."
        )
    if kind == "link" and average:
        raise ArgumentError(
            "predict: on the link, the average over random effects is the predictor with them at "
            "zero: leave `average` out. Means of the response need kind='response'."
        )
    if trials is None:
        return
    if interval != "prediction" or data is None or not estimate_of(state).family.takes_trials:
        raise ArgumentError(
            "predict: trials are for prediction intervals of new rows of a binomial response, "
            "interval='prediction'."
        )


def _trials(state: FitState, data: Any, trials: Any, rows: DesignRows) -> FloatArray | None:
    """Numbers of trials of new responses.

    Raises
    ------
    ArgumentError, DataError
        They are not known, or are no whole numbers above 0.
    """
    response, n = estimate_of(state).likelihood.response, len(rows.index)
    if not estimate_of(state).family.takes_trials:
        return None
    own = response.of_trials()
    if data is None:
        return own
    if trials is None and (own == 1.0).all():
        return np.ones(n)
    if trials is None:
        raise ArgumentError(
            "predict: the limits of a new proportion depend on its number of trials: give "
            "trials=, a number or one for each new row."
        )
    values = real_array("trials", in_row_order("trials", trials, rows.index, allow_more=True))
    if values.shape not in ((), (n,)):
        raise DataError(f"trials has shape {values.shape}; there are {n} new rows.")
    if not (np.isfinite(values) & (values >= 1.0) & (values == np.floor(values))).all():
        raise DataError("trials must be whole numbers, 1 or more.")
    return np.array(np.broadcast_to(values, (n,)))


def changing_mean(state: FitState) -> tuple[str, ...]:
    """Arguments that are formulas of parameters on which the expected response depends."""
    if type(estimate_of(state).family).expectation is Family.expectation:
        return ()
    return tuple(state.design.auxiliary)


def omega_of_rows(state: FitState, rows: DesignRows) -> list[FloatArray]:
    """ω of given rows; NaN where the columns of a formula were not asked for."""
    estimate = estimate_of(state)
    names, likelihood = estimate.family.parameter_names, estimate.likelihood
    columns = {
        parameter_of(estimate.family, argument): rows.auxiliary.get(argument)
        for argument in state.design.auxiliary
    }
    out = []
    for name, s in zip(names, likelihood.slices, strict=True):
        own = estimate.coefficients[s]
        if name not in columns:
            out.append(own)
            continue
        found = columns[name]
        out.append(np.full(len(rows.X), np.nan) if found is None else found @ own)
    return out
