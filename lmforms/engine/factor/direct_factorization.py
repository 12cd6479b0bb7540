"""Factors that come with what the criterion and its derivatives need, in few passes.

One grouping factor: compiled passes over its levels. Several with few effects in all: one dense
matrix. Everything else that a :class:`Factorization` tells comes from one, when it is asked for.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from ...support.arrays import Blocks, FloatArray
from .eliminated_rows import EliminatedRows
from .factorization import Factorization


@dataclass(frozen=True, eq=False)
class DerivativeSums:
    """Sums over levels from which gradient and curvature follow.

    Symbols are those of :mod:`lmforms.engine.criterion.evaluate`.

    Attributes
    ----------
    traces, residual, fixed : sequence of ndarray (k, k)
        Of each grouping factor: sums of the diagonal blocks of Z'V₀⁻¹Z, of tt', and of VV' (zero
        under ML).
    quadratic : ndarray (n_theta, n_theta)
        c_i'Z'V₀⁻¹Zc_j.
    along_fixed, along_residual : ndarray (p, n_theta), (n_theta,)
        V'c_j and t'c_j.
    pairs : ndarray (n_theta, n_theta) or None
        T of :mod:`lmforms.engine.criterion.curvature`.
    """

    traces: Sequence[FloatArray]
    residual: Sequence[FloatArray]
    fixed: Sequence[FloatArray]
    quadratic: FloatArray
    along_fixed: FloatArray
    along_residual: FloatArray
    pairs: FloatArray | None


class DirectFactorization(Factorization):
    """A factored for the criterion and its derivatives."""

    is_direct: ClassVar[bool] = True

    @abstractmethod
    def response_products(self) -> tuple[Blocks, Blocks, FloatArray]:
        """v with V₀⁻¹R = R* − Zv, Z'V₀⁻¹R and R'V₀⁻¹R, for the columns R = [X y] of the sums."""

    @abstractmethod
    def derivative_sums(
        self,
        to_residual: FloatArray,
        root_x: FloatArray,
        changes: Blocks,
        *,
        reml: bool,
        exact: bool,
    ) -> DerivativeSums:
        """Sums for the derivatives in θ, with the products of the system's own columns.

        Parameters
        ----------
        to_residual : ndarray (p + 1, 1)
            [X y] times it is y − Xβ̂.
        root_x : ndarray (p, c)
            R_X⁻¹.
        changes : sequence of ndarray (n_theta, k, k)
            D_i of each grouping factor.
        reml : bool
        exact : bool
            Whether T is asked for.
        """

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
    ) -> tuple[Blocks, FloatArray] | None:
        """G, and curvature, gradient, its scale and h in rows, for λ linear in θ.

        None where it has no way of its own, beside :meth:`derivative_sums`.

        Parameters
        ----------
        to_residual, root_x, reml, exact
            As for :meth:`derivative_sums`.
        lams, slopes : sequence of ndarray (k, k), (n_theta, k, k)
            λ and ∂λ/∂θ_i of each grouping factor, with the λλ' that was factored.
        s2, nu : float
            σ², and ν, or infinity where σ² is given.

        Returns
        -------
        sequence of ndarray (k, k), ndarray (n_theta + 3, n_theta)
        """
        return None

    @cached_property
    def _by_blocks(self) -> Factorization:
        return Factorization(self.system, self.lams)

    def solve(self, w: Blocks) -> Blocks:
        """ΛA⁻¹w."""
        return self._by_blocks.solve(w)

    def eliminated_rows(self) -> EliminatedRows | None:
        """See :meth:`Factorization.eliminated_rows`."""
        return self._by_blocks.eliminated_rows()

    def level_blocks(self) -> list[FloatArray]:
        """See :meth:`Factorization.level_blocks`."""
        return self._by_blocks.level_blocks()
