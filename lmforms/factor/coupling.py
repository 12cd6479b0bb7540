"""C = Z₂'Z₁, the block that couples the leading grouping factor with the others.

Everything the engine does with it stands here twice, on a dense array for small or full
blocks and on a sparse matrix for large ones. Z₁ has q₁ levels of k₁ columns, Z₂ has m
columns in all; H, J … are block-diagonal over the levels of Z₁, shape (q₁, k₁, k₁).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from .batched import mirrored

FloatArray = npt.NDArray[np.float64]
Lams = Sequence[tuple[FloatArray, slice]]  # λ of each remaining factor, and its rows of C
IntArray = npt.NDArray[np.integer[Any]]

COMPILED_WORK = 1e6
"""Pairs of entries in CC' above which compiled loops repay the import of numba."""

CHUNK = 1 << 22
"""Numbers held at once when a dense strip of the size (levels × m) is needed."""


class Coupling(Protocol):
    """What the engine asks of C, shape (m, q₁k₁).

    Beside a dense Schur complement it is also asked for ``shrunk(lams)``, Λ₂'C, and for
    ``subtract_gram(out)``, which takes CC' from (at least) the lower triangle of an array.
    Of a dense symmetric Q the lower triangle is enough.
    """

    kind: ClassVar[str]

    @property
    def bytes(self) -> int:
        """Memory held."""

    @property
    def count(self) -> int:
        """Numbers held."""

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

    def shrunk(self, lams: Lams) -> DenseCoupling:
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
        right = (symmetric(q) @ self._flat()).reshape(self.c.shape[1], *self.c.shape[::2])
        return np.tensordot(self.c, right, axes=([0, 1], [1, 0]))

    def contracted(self, q: FloatArray) -> FloatArray:
        right = (symmetric(q) @ self._flat()).reshape(self.c.shape[1], *self.c.shape[::2])
        return np.einsum("qma,mqb->qab", self.c, right, optimize=True)

    def _flat(self) -> FloatArray:
        q, m, k = self.c.shape
        return np.ascontiguousarray(self.c.transpose(1, 0, 2)).reshape(m, q * k)


@dataclass(frozen=True, eq=False)
class Places:
    """Where C has entries, level by level of Z₁: ``rows[indptr[l]:indptr[l + 1]]``.

    Attributes
    ----------
    rows : ndarray of int32 (entries,)
        Ascending within a level.
    indptr : ndarray of int32 (q₁ + 1,)
    m : int
        Number of rows.
    """

    rows: IntArray
    indptr: IntArray
    m: int

    @property
    def bytes(self) -> int:
        return int(self.rows.nbytes + self.indptr.nbytes)

    @cached_property
    def level(self) -> IntArray:
        """The level of every entry."""
        levels = np.arange(len(self.indptr) - 1, dtype=np.int32)
        return np.repeat(levels, np.diff(self.indptr))

    @cached_property
    def work(self) -> float:
        """Pairs of entries of one level, summed: what CC' costs."""
        return float((np.diff(self.indptr).astype(np.float64) ** 2).sum())

    @cached_property
    def row_work(self) -> FloatArray:
        """Pairs of entries in the lower triangle of CC', by row."""
        before = np.arange(len(self.rows)) - self.indptr[self.level]
        return np.asarray(np.bincount(self.rows, before + 1.0, self.m), dtype=np.float64)

    def blocks(self, start: int, stop: int, k: int) -> IntArray:
        """Entries of rows `start` to `stop`, the k rows of one level in a row of the result."""
        if (start, k) not in self._blocks:
            mine = (self.rows >= start) & (self.rows < stop)
            self._blocks[start, k] = np.flatnonzero(mine).reshape(-1, k)
        return self._blocks[start, k]

    @cached_property
    def _blocks(self) -> dict[tuple[int, int], IntArray]:
        return {}

    @cached_property
    def by_row(self) -> tuple[IntArray, IntArray, IntArray]:
        """Entries in the order of rows; where each row begins; where each entry's level ends."""
        import scipy.sparse as sp

        count = len(self.rows)
        numbers = sp.csc_matrix(
            (np.arange(count, dtype=np.int32), self.rows, self.indptr),
            shape=(self.m, len(self.indptr) - 1),
        ).tocsr()
        ends = np.repeat(self.indptr[1:], np.diff(self.indptr))
        return numbers.data, numbers.indptr.astype(np.int32), ends.astype(np.int32)


@dataclass(frozen=True, eq=False)
class SparseCoupling:
    """C by its entries.

    Attributes
    ----------
    values : ndarray (entries, k₁)
    places : Places
    """

    values: FloatArray
    places: Places
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

    def shrunk(self, lams: Lams) -> SparseCoupling:
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
        compiled = compiled_kernels(self.places.work, dense=True)
        if compiled is None:
            out -= self.gram().toarray()
        else:
            compiled.rank_update(self.places, self.values, out)

    def contracted_sum(self, q: Any) -> FloatArray:
        dense = isinstance(q, np.ndarray)
        compiled = compiled_kernels(self.places.work, dense)
        if compiled is not None and dense:
            return np.asarray(compiled.gather(self.places, self.values, q))
        if compiled is not None:
            return np.asarray(compiled.contracted_sum(self, q))
        q = symmetric(q) if dense else q.full()
        k = self.values.shape[1]
        out = np.empty((k, k))
        for i in range(k):
            for j in range(i, k):
                product = self._columns[i] @ self._columns[j].T
                out[i, j] = out[j, i] = inner(product, q)
        return out

    def contracted(self, q: Any) -> FloatArray:
        if not isinstance(q, np.ndarray):
            compiled = compiled_kernels(self.places.work)
            if compiled is not None:
                return np.asarray(compiled.contracted(self, q))
        q = symmetric(q) if isinstance(q, np.ndarray) else q.full()
        k = self.values.shape[1]
        levels = len(self.places.indptr) - 1
        out = np.empty((levels, k, k))
        step = max(1, CHUNK // (k * max(1, self.places.m)))
        columns = [c.T.tocsr() for c in self._columns]
        for start in range(0, levels, step):
            stop = min(levels, start + step)
            left = [c[start:stop] for c in columns]
            right = [x @ q for x in left]
            right = [r if isinstance(r, np.ndarray) else r.toarray() for r in right]
            a, b = np.stack([x.toarray() for x in left], axis=1), np.stack(right, axis=1)
            out[start:stop] = a @ b.swapaxes(1, 2)
        return out


def compiled_kernels(work: float, dense: bool = False) -> Any:
    """The compiled loops, where `work` repays their import and numba is installed."""
    if work < COMPILED_WORK:
        return None
    try:
        if dense:
            from . import kernels

            return kernels
        from . import sparse_kernels
    except ImportError:
        return None
    return sparse_kernels


def symmetric(q: FloatArray) -> FloatArray:
    """A whole symmetric matrix from its lower triangle, in place."""
    return mirrored(q)


def inner(a: Any, b: Any) -> float:
    """⟨A, B⟩ for a sparse A and a dense or sparse B."""
    if isinstance(b, np.ndarray):
        entries = a.tocoo()
        return float(entries.data @ b[entries.row, entries.col])
    return float(a.multiply(b).sum())
