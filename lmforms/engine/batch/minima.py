r"""The lowest minima of many criteria, as far as they are beyond doubt.

Newton's method runs for all responses side by side, from several starts where a model may have
several optima. A minimum is accepted where the Hessian is regular, all searches of the response end
there, and no curve along a variance (:mod:`lmforms.engine.optimize.variance_curves`) has another
minimum. The other responses are for the engine's own search, from the lowest point found here.

No curves are needed where the criterion has one minimum. Let every level of one grouping factor
have the same Z_l and X_l = Z_lB, and λλ' be unstructured. With Σ = σ²(λλ' + (Z_l'Z_l)⁻¹), S the
covariance of the levels' least-squares coefficients and RSS what is left within levels, the REML
criterion is

    (q − 1)[ln|Σ| + tr(SΣ⁻¹)] + (n − qk) ln σ² + RSS/σ²,      Σ ⪰ σ²(Z_l'Z_l)⁻¹,

and the ML criterion the same with q in place of q − 1. In P = Σ⁻¹ and τ = 1/σ² it is convex, and
the constraint P ⪯ τ Z_l'Z_l is linear: a stationary point inside is the minimum.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...covariance import Covariance
from ...support.arrays import BoolArray, FloatArray, IndexArray
from ..criterion.problem import TRIED_AT_ZERO, Problem
from ..optimize.other_optima import (
    SAME_OPTIMUM,
    is_searched,
    may_have_several_optima,
    random_starts,
)
from ..optimize.variance_curves import has_curves
from ..residual_variance import has_wide_effects
from ..sums.cross_products import CrossProducts
from .criterion import Point, evaluate
from .curves import starts_on_curves
from .newton import Ends, ends_at, minimise, rounding
from .shared_sums import ResponseSums, SharedSums

SAME_MOMENTS = 1e-9
"""Relative difference up to which the moments of two levels are the same."""

SINGULARITY_MARGIN = 2.0
"""A singular value this many times above or below the bound of singular fits is clearly so."""

NEARLY_ZERO = 1e-2
"""Standard deviations, relative to σ, from which to search for a minimum without a term."""

SAME_MINIMUM = 1e-2
"""Two searches end at one minimum if λλ' differs by less than this, relative to its largest
entry or that of the identity."""


@dataclass(frozen=True, eq=False)
class Minima:
    """Minima of c responses.

    Attributes
    ----------
    point : Point
        The lowest that was found.
    accepted, singular : ndarray of bool (c,)
        Whether it is the minimum beyond doubt, and λ singular there.
    """

    point: Point
    accepted: BoolArray
    singular: BoolArray


def find_minima(
    problem: Problem,
    shared: SharedSums,
    own: ResponseSums,
    start: FloatArray,
    *,
    tolerance: float,
    singular: float,
) -> Minima:
    """Minimise the criteria of c responses.

    Parameters
    ----------
    problem : Problem
        Of any of the responses.
    shared : SharedSums
        The same design.
    own : ResponseSums
    start : ndarray (c, n_theta)
    tolerance, singular : float
        As in :class:`lmforms.Control`.
    """
    ends = minimise(shared, own, start, tolerance)
    single = has_one_minimum(problem.system.cp, problem.covariances)
    alone = np.ones(len(own), dtype=bool)
    thorough = not single and is_searched(problem) and may_have_several_optima(problem)
    if thorough:
        ends, alone = _from_other_starts(problem, shared, own, ends, tolerance)
    ends = _on_boundary(problem, shared, own, ends, tolerance)
    at, good = ends.point, ends.regular & alone
    good &= ~np.array([has_wide_effects(theta) for theta in at.theta], dtype=bool)
    least = _least_singular_values(problem, shared, at.theta)
    is_singular = least.min(axis=1) < singular
    unclear = (least > singular / SINGULARITY_MARGIN) & (least < singular * SINGULARITY_MARGIN)
    good &= ~unclear.any(axis=1)
    if not single and is_searched(problem) and has_curves(problem.system):
        checked = np.flatnonzero(good)
        some = own.subset(checked), at.subset(checked)
        which, _ = starts_on_curves(shared, *some, problem.covariances)
        good[checked[which]] = False
    return Minima(at, good, is_singular)


def has_one_minimum(cp: CrossProducts, covariances: Sequence[Covariance]) -> bool:
    """Whether the criterion of every response is known to have one minimum."""
    if len(cp.factors) != 1:
        return False
    (f,) = cp.factors
    k = f.zz.shape[-1]
    if covariances[0].invariances() != [(slice(0, k), "linear")]:
        return False
    moments = f.zr[..., : cp.p]
    whole = np.concatenate([f.zz, moments], axis=-1)
    if np.abs(whole - whole[0]).max() > SAME_MOMENTS * np.abs(whole).max():
        return False
    # X = ZB: nothing of X is left within levels
    q = len(f.zz)
    inside = q * moments[0].T @ np.linalg.lstsq(f.zz[0], moments[0], rcond=None)[0]
    xx = cp.rr[: cp.p, : cp.p]
    return bool(np.abs(xx - inside).max(initial=0.0) <= SAME_MOMENTS * np.abs(xx).max(initial=0.0))


def _from_other_starts(
    problem: Problem, shared: SharedSums, own: ResponseSums, ends: Ends, tolerance: float
) -> tuple[Ends, BoolArray]:
    """The lowest ends of searches from other starts too, and whether all end at one minimum."""
    c, first = len(own), ends.point.theta
    which = [np.arange(c)]
    found = [(ends.point, ends.regular)]
    starts = [np.tile(theta, (c, 1)) for theta in random_starts(problem.n_theta)]
    for place, start in _without_parts(problem, shared, own, first):
        which.append(place)
        more = minimise(shared, own.subset(place), start, tolerance)
        found.append((more.point, more.regular))
    for start in starts:
        which.append(np.arange(c))
        more = minimise(shared, own, start, tolerance)
        found.append((more.point, more.regular))
    place = np.concatenate(which)
    theta = np.concatenate([point.theta for point, _ in found])
    value = np.concatenate([point.value for point, _ in found])
    regular = np.concatenate([good for _, good in found])
    order = np.lexsort((value, place))
    best = order[np.searchsorted(place[order], np.arange(c))]
    lowest = theta[best]
    same = value <= value[best][place] + SAME_OPTIMUM
    for part in shared.parts:
        lam, other = part.lam(theta), part.lam(lowest)
        covariance = (other @ other.swapaxes(1, 2))[place]
        size = np.maximum(np.abs(covariance).max(axis=(1, 2)), 1.0)
        gap = np.abs(lam @ lam.swapaxes(1, 2) - covariance).max(axis=(1, 2))
        same &= gap <= SAME_MINIMUM * size
    alone = np.bincount(place, regular & ~same, minlength=c) == 0
    return ends_at(shared, own, lowest, tolerance), alone


def _without_parts(
    problem: Problem, shared: SharedSums, own: ResponseSums, first: FloatArray
) -> Iterator[tuple[IndexArray, FloatArray]]:
    """Starts without the variances of one term: there, and at minima on curves through this point.

    They are given as responses (s,) and θ (s, n_theta).
    """
    unit = np.concatenate([c.start() for c in problem.covariances])
    for _, _, entries in problem.parts():
        theta = first.copy()
        theta[:, entries] = NEARLY_ZERO * unit[entries]  # at zero itself the slope is zero
        yield np.arange(len(own)), theta
        if has_curves(problem.system):
            theta = first.copy()
            theta[:, entries] = 0.0
            at = evaluate(shared, own, theta)
            usable = np.flatnonzero(np.isfinite(at.value))
            some = own.subset(usable), at.subset(usable)
            which, start = starts_on_curves(shared, *some, problem.covariances)
            if len(which):
                yield usable[which], start


def _on_boundary(
    problem: Problem, shared: SharedSums, own: ResponseSums, ends: Ends, tolerance: float
) -> Ends:
    """With small singular values of λ put at zero, where the criterion does not rise."""
    at, regular = ends.point, ends.regular.copy()
    small = _least_singular_values(problem, shared, at.theta).min(axis=1) < TRIED_AT_ZERO
    chosen = np.flatnonzero(regular & small)
    if not len(chosen):
        return ends
    bounds = np.stack([problem.on_boundary(theta) for theta in at.theta[chosen]])
    part, value = own.subset(chosen), at.value[chosen]
    trial = evaluate(shared, part, bounds)
    lower = trial.value <= value + rounding(value)
    chosen = chosen[lower]
    if len(chosen):
        moved = ends_at(shared, own.subset(chosen), bounds[lower], tolerance)
        at.put(chosen, moved.point)
        regular[chosen] = moved.regular
    return Ends(at, regular)


def _least_singular_values(problem: Problem, shared: SharedSums, theta: FloatArray) -> FloatArray:
    """The smallest singular value of λ of each random term, (c, terms)."""
    by_factor = dict(shared.by_factor())
    out = []
    for (i, _), columns, _ in problem.parts():
        lam = by_factor[i].lam(theta)[:, columns, columns]
        if lam.shape[-1] == 1:
            out.append(np.abs(lam[:, 0, 0]))
        else:
            usable = np.where(np.isfinite(lam), lam, 0.0)
            out.append(np.linalg.svd(usable, compute_uv=False)[:, -1])
    return np.stack(out, axis=1)
