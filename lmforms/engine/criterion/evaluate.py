"""The profiled ML and REML criterion, its gradient and its average information.

With rows already multiplied by R^(−1/2), A = Λ'Z'ZΛ + I, V₀ = I + ZΛΛ'Z', ν = n (ML) or
n − p (REML) and r² the penalised residual sum of squares,

    d(θ) = ln|A| + [REML] ln|X'V₀⁻¹X| + ν(1 + ln(2πr²/ν)) + ln|R|.

All derivatives follow from one matrix,

    M = ∂d/∂(ΛΛ') = Z'V₀⁻¹Z − (ν/r²) t t' − [REML] V V',
    t = Z'V₀⁻¹(y − Xβ̂),   V = Z'V₀⁻¹X R_X⁻¹,   R_X'R_X = X'V₀⁻¹X,

of which a grouping factor needs only G, the sum of its diagonal blocks over levels:
∂d/∂θ_i = 2⟨Gλ, ∂λ/∂θ_i⟩. The curvature is the average information plus what is left of
∂²d because V₀ is quadratic in θ:

    H_ij = w_i'P₀w_j/s² − (c_i't)(c_j't)/(ν s⁴) + ⟨G, ∂²(λλ')/∂θ_i∂θ_j⟩,
    w_i = Z c_i,  c_i = (∂Λ_i Λ' + Λ ∂Λ_i')t,  s² = r²/ν.

Where λ is linear in θ, the last part of H is 2⟨G ∂λ_i, ∂λ_j⟩. Where σ² is given it takes the
place of s², in M too, and the second part of H is absent.

References
----------
Bates et al. (2015), sections 3.4–3.6; Gilmour, Thompson, Cullis (1995), *Average
information REML*, Biometrics 51(4), for the first part of H.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import isfinite

import numpy as np

from ...errors import NumericalError
from ...support.arrays import Blocks, FloatArray
from ..factor import (
    DirectFactorization,
    Factorization,
    JointFactorization,
    factorize,
)
from .criterion_parts import CriterionParts
from .curvature import pair_traces
from .given import NOTHING, Given
from .gls import GLSFit, gls_fit
from .information import (
    DirectionSums,
    GradientSums,
    LocalDerivatives,
    covariance_gradients,
    gradient,
    information,
    root_changes,
)
from .problem import Problem
from .residual_derivatives import residual_slopes
from .residual_problem import ResidualProblem
from .sums_over_levels import LevelSums, RightSide

FORWARD_STEP = 1e-5
"""Step in φ for the curvature in a search. φ are angles and logarithms; gradients have about
eleven digits, so that curvatures have five."""

CENTRAL_STEP = 1e-4
"""Step of central differences for the Hessian, which has about seven digits."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The value of the criterion at one θ, in the engine's units.

    Attributes
    ----------
    problem : Problem
        What was evaluated.
    theta : ndarray
    value : float
        −2 × (restricted) log-likelihood, profiled over what is not given of β and σ.
    parts : CriterionParts
        Its terms.
    factor : Factorization
        The factored A.
    effects, marginal : list of ndarray (q, k, p + 1)
        Best linear predictors of the random effects of [X y] as responses, and Z'V₀⁻¹[X y].
    gls : GLSFit
        β, r² and R_X.
    given : Given
        σ² or a linear function of β, if it is not profiled out.
    """

    problem: Problem
    theta: FloatArray
    value: float
    parts: CriterionParts
    factor: Factorization | JointFactorization
    effects: Blocks
    marginal: Blocks
    gls: GLSFit
    given: Given = NOTHING

    def reparametrised(self, problem: Problem, theta: FloatArray) -> Evaluation:
        """The same λλ' as another parametrisation writes it.

        Derivatives, if any, are not taken over: they belong to the old θ.
        """
        problem = problem.sharing(self.problem)
        return Evaluation(
            problem,
            theta,
            self.value,
            self.parts,
            self.factor,
            self.effects,
            self.marginal,
            self.gls,
            self.given,
        )

    @property
    def sigma2(self) -> float:
        """Residual variance, r²/ν unless it is given."""
        return self.parts.sigma2 if self.given.sigma2 is None else self.given.sigma2

    @cached_property
    def fixed(self) -> Blocks:
        """V = Z'V₀⁻¹X R_X⁻¹, (q, k, p) of each grouping factor."""
        return LevelSums(self.factor, self.marginal, self.gls).fixed

    @property
    def b(self) -> tuple[FloatArray, ...]:
        """Conditional modes of the random effects, (q, k) for each grouping factor."""
        return tuple((x @ self.gls.to_residual)[..., 0] for x in self.effects)

    @cached_property
    def rounding(self) -> float:
        """Bound of the value's rounding error: its own digits, r² as a difference, and A's digits.

        Between crossed factors or related levels, and with as many random effects as rows, λ'Z'Zλ
        cancels, and the remainder is added to the identity or Q in A: digits are lost as the random
        effects become wide relative to σ.
        """
        cp, lams = self.problem.system.cp, self.factor.lams
        largest = 0.0
        effects = sum(f.zz.shape[0] * f.zz.shape[-1] for f in cp.factors)
        joint = isinstance(self.factor, JointFactorization)
        if len(lams) > 1 or joint or effects >= cp.n:
            largest = max(
                float(np.einsum("qii->q", f.zz).max() * np.square(lam).sum())
                for f, lam in zip(cp.factors, lams, strict=True)
            )
        cancelled = cp.rr[-1, -1] / self.sigma2
        return float(np.finfo(float).eps * (64 * abs(self.value) + cancelled + largest))


@dataclass(frozen=True, eq=False)
class Differentiated(Evaluation, LocalDerivatives):
    """The criterion at one θ with its derivatives."""


def evaluate(problem: Problem, theta: FloatArray, given: Given = NOTHING) -> Evaluation:
    """The criterion at `theta`; :func:`differentiate` adds derivatives.

    Parameters
    ----------
    problem : Problem
    theta : ndarray (m,)
        Any real numbers: the sign of a column of Λ does not matter. Parameters φ of the residuals,
        if there are any, follow those of the random effects.
    given : Given
        σ² or a linear function of β, which are profiled out otherwise.

    Raises
    ------
    NumericalError
        Λ'Z'ZΛ + I or X'V₀⁻¹X is not positive definite, or a number is not finite.
    """
    if not isfinite(sum(theta.tolist())):
        raise NumericalError("θ is not finite.")
    problem = problem.at(theta)
    factor = factorize(problem.system, problem.lams(theta))
    right = RightSide.of(factor)
    gls = gls_fit(right.moments, problem.nu, problem.system.kernels)
    if given.constraint is not None:
        gls = gls.constrained(given.constraint)
    parts = gls.parts(factor.log_det, problem.system.cp.log_det_residual, problem.reml)
    value = parts.value if given.sigma2 is None else parts.value_at(given.sigma2)
    if not isfinite(value):
        raise NumericalError("the criterion is not finite.")
    return Evaluation(
        problem=problem,
        theta=np.array(theta, dtype=np.float64),
        value=value,
        parts=parts,
        factor=factor,
        effects=right.effects,
        marginal=right.marginal,
        gls=gls,
        given=given,
    )


def differentiate(at: Evaluation, hessian: bool = False) -> Differentiated:
    """Add derivatives to an evaluation, whose factor they share.

    Derivatives are with respect to ``at.theta`` as ``at.problem`` understands it. To have them
    in another parametrisation of the same λλ', reparametrise first: nothing here depends on the
    root λ that was factored.

    Parameters
    ----------
    at : Evaluation
    hessian : bool
        The information is the Hessian ∂²d itself
        (see :mod:`lmforms.engine.criterion.curvature`).
    """
    problem = at.problem
    if at.factor.is_direct and not problem.n_phi:
        factor: DirectFactorization = at.factor  # type: ignore[assignment]
        return _directly_differentiated(at, factor, hessian)
    changes = root_changes(problem.lams(at.theta), problem.derivatives(at.theta))
    levels = LevelSums(at.factor, at.marginal, at.gls)
    sums, directions = levels.for_information(changes)
    first = _first_derivatives(at, sums)
    scale = first.curvature_scale
    pairs = pair_traces(at.factor, levels.fixed, changes, problem.reml) if hessian else None
    curvature, mixed = _information(at, directions, first.gradients, pairs)
    if problem.n_phi:
        curvature = _with_residual_curvature(at, first, curvature, hessian)
        mixed = np.append(mixed, first.mixed_phi)
        own_scale = np.sqrt(np.abs(curvature.diagonal()[problem.n_theta :]))
        scale = np.append(scale, own_scale)
        if not (np.isfinite(first.slope).all() and np.isfinite(curvature).all()):
            raise NumericalError("the derivatives in φ are not finite.")
    return _differentiated(
        at, first.slope, curvature, scale, first.gradients, mixed, pairs is not None
    )


def _information(
    at: Evaluation, directions: DirectionSums, gradients: Blocks, pairs: FloatArray | None
) -> tuple[FloatArray, FloatArray]:
    """The curvature in θ, and h."""
    nu = at.gls.nu if at.given.sigma2 is None else None
    return information(directions, at.problem.curvatures(at.theta, gradients), at.sigma2, nu, pairs)


def _directly_differentiated(
    at: Evaluation, factor: DirectFactorization, hessian: bool
) -> Differentiated:
    """The same by the sums that a factor makes in few passes."""
    problem, gls, s2 = at.problem, at.gls, at.sigma2
    lams, derivatives = problem.lams(at.theta), problem.derivatives(at.theta)
    if problem.is_linear:
        nu = gls.nu if at.given.sigma2 is None else np.inf
        right = gls.to_residual, gls.inverse_root_x
        found = factor.linear_derivatives(
            *right, lams, derivatives, s2, nu, reml=problem.reml, exact=hessian
        )
        if found is not None:
            gradients, out = found
            return _differentiated(at, out[-3], out[:-3], out[-2], gradients, out[-1], hessian)
    sums = factor.derivative_sums(
        gls.to_residual,
        gls.inverse_root_x,
        root_changes(lams, derivatives),
        reml=problem.reml,
        exact=hessian,
    )
    own = GradientSums(sums.traces, sums.residual, sums.fixed)
    gradients = covariance_gradients(own, 1.0 / s2, problem.reml)
    slope, scale = gradient(gradients, sums.traces, lams, derivatives)
    along = DirectionSums(sums.quadratic, sums.along_fixed, sums.along_residual[:, None])
    curvature, mixed = _information(at, along, gradients, sums.pairs)
    return _differentiated(at, slope, curvature, scale, gradients, mixed, hessian)


def _differentiated(
    at: Evaluation,
    slope: FloatArray,
    curvature: FloatArray,
    scale: FloatArray,
    gradients: Blocks,
    mixed: FloatArray,
    is_observed: bool,
) -> Differentiated:
    return Differentiated(
        problem=at.problem,
        theta=at.theta,
        value=at.value,
        parts=at.parts,
        factor=at.factor,
        effects=at.effects,
        marginal=at.marginal,
        gls=at.gls,
        given=at.given,
        gradient=slope,
        information=curvature,
        curvature_scale=scale,
        covariance_gradients=tuple(gradients),
        mixed=mixed,
        is_observed=is_observed,
    )


@dataclass(frozen=True, eq=False)
class _FirstDerivatives:
    """The gradient, and what the curvature needs of its computation."""

    slope: FloatArray
    mixed_phi: FloatArray
    curvature_scale: FloatArray
    gradients: list[FloatArray]


def _first_derivatives(at: Evaluation, sums: GradientSums) -> _FirstDerivatives:
    problem, gls = at.problem, at.gls
    gradients = covariance_gradients(sums, 1.0 / at.sigma2, problem.reml)
    slope, curvature_scale = gradient(
        gradients, sums.traces, problem.lams(at.theta), problem.derivatives(at.theta)
    )
    mixed_phi = np.empty(0)
    if isinstance(problem, ResidualProblem):
        own, mixed_phi = residual_slopes(
            problem.residual, problem.sums, at.factor, at.effects, gls, at.sigma2, problem.reml
        )
        slope = np.append(slope, own)
    return _FirstDerivatives(slope, mixed_phi, curvature_scale, gradients)


def gradient_at(problem: Problem, parameters: FloatArray, given: Given = NOTHING) -> FloatArray:
    """The gradient in (θ, φ) without curvature."""
    at = evaluate(problem, parameters, given)
    sums = LevelSums(at.factor, at.marginal, at.gls).for_gradient()
    slope = _first_derivatives(at, sums).slope
    if not np.isfinite(slope).all():
        raise NumericalError("the gradient is not finite.")
    return slope


def _with_residual_curvature(
    at: Evaluation, first: _FirstDerivatives, of_theta: FloatArray, hessian: bool
) -> FloatArray:
    """The curvature in (θ, φ): differences of the gradient for φ.

    One evaluation for each φ, or two for the Hessian.
    """
    slope = first.slope
    problem, m, size = at.problem, at.problem.n_theta, len(slope)
    if isinstance(problem, ResidualProblem) and not hessian:
        expected = problem.expected_information()
        if expected is not None:
            if at.given.sigma2 is None:
                return expected
            return expected + np.outer(first.mixed_phi, first.mixed_phi) / at.gls.nu
    H = np.zeros((size, size))
    H[:m, :m] = of_theta
    for i in range(m, size):
        H[i] = _central_change(at, i, slope) if hessian else _gradient_change(at, i, slope)
    H[:m, m:] = H[m:, :m].T
    H[m:, m:] = 0.5 * (H[m:, m:] + H[m:, m:].T)
    return H


def _central_change(at: Evaluation, i: int, slope: FloatArray) -> FloatArray:
    """∂gradient/∂parameter i by a central difference, one-sided beside a singular matrix."""
    step = np.zeros(len(at.theta))
    step[i] = CENTRAL_STEP
    try:
        up, down = (gradient_at(at.problem, at.theta + s, at.given) for s in (step, -step))
    except NumericalError:
        return _gradient_change(at, i, slope)
    return (up - down) / (2.0 * CENTRAL_STEP)


def _gradient_change(at: Evaluation, i: int, slope: FloatArray) -> FloatArray:
    """∂gradient/∂parameter i by a forward difference, or by a backward one."""
    for step in (FORWARD_STEP, -FORWARD_STEP):
        moved = at.theta.copy()
        moved[i] += step
        try:
            return (gradient_at(at.problem, moved, at.given) - slope) / step
        except NumericalError:
            continue
    raise NumericalError("the criterion cannot be evaluated beside this φ.")
