"""The search for the maximum of the likelihood: a fast profile first, then all parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..control import Control
from ..errors import NumericalError
from ..support.arrays import FloatArray
from .conditional_mode import Mode, find_mode
from .laplace import fixed_information
from .problem import GeneralizedProblem, profile_point
from .quasi_newton import LEAST_RADIUS_AT_FIRST, Point, SearchEnd, quasi_newton
from .start import ROUGH_MODE, em_rounds, fixed_effects_fit, start_theta

Objective = Callable[[GeneralizedProblem, FloatArray, Mode], Point]

TOLERANCE_SHARE = 1e-2
"""Of the tolerance of a fit: the curvature here is an approximation, that of `lmer` is exact."""

CURVATURE_STEP = 1e-4
"""Of forward differences for the first curvature, relative to a parameter's usual size."""

NOT_LOWER = 1e-7
"""A singular λ is taken if it raises the criterion by no more than this."""

NEGATIVE_CURVATURE = -1e-3
"""Relative curvature below which a stationary point at a singular λ is no minimum."""

MOST_RESTARTS = 4
"""Searches that begin beside a saddle point or on the boundary."""

ADDED_DEVIATION = 0.1
"""Standard deviations added to a singular λ, relative to that of a row's working response, from
which the search is repeated: a λ of correlated effects may have a local minimum on its boundary."""

CONVERGED = "converged"
STOPPED = "stopped after {} evaluations before converging: raise Control(max_evaluations=…)"
STALLED = (
    "no step lowers the criterion, but its gradient is not zero: choose another link or family, or "
    "simplify the random effects"
)


@dataclass(frozen=True, eq=False)
class GeneralizedOptimum:
    """Where the search ended.

    Attributes
    ----------
    psi : ndarray
        (θ, β, ω) in the engine's units.
    value : float
    mode : Mode
    gradient : ndarray
    information : ndarray
        Curvature as far as the search knows it.
    converged : bool
    message : str
    decrement : float
    n_evaluations : int
    trace : tuple of float
    joint : bool
        Whether β was profiled out with u.
    """

    psi: FloatArray
    value: float
    mode: Mode
    gradient: FloatArray
    information: FloatArray
    converged: bool
    message: str
    decrement: float
    n_evaluations: int
    trace: tuple[float, ...]
    joint: bool = False


def search(
    problem: GeneralizedProblem,
    objective: Objective | None,
    control: Control,
    start: FloatArray | None = None,
) -> GeneralizedOptimum:
    """Minimise the criterion.

    Parameters
    ----------
    problem : GeneralizedProblem
    objective : callable or None
        The criterion in (θ, β, ω); None for that with β profiled out with u.
    control : Control
    start : ndarray, optional
        θ to start from.

    Raises
    ------
    NumericalError
        The criterion cannot be evaluated at the start.
    """
    mode, coefficients = fixed_effects_fit(problem)
    size = mode.working_size  # usual for θ and β
    if start is None:
        theta, coefficients, mode = em_rounds(
            problem, start_theta(problem, mode), coefficients, mode
        )
    else:
        theta = start
    last, most = control.tolerance * TOLERANCE_SHARE, control.max_evaluations
    if objective is None:
        run = _Search(problem, profile_point, size, joint=True)
        first = run.first(theta, coefficients, mode)
        return _optimum(problem, run, run.minimum(first, last, most), most, joint=True)
    m, p = problem.n_theta, problem.p
    run = _Search(problem, objective, size)
    begin = run.first(theta, np.append(mode.beta, coefficients), mode)
    found = begin.state
    assert isinstance(found, Mode)
    known = np.zeros((len(begin.psi), len(begin.psi)))
    known[m : m + p, m : m + p] = 2.0 * fixed_information(problem.model.rows, found)
    end = run.minimum(begin, last, most, known)
    inside = run.away_from_singular(end.point, control.singular) if end.converged else None
    if inside is not None:
        other = run.minimum(inside, last, most, known)
        if other.point.value < end.point.value - NOT_LOWER:
            end = other
    return _optimum(problem, run, end, most)


def search_near(
    problem: GeneralizedProblem,
    objective: Objective | None,
    control: Control,
    at: GeneralizedOptimum,
) -> GeneralizedOptimum:
    """Minimise the criterion of another response of the same rows, from the optimum of the first.

    Parameters
    ----------
    problem : GeneralizedProblem
    objective : callable or None
        As for :func:`search`.
    control : Control
    at : GeneralizedOptimum
        Whose parameters and curvature are the first ones.

    Raises
    ------
    NumericalError
        The criterion cannot be evaluated at the start.

    Notes
    -----
    The search ends at the tolerance of the fit itself, that is within 10⁻⁴ standard errors by
    default: replicates need no more.
    """
    theta, beta, coefficients = problem.split(at.psi)
    mode = find_mode(
        problem.model,
        problem.lams(theta),
        beta,
        coefficients,
        problem.no_effects(),
        joint=True,
        tolerance=ROUGH_MODE,
    )
    joint = objective is None
    run = _Search(problem, objective or profile_point, mode.working_size, joint=joint)
    begin = run.first(theta, coefficients if joint else np.append(mode.beta, coefficients), mode)
    most = control.max_evaluations
    end = run.minimum(begin, control.tolerance, most, curvature=at.information)
    return _optimum(problem, run, end, most, joint=joint)


class _Search:
    """One criterion, with the evaluations that it has taken."""

    def __init__(
        self,
        problem: GeneralizedProblem,
        objective: Objective,
        size: float,
        *,
        joint: bool = False,
    ) -> None:
        self.problem, self.objective = problem, objective
        of_predictor = problem.n_theta + (0 if joint else problem.p)
        self.sizes = np.append(np.full(of_predictor, size), np.ones(problem.n_coefficients))
        self.count, self.trace = 0, tuple[float, ...]()

    def evaluate(self, psi: FloatArray, near: Point) -> Point:
        self.count += 1
        mode = near.state
        assert isinstance(mode, Mode)
        found = self.objective(self.problem, psi, mode)
        self.trace = (*self.trace, found.value)
        return found

    def first(self, theta: FloatArray, others: FloatArray, mode: Mode) -> Point:
        """The criterion at the start, with smaller variances where it cannot be evaluated."""
        for share in (1.0, 0.1, 0.01, 0.0):
            own = self.problem.scaled(theta, share) if share else 0.0 * theta
            near = Point(np.empty(0), 0.0, np.empty(0), mode)
            try:
                return self.evaluate(np.append(own, others), near)
            except NumericalError:
                if not share:
                    raise
        raise AssertionError

    def minimum(
        self,
        begin: Point,
        tolerance: float,
        most: int,
        known: FloatArray | None = None,
        curvature: FloatArray | None = None,
    ) -> SearchEnd:
        """A minimum, on the boundary if that is no higher.

        `known` holds the block of β of the curvature, and `curvature` all of it as far as known.
        """
        evaluate = self.evaluate
        information = curvature
        if information is None:
            information = self._first_curvature(begin, known)
        for _ in range(MOST_RESTARTS):
            end = quasi_newton(
                evaluate,
                begin,
                information,
                tolerance=tolerance,
                most_evaluations=max(1, most - self.count),
                radius=self._first_radius(begin, information),
                sizes=self.sizes,
            )
            bounded = self._on_boundary(end.point)
            if bounded is not None:
                begin, information = bounded, self._first_curvature(bounded, known)
                begin = self._below_saddle(begin, information) or begin
                continue
            down = self._below_saddle(end.point, end.information)
            if down is None:
                break
            begin, information = down, self._first_curvature(down, known)
        return replace(end, evaluations=self.count)

    def away_from_singular(self, at: Point, tolerance: float) -> Point | None:
        """A point beside one where the λ of correlated random effects is singular."""
        problem, psi = self.problem, at.psi.copy()
        size = self.sizes[0] if problem.n_theta else 1.0
        for (i, j), _, own in problem.parts():
            structure = problem.covariances[i].structures()[j]
            if structure.independent or structure.rank < structure.k:
                continue
            if any(structure.is_singular(psi[own], tolerance * size)):
                lam = structure.factor(psi[own])
                psi[own] = structure.nearest(
                    lam @ lam.T + (ADDED_DEVIATION * size) ** 2 * np.eye(len(lam))
                )
        if (psi == at.psi).all():
            return None
        try:
            return self.evaluate(psi, at)
        except NumericalError:
            return None

    def _first_radius(self, at: Point, information: FloatArray) -> float:
        """Half the distance to λ = 0 in standard errors, or the usual radius."""
        m = self.problem.n_theta
        errors = np.sqrt(np.abs(information.diagonal()[:m]))
        return max(LEAST_RADIUS_AT_FIRST, 0.5 * float(np.linalg.norm(at.psi[:m] * errors)))

    def _on_boundary(self, at: Point) -> Point | None:
        """The point with small standard deviations at zero, if it is another and no higher."""
        problem, m = self.problem, self.problem.n_theta
        size = self.sizes[0] if m else 1.0
        theta = problem.scaled(at.psi[:m], 1.0 / size)
        zeroed = problem.scaled(problem.on_boundary(theta), size)
        if np.allclose(zeroed, at.psi[:m], rtol=0.0, atol=1e-12 * size):
            return None
        try:
            there = self.evaluate(np.append(zeroed, at.psi[m:]), at)
        except NumericalError:
            return None
        return there if there.value <= at.value + NOT_LOWER else None

    def _below_saddle(self, at: Point, information: FloatArray) -> Point | None:
        """A lower point along a direction of negative curvature of θ."""
        m = self.problem.n_theta
        own = information[:m, :m]
        scale = np.sqrt(np.maximum(np.abs(own.diagonal()), 1e-300))
        values, vectors = np.linalg.eigh(own / np.outer(scale, scale))
        for value, direction in zip(values, vectors.T, strict=True):
            if value > NEGATIVE_CURVATURE:
                break
            for share in (1.0, 0.1):
                psi = at.psi.copy()
                psi[:m] += share * direction / scale
                try:
                    there = self.evaluate(psi, at)
                except NumericalError:
                    continue
                if there.value < at.value:
                    return there
        return None

    def _first_curvature(self, at: Point, known: FloatArray | None) -> FloatArray:
        """Curvature by forward differences of the gradient, but for the known block of β."""
        size, m = len(at.psi), self.problem.n_theta
        H = np.zeros((size, size)) if known is None else known.copy()
        p = 0 if known is None else self.problem.p
        for i in [*range(m), *range(m + p, size)]:
            step = CURVATURE_STEP * self.sizes[i]
            H[i] = H[:, i] = self._slope_change(at, i, step)
        return H

    def _slope_change(self, at: Point, i: int, step: float) -> FloatArray:
        for own in (step, -step):
            psi = at.psi.copy()
            psi[i] += own
            try:
                return (self.evaluate(psi, at).gradient - at.gradient) / own
            except NumericalError:
                continue
        raise NumericalError("the criterion cannot be evaluated beside these parameters.")


def _optimum(
    problem: GeneralizedProblem,
    search: _Search,
    end: SearchEnd,
    most: int,
    joint: bool = False,
) -> GeneralizedOptimum:
    point, mode = end.point, end.point.state
    assert isinstance(mode, Mode)
    message = CONVERGED
    if not end.converged:
        stopped = search.count >= most
        message = STOPPED.format(search.count) if stopped else STALLED
    m = problem.n_theta
    psi = point.psi
    if joint:
        psi = np.concatenate([psi[:m], mode.beta, psi[m:]])
    return GeneralizedOptimum(
        psi=psi,
        value=point.value,
        mode=mode,
        gradient=point.gradient,
        information=end.information,
        converged=end.converged,
        message=message,
        decrement=end.decrement,
        n_evaluations=search.count,
        trace=search.trace,
        joint=joint,
    )
