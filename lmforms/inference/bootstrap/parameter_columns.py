"""Replicates as a table of the parameters of :mod:`lmforms.inference.model_parameters`."""

from __future__ import annotations

import numpy as np

from ...data.random_design import term_columns
from ...engine.replication.replicates import Replicates
from ...results.state import FitState
from ...support.arrays import FloatArray
from ..model_parameters import ModelParameter, model_parameters
from .residual_columns import residual_columns


def parameter_columns(state: FitState, found: Replicates) -> FloatArray:
    """Values of all parameters, (c, parameters); NaN for refits that failed.

    A correlation beside a zero variance is NaN too.
    """
    parameters = model_parameters(state)
    places = term_columns(state.design)
    residual = residual_columns(state, found)
    out = np.empty((len(found), len(parameters)))
    for j, parameter in enumerate(parameters):
        if parameter.kind == "fixed":
            out[:, j] = found.beta[:, parameter.first]
        elif parameter.kind in ("sd", "cor"):
            group, columns = places[parameter.term]
            rows = found.lams[group][:, columns]
            out[:, j] = _deviation_or_correlation(parameter, rows, found.sigma)
        elif parameter.kind == "structure":
            out[:, j] = _structure(state, parameter, found)
        else:
            out[:, j] = residual[:, max(parameter.first, 0)]
    return out


def _deviation_or_correlation(
    parameter: ModelParameter, rows: FloatArray, sigma: FloatArray
) -> FloatArray:
    """From λ of the term, (c, k, columns of λ)."""
    first = rows[:, parameter.first]
    size = np.sqrt(np.einsum("ca,ca->c", first, first))
    if parameter.kind == "sd":
        return np.asarray(sigma * size)
    second = rows[:, parameter.second]
    both = size * np.sqrt(np.einsum("ca,ca->c", second, second))
    product = np.einsum("ca,ca->c", first, second)
    return np.where(both > 0, product / np.where(both > 0, both, 1.0), np.nan)


def _structure(state: FitState, parameter: ModelParameter, found: Replicates) -> FloatArray:
    """A natural parameter of a term's structure."""
    term = state.design.terms[parameter.term]
    group = state.design.groups[term.group]
    own = group.covariance.theta_slices()[group.terms.index(parameter.term)]
    thetas = found.theta[term.group][:, own]
    natural = term.covariance.natural
    values = np.array(
        [
            natural(theta)[parameter.first] if np.isfinite(theta).all() else np.nan
            for theta in thetas
        ]
    )
    relative = term.covariance.parameters()[parameter.first].relative
    return np.asarray(found.sigma * values if relative else values)
