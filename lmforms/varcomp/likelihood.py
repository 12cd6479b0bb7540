"""The likelihood of variance components: value, score, and the three informations.

The letters are those of :mod:`.equations`: a with u = La are the random effects, and b = a/√γ the
effects in units of their own standard deviation (`scaled_effects`), spherical where Q = I. In the
engine b are the random effects and u the spherical ones.

With P₀ = σ²P, V_i = Z_iK_iZ_i', and from the factored equations

    b = M⁻¹D Z'(y − Xβ̂),   B = M⁻¹D Z'X R_X⁻¹,   R_X'R_X = X'V₀⁻¹X,
    tr(P₀V_i) = [q_i − tr(Q_i M^ii) − tr(B_i'Q_iB_i)] / γ_i,
    y'P₀V_iP₀y = b_i'Q_ib_i / γ_i,

all derivatives follow without vectors of length n; those for σ² follow from ΣᵢγᵢVᵢ + I = V₀. In
the variances v = (σ_1², …, σ²), l the (restricted) log-likelihood:

    ∂l/∂v_i         = −½[tr(PV_i) − y'PV_iPy]
    −∂²l/∂v_i∂v_j   = −½ tr(PV_iPV_j) + y'PV_iPV_jPy      (observed)
    E               = ½ tr(PV_iPV_j)                       (expected)
    AI              = ½ y'PV_iPV_jPy                       (average of the two)

For ML, V⁻¹ takes the place of P in the traces.

References
----------
Cheat sheet, sections 2 and 7, with corrected signs and factors ½; Searle, Casella,
McCulloch (1992), *Variance Components*, chapter 6; Gilmour, Thompson, Cullis (1995).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..errors import NumericalError
from ..support.arrays import FloatArray
from .equations import Equations, FactoredEquations
from .sums import Sums

LEAST_RATIO = 1e-10
"""Replaces γ = 0, as a share of σ²: derivatives would be 0/0, and have five digits with it. The
criterion is corrected by its slope."""


@dataclass(frozen=True, eq=False)
class Likelihood:
    """The model at given variances, in the units of its sums.

    Attributes
    ----------
    equations : Equations
    variances : ndarray (r + 1,)
        σ_1², …, σ_r², σ².
    reml : bool
    factored : FactoredEquations
        M at γ = σ_i²/σ², none below `LEAST_RATIO`.
    ratios : ndarray (r,)
        These γ.
    """

    equations: Equations
    variances: FloatArray
    reml: bool
    factored: FactoredEquations
    ratios: FloatArray

    @property
    def sums(self) -> Sums:
        """The cross-products."""
        return self.equations.sums

    @property
    def scale(self) -> float:
        """σ²."""
        return float(self.variances[-1])

    @property
    def nu(self) -> int:
        """n − p, or n for ML."""
        return self.sums.n - self.sums.p if self.reml else self.sums.n

    # --- least squares and predictors -------------------------------------------------------

    @cached_property
    def _solved(self) -> FloatArray:
        """M⁻¹DZ'[X y]."""
        return self.factored.solve(self.factored.spread[:, None] * self.sums.zr)

    @cached_property
    def _moments(self) -> FloatArray:
        """[X y]'V₀⁻¹[X y]."""
        shrunk = self.factored.spread[:, None] * self.sums.zr
        out = self.sums.rr - shrunk.T @ self._solved
        return np.asarray(0.5 * (out + out.T))

    @cached_property
    def _inverse_root_x(self) -> FloatArray:
        p = self.sums.p
        try:
            lower = np.linalg.cholesky(self._moments[:p, :p])
        except np.linalg.LinAlgError:
            raise NumericalError(
                "X'V⁻¹X is not positive definite: its digits are lost where random effects are "
                "far wider than the residuals. Without a relationship, method='auto' keeps them."
            ) from None
        return np.asarray(np.linalg.inv(lower).T, dtype=np.float64)

    @cached_property
    def beta(self) -> FloatArray:
        """β̂, (p,)."""
        root, p = self._inverse_root_x, self.sums.p
        return np.asarray(root @ (root.T @ self._moments[:p, p]))

    @property
    def cov_beta(self) -> FloatArray:
        """(X'V⁻¹X)⁻¹, (p, p)."""
        return np.asarray(self.scale * self._inverse_root_x @ self._inverse_root_x.T)

    @cached_property
    def quadratic(self) -> float:
        """y'P₀y, which is σ²·y'Py."""
        p = self.sums.p
        half = self._inverse_root_x.T @ self._moments[:p, p]
        return float(self._moments[p, p] - half @ half)

    @cached_property
    def scaled_effects(self) -> FloatArray:
        """b = a/√γ, the predicted effects in units of their own standard deviation, (m,)."""
        p = self.sums.p
        return np.asarray(self._solved[:, p] - self._solved[:, :p] @ self.beta)

    @property
    def effects(self) -> FloatArray:
        """a, (m,): u = La."""
        return np.asarray(self.factored.spread * self.scaled_effects)

    @cached_property
    def scaled_effects_of_x(self) -> FloatArray:
        """B: as b for the columns of XR_X⁻¹, (m, p)."""
        return np.asarray(self._solved[:, : self.sums.p] @ self._inverse_root_x)

    # --- the value --------------------------------------------------------------------------

    @cached_property
    def criterion(self) -> float:
        """−2 ln L, restricted or not, with all its constants, in the units of the sums."""
        value = self.factored.log_det - float(self.sums.log_det_precision.sum())
        if self.reml:
            value -= 2.0 * float(np.log(np.diagonal(self._inverse_root_x)).sum())
        value += self.nu * np.log(2.0 * np.pi * self.scale) + self.quadratic / self.scale
        lifted = self.ratios - self.variances[:-1] / self.scale
        if (lifted > 0).any():
            value += 2.0 * self.scale * float(lifted @ self.score[:-1])
        return float(value)

    # --- the score --------------------------------------------------------------------------

    @cached_property
    def _traces(self) -> FloatArray:
        """tr(Q_iM^ii), with X's part under REML: tr(Q_iC^ii) of the cheat sheet."""
        out = self.factored.traces()
        if self.reml:
            out = out + self._by_component(
                self.scaled_effects_of_x, self.factored.precision_times(self.scaled_effects_of_x)
            )
        return out

    def _by_component(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """tr(x_i'y_i) for each component."""
        product = x * y if x.ndim == 1 else (x * y).sum(axis=1)
        return np.array([product[s].sum() for s in self.sums.spans])

    @cached_property
    def n_effects(self) -> FloatArray:
        """q_i, the number of effects of each component."""
        return np.array([s.stop - s.start for s in self.sums.spans], dtype=np.float64)

    @cached_property
    def penalties(self) -> FloatArray:
        """a_i'Q_ia_i."""
        return self.ratios * self._by_component(
            self.scaled_effects, self.factored.precision_times(self.scaled_effects)
        )

    @cached_property
    def traces(self) -> FloatArray:
        """tr(P₀V_i) of all components and of the residual, (r + 1,)."""
        own = (self.n_effects - self._traces) / self.ratios
        return np.append(own, self.nu - self.ratios @ own)

    @cached_property
    def squares(self) -> FloatArray:
        """y'P₀V_iP₀y, (r + 1,)."""
        own = self.penalties / self.ratios**2
        return np.append(own, self.quadratic - self.ratios @ own)

    @property
    def shrinkage(self) -> FloatArray:
        """tr(Q_iC^ii), used by EM."""
        return self._traces

    @property
    def score(self) -> FloatArray:
        """∂l/∂v, (r + 1,)."""
        return -0.5 * (self.traces / self.scale - self.squares / self.scale**2)

    # --- informations -----------------------------------------------------------------------

    @cached_property
    def average(self) -> FloatArray:
        """AI, (r + 1, r + 1)."""
        spans = self.sums.spans
        z = np.zeros((self.sums.m, len(spans)))
        for i, s in enumerate(spans):
            z[s, i] = self.scaled_effects[s] / self.ratios[i]
        qz = self.factored.precision_times(z)
        half = self.factored.precision_times(self.scaled_effects_of_x).T @ z
        f = z.T @ qz - qz.T @ self.factored.solve(qz) - half.T @ half
        return self._bordered(0.5 * (f + f.T), self.squares) / (2.0 * self.scale**3)

    @cached_property
    def expected(self) -> FloatArray:
        """E, (r + 1, r + 1). Dense in the number of effects."""
        inverse = self.factored.inverse()
        if self.reml:
            inverse = inverse + self.scaled_effects_of_x @ self.scaled_effects_of_x.T
        e = np.eye(self.sums.m) - np.asarray(self.sums.precision.T @ inverse).T
        spans = self.sums.spans
        t = np.empty((len(spans),) * 2)
        for i, a in enumerate(spans):
            for j, c in enumerate(spans[: i + 1]):
                trace = float(np.sum(e[a, c] * e[c, a].T))
                t[i, j] = t[j, i] = trace / (self.ratios[i] * self.ratios[j])
        return self._bordered(t, self.traces) / (2.0 * self.scale**2)

    @property
    def observed(self) -> FloatArray:
        """−∂²l/∂v∂v' = 2 AI − E."""
        return 2.0 * self.average - self.expected

    def _bordered(self, inner: FloatArray, sums: FloatArray) -> FloatArray:
        """A matrix f with the row of the residual added: f(V_i, V₀) = sums_i."""
        r = len(self.ratios)
        out = np.empty((r + 1, r + 1))
        out[:r, :r] = inner
        out[:r, r] = out[r, :r] = sums[:r] - inner @ self.ratios
        out[r, r] = sums[r] - out[r, :r] @ self.ratios
        return out

    # --- the profiled residual variance -----------------------------------------------------

    @property
    def profiled_scale(self) -> float:
        """σ² that maximises l at the same ratios."""
        return self.quadratic / self.nu


def likelihood(equations: Equations, variances: FloatArray, reml: bool) -> Likelihood:
    """The model at these variances.

    Parameters
    ----------
    equations : Equations
    variances : ndarray (r + 1,)
        σ_1², …, σ_r², σ²; the last is positive.
    reml : bool
    """
    variances = np.asarray(variances, dtype=np.float64)
    if not variances[-1] > 0:
        raise NumericalError("the residual variance must be positive.")
    least = LEAST_RATIO / equations.sums.unit_variances
    ratios = np.maximum(variances[:-1] / variances[-1], least)
    return Likelihood(equations, variances, reml, equations.factor(ratios), ratios)
