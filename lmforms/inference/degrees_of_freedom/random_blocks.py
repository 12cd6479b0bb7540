"""Derivatives of the covariance of random effects, for the information by blocks.

Structures that are linear in their variances and covariances have directions uu' that span them.
Others, such as AR(1), have their θ as coordinates, and second derivatives are meant with respect
to absolute variances and natural parameters, as for the residuals
(:mod:`lmforms.inference.degrees_of_freedom.residual_blocks`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...correlation import UnstructuredCorrelation
from ...covariance import Covariance
from ...covariance.structured import Structured
from ...errors import ModelError
from ...results.state import FitState
from ...support.arrays import BoolArray, FloatArray, IndexArray
from .connected_rows import RandomRows

STEP = 2e-3
"""Relative step of differences, which are extrapolated once."""

REGULAR = 1e-8
"""Smallest singular value of ∂ψ/∂θ, with rows of length 1, that determines θ."""


@dataclass(frozen=True, eq=False)
class RandomCurve:
    """The covariance σ²λλ' of a term's random effects as a function of its θ.

    Attributes
    ----------
    structure : Covariance
    theta : ndarray (m,)
        In the user's units.
    sigma2 : float
    columns : slice
        Its columns among those of the grouping factor.
    rows : RandomRows
        Of the grouping factor.
    free : ndarray of int
        Entries of θ that are not at a bound.
    written : str
        The term, for messages.
    """

    structure: Covariance
    theta: FloatArray
    sigma2: float
    columns: slice
    rows: RandomRows
    free: IndexArray
    written: str

    @property
    def size(self) -> int:
        """Number of coordinates."""
        return len(self.free)

    def slopes(self, offset: FloatArray | None = None) -> FloatArray:
        """∂σ²λλ'/∂θ of the free θ, (size, k, k); with an offset, elsewhere."""
        theta = self._moved(offset)
        lam, derivative = self.structure.factor(theta), self.structure.derivative(theta)[self.free]
        half = derivative @ lam.T
        return self.sigma2 * (half + half.swapaxes(1, 2))

    def differences(self, rows: IndexArray, a: int) -> FloatArray:
        """Second derivatives of V in the a-th and every coordinate, (P, size, m, m)."""
        second = _extrapolated(self.slopes, a, self._steps)
        Z = self.rows.basis[rows][:, None, :, self.columns]
        return np.asarray((Z @ second @ Z.swapaxes(2, 3)) * self.rows.shared(rows)[:, None])

    @cached_property
    def connection(self) -> FloatArray:
        """Γ of ψ(θ), (size of c, size of a, size of b)."""
        J = self._jacobian(np.zeros(self.size))
        second = np.stack([_extrapolated(self._jacobian, a, self._steps) for a in range(self.size)])
        gamma = np.linalg.solve(J.T, second.reshape(-1, self.size).T)
        return np.asarray(gamma.reshape(self.size, self.size, self.size))

    def check(self) -> None:
        """Refuse a structure whose θ are not determined by what is reported.

        Raises
        ------
        ModelError
        """
        found = len(self.structure.parameters()) == self.structure.n_theta
        if found:
            J = self._jacobian(np.zeros(self.size))
            sizes = np.sqrt(np.square(J).sum(axis=1, keepdims=True))
            scaled = J / np.where(sizes > 0, sizes, 1.0)
            found = bool(np.linalg.svd(scaled, compute_uv=False).min(initial=1.0) > REGULAR)
        if not found:
            raise ModelError(
                "Kenward–Roger and the expected information need parameters that determine the "
                f"covariance one by one, which {self.written} has not: use ddf='satterthwaite' "
                "without `information`."
            )

    def _moved(self, offset: FloatArray | None) -> FloatArray:
        theta = self.theta.copy()
        if offset is not None:
            theta[self.free] += offset
        return theta

    @property
    def _steps(self) -> FloatArray:
        return STEP * np.maximum(np.abs(self.theta[self.free]), 0.1)

    def _absolute(self, offset: FloatArray) -> FloatArray:
        """ψ: variances for standard deviations, absolute loadings, others as they are."""
        natural = self.structure.natural(self._moved(offset))
        parameters = self.structure.parameters()
        is_sd = np.array([p.relative and p.low == 0.0 for p in parameters])
        scale = np.sqrt(self.sigma2) * np.array([p.relative for p in parameters]) + np.array(
            [not p.relative for p in parameters]
        )
        values = scale * natural
        return np.asarray(np.where(is_sd, values**2, values)[self.free])

    def _jacobian(self, offset: FloatArray) -> FloatArray:
        """∂ψ/∂θ, (size, size)."""
        return np.stack(
            [
                _extrapolated(lambda h: self._absolute(offset + h), a, self._steps)
                for a in range(self.size)
            ]
        )


@dataclass(frozen=True, eq=False)
class RandomChanges:
    """How the covariance of the effects of a grouping factor may change.

    Attributes
    ----------
    directions : ndarray (r, k, k)
        First derivatives, one for each variance parameter.
    curves : list of (int, RandomCurve)
        Those that are not linear, with the place of their first direction.
    """

    directions: FloatArray
    curves: list[tuple[int, RandomCurve]]


def random_changes(state: FitState, group: int, rows: RandomRows) -> RandomChanges:
    """Variance parameters of a grouping factor of a fit.

    Raises
    ------
    ModelError
        A structure's parameters do not determine its covariance.
    """
    estimate, factor = state.estimate, state.design.groups[group]
    lam, theta = estimate.lams[group], estimate.theta[group]
    k = len(lam)
    directions, curves = [np.empty((0, k, k))], []
    places = zip(
        factor.terms,
        factor.covariance.structures(),
        factor.covariance.column_slices(),
        factor.covariance.theta_slices(),
        strict=True,
    )
    size = 0
    for term, structure, columns, entries in places:
        own = lam[columns, columns]
        if structure.spans_covariances:
            u = structure.spanning_directions(own)
            slopes = np.einsum("as,bs->sab", u, u)
        else:
            free = np.flatnonzero(~_known(structure, theta[entries]))
            curve = RandomCurve(
                structure,
                theta[entries],
                estimate.sigma**2,
                columns,
                rows,
                free,
                state.design.terms[term].written,
            )
            slopes = curve.slopes()
            if curve.size and not _fills_linear_space(structure, theta[entries]):
                curve.check()
                curves.append((size, curve))
        full = np.zeros((len(slopes), k, k))
        full[:, columns, columns] = slopes
        directions.append(full)
        size += len(full)
    return RandomChanges(np.concatenate(directions), curves)


def parameters_at_bound(state: FitState) -> list[str]:
    """Parameters of structures that are not linear, at a bound, as ``rho of ar1(…)``."""
    out = []
    for factor, theta in zip(state.design.groups, state.estimate.theta, strict=True):
        structures, entries = factor.covariance.structures(), factor.covariance.theta_slices()
        for term, structure, own in zip(factor.terms, structures, entries, strict=True):
            written = state.design.terms[term].written
            ends = zip(structure.parameters(), structure.at_bound(theta[own]), strict=True)
            out += [f"{parameter.name} of {written}" for parameter, at in ends if at]
    return out


def _known(structure: Covariance, theta: FloatArray) -> BoolArray:
    """Entries of θ that count as known: at a bound, or all of them without any variance."""
    if not isinstance(structure, Structured):
        ends = np.array(structure.at_bound(theta), dtype=bool)
        return ends if len(ends) == len(theta) else np.zeros(len(theta), dtype=bool)
    n = structure.n_deviations
    out = np.zeros(len(theta), dtype=bool)
    if (theta[:n] == 0.0).any():
        out[:] = True
    elif structure.correlation is not None:
        out[n:] = structure.correlation.ends_reached(theta[n:])
    return out


def _fills_linear_space(structure: Covariance, theta: FloatArray) -> bool:
    """Whether λλ', for all θ, fills a linear space of matrices."""
    if not isinstance(structure, Structured) or _known(structure, theta).any():
        return False
    correlation = structure.correlation
    if correlation is None or not correlation.n_parameters:
        return True
    if structure.n_deviations == 1:
        return correlation.is_linear
    return isinstance(correlation, UnstructuredCorrelation)


def _extrapolated(
    function: Callable[[FloatArray], FloatArray], a: int, steps: FloatArray
) -> FloatArray:
    """Derivative of a function of offsets in direction a."""
    along = []
    for size in (steps[a], 0.5 * steps[a]):
        h = np.zeros(len(steps))
        h[a] = size
        along.append((function(h) - function(-h)) / (2.0 * size))
    return np.asarray((4.0 * along[1] - along[0]) / 3.0)
