"""Can the data tell the variances? Directions in which the criterion does not change."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from .control import Control
from .covariance import Covariance, Fixed, Stacked
from .criterion import Evaluation, Problem
from .errors import NumericalError
from .iterative import IterativeEvaluation, IterativeOptimum, IterativeProblem
from .optimize import Optimum, minimize

FloatArray = npt.NDArray[np.float64]

SUSPECT = 1e-5
"""Curvature below this share of ln|A|'s own is looked at more closely."""

RUNAWAY = 1e5
"""Random effects this many σ wide are looked at as well: a flat criterion lets θ run."""

UNCHANGED = 1e-6
"""A criterion that rises by less than this, however a variance is changed, does not know it."""

LESS = 0.5
"""A suspect λ is made smaller by this factor: other terms can take over, but not give back."""


def unidentified_parts(
    problem: Problem | IterativeProblem, optimum: Optimum | IterativeOptimum
) -> list[tuple[int, int]]:
    """Parts (factor, part) whose variance could as well be another.

    Suspects have almost no curvature, measured against that of ln|A|, 2⟨T ∂λ, ∂λ⟩ with T
    the diagonal blocks of Z'V₀⁻¹Z. Each is then halved with the others adapting;
    one whose criterion stays the same is not identified. Where the criterion is only
    estimated, suspicion has to do.

    Parameters
    ----------
    problem : Problem or IterativeProblem
    optimum : Optimum or IterativeOptimum
    """
    at = optimum.evaluation
    if problem.n_theta == 0 or at.information is None:
        return []
    if isinstance(problem, IterativeProblem) or isinstance(at, IterativeEvaluation):
        return _suspects(problem, at, converged=True)
    return [
        part for part in _suspects(problem, at, optimum.converged) if _is_free(problem, at, part)
    ]


def _suspects(
    problem: Problem | IterativeProblem, at: Evaluation | IterativeEvaluation, converged: bool
) -> list[tuple[int, int]]:
    owner = np.empty((problem.n_theta, 2), dtype=int)
    runaway = set()
    slices = problem.theta_slices()
    for i, (c, s) in enumerate(zip(problem.covariances, slices, strict=True)):
        lam = c.factor(at.theta[s])
        for j, (columns, part) in enumerate(_parts(c)):
            owner[s][part] = (i, j)
            if not converged or np.abs(lam[columns, columns]).max() > RUNAWAY:
                runaway.add((i, j))
    assert at.reference is not None
    scale = np.maximum(at.reference, 1e-150)
    values, vectors = np.linalg.eigh(np.asarray(at.information) / np.outer(scale, scale))
    flat = np.abs(vectors[:, np.abs(values) < SUSPECT]) > 0.1
    return sorted(runaway | {(int(i), int(j)) for i, j in owner[flat.any(axis=1)]})


def _parts(covariance: Covariance) -> list[tuple[slice, slice]]:
    """Columns of λ and entries of θ of each part."""
    if isinstance(covariance, Stacked):
        return list(zip(covariance.column_slices(), covariance.theta_slices(), strict=True))
    return [(slice(0, covariance.k), slice(0, covariance.n_theta))]


def _is_free(problem: Problem, at: Evaluation, part: tuple[int, int]) -> bool:
    """Whether λ of a part can be changed at no cost."""
    i, j = part
    covariance, s = problem.covariances[i], problem.theta_slices()[i]
    columns, _ = _parts(covariance)[j]
    lam = covariance.factor(at.theta[s])[columns, columns]
    size = np.abs(lam).max()
    changed = LESS * lam if size > 1e-3 else np.eye(len(lam))
    held: Covariance = Fixed(k=len(lam), value=changed)
    kept = np.empty(0)
    if isinstance(covariance, Stacked):
        held = Stacked.of([held if k == j else p for k, p in enumerate(covariance.parts)])
        entries = [t for k, t in enumerate(covariance.theta_slices()) if k != j]
        kept = np.concatenate([kept, *(at.theta[s][t] for t in entries)])
    others = [kept if k == i else at.theta[t] for k, t in enumerate(problem.theta_slices())]
    covariances = tuple(held if k == i else c for k, c in enumerate(problem.covariances))
    rest = replace(problem, covariances=covariances)
    try:
        found = minimize(rest, Control(max_evaluations=40), np.concatenate(others), False)
    except NumericalError:
        return False
    return found.evaluation.value <= at.value + max(UNCHANGED, at.rounding)
