"""Profiles of a generalised fit: from its minimum outwards, by searches with exact gradients."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...engine.linalg.threads import limited_blas_threads
from ...errors import ModelError, NumericalError
from ...glmm.conditional_mode import Mode
from ...glmm.estimate import objective_of
from ...glmm.problem import GeneralizedProblem
from ...glmm.quasi_newton import Point, quasi_newton
from ...glmm.search import Objective
from ...results.state import FitState
from ...support.arrays import FloatArray
from ..generalized import generalized_estimate
from ..model_parameters import ModelParameter, parameter_values
from .constrained_minimum import MOST_EVALUATIONS, ProfilePoint
from .curve import LOWER, CurvePoint, ProfileCurve, ProfileSearch
from .generalized_minimum import HeldSearch, full_curvature
from .held import Held
from .held_of_generalized import generalized_held
from .profiled_fit import warn_of_lower

AT_OPTIMUM = 1e-10
"""No step is made where it promises a smaller decrease."""

ROUNDING = 1e-12
"""Relative error of the criterion, whose modes are found to about as many digits."""


class BrokenProfileError(NumericalError):
    """The likelihood cannot be evaluated further out."""

    def __init__(self, value: float, zeta: float) -> None:
        self.value, self.zeta = value, zeta
        super().__init__(
            f"the profile cannot be followed beyond {value:.6g}, where ζ is {zeta:.3f}: the "
            "likelihood cannot be evaluated there."
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class GeneralizedCurve(ProfileCurve):
    """The profile of a parameter of a generalised fit.

    Attributes
    ----------
    search : HeldSearch
    """

    search: HeldSearch

    @property
    def may_have_other_branches(self) -> bool:
        """Always: the criterion is not convex, and correlations of small variances have several."""
        return True

    def minimum(self, tau: float, start: FloatArray, tolerance: float) -> ProfilePoint:
        """The minimum at τ, from x.

        Raises
        ------
        NumericalError
        """
        largest = self.search.problem.model.rows.system.largest
        with limited_blas_threads(largest), np.errstate(over="ignore", invalid="ignore"):
            return self.search.minimum(self.held, tau, start, tolerance)

    def break_off(self, side: int, last: CurvePoint) -> None:
        """Refuse to take the last point for the end of the profile.

        Raises
        ------
        BrokenProfileError
        """
        raise BrokenProfileError(self.held.value(last.tau), last.zeta)


@dataclass(frozen=True, eq=False)
class ProfiledGeneralized:
    """A generalised fit at the minimum of its criterion.

    Attributes
    ----------
    state : FitState
    objective : callable
    point : Point
        The minimum, ψ in the engine's units.
    information : ndarray
        ∂²d there.
    """

    state: FitState
    objective: Objective
    point: Point
    information: FloatArray

    @property
    def problem(self) -> GeneralizedProblem:
        """The criterion."""
        return generalized_estimate(self.state).problem

    @property
    def rounding(self) -> float:
        """Error of the criterion."""
        return ROUNDING * (1.0 + abs(self.point.value))

    def curve(self, parameter: ModelParameter, limit: float) -> ProfileCurve:
        """The profile of a parameter, to |ζ| = `limit` or a bound.

        Raises
        ------
        LowerCriterionError
        ModelError
            The likelihood cannot be evaluated as far out as that.
        """
        held = generalized_held(self.state, parameter)
        problem = held.problem
        assert isinstance(problem, GeneralizedProblem)
        point, information = self.point, self.information
        if problem is not self.problem:  # in another parametrisation of a term
            psi = problem.canonical(point.psi, self.problem)
            point = self.objective(problem, psi, _mode(point))
            information = full_curvature(problem, self.objective, point, _sizes(problem, point))
        mode = _mode(point)
        search = HeldSearch(problem, self.objective, information, mode, mode.working_size)
        curve: ProfileCurve = _from_centre(held, search, point, self.point.value)
        follow = ProfileSearch(curve, self.rounding, limit)
        try:
            for side in (1, -1):
                curve = follow.extended(curve, side)
        except BrokenProfileError as broken:
            raise ModelError(
                f"profile of {parameter.name}: {broken} Leave this parameter out by which=, or "
                f"give a limit= below {abs(broken.zeta):.2f}."
            ) from broken
        return curve

    def refitted_from(self, held: Held, x: FloatArray) -> ProfiledGeneralized:
        """The fit that a search from x leads to, where a profile was lower."""
        psi = self.problem.canonical(x, held.problem)
        point = self.objective(self.problem, psi, _mode(self.point))
        return _at_minimum(self.state, self.objective, point)

    def values(self, held: Held, tau: float, x: FloatArray) -> FloatArray:
        """All parameters of the fit, in the user's units, at x."""
        psi = self.problem.canonical(x, held.problem)
        estimate = generalized_estimate(self.state)
        moved = replace(estimate, optimum=replace(estimate.optimum, psi=psi))
        return parameter_values(state_with(self.state, moved))


def state_with(state: FitState, estimate: object) -> FitState:
    """The fit with another estimate."""
    changes: dict[str, object] = {"estimate": estimate}
    return replace(state, **changes)  # type: ignore[arg-type]


def profiled_generalized(state: FitState) -> ProfiledGeneralized:
    """The fit at its minimum, to which a step or two may be missing.

    Raises
    ------
    ModelError
        There is no profile: β was profiled out jointly with the random effects, or θ was given.
    """
    if not state.optimized:
        raise ModelError(
            "a profile needs the estimates, and this is the model at a given θ: profile the fit."
        )
    estimate = generalized_estimate(state)
    objective = objective_of(estimate.nagq)
    if objective is None:
        raise ModelError(
            "profiles are of the Laplace approximation or of quadrature, and this fit is one with "
            "nagq=0: take fit.refit(nagq=1).profile()."
        )
    optimum, problem = estimate.optimum, estimate.problem
    with limited_blas_threads(problem.model.rows.system.largest):
        point = objective(problem, optimum.psi, optimum.mode)
        fit = _at_minimum(state, objective, point)
    if fit.point.value < point.value - LOWER:
        warn_of_lower("a search from the estimate", point.value - fit.point.value)
    return fit


def _at_minimum(state: FitState, objective: Objective, begin: Point) -> ProfiledGeneralized:
    problem = generalized_estimate(state).problem

    def evaluate(psi: FloatArray, near: Point) -> Point:
        return objective(problem, psi, _mode(near))

    information = full_curvature(problem, objective, begin, _sizes(problem, begin))
    end = quasi_newton(
        evaluate,
        begin,
        information,
        tolerance=AT_OPTIMUM,
        most_evaluations=MOST_EVALUATIONS,
    )
    moved = end.point.value < begin.value - LOWER
    if moved:
        information = full_curvature(problem, objective, end.point, _sizes(problem, end.point))
    return ProfiledGeneralized(state, objective, end.point, information)


def _from_centre(held: Held, search: HeldSearch, point: Point, lowest: float) -> GeneralizedCurve:
    """The curve that has the estimate alone."""
    x = point.psi
    tau, H = held.position(x), search.information
    z = held.free(x)
    x = held.place(tau, z)
    along, J = held.jacobian(tau, x, z)
    response = -np.linalg.lstsq(J.T @ H @ J, J.T @ H @ along, rcond=None)[0]
    bend = float(along @ H @ (along + J @ response))
    spread = float(np.sqrt(2.0 / bend)) if bend > 0 else float("nan")
    tangent = along + J @ response
    centre = CurvePoint(tau, x, lowest, 0.0, True, tangent, 0.0, 1.0 / spread)
    return GeneralizedCurve(held, (centre,), centre, search=search)


def _sizes(problem: GeneralizedProblem, at: Point) -> FloatArray:
    """By which parameters may move for differences: see :func:`.full_curvature`."""
    out = np.ones(len(at.psi))
    out[: problem.n_theta] = _mode(at).working_size
    return out


def _mode(point: Point) -> Mode:
    assert isinstance(point.state, Mode)
    return point.state
