"""Sums over levels at one θ: of arrays of all levels, or by passes over nested ones."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np

from ...support.arrays import Blocks, FloatArray
from ..factor import (
    ChainFactorization,
    DirectFactorization,
    Factorization,
    JointFactorization,
)
from ..linalg.batched import multiply
from .deferred_blocks import DeferredBlocks
from .gls import GLSFit, marginal_moments
from .information import DirectionSums, GradientSums, directions


@dataclass(frozen=True, eq=False)
class RightSide:
    """[X y] under V₀.

    Attributes
    ----------
    moments : ndarray (p + 1, p + 1)
        [X y]'V₀⁻¹[X y].
    effects, marginal : sequence of ndarray (q, k, p + 1)
        Best linear predictors of the random effects, and Z'V₀⁻¹[X y].
    """

    moments: FloatArray
    effects: Blocks
    marginal: Blocks

    @classmethod
    def of(cls, factor: Factorization | JointFactorization) -> RightSide:
        """Under the V₀ of a factored A."""
        if factor.is_direct:
            direct: DirectFactorization = factor  # type: ignore[assignment]
            v, marginal, moments = direct.response_products()
            pilot = direct.system.cp.scaling.pilot
            if any(pilot.has_effects):
                v = DeferredBlocks(partial(_sums, pilot.effects, v))
            return cls(moments, v, marginal)
        if isinstance(factor, ChainFactorization):
            effects = DeferredBlocks(factor.right_effects)
            return cls(factor.moments, effects, factor.right_marginal)
        cp = factor.system.cp
        zr, b0 = [f.zr for f in cp.factors], cp.scaling.pilot.effects
        v, marginal = factor.marginal(zr, b0)
        qu = [multiply(lam.T, x) for lam, x in zip(factor.lams, marginal, strict=True)]
        u = factor.system.covariance_times(qu)
        moments = marginal_moments(cp.rr, zr, v, marginal, u, qu)
        return cls(moments, _sums(b0, v), marginal)


class LevelSums:
    """Sums over levels that derivatives with respect to θ are made of.

    Parameters
    ----------
    factor : Factorization or JointFactorization
    marginal : sequence of ndarray (q, k, p + 1)
        Z'V₀⁻¹[X y].
    gls : GLSFit
    """

    def __init__(
        self, factor: Factorization | JointFactorization, marginal: Blocks, gls: GLSFit
    ) -> None:
        self._factor, self._marginal, self._gls = factor, marginal, gls

    @property
    def fixed(self) -> Blocks:
        """V = Z'V₀⁻¹X R_X⁻¹, (q, k, p) by grouping factor."""
        compute = partial(_fixed_columns, self._marginal, self._gls)
        return DeferredBlocks(compute) if self._is_passed else self._v

    @property
    def _is_passed(self) -> bool:
        return isinstance(self._factor, ChainFactorization)

    @cached_property
    def _v(self) -> list[FloatArray]:
        return _fixed_columns(self._marginal, self._gls)

    @cached_property
    def _t(self) -> list[FloatArray]:
        return [x @ self._gls.to_residual for x in self._marginal]

    @cached_property
    def _kt(self) -> Blocks:
        return self._factor.system.covariance_times(self._t)

    def for_gradient(self) -> GradientSums:
        """What the gradient needs."""
        traces, kv = self._factor.diagonal_sums(), self._factor.system.covariance_times(self._v)
        return GradientSums.of(traces, (self._t, self._kt), (self._v, kv))

    def for_information(self, changes: Blocks) -> tuple[GradientSums, DirectionSums]:
        """What the gradient and the information need.

        Parameters
        ----------
        changes : sequence of ndarray (n, k, k)
            D_i = ∂(λλ')/∂θ_i of each grouping factor.
        """
        if isinstance(self._factor, ChainFactorization):
            return _passed(self._factor, self._gls, changes)
        c = directions(self._kt, changes)
        marginal_c = self._factor.marginal_of_effects(c)
        return self.for_gradient(), DirectionSums.of(c, marginal_c, self._v, self._t)


def _passed(
    factor: ChainFactorization, gls: GLSFit, changes: Blocks
) -> tuple[GradientSums, DirectionSums]:
    """The sums of a chain of nested factors, without arrays of all levels."""
    p = len(gls.beta)
    right = np.hstack([gls.to_residual, np.zeros((p + 1, gls.inverse_root_x.shape[1]))])
    right[:p, 1:] = gls.inverse_root_x
    found = factor.direction_products(right, changes)
    fixed = [np.einsum("jab,bap->pj", d, tv) for d, tv in zip(changes, found.tv, strict=True)]
    along = [np.einsum("jab,ab->j", d, tt) for d, tt in zip(changes, found.tt, strict=True)]
    return (
        GradientSums(factor.diagonal_sums(), found.tt, found.vv),
        DirectionSums(found.quadratic, np.hstack(fixed), np.concatenate(along)[:, None]),
    )


def _sums(a: Blocks, b: Blocks) -> list[FloatArray]:
    return [x + y for x, y in zip(a, b, strict=True)]


def _fixed_columns(marginal: Blocks, gls: GLSFit) -> list[FloatArray]:
    return [x[..., :-1] @ gls.inverse_root_x for x in marginal]
