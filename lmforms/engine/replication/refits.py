"""Refits of drawn responses side by side, from their sums alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...control import Control
from ...covariance import canonical_factor
from ...errors import ModelError, NumericalError
from ...support.arrays import FloatArray
from ..batch.arrangement import is_suited_to_batches, shared_sums_of
from ..batch.criterion import gls_estimates
from ..batch.minima import Minima, find_minima
from ..batch.shared_sums import SharedSums
from ..criterion.problem import Problem
from ..estimate import estimate_by_factor
from ..factor import System
from ..linalg.threads import limited_blas_threads
from ..residual_variance import has_wide_effects
from ..sums.units import Pilot
from ..user_units import Estimate
from .draws import Draws
from .replicates import Replicates

NEAR_BOUNDARY = 0.2
"""Standard deviations, relative to σ, below which a search does not begin."""


@dataclass(frozen=True, eq=False)
class BatchRefitter:
    """Refits of responses that were drawn from an estimate.

    Attributes
    ----------
    estimate : Estimate
        Where searches begin.
    problem : Problem
        The model without pilot effects.
    shared : SharedSums
    pilot : Pilot
        β and σ of the estimate as pilot fit and unit.
    control : Control
    start : ndarray
        θ of the estimate in the engine's units.
    units : tuple of float
        Of each grouping factor the root of its known covariance's size, by which the engine's λ
        is larger.
    """

    estimate: Estimate
    problem: Problem
    shared: SharedSums
    pilot: Pilot
    control: Control
    start: FloatArray
    units: tuple[float, ...]

    @classmethod
    def of(
        cls,
        estimate: Estimate,
        problem: Problem,
        start: FloatArray,
        control: Control,
        units: Sequence[float],
    ) -> BatchRefitter | None:
        """None for models that are not fitted side by side.

        Parameters
        ----------
        estimate : Estimate
        problem : Problem
            The same model without pilot effects.
        start : ndarray
            θ in the units of `problem`.
        control : Control
        units : sequence of float
        """
        system = problem.system
        if not isinstance(system, System) or has_wide_effects(start):
            return None
        cp, covariances = system.cp, problem.covariances
        if not is_suited_to_batches(cp, covariances, system):
            return None
        shared = shared_sums_of(cp, covariances, problem.reml, system)
        linear, old = cp.scaling.units.x.linear, cp.scaling.pilot
        pilot = Pilot(
            gamma=np.asarray(
                np.linalg.solve(linear, estimate.beta - old.shift_beta), dtype=np.float64
            ),
            y_scale=estimate.sigma,
            effects=old.effects,
            shift=old.shift,
            shift_beta=old.shift_beta,
            resolution=old.resolution,
        )
        return cls(estimate, problem, shared, pilot, control, start, tuple(units))

    @property
    def batch_size(self) -> int:
        """How many are refitted side by side."""
        return self.shared.batch_size

    def lams(self) -> list[FloatArray]:
        """λ of the estimate in the engine's basis."""
        return self.problem.lams(self.start)

    def fit(self, draws: Draws) -> Replicates:
        """Refit responses; those without a minimum beyond doubt one by one."""
        begin = np.tile(inner_point(self.problem, self.start), (len(draws), 1))
        with limited_blas_threads(1):  # thousands of small matrices
            found = find_minima(
                self.problem,
                self.shared,
                draws.sums(self.shared),
                begin,
                tolerance=self.control.tolerance,
                singular=self.control.singular,
            )
        out = Replicates.like(len(draws), self.estimate)
        self._fill(out, found)
        usable = np.isfinite(found.point.value)
        for j in np.flatnonzero(out.failed).tolist():
            start = found.point.theta[j] if usable[j] else begin[j]
            try:
                out.put(j, self._single(draws, j, start))
            except (ModelError, NumericalError):
                continue
        return out

    def _single(self, draws: Draws, j: int, start: FloatArray) -> Estimate:
        cp = draws.single(j, self.shared, self.problem.system.cp, self.pilot)
        problem = replace(self.problem, system=self.problem.system.with_sums(cp))
        with limited_blas_threads(problem.largest):
            found = estimate_by_factor(problem, self.control, start)
        if has_wide_effects(found.optimum.evaluation.theta):
            raise ModelError("no residual variance is left that sums could show.")
        pairs = zip(found.theta, self.units, strict=True)
        return found.with_values(theta=tuple(theta / unit for theta, unit in pairs))

    def _fill(self, out: Replicates, found: Minima) -> None:
        """Accepted minima in the user's units."""
        some, shared, pilot = np.flatnonzero(found.accepted), self.shared, self.pilot
        at, cp = found.point.subset(some), self.problem.system.cp
        scaling = replace(cp.scaling, pilot=pilot)
        out.failed[some] = False
        out.singular[some] = found.singular[some]
        beta, _ = gls_estimates(shared, at)
        linear = scaling.units.x.linear
        inner = pilot.gamma + pilot.y_scale * beta
        out.beta[some] = inner @ linear.T + pilot.shift_beta
        out.sigma[some] = pilot.y_scale * np.sqrt(at.r2 / shared.nu)
        shift = cp.log_det_residual + scaling.criterion_shift(shared.nu, shared.reml)
        out.criterion[some] = at.value + shift
        for i, part in shared.by_factor():
            roots = canonical_factor(scaling.units.bases[i].linear @ part.lam(at.theta))
            out.put_factors(i, some, roots / self.units[i], part.slopes)


def inner_point(problem: Problem, theta: FloatArray) -> FloatArray:
    """θ, or a point near it if λ is nearly singular there: on the boundary slopes are zero."""
    out = theta.copy()
    for lam, c, s in zip(
        problem.lams(theta), problem.covariances, problem.theta_slices(), strict=True
    ):
        if np.linalg.svd(lam, compute_uv=False)[-1] < NEAR_BOUNDARY:
            out[s] = c.nearest(lam @ lam.T + NEAR_BOUNDARY**2 * np.eye(len(lam)))
    return out
