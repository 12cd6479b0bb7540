"""The matrix A = Λ'Z'ZΛ + I analysed once, for all θ: which blocks it has and how to factor them.

The grouping factor with most columns, or the innermost of nested ones, is the leading one: its
block of A is block-diagonal for any data, and is eliminated exactly. What remains is the Schur
complement

    S = I + Λ₂'BΛ₂,   B = Z₂'Z₂ − C M C',   C = Z₂'Z₁,   M = Λ₁(Λ₁'Z₁'Z₁Λ₁ + I)⁻¹Λ₁',

dense, block-diagonal or sparse, as its measured pattern advises. Vectors in the space of Z
are lists of arrays (q, k, r), one for each grouping factor in the order of the formula.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np

from ...control import DEFAULT_MEMORY
from ...errors import MemoryLimitError
from ...support.arrays import FloatArray
from ..linalg.batched import mirrored, multiply
from ..linalg.sparse_cholesky import FACTOR_BYTES, SparseCholesky, check_backend
from ..sums.cross_products import CrossProducts
from .assembly import (
    dense_coupling,
    dense_gram,
    gram_on,
    meeting_levels,
    sparse_coupling,
    sparse_gram,
)
from .block_info import BlockInfo
from .chain import Chain
from .coupling import SparseCoupling
from .layout import Blocks, Layout
from .nested import NestedCoupling, NestedSolver, Nesting
from .pattern import node_pattern, scalar_pattern
from .schur import SchurSolver
from .sparse import SparseSolver

FactorMethod = Literal["auto", "dense", "sparse", "cholmod", "superlu"]

DENSE_SCHUR = 1_500
"""A Schur complement up to this size is dense: LAPACK is faster than any sparse code there."""

CHAIN_LEVELS = 2_000
"""From so many levels of nested factors, or of one, on passes over them cost less than stacks of
blocks."""

DENSE_CHAIN = 200
"""With up to so many random effects of three nested factors or more, or most of them of the outer
factor, one dense factor costs less than the arithmetic on blocks, factor by factor."""

DENSE_FILL = 0.2
"""Above this share of nonzeros in S, a dense factor is faster and smaller."""

SPARSE_COST_RATIO = 4.0
"""Time of a pair of entries of a sparse column over that of a product in LAPACK."""

DENSE_COUPLING = 1 << 20
"""C = Z₂'Z₁ with at most this many entries is stored dense."""

DENSE_COUPLING_SHARE = 0.25
"""So is a larger one if at least this share of its blocks is present."""

LARGEST_DENSE_COUPLING = 64 * DENSE_COUPLING
"""No dense C has more entries than this."""

FULL_PAIR_RATIO = 4.0
"""With this many times more pairs of entries than places, CC' is taken as full and its pattern is
not determined."""

DENSE_COPIES = 5
"""Arrays of the size of a dense Schur complement that an evaluation needs."""

THREADED_MOMENTS = 20_000
"""With more numbers than this in one factor's Z'Z, BLAS would use threads, which do not help."""

MOST_EFFECTS_BY_LEVEL = 8
"""Compiled passes over the levels of one factor are for up to so many effects per level; larger
blocks are left to BLAS."""

SMALL_MATRIX = 100
"""With up to so many effects of several grouping factors, one dense matrix takes less time than
elimination of the largest factor."""

MOST_SPARSE_WORK = 2e10
"""A sparse factorisation with more multiplications than this is slower than iterative solves."""

DENSE_COUPLING_BYTES = 24
"""Bytes for every number of a dense C, with its scaled copies."""

COUPLING_NUMBER_BYTES = 32
"""Bytes for every number of a sparse C, with its scaled copies and its index."""

PATTERN_ENTRY_BYTES = 96
"""Bytes for every entry of S on its pattern, with B, S⁻¹ and their indices."""


class System(Layout):
    """A = Λ'Z'ZΛ + I with its pattern analysed; :class:`Factorization` factors it at one θ.

    Parameters
    ----------
    cp : CrossProducts
    method : {"auto", "dense", "sparse", "cholmod", "superlu"}
        How to factor the Schur complement.
    memory : int
        Bytes that this may take.
    dense_up_to : int, optional
        Refuse a larger dense factor, and a sparse one that costs as much, however much
        memory there is.

    Raises
    ------
    MemoryLimitError
        Neither a dense nor a sparse factor fits.
    """

    def __init__(
        self,
        cp: CrossProducts,
        method: FactorMethod = "auto",
        memory: int = DEFAULT_MEMORY,
        dense_up_to: int | None = None,
    ) -> None:
        super().__init__(cp)
        self.is_small = method == "auto" and len(self.shapes) > 1 and self.count <= SMALL_MATRIX
        """Whether A is one dense matrix."""
        self.memory = memory
        self.dense_up_to = dense_up_to
        self.solver: SchurSolver | None = None
        self.chain: Chain | None = None
        """Of nested factors, or of one with very many levels."""
        if self.rest:
            self._analyse(method)
        elif method == "auto" and self.is_by_level and self.shapes[0][0] >= CHAIN_LEVELS:
            self.chain = Chain.of(self)

    @cached_property
    def coupling(self) -> Any:
        """C as the analysis has stored it, or written out now; None for one factor."""
        return dense_coupling(self) if self.rest else None

    @cached_property
    def gram(self) -> Any:
        """Z₂'Z₂ likewise, where no solver stores it."""
        return mirrored(dense_gram(self)) if self.rest else None

    @property
    def is_by_level(self) -> bool:
        """Whether there is one grouping factor, whose levels have few effects each."""
        return len(self.shapes) == 1 and self.shapes[0][1] <= MOST_EFFECTS_BY_LEVEL

    # --- analysis -------------------------------------------------------------------------

    def _analyse(self, method: FactorMethod) -> None:
        q1, k1 = self.shapes[self.lead]
        if method == "auto" and self._nested():
            return
        may_be_dense, numbers = method in ("auto", "dense"), self.m * q1 * k1
        is_dense, met = may_be_dense and numbers <= DENSE_COUPLING, 0
        if not is_dense:
            met = sum(len(self.pair(i, self.lead).rows) * self.shapes[i][1] for i in self.rest)
            full = met >= DENSE_COUPLING_SHARE * self.m * q1 and numbers <= LARGEST_DENSE_COUPLING
            is_dense = may_be_dense and full
        if is_dense:
            self._check_memory("blocks between the factors", numbers, DENSE_COUPLING_BYTES)
            self._check_memory("dense factor", float(self.m) ** 2, DENSE_COPIES * 8)
            if not self.is_small:
                self._write_out()
            return
        self._check_memory("blocks between the factors", met * k1, COUPLING_NUMBER_BYTES)
        self.coupling = sparse_coupling(self)
        full = self.coupling.places.work > FULL_PAIR_RATIO * float(self.m) ** 2
        if method == "dense" or (method == "auto" and (self.m <= DENSE_SCHUR or full)):
            self._make_dense()
            return
        self.solver = self._sparse_solver(method)
        if self.solver is None:
            self._make_dense()

    def _set_numbers(self) -> None:
        stored = self.__dict__.get("coupling")
        if self.chain is not None and not self.rest:
            self.chain = Chain.of(self)
        elif isinstance(stored, NestedCoupling):
            self._nested()
        elif not isinstance(stored, SparseCoupling):
            self._write_out()
        else:
            self.coupling = SparseCoupling(sparse_coupling(self).values, stored.places)
            if isinstance(self.solver, SparseSolver):
                self.solver = self.solver.with_gram(gram_on(self, self.solver.pattern))
            else:
                self.gram = sparse_gram(self)

    def _write_out(self) -> None:
        """Store C as an array; that of few effects, and Z₂'Z₂, when something asks for them."""
        self.__dict__.pop("coupling", None)
        self.__dict__.pop("gram", None)
        if not self.is_small and self.rest:
            self.coupling = dense_coupling(self)

    def _make_dense(self) -> None:
        if self._too_large:
            raise MemoryLimitError(f"a factor of {self.m:,} crossed random effects is too slow.")
        self._check_memory("dense factor", float(self.m) ** 2, DENSE_COPIES * 8)
        self.gram = sparse_gram(self)

    @property
    def _too_large(self) -> bool:
        return self.dense_up_to is not None and self.m > self.dense_up_to

    def _nested(self) -> bool:
        """Whether the factors are nested, so that nothing is filled; if so, set up the solver."""
        few = self.count <= DENSE_CHAIN
        chain = None if few and len(self.shapes) > 2 else Chain.of(self)
        if chain is None or (few and chain.factors[0] != self.lead):
            return False
        self._set_lead(chain.factors[0])
        places = range(1, len(chain.factors))
        nesting = Nesting(chain, {n: self.spans[chain.factors[n]] for n in places})
        self.coupling = NestedCoupling({n: chain.blocks[0, n] for n in places}, nesting)
        self.solver = NestedSolver(nesting)
        self.chain = chain
        return True

    def _sparse_solver(self, method: FactorMethod) -> SparseSolver | None:
        """The solver for a sparse S, or None if a dense one is better."""
        assert isinstance(self.coupling, SparseCoupling)
        auto = method == "auto"
        check_backend(method)
        square = float(self.m) ** 2
        dense_fits = DENSE_COPIES * 8 * square <= self.memory and not self._too_large
        most = self.memory / FACTOR_BYTES
        if self._too_large:  # m columns with c entries each cost at least m c²
            most = min(most, (MOST_SPARSE_WORK * self.m) ** 0.5)

        def allowed(entries: float) -> None:
            self._check_memory("pattern", entries, PATTERN_ENTRY_BYTES)

        scalars = all(self.shapes[i][1] == 1 for i in self.rest)
        places = self.coupling.places if scalars else meeting_levels(self)
        pattern = scalar_pattern(node_pattern(places, allowed), self.shapes, self.spans)
        allowed(pattern.nnz)
        if auto and dense_fits and 2 * pattern.nnz > DENSE_FILL * square:
            return None
        cholesky = SparseCholesky(pattern.indptr, pattern.indices, method, most)
        if auto and dense_fits and SPARSE_COST_RATIO * cholesky.work > self.m * square:
            return None
        self._check_memory("sparse factor", cholesky.nnz, FACTOR_BYTES)
        if self._too_large and cholesky.work > MOST_SPARSE_WORK:
            self._make_dense()
        return SparseSolver(pattern, gram_on(self, pattern), cholesky)

    def _check_memory(self, what: str, entries: float, each: int) -> None:
        """Raise if so many entries of `each` bytes would not fit."""
        if entries * each <= self.memory:
            return
        raise MemoryLimitError(
            f"beside the largest grouping factor stand {self.m:,} random effects of crossed "
            f"factors, whose {what} would have {entries:,.0f} entries and take about "
            f"{entries * each / 2**30:.2g} GiB; {self.memory / 2**30:.2g} GiB are allowed, enough "
            f"for {self.memory // each:,} entries. Use fewer levels or random slopes, or raise "
            "Control(memory=…)."
        )

    @property
    def factor_work(self) -> float:
        """Multiplications that factoring and inverting S take, as many as if LAPACK did them."""
        if not self.rest or isinstance(self.solver, NestedSolver):
            return 0.0
        if isinstance(self.solver, SparseSolver):
            return SPARSE_COST_RATIO * self.solver.work
        return float(self.m) ** 3

    @property
    def is_dense(self) -> bool:
        """Whether what the first elimination leaves is factored as a dense matrix."""
        return bool(self.rest) and self.solver is None

    @property
    def largest(self) -> int:
        """Size of the largest dense block that LAPACK and BLAS work on; 0 if all are small."""
        if self.rest:
            return self.m if self.solver is None else self.solver.largest
        return int(self.lead >= 0 and self.cp.factors[self.lead].zz.size > THREADED_MOMENTS)

    def blocks(self, names: Sequence[str]) -> list[BlockInfo]:
        """The table of blocks: kind, size, nonzeros, bytes."""
        if self.lead < 0:
            return []
        q, k = self.shapes[self.lead]
        own = self.cp.factors[self.lead].zz
        table = [BlockInfo(names[self.lead], f"diagonal of {k}×{k}", q * k, own.size, own.nbytes)]
        if self.coupling is not None:
            rest = ", ".join(names[i] for i in self.rest)
            kind, count = self.coupling.kind, self.coupling.count
            table.append(
                BlockInfo(f"{rest} × {names[self.lead]}", kind, self.m, count, self.coupling.bytes)
            )
            if self.solver is None:
                table.append(BlockInfo(rest, "dense", self.m, self.m**2, 8 * self.m**2))
            else:
                nnz = self.solver.nnz
                each = 8 if isinstance(self.solver, NestedSolver) else 12
                table.append(BlockInfo(rest, self.solver.kind, self.m, nnz, each * nnz))
        return table

    # --- algebra that does not depend on θ ------------------------------------------------

    def gram_times(self, v: Blocks) -> Blocks:
        """Z'Z v."""
        if self.is_small:
            flat = np.concatenate([x.reshape(len(x) * x.shape[1], x.shape[2]) for x in v])
            return self.split(self.whole_gram @ flat)
        out = [multiply(f.zz, x) for f, x in zip(self.cp.factors, v, strict=True)]
        if self.coupling is None:
            return out
        flat = self.flatten(v)
        out[self.lead] = out[self.lead] + self.coupling.transposed_times(flat)
        own = self.gram @ flat if self.solver is None else self.solver.times(flat)
        below = self.coupling.times(v[self.lead]) + own
        for i in self.rest:
            out[i] = below[self.spans[i]].reshape(v[i].shape)
        return out

    def precision_times(self, i: int, x: FloatArray) -> FloatArray:
        """x itself: levels are independent here."""
        return x

    def covariance_times(self, x: Blocks) -> Blocks:
        """x itself."""
        return x
