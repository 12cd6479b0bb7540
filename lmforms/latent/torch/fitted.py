"""What the layer takes over from a fitted form: arrays, by the form's public attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ...errors import ArgumentError
from ..form import LinearMixedForm
from ..objective import Codes, Loadings, Weights

# As in the form: the least noise assumed, as a share of the mean square.
NOISELESS = 1e-14


def parts(form: Any) -> tuple[Loadings, Codes]:
    """Loadings and codes of a fitted form, as arrays without labels."""
    if not isinstance(form, LinearMixedForm):
        raise ArgumentError(f"from_form() takes a LinearMixedForm, not {type(form).__name__}.")
    if not hasattr(form, "alpha_"):
        raise ArgumentError("This form is not fitted yet: call fit(Y, X, Z) first.")
    held = (form.alpha_, form.beta_, form.u_)
    if any(isinstance(A, (list, tuple, Mapping)) for A in held):
        raise ArgumentError("from_form() takes a form of three matrices, not of lists of them.")
    arrays = (np.array(A, dtype=np.float64) for A in held)
    return Loadings(*arrays), Codes(*(np.array(A, dtype=np.float64) for A in (form.K_, form.H_)))


def precisions(form: LinearMixedForm, loadings: Loadings, codes: Codes) -> Weights:
    """1/v of Y, X, Z: v the mean over columns of what the form leaves of their second moments."""
    found = []
    for name, L, code in zip(Weights._fields, loadings, (codes.K + codes.H, *codes)):
        whole = np.diag(np.asarray(form.implied_covariance(name)))
        explained = np.einsum("jk,kl,jl->j", L, code.T @ code / len(code), L)
        v = np.mean(whole - explained)
        found.append(1.0 / max(v, NOISELESS * np.mean(whole)))
    return Weights(*found)
