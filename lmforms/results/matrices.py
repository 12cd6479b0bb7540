"""The matrices of a fitted model, for teaching and checking.

In the notation of Bates et al. (2015): y = Xβ + Zb + e, b = Λu, and the permuted sparse
Cholesky factor L with LL' = P(Λ'Z'R⁻¹ZΛ + I)P'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from ..data.design import Design
from ..data.design_rows import own_rows
from ..data.random_design import random_names, term_columns
from ..errors import ModelError
from ..support.arrays import FloatArray, IntArray
from .quantities import params, relative_factors, residuals
from .state import FitState


@dataclass(frozen=True, eq=False)
class ModelMatrices:
    """Matrices of a fit. Columns of Z stand term by term, within a term level by level.

    Random effects are b = Λu here; texts that call b "u" mean :attr:`b`.

    Attributes
    ----------
    y : Series (n,)
        Response less offset.
    X : DataFrame (n, p)
    Z : scipy.sparse.csr_array (n, q)
    Lambda : scipy.sparse.csr_array (q, q)
        Relative covariance factor: Var(b) = σ²ΛΛ'.
    A : scipy.sparse.csr_array (q, q)
        Λ'Z'R⁻¹ZΛ + I.
    L : scipy.sparse.csc_array (q, q)
        Lower triangular, LL' = PAP'.
    P : scipy.sparse.csr_array (q, q)
        Fill-reducing permutation.
    beta : Series (p,)
    b, u : Series (q,)
        Random effects b = Λu and spherical random effects u.
    e : Series (n,)
        Residuals.
    z_names : pandas.MultiIndex (q,)
        Grouping factor, level and effect of each column of Z.
    relative_factors : list of ndarray (k, k)
        λ of each term; Λ repeats it for every level.
    """

    y: pd.Series
    X: pd.DataFrame
    Z: Any
    Lambda: Any
    A: Any
    L: Any
    P: Any
    beta: pd.Series
    b: pd.Series
    u: pd.Series
    e: pd.Series
    z_names: pd.MultiIndex
    relative_factors: list[FloatArray]

    def __repr__(self) -> str:
        (n, p), q = self.X.shape, self.Z.shape[1]
        return (
            f"<ModelMatrices y = X beta + Z b + e, b = Lambda u: n = {n}, p = {p}, q = {q}, "
            f"{self.Z.nnz} nonzeros in Z, {self.L.nnz} in L>"
        )


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

    if state.relationship:
        raise ModelError(
            "fit.matrices writes Λ without a known covariance of levels: see lmforms.mme for the "
            "equations of a model with relationship=."
        )
    if not state.estimate.is_factored:
        raise ModelError(
            "fit.matrices holds the Cholesky factor L, which this model, fitted by conjugate "
            "gradients, is too large for. Fit it with Control(factor='sparse') or 'dense' if "
            "memory allows."
        )
    design, estimate = state.design, state.estimate
    index, factors = design.index, relative_factors(state)
    lambdas, effects = [], []
    for (g, columns), lam in zip(term_columns(design), factors, strict=True):
        levels = len(design.groups[g].levels)
        lambdas.append(sp.kron(sp.eye_array(levels), sp.csr_array(lam)))
        effects.append(estimate.b[g][:, columns].ravel())
    Z, z_names = own_rows(design).random_columns(), random_names(design)
    Lambda = sp.block_diag(lambdas).tocsr() if lambdas else sp.csr_array((0, 0))
    b = np.concatenate([np.empty(0), *effects])
    whitened = _whitened(Z, design)
    ZL = whitened @ Lambda
    A = (ZL.T @ ZL + sp.eye_array(Z.shape[1])).tocsr()
    order, L = _permuted_cholesky(A)
    P = sp.csr_array((np.ones(len(order)), (np.arange(len(order)), order)), shape=A.shape)
    e = residuals(state, "response")
    weighted = design.residual.whiten(design.residual.whiten(e))
    u = Lambda.T @ (Z.T @ weighted)  # û = Λ'Z'R⁻¹(y − Xβ̂ − Zb̂), also for a singular Λ
    return ModelMatrices(
        y=pd.Series(state.response - design.offset, index=index, name="y"),
        X=pd.DataFrame(design.X, index=index, columns=design.x_names),
        Z=Z,
        Lambda=Lambda,
        A=A,
        L=L,
        P=P,
        beta=params(state),
        b=pd.Series(b, index=z_names, name="b"),
        u=pd.Series(u, index=z_names, name="u"),
        e=pd.Series(e, index=index, name="e"),
        z_names=z_names,
        relative_factors=factors,
    )


def _whitened(Z: Any, design: Design) -> Any:
    """R^(−1/2)Z."""
    import scipy.sparse as sp

    root = design.residual.whiten(np.ones(Z.shape[0]))
    return sp.csr_array(sp.diags_array(root) @ Z)


def _permuted_cholesky(A: Any) -> tuple[IntArray, Any]:
    """A fill-reducing order and L with LL' = A[order][:, order]."""
    import scipy.sparse as sp

    from ..engine.linalg.sparse_cholesky import cholesky_of

    if A.shape[0] == 0:
        return np.empty(0, dtype=np.intp), sp.csc_array((0, 0))
    cholesky, factored = cholesky_of(A)
    return cholesky.order, sp.csc_array(factored.lower)
