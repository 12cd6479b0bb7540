"""A linear mixed form for many fits, with Xβ̂ and Zb̂ computed at the variances of their table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..companion import Forms
from ..companion.form_inputs import FormInputs
from ..companion.forms import compare_with_form
from ..data.random_design import random_part
from ..data.theta_order import theta_by_group
from ..engine.estimate import estimate
from ..errors import DataError, LmformsWarning, ModelError
from ..support.arrays import BoolArray, FloatArray, IndexArray

if TYPE_CHECKING:
    import pandas as pd

    from ..data.design import Design
    from .fit_inputs import FitInputs


SAME_FIT_TOLERANCE = 1e-6
"""Relative difference of σ̂ or β̂ from the table above which the data must have changed."""


def forms_of_many(
    fits: pd.DataFrame,
    beta: FloatArray,
    inputs: FitInputs | None,
    rank: int | None,
    params: Mapping[str, Any],
) -> Forms:
    """See :meth:`lmforms.ManyFits.forms`; `beta` are the fixed effects (responses, p)."""
    if inputs is None:
        raise DataError(
            "forms: these fits kept no rows, as they came from stream=True or an iterator of "
            "responses. Give lmer_many() the responses as an array or table."
        )
    if inputs.source.relationship is not None:
        raise ModelError(
            "forms: fits of many responses with relationship= have no random effects here; fit "
            "each by lmforms.lmer(…, relationship=…) and call its forms()."
        )
    names, Y = inputs.columns()
    if names != fits["response"].tolist():
        raise _data_changed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)  # given when the responses were fitted
        design, places = inputs.source.design()
        form_inputs = FormInputs.of(design)
        Xb, Zb = _fixed_and_random_parts(fits, beta, inputs, Y, places)
    Y = Y[places] - design.offset[:, None]
    formula = inputs.source.formula.partition("~")[2].strip()
    return compare_with_form(
        form_inputs, tuple(names), Y, Xb, Zb, rank, params, f"~ {formula}", stacked=True
    )


def _fixed_and_random_parts(
    fits: pd.DataFrame, beta: FloatArray, inputs: FitInputs, Y: FloatArray, places: IndexArray
) -> tuple[FloatArray, FloatArray]:
    """Xβ̂ and Zb̂ on the rows of each response; NaN elsewhere and where there is no fit."""
    theta = fits.filter(regex=r"^theta(\[\d+\])?$").to_numpy()
    sigma = fits["sigma"].to_numpy()
    Xb, Zb = np.full_like(Y, np.nan), np.full_like(Y, np.nan)
    designs: dict[bytes, tuple[Design, IndexArray]] = {}
    for j in np.flatnonzero(np.isfinite(sigma)):
        rows: BoolArray = np.ones(len(Y), dtype=bool)
        rows[places] = ~np.isnan(Y[places, j])
        key = rows.tobytes()
        if key not in designs:
            designs[key] = inputs.source.design(None if rows.all() else rows)
        design, own = designs[key]
        found = estimate(
            design.rows(Y[own, j]),
            [g.covariance for g in design.groups],
            reml=inputs.reml,
            control=inputs.control,
            at=theta_by_group(design, theta[j][~np.isnan(theta[j])]),
        )
        known = beta[j][~np.isnan(beta[j])]
        slack = SAME_FIT_TOLERANCE * max(sigma[j], float(np.abs(known).max(initial=0.0)))
        if (
            abs(found.sigma - sigma[j]) > slack
            or np.abs(found.beta - known).max(initial=0.0) > slack
        ):
            raise _data_changed()
        Xb[own, j], Zb[own, j] = design.X @ found.beta, random_part(design, found.b)
    return Xb[places], Zb[places]


def _data_changed() -> DataError:
    return DataError(
        "forms: the responses or the data have changed since lmer_many() saw them. Fit them again."
    )
