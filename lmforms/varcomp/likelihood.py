"""The likelihood of variance components: value, score, and the three informations.

A view of the engine's :class:`~lmforms.engine.criterion.evaluate.Evaluation` in the variances
v = (σ_1², …, σ²), at any σ². With γ_i = σ_i²/σ² = θ_i², P₀ = σ²P, V_i = Z_iK_iZ_i' and

    t = Z'V₀⁻¹(y − Xβ̂),   B = Z'V₀⁻¹X R_X⁻¹,   R_X'R_X = X'V₀⁻¹X,

all derivatives follow from sums over the effects of each component,

    tr(P₀V_i) = tr(K_i[Z'V₀⁻¹Z]_ii) − tr(B_i'K_iB_i),      y'P₀V_iP₀y = t_i'K_it_i,

and hold at γ_i = 0 too. With l the (restricted) log-likelihood:

    ∂l/∂v_i         = −½[tr(PV_i) − y'PV_iPy]
    −∂²l/∂v_i∂v_j   = −½ tr(PV_iPV_j) + y'PV_iPV_jPy      (observed)
    E               = ½ tr(PV_iPV_j)                       (expected)
    AI              = ½ y'PV_iPV_jPy                       (average of the two)

For ML, V⁻¹ takes the place of P in the traces. They are computed in w = (γ, ln σ²), where
∂V/∂γ_i = σ²V_i and ∂V/∂ln σ² = V: nothing cancels then, however wide the effects are.

References
----------
Cheat sheet, sections 2 and 7, with corrected signs and factors ½; Searle, Casella,
McCulloch (1992), *Variance Components*, chapter 6; Gilmour, Thompson, Cullis (1995).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..engine.criterion.criterion_parts import CriterionParts
from ..engine.criterion.curvature import curvature_is_cheap, pair_traces
from ..engine.criterion.evaluate import Evaluation, evaluate
from ..engine.criterion.information import inner
from ..engine.linalg.batched import outer_sum
from ..errors import MemoryLimitError, NumericalError
from ..support.arrays import Blocks, FloatArray
from .component_problem import ComponentProblem


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The model at given variances.

    Attributes
    ----------
    problem : ComponentProblem
    variances : ndarray (r + 1,)
        σ_1², …, σ_r², σ², in the engine's units, as all derivatives.
    at : Evaluation
        At θ_i = √(σ_i²/σ²).
    """

    problem: ComponentProblem
    variances: FloatArray
    at: Evaluation

    @property
    def reml(self) -> bool:
        """Whether it is the restricted likelihood."""
        return self.at.problem.reml

    @property
    def scale(self) -> float:
        """σ²."""
        return float(self.variances[-1])

    @property
    def ratios(self) -> FloatArray:
        """γ, (r,)."""
        return self.variances[:-1] / self.scale

    @property
    def quadratic(self) -> float:
        """y'P₀y, which is σ²·y'Py."""
        return self.at.parts.r2

    @property
    def profiled_scale(self) -> float:
        """σ² that maximises l at the same ratios."""
        return self.at.sigma2

    @cached_property
    def criterion(self) -> float:
        """−2 ln L, restricted or not, with all its constants, in the user's units."""
        shift = self.problem.cp.scaling.criterion_shift(self.at.gls.nu, self.reml)
        return self.at.parts.value_at(self.scale) + shift

    # --- in the user's units ------------------------------------------------------------------

    @property
    def parts(self) -> CriterionParts:
        """The terms of the criterion."""
        scaling = self.problem.cp.scaling
        return self.at.parts.in_units(scaling.pilot.y_scale, scaling.units.x.log_determinant())

    @property
    def beta(self) -> FloatArray:
        """β̂, (p,)."""
        return self.problem.cp.scaling.beta(self.at.gls.beta)

    @property
    def cov_beta(self) -> FloatArray:
        """(X'V⁻¹X)⁻¹, (p, p)."""
        root = self.problem.cp.scaling.units.x.linear @ self.at.gls.inverse_root_x
        return np.asarray(self.scale * self.problem.y_scale**2 * root @ root.T)

    @property
    def effects(self) -> list[FloatArray]:
        """û of each component."""
        return self.problem.level_effects(list(self.at.b))

    @property
    def coefficients(self) -> list[FloatArray]:
        """The same but for terms with a root: â, û = Lâ."""
        priors = [c.prior for c in self.problem.model.components]
        sizes = [1.0 if prior.root is None else prior.size for prior in priors]
        units = self.problem.effect_units / np.sqrt(sizes)
        return [unit * b[:, 0] for unit, b in zip(units, self.at.b, strict=True)]

    def information(self, kind: str) -> FloatArray:
        """Average, observed or expected information of the variances, (r + 1, r + 1)."""
        units = self.problem.variance_units
        return np.asarray(self.of_variances(getattr(self, kind)) / units[:, None] / units)

    # --- the score ----------------------------------------------------------------------------

    @cached_property
    def _t(self) -> list[FloatArray]:
        """t of each component, (q, 1, 1)."""
        return [x @ self.at.gls.to_residual for x in self.at.marginal]

    @cached_property
    def _kt(self) -> Blocks:
        """Kt."""
        return self.at.problem.system.covariance_times(self._t)

    @cached_property
    def _fixed(self) -> list[FloatArray]:
        """B of each component, (q, 1, p)."""
        return [x[..., :-1] @ self.at.gls.inverse_root_x for x in self.at.marginal]

    @cached_property
    def traces(self) -> FloatArray:
        """tr(P₀V_i) of each component, (r,)."""
        own = np.array([float(x[0, 0]) for x in self.at.factor.diagonal_sums()])
        if self.reml and self.problem.p:
            known = self.at.problem.system.covariance_times(self._fixed)
            own -= [float(outer_sum(b, kb)[0, 0]) for b, kb in zip(self._fixed, known, strict=True)]
        return own

    @cached_property
    def squares(self) -> FloatArray:
        """y'P₀V_iP₀y of each component, (r,)."""
        pairs = zip(self._t, self._kt, strict=True)
        return np.array([float(np.vdot(t, kt)) for t, kt in pairs])

    @cached_property
    def ratio_score(self) -> FloatArray:
        """∂l/∂(γ, ln σ²), (r + 1,)."""
        traces = np.append(self.traces, self.at.gls.nu)
        return np.asarray(-0.5 * (traces - np.append(self.squares, self.quadratic) / self.scale))

    @cached_property
    def score(self) -> FloatArray:
        """∂l/∂v, (r + 1,)."""
        own = self.ratio_score.copy()
        own[-1] -= own[:-1] @ self.ratios
        return own / self.scale

    # --- informations of (γ, ln σ²) -----------------------------------------------------------

    @cached_property
    def average(self) -> FloatArray:
        """AI, (r + 1, r + 1)."""
        r = len(self.ratios)
        columns = []
        for i, kt in enumerate(self._kt):
            columns.append(np.zeros((len(kt), 1, r)))
            columns[i][..., i] = kt[..., 0]
        f = np.zeros((r, r))
        if r:
            half = inner(self._fixed, columns)
            f = inner(columns, self.at.factor.marginal_of_effects(columns)) - half.T @ half
        return _bordered(0.5 * (f + f.T), self.squares, self.quadratic) / (2.0 * self.scale)

    @cached_property
    def expected(self) -> FloatArray:
        """E, (r + 1, r + 1). Dense in the number of effects, but for one unrelated component."""
        effects, memory = float(self.problem.counts.sum()), self.problem.memory
        if 8.0 * effects**2 > memory and not curvature_is_cheap(self.at.problem.system):
            raise MemoryLimitError(
                f"the inverse of the equations of {effects:,.0f} effects is dense and does not fit "
                "into `memory`: use method='ai' or 'em', which do not need it."
            )
        r = len(self.ratios)
        changes = [np.ones((1, 1, 1))] * r
        t = pair_traces(self.at.factor, self._fixed, changes, self.reml) if r else np.empty((0, 0))
        return _bordered(t, self.traces, self.at.gls.nu) / 2.0

    @property
    def observed(self) -> FloatArray:
        """2 AI − E."""
        return 2.0 * self.average - self.expected

    def of_variances(self, known: FloatArray) -> FloatArray:
        """An information of v, from that of (γ, ln σ²)."""
        to_ratios = np.eye(len(known))
        to_ratios[:-1, -1] = -self.ratios
        return np.asarray(to_ratios.T @ known @ to_ratios / self.scale**2)

    def to_variances(self, step: FloatArray) -> FloatArray:
        """A small change of v, from that of (γ, ln σ²)."""
        out = step.copy()
        out[:-1] += step[-1] * self.ratios
        return out * self.scale


def _bordered(known: FloatArray, border: FloatArray, corner: float) -> FloatArray:
    return np.block([[known, border[:, None]], [border, np.full((1, 1), corner)]])


def likelihood(problem: ComponentProblem, variances: FloatArray, reml: bool) -> Likelihood:
    """The model at these variances.

    Parameters
    ----------
    problem : ComponentProblem
    variances : ndarray (r + 1,)
        σ_1², …, σ_r², σ², in the engine's units; the last is positive.
    reml : bool
    """
    variances = np.asarray(variances, dtype=np.float64)
    if not variances[-1] > 0:
        raise NumericalError("the residual variance must be positive.")
    ratios = variances[:-1] / variances[-1]
    if not (np.isfinite(ratios).all() and (ratios >= 0).all()):
        raise NumericalError(f"variance ratios must be finite and not negative: {ratios}.")
    return Likelihood(problem, variances, evaluate(problem.problem(reml), np.sqrt(ratios)))
