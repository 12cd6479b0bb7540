"""Many responses of a model of any structure, which share sums, analysis and trial values of θ.

Z'Z and X'Z are summed and analysed once; a response adds Z'y, X'y and y'y. At each trial θ one
factorisation and one solve with many right-hand sides give the criterion of all responses. From the
best trial Newton's method runs for all of them side by side (:mod:`lmforms.engine.batch`).
Responses whose minimum is not beyond doubt, and large models, are fitted by the engine one by one.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from ..control import Control
from ..covariance import Covariance
from ..data.design import Design
from ..data.theta_order import theta_in_formula_order
from ..engine.batch.criterion import Point, fixed_effects
from ..engine.batch.minima import find_minima
from ..engine.batch.shared_sums import ResponseSums, SharedSums, suits
from ..engine.criterion.problem import Problem
from ..engine.estimate import Estimate, estimate, estimate_by_factor
from ..engine.exact_fit import CHECKED_RATIO, resolution
from ..engine.factor import Factorization, System
from ..engine.linalg.stable_columns import root_mean_squares
from ..engine.linalg.threads import limited_blas_threads
from ..engine.optimize.starting_values import moment_start
from ..engine.residual_variance import has_wide_effects
from ..engine.rows import ModelRows
from ..engine.solver_choice import analyse
from ..engine.sums.cross_products import CrossProducts, cross_products
from ..engine.sums.scaling import choose_units
from ..engine.sums.sums_of_rows import CANCELLATION_RATIO
from ..engine.sums.units import Pilot, Scaling
from ..errors import ModelError, NumericalError
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .response_estimates import ResponseEstimates

START_MULTIPLES = (0.1, 0.3, 1.0, 3.0)
"""Multiples of the default start that are tried."""

MOST_MOMENT_STARTS = 32
"""Number of responses whose moment estimates are tried as starts of all."""


@dataclass(frozen=True, eq=False)
class SharedSystem:
    """A model but for its response, summed and analysed.

    Attributes
    ----------
    design : Design
    reml : bool
    control : Control
    rows : ModelRows
        The response in it is not used.
    system : System or IterativeSystem
        Of the cross-products without pilot effects.
    right, bases : ndarray (n, p), sparse matrices (n, q k)
        Whitened X and Z in the engine's units.
    shared : SharedSums or None
        The design's part of the sums, if responses are fitted side by side.
    """

    design: Design
    reml: bool
    control: Control
    rows: ModelRows
    system: object
    right: FloatArray
    bases: list[object]
    shared: SharedSums | None

    @classmethod
    def of(cls, design: Design, reml: bool, control: Control) -> SharedSystem:
        """Sum up and analyse."""
        rows = design.rows()
        covariances = tuple(g.covariance for g in design.groups)
        units = choose_units(rows, covariances)
        right, bases = units.whitened(rows)
        matrices = [f.matrix(w) for f, w in zip(rows.level_factors, bases, strict=True)]
        cp = cross_products(rows, units)
        system = analyse(cp, control)
        shared = None
        if isinstance(system, System) and suits(cp, covariances, system):
            shared = SharedSums.of(cp, covariances, reml, system)
        return cls(design, reml, control, rows, system, right[:, :-1], matrices, shared)

    @property
    def covariances(self) -> tuple[Covariance, ...]:
        """Structure of each grouping factor."""
        return tuple(g.covariance for g in self.design.groups)

    def fit(self, Y: FloatArray, usable: BoolArray, size: FloatArray) -> ResponseEstimates:
        """Fit responses (n, c), less offsets and not whitened.

        `size` (c,) is the largest absolute value that they were made of.
        """
        n_theta = sum(t.covariance.n_theta for t in self.design.terms)
        out = ResponseEstimates.empty(Y.shape[1], n_theta, self.rows.X.shape[1])
        good = np.flatnonzero(usable)
        if not len(good):
            return out
        sums = [
            cp if cp is not None and cp.rr[-1, -1] <= CANCELLATION_RATIO * cp.unexplained else None
            for cp in self._cross_products(Y[:, good], size[good])
        ]
        simple = [cp for cp in sums if cp is not None]
        begin = self._starts(simple) if isinstance(self.system, System) else []
        if self.shared is not None and len(simple) > 1:
            places = good[[cp is not None for cp in sums]]
            begin = self._fit_together(self.shared, out, places, simple, begin)
        starts = iter(begin)
        for j, cp in zip(good, sums, strict=True):
            if not out.degenerate[j]:  # fitted together with others
                next(starts)
                continue
            try:
                if cp is None or not isinstance(self.system, System):
                    fit = self._fit_as_single_model(Y[:, j], size[j])
                else:
                    fit = self._from(cp, next(starts))
                    if has_wide_effects(fit.optimum.evaluation.theta):
                        fit = self._fit_as_single_model(Y[:, j], size[j])
            except (ModelError, NumericalError):
                continue
            _fill(out, int(j), fit, self.design)
        return out

    def _cross_products(self, Y: FloatArray, size: FloatArray) -> list[CrossProducts | None]:
        """Cross-products of every response; None where X may explain it exactly."""
        assert hasattr(self.system, "cp")
        base: CrossProducts = self.system.cp
        whole = self.rows.residual.whiten(Y)
        gamma = np.asarray(np.linalg.lstsq(self.right, whole, rcond=None)[0], dtype=np.float64)
        left = whole - self.right @ gamma
        scale = root_mean_squares(left)
        least = resolution(size, self.rows.residual.whiten(np.ones(self.rows.n)))
        good = scale > CHECKED_RATIO * least
        left = left / np.where(good, scale, 1.0)
        xy = self.right.T @ left
        yy = np.einsum("ij,ij->j", left, left)
        zy = [np.asarray(Z.T @ left) for Z in self.bases]  # type: ignore[attr-defined]
        out: list[CrossProducts | None] = []
        for j in range(Y.shape[1]):
            if not good[j]:
                out.append(None)
                continue
            pilot = Pilot(
                gamma=gamma[:, j],
                y_scale=float(scale[j]),
                effects=base.scaling.pilot.effects,
                shift=0.0,
                shift_beta=np.zeros(base.p),
                resolution=float(least[j]),
            )
            own = [z[:, j].reshape(f.zr.shape[:2]) for z, f in zip(zy, base.factors, strict=True)]
            out.append(base.with_response(pilot, own, xy[:, j], float(yy[j])))
        return out

    def _problem(self, cp: CrossProducts) -> Problem:
        system = copy.copy(self.system)
        assert isinstance(system, System)
        system.cp = cp
        return Problem(system, self.covariances, self.reml)

    def _starts(self, sums: list[CrossProducts]) -> list[FloatArray]:
        """The best trial θ of each response."""
        assert isinstance(self.system, System)
        if not sums:
            return []
        if not self.covariances:
            return [np.empty(0)] * len(sums)
        plain = np.concatenate([c.start() for c in self.covariances])
        trials = [size * plain for size in START_MULTIPLES]
        step = max(1, len(sums) // MOST_MOMENT_STARTS)
        with limited_blas_threads(self.system.largest):
            trials += [moment_start(self._problem(cp)) for cp in sums[::step][:MOST_MOMENT_STARTS]]
            values = np.stack([self._criteria(theta, sums) for theta in trials])
        best = np.where(np.isfinite(values), values, np.inf).argmin(axis=0)
        return [trials[i] for i in best]

    def _criteria(self, theta: FloatArray, sums: list[CrossProducts]) -> FloatArray:
        """The criterion of every response at one θ: one factorisation, one solve."""
        assert isinstance(self.system, System)
        base, p = self.system.cp, self.system.cp.p
        problem = Problem(self.system, self.covariances, self.reml)
        try:
            factor = Factorization(self.system, problem.lams(theta))
        except NumericalError:
            return np.full(len(sums), np.inf)
        zr = []
        for i, f in enumerate(base.factors):
            own = np.stack([cp.factors[i].zr[..., -1] for cp in sums], axis=-1)
            zr.append(np.concatenate([f.zr[..., :p], own], axis=-1))
        v, _ = factor.marginal(zr, [np.zeros_like(z) for z in zr])
        xx, xy = base.rr[:p, :p].copy(), np.stack([cp.rr[:p, -1] for cp in sums], axis=1)
        yy = np.array([cp.rr[-1, -1] for cp in sums])
        for z, x in zip(zr, v, strict=True):
            z, x = z.reshape(-1, z.shape[-1]), x.reshape(-1, x.shape[-1])
            xx -= z[:, :p].T @ x[:, :p]
            xy -= z[:, :p].T @ x[:, p:]
            yy = yy - np.einsum("ij,ij->j", z[:, p:], x[:, p:])
        try:
            half = np.linalg.solve(root := np.linalg.cholesky(xx), xy) if p else xy
        except np.linalg.LinAlgError:
            return np.full(len(sums), np.inf)
        log_det = factor.log_det
        if self.reml and p:
            log_det += 2.0 * float(np.log(np.diag(root)).sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            r2 = yy - np.einsum("ij,ij->j", half, half)
            return np.asarray(log_det + problem.nu * np.log(r2))

    def _fit_together(
        self,
        shared: SharedSums,
        out: ResponseEstimates,
        places: IndexArray,
        sums: list[CrossProducts],
        starts: list[FloatArray],
    ) -> list[FloatArray]:
        """Fill in the responses whose minimum is beyond doubt; the lowest θ found of each."""
        ends = [*range(0, len(sums), shared.batch_size), len(sums)]
        lowest: list[FloatArray] = []
        for a, b in pairwise(ends):
            found = find_minima(
                self._problem(sums[a]),
                shared,
                ResponseSums.of(shared, sums[a:b]),
                np.stack(starts[a:b]),
                tolerance=self.control.tolerance,
                singular=self.control.singular,
            )
            at = found.point
            beta, root = fixed_effects(shared, at)
            for i in np.flatnonzero(found.accepted):
                j = int(places[a + i])
                self._put(out, j, sums[a + i].scaling, at.subset(np.array([i])), beta[i], root[i])
                out.singular[j] = found.singular[i]
            lowest += [
                theta if np.isfinite(value) else start
                for theta, value, start in zip(at.theta, at.value, starts[a:b], strict=True)
            ]
        return lowest

    def _put(
        self,
        out: ResponseEstimates,
        j: int,
        scaling: Scaling,
        at: Point,
        beta: FloatArray,
        inverse_root_x: FloatArray,
    ) -> None:
        """The estimates of one response, in the user's units."""
        problem = Problem(self.system, self.covariances, self.reml)  # type: ignore[arg-type]
        cp, nu = problem.system.cp, problem.nu
        sigma = float(scaling.pilot.y_scale * np.sqrt(at.r2[0] / nu))
        root = scaling.units.x.linear @ inverse_root_x
        thetas = [
            covariance.transform(at.theta[0][s], basis.linear)
            for covariance, s, basis in zip(
                self.covariances, problem.theta_slices(), scaling.units.bases, strict=True
            )
        ]
        out.theta[j] = theta_in_formula_order(self.design, thetas)
        out.beta[j] = scaling.beta(beta)
        out.se[j] = sigma * np.sqrt(np.square(root).sum(axis=1))
        out.sigma[j] = sigma
        shift = cp.log_det_residual + scaling.criterion_shift(nu, self.reml)
        out.criterion[j] = at.value[0] + shift
        out.converged[j] = True
        out.degenerate[j] = False

    def _from(self, cp: CrossProducts, start: FloatArray) -> Estimate:
        problem = self._problem(cp)
        with limited_blas_threads(problem.system.largest):
            return estimate_by_factor(problem, self.control, start)

    def _fit_as_single_model(self, y: FloatArray, size: float) -> Estimate:
        """Fit one response as a single model: with pilot effects, or by another engine."""
        rows = replace(self.rows, y=y, size=float(size))
        return estimate(rows, self.covariances, reml=self.reml, control=self.control)


def _fill(out: ResponseEstimates, j: int, fit: Estimate, design: Design) -> None:
    out.theta[j] = theta_in_formula_order(design, fit.theta)
    out.beta[j] = fit.beta
    out.se[j] = np.sqrt(np.diag(fit.cov_beta))
    out.sigma[j], out.criterion[j] = fit.sigma, fit.criterion
    out.converged[j] = fit.optimum.converged
    out.singular[j], out.flat[j] = bool(fit.singular), bool(fit.unidentified)
    out.degenerate[j] = False
