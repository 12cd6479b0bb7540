"""The score and the information of the profiled criterion, by conjugate gradients.

The formulas are those of :mod:`lmforms.engine.criterion.evaluate`. β, r², t, V and the average
information need solves only and are exact to the tolerance of the conjugate gradients; the sums
of diagonal blocks of Z'V₀⁻¹Z are estimated (:mod:`lmforms.engine.iterative.probes`). The value
needs ln|A|, which the search does not use: :func:`log_likelihood` estimates it once, at the end.

References
----------
Gilmour, Thompson, Cullis (1995), *Average information REML*, Biometrics 51(4);
Matilainen, Mäntysaari, Lidauer, Strandén, Thompson (2013), *Employing a Monte Carlo
algorithm in Newton-type methods for restricted maximum likelihood estimation of genetic
parameters*, PLoS ONE 8(12), for its Monte Carlo form.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite

import numpy as np

from ...covariance import canonical_factor
from ...errors import NumericalError
from ...support.arrays import Blocks, FloatArray
from ..criterion.criterion_parts import CriterionParts
from ..criterion.gls import GLSFit, gls_fit, marginal_moments
from ..criterion.information import (
    DirectionSums,
    GradientSums,
    LocalDerivatives,
    covariance_gradients,
    directions,
    gradient,
    information,
    root_changes,
)
from ..criterion.problem import StructuredProblem
from ..linalg.batched import multiply
from .conjugate import MOST_ITERATIONS
from .lanczos import log_determinant
from .probes import TraceEstimate, diagonal_sums, sign_probes
from .schur_operator import SchurOperator
from .system import IterativeSystem

SEARCH_TOLERANCE = 1e-8
"""Relative residual of the solves during the search."""

FINAL_TOLERANCE = 1e-12
"""And of those that give the reported β, random effects and r², so that these do not depend on
the start and the path of the search (a digit costs an iteration or two)."""


@dataclass(frozen=True, eq=False)
class IterativeProblem(StructuredProblem):
    """A criterion whose score is computed by conjugate gradients.

    Attributes
    ----------
    system : IterativeSystem
    covariances : tuple of Covariance
        One per grouping factor.
    reml : bool
    seed : int
        Of the probes.
    most_iterations : int
        Of the conjugate gradients, before they are given up.
    """

    system: IterativeSystem
    seed: int = 0
    most_iterations: int = MOST_ITERATIONS


@dataclass(frozen=True, eq=False)
class NearbySolutions:
    """Solutions at one θ from which the solves at the next one start."""

    right: FloatArray
    probes: FloatArray
    directions: FloatArray


@dataclass(frozen=True, eq=False)
class IterativeEvaluation(LocalDerivatives):
    """The estimated score and information at one θ, from estimated traces (engine's units).

    Attributes
    ----------
    problem : IterativeProblem
    theta : ndarray
    noise : ndarray (n_theta, n_theta)
        Covariance of the gradient's error, from the spread of single probes.
    gls : GLSFit
        β, r² and R_X.
    b : tuple of ndarray (q, k)
    marginal : list of ndarray (q, k, p + 1)
        Z'V₀⁻¹[X y].
    factor : SchurOperator
        In place of the exact engine's factor.
    solutions : NearbySolutions
    iterations : int
        Of the conjugate gradients, the slowest column.
    """

    problem: IterativeProblem
    theta: FloatArray
    noise: FloatArray
    gls: GLSFit
    b: tuple[FloatArray, ...]
    marginal: Blocks
    factor: SchurOperator
    solutions: NearbySolutions
    iterations: int

    @property
    def sigma2(self) -> float:
        """Residual variance, r²/ν."""
        return self.gls.r2 / self.gls.nu

    @property
    def fixed(self) -> Blocks:
        """V = Z'V₀⁻¹X R_X⁻¹, (q, k, p) of each grouping factor."""
        return [x[..., :-1] @ self.gls.inverse_root_x for x in self.marginal]


def evaluate(
    problem: IterativeProblem,
    theta: FloatArray,
    probes: FloatArray,
    *,
    tolerance: float = SEARCH_TOLERANCE,
    nearby: NearbySolutions | None = None,
) -> IterativeEvaluation:
    """The score and the information at `theta`.

    Parameters
    ----------
    problem : IterativeProblem
    theta : ndarray (n_theta,)
        As the structures of `problem` define it; the estimate depends on λλ' only.
    probes : ndarray (m, s)
        See :func:`lmforms.engine.iterative.probes.diagonal_sums`.
    tolerance : float
        Of the conjugate gradients.
    nearby : NearbySolutions, optional
        From an evaluation nearby.

    Raises
    ------
    NumericalError
        The conjugate gradients do not converge, X'V₀⁻¹X is not positive definite, or a
        number is not finite.
    """
    system, cp, nu = problem.system, problem.system.cp, problem.nu
    parts = problem.theta_slices()
    if not np.isfinite(theta).all():
        raise NumericalError("θ is not finite.")
    lams, derivatives = problem.lams(theta), problem.derivatives(theta)
    # the estimate depends on the root λ: always the same root of λλ' in any parametrisation
    operator = SchurOperator(
        system, [canonical_factor(lam) for lam in lams], problem.most_iterations
    )

    zr, b0 = [f.zr for f in cp.factors], list(cp.scaling.pilot.effects)
    at = operator.marginal(
        zr, b0, tolerance=tolerance, guess=None if nearby is None else nearby.right
    )
    fit = gls_fit(marginal_moments(cp.rr, zr, at.v, at.q, at.u, at.u), nu)
    t = [x @ fit.to_residual for x in at.q]
    fixed = [x[..., :-1] @ fit.inverse_root_x for x in at.q]  # V

    traces = diagonal_sums(
        operator, probes, tolerance=tolerance, guess=None if nearby is None else nearby.probes
    )
    sums = GradientSums.of(traces.sums, (t, t), (fixed, fixed))
    levels = covariance_gradients(sums, nu / fit.r2, problem.reml)
    slope, curvature_scale = gradient(levels, traces.sums, lams, derivatives)
    c = directions(t, root_changes(lams, derivatives))
    marginal_c = operator.marginal(
        [np.zeros_like(x) for x in c],
        c,
        tolerance=tolerance,
        guess=None if nearby is None else nearby.directions,
    )
    curvatures = problem.curvatures(theta, levels)
    products = DirectionSums.of(c, marginal_c.q, fixed, t)
    curvature, mixed = information(products, curvatures, fit.r2 / nu, nu)
    return IterativeEvaluation(
        problem=problem,
        theta=np.array(theta, dtype=np.float64),
        gradient=slope,
        information=curvature,
        curvature_scale=curvature_scale,
        noise=_noise(traces, lams, derivatives, parts),
        covariance_gradients=tuple(levels),
        mixed=mixed,
        is_observed=False,
        gls=fit,
        b=tuple(((x + y) @ fit.to_residual)[..., 0] for x, y in zip(b0, at.v, strict=True)),
        marginal=at.q,
        factor=operator,
        solutions=NearbySolutions(at.flat, traces.solution, marginal_c.flat),
        iterations=max(at.iterations, traces.iterations, marginal_c.iterations),
    )


def log_likelihood(at: IterativeEvaluation) -> tuple[CriterionParts, float]:
    """The terms of −2 × (restricted) log-likelihood at an evaluated θ, and its standard error.

    The error comes from ln|A| alone, by stochastic Lanczos quadrature
    (:func:`lmforms.engine.iterative.lanczos.log_determinant`).
    """
    problem = at.problem
    probes = sign_probes(problem.system.m, problem.seed)
    log_det, error = log_determinant(at.factor, probes)
    residual = problem.system.cp.log_det_residual
    parts = at.gls.parts(log_det, residual, problem.reml)
    if not isfinite(parts.value):
        raise NumericalError("the criterion is not finite.")
    return parts, error


def _noise(
    traces: TraceEstimate,
    lams: Sequence[FloatArray],
    derivatives: Sequence[FloatArray],
    parts: Sequence[slice],
) -> FloatArray:
    """Covariance of the mean over probes of the gradient's estimated part."""
    count, size = len(traces.by_probe[0]), sum(s.stop - s.start for s in parts)
    scores = np.empty((count, size))
    for single, lam, d, s in zip(traces.by_probe, lams, derivatives, parts, strict=True):
        scores[:, s] = 2.0 * np.einsum("pij,tij->pt", multiply(single, lam), d)
    scores -= scores.mean(axis=0)
    return np.asarray(scores.T @ scores / (count * max(1, count - 1)))
