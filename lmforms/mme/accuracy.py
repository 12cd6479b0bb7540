"""Accuracy of predicted effects: error variances, reliabilities, shrinkage."""

from __future__ import annotations

import numpy as np

from ..errors import ArgumentError
from ..support.arguments import one_of
from ..support.arrays import FloatArray
from ..varcomp import Component, ComponentModel
from ..varcomp.likelihood import Likelihood

ROOT_ROWS_AT_A_TIME = 256
"""Levels of a term with a root that are solved for together: bounds the memory."""


def error_variances(model: ComponentModel, likelihood: Likelihood) -> list[FloatArray]:
    """Var(u_j − û_j) of every level of each term: the diagonal of σ²C^ii.

    From the factored equations, with D, M of :mod:`lmforms.varcomp.equations` and b eliminated,

        Var(a − â) = σ²DM⁻¹D + S (X'V⁻¹X)⁻¹ S',    S = DM⁻¹DZ'X.

    For a term with a root, u = La, it is the diagonal of L Var(a − â) L'. C^ii is then that of a,
    and K⁻¹, which need not exist, is not used.
    """
    sums, factored = likelihood.sums, likelihood.factored
    d, unit = factored.spread, sums.scale**2
    shift = d[:, None] * factored.solve(d[:, None] * sums.zr[:, : sums.p])
    plain = [c.root is None for c in model.components]
    own = d**2 * factored.inverse_diagonal() if any(plain) else np.empty(0)
    out = []
    for component, s in zip(model.components, sums.spans, strict=True):
        S = component.effects(shift[s])
        fixed = np.einsum("jk,kl,jl->j", S, likelihood.cov_beta, S)
        root = component.root
        inner = own[s] if root is None else _through_root(likelihood, root, s)
        out.append(unit * (likelihood.scale * inner + fixed))
    return out


def _through_root(likelihood: Likelihood, root: object, span: slice) -> FloatArray:
    """Diagonal of L DM⁻¹D L', some rows of L at a time."""
    import scipy.sparse as sp

    factored = likelihood.factored
    rows = sp.csr_matrix(root)
    out = np.empty(rows.shape[0])
    for start in range(0, len(out), ROOT_ROWS_AT_A_TIME):
        at = slice(start, min(start + ROOT_ROWS_AT_A_TIME, len(out)))
        right = np.zeros((likelihood.sums.m, at.stop - at.start))
        right[span] = factored.spread[span, None] * rows[at].toarray().T
        out[at] = (right * factored.solve(right)).sum(axis=0)
    return out


def kernel_diagonals(model: ComponentModel, likelihood: Likelihood) -> list[FloatArray]:
    """K_jj of every level of each term: 1 + F_j for animals of a pedigree."""
    equations = likelihood.equations
    # at ratios of zero M is Q, so the diagonal of its inverse is that of K
    inverse: FloatArray | None = None
    out = []
    for component, s in zip(model.components, equations.sums.spans, strict=True):
        if component.root is not None:
            root = component.root
            squares = root**2 if isinstance(root, np.ndarray) else root.multiply(root)
            out.append(np.asarray(squares.sum(axis=1)).ravel())
        elif component.precision is None:
            out.append(np.ones(component.n_effects))
        else:
            if inverse is None:
                inverse = equations.factor(np.zeros(len(model.components))).inverse_diagonal()
            out.append(np.array(inverse[s]))
    return out


def reliabilities(
    model: ComponentModel, likelihood: Likelihood, variances: FloatArray, pev: list[FloatArray]
) -> list[FloatArray]:
    """1 − PEV_j/(K_jjσ_i²) of every level of each term."""
    kernels = kernel_diagonals(model, likelihood)
    with np.errstate(divide="ignore", invalid="ignore"):
        return [
            np.where(k * v > 0, 1.0 - own / (k * v), np.nan)
            for own, k, v in zip(pev, kernels, variances[:-1], strict=True)
        ]


def shrinkage(
    model: ComponentModel, variances: FloatArray, name: str
) -> tuple[Component, FloatArray]:
    """w_j'w_j/(w_j'w_j + λ) of the levels of a term with K = I."""
    i = model.names.index(one_of("name", name, model.names))
    component = model.components[i]
    if component.root is not None or component.precision is not None:
        raise ArgumentError(
            f"the levels of `{name}` are related, so no level shrinks by its own rows alone: "
            "`reliability` says how well each is predicted."
        )
    weights = model.row_weights
    # times σ_i²/σ², so that a variance of zero gives zero
    counts = np.asarray(component.Z.multiply(component.Z).T @ weights)
    counts = counts * (variances[i] / variances[-1])
    return component, counts / (counts + 1.0)
