"""The encode step on tensors, differentiable: A c = b for the codes c = (K, H) of each row.

    A = Σ w L'L,  b = Σ w L'·row,  L = [α α], [β 0] or [0 u],  over the modalities given.

Where A determines c, the code is t = (A + ρI)⁻¹b. Directions that A does not determine are set to
their regression on the rest under second moments Σ = RR': of all c with Ac = At the one with
the least c'Σ⁻¹c, that is

    c = R (R'AR)⁺ R' (b − ρt).

Eigenvectors of A would give the same codes, but their derivatives do not exist where eigenvalues
are equal, as zeros are. Derivatives of a pseudo-inverse exist as long as the rank is constant.

A is (2k, 2k) for all rows, or (..., 2k, 2k) where rows lack different entries of Y.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

UNDETERMINED = {torch.float64: 1e-12, torch.float32: 1e-5}
"""Eigenvalues of A below this share of the largest belong to directions that are not determined. In
double precision it is the bound of the NumPy encoder; in single, a bound above rounding of A."""


class CodeEquations(NamedTuple):
    """A (2k, 2k) or (..., 2k, 2k), and b (..., 2k)."""

    A: Tensor
    b: Tensor


def designs(alpha: Tensor, beta: Tensor, u: Tensor) -> dict[str, Tensor]:
    """The loadings of each modality as a matrix for (K, H) side by side, (c, 2k).

    Examples
    --------
    >>> one = torch.ones(1, 1)
    >>> designs(one, one, one)["X"]
    tensor([[1., 0.]])
    """
    return {
        "Y": torch.cat([alpha, alpha], dim=1),
        "X": torch.cat([beta, torch.zeros_like(beta)], dim=1),
        "Z": torch.cat([torch.zeros_like(u), u], dim=1),
    }


def equations(
    given: dict[str, Tensor], forms: dict[str, Tensor], weights: dict[str, Tensor]
) -> CodeEquations:
    """A and b of the rows given.

    Parameters
    ----------
    given : dict
        Any of Y, X, Z, (..., c) each with the same leading shape; Y may have NaN.
    forms : dict
        From :func:`designs`.
    weights : dict
        For each modality a scalar tensor, or one with an entry for each column.

    Examples
    --------
    >>> one = torch.ones(1, 1)
    >>> found = equations({"Y": 3 * one}, designs(one, one, one), {"Y": torch.tensor(2.0)})
    >>> found.A, found.b
    (tensor([[2., 2.],
            [2., 2.]]), tensor([[6., 6.]]))
    """
    A: Tensor = 0.0
    b: Tensor = 0.0
    for name, rows in given.items():
        L = forms[name]
        weighted = weights[name].expand(len(L)).unsqueeze(1) * L
        missing = rows.isnan() if name == "Y" else None
        if missing is not None and bool(missing.any()):
            rows = rows.masked_fill(missing, 0.0)
            outer = (weighted.unsqueeze(2) * L.unsqueeze(1)).flatten(1)  # (m, 4k²)
            gram = (~missing).to(L.dtype) @ outer
            A = A + gram.unflatten(-1, (L.shape[1], L.shape[1]))
        else:
            A = A + weighted.mT @ L
        b = b + rows @ weighted
    return CodeEquations(A, b)


def minimal(A: Tensor, b: Tensor, ridge: float, root: Tensor) -> Tensor:
    """Codes (..., 2k) that minimise F; those not determined are regressed on the others.

    Parameters
    ----------
    A, b : Tensor
        From :func:`equations`.
    ridge : float
        ρ.
    root : Tensor (2k, 2k)
        R with RR' = Σ.

    Examples
    --------
    >>> A, b = torch.ones(2, 2), torch.tensor([[4.0, 4.0]])  # only the sum, 4, is known
    >>> minimal(A, b, 0.0, torch.diag(torch.tensor([3.0, 1.0])).sqrt()).round(decimals=5)
    tensor([[3., 1.]])
    """
    eye = torch.eye(A.shape[-1], dtype=A.dtype, device=A.device)
    values = torch.linalg.eigvalsh(A.detach())
    kept = values > UNDETERMINED[A.dtype] * values[..., -1:].clamp_min(0.0)
    full = kept.all(dim=-1)
    if bool(full.all()):
        return _solved(A + ridge * eye, b)
    rest = b - ridge * _solved(A + ridge * eye, b) if ridge else b
    regressed = _applied(root @ _inverse(root.mT @ A @ root, kept.sum(dim=-1)) @ root.mT, rest)
    if A.ndim == 2:
        return regressed
    safe = torch.where(full[..., None, None], A, eye)
    return torch.where(full[..., None], _solved(safe + ridge * eye, b), regressed)


def predicted(A: Tensor, b: Tensor, root: Tensor) -> Tensor:
    """(Σ⁻¹ + A)⁻¹b = R(I + R'AR)⁻¹R'b: best linear predictions if A and b are over the noise.

    Examples
    --------
    >>> predicted(torch.eye(2), torch.tensor([[4.0, 2.0]]), torch.eye(2))
    tensor([[2., 1.]])
    """
    inner = torch.eye(len(root), dtype=root.dtype, device=root.device) + root.mT @ A @ root
    return _solved(inner, b @ root) @ root.mT


def second_moments(K: Tensor, H: Tensor) -> Tensor:
    """[K H]'[K H]/n, (2k, 2k)."""
    both = torch.cat([K, H], dim=-1)
    both = both.reshape(-1, both.shape[-1])
    return both.mT @ both / len(both)


def square_root(moments: Tensor) -> Tensor:
    """R with RR' = Σ, symmetric.

    Examples
    --------
    >>> square_root(torch.diag(torch.tensor([4.0, 1.0])))
    tensor([[2., 0.],
            [0., 1.]])
    """
    values, vectors = torch.linalg.eigh(moments)
    return (vectors * values.clamp_min(0.0).sqrt()) @ vectors.mT


def _inverse(S: Tensor, rank: Tensor) -> Tensor:
    """S⁺ of S = R'AR, semi-definite and of the rank that A has."""
    values = torch.linalg.eigvalsh(S.detach())
    size = values.shape[-1]
    last = values.gather(-1, (size - rank).clamp_max(size - 1).unsqueeze(-1)).squeeze(-1)
    rounding = size * torch.finfo(S.dtype).eps * values[..., -1]
    cut = torch.maximum(0.5 * last, rounding)
    cut = torch.where(rank > 0, cut, torch.inf)
    return torch.linalg.pinv(S, atol=cut, rtol=torch.zeros_like(cut), hermitian=True)


def _solved(A: Tensor, b: Tensor) -> Tensor:
    """A⁻¹b of positive definite A, shared or one for each row."""
    factor = torch.linalg.cholesky(A)
    if A.ndim > 2:
        return torch.cholesky_solve(b.unsqueeze(-1), factor).squeeze(-1)
    return torch.cholesky_solve(b.reshape(-1, b.shape[-1]).mT, factor).mT.reshape(b.shape)


def _applied(G: Tensor, b: Tensor) -> Tensor:
    """Gb of symmetric G, shared or one for each row."""
    return b @ G if G.ndim == 2 else (G @ b.unsqueeze(-1)).squeeze(-1)
