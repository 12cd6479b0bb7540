"""Fit rows: scale, sum, optimise, and transform the estimates to the user's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..control import Control
from ..covariance import Covariance
from ..errors import ModelError, NumericalError
from ..support.arrays import FloatArray
from . import iterative
from .criterion.criterion_parts import CriterionParts
from .criterion.problem import Problem, StructuredProblem
from .exact_fit import CHECKED_RATIO
from .iterative import IterativeOptimum, IterativeProblem, IterativeSystem, RoughOptimum
from .linalg.threads import limited_blas_threads
from .optimize.identifiability import suspicious_parts, unidentified_parts
from .optimize.minimize import Optimum, evaluate_at, minimize
from .prior import Prior
from .residual_variance import check_sigma, explained_or_raise, has_wide_effects, refuse_zero_sigma
from .rows import ModelRows
from .saturation import refuse_unbounded_likelihood
from .solver_choice import analyse, rough_system
from .status import OptimizerReport, rough_start_message
from .sums.cross_products import CrossProducts
from .sums.sums_of_rows import sums_of_rows
from .sums.units import Scaling

MANY_ROWS, FEW_COLUMNS = 50_000, 16
"""Products of at least so many rows and at most so many columns are not faster with threads, and
slower where cores are shared."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """A fit in the user's units, by grouping factor, without labels.

    Attributes
    ----------
    problem : Problem or IterativeProblem
        The criterion that was minimised (engine's units), exactly or by its estimated score.
    optimum : Optimum or IterativeOptimum
        The end of the search, and why it ended.
    theta : tuple of ndarray
        θ of each grouping factor.
    lams : tuple of ndarray (k, k)
        Relative factors λ.
    beta, cov_beta : ndarray (p,), (p, p)
        Fixed effects and σ²(X'V₀⁻¹X)⁻¹.
    sigma : float
        Residual standard deviation.
    b : tuple of ndarray (q, k)
        Conditional modes of the random effects.
    criterion : float
        −2 × (restricted) log-likelihood.
    criterion_se : float
        Its standard error where it is an estimate, 0 where it is exact.
    singular : tuple of (int, int)
        Random terms whose covariance is singular, as indices (factor, part).
    unidentified : tuple of (int, int)
        Random terms along whose variances the criterion does not change.
    """

    problem: Problem | IterativeProblem
    optimum: Optimum | IterativeOptimum
    theta: tuple[FloatArray, ...]
    lams: tuple[FloatArray, ...]
    beta: FloatArray
    cov_beta: FloatArray
    sigma: float
    b: tuple[FloatArray, ...]
    criterion: float
    criterion_se: float
    singular: tuple[tuple[int, int], ...]
    unidentified: tuple[tuple[int, int], ...]

    @property
    def scaling(self) -> Scaling:
        """The change of units."""
        return self.problem.system.cp.scaling

    @property
    def parts(self) -> CriterionParts:
        """The terms of the criterion in the user's units."""
        return self.optimum.parts.in_units(
            self.scaling.pilot.y_scale, self.scaling.units.x.log_determinant()
        )

    @property
    def is_factored(self) -> bool:
        """Whether there is a factor of Λ'Z'ZΛ + I: not with conjugate gradients."""
        return isinstance(self.problem, Problem)

    @property
    def reml(self) -> bool:
        """Whether the criterion is the restricted one."""
        return self.problem.reml

    @property
    def converged(self) -> bool:
        """Whether the optimiser's test of convergence was passed."""
        return self.optimum.converged

    @property
    def message(self) -> str:
        """Why it stopped."""
        return self.optimum.message

    @property
    def n_theta(self) -> int:
        """Number of covariance parameters."""
        return self.problem.n_theta

    def report(self, names: Sequence[str]) -> OptimizerReport:
        """How the optimiser ended.

        Parameters
        ----------
        names : sequence of str
            Of the grouping factors.
        """
        optimum = self.optimum
        shift = self.scaling.criterion_shift(self.problem.nu, self.reml)
        return OptimizerReport(
            converged=optimum.converged,
            message=optimum.message,
            n_evaluations=optimum.n_evaluations,
            gradient_norm=float(np.abs(optimum.evaluation.gradient).max(initial=0.0)),
            decrement=optimum.decrement,
            trace=tuple(t + shift for t in optimum.trace),
            blocks=tuple(self.problem.system.blocks(names)),
        )

    def conditional_covariances(self) -> list[FloatArray]:
        """Var(b | y) by level at the estimated θ and β, (q, k, k) for each factor.

        σ²ΛA⁻¹Λ', with the covariances between terms on one grouping factor. As in lme4,
        the uncertainty of β̂ is not in it.
        """
        blocks = self.optimum.evaluation.factor.level_blocks()
        return [
            self.sigma**2 * (m.linear @ block @ m.linear.T)
            for m, block in zip(self.scaling.units.bases, blocks, strict=True)
        ]


def estimate(
    rows: ModelRows,
    covariances: Sequence[Covariance],
    *,
    reml: bool,
    control: Control,
    priors: Sequence[Prior] = (),
    start: Sequence[FloatArray] | None = None,
    at: Sequence[FloatArray] | None = None,
) -> Estimate:
    """Fit a model to rows in memory.

    Parameters
    ----------
    rows : ModelRows
    covariances : sequence of Covariance
        One per grouping factor.
    reml : bool
    control : Control
    priors : sequence of Prior
        Covariances of the levels, one for each grouping factor; none if all are independent.
    start : sequence of ndarray, optional
        θ of each grouping factor from which to search, in the user's units.
    at : sequence of ndarray, optional
        θ at which to evaluate instead of optimising.

    Raises
    ------
    ModelError
        No residual degrees of freedom, or residuals that are exactly zero.
    """
    n, p = rows.X.shape
    if n <= p:
        raise ModelError(
            f"{n} rows and {p} independent fixed-effects columns leave nothing for the residuals."
        )
    # the engine's search is made for levels of unit variance: λ times the root of K's size
    sizes = np.sqrt([prior.size for prior in priors])
    start, at = (_times(theta, covariances, sizes) for theta in (start, at))
    priors = [prior.normalised() for prior in priors]
    roots = [prior.root for prior in priors]
    if not reml and at is None:
        refuse_unbounded_likelihood(rows, covariances, roots)
    with limited_blas_threads(1 if n >= MANY_ROWS and p <= FEW_COLUMNS else 0):
        cp = sums_of_rows(rows, tuple(covariances), roots)
    scaling = cp.scaling
    residual_size = scaling.pilot.y_scale * float(np.sqrt(cp.rr[-1, -1] / cp.n))
    is_small = residual_size <= CHECKED_RATIO * scaling.pilot.resolution
    least_squares = explained_or_raise(rows, roots) if is_small else None
    try:
        found = _from_sums(cp, covariances, reml, control, start, at, priors)
    except NumericalError:
        if least_squares is None:  # beside very wide effects all digits may be lost
            explained_or_raise(rows, roots)
        raise
    evaluation = found.optimum.evaluation
    widths = [np.abs(lam).max(initial=0.0) for lam in found.problem.lams(evaluation.theta)]
    if has_wide_effects(np.array(widths)):
        least = least_squares or explained_or_raise(rows, roots)
        check_sigma(evaluation, found.sigma, found.lams, rows, least, searched=at is None)
    refuse_zero_sigma(found.sigma, scaling.pilot.resolution)
    if not len(sizes):
        return found
    theta = _times(found.theta, covariances, 1.0 / sizes) or ()
    lams = [c.factor(t) for c, t in zip(covariances, theta, strict=True)]
    return replace(found, theta=tuple(theta), lams=tuple(lams))


def _times(
    theta: Sequence[FloatArray] | None, covariances: Sequence[Covariance], sizes: FloatArray
) -> Sequence[FloatArray] | None:
    """θ of cλ for a number c of each grouping factor; as it is without numbers."""
    if theta is None or not len(sizes):
        return theta
    each = zip(covariances, theta, sizes, strict=True)
    return [c.scaled(np.asarray(t, dtype=np.float64), float(r)) for c, t, r in each]


def estimate_sums(
    cp: CrossProducts,
    covariances: Sequence[Covariance],
    *,
    reml: bool,
    control: Control,
    start: Sequence[FloatArray] | None = None,
    at: Sequence[FloatArray] | None = None,
) -> Estimate:
    """Fit a model to cross-products, wherever their rows came from (see :func:`estimate`)."""
    found = _from_sums(cp, covariances, reml, control, start, at)
    refuse_zero_sigma(found.sigma, cp.scaling.pilot.resolution)
    return found


def estimate_by_factor(
    problem: Problem,
    control: Control,
    start: FloatArray | None = None,
    rough: RoughOptimum | None = None,
) -> Estimate:
    """Fit an analysed problem, from θ in the engine's units (see :func:`estimate`)."""
    try:
        optimum = minimize(problem, control, start, guess=None if rough is None else rough.theta)
    except NumericalError as exc:
        raise NumericalError(f"the first evaluation failed: {exc}") from exc
    if rough is not None and optimum.began_at_guess:
        message = optimum.message + rough_start_message(rough.n_evaluations)
        optimum = replace(optimum, message=message)
    return _in_user_units(problem, optimum, control, unidentified_parts(problem, optimum))


def _from_sums(
    cp: CrossProducts,
    covariances: Sequence[Covariance],
    reml: bool,
    control: Control,
    start: Sequence[FloatArray] | None,
    at: Sequence[FloatArray] | None,
    priors: Sequence[Prior] = (),
) -> Estimate:
    system, structures = analyse(cp, control, priors), tuple(covariances)
    first = None if start is None else _engine_theta(start, structures, cp.scaling)
    at_theta = None if at is None else _engine_theta(at, structures, cp.scaling)
    with limited_blas_threads(1 if isinstance(system, IterativeSystem) else system.largest):
        if not isinstance(system, IterativeSystem):
            problem = Problem(system, structures, reml)
            if at_theta is None:
                rough = _rough_optimum(problem, control.seed) if first is None else None
                return estimate_by_factor(problem, control, first, rough)
            return _in_user_units(problem, evaluate_at(problem, at_theta), control, [])
        estimated = IterativeProblem(system, structures, reml, control.seed)
        if at_theta is not None:
            found = iterative.evaluate_at(estimated, at_theta)
            return _in_user_units(estimated, found, control, [])
        found = iterative.minimize(estimated, control, first)
        unidentified = suspicious_parts(estimated, found.evaluation.theta, found.evaluation)
        return _in_user_units(estimated, found, control, unidentified)


def _rough_optimum(problem: Problem, seed: int) -> RoughOptimum | None:
    """Where an exact search begins if its evaluations are expensive."""
    system = rough_system(problem)
    return None if system is None else iterative.rough_optimum(problem, system, seed)


def _in_user_units(
    problem: Problem | IterativeProblem,
    optimum: Optimum | IterativeOptimum,
    control: Control,
    unidentified: Sequence[tuple[int, int]],
) -> Estimate:
    at, scaling = optimum.evaluation, problem.system.cp.scaling
    sigma = float(scaling.pilot.y_scale * np.sqrt(at.sigma2))
    thetas, lams = [], []
    for covariance, s, basis in zip(
        problem.covariances, problem.theta_slices(), scaling.units.bases, strict=True
    ):
        thetas.append(covariance.transform(at.theta[s], basis.linear))
        lams.append(covariance.factor(thetas[-1]))
    linear = scaling.units.x.linear
    root = linear @ at.gls.inverse_root_x
    return Estimate(
        problem=problem,
        optimum=optimum,
        theta=tuple(thetas),
        lams=tuple(lams),
        beta=scaling.beta(at.gls.beta),
        cov_beta=sigma**2 * (root @ root.T),
        sigma=sigma,
        b=tuple(
            scaling.pilot.y_scale * (b @ m.linear.T)
            for b, m in zip(problem.system.level_effects(at.b), scaling.units.bases, strict=True)
        ),
        criterion=optimum.value + scaling.criterion_shift(problem.nu, problem.reml),
        criterion_se=optimum.value_se,
        singular=tuple(_singular_parts(problem, at.theta, control.singular)),
        unidentified=tuple(unidentified),
    )


def _engine_theta(
    theta: Sequence[FloatArray], covariances: Sequence[Covariance], scaling: Scaling
) -> FloatArray:
    """θ in the engine's units, of all grouping factors."""
    parts = [
        c.transform(np.asarray(t, dtype=np.float64), m.inverse)
        for c, t, m in zip(covariances, theta, scaling.units.bases, strict=True)
    ]
    return np.concatenate([np.empty(0), *parts])


def _singular_parts(
    problem: StructuredProblem, theta: FloatArray, tolerance: float
) -> list[tuple[int, int]]:
    """Parts whose λ has a singular value below `tolerance` that the structure does not imply."""
    pairs = zip(problem.covariances, problem.theta_slices(), strict=True)
    return [
        (i, j)
        for i, (c, s) in enumerate(pairs)
        for j, singular in enumerate(c.is_singular(theta[s], tolerance))
        if singular
    ]
