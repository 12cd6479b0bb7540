"""Blocks of σ²R and their derivatives, for sets of rows.

Coordinates are x = (free φ, ln σ²). Second derivatives are meant with respect to absolute
parameters ψ(x) (:mod:`lmforms.residual.absolute`): by the chain rule

    Σ_kl ψ_k,a ψ_l,b ∂²V/∂ψ_k∂ψ_l = ∂²V/∂x_a∂x_b − Σ_c Γ^c_ab ∂V/∂x_c,
    Γ^c_ab = Σ_k (∂²ψ_k/∂x_a∂x_b)(∂x_c/∂ψ_k),

so that everything else can stay in x. They come from differences of exact first derivatives,
extrapolated once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ...correlation.base import complex_derivative
from ...residual.absolute import absolute_parameters, is_linear, known_parameters
from ...residual.base import Residual
from ...residual.parametric import ParametricResidual
from ...support.arrays import FloatArray, IndexArray

STEP = 2e-3
"""Of differences in φ, which are angles and logarithms. Extrapolation leaves about 1e-12."""


@dataclass(frozen=True, eq=False)
class ResidualBlocks:
    """σ²R of a fit.

    Attributes
    ----------
    residual : Residual
    sigma2 : float
    """

    residual: Residual
    sigma2: float

    @cached_property
    def free(self) -> IndexArray:
        """Places of the φ that are not at a bound."""
        if not isinstance(self.residual, ParametricResidual):
            return np.empty(0, dtype=np.intp)
        return np.flatnonzero(~known_parameters(self.residual))

    @property
    def size(self) -> int:
        """Number of coordinates, ln σ² the last."""
        return len(self.free) + 1

    @cached_property
    def is_linear(self) -> bool:
        """Whether all second derivatives in absolute parameters are zero."""
        return not isinstance(self.residual, ParametricResidual) or is_linear(self.residual)

    def values(self, rows: IndexArray) -> FloatArray:
        """σ²R of sets of rows (P, m), (P, m, m)."""
        if isinstance(self.residual, ParametricResidual):
            return self.sigma2 * _relative(self.residual, rows)
        if self.residual.by_row:
            variances = self.residual.variances()
            diagonal = np.ones(rows.shape) if variances is None else variances[rows]
            return self.sigma2 * diagonal[:, :, None] * np.eye(rows.shape[1])
        matrix = self.residual.matrix(int(rows.max()) + 1).tocsr()
        return self.sigma2 * np.stack([matrix[own][:, own].toarray() for own in rows])

    def slopes(self, rows: IndexArray, offset: FloatArray | None = None) -> FloatArray:
        """∂σ²R/∂x, (P, size, m, m); with an offset of the free φ elsewhere than at the estimate."""
        residual = self.residual
        if not isinstance(residual, ParametricResidual):
            return self.values(rows)[:, None]
        if offset is not None:
            phi = residual.phi.copy()
            phi[self.free] += offset
            residual = residual.at(phi)
        R = _relative(residual, rows)
        changes = _relative_slopes(residual, rows, R)[:, self.free]
        return self.sigma2 * np.concatenate([changes, R[:, None]], axis=1)

    def differences(self, rows: IndexArray, a: int) -> FloatArray:
        """∂²σ²R/∂x_a∂x, (P, size, m, m), for a free φ or, last, ln σ²."""
        if a == len(self.free):
            return self.slopes(rows)
        return _extrapolated(lambda step: self.slopes(rows, step), a, len(self.free))

    @cached_property
    def connection(self) -> FloatArray:
        """Γ, (size of c, size of a, size of b)."""
        residual = self.residual
        assert isinstance(residual, ParametricResidual)
        at = np.append(residual.phi, np.log(self.sigma2))
        free = np.append(self.free, len(residual.phi))

        def jacobian(step: FloatArray) -> FloatArray:
            """∂ψ/∂x of the free coordinates, (size, parameters)."""
            there = at.copy()
            there[free] += step
            return complex_derivative(lambda z: absolute_parameters(residual, z), there)[free]

        J = jacobian(np.zeros(self.size))
        chosen = _independent_columns(J)
        second = np.stack(
            [_extrapolated(jacobian, a, self.size)[:, chosen] for a in range(self.size)]
        )
        gamma = np.linalg.solve(J[:, chosen].T, second.reshape(-1, self.size).T)
        return np.asarray(gamma.reshape(self.size, self.size, self.size))


def _relative(residual: ParametricResidual, rows: IndexArray) -> FloatArray:
    """R of sets of rows, (P, m, m)."""
    sd = 1.0 / residual.inverse_sd[rows]
    P, m = rows.shape
    out = np.zeros((P, m, m))
    if residual.correlation is not None:
        pairs = _Pairs.of(residual, rows)
        phi = residual.phi[: residual.correlation.n_parameters]
        out = pairs.scattered(residual.correlation.between(phi, pairs.a, pairs.b), m)
    out[:, range(m), range(m)] = 1.0
    return np.asarray(sd[:, :, None] * out * sd[:, None, :])


def _relative_slopes(residual: ParametricResidual, rows: IndexArray, R: FloatArray) -> FloatArray:
    """∂R/∂φ, (P, n_phi, m, m)."""
    m, split, out = rows.shape[1], 0, []
    correlation = residual.correlation
    if correlation is not None:
        split = correlation.n_parameters
        pairs = _Pairs.of(residual, rows)
        slopes = complex_derivative(
            lambda z: correlation.between(z, pairs.a, pairs.b), residual.phi[:split]
        )
        sd = 1.0 / residual.inverse_sd[rows]
        products = sd[:, :, None] * sd[:, None, :]
        out.append(np.stack([pairs.scattered(slope, m) * products for slope in slopes]))
    if residual.variance is not None:
        log_sd = residual.variance.log_sd_derivative(residual.phi[split:])[:, rows]
        out.append((log_sd[..., :, None] + log_sd[..., None, :]) * R)
    return np.concatenate(out).swapaxes(0, 1)


@dataclass(frozen=True, eq=False)
class _Pairs:
    """Pairs of rows of one series, each once: sets of rows may hold many series.

    Attributes
    ----------
    places : tuple of ndarray of int
        Set, first row and second row of each pair.
    a, b : ndarray (pairs, d)
        Their points.
    count : int
        Number of sets.
    """

    places: tuple[IndexArray, IndexArray, IndexArray]
    a: FloatArray
    b: FloatArray
    count: int

    @classmethod
    def of(cls, residual: ParametricResidual, rows: IndexArray) -> _Pairs:
        own, points = residual.series[rows], residual.points[rows]
        s, i, j = np.nonzero(np.triu(own[:, :, None] == own[:, None, :], 1))
        return cls((s, i, j), points[s, i], points[s, j], len(rows))

    def scattered(self, values: FloatArray, m: int) -> FloatArray:
        """Symmetric matrices (sets, m, m) with these values, zero elsewhere."""
        out = np.zeros((self.count, m, m))
        s, i, j = self.places
        out[s, i, j] = out[s, j, i] = values
        return out


def _extrapolated(function: Any, a: int, size: int) -> FloatArray:
    """Derivative of a function of steps (size,) in direction a."""
    unit = np.eye(size)[a]
    along = [(function(h * unit) - function(-h * unit)) / (2.0 * h) for h in (STEP, 0.5 * STEP)]
    return np.asarray((4.0 * along[1] - along[0]) / 3.0)


def _independent_columns(J: FloatArray) -> IndexArray:
    """As many independent columns of J (s, t) as it has rows, t ≥ s, in their order."""
    if J.shape[0] == J.shape[1]:
        return np.arange(J.shape[1])
    from scipy.linalg import qr

    sizes = np.abs(J).max(axis=0)
    pivots = qr(J / np.where(sizes > 0, sizes, 1.0), mode="r", pivoting=True)[1]
    return np.asarray(np.sort(pivots[: len(J)]))
