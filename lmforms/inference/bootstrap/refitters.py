"""What refits a model to replicates: many side by side from their sums, or one from its rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...data.design import Design
from ...data.theta_order import theta_in_formula_order
from ...engine.criterion.problem import Problem
from ...engine.estimate import estimate
from ...engine.iterative import IterativeSystem
from ...engine.prior import Prior
from ...engine.replication.refits import BatchRefitter, inner_point
from ...engine.solver_choice import analyse
from ...engine.sums.sums_of_rows import sums_of_rows
from ...engine.user_units import Estimate, engine_theta
from ...errors import ModelError, NumericalError
from ...relationship.priors import priors_of
from ...results.state import FitState
from ...support.arrays import FloatArray
from ..model_comparison.refits import quietly


class RowRefitter:
    """Fits the model of a fit to other responses or rows, from its estimate.

    Parameters
    ----------
    state : FitState
    nearby : bool
        Whether structures with parameters of their own are searched from the estimate alone, as
        responses were drawn from it, and not for other optima.
    """

    def __init__(self, state: FitState, nearby: bool = True) -> None:
        self.state, self._nearby = state, nearby
        self.priors = priors_of(state.design, state.relationship)
        spec = state.design.residual_spec
        self._as_a_whole = spec is not None and spec.depends_on_fitted
        self._covariances = [g.covariance for g in state.design.groups]
        is_linear = all(covariance.is_linear for covariance in self._covariances)
        self._globally = is_linear or not nearby
        self._start = interior_theta(state, self.priors)

    def estimate(self, y: FloatArray, design: Design | None = None) -> Estimate | None:
        """The estimate, None if the model cannot be fitted.

        Parameters
        ----------
        y : ndarray (n,)
        design : Design, optional
            The same columns on other rows.
        """
        state, at = self.state, self.state.estimate
        if self._as_a_whole:
            fit = self.fit(y, design)
            return None if fit is None else fit.state.estimate
        phi = at.phi if len(at.phi) else None
        used = state.design if design is None else design
        try:
            return estimate(
                used.rows(y, phi),
                self._covariances,
                reml=at.reml,
                control=state.control,
                priors=self.priors,
                start=self._start,
                nearby=self._nearby and phi is not None,
                globally=self._globally,
            )
        except (ModelError, NumericalError):
            return None

    def fit(self, y: FloatArray, design: Design | None = None) -> Any:
        """The same as results with all their methods."""
        state, at = self.state, self.state.estimate
        start = None
        if not self._as_a_whole:
            start = theta_in_formula_order(state.design, self._start)
        try:
            with quietly():
                return state.refit(
                    y,
                    reml=at.reml,
                    start=start,
                    control=state.control,
                    method="auto",
                    phi=None if start is None or not len(at.phi) else at.phi,
                    design=design,
                )
        except (ModelError, NumericalError):
            return None


def interior_theta(state: FitState, priors: Sequence[Prior]) -> list[FloatArray]:
    """θ of each grouping factor, or one near it where the fit is singular.

    On the boundary slopes are zero by symmetry, and a search may not leave it.
    """
    found, problem = state.estimate, state.estimate.problem
    if not found.singular or not isinstance(problem, Problem):
        return list(found.theta)
    inner = inner_point(problem, found.optimum.evaluation.theta)
    sizes = [prior.size for prior in priors] or [1.0] * len(found.theta)
    each = zip(
        problem.covariances, problem.theta_slices(), found.scaling.units.bases, sizes, strict=True
    )
    return [
        c.scaled(c.transform(inner[s], basis.linear), float(size**-0.5))
        for c, s, basis, size in each
    ]


def batch_refitter(state: FitState) -> BatchRefitter | None:
    """What refits responses side by side; None for models that are not fitted so."""
    found, design = state.estimate, state.design
    if len(found.phi) or not design.groups or not isinstance(found.problem, Problem):
        return None
    given = priors_of(design, state.relationship)
    problem = _without_pilot_effects(state, [prior.normalised() for prior in given])
    if problem is None:
        return None
    units = np.sqrt([prior.size for prior in given]) if given else np.ones(len(design.groups))
    each = zip(problem.covariances, found.theta, units, strict=True)
    theta = [c.scaled(t, float(unit)) for c, t, unit in each]
    start = engine_theta(theta, problem.covariances, problem.system.cp.scaling)
    return BatchRefitter.of(found, problem, start, state.control, units.tolist())


def _without_pilot_effects(state: FitState, priors: list[Prior]) -> Problem | None:
    """The problem of a fit, with sums of y and X as they are."""
    problem = state.estimate.problem
    assert isinstance(problem, Problem)
    covariances = tuple(g.covariance for g in state.design.groups)
    if not any(effects.any() for effects in problem.system.cp.scaling.pilot.effects):
        return Problem(problem.system, covariances, problem.reml)
    roots = [prior.root for prior in priors]
    cp = sums_of_rows(state.design.rows(state.response), covariances, roots, pilot=False)
    system = analyse(cp, state.control, priors)
    if isinstance(system, IterativeSystem):
        return None
    return Problem(system, covariances, problem.reml)
