"""Rows of X and Z in the engine's units, and their cross-products for any weights of rows.

The weights are those of an iteration, −ℓ''. They may be negative, so no roots are taken of them.
Levels, and pairs of levels that meet in rows, are found once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, combinations_with_replacement

import numpy as np

from ..control import Control
from ..covariance import Covariance
from ..engine.factor import JointSystem, System
from ..engine.factor.factorization import Factorization
from ..engine.factor.joint_factorization import JointFactorization
from ..engine.factor.nested import NestedCoupling
from ..engine.linalg.batched import multiply
from ..engine.prior import Identity, Prior
from ..engine.rows import FactorRows, ModelRows
from ..engine.sums.cross_products import CrossProducts
from ..engine.sums.level_sums import add_by_level, row_values
from ..engine.sums.moments import FactorMoments, PairMoments
from ..engine.sums.pair_sums import pair_places
from ..engine.sums.scaling import choose_units
from ..engine.sums.units import Scaling
from ..errors import ArgumentError
from ..support.arrays import Blocks, FloatArray, IndexArray, LinearMap

Factored = Factorization | JointFactorization

MOST_DENSE_WORK = 1e9
"""Multiplications of a dense matrix, of all factors but the largest, with its blocks between these
and the largest one, up to which an evaluation takes less time than with sparse matrices."""


@dataclass(frozen=True, eq=False)
class PairPlaces:
    """Pairs of levels of two grouping factors that meet in rows.

    Attributes
    ----------
    rows, cols : ndarray of int (pairs,)
        Their levels, sorted.
    place : ndarray of int (n,)
        The pair of each row.
    """

    rows: IndexArray
    cols: IndexArray
    place: IndexArray


@dataclass(frozen=True, eq=False)
class WeightedRows:
    """Rows that are summed with other weights again and again.

    Attributes
    ----------
    X : ndarray (n, p)
        In units.
    factors : tuple of FactorRows
        With bases in units.
    products : tuple of ndarray (k (k + 1) / 2, n)
        Products of two columns of each basis, as `numpy.triu_indices` orders them.
    places : dict of (a, b), a < b, to PairPlaces
    scaling : Scaling
        The units; no response belongs to them.
    priors : tuple of Prior
    system : System or JointSystem
        Analysed for these levels.
    """

    X: FloatArray
    factors: tuple[FactorRows, ...]
    products: tuple[FloatArray, ...]
    places: dict[tuple[int, int], PairPlaces]
    scaling: Scaling
    priors: tuple[Prior, ...]
    system: System | JointSystem

    @classmethod
    def of(
        cls,
        rows: ModelRows,
        covariances: Sequence[Covariance],
        priors: Sequence[Prior],
        control: Control,
    ) -> WeightedRows:
        """Rows of a model in units that suit them, with levels analysed.

        Raises
        ------
        MemoryLimitError
            The factor does not fit.
        """
        scaling = choose_units(rows, tuple(covariances))
        units = scaling.units
        X = np.asfortranarray(units.x(rows.X))
        factors = []
        for f, scale in zip(rows.level_factors, units.bases, strict=True):
            basis = np.asfortranarray(scale(f.basis))
            factors.append(FactorRows(f.codes, f.n_levels, basis))
        pairs = combinations(range(len(factors)), 2)
        places = {(a, b): PairPlaces(*pair_places(factors[a], factors[b])) for a, b in pairs}
        products = tuple(_products(f.basis) for f in factors)
        own = tuple(priors) or (Identity(),) * len(factors)
        sums = _sums(np.ones(rows.n), factors, products, places, scaling)
        system = _analysed(sums, own, control)
        return cls(X, tuple(factors), products, places, scaling, own, system)

    @property
    def n(self) -> int:
        """Number of rows."""
        return len(self.X)

    def sums(self, weights: FloatArray) -> CrossProducts:
        """Z'WZ, by level and pair of levels."""
        return _sums(weights, self.factors, self.products, self.places, self.scaling)

    def factored(self, weights: FloatArray, lams: Blocks) -> Factored:
        """Λ'Z'WZΛ + Q, factored.

        Raises
        ------
        NumericalError
            It is not positive definite.
        """
        system = self.system.with_sums(self.sums(weights))
        if isinstance(system, JointSystem):
            return JointFactorization(system, lams)
        found = Factorization(system, lams)
        _ = found.log_det  # computed when asked for, and it may be refused
        return found

    def z_times(self, effects: Blocks) -> FloatArray:
        """Zb (n,) for effects (q, k) of each grouping factor."""
        out = np.zeros(self.n)
        for f, b in zip(self.factors, effects, strict=True):
            out += row_values(f.codes, f.basis, b[..., None])[:, 0]
        return out

    def z_transposed(self, columns: FloatArray) -> list[FloatArray]:
        """Z'V, (q, k, m) of each grouping factor, for columns V' (m, n)."""
        out = []
        for f in self.factors:
            sums = np.zeros((f.n_levels, f.k, len(columns)))
            add_by_level(f.codes, f.basis.T, columns, sums)
            out.append(sums)
        return out

    def gram_times(
        self, factor: Factored, weights: FloatArray, effects: Blocks
    ) -> list[FloatArray]:
        """Z'WZb, (q, k, 1) of each grouping factor, for effects b (q, k).

        Parameters
        ----------
        factor : Factorization
            Of A at these weights.
        weights : ndarray (n,)
        effects : list of ndarray (q, k)
        """
        if len(self.factors) == 1:
            return [multiply(factor.system.cp.factors[0].zz, effects[0][..., None])]
        return self.z_transposed((weights * self.z_times(effects))[None])

    def leverages(self, factor: Factored) -> FloatArray:
        """z_i'Λ(Λ'Z'WZΛ + Q)⁻¹Λ'z_i of every row."""
        out = np.zeros(self.n)
        for f, blocks in zip(self.factors, factor.level_blocks(), strict=True):
            out += _quadratic(f.basis, blocks, f.codes, f.basis)
        for (a, b), pairs in self.places.items():
            blocks = factor.pair_blocks(a, b, pairs.rows, pairs.cols)
            left, right = self.factors[a].basis, self.factors[b].basis
            out += 2.0 * _quadratic(left, blocks, pairs.place, right)
        return out

    def prior_times(self, u: Blocks) -> list[FloatArray]:
        """Qu for u (q, k)."""
        each = zip(self.priors, u, strict=True)
        return [x if q.has_unit_precision else _flat(q.precision_times, x) for q, x in each]

    def covariance_times(self, u: Blocks) -> list[FloatArray]:
        """Q⁻¹u."""
        each = zip(self.priors, u, strict=True)
        return [x if q.has_unit_precision else _flat(q.covariance_times, x) for q, x in each]


def _analysed(
    sums: CrossProducts, priors: tuple[Prior, ...], control: Control
) -> System | JointSystem:
    """By elimination of the largest factor where what is left is dense, else of all together."""
    method, memory = control.factor, control.memory
    if method == "cg":
        raise ArgumentError(
            "factor='cg' is for linear mixed models: conjugate gradients give no exact likelihood. "
            "Use factor='auto'."
        )
    if all(prior.has_unit_precision for prior in priors):
        if len(priors) <= 1:
            return System(sums, method, memory)
        if method == "auto":
            nested = System(sums, method, memory)
            if isinstance(nested.coupling, NestedCoupling):
                return nested
        sizes = [f.zz.shape[0] * f.zz.shape[1] for f in sums.factors]
        rest = sum(sizes) - max(sizes)
        if method == "dense" or (method == "auto" and rest**2 * max(sizes) <= MOST_DENSE_WORK):
            return System(sums, "dense", memory)
    return JointSystem(sums, priors, method, memory)


def shrunk(lams: Blocks, x: Blocks) -> list[FloatArray]:
    """Λ'x for x (q, k, m)."""
    return [multiply(lam.T, own) for lam, own in zip(lams, x, strict=True)]


def _flat(product: LinearMap, x: FloatArray) -> FloatArray:
    return np.asarray(product(x[..., None])[..., 0])


def _products(basis: FloatArray) -> FloatArray:
    first, second = np.triu_indices(basis.shape[1])
    return np.ascontiguousarray((basis[:, first] * basis[:, second]).T)


def _quadratic(
    left: FloatArray, blocks: FloatArray, place: IndexArray, right: FloatArray
) -> FloatArray:
    """x_i'B_iy_i for rows x_i, y_i and the blocks at their places."""
    out = np.zeros(len(left))
    for a in range(left.shape[1]):
        for b in range(right.shape[1]):
            out += left[:, a] * right[:, b] * blocks[:, a, b][place]
    return out


def _sums(
    weights: FloatArray,
    factors: Sequence[FactorRows],
    products: Sequence[FloatArray],
    places: dict[tuple[int, int], PairPlaces],
    scaling: Scaling,
) -> CrossProducts:
    moments, pairs = [], {}
    for f, own in zip(factors, products, strict=True):
        q, k = f.n_levels, f.k
        zz = np.empty((q, k, k))
        for (a, b), product in zip(combinations_with_replacement(range(k), 2), own, strict=True):
            zz[:, a, b] = zz[:, b, a] = np.bincount(f.codes, weights * product, q)
        moments.append(FactorMoments(zz, np.zeros((q, k, 1))))
    for (a, b), found in places.items():
        left, right = factors[a].basis, factors[b].basis
        blocks = np.empty((len(found.rows), left.shape[1], right.shape[1]))
        for i in range(left.shape[1]):
            weighted = weights * left[:, i]
            for j in range(right.shape[1]):
                blocks[:, i, j] = np.bincount(found.place, weighted * right[:, j], len(found.rows))
        pairs[a, b] = PairMoments(found.rows, found.cols, blocks)
    return CrossProducts(scaling, len(weights), 0.0, np.zeros((1, 1)), tuple(moments), pairs)
