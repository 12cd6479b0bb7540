"""C = Z₂'Z₁, the block that couples the leading grouping factor with the others.

Everything the engine does with it stands here twice, on a dense array for small or full
blocks and on a sparse matrix for large ones. Z₁ has q₁ levels of k₁ columns, Z₂ has m
columns in all; H, J … are block-diagonal over the levels of Z₁, shape (q₁, k₁, k₁).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .batched import mirrored

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer[Any]]

COMPILED_WORK = 1e6
"""Pairs of entries in CC' above which compiled loops repay the import of numba."""

CHUNK = 1 << 22
"""Numbers held at once when a dense strip of the size (levels × m) is needed."""


class Coupling(Protocol):
    """What the engine asks of C, shape (m, q₁k₁)."""

    @property
    def bytes(self) -> int:
        """Memory held."""

    def times(self, x: FloatArray) -> FloatArray:
        """C x, for x of shape (q₁, k₁, r); gives (m, r)."""

    def transposed_times(self, x: FloatArray) -> FloatArray:
        """C'x, for x of shape (m, r); gives (q₁, k₁, r)."""

    def scaled(self, h: FloatArray) -> Coupling:
        """C times a block-diagonal matrix with blocks h (q₁, k₁, k₁)."""

    def gram(self) -> Any:
        """CC', dense or sparse like C."""

    def dense_gram(self) -> FloatArray:
        """CC' as an array."""

    def contracted_sum(self, q: Any) -> FloatArray:
        """Σ_l C_l'Q C_l over the levels l of Z₁, (k₁, k₁), for a symmetric Q on CC'."""

    def contracted(self, q: Any) -> FloatArray:
        """C_l'Q C_l for every level, (q₁, k₁, k₁)."""


@dataclass(frozen=True, eq=False)
class DenseCoupling:
    """C as an array (q₁, m, k₁), level by level."""

    c: FloatArray

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

    def gram(self) -> FloatArray:
        flat = self._flat()
        return flat @ flat.T

    def dense_gram(self) -> FloatArray:
        return self.gram()

    def contracted_sum(self, q: FloatArray) -> FloatArray:
        right = (q @ self._flat()).reshape(self.c.shape[1], *self.c.shape[::2])
        return np.tensordot(self.c, right, axes=([0, 1], [1, 0]))

    def contracted(self, q: FloatArray) -> FloatArray:
        right = (q @ self._flat()).reshape(self.c.shape[1], *self.c.shape[::2])
        return np.einsum("qma,mqb->qab", self.c, right, optimize=True)

    def _flat(self) -> FloatArray:
        q, m, k = self.c.shape
        return np.ascontiguousarray(self.c.transpose(1, 0, 2)).reshape(m, q * k)


@dataclass(frozen=True, eq=False)
class SparseCoupling:
    """C level by level of Z₁: the entries of level l are ``indptr[l]:indptr[l+1]``.

    Attributes
    ----------
    values : ndarray (entries, k₁)
    rows : ndarray of int32 (entries,)
        Ascending within a level.
    indptr : ndarray of int32 (q₁ + 1,)
    m : int
        Number of rows.
    """

    values: FloatArray
    rows: IntArray
    indptr: IntArray
    m: int

    @property
    def bytes(self) -> int:
        return int(self.values.nbytes + self.rows.nbytes + self.indptr.nbytes)

    @cached_property
    def level(self) -> IntArray:
        """The level of every entry."""
        return np.repeat(np.arange(len(self.indptr) - 1), np.diff(self.indptr))

    @cached_property
    def work(self) -> float:
        """Pairs of entries of one level, summed: what CC' costs."""
        return float((np.diff(self.indptr).astype(np.float64) ** 2).sum())

    def _column(self, a: int) -> Any:
        """C of the a-th effect of every level, (m, q₁)."""
        import scipy.sparse as sp

        shape = (self.m, len(self.indptr) - 1)
        return sp.csc_matrix((self.values[:, a], self.rows, self.indptr), shape=shape)

    def times(self, x: FloatArray) -> FloatArray:
        total = self._column(0) @ x[:, 0]
        for a in range(1, x.shape[1]):
            total += self._column(a) @ x[:, a]
        return np.asarray(total)

    def transposed_times(self, x: FloatArray) -> FloatArray:
        return np.stack([self._column(a).T @ x for a in range(self.values.shape[1])], axis=1)

    def scaled(self, h: FloatArray) -> SparseCoupling:
        if h.shape[-1] == 1:
            values = self.values * h.reshape(-1, 1)[self.level]
        else:
            values = (self.values[:, None, :] @ h[self.level])[:, 0]
        return SparseCoupling(np.ascontiguousarray(values), self.rows, self.indptr, self.m)

    def gram(self) -> Any:
        total = self._column(0) @ self._column(0).T
        for a in range(1, self.values.shape[1]):
            total = total + self._column(a) @ self._column(a).T
        return total.tocsr()

    def dense_gram(self) -> FloatArray:
        """CC' as an array."""
        compiled = self._kernels()
        if compiled is None:
            return np.asarray(self.gram().toarray())
        return mirrored(compiled.rank_update(self.indptr, self.rows, self.values, self.m))

    def contracted_sum(self, q: Any) -> FloatArray:
        compiled = self._kernels() if isinstance(q, np.ndarray) else None
        if compiled is not None:
            return np.asarray(compiled.gather(self.indptr, self.rows, self.values, q))
        k = self.values.shape[1]
        out = np.empty((k, k))
        for i in range(k):
            for j in range(i, k):
                out[i, j] = out[j, i] = inner(self._column(i) @ self._column(j).T, q)
        return out

    def contracted(self, q: Any) -> FloatArray:
        k = self.values.shape[1]
        levels = len(self.indptr) - 1
        out = np.empty((levels, k, k))
        step = max(1, CHUNK // (k * max(1, self.m)))
        columns = [self._column(a).T.tocsr() for a in range(k)]
        for start in range(0, levels, step):
            stop = min(levels, start + step)
            left = [c[start:stop] for c in columns]
            right = [x @ q for x in left]
            right = [r if isinstance(r, np.ndarray) else r.toarray() for r in right]
            a, b = np.stack([x.toarray() for x in left], axis=1), np.stack(right, axis=1)
            out[start:stop] = a @ b.swapaxes(1, 2)
        return out

    def _kernels(self) -> Any:
        """The compiled kernels, where they are worth their import and numba is installed."""
        if self.work < COMPILED_WORK:
            return None
        try:
            from . import kernels
        except ImportError:
            return None
        return kernels


def inner(a: Any, b: Any) -> float:
    """⟨A, B⟩ for a sparse A and a dense or sparse B."""
    if isinstance(b, np.ndarray):
        entries = a.tocoo()
        return float(entries.data @ b[entries.row, entries.col])
    return float(a.multiply(b).sum())
