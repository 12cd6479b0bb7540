r"""Profiled criteria of many responses, or of one response and many markers, at many τ = θ².

With u = 1/(1 + τs) and a = τs·u, in x = ln τ

.. math:: u' = -ua, \qquad u'' = ua(a - u), \qquad
          \Big(\sum_j\ln(1 + τ s_j)\Big)' = \sum_j a_j, \qquad
          \Big(\sum_j\ln(1 + τ s_j)\Big)'' = \sum_j a_ju_j,

so that every sum Σ η²u and its two derivatives are computed in one pass. A marker g adds a column
to X; with A = g'P₀g, B = g'P₀y and C = y'P₀y (P₀ of the model without it) its effect is b = B/A and

.. math::

   r^2 = C - B^2/A, \qquad r^{2\prime} = C' - 2bB' + b^2A', \qquad
   r^{2\prime\prime} = C'' - 2bB'' + b^2A'' - 2(B' - bA')^2/A;

REML gains ln A, which completes ln|X'V₀⁻¹X|, and loses a degree of freedom.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..support.arrays import FloatArray, IndexArray
from .spectral import CovarianceSpectrum

CACHED_ENTRIES = 1 << 16
"""Entries that are processed together: temporaries stay in cache."""

DerivativeSums = tuple[FloatArray, FloatArray, FloatArray]


def cache_blocks(count: int, width: int) -> Iterator[slice]:
    """Slices of `count` rows of this width that fit into cache."""
    step = max(1, CACHED_ENTRIES // max(1, width))
    for start in range(0, count, step):
        yield slice(start, min(count, start + step))


@dataclass(frozen=True, eq=False)
class SpectralWeights:
    """Weights of the directions at the τ of some rows, (rows, m) each.

    Attributes
    ----------
    u : ndarray
        1/(1 + τs).
    minus_first, second : ndarray
        −u' and u'', derivatives in ln τ.
    a : ndarray
        τs·u.
    """

    u: FloatArray
    minus_first: FloatArray
    second: FloatArray
    a: FloatArray

    @classmethod
    def at(cls, tau: FloatArray, eigen: FloatArray) -> SpectralWeights:
        """For τ (rows,) and eigenvalues (m,)."""
        product = tau[:, None] * eigen
        u = 1.0 / (1.0 + product)
        a = product * u
        minus_first = u * a
        return cls(u, minus_first, minus_first * (a - u), a)

    def sums(self, squares: FloatArray) -> DerivativeSums:
        """Σ of squares (rows, m) times u, u', u''."""
        return (
            np.einsum("ij,ij->i", squares, self.u),
            -np.einsum("ij,ij->i", squares, self.minus_first),
            np.einsum("ij,ij->i", squares, self.second),
        )

    def shared_sums(self, squares: FloatArray) -> DerivativeSums:
        """The same for squares (m,) that all rows share."""
        return self.u @ squares, -(self.minus_first @ squares), self.second @ squares

    def log_det(self) -> tuple[FloatArray, FloatArray]:
        """First and second derivative of Σ ln(1 + τs)."""
        return self.a.sum(axis=1), self.minus_first.sum(axis=1)


@dataclass(frozen=True, eq=False)
class ResponseCriteria:
    """Criteria of many responses of one model.

    Attributes
    ----------
    spectrum : Spectrum
    reml : bool
    squares : ndarray (r, m)
        η².
    rest : ndarray (r,)
        ρ.
    """

    spectrum: CovarianceSpectrum
    reml: bool
    squares: FloatArray
    rest: FloatArray

    def __len__(self) -> int:
        return len(self.rest)

    @property
    def nu(self) -> int:
        """n − p or n."""
        return self.spectrum.nu(self.reml)

    def r2(self, tau: FloatArray) -> FloatArray:
        """r² of each response at its τ."""
        out = self.rest.copy()
        for rows in cache_blocks(len(self), self.squares.shape[1]):
            u = 1.0 / (1.0 + tau[rows, None] * self.spectrum.values)
            out[rows] += np.einsum("ij,ij->i", self.squares[rows], u)
        return out

    def values(self, tau: FloatArray, which: IndexArray) -> FloatArray:
        """Criterion of the responses `which` at their τ."""
        part = ResponseCriteria(self.spectrum, self.reml, self.squares[which], self.rest[which])
        log_det = self.spectrum.log_det(tau, self.reml)
        return log_det + self.nu * np.log(part.r2(tau)) + self.spectrum.constant(self.reml)

    def grid(self, tau: FloatArray) -> FloatArray:
        """Criterion of all responses at each of some τ, (r, g)."""
        u = 1.0 / (1.0 + self.spectrum.values[:, None] * tau)
        r2 = self.squares @ u + self.rest[:, None]
        log_det = self.spectrum.log_det(tau, self.reml)
        return self.nu * np.log(r2) + log_det + self.spectrum.constant(self.reml)

    def derivatives(self, tau: FloatArray, which: IndexArray) -> tuple[FloatArray, FloatArray]:
        """First and second derivative in ln τ of the responses `which`."""
        first, second = np.empty(len(which)), np.empty(len(which))
        for rows in cache_blocks(len(which), self.squares.shape[1]):
            some = which[rows]
            w = SpectralWeights.at(tau[rows], self.spectrum.values)
            r2, r2_1, r2_2 = w.sums(self.squares[some])
            r2 = r2 + self.rest[some]
            log_1, log_2 = _log_det(w, tau[rows], self.spectrum, self.reml)
            first[rows] = log_1 + self.nu * r2_1 / r2
            second[rows] = log_2 + self.nu * (r2_2 / r2 - (r2_1 / r2) ** 2)
        return first, second

    def slope_at_zero(self) -> FloatArray:
        """∂d/∂τ at τ = 0."""
        s = self.spectrum.values
        eigen = self.spectrum.eigenvalues(self.reml)
        r2 = self.squares.sum(axis=1) + self.rest
        return np.asarray(eigen.sum() - self.nu * (self.squares @ s) / r2)


@dataclass(frozen=True, eq=False)
class MarkerCriteria:
    """Criteria of one response with each of many markers as one more column of X.

    Attributes
    ----------
    spectrum : Spectrum
        Of the model without a marker.
    reml : bool
    g, y : ndarray (c, m), (m,)
        η of the markers and of the response.
    gg, gy : ndarray (c,)
        Products of what U leaves of them.
    yy : float
        ρ of the response.
    """

    spectrum: CovarianceSpectrum
    reml: bool
    g: FloatArray
    y: FloatArray
    gg: FloatArray
    gy: FloatArray
    yy: float

    def __len__(self) -> int:
        return len(self.gg)

    @property
    def nu(self) -> int:
        """n − p − 1 or n."""
        return self.spectrum.n - self.spectrum.p - 1 if self.reml else self.spectrum.n

    @cached_property
    def _constant(self) -> float:
        nu = self.nu
        base = nu * (1.0 + np.log(2.0 * np.pi / nu)) + self.spectrum.log_det_residual
        return float(base + (self.spectrum.log_det_x if self.reml else 0.0))

    def products(self, tau: FloatArray, which: IndexArray | None = None) -> DerivativeSums:
        """A, B and C of each marker at its τ."""
        which = np.arange(len(self)) if which is None else which
        a, b, c = np.empty(len(which)), np.empty(len(which)), np.empty(len(which))
        for rows in cache_blocks(len(which), self.g.shape[1]):
            some = which[rows]
            g = self.g[some]
            u = 1.0 / (1.0 + tau[rows, None] * self.spectrum.values)
            gu = g * u
            a[rows] = np.einsum("ij,ij->i", gu, g) + self.gg[some]
            b[rows] = gu @ self.y + self.gy[some]
            c[rows] = u @ self.y**2 + self.yy
        return a, b, c

    def _value(self, abc: DerivativeSums, log_det: FloatArray) -> FloatArray:
        a, b, c = abc
        value = log_det + self.nu * np.log(c - b**2 / a) + self._constant
        return value + np.log(a) if self.reml else value

    def values(self, tau: FloatArray, which: IndexArray) -> FloatArray:
        """Criterion of the markers `which` at their τ."""
        log_det = np.empty(len(which))
        for rows in cache_blocks(len(which), self.g.shape[1]):
            log_det[rows] = self.spectrum.log_det(tau[rows], self.reml)
        return self._value(self.products(tau, which), log_det)

    def grid(self, tau: FloatArray) -> FloatArray:
        """Criterion of all markers at each of some τ, (c, g)."""
        u = 1.0 / (1.0 + self.spectrum.values[:, None] * tau)
        a = self.g**2 @ u + self.gg[:, None]
        b = self.g @ (self.y[:, None] * u) + self.gy[:, None]
        c = self.y**2 @ u + self.yy
        return self._value((a, b, c), self.spectrum.log_det(tau, self.reml))

    def derivatives(self, tau: FloatArray, which: IndexArray) -> tuple[FloatArray, FloatArray]:
        """First and second derivative in ln τ of the markers `which`."""
        first, second = np.empty(len(which)), np.empty(len(which))
        for rows in cache_blocks(len(which), self.g.shape[1]):
            some = which[rows]
            g = self.g[some]
            w = SpectralWeights.at(tau[rows], self.spectrum.values)
            gw = [g * w.u, -(g * w.minus_first), g * w.second]
            a, a1, a2 = (np.einsum("ij,ij->i", x, g) for x in gw)
            b, b1, b2 = (x @ self.y for x in gw)
            c, c1, c2 = w.shared_sums(self.y**2)
            a, b, c = a + self.gg[some], b + self.gy[some], c + self.yy
            slope = b / a
            r2 = c - b * slope
            r2_1 = c1 - 2 * slope * b1 + slope**2 * a1
            r2_2 = c2 - 2 * slope * b2 + slope**2 * a2 - 2 * (b1 - slope * a1) ** 2 / a
            log_1, log_2 = _log_det(w, tau[rows], self.spectrum, self.reml)
            first[rows] = log_1 + self.nu * r2_1 / r2
            second[rows] = log_2 + self.nu * (r2_2 / r2 - (r2_1 / r2) ** 2)
            if self.reml:
                first[rows] += a1 / a
                second[rows] += a2 / a - (a1 / a) ** 2
        return first, second

    def slope_at_zero(self) -> FloatArray:
        """∂d/∂τ at τ = 0."""
        s = self.spectrum.values
        eigen = self.spectrum.eigenvalues(self.reml)
        a = np.einsum("ij,ij->i", self.g, self.g) + self.gg
        b = self.g @ self.y + self.gy
        c = self.y @ self.y + self.yy
        a1, b1, c1 = -(self.g**2 @ s), -(self.g @ (self.y * s)), -(self.y**2 @ s)
        slope = b / a
        r2_1 = c1 - 2 * slope * b1 + slope**2 * a1
        out = eigen.sum() + self.nu * r2_1 / (c - b * slope)
        return np.asarray(out + a1 / a if self.reml else out)


def _log_det(
    w: SpectralWeights, tau: FloatArray, spectrum: CovarianceSpectrum, reml: bool
) -> tuple[FloatArray, FloatArray]:
    return w.log_det() if reml else SpectralWeights.at(tau, spectrum.eigenvalues(reml)).log_det()
