"""A linear mixed form beside many fits: Xβ̂ and Zb̂ found again at the variances of the table."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from ..companion import Forms
from ..companion.form_inputs import FormInputs
from ..companion.forms import beside
from ..data.random_design import random_part
from ..data.theta_order import theta_by_group
from ..engine.estimate import estimate
from ..errors import DataError, LmformsWarning, ModelError
from ..support.arrays import BoolArray, FloatArray, IndexArray

if TYPE_CHECKING:
    from ..data.design import Design
    from .fitter import ManyFits
    from .origin import Origin


SAME = 1e-6
"""Difference of σ̂ or β̂ found again and in the table, relative to the larger: other responses."""


def many_forms(fits: ManyFits, rank: int | None, params: Mapping[str, Any]) -> Forms:
    """See :meth:`lmforms.ManyFits.forms`."""
    origin = fits._origin
    if origin is None:
        raise DataError(
            "forms: these fits kept no rows, as they came from stream=True or an iterator of "
            "responses. Give lmer_many() the responses as an array or table."
        )
    if origin.source.relationship is not None:
        raise ModelError(
            "forms: fits of many responses with relationship= have no random effects here; fit "
            "each by lmforms.lmer(…, relationship=…) and call its forms()."
        )
    names, Y = origin.columns()
    if names != fits.fits["response"].tolist():
        raise _changed()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LmformsWarning)  # said when the responses were fitted
        design, places = origin.source.design()
        sides = FormInputs.of(design)
        fixed, random = _parts(fits, origin, Y, places)
    Y = Y[places] - design.offset[:, None]
    formula = origin.source.formula.partition("~")[2].strip()
    return beside(sides, tuple(names), Y, fixed, random, rank, params, f"~ {formula}", stacked=True)


def _parts(
    fits: ManyFits, origin: Origin, Y: FloatArray, places: IndexArray
) -> tuple[FloatArray, FloatArray]:
    """Xβ̂ and Zb̂ on the rows of each response; NaN elsewhere and where there is no fit."""
    theta = fits.fits.filter(regex=r"^theta(\[\d+\])?$").to_numpy()
    sigma = fits.fits["sigma"].to_numpy()
    beta = fits.fixed["estimate"].to_numpy().reshape(len(fits.fits), -1)
    fixed, random = np.full_like(Y, np.nan), np.full_like(Y, np.nan)
    designs: dict[bytes, tuple[Design, IndexArray]] = {}
    for j in np.flatnonzero(np.isfinite(sigma)):
        rows: BoolArray = np.ones(len(Y), dtype=bool)
        rows[places] = ~np.isnan(Y[places, j])
        key = rows.tobytes()
        if key not in designs:
            designs[key] = origin.source.design(None if rows.all() else rows)
        design, own = designs[key]
        found = estimate(
            design.rows(Y[own, j]),
            [g.covariance for g in design.groups],
            reml=origin.reml,
            control=origin.control,
            start=theta_by_group(design, theta[j][~np.isnan(theta[j])]),
            fixed_theta=True,
        )
        known = beta[j][~np.isnan(beta[j])]
        slack = SAME * max(sigma[j], float(np.abs(known).max(initial=0.0)))
        if (
            abs(found.sigma - sigma[j]) > slack
            or np.abs(found.beta - known).max(initial=0.0) > slack
        ):
            raise _changed()
        fixed[own, j], random[own, j] = design.X @ found.beta, random_part(design, found.b)
    return fixed[places], random[places]


def _changed() -> DataError:
    return DataError(
        "forms: the responses or the data have changed since lmer_many() saw them. Fit them again."
    )
