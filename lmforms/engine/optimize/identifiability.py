"""Whether the data determine the variances: directions in which the criterion does not change.

Suspicious are directions of θ with almost no curvature, measured against that of ln|A|,
2⟨T ∂λ, ∂λ⟩ with T the diagonal blocks of Z'V₀⁻¹Z, and random effects far wider than σ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ...control import Control
from ...errors import NumericalError
from ...support.arrays import FloatArray
from ..criterion.evaluate import Differentiated, evaluate
from ..criterion.information import LocalDerivatives
from ..criterion.problem import Problem, StructuredProblem
from .minimize import Optimum, minimize

Part = tuple[int, int]  # grouping factor, and random term within it

LOW_CURVATURE = 1e-5
"""A direction with less than this share of the curvature of ln|A| is suspicious."""

SMALLEST_SCALE = 1e-150
"""In place of a curvature scale of zero, so that nothing is divided by zero."""

VERY_WIDE_EFFECTS = 1e5
"""Random effects with a standard deviation of more than this many σ are suspicious as well: where
the criterion is flat, the search may take θ anywhere."""

SAME_CRITERION = 1e-6
"""If a variance is changed and the criterion rises by less than this, the variance is not
identified."""

STEP = 0.5
"""Step along a flat direction, in units of θ or, if that is larger, of the largest θ."""

WIDE_SHRINKAGE = 0.5
"""Factor by which a very large λ is reduced to see whether the criterion changes."""

FOUND_AGAIN_SHARE = 0.01
"""Variances have been found again if a search leaves less than this share of the change with which
it began; entries of a direction below this share of its largest are no part of it."""

MOST_EVALUATIONS = 40
"""Limit of the search from a changed variance."""

OWN_SHARE = 0.1
"""A part of a unit direction above this belongs to a random term."""


def unidentified_parts(problem: Problem, optimum: Optimum) -> list[Part]:
    """Random terms whose variance could as well be another.

    A search starts at some distance along each suspicious direction. Terms whose variances it
    does not find again, though the criterion is the same, are not identified.

    Parameters
    ----------
    problem : Problem
    optimum : Optimum
    """
    if problem.n_theta == 0:
        return []
    free: set[Part] = set()
    for start in _starts(problem, optimum.evaluation, optimum.converged):
        free |= _not_found_again(problem, optimum.evaluation, start)
    return sorted(free)


def suspicious_parts(
    problem: StructuredProblem, theta: FloatArray, at: LocalDerivatives
) -> list[Part]:
    """Random terms that are suspicious, for a criterion that is only estimated.

    Parameters
    ----------
    problem : StructuredProblem
    theta : ndarray (n_theta,)
    at : LocalDerivatives
        At `theta`.
    """
    if problem.n_theta == 0:
        return []
    in_flat_direction = np.any(np.abs(_flat_directions(at)) > OWN_SHARE, axis=0)
    wide = _wide_parts(problem, theta)
    return [part for part, _, s in problem.parts() if part in wide or in_flat_direction[s].any()]


def _flat_directions(at: LocalDerivatives) -> FloatArray:
    """Directions of θ with almost no curvature, (m, n_theta), in units of the curvature scale."""
    scale = np.maximum(at.curvature_scale, SMALLEST_SCALE)
    scaled = at.information / (scale * scale[:, None])
    # an eigenvalue is no less than some diagonal entry less the others of its row (Gershgorin)
    bounds = 2.0 * scaled.diagonal() - np.add.reduce(np.abs(scaled), axis=1)
    if min(bounds.tolist()) > LOW_CURVATURE:
        return np.empty((0, bounds.size))
    values, vectors = np.linalg.eigh(scaled)
    return np.asarray(vectors[:, np.abs(values) < LOW_CURVATURE].T)


def _starts(problem: Problem, at: Differentiated, converged: bool) -> Iterator[FloatArray]:
    """θ elsewhere, where the criterion may be the same."""
    for direction in _flat_directions(at):
        direction = direction / np.maximum(at.curvature_scale, SMALLEST_SCALE)
        direction = direction / np.abs(direction).max()
        size = STEP * max(1.0, np.abs(at.theta[np.abs(direction) > FOUND_AGAIN_SHARE]).max())
        yield at.theta + np.copysign(size, direction @ at.theta) * direction  # −θ is the same
    wide = _wide_parts(problem, at.theta)
    for part, _, _ in () if converged and not wide else problem.parts():
        if part in wide or not converged:
            yield problem.shrunk_part(at.theta, part, WIDE_SHRINKAGE)


def _wide_parts(problem: StructuredProblem, theta: FloatArray) -> set[Part]:
    """Terms with very wide random effects."""
    lams = problem.lams(theta)
    if largest_factor_entry(lams) <= VERY_WIDE_EFFECTS:
        return set()
    return {
        (i, j)
        for (i, j), c, _ in problem.parts()
        if np.abs(lams[i][c, c]).max(initial=0.0) > VERY_WIDE_EFFECTS
    }


def largest_factor_entry(lams: Sequence[FloatArray]) -> float:
    """The largest entry of any λ, as it stands for standard deviations in units of σ."""
    return max([np.maximum.reduce(np.abs(lam), axis=None, initial=0.0) for lam in lams], default=0)


def _not_found_again(problem: Problem, at: Differentiated, start: FloatArray) -> set[Part]:
    """Terms with other variances at `start` or where a search from there ends, if no higher."""
    highest = at.value + max(SAME_CRITERION, at.rounding)
    try:
        found = evaluate(problem, start)
        if found.value > highest:
            found = minimize(
                problem, Control(max_evaluations=MOST_EVALUATIONS), start, False
            ).evaluation
    except NumericalError:
        return set()
    if found.value > highest:
        return set()
    steps, moves = _changes(problem, at.theta, start), _changes(problem, at.theta, found.theta)
    least = FOUND_AGAIN_SHARE * max(steps.values())
    return {
        part for part, move in moves.items() if move > FOUND_AGAIN_SHARE * max(steps[part], least)
    }


def _changes(problem: Problem, old: FloatArray, new: FloatArray) -> dict[Part, np.float64]:
    """The largest change of the covariances of each term."""
    pairs = zip(problem.lams(old), problem.lams(new), strict=True)
    changes = [np.abs(b @ b.T - a @ a.T) for a, b in pairs]
    return {(i, j): changes[i][c, c].max() for (i, j), c, _ in problem.parts()}
