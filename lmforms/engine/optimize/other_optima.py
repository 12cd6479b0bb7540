"""Is there a lower optimum elsewhere? Searches from other starts, where there is cause for them.

After a local search the criterion is looked at along each variance (:mod:`.variance_curves`);
other minima of these curves are searched from. In small models whose levels differ much in what
they know, or that have few rows for their effects, several optima are common: there searches also
begin where one term has no variance, and from random θ.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...covariance import Stacked
from ...support.arrays import FloatArray
from ..criterion.evaluate import Evaluation, Problem
from .local_search import Run, local_minimum, rough_minimum
from .variance_curves import other_minima

FEW_CANDIDATES, CANDIDATES = 3, 8
"""Minima of curves that are searched from: usually, and in delicate models."""

RANDOM, SPREAD = 12, 2.0
"""Random starts of delicate models, and the standard deviation of their ln θ."""

EVALUATIONS = 2
"""Evaluations in searches from elsewhere, for each that the first search may take."""

LOWER_OPTIMA = 10
"""How often a lower optimum may be found, and searches begin anew."""

ROUGH = 1e-3
"""A search from elsewhere ends when a Newton step promises less than this. It goes on to the end
if that may make it the lowest: within ten times this."""

SAME_OPTIMUM = 1e-5
"""A criterion that is not lower by more than this, or than rounding, is no other optimum."""

SAME_VALUE, SAME_COVARIANCE = 0.02, 0.1
"""Ends of rough searches that differ by less, in value or relative to the covariances."""

DELICATE_EFFECTS = 300
"""Models with more random effects than this have enough levels for one optimum."""

MANY_EFFECTS = 5_000
"""With more random effects than this and levels that know about as much, curves are not drawn for
several parameters: they would cost a tenth of the fit."""

CROWDED, FULL = 0.5, 0.9
"""With more columns of X and Z than these shares of n few rows speak for each. The first alone is
usual in balanced designs, which have one optimum."""

UNEVEN, UNBALANCED = 20.0, 2.0
"""A level with the first many times the usual sum of squares can pull variances its own way; one
with more than the second is enough in a crowded design."""


def lowest_optimum(
    run: Run, problem: Problem, best: Evaluation, decrement: float, tolerance: float
) -> tuple[Evaluation, float, tuple[float, ...]]:
    """The lowest of `best` and of the optima that searches from elsewhere lead to.

    Parameters
    ----------
    run : Run
        That led to `best`; evaluations from other starts are added to its trace.
    problem : Problem
    best : Evaluation
        A local optimum.
    decrement : float
        What a Newton step there promises.
    tolerance : float

    Returns
    -------
    best, decrement
        Of the lowest.
    others : tuple of float
        The criterion at the others, lowest first.
    """
    effects = sum(q * k for q, k in problem.system.shapes)
    if problem.n_theta > 1 and effects > MANY_EFFECTS and not _is_uneven(problem, UNEVEN):
        return best, decrement, ()
    delicate = is_delicate(problem)
    explore = Run(EVALUATIONS * run.limit)
    met = [best.value]
    for _ in range(LOWER_OPTIMA):
        lower = None
        clearly_lower = best.value - max(SAME_OPTIMUM, best.rounding)
        for begin in _starts(explore, best, delicate):
            found = rough_minimum(explore, problem, begin, ROUGH)
            near = found.value < best.value + 10.0 * ROUGH
            if found.value < clearly_lower or (near and not _same_covariances(found, best)):
                found, left = local_minimum(explore, problem, found, tolerance)
            met.append(found.value)
            if found.value < clearly_lower:
                lower = found, left
                break
        if lower is None or explore.exhausted:
            break
        best, decrement = lower
    run.trace += explore.trace
    return best, decrement, _distinct(sorted(met), best.value)


def _same_covariances(a: Evaluation, b: Evaluation) -> bool:
    pairs = zip(a.problem.factors(a.theta), b.problem.factors(b.theta), strict=True)
    for lam_a, lam_b in pairs:
        ga, gb = lam_a @ lam_a.T, lam_b @ lam_b.T
        if np.abs(ga - gb).max() > SAME_COVARIANCE * np.abs(gb).max():
            return False
    return True


def _distinct(values: list[float], lowest: float) -> tuple[float, ...]:
    """Values well above the lowest, and apart from each other."""
    out: list[float] = []
    for value in values:
        if value - (out[-1] if out else lowest) > SAME_VALUE:
            out.append(value)
    return tuple(out)


def _starts(run: Run, best: Evaluation, delicate: bool) -> Iterator[Evaluation]:
    """Points from which other optima may be reached, the most promising first."""
    found = [(best.value + c.change, c.theta) for c in other_minima(best)]
    if delicate:
        for theta in without_each_part(best.problem, best.theta):
            at = run(best.problem, theta)
            if at is not None:
                found += [(at.value + c.change, c.theta) for c in other_minima(at)]
                found.append((at.value, at.theta))
    most = CANDIDATES if delicate else FEW_CANDIDATES
    for _, theta in sorted(found, key=lambda start: start[0])[:most]:
        at = run(best.problem, theta)
        if at is not None:
            yield at
    if delicate and best.problem.n_theta > 1:
        rng = np.random.default_rng(0)
        shape = RANDOM, best.problem.n_theta
        for theta in rng.normal(size=shape) * np.exp(SPREAD * rng.normal(size=shape)):
            at = run(best.problem, theta)
            if at is not None:
                yield at


def is_delicate(problem: Problem) -> bool:
    """Whether a small model's levels differ much in what they know, or effects are many for n."""
    cp = problem.system.cp
    effects = sum(q * k for q, k in problem.system.shapes)
    if effects > DELICATE_EFFECTS:
        return False
    columns = effects + cp.p
    if columns >= FULL * cp.n:
        return True
    bound = UNBALANCED if columns >= CROWDED * cp.n else UNEVEN
    return _is_uneven(problem, bound)


def _is_uneven(problem: Problem, bound: float) -> bool:
    """Whether a level has this many times the usual sum of squares."""
    for f in problem.system.cp.factors:
        sizes = np.sort(np.einsum("qkk->kq", f.zz), axis=1)
        if (sizes[:, -1] > bound * sizes[:, sizes.shape[1] // 2]).any():
            return True
    return False


def without_each_part(problem: Problem, theta: FloatArray) -> Iterator[FloatArray]:
    """θ with the variances of one part set to zero, for each part that has some."""
    for covariance, s in zip(problem.covariances, problem.theta_slices(), strict=True):
        parts = covariance.theta_slices() if isinstance(covariance, Stacked) else [slice(None)]
        for part in parts:
            out = theta.copy()
            out[s][part] = 0.0
            if not np.array_equal(out, theta):
                yield out
