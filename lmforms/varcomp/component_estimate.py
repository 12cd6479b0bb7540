"""`ComponentEstimate`: a fit of variance components with the attributes of an engine's estimate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from ..engine.criterion.criterion_parts import CriterionParts
from ..engine.factor.system import BlockInfo
from ..engine.status import OptimizerReport
from ..support.arrays import BoolArray, FloatArray, as_dense
from . import estimator_steps
from .fit import VarCompFit

if TYPE_CHECKING:
    from ..data.design import Design


@dataclass(frozen=True, eq=False)
class ComponentEstimate:
    """A fitted model of variance components, by grouping factor, without labels.

    The counterpart of :class:`lmforms.engine.estimate.Estimate`, whose attributes these are.

    Attributes
    ----------
    design : Design
    fit : VarCompFit
    singular_below : float
        Standard deviations below this share of σ count as none.
    """

    design: Design
    fit: VarCompFit
    singular_below: float

    is_factored = True
    criterion_se = 0.0

    @property
    def reml(self) -> bool:
        return self.fit.reml

    @property
    def converged(self) -> bool:
        return self.fit.converged

    @property
    def message(self) -> str:
        return self.fit.message

    @property
    def criterion(self) -> float:
        return self.fit.criterion

    @property
    def parts(self) -> CriterionParts:
        """The terms of the criterion in the user's units."""
        at, variance, p = self.fit.likelihood, self.sigma**2, len(self.beta)
        log_det_x = -float(np.linalg.slogdet(self.cov_beta / variance)[1]) if p else 0.0
        r2 = at.quadratic * at.sums.scale**2
        rest = CriterionParts(0.0, log_det_x, at.sums.log_det_residual, r2, at.nu, self.reml)
        return replace(rest, log_det=self.criterion - rest.value_at(variance))

    @property
    def beta(self) -> FloatArray:
        return self.fit.params.to_numpy()

    @property
    def cov_beta(self) -> FloatArray:
        return self.fit.cov_params().to_numpy()

    @property
    def sigma(self) -> float:
        return float(np.sqrt(self.fit.steps[-1, -1]))

    @property
    def theta(self) -> tuple[FloatArray, ...]:
        """√(σ_i²/σ²) for each grouping factor."""
        theta = np.sqrt(self.fit.steps[-1, :-1] / self.fit.steps[-1, -1])
        return tuple(theta[s] for s in self._components)

    @property
    def n_theta(self) -> int:
        return len(self.fit.model.components)

    @property
    def _components(self) -> list[slice]:
        """Which components belong to each grouping factor."""
        ends = np.cumsum([0, *(len(g.columns) for g in self.design.groups)])
        return [slice(a, b) for a, b in pairwise(ends)]

    @property
    def lams(self) -> tuple[FloatArray, ...]:
        """λ of each grouping factor: Var(u) = σ²λλ' ⊗ K."""
        return tuple(np.diag(theta) for theta in self.theta)

    @property
    def b(self) -> tuple[FloatArray, ...]:
        effects = [u.to_numpy() for u in self.fit.random_effects.values()]
        return tuple(np.column_stack(effects[s]) for s in self._components)

    @property
    def singular(self) -> tuple[tuple[int, int], ...]:
        at = self.fit.likelihood
        small = np.sqrt(at.variances[:-1] * at.sums.unit_variances / at.scale) < self.singular_below
        return self._parts(small)

    @property
    def unidentified(self) -> tuple[tuple[int, int], ...]:
        """Components along which the likelihood does not change."""
        return self._parts(self.fit.flat[:-1])

    def _parts(self, chosen: BoolArray) -> tuple[tuple[int, int], ...]:
        """(grouping factor, term) of the chosen components."""
        out = []
        for g, (group, s) in enumerate(zip(self.design.groups, self._components, strict=True)):
            for part, columns in enumerate(group.covariance.column_slices()):
                if chosen[s][columns].any():
                    out.append((g, part))
        return tuple(out)

    def conditional_covariances(self) -> list[FloatArray]:
        """Var(u | y) by level at the estimated variances and β, (q, k, k) for each factor."""
        at, model = self.fit.likelihood, self.fit.model
        variance = at.scale * at.sums.scale**2
        out = []
        for group, own in zip(self.design.groups, self._components, strict=True):
            q, k = len(group.levels), len(group.columns)
            blocks = np.empty((q, k, k))
            spans = at.sums.spans[own]
            if k == 1 and model.components[own.start].root is None:
                d = at.factored.spread[spans[0]]
                blocks[:, 0, 0] = variance * d**2 * at.factored.inverse_diagonal()[spans[0]]
            else:
                inverse, d = at.factored.inverse(), at.factored.spread
                for i, a in enumerate(spans):
                    for j, c in enumerate(spans):
                        between = d[a, None] * inverse[a, c] * d[c]
                        blocks[:, i, j] = variance * _diagonal(
                            model.components[own.start + i],
                            model.components[own.start + j],
                            between,
                        )
            out.append(blocks)
        return out

    def report(self, names: list[str]) -> OptimizerReport:
        """The status of the fit as an optimiser's report."""
        fit, at = self.fit, self.fit.likelihood
        m = at.sums.m
        form = at.equations.is_sparse
        nonzeros = at.equations.nonzeros
        kind = "sparse equations" if form else "dense equations"
        free = estimator_steps.free(at)
        return OptimizerReport(
            converged=fit.converged,
            message=f"{fit.method}: {fit.message}",
            n_evaluations=len(fit.criteria),
            gradient_norm=float(np.abs(at.variances * at.score)[free].max()),
            decrement=2.0 * estimator_steps.decrement(at),
            trace=tuple(fit.criteria.tolist()),
            blocks=(BlockInfo(", ".join(names), kind, m, nonzeros, 8 * nonzeros),),
        )


def _diagonal(left: object, right: object, inner: FloatArray) -> FloatArray:
    """Diagonal of L₁ · inner · L₂'."""
    a, b = getattr(left, "root", None), getattr(right, "root", None)
    if a is None or b is None:
        return np.diagonal(inner)
    return np.asarray((np.asarray(a @ inner) * as_dense(b)).sum(axis=1)).ravel()
