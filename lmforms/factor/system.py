"""The matrix A = Λ'Z'ZΛ + I: analysed once, factored for every θ, solved, inverted in part.

The grouping factor with most columns leads: its block of A is block-diagonal whatever the
data, and is eliminated exactly. What remains is the Schur complement

    S = I + Λ₂'BΛ₂,   B = Z₂'Z₂ − C M C',   C = Z₂'Z₁,   M = Λ₁(Λ₁'Z₁'Z₁Λ₁ + I)⁻¹Λ₁',

dense or sparse, as its measured pattern advises. Vectors in the space of Z are lists of
arrays (q, k, r), one for each grouping factor in the order of the formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..crossproducts import CrossProducts, PairMoments
from ..errors import ArgumentError, MemoryLimitError
from .batched import multiply, transposed
from .coupling import Coupling, DenseCoupling, SparseCoupling
from .factorization import Factorization
from .schur import SparseSolver, have_cholmod

FloatArray = npt.NDArray[np.float64]
Blocks = list[FloatArray]
Path = Literal["auto", "dense", "cholmod", "superlu"]

DENSE_SCHUR = 1_500
"""A Schur complement up to this size is dense: LAPACK is faster than any sparse code there."""

DENSE_FILL = 0.2
"""Above this share of nonzeros in the sparse factor, a dense one is faster and smaller."""

DENSE_COUPLING = 1 << 20
"""C = Z₂'Z₁ with at most this many entries is held dense …"""

DENSE_COUPLING_SHARE = 0.25
"""… as it is when at least this share of its blocks is present (up to 64 times that size)."""


FULL_WORK = 4.0
"""With this many times more pairs of entries than places, CC' is full: no look at its pattern."""

DENSE_COPIES = 5
"""Arrays of the size of a dense Schur complement that an evaluation holds."""

SPARSE_WORK = 2e10
"""Multiplications of a sparse factorisation that is still preferred to iterative solves: it
takes about ten seconds, as the largest dense factor does."""

SPARSE_BYTES = 40
"""Bytes for every entry of a sparse CC' while its pattern is analysed."""


@dataclass(frozen=True)
class BlockInfo:
    """One line of the table of blocks: what was done with a part of A, and its cost."""

    name: str
    kind: str
    size: int
    nonzeros: int
    bytes: int


class System:
    """A = Λ'Z'ZΛ + I with its pattern analysed; hold it and call :meth:`factorize`.

    Parameters
    ----------
    cp : CrossProducts
    path : {"auto", "dense", "cholmod", "superlu"}
        How to factor the Schur complement.
    memory : int
        Bytes that this may take.
    largest : int, optional
        Size of the Schur complement above which ``"auto"`` gives up on a factor that is
        dense or costs as much.

    Raises
    ------
    MemoryLimitError
        Neither a dense nor a sparse factor fits.
    """

    def __init__(
        self,
        cp: CrossProducts,
        path: Path = "auto",
        memory: int = 8 * 2**30,
        largest: int | None = None,
    ) -> None:
        self.cp = cp
        self.memory = memory
        self.largest = largest
        self.shapes = [f.zz.shape[:2] for f in cp.factors]
        sizes = [q * k for q, k in self.shapes]
        self.lead = int(np.argmax(sizes)) if sizes else -1
        self.rest = [i for i in range(len(sizes)) if i != self.lead]
        ends = np.cumsum([0, *(sizes[i] for i in self.rest)])
        self.m = int(ends[-1])
        self.spans = {
            i: slice(int(a), int(b)) for i, a, b in zip(self.rest, ends[:-1], ends[1:], strict=True)
        }
        self.coupling: Coupling | None = None
        self.gram: Any = None
        self.solver: SparseSolver | None = None
        if self.rest:
            self._analyse(path)

    # --- analysis -------------------------------------------------------------------------

    def _pair(self, a: int, b: int) -> PairMoments:
        """Z_a'Z_b for any a ≠ b."""
        if (a, b) in self.cp.pairs:
            return self.cp.pairs[a, b]
        pair = self.cp.pairs[b, a]
        order = np.lexsort((pair.rows, pair.cols))
        return PairMoments(pair.cols[order], pair.rows[order], transposed(pair.blocks[order]))

    def _bsr(self, a: int, b: int) -> Any:
        import scipy.sparse as sp

        pair = self._pair(a, b)
        (qa, ka), (qb, kb) = self.shapes[a], self.shapes[b]
        indptr = np.concatenate([[0], np.cumsum(np.bincount(pair.rows, minlength=qa))])
        blocks = np.ascontiguousarray(pair.blocks)
        return sp.bsr_matrix((blocks, pair.cols, indptr), shape=(qa * ka, qb * kb))

    def _analyse(self, path: Path) -> None:
        import scipy.sparse as sp

        q1, k1 = self.shapes[self.lead]
        present = sum(
            len(self._pair(i, self.lead).rows) * self.shapes[i][1] * k1 for i in self.rest
        )
        entries = self.m * q1 * k1
        small = entries <= DENSE_COUPLING
        full = present >= DENSE_COUPLING_SHARE * entries and entries <= 64 * DENSE_COUPLING
        if path in ("auto", "dense") and (small or full):
            self.coupling = DenseCoupling(self._dense_coupling(q1, k1))
            self.gram = self._dense_gram()
            return
        self.coupling = self._sparse_coupling(q1, k1)
        # CC' has at most this many entries; far more pairs than places fill nearly all of them
        pairs = min(self.coupling.work, float(self.m) ** 2)
        full = self.coupling.work > FULL_WORK * float(self.m) ** 2
        if path == "dense" or (path == "auto" and (self.m <= DENSE_SCHUR or full)):
            self._need_dense()
            self.gram = self._dense_gram()
            return
        self._need(SPARSE_BYTES * pairs)
        gram = self._sparse_gram()
        pattern = abs(gram) + abs(self.coupling.gram()) + sp.identity(self.m)
        backend = path if path != "auto" else ("cholmod" if have_cholmod() else "superlu")
        if backend == "cholmod" and not have_cholmod():
            raise ArgumentError(
                "factor='cholmod' needs scikit-sparse: pip install 'lmforms[cholmod]', "
                "or use 'superlu'."
            )
        dense = path == "auto" and pattern.nnz > DENSE_FILL * self.m**2
        if not dense and self.largest is not None and self.m > self.largest:
            from .fill import costs_more

            dense = costs_more(pattern, backend, SPARSE_WORK)
        if not dense:
            solver = SparseSolver(pattern.tocsc(), backend)
            dense = path == "auto" and 2 * solver.nnz > DENSE_FILL * self.m**2
        if dense:
            self._need_dense()
            self.gram = self._dense_gram()
        else:
            self.solver, self.gram = solver, gram

    def _need_dense(self) -> None:
        """Refuse a dense Schur complement that is too large."""
        if self.largest is not None and self.m > self.largest:
            raise MemoryLimitError(f"a factor of {self.m:,} entangled random effects is too slow.")
        self._need(DENSE_COPIES * 8 * float(self.m) ** 2)

    def _need(self, size: float) -> None:
        """Refuse what would not fit."""
        if size <= self.memory:
            return
        fits = int(np.sqrt(self.memory / (8 * DENSE_COPIES)))
        raise MemoryLimitError(
            f"beside the largest grouping factor stand {self.m:,} random effects of crossed "
            f"factors, whose factor would take about {size / 2**30:.1f} GiB; "
            f"{self.memory / 2**30:.1f} GiB are allowed, enough for about {fits:,}. Use fewer "
            "levels or random slopes, or raise Control(memory=…)."
        )

    def _dense_coupling(self, q1: int, k1: int) -> FloatArray:
        out = np.zeros((q1, self.m, k1))
        for i in self.rest:
            pair, (q, k) = self._pair(i, self.lead), self.shapes[i]
            part = np.zeros((q1, q, k, k1))
            part[pair.cols, pair.rows] = pair.blocks
            out[:, self.spans[i]] = part.reshape(q1, q * k, k1)
        return out

    def _sparse_coupling(self, q1: int, k1: int) -> SparseCoupling:
        levels, rows, values = [], [], []
        for i in self.rest:
            pair, (_, k) = self._pair(i, self.lead), self.shapes[i]
            for a in range(k):
                levels.append(pair.cols)
                rows.append(self.spans[i].start + pair.rows * k + a)
                values.append(pair.blocks[:, a])
        level, row = np.concatenate(levels), np.concatenate(rows)
        order = np.lexsort((row, level))
        counts = np.bincount(level, minlength=q1)
        return SparseCoupling(
            values=np.ascontiguousarray(np.concatenate(values)[order]),
            rows=row[order].astype(np.int32),
            indptr=np.concatenate([[0], np.cumsum(counts)]).astype(np.int32),
            m=self.m,
        )

    def _dense_gram(self) -> FloatArray:
        out = np.zeros((self.m, self.m))
        for i in self.rest:
            q, k = self.shapes[i]
            level = np.arange(q)
            part = np.zeros((q, k, q, k))
            part[level, :, level] = self.cp.factors[i].zz
            out[self.spans[i], self.spans[i]] = part.reshape(q * k, q * k)
            for j in self.rest:
                if j > i:
                    block = self._bsr(i, j).toarray()
                    out[self.spans[i], self.spans[j]] = block
                    out[self.spans[j], self.spans[i]] = block.T
        return out

    def _sparse_gram(self) -> Any:
        import scipy.sparse as sp

        rows: list[list[Any]] = []
        for i in self.rest:
            ends = np.arange(self.shapes[i][0] + 1)
            own = sp.bsr_matrix((self.cp.factors[i].zz, ends[:-1], ends))
            rows.append([own if i == j else self._bsr(i, j) for j in self.rest])
        return sp.block_array(rows).tocsr()

    def blocks(self, names: Sequence[str]) -> list[BlockInfo]:
        """The table of blocks: kind, size, nonzeros, bytes."""
        if self.lead < 0:
            return []
        q, k = self.shapes[self.lead]
        own = self.cp.factors[self.lead].zz
        table = [BlockInfo(names[self.lead], f"diagonal of {k}×{k}", q * k, own.size, own.nbytes)]
        if self.coupling is not None:
            rest = ", ".join(names[i] for i in self.rest)
            kind = "dense" if isinstance(self.coupling, DenseCoupling) else "sparse"
            count = self.coupling.bytes // 8
            table.append(
                BlockInfo(f"{rest} × {names[self.lead]}", kind, self.m, count, self.coupling.bytes)
            )
            if self.solver is None:
                table.append(BlockInfo(rest, "dense", self.m, self.m**2, 8 * self.m**2))
            else:
                nnz = self.solver.nnz
                table.append(
                    BlockInfo(rest, f"sparse ({self.solver.backend})", self.m, nnz, 16 * nnz)
                )
        return table

    # --- algebra that does not depend on θ ------------------------------------------------

    def gram_times(self, v: Blocks) -> Blocks:
        """Z'Z v."""
        out = [multiply(f.zz, x) for f, x in zip(self.cp.factors, v, strict=True)]
        if self.coupling is None:
            return out
        flat = self.flatten(v)
        out[self.lead] = out[self.lead] + self.coupling.transposed_times(flat)
        below = self.coupling.times(v[self.lead]) + self.gram @ flat
        for i in self.rest:
            out[i] = below[self.spans[i]].reshape(v[i].shape)
        return out

    def flatten(self, v: Blocks) -> FloatArray:
        """The part of v that belongs to the remaining factors, (m, r)."""
        return np.concatenate([v[i].reshape(-1, v[i].shape[-1]) for i in self.rest])

    def unflatten(self, lead: FloatArray, flat: FloatArray) -> Blocks:
        """Put the leading part and :meth:`flatten`'s back in the order of the formula."""
        out: Blocks = [lead] * len(self.shapes)
        for i in self.rest:
            out[i] = flat[self.spans[i]].reshape(*self.shapes[i], -1)
        return out

    def factorize(self, lams: Sequence[FloatArray]) -> Factorization:
        """Factor A for the relative factors λ of each grouping factor."""
        return Factorization(self, lams)
