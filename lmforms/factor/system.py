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
from ..errors import ArgumentError, NumericalError
from .batched import inverse_cholesky, multiply, transposed
from .coupling import Coupling, DenseCoupling, SparseCoupling
from .schur import DenseFactored, FactoredSchur, SparseSolver, have_cholmod

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

REGULAR = 1e-4
"""Smallest singular value of λ for which λ⁻ᵀ(I − A⁻¹)λ⁻¹ keeps half the digits."""


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
    """

    def __init__(self, cp: CrossProducts, path: Path = "auto") -> None:
        self.cp = cp
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
        if path == "dense" or (path == "auto" and self.m <= DENSE_SCHUR):
            self.gram = self._dense_gram()
            return
        gram = self._sparse_gram()
        pattern = abs(gram) + abs(self.coupling.gram()) + sp.identity(self.m)
        backend = path if path != "auto" else ("cholmod" if have_cholmod() else "superlu")
        if backend == "cholmod" and not have_cholmod():
            raise ArgumentError(
                "factor='cholmod' needs scikit-sparse: pip install 'lmforms[cholmod]', "
                "or use 'superlu'."
            )
        dense = path == "auto" and pattern.nnz > DENSE_FILL * self.m**2
        if not dense:
            solver = SparseSolver(pattern.tocsc(), backend)
            dense = path == "auto" and 2 * solver.nnz > DENSE_FILL * self.m**2
        if dense:
            self.gram = self._dense_gram()
        else:
            self.solver, self.gram = solver, gram

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


class Factorization:
    """A = Λ'Z'ZΛ + I, factored.

    Attributes
    ----------
    log_det : float
        ln|A|.
    """

    def __init__(self, system: System, lams: Sequence[FloatArray]) -> None:
        self.system = system
        self.lams = list(lams)
        self.log_det = 0.0
        self._schur: FactoredSchur | None = None
        self._inverse: Any = None
        if system.lead < 0:
            return
        lam, zz = self.lams[system.lead], system.cp.factors[system.lead].zz
        k = lam.shape[0]
        a = multiply(multiply(lam.T, zz), lam) + np.eye(k)
        self._root, self.log_det = inverse_cholesky(a)
        self._h = multiply(lam, transposed(self._root))  # HH' = Λ₁(Λ₁'Z₁'Z₁Λ₁ + I)⁻¹Λ₁'
        if system.coupling is None:
            return
        self._k = system.coupling.scaled(self._h)
        if system.solver is None:
            self._b = system.gram - self._k.dense_gram()
            schur = self._two_sided(self._b)
            schur[np.diag_indices_from(schur)] += 1.0
            factored: FactoredSchur = DenseFactored(schur)
        else:
            import scipy.sparse as sp

            self._b = system.gram - self._k.gram()
            lam2 = self._lam2()
            factored = system.solver.factor(
                (lam2.T @ self._b @ lam2 + sp.identity(system.m)).tocsc()
            )
        self._schur = factored
        self.log_det += factored.log_det
        if not np.isfinite(self.log_det):
            raise NumericalError("ln|Λ'Z'ZΛ + I| is not finite.")

    # --- Λ₂ -------------------------------------------------------------------------------

    def _left(self, x: FloatArray, transpose: bool = False) -> FloatArray:
        """Λ₂x or Λ₂'x for x of shape (m, r)."""
        out = np.empty_like(x)
        for i in self.system.rest:
            lam = self.lams[i].T if transpose else self.lams[i]
            span = self.system.spans[i]
            part = x[span].reshape(*self.system.shapes[i], -1)
            out[span] = multiply(lam, part).reshape(x[span].shape)
        return out

    def _two_sided(self, x: FloatArray, outer: bool = False) -> FloatArray:
        """Λ₂'xΛ₂, or with `outer` Λ₂xΛ₂', for a symmetric dense x."""
        half = self._left(x, transpose=not outer)
        return self._left(np.ascontiguousarray(half.T), transpose=not outer)

    def _lam2(self) -> Any:
        """Λ₂ as a sparse matrix."""
        import scipy.sparse as sp

        return sp.block_diag(
            [sp.kron(sp.identity(self.system.shapes[i][0]), self.lams[i]) for i in self.system.rest]
        ).tocsr()

    # --- solving --------------------------------------------------------------------------

    def _solve(self, w: Blocks) -> Blocks:
        """ΛA⁻¹w."""
        system = self.system
        c = multiply(self._root, w[system.lead])
        if self._schur is None:
            return [multiply(self._h, c)]
        below = system.flatten(w) - self._left(self._k.times(c), transpose=True)
        flat = self._left(self._schur.solve(below))
        lead = multiply(self._h, c - self._k.transposed_times(flat))
        return system.unflatten(lead, flat)

    def marginal(self, zr: Blocks, b0: Blocks) -> tuple[Blocks, Blocks]:
        """V₀⁻¹ of R = R* + ZB₀, with V₀ = I + ZΛΛ'Z'.

        Parameters
        ----------
        zr : list of ndarray (q, k, r)
            Z'R*.
        b0 : list of ndarray (q, k, r)
            B₀.

        Returns
        -------
        v : list of ndarray (q, k, r)
            With V₀⁻¹R = R* − Zv; so B₀ + v is the best linear predictor of R's effects.
        q : list of ndarray (q, k, r)
            Z'V₀⁻¹R.

        Notes
        -----
        v = ΛA⁻¹Λ'Z'R* − (I + ΛΛ'Z'Z)⁻¹B₀, and the last part is ΛA⁻¹Λ⁻¹B₀ where λ can be
        inverted: small effects are then computed as small numbers, not as differences of
        large ones. Where λ is singular it is B₀ − ΛA⁻¹Λ'Z'Z B₀.
        """
        if self.system.lead < 0:
            return [], []
        w, kept = [], []
        for lam, r, b in zip(self.lams, zr, b0, strict=True):
            regular = _is_regular(lam)
            w_i = multiply(lam.T, r)
            w.append(w_i - multiply(_inverse(lam), b) if regular else w_i)
            kept.append(np.zeros_like(b) if regular else b)
        if any(b.any() for b in kept):
            gram = self.system.gram_times(kept)
            w = [x + multiply(lam.T, g) for x, lam, g in zip(w, self.lams, gram, strict=True)]
        v = [x - b for x, b in zip(self._solve(w), kept, strict=True)]
        q = [r - g for r, g in zip(zr, self.system.gram_times(v), strict=True)]
        return v, q

    # --- parts of inverses ----------------------------------------------------------------

    def _schur_inverse(self) -> Any:
        if self._inverse is None and self._schur is not None:
            self._inverse = self._schur.inverse()
        return self._inverse

    def _outer_inverse(self) -> Any:
        """Q = Λ₂S⁻¹Λ₂' (sparse: on the pattern of S)."""
        inverse = self._schur_inverse()
        if isinstance(inverse, np.ndarray):
            return self._two_sided(inverse, outer=True)
        lam2 = self._lam2()
        return (lam2 @ inverse @ lam2.T).tocsr()

    def diagonal_sums(self) -> list[FloatArray]:
        """Σ over levels of the diagonal blocks of Z'V₀⁻¹Z, (k, k) for each factor.

        The derivative of ln|A| with respect to λλ' (engine notes, section 2).
        """
        system = self.system
        if system.lead < 0:
            return []
        out = [
            self._rest_sum(i) if i != system.lead else np.empty(0) for i in range(len(self.lams))
        ]
        out[system.lead] = self._lead_sum()
        return [0.5 * (total + total.T) for total in out]

    def _lead_sum(self) -> FloatArray:
        system = self.system
        lam, zz = self.lams[system.lead], system.cp.factors[system.lead].zz
        q, k = system.shapes[system.lead]
        if _is_regular(lam):  # λ⁻ᵀ(I − A⁻¹)λ⁻¹
            inverse = multiply(transposed(self._root), self._root)
            total = inverse.sum(axis=0)
            if system.coupling is not None:
                scaled = system.coupling.scaled(multiply(lam, inverse))
                total = total + scaled.contracted_sum(self._outer_inverse())
            root = _inverse(lam)
            return np.asarray(root.T @ (q * np.eye(k) - total) @ root)
        m = multiply(self._h, transposed(self._h))
        j = np.eye(k) - multiply(zz, m)
        total = multiply(j, zz).sum(axis=0)
        if system.coupling is not None:
            scaled = system.coupling.scaled(transposed(j))
            total = total - scaled.contracted_sum(self._outer_inverse())
        return np.asarray(total)

    def _rest_sum(self, i: int) -> FloatArray:
        lam = self.lams[i]
        q, k = self.system.shapes[i]
        if _is_regular(lam):
            inner = q * np.eye(k) - self._level_sum(self._schur_inverse(), i)
            root = _inverse(lam)
            return np.asarray(root.T @ inner @ root)
        # singular λ: B − BΛ₂S⁻¹Λ₂'B itself, over the columns of this factor
        schur, span = self._schur, self.system.spans[i]
        assert schur is not None
        total = self._level_sum(self._b, i)
        step = max(k, (1 << 22) // max(1, self.system.m) // k * k)
        for start in range(span.start, span.stop, step):
            stop = min(span.stop, start + step)
            columns = self._b[:, start:stop]
            columns = columns if isinstance(columns, np.ndarray) else columns.toarray()
            right = self._left(columns, transpose=True)
            product = right * schur.solve(right) if k == 1 else None
            if product is not None:
                total = total - product.sum()
                continue
            a = right.reshape(self.system.m, -1, k)
            b = schur.solve(right).reshape(a.shape)
            total = total - np.einsum("mla,mlb->ab", a, b, optimize=True)
        return np.asarray(total)

    def _level_sum(self, matrix: Any, i: int) -> FloatArray:
        """Σ over levels of the diagonal blocks of factor i in an m×m matrix."""
        return self._level_blocks(matrix, i).sum(axis=0)

    def _level_blocks(self, matrix: Any, i: int) -> FloatArray:
        q, k = self.system.shapes[i]
        at = self.system.spans[i].start + np.arange(q * k).reshape(q, k)
        rows, cols = np.repeat(at, k, axis=1), np.tile(at, (1, k))
        return np.asarray(matrix[rows.ravel(), cols.ravel()]).reshape(q, k, k)

    def level_blocks(self) -> list[FloatArray]:
        """Diagonal blocks of ΛA⁻¹Λ' by level: σ² times them is Var(b | y), (q, k, k) each."""
        system = self.system
        if system.lead < 0:
            return []
        out: list[FloatArray] = [np.empty(0)] * len(self.lams)
        m = multiply(self._h, transposed(self._h))
        out[system.lead] = m
        if system.coupling is not None:
            q = self._outer_inverse()
            out[system.lead] = m + system.coupling.scaled(m).contracted(q)
            for i in system.rest:
                out[i] = self._level_blocks(q, i)
        return out


def _inverse(lam: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.inv(lam), dtype=np.float64)


def _is_regular(lam: FloatArray) -> bool:
    return bool(np.linalg.svd(lam, compute_uv=False).min() > REGULAR)
