"""The profiled ML and REML criterion, its gradient and its average information.

With rows already multiplied by R^(−1/2), A = Λ'Z'ZΛ + I, V₀ = I + ZΛΛ'Z', ν = n (ML) or
n − p (REML) and r² the penalised residual sum of squares,

    d(θ) = ln|A| + [REML] ln|X'V₀⁻¹X| + ν(1 + ln(2πr²/ν)) + ln|R|.

Everything about the derivatives hangs on one matrix,

    M = ∂d/∂(ΛΛ') = Z'V₀⁻¹Z − (ν/r²) t t' − [REML] V V',
    t = Z'V₀⁻¹(y − Xβ̂),   V = Z'V₀⁻¹X R_X⁻¹,   R_X'R_X = X'V₀⁻¹X,

of which a grouping factor needs only G, the sum of its diagonal blocks over levels:
∂d/∂θ_i = 2⟨Gλ, ∂λ/∂θ_i⟩. The curvature is the average information plus what is left of
∂²d because V₀ is quadratic in θ:

    H_ij = w_i'P₀w_j/s² − (c_i't)(c_j't)/(ν s⁴) + 2⟨G ∂λ_i, ∂λ_j⟩,
    w_i = Z c_i,  c_i = (∂Λ_i Λ' + Λ ∂Λ_i')t,  s² = r²/ν.

References
----------
Bates et al. (2015), sections 3.4–3.6; Gilmour, Thompson, Cullis (1995), *Average
information REML*, Biometrics 51(4), for the first part of H.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from ...errors import NumericalError
from ...support.arrays import Blocks, FloatArray
from ..factor import Factorization, System
from ..linalg.batched import multiply
from .curvature import pair_traces
from .information import directions, gradient, information, level_gradients
from .problem import StructuredProblem
from .profiled import Profiled, marginal_moments, profiled


@dataclass(frozen=True, eq=False)
class Problem(StructuredProblem):
    """A criterion to be minimised over θ: cross-products, structures, ML or REML.

    Attributes
    ----------
    system : System
        Analysed cross-products.
    covariances : tuple of Covariance
        One per grouping factor.
    reml : bool
    """

    system: System


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The criterion at one θ, in the engine's units.

    Attributes
    ----------
    problem : Problem
        What was evaluated.
    theta : ndarray
    value : float
        −2 × (restricted) log-likelihood, profiled over β and σ.
    factor : Factorization
        The factored A.
    effects, marginal : list of ndarray (q, k, p + 1)
        Best linear predictors of the random effects of [X y] as responses, and Z'V₀⁻¹[X y].
    fixed : Profiled
        β, r² and R_X.
    gradient, information : ndarray or None
        First derivative, and the curvature of the docstring above.
    reference : ndarray or None
        √(2⟨T ∂λ_i, ∂λ_i⟩) with T the part of G that comes from ln|A|: what √H_ii would be
        without data, a measure for "no curvature".
    level_gradients : tuple of ndarray or None
        G for each grouping factor.
    """

    problem: Problem
    theta: FloatArray
    value: float
    factor: Factorization
    effects: Blocks
    marginal: Blocks
    fixed: Profiled
    gradient: FloatArray | None = None
    information: FloatArray | None = None
    reference: FloatArray | None = None
    level_gradients: tuple[FloatArray, ...] | None = None

    @property
    def sigma2(self) -> float:
        """Residual variance, r²/ν."""
        return self.fixed.r2 / self.fixed.nu

    @property
    def b(self) -> tuple[FloatArray, ...]:
        """Conditional modes of the random effects, (q, k) for each grouping factor."""
        return tuple((x @ self.fixed.contrast)[..., 0] for x in self.effects)

    @cached_property
    def rounding(self) -> float:
        """How far the value can be off: its own digits, r² as a difference, and A's digits.

        Between crossed factors λ'Z'Zλ is subtracted from itself, and what is left stands
        beside the identity in A: digits are lost as the random effects outgrow σ.
        """
        cp, lams = self.problem.system.cp, self.factor.lams
        swamped = 0.0
        if len(lams) > 1:
            swamped = max(
                float(np.einsum("qii->q", f.zz).max() * np.square(lam).sum())
                for f, lam in zip(cp.factors, lams, strict=True)
            )
        cancelled = cp.rr[-1, -1] / self.sigma2
        return float(np.finfo(float).eps * (64 * abs(self.value) + cancelled + swamped))


def evaluate(problem: Problem, theta: FloatArray, order: int = 2) -> Evaluation:
    """The criterion at `theta` with derivatives up to `order`.

    Parameters
    ----------
    problem : Problem
    theta : ndarray (n_theta,)
        Any real numbers: the sign of a column of Λ does not matter.
    order : {0, 1, 2}
        0: value; 1: and gradient; 2: and information.

    Raises
    ------
    NumericalError
        Λ'Z'ZΛ + I or X'V₀⁻¹X is not positive definite, or a number is not finite.
    """
    if not np.isfinite(theta).all():
        raise NumericalError("θ is not finite.")
    system, cp, nu = problem.system, problem.system.cp, problem.nu
    lams = problem.factors(theta)
    factor = system.factorize(lams)

    zr = [f.zr for f in cp.factors]
    b0 = cp.scaling.b_pilot
    v, q = factor.marginal(zr, b0)
    u = [multiply(lam.T, x) for lam, x in zip(lams, q, strict=True)]
    moments = marginal_moments(cp.rr, zr, v, q, u)  # [X y]'V₀⁻¹[X y]
    fixed = profiled(moments, nu)
    at = Evaluation(
        problem=problem,
        theta=np.array(theta, dtype=np.float64),
        value=fixed.criterion(factor.log_det, cp.log_det_residual, problem.reml),
        factor=factor,
        effects=[x + y for x, y in zip(b0, v, strict=True)],
        marginal=q,
        fixed=fixed,
    )
    return at if order == 0 else differentiate(at, order)


def differentiate(at: Evaluation, order: int = 2, exact: bool = False) -> Evaluation:
    """Add derivatives to an evaluation, whose factor they share.

    `exact`: the information is the Hessian ∂²d itself (see
    :mod:`lmforms.engine.criterion.curvature`).

    With respect to ``at.theta`` as ``at.problem`` understands it: to have them in another
    chart of the same λλ', replace both first (nothing here depends on the root λ that was
    factored).
    """
    problem, fit = at.problem, at.fixed
    lams, derivatives = problem.factors(at.theta), problem.derivatives(at.theta)
    t = [x @ fit.contrast for x in at.marginal]
    fixed = [x[..., :-1] @ fit.inverse_root_x for x in at.marginal]  # V
    traces = at.factor.diagonal_sums()
    levels = level_gradients(traces, t, fixed, 1.0 / at.sigma2, problem.reml)
    slope, reference = gradient(levels, traces, lams, derivatives)
    curvature = None
    if order >= 2:
        c = directions(t, lams, derivatives)
        shrunk = at.factor.marginal_of_effects(c)
        pairs = pair_traces(at.factor, fixed, lams, derivatives, problem.reml) if exact else None
        curvature = information(c, shrunk, fixed, t, levels, derivatives, fit.r2, fit.nu, pairs)
    return replace(
        at,
        gradient=slope,
        information=curvature,
        reference=reference,
        level_gradients=tuple(levels),
    )
