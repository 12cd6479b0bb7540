"""The information of variance parameters, and Kenward and Roger's sums, by independent blocks.

For residuals with parameters. With the block V_s = LL' of a set of rows, A_i = L⁻¹V_iL⁻ᵀ,
W = L⁻¹XH (Φ = HH') and e = L⁻¹(y − Xβ̂), sums over the sets give

    C_i = ΣW'A_iW,   tr(PV_iPV_j) = Σ[tr(A_iA_j) − 2tr(A_iA_jWW')] + tr(C_iC_j),
    y'PV_iPV_jPy = Σ e'A_iA_je − (ΣW'A_ie)'(ΣW'A_je),   H'Q_ijH = ΣW'A_iA_jW,

with the information ½tr(PV_iPV_j), or y'PV_iPV_jPy − ½tr(PV_iPV_j) + ½[tr(PV_ij) − y'PV_ijPy] for
the observed one, where V_ij are the second derivatives. Products for all pairs of parameters are
one matrix product of stacked A_i, and Q_ij are needed only in sum, weighted.

References
----------
Kenward, Roger (1997), *Small sample inference for fixed effects from restricted maximum
likelihood*, Biometrics 53(3), sections 2 and 3 and the appendix.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from ...engine.estimate import Estimate
from ...errors import ModelError, NumericalError
from ...results.state import FitState
from ...support.arrays import FloatArray
from .components import Components, RandomRows, components, random_rows
from .residual_blocks import ResidualBlocks
from .variance_information import LinearInformation, half_covariance, inverse_information

LEAST_EIGENVALUE = 1e-10
"""Of directions with information, on the scale of the diagonal: sums are exact to rounding."""

KEPT_NUMBERS = 30_000_000
"""Up to so many numbers the matrices A_i are kept for the second pass, else computed again."""

CHUNK_NUMBERS = 4_000_000
"""Of a stack of matrices that is worked on at once."""


@dataclass(frozen=True, eq=False)
class Whitened:
    """Some patterns of sets of rows, multiplied by L⁻¹.

    Attributes
    ----------
    sets : Components
    inverse_root : ndarray (P, m, m)
        L⁻¹.
    A : ndarray (P, K, m, m)
    W : ndarray (S, m, p)
    e : ndarray (S, m)
    """

    sets: Components
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
    sets : list of Components
    """

    random: Sequence[RandomRows]
    directions: Sequence[FloatArray]
    covariances: Sequence[FloatArray]
    residual: ResidualBlocks
    XH: FloatArray
    error: FloatArray
    reml: bool
    sets: Sequence[Components]

    @property
    def size(self) -> int:
        """Number of variance parameters."""
        return sum(len(D) for D in self.directions) + self.residual.size

    @cached_property
    def own(self) -> slice:
        """Those of the residuals."""
        return slice(self.size - self.residual.size, self.size)

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

    def _of_patterns(self, sets: Components) -> Whitened:
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
        A = _congruent(root, np.concatenate(changes, axis=1))
        chosen = root[sets.which]
        W = chosen @ self.XH[sets.rows]
        e = (chosen @ self.error[sets.rows][..., None])[..., 0]
        return Whitened(sets, root, A, W, e)


def _congruent(root: FloatArray, matrices: FloatArray) -> FloatArray:
    """L⁻¹ML⁻ᵀ for M (P, K, m, m)."""
    return np.asarray(root[:, None] @ matrices @ root[:, None].swapaxes(2, 3))


def _part(sets: Components, start: int, stop: int) -> Components:
    """Patterns start … stop − 1 only."""
    a, b = np.searchsorted(sets.which, [start, stop])
    return Components(sets.rows[a:b], sets.which[a:b] - start, sets.first[start:stop])


def block_model(state: FitState) -> BlockModel:
    """The sets of independent rows of a fit and what V consists of.

    Raises
    ------
    ModelError
        Too many rows depend on each other.
    """
    estimate, design = state.estimate, state.design
    random = random_rows(state)
    sets = components(state, random)
    sigma2 = estimate.sigma**2
    directions, covariances = [], []
    for group, lam in zip(design.groups, estimate.lams, strict=True):
        u = group.covariance.spanning_directions(lam)
        directions.append(np.einsum("as,bs->sab", u, u))
        covariances.append(sigma2 * lam @ lam.T)
    model = BlockModel(
        random=random,
        directions=directions,
        covariances=covariances,
        residual=ResidualBlocks(state.residual, sigma2),
        XH=design.X @ half_covariance(estimate),
        error=state.response - design.offset - design.X @ estimate.beta,
        reml=estimate.reml,
        sets=sets,
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


def information_by_blocks(
    state: FitState, kind: Literal["observed", "expected"]
) -> LinearInformation:
    """Expected or observed information of the variance parameters, and what it is needed for.

    Parameters are those of the random effects as in
    :func:`~lmforms.inference.degrees_of_freedom.variance_information.information_of_variances`,
    then the φ that are not at a bound, and ln σ².

    Parameters
    ----------
    state : FitState
    kind : {"observed", "expected"}

    Raises
    ------
    ModelError
        Too many rows depend on each other.
    """
    model = block_model(state)
    changes, information = _information(model, kind)
    W, ignored = inverse_information(information, LEAST_EIGENVALUE)
    square, curvature = _weighted_sums(model, W, changes)
    return LinearInformation(
        half=half_covariance(state.estimate),
        changes=changes,
        covariance=W,
        kind=kind,
        ignored=int(ignored),
        weighted_square=square,
        weighted_curvature=None if model.residual.is_linear else curvature,
    )


def _information(
    model: BlockModel, kind: Literal["observed", "expected"]
) -> tuple[FloatArray, FloatArray]:
    """C_i (K, p, p), and the information (K, K)."""
    K, p = model.size, model.XH.shape[1]
    observed = kind == "observed"
    C, traces = np.zeros((K, p, p)), np.zeros((K, K))
    quadratics, with_error = np.zeros((K, K)), np.zeros((K, p))
    second, slope = np.zeros((model.residual.size,) * 2), np.zeros(K)
    for part in model.whitened():
        A, counts = part.A, part.sets.counts
        m = A.shape[-1]
        flat = A.transpose(1, 0, 2, 3).reshape(K, -1)
        identity = counts[:, None, None] * np.eye(m)
        weights = identity - 2.0 * part.fixed if model.reml else identity
        C += part.between(A, part.W, part.W)
        traces += _stacked(A @ weights[:, None]) @ flat.T
        if not observed:
            continue
        quadratics += _stacked(A @ part.squares[:, None]) @ flat.T
        with_error += part.between(A, part.W, part.e[..., None])[..., 0]
        gradient = identity - part.squares - (part.fixed if model.reml else 0.0)
        slope += flat @ gradient.ravel()
        if not model.residual.is_linear:
            second += _second_traces(model.residual, part, gradient)
    if model.reml:
        traces += C.reshape(K, -1) @ C.reshape(K, -1).T
    information = 0.5 * traces
    if observed:
        information = quadratics - with_error @ with_error.T - information
        if not model.residual.is_linear:
            second -= np.tensordot(slope[model.own], model.residual.connection, axes=1)
            information[model.own, model.own] += 0.5 * second
    return C, 0.5 * (information + information.T)


def _stacked(matrices: FloatArray) -> FloatArray:
    """(P, K, m, m) as rows (K, P·m²)."""
    P, K, m, _ = matrices.shape
    return matrices.transpose(1, 0, 2, 3).reshape(K, P * m * m)


def _second_traces(residual: ResidualBlocks, part: Whitened, gradient: FloatArray) -> FloatArray:
    """Σtr(G L⁻¹(∂²σ²R/∂x_a∂x_b)L⁻ᵀ), (size, size), for G (P, m, m)."""
    root = part.inverse_root
    G = root.swapaxes(1, 2) @ gradient @ root
    out = np.empty((residual.size, residual.size))
    for a in range(residual.size):
        out[a] = np.einsum("pbij,pij->b", residual.differences(part.sets.first, a), G)
    return out


def _weighted_sums(
    model: BlockModel, W: FloatArray, changes: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Σ W_ij H'Q_ijH and Σ W_ij H'R_ijH, (p, p) each."""
    p = model.XH.shape[1]
    values, vectors = np.linalg.eigh(W)
    roots = (vectors * np.sqrt(np.maximum(values, 0.0))).T
    square, curvature = np.zeros((p, p)), np.zeros((p, p))
    own, residual = W[model.own, model.own], model.residual
    for part in model.whitened():
        P, K, m, _ = part.A.shape
        mixed = (roots @ part.A.reshape(P, K, m * m)).reshape(P, K, m, m)
        # Σ_r M_r² as one product for each pattern: M_r are symmetric
        wide = mixed.transpose(0, 2, 1, 3).reshape(P, m, K * m)
        total = wide @ wide.swapaxes(1, 2)
        square += part.between(total[:, None], part.W, part.W)[0]
        if residual.is_linear:
            continue
        second = np.zeros((P, m, m))
        for a in range(residual.size):
            second += np.tensordot(own[a], residual.differences(part.sets.first, a), (0, 1))
        whitened = _congruent(part.inverse_root, second[:, None])
        curvature += part.between(whitened, part.W, part.W)[0]
    if not residual.is_linear:
        along = np.einsum("ab,cab->c", own, residual.connection)
        curvature -= np.tensordot(along, changes[model.own], axes=1)
    return 0.5 * (square + square.T), 0.5 * (curvature + curvature.T)


def needs_blocks(estimate: Estimate) -> bool:
    """Whether the residuals have parameters, so that sums over random effects do not suffice."""
    return estimate.residual is not None and len(estimate.phi) > 0
