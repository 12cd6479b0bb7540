"""A chain of very many nested levels at one θ: what the criterion and its derivatives need of it.

The lists of :mod:`.chain_operations` are carried out, factor after factor, on all levels at once.
Whatever else is asked of the factor comes from :class:`Factorization`, which is made then.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log10
from typing import Any

import numpy as np

from ...covariance import regular_inverse
from ...errors import NumericalError
from ...support.arrays import Blocks, FloatArray
from .chain import NO_TABLE, table
from .chain_blocks import (
    COUPLING,
    COVARIANCE,
    EFFECTS,
    FRONT,
    OUT,
    PARENT_FRONT,
    PARENT_RIGHT,
    REDUCED,
    RIGHT,
    ZZ,
    LevelKind,
    parameters,
    pattern_of,
    triangle_size,
)
from .chain_operations import differentiation, effects, elimination, substitution
from .factorization import Factorization
from .level_operations import OperationList
from .level_passes import carry_out, level_kernels
from .system import CHAIN_LEVELS, System

MOST_COLUMNS = 20
"""With more columns of [X y] BLAS multiplies the stacks as fast."""


@dataclass(frozen=True, eq=False)
class DirectionProducts:
    """Sums that the derivatives are made of, by grouping factor in the order of the formula.

    Attributes
    ----------
    tt, vv : list of ndarray (k, k)
        Σ tt' and Σ VV' over levels.
    tv : list of ndarray (k, k, p)
        Σ t ⊗ V.
    quadratic : ndarray (n_theta, n_theta)
        c_j'Z'V₀⁻¹Zc_h.
    """

    tt: list[FloatArray]
    vv: list[FloatArray]
    tv: list[FloatArray]
    quadratic: FloatArray


def can_be_passed(system: System, lams: Sequence[FloatArray]) -> bool:
    """Whether this is a chain of enough levels, and no λ without inverse has pilot effects."""
    chain = system.chain
    if chain is None or chain.levels < CHAIN_LEVELS or len(system.cp.rr) > MOST_COLUMNS:
        return False
    pairs = zip(lams, system.cp.scaling.pilot.has_effects, strict=True)
    return not any(used and regular_inverse(lam) is None for lam, used in pairs)


class ChainFactorization(Factorization):
    """A = Λ'Z'ZΛ + I of a chain, and [X y] under V₀.

    Attributes
    ----------
    moments : ndarray (r, r)
        [X y]'V₀⁻¹[X y].
    """

    def __init__(self, system: System, lams: Sequence[FloatArray]) -> None:
        super().__init__(system, lams)
        assert system.chain is not None
        cp = system.cp
        self._links, self._r = system.chain.links, len(cp.rr)
        self._inverses = [self._lam_inverses[link.factor] for link in self._links]
        self._right = [table(cp.factors[link.factor].zr) for link in self._links]
        pilot = cp.scaling.pilot
        self._effects = [
            table(pilot.effects[link.factor]) if pilot.has_effects[link.factor] else NO_TABLE
            for link in self._links
        ]
        self._fronts = [self._for_descendants(n, True) for n in range(len(self._links))]
        self._reduced = [self._for_descendants(n, False) for n in range(len(self._links))]
        self._kinds = [self._kind(n) for n in range(len(self._links))]
        longest = substitution(self._kinds[0], self._r)
        self._work = float(len(longest.codes) * self._links[0].levels)
        for n in range(len(self._links) - 1):
            self._run(n, elimination(self._kinds[n], self._r), self._tables(n))
        self._substitute()

    def _for_descendants(self, n: int, symmetric: bool) -> FloatArray:
        """Where descendants of a factor's levels add what they take."""
        link = self._links[n]
        if n == 0:
            return NO_TABLE
        size = link.k + link.above
        return np.zeros((link.levels, triangle_size(size) if symmetric else size * self._r))

    def _kind(self, n: int) -> LevelKind:
        link, inverse = self._links[n], self._inverses[n]
        return LevelKind(
            k=link.k,
            above=link.above,
            is_innermost=n == 0,
            has_effects=len(self._effects[n]) > 0,
            lam=pattern_of(self._lam(n)),
            inverse=None if inverse is None else pattern_of(inverse),
        )

    def _lam(self, n: int) -> FloatArray:
        return self.lams[self._links[n].factor]

    def _tables(self, n: int) -> dict[int, FloatArray]:
        link = self._links[n]
        tables = {ZZ: link.zz, COUPLING: link.coupling, RIGHT: self._right[n]}
        tables |= {EFFECTS: self._effects[n], FRONT: self._fronts[n], REDUCED: self._reduced[n]}
        if link.above:
            tables |= {PARENT_FRONT: self._fronts[n + 1], PARENT_RIGHT: self._reduced[n + 1]}
        return tables

    def _run(
        self,
        n: int,
        operations: OperationList,
        tables: dict[int, FloatArray],
        *more: FloatArray,
    ) -> tuple[float, list[FloatArray]]:
        link, lam, inverse = self._links[n], self._lam(n), self._inverses[n]
        values = parameters(lam, lam if inverse is None else inverse, *more)
        exponent = link.k * log10(2.0 + link.most_information * float(np.square(lam).sum()))
        fits = self.system.kernels
        kernels = level_kernels(self._work) if fits is None else fits.operations
        return carry_out(operations, values, tables, link, exponent, kernels)

    def _substitute(self) -> None:
        self.moments = self.system.cp.rr.copy()
        self._marginal: list[FloatArray] = [NO_TABLE] * len(self.lams)
        self._sums: list[FloatArray] = [NO_TABLE] * len(self.lams)
        log_det, covariances = 0.0, NO_TABLE
        for n in reversed(range(len(self._links))):
            link, tables = self._links[n], self._tables(n)
            marginal = np.empty((link.levels, link.k * self._r))
            tables |= {OUT: marginal, PARENT_FRONT: covariances}
            if n:
                covariances = np.empty_like(self._fronts[n])
                tables[COVARIANCE] = covariances
            own, (moments, traces) = self._run(n, substitution(self._kinds[n], self._r), tables)
            log_det += own
            self.moments += _symmetric(moments)
            self._marginal[link.factor] = marginal.reshape(link.levels, link.k, self._r)
            self._sums[link.factor] = self._diagonal_sum(n, _symmetric(traces))
        if not np.isfinite(log_det):
            raise NumericalError("ln|Λ'Z'ZΛ + I| is not finite.")
        self.log_det = log_det

    def _diagonal_sum(self, n: int, traces: FloatArray) -> FloatArray:
        link, root = self._links[n], self._inverses[n]
        if root is None:
            return traces
        total = root.T @ (link.levels * np.eye(link.k) - traces) @ root
        return 0.5 * (total + total.T)

    # --- what the criterion needs -----------------------------------------------------------

    @property
    def right_marginal(self) -> Blocks:
        """Z'V₀⁻¹[X y], (q, k, r) by grouping factor."""
        return self._marginal

    def right_effects(self) -> Blocks:
        """Best linear predictors of the effects of [X y], (q, k, r) by grouping factor."""
        out: list[FloatArray] = [NO_TABLE] * len(self.lams)
        for n, link in enumerate(self._links):
            shape = link.levels, link.k, self._r
            if n:
                found = self._reduced[n][:, : link.k * self._r]
            else:
                found = np.empty((link.levels, link.k * self._r))
                self._run(n, effects(self._kinds[n], self._r), self._tables(n) | {OUT: found})
            out[link.factor] = found.reshape(shape)
            if len(self._effects[n]):
                out[link.factor] = out[link.factor] + self._effects[n].reshape(shape)
        return out

    def diagonal_sums(self) -> list[FloatArray]:
        return [total.copy() for total in self._sums]

    def direction_products(self, right: FloatArray, changes: Blocks) -> DirectionProducts:
        """For the directions D_jt of the average information.

        Parameters
        ----------
        right : ndarray (r, 1 + p)
            [t V] of Z'V₀⁻¹[X y].
        changes : sequence of ndarray (n, k, k)
            D_j of the θ of each grouping factor.
        """
        count, size, p = len(self.lams), sum(len(d) for d in changes), right.shape[1] - 1
        ends = np.cumsum([0, *(len(d) for d in changes)])
        tt, vv = ([NO_TABLE] * count for _ in range(2))
        tv: list[Any] = [NO_TABLE] * count
        quadratic, order = np.zeros((size, size)), np.empty(0, dtype=np.intp)
        reduced = NO_TABLE
        for n, link in enumerate(self._links):
            i, root, before = link.factor, self._inverses[n], len(order)
            own = changes[i] if root is None else root @ changes[i]
            order = np.append(order, np.arange(ends[i], ends[i + 1]))
            patterns = tuple(pattern_of(d) for d in own)
            todo = differentiation(self._kinds[n], self._r, before, patterns, pattern_of(right))
            tables = self._tables(n) | {RIGHT: table(self._marginal[i]), REDUCED: reduced}
            if link.above:
                outer = self._links[n + 1]
                reduced = np.zeros((outer.levels, link.above * len(order)))
                tables[PARENT_RIGHT] = reduced
            _, sums = self._run(n, todo, tables, right, *own)
            tt[i], vv[i] = _symmetric(sums[0]), _symmetric(sums[2])
            tv[i] = sums[1].reshape(link.k, link.k, p)
            quadratic[np.ix_(order, order)] -= _symmetric(sums[3])
            if root is not None:
                mine = slice(ends[i], ends[i + 1])
                quadratic[mine, mine] += np.einsum("jab,bc,hac->jh", own, tt[i], own)
        return DirectionProducts(tt, vv, tv, quadratic)


def _symmetric(lower: FloatArray) -> FloatArray:
    """A symmetric matrix from its lower triangle; the upper one is zero."""
    return np.asarray(lower + lower.T - np.diag(lower.diagonal()))
