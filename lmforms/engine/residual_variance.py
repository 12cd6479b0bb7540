"""Whether any residual variance is left, and the errors that say that none is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import ModelError, NumericalError
from ..support.arrays import FloatArray
from .criterion.evaluate import Evaluation, evaluate
from .exact_fit import Explained, explained
from .iterative import IterativeEvaluation
from .rows import ModelRows
from .sums.cross_products import CrossProducts
from .user_units import Estimate

WIDE_EFFECTS = 1e4
"""If random effects have a standard deviation of more than this many σ, it is checked whether
there is a residual at all."""

SCALED_UP, LEAST_RISE = 10.0, 1e-2
"""If the criterion rises by less than the second when all θ are multiplied by the first, its
infimum is at σ = 0."""

NEARBY = (1.0, 1.0 + 1e-7, 1.0 - 1e-7, 1.0 + 1e-6)
"""Multiples of θ at which the criterion has the same value, but for rounding. The first may be
factored in other coordinates than the optimum was."""

EXACT_AGREEMENT = 0.9
"""Share by which σ² may miss the bounds that the rows give where all random effects are wide. If
digits are lost, it misses them by orders of magnitude."""

ROUGH_AGREEMENT = 0.01
"""The same where some random effects are not wide: the bounds are then approximate."""

EXPLAINED = (
    "fixed and random effects explain the response exactly: no residual variance is left to "
    "estimate. Are all rows of a group the same?"
)

EXPLAINED_BY_FIXED = (
    "the fixed effects explain the response exactly: no residual variance is left to estimate. "
    "Is the response computed from the predictors?"
)

SATURATED = (
    "the columns of the fixed and random effects span all {n} rows, and the {which}"
    "likelihood is highest where no residual variance is left. Leave out a random slope or a term."
)

SATURATED_BY_ROWS = (
    "a random term with one row per level explains all variation: the {which}likelihood is "
    "highest where the residual variance is zero. Leave out that term and the weights, or "
    "residual=: its effects are then the residuals (a slope of x is a weight of 1/x²)."
)


def explained_or_raise(rows: ModelRows, roots: Sequence[Any] = ()) -> Explained:
    """Raise if X, or X and Z, leave nothing of the response: θ then goes to infinity."""
    found = explained(rows, roots)
    if found.by_all:
        raise ModelError(EXPLAINED_BY_FIXED if found.by_fixed else EXPLAINED)
    return found


def refuse_zero_sigma(sigma: float, resolution: float) -> None:
    """Raise if σ is no larger than rounding."""
    if sigma <= resolution:
        raise ModelError(EXPLAINED)


def refuse_saturated(found: Estimate, cp: CrossProducts) -> None:
    """Raise if random effects have outgrown σ, and columns and effects may explain any response.

    Of sums, whose rows cannot be looked at.

    Raises
    ------
    ModelError
    """
    count = sum(q * k for q, k, _ in (f.zr.shape for f in cp.factors))
    if cp.n <= cp.p + count and any(has_wide_effects(lam) for lam in found.lams):
        which = "restricted " if found.problem.reml else ""
        raise ModelError(SATURATED.format(n=cp.n, which=which))


def has_wide_effects(theta: FloatArray) -> bool:
    """Whether random effects are so much wider than σ that there may be no residual at all."""
    return bool(np.abs(theta).max(initial=0.0) > WIDE_EFFECTS)


def check_sigma(
    at: Evaluation | IterativeEvaluation,
    sigma: float,
    lams: Sequence[FloatArray],
    rows: ModelRows,
    least: Explained,
    searched: bool,
    independent_levels: bool = False,
) -> None:
    """Raise if σ = 0 is the optimum, or if σ has lost its digits beside wide random effects.

    νσ² is no less than what least squares leave, and that is (ν − q)σ² where all q random
    effects are wide; if only some are, about that.

    Parameters
    ----------
    at : Evaluation or IterativeEvaluation
        The optimum, or what was evaluated instead.
    sigma : float
    lams : sequence of ndarray (k, k)
        λ in the user's units.
    rows : ModelRows
    least : Explained
        What least squares leave of the response.
    searched : bool
        Whether θ was optimised.
    independent_levels : bool
        Whether no grouping factor has a known covariance of its levels.
    """
    nu, theta = at.problem.nu, at.theta[: at.problem.n_theta]
    if least.any_response:
        if searched and _is_lowest_at_zero_sigma(at):
            which = "restricted " if at.problem.reml else ""
            by_rows = independent_levels and any(f.n_levels == rows.n for f in rows.factors)
            message = SATURATED_BY_ROWS if by_rows else SATURATED
            raise ModelError(message.format(n=rows.n, which=which))
        return
    count = sum(q * k for q, k, _ in (f.zr.shape for f in at.problem.system.cp.factors))
    narrowest = min(np.abs(np.diag(lam)).min() for lam in lams)
    margin = EXACT_AGREEMENT if narrowest > WIDE_EFFECTS else ROUGH_AGREEMENT
    low = least.sum_of_squares / nu
    high = least.sum_of_squares / (nu - count) if nu > count else np.inf
    if low * EXACT_AGREEMENT <= sigma**2 <= high / margin:
        return
    raise NumericalError(
        f"a residual standard deviation of about {np.sqrt(low):.1e} is left beside random effects "
        f"{np.abs(theta).max():.0e} times as wide: too many digits are "
        "lost to estimate it. Is the response computed from the levels?"
    )


def _is_lowest_at_zero_sigma(at: Evaluation | IterativeEvaluation) -> bool:
    """Whether the criterion does not rise although all random effects outgrow σ further.

    Also where rounding of the criterion would hide a rise, or shows itself nearby.
    """
    if not isinstance(at, Evaluation):
        return False
    if at.rounding > LEAST_RISE:
        return True
    try:
        near = [evaluate(at.problem, at.problem.scaled(at.theta, c)).value for c in NEARBY]
        further = evaluate(at.problem, at.problem.scaled(at.theta, SCALED_UP)).value
    except NumericalError:
        return True
    digits_lost = max(abs(value - at.value) for value in near) > LEAST_RISE
    return digits_lost or further <= at.value + LEAST_RISE
