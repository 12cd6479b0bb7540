"""Many responses of a model of any structure, which share sums, analysis and trial values of θ.

Z'Z and X'Z are summed and analysed once; a response adds Z'y, X'y and y'y. At each trial θ one
factorisation and one solve with many right-hand sides give the criterion of all responses. From the
best trial Newton's method runs for all of them side by side (:mod:`lmforms.engine.batch`).
Responses whose minimum is not beyond doubt, and large models, are fitted by the engine one by one.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..control import Control
from ..covariance import Covariance
from ..data.design import Design
from ..data.theta_order import theta_in_formula_order
from ..engine.batch.arrangement import is_suited_to_batches, shared_sums_of
from ..engine.batch.minima import find_minima
from ..engine.batch.shared_sums import ResponseSums, SharedSums
from ..engine.criterion.problem import Problem
from ..engine.estimate import Estimate, estimate, estimate_by_factor
from ..engine.exact_fit import resolution
from ..engine.factor import Factorization, System
from ..engine.linalg.threads import limited_blas_threads
from ..engine.optimize.starting_values import moment_start
from ..engine.residual_variance import has_wide_effects
from ..engine.rows import ModelRows
from ..engine.solver_choice import analyse
from ..engine.sums.cross_products import CrossProducts, cross_products
from ..engine.sums.scaling import choose_units
from ..engine.sums.sums_of_rows import CANCELLATION_RATIO
from ..errors import ModelError, NumericalError
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .degrees_of_freedom import BatchFits, DfPart, engine_source
from .response_estimates import ResponseEstimates, estimates_of_minima
from .response_products import ResponseProducts

START_MULTIPLES = (0.1, 0.3, 1.0, 3.0)
"""Multiples of the default start that are tried."""

BATCH_CANCELLATION_RATIO = 1e4
"""The same as the engine's ratio for responses fitted side by side, where levels of the leading
factor are subtracted once, not at every θ: r² may lose four digits of sixteen."""

MOST_MOMENT_STARTS = 8
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
        if isinstance(system, System) and is_suited_to_batches(cp, covariances, system):
            shared = shared_sums_of(cp, covariances, reml, system)
        return cls(design, reml, control, rows, system, right[:, :-1], matrices, shared)

    @property
    def covariances(self) -> tuple[Covariance, ...]:
        """Structure of each grouping factor."""
        return tuple(g.covariance for g in self.design.groups)

    def fit(
        self, Y: FloatArray, usable: BoolArray, size: FloatArray
    ) -> tuple[ResponseEstimates, list[DfPart]]:
        """Fit responses (n, c), less offsets and not whitened.

        `size` (c,) is the largest absolute value that they were made of. Beside the estimates
        there is what the degrees of freedom are computed from.
        """
        n_theta = sum(t.covariance.n_theta for t in self.design.terms)
        out = ResponseEstimates.empty(Y.shape[1], n_theta, self.rows.X.shape[1])
        good, parts = np.flatnonzero(usable), list[DfPart]()
        if not len(good):
            return out, parts
        products = self._products(Y[:, good], size[good])
        cancelled = products.cancelled()
        starts: dict[int, FloatArray] = {}
        if self.shared is not None:
            together = np.flatnonzero(cancelled <= BATCH_CANCELLATION_RATIO)
            if len(together) > 1:
                starts = self._fit_together(self.shared, out, parts, good, products, together)
        exact = isinstance(self.system, System)
        rest = [
            i
            for i, j in enumerate(good)
            if exact and out.degenerate[j] and cancelled[i] <= CANCELLATION_RATIO
        ]
        new = [i for i in rest if i not in starts]
        starts |= zip(new, self._starts(products.subset(np.array(new, dtype=np.intp))), strict=True)
        for i, j in enumerate(good):
            if not out.degenerate[j]:  # fitted together with others
                continue
            try:
                if exact and cancelled[i] <= CANCELLATION_RATIO:
                    fit = self._from(products.single(i), starts[i])
                    if has_wide_effects(fit.optimum.evaluation.theta):
                        fit = self._fit_as_single_model(Y[:, j], size[j])
                else:
                    fit = self._fit_as_single_model(Y[:, j], size[j])
            except (ModelError, NumericalError):
                continue
            _fill(out, int(j), fit, self.design)
            parts.append(DfPart(good[i : i + 1], np.arange(len(fit.beta)), engine_source(fit)))
        return out, parts

    def _products(self, Y: FloatArray, size: FloatArray) -> ResponseProducts:
        """Cross-products of responses."""
        assert hasattr(self.system, "cp")
        residual = self.rows.residual
        least = resolution(size, residual.whiten(np.ones(self.rows.n)))
        return ResponseProducts.of(
            self.system.cp, self.right, self.bases, residual.whiten(Y), least
        )

    def _problem(self, cp: CrossProducts) -> Problem:
        assert isinstance(self.system, System)
        return Problem(self.system.with_sums(cp), self.covariances, self.reml)

    def _starts(self, products: ResponseProducts) -> list[FloatArray]:
        """The best trial θ of each response."""
        if not len(products):
            return []
        assert isinstance(self.system, System)
        if not self.covariances:
            return [np.empty(0)] * len(products)
        plain = np.concatenate([c.start() for c in self.covariances])
        trials = [size * plain for size in START_MULTIPLES]
        step = max(1, len(products) // MOST_MOMENT_STARTS)
        some = range(0, len(products), step)[:MOST_MOMENT_STARTS]
        right = products.right()
        with limited_blas_threads(self.system.largest):
            trials += [moment_start(self._problem(products.single(i))) for i in some]
            values = np.stack([self._criteria(theta, products, right) for theta in trials])
        best = np.where(np.isfinite(values), values, np.inf).argmin(axis=0)
        return [trials[i] for i in best]

    def _criteria(
        self, theta: FloatArray, products: ResponseProducts, right: list[FloatArray]
    ) -> FloatArray:
        """The criterion of every response at one θ: one factorisation, one solve."""
        assert isinstance(self.system, System)
        base, p = self.system.cp, self.system.cp.p
        problem = Problem(self.system, self.covariances, self.reml)
        try:
            factor = Factorization(self.system, problem.lams(theta))
        except NumericalError:
            return np.full(len(products), np.inf)
        v, _ = factor.marginal(right, [np.zeros_like(z) for z in right])
        xx, xy, yy = base.rr[:p, :p].copy(), products.xy.T.copy(), products.yy
        for z, x in zip(right, v, strict=True):
            z, x = z.reshape(-1, z.shape[-1]), x.reshape(-1, x.shape[-1])
            xx -= z[:, :p].T @ x[:, :p]
            xy -= z[:, :p].T @ x[:, p:]
            yy = yy - np.einsum("ij,ij->j", z[:, p:], x[:, p:])
        try:
            half = np.linalg.solve(root := np.linalg.cholesky(xx), xy) if p else xy
        except np.linalg.LinAlgError:
            return np.full(len(products), np.inf)
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
        parts: list[DfPart],
        good: IndexArray,
        products: ResponseProducts,
        together: IndexArray,
    ) -> dict[int, FloatArray]:
        """Fill in the responses whose minimum is beyond doubt; the lowest θ found of each."""
        assert isinstance(self.system, System)
        problem = Problem(self.system, self.covariances, self.reml)
        starts = self._starts(products.subset(together))
        lowest: dict[int, FloatArray] = {}
        for a in range(0, len(together), shared.batch_size):
            where = together[a : a + shared.batch_size]
            own, begin = products.subset(where), np.stack(starts[a : a + len(where)])
            sums = ResponseSums.of_products(shared, own.zy, own.xy, own.yy)
            with limited_blas_threads(1):  # thousands of small matrices
                found = find_minima(
                    problem,
                    shared,
                    sums,
                    begin,
                    tolerance=self.control.tolerance,
                    singular=self.control.singular,
                )
            accepted = found.accepted
            part = estimates_of_minima(self.design, problem, shared, found, own)
            out.put(good[where[accepted]], part)
            linear = problem.system.cp.scaling.units.x.linear
            fits = BatchFits(shared, sums.subset(accepted), found.point.theta[accepted], linear)
            parts.append(DfPart(good[where[accepted]], np.arange(len(linear)), fits))
            usable = np.isfinite(found.point.value)
            theta = np.where(usable[:, None], found.point.theta, begin)
            lowest |= zip(where.tolist(), theta, strict=True)
        return lowest

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
