"""Replicates under the fitted model: drawn from their sums, or as rows."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ...engine.criterion.problem import Problem
from ...engine.estimate import estimate
from ...engine.iterative import IterativeSystem
from ...engine.prior import Prior
from ...engine.replication.draws import Drawer
from ...engine.replication.refits import BatchRefitter
from ...engine.replication.replicates import Replicates
from ...engine.solver_choice import analyse
from ...engine.sums.sums_of_rows import sums_of_rows
from ...engine.user_units import Estimate, engine_theta
from ...errors import ModelError, NumericalError
from ...relationship.priors import priors_of
from ...results.simulate import simulated
from ...results.state import FitState
from ...support.arrays import FloatArray
from ..model_comparison.refits import quietly
from .collect import Source

MOST_DRAWN_NUMBERS = 4_000_000
"""Numbers of the responses that are in memory together."""


def parametric_source(
    state: FitState, generator: np.random.Generator, n: int
) -> Source[Replicates]:
    """Replicates of a fit, by the quickest way that it allows."""
    refitter = batch_refitter(state)
    if refitter is not None:
        return SumsSource(refitter, generator)
    return RowsSource(state, state, generator, n)


class SumsSource:
    """Replicates drawn from their sums and refitted side by side: nothing grows with n."""

    def __init__(self, refitter: BatchRefitter, generator: np.random.Generator) -> None:
        n = refitter.problem.system.cp.n
        self._refitter = refitter
        self._drawer = Drawer(refitter.shared, refitter.lams(), n, generator)

    @property
    def step(self) -> int:
        """As many as are refitted side by side."""
        return self._refitter.batch_size

    def next(self, count: int) -> Replicates:
        """The next ones."""
        return self._refitter.fit(self._drawer.draw(count))


class RowsSource:
    """Replicates drawn as rows and refitted one by one, from the estimate.

    Parameters
    ----------
    drawn, fitted : FitState
        The model under which responses are drawn, and the one that is fitted to them.
    generator : numpy.random.Generator
    n : int
        How many there will be.
    """

    step = 1

    def __init__(
        self, drawn: FitState, fitted: FitState, generator: np.random.Generator, n: int
    ) -> None:
        self._responses = drawn_responses(drawn, n, generator)
        self._refit = RowRefitter(fitted)

    def next(self, count: int) -> Replicates:
        """The next ones."""
        out = Replicates.like(count, self._refit.state.estimate)
        for j in range(count):
            found = self._refit(next(self._responses))
            if found is not None:
                out.put(j, found)
        return out


def drawn_responses(
    state: FitState, n: int, generator: np.random.Generator
) -> Iterator[FloatArray]:
    """n responses, drawn in blocks."""
    at_once = max(1, MOST_DRAWN_NUMBERS // state.design.n)
    for first in range(0, n, at_once):
        count = min(at_once, n - first)
        yield from simulated(state, count, generator, new_effects=True).T


class RowRefitter:
    """Fits the model of a fit to other responses, from its estimate."""

    def __init__(self, state: FitState) -> None:
        self.state = state
        self.priors = priors_of(state.design, state.relationship)
        spec = state.design.residual_spec
        self.as_a_whole = spec is not None and spec.depends_on_fitted
        self.covariances = [g.covariance for g in state.design.groups]

    def __call__(self, y: FloatArray) -> Estimate | None:
        """The estimate, None if the model cannot be fitted to this response."""
        state, at = self.state, self.state.estimate
        try:
            if self.as_a_whole:
                with quietly():
                    fit = state.refit(
                        y, reml=at.reml, start=None, control=state.control, method=state.method
                    )
                found: Estimate = fit.state.estimate
                return found
            phi = at.phi if len(at.phi) else None
            return estimate(
                state.design.rows(y, phi),
                self.covariances,
                reml=at.reml,
                control=state.control,
                priors=self.priors,
                start=at.theta,
                nearby=phi is not None,
            )
        except (ModelError, NumericalError):
            return None


def batch_refitter(state: FitState) -> BatchRefitter | None:
    """What refits responses side by side; None for models that are not fitted so."""
    found, design = state.estimate, state.design
    if len(found.phi) or not design.groups or not isinstance(found.problem, Problem):
        return None
    priors = [prior.normalised() for prior in priors_of(design, state.relationship)]
    problem = _without_pilot_effects(state, priors)
    if problem is None:
        return None
    sizes = [prior.size for prior in priors_of(design, state.relationship)]
    units = np.sqrt(sizes) if sizes else np.ones(len(design.groups))
    pairs = zip(problem.covariances, found.theta, units, strict=True)
    theta = [c.scaled(t, float(unit)) for c, t, unit in pairs]
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
