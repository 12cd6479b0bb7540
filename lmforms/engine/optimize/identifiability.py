"""Can the data tell the variances? Directions in which the criterion does not change."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...control import Control
from ...covariance import Covariance, Stacked
from ...errors import NumericalError
from ...support.arrays import FloatArray
from ..criterion.evaluate import Evaluation, Problem, evaluate
from ..iterative import IterativeEvaluation, IterativeOptimum, IterativeProblem
from .minimize import Optimum, minimize

SUSPECT = 1e-5
"""Curvature below this share of ln|A|'s own is looked at more closely."""

RUNAWAY = 1e5
"""Random effects this many σ wide are looked at as well: a flat criterion lets θ run."""

UNCHANGED = 1e-6
"""A criterion that rises by less than this, however a variance is changed, does not know it."""

STEP = 0.5
"""Steps along a flat direction, in units of θ or, if that is larger, of the largest θ."""

LESS = 0.5
"""A runaway λ is made smaller by this factor."""

MOVED = 0.01
"""A search that leaves less than this share of a step has found the variances again."""


def unidentified_parts(
    problem: Problem | IterativeProblem, optimum: Optimum | IterativeOptimum
) -> list[tuple[int, int]]:
    """Parts (factor, part) whose variance could as well be another.

    Suspect are directions with almost no curvature, measured against that of ln|A|,
    2⟨T ∂λ, ∂λ⟩ with T the diagonal blocks of Z'V₀⁻¹Z, and random effects far wider than σ. A
    search begins some way along each; parts whose variances it does not find again, though the
    criterion is the same, are not identified. Where the criterion is only estimated, suspicion
    has to do.

    Parameters
    ----------
    problem : Problem or IterativeProblem
    optimum : Optimum or IterativeOptimum
    """
    at = optimum.evaluation
    if problem.n_theta == 0 or at.information is None:
        return []
    flat = _flat_directions(at)
    if isinstance(problem, IterativeProblem) or isinstance(at, IterativeEvaluation):
        owned = np.abs(flat) > 0.1
        runaway = _runaway(problem, at, converged=True)
        return [
            part
            for part, entries in _entries(problem)
            if part in runaway or owned[:, entries].any()
        ]
    free: set[tuple[int, int]] = set()
    for start in _starts(problem, at, flat, optimum.converged):
        free |= _not_found_again(problem, at, start)
    return sorted(free)


def _flat_directions(at: Evaluation | IterativeEvaluation) -> FloatArray:
    """Directions of θ with almost no curvature, (m, n_theta), in units of the reference."""
    assert at.reference is not None
    scale = np.maximum(at.reference, 1e-150)
    values, vectors = np.linalg.eigh(np.asarray(at.information) / np.outer(scale, scale))
    return np.asarray(vectors[:, np.abs(values) < SUSPECT].T)


def _starts(
    problem: Problem, at: Evaluation, flat: FloatArray, converged: bool
) -> Iterator[FloatArray]:
    """θ elsewhere, where the criterion may be the same."""
    assert at.reference is not None
    for direction in flat / np.maximum(at.reference, 1e-150):
        direction = direction / np.abs(direction).max()
        size = STEP * max(1.0, np.abs(at.theta[np.abs(direction) > MOVED]).max())
        yield at.theta + np.copysign(size, direction @ at.theta) * direction  # −θ is the same
    runaway = _runaway(problem, at, converged)
    for part, entries in _entries(problem):
        if part in runaway:
            theta = at.theta.copy()
            theta[entries] *= LESS
            yield theta


def _runaway(
    problem: Problem | IterativeProblem, at: Evaluation | IterativeEvaluation, converged: bool
) -> set[tuple[int, int]]:
    """Parts with very wide random effects; all of them if the search did not end."""
    return {
        part
        for part, entries in _entries(problem)
        if not converged or np.abs(at.theta[entries]).max(initial=0.0) > RUNAWAY
    }


def _entries(problem: Problem | IterativeProblem) -> Iterator[tuple[tuple[int, int], slice]]:
    """Each part and its entries of θ."""
    for i, (c, s) in enumerate(zip(problem.covariances, problem.theta_slices(), strict=True)):
        for j, (_, part) in enumerate(_parts(c)):
            yield (i, j), slice(s.start + part.start, s.start + part.stop)


def _parts(covariance: Covariance) -> list[tuple[slice, slice]]:
    """Columns of λ and entries of θ of each part."""
    if isinstance(covariance, Stacked):
        return list(zip(covariance.column_slices(), covariance.theta_slices(), strict=True))
    return [(slice(0, covariance.k), slice(0, covariance.n_theta))]


def _not_found_again(problem: Problem, at: Evaluation, start: FloatArray) -> set[tuple[int, int]]:
    """Parts with other variances at `start` or where a search from there ends, if no higher."""
    highest = at.value + max(UNCHANGED, at.rounding)
    try:
        found = evaluate(problem, start, 0)
        if found.value > highest:
            found = minimize(problem, Control(max_evaluations=40), start, False).evaluation
    except NumericalError:
        return set()
    if found.value > highest:
        return set()
    steps, moves = _changes(problem, at.theta, start), _changes(problem, at.theta, found.theta)
    least = MOVED * max(steps.values())
    return {part for part, move in moves.items() if move > MOVED * max(steps[part], least)}


def _changes(
    problem: Problem, old: FloatArray, new: FloatArray
) -> dict[tuple[int, int], np.float64]:
    """The largest change of the covariances of each part."""
    out = {}
    pairs = zip(problem.factors(old), problem.factors(new), strict=True)
    for i, (lam_old, lam_new) in enumerate(pairs):
        change = np.abs(lam_new @ lam_new.T - lam_old @ lam_old.T)
        for j, (columns, _) in enumerate(_parts(problem.covariances[i])):
            out[i, j] = change[columns, columns].max()
    return out
