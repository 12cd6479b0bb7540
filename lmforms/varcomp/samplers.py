r"""Draws of the random effects at given variances, β integrated out: two ways.

The posterior of v = (σ_1², …, σ²) and a (u = La, a_i ~ N(0, σ_i²Q_i⁻¹)) under flat β needs

    a | v, y,         which differs by sampler,
    v | a, y:         σ_i² ~ (a_i'Q_ia_i + S_iν_i)/χ²(q_i + ν_i),
                      σ² ~ (e'Se + Sν)/χ²(n − p + ν),    e = y − Za,  S = I − X̃X̃',
    β̃ | a, σ², y ~ N(X̃'(ỹ − Za), σ²I).

Cheat sheet, section 7, where β is drawn with u and e'e has n degrees of freedom: integrating it out
gives the same posterior in fewer steps. In the units of the engine, with its b for a:

- `DiagonalSampler`, one component: in the basis of :mod:`.component_spectrum` the b_j are
  independent. Directions on which the data do not depend are integrated out too: q_i becomes the
  number of the others.
- `BlockSampler`: (β, b) as one block. With b = Λu, the solution of the mixed-model equations, whose
  matrix for u is the engine's A = Λ'Z'ZΛ + Q, is a draw if [X ZΛ]'ε + [0; Fz], with FF' = Q, is
  added to their right side (García-Cortés and Sorensen 1996, Genetics Selection Evolution 28,
  121–126). That takes a factor of A and one solve.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..engine.factor import factorize
from ..engine.linalg.sparse_cholesky import cholesky_of
from ..engine.prior import Prior
from ..errors import NumericalError
from ..support.arrays import FloatArray, LinearMap
from .component_problem import ComponentProblem
from .component_spectrum import affordable, diagonalised, semidefinite_root

MOST_ROOTED_COLUMNS = 1_500
"""Up to so many columns, and not more than rows, [X Z]'ε is drawn from a root of [X Z]'[X Z]."""

MOST_DIAGONALISED = 2_000
"""A sparse component is diagonalised up to this many effects: it takes seconds."""


class Sampler(ABC):
    """Draws in the units of the engine.

    Attributes
    ----------
    name : str
        For messages.
    degrees : ndarray (r + 1,)
        Numbers of squares in what :meth:`squares` returns.
    """

    name: str

    def __init__(self, problem: ComponentProblem, degrees: FloatArray) -> None:
        self.problem, self.degrees = problem, degrees

    @abstractmethod
    def effects(self, variances: FloatArray, rng: np.random.Generator) -> FloatArray:
        """Draw a, or its coordinates."""

    @abstractmethod
    def squares(self, effects: FloatArray) -> FloatArray:
        """a_i'Q_ia_i of every component, and e'Se."""

    @abstractmethod
    def beta(
        self, effects: FloatArray, variances: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Draw the coefficients of X̃."""

    @abstractmethod
    def expanded(self, effects: FloatArray) -> FloatArray:
        """a (m,) from its coordinates."""


class DiagonalSampler(Sampler):
    """One component, diagonalised."""

    name = "diagonalised: one eigendecomposition, then independent effects"

    def __init__(self, problem: ComponentProblem) -> None:
        self.spectrum = s = diagonalised(problem)
        super().__init__(problem, np.array([len(s.d), problem.n - problem.p], dtype=np.float64))
        self._root = np.sqrt(s.d)

    def effects(self, variances: FloatArray, rng: np.random.Generator) -> FloatArray:
        s, ratio = self.spectrum, variances[0] / variances[1]
        shrunk = 1.0 / (1.0 + ratio * s.d)
        noise = np.sqrt(variances[0] * shrunk) * rng.standard_normal(len(s.d))
        return np.asarray(ratio * shrunk * self._root * s.eta + noise)

    def squares(self, effects: FloatArray) -> FloatArray:
        left = self.spectrum.eta - self._root * effects
        return np.array([effects @ effects, left @ left + self.spectrum.residual_squares])

    def beta(
        self, effects: FloatArray, variances: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        own, s = rng.standard_normal((2, self.problem.p)), self.spectrum
        noise = np.sqrt(variances[0]) * s.x_root_outside @ own[0] + np.sqrt(variances[1]) * own[1]
        return np.asarray(noise - s.x_basis @ effects)

    def expanded(self, effects: FloatArray) -> FloatArray:
        return np.asarray(self.spectrum.basis @ effects)


class BlockSampler(Sampler):
    """Any components: b itself, from the mixed-model equations."""

    def __init__(self, problem: ComponentProblem) -> None:
        counts, p = problem.counts, problem.p
        super().__init__(problem, np.append(counts, problem.n - p))
        kind = "dense Cholesky" if problem.system.is_dense else "sparse"
        self.name = f"block draw of all coefficients by a {kind} factor and a perturbed right side"
        own = problem.orthonormal
        self._z_right = np.column_stack([own.zx, own.zy])
        self._roots = [_precision_root(prior) for prior in problem.priors]
        if len(own.zy) + p <= min(problem.n, MOST_ROOTED_COLUMNS):
            gram = np.block([[own.zz.toarray(), own.zx], [own.zx.T, np.eye(p)]])
            self._noise_root: Any = semidefinite_root(gram)
            return
        Z = problem.cp.scaling.whitened_matrices(problem.rows)
        self._design = [(z.T.tocsr(), root) for z, root in zip(Z, problem.roots, strict=True)]
        self._x, self._noise_root = own.rows(problem.rows)[0], None

    def effects(self, variances: FloatArray, rng: np.random.Generator) -> FloatArray:
        problem, sigma, p = self.problem, np.sqrt(variances[-1]), self.problem.p
        theta = np.sqrt(variances[:-1] / variances[-1])
        factor = factorize(problem.system, [np.array([[x]]) for x in theta])
        on_z, on_x = self._noise(rng)
        right = self._z_right.copy()
        right[:, p] += sigma * on_z
        for span, x, root in zip(problem.spans, theta, self._roots, strict=True):
            right[span] *= x
            z = rng.standard_normal(span.stop - span.start)
            right[span, p] += sigma * (z if root is None else root(z))
        solved = self._flat(factor.solve(self._blocks(right)))
        zx = self._z_right[:, :p]
        xx = np.eye(p) - zx.T @ solved[:, :p]
        try:
            lower = np.linalg.cholesky(0.5 * (xx + xx.T))
        except np.linalg.LinAlgError:
            raise NumericalError("X'V⁻¹X is not positive definite.") from None
        half = np.linalg.solve(lower, sigma * on_x - zx.T @ solved[:, p])
        return np.asarray(solved[:, p] - solved[:, :p] @ np.linalg.solve(lower.T, half))

    def _noise(self, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Z'ε and X'ε for ε ~ N(0, I)."""
        if self._noise_root is not None:
            drawn = self._noise_root @ rng.standard_normal(len(self._noise_root))
            m = len(self._z_right)
            return drawn[:m], drawn[m:]
        noise = rng.standard_normal(self.problem.n)
        own = [z @ noise if root is None else root.T @ (z @ noise) for z, root in self._design]
        return np.concatenate(own), noise @ self._x

    def squares(self, effects: FloatArray) -> FloatArray:
        problem, own, p = self.problem, self.problem.orthonormal, self.problem.p
        blocks = self._blocks(effects[:, None])
        pairs = zip(problem.priors, blocks, strict=True)
        precise = [float(np.vdot(b, prior.precision_times(b))) for prior, b in pairs]
        moments = effects @ self._z_right
        gram = own.zz @ effects
        left = own.yy - 2.0 * moments[p] + effects @ gram - moments[:p] @ moments[:p]
        if not left > 0:
            raise NumericalError(
                "the residuals are lost in rounding: the random effects explain the response."
            )
        return np.array([*precise, left])

    def beta(
        self, effects: FloatArray, variances: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        noise = np.sqrt(variances[-1]) * rng.standard_normal(self.problem.p)
        return np.asarray(noise - effects @ self._z_right[:, :-1])

    def expanded(self, effects: FloatArray) -> FloatArray:
        return effects

    def _blocks(self, x: FloatArray) -> list[FloatArray]:
        """x (m, r) by component, (q, 1, r)."""
        return [x[s, None] for s in self.problem.spans]

    def _flat(self, x: Sequence[FloatArray]) -> FloatArray:
        """Back again."""
        return np.concatenate([block[:, 0] for block in x])


def _precision_root(prior: Prior) -> LinearMap | None:
    """F with FF' = Q; nothing for Q = I."""
    if prior.has_unit_precision:
        return None
    cholesky, factored = cholesky_of(prior.precision(0))
    order, lower = cholesky.order, factored.lower

    def times(z: FloatArray) -> FloatArray:
        out = np.empty_like(z)
        out[order] = lower @ z
        return out

    return times


def sampler_of(problem: ComponentProblem) -> Sampler:
    """The fastest sampler for a model."""
    one = len(problem.priors) == 1 and affordable(problem)
    full = one and isinstance(problem.priors[0].root, np.ndarray)
    if one and (full or problem.counts[0] <= MOST_DIAGONALISED):
        return DiagonalSampler(problem)
    return BlockSampler(problem)
