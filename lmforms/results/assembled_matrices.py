"""The matrices of a fit, assembled in the user's units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from ..covariance import Covariance
from ..data.design import Design
from ..data.design_rows import own_rows
from ..data.random_design import random_names, term_columns
from ..engine.linalg.sparse_cholesky import cholesky_of
from ..engine.prior import Identity, Prior
from ..errors import ModelError
from ..relationship.priors import precisions_of
from ..support.arrays import FloatArray, IntArray
from .matrices import ModelMatrices
from .quantities import params, relative_factors, residuals
from .state import FitState


def model_matrices(state: FitState) -> ModelMatrices:
    """Assemble the matrices of a fit in the user's units.

    Parameters
    ----------
    state : FitState

    Returns
    -------
    ModelMatrices

    Raises
    ------
    ModelError
        The model was fitted by conjugate gradients: there is no L.

    Examples
    --------
    >>> import lmforms as lf
    >>> fit = lf.lmer("pr_dung ~ flies + (1 | oven_block)", lf.datasets.load("dung"))
    >>> m = fit.matrices
    >>> bool(np.allclose(m.y, m.X @ m.beta + m.Z @ m.b + m.e))
    True
    """
    import scipy.sparse as sp

    if not state.estimate.is_factored:
        raise ModelError(
            "fit.matrices holds the Cholesky factor L, which this model, fitted by conjugate "
            "gradients, is too large for. Fit it with Control(factor='sparse') or 'dense' if "
            "memory allows."
        )
    design, estimate = state.design, state.estimate
    index, factors = design.index, relative_factors(state)
    advice = "fit.matrices needs it; the equations of such a model are in lmforms.mme."
    priors = precisions_of(design, state.relationship, advice)
    priors = priors or [Identity()] * len(design.groups)
    lambdas, templates, precisions, effects = [], [], [], []
    n_theta = 0
    for (g, columns), term, lam in zip(term_columns(design), design.terms, factors, strict=True):
        q, k = len(design.groups[g].labels), len(term.columns)
        lambdas.append(sp.kron(sp.eye_array(q), sp.csr_array(lam)))
        templates.append(sp.kron(sp.eye_array(q, dtype=int), _template(term.covariance, n_theta)))
        precisions.append(sp.kron(priors[g].precision(q), sp.eye_array(k)))
        effects.append(estimate.b[g][:, columns].ravel())
        n_theta += term.covariance.n_theta
    Z, z_names = own_rows(design).random_columns(), random_names(design)
    empty = sp.csr_array((0, 0))
    Lambda, template, Q = (
        sp.block_diag(parts).tocsr() if parts else empty
        for parts in (lambdas, templates, precisions)
    )
    ZL = sp.csr_array(state.residual.whiten(sp.csr_matrix(Z))) @ Lambda
    X = state.residual.whiten(design.X)
    A = (ZL.T @ ZL + Q).tocsr()
    order, L = _permuted_cholesky(A)
    P = sp.csr_array((np.ones(len(order)), (np.arange(len(order)), order)), shape=A.shape)
    R_ZX = _lower_solve(L, np.asarray(ZL.T @ X)[order])
    R_X = np.asarray(np.linalg.cholesky(X.T @ X - R_ZX.T @ R_ZX), dtype=np.float64).T
    e = residuals(state, "response")
    weighted = state.residual.solve(e)
    qu = Lambda.T @ (Z.T @ weighted)  # Qû = Λ'Z'R⁻¹(y − Xβ̂ − Zb̂), also for a singular Λ
    return ModelMatrices(
        y=pd.Series(state.response - design.offset, index=index, name="y"),
        offset=pd.Series(design.offset, index=index, name="offset"),
        X=pd.DataFrame(design.X, index=index, columns=design.x_names),
        Z=Z,
        Lambda=Lambda,
        template=template,
        R=state.residual.matrix(design.n),
        Q=Q,
        A=A,
        L=L,
        P=P,
        R_ZX=R_ZX,
        R_X=R_X,
        beta=params(state),
        b=pd.Series(np.concatenate([np.empty(0), *effects]), index=z_names, name="b"),
        u=pd.Series(_precision_solve(priors, Q, qu), index=z_names, name="u"),
        e=pd.Series(e, index=index, name="e"),
        z_names=z_names,
        terms=_term_slices(design),
        relative_factors=factors,
        sigma=estimate.sigma,
    )


def _term_slices(design: Design) -> dict[str, slice]:
    """Columns of Z of each random term, by the term as it is written."""
    out: dict[str, slice] = {}
    start = 0
    for t, term in enumerate(design.terms):
        stop = start + len(design.groups[term.group].labels) * len(term.columns)
        name = f"{term.written} #{t + 1}" if term.written in out else term.written
        out[name] = slice(start, stop)
        start = stop
    return out


def _template(covariance: Covariance, before: int) -> FloatArray:
    """Where each entry of λ is in θ, from 1; 0 for entries that are no single θ."""
    if not covariance.is_linear:
        return np.zeros((covariance.k, covariance.k))
    slopes = covariance.derivative(np.ones(covariance.n_theta))
    single = ((slopes == 1.0).sum(axis=0) == 1) & ((slopes != 0.0).sum(axis=0) == 1)
    return np.where(single, slopes.argmax(axis=0) + 1 + before, 0)


def _lower_solve(L: Any, right: FloatArray) -> FloatArray:
    """L⁻¹ times dense columns."""
    from scipy.sparse.linalg import spsolve_triangular

    if not right.size:
        return right
    return np.asarray(spsolve_triangular(L.tocsr(), right, lower=True))


def _precision_solve(priors: Sequence[Prior], Q: Any, x: FloatArray) -> FloatArray:
    """Q⁻¹x."""
    if all(prior.is_identity for prior in priors):
        return x
    return cholesky_of(Q)[1].solve(x)


def _permuted_cholesky(A: Any) -> tuple[IntArray, Any]:
    """A fill-reducing order and L with LL' = A[order][:, order]."""
    import scipy.sparse as sp

    if A.shape[0] == 0:
        return np.empty(0, dtype=np.intp), sp.csc_array((0, 0))
    cholesky, factored = cholesky_of(A)
    return cholesky.order, sp.csc_array(factored.lower)
