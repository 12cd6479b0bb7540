"""A factored by compiled passes over the levels of one grouping factor."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

import numpy as np

from ...errors import NumericalError
from ...support.arrays import Blocks, FloatArray
from ..linalg.batched import INDEFINITE, multiply
from .direct_factorization import DerivativeSums, DirectFactorization
from .system import System

_NO_MATRIX = np.empty((0, 0))


class LevelFactorization(DirectFactorization):
    """As :class:`Factorization` with one grouping factor, by :mod:`.level_kernels`.

    Attributes
    ----------
    matrices : ndarray (q, k, k)
        Z_l'V₀⁻¹Z_l.
    """

    def __init__(self, system: System, lams: Sequence[FloatArray]) -> None:
        super().__init__(system, lams)
        (lam,), inverse = self.lams, _NO_MATRIX
        zz, zr, pilot = system.level_arrays
        if len(pilot) and (root := self._lam_inverses[0]) is not None:
            inverse = root.T @ root
        q, k, r = zr.shape
        self._v, self._marginal = np.empty((q, k, r)), np.empty((q, k, r))
        self.matrices, moments = np.empty((q, k, k)), np.zeros((r, r))
        kernels: Any = system.kernels
        log_det = kernels.levels.level_values(
            0,
            q,
            zz,
            zr,
            pilot,
            lam @ lam.T,
            inverse,
            self._v,
            self._marginal,
            self.matrices,
            moments,
            np.empty((k, 2 * k + r)),
        )
        if not isfinite(log_det):
            raise NumericalError(INDEFINITE)
        self.log_det = log_det
        self._moments = system.cp.rr + 0.5 * (moments + moments.T)

    @property
    def is_direct(self) -> bool:  # type: ignore[override]
        """Not in a process that has unpickled it and loaded no kernels."""
        return self.system.kernels is not None

    def response_products(self) -> tuple[Blocks, Blocks, FloatArray]:
        """See :meth:`DirectFactorization.response_products`."""
        return [self._v], [self._marginal], self._moments

    def own_products(self) -> FloatArray:
        """See :meth:`MarginalAlgebra.own_products`."""
        return self.matrices

    def marginal_of_effects(self, b: Blocks) -> Blocks:
        """Z'V₀⁻¹Zb."""
        return [multiply(self.matrices, np.asarray(b[0]))]

    def diagonal_sums(self) -> list[FloatArray]:
        """Σ over levels of Z_l'V₀⁻¹Z_l."""
        return [self.matrices.sum(axis=0)]

    def _pass(
        self,
        to_residual: FloatArray,
        root_x: FloatArray,
        changes: FloatArray,
        reml: bool,
        exact: bool,
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
        """The sums of :func:`.level_kernels.level_derivatives`."""
        (q, k, _), (p, n) = self.matrices.shape, (root_x.shape[1], len(changes))
        sums, lines = np.zeros((k, 3 * k)), np.zeros((p + n + 1, n))
        products = np.zeros((k * k, k * k)) if exact else _NO_MATRIX
        gram = np.zeros((k * p, k * p)) if exact and reml else _NO_MATRIX
        kernels: Any = self.system.kernels
        kernels.levels.level_derivatives(
            0,
            q,
            self.matrices,
            self._marginal,
            to_residual[:, 0],
            root_x if root_x.flags.c_contiguous else np.ascontiguousarray(root_x),
            changes,
            reml,
            exact,
            sums,
            lines,
            products,
            gram,
            np.empty((k, p + 1 + n + k)),
        )
        return sums, lines, products, gram

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
        sums, lines, products, gram = self._pass(to_residual, root_x, change, reml, exact)
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
        turned = slope @ lam.T
        changes = turned + turned.transpose(0, 2, 1)
        parts = self._pass(to_residual, root_x, changes, reml, exact)
        g, (n, p) = np.empty(lam.shape), (len(slope), root_x.shape[1])
        out = np.empty((n + 3, n))
        kernels: Any = self.system.kernels
        kernels.levels.derivatives_of_sums(p, *parts, changes, slope, lam, s2, nu, exact, g, out)
        return [g], out
