r"""Satterthwaite's degrees of freedom of many fits, computed when they are asked for.

With c_i = ∂ln Var(β̂_k)/∂ψ_i, H the Hessian of the profiled criterion in ψ and
h = −(∂r²/∂ψ)/s², the inverse of the joint information of (ψ, ln σ²) (see
:func:`lmforms.engine.criterion.information.joint_information`) gives

.. math::

   \mathrm{df}_k = \frac{ν}{1 + ν\,(c - h/ν)'H^{-1}(c - h/ν)},

unless directions without information are left out
(:func:`lmforms.inference.degrees_of_freedom.variance_information.inverse_information`).

With one variance component ψ = ln τ, and all three are sums over the eigenvalues s and d of
:mod:`lmforms.many.spectral`. At an optimum the first derivative of the criterion is zero, so that

.. math::

   h = \sum_j\frac{τs_j}{1 + τs_j}\ \text{(REML)},\quad \sum_j\frac{τd_j}{1 + τd_j}\ \text{(ML)},
   \qquad
   c = \frac{τ}{\mathrm{Var}(\hatβ_k)/σ^2}\Big(\sum_j\frac{C_{kj}^2}{s_j}\,\frac{1}{(1 + τs_j)^2}
   + N_{kk}\Big),

and H is the second derivative of the last Newton step. Other structures are evaluated once more
at their θ (:mod:`lmforms.engine.batch`, or the engine one by one).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from ..engine.batch.criterion import evaluate as evaluate_batch
from ..engine.batch.derivatives import derivatives
from ..engine.batch.fixed_effects import fixed_effect_variances
from ..engine.batch.shared_sums import ResponseSums, SharedSums
from ..engine.criterion.evaluate import differentiate, evaluate
from ..engine.criterion.information import with_scale
from ..engine.criterion.problem import Problem
from ..engine.estimate import Estimate
from ..engine.linalg.threads import limited_blas_threads
from ..inference.degrees_of_freedom.satterthwaite import (
    degrees_of_freedom,
    degrees_of_freedom_of_many,
)
from ..inference.degrees_of_freedom.variance_information import (
    VarianceInformation,
    information_at,
    information_of_theta,
    inverse_information,
)
from ..support.arrays import BoolArray, FloatArray, IndexArray
from .profiled_criteria import cache_blocks
from .spectral import CovarianceSpectrum


@dataclass(frozen=True, eq=False)
class ResponseDf:
    """Degrees of freedom of c responses.

    Attributes
    ----------
    df : ndarray (c, p)
    incomplete : ndarray of bool (c,)
        Whether directions without information were left out.
    average : ndarray of bool (c,)
        Whether they are from the average information, not the observed one.
    """

    df: FloatArray
    incomplete: BoolArray
    average: BoolArray

    @classmethod
    def empty(cls, count: int, p: int) -> ResponseDf:
        """NaN, to be filled in."""
        return cls(np.full((count, p), np.nan), np.zeros(count, bool), np.zeros(count, bool))

    @classmethod
    def of_information(
        cls, changes: FloatArray, hessian: FloatArray, mixed: FloatArray, nu: int
    ) -> ResponseDf:
        """From c (c, p, m), H (c, m, m) and h (c, m)."""
        # of −2 × the log-likelihood: its second derivative is twice the information
        W, ignored = inverse_information(0.5 * with_scale(hessian, mixed, nu))
        ones = np.ones((*changes.shape[:-1], 1))
        df = degrees_of_freedom_of_many(np.concatenate([changes, ones], axis=-1), W)
        return cls(df, ignored > 0, np.zeros(len(df), dtype=bool))

    @classmethod
    def of_single(cls, known: VarianceInformation) -> ResponseDf:
        """From the information of one response."""
        df = degrees_of_freedom(np.eye(len(known.half)), known)
        return cls(df[None], np.array([known.ignored > 0]), np.array([known.kind == "average"]))

    def put(self, where: IndexArray, columns: IndexArray, part: ResponseDf) -> None:
        """Fill in some responses, and some columns of them."""
        self.df[np.ix_(where, columns)] = part.df
        self.incomplete[where], self.average[where] = part.incomplete, part.average

    def compute(self) -> ResponseDf:
        """These."""
        return self


class DfSource(Protocol):
    """What the degrees of freedom of some responses are computed from."""

    def compute(self) -> ResponseDf:
        """The degrees of freedom."""


@dataclass(frozen=True, eq=False)
class DfPart:
    """Responses whose degrees of freedom are computed together.

    Attributes
    ----------
    where : ndarray of int (c,)
        Their places.
    columns : ndarray of int (p,)
        Fixed effects that their rows have.
    source : DfSource
    """

    where: IndexArray
    columns: IndexArray
    source: DfSource

    def moved(self, by: int) -> DfPart:
        """The same responses, `by` places later."""
        return replace(self, where=self.where + by)

    def computed(self) -> DfPart:
        """The same as numbers, without the design that they were computed from."""
        return replace(self, source=self.source.compute())


def all_degrees_of_freedom(parts: Iterable[DfPart], count: int, p: int) -> ResponseDf:
    """The degrees of freedom of all parts together; NaN for responses in none."""
    out = ResponseDf.empty(count, p)
    for part in parts:
        out.put(part.where, part.columns, part.source.compute())
    return out


@dataclass(frozen=True, eq=False)
class SpectralFits:
    """Fits of a model with one variance component.

    Attributes
    ----------
    values, eigenvalues : ndarray (m,), (d,)
        s, and the eigenvalues whose logarithms are in the criterion.
    spread, hidden, within : ndarray (p, m), (p,), (p,)
        As in :class:`lmforms.many.spectral.CovarianceSpectrum`.
    nu : int
    tau, curvature : ndarray (c,)
        τ, and the second derivative of the criterion in ln τ.
    """

    values: FloatArray
    eigenvalues: FloatArray
    spread: FloatArray
    hidden: FloatArray
    within: FloatArray
    nu: int
    tau: FloatArray
    curvature: FloatArray

    @classmethod
    def of(
        cls, spectrum: CovarianceSpectrum, reml: bool, tau: FloatArray, curvature: FloatArray
    ) -> SpectralFits:
        """Without the eigenvectors, which are as many numbers as the responses."""
        eigenvalues = spectrum.eigenvalues(reml)
        shared = (spectrum.values, eigenvalues, spectrum.spread, spectrum.hidden, spectrum.within)
        return cls(*shared, spectrum.nu(reml), tau, curvature)

    def compute(self) -> ResponseDf:
        """See the module."""
        changes = np.empty((len(self.tau), len(self.within)))
        mixed = np.empty(len(self.tau))
        for rows in cache_blocks(len(self.tau), max(len(self.values), len(self.eigenvalues))):
            t = self.tau[rows, None]
            u = 1.0 / (1.0 + t * self.values)
            hidden = t * self.hidden
            variances = (t * u) @ self.spread.T + self.within + hidden
            changes[rows] = ((t * u**2) @ self.spread.T + hidden) / variances
            product = t * self.eigenvalues
            mixed[rows] = (product / (1.0 + product)).sum(axis=1)
        # where τ is zero neither the criterion nor the variances change with ln τ
        curvature = np.where(self.tau > 0, self.curvature, 1.0)
        return ResponseDf.of_information(
            changes[..., None], curvature[:, None, None], mixed[:, None], self.nu
        )


@dataclass(frozen=True, eq=False)
class BatchFits:
    """Fits that were made side by side.

    Attributes
    ----------
    shared : SharedSums
    own : ResponseSums
        Of c responses.
    theta : ndarray (c, n_theta)
        In the engine's units.
    linear : ndarray (p, p)
        β in the user's units from the engine's.
    """

    shared: SharedSums
    own: ResponseSums
    theta: FloatArray
    linear: FloatArray

    def compute(self) -> ResponseDf:
        """From derivatives at θ."""
        shared, step = self.shared, self.shared.batch_size
        out = ResponseDf.empty(len(self.own), len(self.linear))
        columns = np.arange(len(self.linear))
        with limited_blas_threads(1):  # thousands of small matrices
            for start in range(0, len(self.own), step):
                where = np.arange(start, min(start + step, len(self.own)))
                own = self.own.subset(where)
                at = evaluate_batch(shared, own, self.theta[where])
                found = derivatives(shared, own, at)
                variances, changes = fixed_effect_variances(shared, at, self.linear)
                changes /= variances[..., None]
                part = ResponseDf.of_information(changes, found.hessian, found.mixed, shared.nu)
                out.put(where, columns, part)
        return out


@dataclass(frozen=True, eq=False)
class EngineFit:
    """A fit by the engine: its criterion, and θ in the engine's units."""

    problem: Problem
    theta: FloatArray

    def compute(self) -> ResponseDf:
        """From the Hessian at θ."""
        problem = self.problem
        with limited_blas_threads(problem.system.largest):
            at = differentiate(evaluate(problem, self.theta), hessian=True)
            half = problem.system.cp.scaling.units.x.linear @ at.gls.inverse_root_x
            return ResponseDf.of_single(information_at(at, half))


def engine_source(fit: Estimate) -> EngineFit | ResponseDf:
    """The source of one fit: for conjugate gradients the degrees of freedom, which cost nothing."""
    at = fit.optimum.evaluation
    if isinstance(at.problem, Problem):
        return EngineFit(at.problem, at.theta)
    return ResponseDf.of_single(information_of_theta(fit))
