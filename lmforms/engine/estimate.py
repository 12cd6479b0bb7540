"""Fit rows: scale, sum, optimise, and carry the numbers back to the user's units."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..control import Control
from ..covariance import Covariance, Stacked
from ..errors import ModelError, NumericalError
from ..support.arrays import FloatArray
from .choice import analysed
from .criterion.evaluate import Evaluation, Problem, evaluate
from .exact_fit import DOUBTFUL, Explained, explained
from .factor import System, calm_threads
from .iterative import IterativeOptimum, IterativeProblem, evaluate_at
from .iterative import minimize as find_zero
from .optimize.identifiability import unidentified_parts
from .optimize.minimize import Optimum, minimize
from .rows import ModelRows
from .saturation import NO_RESIDUAL_LEFT, refuse_unbounded_likelihood
from .status import OptimizerReport
from .sums.build import summed
from .sums.cross_products import CrossProducts
from .sums.scaling import Scaling

HUGE_RATIO = 1e4
"""Random effects this many σ wide raise the question whether there is a residual at all."""

FURTHER, LEVEL = 10.0, 1e-2
"""A criterion that rises by less than this when all θ grow tenfold has its infimum at σ = 0."""

AGREES = 0.9
"""σ² may miss what the rows say there by this factor, and does by orders if digits are lost …"""

ROUGHLY = 0.01
"""… or by this one, if they say it only by chance: some random effects are not wide."""

MANY_ROWS = 50_000
"""Products of so many rows …"""

FEW_COLUMNS = 16
"""… with so few columns gain nothing from threads, and lose where cores are shared."""

EXPLAINED = (
    "fixed and random effects explain the response exactly: no residual variance is left to "
    "estimate. Are all rows of a group the same?"
)

EXPLAINED_BY_FIXED = (
    "the fixed effects explain the response exactly: no residual variance is left to estimate. "
    "Is the response computed from the predictors?"
)


@dataclass(frozen=True, eq=False)
class Estimate:
    """A fit in the user's units, by grouping factor, without labels.

    Attributes
    ----------
    problem : Problem or IterativeProblem
        The criterion that was minimised (engine's units), exactly or by its estimated score.
    optimum : Optimum or IterativeOptimum
        Where, and how the optimiser ended.
    theta : tuple of ndarray
        θ of each grouping factor.
    factors : tuple of ndarray (k, k)
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
        Structures whose covariance is singular, as indices (factor, part).
    flat : tuple of (int, int)
        Structures along which the criterion does not change.
    """

    problem: Problem | IterativeProblem
    optimum: Optimum | IterativeOptimum
    theta: tuple[FloatArray, ...]
    factors: tuple[FloatArray, ...]
    beta: FloatArray
    cov_beta: FloatArray
    sigma: float
    b: tuple[FloatArray, ...]
    criterion: float
    criterion_se: float
    singular: tuple[tuple[int, int], ...]
    flat: tuple[tuple[int, int], ...]

    @property
    def scaling(self) -> Scaling:
        """The change of units."""
        return self.problem.system.cp.scaling

    @property
    def is_exact(self) -> bool:
        """Whether there is a factor of Λ'Z'ZΛ + I: not with conjugate gradients."""
        return isinstance(self.problem, Problem)

    @property
    def reml(self) -> bool:
        """Whether the criterion is the restricted one."""
        return self.problem.reml

    @property
    def converged(self) -> bool:
        """Whether the optimiser's own test of convergence was met."""
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
        gradient = optimum.evaluation.gradient
        shift = self.scaling.criterion_shift(self.problem.nu, self.reml)
        return OptimizerReport(
            converged=optimum.converged,
            message=optimum.message,
            n_evaluations=optimum.n_evaluations,
            gradient_norm=0.0 if gradient is None else float(np.abs(gradient).max(initial=0.0)),
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
            for m, block in zip(self.scaling.bases, blocks, strict=True)
        ]


def estimate(
    rows: ModelRows,
    covariances: Sequence[Covariance],
    *,
    reml: bool,
    control: Control,
    start: Sequence[FloatArray] | None = None,
    fixed_theta: bool = False,
) -> Estimate:
    """Fit a model to rows in memory.

    Parameters
    ----------
    rows : ModelRows
    covariances : sequence of Covariance
        One per grouping factor.
    reml : bool
    control : Control
    start : sequence of ndarray, optional
        θ of each grouping factor, in the user's units.
    fixed_theta : bool
        Evaluate at `start` and do not optimise.

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
    if not (reml or fixed_theta):
        refuse_unbounded_likelihood(rows, covariances)
    with calm_threads(1 if n >= MANY_ROWS and p <= FEW_COLUMNS else 0):
        cp = summed(rows, tuple(covariances))
    scaling = cp.scaling
    left = scaling.y_scale * float(np.sqrt(cp.rr[-1, -1] / cp.n))
    doubt = refuse_explained(rows) if left <= DOUBTFUL * scaling.resolution else None
    try:
        found = _from_sums(cp, covariances, reml, control, start, fixed_theta)
    except NumericalError:
        if doubt is None:  # far out there may be no digits to evaluate anything
            refuse_explained(rows)
        raise
    if wide(found):
        least = doubt or refuse_explained(rows)
        if least.any_response and not fixed_theta and _is_level(found):
            raise ModelError(NO_RESIDUAL_LEFT.format(n=n, which="restricted " if reml else ""))
        _check_sigma(found, least, rows)
    _refuse_no_residual(found)
    return found


def _is_level(found: Estimate) -> bool:
    """Whether the criterion does not rise although all random effects outgrow σ further.

    So it is, too, where rounding of the criterion would hide a rise.
    """
    at = found.optimum.evaluation
    if not isinstance(at, Evaluation):
        return False
    if at.rounding > LEVEL:
        return True
    try:
        further = evaluate(at.problem, FURTHER * at.theta, 0)
    except NumericalError:
        return True
    return further.value <= at.value + LEVEL


def _check_sigma(found: Estimate, least: Explained, rows: ModelRows) -> None:
    """Raise if σ² is not what the rows say: there wide random effects cost it its digits.

    νσ² is no less than what least squares leave, and that is (ν − q)σ² where all q random
    effects are wide; if only some are, about that.
    """
    nu, count = found.problem.nu, sum(f.n_levels * f.k for f in rows.factors)
    narrowest = min(np.abs(np.diag(lam)).min() for lam in found.factors)
    margin = AGREES if narrowest > HUGE_RATIO else ROUGHLY
    low = least.sum_of_squares / nu
    high = least.sum_of_squares / (nu - count) if nu > count else np.inf
    if low * AGREES <= found.sigma**2 <= high / margin or least.any_response:
        return
    raise NumericalError(
        f"a residual standard deviation of about {np.sqrt(low):.1e} is left beside random effects "
        f"{np.abs(found.optimum.evaluation.theta).max():.0e} times as wide: too many digits are "
        "lost to estimate it. Is the response computed from the levels?"
    )


def wide(found: Estimate) -> bool:
    """Whether random effects are so much wider than σ that there may be no residual at all."""
    return bool(np.abs(found.optimum.evaluation.theta).max(initial=0.0) > HUGE_RATIO)


def refuse_explained(rows: ModelRows) -> Explained:
    """Raise if X, or X and Z, leave nothing of the response: θ then goes to infinity."""
    found = explained(rows)
    if found.by_all:
        raise ModelError(EXPLAINED_BY_FIXED if found.by_fixed else EXPLAINED)
    return found


def estimate_sums(
    cp: CrossProducts,
    covariances: Sequence[Covariance],
    *,
    reml: bool,
    control: Control,
    start: Sequence[FloatArray] | None = None,
    fixed_theta: bool = False,
) -> Estimate:
    """Fit a model to cross-products, wherever their rows came from (see :func:`estimate`)."""
    found = _from_sums(cp, covariances, reml, control, start, fixed_theta)
    _refuse_no_residual(found)
    return found


def _refuse_no_residual(found: Estimate) -> None:
    if found.sigma <= found.scaling.resolution:
        raise ModelError(EXPLAINED)


def _from_sums(
    cp: CrossProducts,
    covariances: Sequence[Covariance],
    reml: bool,
    control: Control,
    start: Sequence[FloatArray] | None,
    fixed_theta: bool,
) -> Estimate:
    system = analysed(cp, control)
    inner = None if start is None else _inner_theta(start, covariances, cp.scaling)
    with calm_threads(system.largest if isinstance(system, System) else 1):
        if isinstance(system, System):
            problem = Problem(system, tuple(covariances), reml)
            return estimate_exact(problem, control, inner, fixed_theta)
        return _iterative(
            IterativeProblem(system, tuple(covariances), reml, control.seed),
            control,
            inner,
            fixed_theta,
        )


def estimate_exact(
    problem: Problem, control: Control, start: FloatArray | None = None, fixed_theta: bool = False
) -> Estimate:
    """Fit an analysed problem, from θ in the engine's units (see :func:`estimate`)."""
    if fixed_theta:
        assert start is not None
        at = evaluate(problem, start)
        optimum = Optimum(at, True, "evaluated at given θ", 1, (at.value,), 0.0)
    else:
        try:
            optimum = minimize(problem, control, start)
        except NumericalError as exc:
            raise NumericalError(f"the first evaluation failed: {exc}") from exc
    value = optimum.evaluation.value
    return _report(problem, optimum, (value, 0.0), control, fixed_theta)


def _iterative(
    problem: IterativeProblem, control: Control, start: FloatArray | None, fixed_theta: bool
) -> Estimate:
    """By conjugate gradients: the criterion is an estimate with a standard error."""
    if fixed_theta:
        assert start is not None
        optimum = evaluate_at(problem, start)
    else:
        optimum = find_zero(problem, control, start)
    value = (optimum.value, optimum.value_se)
    return _report(problem, optimum, value, control, fixed_theta)


def _report(
    problem: Problem | IterativeProblem,
    optimum: Optimum | IterativeOptimum,
    value: tuple[float, float],
    control: Control,
    fixed_theta: bool,
) -> Estimate:
    at, cp = optimum.evaluation, problem.system.cp
    scaling = cp.scaling
    sigma = float(scaling.y_scale * np.sqrt(at.sigma2))
    thetas, factors, singular = [], [], list[tuple[int, int]]()
    for i, (covariance, s, basis) in enumerate(
        zip(problem.covariances, problem.theta_slices(), scaling.bases, strict=True)
    ):
        lam = covariance.factor(at.theta[s])
        thetas.append(covariance.transform(at.theta[s], basis.linear))
        factors.append(covariance.factor(thetas[-1]))
        singular += [(i, j) for j in _singular_parts(covariance, lam, control.singular)]
    linear = scaling.x.linear
    root = linear @ at.fixed.inverse_root_x
    return Estimate(
        problem=problem,
        optimum=optimum,
        theta=tuple(thetas),
        factors=tuple(factors),
        beta=scaling.beta(at.fixed.beta),
        cov_beta=sigma**2 * (root @ root.T),
        sigma=sigma,
        b=tuple(
            scaling.y_scale * (b @ m.linear.T) for b, m in zip(at.b, scaling.bases, strict=True)
        ),
        criterion=value[0] + scaling.criterion_shift(problem.nu, problem.reml),
        criterion_se=value[1],
        singular=tuple(singular),
        flat=() if fixed_theta else tuple(unidentified_parts(problem, optimum)),
    )


def _inner_theta(
    start: Sequence[FloatArray], covariances: Sequence[Covariance], scaling: Scaling
) -> FloatArray:
    parts = [
        c.transform(np.asarray(t, dtype=np.float64), m.inverse)
        for c, t, m in zip(covariances, start, scaling.bases, strict=True)
    ]
    return np.concatenate([np.empty(0), *parts])


def _singular_parts(covariance: Covariance, lam: FloatArray, tolerance: float) -> list[int]:
    """Parts of a stacked structure with a direction of (relatively) no variance."""
    blocks = [lam]
    if isinstance(covariance, Stacked):
        blocks = [lam[c, c] for c in covariance.column_slices()]
    out = []
    for j, block in enumerate(blocks):
        d = np.linalg.svd(block, compute_uv=False)
        if d.min() < tolerance:
            out.append(j)
    return out
