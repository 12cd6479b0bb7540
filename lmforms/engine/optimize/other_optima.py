"""Searches for lower optima from other starts.

After a local search the criterion is computed along each variance (:mod:`.variance_curves`), and
searches start from other minima of these curves. Several optima are common in small models whose
levels have very different information, or that have few rows for their effects: there searches
also start where one term has no variance, and from random θ.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...support.arrays import FloatArray
from ..criterion.evaluate import Differentiated, Evaluation
from ..criterion.problem import Problem
from .local_search import SearchRun, local_minimum, rough_minimum
from .variance_curves import other_minima

USUAL_STARTS, THOROUGH_STARTS = 3, 8
"""Minima of curves that are searched from, usually and in models that may have several optima."""

RANDOM_STARTS, RANDOM_SPREAD = 12, 2.0
"""Random starts in models that may have several optima, and the standard deviation of ln θ."""

EVALUATION_RATIO = 2
"""All these searches together may take this many times the evaluations of the first search."""

MOST_LOWER_OPTIMA = 10
"""How often a lower optimum may be found, after which the searches start anew."""

ROUGH_TOLERANCE = 1e-3
"""Decrement at which these searches end. They are continued to the requested tolerance if they end
within ten times this of the lowest criterion."""

SAME_OPTIMUM = 1e-5
"""A criterion that is not lower by more than this, or than rounding, is the same optimum."""

SAME_VALUE, SAME_COVARIANCE = 0.02, 0.1
"""Ends of rough searches are the same optimum if they differ by less, in the criterion or relative
to the covariances."""

FEW_EFFECTS = 300
"""Models with more random effects than this have enough levels for one optimum."""

MANY_EFFECTS = 5_000
"""With more random effects than this, several parameters and even levels no curves are computed:
they would cost a tenth of the fit."""

CROWDED_SHARE, SATURATED_SHARE = 0.5, 0.9
"""A design is crowded, or nearly saturated, with more columns of X and Z than these shares of n.
Balanced designs are often crowded and have one optimum."""

UNEVEN_RATIO, UNBALANCED_RATIO = 20.0, 2.0
"""Several optima are possible if a level has the first many times the median sum of squares; in a
crowded design, if it has the second many times."""


def lowest_optimum(
    run: SearchRun,
    problem: Problem,
    best: Differentiated,
    decrement: float,
    tolerance: float,
) -> tuple[Differentiated, float, tuple[float, ...]]:
    """The lowest of `best` and of the optima that searches from other starts find.

    Parameters
    ----------
    run : SearchRun
        Of the search for `best`; evaluations from other starts are added to its trace.
    problem : Problem
    best : Differentiated
        A local optimum.
    decrement : float
        The decrease that a Newton step there would bring.
    tolerance : float

    Returns
    -------
    best, decrement
        Of the lowest.
    others : tuple of float
        The criterion at the others, lowest first.
    """
    if not is_searched(problem):
        return best, decrement, ()
    thorough = may_have_several_optima(problem)
    explore = SearchRun(EVALUATION_RATIO * run.limit)
    met = [best.value]
    for _ in range(MOST_LOWER_OPTIMA):
        lower = None
        for start in _starts(explore, best, thorough):
            found = rough_minimum(explore, problem, start, ROUGH_TOLERANCE)
            near = found.value < best.value + 10.0 * ROUGH_TOLERANCE
            if _is_clearly_lower(found, best) or (near and not _same_covariances(found, best)):
                there, left = local_minimum(explore, problem, found, tolerance)
                met.append(there.value)
                if _is_clearly_lower(there, best):
                    lower = there, left
                    break
            else:
                met.append(found.value)
        if lower is None or explore.exhausted:
            break
        best, decrement = lower
    run.add(explore)
    return best, decrement, _distinct_values(sorted(met), best.value)


def _is_clearly_lower(found: Evaluation, best: Evaluation) -> bool:
    """Whether a criterion is lower by more than its own rounding."""
    return found.value + max(SAME_OPTIMUM, found.rounding) < best.value


def _same_covariances(a: Evaluation, b: Evaluation) -> bool:
    pairs = zip(a.problem.lams(a.theta), b.problem.lams(b.theta), strict=True)
    for lam_a, lam_b in pairs:
        ga, gb = lam_a @ lam_a.T, lam_b @ lam_b.T
        if np.abs(ga - gb).max() > SAME_COVARIANCE * np.abs(gb).max():
            return False
    return True


def _distinct_values(values: list[float], lowest: float) -> tuple[float, ...]:
    """Values above the lowest that differ from each other."""
    out: list[float] = []
    for value in values:
        if value - (out[-1] if out else lowest) > SAME_VALUE:
            out.append(value)
    return tuple(out)


def _starts(run: SearchRun, best: Evaluation, thorough: bool) -> Iterator[Evaluation]:
    """Points from which other optima may be reached, by the criterion there."""
    found = [(best.value + c.change, c.theta) for c in other_minima(best)]
    if thorough:
        for theta in _without_each_part(best.problem, best.theta):
            at = run(best.problem, theta)
            if at is not None:
                found += [(at.value + c.change, c.theta) for c in other_minima(at)]
                found.append((at.value, at.theta))
    most = THOROUGH_STARTS if thorough else USUAL_STARTS
    for _, theta in sorted(found, key=lambda start: start[0])[:most]:
        at = run(best.problem, theta)
        if at is not None:
            yield at
    for theta in best.problem.distant_starts(best.theta):
        at = run(best.problem, theta)
        if at is not None:
            yield at
    if thorough and best.problem.n_theta > 1:
        for theta in random_starts(best.problem.n_theta):
            at = run(best.problem, theta)
            if at is not None:
                yield at


def is_searched(problem: Problem) -> bool:
    """Whether other optima are searched for: not where there are very many even levels."""
    effects = sum(q * k for q, k in problem.system.shapes)
    return problem.n_theta == 1 or effects <= MANY_EFFECTS or _is_uneven(problem, UNEVEN_RATIO)


def random_starts(n_theta: int) -> FloatArray:
    """θ from which a model that may have several optima is searched, (starts, n_theta)."""
    rng = np.random.default_rng(0)
    shape = RANDOM_STARTS, n_theta
    return np.asarray(rng.normal(size=shape) * np.exp(RANDOM_SPREAD * rng.normal(size=shape)))


def may_have_several_optima(problem: Problem) -> bool:
    """Whether a small model has very uneven levels, or many effects for its rows.

    Of related levels only with several effects each: along single variances the curves tell.
    """
    system, cp = problem.system, problem.system.cp
    if system.has_related_levels and all(k == 1 for _, k in system.shapes):
        return False
    effects = sum(q * k for q, k in system.shapes)
    if effects > FEW_EFFECTS:
        return False
    columns = effects + cp.p
    if columns >= SATURATED_SHARE * cp.n:
        return True
    bound = UNBALANCED_RATIO if columns >= CROWDED_SHARE * cp.n else UNEVEN_RATIO
    return _is_uneven(problem, bound)


def _is_uneven(problem: Problem, bound: float) -> bool:
    """Whether a level has this many times the median sum of squares."""
    for sizes in problem.system.cp.sorted_sizes:
        if (sizes[:, -1] > bound * sizes[:, sizes.shape[1] // 2]).any():
            return True
    return False


def _without_each_part(problem: Problem, theta: FloatArray) -> Iterator[FloatArray]:
    """θ with the variances of one part set to zero, for each part that has some."""
    for _, _, entries in problem.parts():
        out = theta.copy()
        out[entries] = 0.0
        if not np.array_equal(out, theta):
            yield out
