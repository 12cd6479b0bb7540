r"""Rows of V₀⁻¹X and V₀⁻¹(y − Xβ̂), and blocks of V₀⁻¹, from the factor of a fit.

With V = σ²V₀, V₀ = R + ZΛKΛ'Z' and the covariance σ²M of the random effects given y and β,
M = ΛA⁻¹Λ',

    V₀⁻¹ = R⁻¹ − R⁻¹Z M Z'R⁻¹.

Columns of X are in coordinates in which X'V₀⁻¹X = I. So P₀ = V₀⁻¹ − V₀⁻¹X X'V₀⁻¹, ŷ = Hy with
I − H = RP₀, and the residuals y − ŷ = RP₀y have covariance σ²RP₀R.

References
----------
Schabenberger (2004), *Mixed model influence diagnostics*, SUGI 29, paper 189; Nobre, Singer (2007),
*Residual analysis for linear mixed models*, Biometrical Journal 49(6).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...data.random_design import random_part
from ...engine.criterion.evaluate import Evaluation
from ...engine.linalg.batched import multiply
from ...errors import ModelError
from ...residual import Residual
from ...results.state import FitState
from ...support.arrays import FloatArray, IndexArray
from .random_products import RandomProducts, random_products
from .residual_precision import is_diagonal, residual_precision


@dataclass(frozen=True, eq=False)
class MarginalRows:
    """The rows of a fit as V₀⁻¹ sees them.

    Attributes
    ----------
    X : ndarray (n, p)
        In coordinates in which X'V₀⁻¹X = I.
    remainders : ndarray (n, p)
        X less the best linear predictors Zb of its columns: RV₀⁻¹X.
    weighted : ndarray (n, p)
        V₀⁻¹X.
    marginal : ndarray (n,)
        y − Xβ̂, less the offset.
    conditional : ndarray (n,)
        y − Xβ̂ − Zb̂.
    weighted_residuals : ndarray (n,)
        V₀⁻¹(y − Xβ̂) = P₀y.
    r2 : float
        (y − Xβ̂)'V₀⁻¹(y − Xβ̂).
    residual : Residual
    random : RandomProducts
        Products with M.
    levels : tuple of (ndarray of int (n,), ndarray (q, k, p + 1))
        For each grouping factor its codes, and Λ'Z'V₀⁻¹[X y−Xβ̂]. With independent levels
        [X y−Xβ̂]'V₀⁻¹[X y−Xβ̂] is the sum of its squares and of those of the remainders: no
        difference, however wide the effects are.
    """

    X: FloatArray
    remainders: FloatArray
    weighted: FloatArray
    marginal: FloatArray
    conditional: FloatArray
    weighted_residuals: FloatArray
    r2: float
    residual: Residual
    random: RandomProducts
    levels: tuple[tuple[IndexArray, FloatArray], ...]

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.marginal)

    @cached_property
    def precision(self) -> Any:
        """R⁻¹, sparse (n, n)."""
        return residual_precision(self.residual, self.n)

    @cached_property
    def precision_diagonal(self) -> FloatArray:
        """Diagonal of R⁻¹, (n,)."""
        return np.asarray(self.precision.diagonal())

    @cached_property
    def marginal_diagonal(self) -> FloatArray:
        """Diagonal of V₀⁻¹, (n,)."""
        return self.precision_diagonal - self.random.diagonal("weighted", "weighted")

    @cached_property
    def projected_diagonal(self) -> FloatArray:
        """Diagonal of P₀, (n,)."""
        return self.marginal_diagonal - np.square(self.weighted).sum(axis=1)

    @cached_property
    def leverage(self) -> FloatArray:
        """Diagonal of H, (n,)."""
        of_fixed = np.einsum("ij,ij->i", self.remainders, self.weighted)
        return of_fixed + self.random.diagonal("design", "weighted")

    @cached_property
    def residual_variances(self) -> FloatArray:
        """Variances of y − ŷ relative to σ², the diagonal of RP₀R, (n,)."""
        own = self.residual.variances()
        if is_diagonal(self.residual):
            return (1.0 if own is None else own) * (1.0 - self.leverage)
        assert own is not None
        of_random = self.random.diagonal("design", "design")
        return own - of_random - np.square(self.remainders).sum(axis=1)

    def block(self, rows: IndexArray) -> FloatArray:
        """V₀⁻¹ between some rows, (m, m)."""
        if is_diagonal(self.residual):
            own = np.diag(self.precision_diagonal[rows])
        else:
            own = self.precision[rows][:, rows].toarray()
        return np.asarray(own - self.random.block(rows))


def marginal_rows(state: FitState, what: str) -> MarginalRows:
    """Prepare the rows of a fit.

    Parameters
    ----------
    state : FitState
    what : str
        What is asked for, for messages.

    Raises
    ------
    ModelError
        The model was fitted by conjugate gradients.
    """
    design, estimate = state.design, state.estimate
    evaluation, scaling = estimate.optimum.evaluation, estimate.scaling
    if not isinstance(evaluation, Evaluation):
        raise ModelError(
            f"{what}: this needs the Cholesky factor, and the model was fitted by conjugate "
            "gradients. Fit it with Control(factor='sparse') or 'dense' if memory allows."
        )
    inner = evaluation.gls.inverse_root_x
    X = scaling.units.x(design.X)
    bases = [
        scale(design.basis(group))
        for group, scale in zip(design.groups, scaling.units.bases, strict=True)
    ]
    remainders = X.copy()
    flat = [b[..., :-1].reshape(len(b), -1) for b in evaluation.effects]
    effects = estimate.problem.system.level_effects(flat)
    for group, basis, b in zip(design.groups, bases, effects, strict=True):
        own = b.reshape(len(b), basis.shape[1], -1)[group.codes]
        remainders -= np.einsum("ik,ikj->ij", basis, own)
    remainders = remainders @ inner
    marginal = state.response - design.offset - design.X @ estimate.beta
    conditional = marginal - random_part(design, estimate.b)
    return MarginalRows(
        X=X @ inner,
        remainders=remainders,
        weighted=np.asarray(state.residual.solve(remainders)),
        marginal=marginal,
        conditional=conditional,
        weighted_residuals=np.asarray(state.residual.solve(conditional)),
        r2=float(evaluation.gls.r2 * scaling.pilot.y_scale**2),
        residual=state.residual,
        random=random_products(state, bases),
        levels=tuple(
            (group.codes, _spherical(evaluation, i, scaling.pilot.y_scale))
            for i, group in enumerate(design.groups)
        ),
    )


def _spherical(evaluation: Evaluation, i: int, y_scale: float) -> FloatArray:
    """Λ'Z'V₀⁻¹[X y−Xβ̂] of a grouping factor, in the coordinates of :class:`MarginalRows`."""
    gls, own = evaluation.gls, evaluation.marginal[i]
    both = np.concatenate(
        [own[..., :-1] @ gls.inverse_root_x, y_scale * (own @ gls.to_residual)], axis=-1
    )
    return multiply(evaluation.factor.lams[i].T, both)
