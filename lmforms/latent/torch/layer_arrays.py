"""Arrays of a fitted form, without labels, for a layer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from ...errors import ArgumentError
from ...support.arrays import FloatArray
from ..form import LinearMixedForm


class Loadings(NamedTuple):
    """α (m, k), β (p, k), u (q, k)."""

    alpha: FloatArray
    beta: FloatArray
    u: FloatArray


def form_loadings(form: Any) -> Loadings:
    """Loadings of a fitted form of three matrices, as arrays without labels."""
    if not isinstance(form, LinearMixedForm):
        raise ArgumentError(f"from_form() takes a LinearMixedForm, not {type(form).__name__}.")
    if not hasattr(form, "alpha_"):
        raise ArgumentError("This form is not fitted yet: call fit(Y, X, Z) first.")
    loadings = (form.alpha_, form.beta_, form.u_)
    if any(isinstance(A, Mapping) for A in loadings):
        raise ArgumentError("from_form() takes a form of three matrices, not of lists of them.")
    return Loadings(*(np.array(A, dtype=np.float64) for A in loadings))


def precisions(form: LinearMixedForm) -> FloatArray:
    """1/D of all columns, those of Y first; zero for columns that were left out."""
    return np.concatenate([part.precisions for part in form._form_fit.parts.values()])


def offsets(form: LinearMixedForm) -> FloatArray:
    """The constants of columns that were left out, zero for all others."""
    return np.concatenate([part.offset for part in form._form_fit.parts.values()])


def counted(form: LinearMixedForm) -> FloatArray:
    """Ones, and zeros for columns that were left out."""
    constants = np.concatenate([part.constants for part in form._form_fit.parts.values()])
    return np.isnan(constants).astype(np.float64)
