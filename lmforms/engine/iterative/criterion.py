"""The score and the information of the profiled criterion, by conjugate gradients.

The formulas are those of :mod:`lmforms.engine.criterion.evaluate`. β, r², t, V and the average
information need solves only and are exact to the tolerance of the conjugate gradients; the sums
of diagonal blocks of Z'V₀⁻¹Z are estimated (:mod:`lmforms.engine.iterative.probes`). The value
needs ln|A|, which nobody needs on the way to the optimum: :func:`log_likelihood` estimates it
once, at the end.

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

import numpy as np

from ...covariance import canonical_factor
from ...errors import NumericalError
from ...support.arrays import FloatArray
from ..criterion.information import directions, gradient, information, level_gradients
from ..criterion.problem import StructuredProblem
from ..criterion.profiled import Profiled, marginal_moments, profiled
from ..linalg.batched import multiply
from .lanczos import log_determinant
from .operator import Operator
from .probes import TraceEstimate, diagonal_sums, sign_probes
from .system import IterativeSystem

SEARCH_TOLERANCE = 1e-8
"""Relative residual of the solves on the way to the optimum."""

FINAL_TOLERANCE = 1e-12
"""And of those that give the reported β, random effects and r²: so that neither the start
nor the way shows in them (digits cost an iteration or two each)."""


@dataclass(frozen=True, eq=False)
class IterativeProblem(StructuredProblem):
    """A criterion whose score is looked for by conjugate gradients.

    Attributes
    ----------
    system : IterativeSystem
    covariances : tuple of Covariance
        One per grouping factor.
    reml : bool
    seed : int
        Of the probes.
    """

    system: IterativeSystem
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Warm:
    """Solutions at one θ from which the solves at the next begin."""

    right: FloatArray
    probes: FloatArray
    directions: FloatArray


@dataclass(frozen=True, eq=False)
class IterativeEvaluation:
    """The estimated score and information at one θ, in the engine's units.

    Attributes
    ----------
    problem : IterativeProblem
    theta : ndarray
    gradient, information, reference
        As in :class:`lmforms.engine.criterion.evaluate.Evaluation`, from estimated traces.
    noise : ndarray (n_theta, n_theta)
        Covariance of the gradient's error, from the spread of single probes.
    level_gradients : tuple of ndarray
        G for each grouping factor.
    fixed : Profiled
        β, r² and R_X.
    b : tuple of ndarray (q, k)
    factor : Operator
        Where the exact engine has its factor.
    warm : Warm
    iterations : int
        Of the conjugate gradients, the slowest column.
    """

    problem: IterativeProblem
    theta: FloatArray
    gradient: FloatArray
    information: FloatArray
    reference: FloatArray
    noise: FloatArray
    level_gradients: tuple[FloatArray, ...]
    fixed: Profiled
    b: tuple[FloatArray, ...]
    factor: Operator
    warm: Warm
    iterations: int

    @property
    def sigma2(self) -> float:
        """Residual variance, r²/ν."""
        return self.fixed.r2 / self.fixed.nu


def evaluate(
    problem: IterativeProblem,
    theta: FloatArray,
    probes: FloatArray,
    *,
    tolerance: float = SEARCH_TOLERANCE,
    warm: Warm | None = None,
) -> IterativeEvaluation:
    """The score and the information at `theta`.

    Parameters
    ----------
    problem : IterativeProblem
    theta : ndarray (n_theta,)
        As the structures of `problem` understand it; the estimate depends on λλ' only.
    probes : ndarray (m, s)
        See :func:`lmforms.engine.iterative.probes.diagonal_sums`.
    tolerance : float
        Of the conjugate gradients.
    warm : Warm, optional
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
    lams, derivatives = problem.factors(theta), problem.derivatives(theta)
    # probes are seen through the root λ: always the same root of λλ', whatever the chart
    operator = Operator(system, [canonical_factor(lam) for lam in lams])

    zr, b0 = [f.zr for f in cp.factors], list(cp.scaling.b_pilot)
    at = operator.marginal(zr, b0, tolerance=tolerance, guess=None if warm is None else warm.right)
    fit = profiled(marginal_moments(cp.rr, zr, at.v, at.q, at.u), nu)
    t = [x @ fit.contrast for x in at.q]
    fixed = [x[..., :-1] @ fit.inverse_root_x for x in at.q]  # V

    traces = diagonal_sums(
        operator, probes, tolerance=tolerance, guess=None if warm is None else warm.probes
    )
    levels = level_gradients(traces.sums, t, fixed, nu / fit.r2, problem.reml)
    slope, reference = gradient(levels, traces.sums, lams, derivatives)
    c = directions(t, lams, derivatives)
    shrunk = operator.marginal(
        [np.zeros_like(x) for x in c],
        c,
        tolerance=tolerance,
        guess=None if warm is None else warm.directions,
    )
    curvature = information(c, shrunk.q, fixed, t, levels, derivatives, fit.r2, nu)
    return IterativeEvaluation(
        problem=problem,
        theta=np.array(theta, dtype=np.float64),
        gradient=slope,
        information=curvature,
        reference=reference,
        noise=_noise(traces, lams, derivatives, parts),
        level_gradients=tuple(levels),
        fixed=fit,
        b=tuple(((x + y) @ fit.contrast)[..., 0] for x, y in zip(b0, at.v, strict=True)),
        factor=operator,
        warm=Warm(at.flat, traces.solution, shrunk.flat),
        iterations=max(at.iterations, traces.iterations, shrunk.iterations),
    )


def log_likelihood(at: IterativeEvaluation) -> tuple[float, float]:
    """−2 × (restricted) log-likelihood at an evaluated θ, and its standard error.

    The error comes from ln|A| alone, by stochastic Lanczos quadrature
    (:func:`lmforms.engine.iterative.lanczos.log_determinant`).
    """
    problem = at.problem
    probes = sign_probes(problem.system.m, problem.seed)
    log_det, error = log_determinant(at.factor, probes)
    residual = problem.system.cp.log_det_residual
    return at.fixed.criterion(log_det, residual, problem.reml), error


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
