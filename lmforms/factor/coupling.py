"""C = Z₂'Z₁, the block that couples the leading grouping factor with the others.

Everything the engine does with it stands here twice, on a dense array for small or full
blocks and on a sparse matrix for large ones. Z₁ has q₁ levels of k₁ columns, Z₂ has m
columns in all; H, J … are block-diagonal over the levels of Z₁, shape (q₁, k₁, k₁).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

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
    """C as a CSR matrix (m, q₁k₁)."""

    c: Any
    q: int
    k: int

    @property
    def bytes(self) -> int:
        return int(self.c.data.nbytes + self.c.indices.nbytes + self.c.indptr.nbytes)

    def times(self, x: FloatArray) -> FloatArray:
        return np.asarray(self.c @ x.reshape(self.q * self.k, -1))

    def transposed_times(self, x: FloatArray) -> FloatArray:
        return np.asarray(self.c.T @ x).reshape(self.q, self.k, -1)

    def scaled(self, h: FloatArray) -> SparseCoupling:
        import scipy.sparse as sp

        if self.k == 1:
            data = self.c.data * h.reshape(-1)[self.c.indices]
            scaled = sp.csr_matrix((data, self.c.indices, self.c.indptr), shape=self.c.shape)
        else:
            ends = np.arange(self.q + 1)
            scaled = (self.c @ sp.bsr_matrix((h, ends[:-1], ends)).tocsr()).tocsr()
        return SparseCoupling(scaled, self.q, self.k)

    def gram(self) -> Any:
        return (self.c @ self.c.T).tocsr()

    def contracted_sum(self, q: Any) -> FloatArray:
        out = np.empty((self.k, self.k))
        columns = [self.c[:, i :: self.k] for i in range(self.k)]
        for i in range(self.k):
            for j in range(i, self.k):
                out[i, j] = out[j, i] = _inner(columns[i] @ columns[j].T, q)
        return out

    def contracted(self, q: Any) -> FloatArray:
        out = np.empty((self.q, self.k, self.k))
        step = max(1, CHUNK // (self.k * max(1, self.c.shape[0])))
        by_level = self.c.T.tocsr()
        for start in range(0, self.q, step):
            stop = min(self.q, start + step)
            strip = by_level[start * self.k : stop * self.k]
            right = strip @ q
            right = right if isinstance(right, np.ndarray) else right.toarray()
            left = strip.toarray().reshape(stop - start, self.k, -1)
            out[start:stop] = left @ right.reshape(left.shape).swapaxes(1, 2)
        return out


def _inner(a: Any, b: Any) -> float:
    """⟨A, B⟩ for a sparse A and a dense or sparse B."""
    if isinstance(b, np.ndarray):
        entries = a.tocoo()
        return float(entries.data @ b[entries.row, entries.col])
    return float(a.multiply(b).sum())
