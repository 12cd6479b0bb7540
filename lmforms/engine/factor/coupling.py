"""C = Z₂'Z₁, the block that couples the leading grouping factor with the others.

There are two implementations: a dense array for small or full blocks, and a sparse matrix for
large ones. Z₁ has q₁ levels of k₁ columns, Z₂ has m columns in all; matrices that are
block-diagonal over the levels of Z₁ have the shape (q₁, k₁, k₁).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np

from ...support.arrays import FloatArray
from ..linalg.batched import mirrored
from ..linalg.compiled import compiled_kernels
from .coupling_pattern import SparsityPattern

RestFactors = Sequence[tuple[FloatArray, slice]]
"""λ of each remaining factor, and its rows of C."""

STRIP_NUMBERS = 1 << 22
"""Numbers in a dense strip of a large product, which is computed some levels at a time."""


class Coupling(Protocol):
    """What the engine needs of C, shape (m, q₁k₁).

    With a dense Schur complement it also needs ``left_scaled(lams)``, Λ₂'C, and
    ``subtract_gram(out)``, which subtracts CC' from (at least) the lower triangle of an array.
    Of a dense symmetric Q the lower triangle is enough.
    """

    kind: ClassVar[str]

    @property
    def bytes(self) -> int:
        """Memory used."""

    @property
    def count(self) -> int:
        """Numbers stored."""

    def times(self, x: FloatArray) -> FloatArray:
        """C x, for x of shape (q₁, k₁, r); gives (m, r)."""

    def transposed_times(self, x: FloatArray) -> FloatArray:
        """C'x, for x of shape (m, r); gives (q₁, k₁, r)."""

    def scaled(self, h: FloatArray) -> Coupling:
        """C times a block-diagonal matrix with blocks h (q₁, k₁, k₁)."""

    def gram(self) -> Any:
        """CC', dense or sparse like C."""

    def contracted_sum(self, q: Any) -> FloatArray:
        """Σ_l C_l'Q C_l over the levels l of Z₁, (k₁, k₁), for a symmetric Q on CC'."""

    def contracted(self, q: Any) -> FloatArray:
        """C_l'Q C_l for every level, (q₁, k₁, k₁)."""


@dataclass(frozen=True, eq=False)
class DenseCoupling:
    """C as an array (q₁, m, k₁), level by level."""

    c: FloatArray
    kind: ClassVar[str] = "dense"

    @property
    def count(self) -> int:
        return self.c.size

    @property
    def bytes(self) -> int:
        return self.c.nbytes

    def times(self, x: FloatArray) -> FloatArray:
        return np.tensordot(self.c, x, axes=([0, 2], [0, 1]))

    def transposed_times(self, x: FloatArray) -> FloatArray:
        q, _, k = self.c.shape
        return (self._flat().T @ x).reshape(q, k, -1)

    def scaled(self, h: FloatArray) -> DenseCoupling:
        return DenseCoupling(self.c * h if h.shape[-1] == 1 else self.c @ h)

    def left_scaled(self, lams: RestFactors) -> DenseCoupling:
        c = np.empty_like(self.c)
        for lam, span in lams:
            part = self.c[:, span]
            q, m, k = part.shape
            c[:, span] = (lam.T @ part.reshape(q, -1, len(lam), k)).reshape(q, m, k)
        return DenseCoupling(c)

    def subtract_gram(self, out: FloatArray) -> None:
        flat = self._flat()
        out -= flat @ flat.T

    def contracted_sum(self, q: FloatArray) -> FloatArray:
        right = (mirrored(q) @ self._flat()).reshape(self.c.shape[1], *self.c.shape[::2])
        return np.tensordot(self.c, right, axes=([0, 1], [1, 0]))

    def contracted(self, q: FloatArray) -> FloatArray:
        right = (mirrored(q) @ self._flat()).reshape(self.c.shape[1], *self.c.shape[::2])
        return np.einsum("qma,mqb->qab", self.c, right, optimize=True)

    def _flat(self) -> FloatArray:
        q, m, k = self.c.shape
        return np.ascontiguousarray(self.c.transpose(1, 0, 2)).reshape(m, q * k)


@dataclass(frozen=True, eq=False)
class SparseCoupling:
    """C by its entries.

    Attributes
    ----------
    values : ndarray (entries, k₁)
    places : SparsityPattern
    """

    values: FloatArray
    places: SparsityPattern
    kind: ClassVar[str] = "sparse"

    @property
    def count(self) -> int:
        return self.values.size

    @property
    def bytes(self) -> int:
        return self.values.nbytes + self.places.bytes

    @cached_property
    def _columns(self) -> list[Any]:
        """C of the a-th effect of every level, (m, q₁)."""
        import scipy.sparse as sp

        places = self.places
        shape = (places.m, len(places.indptr) - 1)
        return [
            sp.csc_matrix((column, places.rows, places.indptr), shape=shape)
            for column in np.ascontiguousarray(self.values.T)
        ]

    def times(self, x: FloatArray) -> FloatArray:
        return np.asarray(sum(c @ x[:, a] for a, c in enumerate(self._columns)))

    def transposed_times(self, x: FloatArray) -> FloatArray:
        out = np.empty((len(self.places.indptr) - 1, len(self._columns), x.shape[1]))
        for a, c in enumerate(self._columns):
            out[:, a] = c.T @ x
        return out

    def scaled(self, h: FloatArray) -> SparseCoupling:
        level = self.places.level
        if h.shape[-1] == 1:
            return SparseCoupling(self.values * h.reshape(-1, 1)[level], self.places)
        # by columns: a product of a row with every block would copy all blocks
        values = np.empty_like(self.values)
        for b in range(h.shape[-1]):
            terms = (self.values[:, a] * h[level, a, b] for a in range(h.shape[-1]))
            values[:, b] = sum(terms)
        return SparseCoupling(values, self.places)

    def gram(self) -> Any:
        """CC' as a sparse matrix."""
        return sum(c @ c.T for c in self._columns).tocsr()

    def left_scaled(self, lams: RestFactors) -> SparseCoupling:
        values = np.empty_like(self.values)
        for lam, span in lams:
            if len(lam) == 1 and len(lams) == 1:
                return SparseCoupling(self.values * lam[0, 0], self.places)
            at = self.places.blocks(span.start, span.stop, len(lam))
            for b in range(len(lam)):
                values[at[:, b]] = sum(
                    lam[a, b] * self.values[at[:, a]] for a in range(len(lam)) if lam[a, b] != 0
                )
        return SparseCoupling(values, self.places)

    def subtract_gram(self, out: FloatArray) -> None:
        compiled = compiled_kernels("factor.coupling_kernels", self.places.work)
        if compiled is None:
            out -= self.gram().toarray()
        else:
            compiled.rank_update(self.places, self.values, out)

    def contracted_sum(self, q: Any) -> FloatArray:
        dense = isinstance(q, np.ndarray)
        compiled = compiled_kernels("factor.coupling_kernels", self.places.work)
        if compiled is not None and dense:
            return np.asarray(compiled.dense_contracted_sum(self.places, self.values, q))
        if compiled is not None:
            return np.asarray(compiled.contracted_sum(self, q))
        q = mirrored(q) if dense else q.full()
        k = self.values.shape[1]
        out = np.empty((k, k))
        for i in range(k):
            for j in range(i, k):
                product = self._columns[i] @ self._columns[j].T
                out[i, j] = out[j, i] = _inner_product(product, q)
        return out

    def contracted(self, q: Any) -> FloatArray:
        if not isinstance(q, np.ndarray):
            compiled = compiled_kernels("factor.coupling_kernels", self.places.work)
            if compiled is not None:
                return np.asarray(compiled.contracted(self, q))
        q = mirrored(q) if isinstance(q, np.ndarray) else q.full()
        k = self.values.shape[1]
        levels = len(self.places.indptr) - 1
        out = np.empty((levels, k, k))
        step = max(1, STRIP_NUMBERS // (k * max(1, self.places.m)))
        columns = [c.T.tocsr() for c in self._columns]
        for start in range(0, levels, step):
            stop = min(levels, start + step)
            left = [c[start:stop] for c in columns]
            right = [x @ q for x in left]
            right = [r if isinstance(r, np.ndarray) else r.toarray() for r in right]
            a, b = np.stack([x.toarray() for x in left], axis=1), np.stack(right, axis=1)
            out[start:stop] = a @ b.swapaxes(1, 2)
        return out


def _inner_product(a: Any, b: Any) -> float:
    """⟨A, B⟩ for a sparse A and a dense or sparse B."""
    if isinstance(b, np.ndarray):
        entries = a.tocoo()
        return float(entries.data @ b[entries.row, entries.col])
    return float(a.multiply(b).sum())
