"""A factored by compiled passes over the levels of one grouping factor."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from ...covariance import regular_inverse
from ...errors import NumericalError
from ...support.arrays import Blocks, FloatArray
from ..linalg.batched import INDEFINITE, multiply
from .direct_factorization import DerivativeSums, DirectFactorization
from .system import System

_NO_MATRIX = np.empty((0, 0))


class LevelPasses:
    """Compiled passes over the levels, on arrays that may be used again.

    Attributes
    ----------
    v, marginal : ndarray (q, k, r)
        For the last λ: v with V₀⁻¹R = R* − Zv, and Z'V₀⁻¹R.
    matrices : ndarray (q, k, k)
        Z_l'V₀⁻¹Z_l.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        q, k, r = system.one_factor_arrays[1].shape
        self.v, self.marginal = np.empty((q, k, r)), np.empty((q, k, r))
        self.matrices = np.empty((q, k, k))

    def values(self, lam: FloatArray) -> tuple[float, FloatArray]:
        """ln|A|, not finite where A is not positive definite, and R'V₀⁻¹R."""
        zz, zr, pilot = self._system.one_factor_arrays
        (q, k, r), inverse = zr.shape, _NO_MATRIX
        if len(pilot) and (root := regular_inverse(lam)) is not None:
            inverse = root.T @ root
        moments = np.zeros((r, r))
        kernels: Any = self._system.kernels
        log_det = kernels.levels.level_values(
            0,
            q,
            zz,
            zr,
            pilot,
            lam @ lam.T,
            inverse,
            self.v,
            self.marginal,
            self.matrices,
            moments,
            np.empty((k, 2 * k + r)),
        )
        return log_det, self._system.cp.rr + 0.5 * (moments + moments.T)

    def derivative_sums(
        self,
        to_residual: FloatArray,
        root_x: FloatArray,
        changes: FloatArray,
        reml: bool,
        exact: bool,
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The sums of :func:`.level_kernels.level_derivatives` for the last λ."""
        (q, k, _), (p, n) = self.matrices.shape, (root_x.shape[1], len(changes))
        sums, lines = np.zeros((k, 3 * k)), np.zeros((p + n + 1, n))
        products = np.zeros((k * k, k * k)) if exact else _NO_MATRIX
        gram = np.zeros((k * p, k * p)) if exact and reml else _NO_MATRIX
        kernels: Any = self._system.kernels
        kernels.levels.level_derivatives(
            0,
            q,
            self.matrices,
            self.marginal,
            to_residual[:, 0],
            root_x if root_x.flags.c_contiguous else np.ascontiguousarray(root_x),
            changes if changes.flags.c_contiguous else np.ascontiguousarray(changes),
            reml,
            exact,
            sums,
            lines,
            products,
            gram,
            np.empty((k, p + 1 + n + k)),
        )
        return sums, lines, products, gram

    def linear_derivatives(
        self,
        to_residual: FloatArray,
        root_x: FloatArray,
        lam: FloatArray,
        slopes: FloatArray,
        s2: float,
        nu: float,
        reml: bool,
        exact: bool,
    ) -> tuple[FloatArray, FloatArray]:
        """See :meth:`DirectFactorization.linear_derivatives`."""
        turned = slopes @ lam.T
        changes = turned + turned.transpose(0, 2, 1)
        parts = self.derivative_sums(to_residual, root_x, changes, reml, exact)
        g, (n, p) = np.empty(lam.shape), (len(slopes), root_x.shape[1])
        out = np.empty((n + 3, n))
        kernels: Any = self._system.kernels
        kernels.levels.derivatives_of_sums(p, *parts, changes, slopes, lam, s2, nu, exact, g, out)
        return g, out


class LevelFactorization(DirectFactorization):
    """As :class:`Factorization` with one grouping factor, by :mod:`.level_kernels`."""

    def __init__(self, system: System, lams: Sequence[FloatArray]) -> None:
        super().__init__(system, lams)
        self._passes = LevelPasses(system)
        self.log_det, self._moments = self._passes.values(self.lams[0])
        if not isfinite(self.log_det):
            raise NumericalError(INDEFINITE)

    @property
    def is_direct(self) -> bool:  # type: ignore[override]
        """Not in a process that has unpickled it and loaded no kernels."""
        return self.system.kernels is not None

    def response_products(self) -> tuple[Blocks, Blocks, FloatArray]:
        """See :meth:`DirectFactorization.response_products`."""
        return [self._passes.v], [self._passes.marginal], self._moments

    def marginal_blocks(self) -> FloatArray:
        """See :meth:`MarginalAlgebra.marginal_blocks`."""
        return self._passes.matrices

    def marginal_of_effects(self, b: Blocks) -> Blocks:
        """Z'V₀⁻¹Zb."""
        return [multiply(self._passes.matrices, np.asarray(b[0]))]

    def diagonal_sums(self) -> list[FloatArray]:
        """Σ over levels of Z_l'V₀⁻¹Z_l."""
        return [self._passes.matrices.sum(axis=0)]

    def derivative_sums(
        self,
        to_residual: FloatArray,
        root_x: FloatArray,
        changes: Blocks,
        *,
        reml: bool,
        exact: bool,
    ) -> DerivativeSums:
        """See :meth:`DirectFactorization.derivative_sums`."""
        (change,), p = changes, root_x.shape[1]
        k, n, pairs = change.shape[1], len(change), None
        found = self._passes.derivative_sums(to_residual, root_x, change, reml, exact)
        sums, lines, products, gram = found
        if exact:
            if reml:  # Σ over pairs of levels of VV' ⊗ VV'
                square = gram.reshape(k, p, k, p).transpose(0, 2, 1, 3).reshape(k * k, p * p)
                products += square @ square.T
            flat = change.reshape(n, k * k)
            pairs = flat @ products @ flat.T
        return DerivativeSums(
            traces=[sums[:, :k]],
            residual=[sums[:, k : 2 * k]],
            fixed=[sums[:, 2 * k :]],
            quadratic=lines[p : p + n],
            along_fixed=lines[:p],
            along_residual=lines[p + n],
            pairs=pairs,
        )

    def linear_derivatives(
        self,
        to_residual: FloatArray,
        root_x: FloatArray,
        lams: Blocks,
        slopes: Blocks,
        s2: float,
        nu: float,
        *,
        reml: bool,
        exact: bool,
    ) -> tuple[Blocks, FloatArray]:
        """See :meth:`DirectFactorization.linear_derivatives`."""
        (lam,), (slope,) = lams, slopes
        g, out = self._passes.linear_derivatives(
            to_residual, root_x, lam, slope, s2, nu, reml, exact
        )
        return [g], out
