"""Sums over rows in units that were chosen before all rows were seen, and what adds them up.

The units are those of a sample: columns of X are centred and scaled one by one, so that dependent
ones can still be left out; :mod:`.settled_sums` makes the engine's cross-products of them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...errors import ModelError
from ...support.arrays import FloatArray, IndexArray
from .column_root import merged_roots
from .moments import PairMoments, merged, sorted_pairs
from .units import AffineMap, Scaling

LIKELY_REACH = 4.0
"""Root mean squares between which responses are taken to lie, where no more is known."""


@dataclass(frozen=True, eq=False)
class LevelSums:
    """Sums over the rows of one grouping factor.

    Attributes
    ----------
    zz : ndarray (q, k, k)
        Z'R⁻¹Z, one block per level.
    zr : ndarray (q, k, p + 1)
        Z'R⁻¹[X y].
    counts : ndarray of int (q,)
        Rows of each level.
    root : ndarray (r, k)
        R with R'R = Σ Z'R⁻¹Z over all levels, with all digits.
    """

    zz: FloatArray
    zr: FloatArray
    counts: IndexArray
    root: FloatArray

    def placed(self, places: IndexArray, size: int) -> LevelSums:
        """The same levels at other places among `size`; negative places are left out."""
        (kept,) = (places >= 0).nonzero()
        at = places[kept]
        out = LevelSums(
            np.zeros((size, *self.zz.shape[1:])),
            np.zeros((size, *self.zr.shape[1:])),
            np.zeros(size, dtype=np.int64),
            self.root,
        )
        out.zz[at], out.zr[at] = self.zz[kept], self.zr[kept]
        out.counts[at] = self.counts[kept]
        return out


@dataclass(frozen=True)
class RowFacts:
    """What is known of all rows beside their products.

    Attributes
    ----------
    n : int
        Number of rows.
    low, high : float
        The least and the largest response less offset.
    size : float
        Largest absolute value of what the response was computed from.
    weights : float
        Sum of the weights.
    log_det_residual : float
        ln|R|.
    """

    n: int = 0
    low: float = np.inf
    high: float = -np.inf
    size: float = 0.0
    weights: float = 0.0
    log_det_residual: float = 0.0

    def __add__(self, other: RowFacts) -> RowFacts:
        return RowFacts(
            self.n + other.n,
            min(self.low, other.low),
            max(self.high, other.high),
            max(self.size, other.size),
            self.weights + other.weights,
            self.log_det_residual + other.log_det_residual,
        )

    def __sub__(self, other: RowFacts) -> RowFacts:
        """Without other rows; the range is still that of all."""
        return replace(
            self,
            n=self.n - other.n,
            weights=self.weights - other.weights,
            log_det_residual=self.log_det_residual - other.log_det_residual,
        )


@dataclass(frozen=True, eq=False)
class AdditiveSums:
    """Sums over rows in the units of a sample.

    Attributes
    ----------
    scaling : Scaling
        Without pilot effects.
    facts : RowFacts
    rr : ndarray (p + 1, p + 1)
        [X y]'R⁻¹[X y].
    root : ndarray (r, p + 1)
        R with R'R = `rr`, with all digits.
    factors : tuple of LevelSums
    pairs : dict of (a, b), a < b, to PairMoments
        With counts.
    """

    scaling: Scaling
    facts: RowFacts
    rr: FloatArray
    root: FloatArray
    factors: tuple[LevelSums, ...]
    pairs: dict[tuple[int, int], PairMoments]

    def placed(self, places: list[IndexArray], sizes: list[int]) -> AdditiveSums:
        """The levels of each grouping factor at other places; negative ones are left out."""
        each = zip(self.factors, places, sizes, strict=True)
        pairs = {}
        for (a, b), pair in self.pairs.items():
            rows, cols = places[a][pair.rows], places[b][pair.cols]
            kept = (rows >= 0) & (cols >= 0)
            counts = None if pair.counts is None else pair.counts[kept]
            pairs[a, b] = sorted_pairs(rows[kept], cols[kept], pair.blocks[kept], counts)
        return replace(self, factors=tuple(f.placed(p, q) for f, p, q in each), pairs=pairs)

    def of_columns(self, kept: IndexArray) -> AdditiveSums:
        """With some of the columns of X, which are mapped one by one."""
        if len(kept) == len(self.rr) - 1:
            return self
        gamma = np.zeros(len(self.rr) - 1)  # others give back what they took from the response
        gamma[kept] = self.scaling.pilot.gamma[kept]
        sums = self.in_units(_with_gamma(self.scaling, gamma))
        units, pilot = sums.scaling.units, sums.scaling.pilot
        right = np.append(kept, len(self.rr) - 1)
        constant, place = units.x.constant, None
        if constant is not None and constant in kept:
            place = int(np.searchsorted(kept, constant))
        x = AffineMap(units.x.center[kept], units.x.matrix[np.ix_(kept, kept)], place)
        pilot = replace(pilot, gamma=pilot.gamma[kept], shift_beta=pilot.shift_beta[kept])
        return replace(
            sums,
            scaling=Scaling(replace(units, x=x), pilot),
            rr=sums.rr[np.ix_(right, right)],
            root=sums.root[:, right],
            factors=tuple(replace(f, zr=f.zr[:, :, right]) for f in sums.factors),
        )

    def in_units(self, to: Scaling) -> AdditiveSums:
        """The same sums in other units of the same columns.

        Parameters
        ----------
        to : Scaling
            Without pilot effects.

        Notes
        -----
        X̃₂ = X̃₁L with L = A₁⁻¹A₂; and as y = c₁ + X̃₁γ₁ + s₁ỹ₁ = c₂ + X̃₂γ₂ + s₂ỹ₂, where the
        constant column makes the difference of the shifts c one of coefficients,
        ỹ₂ = X̃₁(γ₁ + A₁⁻¹w(c₁ − c₂) − Lγ₂)/s₂ + ỹ₁s₁/s₂ with Xw = 1.
        """
        x, pilot, p = self.scaling.units.x, self.scaling.pilot, len(self.rr) - 1
        L = x.inverse @ to.units.x.linear
        shift = np.zeros(p)
        if x.constant is not None:
            shift[x.constant] = pilot.shift - to.pilot.shift
        change = np.zeros((p + 1, p + 1))
        change[:p, :p] = L
        change[:p, p] = pilot.gamma + x.inverse @ shift - L @ to.pilot.gamma
        change[p, p] = pilot.y_scale
        change[:, p] /= to.pilot.y_scale
        each = zip(self.scaling.units.bases, to.units.bases, strict=True)
        bases = [own.inverse @ new.linear for own, new in each]
        rr = change.T @ self.rr @ change
        return replace(
            self,
            scaling=to,
            rr=0.5 * (rr + rr.T),
            root=self.root @ change,
            factors=tuple(
                replace(f, zz=B.T @ f.zz @ B, zr=B.T @ f.zr @ change, root=f.root @ B)
                for f, B in zip(self.factors, bases, strict=True)
            ),
            pairs={
                (a, b): replace(pair, blocks=bases[a].T @ pair.blocks @ bases[b])
                for (a, b), pair in self.pairs.items()
            },
        )

    def __add__(self, other: AdditiveSums) -> AdditiveSums:
        """Of the same levels, in the same units."""
        return AdditiveSums(
            scaling=self.scaling,
            facts=self.facts + other.facts,
            rr=self.rr + other.rr,
            root=merged_roots(self.root, other.root),
            factors=tuple(
                LevelSums(
                    a.zz + b.zz, a.zr + b.zr, a.counts + b.counts, merged_roots(a.root, b.root)
                )
                for a, b in zip(self.factors, other.factors, strict=True)
            ),
            pairs={key: merged(pair, other.pairs[key]) for key, pair in self.pairs.items()},
        )

    def without(self, other: AdditiveSums) -> AdditiveSums:
        """Less the sums of some of the rows, of the same levels in the same units.

        Raises
        ------
        ModelError
            `other` has more rows of a level than are here.
        """
        factors = []
        for a, b in zip(self.factors, other.factors, strict=True):
            counts = a.counts - b.counts
            if (counts < 0).any():
                raise ModelError("without(): a level has more rows in what is taken out.")
            left = (counts > 0)[:, None, None]
            zz = (a.zz - b.zz) * left
            root = root_of_products(zz.sum(axis=0))
            factors.append(LevelSums(zz, (a.zr - b.zr) * left, counts, root))
        pairs = {}
        for key, pair in self.pairs.items():
            theirs = other.pairs[key]
            assert theirs.counts is not None
            found = merged(pair, replace(theirs, blocks=-theirs.blocks, counts=-theirs.counts))
            assert found.counts is not None
            if (found.counts < 0).any():
                raise ModelError(
                    "without(): two levels have more rows in the sums to be taken out."
                )
            kept = found.counts > 0
            pairs[key] = PairMoments(
                found.rows[kept], found.cols[kept], found.blocks[kept], found.counts[kept]
            )
        rr = self.rr - other.rr
        facts = self._facts_without(other, rr)
        root = root_of_products(rr)
        return AdditiveSums(self.scaling, facts, rr, root, tuple(factors), pairs)

    def _facts_without(self, other: AdditiveSums, rr: FloatArray) -> RowFacts:
        """Facts of the rows that are left; their range is what their products make likely."""
        facts, pilot = self.facts - other.facts, self.scaling.pilot
        direction = np.append(pilot.gamma, pilot.y_scale)
        squares = max(float(direction @ rr @ direction), 0.0)
        reach = LIKELY_REACH * np.sqrt(squares / max(facts.n, 1))
        low, high = pilot.shift - reach, pilot.shift + reach
        return replace(facts, low=low, high=high, size=max(abs(low), abs(high)))


def _with_gamma(scaling: Scaling, gamma: FloatArray) -> Scaling:
    """Units with other pilot coefficients."""
    return replace(scaling, pilot=replace(scaling.pilot, gamma=gamma))


def root_of_products(products: FloatArray) -> FloatArray:
    """R with R'R = products, as far as their digits go."""
    values, vectors = np.linalg.eigh(products)
    return np.asarray((np.sqrt(np.maximum(values, 0.0)) * vectors).T)
