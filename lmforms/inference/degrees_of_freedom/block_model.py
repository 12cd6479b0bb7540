"""A fit as sets of independent rows, each with its block of V and the derivatives of V.

For residuals with parameters, and for structures of the random effects that are not linear.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ...errors import ModelError, NumericalError
from ...results.state import FitState
from ...support.arrays import FloatArray
from .connected_rows import ConnectedRows, RandomRows, connected_rows, random_rows
from .random_blocks import RandomCurve, random_changes
from .residual_blocks import ResidualBlocks
from .variance_information import half_covariance

KEPT_NUMBERS = 30_000_000
"""Up to so many numbers the matrices A_i are kept for the second pass, else computed again."""

CHUNK_NUMBERS = 4_000_000
"""Of a stack of matrices that is worked on at once."""


Curve = ResidualBlocks | RandomCurve
"""Parameters with second derivatives."""


@dataclass(frozen=True, eq=False)
class Whitened:
    """Some patterns of sets of rows, multiplied by L⁻¹.

    Attributes
    ----------
    sets : ConnectedRows
    inverse_root : ndarray (P, m, m)
        L⁻¹.
    A : ndarray (P, K, m, m)
    W : ndarray (S, m, p)
    e : ndarray (S, m)
    """

    sets: ConnectedRows
    inverse_root: FloatArray
    A: FloatArray
    W: FloatArray
    e: FloatArray

    @cached_property
    def fixed(self) -> FloatArray:
        """ΣWW' of each pattern, (P, m, m)."""
        return self.sets.by_pattern(self.W @ self.W.swapaxes(1, 2))

    @cached_property
    def squares(self) -> FloatArray:
        """Σee' of each pattern, (P, m, m)."""
        return self.sets.by_pattern(self.e[:, :, None] * self.e[:, None, :])

    def between(self, M: FloatArray, left: FloatArray, right: FloatArray) -> FloatArray:
        """Σ left_s'M_k right_s for matrices M (P, K, m, m) of the patterns, (K, a, b)."""
        (S, m, a), b, K = left.shape, right.shape[2], M.shape[1]
        if len(M) == 1 and S > 1 and S * (m + a) > m * a and (m * a) * (m * b) <= CHUNK_NUMBERS:
            pairs = left.reshape(S, m * a).T @ right.reshape(S, m * b)
            return np.asarray(np.tensordot(M[0], pairs.reshape(m, a, m, b), axes=([1, 2], [0, 2])))
        total = np.zeros((K, b, a))
        step = max(1, CHUNK_NUMBERS // (K * m * max(m, b)))
        for start in range(0, S, step):
            own = slice(start, start + step)
            # Σ_s (M_k right_s)' left_s as one product over sets and rows
            moved = M[self.sets.which[own]] @ right[own, None]  # (s, K, m, b)
            stacked = moved.transpose(1, 3, 0, 2).reshape(K * b, -1)
            total += (stacked @ left[own].reshape(-1, a)).reshape(K, b, a)
        return total.swapaxes(1, 2)


@dataclass(frozen=True, eq=False)
class BlockModel:
    """A fit as sets of independent rows.

    Attributes
    ----------
    random : sequence of RandomRows
    directions : sequence of ndarray (r, k, k)
        D_i of each grouping factor: changes of the covariance of its effects.
    covariances : sequence of ndarray (k, k)
        That covariance itself.
    residual : ResidualBlocks
    XH : ndarray (n, p)
    error : ndarray (n,)
        y − Xβ̂.
    reml : bool
    sets : list of ConnectedRows
    curves : list of (slice, Curve)
        Parameters in which V is not linear, and their second derivatives.
    """

    random: Sequence[RandomRows]
    directions: Sequence[FloatArray]
    covariances: Sequence[FloatArray]
    residual: ResidualBlocks
    XH: FloatArray
    error: FloatArray
    reml: bool
    sets: Sequence[ConnectedRows]
    curves: Sequence[tuple[slice, Curve]]

    @property
    def size(self) -> int:
        """Number of variance parameters."""
        return sum(len(D) for D in self.directions) + self.residual.size

    def whitened(self) -> Iterator[Whitened]:
        """All patterns, some at a time."""
        yield from self._kept if self._kept is not None else self._computed()

    @cached_property
    def _kept(self) -> list[Whitened] | None:
        numbers = sum(c.first.size * c.first.shape[1] for c in self.sets) * self.size
        return list(self._computed()) if numbers <= KEPT_NUMBERS else None

    def _computed(self) -> Iterator[Whitened]:
        for sets in self.sets:
            P, m = sets.first.shape
            step = max(1, CHUNK_NUMBERS // (self.size * m * m))
            for start in range(0, P, step):
                yield self._of_patterns(_part(sets, start, start + step))

    def _of_patterns(self, sets: ConnectedRows) -> Whitened:
        rows = sets.first
        V = self.residual.values(rows)
        changes = []
        for r, D, covariance in zip(self.random, self.directions, self.covariances, strict=True):
            Z, shared = r.basis[rows], r.shared(rows)
            V += (Z @ covariance @ Z.swapaxes(1, 2)) * shared
            changes.append((Z[:, None] @ D @ Z[:, None].swapaxes(2, 3)) * shared[:, None])
        changes.append(self.residual.slopes(rows))
        try:
            root = np.linalg.inv(np.linalg.cholesky(V))
        except np.linalg.LinAlgError:
            raise NumericalError(
                "the covariance of the response is singular at the estimates, so that there is "
                "no information of its parameters. Use ddf='residual'."
            ) from None
        root = np.tril(root)
        A = congruent(root, np.concatenate(changes, axis=1))
        chosen = root[sets.which]
        W = chosen @ self.XH[sets.rows]
        e = (chosen @ self.error[sets.rows][..., None])[..., 0]
        return Whitened(sets, root, A, W, e)


def congruent(root: FloatArray, matrices: FloatArray) -> FloatArray:
    """L⁻¹ML⁻ᵀ for M (P, K, m, m)."""
    return np.asarray(root[:, None] @ matrices @ root[:, None].swapaxes(2, 3))


def _part(sets: ConnectedRows, start: int, stop: int) -> ConnectedRows:
    """Patterns start … stop − 1 only."""
    a, b = np.searchsorted(sets.which, [start, stop])
    return ConnectedRows(sets.rows[a:b], sets.which[a:b] - start, sets.first[start:stop])


def block_model(state: FitState) -> BlockModel:
    """The sets of independent rows of a fit and what V consists of.

    Raises
    ------
    ModelError
        Too many rows depend on each other.
    """
    estimate, design = state.estimate, state.design
    random = random_rows(state)
    sets = connected_rows(state, random)
    sigma2 = estimate.sigma**2
    residual = ResidualBlocks(state.residual, sigma2)
    changes = [random_changes(state, i, rows) for i, rows in enumerate(random)]
    curves: list[tuple[slice, Curve]] = []
    first = 0
    for change in changes:
        for start, curve in change.curves:
            curves.append((slice(first + start, first + start + curve.size), curve))
        first += len(change.directions)
    if not residual.is_linear:
        curves.append((slice(first, first + residual.size), residual))
    model = BlockModel(
        random=random,
        directions=[change.directions for change in changes],
        covariances=[sigma2 * lam @ lam.T for lam in estimate.lams],
        residual=residual,
        XH=design.X @ half_covariance(estimate),
        error=state.response - design.offset - design.X @ estimate.beta,
        reml=estimate.reml,
        sets=sets,
        curves=curves,
    )
    _check_memory(model, state.control.memory)
    return model


def _check_memory(model: BlockModel, memory: int) -> None:
    m = max(c.first.shape[1] for c in model.sets)
    needed = 4 * 8 * model.size * m * m
    if needed > memory:
        raise ModelError(
            f"Kenward–Roger and the expected information need {needed / 2**30:.1f} GB for "
            f"{model.size} parameters of {m} rows that are correlated with each other; "
            f"{memory / 2**30:.1f} GB are allowed. Use ddf='satterthwaite' without `information`, "
            "or Control(memory=…)."
        )
